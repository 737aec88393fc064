"""Measure the largest error of every loss against exact results, on every instruction set: the tables of the docs.

    python tools/accuracy.py > docs/accuracy_table.rst

1. Pointwise losses, on the vectors of the tests. An entry is max |computed - exact| / (eps S): S is the scale that the
   vectors give (the result itself where it is `strict`), eps is 2^-52 or 2^-23. The contract is 4. Results that
   under- or overflow the type are left out.
2. Row losses, on their vectors. S is the result itself plus an eighth of the slack that the vectors give, in units of
   eps: what the result changes by when inputs are rounded, where terms cancel. The contract is 8, in float32 16.
3. Losses of labels and logits, on random rows of K classes, and torch and scikit-learn on the same rows: relative
   errors in units of eps. Exact results are those of the reference in numbers of 64 bits of precision. In "tiny" rows
   the label is far ahead of all other classes.
"""

from __future__ import annotations

import itertools
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from rows import array, row_cases
from support import cases

import fastloss as fl
from fastloss._core import machine as core
from fastloss.reference._rows import row_terms

TERMS = ("value", "gradient", "hessian")
LIMITS = {np.float64: (1e-300, np.inf), np.float32: (1e-36, 1e37)}


Errors = dict[tuple[str, ...], dict[tuple[type, str], float]]
"""The largest error of each term in each type, by what stands in the first columns of a table."""


def main() -> None:
    print_table(("loss", "samples"), TERMS, pointwise_errors())
    print("\nRow losses, on their vectors:\n")
    print_table(("loss", "rows"), (*TERMS, "majorizer"), row_errors())
    print("\nLosses of labels and logits, on random rows, relative errors in units of eps:\n")
    print_table(("loss", "package", "rows", "classes"), TERMS, random_errors())


def worse(errors: dict[tuple[type, str], float], dtype: type, term: str, error: float) -> None:
    errors[dtype, term] = max(errors.get((dtype, term), -1), error)


def instruction_sets() -> Iterator[str]:
    """Each in turn, in use."""
    for isa in core.instruction_sets():
        core.use_instruction_set(isa)
        yield isa


def largest(computed: np.ndarray, exact: np.ndarray, scale: np.ndarray, dtype: type) -> float:
    """The largest error in units of eps S among the results that neither under- nor overflow; -1 if there are none."""
    least, most = LIMITS[dtype]
    size = np.abs(exact)
    usual = np.isfinite(exact) & (size > least) & (size < most)
    error = np.abs(computed.astype(exact.dtype)[usual] - exact[usual]) / (np.finfo(dtype).eps * scale[usual])
    return float(error.max(initial=-1))


def pointwise_errors() -> Errors:
    worst: dict[str, dict[tuple[type, str], float]] = defaultdict(dict)
    samples: dict[str, int] = defaultdict(int)
    for case in cases():
        loss, y, f = case.loss, case.array("y"), case.array("f")
        samples[case.name] += len(y)
        for dtype in LIMITS:
            keep = exact_in_float32(loss, y, f) if dtype == np.float32 else np.ones(len(y), bool)
            if not keep.any():
                continue
            for _ in instruction_sets():
                computed = loss.evaluate(y[keep].astype(dtype), f[keep].astype(dtype), reduction="none")
                for term in TERMS:
                    exact, scale = case.array(term)[keep], case.array("scale", term)[keep]
                    worse(worst[case.name], dtype, term, largest(getattr(computed, term), exact, scale, dtype))
    return {(name, str(samples[name])): worst[name] for name in sorted(samples)}


def row_errors() -> Errors:
    worst: dict[str, dict[tuple[type, str], float]] = defaultdict(dict)
    rows: dict[str, int] = defaultdict(int)
    for case in row_cases():
        name, expected = type(case.loss).__name__, case.expected
        items = {"value": expected["values"], "gradient": expected.get("gradients", [None])[0]}
        items |= {term: expected.get(term) for term in ("hessian", "majorizer")}
        rows[name] += array(items["value"]).size
        exact_inputs = case.data.get("float32_exact") and not case.data["params"].get("eps")
        for dtype in LIMITS if exact_inputs else (np.float64,):
            arguments = case.arguments(dtype)
            for _ in instruction_sets():
                for term, item in items.items():
                    if item is None:
                        continue
                    exact = array(item)
                    slack = np.reshape(item.get("slack", np.zeros(exact.shape)), exact.shape)
                    with np.errstate(over="ignore"):
                        scale = np.abs(exact) + slack / (8 * np.finfo(np.float64).eps)
                    computed = row_term(case.loss, term)(*arguments, reduction="none")
                    worse(worst[name], dtype, term, largest(computed, exact, scale, dtype))
    return {(name, str(rows[name])): worst[name] for name in sorted(rows)}


