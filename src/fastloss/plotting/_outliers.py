"""How much one sample moves a fit, and how much of the gradient is its."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from .. import _validation as check
from .._base import Array, ArrayLike, Loss
from .._domains import ClassLabels, Interval, Labels
from .._jumps import Trace, trace
from .._rows import RowLoss
from . import _style
from ._scores import compared_by

POINTS = 241
SAMPLES = 20
MOST_JUMPS = 8  # steps that are searched for jumps
CONSTANT, SHARE = "constant prediction", "share of the gradient"


@dataclasses.dataclass(frozen=True, eq=False)
class Influence:
    """The lines of a loss: the best constant (None for labels) and the share of the gradient, for each outlier."""

    name: str
    constant: Trace | None
    share: Trace


class OutlierInfluenceDisplay:
    """What one far sample does to a fit, as it moves away.

    The left panel is the best constant prediction: for the mean it follows the outlier, for the median it stops, for a
    redescending loss it comes back. The right one is the share of the outlier in the total of the absolute gradients
    (of a row of predictions: of their lengths). Where targets are labels, the outlier is a sample with a wrong label,
    which moves by its score, and there is no left panel.

    Make one by `from_loss`, `from_predictions` or `from_estimator`.

    Attributes
    ----------
    label : str
        What the horizontal axis is.
    influences : list of Influence
        One for each loss.
    now : float or None
        Where the sample really is.
    axes_ : ndarray of matplotlib Axes
        Once it is drawn.
    figure_ : matplotlib Figure
        Their figure.

    Examples
    --------
    >>> import fastloss as fl
    >>> display = fl.plotting.OutlierInfluenceDisplay.from_loss(["mse", "mae"], outlier=(0.0, 1000.0))
    >>> for influence in display.influences:
    ...     print(influence.name, round(influence.constant.y[-1], 2), round(influence.share.y[-1], 2))
    MeanSquaredError 47.62 0.99
    MeanAbsoluteError 0.06 0.05
    """

    axes_: Array
    figure_: Any

    def __init__(self, label: str, influences: list[Influence], now: float | None = None) -> None:
        self.label, self.influences, self.now = label, influences, now

    def plot(self, ax: Any = None, **options: Any) -> OutlierInfluenceDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of them, optional
            One for each panel, or one whose room they share; new ones by default.
        **options
            For all lines, as ``linewidth=3``.

        Returns
        -------
        OutlierInfluenceDisplay
            Itself.
        """
        constants = all(influence.constant is not None for influence in self.influences)
        self.axes_ = _style.axes_for(ax, 2 if constants else 1, names=[each.name for each in self.influences])
        self.figure_ = self.axes_[0].figure
        for panel, name in zip(self.axes_, (CONSTANT, SHARE)[-len(self.axes_) :], strict=True):
            _style.tidy(panel)
            for k, influence in enumerate(self.influences):
                line: Any = influence.constant if name == CONSTANT else influence.share
                panel.plot(line.x, line.y, label=influence.name, **{"linewidth": 1.8, **_style.style(k), **options})
            if self.now is not None:
                panel.axvline(self.now, color="0.5", linewidth=1, linestyle=":")
            panel.set(xlabel=self.label, ylabel=name)
        self.axes_[-1].set_ylim(bottom=-0.02 * self.axes_[-1].get_ylim()[1])
        _style.legend(self.axes_, len(self.influences))
        return self

    @classmethod
    def from_loss(
        cls,
        loss: Any,
        *,
        y_true: ArrayLike | None = None,
        outlier: tuple[float, float] | None = None,
        ax: Any = None,
        **options: Any,
    ) -> OutlierInfluenceDisplay:
        """Draw what one far sample does to the best constant.

        Parameters
        ----------
        loss : Loss, str, dict or sequence or dict of them
            Losses of one target for each sample; their raw scale is used.
        y_true : array_like of shape (n,), optional
            The other targets; by default 20 quantiles of a normal distribution of scale 1 around 0 (or its exponential,
            where targets are positive), or as many labels of one class.
        outlier : (float, float), optional
            From where to where it moves: its target, or for labels the raw score of the label that it does not have.
        ax, **options
            As for `plot`.

        Returns
        -------
        OutlierInfluenceDisplay
            Drawn. Predictions are the best constant without the outlier; for labels a score of 2 for the right one.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        TypeError, ValueError
            If a loss has no single target for each sample, or an argument is not as above.
        """
        _style.pyplot()
        losses = _checked(loss)
        first = next(iter(losses.values()))
        y = _typical(first) if y_true is None else np.ravel(check.as_array("y_true", y_true)).astype(float)
        if _of_labels(first):
            y = np.append(y, y[0])
            f = _scores(first, y)
        else:
            f = None
            y = np.append(y, np.median(y))
        return cls._moved(losses, y, f, len(y) - 1, outlier, None).plot(ax, **options)

    @classmethod
    def from_predictions(
        cls,
        loss: Any,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        index: int | None = None,
        outlier: tuple[float, float] | None = None,
        ax: Any = None,
        **options: Any,
    ) -> OutlierInfluenceDisplay:
        """Draw what one sample of some data does, as it moves, to the best constant and to the gradient.

        Parameters
        ----------
        loss : Loss, str, dict or sequence or dict of them
            Losses of one target for each sample; their raw scale is used.
        y_true : array_like of shape (n,)
            Targets.
        y_pred : array_like of shape (n,) or (n, K)
            Predictions on the raw scale.
        index : int, optional
            The sample; by default the one of the largest loss, by the first of the losses.
        outlier, ax, **options
            As for `from_loss`.

        Returns
        -------
        OutlierInfluenceDisplay
            Drawn, with a line where the sample is.
        """
        _style.pyplot()
        losses = _checked(loss)
        first = next(iter(losses.values()))
        values = np.ravel(first(y_true, y_pred, reduction="none"))
        y, f = np.ravel(y_true).astype(float), np.asarray(y_pred, float)
        if not y.size:
            raise ValueError("y_true must not be empty: no sample can move")
        chosen = int(np.argmax(np.nan_to_num(values))) if index is None else check.integer("index", index)
        if not -y.size <= chosen < y.size:
            raise ValueError(f"index must be below {y.size}, the number of samples, got {chosen}")
        now = float(y[chosen])
        if _of_labels(first):
            now = float(_wrong(first, f[chosen], now))
        return cls._moved(losses, y, f, chosen, outlier, now).plot(ax, **options)

    @classmethod
    def from_estimator(
        cls, loss: Any, estimator: Any, X: Any, y: ArrayLike, *, response: str = "auto", **options: Any
    ) -> OutlierInfluenceDisplay:
        """Draw what one sample does, beside the predictions of a fitted estimator.

        Parameters
        ----------
        loss : Loss, str, dict or sequence or dict of them
            Losses of one target for each sample.
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
        OutlierInfluenceDisplay
            Drawn.
        """
        losses = _style.named_losses(loss)
        found, targets, scores = compared_by(next(iter(losses.values())), estimator, X, y, response)
        raw = scores if found.on_raw() == found else found.link(scores)
        return cls.from_predictions(losses, targets, raw, **options)

    @classmethod
    def _moved(
        cls,
        losses: dict[str, Loss],
        y: Array,
        f: Array | None,
        index: int,
        between: tuple[float, float] | None,
        now: float | None,
    ) -> OutlierInfluenceDisplay:
        first = next(iter(losses.values()))
        labels = _of_labels(first)
        low, high = _reach(first, y, now) if between is None else check.real_numbers("outlier", between)
        if not low < high:
            raise ValueError(f"outlier must be an increasing pair, got {between!r}")
        grid = np.linspace(low, high, POINTS)
        found = []
        for name, loss in losses.items():
            case = _Case(loss, y, f, index)
            constant = None if labels else Trace(grid, np.array([case.constant(x) for x in grid.tolist()]), ())
            found.append(Influence(name, constant, trace(case.share, grid, MOST_JUMPS)))
        label = "raw score for the wrong label" if labels else "target of the outlier"
        return cls(label, found, now)


