"""CTC: exact results, all paths one by one, peers, underflow, limits, arrays, threads, arguments, decoding."""

from __future__ import annotations

import copy
import inspect
import itertools
import json
import math
import pickle
import re
from typing import Any

import mpmath
import numpy as np
import pytest
from layouts import assert_interrupted, needs_timer
from sequences import FORMS, TARGETS, assert_close, cases, compare, methods_of, types_of
from support import same

import fastloss as fl
from fastloss._core import machine
from fastloss._core.sequence import IN_LOGS
from fastloss.losses import sequence
from fastloss.reference import sequence as formulas

LOSSES = [
    fl.CTC(),
    fl.CTC(blank=-1, normalize="labels"),
    fl.CTC(from_logits=False, blank=2, infeasible="zero"),
    fl.CTC(normalize="frames", infeasible="zero"),
]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=repr)
both = pytest.mark.parametrize("reference", [False, True], ids=["kernel", "reference"])
every_set = pytest.mark.usefixtures("instruction_set")
TOLERANCE = {np.float64: 1e-13, np.float32: 3e-6}


def labels_for(loss: fl.CTC, rng: np.random.Generator, n_classes: int, shape: Any) -> np.ndarray:
    """Classes but for the blank, of few kinds: there are repeats."""
    others = np.delete(np.arange(n_classes), loss.blank)
    return rng.choice(others[:4], shape)


def draw(
    loss: fl.CTC, rng: np.random.Generator, n: int = 9, t: int = 12, s: int = 4, c: int = 5, dtype: Any = np.float64
):
    """Labels, predictions and lengths, of which some are infeasible and some 0."""
    f = rng.standard_normal((n, t, c))
    if not loss.from_logits:
        f = formulas.log_softmax(f.reshape(n * t, c)).reshape(f.shape)
    y = labels_for(loss, rng, c, (n, s))
    return [y, f.astype(dtype)], {
        "label_lengths": rng.integers(0, s + 1, n),
        "logit_lengths": np.maximum(rng.integers(0, t + 1, n), rng.integers(0, t + 1, n)),
    }


