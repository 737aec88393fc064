"""Losses of regions: values and gradients against vectors, definitions, PyTorch; special cases and bad input."""

from __future__ import annotations

import dataclasses
import itertools
import json
from fractions import Fraction

import numpy as np
import pytest
from rows import array, one_hot, softmax
from support import VECTORS, same

import fastloss as fl
from fastloss._regions import RegionLoss

FILE = json.loads((VECTORS / "structured_segmentation.json").read_text())
LOSSES = [name for name in fl.list_losses() if isinstance(fl.get(name), RegionLoss)]
OVERLAPS = [name for name in LOSSES if name != "lovasz"]

# ---- vectors --------------------------------------------------------------------------------------------------------


def assert_close(got, expected, dtype, message=""):
    """Within the tolerance of the vectors."""
    want, slack = array({**expected, "dtype": "float64"}), np.reshape(expected.get("slack", 0.0), -1)
    slack = slack.reshape(want.shape) if slack.size == want.size else slack
    got = np.asarray(got, np.float64)
    assert got.shape == want.shape, message
    if dtype == np.float64:
        allowed = 8 * 2.0**-52 * np.abs(want) + slack + 1e-310
    else:
        allowed = 16 * 2.0**-23 * np.abs(want) + 2.0**30 * slack + 1e-40
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite], message)
    off = np.abs(got - np.where(finite, want, 0)) - allowed
    assert not np.any(off[finite] > 0), f"{message}: {got} for {want}"


def arguments(case, dtype):
    given = [array(x) for x in case["inputs"]]
    weight = None if case["sample_weight"] is None else array(case["sample_weight"])
    return (*[x.astype(dtype) if x.dtype.kind == "f" else x for x in given], weight)


@pytest.mark.parametrize("case", FILE["cases"], ids=lambda case: case["id"])
def test_vectors(case) -> None:
    loss, expected = getattr(fl, case["loss"])(**case["params"]), case["expected"]
    denominator = float.fromhex(expected["denominator"])
    mean = {"shape": [], "hex": [expected["mean"]], "slack": np.sum(expected["values"].get("slack", 0))}
    for dtype in (np.float64, np.float32)[: 1 + case["float32_exact"]]:
        given = arguments(case, dtype)
        for computed in (loss, loss.reference):
            values, gradient = computed.value_and_gradient(*given, reduction="none")
            assert values.dtype == gradient.dtype == dtype
            assert_close(values, expected["values"], dtype, "values")
            assert_close(gradient, expected["gradients"][0], dtype, "gradient")
            assert_close(computed(*given), mean, dtype, "mean")
            slope = computed.gradient(*given).astype(np.float64)
            if denominator > 0:
                assert_close(slope * denominator, expected["gradients"][0], dtype, "gradient of the mean")
            else:
                assert not slope.any()


# ---- against definitions --------------------------------------------------------------------------------------------


def grid():
    """Options in all combinations, and shapes of pixels of one to three axes."""
    shapes = itertools.cycle([(2, 3, 37), (3, 2, 5, 7), (2, 4, 3, 4, 5), (1, 1, 700), (2, 3, 1030)])
    options = itertools.product(
        ("multiclass", "labels", "multilabel", "binary"), (False, True), ("macro", "micro", "none"), (True, False)
    )
    for shape, (mode, from_logits, average, per_sample) in zip(shapes, options, strict=False):
        yield mode, from_logits, average, per_sample, shape


def drawn(mode, from_logits, shape, rng, hard):
    """Targets and predictions; a class and a sample without foreground among them."""
    z = 2 * rng.standard_normal(shape)
    labels = rng.integers(0, shape[1], (shape[0], *shape[2:]))
    labels[0][labels[0] == shape[1] - 1] = 0
    y = np.moveaxis(one_hot(labels, shape[1]), -1, 1)
    if mode == "labels":
        y = labels
    elif not hard and mode != "multiclass":
        y = np.where(rng.random(y.shape) < 0.3, rng.random(y.shape), y)
    each = mode in ("multilabel", "binary")
    p = 1 / (1 + np.exp(-z)) if each else np.moveaxis(softmax(np.moveaxis(z, 1, -1)), -1, 1)
    f = z if from_logits else p
    return (y[:, 0], f[:, 0]) if mode == "binary" else (y, f)


