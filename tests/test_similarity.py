"""Losses of similarities of all rows: exact results, peers, tiles, limits, arrays, memory, threads, arguments."""

from __future__ import annotations

import copy
import inspect
import itertools
import json
import math
import pickle
import re
import subprocess
import sys
from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest
from layouts import assert_interrupted, needs_timer, peak_of
from rows import array
from support import VECTORS, same
from test_pairs import FORMS, TARGETS, both, methods_of
from test_rows_vectors import TINY, allowed, check

import fastloss as fl
from fastloss import _similarities
from fastloss._similarities import Plan
from fastloss.reference import similarity as formulas

LOSSES = [
    fl.InfoNCE(),
    fl.InfoNCE(temperature=0.5, symmetric=True, parameter_gradients=True),
    fl.InfoNCE(temperature=2.0, normalize=False, parameter_gradients=True),
    fl.NTXent(temperature=0.3, parameter_gradients=True),
    fl.NTXent(temperature=2.0, normalize=False),
    fl.SupervisedContrastive(),
    fl.SupervisedContrastive(temperature=2.0, normalize=False, parameter_gradients=True),
    fl.SigmoidContrastive(parameter_gradients=True),
    fl.SigmoidContrastive(temperature=0.7, bias=0.5, normalize=False),
]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=repr)
every_type = pytest.mark.parametrize("dtype", [np.float64, np.float32])
TOLERANCE = {np.float64: 1e-13, np.float32: 3e-6}


def draw(loss: Any, rng: np.random.Generator, n: int = 30, d: int = 5, dtype: Any = np.float64) -> list[np.ndarray]:
    """Matrices, of which the first may have fewer rows, and labels, some of which occur once or twice."""
    if loss.inputs == ("embeddings",):
        labels = rng.integers(0, max(1, n // 5), n)
        labels[: min(n, 5)] = (100, -3, -3, 101, 7)[: min(n, 5)]
        return [rng.standard_normal((n, d)).astype(dtype), labels]
    first = rng.standard_normal((n, d))
    extra = 0 if loss._square else n // 3
    second = np.concatenate([first + 0.7 * rng.standard_normal((n, d)), rng.standard_normal((extra, d))])
    return [first.astype(dtype), second.astype(dtype)]


def weights(n: int, rng: np.random.Generator) -> np.ndarray:
    """Some of them 0."""
    return rng.random(n) * (rng.random(n) < 0.8)


def tolerance(loss: Any, dtype: Any, d: int) -> float:
    """Of results: dot products are right to eps times the sum of the sizes of their terms; the temperature divides."""
    return TOLERANCE[dtype] * (1 + 1 / loss.temperature) * (1 + 0.1 * d)


def flat(result: Any) -> tuple[Any, ...]:
    """Value and gradients side by side."""
    value, gradients = result
    return (value, *gradients) if isinstance(gradients, tuple) else (value, gradients)


def assert_close(got: Any, expected: Any, tolerance: float) -> None:
    got, expected = flat(got), flat(expected)
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * (1 + np.max(np.abs(b), initial=0)))


# ---- exact results --------------------------------------------------------------------------------------------------


@cache
def cases() -> list[dict[str, Any]]:
    return json.loads((VECTORS / "structured_similarity.json").read_text())["cases"]


def compare(case: dict[str, Any], methods: Any, dtype: type) -> None:
    expected = case["expected"]
    given = [x.astype(dtype) if x.dtype.kind == "f" else x for x in map(array, case["inputs"])]
    w = None if case["sample_weight"] is None else array(case["sample_weight"]).astype(dtype)
    total = float.fromhex(expected["denominator"])
    for reduction, divisor in (("none", 1.0), ("sum", 1.0), ("mean", total or 1.0)):
        value, *gradients = flat(methods.value_and_gradient(*given, w, reduction=reduction))
        limits = allowed(expected["values"], dtype)
        if reduction == "none":
            check("value", value, array(expected["values"]), limits, dtype)
        else:
            assert type(value) is float
            exact = float.fromhex(expected[reduction])
            assert value == pytest.approx(exact, rel=0, abs=limits.sum() / divisor)
        assert len(gradients) == len(expected["gradients"])
        for k, (gradient, item) in enumerate(zip(gradients, expected["gradients"], strict=True)):
            exact, limits = array(item) / divisor, 1.5 * allowed(item, dtype) / divisor + TINY[dtype]
            if exact.shape in ((), (1,)):
                assert type(gradient) is float
                gradient = np.full(exact.shape, gradient, dtype)
            check(f"gradient {k} of {reduction}", gradient, exact, limits, dtype)


def types_of(case: dict[str, Any]) -> list[type]:
    return [np.float64, np.float32] if case["float32_exact"] else [np.float64]


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["id"])
def test_kernel(case, instruction_set) -> None:
    for dtype in types_of(case):
        compare(case, getattr(fl, case["loss"])(**case["params"]), dtype)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["id"])
def test_reference(case) -> None:
    for dtype in types_of(case):
        compare(case, getattr(fl, case["loss"])(**case["params"]).reference, dtype)


def test_there_are_vectors() -> None:
    counts = {name: sum(case["loss"] == name for case in cases()) for name in {case["loss"] for case in cases()}}
    assert counts == {"InfoNCE": 25, "SupervisedContrastive": 28, "NTXent": 20, "SigmoidContrastive": 20}


# ---- definitions ----------------------------------------------------------------------------------------------------


def in_mpmath(given: list[np.ndarray]) -> list[list[list[Any]]]:
    return [[[mpmath.mpf(float(x)) for x in row] for row in a] for a in given if a.dtype.kind == "f"]


