"""What holds for every row loss: kernels against the reference, derivatives, bounds, symmetries, weights."""

from __future__ import annotations

import numpy as np
import pytest
from rows import (
    assert_near,
    counts,
    default_row_losses,
    draw_rows,
    every_form,
    has_hessian,
    ignore_index,
    is_softmax,
    moved,
    n_classes,
    outputs,
    row_losses,
    sized,
)
from support import same

import fastloss as fl
from fastloss._domains import REAL

ROWS = {1: 200, 2: 200, 3: 200, 5: 200, 10: 200, 16: 200, 17: 200, 33: 40, 100: 40, 1000: 17, 5000: 2}  # by classes
LENGTHS = (1, 2, 15, 16, 17, 40, 200)
TOLERANCE = {np.float64: 1e-13, np.float32: 2e-5}

every_target = pytest.mark.parametrize(("loss", "form"), every_form(row_losses()), ids=repr)
every_default_target = pytest.mark.parametrize(("loss", "form"), every_form(default_row_losses()), ids=repr)
with_majorizer = pytest.mark.parametrize(
    ("loss", "form"), [(x, form) for x, form in every_form(row_losses()) if "majorizer" in x.hessian_policies], ids=repr
)


def typed(dtype: type, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(x.astype(dtype) if x.dtype.kind == "f" else x for x in arrays)


# ---- kernels and reference ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", ROWS)
@every_target
def test_kernel_equals_reference(loss, form, k, rng) -> None:
    """Any number of classes and rows, rows or classes contiguous."""
    loss, most = sized(loss, k), ROWS[k]
    for dtype, tolerance in TOLERANCE.items():
        y, f = typed(dtype, *draw_rows(loss, most, k, rng, form=form, grid=dtype == np.float32))
        expected = loss.reference.evaluate(y, f, outputs=outputs(loss), reduction="none")
        for n in {min(n, most) for n in LENGTHS}:
            for layout in (np.ascontiguousarray, np.asfortranarray):
                computed = loss.evaluate(y[:n], layout(f[:n]), outputs=outputs(loss), reduction="none")
                for name in outputs(loss):
                    got, want = getattr(computed, name), getattr(expected, name)[:n]
                    assert got.dtype == want.dtype == dtype
                    assert_near(got, want, tolerance, f"{name} of {n} rows in {dtype.__name__}")


@every_target
def test_policies_equal_reference(loss, form, rng) -> None:
    k = n_classes(loss)
    y, f = draw_rows(loss, 100, k, rng, form=form)
    w = rng.integers(0, 3, 100).astype(float)
    for policy in loss.hessian_policies:
        for reduction in ("mean", "none"):
            keywords = {"reduction": reduction, "hessian": policy, "min_hessian": 0.01}
            computed, expected = (x.hessian(y, f, w, **keywords) for x in (loss, loss.reference))
            assert_near(computed, expected, 1e-12, policy)
            assert not computed[w == 0].any()


@every_target
def test_reductions_equal_reference(loss, form, rng) -> None:
    k = n_classes(loss)
    y, f = draw_rows(loss, 300, k, rng, form=form)
    for weight in (None, rng.integers(0, 3, 300).astype(float), 2.5):
        for reduction in ("mean", "sum", "none"):
            computed = loss.evaluate(y, f, weight, outputs=outputs(loss), reduction=reduction)
            expected = loss.reference.evaluate(y, f, weight, outputs=outputs(loss), reduction=reduction)
            for a, b in zip(computed, expected, strict=True):
                assert type(a) is type(b)
                if a is not None:
                    np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@every_target
def test_fused_equals_separate(loss, form, rng, instruction_set) -> None:
    for dtype in TOLERANCE:
        for k in {n_classes(loss), 3, 40}:
            loss = sized(loss, k)
            y, f = typed(dtype, *draw_rows(loss, 50, k, rng, form=form, grid=True))
            w = rng.random(50).astype(dtype)
            for reduction in ("mean", "none"):
                keywords = {"sample_weight": w, "reduction": reduction}
                value, gradient = loss(y, f, **keywords), loss.gradient(y, f, **keywords)
                assert same(loss.value_and_gradient(y, f, **keywords), (value, gradient))
                for policy in loss.hessian_policies:
                    curved = keywords | {"hessian": policy}
                    hessian = loss.hessian(y, f, **curved)
                    assert same(loss.gradient_and_hessian(y, f, **curved), (gradient, hessian))
                    assert same(loss.evaluate(y, f, **curved), (value, gradient, hessian))
                    pair = loss.evaluate(y, f, outputs=("value", "hessian"), **curved)
                    assert same(pair, (value, None, hessian))


# ---- derivatives ----------------------------------------------------------------------------------------------------


@every_target
def test_gradient_is_the_complex_step_of_the_value(loss, form, rng) -> None:
    y, f = draw_rows(loss, 60, n_classes(loss), rng, form=form)
    exact = moved(loss, "value", y, f)
    for methods in (loss, loss.reference):
        assert_near(methods.gradient(y, f, reduction="none"), exact, 1e-12)


def full_hessian(loss, y, f) -> np.ndarray:
    """Derivatives of the gradient, row by row, by complex steps."""
    return moved(loss, "gradient", y, f)


@every_target
def test_hessian_is_the_derivative_of_the_gradient(loss, form, rng) -> None:
    if not has_hessian(loss):
        pytest.skip("offers none")
    y, f = draw_rows(loss, 60, n_classes(loss), rng, form=form)
    full = full_hessian(loss, y, f)
    assert_near(full, full.swapaxes(1, 2), 1e-11)
    for methods in (loss, loss.reference):
        assert_near(methods.hessian(y, f, reduction="none"), np.einsum("nkk->nk", full), 1e-11)


def least_eigenvalue(matrices: np.ndarray) -> np.ndarray:
    """Relative to the largest entry."""
    size = 1 + np.abs(matrices).max(axis=(1, 2))
    return np.linalg.eigvalsh((matrices + matrices.swapaxes(1, 2)) / 2).min(axis=1) / size


@with_majorizer
def test_majorizer_bounds_the_full_hessian(loss, form, rng) -> None:
    y, f = draw_rows(loss, 200, n_classes(loss), rng, form=form)
    bound = loss.hessian(y, f, reduction="none", hessian="majorizer")
    assert bound.min() >= 0
    rest = np.eye(f.shape[1]) * bound[:, None, :] - full_hessian(loss, y, f)
    assert least_eigenvalue(rest).min() >= -1e-13


@every_target
def test_convex_losses_have_a_positive_semidefinite_hessian(loss, form, rng) -> None:
    y, f = draw_rows(loss, 200, n_classes(loss), rng, form=form)
    full = full_hessian(loss, y, f)
    if loss.info.convex:
        assert least_eigenvalue(full).min() >= -1e-13
    g, step = loss.gradient(y, f, reduction="none"), 0.01 * rng.standard_normal(f.shape)
    if loss.info.convex and loss.info.f_domain == REAL:  # above every tangent, also across kinks
        above = loss(y, f + step, reduction="none") - loss(y, f, reduction="none") - (g * step).sum(axis=1)
        assert above.min() >= -1e-13 * (1 + np.abs(g).max() + np.abs(loss(y, f, reduction="none")).max())


@pytest.mark.parametrize("loss", [x for x in row_losses() if not x.info.convex], ids=repr)
def test_a_loss_that_is_not_convex_shows_it(loss, rng) -> None:
    """Somewhere a curvature is negative (or a step goes below a tangent)."""
    y, f = draw_rows(loss, 2000, n_classes(loss), rng)
    clipped = getattr(loss, "eps", 0) > 0  # flat beyond the clip: no convex function, whatever the curvature inside
    assert clipped or least_eigenvalue(full_hessian(loss, y, f)).min() < -1e-8


@pytest.mark.parametrize("loss", [x for x in row_losses() if np.isfinite(x.info.lipschitz)], ids=repr)
def test_lipschitz_constants_hold(loss, rng) -> None:
    y, f = draw_rows(loss, 2000, n_classes(loss), rng)
    slopes = np.linalg.norm(loss.gradient(y, f, reduction="none"), axis=1)
    assert slopes.max() <= loss.info.lipschitz * (1 + 1e-12)


@pytest.mark.parametrize("name", ["multi_margin", "multi_quantile"])
def test_majorizer_of_kinks_bounds_the_loss(name, rng) -> None:
    """l(f + d) <= l(f) + g d + sum of h d^2 / 2, for steps of any length."""
    cap = 2.0**-10  # global only up to this distance from a kink
    for loss in [x for x in row_losses() if x.info.name == name]:
        y, f = draw_rows(loss, 500, n_classes(loss), rng)
        value, g, h = loss.evaluate(y, f, reduction="none", hessian="majorizer")
        for scale in (0.1, 1.0, 10.0):
            d = scale * rng.standard_normal(f.shape)
            quadratic = value + (g * d + h * d * d / 2).sum(axis=1)
            slack = 1e-12 * (1 + np.abs(quadratic)) + 2 * cap * np.abs(h * cap).sum(axis=1)
            assert np.all(loss(y, f + d, reduction="none") <= quadratic + slack)


def test_default_hessian_trains(row_loss, rng) -> None:
    if not has_hessian(row_loss):
        pytest.skip("offers none")
    for k in (2, n_classes(row_loss)):
        loss = sized(row_loss, k)
        y, f = draw_rows(loss, 400, k, rng)
        curvature = loss.hessian(y, f, reduction="none", hessian=loss.default_hessian)
        assert np.all(np.isfinite(curvature))
        assert curvature.min() >= 0
        assert curvature.max() > 0


def test_scaled_is_the_curvature_of_k_minus_one_logits(rng) -> None:
    for k in (2, 5, 30):
        loss = fl.SparseCategoricalCrossEntropy(from_logits=True)
        y, f = draw_rows(loss, 50, k, rng)
        exact, scaled = (loss.hessian(y, f, hessian=policy) for policy in ("exact", "scaled"))
        np.testing.assert_allclose(scaled, exact * k / (k - 1), rtol=1e-14)
    assert loss.hessian([0], [[3.0]], hessian="scaled") == 0


# ---- symmetries -----------------------------------------------------------------------------------------------------


def invariant_under_shifts(loss) -> bool:
    name = loss.info.name
    return is_softmax(loss) or name == "multi_margin" or getattr(loss, "variant", "") == "crammer_singer"


@pytest.mark.parametrize(
    ("loss", "form"), [(x, form) for x, form in every_form(row_losses()) if invariant_under_shifts(x)], ids=repr
)
def test_shifts_of_a_row_change_nothing(loss, form, rng) -> None:
    k = n_classes(loss)
    y, f = draw_rows(loss, 200, k, rng, form=form, grid=True)
    shift = rng.choice([-1000.0, -3.0, 0.5, 64.0], (200, 1))  # exact on the grid
    expected = loss.evaluate(y, f, reduction="none")
    for a, b in zip(loss.evaluate(y, f + shift, reduction="none"), expected, strict=True):
        assert_near(a, b, 1e-15)
    gradient = expected.gradient
    size = np.abs(gradient).max(axis=1) if form == "labels" else 1  # the terms of dense rows cancel
    assert np.all(np.abs(gradient.sum(axis=1)) <= 2e-15 * k * size)


@every_target
def test_names_of_classes_do_not_matter(loss, form, rng) -> None:
    """Permuted columns, labels and class parameters."""
    if ignore_index(loss) in range(k := n_classes(loss)):
        pytest.skip("one class is special")
    y, f = draw_rows(loss, 100, k, rng, form=form)
    order = rng.permutation(k)
    where = np.argsort(order)
    renamed = np.where((y >= 0) & (y < k), where[y % k], y) if form == "labels" else y if y.ndim == 1 else y[:, order]
    parameters = {key: v for key, v in loss._parameters().items() if isinstance(v, tuple)}
    other = type(loss)(**loss._parameters() | {key: [v[j] for j in order] for key, v in parameters.items()})
    expected = loss.evaluate(y, f, outputs=outputs(loss), reduction="none")
    computed = other.evaluate(renamed, f[:, order], outputs=outputs(loss), reduction="none")
    assert_near(computed.value, expected.value, 1e-14)
    assert_near(computed.gradient, expected.gradient[:, order], 1e-14)
    if has_hessian(loss):
        assert_near(computed.hessian, expected.hessian[:, order], 1e-13)


@every_default_target
def test_order_of_rows_does_not_matter(loss, form, rng) -> None:
    y, f = draw_rows(loss, 500, n_classes(loss), rng, form=form)
    order = rng.permutation(500)
    expected = loss.evaluate(y, f, outputs=outputs(loss))
    computed = loss.evaluate(y[order], f[order], outputs=outputs(loss))
    size = np.mean(np.abs(loss(y, f, reduction="none")))
    assert abs(computed.value - expected.value) <= 6 * np.finfo(float).eps * size
    for a, b in zip(computed[1:], expected[1:], strict=True):
        if b is not None:
            assert_near(a, b[order], 1e-14)


# ---- weights --------------------------------------------------------------------------------------------------------


@every_target
def test_table_of_reductions(loss, form, rng) -> None:
    """From per-row values and counts that are worked out here."""
    y, f = draw_rows(loss, 400, n_classes(loss), rng, form=form)
    every = {"outputs": outputs(loss)}
    plain = loss.evaluate(y, f, **every, reduction="none")
    for w in (None, rng.integers(0, 4, 400).astype(float), 0.5):
        weights = np.broadcast_to(1.0 if w is None else w, 400)
        total = float(np.sum(weights * counts(loss, y, form)))
        per_row, summed, mean = (loss.evaluate(y, f, w, **every, reduction=r) for r in ("none", "sum", "mean"))
        assert type(summed.value) is type(mean.value) is float
        np.testing.assert_allclose(per_row.value, weights * plain.value, rtol=1e-15)
        assert summed.value == pytest.approx(np.sum(weights * plain.value), rel=1e-13)
        assert mean.value == pytest.approx(np.sum(weights * plain.value) / total, rel=1e-13)
        for name in outputs(loss)[1:]:
            expected = weights[:, None] * getattr(plain, name)
            assert_near(getattr(per_row, name), expected, 1e-14)
            assert same(getattr(summed, name), getattr(per_row, name))
            assert_near(getattr(mean, name), expected / total, 1e-14)


@every_default_target
def test_weight_zero_removes_whatever_the_row_holds(loss, form, rng) -> None:
    y, f = draw_rows(loss, 60, n_classes(loss), rng, form=form)
    w = np.tile([1.0, 0.0, 2.0, 0.0, 0.5, 0.0], 10)
    bad_y, bad_f = y.copy(), f.copy()
    bad_f[1::6], bad_f[3::6, 0], bad_f[5::6] = np.nan, np.inf, -np.inf
    if form in ("values", "vectors"):
        bad_y[1::6] = np.inf
    floor = {"min_hessian": 0.1} if has_hessian(loss) else {}
    for methods in (loss, loss.reference):
        for reduction in ("mean", "sum", "none"):
            clean = methods.evaluate(y, f, w, outputs=outputs(loss), reduction=reduction, **floor)
            dirty = methods.evaluate(bad_y, bad_f, w, outputs=outputs(loss), reduction=reduction, **floor)
            assert same(dirty, clean)
        for name in outputs(loss):
            assert not getattr(clean, name)[w == 0].any()


@every_target
def test_integer_weights_repeat(loss, form, rng) -> None:
    y, f = draw_rows(loss, 200, n_classes(loss), rng, form=form)
    w = rng.integers(0, 4, 200)
    w[0] = 1
    first = np.r_[0, np.cumsum(w[w > 0])[:-1]]
    for reduction in ("mean", "sum"):
        value, gradient = loss.value_and_gradient(y, f, w, reduction=reduction)
        repeated = loss.value_and_gradient(np.repeat(y, w, axis=0), np.repeat(f, w, axis=0), reduction=reduction)
        assert value == pytest.approx(repeated[0], rel=1e-13)
        assert_near(gradient[w > 0], repeated[1][first] * w[w > 0][:, None], 1e-13)


@pytest.mark.parametrize("loss", [x for x in row_losses() if ignore_index(x) is not None], ids=repr)
def test_ignored_rows_count_for_nothing(loss, rng) -> None:
    """As if they were not there, whatever they hold; their curvature is 0 under every policy and floor."""
    k = n_classes(loss)
    y, f = draw_rows(loss, 200, k, rng)
    w = rng.random(200)
    kept = y != loss.ignore_index
    assert 0 < kept.sum() < 200
    f[~kept] = rng.choice([np.nan, np.inf, 0.5], f[~kept].shape)
    for methods in (loss, loss.reference):
        for weight in (None, w):
            given = y[kept], f[kept], None if weight is None else w[kept]
            for reduction in ("mean", "sum", "none"):
                for policy in loss.hessian_policies:
                    keywords = {"reduction": reduction, "hessian": policy, "min_hessian": 0.25}
                    all_rows, some = methods.evaluate(y, f, weight, **keywords), methods.evaluate(*given, **keywords)
                    if reduction == "none":
                        assert not all_rows.value[~kept].any()
                    else:
                        assert all_rows.value == pytest.approx(some.value, rel=1e-14)
                    for a, b in zip(all_rows[1:], some[1:], strict=True):
                        assert_near(a[kept], b, 1e-14)
                        assert not a[~kept].any()


@every_default_target
def test_floor_of_the_hessian(loss, form, rng) -> None:
    y, f = draw_rows(loss, 100, n_classes(loss), rng, form=form)
    w = rng.integers(0, 3, 100).astype(float)
    for policy in loss.hessian_policies:
        for reduction in ("mean", "sum", "none"):
            keywords = {"reduction": reduction, "hessian": policy}
            plain, weighted = loss.hessian(y, f, **keywords), loss.hessian(y, f, w, **keywords)
            floor = max(float(np.median(weighted[w > 0])), 0.0)
            assert same(loss.hessian(y, f, **keywords, min_hessian=floor), np.maximum(plain, floor))
            raised = np.where(w[:, None] > 0, np.maximum(weighted, floor), 0)
            gradient, hessian = loss.gradient_and_hessian(y, f, w, **keywords, min_hessian=floor)
            assert same(hessian, raised)
            assert same(gradient, loss.gradient(y, f, w, reduction=reduction))


@every_target
def test_policies_that_every_loss_has(loss, form, rng) -> None:
    if not has_hessian(loss):
        pytest.skip("offers none")
    y, f = draw_rows(loss, 100, n_classes(loss), rng, form=form)
    w = rng.random(100)
    gradient = loss.gradient(y, f, w, reduction="sum")
    absolute = loss.hessian(y, f, w, reduction="sum", hessian="absolute_gradient")
    np.testing.assert_allclose(absolute, np.abs(gradient), rtol=1e-15)
    counted = w if ignore_index(loss) is None else np.where(y == ignore_index(loss), 0, w)
    unit = loss.hessian(y, f, w, reduction="sum", hessian="unit")
    np.testing.assert_array_equal(unit, np.broadcast_to(counted[:, None], f.shape))
    assert same(loss.hessian(y, f), loss.hessian(y, f, hessian="exact"))


# ---- infinities and NaN ---------------------------------------------------------------------------------------------


USED_WHOLE = ("cosine_similarity", "multi_quantile", "categorical_hinge", "multi_margin")  # no entry is left unread


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@every_default_target
def test_non_finite_predictions_stay_in_their_row(loss, form, rng, bad) -> None:
    for (n, k), dtype in [((60, 3), np.float64), ((40, 33), np.float32), ((3, 5000), np.float64)]:
        loss = sized(loss, k)
        y, f = typed(dtype, *draw_rows(loss, n, k, rng, form=form))
        row = n // 2
        others = np.arange(n) != row
        for layout in (np.ascontiguousarray, np.asfortranarray):
            spoilt = f.copy()
            spoilt[row, k - 1] = bad
            clean, computed = (
                loss.evaluate(y, layout(x), outputs=outputs(loss), reduction="none") for x in (f, spoilt)
            )
            for name in outputs(loss):
                assert same(getattr(computed, name)[others], getattr(clean, name)[others])
            if np.isnan(bad) and (is_softmax(loss) or loss.info.name in USED_WHOLE):
                assert np.isnan(computed.value[row])
                assert np.isnan(loss(y, layout(spoilt)))
            if np.isnan(bad) and is_softmax(loss):
                assert np.isnan(computed.gradient[row]).all()
                assert np.isnan(computed.hessian[row]).all()


def test_logits_of_any_size_give_finite_gradients(rng) -> None:
    for loss in [x for x in default_row_losses() if is_softmax(x)]:
        for dtype, largest in ((np.float64, 1e308), (np.float32, 3e38)):
            f = rng.choice(np.array([0, 1, -1, 745.2, -745.2, largest, -largest, 1e-310], dtype), (200, 4))
            y, _ = draw_rows(loss, 200, 4, rng)
            gradient = loss.gradient(y.astype(dtype) if y.ndim > 1 else y, f, reduction="none")
            assert np.isfinite(gradient).all()
