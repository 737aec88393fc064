# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, freethreading_compatible=True
"""The parallel driver of the row losses: rows of K predictions along the last axis, one pass over blocks of rows.

Design. The protocol is that of `pointwise.Kernel`: arguments that are not ready give `UNREADY`, values outside their
domains a `Violation`. Blocks of rows run side by side; when there are fewer rows than threads could use, the segments of
one long row do. The arithmetic is the same, so the number of threads changes no bit.
"""

cimport cython
cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY, NAN
from libc.stdlib cimport free, malloc

from fastloss._core.clib cimport *
from fastloss._core.layout cimport choose_axes, describe, hand_over, same_shape, take_outputs
from fastloss._core.machine cimport cache_size, kernels, row_losses, now, threads_for, waited
from fastloss._core.partials cimport fold, settle, total, violated

import numpy as np

from fastloss._core.pointwise import CURVATURES, UNREADY, Violation

cnp.import_array()

TARGETS = ("labels", "dense", "both", "values", "vectors")

cdef enum:
    MIN_PER_THREAD = 8192    # predictions: about 5 microseconds of work
    SLAB = 4194304           # predictions between two looks at pending signals
    SMALL = 2048             # predictions: below, releasing the GIL costs more than it gives
    PER_BLOCK = 8192         # predictions in a block
    LANES = 16
    TOGETHER = 160           # classes of all tiles of a group
    ALONG = 2048             # the same along rows
    ACROSS = 128             # classes up to which rows that lie in memory one by one are transposed
    ACROSS_STRIDED = 65536   # the same where they do not
    MOST_CLASSES = 16777216  # a class index is exact in float32

cdef dict ROWS = {}
cdef int row = 0
while row_losses()[row].name != NULL:
    ROWS[row_losses()[row].name.decode()] = row
    row += 1


