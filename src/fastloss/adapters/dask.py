"""Losses over Dask arrays, and linear models on them. Importing this module does not import Dask.

Design. A block is computed by one thread, because Dask runs as many blocks side by side as there are threads. Sums of
blocks are carried with their rounding errors up a tree, so values do not depend on the chunks. XGBoost's and LightGBM's
Dask estimators take the objectives of `fastloss.adapters.xgboost` and `fastloss.adapters.lightgbm` as they are: these
have no state and add up over rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _validation as check
from .._accumulator import LossAccumulator
from .._base import Array, KernelLoss
from .._linear import LinearObjective
from .._optional import require
from .._registry import get
from ..penalties import get as get_penalty

__all__ = ["DaskLinearObjective", "DaskLoss", "as_dask", "linear_objective"]

FAN_IN = 16  # sums that one task merges


def as_dask(loss: Any) -> DaskLoss:
    """Make a loss a function of Dask arrays.

    For data that are larger than memory or spread over machines. Results are lazy: `compute` or `persist` them, several
    together where they share inputs.

    Parameters
    ----------
    loss : Loss, str or dict
        A pointwise or multi-class loss, or a sum of such, its name, or its configuration.

    Returns
    -------
    DaskLoss
        With the methods of the loss.

    Raises
    ------
    ImportError
        If Dask is missing or older than 2024.8.
    TypeError
        If samples of the loss are not independent of each other, as in ranking.
    ValueError
        If the name is unknown.

    Examples
    --------
    With Dask itself::

        y, f = dask.array.from_zarr("y.zarr"), dask.array.from_zarr("f.zarr")
        loss = as_dask("huber")
        value, gradient = dask.compute(loss(y, f), loss.gradient(y, f, reduction="sum").mean())
    """
    _dask()
    loss = get(loss)
    if not isinstance(loss, KernelLoss):
        raise TypeError(f"loss must be a loss of independent samples, got {type(loss).__name__}")
    return DaskLoss(loss)


@dataclass(frozen=True)
class DaskLoss:
    """A loss of Dask arrays; made by `as_dask`. Immutable, compared by value, picklable.

    All methods take ``(y_true, y_pred, sample_weight=None, *, reduction="mean")`` with the shapes of the loss; targets
    and weights may be NumPy arrays too. The chunks of `y_pred` count; other arrays are rechunked to them. The last axis
    of a row of predictions is one chunk. Values are Dask arrays without axes, or with ``reduction="none"`` in the
    chunks of the targets; gradients and hessians are in those of `y_pred`. Sizes of chunks may be unknown if their
    numbers agree. Errors about the contents of arrays are raised when these are computed, and count from the start of a
    block.

    Attributes
    ----------
    loss : Loss
        The loss that computes.
    """

    loss: KernelLoss

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None, *, reduction: str = "mean") -> Any:
        """Compute the loss: as that of the arrays in memory, to the last place.

        Parameters
        ----------
        y_true, y_pred, sample_weight
            As for the loss.
        reduction : {"mean", "sum", "none"}
            As for the loss.

        Returns
        -------
        dask.array.Array
            Without axes, float64; with ``reduction="none"`` the array of all values.
        """
        y, f, w, lead = self._aligned(y_true, y_pred, sample_weight)
        if _reduction(reduction) == "none":
            return self._blockwise(_values, y, f, w, lead, lead)
        return _value(self._sums(y, f, w), reduction)

    value = __call__

    def gradient(self, y_true: Any, y_pred: Any, sample_weight: Any = None, *, reduction: str = "mean") -> Any:
        """Compute the gradient, in the chunks of `y_pred`.

        Parameters
        ----------
        y_true, y_pred, sample_weight, reduction
            As for the call.

        Returns
        -------
        dask.array.Array
        """
        return self._derivatives(("gradient",), y_true, y_pred, sample_weight, reduction)[0]

    def hessian(
        self,
        y_true: Any,
        y_pred: Any,
        sample_weight: Any = None,
        *,
        reduction: str = "mean",
        hessian: str = "exact",
    ) -> Any:
        """Compute the diagonal of the second derivative, or another curvature, in the chunks of `y_pred`.

        Parameters
        ----------
        y_true, y_pred, sample_weight, reduction
            As for the call.
        hessian : str
            One of the `hessian_policies` of the loss.

        Returns
        -------
        dask.array.Array
        """
        return self._derivatives(("hessian",), y_true, y_pred, sample_weight, reduction, hessian)[0]

    def value_and_gradient(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None, *, reduction: str = "mean"
    ) -> tuple[Any, Any]:
        """Compute both; their inputs are loaded once if both are computed together.

        Parameters
        ----------
        y_true, y_pred, sample_weight, reduction
            As for the call.

        Returns
        -------
        value, gradient : dask.array.Array
        """
        y, f, w, lead = self._aligned(y_true, y_pred, sample_weight)
        if _reduction(reduction) == "none":
            return self._blockwise(_values, y, f, w, lead, lead), self._slopes(("gradient",), y, f, w, lead)[0]
        sums = self._sums(y, f, w)
        (gradient,) = self._slopes(("gradient",), y, f, w, lead)
        return _value(sums, reduction), gradient if reduction == "sum" else self._mean_of([gradient], sums)[0]

    def gradient_and_hessian(
        self,
        y_true: Any,
        y_pred: Any,
        sample_weight: Any = None,
        *,
        reduction: str = "mean",
        hessian: str = "exact",
    ) -> tuple[Any, Any]:
        """Compute both in one pass.

        Parameters
        ----------
        y_true, y_pred, sample_weight, reduction, hessian
            As for `hessian`.

        Returns
        -------
        gradient, hessian : dask.array.Array
        """
        names = ("gradient", "hessian")
        return self._derivatives(names, y_true, y_pred, sample_weight, reduction, hessian)

    # ---- graphs -----------------------------------------------------------------------------------------------------

    def _sums(self, y: Any, f: Any, w: Any) -> Any:
        """The accumulated loss of all blocks."""
        dask = _dask()
        merged = dask.delayed(_merged)
        sums = _blocks(dask.delayed(_accumulated), self.loss, y, f, w)
        while len(sums) > 1:
            sums = [merged(sums[k : k + FAN_IN]) for k in range(0, len(sums), FAN_IN)]
        return sums[0]

    def _derivatives(
        self, names: tuple[str, ...], y_true: Any, y_pred: Any, sample_weight: Any, reduction: str, policy: str = ""
    ) -> tuple[Any, ...]:
        if "hessian" in names:
            check.curvature(self.loss, policy)
        y, f, w, lead = self._aligned(y_true, y_pred, sample_weight)
        results = self._slopes(names, y, f, w, lead, policy)
        return results if _reduction(reduction) != "mean" else self._mean_of(results, self._sums(y, f, w))

    def _slopes(self, names: tuple[str, ...], y: Any, f: Any, w: Any, lead: int, policy: str = "") -> tuple[Any, ...]:
        """Derivatives of the sum."""
        stacked = self._blockwise(_derived, y, f, w, lead, f.ndim, names=names, policy=policy)
        return tuple(stacked[k] for k in range(len(names)))

    @staticmethod
    def _mean_of(slopes: Any, sums: Any) -> tuple[Any, ...]:
        """Derivatives of the mean from those of the sum."""
        dask = _dask()
        total = dask.array.from_delayed(dask.delayed(_weight)(sums), (), float)
        return tuple(
            dask.array.blockwise(_divided, axes := tuple(range(g.ndim)), g, axes, total, (), dtype=g.dtype)
            for g in slopes
        )

    def _blockwise(self, function: Any, y: Any, f: Any, w: Any, lead: int, ndim: int, **options: Any) -> Any:
        da = _dask().array
        axes = tuple(range(f.ndim))
        arrays = [y, axes[: y.ndim], f, axes]
        arrays += [w, axes[:lead] if isinstance(w, da.Array) else None]
        dtype = np.dtype(check.working_type(np.empty(0, f.dtype)))
        names = options.get("names")
        out, extra = ((ndim, *axes[:ndim]), {"new_axes": {ndim: len(names)}}) if names else (axes[:ndim], {})
        meta = np.empty((0,) * len(out), dtype)
        return da.blockwise(
            function, out, *arrays, loss=self.loss, meta=meta, align_arrays=False, concatenate=True, **extra, **options
        )

    def _aligned(self, y: Any, f: Any, w: Any) -> tuple[Any, Any, Any, int]:
        """Dask arrays of the same blocks, and the number of axes of samples."""
        da = _dask().array
        if not isinstance(f, da.Array):
            raise TypeError(f"y_pred must be a Dask array, got {type(f).__name__}")
        lead = f.ndim if self.loss.n_predictions == 1 else f.ndim - 1
        if lead < f.ndim and f.numblocks[-1] > 1:
            f = f.rechunk({f.ndim - 1: -1})
        y = self._like(da, "y_true", y, f, lead)
        if w is not None and np.ndim(w):
            w = self._like(da, "sample_weight", w, f, lead)
        return y, f, w, lead

    @staticmethod
    def _like(da: Any, name: str, x: Any, f: Any, lead: int) -> Any:
        x = x if isinstance(x, da.Array) else da.from_array(check.as_array(name, x), chunks=-1)
        unknown = any(np.isnan(size) for array in (x, f) for size in array.shape)
        fits = x.ndim in (lead, f.ndim) and (unknown or x.shape[:lead] == f.shape[:lead])
        if not fits or (unknown and x.numblocks[:lead] != f.numblocks[:lead]):
            raise ValueError(f"{name} must have the shape and the blocks of y_pred, {f.shape}, got {x.shape}")
        return x if unknown else x.rechunk((*f.chunks[:lead], *(-1,) * (x.ndim - lead)))


def linear_objective(
    loss: Any,
    X: Any,
    y: Any,
    penalty: Any = None,
    *,
    sample_weight: Any = None,
    fit_intercept: bool = False,
    hessian: str | None = None,
) -> DaskLinearObjective:
    """Make the objective of a linear model on Dask arrays, for `scipy.optimize.minimize` or `fastloss.optim`.

    The rows stay where they are; a call sends the parameters to the blocks and adds up what they return. Blocks that
    are not persisted are loaded in each call, so data may be larger than all memory.

    Parameters
    ----------
    loss : Loss, str or dict
        A loss with one prediction for each sample; its raw scale is ``X @ coef + intercept``.
    X : dask.array.Array of shape (n, D)
        Features, dense.
    y : array_like of shape (n,)
        Targets, a Dask or NumPy array.
    penalty : Penalty, str or dict, optional
        A smooth penalty of the coefficients, such as `fastloss.L2`.
    sample_weight : array_like of shape (n,), optional
        Weights >= 0 of the mean.
    fit_intercept : bool, default False
        Whether the parameters end with an intercept.
    hessian : str, optional
        The curvature of `hessp`; by default that of the loss.

    Returns
    -------
    DaskLinearObjective
        With `fun`, `fun_grad`, `gradient`, `hessp`, `initial` and `split`.

    Raises
    ------
    ImportError
        If Dask is missing or too old.
    TypeError, ValueError
        If an argument does not have the type or shape above, or the penalty has a kink.

    Examples
    --------
    With Dask and SciPy themselves::

        objective = linear_objective("log_cosh", X, y, fl.L2(alpha=0.1), fit_intercept=True)
        result = scipy.optimize.minimize(
            objective.fun_grad, objective.initial(), jac=True, hessp=objective.hessp, method="trust-ncg"
        )
        coef, intercept = objective.split(result.x)
    """
    return DaskLinearObjective(as_dask(get(loss).on_raw()), X, y, penalty, sample_weight, fit_intercept, hessian)


class DaskLinearObjective:
    """The mean loss of a linear model over the blocks of Dask arrays; made by `linear_objective`."""

    def __init__(
        self, loss: DaskLoss, X: Any, y: Any, penalty: Any, sample_weight: Any, fit_intercept: bool, hessian: str | None
    ) -> None:
        dask = _dask()
        if not isinstance(X, dask.array.Array) or X.ndim != 2:
            raise TypeError(f"X must be a Dask array with two axes, got {type(X).__name__}")
        if loss.loss.n_predictions != 1:
            raise TypeError(f"loss must have one prediction for each sample, got {type(loss.loss).__name__}")
        self.loss = loss.loss
        self.penalty = None if penalty is None else get_penalty(penalty)
        if self.penalty is not None and not self.penalty.smooth:
            raise ValueError(f"penalty must be smooth, got {self.penalty!r}")
        self.fit_intercept = check.flag("fit_intercept", fit_intercept)
        self.size: int = X.shape[1] + self.fit_intercept
        X = X.rechunk({1: -1})
        y, _, w, _ = loss._aligned(y, X[:, 0], sample_weight)
        build = dask.delayed(_block_objective, pure=False)
        settings = {"fit_intercept": self.fit_intercept, "hessian": hessian}
        self._objectives = [build(self.loss, *block, settings) for block in zip(*_rows_of(X, y, w), strict=True)]

    def fun(self, theta: Array) -> float:
        """Compute the objective."""
        return self.fun_grad(theta)[0]

    def gradient(self, theta: Array) -> Array:
        """Compute its gradient, shape (size,)."""
        return self.fun_grad(theta)[1]

    def fun_grad(self, theta: Array) -> tuple[float, Array]:
        """Compute the objective and its gradient.

        Parameters
        ----------
        theta : ndarray of shape (size,)
            Coefficients, and the intercept if there is one.

        Returns
        -------
        value : float
        gradient : ndarray of shape (size,), float64
        """
        parts = self._everywhere("fun_grad", theta)
        total = _checked_total([weight for weight, _ in parts])
        value = sum(weight * part[0] for weight, part in parts) / total
        gradient = np.sum([weight * part[1] for weight, part in parts], axis=0) / total
        if self.penalty is not None:
            coef = theta[: self.size - self.fit_intercept]
            value += self.penalty.value(coef)
            gradient[: coef.size] += self.penalty.gradient(coef)
        return float(value), gradient

    def hessp(self, theta: Array, p: Array) -> Array:
        """Multiply a vector by the second derivative of the objective.

        Parameters
        ----------
        theta, p : ndarray of shape (size,)
            Parameters, and the vector.

        Returns
        -------
        ndarray of shape (size,), float64
        """
        parts = self._everywhere("hessp", theta, p)
        total = _checked_total([weight for weight, _ in parts])
        product = np.sum([weight * part for weight, part in parts], axis=0) / total
        if self.penalty is not None:
            coef = p[: self.size - self.fit_intercept]
            product[: coef.size] += self.penalty.gradient(coef)  # a smooth penalty is quadratic
        return np.asarray(product)

    def initial(self) -> Array:
        """Return a start: zeros."""
        return np.zeros(self.size)

    def split(self, theta: Array) -> tuple[Array, float]:
        """Return coefficients and intercept."""
        theta = np.asarray(theta, float)
        return (theta[:-1], float(theta[-1])) if self.fit_intercept else (theta, 0.0)

    def _everywhere(self, name: str, *arguments: Array) -> Any:
        dask = _dask()
        call = dask.delayed(_call, pure=False)
        given = [np.array(x, float) for x in arguments]
        return dask.compute(*(call(objective, name, given) for objective in self._objectives))


# ---- what runs in the blocks ----------------------------------------------------------------------------------------


def _accumulated(loss: Any, y: Any, f: Any, w: Any) -> LossAccumulator:
    return LossAccumulator(loss).update(y, f, w, n_threads=1)


def _merged(parts: list[LossAccumulator]) -> LossAccumulator:
    total = LossAccumulator(parts[0].loss)
    for part in parts:
        total.merge(part)
    return total


def _weight(sums: LossAccumulator) -> float:
    return _checked_total([sums.weight])


def _checked_total(weights: list[float]) -> float:
    total = float(np.sum(weights))
    if total == 0:
        raise ValueError("sample_weight must not sum to zero for reduction='mean'")
    return total


def _values(y: Any, f: Any, w: Any, loss: Any) -> Array:
    return loss(y, f, w, reduction="none", n_threads=1)  # type: ignore[no-any-return]


def _derived(y: Any, f: Any, w: Any, loss: Any, names: tuple[str, ...], policy: str) -> Array:
    out = np.empty((len(names), *f.shape), check.working_type(f))
    options = {"hessian": policy} if policy else {}
    loss.evaluate(y, f, w, outputs=names, reduction="sum", n_threads=1, out=_targets(out), **options)
    return out


def _targets(out: Array) -> Any:
    return tuple(out) if len(out) > 1 else out[0]


def _divided(g: Array, total: Any) -> Array:
    return np.asarray(g * g.dtype.type(1 / np.asarray(total)))


def _block_objective(loss: Any, X: Array, y: Array, w: Any, settings: dict[str, Any]) -> tuple[float, Any]:
    """The weight of a block, and its objective."""
    weight = float(len(X) if w is None else np.sum(np.broadcast_to(w, len(X)), dtype=float))
    return weight, LinearObjective(loss, X, y, sample_weight=w, **settings) if weight else None


def _call(objective: tuple[float, Any], name: str, arguments: list[Array]) -> tuple[float, Any]:
    weight, block = objective
    if block is None:
        return 0.0, (0.0, np.zeros_like(arguments[0])) if name == "fun_grad" else np.zeros_like(arguments[0])
    return weight, getattr(block, name)(*arguments)


# ---- helpers --------------------------------------------------------------------------------------------------------


def _value(sums: Any, reduction: str) -> Any:
    """The value of accumulated blocks, an array without axes."""
    dask = _dask()
    return dask.array.from_delayed(dask.delayed(LossAccumulator.result)(sums, reduction), (), float)


def _blocks(function: Any, loss: Any, y: Any, f: Any, w: Any) -> list[Any]:
    """A call for each block."""
    return [function(loss, *block) for block in zip(*_rows_of(y, f, w), strict=True)]


def _rows_of(*arrays: Any) -> list[list[Any]]:
    """The blocks of arrays, side by side; what is no Dask array goes to all of them."""
    lists = [list(x.to_delayed().ravel()) if hasattr(x, "to_delayed") else x for x in arrays]
    count = max(len(x) for x in lists if isinstance(x, list))
    return [x if isinstance(x, list) else [x] * count for x in lists]


def _reduction(reduction: str) -> str:
    check.check_options(reduction, None)
    return reduction


def _dask() -> Any:
    dask = require("dask", "2024.8", "dask")
    require("dask.array", "2024.8", "dask", ("dask",))
    return dask
