"""Row losses take every kind of array: the same result as contiguous native ones."""

from __future__ import annotations

import numpy as np
import pytest
from rows import (
    METHODS,
    assert_near,
    default_row_losses,
    draw_rows,
    every_form,
    forms,
    has_hessian,
    n_classes,
    outputs,
    sized,
)
from support import same

import fastloss as fl
from fastloss._domains import UNIT

EPS = {np.float64: 2.0**-52, np.float32: 2.0**-23}
every_target = pytest.mark.parametrize(("loss", "form"), every_form(default_row_losses()), ids=repr)


def results(loss, *given, reduction: str = "none"):
    """All methods that the loss offers."""
    names = [name for name in METHODS if has_hessian(loss) or ("hessian" not in name and name != "evaluate")]
    return tuple(getattr(loss, name)(*given, reduction=reduction) for name in names)


def flat(items) -> list:
    return [x for item in items for x in (flat(item) if isinstance(item, tuple) else [item])]


# ---- layouts --------------------------------------------------------------------------------------------------------


def unaligned(x: np.ndarray) -> np.ndarray:
    raw = np.empty(x.nbytes + 1, np.uint8)[1:]
    moved = raw.view(x.dtype).reshape(x.shape)
    moved[...] = x
    return moved


def readonly(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


def within(x: np.ndarray) -> np.ndarray:
    """One plane of a wide table."""
    table = np.full((*x.shape, 37), np.nan if x.dtype.kind == "f" else 10**6, x.dtype)
    table[..., 11] = x
    return table[..., 11]


LAYOUTS = {
    "every third row": lambda x: np.repeat(x, 3, axis=0)[::3],
    "every second class": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "rows reversed": lambda x: x[::-1].copy()[::-1],
    "classes reversed": lambda x: x[..., ::-1].copy()[..., ::-1],
    "both reversed": lambda x: np.flip(np.flip(x).copy()),
    "Fortran order": np.asfortranarray,
    "Fortran order, strided": lambda x: np.asfortranarray(np.repeat(x, 2, axis=0))[::2],
    "table plane": within,
    "unaligned": unaligned,
    "read-only": readonly,
    "other byte order": lambda x: x.astype(x.dtype.newbyteorder("S")),
    "repeated row": lambda x: np.broadcast_to(x[:1], x.shape),
    "repeated class": lambda x: np.broadcast_to(x[..., :1], x.shape),
    "buffer": memoryview,
    "nested lists": lambda x: x.tolist(),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@every_target
def test_layouts(loss, form, rng, layout) -> None:
    for k in (3, 33):
        loss = sized(loss, k)
        for dtype, eps in EPS.items():
            if layout == "nested lists" and dtype == np.float32:
                continue
            plain = [*draw_rows(loss, 50, k, rng, form=form), rng.random(50)]
            if layout == "repeated class" and loss.info.name == "categorical_hinge":
                plain[0] = rng.integers(0, k, 50)
            plain = [x.astype(dtype) if x.dtype.kind == "f" else x for x in plain]
            given = [LAYOUTS[layout](x) for x in plain]
            native = [np.array(x, p.dtype, order="C") for x, p in zip(given, plain, strict=True)]
            for changed in ((0,), (1,), (2,), (0, 1, 2)):
                mixed, expected = ([x[j] if j in changed else plain[j] for j in range(3)] for x in (given, native))
                for reduction in ("none", "mean"):
                    computed = flat(results(loss, *mixed, reduction=reduction))
                    for a, b in zip(computed, flat(results(loss, *expected, reduction=reduction)), strict=True):
                        assert np.asarray(a).dtype == np.asarray(b).dtype
                        assert_near(a, b, 64 * eps, layout)
            for x, before in zip(given, native, strict=True):
                assert np.array_equal(np.asarray(x), before), "an input was modified"


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (7, 1, 5), (2, 3)])
@every_target
def test_leading_dimensions(loss, form, rng, shape) -> None:
    n, k = int(np.prod(shape)), n_classes(loss)
    y, f = draw_rows(loss, n, k, rng, form=form)
    w = rng.random(n)
    plain = loss.evaluate(y, f, w, outputs=outputs(loss), reduction="none")
    for order in "CF":
        shaped = [np.asarray(x.reshape(shape + x.shape[1:]), order=order) for x in (y, f, w)]
        computed = loss.evaluate(*shaped, outputs=outputs(loss), reduction="none")
        for name in outputs(loss):
            a, b = getattr(computed, name), getattr(plain, name)
            assert isinstance(a, np.ndarray)
            assert a.shape == shape + b.shape[1:]
            assert_near(a.reshape(b.shape), b, 64 * EPS[np.float64])
        mean = loss.gradient(*shaped)
        assert_near(mean.reshape(f.shape), loss.gradient(y, f, w), 64 * EPS[np.float64])


