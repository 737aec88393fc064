"""What of `fastloss.adapters.catboost` needs CatBoost to be imported: estimators, and objectives of several targets.

Design. CatBoost keeps the parameters of an estimator in a dict, from which it is printed, copied and pickled: ours live
there too, and are left out where CatBoost reads its own (`_get_canonized_params`). Objective, metric and start come in
where it has checked parameters and built pools (`_prepare_train_params`), so that arrays, pools, files, validation sets
and its search over parameters all have them.

The start is the baseline of the pools, so that CatBoost's own metrics see it, and then the bias of the trained model,
so that it predicts right wherever it is loaded. With several targets CatBoost takes no baseline: there objective and
metric add the start.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import catboost
import numpy as np
from sklearn.metrics import r2_score
from sklearn.utils.metaestimators import available_if

from .._base import Array, Loss
from .._domains import ClassLabels
from .._registry import get
from ._estimators import BoostedLoss, LossClassifierMixin, LossRegressorMixin, _can
from .catboost import Metric, Objective, metric, objective

OURS = ("loss", "hessian", "min_hessian")


@dataclass(frozen=True)
class MultiTargetObjective(Objective, catboost.MultiTargetCustomObjective):
    """The objective of a loss of several quantiles, of a distribution, or of a number for each class.

    Made by `objective`. Immutable, compared by value, picklable, without state.

    Attributes
    ----------
    loss, hessian, min_hessian
        As for `Objective`.
    init_score : tuple of float
        What is added to the scores of a row, in place of a baseline; empty for nothing.
    """

    init_score: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "_start", np.array(self.init_score or 0.0))

    def calc_ders_multi(self, approxes: Array, target: Any, weight: float) -> tuple[list[float], Iterator[list[float]]]:
        """Compute the derivatives of one row, as `Objective` does; `target` has an entry for each score."""
        target = target if _is_dense(self.loss) else target[0]
        return super().calc_ders_multi(approxes + self._start, target, weight)


@dataclass(frozen=True)
class MultiTargetMetric(Metric, catboost.MultiTargetCustomMetric):
    """The metric of a loss of several quantiles, of a distribution, or of a number for each class.

    Made by `metric`. Immutable, compared by value, picklable, without state.

    Attributes
    ----------
    loss, name
        As for `Metric`.
    init_score : tuple of float
        What is added to the scores of a row; empty for nothing.
    """

    init_score: tuple[float, ...] = ()

    def evaluate(self, approxes: Any, target: Any, weight: Array | None) -> tuple[float, float]:
        """Compute the loss of a block of rows, as `Metric` does; `target` has an array for each score."""
        start = self.init_score or (0.0,) * len(approxes)
        shifted = [scores + constant for scores, constant in zip(approxes, start, strict=True)]
        return super().evaluate(shifted, np.stack(target, axis=-1) if _is_dense(self.loss) else target[0], weight)


def _is_dense(loss: Loss) -> bool:
    return getattr(loss, "targets", "values") in ("dense", "vectors")


def _parameter(name: str) -> Any:
    return property(lambda estimator: estimator._init_params.get(name), doc=f"The parameter `{name}`.")


class _LossModel(BoostedLoss, catboost.CatBoost):
    """What both estimators share."""

    _init_params: dict[str, Any]

    def __init__(
        self, *, loss: Any = None, hessian: str | None = None, min_hessian: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**{"loss_function": None, **kwargs})
        ours = zip(OURS, (loss, hessian, min_hessian), strict=True)
        self._init_params |= {name: value for name, value in ours if value is not None}

    loss = _parameter("loss")
    hessian = _parameter("hessian")
    min_hessian = _parameter("min_hessian")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters that were given, as they were given.

        Parameters
        ----------
        deep : bool
            Without effect: no parameter is an estimator.

        Returns
        -------
        dict
        """
        return dict(self._init_params)

    def _get_canonized_params(self) -> dict[str, Any]:
        """The parameters of CatBoost alone, which checks them as if for its own objective of one target."""
        given = super()._get_canonized_params()
        return {k: v for k, v in given.items() if k not in OURS and not isinstance(v, MultiTargetMetric)}

    def __getstate__(self) -> dict[str, Any]:
        learnt = {name: vars(self)[name] for name in ("loss_", "init_score_") if name in vars(self)}
        return {**super().__getstate__(), "__learnt": learnt}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state.pop("__learnt"))
        super().__setstate__(state)

    def _prepare_train_params(self, X: Any = None, y: Any = None, eval_set: Any = None, **options: Any) -> Any:
        """What CatBoost trains with: pools and parameters, with objective, metric and start."""
        if "loss_function" in self._get_canonized_params():
            raise ValueError("loss_function must not be given: the parameter loss is the objective")
        y, eval_set = self._as_targets(y), self._as_eval_sets(eval_set)
        training = super()._prepare_train_params(X=X, y=y, eval_set=eval_set, **options)
        params, pool, first = training["params"], training["train_pool"], training["init_model"]
        made = self._begin_training(params, pool)
        if np.shape(self.init_score_) == (1,):
            raise ValueError(f"loss must have at least two classes or quantiles, got {made.loss!r} with one")
        params["loss_function"] = replace(objective(made.loss, made.hessian, made.min_hessian), unit=made.unit)
        params["eval_metric"] = self._init_params.get("eval_metric", metric(made.loss))
        if first is not None:
            self.init_score_ = _as_score(first.get_scale_and_bias()[1])
        elif np.size(pool.get_baseline()):
            self.init_score_ = self.init_score_ * 0.0
        elif isinstance(params["loss_function"], MultiTargetObjective):
            for name, given in params.items():
                if isinstance(given, (MultiTargetObjective, MultiTargetMetric)):
                    params[name] = replace(given, init_score=tuple(self.init_score_.tolist()))
        else:
            training["train_pool"] = self._with_baseline(pool, owned=pool is not X)
            given = eval_set if isinstance(eval_set, list) else [eval_set]
            training["eval_sets"] = [
                self._with_baseline(pool, owned=all(pool is not mine for mine in given))
                for pool in training["eval_sets"]
            ]
        return training

    def _with_baseline(self, pool: Any, owned: bool) -> Any:
        """The pool, or a copy of a pool of the user's, that starts from `init_score_`."""
        n = pool.num_row()
        pool = pool if owned else pool.slice(np.arange(n))
        pool.set_baseline(np.broadcast_to(self.init_score_, (n, self._n_scores)))
        return pool

    def _begin_training(self, params: dict[str, Any], pool: Any) -> Any:
        """Begin a fit to the labels of a pool; the objective as `_objective` has it."""
        raise NotImplementedError

    def _as_targets(self, y: Any) -> Any:
        """The labels as CatBoost wants them."""
        return y

    def _as_eval_sets(self, eval_set: Any) -> Any:
        if isinstance(eval_set, list):
            return [self._as_eval_sets(item) for item in eval_set]
        return (eval_set[0], self._as_targets(eval_set[1])) if isinstance(eval_set, tuple) else eval_set

    def _finish(self) -> Any:
        """Write start and loss into the trained model."""
        self.set_scale_and_bias(1.0, np.ravel(self.init_score_).tolist())
        loss = self.loss_ if self.loss is None else get(self.loss)
        ours = {"loss": loss.config(), "hessian": self.hessian, "min_hessian": self.min_hessian}
        self.get_metadata()["fastloss"] = json.dumps(ours)
        return self

    def load_model(self, *args: Any, **options: Any) -> Any:
        """Load a model that `save_model` saved, with its loss.

        Parameters
        ----------
        *args, **options
            As for `catboost.CatBoost.load_model`.

        Returns
        -------
        LossRegressor or LossClassifier
            Itself.

        Raises
        ------
        ValueError
            If the model has no loss, or one that is not built in: construct the estimator with it before loading.
        """
        given = self.loss
        super().load_model(*args, **options)
        saved = dict(self.get_metadata().items()).get("fastloss")
        if saved is None and given is None:
            raise ValueError(f"fname must be a model that {type(self).__name__} saved, got one without a loss")
        ours = json.loads(saved or "{}")
        ours["loss"] = get(ours["loss"] if given is None else given)
        params = {k: v for k, v in self._init_params.items() if k not in ("loss_function", "eval_metric")}
        self._init_params = params | {name: value for name, value in ours.items() if value is not None}
        self._canonized_params = None
        self.loss_ = ours["loss"].on_raw()
        self.init_score_ = _as_score(self.get_scale_and_bias()[1])
        return self

    def _raw_scores(self, X: Any, **options: Any) -> Array:
        return np.asarray(catboost.CatBoost.predict(self, X, "RawFormulaVal", **options))


