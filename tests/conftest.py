"""Fixtures.

A test with an argument `loss` runs for every parameter set of the pointwise losses, with `row_loss` for those of the
row losses; `default_loss` and `default_row_loss` take default parameters.
"""

from __future__ import annotations

import numpy as np
import pytest
from rows import default_row_losses, row_losses
from support import default_losses, losses

import fastloss as fl
from fastloss._core import machine

ARGUMENTS = {
    "loss": losses,
    "default_loss": default_losses,
    "row_loss": row_losses,
    "default_row_loss": default_row_losses,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marks = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    explicit = {name.strip() for given in marks for name in (given.split(",") if isinstance(given, str) else given)}
    for argument, objects in ARGUMENTS.items():
        if argument in metafunc.fixturenames and argument not in explicit:
            metafunc.parametrize(argument, objects(), ids=repr)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240229)


@pytest.fixture(params=machine.instruction_sets())
def instruction_set(request: pytest.FixtureRequest):
    """Each instruction set that this machine runs, in turn."""
    before = machine.instruction_set_in_use()
    machine.use_instruction_set(request.param)
    yield request.param
    machine.use_instruction_set(before)


@pytest.fixture(autouse=True)
def _default_threads():
    """Leave no setting behind."""
    yield
    fl.set_num_threads(None)
