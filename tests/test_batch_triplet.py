"""Triplets inside a labelled batch: exact results, peers, limits, tiles, threads, arrays, arguments."""

from __future__ import annotations

import copy
import inspect
import itertools
import json
import math
import pickle
from functools import cache
from typing import Any

import layouts
import mpmath
import numpy as np
import pytest
from layouts import assert_interrupted, needs_timer, peak_of
from rows import array
from support import VECTORS, same
from test_rows_vectors import TINY, allowed, check

import fastloss as fl
from fastloss._batch import tile_rows
from fastloss.reference.batch_triplet import batch_triplet

MINING = ("all", "hard", "semihard")
MARGINS = {"euclidean": 0.7, "squared_euclidean": 1.3, "cosine": 0.3}
LOSSES = [
    fl.BatchTriplet(mining=mining, distance=distance, margin=margin)
    for mining, (distance, margin) in itertools.product(MINING, MARGINS.items())
]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: f"{loss.mining}-{loss.distance}")
both = pytest.mark.parametrize("reference", [False, True])
TOLERANCE = {np.float64: 1e-13, np.float32: 1e-5}


def methods_of(loss: Any, reference: bool) -> Any:
    return loss.reference if reference else loss


def draw(
    rng: np.random.Generator, n: int = 30, d: int = 5, classes: int = 5, dtype: Any = np.float64, grid: bool = True
) -> Any:
    """Embeddings, on a grid, so that float32 holds their squared distances; labels; weights, of which some are 0."""
    x = rng.standard_normal((n, d))
    x = np.round(8 * x) / 8 if grid else x
    return x.astype(dtype), rng.integers(-1, classes - 1, n), (rng.random(n) * (rng.random(n) < 0.8)).astype(dtype)


def assert_close(got: Any, expected: Any, tolerance: float) -> None:
    for a, b in zip(got, expected, strict=True):
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * (1 + np.max(np.abs(b), initial=0)))


# ---- exact results --------------------------------------------------------------------------------------------------


@cache
def cases() -> list[dict[str, Any]]:
    return json.loads((VECTORS / "structured_batch_triplet.json").read_text())["cases"]


def types_of(case: dict[str, Any]) -> list[type]:
    """float32 where all inputs are exact in it."""
    return [np.float64, np.float32] if case["float32_exact"] else [np.float64]


def compare(case: dict[str, Any], methods: Any, dtype: type) -> None:
    expected = case["expected"]
    x, y = map(array, case["inputs"])
    x, w = x.astype(dtype), None if case["sample_weight"] is None else array(case["sample_weight"]).astype(dtype)
    value, gradient = methods.value_and_gradient(x, y, w, reduction="none")
    check("value", value, array(expected["values"]), allowed(expected["values"], dtype), dtype)
    with np.errstate(over="ignore"):
        exact, tolerance = array(expected["gradients"][0]), allowed(expected["gradients"][0], dtype)
        check("gradient", gradient, exact, tolerance, dtype)
        total = float.fromhex(expected["denominator"])
        exact, tolerance = (exact / total, 1.5 * tolerance / total) if total else (0 * exact, 0 * exact)
        check("gradient of the mean", methods.gradient(x, y, w), exact, tolerance + TINY[dtype], dtype)
    summed = allowed(expected["values"], dtype).sum()
    for reduction, divisor in (("sum", 1.0), ("mean", total or 1.0)):
        computed = methods(x, y, w, reduction=reduction)
        assert type(computed) is float
        assert computed == pytest.approx(float.fromhex(expected[reduction]), rel=0, abs=summed / divisor)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["id"])
def test_kernel(case, instruction_set) -> None:
    for dtype in types_of(case):
        compare(case, fl.BatchTriplet(**case["params"]), dtype)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["id"])
def test_reference(case) -> None:
    for dtype in types_of(case):
        compare(case, fl.BatchTriplet(**case["params"]).reference, dtype)


def test_there_are_vectors() -> None:
    assert len(cases()) == 63
    assert {case["params"]["mining"] for case in cases()} == set(MINING)
    assert sum(np.float32 in types_of(case) for case in cases()) > 40


# ---- the definition -------------------------------------------------------------------------------------------------


def distance(kind: str, a: list[Any], b: list[Any]) -> tuple[Any, list[Any]]:
    """Distance, and its derivative in the first row."""
    if kind == "cosine":
        sizes = [mpmath.norm(row) for row in (a, b)]
        if 0 in sizes:
            return mpmath.mpf(1), [mpmath.mpf(0)] * len(a)
        u, v = ([x / size for x in row] for row, size in zip((a, b), sizes, strict=True))
        cos = mpmath.fdot(u, v)
        return 1 - cos, [(cos * s - t) / sizes[0] for s, t in zip(u, v, strict=True)]
    r = [s - t for s, t in zip(a, b, strict=True)]
    square = mpmath.fdot(r, r)
    if kind == "squared_euclidean":
        return square, [2 * s for s in r]
    return mpmath.sqrt(square), [s / mpmath.sqrt(square) if square else mpmath.mpf(0) for s in r]


def triplets(mining: str, d: list[Any], y: list[int], a: int) -> list[tuple[int, int]]:
    """The pairs (p, n) of an anchor: `min` and `max` take the first of equal ones."""
    positives = [k for k in range(len(y)) if y[k] == y[a] and k != a]
    negatives = [k for k in range(len(y)) if y[k] != y[a]]
    if not positives or not negatives:
        return []
    if mining == "all":
        return list(itertools.product(positives, negatives))
    if mining == "hard":
        return [(max(positives, key=d.__getitem__), min(negatives, key=d.__getitem__))]
    behind = {p: [n for n in negatives if d[n] > d[p]] for p in positives}
    return [
        (p, min(behind[p], key=d.__getitem__) if behind[p] else max(negatives, key=d.__getitem__)) for p in positives
    ]