PARAMETERS = {
    "dice": [{}, {"squared_denominator": True, "smooth": 0.5}],
    "iou": [{"smooth": 1.0}],
    "tversky": [{"alpha": 0.2, "beta": 0.9}],
    "focal_tversky": [{"gamma": 1.5}, {}],
    "lovasz": [{}],
}


@pytest.mark.parametrize("name", LOSSES)
def test_kernel_is_the_reference(name, rng, instruction_set) -> None:
    for k, (mode, from_logits, average, per_sample, shape) in enumerate(grid()):
        empty = ("formula", "zero", "ignore")[k % 3]
        options = {"average": average, "per_sample": per_sample, "from_logits": from_logits, "empty": empty}
        options["mode"] = "multiclass" if mode == "labels" else mode
        y, f = drawn(mode, from_logits, shape, rng, name == "lovasz")
        if mode != "multiclass" and k % 2:
            options["ignore_index"] = 7
            y = y.copy()
            y[rng.random(y.shape) < 0.2] = 7
        if mode != "binary" and shape[1] > 2:
            options["classes"] = (2, 0)
            if average == "macro":
                options["class_weight"] = rng.uniform(0, 2, shape[1]).tolist()
        w = None if name == "lovasz" and not per_sample else rng.uniform(0.5, 2, shape[0])
        for parameters in PARAMETERS[name]:
            loss = fl.get(name, **options, **parameters)
            for dtype, tolerance in ((np.float64, 2e-13), (np.float32, 2e-5)):
                given = y, f.astype(dtype), w
                value, gradient = loss.value_and_gradient(*given, reduction="none")
                expected, slope = loss.reference.value_and_gradient(*given, reduction="none")
                np.testing.assert_allclose(value, expected, rtol=tolerance, atol=tolerance, err_msg=repr(loss))
                size = np.max(np.abs(slope), initial=1e-300)
                if name == "lovasz" and dtype == np.float32:  # softmax errors may be ordered otherwise
                    off = np.abs(gradient - slope) > 1e-4 * size
                    assert np.mean(off) < 0.02, repr(loss)
                else:
                    np.testing.assert_allclose(gradient, slope, rtol=0, atol=10 * tolerance * size, err_msg=repr(loss))


@pytest.mark.parametrize("name", OVERLAPS)
@pytest.mark.parametrize("mode", ["multiclass", "multilabel", "binary"])
def test_gradient_is_the_derivative_of_the_reference(name, mode, rng) -> None:
    """By complex steps."""
    for from_logits, parameters in itertools.product((False, True), PARAMETERS[name]):
        loss = fl.get(name, mode=mode, from_logits=from_logits, **parameters)
        y, f = drawn("labels" if mode == "multiclass" else mode, from_logits, (2, 3, 2, 2), rng, False)
        gradient = loss.gradient(y, f, reduction="sum")
        reference, w = loss.reference, np.ones(2)
        for index in np.ndindex(f.shape):
            moved = f.astype(complex)
            moved[index] += 1e-30j
            values, *_ = reference.terms(loss._by_class(y, f.ndim), loss._by_class(moved, f.ndim), w)
            derivative = np.sum(values).imag / 1e-30
            assert gradient[index] == pytest.approx(derivative, rel=1e-10, abs=1e-13)


def brute_force(errors, t):
    """The Lovasz extension: the mean of the Jaccard loss over thresholds of errors in [0, 1], exactly."""
    levels = sorted({Fraction(0), *map(Fraction, errors)})
    total = Fraction(0)
    for low, high in itertools.pairwise(levels):
        wrong = [Fraction(e) > low for e in errors]
        kept = sum(1 for w, k in zip(wrong, t, strict=True) if k and not w)
        union = sum(1 for w, k in zip(wrong, t, strict=True) if k or w)
        total += (high - low) * (1 - Fraction(kept, union) if union else Fraction(0))
    return float(total)


