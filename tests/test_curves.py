"""Slices of losses and their kinks: values, derivatives, and jumps where the definition has them."""

from __future__ import annotations

import numpy as np
import pytest

import fastloss as fl
from fastloss._curves import TERMS, can_slice, is_of_residual, slice_of
from fastloss._jumps import jumps, trace
from fastloss._rows import RowLoss

SLICED = [
    loss
    for name in fl.list_losses()
    if can_slice(default := fl.get(name))
    for loss in dict.fromkeys((default, default.on_raw()))
]
every_slice = pytest.mark.parametrize("loss", SLICED, ids=repr)


def test_every_loss_of_single_samples_has_a_slice() -> None:
    kinds = (fl.PointwiseLoss, RowLoss)
    assert {name for name in fl.list_losses() if isinstance(fl.get(name), kinds)} <= {x.info.name for x in SLICED}
    with pytest.raises(ValueError, match="loss must be one of single samples"):
        slice_of(fl.Triplet())


@every_slice
def test_slices_are_the_loss(loss) -> None:
    """Values are those of the reference; derivatives are those of the values."""
    line = slice_of(loss)
    t = np.linspace(line.low, line.high, 41)[1:-1] + 1e-3 * (line.high - line.low)
    f = line.predictions(t)
    y = np.broadcast_to(line.y, t.shape + line.y.shape)
    np.testing.assert_allclose(line.value(t), loss.reference(y, f, reduction="none"), rtol=1e-9, atol=1e-12)
    step = 1e-5 * (line.high - line.low)
    places = [jump.x for term in ("gradient", "value") for jump in line.trace(term).jumps]
    smooth = np.all(np.abs(t[:, None] - np.array([*places, np.inf])) > 2 * step, axis=1)
    t = t[smooth]
    slope = (line.value(t + step) - line.value(t - step)) / (2 * step)
    np.testing.assert_allclose(line.gradient(t), slope, rtol=1e-5, atol=1e-5 * np.abs(slope).max())
    if "hessian" in line.terms:
        bend = (line.gradient(t + step) - line.gradient(t - step)) / (2 * step)
        corners = [jump.x for jump in line.trace("hessian").jumps]
        away = np.all(np.abs(t[:, None] - np.array([*corners, np.inf])) > 2 * step, axis=1)
        np.testing.assert_allclose(line.hessian(t)[away], bend[away], rtol=1e-4, atol=1e-4 * np.abs(bend).max() + 1e-9)


@every_slice
def test_jumps_are_those_of_a_kink(loss) -> None:
    """A gradient that jumps belongs to a loss that is only continuous; C2 losses have no jump at all."""
    line = slice_of(loss)
    found = {term: line.trace(term).jumps for term in line.terms}
    smoothness = loss.info.differentiability
    if smoothness != "C0":
        assert not found["gradient"]
    if smoothness in ("C2", "C-inf"):
        assert not found.get("hessian")
    for term in line.terms:
        for jump in found[term]:
            near = 1e-9 * max(1.0, abs(jump.x))
            sides = getattr(line, term)(np.array([jump.x - near, jump.x + near]))
            np.testing.assert_allclose(sides, (jump.left, jump.right), rtol=1e-6, atol=1e-6)
            at = getattr(line, term)(np.array([jump.x]))[0]
            assert at == jump.at


KINKS = [
    (fl.MeanAbsoluteError(), 3.7, "gradient", [(3.7, -1.0, 1.0, 0.0)]),
    (fl.Quantile(quantile=0.9), -1.3, "gradient", [(-1.3, -0.9, 0.1, 0.0)]),
    (fl.EpsilonInsensitive(epsilon=0.25), 1.0, "gradient", [(0.75, -1.0, 0.0, 0.0), (1.25, 0.0, 1.0, 0.0)]),
    (fl.Huber(delta=0.3), 0.0, "hessian", [(-0.3, 0.0, 1.0, 1.0), (0.3, 1.0, 0.0, 1.0)]),
    (fl.SquaredHinge(), 0, "hessian", [(-1.0, 0.0, 2.0, 0.0)]),
    (fl.Hinge(), 1, "gradient", [(1.0, -1.0, 0.0, 0.0)]),
    (fl.MultiMargin(), 2, "gradient", [(1.0, -2 / 3, 0.0, 0.0)]),
    (fl.MeanSquaredError() + 2 * fl.MeanAbsoluteError(), 1.0, "gradient", [(1.0, -2.0, 2.0, 0.0)]),
]


@pytest.mark.parametrize(("loss", "y", "term", "expected"), KINKS, ids=[repr(case[0]) for case in KINKS])
def test_kinks_are_exact(loss, y, term, expected) -> None:
    line = slice_of(loss, y)
    found = line.trace(term).jumps
    assert [jump.x for jump in found] == [x for x, *_ in expected]
    for jump, (_, *values) in zip(found, expected, strict=True):
        np.testing.assert_allclose((jump.left, jump.right, jump.at), values, rtol=1e-12, atol=1e-12)
    if term == "gradient":
        corners = {jump.x for jump in found}
        assert corners <= set(line.trace("value").x), "corners are points of the curve of the value"


