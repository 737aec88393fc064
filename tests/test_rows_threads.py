"""Row losses: threads never change a bit, whether there are many rows or one long one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from rows import default_row_losses, draw_rows, every_form, outputs, sized
from support import same

import fastloss as fl

SHAPES = [(1, 200_000), (3, 50_000), (20_001, 3), (2003, 33)]
# Two threads on two busy processors wait actively, which is slow: once is enough.
PLAN = [
    (np.float64, np.ascontiguousarray, (2, 3, 7)),
    (np.float64, np.asfortranarray, (3, 7)),
    (np.float32, np.ascontiguousarray, (3, 7)),
    (np.float32, np.asfortranarray, (7,)),
]
of_any_size = pytest.mark.parametrize(
    ("loss", "n", "k"),
    [(x, n, k) for x in default_row_losses() for n, k in SHAPES if k < 1000 or type(x) is not fl.MultiQuantile],
    ids=repr,
)


@of_any_size
def test_number_of_threads_changes_nothing(loss, n, k, rng) -> None:
    loss = sized(loss, k)
    labels, rows = draw_rows(loss, n, k, rng)
    w = rng.random(n)
    for dtype, layout, counts in PLAN:
        y, f = (x.astype(dtype) if x.dtype.kind == "f" else x for x in (labels, rows))
        given = y, layout(f), w
        serial = loss.evaluate(*given, outputs=outputs(loss), n_threads=1)
        for threads in counts:
            assert same(loss.evaluate(*given, outputs=outputs(loss), n_threads=threads), serial)


@of_any_size
def test_threads_and_an_output_over_the_input(loss, n, k, rng) -> None:
    loss = sized(loss, k)
    y, f = draw_rows(loss, n, k, rng)
    expected = loss.gradient(y, f, n_threads=1)
    for threads in (1, 3, 7):
        mine = f.copy()
        assert loss.gradient(y, mine, out=mine, n_threads=threads) is mine
        assert same(mine, expected)


def test_threads_over_thousands_of_quantiles(rng) -> None:
    loss = fl.MultiQuantile(quantiles=rng.uniform(0.01, 0.99, 40_000))
    y, f = draw_rows(loss, 2, 40_000, rng)
    serial = loss.evaluate(y, f, n_threads=1)
    for threads in (2, 3, 7):
        assert same(loss.evaluate(y, f, n_threads=threads), serial)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("loss", "form"), every_form(default_row_losses()), ids=repr)
def test_sums_are_right_to_the_last_bits(loss, form, rng, dtype) -> None:
    y, f = draw_rows(loss, 9000, 3, rng, form=form)
    y, f = (x.astype(dtype) if x.dtype.kind == "f" else x for x in (y, f))
    w = (rng.random(9000) * 10.0 ** rng.integers(-6, 6, 9000)).astype(dtype)
    terms = loss(y, f, reduction="none").astype(float) * w.astype(float)
    exact, size = math.fsum(terms), math.fsum(np.abs(terms))
    assert abs(loss(y, f, w, reduction="sum") - exact) <= 2 * np.finfo(float).eps * size
    total = math.fsum(w.astype(float))
    assert abs(loss(y, f, w) - exact / total) <= 4 * np.finfo(float).eps * size / total
    assert loss.value_and_gradient(y, f, w)[0] == loss(y, f, w)


def test_a_user_may_forbid_threads(rng) -> None:
    loss = fl.SparseCategoricalCrossEntropy(from_logits=True)
    y, f = draw_rows(loss, 5000, 10, rng)
    expected = loss.value_and_gradient(y, f, n_threads=7)
    with fl.num_threads(1):
        assert same(loss.value_and_gradient(y, f), expected)
    with pytest.raises(ValueError, match="n_threads"):
        loss(y, f, n_threads=0)