def test_lovasz_is_the_integral_over_thresholds(rng) -> None:
    loss = fl.Lovasz(mode="binary")
    for n in (1, 2, 3, 7, 20):
        for _ in range(20):
            t = rng.integers(0, 2, n)
            p = rng.integers(0, 9, n) / 8
            assert loss(t[None], p[None]) == pytest.approx(brute_force(np.abs(t - p), t), abs=1e-15)


def test_lovasz_hinge_of_ties_follows_the_order_of_pixels() -> None:
    """Equal errors of 1: the differences of J in the order of pixels."""
    y = np.array([[1, 0, 1, 0, 0]])
    value, gradient = fl.Lovasz(mode="binary", from_logits=True).value_and_gradient(y, np.zeros((1, 5)))
    assert value == 1
    np.testing.assert_allclose(gradient, [[-1 / 2, 1 / 6, -1 / 3, 0, 0]], rtol=1e-15)


def test_lovasz_sorts_regions_of_all_sizes(rng) -> None:
    """Insertion sort, digits of 8 and of 11 bits; errors from 1e-30 to 1 and many equal ones."""
    for n in (1, 17, 48, 49, 300, 4095, 4096, 20000):
        for dtype in (np.float64, np.float32):
            t = rng.integers(0, 2, n)
            p = np.where(rng.random(n) < 0.3, 0.25, 10 ** rng.uniform(-30, 0, n)).astype(dtype)
            for from_logits in (False, True):
                f = p if not from_logits else rng.choice([-1, 1], n).astype(dtype) * p * 3
                loss = fl.Lovasz(mode="binary", from_logits=from_logits)
                value, gradient = loss.value_and_gradient(t[None], f[None])
                errors = 1 - f * (2 * t - 1).astype(dtype) if from_logits else np.where(t == 1, 1 - f, f)
                order = np.argsort(-errors.astype(np.float64), kind="stable")
                seen = np.cumsum(t[order])
                jaccard = 1 - (t.sum() - seen) / (t.sum() + np.arange(1, n + 1) - seen)
                step = np.diff(jaccard, prepend=0.0)
                active = errors[order] > 0 if from_logits else np.ones(n, bool)
                tolerance = 1e-12 if dtype == np.float64 else 3e-6
                assert value == pytest.approx(np.sum(np.maximum(errors[order], 0) * step), rel=tolerance)
                expected = np.empty(n)
                expected[order] = np.where(active, step, 0) * np.where(t[order] == 1, -1, 1)
                np.testing.assert_allclose(gradient[0], expected, rtol=tolerance, atol=max(1e-15, tolerance / n))


# ---- PyTorch --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OVERLAPS)
def test_pytorch(name, rng) -> None:
    """One-hot code as people write it, with automatic differentiation."""
    torch = pytest.importorskip("torch")
    for shape in ((3, 4, 6, 7), (2, 3, 4, 5, 6)):
        z = torch.tensor(2 * rng.standard_normal(shape), requires_grad=True)
        labels = torch.tensor(rng.integers(0, shape[1], (shape[0], *shape[2:])))
        p = torch.softmax(z, 1).flatten(2)
        t = torch.nn.functional.one_hot(labels, shape[1]).movedim(-1, 1).double().flatten(2)
        hit, false, missed = (t * p).sum(2), ((1 - t) * p).sum(2), (t * (1 - p)).sum(2)
        tversky = 1 - (hit + 0.1) / (hit + 0.3 * false + 0.7 * missed + 0.1)
        expected, parameters = {
            "dice": (1 - (2 * hit + 0.1) / (t.sum(2) + p.sum(2) + 0.1), {}),
            "iou": (1 - (hit + 0.1) / (t.sum(2) + p.sum(2) - hit + 0.1), {}),
            "tversky": (tversky, {"alpha": 0.3, "beta": 0.7}),
            "focal_tversky": (tversky**0.75, {"alpha": 0.3, "beta": 0.7, "gamma": 0.75}),
        }[name]
        expected.mean().backward()
        loss = fl.get(name, from_logits=True, smooth=0.1, **parameters)
        value, gradient = loss.value_and_gradient(labels.numpy(), z.detach().numpy())
        assert value == pytest.approx(expected.mean().item(), rel=1e-13)
        np.testing.assert_allclose(gradient, z.grad.numpy(), rtol=1e-10, atol=1e-16)


