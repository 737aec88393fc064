"""Newton's method."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .._base import Array, ArrayLike
from ._gradient_descent import gradient_descent
from ._problem import Problem
from ._record import Result, Run, State
from ._steps import DECREASE, HALVINGS


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
    problem = Problem(fun, x0, penalty)
    run = Run(problem, max_iter, tol, value_tol, time_limit, callback)
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


def _direction(problem: Problem, x: Array, gradient: Array, hessian: Any, hessp: Any, accuracy: float) -> Array:
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

    problem: Problem

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
