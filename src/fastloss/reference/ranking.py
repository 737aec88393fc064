"""Ranking losses in NumPy: every pair of a group is a number in a table."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._base import Array
from .._groups import GroupLoss, GroupMethods, Places
from .._validation import HESSIAN
from ..losses.ranking import LambdaRank
from ._methods import ReferenceOf

Terms = tuple[Any, Any, Array, Array, Array]  # value, count, gradient, hessian, majorizer


def softplus(x: Array) -> Array:
    """log(1 + e^x)."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x)."""
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x < 0, e, 1) / (1 + e))


def over_pairs(pairs: Array, value: Array, slope: Array, curvature: Array) -> tuple[Any, Array, Array]:
    """The sums of tables of pairs (i, j), i above j: slopes push i up and j down."""
    value, slope, curvature = (np.where(pairs, table, 0) for table in (value, slope, curvature))
    return np.sum(value), np.sum(slope, axis=0) - np.sum(slope, axis=1), curvature.sum(axis=0) + curvature.sum(axis=1)


def pairwise_hinge(y: Array, s: Array, margin: float = 1.0, average: str = "pairs") -> Terms:
    """max(0, margin - (s_i - s_j)) (Joachims 2002)."""
    pairs, u = y[:, None] > y, margin - (s[:, None] - s)
    steep = 1 / np.maximum(np.abs(u), 2.0**-10)
    value, gradient, majorizer = over_pairs(pairs, np.maximum(u, 0), np.where(np.isnan(u), np.nan, u > 0), steep)
    return averaged(pairs, average, value, gradient, np.zeros_like(s), majorizer)


def pairwise_logistic(y: Array, s: Array, sigma: float = 1.0, average: str = "pairs") -> Terms:
    """log(1 + exp(-sigma (s_i - s_j))) (Burges et al. 2005)."""
    pairs, u = y[:, None] > y, sigma * (s[:, None] - s)
    r = sigmoid(-u)
    value, gradient, hessian = over_pairs(pairs, softplus(-u), sigma * r, sigma**2 * r * sigmoid(u))
    return averaged(pairs, average, value, gradient, hessian, 2 * hessian)


def averaged(pairs: Array, average: str, value: Any, *derivatives: Array) -> Terms:
    """Sums over pairs that count one by one, or their mean, which counts once."""
    n = int(np.count_nonzero(pairs))
    if average == "pairs" or n == 0:
        return (value, n, *derivatives)
    return (value / n, 1, *(term / n for term in derivatives))


def lambda_rank(
    y: Array, s: Array, sigma: float = 1.0, k: int | None = None, gain: Any = "exponential", normalize: bool = False
) -> Terms:
    """Pairs weighed by the change of NDCG (Burges 2010)."""
    n = len(y)
    k = n if k is None else k
    rank = np.empty(n, int)
    rank[np.argsort(-s, kind="stable")] = np.arange(n)
    g = 2**y - 1 if gain == "exponential" else y if gain == "linear" else np.asarray(gain)[y.astype(int)]
    d = 1 / np.log2(rank + 2.0)
    ideal = np.sum(np.sort(g)[::-1][:k] / np.log2(np.arange(min(k, n)) + 2.0))
    pairs = (y[:, None] > y) & (np.minimum(rank[:, None], rank) < k)
    u = sigma * (s[:, None] - s)
    weight = np.abs(g[:, None] - g) * np.abs(d[:, None] - d) / (ideal or 1.0)
    if normalize and np.any(s != s[0]):
        weight = weight / (0.01 + np.abs(s[:, None] - s))
    r = sigmoid(-u)
    value, gradient, hessian = over_pairs(
        pairs, weight * softplus(-u), weight * sigma * r, weight * sigma**2 * r * sigmoid(u)
    )
    size = 2 * np.sum(np.where(pairs, weight * sigma * r, 0))
    scale = np.log1p(size) / (np.log(2) * size) if normalize and size > 0 else 1.0
    return scale * value, int(len(np.unique(y)) > 1), scale * gradient, scale * hessian, 2 * scale * hessian


def softmax(x: Array) -> tuple[Array, Array, Array]:
    """p, 1 - p as the sum of the others, and log p."""
    shifted = np.where(x == x.max(), 0, x - x.max())
    e = np.exp(shifted)
    others = np.array([np.sum(np.delete(e, i)) for i in range(len(e))])
    total = np.sum(e)
    rest = np.sum(np.delete(e, np.argmax(e)))
    return e / total, others / total, shifted - np.log1p(rest)


def list_net(y: Array, s: Array, target: str = "softmax") -> Terms:
    """-sum t log softmax(s) (Cao et al. 2007)."""
    if target == "proportional" and not np.any(y):
        return 0.0, 0, np.zeros_like(s), np.zeros_like(s), np.zeros_like(s)
    t, not_t, _ = (y / np.sum(y), 1 - y / np.sum(y), y) if target == "proportional" else softmax(y)
    p, not_p, log_p = softmax(s)
    value = -np.sum(np.where(t == 0, 0, t * log_p))
    return value, 1, p * not_t - t * not_p, p * not_p, 2 * p * not_p


def list_mle(y: Array, s: Array) -> Terms:
    """The sum over positions of -log softmax of what is left, at the first of it (Xia et al. 2008)."""
    order = np.argsort(-y, kind="stable")
    value, gradient, hessian = 0.0, np.zeros_like(s), np.zeros_like(s)
    for i in range(len(s)):
        p, not_p, log_p = softmax(s[order[i:]])
        value -= log_p[0]
        gradient[order[i + 1 :]] += p[1:]
        gradient[order[i]] -= not_p[0]
        hessian[order[i:]] += p * not_p
    return value, 1, gradient, hessian, 2 * hessian


class GroupReference(ReferenceOf, GroupMethods):
    """A ranking loss in pure NumPy."""

    loss: GroupLoss

    @property
    def _of(self) -> GroupLoss:
        return self.loss

    def _terms(
        self, want: int, y: Array, s: Array, start: Array, hessian: str, n_threads: int | None, places: Places
    ) -> tuple[Array, Array, Array | None, Array | None]:
        loss = self.loss
        if isinstance(loss, LambdaRank):
            loss._check_gains(y)
        formula = globals()[loss._declared["name"]]
        n_groups, y = len(start) - 1, y.astype(float)
        value, count = np.zeros(n_groups), np.zeros(n_groups)
        gradient, curvature = np.zeros_like(s), np.zeros_like(s)
        with np.errstate(all="ignore"):
            for g in range(n_groups):
                rows = slice(start[g], start[g + 1])
                if rows.start == rows.stop:
                    continue
                given = s[rows].astype(float)
                value[g], count[g], slope, exact, major = formula(y[rows], given, **loss._parameters())
                if count[g] and np.isnan(given).any():
                    value[g], slope, exact, major = np.nan, slope * np.nan, exact * np.nan, major * np.nan
                chosen = {"exact": exact, "majorizer": major, "unit": np.ones_like(exact)}
                gradient[rows] = slope
                curvature[rows] = np.abs(slope) if hessian == "absolute_gradient" else chosen[hessian]
        return value, count, gradient if want & ~HESSIAN & 2 else None, curvature if want & HESSIAN else None
