"""Displays: the numbers that they draw, on axes of their own and given ones."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import fastloss as fl
from fastloss._curves import can_slice
from fastloss._domains import ClassLabels, Interval, Labels

matplotlib = pytest.importorskip("matplotlib")
pytest.importorskip("matplotlib.figure")
matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.colors import to_rgb  # noqa: E402

from fastloss.plotting import (  # noqa: E402
    ConvergenceDisplay,
    GradientFieldDisplay,
    LossCurveDisplay,
    LossSurfaceDisplay,
    OutlierInfluenceDisplay,
    _style,
)

SLICED = [name for name in fl.list_losses() if can_slice(fl.get(name))]
MOVABLE = [
    name
    for name in SLICED
    if (fl.get(name).n_predictions == 1 and isinstance(fl.get(name).info.y_domain, Interval | Labels))
    or getattr(fl.get(name), "targets", "") in ("labels", "both")
]


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def drawn(figure) -> None:
    """Everything can be drawn: bad numbers and texts raise here."""
    figure.canvas.draw()


def shared_axes(n):
    """Axes of a bare figure: making many figures takes long."""
    figure = matplotlib.figure.Figure()
    return [figure.add_subplot(1, n, k + 1) for k in range(n)]


# ---- curves ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SLICED)
def test_curve_of_every_loss(name) -> None:
    loss = fl.get(name)
    terms = ("value", "gradient", "hessian")
    display = LossCurveDisplay.from_loss({"natural": loss, "raw": loss.on_raw()}, terms=terms, ax=shared_axes(3))
    assert [curve.name for curve in display.curves] == ["natural", "raw"]
    assert len(display.axes_) == 3
    assert [ax.get_ylabel() for ax in display.axes_] == list(terms)
    for curve in display.curves:
        trace = curve.traces["value"]
        inside = np.isfinite(trace.y)
        rise = np.diff(trace.y[inside][1:-1])
        assert np.abs(rise).max() > 0 or name == "symmetric_mean_absolute_percentage_error"


def test_a_jump_is_no_slope() -> None:
    display = LossCurveDisplay.from_loss("mae", y_true=2.0)
    (line,) = display.lines_["gradient"]
    x, y = line.get_data()
    assert set(y[np.isfinite(y)]) == {-1.0, 1.0}
    assert np.isnan(y).sum() == 1
    dot = display.axes_[1].lines[1]
    assert dot.get_xydata().tolist() == [[2.0, 0.0]]
    x, y = display.lines_["value"][0].get_data()
    assert y[x == 2.0] == [0.0]


def test_curves_of_several_targets_and_losses() -> None:
    display = LossCurveDisplay.from_loss(["hinge", fl.BinaryFocal().on_raw()], y_true=[0, 1], between=(-2, 3))
    assert [curve.name for curve in display.curves] == [
        "Hinge, y_true = 0",
        "Hinge, y_true = 1",
        "BinaryFocal(from_logits=True), y_true = 0",
        "BinaryFocal(from_logits=True), y_true = 1",
    ]
    assert display.axes_[0].get_legend() is not None
    assert display.axes_[0].lines[0].get_xdata()[[0, -1]].tolist() == [-2, 3]


def test_losses_share_a_range() -> None:
    display = LossCurveDisplay.from_loss(["huber", fl.TukeyBiweight(c=6.0)])
    ends = [curve.traces["value"].x[[0, -1]].tolist() for curve in display.curves]
    assert ends == [[-12, 12], [-12, 12]]


def test_singularities_do_not_hide_the_rest() -> None:
    display = LossCurveDisplay.from_loss("binary_cross_entropy")
    low, high = display.axes_[1].get_ylim()
    assert low > -200
    assert high > -1


def test_points_lie_on_their_curves(rng) -> None:
    y, f = rng.normal(size=(2, 50))
    display = LossCurveDisplay.from_predictions(fl.Quantile(quantile=0.8), y, f)
    np.testing.assert_allclose(display.points.x, f - y)
    trace = display.curves[0].traces["value"]
    np.testing.assert_allclose(np.interp(display.points.x, trace.x, trace.y), display.points.values["value"], atol=1e-3)
    assert display.label == "y_pred - y_true"
    drawn(display.figure_)


def test_points_of_labels_and_of_relative_losses(rng) -> None:
    f = rng.normal(size=30)
    y = rng.integers(0, 2, 30)
    display = LossCurveDisplay.from_predictions("hinge", y, f)
    assert [curve.name for curve in display.curves] == ["y_true = 0", "y_true = 1"]
    np.testing.assert_array_equal(display.points.x, f)
    display = LossCurveDisplay.from_predictions("poisson", rng.poisson(3.0, 40), np.exp(f[:1].repeat(40)))
    assert 1 <= len(display.curves) <= 3
    many = LossCurveDisplay.from_predictions("mse", np.zeros(10_000), np.ones(10_000))
    assert len(many.points.x) == 2000


def test_curve_of_an_estimator(rng) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    X = rng.normal(size=(60, 2))
    words = np.where(X[:, 0] + rng.normal(size=60) > 0, "yes", "no")
    model = linear_model.LogisticRegression().fit(X, words)
    display = LossCurveDisplay.from_estimator("binary_cross_entropy", model, X, words)
    np.testing.assert_allclose(display.points.x, model.predict_proba(X)[:, 1])
    expected = -np.log(np.where(words == "yes", 1, 0) * (2 * display.points.x - 1) + 1 - display.points.x)
    np.testing.assert_allclose(display.points.values["value"], expected)
    display = LossCurveDisplay.from_estimator("hinge", model, X, words)
    np.testing.assert_allclose(display.points.x, model.decision_function(X))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LossCurveDisplay.from_loss("triplet"), "loss must be one of single samples"),
        (lambda: LossCurveDisplay.from_loss("mse", terms=("slope",)), "terms must be one of"),
        (lambda: LossCurveDisplay.from_loss("mse", terms=()), "terms must name"),
        (lambda: LossCurveDisplay.from_loss([]), "losses must hold a loss"),
        (lambda: LossCurveDisplay.from_predictions("gaussian_nll", [0.0], [[0.0, 1.0]]), "loss must have one pred"),
        (lambda: LossCurveDisplay.from_predictions("mse", [], []), "must not be empty"),
        (lambda: OutlierInfluenceDisplay.from_loss("gaussian_nll"), "loss must have one target and one prediction"),
        (lambda: OutlierInfluenceDisplay.from_loss(["mse", "hinge"]), "all be of numbers or all of labels"),
        (lambda: OutlierInfluenceDisplay.from_loss("mse", outlier=(2.0, 1.0)), "outlier must be an increasing"),
        (lambda: OutlierInfluenceDisplay.from_predictions("mse", [0.0], [1.0], index=1), "index must be below 1"),
        (lambda: LossSurfaceDisplay.from_function(lambda x: (0.0, x), [0.0], span=-1.0), "span must be > 0"),
        (lambda: LossSurfaceDisplay.from_function(lambda x: (0.0, x), [0.0], resolution=2), "resolution must be at"),
        (lambda: LossSurfaceDisplay.from_function(lambda x: (0.0, x), [0.0], directions=3), "directions must be below"),
        (lambda: LossSurfaceDisplay.from_function(lambda x: (0.0, x), [0.0, 0.0], directions=[0, 0]), "parallel"),
        (lambda: LossSurfaceDisplay.from_function(lambda x: (0.0, x), [0.0, 0.0], directions="random"), "center of z"),
        (
            lambda: LossSurfaceDisplay.from_function(lambda x: (0.0, x), [0.0], directions="up"),
            "directions must be one",
        ),
        (lambda: LossSurfaceDisplay.from_function(lambda x: (0.0, x), [np.nan]), "center must hold finite"),
        (lambda: ConvergenceDisplay.from_histories({}), "at least one number"),
        (lambda: ConvergenceDisplay.from_histories([1.0], what="gradient_norm"), "has no norms"),
        (lambda: ConvergenceDisplay.from_histories([1.0], over="time"), "has no times"),
        (lambda: ConvergenceDisplay.from_histories([1.0], series="val"), "series must be among"),
        (lambda: ConvergenceDisplay.from_histories([[1.0], [[1.0, 2.0, 3.0]]]), "sequence"),
    ],
)
def test_bad_arguments(call, message) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        call()
    assert not plt.get_fignums(), "no empty figure stays behind"


# ---- axes -----------------------------------------------------------------------------------------------------------


def test_axes() -> None:
    figure, axes = plt.subplots(1, 2)
    display = LossCurveDisplay.from_loss("mse", ax=axes)
    assert list(display.axes_) == list(axes)
    assert display.figure_ is figure
    single = LossCurveDisplay.from_loss("mse", terms="value", ax=axes[0])
    assert single.axes_[0] is axes[0]
    _, ax = plt.subplots()
    shared = LossCurveDisplay.from_loss("mse", ax=ax)
    assert len(shared.axes_) == 2
    assert all(part.figure is ax.figure for part in shared.axes_)
    again = shared.plot(lines={"linewidth": 5})
    assert again is shared
    assert shared.lines_["value"][0].get_linewidth() == 5
    with pytest.raises(ValueError, match="ax must be 2 axes, got 3"):
        LossCurveDisplay.from_loss("mse", ax=plt.subplots(1, 3)[1])
    free = plt.figure().add_axes((0.1, 0.1, 0.8, 0.8))
    with pytest.raises(ValueError, match="ax must be 2 axes, or one of a grid"):
        LossCurveDisplay.from_loss("mse", ax=free)


def test_colours_can_be_told_apart() -> None:
    """Also by people without red, green or blue receptors, and by nobody's colours: line styles differ too."""
    # Viénot, Brettel and Mollon (1999) for protanopia and deuteranopia, in linear RGB.
    simulations = {
        "protanopia": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
        "deuteranopia": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
    }
    linear = np.array([to_rgb(c) for c in _style.COLOURS]) ** 2.2
    for matrix in (np.eye(3), *simulations.values()):
        seen = np.clip(linear @ np.transpose(matrix), 0, 1) ** (1 / 2.2)
        distances = np.linalg.norm(seen[:, None] - seen, axis=-1)[np.triu_indices(len(seen), 1)]
        assert distances.min() > 0.1
    styles = [tuple(map(str, _style.style(k).values())) for k in range(28)]
    assert len(set(styles)) == 28