def exactly(loss: Any, x: np.ndarray, y: list[int], w: list[float]) -> tuple[list[list[Any]], list[Any]]:
    """The terms of all anchors, and the gradient of their weighted sum, in mpmath."""
    rows = [[mpmath.mpf(float(e)) for e in row] for row in x]
    table = [[distance(loss.distance, a, b) for b in rows] for a in rows]
    terms, gradient = [], mpmath.zeros(*x.shape)
    for a, found in enumerate(table):
        chosen = triplets(loss.mining, [d for d, _ in found], y, a)
        terms.append([found[p][0] - found[n][0] + mpmath.mpf(loss.margin) for p, n in chosen])
        for (p, n), term in zip(chosen, terms[-1], strict=True):
            for k, sign in ((p, w[a]), (n, -w[a])) if term > 0 else ():
                for e in range(x.shape[1]):
                    gradient[a, e] += sign * found[k][1][e]
                    gradient[k, e] += sign * table[k][a][1][e]
    return terms, gradient.tolist()


SIZES = {"ordinary": 1.0, "large": 1e200, "small": 1e-200, "huge": 2.0**1010, "tiny": 2.0**-1015}


@every_loss
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("grid", [False, True], ids=["random", "ties"])
def test_agrees_with_exact_arithmetic(loss, size, grid, rng, instruction_set) -> None:
    """Of small batches, in random order; a small grid has many equal distances and equal rows."""
    n, d = (9, 2) if grid else (8, 3)
    x = rng.integers(-1, 2, (n, d)).astype(float) if grid else np.round(2.0**20 * rng.standard_normal((n, d))) / 2.0**20
    if loss.distance == "cosine" and grid:
        x = np.vstack([np.eye(2), -np.eye(2), np.eye(2), [[0, 0], [2, 0], [0, -4]]])[rng.permutation(n)]
    x *= SIZES[size]
    y, w = rng.integers(0, 3, n).tolist(), rng.integers(0, 4, n).astype(float)
    reach = mpmath.mpf(float(np.abs(x).max())) * 4
    scale = {"euclidean": reach, "squared_euclidean": reach**2, "cosine": mpmath.mpf(1)}[loss.distance] + loss.margin
    with mpmath.workdps(60):
        terms, slopes = exactly(loss, x, y, w.tolist())
        values = [mpmath.fsum(t for t in each if t > 0) for each in terms]
        for methods in (loss, loss.reference):
            value, gradient = methods.value_and_gradient(x, y, w, reduction="none")
            for k in range(n):
                exact = values[k] * w[k]
                if exact > 2.0**1023:
                    assert value[k] == np.inf
                else:
                    assert abs(float(value[k]) - exact) <= 2.0**-47 * scale * max(1, w[k])
                steep = {"euclidean": 1, "squared_euclidean": reach, "cosine": 1 / (mpmath.norm(x[k].tolist()) or 1)}
                allowed = 2.0**-44 * steep[loss.distance] + 1e-310
                if size in ("small", "tiny") and loss.distance == "squared_euclidean":
                    allowed = 64 * reach  # all squares are 0: the choice is another
                for got, expected in zip(gradient[k], slopes[k], strict=True):
                    if abs(expected) > 2.0**1023:
                        assert got == math.copysign(np.inf, expected)
                    else:
                        assert abs(mpmath.mpf(float(got)) - expected) <= allowed
        for average in ("valid", "active") if np.isfinite(value).all() else ():
            counts = [len(each) if average == "valid" else sum(t > 0 for t in each) for each in terms]
            total = sum(c * e for c, e in zip(counts, w, strict=True))
            expected = mpmath.fsum(v * e for v, e in zip(values, w, strict=True)) / (total or 1)
            each = fl.BatchTriplet(**loss._parameters() | {"average": average})
            for methods in (each, each.reference):
                assert abs(methods(x, y, w) - expected) <= 2.0**-47 * scale


@every_loss
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    ("n", "d", "classes"), [(1, 1, 1), (2, 1, 2), (63, 1, 4), (64, 3, 9), (65, 17, 30), (100, 40, 2), (66, 130, 11)]
)
def test_agrees_with_reference(loss, dtype, n, d, classes, rng, instruction_set) -> None:
    if loss.distance == "cosine" and dtype == np.float32:
        n = min(n, 65)  # decisions in float32 may differ where cosines are nearly equal
    x, y, w = draw(rng, n, d, classes, dtype, grid=loss.distance != "cosine" or d < 2)
    w[0] = 0.5
    for average, weight, reduction in (("valid", w, "none"), ("active", None, "mean")):
        each = fl.BatchTriplet(**loss._parameters() | {"average": average})
        got = each.value_and_gradient(x, y, weight, reduction=reduction)
        assert got[1].dtype == dtype
        assert_close(got, each.reference.value_and_gradient(x, y, weight, reduction=reduction), TOLERANCE[dtype])


@every_loss
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_gradients_are_derivatives(loss, reduction, rng) -> None:
    """By complex steps on the formula of the reference."""
    x, y, w = draw(rng, 14, 3, 3)
    gradient = loss.gradient(x, y, w, reduction=reduction)
    options = loss._parameters() | {"average": "active"}
    value, count, _ = batch_triplet(x, y, w, **options)
    count = count if loss.mining == "all" else batch_triplet(x, y, w, **options | {"average": "valid"})[1]
    total = np.sum(w * count) if reduction == "mean" else 1.0
    assert value.max() > 0
    for index in np.ndindex(x.shape):
        moved = x.astype(complex)
        moved[index] += 1e-30j
        slope = np.sum(w * batch_triplet(moved, y, w, **options)[0].imag) / 1e-30 / total
        assert gradient[index] == pytest.approx(slope, rel=1e-11, abs=1e-12)


