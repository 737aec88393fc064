"""Training LightGBM with losses: the same as its own objectives where it has them, and learning where it has not."""

import copy
import inspect
import io
import pickle
import sys
import warnings

import numpy as np
import pytest

import fastloss as fl
from fastloss.adapters import lightgbm as adapter

lgb = pytest.importorskip("lightgbm", minversion="4.6")
pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402

# LightGBM 4.6 says so of every array; 4.7 no longer does.
pytestmark = pytest.mark.filterwarnings("ignore:X does not have valid feature names, but LGBM")

SMALL = {"n_estimators": 20, "num_leaves": 8, "learning_rate": 0.2, "n_jobs": 1, "verbose": -1}
NATIVE = {name: value for name, value in SMALL.items() if name != "n_estimators"}


def evaluation(x, y):
    """Arguments of `fit` for a set of evaluation; `eval_set` is deprecated since LightGBM 4.7."""
    new = "eval_X" in inspect.signature(lgb.LGBMRegressor.fit).parameters
    return {"eval_X": x, "eval_y": y} if new else {"eval_set": [(x, y)]}


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def x(rng):
    return rng.normal(size=(900, 4))


def targets(kind, x, rng):
    signal = x[:, 0] + np.sin(3 * x[:, 1])
    return {
        "real": lambda: signal + rng.normal(scale=0.3, size=len(x)) + 5,
        "binary": lambda: (signal + rng.logistic(size=len(x)) > 0.5).astype(int),
        "counts": lambda: rng.poisson(np.exp(signal / 2)),
        "positive": lambda: rng.gamma(2.0, np.exp(signal / 2)),
        "classes": lambda: np.digitize(signal + rng.logistic(scale=0.3, size=len(x)), [-0.7, 0.8]),
    }[kind]()


# ---- the same as LightGBM's own objectives --------------------------------------------------------------------------

# LightGBM multiplies its hessian of Poisson by e**poisson_max_delta_step.
BUILT_IN = {
    fl.HalfSquaredError(): ("real", "exact", {"objective": "regression"}),
    fl.BinaryCrossEntropy(): ("binary", "exact", {"objective": "binary"}),
    fl.Poisson(): ("counts", "exact", {"objective": "poisson", "poisson_max_delta_step": 1e-12}),
    fl.Gamma(): ("positive", "exact", {"objective": "gamma"}),
    fl.Tweedie(power=1.5): ("counts", "exact", {"objective": "tweedie", "tweedie_variance_power": 1.5}),
    fl.SparseCategoricalCrossEntropy(): ("classes", "scaled", {"objective": "multiclass", "num_class": 3}),
    fl.Huber(delta=1.0): ("real", "unit", {"objective": "huber", "alpha": 1.0}),
    fl.Fair(c=1.0): ("real", "exact", {"objective": "fair", "fair_c": 1.0}),
}


@pytest.mark.parametrize("interface", ["native", "sklearn"])
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("loss", BUILT_IN, ids=str)
def test_objective_is_that_of_lightgbm(loss, weighted, interface, x, rng):
    kind, hessian, theirs = BUILT_IN[loss]
    y, w = targets(kind, x, rng), rng.uniform(0.1, 4, len(x)) if weighted else None
    objective = adapter.objective(loss, hessian=hessian)
    start = np.tile(objective.loss.init_score(y, w), (len(x), 1)).squeeze()
    ours = {k: v for k, v in theirs.items() if k == "num_class"}

    def scores(parameters, own):
        if interface == "sklearn":
            model = lgb.LGBMRegressor(**SMALL, **parameters, objective=own, metric="None")
            return model.fit(x, y, sample_weight=w, init_score=start).predict(x, raw_score=True)
        data = lgb.Dataset(x, y, weight=w, init_score=start)
        native = own if isinstance(own, str) else own.native
        return lgb.train(NATIVE | parameters | {"objective": native}, data, 20).predict(x, raw_score=True)

    expected = scores({k: v for k, v in theirs.items() if k != "objective"}, theirs["objective"])
    got = scores(ours, objective)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    assert np.ptp(got) > 1


