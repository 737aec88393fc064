"""LossMonitor: what it records of every trainer, shows, saves and loads."""

from __future__ import annotations

import copy
import importlib.util
import io
import itertools
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastloss as fl
from fastloss.monitor import _bar
from fastloss.monitor._bar import Bar

KERAS_CASES = Path(__file__).parent / "monitor_keras_cases.py"


@pytest.fixture
def data(rng):
    X = rng.normal(size=(300, 3)).astype(np.float32)
    y = (2 * X[:, 0] + rng.normal(size=300)).astype(np.float32)
    w = rng.uniform(0.5, 2.0, 300)
    return X, y, w


def monitor(data, losses=("huber", "mae"), **options) -> fl.LossMonitor:
    X, y, w = data
    options = {"show": "none", **options}
    return fl.LossMonitor(list(losses), training=(X[:200], y[:200]), validation=(X[200:], y[200:], w[200:]), **options)


NAMES = [f"{part} {name}" for part in ("training", "validation") for name in ("huber", "mean_absolute_error")]


# ---- trainers -------------------------------------------------------------------------------------------------------


def test_optimisers(data) -> None:
    X, y, w = data
    watch = monitor(data)
    objective = fl.optim.linear("huber", X[:200], y[:200], fit_intercept=True)
    result = fl.optim.gradient_descent(objective, callback=watch, max_iter=20)
    history = watch.history
    assert list(history) == ["iteration", "time", "value", "gradient_norm", "step", *NAMES]
    np.testing.assert_array_equal(history["iteration"], np.arange(result.n_iter + 1))
    np.testing.assert_array_equal(history["value"], result.history.value)
    np.testing.assert_array_equal(history["time"], result.history.time)
    np.testing.assert_allclose(history["training huber"], history["value"], rtol=1e-6)
    scores = X[200:] @ result.x[:3] + result.x[3]
    expected = np.average(np.abs(scores - y[200:]), weights=w[200:])
    assert history["validation mean_absolute_error"][-1] == pytest.approx(expected, rel=1e-6)
    fl.optim.newton(objective, callback=watch, max_iter=3)
    assert len(watch.history["iteration"]) == 4, "a new run has a new record"


@pytest.mark.parametrize("loss", ["gaussian_nll", "sparse_categorical_cross_entropy", "multi_quantile"])
@pytest.mark.parametrize("intercept", [False, True])
def test_optimisers_of_several_scores(loss, intercept, data) -> None:
    X, y, _ = data
    if loss == "sparse_categorical_cross_entropy":
        y = np.digitize(y, [-1, 1])
    watch = fl.LossMonitor(loss, training=(X, y), show="none")
    objective = fl.optim.linear(loss, X, y, fit_intercept=intercept)
    fl.optim.gradient_descent(objective, callback=watch, max_iter=5)
    np.testing.assert_allclose(watch.history[f"training {loss}"], watch.history["value"], rtol=1e-5)


def test_optimisers_of_other_models(data) -> None:
    X, y, _ = data
    watch = fl.LossMonitor("mse", training=(X, y), predict=lambda theta, X: np.full(len(X), theta[0]), show="none")

    def constant(theta):
        return float(np.mean((theta[0] - y) ** 2)), np.array([2 * np.mean(theta[0] - y)])

    fl.optim.gradient_descent(constant, [5.0], callback=watch)
    np.testing.assert_allclose(watch.history["training mean_squared_error"], watch.history["value"], rtol=1e-6)
    with pytest.raises(ValueError, match="predict must be given for parameters of the size 2"):
        fl.optim.newton(lambda x: (float(x @ x), 2 * x), [1.0, 1.0], callback=monitor(data))


def test_networks(data) -> None:
    pytest.importorskip("sklearn")
    X, y, _ = data
    watch = monitor(data)
    model = fl.nn.NeuralRegressor("huber", epochs=4, random_state=0, callback=watch, early_stopping=True)
    model.fit(X[:200], y[:200])
    history = watch.history
    np.testing.assert_array_equal(history["training"], model.loss_curve_)
    np.testing.assert_array_equal(history["validation"], model.validation_curve_)
    assert history["training mean_absolute_error"][-1] == pytest.approx(np.abs(model.predict(X[:200]) - y[:200]).mean())
    model.fit(X[:200], y[:200])
    assert watch.history["iteration"].tolist() == [1, 2, 3, 4]


