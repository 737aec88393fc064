"""Derive the coefficients of csrc/vmath.h.   usage: python tools/minimax.py [NAME ...]

Remez exchange in mpmath for a polynomial or rational function P/Q (Q(0) = 1) that minimises max |weight * (P/Q - f)|,
weight being the factor from the error of the fitted part to the relative error of the final function. Prints, for
float64 and float32, the macro for vmath.h and the error in units of 2^-53 or 2^-24, before and after rounding of the
coefficients.

Literature: E. Remez (1934); W. Cody, "A survey of practical rational and polynomial approximation", SIAM Review 12
(1970).
"""

import struct
import sys

from mpmath import mp, mpf

mp.dps = 80


def solve_with_alternating_error(f, weight, points, n, m, level, fixed=()):
    """P, Q and E of P(x) - f(x) Q(x) = +-E Q(x) / weight(x) on as many points as there are unknowns.

    E multiplies Q, hence the fixed point iteration. `fixed` holds the first coefficients of P where they are given.
    """
    first = len(fixed)
    for _ in range(6 if m else 1):
        rows, right = [], []
        for i, x in enumerate(points):
            error = (-1) ** i / weight(x)
            target = f(x) + error * level
            rows.append([x**j for j in range(first, n + 1)] + [-target * x**j for j in range(1, m + 1)] + [-error])
            right.append(f(x) - evaluate(fixed, x))
        *solution, level = mp.lu_solve(mp.matrix(rows), mp.matrix(right))
    free = n + 1 - first
    return [*fixed, *solution[:free]], [mpf(1), *solution[free:]], level


def evaluate(coefficients, x):
    return mp.polyval(coefficients[::-1], x)


def extrema(values):
    """Indices of the largest |value| of each run of equal sign."""
    runs = [[0]]
    for i in range(1, len(values)):
        if (values[i] > 0) == (values[runs[-1][0]] > 0):
            runs[-1].append(i)
        else:
            runs.append([i])
    return [max(run, key=lambda i: abs(values[i])) for run in runs]


def least_squares(value, scale, points, n, m, fixed=()):
    """Weighted least squares of P - f Q over the previous Q (Sanathanan & Koerner 1963): where Remez may start."""
    q, first = [mpf(1)], len(fixed)
    for _ in range(5 if m else 1):
        factors = [scale(x) / evaluate(q, x) for x in points]
        rows = [
            [s * x**j for j in range(first, n + 1)] + [-s * value(x) * x**j for j in range(1, m + 1)]
            for s, x in zip(factors, points, strict=True)
        ]
        a, b = (
            mp.matrix(rows),
            mp.matrix([s * (value(x) - evaluate(fixed, x)) for s, x in zip(factors, points, strict=True)]),
        )
        solution = list(mp.lu_solve(a.T * a, a.T * b))
        p, q = [*fixed, *solution[: n + 1 - first]], [mpf(1), *solution[n + 1 - first :]]
    return p, q


class Fit:
    """The values of f and its weight on a grid of Chebyshev points, and the fits to them."""

    def __init__(self, f, weight, low, high, n, m=0):
        self.n, self.m, size = n, m, 16 * (n + m + 2)
        self.grid = [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * i / size) for i in range(size + 1)]
        values = {x: (f(x), weight(x)) for x in self.grid}
        self.value, self.weight = (lambda x: values[x][0]), (lambda x: values[x][1])

    def error(self, p, q):
        return [self.weight(x) * (evaluate(p, x) / evaluate(q, x) - self.value(x)) for x in self.grid]

    def remez(self, fixed=(), rounds=20):
        """(P, Q) of least maximal weighted error"""
        count = self.n + self.m + 2 - len(fixed)
        p, q = least_squares(self.value, self.weight, self.grid[::4], self.n, self.m, fixed)
        best, level = None, mpf(0)
        for _ in range(rounds):
            error = self.error(p, q)
            worst = max(map(abs, error))
            if best is None or worst < best[0]:
                best = worst, p, q
            peaks = extrema(error)
            while len(peaks) > count:
                peaks.pop(0 if abs(error[peaks[0]]) < abs(error[peaks[-1]]) else -1)
            if len(peaks) < count or worst < abs(level) * mpf("1.02"):
                break
            points = [self.grid[i] for i in peaks]
            p, q, level = solve_with_alternating_error(
                self.value, self.weight, points, self.n, self.m, level or worst / 2, fixed
            )
        return best[1:]


def rounded(x, dtype):
    return mpf(float(x) if dtype == "f64" else struct.unpack("f", struct.pack("f", float(x)))[0])


def literal(x):
    """The shortest hexadecimal floating literal."""
    mantissa, exponent = float(x).hex().split("p")
    return (mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa) + "p" + str(int(exponent))


def emit(name, dtype, f, weight, low, high, n, m=0):
    """Fit and print.

    A polynomial is fitted again after each rounding of a coefficient, so that the later ones make up for it.
    """
    fit = Fit(f, weight, mpf(low), mpf(high), n, m)
    p, q = fit.remez()
    exact, fixed = max(map(abs, fit.error(p, q))), []
    for k in range(n + 1 if m == 0 else 0):
        fixed.append(rounded(p[k], dtype))
        if k < n:
            p, q = fit.remez(fixed)
    p, q = fixed or [rounded(c, dtype) for c in p], [rounded(c, dtype) for c in q]
    after, unit = max(map(abs, fit.error(p, q))), mpf(2) ** (-53 if dtype == "f64" else -24)
    print(
        f"/* {name} {dtype}: degree {n}{f'/{m}' if m else ''} on [{mp.nstr(mpf(low), 6)}, {mp.nstr(mpf(high), 6)}], "
        f"error {mp.nstr(exact / unit, 2)} u, rounded {mp.nstr(after / unit, 2)} u */"
    )
    print(f"#define {name} {', '.join(map(literal, p))}")
    if m:
        print(f"#define {name}_BELOW {', '.join(map(literal, q))}")
    sys.stdout.flush()