AVERAGED = [loss for loss in BUILT_IN if not isinstance(loss, fl.Huber | fl.Fair)]  # those start at the mean


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("loss", AVERAGED, ids=str)
def test_estimators_are_those_of_lightgbm(loss, weighted, x, rng):
    """With LightGBM's own start from the average: intercept, link and labels come out the same too."""
    kind, hessian, theirs = BUILT_IN[loss]
    y, w = targets(kind, x, rng), rng.uniform(0.1, 4, len(x)) if weighted else None
    classes = kind in ("binary", "classes")
    ours, plain = (
        (adapter.LossClassifier, lgb.LGBMClassifier) if classes else (adapter.LossRegressor, lgb.LGBMRegressor)
    )
    expected = plain(**SMALL, **theirs).fit(x, y, sample_weight=w)
    model = ours(loss=loss, hessian=hessian, **SMALL).fit(x, y, sample_weight=w)
    np.testing.assert_allclose(model.predict(x), expected.predict(x), rtol=1e-5, atol=1e-5)
    if classes:
        np.testing.assert_allclose(model.predict_proba(x), expected.predict_proba(x), rtol=1e-5, atol=1e-5)
    else:
        contributions = [m.predict(x, pred_contrib=True) for m in (model, expected)]
        np.testing.assert_allclose(*contributions, rtol=1e-5, atol=1e-5)
    if weighted:
        unweighted = clone(model).fit(x, y).predict(x, raw_score=True)
        assert np.abs(unweighted - model.predict(x, raw_score=True)).max() > 1e-2


def test_poisson_of_lightgbm_takes_smaller_steps(x, rng):
    """Its larger hessian is nothing but a learning rate of e**-0.7."""
    y = targets("counts", x, rng)
    expected = lgb.LGBMRegressor(objective="poisson", min_child_weight=0, **SMALL).fit(x, y).predict(x)
    steps = SMALL | {"learning_rate": SMALL["learning_rate"] * np.exp(-0.7)}
    got = adapter.LossRegressor(loss="poisson", min_child_weight=0, **steps).fit(x, y).predict(x)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("loss", "theirs"),
    [
        (fl.MeanAbsoluteError(), {"objective": "regression_l1"}),
        (fl.Quantile(quantile=0.8), {"objective": "quantile", "alpha": 0.8}),
    ],
    ids=str,
)
def test_leaves_are_not_renewed(loss, theirs, x, rng):
    """LightGBM's L1 and quantile: the same gradients and so the same splits, but leaves set to quantiles afterwards."""
    y = targets("real", x, rng)
    start = np.full(len(x), loss.init_score(y))
    only = SMALL | {"n_estimators": 1}
    trees = [
        lgb.LGBMRegressor(**only, **parameters).fit(x, y, init_score=start).booster_.trees_to_dataframe()
        for parameters in (theirs, {"objective": adapter.objective(loss, hessian="unit")})
    ]
    for column in ("split_feature", "threshold", "count"):
        assert trees[0][column].equals(trees[1][column])
    assert np.abs(trees[0]["value"] - trees[1]["value"]).max() > 0.01


# ---- learning -------------------------------------------------------------------------------------------------------

LEARNT = {  # held-out loss of the model over that of the constant: at most
    fl.Quantile(quantile=0.9): 0.4,
    fl.Quantile(quantile=0.1): 0.4,
    fl.MeanAbsoluteError(): 0.4,
    fl.TukeyBiweight(): 0.5,
    fl.LogCosh(): 0.35,
    fl.Huber(delta=0.5): 0.35,
    fl.MultiQuantile(quantiles=(0.1, 0.5, 0.9)): 0.4,
    fl.BinaryFocal(gamma=0.5): 0.6,
    fl.BinaryFocal(gamma=2.0): 0.6,
    fl.BinaryFocal(gamma=5.0): 0.6,
    fl.CategoricalFocal(): 0.6,
}


@pytest.mark.parametrize("loss", LEARNT, ids=str)
def test_learns(loss, rng):
    x = rng.normal(size=(2000, 4))
    signal = 2 * x[:, 0] + np.sin(3 * x[:, 1])
    y = signal + 0.3 * rng.standard_t(3, len(x))
    if loss.info.family == "binary":
        y = np.where(y > 2, "rare", "common")
    if loss.info.family == "multiclass" and loss.targets == "both":
        y = np.array(["low", "middle", "high"])[np.digitize(y, [-1, 1.5])]
    train, test = slice(1400), slice(1400, None)
    estimator = adapter.LossClassifier if y.dtype.kind == "U" else adapter.LossRegressor
    model = estimator(loss=loss, **SMALL | {"n_estimators": 60}).fit(x[train], y[train])
    expected = np.searchsorted(model.classes_, y[test]) if y.dtype.kind == "U" else y[test]
    raw = model.predict(x[test], raw_score=True)
    constant = np.broadcast_to(model.init_score_, raw.shape)
    assert model.loss_(expected, raw) < LEARNT[loss] * model.loss_(expected, constant)


