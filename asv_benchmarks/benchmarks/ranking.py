"""Ranking losses: queries of about 120 documents with five grades, and their NumPy references."""

from __future__ import annotations

import numpy as np

import fastloss as fl
from fastloss._bench import names_of
from fastloss._groups import GroupLoss

from .settings import QUICK, THREADS, TYPES, Timed, n_threads

RANKING = names_of(GroupLoss)
OUTPUTS = ("value_and_gradient", "gradient_and_hessian")


def queries(n, dtype):
    rng = np.random.default_rng(0)
    group = rng.integers(60, 181, n)
    rows = int(group.sum())
    return rng.choice(5, rows, p=[0.5, 0.3, 0.13, 0.05, 0.02]), rng.standard_normal(rows).astype(dtype), group


class Groups(Timed):
    """The compiled loss."""

    params = (RANKING, OUTPUTS, TYPES, THREADS)
    param_names = ("loss", "outputs", "dtype", "threads")
    queries = 100 if QUICK else 2000

    def setup(self, loss, outputs, dtype, threads):
        fl.set_num_threads(n_threads(threads))
        y, s, group = queries(self.queries, dtype)
        method = getattr(fl.get(loss), outputs)
        self.call = lambda: method(y, s, group=group)
        self.call()

    def time_groups(self, *_):
        self.call()


class GroupReference(Timed):
    """The NumPy reference."""

    params = (RANKING, OUTPUTS)
    param_names = ("loss", "outputs")

    def setup(self, loss, outputs):
        y, s, group = queries(10 if QUICK else 50, "float64")
        method = getattr(fl.get(loss).reference, outputs)
        self.call = lambda: method(y, s, group=group)
        self.call()

    def time_reference(self, *_):
        self.call()
