"""Losses of regions in NumPy: every region by itself, from masks in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import _validation as check
from .._base import ArrayLike, Methods
from .._validation import GRADIENT, HESSIAN, VALUE
from ._methods import ReferenceOf
from ._support import Array, real

if TYPE_CHECKING:
    from .._regions import RegionLoss


class Region(NamedTuple):
    """Pixels of a region: targets t, probabilities p, 1 - p, and weights; or errors of scores in the place of p."""

    t: Array
    p: Array
    q: Array
    w: Array


class Value(NamedTuple):
    """The loss of a region, and its derivative in the probability (or score) of each pixel."""

    value: Any
    slope: Array


def fraction(right: Any, wrong: Any, right_slope: Array, wrong_slope: Array) -> Value:
    """The share of what is wrong, and its derivative given those of both parts."""
    whole = right + wrong
    if real(whole) == 0:
        return Value(0.0 * whole, np.zeros_like(right_slope))
    return Value(wrong / whole, (wrong_slope * right - wrong * right_slope) / whole / whole)


def tversky(r: Region, *, alpha: float, beta: float, smooth: float) -> Value:
    """1 - (TP + s)/(TP + alpha FP + beta FN + s) (Salehi et al. 2017)."""
    right = np.sum(r.w * r.t * r.p) + smooth
    wrong = alpha * np.sum(r.w * (1 - r.t) * r.p) + beta * np.sum(r.w * r.t * r.q)
    return fraction(right, wrong, r.w * r.t, r.w * (alpha * (1 - r.t) - beta * r.t))


def dice(r: Region, *, smooth: float, squared_denominator: bool) -> Value:
    """1 - (2 I + s)/(U + s) (Sudre et al. 2017); squared: Milletari et al. 2016."""
    right = 2 * np.sum(r.w * r.t * r.p) + smooth
    difference = (1 - r.t) * r.p - r.t * r.q
    if squared_denominator:
        return fraction(right, np.sum(r.w * difference**2), 2 * r.w * r.t, 2 * r.w * difference)
    wrong = np.sum(r.w * ((1 - r.t) * r.p + r.t * r.q))
    return fraction(right, wrong, 2 * r.w * r.t, r.w * (1 - 2 * r.t))


def iou(r: Region, *, smooth: float) -> Value:
    """1 - (I + s)/(sum t + sum p - I + s) (Rahman and Wang 2016)."""
    return tversky(r, alpha=1.0, beta=1.0, smooth=smooth)


def focal_tversky(r: Region, *, gamma: float, **parameters: float) -> Value:
    """The Tversky loss to the power of gamma (Abraham and Khan 2019)."""
    t = tversky(r, **parameters)
    if gamma == 1 or real(t.value) == 0:
        return t if gamma == 1 else Value(t.value, 0 * t.slope)
    return Value(t.value**gamma, gamma * t.value ** (gamma - 1) * t.slope)


def lovasz(r: Region, *, hinge: bool) -> Value:
    """The sum of max(e, 0) (J_i - J_{i-1}) over sorted errors (Berman et al. 2018)."""
    sign = 1 - 2 * r.t
    error = 1 + sign * r.p if hinge else np.where(r.t == 1, r.q, r.p)
    if np.isnan(real(error)).any() or not len(error):
        return Value(np.sum(error), np.full(len(error), np.nan))
    order = np.argsort(-real(error), kind="stable")
    t = r.t[order]
    seen = np.cumsum(t)
    jaccard = 1 - (t.sum() - seen) / (t.sum() + np.arange(1, len(t) + 1) - seen)
    step = np.diff(jaccard, prepend=0.0)
    active = real(error[order]) > 0 if hinge else np.ones(len(t), bool)
    weight = np.zeros(len(t))
    weight[order] = np.where(active, step, 0)
    return Value(np.sum(np.where(weight == 0, 0, weight * error)), sign * weight)


FORMULAS: dict[str, Callable[..., Value]] = {
    "dice": dice,
    "iou": iou,
    "tversky": tversky,
    "focal_tversky": focal_tversky,
    "lovasz": lovasz,
}


def softmax(z: Array) -> tuple[Array, Array]:
    """Probabilities p over axis 1, and 1 - p; infinite logits have the limit where there is one."""
    top = np.max(real(z), axis=1, keepdims=True)
    largest = real(z) == top
    single = largest & (np.sum(largest, axis=1, keepdims=True) == 1)
    e = np.exp(np.where(single & np.isinf(top), 0, z - top))
    first = np.cumsum(largest, axis=1) * largest == 1
    rest, most = (np.sum(np.where(first ^ others, e, 0), axis=1, keepdims=True) for others in (True, False))
    return e / (most + rest), np.where(first, rest, most + rest - e) / (most + rest)


def sigmoid(z: Array) -> tuple[Array, Array]:
    """Probabilities p, and 1 - p."""
    e = np.exp(np.where(real(z) < 0, z, -z))
    return np.where(real(z) < 0, e, 1) / (1 + e), np.where(real(z) < 0, 1, e) / (1 + e)


def through_softmax(p: Array, slope: Array) -> Array:
    """p_c sum p_j (s_c - s_j): no product with 1 - p_c that cancels."""
    out = np.empty_like(slope)
    for c in range(p.shape[1]):
        out[:, c] = p[:, c] * np.sum(p * (slope[:, c : c + 1] - slope), axis=1)
    return out


class RegionReference(ReferenceOf, Methods):
    """A loss of regions in pure NumPy."""

    loss: RegionLoss

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
        if want & HESSIAN:
            check.curvature(loss, hessian)
        loss._check_weighted(sample_weight)
        y, f, w, outs, _ = check.prepare_regions(loss, want, y_true, y_pred, sample_weight, reduction, out, n_threads)
        if error := check.region_error(loss, y, f):
            raise error
        precision = check.working_type(f)
        w = np.ones(len(f)) if w is None else w
        with np.errstate(all="ignore"):
            values, counts, gradient = self.terms(y, f.astype(precision).astype(np.float64), w)
            total = float(np.sum(counts))
            if reduction == "mean":
                gradient = gradient / total if total > 0 else 0 * np.nan_to_num(gradient)
        results: list[Any] = []
        if want & VALUE:
            value = float(np.sum(values))
            mean = value / total if total > 0 else 0.0
            results.append(values.astype(precision) if reduction == "none" else mean if reduction == "mean" else value)
        if want & GRADIENT:
            results.append(loss._by_caller(gradient).astype(precision))
        for k, target in enumerate(outs[-len(results) :] if want != VALUE else outs[:1]):
            if target is not None:
                target[...] = results[k]
                results[k] = target
        return tuple(results) if len(results) > 1 else results[0]

    def terms(self, y: Array, f: Array, w: Array) -> tuple[Array, Array, Array]:
        """Weighted values and counts, one for each sample (and class), and the gradient of their sum."""
        loss, classes = self.loss, range(f.shape[1]) if self.loss.classes is None else self.loss.classes
        ignored = np.zeros(y.shape, bool) if loss.ignore_index is None else y == loss.ignore_index
        t = y.astype(np.float64)
        if y.ndim < f.ndim:
            indices = np.arange(f.shape[1]).reshape(-1, *[1] * (y.ndim - 1))
            t, ignored = (y[:, None] == indices).astype(np.float64), np.broadcast_to(ignored[:, None], f.shape)
        hinge = loss._scores == "hinge"
        p, q = {"softmax": softmax, "sigmoid": sigmoid}.get(loss._scores, lambda z: (z, 1 - z))(f)
        if loss._scores == "probabilities":
            p = np.where(np.isfinite(p), p, np.nan)

        samples = [[n] for n in range(len(f))] if loss.per_sample else [list(range(len(f)))]
        groups = [list(classes)] if loss.average == "micro" else [[c] for c in classes]
        values, counts, slope = [], [], np.zeros(f.shape, p.dtype)
        for rows in samples:
            weight = w[rows[0]] if loss.per_sample else 1.0
            regions = []
            for group in groups:
                chosen = np.ix_(rows, group)
                inner = np.ones_like(w) if loss.per_sample else w
                used = ~ignored[chosen] & (inner[rows] > 0).reshape(-1, *[1] * (f.ndim - 1))
                spread = np.broadcast_to(inner[rows].reshape(-1, *[1] * (f.ndim - 1)), used.shape)
                regions.append((chosen, used, Region(t[chosen][used], p[chosen][used], q[chosen][used], spread[used])))
            masses = self._masses([region for *_, region in regions])
            whole = np.sum(masses) if loss.average != "none" else 1.0
            row = []
            for mass, (chosen, used, region) in zip(masses, regions, strict=True):
                share = weight * mass / whole if whole > 0 else 0.0
                none = not region.t.any()
                if share == 0 or (none and loss._empty == "zero"):
                    row.append(0.0)
                    continue
                result = self._formula(region, hinge)
                row.append(share * result.value)
                here = np.zeros(used.shape, p.dtype)
                here[used] = share * result.slope
                slope[chosen] = here
            values.append(row if loss.average == "none" else [sum(row)])
            counts.append(weight * (np.array(masses) if loss.average == "none" else np.array([float(whole > 0)])))
        if loss._scores == "softmax":
            slope = np.where(ignored, 0, through_softmax(p, slope))
        elif loss._scores == "sigmoid":
            slope = np.where(slope == 0, 0, slope * p * q)
        shape = (-1,) if loss.average != "none" else (-1, len(groups))
        return np.array(values).reshape(shape), np.array(counts), slope

    def _masses(self, regions: list[Region]) -> list[float]:
        """What each region counts in the average."""
        loss = self.loss
        count = [float(loss._empty != "ignore" or bool(region.t.any())) for region in regions]
        if loss.class_weight is None or loss.average != "macro":
            return count
        classes = range(len(regions)) if loss.classes is None else loss.classes
        return [m * loss.class_weight[c] for m, c in zip(count, classes, strict=True)]

    def _formula(self, region: Region, hinge: bool) -> Value:
        """The loss of a region, by the formula that has its name."""
        loss = self.loss
        shared = {"mode", "from_logits", "ignore_index", "classes", "per_sample", "average", "class_weight", "empty"}
        parameters = {k: v for k, v in loss._parameters().items() if k not in shared | {"channels_last"}}
        if loss.info.name == "lovasz":
            parameters["hinge"] = hinge
        return FORMULAS[loss.info.name](region, **parameters)
