"""Losses of PyTorch tensors."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys

import numpy as np
import pytest
from rows import draw_rows, row_losses
from support import draw, pointwise_names

import fastloss as fl
from fastloss._contrast import SimilarityLoss
from fastloss._domains import UNIT
from fastloss._groups import GroupLoss
from fastloss._inputs import InputsLoss
from fastloss._regions import RegionLoss
from fastloss._rows import RowLoss
from fastloss.adapters import torch as for_torch
from fastloss.adapters.torch import as_autograd
from fastloss.losses.embeddings import ComparedRows

torch = pytest.importorskip("torch")

REDUCTIONS = ("mean", "sum", "none")


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def parameter(a, dtype=None):
    return torch.tensor(np.asarray(a), dtype=dtype, requires_grad=True)


def every_loss():
    """Each registered loss on its natural and its raw scale."""
    defaults = [fl.get(name) for name in fl.list_losses()]
    return list(dict.fromkeys(loss for default in defaults for loss in (default, default.on_raw())))


def data(loss, rng, n=7, k=3):
    """Arguments of a call: labels as arrays, differentiable inputs, inside the domains, apart from kinks."""
    if loss.info.name == "margin_ranking":
        return rng.choice([-1, 1], n), tuple(rng.normal(size=(2, n)))
    if isinstance(loss, fl.BatchTriplet):
        return np.arange(n) % 2, (rng.normal(size=(n, 3)),)
    if isinstance(loss, SimilarityLoss):
        return np.arange(n) % k, tuple(rng.normal(size=(len(loss.inputs), n, 3)))
    if isinstance(loss, ComparedRows):
        return rng.choice([loss.other_label or 0, 1], n), tuple(rng.normal(size=(len(loss.inputs), n, 3)))
    if isinstance(loss, fl.CTC):
        return rng.integers(1, k, (n, 2)), (rng.normal(size=(n, 5, k)),)
    if isinstance(loss, fl.SoftDTW):
        return rng.normal(size=(n, 4, 2)), (rng.normal(size=(n, 5, 2)),)
    if isinstance(loss, InputsLoss):
        assert loss.info.name == "linear_cross_entropy"
        return rng.integers(0, k, n), (rng.normal(size=(n, 2)), rng.normal(size=(k, 2)), rng.normal(size=k))
    if isinstance(loss, GroupLoss):
        return rng.integers(0, 4, n), (rng.normal(size=n),)
    if isinstance(loss, RegionLoss):
        f = rng.normal(size=(n, k, 5))
        return rng.integers(0, k, (n, 5)), (f if loss.from_logits else np.exp(f) / np.exp(f).sum(1, keepdims=True),)
    if isinstance(loss, RowLoss):
        y, f = draw_rows(loss, n, k, rng)
        return y, (0.1 + 0.8 * f if loss.info.f_domain == UNIT else f / 4,)
    y, f = draw(loss, n, rng)
    return y, (np.clip(f, 0.05, 0.95) if loss.info.f_domain == UNIT else f,)


def ordered(loss, y, inputs):
    """Arguments of a call: labels come first or last, or there are none."""
    names = list(inspect.signature(loss.__call__).parameters)
    return (y, *inputs) if names[0] == "y_true" else (*inputs, y) if "labels" in names else inputs


@pytest.mark.parametrize("loss", every_loss(), ids=repr)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_gradcheck(loss, reduction, rng):
    """Against finite differences, in float64, at cotangents of either sign."""
    y, inputs = data(loss, rng)
    options = {"group": [4, 0, 3]} if isinstance(loss, GroupLoss) else {}
    w = rng.uniform(0.5, 2.0, 3 if options else len(y))
    w[1] = 0
    cotangent = torch.tensor(rng.normal(size=len(w)) if reduction == "none" else 1.5)

    def function(*tensors):
        return (
            as_autograd(loss)(*ordered(loss, y, tensors), sample_weight=w, reduction=reduction, **options) * cotangent
        )

    assert torch.autograd.gradcheck(function, tuple(map(parameter, inputs)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("loss", every_loss(), ids=repr)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_values_and_gradients_are_those_of_the_loss(loss, reduction, rng):
    y, inputs = data(loss, rng)
    tensors = tuple(map(parameter, inputs))
    value = as_autograd(loss)(*ordered(loss, torch.as_tensor(y), tensors), reduction=reduction)
    value.sum().backward()
    expected, gradients = loss.value_and_gradient(*ordered(loss, y, inputs), reduction=reduction)
    np.testing.assert_array_equal(value.detach().numpy(), expected)
    for tensor, gradient in zip(tensors, gradients if isinstance(gradients, tuple) else (gradients,), strict=True):
        np.testing.assert_allclose(tensor.grad.numpy(), gradient, rtol=1e-12, atol=1e-300)


PEERS = {
    fl.HalfSquaredError(): lambda y, f: torch.nn.functional.mse_loss(f, y) / 2,
    fl.Huber(delta=0.7): lambda y, f: torch.nn.functional.huber_loss(f, y, delta=0.7),
    fl.Poisson(log_input=True): lambda y, f: torch.nn.functional.poisson_nll_loss(f, y.abs()),
    fl.BinaryCrossEntropy(from_logits=True): lambda y, f: torch.nn.functional.binary_cross_entropy_with_logits(f, y),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("loss", "peer"), PEERS.items(), ids=repr)
def test_like_the_losses_of_torch(loss, peer, dtype, rng):
    y, (f,) = data(loss, rng, 50)
    y, tolerance = torch.tensor(y, dtype=dtype), 1e-5 if dtype == torch.float32 else 1e-12
    ours, theirs = parameter(f, dtype), parameter(f, dtype)
    values = as_autograd(loss)(y, ours), peer(y, theirs)
    for value in values:
        value.backward()
    assert values[0].dtype == dtype
    assert ours.grad.dtype == dtype
    torch.testing.assert_close(values[0], values[1], rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=tolerance, atol=tolerance)


def test_strides(rng):
    loss = as_autograd("quantile")
    y, f = torch.tensor(rng.normal(size=(6, 8))), parameter(rng.normal(size=(8, 12)))
    loss(y.t(), f[:, ::2]).backward()
    expected = fl.Quantile().gradient(y.numpy().T, f.detach().numpy()[:, ::2])
    np.testing.assert_array_equal(f.grad[:, ::2].numpy(), expected)
    assert (f.grad[:, 1::2] == 0).all()
    one = parameter([0.25])
    loss(y[0], one.expand(8), reduction="sum").backward()
    np.testing.assert_allclose(one.grad, fl.Quantile().gradient(y[0].numpy(), np.full(8, 0.25), reduction="sum").sum())


def test_nothing_is_copied(monkeypatch, rng):
    seen = []
    loss = as_autograd("huber")
    compute = fl.Huber.value_and_gradient
    monkeypatch.setattr(
        fl.Huber, "value_and_gradient", lambda self, *a, **k: [seen.append((a, k)), compute(self, *a, **k)][1]
    )
    y, f, w = (torch.tensor(rng.random(5)) for _ in range(3))
    loss(y, f.requires_grad_(), w)
    given = seen[0][1]
    for name, tensor in (("y_true", y), ("y_pred", f), ("sample_weight", w)):
        assert given[name].ctypes.data == tensor.data_ptr()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype, rng):
    y, w = torch.tensor(rng.normal(size=9)).to(dtype), torch.tensor(rng.random(9)).to(dtype)
    f = parameter(rng.normal(size=9), dtype)
    value = as_autograd("huber")(y, f, w)
    value.backward()
    arrays = [a.detach().float().numpy() for a in (y, f, w)]
    expected, gradient = fl.Huber().value_and_gradient(*arrays)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(expected, rel=1e-6)
    torch.testing.assert_close(f.grad, torch.tensor(gradient).to(dtype))


def test_integers_and_empty():
    assert as_autograd("huber")([0, 0], torch.tensor([1, 2])).item() == fl.Huber()([0, 0], [1, 2])
    empty = torch.zeros(0, requires_grad=True)
    as_autograd("huber")(torch.zeros(0), empty, reduction="sum").backward()
    assert empty.grad.shape == (0,)


def test_no_gradient_is_computed_where_none_is_wanted(monkeypatch):
    monkeypatch.setattr(fl.Huber, "value_and_gradient", lambda *a, **k: pytest.fail("a gradient was computed"))
    loss, f = as_autograd("huber"), torch.tensor([1.0, 2.0])
    assert loss(torch.zeros(2), f).item() == 1.0
    with torch.no_grad():
        assert not loss(torch.zeros(2), f.requires_grad_()).requires_grad


def test_some_inputs_without_gradient(rng):
    loss = as_autograd(fl.LinearCrossEntropy())
    y, (x, w, b) = data(fl.LinearCrossEntropy(), rng)
    x, w = torch.tensor(x), parameter(w)
    loss(torch.tensor(y), x, w).backward()
    assert x.grad is None
    np.testing.assert_allclose(w.grad, fl.LinearCrossEntropy().gradient(y, x.numpy(), w.detach().numpy())[1])
    single = parameter(w.detach(), torch.float32)
    loss(y, x, single, torch.tensor(b), memory_budget=2**20).backward()
    assert single.grad.dtype == torch.float32


def test_rejects_inputs_changed_since(rng):
    y, inputs = data(fl.LinearCrossEntropy(), rng)
    x, w, _ = map(parameter, inputs)
    values = as_autograd("linear_cross_entropy")(y, x, w, reduction="none")
    with torch.no_grad():
        w += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        values.sum().backward()


def test_training_loop():
    """A module learns a robust regression, and better with the robust loss."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(400, 3, generator=generator)
    signal = x @ torch.tensor([1.0, -2.0, 0.5])
    y = signal + 0.1 * torch.randn(400, generator=generator)
    y[::7] += 20

    class Model(torch.nn.Module):
        def __init__(self, loss):
            super().__init__()
            torch.manual_seed(1)
            self.linear, self.loss = torch.nn.Linear(3, 1), as_autograd(loss)

        def forward(self, x):
            return self.linear(x).squeeze(1)

    errors = []
    for loss in (fl.Huber(delta=0.5), fl.HalfSquaredError()):
        model = copy.deepcopy(Model(loss))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        for _ in range(150):
            optimizer.zero_grad()
            model.loss(y, model(x)).backward()
            optimizer.step()
        errors.append((model(x) - signal).abs().mean().item())
    assert errors[0] < 0.2
    assert errors[1] > 1


