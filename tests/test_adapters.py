"""Objectives for boosters: the contract without them, and training with them where they are installed."""

import copy
import inspect
import pickle
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from support import largest_hessian, pointwise_names

import fastloss as fl
from fastloss._domains import Interval
from fastloss.adapters import lightgbm as for_lightgbm
from fastloss.adapters import xgboost as for_xgboost

ADAPTERS = {"lightgbm": for_lightgbm.objective, "xgboost": for_xgboost.objective}
LIBRARIES = sorted(ADAPTERS)
INTERFACES = ("native", "sklearn")


BOOSTABLE = [name for name in fl.list_losses() if fl.get(name).on_raw().hessian_policies]
SEVERAL = [name for name in BOOSTABLE if fl.get(name).n_predictions != 1]


KINKED = [
    name
    for name in BOOSTABLE
    if (loss := fl.get(name).on_raw()).default_hessian == "majorizer" and loss.info.differentiability == "C0"
]


def pointwise_losses():
    return [name for name in pointwise_names() if fl.get(name).n_predictions == 1]


def raw_scores(loss, rng, n, scale=1.0):
    low = max(loss.f_domains[0].low, -1e3)
    return np.maximum(rng.normal(scale=scale, size=n), low + 0.01)


def targets(domain, rng, n):
    if not isinstance(domain, Interval):
        return rng.integers(0, 2, n).astype(float)
    if domain.low == -np.inf:
        return rng.normal(size=n)
    return rng.uniform(0, 1, n) if domain.high < np.inf else domain.low + rng.gamma(2.0, size=n)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


# ---- the contract, without a booster --------------------------------------------------------------------------------