@pytest.mark.parametrize("loss", [fl.GaussianNLL(), fl.LaplaceNLL()], ids=str)
def test_learns_distributions(loss, rng):
    """The log-likelihood of held-out data rises by 1 for each row, and the spread is found where there is one."""
    x = rng.uniform(-1, 1, size=(2000, 3))
    spread = np.exp(1.5 * x[:, 1])
    y = 4 * x[:, 0] + 0.3 * spread * rng.normal(size=len(x))
    train, test = slice(1400), slice(1400, None)
    model = adapter.LossRegressor(loss=loss, **SMALL | {"learning_rate": 0.1, "n_estimators": 80})
    raw = model.fit(x[train], y[train]).predict(x[test], raw_score=True)
    constant = np.broadcast_to(model.init_score_, raw.shape)
    assert model.loss_(y[test], raw) < model.loss_(y[test], constant) - 1
    assert np.corrcoef(np.log(model.predict_distribution(x[test]).std()), x[test, 1])[0, 1] > 0.9


@pytest.mark.parametrize("loss", [fl.HalfSquaredError(), fl.GaussianNLL(), fl.LaplaceNLL(), fl.GaussianCRPS()], ids=str)
@pytest.mark.parametrize("unit", [2.0**-20, 2.0**20], ids=["small", "large"])
def test_units_of_targets_do_not_matter(loss, unit, x, rng):
    """Else sums of hessians would fall below LightGBM's `min_child_weight`, and nothing would be learnt."""
    y = targets("real", x, rng)
    model = adapter.LossRegressor(loss=loss, **SMALL)
    expected = model.fit(x, y).predict(x)
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(model.fit(x, unit * y).predict(x) / unit, expected, rtol=1e-5)
    assert hash(model.objective_) == hash(copy.deepcopy(model.objective_))


KINKED = [fl.Quantile(quantile=0.9), fl.MeanAbsoluteError(), fl.MultiQuantile(quantiles=(0.2, 0.7))]


@pytest.mark.parametrize("loss", KINKED, ids=str)
@pytest.mark.parametrize("unit", [2.0**-4, 2.0**20], ids=["small", "large"])
def test_losses_with_kinks_learn_in_any_unit(loss, unit, x, rng):
    """Not the same: their majorizer is limited on the scale of the targets."""
    y = unit * targets("real", x, rng)
    model = adapter.LossRegressor(loss=loss, **SMALL | {"n_estimators": 60}).fit(x, y)
    raw = model.predict(x)
    assert loss(y, raw) < 0.5 * loss(y, np.broadcast_to(model.init_score_, raw.shape))


@pytest.mark.parametrize("loss", ["half_squared_error", "huber", "gaussian_nll", "poisson", "binary_focal"])
def test_start_is_the_best_constant(loss, x, rng):
    binary = loss == "binary_focal"
    y = targets("binary" if binary else "counts", x, rng)
    estimator = adapter.LossClassifier if binary else adapter.LossRegressor
    nothing = estimator(loss=loss, **SMALL | {"learning_rate": 1e-30}).fit(x, y)
    raw = nothing.predict(x, raw_score=True)
    start = nothing.loss_.init_score(y)
    np.testing.assert_allclose(raw, np.broadcast_to(start, raw.shape), rtol=1e-12)
    np.testing.assert_array_equal(nothing.init_score_, start)


# ---- the intercept is in the trees ----------------------------------------------------------------------------------

INTERCEPT = {
    "one": (fl.HalfSquaredError(), "real", {}),
    "several": (fl.MultiQuantile(quantiles=(0.2, 0.5, 0.8)), "real", {}),
    "linear trees": (fl.HalfSquaredError(), "real", {"linear_tree": True}),
    "bagging": (fl.Huber(), "real", {"subsample": 0.5, "subsample_freq": 1, "random_state": 1}),
    "classes": (fl.CategoricalFocal(), "classes", {}),
}


