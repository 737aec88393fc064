"""`out=`: any layout and precision, inputs as outputs, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from support import draw, same

import fastloss as fl

N = 1100
TYPES = [np.float64, np.float32]


def like(x: np.ndarray, dtype: type) -> dict[str, np.ndarray]:
    """Arrays of the shape of x in many layouts, filled with a number that must disappear."""
    shape, tail = x.shape, x.shape[1:]
    unaligned = np.zeros(x.size * np.dtype(dtype).itemsize + 1, np.uint8)[1:].view(dtype).reshape(shape)
    arrays = {
        "contiguous": np.empty(shape, dtype),
        "strided": np.empty((3 * len(x), *tail), dtype)[::3],
        "reversed": np.empty(shape, dtype)[::-1],
        "Fortran order": np.empty(shape, dtype, order="F"),
        "table column": np.empty((*shape, 37), dtype)[..., 11],
        "unaligned": unaligned,
        "other byte order": np.empty(shape, np.dtype(dtype).newbyteorder("S")),
    }
    for array in arrays.values():
        array[...] = 99
    return arrays


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("out_dtype", TYPES)
def test_layouts_and_types(default_loss, rng, dtype, out_dtype) -> None:
    loss = default_loss
    y, f = (x.astype(dtype) for x in draw(loss, N, rng))
    w = rng.random(N).astype(dtype)
    for reduction in ("mean", "none"):
        expected = loss.evaluate(y, f, w, reduction=reduction)
        with np.errstate(over="ignore"):
            rounded = [np.asarray(x).astype(out_dtype) for x in expected]
        for name, out in like(f, out_dtype).items():
            assert loss.gradient(y, f, w, reduction=reduction, out=out) is out
            assert np.array_equal(out, rounded[1]), name
        for gradient, hessian in zip(like(f, out_dtype).values(), reversed(like(f, out_dtype).values()), strict=True):
            result = loss.gradient_and_hessian(y, f, w, reduction=reduction, out=(gradient, hessian))
            assert result[0] is gradient
            assert result[1] is hessian
            assert np.array_equal(gradient, rounded[1])
            assert np.array_equal(hessian, rounded[2])
    for name, out in like(y, out_dtype).items():
        assert loss(y, f, w, reduction="none", out=out) is out
        assert np.array_equal(out, rounded[0]), name


def test_each_array_in_a_precision_of_its_own(default_loss, rng) -> None:
    y, f = draw(default_loss, N, rng)
    out = np.empty(N, np.float32), np.empty(f.shape), np.empty(f.shape, np.float32)
    expected = default_loss.evaluate(y, f, reduction="none")
    computed = default_loss.evaluate(y, f, reduction="none", out=out)
    for a, b, c in zip(computed, expected, out, strict=True):
        assert a is c
        assert np.array_equal(a, b.astype(a.dtype))


def test_none_asks_for_a_new_array(default_loss, rng) -> None:
    y, f = draw(default_loss, N, rng)
    expected = default_loss.evaluate(y, f)
    hessian = np.empty(f.shape)
    assert same(default_loss.gradient_and_hessian(y, f, out=(None, hessian)), tuple(expected[1:]))
    assert same(default_loss.evaluate(y, f, out=(None, hessian)), tuple(expected))
    assert np.array_equal(hessian, expected.hessian)
    assert same(default_loss.value_and_gradient(y, f, out=(None,)), tuple(expected[:2]))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("n", [7, N, 40_000])
def test_an_input_may_be_the_output(default_loss, rng, dtype, n) -> None:
    loss = default_loss
    y, f = (x.astype(dtype) for x in draw(loss, n, rng))
    w = rng.random(n).astype(dtype)
    for reduction in ("mean", "sum"):
        gradient, hessian = loss.gradient_and_hessian(y, f, w, reduction=reduction)
        mine = f.copy()
        loss.gradient(y, mine, w, reduction=reduction, out=mine)
        assert same(mine, gradient)
        mine = f.copy()
        value, _ = loss.value_and_gradient(y, mine, w, reduction=reduction, out=mine)
        assert same(mine, gradient)
        assert value == loss(y, f, w, reduction=reduction)
        if f.ndim == 1:
            a, b, c = y.copy(), f.copy(), w.copy()
            loss.gradient_and_hessian(a, b, w, reduction=reduction, out=(a, b))
            assert same((a, b), (gradient, hessian))
            a, b, c = y.copy(), f.copy(), w.copy()
            loss.gradient_and_hessian(a, b, c, reduction=reduction, out=(b, c))
            assert same((b, c), (gradient, hessian))
            a = y.copy()
            assert same(loss(a, f, w, reduction="none", out=a), loss(y, f, w, reduction="none"))


@pytest.mark.parametrize("step", [1, -1, 3])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_shifted_overlap(default_loss, rng, step, which) -> None:
    """The output is where the input lies, but some samples further on, or in reverse order."""
    given = [*draw(default_loss, N, rng), rng.random(N)]
    expected = default_loss.gradient(*given)
    width = max(given[which].size, expected.size)
    base = np.zeros(width + 5)
    given[which] = within(base, given[which])
    out = base[:-5] if step < 0 else base[step:][:width]
    out = out[:: np.sign(step)][: expected.size].reshape(expected.shape)
    assert np.shares_memory(out, given[which])
    default_loss.gradient(*given, out=out)
    assert same(np.ascontiguousarray(out), np.ascontiguousarray(expected))


def within(base: np.ndarray, x: np.ndarray) -> np.ndarray:
    view = base[: x.size].reshape(x.shape)
    view[...] = x
    return view


def test_float32_view_of_a_float64_input(rng) -> None:
    y, f = draw(fl.Huber(), N, rng)
    expected = fl.Huber().gradient(y, f)
    out = f.view(np.float32)[:N]
    fl.Huber().gradient(y, f, out=out)
    assert same(out, expected.astype(np.float32))


def test_inputs_survive_an_error(default_loss, rng) -> None:
    """A bad value is found before the first write, even in the last block."""
    y, f = draw(default_loss, N, rng)
    w = np.ones(N)
    w[-1] = -1
    for reduction in ("mean", "sum", "none"):
        for k, mine in enumerate((y.copy(), f.copy(), w.copy())):
            given = [y, f, w]
            given[k] = mine
            before = mine.copy()
            if mine.shape == f.shape:
                with pytest.raises(ValueError, match="sample_weight"):
                    default_loss.gradient(*given, reduction=reduction, out=mine)
                assert np.array_equal(mine, before)


def test_large_outputs_past_the_cache(rng) -> None:
    """Several million samples: long enough for stores that bypass the cache, at any alignment."""
    n = 2_000_003
    f = rng.standard_normal(n)
    y = np.zeros(n)
    for shift in (0, 1, 3):
        gradient, hessian = np.empty(n + 8)[shift : shift + n], np.empty(n + 8)[shift : shift + n]
        fl.MeanSquaredError().gradient_and_hessian(y, f, reduction="sum", out=(gradient, hessian))
        assert np.array_equal(gradient, 2 * f)
        assert np.all(hessian == 2)


# ---- refused --------------------------------------------------------------------------------------------------------


def readonly() -> np.ndarray:
    array = np.empty(3)
    array.flags.writeable = False
    return array


REFUSED = {
    "list": ([0.0, 0.0, 0.0], TypeError, "must be a NumPy array"),
    "masked": (np.ma.zeros(3), TypeError, "must be a NumPy array"),
    "float16": (np.empty(3, np.float16), TypeError, "must be float32 or float64"),
    "longdouble": (np.empty(3, np.longdouble), TypeError, "must be float32 or float64"),
    "int": (np.empty(3, int), TypeError, "must be float32 or float64"),
    "complex64": (np.empty(3, np.complex64), TypeError, "must be float32 or float64"),
    "short": (np.empty(2), ValueError, "must have the shape"),
    "column": (np.empty((3, 1)), ValueError, "must have the shape"),
    "0-d": (np.empty(()), ValueError, "must have the shape"),
    "read-only": (readonly(), ValueError, "must be writeable"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(kind) -> None:
    out, error, message = REFUSED[kind]
    loss, y, f = fl.Huber(), np.zeros(3), np.ones(3)
    with pytest.raises(error, match=f"out for the gradient {message}"):
        loss.gradient(y, f, out=out)
    with pytest.raises(error, match=f"out for the hessian {message}"):
        loss.gradient_and_hessian(y, f, out=(np.empty(3), out))
    with pytest.raises(error, match=f"out for the value {message}"):
        loss(y, f, reduction="none", out=(out,))
    with pytest.raises(error, match=f"out for the gradient {message}"):
        loss.reference.gradient(y, f, out=out)


def test_refused_numbers_of_arrays() -> None:
    loss, y, f, out = fl.Huber(), np.zeros(3), np.ones(3), np.empty(3)
    for call, given in (
        (loss.gradient, (out, out)),
        (loss.gradient_and_hessian, (out,)),
        (loss.gradient_and_hessian, out),
        (loss.evaluate, (out, out, out)),  # the mean is a float
    ):
        with pytest.raises(ValueError, match="out must hold"):
            call(y, f, out=given)
    with pytest.raises(ValueError, match="the value is a float"):
        loss(y, f, out=out)


def test_outputs_must_not_overlap() -> None:
    out = np.empty(4)
    for pair in ((out[:3], out[:3]), (out[:3], out[1:]), (out[:3], out[2::-1])):
        with pytest.raises(ValueError, match="out must hold arrays that do not overlap"):
            fl.Huber().gradient_and_hessian(np.zeros(3), np.ones(3), out=pair)


def test_outputs_may_interleave(default_loss, rng) -> None:
    """The two columns that boosters keep side by side."""
    y, f = draw(default_loss, N, rng)
    both = np.empty((*f.shape, 2))
    default_loss.gradient_and_hessian(y, f, out=(both[..., 0], both[..., 1]))
    gradient, hessian = default_loss.gradient_and_hessian(y, f)
    assert np.array_equal(both[..., 0], gradient)
    assert np.array_equal(both[..., 1], hessian)
