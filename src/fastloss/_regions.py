"""Losses of regions: how well predicted and true masks overlap, in images and volumes."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from typing import Any, ClassVar, NoReturn, Self

import numpy as np

from . import _validation as check
from ._base import Array, ArrayLike, Loss, Methods
from ._core.segmentation import Regions
from ._parameters import choice, flag, integer, numbers, optional, parameter
from ._region_averages import Averages
from ._validation import GRADIENT, HESSIAN, VALUE

_PARAMETERS = """\
mode : {"multiclass", "multilabel", "binary"}
        One class for each pixel, with `y_true` as class indices or dense; several classes, each for itself; one class,
        whose arrays have no axis of classes.
    from_logits : bool, default False
        Whether predictions are logits, of which the softmax over classes is taken (multiclass) or the sigmoid, rather
        than probabilities, which are used as they are.
    ignore_index : int, optional
        Pixels with this label take no part, and have gradient 0; in the other modes, entries of `y_true` with this
        value.
    classes : sequence of int, optional
        The classes that take part: ``range(1, C)`` leaves the background out. By default all.
    per_sample : bool, default True
        Whether each sample has regions of its own. Otherwise sums run over all samples, and the result is one sample.
    average : {"macro", "micro", "none"}
        The value of a sample is the average over its classes, that of one region of all classes, or one for each class.
    class_weight : sequence of float, optional
        Weights >= 0 of the C classes in the average; with ``average="macro"`` only."""


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class RegionLoss(Loss):
    """A loss of regions: one for each sample and class, or for all samples or classes together.

    The mean is ``sum(w l) / sum(w c)``, where the count c is 0 for a sample without a region that counts, else 1. It is
    0.0 where nothing counts. There is no hessian.
    """

    n_predictions: ClassVar[int] = 0

    hard: ClassVar[bool] = False
    """Whether dense targets must be 0 or 1."""

    mode: str = choice("multiclass", ("multiclass", "multilabel", "binary"))
    from_logits: bool = flag(False)
    ignore_index: int | None = optional(integer())
    classes: tuple[int, ...] | None = optional(parameter(check=check.indices))
    per_sample: bool = flag(True)
    average: str = choice("macro", ("macro", "micro", "none"))
    class_weight: tuple[float, ...] | None = optional(numbers(ge=0))
    channels_last: bool = flag(False)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__doc__ = (cls.__doc__ or "").replace("{regions}", _PARAMETERS)

    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        reduction: str = "mean",
        out: Array | None = None,
        n_threads: int | None = None,
    ) -> Any:
        r"""Compute the loss.

        Parameters
        ----------
        y_true : array_like
            Targets, of any real dtype. ``mode="multiclass"``: class indices of shape (N, \*pixels), or numbers in [0,
            1] of the shape of `y_pred`; the other modes: numbers in [0, 1] of the shape of `y_pred`.
        y_pred : array_like
            Predictions of shape (N, C, \*pixels), or (N, \*pixels, C) with `channels_last`, with one or more axes of
            pixels; ``mode="binary"``: (N, \*pixels). float32 and float64 are computed as they are, float16 in float32,
            integers in float64.
        sample_weight : array_like of shape (N,) or float, optional
            Weights >= 0. A sample of weight 0 contributes exactly 0.
        reduction : {"mean", "sum", "none"}
            ``sum(w l) / sum(w c)``, ``sum(w l)``, or the array ``w l``.
        out : ndarray, optional
            float32 or float64 array for the result of ``reduction="none"``: of shape (N,), or with ``average="none"``
            (N, C') for C' classes that take part; N is 1 if not `per_sample`.
        n_threads : int, optional
            Threads for this call; results do not depend on it.

        Returns
        -------
        float or ndarray
            Summed in float64.

        Raises
        ------
        TypeError
            If an argument is not a real array on the CPU.
        ValueError
            If shapes do not match, a value is outside its domain, or the mean is over nothing: no samples, or weights
            that are all 0.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.IoU(mode="binary", smooth=0.0)([[0, 1, 1]], [[0.0, 1.0, 0.5]])
        0.25
        """
        return self._evaluate(VALUE, y_true, y_pred, sample_weight, reduction, out, n_threads)

    value = __call__

    @property
    def hessian_policies(self) -> tuple[str, ...]:
        """The curvatures that `hessian=` accepts: none."""
        return ()

    @property
    def reference(self) -> Methods:
        """The same loss in plain NumPy: the specification that this one is tested against."""
        from .reference.segmentation import RegionReference

        return RegionReference(self)

    def init_score(
        self, y_true: ArrayLike, sample_weight: ArrayLike | None = None, n_classes: int | None = None
    ) -> NoReturn:
        """Raise: there is no constant prediction to start from.

        Raises
        ------
        NotImplementedError
            Whatever the arguments.
        """
        raise NotImplementedError(f"{self!r} has no constant prediction to start from: the model is one of images")

    def on_raw(self) -> Self:
        """Return the same loss of logits.

        Returns
        -------
        Loss
            An equal object where it is one already.
        """
        return dataclasses.replace(self, from_logits=True)

    def _check_parameters(self) -> None:
        if self.class_weight is not None and self.average != "macro":
            raise ValueError(f"class_weight must be None with average={self.average!r}, got {self.class_weight}")
        if self.mode == "binary":
            for name in ("classes", "class_weight"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} must be None with mode='binary', got {getattr(self, name)}")

    def _check_weighted(self, sample_weight: ArrayLike | None) -> None:
        """Raise where samples cannot have weights."""

    # ---- arrays ----

    @property
    @abstractmethod
    def _empty(self) -> str:
        """What a region without foreground gives: formula, zero or ignore."""

    @property
    def _scores(self) -> str:
        """The kernels' name of what predictions are."""
        if not self.from_logits:
            return "probabilities"
        return "softmax" if self.mode == "multiclass" else "sigmoid"

    def _by_class(self, array: Array, ndim: int) -> Array:
        """An array of the caller with the classes on axis 1; labels, which have fewer axes, as they are."""
        if self.mode == "binary":
            return array[:, None]
        return np.moveaxis(array, -1, 1) if self.channels_last and array.ndim == ndim else array

    def _by_caller(self, array: Array) -> Array:
        """The opposite of `_by_class`, for an array that has classes."""
        if self.mode == "binary":
            return array[:, 0]
        return np.moveaxis(array, 1, -1) if self.channels_last else array

    def _values_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the values for predictions of the given one."""
        f = np.broadcast_to(np.float64(0), shape)
        return check.check_region_shapes(dataclasses.replace(self, ignore_index=None), f, f)

    # ---- the computation ----

    def _evaluate(
        self,
        want: int,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None,
        reduction: str,
        out: Any,
        n_threads: int | None,
        hessian: str = "exact",
        min_hessian: float | None = None,
        cotangent: Array | None = None,
    ) -> Any:
        if want & HESSIAN:
            check.curvature(self, hessian)
        self._check_weighted(sample_weight)
        y, f, w, outs, n_threads = check.prepare_regions(
            self, want, y_true, y_pred, sample_weight, reduction, out, n_threads
        )
        real, gradient = check.working_type(f), None
        if want & GRADIENT:
            gradient = np.empty(self._by_caller(f).shape, real) if outs[1] is None else outs[1]
        by_class = None if gradient is None else self._by_class(gradient, gradient.ndim)
        regions = self._regions(y, f, by_class, real, n_threads)
        sums = regions.sums(count=self.hard)
        if isinstance(sums, int):
            raise check.region_error(self, y, f) or AssertionError(f"a kernel found status {sums}")
        call = Averages(self, sums, w, reduction == "mean", cotangent)
        with np.errstate(all="ignore"):
            values = call.averaged(self._fill(regions, call, gradient is not None))
        if not want & VALUE:
            return gradient
        value: Any = float(np.sum(values))
        if reduction == "mean":
            value = value / call.total if call.total > 0 else 0.0
        elif reduction == "none":
            value = np.empty(values.shape, real) if outs[0] is None else outs[0]
            value[...] = values
        return (value, gradient) if want & GRADIENT else value

    def _pulled_back(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: Any, cotangent: Array) -> Array:
        """The gradient of the sum of the values, each times its cotangent."""
        gradient: Array = self._evaluate(
            GRADIENT, y_true, y_pred, sample_weight, "sum", None, None, cotangent=np.asarray(cotangent, np.float64)
        )
        return gradient

    def _regions(self, y: Array, f: Array, gradient: Array | None, real: Any, n_threads: int | None) -> Regions:
        """The arrays as kernels take them."""
        return Regions(
            self._scores, y, f, gradient, real, hard=self.hard, ignored=self.ignore_index, n_threads=n_threads
        )

    @abstractmethod
    def _fill(self, regions: Regions, call: Averages, want_gradient: bool) -> Array:
        """The values of all regions; the gradient is written."""
