"""How far to go: rules that decide over candidates for the next point."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _validation as check
from .._base import Array
from ._problem import Problem

MEMORY = 10  # values that a Barzilai-Borwein step may rise to (Grippo, Lampariello and Lucidi, 1986)
HALVINGS = 60  # of a step, before a line search gives up
DECREASE = 1e-4  # share of the predicted decrease that suffices (Armijo, 1966)


def decaying(first: float, power: float = 0.5, after: float = 1.0) -> Callable[[int], float]:
    """Make a schedule of steps, ``first / (1 + k / after) ** power`` in iteration k = 0, 1, ...

    Use it for objectives with kinks that have no proximal map (quantile and absolute losses), where no constant step
    converges: with a power in (0, 1] the best value does.

    Parameters
    ----------
    first : float
        The first step, > 0.
    power : float, default 0.5
        How fast steps fade, >= 0.
    after : float, default 1.0
        After how many iterations they do, > 0.

    Returns
    -------
    callable

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number in its range.

    References
    ----------
    H. Robbins and S. Monro, A stochastic approximation method, Annals of Mathematical Statistics 22, 1951.

    Examples
    --------
    >>> import fastloss as fl
    >>> step = fl.optim.decaying(1.0, power=1.0)
    >>> [step(k) for k in range(4)]
    [1.0, 0.5, 0.3333333333333333, 0.25]
    """
    first, after = check.real_number("first", first, gt=0), check.real_number("after", after, gt=0)
    power = check.real_number("power", power, ge=0)
    return lambda k: first / (1 + k / after) ** power


@dataclasses.dataclass
class Candidate:
    """A move, value and gradient of f before and after it, the objective after it, and the length of the step."""

    move: Array
    value: float
    gradient: Array
    new_value: float
    new_gradient: Array
    new_total: float
    length: float


class Schedule:
    """Steps known in advance: a constant, or a function of the iteration."""

    def __init__(self, step: Any) -> None:
        self.at = step if callable(step) else lambda k: step

    def propose(self, k: int, s: Array, y: Array) -> float:
        return check.real_number("step", self.at(k), gt=0)

    def accept(self, c: Candidate, totals: list[float]) -> bool:
        return True


class Backtracking:
    """Halve a step until f lies below its quadratic bound of curvature 1 / step (Beck and Teboulle, 2009).

    Without penalty and momentum this is Armijo's rule with half the predicted decrease. Where rounding errors hide the
    decrease, the change of the gradient tells the curvature. After a step that was accepted at once the next one may be
    twice as long; not with Nesterov's momentum, which asks for steps that do not grow.
    """

    def __init__(self, first: float, rounding: float, may_grow: bool) -> None:
        self.length, self.rounding, self.may_grow, self.tries = first, rounding, may_grow, 0

    def propose(self, k: int, s: Array, y: Array) -> float:
        grow = self.may_grow and self.tries == 1
        self.tries = 0
        return 2 * self.length if grow else self.length

    def accept(self, c: Candidate, totals: list[float]) -> bool:
        self.tries += 1
        self.length = c.length
        square = np.vdot(c.move, c.move) / c.length
        above = c.new_value - (c.value + np.vdot(c.gradient, c.move) + square / 2)
        hidden = self.rounding * abs(c.value)
        if not above <= hidden:
            return False
        return bool(above <= -hidden or np.vdot(c.new_gradient - c.gradient, c.move) <= square)


class BarzilaiBorwein:
    """The step that would fit the last change of the gradient if f were a parabola (Barzilai and Borwein, 1988).

    Safeguarded as in SpaRSA (Wright, Nowak and Figueiredo, 2009): below the largest of the last values.
    """

    def __init__(self, first: float, rounding: float) -> None:
        self.length, self.rounding = first, rounding

    def propose(self, k: int, s: Array, y: Array) -> float:
        curvature = np.vdot(s, y)
        if curvature > 0:
            self.length = float(np.clip(np.vdot(s, s) / curvature, 1e-12, 1e12))
        return self.length

    def accept(self, c: Candidate, totals: list[float]) -> bool:
        reference = max(totals[-MEMORY:])
        decrease = DECREASE / c.length * np.vdot(c.move, c.move)
        return bool(c.new_total <= reference - decrease + self.rounding * abs(reference))


Rule = Schedule | Backtracking | BarzilaiBorwein


def rule_for(step: Any, first_step: float | None, problem: Problem, gradient: Array, may_grow: bool) -> Rule:
    """The rule that the options ask for."""
    if first_step is not None:
        first_step = check.real_number("first_step", first_step, gt=0)
    if not isinstance(step, str):
        return Schedule(step if callable(step) else check.real_number("step", step, gt=0))
    check.one_of("step", step, ("backtracking", "barzilai_borwein"))
    first = first_step or _inverse_curvature(problem, problem.x0, gradient)
    if step == "backtracking":
        return Backtracking(first, problem.rounding, may_grow)
    return BarzilaiBorwein(first, problem.rounding)


def _inverse_curvature(problem: Problem, x: Array, gradient: Array) -> float:
    """The step that fits the curvature along the gradient at x, by a small move; 1 where there is none."""
    size = float(np.max(np.abs(gradient), initial=0.0))
    if size == 0:
        return 1.0
    h = 1e-4 * max(1.0, float(np.abs(x).max())) / size
    change = np.linalg.norm(problem.smooth(x - h * gradient)[1] - gradient)
    return float(h * np.linalg.norm(gradient) / change) if 0 < change < math.inf else 1.0
