"""Several losses as one: the total and its derivatives against the definition, and the contract of its dicts."""

from __future__ import annotations

import copy
import json
import math
import pickle

import numpy as np
import pytest
from support import VECTORS, same

import fastloss as fl

TASKS = {
    "age": fl.Huber(delta=0.5),
    "sex": fl.BinaryCrossEntropy(),
    "class": fl.SparseCategoricalCrossEntropy(from_logits=True),
    "income": fl.GaussianNLL(log_variance=True),
}
WEIGHTS = {"age": 0.5, "sex": 2.0, "class": 1.0, "income": 0.0}
LOG_VARIANCE = {"age": -0.7, "sex": 0.3, "class": 0.0, "income": 1.5}


@pytest.fixture
def data(rng):
    n, m = 40, 17  # tasks may have different samples
    y = {"age": rng.normal(size=n), "sex": rng.integers(0, 2, n), "class": rng.integers(0, 5, m)}
    f = {"age": rng.normal(size=n), "sex": rng.uniform(0.05, 0.95, n), "class": rng.normal(size=(m, 5))}
    return y | {"income": rng.normal(size=n)}, f | {"income": rng.normal(size=(n, 2))}


@pytest.fixture
def weights(rng):
    return {"age": rng.uniform(0, 2, 40), "sex": None, "class": 3.0, "income": rng.integers(0, 2, 40)}


def vectors():
    return json.loads((VECTORS / "structured_multitask.json").read_text())["cases"]


def numbers(item):
    return np.array([float.fromhex(x) for x in item["hex"]])


@pytest.mark.parametrize("case", vectors(), ids=lambda case: case["id"])
@pytest.mark.parametrize("kind", ["kernel", "reference"])
def test_vectors(case, kind):
    """The losses of the tasks are |f| of one sample each, whose derivative is 1."""
    losses, s = map(numbers, case["inputs"])
    names = [f"task {k}" for k in range(len(losses))]
    weights = case["params"]["weights"]
    learnt = weights == "uncertainty"
    loss = fl.MultiTask(dict.fromkeys(names, "mae"), weights if learnt else dict(zip(names, weights, strict=True)))
    methods = loss if kind == "kernel" else loss.reference
    y, f = {name: [0.0] for name in names}, {name: [x] for name, x in zip(names, losses, strict=True)}
    options = {"log_variance": dict(zip(names, s, strict=True))} if learnt else {}
    value, gradient = methods.value_and_gradient(y, f, **options)
    expected = case["expected"]
    assert type(value) is float
    assert value == pytest.approx(float.fromhex(expected["mean"]), rel=4e-15)
    found = gradient if learnt else (gradient,)
    for got, exact in zip(found, expected["gradients"], strict=False):
        np.testing.assert_allclose([np.ravel(got[name])[0] for name in names], numbers(exact), rtol=4e-15)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_fixed_weights_follow_the_definition(data, weights, reduction):
    y, f = data
    value, gradient = fl.MultiTask(TASKS, WEIGHTS).value_and_gradient(y, f, weights, reduction=reduction)
    parts = {t: TASKS[t].value_and_gradient(y[t], f[t], weights[t], reduction=reduction) for t in TASKS}
    assert value == pytest.approx(sum(WEIGHTS[t] * parts[t][0] for t in TASKS), rel=1e-14)
    assert list(gradient) == list(TASKS)
    for t in TASKS:
        np.testing.assert_allclose(gradient[t], WEIGHTS[t] * parts[t][1], rtol=1e-15)
    assert not gradient["income"].any()


