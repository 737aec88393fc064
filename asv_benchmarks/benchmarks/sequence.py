"""Losses of sequences, their NumPy references, and PyTorch's CTC."""

from __future__ import annotations

import numpy as np

import fastloss as fl
from fastloss._bench import names_of
from fastloss.losses.sequence import SequenceLoss

from .settings import QUICK, THREADS, TYPES, Timed, n_threads

SEQUENCES = names_of(SequenceLoss)
SHAPES = {"4x50x20": (4, 50, 20)}  # sequences, frames, classes (of CTC; series have 8 entries in a frame)
if not QUICK:
    SHAPES |= {"16x150x28": (16, 150, 28), "128x150x28": (128, 150, 28), "16x1000x1000": (16, 1000, 1000)}
LABELS = {28: 40, 1000: 100}
REFERENCE_SHAPES = list(SHAPES)[:1]
OUTPUTS = ("value", "value_and_gradient")


def arguments(name, shape, dtype):
    """A loss, targets and predictions: labels and logits, or series."""
    rng, (n, frames, classes) = np.random.default_rng(0), SHAPES[shape]
    loss = fl.get(name)
    if name == "ctc":
        f = rng.standard_normal((n, frames, classes)).astype(dtype)
        return loss, rng.integers(1, classes, (n, LABELS.get(classes, 10))), f
    return loss, *rng.standard_normal((2, n, frames, 8)).astype(dtype)


class Sequences(Timed):
    """The compiled loss."""

    params = (SEQUENCES, OUTPUTS, list(SHAPES), TYPES, THREADS)
    param_names = ("loss", "outputs", "shape", "dtype", "threads")

    def setup(self, loss, outputs, shape, dtype, threads):
        fl.set_num_threads(n_threads(threads))
        loss, y, f = arguments(loss, shape, dtype)
        self.call = lambda: getattr(loss, outputs)(y, f)
        self.call()

    def time_sequences(self, *_):
        self.call()


class SequenceReference(Timed):
    """The NumPy reference."""

    params = (SEQUENCES, OUTPUTS, REFERENCE_SHAPES)
    param_names = ("loss", "outputs", "shape")

    def setup(self, loss, outputs, shape):
        loss, y, f = arguments(loss, shape, "float32")
        self.call = lambda: getattr(loss.reference, outputs)(y, f)
        self.call()

    def time_reference(self, *_):
        self.call()


class SequencePyTorch(Timed):
    """Forward and backward pass of PyTorch's CTC on the logits."""

    params = (list(SHAPES), THREADS)
    param_names = ("shape", "threads")

    def setup(self, shape, threads):
        try:
            import torch
        except ImportError:
            raise NotImplementedError("PyTorch is missing") from None
        torch.set_num_threads(n_threads(threads))
        _, y, f = arguments("ctc", shape, "float32")
        y, f = torch.from_numpy(y), torch.from_numpy(f).requires_grad_(True)
        lengths = torch.full((len(f),), f.shape[1]), torch.full((len(f),), y.shape[1])

        def call():
            f.grad = None
            p = torch.log_softmax(f, 2).transpose(0, 1)
            value = torch.nn.functional.ctc_loss(p, y, *lengths, reduction="sum") / len(f)
            value.backward()
            return value.item(), f.grad.numpy()

        self.call = call
        self.call()

    def time_pytorch(self, *_):
        self.call()
