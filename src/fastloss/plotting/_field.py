"""The gradient of a model's loss along one or two directions."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _style
from ._sliced import SlicedDisplay
from ._surface import draw_path

MOST_ARROWS = 19  # along each axis


class GradientFieldDisplay(SlicedDisplay):
    """The gradient of a model's loss on a line or in a plane through the space of its parameters.

    On a line it is the derivative, broken where it jumps. In a plane arrows of one length show the way downhill, their
    colour how steep it is, and grey lines points of equal loss.

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
    >>> display = fl.plotting.GradientFieldDisplay.from_loss("mae", X, y, directions=-1, center=[0.0, 0.0], span=6.0)
    >>> [jump.x for jump in display.traces["gradient"].jumps]
    [0.0, 1.0, 5.0]
    """

    def plot(self, ax: Any = None, *, cmap: str = _style.MAP, **options: Any) -> GradientFieldDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; new by default.
        cmap : str, default "cividis"
            Colours of the arrows.
        **options
            For the line, as ``linewidth=3``; for the arrows of a plane, as ``width=0.01``.

        Returns
        -------
        GradientFieldDisplay
            Itself.
        """
        (self.ax_,) = _style.axes_for(ax, 1, size=(4.8, 3.8))
        self.figure_ = self.ax_.figure
        if len(self.axes) == 1:
            _style.tidy(self.ax_)
            trace, colour = self.traces["gradient"], _style.COLOURS[0]
            self.ax_.axhline(0, color="0.6", linewidth=0.8)
            self.ax_.plot(trace.x, trace.y, **{"color": colour, "linewidth": 1.8, **options})
            self.ax_.set(xlabel=self.names[0], ylabel=f"derivative in {self.names[0]}")
            return self
        self.ax_.contour(*self.axes, self.values, 12, colors="0.75", linewidths=0.7)
        step = max(1, -(-len(self.axes[0]) // MOST_ARROWS))
        first = step // 2
        x, y = (axis[first::step] for axis in self.axes)
        slopes = self.slopes[first::step, first::step]
        # Lengths are those in the picture, where the axes may have different units.
        width, height = (np.ptp(axis) for axis in self.axes)
        size = np.hypot(slopes[..., 0] / width, slopes[..., 1] / height)
        steepness = np.linalg.norm(slopes, axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            u, v = (-slopes[..., k] / scale / size for k, scale in ((0, width), (1, height)))
            shade = np.log10(steepness)
        flat = ~(size > 0)
        u, v, shade = np.where(flat, 0, u), np.where(flat, 0, v), np.where(flat, np.nan, shade)
        shape = {"angles": "uv", "scale": 1.15 * len(x), "width": 0.006, "pivot": "mid", "headwidth": 4}
        arrows = self.ax_.quiver(x, y, u, v, np.ma.masked_invalid(shade), cmap=cmap, **{**shape, **options})
        self.figure_.colorbar(arrows, ax=self.ax_, label="log10 of the slope", format="%.2g")
        draw_path(self)
        self.ax_.set(xlabel=self.names[0], ylabel=self.names[1])
        return self
