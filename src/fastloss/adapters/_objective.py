"""The objective that gradient boosters call, the same for all of their Python interfaces.

Design. An object rather than a closure, so that estimators that hold it can be pickled, cloned and sent to workers.
Pure Python, because boosters inspect the signature of `__call__`: LightGBM counts its positional parameters, XGBoost
looks for the name `sample_weight`. No floor under the hessian unless asked for: the default curvature is never
negative, both libraries guard their divisions, and a floor that matters would have to know the units of the loss and of
the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _validation as check
from .._base import Array, ArrayLike, Loss
from .._registry import get


@dataclass(frozen=True)
class Objective:
    """Gradient and hessian of a loss at raw scores, as gradient boosters ask for them.

    Made by the `objective` function of an adapter. Immutable, compared by value, picklable, without state: it may be
    called from several threads and workers.

    Attributes
    ----------
    loss : Loss
        The loss on the raw scale.
    hessian : str
        The curvature in use, one of ``loss.hessian_policies``.
    min_hessian : float or None
        The floor of the hessian, applied after the weights.
    """

    loss: Loss
    hessian: str
    min_hessian: float | None = None

    def __call__(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[Array, Array]:
        """Compute the objective for the scikit-learn interface of the booster.

        Parameters
        ----------
        y_true : array_like of shape (n,)
            Labels, checked against the domain of the loss.
        y_pred : array_like of shape (n,)
            Raw scores; never written into.
        sample_weight : array_like of shape (n,), optional
            Weights >= 0; None or an empty array for none.

        Returns
        -------
        gradient, hessian : ndarray of shape (n,), float32
            New arrays, multiplied by the weights.

        Raises
        ------
        TypeError
            If an argument is not a real array on the CPU.
        ValueError
            If there is more than one score for each row, or a label or weight is outside its domain.
        """
        if hasattr(y_pred, "get_label"):
            raise TypeError("y_pred must be an array of scores: the native interface of the booster takes `.native`")
        scores = check.as_array("y_pred", y_pred)
        if scores.ndim != 1:
            raise ValueError(f"y_pred must hold one score for each row, shape (n,), got {scores.shape}")
        if sample_weight is not None and np.size(sample_weight) == 0:
            sample_weight = None
        result = np.empty(scores.shape, np.float32), np.empty(scores.shape, np.float32)
        return self.loss.gradient_and_hessian(
            y_true,
            scores,
            sample_weight,
            reduction="sum",
            out=result,
            hessian=self.hessian,
            min_hessian=self.min_hessian,
        )

    def native(self, preds: Array, data: Any) -> tuple[Array, Array]:
        """Compute the objective for the native interface of the booster.

        Parameters
        ----------
        preds : ndarray of shape (n,)
            Raw scores; never written into.
        data : xgboost.DMatrix or lightgbm.Dataset
            Gives labels and weights.

        Returns
        -------
        gradient, hessian : ndarray of shape (n,), float32
            As for the call of the object.
        """
        return self(data.get_label(), preds, data.get_weight())


def make_objective(loss: Any, hessian: str | None, min_hessian: float | None) -> Objective:
    """Check the arguments of the adapters' `objective` and move the loss to the raw scale."""
    loss = get(loss)
    if loss.n_predictions != 1:
        raise ValueError(
            f"loss must have one prediction for each row, got {loss!r}, which has {loss.n_predictions or 'several'}: "
            "boosters with several outputs are not supported yet"
        )
    raw = loss.on_raw()
    hessian = raw.default_hessian if hessian is None else hessian
    check.curvature(raw, hessian)
    check.floor(min_hessian)
    return Objective(raw, hessian, min_hessian)
