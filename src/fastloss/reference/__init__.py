"""The NumPy specification of every loss: one short function each, written for people.

`loss.reference` is the same object in pure NumPy, with the same methods and arguments. It is what the tests compare the
kernels with and what the benchmarks call the baseline. The functions are complex-step safe:
``terms.value()`` at ``f + 1e-30j`` gives the derivative in its imaginary part.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _validation as check
from .._base import Array, ArrayLike, Methods, PointwiseLoss, in_outputs
from .._domains import Interval
from .._validation import GRADIENT, HESSIAN, VALUE
from ._methods import ReferenceOf, curvature, evaluated
from ._rows import RowReference, row_terms
from ._support import RowTerms, Terms, weighted

__all__ = ["Reference", "RowReference", "RowTerms", "Terms", "row_terms", "terms"]


def terms(loss: PointwiseLoss, y: Array, f: Array) -> Terms:
    """The lazily computed terms of every sample."""
    if loss._users_reference is not None:
        given = loss._users_reference(y, f, **loss._parameters())
        if isinstance(given, Terms):
            return given
        value, gradient, hessian = given
        return Terms(lambda: value, lambda: gradient, lambda: hessian)
    return evaluated(loss, y, f)  # type: ignore[no-any-return]


class Reference(ReferenceOf, Methods):
    """A loss in pure NumPy."""

    loss: PointwiseLoss

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
        y, f, w, reduction, out, _ = check.prepare(loss, want, y_true, y_pred, sample_weight, reduction, out, n_threads)
        real = check.working_type(f)
        y, f = y.astype(real, copy=False), f.astype(real, copy=False)
        w = None if w is None else w.astype(real, copy=False)
        self._check_domains(y, f, w)
        if want & HESSIAN:
            check.curvature(loss, hessian)
        floor = check.floor(min_hessian)

        with np.errstate(all="ignore"):
            t = terms(loss, y, f)
            results: list[Any] = []
            if want & VALUE:
                value = np.broadcast_to(t.value(), y.shape)
                results.append(weighted(value, w))
            total = float(y.size if w is None else np.sum(np.broadcast_to(w, y.shape), dtype=np.float64))
            scale = 1.0 / total if reduction == "mean" else 1.0
            for bit in (GRADIENT, HESSIAN):
                if want & bit:
                    term = np.broadcast_to(t.gradient(), f.shape) if bit == GRADIENT else curvature(loss, t, f, hessian)
                    per_term = w if w is None or loss.n_predictions == 1 else w[..., None]
                    results.append(weighted(term, per_term, scale, floor if bit == HESSIAN else math.nan))
        if want & VALUE and reduction != "none":
            total_value = float(np.sum(results[0], dtype=np.float64))
            results[0] = total_value / total if reduction == "mean" else total_value
        return in_outputs(results, out)

    def _check_domains(self, y: Array, f: Array, w: Array | None) -> None:
        check.check_labels("y_true", y, self.loss.info.y_domain)
        for k, domain in enumerate(self.loss.f_domains):
            column = f[..., k] if self.loss.n_predictions > 1 else f
            check.check_labels("y_pred", column[np.isfinite(column)], domain)
        if w is not None:
            check.check_labels("sample_weight", w, Interval(0.0))