@dataclasses.dataclass(frozen=True, eq=False)
class _Case:
    """Some samples of which one moves. Without predictions f, they are the best constant of the others."""

    loss: Loss
    y: Array
    f: Array | None
    index: int

    def constant(self, position: float) -> float:
        """The best constant, on the natural scale."""
        moved = self.y.copy()
        moved[self.index] = position
        return float(self.loss.link.inverse(self.loss.init_score(moved)))

    def share(self, positions: Array) -> Array:
        """The shares of the moving sample in the total of the absolute gradients."""
        scores = self._constant_of_others if self.f is None else self.f.copy()
        moved, found = self.y.copy(), []
        for position in positions.tolist():
            if _of_labels(self.loss):
                assert self.f is not None
                scores[self.index] = _placed(self.loss, self.f[self.index], self.y[self.index], position)
            else:
                moved[self.index] = position
            g = self.loss.gradient(moved, scores, reduction="sum")
            sizes = np.abs(g) if g.ndim == 1 else np.linalg.norm(g, axis=-1)
            total = float(np.sum(sizes))
            found.append(float(sizes[self.index]) / total if total > 0 else 0.0)
        return np.array(found)

    @functools.cached_property
    def _constant_of_others(self) -> Array:
        return np.full(self.y.shape, float(self.loss.init_score(np.delete(self.y, self.index))))


