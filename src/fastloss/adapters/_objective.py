"""The objective and the metric that gradient boosters call, the same for all of their Python interfaces.

Design. Objects rather than closures, so that estimators that hold them can be pickled, cloned and sent to workers.
Pure Python, because boosters inspect the signature of `__call__`: LightGBM counts its positional parameters, XGBoost
looks for the name `sample_weight`. No floor under the hessian unless asked for: the default curvature is never
negative, both libraries guard their divisions, and a floor that matters would have to know the units of the loss and of
the weights.

Results are float32 in the memory order of the scores: rows of K scores for XGBoost, columns for LightGBM; any other
type or order would be copied there.

The majorizer of a loss with a kink, abs(l') / abs(r), grows without bound where a score meets its target. Then one row
outweighs all others and its leaf stands still; so no curvature may exceed ten times what is usual for its slope.

A call gets a second thread only when it has milliseconds of work: the idle threads of a booster with its own OpenMP
runtime keep their cores busy for a while after each of its steps, and ours would wait for them.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

import numpy as np

from .. import _validation as check
from .._base import Array, ArrayLike, Loss
from .._groups import GroupLoss
from .._regions import RegionLoss
from .._registry import get
from .._threads import get_num_threads

SCORES_PER_THREAD = 1 << 22
LARGEST_SPIKE = 10.0


@dataclass(frozen=True)
class Objective:
    """Gradient and hessian of a loss at raw scores, as gradient boosters ask for them.

    Made by the `objective` function of an adapter. Immutable, compared by value, picklable: it may be called from
    several threads and workers.

    Attributes
    ----------
    loss : Loss
        The loss on the raw scale.
    hessian : str
        The curvature in use, one of ``loss.hessian_policies``.
    min_hessian : float or None
        The floor of the hessian, applied after the weights.
    unit : float or tuple of float
        The estimators divide gradient and hessian by it, for each score, so that a booster's settings that count
        hessians do not depend on the unit of the targets; 1 for `objective`.
    """

    loss: Loss
    hessian: str
    min_hessian: float | None = None
    unit: float | tuple[float, ...] = field(default=1.0, repr=False)

    def __call__(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[Array, Array]:
        """Compute the objective for the scikit-learn interface of the booster.

        Parameters
        ----------
        y_true : array_like of shape (n,)
            Labels, checked against the domain of the loss.
        y_pred : array_like of shape (n,) or (n, K)
            Raw scores, K for each row where the loss has several predictions; never written into.
        sample_weight : array_like of shape (n,), optional
            Weights >= 0; None or an empty array for none.

        Returns
        -------
        gradient, hessian : ndarray of the shape of `y_pred`, float32
            Arrays in the memory order of `y_pred`, multiplied by the weights; those of an earlier call are used again
            once nobody holds them.

        Raises
        ------
        TypeError
            If an argument is not a real array on the CPU.
        ValueError
            If the number of scores for each row does not fit the loss, or a label or weight is outside its domain.
        """
        if hasattr(y_pred, "get_label"):
            raise TypeError("y_pred must be an array of scores: the native interface of the booster takes `.native`")
        scores = _scores(self.loss, y_pred)
        result = self._results(scores)
        self.loss.gradient_and_hessian(
            y_true,
            scores,
            _weights(sample_weight),
            reduction="sum",
            out=result,
            hessian=self.hessian,
            min_hessian=self.min_hessian,
            n_threads=min(get_num_threads(), 1 + scores.size // SCORES_PER_THREAD),
        )
        if has_spikes(self.loss, self.hessian):
            limit_spikes(*result, self.min_hessian or 0.0)
        if self.unit != 1.0:
            for derivative in result:
                derivative /= np.asarray(self.unit, np.float32)
        return result

    def _results(self, scores: Array) -> tuple[Array, Array]:
        """Arrays to return, of the shape and order of the scores: fresh memory costs as much as the gradient."""
        spare = self.__dict__.setdefault("_spare", threading.local())
        pair = getattr(spare, "pair", None)
        if pair is None or not (_unused(pair[0], scores) and _unused(pair[1], scores)):
            pair = spare.pair = [np.empty_like(scores, np.float32), np.empty_like(scores, np.float32)]
        gradient, hessian = pair
        return gradient, hessian

    def __getstate__(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def native(self, preds: Array, data: Any) -> tuple[Array, Array]:
        """Compute the objective for the native interface of the booster.

        Parameters
        ----------
        preds : ndarray of shape (n,) or (n, K)
            Raw scores; never written into.
        data : xgboost.DMatrix or lightgbm.Dataset
            Gives labels and weights.

        Returns
        -------
        gradient, hessian : ndarray of the shape of `preds`, float32
            As for the call of the object.
        """
        return self(data.get_label(), preds, data.get_weight())


@dataclass(frozen=True)
class Metric:
    """The weighted mean of a loss as an evaluation metric of a booster; smaller is better.

    Made by the `metric` function of an adapter. Immutable, compared by value, picklable, without state.

    Attributes
    ----------
    loss : Loss
        The loss on the scale of the predictions that the booster hands over.
    name : str
        What the booster calls it.
    """

    loss: Loss
    name: str

    @property
    def __name__(self) -> str:
        """The name, where a booster asks for that of a function."""
        return self.name

    def mean(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Compute the weighted mean of the loss.

        Parameters
        ----------
        y_true : array_like of shape (n,)
            Labels.
        y_pred : array_like of shape (n,) or (n, K)
            Predictions of the booster; never written into.
        sample_weight : array_like of shape (n,), optional
            Weights >= 0; None or an empty array for none.

        Returns
        -------
        float
        """
        return float(self.loss(y_true, _scores(self.loss, y_pred), _weights(sample_weight)))


