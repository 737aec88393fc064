"""Penalties of coefficients: value, gradient and proximal map, for linear models and networks.

Design. A penalty is an immutable object like a loss, but a function of the coefficients alone. The separable ones share
one compiled formula (csrc/losses/penalties.h). Group norms need gathers, which NumPy does: one sum of squares for each
group, and a second one, of scaled entries, for the groups whose squares leave the range of float64.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from numbers import Real
from typing import Any, ClassVar, TypeVar, dataclass_transform

import numpy as np

from . import _validation as check
from ._base import Array, ArrayLike
from ._core.pointwise import UNREADY, Kernel, Violation
from ._parameters import Configured, number, parameter
from ._registry import encoded, snake_case
from ._validation import GRADIENT, VALUE

__all__ = ["L1", "L2", "ElasticNet", "GroupLasso", "Penalty", "get"]

Self = TypeVar("Self", bound="Penalty")

_CLASSES: dict[str, type[Penalty]] = {}


@dataclass_transform(frozen_default=True, eq_default=True, field_specifiers=(number, parameter))
def _penalty(cls: type[Self]) -> type[Self]:
    """Make a class a frozen dataclass and enter it into the registry; `l1` and `l2` are names of losses."""
    cls._name = {"L1": "l1_penalty", "L2": "l2_penalty"}.get(cls.__name__, snake_case(cls.__name__))
    _CLASSES[cls._name] = dataclasses.dataclass(frozen=True, repr=False)(cls)
    return cls


def get(identifier: str | dict[str, Any] | Penalty, **parameters: Any) -> Penalty:
    """Build a penalty from its name or a configuration.

    Parameters
    ----------
    identifier : str, dict or Penalty
        ``"l1_penalty"``, ``"l2_penalty"``, ``"elastic_net"`` or ``"group_lasso"``, a dict as `Penalty.config` returns
        it, or a penalty, which is returned as it is.
    **parameters
        Parameters of the penalty; only with a name.

    Returns
    -------
    Penalty

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If `identifier` is none of the above, or a parameter is unknown.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.penalties.get("elastic_net", l1_ratio=0.9)
    ElasticNet(alpha=1.0, l1_ratio=0.9)
    >>> fl.penalties.get(fl.L1(0.5).config())
    L1(alpha=0.5)
    """
    if isinstance(identifier, (dict, Penalty)) and parameters:
        raise TypeError("parameters belong into the configuration, not beside it")
    if isinstance(identifier, Penalty):
        return identifier
    if isinstance(identifier, dict):
        parameters = {key: value for key, value in identifier.items() if key != "name"}
        identifier = identifier.get("name", "")
    if not isinstance(identifier, str):
        raise TypeError(f"penalty must be a name, a configuration or a penalty, got {type(identifier).__name__}")
    return _CLASSES[check.one_of("penalty", identifier.strip().lower(), tuple(_CLASSES))](**parameters)


class Penalty(Configured, ABC):
    """Base of all penalties: an immutable, convex function of coefficients, with the strength `alpha`.

    Coefficients `w` have any shape. float32 and float64 are computed as they are, float16 in float32, integers in
    float64; values are accumulated in float64. NaN in `w` gives NaN in the value and in that entry (with `GroupLasso`
    in its group). ``0.1 * penalty`` is the penalty with 0.1 times the strength.
    """

    _name: ClassVar[str]
    __array_ufunc__: ClassVar[None] = None  # a NumPy number times a penalty is for the penalty to compute

    alpha: float

    @property
    @abstractmethod
    def smooth(self) -> bool:
        """Whether the gradient is continuous, so that methods for smooth functions may use it."""

    @abstractmethod
    def _evaluate(self, want: int, w: ArrayLike, out: Array | None, n_threads: int | None) -> Any:
        """Value, gradient, or a tuple of both."""

    @abstractmethod
    def prox(self, w: ArrayLike, step: ArrayLike, *, out: Array | None = None, n_threads: int | None = None) -> Array:
        """Compute the proximal map, the minimiser over u of ``norm(u - w)^2 / 2 + step * value(u)``.

        Parameters
        ----------
        w : array_like
            Coefficients, of any shape.
        step : float or array_like
            Step >= 0; 0 returns `w`. For the separable penalties also one step for each entry, of the shape of `w`.
        out : ndarray, optional
            float32 or float64 array for the result; it may be `w`.
        n_threads : int, optional
            Threads for this call; results do not depend on it.

        Returns
        -------
        ndarray
            Of the shape of `w`; inf stays inf.

        Raises
        ------
        TypeError
            If an argument is not a real array on the CPU.
        ValueError
            If `step` is negative or not finite, or a shape does not match.

        References
        ----------
        N. Parikh and S. Boyd, Proximal algorithms, Foundations and Trends in Optimization 1, 2014.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.L1().prox([-3.0, 0.5, 2.0], step=1.0)
        array([-2.,  0.,  1.])
        """

    def value(self, w: ArrayLike, *, n_threads: int | None = None) -> float:
        """Compute the penalty.

        Parameters
        ----------
        w : array_like
            Coefficients, of any shape.
        n_threads : int, optional
            Threads for this call; results do not depend on it.

        Returns
        -------
        float
            0.0 for no coefficients.

        Raises
        ------
        TypeError
            If `w` is not a real array on the CPU.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.L2(alpha=0.5).value([1.0, -2.0])
        1.25
        """
        return self._evaluate(VALUE, w, None, n_threads)  # type: ignore[no-any-return]

    __call__ = value

    def gradient(self, w: ArrayLike, *, out: Array | None = None, n_threads: int | None = None) -> Array:
        """Compute the derivative of the value; at a kink the subgradient 0 of the kinked term.

        Parameters
        ----------
        w, n_threads
            As for `value`.
        out : ndarray, optional
            float32 or float64 array for the result; it may be `w`.

        Returns
        -------
        ndarray
            Of the shape of `w`.

        Raises
        ------
        TypeError, ValueError
            As for `value`; or if `out` does not fit.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.ElasticNet().gradient([-2.0, 0.0, 1.0])
        array([-1.5,  0. ,  1. ])
        """
        return self._evaluate(GRADIENT, w, out, n_threads)  # type: ignore[no-any-return]

    def value_and_gradient(
        self, w: ArrayLike, *, out: Array | None = None, n_threads: int | None = None
    ) -> tuple[float, Array]:
        """Compute value and gradient in one pass.

        Parameters, errors: as for `gradient`.

        Returns
        -------
        value : float
        gradient : ndarray

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.GroupLasso([0, 0, 1], group_weight="none").value_and_gradient([3.0, 4.0, 2.0])
        (7.0, array([0.6, 0.8, 1. ]))
        """
        return self._evaluate(VALUE | GRADIENT, w, out, n_threads)  # type: ignore[no-any-return]

    def config(self) -> dict[str, Any]:
        """Return name and parameters as a dict that JSON can hold; `get` rebuilds the penalty from it.

        Returns
        -------
        dict

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.L2(alpha=0.1).config()
        {'name': 'l2_penalty', 'alpha': 0.1}
        """
        return {"name": self._name, **{key: encoded(value) for key, value in self._parameters().items()}}

    def __mul__(self: Self, factor: Any) -> Self:
        try:
            strength = self.alpha * check.real_number("factor", factor, ge=0)
        except TypeError:
            return NotImplemented
        return dataclasses.replace(self, alpha=strength)  # type: ignore[type-var]

    __rmul__ = __mul__


class _Separable(Penalty):
    """A sum over entries of l1 abs(w) + l2 w^2 / 2."""

    _kernel: ClassVar[Kernel]
    _prox_by_entry: ClassVar[Kernel]

    @property
    @abstractmethod
    def _factors(self) -> tuple[float, float]:
        """Both factors, l1 and l2."""

    @property
    def smooth(self) -> bool:
        """Whether the gradient is continuous: no term in abs(w)."""
        return self._factors[0] == 0

    def _check_parameters(self) -> None:
        bounds = [math.inf if factor else 0.0 for factor in self._factors]
        by_entry = Kernel([(1.0, "elastic_net_prox_by_entry", self._factors)], 1, "interval", (0.0, math.inf, False))
        object.__setattr__(self, "_kernel", Kernel([(1.0, "elastic_net", (*self._factors, *bounds))]))
        object.__setattr__(self, "_prox_by_entry", by_entry)

    def _evaluate(self, want: int, w: ArrayLike, out: Array | None, n_threads: int | None) -> Any:
        return _run(self._kernel, want, w, w, out, n_threads)

    def prox(self, w: ArrayLike, step: ArrayLike, *, out: Array | None = None, n_threads: int | None = None) -> Array:
        if isinstance(step := _step(step), float):
            l1, l2 = self._factors
            kernel, y = Kernel([(1.0, "elastic_net_prox", (step * l1, 1 / (1 + step * l2)))]), w
        else:
            kernel, y, w = self._prox_by_entry, step, check.as_array("w", w)
            if y.shape != w.shape:
                raise ValueError(f"step must be a number or have the shape {w.shape} of w, got {y.shape}")
        result = _run(kernel, GRADIENT, w, y, out, n_threads)
        if type(result) is Violation:
            largest = np.finfo(check.working_type(w)).max
            raise check.outside("step", ">= 0 and finite", y, (y >= 0) & (y <= largest))
        return result  # type: ignore[no-any-return]


def _run(kernel: Kernel, want: int, w: ArrayLike, y: ArrayLike, out: Array | None, n_threads: int | None) -> Any:
    """Call a kernel whose targets y are the coefficients themselves, where it has no use for targets, or steps."""
    if n_threads is not None:
        n_threads = check.positive_integer("n_threads", n_threads)
    result = kernel(want, y, w, None, "sum", out, n_threads)
    if result is UNREADY:
        plain = check.as_array("w", w)
        result = kernel(want, plain if y is w else y, plain, None, "sum", _out(out, plain.shape), n_threads)
    return result


def _out(out: Any, shape: tuple[int, ...]) -> Array | None:
    return None if out is None else check.check_arrays([("result", shape)], (out,))[0]


def _step(step: ArrayLike) -> float | Array:
    """A checked number, or an array of steps that is yet to be checked."""
    if isinstance(step, Real):
        return check.real_number("step", step, ge=0)
    steps = check.as_array("step", step)
    return check.real_number("step", steps.item(), ge=0) if steps.ndim == 0 else steps


@_penalty
class L1(_Separable):
    r"""The sum of absolute values: sparse coefficients.

    .. math:: \alpha \sum_i |w_i|, \qquad g_i = \alpha \operatorname{sgn} w_i, \qquad
        \operatorname{prox}_s(w)_i = \operatorname{sgn}(w_i) \max(|w_i| - s \alpha, 0)

    Use it to select features: coefficients whose gradient stays below alpha become exactly 0. Groups of correlated
    features lose all but one member; `ElasticNet` keeps them together.

    Parameters
    ----------
    alpha : float, default 1.0
        Strength, >= 0.

    References
    ----------
    R. Tibshirani, Regression shrinkage and selection via the lasso, Journal of the Royal Statistical Society B 58,
    1996.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.L1(alpha=0.5).value_and_gradient([-2.0, 0.0, 3.0])
    (2.5, array([-0.5,  0. ,  0.5]))
    """

    alpha: float = number(1.0, ge=0)

    @property
    def _factors(self) -> tuple[float, float]:
        return self.alpha, 0.0


@_penalty
class L2(_Separable):
    r"""Half the sum of squares: small coefficients (ridge, weight decay).

    .. math:: \tfrac{\alpha}{2} \sum_i w_i^2, \qquad g_i = \alpha w_i, \qquad
        \operatorname{prox}_s(w)_i = \frac{w_i}{1 + s \alpha}

    Use it by default: it makes a convex problem strongly convex, hence its solution unique and stable.

    Parameters
    ----------
    alpha : float, default 1.0
        Strength, >= 0.

    Notes
    -----
    Keras' ``L2(l2)`` has no factor 1/2: ``l2 = alpha / 2``.

    References
    ----------
    A. E. Hoerl and R. W. Kennard, Ridge regression: biased estimation for nonorthogonal problems, Technometrics 12,
    1970.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.L2(alpha=0.5).value_and_gradient([-2.0, 0.0, 4.0])
    (5.0, array([-1.,  0.,  2.]))
    """

    alpha: float = number(1.0, ge=0)

    @property
    def _factors(self) -> tuple[float, float]:
        return 0.0, self.alpha


@_penalty
class ElasticNet(_Separable):
    r"""A mixture of `L1` and `L2`: sparse, and correlated features stay together.

    .. math:: \alpha \rho \sum_i |w_i| + \tfrac{\alpha (1 - \rho)}{2} \sum_i w_i^2, \qquad
        \operatorname{prox}_s(w)_i = \frac{\operatorname{sgn}(w_i) \max(|w_i| - s \alpha \rho, 0)}
        {1 + s \alpha (1 - \rho)}

    Parameters
    ----------
    alpha : float, default 1.0
        Strength, >= 0.
    l1_ratio : float, default 0.5
        The share :math:`\rho` of L1, in [0, 1].

    Notes
    -----
    The penalty of `sklearn.linear_model.ElasticNet`, which adds it to half the mean squared error; Keras'
    ``L1L2(l1=alpha * l1_ratio, l2=alpha * (1 - l1_ratio) / 2)``.

    References
    ----------
    H. Zou and T. Hastie, Regularization and variable selection via the elastic net, Journal of the Royal Statistical
    Society B 67, 2005.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.ElasticNet(alpha=2.0).prox([3.0, -0.5], step=1.0)
    array([1., 0.])
    """

    alpha: float = number(1.0, ge=0)
    l1_ratio: float = number(0.5, ge=0, le=1)

    @property
    def _factors(self) -> tuple[float, float]:
        return self.alpha * self.l1_ratio, self.alpha * (1 - self.l1_ratio)


def _labels(name: str, value: Any) -> tuple[int, ...]:
    if type(value) is tuple and value and set(map(type, value)) == {int}:
        return value
    labels = check.as_array(name, value)
    if labels.size == 0:
        raise ValueError(f"{name} must have a label for each coefficient, got none")
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integers, got dtype {labels.dtype}")
    return tuple(labels.ravel().tolist())


def _weights(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return check.one_of(name, value, ("sqrt", "none"))
    return check.real_numbers(name, value, ge=0)


@_penalty
class GroupLasso(Penalty):
    r"""The sum of the norms of groups: whole groups of coefficients become 0 together.

    .. math:: \alpha \sum_g c_g \|w_g\|, \qquad g_g = \alpha c_g \frac{w_g}{\|w_g\|}, \qquad
        \operatorname{prox}_s(w)_g = \max\left(0, 1 - \frac{s \alpha c_g}{\|w_g\|}\right) w_g

    Use it where features belong together: the columns of one category, the coefficients of one feature for all
    classes. Groups of one entry make it `L1`.

    Parameters
    ----------
    groups : array_like of int
        A label for each entry of the flattened `w`: any integers, in any order.
    alpha : float, default 1.0
        Strength, >= 0.
    group_weight : {"sqrt", "none"} or sequence of float, default "sqrt"
        The factors :math:`c_g`: the square root of the group size, 1, or numbers >= 0 for the sorted labels.

    Notes
    -----
    Computed in float64 on one thread. Norms are right from 1e-308 to 1e308. `prox` takes one step for all entries.

    References
    ----------
    M. Yuan and Y. Lin, Model selection and estimation in regression with grouped variables, Journal of the Royal
    Statistical Society B 68, 2006.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.GroupLasso([7, 7, 2], group_weight="none").prox([3.0, 4.0, 0.5], step=1.0)
    array([2.4, 3.2, 0. ])
    """

    groups: tuple[int, ...] = parameter(check=_labels)
    alpha: float = number(1.0, ge=0)
    group_weight: str | tuple[float, ...] = parameter("sqrt", check=_weights)

    _index: ClassVar[Array]  # the group of each entry, counted in the order of the labels
    _strength: ClassVar[Array]  # alpha c of each group

    def _check_parameters(self) -> None:
        _, index, sizes = np.unique(self.groups, return_inverse=True, return_counts=True)
        named = {"sqrt": np.sqrt(sizes), "none": np.ones(len(sizes))}
        factors = named[self.group_weight] if isinstance(self.group_weight, str) else np.array(self.group_weight)
        if len(factors) != len(sizes):
            raise ValueError(f"group_weight must have one entry for each of {len(sizes)} groups, got {len(factors)}")
        object.__setattr__(self, "_index", index)
        object.__setattr__(self, "_strength", self.alpha * factors)

    @property
    def smooth(self) -> bool:
        """Whether the gradient is continuous: False but for a strength of 0."""
        return not self._strength.any()

    def _evaluate(self, want: int, w: ArrayLike, out: Array | None, n_threads: int | None) -> Any:
        w, out = self._checked(w, out, n_threads)
        with np.errstate(all="ignore"):
            x, norm, exponent = self._norms(w)
            bound = np.where(self._strength > 0, math.inf, 0)  # 0 times inf is 0 here
            value = float(np.sum(self._strength * np.minimum(np.ldexp(norm, exponent), bound)))
            if want == VALUE:
                return value
            slope = np.where(norm == 0, 0, self._strength / norm)
            gradient = self._times(x, slope, w, out)
        return gradient if want == GRADIENT else (value, gradient)

    def prox(self, w: ArrayLike, step: ArrayLike, *, out: Array | None = None, n_threads: int | None = None) -> Array:
        """Compute the proximal map as for any penalty, but with one step only."""
        if not isinstance(step := _step(step), float):
            raise ValueError(f"step must be one number for groups, got an array of shape {step.shape}")
        w, out = self._checked(w, out, n_threads)
        with np.errstate(all="ignore"):
            _, norm, exponent = self._norms(w)
            threshold = np.minimum(step * self._strength, np.finfo(np.float64).max)
            kept = np.maximum(1 - np.ldexp(threshold, -exponent) / norm, 0)
            return self._times(w.reshape(-1), np.where(threshold == 0, 1, np.where(norm == 0, 0, kept)), w, out)

    def _checked(self, w: ArrayLike, out: Array | None, n_threads: int | None) -> tuple[Array, Array | None]:
        if n_threads is not None:
            check.positive_integer("n_threads", n_threads)
        w = check.as_array("w", w)
        if w.size != len(self.groups):
            raise ValueError(f"w must have one entry for each of the {len(self.groups)} labels in groups, got {w.size}")
        return w, _out(out, w.shape)

    def _norms(self, w: Array) -> tuple[Array, Array, Array]:
        """Entries, divided by 2^e in each group, their norms, and e: not 0 where squares leave the range of float64.

        Of a group with infinite entries only those count, as equally large ones, and its e is beyond any number.
        """
        x, k = w.reshape(-1).astype(np.float64), len(self._strength)
        squares = np.bincount(self._index, x * x, k)
        exponent = np.zeros(k, int)
        rare = ~((squares > 1e-280) & (squares < 1e280))
        if rare.any():
            some = np.flatnonzero(rare[self._index])
            index, y = self._index[some], x[some]
            peak = np.zeros(k)
            np.maximum.at(peak, index, np.abs(y))
            infinite = np.isinf(peak)
            exponent = np.where(infinite, 10_000, np.frexp(peak)[1])
            y = np.where(infinite[index], np.where(np.isinf(y), np.sign(y), 0), np.ldexp(y, -exponent[index]))
            squares = np.where(rare, np.bincount(index, y * y, k), squares)
            x[some] = y
        return x, np.sqrt(squares), exponent

    def _times(self, x: Array, factor: Array, w: Array, out: Array | None) -> Array:
        """Entries times the factors of their groups, in the type that `w` is computed in."""
        if out is None:
            out = np.empty(w.shape, check.working_type(w))
        return np.multiply(x.reshape(w.shape), factor[self._index].reshape(w.shape), out=out, casting="same_kind")
