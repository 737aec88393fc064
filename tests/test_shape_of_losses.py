"""What the metadata of a loss claims: minima, convexity, slopes, curvature bounds, links, constant predictions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support import default_losses, draw, losses

import fastloss as fl
from fastloss._domains import REAL, Labels

N = 2000
# Losses whose majorizer is only an upper bound of the curvature, not of the loss (on the scale given, else on both).
LOCAL_MAJORIZER = {
    "mean_squared_logarithmic_error": None,
    "symmetric_mean_absolute_percentage_error": None,
    "poisson": False,
    "gamma": False,
    "tweedie": None,
    "negative_binomial": False,
    "binary_focal": True,
    "asymmetric_focal": True,
    "negative_binomial_nll": None,
}
KAPPA_CAP = 2.0**-10  # a majorizer of a kink is global only up to this distance from it


def per_sample(loss: fl.PointwiseLoss, y: np.ndarray, f: np.ndarray) -> np.ndarray:
    return loss(y, f, reduction="none")


def is_raw(loss: fl.PointwiseLoss) -> bool:
    return loss.on_raw() == loss


def spread_out(loss: fl.PointwiseLoss, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Targets with predictions from close by to far away, inside the domain."""
    y, f = draw(loss, N, rng)
    far = rng.choice([1.0, 3.0, 30.0], f.shape)
    stretched = f * far
    inside = np.stack(
        [
            domain.contains(column)
            for domain, column in zip(loss.f_domains, np.atleast_2d(np.moveaxis(stretched, -1, 0)), strict=True)
        ],
        -1,
    )
    return y, np.where(inside.reshape(f.shape), stretched, f)


@pytest.mark.parametrize("loss", [x for x in losses() if x.info.family == "regression"], ids=repr)
def test_perfect_prediction_costs_nothing(loss, rng) -> None:
    y, _ = draw(loss, N, rng)
    y[:9] = np.arange(9)
    value, gradient = loss.value_and_gradient(y, y, reduction="none")
    if loss.info.name == "smooth_quantile":  # its minimum is the entropy of the quantile, at a shifted prediction
        q = loss.quantile
        assert np.all(value >= -loss.smoothing * (q * math.log(q) + (1 - q) * math.log(1 - q)) * (1 - 1e-15))
    else:
        assert not value.any()
        assert not gradient.any()


@pytest.mark.parametrize("loss", [x for x in losses() if x.info.family == "counts"], ids=repr)
def test_the_mean_minimises_the_deviance(loss, rng) -> None:
    y, _ = draw(loss, N, rng)
    y = np.abs(y) + 0.5
    f = np.log(y) if loss.log_input else y
    np.testing.assert_allclose(loss.gradient(y, f, reduction="none"), 0, atol=1e-13 * np.exp(3 * np.abs(f)).max())
    best = per_sample(loss, y, f)
    for step in (-0.1, 0.1):
        assert np.all(per_sample(loss, y, f + step) > best)


@pytest.mark.parametrize("loss", [x for x in losses() if x.info.convex], ids=repr)
def test_convex_losses_lie_below_their_chords(loss, rng) -> None:
    assert midpoint_excess(loss, rng).max() <= 1e-13
    y, f = spread_out(loss, rng)
    assert np.nanmin(loss.hessian(y, f, reduction="none")) >= 0


@pytest.mark.parametrize("loss", [x for x in default_losses() if not x.info.convex], ids=repr)
def test_other_losses_do_not(loss, rng) -> None:
    assert midpoint_excess(loss, rng).max() > 1e-6


def midpoint_excess(loss: fl.PointwiseLoss, rng: np.random.Generator) -> np.ndarray:
    """How far the loss at midpoints lies above the chord, relative to the size of the values."""
    y, a = spread_out(loss, rng)
    b = np.roll(spread_out(loss, rng)[1], 7, axis=0)
    at_a, at_b, between = (per_sample(loss, y, f) for f in (a, b, 0.5 * a + 0.5 * b))
    with np.errstate(invalid="ignore"):
        excess = (between - (at_a + at_b) / 2) / (np.abs(at_a) + np.abs(at_b) + np.abs(between) + 1e-3)
    return excess[np.isfinite(excess)]


