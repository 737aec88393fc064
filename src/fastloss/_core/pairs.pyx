# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, freethreading_compatible=True
"""The parallel drivers of losses that compare matrices row by row, and of those of pairs of scores.

Design. What comes is checked: labels, weights and values, one for each row, are plain arrays of the right type; the
matrices may have any strides and element types. Blocks of rows run side by side, and their sums are folded in the order
of the blocks, so the number of threads changes no bit. A pair of scores is a pointwise loss of two predictions, which
lie in arrays of their own.
"""

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY, NAN
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from fastloss._core.clib cimport *
from fastloss._core.layout cimport choose_axes, clashes, describe, overlaps, writable_in_place
from fastloss._core.machine cimport kernels, pointwise_losses, threads_for
from fastloss._core.partials cimport fold, settle, total, violated
from fastloss._core.pointwise cimport run as run_pointwise, streamed

import numpy as np

cnp.import_array()

cdef enum:
    MIN_PER_THREAD = 32768  # entries of all matrices: about 5 microseconds of work
    SLAB = 8388608          # entries of a matrix between two looks at pending signals
    PER_BLOCK = 8192        # entries of a matrix in a block
    MOST_ROWS = 256         # in a block

cdef enum:
    SCORES_PER_THREAD = 16384  # pairs: about 20 microseconds of work

cdef dict LOSSES = {"contrastive": CONTRASTIVE, "cosine_embedding": COSINE_EMBEDDING, "triplet": TRIPLET}
cdef dict DISTANCES = {"euclidean": EUCLIDEAN, "squared_euclidean": SQUARED_EUCLIDEAN, "cosine": COSINE}
cdef int MARGIN_RANKING = 0
while pointwise_losses()[MARGIN_RANKING].name != b"margin_ranking":
    MARGIN_RANKING += 1


