"""What the displays share: colours, axes, limits, names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from .._base import Array, Loss
from .._optional import require
from .._registry import get

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Those of Okabe and Ito (2008) that stand out from white, in the order of their contrast to each other."""

DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
GRID = {"color": "0.9", "linewidth": 0.8}
MOST_INSIDE = 4  # entries of a legend that find room among the lines
MAP = "cividis"  # from dark to light, the same for all eyes (Nunez, Anderton and Renslow, 2018)


def pyplot() -> Any:
    """The module ``matplotlib.pyplot``, or the error that says how to install it."""
    require("matplotlib", "3.8", "plot")
    return import_module("matplotlib.pyplot")


def style(k: int) -> dict[str, Any]:
    """Colour and dashes of line k: no two of the first 28 are alike."""
    return {
        "color": COLOURS[k % len(COLOURS)],
        "linestyle": DASHES[(k // len(COLOURS) + k % len(COLOURS)) % len(DASHES)],
    }


def axes_for(ax: Any, n: int, *, size: tuple[float, float] = (4.8, 3.6), names: Sequence[str] = ()) -> Array:
    """An array of n axes side by side: those given, the room of one that is given, or new ones, with room for names."""
    plt = pyplot()
    if ax is None:
        width = size[0] * n + (0.7 + 0.085 * max(map(len, names)) if len(names) > MOST_INSIDE else 0.0)
        _, axes = plt.subplots(1, n, figsize=(width, size[1]), squeeze=False, layout="constrained")
        return np.asarray(axes[0], object)
    if hasattr(ax, "plot"):
        if n == 1:
            return np.array([ax], object)
        room = ax.get_subplotspec()
        if room is None:
            raise ValueError(f"ax must be {n} axes, or one of a grid of subplots, whose room they share")
        ax.set_axis_off()
        parts = room.subgridspec(1, n)
        return np.array([ax.figure.add_subplot(parts[k]) for k in range(n)], object)
    axes = np.asarray(ax, object).ravel()
    if axes.size != n:
        raise ValueError(f"ax must be {n} axes, got {axes.size}")
    return axes


def tidy(ax: Any) -> None:
    """A quiet frame and grid."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, **GRID)
    ax.set_axisbelow(True)


def limits(lines: Iterable[tuple[Array, Array]]) -> tuple[float, float] | None:
    """Limits for lines (x, y), so that the spikes of a singularity do not hide the rest; None if all fits as it is."""
    even, whole = [], []
    for x, y in lines:
        known = np.isfinite(y)
        if known.any():
            at = np.linspace(x[known].min(), x[known].max(), 400)
            order = np.argsort(x[known], kind="stable")
            even.append(np.interp(at, x[known][order], y[known][order]))
            whole.append(y[known])
    if not even:
        return None
    low, high = np.percentile(np.concatenate(even), [3, 97])
    smallest, largest = min(y.min() for y in whole), max(y.max() for y in whole)
    if high == low or largest - smallest <= 2.5 * (high - low):
        return None
    room = 0.25 * (high - low)
    return float(max(low - room, smallest - 0.2 * room)), float(min(high + room, largest + 0.2 * room))


def short(loss: Loss) -> str:
    """The name of a loss and those of its parameters that are not the default."""
    if hasattr(loss, "parts"):
        return " + ".join(f"{a:g} {short(part)}" for a, part in loss.parts)
    try:
        usual = type(loss)()._parameters()
    except TypeError:
        usual = {}
    shown = [
        f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in loss._parameters().items() if usual.get(k) != v
    ]
    return f"{type(loss).__name__}({', '.join(shown)})" if shown else type(loss).__name__


def named_losses(losses: Any) -> dict[str, Loss]:
    """One loss or several, as a sequence or under names of their own, by what the legend calls them."""
    if isinstance(losses, Mapping) and "name" not in losses:
        return {str(name): get(loss) for name, loss in losses.items()}
    several = isinstance(losses, Sequence) and not isinstance(losses, str)
    found = [get(loss) for loss in (losses if several else [losses])]
    if not found:
        raise ValueError("losses must hold a loss, got nothing")
    return {short(loss): loss for loss in found}


def legend(axes: Any, n: int) -> None:
    """A legend where there is more than one thing to tell apart, beside the last panel where it is long."""
    if n > MOST_INSIDE:
        axes[-1].legend(*axes[0].get_legend_handles_labels(), loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    elif n > 1:
        axes[0].legend(frameon=False, fontsize="small")
