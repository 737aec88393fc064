"""XGBoost with fastloss: objectives, metrics and estimators against XGBoost's own."""

import copy
import pickle
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import fastloss as fl
from fastloss.adapters import xgboost as adapter
from fastloss.adapters.xgboost import metric, objective

# ---- without XGBoost ------------------------------------------------------------------------------------------------


def test_import_needs_no_library():
    code = (
        "import sys, fastloss.adapters.xgboost as a; a.objective('huber'); a.metric('huber'); dir(a); "
        "assert not {'xgboost', 'sklearn', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["LossRegressor", "LossClassifier"])
@pytest.mark.parametrize(
    ("library", "found", "message"),
    [
        ("xgboost", None, r"this needs xgboost >= 3\.1, which cannot be imported .*pip install 'fastloss\[xgboost\]'"),
        ("xgboost", SimpleNamespace(__version__="3.0.5"), r"this needs xgboost >= 3\.1, found 3\.0\.5: pip install"),
        ("sklearn", None, r"this needs sklearn >= 1\.6, which cannot be imported"),
    ],
)
def test_missing_or_old_library(monkeypatch, name, library, found, message):
    if library == "sklearn":
        monkeypatch.setitem(sys.modules, "xgboost", SimpleNamespace(__version__="3.1.0"))
    monkeypatch.setitem(sys.modules, library, found)
    with pytest.raises(ImportError, match=message):
        getattr(adapter, name)


def test_unknown_attribute():
    assert {"LossRegressor", "LossClassifier", "objective", "metric"} <= set(dir(adapter)) & set(adapter.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'LossTransformer'"):
        _ = adapter.LossTransformer


def test_metric_value():
    y, f, w = np.array([0.0, 1.0, 1.0]), np.array([-1.0, 0.5, 3.0]), np.array([1.0, 2.0, 0.5])
    on_raw, on_natural = metric("bce", name="log_loss"), metric("bce", raw=False)
    assert (on_raw.name, on_raw.__name__, on_natural.name) == ("log_loss", "log_loss", "binary_cross_entropy")
    expected = np.average(np.log1p(np.exp(-(2 * y - 1) * f)), weights=w)
    assert on_raw(y, f, sample_weight=w) == pytest.approx(expected)
    assert on_natural(y, 1 / (1 + np.exp(-f)), w) == pytest.approx(expected)
    for weight, value in ((w, expected), (np.empty(0), on_raw(y, f))):
        data = SimpleNamespace(get_label=lambda: y, get_weight=lambda weight=weight: weight)
        assert on_raw.native(f, data) == ("log_loss", pytest.approx(value))
    assert pickle.loads(pickle.dumps(on_raw)) == on_raw == copy.deepcopy(on_raw) != on_natural


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"loss": "hubr"}, ValueError, "unknown loss"),
        ({"loss": "huber", "name": "my loss"}, ValueError, "name must hold no white space or colon"),
        ({"loss": "huber", "name": "a:b"}, ValueError, "name must hold no white space or colon"),
        ({"loss": "huber", "name": ""}, ValueError, "name must be a text"),
        ({"loss": "huber", "raw": 1}, TypeError, "raw must be True or False"),
    ],
)
def test_metric_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        metric(**arguments)


# ---- with XGBoost ---------------------------------------------------------------------------------------------------

SMALL = {"n_estimators": 20, "max_depth": 3, "learning_rate": 0.3, "n_jobs": 1}
CONSTANT = SMALL | {"learning_rate": 0.0}


@pytest.fixture
def xgb():
    pytest.importorskip("sklearn", "1.5")
    return pytest.importorskip("xgboost", "3.1")


@pytest.fixture
def data():
    """Features, a signal, and targets of all kinds made of it."""
    rng = np.random.default_rng(7)
    n = 1200
    x = rng.normal(size=(n, 4))
    signal = x[:, 0] + np.sin(3 * x[:, 1])
    y = signal + 0.3 * rng.standard_t(3, n)
    classes = np.digitize(y, [-0.7, 0.7])
    return SimpleNamespace(
        x=x,
        w=rng.uniform(0.1, 4.0, n),
        y=y,
        gaussian=signal + rng.normal(size=n) * 0.4 * np.exp(x[:, 2] / 2),
        binary=(y > 0).astype(int),
        count=rng.poisson(np.exp(signal / 2)).astype(float),
        positive=rng.gamma(2.0, np.exp(signal / 2)),
        compound=rng.poisson(np.exp(signal / 2)) * rng.gamma(2.0, size=n),
        classes=classes,
        names=np.array(["low", "middle", "top"])[classes],
    )


