from collections.abc import Callable
from typing import Any, Final, final

import numpy as np

UNREADY: Final[object]
CURVATURES: Final[tuple[str, ...]]
REDUCTIONS: Final[tuple[str, ...]]

def use_thread_policy(policy: Callable[[int | None, int], int]) -> None: ...
def instruction_sets() -> tuple[str, ...]: ...
def instruction_set_in_use() -> str: ...
def use_instruction_set(name: str) -> None: ...
def openmp() -> int: ...
def compiler() -> str: ...
def vmath(name: str, x: np.ndarray[Any, Any], isa: str) -> np.ndarray[Any, Any]: ...
def probe(
    y: np.ndarray[Any, Any],
    f: np.ndarray[Any, Any],
    outputs: tuple[np.ndarray[Any, Any], ...] = (),
    n_threads: int = 1,
    stream: bool = False,
) -> float: ...

@final
class Violation:
    y_true: bool
    y_pred: bool
    sample_weight: bool
    mixed_labels: bool

@final
class Kernel:
    name: str
    predictions: int
    curvatures: tuple[str, ...]
    def __init__(
        self,
        name: str,
        params: tuple[float, ...],
        label: str = "any",
        y_range: tuple[float, float, bool] = ...,
        f_ranges: list[tuple[float, float]] = ...,
    ) -> None: ...
    def __call__(
        self,
        want: int,
        y_true: Any,
        y_pred: Any,
        sample_weight: Any = None,
        reduction: str = "mean",
        out: Any = None,
        n_threads: int | None = None,
        curvature: int = 0,
        min_hessian: float = ...,
    ) -> Any: ...
