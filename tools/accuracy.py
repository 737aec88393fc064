"""Measure the largest error of every loss against the exact vectors, on every instruction set: the docs table.

    python tools/accuracy.py > docs/accuracy_table.rst

An entry is max |computed - exact| / (eps S): S is the scale that the vectors give (the result itself where it is
`strict`), eps is 2^-52 or 2^-23. The contract is 4. Results that under- or overflow the type are left out.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from support import cases

from fastloss._core import machine as core

TERMS = ("value", "gradient", "hessian")
LIMITS = {np.float64: (1e-300, np.inf), np.float32: (1e-36, 1e37)}


def main() -> None:
    worst: dict[tuple[str, type, str], float] = defaultdict(float)
    samples: dict[str, int] = defaultdict(int)
    for case in cases():
        loss, y, f = case.loss, case.array("y"), case.array("f")
        samples[case.name] += len(y)
        for dtype, (least, most) in LIMITS.items():
            keep = exact_in_float32(loss, y, f) if dtype == np.float32 else np.ones(len(y), bool)
            if not keep.any():
                continue
            for isa in core.instruction_sets():
                core.use_instruction_set(isa)
                computed = loss.evaluate(y[keep].astype(dtype), f[keep].astype(dtype), reduction="none")
                for term in TERMS:
                    exact, scale = case.array(term)[keep], case.array("scale", term)[keep]
                    usual = np.isfinite(exact) & (np.abs(exact) > least) & (np.abs(exact) < most)
                    if usual.any():
                        error = np.abs(getattr(computed, term).astype(float)[usual] - exact[usual])
                        ratio = error / (np.finfo(dtype).eps * scale[usual])
                        key = (case.name, dtype, term)
                        worst[key] = max(worst[key], float(ratio.max()))
    print_table(worst, samples)


def exact_in_float32(loss: object, y: np.ndarray, f: np.ndarray) -> np.ndarray:
    """Samples whose inputs, and parameters, float32 holds exactly."""
    numbers = [v for v in loss._parameters().values() if isinstance(v, float)]
    if any(np.isfinite(v) and float(np.float32(v)) != v for v in numbers):
        return np.zeros(len(y), bool)
    rows = f.reshape(len(y), -1)
    with np.errstate(over="ignore"):
        return (np.float32(y) == y) & (np.float32(rows) == rows).all(axis=1)


def print_table(worst: dict[tuple[str, type, str], float], samples: dict[str, int]) -> None:
    print(".. list-table::\n   :header-rows: 1\n")
    header = ["loss", "samples"] + [f"{term}, {bits}" for bits in ("f64", "f32") for term in TERMS]
    rows = [header]
    for name in sorted(samples):
        entries = [worst.get((name, dtype, term)) for dtype in LIMITS for term in TERMS]
        rows.append([name, str(samples[name]), *("" if e is None else f"{e:.2f}" for e in entries)])
    for row in rows:
        print("   * - " + "\n     - ".join(row))


if __name__ == "__main__":
    main()
