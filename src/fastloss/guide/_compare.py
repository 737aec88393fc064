"""Many losses on the same predictions."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from .. import _validation as check
from .._base import Array, ArrayLike, Loss
from .._curves import can_slice
from .._domains import BINARY, CLASSES, SIGNED, ClassLabels
from .._registry import get, list_losses
from .._text import aligned

TOP = 0.01


@dataclasses.dataclass(frozen=True)
class Line:
    """A loss on the data.

    Attributes
    ----------
    loss : Loss
        The loss, on the scale of the predictions.
    value : float
        Its weighted mean.
    constant : float
        That of the best constant prediction; NaN where there is none.
    slope : float
        The largest absolute gradient of a row (of a row of predictions: its length).
    top_share : float
        The share of the largest 1 % of these (at least one row) in their sum, with the weights.
    still : float
        The share of rows whose gradient is 0: they teach nothing.
    """

    loss: Loss
    value: float
    constant: float
    slope: float
    top_share: float
    still: float

    @property
    def name(self) -> str:
        """The name of the loss in the registry."""
        return self.loss.info.name


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What `compare` found; ``print`` it for a table.

    Attributes
    ----------
    lines : tuple of Line
        One for each loss.
    left_out : dict of str
        Why others could not be computed, by name.
    """

    lines: tuple[Line, ...]
    left_out: dict[str, str]

    def columns(self) -> dict[str, list[Any]]:
        """Return the table as columns, as pandas and Polars take them."""
        fields = ("name", "value", "constant", "slope", "top_share", "still")
        return {field: [getattr(line, field) for line in self.lines] for field in fields}

    def __str__(self) -> str:
        rows = [("loss", "value", "constant", "largest slope", "top 1 % pull", "rows at rest")]
        for x in self.lines:
            constant = "-" if math.isnan(x.constant) else f"{x.constant:.4g}"
            shares = (f"{100 * x.top_share:.0f} %", f"{100 * x.still:.0f} %")
            rows.append((x.name, f"{x.value:.4g}", constant, f"{x.slope:.3g}", *shares))
        return aligned(rows, numbers=True)


def compare(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    losses: Any = None,
    *,
    sample_weight: ArrayLike | None = None,
    raw: bool = False,
) -> Comparison:
    """Evaluate many losses on the same predictions.

    Parameters
    ----------
    y_true : array_like
        Targets.
    y_pred : array_like
        Predictions.
    losses : sequence of Loss, str or dict, or the name of a family, optional
        By default all of the registry that take such targets and predictions; for targets of only 0 and 1 (or -1 and
        1), one prediction each, those of binary classification.
    sample_weight : array_like, optional
        Weights >= 0.
    raw : bool, default False
        Whether predictions are raw scores (logits, log-rates), rather than on the scale that each loss has.

    Returns
    -------
    Comparison
        Values of different losses have different units: compare each with its `constant`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above, or no loss fits.

    Examples
    --------
    >>> import fastloss as fl
    >>> y, f = [0.0, 1.0, 2.0, 30.0], [0.5, 1.0, 1.5, 2.0]
    >>> print(fl.guide.compare(y, f, ["mse", "mae", "tukey_biweight"]))
    loss                  value  constant  largest slope  top 1 % pull  rows at rest
    mean_squared_error    196.1     158.2             56          97 %          25 %
    mean_absolute_error    7.25      7.75              1          33 %          25 %
    tukey_biweight       0.9763     1.153          0.489          50 %          50 %
    """
    y, f = check.as_array("y_true", y_true), check.as_array("y_pred", y_pred)
    if not f.size:
        raise ValueError("y_pred must not be empty")
    raw = check.flag("raw", raw)
    lines, left_out = [], {}
    for shown in dict.fromkeys(loss.on_raw() if raw else loss for loss in _candidates(losses, y, f)):
        try:
            lines.append(_line(shown, y, f, sample_weight))
        except (TypeError, ValueError) as error:
            left_out[shown.info.name] = str(error)
    if not lines:
        reasons = "; ".join(f"{name}: {text}" for name, text in list(left_out.items())[:3])
        raise ValueError(f"losses must hold one that takes these targets and predictions ({reasons})")
    return Comparison(tuple(lines), left_out)


def _candidates(losses: Any, y: Array, f: Array) -> list[Loss]:
    if losses is None:
        return [loss for name in list_losses() if can_slice(loss := get(name)) and _suits(loss, y, f)]
    if isinstance(losses, str) and (family := list_losses(family=losses)):
        return [loss for name in family if can_slice(loss := get(name))]
    several = losses if isinstance(losses, (list, tuple)) else [losses]
    found = [get(each) for each in several]
    for loss in found:
        if not can_slice(loss):
            raise ValueError(f"losses must be of single samples, got {loss!r}")
    return found


def _suits(loss: Loss, y: Array, f: Array) -> bool:
    """Whether a loss is meant for targets and predictions of such shapes and kinds."""
    domain = loss.info.y_domain
    if loss.n_predictions == 1:
        labels = bool(np.all(BINARY.contains(y)) or np.all(SIGNED.contains(y) & (y != 0)))
        return y.shape == f.shape and (loss.info.family == "binary" or not labels)
    if loss.n_predictions > 1:
        return bool(f.shape == (*y.shape, loss.n_predictions))
    if f.ndim < 2:
        return False
    of_labels = f.shape[:-1] == y.shape and bool(np.all(CLASSES.contains(y, f.shape[-1])))
    return not of_labels or isinstance(domain, ClassLabels)


def _line(loss: Loss, y: Array, f: Array, w: ArrayLike | None) -> Line:
    value, gradient = loss.value_and_gradient(y, f, w)
    slopes = loss.gradient(y, f, reduction="sum")
    sizes, pulls = (np.abs(g) if loss.n_predictions == 1 else np.linalg.norm(g, axis=-1) for g in (slopes, gradient))
    sizes, pulls = sizes.ravel(), pulls.ravel()
    total = float(np.sum(pulls))
    top = np.sort(pulls)[-max(1, math.ceil(TOP * pulls.size)) :]
    return Line(
        loss,
        float(value),
        _constant(loss, y, f, w),
        float(np.max(sizes)),
        float(np.sum(top) / total) if total > 0 else 0.0,
        float(np.mean(sizes == 0)),
    )


def _constant(loss: Loss, y: Array, f: Array, w: ArrayLike | None) -> float:
    """The mean loss of the best constant, on the raw scale."""
    rows = f.shape if loss.n_predictions == 1 else f.shape[:-1]
    weights = None if w is None else np.broadcast_to(np.asarray(w), rows)
    try:
        known = {"n_classes": f.shape[-1]} if getattr(loss, "targets", "") in ("labels", "both") else {}
        score = np.asarray(loss.init_score(y, weights, **known))
        return float(loss.on_raw()(y, np.broadcast_to(score, f.shape), w))
    except (NotImplementedError, TypeError, ValueError):
        return math.nan
