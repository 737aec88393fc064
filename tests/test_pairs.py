"""Losses of pairs and triplets: exact results, peers, limits, arrays, threads, arguments."""

from __future__ import annotations

import copy
import inspect
import itertools
import json
import math
import pickle
import re
from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest
from layouts import FORMS, assert_interrupted, needs_timer
from rows import array
from support import VECTORS, same
from test_rows_vectors import TINY, allowed, check

import fastloss as fl
from fastloss.reference import embeddings as formulas
from fastloss.reference.margin_ranking import margin_ranking

ROWS = [
    fl.Contrastive(),
    fl.Contrastive(margin=3.0),
    fl.Contrastive(margin=0.7, distance="cosine"),
    fl.CosineEmbedding(),
    fl.CosineEmbedding(margin=0.4),
    fl.CosineEmbedding(margin=-0.3),
    *(
        fl.Triplet(margin=margin, distance=distance, swap=swap)
        for distance, margin in (("euclidean", 1.0), ("squared_euclidean", 2.0), ("cosine", 0.3))
        for swap in (False, True)
    ),
    fl.Triplet(margin=0.0),
]
SCORES = [fl.MarginRanking(), fl.MarginRanking(margin=0.5)]
every_row_loss = pytest.mark.parametrize("loss", ROWS, ids=repr)
every_loss = pytest.mark.parametrize("loss", [*ROWS, *SCORES], ids=repr)
TOLERANCE = {np.float64: 1e-13, np.float32: 2e-5}


def negative_label(loss: Any) -> int | None:
    """The label of dissimilar pairs."""
    return -1 if loss in SCORES else loss.other_label


def draw(loss: Any, rng: np.random.Generator, n: int = 30, d: int = 5, dtype: Any = np.float64) -> list[np.ndarray]:
    """Inputs, of which some are near each other, and labels where there are any."""
    if loss in SCORES:
        return [*rng.standard_normal((2, n, d)).astype(dtype), rng.choice([-1, 1], (n, d))]
    first = rng.standard_normal((n, d))
    others = [first + rng.choice([0.1, 1.0], (n, 1)) * rng.standard_normal((n, d)) for _ in loss.inputs[1:]]
    inputs = [x.astype(dtype) for x in (first, *others)]
    other = negative_label(loss)
    return inputs if other is None else [*inputs, rng.choice([other, 1], n)]


def floats(given: list[np.ndarray]) -> list[np.ndarray]:
    return [x for x in given if x.dtype.kind == "f"]


