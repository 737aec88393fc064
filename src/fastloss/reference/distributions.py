"""Distributional losses in NumPy: two parameters per sample.

f[..., 0] is the location or mean m, f[..., 1] the second parameter s, and r = m - y. Gradient, hessian (the diagonal)
and fisher have the shape of f. The second parameter comes as it is or as its logarithm.
"""

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
    erf,
    exp,
    expm1,
    formula,
    lgamma,
    log,
    log1p,
    maximum,
    pair,
    product,
    real,
    sign,
    sqrt,
)


@formula
def gaussian_nll(y: Array, f: Array, *, log_variance: bool, full: bool, eps: Any) -> Terms:
    """(log v + r**2 / v) / 2 with the variance v (Nix and Weigend 1994); i = 1 / v."""
    r, s = f[..., 0] - y, f[..., 1]
    constant = 0.5 * math.log(2 * math.pi) if full else 0
    if log_variance:
        i = cache(lambda: exp(-s))
        z2 = cache(lambda: r * i() * r)
        return Terms(
            value=lambda: 0.5 * (s + z2()) + constant,
            gradient=lambda: pair(r * i(), 0.5 * (1 - z2())),
            hessian=lambda: pair(i(), 0.5 * z2()),
            fisher=lambda: pair(i(), 0.5),
        )

    v = maximum(s, eps) if eps > 0 else s
    i = cache(lambda: 1 / v)
    z2 = cache(lambda: r * i() * r)

    def unclamped(term: Array) -> Array:
        return np.where(real(s) < eps, 0, term) if eps > 0 else term

    return Terms(
        value=lambda: 0.5 * (log(v) + z2()) + constant,
        gradient=lambda: pair(r * i(), unclamped(0.5 * i() * (1 - z2()))),
        hessian=lambda: pair(i(), unclamped(0.5 * i() * (2 * z2() - 1) * i())),
        fisher=lambda: pair(i(), unclamped(0.5 * i() * i())),
    )


@formula
def laplace_nll(y: Array, f: Array, *, log_scale: bool, full: bool) -> Terms:
    """The value is log b + |r| / b with the scale b (Kotz, Kozubowski and Podgorski 2001); i = 1 / b."""
    r, s = f[..., 0] - y, f[..., 1]
    constant = math.log(2) if full else 0
    i = cache(lambda: exp(-s) if log_scale else 1 / s)
    z = cache(lambda: absolute(r) * i())
    if log_scale:
        return Terms(
            value=lambda: s + z() + constant,
            gradient=lambda: pair(sign(r) * i(), 1 - z()),
            hessian=lambda: pair(0, z()),
            fisher=lambda: pair(i() * i(), 1),
        )
    return Terms(
        value=lambda: log(s) + z() + constant,
        gradient=lambda: pair(sign(r) * i(), (1 - z()) * i()),
        hessian=lambda: pair(0, (2 * z() - 1) * i() * i()),
        fisher=lambda: pair(i() * i(), i() * i()),
    )


def _log_gamma_ratio(x: float) -> float:
    """Log of gamma(x + 1/2) / gamma(x); for large x by its series, where the difference would cancel."""
    if x < 50:
        return math.lgamma(x + 0.5) - math.lgamma(x)
    return 0.5 * math.log(x) - 1 / (8 * x) + 1 / (192 * x**3) - 1 / (640 * x**5)


@formula
def student_t_nll(y: Array, f: Array, *, df: Any, log_scale: bool, full: bool) -> Terms:
    """The value is log b + (df + 1) / 2 log(1 + z**2 / df), z = r / b (Lange, Little and Taylor 1989); i = 1 / b."""
    r, s, nu = f[..., 0] - y, f[..., 1], df
    constant = 0.5 * math.log(nu * math.pi) - _log_gamma_ratio(nu / 2) if full else 0
    bound = by_precision(f, 1e150, 1e18)
    i = cache(lambda: exp(-s) if log_scale else 1 / s)
    z = cache(lambda: clip(r * i(), -bound, bound))
    q = cache(lambda: 1 / (nu + z() * z()))
    g = cache(lambda: nu * ((1 - z() * z()) * q()))  # 1 - (nu + 1) z**2 q without its cancellation
    h = cache(lambda: 2 * nu * (nu + 1) * (z() * z() * q() * q()))

    def value() -> Array:
        z = r * i()
        return (s if log_scale else log(s)) + (nu + 1) / 2 * log1p(z * z / nu) + constant

    location_gradient = cache(lambda: (nu + 1) * (z() * q() * i()))
    location_hessian = cache(lambda: (nu + 1) * ((nu - z() * z()) * q() * (q() * i() * i())))
    location_fisher = cache(lambda: (nu + 1) / (nu + 3) * i() * i())
    if log_scale:
        return Terms(
            value=value,
            gradient=lambda: pair(location_gradient(), g()),
            hessian=lambda: pair(location_hessian(), h()),
            fisher=lambda: pair(location_fisher(), 2 * nu / (nu + 3)),
        )
    return Terms(
        value=value,
        gradient=lambda: pair(location_gradient(), g() * i()),
        hessian=lambda: pair(location_hessian(), (h() - g()) * i() * i()),
        fisher=lambda: pair(location_fisher(), 2 * nu / (nu + 3) * i() * i()),
    )


