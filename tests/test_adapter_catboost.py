"""CatBoost: the contract of objectives and metrics without it, and training with it where it is installed."""

import copy
import pickle
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from rows import default_row_losses
from support import draw, largest_hessian, pointwise_names

import fastloss as fl
from fastloss.adapters import catboost as adapter
from fastloss.adapters.catboost import Metric, Objective, metric, objective

FAST = {"iterations": 20, "learning_rate": 0.3, "depth": 4, "thread_count": 1, "random_seed": 0}
SILENT = {"allow_writing_files": False, "verbose": False}
# Without randomness, trees follow from the derivatives alone.
PLAIN = {**FAST, **SILENT, "bootstrap_type": "No", "random_strength": 0, "boosting_type": "Plain"}

SINGLE = [name for name in pointwise_names() if fl.get(name).n_predictions == 1]


@pytest.fixture
def catboost():
    pytest.importorskip("sklearn")
    return pytest.importorskip("catboost")


@pytest.fixture
def LossRegressor(catboost):
    return adapter.LossRegressor


@pytest.fixture
def LossClassifier(catboost):
    return adapter.LossClassifier


# ---- the contract, without CatBoost ---------------------------------------------------------------------------------


def test_import_needs_no_catboost():
    code = (
        "import sys, fastloss.adapters.catboost as a; a.objective('huber'); a.metric('huber'); dir(a); "
        "assert not {'catboost', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("module", "version", "message"),
    [
        ("catboost", None, r"needs catboost >= 1\.2\.7, which cannot be imported"),
        ("catboost", "1.1.1", r"needs catboost >= 1\.2\.7, found 1\.1\.1"),
        ("sklearn", None, r"needs sklearn >= 1\.6, which cannot be imported"),
    ],
)
def test_missing_or_old_library_is_one_clear_error(monkeypatch, module, version, message):
    for name in ("catboost", "sklearn"):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(__version__="9.9"))
    monkeypatch.setitem(sys.modules, module, version and SimpleNamespace(__version__=version))
    for name in adapter.NEED_CATBOOST:
        with pytest.raises(ImportError, match=message + r".*fastloss\[catboost\]"):
            getattr(adapter, name)
    with pytest.raises(ImportError, match=message):
        objective("gaussian_nll")


def test_unknown_attribute_raises():
    with pytest.raises(AttributeError, match="has no attribute 'LossRanker'"):
        adapter.LossRanker  # noqa: B018


@pytest.mark.parametrize("name", SINGLE)
def test_range_is_minus_the_derivatives_on_the_raw_scale(name, rng):
    made = objective(name)
    raw = fl.get(name).on_raw()
    y, f = draw(raw, 1000, rng)
    y, w = y.astype(np.float32), rng.uniform(0, 3, 1000).astype(np.float32)
    for array in (y, f, w):
        array.flags.writeable = False
    for weights in (w, None):
        ders = made.calc_ders_range(f, y, weights)
        g, h = raw.gradient_and_hessian(y, f, weights, reduction="sum", hessian=raw.default_hessian)
        if made.hessian == "majorizer" and raw.info.differentiability == "C0":
            h = np.minimum(h, largest_hessian(g, h))
        assert type(ders) is np.ndarray
        assert ders.dtype == np.float64
        np.testing.assert_array_equal(ders, -np.stack([g, h], axis=1))
    assert not np.shares_memory(made.calc_ders_range(f, y, w), made.calc_ders_range(f, y, w))


@pytest.mark.parametrize(
    "loss", [loss for loss in default_row_losses() if getattr(loss, "targets", "") in ("labels", "both")], ids=repr
)
def test_multi_is_minus_the_derivatives_of_a_row(loss):
    made = objective(loss)
    raw = loss.on_raw()
    scores = np.array([0.3, -1.2, 2.0, 0.1])
    g, h = raw.gradient_and_hessian(2, scores, 0.5, reduction="sum", hessian=raw.default_hessian)
    gradient, matrix = made.calc_ders_multi(scores, 2.0, 0.5)
    matrix = np.array(list(matrix))
    np.testing.assert_array_equal(gradient, -g)
    np.testing.assert_array_equal(np.diag(matrix), -h)
    if not isinstance(raw, fl.SparseCategoricalCrossEntropy):
        np.testing.assert_array_equal(matrix, np.diag(-h))


