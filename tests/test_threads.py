"""Threads never change a bit, forks never hang, imports change nothing; sums are right to the last bits."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support import default_losses, draw, same

import fastloss as fl
from fastloss._core import machine

BLOCK_EDGES = (511, 512, 513, 1023, 1024, 1025, 4096, 4097, 2 * 16384, 100_003, 120_001)


def run_python(code: str, timeout: float = 60, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"} | environment,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def printed(code: str, **environment: str) -> str:
    done = run_python(code, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# ---- the same bits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_number_of_threads_changes_nothing(default_loss, rng, dtype) -> None:
    loss = default_loss
    y, f = (x.astype(dtype) for x in draw(loss, BLOCK_EDGES[-1], rng))
    w = rng.random(len(y)).astype(dtype)
    for n in BLOCK_EDGES:
        serial = loss.evaluate(y[:n], f[:n], w[:n], n_threads=1)
        for k in (2, 3, 7):
            assert same(loss.evaluate(y[:n], f[:n], w[:n], n_threads=k), serial)


@pytest.mark.parametrize("n", BLOCK_EDGES)
def test_number_of_threads_changes_nothing_in_other_layouts(n, rng) -> None:
    loss = fl.Huber()
    y, f = draw(loss, n, rng)
    y, f = np.repeat(y, 2)[::-2], f.astype(np.float16)
    serial = loss.evaluate(y, f, n_threads=1)
    for k in (2, 3, 7):
        out = np.empty(n), np.empty(n, np.float32)
        computed = loss.evaluate(y, f, n_threads=k, out=out)
        assert computed.value == serial.value
        assert np.array_equal(out[0], serial.gradient)
        assert np.array_equal(out[1], serial.hessian)


def test_python_threads_at_once(rng) -> None:
    work = [(loss, *draw(loss, 20_000, rng)) for loss in default_losses()]
    expected = [loss.evaluate(y, f) for loss, y, f in work]
    with ThreadPoolExecutor(8) as pool:
        rounds = [pool.submit(lambda item: item[0].evaluate(*item[1:], n_threads=2), item) for item in work * 4]
        for future, result in zip(rounds, expected * 4, strict=True):
            assert same(future.result(), result)


# ---- how many -------------------------------------------------------------------------------------------------------


def test_settings() -> None:
    limit = fl.get_num_threads()
    assert limit >= 1
    fl.set_num_threads(1)
    assert fl.get_num_threads() == 1
    fl.set_num_threads(10**6)
    most = fl.get_num_threads()
    assert limit <= most <= (os.cpu_count() or 1)
    with fl.num_threads(1):
        assert fl.get_num_threads() == 1
        seen = []
        other = threading.Thread(target=lambda: seen.append(fl.get_num_threads()))
        other.start()
        other.join()
        assert seen == [most]  # the block is local to its thread
    fl.set_num_threads(None)
    assert fl.get_num_threads() == limit


def test_num_threads_is_restored_after_an_error() -> None:
    before = fl.get_num_threads()
    with pytest.raises(ZeroDivisionError), fl.num_threads(1):
        1 / 0  # noqa: B018
    assert fl.get_num_threads() == before


@pytest.mark.parametrize(
    ("bad", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError), ("2", TypeError)]
)
def test_bad_numbers_of_threads(bad, error) -> None:
    with pytest.raises(error, match="n_threads"):
        fl.set_num_threads(bad)
    with pytest.raises(error, match="n_threads"), fl.num_threads(bad):
        pass
    for method in ("__call__", "gradient", "hessian", "value_and_gradient", "gradient_and_hessian", "evaluate"):
        with pytest.raises(error, match="n_threads"):
            getattr(fl.Huber(), method)(np.zeros(3), np.zeros(3), n_threads=bad)


@pytest.mark.parametrize(("setting", "most"), [("1", 1), ("1,2", 1), ("3", 3), ("", None), ("many", None)])
def test_omp_num_threads(setting, most) -> None:
    default = int(printed("import fastloss; print(fastloss.get_num_threads())"))
    found = int(printed("import fastloss; print(fastloss.get_num_threads())", OMP_NUM_THREADS=setting))
    assert found == (default if most is None else min(most, default))


@pytest.mark.skipif(not machine.openmp(), reason="built without OpenMP")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts threads in /proc")
def test_threads_are_started_when_asked_for_and_only_then() -> None:
    code = """
        import os, numpy as np
        threads = lambda: len(os.listdir("/proc/self/task"))
        before, environment = threads(), dict(os.environ)
        import fastloss as fl
        x = np.zeros(120_001)  # enough work for seven
        fl.Huber().value_and_gradient(x[:1000], x[:1000])
        fl.Huber().value_and_gradient(x, x, n_threads=1)
        assert threads() == before and dict(os.environ) == environment
        fl.Huber().value_and_gradient(x, x, n_threads=7)
        print(threads() - before)
    """
    assert printed(code) == "6"


def test_import_changes_nothing_else() -> None:
    code = """
        import sys, warnings, numpy as np
        before = np.geterr(), list(warnings.filters), set(sys.modules)
        import fastloss
        assert (np.geterr(), list(warnings.filters)) == before[:2]
        assert (np.array([1e-310]) * 0.5 > 0).all(), "subnormal numbers are flushed"
        heavy = {"scipy", "pandas", "sklearn", "matplotlib", "multiprocessing", "torch", "xgboost", "lightgbm", "bokeh"}
        print(sorted(heavy & set(sys.modules) - before[2]))
    """
    assert printed(code) == "[]"


FORK = """
    import os, multiprocessing, numpy as np, fastloss as fl
    x = np.linspace(-3, 3, 200_003)
    run = lambda _=None: fl.Huber().value_and_gradient(np.zeros_like(x), x, n_threads=4)[0]
    def work(k):
        return run()
    {before}
    with multiprocessing.get_context("fork").Pool(2) as pool:
        results = pool.map(work, range(8))
    assert results == [run()] * 8
    print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("before", ["run()", "pass"])