def exactly(loss: Any, rows: list[list[list[Any]]], labels: Any = None) -> list[Any]:
    """The values of all rows in mpmath, written from the definition."""

    def u_of(a: list[Any], b: list[Any]) -> Any:
        norm = mpmath.norm(a) * mpmath.norm(b) if loss.normalize else 1
        return mpmath.fdot(a, b) / norm / mpmath.mpf(loss.temperature) if norm else mpmath.mpf(0)

    def nll(u: list[Any], own: int, counted: list[int]) -> Any:
        return mpmath.log(mpmath.fsum(mpmath.exp(u[j]) for j in counted)) - u[own]

    z, n = [row for matrix in rows for row in matrix], len(rows[0])
    if isinstance(loss, (fl.NTXent, fl.SupervisedContrastive)):
        u = [[u_of(a, b) for b in z] for a in z]
        others = [[j for j in range(len(z)) if j != i] for i in range(len(z))]
    else:
        u = [[u_of(a, b) for b in rows[1]] for a in rows[0]]
    if isinstance(loss, fl.NTXent):
        terms = [nll(u[i], (i + n) % (2 * n), others[i]) for i in range(2 * n)]
        return [(terms[i] + terms[i + n]) / 2 for i in range(n)]
    if isinstance(loss, fl.SupervisedContrastive):
        mine = [[j for j in others[i] if labels[j] == labels[i]] for i in range(n)]
        return [mpmath.fsum(nll(u[i], p, others[i]) for p in mine[i]) / max(len(mine[i]), 1) for i in range(n)]
    if isinstance(loss, fl.SigmoidContrastive):
        signed = [[-x - loss.bias if i == j else x + loss.bias for j, x in enumerate(row)] for i, row in enumerate(u)]
        return [mpmath.fsum(mpmath.log1p(mpmath.exp(x)) for x in row) for row in signed]
    values = [nll(row, i, list(range(len(row)))) for i, row in enumerate(u)]
    if loss.symmetric:
        columns = [nll(list(column), j, list(range(n))) for j, column in enumerate(zip(*u, strict=True))]
        values = [(a + b) / 2 for a, b in zip(values, columns, strict=True)]
    return values


@every_loss
def test_agrees_with_exact_arithmetic(loss, rng) -> None:
    """Values, and gradients by differences in 60 digits."""
    given = draw(loss, rng, 6, 2)
    labels = given[1] if loss.inputs == ("embeddings",) else None
    w = np.array([1.0, 0.5, 2.0, 0.0, 1.5, 1.0])
    value = loss(*given, reduction="none")
    _, *gradients = flat(loss.value_and_gradient(*given, w, reduction="sum"))
    with mpmath.workdps(60):
        for got, exact in zip(value, exactly(loss, in_mpmath(given), labels), strict=True):
            assert abs(got - exact) <= 1e-14 * (1 + abs(exact))

        def slope(of: Any) -> float:
            """Of the weighted sum, by a step of what `of` gives loss and rows for."""
            high, low = (mpmath.fdot(w.tolist(), exactly(*of(sign), labels)) for sign in (1, -1))
            return float((high - low) / 2 * mpmath.mpf(2) ** 60)

        for k, i, j in itertools.product(range(len(loss.inputs)), range(6), range(2)):

            def moved(sign: int, k: int = k, i: int = i, j: int = j) -> tuple[Any, Any]:
                rows = in_mpmath(given)
                rows[k][i][j] += sign * mpmath.mpf(2) ** -60
                return loss, rows

            assert gradients[k][i, j] == pytest.approx(slope(moved), abs=2e-14 * (1 + np.abs(gradients[k]).max()))

        for name, gradient in zip(loss.parameters, gradients[len(loss.inputs) :], strict=False):

            def changed(sign: int, name: str = name) -> tuple[Any, Any]:
                other = copy.copy(loss)
                object.__setattr__(other, name, mpmath.mpf(getattr(loss, name)) + sign * mpmath.mpf(2) ** -60)
                return other, in_mpmath(given)

            assert gradient == pytest.approx(slope(changed), rel=1e-13, abs=1e-13)


@every_loss
def test_gradients_are_derivatives(loss, rng) -> None:
    """By complex steps on the formulas of the reference."""
    given = draw(loss, rng, 9, 3)
    w = weights(9, rng)
    _, *gradients = flat(loss.value_and_gradient(*given, w, reduction="sum"))
    matrices = [x for x in given if x.dtype.kind == "f"]
    for k, index in itertools.chain(*([(k, i) for i in np.ndindex(x.shape)] for k, x in enumerate(matrices))):
        moved = [x.astype(complex) for x in matrices]
        moved[k][index] += 1e-30j
        parts = 2 if isinstance(loss, fl.NTXent) else 1
        u = formulas.similarities([np.concatenate(moved)] if parts == 2 else moved, loss.normalize) / loss.temperature
        name, options = loss.info.name, {"symmetric": loss.symmetric} if isinstance(loss, fl.InfoNCE) else {}
        labels = [given[1]] if loss.inputs == ("embeddings",) else []
        terms = getattr(formulas, name)(u + getattr(loss, "bias", 0.0), *labels, **options)
        value = terms.value if terms.column_value is None else terms.value + terms.column_value
        step = np.sum(np.tile(w, parts) * value.imag) / 1e-30
        assert gradients[k][index] == pytest.approx(step, rel=1e-10, abs=1e-12)


# ---- tiles ----------------------------------------------------------------------------------------------------------


@every_loss
@every_type
@pytest.mark.parametrize("n", [1, 2, 17, 150])
def test_agrees_with_reference(loss, dtype, n, rng, instruction_set) -> None:
    for d in (2, 40):
        given = draw(loss, rng, n, d, dtype)
        w = weights(n, rng).astype(dtype)
        w[:1] = 0.5
        for reduction, weight in (("mean", None), ("sum", 0.5), ("none", w)):
            expected = loss.reference.value_and_gradient(*given, weight, reduction=reduction)
            got = loss.value_and_gradient(*given, weight, reduction=reduction)
            assert {a.dtype for a in flat(got)[1:] if isinstance(a, np.ndarray)} == {np.dtype(dtype)}
            assert_close(got, expected, tolerance(loss, dtype, d))


@every_loss
@every_type
def test_every_budget_gives_the_same(loss, dtype, rng) -> None:
    given = draw(loss, rng, 150, 8, dtype)
    w = weights(150, rng)
    for reduction in ("mean", "none"):
        expected = loss.reference.value_and_gradient(*given, w, reduction=reduction)
        for budget in (1, 100_000, 300_000, None):
            got = loss.value_and_gradient(*given, w, reduction=reduction, memory_budget=budget)
            assert_close(got, expected, tolerance(loss, dtype, 8))


