"""Gradient descent, with momentum and proximal steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _validation as check
from .._base import ArrayLike
from ._problem import Problem
from ._record import Result, Run, State
from ._steps import HALVINGS, Candidate, rule_for


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
    problem = Problem(fun, x0, penalty)
    run = Run(problem, max_iter, tol, value_tol, time_limit, callback)
    momentum, nesterov = check.real_number("momentum", momentum, ge=0, lt=1), check.flag("nesterov", nesterov)
    if momentum and nesterov:
        raise ValueError(f"momentum must be 0 with nesterov=True, which has its own, got {momentum}")
    if step == "barzilai_borwein" and (momentum or nesterov):
        raise ValueError("momentum must be 0, and nesterov False, with step='barzilai_borwein'")

    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        x, (value, gradient) = problem.x0, problem.start()
        rule = rule_for(step, first_step, problem, gradient, may_grow=not nesterov)
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
                seen = Candidate(new - base, base_value, slope, new_value, new_gradient, total, length)
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
