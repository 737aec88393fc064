"""Losses in scikit-learn: training of histogram gradient boosting, and scoring."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import fastloss as fl
from fastloss.adapters import sklearn as for_sklearn
from fastloss.adapters.sklearn import hist_gradient_boosting_loss, scorer

sklearn = pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor  # noqa: E402
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate  # noqa: E402
from sklearn.naive_bayes import GaussianNB  # noqa: E402
from sklearn.svm import LinearSVC  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture(autouse=True)
def one_thread():
    """Small fits lose their time in barriers where processors are shared."""
    with threadpool_limits(1):
        yield


def made(kind, rng, n=1200, weighted=False):
    """Features, targets of a kind, weights."""
    x = rng.normal(size=(n, 4))
    signal = x[:, 0] + np.sin(3 * x[:, 1])
    y = {
        "real": lambda: signal + 0.3 * rng.standard_t(3, n),
        "binary": lambda: (signal + 0.1 * rng.logistic(size=n) > 0.3).astype(int),
        "counts": lambda: rng.poisson(np.exp(signal / 2)),
        "positive": lambda: np.exp(signal / 2) * rng.gamma(2.0, 0.5, n),
        "classes": lambda: np.digitize(signal + 0.2 * rng.normal(size=n), [-1, 0, 1]),
    }[kind]()
    return SimpleNamespace(x=x, y=y, w=rng.uniform(0.1, 4.0, n) if weighted else None)


def estimator(loss, kind="real", **parameters):
    cls = HistGradientBoostingClassifier if kind in ("binary", "classes") else HistGradientBoostingRegressor
    parameters = {"max_iter": 20, "learning_rate": 0.3, "max_leaf_nodes": 8, "random_state": 0, **parameters}
    return cls(loss=loss, **parameters)


def response(model, x):
    return model.predict_proba(x) if hasattr(model, "predict_proba") else model.predict(x)


# ---- import and versions --------------------------------------------------------------------------------------------


def test_import_needs_no_scikit_learn():
    code = (
        "import sys, fastloss as fl; from fastloss.adapters import sklearn as a; a.scorer('huber'); "
        "assert 'sklearn' not in sys.modules; assert 'LinearLossRegressor' in dir(a)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def forgotten():
    """Let the test of scikit-learn's interface run again, now and after the test."""
    for_sklearn._trainer.cache_clear()
    yield
    for_sklearn._trainer.cache_clear()


def test_old_scikit_learn(monkeypatch, forgotten):
    monkeypatch.setattr(sklearn, "__version__", "1.4.2")
    with pytest.raises(ImportError, match=r"needs sklearn >= 1\.6, found 1\.4\.2: pip install 'fastloss\[sklearn\]'"):
        hist_gradient_boosting_loss("huber")


def renamed(self, target, prediction):
    """What an argument of another name looks like."""


@pytest.mark.parametrize("method", ["gradient_hessian", "init_gradient_and_hessian"])
def test_moved_interface(monkeypatch, forgotten, method):
    from sklearn._loss.loss import BaseLoss

    monkeypatch.setattr(BaseLoss, method, renamed)
    with pytest.raises(ImportError, match=r"private interface of losses .* has changed") as caught:
        hist_gradient_boosting_loss("huber")
    assert sklearn.__version__ in str(caught.value)
    assert "pip install 'fastloss[sklearn]' 'scikit-learn<1.10'" in str(caught.value)


def test_estimators_that_take_names_alone(monkeypatch, forgotten):
    constraints = HistGradientBoostingRegressor._parameter_constraints
    names = [option for option in constraints["loss"] if not isinstance(option, type)]
    monkeypatch.setitem(constraints, "loss", names)
    with pytest.raises(ImportError, match=r"has changed .*'loss' parameter of HistGradientBoostingRegressor"):
        hist_gradient_boosting_loss("huber")


# ---- training -------------------------------------------------------------------------------------------------------

