"""What row losses refuse: each message names the argument, what was expected, what came, and the first bad index."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from rows import (
    METHODS,
    default_row_losses,
    draw_rows,
    forms,
    has_hessian,
    ignore_index,
    n_classes,
    one_hot,
    row_losses,
)

import fastloss as fl
from fastloss._domains import UNIT

of_labels = pytest.mark.parametrize("loss", [x for x in row_losses() if "labels" in forms(x)], ids=repr)
of_dense = pytest.mark.parametrize(
    "loss", [x for x in default_row_losses() if "dense" in forms(x) and type(x) is not fl.CategoricalHinge], ids=repr
)
of_probabilities = pytest.mark.parametrize("loss", [x for x in row_losses() if x.info.f_domain == UNIT], ids=repr)


def calls(loss) -> list[Any]:
    """Every method of the loss, and two of its reference."""
    names = [name for name in METHODS if has_hessian(loss) or ("hessian" not in name and name != "evaluate")]
    return [getattr(loss, name) for name in names] + [loss.reference, loss.reference.gradient]


def refused(loss, error: type[Exception], message: str, *given: Any) -> None:
    for call in calls(loss):
        for reduction in ("mean", "sum", "none"):
            with pytest.raises(error, match=message):
                call(*given, reduction=reduction)


# ---- labels ---------------------------------------------------------------------------------------------------------


@of_labels
def test_labels_out_of_range(loss, rng) -> None:
    k = n_classes(loss)
    y, f = draw_rows(loss, 50, k, rng, form="labels")
    ignored = "" if ignore_index(loss) is None else f", or the ignore_index {ignore_index(loss)}"
    expected = rf"^y_true must be an integer in \[0, {k}\){ignored}, got"
    for bad in (k, -7, 2**40):
        spoilt = y.copy()
        spoilt[[31, 44]] = bad, k
        for given in (spoilt, np.repeat(spoilt, 2)[::2], spoilt.astype(float), spoilt.tolist()):
            shown = rf"{bad}(\.0)?" if bad < 10**6 else r"(1099511627776(\.0)?|1.099511627776e\+12)"
            refused(loss, ValueError, rf"{expected} {shown} at index 31$", given, f)
    for bad, shown in ((np.nan, "nan"), (np.inf, "inf"), (0.5, "0.5"), (1e300, r"1e\+300"), (-1e-300, "-1e-300")):
        spoilt = y.astype(float)
        spoilt[31] = bad
        refused(loss, ValueError, rf"{expected} {shown} at index 31$", spoilt, f)


@of_labels
def test_labels_of_small_types_do_not_wrap(loss, rng) -> None:
    k = n_classes(loss)
    y, f = draw_rows(loss, 50, k, rng, form="labels")
    for dtype, bad in ((np.int8, -128), (np.uint8, 254), (np.uint64, 2**64 - 1), (np.int64, -(2**63))):
        spoilt = np.where(y < 0, 0, y).astype(dtype)
        spoilt[31] = bad
        refused(loss, ValueError, rf"^y_true must be .*, got {bad} at index 31$", spoilt, f)
    refused(
        loss,
        ValueError,
        r"^y_true must be .*, got 7 at index \(2, 1\)$",
        [[0, 1], [1, 0], [1, 7]],
        f[:6].reshape(3, 2, k),
    )
    refused(loss, ValueError, r"^y_true must be [^,]*, \d\)(, or the ignore_index -?\d+)?, got 7$", 7, f[0])


@of_labels
def test_a_bad_label_is_found_before_anything_else(loss, rng) -> None:
    """Whatever its weight and its row, and before the first write."""
    k = n_classes(loss)
    y, f = draw_rows(loss, 50, k, rng, form="labels")
    w = np.ones(50)
    y[31], w[31], f[31] = k, 0.0, np.nan
    out = np.full(f.shape, 99.0)
    with pytest.raises(ValueError, match=f"y_true must be .*, got {k} at index 31"):
        loss.gradient(y, f, w, out=out)
    assert np.all(out == 99)
    with pytest.raises(ValueError, match="y_true must be"):
        loss(y, f, np.zeros(50), reduction="sum")


def test_the_largest_label_of_many_classes(rng) -> None:
    for k in (3, 40, 70_000):
        for loss in (fl.SparseCategoricalCrossEntropy(from_logits=True), fl.NegativeLogLikelihood()):
            f = np.zeros((2, k))
            assert np.isfinite(loss([k - 1, 0], f))
            with pytest.raises(ValueError, match=rf"y_true must be an integer in \[0, {k}\), got {k} at index 0"):
                loss([k, 0], f)


@pytest.mark.parametrize("loss", [x for x in row_losses() if ignore_index(x) is not None], ids=repr)
def test_nothing_but_ignored_rows(loss, rng) -> None:
    k = n_classes(loss)
    y, f = np.full(5, loss.ignore_index), draw_rows(loss, 5, k, rng)[1]
    for methods in (loss, loss.reference):
        for w in (None, np.ones(5), 2.0):
            value, gradient, hessian = methods.evaluate(y, f, w, reduction="sum", min_hessian=1.0)
            assert value == 0.0
            assert not gradient.any()
            assert not hessian.any()
            for method in METHODS:
                with pytest.raises(
                    ValueError, match=r"y_true must .*ignore.*reduction='mean'|reduction='mean'.*ignore"
                ):
                    getattr(methods, method)(y, f, w)


def test_classes_without_weight(rng) -> None:
    """The mean over rows whose classes all have weight 0 is over nothing."""
    weight = (0.0, 1.0)
    f = np.log([[0.25, 0.75], [0.5, 0.5]])
    for loss, y in (
        (fl.SparseCategoricalCrossEntropy(from_logits=True, class_weight=weight), [0, 0]),
        (fl.NegativeLogLikelihood(class_weight=weight), [0, 0]),
        (fl.MultiMargin(class_weight=weight), [0, 0]),
        (fl.CategoricalCrossEntropy(from_logits=True, class_weight=weight), [[1.0, 0.0], [1.0, 0.0]]),
    ):
        for methods in (loss, loss.reference):
            assert methods(y, f, reduction="sum") == 0.0
            for method in METHODS:
                with pytest.raises(ValueError, match="reduction='mean'"):
                    getattr(methods, method)(y, f)


# ---- dense targets --------------------------------------------------------------------------------------------------


@of_dense
def test_dense_targets_outside_their_domain(loss, rng) -> None:
    k = n_classes(loss)
    y, f = draw_rows(loss, 50, k, rng, form="dense")
    for bad in (-0.1, 1.5, -1e-300, np.nan, np.inf, -np.inf):
        spoilt = y.copy()
        spoilt[31, 1], spoilt[40, 0] = bad, -1
        for given in (spoilt, np.asfortranarray(spoilt), spoilt.tolist()):
            refused(loss, ValueError, rf"^y_true must be .*, got {bad} at index \(31, 1\)$", given, f)


def test_hinge_wants_one_hot_rows() -> None:
    loss, f = fl.CategoricalHinge(), np.zeros((3, 3))
    for bad in ([1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.5, 0.5, 0.0]):
        y = one_hot(np.array([0, 1, 2]), 3)
        y[1] = bad
        refused(loss, ValueError, "^y_true must .*one-hot.*index 1|^y_true must .*exactly one 1.*index", y, f)


def test_logarithms_of_targets_may_be_anything() -> None:
    loss = fl.KLDivergence(from_logits=True, log_target=True)
    assert np.isfinite(loss([[-np.inf, 0.0, 3.0]], [[1.0, 2.0, 3.0]]))
    assert np.isnan(loss([[np.nan, 0.0, 3.0]], [[1.0, 2.0, 3.0]]))


def test_ignore_index_is_for_labels() -> None:
    f = np.full((2, 3), 1 / 3)
    for name in ("CategoricalFocal", "GeneralizedCrossEntropy", "Poly1CrossEntropy"):
        loss = getattr(fl, name)(ignore_index=1)
        refused(loss, ValueError, "ignore_index", one_hot(np.array([0, 1]), 3), f)
        assert loss([0, 1], f) > 0


# ---- predictions ----------------------------------------------------------------------------------------------------


@of_probabilities
def test_probabilities_outside_the_unit_interval(loss, rng) -> None:
    k = n_classes(loss)
    y, f = draw_rows(loss, 50, k, rng)
    for bad in (-0.25, 1.25, -1e-300, 1e300):
        spoilt = f.copy()
        spoilt[31, 1], spoilt[40, 0] = bad, -1
        message = rf"^y_pred must be in \[0, 1\], got {bad!r} at index \(31, 1\)$".replace("+", r"\+")
        for given in (spoilt, np.asfortranarray(spoilt), np.repeat(spoilt, 2, axis=0)[::2]):
            refused(loss, ValueError, message, y, given)
        refused(loss, ValueError, message, y, spoilt, np.where(np.arange(50) == 31, 0.0, 1.0))
    with pytest.raises(ValueError, match=r"y_pred must be in \[0, 1\]"):
        loss(y, np.full(f.shape, 2), reduction="sum")


def test_no_classes() -> None:
    for loss in default_row_losses():
        y = np.zeros(3, int) if "labels" in forms(loss) else np.zeros((3, 0) if forms(loss)[0] != "values" else 3)
        refused(loss, ValueError, "^y_pred must", y, np.zeros((3, 0)))


# ---- shapes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y_shape", "f_shape"),
    [((4,), (5, 3)), ((4,), (3,)), ((4,), ()), ((4,), (4, 4, 3)), ((2, 3), (3, 2, 3)), ((4,), (1, 3)), ((), (4, 3))],
)
def test_shapes_of_labels(y_shape, f_shape) -> None:
    for loss in [x for x in default_row_losses() if x.targets == "labels"]:
        message = rf"^y_pred must have .* {re.escape(str(f_shape))}$"
        refused(loss, ValueError, message, np.zeros(y_shape, int), np.full(f_shape, 0.5))


@pytest.mark.parametrize(
    ("y_shape", "f_shape"), [((4, 3), (4, 2)), ((4, 3), (3, 4)), ((4, 1), (4, 3)), ((1, 3), (4, 3)), ((3,), (4, 3))]
)
def test_shapes_of_dense_targets(y_shape, f_shape) -> None:
    for loss in [x for x in default_row_losses() if x.targets in ("dense", "vectors")]:
        refused(loss, ValueError, r"^y_(pred|true) must have the shape", np.ones(y_shape) / 4, np.full(f_shape, 0.5))


def test_shapes_of_both_kinds() -> None:
    for loss in [x for x in default_row_losses() if x.targets == "both"]:
        for y in (np.zeros(5, int), np.zeros((4, 2)), np.zeros((4, 3, 1)), np.array(0)):
            refused(loss, ValueError, "^y_(pred|true) must have", y, np.full((4, 3), 0.5))


def test_shapes_of_real_targets() -> None:
    loss = fl.MultiQuantile()
    for y_shape, f_shape in (((4,), (4,)), ((4,), (3, 3)), ((4, 3), (4, 3)), ((4, 1), (4, 3))):
        refused(loss, ValueError, "^y_pred must have the shape", np.ones(y_shape), np.ones(f_shape))
    refused(
        loss,
        ValueError,
        "^quantiles must have one entry for each of the 2 .* of y_pred, got 3",
        np.ones(4),
        np.ones((4, 2)),
    )


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (fl.SparseCategoricalCrossEntropy(class_weight=(1.0, 2.0, 3.0)), [0, 1]),
        (fl.CategoricalCrossEntropy(class_weight=(1.0, 2.0, 3.0)), np.ones((2, 5)) / 5),
        (fl.NegativeLogLikelihood(class_weight=(1.0, 2.0, 3.0)), [0, 1]),
        (fl.MultiMargin(class_weight=(1.0, 2.0, 3.0)), [0, 1]),
        (fl.CategoricalFocal(alpha=(1.0, 2.0, 3.0)), [0, 1]),
    ],
    ids=repr,
)
def test_entries_for_each_class(loss, y) -> None:
    name = "alpha" if isinstance(loss, fl.CategoricalFocal) else "class_weight"
    message = f"^{name} must have one entry for each of the 5 classes of y_pred, got 3$"
    refused(loss, ValueError, message, y, np.full((2, 5), 0.2))


def test_one_entry_does_not_stand_for_all(rng) -> None:
    """Only a number does."""
    y, f = draw_rows(fl.CategoricalFocal(), 20, 3, rng, form="labels")
    assert fl.CategoricalFocal(alpha=0.5)(y, f) == pytest.approx(fl.CategoricalFocal(alpha=[0.5] * 3)(y, f), rel=1e-15)
    for name, parameter in (
        ("CategoricalFocal", "alpha"),
        ("SparseCategoricalCrossEntropy", "class_weight"),
        ("NegativeLogLikelihood", "class_weight"),
        ("MultiMargin", "class_weight"),
        ("MultiQuantile", "quantiles"),
    ):
        message = f"^{parameter} must have one entry for each of the 3 .* of y_pred, got 1$"
        refused(getattr(fl, name)(**{parameter: [0.5]}), ValueError, message, y, f)


@pytest.mark.parametrize("shape", [(3,), (4, 1), (1,), (4, 3), (0,)])
def test_shapes_of_weights(default_row_loss, rng, shape) -> None:
    y, f = draw_rows(default_row_loss, 4, n_classes(default_row_loss), rng)
    refused(default_row_loss, ValueError, "^sample_weight must be a scalar or have the shape", y, f, np.ones(shape))


# ---- weights, types, options ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [-1.0, -1e-300, np.nan, np.inf])
def test_bad_weights(default_row_loss, rng, bad) -> None:
    y, f = draw_rows(default_row_loss, 50, n_classes(default_row_loss), rng)
    w = np.ones(50)
    w[[31, 40]] = bad, -1
    refused(default_row_loss, ValueError, f"^sample_weight must be >= 0.*, got {bad} at index 31$", y, f, w)
    with pytest.raises(ValueError, match=f"sample_weight must be >= 0.*, got {bad}$"):
        default_row_loss(y, f, bad)


def test_weights_that_sum_to_zero(default_row_loss, rng) -> None:
    loss = default_row_loss
    y, f = draw_rows(loss, 20, n_classes(loss), rng)
    for weight in (0.0, np.zeros(20), np.zeros(20, int)):
        for methods in (loss, loss.reference):
            assert methods(y, f, weight, reduction="sum") == 0
            assert not methods.gradient(y, f, weight, reduction="sum").any()
            for call in (methods, methods.gradient, methods.value_and_gradient):
                with pytest.raises(ValueError, match="sample_weight must not sum to zero"):
                    call(y, f, weight)


NO_REAL_ARRAYS = {
    "masked": np.ma.masked_equal([1.0, 0.0], 0.0),
    "object": np.array([1.0, None]),
    "complex": np.ones(2, complex),
    "text": ["1", "1"],
    "date": np.array(["2020-01-01"] * 2, "datetime64[D]"),
    "ragged": [[1.0], [1.0, 1.0]],
    "huge integers": [2**70, 1],
    "dict": {"a": 1.0},
    "none": None,
}


@pytest.mark.parametrize("kind", NO_REAL_ARRAYS)
def test_no_real_arrays(default_row_loss, rng, kind) -> None:
    y, f = draw_rows(default_row_loss, 2, n_classes(default_row_loss), rng)
    for position, name in enumerate(("y_true", "y_pred", "sample_weight")):
        if (kind, name) == ("none", "sample_weight"):
            continue
        given = [y, f, np.ones(2)]
        given[position] = NO_REAL_ARRAYS[kind]
        refused(default_row_loss, TypeError, name, *given)


def test_unknown_policies(default_row_loss, rng) -> None:
    loss = default_row_loss
    y, f = draw_rows(loss, 3, n_classes(loss), rng)
    message = "hessian must be one of 'exact', .* for .*, got" if has_hessian(loss) else "has no hessian"
    for bad in {"majorizer", "fisher", "scaled", "newton", "", None, 1} - set(loss.hessian_policies):
        for call in (loss.hessian, loss.gradient_and_hessian, loss.evaluate, loss.reference.hessian):
            with pytest.raises(ValueError, match=message):
                call(y, f, hessian=bad)


def test_options_of_calls() -> None:
    loss, y, f = fl.SparseCategoricalCrossEntropy(), [0], [[0.5, 0.5]]
    for bad in ("average", "", None, 0):
        for method in METHODS:
            with pytest.raises(ValueError, match="reduction must be one of 'mean', 'sum', 'none', got"):
                getattr(loss, method)(y, f, reduction=bad)
    for bad, error in ((0, ValueError), (1.5, TypeError), (True, TypeError)):
        with pytest.raises(error, match="n_threads"):
            loss(y, f, n_threads=bad)
    for bad, error in ((-1.0, ValueError), (np.nan, ValueError), ("0", TypeError)):
        with pytest.raises(error, match="min_hessian must be"):
            loss.hessian(y, f, min_hessian=bad)
    for bad in (("loss",), (), ("value", "value")):
        with pytest.raises(ValueError, match="outputs must"):
            loss.evaluate(y, f, outputs=bad)


@pytest.mark.parametrize(
    ("name", "bad", "message"),
    [
        ("SparseCategoricalCrossEntropy", {"label_smoothing": 1.5}, r"label_smoothing must be >= 0 and <= 1, got 1.5"),
        ("SparseCategoricalCrossEntropy", {"eps": 0.5}, "eps must be >= 0 and < 0.5, got 0.5"),
        ("CategoricalCrossEntropy", {"eps": 1e-7, "from_logits": True}, "eps"),
        ("CategoricalFocal", {"gamma": -1.0}, "gamma must be >= 0, got -1.0"),
        ("CategoricalFocal", {"eps": 1e-7, "from_logits": True}, "eps"),
        ("GeneralizedCrossEntropy", {"q": 0.0}, "q must be > 0 and <= 1, got 0.0"),
        ("GeneralizedCrossEntropy", {"q": 1.5}, "q must be > 0 and <= 1, got 1.5"),
        ("Poly1CrossEntropy", {"epsilon": -1.5}, "epsilon must be >= -1, got -1.5"),
        ("CategoricalHinge", {"margin": 0.0}, "margin must be > 0, got 0.0"),
        ("CategoricalHinge", {"variant": "weston"}, "variant must be one of 'crammer_singer', 'keras', got 'weston'"),
        ("MultiMargin", {"p": 3}, "p must be one of 1, 2, got 3"),
        ("MultiMargin", {"margin": float("inf")}, "margin must be finite, got inf"),
        ("MultiQuantile", {"quantiles": []}, "quantiles must"),
        ("MultiQuantile", {"quantiles": [0.5, 1.0]}, "quantiles must .*, got .*1.0"),
        ("KLDivergence", {"from_logits": True, "log_input": True}, "from_logits.*log_input|log_input.*from_logits"),
        ("SparseCategoricalCrossEntropy", {"class_weight": [1.0, -1.0]}, "class_weight must .*, got .*-1.0"),
    ],
)
def test_ranges_of_parameters(name, bad, message) -> None:
    with pytest.raises(ValueError, match=message):
        getattr(fl, name)(**bad)
