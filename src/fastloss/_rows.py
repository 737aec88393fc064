"""Losses of a row of predictions: one for each class, quantile or component."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from typing import Any, ClassVar

from . import _validation as check
from ._base import Array, ArrayLike, KernelLoss, Methods
from ._core.pointwise import Violation
from ._core.rowwise import RowKernel
from ._domains import REAL, UNIT


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class RowLoss(KernelLoss):
    """A loss of a row of K predictions, the last axis of `y_pred`, which has the shape S + (K,).

    The value of a row is one number: values have the shape S, gradients and hessians that of `y_pred`. The mean is
    ``sum(w l) / sum(w c)``; the count c of a row is 1, unless the loss has an `ignore_index` (0 for ignored rows) or
    a `class_weight` (the weight of the true class).
    """

    n_predictions: ClassVar[int] = 0

    targets: ClassVar[str]
    """What `y_true` holds: ``"labels"`` (class indices, shape S), ``"dense"`` (a number for each class, S + (K,)),
    ``"both"`` (either: the number of axes tells), ``"values"`` (real numbers, S), ``"vectors"`` (S + (K,))."""

    one_hot: ClassVar[bool] = False
    """Whether dense targets must have exactly one 1 in each row."""

    class_vector: ClassVar[str] = "class_weight"
    """Name of the parameter that has an entry for each class, if there is one."""

    @property
    def ignored(self) -> int | None:
        """The label of rows that do not count."""
        return getattr(self, "ignore_index", None)

    @property
    def reference(self) -> Methods:
        """The same loss in plain NumPy: the specification that kernels are tested against."""
        from .reference._rows import RowReference

        return RowReference(self)

    def _make_kernel(self) -> RowKernel:
        name, parameters = self._formula()
        info = self.info
        shares = self.targets in ("dense", "both") and info.y_domain != REAL
        return RowKernel(
            name,
            parameters,
            # What only labels can be, the kernel leaves to the validation.
            targets="labels" if self.one_hot or self.ignored is not None else self.targets,
            class_vector=getattr(self, self.class_vector, None),
            smoothing=getattr(self, "label_smoothing", 0.0),
            ignore_index=self.ignored,
            counted=self.class_vector == "class_weight",
            f_unit=info.f_domain == UNIT,
            y_range=(0.0, 1.0) if shares else None,
        )

    def _prepare(self, want: int, *arguments: Any) -> check.Call:
        return check.prepare_rows(self, want, *arguments)

    def _violated(self, violation: Violation, y_true: Any, y_pred: Any, sample_weight: Any) -> ValueError:
        return check.row_error(self, y_true, y_pred, sample_weight)

    def init_score(
        self, y_true: ArrayLike, sample_weight: ArrayLike | None = None, n_classes: int | None = None
    ) -> Array:
        """Return the constant row of predictions, on the raw scale, that minimises the loss.

        Parameters
        ----------
        y_true : array_like
            Targets: labels of any shape, or dense rows on the last axis. Where both are possible, one axis means
            labels and more axes mean dense rows.
        sample_weight : array_like or float, optional
            Weights >= 0, one for each row.
        n_classes : int, optional
            The number of classes K. By default what a parameter or the last axis of dense targets says, else the
            largest label + 1.

        Returns
        -------
        ndarray of shape (K,)
            Entries that only count relative to each other sum to 0.

        Raises
        ------
        ValueError
            If there are no rows, all weights are 0, or a target is outside the domain.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.MultiQuantile(quantiles=(0.25, 0.5)).init_score([1.0, 2.0, 3.0, 4.0, 5.0])
        array([2., 3.])
        """
        y, w, k = check.prepare_constant(self, y_true, sample_weight, n_classes)
        return self._init_row(y, w, k)

    @abstractmethod
    def _init_row(self, y: Array, w: Array, k: int) -> Array:
        """The minimiser for checked float64 targets, (n,) or (n, K), with positive weights."""
