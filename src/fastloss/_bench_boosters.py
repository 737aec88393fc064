"""``python -m fastloss bench boosters``: training time with objectives of this package, beside the boosters' own.

Design. All objectives of a problem share data, settings and start; they run in turn, several times, so that a busy
moment of the machine slows all of them, and the shortest time of each counts. Only training is timed, not the
construction of the data. The NumPy objectives are what one finds in tutorials.
"""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from ._base import Array
from ._demo import numpy_focal
from ._progress import Progress
from ._registry import get
from ._text import aligned
from ._threads import get_num_threads

Native = Callable[[Array, Any], tuple[Array, Array]]

FEATURES, CLASSES, GAMMA = 10, 10, 2.0
BUILT_IN = "built in"


def numpy_softmax_focal(y: Array, z: Array, gamma: float = GAMMA) -> tuple[Array, Array]:
    """Gradient of the categorical focal loss at logits, and the hessian of the cross-entropy: the usual NumPy code."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    t = np.eye(z.shape[1])[y.astype(int)]
    q = (p * t).sum(axis=1, keepdims=True)
    slope = (1 - q) ** (gamma - 1) * (gamma * q * np.log(q) - (1 - q))
    return slope * (t - p), np.maximum(2 * p * (1 - p), 1e-6)


def _natives(problem: str) -> dict[str, Native | None]:
    objective = importlib.import_module("fastloss.adapters._objective").make_objective
    several = problem != "binary"
    entropy = get("sparse_categorical_cross_entropy" if several else "binary_cross_entropy")
    focal = get("categorical_focal" if several else "binary_focal", gamma=GAMMA)
    in_numpy = numpy_softmax_focal if several else numpy_focal
    return {
        BUILT_IN: None,
        "cross-entropy, fastloss": objective(entropy, None, None).native,
        "focal, fastloss": objective(focal, None, None).native,
        "focal, NumPy": lambda scores, data: in_numpy(data.get_label(), scores),
    }


def _problem(problem: str, rows: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, FEATURES)).astype(np.float32)
    signal = x[:, 0] + np.sin(3 * x[:, 1]) + x[:, 2] * x[:, 3] + 0.5 * rng.logistic(size=rows)
    if problem == "binary":
        return x, (signal > 1).astype(np.float32)
    edges = np.quantile(signal, np.linspace(0, 1, CLASSES + 1)[1:-1])
    return x, np.searchsorted(edges, signal).astype(np.float32)


def _xgboost(xgboost: Any, x: Array, y: Array, problem: str, threads: int) -> Callable[[Native | None, int], float]:
    several = problem != "binary"
    data = xgboost.DMatrix(x, y, nthread=threads)

    def train(native: Native | None, trees: int) -> float:
        own = "multi:softprob" if several else "binary:logistic"
        parameters: dict[str, Any] = {
            "nthread": threads,
            "verbosity": 0,
            "disable_default_eval_metric": True,
            "max_depth": 6,
        }
        # All start at 0: the score of the built-in objective is a probability, that of a callable raw.
        parameters |= {"num_class": CLASSES} if several else {"base_score": 0.0 if native else 0.5}
        parameters |= {} if native else {"objective": own}
        began = time.perf_counter()
        xgboost.train(parameters, data, trees, obj=native)
        return time.perf_counter() - began

    return train


def _lightgbm(lightgbm: Any, x: Array, y: Array, problem: str, threads: int) -> Callable[[Native | None, int], float]:
    several = problem != "binary"
    shared = {"num_threads": threads, "verbose": -1, "boost_from_average": False, "metric": "none"}
    data = lightgbm.Dataset(x, y, params=shared).construct()

    def train(native: Native | None, trees: int) -> float:
        own = "multiclass" if several else "binary"
        parameters = {**shared, "objective": native or own, **({"num_class": CLASSES} if several else {})}
        began = time.perf_counter()
        lightgbm.train(parameters, data, trees)
        return time.perf_counter() - began

    return train


LIBRARIES = {"xgboost": _xgboost, "lightgbm": _lightgbm}


def main(argv: list[str]) -> int:
    """Print the table; the exit status is 1 where no booster is installed."""
    parser = argparse.ArgumentParser(
        prog="python -m fastloss bench boosters",
        description="Training time of XGBoost and LightGBM with their own objective, with fastloss and with NumPy.",
    )
    parser.add_argument("--rows", type=int, default=500_000, help="default: %(default)s")
    parser.add_argument("--trees", type=int, default=50, help="boosting rounds (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="of which the best counts (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=get_num_threads(), help="default: %(default)s")
    parser.add_argument("--library", choices=sorted(LIBRARIES), action="append", help="default: those installed")
    parser.add_argument("--problem", choices=("binary", "classes"), action="append", help="default: both")
    arguments = parser.parse_args(argv)
    for name in ("rows", "trees", "repeats", "threads"):
        if getattr(arguments, name) < 1:
            parser.error(f"argument --{name}: must be at least 1, got {getattr(arguments, name)}")
    modules = {name: module for name in arguments.library or LIBRARIES if (module := _installed(name)) is not None}
    if not modules:
        print("No booster is installed: pip install 'fastloss[xgboost]' or 'fastloss[lightgbm]'")
        return 1
    print(
        f"{arguments.rows} rows, {FEATURES} features, {arguments.trees} rounds, {arguments.threads} thread(s), "
        f"best of {arguments.repeats} runs in turn.\n",
        flush=True,
    )
    for name, module in modules.items():
        for problem in arguments.problem or ("binary", "classes"):
            _compare(name, module, problem, arguments)
    return 0


def _compare(name: str, module: ModuleType, problem: str, arguments: argparse.Namespace) -> None:
    natives = _natives(problem)
    train = LIBRARIES[name](module, *_problem(problem, arguments.rows), problem, arguments.threads)
    times: dict[str, list[float]] = {title: [] for title in natives}
    with Progress(f"{name}, {problem}", arguments.repeats * len(natives)) as progress:
        for native in natives.values():
            train(native, 1)
        for _ in range(arguments.repeats):
            for title, native in natives.items():
                times[title].append(train(native, arguments.trees))
                progress.step(title)
    base = min(times[BUILT_IN])
    kind = problem if problem == "binary" else f"{CLASSES} classes"
    rows: list[tuple[str, ...]] = [(f"{name} {module.__version__}, {kind}", "training", "of built in", "spread")]
    for title, each in times.items():
        rows.append((title, f"{min(each):.2f} s", f"{min(each) / base:.3f}", f"{max(each) / min(each) - 1:.0%}"))
    print(aligned(rows, numbers=True), end="\n\n", flush=True)


def _installed(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
