"""The small neural network: derivatives against differences, what the layers promise, and that it learns."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

import fastloss as fl
from fastloss import nn

ACTIVATIONS = sorted(nn.ACTIVATIONS)


def frozen(layer: nn.Dropout, mask: np.ndarray) -> nn.Dropout:
    """The layer with one mask for all calls."""
    layer._random = type("Same", (), {"random": lambda self, shape: np.where(mask[: shape[0]], 1.0, 0.0)})()
    return layer


# ---- layers ---------------------------------------------------------------------------------------------------------


def test_layers_need_no_other_library():
    code = "import sys, fastloss.nn as nn; nn.Dense(2, 3); assert not {'sklearn', 'scipy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_are_the_differences(activation, rng):
    """Of every parameter and input, through dense layers, an activation and a dropout with a fixed mask."""
    x, mask = rng.normal(size=(7, 4)), rng.random((7, 5)) > 0.3
    layers = [
        nn.Dense(4, 5, random_state=0),
        nn.Activation(activation),
        frozen(nn.Dropout(0.3), mask),
        nn.Dense(5, 2, random_state=1),
    ]
    network, loss, y = nn.Network(layers), fl.GaussianNLL(log_variance=True), rng.normal(size=7)
    network.parameters[1][:] = rng.normal(size=5)

    def value() -> float:
        return loss(y, network.forward(x, training=True))

    into_x = network.backward(loss.gradient(y, network.forward(x, training=True)))
    for array, gradient in zip([*network.parameters, x], [*network.gradients, into_x], strict=True):
        assert gradient.shape == array.shape
        for index in np.ndindex(array.shape):
            before, step = array[index], 1e-6
            array[index] = before + step
            up = value()
            array[index] = before - step
            down = value()
            array[index] = before
            assert gradient[index] == pytest.approx((up - down) / (2 * step), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_activations_stay_finite_and_keep_the_type(activation, real):
    layer, x = nn.Activation(activation), np.array([[-1e4, -30.0, 0.0, 30.0, 1e4]], real)
    outputs = layer.forward(x, training=True)
    slopes = layer.backward(np.ones_like(x))
    assert outputs.dtype == slopes.dtype == real
    assert np.isfinite(outputs).all()
    assert np.isfinite(slopes).all()
    assert (slopes >= 0).all()


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.7])
def test_inverted_dropout_keeps_the_expectation(rate):
    layer, x = nn.Dropout(rate, random_state=3), np.array([[1.0, -2.0, 5.0]])
    drawn = np.array([layer.forward(x, training=True)[0] for _ in range(20_000)])
    np.testing.assert_allclose(drawn.mean(axis=0), x[0], rtol=0.06)
    assert np.mean(drawn == 0) == pytest.approx(rate, abs=0.01)
    np.testing.assert_allclose(drawn[drawn[:, 0] != 0, 0], 1 / (1 - rate))


def test_dropout_does_nothing_at_prediction(rng):
    layer, x = nn.Dropout(0.5), rng.normal(size=(4, 3))
    assert layer.forward(x) is x
    assert layer.backward(x) is x


def test_dropout_blocks_the_way_back_where_it_blocks_the_way_forward(rng):
    layer, x = nn.Dropout(0.5, random_state=0), np.ones((30, 4), np.float32)
    forward = layer.forward(x, training=True)
    backward = layer.backward(x)
    np.testing.assert_array_equal(backward, forward)
    assert backward.dtype == np.float32


def test_network_pickles_without_what_it_keeps(rng):
    network = nn.Network([nn.Dense(3, 4, random_state=0), nn.Activation("tanh"), nn.Dropout(0.5), nn.Dense(4, 1)])
    x = rng.normal(size=(5, 3))
    network.backward(np.ones_like(network.forward(x, training=True)))
    for other in (pickle.loads(pickle.dumps(network)), copy.deepcopy(network)):
        np.testing.assert_array_equal(other.forward(x), network.forward(x))
        assert all(layer._kept is None and not layer.gradients for layer in other.layers)
        assert all(a is b for a, b in zip(other.parameters[:2], other.layers[0].parameters, strict=True))


# ---- optimisers -----------------------------------------------------------------------------------------------------


def test_optimisers_match_torch(rng):
    torch = pytest.importorskip("torch")
    start, gradients = rng.normal(size=5), rng.normal(size=(20, 5))
    for ours, theirs in (
        (nn.SGD(0.05, 0.8), lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8)),
        (nn.SGD(0.05, 0.0), lambda p: torch.optim.SGD(p, lr=0.05)),
        (nn.Adam(0.01), lambda p: torch.optim.Adam(p, lr=0.01)),
    ):
        p, t = start.copy(), torch.nn.Parameter(torch.tensor(start))
        optimizer = theirs([t])
        for g in gradients:
            ours.step([p], [g])
            t.grad = torch.tensor(g)
            optimizer.step()
        np.testing.assert_allclose(p, t.detach().numpy(), rtol=1e-9)


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ("n_inputs must be >= 1", lambda: nn.Dense(0, 1)),
        ("activation must be one of 'relu'", lambda: nn.Activation("gelu")),
        ("dropout must be >= 0 and < 1", lambda: nn.Dropout(1.0)),
        ("learning_rate must be > 0", lambda: nn.SGD(0.0)),
        ("momentum must be >= 0 and < 1", lambda: nn.SGD(0.1, 1.0)),
        ("beta_2 must be >= 0 and < 1", lambda: nn.Adam(beta_2=1.5)),
    ],
)
def test_bad_arguments_raise(message, call):
    with pytest.raises(ValueError, match=message):
        call()


def test_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'MLP'"):
        nn.MLP  # noqa: B018


def test_estimators_need_scikit_learn():
    code = "import sys, fastloss.nn as nn; sys.modules['sklearn'] = None; nn.NeuralRegressor"
    failed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ImportError: this needs sklearn >= 1.6" in failed.stderr
    assert "fastloss[sklearn]" in failed.stderr
