"""Weighted sums of losses of the same targets and predictions.

Design. Pointwise losses with a kernel become one kernel that sums their formulas block by block: one pass over the
data, whatever the number of parts. Others are evaluated one after another, and so is the NumPy reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from . import _validation as check
from ._base import KernelLoss, Loss, Methods, PointwiseLoss, in_outputs, pointwise_kernel
from ._core.pointwise import CURVATURES, Violation
from ._domains import Domain, intersection
from ._init_score import numeric_minimum
from ._links import IDENTITY, Link
from ._parameters import parameter
from ._registry import get, loss
from ._rows import RowLoss
from ._validation import GRADIENT, HESSIAN, VALUE

__all__ = ["WeightedSum"]

Parts = tuple[tuple[float, Loss], ...]


def _parts(name: str, value: Any) -> Parts:
    """Pairs of a coefficient and a loss: nested sums flattened, equal losses merged."""
    if not isinstance(value, (tuple, list)) or not value:
        raise TypeError(f"{name} must be a sequence of pairs (coefficient, loss), got {value!r}")
    merged: dict[Loss, float] = {}
    for k, pair in enumerate(value):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"{name} must hold pairs (coefficient, loss), got {pair!r} at index {k}")
        coefficient, part = check.real_number("coefficient", pair[0], where=f" at index {k} of {name}"), get(pair[1])
        inner = part.parts if isinstance(part, WeightedSum) else ((1.0, part),)
        for factor, one in inner:
            merged[one] = merged.get(one, 0.0) + coefficient * factor
    return tuple((coefficient, part) for part, coefficient in merged.items())


def _worst(order: tuple[str, ...], field: str) -> Callable[[WeightedSum], str]:
    return lambda self: min((getattr(part.info, field) for part in self._losses), key=order.index)


def _common(field: str, otherwise: Any) -> Callable[[WeightedSum], Any]:
    def value(self: WeightedSum) -> Any:
        values = {getattr(part.info, field) for part in self._losses}
        return values.pop() if len(values) == 1 else otherwise

    return value


@loss(
    listed=False,
    family="composition",
    formula=lambda self: " + ".join(f"{a:g} {part.info.name}" for a, part in self.parts).replace("+ -", "- "),
    convex=lambda self: self._non_negative and all(part.info.convex for part in self._losses),
    differentiability=_worst(("C0", "C1", "C2", "C-inf"), "differentiability"),
    lipschitz=lambda self: sum(abs(a) * part.info.lipschitz for a, part in self.parts if a),
    outliers=_worst(("high", "low", "redescending"), "outliers"),
    proper=lambda self: _common("proper", False)(self) if self._non_negative else False,
    elicits=_common("elicits", ""),
    y_domain=lambda self: self._y_domain,
    f_domain=lambda self: self._f_domain,
    link=lambda self: self._link,
    default_hessian=lambda self: self._default_hessian(),
    reference="",
)
class WeightedSum(KernelLoss):
    r"""Weighted sum of losses that take the same `y_true` and `y_pred`; also written ``0.7 * a + 0.3 * b``.

    .. math:: l = \sum_k a_k l_k

    Use it to blend the behaviour of losses: a robust loss with a pull to a quantile, cross-entropy with a margin.
    Gradient and hessian are the same sums. Pointwise losses are summed in one pass over the data.

    Parameters
    ----------
    parts : sequence of (float, Loss)
        Coefficients, any finite numbers, and losses (objects, names or configurations). Sums within are flattened,
        equal losses merged; a loss of coefficient 0 is not evaluated.

    Raises
    ------
    TypeError
        If `parts` does not hold such pairs.
    ValueError
        If a coefficient is not finite, or two losses do not take the same targets and predictions: one on the raw scale
        (``from_logits``, ``log_input`` ...) and one on the natural, one of labels and one of rows.

    Notes
    -----
    A curvature is offered if every part has it, ``"majorizer"`` only for coefficients >= 0. The default is the exact
    one if it is the default of every part, otherwise the majorizer, otherwise the first that all have. Where parts
    count samples in their own way (class weights, `ignore_index`), the mean is the weighted sum of their means.

    References
    ----------
    S. Boyd and L. Vandenberghe, Convex Optimization, 2004, section 3.2.1: non-negative weighted sums.

    Examples
    --------
    >>> import fastloss as fl
    >>> loss = 0.7 * fl.Huber() + 0.3 * fl.Quantile(quantile=0.9)
    >>> loss
    WeightedSum(parts=((0.7, Huber(delta=1.0)), (0.3, Quantile(quantile=0.9))))
    >>> loss.gradient([0.0, 1.0], [0.5, 4.0], reduction="sum")
    array([0.38, 0.73])
    >>> fl.get(loss.config()) == loss
    True
    """

    parts: Parts = parameter(check=_parts)

    @property
    def _losses(self) -> tuple[Loss, ...]:
        return tuple(part for _, part in self.parts)

    @property
    def _non_negative(self) -> bool:
        return all(a >= 0 for a, _ in self.parts)

    @property
    def ignored(self) -> int | None:
        """The label of rows that do not count, if it is the same for all parts."""
        found = {getattr(part, "ignored", None) for part in self._losses}
        return found.pop() if len(found) == 1 else None

    # ---- whether the parts go together ------------------------------------------------------------------------------

    def _check_parameters(self) -> None:
        first = self._losses[0]
        for part in self._losses:
            if not isinstance(part, (PointwiseLoss, RowLoss)):
                raise ValueError(f"parts must take single targets or rows as y_true and y_pred, got {part!r}")
            if isinstance(part, RowLoss) != isinstance(first, RowLoss) or part.n_predictions != first.n_predictions:
                raise ValueError(f"parts must take the same y_true and y_pred, got {first!r} and {part!r}")
        object.__setattr__(self, "n_predictions", first.n_predictions)
        if isinstance(first, RowLoss):
            object.__setattr__(self, "targets", self._common_targets())
        object.__setattr__(self, "_link", self._common_link())
        object.__setattr__(
            self, "_y_domain", self._intersection("y_true", [part.info.y_domain for part in self._losses])
        )
        columns = [
            self._intersection("y_pred", [part.f_domains[k] for part in self._losses])
            for k in range(len(first.f_domains))
        ]
        object.__setattr__(self, "_f_domain", columns[0] if len(columns) == 1 else tuple(columns))

    def _common_targets(self) -> str:
        kinds = {part.targets for part in self._losses if isinstance(part, RowLoss)}
        if len(kinds - {"both"}) > 1:
            raise ValueError(f"parts must take the same y_true, got losses of {' and of '.join(sorted(kinds))}")
        return (kinds - {"both"} or kinds).pop()

    def _common_link(self) -> Link:
        natural = next((part for part in self._losses if part.on_raw() != part), None)
        raw = next((part for part in self._losses if part.link != IDENTITY and part.on_raw() == part), None)
        if natural is not None and raw is not None:
            raise ValueError(f"parts must take y_pred on one scale, got {natural!r} (natural) and {raw!r} (raw)")
        linked = [part for part in self._losses if part.link != IDENTITY]
        for part in linked:
            if part.link != linked[0].link:
                raise ValueError(f"parts must have the same link, got {linked[0]!r} and {part!r}")
        return linked[0].link if linked else IDENTITY

    def _intersection(self, name: str, domains: list[Domain]) -> Domain:
        def both(a: Domain, b: Domain) -> Domain:
            common = intersection(a, b)
            if common is None:
                raise ValueError(f"parts must take the same {name}, got losses of {a} and of {b}")
            return common

        return reduce(both, domains)

    # ---- evaluation -------------------------------------------------------------------------------------------------

    def _make_kernel(self) -> Any:
        evaluated = [(a, part) for a, part in self.parts if a]
        if not all(isinstance(part, PointwiseLoss) and part._kernel is not None for part in self._losses):
            return None
        return pointwise_kernel(self, [(a, *part._formula()) for a, part in evaluated])  # type: ignore[attr-defined]

    def _evaluate(self, *arguments: Any) -> Any:
        if self._kernel is None:
            return _summed(self, self._losses, *arguments)
        return super()._evaluate(*arguments)

    def _sums(self, *arguments: Any, **named: Any) -> tuple[float, float]:
        if self._kernel is not None:
            return super()._sums(*arguments, **named)
        sums = [(a, *part._sums(*arguments, **named)) for a, part in self.parts]
        weights = [weight for *_, weight in sums]
        if max(weights) - min(weights) > 1e-12 * max(weights):  # they may have been rounded differently
            raise TypeError("the losses of the sum count samples differently: it has no sums over parts of the data")
        return sum(a * value for a, value, _ in sums), weights[0]

    def _prepare(self, want: int, *arguments: Any) -> check.Call:
        return check.prepare(self, want, *arguments)

    def _violated(self, violation: Violation, y_true: Any, y_pred: Any, sample_weight: Any) -> ValueError:
        return check.domain_error(self, violation, y_true, y_pred, sample_weight)

    @property
    def reference(self) -> Methods:
        """The same sum of the references of the parts, in plain NumPy."""
        return SumReference(self)

    @property
    def hessian_policies(self) -> tuple[str, ...]:
        """The curvatures that `hessian=` accepts: those of every part."""
        common = [c for c in CURVATURES if all(c in part.hessian_policies for part in self._losses)]
        return tuple(c for c in common if c != "majorizer" or self._non_negative)

    def _default_hessian(self) -> str:
        policies = self.hessian_policies
        if self._non_negative and all(part.default_hessian == "exact" for part in self._losses):
            return "exact"
        return next((c for c in ("majorizer", "fisher", "exact") if c in policies), "")

    def on_raw(self) -> WeightedSum:
        """Return the same sum on the raw scale.

        Raises
        ------
        ValueError
            If a part has no raw scale while another has one.
        """
        raw = [(a, part.on_raw()) for a, part in self.parts]
        if all(one == part for (_, one), part in zip(raw, self._losses, strict=True)):
            return self
        for part in self._losses:
            if part.link == IDENTITY:
                raise ValueError(f"{part!r} has no raw scale, other losses of the sum have the link {self.link.name}")
        return WeightedSum(parts=tuple(raw))

    # ---- the constant prediction ------------------------------------------------------------------------------------

    def init_score(self, y_true: Any, sample_weight: Any = None, n_classes: int | None = None) -> Any:
        """Return the constant prediction, on the raw scale, that minimises the sum, found numerically.

        Parameters
        ----------
        y_true : array_like
            Targets, as for the parts.
        sample_weight : array_like or float, optional
            Weights >= 0.
        n_classes : int, optional
            Number of classes, for losses of classes.

        Returns
        -------
        float or ndarray
            One number for each prediction of a sample.

        Raises
        ------
        ValueError
            As for the parts; or if the sum has no minimum, as coefficients below 0 may have it.

        Examples
        --------
        >>> import fastloss as fl
        >>> (fl.HalfSquaredError() + fl.MeanAbsoluteError()).init_score([0.0, 1.0, 6.0])
        2.0
        """
        raw = self.on_raw()
        known = {} if n_classes is None else {"n_classes": n_classes}
        starts = [part.init_score(y_true, sample_weight, **known) for a, part in raw.parts if a]
        if not starts:
            raise ValueError("parts must have a coefficient other than 0 for the sum to have a minimum")
        return numeric_minimum(raw, np.asarray(y_true), sample_weight, starts)


class SumReference(Methods):
    """A weighted sum of references."""

    def __init__(self, loss: WeightedSum) -> None:
        self.loss = loss

    def __repr__(self) -> str:
        return f"{self.loss!r}.reference"

    def _evaluate(self, *arguments: Any) -> Any:
        return _summed(self.loss, [part.reference for part in self.loss._losses], *arguments)


def _summed(
    loss: WeightedSum,
    parts: Sequence[Methods],
    want: int,
    y_true: Any,
    y_pred: Any,
    sample_weight: Any,
    reduction: str,
    out: Any,
    n_threads: int | None,
    hessian: str = "exact",
    min_hessian: float | None = None,
) -> Any:
    """Evaluate the parts one after another."""
    policy = check.curvature(loss, hessian) if want & HESSIAN else 0
    floor = check.floor(min_hessian)
    bits = [bit for bit in (VALUE, GRADIENT, HESSIAN) if want & bit]
    factors = [a for a, _ in loss.parts]
    totals: list[Any] = []
    for a, part in zip(factors, parts, strict=True):
        if a == 0 and (any(factors) or totals):
            continue
        found = part._evaluate(want, y_true, y_pred, sample_weight, reduction, None, n_threads, CURVATURES[policy])
        found = found if len(bits) > 1 else (found,)
        terms = [a * term if a else np.zeros_like(term)[()] for term in found]
        totals = terms if not totals else [total + term for total, term in zip(totals, terms, strict=True)]
    if want & HESSIAN and not math.isnan(floor):
        counts = [p.hessian(y_true, y_pred, sample_weight, reduction="sum", hessian="unit") > 0 for p in parts]
        totals[-1] = np.where(np.any(counts, axis=0), np.maximum(totals[-1], floor), totals[-1])
    if out is not None:
        f_shape = np.shape(y_pred)
        out = check.check_out(want, reduction, out, np.shape(totals[0]) if reduction == "none" else (), f_shape)
    return in_outputs(totals, out)
