"""Counts and positive targets in NumPy.

f is the rate, or its logarithm with `log_input=True`. The variance of y is a power or a polynomial of the rate, and the
gradient in the rate is (f - y) / variance. Terms in y alone are dropped, so that the minimum is not 0. Every loss is
two short functions: the natural scale, where f = 0 has limits of its own and f < 0 is NaN, and the log scale.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from ._support import (
    Array,
    Terms,
    by_precision,
    decay,
    exp,
    filled,
    formula,
    indicator,
    lgamma,
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


def _rate(f: Array) -> Array:
    """A rate; there is none below 0."""
    return np.where(real(f) < 0, np.nan, f)


def _bounded(f: Array) -> Array:
    """A stand-in for an infinite f next to a factor that goes to its own limit: ∞ - y·∞ or ∞/∞ otherwise."""
    return minimum(f, by_precision(f, 1.7e308, 3.4e38))


def _relative_residual(y: Array, f: Array) -> Array:
    """The ratio (f - y) / f, which is 1 for y = 0 even at f = 0, and at f = ∞."""
    bounded = _bounded(f)
    return np.where(y == 0, indicator(True, f), (bounded - y) / bounded)


def _relative_target(y: Array, f: Array) -> Array:
    """The ratio y / f, which is 0 for y = 0 even at f = 0."""
    return np.where(y == 0, 0, y / f)


@formula
def poisson(y: Array, f: Array, *, log_input: bool, full: bool | str) -> Terms:
    """The loss f - y log f: variance = rate (McCullagh and Nelder 1989)."""
    terms = _poisson_log(y, f) if log_input else _poisson(y, _rate(f))
    if not full:
        return terms
    constant = _stirling(y) if full == "stirling" else lgamma(y + 1)
    return Terms(lambda: terms.value() + constant, terms.gradient, terms.hessian, terms.majorizer, terms.fisher)


def _poisson(y: Array, f: Array) -> Terms:
    return Terms(
        value=lambda: f - product(y, log(_bounded(f))),
        gradient=lambda: _relative_residual(y, f),
        hessian=lambda: _relative_target(y, f) / np.where(y == 0, 1, f),
        majorizer=lambda: np.where(y > real(f), y / f, 1) / f,
        fisher=lambda: 1 / f,
    )


def _poisson_log(y: Array, f: Array) -> Terms:
    return Terms(
        value=lambda: exp(f) - product(y, minimum(f, 1000)),  # beyond, exp(f) is infinite
        gradient=lambda: exp(f) - y,
        hessian=lambda: exp(f),
        fisher=lambda: exp(f),
    )


def _stirling(y: Array) -> Array:
    """Stirling's approximation of log y!, for y > 1 only."""
    z = np.maximum(y, 1)
    return np.where(y > 1, z * np.log(z) - z + 0.5 * np.log(2 * math.pi * z), 0)


@formula
def gamma(y: Array, f: Array, *, log_input: bool) -> Terms:
    """The loss log f + y / f: variance = rate squared (McCullagh and Nelder 1989)."""
    return _gamma_log(y, f) if log_input else _gamma(y, _rate(f))


def _gamma(y: Array, f: Array) -> Terms:
    bounded = _bounded(f)

    def curvature() -> Array:
        return (2 * y - bounded) / bounded

    return Terms(
        value=lambda: np.where(real(f) == 0, np.inf, log(f) + y / f),
        gradient=lambda: _relative_residual(y, f) / f,
        hessian=lambda: curvature() / f / f,
        majorizer=lambda: maximum(curvature(), 1) / f / f,
        fisher=lambda: 1 / f / f,
    )


def _gamma_log(y: Array, f: Array) -> Terms:
    ratio = cache(lambda: y * exp(-f))
    return Terms(
        value=lambda: -_bounded(-f) + ratio(),
        gradient=lambda: 1 - ratio(),
        hessian=ratio,
        fisher=lambda: filled(f, 1),
    )


@formula
def tweedie(y: Array, f: Array, *, power: Any, log_input: bool) -> Terms:
    """The loss f**(2 - p) / (2 - p) - y f**(1 - p) / (1 - p): variance = rate**p (Jørgensen 1987; Dunn and Smyth 2005).

    The limits p = 0, 1 and 2 are the normal, the Poisson and the gamma distribution.
    """
    if power == 0:
        return _normal_log(y, f) if log_input else _normal(y, f)
    if power == 1:
        return _poisson_log(y, f) if log_input else _poisson(y, _rate(f))
    if power == 2:
        return _gamma_log(y, f) if log_input else _gamma(y, _rate(f))
    if log_input:
        return _tweedie_log(y, f, power) if power < 2 else _steep_tweedie_log(y, f, power)
    return _tweedie(y, _rate(f), power)


