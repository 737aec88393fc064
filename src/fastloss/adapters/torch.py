"""Losses as differentiable functions of PyTorch tensors on the CPU. Importing this module does not import PyTorch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cache
from typing import Any

from .._base import Loss
from .._optional import require
from .._registry import get
from ._autograd import Call, scaled

__all__ = ["AutogradLoss", "as_autograd"]


def as_autograd(loss: Any) -> AutogradLoss:
    """Make a loss differentiable by PyTorch, for tensors on the CPU.

    For losses that PyTorch lacks, for training of small models on the CPU, for evaluation, and for teaching; a loss
    that PyTorch has is as fast or faster there, and stays on the device of the model.

    Parameters
    ----------
    loss : Loss, str or dict
        A loss, of one or of several inputs, its name, or its configuration.

    Returns
    -------
    AutogradLoss
        Called like the loss itself, ``(y_true, y_pred, sample_weight=None, *, reduction="mean")``: note that the
        targets come first. It returns a tensor.

    Raises
    ------
    ImportError
        If PyTorch is missing or older than 2.4.
    TypeError, ValueError
        If the loss is unknown.

    Examples
    --------
    With PyTorch itself::

        loss = as_autograd(fl.BinaryFocal(gamma=2.0, from_logits=True))
        optimizer = torch.optim.Adam(model.parameters())
        for X, y in batches:
            optimizer.zero_grad()
            loss(y, model(X).squeeze(1)).backward()
            optimizer.step()
    """
    _torch()
    return AutogradLoss(get(loss))


@dataclass(frozen=True)
class AutogradLoss:
    """A loss of tensors; made by `as_autograd`. Immutable, compared by value, picklable.

    Attributes
    ----------
    loss : Loss
        The loss that computes.
    """

    loss: Loss

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Compute the loss, and its gradient where one will be asked for.

        Parameters
        ----------
        *arguments, **keywords
            Those of the loss: for most ``(y_true, y_pred, sample_weight=None, *, reduction="mean")``. Inputs that the
            loss is differentiated in are tensors on the CPU, of any strides, which are read without a copy; labels
            and weights may also be arrays. float32 and float64 are computed as they are, float16 and bfloat16 in
            float32, integers in float64.

        Returns
        -------
        torch.Tensor
            A scalar, or with ``reduction="none"`` the weighted values, in the type that is computed in.

        Raises
        ------
        TypeError
            If an input is not a tensor, or a tensor is not on the CPU.
        ValueError
            If labels or weights require a gradient, or as for the loss.

        Notes
        -----
        Derivatives are the gradient of the loss, in the kernels' pass over the data that gives the value: there are
        no second ones, and none in forward mode, `torch.func` or `torch.compile`. Under `torch.no_grad` only the
        value is computed.
        """
        torch = _torch()
        call = Call.bind(self.loss, arguments, keywords)
        inputs = {name: _input(torch, name, call.data[name]) for name in call.differentiable}
        call = dataclasses.replace(
            call,
            data={
                name: _array(torch, name, inputs.get(name, value), name in inputs) for name, value in call.data.items()
            },
            sample_weight=_array(torch, "sample_weight", call.sample_weight),
        )
        wanted = torch.is_grad_enabled()
        return _function().apply(call, *(x if wanted else x.detach() for x in inputs.values()))


def _torch() -> Any:
    return require("torch", "2.4", "torch")


def _input(torch: Any, name: str, tensor: Any) -> Any:
    """A tensor to differentiate in, of a type that kernels compute in."""
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(tensor).__name__}")
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def _array(torch: Any, name: str, x: Any, differentiable: bool = False) -> Any:
    """An array that shares the memory of a tensor; anything else as it is."""
    if not isinstance(x, torch.Tensor):
        return x
    if x.device.type != "cpu":
        raise TypeError(f"{name} must be on the CPU, got a tensor on {x.device}")
    if x.requires_grad and not differentiable:
        raise ValueError(f"{name} must not require a gradient: the loss is not differentiated in it")
    return (x.float() if x.dtype == torch.bfloat16 else x).detach().numpy()


@cache
def _function() -> Any:
    """The node of PyTorch's graph."""
    torch = _torch()
    node: Any = torch.autograd.Function

    class FastLoss(node):
        @staticmethod
        def forward(ctx: Any, call: Call, *inputs: Any) -> Any:
            ctx.call, saved = call, list(inputs)
            if call.keeps_gradient and any(ctx.needs_input_grad):
                value, gradients = call.value_and_gradients()
                saved = [torch.from_numpy(gradient) for gradient in gradients]
            else:
                value = call.value()
            ctx.save_for_backward(*saved)
            real = torch.float32 if all(x.dtype == torch.float32 for x in inputs) else torch.float64
            return torch.as_tensor(value, dtype=real)

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: Any, cotangent: Any) -> Any:
            saved = ctx.saved_tensors  # raises where inputs have changed since
            if ctx.call.keeps_gradient:
                return None, *(scaled(gradient, cotangent) for gradient in saved)
            gradients = ctx.call.pulled_back(cotangent.numpy())
            return None, *(torch.from_numpy(gradient) for gradient in gradients)

    return FastLoss
