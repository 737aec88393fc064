"""The scorer of a loss for scikit-learn, which is not imported here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _validation as check
from .._base import Array, ArrayLike, Loss

RESPONSES = ("predict", "predict_proba", "decision_function")

PROBABILITY_LINKS = ("logit", "half_logit", "softmax", "log_softmax")
"""Links of losses that probabilities of classes can be brought to the scale of."""


class LossScorer:
    """Minus the mean of a loss, as scikit-learn calls it; made by `scorer`.

    Can be pickled and copied. With metadata routing, ``set_score_request(sample_weight=True)`` asks for weights.

    Attributes
    ----------
    loss : Loss
        The loss.
    response : str or callable
        What it is given of an estimator.
    """

    def __init__(self, loss: Loss, response: str | Callable[[Any, Any], ArrayLike]) -> None:
        self.loss, self.response = loss, response
        self._sample_weight: bool | str | None = None

    def __call__(self, estimator: Any, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Score a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted; for probabilities and raw scores a classifier with `classes_`, of any kind of labels.
        X : array_like of shape (n, n_features)
            Rows.
        y : array_like of shape (n,)
            Their targets; labels as the classifier knows them.
        sample_weight : array_like of shape (n,), optional
            Weights >= 0.

        Returns
        -------
        float
            Minus the weighted mean of the loss.

        Raises
        ------
        AttributeError
            If the estimator has no such response.
        ValueError
            If a label is unknown to the estimator, or the loss does not go with its number of classes.
        """
        loss, targets, scores = self.compared(estimator, X, y)
        return -float(loss(targets, scores, sample_weight))

    def compared(self, estimator: Any, X: Any, y: ArrayLike) -> tuple[Loss, ArrayLike, Any]:
        """Return what is compared: the loss on the scale of the responses, the targets as it takes them, the responses.

        Parameters, errors: as for the call.

        Returns
        -------
        loss : Loss
        y_true, y_pred : array_like
        """
        if callable(self.response):
            return self.loss, y, self.response(estimator, X)
        given = np.asarray(getattr(estimator, self.response)(X))
        if self.response == "predict":
            loss, scores = self._on_its_scale(given)
            return loss, y, scores
        targets = self.encoded(y, np.asarray(estimator.classes_))
        loss, scores = self._classified(given, len(estimator.classes_))
        return loss, targets, scores

    def _on_its_scale(self, natural: Array) -> tuple[Loss, Array]:
        """The loss and what it takes for predictions on the natural scale."""
        raw = self.loss.on_raw()
        if raw == self.loss or self.loss.link.name == "log_softmax":
            return raw, raw.link(natural)
        return self.loss, natural

    def _classified(self, given: Array, k: int) -> tuple[Loss, Array]:
        """The loss and what it takes for the responses of a classifier of k classes."""
        several = self.loss.n_predictions == 0
        if given.shape[1:] not in ((k,), ()) or (k > 2 and given.ndim == 1):
            raise ValueError(
                f"{self.response} must give a score for each of the {k} classes, got the shape {given.shape}"
            )
        if k > 2 and not several:
            raise ValueError(f"loss must be a loss of several classes for the {k} classes of y, got {self.loss!r}")
        if self.response == "predict_proba":
            return self._on_its_scale(given if several else given[:, -1])
        if several and given.ndim == 1:  # one score for two classes: the difference of theirs
            given = np.stack([-given, given], axis=1) / 2
        return self.loss.on_raw(), given

    def encoded(self, y: ArrayLike, classes: Array) -> Array:
        """Labels as 0 ... K - 1, or one-hot where the loss takes a number for each class."""
        labels = np.asarray(y)
        codes = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
        if not (known := classes[codes] == labels).all():
            raise check.outside("y", f"among the classes {classes.tolist()} of the estimator", labels, known)
        return np.eye(len(classes))[codes] if getattr(self.loss, "targets", "") == "dense" else codes

    def set_score_request(self, *, sample_weight: bool | str | None = None) -> LossScorer:
        """Say whether metadata routing passes weights to the scorer.

        Parameters
        ----------
        sample_weight : bool, str or None
            True: pass them. False: do not. None: raise where they are given. A text: under that name.

        Returns
        -------
        LossScorer
            The scorer itself, changed.
        """
        self._sample_weight = sample_weight
        return self

    def get_metadata_routing(self) -> Any:
        """Return the request for metadata, for scikit-learn.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRequest
        """
        from sklearn.utils.metadata_routing import MetadataRequest

        request = MetadataRequest(owner=self)
        request.score.add_request(param="sample_weight", alias=self._sample_weight)
        return request

    def __repr__(self) -> str:
        return f"LossScorer({self.loss!r}, response={self.response!r})"
