"""The objective of linear models: derivatives against differences, every kind of matrix, weights, shapes."""

import numpy as np
import pytest

import fastloss as fl
from fastloss._linear import LinearObjective
from fastloss.penalties import L1, L2, ElasticNet, GroupLasso

sparse = pytest.importorskip("scipy.sparse")

N, D, K = 60, 4, 3
PENALTIES = [None, L2(0.3), ElasticNet(0.2, l1_ratio=0.0)]
KINKED = [L1(0.3), ElasticNet(0.2), GroupLasso([0, 0, 1, 1], 0.4)]


class Cubed(fl.PointwiseLoss):
    def reference(y, f):
        r = f - y
        return abs(r) ** 3, 3 * r * abs(r), 6 * abs(r)


SMOOTH = {
    "half_squared_error": fl.HalfSquaredError(),
    "huber": fl.Huber(delta=0.7),
    "tukey": fl.TukeyBiweight(c=3.0),
    "poisson": fl.Poisson(),
    "gamma": fl.Gamma(),
    "binary": fl.BinaryCrossEntropy(),
    "focal": fl.BinaryFocal(),
    "gaussian": fl.GaussianNLL(),
    "negative_binomial": fl.NegativeBinomialNLL(),
    "softmax": fl.SparseCategoricalCrossEntropy(),
    "weighted_softmax": fl.SparseCategoricalCrossEntropy(
        class_weight=(1.0, 0.5, 2.0), ignore_index=1, label_smoothing=0.1
    ),
    "dense_softmax": fl.CategoricalCrossEntropy(label_smoothing=0.2),
    "kl": fl.KLDivergence(),
    "categorical_focal": fl.CategoricalFocal(),
    "sum": 0.7 * fl.Huber(delta=0.7) + 0.3 * fl.LogCosh(),
    "sum_of_rows": 0.7 * fl.SparseCategoricalCrossEntropy() + 0.3 * fl.CategoricalFocal(),
    "users": Cubed(),
}


def targets(loss, rng):
    if loss.n_predictions == 0:
        return rng.dirichlet(np.ones(K), N) if loss.targets == "dense" else rng.integers(0, K, N)
    if loss.info.family == "counts" or isinstance(loss, fl.NegativeBinomialNLL):
        return rng.poisson(3.0, N) + 1.0
    return rng.integers(0, 2, N) if loss.info.family == "binary" else rng.normal(size=N)


def problem(loss, rng, **options):
    X = rng.normal(size=(N, D)) + np.arange(D)
    if loss.n_predictions == 0 and loss.targets != "values":
        options["n_outputs"] = K
    return LinearObjective(loss, X, targets(loss, rng), sample_weight=rng.uniform(0, 2, N), **options)


def differences(function, theta, step=1e-5):
    return np.array(
        [(function(theta + step * e) - function(theta - step * e)) / (2 * step) for e in np.eye(len(theta))]
    )


