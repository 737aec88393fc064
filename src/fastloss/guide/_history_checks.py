"""Checks of the history of a training: severity, problem, evidence, remedy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .._base import Array
from .._histories import Record, record_of

Findings = Iterator[tuple[str, str, str, str]]

WORSE = 10.0  # a loss that ends so many times above its lowest has diverged
FLAT = 1e-3  # share of the loss by which it falls in all, below which nothing was learnt
RISES = 0.3  # share of iterations in which the loss rises
OVERFIT = 0.05  # share by which the loss of held-out rows rises after its lowest
ONGOING = 0.02  # share of the whole fall that happens in the last tenth
EXPLODED, VANISHED = 1e3, 1e-6  # factors of the norm of the gradient
ENOUGH = 5  # numbers, to speak of a course
HIGHER_IS_BETTER = ("acc", "auc", "f1", "precision", "recall", "score", "r2", "ndcg", "map")

SHORTER = "shorter steps (a tenth of the learning rate), features and targets of unit scale, or gradient clipping"


def history_findings(history: Any) -> tuple[int, Findings]:
    """The number of iterations, and what is wrong."""
    record = record_of(history)
    return len(record.iteration), _findings(record)


def _findings(record: Record) -> Findings:
    training = {k: v for k, v in record.training.items() if _is_loss(k)}
    held_out = {k: v for k, v in record.held_out.items() if _is_loss(k)}
    diverged = False
    for name, values in {**training, **held_out}.items():
        for finding in _course(name, values, name in training):
            diverged |= finding[1] == "divergence"
            yield finding
    if not diverged:
        for name, values in held_out.items():
            yield from _overfitting(name, values)
    if record.gradient_norm is not None and not diverged:
        yield from _gradient(record.gradient_norm, next(iter(training.values()), np.zeros(0)))


def _is_loss(name: str) -> bool:
    return not any(word in name.lower() for word in HIGHER_IS_BETTER)


def _course(name: str, given: Array, trained: bool) -> Findings:
    values = given[~np.isnan(given)] if np.isfinite(given).any() else given
    trailing = np.isnan(given[-1]) and trained and np.isnan(given).sum() < len(given)
    broken = trailing or not np.isfinite(values).all() or not values.size
    if broken:
        k = int(np.flatnonzero(~np.isfinite(given))[0])
        yield "problem", "divergence", f"{name} is {given[k]} from entry {k + 1} on", SHORTER
        return
    low, first, last = float(values.min()), float(values[0]), float(values[-1])
    scale = max(abs(low), 1e-12 * max(abs(first), abs(last)))
    if last > first and last - low > WORSE * scale:
        yield "problem", "divergence", f"{name} ends at {last:.3g}, {last / scale:.3g} times its lowest", SHORTER
        return
    if not trained or values.size < ENOUGH:
        return
    fall = first - low
    size = max(abs(first), abs(low))
    if fall <= FLAT * size:
        yield (
            "problem",
            "nothing learnt",
            f"{name} falls from {first:.4g} by {100 * fall / size if size else 0:.2g} % in all",
            "longer steps; or gradients vanish: look at the predictions (saturation, dead units), start elsewhere",
        )
        return
    rises = float(np.mean(np.diff(values) > 1e-3 * fall))
    if rises >= RISES:
        yield (
            "warning",
            "oscillation",
            f"{name} rises in {100 * rises:.0f} % of the iterations",
            "shorter steps, or steps that fade; larger batches; momentum below 0.9",
        )
    tail = values[-max(2, values.size // 10) :]
    if rises < RISES and tail[0] - tail[-1] > ONGOING * fall:
        share = 100 * (tail[0] - tail[-1]) / fall
        yield "hint", "not converged", f"the last tenth brings {share:.2g} % of the fall of {name}", "more iterations"


def _overfitting(name: str, given: Array) -> Findings:
    values = given[np.isfinite(given)]
    if values.size < ENOUGH:
        return
    k = int(np.argmin(values))
    rise = float(values[-1] - values[k])
    size = max(abs(float(values[k])), 1e-12)
    if k < 0.8 * (values.size - 1) and rise > OVERFIT * size:
        at = int(np.flatnonzero(given == values[k])[0]) + 1
        yield (
            "warning",
            "overfitting",
            f"{name} is lowest in entry {at} and {100 * rise / size:.0f} % higher at the end",
            "stop early there, a penalty, dropout, or more data",
        )


def _gradient(norm: Array, values: Array) -> Findings:
    first, last, most = float(norm[0]), float(norm[-1]), float(np.nanmax(norm))
    if most > EXPLODED * max(first, np.finfo(float).tiny):
        yield (
            "problem",
            "exploding gradient",
            f"the norm of the gradient grows from {first:.3g} to {most:.3g}",
            "shorter steps, gradient clipping, a loss with bounded slopes, targets of unit scale",
        )
    stuck = values.size >= ENOUGH and abs(values[0] - values[-1]) <= FLAT * abs(values[0])
    if last < VANISHED * max(first, 1.0) and stuck and first > 0:
        yield (
            "problem",
            "vanishing gradient",
            f"the norm of the gradient falls to {last:.3g} while the loss stays at {values[-1]:.4g}",
            "another start, logits with cross-entropy in the place of saturated outputs, a loss that does not fade",
        )