@pytest.mark.parametrize(("loss", "kind", "extra"), INTERCEPT.values(), ids=INTERCEPT)
def test_intercept_is_in_the_booster(loss, kind, extra, x, rng):
    y = targets(kind, x, rng)
    estimator = adapter.LossClassifier if kind == "classes" else adapter.LossRegressor
    model = estimator(loss=loss, **SMALL, **extra).fit(x, y)
    start = model.init_score_
    k = np.size(start)
    without = clone(model).fit(x, y, init_score=np.tile(start, (len(x), 1)).squeeze())
    assert without.booster_.num_trees() == model.booster_.num_trees() == k * SMALL["n_estimators"]

    for options in ({}, {"num_iteration": 1}, {"num_iteration": 7}):
        raw = model.predict(x, raw_score=True, **options)
        np.testing.assert_allclose(raw, without.predict(x, raw_score=True, **options) + start, rtol=1e-10)
        np.testing.assert_array_equal(model.booster_.predict(x, **options), raw)
    np.testing.assert_array_equal(
        model.predict(x, raw_score=True, start_iteration=3), without.predict(x, raw_score=True, start_iteration=3)
    )
    np.testing.assert_array_equal(model.predict(x, pred_leaf=True), without.predict(x, pred_leaf=True))
    if "linear_tree" not in extra:
        contributions = model.predict(x, pred_contrib=True).reshape(len(x), k, -1)
        np.testing.assert_allclose(contributions.sum(axis=2).squeeze(), model.predict(x, raw_score=True), rtol=1e-8)
        other = without.predict(x, pred_contrib=True).reshape(len(x), k, -1)
        np.testing.assert_allclose(contributions[..., :-1], other[..., :-1], atol=1e-10)


def test_intercept_with_dropped_trees(x, rng):
    """Those of DART change until the end; two fits differ, because LightGBM does not seed the first drop."""
    y = targets("real", x, rng)
    model = adapter.LossRegressor(loss="huber", boosting_type="dart", drop_rate=0.5, **SMALL)
    model.fit(x[:600], y[:600], **evaluation(x[600:], y[600:]))
    mean = model.loss_(y[600:], model.predict(x[600:]))
    assert model.evals_result_["valid_0"]["huber"][-1] == pytest.approx(mean, rel=1e-5)


def test_saved_booster_gives_raw_scores(x, rng, tmp_path):
    model = adapter.LossRegressor(loss="poisson", **SMALL).fit(x, targets("counts", x, rng))
    model.booster_.save_model(tmp_path / "model.txt")
    raw = lgb.Booster(model_file=tmp_path / "model.txt").predict(x)
    np.testing.assert_array_equal(raw, model.predict(x, raw_score=True))
    np.testing.assert_array_equal(np.exp(raw), model.predict(x))


@pytest.mark.parametrize("rows", [2, 30, 900], ids=["two rows", "few rows", "constant features"])
@pytest.mark.parametrize("loss", [fl.HalfSquaredError(), fl.MultiQuantile(quantiles=(0.3, 0.6))], ids=str)
def test_trees_of_one_leaf(loss, rows, x, rng):
    """Where nothing can be split the model is the constant; LightGBM by itself fails there with any function."""
    y = targets("real", x, rng)[:rows]
    features = np.ones((rows, 2)) if rows == 900 else x[:rows]
    model = adapter.LossRegressor(loss=loss, **SMALL).fit(features, y)
    assert model.booster_.num_trees() == np.size(model.init_score_)
    np.testing.assert_allclose(
        model.predict(features), np.broadcast_to(loss.init_score(y), model.predict(features).shape)
    )


@pytest.mark.parametrize("loss", [fl.Huber(), fl.MultiQuantile(quantiles=(0.2, 0.7))], ids=str)
def test_continued_training_adds_no_second_intercept(loss, x, rng):
    y = targets("real", x, rng)
    half = SMALL | {"n_estimators": 10}
    whole = adapter.LossRegressor(loss=loss, **SMALL).fit(x, y).predict(x)
    first = adapter.LossRegressor(loss=loss, **half).fit(x, y)
    for init_model in (first, first.booster_):
        second = adapter.LossRegressor(loss=loss, **half).fit(x, y, init_model=init_model)
        np.testing.assert_allclose(second.predict(x), whole, rtol=1e-5)


def test_users_start_replaces_ours(x, rng):
    y = targets("real", x, rng)
    start = np.full(len(x), 4.0)
    built_in = lgb.LGBMRegressor(**SMALL).fit(x, y, init_score=start)
    model = adapter.LossRegressor(**SMALL).fit(x, y, init_score=start)
    np.testing.assert_allclose(model.predict(x), built_in.predict(x), atol=1e-5)
    assert abs(model.predict(x).mean() - (y.mean() - 4)) < 0.1


