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
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar, cast

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


# -- Outputs --


def weighted(term: Array, w: Array | None, scale: float = 1.0, floor: float = math.nan) -> Array:
    """The term times weights and scale, limited from below; exactly 0 where the weight is."""
    if w is not None:
        term = np.where(w == 0, 0, term * w)
    term = term * term.dtype.type(scale) if scale != 1 else np.array(term)
    if not math.isnan(floor):
        raised = np.where(term < floor, floor, term)
        term = raised if w is None else np.where(w == 0, 0, raised)
    return term


# -- Rows: the last axis of `f` holds the predictions of one sample --


@dataclass(frozen=True)
class RowTerms:
    """The terms of a loss of rows; a row may count for more or less than 1 in the mean, or be ignored."""

    value: Callable[[], Array]
    gradient: Callable[[], Array]
    hessian: Callable[[], Array] | None = None
    majorizer: Callable[[], Array] | None = None
    fisher: Callable[[], Array] | None = None
    scaled: Callable[[], Array] | None = None
    count: Array | None = None  # None for ones
    ignored: Array | None = None  # None for no row


RowFormula = TypeVar("RowFormula", bound=Callable[..., RowTerms])


def row_formula(function: RowFormula) -> RowFormula:
    """Round targets and parameters to the precision of `f`, then compute in double: long rows add no error to float32.

    A row whose value is NaN has NaN derivatives.
    """

    @functools.wraps(function)
    def rounded(y: Array, f: Array, **parameters: Any) -> RowTerms:
        y, f = np.asarray(y), np.asarray(f)
        precision = f.real.dtype
        for name, value in parameters.items():
            if isinstance(value, float):
                parameters[name] = precision.type(value)
            elif isinstance(value, tuple):
                parameters[name] = np.array(value, precision)
        if y.dtype.kind == "f":
            y = y.astype(precision).astype(np.float64)
        return _with_undefined_rows(function(y, f.astype(np.result_type(f, np.float64)), **parameters))

    return cast(RowFormula, rounded)


def _with_undefined_rows(terms: RowTerms) -> RowTerms:
    undefined = functools.cache(lambda: np.isnan(real(terms.value()))[..., None])

    def spread(term: Callable[[], Array] | None) -> Any:
        return term and (lambda: np.where(undefined(), np.nan, term()))

    return replace(
        terms,
        gradient=spread(terms.gradient),
        hessian=spread(terms.hessian),
        majorizer=spread(terms.majorizer),
        fisher=spread(terms.fisher),
        scaled=spread(terms.scaled),
    )


def where_defined(value: Array, row: Array) -> Array:
    """The values, NaN where a row holds a NaN, whatever its coefficient."""
    return np.where(np.isnan(real(row)).any(axis=-1), np.nan, value)


def probability(f: Array) -> Array:
    """`f` with -0.0 as 0, and NaN where it is infinite: no probability, so nothing has a limit there."""
    return np.where(np.isinf(real(f)), np.nan, f + 0)


def log_remainder(c: Array, log_rest: Array) -> Array:
    """-log(1 - c) - c = c**2 / 2 + c**3 / 3 + ... for c >= -1, given log(1 - c).

    For c <= 1/2 by -log(1 - c) = 2 artanh s, s = c / (2 - c), and 2 s - c = s c, without cancellation.
    """
    s = np.where(real(c) <= 0.5, c, 0) / (2 - c)
    tail = polynomial(s * s, [1 / (2 * k + 3) for k in range(18)])
    return np.where(real(c) <= 0.5, s * c + 2 * s**3 * tail, -log_rest - c)


def row_sum(x: Array) -> Array:
    """The sum over the classes."""
    return np.sum(x, axis=-1)


def sum_of_others(x: Array) -> Array:
    """For each entry of a row the sum of the others; for entries of one sign without cancellation.

    Only the largest entry may hold more than half of the sum: it is left out and its excess over x_k added back.
    """
    largest = np.argmax(np.abs(real(x)), axis=-1)[..., None]
    is_largest = np.arange(x.shape[-1]) == largest
    rest = np.sum(np.where(is_largest, 0, x), axis=-1, keepdims=True)
    return np.where(is_largest, rest, rest + (np.take_along_axis(x, largest, -1) - x))