def test_lovasz_as_berman_wrote_it(rng) -> None:
    torch = pytest.importorskip("torch")

    def steps(gt):
        total = gt.sum()
        jaccard = 1 - (total - gt.cumsum(0)) / (total + (1 - gt).cumsum(0))
        return torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]])

    z = torch.tensor(rng.standard_normal((2, 5, 9, 8)), requires_grad=True)
    labels = torch.tensor(rng.integers(0, 4, (2, 9, 8)))  # class 4 is absent
    p, values = torch.softmax(z, 1), []
    for n, c in itertools.product(range(2), range(4)):
        fg = (labels[n] == c).double().ravel()
        errors, order = torch.sort((fg - p[n, c].ravel()).abs(), descending=True)
        values.append(torch.dot(errors, steps(fg[order])))
    expected = sum(values) / 8
    expected.backward()
    value, gradient = fl.Lovasz(from_logits=True).value_and_gradient(labels.numpy(), z.detach().numpy())
    assert value == pytest.approx(expected.item(), rel=1e-13)
    np.testing.assert_allclose(gradient, z.grad.numpy(), rtol=1e-10, atol=1e-15)


# ---- identities -----------------------------------------------------------------------------------------------------


def test_limits(rng) -> None:
    y, f = drawn("labels", True, (2, 3, 50), rng, False)
    dice = fl.Dice(from_logits=True, smooth=0.5)
    np.testing.assert_allclose(
        fl.Tversky(from_logits=True, smooth=0.25).value_and_gradient(y, f)[1], dice.gradient(y, f), rtol=1e-14
    )
    iou = fl.IoU(from_logits=True)
    assert same(fl.Tversky(from_logits=True, alpha=1.0, beta=1.0).gradient(y, f), iou.gradient(y, f))
    focal = fl.FocalTversky(from_logits=True, gamma=1.0, alpha=0.5, beta=0.5)
    assert same(focal.gradient(y, f), fl.Tversky(from_logits=True).gradient(y, f))


@pytest.mark.parametrize("name", OVERLAPS)
def test_weights_of_a_pooled_batch_repeat_samples(name, rng) -> None:
    y, f = drawn("labels", True, (4, 3, 40), rng, False)
    w = np.array([2.0, 0.0, 1.0, 3.0])
    loss = fl.get(name, from_logits=True, per_sample=False)
    repeated = np.repeat(np.arange(4), w.astype(int))
    assert loss(y, f, w) == pytest.approx(loss(y[repeated], f[repeated]), rel=1e-14)
    gradient, expected = loss.gradient(y, f, w), np.zeros(f.shape)
    np.add.at(expected, repeated, loss.gradient(y[repeated], f[repeated]))
    np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-18)
    assert not gradient[1].any()


@pytest.mark.parametrize("name", LOSSES)
def test_channels_last(name, rng) -> None:
    shapes = ((2, 5, 6, 7), (1, 3, 515), (2, 21, 4, 5, 6))
    for mode, shape in itertools.product(("labels", "multiclass", "multilabel"), shapes):
        options = {"mode": "multiclass" if mode == "labels" else mode, "from_logits": True}
        y, f = drawn(mode, True, shape, rng, True)
        loss = fl.get(name, **options)
        last = dataclasses.replace(loss, channels_last=True)
        expected = loss.value_and_gradient(y, f)
        given = np.ascontiguousarray(np.moveaxis(f, 1, -1))
        targets = y if mode == "labels" else np.ascontiguousarray(np.moveaxis(y, 1, -1))
        for dtype in (np.float64, np.float32):
            value, gradient = last.value_and_gradient(targets, given.astype(dtype))
            tolerance = 1e-14 if dtype == np.float64 else 2e-5
            assert value == pytest.approx(expected[0], rel=tolerance)
            assert gradient.shape == given.shape
            size = np.abs(expected[1]).max()
            np.testing.assert_allclose(np.moveaxis(gradient, -1, 1), expected[1], rtol=0, atol=tolerance * size * 20)