def _as_score(bias: Any) -> Any:
    """The constant of `get_scale_and_bias`: a number, or K of them."""
    return float(bias) if np.size(bias) == 1 else np.array(bias)


def _of_rows(convert: Callable[[Array], Array], raw: Array, data: Any) -> Any:
    """What `convert` makes of raw scores of rows, or of one row, where `data` is a vector of features."""
    return convert(raw[np.newaxis])[0] if np.ndim(data) == 1 else convert(raw)


class LossRegressor(_LossModel, LossRegressorMixin, catboost.CatBoostRegressor):
    """CatBoost's regressor with any loss of one target: pointwise, of a distribution, or of several quantiles.

    Parameters
    ----------
    loss : Loss, str or dict, optional
        The loss, its name, or its configuration; by default `HalfSquaredError`.
    hessian : str, optional
        The curvature, as for `objective`.
    min_hessian : float, optional
        Floor of the hessian, as for `objective`.
    **kwargs
        Every parameter of `catboost.CatBoostRegressor` but ``loss_function``, with its name and default.
        ``eval_metric`` is by default the loss itself. CatBoost's own metrics see raw scores: logits, log-rates.

    Attributes
    ----------
    loss_ : Loss
        The loss on the raw scale.
    init_score_ : float or ndarray of shape (K,)
        The constant raw score from which boosting starts: it minimises the loss, unless there is a baseline (then 0)
        or a model to continue (then its own).

    See Also
    --------
    LossClassifier : For classes.
    objective, metric : The parts, for CatBoost's own estimators.

    Notes
    -----
    The start is part of the model: a file of `save_model` predicts right, on the raw scale, in whatever reads it.
    CatBoost trains on custom objectives on the CPU only, and calls them row by row where there are several scores:
    expect microseconds for each row and tree. There the label of a `catboost.Pool` is the target repeated in K columns;
    arrays are repeated for you. With a loss of several quantiles ``score`` is not available.

    References
    ----------
    Prokhorenkova, Gusev, Vorobev, Dorogush and Gulin (2018), CatBoost: unbiased boosting with categorical features.

    Examples
    --------
    With CatBoost installed::

        model = LossRegressor(loss=fl.Quantile(quantile=0.9), iterations=200)
        model.fit(X, y, eval_set=(X_valid, y_valid), early_stopping_rounds=10).predict(X_test)

        model = LossRegressor(loss="gaussian_nll").fit(X, y)
        low, high = model.predict_distribution(X_test).interval(0.9)
    """

    @wraps(catboost.CatBoostRegressor.fit, assigned=())
    def fit(self, X: Any, y: Any = None, *args: Any, **options: Any) -> Any:
        """Fit the model.

        Parameters
        ----------
        X : array_like, data frame, catboost.Pool or path
            Features, or all data.
        y : array_like of shape (n,), optional
            Targets in the domain of the loss, unless `X` has them.
        *args, **options
            As for `catboost.CatBoostRegressor.fit`: ``cat_features``, ``sample_weight``, ``eval_set``,
            ``early_stopping_rounds``, ``callbacks``, ``baseline``, ``init_model``, ``verbose`` ...

        Returns
        -------
        LossRegressor
            Itself.

        Raises
        ------
        ValueError
            If a parameter of ours or a target or weight is not allowed.
        """
        super().fit(X, y, *args, **options)
        return self._finish()

    def _begin_training(self, params: dict[str, Any], pool: Any) -> Any:
        labels = np.asarray(pool.get_label(), np.float64).reshape(pool.num_row(), -1)
        first, k = labels[:, 0], self._n_targets
        if not np.array_equal(labels, np.stack([first] * k, axis=1), equal_nan=True):
            raise ValueError(f"label must hold the target in {k} equal column(s), got {labels.shape[1]} column(s)")
        return self._begin_regression(first, pool.get_weight())

    @property
    def _n_targets(self) -> int:
        """Columns of the label: for CatBoost as many as there are scores."""
        loss = self._loss()
        if getattr(loss, "targets", "values") != "values":
            return 1
        return loss.n_predictions or np.size(loss.init_score([0.0, 1.0]))

    def _as_targets(self, y: Any) -> Any:
        if y is None or self._n_targets == 1:
            return y
        y = np.asarray(y)
        return np.repeat(y.reshape(-1, 1), self._n_targets, axis=1) if y.size == len(y) else y

    def predict(self, data: Any, prediction_type: str | None = None, **options: Any) -> Any:
        """Predict on the natural scale.

        Parameters
        ----------
        data : array_like, data frame or catboost.Pool
            Features of rows, or of one row as a vector.
        prediction_type : str, optional
            What CatBoost is to return instead, such as ``"RawFormulaVal"``.
        **options
            As for `catboost.CatBoostRegressor.predict`: ``ntree_start``, ``ntree_end``, ``thread_count`` ...

        Returns
        -------
        ndarray of shape (n,) or (n, K)
            Of a distribution its mean or location, of several quantiles one column each.
        """
        if prediction_type is not None:
            return super().predict(data, prediction_type, **options)
        return _of_rows(self._predict_natural, self._raw_scores(data, **options), data)

    def staged_predict(self, data: Any, prediction_type: str | None = None, **options: Any) -> Iterator[Any]:
        """Predict on the natural scale with the first trees, one tree more each time.

        Parameters
        ----------
        data, prediction_type
            As for `predict`.
        **options
            As for `catboost.CatBoostRegressor.staged_predict`: ``eval_period``, ``ntree_end`` ...

        Yields
        ------
        ndarray of shape (n,) or (n, K)
        """
        if prediction_type is not None:
            yield from super().staged_predict(data, prediction_type, **options)
            return
        for raw in catboost.CatBoost.staged_predict(self, data, "RawFormulaVal", **options):
            yield _of_rows(self._predict_natural, raw, data)

    def score(self, X: Any, y: Any = None) -> float:
        """Compute R^2 of the predictions on the natural scale.

        Parameters
        ----------
        X : array_like, data frame or catboost.Pool
            Features, or all data.
        y : array_like of shape (n,), optional
            Targets, unless `X` has them.

        Returns
        -------
        float
        """
        y = np.reshape(X.get_label(), (X.num_row(), -1))[:, 0] if y is None else y
        return float(r2_score(y, self.predict(X)))


