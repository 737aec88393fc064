"""`fastloss.testing`: built-in losses pass, and each broken promise is found and named."""

from __future__ import annotations

import numpy as np
import pytest
from support import default_losses

import fastloss as fl
from fastloss.testing import CHECKS, assert_loss_correct


@pytest.mark.parametrize("loss", default_losses(), ids=repr)
def test_built_in_losses_are_correct(loss) -> None:
    assert_loss_correct(loss)


@pytest.mark.parametrize("loss", ["huber", 0.3 * fl.LogCosh() + 0.7 * fl.Quantile(quantile=0.9)], ids=repr)
def test_names_and_sums(loss) -> None:
    if isinstance(loss, str):
        assert_loss_correct(loss, random_state=3)
    else:
        with pytest.raises(TypeError, match="PointwiseLoss"):
            assert_loss_correct(3.0)
        assert_loss_correct(loss)


class Square(fl.PointwiseLoss):
    def reference(y, f):
        r = f - y
        return r * r / 2, r, np.ones_like(r)


def broken(name: str, function) -> type:
    return type(name, (Square,), {"reference": function})


class Jumps(Square):
    def reference(y, f):
        r = f - y
        return r * r / 2 + np.floor(1e4 * f), r, np.ones_like(r)


class NotAMinimum(Square):
    def reference(y, f):
        r = f - y
        return r * r / 2, r, np.ones_like(r)

    def _init_score(self, y, w):
        return 3.0


class Unequal(Square):
    def reference(y, f):
        r = f - y
        return r * r / 2, r, np.ones_like(r)

    def __eq__(self, other):
        return self is other

    __hash__ = object.__hash__


BROKEN = [
    (broken("Gradient", lambda y, f: ((f - y) ** 2 / 2, y - f, 1 + 0 * f)), "gradient is the derivative"),
    (broken("Hessian", lambda y, f: ((f - y) ** 2 / 2, f - y, 2 + 0 * f)), "hessian is the derivative"),
    (broken("Factor", lambda y, f: ((f - y) ** 2, f - y, 1 + 0 * f)), "gradient is the derivative"),
    (broken("Mean", lambda y, f: ((f - np.mean(f)) ** 2, f - y, 1 + 0 * f)), "does not change the results of others"),
    (broken("Order", lambda y, f: ((f - y) ** 2 / 2 * np.arange(len(f)), f - y, 1 + 0 * f)), "results of others"),
    (Jumps, "jumps"),
    (NotAMinimum, "No constant near that of"),
    (Unequal, "Copies are equal"),
]


@pytest.mark.parametrize(("loss", "message"), BROKEN, ids=lambda x: getattr(x, "__name__", ""))
def test_broken_losses_are_found(loss, message) -> None:
    with pytest.raises(AssertionError, match=message):
        assert_loss_correct(loss())


def test_data_of_the_user() -> None:
    assert_loss_correct(Square(), [0.0, 1.0, 2.0], [0.5, 0.5, 9.0])
    with pytest.raises(ValueError, match="together"):
        assert_loss_correct(Square(), [0.0])
    with pytest.raises(ValueError, match="y_true must be >= 0"):
        assert_loss_correct("poisson", [-1.0], [1.0])
    with pytest.raises(TypeError, match=r"must be a PointwiseLoss.*, got Triplet"):
        assert_loss_correct(fl.Triplet())


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_each_promise_is_stated(check) -> None:
    assert check.__doc__.splitlines()[0].endswith(".")
