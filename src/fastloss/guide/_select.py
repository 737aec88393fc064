"""The loss that predicts best, by cross-validation with one score for all."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from .. import _validation as check
from .._base import Array, ArrayLike, Loss
from .._domains import REAL, ClassLabels, Labels
from .._inputs import InputsLoss
from .._links import IDENTITY
from .._optional import require
from .._progress import Progress
from .._registry import get
from .._rows import RowLoss
from .._text import aligned
from ._recommend import recommend
from ._situation import robust_scale

Score = Callable[[Array, Array], float]
TRIMMED = 0.1


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A loss, and how well a model predicts that was trained with it.

    Attributes
    ----------
    loss : Loss
        The loss.
    scores : tuple of float
        One for each fold; smaller is better. NaN where the training failed.
    failure : str
        Why it did; empty if it did not.
    """

    loss: Loss
    scores: tuple[float, ...]
    failure: str = ""

    @property
    def mean(self) -> float:
        """The mean of the scores."""
        return float(np.mean(self.scores))


@dataclasses.dataclass(frozen=True)
class Selection:
    """What `select` found; ``print`` it for a table.

    Attributes
    ----------
    candidates : tuple of Candidate
        The best first.
    scoring : str
        The name of the score.
    """

    candidates: tuple[Candidate, ...]
    scoring: str

    @property
    def best(self) -> Loss:
        """The loss of the best mean score."""
        return self.candidates[0].loss

    @property
    def tied(self) -> tuple[Loss, ...]:
        """The losses that cannot be told from the best: by less than a standard error of the differences in folds."""
        first = np.array(self.candidates[0].scores)
        found = []
        for each in self.candidates:
            difference = np.array(each.scores) - first
            if np.mean(difference) <= np.std(difference, ddof=1) / np.sqrt(len(first)):
                found.append(each.loss)
        return tuple(found)

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("loss", self.scoring, "+-", "behind the best", "+-")]
        first, root = np.array(self.candidates[0].scores), np.sqrt(len(self.candidates[0].scores))
        for each in self.candidates:
            scores = np.array(each.scores)
            difference = scores - first
            figures = (scores.mean(), scores.std(ddof=1) / root, difference.mean(), difference.std(ddof=1) / root)
            rows.append((repr(each.loss), *("failed" if each.failure else f"{x:.4g}" for x in figures)))
        return aligned(rows, numbers=True)


def trimmed_absolute_error(y_true: Array, y_pred: Array) -> float:
    """The mean absolute error but for the largest tenth of the errors: what outliers do not decide."""
    errors = np.sort(np.abs(np.asarray(y_pred, float) - y_true))
    return float(np.mean(errors[: max(1, round((1 - TRIMMED) * errors.size))]))


def balanced_error(y_true: Array, y_pred: Array) -> float:
    """One minus the mean recall of the classes: what the common class does not decide."""
    labels = np.unique(y_true)
    return 1.0 - float(np.mean([np.mean(y_pred[y_true == label] == label) for label in labels]))


def select(
    X: Any,
    y: ArrayLike,
    losses: Any = None,
    *,
    estimator: Any = None,
    scoring: Any = None,
    cv: int | Any = 5,
    standardize: bool = True,
    random_state: Any = 0,
    sample_weight: ArrayLike | None = None,
) -> Selection:
    """Choose a loss by cross-validation: the one whose models predict best, by one score for all.

    Values of different losses cannot be compared; their predictions can. The score should be what the predictions are
    for. The default ones are robust: neither outliers nor the common class decide.

    Parameters
    ----------
    X : array_like of shape (n, D)
        Features.
    y : array_like of shape (n,)
        Targets, or labels of any kind.
    losses : sequence of Loss, str or dict, optional
        The candidates; by default the five that `recommend` names for these targets.
    estimator : estimator, optional
        Any estimator with a parameter ``loss`` that takes them: those of `fastloss.adapters` and `fastloss.nn`, also
        at the end of a pipeline. By default `LinearLossRegressor` or `LinearLossClassifier`, on features of unit scale.
    scoring : Loss, str, dict or callable, optional
        A loss of predictions, or a function ``(y_true, y_pred) -> float``; smaller is better. By default for numbers
        the mean absolute error without its largest tenth, for labels one minus the mean recall.
    cv : int or splitter, default 5
        The number of folds, which are shuffled, and stratified for labels; or a splitter of scikit-learn.
    standardize : bool, default True
        Whether targets that are numbers are brought to median 0 and robust scale 1 in each training set, for losses of
        real targets; predictions are brought back. Parameters such as `delta` then count robust standard deviations.
    random_state : int, RandomState or None, default 0
        Seed of the folds.
    sample_weight : array_like of shape (n,), optional
        Weights >= 0 of the training rows.

    Returns
    -------
    Selection
        All candidates, the best first.

    Raises
    ------
    ImportError
        If scikit-learn is missing.
    TypeError, ValueError
        If an argument is not as above, or no training succeeds.

    Examples
    --------
    With scikit-learn::

        selection = fl.guide.select(X, y, ["mse", "huber", "tukey_biweight"], scoring="mae")
        print(selection)
        model = LinearLossRegressor(loss=selection.best).fit(X, y)
    """
    require("sklearn", "1.6", "sklearn", ("scikit-learn",))
    targets = np.asarray(y)
    if targets.ndim != 1 or len(targets) < 2:
        raise ValueError(f"y must have the shape (n,) and at least 2 entries, got {targets.shape}")
    candidates, of_labels = _candidates(losses, targets)
    score, name = _scoring(scoring, of_labels)
    model = _model(of_labels) if estimator is None else estimator
    folds = list(_splitter(cv, of_labels, random_state).split(np.zeros((len(targets), 1)), targets))
    if len(folds) < 2:
        raise ValueError(f"cv must make at least 2 folds, got {len(folds)}")
    rows = X if hasattr(X, "iloc") or hasattr(X, "tocsr") else check.as_array("X", X)
    weights = None if sample_weight is None else check.flat_weights(sample_weight, targets.shape)
    scaled = check.flag("standardize", standardize) and not of_labels
    found = []
    with Progress("cross-validation", len(candidates) * len(folds)) as progress:
        for loss in candidates:
            scores, failure = [], ""
            for fold in folds:
                try:
                    scores.append(_fold(model, loss, rows, targets, weights, fold, score, scaled))
                except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
                    scores, failure = [float("nan")] * len(folds), str(error).splitlines()[0]
                    break
                progress.step(loss.info.name)
            found.append(Candidate(loss, tuple(scores), failure))
    if all(each.failure for each in found):
        raise ValueError(f"no training succeeded; with {found[0].loss!r}: {found[0].failure}")
    found.sort(key=lambda each: (bool(each.failure) or not np.isfinite(each.mean), each.mean))
    return Selection(tuple(found), name)


