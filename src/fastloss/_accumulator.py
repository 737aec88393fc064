"""The value of a loss over data that come in parts."""

from __future__ import annotations

import json
import math
from typing import Any

from ._base import Loss
from ._registry import get

__all__ = ["LossAccumulator"]


class LossAccumulator:
    """Adds up a loss over parts of the data: batches, files, memory maps, processes, sites that share no data.

    `update` takes a part, `merge` another accumulator, and `result` is what the loss of all the data would be, to the
    last place or so, whatever the parts and their order: sums are kept with their rounding errors. It holds four
    numbers, and can be pickled or written as JSON.

    Parameters
    ----------
    loss : Loss, str or dict
        A loss of targets and predictions, its name, or its configuration.

    Attributes
    ----------
    loss : Loss
        The loss.
    weight : float
        What the mean divides by so far: the number of samples, or the sum of their weights.

    Raises
    ------
    TypeError
        If the loss is none, or has no sums over parts of the data, as losses of whole batches of embeddings.
    ValueError
        If the name of the loss is unknown.

    Examples
    --------
    >>> import fastloss as fl
    >>> total = fl.LossAccumulator("huber").update([0.0, 1.0], [0.5, 4.0])
    >>> elsewhere = fl.LossAccumulator("huber").update([2.0], [2.0])
    >>> total.merge(elsewhere).result() == fl.Huber()([0.0, 1.0, 2.0], [0.5, 4.0, 2.0])
    True
    """

    def __init__(self, loss: Any) -> None:
        self.loss: Loss = get(loss)
        if type(self.loss)._sums is Loss._sums:
            self.loss._sums()
        self._sum = self._weight = (0.0, 0.0)

    @property
    def weight(self) -> float:
        """What the mean divides by so far."""
        return self._weight[0] + self._weight[1]

    def update(self, y_true: Any, y_pred: Any, sample_weight: Any = None, **options: Any) -> LossAccumulator:
        """Add a part of the data.

        Parameters
        ----------
        y_true, y_pred, sample_weight
            As for the loss. A part may be empty.
        **options
            `n_threads`, and for ranking `group` or `qid`.

        Returns
        -------
        LossAccumulator
            Itself.

        Raises
        ------
        TypeError, ValueError
            As for the loss; nothing has been added then.
        """
        value, weight = self.loss._sums(y_true, y_pred, sample_weight, **options)
        self._sum, self._weight = added(self._sum, (value, 0.0)), added(self._weight, (weight, 0.0))
        return self

    def merge(self, other: LossAccumulator) -> LossAccumulator:
        """Add what another accumulator of the same loss has seen.

        Parameters
        ----------
        other : LossAccumulator
            It is not changed.

        Returns
        -------
        LossAccumulator
            Itself.

        Raises
        ------
        TypeError, ValueError
            If it is no accumulator, or one of another loss.
        """
        if not isinstance(other, LossAccumulator):
            raise TypeError(f"other must be a LossAccumulator, got {type(other).__name__}")
        if other.loss != self.loss:
            raise ValueError(f"other must accumulate {self.loss!r}, got {other.loss!r}")
        self._sum, self._weight = added(self._sum, other._sum), added(self._weight, other._weight)
        return self

    def result(self, reduction: str = "mean") -> float:
        """Compute the loss of all that has been added.

        Parameters
        ----------
        reduction : {"mean", "sum"}
            As for the loss.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If the mean is over nothing, or the reduction is another one.
        """
        if reduction not in ("mean", "sum"):
            raise ValueError(f"reduction must be one of 'mean', 'sum', got {reduction!r}")
        value = self._sum[0] + self._sum[1]
        value = value if value == value else self._sum[0]
        if reduction == "sum":
            return value
        if self.weight == 0:
            raise ValueError("update must have seen samples with a weight: the mean over nothing is undefined")
        return value / self.weight

    def to_json(self) -> str:
        """Return all that it holds; `from_json` makes it again.

        Returns
        -------
        str
        """
        numbers = {"sum": [x.hex() for x in self._sum], "weight": [x.hex() for x in self._weight]}
        return json.dumps({"loss": self.loss.config(), **numbers})

    @classmethod
    def from_json(cls, text: str) -> LossAccumulator:
        """Make an accumulator from what `to_json` returned.

        Parameters
        ----------
        text : str
            The JSON.

        Returns
        -------
        LossAccumulator

        Raises
        ------
        ValueError
            If it is not such text.

        Examples
        --------
        >>> import fastloss as fl
        >>> sent = fl.LossAccumulator("log_cosh").update([0.0], [1.0]).to_json()
        >>> round(fl.LossAccumulator.from_json(sent).result(), 6)
        0.433781
        """
        try:
            held = json.loads(text)
            made = cls(held["loss"])
            made._sum, made._weight = (
                (float.fromhex(held[name][0]), float.fromhex(held[name][1])) for name in ("sum", "weight")
            )
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ValueError(f"text must be what to_json returned: {error}") from error
        return made

    def __repr__(self) -> str:
        return f"<LossAccumulator of {self.loss!r}, weight {self.weight:g}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LossAccumulator) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


def added(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    """Add numbers that are held as a sum of two (Dekker 1971); infinities and NaN pass."""
    high = a[0] + b[0]
    if not math.isfinite(high):
        return high, 0.0
    part = high - a[0]
    low = (a[0] - (high - part)) + (b[0] - part) + a[1] + b[1]
    total = high + low
    return total, low - (total - high)
