"""The table of training times: it runs, and compares what it says it compares."""

import subprocess
import sys

import numpy as np
import pytest

import fastloss as fl
from fastloss import _bench_boosters as bench


def test_numpy_objectives_are_the_same_loss():
    rng = np.random.default_rng(0)
    y, z = rng.integers(0, 4, 50), rng.standard_normal((50, 4))
    expected = fl.CategoricalFocal(gamma=2.0, from_logits=True).gradient(y, z, reduction="sum")
    np.testing.assert_allclose(bench.numpy_softmax_focal(y, z)[0], expected, rtol=1e-10)


@pytest.mark.parametrize("library", sorted(bench.LIBRARIES))
def test_prints_a_table(library, capsys):
    pytest.importorskip(library)
    argv = ["--rows", "400", "--trees", "2", "--repeats", "1", "--threads", "1", "--library", library]
    assert bench.main(argv) == 0
    text = capsys.readouterr().out
    for words in (f"{library} ", "binary", "10 classes", "built in", "focal, NumPy"):
        assert words in text


def test_command_and_bad_arguments():
    command = [sys.executable, "-m", "fastloss", "bench", "boosters"]
    shown = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
    assert "python -m fastloss bench boosters" in shown
    wrong = subprocess.run([*command, "--rows", "0"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "argument --rows: must be at least 1, got 0" in wrong.stderr


def test_without_boosters_says_how_to_install(monkeypatch, capsys):
    monkeypatch.setattr(bench, "_installed", lambda name: None)
    assert bench.main([]) == 1
    assert "pip install 'fastloss[xgboost]'" in capsys.readouterr().out