@pytest.mark.parametrize("loss", [fl.SparseCategoricalCrossEntropy(label_smoothing=0.1, class_weight=(1.0, 2.0, 0.5))])
def test_matrix_of_softmax_is_the_derivative_of_the_gradient(loss, rng):
    made, step = objective(loss), 1e-6
    for scores in (rng.normal(size=3), np.array([0.0, 40.0, -3.0])):
        matrix = np.array(list(made.calc_ders_multi(scores, 1.0, 1.5)[1]))
        for k in range(3):
            up, down = (made.calc_ders_multi(scores + s * step * np.eye(3)[k], 1.0, 1.5)[0] for s in (1, -1))
            np.testing.assert_allclose(matrix[k], np.subtract(up, down) / (2 * step), atol=1e-8)
    certain = np.array(list(made.calc_ders_multi(np.array([0.0, 1000.0, 0.0]), 1.0, 1.0)[1]))
    np.testing.assert_allclose(certain, np.zeros((3, 3)), atol=1e-300)


def test_floor_and_policy():
    made = objective("huber", hessian="exact", min_hessian=0.25)
    ders = made.calc_ders_range(np.array([0.0, 5.0]), np.zeros(2), None)
    assert ders.tolist() == [[0, -1], [-1, -0.25]]
    floored = objective("sparse_cce", min_hessian=0.5)
    gradient, matrix = floored.calc_ders_multi(np.zeros(2), 0.0, 1.0)
    assert gradient == [0.5, -0.5]
    assert list(matrix) == [[-0.5, 0], [0, -0.5]]


def test_metric_is_the_weighted_mean(rng):
    y, f, w = np.abs(rng.normal(size=(3, 50)))
    loss = fl.Poisson()
    for weight in (w, None):
        made = metric(loss)
        sums = [
            made.evaluate((f[part],), y[part], weight if weight is None else weight[part])
            for part in (slice(20), slice(20, 50))
        ]
        total = made.get_final_error(*np.sum(sums, axis=0))
        np.testing.assert_allclose(total, loss.on_raw()(y, f, weight), rtol=1e-12)
    assert metric(loss, raw=False).evaluate((f,), y, None)[0] == loss(y, f, reduction="sum")
    assert not made.is_max_optimal()
    assert np.isnan(made.get_final_error(0.0, 0.0))
    scores = rng.normal(size=(50, 3))
    error, weight = metric("sparse_cce").evaluate(tuple(scores.T), np.arange(50) % 3, w)
    np.testing.assert_allclose(
        error / weight, fl.SparseCategoricalCrossEntropy(from_logits=True)(np.arange(50) % 3, scores, w)
    )


def test_objects_are_values(rng):
    pairs = [
        (objective("huber", min_hessian=1e-3), objective(fl.Huber().config(), min_hessian=1e-3), objective("huber")),
        (metric("mae"), metric(fl.MeanAbsoluteError()), metric("mae", name="other")),
    ]
    for one, same, other in pairs:
        for copied in (same, pickle.loads(pickle.dumps(one)), copy.deepcopy(one), copy.copy(one)):
            assert copied == one != other
            assert hash(copied) == hash(one)
        with pytest.raises(AttributeError):
            one.loss = None
    assert isinstance(objective("huber"), Objective)
    assert isinstance(metric("huber", name="a b"), Metric)
    assert type(metric("huber", name="a b")).__name__ == "a b"
    assert repr(metric("huber")) == "Metric(loss=Huber(delta=1.0), name='huber')"


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ValueError, "unknown loss 'hubr'", lambda: objective("hubr")),
        (ValueError, "hessian must be one of 'exact'", lambda: objective("huber", hessian="fisher")),
        (ValueError, "min_hessian must be >= 0", lambda: objective("huber", min_hessian=-1.0)),
        (ValueError, "must have a hessian", lambda: objective("cosine_similarity")),
        (ValueError, "name must be a text", lambda: metric("huber", name="")),
        (TypeError, "raw must be True or False", lambda: metric("huber", raw="yes")),
        (
            ValueError,
            "y_true must be 0 or 1, got 2.0 at index 1",
            lambda: objective("focal").calc_ders_range(np.zeros(2), np.array([0.0, 2.0]), None),
        ),
        (
            ValueError,
            r"y_true must be an integer in \[0, 3\)",
            lambda: objective("sparse_cce").calc_ders_multi(np.zeros(3), 3.0, 1.0),
        ),
        (
            ValueError,
            "y_pred must have the shape",
            lambda: objective("sparse_cce").calc_ders_range(np.zeros(5), np.zeros(5), None),
        ),
        (ValueError, "y_pred must have the shape", lambda: objective("huber").calc_ders_multi(np.zeros(3), 0.0, 1.0)),
    ],
)
def test_bad_arguments_raise(error, message, call):
    with pytest.raises(error, match=message):
        call()


