"""What automatic differentiation of other libraries needs of a loss, in terms of NumPy arrays.

Design. Arguments are bound by the names of the loss's own call, so that losses of one and of several inputs are alike:
what comes before `sample_weight` is data, and all of it but labels (`y_true`, `labels`) is differentiable.

With ``reduction="none"`` a cotangent arrives for each value. A row or sequence of predictions has one value, which
scales its gradient. Where rows share inputs, such as the weights of `LinearCrossEntropy`, or a value belongs to a group
of rows, the sum of cotangents times gradients is wanted: the gradient with the cotangents as weights, and as weights
are never negative, the difference between those for the positive and the negative ones.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _validation as check
from .._base import Array, Loss
from .._groups import GroupLoss
from .._inputs import InputsLoss
from .._regions import RegionLoss
from ..losses.sequence import SequenceLoss

LABELS = ("y_true", "labels")
REDUCTIONS = ("mean", "sum", "none")


@dataclass(frozen=True)
class Call:
    """The arguments of a call of a loss: data by name, weights, reduction, and the options of the loss."""

    loss: Loss
    data: Mapping[str, Any]
    sample_weight: Any
    reduction: str
    options: Mapping[str, Any]

    @classmethod
    def bind(cls, loss: Loss, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> Call:
        """Sort the arguments of a call; those that are None are left out."""
        signature = inspect.signature(loss.__call__)
        given = {k: v for k, v in signature.bind(*arguments, **keywords).arguments.items() if v is not None}
        if "out" in given:
            raise TypeError("out must not be given: results are new arrays")
        weight, reduction = given.pop("sample_weight", None), given.pop("reduction", "mean")
        check.one_of("reduction", reduction, REDUCTIONS)
        keyword_only = {k for k, parameter in signature.parameters.items() if parameter.kind is parameter.KEYWORD_ONLY}
        options = {k: given.pop(k) for k in keyword_only & given.keys()}
        return cls(loss, given, weight, reduction, options)

    @property
    def differentiable(self) -> tuple[str, ...]:
        """The names of the data that the loss is differentiated in."""
        return tuple(name for name in self.data if name not in LABELS)

    @property
    def keeps_gradient(self) -> bool:
        """Whether gradients can be computed with the value, before the cotangents are known."""
        by_value = isinstance(self.loss, SequenceLoss) or not isinstance(self.loss, InputsLoss | GroupLoss | RegionLoss)
        return self.reduction != "none" or by_value

    def value(self) -> Any:
        """The value: a float, or an array with ``reduction="none"``."""
        return self.loss(**self.data, sample_weight=self.sample_weight, reduction=self.reduction, **self.options)

    def value_and_gradients(self) -> tuple[Any, tuple[Array, ...]]:
        """The value, and the gradient in each differentiable input."""
        result: Any = self.loss.value_and_gradient(
            **self.data, sample_weight=self.sample_weight, reduction=self.reduction, **self.options
        )
        value, gradients = result
        gradients = gradients if isinstance(gradients, tuple) else (gradients,)
        return value, gradients[: len(self.differentiable)]  # without those in parameters of the loss

    def pulled_back(self, cotangent: Array) -> tuple[Array, ...]:
        """The gradient of ``sum(cotangent * values)`` in each differentiable input, where that is not one product."""
        if isinstance(self.loss, RegionLoss):
            data = self.data["y_true"], self.data["y_pred"]
            return (self.loss._pulled_back(*data, self.sample_weight, cotangent),)
        weight = cotangent if self.sample_weight is None else cotangent * np.asarray(self.sample_weight)
        above, below = (
            Call(self.loss, self.data, part, "sum", self.options).value_and_gradients()[1]
            for part in (np.maximum(weight, 0), np.maximum(-weight, 0))
        )
        return tuple(a - b for a, b in zip(above, below, strict=True))


def scaled(gradient: Any, cotangent: Any) -> Any:
    """Gradients, of rows or in all, times the cotangent of their values: arrays or tensors."""
    return gradient * cotangent.reshape(tuple(cotangent.shape) + (1,) * (gradient.ndim - cotangent.ndim))
