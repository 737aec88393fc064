"""What `bench` compares with: the same outputs from other packages, and from NumPy as people write it.

Each peer is a function of a task and a number of threads that returns a call, or None where it has no such loss. A call
returns what the kernel does, in the same order. Constants of the losses are their default parameters.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ._bench import Task

Call = Callable[[], Any]
Peer = Callable[["Task", int], Call | None]

CROSS_ENTROPIES = ("sparse_categorical_cross_entropy", "categorical_cross_entropy")


def _has_labels(task: Task) -> bool:
    return task.y.ndim < task.f.ndim


# ---- NumPy ----------------------------------------------------------------------------------------------------------


def _plain(task: Task, n_threads: int) -> Call | None:
    """Cross-entropy from logits in a handful of NumPy statements, which handle no limits."""
    if task.loss.info.name not in CROSS_ENTROPIES:
        return None
    y, f, labels, rows = task.y, task.f, _has_labels(task), np.arange(len(task.f))

    def exponentials() -> tuple[Any, Any, Any]:
        shifted = f - f.max(axis=1, keepdims=True)
        e = np.exp(shifted)
        return shifted, e, e.sum(axis=1, keepdims=True)

    def total(shifted: Any, sums: Any) -> Any:
        if labels:
            return np.sum(np.log(sums[:, 0]) - shifted[rows, y])
        return np.sum(y * (np.log(sums) - shifted))

    def less_target(p: Any) -> Any:
        if labels:
            p[rows, y] -= 1
        else:
            p -= y
        return p

    def value() -> Any:
        shifted, _, sums = exponentials()
        return (total(shifted, sums),)

    def value_and_gradient() -> Any:
        shifted, e, sums = exponentials()
        return total(shifted, sums), less_target(e / sums)

    def gradient_and_hessian() -> Any:
        _, e, sums = exponentials()
        p = e / sums
        hessian = p * (1 - p)
        return less_target(p), hessian

    return {"value": value, "value+gradient": value_and_gradient, "gradient+hessian": gradient_and_hessian}[
        task.outputs
    ]


# ---- scikit-learn ---------------------------------------------------------------------------------------------------

SKLEARN: dict[str, tuple[str, dict[str, float]]] = {
    "half_squared_error": ("HalfSquaredError", {}),
    "mean_absolute_error": ("AbsoluteError", {}),
    "huber": ("HuberLoss", {"delta": 1.0}),
    "quantile": ("PinballLoss", {"quantile": 0.5}),
    "poisson": ("HalfPoissonLoss", {}),
    "gamma": ("HalfGammaLoss", {}),
    "tweedie": ("HalfTweedieLoss", {"power": 1.5}),
    "binary_cross_entropy": ("HalfBinomialLoss", {}),
    "sparse_categorical_cross_entropy": ("HalfMultinomialLoss", {}),
}


def _sklearn(task: Task, n_threads: int) -> Call | None:
    if task.loss.info.name not in SKLEARN:
        return None
    name, parameters = SKLEARN[task.loss.info.name]
    if name == "HalfMultinomialLoss":
        parameters = {"n_classes": task.f.shape[1]}
    peer = getattr(import_module("sklearn._loss.loss"), name)(**parameters)
    y, f, per_sample = task.y.astype(task.f.dtype), task.f, np.empty(task.y.shape, task.f.dtype)
    if task.outputs == "value":
        return lambda: (peer.loss(y, f, None, per_sample, n_threads).sum(),)
    if task.outputs == "value+gradient":
        (gradient,) = task.out

        def value_and_gradient() -> Any:
            peer.loss_gradient(y, f, None, per_sample, gradient, n_threads)
            return per_sample.sum(), gradient

        return value_and_gradient
    if peer.approx_hessian and name != "HuberLoss":  # a constant in the place of 0
        return None
    gradient, hessian = task.out
    return lambda: peer.gradient_hessian(y, f, None, gradient, hessian, n_threads)


# ---- Numba -----------------------------------------------------------------------------------------------------------


def _numba_losses(real: Any) -> dict[str, Callable[[Any, Any], tuple[Any, Any, Any]]]:
    """Value, gradient and hessian of one sample; constants of another type would make Numba compute in float64."""
    zero, half, one, two, ln2 = real(0), real(0.5), real(1), real(2), real(math.log(2))
    exp, log1p, fabs, sign = math.exp, math.log1p, math.fabs, math.copysign

    def huber(y: Any, f: Any) -> Any:
        r = f - y
        if fabs(r) <= one:
            return half * r * r, r, one
        return fabs(r) - half, sign(one, r), zero

    def log_cosh(y: Any, f: Any) -> Any:
        r = fabs(f - y)
        e = exp(-two * r)
        tanh = sign((one - e) / (one + e), f - y)
        return r + log1p(e) - ln2, tanh, one - tanh * tanh

    def binary_cross_entropy(y: Any, f: Any) -> Any:
        e = exp(-fabs(f))
        p = (one if f >= zero else e) / (one + e)
        return max(f, zero) - y * f + log1p(e), p - y, p * (one - p)

    return {
        "mean_squared_error": lambda y, f: ((f - y) * (f - y), two * (f - y), two),
        "half_squared_error": lambda y, f: (half * (f - y) * (f - y), f - y, one),
        "mean_absolute_error": lambda y, f: (fabs(f - y), sign(one, f - y) if f != y else zero, zero),
        "quantile": lambda y, f: (half * fabs(f - y), sign(half, f - y) if f != y else zero, zero),
        "huber": huber,
        "log_cosh": log_cosh,
        "binary_cross_entropy": binary_cross_entropy,
        "poisson": lambda y, f: (exp(f) - y * f, exp(f) - y, exp(f)),
        "gamma": lambda y, f: (f + y * exp(-f), one - y * exp(-f), y * exp(-f)),
    }


def _numba(task: Task, n_threads: int) -> Call | None:
    numba = import_module("numba")
    losses = _numba_losses(task.f.dtype.type)
    if task.loss.info.name not in losses:
        return None
    sample = numba.njit(losses[task.loss.info.name], inline="always")
    prange, y, f = numba.prange, task.y, task.f

    def value(y: Any, f: Any) -> Any:
        total = 0.0
        for i in prange(len(y)):
            total += sample(y[i], f[i])[0]
        return total

    def value_and_gradient(y: Any, f: Any, g: Any) -> Any:
        total = 0.0
        for i in prange(len(y)):
            v, g[i], _ = sample(y[i], f[i])
            total += v
        return total

    def gradient_and_hessian(y: Any, f: Any, g: Any, h: Any) -> None:
        for i in prange(len(y)):
            _, g[i], h[i] = sample(y[i], f[i])

    loop = {"value": value, "value+gradient": value_and_gradient, "gradient+hessian": gradient_and_hessian}
    compiled = numba.njit(loop[task.outputs], parallel=True, fastmath=True)
    numba.set_num_threads(n_threads)
    if task.outputs == "gradient+hessian":
        gradient, hessian = task.out
        return lambda: (compiled(y, f, gradient, hessian), gradient, hessian)[1:]
    return lambda: (compiled(y, f, *task.out), *task.out)


# ---- torch ----------------------------------------------------------------------------------------------------------
# Formulas of values, summed over samples. Gradients are by automatic differentiation, and so are hessians of losses of
# one prediction; of row losses only products with the hessian would be, so that of cross-entropy is written out.


def _log_likelihood(torch: Any, y: Any, f: Any) -> Any:
    return torch.log_softmax(f, -1).gather(-1, y[:, None])


def _torch_hinge(torch: Any, F: Any, y: Any, f: Any) -> Any:
    label = y[:, None]
    others = f.scatter(-1, label, -math.inf).amax(-1)
    return F.relu(1 + others - f.gather(-1, label)[:, 0]).sum()


def _torch_jensen_shannon(torch: Any, F: Any, y: Any, f: Any) -> Any:
    q = torch.softmax(f, -1)
    log_m = (0.5 * (y + q)).log()
    return 0.5 * (F.kl_div(log_m, y, reduction="sum") + F.kl_div(log_m, q, reduction="sum"))


TORCH: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "mean_squared_error": lambda torch, F, y, f: F.mse_loss(f, y, reduction="sum"),
    "half_squared_error": lambda torch, F, y, f: 0.5 * F.mse_loss(f, y, reduction="sum"),
    "mean_absolute_error": lambda torch, F, y, f: F.l1_loss(f, y, reduction="sum"),
    "huber": lambda torch, F, y, f: F.huber_loss(f, y, reduction="sum"),
    "smooth_l1": lambda torch, F, y, f: F.smooth_l1_loss(f, y, reduction="sum"),
    "log_cosh": lambda torch, F, y, f: (f - y + F.softplus(-2 * (f - y)) - math.log(2)).sum(),
    "quantile": lambda torch, F, y, f: torch.maximum(0.5 * (y - f), -0.5 * (y - f)).sum(),
    "binary_cross_entropy": lambda torch, F, y, f: F.binary_cross_entropy_with_logits(f, y, reduction="sum"),
    "poisson": lambda torch, F, y, f: F.poisson_nll_loss(f, y, reduction="sum"),
    "gamma": lambda torch, F, y, f: (f + y * torch.exp(-f)).sum(),
    "sparse_categorical_cross_entropy": lambda torch, F, y, f: F.cross_entropy(f, y, reduction="sum"),
    "categorical_cross_entropy": lambda torch, F, y, f: F.cross_entropy(f, y, reduction="sum"),
    "negative_log_likelihood": lambda torch, F, y, f: F.nll_loss(f, y, reduction="sum"),
    "categorical_focal": lambda torch, F, y, f: -((1 - (u := _log_likelihood(torch, y, f)).exp()) ** 2 * u).sum(),
    "generalized_cross_entropy": lambda torch, F, y, f: (-torch.expm1(0.7 * _log_likelihood(torch, y, f)) / 0.7).sum(),
    "poly1_cross_entropy": lambda torch, F, y, f: (-(u := _log_likelihood(torch, y, f)) - torch.expm1(u)).sum(),
    "categorical_hinge": _torch_hinge,
    "multi_margin": lambda torch, F, y, f: F.multi_margin_loss(f, y, reduction="sum"),
    "kl_divergence": lambda torch, F, y, f: F.kl_div(F.log_softmax(f, -1), y, reduction="sum"),
    "jensen_shannon": _torch_jensen_shannon,
    "cosine_similarity": lambda torch, F, y, f: -F.cosine_similarity(y, f, dim=-1).sum(),
}
LINEAR = ("mean_absolute_error", "quantile")  # gradients without predictions, which autograd does not differentiate


def _in_torch(task: Task) -> bool:
    name = task.loss.info.name
    if name not in TORCH or "hessian" not in task.outputs:
        return name in TORCH
    return name not in LINEAR if task.f.ndim == 1 else name in CROSS_ENTROPIES


def _torch(task: Task, n_threads: int) -> Call | None:
    if not _in_torch(task):
        return None
    torch, F, value = import_module("torch"), import_module("torch.nn.functional"), TORCH[task.loss.info.name]
    torch.set_num_threads(n_threads)
    y, f = torch.from_numpy(task.y), torch.from_numpy(task.f).requires_grad_(task.outputs != "value")

    def forward() -> Any:
        return (value(torch, F, y, f),)

    def forward_backward() -> Any:
        total = value(torch, F, y, f)
        return total.detach(), *torch.autograd.grad(total, f)

    def twice_backward() -> Any:
        (gradient,) = torch.autograd.grad(value(torch, F, y, f), f, create_graph=True)
        return gradient.detach(), *torch.autograd.grad(gradient.sum(), f)

    def softmax_curvature() -> Any:
        with torch.no_grad():
            p = torch.softmax(f, -1)
            hessian = p * (1 - p)
            return (p.scatter_add_(-1, y[:, None], minus_one) if _has_labels(task) else p.sub_(y)), hessian

    minus_one = -torch.ones((len(y), 1), dtype=f.dtype)
    calls = {"value": forward, "value+gradient": forward_backward, "gradient+hessian": twice_backward}
    return calls[task.outputs] if task.f.ndim == 1 or task.outputs != "gradient+hessian" else softmax_curvature


def _torch_compile(task: Task, n_threads: int) -> Call | None:
    if not _in_torch(task):
        return None
    torch, F, formula = import_module("torch"), import_module("torch.nn.functional"), TORCH[task.loss.info.name]
    torch.set_num_threads(n_threads)
    y, f = torch.from_numpy(task.y), torch.from_numpy(task.f)

    def value(f: Any) -> Any:
        return formula(torch, F, y, f)

    def value_and_gradient(f: Any) -> Any:
        gradient, total = torch.func.grad_and_value(value)(f)
        return total, gradient

    def gradient_and_hessian(f: Any) -> Any:
        def total_gradient(f: Any) -> Any:
            gradient = torch.func.grad(value)(f)
            return gradient.sum(), gradient

        hessian, gradient = torch.func.grad(total_gradient, has_aux=True)(f)
        return gradient, hessian

    def softmax_curvature(f: Any) -> Any:
        p = torch.softmax(f, -1)
        t = (y[:, None] == torch.arange(f.shape[1])).to(f.dtype) if _has_labels(task) else y
        return p - t, p * (1 - p)

    functions = {
        "value": value,
        "value+gradient": value_and_gradient,
        "gradient+hessian": gradient_and_hessian if task.f.ndim == 1 else softmax_curvature,
    }
    torch.compiler.reset()  # or a second size would be compiled for all sizes, which is slower
    compiled = torch.compile(functions[task.outputs], dynamic=False)
    if task.outputs == "value":
        return lambda: (compiled(f),)
    return lambda: compiled(f)


# ---- JAX ------------------------------------------------------------------------------------------------------------


def _jax(task: Task, n_threads: int) -> Call | None:
    """Cross-entropy on all processors (JAX fixes their number when it starts), in C order (JAX has no other)."""
    if task.loss.info.name not in CROSS_ENTROPIES or n_threads != os.cpu_count() or not task.f.flags.c_contiguous:
        return None
    jax, jnp = import_module("jax"), import_module("jax.numpy")
    jax.config.update("jax_enable_x64", True)
    y, f, labels = jnp.asarray(task.y), jnp.asarray(task.f), _has_labels(task)

    def value(f: Any, y: Any) -> Any:
        log_p = jax.nn.log_softmax(f, -1)
        return -(jnp.take_along_axis(log_p, y[:, None], -1) if labels else y * log_p).sum()

    def gradient_and_hessian(f: Any, y: Any) -> Any:
        p = jax.nn.softmax(f, -1)
        return p - (jax.nn.one_hot(y, f.shape[1], dtype=f.dtype) if labels else y), p * (1 - p)

    functions = {
        "value": lambda f, y: (value(f, y),),
        "value+gradient": jax.value_and_grad(value),
        "gradient+hessian": gradient_and_hessian,
    }
    compiled = jax.jit(functions[task.outputs])
    return lambda: jax.block_until_ready(compiled(f, y))


PEERS: dict[str, tuple[str, Peer]] = {
    "plain NumPy": ("numpy", _plain),
    "numba": ("numba", _numba),
    "sklearn": ("scikit-learn", _sklearn),
    "torch": ("torch", _torch),
    "compile": ("torch", _torch_compile),
    "jax": ("jax", _jax),
}
"""Heading of a column, distribution and function of each peer."""
