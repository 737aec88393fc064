"""Calls: reductions and weights, hessian policies and floors, the sets of outputs, losses that users write."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
from support import draw, same

import fastloss as fl
from fastloss.reference import Terms

METHODS = ("__call__", "gradient", "hessian", "value_and_gradient", "gradient_and_hessian", "evaluate")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_table_of_reductions(default_loss, rng, dtype) -> None:
    loss = default_loss
    y, f = (x.astype(dtype) for x in draw(loss, 400, rng))
    l, g, h = loss.evaluate(y, f, reduction="none")
    for w in (None, rng.integers(0, 4, 400).astype(dtype), dtype(0.5)):
        weights = np.ones(400, dtype) if w is None else np.broadcast_to(w, 400)
        column = weights if f.ndim == 1 else weights[:, None]
        tolerance = {"rtol": 4 * np.finfo(dtype).eps, "atol": 0}
        per_sample = loss.evaluate(y, f, w, reduction="none")
        assert same(per_sample, (weights * l, column * g, column * h))
        total = loss.evaluate(y, f, w, reduction="sum")
        assert same(total[1:], per_sample[1:])
        mean = loss.evaluate(y, f, w)
        assert type(mean.value) is type(total.value) is float
        size = np.sum(np.abs(weights * l, dtype=float))
        assert total.value == pytest.approx(np.sum(weights.astype(float) * l), abs=1e-14 * size)
        assert mean.value == pytest.approx(total.value / float(weights.sum()), abs=1e-15 * size)
        np.testing.assert_allclose(mean.gradient, column * g / weights.sum(), **tolerance)
        np.testing.assert_allclose(mean.hessian, column * h / weights.sum(), **tolerance)
        assert mean.gradient.dtype == mean.hessian.dtype == per_sample.value.dtype == dtype


def test_the_default_is_the_mean(default_loss, rng) -> None:
    y, f = draw(default_loss, 50, rng)
    for method in METHODS:
        call = getattr(default_loss, method)
        assert same(call(y, f), call(y, f, None, reduction="mean", out=None, n_threads=None))
    assert default_loss.value(y, f) == default_loss(y, f)


@pytest.mark.parametrize("bad", ["average", "Mean", "", None, 0, b"mean", ["mean"]])
def test_unknown_reductions(bad) -> None:
    for method in METHODS:
        with pytest.raises(ValueError, match="reduction must be one of 'mean', 'sum', 'none', got"):
            getattr(fl.Huber(), method)([0.0], [1.0], reduction=bad)


# ---- curvature ------------------------------------------------------------------------------------------------------


def test_policies_that_every_loss_has(loss, rng) -> None:
    y, f = draw(loss, 100, rng)
    w = rng.random(100)
    column = w if f.ndim == 1 else w[:, None]
    gradient = loss.gradient(y, f, reduction="sum")
    assert np.all(loss.hessian(y, f, reduction="sum", hessian="unit") == 1)
    assert same(loss.hessian(y, f, reduction="sum", hessian="absolute_gradient"), np.abs(gradient))
    assert same(loss.hessian(y, f, w, reduction="sum", hessian="unit"), np.broadcast_to(column, f.shape))
    assert same(loss.hessian(y, f), loss.hessian(y, f, hessian="exact"))


def test_policies_that_a_loss_has_not(loss) -> None:
    given = np.ones(3), np.full((3, 2)[: loss.n_predictions], 0.5)
    for bad in {"majorizer", "fisher", "newton", "", None, 1} - set(loss.hessian_policies):
        for method in (loss.hessian, loss.gradient_and_hessian, loss.evaluate, loss.reference.hessian):
            with pytest.raises(ValueError, match=rf"hessian must be one of 'exact', .* for .*, got {bad!r}$") as caught:
                method(*given, hessian=bad)
            assert all(repr(policy) in str(caught.value) for policy in loss.hessian_policies)


def test_floor_of_the_hessian(default_loss, rng) -> None:
    """It applies after weights and reduction; a sample of weight 0 stays 0."""
    loss = default_loss
    y, f = draw(loss, 300, rng)
    w = rng.integers(0, 3, 300).astype(float)
    column = np.broadcast_to(w if f.ndim == 1 else w[:, None], f.shape)
    for policy in loss.hessian_policies:
        for reduction in ("mean", "sum", "none"):
            keywords = {"reduction": reduction, "hessian": policy}
            plain, weighted = loss.hessian(y, f, **keywords), loss.hessian(y, f, w, **keywords)
            floor = float(np.median(weighted[column > 0]))
            floor = max(floor, 0.0)
            assert same(loss.hessian(y, f, **keywords, min_hessian=floor), np.maximum(plain, floor))
            raised = np.where(column > 0, np.maximum(weighted, floor), 0)
            gradient, hessian = loss.gradient_and_hessian(y, f, w, **keywords, min_hessian=floor)
            assert same(hessian, raised)
            assert same(gradient, loss.gradient(y, f, w, reduction=reduction))


@pytest.mark.parametrize(
    ("bad", "error"),
    [(-1e-300, ValueError), (np.nan, ValueError), (np.inf, ValueError), ("0", TypeError), (True, TypeError)],
)
def test_bad_floors(bad, error) -> None:
    for method in ("hessian", "gradient_and_hessian", "evaluate"):
        with pytest.raises(error, match="min_hessian must be"):
            getattr(fl.Huber(), method)([0.0], [1.0], min_hessian=bad)


# ---- sets of outputs ------------------------------------------------------------------------------------------------


def test_evaluate_returns_a_named_tuple(default_loss, rng) -> None:
    y, f = draw(default_loss, 20, rng)
    everything = default_loss.evaluate(y, f)
    assert isinstance(everything, fl.Evaluation)
    assert isinstance(everything, tuple)
    assert everything._fields == ("value", "gradient", "hessian")
    for outputs in (("value",), ("gradient",), ("hessian",), ("hessian", "value"), ["gradient", "value"], "hessian"):
        some = default_loss.evaluate(y, f, outputs=outputs)
        names = (outputs,) if isinstance(outputs, str) else outputs
        for name in fl.Evaluation._fields:
            assert same(getattr(some, name), getattr(everything, name) if name in names else None)


@pytest.mark.parametrize("outputs", [("loss",), (), ("value", "value"), ("value", 1), "values"])
def test_unknown_outputs(outputs) -> None:
    with pytest.raises(ValueError, match="outputs must"):
        fl.Huber().evaluate([0.0], [1.0], outputs=outputs)


def test_keywords_only_after_the_weights() -> None:
    for method in METHODS:
        with pytest.raises(TypeError):
            getattr(fl.Huber(), method)([0.0], [1.0], None, "sum")


# ---- losses that users write ----------------------------------------------------------------------------------------


class Cubed(fl.PointwiseLoss):
    """|r|^3."""

    def reference(y, f):
        r = f - y
        return np.abs(r) ** 3, 3 * r * np.abs(r), 6 * np.abs(r)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Powered(fl.PointwiseLoss):
    """|r|^power, with a majorizer."""

    power: float = 1.5

    def reference(y, f, power):
        r = np.abs(f - y)
        return Terms(
            value=lambda: r**power,
            gradient=lambda: power * np.sign(f - y) * r ** (power - 1),
            hessian=lambda: power * (power - 1) * r ** (power - 2),
        )


def test_users_loss_works_like_a_built_in(rng) -> None:
    y, f, w = rng.standard_normal((3, 500))
    w = np.abs(w)
    r = f - y
    loss = Cubed()
    value, gradient, hessian = loss.evaluate(y, f, w, reduction="none")
    np.testing.assert_allclose(value, w * np.abs(r) ** 3, rtol=1e-15)
    np.testing.assert_allclose(gradient, w * 3 * r * np.abs(r), rtol=1e-15)
    np.testing.assert_allclose(hessian, w * 6 * np.abs(r), rtol=1e-15)
    assert loss(y, f, w) == pytest.approx(np.average(np.abs(r) ** 3, weights=w))
    assert same(loss.gradient(y, f, w), loss.reference.gradient(y, f, w))
    assert loss.gradient(y.tolist(), f.astype(np.float32)).dtype == np.float32
    assert loss.hessian_policies == ("exact", "absolute_gradient", "unit")
    out = np.empty(500)
    assert loss.gradient(y, f, out=out) is out
    assert same(out, loss.gradient(y, f))


def test_users_loss_is_checked_like_a_built_in() -> None:
    loss = Cubed()
    with pytest.raises(ValueError, match="y_pred must have the shape"):
        loss(np.ones(3), np.ones((3, 1)))
    with pytest.raises(TypeError, match="y_true must hold real numbers"):
        loss(["a"], [1.0])
    with pytest.raises(ValueError, match="sample_weight must be >= 0"):
        loss([1.0], [1.0], [-1.0])
    with pytest.raises(ValueError, match="mean over nothing"):
        loss([], [])
    with pytest.raises(ValueError, match="hessian must be one of"):
        loss.hessian([1.0], [1.0], hessian="majorizer")
    with pytest.raises(ValueError, match="reduction must be one of"):
        loss([1.0], [1.0], reduction="average")
    for bad in (0, True, "2"):
        with pytest.raises((TypeError, ValueError), match="n_threads"):
            loss([1.0], [1.0], n_threads=bad)


def test_users_loss_is_an_object_like_a_built_in() -> None:
    assert Cubed() == Cubed()
    assert repr(Cubed()) == "Cubed()"
    assert Powered(power=1.2) != Powered()
    assert hash(Powered(power=1.2)) == hash(Powered(power=1.2))
    assert repr(Powered()) == "Powered(power=1.5)"
    assert Powered(power=1.25).config() == {"name": "powered", "power": 1.25}
    for loss in (Cubed(), Powered(power=1.25)):
        assert pickle.loads(pickle.dumps(loss)) == loss
        assert loss.info.family == "user"
        assert loss.on_raw() is loss
    assert Powered(power=2.0)([0.0, 1.0], [3.0, 1.0]) == 4.5
    assert "cubed" not in fl.list_losses()