@every_loss
def test_tiles_of_any_size(loss, rng, monkeypatch) -> None:
    """Every split into rows and columns, computed twice, in part or once."""
    monkeypatch.setattr(_similarities, "LEAST", 1)
    given = draw(loss, rng, 13, 3)
    w = weights(13, rng)
    expected = loss.reference.value_and_gradient(*given, w)
    for height, width, kept in itertools.product((1, 2, 5, 40), (1, 3, 40), (1, 2, 4, 200)):
        plan = Plan(height, width, kept)
        monkeypatch.setattr(Plan, "make", classmethod(lambda *_, plan=plan: plan))
        assert_close(loss.value_and_gradient(*given, w), expected, 1e-13 * (1 + 1 / loss.temperature))
        assert loss(*given, w) == pytest.approx(expected[0], rel=1e-12)


def test_plans() -> None:
    for n, m, d, size, budget, one_sided in itertools.product(
        (1, 100, 4096, 10**6), (1, 4096, 10**6), (1, 256), (4, 8), (10**4, 10**6, 2**26, None), (False, True)
    ):
        plan = Plan.make(n, m, d, size, budget, one_sided)
        assert 1 <= plan.height <= n
        assert 1 <= plan.width <= m
        assert plan.kept >= 1
        beside = (2 * plan.height + plan.width) * d * size
        used = plan.kept * plan.height * (plan.width + _similarities.PAD) * size + beside
        least = 64 * (64 + _similarities.PAD) * size + 3 * 64 * d * size
        assert used <= max(_similarities.MOST if budget is None else budget, least)


@pytest.mark.parametrize("symmetric", [False, True])
def test_nothing_is_computed_twice_by_default(symmetric) -> None:
    """Up to 4096 rows of similarities in float32, of many more where only rows are normalised."""
    plan = Plan.make(4096, 4096, 256, 4, None, not symmetric)
    assert plan.kept * plan.height * plan.width >= 4096 * (plan.height if not symmetric else 4096)
    plan = Plan.make(65536, 65536, 128, 4, None, one_sided=True)
    assert plan.kept * plan.width >= 65536
    assert plan.height >= 200


@every_loss
@every_type
def test_bits_do_not_depend_on_threads(loss, dtype, rng) -> None:
    given = draw(loss, rng, 700, 24, dtype)
    w = weights(700, rng)
    for budget in (400_000, None):
        one = loss.value_and_gradient(*given, w, n_threads=1, memory_budget=budget)
        for n_threads in (2, 3, 7, None):
            assert same(loss.value_and_gradient(*given, w, n_threads=n_threads, memory_budget=budget), one)


@every_loss
def test_all_methods_give_the_same(loss, rng) -> None:
    given = draw(loss, rng, 50, 9, np.float32)
    w = weights(50, rng)
    for methods, reduction in itertools.product((loss, loss.reference), ("mean", "sum", "none")):
        value, gradient = methods.value_and_gradient(*given, w, reduction=reduction)
        assert same(methods(*given, w, reduction=reduction), value)
        assert same(methods.value(*given, w, reduction=reduction), value)
        assert same(methods.gradient(*given, w, reduction=reduction), gradient)
        assert same(tuple(methods.evaluate(*given, w, reduction=reduction)), (value, gradient, None))
        only = methods.evaluate(*given, w, reduction=reduction, outputs="gradient")
        assert same(tuple(only), (None, gradient, None))


@every_loss
@pytest.mark.parametrize("budget", [1, None])
def test_progress_and_interruption(loss, budget, rng) -> None:
    given = draw(loss, rng, 150)
    n = 300 if isinstance(loss, fl.NTXent) else 150
    for call in (loss, loss.gradient, loss.value_and_gradient, loss.evaluate):
        seen: list[tuple[int, int]] = []
        call(*given, memory_budget=budget, progress=lambda *state, seen=seen: seen.append(state))
        done, totals = zip(*seen, strict=True)
        assert list(done) == sorted(set(done))
        assert set(totals) == {done[-1]}
        assert done[-1] in (n, 2 * n)
        assert len(seen) >= (3 if budget else 1)

    def interrupt(done: int, total: int) -> None:
        if budget is None or done > 64:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loss.gradient(*given, memory_budget=budget, progress=interrupt)
    seen = []
    loss.reference(*given, progress=lambda *state: seen.append(state))
    assert len(seen) == 1


@needs_timer
def test_a_signal_interrupts(rng) -> None:
    given = [x.astype(np.float32) for x in rng.standard_normal((2, 2**17, 8))]
    assert_interrupted(lambda: fl.InfoNCE()(*given, n_threads=1), after=0.3, within=4)


# ---- memory ---------------------------------------------------------------------------------------------------------


def peak(call: Any, *arguments: Any, **keywords: Any) -> int:
    """The most bytes in use during a call, above those before."""
    call(*(a[:2] for a in arguments))  # imports on first use
    return peak_of(lambda: call(*arguments, **keywords))


@every_loss
def test_memory(loss, rng) -> None:
    """Unit rows of keys, the gradients, and what the budget allows; never all similarities."""
    n, d = 1000, 16
    given = draw(loss, rng, n, d, np.float32)
    matrices = sum(x.nbytes for x in given if x.dtype.kind == "f")
    budget = 2**18
    rows = sum(map(len, given)) * 160  # maxima, sums and factors of rows and columns
    assert peak(loss.gradient, *given, memory_budget=budget) <= budget + 2 * matrices + rows
    assert peak(loss, *given, memory_budget=budget) <= budget + matrices + rows
    assert budget + 2 * matrices + rows < n * n * 4 / 4


