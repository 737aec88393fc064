"""Losses of the similarities of all rows of matrices in NumPy, with all similarities in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._contrast import Result
from .._inputs import Call
from ._methods import InputsReference
from ._support import Array, real
from .embeddings import undefined, unit_rows

if TYPE_CHECKING:
    from .._contrast import SimilarityLoss


class Contrasted(NamedTuple):
    """The terms of rows (and of columns), and their derivatives in s / T."""

    value: Array
    slopes: Array
    column_value: Array | None = None
    column_slopes: Array | None = None


def diagonal(shape: tuple[int, ...]) -> Array:
    """Where row and column are the same."""
    return np.asarray(np.arange(shape[0])[:, None] == np.arange(shape[1]))


def softmax_terms(u: Array, positive: Array, counted: Array) -> tuple[Array, Array]:
    """-log of the softmax over the counted entries of a row, a mean over positives, and its derivatives.

    One positive alone is kept apart from the sum of all others: log1p, and a slope that is minus their share.
    """
    n = positive.sum(axis=1)
    one = n == 1
    top = np.max(np.where(counted, real(u), -np.inf), axis=1, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0.0)
    e = np.where(counted, np.exp(u - top[:, None]), 0.0)
    own = np.sum(np.where(positive, e, 0), axis=1)
    others = np.sum(np.where(positive, 0, e), axis=1)
    mean = np.sum(np.where(positive, u, 0), axis=1) / np.maximum(n, 1)
    gap, total = top - mean, own + others
    value = gap + np.where(one & (real(gap) == 0), np.log1p(others + (own - 1)), np.log(total))
    share = positive / np.maximum(n, 1)[:, None]
    slopes = e / total[:, None] - share
    slopes = np.where(positive & one[:, None], -(others / total)[:, None], slopes)
    return np.where(n == 0, 0, value), np.where((n == 0)[:, None], 0, slopes)


def info_nce(u: Array, *, symmetric: bool) -> Contrasted:
    """The cross-entropy of queries among keys (van den Oord et al. 2018), and of keys among queries (Radford 2021)."""
    positive, counted = diagonal(u.shape), np.ones(u.shape, bool)
    rows = softmax_terms(u, positive, counted)
    if not symmetric:
        return Contrasted(*rows)
    value, slopes = softmax_terms(u.T, positive, counted)
    return Contrasted(rows[0] / 2, rows[1] / 2, value / 2, slopes.T / 2)


def nt_xent(u: Array) -> Contrasted:
    """Each of the 2N views among all others, half of the loss of its sample (Chen et al. 2020)."""
    own = diagonal(u.shape)
    value, slopes = softmax_terms(u, np.roll(own, len(u) // 2, axis=0), ~own)
    return Contrasted(value / 2, slopes / 2)


def supervised_contrastive(u: Array, labels: Array) -> Contrasted:
    """A mean over all other rows of the label (Khosla et al. 2020)."""
    others = ~diagonal(u.shape)
    return Contrasted(*softmax_terms(u, (labels[:, None] == labels) & others, others))


def sigmoid_contrastive(u: Array) -> Contrasted:
    """Whether query and key belong together, for each pair (Zhai et al. 2023)."""
    own = diagonal(u.shape)
    z = np.where(own, -u, u)
    e = np.exp(np.where(real(z) > 0, -z, z))
    value = np.where(real(z) > 0, z, 0) + np.log1p(e)
    slope = np.where(real(z) > 0, 1, e) / (1 + e)
    return Contrasted(np.sum(value, axis=1), np.where(own, -slope, slope))


def similarities(matrices: list[Array], normalize: bool) -> Array:
    """Cosines or dot products of the rows of the first matrix with those of the last."""
    units = [unit_rows(x)[0] if normalize else x for x in matrices]
    return np.asarray(units[0] @ units[-1].T)


class SimilarityReference(InputsReference):
    """A loss of the similarities of all rows, in pure NumPy."""

    loss: SimilarityLoss

    def _terms(self, matrices: list[Array], label: Array | None) -> Contrasted:
        """The terms of matrices: the queries and the keys, or all rows that are compared with each other."""
        loss, name = self.loss, self.loss.info.name
        u = similarities(matrices, loss.normalize) / loss.temperature
        if name == "info_nce":
            return info_nce(u, symmetric=loss._square)
        if name == "sigmoid_contrastive":
            return sigmoid_contrastive(u + getattr(loss, "bias", 0.0))
        return nt_xent(u) if label is None else supervised_contrastive(u, label)

    def _evaluate(self, want: int, call: Call) -> Any:  # type: ignore[override]
        loss, progress = self.loss, call.options["progress"]
        given = loss._prepared(want, call)
        x = [a.astype(given.real).astype(np.float64) for a in given.x]
        x = [np.where(undefined(a)[:, None], np.nan, a) for a in x]
        crossed = loss.inputs == ("queries", "keys")
        matrices = x if crossed else [np.concatenate(x)]
        parts = len(x) if not crossed else 1  # of the rows
        with np.errstate(all="ignore"):
            terms = self._terms(matrices, given.label)
            value = terms.value if terms.column_value is None else terms.value + terms.column_value
            value = np.sum(value.reshape(parts, -1), axis=0)
            weight = np.tile(given.weight, parts)
            g = _times(weight[:, None], terms.slopes)
            if terms.column_slopes is not None:
                g = g + _times(weight, terms.column_slopes)
            gradients, products = self._gradients(matrices, g)
        if progress is not None:
            progress(len(given.w), len(given.w))
        if not crossed:
            gradients = np.split(gradients[0] + gradients[1], parts)
        value = _times(given.w, np.where(given.weight == 0, 0, value))
        result = value.astype(given.real) if call.reduction == "none" else float(np.sum(value)) / given.total
        slopes = Result(value, -products / loss.temperature, float(np.sum(g)))
        return loss._delivered(want, result, tuple(a.astype(given.real) for a in gradients), slopes, given.outs)

    def _gradients(self, matrices: list[Array], g: Array) -> tuple[list[Array], float]:
        """The gradients in the queries and in the keys from that in s / T, and the sum of s g / T."""
        queries, keys = matrices[0], matrices[-1]
        g = g / self.loss.temperature
        if not self.loss.normalize:
            s = queries @ keys.T
            return [_product(g, keys), _product(g.T, queries)], _products(g, s)
        (u, *size_u), (v, *size_v) = unit_rows(queries), unit_rows(keys)
        s = u @ v.T
        gradients = []
        for slopes, s_of, one, other, (norm, scale) in ((g, s, u, v, size_u), (g.T, s.T, v, u, size_v)):
            along = np.sum(np.where(slopes == 0, 0, slopes * s_of), axis=1)
            across = _product(slopes, other) - _times(along[:, None], one)
            gradients.append(_times(np.where(norm == 0, 0, 1 / norm)[:, None], across) / scale[:, None])
        return gradients, _products(g, s)


def _times(factor: Array, x: Array) -> Array:
    """A product that is 0 where a factor is, also times NaN."""
    return np.where((factor == 0) | (x == 0), 0, factor * x)


def _product(g: Array, x: Array) -> Array:
    """The product, in which rows that nothing uses do not matter."""
    return np.asarray(g @ np.where(np.any(g != 0, axis=0)[:, None], x, 0))


def _products(g: Array, s: Array) -> float:
    return float(np.sum(np.where(g == 0, 0, g * s)))
