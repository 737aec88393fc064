"""Ranking losses in boosters: against their own objectives, and held-out NDCG."""

from __future__ import annotations

import copy
import inspect
import pickle
from types import SimpleNamespace

import numpy as np
import pytest

import fastloss as fl
from fastloss.adapters import lightgbm as for_lightgbm
from fastloss.adapters import xgboost as for_xgboost
from fastloss.adapters._ranking import RankingObjective

RANKING = ("lambda_rank", "pairwise_logistic", "pairwise_hinge", "list_net", "list_mle")


def queries(n, seed):
    rng = np.random.default_rng(seed)
    group = rng.integers(5, 30, n)
    x = rng.normal(size=(int(group.sum()), 5))
    merit = x[:, 0] + np.sin(2 * x[:, 1]) + 0.5 * x[:, 2] * x[:, 3] + 0.5 * rng.normal(size=len(x))
    return x, np.digitize(merit, [0.5, 1.2, 1.9, 2.6]), group


def ndcg(y, scores, group, k=5):
    found = []
    for relevance, s in zip(*(np.split(a, np.cumsum(group)[:-1]) for a in (y, scores)), strict=True):
        gains, discount = 2.0**relevance - 1, 1 / np.log2(np.arange(2, k + 2))
        best = np.sort(gains)[::-1][:k]
        if best[0] > 0:
            got = gains[np.argsort(-s, kind="stable")][:k]
            found.append(got @ discount[: len(got)] / (best @ discount[: len(best)]))
    return np.mean(found)


TRAIN, TEST = queries(150, 0), queries(100, 1)
LIGHTGBM = {"n_estimators": 30, "num_leaves": 8, "n_jobs": 1, "verbose": -1}
XGBOOST = {"n_estimators": 30, "max_depth": 3, "n_jobs": 1, "learning_rate": 0.1}


# ---- the objective --------------------------------------------------------------------------------------------------


def test_objective_is_the_loss():
    x, y, group = TRAIN
    s = x[:, 0].astype(np.float32)
    w = np.random.default_rng(2).uniform(0.5, 2, len(group))
    made = for_lightgbm.objective("lambda_rank")
    assert isinstance(made, RankingObjective)
    assert len(inspect.signature(made).parameters) == 4
    assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == made
    expected = fl.LambdaRank().gradient_and_hessian(y, s, w, group=group, reduction="sum")
    for weights in (w, np.repeat(w, group)):
        for got, wanted in zip(made(y, s, weights, group), expected, strict=True):
            assert got.dtype == np.float32
            np.testing.assert_array_equal(got, wanted)
    bounds = np.concatenate([[0], np.cumsum(group)]).astype(np.uint32)
    lightgbm_data = SimpleNamespace(
        get_label=lambda: y, get_weight=lambda: np.repeat(w, group), get_group=lambda: group
    )
    xgboost_data = SimpleNamespace(get_label=lambda: y, get_weight=lambda: w, get_uint_info=lambda name: bounds)
    for data in (lightgbm_data, xgboost_data):
        np.testing.assert_array_equal(made.native(s, data), expected)


def test_bad_groups_and_weights():
    with pytest.raises(ValueError, match="boosters have metrics of rankings"):
        for_lightgbm.metric("lambda_rank")
    made = for_xgboost.objective("list_net")
    y, s = np.array([0, 1, 1]), np.zeros(3)
    with pytest.raises(ValueError, match="group must be given for a ranking loss"):
        made(y, s, None, None)
    with pytest.raises(ValueError, match="group must add up to the 3 rows"):
        made(y, s, None, [2])
    with pytest.raises(ValueError, match=r"same for all rows of a group, got 2\.0 after 1\.0 at index 1"):
        made(y, s, [1.0, 2.0, 1.0], [2, 1])
    with pytest.raises(ValueError, match="one entry for each of 2 groups or 3 rows"):
        made(y, s, [1.0], [2, 1])


