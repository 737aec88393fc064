"""Losses as objects: names, parameters, equality, copies, configurations, metadata."""

from __future__ import annotations

import copy
import dataclasses
import importlib.metadata
import inspect
import json
import math
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from rows import RowLoss, default_row_losses, draw_rows, n_classes, row_losses
from support import default_losses, draw, losses

import fastloss as fl
from fastloss._domains import ClassLabels, Interval, Labels
from fastloss._links import Link

every_loss = pytest.mark.parametrize("loss", [*losses(), *row_losses()], ids=repr)
every_default_loss = pytest.mark.parametrize("loss", [*default_losses(), *default_row_losses()], ids=repr)

# ---- names ----------------------------------------------------------------------------------------------------------


PRESETS = {"clip": {"symmetric": True}}  # parameters that an alias stands for


def test_every_name_and_alias_builds_its_loss() -> None:
    seen: dict[str, str] = {}
    for name in fl.list_losses():
        loss = fl.get(name)
        cls = type(loss)
        assert loss.info.name == name
        assert getattr(fl, cls.__name__) is cls
        assert cls.__name__ in fl.__all__
        for spelling in (name, cls.__name__, name.upper(), f" {name} ", *loss.info.aliases):
            assert fl.get(spelling) == cls(**PRESETS.get(spelling, {}))
        for spelling in {name, *loss.info.aliases}:
            assert re.fullmatch(r"[a-z][a-z0-9_]*", spelling)
            assert seen.setdefault(spelling, name) == name


def test_get_takes_parameters_configurations_and_losses() -> None:
    huber = fl.Huber(delta=1.5)
    assert fl.get("huber", delta=1.5) == huber
    assert fl.get({"name": "huber", "delta": 1.5}) == huber
    assert fl.get({"name": "HUBER_LOSS"}) == fl.Huber()
    assert fl.get(huber) is huber


@pytest.mark.parametrize(
    ("identifier", "parameters", "error", "message"),
    [
        ("hubr", {}, ValueError, r"unknown loss 'hubr'; did you mean 'huber'"),
        ("Hubber", {}, ValueError, r"did you mean 'huber'"),
        ("qqqqqqqq", {}, ValueError, r"unknown loss 'qqqqqqqq'; see fastloss.list_losses\(\)"),
        ("", {}, ValueError, "unknown loss ''"),
        (3, {}, TypeError, "identifier must be a name, a configuration or a loss, got int"),
        (None, {}, TypeError, "got NoneType"),
        (fl.Huber, {}, TypeError, "got type|got ABCMeta"),
        ({"delta": 1.0}, {}, ValueError, r"configuration must have the key 'name', got \['delta'\]"),
        ({"name": "huber"}, {"delta": 2.0}, TypeError, "into the configuration"),
        ({"name": 3}, {}, TypeError, "identifier must be"),
        (fl.Huber(), {"delta": 2.0}, TypeError, "takes no parameters"),
        ("huber", {"gamma": 2.0}, TypeError, "gamma"),
        ("huber", {"delta": -1.0}, ValueError, "delta must be > 0, got -1.0"),
    ],
)
def test_get_errors(identifier, parameters, error, message) -> None:
    with pytest.raises(error, match=message):
        fl.get(identifier, **parameters)


def test_list_losses_searches_every_field() -> None:
    names = fl.list_losses()
    assert len(set(names)) == len(names) > 30
    for field in dataclasses.fields(fl.LossInfo):
        found = {name: getattr(fl.get(name).info, field.name) for name in names}
        for wanted in found.values():
            assert fl.list_losses(**{field.name: wanted}) == [name for name in names if found[name] == wanted]
    bounded = [name for name in names if math.isfinite(fl.get(name).info.lipschitz)]
    assert fl.list_losses(lipschitz=True) == bounded
    assert fl.list_losses(lipschitz=False) == [name for name in names if name not in bounded]
    both = fl.list_losses(family="regression", convex=True)
    assert both == [x for x in fl.list_losses(family="regression") if x in fl.list_losses(convex=True)]
    assert fl.list_losses(family="poetry") == []
    with pytest.raises(TypeError, match=r"criteria must be among .*, got 'smooth'"):
        fl.list_losses(smooth=True)


