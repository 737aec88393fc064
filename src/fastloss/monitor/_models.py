"""What models of all kinds predict in the middle of their training, on the scale that a loss takes.

Design. A probe is asked after each iteration for the predictions of some rows. Most predict them anew; that of LightGBM
adds the last tree to what it knows, so that a training of n trees evaluates n trees and not n squared; XGBoost keeps
predictions of a matrix of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _validation as check
from .._base import Array, Loss
from .._domains import ClassLabels

Predict = Callable[[Any, Any], Any]


class Rows:
    """Rows with targets and weights, and what a model predicts for them.

    Parameters
    ----------
    part : str
        ``"training"`` or ``"validation"``.
    given : tuple or DMatrix
        ``(X, y)`` or ``(X, y, sample_weight)``, or a matrix of XGBoost that has labels.
    """

    def __init__(self, part: str, given: Any) -> None:
        self.part, self.y, self.w = part, None, None
        if hasattr(given, "get_label") and hasattr(given, "num_row"):
            self.X, self.y = given, given.get_label()
            weights = given.get_weight()
            self.w = weights if weights is not None and np.size(weights) else None
        elif isinstance(given, (tuple, list)) and len(given) in (2, 3):
            self.X, self.y, self.w = (*given, None)[:3]
        else:
            raise TypeError(f"{part} must be (X, y), (X, y, sample_weight) or a matrix of XGBoost, got {given!r}")
        self._scores: Array | None = None
        self._trees = 0
        self._matrix: Any = None

    def forget(self) -> None:
        """Begin anew."""
        self._scores, self._trees, self._matrix = None, 0, None

    def of_lightgbm(self, model: Any, params: dict[str, Any]) -> Array:
        """Raw scores of a LightGBM booster."""
        n = model.current_iteration()
        kind = next((params[k] for k in ("boosting", "boosting_type", "boost") if k in params), "gbdt")
        if kind in ("dart", "rf", "random_forest"):  # all trees change, and a booster in training is better left alone
            copied = sys.modules["lightgbm"].Booster(model_str=model.model_to_string(num_iteration=n))
            total = np.asarray(copied.predict(self.X, raw_score=True))
            return total if kind == "dart" else total / n  # raw scores of a forest are sums
        if self._scores is None or n != self._trees + 1:
            self._scores = np.asarray(model.predict(self.X, raw_score=True, num_iteration=n))
        else:
            last = model.predict(self.X, raw_score=True, start_iteration=n - 1, num_iteration=1)
            self._scores = self._scores + last
        self._trees = n
        return self._scores

    def of_xgboost(self, model: Any) -> Array:
        """Raw scores of an XGBoost booster."""
        if hasattr(self.X, "get_label"):
            self._matrix = self.X
        if self._matrix is None:
            self._matrix = sys.modules["xgboost"].DMatrix(self.X)
        return np.asarray(model.predict(self._matrix, output_margin=True))

    def of_linear(self, theta: Array, loss: Loss) -> Array:
        """Raw scores of a linear model whose parameters are a flat vector, as `fastloss.optim.linear` has it."""
        width = self.X.shape[1] if hasattr(self.X, "shape") else np.shape(self.X)[1]
        k = 1 if loss.n_predictions == 1 else np.size(loss.init_score(self.y))
        if theta.size not in (k * width, k * (width + 1)):
            raise ValueError(
                f"predict must be given for parameters of the size {theta.size}: a linear model of {width} features "
                f"has {k * width}, with intercepts {k * (width + 1)}"
            )
        coef, intercept = theta[: k * width].reshape(k, width), theta[k * width :]
        scores = self.X @ coef.T + (intercept if intercept.size else 0.0)
        return np.asarray(scores[:, 0] if loss.n_predictions == 1 else scores)


def shaped(loss: Loss, predictions: Any, y: Any) -> Array:
    """Predictions without an axis of length 1 that the loss does not know, as Keras has it."""
    f = np.asarray(predictions)
    rows = np.shape(y)
    if loss.n_predictions == 1 and f.ndim == len(rows) + 1 and f.shape[-1] == 1:
        return f[..., 0]
    return f


def labels_for(loss: Loss, y: Any, predictions: Array) -> Any:
    """Labels without an axis of length 1, beside rows of classes."""
    labels = np.asarray(y)
    if isinstance(loss.info.y_domain, ClassLabels) and labels.ndim == predictions.ndim and labels.shape[-1] == 1:
        return labels[..., 0]
    return y


def own_loss(named: dict[str, Loss], raw: bool) -> dict[str, Loss]:
    """The losses, on the raw scale if that is what predictions are on."""
    return {name: loss.on_raw() if raw else loss for name, loss in named.items()}


def checked_predict(predict: Any) -> Predict | None:
    """A function of model and rows, or None."""
    if predict is not None and not callable(predict):
        raise TypeError(f"predict must be callable or None, got {type(predict).__name__}")
    return predict  # type: ignore[no-any-return]


def checked_init_score(init_score: Any) -> Array:
    """A number, or one for each score."""
    score = np.asarray(check.as_array("init_score", init_score), float)
    if score.ndim > 1 or not np.isfinite(score).all():
        raise ValueError(f"init_score must be a finite number, or one for each score, got {init_score!r}")
    return score
