"""Checks of predictions beside their targets: severity, problem, evidence, remedy."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import _validation as check
from .._base import Array, ArrayLike, Loss
from .._curves import can_slice
from .._domains import BINARY, REAL, SIGNED, UNIT, ClassLabels, Interval, Labels
from ._situation import FAR, far_targets, rarest, robust_scale

Findings = Iterator[tuple[str, str, str, str]]

RARE = 0.1  # share of a class
LARGE, SMALL = 100.0, 0.01  # robust scale of residuals, over the scale of the loss
SURE = 12.0  # logits beyond which a sigmoid has no slope to speak of
MANY = 0.1  # share of rows that is worth a word
CARRIED = 0.5  # share of the gradient in the largest 1 % of the rows
FADED = 0.9  # share of rows whose gradient has vanished
TINY = 1e-6  # of the largest slope that the loss has on the data
STEEP = 1e3  # a mean slope that gradient steps of usual length cannot take
BIASED = 0.5  # mean residual in robust standard deviations of the targets
SCALES = ("delta", "beta", "c", "epsilon", "smoothing")  # parameters in the unit of the targets


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
    """Targets and predictions, flat or in rows; slopes of the loss, if there is one."""

    y: Array
    f: Array
    loss: Loss | None
    slopes: Array | None

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.f)

    @property
    def raw(self) -> bool:
        """Whether predictions are raw scores."""
        return self.loss is not None and self.loss.on_raw() == self.loss

    @property
    def of_labels(self) -> bool:
        """Whether targets are labels."""
        if self.loss is not None:
            domain = self.loss.info.y_domain
            if isinstance(domain, Labels | ClassLabels):
                return self.y.ndim == 1
            if self.loss.link.gives_probabilities:
                return self.y.ndim == 1 and bool(np.all(BINARY.contains(self.y)))
            return False
        return self.y.ndim == 1 and bool(np.all(BINARY.contains(self.y)) or np.all(SIGNED.contains(self.y)))

    @classmethod
    def of(cls, y_true: Any, y_pred: Any, loss: Loss | None, sample_weight: ArrayLike | None) -> Predictions:
        """Check and flatten."""
        y, f = check.as_array("y_true", y_true), check.as_array("y_pred", y_pred)
        if not f.size:
            raise ValueError("y_pred must not be empty")
        if loss is None and y.shape != f.shape:
            raise ValueError(f"loss must be given where y_pred has the shape {f.shape} and y_true {y.shape}")
        if loss is not None and not can_slice(loss):
            raise ValueError(f"loss must be one of single samples, got {loss!r}")
        slopes = None
        if loss is not None:
            g = loss.gradient(y, f, sample_weight, reduction="sum")
            slopes = (np.abs(g) if loss.n_predictions == 1 else np.linalg.norm(g, axis=-1)).ravel()
        rows = f.reshape(-1, f.shape[-1]) if loss is not None and loss.n_predictions != 1 else f.ravel()
        targets = y.reshape(-1, y.shape[-1]) if y.ndim == f.ndim and rows.ndim == 2 else y.ravel()
        return cls(targets.astype(float), rows.astype(float), loss, slopes)


def prediction_findings(data: Predictions) -> Findings:
    """What is wrong."""
    bad = ~np.isfinite(data.f if data.f.ndim == 1 else data.f.sum(axis=1))
    if bad.any():
        yield (
            "problem",
            "predictions are not finite",
            f"{np.sum(bad)} of {data.n} are NaN or infinite, the first in row {int(np.argmax(bad))}",
            "shorter steps, gradient clipping, features without NaN; raw scores in the place of probabilities",
        )
        if bad.all():
            return
    keep = ~bad
    data = Predictions(data.y[keep], data.f[keep], data.loss, None if data.slopes is None else data.slopes[keep])
    yield from _scale(data)
    if data.of_labels:
        yield from _classes(data)
        yield from _saturation(data)
    elif data.f.ndim == 1:
        yield from _numbers(data)
    yield from _slopes(data)


def _scale(data: Predictions) -> Findings:
    """Probabilities where logits are expected; residuals far from the scale of the loss."""
    loss = data.loss
    if loss is None:
        return
    inside = data.n >= 10 and bool(np.all(UNIT.contains(data.f))) and np.ptp(data.f) > 0
    if data.raw and loss.link.gives_probabilities and inside:
        sums = data.f.ndim == 1 or np.allclose(data.f.sum(axis=1), 1, atol=1e-5)
        if sums:
            yield (
                "problem",
                "probabilities in the place of logits",
                "all predictions are in [0, 1], where the loss takes raw scores",
                "from_logits=False, or hand over raw scores",
            )
    named = [(k, v) for k, v in loss._parameters().items() if k in SCALES and isinstance(v, float) and v > 0]
    if not named or data.f.ndim != 1 or loss.info.f_domain != REAL or isinstance(loss.info.y_domain, Labels):
        return
    name, size = max(named, key=lambda pair: pair[1])
    typical = float(np.median(np.abs(data.f - data.y)))
    redescends = loss.info.outliers == "redescending"
    if typical > (3 if redescends else LARGE) * size:
        effect = "most rows have no pull" if redescends else "nearly all rows count as outliers"
        yield (
            "problem" if redescends else "warning",
            "scale of labels",
            f"the median residual is {typical:.3g}, {typical / size:.3g} times {name} = {size:g}: {effect}",
            f"{name} of 1 to 5 times a robust scale of the residuals, or targets of unit scale",
        )
    elif 0 < typical < SMALL * size and name != "epsilon":
        yield (
            "hint",
            "scale of labels",
            f"the median residual is {typical:.3g}, {typical / size:.2g} times {name} = {size:g}: no row is far",
            f"a smaller {name}, or targets of unit scale, if outliers are to be bounded",
        )


def _classes(data: Predictions) -> Findings:
    shares = np.unique(data.y, return_counts=True)[1] / data.n
    if len(shares) == 1:
        yield "problem", "imbalance", "all targets have the same label", "rows of the other class"
        return
    rare = rarest(data.y)
    if rare < RARE:
        decided = _decided(data)
        missed = len(np.unique(decided)) < len(shares)
        evidence = f"the rarest class has {100 * rare:.2g} % of the rows"
        yield (
            "problem" if missed else "warning",
            "imbalance",
            evidence + (", and some class is never predicted" if missed else ""),
            "class weights or pos_weight, a focal loss, another threshold; judge by recall and precision",
        )


def _decided(data: Predictions) -> Array:
    if data.f.ndim == 2:
        return np.asarray(np.argmax(data.f, axis=1))
    probability = not data.raw and (data.loss is None or data.loss.info.f_domain == UNIT)
    return np.asarray(data.f > (0.5 if probability and np.all(UNIT.contains(data.f)) else 0.0))


def _saturation(data: Predictions) -> Findings:
    f = data.f
    if data.loss is None:
        if not np.all(UNIT.contains(f)):
            return
        loss_is_raw = False
    elif not data.loss.link.gives_probabilities:
        return
    else:
        loss_is_raw = data.raw
    if loss_is_raw:
        far = np.abs(f - f.mean(axis=1, keepdims=True)).max(axis=1) if f.ndim == 2 else np.abs(f)
        sure = far > SURE
    else:
        p = f.max(axis=1) if f.ndim == 2 else f
        sure = (p < 1 / (1 + math.exp(SURE))) | (p > 1 / (1 + math.exp(-SURE)))
    wrong = sure & (_decided(data) != (data.y == 1 if f.ndim == 1 else data.y))
    if not loss_is_raw:
        impossible = _probability_of_truth(data) == 0
        if impossible.any():
            yield (
                "problem",
                "saturation",
                f"{np.sum(impossible)} rows have probability 0 for their label: the logarithm is infinite",
                "train on logits (from_logits=True, loss.on_raw()), where that cannot happen; eps= as a last resort",
            )
    if np.mean(sure) > MANY or wrong.any():
        yield (
            "warning",
            "saturation",
            f"{100 * np.mean(sure):.0f} % of the predictions are sure to 1 in 160 000, {np.sum(wrong)} of them wrongly",
            "logits with cross-entropy, which has slopes there; label smoothing, a penalty or fewer iterations",
        )


def _probability_of_truth(data: Predictions) -> Array:
    if data.f.ndim == 2:
        return np.asarray(data.f[np.arange(data.n), np.clip(data.y, 0, data.f.shape[1] - 1).astype(int)])
    return np.where(data.y == 1, data.f, 1 - data.f)


def _numbers(data: Predictions) -> Findings:
    """Targets that are numbers, one prediction each."""
    loss, y, f = data.loss, data.y, data.f
    if y.shape != f.shape:
        return
    natural = loss is None or not data.raw or loss.link.name == "identity"
    kind = "high" if loss is None else loss.info.outliers
    spread = robust_scale(y)
    if loss is None and spread > LARGE:
        yield (
            "warning",
            "scale of labels",
            f"targets have the robust scale {spread:.3g}: squared errors have slopes of that size",
            "targets of unit scale, steps that search their length, or a loss with bounded slopes",
        )
    if not natural or spread == 0:
        return
    residual = f - y
    symmetric = loss is None or loss.info.y_domain == REAL  # the spread of counts grows with their mean
    if robust_scale(residual) > 0 and kind == "high" and symmetric:
        outlying = np.abs(residual - np.median(residual)) > FAR * robust_scale(residual)
        if outlying.any() and far_targets(residual) != "none" and np.mean(outlying) > 1e-3:
            yield (
                "warning",
                "outliers",
                f"{100 * np.mean(outlying):.2g} % of the residuals are {FAR:g} robust standard deviations away",
                "a loss with bounded influence (huber, pseudo_huber, log_cosh), or a redescending one for gross errors",
            )
    if np.ptp(f) < 1e-3 * spread and data.n > 1:
        yield (
            "problem",
            "constant predictions",
            f"predictions span {np.ptp(f):.3g}, targets have the robust scale {spread:.3g}",
            "longer steps or more iterations, features of unit scale; dead units or saturation in a network",
        )
    mean = float(np.median(residual))
    asymmetric = (
        loss is not None
        and loss.info.elicits not in ("mean", "median")
        and not loss.info.elicits.startswith(("M-location", "Huber"))
    )
    if abs(mean) > BIASED * spread and not asymmetric:
        yield (
            "warning",
            "bias",
            f"the median residual is {mean:.3g}, {abs(mean) / spread:.2g} robust standard deviations of the targets",
            "start from loss.init_score (boosters: base_score), fit an intercept, or undo the link of the predictions",
        )


def _slopes(data: Predictions) -> Findings:
    if data.slopes is None or data.loss is None:
        return
    finite = data.slopes[np.isfinite(data.slopes)]
    if len(finite) < len(data.slopes):
        yield (
            "problem",
            "exploding gradient",
            f"{len(data.slopes) - len(finite)} rows have gradients that are NaN or infinite",
            "predictions inside the domain of the loss: raw scores (loss.on_raw()) cannot leave it",
        )
    if not finite.size:
        return
    total, average = float(finite.sum()), float(finite.mean())
    top = float(np.sort(finite)[-max(1, math.ceil(0.01 * finite.size)) :].sum())
    if finite.size >= 100 and total > 0 and top > CARRIED * total:
        yield (
            "warning",
            "exploding gradient",
            f"1 % of the rows carry {100 * top / total:.0f} % of the gradient",
            "a loss with bounded slopes, gradient clipping; or those rows are outliers or wrong labels",
        )
    unbounded = math.isinf(data.loss.info.lipschitz) and data.loss.info.y_domain == REAL
    if unbounded and average > STEEP:
        yield (
            "problem",
            "scale of labels",
            f"the mean slope is {average:.3g}: gradient steps of usual length diverge",
            "targets of unit scale (their predictions are easily scaled back), or a loss with bounded slopes",
        )
    largest = data.loss.info.lipschitz if math.isfinite(data.loss.info.lipschitz) else float(finite.max())
    faded = float(np.mean(finite <= TINY * largest)) if largest > 0 else 1.0
    domain = data.loss.info.y_domain
    if faded >= FADED and data.n >= 10:
        right = (
            data.of_labels and float(np.mean(_decided(data) == (data.y == 1 if data.f.ndim == 1 else data.y))) > 0.99
        )
        good = isinstance(domain, Interval) and data.f.ndim == 1 and np.allclose(data.f, data.y, rtol=1e-6)
        if not (right or good):
            yield (
                "problem",
                "vanishing gradient",
                f"{100 * faded:.0f} % of the rows have no gradient, though predictions are not right",
                "a convex loss, a larger scale parameter, a better start; logits in the place of probabilities",
            )