def weights(loss: Any, given: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Some of them 0."""
    shape = given[0].shape if loss in SCORES else given[0].shape[:1]
    return rng.random(shape) * (rng.random(shape) < 0.8)


def flat(result: Any) -> tuple[Any, ...]:
    """Value and gradients side by side."""
    value, gradients = result
    return value, *gradients


def assert_close(got: Any, expected: Any, tolerance: float) -> None:
    for a, b in zip(flat(got), flat(expected), strict=True):
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * (1 + np.max(np.abs(b), initial=0)))


# ---- exact results --------------------------------------------------------------------------------------------------


@cache
def cases() -> list[dict[str, Any]]:
    return json.loads((VECTORS / "structured_pairs.json").read_text())["cases"]


def compare(case: dict[str, Any], methods: Any, dtype: type) -> None:
    expected = case["expected"]
    given = [x.astype(dtype) if x.dtype.kind == "f" else x for x in map(array, case["inputs"])]
    w = None if case["sample_weight"] is None else array(case["sample_weight"]).astype(dtype)
    value, gradients = methods.value_and_gradient(*given, w, reduction="none")
    check("value", value, array(expected["values"]), allowed(expected["values"], dtype), dtype)
    total = float.fromhex(expected["denominator"])
    of_mean = methods.gradient(*given, w)
    for k, item in enumerate(expected["gradients"]):
        with np.errstate(over="ignore"):
            exact, tolerance = array(item), allowed(item, dtype)
            check(f"gradient {k}", gradients[k], exact, tolerance, dtype)
            check(f"gradient {k} of the mean", of_mean[k], exact / total, 1.5 * tolerance / total + TINY[dtype], dtype)
    summed = allowed(expected["values"], dtype).sum()
    for reduction, divisor in (("sum", 1.0), ("mean", total)):
        computed = methods(*given, w, reduction=reduction)
        assert type(computed) is float
        assert computed == pytest.approx(float.fromhex(expected[reduction]), rel=0, abs=summed / divisor)


def types_of(case: dict[str, Any]) -> list[type]:
    """float32 where all inputs are exact in it, and the margin too."""
    margin = case["params"].get("margin", 1.0)
    return [np.float64, np.float32] if case["float32_exact"] and margin == np.float32(margin) else [np.float64]


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["id"])
def test_kernel(case, instruction_set) -> None:
    for dtype in types_of(case):
        compare(case, getattr(fl, case["loss"])(**case["params"]), dtype)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["id"])
def test_reference(case) -> None:
    for dtype in types_of(case):
        compare(case, getattr(fl, case["loss"])(**case["params"]).reference, dtype)


def test_there_are_vectors() -> None:
    assert len(cases()) == 53
    assert {case["loss"] for case in cases()} == {"Contrastive", "CosineEmbedding", "Triplet", "MarginRanking"}
    assert sum(np.float32 in types_of(case) for case in cases()) > 20


# ---- definitions ----------------------------------------------------------------------------------------------------


def distance(kind: str, a: list[Any], b: list[Any]) -> tuple[Any, list[Any], list[Any]]:
    """Distance and its derivatives, in mpmath."""
    if kind == "cosine":
        sizes = [mpmath.sqrt(mpmath.fsum(x * x for x in row)) for row in (a, b)]
        if 0 in sizes:
            return mpmath.mpf(1), [0] * len(a), [0] * len(a)
        u, v = ([x / size for x in row] for row, size in zip((a, b), sizes, strict=True))
        cos = mpmath.fsum(x * y for x, y in zip(u, v, strict=True))
        slopes = [
            [(cos * x - y) / size for x, y in zip(*pair, strict=True)]
            for pair, size in zip(((u, v), (v, u)), sizes, strict=True)
        ]
        return 1 - cos, *slopes
    r = [x - y for x, y in zip(a, b, strict=True)]
    square = mpmath.fsum(x * x for x in r)
    d = mpmath.sqrt(square)
    slope = [2 * x for x in r] if kind == "squared_euclidean" else [x / d if d else 0 * x for x in r]
    return square if kind == "squared_euclidean" else d, slope, [-x for x in slope]


def exactly(loss: Any, rows: list[np.ndarray], label: int | None) -> tuple[Any, list[list[Any]]]:
    """Value and gradients of one sample in mpmath."""
    given = [[mpmath.mpf(float(x)) for x in row] for row in rows]
    margin, zero = mpmath.mpf(loss.margin), [mpmath.mpf(0)] * len(rows[0])
    if isinstance(loss, fl.Triplet):
        a, p, n = given
        near, far, other = (distance(loss.distance, *pair) for pair in ((a, p), (a, n), (p, n)))
        swapped = loss.swap and other[0] < far[0]
        value = near[0] - (other if swapped else far)[0] + margin
        if value <= 0:
            return mpmath.mpf(0), [zero] * 3
        minus = [zero, other[1], other[2]] if swapped else [far[1], zero, far[2]]
        plus = [near[1], near[2], zero]
        return value, [[x - y for x, y in zip(*pair, strict=True)] for pair in zip(plus, minus, strict=True)]
    d, *slopes = distance("cosine" if isinstance(loss, fl.CosineEmbedding) else loss.distance, *given)
    if isinstance(loss, fl.CosineEmbedding):
        value, factor = (d, 1) if label == 1 else (max(0, 1 - d - margin), -1 if 1 - d > margin else 0)
    else:
        gap = max(0, margin - d)
        value, factor = (d * d, 2 * d) if label == 1 else (gap * gap, -2 * gap)
    return value, [[factor * x for x in slope] for slope in slopes]


SIZES = {"ordinary": 1.0, "large": 1e200, "small": 1e-200, "huge": 2.0**1000, "tiny": 2.0**-1015}


@every_row_loss
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("d", [1, 2, 7])
def test_agrees_with_exact_arithmetic(loss, size, d, rng) -> None:
    """Values up to eps of what cancels in the definition; gradients up to eps of their own size."""
    given = draw(loss, rng, 8, d)
    given = [x * SIZES[size] if x.dtype.kind == "f" else x for x in given]
    rows, labels = floats(given), given[-1] if negative_label(loss) is not None else [None] * 8
    value, gradients = loss.value_and_gradient(*given, reduction="none")
    eps = 2.0**-52
    with mpmath.workdps(60):
        for i in range(8):
            exact, slopes = exactly(loss, [x[i] for x in rows], None if labels[i] is None else int(labels[i]))
            reach = max(mpmath.mpf(float(x)) for x in np.abs([x[i] for x in rows]).ravel()) * math.sqrt(d)
            kind = getattr(loss, "distance", "cosine")
            scale = {"euclidean": reach, "squared_euclidean": reach**2, "cosine": mpmath.mpf(1)}[kind] + loss.margin
            if isinstance(loss, fl.Contrastive):
                scale = scale**2
            if exact > 2.0**1023:
                assert value[i] == np.inf
            else:
                assert abs(float(value[i]) - exact) <= 16 * eps * scale + 1e-310
            for row, gradient, slope in zip(rows, gradients, slopes, strict=True):
                size = {"euclidean": 1, "squared_euclidean": reach, "cosine": 1 / mpmath.norm(row[i].tolist())}[kind]
                if isinstance(loss, fl.Contrastive):
                    size *= 2 * (loss.margin + (2 if kind == "cosine" else reach))
                for x, y in zip(gradient[i], slope, strict=True):
                    if abs(y) < 2.0**1023:
                        assert abs(mpmath.mpf(float(x)) - y) <= 16 * eps * size + 1e-310
                    else:
                        assert x == math.copysign(np.inf, y)


@every_loss
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("d", [1, 3, 130, 600])
def test_agrees_with_reference(loss, dtype, d, rng, instruction_set) -> None:
    given = draw(loss, rng, 40, d, dtype)
    w = weights(loss, given, rng).astype(dtype)
    for reduction, weight in itertools.product(("mean", "sum", "none"), (None, w, 0.5)):
        got = loss.value_and_gradient(*given, weight, reduction=reduction)
        expected = loss.reference.value_and_gradient(*given, weight, reduction=reduction)
        assert {a.dtype for a in got[1]} == {np.dtype(dtype)}
        assert_close(got, expected, TOLERANCE[dtype])


@every_row_loss
def test_gradients_are_derivatives(loss, rng) -> None:
    """By complex steps on the formula of the reference."""
    given = draw(loss, rng, 12, 3)
    rows = floats(given)
    labels = [] if negative_label(loss) is None else [given[-1] == 1]
    gradients = loss.gradient(*given, reduction="sum")
    formula = formulas.FORMULAS[loss.info.name]
    for k, gradient in enumerate(gradients):
        for index in np.ndindex(gradient.shape):
            moved = [x.astype(complex) for x in rows]
            moved[k][index] += 1e-30j
            slope = formula(*moved, *labels, **loss._parameters()).value.imag.sum() / 1e-30
            assert gradient[index] == pytest.approx(slope, rel=1e-11, abs=1e-12)


def test_gradients_of_scores_are_derivatives(rng) -> None:
    s, t, y = draw(SCORES[1], rng)
    for k, gradient in enumerate(SCORES[1].gradient(s, t, y, reduction="sum")):
        moved = [s + 1e-30j * (k == 0), t + 1e-30j * (k == 1)]
        np.testing.assert_array_equal(gradient, margin_ranking(y, *moved, margin=0.5)[0].imag / 1e-30)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("d", [1000, 10_000, 100_000])
def test_long_rows(dtype, d, rng, instruction_set) -> None:
    """Sums over a row lose no digits."""
    a, p = (rng.random((3, d)).astype(dtype) for _ in range(2))
    exact = np.sqrt(
        [math.fsum(float(x) ** 2 for x in np.subtract(r, s, dtype=np.float64)) for r, s in zip(a, p, strict=True)]
    )
    far = np.repeat(a[:, :1] * 0 - 9, d, axis=1).astype(dtype)
    near = fl.Contrastive().value(a, p, [1, 1, 1], reduction="none")
    np.testing.assert_allclose(np.sqrt(near.astype(float)), exact, rtol=8 * np.finfo(dtype).eps)
    assert fl.Triplet()(a, p, far) == 0
    dots = [math.fsum((np.float64(r) * s).tolist()) for r, s in zip(a, p, strict=True)]
    squares = [[math.fsum((np.float64(r) ** 2).tolist()) for r in x] for x in (a, p)]
    cosines = np.array(dots) / np.sqrt(np.multiply(*squares))
    value = fl.CosineEmbedding(margin=-1.0)(a, p, [-1, -1, -1], reduction="none")
    np.testing.assert_allclose(value, cosines + 1, rtol=8 * np.finfo(dtype).eps)


# ---- peers ----------------------------------------------------------------------------------------------------------


REDUCE = {"mean": "mean", "sum": "sum", "none": "clone"}


def by_torch(loss: Any, torch: Any) -> Any:
    """The same loss as a function of tensors (and labels as a tensor)."""
    functional = torch.nn.functional

    def euclidean(x: Any, y: Any) -> Any:
        return torch.linalg.vector_norm(x - y, dim=1)

    def cosine(x: Any, y: Any) -> Any:
        return 1 - functional.cosine_similarity(x, y, eps=0.0)

    distances = {
        "euclidean": euclidean,
        "squared_euclidean": lambda x, y: ((x - y) ** 2).sum(dim=1),
        "cosine": cosine,
    }
    if isinstance(loss, fl.MarginRanking):
        return lambda s, t, y, reduction: functional.margin_ranking_loss(s, t, y, loss.margin, reduction=reduction)
    if isinstance(loss, fl.CosineEmbedding):
        return lambda a, b, y, reduction: functional.cosine_embedding_loss(a, b, y, loss.margin, reduction=reduction)
    if isinstance(loss, fl.Triplet) and loss.margin == 0:  # which torch does not take
        return lambda a, p, n, reduction: getattr((euclidean(a, p) - euclidean(a, n)).clamp(min=0), REDUCE[reduction])()
    if isinstance(loss, fl.Triplet) and loss.distance == "euclidean":
        return lambda *x, reduction: functional.triplet_margin_loss(
            *x, margin=loss.margin, eps=0.0, swap=loss.swap, reduction=reduction
        )
    if isinstance(loss, fl.Triplet):
        return lambda *x, reduction: functional.triplet_margin_with_distance_loss(
            *x, distance_function=distances[loss.distance], margin=loss.margin, swap=loss.swap, reduction=reduction
        )

    def contrastive(a: Any, b: Any, y: Any, reduction: str) -> Any:
        d = distances[loss.distance](a, b)
        values = torch.where(y == 1, d**2, (loss.margin - d).clamp(min=0) ** 2)
        return getattr(values, REDUCE[reduction])()

    return contrastive


@every_loss
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_agrees_with_torch(loss, reduction, rng) -> None:
    torch = pytest.importorskip("torch")
    for d in (2, 33):
        given = draw(loss, rng, 200, d)
        if isinstance(loss, fl.CosineEmbedding):  # torch adds 1e-12 to squared norms
            given = [1e3 * x + 1e3 if x.dtype.kind == "f" else x for x in given]
        tensors = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in given]
        expected = by_torch(loss, torch)(*tensors, reduction=reduction)
        expected.sum().backward()
        slopes = tuple(x.grad.numpy() for x in tensors if x.requires_grad)
        result = loss.value_and_gradient(*given, reduction=reduction)
        assert_close(result, (expected.detach().numpy(), slopes), 1e-11)
        assert np.count_nonzero(result[1][0]) > 0


def test_agrees_with_optax(rng) -> None:
    optax = pytest.importorskip("optax")
    loss = fl.Triplet()
    given = draw(loss, rng, 100, 8)
    expected = optax.losses.triplet_margin_loss(*given, margin=1.0)
    np.testing.assert_allclose(loss(*given, reduction="none"), expected, rtol=1e-5, atol=1e-5)


# ---- limits ---------------------------------------------------------------------------------------------------------

both = pytest.mark.parametrize("reference", [False, True])


def methods_of(loss: Any, reference: bool) -> Any:
    return loss.reference if reference else loss


@both
@pytest.mark.parametrize("d", [1, 3, 128])
def test_identical_rows(reference, d, rng) -> None:
    x = rng.standard_normal((4, d))
    for kind in ("euclidean", "cosine"):
        loss = methods_of(fl.Contrastive(margin=0.5, distance=kind), reference)
        value, gradients = loss.value_and_gradient(x, x, [0, 1, 0, 1], reduction="none")
        np.testing.assert_array_equal(value, [0.25, 0, 0.25, 0])
        np.testing.assert_allclose(gradients, 0, atol=1e-15)
        if kind == "euclidean":
            assert not np.any(gradients)
    value, gradients = methods_of(fl.CosineEmbedding(margin=1.0), reference).value_and_gradient(
        x, x, [1, -1, 1, -1], reduction="none"
    )
    assert not value.any()
    assert not np.any(gradients[0][[1, 3]])
    for kind in ("euclidean", "squared_euclidean", "cosine"):
        for margin, swap in itertools.product((0.0, 1.0), (False, True)):
            loss = methods_of(fl.Triplet(margin=margin, distance=kind, swap=swap), reference)
            value, gradients = loss.value_and_gradient(x, x, x, reduction="none")
            np.testing.assert_array_equal(value, margin)
            np.testing.assert_allclose(gradients, 0, atol=1e-15)


@both
def test_equal_anchor_and_positive(reference) -> None:
    a, n = np.array([[3.0, 4.0]]), np.array([[0.0, 0.0]])
    loss = methods_of(fl.Triplet(margin=6.0), reference)
    value, gradients = loss.value_and_gradient(a, a, n)
    assert value == 1.0
    np.testing.assert_allclose(gradients, [[[-0.6, -0.8]], [[0, 0]], [[0.6, 0.8]]], rtol=1e-15)


@both
@pytest.mark.parametrize("kind", ["euclidean", "squared_euclidean", "cosine"])
def test_hinge_of_exactly_zero_is_inactive(reference, kind) -> None:
    a, p, n = np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]]), np.array([[0.0, -1.0]])
    margin = {"euclidean": 2 - math.sqrt(2), "squared_euclidean": 2.0, "cosine": 1.0}[kind]
    value, gradients = methods_of(fl.Triplet(margin=margin, distance=kind), reference).value_and_gradient(a, p, n)
    assert value == 0
    assert not np.any(gradients)
    loss = methods_of(fl.Triplet(margin=margin + 1e-9, distance=kind), reference)
    assert np.abs(loss.gradient(a, p, n)).max() > 0.5


@both
def test_kinks_of_pairs(reference) -> None:
    x, y = np.array([[3.0, 0.0]]), np.array([[0.0, 4.0]])
    assert methods_of(fl.Contrastive(margin=5.0), reference).value_and_gradient(x, y, [0])[0] == 0
    assert not np.any(methods_of(fl.Contrastive(margin=5.0), reference).gradient(x, y, [0]))
    loss = methods_of(fl.CosineEmbedding(), reference)
    assert loss(x, y, [-1]) == 0
    assert not np.any(loss.gradient(x, y, [-1]))
    assert not np.any(loss.gradient(np.array([[1.0, 2.0]]), np.array([[-2.0, 1.0]]), [-1])), "orthogonal"
    ranking = methods_of(fl.MarginRanking(), reference)
    assert ranking(x, x, np.ones((1, 2), int)) == 0
    assert not np.any(ranking.gradient(x, x, np.ones((1, 2), int)))


def test_cosine_of_one_half() -> None:
    """A cosine that is exactly the margin."""
    x, y = np.array([[1.0, 1.0, 0.0]]), np.array([[1.0, 0.0, 1.0]])
    for scale in (1.0, 3.0, 1e200, 1e-200):
        value, gradients = fl.CosineEmbedding(margin=0.5).value_and_gradient(scale * x, y, [-1])
        assert value == 0
        assert not np.any(gradients)


@both
def test_ties_of_swap(reference) -> None:
    """Where both distances are equal, that of the anchor counts."""
    a, p, n = np.array([[0.0, 0.0]]), np.array([[2.0, 0.0]]), np.array([[1.0, 1.0]])
    for kind in ("euclidean", "squared_euclidean"):
        loss = methods_of(fl.Triplet(margin=5.0, distance=kind, swap=True), reference)
        plain = methods_of(fl.Triplet(margin=5.0, distance=kind), reference)
        assert same(loss.value_and_gradient(a, p, n), plain.value_and_gradient(a, p, n))


@both
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_zero_vectors(reference, dtype) -> None:
    zero, x = np.zeros((2, 3), dtype), np.array([[1.0, 2.0, 3.0]] * 2, dtype)
    for a, b in ((zero, x), (x, zero), (zero, zero)):
        loss = methods_of(fl.CosineEmbedding(margin=-0.5), reference)
        value, gradients = loss.value_and_gradient(a, b, [1, -1], reduction="none")
        np.testing.assert_array_equal(value, [1, 0.5])
        assert not np.any(gradients)
        value, gradients = methods_of(fl.Contrastive(distance="cosine", margin=2.0), reference).value_and_gradient(
            a, b, [1, 0], reduction="none"
        )
        np.testing.assert_array_equal(value, [1, 1])
        assert not np.any(gradients)
    value, gradients = methods_of(fl.Triplet(distance="cosine"), reference).value_and_gradient(x, zero, zero)
    assert value == 1
    assert not np.any(gradients)


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e-160, 1.0, 1e150, 1e200, 1e300])
def test_scale_of_rows(scale, rng) -> None:
    """Cosines do not depend on it, euclidean distances are proportional to it."""
    a, p, n = rng.standard_normal((3, 20, 9))
    for swap in (False, True):
        cosine = fl.Triplet(distance="cosine", swap=swap)
        expected, slopes = cosine.value_and_gradient(a, p, n, reduction="none")
        value, gradients = cosine.value_and_gradient(a * scale, p / scale, n, reduction="none")
        np.testing.assert_allclose(value, expected, rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(gradients[0] * scale, slopes[0], rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(gradients[2], slopes[2], rtol=1e-11, atol=1e-14)
        euclidean = fl.Triplet(margin=0.0, swap=swap)
        expected, slopes = euclidean.value_and_gradient(a, p, n, reduction="none")
        value, gradients = euclidean.value_and_gradient(a * scale, p * scale, n * scale, reduction="none")
        np.testing.assert_allclose(value / scale, expected, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(gradients, slopes, rtol=1e-11, atol=1e-14)


def test_small_float32_rows(rng) -> None:
    """Down to subnormal differences."""
    for scale in (1e-18, 1e-30, 1e-38, 2.0**-145):
        a, p, n = (np.round(64 * x) for x in rng.standard_normal((3, 10, 7)))
        given = [np.float32(scale) * x.astype(np.float32) for x in (a, p, n)]
        exact = [x.astype(float) for x in given]
        gradients = fl.Triplet(swap=True).gradient(*given, reduction="sum")
        for g, e in zip(gradients, fl.Triplet(swap=True).gradient(*exact, reduction="sum"), strict=True):
            np.testing.assert_allclose(g, e, rtol=1e-5, atol=1e-6)
        value = fl.Triplet(margin=0.0)(*given, reduction="none")
        np.testing.assert_allclose(value, fl.Triplet(margin=0.0)(*exact, reduction="none"), rtol=1e-5, atol=1e-45)


def test_differences_beyond_the_largest_number() -> None:
    big = 1.5e308
    a, p, n = np.array([[big, 1.0]]), np.array([[-big, 1.0]]), np.array([[0.0, 1.0]])
    value, gradients = fl.Triplet().value_and_gradient(a, p, n)
    assert value == big
    np.testing.assert_allclose(np.array(gradients)[:, 0], [[0, 0], [-1, 0], [1, 0]], atol=1e-15)
    value, gradients = fl.Triplet().value_and_gradient(a, n, p)
    assert value == 0
    assert not np.any(gradients)
    assert fl.Triplet()(a, p, a) == np.inf
    value, gradients = fl.Contrastive().value_and_gradient(a, p, [1])
    assert value == np.inf
    np.testing.assert_array_equal(gradients[0], [[np.inf, 0]])
    np.testing.assert_array_equal(fl.Contrastive().gradient(a / 8, p / 8, [1])[0], [[big / 2, 0]])


def test_squares_that_overflow() -> None:
    """Their difference still has a sign."""
    rows = np.array([[0.0]]), np.array([[2e200]]), np.array([[1e200]])
    loss = fl.Triplet(distance="squared_euclidean")
    for methods in (loss, loss.reference):
        value, gradients = methods.value_and_gradient(*rows)
        assert value == np.inf
        np.testing.assert_allclose(np.array(gradients).ravel(), [-2e200, 4e200, -2e200])
        value, gradients = methods.value_and_gradient(rows[0], rows[2], rows[1])
        assert value == 0
        assert not np.any(gradients)


@both
@every_row_loss
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_stay_in_their_row(reference, loss, bad, rng) -> None:
    given = draw(loss, rng)
    methods = methods_of(loss, reference)
    expected, slopes = methods.value_and_gradient(*given, reduction="none")
    for k in range(len(floats(given))):
        changed = [x.copy() for x in given]
        changed[k][7, 2] = bad
        value, gradients = methods.value_and_gradient(*changed, reduction="none")
        assert np.isnan(value[7])
        assert all(np.isnan(g[7]).all() for g in gradients)
        others = np.arange(30) != 7
        assert same(value[others], expected[others])
        assert all(same(g[others], e[others]) for g, e in zip(gradients, slopes, strict=True))
        assert math.isnan(methods(*changed))


@both
def test_infinite_scores(reference) -> None:
    inf, nan = np.inf, np.nan
    s, t = np.array([inf, 0, inf, nan, -inf]), np.array([0, inf, inf, 0, 0])
    value, gradients = methods_of(SCORES[1], reference).value_and_gradient(s, t, [1] * 5, reduction="none")
    np.testing.assert_array_equal(value, [0, inf, nan, nan, inf])
    np.testing.assert_array_equal(gradients, [[0, -1, nan, nan, -1], [0, 1, nan, nan, 1]])


@both
@every_loss
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_rows_without_weight_do_not_exist(reference, loss, bad, rng) -> None:
    given = draw(loss, rng)
    w = weights(loss, given, rng)
    kept = w > 0
    assert 0 < kept.sum() < kept.size
    poisoned = [x.copy() if x.dtype.kind == "f" else x for x in given]
    for x in floats(poisoned):
        x[~kept] = bad
    methods = methods_of(loss, reference)
    for reduction in ("mean", "sum", "none"):
        value, gradients = methods.value_and_gradient(*poisoned, w, reduction=reduction)
        expected, slopes = methods.value_and_gradient(*(x[kept] for x in given), w[kept], reduction=reduction)
        if reduction == "none":
            assert not value[~kept].any()
            value = value[kept]
        assert not any(g[~kept].any() for g in gradients)
        assert_close((value, [g[kept] for g in gradients]), (expected, slopes), 1e-15)


@every_loss
def test_weights_count_samples(loss, rng) -> None:
    given = draw(loss, rng)
    w = rng.integers(0, 3, weights(loss, given, rng).shape)
    repeated = [np.repeat(x.reshape(-1, *x.shape[w.ndim :]), w.ravel(), axis=0) for x in given]
    for reduction in ("mean", "sum"):
        assert loss(*given, w, reduction=reduction) == pytest.approx(loss(*repeated, reduction=reduction), rel=1e-13)


# ---- arrays ---------------------------------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("form", FORMS)
def test_forms_of_arrays(loss, form, rng) -> None:
    given = draw(loss, rng, 40, 7)
    given.append(weights(loss, given, rng))
    expected = loss.value_and_gradient(*given, reduction="none")
    for changed in [(k,) for k in range(len(given))] + [tuple(range(len(given)))]:
        arguments = [FORMS[form](a) if k in changed else a for k, a in enumerate(given)]
        before = copy.deepcopy(arguments)
        assert same(loss.value_and_gradient(*arguments, reduction="none"), expected)
        assert all(same(a, b) for a, b in zip(arguments, before, strict=True))


@both
@every_loss
@pytest.mark.parametrize(
    ("types", "working"),
    [
        ("f4 f4 f4", "f4"),
        ("f2 f4 f2", "f4"),
        ("f2 f2 f2", "f4"),
        ("f8 f4 f4", "f8"),
        ("f4 f8 f4", "f8"),
        ("i4 f4 f4", "f8"),
        ("f4 ? f4", "f8"),
        ("u1 i8 i2", "f8"),
    ],
)
def test_working_types(reference, loss, types, working, rng) -> None:
    given = draw(loss, rng)
    k = len(floats(given))
    inputs = [np.abs(4 * a).astype(t) for a, t in zip(floats(given), types.split()[:k], strict=True)]
    exact = [a.astype(working) for a in inputs]
    methods = methods_of(loss, reference)
    value, gradients = methods.value_and_gradient(*inputs, *given[k:], reduction="none")
    assert {a.dtype for a in (value, *gradients)} == {np.dtype(working)}
    assert same((value, gradients), methods.value_and_gradient(*exact, *given[k:], reduction="none"))


@pytest.mark.parametrize("loss", [x for x in (*ROWS, *SCORES) if not isinstance(x, fl.Triplet)], ids=repr)
@pytest.mark.parametrize("labels", [np.int8, ">i4", np.float32, np.float16, np.longdouble, "swapped"])
def test_types_of_labels(loss, labels, rng) -> None:
    *inputs, y = draw(loss, rng)
    changed = y.astype(y.dtype.newbyteorder()) if labels == "swapped" else y.astype(labels)
    assert loss(*inputs, changed) == loss(*inputs, y)
    if negative_label(loss) == 0:
        assert loss(*inputs, y == 1) == loss(*inputs, y)
        assert loss(*inputs, y.astype(np.uint64)) == loss(*inputs, y)


def test_scores_of_any_shape(rng) -> None:
    loss = fl.MarginRanking(margin=0.5)
    for shape in ((), (1,), (3, 4, 5), (2, 1, 3, 1), (0,), (3, 0, 2)):
        s, t, y = rng.standard_normal(shape), rng.standard_normal(shape[::-1]).T, rng.choice([-1, 1], shape)
        got = loss.value_and_gradient(s, t, y, reduction="none")
        assert same(got, loss.reference.value_and_gradient(s, t, y, reduction="none"))
        assert [g.shape for g in got[1]] == [shape, shape]
        assert loss(s, t, y, reduction="sum") == pytest.approx(got[0].sum())


@both
@every_loss
def test_nothing(reference, loss, rng) -> None:
    given = [x[:0] for x in draw(loss, rng)]
    methods = methods_of(loss, reference)
    value, gradients = methods.value_and_gradient(*given, reduction="sum")
    assert value == 0.0
    assert {g.shape for g in gradients} == {(0, 5)}
    assert methods(*given, reduction="none").size == 0
    with pytest.raises(ValueError, match=r"(x1|anchor|score_1) must not be empty for reduction='mean'"):
        methods(*given)


def test_one_row_and_one_column(rng) -> None:
    for shape in ((1, 1), (1, 5), (5, 1)):
        for loss in ROWS:
            given = draw(loss, rng, *shape)
            assert_close(loss.value_and_gradient(*given), loss.reference.value_and_gradient(*given), 1e-13)


def test_repeated_rows_take_no_memory(rng) -> None:
    """2^31 entries that lie on one row."""
    a, p, n = (np.broadcast_to(x, (2**26, 32)) for x in rng.standard_normal((3, 32)).astype(np.float32))
    whole = fl.Triplet()(a[:3], p[:3], n[:3])
    assert fl.Triplet()(a[: 2**20], p[: 2**20], n[: 2**20]) == pytest.approx(whole, rel=1e-14)
    last = [np.lib.stride_tricks.as_strided(x[0], (2, 32), (0, 4)) for x in (a, p, n)]
    assert fl.Triplet()(*last) == pytest.approx(whole, rel=1e-14)


# ---- out ------------------------------------------------------------------------------------------------------------

TARGETS = {
    "C": lambda shape, dtype: np.full(shape, 7, dtype),
    "F": lambda shape, dtype: np.full(shape, 7, dtype, order="F"),
    "strided": lambda shape, dtype: np.full((*shape[:-1], 3 * shape[-1]), 7, dtype)[..., ::3],
    "reversed": lambda shape, dtype: np.full(shape, 7, dtype)[::-1],
    "rows apart": lambda shape, dtype: np.full((2 * shape[0], *shape[1:]), 7, dtype)[::2],
    "swapped": lambda shape, dtype: np.full(shape, 7, np.dtype(dtype).newbyteorder()),
}


@both
@every_loss
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_out(reference, loss, target, dtype, rng) -> None:
    given = draw(loss, rng, dtype=np.float32)
    methods = methods_of(loss, reference)
    w = weights(loss, given, rng)
    value, expected = methods.value_and_gradient(*given, w, reduction="none")
    outs = tuple(TARGETS[target](g.shape, dtype) for g in expected)
    values = TARGETS[target](value.shape, dtype)
    result = methods.value_and_gradient(*given, w, reduction="none", out=(values, outs))
    assert result[0] is values
    assert all(a is b for a, b in zip(result[1], outs, strict=True))
    np.testing.assert_array_equal(values, value)
    for a, b in zip(outs, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    first = TARGETS[target](expected[0].shape, dtype)
    partly = methods.gradient(*given, w, reduction="none", out=(first, *(None for _ in outs[1:])))
    assert partly[0] is first
    assert all(same(a, b) for a, b in zip(partly[1:], expected[1:], strict=True))
    np.testing.assert_array_equal(first, expected[0])
    np.testing.assert_array_equal(methods(*given, w, reduction="none", out=values), value)


@both
@every_loss
def test_out_may_be_an_input(reference, loss, rng) -> None:
    given = draw(loss, rng, 300, 6)
    methods = methods_of(loss, reference)
    expected = methods.gradient(*given)
    k = len(expected)
    for order in itertools.permutations(range(k)):
        inputs = [x.copy() for x in given]
        methods.gradient(*inputs, out=tuple(inputs[i] for i in order))
        for i, e in zip(order, expected, strict=True):
            np.testing.assert_array_equal(inputs[i], e)
    square = np.zeros((k, 301, 6))
    square[:, :300] = floats(given)
    shifted = tuple(x[1:] for x in square)
    methods.gradient(*(x[:300] for x in square), *given[k:], out=shifted)
    for a, e in zip(shifted, expected, strict=True):
        np.testing.assert_array_equal(a, e)
    w = np.full(6, 0.5)
    if loss in SCORES:
        square = np.full((6, 6), 0.25)
        y = np.ones((6, 6), int)
        e = methods.gradient(square.copy(), np.ones((6, 6)), y, square.copy(), reduction="sum")[0]
        np.testing.assert_array_equal(
            methods.gradient(square, np.ones((6, 6)), y, square, reduction="sum", out=(square, None))[0], e
        )
    else:
        x = [a[:6, :1].copy() for a in floats(given)]
        labels = [a[:6] for a in given[k:]]
        e = methods.gradient(*x, *labels, w.copy(), reduction="sum")[0]
        got = methods.gradient(*x, *labels, w, reduction="sum", out=(w[:, None], *(None for _ in x[1:])))
        np.testing.assert_array_equal(got[0], e)


# ---- threads --------------------------------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_bits_do_not_depend_on_threads(loss, dtype, rng) -> None:
    given = draw(loss, rng, 6000, 24, dtype)
    w = weights(loss, given, rng)
    for weight in (None, w):
        one = loss.value_and_gradient(*given, weight, n_threads=1)
        for n_threads in (2, 3, 7, None):
            assert same(loss.value_and_gradient(*given, weight, n_threads=n_threads), one)


@every_loss
def test_all_methods_give_the_same_bits(loss, rng) -> None:
    given = draw(loss, rng, 50, 9, np.float32)
    w = weights(loss, given, rng)
    for methods, reduction in itertools.product((loss, loss.reference), ("mean", "sum", "none")):
        value, gradient = methods.value_and_gradient(*given, w, reduction=reduction)
        assert same(methods(*given, w, reduction=reduction), value)
        assert same(methods.value(*given, w, reduction=reduction), value)
        assert same(methods.gradient(*given, w, reduction=reduction), gradient)
        assert same(tuple(methods.evaluate(*given, w, reduction=reduction)), (value, gradient, None))
        only = methods.evaluate(*given, w, reduction=reduction, outputs="gradient")
        assert same(tuple(only), (None, gradient, None))


def test_sums_are_taken_in_float64(rng) -> None:
    loss = fl.Triplet()
    given = draw(loss, rng, 50_000, 3, np.float32)
    total = loss(*given, reduction="sum")
    exact = loss(*(x.astype(float) for x in given), reduction="none")
    assert total == pytest.approx(math.fsum(exact.tolist()), rel=1e-7)
    assert loss(*given) == total / 50_000


@needs_timer
def test_interruption(rng) -> None:
    rows = (np.broadcast_to(x, (2**28, 8)) for x in rng.standard_normal((3, 8)))
    assert_interrupted(lambda: fl.Triplet()(*rows, n_threads=1), after=0.2, within=3)


# ---- arguments ------------------------------------------------------------------------------------------------------

BAD_ROWS = [
    ({"x1": np.ones(30)}, ValueError, r"x1 must have the shape \(N, D\) with D >= 1, got \(30,\)"),
    ({"x1": np.ones((30, 0))}, ValueError, r"x1 must have the shape \(N, D\) with D >= 1, got \(30, 0\)"),
    ({"x2": np.ones((30, 4))}, ValueError, r"x2 must have the shape \(30, 5\) of x1, got \(30, 4\)"),
    ({"x2": np.ones((29, 5))}, ValueError, r"x2 must have the shape \(30, 5\) of x1, got \(29, 5\)"),
    ({"x2": np.ones((30, 5), complex)}, TypeError, "x2 must hold real numbers, got dtype complex128"),
    ({"x1": np.ma.ones((30, 5))}, TypeError, "x1 must not be a masked array"),
    ({"labels": np.ones(29)}, ValueError, r"labels must have the shape \(30,\) to match x1, got \(29,\)"),
    ({"labels": None}, TypeError, "labels must hold real numbers, got dtype object"),
    ({"labels": np.arange(30)}, ValueError, "labels must be 1 or 0, got 2 at index 2"),
    ({"labels": np.full(30, -1)}, ValueError, "labels must be 1 or 0, got -1 at index 0"),
    ({"labels": np.full(30, np.nan)}, ValueError, "labels must be 1 or 0, got nan at index 0"),
    ({"sample_weight": np.ones(29)}, ValueError, r"a scalar or have the shape \(30,\) to match x1, got \(29,\)"),
    ({"sample_weight": np.arange(30) - 4.0}, ValueError, "sample_weight must be >= 0 and finite, got -4.0 at index 0"),
    ({"sample_weight": np.inf}, ValueError, "sample_weight must be >= 0 and finite, got inf"),
    ({"sample_weight": np.zeros(30)}, ValueError, "sample_weight must not sum to zero for reduction='mean'"),
    ({"sample_weight": "heavy"}, TypeError, "sample_weight must hold real numbers"),
    ({"reduction": "median"}, ValueError, "reduction must be one of 'mean', 'sum', 'none', got 'median'"),
    ({"n_threads": 0}, ValueError, "n_threads must be >= 1, got 0"),
]


@both
@pytest.mark.parametrize(("changes", "error", "message"), BAD_ROWS)
def test_bad_arguments(reference, changes, error, message, rng) -> None:
    loss = fl.Contrastive()
    arguments = dict(zip(("x1", "x2", "labels"), draw(loss, rng), strict=True)) | changes
    methods = methods_of(loss, reference)
    for call in (methods, methods.gradient, methods.value_and_gradient, methods.evaluate):
        with pytest.raises(error, match=message):
            call(**arguments)


@both
def test_bad_arguments_of_the_others(reference, rng) -> None:
    a, b, y = draw(fl.CosineEmbedding(), rng)
    cosine, triplet, ranking = (
        methods_of(loss, reference) for loss in (fl.CosineEmbedding(), fl.Triplet(), fl.MarginRanking())
    )
    y[3] = 0
    with pytest.raises(ValueError, match="labels must be 1 or -1, got 0 at index 3"):
        cosine(a, b, y)
    with pytest.raises(ValueError, match=r"negative must have the shape \(30, 5\) of anchor, got \(5, 30\)"):
        triplet(a, b, a.T)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'negative'"):
        triplet(a, b)
    with pytest.raises(ValueError, match=r"score_2 must have the shape \(30, 5\) of score_1, got \(30,\)"):
        ranking(a, b[:, 0], np.ones((30, 5)))
    labels = np.ones((30, 5))
    for bad in (0, 2, -2, 0.5, np.nan, np.inf):
        labels[4, 1] = bad
        for call, keywords in (
            (ranking, {}),
            (ranking.gradient, {}),
            (ranking.gradient, {"out": (a, b)}),
            (ranking.value_and_gradient, {"sample_weight": np.ones((30, 5))}),
        ):
            before = a.copy()
            with pytest.raises(
                ValueError, match=re.escape(f"labels must be 1 or -1, got {float(bad)} at index (4, 1)")
            ):
                call(a, b, labels, **keywords)
            assert same(a, before)
    with pytest.raises(ValueError, match="sample_weight must not sum to zero"):
        ranking(a, b, np.ones((30, 5)), 0.0)


@both
def test_bad_out(reference, rng) -> None:
    given = draw(fl.Triplet(), rng)
    loss = methods_of(fl.Triplet(), reference)
    x, value = (np.empty((30, 5)) for _ in range(3)), np.empty(30)
    da, dp, dn = x
    for keywords, error, message in (
        ({"out": da}, TypeError, r"out must be a tuple \(anchor, positive, negative\) of arrays or None"),
        ({"out": (da, dp)}, ValueError, r"out must hold 3 array\(s\) \(gradient in anchor, .*\), got 2"),
        ({"out": (da, dp, value)}, ValueError, r"gradient in negative must have the shape \(30, 5\), got \(30,\)"),
        ({"out": (da, dp, dn.astype(int))}, TypeError, "out for the gradient in negative must be float32 or float64"),
        ({"out": (da, da, dn)}, ValueError, "out must hold arrays that do not overlap"),
    ):
        with pytest.raises(error, match=message):
            loss.gradient(*given, **keywords)
    with pytest.raises(ValueError, match="out must be None: with reduction='mean' the value is a float"):
        loss(*given, out=value)


@pytest.mark.parametrize(
    ("name", "parameters", "error", "message"),
    [
        ("Contrastive", {"margin": 0.0}, ValueError, "margin must be > 0, got 0.0"),
        ("Contrastive", {"distance": "squared_euclidean"}, ValueError, "distance must be one of 'euclidean', 'cosine'"),
        ("CosineEmbedding", {"margin": 2.0}, ValueError, "margin must be >= -1 and <= 1, got 2.0"),
        ("CosineEmbedding", {"margin": -1.5}, ValueError, "margin must be >= -1 and <= 1, got -1.5"),
        ("Triplet", {"margin": -1.0}, ValueError, "margin must be >= 0, got -1.0"),
        (
            "Triplet",
            {"distance": "manhattan"},
            ValueError,
            "distance must be one of 'euclidean', 'squared_euclidean', ",
        ),
        ("Triplet", {"swap": 1}, TypeError, "swap must be True or False, got 1"),
        ("MarginRanking", {"margin": -0.5}, ValueError, "margin must be >= 0, got -0.5"),
        ("MarginRanking", {"margin": np.nan}, ValueError, "margin must be >= 0, got nan"),
    ],
)
def test_bad_parameters(name, parameters, error, message) -> None:
    with pytest.raises(error, match=message):
        getattr(fl, name)(**parameters)


# ---- objects --------------------------------------------------------------------------------------------------------


@every_loss
def test_object(loss, rng) -> None:
    given = draw(loss, rng)
    copies = [copy.copy(loss), copy.deepcopy(loss), eval(repr(loss), vars(fl).copy())]
    copies += [pickle.loads(pickle.dumps(loss)), fl.get(json.loads(json.dumps(loss.config())))]
    for other in copies:
        assert type(other) is type(loss)
        assert other == loss
        assert hash(other) == hash(loss)
        assert other(*given) == loss(*given)
    assert loss.config() == {"name": loss.info.name} | loss._parameters()
    assert repr(loss.reference) == f"{loss!r}.reference"
    with pytest.raises(AttributeError):
        loss.margin = 2.0
    for call in (loss.hessian, loss.gradient_and_hessian, loss.reference.hessian):
        with pytest.raises(ValueError, match="has no hessian"):
            call(*given)
    assert loss.hessian_policies == ()


@every_loss
def test_metadata(loss) -> None:
    info = loss.info
    assert info.family == ("ranking" if loss in SCORES else "embeddings")
    assert info.default_hessian == ""
    assert info.differentiability == "C0"
    assert info.convex == (loss in SCORES)
    text = inspect.getdoc(type(loss)) or ""
    for section in ("Parameters\n---", "Notes\n---", "References\n---", "Examples\n---"):
        assert section in text
    for name in loss._parameters():
        assert f"\n{name} : " in text


@pytest.mark.parametrize("loss", [x for x in (*ROWS, *SCORES) if math.isfinite(x.info.lipschitz)], ids=repr)
def test_lipschitz_constant_is_the_largest_slope(loss, rng) -> None:
    given = draw(loss, rng, 3000, 1)
    gradients = loss.gradient(*given, reduction="sum")
    slopes = np.sqrt(sum((g**2).reshape(3000, -1).sum(axis=1) for g in gradients))
    assert slopes.max() == pytest.approx(loss.info.lipschitz, rel=1e-13)


def test_names_and_signatures() -> None:
    for name in ("triplet", "Triplet", "triplet_margin"):
        assert fl.get(name, margin=0.5) == fl.Triplet(margin=0.5)
    first = {
        fl.Contrastive: ["x1", "x2", "labels"],
        fl.CosineEmbedding: ["x1", "x2", "labels"],
        fl.Triplet: ["anchor", "positive", "negative"],
        fl.MarginRanking: ["score_1", "score_2", "labels"],
    }
    for cls, names in first.items():
        for method in ("__call__", "value", "gradient", "value_and_gradient", "evaluate"):
            parameters = inspect.signature(getattr(cls(), method)).parameters
            positional = [name for name, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
            assert positional == [*names, "sample_weight"]
            keywords = {name for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
            assert keywords - {"outputs"} == {"reduction", "out", "n_threads"}