# ---- metrics and early stopping -------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
def test_metric_in_both_interfaces(weighted, x, rng):
    y, w = targets("counts", x, rng), rng.uniform(0.1, 4, len(x)) if weighted else None
    own = {"objective": "poisson", **SMALL}
    natural = adapter.metric("poisson", raw=False)
    valid = {"eval_sample_weight": [w]} if weighted else {}
    model = lgb.LGBMRegressor(**own).fit(x, y, eval_metric=natural, **evaluation(x[:], y[:]), **valid)
    mean = fl.Poisson()(y, model.predict(x), w)
    assert model.evals_result_["valid_0"]["poisson"][-1] == pytest.approx(mean, rel=1e-6)

    seen = {}
    booster = lgb.train(
        NATIVE | {"objective": adapter.objective("poisson").native, "metric": "None"},
        data := lgb.Dataset(x, y, weight=w, init_score=np.full(len(x), 0.1)),
        20,
        valid_sets=[data],
        feval=adapter.metric("poisson", name="nll").native,
        callbacks=[lgb.record_evaluation(seen)],
    )
    assert len(seen["training"]["nll"]) == 20
    mean = fl.Poisson(log_input=True)(y, 0.1 + booster.predict(x), w)
    assert seen["training"]["nll"][-1] == pytest.approx(mean, rel=1e-6)


def test_metric_is_a_value():
    made = adapter.metric("huber", name="h")
    assert made == pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) != adapter.metric("huber")
    assert made([0.0, 0.0], [1.0, 3.0], [1.0, 0.0]) == ("h", 0.5, False)
    assert made.__name__ == "h"
    with pytest.raises(ValueError, match="name must be a text"):
        adapter.metric("huber", name="")
    with pytest.raises(TypeError, match="raw must be True or False"):
        adapter.metric("huber", raw=1)


CURVES = {
    fl.Quantile(quantile=0.8): "real",
    fl.GaussianNLL(): "real",
    fl.Poisson(): "counts",
    fl.BinaryFocal(): "binary",
    fl.CategoricalFocal(): "classes",
}


@pytest.mark.parametrize(("loss", "kind"), CURVES.items(), ids=map(str, CURVES))
def test_early_stopping_follows_the_loss(loss, kind, x, rng):
    y = targets(kind, x, rng)
    if kind in ("binary", "classes"):
        y = np.array(["a", "b", "c"])[y]
    estimator = adapter.LossClassifier if y.dtype.kind == "U" else adapter.LossRegressor
    many = SMALL | {"n_estimators": 1000, "learning_rate": 0.3}
    w = rng.uniform(0.1, 4, 300)
    model = estimator(loss=loss, **many).fit(
        x[:600],
        y[:600],
        eval_sample_weight=[w],
        callbacks=[lgb.early_stopping(5, verbose=False)],
        **evaluation(x[600:], y[600:]),
    )
    assert 0 < model.best_iteration_ < 200
    ((name, curve),) = model.evals_result_["valid_0"].items()
    assert name == loss.info.name
    assert np.argmin(curve) + 1 == model.best_iteration_
    expected = np.searchsorted(model.classes_, y[600:]) if y.dtype.kind == "U" else y[600:]
    raw = model.predict(x[600:], raw_score=True)
    assert model.loss_(expected, raw, w) == pytest.approx(min(curve), rel=1e-5)
    assert model.best_score_["valid_0"][name] == pytest.approx(min(curve))


def test_users_metric_replaces_ours(x, rng):
    y = targets("binary", x, rng)

    def error(y_true, raw):
        return "error", np.mean(y_true != (raw > 0)), False

    for given, parameters, names in [
        ("auc", {}, {"auc"}),
        (error, {}, {"error"}),
        ([error, "auc"], {}, {"error", "auc"}),
        (None, {"metric": "auc"}, {"auc"}),
        (adapter.metric("bce"), {}, {"binary_cross_entropy"}),
        (None, {}, {"binary_focal"}),
    ]:
        model = adapter.LossClassifier(loss="binary_focal", **SMALL, **parameters)
        model.fit(x, y, eval_metric=given, **evaluation(x[:100], y[:100]))
        assert set(model.evals_result_["valid_0"]) == names