def spied(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The states that the kernel returns, as calls come."""
    kernel, seen = sequence.ctc, []

    def call(*arguments: Any) -> Any:
        result = kernel(*arguments)
        seen.append(result[1])
        return result

    monkeypatch.setattr(sequence, "ctc", call)
    return seen


# ---- exact results --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("CTC"), ids=lambda case: case["id"])
def test_kernel(case, instruction_set) -> None:
    for dtype in types_of(case):
        compare(case, False, dtype)


@pytest.mark.parametrize("case", cases("CTC"), ids=lambda case: case["id"])
def test_reference(case) -> None:
    for dtype in types_of(case):
        compare(case, True, dtype)


def test_there_are_vectors() -> None:
    assert len(cases("CTC")) == 49
    assert sum(np.float32 in types_of(case) for case in cases("CTC")) > 40


def collapsed(path: tuple[int, ...], blank: int) -> tuple[int, ...]:
    return tuple(k for k, _ in itertools.groupby(path) if k != blank)


def by_paths(y: Any, log_p: np.ndarray, blank: int) -> tuple[float, np.ndarray]:
    """The loss and the posteriors, from every single path."""
    n_frames, n_classes = log_p.shape
    posterior, total = np.zeros(log_p.shape), 0.0
    for path in itertools.product(range(n_classes), repeat=n_frames):
        if collapsed(path, blank) == tuple(y):
            probability = math.exp(sum(log_p[t, k] for t, k in enumerate(path)))
            total += probability
            posterior[np.arange(n_frames), path] += probability
    return (-math.log(total) if total else math.inf), posterior / (total or 1)


@pytest.mark.parametrize("blank", [0, 1, 2, -1])
def test_every_path_of_tiny_inputs(blank, rng) -> None:
    """All label sequences over two and three classes, with up to 5 frames."""
    n_infeasible = 0
    for n_classes, n_frames in [(1, 3), *itertools.product((2, 3), (1, 2, 3, 4, 5))]:
        if not -n_classes <= blank < n_classes:
            continue
        others = [k for k in range(n_classes) if k != blank % n_classes]
        sequences = [y for s in range(5) for y in itertools.product(others, repeat=s)]
        f = 2 * rng.standard_normal((len(sequences), n_frames, n_classes))
        log_p = np.log(np.exp(f) / np.exp(f).sum(axis=2, keepdims=True))
        expected = [by_paths(y, x, blank % n_classes) for y, x in zip(sequences, log_p, strict=True)]
        values, posteriors = np.array([value for value, _ in expected]), np.stack([p for _, p in expected])
        n_infeasible += np.isinf(values).sum()
        ragged = [list(y) for y in sequences]
        for methods in (fl.CTC(blank=blank), fl.CTC(blank=blank).reference):
            value, gradient = methods.value_and_gradient(ragged, f, reduction="none")
            np.testing.assert_allclose(value, values, rtol=1e-13, atol=1e-14)
            slopes = np.where(np.isinf(values)[:, None, None], 0, np.exp(log_p) - posteriors)
            np.testing.assert_allclose(gradient, slopes, rtol=0, atol=1e-14)
        for methods in (fl.CTC(blank=blank, from_logits=False), fl.CTC(blank=blank, from_logits=False).reference):
            value, gradient = methods.value_and_gradient(ragged, log_p, reduction="none")
            np.testing.assert_allclose(value, values, rtol=1e-13, atol=1e-14)
            np.testing.assert_allclose(gradient, -posteriors, rtol=0, atol=1e-14)
    assert n_infeasible > 20


@both
def test_special_vectors(reference) -> None:
    two = np.zeros((1, 2, 2))
    for infeasible, expected in (("inf", math.inf), ("zero", 0.0)):
        methods = methods_of(fl.CTC(infeasible=infeasible), reference)
        value, gradient = methods.value_and_gradient([[1, 1]], two)
        assert value == expected
        assert not gradient.any()
    with pytest.raises(ValueError, match="room for a path: sequence 0 needs 3 frames for its labels, got 2"):
        methods_of(fl.CTC(infeasible="raise"), reference)([[1, 1]], two)


# ---- peers ----------------------------------------------------------------------------------------------------------


def of_torch(y: Any, f: np.ndarray, lengths: dict[str, Any], loss: fl.CTC, logits: bool = True):
    """Values and gradients of PyTorch, in the logits or as it has them in log-probabilities."""
    torch = pytest.importorskip("torch")
    z = torch.tensor(f, requires_grad=True)
    log_p = torch.log_softmax(z, -1) if logits else z
    value = torch.nn.functional.ctc_loss(
        log_p.transpose(0, 1),
        torch.tensor(y),
        torch.tensor(lengths.get("logit_lengths", [f.shape[1]] * len(f))),
        torch.tensor(lengths.get("label_lengths", [y.shape[1]] * len(f))),
        blank=loss.blank % f.shape[2],
        reduction="none",
        zero_infinity=loss.infeasible == "zero",
    )
    value.sum().backward()
    return value.detach().numpy(), z.grad.numpy()


@pytest.mark.parametrize(
    ("n", "t", "s", "c"),
    [
        (20, 12, 5, 4),
        (20, 9, 5, 3),
        (4, 1, 1, 3),
        (4, 2, 1, 2),
        (6, 50, 20, 30),
        (3, 60, 28, 2),
        (8, 40, 0, 5),
        (2, 2000, 80, 40),
    ],
)
def test_torch(n, t, s, c, rng, monkeypatch) -> None:
    """Repeated labels, no labels, infeasible ones."""
    seen = spied(monkeypatch)
    for scale, blank in itertools.product((1.0, 6.0), (0, -1)):
        loss = fl.CTC(infeasible="zero", blank=blank)
        f = scale * rng.standard_normal((n, t, c))
        y = labels_for(loss, rng, c, (n, s))
        lengths = {"label_lengths": rng.integers(0, s + 1, n), "logit_lengths": rng.integers(1, t + 1, n)}
        lengths["logit_lengths"][0] = t
        expected = of_torch(y, f, lengths, loss)
        assert_close(loss.value_and_gradient(y, f, reduction="none", **lengths), expected, 1e-10)
        assert scale > 1 or not (seen.pop() & IN_LOGS).any()
        if t < 100:
            assert_close(loss.reference.value_and_gradient(y, f, reduction="none", **lengths), expected, 1e-10)


def test_torch_in_single_precision(rng) -> None:
    loss = fl.CTC()
    f, y = rng.standard_normal((4, 300, 30)), labels_for(loss, rng, 30, (4, 40))
    expected = of_torch(y, f, {}, loss)
    value, gradient = loss.value_and_gradient(y, f.astype(np.float32), reduction="none")
    np.testing.assert_allclose(value, expected[0], rtol=1e-6)
    np.testing.assert_allclose(gradient, expected[1], rtol=0, atol=1e-6)


def test_derivatives_in_log_probabilities(rng) -> None:
    """PyTorch has those in the logits before a softmax, which are another thing."""
    loss = fl.CTC(from_logits=False)
    (y, f), _ = draw(loss, rng)
    value, gradient = loss.value_and_gradient(y, f, reduction="none")
    expected, theirs = of_torch(y, f, {}, loss, logits=False)
    np.testing.assert_allclose(value, expected, rtol=1e-13)
    np.testing.assert_allclose(gradient, theirs - np.exp(f), rtol=0, atol=1e-12)
    np.testing.assert_allclose(gradient.sum(axis=2), -1, rtol=1e-13)
    for step in (1e-6, -1e-6):
        t, c = 3, y[0, 0]
        moved = f.copy()
        moved[0, t, c] += step
        slope = (loss(y, moved, reduction="none")[0] - value[0]) / step
        assert slope == pytest.approx(gradient[0, t, c], abs=1e-5)


def test_mean_of_torch(rng) -> None:
    torch = pytest.importorskip("torch")
    loss = fl.CTC(normalize="labels")
    (y, f), _ = draw(loss, rng, 9, 12, 4)
    lengths = rng.integers(0, 5, 9)
    log_p = torch.log_softmax(torch.tensor(f), -1).transpose(0, 1)
    theirs = torch.nn.functional.ctc_loss(log_p, torch.tensor(y), torch.full((9,), 12), torch.tensor(lengths))
    assert loss(y, f, label_lengths=lengths) == pytest.approx(theirs.item(), rel=1e-13)


def test_optax(rng) -> None:
    optax = pytest.importorskip("optax")
    (y, f), lengths = draw(fl.CTC(), rng, 12, 14, 4, 6, np.float32)
    lengths["logit_lengths"] = np.maximum(lengths["logit_lengths"], 2 * lengths["label_lengths"] + 1)
    frames = (np.arange(14) >= lengths["logit_lengths"][:, None]).astype(np.float32)
    padding = (np.arange(4) >= lengths["label_lengths"][:, None]).astype(np.float32)
    theirs = optax.losses.ctc_loss(f, frames, y, padding)
    np.testing.assert_allclose(fl.CTC()(y, f, reduction="none", **lengths), theirs, rtol=2e-5, atol=2e-5)


# ---- properties -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("scale", [0.0, 1.0, 10.0, 100.0])
def test_losses_are_not_negative_and_gradients_sum_to_zero(scale, dtype, rng) -> None:
    loss = fl.CTC(infeasible="zero")
    (y, f), lengths = draw(loss, rng, 40, 30, 6, 7, dtype)
    f *= dtype(scale)
    value, gradient = loss.value_and_gradient(y, f, reduction="none", **lengths)
    assert value.min() >= 0
    np.testing.assert_allclose(gradient.sum(axis=2), 0, atol=20 * np.finfo(dtype).eps)
    assert np.abs(gradient).max() <= 1
    beyond = np.arange(30) >= lengths["logit_lengths"][:, None]
    assert not gradient[beyond].any()


def test_a_certain_path_costs_nothing() -> None:
    path = np.array([1, 1, 0, 2, 2, 0, 2])
    for dtype, large in itertools.product(TOLERANCE, (50.0, 1000.0, 1e30)):
        f = (large * np.eye(3)[path]).astype(dtype)[None]
        value, gradient = fl.CTC().value_and_gradient([[1, 2, 2]], f)
        assert 0 <= value < 1e-18
        np.testing.assert_allclose(gradient, 0, atol=1e-15)


@every_loss
def test_derivatives(loss, rng) -> None:
    """Complex steps through the reference."""
    (y, f), _ = draw(loss, rng, 1, 6, 2, 4)
    labels, blank = y[0], loss.blank % 4
    gradient = loss.gradient(y, f, reduction="sum")
    size = {"none": 1, "labels": 2, "frames": 6}[loss.normalize]
    for t, c in np.ndindex(6, 4):
        z = f[0].astype(complex)
        z[t, c] += 1e-30j
        with np.errstate(divide="ignore"):
            value, _ = formulas.ctc(labels, formulas.log_softmax(z) if loss.from_logits else z, blank)
        assert value.imag / 1e-30 / size == pytest.approx(gradient[0, t, c], abs=1e-13)


def test_logits_may_be_shifted(rng) -> None:
    (y, f), lengths = draw(fl.CTC(), rng)
    shift = rng.choice([0.0, 64.0, -128.0], (*f.shape[:2], 1))
    f = np.round(f * 64) / 64
    expected = fl.CTC().value_and_gradient(y, f, reduction="none", **lengths)
    assert_close(fl.CTC().value_and_gradient(y, f + shift, reduction="none", **lengths), expected, 1e-14)


# ---- underflow ------------------------------------------------------------------------------------------------------


def exact(y: Any, z: np.ndarray, blank: int = 0) -> tuple[Any, np.ndarray]:
    """The loss and its derivative in 60 digits: forward and backward sums of plain numbers."""
    with mpmath.workdps(60):
        n_frames = len(z)
        e = [[mpmath.exp(mpmath.mpf(float(x))) for x in row] for row in z]
        p = [[x / mpmath.fsum(row) for x in row] for row in e]
        states = [blank]
        for k in y:
            states += [int(k), blank]
        m = len(states)

        def enters(to: int, of: int) -> bool:
            return of in (to, to - 1) or (of == to - 2 and states[to] not in (blank, states[of]))

        alpha = [[p[0][states[k]] if k < 2 else mpmath.mpf(0) for k in range(m)]]
        for t in range(1, n_frames):
            before = alpha[-1]
            alpha.append(
                [
                    p[t][states[k]] * mpmath.fsum(before[i] for i in range(max(k - 2, 0), k + 1) if enters(k, i))
                    for k in range(m)
                ]
            )
        beta = [[mpmath.mpf(k >= m - 2) for k in range(m)]]
        for t in range(n_frames - 1, 0, -1):
            after = beta[0]
            beta.insert(
                0,
                [
                    mpmath.fsum(after[i] * p[t][states[i]] for i in range(k, min(k + 3, m)) if enters(i, k))
                    for k in range(m)
                ],
            )
        total = mpmath.fsum(alpha[-1][-2:])
        gradient = np.zeros(z.shape)
        for t, c in np.ndindex(z.shape):
            at = mpmath.fsum(alpha[t][k] * beta[t][k] for k in range(m) if states[k] == c)
            gradient[t, c] = float(p[t][c] - at / total)
        return -mpmath.log(total), gradient


def check_exact(y: Any, z: np.ndarray, dtype: Any = np.float64) -> None:
    z = z.astype(dtype)
    bound = 8 * np.finfo(dtype).eps * len(z) * (1 + np.abs(z[np.isfinite(z)]).max())
    value, gradient = fl.CTC().value_and_gradient([list(y)], z[None], reduction="none")
    expected, slopes = exact(y, z)
    assert abs(mpmath.mpf(float(value[0])) - expected) <= bound
    np.testing.assert_allclose(gradient[0], slopes, rtol=0, atol=bound)


@every_set
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("scale", [50, 300, 2000, 1e5])
def test_extreme_logits(scale, dtype, rng, monkeypatch) -> None:
    seen = spied(monkeypatch)
    for s in (0, 1, 3, 5):
        check_exact(rng.integers(1, 4, s), scale * rng.standard_normal((12, 4)), dtype)
    if scale >= 2000:
        assert any((states & IN_LOGS).any() for states in seen)
    if scale <= 50:
        assert not any((states & IN_LOGS).any() for states in seen)


@every_set
def test_underflow_in_one_frame(monkeypatch) -> None:
    """A path that seems lost in the first frame is the best one in the end."""
    seen = spied(monkeypatch)
    z = np.zeros((5, 3))
    z[0] = [0, -800, -800]
    z[1:] = [-500, 0, 0]
    check_exact([1, 2], z)
    assert seen.pop() & IN_LOGS
    z[0] = [0, -600, -600]
    check_exact([1, 2], z)
    assert not seen.pop() & IN_LOGS


@every_set
@pytest.mark.parametrize("middle", [30, 60, 100])
def test_underflow_along_the_lattice(middle, monkeypatch) -> None:
    """Frames, each of them harmless, in which the later label is improbable first and the earlier one then."""
    seen = spied(monkeypatch)
    z = np.zeros((2 * middle, 3))
    z[:middle] = [-30, 0, -30]
    z[middle:] = [-30, -30, 0]
    z[:middle, [1, 2]] = z[:middle, [2, 1]]  # class 2 first, but label 1 must come first
    z[middle:, [1, 2]] = z[middle:, [2, 1]]
    check_exact([1, 2], z)
    assert bool(seen.pop() & IN_LOGS) == (30 * middle > 700)


@every_set
def test_few_frames_for_many_labels(monkeypatch, rng) -> None:
    """Blanks are certain, but there is no time for them: what cannot end in time must not push the rest out."""
    seen = spied(monkeypatch)
    for extra in (0, 1, 5):
        y = np.tile([1, 2], 60)
        z = rng.standard_normal((len(y) + extra, 3))
        z[:, 0] += 20
        check_exact(y, z)
        assert not seen.pop() & IN_LOGS


@every_set
@pytest.mark.parametrize(("t", "s"), [(40, 17), (12, 9), (100, 3), (30, 30)])
def test_both_ways_agree(t, s, monkeypatch, rng) -> None:
    """Probabilities, and logarithms where the last label underflows in the first frame, in which it cannot be said."""
    seen = spied(monkeypatch)
    y, z = np.resize([1, 2, 3, 1, 2], (1, s)), rng.standard_normal((1, t, 6))
    y[0, -1] = 4
    one = fl.CTC().value_and_gradient(y, z, reduction="none")
    z[0, 0, 4] = -800
    other = fl.CTC().value_and_gradient(y, z, reduction="none")
    assert [bool(states & IN_LOGS) for states in seen] == [False, True]
    assert_close(other, fl.CTC().reference.value_and_gradient(y, z, reduction="none"), 1e-13)
    np.testing.assert_allclose(other[1][0, 1:], one[1][0, 1:], rtol=0, atol=1e-13)


@every_set
def test_log_probabilities_of_any_size(rng) -> None:
    """They are used as they are: also where they are positive, or small beyond what a probability can be."""
    loss = fl.CTC(from_logits=False)
    for shift in (-1e4, -800.0, 0.0, 300.0, 1e4):
        f = rng.standard_normal((3, 20, 5)) + shift
        y = labels_for(loss, rng, 5, (3, 6))
        expected = loss.value_and_gradient(y, f - shift, reduction="none")
        value, gradient = loss.value_and_gradient(y, f, reduction="none")
        np.testing.assert_allclose(value, expected[0] - 20 * shift, rtol=1e-11)
        np.testing.assert_allclose(gradient, expected[1], rtol=0, atol=1e-9)


# ---- limits ---------------------------------------------------------------------------------------------------------


@both
@every_loss
def test_nan_stays_in_its_sequence(reference, loss, rng) -> None:
    (y, f), _ = draw(loss, rng, 6, 14, 3)
    methods = methods_of(loss, reference)
    value, gradient = methods.value_and_gradient(y, f, reduction="none")
    spoiled = f.copy()
    spoiled[2, 5, loss.blank] = np.nan
    got, slopes = methods.value_and_gradient(y, spoiled, reduction="none")
    keep = np.arange(6) != 2
    assert math.isnan(got[2])
    assert np.isnan(slopes[2]).all()
    assert same(got[keep], value[keep])
    assert same(slopes[keep], gradient[keep])
    assert math.isnan(methods(y, spoiled))
    lengths = np.full(6, 14)
    lengths[2] = 5
    assert np.isfinite(methods(y, spoiled, logit_lengths=lengths))
    w = (np.arange(6) != 2).astype(float)
    assert methods(y, spoiled, w) == pytest.approx(methods(y, f, w), rel=1e-15)
    assert not methods.gradient(y, spoiled, w)[2].any()


@both
def test_log_probabilities_that_are_not_needed_do_not_matter(reference, rng) -> None:
    loss = fl.CTC(from_logits=False)
    f, y = rng.standard_normal((3, 10, 6)), labels_for(loss, rng, 4, (3, 3))
    methods = methods_of(loss, reference)
    expected = methods.value_and_gradient(y, f, reduction="none")
    f[:, :, 5], f[:, 3, 4] = np.nan, np.inf
    assert same(methods.value_and_gradient(y, f, reduction="none"), expected)
    f[1, 2, y[1, 0]] = np.inf
    assert np.isnan(methods(y, f, reduction="none")).tolist() == [False, True, False]


@both
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_infinite_logits(reference, dtype) -> None:
    """A single +inf is certain, two of them or a row of -inf mean nothing; a class of -inf does not occur."""
    methods = methods_of(fl.CTC(), reference)
    f = np.zeros((7, 3, 3), dtype)
    f[0, 1] = [0, np.inf, 0]
    f[1, 1] = [np.inf, np.inf, 0]
    f[2, 1] = -np.inf
    f[3, :, 2] = -np.inf
    f[4, :, 1] = -np.inf
    f[5, 1] = [-np.inf, -np.inf, 0]
    f[6, 1] = [np.inf, -np.inf, np.nan]
    value, gradient = methods.value_and_gradient([[1]] * 7, f, reduction="none")
    with np.errstate(divide="ignore"):
        expected = [
            by_paths([1], np.log(p), 0)
            for p in (np.array([[1 / 3] * 3, [0, 1, 0], [1 / 3] * 3]), np.array([[0.5, 0.5, 0]] * 3))
        ]
    np.testing.assert_allclose(value[[0, 3]], [expected[0][0], expected[1][0]], rtol=1e-6)
    np.testing.assert_allclose(
        gradient[0],
        [[1 / 3, 0, 1 / 3], [0, 1, 0], [1 / 3] * 3] - expected[0][1] + [[0, 1 / 3, 0], [0] * 3, [0] * 3],
        atol=1e-6,
    )
    np.testing.assert_allclose(gradient[3], [[0.5, 0.5, 0]] * 3 - expected[1][1], atol=1e-6)
    assert np.isnan(value[[1, 2, 6]]).all()
    assert np.isnan(gradient[[1, 2, 6]]).all()
    assert (value[[4, 5]] == np.inf).all()
    assert not gradient[[4, 5]].any()


@both
def test_infeasible(reference, rng) -> None:
    f = rng.standard_normal((5, 4, 3))
    y, lengths = [[1, 2, 1], [1, 1, 2], [1, 1, 1], [1, 2, 2], []], [4, 4, 4, 2, 0]
    y = [*y[:4], []]
    infinite, zero, strict = (methods_of(fl.CTC(infeasible=x), reference) for x in ("inf", "zero", "raise"))
    value, gradient = infinite.value_and_gradient(y, f, reduction="none", logit_lengths=lengths)
    assert np.isinf(value).tolist() == [False, False, True, True, False]
    assert value[4] == 0
    assert not gradient[2:].any()
    assert infinite(y, f, logit_lengths=lengths) == math.inf
    assert np.isfinite(infinite.gradient(y, f, logit_lengths=lengths)).all()
    expected = np.where(np.isinf(value), 0, value)
    np.testing.assert_array_equal(zero(y, f, reduction="none", logit_lengths=lengths), expected)
    assert zero(y, f, logit_lengths=lengths) == expected.sum() / 5
    with pytest.raises(ValueError, match="sequence 2 needs 5 frames for its labels, got 4"):
        strict(y, f, logit_lengths=lengths)
    with pytest.raises(ValueError, match="sequence 3 needs 4 frames for its labels, got 2"):
        strict(y, f, [1, 1, 0, 1, 1], logit_lengths=lengths)
    assert strict(y, f, [1, 1, 0, 0, 1], logit_lengths=lengths) == pytest.approx(value[[0, 1, 4]].sum() / 3)
    f[1, :, 2] = -np.inf
    with pytest.raises(ValueError, match="path of positive probability: sequence 1 has none"):
        strict(y[:2], f[:2])


@both
@every_loss
def test_no_frames_and_no_labels(reference, loss) -> None:
    methods = methods_of(loss, reference)
    nothing, infinite = np.zeros((2, 0, 3)), math.inf if loss.infeasible == "inf" else 0.0
    value, gradient = methods.value_and_gradient(np.zeros((2, 0), int), nothing, reduction="none")
    assert value.tolist() == [0, 0]
    assert gradient.shape == (2, 0, 3)
    label = 1 if loss.blank % 3 != 1 else 0
    assert methods([[label], []], nothing, reduction="none").tolist() == [infinite, 0]
    f = np.log(np.full((1, 4, 3), 1 / 3))
    value = methods([[]], f, reduction="none")
    np.testing.assert_allclose(value, 4 * np.log(3) / (4 if loss.normalize == "frames" else 1), rtol=1e-14)


@both
def test_one_class(reference) -> None:
    methods = methods_of(fl.CTC(), reference)
    f = np.array([1.0, -5.0, 0.0, -np.inf])[None, :, None]
    value, gradient = methods.value_and_gradient([[]], f)
    assert value == 0
    assert not gradient.any()
    assert math.isnan(methods([[]], np.full((1, 2, 1), np.nan)))


# ---- weights and reductions -----------------------------------------------------------------------------------------


@both
@every_loss
def test_reductions_and_weights(reference, loss, rng) -> None:
    given, lengths = draw(loss, rng, 12)
    methods = methods_of(loss, reference)
    value, gradient = methods.value_and_gradient(*given, reduction="none", **lengths)
    value = np.where(np.isinf(value), 0, value)
    loss = fl.CTC(**(loss._parameters() | {"infeasible": "zero"}))
    methods = methods_of(loss, reference)
    w = rng.random(12) * (rng.random(12) < 0.7)
    assert_close(
        methods.value_and_gradient(*given, w, reduction="none", **lengths),
        (w * value, w[:, None, None] * gradient),
        1e-15,
    )
    assert methods(*given, w, reduction="sum", **lengths) == pytest.approx((w * value).sum(), rel=1e-14)
    assert methods(*given, w, **lengths) == pytest.approx((w * value).sum() / w.sum(), rel=1e-14)
    np.testing.assert_allclose(
        methods.gradient(*given, w, **lengths), w[:, None, None] * gradient / w.sum(), atol=1e-16
    )
    assert methods(*given, 2.0, **lengths) == pytest.approx(methods(*given, **lengths), rel=1e-15)
    spoiled = given[1].copy()
    spoiled[w == 0] = np.nan
    assert methods(given[0], spoiled, w, **lengths) == methods(*given, w, **lengths)


@both
def test_normalize(reference, rng) -> None:
    given, lengths = draw(fl.CTC(), rng)
    plain = methods_of(fl.CTC(infeasible="zero"), reference).value_and_gradient(*given, reduction="none", **lengths)
    for normalize, name in (("labels", "label_lengths"), ("frames", "logit_lengths")):
        methods = methods_of(fl.CTC(infeasible="zero", normalize=normalize), reference)
        size = np.maximum(lengths[name], 1)
        expected = plain[0] / size, plain[1] / size[:, None, None]
        assert_close(methods.value_and_gradient(*given, reduction="none", **lengths), expected, 1e-15)


# ---- arrays ---------------------------------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("form", FORMS)
def test_forms_of_arrays(loss, form, rng) -> None:
    (y, f), lengths = draw(loss, rng, 8, 11, 3, 21)
    given = [y, f, rng.random(8), *lengths.values()]
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
    ("given", "working"),
    [("f2", "f4"), ("f4", "f4"), (">f4", "f4"), ("f8", "f8"), ("g", "f8"), ("i4", "f8"), ("?", "f8")],
)
def test_working_types(reference, given, working, rng) -> None:
    for loss in LOSSES:
        (y, f), lengths = draw(loss, rng)
        f = (2 * f).astype(given)
        methods = methods_of(loss, reference)
        got = methods.value_and_gradient(y, f, reduction="none", **lengths)
        assert {a.dtype for a in got} == {np.dtype(working)}
        assert same(got, methods.value_and_gradient(y, f.astype(working), reduction="none", **lengths))


@both
def test_forms_of_labels(reference, rng) -> None:
    methods = methods_of(fl.CTC(infeasible="zero"), reference)
    (y, f), lengths = draw(fl.CTC(), rng)
    expected = methods.value_and_gradient(y, f, reduction="none", **lengths)
    for dtype in (np.int8, np.uint64, ">i4", np.float32, np.longdouble):
        assert same(methods.value_and_gradient(y.astype(dtype), f, reduction="none", **lengths), expected)
    for dtype in (np.uint8, np.int16, ">i8"):
        changed = {k: x.astype(dtype) for k, x in lengths.items()}
        assert same(methods.value_and_gradient(y, f, reduction="none", **changed), expected)
    ragged = [row[:length] for row, length in zip(y, lengths["label_lengths"], strict=True)]
    frames = {"logit_lengths": lengths["logit_lengths"]}
    for labels in (ragged, tuple(ragged), [row.tolist() for row in ragged], [row.astype("f2") for row in ragged]):
        assert same(methods.value_and_gradient(labels, f, reduction="none", **frames), expected)
    ones = np.ones((3, 2), bool)
    assert methods(ones, f[:3]) == methods(ones.astype(int), f[:3])


@both
def test_padding_is_not_read(reference, rng) -> None:
    for loss in LOSSES:
        methods = methods_of(loss, reference)
        (y, f), lengths = draw(loss, rng)
        expected = methods.value_and_gradient(y, f, reduction="none", **lengths)
        for bad in (-1, 10**9, np.nan, np.inf, 0.5):
            labels = y.astype(float)
            labels[np.arange(4) >= lengths["label_lengths"][:, None]] = bad
            frames = f.copy()
            frames[np.arange(12) >= lengths["logit_lengths"][:, None]] = bad
            assert same(methods.value_and_gradient(labels, frames, reduction="none", **lengths), expected)


@both
@every_loss
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_out(reference, loss, target, dtype, rng) -> None:
    given, lengths = draw(loss, rng, 6, 9, 3, 19, np.float32)
    methods, w = methods_of(loss, reference), rng.random(6)
    value, gradient = methods.value_and_gradient(*given, w, reduction="none", **lengths)
    values, slopes = TARGETS[target](value.shape, dtype), TARGETS[target](gradient.shape, dtype)
    result = methods.value_and_gradient(*given, w, reduction="none", out=(values, slopes), **lengths)
    assert result[0] is values
    assert result[1] is slopes
    np.testing.assert_array_equal(values, value)
    np.testing.assert_allclose(slopes, gradient, rtol=0, atol=1e-7 if dtype == np.float64 else 0)
    slopes = TARGETS[target](gradient.shape, dtype)
    assert methods.gradient(*given, w, reduction="none", out=slopes, **lengths) is slopes
    np.testing.assert_allclose(slopes, gradient, rtol=0, atol=1e-7 if dtype == np.float64 else 0)
    values = TARGETS[target](value.shape, dtype)
    assert methods(*given, w, reduction="none", out=values, **lengths) is values
    np.testing.assert_array_equal(values, value)


@both
@every_loss
def test_out_may_be_an_input(reference, loss, rng) -> None:
    (y, f), lengths = draw(loss, rng, 6, 40, 3, 37)
    methods = methods_of(loss, reference)
    expected = methods.gradient(y, f, **lengths)
    for n_threads in (1, 2):
        in_place = f.copy()
        methods.gradient(y, in_place, out=in_place, n_threads=n_threads, **lengths)
        assert same(in_place, expected)
    turned = f.copy()
    methods.gradient(y, turned, out=turned[::-1], **lengths)
    assert same(turned[::-1], expected)
    shifted = np.zeros((7, *f.shape[1:]))
    shifted[:6] = f
    methods.gradient(y, shifted[:6], out=shifted[1:], **lengths)
    assert same(shifted[1:], expected)
    w = np.full(6, 0.5)
    value = methods(y, f, w, reduction="none", **lengths)
    assert same(methods(y, f, w, reduction="none", out=w, **lengths), value)


@both
def test_nothing(reference) -> None:
    methods = methods_of(fl.CTC(), reference)
    for y in (np.zeros((0, 3), int), []):
        value, gradient = methods.value_and_gradient(y, np.zeros((0, 5, 4)), reduction="sum")
        assert value == 0.0
        assert gradient.shape == (0, 5, 4)
        assert methods(y, np.zeros((0, 5, 4)), reduction="none").shape == (0,)
        with pytest.raises(ValueError, match="y_true must not be empty for reduction='mean'"):
            methods(y, np.zeros((0, 5, 4)))


def test_many_classes_and_long_frames(rng) -> None:
    for c in (1, 2, 15, 16, 17, 31, 32, 33, 255, 256, 257, 300, 5000):
        for dtype in TOLERANCE:
            f = rng.standard_normal((2, 5, c)).astype(dtype)
            y = [[], [c - 1] if c > 1 else []]
            got = fl.CTC().value_and_gradient(y, f, reduction="none")
            assert_close(
                got, fl.CTC().reference.value_and_gradient(y, f.astype(float), reduction="none"), TOLERANCE[dtype]
            )


def test_lengths_around_the_steps_of_the_lattice(rng) -> None:
    """Windows that begin and end everywhere."""
    for s in (*range(20), 31, 32, 33):
        for extra in (0, 1, 7, 8, 9, 30):
            y = np.resize([1, 2, 3], (1, s))
            f = rng.standard_normal((1, s + extra + (s == 0), 4))
            got = fl.CTC().value_and_gradient(y, f, reduction="none")
            assert_close(got, fl.CTC().reference.value_and_gradient(y, f, reduction="none"), 1e-13)


def test_too_large_for_memory() -> None:
    f = np.broadcast_to(np.zeros((1, 1, 1), np.float32), (1, 2**55, 1))
    with pytest.raises(MemoryError):
        fl.CTC()([[]], f)


# ---- threads --------------------------------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("n", "t"), [(1, 700), (3, 500), (40, 80)])
def test_bits_do_not_depend_on_threads(loss, n, t, dtype, rng) -> None:
    """Also where a few sequences are cut."""
    (y, f), lengths = draw(loss, rng, n, t, 10, 33, dtype)
    lengths["logit_lengths"][0] = t
    for keywords in (
        {},
        lengths,
        lengths | {"sample_weight": rng.random(n) * (rng.random(n) < 0.8) + (np.arange(n) == 0)},
    ):
        for reduction in ("none", "mean"):
            one = loss.value_and_gradient(y, f, n_threads=1, reduction=reduction, **keywords)
            for n_threads in (2, 3, 7, None):
                assert same(loss.value_and_gradient(y, f, n_threads=n_threads, reduction=reduction, **keywords), one)
                assert same(loss(y, f, n_threads=n_threads, reduction=reduction, **keywords), one[0])


@every_loss
def test_all_methods_give_the_same_bits(loss, rng) -> None:
    given, lengths = draw(loss, rng, dtype=np.float32)
    w = rng.random(9)
    for methods, reduction in itertools.product((loss, loss.reference), ("mean", "sum", "none")):
        keywords = {"reduction": reduction, **lengths}
        value, gradient = methods.value_and_gradient(*given, w, **keywords)
        assert same(methods(*given, w, **keywords), value)
        assert same(methods.value(*given, w, **keywords), value)
        assert same(methods.gradient(*given, w, **keywords), gradient)
        assert same(tuple(methods.evaluate(*given, w, **keywords)), (value, gradient, None))
        assert same(tuple(methods.evaluate(*given, w, **keywords, outputs="gradient")), (None, gradient, None))


@needs_timer
@pytest.mark.parametrize("n_threads", [1, 2])
def test_interruption(n_threads) -> None:
    f, y = np.broadcast_to(np.float32(0), (20_000, 300, 500)), np.broadcast_to(1, (20_000, 30))
    assert_interrupted(lambda: fl.CTC()(y, f, n_threads=n_threads), after=0.2, within=5)


# ---- arguments ------------------------------------------------------------------------------------------------------

BAD = [
    (
        {"y_pred": np.ones((3, 4))},
        ValueError,
        r"y_pred must have the shape \(N, T, C\) with C from 1 to 16777216, got \(3, 4\)",
    ),
    ({"y_pred": np.ones((3, 4, 0))}, ValueError, r"with C from 1 to 16777216, got \(3, 4, 0\)"),
    ({"y_pred": np.ones((3, 4, 3), complex)}, TypeError, "y_pred must hold real numbers, got dtype complex128"),
    ({"y_pred": [np.ones((4, 3)), np.ones((3, 3))]}, TypeError, "y_pred must be convertible to an array, got list"),
    ({"y_true": np.ones(3, int)}, ValueError, r"y_true must have the shape \(N, S\) with N = 3 .*, got \(3,\)"),
    ({"y_true": np.ones((2, 2), int)}, ValueError, r"y_true must have the shape \(N, S\) with N = 3 .*, got \(2, 2\)"),
    ({"y_true": [[1], [1, 2]]}, ValueError, "y_true must have 3 sequences to match y_pred, got 2"),
    ({"y_true": [[1], [[1, 2]], [1]]}, ValueError, r"y_true\[1\] must be one-dimensional, got the shape \(1, 2\)"),
    ({"y_true": [[1], ["a", "b"], [1]]}, TypeError, r"y_true\[1\] must hold real numbers"),
    (
        {"y_true": [[1], [1, 2], []], "label_lengths": [1, 2, 0]},
        ValueError,
        "label_lengths must be None where y_true is a list",
    ),
    (
        {"y_true": [[1, 2], [1, 0], [1, 1]]},
        ValueError,
        r"integers in \[0, 3\) but for the blank 0, got 0 at index \(1, 1\)",
    ),
    (
        {"y_true": [[1, 2], [1, 2], [3, 1]]},
        ValueError,
        r"y_true must hold integers in \[0, 3\) .*, got 3 at index \(2, 0\)",
    ),
    ({"y_true": [[-1, 2], [1, 2], [3, 1]]}, ValueError, r"got -1 at index \(0, 0\)"),
    ({"y_true": [[1.5, 2], [1, 2], [2, 1]]}, ValueError, r"got 1.5 at index \(0, 0\)"),
    ({"y_true": [[1, 2], [1], [2, np.nan]]}, ValueError, r"got nan at index \(2, 1\)"),
    ({"y_true": [[1, 2], [], [2, 0]]}, ValueError, r"got 0 at index \(2, 1\)"),
    ({"y_true": np.full((3, 2), 2**63, np.uint64)}, ValueError, "got 9223372036854775808 at index"),
    ({"label_lengths": [1, 3, 1]}, ValueError, r"label_lengths must be in \[0, 2\], got 3 at index 1"),
    ({"label_lengths": [1, 1, -1]}, ValueError, r"label_lengths must be in \[0, 2\], got -1 at index 2"),
    (
        {"label_lengths": [1, 1]},
        ValueError,
        r"label_lengths must have the shape \(3,\), a length for each sequence, got \(2,\)",
    ),
    ({"label_lengths": [1.0, 1, 1]}, TypeError, "label_lengths must hold integers, got dtype float64"),
    ({"label_lengths": 2}, ValueError, r"label_lengths must have the shape \(3,\)"),
    ({"logit_lengths": [5, 4, 4]}, ValueError, r"logit_lengths must be in \[0, 4\], got 5 at index 0"),
    ({"logit_lengths": [4, -1, 4]}, ValueError, r"logit_lengths must be in \[0, 4\], got -1 at index 1"),
    ({"logit_lengths": np.full(3, 2**64 - 1, np.uint64)}, ValueError, "logit_lengths must be in"),
    ({"logit_lengths": [True] * 3}, TypeError, "logit_lengths must hold integers, got dtype bool"),
    ({"sample_weight": np.ones(4)}, ValueError, r"sample_weight must be a scalar or have the shape \(3,\) of y_true"),
    ({"sample_weight": [1, -1, 1]}, ValueError, "sample_weight must be >= 0 and finite, got -1 at index 1"),
    ({"sample_weight": [1, np.nan, 1]}, ValueError, "sample_weight must be >= 0 and finite, got nan at index 1"),
    ({"sample_weight": np.zeros(3)}, ValueError, "sample_weight must not sum to zero for reduction='mean'"),
    ({"reduction": "median"}, ValueError, "reduction must be one of 'mean', 'sum', 'none', got 'median'"),
    ({"n_threads": 0}, ValueError, "n_threads must be >= 1, got 0"),
]


@both
@pytest.mark.parametrize(("changes", "error", "message"), BAD)
def test_bad_arguments(reference, changes, error, message) -> None:
    arguments = {"y_true": np.ones((3, 2), int), "y_pred": np.ones((3, 4, 3))} | changes
    methods = methods_of(fl.CTC(), reference)
    for call in (methods, methods.gradient, methods.value_and_gradient, methods.evaluate):
        with pytest.raises(error, match=message):
            call(**arguments)


@both
def test_blank(reference) -> None:
    f = np.zeros((1, 3, 3))
    for blank in (3, -4):
        with pytest.raises(ValueError, match=rf"blank must be in \[-3, 3\) for 3 classes, got {blank}"):
            methods_of(fl.CTC(blank=blank), reference)([[1]], f)
    with pytest.raises(ValueError, match="but for the blank 2, got 2 at index"):
        methods_of(fl.CTC(blank=-1), reference)([[2]], f)


@both
def test_bad_out(reference) -> None:
    y, f = np.ones((3, 2), int), np.ones((3, 4, 3))
    methods = methods_of(fl.CTC(), reference)
    for out, error, message in (
        (np.ones((3, 4)), ValueError, r"out for the gradient must have the shape \(3, 4, 3\), got \(3, 4\)"),
        (np.ones((3, 4, 3), int), TypeError, "out for the gradient must be float32 or float64, got int64"),
        ((f, f), ValueError, r"out must hold 1 array\(s\) \(gradient\), got 2"),
        ([1.0], TypeError, "out for the gradient must be a NumPy array, got list"),
    ):
        with pytest.raises(error, match=message):
            methods.gradient(y, f, out=out)
    with pytest.raises(ValueError, match="out must be None: with reduction='mean' the value is a float"):
        methods(y, f, out=np.ones(3))


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"infeasible": "nan"}, ValueError, "infeasible must be one of 'inf', 'zero', 'raise', got 'nan'"),
        ({"normalize": True}, ValueError, "normalize must be one of 'none', 'labels', 'frames', got True"),
        ({"blank": 1.0}, TypeError, "blank must be an integer, got 1.0"),
        ({"from_logits": 1}, TypeError, "from_logits must be True or False, got 1"),
    ],
)
def test_bad_parameters(parameters, error, message) -> None:
    with pytest.raises(error, match=message):
        fl.CTC(**parameters)


# ---- objects --------------------------------------------------------------------------------------------------------


@every_loss
def test_object(loss, rng) -> None:
    given, lengths = draw(loss, rng)
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
    info = fl.CTC().info
    assert (info.name, info.family, info.default_hessian) == ("ctc", "sequence", "")
    assert not info.convex
    for name in ("ctc", "CTC", "ctc_loss"):
        assert fl.get(name, blank=-1) == fl.CTC(blank=-1)
    text = inspect.getdoc(fl.CTC) or ""
    for name in fl.CTC()._parameters():
        assert f"\n{name} : " in text
    for method in ("__call__", "value", "gradient", "value_and_gradient", "evaluate"):
        parameters = inspect.signature(getattr(fl.CTC(), method)).parameters
        positional = [name for name, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
        assert positional == ["y_true", "y_pred", "sample_weight"]
        keywords = {name for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
        assert keywords - {"outputs"} == {"label_lengths", "logit_lengths", "reduction", "out", "n_threads"}


def test_the_loss_is_not_convex() -> None:
    a, b = np.zeros((2, 1, 2, 2))
    a[0, 0, 1] = b[0, 1, 1] = 8.0
    a[0, 1, 1] = b[0, 0, 1] = -8.0
    ends = (fl.CTC()([[1]], a) + fl.CTC()([[1]], b)) / 2
    assert fl.CTC()([[1]], (a + b) / 2) > ends


# ---- decoding and alignment -----------------------------------------------------------------------------------------


def test_greedy_decoding(rng) -> None:
    for blank in (0, 2, -1):
        f = rng.standard_normal((20, 15, 4))
        lengths = rng.integers(0, 16, 20)
        decoded = fl.ctc_greedy_decode(f, logit_lengths=lengths, blank=blank)
        for row, frames, length in zip(decoded, f, lengths, strict=True):
            assert tuple(row) == collapsed(tuple(frames[:length].argmax(axis=1)), blank % 4)
            assert row.dtype.kind == "i"
        whole = fl.ctc_greedy_decode(f.astype(np.float32), blank=blank)
        assert [len(row) for row in whole] >= [len(row) for row in decoded]
    assert fl.ctc_greedy_decode(np.zeros((0, 3, 2))) == []
    assert [row.tolist() for row in fl.ctc_greedy_decode(np.zeros((2, 0, 2)))] == [[], []]


def test_greedy_decoding_of_bad_arguments() -> None:
    for keywords, error, message in (
        ({"y_pred": np.ones((2, 3))}, ValueError, r"y_pred must have the shape \(N, T, C\)"),
        ({"logit_lengths": [1, 4]}, ValueError, r"logit_lengths must be in \[0, 3\], got 4 at index 1"),
        ({"blank": 2}, ValueError, r"blank must be in \[-2, 2\) for 2 classes, got 2"),
        ({"blank": 0.0}, TypeError, "blank must be an integer, got 0.0"),
    ):
        with pytest.raises(error, match=message):
            fl.ctc_greedy_decode(**({"y_pred": np.ones((2, 3, 2))} | keywords))


@pytest.mark.parametrize("blank", [0, 1, -1])
def test_forced_alignment_is_the_best_path(blank, rng) -> None:
    n_classes, n_frames = 3, 5
    others = [k for k in range(3) if k != blank % 3]
    y = [y for s in range(4) for y in itertools.product(others, repeat=s) if s + sum(map(int.__eq__, y, y[1:])) <= 5]
    f = 2 * rng.standard_normal((len(y), n_frames, n_classes))
    log_p = f - np.log(np.exp(f).sum(axis=2, keepdims=True))
    path, score = fl.ctc_forced_align(y, f, blank=blank)
    assert same(fl.ctc_forced_align(y, log_p, blank=blank, from_logits=False)[0], path)
    for labels, row, scores, logs in zip(y, path, score, log_p, strict=True):
        best = max(
            sum(logs[t, k] for t, k in enumerate(every))
            for every in itertools.product(range(3), repeat=n_frames)
            if collapsed(every, blank % 3) == labels
        )
        assert collapsed(tuple(row), blank % 3) == labels
        np.testing.assert_allclose(scores, logs[np.arange(5), row], rtol=1e-13)
        assert scores.sum() == pytest.approx(best, rel=1e-13)


def test_forced_alignment_of_ragged_sequences(rng) -> None:
    (y, f), lengths = draw(fl.CTC(), rng)
    lengths["logit_lengths"] = np.maximum(lengths["logit_lengths"], 2 * lengths["label_lengths"])
    path, score = fl.ctc_forced_align(y, f, **lengths)
    for k, (s, t) in enumerate(zip(lengths["label_lengths"], lengths["logit_lengths"], strict=True)):
        alone = fl.ctc_forced_align(y[k : k + 1, :s], f[k : k + 1, :t])
        assert same(path[k, :t], alone[0][0])
        assert same(score[k, :t], alone[1][0])
        assert (path[k, t:] == -1).all()
        assert not score[k, t:].any()
        assert collapsed(tuple(path[k, :t]), 0) == tuple(y[k, :s])
    assert fl.CTC()(y, f, reduction="none", **lengths) == pytest.approx(-score.sum(axis=1), abs=30)
    assert np.all(fl.CTC()(y, f, reduction="none", **lengths) <= -score.sum(axis=1) + 1e-12)


def test_torchaudio(rng) -> None:
    torchaudio = pytest.importorskip("torchaudio")
    torch = pytest.importorskip("torch")
    log_p = torch.log_softmax(torch.tensor(rng.standard_normal((1, 30, 6))), -1)
    y = rng.integers(1, 6, (1, 8))
    theirs = torchaudio.functional.forced_align(log_p, torch.tensor(y))
    path, score = fl.ctc_forced_align(y, log_p.numpy(), from_logits=False)
    np.testing.assert_array_equal(path, theirs[0])
    np.testing.assert_allclose(score, theirs[1], rtol=1e-12)


def test_forced_alignment_of_bad_arguments() -> None:
    f = np.zeros((2, 3, 3))
    for y, changes, error, message in (
        ([[1], [1, 1, 2]], {}, ValueError, "sequence 1 needs 4 frames for its labels, got 3"),
        ([[1], [0]], {}, ValueError, re.escape("but for the blank 0, got 0 at index (1, 0)")),
        ([[1], [2]], {"from_logits": 1}, TypeError, "from_logits must be True or False, got 1"),
        ([[1], [2]], {"blank": 5}, ValueError, "blank must be in"),
    ):
        with pytest.raises(error, match=message):
            fl.ctc_forced_align(y, f, **changes)
    f[1, :, 2] = -np.inf
    with pytest.raises(ValueError, match="path of positive probability: sequence 1 has none"):
        fl.ctc_forced_align([[1], [2]], f)
    f[1] = np.nan
    with pytest.raises(ValueError, match="sequence 1 has none"):
        fl.ctc_forced_align([[1], [2]], f)


def test_instruction_sets_are_there() -> None:
    assert len(machine.instruction_sets()) >= 1