def test_xgboost(data) -> None:
    watch = monitor(data)  # before XGBoost is imported, if it was not
    xgboost = pytest.importorskip("xgboost")
    from fastloss.adapters.xgboost import metric, objective

    X, y, w = data
    train, valid = xgboost.DMatrix(X[:200], y[:200]), xgboost.DMatrix(X[200:], y[200:], weight=w[200:])
    options = {
        "evals": [(train, "train"), (valid, "valid")],
        "obj": objective("huber").native,
        "custom_metric": metric("huber").native,
        "verbose_eval": False,
    }
    xgboost.train({"base_score": 1.0, "disable_default_eval_metric": 1}, train, 8, callbacks=[watch], **options)
    history = watch.history
    assert list(history) == ["iteration", "time", "train huber", "valid huber", *NAMES]
    assert history["iteration"].tolist() == list(range(1, 9))
    np.testing.assert_allclose(history["training huber"], history["train huber"], atol=1e-5)
    np.testing.assert_allclose(history["validation huber"], history["valid huber"], atol=1e-5)

    by_matrix = fl.LossMonitor("mae", validation=valid, show="none")
    model = xgboost.XGBRegressor(n_estimators=3, callbacks=[by_matrix]).fit(X[:200], y[:200])
    expected = np.average(np.abs(model.predict(X[200:]) - y[200:]), weights=w[200:])
    assert by_matrix.history["validation mean_absolute_error"][-1] == pytest.approx(expected, rel=1e-5)
    xgboost.cv({}, train, 3, callbacks=[watch])
    assert list(watch.history) == ["iteration", "time", "train rmse", "test rmse"]


