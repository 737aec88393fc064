"""Pairs and triplets of embeddings, pairs of scores, and their NumPy references."""

from __future__ import annotations

import inspect

import numpy as np

import fastloss as fl
from fastloss._bench import names_of
from fastloss._inputs import InputsLoss
from fastloss.losses.embeddings import ComparedRows

from .settings import QUICK, THREADS, TYPES, Timed, n_threads

PAIRS = [*names_of(ComparedRows), "margin_ranking"]
SHAPES = {"4096x32": (4096, 32)} if QUICK else {"4096x32": (4096, 32), "65536x128": (65536, 128)}
OUTPUTS = ("value", "value_and_gradient")


def arguments(loss: InputsLoss, shape, dtype):
    """Matrices (or scores of that shape), and labels where the loss has them."""
    rng = np.random.default_rng(0)
    compared = isinstance(loss, ComparedRows)
    inputs = [rng.standard_normal(shape).astype(dtype) for _ in (loss.inputs if compared else range(2))]
    if "labels" in inspect.signature(loss.__call__).parameters:
        inputs.append(rng.choice([loss.other_label if compared else -1, 1], shape[0] if compared else shape))
    return inputs


class Pairs(Timed):
    """The compiled loss."""

    params = (PAIRS, OUTPUTS, list(SHAPES), TYPES, THREADS)
    param_names = ("loss", "outputs", "shape", "dtype", "threads")

    def setup(self, loss, outputs, shape, dtype, threads):
        fl.set_num_threads(n_threads(threads))
        loss = fl.get(loss)
        given, method = arguments(loss, SHAPES[shape], dtype), getattr(loss, outputs)
        self.call = lambda: method(*given)
        self.call()

    def time_pairs(self, *_):
        self.call()


class PairReference(Timed):
    """The NumPy reference."""

    params = (PAIRS, OUTPUTS, list(SHAPES)[:1])
    param_names = ("loss", "outputs", "shape")

    def setup(self, loss, outputs, shape):
        loss = fl.get(loss)
        given, method = arguments(loss, SHAPES[shape], "float64"), getattr(loss.reference, outputs)
        self.call = lambda: method(*given)
        self.call()

    def time_reference(self, *_):
        self.call()
