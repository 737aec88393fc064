"""Gradient descent and Newton's method: known minima, rates of convergence, stopping, and what is refused."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from support import default_losses, draw

from fastloss import Huber, LogCosh, MeanAbsoluteError, Quantile, optim
from fastloss.optim import decaying, gradient_descent, linear, newton
from fastloss.penalties import L1, L2, ElasticNet, GroupLasso

N, D = 80, 6
RULES = {
    "constant": {"step": 0.1, "max_iter": 5000},
    "decaying": {"step": decaying(0.15, power=0.1, after=1000), "max_iter": 5000},
    "backtracking": {},
    "Barzilai-Borwein": {"step": "barzilai_borwein"},
    "heavy ball": {"momentum": 0.7},
    "heavy ball, constant": {"momentum": 0.7, "step": 0.05},
    "Nesterov": {"nesterov": True},
    "Nesterov, constant": {"nesterov": True, "step": 0.1},
}
every_rule = pytest.mark.parametrize("options", RULES.values(), ids=RULES)
SMOOTH = [x for x in default_losses() if x.on_raw() == x and x.info.convex and x.info.differentiability != "C0"]


@pytest.fixture
def data(rng):
    X = rng.standard_normal((N, D)) * np.geomspace(0.5, 2, D)
    return X, X @ [1.5, 0, -2, 0, 0, 0.5] + 0.5 * rng.standard_normal(N)


def rosenbrock(x):
    a, b = 1 - x[0], x[1] - x[0] ** 2
    return a**2 + 100 * b**2, np.array([-2 * a - 400 * x[0] * b, 200 * b])


def rosenbrock_hessian(x):
    return np.array([[2 - 400 * (x[1] - 3 * x[0] ** 2), -400 * x[0]], [-400 * x[0], 200.0]])


# ---- known minima ---------------------------------------------------------------------------------------------------


@every_rule
def test_ridge(data, options) -> None:
    X, y = data
    exact = np.linalg.solve(X.T @ X / N + 0.1 * np.eye(D), X.T @ y / N)

    def ridge(w):
        r = X @ w - y
        return r @ r / (2 * N) + 0.05 * w @ w, X.T @ r / N + 0.1 * w

    for fun in (ridge, linear("half_squared_error", X, y, penalty=L2(0.1))):
        result = gradient_descent(fun, np.zeros(D), tol=1e-7, **options)
        assert result.converged, result.message
        np.testing.assert_allclose(result.x, exact, atol=1e-6)
        assert result.value == pytest.approx(ridge(exact)[0], rel=1e-12)
        np.testing.assert_allclose(result.gradient, ridge(result.x)[1], atol=1e-15)


@every_rule
def test_lasso(data, options) -> None:
    lasso = pytest.importorskip("sklearn.linear_model").Lasso(alpha=0.3, fit_intercept=False, tol=1e-12)
    X, y = data
    exact = lasso.fit(X, y).coef_
    assert 0 < np.count_nonzero(exact) < D
    result = gradient_descent(linear("half_squared_error", X, y, penalty=L1(0.3)), tol=1e-8, **options)
    np.testing.assert_allclose(result.x, exact, atol=1e-7)
    assert np.array_equal(result.x == 0, exact == 0)


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_elastic_net(data, fit_intercept) -> None:
    net = pytest.importorskip("sklearn.linear_model").ElasticNet(alpha=0.4, fit_intercept=fit_intercept, tol=1e-12)
    X, y = data[0], data[1] + 3
    net.fit(X, y)
    objective = linear("half_squared_error", X, y, penalty=ElasticNet(0.4), fit_intercept=fit_intercept)
    for result in (gradient_descent(objective, tol=1e-8, nesterov=True), newton(objective)):
        coef, intercept = objective.split(result.x)
        np.testing.assert_allclose(coef, net.coef_, atol=1e-7)
        assert intercept == pytest.approx(net.intercept_, abs=1e-7)
        assert np.array_equal(coef == 0, net.coef_ == 0)


def test_group_lasso(data) -> None:
    """At the minimum the gradient of a group balances the penalty, and is shorter than alpha c where the group is 0."""
    X, y = data
    penalty = GroupLasso([0, 0, 1, 2, 2, 1], alpha=0.5)
    objective = linear(LogCosh(), X, y, penalty=penalty)
    results = [newton(objective), gradient_descent(objective, step="barzilai_borwein", tol=1e-8)]
    np.testing.assert_allclose(results[0].x, results[1].x, atol=1e-6)
    for result in results:
        dead = result.x == 0
        assert dead.sum() in (2, 4)
        np.testing.assert_allclose((result.gradient + penalty.gradient(result.x))[~dead], 0, atol=1e-7)
        assert np.linalg.norm(result.gradient[dead]) < 0.5 * 2**0.5


@pytest.mark.parametrize("loss", SMOOTH, ids=repr)
def test_smooth_convex_losses(loss, rng) -> None:
    """As low as SciPy gets, from both methods."""
    minimize = pytest.importorskip("scipy.optimize").minimize
    X = rng.standard_normal((N, 3))
    objective = linear(loss, X, draw(loss, N, rng)[0], penalty=L2(0.1), fit_intercept=True)
    expected = minimize(objective.fun_grad, objective.initial(), jac=True, options={"gtol": 1e-8}).fun
    assert newton(objective, tol=1e-7).value == pytest.approx(expected, rel=1e-9, abs=1e-9)
    result = gradient_descent(objective, step="barzilai_borwein", max_iter=3000)
    assert result.value == pytest.approx(expected, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("loss", [x for x in default_losses() if x.on_raw() == x], ids=repr)
@pytest.mark.parametrize("penalty", [None, L1(0.01)], ids=repr)
def test_every_loss_falls(loss, penalty, rng) -> None:
    X = rng.standard_normal((N, 3))
    objective = linear(loss, X, draw(loss, N, rng)[0], penalty=penalty)
    theta = 0.2 * rng.standard_normal(objective.size)
    for method in (gradient_descent, newton):
        result = method(objective, theta, max_iter=15)
        assert result.value < objective.fun(theta)
        assert result.value == pytest.approx(objective.fun(result.x), rel=1e-14)


def test_classes_and_compositions(data) -> None:
    X, y = data
    labels = np.digitize(y, [-1, 1])
    results = [
        method(linear("sparse_categorical_cross_entropy", X, labels, penalty=L2(0.01), fit_intercept=True), tol=1e-6)
        for method in (newton, gradient_descent)
    ]
    assert all(result.converged for result in results)
    np.testing.assert_allclose(results[0].x, results[1].x, atol=1e-3)
    both = 0.5 * LogCosh() + 2.0 * Huber(delta=3.0)
    assert newton(linear(both, X, y)).value == pytest.approx(gradient_descent(linear(both, X, y)).value, rel=1e-10)


@pytest.mark.parametrize("loss", [MeanAbsoluteError(), Quantile(quantile=0.8)], ids=repr)
def test_kinks_need_fading_steps(loss, rng) -> None:
    """The best constant is a quantile; subgradient steps come as close as they are long."""
    y = rng.standard_normal(101)
    objective = linear(loss, np.ones((101, 1)), y)
    best = loss.init_score(y)
    result = gradient_descent(objective, [4.0], step=decaying(3.0, power=0.8), max_iter=3000, tol=0)
    assert result.x[0] == pytest.approx(best, abs=0.03)
    assert result.value == pytest.approx(objective.fun(np.array([best])), rel=1e-3)


# ---- how fast -------------------------------------------------------------------------------------------------------


def test_newton_doubles_the_digits(data) -> None:
    X, y = data
    objective = linear("binary_cross_entropy", X, y > 0, penalty=L2(0.01), hessian="exact")

    def hessian(w):
        p = 1 / (1 + np.exp(-X @ w))
        return (X.T * (p * (1 - p))) @ X / N + 0.01 * np.eye(D)

    result = newton(objective.fun_grad, np.zeros(D), hessian=hessian, tol=1e-14)
    norms = result.history.gradient_norm
    assert result.converged
    fast = [k for k in range(1, len(norms)) if 1e-13 < norms[k] < 0.1]
    assert len(fast) >= 3
    for k in fast:
        assert norms[k] < 10 * norms[k - 1] ** 2
    assert np.array_equal(result.history.step[1:], np.ones(result.n_iter))
    assert gradient_descent(objective, tol=1e-8).n_iter > 5 * result.n_iter
    for other in (newton(objective, tol=1e-12), newton(objective.fun_grad, np.zeros(D), tol=1e-10)):
        np.testing.assert_allclose(other.x, result.x, atol=1e-8)


def test_newton_solves_a_parabola_in_one_step(rng) -> None:
    a = rng.standard_normal((5, 5))
    a = a @ a.T + np.eye(5)
    b = rng.standard_normal(5)

    def parabola(x):
        return x @ a @ x / 2 - b @ x, a @ x - b

    for second in ({"hessian": lambda x: a}, {}):
        result = newton(parabola, np.ones(5), **second)
        np.testing.assert_allclose(result.x, np.linalg.solve(a, b), atol=1e-8)
    assert newton(parabola, np.ones(5), hessian=lambda x: a).n_iter == 1


def test_acceleration() -> None:
    """A parabola of condition 1000: about sqrt(1000) times fewer steps, up to the restarts."""
    h = np.geomspace(1e-3, 1, 20)

    def parabola(x):
        return h @ x**2 / 2, h * x

    runs = {
        name: gradient_descent(parabola, np.ones(20), step=1.0, max_iter=20_000, tol=1e-8, **options)
        for name, options in {"plain": {}, "heavy": {"momentum": 0.93}, "nesterov": {"nesterov": True}}.items()
    }
    assert all(run.converged for run in runs.values())
    assert runs["plain"].n_iter > 8 * runs["heavy"].n_iter
    assert runs["plain"].n_iter > 8 * runs["nesterov"].n_iter
    assert gradient_descent(parabola, np.ones(20), step="barzilai_borwein", tol=1e-8).n_iter < runs["plain"].n_iter / 8
    ratio = runs["plain"].history.value[1:] / runs["plain"].history.value[:-1]
    assert ratio.max() == pytest.approx(0.999**2, rel=1e-6)


@pytest.mark.parametrize(
    "second",
    [{"hessian": rosenbrock_hessian}, {"hessp": lambda x, p: rosenbrock_hessian(x) @ p}, {}],
    ids=["matrix", "products", "differences"],
)
def test_newton_through_a_bent_valley(second) -> None:
    result = newton(rosenbrock, [-1.2, 1.0], **second)
    assert result.converged
    np.testing.assert_allclose(result.x, 1, atol=1e-6)
    assert (np.diff(result.history.value) <= 0).all()


@pytest.mark.parametrize("options", [{}, {"step": "barzilai_borwein"}, {"nesterov": True}, {"momentum": 0.9}])
def test_gradient_descent_through_a_bent_valley(options) -> None:
    np.testing.assert_allclose(gradient_descent(rosenbrock, [-1.2, 1.0], max_iter=20_000, **options).x, 1, atol=1e-4)


def test_newton_leaves_where_the_function_bends_down() -> None:
    """Near a maximum along x and a saddle: x^4/4 - x^2/2 + y^2."""

    def wells(x):
        return x[0] ** 4 / 4 - x[0] ** 2 / 2 + x[1] ** 2, np.array([x[0] ** 3 - x[0], 2 * x[1]])

    diagonal = {"hessian": lambda x: np.array([3 * x[0] ** 2 - 1, 2.0])}
    matrix = {"hessian": lambda x: np.diag([3 * x[0] ** 2 - 1, 2.0])}
    for second in (diagonal, matrix, {}):
        result = newton(wells, [0.01, 1.0], **second)
        np.testing.assert_allclose(result.x, [1, 0], atol=1e-7)


def test_a_diagonal_is_enough_with_a_penalty() -> None:
    target = np.array([[3.0, 0.2], [-2.0, 1.0]])

    def fun(x):
        return np.square(x - target).sum() * 2, 4 * (x - target)

    for second in ({"hessian": lambda x: np.full((2, 2), 4.0)}, {"hessian": lambda x: 4 * np.eye(4)}, {}):
        result = newton(fun, np.zeros((2, 2)), penalty=L1(2.0), **second)
        np.testing.assert_allclose(result.x, [[2.5, 0], [-1.5, 0.5]], atol=1e-7)


# ---- stopping -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"momentum": 0.5}, {"nesterov": True}, {"penalty": L1(0.1)}])
def test_divergence_is_reported(data, options) -> None:
    X, y = data
    result = gradient_descent(linear("half_squared_error", X, y).fun_grad, np.zeros(D), step=5.0, **options)
    assert not result.converged
    assert "diverged" in result.message
    assert np.isfinite(result.x).all()
    assert math.isfinite(result.value)
    assert not math.isfinite(result.history.value[-1] + result.history.gradient_norm[-1])
    assert len(result.history.value) == result.n_iter + 1


def test_line_searches_stay_inside_the_domain() -> None:
    """x - log x is NaN for x < 0: from far away every first step leads there."""

    def barrier(x):
        return float(np.sum(x - np.log(x))), 1 - 1 / x

    for result in (
        gradient_descent(barrier, [1e-3, 5.0], first_step=1.0, max_iter=5000),
        gradient_descent(barrier, [1e-3, 5.0], step="barzilai_borwein", first_step=1.0),
        newton(barrier, [1e-3, 5.0], hessian=lambda x: 1 / x**2),
    ):
        np.testing.assert_allclose(result.x, 1, atol=1e-5)


def test_outside_of_the_domain(rng) -> None:
    """The loss raises for predictions below -1, which a line search avoids and constant steps do not."""
    X, y = rng.standard_normal((N, 3)), rng.exponential(1.0, N)
    objective = linear("mean_squared_logarithmic_error", X, y)
    for result in (gradient_descent(objective, first_step=100.0), newton(objective)):
        assert result.n_iter > 2
        assert result.value < objective.fun(np.zeros(3))
        assert (X @ result.x > -1).all()
    result = gradient_descent(objective, step=100.0)
    assert "diverged" in result.message
    assert "y_pred must be >= -1" in result.message
    with pytest.raises(ValueError, match="y_pred must be >= -1"):
        gradient_descent(objective, np.full(3, 9.0))


def test_rules_for_stopping(data) -> None:
    X, y = data
    objective = linear("half_squared_error", X, y)
    for method in (gradient_descent, newton):
        result = method(objective, max_iter=2, tol=0)
        assert (result.n_iter, result.converged, result.message) == (2, False, "max_iter = 2 reached")
        assert "time_limit" in method(objective, tol=0, time_limit=1e-9).message
        result = method(objective, tol=0, value_tol=1e-3)
        assert result.converged
        value = result.history.value
        assert abs(value[-1] - value[-2]) <= 1e-3 * value[-2]
        assert np.all(np.abs(np.diff(value[:-1])) > 1e-3 * value[:-2])
        assert method(objective, result.x, tol=1e3).n_iter == 0


def test_callback(data) -> None:
    X, y = data
    seen = []

    def callback(state):
        seen.append(state)
        return state.iteration == 3

    for method in (gradient_descent, newton):
        seen.clear()
        result = method(linear("log_cosh", X, y), callback=callback, tol=0)
        assert [state.iteration for state in seen] == [0, 1, 2, 3]
        assert result.message == "the callback asked to stop"
        assert result.x is seen[-1].x
        for name in ("value", "gradient_norm", "step", "time"):
            assert np.array_equal(getattr(result.history, name), [getattr(s, name) for s in seen], equal_nan=True)
        assert np.isnan(seen[0].step)
        assert (np.diff(result.history.time) > 0).all()
        assert result.history.gradient_norm[-1] == np.abs(result.gradient).max()


def test_a_wrong_gradient_is_noticed() -> None:
    """At the minimum of abs(x), where 0 would be the subgradient."""

    def fun(x):
        return float(np.abs(x).sum()), np.ones(1)

    for method in (gradient_descent, newton):
        result = method(fun, [0.0])
        assert (result.n_iter, result.x.item()) == (0, 0.0)
        assert not result.converged
        assert "no step decreases the objective" in result.message


# ---- functions and penalties of users -------------------------------------------------------------------------------


def test_any_shape_and_own_buffers() -> None:
    target, buffer = np.arange(6.0).reshape(2, 3), np.empty((2, 3))
    start = np.zeros((2, 3), np.float32)

    def fun(x):
        np.subtract(x, target, out=buffer)
        return np.square(buffer).sum(keepdims=True), np.multiply(buffer, 2, out=buffer)

    for method in (gradient_descent, newton):
        result = method(fun, start)
        assert result.x.dtype == np.float64
        np.testing.assert_allclose(result.x, target, atol=1e-6)
        np.testing.assert_allclose(result.gradient, 2 * (result.x - target))
    assert not start.any()


def test_own_penalty() -> None:
    """The indicator of x >= 0: the proximal map is the projection."""

    class Positive:
        def value(self, x):
            return 0.0 if (x >= 0).all() else math.inf

        def prox(self, x, step):
            return np.maximum(x, 0)

    def fun(x):
        return float(np.square(x - [1, -1]).sum()), 2 * (x - [1, -1])

    for method in (gradient_descent, newton):
        np.testing.assert_allclose(method(fun, [3.0, 3.0], penalty=Positive()).x, [1, 0], atol=1e-6)
    by_name = gradient_descent(fun, [3.0, 3.0], penalty={"name": "l1_penalty", "alpha": 0.5})
    np.testing.assert_allclose(by_name.x, [0.75, -0.75], atol=1e-6)


def test_results_are_frozen() -> None:
    result = newton(rosenbrock, [0.5, 0.5])
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.x = None
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.history.value = None
    assert "history" not in repr(result)
    assert result.n_evaluations > result.n_iter


def test_schedules() -> None:
    assert [decaying(2.0, power=1.0, after=2.0)(k) for k in (0, 2, 6)] == [2, 1, 0.5]
    assert decaying(3.0, power=0.0)(99) == 3.0
    for bad in ({"first": 0}, {"first": 1, "power": -1}, {"first": 1, "after": 0}):
        with pytest.raises(ValueError, match="must be >"):
            decaying(**bad)


# ---- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [gradient_descent, newton])
def test_bad_functions(method) -> None:
    def fun(x):
        return float(x @ x), 2 * x

    with pytest.raises(TypeError, match="fun must be callable or have a method fun_grad, got int"):
        method(3, [1.0])
    with pytest.raises(TypeError, match="fun must return a value and a gradient, got float"):
        method(lambda x: 1.0, [1.0])
    with pytest.raises(ValueError, match=r"gradient of the shape \(2,\) of x0, got \(1,\)"):
        method(lambda x: (1.0, np.ones(1)), [1.0, 2.0])
    with pytest.raises(ValueError, match=r"fun must return one value, got an array of shape \(2,\)"):
        method(lambda x: (x, x), [1.0, 2.0])
    with pytest.raises(ValueError, match="finite at x0, got the value nan"):
        method(lambda x: (math.nan, x), [1.0])
    with pytest.raises(ValueError, match="finite at x0"):
        method(lambda x: (1.0, x * math.inf), [1.0])
    with pytest.raises(TypeError, match="x0 must be given"):
        method(fun)
    with pytest.raises(ValueError, match="x0 must be finite, got nan at index 1"):
        method(fun, [1.0, np.nan])
    with pytest.raises(TypeError, match="x0 must hold real numbers"):
        method(fun, ["a"])
    with pytest.raises(ValueError, match="penalty must be one of"):
        method(fun, [1.0], penalty="l3")
    with pytest.raises(ValueError, match="give it to the objective"):
        method(linear("huber", np.ones((3, 1)), np.ones(3)), penalty=L1())
    for name, bad in {"max_iter": 0, "tol": -1.0, "value_tol": -1.0, "time_limit": 0}.items():
        with pytest.raises(ValueError, match=name):
            method(fun, [1.0], **{name: bad})
    with pytest.raises(TypeError, match="callback must be callable"):
        method(fun, [1.0], callback=1)


def test_bad_options() -> None:
    def fun(x):
        return float(x @ x), 2 * x

    for options, name in (
        ({"step": 0.0}, "step must be > 0"),
        ({"step": "armijo"}, "step must be one of 'backtracking', 'barzilai_borwein'"),
        ({"step": lambda k: -1.0}, "step must be > 0"),
        ({"first_step": 0.0}, "first_step must be > 0"),
        ({"momentum": 1.0}, "momentum must be >= 0 and < 1"),
        ({"momentum": 0.5, "nesterov": True}, "momentum must be 0 with nesterov"),
        ({"step": "barzilai_borwein", "nesterov": True}, "nesterov False"),
    ):
        with pytest.raises(ValueError, match=name):
            gradient_descent(fun, [1.0], **options)
    with pytest.raises(ValueError, match="hessian must be None where hessp is given"):
        newton(fun, [1.0], hessian=fun, hessp=fun)
    with pytest.raises(ValueError, match=r"hessian must return an array of shape \(2, 2\), or of a diagonal \(2,\)"):
        newton(fun, [1.0, 1.0], hessian=lambda x: np.eye(3))
    with pytest.raises(ValueError, match="hessp must return an array of the shape"):
        newton(fun, [1.0, 1.0], hessp=lambda x, p: np.ones(3))


def test_public_names() -> None:
    assert optim.__all__ == ["History", "Result", "State", "decaying", "gradient_descent", "linear", "newton"]
