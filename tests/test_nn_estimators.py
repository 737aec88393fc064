"""The estimators of `fastloss.nn`."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import fastloss as fl
from fastloss import nn
from fastloss.penalties import L1, L2

pytest.importorskip("sklearn", "1.6")


@pytest.fixture(scope="module")
def digits():
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = datasets.load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    x, y = x[order] / 16, y[order]
    return x[:1200], y[:1200], x[1200:], y[1200:]


@pytest.fixture(scope="module")
def diabetes():
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = datasets.load_diabetes(return_X_y=True)
    x, y = x / x.std(axis=0), (y - y.mean()) / y.std()
    return x[:330], y[:330], x[330:], y[330:]


@pytest.mark.parametrize("batch_size", [32, None])
@pytest.mark.parametrize("name", ["NeuralRegressor", "NeuralClassifier"])
def test_scikit_learn_accepts_them(name, batch_size):
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    estimator = getattr(nn, name)(learning_rate=0.01, epochs=40, batch_size=batch_size)
    checks.check_estimator(estimator, on_skip=None)  # the array API is switched off


LOSSES = [  # of classes, on both scales
    fl.SparseCategoricalCrossEntropy(),
    fl.CategoricalFocal(from_logits=True),
    fl.GeneralizedCrossEntropy(),
    fl.CategoricalHinge(),
]


@pytest.mark.parametrize("options", [{}, {"dropout": 0.2}, {"optimizer": "sgd", "learning_rate": 0.05}], ids=str)
def test_learns_digits(options, digits):
    x, y, x_test, y_test = digits
    model = nn.NeuralClassifier(**{"hidden": 64, "epochs": 40, "learning_rate": 3e-3, "random_state": 0} | options)
    model.fit(x, y)
    assert model.score(x_test, y_test) > 0.95
    assert model.score(x, y) > 0.99
    probability = model.predict_proba(x_test)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    np.testing.assert_array_equal(model.classes_[probability.argmax(axis=1)], model.predict(x_test))


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_learns_with_losses_of_classes(loss, digits):
    x, y, x_test, y_test = digits
    model = nn.NeuralClassifier(loss, epochs=20, learning_rate=1e-2, random_state=0).fit(x, y)
    assert model.score(x_test, y_test) > 0.9
    assert hasattr(model, "predict_proba") == (loss.info.name != "categorical_hinge")


@pytest.mark.parametrize("loss", [None, "hinge", fl.BinaryFocal(), 0.5 * fl.BinaryCrossEntropy() + fl.BinaryFocal()])
def test_two_classes(loss, rng):
    x = rng.normal(size=(300, 2))
    y = np.where(x[:, 0] * x[:, 1] > 0, "same", "other")
    model = nn.NeuralClassifier(loss, epochs=100, learning_rate=0.02, random_state=0).fit(x, y)
    assert model.score(x, y) > 0.9
    assert model.decision_function(x).shape == (300,)
    assert list(model.classes_) == ["other", "same"]


REGRESSIONS = [  # and what the held-out loss over that of the constant must be below, or the difference, in nats
    (fl.HalfSquaredError(), 0.7, None),
    (fl.Huber(delta=0.3), 0.8, None),
    (fl.MeanAbsoluteError(), 0.85, None),
    (fl.MultiQuantile(quantiles=(0.1, 0.5, 0.9)), 0.85, None),
    (fl.GaussianNLL(), None, -0.1),
]


@pytest.mark.parametrize(("loss", "ratio", "difference"), REGRESSIONS, ids=repr)
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_beats_the_constant_on_diabetes(loss, ratio, difference, real, diabetes):
    x, y, x_test, y_test = diabetes
    model = nn.NeuralRegressor(loss, learning_rate=1e-2, epochs=60, penalty=L2(1e-2), random_state=0)
    model.fit(x.astype(real), y)
    raw = model._raw_scores(x_test.astype(real))
    assert raw.dtype == real
    constant = np.broadcast_to(model.init_score_, raw.shape)
    assert np.shape(model.init_score_) == np.shape(loss.init_score(y))
    ours, theirs = model.loss_(y_test, raw), model.loss_(y_test, constant)
    assert ours < ratio * theirs if difference is None else ours < theirs + difference
    columns = {"multi_quantile": (3,)}.get(loss.info.name, ())
    assert model.predict(x_test).shape == (len(y_test), *columns)


def test_predicts_on_the_natural_scale(rng):
    x = rng.normal(size=(400, 2))
    rate = np.exp(x[:, 0])
    model = nn.NeuralRegressor("poisson", epochs=60, learning_rate=1e-2, random_state=0).fit(x, rng.poisson(rate))
    assert model.loss_ == fl.Poisson(log_input=True)
    predicted = model.predict(x)
    assert (predicted > 0).all()
    assert np.corrcoef(np.log(predicted), x[:, 0])[0, 1] > 0.95
    assert not hasattr(model, "predict_distribution")


def test_predicts_distributions(rng):
    pytest.importorskip("scipy")
    x = rng.uniform(-1, 1, size=(600, 1))
    y = x[:, 0] + np.exp(x[:, 0]) * rng.normal(size=600)
    model = nn.NeuralRegressor("gaussian_nll", epochs=60, learning_rate=1e-2, random_state=0).fit(x, y)
    spread = model.predict_distribution(np.array([[-0.9], [0.9]])).std()
    assert spread[1] > 2 * spread[0]


def test_penalties_shrink_weights_and_leave_biases(rng):
    x = rng.normal(size=(200, 3))
    y = x[:, 0] + 5.0
    options = {"hidden": (), "epochs": 200, "learning_rate": 0.02, "batch_size": None, "random_state": 0}
    for penalty, expected in ((None, 1.0), (L2(1.0), 0.5), (L1(0.3), 0.7)):  # roughly, for x of variance 1
        weights, bias = nn.NeuralRegressor(penalty=penalty, **options).fit(x, y).network_.parameters
        assert weights[0, 0] == pytest.approx(expected, abs=0.06)
        assert bias[0] == pytest.approx(5.0, abs=0.1)


def test_linear_network_matches_least_squares(rng):
    x = rng.normal(size=(100, 3))
    y, w = x @ [1.0, -2.0, 0.5] + rng.normal(size=100), rng.uniform(0, 3, 100)
    options = {"hidden": (), "batch_size": None, "epochs": 1500, "learning_rate": 0.02, "random_state": 0}
    weights, bias = nn.NeuralRegressor(**options).fit(x, y, w).network_.parameters
    root, design = np.sqrt(w), np.column_stack([x, np.ones(100)])
    exact = np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0]
    np.testing.assert_allclose(np.append(weights, bias), exact, rtol=1e-5)


def test_integer_weights_are_repeated_rows(rng):
    x, y, w = rng.normal(size=(40, 2)), rng.normal(size=40), rng.integers(0, 3, 40)
    options = {"epochs": 20, "batch_size": None, "random_state": 0}
    weighted = nn.NeuralRegressor("huber", **options).fit(x, y, w)
    repeated = nn.NeuralRegressor("huber", **options).fit(np.repeat(x, w, axis=0), np.repeat(y, w))
    np.testing.assert_allclose(weighted.predict(x), repeated.predict(x), rtol=1e-9)
    np.testing.assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-9)
    assert np.abs(weighted.predict(x) - nn.NeuralRegressor("huber", **options).fit(x, y).predict(x)).max() > 1e-3


def test_early_stopping_keeps_the_best(rng):
    x, y = rng.normal(size=(80, 20)), rng.normal(size=80)  # nothing to learn but noise
    model = nn.NeuralRegressor(
        hidden=64, learning_rate=1e-2, epochs=500, early_stopping=True, validation_fraction=0.25, random_state=0
    ).fit(x, y)
    assert model.n_iter_ == len(model.loss_curve_) == len(model.validation_curve_) < 100
    best = int(np.argmin(model.validation_curve_))
    assert model.n_iter_ >= best + 10
    again = nn.NeuralRegressor(
        hidden=64, learning_rate=1e-2, epochs=max(best + 1, 2), early_stopping=True, validation_fraction=0.25,
        n_iter_no_change=500, random_state=0,
    ).fit(x, y)  # fmt: skip
    np.testing.assert_array_equal(model.predict(x), again.predict(x))


def test_warm_start_and_partial_fit_go_on(rng):
    x, y = rng.normal(size=(50, 2)), rng.normal(size=50)
    whole = nn.NeuralRegressor(epochs=6, random_state=0).fit(x, y)
    parts = nn.NeuralRegressor(epochs=3, random_state=0, warm_start=True).fit(x, y).fit(x, y)
    steps = nn.NeuralRegressor(random_state=0)
    for _ in range(6):
        steps.partial_fit(x, y)
    restored = pickle.loads(pickle.dumps(nn.NeuralRegressor(epochs=5, random_state=0).fit(x, y))).partial_fit(x, y)
    for other in (parts, steps, restored):
        np.testing.assert_array_equal(other.predict(x), whole.predict(x))
        assert other.n_iter_ == 6
        assert other.loss_curve_ == whole.loss_curve_


def test_partial_fit_with_all_classes(rng):
    x = rng.normal(size=(30, 2))
    model = nn.NeuralClassifier(learning_rate=0.01, random_state=0).partial_fit(x, np.zeros(30, int), classes=[0, 1, 5])
    assert list(model.classes_) == [0, 1, 5]
    assert np.isfinite(model.init_score_).all()
    for _ in range(200):
        model.partial_fit(x, np.where(x[:, 0] > 0, 5, 1))
    assert model.score(x, np.where(x[:, 0] > 0, 5, 1)) > 0.9


def test_callback_and_verbose(rng, capsys):
    x, y = rng.normal(size=(50, 2)), rng.normal(size=50)
    seen = []

    def stop(model):
        seen.append(model.loss_curve_[-1])
        return len(seen) == 3

    model = nn.NeuralRegressor(callback=stop, verbose=True, early_stopping=True, random_state=0).fit(x, y)
    assert model.n_iter_ == 3
    assert seen == model.loss_curve_
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("epoch 1: training loss ")
    assert "validation loss" in lines[0]


def test_dropout_only_in_training(rng):
    x, y = rng.normal(size=(50, 2)), rng.normal(size=50)
    model = nn.NeuralRegressor(dropout=0.5, epochs=5, random_state=0).fit(x, y)
    np.testing.assert_array_equal(model.predict(x), model.predict(x))


def test_grid_search_and_clone(rng):
    selection = pytest.importorskip("sklearn.model_selection")
    x = rng.normal(size=(120, 2))
    search = selection.GridSearchCV(
        nn.NeuralRegressor(learning_rate=1e-2, epochs=30, random_state=0),
        {"loss": [fl.Huber(), "mae"], "penalty": [None, L2(0.1)]},
        cv=2,
    )
    assert search.fit(x, 3 * x[:, 0]).best_score_ > 0.8


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("hidden must be >= 1", {"hidden": (8, 0)}),
        ("activation must be one of", {"activation": "gelu"}),
        ("dropout must be >= 0 and < 1", {"dropout": 1.0}),
        ("optimizer must be one of 'adam', 'sgd'", {"optimizer": "lbfgs"}),
        ("batch_size must be >= 1", {"batch_size": 0}),
        ("epochs must be >= 1", {"epochs": 0}),
        ("validation_fraction must be > 0 and < 1", {"early_stopping": True, "validation_fraction": 1.0}),
        ("n_iter_no_change must be >= 1", {"n_iter_no_change": 0}),
        ("penalty must be one of", {"penalty": "l3"}),
        ("loss must have one number as the target", {"loss": "cce"}),
        ("training loss is (nan|inf)", {"optimizer": "sgd", "learning_rate": 1e30, "activation": "identity"}),
    ],
)
def test_bad_parameters_raise_in_fit(message, options, rng):
    pytest.importorskip("sklearn")
    with pytest.raises(ValueError, match=message), np.errstate(all="ignore"):
        nn.NeuralRegressor(**options).fit(rng.normal(size=(20, 2)), rng.normal(size=20))


def test_targets_outside_the_domain_raise(rng):
    pytest.importorskip("sklearn")
    with pytest.raises(ValueError, match="y_true must be >= 0, got -1"):
        nn.NeuralRegressor("poisson").fit(rng.normal(size=(3, 2)), [1.0, -1.0, 2.0])
