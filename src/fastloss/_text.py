"""Tables as text."""

from __future__ import annotations

from typing import Any


def aligned(rows: Any, numbers: bool = False) -> str:
    """A table as text: columns to the left, with `numbers` all but the first to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (
        "  ".join(
            cell.rjust(w) if numbers and k else cell.ljust(w)
            for k, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    )
    return "\n".join(line.rstrip() for line in lines)
