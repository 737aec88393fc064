"""XGBoost with any loss: objectives, metrics and estimators. Importing this module does not import XGBoost.

`LossRegressor` and `LossClassifier` are XGBoost's estimators with a loss, ready to use; `objective` and `metric` are
the parts for XGBoost's own estimators and for ``xgboost.train``.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .. import _optional
from .._base import Array, ArrayLike
from . import _objective
from ._objective import Objective, make_metric, make_objective

if TYPE_CHECKING:
    from ._xgboost import LossClassifier, LossRegressor
    from ._xgboost_ranker import LossRanker

__all__ = ["LossClassifier", "LossRanker", "LossRegressor", "Metric", "Objective", "metric", "objective"]

ESTIMATORS = {"LossClassifier": "._xgboost", "LossRanker": "._xgboost_ranker", "LossRegressor": "._xgboost"}


def __getattr__(name: str) -> Any:
    """Import the estimators, and XGBoost with them, on first use."""
    if name not in ESTIMATORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _optional.require("xgboost", "3.1", "xgboost")  # 3.1 is the first with a vector of base scores
    _optional.require("sklearn", "1.6", "xgboost", ("scikit-learn",))
    return getattr(import_module(ESTIMATORS[name], __package__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *ESTIMATORS})


def objective(loss: Any, hessian: str | None = None, min_hessian: float | None = None) -> Objective:
    """Make a XGBoost objective of a loss.

    Parameters
    ----------
    loss : Loss, str or dict
        A loss, its name, or its configuration. Its raw scale is used: ``objective("poisson")`` takes log-rates,
        ``objective("binary_cross_entropy")`` logits. For a loss of K scores a row (classes, quantiles, the two
        parameters of a distribution) set ``num_class=K``.
    hessian : str, optional
        The curvature, one of the `hessian_policies` of the loss on its raw scale; by default its `default_hessian`,
        with which boosters train.
    min_hessian : float, optional
        Floor of the hessian, applied after the weights; rows of weight 0 stay 0. None by default: no default curvature
        of a built-in loss is negative.

    Returns
    -------
    Objective
        Call it in the scikit-learn interface, pass its method `native` to the native one.

    Raises
    ------
    TypeError, ValueError
        If the loss is unknown or has no hessian, or does not have the curvature.

    See Also
    --------
    LossRegressor, LossClassifier : Estimators that do all that the notes ask for.

    Notes
    -----
    XGBoost does not estimate the intercept of a custom objective: pass `loss.init_score(y, sample_weight)` as
    ``base_score``, a list for K scores. Its predictions are raw scores, except those of
    ``XGBClassifier.predict_proba``, which applies the sigmoid.

    ``reg_lambda`` and ``min_child_weight`` are added to and compared with sums of hessians, which may have a unit: that
    of the absolute error is 1 / y. Choose them, or the unit of the target, accordingly; `LossRegressor` does.

    With the same start this is XGBoost's own mathematics for ``reg:squarederror`` (`HalfSquaredError`),
    ``binary:logistic`` (`BinaryCrossEntropy`), ``reg:gamma`` (`Gamma`), ``reg:tweedie`` (`Tweedie`), ``multi:softprob``
    (`SparseCategoricalCrossEntropy` with ``hessian="majorizer"``, 2 p (1 - p); the default is p (1 - p)) and
    ``count:poisson`` (`Poisson`) with ``max_delta_step=0``; XGBoost's default of 0.7 there multiplies its hessian by
    e**0.7 and bounds the values of leaves.

    Examples
    --------
    >>> import fastloss as fl
    >>> from fastloss.adapters.xgboost import objective
    >>> objective(fl.Huber(delta=2.0))
    Objective(loss=Huber(delta=2.0), hessian='majorizer', min_hessian=None)

    With XGBoost itself::

        loss = fl.BinaryFocal(gamma=2.0)
        score = loss.init_score(y, w)

        train = xgboost.DMatrix(X, y, weight=w)
        booster = xgboost.train({"base_score": score}, train, obj=objective(loss).native)
        probability = loss.link.inverse(booster.predict(xgboost.DMatrix(X), output_margin=True))

        model = xgboost.XGBRegressor(objective=objective(loss), base_score=score)
        probability = loss.link.inverse(model.fit(X, y, sample_weight=w).predict(X, output_margin=True))
    """
    return make_objective(loss, hessian, min_hessian)


@dataclass(frozen=True)
class Metric(_objective.Metric):
    """The weighted mean of a loss as an evaluation metric of XGBoost; smaller is better.

    Made by `metric`. Immutable, compared by value, picklable, without state.

    Attributes
    ----------
    loss : Loss
        The loss on the scale of the predictions that it is called with.
    name : str
        What XGBoost calls it.
    raw : bool
        Whether it is called with raw scores.
    """

    raw: bool = True

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Compute the metric for the scikit-learn interface: the argument ``eval_metric`` of an estimator.

        Parameters
        ----------
        y_true : array_like of shape (n,)
            Labels.
        y_pred : array_like of shape (n,) or (n, K)
            Raw scores, or predictions if not `raw`.
        sample_weight : array_like of shape (n,), optional
            Weights >= 0, which XGBoost takes from ``sample_weight_eval_set``.

        Returns
        -------
        float
        """
        return self.mean(y_true, y_pred, sample_weight)

    def native(self, preds: Array, data: Any) -> tuple[str, float]:
        """Compute the metric for the native interface: the argument ``custom_metric`` of ``xgboost.train``.

        Parameters
        ----------
        preds : ndarray of shape (n,) or (n, K)
            Raw scores, or predictions if not `raw`; never written into.
        data : xgboost.DMatrix
            Gives labels and weights.

        Returns
        -------
        name : str
        value : float
        """
        return self.name, self.mean(data.get_label(), preds, data.get_weight())


def metric(loss: Any, name: str | None = None, raw: bool = True) -> Metric:
    """Make a XGBoost evaluation metric of a loss: for early stopping, or to watch.

    Parameters
    ----------
    loss : Loss, str or dict
        A loss, its name, or its configuration.
    name : str, optional
        What XGBoost calls it; by default the name of the loss. No white space or colon.
    raw : bool
        Whether the metric will be called with raw scores, as XGBoost does beside a custom objective, or on the scale
        that the loss is on, as beside the objectives of XGBoost, which apply their link first.

    Returns
    -------
    Metric
        Call it in the scikit-learn interface, pass its method `native` to the native one.

    Raises
    ------
    TypeError, ValueError
        If the loss is unknown, or an argument is not as above.

    Notes
    -----
    XGBoost keeps six digits after the decimal point of a custom metric, also where it decides on early stopping: choose
    the unit of the target such that they suffice.

    Examples
    --------
    >>> import fastloss as fl
    >>> from fastloss.adapters.xgboost import metric
    >>> metric("mae")
    Metric(loss=MeanAbsoluteError(), name='mean_absolute_error', raw=True)
    >>> metric("mae", name="mae")([0.0, 1.0], [0.5, 3.0])
    1.25

    With XGBoost itself::

        xgboost.train({}, train, evals=[(valid, "valid")], obj=objective("huber").native,
                      custom_metric=metric("mae").native, early_stopping_rounds=10)

        xgboost.XGBRegressor(eval_metric=metric("huber", raw=False), early_stopping_rounds=10)
    """
    found, label = make_metric(loss, name, raw)
    if any(c.isspace() or c == ":" for c in label):
        raise ValueError(f"name must hold no white space or colon, by which XGBoost splits its report, got {label!r}")
    return Metric(found, label, bool(raw))
