"""Penalties: exact vectors, definitions, every kind of input, and the compiled code."""

from __future__ import annotations

import copy
import json
import pickle
import platform
import shutil

import numpy as np
import pytest
from rows import array
from support import VECTORS, same

from fastloss import penalties
from fastloss.penalties import L1, L2, ElasticNet, GroupLasso

CASES = {case["id"]: case for case in json.loads((VECTORS / "structured_penalties.json").read_text())["cases"]}
RELATIVE = {np.float64: 8 * 2.0**-52, np.float32: 16 * 2.0**-23}
SLACK = {np.float64: 1.0, np.float32: 2.0**30}
TINY = {np.float64: 1e-310, np.float32: 1e-40}
N = 1100  # more than one block
GROUPS = np.random.default_rng(3).integers(-5, 60, N)
PENALTIES = [
    L1(),
    L1(0.3),
    L2(),
    L2(0.3),
    ElasticNet(),
    ElasticNet(0.3, l1_ratio=0.25),
    ElasticNet(l1_ratio=1.0),
    ElasticNet(l1_ratio=0.0),
    GroupLasso(GROUPS),
    GroupLasso(GROUPS, alpha=0.3, group_weight="none"),
    GroupLasso(GROUPS, group_weight=np.linspace(0, 2, len(np.unique(GROUPS)))),
]
SEPARABLE = PENALTIES[:8]
every_penalty = pytest.mark.parametrize("penalty", PENALTIES, ids=lambda p: repr(p)[:40])
every_separable = pytest.mark.parametrize("penalty", SEPARABLE, ids=repr)


@pytest.fixture
def w(rng):
    drawn = 2 * rng.standard_normal(N)
    drawn[rng.random(N) < 0.1] = 0
    drawn[GROUPS == 7] = 0
    return drawn


# ---- exact results --------------------------------------------------------------------------------------------------


def check(computed, exact, dtype, slack=0.0) -> None:
    with np.errstate(over="ignore"):
        rounded = exact.astype(dtype).astype(float)
    allowed = RELATIVE[dtype] * np.abs(rounded) + SLACK[dtype] * np.asarray(slack) + TINY[dtype]
    assert np.all((np.abs(computed - rounded) <= allowed) | (computed == rounded)), (computed, rounded)


CALLS = [(name, dtype) for name in CASES for dtype in (np.float64, np.float32)[: 1 + CASES[name]["float32_exact"]]]


@pytest.mark.parametrize(("name", "dtype"), CALLS)
def test_vectors(name, dtype, instruction_set) -> None:
    case = CASES[name]
    penalty = getattr(penalties, case["loss"])(**case["params"])
    w = array(case["inputs"][0]).astype(dtype)
    value, gradient = penalty.value_and_gradient(w)
    expected, slope = case["expected"], case["expected"]["gradients"][0]
    check(value, array(expected["values"])[0], dtype, expected["values"]["slack"][0])
    check(gradient, array(slope), dtype, slope.get("slack", 0.0))
    assert gradient.dtype == dtype
    for item in expected.get("prox", []):
        exact = np.array([float.fromhex(x) for x in item["hex"]])
        cancels = 2.0**-52 * np.abs(w)  # in the definition: the threshold is subtracted from the size
        check(penalty.prox(w, item["step"]), exact, dtype, cancels)


def test_vectors_hold_every_penalty() -> None:
    assert {case["loss"] for case in CASES.values()} == {"L1", "L2", "ElasticNet", "GroupLasso"}
    assert sum("prox" in case["expected"] for case in CASES.values()) > 15


# ---- definitions ----------------------------------------------------------------------------------------------------


def by_definition(penalty, w) -> float:
    if isinstance(penalty, GroupLasso):
        labels = sorted(set(penalty.groups))
        members = [w[np.array(penalty.groups) == label] for label in labels]
        factors = {"sqrt": [len(m) ** 0.5 for m in members], "none": [1] * len(members)}
        c = factors[penalty.group_weight] if isinstance(penalty.group_weight, str) else penalty.group_weight
        return penalty.alpha * sum(ck * np.linalg.norm(m) for ck, m in zip(c, members, strict=True))
    share = {"L1": 1.0, "L2": 0.0}.get(type(penalty).__name__, getattr(penalty, "l1_ratio", None))
    return penalty.alpha * (share * np.abs(w).sum() + (1 - share) / 2 * np.square(w).sum())


