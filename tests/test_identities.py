"""Limits and identities between losses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support import draw

import fastloss as fl

INF = math.inf

# (a loss, a multiple of another: factor and loss, tolerance relative to the size of the terms)
EQUAL = [
    ("MeanSquaredError()", 2, "HalfSquaredError()", 0),
    ("Huber(delta=1e9)", 0.5, "MeanSquaredError()", 1e-15),
    ("Huber(delta=0.7)", 0.7, "SmoothL1(beta=0.7)", 1e-15),
    ("PseudoHuber(delta=1e9)", 1, "HalfSquaredError()", 1e-15),
    ("Quantile(quantile=0.5)", 0.5, "MeanAbsoluteError()", 0),
    ("Expectile(expectile=0.5)", 1, "HalfSquaredError()", 0),
    ("EpsilonInsensitive(epsilon=0.0)", 1, "MeanAbsoluteError()", 0),
    ("SquaredEpsilonInsensitive(epsilon=0.0)", 1, "MeanSquaredError()", 0),
    ("TukeyBiweight(c=1e9)", 1, "HalfSquaredError()", 1e-14),
    ("Cauchy(c=1e9)", 1, "HalfSquaredError()", 1e-14),
    ("Welsch(c=1e9)", 1, "HalfSquaredError()", 1e-14),
    ("GemanMcClure(c=1e9)", 1, "HalfSquaredError()", 1e-14),
    ("Fair(c=1e9)", 1, "HalfSquaredError()", 1e-7),
    ("GeneralRobust(alpha=2.0, c=1.0)", 1, "HalfSquaredError()", 1e-15),
    ("GeneralRobust(alpha=1.0, c=1.7)", 1 / 1.7**2, "PseudoHuber(delta=1.7)", 1e-14),
    (f"GeneralRobust(alpha=0.0, c={1 / math.sqrt(2)!r})", 2, "Cauchy(c=1.0)", 1e-14),
    ("GeneralRobust(alpha=-2.0, c=1.5)", 1 / 1.5**2, "GemanMcClure(c=3.0)", 1e-14),
    (f"GeneralRobust(alpha=-INF, c={1 / math.sqrt(2)!r})", 2, "Welsch(c=1.0)", 1e-14),
    ("GeneralRobust(alpha=1e-12, c=1.0)", 1, "GeneralRobust(alpha=0.0, c=1.0)", 1e-10),
    ("GeneralRobust(alpha=2.0 - 1e-13, c=1.0)", 1, "GeneralRobust(alpha=2.0, c=1.0)", 1e-10),
    ("GeneralRobust(alpha=-1e13, c=1.0)", 1, "GeneralRobust(alpha=-INF, c=1.0)", 1e-10),
    ("Linex(a=1e-9)", 1e-18, "HalfSquaredError()", 1e-7),
    ("SmoothQuantile(quantile=0.3, smoothing=1e-9)", 1, "Quantile(quantile=0.3)", 1e-7),
    *(
        (f"{left}, log_input={log})", 1, f"{right}log_input={log})", tolerance)
        for log in (False, True)
        for left, right, tolerance in (
            ("Tweedie(power=1.0", "Poisson(", 1e-15),
            ("Tweedie(power=2.0", "Gamma(", 1e-15),
            ("NegativeBinomial(dispersion=1e-15", "Poisson(", 1e-10),
        )
    ),
    ("Tweedie(power=0.0)", 1, "HalfSquaredError()", 1e-15),
    *(
        (f"{left}from_logits={logits})", 1, f"{right}from_logits={logits})", tolerance)
        for logits in (False, True)
        for left, right, tolerance in (
            ("BinaryFocal(gamma=0.0, ", "BinaryCrossEntropy(", 1e-15),
            ("BinaryFocal(gamma=1e-13, ", "BinaryCrossEntropy(", 1e-10),
            ("AsymmetricFocal(gamma_pos=0.0, gamma_neg=0.0, clip=0.0, ", "BinaryCrossEntropy(", 1e-15),
            ("AsymmetricFocal(gamma_pos=1.5, gamma_neg=1.5, clip=0.0, ", "BinaryFocal(gamma=1.5, ", 1e-14),
        )
    ),
    *((f"{name}(full=True)", 1, f"{name}()", None) for name in ("GaussianNLL", "LaplaceNLL", "StudentTNLL")),
]


def built(text: str) -> fl.PointwiseLoss:
    return eval(text, vars(fl) | {"INF": INF})


@pytest.mark.parametrize(("left", "factor", "right", "tolerance"), EQUAL, ids=[row[0] for row in EQUAL])
def test_equal(left, factor, right, tolerance, rng) -> None:
    a, b = built(left), built(right)
    y, f = draw(a, 500, rng)
    computed, expected = a.evaluate(y, f, reduction="none"), b.evaluate(y, f, reduction="none")
    if tolerance is None:  # the full likelihood differs by a constant
        constant = computed.value - expected.value
        np.testing.assert_allclose(constant, constant[0], rtol=1e-12)
        np.testing.assert_array_equal(computed.gradient, expected.gradient)
        np.testing.assert_array_equal(computed.hessian, expected.hessian)
        return
    for name, x, z in zip(computed._fields, computed, expected, strict=True):
        np.testing.assert_allclose(
            x, factor * z, rtol=tolerance, atol=tolerance * np.abs(factor * z).max(), err_msg=name
        )


SHARED_POLICIES = [row for row in EQUAL if row[0].startswith(("AsymmetricFocal(gamma_pos=1.5", "Huber(delta=0.7"))]


@pytest.mark.parametrize(("left", "factor", "right", "tolerance"), SHARED_POLICIES, ids=[r[0] for r in SHARED_POLICIES])
def test_equal_policies(left, factor, right, tolerance, rng) -> None:
    a, b = built(left), built(right)
    assert a.hessian_policies == b.hessian_policies
    y, f = draw(b, 500, rng)
    for policy in a.hessian_policies:
        if policy != "unit":
            x, z = (loss.hessian(y, f, reduction="none", hessian=policy) for loss in (a, b))
            np.testing.assert_allclose(x, factor * z, rtol=1e-13, atol=1e-14)


def test_student_t_tends_to_the_normal(rng) -> None:
    y, f = draw(fl.GaussianNLL(log_variance=True), 500, rng)
    student = fl.StudentTNLL(df=1e12, log_scale=True)(y, f, reduction="none")
    normal = fl.GaussianNLL(log_variance=True)(y, f * [1, 2], reduction="none")
    np.testing.assert_allclose(student, normal, rtol=1e-7)


def test_smooth_quantile_is_half_log_cosh(rng) -> None:
    y, f = draw(fl.LogCosh(), 500, rng)
    smooth = fl.SmoothQuantile(quantile=0.5, smoothing=0.5)
    np.testing.assert_allclose(
        smooth(y, f, reduction="none"), fl.LogCosh()(y, f, reduction="none") / 2 + math.log(2) / 2, rtol=1e-14
    )
    np.testing.assert_allclose(
        smooth.gradient(y, f, reduction="none"), fl.LogCosh().gradient(y, f, reduction="none") / 2, atol=1e-15
    )


def test_small_losses_keep_their_digits() -> None:
    """Where textbook forms cancel to 0 or lose all digits."""
    assert fl.LogCosh()([0.0], [1e-8]) == pytest.approx(5e-17, rel=1e-14)
    assert fl.BinaryCrossEntropy(from_logits=True)([1.0], [40.0]) == pytest.approx(math.exp(-40), rel=1e-14)
    assert fl.Fair()([0.0], [1e-9]) == pytest.approx(5e-19, rel=1e-8)
    assert fl.PseudoHuber()([0.0], [1e-9]) == pytest.approx(5e-19, rel=1e-14)


def test_labels_and_signs_are_symmetric(rng) -> None:
    """The negative class at f costs what the positive class costs at -f."""
    for name in fl.list_losses(family="binary"):
        loss = fl.get(name)
        if loss.on_raw() != loss:
            loss = loss.on_raw()
        if "gamma_neg" in loss.config() or "clip" in loss.config():
            continue  # asymmetric by purpose
        z = 3 * rng.standard_normal(500)
        positive = loss.evaluate(np.ones(500), z, reduction="none")
        negative = loss.evaluate(np.zeros(500), -z, reduction="none")
        for x, sign, other in zip(positive, (1, -1, 1), negative, strict=True):
            np.testing.assert_allclose(x, sign * other, rtol=1e-15, err_msg=name)


# ---- what the best constant estimates --------------------------------------------------------------------------------


def sample(loss: fl.PointwiseLoss, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return draw(loss, 1001, rng)[0], rng.integers(1, 4, 1001).astype(float)


@pytest.mark.parametrize("name", fl.list_losses(elicits="mean"))
def test_mean(name, rng) -> None:
    loss = fl.get(name)
    y, w = sample(loss, rng)
    assert loss.link.inverse(loss.init_score(y, w)) == pytest.approx(np.average(y, weights=w), rel=1e-13)


@pytest.mark.parametrize("quantile", [0.05, 0.5, 0.9])
def test_quantile(quantile, rng) -> None:
    loss = fl.Quantile(quantile=quantile)
    y, w = sample(loss, rng)
    score = loss.init_score(y, w)
    assert w[y < score].sum() <= quantile * w.sum() <= w[y <= score].sum()
    assert loss.init_score(y) == pytest.approx(np.quantile(y, quantile, method="inverted_cdf"))
    assert fl.MeanAbsoluteError().init_score([1.0, 2.0, 4.0, 9.0]) == 3.0  # the midpoint of the minimisers


@pytest.mark.parametrize("tau", [0.05, 0.5, 0.9])
def test_expectile(tau, rng) -> None:
    y, w = sample(fl.Expectile(), rng)
    above = y - fl.Expectile(expectile=tau).init_score(y, w)
    pulls = w * np.where(above > 0, tau, 1 - tau) * above
    assert pulls.sum() == pytest.approx(0, abs=1e-12 * np.abs(pulls).sum())


def test_probability(rng) -> None:
    y, w = sample(fl.Hinge(), rng)
    p = np.average(y, weights=w)
    for name in fl.list_losses(family="binary", proper=True):
        loss = fl.get(name)
        assert loss.link.inverse(loss.init_score(y, w)) == pytest.approx(p, rel=1e-13)
    for loss in (fl.SquaredHinge(), fl.ModifiedHuber()):
        assert loss.init_score(y, w) == pytest.approx(2 * p - 1, rel=1e-13)
    assert fl.Hinge().init_score(y, w) == np.sign(2 * p - 1)


def test_one_class_only_gives_a_finite_score() -> None:
    for name in fl.list_losses(family="binary"):
        for label in (0, 1):
            assert math.isfinite(fl.get(name).init_score(np.full(7, label)))
    for name in fl.list_losses(family="counts"):
        if fl.get(name).info.y_domain.contains(np.zeros(1))[0]:
            assert fl.get(name).init_score(np.zeros(7)) == pytest.approx(-52 * math.log(2))
