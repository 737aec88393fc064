"""Minimisers for `LinearObjective`: which one for what.

- `newton_cg`: smooth objectives. Newton directions by conjugate gradients, never a matrix. With a majorizing curvature
  it is the method of iteratively reweighted least squares, which stays in the valley where it starts.
- `proximal`: smooth loss, penalty with kinks. Accelerated proximal gradient, monotone, coefficients exactly 0.
- `bfgs`: losses with kinks. A quasi-Newton method needs no smoothness but a line search that asks for no more than a
  larger slope; then its inverse hessian learns the directions in which the objective is kinked. Lewis and Overton
  (2013) is the source of this, of the line search, and of the limits of what is proved.
- SciPy's L-BFGS-B, behind the same interface.

The line search stops at the resolution of the objective; then its last point is the minimum as far as can be told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ._base import Array
from ._linear import LinearObjective
from ._optional import require

DENSE = 1000  # parameters up to which `bfgs` keeps a matrix of their size squared,
PAIRS = 50  # and beyond which only the last steps
SOLVERS = ("newton-cg", "lbfgs", "proximal", "bfgs")
FLAT = 1e-5  # share of the largest curvature below which conjugate gradients stop
Report = Callable[[int, float], object]


class Solution(NamedTuple):
    """Where a minimiser stopped."""

    theta: Array
    n_iter: int
    converged: bool


def minimize(
    objective: LinearObjective, theta: Array, solver: str, max_iter: int, tol: float, report: Report | None = None
) -> Solution:
    """Minimise an objective.

    Parameters
    ----------
    objective : LinearObjective
        What to minimise.
    theta : ndarray of shape (size,)
        Where to start.
    solver : {"newton-cg", "lbfgs", "proximal", "bfgs"}
        The method; it must fit the objective.
    max_iter : int
        Most iterations.
    tol : float
        The largest entry of the gradient (for "proximal", of the step in the units of a gradient), relative to that at
        the best constant model. For "bfgs" the decrease of the objective that is still expected, relative to the value
        of the best constant model, is below ``tol**2``.
    report : callable, optional
        Called with the number of each iteration and the objective.

    Returns
    -------
    Solution
    """
    report = report or (lambda k, value: None)
    value, gradient = objective.fun_grad(objective.initial())
    if solver == "bfgs":
        rounding = objective.resolution * abs(objective.fun(np.zeros_like(theta)))  # such losses grow with abs(y - f)
        return bfgs(objective, theta, max_iter, max(tol**2 * abs(value), rounding), report)
    method = {"lbfgs": lbfgs, "newton-cg": newton_cg, "proximal": proximal}[solver]
    return method(objective, theta, max_iter, tol * float(np.abs(gradient).max()), report)


def lbfgs(objective: LinearObjective, theta: Array, max_iter: int, tol: float, report: Report) -> Solution:
    """Minimise a smooth objective by SciPy's L-BFGS-B."""
    count = iter(range(1, max_iter + 1))

    def callback(intermediate_result: Any) -> None:
        report(next(count), float(intermediate_result.fun))

    result = require("scipy.optimize", "1.13", "scipy", ("scipy",)).minimize(
        objective.fun_grad,
        theta,
        jac=True,
        method="L-BFGS-B",
        callback=callback,
        options={"maxiter": max_iter, "maxfun": 50 * max_iter, "maxls": 50, "gtol": tol, "ftol": objective.resolution},
    )
    decrease = result.jac @ (result.hess_inv @ result.jac)
    settled = result.status == 2 and decrease <= 100 * objective.resolution * abs(result.fun)
    return Solution(result.x, int(result.nit), bool(result.status == 0 or settled))


