"""Multi-class losses in NumPy: the last axis of f holds the K classes.

Targets are labels (integers, one axis less than f) or dense rows; a label stands for its one-hot row t. Predictions are
probabilities p, logits z with p = softmax(z), or scores. A term with t_j = 0 contributes 0 whatever p_j is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from ._support import (
    Array,
    Probabilities,
    RowTerms,
    clip,
    exact_row_sum,
    exp,
    expm1,
    filled,
    indicator,
    inverse_distance,
    log,
    log1p,
    log_remainder,
    maximum,
    polynomial,
    power,
    probability,
    product,
    real,
    row_formula,
    row_sum,
    softmax_row,
    sqrt,
    through_softmax,
    where_defined,
)

# -- Targets --


@dataclass(frozen=True)
class Targets:
    """Rows of targets; an ignored one is 0."""

    t: Array
    ignored: Array | None

    def count(self, class_weight: Array | None) -> Array | None:
        """What each row counts in the mean: with class weights that of its label, or their mean over a dense row."""
        if class_weight is not None:
            return row_sum(self.t * class_weight)
        return None if self.ignored is None else np.where(self.ignored, 0.0, 1.0)


def _targets(y: Array, f: Array, ignore_index: int | None = None) -> Targets:
    if y.ndim == f.ndim:
        return Targets(y.astype(np.float64), None)
    ignored = None if ignore_index is None else y == ignore_index
    one_hot = (y[..., None] == np.arange(f.shape[-1])).astype(np.float64)
    return Targets(one_hot if ignored is None else np.where(ignored[..., None], 0, one_hot), ignored)


def _smoothed(targets: Targets, label_smoothing: Any) -> Array:
    """(1 - s) t + s / K."""
    t = (1 - label_smoothing) * targets.t + label_smoothing / targets.t.shape[-1]
    return t if targets.ignored is None else np.where(targets.ignored[..., None], 0, t)


# -- Losses l = sum_j c_j phi(log p_j), c_j the target times its weights --


class Curve(NamedTuple):
    """The function phi, its derivatives in log p (first, second) and those in p (slope, curvature)."""

    value: Callable[[Probabilities], Array]
    first: Callable[[Probabilities], Array]
    second: Callable[[Probabilities], Array]
    slope: Callable[[Probabilities], Array]
    curvature: Callable[[Probabilities], Array]


def _composite(curve: Curve, c: Array, f: Array, from_logits: bool, eps: Any = 0.0, **more: Any) -> RowTerms:
    if from_logits:
        row = cache(lambda: softmax_row(f))
        return through_softmax(
            row,
            value=lambda: row_sum(product(c, curve.value(row()))),
            first=lambda: product(c, curve.first(row())),
            second=lambda: product(c, curve.second(row())),
            **more,
        )
    p, inside = _clipped(f, eps, 1 - eps)  # rounded to the precision of eps, which is that of f
    given = Probabilities(p, 1 - p, log(p))
    return RowTerms(
        value=lambda: where_defined(row_sum(product(c, curve.value(given))), p),
        gradient=lambda: product(c * inside, curve.slope(given)),
        hessian=lambda: product(c * inside, curve.curvature(given)),
        **more,
    )


def _clipped(f: Array, low: Any, high: Any) -> tuple[Array, Array]:
    """Probabilities within bounds, and where they were inside: beyond, the loss is constant."""
    p = probability(f)
    if low == 0:
        return p, np.ones(p.shape, bool)
    return clip(p, low, high), ~((real(p) < low) | (real(p) > high))


_LOG = Curve(
    value=lambda row: -row.log_p,
    first=lambda row: filled(row.p, -1),
    second=lambda row: filled(row.p, 0),
    slope=lambda row: -1 / row.p,
    curvature=lambda row: 1 / row.p / row.p,
)


def _cross_entropy(
    targets: Targets, f: Array, from_logits: bool, label_smoothing: Any, class_weight: Array | None, eps: Any
) -> RowTerms:
    """-sum_j w_j t_j log p_j (Bishop 2006); its majorizer on logits is that of Boehning 1992."""
    weights = 1.0 if class_weight is None else class_weight
    c = weights * _smoothed(targets, label_smoothing)
    terms = _composite(_LOG, c, f, from_logits, eps, count=targets.count(class_weight), ignored=targets.ignored)
    if not from_logits:
        return terms
    n_classes, hessian = f.shape[-1], terms.hessian
    assert hessian is not None
    scale: float = n_classes / (n_classes - 1) if n_classes > 1 else 0.0
    return replace(terms, fisher=hessian, scaled=lambda: scale * hessian())


@row_formula
def sparse_categorical_cross_entropy(
    y: Array,
    f: Array,
    *,
    from_logits: bool,
    label_smoothing: Any,
    class_weight: Array | None,
    ignore_index: int | None,
    eps: Any,
) -> RowTerms:
    """Cross-entropy of labels; smoothing as Szegedy et al. 2016."""
    return _cross_entropy(_targets(y, f, ignore_index), f, from_logits, label_smoothing, class_weight, eps)


@row_formula
def categorical_cross_entropy(
    y: Array, f: Array, *, from_logits: bool, label_smoothing: Any, class_weight: Array | None, eps: Any
) -> RowTerms:
    """Cross-entropy of one-hot rows or distributions."""
    return _cross_entropy(_targets(y, f), f, from_logits, label_smoothing, class_weight, eps)


@row_formula
def negative_log_likelihood(y: Array, f: Array, *, class_weight: Array | None, ignore_index: int | None) -> RowTerms:
    """-w_y f_y, f the log-probabilities."""
    targets = _targets(y, f, ignore_index)
    c = targets.t if class_weight is None else class_weight * targets.t
    return RowTerms(
        value=lambda: where_defined(row_sum(product(-c, f)), np.where(targets.t == 1, f, 0)),
        gradient=lambda: -c,
        hessian=lambda: filled(f, 0),
        count=targets.count(class_weight),
        ignored=targets.ignored,
    )


@row_formula
def categorical_focal(
    y: Array, f: Array, *, gamma: Any, alpha: Any, from_logits: bool, ignore_index: int | None, eps: Any
) -> RowTerms:
    """-sum_j alpha_j t_j (1 - p_j)**gamma log p_j: samples that are classified well fade (Lin et al. 2017)."""
    targets = _targets(y, f, ignore_index)

    def psi(row: Probabilities) -> Array:
        """The ratio p log p / (1 - p), in [-1, 0]."""
        return np.where(row.p == 0, 0, np.where(row.q == 0, -1, row.p * row.log_p / row.q))

    def first(row: Probabilities) -> Array:
        return power(row.q, gamma) * (gamma * psi(row) - 1)

    def second(row: Probabilities) -> Array:
        return product(gamma, power(row.q, gamma - 1) * (2 * row.p + psi(row) * (1 - gamma * row.p)))

    curve = Curve(
        value=lambda row: power(row.q, gamma) * -row.log_p,
        first=first,
        second=second,
        slope=lambda row: first(row) / row.p,
        curvature=lambda row: (second(row) - first(row)) / row.p / row.p,
    )
    c = targets.t if alpha is None else alpha * targets.t
    return _composite(curve, c, f, from_logits, eps, count=targets.count(None), ignored=targets.ignored)


@row_formula
def generalized_cross_entropy(
    y: Array, f: Array, *, q: Any, from_logits: bool, ignore_index: int | None, eps: Any
) -> RowTerms:
    """sum_j t_j (1 - p_j**q) / q, between cross-entropy (q -> 0) and 1 - p (Zhang and Sabuncu 2018)."""
    targets = _targets(y, f, ignore_index)

    def power_q(row: Probabilities) -> Array:
        """p**q, also where p underflows."""
        return np.where(real(row.p) < 1e-290, exp(q * row.log_p), power(row.p, q))

    curve = Curve(
        value=lambda row: -expm1(q * row.log_p) / q,
        first=lambda row: -power_q(row),
        second=lambda row: -q * power_q(row),
        slope=lambda row: -power(row.p, q - 1),
        curvature=lambda row: product(1 - q, power(row.p, q - 2)),
    )
    return _composite(curve, targets.t, f, from_logits, eps, count=targets.count(None), ignored=targets.ignored)


@row_formula
def poly1_cross_entropy(y: Array, f: Array, *, epsilon: Any, from_logits: bool, ignore_index: int | None) -> RowTerms:
    """sum_j t_j (-log p_j + epsilon (1 - p_j)): another first coefficient in the series in 1 - p (Leng et al. 2022)."""
    targets = _targets(y, f, ignore_index)

    def value(row: Probabilities) -> Array:
        if epsilon >= 0:
            return -row.log_p + epsilon * row.q
        return log_remainder(row.q, row.log_p) + (1 + epsilon) * row.q

    def first(row: Probabilities) -> Array:
        return np.where(real(row.p) > 0.5, epsilon * row.q - (1 + epsilon), -1 - epsilon * row.p)

    curve = Curve(
        value=value,
        first=first,
        second=lambda row: -epsilon * row.p,
        slope=lambda row: first(row) / row.p,
        curvature=lambda row: 1 / row.p / row.p,
    )
    return _composite(curve, targets.t, f, from_logits, count=targets.count(None), ignored=targets.ignored)


# -- Margins --


@row_formula
def categorical_hinge(y: Array, f: Array, *, margin: Any, variant: str) -> RowTerms:
    """max(0, margin + max_j f_j - f_y), j != y (Crammer and Singer 2001); Keras takes the larger of max_j f_j and 0."""
    label = _targets(y, f).t == 1
    others = np.where(label, -np.inf, f)
    winner = np.argmax(real(others), axis=-1)[..., None]
    best = np.take_along_axis(others, winner, -1)
    own = np.take_along_axis(f, np.argmax(label, axis=-1)[..., None], -1)
    wins = (np.arange(f.shape[-1]) == winner) & ~label
    if variant == "keras":
        wins &= ~(real(best) < 0)
        best = maximum(best, 0)
    elif f.shape[-1] == 1:  # nothing to be separated from
        own = np.where(np.isnan(real(own)), own, 0)
    u = margin + (best - own)
    return RowTerms(
        value=lambda: maximum(u, 0)[..., 0],
        gradient=lambda: indicator(real(u) > 0, u) * np.subtract(wins, label, dtype=np.float64),
        hessian=lambda: filled(f, 0),
    )


@row_formula
def multi_margin(y: Array, f: Array, *, p: int, margin: Any, class_weight: Array | None) -> RowTerms:
    """w_y / K sum_j max(0, margin - f_y + f_j)**p, j != y (Weston and Watkins 1999)."""
    targets = _targets(y, f)
    label = targets.t == 1
    own = np.take_along_axis(f, np.argmax(label, axis=-1)[..., None], -1)
    u = margin + (f - own)
    seen = np.where(label, f, u)  # what makes a row NaN
    count = targets.count(class_weight)
    c = np.where(label, 0, (1.0 if count is None else count[..., None]) / f.shape[-1])

    def hinge() -> Array:
        return maximum(u, 0)

    def active() -> Array:
        return indicator(real(u) > 0, u)

    def moved(term: Array, sign: int) -> Array:
        """The terms of the wrong classes, and their sum times the sign at the label."""
        return np.where(label, sign * np.sum(term, axis=-1, keepdims=True), term)

    if p == 1:
        return RowTerms(
            value=lambda: where_defined(row_sum(product(c, hinge())), seen),
            gradient=lambda: moved(product(c, active()), -1),
            hessian=lambda: filled(f, 0),
            majorizer=lambda: moved(product(c, inverse_distance(u)), 1),
            count=count,
        )
    return RowTerms(
        value=lambda: where_defined(row_sum(product(c, hinge() ** 2)), seen),
        gradient=lambda: moved(product(c, 2 * hinge()), -1),
        hessian=lambda: moved(product(c, 2 * active()), 1),
        majorizer=lambda: moved(4 * c, 1),
        count=count,
    )


# -- Distances of distributions --


@row_formula
def kl_divergence(y: Array, f: Array, *, from_logits: bool, log_input: bool, log_target: bool, eps: Any) -> RowTerms:
    """sum_j t_j log(t_j / q_j) (Kullback and Leibler 1951); y or f may hold logarithms."""
    t, log_t = (exp(y), y) if log_target else (y, log(y))
    if from_logits:
        row = cache(lambda: softmax_row(f))
        terms = through_softmax(
            row,
            value=lambda: row_sum(product(t, log_t - row().log_p)),
            first=lambda: -t,
            second=lambda: filled(f, 0),
        )
        return replace(terms, fisher=terms.hessian)
    if log_input:
        return RowTerms(
            value=lambda: where_defined(row_sum(product(t, log_t - f)), f),
            gradient=lambda: -t,
            hessian=lambda: filled(f, 0),
        )
    q, inside = _clipped(f, eps, np.inf)

    def value() -> Array:
        """Where q is close to t, log(t / q) = (t - q) / t + remainder: the first parts cancel in the sum of a row."""
        log_ratio = log(q) - log_t
        close = np.abs(real(t - q)) < real(q) / 2
        term = np.where(close, log_remainder((t - q) / t, log_ratio), -log_ratio)
        return where_defined(row_sum(product(t, term)) + exact_row_sum(np.where(close, t - q, 0)), q)

    return RowTerms(
        value=value,
        gradient=lambda: product(-t * inside, 1 / q),
        hessian=lambda: product(t * inside, 1 / q / q),
    )


def _js_contrast(t: Array, q: Array) -> Array:
    """The ratio x = (t - q) / (t + q), in [-1, 1]; 0 where both are 0."""
    return np.where((t == 0) & (q == 0), 0, (t - q) / (t + q))


def _js_value(t: Array, q: Array) -> Array:
    """The term m ((1 + x) log(1 + x) + (1 - x) log(1 - x)) / 2 of a class: t = m (1 + x), q = m (1 - x).

    Near x = 0 the bracket is the sum of x**(2 k) / (k (2 k - 1)), k = 1, 2, ...
    """
    m, x = (t + q) / 2, _js_contrast(t, q)
    square = np.where(np.abs(real(x)) <= 0.5, x * x, 0)
    series = square * polynomial(square, [1 / (k * (2 * k - 1)) for k in range(1, 25)])
    direct = product(t, log(t / m)) + product(q, log(q / m))
    return np.where(np.abs(real(x)) <= 0.5, m * series, direct) / 2


def _js_slope(t: Array, q: Array) -> Array:
    """The derivative in q: log(q / m) / 2, where q / m = 1 - x."""
    x = _js_contrast(t, q)
    log_ratio: Array = np.where(np.abs(real(x)) <= 0.5, log1p(-x), log(2 * q / (t + q)))
    return log_ratio / 2


@row_formula
def jensen_shannon(y: Array, f: Array, *, from_logits: bool) -> RowTerms:
    """(KL(t, m) + KL(q, m)) / 2, m = (t + q) / 2 (Lin 1991)."""
    if not from_logits:
        q = probability(f)
        return RowTerms(
            value=lambda: row_sum(_js_value(y, q)),
            gradient=lambda: _js_slope(y, q),
            hessian=lambda: product(y, 1 / (y + q) / (2 * q)),
        )
    row = cache(lambda: softmax_row(f))
    terms = through_softmax(
        row,
        value=lambda: row_sum(_js_value(y, row().p)),
        first=lambda: product(row().p, _js_slope(y, row().p)),
        second=lambda: product(row().p, _js_slope(y, row().p) + product(y, 0.5 / (y + row().p))),
    )
    return replace(terms, majorizer=None)  # that of through_softmax holds for derivatives <= 0 in log p


# -- Vectors --


@row_formula
def multi_quantile(y: Array, f: Array, *, quantiles: Array) -> RowTerms:
    """The sum of the pinball losses max(q d, (q - 1) d), d = y - f_q (Koenker and Bassett 1978)."""
    d = y[..., None] - f

    def gradient() -> Array:
        return np.where(real(d) > 0, -quantiles, np.where(real(d) < 0, 1 - quantiles, 0 * d))

    return RowTerms(
        value=lambda: row_sum(np.where(real(d) > 0, quantiles, quantiles - 1) * d),
        gradient=gradient,
        hessian=lambda: filled(f, 0),
        majorizer=lambda: inverse_distance(d) / 2,
        fisher=lambda: filled(f, 1) * quantiles * (1 - quantiles),
    )


@row_formula
def cosine_similarity(y: Array, f: Array) -> RowTerms:
    """-cos(y, f), the cosine of the angle between the vectors; 0 if one of them is 0."""
    unit_y, norm_y = _unit(y)
    unit_f, norm_f = _unit(f)
    defined = (norm_y != 0) & (norm_f != 0)
    cosine = cache(lambda: np.sum(unit_y * unit_f, axis=-1, keepdims=True))
    return RowTerms(
        value=lambda: np.where(defined, -cosine(), 0)[..., 0],
        gradient=lambda: np.where(defined, (cosine() * unit_f - unit_y) / norm_f, 0),
    )


def _unit(x: Array) -> tuple[Array, Array]:
    """Direction and length of a vector; dividing by the largest entry first avoids overflow and underflow."""
    largest = np.max(np.abs(real(x)), axis=-1, keepdims=True)
    scaled = x / np.where(largest == 0, 1, largest)
    norm = sqrt(np.sum(scaled * scaled, axis=-1, keepdims=True))
    return scaled / norm, norm * largest