def test_second_derivatives_raise():
    f = parameter([1.0, 2.0])
    (gradient,) = torch.autograd.grad(as_autograd("huber")(torch.zeros(2), f), f, create_graph=True)
    with pytest.raises(RuntimeError, match=r"does not require grad|once_differentiable"):
        torch.autograd.grad(gradient.sum(), f)


def test_pickle_copy_and_equality():
    loss = as_autograd(fl.Huber(delta=2.0))
    assert loss == as_autograd({"name": "huber", "delta": 2.0}) != as_autograd("huber")
    for other in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
        assert other == loss
    assert repr(loss) == "AutogradLoss(loss=Huber(delta=2.0))"


ZERO = torch.zeros(2)


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ValueError, "unknown loss 'hubr'", lambda: as_autograd("hubr")),
        (TypeError, "y_pred must be a tensor, got ndarray", lambda: as_autograd("huber")(ZERO, np.zeros(2))),
        (
            TypeError,
            "y_pred must be on the CPU, got a tensor on meta",
            lambda: as_autograd("huber")(ZERO, ZERO.to("meta")),
        ),
        (TypeError, "y_true must be on the CPU", lambda: as_autograd("huber")(ZERO.to("meta"), ZERO)),
        (TypeError, "sample_weight must be on the CPU", lambda: as_autograd("huber")(ZERO, ZERO, ZERO.to("meta"))),
        (TypeError, "y_pred must hold real numbers", lambda: as_autograd("huber")(ZERO, ZERO.to(torch.complex64))),
        (ValueError, "y_true must not require a gradient", lambda: as_autograd("huber")(parameter([1.0]), ZERO[:1])),
        (ValueError, "sample_weight must not require", lambda: as_autograd("huber")(ZERO, ZERO, parameter([1.0, 1]))),
        (ValueError, r"y_pred must have the shape \(2,\)", lambda: as_autograd("huber")(ZERO, ZERO[:1])),
        (ValueError, "y_true must be 0 or 1, got 2.0", lambda: as_autograd("binary_focal")(ZERO + 2, ZERO)),
        (ValueError, "reduction must be one of", lambda: as_autograd("huber")(ZERO, ZERO, reduction="batch")),
        (TypeError, "out must not be given", lambda: as_autograd("huber")(ZERO, ZERO, out=np.zeros(2))),
        (TypeError, "missing a required argument: 'y_pred'", lambda: as_autograd("huber")(ZERO)),
        (TypeError, "got an unexpected keyword argument 'weight'", lambda: as_autograd("huber")(ZERO, ZERO, weight=1)),
    ],
)
def test_bad_arguments_raise(error, message, call):
    with pytest.raises(error, match=message):
        call()


