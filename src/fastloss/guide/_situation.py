"""What is known about a task: as it is told, and as targets show it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from .. import _validation as check
from .._base import Array, ArrayLike
from .._registry import get, list_losses

SYNONYMS = {
    "count": "counts",
    "positive": "counts",
    "distribution": "distributions",
    "probabilistic": "distributions",
    "embedding": "embeddings",
    "similarity": "embeddings",
    "multi-class": "multiclass",
    "multi_class": "multiclass",
    "binary_classification": "binary",
    "multiclass_classification": "multiclass",
}
OUTLIERS = ("none", "few", "many")
PREDICTS = ("mean", "median", "quantile", "mode", "probability", "distribution", "order")
MODELS = ("booster", "linear", "neural")
FAR = 5.0  # robust standard deviations from the median: one in two million of a normal distribution
MANY = 0.05  # share of far targets


@dataclasses.dataclass(frozen=True)
class Situation:
    """What the rules of `recommend` look at; None where nothing is known."""

    task: str
    outliers: str | None = None
    imbalance: float | None = None
    label_noise: float | None = None
    predict: str | None = None
    model: str | None = None
    y: Array | None = None


def families() -> tuple[str, ...]:
    """The families of the registry, in its order."""
    return tuple(dict.fromkeys(get(name).info.family for name in list_losses()))


def situation(
    task: Any, outliers: Any, imbalance: Any, label_noise: Any, predict: Any, model: Any, n_classes: Any, y_true: Any
) -> Situation:
    """Check what is told, and add what targets show."""
    y = None if y_true is None else np.ravel(check.as_array("y_true", y_true)).astype(float)
    if y is not None and not (y.size and np.isfinite(y).all()):
        raise ValueError("y_true must hold finite numbers, at least one")
    family = _family(task, n_classes, y)
    if isinstance(outliers, (bool, np.bool_)):
        outliers = "few" if outliers else "none"
    elif outliers is not None and not isinstance(outliers, str):
        share = check.real_number("outliers", outliers, ge=0, le=1)
        outliers = "none" if share == 0 else "few" if share < MANY else "many"
    if outliers is not None:
        check.one_of("outliers", outliers, OUTLIERS)
    if isinstance(imbalance, (bool, np.bool_)):
        imbalance = 0.05 if imbalance else 0.5
    if imbalance is not None:
        imbalance = check.real_number("imbalance", imbalance, gt=0, le=0.5)
    if isinstance(label_noise, (bool, np.bool_)):
        label_noise = 0.1 if label_noise else 0.0
    if label_noise is not None:
        label_noise = check.real_number("label_noise", label_noise, ge=0, lt=1)
    for name, value, options in (("predict", predict, PREDICTS), ("model", model, MODELS)):
        if value is not None:
            check.one_of(name, value, options)
    if y is not None:
        if family in ("binary", "multiclass"):
            imbalance = rarest(y) if imbalance is None else imbalance
        elif outliers is None and family in ("regression", "distributions"):
            outliers = far_targets(y)
    return Situation(family, outliers, imbalance, label_noise, predict, model, y)


def _family(task: Any, n_classes: Any, y: Array | None) -> str:
    known = families()
    if n_classes is not None:
        n_classes = check.positive_integer("n_classes", n_classes)
    if task is None:
        if y is None:
            raise ValueError(f"task must be given where there is no y_true: one of {', '.join(known)}")
        values = np.unique(y)
        if values.size <= 2 and np.isin(values, (-1, 0, 1)).all():
            return "binary"
        if np.all(values == np.floor(values)) and values[0] >= 0:
            raise ValueError("task must be given: y_true may hold counts or classes")
        return "regression"
    if not isinstance(task, str):
        raise TypeError(f"task must be a text, got {type(task).__name__}")
    name = task.strip().lower().replace(" ", "_")
    if name == "classification":
        k = n_classes if n_classes is not None else 2 if y is None else np.unique(y).size
        return "binary" if k <= 2 else "multiclass"
    return str(check.one_of("task", SYNONYMS.get(name, name), known))


def rarest(y: ArrayLike) -> float:
    """The share of the rarest class."""
    _, counts = np.unique(np.asarray(y), return_counts=True)
    return float(counts.min() / counts.sum()) if len(counts) > 1 else 0.5


def robust_scale(x: Array) -> float:
    """The standard deviation of a normal distribution with the same median absolute deviation; else the usual one."""
    return float(1.4826 * np.median(np.abs(x - np.median(x))) or np.std(x))


def far_targets(y: Array) -> str:
    """How many targets are far from the others."""
    scale = robust_scale(y)
    share = float(np.mean(np.abs(y - np.median(y)) > FAR * scale)) if scale > 0 else 0.0
    return "none" if share == 0 else "few" if share < MANY else "many"