@pytest.mark.parametrize("module", LIBRARIES)
def test_import_needs_no_booster(module):
    code = (
        f"import sys, fastloss.adapters.{module} as a; a.objective('huber'); "
        "assert not {'lightgbm', 'xgboost', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("objective", ADAPTERS.values())
def test_accepts_loss_name_and_config(objective):
    expected = objective(fl.Huber(delta=2.0))
    assert objective(fl.Huber(delta=2.0).config()) == expected
    assert objective("huber") == objective(fl.Huber()) != expected
    assert hash(objective("huber")) == hash(objective(fl.Huber()))


@pytest.mark.parametrize("objective", ADAPTERS.values())
def test_uses_raw_scale_and_its_default_hessian(objective):
    made = objective("binary_focal")
    assert made.loss == fl.BinaryFocal(from_logits=True)
    assert fl.BinaryFocal().default_hessian == "exact"
    assert made.hessian == "majorizer"
    assert objective("binary_focal", hessian="exact").hessian == "exact"


@pytest.mark.parametrize("name", pointwise_losses())
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_matches_loss_on_raw_scale(name, real, rng):
    made = ADAPTERS["xgboost"](name)
    n = 1000
    y, w = targets(made.loss.info.y_domain, rng, n), rng.uniform(0, 3, n)
    scores = raw_scores(made.loss, rng, n).astype(real)
    before = scores.copy()
    scores.flags.writeable = False
    raw = fl.get(name).on_raw()
    g, h = raw.gradient_and_hessian(y, scores, w, reduction="sum", hessian=raw.default_hessian)
    h = h if name not in KINKED else np.minimum(h, largest_hessian(g.astype(np.float32), h.astype(np.float32)))
    for got, expected in zip(made(y, scores, w), (g, h), strict=True):
        assert got.dtype == np.float32
        assert got.shape == (n,)
        assert got.flags.c_contiguous
        np.testing.assert_allclose(got, expected.astype(np.float32), rtol=0 if name not in KINKED else 1e-6)
    np.testing.assert_array_equal(scores, before)


@pytest.mark.parametrize("name", sorted({*KINKED} & {*pointwise_losses()}))
def test_no_row_outweighs_the_others(name, rng):
    """At a kink the majorizer is as large as 512 whatever the unit of the targets."""
    made = ADAPTERS["xgboost"](name)
    y = targets(made.loss.info.y_domain, rng, 3000)
    scores = np.where(y == y[0], {0: -1, 1: 1}.get(y[0], y[0]), raw_scores(made.loss, rng, 3000, scale=3.0))
    g, h = made(y, scores)
    assert h.max() <= 11 * np.median(h[g != 0] / np.abs(g[g != 0])) * np.abs(g).max()
    assert (h[g != 0] > 0).all()


def test_min_hessian_beats_the_limit_at_kinks(rng):
    made = ADAPTERS["xgboost"]("mean_absolute_error", min_hessian=3.0)
    y = 1e3 * rng.normal(size=100)
    assert (made(y, np.full(100, y[0]))[1] >= 3).all()


@pytest.mark.parametrize("name", pointwise_losses())
def test_default_hessian_trains(name, rng):
    """Never negative, and positive wherever the gradient is not 0: else a booster stands still there."""
    made = ADAPTERS["lightgbm"](name)
    y = targets(made.loss.info.y_domain, rng, 4000)
    g, h = made(y, raw_scores(made.loss, rng, 4000, scale=3.0))
    assert np.isfinite(g).all()
    assert np.isfinite(h).all()
    assert (h >= 0).all()
    assert (h[g != 0] > 0).all()
    assert (g != 0).any()


def test_weights_multiply_and_empty_means_none(rng):
    made = ADAPTERS["xgboost"]("half_squared_error")
    y, f, w = rng.normal(size=(3, 7))
    w = np.abs(w)
    plain, weighted = made(y, f), made(y, f, w)
    np.testing.assert_array_equal(plain[1], np.ones(7))
    np.testing.assert_array_equal(weighted[1], w.astype(np.float32))
    np.testing.assert_allclose(weighted[0], (f - y) * w, rtol=1e-6)
    for none in (None, np.empty(0, np.float32)):
        np.testing.assert_array_equal(made(y, f, none), plain)


def test_results_are_new_arrays(rng):
    made = ADAPTERS["xgboost"]("huber")
    y, f = rng.normal(size=(2, 5))
    first = made(y, f)
    kept = copy.deepcopy(first)
    second = made(y, f + 1)
    assert not any(np.shares_memory(a, b) for a in first for b in second)
    np.testing.assert_array_equal(first, kept)


def test_arrays_are_used_again_only_when_nobody_holds_them(rng):
    made = ADAPTERS["xgboost"]("huber")
    y, f = rng.normal(size=(2, 5))
    address = made(y, f)[0].ctypes.data
    assert made(y, f)[0].ctypes.data == address
    part = made(y, f)[1][1:3]
    kept = part.copy()
    assert all(result.ctypes.data != part.base.ctypes.data for result in made(y, f + 9))
    np.testing.assert_array_equal(part, kept)
    shorter = made(y[:3], f[:3])
    assert shorter[0].shape == (3,)
    copied = pickle.loads(pickle.dumps(made))
    assert copied == made
    assert copied(y, f)[0].ctypes.data != made(y, f)[0].ctypes.data


def test_native_reads_labels_and_weights(rng):
    made = ADAPTERS["lightgbm"]("huber")
    y, f, w = np.abs(rng.normal(size=(3, 9)))
    for weight in (w, None, np.empty(0)):
        data = SimpleNamespace(get_label=lambda: y, get_weight=lambda weight=weight: weight)
        np.testing.assert_array_equal(made.native(f, data), made(y, f, w if weight is w else None))


def test_min_hessian_is_a_floor(rng):
    y, f = np.zeros(3), np.array([0.0, 1.0, 5.0])
    assert ADAPTERS["xgboost"]("huber", hessian="exact")(y, f)[1].tolist() == [1, 1, 0]
    assert ADAPTERS["xgboost"]("huber", hessian="exact", min_hessian=0.25)(y, f)[1].tolist() == [1, 1, 0.25]
    floored = ADAPTERS["xgboost"]("huber", hessian="exact", min_hessian=0.25)
    assert floored(y, f, np.array([0.0, 0.125, 1.0]))[1].tolist() == [0, 0.25, 0.25]


def test_signature_is_what_boosters_look_for():
    parameters = inspect.signature(ADAPTERS["lightgbm"]("huber")).parameters
    assert list(parameters) == ["y_true", "y_pred", "sample_weight"]
    assert len(inspect.signature(ADAPTERS["lightgbm"]("huber").native).parameters) == 2


def test_pickle_and_deepcopy(rng):
    y, f = rng.integers(0, 2, 9), rng.normal(size=9)
    made = ADAPTERS["xgboost"](fl.BinaryFocal(gamma=1.5, alpha=0.3), min_hessian=1e-3)
    for other in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made), copy.copy(made)):
        assert other == made
        np.testing.assert_array_equal(other(y, f), made(y, f))
    assert pickle.loads(pickle.dumps(made.native)).__self__ == made


