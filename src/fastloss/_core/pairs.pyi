from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

def compare_rows(
    loss: str,
    distance: str,
    margin: float,
    swap: bool,
    real: Any,
    inputs: tuple[Array, ...],
    same: Array | None,
    weight: Array | None,
    scale: float,
    values: Array | None,
    outs: tuple[Array | None, ...] | None,
    n_threads: int | None,
) -> tuple[float, tuple[Array, ...]]: ...
def compare_scores(
    margin: float,
    real: Any,
    inputs: tuple[Array, Array],
    labels: Array,
    weight: Array | None,
    mean: bool,
    values: Array | None,
    outs: tuple[Array | None, ...] | None,
    n_threads: int | None,
) -> tuple[float, tuple[Array, ...]] | None: ...
