"""What the benchmarks run over, taken from the registry."""

from __future__ import annotations

import os

from fastloss import get_num_threads, list_losses
from fastloss._bench import DTYPES, OUTPUTS, draw, pointwise

QUICK = os.environ.get("FASTLOSS_ASV_QUICK") == "1"

LOSSES = list_losses()
SIZES = [1_000_000] if QUICK else [100, 10_000, 1_000_000, 10_000_000]
REFERENCE_SIZES = [size for size in SIZES if size <= 1_000_000]
TYPES = list(DTYPES[:1] if QUICK else DTYPES)
THREADS = ["all"] if QUICK else ["1", "all"]
METHODS = list(OUTPUTS)


class Timed:
    """How long asv samples: a quick run takes what it needs for a first look."""

    if QUICK:
        rounds = 1
        repeat = (3, 5, 0.2)
        sample_time = 0.003
        warmup_time = 0.01


def n_threads(name: str) -> int:
    return get_num_threads() if name == "all" else int(name)


# A loss that nothing here can time should be noticed when benchmarks are collected, not be missing on the dashboard.
for name in LOSSES:
    for dtype in TYPES:
        y, f = draw(pointwise(name), 2, dtype)
        pointwise(name).gradient_and_hessian(y, f)