def test_clipped_probabilities_have_their_kinks() -> None:
    line = slice_of(fl.BinaryCrossEntropy(eps=0.01))
    assert [jump.x for jump in line.trace("gradient").jumps] == pytest.approx([0.01, 0.99], rel=1e-14)


def test_users_losses_have_theirs() -> None:
    class Stairs(fl.PointwiseLoss):
        def reference(y, f):
            r = f - y
            g = np.floor(r)
            return g * r - g * (g + 1) / 2, g, 0 * r

    found = slice_of(Stairs(), 0.5, (-1.75, 2.25)).trace("gradient").jumps
    assert [jump.x for jump in found] == [-1.5, -0.5, 0.5, 1.5]


def test_trace_breaks_lines_at_jumps() -> None:
    line = trace(np.sign, np.linspace(-1, 1, 8))
    assert np.isnan(line.y).sum() == 1
    assert np.all(np.diff(line.x) >= 0)
    assert set(line.y[np.isfinite(line.y)]) == {-1.0, 1.0}
    assert line.jumps[0].at == 0.0
    moved = line.shifted(2.0)
    assert moved.jumps[0].x == 2.0
    np.testing.assert_array_equal(moved.x, line.x + 2)


def test_lines_end_at_their_limits() -> None:
    """At the bound of the domain the gradient is a convention."""
    line = slice_of(fl.JensenShannon())
    assert line.gradient(1.0) == 0
    traced = line.trace("gradient")
    assert traced.y[-1] == pytest.approx(traced.y[-2], rel=1e-3)
    assert np.isneginf(traced.y[0])


@pytest.mark.parametrize("shift", [0.0, 1e-7, 1 / 3, 12345.678])
def test_several_jumps_in_one_step(shift) -> None:
    places = shift + np.array([0.101, 0.102, 0.1021, 0.8])
    found = jumps(lambda x: np.searchsorted(places, x).astype(float), shift + np.linspace(0, 1, 6))
    np.testing.assert_allclose([jump.x for jump in found], places, rtol=1e-14)
    assert [(jump.left, jump.right) for jump in found] == [(0, 1), (1, 2), (2, 3), (3, 4)]


def test_steep_functions_do_not_jump() -> None:
    x = np.linspace(-1, 1, 21)
    for function in (lambda x: np.tanh(1e6 * x), lambda x: np.exp(30 * x), np.cbrt, lambda x: 1 / (x + 1)):
        assert jumps(function, x) == ()
    assert jumps(lambda x: np.where(x > 0, np.inf, -np.inf), x) == ()


def test_only_the_largest_changes_are_searched() -> None:
    places = np.array([0.15, 0.35, 0.55])
    heights = np.array([1.0, 5.0, 2.0])
    steps = lambda x: (heights * (x[:, None] > places)).sum(axis=1)
    assert [jump.x for jump in jumps(steps, np.linspace(0, 1, 11), 2)] == pytest.approx([0.35, 0.55])


def test_slices_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="between must be an increasing pair"):
        slice_of(fl.Huber(), 0.0, (1.0, 1.0))
    with pytest.raises(ValueError, match="inside the domain"):
        slice_of(fl.Poisson(), 1.0, (-3.0, -1.0))
    with pytest.raises(TypeError, match="between"):
        slice_of(fl.Huber(), 0.0, ("a", 2.0))
    with pytest.raises(ValueError, match="y_true"):
        slice_of(fl.Hinge(), 0.5).value(0.0)


def test_targets_and_lines() -> None:
    line = slice_of(fl.SparseCategoricalCrossEntropy(from_logits=True), 4)
    assert line.predictions([1.0, 2.0]).tolist() == [[0, 0, 0, 0, 1], [0, 0, 0, 0, 2]]
    line = slice_of(fl.CategoricalCrossEntropy(), [0.0, 1.0, 0.0])
    assert line.predictions(0.5).tolist() == [0.25, 0.5, 0.25]
    assert line.terms == TERMS[:2]
    line = slice_of(fl.SparseCategoricalCrossEntropy(class_weight=(1.0, 2.0, 3.0, 4.0)))
    assert line.predictions(0.0).shape == (4,)
    line = slice_of(fl.GaussianNLL(log_variance=True), 2.0)
    assert line.predictions(1.0).tolist() == [1.0, 0.0]
    assert slice_of(fl.GaussianNLL(), 2.0).predictions(1.0).tolist() == [1.0, 1.0]


def test_losses_of_the_residual() -> None:
    for loss in SLICED:
        if loss.info.family != "regression":
            assert not is_of_residual(loss)
    assert is_of_residual(fl.Huber() + fl.Quantile())
    others = [x.info.name for x in SLICED if x.info.family == "regression" and not is_of_residual(x)]
    assert "mean_absolute_percentage_error" in others
    assert not {"mean_squared_error", "huber", "quantile", "tukey_biweight", "linex"} & set(others)
