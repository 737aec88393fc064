"""Penalties, and the separable ones in plain NumPy."""

from __future__ import annotations

import numpy as np

import fastloss
from fastloss.penalties import L1, L2, ElasticNet, GroupLasso, Penalty

from .settings import SIZES, THREADS, TYPES, Timed, n_threads

OUTPUTS = ("value", "value+gradient", "prox", "prox, steps by entry")
STEP = 0.3


def make(name: str, size: int) -> Penalty:
    """A penalty by name: groups have ten entries, side by side or anywhere."""
    groups = np.arange(size) // 10
    return {
        "L1": lambda: L1(0.5),
        "L2": lambda: L2(0.5),
        "ElasticNet": lambda: ElasticNet(0.5),
        "GroupLasso": lambda: GroupLasso(groups, 0.5),
        "GroupLasso, scattered": lambda: GroupLasso(np.random.default_rng(0).permutation(groups), 0.5),
    }[name]()


def plain(name, outputs, w, step):
    """The same in NumPy, for the separable penalties."""
    share = {"L1": 1.0, "L2": 0.0, "ElasticNet": 0.5}[name]
    a, b = 0.5 * share, 0.5 * (1 - share)
    if outputs.startswith("prox"):
        return np.sign(w) * np.maximum(np.abs(w) - step * a, 0) / (1 + step * b)
    value = a * np.abs(w).sum() + b / 2 * np.square(w).sum()
    return (value, a * np.sign(w) + b * w) if "gradient" in outputs else value


def data(outputs, size, dtype):
    rng = np.random.default_rng(0)
    w = rng.standard_normal(size).astype(dtype)
    return w, rng.random(size).astype(dtype) if "entry" in outputs else STEP


class Compiled(Timed):
    """Into a given array."""

    names = ("L1", "L2", "ElasticNet", "GroupLasso", "GroupLasso, scattered")
    params = (names, OUTPUTS, SIZES, TYPES, THREADS)
    param_names = ("penalty", "outputs", "size", "dtype", "threads")

    def setup(self, name, outputs, size, dtype, threads):
        if name.startswith("Group") and "entry" in outputs:
            raise NotImplementedError("groups have one step")
        fastloss.set_num_threads(n_threads(threads))
        penalty, (w, step) = make(name, size), data(outputs, size, dtype)
        out = np.empty_like(w)
        self.call = {
            "value": lambda: penalty.value(w),
            "value+gradient": lambda: penalty.value_and_gradient(w, out=out),
        }.get(outputs, lambda: penalty.prox(w, step, out=out))
        self.call()

    def time_call(self, *_):
        self.call()


class PlainNumPy(Timed):
    """As one would write it."""

    params = (Compiled.names[:3], OUTPUTS, SIZES, TYPES)
    param_names = ("penalty", "outputs", "size", "dtype")

    def setup(self, name, outputs, size, dtype):
        w, step = data(outputs, size, dtype)
        self.call = lambda: plain(name, outputs, w, step)
        self.call()

    def time_call(self, *_):
        self.call()


# A penalty that nothing here times should be noticed when benchmarks are collected.
assert {type(make(name, 10)) for name in Compiled.names} == set(fastloss.penalties._CLASSES.values())
