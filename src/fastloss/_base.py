"""The methods that all losses share."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

import numpy as np

from . import _threads as _threads  # installs the thread policy
from . import _validation as check
from ._core.pointwise import UNREADY, Kernel, Violation
from ._domains import REAL, Domain, Interval
from ._init_score import mean, numeric_minimum, quantile
from ._links import IDENTITY, Link
from ._parameters import Configured
from ._registry import LossInfo, encoded, snake_case
from ._validation import GRADIENT, HESSIAN, VALUE

if TYPE_CHECKING:
    from .weighted_sum import WeightedSum

Array = np.ndarray[Any, Any]
ArrayLike = Any
Self = TypeVar("Self", bound="Loss")


class Evaluation(NamedTuple):
    """What `evaluate` returns; None where an output was not asked for."""

    value: Any = None
    gradient: Any = None
    hessian: Any = None


def placed(result: Any, target: Array | None) -> Any:
    """A result, in an array that was given for it."""
    if target is None:
        return result
    if target is not result:
        target[...] = result
    return target


def in_outputs(results: list[Any], out: Any) -> Any:
    """One result or a tuple of several, the arrays among them in those of `out`."""
    given = iter(out if isinstance(out, tuple) else (out,))
    results = [placed(x, next(given, None)) if isinstance(x, np.ndarray) else x for x in results]
    return tuple(results) if len(results) > 1 else results[0]


class Methods(ABC):
    """The calls of a loss, in terms of one: shared by the kernels' face and the NumPy reference."""

    @abstractmethod
    def _evaluate(
        self,
        want: int,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None,
        reduction: str,
        out: Any,
        n_threads: int | None,
        hessian: str = "exact",
        min_hessian: float | None = None,
    ) -> Any:
        """The wanted outputs: one object, or a tuple in the order value, gradient, hessian."""

    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        reduction: str = "mean",
        out: Array | None = None,
        n_threads: int | None = None,
    ) -> Any:
        """Compute the loss.

        Parameters
        ----------
        y_true : array_like
            Targets, of any real dtype and shape S.
        y_pred : array_like
            Predictions, of shape S (S + (2,) for the distributions, S + (K,) for K classes). float32 and float64 are
            computed as they are, float16 in float32, integers in float64.
        sample_weight : array_like or float, optional
            Weights >= 0, of shape S or a scalar. A sample of weight 0 contributes exactly 0.
        reduction : {"mean", "sum", "none"}
            ``sum(w l) / sum(w)``, ``sum(w l)``, or the array ``w l``.
        out : ndarray, optional
            float32 or float64 array for the result of ``reduction="none"``.
        n_threads : int, optional
            Threads for this call; results do not depend on it.

        Returns
        -------
        float or ndarray
            Accumulated in float64.

        Raises
        ------
        TypeError
            If an argument is not a real array on the CPU.
        ValueError
            If shapes do not match, a value is outside its domain, or the mean is over nothing.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.Huber()([0.0, 1.0], [0.5, 4.0])
        1.3125
        """
        return self._evaluate(VALUE, y_true, y_pred, sample_weight, reduction, out, n_threads)

    value = __call__

    def gradient(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        reduction: str = "mean",
        out: Array | None = None,
        n_threads: int | None = None,
    ) -> Array:
        """Compute the derivative with respect to `y_pred` of the sum or mean of the loss.

        Parameters, errors: as for the call of the loss itself.

        Returns
        -------
        ndarray
            Of the shape of `y_pred`: ``w l' / sum(w)`` for "mean", ``w l'`` for "sum" and "none".

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.Huber().gradient([0.0, 1.0], [0.5, 4.0], reduction="sum")
        array([0.5, 1. ])
        """
        return self._evaluate(GRADIENT, y_true, y_pred, sample_weight, reduction, out, n_threads)  # type: ignore[no-any-return]

    def hessian(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        reduction: str = "mean",
        out: Array | None = None,
        n_threads: int | None = None,
        hessian: str = "exact",
        min_hessian: float | None = None,
    ) -> Array:
        """Compute the diagonal of the second derivative with respect to `y_pred`, or another curvature.

        Parameters
        ----------
        y_true, y_pred, sample_weight, reduction, out, n_threads
            As for the call of the loss itself.
        hessian : str
            One of `hessian_policies`: ``"exact"``, ``"majorizer"`` (an upper bound, never negative), ``"fisher"``
            (expected), ``"absolute_gradient"``, ``"unit"``, and for softmax cross-entropy ``"scaled"``.
        min_hessian : float, optional
            A floor, applied after weights and reduction; samples of weight 0 stay 0.

        Returns
        -------
        ndarray
            Of the shape of `y_pred`.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.Huber().hessian([0.0, 1.0], [0.5, 3.0], reduction="sum", hessian="majorizer")
        array([1. , 0.5])
        """
        return self._evaluate(  # type: ignore[no-any-return]
            HESSIAN, y_true, y_pred, sample_weight, reduction, out, n_threads, hessian, min_hessian
        )

    def value_and_gradient(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        reduction: str = "mean",
        out: Any = None,
        n_threads: int | None = None,
    ) -> tuple[Any, Array]:
        """Compute value and gradient in one pass over the data.

        Parameters, errors: as for the call of the loss itself; `out` holds the gradient (with ``reduction="none"``
        a tuple for value and gradient).

        Returns
        -------
        value : float or ndarray
        gradient : ndarray

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.Huber().value_and_gradient([0.0, 1.0], [0.5, 4.0])
        (1.3125, array([0.25, 0.5 ]))
        """
        return self._evaluate(VALUE | GRADIENT, y_true, y_pred, sample_weight, reduction, out, n_threads)  # type: ignore[no-any-return]

    def gradient_and_hessian(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        reduction: str = "mean",
        out: tuple[Array | None, Array | None] | None = None,
        n_threads: int | None = None,
        hessian: str = "exact",
        min_hessian: float | None = None,
    ) -> tuple[Array, Array]:
        """Compute gradient and hessian in one pass over the data: what boosters ask for.

        Parameters, errors: as for `hessian`; `out` is a tuple for gradient and hessian.

        Returns
        -------
        gradient, hessian : ndarray

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.HalfSquaredError().gradient_and_hessian([0.0, 1.0], [0.5, 4.0], reduction="sum")
        (array([0.5, 3. ]), array([1., 1.]))
        """
        return self._evaluate(  # type: ignore[no-any-return]
            GRADIENT | HESSIAN, y_true, y_pred, sample_weight, reduction, out, n_threads, hessian, min_hessian
        )

    def evaluate(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        outputs: tuple[str, ...] = ("value", "gradient", "hessian"),
        reduction: str = "mean",
        out: Any = None,
        n_threads: int | None = None,
        hessian: str = "exact",
        min_hessian: float | None = None,
    ) -> Evaluation:
        """Compute any of value, gradient and hessian in one pass over the data.

        Parameters
        ----------
        y_true, y_pred, sample_weight, reduction, n_threads, hessian, min_hessian
            As for `hessian`.
        outputs : tuple of str
            Of ``"value"``, ``"gradient"``, ``"hessian"``.
        out : tuple, optional
            Arrays for those outputs that are arrays, in the order value, gradient, hessian.

        Returns
        -------
        Evaluation
            A named tuple; None where an output was not asked for.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.MeanSquaredError().evaluate([0.0], [0.5], outputs=("value", "hessian"))
        Evaluation(value=0.25, gradient=None, hessian=array([2.]))
        """
        want = check.wanted_outputs(outputs)
        result = self._evaluate(want, y_true, y_pred, sample_weight, reduction, out, n_threads, hessian, min_hessian)
        names = [name for name, bit in check.OUTPUTS.items() if want & bit]
        return Evaluation(**dict(zip(names, result if len(names) > 1 else (result,), strict=True)))


