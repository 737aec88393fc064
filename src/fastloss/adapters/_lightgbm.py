"""LightGBM's estimators with any loss; imported by `fastloss.adapters.lightgbm` on first use.

Design. A fit trains LightGBM's own estimator, made of this one (`_plain`), and takes over what it has learnt. To
LightGBM `loss` is an alias of `objective`, so it must not see the parameters that are ours.

A custom objective starts from a score for each row, which LightGBM does not keep. After training it is added to the
first tree of each class, as LightGBM does itself when it boosts from the average (`Tree::AddBias`): then whatever uses
the booster has it.
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar

import lightgbm
import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets

from .._base import Array
from ._estimators import BoostedLoss, LossClassifierMixin, LossRegressorMixin, _can
from ._objective import Objective
from .lightgbm import metric

OURS = ("loss", "hessian", "min_hessian")
OBJECTIVE_ALIASES = ("objective", "objective_type", "app", "application")
METRIC_ALIASES = ("metric", "metrics", "metric_types")


def add_intercept(booster: Any, scores: Any) -> None:
    """Add a constant to the raw score of each class: to the leaves of its first tree."""
    scores = np.atleast_1d(scores)
    trees = re.split(r"^(?=Tree=)", booster.model_to_string(num_iteration=-1), maxsplit=len(scores) + 1, flags=re.M)
    for k, score in enumerate(scores, start=1):
        trees[k] = re.sub(
            r"^(leaf_value|leaf_const|internal_value)=(.*)$",
            lambda line, score=score: f"{line[1]}={' '.join(str(float(x) + score) for x in line[2].split())}",
            trees[k],
            flags=re.M,
        )
    trees[0] = re.sub(r"^tree_sizes=.*\n", "", trees[0], flags=re.M)  # optional; of the texts as they were
    booster.model_from_string("".join(trees))


def _keep_objective(env: Any) -> None:
    """Let LightGBM know that its objective is none already.

    Otherwise it resets that before the first tree, which fails where no feature can be split: too few rows, constants.
    """
    env.model._Booster__set_objective_to_none = True


_keep_objective.before_iteration = True  # type: ignore[attr-defined]


class _Boosted(BoostedLoss, lightgbm.LGBMModel):
    """What both estimators add to LightGBM's."""

    _theirs: ClassVar[Any]

    def __init__(self, *, loss: Any = None, hessian: Any = None, min_hessian: Any = None, **parameters: Any) -> None:
        super().__init__(**parameters)
        self.set_params(loss=loss, hessian=hessian, min_hessian=min_hessian)

    def set_params(self, **parameters: Any) -> Any:
        """Set parameters.

        Parameters
        ----------
        **parameters
            Ours and those of LightGBM.

        Returns
        -------
        LossRegressor or LossClassifier
            This object.
        """
        for name in OURS:  # LightGBM would keep them as parameters of its own
            if name in parameters:
                setattr(self, name, parameters.pop(name))
        return super().set_params(**parameters)

    def _plain(self, **parameters: Any) -> Any:
        """The same estimator as one of LightGBM's own: without our parameters, with others instead."""
        plain: Any = copy.copy(self)
        plain.__class__ = self._theirs
        plain._other_params = plain._other_params | parameters
        return plain

    def _train(self, objective: Objective, given: dict[str, Any], encoded: Callable[[Any], Any]) -> None:
        """Fit with the arguments that LightGBM's `fit` was given, and with `encoded` labels."""
        known = self.get_params()
        for name in OBJECTIVE_ALIASES:
            if known.get(name) is not None:
                raise ValueError(f"{name} must be None, because the loss is the objective, got {known[name]!r}")
        if known["boosting_type"] in ("rf", "random_forest"):
            raise ValueError(
                "boosting_type must not be 'rf': LightGBM's random forests take no objective but their own"
            )
        given["y"] = encoded(given["y"])
        labels = _encode_evaluation(given, encoded)
        constant = given.get("init_score") is None and given.get("init_model") is None
        if constant:
            given["init_score"] = self._start(given["y"])
            if labels and given.get("eval_init_score") is None:
                given["eval_init_score"] = [self._start(y) for y in labels]

        parameters = {"num_class": self._n_scores, "metric": "None"}
        if any(known.get(name) is not None for name in METRIC_ALIASES):
            del parameters["metric"]
        elif given.get("eval_metric") is None:
            given["eval_metric"] = self._default_metric()
        plain = self._plain(**parameters)
        plain.objective = plain._objective = objective
        plain.class_weight = plain._class_weight = None  # in the weights
        given["callbacks"] = [_keep_objective, *(given.get("callbacks") or ())]
        plain.fit(**given)
        if constant:
            add_intercept(plain.booster_, self.init_score_)
        self.__dict__.update({k: v for k, v in vars(plain).items() if k not in known and k != "_other_params"})

    def _default_metric(self) -> Any:
        """What sets of evaluation are measured by, if nothing else was asked for."""
        return metric(self.loss_)

    def _start(self, y: Any) -> Array:
        """The constant raw score for each row of some labels."""
        return np.tile(self.init_score_, (len(np.asarray(y)), *[1] * np.ndim(self.init_score_)))

    def _weights(self, y: Any, sample_weight: Any) -> Any:
        """The weights of rows times those of their classes."""
        if self.class_weight is None:
            return sample_weight
        of_class = compute_sample_weight(self.class_weight, y)
        return of_class if sample_weight is None else np.multiply(sample_weight, of_class)

    def _raw_scores(self, X: Any, **options: Any) -> Any:
        """Raw scores of rows, or leaves, or contributions, if `options` ask for them."""
        return self._plain().predict(X, **(options | {"raw_score": True}))


