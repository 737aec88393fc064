"""The linear layer under a cross-entropy, and the same in plain NumPy with all logits in memory."""

from __future__ import annotations

import numpy as np

import fastloss
from fastloss import LinearCrossEntropy

from .settings import QUICK, TYPES, Timed

SHAPES = {"512x64x4096": (512, 64, 4096)} if QUICK else {"4096x256x8192": (4096, 256, 8192)}
OUTPUTS = ("value", "value+gradient")


def make(shape, dtype):
    """Labels, features and weights."""
    n, d, v = SHAPES[shape]
    rng = np.random.default_rng(0)
    w = rng.normal(0, d**-0.5, (v, d)).astype(dtype)
    return rng.integers(0, v, n), rng.standard_normal((n, d)).astype(dtype), w


def plain(y, x, w, gradients):
    z = x @ w.T
    z -= z.max(axis=1, keepdims=True)
    e = np.exp(z)
    total = e.sum(axis=1, keepdims=True)
    rows = np.arange(len(y))
    value = np.sum(np.log(total[:, 0]) - z[rows, y])
    if not gradients:
        return value
    g = e / total
    g[rows, y] -= 1
    return value, (g @ w, g.T @ x)


class Linear(Timed):
    """Both use the threads of NumPy's BLAS; the softmax here uses all."""

    params = (OUTPUTS, list(SHAPES), TYPES, ("fastloss", "plain NumPy"))
    param_names = ("outputs", "shape", "dtype", "implementation")

    def setup(self, outputs, shape, dtype, implementation):
        fastloss.set_num_threads(None)
        loss, data, gradients = LinearCrossEntropy(), make(shape, dtype), outputs != "value"
        method = loss.value_and_gradient if gradients else loss
        if implementation == "fastloss":
            self.call = lambda: method(*data, reduction="sum")
        else:
            self.call = lambda: plain(*data, gradients)
        self.call()

    def time_call(self, *_):
        self.call()

    def peakmem_call(self, *_):
        self.call()