UNUSED = 3  # references to an array that only its pair holds: that one, an argument here, and one of `getrefcount`


def _unused(array: Array, scores: Array) -> bool:
    """Whether the array has the shape and order of the scores, and nobody but its pair holds it."""
    same = array.shape == scores.shape and array.flags.c_contiguous == scores.flags.c_contiguous
    return same and sys.getrefcount(array) <= UNUSED


@cache
def has_spikes(loss: Loss, hessian: str) -> bool:
    """Whether a curvature is unbounded but for a constant that knows nothing of the unit of the targets."""
    return hessian == "majorizer" and loss.info.differentiability == "C0"


def limit_spikes(gradient: Array, hessian: Array, floor: float) -> None:
    """Limit the hessian, in place, to ten times the median of hessian / abs(gradient), times abs(gradient).

    The medians are those of a thousand rows, of each score by itself. Where the gradient is 0, or less than usual, the
    median slope counts.
    """
    step = max(1, len(gradient) // 1000)
    slopes, curvatures = np.abs(gradient[::step]), hessian[::step]
    slopes = np.where(slopes > 0, slopes, np.nan)
    if np.isnan(slopes).all(axis=0).any():
        return
    usual, typical = np.nanmedian(curvatures / slopes, axis=0), np.nanmedian(slopes, axis=0)
    limit = np.abs(gradient)
    np.maximum(limit, typical, out=limit)
    limit *= LARGEST_SPIKE * usual
    if floor:
        np.maximum(limit, floor, out=limit)
    np.minimum(hessian, limit, out=hessian)


def _scores(loss: Loss, y_pred: ArrayLike) -> Array:
    """The predictions of a booster, one or several for each row."""
    scores = check.as_array("y_pred", y_pred)
    if scores.ndim != (1 if loss.n_predictions == 1 else 2):
        k = loss.n_predictions or "K"
        expected = "one score for each row, shape (n,)" if k == 1 else f"{k} scores for each row, shape (n, {k})"
        raise ValueError(f"y_pred must hold {expected}, for {loss!r}, got the shape {scores.shape}")
    return scores


def _weights(sample_weight: ArrayLike | None) -> ArrayLike | None:
    return None if sample_weight is None or np.size(sample_weight) == 0 else sample_weight


def make_metric(loss: Any, name: Any, raw: bool) -> tuple[Loss, str]:
    """Check the arguments of the adapters' `metric`; the loss on the scale of what the booster hands over."""
    loss = get(loss)
    if isinstance(loss, GroupLoss):
        raise ValueError(f"loss must be one of single rows, got {loss!r}: boosters have metrics of rankings")
    if isinstance(loss, RegionLoss):
        raise ValueError(f"loss must be one of single rows, got {loss!r}: a booster predicts no images")
    if name is not None and (not isinstance(name, str) or not name):
        raise ValueError(f"name must be a text that is not empty, or None, got {name!r}")
    raw = check.flag("raw", raw)
    return (loss.on_raw() if raw else loss), name or loss.info.name


def make_objective(loss: Any, hessian: str | None, min_hessian: float | None) -> Objective:
    """Check the arguments of the adapters' `objective` and move the loss to the raw scale."""
    loss = get(loss)
    raw = loss.on_raw()
    if not raw.hessian_policies:
        raise ValueError(f"loss must have a hessian to be boosted, got {loss!r}")
    hessian = raw.default_hessian if hessian is None else hessian
    check.curvature(raw, hessian)
    check.floor(min_hessian)
    if isinstance(raw, GroupLoss):
        from ._ranking import RankingObjective

        return RankingObjective(raw, hessian, min_hessian)
    return Objective(raw, hessian, min_hessian)
