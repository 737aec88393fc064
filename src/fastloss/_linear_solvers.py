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
Report = Callable[[int, float], None]


class Solution(NamedTuple):
    """Where a minimiser stopped."""

    theta: Array
    n_iter: int
    converged: bool


def minimize(
    objective: LinearObjective, theta: Array, solver: str, max_iter: int, tol: float, report: Report
) -> Solution:
    """Minimise an objective.

    Parameters
    ----------
    objective : LinearObjective
        What to minimise.
    theta : ndarray of shape (size,)
        Where to start.
    solver : {"lbfgs", "newton-cg", "proximal", "bfgs"}
        The method.
    max_iter : int
        Most iterations.
    tol : float
        The largest entry of the gradient (for "proximal", of the step in the units of a gradient), relative to that at
        the best constant model. For "bfgs" the decrease of the objective that is still expected, relative to the value
        of the best constant model, is below ``tol**2``.
    report : callable
        Called with the number of each iteration and the objective.

    Returns
    -------
    Solution
    """
    value, gradient = objective.fun_grad(objective.initial())
    if solver == "bfgs":
        resolution = float(np.finfo(objective.X.dtype).eps)
        return bfgs(objective, theta, max_iter, max(tol**2, resolution) * abs(value), report)
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
        options={"maxiter": max_iter, "maxfun": 50 * max_iter, "maxls": 50, "gtol": tol, "ftol": 0.0},
    )
    settled = _settled(objective, result.fun, result.jac, lambda g: result.hess_inv @ g)
    return Solution(result.x, int(result.nit), bool(result.status == 0 or (result.status == 2 and settled)))


def newton_cg(objective: LinearObjective, theta: Array, max_iter: int, tol: float, report: Report) -> Solution:
    """Minimise a smooth objective by Newton's method (Nocedal and Wright, 2006, algorithm 7.1)."""
    value, g = objective.fun_grad(theta)
    first = float(np.abs(g).max())
    for k in range(max_iter):
        largest = float(np.abs(g).max())
        if largest <= tol:
            return Solution(theta, k, True)
        d = _newton_direction(objective, theta, g, min(0.5, (largest / first) ** 0.5))
        theta, value, new, moved = _line_search(objective.fun_grad, theta, value, g, d)
        if not moved:
            return Solution(theta, k, _settled(objective, value, g, lambda g, d=d: -d))
        g = new
        report(k + 1, value)
    return Solution(theta, max_iter, float(np.abs(g).max()) <= tol)


def _newton_direction(objective: LinearObjective, theta: Array, g: Array, accuracy: float) -> Array:
    """Minus the inverse curvature times the gradient, by conjugate gradients; a descent direction always."""
    d, r, p = np.zeros_like(g), g.copy(), -g
    rr, enough = r @ r, accuracy * np.linalg.norm(g)
    for _ in range(2 * len(g) + 10):
        hp = objective.hessp(theta, p)
        curvature = p @ hp
        if not curvature > 1e-14 * (p @ p) * abs(np.max(hp, initial=0.0)):  # flat or bent down: no minimum that way
            return d if d.any() else -g
        step = rr / curvature
        d += step * p
        r += step * hp
        before, rr = rr, r @ r
        if rr**0.5 <= enough:
            break
        p = rr / before * p - r
    return d


