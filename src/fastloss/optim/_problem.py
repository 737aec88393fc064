"""What is minimised: an objective in the terms of the algorithms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _validation as check
from .._base import Array, ArrayLike
from .._linear import LinearObjective
from ..penalties import get as get_penalty


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


class Problem:
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
