"""Losses of the similarities of all rows, and their NumPy references."""

from __future__ import annotations

import numpy as np

import fastloss as fl
from fastloss._bench import names_of
from fastloss._contrast import SimilarityLoss

from .settings import QUICK, THREADS, TYPES, Timed, n_threads

SIMILARITIES = [*names_of(SimilarityLoss), "clip"]
SHAPES = {"512x64": (512, 64)} if QUICK else {"512x64": (512, 64), "4096x256": (4096, 256), "16384x128": (16384, 128)}
OUTPUTS = ("value", "value_and_gradient")


def arguments(loss: SimilarityLoss, shape, dtype):
    """Matrices, and labels where the loss has them."""
    rng = np.random.default_rng(0)
    given = [rng.standard_normal(shape).astype(dtype) for _ in loss.inputs]
    return given if len(given) == 2 else [*given, rng.integers(0, 100, shape[0])]


class Similarities(Timed):
    """The compiled loss. Matrix products use all threads of NumPy's BLAS."""

    params = (SIMILARITIES, OUTPUTS, list(SHAPES), TYPES, THREADS)
    param_names = ("loss", "outputs", "shape", "dtype", "threads")

    def setup(self, loss, outputs, shape, dtype, threads):
        loss = fl.get(loss)
        given, method, passes = arguments(loss, SHAPES[shape], dtype), getattr(loss, outputs), n_threads(threads)
        self.call = lambda: method(*given, n_threads=passes)
        self.call()

    def time_similarities(self, *_):
        self.call()

    def peakmem_similarities(self, *_):
        self.call()


class SimilarityReference(Timed):
    """The NumPy reference, with all similarities in memory."""

    params = (SIMILARITIES, OUTPUTS, list(SHAPES)[:1])
    param_names = ("loss", "outputs", "shape")

    def setup(self, loss, outputs, shape):
        loss = fl.get(loss)
        given, method = arguments(loss, SHAPES[shape], "float64"), getattr(loss.reference, outputs)
        self.call = lambda: method(*given)
        self.call()

    def time_reference(self, *_):
        self.call()