@formula
def gaussian_crps(y: Array, f: Array, *, log_variance: bool) -> Terms:
    """The continuous ranked probability score of a normal forecast with standard deviation d (Gneiting et al. 2005).

    The value is d (z E + 2 phi - c), z = (y - m) / d, phi the normal density there, E = erf(z / sqrt 2), c = pi**-0.5.
    """
    m, s, c = f[..., 0], f[..., 1], 1 / math.sqrt(math.pi)
    bound = by_precision(f, 1e150, 1e18)
    d = cache(lambda: exp(s / 2) if log_variance else sqrt(s))
    z = cache(lambda: clip((y - m) / d(), -bound, bound))
    phi = cache(lambda: exp(-0.5 * z() * z()) / math.sqrt(2 * math.pi))
    error = cache(lambda: erf(z() * math.sqrt(0.5)))
    a = cache(lambda: 2 * phi() - c)
    b = cache(lambda: 2 * z() * z() * phi())

    def value() -> Array:
        return d() * ((y - m) / d() * error() + a())

    if log_variance:
        return Terms(
            value=value,
            gradient=lambda: pair(-error(), 0.5 * d() * a()),
            hessian=lambda: pair(2 * phi() / d(), 0.25 * d() * (a() + b())),
            fisher=lambda: pair(c / d(), c / 8 * d()),
        )
    return Terms(
        value=value,
        gradient=lambda: pair(-error(), 0.5 * a() / d()),
        hessian=lambda: pair(2 * phi() / d(), 0.25 * (b() - a()) / d() / s),
        fisher=lambda: pair(c / d(), c / 8 / d() / s),
    )


@formula
def negative_binomial_nll(y: Array, f: Array, *, log_input: bool, full: bool) -> Terms:
    """Counts with mean mu and variance mu + alpha mu**2 (Lawless 1987); rho = 1 / alpha.

    The value is (y + rho) log(1 + alpha mu) - y log mu - D0, D0 = log Gamma(y + rho) - log Gamma(rho) - y log rho. The
    derivatives hold D1 = psi(y + rho) - psi(rho), D2 = psi_1(rho) - psi_1(y + rho), psi and psi_1 di- and trigamma.
    """
    mu, alpha = (exp(f[..., 0]), exp(f[..., 1])) if log_input else (f[..., 0], f[..., 1])
    rho, am = 1 / alpha, alpha * mu
    d1 = cache(lambda: _digamma_difference(y, rho))
    slope = cache(lambda: log1p(am) - d1() + (y - mu) / (rho + mu))  # L
    mean_fisher = cache(lambda: 1 / mu / (1 + am))

    def curve() -> Array:  # M
        return _trigamma_difference(y, rho) - mu / rho / (rho + mu) - (y - mu) / (rho + mu) / (rho + mu)

    def value() -> Array:
        log_mu = f[..., 0] if log_input else log(mu)
        constant = lgamma(y + 1) if full else 0
        return (y + rho) * log1p(am) - product(y, log_mu) - _log_gamma_difference(y, rho) + constant

    def gradient() -> Array:
        if log_input:
            return pair((mu - y) / (1 + am), -rho * slope())
        return pair((mu - y) / mu / (1 + am), -rho * rho * slope())

    @cache
    def hessian() -> Array:
        if log_input:
            return pair(mu * (1 + alpha * y) / (1 + am) / (1 + am), rho * slope() + rho * rho * curve())
        mean = y / mu / mu - alpha * (1 + alpha * y) / (1 + am) / (1 + am)
        return pair(mean, rho**3 * (2 * slope() + rho * curve()))

    def majorizer() -> Array:
        mean, dispersion = hessian()[..., 0], hessian()[..., 1]
        floor = np.abs(gradient()[..., 1])
        return pair(mean if log_input else maximum(mean, mean_fisher()), maximum(dispersion, floor))

    return Terms(value=value, gradient=gradient, hessian=hessian, majorizer=majorizer)


# -- Differences of log Gamma and its derivatives between y + rho and rho that do not cancel at large rho. The
#    recurrence shifts both arguments up by 12, to v = y + u and u; then the Stirling series are subtracted by terms:
#    u**-j - v**-j = u**-j (1 - e**(-j l)), l = log(v / u) (Abramowitz and Stegun 1964, 6.1.41, 6.3.18, 6.4.12). --

_SHIFT = 12
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)  # B2, B4, ..., B14


def _log_gamma_difference(y: Array, rho: Array) -> Array:
    """D0 = log Gamma(y + rho) - log Gamma(rho) - y log rho."""
    u, ratio = rho + _SHIFT, log1p(y / (rho + _SHIFT))
    total = (u - 0.5) * ratio - y + y * log1p((y + _SHIFT) / rho)
    for k, b in enumerate(_BERNOULLI, start=1):
        total += b / (2 * k * (2 * k - 1)) * u ** (1 - 2 * k) * expm1((1 - 2 * k) * ratio)
    for i in range(_SHIFT):
        total -= log1p(y / (rho + i))
    return total


def _digamma_difference(y: Array, rho: Array) -> Array:
    """D1 = psi(y + rho) - psi(rho)."""
    u, ratio = rho + _SHIFT, log1p(y / (rho + _SHIFT))
    total = ratio + y / (2 * u * (y + u))
    for k, b in enumerate(_BERNOULLI, start=1):
        total -= b / (2 * k) * u ** (-2 * k) * expm1(-2 * k * ratio)
    for i in range(_SHIFT):
        total += y / ((rho + i) * (y + rho + i))
    return total


def _trigamma_difference(y: Array, rho: Array) -> Array:
    """D2 = psi_1(rho) - psi_1(y + rho)."""
    u, ratio = rho + _SHIFT, log1p(y / (rho + _SHIFT))
    v = y + u
    total = y / (u * v) + y * (u + v) / (2 * u * u * v * v)
    for k, b in enumerate(_BERNOULLI, start=1):
        total -= b * u ** (-2 * k - 1) * expm1((-2 * k - 1) * ratio)
    for i in range(_SHIFT):
        a = (rho + i) * (y + rho + i)
        total += y * (y + 2 * (rho + i)) / (a * a)
    return total
