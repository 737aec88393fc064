"""Infinities, NaN, subnormal numbers and negative zeros, in each argument alone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from support import draw, same

import fastloss as fl
from fastloss._domains import REAL, UNIT

METHODS = ("__call__", "gradient", "hessian", "value_and_gradient", "gradient_and_hessian", "evaluate")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_predictions_stay_in_their_sample(default_loss, rng, bad, dtype) -> None:
    loss, k = default_loss, 523
    y, f = (x.astype(dtype) for x in draw(loss, 600, rng))
    clean = loss.evaluate(y, f, reduction="none")
    for column in range(loss.n_predictions):
        spoilt = f.copy()
        spoilt.reshape(600, -1)[k, column] = bad
        computed = loss.evaluate(y, spoilt, reduction="none")
        others = np.arange(600) != k
        assert same(tuple(x[others] for x in computed), tuple(x[others] for x in clean))
        if np.isnan(bad):
            assert np.isnan(computed.value[k])
            assert np.isnan(computed.gradient[k]).any()
            assert np.isnan(loss(y, spoilt))
        if loss.f_domains[column] == UNIT:  # infinity is no probability, but no error either
            assert np.isnan([computed.value[k], computed.gradient[k], computed.hessian[k]]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_targets(default_loss, rng, bad) -> None:
    loss, k = default_loss, 523
    y, f = draw(loss, 600, rng)
    spoilt = y.copy()
    spoilt[k] = bad
    if loss.info.y_domain == REAL:
        clean, computed = (loss.evaluate(x, f, reduction="none") for x in (y, spoilt))
        others = np.arange(600) != k
        assert same(tuple(x[others] for x in computed), tuple(x[others] for x in clean))
        if np.isnan(bad):
            assert np.isnan(computed.value[k])
    else:
        for method, reduction in itertools.product(METHODS, ("mean", "sum", "none")):
            with pytest.raises(ValueError, match=f"y_true must be .*, got {bad} at index 523"):
                getattr(loss, method)(spoilt, f, reduction=reduction)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_subnormal_predictions_give_no_nan(default_loss, rng, dtype) -> None:
    y, f = (x.astype(dtype) for x in draw(default_loss, 40, rng))
    for column, tiny in itertools.product(range(default_loss.n_predictions), (1, 3, 1000)):
        given = f.copy()
        given.reshape(40, -1)[:, column] = tiny * np.finfo(dtype).smallest_subnormal
        assert not np.isnan(default_loss(y, given, reduction="none")).any()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_negative_zero_is_zero(default_loss, rng, dtype) -> None:
    loss = default_loss
    y, f = (x.astype(dtype) for x in draw(loss, 40, rng))
    for column in range(loss.n_predictions):
        zero, minus = f.copy(), f.copy()
        zero.reshape(40, -1)[:, column], minus.reshape(40, -1)[:, column] = 0.0, -0.0
        assert same(loss.evaluate(y, minus, reduction="none"), loss.evaluate(y, zero, reduction="none"))
    if loss.info.y_domain.contains(np.zeros(1))[0]:
        zero, minus = np.zeros_like(y), np.full_like(y, -0.0)
        assert same(loss.evaluate(minus, f, reduction="none"), loss.evaluate(zero, f, reduction="none"))


def test_subnormal_results_are_not_flushed(instruction_set) -> None:
    for dtype in (np.float64, np.float32):
        tiny = np.finfo(dtype).smallest_subnormal * np.arange(1, 40, dtype=dtype)
        assert same(fl.MeanSquaredError().gradient(np.zeros_like(tiny), tiny, reduction="sum"), 2 * tiny)
