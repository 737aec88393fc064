from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

INFEASIBLE: int
IN_LOGS: int

def ctc(
    logits: bool,
    blank: int,
    real: Any,
    f: Array,
    label: Array,
    first: Array,
    frames: Array,
    factor: Array,
    gradient: bool,
    out: Array | None,
    n_threads: int | None,
) -> tuple[Array, Array, Array | None]: ...
def soft_dtw(
    gamma: float,
    divergence: bool,
    real: Any,
    y: Array,
    f: Array,
    y_frames: Array,
    f_frames: Array,
    factor: Array,
    gradient: bool,
    out: Array | None,
    n_threads: int | None,
) -> tuple[Array, Array | None]: ...
