"""The property suite for users who write their own loss.

Design. Every check is a function of the loss and of data that says in its first line what holds. It knows the methods
of a loss and nothing of how they are computed, so it serves compiled losses, sums of losses and users' own alike.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ._base import Array, ArrayLike, PointwiseLoss
from ._differences import compared
from ._domains import REAL, UNIT, Interval, Labels
from ._registry import get
from .weighted_sum import WeightedSum

__all__ = ["assert_loss_correct"]

KINKS = 0.05  # share of derivatives that may lie on kinks: beyond it the value jumps everywhere


def assert_loss_correct(
    loss: PointwiseLoss | WeightedSum | str,
    y_true: ArrayLike | None = None,
    y_pred: ArrayLike | None = None,
    *,
    random_state: int = 0,
) -> None:
    """Raise AssertionError unless a loss keeps every promise of the package.

    Gradient and hessian are the derivatives of the value and of the gradient; a curvature named majorizer is above
    the hessian; samples do not know of each other; weights act as repetition, and a weight of 0 takes a sample out; the
    reductions, the ways to ask for results, strides, types, ``out=`` and threads make no difference but rounding;
    the constant of `init_score` is a minimum; a loss that says it is convex is; copies are equal.

    Use it in the tests of a loss of your own, a subclass of `fastloss.PointwiseLoss`.

    Parameters
    ----------
    loss : PointwiseLoss, WeightedSum or str
        The loss, or its name.
    y_true, y_pred : array_like, optional
        Targets of shape (n,) and predictions of the shape that the loss takes. Drawn from the domains of the loss if
        not given.
    random_state : int, default 0
        Seed of what is drawn.

    Raises
    ------
    AssertionError
        If the loss is not correct; the message names the promise and where it fails.
    TypeError
        If it is no loss with a prediction, or a fixed number of predictions, for each target.
    ValueError
        If the given data are outside the domains of the loss, or only one of the two arrays is given.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> class Quartic(fl.PointwiseLoss):
    ...     def reference(y, f):
    ...         r = f - y
    ...         return r**4, 4 * r**3, 12 * r**2
    >>> fl.testing.assert_loss_correct(Quartic())
    >>> class Wrong(Quartic):
    ...     def reference(y, f):
    ...         r = f - y
    ...         return r**4, 4 * r**2, 12 * r**2
    >>> fl.testing.assert_loss_correct(Wrong())
    Traceback (most recent call last):
        ...
    AssertionError: Wrong(): The gradient is the derivative of the value: wrong in 200 of 200 samples
    """
    loss = get(loss) if isinstance(loss, str) else loss  # type: ignore[assignment]
    if not isinstance(loss, (PointwiseLoss, WeightedSum)) or not loss.n_predictions:
        raise TypeError(f"loss must be a PointwiseLoss, or a sum of such, got {type(loss).__name__}")
    if (y_true is None) != (y_pred is None):
        raise ValueError("y_true and y_pred must be given together")
    rng = np.random.default_rng(random_state)
    y, f = draw(loss, 200, rng) if y_true is None else (np.asarray(y_true, float), np.asarray(y_pred, float))
    loss(y, f)  # the data are legal
    for check in CHECKS:
        try:
            with np.errstate(all="ignore"):
                check(loss, y, f, rng)
        except AssertionError as error:
            raise AssertionError(f"{loss!r}: {(check.__doc__ or '').splitlines()[0].rstrip('.')}: {error}") from None


# ---- data -----------------------------------------------------------------------------------------------------------


def draw(loss: Any, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Targets and predictions inside the domains of the loss."""
    y = inside(loss.info.y_domain, rng.standard_normal(n), rng)
    columns = [inside(domain, 1.5 * rng.standard_normal(n), rng, prediction=True) for domain in loss.f_domains]
    return y, columns[0] if len(columns) == 1 else np.stack(columns, axis=-1)