@pytest.mark.parametrize("axes", [(1, 0, 2), (2, 0, 1), (2, 1, 0)])
def test_axes_in_any_order(default_row_loss, rng, axes) -> None:
    """Such as the classes on axis 1, moved last by a transpose."""
    loss, k = default_row_loss, n_classes(default_row_loss)
    y, f = (x.reshape(4, 5, *x.shape[1:]) for x in draw_rows(loss, 20, k, rng))
    turned = np.ascontiguousarray(f.transpose(axes)).transpose(np.argsort(axes))
    for a, b in zip(flat(results(loss, y, turned)), flat(results(loss, y, f)), strict=True):
        assert_near(a, b, 64 * EPS[np.float64])


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0, 4)])
@every_target
def test_nothing(loss, form, shape) -> None:
    k = n_classes(loss)
    y = np.empty(shape + (k,) * (form in ("dense", "vectors")), int if form == "labels" else float)
    f = np.empty((*shape, k))
    for weight in (None, np.empty(shape), 2.0):
        for methods in (loss, loss.reference):
            result = methods.evaluate(y, f, weight, outputs=outputs(loss), reduction="sum")
            assert result.value == 0.0
            assert result.gradient.shape == f.shape
            assert methods(y, f, weight, reduction="none").shape == shape
            for method in METHODS:
                if has_hessian(loss) or method in ("__call__", "gradient", "value_and_gradient"):
                    with pytest.raises(ValueError, match="reduction='mean'"):
                        getattr(methods, method)(y, f, weight)


# ---- element types --------------------------------------------------------------------------------------------------

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", ">i2", ">u4", ">i8", "intp"]


@pytest.mark.parametrize("name", [*INTEGERS, "bool", "float16", "float32", "float64", "longdouble", ">f4"])
@pytest.mark.parametrize("loss", [x for x in default_row_losses() if "labels" in forms(x)], ids=repr)
def test_types_of_labels(loss, rng, name) -> None:
    dtype, k = np.dtype(name), 2 if name == "bool" else 7
    y, f = draw_rows(loss, 100, k, rng, form="labels")
    w = rng.random(100)
    expected = results(loss, y, f, w, reduction="mean")
    assert same(results(loss, y.astype(dtype), f, w, reduction="mean"), expected)
    assert same(results(loss, np.repeat(y.astype(dtype), 2)[::-2][::-1], f, w, reduction="mean"), expected)
    assert same(loss.reference(y.astype(dtype), f, w), loss.reference(y, f, w))
    single = f.astype(np.float32)
    assert same(results(loss, y.astype(dtype), single), results(loss, y, single))


@pytest.mark.parametrize("name", ["int64", "int8", "uint8", "int16", "float32", "float64"])
def test_ignored_labels_of_any_type(name, rng) -> None:
    ignored = 255 if name == "uint8" else -100
    for logits in (True, False):
        loss = fl.SparseCategoricalCrossEntropy(from_logits=logits, ignore_index=ignored)
        y, f = draw_rows(loss, 100, 5, rng)
        assert (y == ignored).any()
        assert same(results(loss, y.astype(name), f, reduction="mean"), results(loss, y, f, reduction="mean"))