def is_of_classes(loss):
    return loss.info.family == "binary" or (loss.info.family == "multiclass" and loss.targets != "values")


def make(loss, **parameters):
    estimator = adapter.LossClassifier if is_of_classes(loss) else adapter.LossRegressor
    return estimator(loss=loss, **(SMALL | parameters))


def fitted(loss, data, target, **parameters):
    return make(fl.get(loss), **parameters).fit(data.x, getattr(data, target))


BUILT_IN = {  # target, objective of XGBoost, our curvature, parameters of both
    fl.HalfSquaredError(): ("y", "reg:squarederror", None, {}),
    fl.BinaryCrossEntropy(): ("binary", "binary:logistic", None, {}),
    fl.Poisson(): ("count", "count:poisson", None, {"max_delta_step": 0}),
    fl.Gamma(): ("positive", "reg:gamma", None, {}),
    fl.Tweedie(power=1.5): ("compound", "reg:tweedie", None, {"tweedie_variance_power": 1.5}),
    fl.SparseCategoricalCrossEntropy(): ("classes", "multi:softprob", "majorizer", {}),
}


def their_start(loss, score):
    """A raw score as `base_score` of a built-in objective, which has it raw for softmax."""
    return score.tolist() if np.ndim(score) else float(loss.link.inverse(score))


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("loss", BUILT_IN, ids=lambda loss: loss.info.name)
def test_reproduces_built_in_objective(xgb, data, loss, weighted):
    target, name, hessian, extra = BUILT_IN[loss]
    y, w = getattr(data, target), data.w if weighted else None
    own = {k: v for k, v in extra.items() if k != "tweedie_variance_power"}
    ours = make(loss, hessian=hessian, **own).fit(data.x, y, sample_weight=w)
    theirs = (xgb.XGBClassifier if is_of_classes(loss) else xgb.XGBRegressor)(
        objective=name, base_score=their_start(loss, ours.init_score_), **SMALL, **extra
    ).fit(data.x, y, sample_weight=w)

    def agree(a, b):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * np.abs(b).max())

    raw = ours.predict(data.x, output_margin=True)
    agree(raw, theirs.predict(data.x, output_margin=True))
    assert np.ptp(raw) > 1
    if is_of_classes(loss):
        agree(ours.predict_proba(data.x), theirs.predict_proba(data.x))
        np.testing.assert_array_equal(ours.predict(data.x), theirs.predict(data.x))
    else:
        agree(ours.predict(data.x), theirs.predict(data.x))
    if weighted:
        other = make(loss, hessian=hessian, **own).fit(data.x, y).predict(data.x, output_margin=True)
        assert np.abs(other - raw).max() > 1e-2


@pytest.mark.parametrize("interface", ["native", "sklearn"])
def test_objective_of_several_scores(xgb, data, interface):
    """In XGBoost's own interfaces, classes, quantiles and parameters of a distribution train as in the estimators."""
    for loss, target, hessian in [
        (fl.SparseCategoricalCrossEntropy(), "classes", "majorizer"),
        (fl.MultiQuantile(quantiles=(0.1, 0.5, 0.9)), "y", None),
        (fl.GaussianNLL(), "gaussian", None),
    ]:
        y, made = getattr(data, target), objective(loss, hessian)
        start = made.loss.init_score(y, data.w)
        free = {"reg_lambda": 0.0, "min_child_weight": 0.0}  # what else depends on the unit of the curvature
        parameters = {"num_class": len(start), "base_score": start.tolist(), "max_depth": 3, **free}
        if interface == "native":
            train = xgb.DMatrix(data.x, y, weight=data.w)
            booster = xgb.train(parameters | {"nthread": 1}, train, 20, obj=made.native)
            raw = booster.predict(train, output_margin=True)
        else:
            model = xgb.XGBRegressor(objective=made, **(SMALL | parameters))
            raw = model.fit(data.x, y, sample_weight=data.w).predict(data.x, output_margin=True)
        expected = make(loss, hessian=hessian, **free).fit(data.x, y, sample_weight=data.w)
        np.testing.assert_allclose(raw, expected.predict(data.x, output_margin=True), rtol=1e-4, atol=1e-4)


