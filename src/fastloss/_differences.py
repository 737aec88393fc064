"""Derivatives by finite differences, and what claims to be one beside them.

Design. All rows move at once, because the results of a row depend on that row alone. A kink is no mistake: there the
given derivative lies between the slopes of both sides, or (at a jump) half the step gives another difference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._domains import Domain, Interval

Array = np.ndarray[Any, Any]

MOST_COLUMNS = 16  # that are checked, evenly spaced


def compared(
    given: Array | None, function: Callable[[Array], Array] | None, f: Array, domains: list[Domain]
) -> tuple[Array, dict[str, Any]]:
    """Differentiate a function of rows in each of its columns by central differences, and compare.

    Parameters
    ----------
    given : ndarray of the shape of `f`, or None
        What claims to be the derivative.
    function : callable or None
        From predictions to one number for each row, or to a number for each entry, of which the derivative in the
        same entry is meant.
    f : ndarray of shape (n,) or (n, K)
        Predictions.
    domains : list of Domain
        Of each column: steps stay inside.

    Returns
    -------
    true : ndarray of the shape of `f`
        The derivative, 0 where it is no more than rounding, NaN where there is none.
    comparison : dict
        error, wrong, kinks and unchecked, as in `Derivative`; empty if there is nothing to compare.
    """
    n, shape = len(f), f.shape
    true = np.full((n, f[0].size), np.nan)
    if given is None or function is None:
        return true.reshape(shape), {}
    f = f.reshape(n, -1)
    kind = function(f.reshape(shape)).dtype
    eps = float(np.finfo(kind if kind.kind == "f" else float).eps)
    tolerance = max(1e-4, 20 * eps ** (2 / 3))
    columns = np.unique(np.linspace(0, f.shape[1] - 1, MOST_COLUMNS).astype(int))
    error, counts = [], dict.fromkeys(("wrong", "kinks", "unchecked"), 0)
    for k in columns:
        x, domain = f[:, k], domains[k]
        step = eps ** (1 / 3) * np.maximum(1, np.abs(x))
        if isinstance(domain, Interval):
            step = np.minimum(step, 1e-3 * np.minimum(x - domain.low, domain.high - x))
        points = [x + t * step for t in (-1, -0.5, 0, 0.5, 1)]
        low, left, middle, right, high = (_moved(function, f, k, point, shape) for point in points)
        central, half = (high - low) / (points[4] - points[0]), (right - left) / (points[3] - points[1])
        sides = (middle - low) / (points[2] - points[0]), (high - middle) / (points[4] - points[2])
        noise = 4 * eps * (np.abs(high) + np.abs(low)) / step

        a = np.asarray(given, float).reshape(n, -1)[:, k]
        known = np.isfinite(central) & np.isfinite(a)
        size = np.maximum(np.abs(a), np.abs(central))
        size = np.maximum(size, 1e-3 * np.mean(np.abs(central), where=known)) if known.any() else size
        allowed = tolerance * size + noise
        off = known & (np.abs(a - central) > allowed)
        between = (a >= np.minimum(*sides) - allowed) & (a <= np.maximum(*sides) + allowed)
        kink = off & (between | (np.abs(half - central) > allowed))
        counts["wrong"] += int(np.sum(off & ~kink))
        counts["kinks"] += int(np.sum(kink))
        counts["unchecked"] += int(np.sum(~known))
        smooth = known & ~kink
        if smooth.any():
            error.append(np.max((np.maximum(np.abs(a - central) - noise, 0) / np.maximum(size, 1e-300))[smooth]))
        true[:, k] = np.where(smooth, np.where(np.abs(central) > noise, central, 0), np.nan)
    return true.reshape(shape), counts | {"error": float(max(error)) if error else None}


def _moved(function: Callable[[Array], Array], f: Array, k: int, column: Array, shape: tuple[int, ...]) -> Array:
    """The values, or the entries of column k, where that column of the predictions has moved."""
    moved = f.copy()
    moved[:, k] = column
    result = np.asarray(function(moved.reshape(shape)), float).reshape(len(f), -1)
    return np.asarray(result[:, k if result.shape[1] > 1 else 0])


def common_ratio(given: Array, true: Array) -> float | None:
    """The common ratio of two arrays."""
    ok = np.isfinite(true) & (true != 0)
    ok &= np.abs(true) > 1e-3 * np.mean(np.abs(true), where=ok) if ok.any() else ok
    ratios = given[ok] / true[ok]
    common = float(np.median(ratios)) if ok.any() else np.nan
    return common if np.all(np.abs(ratios - common) <= 2e-3 * abs(common)) and np.isfinite(common) else None
