"""The hinge loss of pairs of scores, in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _validation as check
from .._inputs import Call, delivered
from ..losses.margin_ranking import prepared
from ._methods import InputsReference
from ._support import Array, maximum, real

if TYPE_CHECKING:
    from ..losses.margin_ranking import MarginRanking


def margin_ranking(y: Array, score_1: Array, score_2: Array, *, margin: float) -> tuple[Array, tuple[Array, Array]]:
    """max(0, -y (s_1 - s_2) + margin) and its derivatives; 0 is inactive."""
    u = margin - y * (score_1 - score_2)
    slope = np.where(np.isnan(real(u)), np.nan, np.where(real(u) > 0, y, 0.0))
    return maximum(u, 0.0), (-slope, slope)


class MarginRankingReference(InputsReference):
    """The hinge loss of pairs of scores in pure NumPy."""

    loss: MarginRanking

    def _evaluate(self, want: int, call: Call) -> Any:  # type: ignore[override]
        scores, y, w, outs = prepared(want, call)
        check.check_pair_labels(y, -1)
        precision = check.linear_type(*scores)
        s, t = (a.astype(precision) for a in scores)
        w = np.ones(y.shape, precision) if w is None else np.broadcast_to(w, y.shape)
        total = float(np.sum(w, dtype=np.float64))
        with np.errstate(all="ignore"):
            value, gradients = margin_ranking(y.astype(precision), s, t, margin=float(precision(self.loss.margin)))
            value = np.where(w == 0, 0, w * value)
            scale = precision(1 / total if call.reduction == "mean" else 1)
            gradients = tuple(np.where(w == 0, 0, w * g) * scale for g in gradients)
        if call.reduction != "none":
            value = float(np.sum(value, dtype=np.float64)) / (total if call.reduction == "mean" else 1)
        return delivered(want, value, gradients, outs)
