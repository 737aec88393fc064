"""Curves of losses and of their slopes."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from .. import _validation as check
from .._base import Array, ArrayLike, Loss
from .._curves import TERMS, Slice, is_of_residual, slice_of
from .._domains import Interval, Labels
from .._jumps import Trace
from . import _style
from ._scores import compared_by

QUARTILES = (0.25, 0.5, 0.75)
MOST_POINTS = 2000


@dataclasses.dataclass(frozen=True, eq=False)
class Curve:
    """A line of the picture: its name, and its trace for each term."""

    name: str
    traces: dict[str, Trace]


@dataclasses.dataclass(frozen=True, eq=False)
class Points:
    """Samples on the curves: where they lie, and their value of each term."""

    x: Array
    values: dict[str, Array]


class LossCurveDisplay:
    """Curves of losses over the prediction, with their gradients, and where a prediction costs what.

    Kinks are exact: a corner of the value is a point of its curve, a gradient that jumps is broken there, with a dot
    where the loss says what it is at the kink.

    Make one by `from_loss`, `from_predictions` or `from_estimator`.

    Parameters
    ----------
    curves : list of Curve
        What to draw.
    terms : tuple of str
        Of ``"value"``, ``"gradient"``, ``"hessian"``: one panel each.
    label : str
        What the horizontal axis is.
    points : Points, optional
        Samples.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One for each term, once it is drawn.
    figure_ : matplotlib Figure
        Their figure.
    lines_ : dict of list of matplotlib Line2D
        The lines of each term.

    See Also
    --------
    OutlierInfluenceDisplay : What the slopes mean for a fit.

    Examples
    --------
    >>> import fastloss as fl
    >>> display = fl.plotting.LossCurveDisplay.from_loss(["mse", "mae", fl.Huber(delta=0.5)])
    >>> [curve.name for curve in display.curves]
    ['MeanSquaredError', 'MeanAbsoluteError', 'Huber(delta=0.5)']
    >>> display.curves[1].traces["gradient"].jumps
    (Jump(x=0.0, left=-1.0, right=1.0, at=0.0),)
    """

    axes_: Array
    figure_: Any
    lines_: dict[str, list[Any]]

    def __init__(self, curves: list[Curve], terms: tuple[str, ...], label: str, points: Points | None = None) -> None:
        self.curves, self.terms, self.label, self.points = curves, terms, label, points

    def plot(self, ax: Any = None, *, lines: dict[str, Any] | None = None) -> LossCurveDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of them, optional
            One for each term, or one whose room they share; new ones by default.
        lines : dict, optional
            Options for all lines, as ``{"linewidth": 3}``.

        Returns
        -------
        LossCurveDisplay
            Itself.
        """
        self.axes_ = _style.axes_for(ax, len(self.terms), names=[curve.name for curve in self.curves])
        self.figure_, self.lines_ = self.axes_[0].figure, {}
        for term, panel in zip(self.terms, self.axes_, strict=True):
            _style.tidy(panel)
            self.lines_[term] = []
            for k, curve in enumerate(self.curves):
                if term not in curve.traces:
                    continue
                trace, options = curve.traces[term], {"linewidth": 1.8, **_style.style(k), **(lines or {})}
                self.lines_[term] += panel.plot(trace.x, trace.y, label=curve.name, **options)
                own = [jump for jump in trace.jumps if np.isfinite(jump.at)]
                dots = {"marker": "o", "markersize": 4, "linestyle": "none", "color": options["color"]}
                panel.plot([jump.x for jump in own], [jump.at for jump in own], **dots)
            shown = [(curve.traces[term].x, curve.traces[term].y) for curve in self.curves if term in curve.traces]
            if self.points is not None:
                heights = self.points.values[term]
                panel.scatter(self.points.x, heights, s=14, color="0.25", alpha=0.5, linewidths=0, zorder=3)
            between = None if self.points is not None else _style.limits(shown)
            if between is not None:
                panel.set_ylim(between)
            if not shown:
                panel.text(0.5, 0.5, f"no {term}", color="0.5", ha="center", va="center", transform=panel.transAxes)
            panel.set(xlabel=self.label, ylabel=term)
        _style.legend(self.axes_, len(self.curves))
        return self

    @classmethod
    def from_loss(
        cls,
        loss: Any,
        *,
        y_true: ArrayLike | None = None,
        between: tuple[float, float] | None = None,
        terms: tuple[str, ...] = ("value", "gradient"),
        ax: Any = None,
        **options: Any,
    ) -> LossCurveDisplay:
        """Draw the curves of one or several losses for one target or several.

        Parameters
        ----------
        loss : Loss, str, dict or sequence or dict of them
            Losses of single samples on the scale that is meant: ``loss.on_raw()`` for logits. A dict gives names.
        y_true : float, array_like of shape (K,) or list of those, optional
            The target; a list of them gives each a curve. By default 0, or 1 where 0 is no target or a label.
        between : (float, float), optional
            The ends of the horizontal axis.
        terms : tuple of str, default ("value", "gradient")
            The panels.
        ax, **options
            As for `plot`.

        Returns
        -------
        LossCurveDisplay
            Drawn. A loss of a row of predictions is shown along the score or probability of the true class; one
            without hessian is left out of that panel.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        TypeError, ValueError
            If a loss is not one of single samples, or an argument is not as above.

        Examples
        --------
        >>> import fastloss as fl
        >>> display = fl.plotting.LossCurveDisplay.from_loss(fl.Hinge(), y_true=[0, 1], terms=("value",))
        >>> [curve.name for curve in display.curves]
        ['y_true = 0', 'y_true = 1']
        """
        _style.pyplot()
        losses, terms = _style.named_losses(loss), _terms(terms)
        targets = list(y_true) if isinstance(y_true, list) else [y_true]
        slices = {
            _name(name, target, len(losses), len(targets)): slice_of(each, target, between)
            for name, each in losses.items()
            for target in targets
        }
        labels = {s.label for s in slices.values()}
        if between is None and len(labels) == 1:  # one picture, one range
            low, high = min(s.low for s in slices.values()), max(s.high for s in slices.values())
            slices = {name: _within(s, low, high) for name, s in slices.items()}
        display = cls(_curves(slices, terms), terms, labels.pop() if len(labels) == 1 else "prediction")
        return display.plot(ax, **options)

    @classmethod
    def from_predictions(
        cls,
        loss: Any,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        terms: tuple[str, ...] = ("value", "gradient"),
        ax: Any = None,
        **options: Any,
    ) -> LossCurveDisplay:
        """Draw the curve of a loss with the samples on it.

        Parameters
        ----------
        loss : Loss, str or dict
            A loss of one prediction for each sample, on the scale of the predictions.
        y_true, y_pred : array_like of the same shape
            Targets and predictions; at most 2000 of them are drawn, evenly chosen.
        terms, ax, **options
            As for `from_loss`.

        Returns
        -------
        LossCurveDisplay
            Drawn over the residual ``y_pred - y_true``, or over the prediction with a curve for each label. Where a
            loss depends on more than the residual, there are curves for the quartiles of the targets.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        TypeError, ValueError
            As for the call of the loss; or if it has several predictions for each sample.

        Examples
        --------
        >>> import fastloss as fl
        >>> display = fl.plotting.LossCurveDisplay.from_predictions("mae", [0.0, 1.0, 9.0], [0.5, 1.0, 2.0])
        >>> display.points.x
        array([ 0.5,  0. , -7. ])
        """
        _style.pyplot()
        (name, found), terms = next(iter(_style.named_losses(loss).items())), _terms(terms)
        return cls(*_with_points(name, found, y_true, y_pred, terms)).plot(ax, **options)

    @classmethod
    def from_estimator(
        cls, loss: Any, estimator: Any, X: Any, y: ArrayLike, *, response: str = "auto", **options: Any
    ) -> LossCurveDisplay:
        """Draw the curve of a loss with the predictions of a fitted estimator on it.

        Parameters
        ----------
        loss : Loss, str or dict
            A loss of one prediction for each sample.
        estimator : estimator
            Fitted.
        X : array_like of shape (n, n_features)
            Rows.
        y : array_like of shape (n,)
            Their targets; labels of any kind for a classifier.
        response : str, default "auto"
            As for `fastloss.adapters.sklearn.scorer`.
        **options
            As for `from_predictions`.

        Returns
        -------
        LossCurveDisplay
            Drawn.
        """
        return cls.from_predictions(*compared_by(loss, estimator, X, y, response), **options)