def test_user_loss():
    class Cubed(fl.PointwiseLoss):
        def reference(y, f):
            r = f - y
            return abs(r) ** 3, 3 * r * abs(r), 6 * abs(r)

    g, h = ADAPTERS["lightgbm"](Cubed())(np.zeros(2), np.array([1.0, -2.0]))
    assert g.tolist() == [3, -12]
    assert h.tolist() == [6, 12]
    assert g.dtype == h.dtype == np.float32


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ValueError, "unknown loss 'hubr'", lambda o: o("hubr")),
        (ValueError, "hessian must be one of 'exact'", lambda o: o("huber", hessian="fisher")),
        (ValueError, "min_hessian must be >= 0", lambda o: o("huber", min_hessian=-1.0)),
        (
            ValueError,
            "y_true must be 0 or 1, got 2.0 at index 1",
            lambda o: o("focal")(np.array([1.0, 2.0]), np.zeros(2)),
        ),
        (
            ValueError,
            r"y_pred must hold one score for each row.*got the shape \(2, 3\)",
            lambda o: o("huber")(np.zeros(2), np.zeros((2, 3))),
        ),
        (
            ValueError,
            "sample_weight must be >= 0",
            lambda o: o("huber")(np.zeros(2), np.zeros(2), np.array([1.0, -1.0])),
        ),
        (ValueError, "y_pred must have the shape", lambda o: o("huber")(np.zeros(2), np.zeros(3))),
        (
            TypeError,
            "takes `.native`",
            lambda o: o("huber")(np.zeros(2), SimpleNamespace(get_label=lambda: np.zeros(2), get_weight=lambda: None)),
        ),
    ],
)
@pytest.mark.parametrize("objective", ADAPTERS.values())
def test_bad_arguments_raise(objective, error, message, call):
    with pytest.raises(error, match=message):
        call(objective)


@pytest.mark.parametrize("name", sorted({*fl.list_losses()} - {*BOOSTABLE}))
def test_losses_without_hessian_raise(name):
    with pytest.raises(ValueError, match="loss must have a hessian to be boosted, got"):
        for_xgboost.objective(name)


@pytest.mark.parametrize("name", SEVERAL)
@pytest.mark.parametrize("order", ["C", "F"])
def test_several_scores_for_each_row(name, order, rng):
    """In the memory order of the scores: rows for XGBoost, columns for LightGBM."""
    made = for_lightgbm.objective(name)
    n, loss = 500, made.loss
    kind = getattr(loss, "targets", "pair")
    k = {"pair": 2, "values": len(getattr(loss, "quantiles", ()))}.get(kind, 4)
    scores = np.asarray(rng.normal(size=(n, k)), order=order)
    y = rng.integers(0, k, n)
    if kind == "dense":
        y = np.eye(k)[y]
    elif kind in ("pair", "values"):
        y = targets(loss.info.y_domain, rng, n)
    w = rng.uniform(0, 3, n)
    before = scores.copy()
    expected = loss.gradient_and_hessian(y, scores, w, reduction="sum", hessian=loss.default_hessian)
    if name in KINKED:
        g, h = (x.astype(np.float32) for x in expected)
        expected = g, np.minimum(h, largest_hessian(g, h))
    for got, wanted in zip(made(y, scores, w), expected, strict=True):
        assert got.dtype == np.float32
        assert got.flags["C_CONTIGUOUS" if order == "C" else "F_CONTIGUOUS"]
        np.testing.assert_allclose(got, wanted.astype(np.float32), rtol=0 if name not in KINKED else 1e-6)
    np.testing.assert_array_equal(scores, before)
    with pytest.raises(ValueError, match="scores for each row"):
        made(y, scores[:, 0], w)


