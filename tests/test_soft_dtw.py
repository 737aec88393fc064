"""Soft-DTW: exact results, all alignments one by one, limits, arrays, threads, arguments."""

from __future__ import annotations

import copy
import inspect
import itertools
import json
import math
import pickle
from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest
from layouts import assert_interrupted, needs_timer
from sequences import FORMS, TARGETS, assert_close, cases, compare, methods_of, types_of
from support import same

import fastloss as fl
from fastloss.reference import sequence as formulas

LOSSES = [
    fl.SoftDTW(),
    fl.SoftDTW(gamma=0.05),
    fl.SoftDTW(gamma=20.0),
    fl.SoftDTW(divergence=True),
    fl.SoftDTW(gamma=0.3, divergence=True),
]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=repr)
both = pytest.mark.parametrize("reference", [False, True], ids=["kernel", "reference"])


def draw(rng: np.random.Generator, n: int = 5, t1: int = 7, t2: int = 6, d: int = 2, dtype: Any = float):
    """Series and their lengths."""
    y, f = rng.standard_normal((n, t1, d)), rng.standard_normal((n, t2, d))
    return [y.astype(dtype), f.astype(dtype)], {
        "true_lengths": rng.integers(1, t1 + 1, n),
        "pred_lengths": rng.integers(1, t2 + 1, n),
    }


# ---- exact results --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("SoftDTW"), ids=lambda case: case["id"])
def test_kernel(case, instruction_set) -> None:
    for dtype in types_of(case):
        compare(case, False, dtype)


@pytest.mark.parametrize("case", cases("SoftDTW"), ids=lambda case: case["id"])
def test_reference(case) -> None:
    for dtype in types_of(case):
        compare(case, True, dtype)


def test_there_are_vectors() -> None:
    assert len(cases("SoftDTW")) == 25


@cache
def alignments(rows: int, columns: int) -> list[tuple[tuple[int, int], ...]]:
    """All monotone chains of pairs from the first two frames to the last two."""
    if rows == columns == 1:
        return [((0, 0),)]
    before = [(rows - i, columns - j) for i, j in ((1, 0), (0, 1), (1, 1)) if i < rows and j < columns]
    return [(*chain, (rows - 1, columns - 1)) for size in before for chain in alignments(*size)]


def by_alignments(y: np.ndarray, f: np.ndarray, gamma: float) -> tuple[Any, np.ndarray]:
    """The loss, and its derivative in f, from every single alignment, in 50 digits."""
    with mpmath.workdps(50):
        y, f = (np.vectorize(mpmath.mpf, otypes=[object])(x.astype(object)) for x in (y, f))
        distance = ((y[:, None] - f[None]) ** 2).sum(axis=2)
        chains = alignments(len(y), len(f))
        shares = [mpmath.exp(-mpmath.fsum(distance[cell] for cell in chain) / gamma) for chain in chains]
        total = mpmath.fsum(shares)
        visits = np.full((len(y), len(f)), mpmath.mpf(0))
        for chain, share in zip(chains, shares, strict=True):
            for cell in chain:
                visits[cell] += share / total
        slope = 2 * np.einsum("ij,ijd->jd", visits, f[None, :, :] - y[:, None, :])
        return -mpmath.mpf(gamma) * mpmath.log(total), slope