@every_penalty
def test_value_and_gradient(penalty, w) -> None:
    assert penalty(w) == penalty.value(w) == pytest.approx(by_definition(penalty, w), rel=1e-13)
    assert type(penalty(w)) is float
    value, gradient = penalty.value_and_gradient(w)
    assert value == penalty(w)
    assert same(gradient, penalty.gradient(w))
    w = np.where(w == 0, 0.25, w)  # off the kinks
    d = np.cos(np.arange(N)) * 1e-6
    slope = (by_definition(penalty, w + d) - by_definition(penalty, w - d)) / 2
    assert penalty.gradient(w) @ d == pytest.approx(slope, rel=1e-6)


@every_penalty
@pytest.mark.parametrize("step", [0.0, 0.05, 0.7, 30.0])
def test_prox_minimises(penalty, w, step, rng) -> None:
    """No move improves: of one entry, of all, or into another direction."""

    def objective(u):
        return np.square(u - w).sum() / 2 + step * penalty(u)

    u = penalty.prox(w, step)
    least = objective(u)
    for scale in (1e-7, 1e-3, 1.0):
        for move in (rng.standard_normal(N), -u, np.eye(N)[rng.integers(N)], w):
            for sign in (-1, 1):
                assert objective(u + sign * scale * move) >= least * (1 - 1e-14)
    if step == 0:
        assert same(u, w)


@every_penalty
def test_prox_solves_the_optimality_condition(penalty, w) -> None:
    """(w - u) / step is the gradient at u where u is off the kinks, and only a kink makes entries exactly 0."""
    u = penalty.prox(w, 0.25)
    moved = u != 0
    assert moved.any()
    np.testing.assert_allclose(((w - u) / 0.25)[moved], penalty.gradient(u)[moved], rtol=1e-12, atol=1e-13)
    assert penalty.smooth == penalty.prox(w, 100.0)[w != 0].all()


@every_separable
def test_one_step_per_entry(penalty, w, rng) -> None:
    step = rng.random(N)
    step[::7] = 0
    expected = np.array([penalty.prox(x, s) for x, s in zip(w, step, strict=True)])
    np.testing.assert_allclose(penalty.prox(w, step), expected, rtol=1e-14, atol=0)
    np.testing.assert_allclose(penalty.prox(w, np.full(N, 0.3)), penalty.prox(w, 0.3), rtol=1e-15, atol=0)


def test_members_of_a_family_agree(w) -> None:
    assert same(ElasticNet(0.7, l1_ratio=1.0).value_and_gradient(w), L1(0.7).value_and_gradient(w))
    assert same(ElasticNet(0.7, l1_ratio=0.0).value_and_gradient(w), L2(0.7).value_and_gradient(w))
    assert same(ElasticNet(0.7, l1_ratio=1.0).prox(w, 0.2), L1(0.7).prox(w, 0.2))
    alone = GroupLasso(np.arange(N), 0.7)
    assert alone(w) == pytest.approx(L1(0.7)(w), rel=1e-14)
    np.testing.assert_allclose(alone.gradient(w), L1(0.7).gradient(w), rtol=1e-15)
    np.testing.assert_allclose(alone.prox(w, 0.2), L1(0.7).prox(w, 0.2), rtol=1e-13, atol=1e-15)


def test_labels_may_have_any_order(w, rng) -> None:
    order = rng.permutation(N)
    sizes = np.unique(GROUPS, return_counts=True)[1]
    c = rng.random(len(sizes))
    a, b = GroupLasso(GROUPS, group_weight=c), GroupLasso(GROUPS[order] * 3 - 100, group_weight=c)
    assert a(w) == pytest.approx(b(w[order]), rel=1e-14)
    np.testing.assert_allclose(a.gradient(w)[order], b.gradient(w[order]), rtol=1e-14)
    np.testing.assert_allclose(a.prox(w, 0.1)[order], b.prox(w[order], 0.1), rtol=1e-13)