# ---- outliers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MOVABLE)
def test_influence_of_every_loss(name) -> None:
    loss = fl.get(name)
    raw = loss.on_raw()
    labels = isinstance(raw.info.y_domain, Labels | ClassLabels) or raw.link.name in ("logit", "half_logit")
    display = OutlierInfluenceDisplay.from_loss(loss, ax=shared_axes(1 if labels else 2))
    (influence,) = display.influences
    share = influence.share.y[np.isfinite(influence.share.y)]
    assert share.min() >= 0
    assert share.max() <= 1
    assert share.max() > 0 or name == "perceptron"
    assert (influence.constant is None) == labels


def test_influence_is_what_it_says(rng) -> None:
    y = rng.normal(size=25)
    display = OutlierInfluenceDisplay.from_loss(["mse", "tukey_biweight", "mae"], y_true=y, outlier=(-50.0, 50.0))
    mean, tukey, median = display.influences
    np.testing.assert_allclose(mean.constant.y, (y.sum() + mean.constant.x) / 26)
    assert abs(tukey.constant.y[-1] - tukey.constant.y[0]) < 1e-6
    assert median.constant.y[-1] == np.median([*y, 50.0])
    assert tukey.share.y[-1] == 0
    assert mean.share.y[-1] > 0.6
    np.testing.assert_allclose(median.share.y[-1], 1 / 26, rtol=0.05)


