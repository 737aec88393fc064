"""Losses of several differentiable inputs: their gradient is a tuple of arrays, in the order of the inputs."""

from __future__ import annotations

import inspect
import math
from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple, NoReturn

import numpy as np

from . import _validation as check
from ._base import Array, Evaluation, Loss, Methods, placed
from ._validation import GRADIENT, VALUE


class Call(NamedTuple):
    """The arguments of a call: the inputs in their order, what all losses take, and further options of the loss."""

    inputs: tuple[Any, ...]
    sample_weight: Any
    reduction: Any
    out: Any
    n_threads: Any
    options: dict[str, Any] = {}  # noqa: RUF012


class InputsMethods(Methods):
    """The calls of a loss of several inputs, in terms of one; shared by a loss and its NumPy reference.

    A loss defines `_arguments`: its signature is that of all methods, its docstring is that of the call, but
    for what is returned, and it returns them as a `Call`. There are gradients in the floating inputs, a tuple in
    their order (one array where there is one), but no hessian.
    """

    @abstractmethod
    def _arguments(self, *arguments: Any, **named: Any) -> Call:
        """The arguments of a call."""

    @abstractmethod
    def _evaluate(self, want: int, call: Call) -> Any:  # type: ignore[override]
        """The value, the gradients, or both as a pair."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "_arguments" in vars(cls) and issubclass(cls, Loss):
            for name, text in _TEXTS.items():
                setattr(cls, name, _documented(cls, name, text))

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Compute the loss."""
        return self._evaluate(VALUE, self._arguments(*arguments, **named))

    def value(self, *arguments: Any, **named: Any) -> Any:
        """Compute the loss."""
        return self(*arguments, **named)

    def gradient(self, *arguments: Any, **named: Any) -> Any:
        """Compute the gradients."""
        return self._evaluate(GRADIENT, self._arguments(*arguments, **named))

    def value_and_gradient(self, *arguments: Any, **named: Any) -> Any:
        """Compute value and gradients."""
        return self._evaluate(VALUE | GRADIENT, self._arguments(*arguments, **named))

    def evaluate(self, *arguments: Any, outputs: Any = ("value", "gradient"), **named: Any) -> Evaluation:
        """Compute what `outputs` names."""
        want = check.wanted_outputs(outputs)
        if want & ~(VALUE | GRADIENT):
            self.hessian()
        result = self._evaluate(want, self._arguments(*arguments, **named))
        if want == VALUE:
            return Evaluation(value=result)
        return Evaluation(gradient=result) if want == GRADIENT else Evaluation(*result)

    def hessian(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise: there is no hessian.

        Raises
        ------
        ValueError
            Whatever the arguments.
        """
        raise ValueError(f"{self!r} has no hessian")

    def gradient_and_hessian(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise: there is no hessian.

        Raises
        ------
        ValueError
            Whatever the arguments.
        """
        self.hessian()


_TEXTS = {
    "__call__": """{before}

Returns
-------
float or ndarray
    Summed in float64; an array for ``reduction="none"``.

{errors}
""",
    "gradient": """Compute the derivatives of the sum or mean of the loss in its floating inputs.

Parameters, errors: as for the call of the loss itself; `out` is an array for the gradient, or a tuple of arrays (or
None) where there are several.

Returns
-------
ndarray or tuple of ndarray
    Each of the shape of its input, in the order of the inputs. For ``reduction="none"`` as for "sum".
""",
    "value_and_gradient": """Compute the value and the derivatives in one pass.

Parameters, errors: as for the call of the loss itself; `out` is for the gradients (with ``reduction="none"`` a pair:
the array of values, and what is for the gradients).

Returns
-------
value : float or ndarray
gradient : ndarray or tuple of ndarray
    As `gradient` returns them.
""",
    "evaluate": """Compute the value, the derivatives or both in one pass.

Parameters, errors: as for the call of the loss itself; besides, `outputs` is a tuple of ``"value"``, ``"gradient"``.

Returns
-------
Evaluation
    A named tuple; None where an output was not asked for.
""",
}
_TEXTS["value"] = _TEXTS["__call__"]


def _documented(cls: type, name: str, text: str) -> Any:
    """A method with the signature and the documentation of the arguments of a class."""
    inherited = getattr(InputsMethods, name)
    arguments: Any = vars(cls)["_arguments"]

    def method(self: Any, *given: Any, **named: Any) -> Any:
        return inherited(self, *given, **named)

    signature = inspect.signature(arguments).replace(return_annotation=inspect.Signature.empty)
    if name == "evaluate":
        outputs = inspect.Parameter("outputs", inspect.Parameter.KEYWORD_ONLY, default=("value", "gradient"))
        signature = signature.replace(parameters=[*signature.parameters.values(), outputs])
    method.__name__, method.__qualname__, method.__module__ = name, f"{cls.__qualname__}.{name}", cls.__module__
    before, heading, after = inspect.cleandoc(arguments.__doc__ or "").partition("\n\nRaises\n")
    method.__doc__ = text.format(before=before, errors=heading.strip() + "\n" + after)
    method.__signature__ = signature  # type: ignore[attr-defined]
    return method


class InputsLoss(InputsMethods, Loss):
    """A loss of several inputs."""

    n_predictions: ClassVar[int] = 0

    @property
    def hessian_policies(self) -> tuple[str, ...]:
        """The curvatures that `hessian=` accepts: none."""
        return ()


def workspace(out: Array | None, shape: tuple[int, ...], real: Any, inputs: tuple[Array | None, ...]) -> Array:
    """Where to compute a gradient: `out` itself, if it is a plain array of the type and lies apart from all inputs."""
    if out is None or out.dtype != real or not out.flags.carray or any(np.may_share_memory(out, a) for a in inputs):
        return np.empty(shape, real)
    return out


def rounded_sum(x: Any) -> float:
    """The correctly rounded sum of numbers >= 0; infinities and NaN pass."""
    try:
        return math.fsum(x)
    except OverflowError:
        return math.inf


def delivered(want: int, value: Any, gradients: tuple[Array, ...], outs: tuple[Any, tuple[Any, ...]]) -> Any:
    """The wanted results, their arrays in those of `out` where there are any."""
    slopes = tuple(map(placed, gradients, outs[1])) if want & GRADIENT else ()
    if not want & VALUE:
        return slopes
    value = placed(value, outs[0])
    return (value, slopes) if want & GRADIENT else value
