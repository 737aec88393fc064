"""Losses for scikit-learn: training of histogram gradient boosting, scoring, linear models.

Importing this module does not import scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .. import _validation as check
from .._base import ArrayLike
from .._curves import is_of_residual
from .._domains import ClassLabels, Labels
from .._inputs import InputsLoss
from .._optional import require
from .._regions import RegionLoss
from .._registry import get
from ._objective import make_objective
from ._scorer import PROBABILITY_LINKS, RESPONSES, LossScorer

if TYPE_CHECKING:
    from ._linear_models import LinearLossClassifier, LinearLossRegressor

__all__ = ["LinearLossClassifier", "LinearLossRegressor", "LossScorer", "hist_gradient_boosting_loss", "scorer"]

ESTIMATORS = ("LinearLossClassifier", "LinearLossRegressor")


def __getattr__(name: str) -> Any:
    """Import the linear models, and scikit-learn with them, on first use."""
    if name not in ESTIMATORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _scikit_learn()
    return getattr(import_module("._linear_models", __package__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *ESTIMATORS})


def _scikit_learn() -> Any:
    return require("sklearn", "1.6", "sklearn", ("scikit-learn",))


# ---- training -------------------------------------------------------------------------------------------------------


def hist_gradient_boosting_loss(
    loss: Any, hessian: str | None = None, *, renew_leaves: bool | None = None, n_classes: int | None = None
) -> Any:
    """Make a loss that scikit-learn's `HistGradientBoostingRegressor` and `HistGradientBoostingClassifier` train with.

    Parameters
    ----------
    loss : Loss, str or dict
        A loss, its name, or its configuration. Its raw scale is used. The regressor takes losses of one prediction,
        the classifier binary ones (two classes) and multi-class ones of labels (three classes or more).
    hessian : str, optional
        The curvature, one of the `hessian_policies` of the loss on its raw scale; by default its `default_hessian`,
        and ``"unit"`` where leaves are renewed.
    renew_leaves : bool, optional
        Whether each leaf, once the tree is grown, takes the minimiser of the loss over its rows in place of a Newton
        step, as scikit-learn does for its own absolute error and quantiles. Only for losses of the residual. By
        default for those of them with a kink: `MeanAbsoluteError`, `Quantile`, `EpsilonInsensitive`.
    n_classes : int, optional
        The number of classes of a multi-class loss; by default learnt from the targets of each fit.

    Returns
    -------
    sklearn._loss.loss.BaseLoss
        For the parameter `loss` of the estimators. It can be pickled, copied and cloned; a clone trains on its own.

    Raises
    ------
    ImportError
        If scikit-learn is missing or older than 1.5, or its private interface has moved.
    TypeError, ValueError
        If the loss is unknown, has no hessian or not the one asked for, has several predictions that are not classes,
        or is not a loss of the residual where leaves are to be renewed.

    Notes
    -----
    `predict` of the regressor is on the natural scale, and so is `predict_proba` of the classifier; losses of margins
    such as `Hinge` have `decision_function` alone. All parameters of the estimators work: weights, early stopping on
    the loss, warm start, categorical features and monotonic constraints. Renewed leaves do not keep to
    monotonic constraints nor to `l2_regularization`, in scikit-learn's own losses neither: pass
    ``renew_leaves=False`` with them. Robust losses whose scale is far below that of the residuals, such as
    ``Huber(delta=1.0)`` with targets in thousands, learn faster with ``renew_leaves=True``.

    One tree is grown per iteration for the regressor: losses of distributions and several quantiles need another
    booster (`fastloss.adapters.lightgbm`, `fastloss.adapters.xgboost`). With early stopping, scikit-learn splits off
    the rows for validation stratified by class, which shares between 0 and 1 are not: pass `X_val` and `y_val` then.

    References
    ----------
    J. Friedman, Greedy function approximation: a gradient boosting machine, Annals of Statistics 29, 2001.

    Examples
    --------
    With scikit-learn itself::

        from sklearn.ensemble import HistGradientBoostingClassifier

        model = HistGradientBoostingClassifier(loss=hist_gradient_boosting_loss(fl.BinaryFocal(gamma=2.0)))
        probability = model.fit(X, y, sample_weight=w).predict_proba(X)[:, 1]
    """
    module = _trainer()
    objective = make_objective(loss, None, None)
    raw = objective.loss
    if getattr(raw, "targets", "labels") == "dense":
        raise ValueError(f"loss must take labels, got {raw!r}, which takes a number for each class")
    if raw.n_predictions != 1 and not isinstance(raw.info.y_domain, ClassLabels):
        raise ValueError(
            f"loss must have one prediction for each row, or one for each class: the estimator grows no other "
            f"number of trees; got {raw!r}"
        )
    if n_classes is not None:
        n_classes = check.positive_integer("n_classes", n_classes)
    of_residual = raw.n_predictions == 1 and is_of_residual(raw)
    if renew_leaves is None:
        renew_leaves = of_residual and raw.info.differentiability == "C0"
    elif check.flag("renew_leaves", renew_leaves) and not of_residual:
        raise ValueError(f"renew_leaves must be False: {raw!r} is not a function of the residual alone")
    if hessian is None:
        hessian = "unit" if renew_leaves else raw.default_hessian
    check.curvature(raw, hessian)
    return module.HistGradientBoostingLoss(raw, hessian, bool(renew_leaves), n_classes)


@cache
def _trainer() -> Any:
    """The module that subclasses scikit-learn's private class, if the two fit together."""
    found = _scikit_learn().__version__
    reason = "a training step with it gives another result"
    try:
        module = import_module("._hist_gradient_boosting", __package__)
        if module.works():
            return module
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        reason = str(error)
    raise ImportError(
        f"this needs the private interface of losses of scikit-learn 1.5 to 1.9, which {found} has changed ({reason}): "
        f"pip install 'fastloss[sklearn]' 'scikit-learn<1.10'"
    )