def newton_cg(objective: LinearObjective, theta: Array, max_iter: int, tol: float, report: Report) -> Solution:
    """Minimise a smooth objective by Newton's method (Nocedal and Wright, 2006, algorithm 7.1)."""
    value, g = objective.fun_grad(theta)
    first, resolution = float(np.abs(g).max()), objective.resolution
    for k in range(max_iter):
        largest = float(np.abs(g).max())
        if largest <= tol:
            return Solution(theta, k, True)
        d = _newton_direction(objective, theta, g, min(0.5, (largest / first) ** 0.5))
        decrease = -float(g @ d)
        theta, value, g, moved = _line_search(objective.fun_grad, theta, value, g, d)
        if not moved:
            theta, value, g, moved = _line_search(objective.fun_grad, theta, value, g, -g / objective.squares)
        if not moved or decrease <= resolution * abs(value):
            return Solution(theta, k, decrease <= 100 * resolution * abs(value))
        report(k + 1, value)
    return Solution(theta, max_iter, float(np.abs(g).max()) <= tol)


def _newton_direction(objective: LinearObjective, theta: Array, g: Array, accuracy: float) -> Array:
    """Minus the inverse curvature times the gradient, by conjugate gradients; a descent direction always."""
    inverse = 1 / objective.diagonal(theta)
    d, r, p = np.zeros_like(g), g.copy(), -inverse * g
    rr, largest = -(r @ p), 0.0
    enough = accuracy**2 * rr
    for _ in range(2 * len(g) + 10):
        hp = objective.hessp(theta, p)
        curvature, length = float(p @ hp), float(p @ (p / inverse))
        if not curvature > FLAT * largest * length:  # flat or bent down: no minimum that way
            return d if d.any() else p
        largest = max(largest, curvature / length)
        step = rr / curvature
        d += step * p
        r += step * hp
        scaled = inverse * r
        before, rr = rr, r @ scaled
        if rr <= enough:
            break
        p = rr / before * p - scaled
    return d


def proximal(objective: LinearObjective, theta: Array, max_iter: int, tol: float, report: Report) -> Solution:
    """Minimise a smooth loss with any penalty: FISTA (Beck and Teboulle, 2009), restarted where momentum is uphill.

    The restarts (O'Donoghue and Candes, 2015) make it linear near a strict minimum. The step follows the curvature up
    and down.
    """
    eps = 10 * objective.resolution
    x, best = theta, objective.fun(theta)
    z, momentum = x, 1.0
    scale = 1 / objective.squares if objective.separable else np.ones_like(x)
    _, g = objective.fun_grad_smooth(x)
    d = scale * g
    along = d @ objective.hessp(x, d) / (g @ d) if g.any() else 0.0
    bound = float(along) if along > 0 else 1.0
    for k in range(max_iter):
        value, g = objective.fun_grad_smooth(z)
        while True:
            new = objective.prox(z - scale / bound * g, scale / bound)
            step = new - z
            slope = bound * step / scale
            smooth = objective.fun_smooth(new)
            if smooth <= value + g @ step + slope @ step / 2 + eps * abs(value) or not step.any():
                break
            bound *= 2
        total = smooth + objective.fun_kinked(new)
        if not total <= best + eps * abs(best):
            if z is x:
                return Solution(x, k, False)
            z, momentum = x, 1.0
            continue
        report(k + 1, total)
        if float(np.abs(slope).max()) <= tol or slope @ step <= objective.resolution * abs(value):
            return Solution(new, k + 1, True)
        if slope @ (new - x) < 0:
            momentum = 1.0
        later = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        z = new + (momentum - 1) / later * (new - x)
        x, best, momentum = new, total, later
        bound *= 0.95
    return Solution(x, max_iter, False)


