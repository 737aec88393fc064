from typing import Any, final

@final
class RowKernel:
    name: str
    curvatures: tuple[str, ...]
    def __init__(
        self,
        name: str,
        params: tuple[float, ...] = (),
        *,
        targets: str,
        class_vector: float | tuple[float, ...] | None = None,
        smoothing: float = 0.0,
        ignore_index: int | None = None,
        counted: bool = False,
        f_unit: bool = False,
        y_range: tuple[float, float] | None = None,
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
