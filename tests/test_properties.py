"""What holds for every loss: kernels against the reference, derivatives against the value, weights, order, bounds."""

from __future__ import annotations

import numpy as np
import pytest
from support import draw, same

import fastloss as fl
from fastloss import reference
from fastloss._domains import REAL

STEP = 1e-30
N = 700  # more than one block in float64


def terms_at(loss: fl.PointwiseLoss, y: np.ndarray, f: np.ndarray) -> reference.Terms:
    return reference.terms(loss, y, f)


def complex_step(loss: fl.PointwiseLoss, term: str, y: np.ndarray, f: np.ndarray) -> np.ndarray:
    """Diagonal derivative of a term of the reference with respect to each prediction."""
    with np.errstate(all="ignore"):
        if f.ndim == 1:
            return np.imag(getattr(terms_at(loss, y, f + 1j * STEP), term)()) / STEP
        columns = []
        for k in range(f.shape[-1]):
            moved = np.imag(getattr(terms_at(loss, y, f + 1j * STEP * np.eye(f.shape[-1])[k]), term)()) / STEP
            columns.append(moved[..., k] if moved.ndim == f.ndim else moved)
        return np.stack(columns, axis=-1)


def scales(loss: fl.PointwiseLoss, y: np.ndarray, f: np.ndarray, *terms: np.ndarray) -> list[np.ndarray]:
    """What rounding an input, or a term of size 1, does to value, gradient and hessian: 1 + |F| + |F'| (|y| + |f|)."""
    value, gradient, hessian = (np.abs(np.nan_to_num(x, posinf=0, neginf=0)) for x in terms)
    third = np.abs(np.nan_to_num(complex_step(loss, "hessian", y.astype(float), f.astype(float)), posinf=0, neginf=0))
    size = np.abs(f) + np.abs(y if f.ndim == 1 else y[..., None])
    slope = gradient * size
    return [
        1 + value + (slope if f.ndim == 1 else slope.sum(axis=-1)),
        1 + gradient + hessian * size,
        1 + hessian + third * size,
    ]


@pytest.mark.parametrize("grid", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 5e-14), (np.float32, 3e-5)])
def test_kernel_equals_reference(loss, rng, dtype, tolerance, grid) -> None:
    y, f = (x.astype(dtype) for x in draw(loss, N, rng, grid=grid))
    computed = loss.evaluate(y, f, reduction="none")
    expected = loss.reference.evaluate(y, f, reduction="none")
    sizes = scales(loss, y, f, *expected)
    for name, a, b, size in zip(expected._fields, computed, expected, sizes, strict=True):
        assert a.dtype == b.dtype == dtype
        np.testing.assert_array_less(deviation(a, b), tolerance * size, err_msg=name)
    for policy in loss.hessian_policies[1:]:
        a, b = (x.hessian(y, f, reduction="none", hessian=policy) for x in (loss, loss.reference))
        np.testing.assert_array_less(
            deviation(a, b), tolerance * (sizes[2] + np.nan_to_num(np.abs(b), posinf=0)), err_msg=policy
        )


def deviation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """|a - b|, 0 for equal infinities and NaN in both."""
    with np.errstate(invalid="ignore"):
        return np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0, np.abs(a - b))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_reductions_equal_reference(default_loss, rng, reduction) -> None:
    loss = default_loss
    y, f = draw(loss, N, rng)
    w = rng.integers(0, 3, N).astype(float)
    for weight in (None, w, 2.5):
        computed = loss.evaluate(y, f, weight, reduction=reduction, min_hessian=0.01)
        expected = loss.reference.evaluate(y, f, weight, reduction=reduction, min_hessian=0.01)
        for a, b in zip(computed, expected, strict=True):
            assert type(a) is type(b)
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_gradient_is_the_complex_step_of_the_value(loss, rng) -> None:
    y, f = draw(loss, N, rng)
    exact = complex_step(loss, "value", y, f)
    size = scales(loss, y, f, *loss.evaluate(y, f, reduction="none"))[1]
    for methods in (loss, loss.reference):
        error = np.abs(methods.gradient(y, f, reduction="none") - exact)
        np.testing.assert_array_less(error, 1e-13 * size)