LEARNT = {  # target, and the held-out loss that the model gains at least, in shares of that of the best constant
    fl.Quantile(quantile=0.9): ("y", 0.3),
    fl.MeanAbsoluteError(): ("y", 0.4),
    fl.TukeyBiweight(): ("y", 0.6),
    fl.LogCosh(): ("y", 0.6),
    fl.Huber(): ("y", 0.6),
    fl.BinaryFocal(gamma=0.5): ("binary", 0.5),
    fl.BinaryFocal(gamma=2.0): ("binary", 0.4),
    fl.BinaryFocal(gamma=5.0): ("binary", 0.3),
    fl.Hinge(): ("binary", 0.3),
    fl.CategoricalFocal(): ("names", 0.4),
    fl.MultiMargin(): ("names", 0.25),
    fl.MultiQuantile(quantiles=(0.1, 0.5, 0.9)): ("y", 0.4),
    fl.GaussianNLL(full=True): ("gaussian", 0.3),
    fl.NegativeBinomialNLL(full=True): ("count", 0.1),
}


@pytest.mark.parametrize("loss", LEARNT, ids=repr)
def test_learns(xgb, data, loss):
    target, gain = LEARNT[loss]
    y = getattr(data, target)
    model = make(loss, n_estimators=60, learning_rate=0.1).fit(data.x[:900], y[:900])
    held_out = np.unique(y, return_inverse=True)[1][900:] if is_of_classes(loss) else y[900:]
    raw = model.predict(data.x[900:], output_margin=True).astype(float)
    constant = model.loss_(held_out, np.broadcast_to(model.init_score_, raw.shape))
    assert constant > 0
    assert model.loss_(held_out, raw) < (1 - gain) * constant


@pytest.mark.parametrize("unit", [2.0**-10, 2.0**17], ids=["tiny", "huge"])
def test_learns_in_any_unit(xgb, data, unit):
    """As with the squared error; the curvature of these losses has a unit."""
    for loss, gain in [
        ("mae", 0.3),
        ("quantile", 0.3),
        ("log_cosh", 0.2),
        (fl.MultiQuantile(quantiles=(0.1, 0.9)), 0.2),
    ]:
        y = unit * data.y
        model = make(fl.get(loss), n_estimators=60).fit(data.x[:900], y[:900], sample_weight=data.w[:900])
        raw = model.predict(data.x[900:], output_margin=True).astype(float)
        constant = model.loss_(y[900:], np.broadcast_to(model.init_score_, raw.shape))
        assert model.loss_(y[900:], raw) < (1 - gain) * constant
    for loss in ("gaussian_nll", "gaussian_crps"):
        plain, other = (
            make(fl.get(loss), learning_rate=0.1).fit(data.x, u * data.gaussian).predict_distribution(data.x)
            for u in (1.0, unit)
        )
        assert np.mean(np.abs(other.mean() / unit - plain.mean())) < 0.01  # rounding may move a split
        assert np.mean(np.abs(np.log(other.std() / unit / plain.std()))) < 0.01
        assert np.std(plain.mean()) > 0.5


def test_starts_from_the_best_constant(xgb, data):
    for loss, target in [("mae", "y"), ("poisson", "count"), ("focal", "binary"), ("exponential", "binary")]:
        model = fitted(loss, data, target, **CONSTANT)
        np.testing.assert_allclose(
            model.predict(data.x[:3], output_margin=True), model.init_score_, rtol=1e-5, atol=1e-6
        )
    for loss, target in [("categorical_focal", "names"), (fl.MultiQuantile(quantiles=(0.1, 0.9)), "y")]:
        model = fitted(loss, data, target, **CONSTANT)
        assert np.shape(model.init_score_) == (len(np.unique(data.names)) if target == "names" else 2,)
        np.testing.assert_allclose(model.predict(data.x[:1], output_margin=True)[0], model.init_score_, rtol=1e-5)
    model = fitted("bce", data, "binary", base_score=0.2, **CONSTANT)
    np.testing.assert_allclose(model.predict_proba(data.x[:3])[:, 1], 0.2, rtol=1e-5)
    rare = make(fl.Poisson(), **CONSTANT).fit(data.x, np.zeros(len(data.x)))
    assert 0 < rare.predict(data.x).max() < 1e-12


