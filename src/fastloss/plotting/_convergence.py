"""How losses fall: histories of optimisers, monitors and models."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np

from .. import _validation as check
from .._base import Array
from .._histories import Record, is_held_out, record_of
from . import _style

WHAT = ("loss", "gradient_norm", "gap")
ABSCISSAE = {"iteration": "iteration", "time": "seconds"}


@dataclasses.dataclass(frozen=True, eq=False)
class Course:
    """A line of the picture."""

    name: str
    x: Array
    y: Array
    held_out: bool
    group: int


class ConvergenceDisplay:
    """Losses of trainings over their iterations, or over time.

    Training rows have solid lines, held-out rows dashed ones of the same colour, with a dot at their lowest point. The
    vertical axis is logarithmic where all numbers are positive and span more than a factor of 20.

    Make one by `from_histories` or `from_estimator`.

    Attributes
    ----------
    courses : list of Course
        The lines.
    ax_ : matplotlib Axes
        Once it is drawn.
    figure_ : matplotlib Figure
        Its figure.
    lines_ : list of matplotlib Line2D
        One for each course.

    Examples
    --------
    >>> import fastloss as fl
    >>> def parabola(x):
    ...     return float(x @ x), 2 * x
    >>> descent = fl.optim.gradient_descent(parabola, [3.0], step=0.1)
    >>> runs = {"descent": descent, "Newton": fl.optim.newton(parabola, [3.0])}
    >>> display = fl.plotting.ConvergenceDisplay.from_histories(runs, what="gradient_norm")
    >>> [(course.name, len(course.y)) for course in display.courses]
    [('descent', 71), ('Newton', 2)]
    """

    ax_: Any
    figure_: Any
    lines_: list[Any]

    def __init__(self, courses: list[Course], xlabel: str, ylabel: str) -> None:
        self.courses, self.xlabel, self.ylabel = courses, xlabel, ylabel

    def plot(self, ax: Any = None, *, log: bool | None = None, **options: Any) -> ConvergenceDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; new by default.
        log : bool, optional
            Whether the vertical axis is logarithmic.
        **options
            For all lines, as ``linewidth=3``.

        Returns
        -------
        ConvergenceDisplay
            Itself.
        """
        (self.ax_,) = _style.axes_for(ax, 1, names=[course.name for course in self.courses])
        self.figure_, self.lines_ = self.ax_.figure, []
        _style.tidy(self.ax_)
        for course in self.courses:
            solid = {"color": _style.COLOURS[course.group % len(_style.COLOURS)], "linewidth": 1.8}
            dashes = _style.DASHES[1] if course.held_out else "-"
            shown = np.isfinite(course.y)
            one = {"marker": "o", "markersize": 3} if shown.sum() == 1 else {}
            merged = {**solid, "linestyle": dashes, **one, **options}
            self.lines_ += self.ax_.plot(course.x[shown], course.y[shown], label=course.name, **merged)
            if course.held_out and shown.any():
                k = int(np.nanargmin(np.where(shown, course.y, np.nan)))
                self.ax_.plot(course.x[k], course.y[k], "o", markersize=5, color=solid["color"])
        if log is None:
            log = _spans_decades(self.courses)
        if log:
            self.ax_.set_yscale("log", nonpositive="mask")
        self.ax_.set(xlabel=self.xlabel, ylabel=self.ylabel)
        _style.legend([self.ax_], len(self.courses))
        return self

    @classmethod
    def from_histories(
        cls,
        histories: Any,
        *,
        what: str = "loss",
        over: str = "iteration",
        series: str | list[str] | None = None,
        ax: Any = None,
        **options: Any,
    ) -> ConvergenceDisplay:
        """Draw one history, or several beside each other.

        Parameters
        ----------
        histories : history, or list or dict of them
            Each one a result of `fastloss.optim`, a `LossMonitor`, a ``History`` of Keras, an estimator that keeps its
            losses, a mapping of names to numbers, or an array. A dict whose values are such objects gives names.
        what : {"loss", "gradient_norm", "gap"}, default "loss"
            The losses and scores, the norm of the gradient, or the distance of the losses to the lowest value of all
            histories.
        over : {"iteration", "time"}, default "iteration"
            The horizontal axis; times are in seconds, for histories that have them.
        series : str or list of str, optional
            Only these series of each history.
        ax, **options
            As for `plot`.

        Returns
        -------
        ConvergenceDisplay
            Drawn.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        TypeError, ValueError
            If a history is none of those, or does not have what is asked for.
        """
        _style.pyplot()
        check.one_of("what", what, WHAT)
        check.one_of("over", over, tuple(ABSCISSAE))
        wanted = [series] if isinstance(series, str) else series
        courses: list[Course] = []
        for name, record in _named(histories).items():
            courses += _courses(name, record, what, over, wanted, courses)
        if what == "gap":
            lowest = min(float(np.nanmin(course.y)) for course in courses)
            courses = [dataclasses.replace(course, y=course.y - lowest) for course in courses]
        labels = {"loss": "loss", "gradient_norm": "norm of the gradient", "gap": "loss above the lowest"}
        return cls(courses, ABSCISSAE[over], labels[what]).plot(ax, **options)

    @classmethod
    def from_estimator(cls, estimator: Any, **options: Any) -> ConvergenceDisplay:
        """Draw the losses that a fitted estimator has kept.

        Parameters
        ----------
        estimator : estimator
            With ``loss_curve_``, ``train_score_`` or results of evaluations: of `fastloss.nn`, scikit-learn, LightGBM
            or XGBoost.
        **options
            As for `from_histories`.

        Returns
        -------
        ConvergenceDisplay
            Drawn.
        """
        return cls.from_histories([estimator], **options)


