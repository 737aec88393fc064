from typing import Any

def run(
    loss: str,
    want: int,
    y: Any,
    scores: Any,
    start: Any,
    order: Any,
    scale: float,
    *,
    majorizer: bool = False,
    average: bool = False,
    normalize: bool = False,
    proportional: bool = False,
    top: int = 0,
    gains: Any = None,
    discounts: Any = None,
    n_threads: int | None = None,
) -> tuple[Any, Any, Any, Any]: ...
