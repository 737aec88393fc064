"""LossMonitor as a callback of Keras, on either backend; run by test_monitor.py."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import fastloss as fl
from fastloss.adapters.keras import as_keras_loss

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def trained(loss, k, X, y, watch, **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(k)])
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss=as_keras_loss(loss))
    return model, model.fit(X, y, epochs=4, verbose=0, callbacks=[watch], **options)


def test_regression(rng):
    X = rng.normal(size=(150, 3)).astype(np.float32)
    y = X[:, 0] + rng.normal(size=150).astype(np.float32)
    watch = fl.LossMonitor(["huber", "mae"], training=(X[:100], y[:100]), validation=(X[100:], y[100:]), show="none")
    model, history = trained("huber", 1, X[:100], y[:100], watch, validation_data=(X[100:], y[100:]))
    found = watch.history
    assert found["iteration"].tolist() == [1, 2, 3, 4]
    assert watch._total == 4
    np.testing.assert_allclose(found["loss"], history.history["loss"])
    np.testing.assert_allclose(found["validation huber"], history.history["val_loss"], rtol=1e-5)
    predicted = model.predict(X[100:], verbose=0)[:, 0]
    assert found["validation mean_absolute_error"][-1] == pytest.approx(np.abs(predicted - y[100:]).mean(), rel=1e-5)
    model.evaluate(X, y, verbose=0, callbacks=[watch])
    model.predict(X, verbose=0, callbacks=[watch])
    assert len(watch.history["iteration"]) == 4
    model.fit(X, y, epochs=1, verbose=0, callbacks=[watch])
    assert len(watch.history["iteration"]) == 1


def test_classes_and_columns_of_labels(rng):
    X = rng.normal(size=(120, 3)).astype(np.float32)
    labels = np.digitize(X[:, 0], [-0.5, 0.5])
    loss = fl.SparseCategoricalCrossEntropy(from_logits=True)
    watch = fl.LossMonitor(loss, training=(X, labels[:, None]), show="none")
    model, _ = trained(loss, 3, X, labels, watch)
    expected = loss(labels, np.asarray(model.predict(X, verbose=0)))
    assert watch.history["training sparse_categorical_cross_entropy"][-1] == pytest.approx(expected, rel=1e-6)
