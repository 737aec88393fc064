"""The linear layer with its cross-entropy: exact results, derivatives, panels, memory, arguments."""

from __future__ import annotations

import copy
import inspect
import itertools
import json
import math
import pickle
import re
from typing import Any

import numpy as np
import pytest
from layouts import FORMS, peak_of, read_only
from rows import RowCase, array, row_file
from support import same
from test_rows_vectors import TINY, allowed, check, types_of

import fastloss as fl
from fastloss.losses.linear import Plan
from fastloss.reference.linear import linear_cross_entropy, logits

CASES = [case for case in row_file("structured_multiclass.json")["cases"] if case.data["loss"] == "LinearCrossEntropy"]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"label_smoothing": 0.1},
    {"class_weight": (0.5, 2.0, 0.0, 1.25, 1.0)},
    {"ignore_index": -100},
    {"ignore_index": 0, "class_weight": (0.5, 2.0, 1.0, 1.25, 1.0), "label_smoothing": 0.2},
]
every_option = pytest.mark.parametrize("options", OPTIONS, ids=repr)


def draw(
    rng: np.random.Generator, n: int = 30, d: int = 4, v: int = 5, dtype: Any = np.float64, ignored: int | None = None
) -> tuple[np.ndarray, ...]:
    """Labels, features, weights, bias and sample weights, some of them 0."""
    y = rng.integers(0, v, n)
    if ignored is not None:
        y[rng.random(n) < 0.2] = ignored
    u = rng.random(n) * (rng.random(n) < 0.8)
    y[:1], u[:1] = v - 1, 0.5  # the mean needs a row that counts
    floats = (rng.standard_normal((n, d)), rng.standard_normal((v, d)), rng.standard_normal(v), u)
    return y, *(x.astype(dtype) for x in floats)


def assert_close(a: Any, b: Any, tolerance: float) -> None:
    """Equal up to a tolerance relative to the largest entry; tuples entry by entry."""
    if isinstance(a, tuple):
        assert isinstance(b, tuple)
        for one, other in zip(a, b, strict=True):
            assert_close(one, other, tolerance)
        return
    scale = 1 + np.max(np.abs(b), initial=0)
    assert np.shape(a) == np.shape(b)
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * scale)


# ---- exact results --------------------------------------------------------------------------------------------------


def inputs_of(case: RowCase, dtype: type) -> tuple[list[np.ndarray | None], np.ndarray | None]:
    """The labels, features, weights and bias (or None), and the sample weights."""
    given = {x["name"]: array(x) for x in case.data["inputs"]}
    y, x, w, b = map(given.get, ("y_true", "features", "weights", "bias"))
    weight = case.data["sample_weight"]
    floats = [None if a is None else a.astype(dtype) for a in (x, w, b, weight and array(weight))]
    return [y, *floats[:3]], floats[3]


@pytest.mark.parametrize("method", ["panels", "single rows", "reference"])
@pytest.mark.parametrize("case", CASES, ids=repr)
def test_vectors(case: RowCase, method: str) -> None:
    expected = case.expected
    methods = case.loss.reference if method == "reference" else case.loss
    keywords = {"memory_budget": 1} if method == "single rows" else {}
    for dtype in types_of(case):
        inputs, weight = inputs_of(case, dtype)
        value, gradient = methods.value_and_gradient(*inputs, weight, reduction="none", **keywords)
        check("value", value, array(expected["values"]), allowed(expected["values"], dtype), dtype)
        assert len(gradient) == len(expected["gradients"]) == sum(x is not None for x in inputs[1:])
        total = float.fromhex(expected["denominator"])
        for reduction, divisor in (("sum", 1.0), ("mean", total)):
            computed = methods(*inputs, weight, reduction=reduction, **keywords)
            tolerance = allowed(expected["values"], dtype).sum() / divisor
            assert type(computed) is float
            assert computed == pytest.approx(float.fromhex(expected[reduction]), rel=0, abs=tolerance)
            gradient = methods.gradient(*inputs, weight, reduction=reduction, **keywords)
            for name, item, g in zip(("dX", "dW", "db"), expected["gradients"], gradient, strict=False):
                limits = 1.5 * allowed(item, dtype) / divisor + TINY[dtype]
                check(f"{name} of the {reduction}", g, array(item) / divisor, limits, dtype)


def test_there_are_vectors() -> None:
    assert len(CASES) == 20
    assert {case.data["sampler"] for case in CASES} == {"normal", "bias", "weighted", "extreme"}


