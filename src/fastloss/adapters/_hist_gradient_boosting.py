"""A loss behind the private interface that scikit-learn's histogram gradient boosting calls.

Design. scikit-learn splits a loss in two: `BaseLoss` allocates arrays and knows domains and link, its attribute `closs`
computes. Here `closs` is a thin face of our kernels, so that everything else stays scikit-learn's own code: what it
adds or renames there is inherited, and what it moves fails in `works`, not in the middle of a training.

Trees of the estimator see y as float64, raw scores as float64 in columns, and outputs as float32 that the kernels
write into; nothing is copied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn._loss.link import BaseLink, Interval
from sklearn._loss.loss import BaseLoss
from sklearn.utils.metaestimators import available_if

from .._base import Array, ArrayLike, Loss
from .._domains import ClassLabels, Domain, Labels
from .._domains import Interval as Numbers
from ._objective import has_spikes, limit_spikes


def is_of_classes(loss: Loss) -> bool:
    """Whether targets are classes, or shares of them."""
    return isinstance(loss.info.y_domain, Labels | ClassLabels) or loss.link.gives_probabilities


@dataclass(frozen=True)
class Terms:
    """The kernels under the names of scikit-learn's compiled losses: results go into `*_out`."""

    of: Loss
    curvature: str

    def loss(
        self, y_true: Array, raw_prediction: Array, sample_weight: Array | None, loss_out: Array, n_threads: int = 1
    ) -> None:
        """Weighted values of the rows."""
        self.of(y_true, raw_prediction, sample_weight, reduction="none", out=loss_out, n_threads=n_threads)

    def gradient(
        self, y_true: Array, raw_prediction: Array, sample_weight: Array | None, gradient_out: Array, n_threads: int = 1
    ) -> None:
        """Weighted gradients."""
        self.of.gradient(y_true, raw_prediction, sample_weight, reduction="sum", out=gradient_out, n_threads=n_threads)

    def loss_gradient(
        self,
        y_true: Array,
        raw_prediction: Array,
        sample_weight: Array | None,
        loss_out: Array,
        gradient_out: Array,
        n_threads: int = 1,
    ) -> None:
        """Weighted values and gradients."""
        out = loss_out, gradient_out
        self.of.value_and_gradient(
            y_true, raw_prediction, sample_weight, reduction="none", out=out, n_threads=n_threads
        )

    def gradient_hessian(
        self,
        y_true: Array,
        raw_prediction: Array,
        sample_weight: Array | None,
        gradient_out: Array,
        hessian_out: Array,
        n_threads: int = 1,
    ) -> None:
        """Weighted gradients and curvatures."""
        self.of.gradient_and_hessian(
            y_true,
            raw_prediction,
            sample_weight,
            reduction="sum",
            out=(gradient_out, hessian_out),
            n_threads=n_threads,
            hessian=self.curvature,
        )
        if has_spikes(self.of, self.curvature):
            limit_spikes(gradient_out, hessian_out, 0.0)


class LossLink(BaseLink):
    """The link of a loss under scikit-learn's names."""

    def __init__(self, loss: Loss) -> None:
        self.of = loss.link
        self.is_multiclass = loss.n_predictions == 0
        if self.of.name == "identity":
            (domain,) = loss.f_domains
            self.interval_y_pred = _interval(domain)
        else:
            low, high = (0.0, 1.0) if self.is_multiclass else self.of.inverse([-np.inf, np.inf])
            self.interval_y_pred = Interval(float(low), float(high), False, False)

    def link(self, y_pred: ArrayLike) -> Array:
        """Raw scores of natural predictions."""
        return self.of(y_pred)

    def inverse(self, raw_prediction: ArrayLike) -> Array:
        """Natural predictions of raw scores."""
        return self.of.inverse(raw_prediction)


