"""Losses of regions: arrays of every kind, results in arrays of the caller, threads, objects."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest
from layouts import read_only, unaligned
from rows import one_hot
from support import same

import fastloss as fl
from fastloss._regions import RegionLoss

LOSSES = [name for name in fl.list_losses() if isinstance(fl.get(name), RegionLoss)]
MODES = ("labels", "multiclass", "multilabel", "binary")


def example(name, mode, rng, shape=(3, 5, 6, 7)):
    loss = fl.get(name, mode="multiclass" if mode == "labels" else mode, from_logits=True)
    f = np.round(2 * rng.standard_normal(shape), 3)
    y = rng.integers(0, shape[1], (shape[0], *shape[2:]))
    if mode == "binary":
        return loss, y % 2, f[:, 0]
    return loss, np.moveaxis(one_hot(y, shape[1]), -1, 1) if mode in ("multiclass", "multilabel") else y, f


def strided(a):
    """The same numbers two apart on every axis, backwards on the last one."""
    wide = np.zeros(tuple(2 * k for k in a.shape), a.dtype)
    view = wide[tuple(slice(None, None, 2) for _ in a.shape)][..., ::-1]
    view[...] = a
    return view


LAYOUTS = {
    "Fortran": np.asfortranarray,
    "strided": strided,
    "unaligned": unaligned,
    "swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "read-only": read_only,
    "pixels first": lambda a: np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 0, -1)), -1, 0),
    "channels last in memory": lambda a: np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1),
    "list": lambda a: a.tolist(),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("mode", MODES)
def test_layouts(name, mode, rng) -> None:
    loss, y, f = example(name, mode, rng)
    for dtype in (np.float64, np.float32):
        given = f.astype(dtype)
        value, gradient = loss.value_and_gradient(y, given, reduction="none")
        for layout, change in LAYOUTS.items():
            for targets, predictions in ((change(y), given), (y, change(given)), (change(y), change(given))):
                result = loss.value_and_gradient(targets, predictions, reduction="none")
                kind = dtype if layout != "list" or predictions is given else np.float64
                assert result[1].dtype == kind, layout
                tolerance = 1e-5 if dtype == np.float32 else 1e-13
                np.testing.assert_allclose(result[0], value, rtol=tolerance, err_msg=layout)
                np.testing.assert_allclose(result[1], gradient, rtol=tolerance, atol=tolerance * 1e-2, err_msg=layout)


@pytest.mark.parametrize("name", LOSSES)
def test_types(name, rng) -> None:
    for mode in MODES:
        loss, y, f = example(name, mode, rng)
        value, gradient = loss.value_and_gradient(y, f.astype(np.float16))
        assert gradient.dtype == np.float32
        expected = loss.value_and_gradient(y, f.astype(np.float16).astype(np.float32))
        assert same((value, gradient), expected)
        whole = np.round(f).astype(np.int64)
        assert same(loss.value_and_gradient(y, whole), loss.value_and_gradient(y, whole.astype(np.float64)))
        assert loss.gradient(y, whole).dtype == np.float64
        expected = loss.value_and_gradient(y, f)
        for kind in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "g", ">i4", ">f4", "?"):
            if kind == "?" and y.max() > 1:
                continue
            assert same(loss.value_and_gradient(y.astype(kind), f), expected), kind
        f32 = f.astype(np.float32)
        expected = loss.value_and_gradient(y, f32)
        for kind in ("u1", "i8", "f8", "f4"):
            assert same(loss.value_and_gradient(y.astype(kind), f32), expected), kind


@pytest.mark.parametrize("name", LOSSES)
def test_soft_targets_of_any_type(name, rng) -> None:
    if name == "lovasz":
        return
    y, f = rng.integers(0, 5, (2, 3, 40)) / 4, rng.standard_normal((2, 3, 40))
    for mode in ("multiclass", "multilabel"):
        loss = fl.get(name, mode=mode, from_logits=True)
        expected = loss.value_and_gradient(y, f)
        for kind in ("f4", ">f4", "f2", "g"):
            assert same(loss.value_and_gradient(y.astype(kind), f), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_targets_that_are_read_where_they_lie_are_checked(dtype) -> None:
    """-0 is 0; what is just outside [0, 1] is not."""
    f, y = np.full((1, 64), 0.5, dtype), np.zeros((1, 64), dtype)
    loss = fl.Dice(mode="binary")
    y[0, 1] = 1
    expected = loss.value_and_gradient(y, f)
    y[0, 2:40] = -0.0
    assert same(loss.value_and_gradient(y, f), expected)
    for bad in (np.nextafter(dtype(1), dtype(2)), -np.finfo(dtype).tiny, -2.0, 1e30, np.inf, -np.inf, np.nan, -np.nan):
        y[0, 33] = bad
        with pytest.raises(ValueError, match=r"y_true must be in \[0, 1\], got .* at index \(0, 33\)"):
            loss(y, f)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("mode", MODES)
def test_out(name, mode, rng) -> None:
    loss, y, f = example(name, mode, rng, (3, 6, 5, 64))
    for dtype in (np.float64, np.float32):
        given = f.astype(dtype)
        values, gradient = loss.value_and_gradient(y, given, reduction="none")
        for kind in (np.float64, np.float32):
            for out in (np.empty(f.shape, kind), strided(np.zeros(f.shape, kind)), np.empty(f.shape, kind, "F")):
                assert loss.gradient(y, given, reduction="none", out=out) is out
                np.testing.assert_array_equal(out, gradient.astype(kind))
        out = np.empty(3, np.float32), np.empty(f.shape, f.dtype)
        result = loss.value_and_gradient(y, given, reduction="none", out=out)
        assert result[0] is out[0]
        assert result[1] is out[1]
        np.testing.assert_array_equal(out[0], values.astype(np.float32))
        np.testing.assert_array_equal(out[1], gradient)
        assert same(loss(y, given, reduction="none", out=np.empty(3, dtype)), values)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("mode", MODES)
def test_out_may_be_an_input(name, mode, rng) -> None:
    loss, y, f = example(name, mode, rng, (3, 6, 5, 64))
    gradient = loss.gradient(y, f)
    inplace = f.copy()
    assert loss.gradient(y, inplace, out=inplace) is inplace
    np.testing.assert_array_equal(inplace, gradient)
    backwards = f.copy()
    loss.gradient(y, backwards[..., ::-1][..., ::-1], out=backwards[...])
    np.testing.assert_array_equal(backwards, gradient)
    shifted = np.zeros((f.shape[0] + 1, *f.shape[1:]))
    shifted[:-1] = f
    loss.gradient(y, shifted[:-1], out=shifted[1:])
    np.testing.assert_array_equal(shifted[1:], gradient)
    if y.shape == f.shape:
        targets = y.astype(f.dtype)
        loss.gradient(targets, f, out=targets)
        np.testing.assert_array_equal(targets, gradient)
    with pytest.raises(ValueError, match="out for the gradient must have the shape"):
        loss.gradient(y, f, out=np.empty(f.shape[1:]))
    with pytest.raises(TypeError, match="out for the gradient must be float32 or float64"):
        loss.gradient(y, f, out=np.empty(f.shape, int))
    with pytest.raises(ValueError, match="out must be None"):
        loss(y, f, out=np.empty(3))


@pytest.mark.parametrize("name", LOSSES)
def test_inputs_stay_as_they_are(name, rng) -> None:
    for mode in MODES:
        loss, y, f = example(name, mode, rng)
        before = y.copy(), f.copy()
        loss.value_and_gradient(y, f)
        assert same(before, (y, f))


@pytest.mark.parametrize("name", LOSSES)
def test_nothing_to_add_up(name) -> None:
    loss = fl.get(name, from_logits=True)
    for shape in ((0, 3, 4), (2, 3, 0), (0, 3, 0, 2)):
        f, y = np.zeros(shape), np.zeros((shape[0], *shape[2:]), int)
        value, gradient = loss.value_and_gradient(y, f, reduction="sum")
        assert value == 0
        assert gradient.shape == shape
        assert loss(y, f, reduction="none").shape == shape[:1]
    assert loss(np.zeros((2, 0), int), np.zeros((2, 3, 0))) == 0


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("mode", MODES)
def test_threads_change_no_bit(name, mode, rng, instruction_set) -> None:
    shape = (3, 5, 97, 103)
    loss, y, f = example(name, mode, rng, shape)
    for dtype in (np.float64, np.float32):
        for per_sample in (True, False):
            each = fl.get({**loss.config(), "per_sample": per_sample})
            expected = each.value_and_gradient(y, f.astype(dtype), n_threads=1)
            for threads in (2, 3, 7):
                assert same(each.value_and_gradient(y, f.astype(dtype), n_threads=threads), expected)


@pytest.mark.parametrize("name", LOSSES)
def test_one_output_is_part_of_both(name, rng) -> None:
    for mode in MODES:
        loss, y, f = example(name, mode, rng)
        value, gradient = loss.value_and_gradient(y, f)
        assert loss(y, f) == loss.value(y, f) == value
        assert same(loss.gradient(y, f), gradient)
        assert same(tuple(loss.evaluate(y, f, outputs=("value", "gradient")))[:2], (value, gradient))
        total = loss.value_and_gradient(y, f, reduction="sum")
        np.testing.assert_allclose(total[1], 3 * gradient, rtol=1e-14, atol=1e-18)


def test_wide_gradients_bypass_the_cache(rng) -> None:
    """The same bits with streaming stores: a sample alone fits the cache."""
    f, y = rng.standard_normal((40, 3, 300, 301), np.float32), rng.integers(0, 3, (40, 300, 301), np.uint8)
    loss = fl.Dice(from_logits=True)
    gradient = loss.gradient(y, f, reduction="sum")
    assert same(gradient[7:8], loss.gradient(y[7:8], f[7:8], reduction="sum"))
    assert same(gradient[39:], loss.gradient(y[39:], f[39:], reduction="sum"))


def test_many_classes(rng) -> None:
    f, y = rng.standard_normal((2, 1200, 40)), rng.integers(0, 1200, (2, 40))
    for name in LOSSES:
        loss = fl.get(name, from_logits=True)
        value, gradient = loss.value_and_gradient(y, f)
        expected, slope = loss.reference.value_and_gradient(y, f) if name != "lovasz" else (value, gradient)
        assert value == pytest.approx(expected, rel=1e-12)
        np.testing.assert_allclose(gradient, slope, rtol=1e-9, atol=1e-18)
        np.testing.assert_allclose(gradient.sum(1), 0, atol=1e-15)


# ---- objects --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOSSES)
def test_objects(name, rng) -> None:
    full = {"ignore_index": 255, "classes": range(1, 3), "class_weight": [1, 0.5, 2], "empty": "ignore"}
    full["channels_last"] = True
    for loss in (fl.get(name), fl.get(name, **full), fl.get(name, mode="binary", per_sample=False, average="none")):
        copies = [copy.deepcopy(loss), pickle.loads(pickle.dumps(loss)), eval(repr(loss), vars(fl).copy())]
        copies.append(fl.get(json.loads(json.dumps(loss.config()))))
        for other in copies:
            assert other == loss
            assert hash(other) == hash(loss)
            assert repr(other) == repr(loss)
        assert loss.on_raw() == loss.on_raw().on_raw()
        assert loss.on_raw().from_logits
        assert loss.hessian_policies == ()
        assert repr(loss.reference) == f"{loss!r}.reference"
    assert fl.get(name, **full).classes == (1, 2)
    with pytest.raises(ValueError, match="has no hessian"):
        fl.get(name).hessian([[0]], [[[1.0]]])


def test_names() -> None:
    assert fl.get("jaccard") == fl.IoU()
    assert fl.get("IoU") == fl.get("iou") == fl.IoU()
    assert fl.list_losses(family="segmentation") == LOSSES
    assert fl.Lovasz(mode="binary", from_logits=True).info.convex
    assert not fl.Lovasz(from_logits=True).info.convex


@pytest.mark.parametrize("name", LOSSES)
def test_links(name, rng) -> None:
    """The loss of probabilities is the loss of logits, but for the hinge."""
    for mode, last in (("multiclass", False), ("multiclass", True), ("multilabel", False), ("binary", False)):
        if name == "lovasz" and mode != "multiclass":
            continue
        loss = fl.get(name, mode=mode, channels_last=last)
        f = rng.standard_normal((2, 3, 8) if mode != "binary" else (2, 8))
        y = rng.integers(0, 2, (2, 8) if mode == "multiclass" else f.shape)
        f = np.moveaxis(f, 1, -1) if last else f
        assert loss(y, loss.link.inverse(f)) == pytest.approx(loss.on_raw()(y, f), rel=1e-13)
        np.testing.assert_allclose(loss.link.inverse(loss.link(loss.link.inverse(f))), loss.link.inverse(f), rtol=1e-13)
        assert pickle.loads(pickle.dumps(loss.link)) is loss.link


# ---- automatic differentiation --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(
    "options",
    [{}, {"average": "none"}, {"per_sample": False}, {"average": "none", "per_sample": False}, {"average": "micro"}],
)
def test_pytorch_differentiates_values_of_any_shape(name, options, rng) -> None:
    torch = pytest.importorskip("torch")
    from fastloss.adapters.torch import as_autograd

    loss = fl.get(name, from_logits=True, **options)
    y, f = rng.integers(0, 3, (2, 12)), torch.tensor(rng.standard_normal((2, 3, 12)), requires_grad=True)
    w = None if name == "lovasz" and "per_sample" in options else np.array([0.5, 2.0])

    def function(z):
        return as_autograd(loss)(y, z, w, reduction="none")

    assert torch.autograd.gradcheck(function, (f,), rtol=1e-5, atol=1e-7)


# ---- what takes losses ----------------------------------------------------------------------------------------------


def test_a_task_may_be_a_mask(rng) -> None:
    loss, y, f = example("dice", "labels", rng)
    tasks = fl.MultiTask({"mask": loss, "age": fl.Huber()}, weights={"mask": 2.0, "age": 1.0})
    value, gradients = tasks.value_and_gradient({"mask": y, "age": [1.0]}, {"mask": f, "age": [1.5]})[:2]
    assert value == pytest.approx(2 * loss(y, f) + 0.125, rel=1e-14)
    np.testing.assert_allclose(gradients["mask"], 2 * loss.gradient(y, f), rtol=1e-14)


def test_what_is_for_rows_refuses_images() -> None:
    from fastloss.adapters import lightgbm, sklearn, xgboost

    loss = fl.Dice(from_logits=True)
    for refuse, message in (
        (lambda: 0.5 * loss + fl.Huber(), "parts must take single targets or rows"),
        (lambda: fl.audit(loss, [0], [0.0]), "loss with a hessian"),
        (lambda: xgboost.objective(loss), "must have a hessian to be boosted"),
        (lambda: lightgbm.metric(loss), "a booster predicts no images"),
        (lambda: sklearn.scorer(loss), "must be a loss of predictions"),
    ):
        with pytest.raises(ValueError, match=message):
            refuse()
    with pytest.raises(NotImplementedError, match="no constant prediction"):
        loss.init_score([[0]])


def test_regions_beyond_the_keys_of_float32_are_sorted_in_float64(rng, monkeypatch) -> None:
    from fastloss.losses import lovasz

    loss, y, f = example("lovasz", "labels", rng)
    f = f.astype(np.float32)
    expected = loss.value_and_gradient(y, f.astype(np.float64))
    monkeypatch.setattr(lovasz, "MOST_SORTED", 10)
    value, gradient = loss.value_and_gradient(y, f)
    assert value == expected[0]
    assert gradient.dtype == np.float32
    np.testing.assert_array_equal(gradient, expected[1].astype(np.float32))
