"""``python -m fastloss demo``: boosters on real data with a loss of this package, then every loss against NumPy.

Design. The data are the handwritten digits that scikit-learn ships, each digit against the other nine: ten problems
with one positive in ten. All objectives start from the same log-odds and share data, folds and settings. Whatever is
said about the results is computed from them.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from ._base import Array, Methods, PointwiseLoss
from ._domains import Domain, Interval
from ._links import LOGIT
from ._progress import Progress
from ._registry import get, list_losses
from ._text import aligned
from ._threads import get_num_threads, num_threads
from .adapters._objective import Objective, make_objective

Native = Callable[[Array, Any], tuple[Array, Array]]
Train = Callable[[Any, Array, Array, Array, float, Native | None, int], tuple[Array, float]]

GAMMA = 2.0
FOLDS = 3
TIMING = 0.05
INSTALL = "pip install 'fastloss[demo]'"
BUILT_IN, FOCAL, EXACT, NUMPY = (
    "logistic, built in",
    "focal, fastloss",
    "focal, fastloss, exact hessian",
    "focal, NumPy, exact hessian",
)


def numpy_focal(y: Array, z: Array, gamma: float = GAMMA) -> tuple[Array, Array]:
    """Gradient and hessian of the focal loss at logits, as they are usually written for a booster."""
    p = 1 / (1 + np.exp(-z))
    s = 2 * y - 1
    p_t = np.where(y == 1, p, 1 - p)
    q_t = 1 - p_t
    log_p = np.log(p_t)
    gradient = -s * q_t**gamma * (q_t - gamma * p_t * log_p)
    hessian = p_t * q_t**gamma * (q_t * (1 + 2 * gamma + gamma * log_p) - gamma**2 * p_t * log_p)
    return gradient, hessian


def run(rounds: int, rows: int, elements: int) -> int:
    """Run the demonstration.

    Parameters
    ----------
    rounds : int
        Trees of each model.
    rows : int
        Rows of the timing of the objectives alone.
    elements : int
        Samples for the table of losses.

    Returns
    -------
    int
        The exit status: 1 if a library that the demonstration needs is not installed.
    """
    boosters = {name: module for name in TRAINERS if (module := _installed(name)) is not None}
    missing = [name for name in TRAINERS if name not in boosters]
    if not boosters or _installed("sklearn") is None:
        wanted = "scikit-learn" if boosters else "LightGBM or XGBoost, and scikit-learn"
        print(f"The demonstration needs {wanted}: {INSTALL}", file=sys.stderr)
        return 1
    for name in missing:
        print(f"{name} is not installed and left out: {INSTALL}\n")
    busy = os.getloadavg()[0] / get_num_threads()
    if busy > 0.5:
        print(f"Other programs use the processors ({busy:.0%}): times are unreliable, those of several threads most.\n")
    labels, scores = _boosters(boosters, rounds)
    _objectives(labels, scores, rows)
    _losses(elements)
    return 0


def _installed(module: str) -> ModuleType | None:
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


# ---- boosters -------------------------------------------------------------------------------------------------------


def _train_lightgbm(
    lightgbm: Any, x: Array, y: Array, x_test: Array, start: float, native: Native | None, rounds: int
) -> tuple[Array, float]:
    shared = {"num_threads": 1, "verbose": -1}
    parameters = {"objective": native or "binary", "boost_from_average": False, "num_leaves": 15, **shared}
    data = lightgbm.Dataset(x, y, init_score=np.full(len(y), start), params=shared).construct()
    began = time.perf_counter()
    model = lightgbm.train(parameters, data, rounds)
    seconds = time.perf_counter() - began
    return model.predict(x_test, raw_score=True) + start, seconds


def _train_xgboost(
    xgboost: Any, x: Array, y: Array, x_test: Array, start: float, native: Native | None, rounds: int
) -> tuple[Array, float]:
    parameters: dict[str, Any] = {"max_depth": 4, "eta": 0.1, "verbosity": 0, "nthread": 1}
    if native is None:
        parameters["objective"] = "binary:logistic"
    data = xgboost.DMatrix(x, y, base_margin=np.full(len(y), start))
    test = xgboost.DMatrix(x_test, base_margin=np.full(len(x_test), start))
    began = time.perf_counter()
    model = xgboost.train(parameters, data, rounds, obj=native)
    seconds = time.perf_counter() - began
    return model.predict(test, output_margin=True).astype(np.float64), seconds


TRAINERS: dict[str, Train] = {"lightgbm": _train_lightgbm, "xgboost": _train_xgboost}


@dataclass
class _Result:
    """What the models of one objective gave: held-out logits, one row for each problem, and seconds."""

    scores: Array
    training: float = 0.0
    objective: float = 0.0

    def timed(self, native: Native) -> Native:
        """The objective with its time added up; a function, as LightGBM would copy an object with its parameters."""

        def call(predictions: Array, data: Any) -> tuple[Array, Array]:
            began = time.perf_counter()
            result = native(predictions, data)
            self.objective += time.perf_counter() - began
            return result

        return call


def _natives() -> dict[str, Native | None]:
    loss = get("binary_focal", gamma=GAMMA)
    return {
        BUILT_IN: None,
        FOCAL: make_objective(loss, None, None).native,
        EXACT: make_objective(loss, "exact", None).native,
        NUMPY: lambda predictions, data: numpy_focal(data.get_label(), predictions),
    }


def _boosters(boosters: dict[str, ModuleType], rounds: int) -> tuple[Array, Array]:
    """Train, print quality and time, and return labels and some held-out scores of one problem."""
    x, digit = importlib.import_module("sklearn.datasets").load_digits(return_X_y=True)
    problems = np.array([digit == k for k in range(10)], dtype=np.float64)
    folds = importlib.import_module("sklearn.model_selection").StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    splits = [list(folds.split(x, y)) for y in problems]
    natives = _natives()
    print(
        f"Boosters: handwritten digits, each against the other nine: 10 problems of {len(digit)} rows, "
        f"{problems.mean():.0%} positive.\n{FOLDS}-fold cross-validation, {rounds} trees, gamma = {GAMMA:g}, "
        "1 thread. Quality is a mean over the problems, times are totals; that of the\nobjective "
        "includes reading labels (fastloss: and weights) from the booster.\n"
        "Focal loss is not a proper scoring rule: it does not aim at probabilities, which log loss measures.\n",
        flush=True,
    )
    with Progress("training", len(boosters) * len(problems)) as progress:
        results = {}
        for name, module in boosters.items():
            for native in natives.values():  # starts the threads and loads the code of the library
                TRAINERS[name](module, x, problems[0], x, 0.0, native, 1)
            results[name] = {title: _Result(np.empty_like(problems)) for title in natives}
            for k, (y, parts) in enumerate(zip(problems, splits, strict=True)):
                for train, test in parts:
                    start = float(LOGIT(y[train].mean()))
                    for title, native in natives.items():  # innermost, so that a busy moment slows all of them
                        result = results[name][title]
                        timed = None if native is None else result.timed(native)
                        scores, seconds = TRAINERS[name](module, x[train], y[train], x[test], start, timed, rounds)
                        result.scores[k, test] = scores
                        result.training += seconds
                progress.step(f"{name}: digit {k}")
    for name, module in boosters.items():
        _report(f"{name} {module.__version__}", problems, results[name])
    return problems[8], results[next(iter(boosters))][FOCAL].scores[8]


def _report(name: str, problems: Array, results: dict[str, _Result]) -> None:
    quality = {title: _quality(problems, result.scores) for title, result in results.items()}
    rows: list[tuple[str, ...]] = [(name, "avg precision", "ROC AUC", "F1 at 0.5", "log loss", "training", "objective")]
    for title, result in results.items():
        objective = "-" if title == BUILT_IN else f"{result.objective:.3f} s"
        rows.append((title, *(f"{q:.4f}" for q in quality[title].mean(axis=0)), f"{result.training:.2f} s", objective))
    print(aligned(rows, numbers=True), end="\n\n")
    for k, measure in ((0, "average precision"), (3, "log loss")):
        change = quality[FOCAL][:, k] - quality[BUILT_IN][:, k]
        mean, error = change.mean(), change.std(ddof=1) / np.sqrt(len(change))
        verdict = "beyond" if abs(mean) > 2 * error else "within"
        print(f"  {measure}, focal minus built in: {mean:+.4f}, {verdict} two standard errors of {error:.4f}.")
    exact, numpy = (LOGIT.inverse(results[title].scores) for title in (EXACT, NUMPY))
    print(
        f"  largest difference of a probability between fastloss and NumPy, exact hessian: {_gap(exact, numpy):.1e}.\n"
    )


def _quality(problems: Array, scores: Array) -> Array:
    """Average precision, ROC AUC, F1 and log loss: a row for each problem."""
    metrics = importlib.import_module("sklearn.metrics")
    rows = []
    for y, z in zip(problems, scores, strict=True):
        p = LOGIT.inverse(z)
        ranking = metrics.average_precision_score(y, z), metrics.roc_auc_score(y, z)
        rows.append((*ranking, metrics.f1_score(y, p > 0.5), metrics.log_loss(y, p)))
    return np.array(rows)


# ---- objectives alone -----------------------------------------------------------------------------------------------


def _objectives(labels: Array, scores: Array, rows: int) -> None:
    objective = make_objective(get("binary_focal", gamma=GAMMA), "exact", None)
    y = np.resize(labels, rows).astype(np.float32)
    calls: list[tuple[str, Objective | Callable[..., Any]]] = [("NumPy", numpy_focal), ("fastloss", objective)]
    table: list[tuple[str, ...]] = [("time of one call", "float32 scores", "faster", "float64 scores", "faster")]
    base: list[float] = []
    for title, call in calls:
        times = [_best(partial(call, y, np.resize(scores, rows).astype(real))) for real in (np.float32, np.float64)]
        base = base or times
        cells = [(f"{t * 1e3:.2f} ms", f"{b / t:.1f} x") for t, b in zip(times, base, strict=True)]
        table.append((title, *cells[0], *cells[1]))
    print(f"The focal objective alone, exact hessian: digit 8, labels and held-out scores tiled to {rows} rows.")
    print("XGBoost passes float32 scores, LightGBM float64. One thread, the shortest of several calls.\n")
    print(aligned(table, numbers=True), end="\n\n")


def _best(call: Callable[[], Any]) -> float:
    """The shortest of at least ten times, and of as many as fit into `TIMING` seconds."""
    call()
    times: list[float] = []
    while len(times) < 10 or sum(times) < TIMING:
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times)


# ---- every loss -----------------------------------------------------------------------------------------------------


def _losses(elements: int) -> None:
    losses = [loss for name in list_losses() if isinstance(loss := get(name), PointwiseLoss)]
    print(
        f"All {len(losses)} losses with default parameters on {elements} random float64 samples: largest difference\n"
        "|kernel - NumPy| / max(1, |NumPy|) of a value, gradient and hessian, the time of the NumPy reference for all\n"
        "three, and how many times faster the kernel is. The reference is written for clarity, not for speed.\n",
        flush=True,
    )
    rng = np.random.default_rng(0)
    every = get_num_threads()
    table: list[tuple[str, ...]] = [("loss", "value", "gradient", "hessian", "NumPy", "1 thread", _threads(every))]
    gains = []
    with Progress("losses", len(losses)) as progress:
        for loss in losses:
            y, f = _draw(loss, elements, rng)
            got, expected = (each.evaluate(y, f, reduction="none") for each in (loss, loss.reference))
            gaps = [_gap(a, b) for a, b in zip(got, expected, strict=True)]
            slow = _time_evaluation(loss.reference, y, f)
            gain = [slow / _time_evaluation(loss, y, f, threads) for threads in (1, every)]
            shown = (*(f"{gap:.0e}" for gap in gaps), f"{slow * 1e3:.1f} ms", *(f"{times:.1f} x" for times in gain))
            table.append((loss.info.name, *shown))
            gains.append(gain)
            progress.step(loss.info.name)
    print(aligned(table, numbers=True), end="\n\n")
    one, all_ = np.array(gains).T
    print(
        f"Kernels against the reference: {one.min():.1f} to {one.max():.1f} times faster on 1 thread, "
        f"median {np.median(one):.1f}; median {np.median(all_):.1f} on {_threads(every)}."
    )


def _time_evaluation(loss: Methods, y: Array, f: Array, threads: int = 1) -> float:
    with num_threads(threads):
        return _best(lambda: loss.evaluate(y, f, reduction="none"))


def _threads(n: int) -> str:
    return "1 thread" if n == 1 else f"{n} threads"


def _draw(loss: PointwiseLoss, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    y = _inside(loss.info.y_domain, n, rng)
    columns = [_inside(domain, n, rng, at_bounds=False) for domain in loss.f_domains]
    return y, columns[0] if loss.n_predictions == 1 else np.stack(columns, axis=-1)


def _inside(domain: Domain, n: int, rng: np.random.Generator, at_bounds: bool = True) -> Array:
    """Random members of a domain; counts, with zeros, where the domain is closed below and `at_bounds`."""
    if not isinstance(domain, Interval):
        return rng.integers(0, 2, n).astype(np.float64)
    if domain.low == -np.inf:
        return rng.normal(scale=2.0, size=n)
    if domain.high < np.inf:
        return rng.uniform(domain.low, domain.high, n)
    if at_bounds and not domain.low_open:
        return domain.low + rng.poisson(2.0, n)
    return domain.low + rng.gamma(2.0, size=n)


def _gap(a: Array, b: Array) -> float:
    """Largest difference, relative where `b` exceeds 1; equal infinities and common NaN count as 0."""
    with np.errstate(invalid="ignore"):
        gap = np.abs(a - b) / np.maximum(1.0, np.abs(b))
    return float(np.max(np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, gap), initial=0.0))