@pytest.mark.parametrize("loss", [x for x in losses() if math.isfinite(x.info.lipschitz)], ids=repr)
def test_lipschitz_constant_is_the_largest_slope(loss) -> None:
    """On both sides of a few targets, from the closest to the farthest predictions."""
    targets = np.array([-2.0, 0.0, 1.0])
    if isinstance(loss.info.y_domain, Labels):
        targets = targets[1:]
    steps = np.geomspace(1e-9, 1e6, 50_001)
    (domain,) = loss.f_domains
    largest = 0.0
    for target in targets[loss.info.y_domain.contains(targets)]:
        f = np.concatenate([x + s for x in (target, domain.low, domain.high) for s in (-steps, 0 * steps[:1], steps)])
        f = f[(f >= domain.low) & (f <= domain.high)]
        largest = max(largest, np.abs(loss.gradient(np.full(f.shape, target), f, reduction="sum")).max())
    assert 0.99 * loss.info.lipschitz <= largest <= loss.info.lipschitz * (1 + 1e-14)


@pytest.mark.parametrize("loss", [x for x in losses() if "majorizer" in x.hessian_policies], ids=repr)
def test_majorizer_bounds_the_curvature(loss, rng) -> None:
    for y, f in (spread_out(loss, rng), draw(loss, N, rng, grid=True)):
        exact = loss.hessian(y, f, reduction="none")
        bound = loss.hessian(y, f, reduction="none", hessian="majorizer")
        assert np.all(bound >= np.maximum(exact, 0) * (1 - 1e-14))


def has_global_majorizer(loss: fl.PointwiseLoss) -> bool:
    if "majorizer" not in loss.hessian_policies:
        return False
    scale = LOCAL_MAJORIZER.get(loss.info.name, "nowhere")
    return scale is not None and scale != is_raw(loss)


@pytest.mark.parametrize("loss", [x for x in losses() if has_global_majorizer(x)], ids=repr)
def test_majorizer_bounds_the_loss(loss, rng) -> None:
    """l(f + d) <= l(f) + g d + h_M d^2 / 2: a full Newton step never increases the loss."""
    y, f = spread_out(loss, rng)
    value, gradient, curvature = loss.evaluate(y, f, reduction="none", hessian="majorizer")
    largest_jump = 2 * np.abs(gradient).max() if loss.info.differentiability == "C0" else 0.0
    newton = -gradient / np.where(curvature > 0, curvature, 1)
    for d in (newton, 2 * newton, y - f, 2 * (y - f), rng.standard_normal(N), 10 * rng.standard_normal(N)):
        moved = per_sample(loss, y, f + d)
        quadratic = value + gradient * d + curvature * d * d / 2
        slack = 1e-12 * (np.abs(value) + np.abs(gradient * d) + curvature * d * d + 1e-3) + KAPPA_CAP * largest_jump
        assert np.all(moved <= quadratic + slack)


def test_default_hessian_trains(loss, rng) -> None:
    """Boosters divide by it: never negative inside the domain, and finite where predictions are of a sensible size."""
    y, f = draw(loss, N, rng)
    curvature = loss.hessian(y, f, reduction="none", hessian=loss.default_hessian)
    assert np.all(np.isfinite(curvature))
    assert curvature.max() > 0
    assert curvature.min() >= 0
    assert loss.hessian(*spread_out(loss, rng), reduction="none", hessian=loss.default_hessian).min() >= 0


# ---- links ----------------------------------------------------------------------------------------------------------


def test_link_inverts(default_loss, rng) -> None:
    _, natural = draw(default_loss, N, rng)
    link = default_loss.link
    if is_raw(default_loss):
        natural = link.inverse(natural)
        if link.name == "half_logit":
            natural = natural[(natural > 1e-6) & (natural < 1 - 1e-6)]
    np.testing.assert_allclose(link.inverse(link(natural)), natural, rtol=1e-12, atol=1e-15)
    assert link(natural.astype(np.float32)).dtype == np.float32


