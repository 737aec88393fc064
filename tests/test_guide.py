"""The guide: recommendations follow the metadata, comparisons the losses, diagnoses the data."""

from __future__ import annotations

import argparse
import math
import re
import sys

import numpy as np
import pytest

import fastloss as fl
from fastloss._curves import can_slice
from fastloss.cli import main
from fastloss.guide import _questions, compare, diagnose, recommend, select
from fastloss.guide._recommend import PATTERNS
from fastloss.guide._select import balanced_error, trimmed_absolute_error
from fastloss.guide._situation import MODELS, OUTLIERS, PREDICTS, families

# ---- recommend ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", families())
def test_every_loss_of_a_family_can_be_named(family) -> None:
    found = recommend(family, n=1000)
    names = [each.name for each in found]
    assert set(names) <= set(fl.list_losses(family=family))
    assert names
    for each in found:
        assert isinstance(each.loss, fl.Loss)
        assert math.isfinite(each.score)
        assert all(text.strip() for text in (*each.reasons, *each.cautions))
    scores = [each.score for each in found]
    assert scores == sorted(scores, reverse=True)
    assert len(recommend(family, n=2)) <= 2
    for model in MODELS:
        for each in recommend(family, model=model, n=1000):
            assert model != "booster" or each.loss.on_raw().default_hessian


def test_every_answer_finds_a_loss() -> None:
    for predict in PREDICTS:
        found = [name for name in fl.list_losses() if re.search(PATTERNS[predict], fl.get(name).info.elicits)]
        assert found
        for name in found:
            named = {each.name: each for each in recommend(fl.get(name).info.family, predict=predict, n=1000)}
            assert any(fl.get(name).info.elicits in reason for reason in named[name].reasons)


@pytest.mark.parametrize("outliers", OUTLIERS)
def test_outliers(outliers) -> None:
    best = [each.loss.info.outliers for each in recommend("regression", outliers=outliers, n=3)]
    assert set(best) == {{"none": "high", "few": "low", "many": "redescending"}[outliers]}


@pytest.mark.parametrize(
    ("situation", "expected"),
    [
        ({"task": "regression", "predict": "median"}, "mean_absolute_error"),
        ({"task": "regression", "predict": "mean", "model": "booster"}, "mean_squared_error"),
        ({"task": "binary"}, "binary_cross_entropy"),
        ({"task": "binary", "imbalance": 0.02}, "binary_focal"),
        ({"task": "binary", "imbalance": 0.02, "predict": "probability"}, "binary_cross_entropy"),
        ({"task": "classification", "n_classes": 5}, "sparse_categorical_cross_entropy"),
        ({"task": "multiclass", "label_noise": 0.2}, "generalized_cross_entropy"),
        ({"task": "multiclass", "imbalance": 0.02}, "categorical_focal"),
        ({"task": "distribution", "outliers": "none", "predict": "distribution"}, "gaussian_nll"),
    ],
)
def test_first_choice(situation, expected) -> None:
    assert recommend(**situation)[0].name == expected


def test_quantiles() -> None:
    assert {each.name for each in recommend("regression", predict="quantile", n=2)} == {"quantile", "smooth_quantile"}


def test_targets_decide(rng) -> None:
    y = rng.normal(size=500)
    assert recommend(y_true=y)[0].loss.info.outliers == "high"
    y[:40] += 50.0
    assert recommend(y_true=y)[0].loss.info.outliers == "redescending"
    assert recommend(y_true=y, outliers="none")[0].loss.info.outliers == "high"
    labels = np.arange(500) < 10
    assert recommend(y_true=labels)[0].name == "binary_focal"
    counts = recommend("counts", y_true=[0, 1, 5], n=10)
    assert "gamma" not in [each.name for each in counts]
    assert "gamma" in [each.name for each in recommend("counts", y_true=[1, 2, 5], n=10)]
    near_zero = recommend("regression", y_true=[0.0, 1.0, 2.0], predict="median", n=30)
    assert "mean_absolute_percentage_error" not in [each.name for each in near_zero]
    for each in recommend("regression", y_true=[-3.0, 1.0, 2.5], n=100):
        assert each.loss.info.y_domain.contains(np.array([-3.0])).all()


