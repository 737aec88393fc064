"""The loss of a model along one or two directions."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _style
from ._sliced import SlicedDisplay

LEVELS = 16


class LossSurfaceDisplay(SlicedDisplay):
    """The loss of a model on a line or in a plane through the space of its parameters.

    On a line corners are exact: they are points of the curve. In a plane lines connect points of equal loss, the levels
    closer to each other near the minimum.

    Make one by `from_function`, `from_loss` or `from_estimator`.

    Attributes
    ----------
    axes, names, values, slopes, traces, path
        The numbers of the picture: grids and their names; the objective and its derivatives on them; on a line the
        curves of both, exact at kinks; points on the way of an optimiser.
    ax_ : matplotlib Axes
        Once it is drawn.
    figure_ : matplotlib Figure
        Its figure.

    Examples
    --------
    >>> import fastloss as fl
    >>> X, y = [[0.0], [1.0], [2.0]], [0.0, 1.0, 5.0]
    >>> display = fl.plotting.LossSurfaceDisplay.from_loss("mae", X, y, resolution=5)
    >>> display.names, display.values.shape
    (('coefficient 0', 'intercept'), (5, 5))
    """

    def plot(
        self, ax: Any = None, *, cmap: str = _style.MAP, levels: int = LEVELS, **options: Any
    ) -> LossSurfaceDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; new by default.
        cmap : str, default "cividis"
            Colours of a plane.
        levels : int, default 16
            Steps of colour of a plane.
        **options
            For the line, as ``linewidth=3``; for the filled contours of a plane.

        Returns
        -------
        LossSurfaceDisplay
            Itself.
        """
        (self.ax_,) = _style.axes_for(ax, 1, size=(4.8, 3.8))
        self.figure_ = self.ax_.figure
        if len(self.axes) == 1:
            _style.tidy(self.ax_)
            trace = self.traces["value"]
            self.ax_.plot(trace.x, trace.y, **{"color": _style.COLOURS[0], "linewidth": 1.8, **options})
            if self.path is not None:
                heights = np.interp(self.path[:, 0], trace.x, trace.y)
                self.ax_.plot(self.path[:, 0], heights, "o-", color=_style.COLOURS[1], markersize=4, linewidth=1)
            self.ax_.set(xlabel=self.names[0], ylabel="loss")
            return self
        steps = self._steps(levels)
        filled = self.ax_.contourf(*self.axes, self.values, steps, cmap=cmap, extend="max", **options)
        self.ax_.contour(*self.axes, self.values, steps, colors="white", linewidths=0.5, alpha=0.6)
        self.figure_.colorbar(filled, ax=self.ax_, label="loss", format="%.3g")
        draw_path(self)
        self.ax_.set(xlabel=self.names[0], ylabel=self.names[1])
        return self

    def _steps(self, n: int) -> Any:
        """Levels that grow like the squares of their number: those of a bowl are then evenly spaced."""
        finite = self.values[np.isfinite(self.values)]
        if not finite.size or np.ptp(finite) == 0:
            return None
        top = min(finite.max(), np.percentile(finite, 98) + np.ptp(np.percentile(finite, [2, 98])))
        return finite.min() + (top - finite.min()) * np.linspace(0, 1, max(n, 2) + 1) ** 2


def draw_path(display: SlicedDisplay) -> None:
    """The way of an optimiser, and its end; else the lowest point of the grid."""
    ax = display.ax_
    if display.path is not None:
        ax.plot(*display.path.T, color="white", linewidth=3.2)
        ax.plot(*display.path.T, color=_style.COLOURS[1], linewidth=1.6, marker="o", markersize=3)
        ax.plot(*display.path[-1], marker="*", markersize=12, color=_style.COLOURS[1], markeredgecolor="white")
        return
    rows = np.where(np.isfinite(display.values), display.values, np.inf)
    i, j = np.unravel_index(int(np.argmin(rows)), rows.shape)
    ax.plot(
        display.axes[0][j], display.axes[1][i], "*", markersize=12, color=_style.COLOURS[1], markeredgecolor="white"
    )
