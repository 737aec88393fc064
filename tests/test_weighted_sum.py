"""Weighted sums against the sums of their parts, which the vectors test."""

import copy
import importlib
import json
import pickle

import numpy as np
import pytest
from support import draw, same

import fastloss as fl
from fastloss.adapters.xgboost import objective

POINTWISE = [
    0.7 * fl.Huber() + 0.3 * fl.Quantile(quantile=0.9),
    fl.LogCosh() - 0.25 * fl.HalfSquaredError() + 2 * fl.Cauchy(),
    3 * fl.TukeyBiweight(),
    fl.BinaryCrossEntropy(from_logits=True) + 0.1 * fl.Hinge() + 0.5 * fl.BinaryFocal(from_logits=True),
    fl.BinaryCrossEntropy() + fl.BinaryFocal(),
    fl.Poisson(log_input=True) + 0.5 * fl.Gamma(log_input=True),
    fl.Poisson() + 2 * fl.HalfSquaredError(),
    fl.GaussianNLL(log_variance=True) + 0.5 * fl.GaussianCRPS(log_variance=True),
    0.5 * fl.LaplaceNLL() + 0.5 * fl.GaussianNLL(),
]
ROWS = [
    fl.SparseCategoricalCrossEntropy(from_logits=True) + 0.5 * fl.MultiMargin(),
    fl.CategoricalFocal(from_logits=True, gamma=1.0) - 0.1 * fl.Poly1CrossEntropy(from_logits=True),
    fl.SparseCategoricalCrossEntropy(from_logits=True, ignore_index=2)
    + 0.3 * fl.CategoricalFocal(from_logits=True, ignore_index=2),
]
OUTPUTS = ("value", "gradient", "hessian")


class Cubed(fl.PointwiseLoss):
    def reference(y, f):
        r = f - y
        return abs(r) ** 3, 3 * r * abs(r), 6 * abs(r)


USERS = fl.Huber() + 0.1 * Cubed()


def sample(loss, n, seed=0):
    rng = np.random.default_rng(seed)
    if loss in ROWS:
        return rng.integers(0, 4, n), 3 * rng.standard_normal((n, 4)), rng.uniform(0, 2, n)
    y, f = draw(loss, n, rng)
    return y, f, rng.uniform(0, 2, n)


def parts_sum(loss, method, *arguments, **options):
    terms = [a * np.asarray(getattr(part, method)(*arguments, **options)) for a, part in loss.parts]
    return sum(terms), sum(abs(term) for term in terms)


def assert_close(got, expected, scale, real=np.float64):
    with np.errstate(invalid="ignore"):
        error = np.abs(np.asarray(got) - expected)
    assert np.all((error <= 8 * np.finfo(real).eps * scale) | (np.asarray(got) == expected)), np.nanmax(error)


@pytest.mark.parametrize("loss", [*POINTWISE, *ROWS, USERS], ids=repr)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
def test_is_the_sum_of_its_parts(loss, reduction, weighted):
    y, f, w = sample(loss, 2500)
    w = w if weighted else None
    for method in ("__call__", "gradient", "hessian"):
        got = getattr(loss, method)(y, f, w, reduction=reduction)
        assert_close(got, *parts_sum(loss, method, y, f, w, reduction=reduction))
    for policy in loss.hessian_policies:
        got = loss.hessian(y, f, w, reduction=reduction, hessian=policy)
        assert_close(got, *parts_sum(loss, "hessian", y, f, w, reduction=reduction, hessian=policy))


@pytest.mark.parametrize("loss", [*POINTWISE, *ROWS, USERS], ids=repr)
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_fused_calls_equal_single_ones(loss, real):
    y, f, w = sample(loss, 1500, seed=1)
    f = f.astype(real)
    whole = loss.evaluate(y, f, w, reduction="none")
    assert same(whole.value, loss(y, f, w, reduction="none"))
    assert same((whole.gradient, whole.hessian), loss.gradient_and_hessian(y, f, w, reduction="none"))
    assert whole.gradient.dtype == real
    assert whole.value.dtype == real


