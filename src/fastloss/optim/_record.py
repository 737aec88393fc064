"""What happens in a run, when it stops, and what it returns."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import Any

import numpy as np

from .. import _validation as check
from .._base import Array
from ._problem import Problem


@dataclasses.dataclass(frozen=True)
class State:
    """What a callback sees after each iteration, and before the first.

    Attributes
    ----------
    iteration : int
        0 at the start.
    x : ndarray
        The point.
    value : float
        The objective there, with the penalty.
    gradient : ndarray
        The gradient there, without a penalty that is applied by its proximal map.
    gradient_norm : float
        The largest absolute entry of the gradient; with a penalty that of ``(x - prox(x - s g, s)) / s``, s the last
        step, which is 0 at a minimum.
    step : float
        Length of the step that led here; NaN at the start.
    time : float
        Seconds since the start.
    """

    iteration: int
    x: Array
    value: float
    gradient: Array
    gradient_norm: float
    step: float
    time: float


@dataclasses.dataclass(frozen=True, eq=False)
class History:
    """One entry for the start and for each iteration.

    Attributes
    ----------
    value, gradient_norm, step, time : ndarray of shape (n_iter + 1,)
        As in `State`.
    """

    value: Array
    gradient_norm: Array
    step: Array
    time: Array


@dataclasses.dataclass(frozen=True, eq=False)
class Result:
    """Where an optimiser stopped, and how it came there.

    Attributes
    ----------
    x : ndarray
        The last point at which the objective is finite.
    value : float
        The objective at `x`, with the penalty.
    gradient : ndarray
        The gradient at `x`, without a penalty that is applied by its proximal map.
    n_iter : int
        Iterations.
    n_evaluations : int
        How often `fun` was called.
    converged : bool
        Whether `tol` or `value_tol` was reached.
    message : str
        Why it stopped.
    history : History
        Value, norm of the gradient, step and time of each iteration.
    """

    x: Array
    value: float
    gradient: Array
    n_iter: int
    n_evaluations: int
    converged: bool
    message: str
    history: History = dataclasses.field(repr=False)


class Run:
    """Records states, and decides when to stop and what the result is."""

    def __init__(self, problem: Problem, max_iter: Any, tol: Any, value_tol: Any, time_limit: Any, callback: Any):
        self.problem = problem
        self.max_iter = check.positive_integer("max_iter", max_iter)
        self.tol = check.real_number("tol", tol, ge=0)
        self.value_tol = -1.0 if value_tol is None else check.real_number("value_tol", value_tol, ge=0)
        limit = math.inf if time_limit is None else time_limit
        self.time_limit = check.real_number("time_limit", limit, gt=0, infinite=True)
        if callback is not None and not callable(callback):
            raise TypeError(f"callback must be callable or None, got {type(callback).__name__}")
        self.callback = callback
        self.states: list[tuple[float, float, float, float]] = []
        self.began = time.perf_counter()
        self.converged, self.message = False, ""

    def record(self, x: Array, value: float, gradient: Array, gradient_norm: float, step: float) -> bool:
        """Whether to stop here."""
        k, seconds = len(self.states), time.perf_counter() - self.began
        before = self.states[-1][0] if k else math.inf
        self.states.append((value, gradient_norm, step, seconds))
        if not (math.isfinite(value) and math.isfinite(gradient_norm)):
            self.message = f"diverged: value {value}, gradient {gradient_norm} in iteration {k}; try smaller steps"
            self.message += self.problem.outside
            return True
        self.last = State(k, x, value, gradient, gradient_norm, step, seconds)
        answer = None if self.callback is None else self.callback(self.last)
        asked = isinstance(answer, (bool, np.bool_)) and bool(answer)
        change = abs(before - value) / max(abs(before), abs(value), np.finfo(float).tiny)
        reached = f"gradient_norm {gradient_norm:.3g} <= tol" if gradient_norm <= self.tol else ""
        if not reached and change <= self.value_tol:
            reached = f"relative change of the value {change:.3g} <= value_tol"
        self.converged = bool(reached)
        self.message = reached or (
            "the callback asked to stop"
            if asked
            else f"max_iter = {self.max_iter} reached"
            if k >= self.max_iter
            else f"time_limit = {self.time_limit:g} s reached"
            if seconds >= self.time_limit
            else ""
        )
        return bool(self.message)

    def stalled(self) -> None:
        """No step was accepted."""
        self.message = "no step decreases the objective: at its resolution, at a kink, or a wrong derivative"
        self.message += self.problem.outside

    def result(self) -> Result:
        columns = History(*map(np.array, zip(*self.states, strict=True)))
        at, calls = self.last, self.problem.n_evaluations
        return Result(at.x, at.value, at.gradient, len(self.states) - 1, calls, self.converged, self.message, columns)