def by_torch(torch: Any, loss: Any, x: Any, y: Any) -> Any:
    """Values of anchors as a function of a tensor: tables of all distances and of all terms."""
    if loss.distance == "cosine":
        u = x / torch.linalg.vector_norm(x, dim=1, keepdim=True)
        d = 1 - u @ u.T
    else:
        square = ((x[:, None] - x[None]) ** 2).sum(dim=2)
        d = square if loss.distance == "squared_euclidean" else torch.where(square > 0, square, 1).sqrt()
    same_label = y[:, None] == y[None]
    other = ~torch.eye(len(y), dtype=torch.bool)
    p, n = same_label & other, ~same_label
    term = d[:, :, None] - d[:, None, :] + loss.margin
    table = p[:, :, None] & n[:, None, :]
    if loss.mining == "hard":
        farthest = torch.where(p, d, -torch.inf).argmax(dim=1)
        nearest = torch.where(n, d, torch.inf).argmin(dim=1)
        k = torch.arange(len(y))
        table = torch.zeros_like(table).index_put((k, farthest, nearest), torch.tensor(True)) & table
    elif loss.mining == "semihard":
        behind = n[:, None, :] & (d[:, None, :] > d[:, :, None])
        nearest = torch.where(behind, d[:, None, :], torch.inf).argmin(dim=2)
        farthest = torch.where(n, d, -torch.inf).argmax(dim=1)
        chosen = torch.where(behind.any(dim=2), nearest, farthest[:, None])
        table = torch.nn.functional.one_hot(chosen, len(y)).bool() & table
    return torch.where(table, term.clamp(min=0), 0), table


@every_loss
@pytest.mark.parametrize("average", ["valid", "active"])
def test_agrees_with_torch(loss, average, rng) -> None:
    torch = pytest.importorskip("torch")
    x, y = rng.standard_normal((30, 7)), rng.integers(0, 6, 30)
    loss = fl.BatchTriplet(**loss._parameters() | {"average": average})
    tensor = torch.tensor(x, requires_grad=True)
    terms, table = by_torch(torch, loss, tensor, torch.tensor(y))
    values = terms.sum(dim=(1, 2))
    np.testing.assert_allclose(loss(x, y, reduction="none"), values.detach().numpy(), rtol=1e-12, atol=1e-13)
    mean = terms.sum() / (table if average == "valid" else terms > 0).sum()
    mean.backward()
    assert_close(loss.value_and_gradient(x, y), (mean.item(), tensor.grad.numpy()), 1e-13)


# ---- accuracy -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MARGINS)
@pytest.mark.parametrize("mining", MINING)
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_float32_far_from_the_origin(kind, mining, offset, rng) -> None:
    """Differences are formed before they are squared; angles lose what the rows do not hold."""
    if kind == "cosine" and offset:
        pytest.skip("all angles would be 0")
    x, y, _ = draw(rng, 100, 48, 20, np.float32)
    x += np.float32(offset)
    loss = fl.BatchTriplet(mining=mining, distance=kind, margin=MARGINS[kind])
    exact = loss.value_and_gradient(x.astype(float), y)
    assert_close(loss.value_and_gradient(x, y), exact, 2e-6)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_near_rows_keep_their_digits(dtype) -> None:
    """Distances that a difference of squared norms would lose, and cosines of almost equal vectors."""
    step = 2.0**-20 if dtype == np.float32 else 2.0**-45
    x, y = np.array([[1, 1], [1 + step, 1], [1, 1 + 3 * step]], dtype), [0, 0, 1]
    value = fl.BatchTriplet(margin=0.0)(x, [0, 1, 0], reduction="none")
    np.testing.assert_allclose(value, [2 * step, 0, 0], rtol=4 * np.finfo(dtype).eps)
    gradient = fl.BatchTriplet(margin=3 * step)(x, y, reduction="none")
    np.testing.assert_allclose(gradient[0], step, rtol=4 * np.finfo(dtype).eps)
    cosine = fl.BatchTriplet(margin=0.0, distance="cosine")([[1.0, 0.0], [1.0, 1e-6], [1.0, 1e-9]], [0, 0, 1])
    assert cosine == pytest.approx((0.5e-12 + 0.5e-12 - 0.5 * (1e-6 - 1e-9) ** 2) / 2, rel=1e-9)


def test_sums_are_taken_in_float64(rng) -> None:
    x, y, w = draw(rng, 500, 3, 2, np.float32)
    for loss in LOSSES:
        if loss.distance != "cosine":
            values = loss(x.astype(float), y, w, reduction="none")
            assert loss(x, y, w, reduction="sum") == pytest.approx(math.fsum(values), rel=1e-6)
    ones = fl.BatchTriplet(mining="all", margin=1.0)(np.zeros((3000, 1), np.float32), np.arange(3000) % 2)
    assert ones == 1.0


@pytest.mark.parametrize("kind", ["euclidean", "squared_euclidean"])
@pytest.mark.parametrize("mining", MINING)
@pytest.mark.parametrize("scale", [1e-38, 2.0**-120, 1e-15, 1e15, 1e25, 1e37])
def test_float32_of_any_size(kind, mining, scale, rng) -> None:
    """Squares beyond float32 on both sides."""
    x, y, w = draw(rng, 60, 6, 9, np.float32)
    x *= np.float32(scale)
    loss = fl.BatchTriplet(mining=mining, distance=kind, margin=0.0)
    value, gradient = loss.value_and_gradient(x, y, w)
    exact, slopes = loss.value_and_gradient(x.astype(float), y, w)
    assert value == pytest.approx(exact, rel=1e-6)
    assert gradient.dtype == np.float32
    with np.errstate(over="ignore", under="ignore"):
        np.testing.assert_allclose(gradient, slopes.astype(np.float32), rtol=1e-4, atol=1e-6 * np.abs(slopes).max())