def test_text() -> None:
    found = recommend("regression", outliers="few", n=2)
    text = str(found)
    assert text.startswith("1. ")
    assert "+ a far target has bounded influence" in text
    assert found.table().splitlines()[1].split()[1] == found[0].name
    assert isinstance(found[0], fl.guide.Recommendation)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "task must be given where there is no y_true"),
        ({"task": "poetry"}, ValueError, "task must be one of"),
        ({"task": 3}, TypeError, "task must be a text"),
        ({"task": "regression", "outliers": "some"}, ValueError, "outliers must be one of"),
        ({"task": "regression", "outliers": 1.5}, ValueError, "outliers must be >= 0"),
        ({"task": "binary", "imbalance": 0.9}, ValueError, "imbalance must be > 0 and <= 0.5"),
        ({"task": "binary", "label_noise": 1.0}, ValueError, "label_noise must be"),
        ({"task": "regression", "predict": "future"}, ValueError, "predict must be one of"),
        ({"task": "regression", "model": "tree"}, ValueError, "model must be one of"),
        ({"task": "regression", "n": 0}, ValueError, "n must be"),
        ({"y_true": [0, 1, 2, 3]}, ValueError, "may hold counts or classes"),
        ({"y_true": [np.nan]}, ValueError, "y_true must hold finite numbers"),
    ],
)
def test_recommend_refuses(arguments, error, message) -> None:
    with pytest.raises(error, match=message):
        recommend(**arguments)


# ---- compare --------------------------------------------------------------------------------------------------------


def test_compare_is_the_losses(rng) -> None:
    y, f, w = rng.normal(size=(3, 200))
    w = np.abs(w)
    found = compare(y, f, sample_weight=w)
    assert len(found.lines) > 15
    for line in found.lines:
        loss = line.loss
        assert line.value == loss(y, f, w)
        assert line.slope == np.abs(loss.gradient(y, f, reduction="sum")).max()
        pulls = np.sort(np.abs(loss.gradient(y, f, w)))
        assert line.top_share == pytest.approx(pulls[-2:].sum() / pulls.sum())
        assert line.constant <= loss(y, np.full(200, np.average(y, weights=w)), w) + 1e-9
        assert line.still == np.mean(loss.gradient(y, f, reduction="sum") == 0)
    assert "poisson" in found.left_out
    assert found.columns()["value"] == [line.value for line in found.lines]


def test_compare_takes_what_fits(rng) -> None:
    labels, p = rng.integers(0, 2, 50), rng.random(50)
    assert {line.loss.info.family for line in compare(labels, p).lines} == {"binary"}
    logits = compare(labels, rng.normal(size=50), raw=True)
    assert all(line.loss.on_raw() == line.loss for line in logits.lines)
    rows = compare(rng.integers(0, 3, 50), rng.normal(size=(50, 3)), raw=True)
    assert len({line.loss for line in rows.lines}) == len(rows.lines)
    assert {line.loss.info.family for line in rows.lines} == {"multiclass"}
    pairs = compare(rng.normal(size=50), np.abs(rng.normal(size=(50, 2))))
    assert "gaussian_nll" in [line.name for line in pairs.lines]
    family = compare(rng.poisson(3, 50), rng.gamma(3, 1, 50), "counts")
    assert {line.loss.info.family for line in family.lines} == {"counts"}
    assert [line.name for line in compare(labels, p, [fl.Huber(), "mse"]).lines] == ["huber", "mean_squared_error"]


@pytest.mark.parametrize("name", [name for name in fl.list_losses() if can_slice(fl.get(name))])
def test_every_loss_that_qualifies_is_compared(name, rng) -> None:
    from fastloss._curves import slice_of

    line = slice_of(fl.get(name))
    t = np.linspace(line.low, line.high, 12)[1:-1]
    y, f = np.broadcast_to(line.y, t.shape + line.y.shape).copy(), line.predictions(t)
    (found,) = compare(y, f, [name]).lines
    assert found.value == fl.get(name)(y, f)
    assert found.name in str(compare(y, f, [name]))