def test_predictions_of_regressors(xgb, data):
    model = fitted("poisson", data, "count")
    raw = model.predict(data.x, output_margin=True)
    np.testing.assert_allclose(model.predict(data.x), np.exp(raw), rtol=1e-6)
    head = model.predict(data.x, iteration_range=(0, 5))
    np.testing.assert_allclose(head, fitted("poisson", data, "count", n_estimators=5).predict(data.x), rtol=1e-6)
    quantiles = fitted(fl.MultiQuantile(quantiles=(0.1, 0.5, 0.9)), data, "y").predict(data.x)
    assert quantiles.shape == (len(data.x), 3)
    np.testing.assert_allclose(np.mean(data.y[:, None] < quantiles, axis=0), [0.1, 0.5, 0.9], atol=0.06)


def test_distribution(xgb, data):
    pytest.importorskip("scipy")
    model = make(fl.GaussianNLL(), learning_rate=0.1, n_estimators=60).fit(data.x[:900], data.gaussian[:900])
    x, y = data.x[900:], data.gaussian[900:]
    distribution = model.predict_distribution(x)
    np.testing.assert_allclose(distribution.mean(), model.predict(x), rtol=1e-6)
    low, high = distribution.interval(0.9)
    assert 0.78 < np.mean((low < y) & (y < high)) < 0.97
    assert np.corrcoef(np.log(distribution.std()), x[:, 2])[0, 1] > 0.7
    np.testing.assert_array_equal(
        model.predict_distribution(x, iteration_range=(0, 5)).mean(), model.predict(x, iteration_range=(0, 5))
    )
    assert not hasattr(make(fl.Huber()), "predict_distribution")


def test_base_margin_is_all_of_the_start(xgb, data):
    exposure = np.random.default_rng(1).uniform(0.5, 2.0, len(data.x))
    y, margin = np.random.default_rng(2).poisson(exposure * np.exp(data.x[:, 0])), np.log(exposure)
    ours = make(fl.Poisson(), max_delta_step=0).fit(data.x, y, base_margin=margin)
    theirs = xgb.XGBRegressor(objective="count:poisson", base_score=1.0, max_delta_step=0, **SMALL)
    theirs.fit(data.x, y, base_margin=margin)
    for m in (None, margin):
        expected = theirs.predict(data.x, base_margin=m)
        np.testing.assert_allclose(ours.predict(data.x, base_margin=m), expected, rtol=1e-5)
    rows = np.random.default_rng(3).normal(size=(len(data.x), 3))
    several = make(fl.SparseCategoricalCrossEntropy()).fit(data.x, data.names, base_margin=rows)
    difference = several.predict(data.x, base_margin=rows, output_margin=True) - several.predict(
        data.x, output_margin=True
    )
    np.testing.assert_allclose(difference, rows, atol=1e-5)


# ---- labels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [None, "focal", "sparse_categorical_cross_entropy"])
@pytest.mark.parametrize("names", [["no", "yes"], [False, True], [-1, 1], [3.0, 7.0]], ids=str)
def test_labels_of_two_classes(xgb, data, loss, names):
    y = np.array(names)[data.binary]
    model = adapter.LossClassifier(loss=loss, **SMALL).fit(data.x, y)
    np.testing.assert_array_equal(model.classes_, names)
    assert model.n_classes_ == 2
    p = model.predict_proba(data.x)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(model.predict(data.x), model.classes_[p.argmax(axis=1)])
    assert model.predict(data.x).dtype == y.dtype
    assert model.score(data.x, y) > 0.9
    coded = adapter.LossClassifier(loss=loss, **SMALL).fit(data.x, data.binary)
    np.testing.assert_array_equal(p, coded.predict_proba(data.x))


def test_labels_of_several_classes(xgb, data):
    model = fitted("categorical_focal", data, "names")
    assert model.predict_proba(data.x).shape == (len(data.x), 3)
    assert model.score(data.x, data.names) > 0.85


def test_labels_of_eval_set_are_encoded(xgb, data):
    model = make(fl.CategoricalFocal(), early_stopping_rounds=5)
    model.fit(data.x[:800], data.names[:800], eval_set=[(data.x[800:], data.names[800:])], verbose=False)
    (values,) = model.evals_result()["validation_0"].values()
    raw = model.predict(data.x[800:], output_margin=True, iteration_range=(0, len(values)))
    assert values[-1] == pytest.approx(model.loss_(data.classes[800:], raw), abs=1e-6)
    with pytest.raises(ValueError, match="unseen labels"):
        model.fit(data.x, data.names, eval_set=[(data.x, data.names[::-1].astype("U9")), (data.x, ["other"] * 1200)])