@pytest.mark.usefixtures("instruction_set")
@pytest.mark.parametrize("gamma", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_alignment(gamma, dtype, rng) -> None:
    assert [len(alignments(k, k)) for k in range(1, 5)] == [1, 3, 13, 63]
    for rows, columns, d in [(1, 1, 1), (1, 4, 2), (4, 1, 2), (2, 3, 1), (3, 2, 3), (4, 4, 1), (5, 3, 2), (3, 6, 1)]:
        y, f = (rng.standard_normal((k, d)).astype(dtype) for k in (rows, columns))
        loss = fl.SoftDTW(gamma=gamma)
        value, slope = by_alignments(y, f, gamma)
        size = 1 + abs(float(value))
        for methods in (loss, loss.reference):
            got, gradient = methods.value_and_gradient(y[None], f[None])
            assert got == pytest.approx(float(value), rel=0, abs=1e-14 * size)
            tolerance = 1e-14 * size * (1 + 1 / gamma) + np.finfo(dtype).eps * np.abs(slope).max()
            np.testing.assert_allclose(gradient[0], slope.astype(float), rtol=0, atol=float(tolerance))


def test_divergence_of_every_alignment(rng) -> None:
    gamma = 0.5
    loss = fl.SoftDTW(gamma=gamma, divergence=True)
    for rows, columns in ((3, 4), (4, 2), (1, 3)):
        y, f = rng.standard_normal((rows, 2)), rng.standard_normal((columns, 2))
        expected = by_alignments(y, f, gamma)[0] - (by_alignments(y, y, gamma)[0] + by_alignments(f, f, gamma)[0]) / 2
        value, gradient = loss.value_and_gradient(y[None], f[None])
        assert value == pytest.approx(float(expected), abs=1e-13)
        for j, k in np.ndindex(f.shape):
            ends = []
            for step in (1e-12, -1e-12):
                moved = f.astype(object)
                with mpmath.workdps(50):
                    moved[j, k] = mpmath.mpf(f[j, k]) + mpmath.mpf(step)
                    ends.append(by_alignments(y, moved, gamma)[0] - by_alignments(moved, moved, gamma)[0] / 2)
            with mpmath.workdps(50):
                difference = float((ends[0] - ends[1]) / mpmath.mpf(2e-12))
            assert gradient[0, j, k] == pytest.approx(difference, abs=1e-12)


@every_loss
def test_derivatives(loss, rng) -> None:
    """Complex steps through the reference."""
    y, f = rng.standard_normal((5, 2)), rng.standard_normal((4, 2))
    gradient = loss.gradient(y[None], f[None])[0]
    for j, k in np.ndindex(f.shape):
        z = f.astype(complex)
        z[j, k] += 1e-30j
        value = formulas.soft_dtw(y, z, loss.gamma)[0]
        if loss.divergence:
            value = value - formulas.soft_dtw(z, z, loss.gamma)[0] / 2
        assert value.imag / 1e-30 == pytest.approx(gradient[j, k], abs=1e-12)


def test_torch(rng) -> None:
    """The recursion in PyTorch's autograd."""
    torch = pytest.importorskip("torch")
    (y, f), _ = draw(rng, 3, 9, 11, 3)
    z, gamma = torch.tensor(f, requires_grad=True), 0.7
    distance = ((torch.tensor(y)[:, :, None] - z[:, None]) ** 2).sum(-1)
    r = {(0, 0): torch.zeros(3, dtype=torch.float64)}
    for i, j in itertools.product(range(1, 10), range(1, 12)):
        before = [r[k] for k in ((i - 1, j), (i, j - 1), (i - 1, j - 1)) if k in r]
        r[i, j] = distance[:, i - 1, j - 1] - gamma * torch.logsumexp(-torch.stack(before) / gamma, 0)
    r[9, 11].sum().backward()
    value, gradient = fl.SoftDTW(gamma=gamma).value_and_gradient(y, f, reduction="none")
    np.testing.assert_allclose(value, r[9, 11].detach(), rtol=1e-13)
    np.testing.assert_allclose(gradient, z.grad, rtol=0, atol=1e-12)


def test_tslearn(rng) -> None:
    metrics = pytest.importorskip("tslearn.metrics")
    (y, f), _ = draw(rng, 1, 12, 9, 2)
    assert fl.SoftDTW(gamma=0.4)(y, f) == pytest.approx(metrics.soft_dtw(y[0], f[0], gamma=0.4), rel=1e-12)


# ---- sizes ----------------------------------------------------------------------------------------------------------


@every_loss
def test_lengths_around_the_steps_of_a_diagonal(loss, rng) -> None:
    for t1, t2 in [*itertools.product((1, 2, 7, 8, 9, 17), repeat=2), (3, 40), (40, 3)]:
        (y, f), _ = draw(rng, 1, t1, t2, 2)
        assert_close(loss.value_and_gradient(y, f), loss.reference.value_and_gradient(y, f), 1e-12 + 1e-13 / loss.gamma)


@every_loss
def test_lengths(loss, rng) -> None:
    (y, f), lengths = draw(rng, 12)
    value, gradient = loss.value_and_gradient(y, f, reduction="none", **lengths)
    for k, (s, t) in enumerate(zip(*lengths.values(), strict=True)):
        alone = loss.value_and_gradient(y[k : k + 1, :s], f[k : k + 1, :t], reduction="none")
        assert same(value[k], alone[0][0])
        assert same(gradient[k, :t], alone[1][0])
        assert not gradient[k, t:].any()
        y[k, s:], f[k, t:] = np.nan, np.inf
    assert same(loss.value_and_gradient(y, f, reduction="none", **lengths), (value, gradient))


def test_long_series(rng) -> None:
    """Rows of the table by a plain recursion."""
    (y, f), _ = draw(rng, 1, 700, 500, 1)
    distance, gamma = (y[0] - f[0].T) ** 2, 0.2
    row = np.full(501, np.inf)
    row[0] = 0
    for d in distance:
        ahead = np.full(501, np.inf)
        for j in range(500):
            before = -np.array([row[j], row[j + 1], ahead[j]]) / gamma
            top = before.max()
            ahead[j + 1] = d[j] - gamma * (top + math.log(np.exp(before - top).sum()))
        row = ahead
    value, gradient = fl.SoftDTW(gamma=gamma).value_and_gradient(y, f)
    assert value == pytest.approx(row[-1], rel=1e-12)
    moved = f.copy()
    moved[0, 250, 0] += 1e-5
    assert (fl.SoftDTW(gamma=gamma)(y, moved) - value) / 1e-5 == pytest.approx(gradient[0, 250, 0], abs=1e-3)


# ---- limits ---------------------------------------------------------------------------------------------------------


@both
def test_small_and_large_gamma(reference, rng) -> None:
    """The best alignment alone, or minus gamma times the logarithm of their number."""
    y, f = rng.standard_normal((4, 2)), rng.standard_normal((3, 2))
    distance = ((y[:, None] - f[None]) ** 2).sum(axis=2)
    costs = {sum(distance[cell] for cell in chain): chain for chain in alignments(4, 3)}
    best = costs[min(costs)]
    slope = np.zeros(f.shape)
    for i, j in best:
        slope[j] += 2 * (f[j] - y[i])
    gammas = (1e-6,) if reference else (1e-6, 1e-200, 1e-310, 5e-324)
    for gamma in gammas:
        value, gradient = methods_of(fl.SoftDTW(gamma=gamma), reference).value_and_gradient(y[None], f[None])
        assert value == pytest.approx(min(costs), rel=1e-5)
        np.testing.assert_allclose(gradient[0], slope, rtol=1e-6 if reference else 1e-12)
    for gamma in (1e9, 1e300):
        value = methods_of(fl.SoftDTW(gamma=gamma), reference)(y[None], f[None])
        assert value == pytest.approx(-gamma * math.log(len(costs)), rel=1e-7)


@both
def test_one_frame_on_a_side(reference, rng) -> None:
    for shape in ((1, 6), (6, 1)):
        y, f = rng.standard_normal((3, shape[0], 2)), rng.standard_normal((3, shape[1], 2))
        value, gradient = methods_of(fl.SoftDTW(), reference).value_and_gradient(y, f, reduction="none")
        np.testing.assert_allclose(value, ((y - f) ** 2).sum(axis=(1, 2)), rtol=1e-14)
        slope = 2 * (f - y)
        np.testing.assert_allclose(gradient, slope.sum(axis=1, keepdims=True) if shape[1] == 1 else slope, atol=1e-13)


@both
def test_equal_series(reference, rng) -> None:
    (y, _), lengths = draw(rng)
    lengths = {name: lengths["true_lengths"] for name in lengths}
    for gamma in (0.1, 1.0, 10.0):
        methods = methods_of(fl.SoftDTW(gamma=gamma, divergence=True), reference)
        value, gradient = methods.value_and_gradient(y, y, reduction="none", **lengths)
        assert not value.any()
        np.testing.assert_allclose(gradient, 0, atol=1e-12 / gamma)
        assert (methods(y, y + 0.3, reduction="none", **lengths) > 0).all()
    assert methods_of(fl.SoftDTW(), reference)(y, y) < 0


@both
@every_loss
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_in_its_series(reference, loss, bad, rng) -> None:
    given, _ = draw(rng, 4)
    methods = methods_of(loss, reference)
    value, gradient = methods.value_and_gradient(*given, reduction="none")
    keep = np.arange(4) != 2
    for k in range(2):
        spoiled = [x.copy() for x in given]
        spoiled[k][2, 3, 1] = bad
        got, slopes = methods.value_and_gradient(*spoiled, reduction="none")
        assert math.isnan(got[2])
        assert np.isnan(slopes[2]).all()
        assert same(got[keep], value[keep])
        assert same(slopes[keep], gradient[keep])
        w = keep.astype(float)
        assert methods(*spoiled, w) == methods(*given, w)
        assert not methods.gradient(*spoiled, w)[2].any()


def test_squares_that_overflow() -> None:
    y, f = np.zeros((2, 3, 1)), np.ones((2, 3, 1))
    f[0, 1] = 1e200
    value, gradient = fl.SoftDTW().value_and_gradient(y, f, reduction="none")
    assert value[0] == np.inf
    assert np.isnan(gradient[0]).all()
    assert np.isfinite(value[1])
    assert np.isfinite(gradient[1]).all()
    assert np.isfinite(fl.SoftDTW()(np.full((1, 2, 1), -3e38, np.float32), np.full((1, 3, 1), 3e38, np.float32)))


# ---- weights and reductions -----------------------------------------------------------------------------------------


@both
@every_loss
def test_reductions_and_weights(reference, loss, rng) -> None:
    given, lengths = draw(rng, 8)
    methods = methods_of(loss, reference)
    value, gradient = methods.value_and_gradient(*given, reduction="none", **lengths)
    w = rng.random(8) * (rng.random(8) < 0.7)
    slopes = w[:, None, None] * gradient
    assert_close(methods.value_and_gradient(*given, w, reduction="none", **lengths), (w * value, slopes), 1e-14)
    assert methods(*given, w, reduction="sum", **lengths) == pytest.approx((w * value).sum(), rel=1e-13)
    assert methods(*given, w, **lengths) == pytest.approx((w * value).sum() / w.sum(), rel=1e-13)
    np.testing.assert_allclose(methods.gradient(*given, w, **lengths), slopes / w.sum(), atol=1e-14)
    assert methods(*given, 2.0, **lengths) == pytest.approx(methods(*given, **lengths), rel=1e-14)


# ---- arrays ---------------------------------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("form", FORMS)
def test_forms_of_arrays(loss, form, rng) -> None:
    (y, f), lengths = draw(rng)
    given = [y, f, rng.random(5), *lengths.values()]
    expected = loss.value_and_gradient(*given[:3], reduction="none", **lengths)
    for changed in [(k,) for k in range(5)] + [tuple(range(5))]:
        if form == "longdouble":
            changed = tuple(k for k in changed if k < 3)
        y, f, w, *rest = (FORMS[form](a) if k in changed else a for k, a in enumerate(given))
        before = copy.deepcopy((y, f, w))
        got = loss.value_and_gradient(y, f, w, reduction="none", **dict(zip(lengths, rest, strict=True)))
        assert same(got, expected)
        assert all(map(same, (y, f, w), before))


@both
@pytest.mark.parametrize(
    ("types", "working"),
    [
        ("f2 f2", "f4"),
        ("f4 f4", "f4"),
        ("f8 f4", "f4"),
        ("f4 f8", "f8"),
        ("i4 f4", "f4"),
        ("f4 i2", "f8"),
        ("f4 >f4", "f4"),
    ],
)
def test_working_types(reference, types, working, rng) -> None:
    """Results have the type of y_pred."""
    for loss in LOSSES:
        given, lengths = draw(rng)
        y, f = ((2 * x).astype(t) for x, t in zip(given, types.split(), strict=True))
        methods = methods_of(loss, reference)
        got = methods.value_and_gradient(y, f, reduction="none", **lengths)
        assert {a.dtype for a in got} == {np.dtype(working)}
        expected = methods.value_and_gradient(y.astype(float), f.astype(working), reduction="none", **lengths)
        assert same(got, expected)


@both
@every_loss
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_out(reference, loss, target, dtype, rng) -> None:
    given, lengths = draw(rng, dtype=np.float32)
    methods, w = methods_of(loss, reference), rng.random(5)
    value, gradient = methods.value_and_gradient(*given, w, reduction="none", **lengths)
    values, slopes = TARGETS[target](value.shape, dtype), TARGETS[target](gradient.shape, dtype)
    result = methods.value_and_gradient(*given, w, reduction="none", out=(values, slopes), **lengths)
    assert result[0] is values
    assert result[1] is slopes
    np.testing.assert_array_equal(values, value)
    tolerance = 1e-6 if dtype == np.float64 else 0
    np.testing.assert_allclose(slopes, gradient, rtol=tolerance, atol=tolerance)
    slopes = TARGETS[target](gradient.shape, dtype)
    assert methods.gradient(*given, w, reduction="none", out=slopes, **lengths) is slopes
    np.testing.assert_allclose(slopes, gradient, rtol=tolerance, atol=tolerance)


@both
@every_loss
def test_out_may_be_an_input(reference, loss, rng) -> None:
    (y, f), lengths = draw(rng, 6, 7, 7)
    methods = methods_of(loss, reference)
    expected = methods.gradient(y, f, **lengths)
    for k in range(2):
        given = [y.copy(), f.copy()]
        methods.gradient(*given, out=given[k], **lengths)
        assert same(given[k], expected)
        given = [y.copy(), f.copy()]
        methods.gradient(*given, out=given[k][::-1], **lengths)
        assert same(given[k][::-1], expected)
    shifted = np.zeros((7, *f.shape[1:]))
    shifted[:6] = f
    methods.gradient(y, shifted[:6], out=shifted[1:], **lengths)
    assert same(shifted[1:], expected)


@both
def test_nothing(reference) -> None:
    methods = methods_of(fl.SoftDTW(), reference)
    y, f = np.zeros((0, 3, 2)), np.zeros((0, 4, 2))
    value, gradient = methods.value_and_gradient(y, f, reduction="sum")
    assert value == 0.0
    assert gradient.shape == (0, 4, 2)
    assert methods(y, f, reduction="none").shape == (0,)
    with pytest.raises(ValueError, match="y_true must not be empty for reduction='mean'"):
        methods(y, f)


def test_too_large_for_memory() -> None:
    f = np.broadcast_to(np.zeros((1, 1, 1), np.float32), (1, 2**50, 1))
    with pytest.raises(MemoryError):
        fl.SoftDTW()(f, f)


# ---- threads --------------------------------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_do_not_depend_on_threads(loss, dtype, rng) -> None:
    given, lengths = draw(rng, 20, 60, 50, 3, dtype)
    for keywords in ({}, lengths, lengths | {"sample_weight": rng.random(20) * (rng.random(20) < 0.8)}):
        for reduction in ("none", "mean"):
            one = loss.value_and_gradient(*given, n_threads=1, reduction=reduction, **keywords)
            for n_threads in (2, 3, 7, None):
                assert same(loss.value_and_gradient(*given, n_threads=n_threads, reduction=reduction, **keywords), one)
                assert same(loss(*given, n_threads=n_threads, reduction=reduction, **keywords), one[0])


@every_loss
def test_all_methods_give_the_same_bits(loss, rng) -> None:
    given, lengths = draw(rng, dtype=np.float32)
    w = rng.random(5)
    for methods, reduction in itertools.product((loss, loss.reference), ("mean", "sum", "none")):
        keywords = {"reduction": reduction, **lengths}
        value, gradient = methods.value_and_gradient(*given, w, **keywords)
        assert same(methods(*given, w, **keywords), value)
        assert same(methods.value(*given, w, **keywords), value)
        assert same(methods.gradient(*given, w, **keywords), gradient)
        assert same(tuple(methods.evaluate(*given, w, **keywords)), (value, gradient, None))


@needs_timer
@pytest.mark.parametrize("n_threads", [1, 2])
def test_interruption(n_threads) -> None:
    series = np.broadcast_to(np.float32(0), (20_000, 300, 2))
    assert_interrupted(lambda: fl.SoftDTW()(series, series, n_threads=n_threads), after=0.2, within=5)


# ---- arguments ------------------------------------------------------------------------------------------------------

BAD = [
    ({"y_pred": np.ones((3, 4))}, ValueError, r"y_pred must have the shape \(N, T2, D\) with D >= 1, got \(3, 4\)"),
    (
        {"y_pred": np.ones((3, 4, 0))},
        ValueError,
        r"y_pred must have the shape \(N, T2, D\) with D >= 1, got \(3, 4, 0\)",
    ),
    (
        {"y_true": np.ones((3, 4))},
        ValueError,
        r"y_true must have the shape \(3, T1, 2\) to match y_pred .*, got \(3, 4\)",
    ),
    ({"y_true": np.ones((2, 5, 2))}, ValueError, r"y_true must have the shape \(3, T1, 2\) .*, got \(2, 5, 2\)"),
    ({"y_true": np.ones((3, 5, 3))}, ValueError, r"y_true must have the shape \(3, T1, 2\) .*, got \(3, 5, 3\)"),
    ({"y_true": np.ones((3, 5, 2), complex)}, TypeError, "y_true must hold real numbers, got dtype complex128"),
    ({"y_true": np.ones((3, 0, 2))}, ValueError, "true_lengths must be >= 1, got sequences of 0"),
    ({"y_pred": np.ones((3, 0, 2))}, ValueError, "pred_lengths must be >= 1, got sequences of 0"),
    ({"true_lengths": [1, 0, 2]}, ValueError, r"true_lengths must be in \[1, 5\], got 0 at index 1"),
    ({"true_lengths": [1, 6, 2]}, ValueError, r"true_lengths must be in \[1, 5\], got 6 at index 1"),
    ({"pred_lengths": [1, 5, 2]}, ValueError, r"pred_lengths must be in \[1, 4\], got 5 at index 1"),
    ({"pred_lengths": [1, 2]}, ValueError, r"pred_lengths must have the shape \(3,\), a length for each sequence"),
    ({"pred_lengths": [1.0, 2.0, 2.0]}, TypeError, "pred_lengths must hold integers, got dtype float64"),
    ({"sample_weight": np.ones(4)}, ValueError, r"sample_weight must be a scalar or have the shape \(3,\) of y_true"),
    ({"sample_weight": [1, -1, 1]}, ValueError, "sample_weight must be >= 0 and finite, got -1 at index 1"),
    ({"sample_weight": np.zeros(3)}, ValueError, "sample_weight must not sum to zero for reduction='mean'"),
    ({"reduction": "median"}, ValueError, "reduction must be one of 'mean', 'sum', 'none', got 'median'"),
    ({"n_threads": 0}, ValueError, "n_threads must be >= 1, got 0"),
]


@both
@pytest.mark.parametrize(("changes", "error", "message"), BAD)
def test_bad_arguments(reference, changes, error, message) -> None:
    arguments = {"y_true": np.ones((3, 5, 2)), "y_pred": np.ones((3, 4, 2))} | changes
    methods = methods_of(fl.SoftDTW(), reference)
    for call in (methods, methods.gradient, methods.value_and_gradient, methods.evaluate):
        with pytest.raises(error, match=message):
            call(**arguments)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"gamma": 0.0}, ValueError, "gamma must be > 0, got 0.0"),
        ({"gamma": -1}, ValueError, "gamma must be > 0, got -1"),
        ({"gamma": np.inf}, ValueError, "gamma must be > 0, got inf"),
        ({"divergence": 1}, TypeError, "divergence must be True or False, got 1"),
    ],
)
def test_bad_parameters(parameters, error, message) -> None:
    with pytest.raises(error, match=message):
        fl.SoftDTW(**parameters)