@every_option
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_gradients_are_derivatives(options: dict[str, Any], reduction: str, rng: np.random.Generator) -> None:
    """By complex steps on the formula of the reference."""
    loss = fl.LinearCrossEntropy(**options)
    y, x, w, b, u = draw(rng, ignored=loss.ignore_index)
    gradients = loss.gradient(y, x, w, b, u, reduction=reduction)
    terms = linear_cross_entropy(y, x, w, b, **loss._parameters())
    total = np.sum(u if terms.count is None else u * terms.count) if reduction == "mean" else 1.0
    for k, gradient in enumerate(gradients):
        steps = np.zeros(gradient.shape)
        for index in np.ndindex(gradient.shape):
            moved = [a.astype(complex) for a in (x, w, b)]
            moved[k][index] += 1e-30j
            value = linear_cross_entropy(y, *moved, **loss._parameters()).value()
            steps[index] = np.sum(u * value.imag) / 1e-30 / total
        assert_close(gradient, steps, 1e-14)


@every_option
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-13), (np.float32, 3e-6)])
def test_agrees_with_reference_and_dense_loss(options, reduction, dtype, tolerance, rng) -> None:
    loss = fl.LinearCrossEntropy(**options)
    y, x, w, b, u = draw(rng, 60, dtype=dtype, ignored=loss.ignore_index)
    dense = fl.SparseCategoricalCrossEntropy(from_logits=True, **options)
    for bias, weight in itertools.product((b, None), (u, None, 0.5)):
        value, gradient = loss.value_and_gradient(y, x, w, bias, weight, reduction=reduction)
        assert all(g.dtype == dtype for g in gradient)
        reference = loss.reference.value_and_gradient(y, x, w, bias, weight, reduction=reduction)
        assert_close((value, gradient), reference, tolerance)
        expected, g = dense.value_and_gradient(y, logits(x, w, bias), weight, reduction=reduction)
        assert_close(value, expected, tolerance)
        assert_close(gradient, (g @ w, g.T @ x, g.sum(axis=0))[: len(gradient)], tolerance)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignore_index", [None, -100, 2])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_agrees_with_torch(smoothing, weighted, ignore_index, with_bias, reduction, rng) -> None:
    torch = pytest.importorskip("torch")
    y, x, w, b, _ = draw(rng, 40, ignored=ignore_index)
    weight = np.array([0.5, 2.0, 1.25, 1.0, 0.75]) if weighted else None
    inputs = (x, w, b)[: 3 if with_bias else 2]
    loss = fl.LinearCrossEntropy(label_smoothing=smoothing, class_weight=weight, ignore_index=ignore_index)
    tensors = [torch.tensor(a, requires_grad=True) for a in inputs]
    expected = torch.nn.functional.cross_entropy(
        torch.nn.functional.linear(*tensors),
        torch.tensor(y),
        weight=None if weight is None else torch.tensor(weight),
        ignore_index=-100 if ignore_index is None else ignore_index,
        label_smoothing=smoothing,
        reduction=reduction,
    )
    expected.sum().backward()
    value, gradient = loss.value_and_gradient(y, *inputs, reduction=reduction)
    assert_close(value, expected.detach().numpy(), 1e-13)
    assert_close(gradient, tuple(t.grad.numpy() for t in tensors), 1e-13)


def test_small_losses_keep_their_accuracy() -> None:
    loss = fl.LinearCrossEntropy()
    value, (dx, dw) = loss.value_and_gradient([0], [[1.0]], [[40.0], [0.0], [0.0]])
    assert value == pytest.approx(8.496708510583178e-18, rel=1e-15)
    np.testing.assert_allclose(dw[:, 0], [-8.496708510583178e-18, 4.248354255291589e-18, 4.248354255291589e-18])
    np.testing.assert_allclose(dx, [[-40 * 8.496708510583178e-18]])


def test_float32_values_are_summed_in_float64(rng) -> None:
    y, x, w, *_ = draw(rng, 20_000, 2, 3, np.float32)
    loss = fl.LinearCrossEntropy()
    for budget in (None, 4096):
        values = loss(y, x, w, reduction="none", memory_budget=budget)
        total = loss(y, x, w, reduction="sum", memory_budget=budget)
        assert total == pytest.approx(math.fsum(values.tolist()), rel=1e-7)
        assert loss(y, x, w, memory_budget=budget) == total / len(y)


# ---- panels ---------------------------------------------------------------------------------------------------------


@every_option
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-13), (np.float32, 3e-6)])
def test_every_budget_gives_the_same(options, dtype, tolerance, rng) -> None:
    loss = fl.LinearCrossEntropy(**options)
    y, x, w, b, u = draw(rng, 37, dtype=dtype, ignored=loss.ignore_index)
    for reduction in ("mean", "sum", "none"):
        expected = loss.reference.value_and_gradient(y, x, w, b, u, reduction=reduction)
        heights = set()
        for budget in (1, 700, 2000, 5000, 10**5, None):
            heights.add(Plan.make(37, 4, 5, dtype().itemsize, budget).height)
            result = loss.value_and_gradient(y, x, w, b, u, reduction=reduction, memory_budget=budget)
            assert_close(result, expected, tolerance)
        assert {1, 37} < heights


