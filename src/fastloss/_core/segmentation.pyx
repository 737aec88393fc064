# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, freethreading_compatible=True
"""The parallel drivers of losses of regions, such as the masks of classes in images.

Design. Blocks of pixels of a sample, with all classes, run side by side. A first pass leaves sums for each class and
sample, folded in the order of the blocks, so the number of threads changes no bit. What follows from the sums is a matter
of a few numbers; a second pass writes the gradient. For the Lovasz loss the first pass only counts; then errors are
stored, sorted region by region, and replaced by their derivatives, some samples at a time.
"""

cimport cython
cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY, fabs
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from fastloss._core.clib cimport *
from fastloss._core.layout cimport clashes, describe, writable_in_place
from fastloss._core.machine cimport cache_size, kernels, threads_for
from fastloss._core.partials cimport compensated

import numpy as np

cnp.import_array()

cdef enum:
    MIN_PER_THREAD = 16384  # predictions
    SLAB = 4194304          # predictions between two looks at pending signals
    PER_BLOCK = 16384       # predictions in a block
    TILE_BYTES = 65536      # of the predictions and slopes of a tile
    MOST_PIXELS = 512       # in a tile
    LANES = 16
    ERROR_BYTES = 67108864  # of the errors that are sorted at a time, if there are several samples

cdef dict SCORES = {"softmax": SOFTMAX_SCORES, "sigmoid": SIGMOID_SCORES, "probabilities": PROBABILITIES, "hinge": HINGE_SCORES}


def terms(str formula, double[:, :, ::1] sums, double alpha, double beta, double gamma, double smooth):
    """Values of regions and their slopes, given their sums (region_job.h); `formula` is "tversky" or "squared_dice"."""
    cdef Py_ssize_t r, g, k
    cdef region_terms t
    cdef bint squared = formula == "squared_dice"
    values = np.empty((sums.shape[0], sums.shape[1]))
    slopes = np.empty((sums.shape[0], sums.shape[1], <Py_ssize_t>REGION_SLOPES))
    cdef double[:, ::1] value = values
    cdef double[:, :, ::1] slope = slopes
    for r in range(sums.shape[0]):
        for g in range(sums.shape[1]):
            if squared:
                t = squared_dice(&sums[r, g, 0], smooth)
            else:
                t = focal(tversky(&sums[r, g, 0], alpha, beta, smooth), gamma)
            value[r, g] = t.value
            for k in range(REGION_SLOPES):
                slope[r, g, k] = t.slope[k]
    return values, slopes


