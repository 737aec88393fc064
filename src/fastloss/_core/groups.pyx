# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, freethreading_compatible=True
"""The parallel driver of the ranking losses: groups of rows, each by one thread.

Design. Arguments are checked and contiguous when they arrive. A group is computed by one thread from its rows alone, so
that results do not depend on threads; the largest groups come first, so that none is left to the end.
"""

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange, threadid
from libc.stdlib cimport free, malloc

from fastloss._core.clib cimport *
from fastloss._core.machine cimport kernels, threads_for

import numpy as np

cnp.import_array()

LOSSES = {"pairwise_hinge": PAIRWISE_HINGE, "pairwise_logistic": PAIRWISE_LOGISTIC, "lambda_rank": LAMBDA_RANK,
          "list_net": LIST_NET, "list_mle": LIST_MLE}

cdef enum:
    PAIRS_PER_THREAD = 20000  # about 20 microseconds
    SLAB = 50000000           # pairs between two looks at pending signals


def run(str loss, int want, const double[::1] y, cnp.ndarray scores, const Py_ssize_t[::1] start,
        const Py_ssize_t[::1] order, double scale, *, bint majorizer=False, bint average=False, bint normalize=False,
        bint proportional=False, Py_ssize_t top=0, const double[::1] gains=None, const double[::1] discounts=None,
        n_threads=None):
    """Values and counts of all groups, and the gradients and hessians of their sum (None where `want` has no such bit).

    `scores` is contiguous, float32 or float64; group g has the rows from start[g] to start[g + 1]; `order` lists the
    groups as they are to be taken.
    """
    cdef Py_ssize_t n_groups = start.shape[0] - 1, largest = 0, b, first = 0, last, size
    cdef int type_ = FLOAT32 if cnp.PyArray_TYPE(scores) == cnp.NPY_FLOAT else FLOAT64, threads
    cdef double pairs = 0.0, done
    for b in range(n_groups):
        size = start[b + 1] - start[b]
        largest = max(largest, size)
        pairs += <double>size * <double>size
    threads = threads_for(n_threads, <Py_ssize_t>min(pairs / PAIRS_PER_THREAD, 1e9))
    value, count = np.zeros(n_groups), np.zeros(n_groups)
    gradient = np.empty_like(scores) if want & WANT_GRADIENT else None
    hessian = np.empty_like(scores) if want & WANT_HESSIAN else None
    cdef double[::1] values = value, counts = count
    cdef group_job j
    j.loss, j.want, j.scale, j.top = <group_loss><int>LOSSES[loss], want, scale, top
    j.majorizer, j.average, j.normalize, j.proportional = majorizer, average, normalize, proportional
    j.y, j.scores = &y[0] if y.shape[0] else NULL, cnp.PyArray_DATA(scores)
    j.gains = &gains[0] if gains is not None and gains.shape[0] else NULL
    j.n_gains = gains.shape[0] if gains is not None else 0
    j.discounts = &discounts[0] if discounts is not None and discounts.shape[0] else NULL
    j.gradient = NULL if gradient is None else cnp.PyArray_DATA(<cnp.ndarray>gradient)
    j.hessian = NULL if hessian is None else cnp.PyArray_DATA(<cnp.ndarray>hessian)
    if n_groups == 0:
        return value, count, gradient, hessian
    j.start, j.value, j.count = &start[0], &values[0], &counts[0]
    cdef group_function *function = kernels().run_group[type_]
    cdef Py_ssize_t room = kernels().group_scratch[type_](largest)
    cdef char *scratch = <char *>malloc(threads * room)
    if scratch == NULL:
        raise MemoryError(f"no memory for the workspaces of {threads} threads")
    try:
        while first < n_groups:
            done, last = 0.0, first
            while last < n_groups and done < SLAB:
                size = start[order[last] + 1] - start[order[last]]
                done += <double>size * <double>size + 1.0
                last += 1
            with nogil:
                if threads > 1:
                    for b in prange(first, last, num_threads=threads, schedule="dynamic", chunksize=8):
                        function(&j, order[b], scratch + threadid() * room)
                else:
                    for b in range(first, last):
                        function(&j, order[b], scratch)
            first = last
            PyErr_CheckSignals()
    finally:
        free(scratch)
    return value, count, gradient, hessian