def test_one_class(xgb, data):
    model = adapter.LossClassifier(**SMALL).fit(data.x, np.full(len(data.x), "all"))
    assert set(model.predict(data.x)) == {"all"}


def test_losses_without_probabilities(xgb, data):
    assert not hasattr(adapter.LossClassifier(loss="hinge"), "predict_proba")
    model = fitted("hinge", data, "binary")
    assert not hasattr(model, "predict_proba")
    np.testing.assert_array_equal(model.predict(data.x), model.predict(data.x, output_margin=True) > 0)


# ---- metrics and early stopping -------------------------------------------------------------------------------------


def held_out(data, target, **more):
    y = getattr(data, target)
    return (data.x[:800], y[:800]), {"eval_set": [(data.x[800:], y[800:])], "verbose": False, **more}


def test_early_stopping_on_the_loss_itself(xgb, data):
    for loss, target in [(fl.Quantile(quantile=0.9), "y"), (fl.BinaryFocal(), "binary"), (fl.GaussianNLL(), "y")]:
        train, valid = held_out(data, target)
        model = make(loss, n_estimators=300, early_stopping_rounds=5).fit(*train, **valid)
        assert list(model.evals_result()["validation_0"]) == [loss.info.name]
        values = model.evals_result()["validation_0"][loss.info.name]
        assert len(values) < 300
        assert model.best_iteration == np.argmin(values) == len(values) - 6
        assert model.best_score == min(values)
        x, y = valid["eval_set"][0]
        best = model.predict(x, output_margin=True)
        assert model.loss_(y, best) == pytest.approx(min(values), abs=1e-6)
        np.testing.assert_array_equal(
            best, model.predict(x, output_margin=True, iteration_range=(0, model.best_iteration + 1))
        )


def test_weights_reach_the_metric(xgb, data):
    w = data.w[800:]
    train, valid = held_out(data, "count", sample_weight_eval_set=[w])
    model = make(fl.Poisson()).fit(*train, **valid)
    x, y = valid["eval_set"][0]
    got, raw = model.evals_result()["validation_0"]["poisson"][-1], model.predict(x, output_margin=True)
    assert got == pytest.approx(model.loss_(y, raw, w), abs=1e-6)
    assert abs(got - model.loss_(y, raw)) > 1e-4


def test_given_metrics_see_the_natural_scale(xgb, data):
    metrics = pytest.importorskip("sklearn.metrics")
    train, valid = held_out(data, "count")
    x, y = valid["eval_set"][0]
    own = [metric("poisson"), metric("poisson", raw=False, name="rate_loss")]
    for given in (
        "mae",
        metrics.mean_absolute_error,
        ["rmse", "mae"],
        ["mae", metrics.mean_absolute_error],
        [metrics.mean_absolute_error],
        *own,
    ):
        model = make(fl.Poisson(), eval_metric=given).fit(*train, **valid)
        result = model.evals_result()["validation_0"]
        absolute, loss = metrics.mean_absolute_error(y, model.predict(x)), fl.Poisson()(y, model.predict(x))
        for name, values in result.items():
            if name != "rmse":
                assert values[-1] == pytest.approx(absolute if "mae" in name or "abs" in name else loss, abs=1e-5)
        assert len(result) == (len(given) if isinstance(given, list) else 1)

    train, valid = held_out(data, "names")
    names = ["mlogloss", "merror"]
    model = make(fl.CategoricalFocal(), eval_metric=names).fit(*train, **valid)
    x, y = valid["eval_set"][0]
    result = model.evals_result()["validation_0"]
    assert result["mlogloss"][-1] == pytest.approx(metrics.log_loss(y, model.predict_proba(x)), abs=1e-5)
    assert result["merror"][-1] == pytest.approx(1 - model.score(x, y), abs=1e-5)

    train, valid = held_out(data, "binary")
    model = make(fl.BinaryFocal(), eval_metric="logloss").fit(*train, **valid)
    x, y = valid["eval_set"][0]
    expected = metrics.log_loss(y, model.predict_proba(x))
    assert model.evals_result()["validation_0"]["logloss"][-1] == pytest.approx(expected, abs=1e-5)