# ---- training -------------------------------------------------------------------------------------------------------


def scores(library, interface, objective, data, start, rounds=20, **parameters):
    """Train from the raw score `start` and return raw scores: on the rows of training, or on `x_test`."""
    booster = pytest.importorskip(library)
    x, y, w = data.x, data.y, data.w
    x_test = getattr(data, "x_test", x)
    starts, test_starts = np.full(len(x), start), np.full(len(x_test), start)
    if not isinstance(objective, str) and interface == "native":
        objective = objective.native
    if library == "lightgbm":
        parameters = {"num_leaves": 8, "learning_rate": 0.3, "verbose": -1, "num_threads": 1, **parameters}
        if interface == "native":
            train = booster.Dataset(x, y, weight=w, init_score=starts)
            model = booster.train({"objective": objective, "boost_from_average": False, **parameters}, train, rounds)
            return model.predict(x_test, raw_score=True) + start
        model = booster.LGBMRegressor(objective=objective, boost_from_average=False, n_estimators=rounds, **parameters)
        return model.fit(x, y, sample_weight=w, init_score=starts).predict(x_test, raw_score=True) + start
    parameters = {"max_depth": 3, "eta": 0.3, "nthread": 1, **parameters}
    if interface == "native":
        custom = {"obj": objective} if callable(objective) else {}
        parameters |= {} if custom else {"objective": objective}
        model = booster.train(parameters, booster.DMatrix(x, y, weight=w, base_margin=starts), rounds, **custom)
        return model.predict(booster.DMatrix(x_test, base_margin=test_starts), output_margin=True)
    model = booster.XGBRegressor(objective=objective, n_estimators=rounds, **parameters)
    model.fit(x, y, sample_weight=w, base_margin=starts)
    return model.predict(x_test, output_margin=True, base_margin=test_starts)


BUILT_IN = {
    "half_squared_error": {"lightgbm": "regression", "xgboost": "reg:squarederror"},
    "binary_cross_entropy": {"lightgbm": "binary", "xgboost": "binary:logistic"},
    "poisson": {"lightgbm": "poisson", "xgboost": "count:poisson"},
}
# The libraries multiply their Poisson hessian by e**max_delta_step: 0.7 unless told otherwise.
PLAIN_POISSON = {"lightgbm": {"poisson_max_delta_step": 1e-12}, "xgboost": {"max_delta_step": 0}}


def regression_data(name, rng, weighted, n=1500):
    x = rng.normal(size=(n, 4))
    signal = x[:, 0] + np.sin(3 * x[:, 1])
    y = {
        "half_squared_error": lambda: signal + rng.normal(scale=0.3, size=n),
        "binary_cross_entropy": lambda: (signal + rng.logistic(size=n) > 0).astype(float),
        "poisson": lambda: rng.poisson(np.exp(signal / 2)).astype(float),
    }[name]()
    return SimpleNamespace(x=x, y=y, w=rng.uniform(0.1, 4.0, n) if weighted else None)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("interface", INTERFACES)
@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
def test_reproduces_built_in_objective(library, interface, name, weighted, rng):
    data = regression_data(name, rng, weighted)
    extra = PLAIN_POISSON[library] if name == "poisson" else {}
    start = fl.get(name).on_raw().init_score(data.y, data.w)
    built_in = scores(library, interface, BUILT_IN[name][library], data, start, **extra)
    custom = scores(library, interface, ADAPTERS[library](name), data, start, **extra)
    np.testing.assert_allclose(custom, built_in, rtol=1e-5, atol=1e-5)
    assert np.ptp(custom) > 1
    if weighted:
        unweighted = SimpleNamespace(x=data.x, y=data.y, w=None)
        other = scores(library, interface, ADAPTERS[library](name), unweighted, start, **extra)
        assert np.abs(other - custom).max() > 1e-2


