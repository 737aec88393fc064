"""Derive the coefficients of csrc/vmath.h.   usage: python tools/minimax.py [NAME ...]

Remez exchange in mpmath for a polynomial or rational function P/Q (Q(0) = 1) that minimises max |weight * (P/Q - f)|,
weight being the factor from the error of the fitted part to the relative error of the final function. Prints, for
float64 and float32, the macro for vmath.h and the error in units of 2^-53 or 2^-24, before and after rounding the coefficients.

Literature: E. Remez (1934); W. Cody, "A survey of practical rational and polynomial approximation", SIAM Review 12 (1970).
"""

import struct
import sys

from mpmath import mp, mpf

mp.dps = 80


def solve_with_alternating_error(f, weight, points, n, m, level):
    """P, Q and E of P(x) - f(x) Q(x) = +-E Q(x) / weight(x) on n + m + 2 points; E multiplies Q, hence the fixed point iteration."""
    for _ in range(6 if m else 1):
        rows, right = [], []
        for i, x in enumerate(points):
            error = (-1) ** i / weight(x)
            target = f(x) + error * level
            rows.append([x**j for j in range(n + 1)] + [-target * x**j for j in range(1, m + 1)] + [-error])
            right.append(f(x))
        solution = mp.lu_solve(mp.matrix(rows), mp.matrix(right))
        level = solution[n + m + 1]
    return list(solution[: n + 1]), [mpf(1), *solution[n + 1 : n + m + 1]], level


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


def least_squares(value, scale, points, n, m):
    """Weighted least squares of P - f Q, divided by the previous Q (Sanathanan & Koerner 1963): where Remez may start."""
    q = [mpf(1)]
    for _ in range(5 if m else 1):
        factors = [scale(x) / evaluate(q, x) for x in points]
        rows = [[s * x**j for j in range(n + 1)] + [-s * value(x) * x**j for j in range(1, m + 1)] for s, x in zip(factors, points)]
        a, b = mp.matrix(rows), mp.matrix([s * value(x) for s, x in zip(factors, points)])
        solution = list(mp.lu_solve(a.T * a, a.T * b))
        p, q = solution[: n + 1], [mpf(1), *solution[n + 1 :]]
    return p, q


def remez(f, weight, low, high, n, m=0, rounds=20):
    """(P, Q, max weighted error)"""
    count = n + m + 2
    size = 16 * count
    grid = [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * i / size) for i in range(size + 1)]
    on_grid = {x: (f(x), weight(x)) for x in grid}
    value, scale = (lambda x: on_grid[x][0]), (lambda x: on_grid[x][1])
    p, q = least_squares(value, scale, grid[::4], n, m)
    best, level = None, mpf(0)
    for _ in range(rounds):
        error = [scale(x) * (evaluate(p, x) / evaluate(q, x) - value(x)) for x in grid]
        worst = max(map(abs, error))
        if best is None or worst < best[2]:
            best = p, q, worst
        peaks = extrema(error)
        while len(peaks) > count:
            peaks.pop(0 if abs(error[peaks[0]]) < abs(error[peaks[-1]]) else -1)
        if len(peaks) < count or worst < abs(level) * mpf("1.02"):
            break
        p, q, level = solve_with_alternating_error(value, scale, [grid[i] for i in peaks], n, m, level or worst / 2)
    return *best, grid, value, scale


def rounded(x, dtype):
    return mpf(float(x) if dtype == "f64" else struct.unpack("f", struct.pack("f", float(x)))[0])


def literal(x):
    """The shortest hexadecimal floating literal."""
    mantissa, exponent = float(x).hex().split("p")
    return (mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa) + "p" + str(int(exponent))


def emit(name, dtype, f, weight, low, high, n, m=0):
    p, q, worst, grid, value, scale = remez(f, weight, mpf(low), mpf(high), n, m)
    rp, rq = [[rounded(c, dtype) for c in part] for part in (p, q)]
    after = max(abs(scale(x) * (evaluate(rp, x) / evaluate(rq, x) - value(x))) for x in grid)
    unit = mpf(2) ** (-53 if dtype == "f64" else -24)
    print(f"/* {name} {dtype}: degree {n}/{m} on [{mp.nstr(mpf(low), 6)}, {mp.nstr(mpf(high), 6)}], "
          f"error {mp.nstr(worst / unit, 2)} u, rounded {mp.nstr(after / unit, 2)} u */")
    print(f"#define {name} {', '.join(map(literal, rp))}")
    if m:
        print(f"#define {name}_BELOW {', '.join(map(literal, rq))}")
    sys.stdout.flush()