# ---- training with CatBoost's own estimators ------------------------------------------------------------------------


def problem(kind, rng, n=1000):
    """Features, targets, weights; the same for every loss of a kind."""
    x = rng.normal(size=(n, 4))
    signal = x[:, 0] + np.sin(3 * x[:, 1])
    y = {
        "real": lambda: 10 + 2 * signal + 0.3 * rng.standard_t(3, n),
        "binary": lambda: (2 * signal + rng.logistic(size=n) > 0).astype(float),
        "counts": lambda: rng.poisson(np.exp(signal / 2)).astype(float),
        "amounts": lambda: rng.poisson(np.exp(signal / 2)) * rng.gamma(2, size=n),
        "classes": lambda: (
            2 * np.stack([x[:, 0], np.sin(3 * x[:, 1]), 0 * signal], 1) + rng.gumbel(size=(n, 3))
        ).argmax(1),
        "spread": lambda: 10 + signal + np.exp(0.7 * x[:, 2]) * rng.normal(size=n),
    }[kind]()
    return x, y, rng.uniform(0.1, 4.0, n)


ONE_GRADIENT_STEP = {"leaf_estimation_method": "Gradient"}
THREE_STEPS = {**ONE_GRADIENT_STEP, "leaf_estimation_iterations": 3, "leaf_estimation_backtracking": "AnyImprovement"}
BUILT_IN = [  # loss, curvature, problem, what CatBoost calls it, settings
    (fl.HalfSquaredError(), None, "real", "RMSE", {}),
    (fl.BinaryCrossEntropy(), None, "binary", "Logloss", {}),
    (fl.BinaryCrossEntropy(), None, "binary", "Logloss", ONE_GRADIENT_STEP),
    (fl.Poisson(), None, "counts", "Poisson", {}),
    (fl.Poisson(), None, "counts", "Poisson", THREE_STEPS),
    (fl.Tweedie(power=1.3), None, "amounts", "Tweedie:variance_power=1.3", {"score_function": "L2"}),
    (fl.SparseCategoricalCrossEntropy(), None, "classes", "MultiClass", {}),
    (fl.BinaryFocal(gamma=2.0, alpha=0.3), "exact", "binary", "Focal:focal_alpha=0.3;focal_gamma=2", {}),
    (fl.Huber(), "exact", "real", "Huber:delta=1", {}),
    (fl.Expectile(expectile=0.7), None, "real", "Expectile:alpha=0.7", {}),
    (fl.LogCosh(), None, "real", "LogCosh", ONE_GRADIENT_STEP),
    (fl.Quantile(quantile=0.9), None, "real", "Quantile:alpha=0.9", ONE_GRADIENT_STEP),
]


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize(("loss", "hessian", "kind", "built_in", "settings"), BUILT_IN, ids=str)
def test_reproduces_built_in_objective(catboost, loss, hessian, kind, built_in, settings, weighted, rng):
    classes = kind == "classes"
    x, y, w = problem(kind, rng, 300 if classes else 1000)
    w = w if weighted else None
    start = np.float32(loss.init_score(y, w))
    pool = catboost.Pool(x, y, weight=w, baseline=np.broadcast_to(start, (len(y), np.size(start))))
    settings = {**PLAIN, **settings, **({"class_names": [0, 1, 2], "iterations": 8} if classes else {})}
    ours = {"loss_function": objective(loss, hessian), "eval_metric": metric(loss)}
    own = catboost.CatBoost({**settings, "loss_function": built_in}).fit(pool)
    custom = catboost.CatBoost({**settings, **ours}).fit(pool)
    got, expected = (model.predict(x, prediction_type="RawFormulaVal") for model in (custom, own))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    assert np.ptp(got) > 0.5
    found = custom.get_evals_result()["learn"][loss.info.name]
    np.testing.assert_allclose(found[-1], loss.on_raw()(y, got + start, w), rtol=1e-6)
    assert found[-1] < found[0]
    # The estimators start there too. Where the curvature has a unit, they divide by it, and l2_leaf_reg counts more.
    if loss.link.name == "identity" and loss != fl.HalfSquaredError():
        return
    estimator = adapter.LossClassifier if kind in ("binary", "classes") else adapter.LossRegressor
    settings.pop("class_names", None)
    model = estimator(loss=loss, hessian=hessian, **settings).fit(x, y, sample_weight=w)
    np.testing.assert_allclose(model.predict(x, "RawFormulaVal"), expected + start, rtol=1e-5, atol=1e-5)