class Loss(Configured, Methods):
    """Base of all losses: an immutable object with keyword-only parameters.

    Equal when class and parameters are equal; hashable, picklable; `repr` evaluates back to the object.
    """

    _declared: ClassVar[dict[str, Any]]
    __array_ufunc__: ClassVar[None] = None  # a NumPy number times a loss is for the loss to compute

    n_predictions: ClassVar[int] = 1
    """Predictions per sample, if not 1 on a last axis of `y_pred`: 2 for the distributions, 0 for any number."""

    @property
    def info(self) -> LossInfo:
        """The metadata of this object (`fastloss.LossInfo`)."""
        values = {k: v(self) if callable(v) and not isinstance(v, Link) else v for k, v in self._declared.items()}
        return LossInfo(**values)

    @property
    def default_hessian(self) -> str:
        """The curvature that boosters should use: it trains where the exact one is 0, negative or fades."""
        return self.info.default_hessian

    @property
    def hessian_policies(self) -> tuple[str, ...]:
        """The curvatures that `hessian=` accepts."""
        raise NotImplementedError

    @property
    def reference(self) -> Methods:
        """The same loss in plain NumPy: the specification that kernels are tested against."""
        raise NotImplementedError

    @property
    def link(self) -> Link:
        """Between the natural scale of predictions and the raw one: `link.inverse(raw)` is the prediction."""
        return self.info.link

    @property
    def f_domains(self) -> tuple[Domain, ...]:
        """Where each prediction of a sample may lie."""
        domain = self.info.f_domain
        return domain if isinstance(domain, tuple) else (domain,) * max(self.n_predictions, 1)

    def on_raw(self: Self) -> Self:
        """Return the same loss on the raw scale (logits, log-rates), which boosters and linear models need.

        Returns
        -------
        Loss
            This object itself where the link is the identity.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.Poisson().on_raw()
        Poisson(log_input=True, full=False)
        """
        return self

    def init_score(self, y_true: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """Return the constant prediction, on the raw scale, that minimises the loss.

        Parameters
        ----------
        y_true : array_like
            Targets of any shape.
        sample_weight : array_like or float, optional
            Weights >= 0.

        Returns
        -------
        float or ndarray
            One number for each prediction of a sample.

        Raises
        ------
        ValueError
            If there are no samples, all weights are 0, or a target is not finite or outside the domain.

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.MeanAbsoluteError().init_score([1.0, 2.0, 10.0])
        2.0
        """
        y = check.as_array("y_true", y_true).astype(np.float64).ravel()
        if y.size == 0:
            raise ValueError("y_true must not be empty: the minimiser over nothing is undefined")
        if not np.isfinite(y).all():
            raise check.outside("y_true", "finite", y, np.isfinite(y))
        check.check_labels("y_true", y, self.info.y_domain)
        w = check.flat_weights(sample_weight, np.shape(y_true))
        keep = w > 0
        score = self._init_score(y[keep], w[keep])
        return score if isinstance(score, np.ndarray) else float(score)

    def _init_score(self, y: Array, w: Array) -> Any:
        """The minimiser for checked float64 targets with positive weights."""
        raise NotImplementedError(f"{type(self).__name__} defines no init_score")

    def __mul__(self, factor: Any) -> WeightedSum:
        if isinstance(factor, bool) or not isinstance(factor, Real):
            return NotImplemented
        return _weighted_sum((float(factor), self))

    __rmul__ = __mul__

    def __truediv__(self, divisor: Any) -> WeightedSum:
        if isinstance(divisor, bool) or not isinstance(divisor, Real):
            return NotImplemented
        return _weighted_sum((1 / float(divisor), self))

    def __neg__(self) -> WeightedSum:
        return _weighted_sum((-1.0, self))

    def __add__(self, other: Any) -> WeightedSum:
        return _weighted_sum((1.0, self), (1.0, other)) if isinstance(other, Loss) else NotImplemented

    def __sub__(self, other: Any) -> WeightedSum:
        return _weighted_sum((1.0, self), (-1.0, other)) if isinstance(other, Loss) else NotImplemented

    def __radd__(self: Self, other: Any) -> Self:
        return self if isinstance(other, int) and other == 0 else NotImplemented  # the start of `sum`

    def _sums(self, *arguments: Any, **named: Any) -> tuple[float, float]:
        """The sum of the weighted values of a part of the data, and what the mean divides it by."""
        raise TypeError(f"{type(self).__name__} has no sums over parts of the data")

    def config(self) -> dict[str, Any]:
        """Return name and parameters as a dict that JSON can hold; `fastloss.get` rebuilds the loss from it.

        Returns
        -------
        dict

        Examples
        --------
        >>> import fastloss as fl
        >>> fl.Huber(delta=2.0).config()
        {'name': 'huber', 'delta': 2.0}
        """
        return {"name": self._declared["name"], **{k: encoded(v) for k, v in self._parameters().items()}}


class KernelLoss(Loss):
    """A loss whose parameters are the fields of a dataclass, and which a compiled kernel computes."""

    _kernel: ClassVar[Any] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "_kernel", self._make_kernel())

    def _formula(self) -> tuple[str, tuple[float, ...]]:
        """Name of the formula in csrc/losses and its parameters."""
        return self._declared["name"], tuple(self._parameters().values())

    @abstractmethod
    def _make_kernel(self) -> Any:
        """The compiled loss, or None where the reference computes."""

    @abstractmethod
    def _prepare(self, want: int, *arguments: Any) -> check.Call:
        """Convert the arguments of a call to what the kernel takes, or raise."""

    @abstractmethod
    def _violated(self, violation: Violation, y_true: Any, y_pred: Any, sample_weight: Any) -> ValueError:
        """The error for what the kernel found."""

    @property
    def hessian_policies(self) -> tuple[str, ...]:
        """The curvatures that `hessian=` accepts."""
        return ("exact", "absolute_gradient", "unit") if self._kernel is None else self._kernel.curvatures

    def _evaluate(
        self,
        want: int,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None,
        reduction: str,
        out: Any,
        n_threads: int | None,
        hessian: str = "exact",
        min_hessian: float | None = None,
    ) -> Any:
        kernel = self._kernel
        if kernel is None:
            return self.reference._evaluate(
                want, y_true, y_pred, sample_weight, reduction, out, n_threads, hessian, min_hessian
            )
        if n_threads is not None:
            n_threads = check.positive_integer("n_threads", n_threads)
        policy: tuple[Any, ...] = ()
        if want & HESSIAN:
            policy = (check.curvature(self, hessian), check.floor(min_hessian))
        result = kernel(want, y_true, y_pred, sample_weight, reduction, out, n_threads, *policy)
        if result is UNREADY:
            arguments = self._prepare(want, y_true, y_pred, sample_weight, reduction, out, n_threads)
            y_true, y_pred, sample_weight = arguments[:3]
            result = kernel(want, *arguments, *policy)
        if type(result) is Violation:
            raise self._violated(result, y_true, y_pred, sample_weight)
        return result

    def _sums(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        n_threads: int | None = None,
    ) -> tuple[float, float]:
        y, f, w, *_, threads = self._prepare(VALUE, y_true, y_pred, sample_weight, "sum", None, n_threads)
        if self._kernel is None:
            counts = np.ones(np.shape(y)) if w is None else np.broadcast_to(w, np.shape(y))
            return self(y, f, w, reduction="sum", n_threads=threads), float(np.sum(counts, dtype=np.float64))
        result = self._kernel(VALUE, y, f, w, "sums", None, threads)
        if type(result) is Violation:
            raise self._violated(result, y, f, w)
        return result  # type: ignore[no-any-return]


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class PointwiseLoss(KernelLoss):
    """A loss of one target and one prediction per sample (two predictions for the distributions).

    To write your own, subclass it with a function `reference(y, f, **parameters)` that returns value, gradient and
    hessian of every sample in NumPy; the result works wherever a built-in loss does, at NumPy speed. Declare
    parameters as fields of a ``@dataclass(frozen=True, kw_only=True)``.

    Examples
    --------
    >>> import numpy as np, fastloss as fl
    >>> class Cubed(fl.PointwiseLoss):
    ...     def reference(y, f):
    ...         r = f - y
    ...         return abs(r) ** 3, 3 * r * abs(r), 6 * abs(r)
    >>> Cubed().value_and_gradient([0.0, 0.0], [1.0, 2.0])
    (4.5, array([1.5, 6. ]))
    """

    _users_reference: ClassVar[Any] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "reference" in cls.__dict__ and not isinstance(cls.__dict__["reference"], property):
            cls._users_reference = staticmethod(cls.__dict__["reference"])
            del cls.reference
            cls._declared = _UNDECLARED | {"name": snake_case(cls.__name__)}

    def _init_score(self, y: Array, w: Array) -> Any:
        if self.n_predictions > 1:
            return super()._init_score(y, w)
        return numeric_minimum(self, y, w, [mean(y, w), quantile(y, w)])

    def _make_kernel(self) -> Kernel | None:
        if self._users_reference is not None:
            return None
        return pointwise_kernel(self, [(1.0, *self._formula())])

    @property
    def reference(self) -> Methods:
        """The same loss in plain NumPy: the specification that kernels are tested against."""
        from .reference import Reference

        return Reference(self)

    def _prepare(self, want: int, *arguments: Any) -> check.Call:
        return check.prepare(self, want, *arguments)

    def _violated(self, violation: Violation, y_true: Any, y_pred: Any, sample_weight: Any) -> ValueError:
        return check.domain_error(self, violation, y_true, y_pred, sample_weight)


def pointwise_kernel(loss: Loss, formulas: list[tuple[float, str, tuple[float, ...]]]) -> Kernel:
    """The compiled sum of formulas, (factor, name, parameters) each, with the domains of the loss."""
    domain = loss.info.y_domain
    y_range = (domain.low, domain.high, domain.low_open) if isinstance(domain, Interval) else (0.0, 1.0, False)
    f_ranges = [(d.low, d.high) for d in loss.f_domains if isinstance(d, Interval)]
    return Kernel(formulas, loss.n_predictions, domain.rule, y_range, f_ranges)


_UNDECLARED: dict[str, Any] = {
    "aliases": (),
    "family": "user",
    "formula": "",
    "convex": False,
    "differentiability": "C0",
    "lipschitz": float("inf"),
    "outliers": "high",
    "proper": None,
    "elicits": "",
    "y_domain": REAL,
    "f_domain": REAL,
    "link": IDENTITY,
    "default_hessian": "exact",
    "reference": "",
}


def _weighted_sum(*parts: tuple[float, Loss]) -> WeightedSum:
    from .weighted_sum import WeightedSum

    return WeightedSum(parts=parts)
