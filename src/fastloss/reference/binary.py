"""Binary classification losses in NumPy.

y = 1 is the positive class, 0 (for margin losses also -1) the negative one. f is a probability p, a logit z with
p = sigma(z), or for margin losses the decision value with margin m = s f, s = +-1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ._support import (
    Array,
    Terms,
    by_precision,
    clip,
    decay,
    exp,
    filled,
    formula,
    indicator,
    inverse_distance,
    log,
    log1p,
    logistic,
    maximum,
    minimum,
    power,
    product,
    real,
    tanh_over,
)

# -- Probability losses --


def _probability(f: Array) -> Array:
    """`f` with -0.0 as 0, and NaN where it is infinite: no probability, so nothing has a limit there."""
    return np.where(np.isinf(real(f)), np.nan, f + 0)


@formula
def binary_cross_entropy(
    y: Array, f: Array, *, from_logits: bool, label_smoothing: Any, pos_weight: Any, eps: Any
) -> Terms:
    """-a log p - b log(1 - p), where a and b are the (smoothed, weighted) parts of the two classes (Good 1952)."""

    def a(positive: Array) -> Array:
        return pos_weight * (positive * (1 - label_smoothing) + label_smoothing / 2)

    def b(negative: Array) -> Array:
        return negative * (1 - label_smoothing) + label_smoothing / 2

    return _cross_entropy_logit(y, f, a, b) if from_logits else _cross_entropy_probability(y, f, a, b, eps)


Part = Callable[[Array], Array]


def _cross_entropy_logit(y: Array, z: Array, a: Part, b: Part) -> Terms:
    """The value is a softplus(-z) + b softplus(z); the majorizer is that of Jaakkola and Jordan 2000."""
    ay, by = a(y), b(1 - y)
    e = cache(lambda: decay(z))
    variance = cache(lambda: e() / (1 + e()) ** 2)  # sigma(z) sigma(-z)

    def gradient() -> Array:
        p, q = logistic(z, e())
        return by * p - ay * q

    def fisher() -> Array:
        p, q = logistic(z, e())
        return (a(p) + b(q)) * variance()

    return Terms(
        value=lambda: product(-ay, minimum(z, 0)) + product(by, maximum(z, 0)) + (ay + by) * log1p(e()),
        gradient=gradient,
        hessian=lambda: (ay + by) * variance(),
        majorizer=lambda: (ay + by) / 2 * tanh_over(z, 2),
        fisher=fisher,
    )


def _cross_entropy_probability(y: Array, f: Array, a: Part, b: Part, eps: Any) -> Terms:
    """With eps > 0, p is clipped to [eps, 1 - eps]: a constant outside, whose derivatives are 0."""
    ay, by = a(y), b(1 - y)
    p = _probability(f)
    if eps > 0:
        clipped = (real(p) < eps) | (real(p) > 1 - eps)
        p = clip(p, eps, 1 - eps)

    def inside(term: Array) -> Array:
        return np.where(clipped, 0, term) if eps > 0 else term

    def over(part: Array, x: Array, power: int = 1) -> Array:
        return np.where(part == 0, 0, part / x if power == 1 else part / x / x)

    def fisher() -> Array:
        q = 1 - p
        return np.where((p == 0) | (q == 0), np.inf, a(p) / p / p + b(q) / q / q)

    return Terms(
        value=lambda: product(-ay, log(p)) - product(by, log1p(-p)),
        gradient=lambda: inside(over(by, 1 - p) - over(ay, p)),
        hessian=lambda: inside(over(ay, p, 2) + over(by, 1 - p, 2)),
        fisher=lambda: inside(fisher()),
    )


@formula
def binary_focal(y: Array, f: Array, *, gamma: Any, alpha: Any, from_logits: bool) -> Terms:
    """Easy samples fade: w q**gamma L, q the probability of the wrong class, L = -log(1 - q) (Lin et al. 2017)."""
    positive = y == 1
    w = 1 if alpha is None else np.where(positive, alpha, 1 - alpha)
    s = np.where(positive, y, -1)
    return _focal_logit(s * f, s, w, gamma) if from_logits else _focal_probability(positive, f, s, w, gamma)


def _focal_logit(u: Array, s: Array, w: Any, gamma: Any) -> Terms:
    """With p = sigma(u) the probability of the true class; no negative power of q, so that every logit is safe."""
    bound = by_precision(u, 1e290, 1e37)
    e = cache(lambda: decay(u))
    log1p_e = cache(lambda: log1p(e()))
    pq = cache(lambda: logistic(u, e()))
    loss = cache(lambda: log1p_e() - minimum(u, 0))
    bounded = cache(lambda: minimum(loss(), bound))  # p L and q**gamma stay numbers at infinite logits
    faded = cache(lambda: w * exp(-gamma * minimum(log1p_e() + maximum(u, 0), bound)))  # w q**gamma

    @cache
    def slope() -> Array:
        p, q = pq()
        return gamma * p * bounded() + q

    def hessian() -> Array:
        p, q = pq()
        return faded() * p * (q * (2 * gamma + 1 - gamma * bounded()) + gamma * gamma * p * bounded())

    def majorizer() -> Array:
        p, q = pq()
        convex = gamma * (gamma - 1) * p * p * bounded() + 2 * gamma * p * q + q * q
        return faded() * maximum(convex + slope() * maximum(p - q, 0), slope())

    return Terms(
        value=lambda: faded() * loss(),
        gradient=lambda: -s * faded() * slope(),
        hessian=hessian,
        majorizer=majorizer,
    )


def _focal_probability(positive: Array, f: Array, s: Array, w: Any, gamma: Any) -> Terms:
    """With p the probability of the true class and q that of the other; one of the two is f itself."""
    f = _probability(f)
    p, q = np.where(positive, f, 1 - f), np.where(positive, 1 - f, f)
    loss = cache(lambda: np.negative(np.where(positive, log(f), log1p(-f))))
    return Terms(
        value=lambda: w * power(q, gamma) * loss(),
        gradient=lambda: -s * w * _focal_first(q, p, loss(), gamma),
        hessian=lambda: w * _focal_second(q, p, loss(), gamma),
    )


def _ratio(q: Array, loss: Array) -> Array:
    """L / q with L = -log(1 - q), which tends to 1 as q -> 0."""
    return np.where(q == 0, 1, minimum(loss, by_precision(q, 1e290, 1e37)) / q)


def _focal_first(q: Array, p: Array, loss: Array, gamma: Any) -> Array:
    """d/dq of q**gamma L, p = 1 - q."""
    return power(q, gamma) * (gamma * _ratio(q, loss) + 1 / p)


def _focal_second(q: Array, p: Array, loss: Array, gamma: Any) -> Array:
    """d2/dq2 of q**gamma L, p = 1 - q."""
    return product(gamma, power(q, gamma - 1) * ((gamma - 1) * _ratio(q, loss) + 2 / p)) + power(q, gamma) / p / p


@formula
def asymmetric_focal(y: Array, f: Array, *, gamma_pos: Any, gamma_neg: Any, clip: Any, from_logits: bool) -> Terms:
    """Focal with an exponent for each class; negatives with p <= clip do not count at all (Ridnik et al. 2021)."""
    positive = binary_focal(y, f, gamma=gamma_pos, alpha=None, from_logits=from_logits)
    if clip == 0:
        negative = binary_focal(y, f, gamma=gamma_neg, alpha=None, from_logits=from_logits)
    else:
        negative = _shifted_focal(f, clip, gamma_neg, from_logits)

    def choose(name: str) -> Callable[[], Array]:
        return lambda: np.where(y == 1, getattr(positive, name)(), getattr(negative, name)())

    return Terms(
        value=choose("value"),
        gradient=choose("gradient"),
        hessian=choose("hessian"),
        majorizer=choose("majorizer") if from_logits else None,
    )


def _shifted_focal(f: Array, shift: Any, gamma: Any, from_logits: bool) -> Terms:
    """The focal loss of a negative sample at max(p - shift, 0); its derivatives by the chain rule dp/dz = p q."""
    p, q = logistic(f, decay(f)) if from_logits else (_probability(f), 1 - _probability(f))
    wrong, right = maximum(p - shift, 0), q + shift
    loss = cache(lambda: -log1p(-wrong))
    first = cache(lambda: _focal_first(wrong, right, loss(), gamma))
    second = cache(lambda: _focal_second(wrong, right, loss(), gamma))

    def where_active(term: Array) -> Array:
        return np.where(real(p) <= shift, 0, term)

    def bound() -> Array:
        k = p * q
        return maximum(second() * k * k + first() * k * maximum(q - p, 0), first() * k)

    if not from_logits:
        return Terms(
            value=lambda: power(wrong, gamma) * loss(),
            gradient=lambda: where_active(first()),
            hessian=lambda: where_active(second()),
        )
    return Terms(
        value=lambda: power(wrong, gamma) * loss(),
        gradient=lambda: where_active(first() * p * q),
        hessian=lambda: where_active(second() * (p * q) ** 2 + first() * p * q * (q - p)),
        majorizer=lambda: where_active(bound()),
    )


# -- Margin losses: m = s f --


def _sides(y: Array) -> Array:
    """The sign s: +1 for y = 1, -1 for 0 or -1."""
    return np.where(y == 1, y, -1)


@formula
def hinge(y: Array, f: Array) -> Terms:
    """max(0, 1 - m) (Cortes and Vapnik 1995); the majorizer is that of Groenen et al. 2008."""
    s = _sides(y)
    m = s * f
    return Terms(
        value=lambda: maximum(1 - m, 0),
        gradient=lambda: -s * indicator(real(m) < 1, m),
        hessian=lambda: filled(m, 0),
        majorizer=lambda: inverse_distance(1 - m) / 2,
    )


@formula
def squared_hinge(y: Array, f: Array) -> Terms:
    """max(0, 1 - m)**2 (Fan et al. 2008)."""
    s = _sides(y)
    m = s * f
    u = cache(lambda: maximum(1 - m, 0))
    return Terms(
        value=lambda: u() * u(),
        gradient=lambda: -2 * s * u(),
        hessian=lambda: 2 * indicator(real(m) < 1, m),
        majorizer=lambda: filled(m, 2),
    )


@formula
def modified_huber(y: Array, f: Array) -> Terms:
    """The squared hinge, linear for m < -1 (Zhang 2004)."""
    s = _sides(y)
    m = s * f
    u = cache(lambda: maximum(1 - m, 0))
    c = cache(lambda: minimum(u(), 2))
    return Terms(
        value=lambda: c() * (2 * u() - c()),
        gradient=lambda: -2 * s * c(),
        hessian=lambda: 2 * indicator((real(m) >= -1) & (real(m) < 1), m),
        majorizer=lambda: 4 / maximum(1 - m, 2),
    )


@formula
def exponential(y: Array, f: Array) -> Terms:
    """e**-m (Freund and Schapire 1997)."""
    s = _sides(y)
    e = cache(lambda: exp(-s * f))
    return Terms(value=lambda: e(), gradient=lambda: -s * e(), hessian=lambda: e())


@formula
def perceptron(y: Array, f: Array) -> Terms:
    """max(0, -m); a zero margin counts as a mistake (Rosenblatt 1958)."""
    s = _sides(y)
    m = s * f
    return Terms(
        value=lambda: maximum(-m, 0),
        gradient=lambda: -s * indicator(real(m) <= 0, m),
        hessian=lambda: filled(m, 0),
        majorizer=lambda: inverse_distance(m) / 2,
    )