@pytest.mark.parametrize(("n", "d", "v"), [(1, 1, 1), (3, 1, 200), (5, 300, 2), (70, 3, 129), (200, 40, 513)])
@pytest.mark.parametrize("budget", [1, 30_000, None])
def test_shapes_and_tiles(n, d, v, budget, rng) -> None:
    y, x, w, b, u = draw(rng, n, d, v)
    loss = fl.LinearCrossEntropy(label_smoothing=0.1)
    result = loss.value_and_gradient(y, x, w, b, u, memory_budget=budget)
    assert_close(result, loss.reference.value_and_gradient(y, x, w, b, u), 1e-13)


def test_plans_keep_to_the_budget() -> None:
    for n, d, v, size, budget, plain in itertools.product(
        (1, 100, 10_000), (1, 512), (2, 32_768, 10**6), (4, 8), (10**5, 2**24, 2**26, None), (False, True)
    ):
        plan = Plan.make(n, d, v, size, budget, plain)
        assert 1 <= plan.height <= n
        assert 1 <= plan.tile <= v or (plan.tile == 0 and plan.height == n)
        used = (plan.height * (v + 4 * d) + plan.tile * d) * size
        budget = budget or 2**26
        one_row = (v + 4 * d) * size + max(64 * d * size, budget // 5)
        assert used <= max(budget, one_row)
    assert Plan.make(10_000, 512, 32_768, 4, None).height >= 100
    assert Plan.make(10_000, 512, 10**5, 4, None).height >= 60


def test_bits_do_not_depend_on_threads(rng) -> None:
    y, x, w, b, u = draw(rng, 64, 8, 5000, np.float32)
    loss = fl.LinearCrossEntropy(label_smoothing=0.1)
    for budget in (10**5, None):
        one = loss.evaluate(y, x, w, b, u, n_threads=1, memory_budget=budget)
        for n_threads in (2, 3, 7, None):
            other = loss.evaluate(y, x, w, b, u, n_threads=n_threads, memory_budget=budget)
            assert same(tuple(one), tuple(other))


def test_outputs_of_all_methods_are_the_same_bits(rng) -> None:
    y, x, w, b, u = draw(rng, 50, dtype=np.float32, ignored=1)
    loss = fl.LinearCrossEntropy(ignore_index=1)
    for methods, reduction, budget in itertools.product((loss, loss.reference), ("mean", "sum", "none"), (500, None)):
        keywords = {"reduction": reduction, "memory_budget": budget}
        value, gradient = methods.value_and_gradient(y, x, w, b, u, **keywords)
        assert same(methods(y, x, w, b, u, **keywords), value)
        assert same(methods.value(y, x, w, b, u, **keywords), value)
        assert same(methods.gradient(y, x, w, b, u, **keywords), gradient)
        both = methods.evaluate(y, x, w, b, u, **keywords)
        assert isinstance(both, fl.Evaluation)
        assert same(tuple(both), (value, gradient, None))
        assert same(tuple(methods.evaluate(y, x, w, b, u, outputs="value", **keywords)), (value, None, None))
        only = methods.evaluate(y, x, w, b, u, outputs=("gradient",), **keywords)
        assert same(tuple(only), (None, gradient, None))


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("budget", [1, 400, None])
def test_rows_without_weight_do_not_exist(reference, bad, budget, rng) -> None:
    loss = fl.LinearCrossEntropy(ignore_index=3, label_smoothing=0.1)
    y, x, w, b, u = draw(rng, 40, ignored=3)
    kept = (u > 0) & (y != 3)
    assert 0 < kept.sum() < 40
    poisoned = np.where(kept[:, None], x, bad)
    methods = loss.reference if reference else loss
    for reduction in ("mean", "sum", "none"):
        keywords = {"reduction": reduction, "memory_budget": budget}
        value, (dx, dw, db) = methods.value_and_gradient(y, poisoned, w, b, u, **keywords)
        expected, (ex, ew, eb) = methods.value_and_gradient(y[kept], x[kept], w, b, u[kept], **keywords)
        if reduction == "none":
            assert (value[~kept] == 0).all()
            value = value[kept]
        assert (dx[~kept] == 0).all()
        assert_close((value, (dx[kept], dw, db)), (expected, (ex, ew, eb)), 1e-15 if not reference else 1e-13)


@pytest.mark.parametrize("reference", [False, True])
def test_nan_stays_in_its_row(reference, rng) -> None:
    y, x, w, b, _ = draw(rng, 20)
    loss = fl.LinearCrossEntropy()
    methods = loss.reference if reference else loss
    bad = x.copy()
    bad[7, 1] = np.nan
    others = np.arange(20) != 7
    value, (dx, dw, db) = methods.value_and_gradient(y, bad, w, b, reduction="none")
    expected, (ex, _, _) = methods.value_and_gradient(y, x, w, b, reduction="none")
    assert np.isnan(value[7])
    assert np.isnan(dx[7]).all()
    assert np.isnan(dw).all()
    assert np.isnan(db).all()
    assert_close((value[others], dx[others]), (expected[others], ex[others]), 1e-15)
    assert math.isnan(methods(y, bad, w, b))


def test_infinite_losses() -> None:
    """A bias of -inf removes a class."""
    x, w, b = np.ones((2, 1)), np.zeros((3, 1)), np.array([0.0, 0.0, -np.inf])
    for methods in (fl.LinearCrossEntropy(), fl.LinearCrossEntropy().reference):
        value, (dx, dw, db) = methods.value_and_gradient([0, 2], x, w, b, reduction="none")
        np.testing.assert_allclose(value, [math.log(2), np.inf])
        np.testing.assert_allclose(db, [0.0, 1.0, -1.0])
        np.testing.assert_allclose(dw, [[0.0], [1.0], [-1.0]])
        assert (dx == 0).all()
        assert methods([0, 2], x, w, b) == np.inf


def test_progress_and_interruption(rng) -> None:
    y, x, w, b, u = draw(rng, 40)
    u[:10] = 0
    n = np.count_nonzero(u)
    loss = fl.LinearCrossEntropy()
    for call, budget in itertools.product((loss, loss.gradient, loss.value_and_gradient, loss.evaluate), (1, None)):
        seen: list[tuple[int, int]] = []
        call(y, x, w, b, u, memory_budget=budget, progress=lambda *state, seen=seen: seen.append(state))
        assert seen == ([(k, n) for k in range(1, n + 1)] if budget else [(n, n)])

    def interrupt(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    seen = []
    with pytest.raises(KeyboardInterrupt):
        loss.gradient(y, x, w, memory_budget=1, progress=interrupt)
    seen = []
    loss.reference(y, x, w, progress=lambda *state: seen.append(state))
    assert seen == [(40, 40)]


# ---- memory ---------------------------------------------------------------------------------------------------------


def peak(call: Any, *arguments: Any, **keywords: Any) -> int:
    """The most bytes in use during a call, above those before."""
    call(*(a[:1] if a is arguments[0] or a is arguments[1] else a for a in arguments))  # imports on first use
    return peak_of(lambda: call(*arguments, **keywords))


def test_memory_of_a_vocabulary(rng) -> None:
    n, d, v = 1024, 512, 32_768
    x = rng.standard_normal((n, d), dtype=np.float32)
    w = rng.standard_normal((v, d), dtype=np.float32)
    given = rng.integers(0, v, n), x, w, np.zeros(v, np.float32)
    loss, outs = fl.LinearCrossEntropy(), tuple(np.empty_like(a) for a in given[1:])
    assert peak(loss.value_and_gradient, *given, out=outs) <= n * v * 4 / 10
    assert peak(loss, *given) <= n * v * 4 / 10


def test_memory_of_new_gradients(rng) -> None:
    n, d, v = 512, 8, 16_384
    given = draw(rng, n, d, v, np.float32)[:4]
    results = sum(a.nbytes for a in given[1:])
    assert peak(fl.LinearCrossEntropy().gradient, *given, memory_budget=n * v * 4 // 12) <= n * v * 4 / 10 + results


def test_a_larger_vocabulary(rng) -> None:
    n, d, v = 48, 16, 131_072
    y, x, w, b, u = draw(rng, n, d, v, np.float32)
    loss = fl.LinearCrossEntropy(label_smoothing=0.1)
    value, gradient = loss.value_and_gradient(y, x, w, b, u, memory_budget=2**22)
    dense = fl.SparseCategoricalCrossEntropy(from_logits=True, label_smoothing=0.1)
    expected, g = dense.value_and_gradient(y, logits(x, w, b), u)
    assert_close(value, expected, 1e-6)
    assert_close(gradient, (g @ w, g.T @ x, g.sum(axis=0)), 1e-6)


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.astype(np.float16),
        lambda w: w.astype(">f4"),
        lambda w: np.repeat(w, 2, axis=1)[:, ::2],
        lambda w: w[::-1, ::-1],
    ],
)
def test_weights_are_never_copied_as_a_whole(change, rng) -> None:
    y, x, w, *_ = draw(rng, 16, 256, 4096, np.float32)
    w = change(w)
    outs = tuple(np.empty(a.shape, np.float32) for a in (x, w))
    assert peak(fl.LinearCrossEntropy().gradient, y, x, w, out=outs, memory_budget=2**19) < w.size * 4 / 4


# ---- arrays ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("budget", [1, None])
def test_forms_of_arrays(form, budget, rng) -> None:
    given = draw(rng, 90, 7, 70)
    loss = fl.LinearCrossEntropy()
    expected = loss.value_and_gradient(*given, memory_budget=budget)
    for changed in [(k,) for k in range(5)] + [tuple(range(5))]:
        arguments = [FORMS[form](a) if k in changed else a for k, a in enumerate(given)]
        before = copy.deepcopy(arguments)
        assert_close(loss.value_and_gradient(*arguments, memory_budget=budget), expected, 1e-14)
        assert all(same(a, c) for a, c in zip(arguments, before, strict=True))


@pytest.mark.parametrize("labels", [np.uint8, np.int16, ">i4", np.uint64, np.float32, np.float16, np.longdouble])
def test_types_of_labels(labels, rng) -> None:
    y, x, w, *_ = draw(rng)
    loss = fl.LinearCrossEntropy(ignore_index=2)
    assert loss(y.astype(labels), x, w) == loss(y, x, w)
    assert loss(y > 2, x, w) == loss((y > 2).astype(int), x, w)


@pytest.mark.parametrize(
    ("types", "working"),
    [
        (("f4", "f4", "f4"), "f4"),
        (("f2", "f4", "f2"), "f4"),
        (("f2", "f2", "f2"), "f4"),
        (("f8", "f4", "f4"), "f8"),
        (("f4", "f8", "f4"), "f8"),
        (("f4", "f4", "f8"), "f8"),
        (("i4", "f4", "f4"), "f8"),
        (("f4", "?", "f4"), "f8"),
        (("f4", "g", "f4"), "f8"),
    ],
)
def test_working_types(types, working, rng) -> None:
    y, *floats, _ = draw(rng)
    inputs = [(4 * a).astype(t) for a, t in zip(floats, types, strict=True)]
    exact = [a.astype(working) for a in inputs]
    loss = fl.LinearCrossEntropy()
    for methods in (loss, loss.reference):
        value, gradient = methods.value_and_gradient(y, *inputs, reduction="none")
        assert {a.dtype for a in (value, *gradient)} == {np.dtype(working)}
        assert_close((value, gradient), methods.value_and_gradient(y, *exact, reduction="none"), 1e-14)
    assert loss.gradient(y, *inputs[:2])[0].dtype == np.result_type(*(a for a in gradient[:2])) or types[2] == "f8"


@pytest.mark.parametrize("reference", [False, True])
def test_broadcast_weights_and_scalars(reference, rng) -> None:
    y, x, w, b, _ = draw(rng)
    loss = fl.LinearCrossEntropy()
    methods = loss.reference if reference else loss
    expected = methods.value_and_gradient(y, x, w, b, np.full(30, 0.5), reduction="sum")
    assert same(methods.value_and_gradient(y, x, w, b, 0.5, reduction="sum"), expected)
    half = np.broadcast_to(np.array(0.5), (30,))
    assert same(methods.value_and_gradient(y, x, w, b, half, reduction="sum"), expected)
    flat = np.broadcast_to(w[0], w.shape)
    assert_close(methods(y, x, flat), math.log(5), 1e-15)


# ---- out ------------------------------------------------------------------------------------------------------------

TARGETS = {
    "C": lambda shape, dtype: np.full(shape, 7, dtype),
    "F": lambda shape, dtype: np.full(shape, 7, dtype, order="F"),
    "strided": lambda shape, dtype: np.full((*shape[:-1], 3 * shape[-1]), 7, dtype)[..., ::3],
    "reversed": lambda shape, dtype: np.full(shape, 7, dtype)[::-1],
    "swapped": lambda shape, dtype: np.full(shape, 7, np.dtype(dtype).newbyteorder()),
}


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("computed", [np.float32, np.float64])
def test_out(reference, target, dtype, computed, rng) -> None:
    given = draw(rng, dtype=computed)
    loss = fl.LinearCrossEntropy()
    methods = loss.reference if reference else loss
    tolerance = 1e-14 if dtype == computed == np.float64 else 1e-6
    make = TARGETS[target]
    for budget in (300, None):
        for reduction in ("mean", "sum", "none"):
            keywords = {"reduction": reduction, "memory_budget": budget}
            value, gradient = methods.value_and_gradient(*given, **keywords)
            outs = tuple(make(g.shape, dtype) for g in gradient)
            result = methods.gradient(*given, out=outs, **keywords)
            assert all(a is b for a, b in zip(result, outs, strict=True))
            assert_close(outs, gradient, tolerance)
            some = (None, make(gradient[1].shape, dtype), None)
            result = methods.gradient(*given, out=some, **keywords)
            assert result[1] is some[1]
            assert [a.dtype for a in result] == [computed, some[1].dtype, computed]
            assert_close(result, gradient, tolerance)
            outs = tuple(make(g.shape, dtype) for g in gradient)
            if reduction != "none":
                assert methods.value_and_gradient(*given, out=outs, **keywords)[0] == value
            else:
                values = make(value.shape, dtype)
                result = methods.value_and_gradient(*given, out=(values, outs), **keywords)
                assert result[0] is values
                assert all(a is b for a, b in zip(result[1], outs, strict=True))
                assert_close(values, value, tolerance)
                assert methods(*given, out=values, **keywords) is values
                alone = methods.value_and_gradient(*given, out=(None, (None, *outs[1:])), **keywords)
                assert_close(alone, (value, gradient), tolerance)
            assert_close(outs, gradient, tolerance)


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("budget", [1, 500, None])
def test_out_may_be_the_inputs(reference, budget, rng) -> None:
    y, x, w, b, u = draw(rng)
    loss = fl.LinearCrossEntropy()
    methods = loss.reference if reference else loss
    expected = methods.value_and_gradient(y, x, w, b, u, memory_budget=budget)
    for places in ((0, 1, 2), (0,), (1,), (2,)):
        inputs = tuple(a.copy() for a in (x, w, b))
        outs = tuple(a if k in places else None for k, a in enumerate(inputs))
        assert_close(methods.value_and_gradient(y, *inputs, u, out=outs, memory_budget=budget), expected, 1e-15)
    inputs = tuple(a.copy() for a in (x, w, b))
    outs = inputs[0][::-1], inputs[1][::-1], u[: len(b)]
    assert_close(methods.value_and_gradient(y, *inputs, u.copy(), out=outs, memory_budget=budget), expected, 1e-15)


# ---- bad arguments --------------------------------------------------------------------------------------------------

BAD_CALLS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"features": np.ones(3)}, ValueError, r"features must have the shape \(N, D\), got \(3,\)"),
    ({"features": np.ones((2, 3, 1))}, ValueError, r"features must have the shape \(N, D\), got \(2, 3, 1\)"),
    (
        {"weights": np.ones((5, 3))},
        ValueError,
        r"weights must have the shape \(V, 4\), V from 1 to 16777216, to match features \(30, 4\), got \(5, 3\)",
    ),
    ({"weights": np.ones((0, 4))}, ValueError, r"weights must have the shape \(V, 4\), V from 1 .*, got \(0, 4\)"),
    ({"weights": np.ones(4)}, ValueError, r"weights must have the shape .*, got \(4,\)"),
    (
        {"y_true": np.zeros(29)},
        ValueError,
        r"y_true must have the shape \(30,\) to match features \(30, 4\), got \(29,",
    ),
    ({"y_true": np.zeros((30, 1))}, ValueError, r"y_true must have the shape \(30,\) .*, got \(30, 1\)"),
    ({"y_true": 0}, ValueError, r"y_true must have the shape \(30,\) .*, got \(\)"),
    ({"bias": np.ones(4)}, ValueError, r"bias must have the shape \(5,\) to match weights \(5, 4\), got \(4,\)"),
    ({"bias": np.ones((5, 1))}, ValueError, r"bias must have the shape \(5,\) .*, got \(5, 1\)"),
    ({"bias": 0.0}, ValueError, r"bias must have the shape \(5,\) .*, got \(\)"),
    ({"sample_weight": np.ones(5)}, ValueError, r"sample_weight must be a scalar or have the shape \(30,\)"),
    (
        {"sample_weight": np.r_[1.0, -1.0, np.ones(28)]},
        ValueError,
        r"sample_weight must be >= 0 .*, got -1.0 at index 1",
    ),
    ({"sample_weight": np.r_[np.nan, np.ones(29)]}, ValueError, r"sample_weight must be >= 0 .*, got nan at index 0"),
    ({"sample_weight": np.inf}, ValueError, "sample_weight must be >= 0 and finite, got inf"),
    ({"sample_weight": 0.0}, ValueError, "sample_weight must not sum to zero for reduction='mean'"),
    ({"features": np.ones((30, 4), complex)}, TypeError, "features must hold real numbers, got dtype complex128"),
    ({"weights": np.full((5, 4), "a")}, TypeError, "weights must hold real numbers"),
    ({"bias": np.ma.ones(5)}, TypeError, "bias must not be a masked array"),
    ({"y_true": None}, TypeError, "y_true must hold real numbers, got dtype object"),
    ({"reduction": "median"}, ValueError, "reduction must be one of 'mean', 'sum', 'none', got 'median'"),
    ({"n_threads": 0}, ValueError, "n_threads must be >= 1, got 0"),
    ({"n_threads": 1.5}, TypeError, "n_threads must be a positive integer, got 1.5"),
    ({"memory_budget": 0}, ValueError, "memory_budget must be >= 1, got 0"),
    ({"memory_budget": 1e6}, TypeError, "memory_budget must be a positive integer, got 1000000.0"),
    ({"progress": 3}, TypeError, "progress must be callable or None, got 3 of type int"),
]


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize(("changes", "error", "message"), BAD_CALLS, ids=["-".join(bad[0]) for bad in BAD_CALLS])
def test_bad_arguments(reference, changes, error, message, rng) -> None:
    names = "y_true", "features", "weights", "bias", "sample_weight"
    arguments = dict(zip(names, draw(rng), strict=True)) | changes
    loss = fl.LinearCrossEntropy()
    methods = loss.reference if reference else loss
    for call in (methods, methods.gradient, methods.value_and_gradient, methods.evaluate):
        with pytest.raises(error, match=message):
            call(**arguments)


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("ignore_index", [None, -100])
@pytest.mark.parametrize("bad", [5, -1, 2**40, 0.5, np.nan, np.inf])
def test_bad_labels_are_reported_as_by_the_dense_loss(reference, ignore_index, bad, rng) -> None:
    y, x, w, *_ = draw(rng)
    y = np.array(y, type(bad))
    y[7] = bad
    loss = fl.LinearCrossEntropy(ignore_index=ignore_index)
    dense = fl.SparseCategoricalCrossEntropy(from_logits=True, ignore_index=ignore_index)
    with pytest.raises(ValueError, match=r"^y_true must be an integer in \[0, 5\).* at index 7$") as expected:
        dense(y, logits(x, w, None))
    seen = np.full_like(w, 7)
    for call in (loss.reference, loss, loss.gradient, loss.value_and_gradient):
        with pytest.raises(ValueError, match=f"^{re.escape(str(expected.value))}$"):
            call(y, x, w)
    for methods in (loss, loss.reference):
        with pytest.raises(ValueError, match="y_true"):
            methods.gradient(y, x, w, out=(None, seen))
    assert (seen == 7).all(), "checked before any work"