def test_forked_children_finish(before) -> None:
    assert printed(FORK.format(before=before)) == "done"


# ---- instruction sets -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", machine.instruction_sets())
def test_instruction_set_can_be_forced(name) -> None:
    code = "from fastloss._core import machine; import fastloss; print(machine.instruction_set_in_use())"
    assert printed(code, FASTLOSS_ISA=name) == name


def test_unknown_instruction_set_is_an_error() -> None:
    done = run_python("import fastloss", FASTLOSS_ISA="sse9")
    assert done.returncode != 0
    assert "ImportError: FASTLOSS_ISA: instruction set must be one of" in done.stderr
    assert "'sse9'" in done.stderr
    with pytest.raises(ValueError, match="instruction set"):
        machine.use_instruction_set("sse9")


# ---- sums -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("weighted", [False, True])
def test_sums_are_right_to_the_last_bits(default_loss, rng, dtype, weighted) -> None:
    n = 1_000_000 if default_loss == fl.MeanSquaredError() else 30_000
    y, f = (x.astype(dtype) for x in draw(default_loss, n, rng))
    w = (rng.random(n) * 10.0 ** rng.integers(-6, 6, n)).astype(dtype) if weighted else None
    terms = default_loss(y, f, reduction="none").astype(float)
    weights = np.ones(n) if w is None else w.astype(float)
    exact, size, total = math.fsum(terms * weights), math.fsum(np.abs(terms * weights)), math.fsum(weights)
    assert abs(default_loss(y, f, w, reduction="sum") - exact) <= 2 * np.finfo(float).eps * size
    assert abs(default_loss(y, f, w) - exact / total) <= 4 * np.finfo(float).eps * size / total
    assert default_loss.value_and_gradient(y, f, w)[0] == default_loss(y, f, w)