def bfgs(objective: LinearObjective, theta: Array, max_iter: int, tol: float, report: Report) -> Solution:
    """Minimise an objective with kinks (Lewis and Overton, 2013)."""
    slopes = objective.slopes()
    inverse = _InverseHessian(slopes**-2)
    value, g = objective.fun_grad(theta)
    if g.any():  # start beside the kinks on which the best constant model sits, or a sparse one
        aside = np.random.default_rng(0).standard_normal(len(theta)) / slopes
        aside[objective.n_coef :] = 0
        aside *= 0.1 * abs(value) / len(theta) ** 0.5
        near = (theta + aside / 10**k for k in range(20))  # an exponential may be too far up at the first
        theta = next((point for point in near if objective.fun(point) <= value + abs(value)), theta)
        value, g = objective.fun_grad(theta)
    k = calm = flat = 0  # steps for which no decrease was expected, or found
    before, patience = np.inf, min(len(theta), 100) + 3  # a kink may hide each direction
    while k < max_iter and calm < patience and flat < 5 * patience and g.any():
        d = -inverse.times(g)
        new, lower, ahead, moved = _line_search(objective.fun_grad, theta, value, g, d)
        if not moved and (calm or not inverse.scale or before - value <= tol):
            break
        if not moved:  # misled by kinks: start again from here
            inverse, before = _InverseHessian(slopes**-2), value
            continue
        flat = flat + 1 if value - lower <= tol else 0
        calm = calm + 1 if flat and -(d @ g) / 2 <= tol else 0
        inverse.update(new - theta, ahead - g)
        theta, value, g, k = new, lower, ahead, k + 1
        report(k, value)
    converged = calm >= patience or flat >= 5 * patience or (flat > 0 and not moved) or not g.any()
    for share in (1e-4, 1e-6, 1e-8):  # what the penalty would have at 0, and the method only close to it
        sparse = np.where(np.abs(theta) <= share * np.abs(theta).max(), 0, theta)
        if not objective.smooth and objective.fun(sparse) <= value + tol:
            return Solution(sparse, k, converged)
    return Solution(theta, k, converged)


class _InverseHessian:
    """The BFGS approximation of the inverse hessian: a matrix, or its last factors where that would be large."""

    def __init__(self, diagonal: Array) -> None:
        self.diagonal = diagonal
        self.matrix = np.diag(diagonal) if len(diagonal) <= DENSE else None
        self.pairs: list[tuple[Array, Array, float]] = []
        self.scale = 0.0

    def times(self, g: Array) -> Array:
        if self.matrix is not None:
            return np.asarray(self.matrix @ g)
        d, shares = g.copy(), []
        for s, y, inverse in reversed(self.pairs):
            shares.append(inverse * (s @ d))
            d -= shares[-1] * y
        d *= self.diagonal * (self.scale or 1.0)
        for (s, y, inverse), share in zip(self.pairs, reversed(shares), strict=True):
            d += (share - inverse * (y @ d)) * s
        return d

    def update(self, s: Array, y: Array) -> None:
        """Learn that the gradient changed by y along the step s."""
        sy = float(s @ y)
        if not sy > 0:
            return
        first, self.scale = not self.scale, self.scale or sy / float(y @ (self.diagonal * y))
        if self.matrix is None:
            self.pairs = [*self.pairs[1 - PAIRS :], (s, y, 1 / sy)]
            return
        if first:
            self.matrix *= self.scale
        hy = self.matrix @ y
        both = np.stack([s, hy], axis=1)
        self.matrix += both @ np.array([[(1 + y @ hy / sy) / sy, -1 / sy], [-1 / sy, 0.0]]) @ both.T


def _line_search(
    fun_grad: Callable[[Array], tuple[float, Array]], x: Array, value: float, g: Array, d: Array
) -> tuple[Array, float, Array, bool]:
    """A point along d that is lower and less steep, by doubling and bisection; the start itself if there is none."""
    low, high, t, slope = 0.0, float("inf"), 1.0, float(g @ d)
    best = x, value, g, False
    for _ in range(60 if slope < 0 else 0):
        point = x + t * d
        ahead, gradient = fun_grad(point)
        if not ahead <= value + 1e-4 * t * slope:
            high = t
        else:
            low, best = t, (point, ahead, gradient, True)
            if gradient @ d >= 0.5 * slope:
                break
        t = (low + high) / 2 if high < float("inf") else 2 * low
    return best
