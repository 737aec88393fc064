"""A linear layer with the cross-entropy on top in NumPy, with all logits in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _validation as check
from .._inputs import Call, delivered
from .._validation import GRADIENT, VALUE
from ._methods import InputsReference
from ._rows import RowReference
from ._support import Array, RowTerms
from .multiclass import sparse_categorical_cross_entropy

if TYPE_CHECKING:
    from ..losses.linear import LinearCrossEntropy


def logits(x: Array, w: Array, b: Array | None) -> Array:
    """What the layer gives."""
    return x @ w.T if b is None else x @ w.T + b


def linear_cross_entropy(y: Array, x: Array, w: Array, b: Array | None = None, **parameters: Any) -> RowTerms:
    """Cross-entropy of labels and z = x w^T + b; its derivatives are those in z (Wijmans et al. 2024)."""
    return sparse_categorical_cross_entropy(y, logits(x, w, b), from_logits=True, eps=0.0, **parameters)


class LinearReference(InputsReference):
    """A linear layer under the cross-entropy in pure NumPy."""

    loss: LinearCrossEntropy

    def _evaluate(self, want: int, call: Call) -> Any:  # type: ignore[override]
        """All rows at once, whatever the budget."""
        rows, reduction, progress = self.loss._rows, call.reduction, call.options["progress"]
        y, x, w, b, weight, outs = check.prepare_linear(rows, want, *call[:5], **call.options)
        real = check.linear_type(x, w, b)
        x, w = (a.astype(real).astype(np.float64) for a in (x, w))
        b = None if b is None else b.astype(real).astype(np.float64)
        weight = None if weight is None else weight.astype(real)
        with np.errstate(all="ignore"):
            given = RowReference(rows)
            value, g = given._evaluate(VALUE | GRADIENT, y, logits(x, w, b), weight, reduction, None, None)
            counts = np.full(y.shape, True) if weight is None else np.broadcast_to(weight > 0, y.shape)
            if rows.ignored is not None:
                counts = counts & (y != rows.ignored)
            kept = np.where(counts[:, None], x, 0)
            gradients = [np.where(counts[:, None], g @ w, 0), g.T @ kept] + ([] if b is None else [np.sum(g, axis=0)])
        if progress is not None:
            progress(len(y), len(y))
        if reduction == "none":
            value = value.astype(real)
        return delivered(want, value, tuple(a.astype(real) for a in gradients), outs)