def _candidates(losses: Any, y: Array) -> tuple[list[Loss], bool]:
    if losses is None:
        numeric = y.dtype.kind in "fiub"
        classes = np.unique(y)
        if not numeric or (len(classes) <= 2 and y.dtype.kind != "f"):
            task, known = ("binary" if len(classes) <= 2 else "multiclass"), None
        else:
            task, known = None, y
        advice = recommend(task, y_true=known, model="linear", n=5)
        found = [each.loss for each in advice if not isinstance(each.loss, InputsLoss)]
    else:
        several = losses if isinstance(losses, (list, tuple)) else [losses]
        found = [get(each) for each in several]
    if not found:
        raise ValueError("losses must hold at least one loss")
    for loss in found:
        if isinstance(loss, InputsLoss):
            raise ValueError(f"losses must be of predictions, got {loss!r}")
    kinds = {_of_labels(loss) for loss in found}
    if len(kinds) > 1:
        raise ValueError("losses must all be of numbers or all of labels: one score is for all")
    return list(dict.fromkeys(found)), kinds.pop()


def _of_labels(loss: Loss) -> bool:
    """Whether models trained with a loss decide for labels."""
    return isinstance(loss.info.y_domain, Labels | ClassLabels) or loss.link.gives_probabilities


def _scoring(scoring: Any, of_labels: bool) -> tuple[Score, str]:
    if scoring is None:
        return (balanced_error, "1 - mean recall") if of_labels else (trimmed_absolute_error, "trimmed absolute error")
    if isinstance(scoring, (str, dict, Loss)):
        loss = get(scoring)
        return (lambda y_true, y_pred: float(loss(y_true, y_pred))), loss.info.name
    if not callable(scoring):
        raise TypeError(f"scoring must be a loss or callable, got {type(scoring).__name__}")
    return scoring, getattr(scoring, "__name__", "score")


def _model(of_labels: bool) -> Any:
    from ..adapters.sklearn import LinearLossClassifier, LinearLossRegressor

    last = LinearLossClassifier() if of_labels else LinearLossRegressor()
    scaler = import_module("sklearn.preprocessing").StandardScaler(with_mean=False)
    return import_module("sklearn.pipeline").make_pipeline(scaler, last)


def _splitter(cv: Any, of_labels: bool, random_state: Any) -> Any:
    if hasattr(cv, "split"):
        return cv
    n = check.positive_integer("cv", cv)
    if n < 2:
        raise ValueError(f"cv must be at least 2, got {n}")
    selection = import_module("sklearn.model_selection")
    kind = selection.StratifiedKFold if of_labels else selection.KFold
    return kind(n, shuffle=True, random_state=random_state)


def _fold(model: Any, loss: Loss, X: Any, y: Array, w: Array | None, fold: Any, score: Score, scaled: bool) -> float:
    train, test = fold
    shift, scale = 0.0, 1.0
    targets = y[train]
    if scaled and loss.info.y_domain == REAL and loss.link == IDENTITY and not isinstance(loss, RowLoss):
        targets = targets.astype(float)
        shift, scale = float(np.median(targets)), robust_scale(targets) or 1.0
        targets = (targets - shift) / scale
    fitted = import_module("sklearn.base").clone(model)
    steps = getattr(fitted, "steps", None)
    last = steps[-1][0] if steps else ""
    fitted.set_params(**{f"{last}__loss" if last else "loss": loss})
    weights = {} if w is None else {f"{last}__sample_weight" if last else "sample_weight": w[train]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of convergence: the score judges
        fitted.fit(_rows(X, train), targets, **weights)
        predicted = np.asarray(fitted.predict(_rows(X, test)))
    if scale != 1.0 or shift != 0.0:
        predicted = shift + scale * predicted
    return float(score(y[test], predicted))


def _rows(X: Any, index: Array) -> Any:
    if hasattr(X, "iloc"):
        return X.iloc[index]
    return X.tocsr()[index] if hasattr(X, "tocsr") else X[index]
