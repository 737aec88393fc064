"""The command line, the demonstration and the progress reports."""

import dataclasses
import io
import re
import subprocess
import sys
import types

import numpy as np
import pytest
from support import pointwise_names

import fastloss as fl
from fastloss import _demo, _progress
from fastloss._text import aligned
from fastloss.cli import main


def output(capsys, *argv):
    assert main(argv) == 0
    return capsys.readouterr().out


def fails(capsys, *argv):
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    assert stopped.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("command", [(), ("demo",), ("info",), ("list",), ("guide",)])
def test_help(capsys, command):
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])
    assert stopped.value.code == 0
    assert f"python -m fastloss {' '.join(command)}".strip() in capsys.readouterr().out


def test_offers_exactly_its_commands(capsys):
    message = fails(capsys, "nonsense")
    for command in ("demo", "info", "list", "guide", "bench"):
        assert command in message
    assert "sandbox" not in message
    assert "required" in fails(capsys)


def test_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"fastloss {fl.__version__}\n"


def test_info_prints_versions(capsys):
    printed = output(capsys, "info")
    fl.show_versions()
    shown = capsys.readouterr().out
    assert [line.split() for line in printed.splitlines()] == [line.split() for line in shown.splitlines()]


@pytest.mark.parametrize("name", fl.list_losses())
def test_info_of_a_loss(capsys, name):
    loss = fl.get(name)
    printed = output(capsys, "info", name)
    assert printed.startswith(f"{type(loss).__name__}: ")
    for text in (repr(loss), loss.info.formula, loss.info.reference, str(loss.info.y_domain), loss.default_hessian):
        assert text in printed
    assert ("on raw scale" in printed) == (loss.on_raw() != loss)


def test_info_knows_aliases_and_suggests(capsys):
    assert output(capsys, "info", "MSE").startswith("MeanSquaredError: ")
    assert "did you mean 'huber'" in fails(capsys, "info", "hubr")


def test_list_shows_every_loss(capsys):
    lines = output(capsys, "list").splitlines()
    shown = [line.split()[0] for line in lines[1:] if line][:-1]
    assert shown == fl.list_losses()
    assert lines[-1].startswith(f"{len(shown)} of {len(shown)} losses")


@pytest.mark.parametrize(
    ("options", "criteria"),
    [
        (("--family", "binary"), {"family": "binary"}),
        (("--convex",), {"convex": True}),
        (("--no-convex",), {"convex": False}),
        (("--proper",), {"proper": True}),
        (("--no-lipschitz", "--family", "regression"), {"lipschitz": False, "family": "regression"}),
        (("--outliers", "redescending"), {"outliers": "redescending"}),
        (("--differentiability", "C1"), {"differentiability": "C1"}),
    ],
)
def test_list_filters(capsys, options, criteria):
    expected = fl.list_losses(**criteria)
    assert 0 < len(expected) < len(fl.list_losses())
    assert output(capsys, "list", "--names", *options).split() == expected
    assert f"\n{len(expected)} of {len(fl.list_losses())} losses" in output(capsys, "list", *options)


def test_list_of_nothing(capsys):
    nothing = ("list", "--family", "regression", "--proper")
    assert fl.list_losses(family="regression", proper=True) == []
    assert output(capsys, *nothing, "--names") == ""
    assert f"\n0 of {len(fl.list_losses())} losses" in output(capsys, *nothing)


def test_wrong_option(capsys):
    assert "invalid choice: 'fruit'" in fails(capsys, "list", "--family", "fruit")
    assert "invalid positive integer value: '0'" in fails(capsys, "demo", "--rows", "0")


def test_bench_gets_its_arguments(monkeypatch):
    seen = []
    fake = types.ModuleType("fastloss._bench")
    fake.main = lambda argv: seen.append(argv) or 7
    monkeypatch.setitem(sys.modules, "fastloss._bench", fake)
    assert main(["bench", "--help", "x"]) == 7
    assert seen == [["--help", "x"]]


