"""The NumPy specification of every loss: one short function each, written for people.

`loss.reference` is the same object in pure NumPy, with the same methods and arguments. It is what the tests compare the
kernels with and what the benchmarks call the baseline. The functions are complex-step safe:
``terms.value()`` at ``f + 1e-30j`` gives the derivative in its imaginary part.
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy as np

from .. import _validation as check
from .._base import Array, ArrayLike, Methods, PointwiseLoss
from .._core.pointwise import CURVATURES
from .._domains import Interval
from .._validation import GRADIENT, HESSIAN, VALUE
from ._rows import RowReference, row_terms
from ._support import RowTerms, Terms, delivered, weighted

__all__ = ["Reference", "RowReference", "RowTerms", "Terms", "row_terms", "terms"]


def terms(loss: PointwiseLoss, y: Array, f: Array) -> Terms:
    """The lazily computed terms of every sample."""
    if loss._users_reference is not None:
        given = loss._users_reference(y, f, **loss._parameters())
        if isinstance(given, Terms):
            return given
        value, gradient, hessian = given
        return Terms(lambda: value, lambda: gradient, lambda: hessian)
    module = import_module(f".{loss.info.family}", __name__)
    return getattr(module, loss.info.name)(y, f, **loss._parameters())  # type: ignore[no-any-return]


class Reference(Methods):
    """A loss in pure NumPy."""

    def __init__(self, loss: PointwiseLoss) -> None:
        self.loss = loss

    def __repr__(self) -> str:
        return f"{self.loss!r}.reference"

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
        policy, floor = check.curvature(loss, hessian) if want & HESSIAN else 0, check.floor(min_hessian)

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
                    term = self._gradient(t, f) if bit == GRADIENT else self._curvature(t, f, CURVATURES[policy])
                    per_term = w if w is None or loss.n_predictions == 1 else w[..., None]
                    results.append(weighted(term, per_term, scale, floor if bit == HESSIAN else math.nan))
        if want & VALUE and reduction != "none":
            total_value = float(np.sum(results[0], dtype=np.float64))
            results[0] = total_value / total if reduction == "mean" else total_value
        return delivered(results, out)

    def _check_domains(self, y: Array, f: Array, w: Array | None) -> None:
        check.check_labels("y_true", y, self.loss.info.y_domain)
        for k, domain in enumerate(self.loss.f_domains):
            column = f[..., k] if self.loss.n_predictions > 1 else f
            check.check_labels("y_pred", column[np.isfinite(column)], domain)
        if w is not None:
            check.check_labels("sample_weight", w, Interval(0.0))

    @staticmethod
    def _gradient(t: Terms, f: Array) -> Array:
        return np.broadcast_to(t.gradient(), f.shape)

    def _curvature(self, t: Terms, f: Array, policy: str) -> Array:
        if policy == "unit":
            return np.ones_like(f)
        if policy == "absolute_gradient":
            return np.abs(self._gradient(t, f))
        term = {"exact": t.hessian, "majorizer": t.majorizer, "fisher": t.fisher}[policy]
        if term is None:
            raise ValueError(f"the reference of {self.loss!r} has no {policy}")
        return np.broadcast_to(term(), f.shape)
