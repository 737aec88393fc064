"""The command `bench`, the asv suite and the report on vectorisation. No test looks at how fast anything is."""

from __future__ import annotations

import importlib
import itertools
import os
import platform
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import pointwise_names

import fastloss as fl
from fastloss import _bench, _registry
from fastloss._bench import DTYPES, OUTPUTS, PEERS, SHAPES, Task, draw, measure, names_of, pointwise, rowwise
from fastloss._bench_peers import CROSS_ENTROPIES
from fastloss._domains import Interval
from fastloss._rows import RowLoss

ROOT = Path(__file__).parents[1]
ROWS = names_of(RowLoss)
SMALL = ("--losses", "huber,poisson,gaussian_nll", "--size", "50", "--repeat", "2")


# ---- data and calls -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", pointwise_names())
def test_data_lie_inside_the_domains(name: str, dtype: str) -> None:
    for raw in (False, True):
        loss = pointwise(name, raw)
        y, f = draw(loss, 200, dtype)
        assert y.dtype == f.dtype == dtype
        assert loss.info.y_domain.contains(y).all()
        columns = f.reshape(200, -1).T
        assert all(domain.contains(column).all() for domain, column in zip(loss.f_domains, columns, strict=True))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ROWS)
def test_rows_lie_inside_the_domains(name: str, dtype: str) -> None:
    for raw in (False, True):
        loss = rowwise(name, 5, raw)
        y, f = draw(loss, (200, 5), dtype)
        assert f.dtype == dtype
        assert f.shape == (200, 5)
        if loss.targets in ("labels", "both"):
            assert set(y) == set(range(5))
        else:
            assert y.dtype == dtype
            assert y.shape == ((200,) if loss.targets == "values" else (200, 5))
            assert loss.info.y_domain.contains(y).all()
        assert loss.info.f_domain.contains(f).all()
        assert np.isfinite(loss(y, f))


def test_kinds_of_losses_are_told_apart() -> None:
    with pytest.raises(TypeError, match="no benchmark for SparseCategoricalCrossEntropy"):
        pointwise("sparse_categorical_cross_entropy")
    with pytest.raises(TypeError, match="no benchmark for Huber"):
        rowwise("huber", 3)
    for loss, shape in ((fl.Huber(), (5, 3)), (fl.MultiMargin(), 5)):
        with pytest.raises(TypeError, match="no data of the shape"):
            draw(loss, shape)
    assert rowwise("multi_quantile", 5).quantiles == (0.1, 0.5, 0.9, 0.1, 0.5)
    assert rowwise("negative_log_likelihood", 5) == fl.NegativeLogLikelihood()


def test_a_domain_without_data_is_an_error() -> None:
    class Below(fl.PointwiseLoss):
        f_domains = (Interval(high=1.0),)

        def reference(y: Any, f: Any) -> Any:
            return f, f, f

    with pytest.raises(ValueError, match="no data can be drawn for the domain"):
        draw(Below(), 5)


