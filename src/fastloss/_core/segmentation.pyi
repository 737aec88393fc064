from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

def terms(formula: str, sums: Array, alpha: float, beta: float, gamma: float, smooth: float) -> tuple[Array, Array]: ...

class Regions:
    def __init__(
        self,
        scores: str,
        y: Array,
        f: Array,
        gradient: Array | None,
        real: Any,
        *,
        hard: bool = False,
        squared: bool = False,
        ignored: int | None = None,
        n_threads: int | None = None,
    ) -> None: ...
    def sums(self, count: bool = False) -> Array | int: ...
    def write_gradient(self, slopes: Array) -> None: ...
    def lovasz(
        self,
        slot: Array,
        per_sample: bool,
        micro: bool,
        positive: Array,
        active: Array,
        factors: Array | None,
    ) -> Array: ...