@pytest.mark.parametrize("loss", SMOOTH.values(), ids=SMOOTH)
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("center", [False, True])
def test_gradient_is_that_of_the_value(loss, intercept, center, rng):
    objective = problem(loss, rng, fit_intercept=intercept, center=center, penalty=L2(0.3))
    theta = rng.normal(size=objective.size) / 5
    value, gradient = objective.fun_grad(theta)
    assert value == objective.fun(theta)
    np.testing.assert_allclose(gradient, differences(objective.fun, theta), rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(gradient, objective.gradient(theta))


@pytest.mark.parametrize("penalty", [*PENALTIES, *KINKED], ids=repr)
def test_penalties_do_not_see_the_intercept(penalty, rng):
    objective = problem(fl.HalfSquaredError(), rng, penalty=penalty, fit_intercept=True)
    theta = rng.normal(size=objective.size)
    value, gradient = objective.fun_grad(theta)
    np.testing.assert_allclose(gradient, differences(objective.fun, theta), rtol=1e-6, atol=1e-9)
    bare = LinearObjective("half_squared_error", objective.X, objective.y, sample_weight=objective.sample_weight,
                           fit_intercept=True)  # fmt: skip
    coef, _ = objective.split(theta)
    assert value == pytest.approx(bare.fun(theta) + (0 if penalty is None else penalty.value(coef)), rel=1e-14)
    smooth = objective.fun_grad_smooth(theta)
    assert smooth[0] == pytest.approx(value if objective.smooth else bare.fun(theta), rel=1e-14)
    np.testing.assert_allclose(smooth[1], differences(objective.fun_smooth, theta), rtol=1e-6, atol=1e-9)
    assert objective.fun(theta) == objective.fun_smooth(theta) + objective.fun_kinked(theta)


@pytest.mark.parametrize("penalty", KINKED, ids=repr)
def test_prox_leaves_the_intercept(penalty, rng):
    objective = problem(fl.HalfSquaredError(), rng, penalty=penalty, fit_intercept=True)
    theta = rng.normal(size=objective.size)
    moved = objective.prox(theta, 0.7)
    np.testing.assert_array_equal(moved[:D], penalty.prox(theta[:D], 0.7))
    assert moved[D] == theta[D]
    smooth = problem(fl.HalfSquaredError(), rng, penalty=L2(1.0))
    np.testing.assert_array_equal(smooth.prox(theta[:D], 0.7), theta[:D])


@pytest.mark.parametrize("loss", SMOOTH.values(), ids=SMOOTH)
@pytest.mark.parametrize("center", [False, True])
def test_exact_product_is_that_of_the_full_second_derivative(loss, center, rng):
    """With the blocks between the predictions of a sample, which `loss.hessian` does not have."""
    objective = problem(loss, rng, fit_intercept=True, hessian="exact", penalty=L2(0.3), center=center)
    theta = rng.normal(size=objective.size) / 5
    matrix = np.array([objective.hessp(theta, e) for e in np.eye(objective.size)])
    np.testing.assert_allclose(matrix, differences(objective.gradient, theta), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-8)


def test_exact_product_of_saturated_classes():
    """Probabilities of 1 but for 1e-17: the second derivative is of that size, and not 0."""
    objective = LinearObjective(fl.SparseCategoricalCrossEntropy(), [[1.0]], [0], n_outputs=3, hessian="exact")
    product = objective.hessp(np.array([40.0, 0.5, 0.0]), np.array([1.0, 0.0, 0.0]))
    p = np.exp([0.5 - 40, -40.0])
    np.testing.assert_allclose(product, [p.sum(), -p[0], -p[1]], rtol=1e-12)


@pytest.mark.parametrize("policy", ["majorizer", "fisher", "unit"])
def test_other_curvatures_are_diagonal_in_the_predictions(policy, rng):
    objective = problem(fl.SparseCategoricalCrossEntropy(), rng, hessian=policy)
    theta, p = rng.normal(size=(2, objective.size))
    z = objective.X @ theta.reshape(K, D).T
    h = objective.loss.hessian(objective.y, z, objective.sample_weight, hessian=policy)
    expected = (objective.X.T @ (h * (objective.X @ p.reshape(K, D).T))).T.ravel()
    np.testing.assert_allclose(objective.hessp(theta, p), expected, rtol=1e-12)
    exact = problem(fl.SparseCategoricalCrossEntropy(), np.random.default_rng(20240229), hessian="exact")
    if policy == "majorizer":
        assert p @ objective.hessp(theta, p) >= p @ exact.hessp(theta, p)


def test_default_curvature_follows_theta(rng):
    objective = problem(fl.Huber(), rng)
    assert objective.hessian == "majorizer"
    p = rng.normal(size=objective.size)
    near, far = objective.hessp(np.zeros(D), p), objective.hessp(np.full(D, 100.0), p)
    assert np.linalg.norm(far) < np.linalg.norm(near) / 10
    np.testing.assert_array_equal(objective.hessp(np.zeros(D), p), near)


@pytest.mark.parametrize("loss", [fl.Poisson(), fl.SparseCategoricalCrossEntropy(), fl.GaussianNLL()], ids=repr)
@pytest.mark.parametrize("center", [False, True])
def test_every_kind_of_matrix_gives_the_same(loss, center, rng):
    y = targets(loss, rng)
    X = rng.normal(size=(N, D)) * (rng.random((N, D)) < 0.4)
    wide = np.zeros((2 * N, 2 * D))
    wide[::2, ::2] = X
    kinds = [X, np.asfortranarray(X), wide[::2, ::2], sparse.csr_array(X), sparse.csc_array(X), sparse.csr_matrix(X),
             sparse.csc_matrix(X), sparse.coo_array(X), X.tolist()]  # fmt: skip
    options = {"fit_intercept": True, "center": center, "hessian": "exact", "penalty": L2(0.1)}
    made = [LinearObjective(loss, kind, y, **options) for kind in kinds]
    theta, p = rng.normal(size=(2, made[0].size)) / 5
    for other in made[1:]:
        np.testing.assert_allclose(other.initial(), made[0].initial(), rtol=1e-13)
        np.testing.assert_allclose(other.fun_grad(theta)[0], made[0].fun_grad(theta)[0], rtol=1e-13)
        np.testing.assert_allclose(other.fun_grad(theta)[1], made[0].fun_grad(theta)[1], rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(other.hessp(theta, p), made[0].hessp(theta, p), rtol=1e-6, atol=1e-9)
    single = [LinearObjective(loss, kind.astype(np.float32), y, **options) for kind in kinds[:6]]
    for other in single:
        assert other.fun_grad(theta)[1].dtype == np.float64
        np.testing.assert_allclose(other.fun_grad(theta)[1], made[0].fun_grad(theta)[1], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(other.hessp(theta, p), made[0].hessp(theta, p), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_matrices_are_neither_copied_nor_changed(real, rng):
    X = rng.normal(size=(N, D)).astype(real)
    for dense in (X, np.asfortranarray(X)):
        assert LinearObjective("huber", dense, np.zeros(N)).X is dense
    for kind in (sparse.csr_array, sparse.csc_array):
        given = kind(X)
        objective = LinearObjective("huber", given, np.zeros(N), fit_intercept=True, center=True)
        assert objective.X is given
        objective.hessp(objective.initial(), objective.initial())
        np.testing.assert_array_equal(given.toarray(), X)


@pytest.mark.parametrize("loss", [fl.Huber(), fl.BinaryCrossEntropy(), fl.SparseCategoricalCrossEntropy()], ids=repr)
def test_weights_repeat_rows(loss, rng):
    X, y, w = rng.normal(size=(N, D)), targets(loss, rng), rng.integers(0, 4, N)
    options = {"fit_intercept": True, "center": True, "hessian": "exact"}
    weighted = LinearObjective(loss, X, y, sample_weight=w, **options)
    repeated = LinearObjective(loss, np.repeat(X, w, axis=0), np.repeat(y, w), **options)
    theta, p = rng.normal(size=(2, weighted.size))
    np.testing.assert_allclose(weighted.initial(), repeated.initial(), atol=1e-12)
    np.testing.assert_allclose(weighted.fun(theta), repeated.fun(theta), rtol=1e-13)
    np.testing.assert_allclose(weighted.gradient(theta), repeated.gradient(theta), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(weighted.hessp(theta, p), repeated.hessp(theta, p), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("loss", SMOOTH.values(), ids=SMOOTH)
def test_start_is_the_best_constant(loss, rng):
    objective = problem(loss, rng, fit_intercept=True)
    coef, intercept = objective.split(objective.initial())
    assert not coef.any()
    assert coef.shape == objective.shape == (*np.shape(intercept), D)
    if not isinstance(loss, Cubed):
        slope = objective.gradient(objective.initial())[coef.size :]
        np.testing.assert_allclose(slope, 0, atol=1e-7)


@pytest.mark.parametrize("loss", [fl.Huber(), fl.MultiQuantile(quantiles=(0.2, 0.5)), fl.LaplaceNLL()], ids=repr)
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
def test_split_and_join_are_inverse_and_give_the_model(loss, center, intercept, rng):
    objective = problem(loss, rng, fit_intercept=intercept, center=center and intercept)
    theta = rng.normal(size=objective.size)
    coef, b = objective.split(theta)
    np.testing.assert_allclose(objective.join(coef, b), theta, atol=1e-13)
    raw = objective.X @ coef.T + b
    assert objective.fun(theta) == pytest.approx(objective.loss(objective.y, raw, objective.sample_weight), rel=1e-12)
    assert isinstance(b, float) == (objective.outputs == ())


def test_names_and_configurations():
    X, y = np.ones((3, 2)), np.ones(3)
    objective = LinearObjective({"name": "huber", "delta": 2.0}, X, y, penalty={"name": "l2_penalty", "alpha": 0.5})
    assert objective.loss == fl.Huber(delta=2.0)
    assert objective.penalty == L2(0.5)
    assert LinearObjective("poisson", X, y).loss == fl.Poisson(log_input=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.ones(3)}, r"X must have the shape \(n, D\)"),
        ({"X": np.ones((3, 0))}, r"X must have the shape \(n, D\)"),
        ({"X": sparse.csr_array((0, 2))}, r"X must have the shape \(n, D\)"),
        ({"X": np.ones((4, 2))}, r"y must have 4 rows to match X, got the shape \(3,\)"),
        ({"sample_weight": np.ones(2)}, "sample_weight must be a scalar or have the shape"),
        ({"sample_weight": -np.ones(3)}, "sample_weight must be >= 0"),
        ({"hessian": "fast"}, "hessian must be one of"),
        ({"loss": "poisson", "y": -np.ones(3)}, "y_true must be >= 0"),
        ({"penalty": "ridge"}, "penalty must be one of"),
    ],
)
def test_bad_values(change, message):
    given = {"loss": "huber", "X": np.ones((3, 2)), "y": np.ones(3), "penalty": None} | change
    with pytest.raises(ValueError, match=message):
        LinearObjective(given.pop("loss"), given.pop("X"), given.pop("y"), **given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.ones((3, 2), complex)}, "X must hold real numbers"),
        ({"X": sparse.csr_array(np.ones((3, 2), complex))}, "X must hold real numbers"),
        ({"penalty": 0.1}, "penalty must be"),
        ({"fit_intercept": 1}, "fit_intercept must be True or False"),
    ],
)
def test_bad_types(change, message):
    given = {"X": np.ones((3, 2)), "penalty": None} | change
    with pytest.raises(TypeError, match=message):
        LinearObjective("huber", given.pop("X"), np.ones(3), **given)


def test_parameters_of_another_size():
    with pytest.raises(ValueError, match=r"theta must have the shape \(2,\), got \(3,\)"):
        LinearObjective("huber", np.ones((3, 2)), np.ones(3)).fun(np.zeros(3))