def test_weights_are_one_by_default(data):
    y, f = data
    assert fl.MultiTask(TASKS)(y, f) == pytest.approx(sum(TASKS[t](y[t], f[t]) for t in TASKS), rel=1e-14)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_uncertainty_gradients_are_the_differences(data, weights, reduction):
    y, f = data
    loss = fl.MultiTask(TASKS, "uncertainty")
    options = {"sample_weight": weights, "reduction": reduction}

    def total(f, s):
        return loss(y, f, log_variance=s, **options)

    value, (slopes, uncertainty) = loss.value_and_gradient(y, f, log_variance=LOG_VARIANCE, **options)
    assert value == total(f, LOG_VARIANCE)
    step = 1e-6
    for t in TASKS:
        up, down = (total(f, LOG_VARIANCE | {t: LOG_VARIANCE[t] + e}) for e in (step, -step))
        assert uncertainty[t] == pytest.approx((up - down) / (2 * step), rel=1e-6, abs=1e-8)
        direction = np.random.default_rng(1).normal(size=f[t].shape)
        up, down = (total(f | {t: f[t] + e * direction}, LOG_VARIANCE) for e in (1e-7, -1e-7))
        assert np.sum(slopes[t] * direction) == pytest.approx((up - down) / 2e-7, rel=1e-5, abs=1e-7)


def test_best_log_variance(data):
    y, f = data
    loss = fl.MultiTask({"age": TASKS["age"]}, "uncertainty")
    s = {"age": math.log(2 * TASKS["age"](y["age"], f["age"]))}
    _, uncertainty = loss.gradient({"age": y["age"]}, {"age": f["age"]}, log_variance=s)
    assert uncertainty["age"] == pytest.approx(0, abs=1e-15)


def test_gaussian_likelihood(rng):
    """With half squared errors it is the negative log-likelihood of normal targets with a common variance."""
    y, f, s = rng.normal(size=9), rng.normal(size=9), 0.4
    got = fl.MultiTask({"a": "half_squared_error"}, "uncertainty")({"a": y}, {"a": f}, log_variance={"a": s})
    parameters = np.stack([f, np.full(9, s)], axis=-1)
    assert got == pytest.approx(fl.GaussianNLL(log_variance=True, full=False)(y, parameters), rel=1e-14)


@pytest.mark.parametrize("s", [-1000.0, -750.0, 750.0])
def test_extreme_log_variances_stay_finite(s):
    loss = fl.MultiTask({"a": "mae"}, "uncertainty")
    for real in (np.float32, np.float64):
        value, (slope, uncertainty) = loss.value_and_gradient(
            {"a": [1.0]}, {"a": np.ones(1, real)}, log_variance={"a": s}
        )
        assert value == s / 2
        assert slope["a"].tolist() == [0.0]
        assert uncertainty["a"] == 0.5


def test_weight_zero_contributes_nothing_but_is_checked():
    loss = fl.MultiTask({"a": "mae", "b": "bce"}, {"a": 1.0, "b": 0.0})
    y, f = {"a": [1.0], "b": [1]}, {"a": [3.0], "b": [0.0]}
    assert fl.BinaryCrossEntropy()(y["b"], f["b"]) > 30
    value, gradient = loss.value_and_gradient(y, f)
    assert value == 2.0
    assert gradient["b"].tolist() == [0.0]
    with pytest.raises(ValueError, match="task 'b': y_true must be in"):
        loss(y | {"b": [2]}, f)


@pytest.mark.parametrize("weights", [WEIGHTS, "uncertainty"], ids=["fixed", "uncertainty"])
def test_reduction_none(data, weights):
    y, f = data
    loss = fl.MultiTask(TASKS, weights)
    options = {} if weights is WEIGHTS else {"log_variance": LOG_VARIANCE}
    value, gradient = loss.value_and_gradient(y, f, 2.0, reduction="none", **options)
    assert same(loss(y, f, 2.0, reduction="none", **options)["age"], value["age"])
    expected = loss.gradient(y, f, 2.0, reduction="sum", **options)
    alone = loss.gradient(y, f, 2.0, reduction="none", **options)
    if weights == "uncertainty":
        assert gradient[1] == pytest.approx(expected[1], rel=1e-13)
        assert alone[1] == pytest.approx(expected[1], rel=1e-13)
        (gradient, _), (expected, _), (alone, _) = gradient, expected, alone
    for t in TASKS:
        factor = WEIGHTS[t] if weights is WEIGHTS else math.exp(-LOG_VARIANCE[t])
        np.testing.assert_allclose(value[t], factor * TASKS[t](y[t], f[t], 2.0, reduction="none"), rtol=1e-15)
        assert same(gradient[t], expected[t])
        assert same(alone[t], expected[t])


