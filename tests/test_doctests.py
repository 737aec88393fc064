"""Every example in a docstring runs and shows what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import fastloss

MODULES = [
    module.name
    for module in pkgutil.walk_packages(fastloss.__path__, "fastloss.")
    if not module.name.endswith("__main__")
]


def imported(name: str) -> ModuleType | None:
    """The module; None if it is an adapter whose library is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        if not name.startswith("fastloss.adapters."):
            raise
        return None


@pytest.mark.parametrize("name", ["fastloss", *MODULES])
def test_examples(name: str) -> None:
    if name.startswith("fastloss.plotting"):
        pytest.importorskip("matplotlib").use("Agg")
    module = imported(name)
    if module is None:
        pytest.skip("needs a library that is not installed")
    failed, _ = doctest.testmod(module, verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0
    if name.startswith("fastloss.plotting"):
        importlib.import_module("matplotlib.pyplot").close("all")


DOCS = Path(__file__).parents[1] / "docs"
TUTORIALS = [
    *sorted((DOCS / "tutorials").glob("*.rst")),
    *(DOCS / f"{name}.rst" for name in ("guide", "monitor", "plotting")),
]


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_tutorials(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for library in ("lightgbm", "sklearn", "matplotlib"):
        if library in text and ".. autoclass" not in text:
            pytest.importorskip(library)
    if path.stem == "plotting":
        pytest.importorskip("matplotlib").use("Agg")
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    failed, _ = doctest.testfile(str(path), module_relative=False, optionflags=options)
    assert failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    modules = [module for name in MODULES if (module := imported(name)) is not None]
    examples = [test for module in modules for test in finder.find(module) if test.examples]
    assert len(examples) >= len(fastloss.list_losses())