def test_xgboost_sees_its_base_class() -> None:
    pytest.importorskip("xgboost")
    code = """
import fastloss as fl
monitor = fl.LossMonitor()
import xgboost
assert isinstance(monitor, xgboost.callback.TrainingCallback)
assert isinstance(monitor, fl.LossMonitor) and monitor.__class__ is fl.LossMonitor
assert not isinstance(object(), xgboost.callback.TrainingCallback)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("boosting", ["gbdt", "goss", "dart", "rf"])
def test_lightgbm(data, boosting) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    from fastloss.adapters.lightgbm import metric, objective

    X, y, w = data
    start = 0.0 if boosting == "rf" else 0.5
    watch = monitor(data, init_score=start)
    given = lambda rows, **more: lightgbm.Dataset(
        X[rows], y[rows], init_score=np.full(len(y[rows]), start) if start else None, **more
    )
    train = given(slice(0, 200))
    valid = given(slice(200, None), weight=w[200:], reference=train)
    params = {"verbose": -1, "boosting": boosting, "metric": "none"}
    params |= {"bagging_fraction": 0.5, "bagging_freq": 1} if boosting == "rf" else {}
    params["objective"] = "regression" if boosting == "rf" else objective("huber").native
    lightgbm.train(
        params, train, 12, valid_sets=[valid], valid_names=["valid"], feval=metric("huber").native, callbacks=[watch]
    )
    history = watch.history
    assert list(history) == ["iteration", "time", "valid huber", *NAMES]
    assert history["iteration"].tolist() == list(range(1, 13))
    np.testing.assert_allclose(history["validation huber"], history["valid huber"], rtol=1e-6)


def test_lightgbm_estimators_and_cross_validation(data) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    X, y, _ = data
    watch = monitor(data, every=2)
    model = lightgbm.LGBMRegressor(n_estimators=5, verbose=-1).fit(X[:200], y[:200], callbacks=[watch])
    history = watch.history
    assert history["iteration"].tolist() == [2, 4]
    predicted = model.booster_.predict(X[200:], num_iteration=4)
    expected = np.average(np.abs(predicted - y[200:]), weights=data[2][200:])
    assert history["validation mean_absolute_error"][-1] == pytest.approx(expected)
    lightgbm.cv({"verbose": -1}, lightgbm.Dataset(X, y), 3, callbacks=[watch], stratified=False)
    assert list(watch.history) == ["iteration", "time", "valid l2"]


def test_lightgbm_of_classes(data) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    X, y, _ = data
    labels = np.digitize(y, [-1, 1])
    watch = fl.LossMonitor("sparse_categorical_cross_entropy", training=(X, labels), show="none")
    params = {"objective": "multiclass", "num_class": 3, "metric": "multi_logloss", "verbose": -1}
    train = lightgbm.Dataset(X, labels)
    lightgbm.train(params, train, 4, valid_sets=[train], callbacks=[watch])
    history = watch.history
    np.testing.assert_allclose(history["training sparse_categorical_cross_entropy"], history["training multi_logloss"])


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_keras(backend, tmp_path) -> None:
    if any(importlib.util.find_spec(module) is None for module in ("keras", backend)):
        pytest.skip("needs Keras")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(KERAS_CASES)]
    env = os.environ | {
        "KERAS_HOME": str(tmp_path),
        "JAX_PLATFORMS": "cpu",
        "OMP_NUM_THREADS": "1",
        "KERAS_BACKEND": backend,
    }
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]
    assert " passed" in done.stdout


def test_unknown_callers() -> None:
    with pytest.raises(TypeError, match="state must come from LightGBM"):
        fl.LossMonitor()(object())


# ---- the record -----------------------------------------------------------------------------------------------------


def recorded() -> fl.LossMonitor:
    watch = fl.LossMonitor(show="none")
    watch.record(training=3.0)
    watch.record(training=2.0, validation=2.5)
    watch.record(7, training=float("inf"), validation=2.25)
    return watch


def test_own_loops() -> None:
    watch = recorded()
    history = watch.history
    assert history["iteration"].tolist() == [1, 2, 7]
    np.testing.assert_array_equal(history["validation"], [np.nan, 2.5, 2.25])
    assert watch.best() == (7, 2.25)
    assert watch.best("training") == (2, 2.0)
    assert "3 iterations: training, validation" in repr(watch)
    with pytest.raises(ValueError, match="name must be a series with numbers"):
        watch.best("accuracy")
    with pytest.raises(ValueError, match="name must be a series"):
        fl.LossMonitor().best()


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_files(tmp_path, kind) -> None:
    watch = recorded()
    watch.losses["huber"] = fl.Huber(delta=2.0)
    watch.losses["robust"] = fl.GeneralRobust(alpha=-np.inf)
    path = tmp_path / f"run.{kind}"
    watch.save(path)
    loaded = fl.LossMonitor.load(str(path))
    assert list(loaded.history) == list(watch.history)
    for name, values in watch.history.items():
        np.testing.assert_array_equal(loaded.history[name], values)
    assert loaded.losses == (watch.losses if kind == "json" else {})
    assert loaded.best() == watch.best()


def test_csv_is_a_table_and_json_is_json(tmp_path) -> None:
    watch = recorded()
    watch.save(tmp_path / "run.csv")
    lines = (tmp_path / "run.csv").read_text().splitlines()
    assert lines[0] == "iteration,time,training,validation"
    assert lines[1].endswith(",3.0,")
    watch.save(tmp_path / "run.json")
    content = json.loads((tmp_path / "run.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert content["series"]["training"] == [3.0, 2.0, "inf"]


def test_tables_of_others_are_read(tmp_path) -> None:
    (tmp_path / "log.csv").write_text("loss,val_loss\n1.0,2.0\n0.5,\n")
    loaded = fl.LossMonitor.load(tmp_path / "log.csv")
    assert loaded.history["iteration"].tolist() == [1, 2]
    np.testing.assert_array_equal(loaded.history["val_loss"], [2.0, np.nan])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "", r"path must end in .csv or .json"),
        ("a.csv", "", "must be a table"),
        ("a.csv", "x,y\n1\n", "different lengths"),
        ("a.csv", "x\nhello\n", "must hold numbers, got 'hello'"),
        ("a.json", "{", "must be a JSON file"),
        ("a.json", "[]", "that LossMonitor.save wrote"),
        ("a.json", '{"format": "fastloss.LossMonitor", "series": {"a": [1], "b": []}}', "series of one length"),
        ("a.json", '{"format": "fastloss.LossMonitor", "series": {"a": [[]]}}', "must hold numbers"),
    ],
)
def test_bad_files(tmp_path, name, text, message) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        fl.LossMonitor.load(tmp_path / name)


def test_copies(data) -> None:
    watch = monitor(data)
    watch._model = lambda: None  # what cannot be pickled
    watch.record(training=1.0)
    for other in (copy.deepcopy(watch), pickle.loads(pickle.dumps(watch))):
        assert other.history["training"].tolist() == [1.0]
        assert other.losses == watch.losses
        other.record(training=0.5)
    assert len(watch.history["training"]) == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"loss": "mse"}, ValueError, "loss must be given together with training or validation"),
        ({"training": ([[0.0]], [0.0])}, ValueError, "loss must be given together"),
        ({"loss": "linear_cross_entropy", "training": ([[0.0]], [0.0])}, ValueError, "loss must be a loss of pred"),
        ({"loss": "mse", "training": [[0.0]]}, TypeError, r"training must be \(X, y\)"),
        (
            {"loss": "mse", "training": type("Dataset", (), {"get_label": None})()},
            TypeError,
            r"training must be \(X, y\)",
        ),
        ({"predict": 3}, TypeError, "predict must be callable"),
        ({"init_score": np.inf}, ValueError, "init_score must be a finite number"),
        ({"every": 0}, ValueError, "every must be"),
        ({"show": "loud"}, ValueError, "show must be one of"),
        ({"total": -1}, ValueError, "total must be"),
    ],
)
def test_bad_arguments(arguments, error, message) -> None:
    with pytest.raises(error, match=message):
        fl.LossMonitor(**arguments)


def test_two_losses_of_one_name(data) -> None:
    watch = monitor(data, (fl.Huber(), fl.Huber(delta=2.0)))
    assert list(watch.losses) == ["Huber(delta=1.0)", "Huber(delta=2.0)"]


def test_plot(data) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    display = recorded().plot()
    assert [course.name for course in display.courses] == ["training", "validation"]
    from matplotlib import pyplot

    pyplot.close(display.figure_)


# ---- progress -------------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(_bar, "time", clock)
    return clock


def run(clock, kind, stream, seconds, total=4):
    bar = Bar(kind, "training", total, stream)
    for k in range(4):
        clock.now += seconds
        bar.update(k + 1, f"loss {1 / (k + 1):.3g}")
    bar.close()
    return stream.getvalue()


def test_bar(clock) -> None:
    frames = run(clock, "bar", Terminal(), 1.0).split("\r")[1::2]
    assert frames[0].startswith("training [######..................] 1/4, 1 s  loss 1")
    assert frames[3].startswith("training [########################] 4/4, 4 s  loss 0.25")
    assert len({len(frame.rstrip()) for frame in frames}) > 1
    assert all(len(frame) >= len(before.rstrip()) for before, frame in itertools.pairwise(frames))
    without = run(clock, "bar", Terminal(), 1.0, None)
    assert "training 4, 4 s  loss 0.25" in without
    assert without.endswith("\n")


def test_lines(clock) -> None:
    lines = run(clock, "lines", io.StringIO(), 1.0).splitlines()
    assert lines == ["training: 2/4, 2 s  loss 0.5", "training: 4/4, 4 s  loss 0.25"]
    assert run(clock, "lines", io.StringIO(), 0.1).splitlines() == ["training: 4/4, 0 s  loss 0.25"]
    assert run(clock, "none", io.StringIO(), 1.0) == ""


def test_auto(monkeypatch) -> None:
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    assert Bar("auto", "x", stream=io.StringIO()).kind == "lines"
    monkeypatch.setattr(_bar, "find_spec", lambda name: None)
    assert Bar("auto", "x", stream=Terminal()).kind == "bar"
    monkeypatch.setattr(_bar, "find_spec", lambda name: object())
    assert Bar("auto", "x", stream=Terminal()).kind == "tqdm"


def test_tqdm(clock) -> None:
    pytest.importorskip("tqdm")
    shown = run(clock, "tqdm", Terminal(), 1.0)
    assert "4/4" in shown
    assert "loss 0.25" in shown


def test_monitor_writes_to_stderr(capsys) -> None:
    watch = fl.LossMonitor(show="bar", total=2)
    watch.record(training=1.0)
    watch.record(training=0.5)
    watch.close()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "2/2, 0 s  training 0.5" in printed.err


def test_import_is_light() -> None:
    code = """
import sys
import fastloss as fl
assert "fastloss.monitor" not in sys.modules
fl.LossMonitor()
for name in ("xgboost", "lightgbm", "keras", "matplotlib", "sklearn", "tqdm"):
    assert name not in sys.modules, name
"""
    subprocess.run([sys.executable, "-c", code], check=True)
