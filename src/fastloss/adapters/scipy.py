"""Objectives and robust losses for `scipy.optimize`. Importing this module does not import SciPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._base import Array, ArrayLike, Loss
from .._linear import LinearObjective
from .._registry import get

__all__ = ["LinearObjective", "RobustRho", "linear_objective", "robust_rho"]

PROBES = np.exp2(np.arange(-30.0, 31.0))  # residuals that show whether a loss is even, and where it begins to bend


def linear_objective(
    loss: Any,
    X: Any,
    y: ArrayLike,
    penalty: Any = None,
    *,
    sample_weight: ArrayLike | None = None,
    fit_intercept: bool = False,
    hessian: str | None = None,
) -> LinearObjective:
    """Make the objective of a linear model for `scipy.optimize.minimize`, or for any optimiser of flat vectors.

    Use it where `fastloss.adapters.sklearn.LinearLossRegressor` is not enough: bounds, constraints, other optimisers.

    Parameters
    ----------
    loss : Loss, str or dict
        A loss, its name, or its configuration; its raw scale (logits, log-rates) is ``X @ coef + intercept``.
    X : array_like or SciPy sparse of shape (n, D)
        Features; float32 and float64, dense or CSR or CSC, are used as they are.
    y : array_like of shape (n,)
        Targets of the loss.
    penalty : Penalty, str or dict, optional
        A penalty of the coefficients, such as `fastloss.L2`.
    sample_weight : array_like of shape (n,), optional
        Weights >= 0 of the mean.
    fit_intercept : bool, default False
        Whether the parameters end with an intercept.
    hessian : str, optional
        The curvature of `hessp`, one of the `hessian_policies` of the loss; by default its `default_hessian`. Methods
        that handle negative curvature (trust-ncg, trust-krylov) want ``"exact"``.

    Returns
    -------
    LinearObjective
        With `fun`, `fun_grad`, `gradient`, `hessp`, `initial`, `split` and `prox`; see there.

    Raises
    ------
    TypeError, ValueError
        If an argument does not have the type, shape or range above, or a target is outside the domain of the loss.

    Examples
    --------
    >>> import fastloss as fl
    >>> from fastloss.adapters.scipy import linear_objective
    >>> objective = linear_objective(fl.HalfSquaredError(), [[0.0], [1.0]], [1.0, 3.0], fit_intercept=True)
    >>> objective.fun([2.0, 1.0])
    0.0

    With SciPy itself::

        objective = linear_objective("poisson", X, y, fl.L2(0.1), fit_intercept=True, hessian="exact")
        result = scipy.optimize.minimize(
            objective.fun_grad, objective.initial(), jac=True, hessp=objective.hessp, method="trust-ncg"
        )
        coef, intercept = objective.split(result.x)
    """
    return LinearObjective(
        loss, X, y, sample_weight=sample_weight, penalty=penalty, fit_intercept=fit_intercept, hessian=hessian
    )


@dataclass(frozen=True)
class RobustRho:
    """A loss of residuals as `scipy.optimize.least_squares` asks for it: a function of squared residuals.

    Made by `robust_rho`. Immutable, compared by value, picklable.

    Attributes
    ----------
    loss : Loss
        The loss.
    smallest : float
        The residual below which rho'' has its value there.
    """

    loss: Loss
    smallest: float

    def __call__(self, z: ArrayLike) -> Array:
        """Compute rho and its derivatives in z.

        Parameters
        ----------
        z : array_like of shape (m,)
            Squared residuals divided by ``f_scale**2``.

        Returns
        -------
        ndarray of shape (3, m), float64
            ``rho = 2 l(r)``, ``rho' = l'(r) / r`` and ``rho'' = (l''(r) - l'(r) / r) / (2 r^2)`` at ``r = sqrt(z)``,
            so that the cost ``sum(rho) / 2`` is the sum of the loss. At r = 0 they have their limits; rho'' is
            constant below `smallest`, where it would cancel: a relative error of about 1e-7. (That of `Fair` has no
            limit, and ends at its value there.)
        """
        r = np.sqrt(np.asarray(z, float))
        value, gradient, _ = _at(self.loss, r)
        t = np.maximum(r, self.smallest)
        _, slope, curvature = _at(self.loss, t)
        limit = float(self.loss.hessian([0.0], [0.0], reduction="sum")[0])
        weight = np.divide(gradient, r, out=np.full_like(r, limit), where=r > 0)
        return np.stack([2 * value, weight, (curvature - slope / t) / (2 * t * t)])


def robust_rho(loss: Any) -> RobustRho:
    """Make the argument `loss` of `scipy.optimize.least_squares` of a regression loss.

    Parameters
    ----------
    loss : Loss, str or dict
        An even function of the residual that is differentiable: `Huber`, `PseudoHuber`, `LogCosh`, `Cauchy`, `Welsch`,
        `GemanMcClure`, `TukeyBiweight`, `Fair`, `GeneralRobust`, a sum of them, or your own; its name, or its
        configuration.

    Returns
    -------
    RobustRho
        A callable: ``least_squares(residuals, x0, loss=robust_rho("tukey_biweight"), f_scale=scale)``.

    Raises
    ------
    ValueError
        If the loss is not a function of ``f - y``, not even, or has a kink, as the absolute error does.

    Notes
    -----
    The cost that SciPy reports is the sum of the loss (times ``f_scale**2``). SciPy's own names: "huber" is
    ``Huber(delta=1)``; "soft_l1" is ``PseudoHuber(delta=1)``; "cauchy" is ``Cauchy(c=1)``.

    References
    ----------
    B. Triggs, P. F. McLauchlan, R. I. Hartley and A. W. Fitzgibbon, Bundle adjustment: a modern synthesis, 1999.

    Examples
    --------
    >>> from fastloss.adapters.scipy import robust_rho
    >>> robust_rho("huber")([0.0, 0.25, 4.0])
    array([[ 0.    ,  0.25  ,  3.    ],
           [ 1.    ,  1.    ,  0.5   ],
           [ 0.    ,  0.    , -0.0625]])
    """
    loss = get(loss)
    if loss.n_predictions != 1:
        raise ValueError(f"loss must be a function of the residual f - y, got {loss!r}")
    try:
        zero = _at(loss, PROBES)
        alike = [_at(loss, -PROBES), *(_at(loss, PROBES, shift) for shift in (-2.0, 1.0))]
    except ValueError as error:
        raise ValueError(f"loss must be a function of the residual f - y, got {loss!r}: {error}") from error
    near = np.abs(PROBES) > 1e-3  # y + r is r to few digits further down
    with np.errstate(invalid="ignore"):
        even = np.allclose(zero[0], alike[0][0], rtol=1e-9, atol=0)
        shifted = all(np.allclose(zero[0][near], other[0][near], rtol=1e-6, atol=0) for other in alike[1:])
    if not even or not shifted:
        raise ValueError(f"loss must be an even function of the residual f - y, got {loss!r}")
    declared = loss.info.differentiability == "C0" and loss.info.family != "user"
    if declared or abs(zero[1][0]) > 1e-3 * np.abs(zero[1]).max():
        raise ValueError(f"loss must be differentiable, got {loss!r}")
    weight = zero[1] / PROBES
    bent = np.abs(weight - weight[0]) > 0.01 * np.abs(weight[0])
    # A weight of 1 - z / c^2 deviates by 1 % at r = c / 10; rounding and curvature of rho'' balance at r = c / 8192.
    return RobustRho(loss, float(PROBES[bent.argmax()] / 819) if bent.any() else 1.0)


def _at(loss: Loss, r: Array, y: float = 0.0) -> tuple[Array, Array, Array]:
    """Value, gradient and second derivative at residuals r."""
    return tuple(loss.evaluate(np.full_like(r, y), y + r, reduction="none"))
