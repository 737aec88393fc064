"""Weighted sums: one pass over the data, and what the same sum costs in several calls."""

from __future__ import annotations

import numpy as np

import fastloss as fl

from .settings import QUICK, THREADS, TYPES, Timed, n_threads

SUMS = {
    "huber + quantile": 0.7 * fl.Huber() + 0.3 * fl.Quantile(quantile=0.9),
    "cross-entropy + focal + hinge": fl.BinaryCrossEntropy(from_logits=True)
    + 0.5 * fl.BinaryFocal(from_logits=True)
    + 0.1 * fl.Hinge(),
}


class WeightedSum(Timed):
    """Value and gradient of a sum of losses."""

    params = (tuple(SUMS), ("one call", "a call for each part", "NumPy"), TYPES, THREADS)
    param_names = ("loss", "implementation", "dtype", "threads")
    size = 100_000 if QUICK else 4_000_000

    def setup(self, loss, implementation, dtype, threads):
        fl.set_num_threads(n_threads(threads))
        whole = SUMS[loss]
        rng = np.random.default_rng(0)
        f = rng.standard_normal(self.size).astype(dtype)
        y = (rng.random(self.size) < 0.5).astype(dtype)
        out = np.empty_like(f)
        if implementation == "one call":
            self.call = lambda: whole.value_and_gradient(y, f, out=out)
        elif implementation == "NumPy":
            self.call = lambda: whole.reference.value_and_gradient(y, f)
        else:
            self.call = lambda: sum(a * part.value_and_gradient(y, f)[1] for a, part in whole.parts)
        self.call()

    def time_sum(self, *_):
        self.call()
