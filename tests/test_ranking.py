"""Ranking losses against exact results, their definitions and torch."""

from __future__ import annotations

import copy
import itertools
import json
import pickle
from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest
from rows import array
from support import VECTORS, same
from test_rows_vectors import TINY, allowed, check

import fastloss as fl
from fastloss._groups import GroupLoss

LOSSES = [name for name in fl.list_losses() if isinstance(fl.get(name), GroupLoss)]
VARIANTS = [
    fl.PairwiseHinge(),
    fl.PairwiseHinge(margin=0.5, average="groups"),
    fl.PairwiseLogistic(),
    fl.PairwiseLogistic(sigma=2.0, average="groups"),
    fl.LambdaRank(),
    fl.LambdaRank(k=3),
    fl.LambdaRank(k=5, normalize=True, gain="linear"),
    fl.LambdaRank(gain=[0, 1, 3, 7, 7], sigma=0.5),
    fl.ListNet(),
    fl.ListNet(target="proportional"),
    fl.ListMLE(),
]


@cache
def cases() -> list[dict[str, Any]]:
    return json.loads((VECTORS / "structured_ranking.json").read_text())["cases"]


def keywords(case: dict[str, Any]) -> dict[str, Any]:
    return {k: array(v) if isinstance(v, dict) else v for k, v in case["keywords"].items()}


def sample(n_groups: int, seed: int, largest: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    group = rng.integers(0, largest, n_groups)
    n = int(group.sum())
    return rng.integers(0, 5, n), rng.normal(size=n), group, rng.uniform(0, 2, n_groups)


# ---- exact results --------------------------------------------------------------------------------------------------


def compare(case: dict[str, Any], methods: Any, dtype: type) -> None:
    expected = case["expected"]
    y, s = (array(x) for x in case["inputs"])
    w = None if case["sample_weight"] is None else array(case["sample_weight"])
    s = s.astype(dtype)
    given = keywords(case)
    value, gradient = methods.value_and_gradient(y, s, w, reduction="none", **given)
    check("value", value, array(expected["values"]), allowed(expected["values"], dtype), dtype)
    exact, tolerance = array(expected["gradients"][0]), allowed(expected["gradients"][0], dtype)
    check("gradient", gradient, exact, tolerance, dtype)
    total = float.fromhex(expected["denominator"])
    mean = methods.gradient(y, s, w, **given)
    check("gradient of the mean", mean, exact / (total or np.inf), 1.5 * tolerance / (total or 1) + TINY[dtype], dtype)
    if "hessian" in expected:
        h = methods.hessian(y, s, w, reduction="sum", **given)
        check("hessian", h, array(expected["hessian"]), allowed(expected["hessian"], dtype), dtype)
    summed = allowed(expected["values"], dtype).sum()
    for reduction, divisor in (("sum", 1.0), ("mean", total or 1.0)):
        computed = methods(y, s, w, reduction=reduction, **given)
        assert type(computed) is float
        np.testing.assert_allclose(computed, float.fromhex(expected[reduction]), rtol=0, atol=summed / divisor)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["id"])
def test_kernel(case, instruction_set):
    loss = getattr(fl, case["loss"])(**case["params"])
    for dtype in [np.float64, np.float32] if case.get("float32_exact") else [np.float64]:
        compare(case, loss, dtype)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["id"])
def test_reference(case):
    compare(case, getattr(fl, case["loss"])(**case["params"]).reference, np.float64)