def test_compare_refuses() -> None:
    with pytest.raises(ValueError, match="losses must be of single samples"):
        compare([0.0], [1.0], ["triplet"])
    with pytest.raises(ValueError, match="losses must hold one that takes"):
        compare([0.5], [1.0], ["hinge"])
    with pytest.raises(ValueError, match="y_pred must not be empty"):
        compare([], [])


# ---- diagnose: predictions ------------------------------------------------------------------------------------------


def test_good_predictions_have_no_findings(rng) -> None:
    y = rng.normal(size=2000)
    for loss in (None, "mse", "huber", "mae", "tukey_biweight"):
        found = diagnose(y, y + 0.3 * rng.normal(size=2000), loss=loss)
        assert not found, found
    z = 2 * rng.normal(size=2000)
    labels = rng.random(2000) < 1 / (1 + np.exp(-z))
    assert not diagnose(labels, z, loss=fl.BinaryCrossEntropy(from_logits=True))
    assert not diagnose(labels, 1 / (1 + np.exp(-z)), loss=fl.BinaryCrossEntropy())
    assert not diagnose(labels, 1 / (1 + np.exp(-z)))
    assert not diagnose(labels, z, loss="hinge")
    scores = rng.normal(size=(2000, 3))
    classes = np.argmax(scores + rng.gumbel(size=scores.shape), axis=1)
    assert not diagnose(classes, scores, loss=fl.SparseCategoricalCrossEntropy(from_logits=True))
    rates = np.exp(rng.normal(size=2000))
    assert not diagnose(rng.poisson(rates), rates, loss="poisson")
    assert "nothing found" in str(diagnose(y, y + 0.3 * rng.normal(size=2000)))


def case(name, rng):
    """Predictions with one problem: arguments, and what it is called."""
    n = 1000
    y, noise = rng.normal(size=n), 0.3 * rng.normal(size=n)
    z = 3 * rng.normal(size=n)
    labels = (rng.random(n) < 1 / (1 + np.exp(-z))).astype(int)
    logistic = fl.BinaryCrossEntropy(from_logits=True)
    rare = (np.arange(n) < 20).astype(int)
    gross = np.where(np.arange(n) < 30, 40.0, 0.0)
    return {
        "large labels": ((1e4 * y, 1e4 * (y + noise)), {"loss": "mse"}, "scale of labels"),
        "large labels, huber": ((1e4 * y, 1e4 * (y + noise)), {"loss": "huber"}, "scale of labels"),
        "small labels": ((1e-4 * y, 1e-4 * (y + noise)), {"loss": "huber"}, "scale of labels"),
        "out of reach": ((1e3 * y, 1e3 * (y + noise)), {"loss": "welsch"}, "vanishing gradient"),
        "no loss": ((1e4 * y, 1e4 * (y + noise)), {}, "scale of labels"),
        "outliers": ((y + gross, y + noise), {"loss": "mse"}, "outliers"),
        "exploding": ((y + 1e4 * (gross > 0) * (np.arange(n) < 3), y + noise), {"loss": "mse"}, "exploding gradient"),
        "bias": ((y, y + 5.0), {"loss": "mse"}, "bias"),
        "constant": ((y, np.full(n, 0.1)), {"loss": "mse"}, "constant predictions"),
        "nan": ((y, np.where(np.arange(n) == 7, np.nan, y)), {"loss": "mse"}, "predictions are not finite"),
        "imbalance": ((rare, np.full(n, -3.0)), {"loss": logistic}, "imbalance"),
        "one label": ((np.zeros(n), z), {"loss": logistic}, "imbalance"),
        "saturation": ((labels, 30 * np.sign(z)), {"loss": logistic}, "saturation"),
        "log of 0": ((labels, (z > 0).astype(float)), {"loss": fl.BinaryCrossEntropy()}, "saturation"),
        "log of 0, no loss": ((labels, (z > 0).astype(float)), {}, "saturation"),
        "probabilities": ((labels, 1 / (1 + np.exp(-z))), {"loss": logistic}, "probabilities in the place of logits"),
    }[name]