@pytest.mark.parametrize("loss", [*POINTWISE, *ROWS, USERS], ids=repr)
def test_agrees_with_its_reference(loss):
    y, f, w = sample(loss, 700, seed=2)
    for reduction in ("mean", "sum", "none"):
        got = loss.evaluate(y, f, w, reduction=reduction)
        expected = loss.reference.evaluate(y, f, w, reduction=reduction)
        for a, b, name in zip(got, expected, OUTPUTS, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("loss", POINTWISE, ids=repr)
def test_same_bits_for_any_threads_and_layout(loss):
    y, f, w = sample(loss, 70_000, seed=3)
    expected = loss.evaluate(y, f, w, n_threads=1)
    for n in (2, 3, 7):
        assert all(map(same, loss.evaluate(y, f, w, n_threads=n), expected))
    apart = np.repeat(f, 2, axis=0)[::2]
    assert all(map(same, loss.evaluate(y, apart, w), expected))
    gradient = f.copy()
    loss.gradient(y, gradient, w, out=gradient)
    assert same(gradient, expected.gradient)


@pytest.mark.parametrize("loss", [*POINTWISE, *ROWS, USERS], ids=repr)
def test_is_a_loss_like_any_other(loss):
    assert fl.get(json.loads(json.dumps(loss.config()))) == loss if loss is not USERS else True
    assert copy.deepcopy(loss) == loss
    if loss is not USERS:
        assert pickle.loads(pickle.dumps(loss)) == loss
        assert eval(repr(loss), vars(fl) | {"inf": np.inf}) == loss
    assert len({loss, copy.copy(loss)}) == 1
    assert loss.info.name == "weighted_sum"


def test_operators():
    a, b = fl.Huber(), fl.LogCosh()
    assert (2 * a + b).parts == ((2.0, a), (1.0, b))
    assert np.float64(2) * a == a * 2 == a + a == 2 * (a / 1)
    assert (a - 0.5 * b).parts == ((1.0, a), (-0.5, b))
    assert (-a).parts == ((-1.0, a),)
    assert 2 * (a + 3 * (b + a)) == fl.WeightedSum(parts=[(8, "huber"), (6, {"name": "log_cosh"})])
    assert sum([a, b]) == a + b
    for wrong in (lambda: a * a, lambda: a + 1, lambda: "2" * a, lambda: True * a):
        with pytest.raises(TypeError):
            wrong()


def test_coefficient_zero_is_not_evaluated():
    loss = fl.Huber() + 0 * fl.HalfSquaredError()
    y, f = [0.0, 0.0], [np.inf, 1.0]
    assert loss.parts[1] == (0.0, fl.HalfSquaredError())
    np.testing.assert_array_equal(loss.hessian(y, f, reduction="none"), fl.Huber().hessian(y, f, reduction="none"))
    nothing = 0 * fl.HalfSquaredError()
    assert nothing(y, f) == 0
    np.testing.assert_array_equal(nothing.gradient(y, f), [0, 0])
    rows = 0 * fl.SparseCategoricalCrossEntropy(from_logits=True)
    np.testing.assert_array_equal(rows.gradient([0], [[np.inf, np.inf]]), [[0, 0]])


def test_policies():
    convex = fl.Huber() + fl.HalfSquaredError()
    assert "majorizer" in convex.hessian_policies
    assert convex.default_hessian == "majorizer"
    assert (fl.HalfSquaredError() + fl.Linex()).default_hessian == "exact"
    minus = fl.HalfSquaredError() - 0.5 * fl.Huber()
    assert "majorizer" not in minus.hessian_policies
    with pytest.raises(ValueError, match="hessian must be one of"):
        minus.hessian([0.0], [1.0], hessian="majorizer")


def test_metadata_follow_from_the_parts():
    info = (2 * fl.Huber(delta=1.5) - fl.MeanAbsoluteError()).info
    assert not info.convex
    assert info.lipschitz == 4.0
    assert info.differentiability == "C0"
    assert (fl.Poisson(log_input=True) + fl.Gamma(log_input=True)).info.y_domain == fl.Gamma().info.y_domain
    assert (fl.Hinge() + fl.BinaryCrossEntropy(from_logits=True)).link.name == "logit"
    assert (fl.BinaryCrossEntropy() + fl.BinaryFocal()).on_raw() == (
        fl.BinaryCrossEntropy(from_logits=True) + fl.BinaryFocal(from_logits=True)
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: fl.BinaryCrossEntropy() + fl.BinaryFocal(from_logits=True),
            r"one scale, got BinaryCross.*Focal",
        ),
        (lambda: fl.Huber() + fl.GaussianNLL(), "same y_true and y_pred, got Huber"),
        (lambda: fl.Huber() + fl.MultiMargin(), "same y_true and y_pred"),
        (lambda: fl.SparseCategoricalCrossEntropy() + fl.CategoricalCrossEntropy(), "same y_true"),
        (lambda: fl.Gamma(log_input=True) + fl.BinaryCrossEntropy(from_logits=True), "same link"),
        (lambda: fl.LinearCrossEntropy() + fl.Huber(), "y_true and y_pred, got LinearCrossEntropy"),
        (lambda: np.inf * fl.Huber(), "coefficient must be finite, got inf at index 0"),
        (lambda: (fl.HalfSquaredError() + fl.BinaryCrossEntropy()).on_raw(), "has no raw scale"),
    ],
)
def test_parts_that_do_not_go_together(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("wrong", [None, [], [fl.Huber()], [(1.0,)], {"huber": 1.0}])
def test_malformed_parts(wrong):
    with pytest.raises(TypeError, match="parts must"):
        fl.WeightedSum(parts=wrong)


def test_domains_of_all_parts_hold():
    loss = fl.Poisson(log_input=True) + fl.Gamma(log_input=True)
    with pytest.raises(ValueError, match=r"y_true must be > 0 and finite, got 0\.0 at index 1"):
        loss([1.0, 0.0], [0.0, 0.0])
    with pytest.raises(ValueError, match=r"y_true must be 0 or 1, got 0\.5 at index 0"):
        (fl.BinaryCrossEntropy(from_logits=True) + fl.BinaryFocal(from_logits=True))([0.5], [0.0])


@pytest.mark.parametrize(
    "loss",
    [loss for loss in [*POINTWISE, *ROWS, USERS] if loss.n_predictions != 2 and loss != USERS and loss._non_negative],
    ids=repr,
)
def test_init_score_minimises(loss):
    y, _, w = sample(loss, 300, seed=4)
    if fl.Poisson() in loss._losses:
        loss = fl.Poisson(log_input=True) + 0.5 * fl.Gamma(log_input=True)
        y = y + 1.0
    raw = loss.on_raw()
    s = raw.init_score(y, w)
    best = raw(y, np.broadcast_to(s, y.shape + np.shape(s)), w)
    rng = np.random.default_rng(5)
    for size in (1e-3, 1e-2, 0.1, 1.0):
        for _ in range(20):
            other = s + size * rng.standard_normal(np.shape(s))
            assert raw(y, np.broadcast_to(other, y.shape + np.shape(s)), w) >= best - 1e-12 * (1 + abs(best))


def test_init_score_of_distributions():
    loss = fl.GaussianNLL(log_variance=True) + 0.5 * fl.LaplaceNLL(log_scale=True)
    y = np.random.default_rng(6).gamma(2.0, size=400)
    s = loss.init_score(y)
    np.testing.assert_allclose(loss.gradient(y, np.broadcast_to(s, (400, 2))).sum(axis=0)[1], 0, atol=1e-6)
    assert loss(y, np.broadcast_to(s, (400, 2))) <= loss(y, np.broadcast_to(s + np.array([0.01, 0]), (400, 2)))


def test_no_minimum_is_an_error():
    with pytest.raises(ValueError, match="no minimum"):
        (fl.Huber() - 2 * fl.HalfSquaredError()).init_score([1.0, 2.0])


def test_adapters_take_it():
    loss = 0.5 * fl.Huber() + 0.5 * fl.LogCosh()
    y, f, w = sample(loss, 100)
    g, h = objective(loss)(y, f, w)
    np.testing.assert_allclose(g, loss.gradient(y, f, w, reduction="sum"), rtol=1e-6)
    assert objective(loss).hessian == "majorizer"
    assert (h > 0).all()


def test_min_hessian_of_rows_leaves_ignored_ones_at_zero():
    loss = ROWS[2]
    y, f, w = sample(loss, 50)
    w[:5] = 0
    h = loss.hessian(y, f, w, reduction="sum", min_hessian=0.5)
    out = (y == 2) | (w == 0)
    assert (h[out] == 0).all()
    assert (h[~out] >= 0.5).all()


def test_out_is_filled():
    for loss in (POINTWISE[0], ROWS[0]):
        y, f, w = sample(loss, 40)
        out = np.empty(f.shape, np.float32)
        assert loss.gradient(y, f, w, out=out) is out
        np.testing.assert_allclose(out, loss.gradient(y, f, w), rtol=1e-6, atol=1e-8)
        with pytest.raises(ValueError, match="out for the gradient must have the shape"):
            loss.gradient(y, f, w, out=np.empty(3))


@pytest.mark.parametrize("library", ["catboost", "lightgbm", "sklearn", "xgboost"])
@pytest.mark.parametrize(
    "loss",
    [ROWS[0], fl.GaussianNLL(log_variance=True) + 0.5 * fl.GaussianCRPS(log_variance=True), POINTWISE[0]],
    ids=repr,
)
def test_estimators_train_on_it(library, loss, rng):
    pytest.importorskip(library)
    pytest.importorskip("sklearn")
    adapter = importlib.import_module(f"fastloss.adapters.{library}")
    x = rng.normal(size=(500, 3))
    signal = x[:, 0] + np.sin(3 * x[:, 1])
    classes = loss in ROWS
    y = np.digitize(signal, [-0.7, 0.7]) if classes else signal + 0.3 * rng.normal(size=500)
    name = ("LinearLoss" if library == "sklearn" else "Loss") + ("Classifier" if classes else "Regressor")
    few = {
        "catboost": {"iterations": 20, "thread_count": 1, "verbose": 0, "allow_writing_files": False},
        "lightgbm": {"n_estimators": 20, "n_jobs": 1, "verbose": -1},
        "sklearn": {},
        "xgboost": {"n_estimators": 20, "n_jobs": 1},
    }[library]
    model = getattr(adapter, name)(loss=loss, **few).fit(x, y)
    raw = np.asarray(
        model._raw_scores(x) if not (classes and library == "sklearn") else model.decision_function(x), float
    )
    constant = np.broadcast_to(loss.init_score(y), raw.shape)
    assert loss(y, raw) < loss(y, constant) - 0.05
    assert model.predict(x).shape == (500,)