def test_wrong_labels_stop_training(catboost, rng):
    model = catboost.CatBoostRegressor(**FAST, **SILENT, loss_function=objective("focal"), eval_metric=metric("focal"))
    with pytest.raises(catboost.CatBoostError, match=r"y_true must be 0 or 1, got 3\.0 at index 50"):
        model.fit(rng.normal(size=(100, 2)), np.repeat([0.0, 3.0], 50))


def test_dense_targets_train_natively(catboost, rng):
    """Shares of classes are CatBoost's several targets."""
    x, y, w = problem("classes", rng, 300)
    shares = np.eye(3)[y] * 0.8 + 0.2 / 3
    ours = {"loss_function": objective("kl_divergence"), "eval_metric": metric("kl_divergence", name="kl")}
    model = catboost.CatBoostRegressor(**{**FAST, **SILENT, **ours}).fit(x, shares, sample_weight=w)
    found = model.get_evals_result()["learn"]["kl"]
    assert found[-1] < 0.6 * fl.KLDivergence(from_logits=True)(shares, np.zeros((300, 3)), w)
    np.testing.assert_allclose(found[-1], fl.KLDivergence(from_logits=True)(shares, model.predict(x), w), rtol=1e-5)


def test_several_targets_are_values(catboost):
    made, watched = objective("gaussian_nll"), metric("gaussian_nll")
    assert isinstance(made, adapter.MultiTargetObjective)
    assert isinstance(watched, adapter.MultiTargetMetric)
    for one in (made, watched):
        for copied in (pickle.loads(pickle.dumps(one)), copy.deepcopy(one)):
            assert copied == one
            assert hash(copied) == hash(one)
    target, scores = np.float32([3, 3]), np.array([1.0, 0.5])
    gradient, matrix = made.calc_ders_multi(scores, target, 2.0)
    loss = fl.GaussianNLL().on_raw()
    g, h = loss.gradient_and_hessian(3.0, scores, 2.0, reduction="sum", hessian="fisher")
    np.testing.assert_allclose(gradient, -g)
    np.testing.assert_allclose(list(matrix), np.diag(-h))


# ---- the estimators -------------------------------------------------------------------------------------------------

LEARNT = [  # held-out loss of the model over that of the best constant: at most
    ("real", fl.MeanAbsoluteError(), 0.35),
    ("real", fl.Quantile(quantile=0.9), 0.45),
    ("real", fl.Quantile(quantile=0.1), 0.45),
    ("real", fl.TukeyBiweight(), 0.15),
    ("real", fl.LogCosh(), 0.15),
    ("real", fl.Huber(delta=0.5), 0.2),
    ("real", fl.MultiQuantile(quantiles=(0.1, 0.5, 0.9)), 0.7),
    ("binary", fl.BinaryFocal(gamma=0.5), 0.75),
    ("binary", fl.BinaryFocal(gamma=2.0), 0.75),
    ("binary", fl.BinaryFocal(gamma=5.0), 0.75),
    ("classes", fl.CategoricalFocal(), 0.75),
]


def held_out(model, x, y, x_test, y_test):
    """Loss of a model and of the constant it starts from, on other rows."""
    model.fit(x, y)
    raw = model.predict(x_test, "RawFormulaVal")
    codes = np.searchsorted(model.classes_, y_test) if model._estimator_type == "classifier" else y_test
    return model.loss_(codes, raw), model.loss_(codes, np.broadcast_to(model.init_score_, raw.shape))


@pytest.mark.parametrize(("kind", "loss", "most"), LEARNT, ids=str)
def test_learns(LossRegressor, LossClassifier, kind, loss, most, rng):
    rows = 600 if loss.n_predictions != 1 else 1500
    x, y, _ = problem(kind, rng, rows + 500)
    estimator = LossClassifier if kind in ("binary", "classes") else LossRegressor
    iterations = 30 if loss.n_predictions != 1 else 80
    model = estimator(loss=loss, **{**FAST, **SILENT, "iterations": iterations})
    got, constant = held_out(model, x[:rows], y[:rows], x[rows:], y[rows:])
    assert got < most * constant


