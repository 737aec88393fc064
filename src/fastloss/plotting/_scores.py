"""What a loss compares with the targets of an estimator."""

from __future__ import annotations

from typing import Any

from .._base import Array, ArrayLike, Loss
from ..adapters.sklearn import scorer


def compared_by(loss: Any, estimator: Any, X: Any, y: ArrayLike, response: Any) -> tuple[Loss, ArrayLike, Array]:
    """The loss on the scale of the predictions, the targets as it takes them, and the predictions."""
    return scorer(loss, response=response).compared(estimator, X, y)