CASES = (
    "large labels",
    "large labels, huber",
    "small labels",
    "out of reach",
    "no loss",
    "outliers",
    "exploding",
    "bias",
    "constant",
    "nan",
    "imbalance",
    "one label",
    "saturation",
    "log of 0",
    "log of 0, no loss",
    "probabilities",
)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("error")
def test_problems_of_predictions(name, rng) -> None:
    arguments, options, expected = case(name, rng)
    found = diagnose(*arguments, **options)
    assert expected in found.problems, found
    for finding in found.findings:
        assert finding.evidence
        assert finding.remedy
        assert finding.severity in ("problem", "warning", "hint")
    assert [f.severity for f in found.findings] == sorted(
        (f.severity for f in found.findings), key=("problem", "warning", "hint").index
    )
    assert f"{expected}: " in str(found)


def test_rows_of_classes(rng) -> None:
    loss = fl.SparseCategoricalCrossEntropy(from_logits=True)
    labels = np.where(np.arange(600) < 12, 2, np.arange(600) % 2)
    scores = np.where(np.arange(3) == labels[:, None], 1.0, 0.0) + rng.normal(size=(600, 3))
    scores[:, 2] -= 9
    assert "imbalance" in diagnose(labels, scores, loss=loss).problems
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert "probabilities in the place of logits" in diagnose(labels, p, loss=loss).problems
    assert (
        "saturation"
        in diagnose(labels, np.eye(3)[np.arange(600) % 2], loss=fl.SparseCategoricalCrossEntropy()).problems
    )


@pytest.mark.parametrize("name", [name for name in fl.list_losses() if can_slice(fl.get(name))])
def test_every_loss_that_qualifies_is_diagnosed(name, rng) -> None:
    from fastloss._curves import slice_of

    for loss in (fl.get(name), fl.get(name).on_raw()):
        line = slice_of(loss)
        t = np.linspace(line.low, line.high, 40)
        y, f = np.broadcast_to(line.y, t.shape + line.y.shape).copy(), line.predictions(t)
        assert "under" in diagnose(y, f, loss=loss).checked


# ---- diagnose: histories --------------------------------------------------------------------------------------------

DECAY = np.exp(-np.arange(40) / 5)


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([1.0, 3.0, 50.0, 1e6], ("divergence",)),
        ({"loss": [1.0, 0.5, np.nan, np.nan]}, ("divergence",)),
        ({"loss": [1.0, 0.5, np.inf]}, ("divergence",)),
        ({"loss": [np.nan]}, ("divergence",)),
        ([2.302, 2.302, 2.3019, 2.302, 2.3018], ("nothing learnt",)),
        ({"loss": 1 + DECAY + 0.4 * (-1.0) ** np.arange(40)}, ("oscillation",)),
        (1 / (1 + np.arange(40) / 100), ("not converged",)),
        ({"loss": DECAY, "val_loss": 1 + DECAY + 0.02 * np.arange(40)}, ("overfitting",)),
        ({"loss": DECAY, "val_loss": 1 + DECAY, "val_accuracy": 1 - DECAY}, ()),
        ({"loss": DECAY, "accuracy": 1 - DECAY[::-1]}, ()),
        ({"value": 1 + DECAY, "gradient_norm": DECAY}, ()),
        ({"value": 1 + DECAY[::-1][:30][::-1], "gradient_norm": np.geomspace(1, 1e5, 30)}, ("exploding gradient",)),
        (
            {"value": np.full(40, 3.0), "gradient_norm": np.geomspace(1, 1e-9, 40)},
            ("nothing learnt", "vanishing gradient"),
        ),
    ],
)
def test_problems_of_histories(history, expected) -> None:
    found = diagnose(history)
    assert found.problems == expected, found


