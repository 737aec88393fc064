"""Regions of several samples and classes: which count, and with which share of the average."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._base import Array

if TYPE_CHECKING:
    from ._regions import RegionLoss


class Averages:
    """Regions of a call in rows of samples: what counts, and with which share; all that is known without predictions.

    Attributes
    ----------
    classes : ndarray of shape (C',)
        The classes that take part.
    sums : ndarray of shape (R, G, 4)
        The sums of G regions of each of R samples.
    shares : ndarray of shape (R, G)
        What values are multiplied by before they are added up: 0 for what takes no part.
    factors : ndarray of shape (R, G)
        The same for gradients.
    total : float
        What the mean divides by.
    """

    def __init__(self, loss: RegionLoss, sums: Array, w: Array | None, mean: bool, cotangent: Array | None) -> None:
        self.n_samples, self.n_classes = sums.shape[:2]
        self.classes = np.arange(self.n_classes) if loss.classes is None else np.array(loss.classes)
        self.average = loss.average
        self._pooled = None if loss.per_sample or w is None else w
        sums = self._weighted(sums[:, self.classes])
        if not loss.per_sample:
            sums = np.sum(sums, axis=0, keepdims=True)
        if loss.average == "micro":
            sums = np.sum(sums, axis=1, keepdims=True)
        self.sums = np.ascontiguousarray(sums)

        empty = sums[..., 0] == 0
        present = ~empty if loss._empty == "ignore" else np.ones_like(empty)
        weights = np.ones((len(sums), 1)) if w is None or not loss.per_sample else w[:, None]
        if loss.average == "none":
            shares, counts = present.astype(float), present
        else:
            mass = present * (1.0 if loss.class_weight is None else np.array(loss.class_weight)[self.classes])
            whole = np.sum(mass, axis=1, keepdims=True)
            shares, counts = np.divide(mass, whole, out=np.zeros(mass.shape), where=whole > 0), whole > 0
        self.total = float(np.sum(weights * counts))
        self.shares = np.where(empty & (loss._empty == "zero"), 0.0, shares) * weights
        self.factors = self.shares
        if cotangent is not None:
            self.factors = self.shares * cotangent.reshape(counts.shape)
        elif mean:
            self.factors = self.shares / self.total if self.total > 0 else np.zeros_like(self.shares)

    def averaged(self, values: Array) -> Array:
        """The weighted values, given those of regions."""
        values = np.where(self.shares == 0, 0.0, self.shares * values)
        return values if self.average == "none" else np.sum(values, axis=1)

    def spread(self, of_regions: Array) -> Array:
        """What regions have, for each sample and class."""
        spread = np.zeros((self.n_samples, self.n_classes, *of_regions.shape[2:]))
        spread[:, self.classes] = of_regions
        return self._weighted(spread)

    def _weighted(self, of_samples: Array) -> Array:
        """Times the weights of samples that are one region."""
        if self._pooled is None:
            return of_samples
        weights = self._pooled.reshape(-1, *[1] * (of_samples.ndim - 1))
        return np.where(weights == 0, 0.0, weights * of_samples)
