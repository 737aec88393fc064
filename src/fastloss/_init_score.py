"""Constants that minimise a weighted loss: closed forms, order statistics, and two safe iterations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ._base import Loss, PointwiseLoss

Array = np.ndarray[Any, Any]

LARGEST_LOGIT = 52 * np.log(2.0)  # stands for the log or logit of 0 and infinity


def mean(y: Array, w: Array) -> float:
    """The weighted mean."""
    return float(np.average(y, weights=w))


def quantile(y: Array, w: Array, q: float = 0.5) -> float:
    """The weighted quantile: the midpoint of the interval of minimisers of the pinball loss."""
    order = np.argsort(y, kind="stable")
    y, total = y[order], np.cumsum(w[order])
    target = q * total[-1]
    slack = 4 * np.finfo(float).eps * total[-1]
    low = int(np.searchsorted(total, target - slack))
    high = int(np.searchsorted(total, target + slack, side="right"))
    return float(0.5 * y[low] + 0.5 * y[min(high, len(y) - 1)])


def local_minimum(loss: PointwiseLoss, y: Array, w: Array) -> float:
    """Majorise and minimise from the weighted median: the minimum next to it (Hunter and Lange 2004).

    It starts at a target: the midpoint of an interval of medians can be a local maximum.
    """
    s = float(y[np.argmin(np.abs(y - quantile(y, w)))])
    for _ in range(1000):
        h = loss.hessian(y, np.full_like(y, s), w, reduction="sum", hessian="majorizer")
        if not h.any():  # a perfect fit of a loss that is flat there
            break
        previous, s = s, float(np.sum(h * y) / np.sum(h))
        if abs(s - previous) <= 1e-12 * (1 + abs(s)):
            break
    return s


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """The sign change of a function on [low, high], by bisection to the last bits; an end where there is none."""
    if function(low) >= 0:
        return low
    if function(high) <= 0:
        return high
    for _ in range(200):
        middle = 0.5 * low + 0.5 * high
        if middle in (low, high):
            break
        if function(middle) > 0:
            high = middle
        else:
            low = middle
    return 0.5 * low + 0.5 * high


def gradient_root(loss: PointwiseLoss, y: Array, w: Array, low: float, high: float) -> float:
    """Where the summed gradient of a constant changes its sign."""
    return root(lambda s: float(np.sum(loss.gradient(y, np.full_like(y, s), w, reduction="sum"))), low, high)


def centred_logits(log_p: Array) -> Array:
    """Raw scores that sum to 0, for logarithms of probabilities up to a common summand; -inf is limited."""
    z = np.maximum(log_p - np.max(log_p), -LARGEST_LOGIT)
    return np.asarray(z - np.mean(z))


def simplex_minimum(slope: Callable[[Array], Array], n: int) -> Array:
    """Logarithms of the p on the simplex that minimise a separable convex function: all slopes are equal there.

    `slope(log p)` holds minus the derivatives with respect to p, each of which falls where its p grows: for every
    common slope the p follow by bisection, and the common slope is the one at which they sum to 1.
    """

    def at(common: float) -> Array:
        low, high = np.full(n, -LARGEST_LOGIT), np.zeros(n)
        for _ in range(64):
            middle = 0.5 * low + 0.5 * high
            above = slope(middle) > common
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        return high

    def excess(common: float) -> float:
        u = np.sort(at(common))
        return -float(np.sum(np.exp(u[:-1])) + np.expm1(u[-1]))

    return at(root(excess, float(np.min(slope(np.zeros(n)))), float(np.max(slope(np.full(n, -LARGEST_LOGIT))))))


def jensen_shannon_centre(t: Array, w: Array) -> Array:
    """Logarithms of the q that minimises the weighted sum of JS(t_i, q).

    JS(t, q) is the smallest (KL(t, m) + KL(q, m)) / 2 over m, convex in m and q together: minimise in turn, m_i is
    (t_i + q) / 2 and q the normalised geometric mean of the m_i.
    """
    q = w @ t / np.sum(w)
    for _ in range(1000):
        log_q = w @ np.log((t + np.maximum(q, np.exp(-LARGEST_LOGIT))) / 2) / np.sum(w)
        previous, q = q, np.exp(log_q) / np.sum(np.exp(log_q))
        if np.max(np.abs(q - previous)) <= 1e-15:
            break
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(q))


def margin_levels(a: Array) -> Array:
    """The f that minimise sum a_i max(0, 1 - f_i + f_j) over all pairs i != j.

    The f are integers (the constraints are differences, a totally unimodular system), fall with falling a, and skip
    no integer. A pair costs a_i + a_j on one level and a_j (1 + d) if j is d > 0 levels lower. A new level at position
    s of the falling order, where the one above began at r, lowers all behind it: this adds s sum_{j >= s} a_j
    - (n - s) sum_{r <= i < s} a_i. The best sequence of beginnings follows by dynamic programming.
    """
    n, order = len(a), np.argsort(-a, kind="stable")
    before = np.concatenate([[0.0], np.cumsum(a[order])])
    best, above = np.zeros(n), np.zeros(n, int)
    for s in range(1, n):
        cost = best[:s] + s * (before[n] - before[s]) - (n - s) * (before[s] - before[:s])
        above[s] = np.argmin(cost)
        best[s] = cost[above[s]]
    depth = np.zeros(n)
    s = int(np.argmin(best))
    while s > 0:
        depth[s:] += 1
        s = int(above[s])
    f = np.empty(n)
    f[order] = -depth
    return f


def squared_margin_minimum(a: Array) -> Array:
    """The f that minimise sum a_i max(0, 1 - f_i + f_j)^2 over all pairs i != j: Newton on a piecewise quadratic."""

    def violations(f: Array) -> Array:
        u: Array = np.maximum(1 - f[:, None] + f, 0.0)
        np.fill_diagonal(u, 0.0)
        return u

    f = np.zeros(len(a))
    for _ in range(200):
        u = violations(f)
        pull = a[:, None] * u
        down = pull.sum(axis=1) - pull.sum(axis=0)
        pairs = a[:, None] * (u > 0)
        pairs = pairs + pairs.T
        step = np.linalg.lstsq(np.diag(pairs.sum(axis=0)) - pairs, down, rcond=None)[0]
        value, expected, size = np.sum(pull * u), float(down @ step), 1.0
        if expected <= 1e-16 * value:
            break
        while np.sum(a[:, None] * violations(f + size * step) ** 2) > value - 0.1 * size * expected and size > 2.0**-30:
            size /= 2
        f = f + size * step
    return f


def limited_log(x: float) -> float:
    """Logarithm, with its infinities replaced."""
    if not 0 < x < np.inf:
        return float(LARGEST_LOGIT if x > 0 else -LARGEST_LOGIT)
    return float(np.log(x))


def numeric_minimum(loss: Loss, y: Array, w: Any, starts: list[Any]) -> Any:
    """The constant that minimises a loss, near the given ones.

    One prediction: the slope of a convex loss changes its sign between the least and the largest of `starts`, which
    must hold the minimum between them; otherwise the interval grows until it does. Several: Newton steps with halving.
    """
    if np.ndim(starts[0]) == 0:
        low, high = min(starts), max(starts)
        width = max(high - low, 1.0)

        def slope(s: float) -> float:
            return float(np.sum(loss.gradient(y, np.full(y.shape, s), w, reduction="sum")))

        for _ in range(64):
            falls, rises = slope(low) < 0, slope(high) > 0
            if loss.info.convex or (falls and rises):
                return root(slope, low, high)
            low, high = low - (not falls) * width, high + (not rises) * width
            width *= 2
        raise ValueError(f"{loss!r} has no minimum near {low:.3g} to {high:.3g}")

    s = np.mean(starts, axis=0)
    shape = (y.shape[:-1] if getattr(loss, "targets", "") in ("dense", "vectors") else y.shape) + s.shape
    axes = tuple(range(len(shape) - 1))
    policy = "majorizer" if "majorizer" in loss.hessian_policies else loss.default_hessian

    def value(s: Array) -> float:
        return float(loss(y, np.broadcast_to(s, shape), w))

    before = value(s)
    for _ in range(500):
        g, h = loss.gradient_and_hessian(y, np.broadcast_to(s, shape), w, hessian=policy)
        g, h = g.sum(axis=axes), h.sum(axis=axes)
        step = np.where(h > 0, g / np.where(h > 0, h, 1), 0)
        while (after := value(s - step)) > before and np.max(np.abs(step)) > 1e-12 * (1 + np.max(np.abs(s))):
            step /= 2
        if not after < before:
            break
        s, before = s - step, after
    return s
