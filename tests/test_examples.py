"""Every example runs and prints what it found."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
NEEDS = ("catboost", "lightgbm", "matplotlib", "scipy", "sklearn", "torch", "xgboost")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_runs(example, tmp_path):
    source = example.read_text()
    for library in NEEDS:
        if library in source or (library == "matplotlib" and "fastloss.plotting" in source):
            pytest.importorskip(library)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    command = [sys.executable, "-W", "error::RuntimeWarning", str(example)]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert len(run.stdout.splitlines()) >= 3
    assert not list(tmp_path.iterdir()), "an example left files behind"


def test_there_are_examples():
    assert EXAMPLES