BUILT_IN = {
    "half_squared_error": ("real", "squared_error"),
    "mean_absolute_error": ("real", "absolute_error"),
    "poisson": ("counts", "poisson"),
    "gamma": ("positive", "gamma"),
    "binary_cross_entropy": ("binary", "log_loss"),
    "sparse_categorical_cross_entropy": ("classes", "log_loss"),
}


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("early_stopping", [False, True], ids=["", "early_stopping"])
def test_reproduces_built_in_loss(name, weighted, early_stopping, rng):
    kind, theirs = BUILT_IN[name]
    data = made(kind, rng, weighted=weighted)
    options = {"early_stopping": early_stopping, "n_iter_no_change": 3, "max_iter": 60 if early_stopping else 20}
    built_in, ours = (
        estimator(loss, kind, **options).fit(data.x, data.y, sample_weight=data.w)
        for loss in (theirs, hist_gradient_boosting_loss(name))
    )
    np.testing.assert_allclose(response(ours, data.x), response(built_in, data.x), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ours.predict(data.x), built_in.predict(data.x), rtol=1e-6, atol=1e-6)
    assert ours.n_iter_ == built_in.n_iter_
    np.testing.assert_allclose(ours.validation_score_, built_in.validation_score_, rtol=1e-6, atol=1e-9)
    assert np.ptp(response(ours, data.x)) > 0.5
    if weighted:
        unweighted = estimator(ours.loss, kind, **options).fit(data.x, data.y)
        assert np.abs(response(unweighted, data.x) - response(ours, data.x)).max() > 1e-2


def test_quantiles_like_the_built_in(rng):
    """Not the same: of all quantiles of the targets, scikit-learn starts from the interpolated one."""
    data = made("real", rng, 3000)
    x, y, held_out = data.x[:2000], data.y[:2000], slice(2000, None)
    for q in (0.1, 0.9):
        loss = fl.Quantile(quantile=q)
        built_in = estimator("quantile", quantile=q).fit(x, y).predict(data.x[held_out])
        ours = estimator(hist_gradient_boosting_loss(loss)).fit(x, y).predict(data.x[held_out])
        assert loss(data.y[held_out], ours) < 1.05 * loss(data.y[held_out], built_in)


LEARNT = [  # held-out loss of the model over that of the best constant: at most
    (fl.Quantile(quantile=0.9), "real", 0.5),
    (fl.Quantile(quantile=0.1), "real", 0.5),
    (fl.MeanAbsoluteError(), "real", 0.4),
    (fl.Huber(delta=0.5), "real", 0.3),
    (fl.TukeyBiweight(), "real", 0.25),
    (fl.LogCosh(), "real", 0.25),
    (fl.EpsilonInsensitive(), "real", 0.35),
    (fl.Expectile(expectile=0.9), "real", 0.3),
    (0.5 * fl.Huber() + 0.5 * fl.Quantile(quantile=0.6), "real", 0.35),
    (fl.BinaryFocal(gamma=0.5), "binary", 0.3),
    (fl.BinaryFocal(gamma=2.0), "binary", 0.3),
    (fl.BinaryFocal(gamma=5.0), "binary", 0.35),
    (fl.Hinge(), "binary", 0.65),
    (fl.Exponential(), "binary", 0.5),
    (fl.CategoricalFocal(gamma=2.0), "classes", 0.3),
    (fl.CategoricalHinge(), "classes", 0.5),
]


@pytest.mark.parametrize(("loss", "kind", "share"), LEARNT, ids=repr)
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
def test_learns(loss, kind, share, weighted, rng):
    data = made(kind, rng, 3000, weighted)
    w, held_out_w = (None, None) if data.w is None else (data.w[:2000], data.w[2000:])
    model = estimator(hist_gradient_boosting_loss(loss), kind, max_iter=60, learning_rate=0.1)
    model.fit(data.x[:2000], data.y[:2000], w)
    scores = (model.predict if kind == "real" else model.decision_function)(data.x[2000:])
    raw, y = loss.on_raw(), data.y[2000:]
    constant = np.broadcast_to(raw.init_score(data.y[:2000], w), scores.shape)
    assert raw(y, scores, held_out_w) < share * raw(y, constant, held_out_w)


@pytest.mark.parametrize(
    ("name", "kind"), [("poisson", "counts"), ("binary_focal", "binary"), ("exponential", "binary")]
)
def test_predictions_are_on_the_natural_scale(name, kind, rng):
    data = made(kind, rng)
    model = estimator(hist_gradient_boosting_loss(name), kind).fit(data.x, data.y)
    raw = model._raw_predict(data.x).ravel()
    natural = fl.get(name).link.inverse(raw)
    if kind == "counts":
        np.testing.assert_array_equal(model.predict(data.x), natural)
    else:
        np.testing.assert_array_equal(model.predict_proba(data.x)[:, 1], natural)
        np.testing.assert_allclose(model.predict_proba(data.x).sum(axis=1), 1, rtol=1e-15)
        np.testing.assert_array_equal(model.predict(data.x), (raw > 0).astype(int))


