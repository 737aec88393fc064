"""Losses of regions, their NumPy references, and the one-hot code that people write in PyTorch."""

from __future__ import annotations

import numpy as np

import fastloss as fl
from fastloss._bench import names_of
from fastloss._regions import RegionLoss

from .settings import QUICK, THREADS, TYPES, Timed, n_threads

REGIONS = names_of(RegionLoss)
SHAPES = {"binary 4x256x256": (4, 256, 256), "labels 2x8x128x128": (2, 8, 128, 128)}
if not QUICK:
    SHAPES |= {f"labels {'x'.join(map(str, shape))}": shape for shape in [(4, 21, 512, 512), (4, 21, 256, 256)]}
    SHAPES["binary 16x512x512"] = (16, 512, 512)
REFERENCE_SHAPES = list(SHAPES)[:2]
OUTPUTS = ("value", "value_and_gradient")


def arguments(name, shape, dtype):
    """A loss of logits, masks or labels, and logits."""
    rng, shape, binary = np.random.default_rng(0), SHAPES[shape], shape.startswith("binary")
    loss = fl.get(name, from_logits=True, mode="binary" if binary else "multiclass")
    f = rng.standard_normal(shape).astype(dtype)
    if binary:
        return loss, (f + rng.standard_normal(shape) > 1).astype(dtype), f
    return loss, rng.integers(0, shape[1], (shape[0], *shape[2:])), f


class Regions(Timed):
    """The compiled loss."""

    params = (REGIONS, OUTPUTS, list(SHAPES), TYPES, THREADS)
    param_names = ("loss", "outputs", "shape", "dtype", "threads")

    def setup(self, loss, outputs, shape, dtype, threads):
        fl.set_num_threads(n_threads(threads))
        loss, y, f = arguments(loss, shape, dtype)
        out = {"out": np.zeros_like(f)} if outputs == "value_and_gradient" else {}
        self.call = lambda: getattr(loss, outputs)(y, f, **out)
        self.call()

    def time_regions(self, *_):
        self.call()


class RegionReference(Timed):
    """The NumPy reference."""

    params = (REGIONS, OUTPUTS, REFERENCE_SHAPES)
    param_names = ("loss", "outputs", "shape")

    def setup(self, loss, outputs, shape):
        loss, y, f = arguments(loss, shape, "float32")
        self.call = lambda: getattr(loss.reference, outputs)(y, f)
        self.call()

    def time_reference(self, *_):
        self.call()


class RegionPyTorch(Timed):
    """Forward and backward pass in PyTorch: one-hot masks and sums; for Lovasz the code of its authors."""

    params = (("dice", "lovasz"), list(SHAPES), THREADS)
    param_names = ("loss", "shape", "threads")

    def setup(self, loss, shape, threads):
        try:
            import torch
        except ImportError:
            raise NotImplementedError("PyTorch is missing") from None
        torch.set_num_threads(n_threads(threads))
        _, y, f = arguments(loss, shape, "float32")
        y, f = torch.from_numpy(y), torch.from_numpy(f).requires_grad_(True)
        compute = {"dice": torch_dice, "lovasz": torch_lovasz}[loss]

        def call():
            f.grad = None
            value = compute(torch, y, f)
            value.backward()
            return value.item(), f.grad.numpy()

        self.call = call
        self.call()

    def time_pytorch(self, *_):
        self.call()


def torch_dice(torch, y, f):
    """Mean of 1 - (2 I + s) / (U + s) over samples and classes."""
    if y.ndim == f.ndim:
        p, t, axes = torch.sigmoid(f), y, tuple(range(1, f.ndim))
    else:
        p, axes = torch.softmax(f, 1), tuple(range(2, f.ndim))
        t = torch.nn.functional.one_hot(y.long(), f.shape[1]).movedim(-1, 1).float()
    intersection = (t * p).sum(axes)
    return (1 - (2 * intersection + 1e-5) / (t.sum(axes) + p.sum(axes) + 1e-5)).mean()


def torch_lovasz(torch, y, f):
    """The reference code of Berman et al. (2018): each sample and class by itself."""
    if y.ndim == f.ndim:
        return sum(torch_hinge(torch, y[n].ravel(), f[n].ravel()) for n in range(len(f))) / len(f)
    p, values = torch.softmax(f, 1).flatten(2), []
    for n in range(len(f)):
        of_classes = []
        for c in range(f.shape[1]):
            t = (y[n].ravel() == c).float()
            if t.sum() == 0:
                continue
            errors, order = torch.sort((t - p[n, c]).abs(), 0, descending=True)
            of_classes.append(torch.dot(errors, torch_steps(t[order])))
        values.append(sum(of_classes) / len(of_classes))
    return sum(values) / len(values)


def torch_hinge(torch, t, f):
    """The same for scores."""
    errors, order = torch.sort(1 - f * (2 * t - 1), descending=True)
    return torch.dot(torch.relu(errors), torch_steps(t[order]))


def torch_steps(t):
    """The derivative of the Jaccard loss in sorted errors."""
    total = t.sum()
    jaccard = 1 - (total - t.cumsum(0)) / (total + (1 - t).cumsum(0))
    jaccard[1:] = jaccard[1:] - jaccard[:-1]
    return jaccard
