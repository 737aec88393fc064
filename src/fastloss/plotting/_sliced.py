"""What the displays of slices share: where they come from, and the grids they are computed on."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from .. import _validation as check
from .._base import Array, ArrayLike
from .._jumps import Trace, trace
from . import _style
from ._slices import Plane, of_estimator, of_function, of_linear_model

MOST_JUMPS = 64  # steps of a one-dimensional grid that are searched for jumps
POINTS = {1: 201, 2: 41}
Self = TypeVar("Self", bound="SlicedDisplay")


class SlicedDisplay:
    """A picture of an objective on a line or in a plane through the space of its parameters.

    Parameters
    ----------
    axes : list of ndarray
        One grid, or two.
    names : tuple of str
        What they are.
    values : ndarray of shape (n,) or (m, n)
        The objective.
    slopes : ndarray of shape (n, 1) or (m, n, 2)
        Its derivatives along the axes.
    traces : dict of Trace
        On a line: value and gradient, exact at kinks.
    path : ndarray of shape (k, 1) or (k, 2), optional
        Points on the way of an optimiser.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Once it is drawn.
    figure_ : matplotlib Figure
        Its figure.
    """

    ax_: Any
    figure_: Any

    def __init__(
        self,
        axes: list[Array],
        names: tuple[str, ...],
        values: Array,
        slopes: Array,
        traces: dict[str, Trace] | None = None,
        path: Array | None = None,
    ) -> None:
        self.axes, self.names, self.values, self.slopes = axes, names, values, slopes
        self.traces, self.path = traces or {}, path

    def plot(self: Self, ax: Any = None, **options: Any) -> Self:
        """Draw."""
        raise NotImplementedError

    @classmethod
    def from_function(
        cls: type[Self],
        fun: Any,
        center: ArrayLike,
        *,
        directions: Any = None,
        span: float | tuple[float, float] | None = None,
        resolution: int | None = None,
        path: ArrayLike | None = None,
        random_state: Any = None,
        ax: Any = None,
        **options: Any,
    ) -> Self:
        """Draw a slice of any differentiable function.

        Parameters
        ----------
        fun : callable or object
            A function of an array that returns value and gradient, or an object with such a method ``fun_grad``, as
            `fastloss.optim` takes it.
        center : array_like
            The middle of the picture.
        directions : int, array_like, list of one or two of those, or "random", optional
            One or two directions in the space of parameters: an index stands for that parameter. By default the first
            two parameters (the only one, if there is one). ``"random"`` draws two of the length of `center`.
        span : float or pair of float, optional
            How far the picture reaches from the middle, in lengths of the directions; 1 by default, for single
            parameters at least their own size.
        resolution : int, optional
            Points along each axis, at least 3: 201 on a line, 41 in a plane.
        path : array_like of shape (k, size), optional
            Points on the way of an optimiser, projected into the picture.
        random_state : int, Generator or None
            Seed of random directions.
        ax : matplotlib Axes, optional
            Where to draw; new by default.
        **options
            As for `plot`.

        Returns
        -------
        Display
            Drawn.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        TypeError, ValueError
            If an argument is not as above.
        """
        _style.pyplot()
        return cls._of(of_function(fun, center, directions, random_state), span, resolution, path).plot(ax, **options)

    @classmethod
    def from_loss(
        cls: type[Self],
        loss: Any,
        X: Any,
        y: ArrayLike,
        *,
        center: ArrayLike | None = None,
        directions: Any = None,
        span: float | tuple[float, float] | None = None,
        resolution: int | None = None,
        path: ArrayLike | None = None,
        random_state: Any = None,
        sample_weight: ArrayLike | None = None,
        penalty: Any = None,
        fit_intercept: bool = True,
        ax: Any = None,
        **options: Any,
    ) -> Self:
        """Draw a slice of the objective of a linear model.

        Parameters
        ----------
        loss : Loss, str or dict
            A loss; its raw scale is used.
        X : array_like of shape (n, D)
            Features.
        y : array_like of shape (n,)
            Targets.
        center : array_like of shape (size,), optional
            The middle: all coefficients, then intercepts; by default the minimum.
        sample_weight, penalty, fit_intercept
            As for `fastloss.optim.linear`, but with an intercept by default.
        directions, span, resolution, path, random_state, ax, **options
            As for `from_function`.

        Returns
        -------
        Display
            Drawn.
        """
        _style.pyplot()
        plane = of_linear_model(
            loss,
            X,
            y,
            center=center,
            directions=directions,
            random_state=random_state,
            sample_weight=sample_weight,
            penalty=penalty,
            fit_intercept=fit_intercept,
        )
        return cls._of(plane, span, resolution, path).plot(ax, **options)

    @classmethod
    def from_estimator(
        cls: type[Self],
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        loss: Any = None,
        directions: Any = None,
        span: float | tuple[float, float] | None = None,
        resolution: int | None = None,
        random_state: Any = None,
        sample_weight: ArrayLike | None = None,
        ax: Any = None,
        **options: Any,
    ) -> Self:
        """Draw a slice of the mean loss of a fitted model around its parameters.

        Parameters
        ----------
        estimator : estimator
            A fitted linear model with `coef_` and `intercept_`, ours or scikit-learn's, or `NeuralRegressor` or
            `NeuralClassifier`.
        X : array_like of shape (n, D)
            Rows.
        y : array_like of shape (n,)
            Their targets; labels of any kind for a classifier.
        loss : Loss, str or dict, optional
            By default that of the estimator; its raw scale is used. Penalties are left out.
        directions, span, resolution, random_state, ax, **options
            As for `from_function`. A network has random directions by default, which have for each unit the length of
            its weights.
        sample_weight : array_like of shape (n,), optional
            Weights >= 0.

        Returns
        -------
        Display
            Drawn.

        References
        ----------
        H. Li, Z. Xu, G. Taylor, C. Studer and T. Goldstein, Visualizing the loss landscape of neural nets, NeurIPS
        2018.
        """
        _style.pyplot()
        plane = of_estimator(
            estimator,
            X,
            y,
            loss=loss,
            directions=directions,
            random_state=random_state,
            sample_weight=sample_weight,
        )
        return cls._of(plane, span, resolution, None).plot(ax, **options)

    @classmethod
    def _of(cls: type[Self], plane: Plane, span: Any, resolution: Any, path: Any) -> Self:
        d = len(plane.directions)
        n = POINTS[d] if resolution is None else check.positive_integer("resolution", resolution)
        if n < 3:
            raise ValueError(f"resolution must be at least 3, got {n}")
        reach = _reach(plane, span)
        axes = [np.linspace(-r, r, n) for r in reach]
        positions = None if path is None else plane.positions(path)
        if positions is not None and span is None:  # all of the way is in the picture
            axes = [
                np.linspace(min(a[0], 1.1 * p.min()), max(a[-1], 1.1 * p.max()), n)
                for a, p in zip(axes, positions.T, strict=True)
            ]
        with np.errstate(over="ignore", invalid="ignore"):
            values, slopes = plane.table(axes)
            traces = {}
            if d == 1:
                slope = trace(plane.slope, axes[0], MOST_JUMPS)
                points = np.unique([*axes[0].tolist(), *(jump.x for jump in slope.jumps)])
                traces = {"value": Trace(points, plane.table([points])[0], ()), "gradient": slope}
        shift = [_offset(plane, name, row) for name, row in zip(plane.names, plane.directions, strict=True)]
        axes = [a + s for a, s in zip(axes, shift, strict=True)]
        if positions is not None:
            positions = positions + shift
        traces = {k: t.shifted(shift[0]) for k, t in traces.items()}
        return cls(axes, plane.names, values, slopes, traces, positions)


def _reach(plane: Plane, span: Any) -> list[float]:
    if span is None:
        return [max(1.0, abs(_offset(plane, *pair))) for pair in zip(plane.names, plane.directions, strict=True)]
    given = [span] if np.ndim(span) == 0 else list(span)
    if len(given) not in (1, len(plane.directions)):
        raise ValueError(f"span must be one number or {len(plane.directions)}, got {len(given)}")
    found = [check.real_number("span", s, gt=0) for s in given]
    return found * (len(plane.directions) if len(found) == 1 else 1)


def _offset(plane: Plane, name: str, direction: Array) -> float:
    """The value of a single parameter in the middle: its axis shows its values, not distances."""
    if np.count_nonzero(direction) == 1 and name.startswith(("parameter", "coefficient", "intercept")):
        return float(plane.center[np.flatnonzero(direction)[0]])
    return 0.0
