"""`LossAccumulator`: parts in any order give the loss of the whole."""

from __future__ import annotations

import copy
import itertools
import json
import math
import pickle

import numpy as np
import pytest
from rows import counts, draw_rows, first_form, n_classes, row_losses
from support import default_losses, draw

import fastloss as fl
from fastloss._accumulator import added


def close(a: float, b: float, size: float = 0.0) -> bool:
    """Within 4 eps of the result, or of the size of what cancels in it."""
    return a == b or math.isclose(a, b, rel_tol=9e-16, abs_tol=9e-16 * size) or (math.isnan(a) and math.isnan(b))


def parts(n: int, rng: np.random.Generator) -> list[slice]:
    """Of all sizes, one of them empty, shuffled."""
    ends = [0, 0, 1, *sorted(rng.integers(1, n, 5)), n]
    slices = [slice(a, b) for a, b in itertools.pairwise(ends)]
    rng.shuffle(slices)
    return slices


def assert_parts_add_up(loss, y, f, w, count=1.0) -> None:
    rng = np.random.default_rng(1)
    values = loss(y, f, w, reduction="none")
    total, others = fl.LossAccumulator(loss), []
    for k, part in enumerate(parts(len(y), rng)):
        weight = None if w is None else w[part]
        accumulator = total if k % 2 else fl.LossAccumulator(loss)
        accumulator.update(y[part], f[part], weight)
        if accumulator is not total:
            others.append(accumulator)
    for other in others:
        total.merge(pickle.loads(pickle.dumps(other)) if other.weight else other)
    assert total.result("sum") == pytest.approx(math.fsum(values), rel=1e-14, abs=1e-15 * math.fsum(np.abs(values)))
    assert close(total.result(), loss(y, f, w), math.fsum(np.abs(values)) / total.weight)
    assert total.weight == pytest.approx(np.sum((np.ones(len(y)) if w is None else w) * count), rel=1e-14)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", default_losses(), ids=repr)
def test_pointwise(loss, weighted) -> None:
    rng = np.random.default_rng(0)
    y, f = draw(loss, 500, rng)
    assert_parts_add_up(loss, y, f, rng.random(500) if weighted else None)


@pytest.mark.parametrize("loss", row_losses(), ids=repr)
def test_rows(loss) -> None:
    rng = np.random.default_rng(0)
    y, f = draw_rows(loss, 60, n_classes(loss), rng)
    assert_parts_add_up(loss, y, f, rng.random(60), counts(loss, y, first_form(loss)))


def test_class_weights_and_ignored_rows_count_as_in_the_loss() -> None:
    loss = fl.SparseCategoricalCrossEntropy(from_logits=True, class_weight=[1.0, 2.0, 0.5], ignore_index=-1)
    rng = np.random.default_rng(0)
    y, f = rng.integers(-1, 3, 50), rng.standard_normal((50, 3))
    total = fl.LossAccumulator(loss)
    for part in (slice(0, 20), slice(20, 50)):
        total.update(y[part], f[part])
    assert close(total.result(), loss(y, f))
    assert total.weight == pytest.approx(np.array([1.0, 2.0, 0.5, 0.0])[y].sum())


def test_groups() -> None:
    rng = np.random.default_rng(0)
    y, f, w = rng.integers(0, 4, 60), rng.standard_normal(60), rng.random(6)
    loss = fl.LambdaRank(k=5)
    total = fl.LossAccumulator(loss).update(y[:20], f[:20], w[:2], group=[10, 10])
    total.update(y[20:], f[20:], w[2:], qid=np.repeat([3, 1, 2, 5], 10))
    assert close(total.result(), loss(y, f, w, group=[10] * 6))


def test_sums_and_losses_of_users() -> None:
    class Square(fl.PointwiseLoss):
        def reference(y, f):
            r = f - y
            return r * r, 2 * r, 2 + 0 * r

    rng = np.random.default_rng(0)
    y, f, w = rng.standard_normal((3, 40))
    for loss in (Square(), 0.5 * Square() + 2 * fl.Huber(), 0.5 * fl.LogCosh() + 2 * fl.Huber()):
        total = fl.LossAccumulator(loss).update(y[:7], f[:7], w[:7] ** 2).update(y[7:], f[7:], w[7:] ** 2)
        assert total.result() == pytest.approx(loss(y, f, w**2), rel=1e-14)
    rows = fl.SparseCategoricalCrossEntropy(from_logits=True)
    y, f = rng.integers(0, 3, 40), rng.standard_normal((40, 3))
    loss = rows + fl.MultiMargin()
    assert fl.LossAccumulator(loss).update(y, f).result() == pytest.approx(loss(y, f), rel=1e-14)
    uneven = rows + fl.SparseCategoricalCrossEntropy(from_logits=True, class_weight=[1.0, 2.0, 3.0])
    with pytest.raises(TypeError, match="count samples differently"):
        fl.LossAccumulator(uneven).update(y, f)


def test_rounding_errors_are_kept() -> None:
    loss = fl.MeanAbsoluteError()
    total = fl.LossAccumulator(loss).update([0.0], [1e16])
    for _ in range(1000):
        total.update([0.0], [0.5])
    assert total.result("sum") == 1e16 + 500
    assert added((1.0, 0.0), (2.0**-80, 0.0)) == (1.0, 2.0**-80)


def test_infinite_and_undefined_values_stay() -> None:
    total = fl.LossAccumulator(fl.MeanAbsoluteError()).update([0.0], [np.inf]).update([0.0], [1.0])
    assert total.result() == np.inf
    assert math.isnan(total.update([0.0], [np.nan]).result("sum"))


def test_state() -> None:
    total = fl.LossAccumulator(fl.Huber(delta=0.5)).update([0.0, 0.1], [1.0, 1 / 3])
    for twin in (
        copy.deepcopy(total),
        pickle.loads(pickle.dumps(total)),
        fl.LossAccumulator.from_json(total.to_json()),
    ):
        assert twin == total
        assert twin.update([0.0], [9.0]) != total
    assert json.loads(total.to_json())["loss"] == {"name": "huber", "delta": 0.5}
    assert repr(total) == "<LossAccumulator of Huber(delta=0.5), weight 2>"


def test_bad_input() -> None:
    with pytest.raises(TypeError, match="Triplet has no sums over parts"):
        fl.LossAccumulator(fl.Triplet())
    with pytest.raises(ValueError, match="hubert"):
        fl.LossAccumulator("hubert")
    total = fl.LossAccumulator("poisson").update([1.0], [2.0])
    before = total.to_json()
    with pytest.raises(ValueError, match="y_true must be >= 0"):
        total.update([1.0, -1.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="n_threads"):
        total.update([1.0], [1.0], n_threads=0)
    with pytest.raises(TypeError, match="group"):
        total.update([1.0], [1.0], group=[1])
    assert total.to_json() == before
    with pytest.raises(ValueError, match="must accumulate Poisson"):
        total.merge(fl.LossAccumulator("gamma"))
    with pytest.raises(TypeError, match="other must be a LossAccumulator, got int"):
        total.merge(3)
    with pytest.raises(ValueError, match="reduction must be one of 'mean', 'sum', got 'none'"):
        total.result("none")
    with pytest.raises(ValueError, match="mean over nothing"):
        fl.LossAccumulator("poisson").update([], []).result()
    for text in ("{", "{}", "[1]", '{"loss": "huber", "sum": [1], "weight": []}'):
        with pytest.raises(ValueError, match="text must be what to_json returned"):
            fl.LossAccumulator.from_json(text)