def test_several_sets_of_evaluation(x, rng):
    y = np.array(["no", "yes"])[targets("binary", x, rng)]
    sets = [(x, y), (x[:100], y[:100]), (x[100:], y[100:])]
    model = adapter.LossClassifier(**SMALL)
    if "eval_X" in inspect.signature(lgb.LGBMRegressor.fit).parameters:
        xs, ys = zip(*sets, strict=True)
        model.fit(x, y, eval_X=xs, eval_y=ys)
        curves = [model.evals_result_[key]["binary_cross_entropy"] for key in ("valid_0", "valid_1", "valid_2")]
        assert curves[0][-1] == pytest.approx(curves[1][-1] / 9 + curves[2][-1] * 8 / 9)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The argument 'eval_set' is deprecated")
        old = clone(model).fit(x, y, eval_set=sets)
        single = clone(model).fit(x, y, eval_set=sets[1])
    curves = [old.evals_result_[key]["binary_cross_entropy"] for key in ("training", "valid_1", "valid_2")]
    assert curves[0][-1] == pytest.approx(curves[1][-1] / 9 + curves[2][-1] * 8 / 9)
    assert single.evals_result_["valid_0"]["binary_cross_entropy"] == curves[1]
    y01 = (y == "yes").astype(int)
    assert curves[0][-1] == pytest.approx(fl.BinaryCrossEntropy()(y01, old.predict_proba(x)[:, 1]), rel=1e-6)


# ---- the estimators -------------------------------------------------------------------------------------------------


def failures(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the checks that are skipped, and of LightGBM about feature names
        expected = estimator._more_tags()["_xfail_checks"]
        results = check_estimator(estimator, on_fail=None, on_skip=None, expected_failed_checks=expected)
    assert len(results) > 50
    return {result["check_name"] for result in results if result["status"] in ("failed", "xfail")}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("LossRegressor", lgb.LGBMRegressor), ("LossClassifier", lgb.LGBMClassifier)],
)
def test_checks_of_scikit_learn(ours, theirs):
    few = {"n_estimators": 10, "n_jobs": 1, "verbose": -1}
    assert failures(getattr(adapter, ours)(**few)) <= failures(theirs(**few))


def test_parameters(x, rng):
    model = adapter.LossRegressor(loss="huber", hessian="exact", num_leaves=5, bagging_seed=3, **{"verbose": -1})
    theirs = lgb.LGBMRegressor(num_leaves=5, bagging_seed=3, verbose=-1).get_params()
    assert model.get_params() == theirs | {"loss": "huber", "hessian": "exact", "min_hessian": None}
    assert clone(model).get_params() == model.get_params()
    loss = fl.Quantile(quantile=0.9)
    model.set_params(loss=loss, hessian=None, n_estimators=3, reg_lambda=0.5, n_jobs=1)
    assert model.get_params()["loss"] is loss
    assert model.get_params()["bagging_seed"] == 3
    model.fit(x, targets("real", x, rng))
    assert model.loss_ is loss
    assert model.objective_.loss is loss
    assert not {"loss", "hessian", "min_hessian"} & set(model.booster_.params)
    assert model.booster_.params["reg_lambda"] == 0.5
    model.loss = "huber"
    assert clone(model).get_params()["loss"] == "huber"

    signature = inspect.signature(adapter.LossRegressor.fit)
    assert signature == inspect.signature(lgb.LGBMRegressor.fit)

    class Deeper(adapter.LossRegressor):
        def __init__(self, *, depth=2, **others):
            super().__init__(**others)
            self.depth = depth

    assert clone(Deeper(depth=3, loss="huber", num_leaves=4)).get_params() == (
        lgb.LGBMRegressor(num_leaves=4).get_params()
        | {"depth": 3, "loss": "huber", "hessian": None, "min_hessian": None}
    )


def test_no_warning_and_no_output(x, rng, capfd):
    y = np.array(["a", "b", "c"])[targets("classes", x, rng)]
    model = adapter.LossClassifier(loss="categorical_focal", **SMALL | {"verbose": 0}).fit(x, y)
    model.predict(x), model.predict_proba(x), model.decision_function(x)
    adapter.LossRegressor(**SMALL | {"verbose": 0}).fit(x, x[:, 0]).predict(x)
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_grid_search_over_losses(x, rng):
    y = targets("real", x, rng)
    search = GridSearchCV(
        adapter.LossRegressor(**SMALL | {"n_estimators": 5}),
        {"loss": ["huber", fl.LogCosh(), fl.Quantile(quantile=0.5)], "learning_rate": [1e-6, 0.3]},
        cv=2,
        scoring="neg_mean_absolute_error",
    ).fit(x, y)
    assert search.best_params_["learning_rate"] == 0.3
    assert len(search.cv_results_["params"]) == 6
    assert len(set(search.cv_results_["mean_test_score"])) == 6