def test_reference_is_made_of_references(data, weights):
    y, f = data
    loss = fl.MultiTask(TASKS, "uncertainty")
    got = loss.value_and_gradient(y, f, weights, log_variance=LOG_VARIANCE)
    expected = loss.reference.value_and_gradient(y, f, weights, log_variance=LOG_VARIANCE)
    assert got[0] == pytest.approx(expected[0], rel=1e-12)
    assert got[1][1] == pytest.approx(expected[1][1], rel=1e-12)
    for t in TASKS:
        np.testing.assert_allclose(got[1][0][t], expected[1][0][t], rtol=1e-12, atol=1e-15)
    assert repr(loss.reference) == f"{loss!r}.reference"


def test_evaluate(data):
    y, f = data
    loss = fl.MultiTask(TASKS)
    value, gradient = loss.value_and_gradient(y, f)
    both = loss.evaluate(y, f, n_threads=2)
    assert (both.value, both.hessian) == (value, None)
    assert all(same(both.gradient[t], gradient[t]) for t in TASKS)
    assert loss.evaluate(y, f, outputs=("value",)) == fl.Evaluation(value=value)
    assert same(loss.evaluate(y, f, outputs=("gradient",)).gradient["sex"], gradient["sex"])
    with pytest.raises(ValueError, match="'value', 'gradient' for a multi-task loss"):
        loss.evaluate(y, f, outputs=("value", "hessian"))


def test_one_weight_array_for_all(rng):
    y, f, w = {"a": rng.normal(size=5), "b": rng.normal(size=5)}, {"a": np.zeros(5), "b": np.ones(5)}, rng.random(5)
    loss = fl.MultiTask({"a": "mae", "b": "huber"})
    assert loss(y, f, w) == loss(y, f, {"a": w, "b": w}) != loss(y, f)


# ---- out ------------------------------------------------------------------------------------------------------------


def test_out(data):
    y, f = data
    loss = fl.MultiTask(TASKS, WEIGHTS)
    expected_value, expected = loss.value_and_gradient(y, f, reduction="none")
    out = {t: np.empty(x.shape, np.float32, order="F") for t, x in f.items()} | {"sex": None}
    got = loss.gradient(y, f, reduction="sum", out=out)
    assert all(got[t] is out[t] for t in TASKS if t != "sex")
    for t in TASKS:
        np.testing.assert_allclose(got[t], expected[t], rtol=1e-6)
    values = {t: np.empty(len(x)) for t, x in y.items()}
    got = loss.value_and_gradient(y, f, reduction="none", out=(values, dict.fromkeys(TASKS)))
    assert all(got[0][t] is values[t] and same(values[t], expected_value[t]) for t in TASKS)


def test_out_may_hold_inputs_of_other_tasks(rng):
    names = ("a", "b")
    y, f = ({t: rng.normal(size=6) for t in names} for _ in range(2))
    loss = fl.MultiTask(dict.fromkeys(names, "mse"), {"a": 2.0, "b": 3.0})
    expected = loss.gradient(y, f)
    got = loss.gradient(y, f, out={"a": f["b"], "b": f["a"]})
    assert got["a"] is f["b"]
    assert all(same(got[t], expected[t]) for t in names)