def _named(histories: Any) -> dict[str, Record]:
    if isinstance(histories, Mapping) and any(_is_history(h) for h in histories.values()):
        return {str(name): record_of(h, f"histories[{name!r}]") for name, h in histories.items()}
    if isinstance(histories, (list, tuple)) and not all(isinstance(h, Real) for h in histories):
        several = len(histories) > 1
        return {f"run {k + 1}" if several else "": record_of(h, f"histories[{k}]") for k, h in enumerate(histories)}
    return {"": record_of(histories, "histories")}


def _is_history(value: Any) -> bool:
    """Whether a value is a history of its own, not a column of one."""
    return not isinstance(value, (Mapping, list, tuple, np.ndarray, Real))


def _courses(
    name: str, record: Record, what: str, over: str, wanted: list[str] | None, before: list[Course]
) -> list[Course]:
    x = record.iteration if over == "iteration" else record.time
    if x is None:
        raise ValueError(f"over must be 'iteration': {name or 'the history'} has no times")
    if what == "gradient_norm":
        if record.gradient_norm is None:
            raise ValueError(f"what must be 'loss' or 'gap': {name or 'the history'} has no norms of gradients")
        columns = {"": record.gradient_norm}
    else:
        columns = record.series
        for key in wanted or []:
            if key not in columns:
                raise ValueError(f"series must be among {list(columns)}, got {key!r}")
        columns = {k: v for k, v in columns.items() if wanted is None or k in wanted}
    single = len(columns) == 1
    groups = {course.group for course in before}
    first, found = max(groups, default=-1) + 1, []
    kinds: dict[str, int] = {}
    for key, y in columns.items():
        bare = _bare(key)
        group = kinds.setdefault(bare, first + len(kinds))
        label = name if name and single else f"{name}: {key}" if name else key or "value"
        found.append(Course(label, x, y, is_held_out(key), group))
    return found


def _bare(series: str) -> str:
    """What a series is of, without the rows that it is of: they share a colour."""
    words = series.lower().replace("val_", "").replace("valid_", "").split()
    kept = [word for word in words if not is_held_out(word) and word not in ("training", "train", "learn")]
    return " ".join(kept)


def _spans_decades(courses: list[Course]) -> bool:
    values = np.concatenate([course.y[np.isfinite(course.y)] for course in courses])
    positive = values[values > 0]
    gaps_only = positive.size >= values.size - len(courses)  # the lowest value of a gap is 0
    return bool(positive.size and gaps_only and positive.max() > 20 * positive.min())