# First and second derivative of the inverse link, in terms of the natural prediction.
SLOPES = {"log": (lambda p: p, lambda p: p), "logit": (lambda p: p * (1 - p), lambda p: p * (1 - p) * (1 - 2 * p))}
SLOPES["log, log"] = SLOPES["log"]
SLOPES["identity, log"] = (
    lambda p: np.stack([np.ones_like(p[..., 0]), p[..., 1]], -1),
    lambda p: np.stack([np.zeros_like(p[..., 0]), p[..., 1]], -1),
)


@pytest.mark.parametrize("loss", [x for x in losses() if not is_raw(x)], ids=repr)
def test_chain_rule_from_natural_to_raw(loss, rng) -> None:
    raw = loss.on_raw()
    assert raw.link == loss.link
    assert raw.on_raw() == raw
    y, z = draw(raw, N, rng)
    y, z = (y, np.clip(z, -4, 4))
    p = loss.link.inverse(z)
    first, second = (slope(p) for slope in SLOPES[loss.link.name])
    value, gradient, hessian = loss.evaluate(y, p, reduction="none")
    expected = (value, first * gradient, first**2 * hessian + second * gradient)
    size = (np.abs(value), np.abs(expected[1]), first**2 * np.abs(hessian) + np.abs(second * gradient))
    for a, b, s in zip(raw.evaluate(y, z, reduction="none"), expected, size, strict=True):
        assert np.all(np.abs(a - b) <= 1e-11 * (s + 1))


# ---- constant predictions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_init_score_minimises_the_loss(loss, rng, weighted) -> None:
    raw = loss.on_raw()
    y, _ = draw(raw, 201, rng)
    w = rng.integers(0, 3, 201).astype(float) if weighted else None
    score = loss.init_score(y, w)
    assert isinstance(score, float if raw.n_predictions == 1 else np.ndarray)
    assert np.shape(score) == (raw.n_predictions,) * (raw.n_predictions > 1)

    def total(constant: np.ndarray) -> float:
        return raw(y, np.broadcast_to(constant, (*y.shape, *np.shape(score))), w, reduction="sum")

    least = total(score)
    reach = (1e-5, 1e-3) if not raw.info.convex else (1e-5, 1e-3, 0.1, 1.0)
    for k in range(raw.n_predictions):
        direction = np.eye(raw.n_predictions)[k] if raw.n_predictions > 1 else 1.0
        for d in reach:
            for s in (-d, d):
                assert least <= total(score + s * direction) + 1e-13 * np.abs(least)


@pytest.mark.parametrize("loss", [x for x in losses() if x.info.family == "regression"], ids=repr)
def test_init_score_of_one_repeated_target(loss) -> None:
    """The best constant for equal targets is that target."""
    for target in (-2.5, 0.0, 7.0) if loss.info.y_domain == REAL else (0.0, 7.0):
        score = loss.init_score(np.full(5, target))
        if loss.info.name == "smooth_quantile":
            target += loss.smoothing * math.log(loss.quantile / (1 - loss.quantile))
        assert score == pytest.approx(target, abs=1e-9)


def test_init_score_refuses_nothing_and_bad_targets(default_loss) -> None:
    with pytest.raises(ValueError, match="y_true"):
        default_loss.init_score([])
    with pytest.raises(ValueError, match="sample_weight"):
        default_loss.init_score([1.0, 1.0], [0.0, 0.0])
    with pytest.raises(ValueError, match="sample_weight"):
        default_loss.init_score([1.0, 1.0], [1.0, -1.0])
    with pytest.raises(ValueError, match="sample_weight"):
        default_loss.init_score([1.0, 1.0], [1.0])
    if default_loss.info.y_domain != REAL:
        with pytest.raises(ValueError, match="y_true"):
            default_loss.init_score([1.0, -7.0])
