"""The Lovasz extension of the Jaccard loss; arrays are those of the other losses of regions."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from .._base import Array, ArrayLike
from .._core.segmentation import Regions
from .._domains import BINARY, CLASSES
from .._parameters import choice
from .._region_averages import Averages
from .._regions import RegionLoss
from .._registry import loss
from .segmentation import _INFO

__all__ = ["Lovasz"]

MOST_SORTED = 2**31  # pixels of a region in float32


@loss(
    **_INFO
    | {
        "convex": lambda loss: not (loss.from_logits and loss.mode == "multiclass"),
        "differentiability": "C0",
        "lipschitz": 1.0,
        "y_domain": lambda loss: CLASSES if loss.mode == "multiclass" else BINARY,
    },
    formula="sum max(e_i, 0) (J_i - J_{i-1}), errors e sorted, J the Jaccard loss of the first i",
    reference="M. Berman, A. Rannen Triki and M. Blaschko, The Lovasz-softmax loss, CVPR 2018.",
)
class Lovasz(RegionLoss):
    r"""Lovasz loss: the convex extension of the Jaccard loss to errors between 0 and 1.

    .. math:: l = \sum_i \max(e_i, 0) (J_i - J_{i-1}), \qquad e_1 \ge e_2 \ge \dots

    for each region, where :math:`J_i` is the Jaccard loss (one minus intersection over union) if exactly the i pixels
    of the largest errors are wrong. Errors are :math:`|t - p|` for probabilities (Lovasz-softmax), and with
    ``from_logits=True`` in the modes "binary" and "multilabel" :math:`1 - f (2 t - 1)` (Lovasz hinge).

    Use it where the metric is the intersection over union, often to fine-tune what was trained with a cross-entropy. It
    is piecewise linear and convex in probabilities, and in the scores of the hinge. Pixels with equal errors share the
    value whatever their order; the gradient is that of their order in memory (C order). There is no hessian.

    Parameters
    ----------
    {regions}
    channels_last : bool, default False
        Whether classes are the last axis rather than axis 1.
    empty : {None, "formula", "zero", "ignore"}
        What a region without foreground gives: the largest error, at least 0; 0 with gradient 0; or nothing, so that
        averages leave it out. None is "formula" for ``mode="binary"``, else "ignore".

    Notes
    -----
    Targets are labels, 0 or 1. As the reference code of Berman et al., and `LovaszLoss` of
    segmentation-models-pytorch; as `lovasz_softmax_loss` of kornia with ``empty="formula"``. Errors are sorted by a
    radix sort, in time linear in the pixels, and background pixels whose error is below every error of the foreground
    are not sorted at all: they change nothing. Differences of J come from counts without cancellation. NaN in a
    prediction gives NaN to its regions and their gradients. Samples that are one region (``per_sample=False``) have no
    weights.

    References
    ----------
    M. Berman, A. Rannen Triki and M. Blaschko, The Lovasz-softmax loss: a tractable surrogate for
    the optimization of the intersection-over-union measure in neural networks, CVPR 2018. J. Yu and M. Blaschko,
    Learning submodular losses with the Lovasz hinge, ICML 2015.

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.Lovasz(mode="binary")
    >>> loss.value_and_gradient([[0, 1, 1]], [[0.25, 1.0, 0.5]])
    (0.2916666666666667, array([[ 0.16666667, -0.33333333, -0.5       ]]))
    """

    hard: ClassVar[bool] = True

    empty: str | None = choice(None, (None, "formula", "zero", "ignore"))

    @property
    def _empty(self) -> str:
        return self.empty or ("formula" if self.mode == "binary" else "ignore")

    @property
    def _scores(self) -> str:
        return "hinge" if self.from_logits and self.mode != "multiclass" else super()._scores

    def _check_weighted(self, sample_weight: ArrayLike | None) -> None:
        if sample_weight is not None and not self.per_sample:
            raise ValueError("sample_weight must be None with per_sample=False, where samples are one region")

    def _regions(self, y: Array, f: Array, gradient: Array | None, real: Any, n_threads: int | None) -> Regions:
        return super()._regions(y, f, gradient, np.float64 if f.size >= MOST_SORTED else real, n_threads)

    def _fill(self, regions: Regions, call: Averages, want_gradient: bool) -> Array:
        slot = np.full(call.n_classes, -1, np.intp)
        slot[call.classes] = np.arange(len(call.classes))
        factors = call.spread(call.factors) if want_gradient else None
        return regions.lovasz(
            slot,
            self.per_sample,
            self.average == "micro",
            np.ascontiguousarray(call.sums[..., 0]),
            call.shares != 0,
            factors,
        )
