"""Ranking of given pairs of scores."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from .. import _validation as check
from .._base import ArrayLike, Methods
from .._core.pairs import compare_scores
from .._domains import REAL, SIGNED
from .._inputs import Call, InputsLoss, delivered, workspace
from .._links import IDENTITY
from .._parameters import number
from .._registry import loss
from .._validation import GRADIENT, VALUE

__all__ = ["MarginRanking"]


@loss(
    family="ranking",
    formula="max(0, -y (s_1 - s_2) + margin)",
    convex=True,
    differentiability="C0",
    lipschitz=math.sqrt(2),
    outliers="low",
    proper=None,
    elicits="scores in the order of the pairs",
    y_domain=SIGNED,
    f_domain=REAL,
    link=IDENTITY,
    default_hessian="",
    reference="R. Herbrich, T. Graepel and K. Obermayer, Large margin rank boundaries for ordinal regression, 2000.",
)
class MarginRanking(InputsLoss):
    r"""Hinge loss of pairs of scores, of which one should be larger by a margin.

    .. math:: l = \max(0, -y (s_1 - s_2) + \mathrm{margin})

    with the label y = 1 where the first score should be larger, and -1 where the second one should. The gradient of an
    active pair is -y in :math:`s_1` and y in :math:`s_2`; where the hinge is 0 or less it is 0: with margin 0, equal
    scores give no gradient.

    Use it where pairs are given, as in preferences; for relevance within a query there are losses of whole groups.
    Scores, labels and weights may have any shape, the same for all; gradients are a tuple of two arrays. There is no
    hessian. The loss is convex.

    Parameters
    ----------
    margin : float, default 0.0
        By how much the score that should win must be larger; >= 0.

    Notes
    -----
    As `torch.nn.functional.margin_ranking_loss`. Gradients have the type of the computation: float32 if both scores are
    float32 or shorter, else float64.

    References
    ----------
    R. Herbrich, T. Graepel and K. Obermayer, Large margin rank boundaries for ordinal regression, in: Advances in Large
    Margin Classifiers, 2000.

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.MarginRanking(margin=0.5)
    >>> loss.value_and_gradient([1.0, 2.0], [0.75, 0.0], [1, 1], reduction="sum")
    (0.25, (array([-1.,  0.]), array([1., 0.])))
    """

    n_predictions: ClassVar[int] = 1

    margin: float = number(0.0, ge=0)

    def _arguments(
        self,
        score_1: ArrayLike,
        score_2: ArrayLike,
        labels: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        reduction: str = "mean",
        out: Any = None,
        n_threads: int | None = None,
    ) -> Call:
        """Compute the loss.

        Parameters
        ----------
        score_1, score_2 : array_like
            Scores of the same shape S. If both are float32 or shorter, the computation is in float32, else in float64.
        labels : array_like of shape S
            1 where the first score should be larger, -1 where the second one should; of any real type.
        sample_weight : array_like of shape S or float, optional
            Weights >= 0. A pair of weight 0 contributes exactly 0, whatever its scores are.
        reduction : {"mean", "sum", "none"}
            ``sum(w l) / sum(w)``, ``sum(w l)``, or the array ``w l``.
        out : ndarray, optional
            float32 or float64 array of shape S for the result of ``reduction="none"``.
        n_threads : int, optional
            Threads for this call; results do not depend on it.

        Raises
        ------
        TypeError
            If an argument is not a real array on the CPU.
        ValueError
            If shapes do not match, a label or weight is outside its domain, or the mean is over nothing.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.MarginRanking()([1.0, 3.0], [2.0, 1.0], [1, 1])
        0.5
        """
        return Call((score_1, score_2, labels), sample_weight, reduction, out, n_threads)

    @property
    def reference(self) -> Methods:
        """The same loss in plain NumPy: the specification that this one is tested against."""
        from ..reference.margin_ranking import MarginRankingReference

        return MarginRankingReference(self)

    def _evaluate(self, want: int, call: Call) -> Any:  # type: ignore[override]
        reduction, n_threads = call.reduction, call.n_threads
        scores, y, w, outs = prepared(want, call)
        real = check.linear_type(*scores)
        values = None
        if want & VALUE and reduction == "none":
            inputs = (*scores, y) if w is None else (*scores, y, w)
            values = workspace(outs[0], y.shape, np.dtype(real), inputs)
        slots = outs[1] if want & GRADIENT else None
        mean = reduction == "mean"
        result = compare_scores(self.margin, real, scores, y, w, mean, values, slots, n_threads)
        if result is None:
            raise check.pair_label_error(y, -1)
        total, gradients = result
        return delivered(want, total if values is None else values, gradients, outs)


def prepared(want: int, call: Call) -> Any:
    """The checked scores, labels (but for their values), weights and arrays of `out`."""
    named = dict(zip(("score_1", "score_2"), call.inputs, strict=False))
    return check.prepare_pairs(want, named, call.inputs[2:], *call[1:5], rows=False)