def test_influence_of_data(rng) -> None:
    y = rng.normal(size=30)
    y[7] = 12.0
    f = np.zeros(30)
    display = OutlierInfluenceDisplay.from_predictions("mse", y, f)
    assert display.now == 12.0
    (influence,) = display.influences
    k = int(np.argmin(np.abs(influence.share.x - 12.0)))
    expected = abs(influence.share.x[k]) / (abs(influence.share.x[k]) + np.abs(np.delete(y, 7)).sum())
    assert influence.share.y[k] == pytest.approx(expected)
    labels = np.array([0, 1, 2, 1])
    scores = np.eye(3)[[0, 1, 2, 0]] * 4
    display = OutlierInfluenceDisplay.from_predictions(
        fl.SparseCategoricalCrossEntropy(from_logits=True), labels, scores
    )
    assert display.now == 4.0
    g = fl.SparseCategoricalCrossEntropy(from_logits=True).gradient(labels, scores, reduction="sum")
    sizes = np.linalg.norm(g, axis=1)
    share = display.influences[0].share
    assert np.interp(4.0, share.x, share.y) == pytest.approx(sizes[3] / sizes.sum(), rel=1e-3)


def test_influence_with_an_estimator(rng) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    X = rng.normal(size=(40, 2))
    y = X[:, 0] + rng.normal(size=40)
    model = linear_model.LinearRegression().fit(X, y)
    display = OutlierInfluenceDisplay.from_estimator(["mse", "huber"], model, X, y)
    worst = np.argmax(np.abs(model.predict(X) - y))
    assert display.now == y[worst]
    counts = rng.poisson(np.exp(X[:, 0]))
    model = linear_model.PoissonRegressor().fit(X, counts)
    assert OutlierInfluenceDisplay.from_estimator("poisson", model, X, counts).now in counts


