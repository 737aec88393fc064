"""Triplets inside a batch in NumPy: all triplets of an anchor in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import _validation as check
from .._base import in_outputs
from .._batch import mean_denominator
from .._inputs import Call
from .._validation import GRADIENT, VALUE
from ._methods import InputsReference
from ._support import Array

if TYPE_CHECKING:
    from ..losses.batch_triplet import BatchTriplet


class Distances(NamedTuple):
    """Distances d(x_a, x_k) of a row to all, and their derivatives in x_a and in the rows x_k."""

    value: Array
    in_anchor: Array
    in_row: Array


def unit_rows(x: Array) -> tuple[Array, Array, Array]:
    """Unit vectors (zero vectors stay), and norms as a factor and a power of two, neither of which overflows."""
    most = np.max(np.abs(x.real), axis=1)
    unit = np.ldexp(1.0, np.clip(np.frexp(np.where(np.isfinite(most), most, 0.0))[1], -1000, 1000))
    x = x / unit[:, None]
    norm = np.sqrt(np.sum(x * x, axis=1))
    return np.divide(x, norm[:, None], out=np.zeros_like(x), where=norm[:, None] != 0), norm, unit


def distances(x: Array, a: int, distance: str) -> Distances:
    """Distances of row a; complex-step safe."""
    if distance == "cosine":
        u, norm, unit = unit_rows(x)
        chord = u[a] - u
        zero = (norm == 0) | (norm[a] == 0)
        d = np.where(zero, 1, np.sum(chord * chord, axis=1) / 2)

        def across(along: Array, of: Array, size: Array, unit: Array) -> Array:
            """The part of `along` that lies across a unit vector, over the norm."""
            part = along - np.sum(along * of, axis=1)[:, None] * of
            return np.where(zero[:, None], 0, part / np.where(zero, 1, size)[:, None] / unit[:, None])

        one = np.ones(len(x))
        return Distances(d, across(chord, u[[a]], one * norm[a], one * unit[a]), across(-chord, u, norm, unit))
    r = x[a] - x
    if distance == "squared_euclidean":
        return Distances(np.sum(r * r, axis=1), 2 * r, -2 * r)
    direction, norm, unit = unit_rows(r)
    return Distances(norm * unit, direction, -direction)


def pairs_of(d: Array, positive: Array, negative: Array, mining: str) -> tuple[Array, Array]:
    """The rows p and n of the triplets of an anchor, from its distances. NaN is the farthest and the nearest."""
    p, n = np.flatnonzero(positive), np.flatnonzero(negative)
    if p.size == 0 or n.size == 0:
        return p[:0], n[:0]
    if mining == "all":
        return np.repeat(p, n.size), np.tile(n, p.size)
    if mining == "hard":
        return p[[np.argmax(d[p])]], n[[np.argmin(d[n])]]
    chosen = []
    for k in p:
        behind = n[~(d[n] <= d[k])] if not np.isnan(d[k]) else n[:0]
        chosen.append(behind[np.argmin(d[behind])] if behind.size else n[np.argmax(d[n])])
    return p, np.array(chosen)


def batch_triplet(
    x: Array, y: Array, w: Array, mining: str, margin: float, distance: str, average: str
) -> tuple[Array, Array, Array]:
    """Values and counts of the anchors before weights, and the gradient of the weighted sum of values."""
    value, count, gradient = np.zeros(len(x), x.dtype), np.zeros(len(x)), np.zeros_like(x)
    bad = ~np.isfinite(x).all(axis=1)
    x = np.where(bad[:, None], 0, x)
    others = np.arange(len(x))
    for a in np.flatnonzero(w > 0).tolist():
        d, in_anchor, in_row = distances(x, a, distance)
        d = np.where(bad | bad[a], np.nan, d)
        same = y == y[a]
        wide = np.isinf(d)
        rank = d.real
        if wide.any():  # squares overflow: compare norms
            rank = np.where(bad | bad[a], np.nan, distances(x, a, "euclidean").value)
        p, n = pairs_of(rank, same & (others != a), ~same, mining)
        gap = d[p] - d[n]
        if wide.any():
            gap = np.where(rank[p] == rank[n], 0, (rank[p] - rank[n]) * (rank[p] + rank[n]))
        term = gap + margin
        active = ~(term.real <= 0)
        value[a] = np.sum(term[active])
        count[a] = p.size if average == "valid" else np.sum(active)
        c = np.zeros(len(x))
        one = np.where(np.isnan(term[active]), np.nan, w[a])
        np.add.at(c, p[active], one)
        np.add.at(c, n[active], -one)
        c = c[:, None]
        gradient[a] += np.sum(np.where(c == 0, 0, c * in_anchor), axis=0)
        gradient += np.where(c == 0, 0, c * in_row)
    return value, count, gradient


class BatchTripletReference(InputsReference):
    """The loss in pure NumPy, in O(B^3) time."""

    loss: BatchTriplet

    def _evaluate(self, want: int, call: Call) -> Any:  # type: ignore[override]
        """All triplets of one anchor after the other, whatever the budget."""
        x, y, w, out = check.prepare_batch(want, call.inputs, *call[1:5], **call.options)
        real, n = check.linear_type(x), len(x)
        weight = np.ones(n) if w is None else np.broadcast_to(w, (n,)).astype(np.float64)
        parameters = self.loss._parameters() | {"average": self.loss.counted}
        with np.errstate(all="ignore"):
            value, count, gradient = batch_triplet(x.astype(real).astype(np.float64), y, weight, **parameters)
            value = np.where(weight > 0, value * weight, 0)
            total = mean_denominator(count * weight) if call.reduction == "mean" else 1.0
            gradient = (gradient / total).astype(real)
        if call.options["progress"] is not None:
            call.options["progress"](n, n)
        result = value.astype(real) if call.reduction == "none" else float(np.sum(value)) / total
        return in_outputs([x for bit, x in ((VALUE, result), (GRADIENT, gradient)) if want & bit], out)
