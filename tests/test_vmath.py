"""csrc/vmath.h against mpmath (float64) and against float64 (float32), on every instruction set of this machine."""

import functools
import math

import numpy as np
import pytest
from mpmath import mp, mpf

from fastloss._core import machine

ISAS = machine.instruction_sets()
INF, NAN = math.inf, math.nan


def decay(z):
    """exp(-|z|), for any z that mpmath can hold."""
    return mp.exp(-min(abs(z), mpf(5000)))


def softplus(z):
    return max(z, mpf(0)) + mp.log1p(decay(z))


def sigmoid(z):
    return (decay(z) if z < 0 else 1) / (1 + decay(z))


def series(x, terms):
    return sum(c * x**k for k, c in terms.items())


def lgamma1p_terms(zeta, euler):
    return {1: -euler, **{k: (-1) ** k * zeta(k) / k for k in range(2, 6)}}


# name: (oracle in mpmath, the same in NumPy float64 for float32 arguments, largest error in ULP, lowest argument)
FUNCTIONS = {
    "exp": (lambda x: mp.exp(min(x, 5000)), np.exp, 2, -INF),
    "expm1": (lambda x: mp.expm1(max(min(x, 5000), -5000)), np.expm1, 2, -INF),
    "expm1mx": (
        lambda x: (
            series(x, {k: 1 / mp.factorial(k) for k in range(2, 6)}) if abs(x) < 1e-12 else mp.exp(min(x, 5000)) - 1 - x
        ),
        lambda x: np.where(abs(x) < 0.01, series(x, {k: 1 / math.factorial(k) for k in range(2, 9)}), np.expm1(x) - x),
        2.5,
        -INF,
    ),
    "log": (mp.log, np.log, 2, 0),
    "log1p": (mp.log1p, np.log1p, 2, -1),
    "log1pmx": (
        lambda x: series(x, {k: -(mpf(-1) ** k) / k for k in range(2, 6)}) if abs(x) < 1e-12 else mp.log1p(x) - x,
        lambda x: np.where(abs(x) < 0.01, series(x, {k: -((-1.0) ** k) / k for k in range(2, 10)}), np.log1p(x) - x),
        2.75,
        -1,
    ),
    "tanh": (lambda x: mp.tanh(max(min(x, 5000), -5000)), np.tanh, 2, -INF),
    "erf": (lambda x: mp.erf(max(min(x, 100), -100)), np.vectorize(math.erf, otypes=[float]), 2, -INF),
    "lgamma1p": (
        lambda x: series(x, lgamma1p_terms(mp.zeta, mp.euler)) if x < 1e-8 else mp.loggamma(1 + x),
        lambda x: np.where(
            x < 1e-3,
            series(x, {k: float(c) for k, c in lgamma1p_terms(mp.zeta, mp.euler).items()}),
            np.vectorize(math.lgamma, otypes=[float])(1 + x),
        ),
        None,  # 2.1 eps relative to the result
        0,
    ),
    "sigmoid": (sigmoid, lambda z: np.exp(np.minimum(z, 0)) / (1 + np.exp(-abs(z))), 2, -INF),
    "sigmoid_neg": (lambda z: sigmoid(-z), lambda z: np.exp(-np.maximum(z, 0)) / (1 + np.exp(-abs(z))), 2, -INF),
    "softplus": (softplus, lambda z: np.maximum(z, 0) + np.log1p(np.exp(-abs(z))), 2.25, -INF),
    "softplus_neg": (lambda z: softplus(-z), lambda z: np.maximum(-z, 0) + np.log1p(np.exp(-abs(z))), 2.25, -INF),
}

# name: {argument: result}; NaN gives NaN everywhere
LIMITS = {
    "exp": {0: 1, INF: INF, -INF: 0, 1e30: INF, -1e30: 0},
    "expm1": {0: 0, INF: INF, -INF: -1, 1e30: INF, -1e30: -1},
    "expm1mx": {0: 0, INF: INF, -INF: INF},
    "log": {0: -INF, 1: 0, INF: INF, -1: NAN, -INF: NAN},
    "log1p": {0: 0, -1: -INF, INF: INF, -2: NAN, -INF: NAN},
    "log1pmx": {0: 0, -1: -INF, INF: -INF, -2: NAN, -INF: NAN},
    "tanh": {0: 0, INF: 1, -INF: -1, 1e30: 1, -1e30: -1},
    "erf": {0: 0, INF: 1, -INF: -1, 1e30: 1, -1e30: -1},
    "lgamma1p": {0: 0, 1: 0, INF: INF},
    "sigmoid": {0: 0.5, INF: 1, -INF: 0, 1e30: 1, -1e30: 0},
    "sigmoid_neg": {0: 0.5, INF: 0, -INF: 1, 1e30: 0, -1e30: 1},
    "softplus": {INF: INF, -INF: 0, -1e30: 0},
    "softplus_neg": {INF: 0, -INF: INF, 1e30: 0},
}