def test_an_ignored_index_that_the_type_of_the_labels_cannot_hold(rng) -> None:
    y, f = rng.integers(0, 5, 20).astype(np.uint8), rng.standard_normal((20, 5))
    loss = fl.SparseCategoricalCrossEntropy(from_logits=True, ignore_index=-100)
    assert loss(y, f) == fl.SparseCategoricalCrossEntropy(from_logits=True)(y, f)
    y[7] = 256 - 100
    with pytest.raises(ValueError, match=r"^y_true must be .*, got 156 at index 7"):
        loss(y, f)


@pytest.mark.parametrize("name", ["int8", "int64", "uint16", "bool", "float16", "float32", ">f2", ">f4", "longdouble"])
@every_target
def test_types_of_predictions(loss, form, rng, name) -> None:
    dtype, k = np.dtype(name), n_classes(loss)
    y, _ = draw_rows(loss, 100, k, rng, form=form)
    unit = loss.info.f_domain == UNIT
    high = 2 if unit or name == "bool" else 5
    f = rng.integers(0, high, (100, k))
    if dtype.kind == "f":
        f = rng.integers(0, 9, (100, k)) / 8
    real = np.float32 if dtype.kind == "f" and dtype.itemsize < 8 else np.float64
    expected = results(loss, y, f.astype(real))
    for a, b in zip(flat(results(loss, y, f.astype(dtype))), flat(expected), strict=True):
        assert a.dtype == real
        assert_near(a, b, 64 * EPS[real])
    assert loss.reference.gradient(y, f.astype(dtype)).dtype == real


@pytest.mark.parametrize("name", ["int8", "uint8", "bool", "float16", "float32", ">f4", "longdouble"])
@pytest.mark.parametrize(("loss", "form"), [x for x in every_form(default_row_losses()) if x[1] != "labels"], ids=repr)
def test_types_of_targets(loss, form, rng, name) -> None:
    k = n_classes(loss)
    _, f = draw_rows(loss, 60, k, rng, form=form)
    hot = np.eye(k, dtype=int)[rng.integers(0, k, 60)]
    y = hot if form in ("dense", "vectors") else rng.integers(0, 2, 60)
    w = rng.integers(0, 3, 60)
    expected = results(loss, y.astype(float), f, w.astype(float))
    for a, b in zip(flat(results(loss, y.astype(name), f, w.astype(np.int16))), flat(expected), strict=True):
        assert a.dtype == np.float64
        assert_near(a, b, 64 * EPS[np.float64])


def test_float32_predictions_with_other_float64_arguments(default_row_loss, rng) -> None:
    loss, k = default_row_loss, n_classes(default_row_loss)
    y, f = draw_rows(loss, 60, k, rng)
    w, single = rng.random(60), f.astype(np.float32)
    mixed = results(loss, y, single, w)
    narrow = results(loss, y.astype(np.float32) if y.dtype.kind == "f" else y, single, w.astype(np.float32))
    for a, b in zip(flat(mixed), flat(narrow), strict=True):
        assert a.dtype == np.float32
        assert_near(a, b, 64 * EPS[np.float32])


def test_pandas(rng) -> None:
    pandas = pytest.importorskip("pandas")
    loss = fl.SparseCategoricalCrossEntropy(from_logits=True)
    y, f = draw_rows(loss, 50, 4, rng)
    frame, labels = pandas.DataFrame(f), pandas.Series(y, index=np.arange(50)[::-1])
    assert same(results(loss, labels, frame), results(loss, y, f))


# ---- outputs --------------------------------------------------------------------------------------------------------


def like(x: np.ndarray, dtype: type) -> dict[str, np.ndarray]:
    """Arrays of the shape of x in many layouts, filled with a number that must disappear."""
    shape, tail = x.shape, x.shape[1:]
    arrays = {
        "contiguous": np.empty(shape, dtype),
        "strided": np.empty((3 * len(x), *tail), dtype)[::3],
        "reversed": np.empty(shape, dtype)[::-1],
        "classes reversed": np.empty(shape, dtype)[..., ::-1],
        "Fortran order": np.empty(shape, dtype, order="F"),
        "table plane": np.empty((*shape, 37), dtype)[..., 11],
        "unaligned": np.zeros(x.size * np.dtype(dtype).itemsize + 1, np.uint8)[1:].view(dtype).reshape(shape),
        "other byte order": np.empty(shape, np.dtype(dtype).newbyteorder("S")),
    }
    for item in arrays.values():
        item[...] = 99
    return arrays


