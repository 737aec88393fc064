"""Keras losses, on either backend; run by test_adapter_jax.py."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import fastloss as fl
from fastloss.adapters.keras import as_keras_loss

# Of Keras itself: its variables do not know a keyword that NumPy 2 passes.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def trained(loss, x, y, w, k=1, activation=None):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(k, activation)])
    model.compile(optimizer=keras.optimizers.SGD(0.5), loss=loss)
    model.fit(x, y, sample_weight=w, epochs=5, batch_size=50, verbose=0, shuffle=False)
    return model


PEERS = [
    (fl.BinaryCrossEntropy(from_logits=True), keras.losses.BinaryCrossentropy(from_logits=True), 1, None),
    (fl.SparseCategoricalCrossEntropy(), keras.losses.SparseCategoricalCrossentropy(), 3, "softmax"),
]


@pytest.mark.parametrize(("ours", "theirs", "k", "activation"), PEERS, ids=[repr(p[0]) for p in PEERS])
def test_trains_like_the_losses_of_keras(ours, theirs, k, activation, rng, tmp_path):
    x, w = rng.normal(size=(100, 4)).astype(np.float32), rng.uniform(0.1, 2, 100).astype(np.float32)
    y = np.digitize(x[:, 0] + 0.3 * rng.logistic(size=100), [0.0] if k == 1 else [-0.5, 0.5])
    models = [trained(loss, x, y.astype(np.float32), w, k, activation) for loss in (as_keras_loss(ours), theirs)]
    a, b = (model.predict_on_batch(x) for model in models)
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert np.ptp(a[:, 0]) > 0.2
    file = str(tmp_path / "model.keras")
    models[0].save(file)
    loaded = keras.models.load_model(file)
    assert loaded.loss.loss == ours
    assert loaded.loss.name == ours.info.name
    np.testing.assert_array_equal(loaded.predict_on_batch(x), a)


def values(loss, y, f, w=None):
    return float(as_keras_loss(loss)(keras.ops.convert_to_tensor(y), keras.ops.convert_to_tensor(f), sample_weight=w))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (fl.Huber(), keras.losses.Huber()),
        (fl.LogCosh(), keras.losses.LogCosh()),
        (fl.Poisson(), keras.losses.Poisson(reduction="sum_over_batch_size")),
    ],
    ids=repr,
)
def test_values_like_the_losses_of_keras(ours, theirs, rng):
    y, f, w = rng.random((3, 20)).astype(np.float32)
    for weight in (None, w):
        expected = float(theirs(y[:, None], f[:, None], sample_weight=weight))
        assert values(ours, y[:, None], f[:, None], weight) == pytest.approx(expected, rel=1e-5)
        assert values(ours, y, f[:, None], weight) == pytest.approx(expected, rel=1e-5)
        assert values(ours, y[:, None], f, weight) == pytest.approx(expected, rel=1e-5)


def test_shapes_of_classes(rng):
    labels, f = rng.integers(0, 3, 20), rng.normal(size=(20, 3)).astype(np.float32)
    expected = fl.SparseCategoricalCrossEntropy(from_logits=True)(labels, f)
    one_hot = np.eye(3, dtype=np.float32)[labels]
    for y in (labels, labels[:, None]):
        assert values(fl.SparseCategoricalCrossEntropy(from_logits=True), y, f) == pytest.approx(expected, rel=1e-5)
    assert values(fl.CategoricalCrossEntropy(from_logits=True), one_hot, f) == pytest.approx(expected, rel=1e-5)


def test_masks(rng):
    labels, f = rng.integers(0, 3, (2, 5, 4)), rng.normal(size=(2, 5, 4, 3)).astype(np.float32)
    loss, w = fl.Dice(from_logits=True, channels_last=True), np.array([0.5, 2.0], np.float32)
    expected = loss(labels, f, reduction="none")
    for y in (labels, labels[..., None]):
        assert values(loss, y, f) == pytest.approx(np.mean(expected), rel=1e-5)
        assert values(loss, y, f, w) == pytest.approx(np.mean(w * expected), rel=1e-5)


def test_bad_arguments_raise(monkeypatch):
    with pytest.raises(ValueError, match="loss must have one value for each sample"):
        as_keras_loss(fl.Dice(average="none"))
    with pytest.raises(ValueError, match="unknown loss"):
        as_keras_loss("hubr")
    with pytest.raises(ValueError, match="loss must have one input"):
        as_keras_loss("linear_cross_entropy")
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    with pytest.raises(ImportError, match="on its backend torch or jax, found tensorflow"):
        as_keras_loss("huber")