# ---- objects --------------------------------------------------------------------------------------------------------


@every_loss
def test_copies_are_equal(loss, rng) -> None:
    copies = [copy.copy(loss), copy.deepcopy(loss), eval(repr(loss), vars(fl).copy())]
    copies += [pickle.loads(pickle.dumps(loss, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    copies += [fl.get(json.loads(json.dumps(loss.config(), allow_nan=False)))]
    for other in copies:
        assert other == loss
        assert hash(other) == hash(loss)
        assert repr(other) == repr(loss)
        assert type(other) is type(loss)
        assert other.config() == loss.config()
    y, f = draw_rows(loss, 20, n_classes(loss), rng) if isinstance(loss, RowLoss) else draw(loss, 20, rng)
    assert copies[3](y, f) == loss(y, f)


@every_loss
def test_different_losses_are_different(loss) -> None:
    assert loss != loss.info.name
    assert loss != fl.GaussianNLL(full=True, log_variance=True, eps=0.0) or type(loss) is fl.GaussianNLL
    for field in dataclasses.fields(loss):
        value = getattr(loss, field.name)
        if isinstance(value, float) and math.isfinite(value) and 0 < value < 1 and field.name != "eps":
            assert dataclasses.replace(loss, **{field.name: value / 2 if value != 0.5 else 0.75}) != loss


def test_losses_of_one_shape_of_parameters_are_not_confused() -> None:
    assert fl.Cauchy(c=2.0) != fl.Welsch(c=2.0)
    assert len({fl.Cauchy(c=2.0), fl.Welsch(c=2.0), fl.Cauchy(c=2.0), fl.Cauchy(c=2)}) == 2


@every_loss
def test_losses_are_immutable(loss) -> None:
    for name in (*(field.name for field in dataclasses.fields(loss)), "anything"):
        with pytest.raises(AttributeError):
            setattr(loss, name, 1.0)
    with pytest.raises(AttributeError):
        del loss._kernel


@every_default_loss
def test_parameters_are_keyword_only_and_checked(loss) -> None:
    cls = type(loss)
    fields = dataclasses.fields(loss)
    assert all(p.kind is p.KEYWORD_ONLY for p in inspect.signature(cls).parameters.values())
    with pytest.raises(TypeError):
        cls(1.0)
    with pytest.raises(TypeError, match="colour"):
        cls(colour=1.0)
    for field in fields:
        name, default = field.name, field.default
        with pytest.raises((TypeError, ValueError), match=f"^{name} must be"):
            cls(**{name: "much"})
        if isinstance(default, bool) and name != "full":
            with pytest.raises(TypeError, match=f"^{name} must be True or False, got 1"):
                cls(**{name: 1})
        elif isinstance(default, float):
            for bad in (None, True, 1j, [1.0], np.ones(2)):
                with pytest.raises(TypeError, match=f"^{name} must be"):
                    cls(**{name: bad})
            with pytest.raises(ValueError, match=f"^{name} must be .*, got nan"):
                cls(**{name: math.nan})
            with pytest.raises(ValueError, match=f"^{name} must be .*, got inf"):
                cls(**{name: math.inf})
            assert type(getattr(cls(**{name: np.float32(default)}), name)) is float


@pytest.mark.parametrize(
    ("name", "bad", "message"),
    [
        ("Huber", {"delta": 0.0}, "delta must be > 0, got 0.0"),
        ("Huber", {"delta": -1.0}, "delta must be > 0, got -1.0"),
        ("Quantile", {"quantile": 1.0}, "quantile must be > 0 and < 1, got 1.0"),
        ("Quantile", {"quantile": 0}, "quantile must be > 0 and < 1, got 0"),
        ("Expectile", {"expectile": 1.5}, "expectile must be > 0 and < 1, got 1.5"),
        ("EpsilonInsensitive", {"epsilon": -0.1}, "epsilon must be >= 0, got -0.1"),
        ("GeneralRobust", {"alpha": 2.5}, "alpha must be <= 2, got 2.5"),
        ("Linex", {"a": 0.0}, "a must be != 0, got 0.0"),
        ("Tweedie", {"power": 0.5}, "power"),
        ("Tweedie", {"power": -1.0}, "power"),
        ("Poisson", {"full": 1}, "full must be one of False, True, 'stirling', got 1"),
        ("BinaryFocal", {"alpha": 1.0}, "alpha must be > 0 and < 1, got 1.0"),
        ("BinaryCrossEntropy", {"eps": 1e-7, "from_logits": True}, "eps"),
        ("BinaryCrossEntropy", {"eps": 0.5}, "eps must be >= 0 and < 0.5, got 0.5"),
        ("AsymmetricFocal", {"clip": 1.0}, "clip must be >= 0 and < 1, got 1.0"),
        ("GaussianNLL", {"eps": 1e-6, "log_variance": True}, "eps"),
        ("StudentTNLL", {"df": 0.0}, "df must be > 0, got 0.0"),
    ],
)
def test_ranges_of_parameters(name, bad, message) -> None:
    with pytest.raises(ValueError, match=message):
        getattr(fl, name)(**bad)


def test_parameters_may_be_integers_and_numpy_scalars() -> None:
    for one in (1, np.int64(1), np.float64(1), np.float32(1)):
        assert fl.Huber(delta=one) == fl.Huber(delta=1.0)
        assert repr(fl.Huber(delta=one)) == "Huber(delta=1.0)"
    assert fl.Poisson(log_input=np.True_) == fl.Poisson(log_input=True)
    assert fl.GeneralRobust(alpha=-math.inf).config()["alpha"] == "-inf"


# ---- metadata -------------------------------------------------------------------------------------------------------


@every_loss
def test_info(loss) -> None:
    info = loss.info
    assert info.family in ("regression", "counts", "distributions", "binary", "multiclass")
    assert info.differentiability in ("C0", "C1", "C2", "C-inf")
    assert info.outliers in ("low", "high", "redescending")
    assert info.proper in (None, True, False)
    assert isinstance(info.convex, bool)
    assert isinstance(info.lipschitz, float)
    assert info.lipschitz > 0
    assert info.formula
    assert info.elicits
    assert re.search(r"\b1[6-9]\d\d\b|\b20\d\d\b", info.reference), "the reference has a year"
    assert isinstance(info.link, Link)
    assert isinstance(info.y_domain, Interval | Labels | ClassLabels)
    if isinstance(loss, RowLoss):
        assert isinstance(info.f_domain, Interval)
        assert loss.n_predictions == 0
    else:
        assert all(isinstance(domain, Interval) for domain in loss.f_domains)
        assert len(loss.f_domains) == loss.n_predictions
    assert info.default_hessian == loss.default_hessian
    assert loss.link == info.link
    if type(loss) is not fl.CosineSimilarity:  # the one without
        assert loss.default_hessian in loss.hessian_policies
        assert {"exact", "unit", "absolute_gradient"} <= set(loss.hessian_policies)
    with pytest.raises(dataclasses.FrozenInstanceError):
        info.convex = True
    hash(info)


@every_default_loss
def test_docstrings(loss) -> None:
    text = inspect.getdoc(type(loss)) or ""
    for section in ("Examples\n---", "References\n---", ">>> "):
        assert section in text
    for field in dataclasses.fields(loss):
        assert re.search(rf"^{field.name} : ", text, re.MULTILINE), f"{field.name} is documented"


def test_names_of_the_package(capsys) -> None:
    assert fl.__version__ == importlib.metadata.version("fastloss")
    assert all(hasattr(fl, name) for name in fl.__all__)
    assert len(set(fl.__all__)) == len(fl.__all__)
    fl.show_versions()
    shown = capsys.readouterr().out
    for word in (fl.__version__, np.__version__, "instruction set", "openmp", "threads", "compiler"):
        assert word in shown


def test_subpackages_are_imported_on_first_use() -> None:
    code = """
import sys
import fastloss as fl
assert "fastloss.adapters" not in sys.modules
assert "fastloss.reference" not in sys.modules
assert fl.adapters.lightgbm.objective("huber").loss == fl.Huber()
assert fl.reference.Reference is sys.modules["fastloss.reference"].Reference
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        _ = fl.missing
