"""Regression losses in NumPy: r = f - y."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from ._support import (
    Array,
    Terms,
    absolute,
    by_precision,
    clip,
    decay,
    direction,
    exp,
    expm1,
    filled,
    formula,
    indicator,
    inverse_distance,
    log,
    log1p,
    logistic,
    maximum,
    minimum,
    polynomial,
    real,
    saturate,
    sign,
    sinh,
    sqrt,
    tanh,
    tanh_over,
)


@formula
def mean_squared_error(y: Array, f: Array) -> Terms:
    """r**2 (Gauss 1809)."""
    r = f - y
    return Terms(
        value=lambda: r * r,
        gradient=lambda: 2 * r,
        hessian=lambda: filled(r, 2),
        majorizer=lambda: filled(r, 2),
        fisher=lambda: filled(r, 2),
    )


@formula
def half_squared_error(y: Array, f: Array) -> Terms:
    """r**2 / 2 (Gauss 1809)."""
    r = f - y
    return Terms(
        value=lambda: 0.5 * r * r,
        gradient=lambda: r,
        hessian=lambda: filled(r, 1),
        majorizer=lambda: filled(r, 1),
        fisher=lambda: filled(r, 1),
    )


@formula
def mean_absolute_error(y: Array, f: Array) -> Terms:
    """|r| (Laplace 1774)."""
    r = f - y
    return Terms(
        value=lambda: absolute(r),
        gradient=lambda: sign(r),
        hessian=lambda: filled(r, 0),
        majorizer=lambda: inverse_distance(r),
        fisher=lambda: filled(r, 1),
    )


@formula
def huber(y: Array, f: Array, *, delta: Any) -> Terms:
    """Quadratic for |r| <= delta, linear beyond (Huber 1964)."""
    r = f - y
    c = cache(lambda: clip(r, -delta, delta))
    return Terms(
        value=lambda: c() * (r - c() / 2),
        gradient=lambda: c(),
        hessian=lambda: indicator(absolute(real(r)) <= delta, r),
        majorizer=lambda: delta / maximum(absolute(r), delta),
    )


@formula
def smooth_l1(y: Array, f: Array, *, beta: Any) -> Terms:
    """Huber(beta) / beta: slope 1 outside whatever the width (Girshick 2015)."""
    r = f - y
    c = cache(lambda: clip(r, -beta, beta))
    return Terms(
        value=lambda: c() / beta * (r - c() / 2),
        gradient=lambda: c() / beta,
        hessian=lambda: indicator(absolute(real(r)) <= beta, r) / beta,
        majorizer=lambda: 1 / maximum(absolute(r), beta),
    )


@formula
def pseudo_huber(y: Array, f: Array, *, delta: Any) -> Terms:
    """delta**2 (s - 1) with s = sqrt(1 + x**2), x = r / delta (Charbonnier et al. 1997); s - 1 = x**2 / (1 + s)."""
    r = f - y
    bound = by_precision(r, 1e153, 1e18)
    x = cache(lambda: clip(r / delta, -bound, bound))
    s = cache(lambda: sqrt(1 + x() * x()))
    return Terms(
        value=lambda: delta * r * (x() / (1 + s())),
        gradient=lambda: delta * direction(x()),
        hessian=lambda: 1 / s() / s() / s(),
        majorizer=lambda: 1 / s(),
    )


@formula
def log_cosh(y: Array, f: Array) -> Terms:
    """The log of cosh r (Green 1990): log(1 + sinh**2) / 2, linear where cosh r is e**|r| / 2 to working precision."""
    r = f - y

    def value() -> Array:
        a = minimum(absolute(r), 20)
        return 0.5 * log1p(sinh(a) ** 2) + (absolute(r) - a)

    def hessian() -> Array:
        e = exp(-2 * absolute(r))
        return 4 * e / (1 + e) ** 2

    return Terms(
        value=value,
        gradient=lambda: tanh(r),
        hessian=hessian,
        majorizer=lambda: tanh_over(r),
        fisher=lambda: filled(r, 0.5),
    )


@formula
def quantile(y: Array, f: Array, *, quantile: Any) -> Terms:
    """The pinball loss: slope 1 - q above the target, -q below (Koenker and Bassett 1978)."""
    r, q = f - y, quantile
    return Terms(
        value=lambda: maximum((1 - q) * r, -q * r),
        gradient=lambda: np.where(real(r) > 0, 1 - q, q) * sign(r),
        hessian=lambda: filled(r, 0),
        majorizer=lambda: inverse_distance(r) / 2,
        fisher=lambda: filled(r, q * (1 - q)),
    )


@formula
def expectile(y: Array, f: Array, *, expectile: Any) -> Terms:
    """Asymmetric squares: weight 1 - tau above the target, tau below (Newey and Powell 1987)."""
    r = f - y
    w = cache(lambda: np.where(real(r) > 0, 1 - expectile, expectile))
    return Terms(
        value=lambda: w() * r * r,
        gradient=lambda: 2 * w() * r,
        hessian=lambda: 2 * w(),
        majorizer=lambda: filled(r, 2 * max(expectile, 1 - expectile)),
    )


@formula
def epsilon_insensitive(y: Array, f: Array, *, epsilon: Any) -> Terms:
    """|r| outside a tube of half-width epsilon (Vapnik 1995)."""
    r = f - y
    return Terms(
        value=lambda: maximum(absolute(r) - epsilon, 0),
        gradient=lambda: sign(r) * (absolute(real(r)) > epsilon),
        hessian=lambda: filled(r, 0),
        majorizer=lambda: (inverse_distance(r - epsilon) + inverse_distance(r + epsilon)) / 2,
    )


@formula
def squared_epsilon_insensitive(y: Array, f: Array, *, epsilon: Any) -> Terms:
    """Squares outside a tube of half-width epsilon (Fan et al. 2008)."""
    r = f - y
    u = cache(lambda: maximum(absolute(r) - epsilon, 0))
    return Terms(
        value=lambda: u() * u(),
        gradient=lambda: 2 * sign(r) * u(),
        hessian=lambda: 2 * indicator(absolute(real(r)) > epsilon, r),
        majorizer=lambda: filled(r, 2),
    )


# -- Redescending and soft robust losses: x = r / c, about r**2 / 2 near 0; the majorizer is the weight g / r of
#    iteratively reweighted least squares (Holland and Welsch 1977). A clamped x keeps the vanishing products finite. --


@formula
def tukey_biweight(y: Array, f: Array, *, c: Any) -> Terms:
    """(c**2 / 6) (1 - (1 - x**2)**3), constant for |r| >= c (Beaton and Tukey 1974)."""
    x = cache(lambda: clip((f - y) / c, -1, 1))
    t = cache(lambda: x() * x())
    u = cache(lambda: (1 - x()) * (1 + x()))
    return Terms(
        value=lambda: c * c / 6 * (t() * (3 - t() * (3 - t()))),
        gradient=lambda: c * x() * u() * u(),
        hessian=lambda: u() * (1 - 5 * t()),
        majorizer=lambda: u() * u(),
    )


@formula
def cauchy(y: Array, f: Array, *, c: Any) -> Terms:
    """(c**2 / 2) log(1 + x**2) (Holland and Welsch 1977)."""
    x = (f - y) / c
    bound = by_precision(x, 1e153, 1e18)
    inside = cache(lambda: clip(x, -bound, bound))
    k = cache(lambda: 1 / (1 + x * x))
    return Terms(
        value=lambda: c * c / 2 * log1p(x * x),
        gradient=lambda: c * (inside() * k()),
        hessian=lambda: (1 - inside() * inside()) * k() * k(),
        majorizer=lambda: k(),
    )


@formula
def welsch(y: Array, f: Array, *, c: Any) -> Terms:
    """(c**2 / 2) (1 - e**(-x**2)) (Dennis and Welsch 1978)."""
    x = (f - y) / c
    bound = by_precision(x, 1e153, 1e18)
    inside = cache(lambda: clip(x, -bound, bound))
    e = cache(lambda: exp(-x * x))
    return Terms(
        value=lambda: -c * c / 2 * expm1(-x * x),
        gradient=lambda: c * (inside() * e()),
        hessian=lambda: (1 - 2 * inside() * inside()) * e(),
        majorizer=lambda: e(),
    )


@formula
def geman_mcclure(y: Array, f: Array, *, c: Any) -> Terms:
    """(c**2 / 2) x**2 / (1 + x**2) (Geman and McClure 1985)."""
    bound = by_precision(f, 1e150, 1e18)
    x = cache(lambda: clip((f - y) / c, -bound, bound))
    k = cache(lambda: 1 / (1 + x() * x()))
    return Terms(
        value=lambda: c * c / 2 * saturate(x() * x()),
        gradient=lambda: c * (x() * k() * k()),
        hessian=lambda: (1 - 3 * x() * x()) * k() * k() * k(),
        majorizer=lambda: k() * k(),
    )


@formula
def fair(y: Array, f: Array, *, c: Any) -> Terms:
    """c**2 (a - log(1 + a)) with a = |x| (Fair 1974)."""
    x = (f - y) / c
    bound = by_precision(x, 1e300, 1e37)
    a = cache(lambda: absolute(x))
    return Terms(
        value=lambda: c * c * np.piecewise(a(), [real(a()) < 1], [_minus_log1p_series, _minus_log1p]),
        gradient=lambda: c * sign(x) * saturate(minimum(a(), bound)),
        hessian=lambda: 1 / (1 + a()) ** 2,
        majorizer=lambda: 1 / (1 + a()),
    )


def _minus_log1p(a: Array) -> Array:
    """The difference a - log(1 + a) for a >= 1."""
    return a - log1p(minimum(a, by_precision(a, 1e300, 1e37)))


def _minus_log1p_series(a: Array) -> Array:
    """The same for 0 <= a < 1, without cancellation: log(1 + a) = 2 artanh(s), s = a / (2 + a)."""
    s = a / (2 + a)
    return s * (a - 2 * s * s * polynomial(s * s, [1 / (2 * k + 3) for k in range(18)]))


@formula
def general_robust(y: Array, f: Array, *, alpha: Any, c: Any) -> Terms:
    """(b / alpha) ((1 + x**2 / b)**(alpha / 2) - 1) with b = 2 - alpha (Barron 2019), and its limits in alpha."""
    x, b = (f - y) / c, 2 - alpha
    bound = by_precision(x, 1e140, 1e18) * min(1, math.sqrt(b))  # x**2 / b must not overflow
    inside = cache(lambda: clip(x, -bound, bound))

    if alpha == 2:
        return Terms(
            value=lambda: 0.5 * x * x,
            gradient=lambda: x / c,
            hessian=lambda: filled(x, 1 / c / c),
            majorizer=lambda: filled(x, 1 / c / c),
        )

    if alpha == -math.inf:
        e = cache(lambda: exp(-0.5 * x * x))
        return Terms(
            value=lambda: -expm1(-0.5 * x * x),
            gradient=lambda: inside() / c * e(),
            hessian=lambda: (1 - inside() * inside()) * e() / c / c,
            majorizer=lambda: e() / c / c,
        )

    x2 = cache(lambda: inside() * inside())
    logarithm = cache(lambda: log1p(x2() / b))
    weight = cache(lambda: exp((alpha / 2 - 1) * logarithm()))
    slope = math.inf if alpha > 1 else 1 / c if alpha == 1 else 0  # |g| at infinity

    def value() -> Array:
        u = alpha / 2 * logarithm()
        near_zero = b / 2 * logarithm() * (1 + u / 2)  # to working precision, also where alpha or u underflows
        return np.where(absolute(real(u)) < 1e-8, near_zero, b / alpha * expm1(u))

    def hessian() -> Array:
        total = b + x2()
        return weight() * (b / total + (alpha - 1) * (x2() / total)) / c / c

    def limit(at_infinity: Any, elsewhere: Array) -> Array:
        return np.where(np.isinf(real(x)), at_infinity, elsewhere)

    return Terms(
        value=lambda: limit(math.inf if alpha >= 0 else -b / alpha, value()),
        gradient=lambda: limit(sign(x) * slope, inside() / c * weight()),
        hessian=lambda: limit(0, hessian()),
        majorizer=lambda: limit(0, weight() / c / c),
    )


# -- Relative errors and asymmetric costs --


@formula
def mean_squared_logarithmic_error(y: Array, f: Array) -> Terms:
    """d**2 with d = log(1 + f) - log(1 + y), y > -1, f >= -1 (Tofallis 2015)."""

    @cache
    def d() -> Array:
        t = (f - y) / (1 + y)
        return np.where(absolute(real(t)) < 0.5, log1p(t), log((1 + f) / (1 + y)))

    bounded = cache(lambda: minimum(d(), by_precision(f, 1e290, 1e37)))  # so that the limits at infinity are 0
    return Terms(
        value=lambda: d() * d(),
        gradient=lambda: 2 * bounded() / (1 + f),
        hessian=lambda: 2 * (1 - bounded()) / (1 + f) / (1 + f),
        majorizer=lambda: 2 * (1 + maximum(-bounded(), 0)) / (1 + f) / (1 + f),
        fisher=lambda: 2 / (1 + f) / (1 + f),
    )


@formula
def mean_absolute_percentage_error(y: Array, f: Array, *, eps: Any) -> Terms:
    """|r| / max(|y|, eps) (Gneiting 2011)."""
    r = f - y
    s = cache(lambda: maximum(absolute(y), eps))
    return Terms(
        value=lambda: absolute(r) / s(),
        gradient=lambda: sign(r) / s(),
        hessian=lambda: filled(r, 0),
        majorizer=lambda: inverse_distance(r) / s(),
    )


@formula
def symmetric_mean_absolute_percentage_error(y: Array, f: Array) -> Terms:
    """2 |r| / (|y| + |f|), and 0 at y = f = 0 (Makridakis 1993). It is constant where the signs differ."""
    bound = by_precision(f, 1e300, 1e37)
    f = clip(f, -bound, bound)
    r, total = f - y, absolute(f) + absolute(y)
    s = np.where(total == 0, 1, total)

    def unless_apart(apart: float, term: Array) -> Array:
        return np.where(sign(y) * sign(f) < 0, apart, term)

    def hessian() -> Array:
        return unless_apart(0, -8 * y * sign(r) / s / s / s)

    return Terms(
        value=lambda: unless_apart(2, 2 * absolute(r) / s),
        gradient=lambda: unless_apart(0, 4 * absolute(y) * sign(r) / s / s),
        hessian=hessian,
        majorizer=lambda: np.where(total == 0, 0, maximum(hessian(), 2 * inverse_distance(r) / s)),
    )


@formula
def linex(y: Array, f: Array, *, a: Any) -> Terms:
    """e**t - t - 1 with t = a r: exponential on one side, linear on the other (Varian 1975)."""
    t = a * (f - y)
    return Terms(
        value=lambda: np.piecewise(t, [absolute(real(t)) < 1], [_exp_series, _exp_minus_linear]),
        gradient=lambda: a * expm1(t),
        hessian=lambda: a * a * exp(t),
    )


def _exp_minus_linear(t: Array) -> Array:
    """The difference e**t - t - 1 for |t| >= 1."""
    return expm1(t) - minimum(t, by_precision(t, 1e300, 1e37))


def _exp_series(t: Array) -> Array:
    """The same for |t| < 1, where it would cancel."""
    return t * t * polynomial(t, [1 / math.factorial(k + 2) for k in range(18)])


@formula
def smooth_quantile(y: Array, f: Array, *, quantile: Any, smoothing: Any) -> Terms:
    """The pinball loss plus s log(1 + e**-|x|), x = r / s: a convolution with the logistic density (Zheng 2011)."""
    r, q, s = f - y, quantile, smoothing
    x = cache(lambda: r / s)
    e = cache(lambda: decay(x()))

    def gradient() -> Array:
        above, below = logistic(x(), e())
        return (1 - q) * above - q * below

    return Terms(
        value=lambda: maximum((1 - q) * r, -q * r) + s * log1p(e()),
        gradient=gradient,
        hessian=lambda: e() / (1 + e()) ** 2 / s,
        majorizer=lambda: tanh_over(r, 2 * s) / 2,
    )