@pytest.mark.parametrize("name", ["gaussian_nll", "laplace_nll", "student_t_nll", "gaussian_crps"])
def test_distributions_learn(LossRegressor, name, rng):
    x, y, _ = problem("spread", rng, 1100)
    model = LossRegressor(loss=name, **{**FAST, **SILENT, "iterations": 25, "learning_rate": 0.15})
    got, constant = held_out(model, x[:600], y[:600], x[600:], y[600:])
    assert got < constant - 0.1
    found = model.predict_distribution(x[600:])
    np.testing.assert_allclose(model.predict(x[600:]), found.median() if name != "gaussian_nll" else found.mean())
    sure, unsure = x[600:, 2] < -0.5, x[600:, 2] > 0.5
    assert found.std()[unsure].mean() > 1.5 * found.std()[sure].mean()


# What an estimator does with one loss of each kind.
KINDS = [
    ("real", "huber"),
    ("counts", "poisson"),
    ("spread", "gaussian_nll"),
    ("spread", fl.MultiQuantile(quantiles=(0.1, 0.9))),
    ("binary", "binary_focal"),
    ("classes", None),
]


@pytest.fixture(params=KINDS, ids=lambda kind: kind[0] + "-" + str(kind[1]))
def fitted(request, LossRegressor, LossClassifier, rng):
    """A trained estimator, with the data that it has seen."""
    kind, loss = request.param
    estimator = LossClassifier if kind in ("binary", "classes") else LossRegressor
    x, y, w = problem(kind, rng, 200)
    model = estimator(loss=loss, **{**FAST, **SILENT, "iterations": 4}).fit(x, y, sample_weight=w)
    return SimpleNamespace(model=model, x=x, y=y, w=w, params={"loss": loss} if loss else {})


def test_start_and_natural_scale(fitted):
    model = fitted.model
    raw = model.predict(fitted.x, "RawFormulaVal")
    known = {"n_classes": 3} if model.loss_.info.name == "sparse_categorical_cross_entropy" else {}
    start = model.loss_.init_score(np.asarray(fitted.y), np.float32(fitted.w), **known)
    np.testing.assert_allclose(model.init_score_, start, rtol=1e-5)
    assert model.loss_(fitted.y, raw, fitted.w) < model.loss_(fitted.y, np.broadcast_to(start, raw.shape), fitted.w)
    if hasattr(model, "predict_proba"):
        probability = model.loss_.link.inverse(raw)
        expected = probability if raw.ndim == 2 else np.stack([1 - probability, probability], axis=1)
        np.testing.assert_allclose(model.predict_proba(fitted.x), expected, rtol=1e-12)
        np.testing.assert_allclose(np.exp(model.predict(fitted.x, "LogProbability")), expected, rtol=1e-12)
        np.testing.assert_array_equal(model.predict(fitted.x), model.classes_[expected.argmax(axis=1)])
    else:
        expected = model.loss_.link.inverse(raw)
        expected = expected[:, 0] if model.loss_.n_predictions == 2 else expected
        np.testing.assert_allclose(model.predict(fitted.x), expected)


def test_single_row_and_stages(fitted):
    model, x = fitted.model, fitted.x
    for predict in filter(None, (model.predict, getattr(model, "predict_proba", None))):
        assert np.shape(predict(x[3])) == np.shape(predict(x))[1:]
        if predict(x).dtype.kind == "f":
            np.testing.assert_allclose(predict(x[3]), predict(x)[3], rtol=1e-12)
        else:
            assert predict(x[3]) == predict(x)[3]
    types = [None, "RawFormulaVal", *(["Probability", "LogProbability"] if hasattr(model, "predict_proba") else [])]
    for kind in types:
        options = {} if kind is None else {"prediction_type": kind}
        stages = list(model.staged_predict(x, **options))
        assert len(stages) == 4
        np.testing.assert_allclose(stages[-1], model.predict(x, **options), rtol=1e-12)
        assert np.abs(stages[0] - stages[-1]).max() > 0


def test_copies_predict_and_keep_loss(fitted, catboost, tmp_path):
    model = fitted.model
    path = str(tmp_path / "model.cbm")
    model.save_model(path)
    raw = model.predict(fitted.x, "RawFormulaVal")
    # CatBoost alone has the start, and the labels.
    alone = catboost.CatBoost().load_model(path)
    np.testing.assert_array_equal(alone.predict(fitted.x), raw)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), type(model)().load_model(path)):
        assert other.loss_ == model.loss_
        np.testing.assert_array_equal(other.init_score_, model.init_score_)
        np.testing.assert_array_equal(other.predict(fitted.x), model.predict(fitted.x))
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert other.get_params() == model.get_params()
    again = type(model)().load_model(path)
    again.fit(fitted.x, fitted.y, sample_weight=fitted.w)
    np.testing.assert_allclose(again.predict(fitted.x, "RawFormulaVal"), raw, rtol=1e-6)