MEASURED = """
import resource, sys
import numpy as np
import fastloss as fl
rng = np.random.default_rng(0)
n = int(sys.argv[1])
given = [rng.standard_normal((n, 64), dtype=np.float32) for _ in range(2)]
loss = fl.get("clip")
loss.value_and_gradient(*(x[:100] for x in given))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
loss.value_and_gradient(*given)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="units of ru_maxrss")
def test_memory_of_the_process() -> None:
    """With what products and C allocate: 10240 rows would be 400 MiB of similarities."""
    n = 10240
    run = subprocess.run([sys.executable, "-c", MEASURED, str(n)], capture_output=True, text=True, check=True)
    assert int(run.stdout) < _similarities.MOST + 4 * n * 64 * 4 + 2**25


# ---- peers ----------------------------------------------------------------------------------------------------------


def by_torch(loss: Any, torch: Any, matrices: list[Any], labels: Any, temperature: Any, bias: Any) -> Any:
    """The values of the rows, as their authors or PyTorch's users write them."""
    functional, n = torch.nn.functional, len(matrices[0])
    matrices = [functional.normalize(x, eps=0.0) if loss.normalize else x for x in matrices]
    if isinstance(loss, fl.NTXent):  # as lightly and many others: the diagonal removed, the label is the other view
        z = torch.cat(matrices)
        logits = (z @ z.T / temperature).masked_fill(torch.eye(2 * n, dtype=torch.bool), -torch.inf)
        terms = functional.cross_entropy(logits, torch.arange(2 * n).roll(n), reduction="none")
        return (terms[:n] + terms[n:]) / 2
    if isinstance(loss, fl.SupervisedContrastive):  # after the authors' code
        logits = matrices[0] @ matrices[0].T / temperature
        others = ~torch.eye(n, dtype=torch.bool)
        log_p = logits - torch.logsumexp(logits.masked_fill(~others, -torch.inf), dim=1, keepdim=True)
        positives = (labels[:, None] == labels) & others
        return -torch.where(positives, log_p, 0).sum(1) / positives.sum(1).clamp(min=1)
    logits = matrices[0] @ matrices[1].T / temperature
    if isinstance(loss, fl.SigmoidContrastive):  # SigLipLoss of open_clip
        signs = 2 * torch.eye(*logits.shape, dtype=logits.dtype) - 1
        return -functional.logsigmoid(signs * (logits + bias)).sum(1)
    rows = functional.cross_entropy(logits, torch.arange(n), reduction="none")
    if not loss.symmetric:
        return rows
    return (rows + functional.cross_entropy(logits.T, torch.arange(n), reduction="none")) / 2  # ClipLoss of open_clip


@every_loss
@pytest.mark.parametrize("weighted", [False, True])
def test_agrees_with_torch(loss, weighted, rng) -> None:
    torch = pytest.importorskip("torch")
    loss = type(loss)(**loss._parameters() | {"parameter_gradients": True})
    given = draw(loss, rng, 120, 7)
    w = weights(120, rng) if weighted else np.ones(120)
    tensors = [torch.tensor(x, requires_grad=True) for x in given if x.dtype.kind == "f"]
    labels = torch.tensor(given[-1])
    parameters = [
        torch.tensor(getattr(loss, name, 0.0), dtype=torch.float64, requires_grad=True)
        for name in ("temperature", "bias")
    ]
    expected = by_torch(loss, torch, tensors, labels, *parameters)
    (torch.tensor(w) * expected).sum().backward()
    slopes = [x.grad.numpy() for x in (*tensors, *parameters) if x.grad is not None]
    result = loss.value_and_gradient(*given, w, reduction="sum")
    assert_close(result, ((torch.tensor(w) * expected).sum().item(), tuple(slopes)), 1e-12)
    np.testing.assert_allclose(loss(*given, reduction="none"), expected.detach().numpy(), rtol=1e-11, atol=1e-12)
    counts = np.ones(120)
    if loss.inputs == ("embeddings",):
        counts = (np.sum(given[1][:, None] == given[1], axis=1) > 1).astype(float)
        assert 0 < counts.sum() < 120
    mean = loss.value_and_gradient(*given, w)
    total = np.sum(w * counts)
    assert_close(mean, (result[0] / total, tuple(x / total for x in result[1])), 1e-12)


def test_agrees_with_optax(rng) -> None:
    optax = pytest.importorskip("optax")
    views = rng.standard_normal((2, 40, 8)).astype(np.float32)
    expected = optax.losses.ntxent(np.concatenate(views), np.tile(np.arange(40), 2), temperature=0.2)
    assert fl.NTXent(temperature=0.2)(*views) == pytest.approx(float(expected), rel=1e-5)


# ---- limits ---------------------------------------------------------------------------------------------------------


@both
def test_one_row(reference) -> None:
    """Nothing to tell it from."""
    x, z = np.array([[1.0, 2.0]]), np.array([[-3.0, 0.5]])
    for loss in (fl.InfoNCE(), fl.get("clip"), fl.NTXent(), fl.InfoNCE(normalize=False)):
        value, gradients = methods_of(loss, reference).value_and_gradient(x, z)
        assert value == 0
        assert not np.any(gradients)
    value, gradient = methods_of(fl.SupervisedContrastive(), reference).value_and_gradient(x, [4])
    assert value == 0
    assert not gradient.any()
    value, gradients = methods_of(fl.SigmoidContrastive(temperature=1.0, bias=0.0), reference).value_and_gradient(x, x)
    assert value == pytest.approx(math.log1p(math.exp(-1)), rel=1e-15)
    np.testing.assert_allclose(gradients, 0, atol=1e-16)


@both
@every_type
def test_equal_rows(reference, dtype, rng) -> None:
    """Chance: log M, whatever the temperature."""
    row = rng.standard_normal(6).astype(dtype)
    queries, keys = np.repeat(row[None], 20, 0), np.repeat(row[None], 30, 0)
    tolerance = 10 * float(np.finfo(dtype).eps)
    for temperature in (0.01, 1.0, 100.0):
        options = {"temperature": temperature}
        for loss, given, expected in (
            (fl.InfoNCE(**options), (queries, keys), math.log(30)),
            (fl.get("clip", **options), (queries, queries), math.log(20)),
            (fl.NTXent(**options), (queries, queries), math.log(39)),
            (fl.SupervisedContrastive(**options), (keys, [1] * 10 + [2] * 20), math.log(29)),
        ):
            value, gradients = methods_of(loss, reference).value_and_gradient(*given)
            slack = tolerance * (1 + 1 / temperature)
            assert value == pytest.approx(expected, abs=3 * slack)
            for g in gradients if isinstance(gradients, tuple) else (gradients,):
                np.testing.assert_allclose(g, 0, atol=10 * slack)


@both
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_small_losses_keep_their_accuracy(reference, dtype) -> None:
    """Orthogonal rows at a temperature of 1/40: e^-40, from the sum of the others."""
    x = np.eye(3, dtype=dtype)
    loss, e = methods_of(fl.InfoNCE(temperature=1 / 40), reference), math.exp(-40)
    value, (dq, dk) = loss.value_and_gradient(x, x, reduction="sum")
    assert value == pytest.approx(3 * 2 * e, rel=1e-5)
    off = 40 * e * (1 - np.eye(3))
    np.testing.assert_allclose(dq, off, rtol=1e-5)
    np.testing.assert_allclose(dk, off, rtol=1e-5)
    assert methods_of(fl.NTXent(temperature=1 / 40), reference)(x, x) == pytest.approx(4 * e, rel=1e-5)
    supervised = methods_of(fl.SupervisedContrastive(temperature=1 / 40), reference)
    value, gradient = supervised.value_and_gradient(np.concatenate([x, x]), [0, 1, 2, 0, 1, 2], reduction="sum")
    assert value == pytest.approx(6 * 4 * e, rel=1e-5)
    np.testing.assert_allclose(gradient, np.concatenate([4 * off, 4 * off]), rtol=1e-5)


