"""Objectives for XGBoost, in both of its Python interfaces. Importing this module does not import XGBoost."""

from __future__ import annotations

from typing import Any

from ._objective import Objective, make_objective

__all__ = ["Objective", "objective"]


def objective(loss: Any, hessian: str | None = None, min_hessian: float | None = None) -> Objective:
    """Make a XGBoost objective of a loss.

    Parameters
    ----------
    loss : Loss, str or dict
        A loss with one prediction for each row, its name, or its configuration. Its raw scale is used:
        ``objective("poisson")`` takes log-rates, ``objective("binary_cross_entropy")`` logits.
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
        If the loss is unknown or has several predictions for each row, or does not have the curvature.

    Notes
    -----
    XGBoost does not estimate the intercept of a custom objective: pass `loss.init_score(y, sample_weight)` as
    ``base_score``. Its predictions are raw scores, except those of ``XGBClassifier.predict_proba``, which applies the
    sigmoid.

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