@functools.cache
def strata():
    """float64 arguments: where a reduction, a switch or a limit of the format could go wrong."""
    random = np.random.default_rng(0)
    uniform = lambda low, high, n=300: random.uniform(low, high, n)
    signs = random.choice([-1.0, 1.0], 400)
    edges = [
        709.782712893384,
        -745.1332191019412,
        -708.3964185322641,
        math.log(2),
        math.log(3) / 2,
        -0.5,
        1,
        -1,
        4,
        6,
        -40,
        36.7,
        1e-8,
    ]
    edges += [
        0.693,
        0.5493,
        math.sqrt(0.5),
        math.sqrt(2),
        math.sqrt(2) - 1,
        math.sqrt(0.5) - 1,
        2.2250738585072014e-308,
        1e-290,
    ]
    neighbours = np.ravel(
        [[x, np.nextafter(x, INF), np.nextafter(x, -INF), x + 1e-13 * x, x - 1e-13 * x] for x in edges]
    )
    multiples = np.arange(-200, 200) / 2 * math.log(2) * (1 + uniform(-1, 1, 400) * 2.0 ** -random.integers(8, 52, 400))
    points = [
        random.integers(0, 2**64, 400, dtype=np.uint64).view(np.float64),
        signs * 10.0 ** uniform(-320, 308, 400),
        signs * 10.0 ** uniform(-20, 3, 400),
        *(uniform(-a, a) for a in (0.5, 1, 2, 8, 50, 760)),
        1 + signs * 2.0 ** uniform(-53, -1, 400),
        -1 + 2.0 ** uniform(-53, -1),
        random.integers(1, 2**52, 100).astype(np.uint64).view(np.float64),
        multiples,
        neighbours,
    ]
    x = np.concatenate(points)
    return x[np.isfinite(x)]


@functools.cache
def float64_case(name):
    """Arguments, exact results rounded to float64, and what rounding removed in ULP."""
    oracle, _, _, lowest = FUNCTIONS[name]
    x = strata()
    x = np.abs(x) if lowest == 0 else x
    x = x[x > lowest]
    with mp.workdps(40):
        exact = [oracle(mpf(v)) for v in x.tolist()]
        nearest = np.array([float(v) for v in exact])
        ulp = np.spacing(np.abs(nearest))
        rest = [
            float((v - mpf(a)) / mpf(u)) if math.isfinite(a) else 0
            for v, a, u in zip(exact, nearest.tolist(), ulp.tolist(), strict=True)
        ]
    return x, nearest, np.array(rest)


@functools.cache
def float32_case(name):
    """The same for float32: a stride over all bit patterns."""
    _, oracle, _, lowest = FUNCTIONS[name]
    x = np.arange(0, 2**32, 28657, dtype=np.uint32).view(np.float32)
    x = np.append(x[np.isnan(x) | (x > lowest)], np.float32([1, 0.5, 2, 1e-45, 1.17549435e-38, 88.7, 88.8, 4]))
    with np.errstate(all="ignore"):
        exact = oracle(x.astype(np.float64))
        nearest = exact.astype(np.float32)
        rest = (exact - nearest) / np.spacing(np.abs(nearest))
    return x, nearest, np.where(np.isfinite(nearest), rest, 0)


def errors(got, nearest, rest):
    """In ULP of the exact result; the largest number counts as the neighbour of infinity."""
    with np.errstate(all="ignore"):
        error = np.abs((got - nearest) / np.spacing(np.abs(nearest)) - rest)
        largest = np.finfo(got.dtype).max
        overflow = np.isinf(nearest) & (got == np.copysign(largest, nearest))
    return np.where((got == nearest) & np.isinf(nearest) | overflow | np.isnan(got) & np.isnan(nearest), 0, error)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("case", [float64_case, float32_case])
def test_error_in_ulp(name, case, isa):
    x, nearest, rest = case(name)
    error = errors(machine.vmath(name, x, isa), nearest, rest)
    allowed = FUNCTIONS[name][2]
    if allowed is None:
        with np.errstate(all="ignore"):
            spacings = np.abs(nearest) / np.spacing(np.abs(nearest)) * np.finfo(x.dtype).eps
        allowed = np.where(np.isfinite(nearest), 2.1 * spacings, 0) + 2 * (np.abs(nearest) < 4 * np.finfo(x.dtype).tiny)
    bad = ~(error <= allowed)
    assert not bad.any(), [
        (float(a), float(b), float(e)) for a, b, e in zip(x[bad][:5], nearest[bad][:5], error[bad][:5], strict=True)
    ]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_limits(name, dtype, isa):
    arguments = np.array([*LIMITS[name], NAN, -NAN], dtype)
    expected = np.array([*LIMITS[name].values(), NAN, NAN], dtype)
    np.testing.assert_array_equal(machine.vmath(name, arguments, isa), expected)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_same_bits_at_every_position(name, isa):
    """Whole vectors and the elements left over take different instructions, yet agree."""
    for dtype in (np.float64, np.float32):
        x = np.linspace(0.01, 9, 67, dtype=dtype)
        whole = machine.vmath(name, x, isa)
        for start in range(1, 20):
            np.testing.assert_array_equal(machine.vmath(name, x[start:].copy(), isa), whole[start:])
