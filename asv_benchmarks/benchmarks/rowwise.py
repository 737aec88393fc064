"""Every row loss on its raw scale, its NumPy reference, plain NumPy, and the bandwidth probe on the same data."""

from __future__ import annotations

import fastloss
from fastloss._bench import Task, peer_call, rowwise
from fastloss._bench_peers import CROSS_ENTROPIES, PEERS

from .settings import METHODS, REFERENCE_SHAPES, ROW_SHAPES, ROWS, THREADS, TYPES, Timed, n_threads


def make(loss, outputs, shape, dtype="float64", order="C"):
    loss = rowwise(loss, shape[1])
    if "hessian" in outputs and not loss.hessian_policies:
        raise NotImplementedError("it has no hessian")
    return Task.make(loss, outputs, shape, dtype, order)


class RowKernel(Timed):
    """The compiled loss, writing into given arrays; in F order the cross-entropies only."""

    params = (ROWS, METHODS, list(ROW_SHAPES), TYPES, THREADS, ("C", "F"))
    param_names = ("loss", "outputs", "shape", "dtype", "threads", "order")

    def setup(self, loss, outputs, shape, dtype, threads, order):
        if order == "F" and loss not in CROSS_ENTROPIES:
            raise NotImplementedError("in C order only")
        fastloss.set_num_threads(n_threads(threads))
        self.call = make(loss, outputs, ROW_SHAPES[shape], dtype, order).kernel()
        self.call()

    def time_kernel(self, *_):
        self.call()


class RowReference(Timed):
    """The NumPy reference."""

    params = (ROWS, METHODS, REFERENCE_SHAPES, TYPES)
    param_names = ("loss", "outputs", "shape", "dtype")

    def setup(self, loss, outputs, shape, dtype):
        self.call = make(loss, outputs, ROW_SHAPES[shape], dtype).reference()
        self.call()

    def time_reference(self, *_):
        self.call()


class PlainNumPy(Timed):
    """Cross-entropy in the usual few statements."""

    params = (CROSS_ENTROPIES, METHODS, list(ROW_SHAPES), TYPES, ("C", "F"))
    param_names = ("loss", "outputs", "shape", "dtype", "order")

    def setup(self, loss, outputs, shape, dtype, order):
        self.call = peer_call(PEERS["plain NumPy"][1], make(loss, outputs, ROW_SHAPES[shape], dtype, order), 1)
        self.call()

    def time_plain(self, *_):
        self.call()


class RowProbe(Timed):
    """What memory allows: predictions read once, as many arrays written as a loss with these outputs writes."""

    params = (METHODS, list(ROW_SHAPES), TYPES, THREADS, ("ordinary", "streaming"))
    param_names = ("outputs", "shape", "dtype", "threads", "stores")

    def setup(self, outputs, shape, dtype, threads, stores):
        task = make("sparse_categorical_cross_entropy", outputs, ROW_SHAPES[shape], dtype)
        calls = list(task.probes(n_threads(threads))[1].values())
        if stores == "streaming" and len(calls) == 1:
            raise NotImplementedError("nothing is written")
        self.call = calls[stores == "streaming"]
        self.call()

    def time_probe(self, *_):
        self.call()


class RowOverhead(Timed):
    """Whole calls with little data."""

    params = (ROWS, ("fastloss", "NumPy"))
    param_names = ("loss", "implementation")

    def setup(self, loss, implementation):
        task = make(loss, "value+gradient", (10, 10))
        self.call = task.kernel() if implementation == "fastloss" else task.reference()
        self.call()

    def time_call(self, *_):
        self.call()


class RowMemory:
    """Peak memory of a process that holds the data, and of one that computes as well: no temporaries of full size."""

    params = (ROWS, list(ROW_SHAPES))
    param_names = ("loss", "shape")

    def setup(self, loss, shape):
        self.call = make(loss, "value+gradient", ROW_SHAPES[shape]).kernel()

    def peakmem_data(self, *_):
        pass

    def peakmem_kernel(self, *_):
        self.call()