# ---- surfaces and fields --------------------------------------------------------------------------------------------


def bowl(x):
    return float(x[0] ** 2 + 3 * x[1] ** 2), np.array([2 * x[0], 6 * x[1]])


def test_surface_of_a_function() -> None:
    display = LossSurfaceDisplay.from_function(bowl, [1.0, -1.0], span=(2.0, 1.0), resolution=5)
    a, b = display.axes
    np.testing.assert_allclose(a, [-1, 0, 1, 2, 3])
    np.testing.assert_allclose(b, [-2, -1.5, -1, -0.5, 0])
    np.testing.assert_allclose(display.values, a**2 + 3 * b[:, None] ** 2)
    np.testing.assert_allclose(display.slopes[..., 0], np.broadcast_to(2 * a, (5, 5)))
    np.testing.assert_allclose(display.slopes[..., 1], np.broadcast_to(6 * b[:, None], (5, 5)))
    assert display.ax_.get_xlabel() == "parameter 0"
    drawn(display.figure_)


def test_path_is_projected() -> None:
    path = [[3.0, 2.0], [1.0, 1.0], [0.0, 0.0]]
    display = LossSurfaceDisplay.from_function(bowl, [0.0, 0.0], path=path, resolution=7)
    np.testing.assert_allclose(display.path, path)
    assert display.axes[0][-1] >= 3.0
    diagonal = LossSurfaceDisplay.from_function(bowl, [0.0, 0.0], directions=[[1.0, 1.0]], path=path, resolution=7)
    np.testing.assert_allclose(diagonal.path[:, 0], [2.5, 1.0, 0.0])
    drawn(diagonal.figure_)


def test_field_points_downhill() -> None:
    display = GradientFieldDisplay.from_function(bowl, [0.0, 0.0], resolution=9)
    arrows = next(c for c in display.ax_.collections if hasattr(c, "U"))
    xy = np.array(arrows.get_offsets())
    assert np.all(arrows.U * xy[:, 0] <= 0)
    assert np.all(arrows.V * xy[:, 1] <= 0)
    lengths = np.hypot(arrows.U, arrows.V)
    np.testing.assert_allclose(lengths[lengths > 0], 1)
    drawn(display.figure_)