@both
@every_type
def test_zero_vectors(reference, dtype, rng) -> None:
    for loss in LOSSES:
        if not loss.normalize:
            continue
        given = draw(loss, rng, 6, 3, dtype)
        for x in (a for a in given if a.dtype.kind == "f"):
            x[2] = 0
        value, *gradients = flat(methods_of(loss, reference).value_and_gradient(*given, reduction="none"))
        assert np.isfinite(value).all()
        assert not any(g[2].any() for g in gradients if isinstance(g, np.ndarray))
        assert all(np.isfinite(g).all() for g in gradients)
    zeros = np.zeros((5, 3), dtype)
    value, gradients = methods_of(fl.InfoNCE(), reference).value_and_gradient(zeros, zeros)
    assert value == pytest.approx(math.log(5), rel=1e-6)
    assert not np.any(gradients)


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e-160, 1e150, 1e200, 1e300])
def test_norms_do_not_matter(scale, rng) -> None:
    """Cosines are the same, and gradients inverse to the norm."""
    for loss in LOSSES:
        if not loss.normalize:
            continue
        given = draw(loss, rng, 20, 9)
        expected, *slopes = flat(loss.value_and_gradient(*given, reduction="sum"))
        scaled = [given[0] * scale, *given[1:]]
        value, *gradients = flat(loss.value_and_gradient(*scaled, reduction="sum"))
        assert value == pytest.approx(expected, rel=1e-12)
        np.testing.assert_allclose(gradients[0] * scale, slopes[0], rtol=1e-9, atol=1e-12)
        for got, slope in zip(gradients[1:], slopes[1:], strict=True):
            np.testing.assert_allclose(got, slope, rtol=1e-9, atol=1e-12)