def test_histories_of_our_own(rng) -> None:
    X = rng.normal(size=(100, 2))
    y = 1e4 * X[:, 0]
    objective = fl.optim.linear("mse", X, y)
    assert diagnose(fl.optim.gradient_descent(objective, step=2.0, max_iter=30)).problems[0] == "divergence"
    assert not diagnose(fl.optim.newton(objective))
    monitor = fl.LossMonitor(show="none")
    for k in range(20):
        monitor.record(training=1 / (k + 1), validation=1 + 0.1 * abs(k - 4))
    assert "overfitting" in diagnose(monitor).problems
    both = diagnose(monitor, y_true=[0.0, 1.0], y_pred=[0.5, 0.5])
    assert both.checked == "2 predictions, history of 20 iterations"


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((), {}, ValueError, "history must be given"),
        (([0.0],), {"y_true": [0.0]}, ValueError, "y_true and y_pred must be given together"),
        (([0.0, 1.0], [0.0]), {}, ValueError, "loss must be given where y_pred"),
        (([0.0], [0.0]), {"loss": "triplet"}, ValueError, "loss must be one of single samples"),
        (([], []), {}, ValueError, "y_pred must not be empty"),
        ((object(),), {}, TypeError, "history must be a result"),
        (({},), {}, ValueError, "at least one number"),
    ],
)
def test_diagnose_refuses(arguments, options, error, message) -> None:
    with pytest.raises(error, match=message):
        diagnose(*arguments, **options)


# ---- select ---------------------------------------------------------------------------------------------------------


def test_select_ignores_outliers(rng) -> None:
    pytest.importorskip("sklearn")
    X = rng.normal(size=(300, 3))
    y = 1e3 * (X @ [1.0, -2.0, 0.5] + 0.2 * rng.normal(size=300))
    y[::10] += 1e5 * rng.random(30)
    found = select(X, y, ["mse", "huber", "tukey_biweight"], cv=3)
    assert found.candidates[-1].loss == fl.MeanSquaredError()
    assert found.best in (fl.Huber(), fl.TukeyBiweight())
    assert found.best in found.tied
    assert fl.MeanSquaredError() not in found.tied
    assert found.scoring == "trimmed absolute error"
    text = str(found).splitlines()
    assert len(text) == 4
    assert repr(found.best) in text[1]
    again = select(X, y, ["mse", "huber", "tukey_biweight"], cv=3)
    assert again.candidates == found.candidates


def test_select_is_cross_validation(rng) -> None:
    pytest.importorskip("sklearn")
    from sklearn.model_selection import KFold, cross_val_score

    from fastloss.adapters.sklearn import LinearLossRegressor, scorer

    X = rng.normal(size=(90, 2))
    y = X[:, 0] + rng.normal(size=90)
    cv = KFold(4, shuffle=True, random_state=3)
    found = select(X, y, ["mae"], estimator=LinearLossRegressor(), scoring="mse", cv=cv, standardize=False)
    expected = -cross_val_score(LinearLossRegressor("mae"), X, y, scoring=scorer("mse"), cv=cv)
    np.testing.assert_allclose(found.candidates[0].scores, expected, rtol=1e-6)
    custom = select(X, y, ["mae"], scoring=lambda t, p: float(np.max(np.abs(t - p))), cv=cv)
    assert min(custom.candidates[0].scores) > 1


def test_select_for_labels_and_by_default(rng) -> None:
    pytest.importorskip("sklearn")
    X = rng.normal(size=(300, 2))
    words = np.where(X[:, 0] + 0.5 * rng.normal(size=300) > 1.2, "rare", "common")
    found = select(X, words, cv=3)
    assert len(found.candidates) >= 3
    assert all(0 <= each.mean <= 1 for each in found.candidates)
    assert found.scoring == "1 - mean recall"
    numbers = select(X, X[:, 0] + rng.standard_t(1.5, 300), cv=3)
    assert len(numbers.candidates) == 5
    several = select(X, np.digitize(X[:, 0], [-0.5, 0.5]).astype(str), ["multi_margin", "categorical_focal"], cv=3)
    assert several.candidates[0].mean < 0.3


