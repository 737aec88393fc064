"""A labelled batch of embeddings as its kernels take it, and what comes back from them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from . import _validation as check
from ._base import Array
from ._core import batch_triplet as core

TILE = 64 * 2**20  # bytes of a tile where none are given
ROWS = 64  # of which the rows of a tile are a multiple


class Batch(NamedTuple):
    """A batch as the kernels take it: rows in the order of their classes, padded, in units in which none is too long.

    Powers of two as units change no digit. They keep differences and sums of distances finite, and one over a distance
    too, but for rows that are nearly equal while others are huge.
    """

    real: np.dtype[Any]
    """The type of results."""
    order: Array
    start: Array
    stop: Array
    rows: Array
    kind: Array
    """1 for a row that is not finite, 2 for a zero vector where angles matter."""
    unit: float
    norms: tuple[Array, Array] | None
    """Of the rows whose unit vectors are `rows`: a factor and a power of two."""
    anchors: Array
    """Weights of the rows that have a positive and a negative, 0 for others,"""
    heavy: float
    """in this unit, a power of two."""

    @classmethod
    def make(cls, x: Array, y: Array, w: Array | None, distance: str, margin: float) -> Batch:
        """Lay out a batch."""
        (n, d), real = x.shape, np.dtype(check.linear_type(x))
        order = np.argsort(y, kind="stable")
        ordered = y[order]
        bounds = (
            np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1], [True]])) if n else np.zeros(1, int)
        )
        sizes = np.diff(bounds)
        start, stop = np.repeat(bounds[:-1], sizes), np.repeat(bounds[1:], sizes)
        with np.errstate(over="ignore", invalid="ignore"):
            rows = padded(x[order], real)
        kind = np.zeros(len(rows), np.uint8)
        finite = np.isfinite(rows[:n]).all(axis=1)
        if not finite.all():
            kind[:n] = ~finite
            rows[:n][~finite] = 0
        unit, norms = 1.0, None
        if distance == "cosine":
            norms = normalize(rows[:n])
            kind[:n][finite & (norms[0] == 0)] = 2
        else:
            most = float(max(np.max(rows, initial=0), -np.min(rows, initial=0)))
            computed, unit = kind_of_rows(most, real, distance, margin)
            if unit != 1 or computed != real:
                rows = np.multiply(padded(rows[:n, :d], computed), unit, dtype=computed)
        weights = np.ones(n) if w is None else np.broadcast_to(w, (n,))[order].astype(np.float64)
        heavy = 2.0 ** max(-1000, math.frexp(np.max(weights, initial=0))[1] - 1)
        anchors = np.where((stop - start > 1) & (stop - start < n), weights / heavy, 0.0)
        return cls(real, order, start, stop, rows, kind, unit, norms, anchors, heavy)

    def unit_of_distance(self, distance: str) -> float:
        """What distances are multiples of."""
        return self.unit if distance == "euclidean" else self.unit**2

    def terms(self, mining: str) -> Array:
        """The number of terms of each anchor."""
        positives = (self.stop - self.start - 1).astype(np.float64)
        if mining == "hard":
            return np.ones(len(positives))
        return positives * (len(positives) - 1 - positives) if mining == "all" else positives

    def gradient(self, g: Array, scale: float, distance: str) -> Array:
        """The gradient in the embeddings, from sums of the differences of rows."""
        if self.norms is not None:  # what is left across the row, over its norm
            u = self.rows[: len(g), : g.shape[1]].astype(np.float64)
            g = g - np.einsum("ij,ij->i", g, u)[:, None] * u
            norm, exponent = self.norms
            g = np.ldexp(
                g * np.divide(scale, norm, out=np.zeros_like(norm), where=norm != 0)[:, None], -exponent[:, None]
            )
        else:
            g = g * (scale if distance == "euclidean" else scale / self.unit)
        gradient = np.empty(g.shape, self.real)
        gradient[self.order] = g
        return gradient


def padded(x: Array, real: np.dtype[Any]) -> Array:
    """Rows of a type, with zeros around them as the kernels need it."""
    (n, d), (to_rows, to_entries) = x.shape, core.layout(real)
    rows = np.zeros((-(-n // to_rows) * to_rows, -(-d // to_entries) * to_entries), real)
    rows[:n, :d] = x
    return rows


def normalize(rows: Array) -> tuple[Array, Array]:
    """Turn rows into unit vectors in place; returns their norms as factor and power of two, 0 for zero vectors."""
    most = np.maximum(np.max(rows, axis=1, initial=0), -np.min(rows, axis=1, initial=0))
    _, exponent = np.frexp(most)
    norm = np.empty(len(rows))
    for k in range(0, len(rows), 256):
        some = np.ldexp(rows[k : k + 256].astype(np.float64), -exponent[k : k + 256, None])
        norm[k : k + 256] = np.sqrt(np.einsum("ij,ij->i", some, some))
        np.divide(some, norm[k : k + 256, None], out=some, where=norm[k : k + 256, None] != 0)
        rows[k : k + 256] = some
    return norm, exponent


def kind_of_rows(most: float, real: np.dtype[Any], distance: str, margin: float) -> tuple[np.dtype[Any], float]:
    """The type to compute in, and what embeddings whose largest entry is `most` are multiplied by: a power of two.

    Squares of float32 that leave its range, or lose digits below it, are computed in float64. Distances in float64 are
    proportional to the unit; squared ones are not scaled, since a margin would be lost, but for huge entries.
    """
    if real == np.float32 and (most == 0 or 2.0**-40 < most < 2.0**50):
        return real, 1.0
    exponent = math.frexp(most)[1]
    if distance == "squared_euclidean":
        return np.dtype(np.float64), 2.0**-100 if exponent > 900 else 1.0
    if exponent > 480:
        return np.dtype(np.float64), 2.0 ** (400 - exponent)
    tiny = most > 0 and exponent < -400 and margin < 2.0**100
    return np.dtype(np.float64), 2.0 ** min(-exponent, 900) if tiny else 1.0


def tile_rows(rows: Array, budget: int | None) -> int:
    """Rows of a tile within a budget."""
    most = (TILE if budget is None else budget) // (max(1, len(rows)) * rows.itemsize)
    return max(ROWS, most // ROWS * ROWS)


def mean_denominator(counts: Array) -> float:
    """What the mean divides by; infinite where nothing counts, so that the mean is 0."""
    return float(np.sum(counts)) or math.inf