@cython.final
cdef class Regions:
    """The arrays of a call: `f` of shape (N, C, *pixels), `y` the same or without classes, where the gradient goes to or None."""
    cdef region_job job
    cdef int type_, threads
    cdef object arrays, target, gradient

    def __init__(self, str scores, cnp.ndarray y, cnp.ndarray f, gradient, real, *, bint hard=False, bint squared=False,
                 ignored=None, n_threads=None):
        cdef region_job *j = &self.job
        memset(j, 0, sizeof(region_job))
        self.type_ = FLOAT32 if real is np.float32 else FLOAT64
        self.arrays, self.gradient, self.target = (y, f), gradient, gradient
        j.scores, j.hard, j.squared = SCORES[scores], hard, squared
        j.labels = cnp.PyArray_NDIM(y) < cnp.PyArray_NDIM(f)
        j.has_ignored = ignored is not None
        j.ignored = ignored if ignored is not None else 0
        j.samples, j.classes = cnp.PyArray_DIM(f, 0), cnp.PyArray_DIM(f, 1)
        j.pixels = cnp.PyArray_SIZE(f) // (j.samples * j.classes) if j.samples else 0
        self.threads = 1
        if cnp.PyArray_SIZE(f) == 0:
            return
        if gradient is not None and (not writable_in_place(gradient) or clashes(gradient, y, f, None)):
            self.target = np.empty_like(gradient, dtype=gradient.dtype.newbyteorder("="), order="C", subok=False)
        self.place(REGION_F, f, 1)
        self.place(REGION_Y, y, not j.labels)
        if gradient is not None:
            self.place(REGION_GRADIENT, self.target, 1)
            j.stream = self.target.nbytes > cache_size()
        self.merge_axes(cnp.PyArray_NDIM(f) - 2, f)
        self.set_sizes()
        self.threads = threads_for(n_threads, cnp.PyArray_SIZE(f) // MIN_PER_THREAD)

    cdef int place(self, int k, cnp.ndarray array, bint by_class) except -1:
        cdef region_job *j = &self.job
        one = array[0, 0] if by_class else array[0]
        if not describe(&j.operands[k], one, self.type_, cnp.PyArray_NDIM(array) - 1 - by_class, 0):
            raise TypeError(f"no kernel reads {array.dtype}")
        j.native[k] = j.operands[k].contiguous
        j.sample_stride[k] = cnp.PyArray_STRIDE(array, 0)
        j.class_stride[k] = cnp.PyArray_STRIDE(array, 1) if by_class else 0
        return 0

    cdef void merge_axes(self, int ndim, cnp.ndarray f) noexcept:
        """Pixels in C order, with axes merged that lie in one line in every array."""
        cdef region_job *j = &self.job
        cdef int axis, k, n = 0
        cdef bint line
        cdef Py_ssize_t length
        for axis in range(ndim):
            length = cnp.PyArray_DIM(f, axis + 2)
            if length == 1:
                continue
            line = n > 0
            for k in range(REGION_OPERANDS):
                if n > 0 and j.operands[k].data != NULL:
                    line = line and j.operands[k].strides[n - 1] == length * j.operands[k].strides[axis]
            if line:
                n -= 1
                length *= j.shape[n]
            j.shape[n] = length
            for k in range(REGION_OPERANDS):
                j.operands[k].strides[n] = j.operands[k].strides[axis]
            n += 1
        j.ndim = max(n, 1)
        if n == 0:
            j.shape[0] = 1
        for k in range(REGION_OPERANDS):
            if n == 0:
                j.operands[k].strides[0] = 4 if self.type_ == FLOAT32 else 8
            j.operands[k].contiguous = (j.native[k] and j.ndim == 1
                                        and j.operands[k].strides[0] == (4 if self.type_ == FLOAT32 else 8))

    cdef void set_sizes(self) noexcept:
        cdef region_job *j = &self.job
        cdef Py_ssize_t size = 4 if self.type_ == FLOAT32 else 8
        j.tile = max(<Py_ssize_t>LANES, min(<Py_ssize_t>MOST_PIXELS, TILE_BYTES // (2 * size * j.classes) // LANES * LANES))
        j.in_block = j.tile * max(<Py_ssize_t>1, PER_BLOCK // (j.tile * j.classes))

    def sums(self, bint count=False):
        """Sums for each sample and class (of the targets only, if they are counted), or the bits of what is wrong."""
        cdef region_job *j = &self.job
        cdef const region_functions *functions = kernels().regions[self.type_]
        result = np.zeros((j.samples, j.classes, <Py_ssize_t>REGION_SUMS))
        if j.samples * j.pixels == 0:
            return result
        cdef int status = self.run_sums(functions.count if count else functions.sum, result)
        return status if status else result

    cdef int run_sums(self, region_sum_function *run, double[:, :, ::1] sums) except -1:
        cdef region_job *j = &self.job
        cdef Py_ssize_t size = kernels().regions[self.type_].scratch(j), width = j.classes * REGION_SUMS
        cdef Py_ssize_t blocks = (j.pixels + j.in_block - 1) // j.in_block, n = j.samples * blocks, first = 0, count, b, k
        cdef Py_ssize_t slab = min(n, max(<Py_ssize_t>1, SLAB // (j.in_block * j.classes)))
        cdef char *scratch = <char *>malloc(self.threads * size)
        cdef double *parts = <double *>malloc(slab * width * sizeof(double))
        cdef double *rest = <double *>malloc(j.samples * width * sizeof(double))
        cdef double *into = &sums[0, 0, 0]
        cdef int status = 0
        try:
            if scratch == NULL or parts == NULL or rest == NULL:
                raise MemoryError(f"no memory for {self.threads} times {size} bytes of scratch")
            memset(rest, 0, j.samples * width * sizeof(double))
            while first < n:
                count = min(n - first, slab)
                with nogil:
                    if self.threads > 1:
                        for b in prange(count, num_threads=self.threads, schedule="static"):
                            status |= run(j, (first + b) // blocks, (first + b) % blocks, scratch + threadid() * size,
                                          parts + b * width)
                    else:
                        for b in range(count):
                            status |= run(j, (first + b) // blocks, (first + b) % blocks, scratch, parts + b * width)
                    for b in range(count):
                        for k in range(width):
                            into[(first + b) // blocks * width + k] = compensated(
                                into[(first + b) // blocks * width + k], parts[b * width + k],
                                &rest[(first + b) // blocks * width + k])
                first += count
                PyErr_CheckSignals()
            for k in range(j.samples * width):
                if rest[k] == rest[k] and fabs(rest[k]) != INFINITY:
                    into[k] += rest[k]
        finally:
            free(scratch)
            free(parts)
            free(rest)
        return status

    cdef int run_blocks(self, region_block_function *run, Py_ssize_t sample, Py_ssize_t samples) except -1:
        """All blocks of some samples."""
        cdef region_job *j = &self.job
        cdef Py_ssize_t size = kernels().regions[self.type_].scratch(j), blocks = (j.pixels + j.in_block - 1) // j.in_block
        cdef Py_ssize_t n = samples * blocks, slab = max(<Py_ssize_t>1, SLAB // (j.in_block * j.classes)), first = 0, count, b
        cdef char *scratch = <char *>malloc(self.threads * size)
        try:
            if scratch == NULL:
                raise MemoryError(f"no memory for {self.threads} times {size} bytes of scratch")
            while first < n:
                count = min(n - first, slab)
                with nogil:
                    if self.threads > 1:
                        for b in prange(count, num_threads=self.threads, schedule="static"):
                            run(j, sample + (first + b) // blocks, (first + b) % blocks, scratch + threadid() * size)
                    else:
                        for b in range(count):
                            run(j, sample + (first + b) // blocks, (first + b) % blocks, scratch)
                first += count
                PyErr_CheckSignals()
        finally:
            free(scratch)
        return 0

    def write_gradient(self, double[:, :, ::1] slopes):
        """The gradient, given slopes for each sample and class."""
        if self.job.samples * self.job.pixels:
            self.job.slopes = &slopes[0, 0, 0]
            self.run_blocks(kernels().regions[self.type_].gradient, 0, self.job.samples)
        self.hand_over()

    cdef int hand_over(self) except -1:
        if self.target is not self.gradient:
            np.copyto(self.gradient, self.target)
        return 0

    def lovasz(self, Py_ssize_t[::1] slot, bint per_sample, bint micro, double[:, ::1] positive, active, factors):
        """The values of all regions, a row for each sample, or one row.

        `slot` has the place of each class among those that take part, or -1. `positive` are the pixels of the foreground of each
        region, `active` says which regions are to be computed, and `factors`, for each sample and class, what the gradient is
        multiplied by; None where it is not wanted.
        """
        cdef region_job *j = &self.job
        cdef Py_ssize_t slots = max(slot) + 1, size = 4 if self.type_ == FLOAT32 else 8, at, count, last, first, end
        cdef Py_ssize_t per_region = j.pixels * (slots if micro else 1) * (1 if per_sample else j.samples)
        values = np.zeros((positive.shape[0], positive.shape[1]))
        cdef double[:, ::1] slopes
        cdef double[:, ::1] value = values
        cdef unsigned char[:, ::1] chosen = np.ascontiguousarray(active, np.uint8)
        if j.samples * j.pixels == 0:
            if factors is not None:
                self.hand_over()
            return values
        if factors is not None:
            slopes = factors
            j.slopes = &slopes[0, 0]
        count = j.samples
        if per_sample:
            count = min(j.samples, max(<Py_ssize_t>1, ERROR_BYTES // (slots * j.pixels * size)))
        errors = np.empty(count * slots * j.pixels, np.float32 if size == 4 else np.float64)
        j.errors, j.slot = cnp.PyArray_DATA(<cnp.ndarray>errors), &slot[0]
        j.error_strides[0] = slots * j.pixels if per_sample or micro else j.pixels
        j.error_strides[1] = j.pixels if per_sample or micro else j.samples * j.pixels
        for at in range(0, j.samples, count):
            last = min(at + count, j.samples)
            j.first_sample = at
            self.run_blocks(kernels().regions[self.type_].errors, at, last - at)
            first, end = at if per_sample else 0, last if per_sample else 1
            self.sort_regions(per_region, value[first:end], positive[first:end], chosen[first:end], factors is not None)
            if factors is not None:
                self.run_blocks(kernels().regions[self.type_].lovasz_gradient, at, last - at)
        if factors is not None:
            self.hand_over()
        return values

    cdef int sort_regions(self, Py_ssize_t n, double[:, ::1] value, double[:, ::1] positive, unsigned char[:, ::1] chosen,
                          bint want_gradient) except -1:
        """Regions of n errors each, which lie one after the other, side by side."""
        cdef region_job *j = &self.job
        cdef lovasz_function *run = kernels().regions[self.type_].lovasz
        cdef Py_ssize_t width = value.shape[1], count = value.shape[0] * width, step = n * (4 if self.type_ == FLOAT32 else 8), r
        cdef Py_ssize_t first = 0, size = 2 * n * kernels().regions[self.type_].key_size, slab = max(<Py_ssize_t>1, SLAB // n)
        cdef int threads = min(<Py_ssize_t>self.threads, count), hinge = j.scores == HINGE_SCORES
        cdef char *scratch = <char *>malloc(threads * size)
        cdef char *errors = <char *>j.errors
        try:
            if scratch == NULL:
                raise MemoryError(f"no memory for {threads} times {size} bytes to sort {n} errors in")
            slab = max(slab, threads)
            while first < count:
                slab = min(slab, count - first)
                with nogil:
                    if threads > 1:
                        for r in prange(first, first + slab, num_threads=threads, schedule="dynamic"):
                            if chosen[r // width, r % width]:
                                value[r // width, r % width] = run(hinge, n, positive[r // width, r % width], errors + r * step,
                                                                   want_gradient, scratch + threadid() * size)
                    else:
                        for r in range(first, first + slab):
                            if chosen[r // width, r % width]:
                                value[r // width, r % width] = run(hinge, n, positive[r // width, r % width], errors + r * step,
                                                                   want_gradient, scratch)
                first += slab
                PyErr_CheckSignals()
        finally:
            free(scratch)
        return 0