@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("name", ["log_cosh", "gaussian_nll"])
def test_kernel_and_reference_compute_the_same(name: str, outputs: str) -> None:
    task = Task.make(pointwise(name), outputs, 1000)
    assert all(array.ctypes.data % 64 == 0 for array in (task.y, task.f, *task.out))
    ours, reference = _tuple(task.kernel()()), _tuple(task.reference()())
    assert len(ours) == len(reference) == 1 + (outputs != "value")
    for a, b in zip(ours, reference, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    for k, array in enumerate(task.out, start=len(ours) - len(task.out)):
        assert ours[k] is array
    assert task.n_bytes == 8 * sum(array.size for array in (task.y, task.f, *task.out))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("name", [*CROSS_ENTROPIES, "multi_quantile"])
def test_kernel_and_reference_compute_the_same_for_rows(name: str, outputs: str, order: str) -> None:
    task = Task.make(rowwise(name, 7), outputs, (40, 7), order=order)
    assert all(array.ctypes.data % 64 == 0 for array in (task.y, task.f, *task.out))
    assert all(array.flags[f"{order}_CONTIGUOUS"] for array in (task.f, *task.out))
    assert task.elements == 280
    ours, reference = _tuple(task.kernel()()), _tuple(task.reference()())
    assert len(ours) == len(reference) == 1 + (outputs != "value")
    for a, b in zip(ours, reference, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    for k, array in enumerate(task.out, start=len(ours) - len(task.out)):
        assert ours[k] is array


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("outputs", OUTPUTS)
def test_the_probe_reads_rows_once(outputs: str, order: str) -> None:
    for name, arrays in (("sparse_categorical_cross_entropy", 1), ("categorical_cross_entropy", 2)):
        task = Task.make(rowwise(name, 7), outputs, (40, 7), order=order)
        moved, probes = task.probes(1)
        assert moved == (arrays + len(task.out)) * task.f.nbytes
        for probe in probes.values():
            for array in task.out:
                array.fill(np.nan)
            probe()
            y = task.y if arrays == 2 else task.f
            for array, expected in zip(task.out, (task.f - y, task.f + y), strict=False):
                np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_probe_reads_and_writes_everything(dtype: str, n_threads: int) -> None:
    for outputs in OUTPUTS:
        task = Task.make(pointwise("mean_squared_error"), outputs, 1003, dtype)
        moved, probes = task.probes(n_threads)
        assert moved == task.n_bytes
        assert len(probes) == (1 if outputs == "value" else 2)
        for probe in probes.values():
            for array in task.out:
                array.fill(np.nan)
            total = probe()
            if not task.out:
                assert total == pytest.approx(np.sum(task.f - task.y, dtype=float), rel=1e-4, abs=1e-2)
            for array, expected in zip(task.out, (task.f - task.y, task.f + task.y), strict=False):
                np.testing.assert_array_equal(array, expected)


def _tuple(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)


def assert_same(heading: str, task: Task, n_threads: int = 1) -> bool:
    """Whether a peer has the loss, and if so it computes what the reference does."""
    call = _bench.peer_call(PEERS[heading][1], task, n_threads)
    if call is None:
        return False
    theirs, reference = call(), _tuple(task.reference()())
    assert len(theirs) == len(reference)
    tolerance = 1e-10 if task.f.dtype == np.float64 else 3e-4
    for a, b in zip(theirs, reference, strict=True):
        np.testing.assert_allclose(np.asarray(a), b, rtol=tolerance, atol=tolerance, err_msg=task.loss.info.name)
    return True


def need(heading: str) -> None:
    if heading not in _bench.installed_peers():
        pytest.skip(f"{PEERS[heading][0]} is not installed")


@pytest.mark.filterwarnings("ignore")  # of other packages
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("heading", ["numba", "sklearn", "torch", "compile"])
def test_peers_compute_the_same(heading: str, outputs: str, dtype: str) -> None:
    need(heading)
    names = ["huber"] if heading == "compile" else pointwise_names()  # each compilation takes seconds
    compared = sum(assert_same(heading, Task.make(pointwise(name), outputs, 500, dtype)) for name in names)
    assert compared >= (1 if heading == "compile" else 5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("heading", ["plain NumPy", "sklearn", "torch"])
def test_peers_compute_the_same_for_rows(heading: str, outputs: str, dtype: str, order: str) -> None:
    need(heading)
    made = (Task.make(rowwise(name, 5), outputs, (60, 5), dtype, order) for name in ROWS if _offered(name, outputs))
    compared = sum(assert_same(heading, task) for task in made)
    expected = 10 if heading == "torch" and "hessian" not in outputs else 1 if heading == "sklearn" else 2
    assert compared >= expected


def _offered(name: str, outputs: str) -> bool:
    return "hessian" not in outputs or bool(rowwise(name, 5).hessian_policies)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("outputs", OUTPUTS)
def test_compiled_rows_compute_the_same(outputs: str) -> None:
    need("compile")
    assert assert_same("compile", Task.make(rowwise("sparse_categorical_cross_entropy", 5), outputs, (60, 5)))


def test_jax_computes_the_same() -> None:
    """In a process of its own: a fork of one that has run JAX may hang."""
    need("jax")
    script = """
from test_bench import CROSS_ENTROPIES, DTYPES, OUTPUTS, Task, assert_same, itertools, os, rowwise
for name, outputs, dtype in itertools.product(CROSS_ENTROPIES, OUTPUTS, DTYPES):
    assert assert_same("jax", Task.make(rowwise(name, 5), outputs, (60, 5), dtype), os.cpu_count())
"""
    path = os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "JAX_PLATFORMS": "cpu"}
    run = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_peers_are_for_the_raw_scale_and_default_parameters() -> None:
    def peer(task: Task, n_threads: int) -> Any:
        return lambda: None

    for loss, shape, comparable in (
        (fl.Poisson().on_raw(), 5, True),
        (fl.Poisson(), 5, False),
        (fl.Huber(delta=2.0), 5, False),
        (fl.CategoricalFocal().on_raw(), (5, 3), True),
        (fl.CategoricalFocal(), (5, 3), False),
        (fl.MultiMargin(p=2), (5, 3), False),
    ):
        assert (_bench.peer_call(peer, Task.make(loss, "value", shape), 1) is not None) == comparable


# ---- timing ---------------------------------------------------------------------------------------------------------


def test_candidates_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"quick": 0.01, "slow": 10.0}
    now, order = [0.0], []

    def call(name: str) -> Any:
        def run() -> None:
            now[0] += seconds[name]
            order.append(name)

        return run

    monkeypatch.setattr(_bench.time, "perf_counter", lambda: now[0])
    times = measure({name: call(name) for name in seconds}, 5)
    assert times == {"quick": pytest.approx([0.01] * 5), "slow": pytest.approx([10.0] * _bench.FEWEST)}
    turns = [name for name, _ in itertools.groupby(order)]
    assert turns[: 2 * (1 + _bench.FEWEST)] == ["quick", "slow"] * (1 + _bench.FEWEST)


def test_fast_calls_are_repeated_within_one_timing() -> None:
    calls = itertools.count()
    times = measure({"fast": lambda: next(calls)}, 3)["fast"]
    assert times == sorted(times)
    assert len(times) == 3
    assert next(calls) > 100


# ---- tables ---------------------------------------------------------------------------------------------------------


def _table(text: str, heading: str) -> list[dict[str, str]]:
    """Rows of the table below a heading, which ends before a note."""
    lines = text.partition(heading + "\n")[2].splitlines()
    names, *rows = [re.split(r"\s{2,}", line) for line in itertools.takewhile(lambda line: "  " in line, lines)]
    return [dict(zip(names, row, strict=True)) for row in rows]


def test_speed_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert _bench.main([*SMALL, "--dtype", "float64,float32", "--threads", "1", "--no-peers"]) == 0
    text = capsys.readouterr().out
    assert re.search(rf"^fastloss +{re.escape(fl.__version__)}$", text, re.MULTILINE)
    for outputs, dtype in itertools.product(OUTPUTS, DTYPES):
        rows = _table(text, f"{outputs}, 50 {dtype} samples, 1 thread")
        assert [row["loss"] for row in rows] == ["huber", "poisson", "gaussian_nll"]
        for row in rows:
            assert set(row) == {"loss", "ns/element", "GB/s", "probe GB/s", "of probe", "noise", "NumPy"}
            assert float(row["ns/element"]) > 0
            assert float(row["NumPy"].removesuffix("x")) > 0
    assert text.count("Noise: the median run of the probe") == len(OUTPUTS) * len(DTYPES)


def test_speed_table_of_rows(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["sparse_categorical_cross_entropy", "multi_margin", "cosine_similarity"]
    shapes = ["--shape", "20x5,4x40", "--order", "C,F", "--repeat", "1", "--threads", "1", "--no-peers"]
    assert _bench.main(["--losses", ",".join(names), *shapes]) == 0
    text = capsys.readouterr().out
    for outputs, shape, order in itertools.product(OUTPUTS, ("20 rows of 5", "4 rows of 40"), "CF"):
        rows = _table(text, f"{outputs}, {shape} float64 predictions in {order} order, 1 thread")
        assert [row["loss"] for row in rows] == names[: 2 if "hessian" in outputs else 3]  # where a loss has none
        for row in rows:
            assert set(row) == {"loss", "ns/element", "GB/s", "probe GB/s", "of probe", "noise", "NumPy"}
            assert float(row["NumPy"].removesuffix("x")) > 0


def test_rows_are_timed_on_demand(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--outputs", "value", "--repeat", "1", "--threads", "1", "--no-peers"]
    assert _bench.main(["--rows", "--shape", "4x3", *arguments]) == 0
    rows = _table(capsys.readouterr().out, "value, 4 rows of 3 float64 predictions in C order, 1 thread")
    assert [row["loss"] for row in rows] == ROWS
    assert _bench.main(["--losses", "huber,multi_margin", "--size", "9", "--shape", "4x3", *arguments]) == 0
    text = capsys.readouterr().out
    assert [row["loss"] for row in _table(text, "value, 9 float64 samples, 1 thread")] == ["huber"]
    (row,) = _table(text, "value, 4 rows of 3 float64 predictions in C order, 1 thread")
    assert row["loss"] == "multi_margin"


def test_plain_numpy_is_beside_cross_entropy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_bench, "PEERS", {"plain NumPy": PEERS["plain NumPy"]})
    monkeypatch.setattr(_bench, "MOST_FOR_REFERENCE", 20)
    arguments = ["--losses", "sparse_categorical_cross_entropy,multi_margin", "--outputs", "value", "--repeat", "1"]
    assert _bench.main([*arguments, "--shape", "4x5,4x6", "--threads", "1"]) == 0
    text = capsys.readouterr().out
    assert len(re.findall(r"^numpy ", text, re.MULTILINE)) == 1
    small, large = (_table(text, f"value, 4 rows of {k} float64 predictions in C order, 1 thread") for k in (5, 6))
    for rows in (small, large):
        assert float(rows[0]["plain NumPy"].removesuffix("x")) > 0
        assert rows[1]["plain NumPy"] == "-"
    assert "NumPy" in small[0]
    assert "NumPy" not in large[0]  # the reference, which would take too much memory


@pytest.mark.filterwarnings("ignore")
def test_columns_of_peers(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    arguments = ["--losses", "poisson,hinge", "--size", "20", "--repeat", "1", "--threads", "1", "--outputs", "value"]
    peers, _bench.PEERS = _bench.PEERS, {"sklearn": _bench.PEERS["sklearn"]}
    try:
        assert _bench.main(arguments) == 0
    finally:
        _bench.PEERS = peers
    poisson, hinge = _table(capsys.readouterr().out, "value, 20 float64 samples, 1 thread")
    assert float(poisson["sklearn"].removesuffix("x")) > 0
    assert hinge["sklearn"] == "-"


def test_a_peer_that_fails_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    def peer(task: Task, n_threads: int) -> Any:
        def call() -> Any:
            raise RuntimeError("no compiler\nand much more")

        return call

    setting = _bench.Setting("value", 20, "float64", 1, 1)
    rows, _ = _bench.speed_table([fl.Huber()], setting, {"other": peer})
    assert "other" not in rows[0]
    assert "other left out for huber: RuntimeError: no compiler\n" in capsys.readouterr().err


def test_overhead_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert _bench.main(["--overhead", "--losses", "huber,poisson", "--repeat", "3", "--no-peers"]) == 0
    text = capsys.readouterr().out
    rows = _table(text, "value+gradient, 100 float64 samples, 1 thread")
    assert [row["loss"] for row in rows] == ["huber", "poisson"]
    assert all(float(row["ns/call"]) > 0 and row["NumPy"].endswith("x") for row in rows)
    assert "A Cython call without arguments takes" in text


def test_overhead_table_of_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert _bench.main(["--overhead", "--losses", "cce,cosine_similarity", "--repeat", "3", "--no-peers"]) == 0
    rows = _table(capsys.readouterr().out, "value+gradient, 10 rows of 10 float64 predictions in C order, 1 thread")
    assert [row["loss"] for row in rows] == ["categorical_cross_entropy", "cosine_similarity"]
    assert all(float(row["ns/call"]) > 0 and row["NumPy"].endswith("x") for row in rows)


def test_probe_table_in_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--probe", "--size", "1000", "--repeat", "1", "--markdown", "--threads", "1"]
    assert _bench.main([*arguments, "--dtype", "float32,float64"]) == 0
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert rows[0] == ["written", "dtype", "threads", "elements", "GB/s", "GB/s streaming", "noise"]
    assert [row[:2] for row in rows[2:]] == [[str(k), dtype] for dtype in ("float32", "float64") for k in range(3)]
    assert all(float(row[4]) > 0 and (row[5] == "-") == (row[0] == "0") for row in rows[2:])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--losses", "hubert"], "unknown loss 'hubert'"),
        (["--outputs", "hessian"], "must be of value, value+gradient, gradient+hessian"),
        (["--size", "0.5"], "must be a positive integer"),
        (["--size", "inf"], "must be a positive integer"),
        (["--threads", "100000"], "must be at most"),
        (["--shape", "100"], "invalid list of shapes such as 8192x1000 value"),
        (["--shape", "0x3"], "must be a positive integer"),
        (["--order", "A"], "must be of C, F"),
        (["--probe", "--overhead"], "not allowed with argument"),
    ],
)
def test_wrong_arguments(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        _bench.main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


# ---- the asv suite --------------------------------------------------------------------------------------------------


@pytest.fixture
def asv(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of the suite afresh, as asv does."""
    monkeypatch.syspath_prepend(str(ROOT / "asv_benchmarks"))

    def forget() -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == "benchmarks"]:
            del sys.modules[name]

    forget()
    yield lambda name: importlib.import_module(f"benchmarks.{name}")
    forget()


@pytest.mark.parametrize("quick", ["", "1"])
def test_asv_covers_the_pointwise_losses(asv: Any, quick: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTLOSS_ASV_QUICK", quick)
    suite = asv("pointwise")
    for each in (suite.Kernel, suite.Reference, suite.Overhead, suite.Memory):
        assert len(each.params) == len(each.param_names)
        assert list(each.params[0]) == pointwise_names()
    for each in (suite.Kernel, suite.Reference):
        assert list(each.params[1]) == list(OUTPUTS)
    assert max(suite.Reference.params[2]) <= 1_000_000
    if not quick:
        assert suite.Kernel.params[2:] == ([100, 10_000, 1_000_000, 10_000_000], list(DTYPES), ["1", "all"])


@pytest.mark.parametrize("quick", ["", "1"])
def test_asv_covers_the_row_losses(asv: Any, quick: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTLOSS_ASV_QUICK", quick)
    suite = asv("rowwise")
    for each in (suite.RowKernel, suite.RowReference, suite.RowOverhead, suite.RowMemory):
        assert len(each.params) == len(each.param_names)
        assert list(each.params[0]) == ROWS
    assert list(suite.PlainNumPy.params[0]) == list(CROSS_ENTROPIES)
    for each in (suite.RowKernel, suite.RowReference, suite.PlainNumPy):
        assert list(each.params[1]) == list(OUTPUTS)
    assert suite.RowKernel.params[-1] == suite.PlainNumPy.params[-1] == ("C", "F")
    if not quick:
        assert suite.RowKernel.params[2:5] == ([f"{n}x{k}" for n, k in SHAPES], list(DTYPES), ["1", "all"])


def run_all(classes: Any) -> tuple[set[str], list[tuple[Any, ...]]]:
    """Names of the methods that run, and the combinations that do not exist."""
    ran, missing = set(), []
    for each in classes:
        for parameters in itertools.product(*each.params):
            benchmark = each()
            try:
                benchmark.setup(*parameters)
            except NotImplementedError:  # how a benchmark tells asv that a combination does not exist
                missing.append((each, *parameters))
                continue
            for name in dir(benchmark):
                if name.startswith(("time_", "peakmem_")):
                    getattr(benchmark, name)(*parameters)
                    ran.add(name)
    return ran, missing


def shorten(monkeypatch: pytest.MonkeyPatch, each: Any, parameter: str, values: list[Any]) -> None:
    params = [values if name == parameter else given for name, given in zip(each.param_names, each.params, strict=True)]
    monkeypatch.setattr(each, "params", params)


def test_asv_benchmarks_run(asv: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = asv("pointwise")
    monkeypatch.setattr(suite.Memory, "size", 100)
    for each in (suite.Kernel, suite.Reference, suite.Probe):
        shorten(monkeypatch, each, "size", [100])
    ran, missing = run_all((suite.Kernel, suite.Reference, suite.Probe, suite.Overhead, suite.Memory))
    assert ran == {"time_kernel", "time_reference", "time_probe", "time_call", "peakmem_data", "peakmem_kernel"}
    assert missing
    assert {(each, name, parameters[-1]) for each, name, *parameters in missing} == {
        (suite.Probe, "value", "streaming")
    }


def test_asv_benchmarks_of_rows_run(asv: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = asv("rowwise")
    shape = next(iter(suite.ROW_SHAPES))
    monkeypatch.setitem(suite.ROW_SHAPES, shape, (20, 5))
    shaped = (suite.RowKernel, suite.RowReference, suite.PlainNumPy, suite.RowProbe, suite.RowMemory)
    for each in shaped:
        shorten(monkeypatch, each, "shape", [shape])
    ran, missing = run_all((*shaped, suite.RowOverhead))
    assert ran == {
        "time_kernel",
        "time_reference",
        "time_plain",
        "time_probe",
        "time_call",
        "peakmem_data",
        "peakmem_kernel",
    }
    for each, loss, *parameters in missing:
        in_f_order = each is suite.RowKernel and parameters[-1] == "F" and loss not in CROSS_ENTROPIES
        without_hessian = loss == "cosine_similarity" and "gradient+hessian" in parameters
        unwritten = (each, loss, parameters[-1]) == (suite.RowProbe, "value", "streaming")
        assert in_f_order or without_hessian or unwritten


def test_asv_benchmarks_of_the_linear_layer_run(asv: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = asv("linear")
    shape = next(iter(suite.SHAPES))
    monkeypatch.setitem(suite.SHAPES, shape, (20, 3, 5))
    shorten(monkeypatch, suite.Linear, "shape", [shape])
    assert run_all([suite.Linear]) == ({"time_call", "peakmem_call"}, [])
    y, x, w = suite.make(shape, "float64")
    ours, theirs = fl.LinearCrossEntropy().value_and_gradient(y, x, w, reduction="sum"), suite.plain(y, x, w, True)
    assert ours[0] == pytest.approx(theirs[0], rel=1e-13)
    for a, b in zip(ours[1], theirs[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    assert suite.plain(y, x, w, False) == theirs[0]


def test_asv_benchmarks_of_pairs_run(asv: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = asv("pairs")
    shape = next(iter(suite.SHAPES))
    monkeypatch.setitem(suite.SHAPES, shape, (20, 3))
    for each in (suite.Pairs, suite.PairReference):
        shorten(monkeypatch, each, "shape", [shape])
    assert run_all([suite.Pairs, suite.PairReference]) == ({"time_pairs", "time_reference"}, [])
    assert {"contrastive", "cosine_embedding", "triplet", "margin_ranking"} <= set(suite.PAIRS)


def test_asv_benchmarks_of_batch_triplet_run(asv: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = asv("batch_triplet")
    shape = next(iter(suite.SHAPES))
    monkeypatch.setitem(suite.SHAPES, shape, (32, 3))
    shorten(monkeypatch, suite.BatchTriplets, "shape", [shape])
    assert run_all([suite.BatchTriplets, suite.BatchTripletReference]) == ({"time_batch", "time_reference"}, [])
    theirs = suite.TorchBatchAll()
    try:
        theirs.setup(shape)
    except NotImplementedError:
        return
    x, y = suite.batch((32, 3), "float32")
    assert theirs.call() == pytest.approx(fl.BatchTriplet()(x, y), rel=1e-5)


def test_asv_benchmarks_of_similarities_run(asv: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = asv("similarity")
    shape = next(iter(suite.SHAPES))
    monkeypatch.setitem(suite.SHAPES, shape, (20, 3))
    classes = [suite.Similarities, suite.SimilarityReference]
    for each in classes:
        shorten(monkeypatch, each, "shape", [shape])
    assert run_all(classes) == ({"time_similarities", "peakmem_similarities", "time_reference"}, [])
    assert {"info_nce", "clip", "nt_xent", "supervised_contrastive", "sigmoid_contrastive"} == set(suite.SIMILARITIES)


def test_asv_benchmarks_of_regions_run(asv: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = asv("segmentation")
    monkeypatch.setattr(suite, "SHAPES", {"binary 2x8x9": (2, 8, 9), "labels 2x3x8x9": (2, 3, 8, 9)})
    classes = [suite.Regions, suite.RegionReference, suite.RegionPyTorch]
    for each in classes:
        shorten(monkeypatch, each, "shape", list(suite.SHAPES))
    timed = {"time_regions", "time_reference"} | ({"time_pytorch"} if find_spec("torch") else set())
    assert run_all(classes)[0] == timed
    assert {"dice", "iou", "tversky", "focal_tversky", "lovasz"} <= set(suite.REGIONS)
    if find_spec("torch"):
        for name, shape in itertools.product(("dice", "lovasz"), suite.SHAPES):
            theirs = suite.RegionPyTorch()
            theirs.setup(name, shape, "1")
            loss, y, f = suite.arguments(name, shape, "float32")
            value, gradient = loss.value_and_gradient(y, f)
            np.testing.assert_allclose(theirs.call()[0], value, rtol=1e-5)
            np.testing.assert_allclose(theirs.call()[1], gradient, rtol=1e-3, atol=1e-6)


def test_asv_benchmarks_of_sequences_run(asv: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = asv("sequence")
    monkeypatch.setattr(suite, "SHAPES", {"2x9x6": (2, 9, 6)})
    monkeypatch.setattr(suite, "LABELS", {6: 3})
    classes = [suite.Sequences, suite.SequenceReference, suite.SequencePyTorch]
    for each in classes:
        shorten(monkeypatch, each, "shape", list(suite.SHAPES))
    timed = {"time_sequences", "time_reference"} | ({"time_pytorch"} if find_spec("torch") else set())
    assert run_all(classes)[0] == timed
    assert {"ctc", "soft_dtw"} == set(suite.SEQUENCES)
    if find_spec("torch"):
        theirs = suite.SequencePyTorch()
        theirs.setup("2x9x6", "1")
        loss, y, f = suite.arguments("ctc", "2x9x6", "float32")
        value, gradient = loss.value_and_gradient(y, f)
        np.testing.assert_allclose(theirs.call()[0], value, rtol=1e-5)
        np.testing.assert_allclose(theirs.call()[1], gradient, rtol=1e-3, atol=1e-6)


def test_asv_notices_a_loss_without_benchmark(asv: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(fl.Loss):
        def _evaluate(self, *arguments: Any) -> Any:
            raise AssertionError

        __repr__ = object.__repr__

    monkeypatch.setitem(_registry._CLASSES, "other", Other)
    monkeypatch.setitem(_registry._NAMES, "other", "other")
    monkeypatch.setattr(_registry, "_LISTED", [*_registry._LISTED, "other"])
    with pytest.raises(TypeError, match="no benchmark for"):
        asv("settings")


def test_asv_import_statements_run(asv: Any) -> None:
    benchmark = asv("package").Import()
    for name in ("timeraw_fastloss", "timeraw_numpy"):
        subprocess.run([sys.executable, "-c", getattr(benchmark, name)()], check=True)


# ---- vectorisation --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="knows the registers of x86-64 only")
@pytest.mark.skipif(shutil.which("objdump") is None, reason="needs objdump")
def test_vector_report() -> None:
    report = subprocess.run([sys.executable, ROOT / "tools/vector_report.py"], capture_output=True, text=True)
    if "was it stripped?" in report.stderr:
        pytest.skip("the extension was stripped of its symbols")
    assert report.returncode == 0, report.stdout + report.stderr
    heading, *rows = (line.split("  ") for line in report.stdout.split("\n\n")[0].splitlines())
    assert [name.strip() for name in heading if name] == ["formula", "baseline", "avx2", "avx512"]
    formulas = {row[0].split()[0] for row in rows}
    assert formulas >= {pointwise(name)._formula()[0] for name in pointwise_names()}
