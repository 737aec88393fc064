"""The objective of a linear model: the mean of a loss at `X @ coef + intercept`, plus a penalty on `coef`.

Design. One flat float64 vector of parameters, because that is what optimisers take: the coefficients (row by row where
a sample has several predictions), then the intercepts. Products with X run in the type of X, so that a float32 matrix
is never converted; X is only ever used as `X @ w` and `X.T @ g`, so that a sparse one is never densified. Scores are
computed in one buffer, in which the kernel leaves the gradient: value and gradient cost one product with X, one pass
of the kernel, and one product with X.T.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from . import _validation as check
from ._base import Array, ArrayLike, Loss
from ._links import SOFTMAX
from ._registry import get
from .penalties import GroupLasso
from .penalties import get as get_penalty

CENTRAL_STEP = float(np.cbrt(np.finfo(float).eps))  # where errors of rounding and of truncation balance


class LinearObjective:
    """The mean loss of a linear model on the raw scale of the loss, plus a penalty, as a function of a flat vector.

    The parameters `theta` are the coefficients, shape (D,), or (K, D) row by row for K predictions of a sample
    (classes, quantiles, parameters of a distribution), followed by the intercept, if there is one, or the K intercepts.
    The penalty does not see the intercepts. Buffers are reused: one thread at a time.

    Parameters
    ----------
    loss : Loss, str or dict
        A loss, its name, or its configuration; its raw scale is used (logits, log-rates).
    X : array_like or SciPy sparse of shape (n, D)
        Features. float32 and float64 are used as they are, in any memory order, CSR or CSC; scores and gradients have
        the type of X. Others are converted once.
    y : array_like of shape (n,) or (n, K)
        Targets of the loss.
    sample_weight : array_like of shape (n,) or float, optional
        Weights >= 0; the mean is weighted by them.
    penalty : Penalty, str or dict, optional
        A penalty such as `fastloss.L2`, its name, or its configuration; a function of all coefficients, row by row.
    fit_intercept : bool, default False
        Whether `theta` ends with intercepts.
    n_outputs : int, optional
        The number of classes where `y` holds labels; by default the largest label + 1.
    hessian : str, optional
        The curvature of `hessp`, one of the `hessian_policies` of the loss; by default its `default_hessian`.
    center : bool, default False
        Whether the intercept in `theta` is that at the mean of the features rather than at 0: the same model (`split`
        gives the intercept at 0), for which solvers need fewer iterations when features are far from 0. X stays as
        it is.

    Attributes
    ----------
    size : int
        Length of `theta`.
    n_coef : int
        Number of coefficients, before the intercepts in `theta`.
    smooth : bool
        Whether the penalty is smooth, and so a part of `fun_grad_smooth`.
    separable : bool
        Whether the penalty is a sum over coefficients, so that `prox` takes a step for each.
    resolution : float
        Relative accuracy of values and gradients: the machine epsilon of the type of X.

    Raises
    ------
    TypeError, ValueError
        If an argument does not have the type, shape or range above, or a target is outside the domain of the loss.

    Examples
    --------
    >>> import fastloss as fl
    >>> from fastloss._linear import LinearObjective
    >>> objective = LinearObjective(fl.HalfSquaredError(), [[1.0], [2.0], [3.0]], [3.0, 5.0, 7.0], fit_intercept=True)
    >>> objective.fun_grad(objective.initial())
    (1.3333333333333333, array([-1.33333333,  0.        ]))
    """

    def __init__(
        self,
        loss: Any,
        X: Any,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        penalty: Any = None,
        fit_intercept: bool = False,
        n_outputs: int | None = None,
        hessian: str | None = None,
        center: bool = False,
    ) -> None:
        self.loss: Loss = get(loss).on_raw()
        self.X = _features(X)
        self.y = check.as_array("y", y)
        if self.y.shape[:1] != self.X.shape[:1]:
            raise ValueError(f"y must have {self.X.shape[0]} rows to match X, got the shape {self.y.shape}")
        self.sample_weight = None if sample_weight is None else check.as_array("sample_weight", sample_weight)
        self.penalty = None if penalty is None else get_penalty(penalty)
        self.smooth: bool = self.penalty is None or self.penalty.smooth
        self.separable = not isinstance(self.penalty, GroupLasso)
        self.fit_intercept = check.flag("fit_intercept", fit_intercept)
        self.hessian = self.loss.default_hessian if hessian is None else hessian
        if hessian is not None or self.loss.hessian_policies:
            check.curvature(self.loss, self.hessian)

        self._constant = self._best_constant(n_outputs)
        self.outputs: tuple[int, ...] = self._constant.shape
        self.shape: tuple[int, ...] = (*self.outputs, self.X.shape[1])
        self.resolution = float(np.finfo(self.X.dtype).eps)
        self.n_coef = int(np.prod(self.shape))
        self.size: int = self.n_coef + (self._constant.size if self.fit_intercept else 0)
        self._center: Array | None = None
        if check.flag("center", center):
            self._center = np.asarray(self.X.T @ self._shares(), float)
        self._curvature: tuple[Array, Callable[[Array], Array]] | None = None
        self._buffer: Array | None = None

    def initial(self) -> Array:
        """Return the parameters of the best constant model: coefficients 0, intercepts from `loss.init_score`."""
        return self.join(np.zeros(self.shape), self._constant)

    def split(self, theta: Array) -> tuple[Array, Any]:
        """Return coefficients of shape (D,) and a float, or of shape (K, D) and intercepts of shape (K,)."""
        coef, intercept = self._parts(theta)
        if self._center is not None:
            intercept = intercept - coef @ self._center
        return coef + 0.0, intercept + 0.0 if self.outputs else float(intercept)  # a proximal map may leave -0.0

    def join(self, coef: Array, intercept: Any) -> Array:
        """Return the parameters of these coefficients and intercepts: the inverse of `split`."""
        if not self.fit_intercept:
            return np.array(coef, float).ravel()
        if self._center is not None:
            intercept = intercept + coef @ self._center
        return np.concatenate([np.ravel(coef), np.ravel(intercept)]).astype(float)

    def fun(self, theta: Array) -> float:
        """Compute the objective."""
        return self.fun_smooth(theta) + self.fun_kinked(theta)

    def fun_smooth(self, theta: Array) -> float:
        """Compute the mean loss, with the penalty if that is smooth."""
        value = float(self.loss(self.y, self._scores(theta), self.sample_weight))
        return value + self._penalized(theta) if self.smooth else value

    def fun_kinked(self, theta: Array) -> float:
        """Compute the penalty if it is not smooth, else 0."""
        return 0.0 if self.smooth else self._penalized(theta)

    def fun_grad(self, theta: Array) -> tuple[float, Array]:
        """Compute the objective and its gradient, which is a subgradient where loss or penalty have a kink.

        Parameters
        ----------
        theta : ndarray of shape (size,)
            Parameters.

        Returns
        -------
        value : float
        gradient : ndarray of shape (size,), float64
        """
        value, gradient = self.fun_grad_smooth(theta)
        if not self.smooth:
            value += self.fun_kinked(theta)
            self._add_slope(gradient, theta)
        return value, gradient

    def fun_grad_smooth(self, theta: Array) -> tuple[float, Array]:
        """Compute value and gradient without a penalty that is not smooth: what proximal methods ask for."""
        scores = self._scores(theta)
        value, slope = self.loss.value_and_gradient(self.y, scores, self.sample_weight, out=scores)
        gradient = self._transposed(slope)
        if self.smooth:
            value += self._penalized(theta)
            self._add_slope(gradient, theta)
        return float(value), gradient

    def gradient(self, theta: Array) -> Array:
        """Compute the gradient of the objective, shape (size,)."""
        return self.fun_grad(theta)[1]

    def prox(self, theta: Array, step: ArrayLike) -> Array:
        """Apply the proximal map of a penalty that is not smooth; the identity for others and for intercepts.

        Parameters
        ----------
        theta : ndarray of shape (size,)
            Parameters.
        step : float or ndarray of shape (size,)
            Step >= 0; for a group lasso one for all coefficients.

        Returns
        -------
        ndarray of shape (size,)
        """
        if self.penalty is None or self.smooth:
            return theta
        coef, _ = self._parts(theta)
        steps = np.broadcast_to(step, (self.size,))[: self.n_coef]
        one = not self.separable or np.ndim(step) == 0
        moved = self.penalty.prox(coef, float(steps[0]) if one else steps.reshape(self.shape))
        return np.concatenate([moved.ravel(), theta[self.n_coef :]])

    def hessp(self, theta: Array, p: Array) -> Array:
        """Multiply a vector by the second derivative of the objective (without a penalty that is not smooth).

        Parameters
        ----------
        theta : ndarray of shape (size,)
            Parameters.
        p : ndarray of shape (size,)
            The vector.

        Returns
        -------
        ndarray of shape (size,), float64
            ``X.T @ (h * (X @ p))``, h the curvature `hessian` of the samples at `theta`. For several predictions of
            a sample, ``"exact"`` is the full second derivative, with the products of different predictions: in closed
            form for cross-entropies, else to about nine digits, from a central difference of the gradients of samples.
            Other curvatures are diagonal there. The curvature is kept until `theta` changes.
        """
        if self._curvature is None or not np.array_equal(self._curvature[0], theta):
            self._curvature = np.array(theta), self._product_at(theta)
        product = self._transposed(self._curvature[1](self._scores(p)))
        if self.smooth:
            self._add_slope(product, p)  # a smooth penalty is quadratic: its gradient is linear
        return product

    @cached_property
    def squares(self) -> Array:
        """The mean square (if centred, the variance) of the feature of each parameter; 1 if it is 0, for intercepts."""
        dense = isinstance(self.X, np.ndarray)
        w = self._shares()
        square = np.einsum("ij,ij,i->j", self.X, self.X, w, dtype=float) if dense else self.X.multiply(self.X).T @ w
        spread = square if self._center is None else np.maximum(square - self._center**2, self.resolution * square)
        spread = np.where(spread > 0, spread, 1.0)
        return np.concatenate([np.broadcast_to(spread, self.shape).ravel(), np.ones(self.size - self.n_coef)])

    def diagonal(self, theta: Array) -> Array:
        """Return about the diagonal of the second derivative: the mean curvature times the mean squares of features."""
        h = self.loss.hessian(self.y, self._scores(theta), self.sample_weight, hessian=self.hessian).sum(axis=0)
        h = self._positive(h)
        each = np.concatenate([np.repeat(h, self.shape[-1]), np.ravel(h)])[: self.size] * self.squares
        if self.penalty is not None and self.smooth:
            each[: self.n_coef] += self.penalty.gradient(np.ones(self.shape)).ravel()
        return each

    def slopes(self) -> Array:
        """Return the size of the gradients of single samples and of the penalty in each parameter, shape (size,).

        Of samples the root mean square at the best constant model; of a smooth penalty the slope where it is as large
        as the loss of that model. What a method for kinked objectives scales by.
        """
        slope = self.loss.gradient(self.y, self._scores(self.initial()), self.sample_weight).astype(float)
        share = self._shares().astype(float).reshape(-1, *[1] * len(self.outputs))
        square = np.sum(np.divide(slope**2, share, out=np.zeros_like(slope), where=share > 0), axis=0)
        square = self._positive(square)
        squares = np.multiply.outer(square, np.ones(self.shape[-1])) * self.squares[: self.n_coef].reshape(self.shape)
        if self.penalty is not None:
            unit = self.penalty.gradient(np.ones(self.shape))
            squares += unit * abs(self.fun(self.initial())) if self.smooth else unit**2
        return np.asarray(np.sqrt(np.concatenate([squares.ravel(), square.ravel()])[: self.size]))

    def _positive(self, sizes: Array) -> Array:
        """One size > 0 for each output; the same for those that only count relative to each other, as classes do."""
        sizes = np.broadcast_to(sizes.mean(), sizes.shape) if self.loss.n_predictions == 0 else sizes
        return np.where(sizes > 0, sizes, 1.0)

    def _shares(self) -> Array:
        """Weights that sum to 1."""
        w = np.broadcast_to(1.0 if self.sample_weight is None else self.sample_weight, self.X.shape[:1])
        return np.asarray((w / w.sum(dtype=float)).astype(self.X.dtype))

    def _best_constant(self, n_outputs: int | None) -> Array:
        """The constant raw scores that minimise the loss; 0 for a user's loss that does not say."""
        known = {"n_classes": n_outputs} if self.loss.n_predictions == 0 else {}
        try:
            return np.asarray(self.loss.init_score(self.y, self.sample_weight, **known))
        except NotImplementedError:
            return np.zeros((self.loss.n_predictions,) if self.loss.n_predictions > 1 else ())

    def _product_at(self, theta: Array) -> Callable[[Array], Array]:
        """The product of a direction of the scores and the second derivative of the mean loss at `theta`."""
        scores = self._scores(theta)
        if not (self.outputs and self.hessian == "exact"):
            h = self.loss.hessian(self.y, scores, self.sample_weight, hessian=self.hessian)
            return lambda v: np.multiply(h, v, out=v)
        if "scaled" in self.loss.hessian_policies:
            return self._softmax_product(scores)
        z = scores.astype(float)
        ahead, behind = np.empty_like(z), np.empty_like(z)
        scale = CENTRAL_STEP * max(1.0, float(np.abs(z).max()))

        def product(v: Array) -> Array:
            largest = max(float(v.max()), -float(v.min()))
            step = v.astype(float, copy=False)
            step *= scale / (largest or 1.0)
            for moved, move in ((ahead, np.add), (behind, np.subtract)):
                self.loss.gradient(self.y, move(z, step, out=moved), self.sample_weight, out=moved)
            np.subtract(ahead, behind, out=ahead)
            return np.multiply(ahead, largest / (2 * scale), out=ahead)

        return product

    def _softmax_product(self, scores: Array) -> Callable[[Array], Array]:
        """The product for a cross-entropy, ``W (diag(p) - p p^T)`` with a factor W for each row.

        Relative to the direction of the largest score nothing cancels, however close its probability is to 1.
        """
        k = scores.shape[1]
        p, largest = SOFTMAX.inverse(scores), scores.argmax(axis=1)[:, np.newaxis]
        even = self.loss.hessian(self.y, np.zeros_like(scores), self.sample_weight)  # W (1 / k) (1 - 1 / k)
        p_w = p * even * (k * k / max(k - 1, 1))

        def product(v: Array) -> Array:
            v -= np.take_along_axis(v, largest, axis=1)
            v -= np.einsum("ik,ik->i", p, v)[:, np.newaxis]
            v *= p_w
            return v

        return product

    def _parts(self, theta: Array) -> tuple[Array, Array]:
        """Coefficients, and intercepts as they stand in `theta`; both views."""
        theta = np.asarray(theta, float)
        if theta.shape != (self.size,):
            raise ValueError(f"theta must have the shape ({self.size},), got {theta.shape}")
        intercept = theta[self.n_coef :].reshape(self.outputs) if self.fit_intercept else np.zeros(self.outputs)
        return theta[: self.n_coef].reshape(self.shape), intercept

    def _scores(self, theta: Array) -> Array:
        """`X @ coef + intercept`, shape (n,) or (n, K), in the type of X; valid until the next call."""
        coef, intercept = self._parts(theta)
        w = coef.T.astype(self.X.dtype)
        if isinstance(self.X, np.ndarray):
            scores = self._buffer = np.matmul(self.X, w, out=self._buffer)
        else:
            scores = np.asarray(self.X @ w)
        if self.fit_intercept:
            scores += (intercept if self._center is None else intercept - coef @ self._center).astype(scores.dtype)
        return scores

    def _transposed(self, g: Array) -> Array:
        """The gradient in `theta` for the gradient in the scores."""
        g = g.astype(self.X.dtype, copy=False)
        coef = np.asarray((self.X.T @ g).T, float)
        if not self.fit_intercept:
            return np.array(coef.ravel())
        total = g.sum(axis=0, dtype=float)
        if self._center is not None:
            coef = coef - np.multiply.outer(total, self._center)
        return np.concatenate([coef.ravel(), np.ravel(total)])

    def _penalized(self, theta: Array) -> float:
        return 0.0 if self.penalty is None else self.penalty.value(self._parts(theta)[0])

    def _add_slope(self, gradient: Array, theta: Array) -> None:
        """Add the gradient of the penalty."""
        if self.penalty is not None:
            gradient[: self.n_coef] += self.penalty.gradient(self._parts(theta)[0]).ravel()


def _features(X: Any) -> Any:
    """A matrix of float32 or float64, dense or sparse in CSR or CSC form; what came, if it is one."""
    sparse = hasattr(X, "tocsr")
    if sparse and X.format not in ("csr", "csc"):
        X = X.tocsr()
    X = X if sparse else check.as_array("X", X)
    if X.ndim != 2 or X.shape[0] == 0 or X.shape[1] == 0:
        raise ValueError(f"X must have the shape (n, D) with at least one row and one column, got {X.shape}")
    if X.dtype.kind not in "biuf":
        raise TypeError(f"X must hold real numbers, got dtype {X.dtype}")
    return X if X.dtype in (np.float32, np.float64) else X.astype(np.float64)
