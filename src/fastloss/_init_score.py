"""Constants that minimise a weighted loss: closed forms, order statistics, and two safe iterations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ._base import PointwiseLoss

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


def limited_log(x: float) -> float:
    """Logarithm, with its infinities replaced."""
    if not 0 < x < np.inf:
        return float(LARGEST_LOGIT if x > 0 else -LARGEST_LOGIT)
    return float(np.log(x))