LEARNT = {  # held-out loss of the model over that of the best constant: at most
    fl.BinaryFocal(): 0.4,
    fl.Huber(delta=0.5): 0.2,
    fl.Quantile(quantile=0.9): 0.4,
    fl.Quantile(quantile=0.1): 0.4,
    fl.MeanAbsoluteError(): 0.3,
}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("interface", INTERFACES)
@pytest.mark.parametrize("loss", LEARNT, ids=str)
def test_learns(library, interface, loss, rng):
    x = rng.normal(size=(3000, 4))
    signal = 2 * x[:, 0] + np.sin(3 * x[:, 1])
    noise = rng.standard_t(3, 3000)
    y = (signal + 0.3 * noise > 2).astype(float) if loss.info.family == "binary" else signal + 0.3 * noise
    data = SimpleNamespace(x=x[:2000], y=y[:2000], w=None, x_test=x[2000:])
    start = loss.init_score(data.y)
    objective = ADAPTERS[library](loss)
    got = scores(library, interface, objective, data, start, rounds=60)
    constant = objective.loss(y[2000:], np.full(1000, start))
    assert objective.loss(y[2000:], got.astype(float)) < LEARNT[loss] * constant


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("interface", INTERFACES)
def test_wrong_labels_stop_training(library, interface, rng):
    data = SimpleNamespace(x=rng.normal(size=(100, 2)), y=np.repeat([0.0, 3.0], 50), w=None)
    with pytest.raises(ValueError, match=r"y_true must be 0 or 1, got 3\.0 at index 50"):
        scores(library, interface, ADAPTERS[library]("binary_focal"), data, 0.0)


@pytest.mark.parametrize("library", LIBRARIES)
def test_several_scores_for_each_row_stop_training(library, rng):
    booster = pytest.importorskip(library)
    x, y = rng.normal(size=(60, 2)), np.arange(60) % 3
    native = ADAPTERS[library]("huber").native
    if library == "lightgbm":
        train = partial(booster.train, {"objective": native, "num_class": 3, "verbose": -1}, booster.Dataset(x, y), 2)
    else:
        train = partial(booster.train, {"num_class": 3}, booster.DMatrix(x, y), 2, obj=native)
    with pytest.raises(ValueError, match="one score for each row"):
        train()


@pytest.mark.parametrize("library", LIBRARIES)
def test_estimators_clone_and_pickle(library, rng):
    booster = pytest.importorskip(library)
    base = pytest.importorskip("sklearn.base")
    estimator = booster.LGBMRegressor if library == "lightgbm" else booster.XGBRegressor
    silent = {"verbose": -1} if library == "lightgbm" else {}
    model = base.clone(estimator(objective=ADAPTERS[library]("huber"), n_estimators=3, **silent))
    x, y = rng.normal(size=(200, 2)), rng.normal(size=200)
    model.fit(x, y)
    restored = pickle.loads(pickle.dumps(model))
    assert restored.objective == model.objective == ADAPTERS[library]("huber")
    np.testing.assert_array_equal(restored.predict(x), model.predict(x))


@pytest.mark.parametrize("library", LIBRARIES)
def test_classifiers_pass_labels_and_weights(library, rng):
    booster = pytest.importorskip(library)
    pytest.importorskip("sklearn")
    x, w = rng.normal(size=(500, 2)), rng.uniform(0.1, 2, 500)
    y = np.where(x[:, 0] + 0.3 * rng.normal(size=500) > 0, "spam", "ham") if library == "lightgbm" else x[:, 0] > 0
    seen = []

    class Spy(type(ADAPTERS[library]("bce"))):
        def __call__(self, y_true, y_pred, sample_weight=None):
            seen.append((y_true, sample_weight))
            return super().__call__(y_true, y_pred, sample_weight)

    made = ADAPTERS[library]("bce")
    objective = Spy(made.loss, made.hessian)
    if library == "lightgbm":
        model = booster.LGBMClassifier(objective=objective, n_estimators=5, verbose=-1).fit(x, y, sample_weight=w)
        positive = model.booster_.predict(x) > 0
    else:
        model = booster.XGBClassifier(objective=objective, n_estimators=5).fit(x, y, sample_weight=w)
        positive = model.predict(x) == 1
    assert len(seen) == 5
    np.testing.assert_array_equal(seen[0][0], (y == "spam") if library == "lightgbm" else y)
    np.testing.assert_allclose(seen[0][1], w, rtol=1e-6)
    assert np.mean(positive == ((y == "spam") if library == "lightgbm" else y)) > 0.9