def test_users_loss():
    class Cubed(fl.PointwiseLoss):
        def reference(y, f):
            r = f - y
            return abs(r) ** 3, 3 * r * abs(r), 6 * abs(r)

    assert torch.autograd.gradcheck(lambda f: as_autograd(Cubed())(np.zeros(3), f), parameter([1.0, -2.0, 0.5]))


def test_old_torch(monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.3.1+cpu")
    with pytest.raises(ImportError, match=r"needs torch >= 2\.4, found 2\.3\.1.*pip install 'fastloss\[torch\]'"):
        as_autograd("huber")


@pytest.mark.parametrize("module", ["torch", "jax", "keras"])
def test_import_needs_no_library(module):
    code = f"import sys, fastloss.adapters.{module}; assert not {{'torch', 'jax', 'keras'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_parameter_sets_of_row_losses(rng):
    """Weights of classes, ignored rows and smoothing change the mean's denominator."""
    for loss in row_losses():
        if isinstance(loss, RowLoss) and loss.info.name == "sparse_categorical_cross_entropy":
            k = len(loss.class_weight) if loss.class_weight else 4
            y, f = draw_rows(loss, 9, k, rng)
            tensor = parameter(f)
            as_autograd(loss)(torch.tensor(y), tensor).backward()
            np.testing.assert_array_equal(tensor.grad.numpy(), loss.gradient(y, f))


def test_names():
    assert set(for_torch.__all__) == {"AutogradLoss", "as_autograd"}
    assert len(every_loss()) > len(pointwise_names())


def test_lengths_of_sequences(rng):
    """Lists, arrays and tensors; one product for each sequence."""
    y, f = rng.integers(1, 4, (3, 2)), rng.normal(size=(3, 6, 4))
    lengths = {"label_lengths": [2, 1, 0], "logit_lengths": np.array([6, 3, 4])}
    expected, slope = fl.CTC().value_and_gradient(y, f, reduction="none", **lengths)
    for form in (list, np.asarray, torch.tensor):
        z = parameter(f)
        value = as_autograd("ctc")(y, z, reduction="none", **{k: form(x) for k, x in lengths.items()})
        np.testing.assert_array_equal(value.detach(), expected)
        value.backward(torch.tensor([1.0, -2.0, 0.0], dtype=torch.float64))
        np.testing.assert_allclose(z.grad, slope * np.array([1, -2, 0])[:, None, None], rtol=1e-15)
    ragged = as_autograd("ctc")([[1, 2], [3]], parameter(f[:2]))
    assert ragged.item() == fl.CTC()([[1, 2], [3]], f[:2])