def test_labels_of_any_kind(rng):
    data = made("classes", rng)
    names = np.array(["a", "b", "c", "d"])[data.y]
    model = estimator(hist_gradient_boosting_loss("categorical_focal"), "classes").fit(data.x, names)
    assert (model.predict(data.x) == names).mean() > 0.8
    np.testing.assert_allclose(model.predict_proba(data.x).sum(axis=1), 1, rtol=1e-12)


def test_number_of_classes_follows_each_fit(rng):
    data = made("classes", rng)
    model = estimator(hist_gradient_boosting_loss("categorical_focal"), "classes", max_iter=3)
    for last in (3, 2):
        keep = data.y <= last
        assert model.fit(data.x[keep], data.y[keep]).predict_proba(data.x).shape == (1200, last + 1)


def test_clone_pickle_copy(rng):
    data = made("real", rng)
    loss = hist_gradient_boosting_loss(fl.Huber(delta=0.5), hessian="majorizer")
    model = estimator(loss).fit(data.x, data.y)
    expected = model.predict(data.x)
    for other in (clone(model), copy.deepcopy(model), estimator(pickle.loads(pickle.dumps(loss)))):
        np.testing.assert_array_equal(other.fit(data.x, data.y).predict(data.x), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(data.x), expected)
    assert "Huber(delta=0.5)" in repr(model)
    assert "majorizer" in repr(loss)


@pytest.mark.parametrize(("name", "kind"), [("huber", "real"), ("categorical_focal", "classes")])
def test_warm_start(name, kind, rng):
    data = made(kind, rng)
    loss = hist_gradient_boosting_loss(name)
    model = estimator(loss, kind, max_iter=5, warm_start=True).fit(data.x, data.y)
    model.set_params(max_iter=12).fit(data.x, data.y)
    at_once = estimator(loss, kind, max_iter=12).fit(data.x, data.y)
    np.testing.assert_allclose(response(model, data.x), response(at_once, data.x), rtol=1e-9)


@pytest.mark.parametrize("loss", [fl.Huber(), fl.Quantile(quantile=0.8), fl.BinaryFocal()], ids=repr)
def test_monotonic_constraints(loss, rng):
    kind = "binary" if loss == fl.BinaryFocal() else "real"
    data = made(kind, rng)
    x = np.repeat(rng.normal(size=(20, 1, 4)), 50, axis=1)
    x[:, :, 1] = np.linspace(-2, 2, 50)  # the signal oscillates along it
    ours = hist_gradient_boosting_loss(loss, renew_leaves=False)
    constrained, free = (
        estimator(ours, kind, monotonic_cst=[0, sign, 0, 0]).fit(data.x, data.y)._raw_predict(x.reshape(-1, 4))
        for sign in (1, 0)
    )
    assert (np.diff(constrained.reshape(20, 50)) >= 0).all()
    assert (np.diff(free.reshape(20, 50)) < 0).any()


def test_categorical_features_and_class_weight(rng):
    x = rng.integers(0, 6, (1500, 1)).astype(float)
    y = np.isin(x[:, 0], [0, 3, 4]) ^ (rng.random(1500) < 0.1)
    loss = hist_gradient_boosting_loss("binary_cross_entropy")
    options = {"categorical_features": [0], "class_weight": "balanced", "max_leaf_nodes": 2, "max_iter": 10}
    ours, built_in = (estimator(o, "binary", **options).fit(x, y).predict_proba(x) for o in (loss, "log_loss"))
    np.testing.assert_allclose(ours, built_in, rtol=1e-6)
    assert ((ours[:, 1] > 0.5) == np.isin(x[:, 0], [0, 3, 4])).all()


def test_early_stopping_stops_on_the_loss(rng):
    data = made("binary", rng)
    loss = fl.BinaryFocal(gamma=2.0)
    options = {"early_stopping": True, "max_iter": 200, "n_iter_no_change": 3, "validation_fraction": 0.3}
    model = estimator(hist_gradient_boosting_loss(loss), "binary", **options).fit(data.x, data.y)
    assert 3 < model.n_iter_ < 200
    assert len(model.validation_score_) == model.n_iter_ + 1
    start = loss.on_raw()(data.y, np.full(len(data.y), loss.init_score(data.y)))
    np.testing.assert_allclose(-model.validation_score_[0], start, rtol=0.02)
    assert model.validation_score_.max() > model.validation_score_[0] / 2


