"""scikit-learn's own tests of its losses, run on ours behind its interface.

The test functions are those of the installed version. A copy of their module is loaded in which its losses are ours;
each set of parameters with a loss that both have becomes a test here.
"""

from __future__ import annotations

import importlib.util
import inspect
import itertools
from typing import Any
from unittest import mock

import numpy as np
import pytest

import fastloss as fl
from fastloss.adapters.sklearn import hist_gradient_boosting_loss

pytest.importorskip("sklearn")

OURS = {
    "HalfSquaredError": fl.HalfSquaredError,
    "AbsoluteError": fl.MeanAbsoluteError,
    "PinballLoss": lambda quantile=0.5: fl.Quantile(quantile=quantile),
    "HuberLoss": lambda quantile=0.9, delta=0.5: fl.Huber(delta=delta),
    "HalfPoissonLoss": fl.Poisson,
    "HalfGammaLoss": fl.Gamma,
    "HalfTweedieLoss": lambda power=1.5: fl.Tweedie(power=power),
    "HalfBinomialLoss": fl.BinaryCrossEntropy,
    "HalfMultinomialLoss": fl.SparseCategoricalCrossEntropy,
}
"""ExponentialLoss is missing: its targets may be shares of classes, ours are labels."""

NOT_RUN = {
    "test_loss_init_parameter_validation": "messages of its constructors",
    "test_init_gradient_and_hessian_raises": "calls nothing of ours",
    "test_cy_loss_classes_module": "calls nothing of ours",
    "test_multinomial_cy_gradient": "a method of its compiled class",
    "test_multinomial_loss_fit_intercept_only": "has labels outside of 0 ... K - 1, which ours refuse",
}


def differs(name: str, values: dict[str, Any]) -> bool:
    """Where ours is another by design."""
    if name == "test_sample_weight_multiplies":  # its random weights are negative, which ours refuse
        return values["sample_weight"] == "random"
    if name == "test_specific_fit_intercept_only":  # of all minimisers it has another one than numpy.percentile
        return values["loss"].of == fl.Quantile(quantile=0.25)
    if name == "test_tweedie_log_identity_consistency":  # asks for perfect predictions of negative targets by exp
        return values["p"] == 0
    return False


def load() -> Any:
    """Its test module with our losses, and the class that ours have."""
    spec = importlib.util.find_spec("sklearn._loss.tests.test_loss")
    if spec is None:
        pytest.skip("this build of scikit-learn comes without its tests", allow_module_level=True)
    from sklearn._loss import loss as theirs

    hist_gradient_boosting_loss("huber")  # what it imports sees the losses as they are

    def replaced(name: str, their_class: Any) -> Any:
        def make(sample_weight: Any = None, n_classes: int | None = None, **parameters: Any) -> Any:
            try:
                ours = OURS[name](**parameters)
            except (KeyError, TypeError, ValueError):  # a loss or a parameter that we do not have
                return their_class(**parameters)
            n_classes = n_classes or (3 if name == "HalfMultinomialLoss" else None)
            return hist_gradient_boosting_loss(ours, n_classes=n_classes)

        make.name = name
        return make

    classes = {cls.__name__: replaced(cls.__name__, cls) for cls in theirs._LOSSES.values()}
    losses = {key: classes[cls.__name__] for key, cls in theirs._LOSSES.items()}
    module = importlib.util.module_from_spec(spec)
    with mock.patch.multiple(theirs, _LOSSES=losses, **classes):
        spec.loader.exec_module(module)
    return module


SUITE = load()


def is_ours(value: Any) -> bool:
    from fastloss.adapters._hist_gradient_boosting import HistGradientBoostingLoss

    if hasattr(value, "name"):
        return value.name in OURS
    return not hasattr(value, "closs") or isinstance(value, HistGradientBoostingLoss)


def sets_of_parameters(function: Any) -> list[dict[str, Any]]:
    """Every combination that its marks ask for, without losses that are not ours."""
    axes = []
    for mark in getattr(function, "pytestmark", []):
        if mark.name == "parametrize":
            names = [name.strip() for name in mark.args[0].split(",")]
            values = [value if len(names) > 1 else (value,) for value in mark.args[1]]
            axes.append([dict(zip(names, value, strict=True)) for value in values])
    combined = ({k: v for part in parts for k, v in part.items()} for parts in itertools.product(*axes))
    return [values for values in combined if all(map(is_ours, values.values()))]


def functions() -> list[str]:
    return [
        name
        for name, function in vars(SUITE).items()
        if name.startswith("test_")
        and name not in NOT_RUN
        and "namespace" not in inspect.signature(function).parameters
    ]


@pytest.mark.parametrize("name", functions())
def test_suite(name) -> None:
    function = getattr(SUITE, name)
    fixtures = {"global_random_seed": 42, "global_dtype": np.float64}
    wanted = inspect.signature(function).parameters
    given = {key: value for key, value in fixtures.items() if key in wanted}
    runs = 0
    for values in sets_of_parameters(function):
        if differs(name, values):
            continue
        runs += 1
        try:
            function(**values, **given)
        except Exception as error:
            error.add_note(f"with {values}")
            raise
    assert runs > 0


def test_every_loss_of_ours_is_in_it() -> None:
    tried = {type(loss.of).__name__ for loss in SUITE.LOSS_INSTANCES if is_ours(loss)}
    assert len(tried) == len(OURS)
    assert tried >= {"Poisson", "Gamma", "Tweedie", "BinaryCrossEntropy", "SparseCategoricalCrossEntropy"}
