"""Objectives, metrics and estimators for LightGBM. Importing this module does not import LightGBM."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .._base import Array, ArrayLike
from .._optional import require
from . import _objective
from ._objective import Objective, make_metric, make_objective

if TYPE_CHECKING:
    from ._lightgbm import LossClassifier, LossRegressor
    from ._lightgbm_ranker import LossRanker

__all__ = ["LossClassifier", "LossRanker", "LossRegressor", "Metric", "Objective", "metric", "objective"]

ESTIMATORS = {"LossClassifier": "._lightgbm", "LossRanker": "._lightgbm_ranker", "LossRegressor": "._lightgbm"}


def __getattr__(name: str) -> Any:
    """Import the estimators, and with them LightGBM, on first use."""
    if name in ESTIMATORS:
        require("lightgbm", "4.6", "lightgbm")
        require("sklearn", "1.6", "lightgbm", ("scikit-learn",))
        return getattr(import_module(ESTIMATORS[name], __package__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def objective(loss: Any, hessian: str | None = None, min_hessian: float | None = None) -> Objective:
    """Make a LightGBM objective of a loss.

    Parameters
    ----------
    loss : Loss, str or dict
        A loss, its name, or its configuration. Its raw scale is used: ``objective("poisson")`` takes log-rates,
        ``objective("binary_cross_entropy")`` logits. With a loss of K predictions for each row, set LightGBM's
        parameter ``num_class`` to K: the number of classes or quantiles; 2 for the losses of distributions.
    hessian : str, optional
        The curvature, one of the `hessian_policies` of the loss on its raw scale; by default its `default_hessian`,
        with which boosters train. ``"scaled"`` is that of LightGBM's own multi-class objective.
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
        If the loss is unknown, or does not have the curvature.

    See Also
    --------
    LossRegressor, LossClassifier : LightGBM's estimators with objective, intercept, metric and predictions set right.

    Notes
    -----
    LightGBM does not estimate the intercept of a custom objective: pass `loss.init_score(y, sample_weight)` as
    ``init_score`` of every row and add it to the predictions, which are raw scores.

    Examples
    --------
    >>> import fastloss as fl
    >>> from fastloss.adapters.lightgbm import objective
    >>> objective(fl.Huber(delta=2.0))
    Objective(loss=Huber(delta=2.0), hessian='majorizer', min_hessian=None)

    With LightGBM itself::

        loss = fl.BinaryFocal(gamma=2.0)
        score = loss.init_score(y, w)

        train = lightgbm.Dataset(X, y, weight=w, init_score=np.full(len(y), score))
        booster = lightgbm.train({"objective": objective(loss).native}, train)
        probability = loss.link.inverse(score + booster.predict(X))

        model = lightgbm.LGBMRegressor(objective=objective(loss))
        model.fit(X, y, sample_weight=w, init_score=np.full(len(y), score))
        probability = loss.link.inverse(score + model.predict(X))
    """
    return make_objective(loss, hessian, min_hessian)


class Metric(_objective.Metric):
    """The weighted mean of a loss as a LightGBM metric, in the form that each of its interfaces asks for."""

    def __call__(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[str, float, bool]:
        """Compute the metric for the scikit-learn interface.

        Parameters
        ----------
        y_true : array_like of shape (n,)
            Labels.
        y_pred : array_like of shape (n,) or (n, K)
            Predictions, raw scores if the objective is a custom one.
        sample_weight : array_like of shape (n,), optional
            Weights >= 0; None for none.

        Returns
        -------
        name : str
        value : float
        is_higher_better : bool
            Always False.
        """
        return self.name, self.mean(y_true, y_pred, sample_weight), False

    def native(self, preds: Array, data: Any) -> tuple[str, float, bool]:
        """Compute the metric for the native interface.

        Parameters
        ----------
        preds : ndarray of shape (n,) or (n, K)
            Predictions, raw scores if the objective is a custom one.
        data : lightgbm.Dataset
            Gives labels and weights.

        Returns
        -------
        name : str
        value : float
        is_higher_better : bool
            Always False.
        """
        return self(data.get_label(), preds, data.get_weight())


def metric(loss: Any, name: str | None = None, raw: bool = True) -> Metric:
    """Make a LightGBM metric of a loss: its weighted mean on each set of evaluation, for reports and early stopping.

    Parameters
    ----------
    loss : Loss, str or dict
        A loss, its name, or its configuration.
    name : str, optional
        What LightGBM calls the metric; by default the name of the loss.
    raw : bool
        Whether LightGBM hands over raw scores, which it does exactly if the objective is a custom one. With False
        predictions are on the scale of the loss that is given: of LightGBM's own objective ``"binary"`` probabilities,
        of ``"poisson"`` rates.

    Returns
    -------
    Metric
        Pass it as ``eval_metric`` in the scikit-learn interface, its method `native` as ``feval`` in the native one.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> from fastloss.adapters.lightgbm import metric
    >>> metric("poisson")
    Metric(loss=Poisson(log_input=True, full=False), name='poisson')
    >>> metric("mae", name="error")([1.0, 2.0], [1.0, 5.0])
    ('error', 1.5, False)

    With LightGBM itself::

        lightgbm.train(params, train, valid_sets=[valid], feval=metric("huber").native)

        model = lightgbm.LGBMRegressor(objective="poisson")
        model.fit(X, y, eval_set=[(X_valid, y_valid)], eval_metric=metric("poisson", raw=False))
    """
    return Metric(*make_metric(loss, name, raw))
