"""Gradient descent and Newton's method, written to be read: what happens at each step is recorded.

Design. Both minimise f(x) + p(x), f smooth, p a penalty that enters by its proximal map only (none: the identity). A
candidate point is always `prox(point - step * gradient, step)`, so that one loop serves gradient descent, momentum and
the proximal gradient method, and Newton's method with a penalty is that loop on a quadratic model. Rules for steps
decide over candidates, rules for stopping over states.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from . import _validation as check
from ._base import Array, ArrayLike
from ._linear import LinearObjective
from .penalties import get as get_penalty

__all__ = ["History", "Result", "State", "decaying", "gradient_descent", "linear", "newton"]

HALVINGS = 60  # of a step, before the line search gives up
MEMORY = 10  # values that a Barzilai-Borwein step may rise to (Grippo, Lampariello and Lucidi, 1986)
DECREASE = 1e-4  # share of the predicted decrease that suffices (Armijo, 1966)


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


def linear(loss: Any, X: Any, y: ArrayLike, **options: Any) -> LinearObjective:
    """Make the objective of a linear model, to be passed as `fun`.

    Parameters
    ----------
    loss : Loss, str or dict
        A loss, its name or its configuration; its raw scale is used.
    X : array_like or SciPy sparse of shape (n, D)
        Features.
    y : array_like of shape (n,) or (n, K)
        Targets.
    **options
        ``sample_weight``, ``penalty``, ``fit_intercept`` (False by default), ``n_outputs``, ``hessian``, ``center``.

    Returns
    -------
    LinearObjective
        A function of a flat vector: all coefficients, then intercepts; its `split` gives both, its `initial` is the
        best constant model, where the optimisers start by default.

    Raises
    ------
    TypeError, ValueError
        If an argument does not have the type, shape or range above.

    Examples
    --------
    >>> import fastloss as fl
    >>> X, y = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [1.0, 0.0, 1.0]
    >>> result = fl.optim.gradient_descent(fl.optim.linear("half_squared_error", X, y, penalty=fl.L1(0.1)))
    >>> result.x.round(3)
    array([0.85, 0.  ])
    """
    return LinearObjective(loss, X, y, **options)


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


# ---- what is minimised ----------------------------------------------------------------------------------------------


class _Problem:
    """The objective f + p in the terms of the algorithms, whatever it came as; counts the calls of f."""

    def __init__(self, fun: Any, x0: ArrayLike | None, penalty: Any) -> None:
        self.n_evaluations, self.outside = 0, ""
        real = fun.X.dtype if isinstance(fun, LinearObjective) else np.float64
        self.rounding = 10 * float(np.finfo(real).eps)  # smaller relative changes of f are noise
        self.proximal = penalty is not None
        self._smooth: Callable[[Array], Any]
        self._kinked: Callable[[Array], Any] = lambda x: 0.0
        self._prox: Callable[[Array, float], Any] = lambda x, step: x
        if hasattr(fun, "fun_grad_smooth"):
            if penalty is not None:
                raise ValueError("penalty must be None where the objective may have one: give it to the objective")
            self._smooth, self._kinked, self._prox = fun.fun_grad_smooth, fun.fun_kinked, fun.prox
            self.proximal = not fun.smooth
        elif callable(fun) or hasattr(fun, "fun_grad"):
            self._smooth = getattr(fun, "fun_grad", fun)
        else:
            raise TypeError(f"fun must be callable or have a method fun_grad, got {type(fun).__name__}")
        if penalty is not None:
            if not (hasattr(penalty, "value") and hasattr(penalty, "prox")):
                penalty = get_penalty(penalty)
            self._kinked, self._prox = penalty.value, penalty.prox
        if x0 is None and not hasattr(fun, "initial"):
            raise TypeError("x0 must be given: fun has no method initial")
        self.x0 = np.array(check.as_array("x0", fun.initial() if x0 is None else x0), float)
        if not np.isfinite(self.x0).all():
            raise check.outside("x0", "finite", self.x0, np.isfinite(self.x0))

    def smooth(self, x: Array) -> tuple[float, Array]:
        """Value and gradient of f; the value is inf where f, defined at x0, raises: outside of its domain."""
        self.n_evaluations += 1
        try:
            result = self._smooth(x)
        except ValueError as error:
            if x is self.x0:
                raise
            self.outside = f" ({error})"
            return math.inf, np.full(x.shape, math.nan)
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise TypeError(f"fun must return a value and a gradient, got {type(result).__name__}")
        gradient = np.array(result[1], float)
        if np.size(result[0]) != 1:
            raise ValueError(f"fun must return one value, got an array of shape {np.shape(result[0])}")
        if gradient.shape != x.shape:
            raise ValueError(f"fun must return a gradient of the shape {x.shape} of x0, got {gradient.shape}")
        return float(np.asarray(result[0]).item()), gradient

    def kinked(self, x: Array) -> float:
        """The penalty p."""
        return float(self._kinked(x))

    def prox(self, x: Array, step: float) -> Array:
        """The proximal map of p."""
        return np.asarray(self._prox(x, step), float).reshape(x.shape)

    def gradient_norm(self, x: Array, gradient: Array, step: float) -> float:
        """The largest entry of the gradient; with a penalty, of the step that it leads to, per length."""
        if self.proximal:
            gradient = (x - self.prox(x - step * gradient, step)) / step
        return float(np.max(np.abs(gradient), initial=0.0))

    def start(self) -> tuple[float, Array]:
        """Value and gradient of f at x0, which must be finite."""
        value, gradient = self.smooth(self.x0)
        if not math.isfinite(value + self.kinked(self.x0)) or not np.isfinite(gradient).all():
            raise ValueError(f"the objective and its gradient must be finite at x0, got the value {value}")
        return value, gradient


# ---- when to stop ---------------------------------------------------------------------------------------------------


class _Run:
    """Records states, and decides when to stop and what the result is."""

    def __init__(self, problem: _Problem, max_iter: Any, tol: Any, value_tol: Any, time_limit: Any, callback: Any):
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


# ---- how far to go --------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class _Candidate:
    """A move, value and gradient of f before and after it, the objective after it, and the length of the step."""

    move: Array
    value: float
    gradient: Array
    new_value: float
    new_gradient: Array
    new_total: float
    length: float


class _Schedule:
    """Steps known in advance: a constant, or a function of the iteration."""

    def __init__(self, step: Any) -> None:
        self.at = step if callable(step) else lambda k: step

    def propose(self, k: int, s: Array, y: Array) -> float:
        return check.real_number("step", self.at(k), gt=0)

    def accept(self, c: _Candidate, totals: list[float]) -> bool:
        return True


class _Backtracking:
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

    def accept(self, c: _Candidate, totals: list[float]) -> bool:
        self.tries += 1
        self.length = c.length
        square = np.vdot(c.move, c.move) / c.length
        above = c.new_value - (c.value + np.vdot(c.gradient, c.move) + square / 2)
        hidden = self.rounding * abs(c.value)
        if not above <= hidden:
            return False
        return bool(above <= -hidden or np.vdot(c.new_gradient - c.gradient, c.move) <= square)


class _BarzilaiBorwein:
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

    def accept(self, c: _Candidate, totals: list[float]) -> bool:
        reference = max(totals[-MEMORY:])
        decrease = DECREASE / c.length * np.vdot(c.move, c.move)
        return bool(c.new_total <= reference - decrease + self.rounding * abs(reference))


_Rule = _Schedule | _Backtracking | _BarzilaiBorwein


def _rule(step: Any, first_step: float | None, problem: _Problem, gradient: Array, may_grow: bool) -> _Rule:
    """The rule that the options ask for."""
    if first_step is not None:
        first_step = check.real_number("first_step", first_step, gt=0)
    if not isinstance(step, str):
        return _Schedule(step if callable(step) else check.real_number("step", step, gt=0))
    check.one_of("step", step, ("backtracking", "barzilai_borwein"))
    first = first_step or _inverse_curvature(problem, problem.x0, gradient)
    if step == "backtracking":
        return _Backtracking(first, problem.rounding, may_grow)
    return _BarzilaiBorwein(first, problem.rounding)


def _inverse_curvature(problem: _Problem, x: Array, gradient: Array) -> float:
    """The step that fits the curvature along the gradient at x, by a small move; 1 where there is none."""
    size = float(np.max(np.abs(gradient), initial=0.0))
    if size == 0:
        return 1.0
    h = 1e-4 * max(1.0, float(np.abs(x).max())) / size
    change = np.linalg.norm(problem.smooth(x - h * gradient)[1] - gradient)
    return float(h * np.linalg.norm(gradient) / change) if 0 < change < math.inf else 1.0


# ---- gradient descent -----------------------------------------------------------------------------------------------


def gradient_descent(
    fun: Any,
    x0: ArrayLike | None = None,
    *,
    step: float | str | Callable[[int], float] = "backtracking",
    first_step: float | None = None,
    momentum: float = 0.0,
    nesterov: bool = False,
    penalty: Any = None,
    max_iter: int = 1000,
    tol: float = 1e-6,
    value_tol: float | None = None,
    time_limit: float | None = None,
    callback: Callable[[State], Any] | None = None,
) -> Result:
    r"""Minimise a function by steps along its negative gradient, with a penalty by proximal steps.

    .. math:: x_{k+1} = \operatorname{prox}_{s_k p}(x_k - s_k \nabla f(x_k))

    Parameters
    ----------
    fun : callable or object
        A function of an array that returns value and gradient; or an object with a method ``fun_grad`` that does, such
        as `linear` makes, whose penalty is then used. Where it raises ValueError, other than at `x0`, or is not finite,
        a point counts as outside of its domain.
    x0 : array_like, optional
        Where to start, of any shape; computed in float64. By default ``fun.initial()``.
    step : float, callable, "backtracking" or "barzilai_borwein", default "backtracking"
        The length of steps: a constant; a function of the iteration 0, 1, ... (see `decaying`); a line search that
        halves and doubles; or the inverse of the curvature along the last step, which is often much faster.
    first_step : float, optional
        Where both searches begin, > 0; by default the inverse of the curvature along the gradient at `x0` (one more
        evaluation).
    momentum : float, default 0.0
        Share of the last move that is added to the next, in [0, 1): the heavy ball.
    nesterov : bool, default False
        Whether gradients are taken ahead of the point, with growing momentum that restarts when the objective rises;
        the accelerated proximal gradient method (FISTA). Two evaluations an iteration.
    penalty : Penalty, str or dict, optional
        Added to `fun` and applied by its proximal map, so that entries become exactly 0; any object with ``value(x)``
        and ``prox(x, step)``.
    max_iter : int, default 1000
        Most iterations.
    tol : float, default 1e-6
        Converged when `State.gradient_norm` is not larger.
    value_tol : float, optional
        Converged when the relative change of the objective in an iteration is not larger; off by default.
    time_limit : float, optional
        Seconds after which to stop.
    callback : callable, optional
        Called with a `State` at the start and after each iteration; if it returns True the run stops.

    Returns
    -------
    Result
        With ``converged=False`` and a message where the iterates diverge; then `x` is the last finite point.

    Raises
    ------
    TypeError
        If `fun` is not callable or does not return a pair, or an option has the wrong type.
    ValueError
        If the objective is not finite at `x0`, a gradient does not have its shape, or an option is out of range.

    References
    ----------
    B. T. Polyak, Some methods of speeding up the convergence of iteration methods, 1964. Y. Nesterov, A method of
    solving a convex programming problem with convergence rate O(1/k^2), 1983. A. Beck and M. Teboulle, A fast
    iterative shrinkage-thresholding algorithm for linear inverse problems, SIAM Journal on Imaging Sciences 2, 2009.
    J. Barzilai and J. M. Borwein, Two-point step size gradient methods, IMA Journal of Numerical Analysis 8, 1988.
    B. O'Donoghue and E. Candes, Adaptive restart for accelerated gradient schemes, Foundations of Computational
    Mathematics 15, 2015.

    Examples
    --------
    >>> import fastloss as fl
    >>> def parabola(x):
    ...     return float(x @ x) / 2 - x.sum(), x - 1
    >>> fl.optim.gradient_descent(parabola, [5.0, -3.0]).x.round(4)
    array([1., 1.])
    >>> fl.optim.gradient_descent(parabola, [5.0, -3.0], penalty=fl.L1(0.25)).x.round(4)
    array([0.75, 0.75])
    >>> fl.optim.gradient_descent(parabola, [5.0, -3.0], step=2.5).converged
    False
    """
    problem = _Problem(fun, x0, penalty)
    run = _Run(problem, max_iter, tol, value_tol, time_limit, callback)
    momentum, nesterov = check.real_number("momentum", momentum, ge=0, lt=1), check.flag("nesterov", nesterov)
    if momentum and nesterov:
        raise ValueError(f"momentum must be 0 with nesterov=True, which has its own, got {momentum}")
    if step == "barzilai_borwein" and (momentum or nesterov):
        raise ValueError("momentum must be 0, and nesterov False, with step='barzilai_borwein'")

    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        x, (value, gradient) = problem.x0, problem.start()
        rule = _rule(step, first_step, problem, gradient, may_grow=not nesterov)
        length = rule.propose(0, np.zeros_like(x), np.zeros_like(x))
        before, gradient_before, weight, totals = x, gradient, 1.0, [value + problem.kinked(x)]
        stopped = run.record(x, totals[0], gradient, problem.gradient_norm(x, gradient, length), math.nan)
        while not stopped:
            base, base_value, slope, push = x, value, gradient, momentum * (x - before)
            if nesterov:
                weight, last = (1 + math.sqrt(1 + 4 * weight**2)) / 2, weight
                if last > 1:
                    base = x + (last - 1) / weight * (x - before)
                    base_value, slope = problem.smooth(base)
            length = rule.propose(len(totals) - 1, x - before, gradient - gradient_before)
            for _ in range(HALVINGS):
                new = problem.prox(base + push - length * slope, length)
                new_value, new_gradient = problem.smooth(new)
                total = new_value + problem.kinked(new)
                seen = _Candidate(new - base, base_value, slope, new_value, new_gradient, total, length)
                if rule.accept(seen, totals):
                    break
                length /= 2
            else:
                run.stalled()
                break
            if total > totals[-1]:
                weight = 1.0
            before, gradient_before = x, gradient
            x, value, gradient = new, new_value, new_gradient
            totals.append(total)
            stopped = run.record(x, total, gradient, problem.gradient_norm(x, gradient, length), length)
    return run.result()


# ---- Newton's method ------------------------------------------------------------------------------------------------


def newton(
    fun: Any,
    x0: ArrayLike | None = None,
    *,
    hessian: Callable[[Array], Array] | None = None,
    hessp: Callable[[Array, Array], Array] | None = None,
    penalty: Any = None,
    max_iter: int = 100,
    tol: float = 1e-8,
    value_tol: float | None = None,
    time_limit: float | None = None,
    callback: Callable[[State], Any] | None = None,
) -> Result:
    r"""Minimise a function by Newton's method: jump to the minimum of a quadratic model, and look again.

    .. math:: x_{k+1} = x_k + t_k d_k, \qquad d_k = \operatorname*{arg\,min}_d
        \nabla f^\top d + \tfrac{1}{2} d^\top H d + p(x_k + d)

    The number of right digits doubles in each iteration near a minimum. A line search halves t from 1 until the
    objective falls.

    Parameters
    ----------
    fun : callable or object
        A function of an array that returns value and gradient; or an object with methods ``fun_grad`` and ``hessp`` or
        ``hessian``, such as `linear` makes, whose penalty is then used.
    x0 : array_like, optional
        Where to start, of any shape; computed in float64. By default ``fun.initial()``.
    hessian : callable, optional
        A function of x that returns the second derivative as a matrix of shape (size, size), or its diagonal in the
        shape of x. A matrix that is not positive definite gets a multiple of the identity, a diagonal its absolute
        values.
    hessp : callable, optional
        A function of x and p that returns the product of the second derivative and p; directions then come from
        conjugate gradients. If there is neither, products are differences of gradients.
    penalty : Penalty, str or dict, optional
        Added to `fun`; the model is then minimised by accelerated proximal steps (`gradient_descent`). Any object with
        ``value(x)`` and ``prox(x, step)``.
    max_iter : int, default 100
        Most iterations.
    tol, value_tol, time_limit, callback
        As for `gradient_descent`, but tol=1e-8.

    Returns
    -------
    Result

    Raises
    ------
    TypeError, ValueError
        As for `gradient_descent`; or if a second derivative has the wrong shape.

    References
    ----------
    J. Nocedal and S. J. Wright, Numerical Optimization, 2006, chapters 3 and 7. J. D. Lee, Y. Sun and M. A. Saunders,
    Proximal Newton-type methods for minimizing composite functions, SIAM Journal on Optimization 24, 2014.

    Examples
    --------
    >>> import fastloss as fl
    >>> X, y = [[-2.0], [-1.0], [1.0], [2.0]], [0, 1, 0, 1]
    >>> result = fl.optim.newton(fl.optim.linear("binary_cross_entropy", X, y))
    >>> result.converged, result.n_iter, result.x.round(4)
    (True, 3, array([0.4196]))
    """
    problem = _Problem(fun, x0, penalty)
    run = _Run(problem, max_iter, tol, value_tol, time_limit, callback)
    if hessian is not None and hessp is not None:
        raise ValueError("hessian must be None where hessp is given: one second derivative is enough")
    if hessian is None and hessp is None:
        hessp, hessian = getattr(fun, "hessp", None), getattr(fun, "hessian", None)
        hessian = hessian if callable(hessian) and hessp is None else None

    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        x, (value, gradient) = problem.x0, problem.start()
        total, step = value + problem.kinked(x), math.nan
        norm = problem.gradient_norm(x, gradient, 1.0)
        while not run.record(x, total, gradient, norm, step):
            accuracy = min(0.5, math.sqrt(norm)) * norm  # finer near the minimum: then convergence is superlinear
            d = _direction(problem, x, gradient, hessian, hessp, accuracy)
            slope = np.vdot(gradient, d) + problem.kinked(x + d) - problem.kinked(x)
            if not slope < 0:
                d = problem.prox(x - gradient, 1.0) - x
                slope = np.vdot(gradient, d) + problem.kinked(x + d) - problem.kinked(x)
            step = 1.0
            for _ in range(HALVINGS):
                new = x + step * d
                value, gradient_there = problem.smooth(new)
                there = value + problem.kinked(new)
                if there <= total + DECREASE * step * slope + problem.rounding * abs(total):
                    break
                step /= 2
            else:
                run.stalled()
                break
            x, total, gradient = new, there, gradient_there
            norm = problem.gradient_norm(x, gradient, 1.0)
    return run.result()


def _direction(problem: _Problem, x: Array, gradient: Array, hessian: Any, hessp: Any, accuracy: float) -> Array:
    """The move to the minimum of the quadratic model."""
    if hessian is not None:
        h = np.asarray(hessian(x), float)
        if h.shape not in (x.shape, (x.size, x.size)):
            expected = f"{(x.size, x.size)}, or of a diagonal {x.shape},"
            raise ValueError(f"hessian must return an array of shape {expected} got {h.shape}")
        if not problem.proximal:
            return _solve(h, gradient)
        diagonal = h.shape == x.shape

        def product(p: Array) -> Array:
            return h * p if diagonal else (h @ p.ravel()).reshape(p.shape)
    elif hessp is not None:

        def product(p: Array) -> Array:
            hp = np.asarray(hessp(x, p), float)
            if hp.shape != p.shape:
                raise ValueError(f"hessp must return an array of the shape {p.shape} of x0, got {hp.shape}")
            return hp
    else:

        def product(p: Array) -> Array:
            size = float(np.max(np.abs(p), initial=0.0))
            h = problem.rounding**0.5 * max(1.0, float(np.max(np.abs(x), initial=0.0))) / size if size else 1.0
            return (problem.smooth(x + h * p)[1] - gradient) / h

    if not problem.proximal:
        return _conjugate_gradients(product, gradient, accuracy)

    def model(u: Array) -> tuple[float, Array]:
        d = u - x
        hd = product(d)
        return float(np.vdot(gradient, d) + np.vdot(d, hd) / 2), gradient + hd

    inner = gradient_descent(model, x, penalty=_Proximal(problem), nesterov=True, tol=0.1 * accuracy, max_iter=500)
    return inner.x - x


@dataclasses.dataclass(frozen=True)
class _Proximal:
    """The penalty of a problem as a penalty."""

    problem: _Problem

    def value(self, x: Array) -> float:
        return self.problem.kinked(x)

    def prox(self, x: Array, step: float) -> Array:
        return self.problem.prox(x, step)


def _solve(h: Array, gradient: Array) -> Array:
    """Minus the inverse of a matrix or diagonal, made positive definite, times the gradient."""
    largest = float(np.max(np.abs(h), initial=0.0)) or 1.0
    if h.shape == gradient.shape:
        return -gradient / np.maximum(np.abs(h), 1e-8 * largest)
    shift = 0.0
    while True:
        shifted = h + shift * np.eye(len(h))
        try:
            np.linalg.cholesky(shifted)  # exists for positive definite matrices only
            return -np.linalg.solve(shifted, gradient.ravel()).reshape(gradient.shape)
        except np.linalg.LinAlgError:
            shift = max(10 * shift, 1e-6 * largest)
            if not shift < math.inf:
                return -gradient


def _conjugate_gradients(product: Callable[[Array], Array], gradient: Array, accuracy: float) -> Array:
    """Solve H d = -gradient; where H bends down along a direction, stop before it."""
    d, r = np.zeros_like(gradient), gradient
    p = -r
    for _ in range(2 * gradient.size):
        hp = product(p)
        curvature, rr = np.vdot(p, hp), np.vdot(r, r)
        if not curvature > 1e-15 * np.linalg.norm(p) * np.linalg.norm(hp):
            break
        d = d + rr / curvature * p
        r = r + rr / curvature * hp
        if np.max(np.abs(r)) <= accuracy:
            break
        p = np.vdot(r, r) / rr * p - r
    return d if d.any() else -gradient
