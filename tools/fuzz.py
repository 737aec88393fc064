"""Call every loss with malformed arguments: each call must raise a clear error or give the right result.

    python tools/fuzz.py --calls 1000000 --seed 0

Calls start from arguments that are legal, of which some are then spoilt: types, shapes, strides, offsets, values,
labels, lengths, outputs. A call may raise TypeError or ValueError with a message; whatever else it raises, and a result
that differs from the NumPy reference, is a finding, printed with the seed that repeats it. Run it in a build with
sanitizers (`make sanitize`) to see reads and writes out of bounds.
"""

from __future__ import annotations

import argparse
import inspect
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from rows import default_row_losses, draw_rows, n_classes
from support import default_losses, draw

import fastloss as fl
from fastloss._groups import GroupLoss

Arguments = tuple[list[Any], dict[str, Any]]
TYPES = ["f2", "f4", "f8", ">f4", ">f8", "g", "i1", "u1", "i8", ">i2", "u8", "?", "c8", "O", "U3", "M8[s]"]
NUMBERS = [np.nan, np.inf, -np.inf, 1e300, -1e300, 5e-324, -0.0, 0.5, -1.0, 2.0, 255.0, 2.0**31, 2.0**63]
LABELS = [-1, 0, 1, 3, 4, 127, -128, 255, 2**31 - 1, -(2**31), 2**62]


# ---- legal arguments ------------------------------------------------------------------------------------------------


def pointwise(loss: Any, rng: np.random.Generator) -> Arguments:
    return list(draw(loss, int(rng.integers(0, 40)), rng)), {}


def rows(loss: Any, rng: np.random.Generator) -> Arguments:
    return list(draw_rows(loss, int(rng.integers(0, 20)), n_classes(loss, int(rng.integers(1, 20))), rng)), {}


def groups(loss: Any, rng: np.random.Generator) -> Arguments:
    sizes = rng.integers(0, 8, int(rng.integers(1, 6)))
    n = int(sizes.sum())
    options = {"group": sizes} if rng.random() < 0.5 else {"qid": np.repeat(np.arange(len(sizes)), sizes)}
    return [rng.integers(0, 5, n), rng.standard_normal(n)], options


def several_inputs(loss: Any, rng: np.random.Generator) -> Arguments:
    """By the names of the parameters of the call."""
    n, d, k = (int(x) for x in rng.integers(1, 9, 3))
    makers: dict[str, Callable[[], Any]] = {
        "y_true": lambda: rng.integers(0, k, n),
        "features": lambda: rng.standard_normal((n, d)),
        "weights": lambda: rng.standard_normal((k, d)),
        "labels": lambda: rng.choice([getattr(loss, "other_label", -1) or 0, 1], n),
        "score_1": lambda: rng.standard_normal(n),
        "score_2": lambda: rng.standard_normal(n),
    }
    if "embeddings" in (named := positional(loss)) or "queries" in named or "view_1" in named:
        makers["labels"] = lambda: rng.integers(0, 3, n)
    return [makers.get(name, lambda: rng.standard_normal((n, d)))() for name in named], {}


def positional(loss: Any) -> list[str]:
    """Names of the arrays that a loss needs."""
    parameters = inspect.signature(loss).parameters.values()
    return [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]


def makers() -> list[tuple[Any, Callable[[Any, np.random.Generator], Arguments]]]:
    """Every loss with what makes its arguments."""
    found: list[tuple[Any, Any]] = [(loss, pointwise) for loss in default_losses()]
    found += [(loss, rows) for loss in default_row_losses()]
    known = {type(loss) for loss, _ in found}
    for loss in map(fl.get, fl.list_losses()):
        if type(loss) not in known:
            found.append(
                (loss, FAMILIES.get(loss.info.family, groups if isinstance(loss, GroupLoss) else several_inputs))
            )
    return found


def regions(loss: Any, rng: np.random.Generator) -> Arguments:
    n, k = (int(x) for x in rng.integers(1, 6, 2))
    shape = tuple(int(x) for x in rng.integers(1, 8, rng.integers(1, 4)))
    f = np.exp(rng.standard_normal((n, k, *shape)))
    y = rng.integers(0, k, (n, *shape)) if rng.random() < 0.6 else np.eye(k)[rng.integers(0, k, (n, *shape))]
    return [np.moveaxis(y, -1, 1) if y.ndim == f.ndim else y, f / f.sum(axis=1, keepdims=True)], {}