def proximal(objective: LinearObjective, theta: Array, max_iter: int, tol: float, report: Report) -> Solution:
    """Minimise a smooth loss with any penalty: FISTA (Beck and Teboulle, 2009), restarted where momentum is uphill.

    The restarts (O'Donoghue and Candes, 2015) make it linear near a strict minimum. The step follows the curvature up
    and down.
    """
    eps = 10 * float(np.finfo(objective.X.dtype).eps)
    x, best = theta, objective.fun(theta)
    z, momentum = x, 1.0
    _, g = objective.fun_grad_smooth(x)
    along = g @ objective.hessp(x, g) / (g @ g) if g.any() else 0.0
    bound = float(along) if along > 0 else 1.0
    for k in range(max_iter):
        value, g = objective.fun_grad_smooth(z)
        while True:
            new = objective.prox(z - g / bound, 1 / bound)
            step = new - z
            smooth = objective.fun_smooth(new)
            if smooth <= value + g @ step + bound / 2 * (step @ step) + eps * abs(value) or not step.any():
                break
            bound *= 2
        if bound * float(np.abs(step).max()) <= tol:
            return Solution(new, k, True)
        total = smooth + objective.fun_kinked(new)
        report(k + 1, min(total, best))
        if total > best + eps * abs(best):
            z, momentum = x, 1.0
            continue
        if step @ (new - x) < 0:
            momentum = 1.0
        later = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        z = new + (momentum - 1) / later * (new - x)
        x, best, momentum = new, total, later
        bound *= 0.95
    return Solution(x, max_iter, False)


def bfgs(objective: LinearObjective, theta: Array, max_iter: int, tol: float, report: Report) -> Solution:
    """Minimise an objective with kinks (Lewis and Overton, 2013)."""
    inverse = _InverseHessian(len(theta))
    value, g = objective.fun_grad(theta)
    calm, k = 0, 0
    while k < max_iter and calm < 3 and g.any():
        d = -inverse.times(g)
        calm = calm + 1 if -(d @ g) <= 2 * tol else 0
        new, value, ahead, moved = _line_search(objective.fun_grad, theta, value, g, d)
        if not moved:
            break
        inverse.update(new - theta, ahead - g)
        theta, g, k = new, ahead, k + 1
        report(k, value)
    converged = calm > 0 or not g.any()
    for share in (1e-4, 1e-6, 1e-8):  # what the penalty would have at 0, and the method only close to it
        sparse = np.where(np.abs(theta) <= share * np.abs(theta).max(), 0, theta)
        if not objective.smooth and objective.fun(sparse) <= value + tol:
            return Solution(sparse, k, converged)
    return Solution(theta, k, converged)


class _InverseHessian:
    """The BFGS approximation of the inverse hessian: a matrix, or its last factors where that would be large."""

    def __init__(self, size: int) -> None:
        self.matrix = np.eye(size) if size <= DENSE else None
        self.pairs: list[tuple[Array, Array, float]] = []
        self.scale = 0.0

    def times(self, g: Array) -> Array:
        if self.matrix is not None:
            return np.asarray(self.matrix @ g)
        d, shares = g.copy(), []
        for s, y, inverse in reversed(self.pairs):
            shares.append(inverse * (s @ d))
            d -= shares[-1] * y
        d *= self.scale or 1.0
        for (s, y, inverse), share in zip(self.pairs, reversed(shares), strict=True):
            d += (share - inverse * (y @ d)) * s
        return d

    def update(self, s: Array, y: Array) -> None:
        """Learn that the gradient changed by y along the step s."""
        sy = float(s @ y)
        if not sy > 0:
            return
        first, self.scale = not self.scale, self.scale or sy / float(y @ y)
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
    low, high, t, slope = 0.0, np.inf, 1.0, float(g @ d)
    best = x, value, g, False
    for _ in range(60):
        point = x + t * d
        ahead, gradient = fun_grad(point)
        if not ahead <= value + 1e-4 * t * slope:
            high = t
        else:
            low, best = t, (point, ahead, gradient, True)
            if gradient @ d >= 0.5 * slope:
                break
        t = (low + high) / 2 if high < np.inf else 2 * low
    return best


def _settled(objective: LinearObjective, value: float, g: Array, inverse: Callable[[Array], Array]) -> bool:
    """Whether the decrease that is still expected is below the resolution of the objective."""
    eps = float(np.finfo(objective.X.dtype).eps)
    return bool(g @ inverse(g) <= 100 * eps * max(abs(value), eps))