def test_out_of_wrong_shape_may_hold_inputs_too(rng):
    y, f = {"a": np.zeros(3), "b": np.zeros(2)}, {"a": np.ones(3), "b": np.ones(2)}
    with pytest.raises(ValueError, match=r"out for the task 'a' must have the shape \(3,\), got \(2,\)"):
        fl.MultiTask({"a": "mae", "b": "mae"}).gradient(y, f, out={"a": f["b"], "b": None})


@pytest.mark.parametrize("n_threads", [1, 3])
def test_out_is_written_in_place_for_any_threads(n_threads, rng):
    n = 100_000
    y, f = {"a": rng.normal(size=n), "b": rng.normal(size=n)}, {"a": rng.normal(size=n), "b": rng.normal(size=n)}
    loss, out = fl.MultiTask({"a": "huber", "b": "mse"}, {"a": 0.3, "b": 2.0}), {t: np.full(n, np.nan) for t in "ab"}
    expected = loss.value_and_gradient(y, f, n_threads=2)
    value, gradient = loss.value_and_gradient(y, f, out=out, n_threads=n_threads)
    assert value == expected[0]
    assert all(gradient[t] is out[t] and same(out[t], expected[1][t]) for t in "ab")


def test_columns_of_one_array(rng):
    y, f, out = rng.normal(size=(7, 2)), rng.normal(size=(7, 2)), np.zeros((7, 2))
    columns = [{"a": x[:, 0], "b": x[:, 1]} for x in (y, f, out)]
    fl.MultiTask(dict.fromkeys("ab", "half_mse")).gradient(*columns[:2], out=columns[2], reduction="sum")
    np.testing.assert_array_equal(out, f - y)