class LossClassifier(_LossModel, LossClassifierMixin, catboost.CatBoostClassifier):
    """CatBoost's classifier with any loss of classes, and labels of any kind.

    Parameters
    ----------
    loss : Loss, str or dict, optional
        The loss, its name, or its configuration; by default the cross-entropy of two or of several classes. For two
        classes it must be a loss of one score, such as `BinaryFocal`.
    hessian : str, optional
        The curvature, as for `objective`.
    min_hessian : float, optional
        Floor of the hessian, as for `objective`.
    **kwargs
        Every parameter of `catboost.CatBoostClassifier` but ``loss_function``, as for `LossRegressor`.
        ``class_names`` are by default the labels, sorted. ``class_weights`` multiply the weights of rows, but not in
        the start.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
        The labels, in the order of ``class_names``.
    loss_, init_score_
        As for `LossRegressor`.

    See Also
    --------
    LossRegressor : For numbers.

    Examples
    --------
    With CatBoost installed::

        model = LossClassifier(loss=fl.BinaryFocal(gamma=2.0), iterations=200)
        model.fit(X, labels, eval_set=(X_valid, labels_valid), early_stopping_rounds=10).predict_proba(X_test)
    """

    @property
    def classes_(self) -> Array:
        """The labels, which CatBoost keeps in its model."""
        return np.asarray(super().classes_)

    @classes_.setter
    def classes_(self, codes: Array) -> None:
        """Leave the labels to CatBoost."""

    @wraps(catboost.CatBoostClassifier.fit, assigned=())
    def fit(self, X: Any, y: Any = None, *args: Any, **options: Any) -> Any:
        """Fit the model.

        Parameters
        ----------
        X : array_like, data frame, catboost.Pool or path
            Features, or all data.
        y : array_like of shape (n,), optional
            Labels, integers, texts or booleans, unless `X` has them.
        *args, **options
            As for `LossRegressor.fit`.

        Returns
        -------
        LossClassifier
            Itself.

        Raises
        ------
        ValueError
            If the loss does not fit the number of classes, or a parameter of ours or a weight is not allowed.
        """
        super().fit(X, y, *args, **options)
        return self._finish()

    def _begin_training(self, params: dict[str, Any], pool: Any) -> Any:
        labels = np.asarray(pool.get_label())
        names, codes = np.unique(labels, return_inverse=True)
        order = params.setdefault("class_names", names)
        places = {name: k for k, name in enumerate(np.asarray(order).tolist())}
        if set(places) != set(names.tolist()):
            raise ValueError(f"class_names must be the labels of y, {names.tolist()}, got {list(places)}")
        codes = np.array([places[name] for name in names.tolist()])[codes]
        if len(names) == 2 and isinstance(self._loss_for(2).info.y_domain, ClassLabels):
            raise ValueError(f"loss must have one score for the 2 classes of y, got {self.loss!r}, which has several")
        return self._begin_classification(codes, pool.get_weight())[0]

    def predict(self, data: Any, prediction_type: str = "Class", **options: Any) -> Any:
        """Predict labels.

        Parameters
        ----------
        data, **options
            As for `LossRegressor.predict`.
        prediction_type : str
            ``"Class"``, ``"Probability"``, ``"LogProbability"`` or ``"RawFormulaVal"``.

        Returns
        -------
        ndarray of shape (n,) or (n, K)
            The label of the highest score; or what `prediction_type` asks for.
        """
        if prediction_type == "Probability":
            return self.predict_proba(data, **options)
        if prediction_type == "LogProbability":
            return self.predict_log_proba(data, **options)
        return self._flat(super().predict(data, prediction_type, **options), data, prediction_type)

    def staged_predict(self, data: Any, prediction_type: str = "Class", **options: Any) -> Iterator[Any]:
        """Predict labels with the first trees, one tree more each time; as `LossRegressor.staged_predict`."""
        if prediction_type == "Probability":
            yield from self.staged_predict_proba(data, **options)
        elif prediction_type == "LogProbability":
            yield from self.staged_predict_log_proba(data, **options)
        else:
            for found in super().staged_predict(data, prediction_type, **options):
                yield self._flat(found, data, prediction_type)

    @staticmethod
    def _flat(found: Any, data: Any, prediction_type: str) -> Any:
        """Labels, of which CatBoost makes a column."""
        labels = prediction_type == "Class"
        return np.reshape(found, () if np.ndim(data) == 1 else -1)[()] if labels else found

    @available_if(_can("_has_probabilities"))
    def predict_proba(self, X: Any, **options: Any) -> Any:
        """Predict probabilities of the classes; only with a loss that has them, not with `Hinge`.

        Parameters
        ----------
        X, **options
            As for `LossRegressor.predict`.

        Returns
        -------
        ndarray of shape (n, K)
            In the order of `classes_`.
        """
        return _of_rows(self._probabilities, self._raw_scores(X, **options), X)

    @available_if(_can("_has_probabilities"))
    def staged_predict_proba(self, data: Any, **options: Any) -> Iterator[Any]:
        """Predict probabilities with the first trees, one tree more each time; as `LossRegressor.staged_predict`."""
        for raw in catboost.CatBoost.staged_predict(self, data, "RawFormulaVal", **options):
            yield _of_rows(self._probabilities, raw, data)

    @available_if(_can("_has_probabilities"))
    def predict_log_proba(self, data: Any, **options: Any) -> Any:
        """Predict logarithms of the probabilities of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(data, **options))

    @available_if(_can("_has_probabilities"))
    def staged_predict_log_proba(self, data: Any, **options: Any) -> Iterator[Any]:
        """Predict logarithms of the probabilities of `staged_predict_proba`."""
        for probabilities in self.staged_predict_proba(data, **options):
            with np.errstate(divide="ignore"):
                yield np.log(probabilities)


for _class in (LossRegressor, LossClassifier, MultiTargetObjective, MultiTargetMetric):
    _class.__module__ = "fastloss.adapters.catboost"  # where it is public: unpickling checks for CatBoost there
