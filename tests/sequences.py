"""What the tests of losses of sequences share: exact results, forms of arrays, comparisons."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import layouts
import numpy as np
from rows import array
from support import VECTORS
from test_rows_vectors import TINY, allowed, check

import fastloss as fl


@cache
def cases(loss: str) -> list[dict[str, Any]]:
    """Calls of a loss in the vector file."""
    content = json.loads((VECTORS / "structured_sequence.json").read_text())
    return [case for case in content["cases"] if case["loss"] == loss]


def types_of(case: dict[str, Any]) -> list[type]:
    return [np.float64, np.float32] if case["float32_exact"] else [np.float64]


def compare(case: dict[str, Any], reference: bool, dtype: type) -> None:
    """Values, gradients, sums and means of a case."""
    loss = getattr(fl, case["loss"])(**case["params"])
    methods, expected = loss.reference if reference else loss, case["expected"]
    given = [x.astype(dtype) if x.dtype.kind == "f" else x for x in map(array, case["inputs"])]
    w = None if case["sample_weight"] is None else array(case["sample_weight"]).astype(dtype)
    lengths = {key: array(x) if isinstance(x, dict) else x for key, x in case["keywords"].items()}
    value, gradient = methods.value_and_gradient(*given, w, reduction="none", **lengths)
    check("value", value, array(expected["values"]), allowed(expected["values"], dtype), dtype)
    (item,), total = expected["gradients"], float.fromhex(expected["denominator"])
    exact, tolerance = array(item), allowed(item, dtype)
    check("gradient", gradient, exact, tolerance, dtype)
    of_mean = methods.gradient(*given, w, **lengths)
    check("gradient of the mean", of_mean, exact / total, 1.5 * tolerance / total + TINY[dtype], dtype)
    summed = allowed(expected["values"], dtype).sum()
    for reduction, divisor in (("sum", 1.0), ("mean", total)):
        computed = methods(*given, w, reduction=reduction, **lengths)
        assert type(computed) is float
        np.testing.assert_allclose(computed, float.fromhex(expected[reduction]), rtol=0, atol=summed / divisor)


FORMS = layouts.FORMS | {"frames first": lambda a: np.moveaxis(np.moveaxis(a, 0, -1).copy(), -1, 0)}

TARGETS = {
    "C": lambda shape, dtype: np.full(shape, 7, dtype),
    "F": lambda shape, dtype: np.full(shape, 7, dtype, order="F"),
    "strided": lambda shape, dtype: np.full((*shape[:-1], 3 * shape[-1]), 7, dtype)[..., ::3],
    "reversed": lambda shape, dtype: np.full(shape, 7, dtype)[::-1],
    "apart": lambda shape, dtype: np.full((2 * shape[0], *shape[1:]), 7, dtype)[::2],
    "swapped": lambda shape, dtype: np.full(shape, 7, np.dtype(dtype).newbyteorder()),
    "unaligned": lambda shape, dtype: layouts.unaligned(np.full(shape, 7, dtype)),
}


def methods_of(loss: Any, reference: bool) -> Any:
    return loss.reference if reference else loss


def assert_close(got: Any, expected: Any, tolerance: float) -> None:
    """Values and gradients, relative to the largest entry."""
    for a, b in zip(got, expected, strict=True):
        a, b = np.asarray(a, float), np.asarray(b, float)
        assert a.shape == b.shape
        size = 1 + np.max(np.abs(b[np.isfinite(b)]), initial=0)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * size)