def test_lines_are_exact_at_kinks(rng) -> None:
    X, y = rng.normal(size=(9, 1)), rng.normal(size=9)
    options = {"directions": -1, "center": [0.5, 0.0], "span": 5.0}
    slope = GradientFieldDisplay.from_loss("mae", X, y, **options).traces["gradient"]
    kinks = np.sort(y - 0.5 * X[:, 0])
    np.testing.assert_allclose([jump.x for jump in slope.jumps], kinks, rtol=1e-12)
    np.testing.assert_allclose([jump.right - jump.left for jump in slope.jumps], 2 / 9, rtol=1e-12)
    curve = LossSurfaceDisplay.from_loss("mae", X, y, **options)
    trace = curve.traces["value"]
    for kink in kinks:
        k = int(np.argmin(np.abs(trace.x - kink)))
        assert trace.y[k] == pytest.approx(np.abs(0.5 * X[:, 0] + trace.x[k] - y).mean(), rel=1e-12)
        assert trace.x[k] == pytest.approx(kink, abs=1e-12)
    drawn(curve.figure_)


@pytest.mark.parametrize("loss", ["mse", "mae", "tukey_biweight", "gaussian_nll", "poisson"])
def test_surface_of_a_linear_model_is_around_its_minimum(loss, rng) -> None:
    X = rng.normal(size=(50, 2))
    y = rng.poisson(np.exp(X[:, 0])).astype(float)
    display = LossSurfaceDisplay.from_loss(loss, X, y, span=0.2, resolution=5)
    assert np.unravel_index(np.argmin(display.values), (5, 5)) == (2, 2)
    objective = fl.optim.linear(loss, X, y, fit_intercept=True)
    assert len(objective.initial()) >= 3
    assert display.names[0].startswith("coefficient 0")


def test_surface_of_estimators(rng) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    X = rng.normal(size=(80, 2))
    y = X @ [1.0, -2.0] + 0.5 + rng.normal(size=80)
    model = linear_model.LinearRegression().fit(X, y)
    display = LossSurfaceDisplay.from_estimator(model, X, y, loss="mse", directions=[1, -1], resolution=3)
    assert display.axes[0][1] == pytest.approx(model.coef_[1])
    assert display.axes[1][1] == pytest.approx(model.intercept_)
    assert display.names == ("coefficient 1", "intercept")
    assert display.values[1, 1] == pytest.approx(np.mean((model.predict(X) - y) ** 2))
    np.testing.assert_allclose(display.slopes[1, 1], 0, atol=1e-10)
    with pytest.raises(ValueError, match="loss must be given"):
        LossSurfaceDisplay.from_estimator(model, X, y)
    words = np.array(["a", "b", "c"])[np.digitize(y, [-1, 1])]
    several = linear_model.LogisticRegression().fit(X, words)
    display = GradientFieldDisplay.from_estimator(
        several, X, words, loss="sparse_categorical_cross_entropy", resolution=3
    )
    assert display.names == ("coefficient 0 of score 0", "coefficient 1 of score 0")
    from sklearn.metrics import log_loss

    assert display.values[1, 1] == pytest.approx(log_loss(words, several.predict_proba(X)))
    two = linear_model.LogisticRegression().fit(X, words == "a")
    display = LossSurfaceDisplay.from_estimator(two, X, words == "a", loss="binary_cross_entropy", resolution=3)
    assert display.values[1, 1] == pytest.approx(log_loss(words == "a", two.predict_proba(X)))
    with pytest.raises(TypeError, match="fitted linear model or network"):
        LossSurfaceDisplay.from_estimator(object(), X, y, loss="mse")


def test_surface_of_a_network(rng) -> None:
    pytest.importorskip("sklearn")
    X = rng.normal(size=(60, 3))
    y = np.abs(X[:, 0])
    model = fl.nn.NeuralRegressor("huber", hidden=(5,), dropout=0.3, epochs=30, random_state=0).fit(X, y)
    display = LossSurfaceDisplay.from_estimator(model, X, y, resolution=5, random_state=1)
    assert display.values[2, 2] == pytest.approx(fl.Huber()(y, model.predict(X)), rel=1e-12)
    before = model.predict(X)
    field = GradientFieldDisplay.from_estimator(model, X, y, resolution=5, random_state=1)
    np.testing.assert_allclose(field.values, display.values)
    np.testing.assert_array_equal(model.predict(X), before)
    h = field.axes[0][3] - field.axes[0][2]
    fine = GradientFieldDisplay.from_estimator(model, X, y, resolution=3, span=1e-5, random_state=1)
    central = (fine.values[1, 2] - fine.values[1, 0]) / 2e-5
    assert fine.slopes[1, 1, 0] == pytest.approx(central, rel=1e-4)
    assert h == 0.5
    drawn(field.figure_)


