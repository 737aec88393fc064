"""Linear models of scikit-learn's interface for any loss and any penalty; `fastloss.adapters.sklearn` exports them.

Design. A model is a `LinearObjective` and a minimiser of `_linear_solvers`; here are only the choice of the minimiser,
the start, and scikit-learn's conventions. What a loss predicts (natural scale, probabilities, distributions) is what it
predicts with a booster: the mixins are the same.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import compute_sample_weight, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import _validation as check
from .._base import Array, ArrayLike, Loss
from .._domains import REAL, ClassLabels
from .._linear import LinearObjective
from .._linear_solvers import SOLVERS, minimize
from ..losses.regression import MeanAbsoluteError
from ._estimators import BoostedLoss, LossClassifierMixin, LossRegressorMixin, _can
from ._objective import Objective, make_objective

FORMATS: dict[str, Any] = {"accept_sparse": ("csr", "csc"), "dtype": (np.float64, np.float32)}


class _LinearModel(BoostedLoss, BaseEstimator):
    """What both estimators share: from data to coefficients, and from rows to raw scores."""

    penalty: Any
    solver: str
    fit_intercept: bool
    max_iter: int
    tol: float
    warm_start: bool
    verbose: int

    coef_: Array
    intercept_: Any
    n_iter_: int

    def _begin(self, loss: Loss, y: Array, sample_weight: ArrayLike | None, **known: Any) -> Objective:
        if sample_weight is not None and not np.asarray(sample_weight).any():
            raise ValueError("sample_weight must not be zero for all rows")
        objective = make_objective(loss, self.hessian, None)
        self.loss_ = objective.loss
        return objective

    def _minimize(self, X: Any, y: Array, sample_weight: ArrayLike | None, n_outputs: int | None = None) -> None:
        """Set coefficients, intercept and the number of iterations."""
        max_iter, tol = check.positive_integer("max_iter", self.max_iter), check.real_number("tol", self.tol, gt=0)
        fit_intercept = check.flag("fit_intercept", self.fit_intercept)

        def objective(loss: Loss, hessian: str | None) -> LinearObjective:
            return LinearObjective(
                loss,
                X,
                y,
                sample_weight=sample_weight,
                penalty=self.penalty,
                fit_intercept=fit_intercept,
                n_outputs=n_outputs,
                hessian=hessian,
                center=fit_intercept,
            )

        info = self.loss_.info
        local = not info.convex and self.loss_.n_predictions == 1 and info.y_domain == REAL
        goal = objective(self.loss_, self.hessian or (None if local else "exact"))
        solver = self._solver(goal)
        theta, shape = goal.initial(), goal.shape
        if check.flag("warm_start", self.warm_start) and np.size(getattr(self, "coef_", ())) == np.prod(shape):
            theta = goal.join(self.coef_.reshape(shape), np.reshape(self.intercept_, shape[:-1]))
        elif local:
            theta = minimize(objective(MeanAbsoluteError(), None), theta, "bfgs", max_iter, 1e-4).theta
        report = (lambda k, value: print(f"{solver}: iteration {k}, objective {value:.9g}")) if self.verbose else None
        with np.errstate(all="ignore"):  # a step that overflows is too long
            solution = minimize(goal, theta, solver, max_iter, tol, report)
        if not solution.converged:
            warnings.warn(
                f"{solver} stopped after {solution.n_iter} iterations (max_iter={max_iter}) before it reached "
                f"tol={tol}: scale the features, or increase max_iter or tol",
                ConvergenceWarning,
                stacklevel=3,
            )
        self.coef_, self.intercept_ = goal.split(solution.theta)
        self.n_iter_ = max(solution.n_iter, 1)

    def _solver(self, objective: LinearObjective) -> str:
        """The minimiser to use; raise where the one that was asked for does not fit."""
        solver = check.one_of("solver", self.solver, ("auto", *SOLVERS))
        kinked = objective.loss.info.differentiability == "C0"
        if solver == "auto":
            return "bfgs" if kinked else "newton-cg" if objective.smooth else "proximal"
        rough, able = (objective.loss, ("bfgs",)) if kinked else (objective.penalty, ("proximal", "bfgs"))
        if (kinked or not objective.smooth) and solver not in able:
            names = " or ".join(map(repr, ("auto", *able)))
            raise ValueError(f"solver must be {names} for {rough!r}, which is not smooth, got {solver!r}")
        return str(solver)

    def _raw_scores(self, X: Any, **options: Any) -> Array:
        check_is_fitted(self)
        X = validate_data(self, X, **FORMATS, reset=False)
        return np.asarray(X @ self.coef_.T + self.intercept_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class LinearLossRegressor(RegressorMixin, LossRegressorMixin, _LinearModel):
    """Linear regression with any loss and any penalty.

    Minimises ``loss(y, link.inverse(X @ coef_ + intercept_)) + penalty(coef_)``, the loss being the mean, weighted by
    the sample weights. Use it for losses or combinations that scikit-learn's linear models do not have: Tukey's
    biweight, quantiles with a ridge penalty, group lasso, negative log-likelihoods of two parameters.

    Parameters
    ----------
    loss : Loss, str or dict, optional
        A loss of one target, its name, or its configuration; by default `HalfSquaredError`. Its raw scale is linear in
        the features: log-rates of `Poisson`, mean and log-variance of `GaussianNLL`, the quantiles of `MultiQuantile`.
    penalty : Penalty, str or dict, optional
        `fastloss.L1`, `L2`, `ElasticNet`, `GroupLasso`; None for none. Not applied to the intercept. The table below
        translates the strengths of scikit-learn.
    solver : {"auto", "newton-cg", "lbfgs", "proximal", "bfgs"}, default "auto"
        - "newton-cg": smooth loss and penalty. Few iterations, insensitive to the scales of features.
        - "lbfgs": the same by SciPy's L-BFGS-B: cheaper iterations, more of them.
        - "proximal": smooth loss, any penalty. FISTA with backtracking and restarts; coefficients are exactly 0.
        - "bfgs": any loss and penalty; for losses with kinks (absolute error, quantiles, hinge) the only one. The
          quasi-Newton method of Lewis and Overton. It keeps a matrix of the squared number of parameters up to 1000
          parameters, where it finds the minimum to high accuracy. Beyond, it keeps 50 steps; then the objective
          is right to about four digits.
        - "auto": "bfgs" for a loss with kinks, else "newton-cg" for a smooth penalty, else "proximal".
    fit_intercept : bool, default True
        Whether to fit an intercept.
    max_iter : int, default 10000
        Most iterations.
    tol : float, default 1e-6
        Stop when the largest entry of the gradient is below `tol` times that of the best constant model ("bfgs": when
        the expected decrease of the objective is below ``tol**2`` times its value for the best constant model).
    warm_start : bool, default False
        Whether `fit` starts from the last solution, if the shapes fit.
    hessian : str, optional
        The curvature that "newton-cg" uses, one of the `hessian_policies` of the loss; by default "exact", for a
        regression loss that is not convex its `default_hessian`.
    verbose : int, default 0
        Whether to print the objective of each iteration.

    Attributes
    ----------
    coef_ : ndarray of shape (D,) or (K, D)
        Coefficients; K rows for a loss of K predictions.
    intercept_ : float or ndarray of shape (K,)
        Intercept on the raw scale.
    n_iter_ : int
        Iterations.
    loss_ : Loss
        The loss on the raw scale.
    n_features_in_ : int
        Number of features D.
    feature_names_in_ : ndarray of shape (D,)
        Their names, if X has names.

    Notes
    -----
    The same model in scikit-learn, n rows, W the sum of the weights (n without):

    ============================================  ==========================  =====================================
    scikit-learn                                  loss                        penalty
    ============================================  ==========================  =====================================
    ``Ridge(alpha)``                              `HalfSquaredError`          ``L2(alpha / W)``
    ``Lasso(alpha)``                              `HalfSquaredError`          ``L1(alpha)``
    ``ElasticNet(alpha, l1_ratio)``               `HalfSquaredError`          ``ElasticNet(alpha, l1_ratio)``
    ``QuantileRegressor(quantile, alpha)``        ``Quantile(quantile)``      ``L1(alpha)``
    ``PoissonRegressor(alpha)``, ``Gamma...``     `Poisson`, `Gamma`          ``L2(alpha)``
    ``TweedieRegressor(power, alpha)``            ``Tweedie(power)``          ``L2(alpha)``
    ``HuberRegressor(epsilon, alpha)``, scale s   ``Huber(epsilon * s)``      ``L2(alpha * s / W)``
    ``LogisticRegression(C)``                     cross-entropy               ``L2(1 / (C * W))``
    ============================================  ==========================  =====================================

    A regression loss that is not convex (`TukeyBiweight`, `Cauchy`, `Welsch` ...) has several minima. It starts from
    the fit of the absolute error, which outliers in `y` hardly move, and follows the majorizing curvature (iteratively
    reweighted least squares) down the valley where it starts. Such losses have a scale parameter in the units of `y`:
    set it to a multiple of a robust scale of the residuals.

    Float32 and sparse X (CSR, CSC) are used as they are; with float32 the optimum has the accuracy of float32.

    References
    ----------
    - A. S. Lewis and M. L. Overton, Nonsmooth optimization via quasi-Newton methods, Mathematical Programming 141,
      2013.
    - A. Beck and M. Teboulle, A fast iterative shrinkage-thresholding algorithm for linear inverse problems, SIAM
      Journal on Imaging Sciences 2, 2009.
    - J. Nocedal and S. J. Wright, Numerical optimization, 2nd edition, 2006, algorithm 7.1.

    Examples
    --------
    With scikit-learn::

        model = LinearLossRegressor(fl.TukeyBiweight(c=4.685 * scale), penalty=fl.L2(1e-3)).fit(X, y)
        model = LinearLossRegressor("quantile", penalty=fl.L1(0.1))
        model = LinearLossRegressor("gaussian_nll").fit(X, y)
        low, high = model.predict_distribution(X).interval(0.9)
    """

    def __init__(
        self,
        loss: Any = None,
        *,
        penalty: Any = None,
        solver: str = "auto",
        fit_intercept: bool = True,
        max_iter: int = 10_000,
        tol: float = 1e-6,
        warm_start: bool = False,
        hessian: str | None = None,
        verbose: int = 0,
    ) -> None:
        self.loss = loss
        self.penalty = penalty
        self.solver = solver
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.hessian = hessian
        self.verbose = verbose

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> LinearLossRegressor:
        """Fit the coefficients.

        Parameters
        ----------
        X : array_like or sparse of shape (n, D)
            Features.
        y : array_like of shape (n,)
            Targets, in the domain of the loss.
        sample_weight : array_like of shape (n,), optional
            Weights >= 0; a weight of k counts as k rows.

        Returns
        -------
        LinearLossRegressor
            This object.

        Raises
        ------
        TypeError, ValueError
            If an argument or parameter is not as described.
        """
        X, y = validate_data(self, X, y, **FORMATS, y_numeric=True)
        self._begin(self._regression_loss(), y, sample_weight)
        self._minimize(X, y, sample_weight)
        return self

    def predict(self, X: Any) -> Array:
        """Predict on the natural scale: the link is undone.

        Parameters
        ----------
        X : array_like or sparse of shape (n, D)
            Features.

        Returns
        -------
        ndarray of shape (n,) or (n, K)
            K columns for a loss of several quantiles; of a distribution its mean or location.
        """
        return self._predict_natural(self._raw_scores(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = not self._loss().info.y_domain.contains(np.array(-1.0))
        return tags


class LinearLossClassifier(ClassifierMixin, LossClassifierMixin, _LinearModel):
    """Linear classification with any loss and any penalty.

    Minimises ``loss(y, X @ coef_ + intercept_) + penalty(coef_)``, the loss being the mean, weighted by the sample and
    class weights. Use it for losses that scikit-learn's linear models do not have, such as focal losses or generalized
    cross-entropy, or with a group lasso.

    Parameters
    ----------
    loss : Loss, str or dict, optional
        A loss of classes, its name, or its configuration; by default the cross-entropy. A loss of two classes gives
        one score, the logit of the second class; a loss of K classes gives K.
    penalty, solver, fit_intercept, max_iter, tol, warm_start, hessian, verbose
        As for `LinearLossRegressor`. ``LogisticRegression(C)`` has the penalty ``L2(1 / (C * W))``, W the sum of the
        weights; ``LinearSVC(C, loss="hinge")`` the same beside its penalty of the intercept. `GroupLasso` has a label
        for each of the K D coefficients, row by row: ``np.tile(np.arange(D), K)`` selects features for all classes.
    class_weight : dict or "balanced", optional
        Weights of the classes, multiplied with the sample weights.

    Attributes
    ----------
    coef_ : ndarray of shape (1, D) or (K, D)
        Coefficients.
    intercept_ : ndarray of shape (1,) or (K,)
        Intercepts.
    classes_ : ndarray of shape (K,)
        The labels.
    n_iter_, loss_, n_features_in_, feature_names_in_
        As for `LinearLossRegressor`.

    Examples
    --------
    With scikit-learn::

        model = LinearLossClassifier(fl.BinaryFocal(gamma=2.0), penalty=fl.L2(1e-3)).fit(X, y)
        probability = model.predict_proba(X)[:, 1]
    """

    def __init__(
        self,
        loss: Any = None,
        *,
        penalty: Any = None,
        solver: str = "auto",
        fit_intercept: bool = True,
        max_iter: int = 10_000,
        tol: float = 1e-6,
        class_weight: Any = None,
        warm_start: bool = False,
        hessian: str | None = None,
        verbose: int = 0,
    ) -> None:
        self.loss = loss
        self.penalty = penalty
        self.solver = solver
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.hessian = hessian
        self.verbose = verbose

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> LinearLossClassifier:
        """Fit the coefficients.

        Parameters
        ----------
        X : array_like or sparse of shape (n, D)
            Features.
        y : array_like of shape (n,)
            Labels of any kind, of at least two classes.
        sample_weight : array_like of shape (n,), optional
            Weights >= 0; a weight of k counts as k rows.

        Returns
        -------
        LinearLossClassifier
            This object.

        Raises
        ------
        TypeError, ValueError
            If an argument or parameter is not as described.
        """
        X, y = validate_data(self, X, y, **FORMATS)
        check_classification_targets(y)
        k = len(np.unique(y))
        if k < 2:
            raise ValueError(f"y must hold at least two classes, got one class, {y[0]!r}")
        if k > 2 and not get_tags(self).classifier_tags.multi_class:
            raise ValueError(f"Only binary classification is supported with {self._loss_for(k)!r}, got {k} classes")
        if self.class_weight is not None:
            of_class = compute_sample_weight(self.class_weight, y)
            sample_weight = of_class if sample_weight is None else np.multiply(sample_weight, of_class)
        objective, codes = self._begin_classification(y, sample_weight)
        self._minimize(X, codes, sample_weight, None if objective.loss.n_predictions == 1 else len(self.classes_))
        self.coef_, self.intercept_ = np.atleast_2d(self.coef_), np.atleast_1d(self.intercept_)
        return self

    def decision_function(self, X: Any) -> Array:
        """Return the raw scores.

        Parameters
        ----------
        X : array_like or sparse of shape (n, D)
            Features.

        Returns
        -------
        ndarray of shape (n,) or (n, K)
            For two classes the score of the second one (less that of the first, if it has one); for K classes the
            scores of each.
        """
        raw = self._raw_scores(X)
        return raw if raw.ndim == 1 or raw.shape[1] > 2 else raw[:, 1] - raw[:, 0]

    def predict(self, X: Any) -> Array:
        """Predict the labels of the highest scores.

        Parameters
        ----------
        X : array_like or sparse of shape (n, D)
            Features.

        Returns
        -------
        ndarray of shape (n,)
        """
        return self._decided(self._raw_scores(X))

    @available_if(_can("_has_probabilities"))
    def predict_proba(self, X: Any) -> Array:
        """Predict the probabilities of the classes; only with a loss that has them (no hinge).

        Parameters
        ----------
        X : array_like or sparse of shape (n, D)
            Features.

        Returns
        -------
        ndarray of shape (n, K)
        """
        return self._probabilities(self._raw_scores(X))

    def _raw_scores(self, X: Any, **options: Any) -> Array:
        raw = super()._raw_scores(X)
        return raw[:, 0] if raw.shape[1] == 1 else raw

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = isinstance(self._loss_for(3).info.y_domain, ClassLabels)
        return tags