@pytest.mark.parametrize("how", ["pickle", "joblib", "deepcopy"])
def test_copies_predict_the_same(how, x, rng):
    joblib = pytest.importorskip("joblib")

    def dump(model):
        joblib.dump(model, buffer := io.BytesIO())
        buffer.seek(0)
        return joblib.load(buffer)

    copied = {"pickle": lambda m: pickle.loads(pickle.dumps(m)), "joblib": dump, "deepcopy": copy.deepcopy}[how]
    y = np.array(["a", "b", "c"])[targets("classes", x, rng)]
    model = adapter.LossClassifier(loss="categorical_focal", **SMALL).fit(x, y)
    other = copied(model)
    np.testing.assert_array_equal(other.predict(x), model.predict(x))
    np.testing.assert_array_equal(other.predict_proba(x), model.predict_proba(x))
    normal = adapter.LossRegressor(loss=fl.GaussianNLL(), **SMALL).fit(x, x[:, 0])
    np.testing.assert_array_equal(copied(normal).predict_distribution(x).std(), normal.predict_distribution(x).std())


def test_natural_scale_and_raw_scores(x, rng):
    rates = adapter.LossRegressor(loss="poisson", **SMALL).fit(x, targets("counts", x, rng))
    np.testing.assert_allclose(np.log(rates.predict(x)), rates.predict(x, raw_score=True), rtol=1e-9, atol=1e-12)
    assert not hasattr(rates, "predict_distribution")

    y = targets("real", x, rng)
    normal = adapter.LossRegressor(loss=fl.GaussianNLL(), **SMALL).fit(x, y)
    raw = normal.predict(x, raw_score=True)
    assert raw.shape == (len(x), 2)
    distribution = normal.predict_distribution(x)
    np.testing.assert_array_equal(normal.predict(x), raw[:, 0])
    np.testing.assert_allclose(distribution.mean(), raw[:, 0])
    low, high = distribution.interval(0.8)
    assert 0.7 < np.mean((low < y) & (y < high)) < 0.95

    bands = adapter.LossRegressor(loss=fl.MultiQuantile(quantiles=(0.1, 0.9)), **SMALL).fit(x, y)
    low, high = bands.predict(x).T
    assert 0.7 < np.mean((low < y) & (y < high)) < 0.9


@pytest.mark.parametrize("loss", [None, fl.BinaryFocal(), fl.CategoricalFocal(), fl.Exponential(), fl.Hinge()], ids=str)
def test_two_classes(loss, x, rng):
    y = np.array(["no", "yes"])[targets("binary", x, rng)]
    model = adapter.LossClassifier(loss=loss, **SMALL).fit(x, y)
    assert not hasattr(clone(model), "classes_")
    assert model.classes_.tolist() == ["no", "yes"]
    assert model.n_classes_ == 2
    raw = model.decision_function(x)
    positive = raw > 0 if raw.ndim == 1 else raw[:, 1] > raw[:, 0]
    np.testing.assert_array_equal(model.predict(x), np.where(positive, "yes", "no"))
    assert model.score(x, y) > max(np.mean(y == "yes"), np.mean(y == "no")) + 0.04
    assert hasattr(model, "predict_proba") == (not isinstance(loss, fl.Hinge))
    if hasattr(model, "predict_proba"):
        p = model.predict_proba(x)
        assert p.shape == (len(x), 2)
        np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
        np.testing.assert_array_equal(p[:, 1] > p[:, 0], positive)
        np.testing.assert_array_equal(model.predict_proba(x, raw_score=True), raw)


def test_weights_of_classes(x, rng):
    codes, w = targets("classes", x, rng), rng.uniform(0.1, 4, len(x))
    y = np.array(["a", "b", "c"])[codes]
    times = {"a": 5.0, "b": 1.0, "c": 0.5}
    by_hand = w * np.array([5.0, 1.0, 0.5])[codes]
    model = adapter.LossClassifier(class_weight=times, **SMALL)
    with_classes = model.fit(x, y, sample_weight=w).predict_proba(x)
    expected = adapter.LossClassifier(**SMALL).fit(x, y, sample_weight=by_hand).predict_proba(x)
    np.testing.assert_array_equal(with_classes, expected)
    assert model.class_weight == times
    balanced = adapter.LossClassifier(hessian="scaled", class_weight="balanced", **SMALL).fit(x, y)
    own = lgb.LGBMClassifier(class_weight="balanced", **SMALL).fit(x, y)
    np.testing.assert_allclose(balanced.predict_proba(x), own.predict_proba(x), atol=1e-5)

    model.set_params(class_weight=None).fit(x, y, eval_class_weight=[times], **evaluation(x[:200], y[:200]))
    got = model.evals_result_["valid_0"]["sparse_categorical_cross_entropy"][-1]
    raw = model.decision_function(x[:200])
    assert got == pytest.approx(model.loss_(codes[:200], raw, (by_hand / w)[:200]), rel=1e-5)