class HistGradientBoostingLoss(BaseLoss):
    """What `hist_gradient_boosting_loss` makes; see there.

    Parameters
    ----------
    loss : Loss
        A loss on the raw scale: of one prediction for each row, or of one for each class.
    curvature : str
        One of its `hessian_policies`.
    renew_leaves : bool
        Whether leaves take the minimiser of the loss over their rows rather than a Newton step.
    n_classes : int or None
        The number of classes of a multi-class loss; None to learn it from the targets of each fit.
    """

    def __init__(self, loss: Loss, curvature: str, renew_leaves: bool, n_classes: int | None) -> None:
        self.of, self.curvature, self.renew_leaves = loss, curvature, renew_leaves
        self.is_multiclass = loss.n_predictions == 0
        self.fixed_n_classes = n_classes
        super().__init__(
            Terms(loss, curvature),
            LossLink(loss),
            n_classes=n_classes if self.is_multiclass else 2 if is_of_classes(loss) else None,
        )
        self.differentiable = not renew_leaves
        self.approx_hessian = curvature != "exact"
        self.interval_y_true = _interval(loss.info.y_domain)

    def __call__(
        self, y_true: Array, raw_prediction: Array, sample_weight: Array | None = None, n_threads: int = 1
    ) -> float:
        """Compute the mean in one pass; rows of weight 0 are out, even where their loss is infinite."""
        scores = raw_prediction if self.is_multiclass else raw_prediction.reshape(len(raw_prediction))
        return float(self.of(y_true, scores, sample_weight, n_threads=n_threads))

    def in_y_true_range(self, y: Array) -> bool:
        """Whether all targets are allowed."""
        domain = self.of.info.y_domain
        bounds = (self.n_classes or np.inf,) if isinstance(domain, ClassLabels) else ()
        return bool((domain.contains(y, *bounds) & np.isfinite(y)).all())

    def fit_intercept_only(self, y_true: Array, sample_weight: Array | None = None) -> Any:
        """Compute the raw score, or the row of them, that minimises the loss; learn the number of classes."""
        if self.renew_leaves and sample_weight is not None and not np.any(sample_weight):
            return np.float64(0.0)  # a leaf whose rows all weigh nothing stays as it is
        if not self.is_multiclass:
            return np.float64(self.of.init_score(y_true, sample_weight))
        row = self.of.init_score(y_true, sample_weight, n_classes=self.fixed_n_classes)  # type: ignore[call-arg]
        if len(row) < 3:
            raise ValueError(
                f"loss must be a loss of two classes, such as BinaryCrossEntropy, where y has {len(row)}: "
                f"the estimator then makes one score for each row; got {self.of!r}"
            )
        self.n_classes = len(row)
        return row

    def constant_to_optimal_zero(self, y_true: Array, sample_weight: Array | None = None) -> Array:
        """Minus the loss of perfect predictions, for one prediction a row."""
        if self.is_multiclass:
            return np.zeros_like(y_true)
        return np.asarray(-self.of(y_true, self.link.link(y_true), sample_weight, reduction="none"))

    @available_if(lambda self: is_of_classes(self.of))
    def predict_proba(self, raw_prediction: Array) -> Array:
        """Probabilities of the classes, shape (n, K)."""
        if not self.of.link.gives_probabilities:
            raise ValueError(f"{self.of!r} gives no probabilities: use predict or decision_function")
        if self.is_multiclass:
            return np.asarray(self.link.inverse(raw_prediction))
        raw = raw_prediction.reshape(len(raw_prediction))
        return np.stack([self.link.inverse(-raw), self.link.inverse(raw)], axis=1)

    def __repr__(self) -> str:
        return f"<{self.of!r} for HistGradientBoosting, hessian={self.curvature!r}, renew_leaves={self.renew_leaves}>"


def _interval(domain: Domain) -> Interval:
    """scikit-learn's form of a domain."""
    if isinstance(domain, Numbers):
        finite_low, finite_high = np.isfinite([domain.low, domain.high])
        return Interval(domain.low, domain.high, bool(finite_low and not domain.low_open), bool(finite_high))
    if isinstance(domain, Labels):
        return Interval(-1.0 if domain.signed else 0.0, 1.0, True, True)
    return Interval(0.0, np.inf, True, False)


def works() -> bool:
    """Whether scikit-learn's trainer and this class still fit together: they train like its own squared error."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    from ..losses import HalfSquaredError

    x = np.arange(8.0)
    ours = HistGradientBoostingLoss(HalfSquaredError(), "exact", False, None)
    theirs, own = (
        HistGradientBoostingRegressor(loss, max_iter=1, min_samples_leaf=2, early_stopping=False)
        .fit(x[:, None], x**2, sample_weight=1 + x)
        .predict(x[:, None])
        for loss in ("squared_error", ours)
    )
    return bool(np.allclose(theirs, own, rtol=1e-9) and np.ptp(own) > 0)