def row_term(loss: Any, term: str) -> Callable[..., np.ndarray]:
    if term == "majorizer":
        return lambda *arguments, **more: loss.hessian(*arguments, **more, hessian="majorizer")
    return {"value": loss, "gradient": loss.gradient, "hessian": loss.hessian}[term]


# ---- random rows ----------------------------------------------------------------------------------------------------

CLASSES = (2, 10, 1000, 10_000)
ROWS = 200
LABELLED = (
    fl.SparseCategoricalCrossEntropy(from_logits=True),
    fl.CategoricalFocal(from_logits=True),
    fl.GeneralizedCrossEntropy(q=0.75, from_logits=True),
    fl.Poly1CrossEntropy(from_logits=True),
)


def random_errors() -> Errors:
    if np.finfo(np.longdouble).nmant < 63:
        raise SystemExit("needs a long double of at least 64 bits of precision")
    worst: dict[tuple[str, ...], dict[tuple[type, str], float]] = defaultdict(dict)
    for loss, tiny, k, dtype in itertools.product(LABELLED, (False, True), CLASSES, LIMITS):
        y, f = random_rows(k, tiny, dtype)
        terms = row_terms(loss, y, f.astype(np.longdouble))
        with np.errstate(all="ignore"):
            exact = {"value": terms.value(), "gradient": terms.gradient()}
            if isinstance(loss, fl.SparseCategoricalCrossEntropy):
                exact["hessian"] = terms.hessian()
        for package, results in packages(loss, y, f):
            errors = worst[type(loss).__name__, package, "tiny" if tiny else "ordinary", str(k)]
            for term in exact.keys() & results.keys():
                worse(errors, dtype, term, largest(results[term], exact[term], np.abs(exact[term]), dtype))
    return dict(sorted(worst.items(), key=lambda item: [*item[0][:3], int(item[0][3])]))


def random_rows(k: int, tiny: bool, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(k)
    f = rng.choice([0.5, 2.0, 8.0], (ROWS, 1)) * rng.standard_normal((ROWS, k)) + rng.choice([-30, 0, 5], (ROWS, 1))
    y = rng.integers(0, k, ROWS)
    if tiny:
        f[np.arange(ROWS), y] = f.max(axis=1) + rng.uniform(5, 60, ROWS)
    return y, f.astype(dtype)


def packages(loss: Any, y: np.ndarray, f: np.ndarray) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Results for each row of the kernels of each instruction set, and of others that have the loss."""
    for _ in instruction_sets():
        yield "fastloss", loss.evaluate(y, f, reduction="none")._asdict()
    if not isinstance(loss, fl.SparseCategoricalCrossEntropy):
        return
    torch = import_module("torch")
    z = torch.tensor(f, requires_grad=True)
    value = torch.nn.functional.cross_entropy(z, torch.tensor(y), reduction="none")
    (gradient,) = torch.autograd.grad(value.sum(), z)
    yield "torch", {"value": value.detach().numpy(), "gradient": gradient.numpy()}
    peer = import_module("sklearn._loss.loss").HalfMultinomialLoss(n_classes=f.shape[1])
    labels = y.astype(f.dtype)
    gradient, hessian = peer.gradient_hessian(labels, f)
    yield "scikit-learn", {"value": peer.loss(labels, f), "gradient": gradient, "hessian": hessian}


# ---- tables ---------------------------------------------------------------------------------------------------------


def exact_in_float32(loss: object, y: np.ndarray, f: np.ndarray) -> np.ndarray:
    """Samples whose inputs, and parameters, float32 holds exactly."""
    numbers = [v for v in loss._parameters().values() if isinstance(v, float)]
    if any(np.isfinite(v) and float(np.float32(v)) != v for v in numbers):
        return np.zeros(len(y), bool)
    rows = f.reshape(len(y), -1)
    with np.errstate(over="ignore"):
        return (np.float32(y) == y) & (np.float32(rows) == rows).all(axis=1)


def print_table(keys: tuple[str, ...], terms: tuple[str, ...], errors: Errors) -> None:
    print(".. list-table::\n   :header-rows: 1\n")
    rows = [[*keys, *(f"{term}, {bits}" for bits in ("f64", "f32") for term in terms)]]
    for key, worst in errors.items():
        rows.append([*key, *(cell(worst.get((dtype, term), -1)) for dtype in LIMITS for term in terms)])
    for row in rows:
        print("   * - " + "\n     - ".join(row))


def cell(error: float) -> str:
    return "" if error < 0 else f"{error:.2f}" if error < 100 else f"{error:.1e}"


if __name__ == "__main__":
    main()