def test_metric_in_the_interfaces_of_xgboost(xgb, data):
    (x, y), valid = held_out(data, "y")
    loss = fl.Huber(delta=0.5)
    model = xgb.XGBRegressor(eval_metric=metric(loss, raw=False), early_stopping_rounds=5, **SMALL)
    model.fit(x, y, sample_weight_eval_set=[data.w[800:]], **valid)
    (x_valid, y_valid) = valid["eval_set"][0]
    assert model.evals_result()["validation_0"]["huber"][model.best_iteration] == pytest.approx(
        loss(y_valid, model.predict(x_valid), data.w[800:]), abs=1e-6
    )
    history = {}
    booster = xgb.train(
        {"max_depth": 3, "nthread": 1, "disable_default_eval_metric": True},
        xgb.DMatrix(x, y),
        200,
        evals=[(xgb.DMatrix(x_valid, y_valid), "valid")],
        obj=objective(loss).native,
        custom_metric=metric(loss).native,
        early_stopping_rounds=5,
        evals_result=history,
        verbose_eval=False,
    )
    assert booster.best_score == min(history["valid"]["huber"]) < 0.5 * history["valid"]["huber"][0]


def test_callbacks(xgb, data):
    rounds = []

    class Spy(xgb.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            rounds.append(epoch)
            return epoch == 6

    given = [Spy()]
    model = fitted("focal", data, "binary", callbacks=given)
    assert rounds == list(range(7))
    assert model.get_booster().num_boosted_rounds() == 7
    assert model.callbacks is given
    assert len(given) == 1


# ---- parameters, copies, files --------------------------------------------------------------------------------------


def test_parameters(xgb):
    loss = fl.Huber(delta=2.0)
    model = make(loss, min_hessian=0.1, tree_method="hist", max_bin=64, unknown_to_the_signature=3)
    given = model.get_params()
    assert given["loss"] is loss
    assert (given["min_hessian"], given["hessian"], given["max_depth"], given["max_bin"]) == (0.1, None, 3, 64)
    assert given.keys() - {"unknown_to_the_signature"} == xgb.XGBRegressor().get_params().keys() | {
        "loss",
        "hessian",
        "min_hessian",
    }
    assert not {"loss", "hessian", "min_hessian", "objective"} & model.get_xgb_params().keys()
    model.set_params(loss="mae", max_depth=5, subsample=0.5)
    assert (model.loss, model.max_depth, model.subsample) == ("mae", 5, 0.5)


def test_set_params_after_fit(xgb, data):
    model = fitted("huber", data, "y")
    before = model.predict(data.x)
    model.set_params(loss="poisson", n_jobs=2)
    np.testing.assert_array_equal(model.predict(data.x), before)


@pytest.mark.parametrize(("loss", "target"), [("categorical_focal", "names"), ("gaussian_nll", "gaussian")])
def test_copies(xgb, data, loss, target):
    base = pytest.importorskip("sklearn.base")
    model = fitted(loss, data, target)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert type(other) is type(model)
        assert other.loss_ == model.loss_
        np.testing.assert_array_equal(other.predict(data.x), model.predict(data.x))
    fresh = base.clone(model)
    assert not fresh.__sklearn_is_fitted__()
    assert fresh.get_params().keys() == model.get_params().keys()
    np.testing.assert_array_equal(fresh.fit(data.x, getattr(data, target)).predict(data.x), model.predict(data.x))


def test_grid_search(xgb, data):
    selection = pytest.importorskip("sklearn.model_selection")
    grid = {"loss": [fl.BinaryFocal(gamma=g) for g in (0.0, 5.0)], "max_depth": [1, 3]}
    search = selection.GridSearchCV(adapter.LossClassifier(**SMALL), grid, cv=2, scoring="neg_log_loss")
    search.fit(data.x, np.array(["no", "yes"])[data.binary])
    assert search.best_params_["loss"] == fl.BinaryFocal(gamma=0.0)  # the log loss is its own best objective


@pytest.mark.parametrize("end", ["json", "ubj"])
@pytest.mark.parametrize(
    ("loss", "target"),
    [
        (fl.Tweedie(power=1.3), "compound"),
        (0.7 * fl.Huber() + 0.3 * fl.Quantile(quantile=0.9), "y"),
        (fl.GaussianNLL(), "gaussian"),
        (fl.BinaryFocal(gamma=1.0), "binary"),
        (fl.CategoricalFocal(), "names"),
    ],
    ids=repr,
)
def test_save_and_load(xgb, data, tmp_path, loss, target, end):
    train, valid = held_out(data, target)
    model = make(loss, early_stopping_rounds=3, hessian="exact", min_hessian=0.01).fit(*train, **valid)
    path = tmp_path / f"model.{end}"
    model.save_model(path)
    loaded = type(model)()
    loaded.load_model(path)
    assert (loaded.loss_, loaded.loss, loaded.hessian, loaded.min_hessian) == (
        loss.on_raw(),
        loss.on_raw(),
        "exact",
        0.01,
    )
    np.testing.assert_array_equal(loaded.init_score_, model.init_score_)
    assert loaded.best_iteration == model.best_iteration
    for method in ("predict", "predict_proba"):
        if hasattr(model, method):
            np.testing.assert_array_equal(getattr(loaded, method)(data.x), getattr(model, method)(data.x))
    if is_of_classes(loss):
        np.testing.assert_array_equal(loaded.classes_, model.classes_)
        assert loaded.classes_.dtype == model.classes_.dtype
    raw = xgb.Booster(model_file=path).predict(
        xgb.DMatrix(data.x), output_margin=True, iteration_range=(0, model.best_iteration + 1)
    )
    np.testing.assert_array_equal(raw, model.predict(data.x, output_margin=True))
    loaded.set_params(early_stopping_rounds=None, **SMALL).fit(*train)
    again = make(loss, hessian="exact", min_hessian=0.01).fit(*train)
    np.testing.assert_array_equal(loaded.predict(data.x), again.predict(data.x))


def test_models_predict_the_same_without_fastloss(xgb, data, tmp_path):
    for loss, target in [("focal", "binary"), ("poisson", "count"), ("categorical_focal", "names"), ("huber", "y")]:
        model = fitted(loss, data, target)
        model.save_model(tmp_path / "model.json")
        got = xgb.Booster(model_file=tmp_path / "model.json").predict(xgb.DMatrix(data.x))
        natural = model.predict_proba(data.x) if target in ("binary", "names") else model.predict(data.x)
        np.testing.assert_allclose(got, natural[:, 1] if target == "binary" else natural, rtol=1e-5, atol=1e-6)


class HalfSquare(fl.PointwiseLoss):
    """A user's own loss, with its constant."""

    def reference(y, f):
        r = f - y
        return r * r / 2, r, np.ones_like(r)

    def _init_score(self, y, w):
        return np.average(y, weights=w)


def test_users_loss(xgb, data, tmp_path):
    model, expected = make(HalfSquare()).fit(data.x, data.y), fitted("half_squared_error", data, "y")
    np.testing.assert_allclose(model.predict(data.x), expected.predict(data.x), rtol=1e-5, atol=1e-5)
    model.save_model(tmp_path / "model.json")
    loaded = adapter.LossRegressor(loss=HalfSquare())
    loaded.load_model(tmp_path / "model.json")
    np.testing.assert_array_equal(loaded.predict(data.x), model.predict(data.x))
    with pytest.raises(ValueError, match="unknown loss 'half_square'"):
        adapter.LossRegressor().load_model(tmp_path / "model.json")


def test_load_refuses(xgb, data, tmp_path):
    plain = xgb.XGBRegressor(**SMALL).fit(data.x, data.y)
    plain.save_model(tmp_path / "plain.json")
    with pytest.raises(ValueError, match=r"fname must be a model that LossRegressor\.save_model saved"):
        adapter.LossRegressor().load_model(tmp_path / "plain.json")
    fitted("huber", data, "y").save_model(tmp_path / "model.json")
    with pytest.raises(TypeError, match="different type"):
        adapter.LossClassifier().load_model(tmp_path / "model.json")


@pytest.mark.parametrize(
    ("loss", "target"), [("tweedie", "compound"), ("focal", "binary"), ("categorical_focal", "names")]
)
def test_continued_training(xgb, data, tmp_path, loss, target):
    half, whole = fitted(loss, data, target, n_estimators=10), fitted(loss, data, target)
    half.save_model(tmp_path / "half.json")
    for model in (half, half.get_booster(), str(tmp_path / "half.json")):
        more = make(fl.get(loss), n_estimators=10).fit(data.x, getattr(data, target), xgb_model=model)
        raw = [m.predict(data.x, output_margin=True) for m in (more, whole)]
        np.testing.assert_allclose(*raw, rtol=1e-5, atol=1e-6)
    if target == "names":
        two = data.names != "low"
        with pytest.raises(ValueError, match=r"y must hold the classes \['low' 'middle' 'top'\] of xgb_model"):
            make(fl.get(loss)).fit(data.x[two], data.names[two], xgb_model=half)


# ---- kinds of input and of boosters ---------------------------------------------------------------------------------


def test_data_frames_and_missing_values(xgb, data):
    pandas = pytest.importorskip("pandas")
    x = np.where(np.random.default_rng(4).uniform(size=data.x.shape) < 0.1, np.nan, data.x)
    frame = pandas.DataFrame(x, columns=["a", "b", "c", "d"])
    model = make(fl.CategoricalFocal()).fit(frame, pandas.Series(data.names), sample_weight=pandas.Series(data.w))
    assert model.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    assert model.n_features_in_ == 4
    assert model.feature_importances_.shape == (4,)
    assert model.feature_importances_[:2].sum() > 0.5
    expected = make(fl.CategoricalFocal()).fit(x, data.names, sample_weight=data.w)
    np.testing.assert_array_equal(model.predict(frame), expected.predict(x))


@pytest.mark.parametrize(
    "parameters",
    [
        {"booster": "gblinear", "max_depth": None},
        {"booster": "dart", "rate_drop": 0.3},
        {"tree_method": "exact"},
        {"multi_strategy": "multi_output_tree"},
    ],
    ids=lambda parameters: next(iter(parameters.values())),
)
@pytest.mark.parametrize(("loss", "target"), [("huber", "y"), ("categorical_focal", "names")])
def test_boosters(xgb, data, loss, target, parameters):
    model = fitted(loss, data, target, **parameters)
    y = data.classes if target == "names" else data.y
    raw = model.predict(data.x, output_margin=True)
    assert model.loss_(y, raw) < 0.8 * model.loss_(y, np.broadcast_to(model.init_score_, raw.shape))


@pytest.mark.parametrize(
    ("arguments", "target", "message"),
    [
        ({"loss": "focal"}, "y", "y_true must be 0 or 1"),
        ({"loss": "categorical_focal"}, "y", "loss must have one number as the target"),
        ({"loss": fl.MultiQuantile(quantiles=(0.5,))}, "y", "loss must have at least two classes or quantiles"),
        ({"objective": "reg:squarederror"}, "y", "objective must be None, the loss is the objective"),
        ({"loss": "huber", "hessian": "fisher"}, "y", "hessian must be one of 'exact'"),
        ({"min_hessian": -1.0}, "y", "min_hessian must be >= 0"),
        ({"loss": "huber"}, "names", "loss must be a loss of classes"),
        ({"loss": "focal"}, "names", "loss must be a loss of several classes for the 3 classes"),
        ({"scale_pos_weight": 2.0}, "binary", "scale_pos_weight must be None, got 2.0: give sample_weight"),
    ],
)
def test_refuses(xgb, data, arguments, target, message):
    estimator = adapter.LossRegressor if target == "y" else adapter.LossClassifier
    with pytest.raises(ValueError, match=message):
        estimator(**SMALL, **arguments).fit(data.x, getattr(data, target))


def test_refuses_several_targets_and_bad_weights(xgb, data):
    with pytest.raises(ValueError, match="1d array"):
        make(fl.Huber()).fit(data.x, np.stack([data.y, data.y], axis=1))
    with pytest.raises(ValueError, match="sample_weight must be >= 0"):
        make(fl.Huber()).fit(data.x, data.y, sample_weight=-data.w)


@pytest.mark.filterwarnings("ignore:Unknown data type.*trying to convert it to csr_matrix:UserWarning")
@pytest.mark.parametrize("name", ["Regressor", "Classifier"])
def test_scikit_learn_checks(xgb, name):
    """Those that XGBoost's own estimator passes; with its curvature, since one check is about rounding."""
    pytest.importorskip("sklearn", "1.6")
    checks = pytest.importorskip("sklearn.utils.estimator_checks")

    def failed(estimator):
        results = checks.check_estimator(estimator, on_fail=None, on_skip=None)
        return {result["check_name"] for result in results if result["status"] == "failed"}

    small = {"n_estimators": 5, "n_jobs": 1}
    ours = failed(getattr(adapter, f"Loss{name}")(hessian="majorizer", **small))
    assert ours <= failed(getattr(xgb, f"XGB{name}")(**small))
    assert ours <= {"check_all_zero_sample_weights_error"}
