"""What is refused: types that are no real arrays, shapes that do not match, values outside their domains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import default_losses, draw

import fastloss as fl
from fastloss._domains import REAL, SIGNED, Labels

METHODS = ("__call__", "gradient", "hessian", "value_and_gradient", "gradient_and_hessian", "evaluate")


class OnDevice:
    """An array on a GPU: reading it must not even be tried."""

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0

    def __dlpack__(self, **keywords: Any) -> Any:
        raise AssertionError("the array was read")

    def __array__(self, *arguments: Any, **keywords: Any) -> Any:
        raise AssertionError("the array was read")


NO_REAL_ARRAYS = {
    "masked": np.ma.masked_equal([1.0, 0.0, 1.0], 0.0),
    "object": np.array([1.0, None, 1.0]),
    "complex": np.ones(3, complex),
    "text": np.array(["1", "1", "1"]),
    "list of text": ["1", "1", "1"],
    "bytes": b"111",
    "date": np.array(["2020-01-01"] * 3, "datetime64[D]"),
    "duration": np.array([1, 1, 1], "timedelta64[s]"),
    "structured": np.zeros(3, [("a", float)]),
    "ragged": [[1.0], [1.0, 1.0], 1.0],
    "huge integers": [2**70, 1, 1],
    "set": {1.0, 0.0},
    "dict": {"a": 1.0},
    "function": len,
    "device": OnDevice(),
}


@pytest.mark.parametrize("kind", NO_REAL_ARRAYS)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_no_real_array(default_loss, kind, position) -> None:
    name = ("y_true", "y_pred", "sample_weight")[position]
    given = [np.ones(3), np.ones((3, 2)[: default_loss.n_predictions]), np.ones(3)]
    given[position] = NO_REAL_ARRAYS[kind]
    for method in METHODS:
        with pytest.raises(TypeError, match=name):
            getattr(default_loss, method)(*given)
    with pytest.raises(TypeError, match=name):
        default_loss.reference(*given)


def test_none_is_no_array() -> None:
    for given in ((None, [1.0]), ([1.0], None)):
        with pytest.raises(TypeError, match="real numbers"):
            fl.Huber()(*given)


def test_other_devices_are_named() -> None:
    with pytest.raises(TypeError, match="y_pred must be on the CPU, got OnDevice on DLPack device type 2"):
        fl.Huber()(np.ones(3), OnDevice())


@pytest.mark.parametrize(
    ("y_shape", "f_shape"),
    [((4,), (4, 1)), ((4, 1), (4,)), ((4,), (5,)), ((), (4,)), ((4,), ()), ((2, 3), (3, 2)), ((4,), (0,))],
)
def test_shapes_never_broadcast(default_loss, y_shape, f_shape) -> None:
    f_shape += (2,) * (default_loss.n_predictions - 1)
    for method in METHODS:
        for given in ((np.ones(y_shape), np.ones(f_shape)), (np.ones(y_shape).tolist(), np.ones(f_shape).tolist())):
            with pytest.raises(ValueError, match="y_pred must have the shape"):
                getattr(default_loss, method)(*given, reduction="sum")


@pytest.mark.parametrize("loss", [x for x in default_losses() if x.n_predictions > 1], ids=repr)
@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 3), (1, 4), (8,)])
def test_last_axis_of_distributions(loss, shape) -> None:
    with pytest.raises(ValueError, match=r"y_pred must have the shape \(4, 2\) \(the last axis"):
        loss(np.ones(4), np.ones(shape))


@pytest.mark.parametrize("shape", [(3,), (4, 1), (1, 4), (1,), (4, 2), (0,)])
def test_shapes_of_weights(default_loss, shape) -> None:
    f = np.ones((4, 2)[: default_loss.n_predictions])
    for method in METHODS:
        with pytest.raises(ValueError, match="sample_weight must be a scalar or have the shape"):
            getattr(default_loss, method)(np.ones(4), f, np.ones(shape), reduction="sum")


# ---- values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [-1.0, -1e-300, np.nan, np.inf, -np.inf])
def test_bad_weights(default_loss, rng, bad) -> None:
    y, f = draw(default_loss, 1030, rng)
    w = np.ones(1030)
    w[1027] = bad
    for reduction in ("mean", "sum", "none"):
        for method in METHODS:
            with pytest.raises(ValueError, match=f"sample_weight must be >= 0 and finite, got {bad} at index 1027"):
                getattr(default_loss, method)(y, f, w, reduction=reduction)
    with pytest.raises(ValueError, match=f"sample_weight must be >= 0 and finite, got {bad}$"):
        default_loss(y, f, bad)
    with pytest.raises(ValueError, match="sample_weight"):
        default_loss.reference(y, f, w)


def test_weights_that_sum_to_zero(default_loss, rng) -> None:
    y, f = draw(default_loss, 20, rng)
    for weight in (0.0, np.zeros(20), np.zeros(20, int)):
        for method in METHODS:
            with pytest.raises(ValueError, match="sample_weight must not sum to zero"):
                getattr(default_loss, method)(y, f, weight)
        value, gradient, hessian = default_loss.evaluate(y, f, weight, reduction="sum", min_hessian=1.0)
        assert value == 0
        assert not gradient.any()
        assert not hessian.any()


def outside(domain: Any) -> list[float]:
    if isinstance(domain, Labels):
        return [2.0, 0.5, -2.0, 1e-300] + ([] if domain.signed else [-1.0])
    candidates = [domain.low - 1, domain.high + 1, *([domain.low] if domain.low_open else [])]
    return [x for x in candidates if np.isfinite(x)]


@pytest.mark.parametrize("shaped", [False, True])
@pytest.mark.parametrize("loss", [x for x in default_losses() if x.info.y_domain != REAL], ids=repr)
def test_targets_outside_their_domain(loss, rng, shaped) -> None:
    y, f = draw(loss, 1100, rng)
    index, where = (1027, "1027") if not shaped else ((10, 2, 7), r"\(10, 2, 7\)")
    if shaped:
        y, f = y.reshape(11, 10, 10), f.reshape(11, 10, 10, *f.shape[1:])
    for bad in outside(loss.info.y_domain):
        spoilt = y.copy()
        spoilt[index] = bad
        for given in (spoilt, np.asfortranarray(spoilt), spoilt.tolist()):
            for method in METHODS:
                with pytest.raises(ValueError, match=rf"y_true must be .*, got {bad} at index {where}"):
                    getattr(loss, method)(given, f)
        with pytest.raises(ValueError, match=rf"got {bad} at index {where}"):
            loss.reference(spoilt, f)
    with pytest.raises(ValueError, match=rf"y_true must be [^,]*(, [^,]*)?, got {bad}$"):
        loss(bad, f[0] if not shaped else f[0, 0, 0])


def test_predictions_outside_their_domain(default_loss, rng) -> None:
    loss = default_loss
    for column, domain in enumerate(loss.f_domains):
        for bad in outside(domain):
            y, f = draw(loss, 1030, rng)
            f.reshape(1030, -1)[[1026, 1028], column] = bad
            name = "y_pred" if loss.n_predictions == 1 else rf"y_pred\[..., {column}\]"
            for method in METHODS:
                with pytest.raises(ValueError, match=f"^{name} must be .*, got {bad} at index 1026"):
                    getattr(loss, method)(y, f, np.zeros(1030), reduction="sum")
            with pytest.raises(ValueError, match=f"^y_pred.* must be .*, got {bad} at index 1026"):
                loss.reference(y, f)


@pytest.mark.parametrize("loss", [x for x in default_losses() if x.info.y_domain == SIGNED], ids=repr)
def test_one_kind_of_negative_label(loss, rng) -> None:
    y, f = draw(loss, 1030, rng)
    y[:] = 1
    y[3], y[1027] = 0, -1
    for methods in (loss, loss.reference):
        with pytest.raises(ValueError, match="y_true must hold one kind of negative label, got both 0 and -1"):
            methods(y, f)
        for dtype in (np.int8, np.int64, np.float32):
            with pytest.raises(ValueError, match="one kind of negative label"):
                methods.gradient(y.astype(dtype), f)


def test_first_bad_index_is_named_for_integers() -> None:
    for name in fl.list_losses(family="binary"):
        with pytest.raises(ValueError, match=r"y_true must be .*, got 7 at index 2"):
            fl.get(name)(np.array([0, 1, 7, 9]), np.full(4, 0.5))