def exact_row_sum(x: Array) -> Array:
    """The correctly rounded sum over the classes, for terms that cancel each other."""

    def exact(x: Array) -> Array:
        return np.array([math.fsum(row) for row in x.reshape(-1, x.shape[-1])], np.float64).reshape(x.shape[:-1])

    return exact(x.real) + 1j * exact(x.imag) if np.iscomplexobj(x) else exact(x)


class Probabilities(NamedTuple):
    """A row of probabilities, with what cannot be had from p without loss of accuracy."""

    p: Array
    q: Array  # 1 - p
    log_p: Array


def softmax_row(z: Array) -> Probabilities:
    """p_k = e_k / (1 + R) with e_k = exp(z_k - m), m = z_j the largest logit and R the sum of the others' e_k.

    1 - p_j = R / (1 + R) and log p_k = (z_k - m) - log1p(R) keep their relative accuracy however close p_j is to 1. The
    terms of j are exact by definition, z_j - m = 0, so that infinite logits give limits: p_k = 0 at -inf, p_j = 1 at a
    single +inf. Rows with a NaN, with more than one +inf or with nothing but -inf (K > 1) are NaN.
    """
    j = np.argmax(real(z), axis=-1)[..., None]
    m = np.take_along_axis(z, j, -1)
    is_largest = np.arange(z.shape[-1]) == j
    d = z - m
    e = np.where(is_largest, 0, exp(d) * (1 + _rounding_of_difference(real(z), real(m))))
    r = np.sum(e, axis=-1, keepdims=True) + np.where(np.isnan(real(m)), np.nan, 0)
    p = np.where(is_largest, 1, e) / (1 + r)
    return Probabilities(p, np.where(is_largest, r / (1 + r), 1 - p), np.where(is_largest, 0, d) - log1p(r))


def _rounding_of_difference(a: Array, b: Array) -> Array:
    """(a - b) minus its rounded value, exactly (Knuth's TwoSum); 0 where it is not finite."""
    d = a - b
    t = d - a
    error = (a - (d - t)) - (b + t)
    return np.where(np.isfinite(error), error, 0)


def through_softmax(
    row: Callable[[], Probabilities],
    value: Callable[[], Array],
    first: Callable[[], Array],
    second: Callable[[], Array],
    **more: Any,
) -> RowTerms:
    """The chain rule for l = sum_j phi_j(log p_j) and p = softmax(f), with A_j = phi_j' and B_j = phi_j''.

    With v_j = e_j - p the gradient is sum_j A_j v_j and the hessian sum_j B_j v_j v_j^T - T (diag p - p p^T), T the sum
    of the A_j. Each product with 1 - p_k or with a sum over j != k is written so that nothing cancels for one label.
    """
    a = functools.cache(first)
    # (1 - p)**(gamma - 1) may be infinite, but only where p_k underflows, which then wins.
    b = functools.cache(lambda: np.minimum(second(), 1e300))
    total = functools.cache(lambda: np.sum(a(), axis=-1, keepdims=True))
    variance = functools.cache(lambda: row().p * row().q)

    def outer(b: Array) -> Array:
        """p_k times the sum of B_j over j != k."""
        return product(sum_of_others(b), row().p)

    def hessian() -> Array:
        own = product(product(b(), row().q), row().q)
        return own + product(outer(b()), row().p) - product(total(), variance())

    def majorizer() -> Array:
        """Gershgorin: the sums of the absolute values of the rows of the hessian, with B limited to >= 0."""
        bq = product(np.maximum(b(), 0), row().q)
        return 2 * (product(bq, row().q) + outer(bq) - product(total(), variance()))

    return RowTerms(
        value=lambda: where_defined(value(), row().p),
        gradient=lambda: product(a(), row().q) - product(sum_of_others(a()), row().p),
        hessian=hessian,
        majorizer=majorizer,
        **more,
    )