@pytest.mark.parametrize("name", ["quantile", "huber", "half_squared_error"])
def test_rows_of_weight_0_do_not_count(name, rng):
    """Not even where their loss is infinite, nor in leaves that hold nothing else."""
    data = made("real", rng)
    w = (np.arange(1200) % 2).astype(float)
    y = np.where(w > 0, data.y, 1e200)
    options = {"min_samples_leaf": 1, "early_stopping": True, "validation_fraction": None}
    model = estimator(hist_gradient_boosting_loss(name), **options).fit(data.x, y, sample_weight=w)
    assert np.abs(model.predict(data.x)).max() < 100
    assert np.isfinite(model.train_score_).all()


def test_hessian_and_leaves_can_be_chosen(rng):
    assert hist_gradient_boosting_loss("huber").curvature == "majorizer"
    assert hist_gradient_boosting_loss("huber").differentiable
    absolute = hist_gradient_boosting_loss("mean_absolute_error")
    assert (absolute.curvature, absolute.differentiable) == ("unit", False)
    newton = hist_gradient_boosting_loss("mean_absolute_error", renew_leaves=False)
    assert (newton.curvature, newton.differentiable) == ("majorizer", True)
    assert hist_gradient_boosting_loss("poisson", hessian="fisher").curvature == "fisher"
    data = made("real", rng)
    for loss in (fl.MeanAbsoluteError(), fl.Huber(delta=0.01)):
        scores = [
            loss(
                data.y, estimator(hist_gradient_boosting_loss(loss, renew_leaves=r)).fit(data.x, data.y).predict(data.x)
            )
            for r in (True, False)
        ]
        assert scores[0] < 0.98 * scores[1]


@pytest.mark.parametrize("name", ["mean_absolute_error", "quantile", "epsilon_insensitive"])
def test_kinked_losses_of_the_residual_renew_their_leaves(name):
    assert hist_gradient_boosting_loss(name).renew_leaves


@pytest.mark.parametrize("name", ["mean_absolute_percentage_error", "hinge", "huber", "multi_margin", "poisson"])
def test_other_losses_do_not(name):
    assert not hist_gradient_boosting_loss(name).renew_leaves


def test_degenerate_targets(rng):
    """All counts 0, or labels of one class: the best constant is infinite."""
    x = rng.normal(size=(100, 2))
    counts = estimator(hist_gradient_boosting_loss("poisson")).fit(x, np.zeros(100)).predict(x)
    assert (counts < 1e-9).all()
    labels = estimator(hist_gradient_boosting_loss("binary_focal"), "binary").fit(x, np.zeros(100)).predict_proba(x)
    assert (labels[:, 1] < 1e-9).all()


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ValueError, "unknown loss 'hubr'", lambda: hist_gradient_boosting_loss("hubr")),
        (ValueError, "hessian must be one of 'exact'", lambda: hist_gradient_boosting_loss("huber", hessian="fisher")),
        (ValueError, "one prediction for each row", lambda: hist_gradient_boosting_loss("gaussian_nll")),
        (ValueError, "one prediction for each row", lambda: hist_gradient_boosting_loss("multi_quantile")),
        (ValueError, "must take labels", lambda: hist_gradient_boosting_loss("kl_divergence")),
        (ValueError, "must have a hessian", lambda: hist_gradient_boosting_loss("linear_cross_entropy")),
        (ValueError, "renew_leaves must be False", lambda: hist_gradient_boosting_loss("poisson", renew_leaves=True)),
        (TypeError, "renew_leaves must be True or False", lambda: hist_gradient_boosting_loss("huber", renew_leaves=1)),
        (ValueError, "n_classes must be >= 1", lambda: hist_gradient_boosting_loss("multi_margin", n_classes=0)),
    ],
)
def test_bad_arguments_raise(error, message, call):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("poisson", "real", "y_true must be >= 0"),
        ("binary_focal", "classes", "y_true must be 0 or 1, got 2.0"),
        ("categorical_focal", "binary", "loss must be a loss of two classes"),
    ],
)
def test_wrong_targets_stop_training(name, kind, message, rng):
    data = made(kind, rng, 200)
    y = data.y if kind != "classes" else 3 - data.y
    with pytest.raises(ValueError, match=message):
        estimator(hist_gradient_boosting_loss(name), kind).fit(data.x, y)


def test_losses_of_margins_have_no_probabilities(rng):
    data = made("binary", rng, 200)
    model = estimator(hist_gradient_boosting_loss("hinge"), "binary").fit(data.x, data.y)
    with pytest.raises(ValueError, match="gives no probabilities: use predict or decision_function"):
        model.predict_proba(data.x)
    assert model.score(data.x, data.y) > 0.7


