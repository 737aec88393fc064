"""What the formulas of the reference share: lazily evaluated terms and functions that survive a complex step.

Design: a formula is one function `loss(y, f, *, parameters) -> Terms` that works for real `f` and, to first order in
the imaginary part, for complex `f`: then the imaginary part of the value at f + 1e-30j, divided by 1e-30, is the
gradient without the cancellation of a difference (Squire and Trapp 1998). Sub-expressions that several terms share are
cached lambdas: computed once, and only if one of those terms is asked for.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np

Array = Any  # a real array, or a complex one where a test takes a complex step


@dataclass(frozen=True)
class Terms:
    """The terms of a loss, each computed when it is asked for."""

    value: Callable[[], Array]
    gradient: Callable[[], Array]
    hessian: Callable[[], Array]
    majorizer: Callable[[], Array] | None = None
    fisher: Callable[[], Array] | None = None


Formula = TypeVar("Formula", bound=Callable[..., Terms])


def formula(function: Formula) -> Formula:
    """Compute in the precision of `f`: labels and parameters are rounded to it first."""

    @functools.wraps(function)
    def rounded(y: Array, f: Array, **parameters: Any) -> Terms:
        f = np.asarray(f)
        precision = f.real.dtype
        for name, value in parameters.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                parameters[name] = precision.type(value)
        return function(np.asarray(y, precision), f, **parameters)

    return cast(Formula, rounded)


def by_precision(x: Array, double: float, single: float) -> float:
    """A constant that depends on the precision of `x`, such as the bound of a clamp."""
    return single if x.real.dtype == np.float32 else double


# -- Pieces. Comparisons look at the real part and NaN stays NaN. With a complex step every tie takes the derivative
#    from the right, so that smooth functions put together from pieces, such as softplus at 0, stay exact. --


def real(x: Array) -> Array:
    """The real part: what comparisons look at when `x` carries a complex step."""
    return x.real


def sign(x: Array) -> Array:
    """-1, 0 or 1."""
    return np.sign(real(x))


def minimum(x: Array, bound: Any) -> Array:
    """The smaller of the two."""
    if np.isrealobj(x) and np.isrealobj(bound):
        return np.minimum(x, bound)
    return np.where(real(x) >= np.real(bound), bound, x)


def maximum(x: Array, bound: Any) -> Array:
    """The larger of the two."""
    if np.isrealobj(x) and np.isrealobj(bound):
        return np.maximum(x, bound)
    return np.where(real(x) < np.real(bound), bound, x)


def clip(x: Array, low: Any, high: Any) -> Array:
    """`x` limited to [low, high]."""
    return np.clip(x, low, high) if np.isrealobj(x) else minimum(maximum(x, low), high)


def indicator(condition: Array, x: Array) -> Array:
    """1 where the condition on `x` holds, else 0."""
    x = real(x)
    return np.where(x == x, condition, x)


def filled(x: Array, constant: Any) -> Array:
    """A constant term in the shape and precision of `x`."""
    return np.full_like(real(x), constant)


def product(coefficient: Any, x: Array) -> Array:
    """The product, which is 0 where the coefficient is, even if `x` is infinite: 0 log 0 = 0."""
    return np.where(coefficient == 0, 0, coefficient * x)


def pair(first: Any, second: Any) -> Array:
    """The two components of a distribution's derivative along a new last axis."""
    both = np.empty((*np.broadcast(first, second).shape, 2), np.result_type(first, second))
    both[..., 0], both[..., 1] = first, second
    return both


def inverse_distance(r: Array) -> Array:
    """kappa(r) = 1 / |r|, the curvature that majorizes |r|, capped at 2**10."""
    return 1 / maximum(absolute(r), 2.0**-10)


# -- Functions --


def analytic(function: Callable[[Array], Array], derivative: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Lift a function of a real array to the first order in the imaginary part."""

    def lifted(x: Array) -> Array:
        if np.iscomplexobj(x):
            return function(x.real) + 1j * x.imag * derivative(x.real)
        return function(x)

    return lifted


def elementwise(function: Callable[[float], float]) -> Callable[[Array], Array]:
    """A function of the `math` module over an array, in its precision."""
    over_array = np.vectorize(function, otypes=[float])
    return lambda x: over_array(x).astype(x.dtype)


# NumPy's own functions take complex numbers too, but some lose accuracy there; to first order these do not.
absolute = analytic(np.abs, lambda x: np.where(x < 0, -1, 1))
sqrt = analytic(np.sqrt, lambda x: 0.5 / np.sqrt(x))
exp = analytic(np.exp, np.exp)
expm1 = analytic(np.expm1, np.exp)
log = analytic(np.log, lambda x: 1 / x)
log1p = analytic(np.log1p, lambda x: 1 / (1 + x))
sinh = analytic(np.sinh, np.cosh)
tanh = analytic(np.tanh, lambda x: 1 / np.cosh(np.minimum(np.abs(x), 300)) ** 2)
# x / sqrt(1 + x**2) and t / (1 + t): for large arguments the product rule would cancel in their derivatives.
direction = analytic(lambda x: x / np.sqrt(1 + x * x), lambda x: (1 + x * x) ** -1.5)
saturate = analytic(lambda t: t / (1 + t), lambda t: 1 / (1 + t) ** 2)
erf = analytic(elementwise(math.erf), lambda x: 2 / math.sqrt(math.pi) * np.exp(-x * x))
lgamma = elementwise(math.lgamma)  # of real labels only


def power(x: Array, exponent: Any) -> Array:
    """x**exponent for x >= 0, with 0**0 = 1."""
    return analytic(lambda x: x**exponent, lambda x: product(exponent, x ** (exponent - 1)))(x)


def polynomial(x: Array, coefficients: Sequence[float]) -> Array:
    """c[0] + c[1] x + c[2] x**2 + ... by Horner's rule."""
    total = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        total = c + x * total
    return total


def decay(z: Array) -> Array:
    """e**-|z|, from which logistic functions follow without overflow: log(1 + e**z) = max(z, 0) + log1p(e)."""
    return exp(-absolute(z))


def logistic(z: Array, e: Array) -> tuple[Array, Array]:
    """sigma(z) and sigma(-z) = 1 - sigma(z), both to full relative accuracy, from e = decay(z)."""
    large, small, negative = 1 / (1 + e), e / (1 + e), real(z) < 0
    return np.where(negative, small, large), np.where(negative, large, small)


def tanh_over(r: Array, scale: Any = 1) -> Array:
    """tanh(r / scale) / r, which is 1 / scale at 0: the curvature that majorizes log cosh(r / scale)."""
    t = maximum(absolute(r), by_precision(r, 1e-290, 1e-30))
    return tanh(t / scale) / t
