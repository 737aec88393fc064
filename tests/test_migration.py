"""The migration tables of the documentation are true: both sides of each row give the same numbers."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastloss as fl

TABLES: dict[str, list[dict[str, Any]]] = tomllib.loads(
    (Path(__file__).parents[1] / "docs/migration.toml").read_text(encoding="utf-8")
)
TOLERANCE = {"keras": 1e-6, "optax": 1e-9, "scipy": 1e-9, "sklearn": 1e-9, "torch": 1e-9}  # Keras converts to float32
OUT_OF_PROCESS = ("keras", "optax")  # they choose a backend or a precision for a whole process


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x)
    return e / e.sum(axis=-1, keepdims=True)


def data() -> dict[str, np.ndarray]:
    """What the tables call y, f, ...: see docs/migration.rst."""
    rng = np.random.default_rng(5)
    n, classes = 24, 4
    t = rng.integers(0, 2, n).astype(float)
    k = np.concatenate([np.arange(classes), rng.integers(0, classes, n - classes)])
    A, B, C = rng.standard_normal((3, n, 6))
    return {
        "y": rng.standard_normal(n),
        "f": rng.standard_normal(n),
        "w": rng.random(n) + 0.1,
        "r": rng.random(n) + 0.5,
        "q": rng.random(n) + 0.3,
        "n": rng.poisson(1.5, n).astype(float),
        "t": t,
        "s": 2 * t - 1,
        "p": rng.uniform(0.1, 0.9, n),
        "z": 2 * rng.standard_normal(n),
        "k": k,
        "Z": rng.standard_normal((n, classes)),
        "P": softmax(rng.standard_normal((n, classes))),
        "Q": softmax(rng.standard_normal((n, classes))),
        "O": np.eye(classes)[k],
        "c": rng.random(classes) + 0.5,
        "e": rng.integers(0, 5, n).astype(float),
        "A": A,
        "B": B,
        "C": C,
        "L": rng.standard_normal((4, 9, 6)),
        "l": rng.integers(1, 6, (4, 3)),
    }


def names(library: str) -> dict[str, Any]:
    """The data as a library takes them, and the library."""
    given: dict[str, Any] = data()
    if library == "torch":
        import torch

        return {key: torch.from_numpy(x) for key, x in given.items()} | {"torch": torch, "F": torch.nn.functional}
    if library == "keras":
        import keras

        return given | {"keras": keras}
    if library == "optax":
        import jax

        jax.config.update("jax_enable_x64", True)
        import jax.numpy as jnp
        import optax

        return {key: jnp.asarray(x) for key, x in given.items()} | {"optax": optax, "jnp": jnp}
    if library == "sklearn":
        import sklearn
        import sklearn._loss.loss
        import sklearn.metrics

        sklearn._loss = sklearn._loss.loss
        return given | {"sklearn": sklearn}
    import scipy
    import scipy.special
    import scipy.stats

    return given | {"scipy": scipy, "np": np}


def compare(library: str) -> None:
    theirs, ours = names(library), data() | {"fl": fl, "np": np}
    for row in TABLES[library]:
        expected = np.asarray(eval(row["theirs"], dict(theirs)), dtype=float)
        result = np.asarray(eval(row["ours"], dict(ours)))
        np.testing.assert_allclose(
            result, expected, rtol=row.get("tolerance", TOLERANCE[library]), err_msg=row["theirs"]
        )


@pytest.mark.parametrize("library", TABLES)
def test_both_sides_agree(library: str) -> None:
    for needed in (library, "torch") if library == "keras" else (library,):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed")
    if library not in OUT_OF_PROCESS:
        compare(library)
        return
    environment = {**os.environ, "KERAS_BACKEND": "torch", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", f"import test_migration as t; t.compare({library!r})"]
    here = Path(__file__).parent
    run = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_tables_are_not_empty() -> None:
    assert {library: len(rows) for library, rows in TABLES.items()}.keys() >= {"torch", "keras", "sklearn", "optax"}
    assert min(len(rows) for rows in TABLES.values()) >= 4
