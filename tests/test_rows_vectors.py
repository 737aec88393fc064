"""Row losses, kernels and reference, against exact results (the rules are in vectors/README.md)."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest
from rows import RowCase, array, default_row_losses, has_hessian, row_cases, row_file, terms

import fastloss as fl

SPECIAL = "structured_special_multiclass.json"
RELATIVE = {np.float64: 8 * 2.0**-52, np.float32: 16 * 2.0**-23}
SLACK = {np.float64: 1.0, np.float32: 2.0**30}
TINY = {np.float64: 1e-310, np.float32: 1e-40}


def types_of(case: RowCase) -> list[type]:
    exact = case.data.get("float32_exact") and not case.data["params"].get("eps")  # 1 - eps is rounded
    return [np.float64, np.float32] if exact else [np.float64]


def allowed(item: dict[str, Any], dtype: type) -> np.ndarray:
    """How far each entry may be from the exact one."""
    exact = array(item)
    slack = np.reshape(item.get("slack", np.zeros(exact.shape)), exact.shape)
    return RELATIVE[dtype] * np.abs(np.nan_to_num(exact, posinf=0, neginf=0)) + SLACK[dtype] * slack + TINY[dtype]


def check(name: str, computed: np.ndarray, exact: np.ndarray, tolerance: np.ndarray, dtype: type) -> None:
    assert computed.shape == exact.shape, name
    assert computed.dtype == dtype, name
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        rounded = exact.astype(dtype).astype(float)
        distance = np.abs(computed.astype(float) - rounded)
        fits = np.where(np.isfinite(rounded), distance <= tolerance, computed == rounded)
    for index in np.argwhere(~(fits | np.isnan(computed) & np.isnan(exact))):
        i = tuple(index)
        off = distance[i] / tolerance[i]
        pytest.fail(f"{name}{list(i)} is {computed[i]!r}, not {rounded[i]!r}: {off:.3g} times the tolerance")


def compare(case: RowCase, methods: Any, dtype: type, order: str = "C") -> None:
    expected = case.expected
    y, f, w = case.arguments(dtype)
    y, f = (np.asarray(x, order=order) for x in (y, f))
    value, gradient = methods.value_and_gradient(y, f, w, reduction="none")
    check("value", value, array(expected["values"]), allowed(expected["values"], dtype), dtype)
    if "gradients" in expected:
        exact, tolerance = array(expected["gradients"][0]), allowed(expected["gradients"][0], dtype)
        check("gradient", gradient, exact, tolerance, dtype)
        if total := float.fromhex(expected.get("denominator", "0x0p+0")):
            mean = methods.gradient(y, f, w)
            check("gradient of the mean", mean, exact / total, 1.5 * tolerance / total + TINY[dtype], dtype)
    for policy, key in (("exact", "hessian"), ("majorizer", "majorizer")):
        if key in expected:
            computed = methods.hessian(y, f, w, reduction="none", hessian=policy)
            check(policy, computed, array(expected[key]), allowed(expected[key], dtype), dtype)
    if "sum" in expected:
        tolerance = allowed(expected["values"], dtype).sum()
        for reduction, divisor in (("sum", 1.0), ("mean", float.fromhex(expected["denominator"]))):
            computed, exact = methods(y, f, w, reduction=reduction), float.fromhex(expected[reduction])
            assert type(computed) is float
            np.testing.assert_allclose(computed, exact, rtol=0, atol=tolerance / divisor)


@pytest.mark.parametrize("case", row_cases(), ids=repr)
def test_kernel(case: RowCase, instruction_set: str) -> None:
    for dtype, order in itertools.product(types_of(case), "CF"):
        compare(case, case.loss, dtype, order)


@pytest.mark.parametrize("case", row_cases(), ids=repr)
def test_reference(case: RowCase) -> None:
    for dtype in types_of(case):
        compare(case, case.loss.reference, dtype)


@pytest.mark.parametrize("case", row_cases(), ids=repr)
def test_counts(case: RowCase) -> None:
    y, f, _ = case.arguments()
    count = terms(case.loss, y, f).count
    found = np.ones(f[..., 0].size) if count is None else count.ravel()
    np.testing.assert_allclose(found, [float.fromhex(x) for x in case.expected["counts"]], rtol=1e-15)


# ---- infinities, empty batches, bad values --------------------------------------------------------------------------


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("case", row_cases(SPECIAL), ids=repr)
def test_special(case: RowCase, reference: bool, instruction_set: str) -> None:
    loss, expected = case.loss, case.expected
    methods = loss.reference if reference else loss
    y, f, w = case.arguments()
    if "raises" in expected:
        for call in (methods, methods.gradient, methods.value_and_gradient):
            for reduction in ("mean", "sum", "none"):
                with pytest.raises(ValueError, match=r"^y_(true|pred) must"):
                    call(y, f, w, reduction=reduction)
        return
    for order in "CF":
        compare(case, methods, np.float64, order)
    if expected.get("mean_raises"):
        for call in (methods, methods.gradient, methods.value_and_gradient):
            with pytest.raises(ValueError, match="reduction='mean'"):
                call(y, f, w)
        assert methods(y, f, w, reduction="sum") == 0.0


@pytest.mark.parametrize("bad", row_file(SPECIAL)["bad_parameters"], ids=lambda bad: f"{bad['loss']}-{bad['params']}")
def test_bad_parameters(bad: dict[str, Any]) -> None:
    named = "|".join(bad["params"])
    with pytest.raises(ValueError, match=named):
        getattr(fl, bad["loss"])(**bad["params"])


def test_vectors_and_registry_name_the_same_losses() -> None:
    assert {case.data["loss"] for case in row_cases()} == {type(loss).__name__ for loss in default_row_losses()}


@pytest.mark.parametrize("case", {repr(case.loss): case for case in row_cases()}.values(), ids=repr)
def test_policies(case: RowCase) -> None:
    loss = case.loss
    assert has_hessian(loss) == ("hessian" in case.expected or loss.info.name in WITHOUT_CURVATURE)
    if "majorizer" in case.expected:
        assert "majorizer" in loss.hessian_policies


WITHOUT_CURVATURE = ("categorical_hinge", "multi_quantile")  # exactly 0 off the kinks


# ---- 8 ULP, however small -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", [False, True])
def test_tiny_losses(reference: bool, instruction_set: str) -> None:
    """Where log(sum exp) + max - z is 0."""
    loss = fl.SparseCategoricalCrossEntropy(from_logits=True)
    methods = loss.reference if reference else loss
    assert methods([0], [[40.0, 0.0, 0.0]]) == pytest.approx(8.496708510583178e-18, rel=1e-15)
    assert methods([0], [[700.0, 0.0]]) == pytest.approx(9.8596765437597708e-305, rel=1e-14)
    gradient = methods.gradient([0], [[40.0, 0.0, 0.0]])
    np.testing.assert_allclose(gradient, [[-8.496708510583178e-18, 4.248354255291589e-18, 4.248354255291589e-18]])
    assert methods([0], np.array([[80, 0, 0]], np.float32)) == pytest.approx(2 * np.exp(-80.0), rel=1e-6)


@cache
def exact_cross_entropy(k: int, dtype: type) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Logits, and for a likely, an ordinary and an unlikely label the value followed by the gradient, by 60 digits."""
    rng = np.random.default_rng(k)
    z = (rng.choice([1.0, 5.0, 30.0]) * rng.standard_normal(k)).astype(dtype)
    z[k // 2] += dtype(20)
    results = {}
    with mpmath.workdps(60):
        e = [mpmath.exp(mpmath.mpf(float(x))) for x in z]
        total = mpmath.fsum(e)
        for label in {int(np.argmax(z)), k // 3, int(np.argmin(z))}:
            gradient = [x / total for x in e]
            gradient[label] = -(total - e[label]) / total
            value = mpmath.log1p((total - e[label]) / e[label])
            results[label] = np.array([float(x) for x in (value, *gradient)])
    return z, results


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("k", [2, 3, 16, 17, 100, 1000, 10_000])
def test_cross_entropy_is_right_to_8_ulp(k: int, dtype: type, instruction_set: str) -> None:
    loss = fl.SparseCategoricalCrossEntropy(from_logits=True)
    z, results = exact_cross_entropy(k, dtype)
    for label, exact in results.items():
        tolerance = 8 * np.finfo(dtype).eps * np.abs(exact) + TINY[dtype]
        for f in (z[None], np.tile(z, (40, 1)), np.asfortranarray(np.tile(z, (40, 1)))):
            value, gradient = loss.value_and_gradient(np.full(len(f), label), f, reduction="none")
            for row in {0, len(f) - 1}:
                check(f"label {label}", np.append(value[row], gradient[row]), exact, tolerance, dtype)
