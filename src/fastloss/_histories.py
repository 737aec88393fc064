"""Records of training, whoever wrote them, as columns of numbers: for plots and diagnosis."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ._base import Array

HELD_OUT = re.compile(r"(^|[^a-z])(val|valid|validation|test|eval|oos)([^a-z]|$)")
FIRST_IS_TRAINING = ("training", "validation")


@dataclasses.dataclass(frozen=True, eq=False)
class Record:
    """What happened in a run.

    Attributes
    ----------
    iteration : ndarray
        Numbers of the iterations: 1, 2, ... unless the history says others.
    series : dict of ndarray
        Losses and scores, by name; NaN where there is none.
    time, gradient_norm, step : ndarray or None
        Seconds since the start, norm of the gradient, length of the step.
    """

    iteration: Array
    series: dict[str, Array]
    time: Array | None = None
    gradient_norm: Array | None = None
    step: Array | None = None

    @property
    def training(self) -> dict[str, Array]:
        """The series of the rows that were trained on."""
        return {name: values for name, values in self.series.items() if not is_held_out(name)}

    @property
    def held_out(self) -> dict[str, Array]:
        """The series of other rows."""
        return {name: values for name, values in self.series.items() if is_held_out(name)}


def is_held_out(name: str) -> bool:
    """Whether a name says that rows were held out: ``val_loss``, ``validation_0 rmse`` ..."""
    return bool(HELD_OUT.search(name.lower()))


def record_of(history: Any, name: str = "history") -> Record:
    """Read a history.

    Parameters
    ----------
    history : object
        What an optimiser of `fastloss.optim` returned, a `LossMonitor`, a ``History`` of Keras, an estimator that keeps
        its losses (scikit-learn, LightGBM, XGBoost, `fastloss.nn`), a mapping of names to numbers (also nested, as
        boosters have it), or a sequence of numbers.
    name : str
        What messages call it.

    Returns
    -------
    Record

    Raises
    ------
    TypeError, ValueError
        If it is none of those, or holds no numbers.

    Examples
    --------
    >>> from fastloss._histories import record_of
    >>> record_of({"loss": [3.0, 2.0], "val_loss": [3.0, 2.5]}).held_out
    {'val_loss': array([3. , 2.5])}
    """
    columns = _columns(history)
    if columns is None:
        raise TypeError(
            f"{name} must be a result, monitor, estimator, mapping or sequence, got {type(history).__name__}"
        )
    special = {key: columns.pop(key, None) for key in ("iteration", "time", "gradient_norm", "step")}
    series = {}
    for key, values in columns.items():
        column = np.asarray(values, float)
        if column.ndim == 2 and column.shape[1] == 2:  # means and spreads of a cross-validation
            column = column[:, 0]
        if column.ndim != 1:
            raise ValueError(f"{name} must hold sequences of numbers, got the shape {column.shape} for {key!r}")
        series[str(key)] = column
    n = max((len(column) for column in series.values()), default=0)
    if n == 0:
        raise ValueError(f"{name} must hold at least one number")
    series = {key: np.concatenate([column, np.full(n - len(column), np.nan)]) for key, column in series.items()}
    found = {key: None if values is None else np.asarray(values, float) for key, values in special.items()}
    iteration = found.pop("iteration")
    return Record(np.arange(1.0, n + 1) if iteration is None else iteration, series, **found)


def _columns(history: Any) -> dict[str, Any] | None:
    if isinstance(history, Mapping):
        flat: dict[str, Any] = {}
        for key, values in history.items():
            if isinstance(values, Mapping):
                flat |= {f"{key} {inner}": numbers for inner, numbers in values.items()}
            else:
                flat[str(key)] = values
        return flat
    inner = getattr(history, "history", None)
    if isinstance(inner, Mapping):  # of Keras, which counts from 0, or a monitor
        epochs = getattr(history, "epoch", None)
        return _columns(inner if epochs is None else {**inner, "iteration": np.asarray(epochs) + 1})
    if inner is not None:
        history = inner
    if hasattr(history, "value") and hasattr(history, "gradient_norm"):  # of `optim`
        fields = ("value", "gradient_norm", "step", "time")
        columns = {field: getattr(history, field) for field in fields if hasattr(history, field)}
        return columns | {"iteration": np.arange(len(history.value))}
    if isinstance(history, np.ndarray) or (isinstance(history, Sequence) and not isinstance(history, str)):
        return {"value": history}
    return _of_estimator(history)


def _of_estimator(model: Any) -> dict[str, Any] | None:
    evals = getattr(model, "evals_result_", None)
    if evals is None and callable(getattr(model, "evals_result", None)):
        evals = model.evals_result()
    if isinstance(evals, Mapping) and evals:
        return _columns(evals)
    found = {}
    for kinds in (("loss_curve_", "validation_curve_"), ("train_score_", "validation_score_")):
        for part, kind in zip(FIRST_IS_TRAINING, kinds, strict=True):
            values = getattr(model, kind, None)
            if values is not None and len(values):
                found[part] = values
    return found or None