def test_parameters_are_those_of_scikit_learn(fitted):
    base = pytest.importorskip("sklearn.base")
    model = fitted.model
    assert model.get_params() == {**FAST, **SILENT, "iterations": 4, **fitted.params}
    fresh = base.clone(model).set_params(loss="huber", hessian="majorizer", iterations=3)
    assert (fresh.loss, fresh.hessian, fresh.min_hessian) == ("huber", "majorizer", None)
    assert "loss='huber'" in repr(fresh)
    assert not fresh.is_fitted()
    native = model.get_all_params()
    assert not {"loss", "hessian", "min_hessian"} & set(native)
    listed = base.clone(type(model)(cat_features=[0], loss=fl.Huber()))
    assert listed.get_params() == {"cat_features": [0], "loss": fl.Huber()}


def test_pools_give_the_same_and_stay_as_they_are(fitted, catboost):
    model, columns = fitted.model, fitted.y
    if model.loss_.n_predictions != 1 and model._estimator_type == "regressor":
        columns = np.stack([fitted.y, fitted.y], axis=1)
    pool = catboost.Pool(fitted.x, columns, weight=fitted.w)
    other = type(model)(**model.get_params()).fit(pool, eval_set=pool)
    assert np.size(pool.get_baseline()) == 0
    np.testing.assert_allclose(other.predict(fitted.x), model.predict(fitted.x), rtol=1e-6)
    seen = other.get_evals_result()
    name = "custom" if len(seen["learn"]) != 1 else next(iter(seen["learn"]))
    np.testing.assert_allclose(seen["validation"][name], seen["learn"][name], rtol=1e-6)
    raw = other.predict(pool, "RawFormulaVal")
    np.testing.assert_allclose(seen["learn"][name][-1], other.loss_(fitted.y, raw, fitted.w), rtol=1e-5)


def test_early_stopping_on_the_loss(LossRegressor, rng):
    x, y, _ = problem("real", rng, 400)
    settings = {**FAST, **SILENT, "iterations": 300, "loss": "mae"}
    model = LossRegressor(**settings).fit(x[:200], y[:200], eval_set=[(x[200:], y[200:])], early_stopping_rounds=5)
    history = model.get_evals_result()["validation"]["mean_absolute_error"]
    assert model.tree_count_ == model.get_best_iteration() + 1 == np.argmin(history) + 1 < 300
    np.testing.assert_allclose(model.loss_(y[200:], model.predict(x[200:])), min(history), rtol=1e-6)


def test_metrics_of_the_library_see_the_start(LossRegressor, LossClassifier, rng):
    x, y, w = problem("real", rng, 200)
    model = LossRegressor(loss="huber", eval_metric="MAE", custom_metric=["RMSE"], **FAST, **SILENT)
    model.fit(x, y, sample_weight=w, eval_set=(x, y))
    found = {name.split(":")[0]: values[-1] for name, values in model.get_evals_result()["validation"].items()}
    np.testing.assert_allclose(found["MAE"], np.abs(model.predict(x) - y).mean(), rtol=1e-5)
    np.testing.assert_allclose(found["RMSE"], np.sqrt(np.square(model.predict(x) - y).mean()), rtol=1e-5)
    y = np.where(y > 9, "high", "low")
    model = LossClassifier(loss="focal", eval_metric="Accuracy", **FAST, **SILENT).fit(x, y)
    np.testing.assert_allclose(model.get_evals_result()["learn"]["Accuracy"][-1], model.score(x, y))


def test_own_metric_of_several_targets_sees_the_start(LossRegressor, rng):
    x, y, _ = problem("spread", rng, 150)
    watched = metric("gaussian_crps", name="crps")
    model = LossRegressor(loss="gaussian_nll", eval_metric=watched, **{**FAST, **SILENT, "iterations": 3}).fit(x, y)
    found = model.get_evals_result()["learn"]["crps"]
    np.testing.assert_allclose(found[-1], watched.loss(y, model.predict(x, "RawFormulaVal")), rtol=1e-6)
    assert model.get_params()["eval_metric"] is watched