def test_mean_over_nothing(rng) -> None:
    y, x, w, b, _ = draw(rng)
    loss = fl.LinearCrossEntropy(ignore_index=1)
    weighted = fl.LinearCrossEntropy(class_weight=[0, 1, 1, 1, 1])
    for one, other in ((loss, weighted), (loss.reference, weighted.reference)):
        for call in (one, one.gradient, one.value_and_gradient):
            with pytest.raises(
                ValueError, match=r"y_true must hold a row that counts .* the ignore_index 1 or weigh 0"
            ):
                call(np.ones(30, int), x, w, b)
            with pytest.raises(ValueError, match="y_true must not be empty for reduction='mean'"):
                call(y[:0], x[:0], w, b)
        for given in ((np.ones(30, int), x), (y[:0], x[:0])):
            value, gradient = one.value_and_gradient(*given, w, b, reduction="sum")
            assert value == 0.0
            assert [a.shape for a in gradient] == [given[1].shape, w.shape, b.shape]
            assert not any(a.any() for a in gradient)
            assert same(one(*given, w, b, reduction="none"), np.zeros(len(given[0])))
        with pytest.raises(ValueError, match="y_true must hold a row that counts for reduction='mean': all weigh 0"):
            other(np.zeros(30, int), x, w, b)


def test_no_features() -> None:
    """The bias alone decides."""
    loss = fl.LinearCrossEntropy()
    for methods in (loss, loss.reference):
        value, (dx, dw, db) = methods.value_and_gradient([0, 1], np.ones((2, 0)), np.ones((2, 0)), [0.0, 0.0])
        assert value == pytest.approx(math.log(2))
        assert dx.shape == dw.shape == (2, 0)
        assert (db == 0).all()


