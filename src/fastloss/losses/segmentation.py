"""Overlap of predicted and true masks: segmentation of images and volumes.

`y_pred` has the shape (N, C, *pixels), or (N, *pixels, C) with ``channels_last=True``, with one or more axes of pixels.
``mode`` tells what `y_true` holds: ``"multiclass"`` class indices of shape (N, *pixels), which are read as they are,
never as one-hot arrays, or dense masks of the shape of `y_pred`; ``"multilabel"`` dense masks; ``"binary"`` one mask,
both arrays of shape (N, *pixels).
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import numpy as np

from .._base import Array
from .._core.segmentation import Regions, terms
from .._domains import CLASSES, REAL, UNIT
from .._links import CHANNEL_SOFTMAX, LOGIT, SOFTMAX, Link
from .._parameters import choice, flag, number
from .._region_averages import Averages
from .._regions import RegionLoss
from .._registry import loss

__all__ = ["Dice", "FocalTversky", "IoU", "Tversky"]


def link(loss: RegionLoss) -> Link:
    """Between probabilities and logits."""
    return LOGIT if loss.mode != "multiclass" else SOFTMAX if loss.channels_last else CHANNEL_SOFTMAX


_INFO: dict[str, Any] = {
    "family": "segmentation",
    "convex": False,
    "differentiability": "C-inf",
    "lipschitz": math.inf,
    "outliers": "low",
    "proper": None,
    "elicits": "masks of large overlap",
    "y_domain": lambda loss: CLASSES if loss.mode == "multiclass" else UNIT,
    "f_domain": lambda loss: REAL if loss.from_logits else UNIT,
    "link": link,
    "default_hessian": "",
}


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class OverlapLoss(RegionLoss):
    """A loss that follows from sums over a region."""

    _formula: ClassVar[str] = "tversky"

    empty: str = choice("formula", ("formula", "zero", "ignore"))
    smooth: float = number(1e-5, ge=0)

    @property
    def _empty(self) -> str:
        return self.empty

    def _weights(self) -> tuple[float, float, float, float]:
        """alpha, beta, gamma, and the smoothing term, as Tversky's loss has them."""
        raise NotImplementedError

    def _regions(self, y: Array, f: Array, gradient: Array | None, real: Any, n_threads: int | None) -> Regions:
        squared = self._formula == "squared_dice"
        return Regions(
            self._scores, y, f, gradient, real, squared=squared, ignored=self.ignore_index, n_threads=n_threads
        )

    def _fill(self, regions: Regions, call: Averages, want_gradient: bool) -> Array:
        values, slopes = terms(self._formula, call.sums, *self._weights())
        if want_gradient:
            factors = call.factors[..., None]
            regions.write_gradient(call.spread(np.where(factors == 0, 0.0, factors * slopes)))
        return values


@loss(
    **_INFO,
    formula="1 - (2 sum t p + s)/(sum t + sum p + s)",
    reference="F. Milletari, N. Navab and S.-A. Ahmadi, V-Net, 3DV 2016.",
)
class Dice(OverlapLoss):
    r"""Dice loss: one minus the overlap of two masks, relative to their mean size.

    .. math:: l = 1 - \frac{2 \sum t p + s}{\sum t + \sum p + s}

    for each region, with targets t, probabilities p and the smoothing term s; with `squared_denominator`
    :math:`\sum t^2 + \sum p^2` takes the place of :math:`\sum t + \sum p` (Milletari et al.).

    Use it for small or unbalanced structures, where the many pixels of the background would dominate a cross-entropy.
    The loss is not convex; it lies in [0, 1]. There is no hessian.

    Parameters
    ----------
    {regions}
    channels_last : bool, default False
        Whether classes are the last axis rather than axis 1.
    empty : {"formula", "zero", "ignore"}
        What a region without foreground gives: what the formula says (with s > 0 that is 0 if nothing is predicted,
        and near 1 otherwise), 0 with gradient 0, or nothing, so that averages leave it out.
    smooth : float, default 1e-5
        The term s >= 0. Without it, a region where both masks are empty has value and gradient 0.
    squared_denominator : bool, default False
        Whether the denominator has squares.

    Notes
    -----
    As MONAI's `DiceLoss` with both smoothing terms s; as that of segmentation-models-pytorch with
    ``per_sample=False, empty="zero"`` and its `smooth` = s / 2, but for soft targets, where that has min(t, p) in place
    of t p. The loss is computed from sums of t (1 - p) and p (1 - t), 1 - p from the other exponentials: a nearly
    perfect mask keeps its relative accuracy. NaN in a prediction gives NaN to its regions and their gradients.

    References
    ----------
    F. Milletari, N. Navab and S.-A. Ahmadi, V-Net: fully convolutional neural networks for volumetric medical image
    segmentation, 3DV 2016. C. Sudre et al., Generalised Dice overlap as a deep learning loss function for highly
    unbalanced segmentations, DLMIA 2017.

    Examples
    --------
    Two pixels of three classes, as labels:

    >>> import fastloss as fl
    >>> fl.Dice(smooth=0.0)([[2, 0]], [[[0.0, 1.0], [0.0, 0.0], [1.0, 0.0]]])
    0.0
    >>> loss = fl.Dice(mode="binary", smooth=0.0)
    >>> loss.value_and_gradient([[0, 1, 1]], [[0.0, 1.0, 0.0]])[1].round(3)
    array([[ 0.222, -0.444, -0.444]])
    """

    squared_denominator: bool = flag(False)

    @property
    def _formula(self) -> str:  # type: ignore[override]
        return "squared_dice" if self.squared_denominator else "tversky"

    def _weights(self) -> tuple[float, float, float, float]:
        return 0.5, 0.5, 1.0, self.smooth if self.squared_denominator else self.smooth / 2