@pytest.mark.parametrize("name", LOSSES)
def test_labels_are_dense_rows(name, rng) -> None:
    for from_logits in (False, True):
        y, f = drawn("labels", from_logits, (2, 4, 300), rng, True)
        loss = fl.get(name, from_logits=from_logits)
        dense = np.moveaxis(one_hot(y, 4), -1, 1)
        expected = loss.value_and_gradient(y, f)
        value, gradient = loss.value_and_gradient(dense, f)
        assert value == pytest.approx(expected[0], rel=1e-15)
        np.testing.assert_allclose(gradient, expected[1], rtol=1e-13, atol=1e-18)


# ---- special cases --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOSSES)
def test_saturated_logits(name) -> None:
    """Masks that are certain: exact zeros, ones, and no NaN."""
    y = np.array([[0, 1, 1, 0]])
    for size in (1000.0, np.inf):
        f = np.where(y == 1, size, -size)
        binary = fl.get(name, mode="binary", from_logits=True)
        value, gradient = binary.value_and_gradient(y, f)
        assert value == 0
        assert not gradient.any()
        value, gradient = fl.get(name, from_logits=True).value_and_gradient(y, np.stack([-f, f], 1))
        assert value == 0
        assert not gradient.any()
        value, gradient = fl.get(name, from_logits=True).value_and_gradient(y, np.stack([f, -f], 1))
        assert value == pytest.approx(1, abs=1e-4)
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("name", ["dice", "iou", "tversky"])
def test_a_nearly_perfect_mask_keeps_its_accuracy(name) -> None:
    y = np.array([[0, 1]])
    for dtype in (np.float64, np.float32):
        f = np.array([[[40.0, 0.0], [0.0, 40.0]]], dtype)
        value, gradient = fl.get(name, from_logits=True, smooth=0.0).value_and_gradient(y, f)
        factor = 2 if name == "iou" else 1
        p = 1 / np.expm1(40.0) / (1 + 1 / np.expm1(40.0))
        assert value == pytest.approx(factor * p, rel=1e-6 if dtype == np.float32 else 1e-15)
        np.testing.assert_allclose(np.abs(gradient), factor / 2 * p, rtol=1e-6 if dtype == np.float32 else 1e-14)


@pytest.mark.parametrize("name", OVERLAPS)
def test_empty_masks(name) -> None:
    y, f = np.zeros((2, 8), int), np.zeros((2, 8))
    f[1] = 0.5
    values = fl.get(name, mode="binary")(y, f, reduction="none")
    assert values[0] == 0
    assert values[1] > 0.99
    assert not fl.get(name, mode="binary", smooth=0.0).gradient(y[:1], f[:1]).any()
    for empty in ("zero", "ignore"):
        loss = fl.get(name, mode="binary", empty=empty)
        value, gradient = loss.value_and_gradient(y, f)
        assert value == 0
        assert not gradient.any()
    y[0, 0] = 1
    single = fl.get(name, mode="binary")(y[:1], f[:1])
    assert fl.get(name, mode="binary", empty="ignore")(y, f) == single
    assert fl.get(name, mode="binary", empty="zero")(y, f) == single / 2


