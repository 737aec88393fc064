"""Objectives and robust losses for SciPy: its optimisers reach the minimum, and its own robust losses are matched."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

import fastloss as fl
from fastloss.adapters.scipy import linear_objective, robust_rho
from fastloss.penalties import L2

optimize = pytest.importorskip("scipy.optimize")

EVEN = [
    fl.HalfSquaredError(),
    fl.Huber(delta=0.5),
    fl.SmoothL1(beta=2.0),
    fl.PseudoHuber(delta=2.0),
    fl.LogCosh(),
    fl.Cauchy(c=1.5),
    fl.Welsch(c=2.0),
    fl.GemanMcClure(),
    fl.TukeyBiweight(c=3.0),
    fl.Fair(c=1.4),
    fl.GeneralRobust(alpha=-2.0, c=1.5),
    fl.SquaredEpsilonInsensitive(epsilon=0.3),
    0.5 * fl.Huber() + 0.5 * fl.Cauchy(),
]


def test_import_needs_no_scipy():
    code = "import sys, fastloss.adapters.scipy as a; a.robust_rho('huber'); assert 'scipy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- linear objectives ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["L-BFGS-B", "Newton-CG", "trust-ncg", "trust-krylov"])
@pytest.mark.parametrize("loss", ["poisson", "binary_cross_entropy", "huber", "sparse_categorical_cross_entropy"])
def test_optimisers_reach_the_minimum(method, loss, rng):
    X = rng.normal(size=(150, 4))
    y = rng.integers(0, 2, 150)
    objective = linear_objective(
        loss, X, y, L2(0.1), sample_weight=rng.uniform(0, 1, 150), fit_intercept=True, hessian="exact"
    )
    given = {} if method == "L-BFGS-B" else {"hessp": objective.hessp}
    found = optimize.minimize(objective.fun_grad, objective.initial(), jac=True, method=method, **given)
    assert found.success
    assert np.abs(objective.gradient(found.x)).max() < 2e-5
    coef, intercept = objective.split(found.x)
    assert coef.shape == (*np.shape(intercept), 4)


def test_bounds(rng):
    """What the estimators do not have: coefficients that must not be negative."""
    X = rng.normal(size=(80, 3))
    y = X @ [1.0, -1.0, 0.5]
    objective = linear_objective("half_squared_error", X, y)
    found = optimize.minimize(objective.fun_grad, objective.initial(), jac=True, bounds=[(0, None)] * 3)
    np.testing.assert_allclose(found.x, optimize.nnls(X, y)[0], atol=1e-4)


# ---- losses of squared residuals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", EVEN, ids=repr)
def test_rho_is_the_loss(loss, rng):
    r = rng.normal(size=500) * 3
    rho = robust_rho(loss)(r * r)
    np.testing.assert_allclose(rho[0], 2 * loss(0 * r, r, reduction="none"), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(rho[1] * r, loss.gradient(0 * r, r, reduction="sum"), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("loss", EVEN, ids=repr)
def test_derivatives_of_rho(loss):
    """Against differences, except next to kinks of the slope."""
    rho = robust_rho(loss)
    z = np.linspace(0.07, 7, 50)
    kinks = [0.5**2, 2.0**2, 1.0, 0.3**2]
    z = z[np.min(np.abs(z[:, None] - kinks), axis=1) > 1e-3]
    h = 1e-5 * z
    for k in (0, 1):
        np.testing.assert_allclose((rho(z + h)[k] - rho(z - h)[k]) / (2 * h), rho(z)[k + 1], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("c", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize(
    ("made", "second"),
    [
        (lambda c: fl.Cauchy(c=c), lambda u: -((1 + u) ** -2)),
        (lambda c: fl.PseudoHuber(delta=c), lambda u: -0.5 * (1 + u) ** -1.5),
        (lambda c: fl.Welsch(c=c), lambda u: -np.exp(-u)),
        (lambda c: fl.TukeyBiweight(c=c), lambda u: -2 * (1 - u) * (u < 1)),
    ],
    ids=["cauchy", "pseudo_huber", "welsch", "tukey"],
)
def test_second_derivative_of_rho_has_its_limit(made, second, c):
    """Where the residual is small against the scale, hessian and slope over residual agree in all digits."""
    u = np.r_[0, 1e-300, np.geomspace(1e-25, 10, 200)]
    np.testing.assert_allclose(robust_rho(made(c))(u * c * c)[2] * c * c, second(u), rtol=0, atol=3e-7)


@pytest.mark.parametrize("loss", EVEN, ids=repr)
def test_rho_is_finite_at_any_residual(loss):
    z = np.r_[0, np.geomspace(1e-320, 1e300, 300)]
    rho = robust_rho(loss)(z)
    assert rho.shape == (3, 301)
    assert np.isfinite(rho).all()
    assert rho[0, 0] == 0
    assert rho[1, 0] == loss.hessian([0.0], [0.0], reduction="sum")[0]


@pytest.mark.parametrize(
    ("name", "loss"), [("huber", fl.Huber()), ("soft_l1", fl.PseudoHuber()), ("cauchy", fl.Cauchy(c=1.0))]
)
@pytest.mark.parametrize("f_scale", [1.0, 0.3])
def test_scipys_own_losses(name, loss, f_scale, rng):
    t = np.linspace(0, 3, 60)
    y = 2 * np.exp(-0.7 * t) + rng.normal(size=60) / 20
    y[::7] += 2

    def residuals(x):
        return x[0] * np.exp(x[1] * t) - y

    fits = [
        optimize.least_squares(residuals, [1.0, 0.0], loss=given, f_scale=f_scale, xtol=1e-12, ftol=1e-12, gtol=1e-12)
        for given in (name, robust_rho(loss))
    ]
    np.testing.assert_allclose(fits[1].x, fits[0].x, rtol=1e-6)
    assert fits[1].cost == pytest.approx(fits[0].cost, rel=1e-10)
    r = residuals(fits[1].x) / f_scale
    assert fits[1].cost == pytest.approx(f_scale**2 * loss(0 * r, r, reduction="sum"), rel=1e-12)


def test_redescending_fit_ignores_gross_errors(rng):
    t = np.linspace(0, 3, 80)
    y = 2 * np.exp(-0.7 * t) + rng.normal(size=80) / 50
    y[:20] += 1

    def fit(loss):
        return optimize.least_squares(
            lambda x: x[0] * np.exp(x[1] * t) - y, [1.5, -0.5], loss=loss, f_scale=1 / 50, max_nfev=1000
        ).x

    start = fit("soft_l1")
    assert abs(start - [2, -0.7]).max() > 0.1
    found = optimize.least_squares(
        lambda x: x[0] * np.exp(x[1] * t) - y, [2.2, -0.8], loss=robust_rho(fl.TukeyBiweight(c=10.0)), f_scale=1 / 50
    )
    np.testing.assert_allclose(found.x, [2, -0.7], atol=0.05)


def test_rho_is_a_value():
    rho = robust_rho({"name": "huber", "delta": 2.0})
    assert rho == robust_rho(fl.Huber(delta=2.0)) != robust_rho("huber")
    assert pickle.loads(pickle.dumps(rho)) == rho
    z = np.linspace(0, 9, 5)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(rho))(z), rho(z))


def test_rho_of_users_losses():
    class Quartic(fl.PointwiseLoss):
        def reference(y, f):
            r = f - y
            return r**2 / 2 + r**4, r + 4 * r**3, 1 + 12 * r**2

    np.testing.assert_allclose(robust_rho(Quartic())([0.0, 1e-20, 4.0]), [[0, 1e-20, 36], [1, 1, 17], [4, 4, 4]])


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("mean_absolute_error", "differentiable"),
        ("epsilon_insensitive", "differentiable"),
        (fl.Expectile(expectile=0.8), "even"),
        ("linex", "even"),
        (fl.SmoothQuantile(quantile=0.9), "even"),
        ("mean_squared_logarithmic_error", "function of the residual"),
        ("poisson", "function of the residual"),
        ("binary_cross_entropy", "function of the residual"),
        ("gaussian_nll", "function of the residual"),
        ("sparse_categorical_cross_entropy", "function of the residual"),
        ("triplet loss", "unknown loss"),
    ],
)
def test_losses_that_do_not_fit(loss, message):
    with pytest.raises(ValueError, match=message):
        robust_rho(loss)


def test_losses_of_the_ratio_do_not_fit():
    class Relative(fl.PointwiseLoss):
        def reference(y, f):
            r, s = f - y, 1 + y * y
            return r**2 / s, 2 * r / s, 2 / s + 0 * f

    with pytest.raises(ValueError, match="even function of the residual"):
        robust_rho(Relative())
