"""Losses of JAX arrays and Keras losses, in processes of their own: later forks complain of the threads of JAX."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(cases: str, tmp_path: Path, **environment: str) -> None:
    """Run a file of tests that pytest does not collect by itself."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(Path(__file__).parent / cases)]
    env = os.environ | {"KERAS_HOME": str(tmp_path), "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1"} | environment
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


def missing(*modules: str) -> bool:
    return any(importlib.util.find_spec(module) is None for module in modules)


@pytest.mark.skipif(missing("jax"), reason="needs JAX")
@pytest.mark.parametrize("x64", ["0", "1"], ids=["float32", "float64"])
def test_jax(x64, tmp_path) -> None:
    run("adapter_jax_cases.py", tmp_path, JAX_ENABLE_X64=x64)


@pytest.mark.parametrize(
    "backend",
    [pytest.param(b, marks=pytest.mark.skipif(missing("keras", b), reason="needs Keras")) for b in ("torch", "jax")],
)
def test_keras(backend, tmp_path) -> None:
    run("adapter_keras_cases.py", tmp_path, KERAS_BACKEND=backend)
