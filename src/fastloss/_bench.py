"""``python -m fastloss bench``: every loss beside the NumPy reference, other packages and what memory allows.

Design. All candidates take turns within one loop, each runs once untimed right before it is timed (warm caches, awake
threads), and the best of its turns counts. Slow candidates sit out once they have used their share of time. Every
candidate computes the same outputs with ``reduction="sum"``, whose gradient needs no scale in any package. The
bandwidth probe reads two arrays and writes as many as the loss does; it is the better of ordinary and streaming stores.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from ._base import Array, Methods, PointwiseLoss
from ._core import machine as _core
from ._domains import Domain, Interval, Labels
from ._progress import Progress
from ._registry import get, list_losses
from ._text import aligned
from ._threads import get_num_threads, num_threads
from ._version import versions

Call = Callable[[], Any]
Rows = list[list[str]]

OUTPUTS = {"value": "value", "value+gradient": "value_and_gradient", "gradient+hessian": "gradient_and_hessian"}
"""Sets of outputs and the methods that compute them."""

DTYPES = ("float64", "float32")
SHORTEST = 3e-4  # seconds of one timing; faster calls are repeated within it
SHARE = 0.3  # seconds after which a candidate sits out
FEWEST = 2  # timings of a candidate however slow it is
ESSENTIALS = ("fastloss", "python", "numpy", "processor", "instruction set", "compiler")


# ---- what is computed -----------------------------------------------------------------------------------------------


def draw(loss: PointwiseLoss, size: int, dtype: str = "float64", seed: int = 0) -> tuple[Array, Array]:
    """Draw targets and predictions inside the domains of a loss.

    Parameters
    ----------
    loss : PointwiseLoss
        Its `info.y_domain` and `f_domains` say where.
    size : int
        Number of samples.
    dtype : {"float64", "float32"}
        Of both arrays.
    seed : int
        Of the random generator.

    Returns
    -------
    y_true, y_pred : ndarray
        Of shape (size,); predictions of shape (size, 2) where a sample has two.

    Raises
    ------
    ValueError
        If a domain is of a kind that nothing is known to be drawn from.

    Examples
    --------
    >>> import fastloss as fl
    >>> from fastloss._bench import draw
    >>> y, f = draw(fl.Huber(), 5)
    >>> y.shape, f.shape
    ((5,), (5,))
    """
    rng = np.random.default_rng(seed)
    columns = [_drawn(domain, size, rng).astype(dtype) for domain in (loss.info.y_domain, *loss.f_domains)]
    y, *f = columns
    return y, f[0] if len(f) == 1 else np.stack(f, axis=-1)


def _drawn(domain: Domain, size: int, rng: np.random.Generator) -> Array:
    if isinstance(domain, Labels):
        return rng.integers(0, 2, size).astype(np.float64)
    if isinstance(domain, Interval):
        if domain.rule == "any":
            return rng.normal(0.0, 2.0, size)
        if math.isfinite(domain.low) and math.isfinite(domain.high):
            return domain.low + (domain.high - domain.low) * rng.uniform(0.05, 0.95, size)
        if math.isfinite(domain.low):
            return domain.low + rng.gamma(2.0, 1.0, size) + 0.05
    raise ValueError(f"no data can be drawn for the domain {domain}")


def aligned_empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """An uninitialised array whose memory starts at a multiple of 64 bytes, as streaming stores ask for."""
    item = np.dtype(dtype)
    raw = np.empty(math.prod(shape) * item.itemsize + 64, np.uint8)
    start = -raw.ctypes.data % 64
    array: Array = raw[start : start + math.prod(shape) * item.itemsize].view(item).reshape(shape)
    return array


def pointwise(name: str, raw: bool = True) -> PointwiseLoss:
    """The loss of a name with default parameters, on its raw or natural scale; TypeError if nothing here times it."""
    loss = get(name)
    if not isinstance(loss, PointwiseLoss):
        raise TypeError(f"no benchmark for {loss!r}: it is no PointwiseLoss")
    return loss.on_raw() if raw else loss


@dataclass(frozen=True, eq=False)
class Task:
    """Some outputs of a loss for drawn data, with memory for them.

    Attributes
    ----------
    loss : PointwiseLoss
        The loss.
    outputs : str
        A key of `OUTPUTS`.
    y, f : ndarray
        Targets and predictions.
    out : tuple of ndarray
        Aligned arrays for gradient and hessian, as many as `outputs` needs.
    """

    loss: PointwiseLoss
    outputs: str
    y: Array
    f: Array
    out: tuple[Array, ...]

    @classmethod
    def make(cls, loss: PointwiseLoss, outputs: str, size: int, dtype: str = "float64") -> Task:
        """Draw the data."""
        drawn = draw(loss, size, dtype)
        y, f = (aligned_empty(x.shape, x.dtype) for x in drawn)
        y[...], f[...] = drawn
        arrays = ("gradient" in outputs) + ("hessian" in outputs)
        out = tuple(aligned_empty(f.shape, f.dtype) for _ in range(arrays))
        for array in out:
            array.fill(0)
        return cls(loss, outputs, y, f, out)

    @property
    def n_bytes(self) -> int:
        """Bytes that have to be read and written."""
        return sum(array.nbytes for array in (self.y, self.f, *self.out))

    def kernel(self) -> Call:
        """The compiled loss, writing into `out`."""
        method, y, f, out = getattr(self.loss, OUTPUTS[self.outputs]), self.y, self.f, self.out
        if not out:
            return lambda: method(y, f, reduction="sum")
        target = out[0] if len(out) == 1 else out
        return lambda: method(y, f, reduction="sum", out=target)

    def reference(self) -> Call:
        """The same in NumPy; its temporaries are fresh anyway, so copies into `out` would only slow it down."""
        reference: Methods = self.loss.reference
        method, y, f = getattr(reference, OUTPUTS[self.outputs]), self.y, self.f
        return lambda: method(y, f, reduction="sum")

    def probes(self, n_threads: int) -> tuple[int, dict[str, Call]]:
        """Bytes that the bandwidth probe moves, and the probe with ordinary and with streaming stores."""
        f, out = self.f.reshape(-1), tuple(array.reshape(-1) for array in self.out)
        y = self.y if self.y.size == f.size else np.ones_like(f)

        def probe(stream: bool) -> Call:
            return lambda: _core.probe(y, f, out, n_threads, stream)

        probes = {"probe": probe(False)} | ({"probe, streaming": probe(True)} if out else {})
        return 2 * f.nbytes + sum(array.nbytes for array in out), probes


# ---- other packages -------------------------------------------------------------------------------------------------
# Each function returns a call that computes the outputs of a task, or None where the package has no such loss.

Peer = Callable[[Task, int], Call | None]

SKLEARN: dict[str, tuple[str, dict[str, float]]] = {
    "half_squared_error": ("HalfSquaredError", {}),
    "mean_absolute_error": ("AbsoluteError", {}),
    "huber": ("HuberLoss", {"delta": 1.0}),
    "quantile": ("PinballLoss", {"quantile": 0.5}),
    "poisson": ("HalfPoissonLoss", {}),
    "gamma": ("HalfGammaLoss", {}),
    "tweedie": ("HalfTweedieLoss", {"power": 1.5}),
    "binary_cross_entropy": ("HalfBinomialLoss", {}),
}


def _sklearn(task: Task, n_threads: int) -> Call | None:
    if task.loss.info.name not in SKLEARN:
        return None
    name, parameters = SKLEARN[task.loss.info.name]
    peer = getattr(import_module("sklearn._loss.loss"), name)(**parameters)
    y, f, per_sample = task.y, task.f, np.empty_like(task.f)
    if task.outputs == "value":
        return lambda: (peer.loss(y, f, None, per_sample, n_threads).sum(),)
    if task.outputs == "value+gradient":
        (gradient,) = task.out

        def value_and_gradient() -> Any:
            peer.loss_gradient(y, f, None, per_sample, gradient, n_threads)
            return per_sample.sum(), gradient

        return value_and_gradient
    if peer.approx_hessian and name != "HuberLoss":  # a constant in the place of 0
        return None
    gradient, hessian = task.out
    return lambda: peer.gradient_hessian(y, f, None, gradient, hessian, n_threads)


def _numba_losses(real: Any) -> dict[str, Callable[[Any, Any], tuple[Any, Any, Any]]]:
    """Value, gradient and hessian of one sample; constants of another type would make Numba compute in float64."""
    zero, half, one, two, ln2 = real(0), real(0.5), real(1), real(2), real(math.log(2))
    exp, log1p, fabs, sign = math.exp, math.log1p, math.fabs, math.copysign

    def huber(y: Any, f: Any) -> Any:
        r = f - y
        if fabs(r) <= one:
            return half * r * r, r, one
        return fabs(r) - half, sign(one, r), zero

    def log_cosh(y: Any, f: Any) -> Any:
        r = fabs(f - y)
        e = exp(-two * r)
        tanh = sign((one - e) / (one + e), f - y)
        return r + log1p(e) - ln2, tanh, one - tanh * tanh

    def binary_cross_entropy(y: Any, f: Any) -> Any:
        e = exp(-fabs(f))
        p = (one if f >= zero else e) / (one + e)
        return max(f, zero) - y * f + log1p(e), p - y, p * (one - p)

    return {
        "mean_squared_error": lambda y, f: ((f - y) * (f - y), two * (f - y), two),
        "half_squared_error": lambda y, f: (half * (f - y) * (f - y), f - y, one),
        "mean_absolute_error": lambda y, f: (fabs(f - y), sign(one, f - y) if f != y else zero, zero),
        "quantile": lambda y, f: (half * fabs(f - y), sign(half, f - y) if f != y else zero, zero),
        "huber": huber,
        "log_cosh": log_cosh,
        "binary_cross_entropy": binary_cross_entropy,
        "poisson": lambda y, f: (exp(f) - y * f, exp(f) - y, exp(f)),
        "gamma": lambda y, f: (f + y * exp(-f), one - y * exp(-f), y * exp(-f)),
    }


def _numba(task: Task, n_threads: int) -> Call | None:
    numba = import_module("numba")
    losses = _numba_losses(task.f.dtype.type)
    if task.loss.info.name not in losses:
        return None
    sample = numba.njit(losses[task.loss.info.name], inline="always")
    prange, y, f = numba.prange, task.y, task.f

    def value(y: Any, f: Any) -> Any:
        total = 0.0
        for i in prange(len(y)):
            total += sample(y[i], f[i])[0]
        return total

    def value_and_gradient(y: Any, f: Any, g: Any) -> Any:
        total = 0.0
        for i in prange(len(y)):
            v, g[i], _ = sample(y[i], f[i])
            total += v
        return total

    def gradient_and_hessian(y: Any, f: Any, g: Any, h: Any) -> None:
        for i in prange(len(y)):
            _, g[i], h[i] = sample(y[i], f[i])

    loop = {"value": value, "value+gradient": value_and_gradient, "gradient+hessian": gradient_and_hessian}
    compiled = numba.njit(loop[task.outputs], parallel=True, fastmath=True)
    numba.set_num_threads(n_threads)
    if task.outputs == "gradient+hessian":
        gradient, hessian = task.out
        return lambda: (compiled(y, f, gradient, hessian), gradient, hessian)[1:]
    return lambda: (compiled(y, f, *task.out), *task.out)


TORCH: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "mean_squared_error": lambda torch, F, y, f: F.mse_loss(f, y, reduction="sum"),
    "half_squared_error": lambda torch, F, y, f: 0.5 * F.mse_loss(f, y, reduction="sum"),
    "mean_absolute_error": lambda torch, F, y, f: F.l1_loss(f, y, reduction="sum"),
    "huber": lambda torch, F, y, f: F.huber_loss(f, y, reduction="sum"),
    "smooth_l1": lambda torch, F, y, f: F.smooth_l1_loss(f, y, reduction="sum"),
    "log_cosh": lambda torch, F, y, f: (f - y + F.softplus(-2 * (f - y)) - math.log(2)).sum(),
    "quantile": lambda torch, F, y, f: torch.maximum(0.5 * (y - f), -0.5 * (y - f)).sum(),
    "binary_cross_entropy": lambda torch, F, y, f: F.binary_cross_entropy_with_logits(f, y, reduction="sum"),
    "poisson": lambda torch, F, y, f: F.poisson_nll_loss(f, y, reduction="sum"),
    "gamma": lambda torch, F, y, f: (f + y * torch.exp(-f)).sum(),
}


def _torch(task: Task, n_threads: int) -> Call | None:
    if task.loss.info.name not in TORCH or _is_piecewise_linear(task):
        return None
    torch, F, value = import_module("torch"), import_module("torch.nn.functional"), TORCH[task.loss.info.name]
    torch.set_num_threads(n_threads)
    y, f = torch.from_numpy(task.y), torch.from_numpy(task.f).requires_grad_(task.outputs != "value")

    def forward() -> Any:
        return (value(torch, F, y, f),)

    def forward_backward() -> Any:
        total = value(torch, F, y, f)
        return total.detach(), *torch.autograd.grad(total, f)

    def twice_backward() -> Any:
        (gradient,) = torch.autograd.grad(value(torch, F, y, f), f, create_graph=True)
        return gradient.detach(), *torch.autograd.grad(gradient.sum(), f)

    return {"value": forward, "value+gradient": forward_backward, "gradient+hessian": twice_backward}[task.outputs]


def _torch_compile(task: Task, n_threads: int) -> Call | None:
    if task.loss.info.name not in TORCH or _is_piecewise_linear(task):
        return None
    torch, F, formula = import_module("torch"), import_module("torch.nn.functional"), TORCH[task.loss.info.name]
    torch.set_num_threads(n_threads)
    y, f = torch.from_numpy(task.y), torch.from_numpy(task.f)

    def value(f: Any) -> Any:
        return formula(torch, F, y, f)

    def value_and_gradient(f: Any) -> Any:
        gradient, total = torch.func.grad_and_value(value)(f)
        return total, gradient

    def gradient_and_hessian(f: Any) -> Any:
        def total_gradient(f: Any) -> Any:
            gradient = torch.func.grad(value)(f)
            return gradient.sum(), gradient

        hessian, gradient = torch.func.grad(total_gradient, has_aux=True)(f)
        return gradient, hessian

    functions = {"value": value, "value+gradient": value_and_gradient, "gradient+hessian": gradient_and_hessian}
    torch.compiler.reset()  # or a second size would be compiled for all sizes, which is slower
    compiled = torch.compile(functions[task.outputs], dynamic=False)
    if task.outputs == "value":
        return lambda: (compiled(f),)
    return lambda: compiled(f)


def _is_piecewise_linear(task: Task) -> bool:
    """Whether the gradient does not depend on predictions, so that automatic differentiation gives no hessian."""
    return "hessian" in task.outputs and task.loss.info.name in ("mean_absolute_error", "quantile")


PEERS: dict[str, tuple[str, Peer]] = {
    "numba": ("numba", _numba),
    "sklearn": ("scikit-learn", _sklearn),
    "torch": ("torch", _torch),
    "compile": ("torch", _torch_compile),
}
"""Heading of a column, distribution and function of each peer."""


def installed_peers() -> dict[str, Peer]:
    """The peers whose package is installed."""
    found = {}
    for heading, (distribution, peer) in PEERS.items():
        with suppress(PackageNotFoundError):
            version(distribution)
            found[heading] = peer
    return found


def peer_call(peer: Peer, task: Task, n_threads: int) -> Call | None:
    """The call of a peer, None where it has no such loss: all tables are for default parameters on the raw scale."""
    return peer(task, n_threads) if task.loss == pointwise(task.loss.info.name) else None


# ---- timing ---------------------------------------------------------------------------------------------------------


def measure(candidates: dict[str, Call], repeat: int) -> dict[str, list[float]]:
    """Time calls in turns.

    Parameters
    ----------
    candidates : dict
        Calls by name. The first call of each is not timed: compilers and page faults have their turn there.
    repeat : int
        Timings of each, fewer for slow ones.

    Returns
    -------
    dict
        Seconds of one call, in ascending order.
    """
    loops: dict[str, int] = {}
    spent = dict.fromkeys(candidates, 0.0)
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for name, call in candidates.items():
        call()
        loops[name] = max(1, int(SHORTEST / max(_timed(call, 1), 1e-9)))
    for _ in range(repeat):
        for name, call in candidates.items():
            if len(seconds[name]) >= FEWEST and spent[name] > SHARE:
                continue
            warm = _timed(call, 1)
            timed = _timed(call, loops[name])
            seconds[name].append(timed / loops[name])
            spent[name] += warm + timed
    return {name: sorted(times) for name, times in seconds.items()}


def _timed(call: Call, loops: int) -> float:
    turns = range(loops)
    start = time.perf_counter()
    for _ in turns:
        call()
    return time.perf_counter() - start


def _noise(times: Sequence[float]) -> float:
    """How much longer the median run took than the best."""
    return times[len(times) // 2] / times[0] - 1


# ---- tables ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """What one table is about."""

    outputs: str
    size: int
    dtype: str
    n_threads: int
    repeat: int

    def __str__(self) -> str:
        threads = f"{self.n_threads} thread{'s' * (self.n_threads > 1)}"
        return f"{self.outputs}, {self.size} {self.dtype} samples, {threads}"


def speed_table(losses: Sequence[PointwiseLoss], setting: Setting, peers: dict[str, Peer]) -> tuple[Rows, str]:
    """Rows with a heading, and a sentence on the probe."""
    rows: Rows = [["loss", "ns/element", "GB/s", "probe GB/s", "of probe", "noise", "NumPy", *peers]]
    noises = []
    with Progress(str(setting), len(losses)) as progress:
        for loss in losses:
            task = Task.make(loss, setting.outputs, setting.size, setting.dtype)
            moved, probes = task.probes(setting.n_threads)
            times = measure(_candidates(task, setting.n_threads, peers) | probes, setting.repeat)
            best = {name: each[0] for name, each in times.items()}
            probe = min(probes, key=best.__getitem__)
            limit, ours = 1e-9 * moved / best[probe], best["fastloss"]
            speed = 1e-9 * task.n_bytes / ours
            noises.append(_noise(times[probe]))
            cells = [f"{1e9 * ours / setting.size:.3f}", f"{speed:.1f}", f"{limit:.1f}", f"{speed / limit:.0%}"]
            ratios = [_ratio(best.get(name), ours) for name in ("NumPy", *peers)]
            rows.append([loss.info.name, *cells, f"{noises[-1]:.0%}", *ratios])
            progress.step(loss.info.name)
    usual = sorted(noises)[len(noises) // 2]
    return _without_empty_columns(rows), f"Noise: the median run of the probe took {usual:.0%} longer than its best."


def overhead_table(losses: Sequence[PointwiseLoss], setting: Setting, peers: dict[str, Peer]) -> tuple[Rows, str]:
    """Nanoseconds of whole calls, less those of a call of nothing."""
    rows: Rows = [["loss", "ns/call", "NumPy", *peers]]
    empty = []
    with Progress(str(setting), len(losses)) as progress:
        for loss in losses:
            task = Task.make(loss, setting.outputs, setting.size, setting.dtype)
            candidates = _candidates(task, setting.n_threads, peers) | {"nothing": lambda: None, "cython": _core.openmp}
            times = measure(candidates, setting.repeat)
            best = {name: each[0] - times["nothing"][0] for name, each in times.items()}
            empty.append(times["cython"][0])
            ours = best["fastloss"]
            rows.append(
                [loss.info.name, f"{1e9 * ours:.0f}", *(_ratio(best.get(name), ours) for name in ("NumPy", *peers))]
            )
            progress.step(loss.info.name)
    return _without_empty_columns(rows), f"A Cython call without arguments takes {1e9 * min(empty):.0f} ns."


def probe_table(sizes: Iterable[int], dtypes: Sequence[str], threads: Sequence[int], repeat: int) -> Rows:
    """What memory allows, for arrays of some sizes."""
    rows: Rows = [["written", "dtype", "threads", "elements", "GB/s", "GB/s streaming", "noise"]]
    loss = pointwise("mean_squared_error")
    for size in sizes:
        for dtype in dtypes:
            for n_threads in threads:
                for outputs in OUTPUTS:
                    task = Task.make(loss, outputs, size, dtype)
                    moved, probes = task.probes(n_threads)
                    times = measure(probes, repeat)
                    speeds = [f"{1e-9 * moved / each[0]:.1f}" for each in times.values()]
                    noise = f"{max(map(_noise, times.values())):.0%}"
                    cells = [str(len(task.out)), dtype, str(n_threads), str(size), *speeds]
                    rows.append(cells + ["-"] * (len(rows[0]) - len(cells) - 1) + [noise])
    return rows


def _candidates(task: Task, n_threads: int, peers: dict[str, Peer]) -> dict[str, Call]:
    found = {"fastloss": task.kernel(), "NumPy": task.reference()}
    for heading, peer in peers.items():
        call = peer_call(peer, task, n_threads)
        if call is None:
            continue
        try:
            call()
        except Exception as error:  # a compiler that torch.compile does not find should not end the run
            reason = str(error).strip().partition("\n")[0]
            print(f"{heading} left out for {task.loss.info.name}: {type(error).__name__}: {reason}", file=sys.stderr)
        else:
            found[heading] = call
    return found


def _ratio(theirs: float | None, ours: float) -> str:
    return "-" if theirs is None else f"{theirs / ours:.3g}x" if theirs < 100 * ours else f"{theirs / ours:.0f}x"


def _without_empty_columns(rows: Rows) -> Rows:
    kept = [k for k in range(len(rows[0])) if any(row[k] != "-" for row in rows[1:])]
    return [[row[k] for k in kept] for row in rows]


def _markdown(rows: Rows) -> str:
    rule = ["---", *["---:"] * (len(rows[0]) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (rows[0], rule, *rows[1:]))


# ---- command --------------------------------------------------------------------------------------------------------


def main(argv: Sequence[str]) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str
        Arguments after ``bench``.

    Returns
    -------
    int
        The exit status 0. Wrong arguments raise `SystemExit` with status 2.
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        losses = [pointwise(name, arguments.raw) for name in arguments.losses or list_losses()]
    except ValueError as error:
        parser.error(str(error))
    threads = arguments.threads or [1 if arguments.overhead else get_num_threads()]
    peers = installed_peers() if arguments.peers else {}
    shown = _markdown if arguments.markdown else lambda rows: aligned(rows, numbers=True)

    known = versions()
    print(aligned([(name, known[name]) for name in ESSENTIALS] + _peer_versions(peers)), end="\n\n", flush=True)
    if arguments.probe:
        print(shown(probe_table([arguments.size or 16777216], arguments.dtype, threads, arguments.repeat)))
        return 0
    print("Columns of other packages: how many times as long they take, for the same outputs, summed over samples.\n")
    table, usual = (overhead_table, 100) if arguments.overhead else (speed_table, 1_000_000)
    for dtype in arguments.dtype:
        for n_threads in threads:
            for outputs in arguments.outputs or (["value+gradient"] if arguments.overhead else list(OUTPUTS)):
                setting = Setting(outputs, arguments.size or usual, dtype, n_threads, arguments.repeat)
                with num_threads(n_threads):
                    rows, note = table(losses, setting, peers)
                heading = f"**{setting}**\n" if arguments.markdown else setting
                print(heading, shown(rows), f"\n{note}\n" if arguments.markdown else f"{note}\n", sep="\n", flush=True)
    return 0


def _peer_versions(peers: dict[str, Peer]) -> list[tuple[str, str]]:
    distributions = dict.fromkeys(PEERS[heading][0] for heading in peers)
    return [(distribution, version(distribution)) for distribution in distributions]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fastloss bench",
        description="Time every loss beside the NumPy reference, other installed packages (Numba, scikit-learn, "
        "torch, torch.compile: their compilers take a while) and a probe of the memory's bandwidth.",
    )
    parser.add_argument("--losses", type=_names, metavar="A,B", help="names of losses (default: all)")
    parser.add_argument(
        "--outputs", type=_listed(OUTPUTS), metavar="A,B", help=f"of {', '.join(OUTPUTS)} (default: each)"
    )
    parser.add_argument("--size", type=_size, help="samples (default: 1e6; 100 with --overhead, 16777216 with --probe)")
    parser.add_argument("--dtype", type=_listed(DTYPES), default=["float64"], metavar="A,B", help="float64, float32")
    parser.add_argument(
        "--threads", type=_threads, metavar="A,B", help="numbers, or all (the default; 1 with --overhead)"
    )
    parser.add_argument("--repeat", type=_size, default=15, help="timings, of which the best counts")
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True, help="time other packages")
    parser.add_argument(
        "--raw", action=argparse.BooleanOptionalAction, default=True, help="logits and log-rates as predictions"
    )
    parser.add_argument("--markdown", action="store_true", help="print Markdown tables")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--overhead", action="store_true", help="the time of whole calls for little data")
    what.add_argument("--probe", action="store_true", help="only the bandwidth of the memory")
    return parser


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _listed(options: Iterable[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = _names(text)
        for name in names:
            if name not in options:
                raise argparse.ArgumentTypeError(f"must be of {', '.join(options)}, got {name!r}")
        return names

    return parse


def _size(text: str) -> int:
    number = float(text)
    if not 1 <= number < math.inf or number != int(number):
        raise argparse.ArgumentTypeError(f"must be a positive integer, got {text!r}")
    return int(number)


_size.__name__ = "positive integer"  # argparse puts it into its message


def _threads(text: str) -> list[int]:
    most = get_num_threads()
    numbers = list(dict.fromkeys(most if name == "all" else _size(name) for name in _names(text)))
    if max(numbers) > most:
        raise argparse.ArgumentTypeError(f"must be at most {most} here, got {max(numbers)}")
    return numbers
