"""Objectives for LightGBM, in both of its Python interfaces. Importing this module does not import LightGBM."""

from __future__ import annotations

from typing import Any

from ._objective import Objective, make_objective

__all__ = ["Objective", "objective"]


def objective(loss: Any, hessian: str | None = None, min_hessian: float | None = None) -> Objective:
    """Make a LightGBM objective of a loss.

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
