"""Functions of one number that jump: where, and how to draw a line that does not hide it.

Design. No table says where the slope of a loss jumps: every step of a grid is halved towards its larger change until
rounding ends it. A smooth function then has no change left, one that jumps has its jump. Kinks of losses that users
write or sum up are found like those of the registry.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Function = Callable[[Array], Array]

SMALL = 1e-6  # a change at the resolution of a grid below this share of the value there is rounding


@dataclasses.dataclass(frozen=True)
class Jump:
    """A place `x` where a function jumps: its limits from both sides, and what it is there."""

    x: float
    left: float
    right: float
    at: float


@dataclasses.dataclass(frozen=True, eq=False)
class Trace:
    """A function along a line: `y` is NaN between the two sides of a jump, so that no line is drawn across."""

    x: Array
    y: Array
    jumps: tuple[Jump, ...]

    def shifted(self, by: float) -> Trace:
        """The same, moved along the line."""
        return Trace(self.x + by, self.y, tuple(dataclasses.replace(jump, x=jump.x + by) for jump in self.jumps))


def jumps(function: Function, x: Array, most: int | None = None) -> tuple[Jump, ...]:
    """Where a function jumps.

    Parameters
    ----------
    function : callable
        From an array to an array.
    x : ndarray
        An increasing grid. Of several jumps in one of its steps all are found, unless they cancel each other.
    most : int, optional
        Look only into so many steps, those of the largest change. For functions that are expensive.

    Returns
    -------
    tuple of Jump
        In increasing order, located to a few units of rounding of the largest absolute value in `x`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastloss._jumps import jumps
    >>> jumps(lambda x: np.sign(x - 0.3), np.linspace(-1, 1, 11))
    (Jump(x=0.3, left=-1.0, right=1.0, at=0.0),)
    """
    with np.errstate(all="ignore"):
        values = function(x)
        finite = values[np.isfinite(values)]
        noise = 1e-9 * float(np.max(np.abs(finite), initial=0.0))
        resolution = 4 * np.finfo(float).eps * float(np.max(np.abs(x)))
        a, b, at_a, at_b = x[:-1], x[1:], values[:-1], values[1:]
        if most is not None and len(a) > most:
            order = np.sort(np.argsort(_change(at_a, at_b))[-most:])
            a, b, at_a, at_b = a[order], b[order], at_a[order], at_b[order]
        places: list[tuple[float, float]] = []
        while a.size:
            low, high, jumping = _narrowed(function, a, b, at_a, at_b, resolution, noise, x[0], x[-1])
            jumping &= (low - x[0] > 4 * resolution) & (x[-1] - high > 4 * resolution)  # an end has one side
            places += zip(low[jumping].tolist(), high[jumping].tolist(), strict=True)
            # What is left of a step on both sides of its jump may have another one.
            a, b = (
                np.concatenate([a[jumping], high[jumping] + 2 * resolution]),
                np.concatenate([low[jumping] - 2 * resolution, b[jumping]]),
            )
            a, b = a[b - a > resolution], b[b - a > resolution]
            at_a, at_b = function(a), function(b)
        merged: list[list[float]] = []
        for place in sorted(places):
            if merged and place[0] - merged[-1][-1] <= 4 * resolution:
                merged[-1] += place
            else:
                merged.append([*place])
        return tuple(_jump(function, ends, 2 * resolution) for ends in merged)


def _narrowed(
    function: Function,
    a: Array,
    b: Array,
    at_a: Array,
    at_b: Array,
    resolution: float,
    noise: float,
    low: float,
    high: float,
) -> tuple[Array, Array, Array]:
    """Steps halved towards their larger change until they are no longer than the resolution, and which still jump."""
    while np.any(b - a > resolution):
        middle = a + (b - a) / 2
        there = function(middle)
        left = _change(at_a, there) >= _change(there, at_b)
        a, at_a = np.where(left, a, middle), np.where(left, at_a, there)
        b, at_b = np.where(left, middle, b), np.where(left, there, at_b)
    # A jump is as high from a thousand times as far away; the rise of a vertical tangent is not.
    wide = _change(function(np.maximum(a - 500 * resolution, low)), function(np.minimum(b + 500 * resolution, high)))
    size, height = np.maximum(np.abs(at_a), np.abs(at_b)), np.abs(at_a - at_b)
    jumping = np.isfinite(at_a) & np.isfinite(at_b) & (height > np.maximum(SMALL * size, noise)) & (height > 0.4 * wide)
    return a, b, jumping


def _change(a: Array, b: Array) -> Array:
    """The size of a change, infinite towards NaN and infinities."""
    difference = np.abs(a - b)
    return np.where(np.isnan(difference), np.inf, difference)


def _jump(function: Function, ends: list[float], reach: float) -> Jump:
    """A jump among some points: at the one that has a value of its own, else at the roundest number between them."""
    low, high = min(ends), max(ends)
    candidates = {x + 0.0 for x in (*ends, *(round(low, k) for k in range(16))) if low <= x <= high}
    inside = sorted(candidates, key=lambda c: (len(repr(c)), c))
    left, right = function(np.array([low - reach, high + reach])).tolist()
    values = dict(zip(inside, function(np.array(inside)).tolist(), strict=True))
    smaller, larger = min(left, right), max(left, right)
    x = next((c for c in inside if smaller < values[c] < larger), inside[0])
    return Jump(x, left, right, values[x])


def trace(function: Function, x: Array, most: int | None = None) -> Trace:
    """Evaluate a function on a grid and at its jumps.

    Parameters
    ----------
    function, x, most
        As for `jumps`.

    Returns
    -------
    Trace
        Its `x` holds each place of a jump three times: with the limit from the left, NaN, and the limit from the right.

    Examples
    --------
    >>> import numpy as np
    >>> from fastloss._jumps import trace
    >>> trace(np.sign, np.array([-1.0, 0.5, 1.0])).y
    array([-1., -1., nan,  1.,  1.,  1.])
    """
    found = jumps(function, x, most)
    places = [jump.x for jump in found]
    near = 16 * np.finfo(float).eps * float(np.max(np.abs(x)))
    rest = x[np.all(np.abs(x[:, None] - np.array(places)) > near, axis=1)]
    after = np.searchsorted(rest, places)
    with np.errstate(all="ignore"):
        y = np.array(function(rest), float)
        # An end may have a value by convention, as at the bound of a domain: the line ends at its limit.
        inside = np.asarray(function(np.array([x[0] + near, x[-1] - near])), float)
        for k, limit in zip((0, -1), inside.tolist(), strict=True):
            if math.isfinite(limit) and math.isfinite(y[k]) and abs(y[k] - limit) > 1e-3 * abs(limit):
                y[k] = limit
    sides = [(jump.x, side) for jump in found for side in (jump.left, math.nan, jump.right)]
    where = np.repeat(after, 3)
    return Trace(
        np.insert(rest, where, [place for place, _ in sides]), np.insert(y, where, [side for _, side in sides]), found
    )
