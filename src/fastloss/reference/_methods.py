"""What the references of all losses share."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from .._base import Array
from .._inputs import Call, InputsMethods


class ReferenceOf:
    """The reference of a loss, which knows it."""

    def __init__(self, loss: Any) -> None:
        self.loss = loss

    def __repr__(self) -> str:
        return f"{self.loss!r}.reference"


def evaluated(loss: Any, y: Array, f: Array) -> Any:
    """The terms of the formula that has the name of the loss, in the module of its family."""
    module = import_module(f".{loss.info.family}", __package__)
    return getattr(module, loss.info.name)(y, f, **loss._parameters())


def curvature(loss: Any, terms: Any, f: Array, policy: str) -> Array:
    """The terms that a hessian policy names, in the shape of `f`."""
    if policy == "unit":
        return np.ones_like(f)
    if policy == "absolute_gradient":
        return np.asarray(np.abs(np.broadcast_to(terms.gradient(), f.shape)))
    term = getattr(terms, "hessian" if policy == "exact" else policy, None)
    if term is None:
        raise ValueError(f"the reference of {loss!r} has no {policy}")
    return np.broadcast_to(term(), f.shape)


class InputsReference(ReferenceOf, InputsMethods):
    """A loss of several inputs in pure NumPy: it takes the arguments of the loss."""

    def _arguments(self, *arguments: Any, **named: Any) -> Call:
        """Compute the loss; arguments and errors as for the loss itself."""
        return self.loss._arguments(*arguments, **named)  # type: ignore[no-any-return]
