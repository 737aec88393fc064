from collections.abc import Sequence
from typing import Any, Final, final

UNREADY: Final[object]
CURVATURES: Final[tuple[str, ...]]
REDUCTIONS: Final[tuple[str, ...]]

@final
class Violation:
    y_true: bool
    y_pred: bool
    sample_weight: bool
    mixed_labels: bool
    empty: bool
    def __init__(self, status: int, empty: bool = False) -> None: ...

@final
class Kernel:
    predictions: int
    curvatures: tuple[str, ...]
    def __init__(
        self,
        formulas: Sequence[tuple[float, str, tuple[float, ...]]],
        predictions: int = 1,
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