@loss(
    **_INFO,
    name="iou",
    aliases=("jaccard",),
    formula="1 - (sum t p + s)/(sum t + sum p - sum t p + s)",
    reference="M. Rahman and Y. Wang, Optimizing intersection-over-union in deep neural networks, ISVC 2016.",
)
class IoU(OverlapLoss):
    r"""Jaccard loss: one minus intersection over union of two masks.

    .. math:: l = 1 - \frac{\sum t p + s}{\sum t + \sum p - \sum t p + s}

    for each region, with targets t, probabilities p and the smoothing term s.

    Use it where the metric is the intersection over union; it is a monotone function of the Dice loss of each region,
    but not of averages. The loss is not convex; it lies in [0, 1]. There is no hessian.

    Parameters
    ----------
    {regions}
    channels_last : bool, default False
        Whether classes are the last axis rather than axis 1.
    empty : {"formula", "zero", "ignore"}
        What a region without foreground gives: what the formula says (with s > 0 that is 0 if nothing is predicted,
        and near 1 otherwise), 0 with gradient 0, or nothing, so that averages leave it out.
    smooth : float, default 1e-5
        The term s >= 0. Without it, a region where both masks are empty has value and gradient 0.

    Notes
    -----
    As MONAI's ``DiceLoss(jaccard=True)`` with its smoothing terms 2 s, and `JaccardLoss` of
    segmentation-models-pytorch with ``per_sample=False``. A nearly perfect mask keeps its relative accuracy. NaN in a
    prediction gives NaN to its regions and their gradients.

    References
    ----------
    M. Rahman and Y. Wang, Optimizing intersection-over-union in deep neural networks for image segmentation, ISVC 2016.

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.IoU(mode="multilabel", smooth=0.0, average="none")
    >>> loss([[[0, 1, 1], [1, 0, 0]]], [[[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]]], reduction="none")
    array([[0.5, 0.5]])
    """

    def _weights(self) -> tuple[float, float, float, float]:
        return 1.0, 1.0, 1.0, self.smooth


class _WeighedErrors(OverlapLoss):
    """A loss with factors of false positives and false negatives."""

    alpha: float
    beta: float

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.alpha == self.beta == 0:
            raise ValueError("alpha and beta must not both be 0")

    def _weights(self) -> tuple[float, float, float, float]:
        return self.alpha, self.beta, getattr(self, "gamma", 1.0), self.smooth