def _normal(y: Array, f: Array) -> Terms:
    def one() -> Array:
        return filled(f, 1)

    return Terms(value=lambda: (f - y) / 2 * (f - y), gradient=lambda: f - y, hessian=one, majorizer=one, fisher=one)


def _normal_log(y: Array, f: Array) -> Terms:
    rate = cache(lambda: exp(f))

    def hessian() -> Array:
        return (2 * rate() - y) * rate()

    return Terms(
        value=lambda: (rate() - y) / 2 * (rate() - y),
        gradient=lambda: (rate() - y) * rate(),
        hessian=hessian,
        majorizer=lambda: maximum(hessian(), rate() * rate()),
        fisher=lambda: exp(2 * f),
    )


def _tweedie(y: Array, f: Array, p: Any) -> Terms:
    def value() -> Array:
        if p < 2:
            return product(y, power(f, 1 - p)) / (p - 1) + power(f, 2 - p) / (2 - p)
        return power(f, 1 - p) * (y / (p - 1) - _bounded(f) / (p - 2))  # not 0 - ∞ at infinity

    def fisher() -> Array:
        return power(f, -p)

    def hessian() -> Array:
        return (p * _relative_target(y, f) + (1 - p)) * fisher()

    return Terms(
        value=value,
        gradient=lambda: np.where(y == 0, power(f, 1 - p), (_bounded(f) - y) * fisher()),
        hessian=hessian,
        majorizer=lambda: maximum(hessian(), fisher()),
        fisher=fisher,
    )


def _tweedie_log(y: Array, f: Array, p: Any) -> Terms:
    """For 1 < p < 2: both terms of the value are positive, and convex."""
    a = cache(lambda: product(y, exp((1 - p) * f)))
    b = cache(lambda: exp((2 - p) * f))
    return Terms(
        value=lambda: a() / (p - 1) + b() / (2 - p),
        gradient=lambda: b() - a(),
        hessian=lambda: (2 - p) * b() + (p - 1) * a(),
        fisher=b,
    )


def _steep_tweedie_log(y: Array, f: Array, p: Any) -> Terms:
    """For p > 2: both terms grow together for small rates, so the common factor e**((2 - p) f) is taken out."""
    b = cache(lambda: exp((2 - p) * f))
    ratio = cache(lambda: y * exp(-f))

    def hessian() -> Array:
        return b() * ((p - 1) * ratio() - (p - 2))

    return Terms(
        value=lambda: b() * (ratio() / (p - 1) - 1 / (p - 2)),
        gradient=lambda: b() * (1 - ratio()),
        hessian=hessian,
        majorizer=lambda: maximum(hessian(), b()),
        fisher=b,
    )


@formula
def negative_binomial(y: Array, f: Array, *, dispersion: Any, log_input: bool) -> Terms:
    """The loss (y + 1/a) log(1 + a f) - y log f: variance = rate + a rate squared (Lawless 1987)."""
    return _negative_binomial_log(y, f, dispersion) if log_input else _negative_binomial(y, _rate(f), dispersion)


def _negative_binomial(y: Array, f: Array, a: Any) -> Terms:
    spread = cache(lambda: 1 + a * f)

    def fisher() -> Array:
        return 1 / f / spread()

    def hessian() -> Array:
        return _relative_target(y, f) / np.where(y == 0, 1, f) - a * (1 + a * y) / spread() / spread()

    return Terms(
        value=lambda: (y + 1 / a) * log1p(a * f) - product(y, log(_bounded(f))),
        gradient=lambda: _relative_residual(y, f) / spread(),
        hessian=hessian,
        majorizer=lambda: maximum(hessian(), fisher()),
        fisher=fisher,
    )


def _negative_binomial_log(y: Array, f: Array, a: Any) -> Terms:
    """A logistic loss in t = f + log a, with y events against 1/a."""
    t = f + np.log(a)
    e = cache(lambda: decay(t))
    sigma = cache(lambda: logistic(t, e()))

    def softplus(z: Array) -> Array:
        return maximum(z, 0) + log1p(decay(z))

    return Terms(
        value=lambda: product(y, softplus(-t)) + softplus(t) / a + y * np.log(a),
        gradient=lambda: sigma()[0] / a - y * sigma()[1],
        hessian=lambda: (y + 1 / a) * sigma()[0] * sigma()[1],
        majorizer=lambda: (y + 1 / a) * tanh_over(t, 2) / 2,
        fisher=lambda: sigma()[0] / a,
    )