def sequences(loss: Any, rng: np.random.Generator) -> Arguments:
    n, frames, d, s = (int(x) for x in rng.integers(1, 7, 4))
    f = rng.standard_normal((n, frames, d))
    if loss.info.name == "soft_dtw":
        options = {"true_lengths": rng.integers(1, s + 1, n), "pred_lengths": rng.integers(1, frames + 1, n)}
        return [rng.standard_normal((n, s, d)), f], options if rng.random() < 0.5 else {}
    options = {"label_lengths": rng.integers(0, s + 1, n), "logit_lengths": rng.integers(0, frames + 1, n)}
    return [rng.integers(1, max(d, 2), (n, s)), f], options if rng.random() < 0.5 else {}


FAMILIES: dict[str, Callable[[Any, np.random.Generator], Arguments]] = {"segmentation": regions, "sequence": sequences}


# ---- what spoils them -----------------------------------------------------------------------------------------------


def retype(x: Any, rng: np.random.Generator) -> Any:
    with np.errstate(all="ignore"):
        try:
            return np.asarray(x).astype(rng.choice(TYPES))
        except (TypeError, ValueError, OverflowError, RuntimeError):  # a text or an object that is no such number
            return x


def reshape(x: Any, rng: np.random.Generator) -> Any:
    x = np.asarray(x)
    kind = rng.integers(8)
    if kind == 0:
        return x[..., np.newaxis]
    if kind == 1:
        return x[np.newaxis]
    if kind == 2:
        return x.ravel()
    if kind == 3:
        return x[:-1] if x.ndim else x
    if kind == 4:
        return x[..., :-1] if x.ndim else x
    if kind == 5:
        return x[:0] if x.ndim else x
    if kind == 6:
        return x.T
    return x.ravel()[0] if x.size else x


def restride(x: Any, rng: np.random.Generator) -> Any:
    """The same contents at other addresses, or others."""
    x = np.asarray(x)
    kind = rng.integers(7)
    if x.ndim == 0 or x.dtype == object:
        return x
    if kind == 0:
        return np.repeat(x, 2, axis=0)[::2]
    if kind == 1:
        return x[::-1]
    if kind == 2:
        return np.asfortranarray(x)
    if kind == 3:
        return np.broadcast_to(x[:1], x.shape) if len(x) else x
    if kind == 4:  # not aligned
        raw = np.zeros(x.nbytes + 1, np.uint8)[1:]
        moved = raw.view(x.dtype).reshape(x.shape)
        moved[...] = x
        return moved
    if kind == 5:
        x = x.copy()
        x.flags.writeable = False
        return x
    return x.newbyteorder() if hasattr(x, "newbyteorder") else x.view(x.dtype.newbyteorder())


def revalue(x: Any, rng: np.random.Generator) -> Any:
    x = np.array(x)
    if x.size == 0 or x.dtype.kind not in "fiub":
        return x
    at = tuple(int(rng.integers(n)) for n in x.shape)
    value = rng.choice(NUMBERS) if x.dtype.kind == "f" else rng.choice(LABELS)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x[at] = np.array(value).astype(x.dtype)
    return x


def replace(x: Any, rng: np.random.Generator) -> Any:
    """Something that is no array."""
    things = [None, "text", 3, 3.5, [], [1, [2]], {}, object(), range(3), b"12", True, np.float32(1), [[1.0], [2.0]]]
    return things[rng.integers(len(things))]


SPOILERS = [retype, reshape, restride, restride, revalue, revalue, replace]


def spoilt(arguments: list[Any], options: dict[str, Any], rng: np.random.Generator) -> Arguments:
    arguments, options = list(arguments), dict(options)
    for _ in range(rng.integers(0, 4)):
        keys = [k for k in options if isinstance(options[k], np.ndarray)]
        at = int(rng.integers(len(arguments) + len(keys)))
        spoiler = SPOILERS[rng.integers(len(SPOILERS))]
        if at < len(arguments):
            if isinstance(arguments[at], np.ndarray):
                arguments[at] = spoiler(arguments[at], rng)
        else:
            options[keys[at - len(arguments)]] = spoiler(options[keys[at - len(arguments)]], rng)
    return arguments, options


