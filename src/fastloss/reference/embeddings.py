"""Losses of embeddings that are compared row by row, in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import _validation as check
from .._inputs import Call, delivered
from ._methods import InputsReference
from ._support import Array, absolute, maximum, real, sqrt

if TYPE_CHECKING:
    from ..losses.embeddings import ComparedRows


class Distance(NamedTuple):
    """The distances of the rows of two matrices, and their derivatives in both."""

    value: Array
    slopes: tuple[Array, Array]


class Compared(NamedTuple):
    """The values of rows, and their derivatives in each matrix."""

    value: Array
    gradients: tuple[Array, ...]


def unit_rows(x: Array) -> tuple[Array, Array, Array]:
    """Unit vectors and norms, the latter as two factors that neither overflow; zero vectors stay."""
    scale = np.max(absolute(real(x)), axis=1)
    scale = np.where((scale > 0) & (scale < np.inf), scale, 1.0)
    x = x / scale[:, None]
    norm = sqrt(np.sum(x * x, axis=1))
    return np.divide(x, norm[:, None], out=np.zeros_like(x), where=real(norm)[:, None] != 0), norm, scale


def euclidean(a: Array, b: Array) -> Distance:
    """|a - b|; the derivative is 0 where that is."""
    u, norm, scale = unit_rows(a - b)
    return Distance(norm * scale, (u, -u))


def squared_euclidean(a: Array, b: Array) -> Distance:
    """|a - b|^2."""
    r = a - b
    return Distance(np.sum(r * r, axis=1), (2 * r, -2 * r))


def cosine(a: Array, b: Array) -> Distance:
    """1 - cos, as half the squared distance of the unit vectors where the angle is small; 1 for zero vectors."""
    (u, *size_u), (v, *size_v) = unit_rows(a), unit_rows(b)
    cos = np.sum(u * v, axis=1)
    chord = u - v
    d = np.where(real(cos) > 0.5, 0.5 * np.sum(chord * chord, axis=1), 1 - cos)

    def slope(u: Array, v: Array, size: list[Array]) -> Array:
        """The part of -v across u, over the norm."""
        across = ((1 - d)[:, None] * u - v) / np.where(size[0] == 0, 1, size[0])[:, None] / size[1][:, None]
        return np.where(size[0][:, None] == 0, 0, across)

    return Distance(d, (slope(u, v, size_u), slope(v, u, size_v)))


DISTANCES: dict[str, Callable[[Array, Array], Distance]] = {
    "euclidean": euclidean,
    "squared_euclidean": squared_euclidean,
    "cosine": cosine,
}


def undefined(*matrices: Array) -> Array:
    """Rows where any matrix has NaN or an infinity."""
    return ~np.all([np.isfinite(x).all(axis=1) for x in matrices], axis=0)


def times(factor: Array, slope: Array) -> Array:
    """Rows times a factor each, which are 0 where the factor is."""
    return np.where(factor[:, None] == 0, 0, factor[:, None] * slope)


def contrastive(x1: Array, x2: Array, same: Array, *, margin: float, distance: str) -> Compared:
    """d^2 or max(margin - d, 0)^2 (Hadsell, Chopra, LeCun 2006, without their 1/2)."""
    d, slopes = DISTANCES[distance](x1, x2)
    gap = maximum(margin - d, 0.0)
    if distance == "euclidean":  # 2 d grad d, without the way through d
        square, whole = squared_euclidean(x1, x2)
    else:
        square, whole = d * d, tuple(2 * d[:, None] * s for s in slopes)
    gradients = (np.where(same[:, None], w, times(-2 * gap, s)) for w, s in zip(whole, slopes, strict=True))
    return Compared(np.where(same, square, gap * gap), tuple(gradients))


def cosine_embedding(x1: Array, x2: Array, same: Array, *, margin: float) -> Compared:
    """1 - cos, or max(0, cos - margin)."""
    d, slopes = cosine(x1, x2)
    hinge = maximum(1 - margin - d, 0.0)
    factor = np.where(same, 1.0, -(real(hinge) > 0).astype(float))
    return Compared(np.where(same, d, hinge), tuple(times(factor, s) for s in slopes))


def triplet(anchor: Array, positive: Array, negative: Array, *, margin: float, distance: str, swap: bool) -> Compared:
    """max(0, d(a, p) - d(a, n) + margin) (Schroff et al. 2015); swap: Balntas et al. 2016."""
    pairs = (anchor, positive), (anchor, negative), (positive, negative)
    near, far, other = (DISTANCES[distance](*pair) for pair in pairs)
    swapped = (real(other.value) < real(far.value)) & swap
    difference = near.value - np.where(swapped, other.value, far.value)
    if distance == "squared_euclidean":  # the squares may overflow where their difference has a sign
        d, e, f = (euclidean(*pair).value for pair in pairs)
        swapped = np.where(np.isinf(real(far.value)), (real(f) < real(e)) & swap, swapped)
        e = np.where(swapped, f, e)
        difference = np.where(np.isnan(real(difference)), (d - e) * (d + e), difference)
    hinge = maximum(difference + margin, 0.0)
    active = (real(hinge) > 0).astype(float)
    of_anchor, of_positive = np.where(swapped, 0.0, active), np.where(swapped, active, 0.0)
    return Compared(
        hinge,
        (
            times(active, near.slopes[0]) - times(of_anchor, far.slopes[0]),
            times(active, near.slopes[1]) - times(of_positive, other.slopes[0]),
            -times(of_anchor, far.slopes[1]) - times(of_positive, other.slopes[1]),
        ),
    )


FORMULAS: dict[str, Callable[..., Compared]] = {
    "contrastive": contrastive,
    "cosine_embedding": cosine_embedding,
    "triplet": triplet,
}


class ComparedRowsReference(InputsReference):
    """A loss of matrices that are compared row by row, in pure NumPy."""

    loss: ComparedRows

    def _evaluate(self, want: int, call: Call) -> Any:  # type: ignore[override]
        x, same, w, outs, total = self.loss._prepared(want, call)
        precision = check.linear_type(*x)
        x = tuple(a.astype(precision).astype(np.float64) for a in x)
        w = np.ones(len(x[0])) if w is None else w.astype(np.float64)
        labels = () if same is None else (same,)
        with np.errstate(all="ignore"):
            value, gradients = FORMULAS[self.loss.info.name](*x, *labels, **self.loss._parameters())
            bad = undefined(*x)
            value = np.where(w == 0, 0, w * np.where(bad, np.nan, value))
            gradients = tuple(times(w, np.where(bad[:, None], np.nan, g)) for g in gradients)
            if call.reduction == "mean":
                gradients = tuple(g / total for g in gradients)
            gradients = tuple(g.astype(precision) for g in gradients)
        if call.reduction == "none":
            return delivered(want, value.astype(precision), gradients, outs)
        total_value = float(np.sum(value))
        return delivered(want, total_value / total if call.reduction == "mean" else total_value, gradients, outs)