def _terms(terms: Any) -> tuple[str, ...]:
    terms = (terms,) if isinstance(terms, str) else tuple(terms)
    if not terms:
        raise ValueError("terms must name one of value, gradient, hessian, got nothing")
    return tuple(check.one_of("terms", term, TERMS) for term in terms)


def _name(loss: str, target: Any, n_losses: int, n_targets: int) -> str:
    if n_targets == 1:
        return loss
    return f"y_true = {target}" if n_losses == 1 else f"{loss}, y_true = {target}"


def _within(slice_: Slice, low: float, high: float) -> Slice:
    """The slice from `low` to `high`, as far as the domain of its predictions goes."""
    domain = slice_.loss.f_domains[0]
    if isinstance(domain, Interval):
        low, high = max(low, domain.low), min(high, domain.high)
    return dataclasses.replace(slice_, low=low, high=high)


def _curves(slices: dict[str, Slice], terms: tuple[str, ...]) -> list[Curve]:
    return [
        Curve(name, {term: slice_.trace(term) for term in terms if term in slice_.terms})
        for name, slice_ in slices.items()
    ]


def _with_points(
    name: str, loss: Loss, y_true: ArrayLike, y_pred: ArrayLike, terms: tuple[str, ...]
) -> tuple[list[Curve], tuple[str, ...], str, Points]:
    """Curves, terms, label and points of some samples."""
    if loss.n_predictions != 1:
        raise ValueError(f"loss must have one prediction for each sample, got {loss!r}")
    given = loss.evaluate(y_true, y_pred, outputs=terms, reduction="none")
    y, f = np.ravel(y_true).astype(float), np.ravel(y_pred).astype(float)
    if not y.size:
        raise ValueError("y_true must not be empty: there is nothing to draw")
    chosen = np.unique(np.linspace(0, y.size - 1, MOST_POINTS).astype(int))
    values = {term: np.ravel(getattr(given, term))[chosen] for term in terms}
    few = np.unique(y)
    if isinstance(loss.info.y_domain, Labels) or (few.size <= 2 and not is_of_residual(loss)):
        reach = _reach(f)
        slices = {f"y_true = {t:g}": slice_of(loss, t, reach) for t in few}
        return _curves(slices, terms), terms, "y_pred", Points(f[chosen], values)
    points = Points((f - y)[chosen], values)
    low, high = _reach(f - y)
    if is_of_residual(loss):
        return _curves({name: slice_of(loss, 0.0, (low, high))}, terms), terms, "y_pred - y_true", points
    curves = []
    domain = loss.f_domains[0]
    for t in np.unique(np.quantile(few, QUARTILES, method="nearest")):
        inside = (max(low + t, domain.low), high + t) if isinstance(domain, Interval) else (low + t, high + t)
        (curve,) = _curves({f"{name}, y_true = {t:.3g}": slice_of(loss, t, inside)}, terms)
        moved = {term: trace.shifted(-float(t)) for term, trace in curve.traces.items()}
        curves.append(Curve(curve.name, moved))
    return curves, terms, "y_pred - y_true", points


def _reach(x: Array) -> tuple[float, float]:
    """From the smallest to the largest, with some room, and 0 among them."""
    finite = x[np.isfinite(x)]
    low, high = min(finite.min(initial=0.0), 0.0), max(finite.max(initial=0.0), 0.0)
    room = 0.05 * (high - low) or 1.0
    return float(low - room), float(high + room)