def compare_rows(str loss, str distance, double margin, bint swap, real, tuple inputs, same, weight, double scale, values,
                 outs, n_threads):
    """The sum of the weighted values of all rows, and the gradients.

    `same` holds the labels as bytes or is None, `weight` and `values` are of the type `real` or None. `outs` is None
    where no gradients are wanted, else it holds an array for each or None for a fresh one.
    """
    cdef pair_job j
    cdef total sums
    cdef int type_ = FLOAT32 if real is np.float32 else FLOAT64, k
    cdef cnp.ndarray x = inputs[0]
    cdef list targets = []
    memset(&j, 0, sizeof(j))
    j.loss, j.distance = LOSSES[loss], DISTANCES[distance]
    j.inputs, j.swap, j.margin, j.scale = len(inputs), swap, margin, scale
    j.rows, j.entries = cnp.PyArray_DIM(x, 0), cnp.PyArray_DIM(x, 1)
    for k in range(j.inputs):
        if not describe(&j.x[k], inputs[k], type_, 2, 0):
            raise TypeError(f"no kernel reads {inputs[k].dtype}")
    if same is not None:
        j.same = <const unsigned char *>cnp.PyArray_DATA(<cnp.ndarray>same)
    if weight is not None:
        j.weight = cnp.PyArray_DATA(<cnp.ndarray>weight)
    if values is not None:
        j.value = cnp.PyArray_DATA(<cnp.ndarray>values)
    if outs is not None:
        for k in range(j.inputs):
            targets.append(target_of(outs[k], inputs, None, real))
            describe(&j.gradient[k], targets[k], type_, 2, 0)
    j.in_block = max(1, min(<Py_ssize_t>MOST_ROWS, PER_BLOCK // j.entries))
    run(&j, type_, threads_for(n_threads, j.inputs * j.rows * j.entries // MIN_PER_THREAD), &sums)
    return sums.value, tuple(targets)


def compare_scores(double margin, real, tuple inputs, labels, weight, bint mean, values, outs, n_threads):
    """The sum or mean of the hinge loss of pairs of scores of any shape, and the gradients; arguments as above.

    None in place of it all if a label is neither 1 nor -1, or a weight is negative or not finite.
    """
    cdef job j
    cdef formula one
    cdef total sums
    cdef int type_ = FLOAT32 if real is np.float32 else FLOAT64, k, ndim, threads = 1
    cdef bint look = mean and weight is not None
    cdef cnp.ndarray first = inputs[0], second = inputs[1]
    cdef list targets = []
    memset(&j, 0, sizeof(j))
    memset(&one, 0, sizeof(one))
    one.row, one.factor, one.param[0] = MARGIN_RANKING, 1.0, margin
    j.formulas, j.n_formulas, j.label, j.scale, j.min_hessian = &one, 1, SIGNED, 1.0, NAN
    j.f_low[0], j.f_low[1], j.f_high[0], j.f_high[1] = -INFINITY, -INFINITY, INFINITY, INFINITY
    j.size, ndim = cnp.PyArray_SIZE(first), cnp.PyArray_NDIM(first)
    if outs is not None:
        targets = [target_of(outs[k], inputs, labels, real) for k in range(2)]
        look |= any(overlaps(target, array) for target in targets for array in inputs)
    for k, array in ((F, first), (F2, second), (Y, labels), (W, weight), (VALUE, values)):
        if array is not None and not describe(&j.operands[k], array, type_, ndim, 0):
            raise TypeError(f"no kernel reads {array.dtype}")
    for k in range(len(targets)):
        describe(&j.operands[GRADIENT if k == 0 else GRADIENT2], targets[k], type_, ndim, 0)
    choose_axes(&j, ndim, cnp.PyArray_DIMS(first))
    j.stream = streamed(&j, targets)
    if j.size >= 2 * SCORES_PER_THREAD:
        threads = threads_for(n_threads, j.size // SCORES_PER_THREAD)

    # A look at everything before the first store, where a store needs the sum of weights or would overwrite an input.
    sums.weight = <double>j.size
    if look:
        run_pointwise(&j, type_, threads, &sums)
        if violated(sums.status) or sums.status & SAW_ZERO:
            return None
    if mean:
        j.scale = 1.0 / sums.weight
    j.want = WANT_VALUE | (WANT_GRADIENT if outs is not None else 0)
    run_pointwise(&j, type_, threads, &sums)
    if violated(sums.status) or sums.status & SAW_ZERO:
        return None
    return sums.value / sums.weight if mean else sums.value, tuple(targets)


cdef object target_of(out, tuple inputs, labels, real):
    """Where to write a gradient: `out`, unless an array has to stand in for it, or it is None."""
    cdef cnp.ndarray x = inputs[0], y = inputs[1], last = inputs[len(inputs) - 1]
    if out is None:
        return cnp.PyArray_EMPTY(cnp.PyArray_NDIM(x), cnp.PyArray_DIMS(x),
                                 cnp.NPY_FLOAT if real is np.float32 else cnp.NPY_DOUBLE, 0)
    if not writable_in_place(out) or clashes(out, x, y, labels) or clashes(out, last, last, None):
        return np.empty(out.shape, out.dtype.newbyteorder("="))
    return out


cdef int run(pair_job *j, int type_, int threads, total *sums) except -1:
    cdef pair_block_function *run_block = kernels().run_pairs[type_]
    cdef Py_ssize_t size = kernels().pair_scratch[type_](j), n_blocks = (j.rows + j.in_block - 1) // j.in_block
    cdef Py_ssize_t slab = max(1, SLAB // (j.in_block * j.entries)), first = 0, count, b
    sums[0] = total(0.0, 0.0, 0.0, 0.0, 0)
    if n_blocks == 0:
        return 0
    cdef char *scratch = <char *>malloc(threads * size)
    cdef partial *parts = <partial *>malloc(min(n_blocks, slab) * sizeof(partial))
    try:
        if scratch == NULL or parts == NULL:
            raise MemoryError(f"no memory for {threads} times {size} bytes of scratch")
        while first < n_blocks:
            count = min(n_blocks - first, slab)
            with nogil:
                if threads > 1:
                    for b in prange(count, num_threads=threads, schedule="static"):
                        run_block(j, first + b, scratch + threadid() * size, &parts[b])
                else:
                    for b in range(count):
                        run_block(j, first + b, scratch, &parts[b])
                for b in range(count):
                    fold(sums, &parts[b])
            first += count
            PyErr_CheckSignals()
    finally:
        free(scratch)
        free(parts)
    settle(sums)
    return 0
