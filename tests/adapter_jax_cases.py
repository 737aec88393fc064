"""Losses of JAX arrays, in either precision; run by test_adapter_jax.py."""

from __future__ import annotations

import copy
import inspect
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from rows import draw_rows
from support import draw

import fastloss as fl
from fastloss._contrast import SimilarityLoss
from fastloss._domains import UNIT
from fastloss._groups import GroupLoss
from fastloss._regions import RegionLoss
from fastloss._rows import RowLoss
from fastloss.adapters.jax import as_autograd
from fastloss.losses.embeddings import ComparedRows

REAL = jnp.zeros(0).dtype
DOUBLE = REAL.itemsize == 8
TOLERANCE = 1e-12 if DOUBLE else 2e-5


def data(loss, rng, n=6, k=3):
    """Labels and differentiable inputs, inside the domains and apart from kinks."""
    if loss == fl.LinearCrossEntropy():
        return rng.integers(0, k, n), (rng.normal(size=(n, 2)), rng.normal(size=(k, 2)), rng.normal(size=k))
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
    if isinstance(loss, GroupLoss):
        return rng.integers(0, 4, n), (rng.normal(size=n),)
    if isinstance(loss, RegionLoss):
        f = rng.normal(size=(n, k, 5))
        return rng.integers(0, k, (n, 5)), (f if loss.from_logits else np.exp(f) / np.exp(f).sum(1, keepdims=True),)
    if isinstance(loss, RowLoss):
        y, f = draw_rows(loss, n, k, rng)
        return y, (0.1 + 0.8 * f if loss.info.f_domain == UNIT else f / 4,)
    y, f = draw(loss, n, rng)
    return y, (np.clip(f, 0.1, 0.9) if loss.info.f_domain == UNIT else f,)


def ordered(loss, y, inputs):
    """Arguments of a call: labels come first or last, or there are none."""
    names = list(inspect.signature(loss.__call__).parameters)
    return (y, *inputs) if names[0] == "y_true" else (*inputs, y) if "labels" in names else inputs


def test_value_and_gradient_of_every_loss(rng):
    """In one compiled function, which saves time."""
    losses = list(dict.fromkeys(fl.get(name).on_raw() for name in fl.list_losses()))
    assert len(losses) > 45
    given = [data(loss, rng) for loss in losses]
    targets = [jnp.asarray(y) for y, _ in given]
    inputs = [tuple(jnp.asarray(x) for x in f) for _, f in given]
    w = jnp.asarray(rng.uniform(0.5, 2, 6))

    def options(loss):
        return {"sample_weight": w[:3], "group": [4, 0, 2]} if isinstance(loss, GroupLoss) else {"sample_weight": w}

    @jax.jit
    def compute(targets, inputs):
        return [
            jax.value_and_grad(lambda f, y=y, loss=loss: as_autograd(loss)(*ordered(loss, y, f), **options(loss)))(f)
            for loss, y, f in zip(losses, targets, inputs, strict=True)
        ]

    for loss, y, f, (value, gradients) in zip(losses, targets, inputs, compute(targets, inputs), strict=True):
        given = {k: np.asarray(v) for k, v in options(loss).items()}
        expected, slopes = loss.value_and_gradient(*ordered(loss, np.asarray(y), tuple(map(np.asarray, f))), **given)
        assert value.dtype == REAL
        np.testing.assert_allclose(value, expected, rtol=TOLERANCE, err_msg=repr(loss))
        for ours, theirs in zip(gradients, slopes if isinstance(slopes, tuple) else (slopes,), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=TOLERANCE, atol=TOLERANCE, err_msg=repr(loss))


@pytest.mark.parametrize(
    "loss",
    [
        fl.Huber(),
        fl.Quantile(quantile=0.8),
        fl.BinaryFocal(),
        fl.Poisson(log_input=True),
        fl.GaussianNLL(log_variance=True),
        fl.SparseCategoricalCrossEntropy(from_logits=True),
        fl.MultiQuantile(),
        fl.CosineSimilarity(),
        fl.LinearCrossEntropy(),
        fl.PairwiseLogistic(),
        fl.Triplet(),
        fl.MarginRanking(margin=0.5),
        fl.InfoNCE(temperature=0.5, symmetric=True, parameter_gradients=True),
        fl.SupervisedContrastive(temperature=0.5, parameter_gradients=True),
        fl.Dice(from_logits=True),
        fl.Lovasz(from_logits=True),
        fl.CTC(),
        fl.SoftDTW(divergence=True),
    ],
    ids=repr,
)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_check_grads(loss, reduction, rng):
    y, inputs = data(loss, rng)
    inputs = tuple(jnp.asarray(x) for x in inputs)
    options = {"group": [4, 2]} if isinstance(loss, GroupLoss) else {}
    w = jnp.asarray(rng.uniform(0.5, 2, 2 if options else len(y)))
    function = jax.jit(
        lambda *f: as_autograd(loss)(*ordered(loss, y, f), sample_weight=w, reduction=reduction, **options)
    )
    tolerance = 1e-5 if DOUBLE else 3e-2
    check_grads(function, inputs, order=1, modes=["rev"], rtol=tolerance, atol=tolerance)