@pytest.mark.parametrize("out_dtype", EPS)
@pytest.mark.parametrize("dtype", EPS)
@every_target
def test_outputs_of_any_layout_and_type(loss, form, rng, dtype, out_dtype) -> None:
    for k in (3, 40):
        loss = sized(loss, k)
        y, f = (x.astype(dtype) if x.dtype.kind == "f" else x for x in draw_rows(loss, 50, k, rng, form=form))
        w = rng.random(50).astype(dtype)
        for layout in (np.ascontiguousarray, np.asfortranarray):
            f = layout(f)
            expected = loss.evaluate(y, f, w, outputs=outputs(loss), reduction="none")
            eps = max(EPS[dtype], EPS[out_dtype])
            for name, out in like(f, out_dtype).items():
                assert loss.gradient(y, f, w, reduction="none", out=out) is out
                assert_near(out, expected.gradient, 64 * eps, name)
            for name, out in like(w, out_dtype).items():
                assert loss(y, f, w, reduction="none", out=out) is out
                assert_near(out, expected.value, 64 * eps, name)
            if not has_hessian(loss):
                continue
            for g, h in zip(like(f, out_dtype).values(), reversed(like(f, out_dtype).values()), strict=True):
                pair = loss.gradient_and_hessian(y, f, w, reduction="none", out=(g, h))
                assert pair[0] is g
                assert pair[1] is h
                assert_near(g, expected.gradient, 64 * eps)
                assert_near(h, expected.hessian, 64 * eps)


@pytest.mark.parametrize("dtype", EPS)
@every_target
def test_an_input_may_be_the_output(loss, form, rng, dtype) -> None:
    for n, k in ((7, 3), (400, 10), (3, 3000)):
        loss = sized(loss, k)
        y, f = (x.astype(dtype) if x.dtype.kind == "f" else x for x in draw_rows(loss, n, k, rng, form=form))
        w = rng.random(n).astype(dtype)
        for layout in (np.ascontiguousarray, np.asfortranarray):
            f = layout(f)
            for reduction in ("mean", "sum"):
                value, gradient = loss.value_and_gradient(y, f, w, reduction=reduction)
                mine = f.copy(order="K")
                assert loss.gradient(y, mine, w, reduction=reduction, out=mine) is mine
                assert_near(mine, gradient, 8 * EPS[dtype])
                mine = f.copy(order="K")
                assert loss.value_and_gradient(y, mine, w, reduction=reduction, out=mine)[0] == value
                assert_near(mine, gradient, 8 * EPS[dtype])
                if y.shape == f.shape:
                    mine = y.copy()
                    loss.gradient(mine, f, w, reduction=reduction, out=mine)
                    assert_near(mine, gradient, 64 * EPS[dtype])
                if has_hessian(loss):
                    gradient, hessian = loss.gradient_and_hessian(y, f, w, reduction=reduction)
                    mine, other = f.copy(order="K"), np.empty_like(f)
                    loss.gradient_and_hessian(y, mine, w, reduction=reduction, out=(other, mine))
                    assert_near(other, gradient, 8 * EPS[dtype])
                    assert_near(mine, hessian, 8 * EPS[dtype])
            mine = w.copy()
            loss(y, f, mine, reduction="none", out=mine)
            assert_near(mine, loss(y, f, w, reduction="none"), 8 * EPS[dtype])


@pytest.mark.parametrize("step", [1, -1, 4, 5])
def test_shifted_overlap(default_row_loss, rng, step) -> None:
    """The output is where the input lies, but some entries further on, or in reverse order."""
    loss = sized(default_row_loss, 4)
    y, f = draw_rows(loss, 100, 4, rng)
    expected = loss.gradient(y, f)
    base = np.zeros(f.size + 5)
    mine = base[: f.size].reshape(f.shape)
    mine[...] = f
    out = (base[: f.size][::-1] if step < 0 else base[step:][: f.size]).reshape(f.shape)
    assert np.shares_memory(out, mine)
    loss.gradient(y, mine, out=out)
    assert_near(out, expected, 64 * EPS[np.float64])