def limited(f, at, limit):
    """f, continued by its limit where the formula is 0/0 or loses all digits."""
    return lambda x: limit if abs(x - at) < mpf(10) ** -12 else f(x)


def exp_tail(r):
    """(e^r - 1 - r) / r^2"""
    return mp.nsum(lambda j: r**j / mp.factorial(j + 2), [0, 40]) if abs(r) < 0.01 else (mp.expm1(r) - r) / r**2


def exp_weight(r):
    return mpf(10) ** -9 if r == 0 else abs(r**2 / mp.expm1(r))


def log_tail(w):
    """2 (atanh(s)/s - 1) / s^2, w = s^2"""
    return mpf(2) / 3 if w < mpf(10) ** -18 else 2 * (mp.atanh(mp.sqrt(w)) / mp.sqrt(w) - 1) / w


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
    """log Gamma(1 + x) / (x (x - 1))"""
    if abs(x) < mpf(10) ** -20:
        return mp.euler
    if abs(x - 1) < mpf(10) ** -20:
        return 1 - mp.euler
    return mp.loggamma(1 + x) / (x * (x - 1))


def stirling(v):
    """12 x (log Gamma(1 + x) - (x + 1/2) log x + x - log(2 pi)/2) / 12, v = 1/x^2"""
    if v < mpf(10) ** -10:
        return mpf(1) / 12 - v / 360 + v * v / 1260
    x = 1 / mp.sqrt(v)
    return x * (mp.loggamma(1 + x) - (x + 0.5) * mp.log(x) + x - mp.log(2 * mp.pi) / 2)


def stirling_weight(v):
    if v < mpf(10) ** -8:
        return mp.sqrt(v) + mpf(10) ** -9
    return mp.sqrt(v) / mp.loggamma(1 + 1 / mp.sqrt(v))


HALF_LN2 = mp.log(2) / 2 * mpf("1.0001")
NARROW = (3 - 2 * mp.sqrt(2)) ** 2 * mpf("1.0001")

# name: (f, weight, low, high, degrees f64, degrees f32); an interval or switch point may depend on the type
FITS = {
    "EXP_TAIL": lambda t: (exp_tail, exp_weight, -HALF_LN2, HALF_LN2, *t((9,), (4,))),
    "EXPM1MX_TAIL": lambda t: (exp_tail, lambda r: 1 / exp_tail(r), -2 * HALF_LN2, 2 * HALF_LN2, *t((12,), (6,))),
    "LOG_TAIL": lambda t: (log_tail, lambda w: w / 2 + mpf(10) ** -9, mpf(0), NARROW, *t((6,), (2,))),
    "LOG_WIDE_TAIL": lambda t: (log_tail, lambda w: w / 2 + mpf(10) ** -9, mpf(0), mpf(1) / 9, *t((9,), (3,))),
    "TANH_TAIL": lambda t: (tanh_tail, lambda w: w + mpf(10) ** -9, mpf(0), mpf("0.5494") ** 2, *t((2, 3), (1, 1))),
    "ERF_INNER": lambda t: (erf_inner, lambda w: 1 / (1 + erf_inner(w)), mpf(0), mpf(1), *t((11,), (6,))),
    "ERF_OUTER": lambda t: (erf_outer, lambda x: mp.exp(-x * x) / mp.erf(x), mpf(1), *t((6, 5, 6), (4, 2, 3))),
    "LGAMMA_INNER": lambda t: (lgamma_inner, lambda x: 1 / lgamma_inner(x), mpf(0), mpf(4), *t((8, 8), (4, 4))),
    "STIRLING": lambda t: (stirling, stirling_weight, mpf(0), mpf(1) / 16, *t((6,), (1,))),
}

if __name__ == "__main__":
    for name in sys.argv[1:] or FITS:
        for dtype in ("f64", "f32"):
            emit(name, dtype, *FITS[name](lambda f64, f32: f64 if dtype == "f64" else f32))
