"""The methods of the row losses in pure NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _validation as check
from .._base import Array, ArrayLike, Methods, in_outputs
from .._validation import GRADIENT, HESSIAN, VALUE
from ._methods import ReferenceOf, curvature, evaluated
from ._support import RowTerms, weighted

if TYPE_CHECKING:
    from .._rows import RowLoss


def row_terms(loss: RowLoss, y: Array, f: Array) -> RowTerms:
    """The lazily computed terms of every row of `f`; `y` holds labels as integers, rows, or a number for each row."""
    return evaluated(loss, y, f)  # type: ignore[no-any-return]


class RowReference(ReferenceOf, Methods):
    """A loss of rows of predictions in pure NumPy."""

    loss: RowLoss

    def _evaluate(
        self,
        want: int,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None,
        reduction: str,
        out: Any,
        n_threads: int | None,
        hessian: str = "exact",
        min_hessian: float | None = None,
    ) -> Any:
        loss = self.loss
        y, f, w, reduction, out, _ = check.prepare_rows(
            loss, want, y_true, y_pred, sample_weight, reduction, out, n_threads
        )
        check.check_rows(loss, y, f, w)
        real = np.dtype(check.working_type(f))
        labels = y.ndim < f.ndim and loss.targets != "values"
        y, f = y.astype(np.intp if labels else real, copy=False), f.astype(real, copy=False)
        if want & HESSIAN:
            check.curvature(loss, hessian)
        floor = check.floor(min_hessian)

        with np.errstate(all="ignore"):
            t = row_terms(loss, y, f)
            given = w
            w = np.broadcast_to(1 if w is None else w, f.shape[:-1]).astype(real)
            if t.ignored is not None:
                w[t.ignored] = 0
            total = float(np.sum(w if t.count is None else w * t.count, dtype=np.float64))
            if reduction == "mean" and total == 0:
                raise check.nothing_counts(loss, given)
            scale = 1 / total if reduction == "mean" else 1.0
            results: list[Any] = []
            if want & VALUE:
                value = weighted(t.value().astype(real), w)
                if reduction != "none":
                    value = float(np.sum(value, dtype=np.float64)) / (total if reduction == "mean" else 1.0)
                results.append(value)
            if want & GRADIENT:
                results.append(weighted(t.gradient().astype(real), w[..., None], scale))
            if want & HESSIAN:
                term = curvature(loss, t, f, hessian).astype(real)
                results.append(weighted(term, w[..., None], scale, floor))
        return in_outputs(results, out)
