"""Fixtures. A test with an argument `loss` runs for every parameter set, one with `default_loss` for the defaults."""

from __future__ import annotations

import numpy as np
import pytest
from support import default_losses, losses

import fastloss as fl
from fastloss._core import pointwise


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    explicit = {mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")}
    for argument, objects in {"loss": losses, "default_loss": default_losses}.items():
        if argument in metafunc.fixturenames and argument not in explicit:
            metafunc.parametrize(argument, objects(), ids=repr)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240229)


@pytest.fixture(params=pointwise.instruction_sets())
def instruction_set(request: pytest.FixtureRequest):
    """Each instruction set that this machine runs, in turn."""
    before = pointwise.instruction_set_in_use()
    pointwise.use_instruction_set(request.param)
    yield request.param
    pointwise.use_instruction_set(before)


@pytest.fixture(autouse=True)
def _default_threads():
    """Leave no setting behind."""
    yield
    fl.set_num_threads(None)