# ---- objects --------------------------------------------------------------------------------------------------------


@every_loss
def test_object(loss, rng) -> None:
    given, lengths = draw(rng)
    copies = [copy.copy(loss), copy.deepcopy(loss), eval(repr(loss), vars(fl).copy())]
    copies += [pickle.loads(pickle.dumps(loss)), fl.get(json.loads(json.dumps(loss.config())))]
    for other in copies:
        assert other == loss
        assert hash(other) == hash(loss)
        assert other(*given, **lengths) == loss(*given, **lengths)
    assert repr(loss.reference) == f"{loss!r}.reference"
    for call in (loss.hessian, loss.gradient_and_hessian, loss.reference.hessian):
        with pytest.raises(ValueError, match="has no hessian"):
            call(*given)
    assert loss.hessian_policies == ()


def test_metadata_and_names() -> None:
    info = fl.SoftDTW().info
    assert (info.name, info.family, info.default_hessian) == ("soft_dtw", "sequence", "")
    assert not info.convex
    for name in ("soft_dtw", "SoftDTW", "softdtw"):
        assert fl.get(name, gamma=0.5) == fl.SoftDTW(gamma=0.5)
    text = inspect.getdoc(fl.SoftDTW) or ""
    for name in fl.SoftDTW()._parameters():
        assert f"\n{name} : " in text
    for method in ("__call__", "value", "gradient", "value_and_gradient", "evaluate"):
        parameters = inspect.signature(getattr(fl.SoftDTW(), method)).parameters
        keywords = {name for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
        assert keywords - {"outputs"} == {"true_lengths", "pred_lengths", "reduction", "out", "n_threads"}