@pytest.mark.parametrize("reference", [False, True])
def test_bad_out(reference, rng) -> None:
    y, x, w, b, _ = draw(rng)
    loss = fl.LinearCrossEntropy()
    methods = loss.reference if reference else loss
    dx, dw, db, value = np.empty((30, 4)), np.empty((5, 4)), np.empty(5), np.empty(30)
    bad: list[tuple[str, dict[str, Any], type[Exception], str]] = [
        ("gradient", {"out": dx}, TypeError, r"out must be a tuple \(features, weights, bias\) of arrays or None"),
        ("gradient", {"out": (dx, dw)}, ValueError, r"out must hold 3 array\(s\) \(gradient in features, .*\), got 2"),
        (
            "gradient",
            {"out": (dx, dw, value)},
            ValueError,
            r"out for the gradient in bias must have the shape \(5,\), got",
        ),
        (
            "gradient",
            {"out": (dx, dw.astype(int), db)},
            TypeError,
            "out for the gradient in weights must be float32 or",
        ),
        (
            "gradient",
            {"out": (dx, dw, [0.0] * 5)},
            TypeError,
            "out for the gradient in bias must be a NumPy array, got",
        ),
        ("gradient", {"out": (dx, read_only(dw), db)}, ValueError, "out for the gradient in weights must be writeable"),
        ("gradient", {"out": (dx, dx[:5], db)}, ValueError, "out must hold arrays that do not overlap"),
        ("value_and_gradient", {"out": (value, (dx, dw, db))}, ValueError, r"out must hold 3 array\(s\).*, got 2"),
        ("value", {"out": value}, ValueError, "out must be None: with reduction='mean' the value is a float"),
    ]
    none = {"reduction": "none"}
    bad += [
        (
            "value_and_gradient",
            none | {"out": (dx, dw, db)},
            TypeError,
            r"a tuple \(value, \(features, weights, bias\)\)",
        ),
        ("value_and_gradient", none | {"out": (value, [dx, dw, db])}, TypeError, r"out must be a tuple \(value, \("),
        ("value_and_gradient", none | {"out": (dx, (dx, dw, db))}, ValueError, "out for the value must have the shape"),
        ("value", none | {"out": dx}, ValueError, r"out for the value must have the shape \(30,\), got \(30, 4\)"),
    ]
    for method, keywords, error, message in bad:
        with pytest.raises(error, match=message):
            getattr(methods, method)(y, x, w, b, **keywords)
    with pytest.raises(ValueError, match=r"out must hold 2 array\(s\)"):
        methods.gradient(y, x, w, out=(dx, dw, db))


