"""CatBoost with any loss: objectives, metrics and estimators. Importing this module does not import CatBoost.

`LossRegressor` and `LossClassifier` are CatBoost's estimators with a loss, ready to use; `objective` and `metric` are
the parts for CatBoost's own estimators and for `catboost.train`.

Design. CatBoost maximises, so signs are turned. It asks for the derivatives of one score in blocks of at most 1000
rows: a call returns one array and allocates nothing else of that size. For several scores it asks row by row, which
bounds the speed whatever the loss; there a row of labels is a target, or, as CatBoost wants as many targets as scores,
a row of targets (`MultiTargetObjective`, which must inherit from a class of CatBoost and lives in `_catboost`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .. import _optional
from .._base import Array, Loss
from ..losses.multiclass import CategoricalCrossEntropy, SparseCategoricalCrossEntropy
from . import _objective
from ._objective import make_metric, make_objective

if TYPE_CHECKING:
    from ._catboost import LossClassifier, LossRegressor, MultiTargetMetric, MultiTargetObjective

__all__ = [
    "LossClassifier",
    "LossRegressor",
    "Metric",
    "MultiTargetMetric",
    "MultiTargetObjective",
    "Objective",
    "metric",
    "objective",
]

NEED_CATBOOST = ("LossClassifier", "LossRegressor", "MultiTargetMetric", "MultiTargetObjective")


def __getattr__(name: str) -> Any:
    """Import the estimators, and CatBoost with them, on first use."""
    if name not in NEED_CATBOOST:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _optional.require("catboost", "1.2.7", "catboost")
    _optional.require("sklearn", "1.6", "catboost", ("scikit-learn",))
    return getattr(import_module("._catboost", __package__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *NEED_CATBOOST})


@dataclass(frozen=True)
class Objective:
    """Derivatives of a loss at raw scores, as CatBoost asks for them: those of its negative, which is to be maximised.

    Made by `objective`. Immutable, compared by value, picklable, without state: CatBoost may call it from several
    threads.

    Attributes
    ----------
    loss : Loss
        The loss on the raw scale.
    hessian : str
        The curvature in use, one of ``loss.hessian_policies``.
    min_hessian : float or None
        The floor of the hessian, applied after the weights.
    unit : float or tuple of float
        The estimators divide the derivatives by it; 1 for `objective`.
    """

    loss: Loss
    hessian: str
    min_hessian: float | None = None
    unit: float | tuple[float, ...] = field(default=1.0, repr=False)

    no_jit: ClassVar[bool] = True
    """Keeps CatBoost from compiling the methods with Numba."""

    _factor: ClassVar[Array]

    def __post_init__(self) -> None:
        object.__setattr__(self, "_factor", -1 / np.asarray(self.unit))

    def calc_ders_range(self, approxes: Array, targets: Array, weights: Array | None) -> Array:
        """Compute the derivatives of a block of rows of one score.

        Parameters
        ----------
        approxes : ndarray of shape (n,)
            Raw scores; never written into.
        targets : ndarray of shape (n,)
            Targets, checked against the domain of the loss.
        weights : ndarray of shape (n,) or None
            Weights >= 0.

        Returns
        -------
        ndarray of shape (n, 2), float64
            Minus the gradient and minus the hessian of each row, multiplied by the weights.

        Raises
        ------
        ValueError
            If a target or weight is outside its domain, or the loss has several scores for each row.
        """
        ders = np.empty((2, len(approxes)))
        self._fill(ders, approxes, targets, weights)
        if _objective.has_spikes(self.loss, self.hessian):
            _objective.limit_spikes(ders[0], ders[1], self.min_hessian or 0.0)
        ders *= self._factor
        return ders.T

    def calc_ders_multi(self, approxes: Array, target: Any, weight: float) -> tuple[list[float], Iterator[list[float]]]:
        """Compute the derivatives of one row of K scores.

        Parameters
        ----------
        approxes : ndarray of shape (K,)
            Raw scores; never written into.
        target : float
            The class.
        weight : float
            Weight >= 0.

        Returns
        -------
        gradient : list of float
            Minus the gradient.
        hessian : iterator of lists of float
            The K rows of minus the hessian, computed as they are asked for: CatBoost asks only where it estimates the
            values of leaves. The matrix is diagonal; that of the softmax cross-entropies with the curvature ``"exact"``
            or ``"fisher"`` and no floor is the full one.

        Raises
        ------
        ValueError
            If the target or weight is outside its domain, or the loss has one score for each row.
        """
        ders = np.empty((2, len(approxes)))
        self._fill(ders, approxes, np.array(target), np.array(weight))
        ders *= self._factor
        gradient, diagonal = ders.tolist()
        return gradient, _coupled(approxes.tolist(), diagonal) if self._is_softmax else _diagonal(diagonal)

    def _fill(self, ders: Array, scores: Array, targets: Array, weights: Array | None) -> None:
        """Write gradient and hessian."""
        gradient, hessian = ders
        self.loss.gradient_and_hessian(
            targets,
            scores,
            weights,
            reduction="sum",
            out=(gradient, hessian),
            hessian=self.hessian,
            min_hessian=self.min_hessian,
        )

    @property
    def _is_softmax(self) -> bool:
        exact = self.hessian in ("exact", "fisher") and self.min_hessian is None
        return exact and isinstance(self.loss, (CategoricalCrossEntropy, SparseCategoricalCrossEntropy))


def _coupled(scores: list[float], diagonal: list[float]) -> Iterator[list[float]]:
    """The rows of the hessian s (diag(p) - p p') of a softmax, from its diagonal s p (1 - p)."""
    largest = max(scores)
    exponentials = [math.exp(z - largest) for z in scores]
    total = sum(exponentials)
    p = [e / total for e in exponentials]
    spread = sum(x * (1 - x) for x in p)
    s = sum(diagonal) / spread if spread > 0 else 0.0
    for k, x in enumerate(p):
        row = [-s * x * other for other in p]
        row[k] = diagonal[k]
        yield row


def _diagonal(entries: list[float]) -> Iterator[list[float]]:
    """The rows of a diagonal matrix."""
    zeros = [0.0] * len(entries)
    for k, entry in enumerate(entries):
        row = zeros.copy()
        row[k] = entry
        yield row


def objective(loss: Any, hessian: str | None = None, min_hessian: float | None = None) -> Objective:
    """Make a CatBoost objective of a loss.

    Parameters
    ----------
    loss : Loss, str or dict
        A loss, its name, or its configuration. Its raw scale is used: ``objective("poisson")`` takes log-rates,
        ``objective("binary_cross_entropy")`` logits.
    hessian : str, optional
        The curvature, one of the `hessian_policies` of the loss on its raw scale; by default its `default_hessian`,
        with which boosters train.
    min_hessian : float, optional
        Floor of the hessian, applied after the weights; rows of weight 0 stay 0. None by default: no default curvature
        of a built-in loss is negative.

    Returns
    -------
    Objective
        For the parameter ``loss_function``. Of a loss of several quantiles, of the two parameters of a distribution,
        or of a number for each class it is a `MultiTargetObjective`.

    Raises
    ------
    ImportError
        If a `MultiTargetObjective` is asked for and CatBoost is missing or too old.
    TypeError, ValueError
        If the loss is unknown or has no hessian, or does not have the curvature.

    See Also
    --------
    LossRegressor, LossClassifier : Estimators that do all that the notes ask for.

    Notes
    -----
    CatBoost insists on an ``eval_metric`` beside it: `metric` of the same loss. It does not estimate the start: give
    `loss.init_score(y, sample_weight)` as ``baseline`` of the pools, and after training to ``set_scale_and_bias``.
    Labels of classes must be 0 ... K - 1, or be named in ``class_names``; for more than two of them the loss must be
    one of several classes. With a `MultiTargetObjective` CatBoost takes no baseline, and every column of the label is
    the target, one for each score.

    CatBoost's leaf estimation for custom objectives, one Newton step, is right for the default curvatures; for losses
    of medians and quantiles more ``leaf_estimation_iterations`` learn faster. With the same start this is CatBoost's
    own mathematics for ``RMSE`` (`HalfSquaredError`), ``Logloss`` and ``CrossEntropy`` (`BinaryCrossEntropy`),
    ``Poisson``, ``Tweedie``, ``Expectile``, ``MultiClass`` (`SparseCategoricalCrossEntropy`), with the curvature
    ``"exact"`` also for ``Huber`` and ``Focal`` (`BinaryFocal`), and with ``leaf_estimation_method="Gradient"`` for
    ``Quantile`` and ``LogCosh``, whose default method ``"Exact"`` is not open to custom objectives. With several
    ``leaf_estimation_iterations`` CatBoost halves steps that do not improve its own losses; ask for the same beside a
    custom objective with ``leaf_estimation_backtracking="AnyImprovement"``, and give it `metric` of the same loss.

    References
    ----------
    Prokhorenkova, Gusev, Vorobev, Dorogush and Gulin (2018), CatBoost: unbiased boosting with categorical features.

    Examples
    --------
    >>> import fastloss as fl
    >>> from fastloss.adapters.catboost import objective
    >>> objective(fl.Huber(delta=2.0))
    Objective(loss=Huber(delta=2.0), hessian='majorizer', min_hessian=None)

    With CatBoost itself::

        loss = fl.BinaryFocal(gamma=2.0)
        score = loss.init_score(y, w)

        train = catboost.Pool(X, y, weight=w, baseline=np.full((len(y), 1), score))
        model = catboost.CatBoostRegressor(loss_function=objective(loss), eval_metric=metric(loss)).fit(train)
        model.set_scale_and_bias(1.0, score)
        probability = loss.link.inverse(model.predict(X))
    """
    made = make_objective(loss, hessian, min_hessian)
    kind = __getattr__("MultiTargetObjective") if _is_multi_target(made.loss) else Objective
    return kind(made.loss, made.hessian, made.min_hessian)


def _is_multi_target(loss: Loss) -> bool:
    """Whether a row has several scores and CatBoost cannot take its target for a class."""
    return loss.n_predictions != 1 and getattr(loss, "targets", "values") not in ("labels", "both")


@dataclass(frozen=True)
class Metric(_objective.Metric):
    """The weighted mean of a loss as an evaluation metric of CatBoost; smaller is better.

    Made by `metric`. Immutable, compared by value, picklable, without state.

    Attributes
    ----------
    loss : Loss
        The loss on the raw scale, or on the scale that scores are on.
    name : str
        What CatBoost calls it.
    """

    no_jit: ClassVar[bool] = True
    """Keeps CatBoost from compiling the methods with Numba."""

    def is_max_optimal(self) -> bool:
        """Tell CatBoost that smaller is better."""
        return False

    def evaluate(self, approxes: Any, target: Any, weight: Array | None) -> tuple[float, float]:
        """Compute the loss of a block of rows.

        Parameters
        ----------
        approxes : sequence of K ndarrays of shape (n,)
            Raw scores.
        target : ndarray of shape (n,)
            Targets.
        weight : ndarray of shape (n,) or None
            Weights >= 0.

        Returns
        -------
        error : float
            The weighted sum of the loss.
        weight : float
            The sum of the weights.
        """
        scores = approxes[0] if self.loss.n_predictions == 1 else np.stack(approxes, axis=-1)
        return self.loss(target, scores, weight, reduction="sum"), float(
            len(target) if weight is None else weight.sum()
        )

    def get_final_error(self, error: float, weight: float) -> float:
        """Compute the weighted mean from the sums over all blocks.

        Parameters
        ----------
        error, weight : float
            Sums of what `evaluate` returns.

        Returns
        -------
        float
            NaN if there is no weight.
        """
        return error / weight if weight > 0 else np.nan

    def __reduce__(self) -> tuple[Any, ...]:
        return _make_metric, tuple(getattr(self, field.name) for field in fields(self))


def _make_metric(loss: Loss, name: str, *start: Any) -> Metric:
    kind = __getattr__("MultiTargetMetric") if _is_multi_target(loss) else Metric
    return _called(kind, name)(loss, name, *start)


@cache
def _called(kind: type[Metric], name: str) -> type[Metric]:
    """A subclass of that name: CatBoost reports the name of the class."""
    return type(name, (kind,), {"__repr__": lambda metric: f"{kind.__name__}(loss={metric.loss!r}, name={name!r})"})


def metric(loss: Any, name: str | None = None, raw: bool = True) -> Metric:
    """Make a CatBoost evaluation metric of a loss: for early stopping, or to watch.

    Parameters
    ----------
    loss : Loss, str or dict
        A loss, its name, or its configuration.
    name : str, optional
        What CatBoost calls it; by default the name of the loss.
    raw : bool
        Whether scores are raw ones, which is what CatBoost hands over whatever its objective, or on the scale that the
        loss is on.

    Returns
    -------
    Metric
        For the parameter ``eval_metric``. Of a loss with a `MultiTargetObjective` it is a `MultiTargetMetric`, which
        CatBoost takes beside such an objective only.

    Raises
    ------
    ImportError
        If a `MultiTargetMetric` is asked for and CatBoost is missing or too old.
    TypeError, ValueError
        If the loss is unknown, or an argument is not as above.

    Examples
    --------
    >>> import fastloss as fl
    >>> from fastloss.adapters.catboost import metric
    >>> metric("mae")
    Metric(loss=MeanAbsoluteError(), name='mean_absolute_error')
    >>> import numpy as np
    >>> metric("huber").evaluate((np.array([0.5, 3.0]),), np.zeros(2), np.array([1.0, 2.0]))
    (5.125, 3.0)

    With CatBoost itself::

        model = catboost.CatBoostRegressor(loss_function=objective("huber"), eval_metric=metric("mae"))
        model.fit(X, y, eval_set=(X_valid, y_valid), early_stopping_rounds=10)
    """
    return _make_metric(*make_metric(loss, name, raw))