# ---- scoring --------------------------------------------------------------------------------------------------------


def fitted(cls, data, **parameters):
    return cls(**parameters).fit(data.x, data.y)


NAMES = {0: "no", 1: "yes"}
PEERS = [
    (fl.MeanAbsoluteError(), LinearRegression, "real", "neg_mean_absolute_error"),
    (fl.MeanSquaredError(), LinearRegression, "real", "neg_mean_squared_error"),
    (fl.BinaryCrossEntropy(), LogisticRegression, "binary", "neg_log_loss"),
    (fl.BinaryCrossEntropy(from_logits=True), LogisticRegression, "binary", "neg_log_loss"),
    (fl.SparseCategoricalCrossEntropy(), LogisticRegression, "binary", "neg_log_loss"),
    (fl.SparseCategoricalCrossEntropy(), LogisticRegression, "classes", "neg_log_loss"),
    (fl.CategoricalCrossEntropy(), LogisticRegression, "classes", "neg_log_loss"),
    (fl.NegativeLogLikelihood(), LogisticRegression, "classes", "neg_log_loss"),
    (fl.SparseCategoricalCrossEntropy(from_logits=True), LogisticRegression, "classes", "neg_log_loss"),
]


@pytest.mark.parametrize(("loss", "cls", "kind", "peer"), PEERS, ids=[f"{p[0]!r}-{p[2]}" for p in PEERS])
def test_scores_like_scikit_learn(loss, cls, kind, peer, rng):
    data = made(kind, rng, 300, weighted=True)
    theirs, ours = sklearn.metrics.get_scorer(peer), scorer(loss)
    names = np.array(["delta", "alpha", "gamma", "beta"])
    for y in [data.y] if kind == "real" else [data.y, data.y == 1, names[data.y]]:
        model = cls().fit(data.x, y)
        assert ours(model, data.x, y) == pytest.approx(theirs(model, data.x, y), rel=1e-9)
        weighted = ours(model, data.x, y, sample_weight=data.w)
        assert weighted == pytest.approx(theirs(model, data.x, y, sample_weight=data.w), rel=1e-9)
        assert weighted != ours(model, data.x, y)


def test_rows_without_a_class(rng):
    data = made("classes", rng, 300)
    model = LogisticRegression().fit(data.x, data.y)
    some = data.y == 2
    expected = np.log(model.predict_proba(data.x[some])[:, 2]).mean()
    for loss in (fl.SparseCategoricalCrossEntropy(), fl.CategoricalCrossEntropy()):
        assert scorer(loss)(model, data.x[some], data.y[some]) == pytest.approx(expected)


def test_cross_validation_and_search(rng):
    data = made("binary", rng, 300)
    y = np.array(["no", "yes"])[data.y]
    np.testing.assert_allclose(
        cross_val_score(LogisticRegression(), data.x, y, scoring=scorer("binary_cross_entropy")),
        cross_val_score(LogisticRegression(), data.x, y, scoring="neg_log_loss"),
    )
    scores = cross_validate(LogisticRegression(), data.x, y, scoring={"a": scorer("bce"), "b": "neg_log_loss"})
    np.testing.assert_allclose(scores["test_a"], scores["test_b"])
    search = GridSearchCV(LogisticRegression(), {"C": [1e-4, 1.0]}, scoring=scorer(fl.BinaryFocal())).fit(data.x, y)
    assert search.best_params_ == {"C": 1.0}
    assert search.score(data.x, y) == scorer(fl.BinaryFocal())(search.best_estimator_, data.x, y)


def test_metadata_routing(rng):
    data = made("binary", rng, 300, weighted=True)
    model = LogisticRegression()
    with sklearn.config_context(enable_metadata_routing=True):
        model.set_fit_request(sample_weight=True)
        weighted, unweighted = (
            cross_val_score(
                model,
                data.x,
                data.y,
                scoring=scorer("bce").set_score_request(sample_weight=ask),
                params={"sample_weight": data.w},
            )
            for ask in (True, False)
        )
        theirs = sklearn.metrics.get_scorer("neg_log_loss").set_score_request(sample_weight=True)
        expected = cross_val_score(model, data.x, data.y, scoring=theirs, params={"sample_weight": data.w})
        np.testing.assert_allclose(weighted, expected)
        assert np.abs(weighted - unweighted).max() > 1e-3
        search = GridSearchCV(model, {"C": [0.1, 1.0]}, scoring=scorer("bce").set_score_request(sample_weight=True))
        assert "mean_test_score" in search.fit(data.x, data.y, sample_weight=data.w).cv_results_
        with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="sample_weight"):
            cross_val_score(model, data.x, data.y, scoring=scorer("bce"), params={"sample_weight": data.w})


