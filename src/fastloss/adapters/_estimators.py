"""What the estimators of all boosters share: a loss, its constant prediction, and the way from scores to predictions.

Design. The estimators are subclasses of the booster's own, so that every parameter, callback and method stays. Each
adds the parameters `loss`, `hessian` and `min_hessian`; the mixins here turn them into what one fit needs (`_begin`),
and raw scores into predictions (`_natural` and the methods above it). A booster's module only hands over objective,
metric and `init_score_` in the way of its library, and gives `_raw_scores`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.metaestimators import available_if

from .._base import Array, ArrayLike, Loss
from .._domains import ClassLabels, Labels
from .._registry import get
from ._objective import Objective, make_objective


def _can(question: str) -> Callable[[Any], bool]:
    """A check for `available_if`: whether the loss, fitted or given, answers the question."""
    return lambda estimator: bool(getattr(estimator, question)())


class BoostedLoss:
    """A booster's estimator with any loss.

    Attributes after `fit`
    ----------------------
    loss_ : Loss
        The loss on the raw scale.
    init_score_ : float or ndarray of shape (K,)
        The constant raw score that minimises the loss on the training targets; boosting starts from it.
    """

    loss: Any
    hessian: str | None
    min_hessian: float | None

    loss_: Loss
    init_score_: Any

    @abstractmethod
    def _raw_scores(self, X: Any, **options: Any) -> Array:
        """Raw scores of rows, including `init_score_`: (n,) or (n, K)."""

    def _begin(self, loss: Loss, y: Array, sample_weight: ArrayLike | None, **known: Any) -> Objective:
        """Set the attributes of a fit and return its objective; `known` goes to the `init_score` of the loss."""
        objective = make_objective(loss, self.hessian, self.min_hessian)
        self.loss_ = objective.loss
        self.init_score_ = self.loss_.init_score(y, sample_weight, **known)
        return objective

    @property
    def _n_scores(self) -> int:
        """Raw scores of a row."""
        return int(np.size(self.init_score_))

    def _natural(self, raw: Array) -> Array:
        """Predictions on the natural scale: rates, probabilities."""
        return np.asarray(self.loss_.link.inverse(raw))


def without_units(objective: Objective, y: Array, start: Any, sample_weight: ArrayLike | None) -> Objective:
    """Divide by the median curvature at the start, which is 1 for half the squared error.

    The curvature of the absolute error has the unit 1 / y, that of a mean in a Gaussian likelihood 1 / y**2. In dollars
    instead of millions, sums of it would vanish beside a booster's smallest sum of hessians in a leaf and its L2
    penalty, and nothing would be learnt. Newton steps do not change.
    """
    if objective.loss.link.name not in ("identity", "identity, log"):
        return objective
    _, hessian = objective(y, np.tile(start, (len(y), *[1] * np.ndim(start))))
    weights = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight)
    unit = np.quantile(hessian, 0.5, axis=0, weights=weights if weights.size else None, method="inverted_cdf")
    unit = np.where(unit > 0, unit, 1).tolist()
    return replace(objective, unit=tuple(unit) if isinstance(unit, list) else unit)


class LossRegressorMixin(BoostedLoss):
    """Regression with any loss of one target: pointwise, of a distribution, or of several quantiles."""

    def _begin_regression(self, y: ArrayLike, sample_weight: ArrayLike | None) -> Objective:
        """Check the loss and begin a fit."""
        objective = self._begin(self._regression_loss(), np.asarray(y), sample_weight)
        return without_units(objective, np.asarray(y), self.init_score_, sample_weight)

    def _regression_loss(self) -> Loss:
        """The loss that was asked for; raise unless it has one number as the target of a row."""
        loss = self._loss()
        targets = getattr(loss, "targets", "values")
        if targets != "values" or isinstance(loss.info.y_domain, ClassLabels):
            raise ValueError(f"loss must have one number as the target of a row, got {loss!r}")
        return loss

    def _loss(self) -> Loss:
        """The loss that was asked for; by default the squared error."""
        return get("half_squared_error" if self.loss is None else self.loss)

    def _predict_natural(self, raw: Array) -> Array:
        """Predictions of a regressor; of a distribution its mean or location."""
        natural = self._natural(raw)
        return np.asarray(natural[:, 0]) if self.loss_.n_predictions == 2 else natural

    def _has_distribution(self) -> bool:
        return hasattr(getattr(self, "loss_", None) or self._loss(), "distribution")

    @available_if(_can("_has_distribution"))
    def predict_distribution(self, X: Any, **options: Any) -> Any:
        """Predict a distribution for each row; only with a loss of distributions, such as `GaussianNLL`.

        Parameters
        ----------
        X : array_like of shape (n, n_features)
            As for `predict`.
        **options
            As for `predict`.

        Returns
        -------
        scipy.stats distribution
            Frozen, with parameters of shape (n,): ``.mean()``, ``.std()``, ``.interval(0.9)``, ``.logpdf(y)`` ...
        """
        return self.loss_.distribution(self._raw_scores(X, **options))  # type: ignore[attr-defined]


class LossClassifierMixin(BoostedLoss):
    """Classification with any loss of classes, labels of any kind."""

    classes_: Array

    def _begin_classification(self, y: ArrayLike, sample_weight: ArrayLike | None) -> tuple[Objective, Array]:
        """Check the loss, begin a fit; the objective and the labels as 0 ... K - 1."""
        encoder = LabelEncoder()
        codes = encoder.fit_transform(np.asarray(y))
        classes = encoder.classes_
        k = len(classes)
        loss = self._loss_for(k)
        several = isinstance(loss.info.y_domain, ClassLabels)
        if several and loss.targets == "dense":  # type: ignore[attr-defined]
            raise ValueError(f"loss must take labels, got {loss!r}, which takes a number for each class")
        if not (several or isinstance(loss.info.y_domain, Labels) or loss.link.gives_probabilities):
            raise ValueError(f"loss must be a loss of classes, got {loss!r}")
        if k > 2 and not several:
            raise ValueError(f"loss must be a loss of several classes for the {k} classes of y, got {loss!r}")
        objective = self._begin(loss, codes, sample_weight, **({"n_classes": k} if several else {}))
        self.classes_ = classes
        return objective, codes

    def _loss_for(self, n_classes: int) -> Loss:
        """The loss that was asked for; by default the cross-entropy."""
        default = "binary_cross_entropy" if n_classes <= 2 else "sparse_categorical_cross_entropy"
        return get(default if self.loss is None else self.loss)

    def _encoded(self, y: ArrayLike) -> Array:
        """Labels of other rows as 0 ... K - 1; those of unknown classes raise."""
        encoder = LabelEncoder()
        encoder.classes_ = self.classes_
        return np.asarray(encoder.transform(np.asarray(y)))

    def _decided(self, raw: Array) -> Array:
        """The label of the highest score."""
        codes = (raw > 0).astype(int) if raw.ndim == 1 else raw.argmax(axis=1)
        return np.asarray(self.classes_[codes])

    def _has_probabilities(self) -> bool:
        loss = getattr(self, "loss_", None)
        link = self._loss_for(2).link if loss is None else loss.link
        return link.gives_probabilities

    def _probabilities(self, raw: Array) -> Array:
        """Probabilities of the classes, shape (n, K)."""
        if len(self.classes_) == 1:
            return np.ones((len(raw), 1), raw.dtype)
        natural = self._natural(raw)
        return natural if natural.ndim == 2 else np.stack([self._natural(-raw), natural], axis=1)