# ---- scoring --------------------------------------------------------------------------------------------------------


def scorer(loss: Any, *, response: str | Callable[[Any, Any], ArrayLike] = "auto") -> LossScorer:
    """Make a scorer of a loss, for `cross_val_score`, `GridSearchCV` and whatever else takes `scoring`.

    Parameters
    ----------
    loss : Loss, str or dict
        A loss of one input, its name, or its configuration.
    response : {"auto", "predict", "predict_proba", "decision_function"} or callable, default "auto"
        What is compared with the targets. ``"predict"`` and ``"predict_proba"`` give predictions on the natural scale
        (a loss with ``log_input=True`` or ``from_logits=True`` takes their logarithms or logits),
        ``"decision_function"`` raw scores. A callable ``(estimator, X) -> array`` gives what the loss itself takes,
        for estimators with other methods: ``lambda model, X: np.stack(model.predict(X, return_std=True), -1)``.
        ``"auto"``: probabilities for losses of probabilities, logits or their logarithms; raw scores for losses of
        margins, such as `Hinge`; else `predict`.

    Returns
    -------
    LossScorer
        Called as ``scorer(estimator, X, y, sample_weight=None)``: minus the mean loss, so that greater is better.

    Raises
    ------
    TypeError, ValueError
        If the loss is unknown or of several inputs, or does not go with the response.

    Examples
    --------
    >>> import fastloss as fl
    >>> from fastloss.adapters.sklearn import scorer
    >>> scorer(fl.MeanAbsoluteError())
    LossScorer(MeanAbsoluteError(), response='predict')

    With scikit-learn itself::

        cross_val_score(PoissonRegressor(), X, y, scoring=scorer("poisson"))
        GridSearchCV(model, grid, scoring=scorer(fl.BinaryFocal(gamma=2.0)).set_score_request(sample_weight=True))
    """
    loss = get(loss)
    if isinstance(loss, InputsLoss | RegionLoss):
        raise ValueError(f"loss must be a loss of predictions, got {loss!r}")
    if not callable(response):
        response = check.one_of("response", response, ("auto", *RESPONSES))
    if response == "auto":
        of_classes = isinstance(loss.info.y_domain, Labels | ClassLabels)
        response = "decision_function" if of_classes else "predict"
        response = "predict_proba" if loss.link.name in PROBABILITY_LINKS else response
    elif response == "predict_proba" and loss.link.name not in PROBABILITY_LINKS:
        raise ValueError(f"response must be 'predict' or 'decision_function': {loss!r} has no probabilities")
    return LossScorer(loss, response)