def test_norms_of_float32(rng) -> None:
    for scale in (2.0**-140, 2.0**-100, 2.0**100, 2.0**122):
        x, z = np.round(8 * rng.standard_normal((2, 10, 4))).astype(np.float32) + 1
        expected, slopes = fl.InfoNCE().value_and_gradient(x, z)
        value, gradients = fl.InfoNCE().value_and_gradient(np.float32(scale) * x, z)
        assert value == pytest.approx(expected, rel=1e-5)
        exact = slopes[0].astype(float) / scale
        inside = np.abs(exact) < 1e38
        np.testing.assert_allclose(gradients[0][inside], exact[inside], rtol=1e-4, atol=1e-4 / scale)
        np.testing.assert_allclose(gradients[1], slopes[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("temperature", [1e-310, 1e-12, 1e-3, 1e6, 1e300])
def test_any_temperature(temperature, rng) -> None:
    """The largest similarity alone, or all of them alike; never NaN."""
    for cls in (fl.InfoNCE, fl.NTXent, fl.SupervisedContrastive, fl.SigmoidContrastive):
        for dtype in (np.float64, np.float32):
            loss = cls(temperature=temperature)
            given = draw(loss, rng, 12, 4, dtype)
            value, *gradients = flat(loss.value_and_gradient(*given, reduction="none"))
            assert not np.isnan(value).any()
            assert (value >= 0).all()
            if temperature > 1:
                u = {fl.InfoNCE: 16, fl.NTXent: 23, fl.SupervisedContrastive: 11}.get(cls)
                if u and cls is not fl.SupervisedContrastive:
                    np.testing.assert_allclose(value, math.log(u), rtol=1e-5)
            elif temperature >= 1e-12:
                assert all(np.isfinite(g).all() for g in gradients)


@both
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("normalize", [False, True])
def test_nan_and_infinity(reference, bad, normalize, rng) -> None:
    """NaN for every term that uses the row, and for no other."""
    for cls in (fl.InfoNCE, fl.SigmoidContrastive):
        loss = methods_of(cls(temperature=1.0, normalize=normalize), reference)
        x, z = draw(cls(), rng, 12)
        expected, (dx, _) = loss.value_and_gradient(x, z, reduction="none")
        others = np.arange(12) != 7
        x[7, 2] = bad
        value, gradients = loss.value_and_gradient(x, z, reduction="none")
        assert np.isnan(value[7])
        assert np.isnan(gradients[0][7]).all()
        assert np.isnan(gradients[1]).all()
        np.testing.assert_allclose(value[others], expected[others], rtol=1e-13)
        np.testing.assert_allclose(gradients[0][others], dx[others], rtol=1e-11, atol=1e-14)
        x[7, 2], z[14, 0] = 1.0, bad
        value, gradients = loss.value_and_gradient(x, z, reduction="none")
        assert np.isnan(value).all()
        assert np.isnan(gradients[0]).all()
        assert np.isnan(gradients[1][14]).all()
        assert np.isnan(gradients[1]).all() == (cls is fl.InfoNCE), "pairs of others are other terms"
    for loss in (fl.get("clip", normalize=normalize), fl.NTXent(normalize=normalize)):
        x, z = draw(loss, rng, 12)
        z[3, 1] = bad
        value, gradients = methods_of(loss, reference).value_and_gradient(x, z, reduction="none")
        assert np.isnan(value).all()
        assert all(np.isnan(g).all() for g in gradients)
    x = rng.standard_normal((5, 3))
    x[4, 0] = bad  # a negative of the pair; the others have no positives
    loss = methods_of(fl.SupervisedContrastive(normalize=normalize), reference)
    np.testing.assert_array_equal(loss(x, [1, 1, 2, 3, 4], reduction="none"), [np.nan, np.nan, 0, 0, 0])


@both
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
@pytest.mark.parametrize("budget", [1, None])
def test_rows_without_weight_have_no_term(reference, bad, budget, rng) -> None:
    """Where only rows have terms, their queries are not looked at; their keys are negatives of others."""
    for loss in (fl.InfoNCE(), fl.SigmoidContrastive(parameter_gradients=True), fl.InfoNCE(normalize=False)):
        x, z = draw(loss, rng, 150)
        w = weights(150, rng)
        kept = w > 0
        order = np.concatenate([np.flatnonzero(kept), np.flatnonzero(~kept)])  # the keys that are left have no query
        poisoned = np.where(kept[:, None], x, bad)
        methods = methods_of(loss, reference)
        for reduction in ("mean", "sum", "none"):
            keywords = {"reduction": reduction, "memory_budget": budget}
            value, dx, dz, *more = flat(methods.value_and_gradient(poisoned, z, w, **keywords))
            keys = np.concatenate([z[order], z[150:]])
            expected, ex, ez, *others = flat(methods.value_and_gradient(x[kept], keys, w[kept], **keywords))
            if reduction == "none":
                assert not value[~kept].any()
                value = value[kept]
            assert not dx[~kept].any()
            got, wanted = (value, (dx[kept], dz[order], dz[150:], *more)), (expected, (ex, ez[:150], ez[150:], *others))
            assert_close(got, wanted, 1e-12)


@both
@every_loss
def test_no_weights_at_all(reference, loss, rng) -> None:
    given = draw(loss, rng, 7)
    given[0][3, 2] = np.nan
    methods = methods_of(loss, reference)
    for reduction in ("sum", "none"):
        value, *gradients = flat(methods.value_and_gradient(*given, np.zeros(7), reduction=reduction))
        assert not np.any(value)
        assert not any(np.any(g) for g in gradients)
    with pytest.raises(ValueError, match="sample_weight must not sum to zero for reduction='mean'"):
        methods(*given, np.zeros(7))


@pytest.mark.parametrize("loss", [x for x in LOSSES if x.inputs != ("embeddings",)], ids=repr)
def test_weights_are_factors(loss, rng) -> None:
    """The sum is linear in them, a row of weight 0 is still a negative."""
    given = draw(loss, rng, 20)
    values = loss(*given, reduction="none")
    w = weights(20, rng)
    np.testing.assert_allclose(loss(*given, w, reduction="none"), w * values, rtol=1e-14)
    one = [flat(loss.value_and_gradient(*given, np.eye(20)[i], reduction="sum")) for i in range(20)]
    whole = flat(loss.value_and_gradient(*given, w, reduction="sum"))
    for k, item in enumerate(whole):
        np.testing.assert_allclose(item, sum(w[i] * one[i][k] for i in range(20)), rtol=1e-11, atol=1e-12)


@both
def test_no_positives(reference, rng) -> None:
    loss = methods_of(fl.SupervisedContrastive(), reference)
    x = rng.standard_normal((4, 3))
    value, gradient = loss.value_and_gradient(x, np.arange(4))
    assert value == 0.0
    assert not gradient.any()
    value, gradient = loss.value_and_gradient(x, [1, 1, 2, 3])
    assert value == pytest.approx(loss(x, [1, 1, 2, 3], reduction="sum") / 2)
    assert gradient[2:].any(), "they are negatives"
    assert loss(x, [1, 1, 2, 3], [0, 0, 1, 1]) == 0.0
    assert loss(x, [1, 1, 2, 3], [0, 2, 1, 1]) == pytest.approx(loss(x, [1, 1, 2, 3], reduction="none")[1])


def test_supervised_with_pairs_is_nt_xent(rng) -> None:
    a, b = rng.standard_normal((2, 30, 5))
    labels = np.tile(np.arange(30), 2)
    options = {"temperature": 0.2, "parameter_gradients": True}
    value, (da, db, dt) = fl.NTXent(**options).value_and_gradient(a, b)
    other, (d, slope) = fl.SupervisedContrastive(**options).value_and_gradient(np.concatenate([a, b]), labels)
    assert value == pytest.approx(other, rel=1e-14)
    assert dt == pytest.approx(slope, rel=1e-12)
    np.testing.assert_allclose(d, np.concatenate([da, db]), rtol=1e-11, atol=1e-14)


def test_order_of_rows_does_not_matter(rng) -> None:
    order = rng.permutation(40)
    for loss in LOSSES:
        given = draw(loss, rng, 40)
        moved = [np.concatenate([x[:40][order], x[40:]]) for x in given]
        assert loss(*moved) == pytest.approx(loss(*given), rel=1e-12)


def test_symmetric_is_both_directions(rng) -> None:
    x, z = draw(fl.get("clip"), rng, 70)
    clip, (dx, dz) = fl.get("clip").value_and_gradient(x, z)
    there, (ax, az) = fl.InfoNCE().value_and_gradient(x, z)
    back, (bz, bx) = fl.InfoNCE().value_and_gradient(z, x)
    assert clip == pytest.approx((there + back) / 2, rel=1e-14)
    np.testing.assert_allclose(dx, (ax + bx) / 2, atol=1e-13)
    np.testing.assert_allclose(dz, (az + bz) / 2, atol=1e-13)


def test_values_are_summed_in_float64(rng) -> None:
    given = [x.astype(np.float32) for x in rng.standard_normal((2, 3000, 4))]
    exact = fl.InfoNCE(temperature=1.0)(*(x.astype(float) for x in given), reduction="sum")
    assert fl.InfoNCE(temperature=1.0)(*given, reduction="sum") == pytest.approx(exact, rel=3e-7)


# ---- arrays ---------------------------------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("form", FORMS)
def test_forms_of_arrays(loss, form, rng) -> None:
    given = draw(loss, rng, 40, 7)
    given.append(weights(40, rng))
    if form == "longdouble" and loss.inputs == ("embeddings",):
        given[1] = given[1].astype(np.int8)
    expected = loss.value_and_gradient(*given, reduction="none")
    for changed in [(k,) for k in range(len(given))] + [tuple(range(len(given)))]:
        arguments = [
            FORMS[form](a) if k in changed and (form != "longdouble" or a.dtype.kind == "f") else a
            for k, a in enumerate(given)
        ]
        before = copy.deepcopy(arguments)
        assert same(loss.value_and_gradient(*arguments, reduction="none"), expected)
        assert all(same(a, b) for a, b in zip(arguments, before, strict=True))


@both
@every_loss
@pytest.mark.parametrize(
    ("types", "working"),
    [("f4 f4", "f4"), ("f2 f4", "f4"), ("f2 f2", "f4"), ("f8 f4", "f8"), ("i4 f4", "f8"), ("u1 i8", "f8")],
)
def test_working_types(reference, loss, types, working, rng) -> None:
    given = draw(loss, rng)
    k = len(loss.inputs)
    inputs = [np.abs(4 * a).astype(t) for a, t in zip(given[:k], types.split()[:k], strict=True)]
    exact = [a.astype(working) for a in inputs]
    methods = methods_of(loss, reference)
    value, *gradients = flat(methods.value_and_gradient(*inputs, *given[k:], reduction="none"))
    assert {a.dtype for a in (value, *gradients[:k])} == {np.dtype(working)}
    assert all(type(slope) is float for slope in gradients[k:])
    assert same((value, *gradients), flat(methods.value_and_gradient(*exact, *given[k:], reduction="none")))


@pytest.mark.parametrize("labels", [np.int8, ">i4", np.int64, bool, np.uint64])
def test_types_of_labels(labels, rng) -> None:
    x, y = rng.standard_normal((20, 4)), rng.integers(0, 2, 20)
    assert fl.SupervisedContrastive()(x, y.astype(labels)) == fl.SupervisedContrastive()(x, y)
    large = np.where(y == 1, 2**62 + 1, 2**62)
    assert fl.SupervisedContrastive()(x, large) == fl.SupervisedContrastive()(x, y), "no rounding to floats"


@both
@every_loss
def test_nothing(reference, loss, rng) -> None:
    given = [x[:0] for x in draw(loss, rng)]
    methods = methods_of(loss, reference)
    value, *gradients = flat(methods.value_and_gradient(*given, reduction="sum"))
    assert value == 0.0
    assert {g.shape for g in gradients[: len(loss.inputs)]} == {(0, 5)}
    assert not any(gradients[len(loss.inputs) :])
    assert methods(*given, reduction="none").size == 0
    with pytest.raises(ValueError, match=rf"{loss.inputs[0]} must not be empty for reduction='mean'"):
        methods(*given)
    if loss.inputs == ("queries", "keys") and not loss._square:
        keys = np.ones((3, 5))
        value, *gradients = flat(methods.value_and_gradient(given[0], keys, reduction="sum"))
        assert value == 0.0
        np.testing.assert_array_equal(gradients[1], np.zeros((3, 5)))


@both
@every_loss
@pytest.mark.parametrize("target", TARGETS)
@every_type
def test_out(reference, loss, target, dtype, rng) -> None:
    given = draw(loss, rng, dtype=np.float32)
    methods, k = methods_of(loss, reference), len(loss.inputs)
    w = weights(30, rng)
    value, *expected = flat(methods.value_and_gradient(*given, w, reduction="none"))
    outs = tuple(TARGETS[target](g.shape, dtype) for g in expected[:k])
    values = TARGETS[target](value.shape, dtype)
    single = k == 1 and not loss.parameter_gradients
    out = (values, outs[0] if k == 1 else outs)
    result = flat(methods.value_and_gradient(*given, w, reduction="none", out=out))
    assert result[0] is values
    assert all(a is b for a, b in zip(result[1:], outs, strict=False))
    np.testing.assert_array_equal(values, value)
    for a, b in zip(result[1:], expected, strict=True):
        np.testing.assert_array_equal(a, b)
    first = TARGETS[target](expected[0].shape, dtype)
    partly = methods.gradient(*given, w, reduction="none", out=first if k == 1 else (first, None))
    partly = (partly,) if single else partly
    assert partly[0] is first
    assert all(same(a, b) for a, b in zip(partly[1:], expected[1:], strict=True))
    np.testing.assert_array_equal(first, expected[0])
    np.testing.assert_array_equal(methods(*given, w, reduction="none", out=values), value)


@both
@every_loss
@pytest.mark.parametrize("budget", [1, None])
def test_out_may_be_an_input(reference, loss, budget, rng) -> None:
    given = draw(loss, rng, 150, 6)
    methods, k = methods_of(loss, reference), len(loss.inputs)
    _, *expected = flat(methods.value_and_gradient(*given, memory_budget=budget))
    expected = expected[:k]
    for order in itertools.permutations(range(k)):
        inputs = [x.copy() for x in given]
        out = tuple(inputs[i][: len(e)] for i, e in zip(order, expected, strict=True))
        if any(a.shape != e.shape for a, e in zip(out, expected, strict=True)):
            continue
        methods.gradient(*inputs, memory_budget=budget, out=out[0] if k == 1 else out)
        for a, e in zip(out, expected, strict=True):
            np.testing.assert_array_equal(a, e)
    room = np.zeros((k, 260, 6))
    matrices = [room[i, : len(given[i])] for i in range(k)]
    for matrix, x in zip(matrices, given, strict=False):
        matrix[...] = x
    shifted = tuple(room[i, 1 : 1 + len(given[i])] for i in range(k))
    methods.gradient(*matrices, *given[k:], memory_budget=budget, out=shifted[0] if k == 1 else shifted)
    for a, e in zip(shifted, expected, strict=True):
        np.testing.assert_array_equal(a, e)


# ---- arguments ------------------------------------------------------------------------------------------------------

BAD = [
    ({"queries": np.ones(30)}, ValueError, r"queries must have the shape \(N, D\) with D >= 1, got \(30,\)"),
    ({"queries": np.ones((30, 0))}, ValueError, r"queries must have the shape \(N, D\) with D >= 1, got \(30, 0\)"),
    (
        {"keys": np.ones((29, 5))},
        ValueError,
        r"keys must have the shape \(M, 5\) with M >= 30 to match queries \(30, 5\)",
    ),
    ({"keys": np.ones((40, 4))}, ValueError, r"keys must have the shape \(M, 5\) .*, got \(40, 4\)"),
    ({"keys": np.ones((40, 5, 1))}, ValueError, r"keys must have the shape \(M, 5\) .*, got \(40, 5, 1\)"),
    ({"keys": np.ones((40, 5), complex)}, TypeError, "keys must hold real numbers, got dtype complex128"),
    ({"queries": np.ma.ones((30, 5))}, TypeError, "queries must not be a masked array"),
    ({"keys": None}, TypeError, "keys must hold real numbers, got dtype object"),
    ({"sample_weight": np.ones(40)}, ValueError, r"a scalar or have the shape \(30,\) to match queries, got \(40,\)"),
    ({"sample_weight": np.arange(30) - 4.0}, ValueError, "sample_weight must be >= 0 and finite, got -4.0 at index 0"),
    ({"sample_weight": np.nan}, ValueError, "sample_weight must be >= 0 and finite, got nan"),
    ({"sample_weight": 0.0}, ValueError, "sample_weight must not sum to zero for reduction='mean'"),
    ({"reduction": "median"}, ValueError, "reduction must be one of 'mean', 'sum', 'none', got 'median'"),
    ({"n_threads": 0}, ValueError, "n_threads must be >= 1, got 0"),
    ({"memory_budget": 0}, ValueError, "memory_budget must be >= 1, got 0"),
    ({"memory_budget": 1e6}, TypeError, "memory_budget must be a positive integer, got 1000000.0"),
    ({"progress": 3}, TypeError, "progress must be callable or None, got 3 of type int"),
]


@both
@pytest.mark.parametrize(("changes", "error", "message"), BAD)
def test_bad_arguments(reference, changes, error, message, rng) -> None:
    for loss in (fl.InfoNCE(), fl.SigmoidContrastive()):
        arguments = dict(zip(("queries", "keys"), draw(loss, rng), strict=True)) | changes
        methods = methods_of(loss, reference)
        for call in (methods, methods.gradient, methods.value_and_gradient, methods.evaluate):
            with pytest.raises(error, match=message):
                call(**arguments)


@both
def test_bad_arguments_of_the_others(reference, rng) -> None:
    x, y = rng.standard_normal((6, 3)), np.arange(6) // 2
    views, supervised = (methods_of(loss, reference) for loss in (fl.NTXent(), fl.SupervisedContrastive()))
    clip = methods_of(fl.get("clip"), reference)
    for call in (clip, views):
        with pytest.raises(ValueError, match=r"must have the shape \(5, 3\) to match \w+ \(5, 3\), got \(6, 3\)"):
            call(x[:5], x)
    with pytest.raises(ValueError, match=r"labels must have the shape \(6,\) to match embeddings, got \(5,\)"):
        supervised(x, y[:5])
    with pytest.raises(TypeError, match="labels must hold integers, got dtype float64"):
        supervised(x, y.astype(float))
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'labels'"):
        supervised(x)
    with pytest.raises(ValueError, match=r"embeddings must have the shape \(N, D\)"):
        supervised(x[0], y)


@both
def test_bad_out(reference, rng) -> None:
    x, z = draw(fl.InfoNCE(), rng)
    loss, dx, dz, value = methods_of(fl.InfoNCE(), reference), np.empty((30, 5)), np.empty((40, 5)), np.empty(30)
    for keywords, error, message in (
        ({"out": dx}, TypeError, r"out must be a tuple \(queries, keys\) of arrays or None"),
        ({"out": (dx,)}, ValueError, r"out must hold 2 array\(s\) \(gradient in queries, .*\), got 1"),
        ({"out": (dx, dx)}, ValueError, r"gradient in keys must have the shape \(40, 5\), got \(30, 5\)"),
        ({"out": (dx, dz.astype(int))}, TypeError, "out for the gradient in keys must be float32 or float64"),
    ):
        with pytest.raises(error, match=message):
            loss.gradient(x, z, **keywords)
    with pytest.raises(ValueError, match="out must be None: with reduction='mean' the value is a float"):
        loss(x, z, out=value)
    supervised = methods_of(fl.SupervisedContrastive(), reference)
    with pytest.raises(ValueError, match=r"gradient in embeddings must have the shape \(30, 5\), got \(40, 5\)"):
        supervised.gradient(x, np.zeros(30, int), out=dz)
    with pytest.raises(TypeError, match=r"out must be a tuple \(value, \(embeddings\)\)"):
        supervised.value_and_gradient(x, np.zeros(30, int), reduction="none", out=dx)


@pytest.mark.parametrize(
    ("name", "parameters", "error", "message"),
    [
        ("InfoNCE", {"temperature": 0.0}, ValueError, "temperature must be > 0, got 0.0"),
        ("InfoNCE", {"symmetric": 1}, TypeError, "symmetric must be True or False, got 1"),
        ("NTXent", {"temperature": np.inf}, ValueError, "temperature must be > 0, got inf"),
        ("SupervisedContrastive", {"normalize": "yes"}, TypeError, "normalize must be True or False, got 'yes'"),
        ("SigmoidContrastive", {"temperature": -1.0}, ValueError, "temperature must be > 0, got -1.0"),
        ("SigmoidContrastive", {"bias": np.nan}, ValueError, "bias must be finite, got nan"),
        ("SigmoidContrastive", {"parameter_gradients": None}, TypeError, "parameter_gradients must be True or False"),
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
        loss.temperature = 2.0
    for call in (loss.hessian, loss.gradient_and_hessian, loss.reference.hessian):
        with pytest.raises(ValueError, match=re.escape("has no hessian")):
            call(*given)
    assert loss.hessian_policies == ()


def test_names_and_signatures() -> None:
    assert fl.get("clip") == fl.InfoNCE(symmetric=True)
    assert fl.get("CLIP", temperature=0.01) == fl.InfoNCE(symmetric=True, temperature=0.01)
    assert fl.get("clip", symmetric=False) == fl.get("info_nce") == fl.InfoNCE()
    assert fl.get("simclr") == fl.get("nt_xent") == fl.get("ntxent") == fl.NTXent()
    assert fl.get("supcon") == fl.SupervisedContrastive()
    assert fl.get("siglip", bias=1.0) == fl.SigmoidContrastive(bias=1.0)
    first = {
        fl.InfoNCE: ["queries", "keys"],
        fl.NTXent: ["view_1", "view_2"],
        fl.SupervisedContrastive: ["embeddings", "labels"],
        fl.SigmoidContrastive: ["queries", "keys"],
    }
    for cls, names in first.items():
        assert cls().info.family == "embeddings"
        assert not cls().info.convex
        for method in ("__call__", "value", "gradient", "value_and_gradient", "evaluate"):
            parameters = inspect.signature(getattr(cls(), method)).parameters
            positional = [name for name, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
            assert positional == [*names, "sample_weight"]
            keywords = {name for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
            assert keywords - {"outputs"} == {"reduction", "out", "n_threads", "memory_budget", "progress"}


@every_loss
def test_documentation(loss) -> None:
    text = inspect.getdoc(type(loss)) or ""
    for section in ("Parameters\n---", "Notes\n---", "References\n---", "Examples\n---"):
        assert section in text
    for name in loss._parameters():
        assert f"\n{name} : " in text