def inside(domain: Any, x: Array, rng: np.random.Generator, prediction: bool = False) -> Array:
    """Real numbers, moved into a domain."""
    if isinstance(domain, Labels):
        return np.asarray(np.where(x > 0, 1.0, -1.0 if domain.signed else 0.0))
    if domain == REAL:
        return x
    if domain == UNIT:
        return np.asarray(1 / (1 + np.exp(-2 * x)) if prediction else np.where(x > 0, 1.0, 0.0))
    assert isinstance(domain, Interval)
    if math.isinf(domain.low) or math.isinf(domain.high):
        side = np.exp(x) if prediction or domain.low_open else np.floor(np.exp(1 + x))
        return np.asarray(domain.low + side if math.isinf(domain.high) else domain.high - side)
    return np.asarray(domain.low + (domain.high - domain.low) / (1 + np.exp(-x)))


def close(got: Any, expected: Any, tolerance: float = 1e-9) -> None:
    """Equal up to rounding, infinities and NaN included."""
    got, expected = np.asarray(got, float), np.asarray(expected, float)
    assert got.shape == expected.shape, f"the shape is {got.shape}, not {expected.shape}"
    finite = np.isfinite(expected)
    size = np.max(np.abs(expected), initial=1e-300, where=finite)
    same = np.isclose(got, expected, rtol=tolerance, atol=tolerance * size, equal_nan=True)
    assert same.all(), f"{got[~same][0]:.17g} instead of {expected[~same][0]:.17g}"


def everything(loss: Any, y: Array, f: Array, w: Any = None, **options: Any) -> Any:
    """Value, gradient and hessian."""
    return loss.evaluate(y, f, w, outputs=("value", "gradient", "hessian"), **options)


# ---- promises -------------------------------------------------------------------------------------------------------


def gradient_is_derivative(loss: Any, y: Array, f: Array, rng: np.random.Generator) -> None:
    """The gradient is the derivative of the value."""
    differentiated(loss.gradient(y, f, reduction="sum"), lambda x: loss(y, x, reduction="none"), loss, f)


def hessian_is_derivative(loss: Any, y: Array, f: Array, rng: np.random.Generator) -> None:
    """The hessian is the derivative of the gradient."""
    if "exact" in loss.hessian_policies:
        given = loss.hessian(y, f, reduction="sum", hessian="exact")
        differentiated(given, lambda x: loss.gradient(y, x, reduction="sum"), loss, f)


def differentiated(given: Array, function: Callable[[Array], Array], loss: Any, f: Array) -> None:
    """Compare with finite differences."""
    _, found = compared(given, function, f, list(loss.f_domains))
    assert found["wrong"] == 0, f"wrong in {found['wrong']} of {given.size} samples"
    assert found["kinks"] <= KINKS * given.size, f"it jumps in {found['kinks']} of {given.size} samples"


def majorizers_are_above(loss: Any, y: Array, f: Array, rng: np.random.Generator) -> None:
    """A majorizer is neither negative nor below the hessian."""
    if "majorizer" in loss.hessian_policies:
        upper, exact = (loss.hessian(y, f, reduction="none", hessian=policy) for policy in ("majorizer", "exact"))
        below = upper < np.maximum(exact, 0) * (1 - 1e-9)
        assert not below.any(), f"{upper[below][0]:.9g} where the hessian is {exact[below][0]:.9g}"


def samples_are_independent(loss: Any, y: Array, f: Array, rng: np.random.Generator) -> None:
    """A sample does not change the results of others, NaN included."""
    order = rng.permutation(len(y))
    for whole, moved in zip(
        everything(loss, y, f, reduction="none"), everything(loss, y[order], f[order], reduction="none"), strict=True
    ):
        close(moved, whole[order])
    spoilt = f.copy()
    spoilt[0] = np.nan
    for whole, rest in zip(
        everything(loss, y, f, reduction="none"), everything(loss, y, spoilt, reduction="none"), strict=True
    ):
        close(rest[1:], whole[1:])


def reductions_agree(loss: Any, y: Array, f: Array, rng: np.random.Generator) -> None:
    """Sum and mean are those of the values, and gradients have the same factor."""
    w = rng.random(len(y)) + 0.1
    for weight, total in ((None, len(y)), (w, w.sum())):
        values, g, h = everything(loss, y, f, weight, reduction="none")
        summed, averaged = (everything(loss, y, f, weight, reduction=r) for r in ("sum", "mean"))
        for result, scale in ((summed, 1.0), (averaged, 1 / total)):
            close(result[0], values.sum() * scale)
            close(result[1], g * scale)
            close(result[2], h * scale)


