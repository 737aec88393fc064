"""Where targets and predictions may lie: what the kernels check, messages name and tests draw from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Interval:
    """A closed interval of numbers, or one that is open below.

    As the domain of `y_true` only its finite members are allowed; as the domain of `y_pred` infinities and NaN pass.
    """

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False

    @property
    def rule(self) -> str:
        """The kernels' name of the check."""
        return "any" if self.low == -math.inf and self.high == math.inf else "interval"

    def contains(self, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Whether each finite element lies inside (all elements, where the interval is the whole line)."""
        if self.rule == "any":
            return np.ones(x.shape, bool)
        above = x > self.low if self.low_open else x >= self.low
        return np.asarray(np.isfinite(x) & above & (x <= self.high))

    def __str__(self) -> str:
        if self.rule == "any":
            return "real"
        if self.high == math.inf:
            return f"{'>' if self.low_open else '>='} {self.low:g}"
        return f"in {'(' if self.low_open else '['}{self.low:g}, {self.high:g}]"


@dataclass(frozen=True)
class Labels:
    """Class labels: 0 and 1, or (signed) 1 for one class and either 0 or -1 for the other."""

    signed: bool = False

    @property
    def rule(self) -> str:
        """The kernels' name of the check."""
        return "signed" if self.signed else "binary"

    def contains(self, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Whether each element is one of the labels."""
        return np.asarray((x == 0) | (x == 1) | (self.signed & (x == -1)))

    def __str__(self) -> str:
        return "0 or 1, or -1 or 1" if self.signed else "0 or 1"


@dataclass(frozen=True)
class ClassLabels:
    """Indices of K classes, of any number type; K is the last axis of `y_pred`."""

    @property
    def rule(self) -> str:
        """The kernels' name of the check."""
        return "labels"

    def contains(self, x: np.ndarray[Any, Any], n_classes: float = math.inf) -> np.ndarray[Any, Any]:
        """Whether each element is a class index: never for NaN and fractions."""
        whole = x == np.floor(x) if x.dtype.kind == "f" else True
        return np.asarray((x >= 0) & (x < n_classes) & whole)

    def __str__(self) -> str:
        return "class indices 0 ... K - 1"


Domain = Interval | Labels | ClassLabels


def intersection(a: Domain, b: Domain) -> Domain | None:
    """What lies in both domains; None where that is nothing, or is not a domain."""
    if a == b:
        return a
    if isinstance(a, Interval) and isinstance(b, Interval):
        low, high = max(a.low, b.low), min(a.high, b.high)
        is_open = (a.low_open and a.low == low) or (b.low_open and b.low == low)
        return Interval(low, high, is_open) if low < high or (low == high and not is_open) else None
    if isinstance(a, Interval):
        a, b = b, a
    if isinstance(a, ClassLabels) or isinstance(b, ClassLabels):
        return a if b == REAL else None
    for labels in (a, BINARY):
        if b.contains(np.array([-1.0, 0.0, 1.0] if labels == SIGNED else [0.0, 1.0])).all():
            return labels
    return None


REAL = Interval()
NON_NEGATIVE = Interval(0.0)
POSITIVE = Interval(0.0, low_open=True)
UNIT = Interval(0.0, 1.0)
BINARY = Labels()
SIGNED = Labels(signed=True)
CLASSES = ClassLabels()
