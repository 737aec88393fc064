"""What the benchmarks run over, taken from the registry."""

from __future__ import annotations

import os

from fastloss import BatchTriplet, LinearCrossEntropy, MarginRanking, PointwiseLoss, get, get_num_threads, list_losses
from fastloss._bench import DTYPES, MOST_FOR_REFERENCE, OUTPUTS, SHAPES, draw, names_of, pointwise, rowwise
from fastloss._contrast import SimilarityLoss
from fastloss._groups import GroupLoss
from fastloss._regions import RegionLoss
from fastloss._rows import RowLoss
from fastloss.losses.embeddings import ComparedRows
from fastloss.losses.sequence import SequenceLoss

QUICK = os.environ.get("FASTLOSS_ASV_QUICK") == "1"

LOSSES = names_of(PointwiseLoss)
SIZES = [1_000_000] if QUICK else [100, 10_000, 1_000_000, 10_000_000]
REFERENCE_SIZES = [size for size in SIZES if size <= 1_000_000]
TYPES = list(DTYPES[:1] if QUICK else DTYPES)
THREADS = ["all"] if QUICK else ["1", "all"]
METHODS = list(OUTPUTS)

ROWS = names_of(RowLoss)
ROW_SHAPES = {f"{n}x{k}": (n, k) for n, k in ([(8192, 10), (512, 1000), (32, 32768)] if QUICK else SHAPES)}
# in files of their own
ELSEWHERE = (
    LinearCrossEntropy,
    GroupLoss,
    ComparedRows,
    MarginRanking,
    BatchTriplet,
    SimilarityLoss,
    RegionLoss,
    SequenceLoss,
)
REFERENCE_SHAPES = [name for name, (n, k) in ROW_SHAPES.items() if n * k <= MOST_FOR_REFERENCE]


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
for name in list_losses():
    for dtype in TYPES:
        if isinstance(get(name), RowLoss):
            y, f = draw(rowwise(name, 3), (2, 3), dtype)
            rowwise(name, 3).value_and_gradient(y, f)
        elif not isinstance(get(name), ELSEWHERE):
            y, f = draw(pointwise(name), 2, dtype)
            pointwise(name).gradient_and_hessian(y, f)
