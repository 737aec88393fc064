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
    ROWS_PER_THREAD = 1000  # about 20 microseconds
    PAIRS_PER_ROW = 100     # that cost as much as the row itself
    SLAB = 200000000        # pairs between two looks at pending signals


cdef row_array rows(array):
    """What the kernel is told of an array of rows, or None."""
    cdef row_array r
    r.data = NULL if array is None else cnp.PyArray_DATA(<cnp.ndarray>array)
    r.type = FLOAT32 if array is not None and cnp.PyArray_TYPE(<cnp.ndarray>array) == cnp.NPY_FLOAT else FLOAT64
    return r


def run(str loss, int want, y, scores, const Py_ssize_t[::1] start, const Py_ssize_t[::1] order, double scale, *,
        bint majorizer=False, bint average=False, bint normalize=False, bint proportional=False, Py_ssize_t top=0,
        const double[::1] gains=None, const double[::1] discounts=None, gradient=None, hessian=None, n_threads=None):
    """Values and counts of all groups, and the gradients and hessians of their sum (None where `want` has no such bit).

    Arrays of rows are contiguous, float32 or float64; those for gradient and hessian are made where none is given. Group
    g has the rows from start[g] to start[g + 1]; `order` lists the groups as they are to be taken.
    """
    cdef Py_ssize_t n_groups = start.shape[0] - 1, largest = 0, b, first = 0, last, size
    cdef int threads
    cdef double pairs = 0.0, tasks, done
    for b in range(n_groups):
        size = start[b + 1] - start[b]
        largest = max(largest, size)
        pairs += <double>size * <double>size
    tasks = (start[n_groups] + pairs / PAIRS_PER_ROW) / ROWS_PER_THREAD
    threads = threads_for(n_threads, <Py_ssize_t>min(tasks, 1e9))
    value, count = np.zeros(n_groups), np.zeros(n_groups)
    if gradient is None and want & WANT_GRADIENT:
        gradient = np.empty_like(scores)
    if hessian is None and want & WANT_HESSIAN:
        hessian = np.empty_like(scores)
    cdef double[::1] values = value, counts = count
    cdef group_job j
    j.loss, j.want, j.scale, j.top = <group_loss><int>LOSSES[loss], want, scale, top
    j.majorizer, j.average, j.normalize, j.proportional = majorizer, average, normalize, proportional
    j.y, j.scores, j.gradient, j.hessian = rows(y), rows(scores), rows(gradient), rows(hessian)
    j.gains = &gains[0] if gains is not None and gains.shape[0] else NULL
    j.n_gains = gains.shape[0] if gains is not None else 0
    j.discounts = &discounts[0] if discounts is not None and discounts.shape[0] else NULL
    if n_groups == 0:
        return value, count, gradient, hessian
    j.start, j.value, j.count = &start[0], &values[0], &counts[0]
    cdef group_function *function = kernels().run_group
    cdef Py_ssize_t room = kernels().group_scratch(largest)
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
