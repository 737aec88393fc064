"""Kernels and reference against exact results (the rules are in vectors/README.md)."""

from __future__ import annotations

import numpy as np
import pytest
from support import Case, cases, pointwise_names

import fastloss as fl
from fastloss._domains import SIGNED

OUTPUTS = ("value", "gradient", "hessian")
EPS = {np.float64: 2.0**-53, np.float32: 2.0**-24}
TINY = {np.float64: 1e-310, np.float32: 1e-40}
POLICY_TOLERANCE = {np.float64: 1e-12, np.float32: 1e-5}


def exact_in(dtype: type, x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return (x.astype(dtype) == x) | np.isnan(x)


REGISTERED = [case for case in cases() if case.registered]
# In float32 only parameters that are exact in it, since the results belong to the parameters of the file.
TYPED = [(case, np.float64) for case in REGISTERED] + [
    (case, np.float32)
    for case in REGISTERED
    if exact_in(np.float32, np.array([v for v in case.params.values() if isinstance(v, float)])).all()
]
every_case = pytest.mark.parametrize(("case", "dtype"), TYPED, ids=lambda x: getattr(x, "__name__", repr(x)))


def selected(case: Case, dtype: type) -> np.ndarray:
    """Points whose inputs are exact in the type."""
    y, f = case.array("y"), case.array("f")
    return exact_in(dtype, y) & exact_in(dtype, f).reshape(len(y), -1).all(axis=1)


def compare(case: Case, methods: fl.PointwiseLoss, dtype: type, negative: float = 0.0) -> None:
    keep = selected(case, dtype)
    y, f = case.array("y")[keep].astype(dtype), case.array("f")[keep].astype(dtype)
    y[y == 0] = negative
    computed = methods.evaluate(y, f, reduction="none")
    for name in OUTPUTS:
        tolerance = 8 * EPS[dtype] * case.array("scale", name)[keep]
        check(case, name, getattr(computed, name), case.array(name)[keep], tolerance, keep, dtype)
    for policy in case.data["policies"]:
        expected = case.array("policies", policy)[keep]
        scales = [np.abs(expected), case.array("scale", "hessian")[keep]]
        scales += [case.array("scale", "gradient")[keep]] if f.ndim > 1 else []
        tolerance = POLICY_TOLERANCE[dtype] * np.fmax.reduce(scales)
        check(case, policy, methods.hessian(y, f, reduction="none", hessian=policy), expected, tolerance, keep, dtype)


def check(
    case: Case,
    name: str,
    computed: np.ndarray,
    expected: np.ndarray,
    tolerance: np.ndarray,
    keep: np.ndarray,
    dtype: type,
) -> None:
    assert computed.dtype == dtype
    y, f = case.array("y")[keep], case.array("f")[keep]
    has_nan = np.isnan(f).reshape(len(y), -1).any(axis=1).reshape((-1,) + (1,) * (expected.ndim - 1))
    finite = np.isfinite(expected)
    unspecified = has_nan & (name == "hessian") if name in OUTPUTS else np.isnan(expected) | has_nan
    if dtype == np.float32:
        size = np.abs(expected)
        unspecified = unspecified | (finite & (size != 0) & ((size > 1e37) | (size < 1e-37)))
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        rounded = expected.astype(dtype).astype(float)
        distance = np.abs(computed.astype(float) - rounded)
    good = np.where(
        finite, distance <= tolerance + TINY[dtype], (computed == expected) | (np.isnan(expected) & np.isnan(computed))
    )
    for index in np.argwhere(~(good | unspecified)):
        i = tuple(index)
        pytest.fail(
            f"{name} at y = {y[i[0]]!r}, f = {f[i[0]]!r} is {computed[i]!r}, not {rounded[i]!r}: "
            f"{distance[i] / tolerance[i]:.3g} times the tolerance"
        )


@every_case
def test_kernel(case: Case, dtype: type, instruction_set: str) -> None:
    compare(case, case.loss, dtype)


@every_case
def test_reference(case: Case, dtype: type) -> None:
    compare(case, case.loss.reference, dtype)


@pytest.mark.parametrize("case", [case for case in REGISTERED if case.loss.info.y_domain == SIGNED], ids=repr)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_minus_one_is_the_negative_label(case: Case, dtype: type) -> None:
    compare(case, case.loss, dtype, negative=-1.0)
    compare(case, case.loss.reference, dtype, negative=-1.0)


@pytest.mark.parametrize("case", REGISTERED, ids=repr)
def test_policies(case: Case) -> None:
    loss = case.loss
    assert loss.default_hessian == case.data["default_hessian"]
    assert set(loss.hessian_policies) == {"exact", "absolute_gradient", "unit", *case.data["policies"]}
    assert loss.default_hessian in loss.hessian_policies


def test_vectors_and_registry_name_the_same_losses() -> None:
    assert {case.name for case in cases()} == {type(fl.get(name)).__name__ for name in pointwise_names()}