def test_labels_of_any_kind(LossClassifier, rng):
    x, y, _ = problem("binary", rng, 200)
    expected = LossClassifier(**FAST, **SILENT).fit(x, y.astype(int)).predict_proba(x)
    for no, yes in ((False, True), (-1, 1), (3, 7), ("ham", "spam"), (0.0, 1.0)):
        labels = np.where(y == 1, yes, no)
        model = LossClassifier(**FAST, **SILENT).fit(x, labels, eval_set=(x, labels))
        assert model.classes_.tolist() == [no, yes]
        np.testing.assert_array_equal(model.predict_proba(x), expected)
        found = model.predict(x)
        assert set(np.unique(found).tolist()) == {no, yes}
        assert np.mean(found == labels) > 0.8
    reverse = LossClassifier(class_names=["spam", "ham"], **FAST, **SILENT).fit(x, np.where(y == 1, "spam", "ham"))
    assert reverse.classes_.tolist() == ["spam", "ham"]
    np.testing.assert_allclose(reverse.predict_proba(x)[:, ::-1], expected, rtol=1e-6)
    assert not hasattr(LossClassifier(loss="hinge"), "predict_proba")
    margins = LossClassifier(loss="squared_hinge", **FAST, **SILENT).fit(x, y.astype(int))
    assert not hasattr(margins, "predict_proba")
    assert margins.score(x, y.astype(int)) > 0.8


def test_probabilities_of_another_link(LossClassifier, rng):
    x, y, _ = problem("binary", rng, 300)
    model = LossClassifier(loss="exponential", **FAST, **SILENT).fit(x, y.astype(int))
    raw = model.predict(x, "RawFormulaVal")
    np.testing.assert_allclose(model.predict_proba(x)[:, 1], 1 / (1 + np.exp(-2 * raw)), rtol=1e-12)


def test_categories_callbacks_and_continuation(LossRegressor, catboost, rng):
    pandas = pytest.importorskip("pandas")
    x, y, w = problem("real", rng, 300)
    frame = pandas.DataFrame({"a": x[:, 0], "kind": rng.choice(["u", "v"], 300)})
    y = y + 5 * (frame["kind"] == "u").to_numpy()
    rounds = []

    class Stop:
        def after_iteration(self, info):
            rounds.append(info.iteration)
            return info.iteration < 5

    model = LossRegressor(loss="huber", **FAST, **SILENT)
    model.fit(frame, y, cat_features=["kind"], sample_weight=w, eval_set=(frame, y), callbacks=[Stop()])
    assert rounds == [1, 2, 3, 4, 5]
    kind = frame["kind"] == "u"
    assert model.predict(frame[kind]).mean() > model.predict(frame[~kind]).mean() + 2
    assert model.score(frame, y) > 0.5

    first = LossRegressor(loss="huber", **FAST, **SILENT).fit(x, y)
    second = LossRegressor(loss="huber", **FAST, **SILENT).fit(x, y, init_model=first)
    assert second.init_score_ == first.init_score_
    assert second.tree_count_ == 2 * first.tree_count_
    assert second.loss_(y, second.predict(x)) < first.loss_(y, first.predict(x))
    history = second.get_evals_result()["learn"]["huber"]
    np.testing.assert_allclose(second.loss_(y, second.predict(x)), history[-1], rtol=1e-6)
    offset = LossRegressor(loss="huber", **FAST, **SILENT).fit(x, y, baseline=np.full((300, 1), 10.0))
    assert offset.init_score_ == 0
    assert offset.loss_(y, offset.predict(x) + 10) < 0.7 * offset.loss_(y, np.full(300, 10.0))


def test_files_are_read(LossRegressor, rng, tmp_path):
    x, y, _ = problem("real", rng, 100)
    np.savetxt(tmp_path / "data.tsv", np.column_stack([y, x]), delimiter="\t")
    model = LossRegressor(loss="huber", **FAST, **SILENT).fit(str(tmp_path / "data.tsv"))
    np.testing.assert_allclose(
        model.predict(x), LossRegressor(loss="huber", **FAST, **SILENT).fit(x, y).predict(x), rtol=1e-5
    )


def test_model_selection_of_scikit_learn(LossRegressor, LossClassifier, rng):
    selection = pytest.importorskip("sklearn.model_selection")
    x, y, _ = problem("real", rng, 200)
    y[:6] += 300
    few = {**FAST, **SILENT, "iterations": 15}
    grid = {"loss": ["half_squared_error", fl.TukeyBiweight(c=2.0)], "depth": [2, 3]}
    search = selection.GridSearchCV(LossRegressor(**few), grid, scoring="neg_median_absolute_error", cv=2).fit(x, y)
    assert search.best_params_["loss"] == fl.TukeyBiweight(c=2.0)
    assert search.best_estimator_.loss_ == fl.TukeyBiweight(c=2.0)
    x, y, w = problem("binary", rng, 300)
    scores = selection.cross_val_score(
        LossClassifier(loss="focal", **few), x, y.astype(int), cv=3, params={"sample_weight": w}
    )
    assert scores.mean() > 0.75