def test_hinge_like_losses_score_decisions(rng):
    for kind, loss in (("binary", fl.Hinge()), ("binary", fl.CategoricalHinge()), ("classes", fl.CategoricalHinge())):
        data = made(kind, rng, 300)
        y = np.array(["a", "b", "c", "d"])[data.y]
        model = LinearSVC().fit(data.x, y)
        expected = sklearn.metrics.hinge_loss(y, model.decision_function(data.x), labels=model.classes_)
        assert scorer(loss)(model, data.x, y) == pytest.approx(-expected)


def test_scales_of_predictions(rng):
    data = made("counts", rng, 300)
    model = PoissonRegressor().fit(data.x, data.y)
    expected = -fl.Poisson()(data.y, model.predict(data.x))
    for loss in (fl.Poisson(), fl.Poisson(log_input=True)):
        assert scorer(loss)(model, data.x, data.y) == pytest.approx(expected)
    binary = made("binary", rng, 300)
    bayes = GaussianNB().fit(binary.x, binary.y)  # has no decision_function
    p = bayes.predict_proba(binary.x)[:, 1]
    assert scorer(fl.Exponential())(bayes, binary.x, binary.y) == pytest.approx(
        -np.mean(np.where(binary.y == 1, np.sqrt((1 - p) / p), np.sqrt(p / (1 - p))))
    )
    logistic = LogisticRegression().fit(binary.x, binary.y)
    focal = fl.BinaryFocal()
    by_probability, by_logit = (scorer(focal, response=r) for r in ("predict_proba", "decision_function"))
    assert by_probability(logistic, binary.x, binary.y) == pytest.approx(by_logit(logistic, binary.x, binary.y))


def test_response_of_ones_own(rng):
    from sklearn.linear_model import BayesianRidge

    data = made("real", rng, 300, weighted=True)
    model = BayesianRidge().fit(data.x, data.y)
    mean, std = model.predict(data.x, return_std=True)
    loss = fl.GaussianNLL()
    ours = scorer(loss, response=lambda m, x: np.stack([m.predict(x), m.predict(x, return_std=True)[1] ** 2], axis=-1))
    expected = -loss(data.y, np.stack([mean, std**2], axis=-1), data.w)
    assert ours(model, data.x, data.y, sample_weight=data.w) == pytest.approx(expected)


def test_early_stopping_on_a_scorer(rng):
    data = made("binary", rng)
    y = np.array(["no", "yes"])[data.y]
    options = {"early_stopping": True, "n_iter_no_change": 3, "max_iter": 100}
    model = HistGradientBoostingClassifier(scoring=scorer(fl.BinaryFocal()), **options).fit(data.x, y)
    assert 3 < model.n_iter_ < 100


def test_scorers_pickle_and_copy(rng):
    data = made("binary", rng, 100)
    model = LogisticRegression().fit(data.x, data.y)
    ours = scorer(fl.BinaryFocal(gamma=1.0))
    for other in (pickle.loads(pickle.dumps(ours)), copy.deepcopy(ours), clone(ours, safe=False)):
        assert other(model, data.x, data.y) == ours(model, data.x, data.y)
        assert repr(other) == repr(ours)


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ("response must be one of", lambda d: scorer("huber", response="transform")),
        ("has no probabilities", lambda d: scorer("hinge", response="predict_proba")),
        ("must be a loss of predictions", lambda d: scorer("linear_cross_entropy")),
        ("several classes for the 4 classes", lambda d: scorer("bce")(fitted(LogisticRegression, d), d.x, d.y)),
        (
            "y must be among the classes .* got 7 at index 0",
            lambda d: scorer("nll")(fitted(LogisticRegression, d), d.x, d.y + 7 * (np.arange(len(d.y)) == 0)),
        ),
    ],
)
def test_bad_scorers_raise(message, call, rng):
    data = made("classes", rng, 300)
    data.y[0] = 0
    with pytest.raises(ValueError, match=message):
        call(data)


def test_missing_response(rng):
    data = made("binary", rng, 100)
    with pytest.raises(AttributeError, match="predict_proba"):
        scorer("bce")(LinearSVC().fit(data.x, data.y), data.x, data.y)