@pytest.mark.parametrize("reference", [False, True])
def test_there_is_no_hessian(reference, rng) -> None:
    loss = fl.LinearCrossEntropy(label_smoothing=0.1)
    methods = loss.reference if reference else loss
    given = draw(rng)
    message = re.escape(repr(methods)) + " has no hessian"
    for call in (
        methods.hessian,
        methods.gradient_and_hessian,
        lambda *given: methods.evaluate(*given, outputs=("value", "hessian")),
    ):
        with pytest.raises(ValueError, match=message):
            call(*given)
    with pytest.raises(ValueError, match="outputs must be among"):
        methods.evaluate(*given, outputs=("curvature",))
    assert loss.hessian_policies == ()
    assert loss.default_hessian == ""


# ---- the object -----------------------------------------------------------------------------------------------------


@every_option
def test_object(options: dict[str, Any], rng) -> None:
    loss = fl.LinearCrossEntropy(**options)
    copies = [copy.copy(loss), copy.deepcopy(loss), eval(repr(loss), vars(fl).copy())]
    copies += [pickle.loads(pickle.dumps(loss)), fl.get(json.loads(json.dumps(loss.config())))]
    given = draw(rng, ignored=loss.ignore_index)
    for other in copies:
        assert type(other) is fl.LinearCrossEntropy
        assert other == loss
        assert hash(other) == hash(loss)
        assert other(*given) == loss(*given)
    assert loss.config() == {"name": "linear_cross_entropy"} | {
        key: list(value) if isinstance(value, tuple) else value for key, value in loss._parameters().items()
    }
    assert loss != fl.LinearCrossEntropy(label_smoothing=0.7)
    assert loss.on_raw() is loss
    for name in ("label_smoothing", "_rows", "anything"):
        with pytest.raises(AttributeError):
            setattr(loss, name, 1)
    assert repr(loss.reference) == f"{loss!r}.reference"


