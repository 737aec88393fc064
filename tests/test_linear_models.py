"""Linear models: scikit-learn's results for what both have, optimality for what it has not, and its conventions."""

import copy
import pickle

import numpy as np
import pytest

import fastloss as fl
from fastloss.penalties import L1, L2, ElasticNet, GroupLasso

pytest.importorskip("sklearn", minversion="1.6")
from scipy import sparse
from scipy.optimize import linprog
from sklearn import linear_model as theirs
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale
from sklearn.utils.estimator_checks import estimator_checks_generator

from fastloss._linear import LinearObjective
from fastloss._linear_solvers import minimize
from fastloss.adapters._linear_models import LinearLossClassifier, LinearLossRegressor

SOLVERS = ["newton-cg", "lbfgs", "bfgs"]
R, C = LinearLossRegressor, LinearLossClassifier


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return scale(X), y / 100


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return scale(X)[:, :12], np.array(["benign", "malign"])[1 - y]


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return scale(X), y


@pytest.fixture(scope="module")
def weights():
    return np.random.default_rng(0).integers(0, 3, 442)


def same(model, other, rtol=1e-4, atol=1e-5):
    np.testing.assert_allclose(np.squeeze(model.coef_), np.squeeze(other.coef_), rtol=rtol, atol=atol)
    np.testing.assert_allclose(np.squeeze(model.intercept_), np.squeeze(other.intercept_), rtol=rtol, atol=atol)


# ---- the conventions of scikit-learn --------------------------------------------------------------------------------

ESTIMATORS = [
    R(),
    R(solver="lbfgs"),
    R("huber", penalty=L2(0.1)),
    R("quantile", penalty=L1(0.1)),
    R("poisson", penalty=ElasticNet(0.1), tol=1e-9),
    R("tukey_biweight"),
    C(),
    C(penalty=L2(0.01)),
    C("hinge", penalty=L2(0.1), tol=1e-7),
    C("sparse_categorical_cross_entropy", penalty=L1(0.1), tol=1e-9),
    C("squared_hinge", penalty=L2(0.1)),
]
CHECKS = [
    pytest.param(estimator, check, id=f"{estimator!r}-{check.func.__name__}")
    for made in ESTIMATORS
    for estimator, check in estimator_checks_generator(made)
    if check.func.__name__ != "check_array_api_input"
]


@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_conventions(estimator, check):
    check(estimator)


# ---- the same model in scikit-learn ---------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("intercept", [True, False])
def test_linear_regression_and_ridge(diabetes, weights, solver, intercept):
    X, y = diabetes
    model = R(solver=solver, fit_intercept=intercept)
    same(model.fit(X, y, weights), theirs.LinearRegression(fit_intercept=intercept).fit(X, y, weights), 2e-3, 1e-4)
    model.set_params(penalty=L2(50.0 / weights.sum()))
    same(model.fit(X, y, weights), theirs.Ridge(50.0, fit_intercept=intercept).fit(X, y, weights))


@pytest.mark.parametrize("solver", SOLVERS)
def test_logistic_regression(cancer, solver):
    X, y = cancer
    expected = theirs.LogisticRegression(C=0.5, tol=1e-8, max_iter=10_000).fit(X, y)
    model = C(penalty=L2(1 / (0.5 * len(y))), solver=solver).fit(X, y)
    same(model, expected, rtol=1e-3)
    np.testing.assert_array_equal(model.predict(X), expected.predict(X))
    np.testing.assert_allclose(model.predict_proba(X), expected.predict_proba(X), atol=1e-5)
    np.testing.assert_allclose(model.decision_function(X), expected.decision_function(X), atol=1e-3)
    assert model.coef_.shape == (1, X.shape[1])
    assert list(model.classes_) == ["benign", "malign"]


