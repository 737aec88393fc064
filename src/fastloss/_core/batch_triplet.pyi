from collections.abc import Callable
from typing import Any

def layout(dtype: Any) -> tuple[int, int]: ...
def run(
    mining: str,
    distance: str,
    want: int,
    margin: float,
    x: Any,
    rows: int,
    entries: int,
    kind: Any,
    start: Any,
    stop: Any,
    index: Any,
    weight: Any,
    height: int,
    *,
    mixed: bool,
    n_threads: int | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> tuple[Any, Any, Any]: ...