@loss(
    **_INFO,
    formula="1 - (TP + s)/(TP + alpha FP + beta FN + s)",
    reference="S. Salehi, D. Erdogmus and A. Gholipour, Tversky loss function, MLMI 2017.",
)
class Tversky(_WeighedErrors):
    r"""Tversky loss: an overlap in which false positives and false negatives have factors of their own.

    .. math:: l = 1 - \frac{TP + s}{TP + \alpha FP + \beta FN + s}

    for each region, with :math:`TP = \sum t p`, :math:`FP = \sum (1 - t) p`, :math:`FN = \sum t (1 - p)` and the
    smoothing term s.

    Use it where it is worse to miss something than to find too much (:math:`\beta > \alpha`), or the opposite. With
    :math:`\alpha = \beta = 1/2` and s / 2 it is the Dice loss, with :math:`\alpha = \beta = 1` the Jaccard loss. The
    loss is not convex; it lies in [0, 1]. There is no hessian.

    Parameters
    ----------
    {regions}
    channels_last : bool, default False
        Whether classes are the last axis rather than axis 1.
    empty : {"formula", "zero", "ignore"}
        What a region without foreground gives: what the formula says (with s > 0 that is 0 if nothing is predicted,
        and near 1 otherwise), 0 with gradient 0, or nothing, so that averages leave it out.
    smooth : float, default 1e-5
        The term s >= 0. Without it, a region where both masks are empty has value and gradient 0.
    alpha : float, default 0.5
        Factor of false positives; >= 0.
    beta : float, default 0.5
        Factor of false negatives; >= 0, and not 0 together with `alpha`.

    Notes
    -----
    As `TverskyLoss` of MONAI, and of segmentation-models-pytorch with ``per_sample=False``. Keras has alpha and beta
    exchanged. A nearly perfect mask keeps its relative accuracy. NaN in a prediction gives NaN to its regions and their
    gradients.

    References
    ----------
    S. Salehi, D. Erdogmus and A. Gholipour, Tversky loss function for image segmentation using 3D fully convolutional
    deep networks, MLMI 2017.

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.Tversky(mode="binary", alpha=0.25, beta=0.75, smooth=0.0)
    >>> loss([[0, 0, 1, 1], [0, 1, 1, 1]], [[0.0, 1.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]], reduction="none").round(3)
    array([0.111, 0.273])
    """

    alpha: float = number(0.5, ge=0)
    beta: float = number(0.5, ge=0)


@loss(
    **_INFO | {"differentiability": "C0"},
    formula="(1 - (TP + s)/(TP + alpha FP + beta FN + s))^gamma",
    reference="N. Abraham and N. Khan, A novel focal Tversky loss function, ISBI 2019.",
)
class FocalTversky(_WeighedErrors):
    r"""Focal Tversky loss: a power of the Tversky loss of each region.

    .. math:: l = \left(1 - \frac{TP + s}{TP + \alpha FP + \beta FN + s}\right)^\gamma

    for each region, with :math:`TP = \sum t p`, :math:`FP = \sum (1 - t) p`, :math:`FN = \sum t (1 - p)` and the
    smoothing term s; the power is taken before averages.

    Use it where some regions are much harder than others: :math:`\gamma > 1` moves weight to those of a large loss,
    :math:`\gamma < 1` to those that are nearly right. Where a region is perfect, value and gradient are 0 for every
    :math:`\gamma \ne 1`. The loss is not convex; it lies in [0, 1]. There is no hessian.

    Parameters
    ----------
    {regions}
    channels_last : bool, default False
        Whether classes are the last axis rather than axis 1.
    empty : {"formula", "zero", "ignore"}
        What a region without foreground gives: what the formula says (with s > 0 that is 0 if nothing is predicted,
        and near 1 otherwise), 0 with gradient 0, or nothing, so that averages leave it out.
    smooth : float, default 1e-5
        The term s >= 0. Without it, a region where both masks are empty has value and gradient 0.
    alpha : float, default 0.3
        Factor of false positives; >= 0.
    beta : float, default 0.7
        Factor of false negatives; >= 0, and not 0 together with `alpha`.
    gamma : float, default 0.75
        The power; > 0.

    Notes
    -----
    The paper writes :math:`1 / \gamma` for the power, and alpha for the factor of false negatives. As
    ``TverskyLoss("binary")`` of segmentation-models-pytorch, which for several classes takes the power after the mean.
    NaN in a prediction gives NaN to its regions and their gradients.

    References
    ----------
    N. Abraham and N. Khan, A novel focal Tversky loss function with improved attention U-Net for
    lesion segmentation, ISBI 2019.

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = fl.FocalTversky(mode="binary", alpha=0.5, beta=0.5, gamma=0.5, smooth=0.0)
    >>> loss([[0, 1, 1, 1, 1]], [[1.0, 1.0, 1.0, 1.0, 0.0]])
    0.5
    """

    alpha: float = number(0.3, ge=0)
    beta: float = number(0.7, ge=0)
    gamma: float = number(0.75, gt=0)