def exp_tail(r):
    """(e^r - 1 - r) / r^2"""
    return mp.nsum(lambda j: r**j / mp.factorial(j + 2), [0, 40]) if abs(r) < 0.01 else (mp.expm1(r) - r) / r**2


def exp_weight(r):
    return mpf(10) ** -9 if r == 0 else abs(r**2 / mp.expm1(r))


def expm1mx_tail(r):
    """(e^r - 1 - r - r^2/2) / r^3"""
    return (
        mp.nsum(lambda j: r**j / mp.factorial(j + 3), [0, 40])
        if abs(r) < 0.01
        else (mp.expm1(r) - r - r * r / 2) / r**3
    )


def log_tail(w):
    """2 (atanh(s)/s - 1) / s^2, w = s^2"""
    return mpf(2) / 3 if w < mpf(10) ** -18 else 2 * (mp.atanh(mp.sqrt(w)) / mp.sqrt(w) - 1) / w


def log1p_unit(t):
    """(e - log(1 + e)) / e^2, e = t + 1/2"""
    e = t + mpf(1) / 2
    return mpf(1) / 2 - e / 3 if e < mpf(10) ** -20 else (e - mp.log1p(e)) / e**2


def log1p_unit_weight(t):
    e = t + mpf(1) / 2
    return TINY if e < TINY else e**2 / mp.log1p(e)


def tanh_tail(w):
    """(tanh(x)/x - 1) / x^2, w = x^2"""
    return -mpf(1) / 3 if w < mpf(10) ** -18 else (mp.tanh(mp.sqrt(w)) / mp.sqrt(w) - 1) / w


def erf_inner(w):
    """erf(x)/x - 1, w = x^2"""
    return 2 / mp.sqrt(mp.pi) - 1 if w < mpf(10) ** -30 else mp.erf(mp.sqrt(w)) / mp.sqrt(w) - 1


def erf_outer(x):
    """e^(x^2) erfc(x)"""
    return mp.exp(x * x) * mp.erfc(x)


def lgamma_inner(x):
    """log Gamma(1 + x) / (x (x - 1)) - 3/8"""
    if abs(x) < mpf(10) ** -20:
        return mp.euler - 0.375
    if abs(x - 1) < mpf(10) ** -20:
        return 1 - mp.euler - 0.375
    return mp.loggamma(1 + x) / (x * (x - 1)) - 0.375


def stirling(v):
    """x (log Gamma(1 + x) - (x + 1/2) log x + x - log(2 pi)/2), v = 1/x^2"""
    if v < mpf(10) ** -10:
        return mpf(1) / 12 - v / 360 + v * v / 1260
    x = 1 / mp.sqrt(v)
    return x * (mp.loggamma(1 + x) - (x + 0.5) * mp.log(x) + x - mp.log(2 * mp.pi) / 2)


def stirling_weight(v):
    if v < mpf(10) ** -8:
        return mp.sqrt(v) + mpf(10) ** -9
    return mp.sqrt(v) / mp.loggamma(1 + 1 / mp.sqrt(v))


TINY = mpf(10) ** -9  # keeps a weight away from 0
HALF_LN2 = mp.log(2) / 2 * mpf("1.0001")
NARROW = (3 - 2 * mp.sqrt(2)) ** 2 * mpf("1.0001")  # s^2 of a mantissa between sqrt(1/2) and sqrt(2)

# name: (f, weight, low, high, degrees of P and Q); the last two for float64, float32
FITS = {
    "EXP_TAIL": (exp_tail, exp_weight, -HALF_LN2, [HALF_LN2] * 2, [(9,), (4,)]),
    "EXPM1MX_TAIL": (
        expm1mx_tail,
        lambda r: (abs(r) + TINY) / exp_tail(r),
        -2 * HALF_LN2,
        [2 * HALF_LN2] * 2,
        [(11,), (5,)],
    ),
    "LOG_TAIL": (log_tail, lambda w: w / 2 + TINY, 0, [NARROW] * 2, [(6,), (2,)]),
    "LOG_WIDE_TAIL": (log_tail, lambda w: w / 2 + TINY, 0, [mpf(1) / 9] * 2, [(9,), (3,)]),
    "LOG1P_UNIT": (log1p_unit, log1p_unit_weight, mpf(-1) / 2, [mpf(1) / 2] * 2, [(19,), (8,)]),
    "TANH_TAIL": (tanh_tail, lambda w: w + TINY, 0, [mpf("0.5494") ** 2] * 2, [(2, 3), (1, 1)]),
    "ERF_INNER": (erf_inner, lambda w: 1 / (1 + erf_inner(w)), 0, [1, 1], [(11,), (6,)]),
    "ERF_OUTER": (erf_outer, lambda x: mp.exp(-x * x) / mp.erf(x), 1, [6, 4], [(5, 6), (2, 3)]),
    "LGAMMA_INNER": (lgamma_inner, lambda x: 1 / (lgamma_inner(x) + 0.375), 0, [4, 4], [(8, 8), (4, 4)]),
    "STIRLING": (stirling, stirling_weight, 0, [mpf(1) / 16] * 2, [(6,), (1,)]),
}

if __name__ == "__main__":
    for name in sys.argv[1:] or FITS:
        f, weight, low, highs, degrees = FITS[name]
        for dtype, high, degree in zip(("f64", "f32"), highs, degrees, strict=True):
            emit(name, dtype, f, weight, low, high, *degree)
