"""Every loss on its raw scale, its NumPy reference, and the bandwidth probe on the same data."""

from __future__ import annotations

import fastloss
from fastloss._bench import Task, pointwise

from .settings import LOSSES, METHODS, QUICK, REFERENCE_SIZES, SIZES, THREADS, TYPES, Timed, n_threads


class Kernel(Timed):
    """The compiled loss, writing into given arrays."""

    params = (LOSSES, METHODS, SIZES, TYPES, THREADS)
    param_names = ("loss", "outputs", "size", "dtype", "threads")

    def setup(self, loss, outputs, size, dtype, threads):
        fastloss.set_num_threads(n_threads(threads))
        self.call = Task.make(pointwise(loss), outputs, size, dtype).kernel()
        self.call()

    def time_kernel(self, *_):
        self.call()


class Reference(Timed):
    """The NumPy reference."""

    params = (LOSSES, METHODS, REFERENCE_SIZES, TYPES)
    param_names = ("loss", "outputs", "size", "dtype")

    def setup(self, loss, outputs, size, dtype):
        self.call = Task.make(pointwise(loss), outputs, size, dtype).reference()
        self.call()

    def time_reference(self, *_):
        self.call()


class Probe(Timed):
    """What memory allows: two arrays read, as many written as a loss with these outputs writes."""

    params = (METHODS, SIZES, TYPES, THREADS, ("ordinary", "streaming"))
    param_names = ("outputs", "size", "dtype", "threads", "stores")

    def setup(self, outputs, size, dtype, threads, stores):
        _, probes = Task.make(pointwise("mean_squared_error"), outputs, size, dtype).probes(n_threads(threads))
        calls = list(probes.values())
        if stores == "streaming" and len(calls) == 1:
            raise NotImplementedError("nothing is written")
        self.call = calls[stores == "streaming"]
        self.call()

    def time_probe(self, *_):
        self.call()


class Overhead(Timed):
    """Whole calls with little data."""

    params = (LOSSES, ("fastloss", "NumPy"))
    param_names = ("loss", "implementation")

    def setup(self, loss, implementation):
        task = Task.make(pointwise(loss), "value+gradient", 100)
        self.call = task.kernel() if implementation == "fastloss" else task.reference()
        self.call()

    def time_call(self, *_):
        self.call()


class Memory:
    """Peak memory of a process that holds the data, and of one that computes as well: no temporaries of full size."""

    params = (LOSSES,)
    param_names = ("loss",)
    size = 1_000_000 if QUICK else 10_000_000

    def setup(self, loss):
        self.call = Task.make(pointwise(loss), "value+gradient", self.size).kernel()

    def peakmem_data(self, *_):
        pass

    def peakmem_kernel(self, *_):
        self.call()