def call_options(loss: Any, method: str, given: list[Any], rng: np.random.Generator) -> dict[str, Any]:
    """Weights, reduction, outputs, threads: mostly legal."""
    n = len(given[0]) if isinstance(given[0], np.ndarray) and given[0].ndim else 1
    options: dict[str, Any] = {}
    draws = rng.random(5)
    if draws[0] < 0.4:
        w = rng.random(n) * (rng.random(n) < 0.8)
        options["sample_weight"] = [w, w.astype("f4"), 2.0, -w, w[:-1], w * np.nan, "w", w[:, None]][rng.integers(8)]
    if draws[1] < 0.5:
        options["reduction"] = ["mean", "sum", "none", "none", "sum", "median", None, 3][rng.integers(8)]
    if draws[2] < 0.3:
        options["n_threads"] = [1, 2, 3, 0, -1, 1.5, True, "2"][rng.integers(8)]
    if draws[3] < 0.2 and method in ("gradient", "hessian"):
        f = given[1] if len(given) > 1 and isinstance(given[1], np.ndarray) else np.zeros(3)
        outs = [
            np.empty(f.shape),
            np.empty(f.shape, "f4"),
            f,
            np.empty(f.shape)[::-1] if f.ndim else f,
            np.empty(f.shape, int),
        ]
        options["out"] = outs[rng.integers(len(outs))]
    if draws[4] < 0.2 and method in ("hessian", "gradient_and_hessian"):
        options["hessian"] = ["exact", "majorizer", "fisher", "unit", "none", 0][rng.integers(6)]
    return options


# ---- calls ----------------------------------------------------------------------------------------------------------

METHODS = ["value", "gradient", "value_and_gradient", "hessian", "gradient_and_hessian", "evaluate"]


def one_call(cases: list[Any], seed: int) -> str:
    """What happened: the name of the error, "result", or "compared"; raises for a finding."""
    rng = np.random.default_rng(seed)
    loss, maker = cases[rng.integers(len(cases))]
    method = METHODS[rng.integers(len(METHODS))]
    arguments, options = spoilt(*maker(loss, rng), rng)
    options |= call_options(loss, method, arguments, rng)
    compare = rng.random() < 0.1 and "out" not in options
    described = f"seed {seed}: {loss!r}.{method}"
    outcome: Any
    try:
        result = getattr(loss, method)(*arguments, **options)
        outcome = "result"
    except (TypeError, ValueError, NotImplementedError) as error:
        if not str(error):
            raise AssertionError(f"{described}: an error without a message") from error
        result, outcome = None, type(error).__name__
    except Exception as error:
        raise AssertionError(f"{described}: {error!r}\n{describe(arguments, options)}") from error
    if compare and outcome == "result" and all(map(moderate, arguments)):
        expected = getattr(loss.reference, method)(*arguments, **options)
        for a, b in zip(flat(result), flat(expected), strict=True):
            if not agree(a, b):
                text = f"{described}: {a!r} instead of {b!r}\n{describe(arguments, options)}"
                raise AssertionError(text)
        outcome = "compared"
    return str(outcome)


def moderate(x: Any) -> bool:
    """Whether squares and ratios stay far inside the range of float32: the formulas of the reference are for people."""
    if not isinstance(x, np.ndarray) or x.dtype.kind not in "fiu":
        return True
    size = np.abs(x[np.isfinite(x) & (x != 0)].astype(float))
    return bool(np.all((size < 1e15) & (size > 1e-15))) and not np.signbit(x[x == 0]).any()


def flat(result: Any) -> list[Any]:
    if isinstance(result, tuple):
        return [x for part in result for x in flat(part)]
    return [] if result is None else [np.asarray(result)]


def agree(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    """To a few digits: accuracy is tested elsewhere. Where double overflows or cancels, anything goes but shapes."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    with np.errstate(all="ignore"):
        usual = np.isfinite(b) & (np.abs(b) < 1e30) & np.isfinite(a) & (np.abs(b) > 1e-30)
        size = max(np.max(np.abs(b), initial=0, where=usual), 1e-9)
        return bool(np.all(np.abs(a - b)[usual] <= 1e-3 * size))


def describe(arguments: list[Any], options: dict[str, Any]) -> str:
    return "\n".join(f"  {x!r}"[:300] for x in [*arguments, options])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first call; call k has the seed + k")
    parser.add_argument("--findings", type=int, default=10, help="stop after so many")
    options = parser.parse_args()
    cases, counts, findings, started = makers(), Counter[str](), 0, time.perf_counter()
    warnings.simplefilter("ignore")
    for seed in range(options.seed, options.seed + options.calls):
        try:
            with np.errstate(all="ignore"):
                counts[one_call(cases, seed)] += 1
        except AssertionError as finding:
            findings += 1
            print(finding)
        except Exception:
            findings += 1
            print(f"seed {seed}: the reference or this tool")
            traceback.print_exc(limit=-3)
        if findings >= options.findings:
            break
    seconds = time.perf_counter() - started
    print(
        f"{sum(counts.values())} calls of {len(cases)} losses in {seconds:.0f} s: {dict(counts)}; {findings} findings"
    )
    return min(findings, 1)


if __name__ == "__main__":
    raise SystemExit(main())