@pytest.mark.parametrize("solver", SOLVERS)
def test_multinomial_regression(iris, solver):
    X, y = iris
    expected = theirs.LogisticRegression(C=2.0, tol=1e-8, max_iter=10_000).fit(X, y)
    model = C(penalty=L2(1 / (2 * len(y))), solver=solver).fit(X, y)
    same(model, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(model.predict_proba(X), expected.predict_proba(X), atol=1e-5)
    assert model.decision_function(X).shape == (150, 3)


def test_class_weights(iris):
    X, y = iris
    given = {0: 1.0, 1: 3.0, 2: 0.5}
    w = np.arange(150) % 2 + 0.5
    expected = theirs.LogisticRegression(tol=1e-8, max_iter=10_000, class_weight=given).fit(X, y, w)
    total = w @ np.array([1.0, 3.0, 0.5])[y]
    same(C(penalty=L2(1 / total), class_weight=given).fit(X, y, w), expected, rtol=1e-3, atol=1e-4)
    balanced = C(penalty=L2(0.1), class_weight="balanced").fit(X[20:], y[20:])
    same(C(penalty=L2(0.1), class_weight={0: 130 / 90, 1: 130 / 150, 2: 130 / 150}).fit(X[20:], y[20:]), balanced)


def test_two_classes_with_a_loss_of_several(cancer):
    X, y = cancer
    two = C("sparse_categorical_cross_entropy", penalty=L2(0.02)).fit(X, y)
    one = C(penalty=L2(0.01)).fit(X, y)  # half the difference of coefficients, each penalised
    assert two.coef_.shape == (2, X.shape[1])
    np.testing.assert_allclose(two.decision_function(X), one.decision_function(X), atol=1e-4)
    np.testing.assert_allclose(two.predict_proba(X), one.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize(
    ("loss", "model"),
    [
        (fl.Poisson(), theirs.PoissonRegressor),
        (fl.Gamma(), theirs.GammaRegressor),
        (fl.Tweedie(power=1.7), lambda **given: theirs.TweedieRegressor(power=1.7, **given)),
    ],
    ids=repr,
)
@pytest.mark.parametrize("solver", SOLVERS)
def test_rates(diabetes, weights, loss, model, solver):
    X, y = diabetes
    expected = model(alpha=0.1, tol=1e-8, max_iter=10_000).fit(X, y, weights)
    made = R(loss, penalty=L2(0.1), solver=solver).fit(X, y, weights)
    same(made, expected)
    np.testing.assert_allclose(made.predict(X), expected.predict(X), rtol=1e-4)


@pytest.mark.parametrize("solver", ["proximal", "bfgs"])
@pytest.mark.parametrize("intercept", [True, False])
def test_lasso_and_elastic_net(diabetes, weights, solver, intercept):
    X, y = diabetes
    given = {"fit_intercept": intercept, "tol": 1e-10, "max_iter": 100_000}
    expected = theirs.Lasso(0.1, **given).fit(X, y, weights)
    model = R(penalty=L1(0.1), solver=solver, fit_intercept=intercept, tol=1e-8).fit(X, y, weights)
    same(model, expected)
    np.testing.assert_array_equal(model.coef_ == 0, expected.coef_ == 0)
    assert 0 < np.count_nonzero(model.coef_) < X.shape[1]
    same(R(penalty=ElasticNet(0.2, l1_ratio=0.7), solver=solver, fit_intercept=intercept).fit(X, y, weights),
         theirs.ElasticNet(0.2, l1_ratio=0.7, **given).fit(X, y, weights))  # fmt: skip


def test_sparse_logistic_regression(cancer):
    X, y = cancer
    expected = theirs.LogisticRegression(
        C=1 / (0.02 * len(y)), l1_ratio=1.0, solver="saga", tol=1e-8, max_iter=100_000
    ).fit(X, y)
    model = C(penalty=L1(0.02), tol=1e-8).fit(X, y)
    same(model, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(model.coef_ == 0, expected.coef_ == 0)


def test_huber(diabetes):
    """For the scale that scikit-learn estimates along with the coefficients."""
    X, y = diabetes
    expected = theirs.HuberRegressor(epsilon=1.35, alpha=5.0, tol=1e-8, max_iter=10_000).fit(X, y)
    s = expected.scale_
    same(R(fl.Huber(delta=1.35 * s), penalty=L2(5.0 * s / len(y))).fit(X, y), expected)


@pytest.mark.parametrize("quantile", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("alpha", [0.0, 0.02])
def test_quantile_regression(diabetes, weights, quantile, alpha):
    """The minimum of a linear program, to high accuracy."""
    X, y = diabetes
    w = weights + 0.5
    expected = theirs.QuantileRegressor(quantile=quantile, alpha=alpha).fit(X, y, w)
    model = R(fl.Quantile(quantile=quantile), penalty=L1(alpha)).fit(X, y, w)
    same(model, expected, atol=1e-8)
    np.testing.assert_array_equal(model.coef_ == 0, expected.coef_ == 0)


def test_absolute_error_is_the_linear_program(diabetes):
    X, y = diabetes
    n, d = X.shape
    cost = np.r_[np.zeros(2 * (d + 1)), np.ones(2 * n) / n]
    design = np.c_[X, np.ones(n)]
    least = linprog(cost, A_eq=np.c_[design, -design, np.eye(n), -np.eye(n)], b_eq=y).fun
    model = R("mean_absolute_error").fit(X, y)
    assert fl.MeanAbsoluteError()(y, model.predict(X)) == pytest.approx(least, rel=1e-11)


def test_hinge_is_the_support_vector_machine(cancer):
    from sklearn.svm import SVC

    X, y = cancer
    expected = SVC(kernel="linear", C=0.1, tol=1e-9).fit(X, y)
    same(C("hinge", penalty=L2(1 / (0.1 * len(y)))).fit(X, y), expected, rtol=1e-4, atol=1e-4)


def test_many_parameters_with_kinks(cancer, diabetes, monkeypatch):
    """Beyond a limit the method keeps few steps, and the objective is right to about four digits."""
    for model, (X, y) in ((C("hinge", penalty=L2(0.01)), cancer), (R("quantile", penalty=L2(0.01)), diabetes)):
        best = model.fit(X, y).coef_, model.intercept_
        y = y if isinstance(model, R) else y == "malign"
        objective = LinearObjective(model.loss_, X, y, penalty=model.penalty, fit_intercept=True)
        least = objective.fun(objective.join(*best))
        with monkeypatch.context() as patch:
            patch.setattr("fastloss._linear_solvers.DENSE", 5)
            theta = minimize(objective, objective.initial(), "bfgs", 2000, 1e-6).theta
        assert objective.fun(theta) == pytest.approx(least, rel=1e-4)


# ---- what scikit-learn has not --------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["proximal", "bfgs"])
def test_group_lasso_meets_its_optimality_conditions(diabetes, solver):
    """Karush, Kuhn and Tucker: the gradient of the loss is -alpha c w / |w|, or not longer than alpha c where w = 0."""
    X, y = diabetes
    groups = np.array([0, 0, 1, 1, 2, 2, 2, 3, 3, 3])
    model = R(penalty=GroupLasso(groups, 0.15), solver=solver, tol=1e-9).fit(X, y)
    gradient = X.T @ (model.predict(X) - y) / len(y)
    zeros = 0
    for g in range(4):
        w, slope, strength = model.coef_[groups == g], -gradient[groups == g], 0.15 * np.sqrt(np.sum(groups == g))
        if w.any():
            np.testing.assert_allclose(slope, strength * w / np.linalg.norm(w), rtol=1e-4)
        else:
            zeros += 1
            assert np.linalg.norm(slope) < strength
    assert 0 < zeros < 4


def test_group_lasso_selects_features_for_all_classes(iris):
    X, y = iris
    noise = np.random.default_rng(1).normal(size=(150, 3))
    X = np.c_[X, noise]
    model = C(penalty=GroupLasso(np.tile(np.arange(7), 3), 0.1)).fit(X, y)
    used = model.coef_.any(axis=0)
    assert model.coef_[:, used].all()
    assert not used[4:].any()
    assert used[:4].any()
    assert model.score(X, y) > 0.8


@pytest.mark.parametrize("loss", [fl.TukeyBiweight(c=4.0), fl.Cauchy(c=1.0), fl.Welsch(c=3.0)], ids=repr)
def test_robust_losses_ignore_gross_errors(loss, rng):
    X = rng.normal(size=(200, 3))
    truth = np.array([1.0, -2.0, 0.5])
    y = X @ truth + 3 + rng.normal(size=200) / 2
    y[:60] += 50 + rng.normal(size=60)
    model = R(loss).fit(X, y)
    np.testing.assert_allclose(model.coef_, truth, atol=0.25)
    assert model.intercept_ == pytest.approx(3, abs=0.5)
    assert abs(R().fit(X, y).intercept_ - 3) > 10
    r = model.predict(X) - y  # stationary: iteratively reweighted least squares stay where they are
    again = theirs.LinearRegression().fit(X, y, loss.hessian(0 * r, r, hessian="majorizer"))
    same(model, again)


def test_several_quantiles_are_single_ones(diabetes):
    X, y = diabetes
    model = R(fl.MultiQuantile(quantiles=(0.1, 0.5, 0.9))).fit(X, y)
    assert model.coef_.shape == (3, 10)
    assert model.predict(X).shape == (len(y), 3)
    for k, quantile in enumerate((0.1, 0.5, 0.9)):
        single = R(fl.Quantile(quantile=quantile)).fit(X, y)
        np.testing.assert_allclose(model.predict(X)[:, k], single.predict(X), atol=1e-5)


def test_distributions(diabetes):
    X, y = diabetes
    model = R("gaussian_nll").fit(X, y)
    assert model.coef_.shape == (2, 10)
    known = model.predict_distribution(X)
    np.testing.assert_allclose(known.mean(), model.predict(X))
    np.testing.assert_allclose(known.var(), np.exp(X @ model.coef_[1] + model.intercept_[1]))
    low, high = known.interval(0.9)
    assert 0.85 < np.mean((low < y) & (y < high)) < 0.95
    raw = X @ model.coef_.T + model.intercept_
    slope = fl.GaussianNLL().on_raw().gradient(y, raw)
    np.testing.assert_allclose(X.T @ slope, 0, atol=1e-5)
    assert not hasattr(R("huber"), "predict_distribution")


def test_users_loss(diabetes):
    class Cubed(fl.PointwiseLoss):
        def reference(y, f):
            r = f - y
            return abs(r) ** 3, 3 * r * abs(r), 6 * abs(r)

    X, y = diabetes
    model = R(Cubed()).fit(X, y)
    r = model.predict(X) - y
    np.testing.assert_allclose(X.T @ (r * abs(r)) / len(y), 0, atol=1e-4)


@pytest.mark.parametrize(
    ("model", "X", "y"),
    [
        (C("binary_focal", penalty=L2(0.01)), "cancer", None),
        (C("multi_margin", penalty=L2(0.01)), "iris", None),
        (C(0.5 * fl.BinaryCrossEntropy() + 0.5 * fl.BinaryFocal(), penalty=L2(0.01)), "cancer", None),
        (C("generalized_cross_entropy", penalty=ElasticNet(0.01)), "iris", None),
    ],
    ids=repr,
)
def test_other_classifiers_learn(model, X, y, request):
    X, y = request.getfixturevalue(X)
    assert model.fit(X, y).score(X, y) > 0.9


# ---- data, parameters -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_matrix, sparse.coo_array, np.asfortranarray])
@pytest.mark.parametrize(
    "given", [{}, {"penalty": L1(0.05)}, {"loss": "quantile"}, {"loss": "multi_quantile"}], ids=repr
)
def test_sparse_is_dense(kind, given, rng):
    X = rng.normal(size=(100, 5)) * (rng.random((100, 5)) < 0.5) + [0, 0, 0, 0, 1]
    y = X @ [1, 2, 0, 0, -1] + rng.normal(size=100)
    dense, other = R(**given).fit(X, y), R(**given).fit(kind(X), y)
    same(other, dense, atol=1e-4)
    np.testing.assert_allclose(other.predict(kind(X)), dense.predict(X), atol=1e-4)


@pytest.mark.parametrize("given", [{}, {"penalty": L1(0.05)}, {"loss": "huber"}, {"loss": "quantile"}], ids=repr)
def test_float32(given, diabetes):
    X, y = diabetes
    same(R(**given).fit(X.astype(np.float32), y), R(**given).fit(X, y), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("loss", ["half_squared_error", "huber", "quantile", "poisson"])
def test_far_features_do_not_harm(loss, diabetes):
    X, y = diabetes
    near, far = R(loss).fit(X, y), R(loss).fit(X + 1e4, y)
    np.testing.assert_allclose(far.coef_, near.coef_, rtol=1e-3, atol=1e-4)
    assert far.n_iter_ < 2 * near.n_iter_ + 50


@pytest.mark.parametrize(
    "given",
    [{}, {"loss": "huber"}, {"loss": "log_cosh"}, {"penalty": L1(0.01)}, {"loss": "quantile"},
     {"loss": "quantile", "penalty": L1(0.01)}],
    ids=repr,
)  # fmt: skip
def test_units_of_features_do_not_harm(given, rng):
    """A solver that did not scale would need thousands of iterations, and `bfgs` would not get there at all."""
    units = np.array([1e-2, 1e-1, 1.0, 10.0, 100.0])
    X = rng.normal(size=(150, 5)) * units
    y = 30 * (X @ ([1, -2, 0, 0.5, 1] / units) + rng.standard_t(2, size=150))
    model = R(**given).fit(X, y)
    assert model.n_iter_ < 500
    objective = LinearObjective(model.loss_, X, y, penalty=model.penalty, fit_intercept=True)
    theta = objective.join(model.coef_, model.intercept_)
    least = objective.fun(theta)
    for _ in range(300):
        aside = theta + 10.0 ** rng.uniform(-6, 0) * rng.normal(size=6) / [*units, 1]
        assert objective.fun(aside) >= least * (1 - 1e-12)


def test_warm_start(cancer):
    X, y = cancer
    model = C(penalty=L1(0.01), warm_start=True, tol=1e-8).fit(X, y)
    first, coef = model.n_iter_, model.coef_
    model.fit(X, y)
    assert model.n_iter_ <= 2 < first
    np.testing.assert_allclose(model.coef_, coef, atol=1e-6)
    model.fit(X[:, :5], y)
    assert model.coef_.shape == (1, 5)


def test_warns_where_it_stops_early(cancer):
    X, y = cancer
    for model in (C(penalty=L2(0.01), max_iter=2), C(penalty=L1(0.01), max_iter=2), C("hinge", max_iter=2)):
        with pytest.warns(ConvergenceWarning, match="stopped after 2 iterations"):
            assert model.fit(X, y).n_iter_ == 2
    with pytest.warns(ConvergenceWarning, match="lbfgs stopped after 2"):
        C(solver="lbfgs", max_iter=2).fit(X, y)


def test_chooses_the_solver(diabetes):
    X, y = diabetes

    def chosen(loss, penalty):
        return R(loss, penalty=penalty)._solver(LinearObjective(loss, X, y, penalty=penalty))

    assert (
        chosen("huber", None) == chosen("tukey_biweight", L2()) == chosen("huber", ElasticNet(1.0, 0.0)) == "newton-cg"
    )
    assert chosen("huber", L1()) == "proximal"
    assert chosen("quantile", None) == chosen("quantile", L1()) == "bfgs"


def test_prints_iterations(diabetes, capsys):
    R(verbose=1).fit(*diabetes)
    assert "newton-cg: iteration 1, objective" in capsys.readouterr().out


@pytest.mark.parametrize(
    "model", [R("huber", penalty=L1(0.1)), C(fl.BinaryFocal(gamma=1.0), penalty=L2(0.1))], ids=repr
)
def test_copies(model, diabetes, cancer):
    X, y = diabetes if isinstance(model, R) else cancer
    model = clone(model).fit(X, y)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), clone(model).fit(X, y)):
        np.testing.assert_array_equal(other.predict(X), model.predict(X))
        assert other.get_params() == model.get_params()


def test_grid_search(diabetes):
    X, y = diabetes
    grid = {"penalty": [None, L2(0.1), L1(0.1)], "loss": ["huber", fl.HalfSquaredError()]}
    found = GridSearchCV(R(), grid, cv=3).fit(X, y)
    assert found.best_score_ > 0.4


def test_feature_names(diabetes):
    frame = pytest.importorskip("pandas").DataFrame(diabetes[0], columns=[f"x{k}" for k in range(10)])
    model = R().fit(frame, diabetes[1])
    assert list(model.feature_names_in_) == list(frame)


def test_probabilities_only_where_there_are_any(cancer):
    assert hasattr(C(), "predict_proba")
    assert hasattr(C("exponential"), "predict_proba")
    assert not hasattr(C("hinge"), "predict_proba")
    with pytest.raises(NotFittedError):
        C().predict(cancer[0])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (R(solver="sag"), "solver must be one of 'auto', 'newton-cg'"),
        (R("quantile", solver="newton-cg"), "solver must be 'auto' or 'bfgs' for Quantile.*which is not smooth"),
        (R("quantile", solver="proximal"), "solver must be 'auto' or 'bfgs'"),
        (R(penalty=L1(), solver="lbfgs"), "solver must be 'auto' or 'proximal' or 'bfgs' for L1"),
        (R(max_iter=0), "max_iter must be >= 1"),
        (R(tol=0.0), "tol must be > 0"),
        (R("hubert"), "unknown loss"),
        (R("sparse_categorical_cross_entropy"), "loss must have one number as the target"),
        (R(hessian="fast"), "hessian must be one of"),
        (R(penalty="ridge"), "penalty must be one of"),
        (R(penalty=GroupLasso([0, 1], 1.0)), "w must have one entry for each of the 2 labels"),
        (C(), "at least two classes"),
    ],
    ids=repr,
)
def test_bad_parameters(model, message, diabetes):
    X, y = diabetes
    with pytest.raises(ValueError, match=message):
        model.fit(X, y if isinstance(model, R) else np.zeros(len(y), int))


def test_bad_labels(iris):
    with pytest.raises(ValueError, match="Only binary classification is supported with Hinge"):
        C("hinge").fit(*iris)
    with pytest.raises(ValueError, match="loss must be a loss of classes"):
        C("huber").fit(iris[0][:100], iris[1][:100])
    with pytest.raises(ValueError, match="y_true must be >= 0"):
        R("poisson").fit(iris[0], -iris[1])