def _checked(losses: Any) -> dict[str, Loss]:
    """Losses on their raw scale, of one target for each sample."""
    named = {name: loss.on_raw() for name, loss in _style.named_losses(losses).items()}
    for loss in named.values():
        of_rows = isinstance(loss, RowLoss) and loss.targets in ("labels", "both")
        if not (loss.n_predictions == 1 and isinstance(loss.info.y_domain, Interval | Labels)) and not of_rows:
            raise ValueError(f"loss must have one target and one prediction, or a label, for each sample, got {loss!r}")
    if len({_of_labels(loss) for loss in named.values()}) > 1:
        raise ValueError("losses must all be of numbers or all of labels")
    return named


def _of_labels(loss: Loss) -> bool:
    return isinstance(loss.info.y_domain, Labels | ClassLabels) or loss.link.name in ("logit", "half_logit")


def _typical(loss: Loss) -> Array:
    if _of_labels(loss):
        return np.zeros(SAMPLES)
    # Logistic quantiles of scale sqrt(3) / pi: those of a normal distribution but for the tails.
    p = (np.arange(SAMPLES) + 0.5) / SAMPLES
    z = np.log(p / (1 - p)) * np.sqrt(3) / np.pi
    low = loss.info.y_domain.low if isinstance(loss.info.y_domain, Interval) else -np.inf
    return np.asarray(z if low == -np.inf else np.exp(z / 2))


def _scores(loss: Loss, y: Array) -> Array:
    """Scores of 2 for the right label."""
    return np.where(np.arange(3) == y[:, None], 2.0, 0.0) if isinstance(loss, RowLoss) else np.where(y == 1, 2.0, -2.0)


def _wrong(loss: Loss, f: Any, y: float) -> float:
    """The score of the label that a sample does not have: of a row, that of the strongest rival."""
    if isinstance(loss, RowLoss):
        return float(np.delete(f, int(y)).max()) - float(f[int(y)])
    return -float(f) if y == 1 else float(f)


def _placed(loss: Loss, f: Any, y: float, position: float) -> Any:
    """The predictions of a sample whose wrong score is moved."""
    if not isinstance(loss, RowLoss):
        return -position if y == 1 else position
    row, others = f.copy(), f.copy()
    others[int(y)] = -np.inf
    row[int(np.argmax(others))] = f[int(y)] + position
    return row


def _reach(loss: Loss, y: Array, now: float | None) -> tuple[float, float]:
    if _of_labels(loss):
        return -6.0, max(10.0, 1.2 * (now or 0.0))
    middle = float(np.median(y))
    spread = 1.4826 * float(np.median(np.abs(y - middle))) or float(np.std(y)) or 1.0
    low, high = middle - 10 * spread, middle + 10 * spread
    if now is not None:
        low, high = min(low, now - spread), max(high, now + spread)
    domain = loss.info.y_domain
    if isinstance(domain, Interval) and domain.low > -np.inf:
        low = max(low, domain.low + (1e-3 * spread if domain.low_open else 0.0))
    return low, high