def weights_repeat(loss: Any, y: Array, f: Array, rng: np.random.Generator) -> None:
    """Weights act as repetition, and a sample of weight 0 is not there."""
    w = rng.integers(0, 4, len(y))
    w[:2] = 0, 1
    again = np.repeat(np.arange(len(y)), w)
    close(loss(y, f, w.astype(float)), loss(y[again], f[again]))
    spoilt = f.copy()
    spoilt[0] = np.nan
    for result in everything(loss, y, spoilt, w.astype(float), reduction="sum"):
        assert np.isfinite(np.ravel(result)[0]), "a NaN of weight 0 is seen"


def together_as_apart(loss: Any, y: Array, f: Array, rng: np.random.Generator) -> None:
    """Results are the same whether they are computed together or apart."""
    value, g, h = everything(loss, y, f)
    for apart, together in (
        (loss(y, f), value),
        (loss.gradient(y, f), g),
        (loss.hessian(y, f), h),
        (loss.value_and_gradient(y, f)[1], g),
        (loss.gradient_and_hessian(y, f)[1], h),
    ):
        close(apart, together, 1e-14)


def arrays_do_not_matter(loss: Any, y: Array, f: Array, rng: np.random.Generator) -> None:
    """Strides, types, `out` and the number of threads make no difference, and inputs are not changed."""
    expected = everything(loss, y, f)
    before = y.copy(), f.copy()
    wide = np.zeros((*f.shape, 2))
    wide[..., 0] = f
    close(everything(loss, np.repeat(y, 2)[::2], wide[..., 0])[1], expected[1])
    close(everything(loss, y.astype(">f8"), f.astype(">f8"))[2], expected[2])
    many = [everything(loss, y, f, n_threads=k) for k in (1, 3)]
    for one, other in zip(*many, strict=True):
        assert np.array_equal(one, other, equal_nan=True), "threads change bits"
    out = f.copy(), np.empty(f.shape)
    g, h = loss.gradient_and_hessian(y, out[0], out=out)
    assert g is out[0], "the array of `out` is not what is returned"
    assert h is out[1], "the array of `out` is not what is returned"
    close(g, expected[1])
    close(h, expected[2])
    single = loss.gradient(y, f.astype(np.float32))
    assert single.dtype == np.float32, f"float32 predictions give {single.dtype}"
    assert np.array_equal(before[0], y), "y_true was changed"
    assert np.array_equal(before[1], f), "y_pred was changed"


def start_is_a_minimum(loss: Any, y: Array, f: Array, rng: np.random.Generator) -> None:
    """No constant near that of `init_score` is better."""
    raw = loss.on_raw()
    if raw.n_predictions > 1:
        return
    start = raw.init_score(y)
    values = [raw(y, np.full(len(y), start + step)) for step in (-1e-3, 0.0, 1e-3)]
    assert values[1] <= min(values) + 1e-9 * (1 + abs(values[1])), (
        f"{values[1]:.9g} at {start:.6g}, {min(values):.9g} near it"
    )


def convex_if_it_says_so(loss: Any, y: Array, f: Array, rng: np.random.Generator) -> None:
    """A loss that says it is convex is."""
    if not loss.info.convex:
        return
    other = f[rng.permutation(len(f))]
    ends = loss(y, f, reduction="none"), loss(y, other, reduction="none")
    above = loss(y, (f + other) / 2, reduction="none") - (ends[0] + ends[1]) / 2
    assert not (above > 1e-9 * (1 + np.abs(ends[0]) + np.abs(ends[1]))).any(), f"by {np.nanmax(above):.6g}"


def objects_are_values(loss: Any, y: Array, f: Array, rng: np.random.Generator) -> None:
    """Copies are equal, have the same hash and the same results."""
    twin = copy.deepcopy(loss)
    assert twin == loss
    assert hash(twin) == hash(loss)
    close(twin(y, f), loss(y, f), 0.0)


CHECKS = (
    samples_are_independent,
    gradient_is_derivative,
    hessian_is_derivative,
    majorizers_are_above,
    reductions_agree,
    weights_repeat,
    together_as_apart,
    arrays_do_not_matter,
    start_is_a_minimum,
    convex_if_it_says_so,
    objects_are_values,
)