# ---- convergence ----------------------------------------------------------------------------------------------------


def test_histories_of_all_kinds() -> None:
    result = fl.optim.gradient_descent(bowl, [3.0, 1.0], step=0.1, max_iter=20)
    monitor = fl.LossMonitor(show="none")
    for value in (3.0, 2.0, 1.5):
        monitor.record(training=value, validation=value + 0.1)
    histories = {
        "descent": result,
        "history": result.history,
        "monitor": monitor,
        "boosters": {"validation_0": {"rmse": [3.0, 2.0]}},
        "plain": [1.0, 0.5],
    }
    display = ConvergenceDisplay.from_histories(histories)
    assert [course.name for course in display.courses] == [
        "descent",
        "history",
        "monitor: training",
        "monitor: validation",
        "boosters",
        "plain",
    ]
    by_name = {course.name: course for course in display.courses}
    np.testing.assert_array_equal(by_name["descent"].y, result.history.value)
    assert by_name["descent"].x[0] == 0
    assert by_name["plain"].x.tolist() == [1, 2]
    assert by_name["monitor: training"].group == by_name["monitor: validation"].group
    assert by_name["monitor: validation"].held_out
    assert display.ax_.get_yscale() == "log"
    drawn(display.figure_)


def test_gap_and_time() -> None:
    results = [fl.optim.gradient_descent(bowl, [3.0, 1.0], step=s, max_iter=30) for s in (0.05, 0.1)]
    display = ConvergenceDisplay.from_histories(results, what="gap", over="time")
    lowest = min(r.history.value.min() for r in results)
    for course, result in zip(display.courses, results, strict=True):
        np.testing.assert_allclose(course.y, result.history.value - lowest)
        np.testing.assert_array_equal(course.x, result.history.time)
    assert display.ax_.get_xlabel() == "seconds"
    assert not np.isnan(display.lines_[1].get_ydata()).any()
    norms = ConvergenceDisplay.from_histories(results[0], what="gradient_norm")
    np.testing.assert_array_equal(norms.courses[0].y, results[0].history.gradient_norm)


def test_convergence_of_estimators(rng) -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    X = rng.normal(size=(120, 2))
    model = ensemble.GradientBoostingRegressor(n_estimators=7).fit(X, X[:, 0])
    display = ConvergenceDisplay.from_estimator(model)
    np.testing.assert_array_equal(display.courses[0].y, model.train_score_)
    network = fl.nn.NeuralRegressor(epochs=6, early_stopping=True).fit(X, X[:, 0])
    display = ConvergenceDisplay.from_estimator(network)
    assert [course.held_out for course in display.courses] == [False, True]
    with pytest.raises(TypeError, match="must be a result, monitor, estimator"):
        ConvergenceDisplay.from_estimator(object())


def test_a_keras_like_history() -> None:
    class History:
        history = {"loss": [1.0, 0.5], "val_loss": [1.2, 0.8]}  # noqa: RUF012
        epoch = [0, 1]  # noqa: RUF012

    display = ConvergenceDisplay.from_histories(History())
    assert [(c.name, c.held_out, c.x.tolist()) for c in display.courses] == [
        ("loss", False, [1, 2]),
        ("val_loss", True, [1, 2]),
    ]
    only = ConvergenceDisplay.from_histories(History(), series="val_loss")
    assert [c.name for c in only.courses] == ["val_loss"]


def test_importing_plotting_imports_no_matplotlib() -> None:
    code = """
import sys
import fastloss as fl
fl.plotting.LossCurveDisplay
assert "matplotlib" not in sys.modules
sys.modules["matplotlib"] = None
try:
    fl.plotting.LossCurveDisplay.from_loss("mse")
except ImportError as error:
    assert "pip install 'fastloss[plot]'" in str(error)
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", code], check=True)