def test_select_with_other_models_and_failures(rng) -> None:
    pytest.importorskip("sklearn")
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X = rng.normal(size=(80, 2))
    y = np.abs(X[:, 0])
    model = make_pipeline(StandardScaler(), fl.nn.NeuralRegressor(epochs=3, random_state=0))
    found = select(X, y, ["mse", "poisson"], estimator=model, cv=2, sample_weight=np.ones(80))
    assert {each.loss.info.name for each in found.candidates} == {"mean_squared_error", "poisson"}
    failing = select(X, -y, ["mse", "poisson"], cv=2)
    assert failing.best == fl.MeanSquaredError()
    assert "y" in failing.candidates[1].failure
    assert "failed" in str(failing)
    with pytest.raises(ValueError, match="no training succeeded"):
        select(X, -y, ["poisson"], cv=2)


def test_scores() -> None:
    y = np.arange(10.0)
    assert trimmed_absolute_error(y, y + np.where(y == 3, 1e9, 1.0)) == 1.0
    assert balanced_error(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0])) == 0.5


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"losses": ["mse", "hinge"]}, ValueError, "all be of numbers or all of labels"),
        ({"losses": []}, ValueError, "losses must hold at least one"),
        ({"losses": ["linear_cross_entropy"]}, ValueError, "losses must be of predictions"),
        ({"losses": ["mse"], "cv": 1}, ValueError, "cv must be at least 2"),
        ({"losses": ["mse"], "scoring": 3}, TypeError, "scoring must be a loss or callable"),
        ({"losses": ["mse"], "y": [[1.0], [2.0]]}, ValueError, "y must have the shape"),
    ],
)
def test_select_refuses(options, error, message) -> None:
    pytest.importorskip("sklearn")
    given = {"X": np.zeros((4, 1)), "y": np.arange(4.0), **options}
    with pytest.raises(error, match=message):
        select(given.pop("X"), given.pop("y"), **given)


# ---- command line ---------------------------------------------------------------------------------------------------


def test_command_line(capsys) -> None:
    assert main(["guide", "--task", "binary", "--imbalance", "0.05", "-n", "2"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("1. BinaryFocal(")
    assert "python -m fastloss guide --task binary --imbalance 0.05" in printed
    assert main(["guide", "--task", "regression", "--label-noise", "0.1", "--table"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--task must be given"),
        (("--outliers", "few"), "--task must be given"),
        (("--task", "poetry"), "invalid choice: 'poetry'"),
        (("--task", "binary", "--imbalance", "2"), "imbalance must be"),
    ],
)
def test_wrong_options(capsys, options, message, monkeypatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    with pytest.raises(SystemExit) as stopped:
        main(["guide", *options])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_questions(capsys, monkeypatch) -> None:
    lines = iter(["verse", "regression", "lots", "few", "", "booster"])
    prompts = []
    monkeypatch.setattr("builtins.input", lambda text: prompts.append(text) or next(lines))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    assert main(["guide"]) == 0
    assert f"1  {families()[0]}" in prompts[0]
    assert prompts[1].startswith("One of")
    assert "--task regression --outliers few --model booster" in capsys.readouterr().out
    assert not list(lines)


def test_questions_can_be_left(capsys, monkeypatch) -> None:
    def leave(text):
        raise EOFError

    monkeypatch.setattr("builtins.input", leave)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    assert main(["guide"]) == 1


def test_answers() -> None:
    def answered(*lines):
        rest = iter(lines)
        return _questions.ask(lambda text: next(rest))

    assert answered("regression", "2", "median", "") == {"task": "regression", "outliers": "few", "predict": "median"}
    assert answered("", "binary", "5%", "0.9.", "0.01", "", "3") == {
        "task": "binary",
        "imbalance": 0.05,
        "label_noise": 0.01,
        "model": "neural",
    }
    parser = argparse.ArgumentParser()
    _questions.add_options(parser)
    assert vars(parser.parse_args(["--task", "ranking"]))["n"] == 5