@both
def test_squares_that_overflow(reference) -> None:
    """Their difference still has a sign, and the margin decides where it is 0."""
    x, y = np.array([[0.0], [2e200], [1e200], [-2e200], [3.0], [2.0]]), [0, 0, 1, 1, 2, 2]
    for mining, total in (("all", np.inf), ("hard", np.inf), ("semihard", np.inf)):
        loss = methods_of(fl.BatchTriplet(mining=mining, distance="squared_euclidean"), reference)
        value, gradient = loss.value_and_gradient(x, y, reduction="none")
        assert value[:2].tolist() == [np.inf, np.inf] if mining != "semihard" else value[0] in (1.0, np.inf)
        assert np.isfinite(gradient).all()
        assert loss(x, y) == total
    tie = methods_of(fl.BatchTriplet(distance="squared_euclidean", margin=0.5), reference)
    value, gradient = tie.value_and_gradient(x[[0, 1, 3]], [0, 0, 1], reduction="none")
    assert value.tolist() == [0.5, 0.0, 0.0]
    np.testing.assert_allclose(gradient, [[-8e200], [4e200], [4e200]])


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e-160, 1e150, 1e200, 1e300])
@pytest.mark.parametrize("mining", MINING)
def test_scale_of_rows(scale, mining, rng) -> None:
    """Euclidean distances are proportional to it, cosines do not depend on that of any row."""
    x, y, _ = draw(rng, 40, 9, 7, grid=False)
    loss = fl.BatchTriplet(mining=mining, margin=0.0)
    expected, slopes = loss.value_and_gradient(x, y)
    value, gradient = loss.value_and_gradient(x * scale, y)
    assert value / scale == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-10, atol=1e-14)
    loss = fl.BatchTriplet(mining=mining, distance="cosine", margin=0.2)
    factor = np.where(np.arange(40) % 3 == 1, scale, 1.0)[:, None]
    expected, slopes = loss.value_and_gradient(x, y)
    value, gradient = loss.value_and_gradient(x * factor, y)
    assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(gradient * factor, slopes, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize(("dtype", "least"), [(np.float64, 2.0**-1074), (np.float32, 2.0**-149)])
@pytest.mark.parametrize("mining", MINING)
def test_subnormal_embeddings(dtype, least, mining, rng) -> None:
    """One over their distances is beyond the largest number."""
    x, y = rng.integers(-9, 10, (30, 3)), rng.integers(0, 5, 30)
    loss = fl.BatchTriplet(mining=mining, margin=0.0)
    expected = loss.gradient(x, y, reduction="sum")
    small = (x * least).astype(dtype)
    np.testing.assert_allclose(loss.gradient(small, y, reduction="sum"), expected, rtol=1e-6, atol=1e-6)
    assert expected.any()


def test_a_wide_range_of_distances(rng) -> None:
    """Near rows beside far ones."""
    x = np.array([[0.0, 0.0], [3e-170, 4e-170], [1e-170, 0.0], [1e200, 0.0], [1e200, 0.0]])
    y = [0, 0, 1, 2, 2]
    for mining in MINING:
        loss = fl.BatchTriplet(mining=mining, margin=0.0)
        for methods in (loss, loss.reference):
            value, gradient = methods.value_and_gradient(x, y, [1, 0, 0, 0, 0], reduction="sum")
            if mining != "semihard":
                assert value == pytest.approx(4e-170, rel=1e-14)
                np.testing.assert_allclose(gradient, [[0.4, -0.8], [0.6, 0.8], [-1, 0], [0, 0], [0, 0]], atol=1e-15)
            else:
                assert value == 0


# ---- limits ---------------------------------------------------------------------------------------------------------


@both
@every_loss
@pytest.mark.parametrize("labels", [[3] * 12, list(range(12))], ids=["one class", "all different"])
def test_batches_without_terms(reference, loss, labels, rng) -> None:
    x = rng.standard_normal((12, 3))
    x[3] = np.nan
    for average in ("valid", "active"):
        methods = methods_of(fl.BatchTriplet(**loss._parameters() | {"average": average}), reference)
        for reduction in ("mean", "sum", "none"):
            value, gradient = methods.value_and_gradient(x, labels, reduction=reduction)
            assert not np.any(value)
            assert np.shape(value) == ((12,) if reduction == "none" else ())
            assert not gradient.any()


@both
@pytest.mark.parametrize("mining", MINING)
@pytest.mark.parametrize("kind", MARGINS)
def test_nothing_active(reference, mining, kind) -> None:
    """Classes far apart, and terms that are exactly 0: the mean over nothing is 0."""
    other = {"euclidean": [0.0, 4.0], "squared_euclidean": [3.0, -1.0], "cosine": [1.0, 0.0]}[kind]
    x = np.array([[0.0, 1.0], [0.0, 1.0], other, other])
    margin = {"euclidean": 3.0, "squared_euclidean": 13.0, "cosine": 1.0}[kind]
    for average in (None, "active", "valid"):
        loss = fl.BatchTriplet(mining=mining, distance=kind, margin=margin, average=average)
        value, gradient = methods_of(loss, reference).value_and_gradient(x, [0, 0, 1, 1])
        assert value == 0
        assert not gradient.any()
        more = fl.BatchTriplet(mining=mining, distance=kind, margin=np.nextafter(margin, 99), average=average)
        value, gradient = methods_of(more, reference).value_and_gradient(x, [0, 0, 1, 1])
        assert value == pytest.approx(np.spacing(margin), rel=1e-12)
        assert gradient.any()


@both
@pytest.mark.parametrize("mining", MINING)
@pytest.mark.parametrize("kind", MARGINS)
@pytest.mark.parametrize("d", [1, 3, 128])
def test_equal_rows(reference, mining, kind, d, rng) -> None:
    """All distances are 0: each term is the margin, without a gradient."""
    x = np.repeat(rng.standard_normal((1, d)), 8, axis=0)
    loss = methods_of(fl.BatchTriplet(mining=mining, distance=kind, margin=0.25), reference)
    value, gradient = loss.value_and_gradient(x, np.arange(8) % 2, reduction="none")
    terms = {"all": 12, "hard": 1, "semihard": 3}[mining]
    np.testing.assert_array_equal(value, 0.25 * terms)
    np.testing.assert_allclose(gradient, 0, atol=1e-14)
    if kind != "cosine":
        assert not gradient.any()
    assert loss(x, np.arange(8) % 2) == 0.25


@both
@pytest.mark.parametrize("mining", MINING)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_zero_vectors(reference, mining, dtype) -> None:
    """cos = 0 with every vector, with each other too; no gradient through them."""
    loss = methods_of(fl.BatchTriplet(mining=mining, distance="cosine", margin=0.5), reference)
    x = np.array([[0, 0], [0, 0], [3, 4]], dtype)
    value, gradient = loss.value_and_gradient(x, [0, 0, 1], reduction="none")
    np.testing.assert_array_equal(value, [0.5, 0.5, 0])
    assert not gradient.any()
    x = np.array([[1, 0], [0, 0], [0, 2], [2, 0]], dtype)
    value, gradient = loss.value_and_gradient(x, [0, 0, 1, 2], reduction="none")
    assert value[0] == {"all": 2.0, "hard": 1.5, "semihard": 0.5}[mining]
    assert not gradient[1].any()
    if mining == "hard":
        np.testing.assert_array_equal(gradient, 0)  # the nearest has the same direction


@both
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_ties_go_to_the_lowest_index(reference, order) -> None:
    """Among negatives of several classes, which kernels visit class by class, and among positives."""
    x = np.array([[0.0, 0.0], [0.0, -2.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    y = np.array([0, 0, *(np.array([1, 2, 3])[list(order)])])
    for mining in ("hard", "semihard"):
        loss = methods_of(fl.BatchTriplet(mining=mining, margin=1.0), reference)
        gradient = loss.gradient(x, y, [1, 0, 0, 0, 0], reduction="sum")
        np.testing.assert_array_equal(np.flatnonzero(gradient.any(axis=1)), [0, 1, 2])
    x[2:, :] *= 3
    loss = methods_of(fl.BatchTriplet(mining="semihard", margin=2.0), reference)
    gradient = loss.gradient(x, y, [1, 0, 0, 0, 0], reduction="sum")
    np.testing.assert_array_equal(np.flatnonzero(gradient.any(axis=1)), [0, 1, 2])
    positives = np.array([[0.0, 0.0], [0.0, -1.0], [1.0, 0.0], [-1.0, 0.0], [0.5, 0.5]])
    for labels in ([0, 0, 0, 0, 1], [1, 1, 1, 1, 0]):
        gradient = methods_of(fl.BatchTriplet(mining="hard"), reference).gradient(
            positives, labels, [1, 0, 0, 0, 0], reduction="sum"
        )
        np.testing.assert_array_equal(np.flatnonzero(gradient.any(axis=1)), [0, 1, 4])


@both
def test_semihard_needs_a_strictly_farther_negative(reference) -> None:
    """One at the distance of the positive is passed over; without any, the farthest is taken."""
    x, y = np.array([[0.0], [2.0], [-2.0], [5.0], [1.0]]), [0, 0, 1, 2, 3]
    loss = methods_of(fl.BatchTriplet(mining="semihard", margin=4.0), reference)
    value, gradient = loss.value_and_gradient(x, y, [1, 0, 0, 0, 0], reduction="sum")
    assert value == 1.0
    np.testing.assert_allclose(gradient, [[0], [1], [0], [-1], [0]], atol=1e-15)
    value, gradient = loss.value_and_gradient(x[[0, 1, 2, 4]], [0, 0, 1, 1], [1, 0, 0, 0], reduction="sum")
    assert value == 4.0
    np.testing.assert_array_equal(gradient, [[-2], [1], [1], [0]])


@both
@every_loss
def test_rows_of_weight_0_serve_others(reference, loss, rng) -> None:
    x, y, w = draw(rng, 24, 4, 4)
    methods = methods_of(loss, reference)
    values = methods(x, y, reduction="none")
    np.testing.assert_allclose(methods(x, y, w, reduction="none"), w * values, rtol=1e-14)
    alone = sum(
        w[k] * methods.gradient(x, y, (np.arange(24) == k).astype(float), reduction="sum") for k in range(24) if w[k]
    )
    np.testing.assert_allclose(methods.gradient(x, y, w, reduction="sum"), alone, rtol=0, atol=1e-12)
    assert same(methods.gradient(x, y, w, reduction="sum"), methods.gradient(x, y, w, reduction="none"))
    assert methods(x, y, 2.0) == pytest.approx(methods(x, y), rel=1e-14)


@every_loss
@pytest.mark.parametrize(("dtype", "weight"), [("f4", 2.0**-80), ("f4", 2.0**100), ("f8", 2.0**-900), ("f8", 2.0**900)])
def test_weights_of_any_size(loss, dtype, weight, rng) -> None:
    dtype = np.dtype(dtype).type
    x, y, w = draw(rng, 50, 4, 4, dtype)
    for a, b in zip(loss.value_and_gradient(x, y, w * dtype(weight)), loss.value_and_gradient(x, y, w), strict=True):
        np.testing.assert_array_equal(a, b)
    value, gradient = loss.value_and_gradient(x, y, w, reduction="none")
    for a, b in zip(loss.value_and_gradient(x, y, w * dtype(weight), reduction="none"), (value, gradient), strict=True):
        np.testing.assert_array_equal(a, b * dtype(weight))


@both
@every_loss
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_rows_that_are_not_finite(reference, loss, bad, dtype, rng) -> None:
    """Whoever compares with them is NaN; anchors of weight 0, and gradients that do not depend on them, are not."""
    x, _, _ = draw(rng, 12, 3, dtype=dtype)
    y = np.arange(12) // 2 % 3
    methods = methods_of(loss, reference)
    broken = x.copy()
    broken[5, 1] = bad
    value, gradient = methods.value_and_gradient(broken, y, reduction="none")
    assert np.isnan(value).all()
    assert np.isnan(gradient[5]).all()
    assert np.isnan(methods(broken, y))
    y = np.arange(12) // 2  # class 2: rows 4 and 5
    w = np.zeros(12, dtype)
    w[[0, 4, 5]] = 1
    value, gradient = methods.value_and_gradient(broken, y, w, reduction="none")
    np.testing.assert_array_equal(np.isnan(value), w > 0)
    assert (value[w == 0] == 0).all()
    assert np.isnan(gradient[[0, 4, 5]]).all()
    if loss.mining != "all":
        assert np.count_nonzero(np.isnan(gradient).any(axis=1)) <= 5, "rows that no term has chosen"


@every_loss
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_agrees_with_reference_about_nan(loss, dtype, rng, instruction_set) -> None:
    for count in (1, 3):
        x, y, w = draw(rng, 40, 3, 6, dtype)
        x[rng.choice(40, count, replace=False), 1] = np.nan
        x[7] = 0
        for got, expected in zip(
            loss.value_and_gradient(x, y, w, reduction="none"),
            loss.reference.value_and_gradient(x, y, w, reduction="none"),
            strict=True,
        ):
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


# ---- tiles and threads ----------------------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_every_budget_gives_the_same(loss, dtype, rng) -> None:
    x, y, w = draw(rng, 300, 7, 40, dtype)
    rows = np.empty((320, 16), dtype)
    budgets = [1, 150 * rows.itemsize * 320, 200 * rows.itemsize * 320, None]
    assert [tile_rows(rows, budget) for budget in budgets[:3]] == [64, 128, 192]
    results = [loss.value_and_gradient(x, y, w, memory_budget=budget) for budget in budgets]
    for result in results:
        assert_close(result, results[-1], TOLERANCE[dtype])
        assert result[0] == results[0][0], "the value needs no tiles"


@every_loss
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("budget", [1, None])
def test_bits_do_not_depend_on_threads(loss, dtype, budget, rng) -> None:
    x, y, w = draw(rng, 300, 60, 30, dtype)
    one = loss.value_and_gradient(x, y, w, n_threads=1, memory_budget=budget)
    for n_threads in (2, 3, 7, None):
        assert same(loss.value_and_gradient(x, y, w, n_threads=n_threads, memory_budget=budget), one)


@every_loss
def test_all_methods_give_the_same_bits(loss, rng) -> None:
    x, y, w = draw(rng, 90, 9, 8, np.float32)
    for methods, reduction in itertools.product((loss, loss.reference), ("mean", "sum", "none")):
        value, gradient = methods.value_and_gradient(x, y, w, reduction=reduction)
        assert isinstance(gradient, np.ndarray)
        assert same(methods(x, y, w, reduction=reduction), value)
        assert same(methods.value(x, y, w, reduction=reduction), value)
        assert same(methods.gradient(x, y, w, reduction=reduction), gradient)
        assert same(tuple(methods.evaluate(x, y, w, reduction=reduction)), (value, gradient, None))
        only = methods.evaluate(x, y, w, reduction=reduction, outputs="gradient")
        assert same(tuple(only), (None, gradient, None))


def test_the_order_of_rows_does_not_matter(rng) -> None:
    x, y, w = rng.standard_normal((70, 5)), rng.integers(0, 9, 70), rng.random(70)
    order = rng.permutation(70)
    for loss in LOSSES:
        value, gradient = loss.value_and_gradient(x, y, w, reduction="none")
        moved, slopes = loss.value_and_gradient(x[order], y[order], w[order], reduction="none")
        np.testing.assert_allclose(moved, value[order], rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(slopes, gradient[order], rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("mining", MINING)
def test_progress_and_interruption(mining, rng) -> None:
    x, y, w = draw(rng, 300, 4, 20)
    loss = fl.BatchTriplet(mining=mining)
    for call, budget in itertools.product((loss, loss.gradient, loss.value_and_gradient, loss.evaluate), (1, None)):
        seen: list[tuple[int, int]] = []
        expected = call(x, y, w, memory_budget=budget)
        result = call(x, y, w, memory_budget=budget, progress=lambda *state, seen=seen: seen.append(state))
        assert same(result, expected)
        done, totals = zip(*seen, strict=True)
        assert list(done) == sorted(set(done))
        assert set(totals) == {done[-1]}

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    for methods in (loss, loss.reference):
        with pytest.raises(KeyboardInterrupt):
            methods.gradient(x, y, progress=interrupt)


@needs_timer
@pytest.mark.parametrize("mining", MINING)
@pytest.mark.parametrize("d", [1, 200])
def test_interruption_by_a_signal(mining, d) -> None:
    n = 60_000 if d == 1 else 25_000
    x, y = np.random.default_rng(0).standard_normal((n, d), np.float32), np.arange(n) % 1000
    assert_interrupted(lambda: fl.BatchTriplet(mining=mining).gradient(x, y, n_threads=1), after=0.2, within=2)


def peak(call: Any, *arguments: Any, **keywords: Any) -> int:
    """The most bytes in use during a call, above those before."""
    call(*(a[:64] for a in arguments))  # imports on first use
    return peak_of(lambda: call(*arguments, **keywords))


@pytest.mark.parametrize("mining", MINING)
def test_memory_of_a_large_batch(mining, rng) -> None:
    """Never all distances: the tile, and a few times the embeddings."""
    x, y = rng.standard_normal((4096, 32), np.float32), rng.integers(0, 500, 4096)
    loss = fl.BatchTriplet(mining=mining)
    few = 10 * x.nbytes
    assert peak(loss, x, y) < few
    assert peak(loss.gradient, x, y, memory_budget=2**22) < few + (0 if mining == "hard" else 1.1 * 2**22)
    assert few + 1.1 * 2**22 < x.shape[0] ** 2 * 4 / 5


def test_large_classes(rng) -> None:
    """Two classes, where triplets would be counted in billions."""
    x, y = rng.standard_normal((2000, 2)), np.arange(2000) % 2
    value = fl.BatchTriplet(margin=100.0)(x, y)
    d = np.linalg.norm(x[:, None] - x[None], axis=2)
    p = (y[:, None] == y[None]) & ~np.eye(2000, dtype=bool)
    n = y[:, None] != y[None]
    assert value == pytest.approx((d[p].sum() / p.sum()) - d[n].mean() + 100, rel=1e-12)


# ---- arrays ---------------------------------------------------------------------------------------------------------


FORMS = layouts.FORMS | {"longdouble": lambda a: a.astype(np.longdouble) if a.dtype.kind == "f" else a}


@both
@pytest.mark.parametrize("form", FORMS)
def test_forms_of_arrays(reference, form, rng) -> None:
    given = draw(rng, 70, 7, 9)
    for loss in LOSSES[::4]:
        methods = methods_of(loss, reference)
        expected = methods.value_and_gradient(*given)
        for changed in ((0,), (1,), (2,), (0, 1, 2)):
            arguments = [FORMS[form](a) if k in changed else a for k, a in enumerate(given)]
            before = copy.deepcopy(arguments)
            assert_close(methods.value_and_gradient(*arguments), expected, 1e-14 if reference else 0.0)
            assert all(same(a, c) for a, c in zip(arguments, before, strict=True))


@both
@pytest.mark.parametrize("labels", [np.int8, np.uint8, np.int16, ">i4", np.uint64, bool])
def test_types_of_labels(reference, labels, rng) -> None:
    x, y, _ = draw(rng, 20, 3, 3)
    methods = methods_of(fl.BatchTriplet(), reference)
    y = (y + 1) % (2 if labels is bool else 3)
    assert methods(x, y.astype(labels)) == methods(x, y)


@both
def test_labels_may_be_any_integers(reference) -> None:
    x = np.array([[0.0], [1.0], [1.25], [9.0]])
    methods = methods_of(fl.BatchTriplet(), reference)
    for low, high in ((-(2**63), 2**63 - 1), (-1, 7)):
        assert methods(x, np.array([low, low, high, high])) == methods(x, [0, 0, 1, 1])
    assert methods(x, np.array([2**64 - 1, 2**64 - 1, 0, 0], np.uint64)) == methods(x, [0, 0, 1, 1])


@both
@pytest.mark.parametrize(
    ("given", "working"), [("f2", "f4"), ("f4", "f4"), ("f8", "f8"), ("i2", "f8"), ("?", "f8"), ("g", "f8")]
)
def test_working_types(reference, given, working, rng) -> None:
    x, y, w = draw(rng)
    x = (4 * x).astype(given)
    for loss in LOSSES:
        methods = methods_of(loss, reference)
        for result, expected in zip(
            methods.value_and_gradient(x, y, w, reduction="none"),
            methods.value_and_gradient(x.astype(working), y, w, reduction="none"),
            strict=True,
        ):
            assert result.dtype == np.dtype(working)
            np.testing.assert_array_equal(result, expected)


@both
def test_broadcast_and_empty(reference, rng) -> None:
    x, y, _ = draw(rng)
    methods = methods_of(fl.BatchTriplet(), reference)
    expected = methods.value_and_gradient(x, y, np.full(30, 0.5), reduction="sum")
    assert same(methods.value_and_gradient(x, y, 0.5, reduction="sum"), expected)
    assert same(methods.value_and_gradient(x, y, np.broadcast_to(np.array(0.5), (30,)), reduction="sum"), expected)
    flat = np.broadcast_to(x[0], x.shape)
    assert methods(flat, y) == 1.0
    empty, none = np.zeros((0, 5), np.float32), np.zeros(0, int)
    for loss in LOSSES:
        value, gradient = methods_of(loss, reference).value_and_gradient(empty, none, reduction="sum")
        assert value == 0
        assert gradient.shape == (0, 5)
        assert methods_of(loss, reference)(empty, none, reduction="none").shape == (0,)
    with pytest.raises(ValueError, match="embeddings must not be empty for reduction='mean'"):
        methods(empty, none)


# ---- out ------------------------------------------------------------------------------------------------------------

TARGETS = {
    "C": lambda shape, dtype: np.full(shape, 7, dtype),
    "F": lambda shape, dtype: np.full(shape, 7, dtype, order="F"),
    "strided": lambda shape, dtype: np.full((*shape[:-1], 3 * shape[-1]), 7, dtype)[..., ::3],
    "reversed": lambda shape, dtype: np.full(shape, 7, dtype)[::-1],
    "swapped": lambda shape, dtype: np.full(shape, 7, np.dtype(dtype).newbyteorder()),
}


@both
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("computed", [np.float32, np.float64])
def test_out(reference, target, dtype, computed, rng) -> None:
    given = draw(rng, dtype=computed)
    for loss in LOSSES[1::4]:
        methods = methods_of(loss, reference)
        value, expected = methods.value_and_gradient(*given, reduction="none")
        gradient, values = TARGETS[target](expected.shape, dtype), TARGETS[target](value.shape, dtype)
        result = methods.value_and_gradient(*given, reduction="none", out=(values, gradient))
        assert result[0] is values
        assert result[1] is gradient
        np.testing.assert_array_equal(values, value.astype(dtype))
        np.testing.assert_array_equal(gradient, expected.astype(dtype))
        values, gradient = TARGETS[target](value.shape, dtype), TARGETS[target](expected.shape, dtype)
        assert methods(*given, reduction="none", out=values) is values
        np.testing.assert_array_equal(values, value.astype(dtype))
        for reduction in ("mean", "sum"):
            assert methods.gradient(*given, reduction=reduction, out=gradient) is gradient
            total, expected = methods.value_and_gradient(*given, reduction=reduction)
            np.testing.assert_array_equal(gradient, expected.astype(dtype))
            gradient[...] = 7
            result = methods.value_and_gradient(*given, reduction=reduction, out=gradient)
            assert result[0] == total
            assert result[1] is gradient
            np.testing.assert_array_equal(gradient, expected.astype(dtype))
        partly = methods.value_and_gradient(*given, reduction="none", out=(None, gradient))
        assert partly[1] is gradient
        assert same(partly[0], value)


@both
@every_loss
def test_out_may_be_an_input(reference, loss, rng) -> None:
    x, y, w = draw(rng, 80, 6)
    methods = methods_of(loss, reference)
    expected = methods.gradient(x, y, w)
    for place in (slice(None), slice(None, None, -1)):
        inputs = x.copy()
        np.testing.assert_array_equal(methods.gradient(inputs, y, w, out=inputs[place]), expected)
    weights = w.copy()
    np.testing.assert_array_equal(
        methods(x, y, weights, reduction="none", out=weights), methods(x, y, w, reduction="none")
    )


# ---- arguments ------------------------------------------------------------------------------------------------------

BAD = [
    ({"embeddings": np.ones(30)}, ValueError, r"embeddings must have the shape \(B, D\) with D >= 1, got \(30,\)"),
    ({"embeddings": np.ones((30, 0))}, ValueError, r"embeddings must have .* with D >= 1, got \(30, 0\)"),
    ({"embeddings": np.ones((30, 2, 2))}, ValueError, r"embeddings must have .*, got \(30, 2, 2\)"),
    ({"embeddings": np.ones((30, 5), complex)}, TypeError, "embeddings must hold real numbers, got dtype complex128"),
    ({"embeddings": np.ma.ones((30, 5))}, TypeError, "embeddings must not be a masked array"),
    (
        {"labels": np.ones(29, int)},
        ValueError,
        r"labels must have the shape \(30,\) to match embeddings \(30, 5\), got \(29,\)",
    ),
    ({"labels": np.ones((30, 1), int)}, ValueError, r"labels must have the shape \(30,\) .*, got \(30, 1\)"),
    ({"labels": 1}, ValueError, r"labels must have the shape \(30,\) .*, got \(\)"),
    ({"labels": np.ones(30)}, TypeError, "labels must hold integers, got dtype float64"),
    ({"labels": None}, TypeError, "labels must hold real numbers, got dtype object"),
    ({"sample_weight": np.ones(29)}, ValueError, r"a scalar or have the shape \(30,\) of labels, got \(29,\)"),
    ({"sample_weight": np.arange(30) - 4.0}, ValueError, "sample_weight must be >= 0 and finite, got -4.0 at index 0"),
    ({"sample_weight": np.inf}, ValueError, "sample_weight must be >= 0 and finite, got inf"),
    ({"sample_weight": np.zeros(30)}, ValueError, "sample_weight must not sum to zero for reduction='mean'"),
    ({"sample_weight": "heavy"}, TypeError, "sample_weight must hold real numbers"),
    ({"reduction": "median"}, ValueError, "reduction must be one of 'mean', 'sum', 'none', got 'median'"),
    ({"n_threads": 0}, ValueError, "n_threads must be >= 1, got 0"),
    ({"memory_budget": 0}, ValueError, "memory_budget must be >= 1, got 0"),
    ({"memory_budget": 1e6}, TypeError, "memory_budget must be a positive integer, got 1000000.0"),
    ({"progress": 3}, TypeError, "progress must be callable or None, got 3 of type int"),
]


@both
@pytest.mark.parametrize(("changes", "error", "message"), BAD)
def test_bad_arguments(reference, changes, error, message, rng) -> None:
    arguments = dict(zip(("embeddings", "labels", "sample_weight"), draw(rng), strict=True)) | changes
    methods = methods_of(fl.BatchTriplet(), reference)
    for call in (methods, methods.gradient, methods.value_and_gradient, methods.evaluate):
        with pytest.raises(error, match=message):
            call(**arguments)


@both
def test_bad_out(reference, rng) -> None:
    given = draw(rng)
    methods = methods_of(fl.BatchTriplet(), reference)
    gradient, value = np.empty((30, 5)), np.empty(30)
    for call, keywords, error, message in (
        ("gradient", {"out": value}, ValueError, r"out for the gradient must have the shape \(30, 5\), got \(30,\)"),
        ("gradient", {"out": gradient.astype(int)}, TypeError, "out for the gradient must be float32 or float64"),
        ("gradient", {"out": (gradient, value)}, ValueError, r"out must hold 1 array\(s\) \(gradient\), got 2"),
        ("gradient", {"out": layouts.read_only(gradient)}, ValueError, "out for the gradient must be writeable"),
        ("value", {"out": value}, ValueError, "out must be None: with reduction='mean' the value is a float"),
        ("value_and_gradient", {"out": gradient, "reduction": "none"}, ValueError, r"out must hold 2 array\(s\)"),
    ):
        with pytest.raises(error, match=message):
            getattr(methods, call)(*given, **keywords)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"mining": "easy"}, ValueError, "mining must be one of 'all', 'hard', 'semihard', got 'easy'"),
        ({"margin": -1.0}, ValueError, "margin must be >= 0, got -1.0"),
        ({"margin": np.nan}, ValueError, "margin must be >= 0, got nan"),
        ({"distance": "manhattan"}, ValueError, "distance must be one of 'euclidean', 'squared_euclidean', 'cosine'"),
        ({"average": "all"}, ValueError, "average must be one of 'valid', 'active'"),
    ],
)
def test_bad_parameters(parameters, error, message) -> None:
    with pytest.raises(error, match=message):
        fl.BatchTriplet(**parameters)


# ---- the object -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("average", [None, "valid", "active"])
@every_loss
def test_object(loss, average, rng) -> None:
    loss = fl.BatchTriplet(**loss._parameters() | {"average": average})
    given = draw(rng)
    copies = [copy.copy(loss), copy.deepcopy(loss), eval(repr(loss), vars(fl).copy())]
    copies += [pickle.loads(pickle.dumps(loss)), fl.get(json.loads(json.dumps(loss.config())))]
    for other in copies:
        assert type(other) is fl.BatchTriplet
        assert other == loss
        assert hash(other) == hash(loss)
        assert other(*given) == loss(*given)
    assert loss.config() == {"name": "batch_triplet"} | loss._parameters()
    assert repr(loss.reference) == f"{loss!r}.reference"
    with pytest.raises(AttributeError):
        loss.margin = 2.0
    for call in (loss.hessian, loss.gradient_and_hessian, loss.reference.hessian):
        with pytest.raises(ValueError, match="has no hessian"):
            call(*given)
    assert loss.hessian_policies == ()


def test_averages(rng) -> None:
    y = rng.integers(0, 4, 30)
    x = rng.standard_normal((30, 4)) + y[:, None]
    for mining, default in (("all", "active"), ("hard", "valid"), ("semihard", "valid")):
        by = {average: fl.BatchTriplet(mining=mining, margin=0.1, average=average) for average in ("valid", "active")}
        assert fl.BatchTriplet(mining=mining, margin=0.1)(x, y) == by[default](x, y)
        assert by["valid"](x, y) < by["active"](x, y)


def test_metadata() -> None:
    info = fl.BatchTriplet().info
    assert info.family == "embeddings"
    assert info.default_hessian == ""
    assert info.differentiability == "C0"
    assert not info.convex
    text = inspect.getdoc(fl.BatchTriplet) or ""
    for section in ("Parameters\n---", "Notes\n---", "References\n---", "Examples\n---"):
        assert section in text
    for name in fl.BatchTriplet()._parameters():
        assert f"\n{name} : " in text


def test_names_and_signatures() -> None:
    for name in ("batch_triplet", "BatchTriplet"):
        assert fl.get(name, margin=0.5) == fl.BatchTriplet(margin=0.5)
    for method in ("__call__", "value", "gradient", "value_and_gradient", "evaluate"):
        parameters = inspect.signature(getattr(fl.BatchTriplet(), method)).parameters
        positional = [name for name, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
        assert positional == ["embeddings", "labels", "sample_weight"]
        keywords = {name for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
        assert keywords - {"outputs"} == {"reduction", "out", "n_threads", "memory_budget", "progress"}
