"""The estimators of `fastloss.adapters.xgboost`: what needs XGBoost to be imported.

Design. An estimator keeps its own parameters as they are given; `fit` hands them, with what follows from the loss, to a
plain `XGBRegressor`, for classes too, and takes over its booster. That regressor trains any callable with any number of
scores, and nothing in an estimator changes for the time of a fit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import column_or_1d

from .._base import Array, ArrayLike
from .._links import Link
from .._registry import get
from ._estimators import BoostedLoss, LossClassifierMixin, LossRegressorMixin, _can
from ._objective import Objective
from .xgboost import Metric

OURS = ("loss", "hessian", "min_hessian", "objective")

# Objectives of XGBoost, of which only the link is used: for metrics that are named, and for whoever loads the model
# without fastloss. Not count:poisson for the logarithm: it comes with a max_delta_step.
OBJECTIVE_OF_LINK = {"logit": "binary:logistic", "log": "reg:gamma", "softmax": "multi:softprob"}
CERTAIN = 1e-6  # XGBoost keeps the probabilities that it starts from so far from 0 and 1


class _SetObjective(xgboost.callback.TrainingCallback):
    """Sets the objective before training: beside a callable, the estimators of XGBoost allow only their default."""

    def __init__(self, objective: str) -> None:
        self.objective = objective

    def before_training(self, model: Any) -> Any:
        model.set_param("objective", self.objective)
        return model


@dataclass(frozen=True)
class _OnNatural:
    """A metric of predictions on the natural scale, called with raw scores."""

    metric: Callable[..., float]
    link: Link

    @property
    def __name__(self) -> str:
        return self.metric.__name__

    def __call__(self, y_true: Array, y_pred: Array, **weights: Array) -> float:
        return self.metric(y_true, self.link.inverse(y_pred), **weights)


class _LossModel(xgboost.XGBModel, BoostedLoss):
    """What both estimators share."""

    base_score: Any

    def __init__(
        self,
        *,
        loss: Any = None,
        hessian: str | None = None,
        min_hessian: float | None = None,
        objective: None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(objective=objective, **kwargs)
        self.loss = loss
        self.hessian = hessian
        self.min_hessian = min_hessian

    def get_xgb_params(self) -> dict[str, Any]:
        """Get the parameters of XGBoost alone."""
        return {name: value for name, value in super().get_xgb_params().items() if name not in OURS}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = False
        if tags.classifier_tags is not None:
            tags.classifier_tags.multi_label = False
        return tags

    def _boost(self, objective: Objective, X: Any, y: Any, base_margin: Any, xgb_model: Any, **data: Any) -> Any:
        """Train a booster, after `_begin`."""
        if self.objective is not None:
            raise ValueError(f"objective must be None, the loss is the objective, got {self.objective!r}")
        if self.scale_pos_weight not in (None, 1):
            raise ValueError(
                f"scale_pos_weight must be None, got {self.scale_pos_weight!r}: "
                "give sample_weight, or a loss with a weight of classes"
            )
        if np.shape(self.init_score_) == (1,):
            raise ValueError(f"loss must have at least two classes or quantiles, got {self.loss_!r} with one")
        link = self.loss_.link
        given = self.get_params(deep=False)
        params = {"disable_default_eval_metric": True} | {k: v for k, v in given.items() if k not in OURS}
        params |= {"objective": objective, "eval_metric": self._metrics()}
        if link.name in OBJECTIVE_OF_LINK:
            params["callbacks"] = [_SetObjective(OBJECTIVE_OF_LINK[link.name]), *(self.callbacks or ())]
        if self._n_scores > 1:
            params["num_class"] = self._n_scores
        if self.base_score is None and xgb_model is None:
            params["base_score"] = _base_score(link, np.multiply(self.init_score_, base_margin is None))
        model = xgboost.XGBRegressor(**params).fit(X, y, base_margin=base_margin, xgb_model=xgb_model, **data)
        self._Booster = model.get_booster()
        self.evals_result_ = getattr(model, "evals_result_", None)
        return self

    def _metrics(self) -> Any:
        """The metrics of XGBoost by name, the others in a form that takes raw scores."""
        given = self.eval_metric
        if given is None:
            return Metric(self.loss_, self.loss_.info.name)
        if isinstance(given, Sequence) and given and not isinstance(given, str):
            several = [self._of_raw(metric) for metric in given]
            return several if len(several) > 1 else several[0]  # a list of one callable is too much for XGBoost
        return self._of_raw(given)

    def _of_raw(self, metric: Any) -> Any:
        takes_raw = isinstance(metric, Metric) and metric.raw
        return _OnNatural(metric, self.loss_.link) if callable(metric) and not takes_raw else metric

    def _raw_scores(self, X: Any, **options: Any) -> Array:
        return np.asarray(super().predict(X, output_margin=True, **options))

    def save_model(self, fname: Any) -> None:
        """Save the model, with loss and classes, as JSON or UBJSON; XGBoost alone can read it too.

        Parameters
        ----------
        fname : str or os.PathLike
            Path that ends in ``.json`` or ``.ubj``.
        """
        state = {"loss": self.loss_.config(), "init_score": np.asarray(self.init_score_).tolist()}
        state |= {"hessian": self.hessian, "min_hessian": self.min_hessian}
        if hasattr(self, "classes_"):
            state |= {"classes": self.classes_.tolist(), "dtype": self.classes_.dtype.str}
        self.get_booster().set_attr(fastloss=json.dumps(state))
        super().save_model(fname)

    def load_model(self, fname: Any) -> None:
        """Load what `save_model` saved: predictions, loss and classes; other parameters keep their values.

        Parameters
        ----------
        fname : str, os.PathLike or bytearray
            Path or content of the file.

        Raises
        ------
        ValueError
            If the model has no loss, or one that is not built in: construct the estimator with it before loading.
        """
        super().load_model(fname)
        saved = self.get_booster().attr("fastloss")
        if saved is None:
            raise ValueError(f"fname must be a model that {type(self).__name__}.save_model saved, got one without loss")
        state = json.loads(saved)
        given = None if self.loss is None else get(self.loss).on_raw()
        self.loss = self.loss_ = given if given and given.config() == state["loss"] else get(state["loss"])
        self.hessian, self.min_hessian = state["hessian"], state["min_hessian"]
        score = state["init_score"]
        self.init_score_ = np.array(score) if isinstance(score, list) else score
        self.objective = self.base_score = None  # XGBoost set them: a further fit starts anew
        if "classes" in state:
            self.classes_ = np.array(state["classes"], state["dtype"])
            self.n_classes_ = len(self.classes_)


def _base_score(link: Link, raw: Any) -> Any:
    """A constant raw score in the way that XGBoost takes it: through the link of its objective, but for softmax."""
    if link.name == "logit":
        return float(np.clip(link.inverse(raw), CERTAIN, 1 - CERTAIN))
    return float(link.inverse(raw)) if link.name == "log" else np.asarray(raw, float).tolist()


class LossRegressor(_LossModel, LossRegressorMixin, xgboost.XGBRegressor):
    """XGBoost's regressor with any loss of one target: pointwise, of a distribution, or of several quantiles.

    Parameters
    ----------
    loss : Loss, str or dict, optional
        The loss, its name, or its configuration; by default `HalfSquaredError`.
    hessian : str, optional
        The curvature, as for `objective`.
    min_hessian : float, optional
        Floor of the hessian, as for `objective`.
    objective : None
        Only None: the loss is the objective.
    **kwargs
        Every parameter of `xgboost.XGBRegressor`, with its name and default. ``base_score`` is on the natural scale
        (rates, probabilities; raw scores for several of them, as a list); by default the best constant,
        `init_score_`. ``eval_metric`` is by default the loss itself; metrics that you give, by name or callable, get
        predictions on the natural scale, but those made by `metric` the scale that they ask for.

    Attributes
    ----------
    loss_ : Loss
        The loss on the raw scale.
    init_score_ : float or ndarray of shape (K,)
        The constant raw score that minimises the loss. Boosting starts from it, unless there is a ``base_score``, a
        ``base_margin`` (which is then all of the start) or a model to continue.

    See Also
    --------
    LossClassifier : For classes.
    objective, metric : The parts, for XGBoost's own estimators and native interface.

    Notes
    -----
    Results do not depend on the unit of the target, as with the squared error: where the link is the identity, gradient
    and hessian are divided by the median hessian of the constant prediction, so that ``reg_lambda`` and
    ``min_child_weight`` count rows.

    Attributes of XGBoost's estimators, ``best_iteration``, ``feature_importances_`` and the rest, are there as usual.
    ``max_delta_step`` is 0 unless given, for `Poisson` too, where XGBoost's own objective has 0.7. With a loss of
    several quantiles ``score`` is not available: give model selection a ``scoring``.

    References
    ----------
    Chen and Guestrin (2016), XGBoost: a scalable tree boosting system.

    Examples
    --------
    With XGBoost installed::

        model = LossRegressor(loss=fl.Quantile(quantile=0.9), n_estimators=200, early_stopping_rounds=10)
        model.fit(X, y, eval_set=[(X_valid, y_valid)]).predict(X_test)

        model = LossRegressor(loss="gaussian_nll").fit(X, y)
        low, high = model.predict_distribution(X_test).interval(0.9)
    """

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        base_margin: ArrayLike | None = None,
        xgb_model: Any = None,
        **options: Any,
    ) -> Any:
        """Fit the model.

        Parameters
        ----------
        X : array_like or data frame of shape (n, n_features)
            Features; NaN is missing.
        y : array_like of shape (n,)
            Targets in the domain of the loss.
        sample_weight : array_like of shape (n,), optional
            Weights >= 0.
        base_margin : array_like of shape (n,) or (n, K), optional
            Raw scores to start from, such as the logarithm of an exposure; give it to `predict` as well.
        xgb_model : estimator, xgboost.Booster or str, optional
            A model with the same loss, or its path, to continue.
        **options
            As for `xgboost.XGBRegressor.fit`: ``eval_set``, ``sample_weight_eval_set``, ``base_margin_eval_set``,
            ``verbose``.

        Returns
        -------
        LossRegressor
            Itself.

        Raises
        ------
        ValueError
            If a parameter of ours or a target or weight is not allowed.
        """
        targets = column_or_1d(y, warn=True)
        objective = self._begin_regression(targets, sample_weight)
        return self._boost(objective, X, y, base_margin, xgb_model, sample_weight=sample_weight, **options)

    def predict(self, X: Any, *, output_margin: bool = False, **options: Any) -> Array:
        """Predict on the natural scale.

        Parameters
        ----------
        X : array_like or data frame of shape (n, n_features)
            Features.
        output_margin : bool
            Whether to return raw scores instead.
        **options
            As for `xgboost.XGBRegressor.predict`: ``base_margin``, ``iteration_range``, ``validate_features``.

        Returns
        -------
        ndarray of shape (n,) or (n, K)
            Of a distribution its mean or location, of several quantiles one column each.
        """
        raw = self._raw_scores(X, **options)
        return raw if output_margin else self._predict_natural(raw)


class LossClassifier(_LossModel, LossClassifierMixin, xgboost.XGBClassifier):
    """XGBoost's classifier with any loss of classes, and labels of any kind.

    Parameters
    ----------
    loss : Loss, str or dict, optional
        The loss, its name, or its configuration; by default the cross-entropy of two or of several classes.
    hessian : str, optional
        The curvature, as for `objective`.
    min_hessian : float, optional
        Floor of the hessian, as for `objective`.
    objective : None
        Only None: the loss is the objective.
    **kwargs
        Every parameter of `xgboost.XGBClassifier`, as for `LossRegressor`; not ``scale_pos_weight``: give weights.
        Metrics that you give see labels as 0 ... K - 1.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
        The labels, sorted.
    loss_, init_score_
        As for `LossRegressor`.

    See Also
    --------
    LossRegressor : For numbers.

    Examples
    --------
    With XGBoost installed::

        model = LossClassifier(loss=fl.BinaryFocal(gamma=2.0), n_estimators=200, early_stopping_rounds=10)
        model.fit(X, labels, eval_set=[(X_valid, labels_valid)]).predict_proba(X_test)
    """

    @property
    def classes_(self) -> Array:
        """The labels, sorted."""
        return self._classes

    @classes_.setter
    def classes_(self, classes: Array) -> None:
        self._classes = classes

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        base_margin: ArrayLike | None = None,
        eval_set: Any = None,
        xgb_model: Any = None,
        **options: Any,
    ) -> Any:
        """Fit the model.

        Parameters
        ----------
        X, sample_weight, base_margin, xgb_model, **options
            As for `LossRegressor.fit`.
        y : array_like of shape (n,)
            Labels of any kind that can be sorted.
        eval_set : sequence of pairs, optional
            Features and labels of other rows, of the same classes.

        Returns
        -------
        LossClassifier
            Itself.

        Raises
        ------
        ValueError
            If the loss does not fit the number of classes, a label of `eval_set` is unknown, or a parameter of ours or
            a weight is not allowed.
        """
        objective, codes = self._begin_classification(y, sample_weight)
        if isinstance(xgb_model, LossClassifier) and not np.array_equal(xgb_model.classes_, self.classes_):
            raise ValueError(f"y must hold the classes {xgb_model.classes_} of xgb_model, got {self.classes_}")
        self.n_classes_ = len(self.classes_)
        if eval_set is not None:
            eval_set = [(x, codes if labels is y else self._encoded(labels)) for x, labels in eval_set]
        data = {"sample_weight": sample_weight, "eval_set": eval_set, **options}
        return self._boost(objective, X, codes, base_margin, xgb_model, **data)

    def predict(self, X: Any, *, output_margin: bool = False, **options: Any) -> Array:
        """Predict labels.

        Parameters
        ----------
        X, output_margin, **options
            As for `LossRegressor.predict`.

        Returns
        -------
        ndarray of shape (n,)
            The label of the highest score; or raw scores, (n,) or (n, K).
        """
        raw = self._raw_scores(X, **options)
        return raw if output_margin else self._decided(raw)

    @available_if(_can("_has_probabilities"))
    def predict_proba(self, X: Any, **options: Any) -> Array:
        """Predict probabilities of the classes; only with a loss that has them, not with `Hinge`.

        Parameters
        ----------
        X, **options
            As for `LossRegressor.predict`.

        Returns
        -------
        ndarray of shape (n, K)
            In the order of `classes_`.
        """
        return self._probabilities(self._raw_scores(X, **options))


for _estimator in (LossRegressor, LossClassifier):
    _estimator.__module__ = "fastloss.adapters.xgboost"  # where it is public: unpickling checks for XGBoost there
