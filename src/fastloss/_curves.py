"""Losses along a line of predictions: what plots draw.

Design. A `Slice` turns any loss of predictions into functions of one number t, the position on a line through the space
of predictions: the prediction itself, or for a row of classes the score of one of them. `_jumps` finds their kinks.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from . import _validation as check
from ._base import Array, ArrayLike, Loss, PointwiseLoss
from ._domains import REAL, UNIT, ClassLabels, Interval, Labels
from ._jumps import Trace, jumps, trace
from ._rows import RowLoss
from .weighted_sum import WeightedSum

SPAN = 4.0  # default distance of the ends of a slice from its target
N_CLASSES = 3
TERMS = ("value", "gradient", "hessian")


@dataclasses.dataclass(frozen=True, eq=False)
class Slice:
    """A loss of one target along a line of predictions, ``start + t * direction``.

    Attributes
    ----------
    loss : Loss
        The loss.
    y : ndarray
        The target: a number or a row.
    start, direction : ndarray
        The line; numbers for one prediction, rows for several.
    low, high : float
        What to look at of it.
    label : str
        What t is.
    """

    loss: Loss
    y: Array
    start: Array
    direction: Array
    low: float
    high: float
    label: str

    def predictions(self, t: ArrayLike) -> Array:
        """The predictions at positions t."""
        return np.asarray(self.start + np.multiply.outer(np.asarray(t, float), self.direction))

    def _targets(self, t: ArrayLike) -> Array:
        return np.broadcast_to(self.y, np.shape(t) + self.y.shape)

    @property
    def terms(self) -> tuple[str, ...]:
        """What there is: no hessian along a line that no axis follows, nor of a loss without one."""
        along_axis = np.count_nonzero(self.direction) == 1
        return TERMS if along_axis and "exact" in self.loss.hessian_policies else TERMS[:2]

    def value(self, t: ArrayLike) -> Array:
        """The values at positions t."""
        return np.asarray(self.loss(self._targets(t), self.predictions(t), reduction="none"))

    def gradient(self, t: ArrayLike) -> Array:
        """The derivatives in t."""
        g = self.loss.gradient(self._targets(t), self.predictions(t), reduction="none")
        if self.direction.ndim == 0:
            return g
        with np.errstate(invalid="ignore"):
            return np.asarray(np.sum(np.where(self.direction == 0, 0, g * self.direction), axis=-1))

    def hessian(self, t: ArrayLike) -> Array:
        """The second derivatives in t."""
        h = self.loss.hessian(self._targets(t), self.predictions(t), reduction="none")
        return h if self.direction.ndim == 0 else np.asarray(h[..., int(np.flatnonzero(self.direction)[0])])

    def grid(self, n: int = 801) -> Array:
        """Positions from `low` to `high`: even ones, and closer and closer ones at the bounds of the domain."""
        ends = [np.geomspace(1e-4, 1, 40) * (self.high - self.low) / n]
        close = [self.low + ends[0], self.high - ends[0]] if self._bounded else []
        special = [x for x in (0.0, float(self.y) if self.y.ndim == 0 else 0.0) if self.low < x < self.high]
        return np.unique(np.concatenate([np.linspace(self.low, self.high, n), special, *close]))

    @property
    def _bounded(self) -> bool:
        return any(isinstance(d, Interval) and d.rule != "any" for d in self.loss.f_domains)

    def trace(self, term: str, n: int = 801) -> Trace:
        """Trace one of the terms; the corners of the value are among its points."""
        grid = self.grid(n)
        if term == "value":
            grid = np.unique(np.concatenate([grid, [jump.x for jump in jumps(self.gradient, grid)]]))
        return trace(getattr(self, term), grid)


def can_slice(loss: Any) -> bool:
    """Whether there are slices of a loss: of one target, and a prediction or a row of them, in one sample."""
    return isinstance(loss, (PointwiseLoss, RowLoss, WeightedSum))


def slice_of(loss: Loss, y_true: ArrayLike | None = None, between: tuple[float, float] | None = None) -> Slice:
    """Make the slice of a loss that shows it best.

    Parameters
    ----------
    loss : Loss
        A loss of single samples.
    y_true : float or array_like of shape (K,), optional
        The target; by default the simplest of its domain.
    between : (float, float), optional
        The ends of the slice; by default around the target, or what the domain has.

    Returns
    -------
    Slice
        Of one prediction, that itself; of a distribution, its first parameter beside a scale of 1; of a row, the entry
        of the true class. Others are 0, at a natural scale they share what is left of 1.

    Raises
    ------
    TypeError, ValueError
        If the loss is not one of single samples, or an argument does not have the type or range above.
    """
    if not can_slice(loss):
        raise ValueError(f"loss must be one of single samples with one prediction or a row of them, got {loss!r}")
    y = _default_target(loss) if y_true is None else check.as_array("y_true", y_true)
    y = y.astype(int) if isinstance(loss.info.y_domain, ClassLabels) and y.ndim == 0 else y.astype(float)
    domain = loss.f_domains[0]
    if loss.n_predictions == 0:
        start, direction, label = _row_line(loss, y)
    elif loss.n_predictions > 1:
        start = np.array([0.0, *(float(d != REAL) for d in loss.f_domains[1:])])  # a scale of 1, or its logarithm 0
        direction, label = np.eye(loss.n_predictions)[0], "first parameter, the scale fixed"
    else:
        start, direction, label = np.zeros(()), np.ones(()), "y_pred"
    low, high = _ends(loss, y, domain) if between is None else check.real_numbers("between", between)
    if isinstance(domain, Interval):
        low, high = max(low, domain.low), min(high, domain.high)
    if not low < high:
        raise ValueError(f"between must be an increasing pair inside the domain {domain}, got {between!r}")
    return Slice(loss, y, start, direction, low, high, label)


def _default_target(loss: Loss) -> Array:
    domain, kind = loss.info.y_domain, getattr(loss, "targets", "")
    if kind == "vectors" or kind == "dense":
        row = np.eye(_n_classes(loss))[0]
        return np.asarray(np.log(0.9 * row + 0.05)) if getattr(loss, "log_target", False) else row
    if kind in ("labels", "both"):
        return np.array(0)
    if isinstance(domain, Labels) or domain == UNIT:
        return np.array(1.0)
    real = isinstance(domain, Interval) and domain.low == -math.inf
    return np.array(0.0 if real and (loss.n_predictions != 1 or is_of_residual(loss)) else 1.0)


def is_of_residual(loss: Loss) -> bool:
    """Whether a loss of one prediction depends on y_pred - y_true alone: tried out."""
    if not can_slice(loss) or loss.n_predictions != 1 or loss.link.name != "identity":
        return False
    if not isinstance(loss.info.y_domain, Interval):
        return False
    y, f = np.array([[0.5, 1.75, 3.0, 8.0], [1.5, -0.25, 4.0, 0.0]])  # exact sums
    values = [loss(y + shift, f + shift, reduction="none") for shift in (0.0, 1.0, 16.0)]
    return bool(np.allclose(values, values[0], rtol=1e-12))


def _n_classes(loss: Loss) -> int:
    parts = loss.parts if isinstance(loss, WeightedSum) else ((1.0, loss),)
    fixed = [len(v) for _, part in parts for v in part._parameters().values() if isinstance(v, tuple)]
    return fixed[0] if fixed else N_CLASSES


def _row_line(loss: Loss, y: Array) -> tuple[Array, Array, str]:
    k = len(y) if y.ndim else max(_n_classes(loss), int(y) + 1 if y.dtype.kind == "i" else 0)
    if getattr(loss, "targets", "") == "values":
        return np.full(k, float(y)) - float(y) * np.eye(k)[0], np.eye(k)[0], "first prediction"
    true = np.eye(k)[int(y) if y.ndim == 0 else int(np.argmax(y))]
    if getattr(loss, "targets", "") == "vectors":
        return np.roll(true, 1), true, "component along the target"
    if loss.info.f_domain == UNIT:
        others = (1 - true) / (k - 1) if k > 1 else 0 * true
        return others, true - others, "probability of the true class"
    return np.zeros(k), true, "score of the true class, others 0"


def _ends(loss: Loss, y: Array, domain: Any) -> tuple[float, float]:
    if domain == UNIT:
        return 0.0, 1.0
    parts = loss.parts if isinstance(loss, WeightedSum) else ((1.0, loss),)
    numbers = [v for _, part in parts for v in part._parameters().values() if type(v) is float and math.isfinite(v)]
    span = min(max([SPAN, *(2 * v for v in numbers)]), 5 * SPAN)
    centre = float(y) if y.ndim == 0 and isinstance(loss.info.y_domain, Interval) else 0.0
    if loss.info.y_domain == UNIT:
        centre = 0.0
    if isinstance(domain, Interval) and domain.low > -math.inf:
        return domain.low, centre + SPAN * max(1.0, abs(centre))
    if loss.link.name in ("log", "log, log") and centre > 0:  # log-rates
        return math.log(centre) - SPAN / 2, math.log(centre) + SPAN / 2
    return centre - span, centre + span
