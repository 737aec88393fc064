"""Triplets inside a labelled batch, and the same in PyTorch where it is installed."""

from __future__ import annotations

import numpy as np

import fastloss as fl
from fastloss.losses.batch_triplet import MINING

from .settings import QUICK, THREADS, TYPES, Timed, n_threads

SHAPES = {"1024x128": (1024, 128)} if QUICK else {"256x64": (256, 64), "1024x128": (1024, 128), "8192x128": (8192, 128)}
DISTANCES = ["euclidean"] if QUICK else ["euclidean", "cosine"]
OUTPUTS = ("value", "value_and_gradient")
IN_CLASS = 8


def batch(shape, dtype):
    """Embeddings, and labels of a few rows for each class."""
    rng = np.random.default_rng(0)
    return rng.standard_normal(shape).astype(dtype), rng.integers(0, shape[0] // IN_CLASS, shape[0])


class BatchTriplets(Timed):
    """The compiled loss."""

    params = (list(MINING), DISTANCES, OUTPUTS, list(SHAPES), TYPES, THREADS)
    param_names = ("mining", "distance", "outputs", "shape", "dtype", "threads")

    def setup(self, mining, distance, outputs, shape, dtype, threads):
        fl.set_num_threads(n_threads(threads))
        given = batch(SHAPES[shape], dtype)
        method = getattr(fl.BatchTriplet(mining=mining, distance=distance), outputs)
        self.call = lambda: method(*given)
        self.call()

    def time_batch(self, *_):
        self.call()


class BatchTripletReference(Timed):
    """The NumPy reference."""

    params = (list(MINING), ["64x16"])
    param_names = ("mining", "shape")

    def setup(self, mining, shape):
        given = batch(tuple(map(int, shape.split("x"))), "float64")
        self.call = lambda: fl.BatchTriplet(mining=mining).reference.value_and_gradient(*given)
        self.call()

    def time_reference(self, *_):
        self.call()


class TorchBatchAll(Timed):
    """All triplets by a table of pairs of positives times rows."""

    params = tuple(name for name in SHAPES if name != "8192x128")
    param_names = ("shape",)

    def setup(self, shape):
        try:
            import torch
        except ImportError:
            raise NotImplementedError("needs PyTorch") from None
        torch.set_num_threads(fl.get_num_threads())
        x, y = (torch.tensor(a) for a in batch(SHAPES[shape], "float32"))
        x.requires_grad_()

        def call():
            d = torch.cdist(x, x)
            same = y[:, None] == y
            anchor, positive = torch.nonzero(same & ~torch.eye(len(y), dtype=torch.bool), as_tuple=True)
            term = (d[anchor, positive][:, None] - d[anchor] + 1.0).clamp(min=0)
            term = torch.where(same[anchor], 0.0, term)
            loss = term.sum() / (term > 0).sum()
            x.grad = None
            loss.backward()
            return float(loss.detach())

        self.call = call
        self.call()

    def time_torch(self, *_):
        self.call()
