"""Records of a monitor in files: CSV for tables, JSON for everything."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

FORMAT = "fastloss.LossMonitor"
Columns = dict[str, list[float]]


def write(path: Any, columns: Columns, losses: dict[str, Any]) -> None:
    """Write columns, and in JSON the configurations of the losses."""
    path = Path(path)
    if _kind(path) == "csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(columns)
            for row in zip(*columns.values(), strict=True):
                table.writerow(["" if math.isnan(x) else repr(x) for x in row])
        return
    series = {name: [_encoded(x) for x in values] for name, values in columns.items()}
    content = {"format": FORMAT, "losses": losses, "series": series}
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read(path: Any) -> tuple[Columns, dict[str, Any]]:
    """Read what `write` wrote: columns, and configurations of losses, which CSV does not have."""
    path = Path(path)
    if _kind(path) == "csv":
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        if not rows or any(len(row) != len(rows[0]) for row in rows):
            raise ValueError(f"{path} must be a table with a line of names, got lines of different lengths, or none")
        numbers = [[_decoded(x or None, path) for x in row] for row in rows[1:]]
        return {name: [row[k] for row in numbers] for k, name in enumerate(rows[0])}, {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} must be a JSON file: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT or not isinstance(content.get("series"), dict):
        raise ValueError(f"{path} must be a record that LossMonitor.save wrote")
    columns = {str(name): [_decoded(x, path) for x in values] for name, values in content["series"].items()}
    if len({len(values) for values in columns.values()}) > 1:
        raise ValueError(f"{path} must hold series of one length")
    return columns, dict(content.get("losses", {}))


def _kind(path: Path) -> str:
    kind = path.suffix.lower().lstrip(".")
    if kind not in ("csv", "json"):
        raise ValueError(f"path must end in .csv or .json, got {str(path)!r}")
    return kind


def _encoded(x: float) -> float | str | None:
    return None if math.isnan(x) else str(x) if math.isinf(x) else x


def _decoded(x: Any, path: Path) -> float:
    try:
        return math.nan if x is None else float(x)
    except (TypeError, ValueError):
        raise ValueError(f"{path} must hold numbers, got {x!r}") from None
