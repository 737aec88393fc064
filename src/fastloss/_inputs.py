"""Losses of several differentiable inputs: their gradient is a tuple of arrays, in the order of the inputs."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, NoReturn

import numpy as np

from . import _validation as check
from ._base import Array, Evaluation, Loss, Methods
from ._validation import GRADIENT, VALUE


class InputsMethods(Methods):
    """The calls of a loss of several inputs, in terms of one; shared by a loss and its NumPy reference.

    The signature differs from loss to loss: a subclass defines the public methods and hands the inputs over as one
    tuple. There are gradients in the floating inputs but no hessian.
    """

    @abstractmethod
    def _evaluate(  # type: ignore[override]
        self,
        want: int,
        inputs: tuple[Any, ...],
        sample_weight: Any,
        reduction: str,
        out: Any,
        n_threads: int | None,
        **options: Any,
    ) -> Any:
        """The value, the tuple of gradients, or both as a pair."""

    def _evaluation(self, outputs: Any, *arguments: Any, **options: Any) -> Evaluation:
        """The named outputs of a call."""
        want = check.wanted_outputs(outputs)
        if want & ~(VALUE | GRADIENT):
            self.hessian()
        result = self._evaluate(want, *arguments, **options)
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


class InputsLoss(InputsMethods, Loss):
    """A loss of several differentiable inputs."""

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


def delivered(want: int, value: Any, gradients: tuple[Array, ...], outs: tuple[Any, tuple[Any, ...]]) -> Any:
    """The wanted results, their arrays in those of `out` where there are any."""

    def placed(result: Any, target: Array | None) -> Any:
        if target is None:
            return result
        if target is not result:
            target[...] = result
        return target

    slopes = tuple(map(placed, gradients, outs[1])) if want & GRADIENT else ()
    if not want & VALUE:
        return slopes
    value = placed(value, outs[0])
    return (value, slopes) if want & GRADIENT else value
