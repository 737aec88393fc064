"""Limits and identities between row losses, the grid of cross-entropy's options, constant predictions, links."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from rows import (
    assert_near,
    draw_rows,
    every_form,
    ignore_index,
    is_softmax,
    n_classes,
    one_hot,
    row_losses,
    softmax,
)

import fastloss as fl

K = 4
CLASS_WEIGHT = (0.5, 2.0, 1.25, 0.0)

# (a loss of labels, one with the same result on the dense rows of the labels)
ONE_HOT = [
    *((loss, loss) for loss in row_losses() if loss.targets == "both" and ignore_index(loss) is None),
    *(
        (
            fl.SparseCategoricalCrossEntropy(**options, eps=eps, from_logits=logits),
            fl.CategoricalCrossEntropy(**options, eps=eps, from_logits=logits),
        )
        for smoothing, weight in itertools.product((0.0, 0.25, 1.0), (None, CLASS_WEIGHT))
        for logits, eps in ((True, 0.0), (False, 0.0), (False, 0.125))
        for options in [{"label_smoothing": smoothing, "class_weight": weight}]
    ),
]


@pytest.mark.parametrize(("sparse", "dense"), ONE_HOT, ids=[repr(pair[0]) for pair in ONE_HOT])
def test_a_label_is_its_one_hot_row(sparse, dense, rng) -> None:
    k = n_classes(sparse)
    y, f = draw_rows(sparse, 200, k, rng, form="labels")
    w = rng.random(200)
    for policy in sparse.hessian_policies:
        if policy not in dense.hessian_policies:
            continue
        for reduction in ("mean", "sum", "none"):
            keywords = {"reduction": reduction, "hessian": policy}
            expected = sparse.evaluate(y, f, w, **keywords)
            for a, b in zip(dense.evaluate(one_hot(y, k), f, w, **keywords), expected, strict=True):
                assert_near(a, b, 1e-13, policy)


# (a loss, another that it tends to, tolerance)
LIMITS = [
    (f"{left}, from_logits={logits})", f"CategoricalFocal(gamma=0.0, from_logits={logits})", tolerance)
    for logits in (True, False)
    for left, tolerance in (
        ("CategoricalFocal(gamma=1e-13", 1e-10),
        ("GeneralizedCrossEntropy(q=1e-12", 1e-9),
        ("Poly1CrossEntropy(epsilon=0.0", 1e-14),
        ("Poly1CrossEntropy(epsilon=1e-13", 1e-11),
        ("SparseCategoricalCrossEntropy(eps=0.0", 1e-14),
    )
]


@pytest.mark.parametrize(("left", "right", "tolerance"), LIMITS, ids=[row[0] for row in LIMITS])
def test_limits(left, right, tolerance, rng) -> None:
    a, b = (eval(text, vars(fl).copy()) for text in (left, right))
    y, f = draw_rows(a, 300, 5, rng, form="labels")
    f = f if is_softmax(a) else np.minimum(f, 1 - 2.0**-6)  # the hessian in p does not tend to its limit at 1
    for x, z in zip(a.evaluate(y, f, reduction="none"), b.evaluate(y, f, reduction="none"), strict=True):
        assert_near(x, z, tolerance)


def test_generalized_cross_entropy_ends_at_the_error_probability(rng) -> None:
    loss = fl.GeneralizedCrossEntropy(q=1.0)
    y, p = draw_rows(loss, 50, K, rng, form="labels")
    np.testing.assert_allclose(loss(y, p, reduction="none"), 1 - p[np.arange(50), y], rtol=1e-13)


def test_divergences_of_equal_rows_are_zero(rng) -> None:
    p = rng.dirichlet(np.ones(K), 100)
    for loss in (fl.KLDivergence(), fl.JensenShannon()):
        np.testing.assert_allclose(loss(p, p, reduction="none"), 0, atol=1e-32)
    logs = fl.KLDivergence(log_input=True, log_target=True)
    assert not logs(np.log(p), np.log(p), reduction="none").any()


def test_kl_divergence_is_cross_entropy_minus_entropy(rng) -> None:
    for keywords in ({}, {"from_logits": True}):
        kl, cross = fl.KLDivergence(**keywords), fl.CategoricalCrossEntropy(**keywords)
        _, f = draw_rows(kl, 100, K, rng)
        t = rng.dirichlet(np.ones(K), 100)
        entropy = -(t * np.log(t)).sum(axis=1)
        assert_near(kl(t, f, reduction="none"), cross(t, f, reduction="none") - entropy, 1e-14)
        assert_near(kl.gradient(t, f, reduction="none"), cross.gradient(t, f, reduction="none"), 1e-14)


def test_two_classes_are_the_binary_losses(rng) -> None:
    y, z = rng.integers(0, 2, 200), 3 * rng.standard_normal(200)
    rows = np.stack([np.zeros(200), z], axis=1)
    for multi, binary in (
        (fl.SparseCategoricalCrossEntropy(from_logits=True), fl.BinaryCrossEntropy(from_logits=True)),
        (
            fl.SparseCategoricalCrossEntropy(from_logits=True, label_smoothing=0.1),
            fl.BinaryCrossEntropy(from_logits=True, label_smoothing=0.1),
        ),
        (fl.CategoricalFocal(gamma=1.5, from_logits=True), fl.BinaryFocal(gamma=1.5, from_logits=True)),
    ):
        ours, theirs = multi.evaluate(y, rows, reduction="none"), binary.evaluate(y, z, reduction="none")
        assert_near(ours.value, theirs.value, 1e-14)
        assert_near(ours.gradient[:, 1], theirs.gradient, 1e-14)
        assert_near(ours.hessian[:, 1], theirs.hessian, 1e-13)
    margins = fl.CategoricalHinge()(y, np.stack([np.zeros(200), z], axis=1), reduction="none")
    assert_near(margins, fl.Hinge()(y, z, reduction="none"), 1e-15)
    for p, half in ((1, fl.Hinge()), (2, fl.SquaredHinge())):
        ours = fl.MultiMargin(p=p)(y, rows, reduction="none")
        assert_near(ours, half(y, z, reduction="none") / 2, 1e-14)


def test_multi_quantile_is_a_quantile_loss_for_each_column(rng) -> None:
    quantiles = (0.1, 0.5, 0.9, 0.25)
    loss = fl.MultiQuantile(quantiles=quantiles)
    y, f = draw_rows(loss, 300, 4, rng, grid=True)
    columns = [fl.Quantile(quantile=q) for q in quantiles]
    each = [column.evaluate(y, f[:, j], reduction="none") for j, column in enumerate(columns)]
    value, gradient, hessian = loss.evaluate(y, f, reduction="none")
    np.testing.assert_allclose(value, sum(x.value for x in each), rtol=1e-14)
    np.testing.assert_array_equal(gradient, np.stack([x.gradient for x in each], axis=1))
    assert not hessian.any()
    for policy in ("majorizer", "fisher"):
        expected = [c.hessian(y, f[:, j], reduction="none", hessian=policy) for j, c in enumerate(columns)]
        np.testing.assert_allclose(
            loss.hessian(y, f, reduction="none", hessian=policy), np.stack(expected, axis=1), rtol=1e-14
        )


def test_hinges_on_a_few_numbers() -> None:
    """Worked by hand: margins, ties, kinks."""
    f = [[2.0, 1.5, -1.0], [2.0, 1.0, 0.0], [0.0, 3.0, 3.0], [-2.0, -3.0, -4.0]]
    y = [0, 0, 0, 0]
    crammer, keras = fl.CategoricalHinge(), fl.CategoricalHinge(variant="keras")
    np.testing.assert_array_equal(crammer(y, f, reduction="none"), [0.5, 0, 4, 0])
    np.testing.assert_array_equal(keras(y, f, reduction="none"), [0.5, 0, 4, 3])
    gradient = [[-1, 1, 0], [0, 0, 0], [-1, 1, 0], [0, 0, 0]]
    np.testing.assert_array_equal(crammer.gradient(y, f, reduction="none"), gradient)
    gradient[3] = [-1, 0, 0]
    np.testing.assert_array_equal(keras.gradient(y, f, reduction="none"), gradient)
    margin = fl.MultiMargin()
    np.testing.assert_allclose(margin(y, f, reduction="none"), [0.5 / 3, 0, 8 / 3, 0])
    np.testing.assert_allclose(
        margin.gradient(y, f, reduction="none") * 3, [[-1, 1, 0], [0, 0, 0], [-2, 1, 1], [0, 0, 0]]
    )


def test_cosine_of_vectors_of_any_length() -> None:
    loss = fl.CosineSimilarity()
    y, f = np.array([3.0, 4.0]), np.array([4.0, 3.0])
    for a, b in itertools.product((1e-300, 1.0, 1e300), repeat=2):
        assert loss(a * y, b * f) == pytest.approx(-0.96, rel=1e-15)
        gradient = loss.gradient(a * y, b * f)
        np.testing.assert_allclose(gradient * b, [(-0.6 + 0.96 * 0.8) / 5, (-0.8 + 0.96 * 0.6) / 5], rtol=1e-13)
    assert loss([[0.0, 0.0], [1.0, 2.0]], [[1.0, 2.0], [0.0, 0.0]], reduction="sum") == 0
    for policy in ("exact", "unit"):
        for call in (loss.hessian, loss.gradient_and_hessian, loss.evaluate, loss.reference.hessian):
            with pytest.raises(ValueError, match=r"CosineSimilarity\(\) has no hessian"):
                call([1.0, 2.0], [1.0, 2.0], hessian=policy)


@pytest.mark.parametrize(
    "loss", [x for x in row_losses() if is_softmax(x) and n_classes(x, 0) == 0 and x.targets != "dense"], ids=repr
)
def test_one_class_costs_nothing(loss) -> None:
    value, gradient, hessian = loss.evaluate([0, 0], [[3.0], [-700.0]], reduction="none")
    assert not value.any()
    assert not gradient.any()
    assert not hessian.any()
    assert np.isnan(loss([0], [[np.nan]]))


# ---- the grid of options of cross-entropy ---------------------------------------------------------------------------


@pytest.mark.parametrize("logits", [True, False])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weight", [None, CLASS_WEIGHT])
@pytest.mark.parametrize("ignored", [None, -100, 2])
def test_options_of_cross_entropy(logits, smoothing, weight, ignored, rng) -> None:
    """Against the definition, written plainly."""
    loss = fl.SparseCategoricalCrossEntropy(
        from_logits=logits, label_smoothing=smoothing, class_weight=weight, ignore_index=ignored
    )
    y, f = draw_rows(loss, 200, K, rng)
    w = rng.random(200)
    kept = np.full(200, True) if ignored is None else y != ignored
    c = np.array(weight or (1.0,) * K)
    t = (1 - smoothing) * one_hot(np.where(kept, y, 0), K) + smoothing / K
    logs = f - np.log(np.exp(f).sum(axis=1, keepdims=True)) if logits else np.log(f)
    value = np.where(kept, -(c * t * logs).sum(axis=1), 0)
    gradient = softmax(f) * (c * t).sum(axis=1, keepdims=True) - c * t if logits else -c * t / f
    gradient = np.where(kept[:, None], gradient, 0)
    total = np.sum(w[kept] * c[y[kept]])
    for methods in (loss, loss.reference):
        assert_near(methods(y, f, w, reduction="none"), w * value, 1e-13)
        assert methods(y, f, w) == pytest.approx(np.sum(w * value) / total, rel=1e-13)
        assert_near(methods.gradient(y, f, w, reduction="sum"), w[:, None] * gradient, 1e-13)
        assert_near(methods.gradient(y, f, w), w[:, None] * gradient / total, 1e-13)


# ---- constant predictions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("loss", "form"), [(x, form) for x, form in every_form(row_losses()) if form != "vectors"], ids=repr
)
def test_init_score_minimises_the_loss(loss, form, weighted, rng) -> None:
    k, raw = n_classes(loss), loss.on_raw()
    y, _ = draw_rows(raw, 150, k, rng, form=form)
    if form == "labels":  # shares far from equal
        y = np.where((y == 0) | (rng.random(150) < 0.6) | (y == ignore_index(loss)), y, 0)
    w = rng.integers(0, 3, 150).astype(float) if weighted else None
    score = raw.init_score(y, w, n_classes=k)
    assert isinstance(score, np.ndarray)
    assert score.shape == (k,)
    assert np.isfinite(score).all()
    if loss != raw:
        np.testing.assert_array_equal(loss.init_score(y, w, n_classes=k), score)
    if form != "values":
        assert score.sum() == pytest.approx(0, abs=1e-12 * (1 + np.abs(score).max()))

    def total(constant: np.ndarray) -> float:
        return raw(y, np.tile(constant, (150, 1)), w, reduction="sum")

    least = total(score)
    directions = [*np.eye(k), *rng.standard_normal((8, k))]
    for reach in (1e-5, 1e-3, 0.1, 1.0) if raw.info.convex else (1e-5, 1e-3):
        for d, sign in itertools.product(directions, (-reach, reach)):
            assert least <= total(score + sign * d) + 1e-12 * (1 + abs(least))


def test_init_score_of_cross_entropy_is_the_log_share(rng) -> None:
    loss = fl.SparseCategoricalCrossEntropy()
    y, w = rng.integers(0, 3, 500), rng.random(500)
    shares = np.bincount(y, w) / w.sum()
    np.testing.assert_allclose(loss.link.inverse(loss.init_score(y, w)), shares, rtol=1e-13)
    np.testing.assert_allclose(loss.init_score(y, w), np.log(shares) - np.log(shares).mean(), rtol=1e-12)
    dense = fl.CategoricalCrossEntropy()
    np.testing.assert_allclose(dense.init_score(one_hot(y, 3), w), loss.init_score(y, w), rtol=1e-12)


def test_init_score_of_quantiles(rng) -> None:
    loss = fl.MultiQuantile(quantiles=(0.9, 0.1))
    y = rng.standard_normal(101)
    expected = [fl.Quantile(quantile=q).init_score(y) for q in (0.9, 0.1)]
    np.testing.assert_array_equal(loss.init_score(y), expected)


def test_init_score_says_how_many_classes() -> None:
    """From the dense rows, the class parameters, the argument, or the largest label."""
    sparse = fl.SparseCategoricalCrossEntropy
    assert sparse().init_score([0, 1, 2]).shape == (3,)
    assert sparse().init_score([0, 1, 2], n_classes=5).shape == (5,)
    assert sparse(class_weight=[1.0] * 4).init_score([0, 1]).shape == (4,)
    assert fl.CategoricalCrossEntropy().init_score([[1.0, 0.0, 0.0, 0.0]]).shape == (4,)
    absent = sparse().init_score([0, 0, 1], n_classes=3)
    assert np.isfinite(absent).all()
    assert absent[2] < absent[1] - 20


def test_init_score_refuses() -> None:
    loss = fl.SparseCategoricalCrossEntropy(ignore_index=-1)
    for bad in ([], [-1, -1], [0, -2], [0.5, 1.0], [np.nan, 1.0]):
        with pytest.raises(ValueError, match="y_true"):
            loss.init_score(bad)
    with pytest.raises(ValueError, match="y_true"):
        loss.init_score([0, 3], n_classes=3)
    for weight in ([0.0, 0.0], [1.0, -1.0], [1.0]):
        with pytest.raises(ValueError, match="sample_weight"):
            loss.init_score([0, 1], weight)
    with pytest.raises(NotImplementedError, match="CosineSimilarity"):
        fl.CosineSimilarity().init_score([[1.0, 2.0]])


# ---- links ----------------------------------------------------------------------------------------------------------


def test_raw_scale(row_loss, rng) -> None:
    """The raw loss of a score is the natural loss of its prediction."""
    raw = row_loss.on_raw()
    assert raw.on_raw() == raw
    if raw == row_loss or getattr(row_loss, "eps", 0) > 0:
        return
    logarithms = row_loss.info.name == "negative_log_likelihood" or getattr(row_loss, "log_input", False)
    assert row_loss.link.name == ("log_softmax" if logarithms else "softmax")
    assert raw.link.name == "softmax"
    y, z = draw_rows(raw, 100, n_classes(row_loss), rng)
    natural = row_loss.link.inverse(z)
    assert_near(row_loss(y, natural, reduction="none"), raw(y, z, reduction="none"), 1e-11)
    assert row_loss(y, natural) == pytest.approx(raw(y, z), rel=1e-11)


def test_softmax_link(rng) -> None:
    link = fl.CategoricalCrossEntropy().link
    assert link.name == "softmax"
    p = rng.dirichlet(np.ones(5), (6, 7))
    np.testing.assert_allclose(link.inverse(link(p)), p, rtol=1e-12)
    np.testing.assert_allclose(link(p).sum(axis=-1), 0, atol=1e-13)
    assert link(p.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(link.inverse([1000.0, 0.0, -1000.0]), [1, 0, 0])
    nll = fl.NegativeLogLikelihood(class_weight=(1.0, 2.0), ignore_index=0)
    assert nll.on_raw() == fl.SparseCategoricalCrossEntropy(from_logits=True, class_weight=(1.0, 2.0), ignore_index=0)
    np.testing.assert_allclose(nll.link.inverse([0.0, math.log(3.0)]), np.log([0.25, 0.75]), rtol=1e-14)