def test_lengths_of_sequences(rng):
    """Options of the compiled function: lists, arrays of NumPy or of JAX."""
    y, f = rng.integers(1, 4, (3, 2)), rng.normal(size=(3, 6, 4))
    lengths = {"label_lengths": [2, 1, 0], "logit_lengths": np.array([6, 3, 4])}
    expected, slope = fl.CTC().value_and_gradient(y, f.astype(REAL), reduction="none", **lengths)
    for form in (list, np.asarray, jnp.asarray):
        given = {k: form(x) for k, x in lengths.items()}
        value, pull = jax.vjp(jax.jit(lambda x, given=given: as_autograd("ctc")(y, x, reduction="none", **given)), f)
        np.testing.assert_allclose(value, expected, rtol=TOLERANCE)
        np.testing.assert_allclose(
            pull(jnp.asarray([1.0, -2.0, 0.0], REAL))[0], slope * np.array([[[1]], [[-2]], [[0]]])
        )


def test_without_jit(rng):
    y, f = jnp.asarray(rng.normal(size=(2, 7)))
    value, gradient = jax.value_and_grad(as_autograd("huber"), argnums=1)(y, f)
    expected = fl.Huber().value_and_gradient(np.asarray(y), np.asarray(f))
    np.testing.assert_allclose(value, expected[0], rtol=1e-6)
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-6)


def test_vmap(rng):
    loss = as_autograd("huber")
    y, f = jnp.asarray(rng.normal(size=7)), jnp.asarray(rng.normal(size=(5, 7)))
    values = jax.vmap(lambda f: loss(y, f))(f)
    gradients = jax.jit(jax.vmap(jax.grad(loss, argnums=1), in_axes=(None, 0)))(y, f)
    for value, gradient, row in zip(values, gradients, np.asarray(f), strict=True):
        expected = fl.Huber().value_and_gradient(np.asarray(y), row)
        np.testing.assert_allclose(value, expected[0], rtol=1e-6)
        np.testing.assert_allclose(gradient, expected[1], rtol=1e-6)
    assert jax.vmap(lambda f: loss(y, f, reduction="none"))(f).shape == (5, 7)


def test_training_step():
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(300, 3)))
    truth = jnp.asarray([1.0, -2.0, 0.5])
    y = (x @ truth + 0.1 * rng.normal(size=300)).at[::7].add(20)
    loss = as_autograd(fl.TukeyBiweight(c=5.0))

    @jax.jit
    def step(w):
        return w - 0.5 * jax.grad(lambda w: loss(y, x @ w))(w)

    w = jnp.zeros(3)
    for _ in range(100):
        w = step(w)
    assert jnp.abs(w - truth).max() < 0.05


def test_large_arrays(rng):
    """They are handed over without waiting for themselves."""
    f = jnp.asarray(rng.normal(size=10**6))
    gradient = jax.jit(jax.grad(lambda f: as_autograd("huber")(jnp.zeros_like(f), 2 * f)))(f)
    np.testing.assert_allclose(gradient, 2 * np.clip(2 * f, -1, 1) / 1e6, rtol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_half_precision_is_computed_in_float32(dtype, rng):
    f = jnp.asarray(rng.normal(size=9)).astype(dtype)
    value, gradient = jax.value_and_grad(lambda f: as_autograd("huber")(jnp.zeros(9, dtype), f))(f)
    assert (value.dtype, gradient.dtype) == (np.float32, dtype)
    np.testing.assert_allclose(value, fl.Huber()(np.zeros(9), np.asarray(f, np.float32)), rtol=1e-6)


def test_types_of_inputs():
    assert as_autograd("huber")([0, 0], jnp.array([1, 2])) == fl.Huber()([0, 0], [1, 2])
    assert as_autograd("huber")(np.zeros(2), np.ones(2, np.float32), reduction="none").dtype == np.float32
    y = jnp.array([0, 1])
    assert as_autograd("linear_cross_entropy")(y, jnp.ones((2, 1)), jnp.ones((2, 1)), memory_budget=2**20) > 0


def test_pickle_copy_and_equality():
    loss = as_autograd(fl.Huber(delta=2.0))
    assert loss != as_autograd("huber")
    for other in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
        assert other == loss


ZERO = jnp.zeros(2)
huber = as_autograd("huber")


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ValueError, "unknown loss 'hubr'", lambda: as_autograd("hubr")),
        (ValueError, "labels and weights must not be differentiated in", lambda: jax.grad(huber)(ZERO, ZERO)),
        (
            ValueError,
            "labels and weights must not be",
            lambda: jax.jit(jax.grad(huber, argnums=2))(ZERO, ZERO, ZERO + 1),
        ),
        (ValueError, "do not support JVP", lambda: jax.hessian(lambda f: huber(ZERO, f))(ZERO)),
        (ValueError, "reduction must be one of", lambda: huber(ZERO, ZERO, reduction="batch")),
        (TypeError, "out must not be given", lambda: huber(ZERO, ZERO, out=np.zeros(2))),
        (TypeError, "missing a required argument: 'y_pred'", lambda: huber(ZERO)),
        (jax.errors.JaxRuntimeError, r"y_pred must have the shape \(2,\)", lambda: huber(ZERO, ZERO[:1])),
        (jax.errors.JaxRuntimeError, "y_true must be 0 or 1", lambda: jax.jit(as_autograd("focal"))(ZERO + 2, ZERO)),
    ],
)
def test_bad_arguments_raise(error, message, call):
    with pytest.raises(error, match=message):
        call()


def test_old_jax(monkeypatch):
    monkeypatch.setattr(jax, "__version__", "0.4.30")
    with pytest.raises(ImportError, match=r"needs jax >= 0\.4\.35, found 0\.4\.30: pip install 'fastloss\[jax\]'"):
        as_autograd("huber")