# ---- the object -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [None, WEIGHTS, "uncertainty"], ids=["none", "fixed", "uncertainty"])
def test_object(weights):
    loss = fl.MultiTask(TASKS, weights)
    rebuilt = fl.get(json.loads(json.dumps(loss.config())))
    shuffled = fl.MultiTask(dict(reversed(TASKS.items())), weights)
    evaluated = eval(repr(loss), {name: getattr(fl, name) for name in fl.__all__} | {"MultiTask": fl.MultiTask})
    for other in (rebuilt, shuffled, evaluated, pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
        assert other == loss
        assert hash(other) == hash(loss)
    assert loss != fl.MultiTask(TASKS, {t: 7 for t in TASKS})
    assert loss != fl.MultiTask({"age": "mae"}, None if weights is WEIGHTS else weights)


def test_equal_objects_give_equal_bits(data):
    y, f = data
    assert fl.MultiTask(TASKS)(y, f) == fl.MultiTask(dict(reversed(TASKS.items())))(y, f)


def test_is_immutable():
    given, weights = {"a": fl.Huber()}, {"a": 2.0}
    loss = fl.MultiTask(given, weights)
    given["b"] = fl.Huber()
    weights["a"] = 0.0
    assert loss == fl.MultiTask({"a": "huber"}, {"a": 2})
    with pytest.raises(AttributeError):
        loss.weights = None
    with pytest.raises(TypeError):
        loss.tasks["a"] = fl.Huber()
    with pytest.raises(TypeError):
        loss.weights["a"] = 1.0


def test_tasks_from_names_and_configs():
    assert fl.MultiTask({"a": "huber", "b": {"name": "quantile", "quantile": 0.9}}) == fl.MultiTask(
        {"a": fl.Huber(), "b": fl.Quantile(quantile=0.9)}
    )


def test_weighted_sum_as_task():
    both = 0.7 * fl.Huber() + 0.3 * fl.Quantile(quantile=0.9)
    loss = fl.MultiTask({"a": both})
    assert loss({"a": [0.0, 1.0]}, {"a": [3.0, 0.5]}) == both([0.0, 1.0], [3.0, 0.5])
    assert fl.get(loss.config()) == loss


Y, F = {"a": [0.0], "b": [1.0]}, {"a": [0.5], "b": [0.5]}


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (TypeError, "tasks must be a dict", lambda m: fl.MultiTask([fl.Huber()])),
        (ValueError, "tasks must hold at least one", lambda m: fl.MultiTask({})),
        (TypeError, "tasks must have texts as names, got 1", lambda m: fl.MultiTask({1: "mae"})),
        (ValueError, "task 'a': unknown loss 'hubr'", lambda m: fl.MultiTask({"a": "hubr"})),
        (TypeError, "task 'a': identifier must be", lambda m: fl.MultiTask({"a": 3})),
        (ValueError, "one y_true and one y_pred", lambda m: fl.MultiTask({"a": fl.LinearCrossEntropy()})),
        (
            ValueError,
            "one y_true and one y_pred",
            lambda m: fl.MultiTask({"a": {"name": "multi_task", "tasks": {"x": "mae"}}}),
        ),
        (ValueError, "weights must have the tasks a, b: missing b", lambda m: fl.MultiTask(m.tasks, {"a": 1})),
        (ValueError, r"weights\['b'\] must be >= 0", lambda m: fl.MultiTask(m.tasks, {"a": 1, "b": -1})),
        (TypeError, r"weights\['b'\] must be a real", lambda m: fl.MultiTask(m.tasks, {"a": 1, "b": "x"})),
        (ValueError, "weights must be None, a dict", lambda m: fl.MultiTask(m.tasks, "learnt")),
        (ValueError, "weights must be None, a dict", lambda m: fl.MultiTask(m.tasks, [1, 2])),
        (ValueError, "y_true must have the tasks a, b: missing b", lambda m: m({"a": [0.0]}, F)),
        (ValueError, "y_pred must have .*: missing b; unknown c", lambda m: m(Y, {"a": [0.0], "c": [1]})),
        (TypeError, "y_true must be a dict with the tasks a, b", lambda m: m([1.0], F)),
        (ValueError, "sample_weight must have .* missing b", lambda m: m(Y, F, {"a": [1.0]})),
        (ValueError, "task 'b': sample_weight must be >= 0", lambda m: m(Y, F, {"a": None, "b": [-1.0]})),
        (ValueError, "task 'b': y_pred must have the shape", lambda m: m(Y, {"a": [0.0], "b": [0.5, 0.5]})),
        (ValueError, "log_variance must be None unless", lambda m: m(Y, F, log_variance={"a": 0, "b": 0})),
        (ValueError, "reduction must be one of", lambda m: m(Y, F, reduction="max")),
        (ValueError, "n_threads must be >= 1", lambda m: m(Y, F, n_threads=0)),
        (ValueError, "out must hold 0 dict", lambda m: m(Y, F, out={})),
        (ValueError, "out must have .* missing b", lambda m: m.gradient(Y, F, out={"a": np.empty(1)})),
        (
            ValueError,
            r"task 'b': out for the gradient must have the shape \(1,\)",
            lambda m: m.gradient(Y, F, out={"a": None, "b": np.empty(2)}),
        ),
        (ValueError, "do not overlap", lambda m: m.gradient(Y, F, out=dict.fromkeys("ab", np.empty(1)))),
        (TypeError, "must be a NumPy array, got list", lambda m: m.gradient(Y, F, out={"a": None, "b": [0.0]})),
        (ValueError, "must hold 2 dict", lambda m: m.value_and_gradient(Y, F, reduction="none", out={"a": None})),
    ],
)
def test_bad_arguments_raise(error, message, call):
    with pytest.raises(error, match=message):
        call(fl.MultiTask({"a": "mae", "b": "bce"}))


@pytest.mark.parametrize("bad", [{"a": 0.0, "b": np.inf}, {"a": 0.0}, {"a": 0.0, "b": None}])
def test_bad_log_variances_raise(bad):
    with pytest.raises((ValueError, TypeError), match=r"log_variance.* must"):
        fl.MultiTask({"a": "mae", "b": "bce"}, "uncertainty")(Y, F, log_variance=bad)