def test_search_of_catboost_trains_on_the_loss(LossRegressor, rng):
    x, y, _ = problem("real", rng, 200)
    model = LossRegressor(loss="huber", **{**FAST, **SILENT, "iterations": 5})
    result = model.grid_search({"depth": [2, 3]}, x, y, cv=2, verbose=False)
    assert set(result["cv_results"]) >= {"test-huber-mean"}
    assert model.loss_(y, model.predict(x)) < model.loss_(y, np.full(200, model.init_score_))


def failures(estimator):
    """Names of the checks of scikit-learn that fail."""
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    results = checks.check_estimator(estimator, on_fail=None, on_skip=None)
    assert sum(result["status"] == "passed" for result in results) > 30
    return {result["check_name"] for result in results if result["status"] == "failed"}


@pytest.mark.filterwarnings("ignore")  # of the checks that fail
def test_passes_the_checks_that_catboost_passes(catboost, LossRegressor, LossClassifier):
    pairs = ((LossRegressor, catboost.CatBoostRegressor), (LossClassifier, catboost.CatBoostClassifier))
    for ours, theirs in pairs:
        settings = {**SILENT, "iterations": 2, "thread_count": 1}
        assert failures(ours(**settings)) <= failures(theirs(**settings))


@pytest.mark.parametrize(
    ("error", "message", "estimator", "params", "y"),
    [
        (ValueError, "loss_function must not be given", "LossRegressor", {"loss_function": "RMSE"}, [1.0, 2.0]),
        (ValueError, "unknown loss 'hubr'", "LossRegressor", {"loss": "hubr"}, [1.0, 2.0]),
        (ValueError, "hessian must be one of", "LossRegressor", {"loss": "huber", "hessian": "fisher"}, [1.0, 2.0]),
        (ValueError, "loss must have one number as the target", "LossRegressor", {"loss": "sparse_cce"}, [0, 1]),
        (ValueError, "loss must have one number as the target", "LossRegressor", {"loss": "kl_divergence"}, [0, 1]),
        (
            ValueError,
            "at least two classes or quantiles",
            "LossRegressor",
            {"loss": fl.MultiQuantile(quantiles=(0.5,))},
            [0, 1],
        ),
        (ValueError, r"label must hold the target in 1 equal column", "LossRegressor", {}, [[0, 1], [1, 2]]),
        (
            ValueError,
            r"label must hold the target in 2 equal column",
            "LossRegressor",
            {"loss": "gaussian_nll"},
            [[0, 1], [1, 2]],
        ),
        (ValueError, "y_true must be > 0", "LossRegressor", {"loss": "gamma"}, [0.0, 1.0]),
        (ValueError, "loss must be a loss of classes", "LossClassifier", {"loss": "huber"}, ["a", "b"]),
        (
            ValueError,
            "loss must have one score for the 2 classes",
            "LossClassifier",
            {"loss": "categorical_focal"},
            ["a", "b"],
        ),
        (ValueError, "class_names must be the labels of y", "LossClassifier", {"class_names": ["a", "c"]}, ["a", "b"]),
        (ValueError, "several classes for the 3 classes", "LossClassifier", {"loss": "bce"}, ["a", "b", "c"]),
        (TypeError, "unexpected keyword argument 'depht'", "LossClassifier", {"depht": 3}, ["a", "b"]),
    ],
)
def test_bad_use_of_estimators_raises(catboost, error, message, estimator, params, y, rng):
    pytest.importorskip("sklearn")
    y = np.array(y * 20)
    with pytest.raises(error, match=message):
        getattr(adapter, estimator)(**params, **SILENT).fit(rng.normal(size=(len(y), 2)), y)


def test_models_without_a_loss_are_not_loaded(catboost, LossRegressor, rng, tmp_path):
    x, y = rng.normal(size=(50, 2)), rng.normal(size=50)
    path = str(tmp_path / "plain.cbm")
    catboost.CatBoostRegressor(iterations=2, **SILENT).fit(x, y).save_model(path)
    with pytest.raises(ValueError, match="must be a model that LossRegressor saved"):
        LossRegressor().load_model(path)
    assert LossRegressor(loss="huber").load_model(path).loss_ == fl.Huber()