def test_hessian_is_the_complex_step_of_the_gradient(loss, rng) -> None:
    y, f = draw(loss, N, rng)
    exact = complex_step(loss, "gradient", y, f)
    size = scales(loss, y, f, *loss.evaluate(y, f, reduction="none"))[2]
    for methods in (loss, loss.reference):
        error = np.abs(methods.hessian(y, f, reduction="none") - exact)
        np.testing.assert_array_less(error, 1e-13 * size)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_fused_equals_separate(loss, rng, dtype, instruction_set) -> None:
    y, f = (x.astype(dtype) for x in draw(loss, 600, rng, grid=True))
    w = rng.random(600).astype(dtype)
    for reduction in ("mean", "none"):
        keywords = {"sample_weight": w, "reduction": reduction}
        value, gradient = loss(y, f, **keywords), loss.gradient(y, f, **keywords)
        assert same(loss.value_and_gradient(y, f, **keywords), (value, gradient))
        for policy in loss.hessian_policies:
            curved = keywords | {"hessian": policy}
            hessian = loss.hessian(y, f, **curved)
            assert same(loss.gradient_and_hessian(y, f, **curved), (gradient, hessian))
            assert same(loss.evaluate(y, f, **curved), (value, gradient, hessian))
            pair = loss.evaluate(y, f, outputs=("value", "hessian"), **curved)
            assert same(pair, (value, None, hessian))


# ---- weights and order ----------------------------------------------------------------------------------------------


def test_weight_zero_removes_whatever_the_row_holds(default_loss, rng) -> None:
    loss = default_loss
    y, f = draw(loss, 60, rng)
    w = np.tile([1.0, 0.0, 2.0, 0.0, 0.5, 0.0], 10)
    bad_y, bad_f = y.copy(), f.copy()
    bad_f[1::6], bad_f[3::6], bad_f[5::6] = np.nan, np.inf, -np.inf
    if loss.info.y_domain == REAL:
        bad_y[1::6] = np.inf
    for methods in (loss, loss.reference):
        for reduction in ("mean", "sum", "none"):
            clean = methods.evaluate(y, f, w, reduction=reduction, min_hessian=0.1)
            assert same(methods.evaluate(bad_y, bad_f, w, reduction=reduction, min_hessian=0.1), clean)
        for term in clean:
            assert not term[w == 0].any()


def test_integer_weights_repeat(default_loss, rng) -> None:
    loss = default_loss
    y, f = draw(loss, 300, rng)
    w = rng.integers(0, 4, 300)
    for reduction in ("mean", "sum"):
        weighted = loss.value_and_gradient(y, f, w, reduction=reduction)
        repeated = loss.value_and_gradient(np.repeat(y, w), np.repeat(f, w, axis=0), reduction=reduction)
        np.testing.assert_allclose(weighted[0], repeated[0], rtol=1e-13)
        column = w if f.ndim == 1 else w[:, None]
        first = np.r_[0, np.cumsum(w[w > 0])[:-1]]
        np.testing.assert_allclose(weighted[1][w > 0], (repeated[1][first] * column[w > 0]), rtol=1e-14)


def test_scalar_weight_stands_for_equal_weights(default_loss, rng) -> None:
    loss = default_loss
    y, f = draw(loss, 600, rng)
    for reduction in ("mean", "sum", "none"):
        scalar = loss.evaluate(y, f, 0.3, reduction=reduction)
        assert same(scalar, loss.evaluate(y, f, np.full(600, 0.3), reduction=reduction))


def test_order_of_samples_does_not_matter(default_loss, rng) -> None:
    loss = default_loss
    y, f = draw(loss, 1500, rng)
    order = rng.permutation(1500)
    value, gradient, hessian = loss.evaluate(y, f)
    moved = loss.evaluate(y[order], f[order])
    size = np.mean(np.abs(loss(y, f, reduction="none")))
    assert abs(moved.value - value) <= 1e-15 * size
    assert same(moved[1:], (gradient[order], hessian[order]))


def test_samples_do_not_touch_each_other(default_loss, rng) -> None:
    """A sample has the same bits alone, in a short call and in a long one."""
    loss = default_loss
    y, f = draw(loss, 1100, rng)
    together = loss.evaluate(y, f, reduction="none")
    for cut in (slice(0, 1), slice(511, 530), slice(1097, 1100)):
        assert same(loss.evaluate(y[cut], f[cut], reduction="none"), tuple(term[cut] for term in together))
