"""Losses over Dask arrays give what the same arrays in memory give; objectives train on a cluster of processes."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rows import draw_rows, n_classes, row_losses
from support import default_losses, draw

import fastloss as fl
from fastloss.adapters import dask as adapter

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")

CASES = sorted(Path(__file__).with_name("adapter_dask_cases.py").read_text(encoding="utf-8").split("def test_")[1:])
CASES = [case.split("(")[0] for case in CASES]


@pytest.fixture(autouse=True)
def _one_process():
    with dask.config.set(scheduler="synchronous"):
        yield


def split(x, rows=37):
    return da.from_array(x, chunks=(rows, *(-1,) * (x.ndim - 1)))


def assert_as_in_memory(loss, y, f, w) -> None:
    lazy = adapter.as_dask(loss)
    for weight in (None, w):
        given = split(y), split(f), None if weight is None else split(weight)
        for reduction in ("mean", "sum", "none"):
            value = lazy(*given, reduction=reduction)
            expected = loss(y, f, weight, reduction=reduction)
            assert value.shape == np.shape(expected)
            np.testing.assert_allclose(value.compute(), expected, rtol=1e-14, atol=1e-15 * len(y))
            g = lazy.gradient(*given, reduction=reduction)
            assert g.chunks == given[1].chunks
            np.testing.assert_allclose(g.compute(), loss.gradient(y, f, weight, reduction=reduction), rtol=1e-14)
        for policy in loss.hessian_policies:
            g, h = dask.compute(*lazy.gradient_and_hessian(*given, hessian=policy))
            exact = loss.gradient_and_hessian(y, f, weight, hessian=policy)
            np.testing.assert_allclose(g, exact[0], rtol=1e-14)
            np.testing.assert_allclose(h, exact[1], rtol=1e-14)


@pytest.mark.parametrize("loss", default_losses(), ids=repr)
def test_pointwise(loss) -> None:
    rng = np.random.default_rng(0)
    y, f = draw(loss, 200, rng)
    assert_as_in_memory(loss, y, f, rng.random(200))


@pytest.mark.parametrize("loss", row_losses()[::3], ids=repr)
def test_rows(loss) -> None:
    rng = np.random.default_rng(0)
    y, f = draw_rows(loss, 100, n_classes(loss), rng)
    assert_as_in_memory(loss, y, f, rng.random(100))


def test_value_does_not_depend_on_chunks() -> None:
    rng = np.random.default_rng(0)
    y, f = rng.standard_normal((2, 10_000))
    loss = fl.LogCosh()
    exact = loss(y, f)
    for rows in (1_000, 37, 10_000, 1):
        value = adapter.as_dask(loss)(split(y[:4000], rows), split(f[:4000], rows)).compute()
        assert value == pytest.approx(loss(y[:4000], f[:4000]), rel=2.3e-16)
    assert float(adapter.as_dask(loss)(split(y), split(f)).compute()) == pytest.approx(exact, rel=2.3e-16)


def test_several_axes_and_blocks_of_classes() -> None:
    rng = np.random.default_rng(0)
    y, f = rng.standard_normal((2, 12, 10))
    lazy = adapter.as_dask("huber")
    blocks = da.from_array(f, chunks=(5, 4))
    assert lazy(y, blocks).compute() == pytest.approx(fl.Huber()(y, f), rel=1e-15)
    np.testing.assert_allclose(lazy.gradient(da.from_array(y, chunks=(3, 10)), blocks), fl.Huber().gradient(y, f))
    k, z = rng.integers(0, 6, 12), rng.standard_normal((12, 6))
    loss = fl.SparseCategoricalCrossEntropy(from_logits=True, class_weight=np.arange(1.0, 7.0), ignore_index=2)
    value, g = dask.compute(*adapter.as_dask(loss).value_and_gradient(k, da.from_array(z, chunks=(5, 2))))
    assert value == pytest.approx(loss(k, z), rel=1e-15)
    np.testing.assert_allclose(g, loss.gradient(k, z), rtol=1e-14)


def test_float32_empty_blocks_and_unknown_sizes() -> None:
    rng = np.random.default_rng(0)
    y, f = rng.standard_normal((2, 60)).astype(np.float32)
    lazy = adapter.as_dask("huber")
    blocks = da.from_array(f, chunks=((20, 0, 40),))
    g = lazy.gradient(y, blocks)
    assert g.dtype == np.float32
    assert g.compute().dtype == np.float32
    np.testing.assert_array_equal(g.compute(), fl.Huber().gradient(y, f))
    some = f > 0
    unknown = [da.from_array(x, chunks=20)[da.from_array(some, chunks=20)] for x in (y, f)]
    assert np.isnan(unknown[0].shape[0])
    assert lazy(*unknown).compute() == pytest.approx(fl.Huber()(y[some], f[some]), rel=1e-6)
    np.testing.assert_allclose(lazy.gradient(*unknown), fl.Huber().gradient(y[some], f[some]), rtol=1e-6)
    with pytest.raises(ValueError, match="y_true must have the shape and the blocks"):
        lazy(da.from_array(y, chunks=30)[da.from_array(some, chunks=30)], unknown[1])


def test_a_number_as_weight_and_weights_of_zero() -> None:
    y, f = np.arange(6.0), np.zeros(6)
    lazy = adapter.as_dask("mean_squared_error")
    F = da.from_array(f, chunks=2)
    assert lazy(y, F, 2.0).compute() == fl.MeanSquaredError()(y, f)
    assert lazy(y, F, 2.0, reduction="sum").compute() == 2 * np.sum(y**2)
    w = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0])
    assert lazy(y, F, w).compute() == 9
    np.testing.assert_array_equal(lazy.gradient(y, F, w), [0, 0, 0, -6, 0, 0])
    with pytest.raises(ValueError, match="mean over nothing"):
        lazy(y, F, np.zeros(6)).compute()
    with pytest.raises(ValueError, match="must not sum to zero"):
        lazy.gradient(y, F, np.zeros(6)).compute()


def test_linear_model() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 3))
    y, w = X @ [1.0, -2.0, 0.5] + 0.3 + rng.standard_t(3, 500), rng.random(500)
    for weight in (None, w):
        inside = fl.optim.linear("log_cosh", X, y, penalty=fl.L2(alpha=0.1), fit_intercept=True, sample_weight=weight)
        blocks = da.from_array(X, chunks=((200, 0, 300), (2, 1)))
        outside = adapter.linear_objective(
            "log_cosh", blocks, y, fl.L2(alpha=0.1), fit_intercept=True, sample_weight=weight
        )
        theta, p = rng.standard_normal((2, 4))
        value, gradient = outside.fun_grad(theta)
        expected = inside.fun_grad(theta)
        assert value == pytest.approx(expected[0], rel=1e-13)
        assert outside.fun(theta) == value
        np.testing.assert_allclose(gradient, expected[1], rtol=1e-12)
        np.testing.assert_allclose(outside.gradient(theta), expected[1], rtol=1e-12)
        np.testing.assert_allclose(outside.hessp(theta, p), inside.hessp(theta, p), rtol=1e-12)
        assert outside.size == outside.initial().size == 4
        coef, intercept = outside.split(theta)
        assert (list(coef), intercept) == (list(theta[:3]), theta[3])


def test_objects_are_values() -> None:
    lazy = adapter.as_dask(fl.Huber(delta=2.0))
    for twin in (
        copy.deepcopy(lazy),
        pickle.loads(pickle.dumps(lazy)),
        adapter.as_dask({"name": "huber", "delta": 2.0}),
    ):
        assert twin == lazy
        assert hash(twin) == hash(lazy)


def test_bad_input() -> None:
    lazy = adapter.as_dask("huber")
    x = da.zeros(10, chunks=5)
    with pytest.raises(TypeError, match="independent samples, got LambdaRank"):
        adapter.as_dask(fl.LambdaRank())
    with pytest.raises(TypeError, match="y_pred must be a Dask array, got ndarray"):
        lazy(x, np.zeros(10))
    with pytest.raises(ValueError, match=r"y_true must have the shape .*, got \(9,\)"):
        lazy(np.zeros(9), x)
    with pytest.raises(ValueError, match=r"sample_weight must have the shape .*, got \(3,\)"):
        lazy(x, x, np.ones(3))
    with pytest.raises(ValueError, match="reduction must be one of"):
        lazy(x, x, reduction="average")
    with pytest.raises(ValueError, match="hessian must be one of"):
        lazy.hessian(x, x, hessian="newton")
    with pytest.raises(ValueError, match="y_true must be >= 0"):
        adapter.as_dask("poisson")(x - 1, x + 1).compute()
    with pytest.raises(TypeError, match="X must be a Dask array"):
        adapter.linear_objective("huber", np.zeros((3, 2)), np.zeros(3))
    with pytest.raises(ValueError, match="penalty must be smooth"):
        adapter.linear_objective("huber", da.zeros((3, 2)), np.zeros(3), fl.L1())
    with pytest.raises(TypeError, match="one prediction"):
        adapter.linear_objective(fl.GaussianNLL(), da.zeros((3, 2)), np.zeros(3))


@pytest.mark.parametrize("case", CASES)
def test_on_a_cluster(case) -> None:
    """In a process of its own, which starts and ends the workers."""
    pytest.importorskip("distributed")
    for library in ("xgboost", "lightgbm", "scipy"):
        if library in case:
            pytest.importorskip(library)
    command = [sys.executable, str(Path(__file__).with_name("adapter_dask_cases.py")), case]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
