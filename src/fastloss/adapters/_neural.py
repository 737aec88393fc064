"""The estimators of `fastloss.nn`, with scikit-learn's interface.

Design. A fit is a network of `nn` (`_network`), passes over shuffled batches (`_pass`), and a record of them. It starts
at the constant that minimises the loss, as the bias of the last layer. What a loss predicts (natural scale,
probabilities, distributions) is what it predicts with a booster: the mixins are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .. import _validation as check
from .._base import Array, ArrayLike, Loss
from ..nn import SGD, Activation, Adam, Dense, Dropout, Layer, Network
from ..penalties import get as get_penalty
from ._estimators import BoostedLoss, LossClassifierMixin, LossRegressorMixin, _can

OPTIMIZERS = ("adam", "sgd")
DTYPES = (np.float64, np.float32)


class _NeuralNetwork(BoostedLoss, BaseEstimator):
    """What both estimators share: from data to a trained network, and from rows to raw scores."""

    network_: Network
    loss_curve_: list[float]
    validation_curve_: list[float]
    n_iter_: int
    n_features_in_: int

    def __init__(
        self,
        loss: Any = None,
        *,
        hidden: Any = (32,),
        activation: str = "relu",
        dropout: float = 0.0,
        penalty: Any = None,
        optimizer: str = "adam",
        learning_rate: float = 1e-3,
        momentum: float = 0.9,
        batch_size: int | None = 32,
        epochs: int = 200,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: bool = False,
        callback: Callable[[Any], Any] | None = None,
    ) -> None:
        self.loss = loss
        self.hidden = hidden
        self.activation = activation
        self.dropout = dropout
        self.penalty = penalty
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.batch_size = batch_size
        self.epochs = epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.callback = callback

    # ---- the start ----

    def _begin(self, loss: Loss, y: Array, sample_weight: ArrayLike | None, **known: Any) -> Any:
        """Set the loss and its constant; a network has no use for a hessian."""
        self.loss_ = loss.on_raw()
        self.init_score_ = self.loss_.init_score(y, sample_weight, **known)

    def _initialise(self, dtype: Any) -> None:
        """Make network and optimiser, and empty the record."""
        self._random = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        self.network_ = self._network(dtype)
        rate = check.real_number("learning_rate", self.learning_rate, gt=0)
        adam = check.one_of("optimizer", self.optimizer, OPTIMIZERS) == "adam"
        self._optimizer = Adam(rate) if adam else SGD(rate, self.momentum)
        self.loss_curve_, self.validation_curve_, self.n_iter_ = [], [], 0

    def _network(self, dtype: Any) -> Network:
        hidden = (self.hidden,) if np.ndim(self.hidden) == 0 else tuple(self.hidden)
        widths = [self.n_features_in_, *(check.positive_integer("hidden", width) for width in hidden)]
        check.real_number("dropout", self.dropout, ge=0, lt=1)
        layers: list[Layer] = []
        for before, after in pairwise(widths):
            layers += [Dense(before, after, random_state=self._random, dtype=dtype), Activation(self.activation)]
            layers += [Dropout(self.dropout, random_state=self._random)] if self.dropout else []
        last = Dense(widths[-1], self._n_scores, random_state=self._random, dtype=dtype)
        last.bias[:] = self.init_score_
        return Network([*layers, last])

    # ---- training ----

    def _train(self, X: Array, y: Array, sample_weight: Any, epochs: int, strata: Array | None = None) -> None:
        """Run epochs, and stop early if that is asked for; one epoch never stops early."""
        weights = None if sample_weight is None else sample_weight.astype(np.float64)
        held_out: Any = None
        if check.flag("early_stopping", self.early_stopping) and epochs > 1:
            share = check.real_number("validation_fraction", self.validation_fraction, gt=0, lt=1)
            seed = int(self._random.integers(2**31))
            rows = train_test_split(np.arange(len(y)), test_size=share, stratify=strata, random_state=seed)
            parts = [(X[r], y[r], None if weights is None else weights[r]) for r in rows]
            (X, y, weights), held_out = parts
        if weights is not None:
            weights = weights / np.mean(weights)
        patience = check.positive_integer("n_iter_no_change", self.n_iter_no_change)
        tol = check.real_number("tol", self.tol, ge=0)

        best, best_parameters, waited = np.inf, [], 0
        for _ in range(epochs):
            self.loss_curve_.append(self._pass(X, y, weights))
            self.n_iter_ += 1
            if not np.isfinite(self.loss_curve_[-1]):
                raise ValueError(
                    f"the training loss is {self.loss_curve_[-1]} in epoch {self.n_iter_}: scale the features, or "
                    f"decrease learning_rate={self.learning_rate}"
                )
            line = f"epoch {self.n_iter_}: training loss {self.loss_curve_[-1]:.6g}"
            if held_out is not None:
                X_out, y_out, w_out = held_out
                self.validation_curve_.append(float(self.loss_(y_out, self._scores(X_out), w_out)))
                line += f", validation loss {self.validation_curve_[-1]:.6g}"
                waited = 0 if self.validation_curve_[-1] < best - tol else waited + 1
                if self.validation_curve_[-1] < best:
                    best = self.validation_curve_[-1]
                    best_parameters = [p.copy() for p in self.network_.parameters]
            if self.verbose:
                print(line)
            if waited >= patience or (self.callback is not None and self.callback(self)):
                break
        for parameter, value in zip(self.network_.parameters, best_parameters, strict=False):
            parameter[...] = value

    def _pass(self, X: Array, y: Array, weights: Array | None) -> float:
        """Train on all rows once, in batches; the mean loss of the rows plus the penalty."""
        n = len(y)
        size = n if self.batch_size is None else check.positive_integer("batch_size", self.batch_size)
        order = self._random.permutation(n) if size < n else np.arange(n)
        penalty = None if self.penalty is None else get_penalty(self.penalty)
        total = 0.0
        for start in range(0, n, size):
            rows = order[start : start + size]
            raw = self.network_.forward(X[rows], training=True)
            value, gradient = self.loss_.value_and_gradient(
                y[rows], self._shaped(raw), None if weights is None else weights[rows], reduction="sum"
            )
            total += value
            self.network_.backward(gradient.reshape(raw.shape) / len(rows))
            if penalty is not None:
                for parameter, slope in zip(self.network_.parameters, self.network_.gradients, strict=True):
                    if parameter.ndim == 2:
                        slope += penalty.gradient(parameter)
            self._optimizer.step(self.network_.parameters, self.network_.gradients)
        weighted = [p for p in self.network_.parameters if p.ndim == 2]
        return total / n + (0.0 if penalty is None else sum(penalty.value(p) for p in weighted))

    # ---- predictions ----

    def _shaped(self, raw: Array) -> Array:
        return raw if np.ndim(self.init_score_) else raw[:, 0]

    def _scores(self, X: Array) -> Array:
        return self._shaped(self.network_.forward(X))

    def _raw_scores(self, X: Any, **options: Any) -> Array:
        check_is_fitted(self, "network_")
        return self._scores(validate_data(self, X, dtype=self.network_.parameters[0].dtype, reset=False))

    def _continues(self) -> bool:
        return check.flag("warm_start", self.warm_start) and hasattr(self, "network_")


class NeuralRegressor(LossRegressorMixin, RegressorMixin, _NeuralNetwork):
    r"""A multilayer perceptron for regression with any loss of one target.

    For teaching and experiments: it shows what a loss does in a network that is small enough to read
    (`fastloss.nn`). Of a loss of distributions it predicts the location, and `predict_distribution` the whole; of
    `MultiQuantile` a column for each quantile.

    Parameters
    ----------
    loss : Loss, str, dict or None
        A loss of one number for each row; by default `HalfSquaredError`. It is trained on its raw scale.
    hidden : int or sequence of int
        Units of every hidden layer; ``()`` for a linear model.
    activation : {"relu", "tanh", "logistic", "softplus", "identity"}
        After every hidden layer.
    dropout : float
        Share of the hidden units to drop in training, in [0, 1).
    penalty : Penalty, str, dict or None
        Of the weights of every layer, added to the mean loss; biases are free. For example ``fl.L2(alpha=1e-3)``.
    optimizer : {"adam", "sgd"}
        How steps follow from gradients.
    learning_rate : float
        Length of a step, > 0.
    momentum : float
        For ``"sgd"``, in [0, 1).
    batch_size : int or None
        Rows for each step; None for all rows.
    epochs : int
        Passes over the rows, at most.
    early_stopping : bool
        Whether to hold out rows, to stop when their loss no longer falls, and to keep the best parameters.
    validation_fraction : float
        Share of the rows to hold out, in (0, 1).
    n_iter_no_change, tol : int, float
        Stop after so many epochs in which the loss of the held-out rows fell by no more than `tol`.
    random_state : int, RandomState or None
        Seed of weights, batches, masks and held-out rows.
    warm_start : bool
        Whether `fit` goes on where the last one stopped, if there was one.
    verbose : bool
        Whether to print a line for each epoch.
    callback : callable, optional
        Called with the estimator after each epoch; a true result stops.

    Attributes
    ----------
    network_ : fastloss.nn.Network
        The trained network, of raw scores.
    loss_ : Loss
        The loss on the raw scale.
    init_score_ : float or ndarray
        The constant that training starts from.
    loss_curve_ : list of float
        Mean loss of the training rows plus penalty in each epoch, with dropout, while the parameters change.
    validation_curve_ : list of float
        Mean loss of the held-out rows after each epoch; empty without `early_stopping`.
    n_iter_ : int
        Epochs since the parameters were drawn.
    n_features_in_, feature_names_in_ : int, ndarray
        Of the rows in `fit`.

    Notes
    -----
    Features should be of about unit scale (``StandardScaler``). float32 rows are computed in float32. Sample weights
    are divided by their mean and multiply losses and gradients; on full batches (``batch_size=None``) an integer
    weight equals repeated rows.

    References
    ----------
    I. Goodfellow, Y. Bengio and A. Courville, Deep Learning, 2016, chapters 6 to 8.

    Examples
    --------
    With scikit-learn::

        model = make_pipeline(StandardScaler(), NeuralRegressor(fl.Huber(), penalty=fl.L2(1e-3), random_state=0))
        model.fit(X, y).predict(X)
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NeuralRegressor:
        """Train the network.

        Parameters
        ----------
        X : array_like of shape (n, n_features)
            Rows.
        y : array_like of shape (n,)
            Targets in the domain of the loss.
        sample_weight : array_like of shape (n,), optional
            Weights >= 0.

        Returns
        -------
        NeuralRegressor
            This object.

        Raises
        ------
        ValueError
            If a parameter is outside its range, a target outside the domain of the loss, or the loss diverges.
        """
        return self._fitted(X, y, sample_weight, check.positive_integer("epochs", self.epochs), self._continues())

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> NeuralRegressor:
        """Train for one more epoch on these rows.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        NeuralRegressor
            This object.
        """
        return self._fitted(X, y, sample_weight, 1, hasattr(self, "network_"))

    def _fitted(self, X: Any, y: Any, sample_weight: Any, epochs: int, goes_on: bool) -> NeuralRegressor:
        X, y = validate_data(self, X, y, dtype=DTYPES, reset=not goes_on, y_numeric=True)
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        y = y.astype(np.float64)
        if not goes_on:
            self._begin(self._regression_loss(), y, weights)
            self._initialise(X.dtype)
        self._train(X.astype(self.network_.parameters[0].dtype, copy=False), y, weights, epochs)
        return self

    def predict(self, X: Any) -> Array:
        """Predict on the natural scale.

        Parameters
        ----------
        X : array_like of shape (n, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n,), or (n, K) for K quantiles
        """
        return self._predict_natural(self._raw_scores(X))