# ---- definitions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", VARIANTS, ids=repr)
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_agrees_with_reference(loss, real):
    y, s, group, w = sample(30, 1)
    w[3] = 0
    s = s.astype(real)
    tolerance = 2e-5 if real == np.float32 else 1e-12
    for policy in loss.hessian_policies:
        for reduction in ("mean", "sum", "none"):
            got = loss.evaluate(y, s, w, group=group, reduction=reduction, hessian=policy)
            expected = loss.reference.evaluate(y, s, w, group=group, reduction=reduction, hessian=policy)
            for a, b in zip(got, expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("loss", VARIANTS, ids=repr)
def test_gradient_is_the_derivative(loss):
    """Where ranks stay: of LambdaRank they are constants."""
    rng = np.random.default_rng(2)
    y, s = rng.integers(0, 5, 12), rng.permutation(12) * 1.0 + 0.1 * rng.normal(size=12)
    if isinstance(loss, fl.LambdaRank) and loss.normalize:
        pytest.skip("normalised weights depend on the scores and count as constants")
    g, h = loss.gradient_and_hessian(y, s, reduction="sum")
    for i in range(12):
        step = np.zeros(12)
        step[i] = 1e-5
        up, down = loss.gradient(y, s + step, reduction="sum"), loss.gradient(y, s - step, reduction="sum")
        values = [loss(y, s + d, reduction="sum") for d in (step, -step)]
        np.testing.assert_allclose((values[0] - values[1]) / 2e-5, g[i], atol=1e-6)
        np.testing.assert_allclose((up[i] - down[i]) / 2e-5, h[i], atol=1e-6)


@pytest.mark.parametrize("loss", VARIANTS, ids=repr)
def test_gradients_sum_to_zero_and_shifts_do_not_matter(loss):
    y, s, group, _ = sample(20, 3)
    g = loss.gradient(y, s, group=group, reduction="sum")
    bounds = np.concatenate([[0], np.cumsum(group)])
    for a, b in itertools.pairwise(bounds):
        assert abs(g[a:b].sum()) < 1e-11
    np.testing.assert_allclose(loss(y, s + 1024.0, group=group), loss(y, s, group=group), rtol=1e-9)


@pytest.mark.parametrize("loss", VARIANTS, ids=repr)
def test_majorizer_bounds_the_full_hessian(loss):
    if loss.default_hessian == "majorizer" or isinstance(loss, fl.LambdaRank):
        pytest.skip("the hessian is 0, or ranks move")
    rng = np.random.default_rng(4)
    y, s = rng.integers(0, 4, 8), rng.normal(size=8)
    full = np.array([
        (loss.gradient(y, s + 1e-5 * e, reduction="sum") - loss.gradient(y, s - 1e-5 * e, reduction="sum")) / 2e-5
        for e in np.eye(8)
    ])  # fmt: skip
    d = np.diag(loss.hessian(y, s, reduction="sum", hessian="majorizer"))
    assert np.linalg.eigvalsh(d - (full + full.T) / 2).min() > -1e-6


def test_agrees_with_torch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(5)
    y, s = rng.integers(0, 3, 15), rng.normal(size=15)
    z = torch.tensor(s, requires_grad=True)
    label = torch.tensor(y)
    pairs = label[:, None] > label
    difference = z[:, None] - z
    checks = {
        fl.PairwiseLogistic(): torch.nn.functional.softplus(-difference)[pairs].sum(),
        fl.PairwiseHinge(): torch.relu(1 - difference)[pairs].sum(),
        fl.ListNet(): -(torch.softmax(label.double(), 0) * torch.log_softmax(z, 0)).sum(),
    }
    for loss, total in checks.items():
        (slope,) = torch.autograd.grad(total, z, retain_graph=True)
        value, gradient = loss.value_and_gradient(y, s, reduction="sum")
        np.testing.assert_allclose(value, total.item(), rtol=1e-12)
        np.testing.assert_allclose(gradient, slope.numpy(), atol=1e-12)


# ---- special cases --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", VARIANTS, ids=repr)
def test_nan_spoils_its_group_alone(loss, instruction_set):
    y, s, group, _ = sample(12, 6, largest=30)
    group[4] = 0
    y, s = y[: group.sum()], s[: group.sum()]
    bad = 7
    start = int(group[:bad].sum())
    s[start + 1] = np.nan
    value, gradient = loss.value_and_gradient(y, s, group=group, reduction="none")
    clean = np.where(np.isnan(s), 0, s)
    expected, slope = loss.value_and_gradient(y, clean, group=group, reduction="none")
    inside = np.zeros(len(s), bool)
    inside[start : start + group[bad]] = True
    assert np.isnan(value[bad])
    assert np.isnan(gradient[inside]).all()
    np.testing.assert_array_equal(np.delete(value, bad), np.delete(expected, bad))
    np.testing.assert_array_equal(gradient[~inside], slope[~inside])


@pytest.mark.parametrize("name", LOSSES)
def test_groups_without_information(name):
    loss = fl.get(name)
    assert loss([], []) == 0.0
    assert loss.gradient([], []).shape == (0,)
    values = loss([], [], group=[0, 0], reduction="none")
    np.testing.assert_array_equal(values, [0, 0])
    if name.startswith(("pair", "lambda")):
        value, gradient = loss.value_and_gradient([1, 1, 1], [3.0, 2.0, 1.0], group=[2, 1])
        assert value == 0.0
        np.testing.assert_array_equal(gradient, 0)
    proportional = fl.ListNet(target="proportional")
    assert proportional([0, 0, 1, 1], [1.0, 2.0, 3.0, 3.0], group=[2, 2]) == pytest.approx(np.log(2))


@pytest.mark.parametrize("loss", VARIANTS, ids=repr)
def test_infinite_scores(loss):
    y, s = np.array([2, 0, 1, 1]), np.array([np.inf, 0.0, -np.inf, 1.0])
    got = loss.value_and_gradient(y, s, reduction="sum")
    expected = loss.reference.value_and_gradient(y, s, reduction="sum")
    if not isinstance(loss, fl.ListMLE):
        np.testing.assert_allclose(got[0], expected[0])
        np.testing.assert_allclose(got[1], expected[1])
    ties = loss.value_and_gradient([1, 1, 0], [np.inf, np.inf, 0.0], reduction="sum")
    assert not isinstance(loss, fl.PairwiseLogistic) or ties[0] == 0.0


def test_ties_of_scores_rank_in_their_order():
    loss = fl.LambdaRank(k=1)
    a = loss.gradient([1, 0, 0], [0.0, 0.0, 0.0], reduction="sum")
    b = loss.gradient([0, 0, 1], [0.0, 0.0, 0.0], reduction="sum")
    assert a[1] > 0
    assert a[2] > a[1]  # rank 2 is farther from rank 0
    assert b[1] == 0  # rank 1 and 2 are both below the truncation
    assert b[0] > 0


@pytest.mark.parametrize("scores", [np.zeros(6), np.array([0.3, 0.3, 0.1, 0.2, 0.0, -1.0])])
def test_normalized_weights(scores):
    """Also where all scores are the same, as in the first round of boosting."""
    loss, y = fl.LambdaRank(k=3, normalize=True), [0, 3, 1, 1, 0, 2]
    for got, expected in zip(loss.evaluate(y, scores), loss.reference.evaluate(y, scores), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-13)


@pytest.mark.parametrize("offset", [0.0, 2.0**20])
@pytest.mark.parametrize("levels", [2, 5, 2000])
def test_hinge_of_a_large_group(levels, offset, instruction_set):
    """In O(n log n): as the table of all pairs has it, ties and pairs at the margin included."""
    rng = np.random.default_rng(11)
    y, s = rng.integers(0, levels, 2000), rng.integers(-40, 40, 2000) / 16 + offset
    for loss in (fl.PairwiseHinge(), fl.PairwiseHinge(margin=0.25, average="groups")):
        got, expected = (methods.value_and_gradient(y, s, reduction="sum") for methods in (loss, loss.reference))
        np.testing.assert_allclose(got[0], expected[0], rtol=1e-13)
        np.testing.assert_allclose(got[1], expected[1], rtol=1e-13)


def test_tiny_losses_keep_their_digits():
    assert fl.PairwiseLogistic()([1, 0], [40.0, 0.0]) == pytest.approx(4.248354255291589e-18, rel=1e-14)
    assert fl.ListMLE()([1, 0], [40.0, 0.0]) == pytest.approx(4.248354255291589e-18, rel=1e-14)
    assert fl.ListNet(target="proportional")([1, 0], [40.0, 0.0]) == pytest.approx(4.248354255291589e-18, rel=1e-14)


# ---- accuracy -------------------------------------------------------------------------------------------------------


def exact_pairs(y: np.ndarray, s: np.ndarray, sigma: float, weight: np.ndarray) -> list[np.ndarray]:
    """Value, gradient and hessian of weighted logistic pairs, in 60 digits."""
    n = len(y)
    value, gradient, hessian = mpmath.mpf(0), [mpmath.mpf(0)] * n, [mpmath.mpf(0)] * n
    with mpmath.workdps(60):
        for i, j in itertools.product(range(n), repeat=2):
            if y[i] > y[j]:
                e = mpmath.exp(-mpmath.mpf(sigma) * (mpmath.mpf(s[i]) - mpmath.mpf(s[j])))
                w, r = mpmath.mpf(weight[i, j]), e / (1 + e)
                value += w * mpmath.log1p(e)
                gradient[i] -= w * sigma * r
                gradient[j] += w * sigma * r
                hessian[i] += w * sigma**2 * r / (1 + e)
                hessian[j] += w * sigma**2 * r / (1 + e)
    return [np.array(x, float) for x in (value, gradient, hessian)]


def lambda_weights(y: np.ndarray, s: np.ndarray) -> np.ndarray:
    rank = np.argsort(np.argsort(-s, kind="stable"))
    gain, discount = 2.0**y - 1, 1 / np.log2(rank + 2)
    ideal = np.sum(np.sort(gain)[::-1] / np.log2(np.arange(len(y)) + 2))
    return np.abs(gain[:, None] - gain) * np.abs(discount[:, None] - discount) / ideal


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("sigma", [1.0, 0.7])
@pytest.mark.parametrize("span", [1e-9, 3.0, 40.0, 298.0, 302.0, 1500.0])
def test_logistic_pairs_are_exact_near_and_far(span, sigma, offset, instruction_set):
    """Also of neighbours at either end, where factors are large, and beyond the spread that has products."""
    rng = np.random.default_rng(12)
    ends = rng.choice([-0.5, 0.0, 0.5], 30)
    s = offset + ends * span / sigma + rng.choice([0.0, 1e-9, 1e-3], 30) * rng.normal(size=30)
    y = rng.integers(0, 4, 30)
    for loss, weight in (
        (fl.PairwiseLogistic(sigma=sigma), np.ones((30, 30))),
        (fl.LambdaRank(sigma=sigma), lambda_weights(y, s)),
    ):
        computed = loss.evaluate(y, s, reduction="sum")
        for got, expected in zip(computed, exact_pairs(y, s, sigma, weight), strict=True):
            np.testing.assert_allclose(got, expected, rtol=4e-15, atol=4e-15 * np.max(np.abs(expected)))
        np.testing.assert_allclose(computed[2], exact_pairs(y, s, sigma, weight)[2], rtol=2e-14)  # nothing cancels


@pytest.mark.parametrize("sigma", [0.7, 1.0, 3.3])
def test_neighbours_far_from_the_middle(sigma, instruction_set):
    """Two pairs at either end: what multiples of their distances round away would show in the curvature."""
    rng = np.random.default_rng(16)
    half = rng.uniform(100, 148, 60) / sigma
    leads = rng.uniform(1, 4, (2, 60)) / sigma
    s = np.stack([half, half - leads[0], leads[1] - half, -half], axis=1)
    with mpmath.workdps(40):
        e = [mpmath.exp(-mpmath.mpf(sigma) * (mpmath.mpf(a) - mpmath.mpf(b))) for a, b in s.reshape(-1, 2)]
        expected = np.array([float(mpmath.mpf(sigma) ** 2 * x / (1 + x) ** 2) for x in e])
    h = fl.PairwiseLogistic(sigma=sigma).hessian(np.tile([1, 0], 120), s.ravel(), group=[4] * 60, reduction="sum")
    np.testing.assert_allclose(h, np.repeat(expected, 2), rtol=2.5e-15)


@pytest.mark.parametrize("loss", [fl.PairwiseLogistic(), fl.LambdaRank()], ids=repr)
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_values_of_ordered_groups_are_tiny(loss, real, instruction_set):
    """Losses of e^-40 and less, which a product of 1 + e would lose."""
    y, s = np.repeat([2, 1, 0], 40), np.repeat([160, 80, 0], 40).astype(real)
    expected = loss.reference(y, s)
    assert 0 < expected < 1e-30
    assert loss(y, s) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("levels", [2, 5, 1000])
@pytest.mark.parametrize("spread", [1.0, 1000.0])
def test_truncation(levels, normalize, spread, instruction_set):
    """Both lists of ranks, whatever their sizes and the runs of equal relevance in them."""
    rng = np.random.default_rng(13)
    y, s = rng.integers(0, levels, 70) * 5 / levels, rng.integers(-30, 30, 70) / 16 * spread
    for k in (1, 2, 7, 8, 9, 15, 16, 17, 33, 68, 69, 70, 71):
        loss = fl.LambdaRank(k=k, normalize=normalize, gain="linear")
        for got, expected in zip(loss.evaluate(y, s), loss.reference.evaluate(y, s), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("n", [1, 2, 15, 63, 64, 65, 255, 256, 257, 1500])
@pytest.mark.parametrize("kind", ["labels", "ties", "many", "float32"])
def test_stable_order(n, kind, instruction_set):
    """Counted, ranked and sorted by bytes; zeros of both signs are equal."""
    rng = np.random.default_rng(n)
    keys = {
        "labels": rng.integers(0, 5, n),
        "ties": rng.choice([-1.5, -0.0, 0.0, 0.25, 64.0, 1e300, -1e300], n),
        "many": rng.normal(size=n) * 10.0 ** rng.integers(-300, 300, n),
        "float32": rng.normal(size=n).astype(np.float32),
    }[kind]
    order = np.argsort(-keys, kind="stable")
    s = rng.normal(size=n)
    ranked = np.zeros(n)
    ranked[order] = np.arange(n)[::-1]
    expected = fl.ListMLE().gradient(ranked, s)
    assert same(fl.ListMLE().gradient(keys, s), expected)
    y = rng.integers(0, 3, n)
    by_rank = fl.LambdaRank(gain="linear").gradient(y[order], np.asarray(keys, float)[order], reduction="sum")
    np.testing.assert_allclose(
        fl.LambdaRank(gain="linear").gradient(y, np.asarray(keys, float), reduction="sum")[order], by_rank, atol=1e-13
    )


def test_long_lists_in_linear_time(instruction_set):
    rng = np.random.default_rng(14)
    y, s = rng.integers(0, 30, 400), rng.normal(size=400) * 20
    for got, expected in zip(fl.ListMLE().evaluate(y, s), fl.ListMLE().reference.evaluate(y, s), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)
    n = 200_000  # a loop over pairs would take minutes
    h = fl.ListMLE().hessian(rng.normal(size=n), rng.normal(size=n), reduction="sum")
    assert np.isfinite(h).all()
    assert (h >= 0).all()


@pytest.mark.parametrize("loss", VARIANTS, ids=repr)
@pytest.mark.parametrize("scores", [np.float32, np.float64])
@pytest.mark.parametrize("results", [np.float32, np.float64])
def test_results_go_where_they_are_wanted(loss, scores, results):
    """Into arrays of either type, laid out anyhow, also over inputs that are still to be read."""
    y, s, group, _ = sample(30, 15)
    s, n = s.astype(scores), len(s)
    expected = loss.gradient_and_hessian(y, s, group=group, reduction="sum")
    call = {"group": group, "reduction": "sum", "n_threads": 2}
    room = np.zeros((n + 1, 2), results)
    for out in ((np.empty(n, results), None), (room[1:, 0], room[:-1, 1]), tuple(np.empty((2, n), results))):
        got = loss.gradient_and_hessian(y, s, out=out, **call)
        for a, given, b in zip(got, out, expected, strict=True):
            assert given is None or a is given
            assert same(a, b.astype(a.dtype)) or results != scores
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
    shared = np.zeros(n + 1, scores)
    shared[:-1] = s
    assert same(loss.gradient(y, shared[:-1], out=shared[1:], **call), expected[0])
    relevance = y.astype(scores)
    assert same(loss.gradient(relevance, s, out=relevance, **call), expected[0])


# ---- arrays and threads ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", VARIANTS, ids=repr)
def test_same_bits_for_any_number_of_threads(loss):
    y, s, group, w = sample(400, 7, largest=60)
    expected = loss.evaluate(y, s, w, group=group, n_threads=1)
    for n in (2, 3, 7):
        assert all(map(same, loss.evaluate(y, s, w, group=group, n_threads=n), expected))
    assert same(loss.gradient(y, s, w, group=group), expected.gradient)
    assert loss(y, s, w, group=group) == expected.value


def test_qid_is_group():
    loss = fl.LambdaRank()
    y, s, group, _ = sample(9, 8)
    group[group == 0] = 1
    y, s, _, _ = sample(9, 8, 40)
    n = int(group.sum())
    rng = np.random.default_rng(9)
    y, s = rng.integers(0, 3, n), rng.normal(size=n)
    qid = np.repeat(rng.permutation(9) + 100, group)
    assert same(loss.evaluate(y, s, qid=qid, reduction="none"), loss.evaluate(y, s, group=group, reduction="none"))


@pytest.mark.parametrize("loss", VARIANTS, ids=repr)
def test_any_kind_of_array(loss):
    y, s, group, _ = sample(8, 10)
    expected = loss.gradient(y, s, group=group)
    assert same(loss.gradient(y.tolist(), np.repeat(s, 2)[::2], group=list(group)), expected)
    assert same(
        loss.gradient(y.astype(np.float32)[::-1][::-1], s.astype(">f8"), group=group.astype(np.uint8)), expected
    )
    half = loss.gradient(y, s.astype(np.float16), group=group)
    assert half.dtype == np.float32
    scores = s.copy()
    assert loss.gradient(y, scores, group=group, out=scores) is scores
    assert same(scores, expected)
    out = np.empty(2 * len(s), np.float32)[::2], np.empty(len(s))
    loss.gradient_and_hessian(y, s, group=group, out=out)
    np.testing.assert_allclose(out[0], expected, rtol=1e-6, atol=1e-7)


def test_min_hessian_and_weights():
    loss = fl.PairwiseLogistic()
    y, s = [1, 0, 1, 0], [0.0, 0.0, 50.0, 0.0]
    h = loss.hessian(y, s, [1.0, 0.0], group=[2, 2], reduction="sum", min_hessian=0.5)
    np.testing.assert_array_equal(h, [0.5, 0.5, 0, 0])
    np.testing.assert_array_equal(loss.hessian(y, s, hessian="unit", reduction="sum", group=[2, 2]), np.ones(4))


# ---- objects and errors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", VARIANTS, ids=repr)
def test_objects(loss):
    assert fl.get(json.loads(json.dumps(loss.config()))) == loss
    assert pickle.loads(pickle.dumps(loss)) == copy.deepcopy(loss) == loss
    assert eval(repr(loss), vars(fl)) == loss
    assert loss.init_score([0, 1]) == 0.0
    assert loss.info.family == "ranking"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: f([0, 1], [0.0]), r"y_true must have the shape \(1,\) of y_pred, got \(2,\)"),
        (lambda f: f([[0]], [[0.0]]), r"y_pred must have one score for each row, shape \(n,\), got \(1, 1\)"),
        (lambda f: f([0, np.nan], [0.0, 1.0]), "y_true must be >= 0 and finite, got nan at index 1"),
        (lambda f: f([0, -1], [0.0, 1.0]), r"y_true must be >= 0 and finite, got -1 at index 1"),
        (lambda f: f([0, 32], [0.0, 1.0]), r"y_true must be in \[0, 31\] for gain='exponential', got 32\.0 at index 1"),
        (lambda f: f([0, 1], [0.0, 1.0], group=[1]), "group must add up to the 2 rows of y_pred, got 1"),
        (lambda f: f([0, 1], [0.0, 1.0], group=[3, -1]), r"group must be in \[0, 2\], the number of"),
        (lambda f: f([0, 1], [0.0, 1.0], group=[2], qid=[0, 0]), "group must be None where qid is given"),
        (lambda f: f([0, 1, 1], [0.0, 1.0, 2.0], qid=[4, 5, 4]), "qid must hold .* got 4 again at index 2"),
        (lambda f: f([0, 1], [0.0, 1.0], qid=[1]), r"qid must have the shape \(2,\)"),
        (lambda f: f([0, 1], [0.0, 1.0], [1.0, 1.0]), "sample_weight must be .* one entry for each of 1 groups"),
        (lambda f: f([0, 1], [0.0, 1.0], [-1.0]), r"sample_weight must be >= 0 and finite, got -1\.0"),
        (lambda f: f([0, 1], [0.0, 1.0], [0.0]), "sample_weight must not sum to zero"),
        (lambda f: f.hessian([0, 1], [0.0, 1.0], hessian="fisher"), "hessian must be one of"),
        (lambda f: fl.LambdaRank(k=0), "k must be >= 1, got 0"),
        (lambda f: fl.LambdaRank(gain=[1, 0]), "gain must not decrease"),
        (lambda f: fl.LambdaRank(gain=[0, 1])([0, 2], [0.0, 1.0]), r"y_true must be an integer in \[0, 1\]"),
        (lambda f: fl.LambdaRank(gain="square"), "gain must be one of 'exponential', 'linear'"),
        (lambda f: fl.PairwiseHinge(margin=0), "margin must be > 0, got 0"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("methods", [fl.LambdaRank(), fl.LambdaRank().reference], ids=["kernel", "reference"])
def test_bad_arguments(methods, call, message):
    with pytest.raises(ValueError, match=message):
        call(methods)


def test_wrong_types():
    with pytest.raises(TypeError, match="group must hold integers, got dtype float64"):
        fl.ListMLE()([0, 1], [0.0, 1.0], group=[2.0])
    with pytest.raises(TypeError, match="qid must hold integers"):
        fl.ListMLE()([0, 1], [0.0, 1.0], qid=[2.0, 2.0])