@cython.final
cdef class RowKernel:
    """One formula with its parameters; `class_vector` holds one number for each class, or is one for all."""
    cdef readonly str name
    cdef readonly tuple curvatures
    cdef str targets
    cdef formula formula
    cdef row_job base
    cdef double[::1] vector
    cdef bint shared

    def __init__(self, str name, params=(), *, str targets, class_vector=None, double smoothing=0.0, ignore_index=None,
                 bint counted=False, bint f_unit=False, y_range=None):
        cdef int k
        self.name = name
        self.targets = targets
        self.formula.row = ROWS[name]
        cdef const loss_row *loss = &row_losses()[self.formula.row]
        self.curvatures = tuple(
            c for k, c in enumerate(CURVATURES)
            if not loss.curvatures & 8 and (k in (0, 3, 4) or loss.curvatures & (4 if k == 5 else k)))
        if len(params) != loss.parameters:
            raise ValueError(f"{name} takes {loss.parameters} parameters, got {len(params)}")
        if targets not in TARGETS:
            raise ValueError(f"targets must be one of {', '.join(map(repr, TARGETS))}, got {targets!r}")
        for k, parameter in enumerate(params):
            self.formula.param[k] = parameter
        self.base.lead.formulas, self.base.lead.n_formulas = &self.formula, 1
        self.shared = isinstance(class_vector, float)
        self.vector = np.atleast_1d(np.array(() if class_vector is None else class_vector, float))
        self.base.vector_size = self.vector.shape[0]
        self.base.smoothing = smoothing
        self.base.counted = counted and self.base.vector_size > 0
        self.base.unit_range = f_unit
        self.base.has_ignore_index = ignore_index is not None and -2**63 <= ignore_index < 2**63
        self.base.ignore_index = ignore_index if self.base.has_ignore_index else 0
        self.base.lead.label = ANY if y_range is None else INTERVAL
        self.base.lead.y_low, self.base.lead.y_high = (-INFINITY, INFINITY) if y_range is None else y_range
        # What the classes that pad a row must hold in order not to matter.
        self.base.pad = 0.0 if f_unit or "log" in name.split("_") or targets == "vectors" else -INFINITY
        self.base.y_pad = -INFINITY if name.endswith("_target") else 0.0

    def __call__(self, int want, y_true, y_pred, sample_weight=None, reduction="mean", out=None, n_threads=None,
                 int curvature=0, double min_hessian=NAN):
        """Value, gradient and hessian as `want` says, in this order: one object, or a tuple of them."""
        cdef row_job j = self.base
        cdef total sums
        cdef int type_, threads, aliased, ndim
        cdef bint mean = reduction == "mean", per_sample = reduction == "none", sums_only = reduction == "sums"
        if not (mean or per_sample or sums_only or reduction == "sum") or not self.match(&j, y_true, y_pred, sample_weight):
            return UNREADY
        cdef cnp.ndarray y = y_true, f = y_pred, w = sample_weight, like_value = f
        ndim = cnp.PyArray_NDIM(f) - 1
        type_ = FLOAT32 if cnp.PyArray_TYPE(f) in (cnp.NPY_FLOAT, cnp.NPY_FLOAT16) else FLOAT64
        if not self.set_inputs(&j, want, curvature, min_hessian, type_, y, f, w):
            return UNREADY
        cdef list results = [None, None, None]
        cdef list targets = [None, None, None]
        if per_sample and want & WANT_VALUE:
            like_value = f[..., 0]
        aliased = take_outputs(want if per_sample else want & ~WANT_VALUE, type_, like_value, y, f, w, out, results, targets)
        if aliased < 0:
            return UNREADY
        self.set_outputs(&j, type_, ndim, targets)
        self.lay_out(&j, ndim, f)
        spread = self.spread(&j, type_)
        if spread is not None:
            j.vector = cnp.PyArray_DATA(<cnp.ndarray>spread)
        threads = threads_for(n_threads, j.lead.size * j.classes // MIN_PER_THREAD)

        # A look at everything before the first store, where a store needs the sum of weights or would overwrite an input.
        cdef bint counts = w is not None or j.counted or j.has_ignore_index
        sums.weight = <double>j.lead.size
        if aliased or (mean and counts and want != WANT_VALUE):
            j.lead.want = 0
            run(&j, type_, threads, &sums)
            if violated(sums.status):
                return Violation(sums.status)
            j.lead.want = want
        if mean:
            if sums.weight == 0:
                return UNREADY if j.lead.size == 0 else Violation(0, True)
            j.lead.scale = 1.0 / sums.weight
        run(&j, type_, threads, &sums)
        if violated(sums.status):
            return Violation(sums.status)
        if mean and sums.weight == 0:
            return Violation(0, True)

        if sums_only:
            return sums.value, sums.weight
        if want & WANT_VALUE and not per_sample:
            results[0] = sums.value / sums.weight if mean else sums.value
        return hand_over(want, results, targets)

    cdef bint match(self, row_job *j, y_true, y_pred, sample_weight) noexcept:
        """Plain arrays whose shapes go together; sets the form of the targets and the number of classes."""
        if not cnp.PyArray_CheckExact(y_true) or not cnp.PyArray_CheckExact(y_pred):
            return False
        cdef cnp.ndarray y = y_true, f = y_pred, w
        cdef int ndim = cnp.PyArray_NDIM(f) - 1
        if ndim < 0 or cnp.PyArray_NDIM(y) not in (ndim, ndim + 1) or not same_shape(y, f, cnp.PyArray_NDIM(y)):
            return False
        j.classes = cnp.PyArray_DIM(f, ndim)
        if not 1 <= j.classes <= MOST_CLASSES or not (self.shared or j.vector_size in (0, j.classes)):
            return False
        if cnp.PyArray_NDIM(y) == ndim:
            if self.targets not in ("labels", "both", "values"):
                return False
            j.form = VALUE_ROWS if self.targets == "values" else LABEL_ROWS
        else:
            if self.targets not in ("dense", "both", "vectors") or j.has_ignore_index:
                return False
            j.form = VECTOR_ROWS if self.targets == "vectors" else DENSE_ROWS
        if sample_weight is None:
            return True
        if not cnp.PyArray_CheckExact(sample_weight):
            return False
        w = sample_weight
        return cnp.PyArray_NDIM(w) == 0 or cnp.PyArray_NDIM(w) == ndim and same_shape(w, f, ndim)

    cdef bint set_inputs(self, row_job *j, int want, int curvature, double min_hessian, int type_,
                         cnp.ndarray y, cnp.ndarray f, cnp.ndarray w) noexcept:
        """Fill the job but for its outputs; False if an element type cannot be read."""
        cdef int k, ndim = cnp.PyArray_NDIM(f) - 1
        cdef bint scaled = curvature == 5
        j.lead.want, j.lead.min_hessian = want, min_hessian
        j.lead.curvature = <curvature_t>(0 if scaled else curvature)
        j.policy = j.lead.curvature if j.lead.curvature <= 2 else 0
        j.hessian_factor = 1.0
        if scaled:
            j.hessian_factor = <double>j.classes / (j.classes - 1) if j.classes > 1 else 0.0
        j.lead.size, j.lead.scale = cnp.PyArray_SIZE(f) // j.classes, 1.0
        for k in range(OPERANDS):
            j.lead.operands[k].data = NULL
        if not (describe(&j.lead.operands[Y], y, type_, ndim, 0) and describe(&j.lead.operands[F], f, type_, ndim, 0)
                and (w is None or describe(&j.lead.operands[W], w, type_, ndim, 0))):
            return False
        j.class_stride[F] = cnp.PyArray_STRIDE(f, ndim)
        j.class_stride[Y] = cnp.PyArray_STRIDE(y, ndim) if cnp.PyArray_NDIM(y) > ndim else 0
        return True

    cdef void set_outputs(self, row_job *j, int type_, int ndim, list targets) noexcept:
        cdef int k, op
        cdef Py_ssize_t size = 0
        for k in range(3):
            if targets[k] is not None:
                op = VALUE if k == 0 else GRADIENT if k == 1 else HESSIAN
                describe(&j.lead.operands[op], targets[k], type_, ndim, 0)
                j.class_stride[op] = cnp.PyArray_STRIDE(<cnp.ndarray>targets[k], ndim) if k else 0
                size += targets[k].nbytes
        j.lead.stream = size > cache_size()
        for op in range(OPERANDS):
            j.native[op] = j.lead.operands[op].data != NULL and j.lead.operands[op].contiguous

    cdef void lay_out(self, row_job *j, int ndim, cnp.ndarray f) noexcept:
        """Tiles across samples for few classes, and where neighbours in memory are samples."""
        choose_axes(&j.lead, ndim, cnp.PyArray_DIMS(f))
        cdef Py_ssize_t along = abs(j.class_stride[F]), aside = abs(j.lead.operands[F].strides[j.lead.ndim - 1])
        cdef Py_ssize_t most = ACROSS_STRIDED if aside < along and j.lead.size >= LANES else ACROSS
        j.across = j.classes <= most and j.lead.size > 1
        # Together while they fit the L1 cache; where samples are neighbours, to move more than one line at a time.
        cdef Py_ssize_t together = GROUP if j.across and aside < along else (TOGETHER if j.across else ALONG) // j.classes
        j.group = max(1, min(<int>GROUP, together))
        if j.across:
            j.rows = LANES * max(<int>GROUP, min(16, PER_BLOCK // (LANES * j.classes)))
        else:
            j.rows = max(j.group, PER_BLOCK // j.classes)

    cdef object spread(self, row_job *j, int type_):
        """The class vector as tiles hold it."""
        if j.vector_size == 0:
            return None
        vector = np.asarray(self.vector).astype(np.float32 if type_ == FLOAT32 else np.float64)
        if self.shared:
            return vector
        j.vector_size = max(2, j.vector_size)  # 1 means shared
        if j.across:
            return np.repeat(vector, LANES)
        return np.concatenate([vector, np.zeros(-vector.size % LANES, vector.dtype)])


cdef int run(row_job *j, int type_, int threads, total *sums) except -1:
    """All blocks of the job, or its rows one after the other where one row is work for several threads."""
    sums[0] = total(0.0, 0.0, 0.0, 0.0, 0)
    if j.lead.size == 0:
        return 0
    cdef Py_ssize_t n_blocks = (j.lead.size + j.rows - 1) // j.rows
    cdef bint by_segments = threads > 1 and not j.across and n_blocks < 4 * threads and j.classes >= 2 * SEGMENT
    if by_segments and j.lead.want:
        run_segments(j, type_, threads, sums)
    else:
        run_blocks(j, type_, threads, n_blocks, sums)
    settle(sums)
    return 0


cdef int run_blocks(row_job *j, int type_, int threads, Py_ssize_t n_blocks, total *sums) except -1:
    cdef row_block_function *run_block = kernels().run_rows[type_]
    cdef Py_ssize_t size = kernels().row_scratch[type_](j), first = 0, b, count, own
    cdef Py_ssize_t slab = max(1, SLAB // (j.rows * j.classes))
    cdef double began, finished
    cdef double *done = &finished  # of the calling thread, which has the first blocks
    cdef char *scratch = <char *>malloc(threads * size)
    cdef partial *parts = <partial *>malloc(min(n_blocks, slab) * sizeof(partial))
    try:
        if scratch == NULL or parts == NULL:
            raise MemoryError(f"no memory for {threads} times {size} bytes of scratch")
        if j.lead.size * j.classes <= SMALL:
            for b in range(n_blocks):
                run_block(j, b, scratch, parts)
                fold(sums, parts)
            return 0
        while first < n_blocks:
            count = min(n_blocks - first, slab)
            with nogil:
                if threads > 1:
                    began, own = now(), (count + threads - 1) // threads - 1
                    for b in prange(count, num_threads=threads, schedule="static"):
                        run_block(j, first + b, scratch + threadid() * size, &parts[b])
                        if b == own:
                            done[0] = now()
                    waited(began, done[0])
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
    return 0


cdef int run_segments(row_job *j, int type_, int threads, total *sums) except -1:
    cdef const long_row_functions *long_row = kernels().long_rows[type_]
    cdef char *scratch = <char *>malloc(kernels().row_scratch[type_](j))
    cdef void *state = malloc(long_row.size(j))
    cdef Py_ssize_t sample, segment, n
    cdef partial part
    cdef int phase
    try:
        if scratch == NULL or state == NULL:
            raise MemoryError(f"no memory for a row of {j.classes} predictions")
        for sample in range(j.lead.size):
            with nogil:
                long_row.open(j, sample, scratch, state, &part)
                if not part.status:
                    n = long_row.segments(state)
                    phase = 0
                    while long_row.has_phase(state, phase):
                        for segment in prange(n, num_threads=threads, schedule="static"):
                            long_row.run(state, phase, segment)
                        long_row.close(state, phase)
                        phase = phase + 1
                    for segment in prange(n, num_threads=threads, schedule="static"):
                        long_row.write(state, segment)
                    long_row.finish(state, &part)
                fold(sums, &part)
            PyErr_CheckSignals()
    finally:
        free(scratch)
        free(state)
    return 0