def test_empty_masks_of_lovasz() -> None:
    y, f = np.zeros((1, 4), int), np.array([[0.25, 0.75, 0.75, 0.0]])
    value, gradient = fl.Lovasz(mode="binary").value_and_gradient(y, f)
    assert value == 0.75
    np.testing.assert_array_equal(gradient, [[0, 1, 0, 0]])
    hinge = fl.Lovasz(mode="binary", from_logits=True)
    assert hinge(y, f - 3) == 0
    assert hinge(y, f) == 1.75
    assert fl.Lovasz(mode="multilabel")(y[:, None], f[:, None]) == 0
    assert fl.Lovasz(mode="binary", empty="ignore").value_and_gradient(y, f)[0] == 0


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("mode", ["multiclass", "multilabel", "binary"])
def test_ignored_pixels_take_no_part(name, mode, rng) -> None:
    """Not even with NaN, or with what would be outside [0, 1]; nothing is left if all are ignored."""
    for from_logits in (False, True):
        y, f = drawn("labels" if mode == "multiclass" else mode, from_logits, (2, 3, 40), rng, True)
        loss = fl.get(name, mode=mode, from_logits=from_logits)
        ignoring = dataclasses.replace(loss, ignore_index=-1)
        skipped = np.zeros(40, bool)
        skipped[rng.permutation(40)[:13]] = True
        marked, spoilt = y.copy(), f.copy()
        marked[..., skipped], spoilt[..., skipped] = -1, np.nan if from_logits else 7.0
        value, gradient = ignoring.value_and_gradient(marked, spoilt)
        expected, slope = loss.value_and_gradient(y[..., ~skipped], f[..., ~skipped])
        assert value == pytest.approx(expected, rel=1e-13)
        np.testing.assert_allclose(gradient[..., ~skipped], slope, rtol=1e-12, atol=1e-17)
        assert not gradient[..., skipped].any()
        marked[...] = -1
        value, gradient = ignoring.value_and_gradient(marked, np.full(f.shape, np.nan))
        assert value == 0
        assert not gradient.any()


def test_an_ignored_class(rng) -> None:
    """`ignore_index` may be a class: its pixels are left out."""
    y, f = drawn("labels", True, (2, 3, 60), rng, False)
    y[:, :5] = 0
    loss = fl.Dice(from_logits=True, ignore_index=0, classes=(1, 2))
    value, gradient = loss.value_and_gradient(y, f)
    assert value == pytest.approx(loss.reference(y, f), rel=1e-14)
    assert not np.moveaxis(gradient, 1, -1)[y == 0].any()


@pytest.mark.parametrize("name", LOSSES)
def test_nan_stays_in_its_region(name, rng) -> None:
    for spoilt in (np.nan, np.inf):
        y, f = drawn("multilabel", False, (2, 3, 33), rng, True)
        y[..., 0], y[..., 1] = 1, 0
        loss = fl.get(name, mode="multilabel", average="none")
        expected, slope = loss.value_and_gradient(y, f, reduction="none")
        f[1, 2, 5] = spoilt
        values, gradient = loss.value_and_gradient(y, f, reduction="none")
        assert np.isnan(values[1, 2])
        assert np.isnan(gradient[1, 2]).all()
        mask = np.ones((2, 3), bool)
        mask[1, 2] = False
        assert same(values[mask], expected[mask])
        assert same(gradient[mask], slope[mask])
    y, f = drawn("labels", True, (2, 3, 33), rng, True)
    f[0, 1, 3] = np.nan
    values, gradient = fl.get(name, from_logits=True).value_and_gradient(y, f, reduction="none")
    assert np.isnan(values[0])
    assert np.isfinite(values[1])
    assert np.isfinite(gradient[1]).all()
    weighted = fl.get(name, from_logits=True).value_and_gradient(y, f, [0.0, 1.0])
    assert weighted[0] == pytest.approx(float(values[1]), rel=1e-15)
    assert not weighted[1][0].any()


def test_infinite_logits_have_their_limits() -> None:
    loss = fl.Dice(from_logits=True, smooth=0.0, average="none")
    y = np.array([[0, 1]])
    f = np.array([[[np.inf, -np.inf], [3.0, 0.0]]])
    np.testing.assert_array_equal(loss(y, f, reduction="none"), [[0, 0]])
    for z in ([np.inf, np.inf], [-np.inf, -np.inf]):
        assert np.isnan(loss(y, np.array([[[0.0, z[0]], [1.0, z[1]]]]), reduction="none")).all()
    assert fl.Dice(from_logits=True)(np.array([[0]]), np.full((1, 1, 1), -np.inf)) == 0