# ---- training -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_reproduces_lightgbm(normalize, weighted):
    """Up to its table of the sigmoid."""
    lightgbm = pytest.importorskip("lightgbm")
    x, y, group = TRAIN
    w = np.repeat(np.random.default_rng(3).uniform(0.5, 2, len(group)), group) if weighted else None
    few = {**LIGHTGBM, "n_estimators": 4}
    own = lightgbm.LGBMRanker(**few, lambdarank_truncation_level=5, lambdarank_norm=normalize)
    ours = for_lightgbm.LossRanker(loss=fl.LambdaRank(k=5, normalize=normalize), **few)
    expected, got = (model.fit(x, y, group=group, sample_weight=w).predict(x) for model in (own, ours))
    np.testing.assert_allclose(got, expected, atol=2e-5)
    assert np.ptp(expected) > 0.5


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_reproduces_xgboost(normalize, weighted):
    """Whose hessian is the majorizer."""
    xgboost = pytest.importorskip("xgboost")
    x, y, group = TRAIN
    # XGBoost divides weights by their mean.
    w = np.random.default_rng(3).uniform(0.5, 2, len(group)) if weighted else None
    own = xgboost.XGBRanker(
        **XGBOOST,
        lambdarank_pair_method="topk",
        lambdarank_num_pair_per_sample=5,
        lambdarank_normalization=normalize,
        lambdarank_score_normalization=normalize,
    )
    ours = for_xgboost.LossRanker(loss=fl.LambdaRank(k=5, normalize=normalize), hessian="majorizer", **XGBOOST)
    expected = own.fit(x, y, group=group, sample_weight=w).predict(x)
    got = ours.fit(x, y, group=group, sample_weight=None if w is None else w / w.mean()).predict(x)
    np.testing.assert_allclose(got, expected, atol=1e-4)
    assert np.ptp(expected) > 0.5


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
@pytest.mark.parametrize("name", RANKING)
def test_learns(library, name):
    """Held-out NDCG: 0.2 above that of chance, and for LambdaRank at most 0.02 below the built-in objective."""
    module = pytest.importorskip(library)
    pytest.importorskip("sklearn")
    adapter, settings = (for_lightgbm, LIGHTGBM) if library == "lightgbm" else (for_xgboost, XGBOOST)
    x, y, group = TRAIN
    x_test, y_test, test_group = TEST
    model = adapter.LossRanker(loss=name, **settings).fit(x, y, group=group)
    got = ndcg(y_test, model.predict(x_test), test_group)
    chance = ndcg(y_test, np.random.default_rng(4).normal(size=len(y_test)), test_group)
    assert got > chance + 0.2
    if name == "lambda_rank":
        own = (module.LGBMRanker if library == "lightgbm" else module.XGBRanker)(**settings).fit(x, y, group=group)
        assert got > ndcg(y_test, own.predict(x_test), test_group) - 0.02


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_estimators(library):
    pytest.importorskip(library)
    base = pytest.importorskip("sklearn.base")
    x, y, group = TRAIN
    x_test, y_test, test_group = TEST
    evaluation = {"eval_set": [(x_test, y_test)], "eval_group": [test_group]}
    if library == "lightgbm":
        lightgbm = pytest.importorskip("lightgbm")
        model = for_lightgbm.LossRanker(**LIGHTGBM)
        stop = [lightgbm.early_stopping(3, verbose=False)]
        if "eval_X" in inspect.signature(lightgbm.LGBMRanker.fit).parameters:  # since 4.7, which warns of eval_set
            evaluation = {"eval_X": (x_test,), "eval_y": (y_test,), "eval_group": [test_group]}
        fitted = model.fit(x, y, group=group, eval_at=[5], callbacks=stop, **evaluation)
        assert "ndcg@5" in fitted.evals_result_["valid_0"]
    else:
        model = for_xgboost.LossRanker(early_stopping_rounds=3, **XGBOOST)
        fitted = model.fit(x, y, qid=np.repeat(np.arange(len(group)), group), **evaluation)
        assert "ndcg" in fitted.evals_result_["validation_0"]
        assert fitted.best_iteration >= 0
        same = for_xgboost.LossRanker(early_stopping_rounds=3, **XGBOOST).fit(x, y, group=group, **evaluation)
        np.testing.assert_array_equal(same.predict(x), fitted.predict(x))
    expected = fitted.predict(x)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(x), expected)
    assert base.clone(fitted).get_params()["loss"] is None
    with pytest.raises(ValueError, match="loss must be a ranking loss"):
        type(model)(loss="huber").fit(x, y, group=group)
    if library == "xgboost":
        with pytest.raises(ValueError, match="group or qid must be given"):
            type(model)().fit(x, y)