def _arguments(fit: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """The arguments of a call of LightGBM's `fit`, by name."""
    given = inspect.signature(fit).bind(None, *args, **kwargs).arguments
    return {name: value for name, value in given.items() if name != "self"}


def _encode_evaluation(given: dict[str, Any], encoded: Callable[[Any], Any]) -> list[Any]:
    """Encode the labels of the sets of evaluation in place, and list them."""
    if (sets := given.get("eval_set")) is not None:
        pairs = [(x, encoded(y)) for x, y in ([sets] if isinstance(sets, tuple) else sets)]
        given["eval_set"] = pairs
        return [y for _, y in pairs]
    if (labels := given.get("eval_y")) is not None:
        several = isinstance(labels, tuple)
        found = [encoded(y) for y in (labels if several else [labels])]
        given["eval_y"] = tuple(found) if several else found[0]
        return found
    return []


def _passed_on(raw_score: bool, options: dict[str, Any]) -> bool:
    """Whether a prediction is to be returned as it comes from the booster."""
    return bool(raw_score or options.get("pred_leaf") or options.get("pred_contrib"))


class LossRegressor(LossRegressorMixin, _Boosted, lightgbm.LGBMRegressor):
    """LightGBM's regressor, trained with any loss of one target.

    Use it for quantiles (one with `Quantile`, several at once with `MultiQuantile`), robust losses, rates and positive
    targets, and distributions (`GaussianNLL` ...). It is an `LGBMRegressor`, with all of its parameters and methods.

    Parameters
    ----------
    loss : Loss, str or dict, optional
        The loss, its name, or its configuration; by default half the squared error.
    hessian : str, optional
        The curvature, one of the `hessian_policies` of the loss on the raw scale; by default its `default_hessian`.
    min_hessian : float, optional
        Floor of the hessian, >= 0, in the units of loss and weights.
    **parameters
        Those of `lightgbm.LGBMRegressor`, but `objective`. Those of LightGBM's own objectives have no effect.

    Attributes
    ----------
    loss_ : Loss
        The loss on the raw scale.
    init_score_ : float or ndarray of shape (K,)
        The constant raw score that minimises the loss on the training targets. Boosting starts from it, and the first
        tree has it added, unless `fit` was given `init_score` or `init_model`.
    objective_ : Objective
        What trained.

    See Also
    --------
    objective, metric : The same for LightGBM's own estimators and its native interface.

    Notes
    -----
    Results do not depend on the unit of the target: where the link is the identity, gradient and hessian are divided by
    the median hessian of the constant prediction, so that ``min_child_weight`` and ``reg_lambda`` count rows as they do
    with the squared error. LightGBM's own objectives of quantiles set leaves to quantiles of residuals after each tree,
    which is not open to others.

    Examples
    --------
    >>> import numpy as np, fastloss as fl
    >>> from fastloss.adapters.lightgbm import LossRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(size=(500, 1))
    >>> y = rng.exponential(1 + 3 * X[:, 0])
    >>> model = LossRegressor(loss=fl.Quantile(quantile=0.9), n_estimators=50, verbose=-1, n_jobs=1)
    >>> print(round(np.mean(y <= model.fit(X, y).predict(X)), 1))
    0.9
    """

    _theirs = lightgbm.LGBMRegressor

    @wraps(lightgbm.LGBMRegressor.fit, assigned=())
    def fit(self, *args: Any, **kwargs: Any) -> LossRegressor:
        """Train.

        Parameters
        ----------
        X, y, sample_weight, ...
            As for `lightgbm.LGBMRegressor.fit`. Without `eval_metric`, and without a parameter `metric`, the sets of
            evaluation are measured by the loss, which early stopping then follows; functions given as `eval_metric`
            get raw scores. A given `init_score` replaces `init_score_` and is, as always in LightGBM, not part of
            predictions; with `init_model` training goes on from its predictions.

        Returns
        -------
        LossRegressor
            This object.

        Raises
        ------
        ValueError, TypeError
            If the loss does not fit: one of several classes, targets outside its domain; or `objective` is set.
        """
        given = _arguments(lightgbm.LGBMRegressor.fit, *args, **kwargs)
        y = column_or_1d(given["y"]).astype(np.float64)
        given["sample_weight"] = self._weights(y, given.get("sample_weight"))
        objective = self._begin_regression(y, given["sample_weight"])
        self._train(objective, given, lambda labels: labels)
        return self

    def predict(self, X: Any, raw_score: bool = False, **options: Any) -> Any:
        """Predict on the natural scale: rates, not their logarithms.

        Parameters
        ----------
        X : array_like of shape (n, n_features)
            As for `fit`.
        raw_score : bool
            Whether to return raw scores instead.
        **options
            As for `lightgbm.LGBMRegressor.predict`: `num_iteration`, `pred_leaf`, `pred_contrib` ...

        Returns
        -------
        ndarray of shape (n,), or (n, K) with the loss of K quantiles
            With a loss of distributions the means or locations.
        """
        raw = self._raw_scores(X, **options)
        return raw if _passed_on(raw_score, options) else self._predict_natural(raw)


class LossClassifier(LossClassifierMixin, _Boosted, lightgbm.LGBMClassifier):
    """LightGBM's classifier, trained with any loss of two classes or of several.

    Use it for imbalanced classes (`BinaryFocal`, `CategoricalFocal`), for noisy labels (`GeneralizedCrossEntropy`,
    label smoothing), and for margins (`Hinge`). It is an `LGBMClassifier`, with all of its parameters and methods.

    Parameters
    ----------
    loss : Loss, str or dict, optional
        The loss, its name, or its configuration; by default the cross-entropy.
    hessian : str, optional
        The curvature, one of the `hessian_policies` of the loss on the raw scale; by default its `default_hessian`.
        ``"scaled"`` is that of LightGBM's own cross-entropy of several classes.
    min_hessian : float, optional
        Floor of the hessian, >= 0, in the units of loss and weights.
    **parameters
        Those of `lightgbm.LGBMClassifier`, but `objective`. Those of LightGBM's own objectives, such as
        `scale_pos_weight` and `is_unbalance`, have no effect; `class_weight` has.

    Attributes
    ----------
    loss_ : Loss
        The loss on the raw scale.
    init_score_ : float or ndarray of shape (K,)
        The constant raw score that minimises the loss on the training targets. Boosting starts from it, and the first
        tree has it added, unless `fit` was given `init_score` or `init_model`.
    objective_ : Objective
        What trained.
    classes_ : ndarray of shape (K,)
        The labels.

    See Also
    --------
    objective, metric : The same for LightGBM's own estimators and its native interface.

    Examples
    --------
    >>> import numpy as np, fastloss as fl
    >>> from fastloss.adapters.lightgbm import LossClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 2))
    >>> y = np.where(X[:, 0] + X[:, 1] > 2, "rare", "common")
    >>> model = LossClassifier(loss=fl.BinaryFocal(gamma=2.0), n_estimators=50, verbose=-1, n_jobs=1).fit(X, y)
    >>> print(model.predict([[2.0, 2.0], [-2.0, 0.0]]), model.predict_proba(X).shape)
    ['rare' 'common'] (500, 2)
    """

    _theirs = lightgbm.LGBMClassifier

    @property
    def classes_(self) -> Array:
        """The labels, in the order of the columns of probabilities."""
        if not hasattr(self, "_labels"):
            raise AttributeError("classes_ is known after fit")
        return self._labels

    @classes_.setter
    def classes_(self, labels: Array) -> None:
        self._labels = labels

    @wraps(lightgbm.LGBMClassifier.fit, assigned=())
    def fit(self, *args: Any, **kwargs: Any) -> LossClassifier:
        """Train.

        Parameters
        ----------
        X, y, sample_weight, ...
            As for `lightgbm.LGBMClassifier.fit`; labels of any kind. Without `eval_metric`, and without a parameter
            `metric`, the sets of evaluation are measured by the loss, which early stopping then follows; functions
            given as `eval_metric` get class indices and raw scores. A given `init_score` replaces `init_score_` and
            is, as always in LightGBM, not part of predictions; with `init_model` training goes on from its
            predictions.

        Returns
        -------
        LossClassifier
            This object.

        Raises
        ------
        ValueError, TypeError
            If the loss does not fit: not one of classes, or one of two for several; or `objective` is set.
        """
        given = _arguments(lightgbm.LGBMClassifier.fit, *args, **kwargs)
        y = given["y"]
        check_classification_targets(y)
        given["sample_weight"] = self._weights(y, given.get("sample_weight"))
        objective, codes = self._begin_classification(y, given["sample_weight"])
        if (weights := given.get("eval_class_weight")) is not None:
            numbered = weights.items() if isinstance(weights, dict) else enumerate(weights)
            given["eval_class_weight"] = {i: self._by_code(each) for i, each in numbered}
        self._train(objective, given, lambda labels: codes if labels is y else self._encoded(labels))
        return self

    def _by_code(self, weights: Any) -> Any:
        """Weights of classes for LightGBM, to which labels are 0 ... K - 1."""
        if not isinstance(weights, dict):
            return weights
        return dict(zip(self._encoded(list(weights)).tolist(), weights.values(), strict=True))

    def predict(self, X: Any, raw_score: bool = False, **options: Any) -> Any:
        """Predict labels.

        Parameters
        ----------
        X : array_like of shape (n, n_features)
            As for `fit`.
        raw_score : bool
            Whether to return raw scores instead.
        **options
            As for `lightgbm.LGBMClassifier.predict`: `num_iteration`, `pred_leaf`, `pred_contrib` ...

        Returns
        -------
        ndarray of shape (n,)
            Labels of the highest probability or score.
        """
        raw = self._raw_scores(X, **options)
        return raw if _passed_on(raw_score, options) else self._decided(raw)

    @available_if(_can("_has_probabilities"))
    def predict_proba(self, X: Any, raw_score: bool = False, **options: Any) -> Any:
        """Predict probabilities; only with a loss of probabilities, not with `Hinge` and its like.

        Parameters
        ----------
        X, raw_score, **options
            As for `predict`.

        Returns
        -------
        ndarray of shape (n, K)
            In the order of `classes_`.
        """
        raw = self._raw_scores(X, **options)
        return raw if _passed_on(raw_score, options) else self._probabilities(raw)

    def decision_function(self, X: Any, **options: Any) -> Any:
        """Predict raw scores.

        Parameters
        ----------
        X, **options
            As for `predict`.

        Returns
        -------
        ndarray of shape (n,), or (n, K) with a loss of several classes
        """
        return self._raw_scores(X, **options)