def test_inputs_survive_an_error(default_row_loss, rng) -> None:
    """A bad value is found before the first write, even in the last row."""
    loss = sized(default_row_loss, 4)
    y, f = draw_rows(loss, 300, 4, rng)
    w = np.ones(300)
    w[-1] = -1
    for reduction in ("mean", "sum", "none"):
        before = f.copy()
        with pytest.raises(ValueError, match="sample_weight"):
            loss.gradient(y, f, w, reduction=reduction, out=f)
        assert np.array_equal(f, before)


def test_none_asks_for_a_new_array(rng) -> None:
    loss = fl.SparseCategoricalCrossEntropy(from_logits=True)
    y, f = draw_rows(loss, 50, 4, rng)
    expected, hessian = loss.evaluate(y, f), np.empty((50, 4))
    assert same(loss.gradient_and_hessian(y, f, out=(None, hessian)), tuple(expected[1:]))
    assert same(loss.evaluate(y, f, out=(None, hessian)), tuple(expected))


def test_outputs_that_are_refused() -> None:
    loss, y, f = fl.SparseCategoricalCrossEntropy(from_logits=True), [0, 1], np.zeros((2, 3))
    locked = np.empty((2, 3))
    locked.flags.writeable = False
    for out, error, message in (
        ([[0.0] * 3] * 2, TypeError, "must be a NumPy array"),
        (np.empty((2, 3), np.float16), TypeError, "must be float32 or float64"),
        (np.empty((2, 3), int), TypeError, "must be float32 or float64"),
        (np.empty((2, 2)), ValueError, r"must have the shape \(2, 3\), got \(2, 2\)"),
        (np.empty(2), ValueError, r"must have the shape \(2, 3\), got \(2,\)"),
        (locked, ValueError, "must be writeable"),
    ):
        for methods in (loss, loss.reference):
            with pytest.raises(error, match=f"out for the gradient {message}"):
                methods.gradient(y, f, out=out)
            with pytest.raises(error, match=f"out for the hessian {message}"):
                methods.gradient_and_hessian(y, f, out=(np.empty((2, 3)), out))
    with pytest.raises(ValueError, match=r"out for the value must have the shape \(2,\), got \(2, 3\)"):
        loss(y, f, reduction="none", out=np.empty((2, 3)))
    with pytest.raises(ValueError, match="the value is a float"):
        loss(y, f, out=np.empty(2))
    with pytest.raises(ValueError, match="out must hold"):
        loss.gradient_and_hessian(y, f, out=np.empty((2, 3)))
    shared = np.empty((2, 3))
    with pytest.raises(ValueError, match="out must hold arrays that do not overlap"):
        loss.gradient_and_hessian(y, f, out=(shared, shared))


# ---- more elements than an int can count ----------------------------------------------------------------------------


def test_more_than_two_to_the_31_elements() -> None:
    n, k = 2**16 + 1, 2**15 + 1
    f = np.broadcast_to(np.arange(k, dtype=np.float32), (n, k))
    y = np.full(n, k - 1)
    assert fl.NegativeLogLikelihood()(y, f, reduction="sum") == -float(n * (k - 1))


@pytest.mark.parametrize("classes", [7, 10])
def test_outputs_beyond_the_cache_are_the_same(classes):
    """100 MB of results leave past the cache; a few rows of them do not."""
    rng = np.random.default_rng(0)
    n = 12_000_000 // classes + 5
    y, z = rng.integers(0, classes, n), rng.standard_normal((n, classes), np.float32)
    loss = fl.SparseCategoricalCrossEntropy(from_logits=True)
    whole = [np.empty(n * classes + 1, np.float32)[1:].reshape(n, classes) for _ in range(2)]
    loss.gradient_and_hessian(y, z, reduction="sum", out=tuple(whole))
    for start in (0, 1000, n - 777):
        rows = slice(start, start + 777)
        for got, expected in zip(whole, loss.gradient_and_hessian(y[rows], z[rows], reduction="sum"), strict=True):
            np.testing.assert_array_equal(got[rows], expected)