def test_pandas_and_categories(rng):
    pandas = pytest.importorskip("pandas")
    city = rng.choice(["Rome", "Oslo", "Lima", "Cairo"], 600)
    effect = {"Rome": 3.0, "Oslo": -2.0, "Lima": 0.0, "Cairo": 5.0}
    frame = pandas.DataFrame({"city": pandas.Categorical(city), "size": rng.normal(size=600)})
    y = pandas.Series([effect[name] for name in city], name="y") + 0.1 * frame["size"]
    model = adapter.LossRegressor(loss="huber", **SMALL | {"n_estimators": 60}).fit(frame, y)
    assert model.feature_names_in_.tolist() == ["city", "size"]
    assert np.abs(model.predict(frame) - y).max() < 0.3
    reordered = frame.iloc[::-1].assign(city=lambda f: f["city"].cat.remove_unused_categories())
    np.testing.assert_array_equal(model.predict(reordered)[::-1], model.predict(frame))
    restored = lgb.Booster(model_str=model.booster_.model_to_string())
    np.testing.assert_array_equal(restored.predict(frame), model.predict(frame))


@pytest.mark.parametrize(
    ("message", "estimator", "parameters", "y"),
    [
        ("objective must be None, because the loss", "LossRegressor", {"objective": "poisson"}, [1.0, 2.0]),
        ("application must be None, because the loss", "LossRegressor", {"application": "poisson"}, [1.0, 2.0]),
        ("boosting_type must not be 'rf'", "LossRegressor", {"boosting_type": "rf"}, [1.0, 2.0]),
        ("unknown loss 'hubr'", "LossRegressor", {"loss": "hubr"}, [1.0, 2.0]),
        ("hessian must be one of", "LossRegressor", {"loss": "huber", "hessian": "fisher"}, [1.0, 2.0]),
        ("min_hessian must be >= 0", "LossRegressor", {"min_hessian": -1.0}, [1.0, 2.0]),
        ("loss must have one number as the target", "LossRegressor", {"loss": "categorical_focal"}, [0, 1]),
        ("y_true must be .*got -1.0 at index 1", "LossRegressor", {"loss": "poisson"}, [1.0, -1.0]),
        ("loss must be a loss of classes", "LossClassifier", {"loss": "huber"}, [0, 1]),
        ("loss must be a loss of several classes", "LossClassifier", {"loss": "binary_focal"}, [0, 1, 2]),
    ],
)
def test_bad_arguments(message, estimator, parameters, y, rng):
    y = np.tile(y, 30)
    with pytest.raises(ValueError, match=message):
        getattr(adapter, estimator)(**parameters).fit(rng.normal(size=(len(y), 2)), y)


def test_native_layout_needs_no_copies(rng):
    """LightGBM hands over columns of scores and wants float32 columns back."""
    y = rng.integers(0, 3, 50).astype(np.float32)
    scores = rng.normal(size=(50, 3)).copy("F")
    scores.flags.writeable = False
    for result in adapter.objective("categorical_focal")(y, scores):
        assert result.dtype == np.float32
        assert result.flags.f_contiguous
        assert result.shape == (50, 3)


def test_missing_or_old_library(monkeypatch):
    for name in ("LossRegressor", "LossClassifier"):
        monkeypatch.setattr(lgb, "__version__", "3.3.5")
        with pytest.raises(
            ImportError, match=r"needs lightgbm >= 4\.6, found 3\.3\.5: pip install 'fastloss\[lightgbm\]"
        ):
            getattr(adapter, name)
        monkeypatch.undo()
        for library in ("lightgbm", "sklearn"):
            monkeypatch.setitem(sys.modules, library, None)
            with pytest.raises(ImportError, match=rf"needs {library} >= .*cannot be imported.*'fastloss\[lightgbm\]'"):
                getattr(adapter, name)
            monkeypatch.undo()
        assert isinstance(getattr(adapter, name), type)
    with pytest.raises(AttributeError, match="no attribute 'LossTransformer'"):
        adapter.LossTransformer  # noqa: B018