def test_a_single_class() -> None:
    """The softmax of one class is 1."""
    y, f = np.zeros((2, 5), int), np.random.default_rng(0).normal(size=(2, 1, 5))
    for name in LOSSES:
        value, gradient = fl.get(name, from_logits=True).value_and_gradient(y, f)
        assert value == 0
        assert not gradient.any()


# ---- bad input ------------------------------------------------------------------------------------------------------

GOOD = np.full((2, 3, 4), 1 / 3)
LABELS = np.zeros((2, 4), int)


def changed(a, index, value):
    a = np.array(a, float)
    a[index] = value
    return a


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(
    ("y", "f", "message"),
    [
        (changed(LABELS, (1, 2), 3), GOOD, r"y_true must be an integer in \[0, 3\), got 3.0 at index \(1, 2\)"),
        (changed(LABELS, (0, 3), -1), GOOD, r"got -1.0 at index \(0, 3\)"),
        (changed(LABELS, (0, 3), np.nan), GOOD, r"got nan at index \(0, 3\)"),
        (changed(LABELS, (1, 3), 0.5), GOOD, r"got 0.5 at index \(1, 3\)"),
        (LABELS, changed(GOOD, (1, 2, 3), 1.5), r"y_pred must be in \[0, 1\], got 1.5 at index \(1, 2, 3\)"),
        (LABELS, changed(GOOD, (1, 0, 0), -0.25), r"got -0.25 at index \(1, 0, 0\)"),
        (changed(GOOD, (1, 2, 3), 2.0), GOOD, r"y_true must be .*\[0, 1\]|y_true must be 0 or 1"),
        (changed(0 * GOOD, (1, 2, 3), np.nan), GOOD, r"y_true must be .*got nan at index \(1, 2, 3\)"),
        (LABELS[:, :3], GOOD, r"y_true must have the shape \(2, 4\) of labels, or \(2, 3, 4\).*got \(2, 3\)"),
        (LABELS, GOOD[0], r"y_pred must have the shape \(N, C, \*pixels\), got \(3, 4\)|y_true"),
        (LABELS, GOOD[:, 0], r"y_pred must have the shape \(N, C, \*pixels\), got \(2, 4\)"),
        (LABELS, GOOD[:, :0], "y_pred must have 1 to .* classes on axis 1"),
    ],
)
def test_bad_arrays(name, y, f, message) -> None:
    for loss in (fl.get(name), fl.get(name).reference):
        for call in (loss, loss.value_and_gradient):
            with pytest.raises(ValueError, match=message):
                call(y, f)


def test_the_index_of_a_bad_value_is_that_of_the_caller() -> None:
    f = changed(np.moveaxis(GOOD, 1, -1), (1, 3, 2), 2.0)
    with pytest.raises(ValueError, match=r"got 2.0 at index \(1, 3, 2\)"):
        fl.Dice(channels_last=True)(LABELS, f)
    with pytest.raises(ValueError, match=r"y_pred .* got 2.0 at index \(0, 1\)"):
        fl.Dice(mode="binary")([[0, 1]], [[0.0, 2.0]])
    with pytest.raises(ValueError, match=r"y_true must be in \[0, 1\], or the ignore_index 9, got 8 at index \(0, 1\)"):
        fl.Dice(mode="binary", ignore_index=9)([[9, 8]], [[0.0, 1.0]])
    with pytest.raises(ValueError, match=r"y_true must be 0 or 1, got 0.5"):
        fl.Lovasz(mode="binary")([[0.5]], [[0.0]])