@pytest.mark.parametrize("scale", [1e200, 1e-200, 1e300, 1e-310])
def test_groups_of_extreme_size(scale) -> None:
    w = np.array([3 * scale, 1.0, -4 * scale, 1.0])
    penalty = GroupLasso([5, 6, 5, 6], group_weight=[1.0, 0.0])
    subnormal = 1e-13 if scale < 1e-300 else 1e-15
    assert penalty(w) == pytest.approx(5 * scale, rel=subnormal)
    np.testing.assert_allclose(penalty.gradient(w), [0.6, 0, -0.8, 0], rtol=subnormal)
    np.testing.assert_allclose(penalty.prox(w, 2.5 * scale), [1.5 * scale, 1, -2 * scale, 1], rtol=4 * subnormal)


def test_sums_are_those_of_float64() -> None:
    w = np.full(3_000_000, 0.1, np.float32)
    exact = len(w) * float(w[0])
    for penalty in (L1(), ElasticNet(l1_ratio=1.0), GroupLasso(np.arange(len(w)) // 1000, group_weight="none")):
        expected = exact / 1000**0.5 if isinstance(penalty, GroupLasso) else exact
        assert penalty(w) == pytest.approx(expected, rel=1e-12)


# ---- infinities and NaN ---------------------------------------------------------------------------------------------


@every_separable
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_infinite_entries(penalty, dtype) -> None:
    w = np.array([np.inf, 1.0, -np.inf], dtype)
    assert penalty(w) == np.inf
    steep = penalty.alpha if penalty.gradient(1e6) == np.float64(penalty.alpha) else np.inf
    np.testing.assert_allclose(penalty.gradient(w)[[0, 2]], [steep, -steep], rtol=1e-7)
    for step in (0.0, 0.5, 1e30, 1e300):
        assert np.array_equal(penalty.prox(w, step)[[0, 2]], w[[0, 2]])
        assert np.isfinite(penalty.prox(w, step)[1])
    assert np.array_equal(penalty.prox(w, np.full(3, 1e30))[[0, 2]], w[[0, 2]])


def test_infinite_entries_of_groups() -> None:
    penalty = GroupLasso([0, 0, 1, 1, 2], group_weight="none")
    w = np.array([np.inf, 5.0, -np.inf, np.inf, 2.0])
    assert penalty(w) == np.inf
    half = 0.5**0.5
    np.testing.assert_allclose(penalty.gradient(w), [1, 0, -half, half, 1], rtol=1e-15)
    assert np.array_equal(penalty.prox(w, 1.0), [np.inf, 5, -np.inf, np.inf, 1])


@every_penalty
def test_nan_stays_where_it_is(penalty, w) -> None:
    clean = penalty.gradient(w), penalty.prox(w, 0.1)
    k = int(np.flatnonzero((w != 0) & (GROUPS == 9))[0])
    w[k] = np.nan
    touched = np.isin(GROUPS, GROUPS[k]) if isinstance(penalty, GroupLasso) else np.arange(N) == k
    assert np.isnan(penalty(w))
    for before, after in zip(clean, (penalty.gradient(w), penalty.prox(w, 0.1)), strict=True):
        assert np.isnan(after[touched]).all()
        assert same(before[~touched], after[~touched])
    assert same(penalty.prox(w, 0.0), w)


@pytest.mark.parametrize("penalty", [L1(0), L2(0), ElasticNet(0), GroupLasso([0, 0, 1, 1], 0)], ids=repr)
def test_no_strength(penalty) -> None:
    w = np.array([1.0, -2.0, np.inf, 0.0])
    assert penalty(w) == 0
    assert not penalty.gradient(w).any()
    assert same(penalty.prox(w, 3.0), w)
    assert penalty.smooth
    assert np.isnan(penalty(np.array([np.nan, 0, 0, 0])))


# ---- arguments ------------------------------------------------------------------------------------------------------


def layouts(w):
    raw = np.empty(w.nbytes + 1, np.uint8)[1:].view(w.dtype).reshape(w.shape)
    raw[...] = w
    table = np.full((*w.shape, 7), np.nan, w.dtype)
    table[..., 3] = w
    fixed = w.copy()
    fixed.flags.writeable = False
    return {
        "reversed": w[::-1].copy()[::-1],
        "Fortran order": np.asfortranarray(w),
        "column": table[..., 3],
        "unaligned": raw,
        "swapped": w.astype(w.dtype.newbyteorder("S")),
        "read-only": fixed,
        "list": w.tolist(),
    }


def results(penalty, w):
    given = penalty(w), penalty.gradient(w), penalty.prox(w, 0.1)
    return given if isinstance(penalty, GroupLasso) else (*given, penalty.prox(w, np.full(np.shape(w), 0.1)))


@every_penalty
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_layouts(penalty, w, dtype) -> None:
    w = w.astype(dtype).reshape(11, 10, 10)
    expected = results(penalty, w)
    assert [np.shape(x) for x in expected[1:]] == [w.shape] * (len(expected) - 1)
    assert {x.dtype.type for x in expected[1:]} == {dtype}
    before = w.copy()
    for name, given in layouts(w).items():
        if name != "list" or dtype == np.float64:
            value, *arrays = results(penalty, given)
            assert value == pytest.approx(expected[0], rel=1e-14), name  # sums follow the order of the memory
            assert same(tuple(arrays), expected[1:]), name
    assert same(w, before)


@every_penalty
def test_other_types(penalty, w) -> None:
    whole = np.round(w)
    for dtype in (np.int8, np.int64, np.longdouble, bool):
        given = whole.astype(dtype)
        assert same(results(penalty, given), results(penalty, given.astype(np.float64)))
    half = w.astype(np.float16)
    assert same(results(penalty, half), results(penalty, half.astype(np.float32)))


@every_penalty
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_out(penalty, w, dtype) -> None:
    _, gradient, prox, *_ = results(penalty, w)
    for out in (np.empty(N, dtype), np.empty((N, 3), dtype)[:, 1], np.empty(N, np.dtype(dtype).newbyteorder("S"))):
        assert penalty.gradient(w, out=out) is out
        assert np.array_equal(out, gradient.astype(dtype))
        assert penalty.value_and_gradient(w, out=out)[1] is out
        assert penalty.prox(w, 0.1, out=out) is out
        assert np.array_equal(out, prox.astype(dtype))
    given = w.copy()
    assert same(penalty.prox(given, 0.1, out=given), prox)
    given = w.copy()
    assert same(penalty.gradient(given[::-1], out=given), penalty.gradient(w[::-1]))


@every_penalty
def test_threads_do_not_matter(penalty, rng) -> None:
    if isinstance(penalty, GroupLasso):
        penalty = GroupLasso(rng.integers(0, 99, 70_001), penalty.alpha)
    w = rng.standard_normal(70_001)
    one, three = (
        (penalty.value(w, n_threads=k), penalty.gradient(w, n_threads=k), penalty.prox(w, 0.2, n_threads=k))
        for k in (1, 3)
    )
    assert same(one, three)


def test_scalars_and_nothing() -> None:
    for penalty in SEPARABLE:
        assert penalty([]) == 0.0
        assert penalty.gradient(np.empty((0, 3))).shape == (0, 3)
        assert penalty.prox([], 1.0).shape == penalty.prox([], []).shape == (0,)
        assert penalty.gradient(2.0).shape == penalty.prox(2.0, 1.0).shape == ()
    assert GroupLasso([4]).prox(3.0, 1.0) == 2.0
    assert same(L1().prox(np.ones(2), np.array(0.25)), L1().prox(np.ones(2), 0.25))


def test_bad_arguments() -> None:
    w = np.ones(3)
    for penalty in (L1(), GroupLasso([0, 0, 1])):
        for bad in (-1.0, np.nan, np.inf):
            with pytest.raises(ValueError, match="step must be >= 0"):
                penalty.prox(w, bad)
        with pytest.raises(TypeError, match="step"):
            penalty.prox(w, "1")
        with pytest.raises(TypeError, match="w must hold real numbers"):
            penalty.value(w + 1j)
        with pytest.raises(ValueError, match=r"out for the result must have the shape \(3,\)"):
            penalty.gradient(w, out=np.empty(4))
        with pytest.raises(TypeError, match="out"):
            penalty.prox(w, 1.0, out=[0.0] * 3)
        with pytest.raises(ValueError, match="n_threads"):
            penalty.value(w, n_threads=0)
    for bad in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match=r"step must be >= 0 and finite, got .* at index 1"):
            L1().prox(w, [0.0, bad, 1.0])
    with pytest.raises(ValueError, match="index 1"):
        L1().prox(w.astype(np.float32), [0.0, 1e300, 1.0])
    with pytest.raises(ValueError, match=r"step must be a number or have the shape \(3,\)"):
        L2().prox(w, np.ones((3, 1)))
    with pytest.raises(ValueError, match="step must be one number"):
        GroupLasso([0, 0, 1]).prox(w, w)
    with pytest.raises(ValueError, match="w must have one entry for each of the 3"):
        GroupLasso([0, 0, 1]).value(np.ones(4))


def test_bad_parameters() -> None:
    for cls in (L1, L2, ElasticNet):
        with pytest.raises(ValueError, match="alpha must be >= 0"):
            cls(alpha=-1.0)
        with pytest.raises(TypeError, match="alpha"):
            cls(alpha="1")
    with pytest.raises(ValueError, match="l1_ratio"):
        ElasticNet(l1_ratio=1.5)
    with pytest.raises(TypeError, match="groups"):
        GroupLasso()
    with pytest.raises(TypeError, match="groups must hold integers"):
        GroupLasso([0.0, 1.0])
    with pytest.raises(ValueError, match="groups"):
        GroupLasso([])
    with pytest.raises(ValueError, match="group_weight must be one of"):
        GroupLasso([0, 1], group_weight="size")
    with pytest.raises(ValueError, match="one entry for each of 2 groups, got 3"):
        GroupLasso([0, 1], group_weight=[1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="group_weight must be >= 0"):
        GroupLasso([0, 1], group_weight=[1.0, -1.0])


# ---- objects --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", PENALTIES)
def test_objects(penalty, w) -> None:
    twins = [
        eval(repr(penalty), vars(penalties)),
        penalties.get(json.loads(json.dumps(penalty.config()))),
        pickle.loads(pickle.dumps(penalty)),
        copy.deepcopy(penalty),
        penalties.get(penalty),
    ]
    for twin in twins:
        assert twin == penalty
        assert hash(twin) == hash(penalty)
        assert same(results(twin, w), results(penalty, w))
    with pytest.raises(AttributeError):
        penalty.alpha = 2.0
    assert penalty != penalty * 0.5
    assert penalty != "l1_penalty"


def test_scaling(w) -> None:
    assert 0.1 * L1() == L1() * 0.1 == np.float64(0.1) * L1() == L1(alpha=0.1)
    assert 2 * ElasticNet(0.5, l1_ratio=0.25) == ElasticNet(1.0, l1_ratio=0.25)
    assert (3 * GroupLasso(GROUPS))(w) == pytest.approx(3 * GroupLasso(GROUPS)(w))
    with pytest.raises(ValueError, match="factor must be >= 0"):
        -1.0 * L1()
    for other in (np.ones(2), "2", L2()):
        with pytest.raises(TypeError):
            other * L1()


def test_get() -> None:
    assert penalties.get("l1_penalty") == L1()
    assert penalties.get("L2_penalty", alpha=2.0) == L2(2.0)
    assert penalties.get("elastic_net", l1_ratio=0.1) == ElasticNet(l1_ratio=0.1)
    assert penalties.get("group_lasso", groups=[1, 1, 2]) == GroupLasso(groups=[1, 1, 2])
    with pytest.raises(ValueError, match="'l1_penalty', 'l2_penalty', 'elastic_net', 'group_lasso', got 'l1'"):
        penalties.get("l1")
    with pytest.raises(TypeError, match="parameters"):
        penalties.get(L1(), alpha=2.0)
    with pytest.raises(TypeError, match="penalty must be a name"):
        penalties.get(1.0)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="knows the registers of x86-64 only")
@pytest.mark.skipif(shutil.which("objdump") is None, reason="needs objdump")
@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
@pytest.mark.parametrize("element", ["f32", "f64"])
def test_kernels_are_vectorised(element, isa) -> None:
    from test_disassembly import addresses, faults

    if not addresses():
        pytest.skip("the extension was stripped of its symbols")
    kernels = [f"elastic_net_{terms}" for terms in ("v", "g", "vg", "prox_g", "prox_by_entry_g")]
    assert [fault for name in kernels for fault in faults(f"{name}_{element}_{isa}", element, isa)] == []