def test_names_and_signature() -> None:
    for name in ("linear_cross_entropy", "LinearCrossEntropy", "fused_linear_cross_entropy"):
        assert fl.get(name, ignore_index=3) == fl.LinearCrossEntropy(ignore_index=3)
    assert isinstance(fl.get("linear_cross_entropy"), fl.Loss)
    assert not isinstance(fl.get("linear_cross_entropy"), fl.PointwiseLoss)
    assert fl.LinearCrossEntropy().info.family == "multiclass"
    for method in ("__call__", "value", "gradient", "value_and_gradient", "evaluate"):
        parameters = inspect.signature(getattr(fl.LinearCrossEntropy(), method)).parameters
        positional = [name for name, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
        assert positional == ["y_true", "features", "weights", "bias", "sample_weight"]
        assert {"reduction", "out", "n_threads", "memory_budget", "progress"} <= {
            name for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY
        }


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"label_smoothing": 1.5}, ValueError, "label_smoothing must be >= 0 and <= 1, got 1.5"),
        ({"label_smoothing": True}, TypeError, "label_smoothing must be a real number, got True"),
        ({"class_weight": [1.0, -1.0]}, ValueError, "class_weight must be >= 0, got -1.0 at index 1"),
        ({"class_weight": 1.0}, TypeError, "class_weight must be a sequence of numbers, got 1.0"),
        ({"ignore_index": 1.5}, TypeError, "ignore_index must be an integer, got 1.5"),
        ({"from_logits": True}, TypeError, "from_logits"),
    ],
)
def test_bad_parameters(parameters, error, message) -> None:
    with pytest.raises(error, match=message):
        fl.LinearCrossEntropy(**parameters)


def test_class_weights_must_fit(rng) -> None:
    loss = fl.LinearCrossEntropy(class_weight=[1.0, 2.0])
    for methods in (loss, loss.reference):
        with pytest.raises(ValueError, match="one entry for each of the 5 rows of weights, got 2"):
            methods(*draw(rng))


def test_init_score_is_the_best_bias(rng) -> None:
    loss = fl.LinearCrossEntropy(class_weight=[0.5, 2.0, 1.0, 1.0, 3.0], ignore_index=1)
    y, *_, u = draw(rng, 200, ignored=1)
    bias = loss.init_score(y, u)
    assert bias.sum() == pytest.approx(0, abs=1e-12)
    nothing = np.zeros((200, 1)), np.zeros((5, 1))
    _, _, slope = loss.gradient(y, *nothing, bias, u)
    np.testing.assert_allclose(slope, 0, atol=1e-15)
    assert fl.LinearCrossEntropy().init_score([0, 2], n_classes=4).shape == (4,)
