"""``python -m fastloss bench``: every loss beside the NumPy reference, other packages and what memory allows.

Design. All candidates take turns within one loop, each runs once untimed right before it is timed (warm caches, awake
threads; not those that are slow anyway), and the best of its turns counts. Slow candidates sit out once they have used
their share of time. Every candidate computes the same outputs with ``reduction="sum"``, whose gradient needs no scale
in any package. The bandwidth probe reads targets and predictions (of a row loss with labels: predictions only) and
writes as many arrays as the loss does; it is the better of ordinary and streaming stores.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from typing import Any

import numpy as np

from ._base import Array, Loss, Methods, PointwiseLoss
from ._bench_peers import PEERS, Call, Peer
from ._core import machine as _core
from ._domains import UNIT, Domain, Interval, Labels
from ._progress import Progress
from ._registry import get, list_losses
from ._rows import RowLoss
from ._text import aligned
from ._threads import get_num_threads, num_threads
from ._version import versions

Rows = list[list[str]]
Shape = int | tuple[int, int]
"""Samples of a pointwise loss, or rows and classes of a row loss."""

OUTPUTS = {"value": "value", "value+gradient": "value_and_gradient", "gradient+hessian": "gradient_and_hessian"}
"""Sets of outputs and the methods that compute them."""

DTYPES = ("float64", "float32")
SHAPES = ((65536, 10), (8192, 1000), (1024, 32768))
MOST_FOR_REFERENCE = 2**24  # predictions of a row loss: the references hold a dozen arrays of that size
SHORTEST = 3e-4  # seconds of one timing; faster calls are repeated within it
SHARE = 0.3  # seconds after which a candidate sits out
FEWEST = 2  # timings of a candidate however slow it is
ESSENTIALS = ("fastloss", "python", "numpy", "processor", "instruction set", "compiler")


# ---- what is computed -----------------------------------------------------------------------------------------------


def draw(loss: Loss, shape: Shape, dtype: str = "float64", seed: int = 0) -> tuple[Array, Array]:
    """Draw targets and predictions inside the domains of a loss.

    Parameters
    ----------
    loss : PointwiseLoss or RowLoss
        Its `info.y_domain` and `f_domains` say where, its `targets` of which kind.
    shape : int or tuple of int
        Number of samples of a pointwise loss, of rows and classes of a row loss.
    dtype : {"float64", "float32"}
        Of both arrays; labels are integers.
    seed : int
        Of the random generator.

    Returns
    -------
    y_true, y_pred : ndarray
        Pointwise of shape (size,), predictions of shape (size, 2) where a sample has two; for rows predictions have the
        given shape, and targets that or its first axis.

    Raises
    ------
    TypeError
        If the loss is of another kind.
    ValueError
        If a domain is of a kind that nothing is known to be drawn from.

    Examples
    --------
    >>> import fastloss as fl
    >>> from fastloss._bench import draw
    >>> y, f = draw(fl.Huber(), 5)
    >>> y.shape, f.shape
    ((5,), (5,))
    >>> y, f = draw(fl.SparseCategoricalCrossEntropy(), (5, 3))
    >>> y.shape, f.shape
    ((5,), (5, 3))
    """
    rng = np.random.default_rng(seed)
    if isinstance(loss, RowLoss) and isinstance(shape, tuple):
        y, row = _drawn_targets(loss, shape, rng), _drawn_row(loss.info.f_domain == UNIT, shape, rng)
        return y if y.dtype.kind == "i" else y.astype(dtype), row.astype(dtype)
    if isinstance(loss, PointwiseLoss) and isinstance(shape, int):
        columns = [_drawn(domain, shape, rng).astype(dtype) for domain in (loss.info.y_domain, *loss.f_domains)]
        y, *f = columns
        return y, f[0] if len(f) == 1 else np.stack(f, axis=-1)
    raise TypeError(f"no data of the shape {shape} can be drawn for {loss!r}")


def _drawn_targets(loss: RowLoss, shape: tuple[int, int], rng: np.random.Generator) -> Array:
    if loss.targets in ("labels", "both"):
        return rng.integers(0, shape[1], shape[0])
    if loss.targets == "values":
        return rng.normal(0.0, 2.0, shape[0])
    if loss.targets in ("dense", "vectors"):
        return _drawn_row(loss.info.y_domain == UNIT, shape, rng)
    raise ValueError(f"no data can be drawn for the targets {loss.targets!r}")


def _drawn_row(shares: bool, shape: tuple[int, int], rng: np.random.Generator) -> Array:
    z = rng.normal(0.0, 2.0, shape)
    if shares:
        np.exp(z, out=z)
        z /= z.sum(axis=1, keepdims=True)
    return z


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


def aligned_empty(shape: tuple[int, ...], dtype: Any, order: str = "C") -> Array:
    """An uninitialised array whose memory starts at a multiple of 64 bytes, as streaming stores ask for."""
    item = np.dtype(dtype)
    raw = np.empty(math.prod(shape) * item.itemsize + 64, np.uint8)
    start = -raw.ctypes.data % 64
    flat: Array = raw[start : start + math.prod(shape) * item.itemsize].view(item)
    return flat.reshape(shape, order="F" if order == "F" else "C")


def names_of(kind: type[Loss]) -> list[str]:
    """The registered losses of a kind."""
    return [name for name in list_losses() if isinstance(get(name), kind)]


def pointwise(name: str, raw: bool = True) -> PointwiseLoss:
    """The loss of a name with default parameters, on its raw or natural scale; TypeError if it is not pointwise."""
    loss = get(name)
    if not isinstance(loss, PointwiseLoss):
        raise TypeError(f"no benchmark for {loss!r}: it is no PointwiseLoss")
    return loss.on_raw() if raw else loss


def rowwise(name: str, n_classes: int, raw: bool = True) -> RowLoss:
    """The same for rows of some classes: a parameter with an entry for each class is repeated or cut.

    A loss that is another one on the raw scale stays as it is: that other one has its own name.
    """
    loss = get(name)
    if not isinstance(loss, RowLoss):
        raise TypeError(f"no benchmark for {loss!r}: it is no RowLoss")
    vectors = {k: np.resize(v, n_classes) for k, v in loss._parameters().items() if isinstance(v, tuple)}
    loss = replace(loss, **vectors)
    on_raw = loss.on_raw()
    return on_raw if raw and type(on_raw) is type(loss) else loss


@dataclass(frozen=True, eq=False)
class Task:
    """Some outputs of a loss for drawn data, with memory for them.

    Attributes
    ----------
    loss : PointwiseLoss or RowLoss
        The loss.
    outputs : str
        A key of `OUTPUTS`.
    y, f : ndarray
        Targets and predictions.
    out : tuple of ndarray
        Aligned arrays for gradient and hessian, as many as `outputs` needs.
    """

    loss: Loss
    outputs: str
    y: Array
    f: Array
    out: tuple[Array, ...]

    @classmethod
    def make(cls, loss: Loss, outputs: str, shape: Shape, dtype: str = "float64", order: str = "C") -> Task:
        """Draw the data; `order` is that of arrays with several axes."""
        drawn = draw(loss, shape, dtype)
        y, f = (aligned_empty(x.shape, x.dtype, order) for x in drawn)
        y[...], f[...] = drawn
        arrays = ("gradient" in outputs) + ("hessian" in outputs)
        out = tuple(aligned_empty(f.shape, f.dtype, order) for _ in range(arrays))
        for array in out:
            array.fill(0)
        return cls(loss, outputs, y, f, out)

    @property
    def n_bytes(self) -> int:
        """Bytes that have to be read and written."""
        return sum(array.nbytes for array in (self.y, self.f, *self.out))

    @property
    def elements(self) -> int:
        """Samples of a pointwise loss, predictions of a row loss."""
        return self.f.size if isinstance(self.loss, RowLoss) else self.y.size

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
        y, f, *out = (array.ravel(order="K") for array in (self.y, self.f, *self.out))
        if y.shape != f.shape:
            y = f if isinstance(self.loss, RowLoss) else np.ones_like(f)
        moved = sum(array.nbytes for array in (f, *out)) + (0 if y is f else y.nbytes)

        def probe(stream: bool) -> Call:
            return lambda: _core.probe(y, f, tuple(out), n_threads, stream)

        return moved, {"probe": probe(False)} | ({"probe, streaming": probe(True)} if out else {})


# ---- other packages -------------------------------------------------------------------------------------------------


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
    name = task.loss.info.name
    usual = rowwise(name, task.f.shape[-1]) if isinstance(task.loss, RowLoss) else pointwise(name)
    return peer(task, n_threads) if task.loss == usual else None


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
    once: dict[str, float] = {}
    spent = dict.fromkeys(candidates, 0.0)
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for name, call in candidates.items():
        call()
        once[name] = max(_timed(call, 1), 1e-9)
    for _ in range(repeat):
        for name, call in candidates.items():
            if len(seconds[name]) >= FEWEST and spent[name] > SHARE:
                continue
            warm = _timed(call, 1) if once[name] < SHARE else 0.0
            loops = max(1, int(SHORTEST / once[name]))
            timed = _timed(call, loops)
            seconds[name].append(timed / loops)
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
    shape: Shape
    dtype: str
    n_threads: int
    repeat: int
    order: str = "C"

    def __str__(self) -> str:
        threads = f"{self.n_threads} thread{'s' * (self.n_threads > 1)}"
        if isinstance(self.shape, int):
            return f"{self.outputs}, {self.shape} {self.dtype} samples, {threads}"
        n, k = self.shape
        return f"{self.outputs}, {n} rows of {k} {self.dtype} predictions in {self.order} order, {threads}"

    def offered(self, losses: Sequence[Loss]) -> list[Loss]:
        """The losses that have the outputs."""
        return [loss for loss in losses if "hessian" not in self.outputs or loss.hessian_policies]

    def task(self, loss: Loss) -> Task:
        """Data for a loss."""
        return Task.make(loss, self.outputs, self.shape, self.dtype, self.order)


def speed_table(losses: Sequence[Loss], setting: Setting, peers: dict[str, Peer]) -> tuple[Rows, str]:
    """Rows with a heading, and a sentence on the probe."""
    rows: Rows = [["loss", "ns/element", "GB/s", "probe GB/s", "of probe", "noise", "NumPy", *peers]]
    noises = []
    with Progress(str(setting), len(losses)) as progress:
        for loss in setting.offered(losses):
            task = setting.task(loss)
            moved, probes = task.probes(setting.n_threads)
            times = measure(_candidates(task, setting.n_threads, peers) | probes, setting.repeat)
            best = {name: each[0] for name, each in times.items()}
            probe = min(probes, key=best.__getitem__)
            limit, ours = 1e-9 * moved / best[probe], best["fastloss"]
            speed = 1e-9 * task.n_bytes / ours
            noises.append(_noise(times[probe]))
            cells = [f"{1e9 * ours / task.elements:.3f}", f"{speed:.1f}", f"{limit:.1f}", f"{speed / limit:.0%}"]
            ratios = [_ratio(best.get(name), ours) for name in ("NumPy", *peers)]
            rows.append([loss.info.name, *cells, f"{noises[-1]:.0%}", *ratios])
            progress.step(loss.info.name)
    usual = sorted(noises)[len(noises) // 2]
    return _without_empty_columns(rows), f"Noise: the median run of the probe took {usual:.0%} longer than its best."


def overhead_table(losses: Sequence[Loss], setting: Setting, peers: dict[str, Peer]) -> tuple[Rows, str]:
    """Nanoseconds of whole calls, less those of a call of nothing."""
    rows: Rows = [["loss", "ns/call", "NumPy", *peers]]
    empty = []
    with Progress(str(setting), len(losses)) as progress:
        for loss in setting.offered(losses):
            task = setting.task(loss)
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
    found = {"fastloss": task.kernel()}
    if not isinstance(task.loss, RowLoss) or task.elements <= MOST_FOR_REFERENCE:
        found["NumPy"] = task.reference()
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
    names = arguments.losses or names_of(RowLoss if arguments.rows else PointwiseLoss)
    try:
        by_row = {name: isinstance(get(name), RowLoss) for name in names}
        single = [pointwise(name, arguments.raw) for name in names if not by_row[name]]
    except (ValueError, TypeError) as error:
        parser.error(str(error))
    rows = [name for name in names if by_row[name]]
    threads = arguments.threads or [1 if arguments.overhead else get_num_threads()]
    peers = installed_peers() if arguments.peers else {}
    shown = _markdown if arguments.markdown else lambda rows: aligned(rows, numbers=True)

    known = versions()
    print(aligned([(name, known[name]) for name in ESSENTIALS] + _peer_versions(peers)), end="\n\n", flush=True)
    if arguments.probe:
        print(shown(probe_table([arguments.size or 16777216], arguments.dtype, threads, arguments.repeat)))
        return 0
    print("Columns of other packages: how many times as long they take, for the same outputs, summed over samples.")
    print("NumPy: the reference; plain NumPy: the usual few statements.\n" if rows and peers else "")
    table, usual, small = (overhead_table, 100, [(10, 10)]) if arguments.overhead else (speed_table, 1_000_000, SHAPES)
    groups: list[tuple[Sequence[Loss], Shape, str]] = []
    if single:
        groups.append((single, arguments.size or usual, "C"))
    for shape, order in product(arguments.shape or small, arguments.order):
        groups.append(([rowwise(name, shape[1], arguments.raw) for name in rows], shape, order))
    for dtype, n_threads, (losses, shape, order) in product(arguments.dtype, threads, groups):
        for outputs in arguments.outputs or (["value+gradient"] if arguments.overhead else list(OUTPUTS)):
            setting = Setting(outputs, shape, dtype, n_threads, arguments.repeat, order)
            if not setting.offered(losses):
                continue
            with num_threads(n_threads):
                lines, note = table(losses, setting, peers)
            heading = f"**{setting}**\n" if arguments.markdown else setting
            print(heading, shown(lines), f"\n{note}\n" if arguments.markdown else f"{note}\n", sep="\n", flush=True)
    return 0


def _peer_versions(peers: dict[str, Peer]) -> list[tuple[str, str]]:
    distributions = dict.fromkeys(PEERS[heading][0] for heading in peers if PEERS[heading][0] not in ESSENTIALS)
    return [(distribution, version(distribution)) for distribution in distributions]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fastloss bench",
        description="Time every loss beside the NumPy reference, other installed packages (Numba, scikit-learn, "
        "torch, torch.compile, JAX: their compilers take a while) and a probe of the memory's bandwidth.",
    )
    parser.add_argument("--losses", type=_names, metavar="A,B", help="names of losses (default: all pointwise ones)")
    parser.add_argument("--rows", action="store_true", help="by default all losses of rows instead")
    parser.add_argument(
        "--outputs", type=_listed(OUTPUTS), metavar="A,B", help=f"of {', '.join(OUTPUTS)} (default: each)"
    )
    parser.add_argument("--size", type=_size, help="samples (default: 1e6; 100 with --overhead, 16777216 with --probe)")
    parser.add_argument(
        "--shape",
        type=_shapes,
        metavar="NxK,NxK",
        help="rows and classes of losses of rows (default: 65536x10,8192x1000,1024x32768; 10x10 with --overhead)",
    )
    parser.add_argument(
        "--order", type=_listed("CF"), default=["C"], metavar="A,B", help="memory order of rows: C (default), F"
    )
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


def _shapes(text: str) -> list[tuple[int, int]]:
    shapes = []
    for shape in _names(text):
        rows, _, classes = shape.partition("x")
        shapes.append((_size(rows), _size(classes)))
    return shapes


_shapes.__name__ = "list of shapes such as 8192x1000"


def _threads(text: str) -> list[int]:
    most = get_num_threads()
    numbers = list(dict.fromkeys(most if name == "all" else _size(name) for name in _names(text)))
    if max(numbers) > most:
        raise argparse.ArgumentTypeError(f"must be at most {most} here, got {max(numbers)}")
    return numbers