def test_labels_of_any_size_are_compared_exactly() -> None:
    for labels in ([[2**62]], [[-(2**62)]], np.array([[2**64 - 1]], np.uint64), [[2**24 + 1]], [[2**32]]):
        with pytest.raises(ValueError, match=r"y_true must be an integer in \[0, 2\)"):
            fl.Dice(ignore_index=-1 if np.min(labels) > 0 else 5)(labels, np.full((1, 2, 1), 0.5, np.float32))
    assert fl.Dice(ignore_index=2**62)([[2**62, 0]], [[[0.0, 1.0], [1.0, 0.0]]]) == 0
    with pytest.raises(ValueError, match="y_true"):
        fl.Dice(ignore_index=2**62)([[2**62 + 1]], [[[0.5], [0.5]]])


@pytest.mark.parametrize(
    ("loss", "arguments", "message"),
    [
        (fl.Dice(ignore_index=0), (GOOD, GOOD), "ignore_index must be None for dense targets"),
        (fl.Dice(classes=(0, 3)), (LABELS, GOOD), "classes must be below 3, the number of classes of y_pred, got 3"),
        (fl.Dice(class_weight=(1.0, 2.0)), (LABELS, GOOD), "class_weight must have one entry for each of the 3"),
        (fl.Dice(), (LABELS, GOOD, [1.0, -1.0]), "sample_weight must be >= 0 and finite, got -1.0 at index 1"),
        (fl.Dice(), (LABELS, GOOD, [1.0, np.nan]), "sample_weight must be >= 0 and finite"),
        (fl.Dice(), (LABELS, GOOD, [1.0, 1.0, 1.0]), "sample_weight must be a scalar or have the shape"),
        (fl.Dice(), (LABELS, GOOD, [0.0, 0.0]), "sample_weight must not sum to zero"),
        (fl.Dice(), (LABELS[:0], GOOD[:0]), "y_true must not be empty"),
        (fl.Lovasz(per_sample=False), (LABELS, GOOD, [1.0, 1.0]), "sample_weight must be None with per_sample=False"),
    ],
)
def test_bad_calls(loss, arguments, message) -> None:
    for computed in (loss, loss.reference):
        with pytest.raises(ValueError, match=message):
            computed(*arguments)
        with pytest.raises(ValueError, match="has no hessian"):
            computed.gradient_and_hessian(*arguments)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"mode": "multi"}, ValueError, "mode must be one of"),
        ({"average": "mean"}, ValueError, "average must be one of"),
        ({"empty": "one"}, ValueError, "empty must be one of"),
        ({"from_logits": 1}, TypeError, "from_logits must be True or False"),
        ({"ignore_index": 0.5}, TypeError, "ignore_index must be an integer"),
        ({"classes": ()}, ValueError, "classes must be distinct integers"),
        ({"classes": (0, 0)}, ValueError, "classes must be distinct integers"),
        ({"classes": (-1,)}, ValueError, "classes must be distinct integers"),
        ({"classes": 3}, TypeError, "classes must be a sequence of integers"),
        ({"classes": {1, 2}}, TypeError, "classes must be a sequence of integers"),
        ({"class_weight": (1.0, -1.0)}, ValueError, "class_weight must be >= 0"),
        ({"class_weight": (1.0,), "average": "micro"}, ValueError, "class_weight must be None with average='micro'"),
        ({"class_weight": (1.0,), "mode": "binary"}, ValueError, "class_weight must be None with mode='binary'"),
        ({"classes": (0,), "mode": "binary"}, ValueError, "classes must be None with mode='binary'"),
    ],
)
def test_bad_parameters(name, parameters, error, message) -> None:
    with pytest.raises(error, match=message):
        fl.get(name, **parameters)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("dice", {"smooth": -1.0}, "smooth must be >= 0"),
        ("tversky", {"alpha": -0.1}, "alpha must be >= 0"),
        ("tversky", {"alpha": 0.0, "beta": 0.0}, "alpha and beta must not both be 0"),
        ("focal_tversky", {"gamma": 0.0}, "gamma must be > 0"),
    ],
)
def test_bad_numbers(name, parameters, message) -> None:
    with pytest.raises(ValueError, match=message):
        fl.get(name, **parameters)