def test_runs_as_a_module():
    run = subprocess.run(
        [sys.executable, "-m", "fastloss", "list", "--names"], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == fl.list_losses()
    assert run.stderr == ""


@pytest.mark.skipif(sys.platform == "win32", reason="no broken pipes there")
def test_reader_that_leaves_is_no_error():
    process = subprocess.Popen(
        [sys.executable, "-m", "fastloss", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    assert process.wait() == 1
    with process.stderr as stream:
        assert stream.read() == ""


def test_aligned():
    rows = [("a", "bb"), ("ccc", 1)]
    assert aligned(rows) == "a    bb\nccc  1"
    assert aligned(rows, numbers=True) == "a    bb\nccc   1"


# ---- demonstration --------------------------------------------------------------------------------------------------


def test_demo_says_what_is_missing(capsys, monkeypatch):
    for module in ("lightgbm", "xgboost"):
        monkeypatch.setitem(sys.modules, module, None)
    assert main(["demo"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "LightGBM or XGBoost" in printed.err
    assert "pip install 'fastloss[demo]'" in printed.err


@pytest.mark.parametrize("left_out", ["lightgbm", "xgboost"])
def test_demo(capsys, monkeypatch, left_out):
    pytest.importorskip("sklearn")
    other = {"lightgbm": "xgboost", "xgboost": "lightgbm"}[left_out]
    pytest.importorskip(other)
    monkeypatch.setitem(sys.modules, left_out, None)
    monkeypatch.setattr(_demo, "TIMING", 0.0)
    printed = output(capsys, "demo", "--rounds", "2", "--rows", "2000", "--elements", "300")
    assert f"{left_out} is not installed and left out: pip install 'fastloss[demo]'" in printed
    quality = re.search(rf"^{other} (?:.*\n)+?\n", printed, re.MULTILINE).group().splitlines()
    rows = [re.split("  +", line) for line in quality[1:5]]
    assert [row[0] for row in rows] == [_demo.BUILT_IN, _demo.FOCAL, _demo.EXACT, _demo.NUMPY]
    for row in rows:
        assert 0.5 < float(row[1]) < 1
        assert 0.8 < float(row[2]) < 1
    gap = re.search(r"largest difference of a probability .*: (\S+)\.\n", printed).group(1)
    assert float(gap) < 1e-5
    table = {line.split()[0]: line.split()[1:4] for line in printed.splitlines() if line.endswith(" x")}
    for name in pointwise_names():
        assert max(map(float, table[name])) < 1e-9


def test_demos_numpy_focal_is_the_loss():
    rng = np.random.default_rng(0)
    y, z = rng.integers(0, 2, 500).astype(float), rng.normal(scale=3, size=500)
    loss = fl.BinaryFocal(gamma=2.0).on_raw()
    for got, expected in zip(_demo.numpy_focal(y, z), loss.gradient_and_hessian(y, z, reduction="sum"), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


def test_gap():
    inf, nan = np.inf, np.nan
    assert _demo._gap(np.array([inf, nan, 1.0]), np.array([inf, nan, 1.0])) == 0
    assert _demo._gap(np.array([0.5]), np.array([0.25])) == 0.25
    assert _demo._gap(np.array([101.0]), np.array([100.0])) == 0.01
    for wrong in (inf, nan):
        assert not _demo._gap(np.array([wrong]), np.array([1.0])) < inf


@pytest.mark.parametrize("name", pointwise_names())
def test_demo_draws_within_the_domains(name):
    loss = fl.get(name)
    y, f = _demo._draw(loss, 200, np.random.default_rng(0))
    assert loss.info.y_domain.contains(y).all()
    assert np.isfinite(loss(y, f))


# ---- progress -------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Clock:
    now: float = 100.0

    def monotonic(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(_progress, "time", clock)
    return clock


def report(clock, stream, steps, seconds):
    with _progress.Progress("work", steps, stream) as progress:
        for k in range(steps):
            clock.now += seconds
            progress.step(f"step {k}")
    return stream.getvalue()


def test_short_work_is_silent(clock):
    assert report(clock, Terminal(), 10, 0.19) == ""
    assert report(clock, io.StringIO(), 10, 0.19) == ""


def test_lines_every_two_seconds(clock):
    lines = report(clock, io.StringIO(), 10, 1.0).splitlines()
    assert lines[0] == "work: 2/10, 2 s, 8 s to go  step 1"
    assert [line.split(",")[0] for line in lines] == [f"work: {k}/10" for k in (2, 4, 6, 8, 10)]


def test_bar_on_a_terminal(clock):
    shown = report(clock, Terminal(), 10, 1.0)
    assert "\n" not in shown
    frames = shown.split("\r")[1:]
    assert len(frames) == 10
    assert frames[0].startswith("work [######........................] 2/10, 2 s, 8 s to go  step 1")
    assert frames[-1] == "\x1b[K"


def test_progress_writes_to_stderr(clock, capsys):
    with _progress.Progress("work", 1) as progress:
        clock.now += 3
        progress.step()
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "work: 1/1, 3 s, 0 s to go\n")
