"""Every kind of input: the same result as contiguous native arrays, or a clear error that names the argument."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from support import default_losses, draw, same

import fastloss as fl
from fastloss._domains import Labels

SHAPE = (11, 10, 10)  # more than one block
ARGUMENTS = ("y_true", "y_pred", "sample_weight")
METHODS = ("__call__", "gradient", "hessian", "value_and_gradient", "gradient_and_hessian", "evaluate")


def arguments(loss: fl.PointwiseLoss, rng: np.random.Generator, dtype: type = np.float64) -> list[np.ndarray]:
    n = int(np.prod(SHAPE))
    y, f = draw(loss, n, rng)
    return [x.astype(dtype).reshape(SHAPE + x.shape[1:]) for x in (y, f, rng.random(n))]


def results(loss: fl.PointwiseLoss, *given: Any, reduction: str = "mean") -> tuple[Any, ...]:
    return tuple(getattr(loss, method)(*given, reduction=reduction) for method in METHODS)


# ---- layouts --------------------------------------------------------------------------------------------------------


def unaligned(x: np.ndarray) -> np.ndarray:
    raw = np.empty(x.nbytes + 1, np.uint8)[1:]
    moved = raw.view(x.dtype).reshape(x.shape)
    moved[...] = x
    assert not moved.flags.aligned
    return moved


def within(x: np.ndarray) -> np.ndarray:
    """One column of a wide table."""
    table = np.full((*x.shape, 257), np.nan, x.dtype)
    table[..., 100] = x
    return table[..., 100]


def memmap(x: np.ndarray, path: Any) -> np.ndarray:
    file = path / f"{len(list(path.iterdir()))}.npy"
    np.save(file, x)
    return np.load(file, mmap_mode="r")


def readonly(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


class Converts:
    """Something with __array__ only."""

    def __init__(self, x: np.ndarray) -> None:
        self.x = x

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.x if dtype is None else self.x.astype(dtype)


class Exports:
    """Something with DLPack only."""

    def __init__(self, x: np.ndarray) -> None:
        self.x = x

    def __dlpack__(self, **keywords: Any) -> Any:
        return self.x.__dlpack__(**keywords)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.x.__dlpack_device__()


LAYOUTS = {
    "strided": lambda x, _: np.repeat(x, 3, axis=1)[:, ::3],
    "reversed": lambda x, _: x[::-1].copy()[::-1],
    "partly reversed": lambda x, _: x[:, ::-1].copy()[:, ::-1],
    "table column": lambda x, _: within(x),
    "Fortran order": lambda x, _: np.asfortranarray(x),
    "axes swapped": lambda x, _: np.ascontiguousarray(np.swapaxes(x, 0, 1)).swapaxes(0, 1),
    "repeated row": lambda x, _: np.broadcast_to(x[:1], x.shape),
    "repeated column": lambda x, _: np.broadcast_to(x[:, :1], x.shape),
    "one repeated sample": lambda x, _: np.broadcast_to(x[:1, :1, :1], x.shape),
    "unaligned": lambda x, _: unaligned(x),
    "read-only": lambda x, _: readonly(x),
    "other byte order": lambda x, _: x.astype(x.dtype.newbyteorder("S")),
    "other byte order, strided": lambda x, _: np.repeat(x.astype(x.dtype.newbyteorder("S")), 2, axis=0)[::2],
    "memmap": memmap,
    "buffer": lambda x, _: memoryview(x),
    "__array__": lambda x, _: Converts(x),
    "DLPack": lambda x, _: Exports(x),
    "nested lists": lambda x, _: x.tolist(),
}


@pytest.mark.parametrize(
    ("layout", "dtype"),
    [(x, t) for x in LAYOUTS for t in (np.float64, np.float32) if x != "nested lists" or t == np.float64],
)
def test_layouts(default_loss, rng, layout, dtype, tmp_path) -> None:
    plain = arguments(default_loss, rng, dtype)
    given = [LAYOUTS[layout](x, tmp_path) for x in plain]
    native = [np.array(x.x if hasattr(x, "x") else x, dtype, order="C") for x in given]
    for changed in [(0,), (1,), (2,), (0, 1, 2)]:
        mixed = [given[k] if k in changed else plain[k] for k in range(3)]
        expected = [native[k] if k in changed else plain[k] for k in range(3)]
        assert same(results(default_loss, *mixed, reduction="none"), results(default_loss, *expected, reduction="none"))
        size = np.mean(np.abs(default_loss(*expected, reduction="none")))
        for a, b in zip(default_loss.evaluate(*mixed), default_loss.evaluate(*expected), strict=True):
            # sums follow the order in memory, so that a mean may differ in its last bit
            np.testing.assert_allclose(a, b, rtol=2 * np.finfo(dtype).eps, atol=1e-15 * size)
    for x, before in zip(given, native, strict=True):
        assert np.array_equal(np.asarray(x.x if hasattr(x, "x") else x), before), "an input was modified"


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (7, 1, 5)])
def test_small_shapes(default_loss, rng, shape) -> None:
    n = int(np.prod(shape))
    y, f = draw(default_loss, n, rng)
    flat = default_loss.evaluate(y, f, reduction="none")
    shaped = default_loss.evaluate(y.reshape(shape), f.reshape(shape + f.shape[1:]), reduction="none")
    for a, b in zip(shaped, flat, strict=True):
        assert isinstance(a, np.ndarray)
        assert same(a, b.reshape(shape + b.shape[1:]))
    if shape == ():
        scalar_f = float(f[0]) if f.ndim == 1 else f[0].tolist()
        assert same(default_loss.evaluate(float(y[0]), scalar_f, 1, reduction="none"), shaped)
        assert default_loss(y[0], scalar_f) == float(flat.value[0])


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0, 4)])
def test_nothing(default_loss, shape) -> None:
    y, f = np.empty(shape), np.empty(shape + (2,) * (default_loss.n_predictions - 1))
    for weight in (None, np.empty(shape), 2.0):
        value, gradient, hessian = default_loss.evaluate(y, f, weight, reduction="sum")
        assert value == 0.0
        assert gradient.shape == hessian.shape == f.shape
        assert default_loss(y, f, weight, reduction="none").shape == shape
        for method in METHODS:
            with pytest.raises(ValueError, match=r"mean over nothing|must not sum to zero"):
                getattr(default_loss, method)(y, f, weight)


# ---- element types --------------------------------------------------------------------------------------------------

TYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 longdouble >i2 >u4 >f2 >f4 >f8"


def whole_numbers(domain: Any, dtype: np.dtype, n: int, rng: np.random.Generator) -> np.ndarray:
    candidates = np.array([0, 1] if dtype.kind == "b" else [0, 1, 2, 3] if dtype.kind == "u" else [-2, -1, 0, 1, 2, 3])
    inside = domain.contains(candidates.astype(float)) & ((candidates >= 0) | (not isinstance(domain, Labels)))
    return rng.choice(candidates[inside], n)


@pytest.mark.parametrize("name", TYPES.split())
def test_element_types(default_loss, rng, name) -> None:
    loss, dtype, n = default_loss, np.dtype(name), 600
    y = whole_numbers(loss.info.y_domain, dtype, n, rng)
    f = np.stack([whole_numbers(domain, dtype, n, rng) for domain in loss.f_domains], -1)
    f = f if loss.n_predictions > 1 else f[:, 0]
    w = rng.integers(0, 2, n)
    real = np.float32 if dtype.kind == "f" and dtype.itemsize < 8 else np.float64
    for changed in itertools.chain([(k,) for k in range(3)], [(0, 1, 2)]):
        given = [x.astype(dtype if k in changed else float) for k, x in enumerate((y, f, w))]
        expected = [x.astype(real if 1 in changed else float) for x in (y, f, w)]
        for reduction in ("mean", "none"):
            computed = loss.evaluate(*given, reduction=reduction)
            assert same(computed, loss.evaluate(*expected, reduction=reduction))
            assert computed.gradient.dtype == (real if 1 in changed else np.float64)


def test_float32_predictions_with_other_float64_arguments(default_loss, rng) -> None:
    y, f, w = arguments(default_loss, rng)
    single = [x.astype(np.float32) for x in (y, f, w)]
    assert same(results(default_loss, y, single[1], w), results(default_loss, *single))


def test_pandas(rng) -> None:
    pandas = pytest.importorskip("pandas")
    y, f, w = rng.random((3, 50))
    frame = pandas.DataFrame({"y": y, "f": f, "w": w}, index=np.arange(50)[::-1])
    for loss in default_losses():
        if loss.n_predictions == 1 and not isinstance(loss.info.y_domain, Labels):
            assert same(results(loss, frame.y, frame.f, frame.w), results(loss, y, f, w))


# ---- more elements than an int can count ----------------------------------------------------------------------------


def test_more_than_two_to_the_31_elements() -> None:
    n = 2**31 + 5
    y, f = np.broadcast_to(np.int8(1), (n,)), np.broadcast_to(np.float32(3), (n,))
    assert fl.MeanSquaredError()(y, f, reduction="sum") == 4.0 * n