class NeuralClassifier(LossClassifierMixin, ClassifierMixin, _NeuralNetwork):
    """A multilayer perceptron for classification with any loss of classes, labels of any kind.

    For teaching and experiments: it shows what a loss does in a network that is small enough to read (`fastloss.nn`).

    Parameters
    ----------
    loss : Loss, str, dict or None
        A loss of classes; by default the cross-entropy. A loss of two classes gives one score, the logit of the
        second class; a loss of K classes gives K.
    hidden, activation, dropout, penalty, optimizer, learning_rate, momentum, batch_size, epochs
        As for `NeuralRegressor`.
    early_stopping, validation_fraction, n_iter_no_change, tol
        As for `NeuralRegressor`; the held-out rows have the same shares of the classes.
    random_state, warm_start, verbose, callback
        As for `NeuralRegressor`.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
        The labels.
    network_, loss_, init_score_, loss_curve_, validation_curve_, n_iter_, n_features_in_, feature_names_in_
        As for `NeuralRegressor`.

    Examples
    --------
    With scikit-learn::

        model = make_pipeline(StandardScaler(), NeuralClassifier(fl.CategoricalFocal(), dropout=0.2))
        probability = model.fit(X, y).predict_proba(X)
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NeuralClassifier:
        """Train the network.

        Parameters
        ----------
        X : array_like of shape (n, n_features)
            Rows.
        y : array_like of shape (n,)
            Labels of any kind.
        sample_weight : array_like of shape (n,), optional
            Weights >= 0.

        Returns
        -------
        NeuralClassifier
            This object.

        Raises
        ------
        ValueError
            If a parameter is outside its range, the loss does not fit the number of classes, or it diverges.
        """
        epochs = check.positive_integer("epochs", self.epochs)
        return self._fitted(X, y, None, sample_weight, epochs, self._continues())

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> NeuralClassifier:
        """Train for one more epoch on these rows.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        classes : array_like of shape (n_classes,), optional
            All labels; needed in the first call if `y` lacks some. The constant that training starts from then counts
            each class once more than it occurs.

        Returns
        -------
        NeuralClassifier
            This object.
        """
        return self._fitted(X, y, classes, sample_weight, 1, hasattr(self, "network_"))

    def _fitted(self, X: Any, y: Any, classes: Any, sample_weight: Any, epochs: int, goes_on: bool) -> NeuralClassifier:
        X, y = validate_data(self, X, y, dtype=DTYPES, reset=not goes_on)
        check_classification_targets(y)
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        if goes_on:
            codes = self._encoded(y)
        elif classes is None:
            _, codes = self._begin_classification(y, weights)
        else:
            ones = np.ones(len(classes))
            known = np.concatenate([np.ones(len(y)) if weights is None else weights, ones])
            _, codes = self._begin_classification(np.concatenate([y, np.asarray(classes)]), known)
            codes = codes[: len(y)]
        if not goes_on:
            self._initialise(X.dtype)
        self._train(X.astype(self.network_.parameters[0].dtype, copy=False), codes, weights, epochs, strata=codes)
        return self

    def decision_function(self, X: Any) -> Array:
        """Compute raw scores.

        Parameters
        ----------
        X : array_like of shape (n, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n,) for two classes and a binary loss, else (n, n_classes)
        """
        return self._raw_scores(X)

    def predict(self, X: Any) -> Array:
        """Predict the label of the highest score.

        Parameters
        ----------
        X : array_like of shape (n, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n,)
        """
        return self._decided(self._raw_scores(X))

    @available_if(_can("_has_probabilities"))
    def predict_proba(self, X: Any) -> Array:
        """Predict probabilities; only with a loss that has them.

        Parameters
        ----------
        X : array_like of shape (n, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n, n_classes)
            In the order of `classes_`.
        """
        return self._probabilities(self._raw_scores(X))
