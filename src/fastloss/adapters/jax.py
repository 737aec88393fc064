"""Losses as differentiable functions of JAX arrays, computed on the CPU. Importing this module does not import JAX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from .._base import Loss
from .._groups import GroupLoss
from .._optional import require
from .._regions import RegionLoss
from .._registry import get
from .._validation import group_bounds
from ..losses.sequence import SequenceLoss
from ._autograd import Call, scaled

__all__ = ["AutogradLoss", "as_autograd"]


def as_autograd(loss: Any) -> AutogradLoss:
    """Make a loss differentiable by JAX, by a callback to the CPU.

    For losses that Optax lacks, for training of small models on the CPU, for evaluation, and for teaching. A loss
    written in JAX is fused with the model and stays on its device; here each call leaves the compiled program.

    Parameters
    ----------
    loss : Loss, str or dict
        A loss, of one or of several inputs, its name, or its configuration.

    Returns
    -------
    AutogradLoss
        Called like the loss itself, ``(y_true, y_pred, sample_weight=None, *, reduction="mean")``: note that the
        targets come first. It works under `jax.jit`, `jax.grad`, `jax.value_and_grad` and `jax.vmap`.

    Raises
    ------
    ImportError
        If JAX is missing or older than 0.4.35.
    TypeError, ValueError
        If the loss is unknown.

    Examples
    --------
    With JAX itself::

        loss = as_autograd(fl.BinaryFocal(gamma=2.0, from_logits=True))

        @jax.jit
        def step(params, X, y):
            gradient = jax.grad(lambda params: loss(y, X @ params))(params)
            return params - 0.1 * gradient
    """
    _jax()
    return AutogradLoss(get(loss))


@dataclass(frozen=True)
class AutogradLoss:
    """A loss of JAX arrays; made by `as_autograd`. Immutable, compared by value, picklable.

    Attributes
    ----------
    loss : Loss
        The loss that computes.
    """

    loss: Loss

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Compute the loss.

        Parameters
        ----------
        *arguments, **keywords
            Those of the loss: for most ``(y_true, y_pred, sample_weight=None, *, reduction="mean")``. Arrays of JAX or
            NumPy. float32 and float64 are computed as they are, float16 and bfloat16 in float32, integers in JAX's
            default type.

        Returns
        -------
        jax.Array
            A scalar, or with ``reduction="none"`` the weighted values, in the type that is computed in.

        Raises
        ------
        TypeError
            If arguments are missing or unknown.
        ValueError
            If labels or weights are to be differentiated in. What the loss itself refuses shows when the callback
            runs; under `jax.jit` inside the error that JAX raises for it.

        Notes
        -----
        Derivatives are the gradient of the loss, in the kernels' pass over the data that gives the value, and only in
        reverse mode: there are no second ones. `jax.vmap` calls the loss once for each element of the batch;
        ``reduction="none"`` on all of them is faster.
        """
        jax = _jax()
        call = Call.bind(self.loss, arguments, keywords)
        inputs = {name: _array(jax, call.data[name], real=True) for name in call.differentiable}
        rest = {name: _array(jax, x) for name, x in call.data.items() if name not in inputs}
        if call.sample_weight is not None:
            rest["sample_weight"] = _array(jax, call.sample_weight)
        options = tuple((name, _static(call.options[name])) for name in sorted(call.options))
        function = _function(self.loss, (*inputs, *rest), call.reduction, options)
        return function(tuple(inputs.values()), tuple(rest.values()))


def _jax() -> Any:
    return require("jax", "0.4.35", "jax")


def _array(jax: Any, x: Any, real: bool = False) -> Any:
    """An array of a type that kernels compute in, if it is to be `real`, and else of one that NumPy knows."""
    x = jax.numpy.asarray(x)
    if jax.numpy.issubdtype(x.dtype, np.floating):
        return x if x.dtype in (np.float32, np.float64) else x.astype(np.float32)
    return x.astype(float) if real else x


def _static(option: Any) -> Any:
    """An option that the compiled function is made for: groups of rows and lengths as a tuple."""
    listed = isinstance(option, list) or getattr(option, "ndim", 0) > 0
    return tuple(np.asarray(option).tolist()) if listed else option


@cache
def _function(
    loss: Loss, names: tuple[str, ...], reduction: str, options: tuple[tuple[str, Any], ...]
) -> Callable[..., Any]:
    """A function of inputs to differentiate in and of the rest: two tuples of arrays that have the names together."""
    jax = _jax()
    keeps_gradient = Call(loss, {}, None, reduction, {}).keeps_gradient

    def call(inputs: Any, rest: Any) -> Call:
        data = dict(zip(names, map(np.asarray, (*inputs, *rest)), strict=True))
        weight = data.pop("sample_weight", None)
        return Call(loss, data, weight, reduction, dict(options))

    def on_host(compute: Callable[..., Any], shapes: Any, *arguments: Any) -> Any:
        def typed(*given: Any) -> Any:
            return jax.tree.map(lambda shape, x: np.asarray(x, shape.dtype), shapes, compute(*given))

        return jax.pure_callback(typed, shapes, *arguments, vmap_method="sequential")

    def value_shape(inputs: Any) -> Any:
        rows = inputs[0].shape if loss.n_predictions == 1 else inputs[0].shape[:-1]
        if isinstance(loss, SequenceLoss):
            rows = inputs[0].shape[:1]
        elif isinstance(loss, GroupLoss):
            known = dict(options)
            rows = (len(group_bounds(known.get("group"), known.get("qid"), *rows)) - 1,)
        if isinstance(loss, RegionLoss):
            rows = loss._values_shape(inputs[0].shape)
        return jax.ShapeDtypeStruct(rows if reduction == "none" else (), jax.numpy.result_type(*inputs))

    def shapes_of(inputs: Any) -> Any:
        return tuple(jax.ShapeDtypeStruct(x.shape, x.dtype) for x in inputs)

    @jax.custom_vjp
    def function(inputs: Any, rest: Any) -> Any:
        return on_host(lambda *given: call(*given).value(), value_shape(inputs), inputs, rest)

    def forward(inputs: Any, rest: Any) -> Any:
        if any(x.perturbed for x in rest):
            raise ValueError("labels and weights must not be differentiated in: use jax.lax.stop_gradient")
        inputs, rest = (tuple(x.value for x in given) for given in (inputs, rest))
        if not keeps_gradient:
            return function(inputs, rest), (inputs, rest)
        shapes = value_shape(inputs), shapes_of(inputs)
        return on_host(lambda *given: call(*given).value_and_gradients(), shapes, inputs, rest)

    def backward(saved: Any, cotangent: Any) -> Any:
        if keeps_gradient:
            return tuple(scaled(gradient, cotangent) for gradient in saved), None
        compute = lambda weight, *given: call(*given).pulled_back(np.asarray(weight))
        return on_host(compute, shapes_of(saved[0]), cotangent, *saved), None

    function.defvjp(forward, backward, symbolic_zeros=True)
    return function  # type: ignore[no-any-return]
