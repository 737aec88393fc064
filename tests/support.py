"""What the tests share: every pointwise loss in many parameter sets, and random data inside its domains."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import fastloss as fl
from fastloss._domains import REAL, UNIT, Interval, Labels

VECTORS = Path(__file__).parent / "vectors"


@dataclass(frozen=True, eq=False)
class Case:
    """One parameter set of the test vectors."""

    name: str
    params: dict[str, Any]
    data: dict[str, Any]

    @property
    def registered(self) -> bool:
        return hasattr(fl, self.name)

    @property
    def loss(self) -> fl.PointwiseLoss:
        return getattr(fl, self.name)(**self.params)

    def array(self, *keys: str) -> np.ndarray:
        """Numbers of the case, pairs where it has pairs; NaN where the file has null."""
        item = self.data
        for key in keys:
            item = item[key]
        rows = [[_number(x) for x in np.atleast_1d(row)] for row in item]
        width = max(map(len, rows))
        table = np.array([row * width if len(row) < width else row for row in rows])
        return table if width > 1 else table[:, 0]

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={v}' for k, v in self.params.items())})"


def _number(x: Any) -> float:
    return np.nan if x is None else float.fromhex(x) if isinstance(x, str) else float(x)


@cache
def cases() -> list[Case]:
    """All parameter sets of the vector files."""
    infinite = {"inf": np.inf, "-inf": -np.inf}
    found = []
    for path in sorted(VECTORS.glob("pointwise_*.json")):
        for case in json.loads(path.read_text())["cases"]:
            params = {k: infinite.get(v, v) if isinstance(v, str) else v for k, v in case["params"].items()}
            found.append(Case(case["loss"], params, case))
    return found


@cache
def pointwise_names() -> list[str]:
    """Names of the losses with a prediction, or a fixed number of them, for each target."""
    return [name for name in fl.list_losses() if isinstance(fl.get(name), fl.PointwiseLoss)]


@cache
def default_losses() -> list[fl.PointwiseLoss]:
    """Each pointwise loss with default parameters, on its natural and on its raw scale."""
    defaults = [fl.get(name) for name in pointwise_names()]
    return list(dict.fromkeys(loss for default in defaults for loss in (default, default.on_raw())))


@cache
def losses() -> list[fl.PointwiseLoss]:
    """The default losses and every parameter set of the vectors."""
    return list(dict.fromkeys([*default_losses(), *(case.loss for case in cases() if case.registered)]))


# ---- data -----------------------------------------------------------------------------------------------------------


def draw(
    loss: fl.PointwiseLoss, n: int, rng: np.random.Generator, *, grid: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Targets and predictions inside the domains; on a grid of eighths, which meets ties and kinks, if asked for."""
    y = _targets(loss.info.y_domain, n, rng)
    columns = [_predictions(domain, y, rng, first=k == 0) for k, domain in enumerate(loss.f_domains)]
    if grid:
        y = np.clip(_rounded(y, loss.info.y_domain), -64, 64)
        columns = [np.clip(_rounded(f, domain), -64, 64) for f, domain in zip(columns, loss.f_domains, strict=True)]
        if len(columns) > 1 and loss.f_domains[1] != REAL:  # nothing is promised for a scale of 0
            columns[1] = np.maximum(columns[1], 1 / 8)
    return y, columns[0] if len(columns) == 1 else np.stack(columns, axis=-1)


def _targets(domain: Any, n: int, rng: np.random.Generator) -> np.ndarray:
    if isinstance(domain, Labels):
        return rng.integers(0, 2, n).astype(float)
    if domain == REAL:
        return 3 * rng.standard_normal(n)
    if domain == UNIT:
        return np.where(rng.random(n) < 0.25, rng.random(n), rng.integers(0, 2, n))
    assert np.isfinite(domain.low)
    assert domain.high == np.inf
    if domain.low_open:
        return domain.low + 0.05 + rng.exponential(2.0, n)
    return domain.low + np.where(rng.random(n) < 0.25, rng.exponential(2.0, n), rng.poisson(3.0, n))


def _predictions(domain: Any, y: np.ndarray, rng: np.random.Generator, *, first: bool) -> np.ndarray:
    n = len(y)
    if domain == UNIT:
        sure = 1 / (1 + np.exp(4 * rng.standard_normal(n)))
        return np.clip(np.where(rng.random(n) < 0.5, rng.random(n), sure), 2.0**-20, 1 - 2.0**-20)
    if domain == REAL:
        far = 1.5 * rng.standard_normal(n)
        near = y + rng.choice([0.01, 0.3, 3.0], n) * rng.standard_normal(n)
        return np.where(rng.random(n) < 0.5, near, far) if first else far
    assert isinstance(domain, Interval)
    assert domain.high == np.inf
    return domain.low + np.exp(rng.standard_normal(n))


def _rounded(x: np.ndarray, domain: Any) -> np.ndarray:
    rounded = np.round(8 * x) / 8
    inside = domain.contains(rounded)
    return np.where(inside, rounded, np.ceil(8 * x) / 8)


def largest_hessian(g: np.ndarray, h: np.ndarray) -> np.ndarray:
    """What boosters may see of a majorizer with spikes: ten times the median of hessian / slope, times the slope, but
    at least the median slope."""
    slope = np.abs(g)
    positive = np.where(slope > 0, slope, np.nan)
    return 10 * np.nanmedian(h / positive, axis=0) * np.maximum(slope, np.nanmedian(positive, axis=0))


def same(a: Any, b: Any) -> bool:
    """The same bits but for the sign of zeros and the payload of NaNs, in the same types."""
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(same, a, b))
    if a is None or b is None:
        return a is b
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True)
