# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, freethreading_compatible=True
"""The parallel driver of all pointwise losses: NumPy arrays in, one pass over blocks, NumPy arrays out.

Design. `Kernel.__call__` accepts arguments that are ready: plain numeric arrays of matching shapes. For anything else it
returns `UNREADY` and the caller, who owns the messages, converts or raises; a value outside its domain comes back as a
`Violation`. So the common call costs one Python frame and no validation twice.
"""

cimport cython
cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.math cimport NAN
from libc.stdlib cimport calloc, free, malloc

from fastloss._core.clib cimport *
from fastloss._core.layout cimport choose_axes, describe, hand_over, match, take_outputs
from fastloss._core.machine cimport cache_size, kernels, pointwise_losses, now, threads_for, waited
from fastloss._core.partials cimport fold, settle, total, violated

import numpy as np

cnp.import_array()

UNREADY = object()
CURVATURES = ("exact", "majorizer", "fisher", "absolute_gradient", "unit", "scaled")
REDUCTIONS = ("mean", "sum", "none")
LABEL_RULES = {"any": ANY, "interval": INTERVAL, "binary": BINARY, "signed": SIGNED}

cdef enum:
    MIN_PER_THREAD = 16384  # samples: about 20 microseconds of work
    SLAB = 32768            # blocks between two looks at pending signals
    SMALL = 4096            # samples: below, releasing the GIL costs more than it gives

cdef dict ROWS = {}
cdef int row = 0
while pointwise_losses()[row].name != NULL:
    ROWS[pointwise_losses()[row].name.decode()] = row
    row += 1


@cython.final
cdef class Violation:
    """A value outside its domain: bits say in which argument; or (empty) no sample counts, for a mean."""
    cdef readonly bint y_true, y_pred, sample_weight, mixed_labels, empty

    def __init__(self, int status, bint empty=False):
        self.empty = empty
        self.y_true = status & BAD_Y
        self.y_pred = status & (BAD_F | BAD_F2)
        self.sample_weight = status & BAD_W
        self.mixed_labels = (status & (SAW_ZERO | SAW_MINUS)) == (SAW_ZERO | SAW_MINUS)


@cython.final
cdef class Kernel:
    """A sum of formulas of one kind, given as (factor, name, parameters), and the domains of its arguments.

    `label` is a key of LABEL_RULES; `y_range` is (low, high, low is open), the entries of `f_ranges` (low, high).
    """
    cdef readonly int predictions
    cdef readonly tuple curvatures
    cdef formula *formulas
    cdef job base
    cdef double y_low32

    def __cinit__(self, formulas, *arguments, **options):
        self.formulas = <formula *>calloc(max(len(formulas), 1), sizeof(formula))
        if self.formulas == NULL:
            raise MemoryError(f"no memory for {len(formulas)} formulas")

    def __dealloc__(self):
        free(self.formulas)

    def __init__(self, formulas, int predictions=1, str label="any", y_range=(-np.inf, np.inf, False), f_ranges=()):
        cdef int k, common = ~0
        cdef const loss_row *loss
        for k, (factor, name, params) in enumerate(formulas):
            loss = &pointwise_losses()[ROWS[name]]
            if len(params) != loss.parameters or loss.predictions != predictions:
                raise ValueError(f"{name} takes {loss.parameters} parameters and {loss.predictions} predictions")
            common &= loss.curvatures
            self.formulas[k].row = ROWS[name]
            self.formulas[k].factor = factor
            for i, parameter in enumerate(params):
                self.formulas[k].param[i] = parameter
        self.base.formulas, self.base.n_formulas = self.formulas, len(formulas)
        self.predictions = predictions
        self.curvatures = tuple(c for k, c in enumerate(CURVATURES[:5]) if k in (0, 3, 4) or common & k)
        self.base.label = LABEL_RULES[label]
        self.base.y_low, self.base.y_high, is_open = y_range
        self.y_low32 = np.nextafter(np.float32(self.base.y_low), np.float32(np.inf)) if is_open else self.base.y_low
        if is_open:
            self.base.y_low = np.nextafter(self.base.y_low, np.inf)
        for k in range(2):
            self.base.f_low[k], self.base.f_high[k] = f_ranges[k] if k < len(f_ranges) else (-np.inf, np.inf)

    def __call__(self, int want, y_true, y_pred, sample_weight=None, reduction="mean", out=None, n_threads=None,
                 int curvature=0, double min_hessian=NAN):
        """Value, gradient and hessian as `want` says, in this order: one object, or a tuple of them."""
        cdef job j
        cdef total sums
        cdef int type_, threads = 1, aliased
        cdef bint mean = reduction == "mean", per_sample = reduction == "none", sums_only = reduction == "sums"
        if not (mean or per_sample or sums_only or reduction == "sum"):
            return UNREADY
        if not match(y_true, y_pred, sample_weight, self.predictions):
            return UNREADY
        cdef cnp.ndarray y = y_true, f = y_pred, w = sample_weight
        type_ = FLOAT32 if cnp.PyArray_TYPE(f) in (cnp.NPY_FLOAT, cnp.NPY_FLOAT16) else FLOAT64
        if not self.set_inputs(&j, want, curvature, min_hessian, type_, y, f, w):
            return UNREADY
        cdef list results = [None, None, None]  # what the caller gets
        cdef list targets = [None, None, None]  # what the kernels write
        aliased = take_outputs(want if per_sample else want & ~WANT_VALUE, type_, y, y, f, w, out, results, targets)
        if aliased < 0:
            return UNREADY
        self.describe_outputs(&j, type_, cnp.PyArray_NDIM(y), targets)
        choose_axes(&j, cnp.PyArray_NDIM(y), cnp.PyArray_DIMS(y))
        j.stream = streamed(&j, targets)
        if j.size >= 2 * MIN_PER_THREAD:
            threads = threads_for(n_threads, j.size // MIN_PER_THREAD)

        # A look at everything before the first store, where a store needs the sum of weights or would overwrite an input.
        sums.weight = <double>j.size
        if aliased or (mean and w is not None and want != WANT_VALUE):
            j.want = 0
            run(&j, type_, threads, &sums)
            if violated(sums.status):
                return Violation(sums.status)
            j.want = want
        if mean:
            if sums.weight == 0:
                return UNREADY
            j.scale = 1.0 / sums.weight
        run(&j, type_, threads, &sums)
        if violated(sums.status):
            return Violation(sums.status)
        if mean and sums.weight == 0:
            return UNREADY

        if sums_only:
            return sums.value, sums.weight
        if want & WANT_VALUE and not per_sample:
            results[0] = sums.value / sums.weight if mean else sums.value
        return hand_over(want, results, targets)

    cdef bint set_inputs(self, job *j, int want, int curvature, double min_hessian, int type_,
                         cnp.ndarray y, cnp.ndarray f, cnp.ndarray w) noexcept:
        """Fill the job but for its outputs; False if an element type cannot be read."""
        cdef int k, ndim = cnp.PyArray_NDIM(y)
        j.formulas, j.n_formulas = self.base.formulas, self.base.n_formulas
        j.want, j.curvature, j.min_hessian = want, <curvature_t>curvature, min_hessian
        j.size, j.scale = cnp.PyArray_SIZE(y), 1.0
        j.label, j.y_high = self.base.label, self.base.y_high
        j.y_low = self.base.y_low if type_ == FLOAT64 else self.y_low32
        for k in range(2):
            j.f_low[k], j.f_high[k] = self.base.f_low[k], self.base.f_high[k]
        for k in range(OPERANDS):
            j.operands[k].data = NULL
        if self.predictions == 2:
            describe(&j.operands[F2], f, type_, ndim, 1)
        return (describe(&j.operands[Y], y, type_, ndim, 0) and describe(&j.operands[F], f, type_, ndim, 0)
                and (w is None or describe(&j.operands[W], w, type_, ndim, 0)))

    cdef void describe_outputs(self, job *j, int type_, int ndim, list targets) noexcept:
        cdef int k
        for k in range(3):
            if targets[k] is not None:
                describe(&j.operands[VALUE if k == 0 else GRADIENT if k == 1 else HESSIAN], targets[k], type_, ndim, 0)
                if k > 0 and self.predictions == 2:
                    describe(&j.operands[GRADIENT2 if k == 1 else HESSIAN2], targets[k], type_, ndim, 1)


cdef bint streamed(job *j, list targets):
    cdef Py_ssize_t size = 0
    if j.size < 1 << 20:
        return False
    for target in targets:
        if target is not None:
            size += target.nbytes
    return size > cache_size()


cdef int run(job *j, int type_, int threads, total *sums) except -1:
    """All blocks of the job."""
    cdef block_function *run_block = kernels().run[type_]
    cdef Py_ssize_t per_block = BLOCK_BYTES // (4 if type_ == FLOAT32 else 8)
    cdef Py_ssize_t n_blocks = (j.size + per_block - 1) // per_block, first = 0, count, b, own
    cdef double began, finished
    cdef double *done = &finished  # of the calling thread, which has the first blocks
    cdef partial one
    cdef partial *parts
    sums[0] = total(0.0, 0.0, 0.0, 0.0, 0)
    if j.size <= SMALL:
        for b in range(n_blocks):
            run_block(j, b, &one)
            fold(sums, &one)
    else:
        parts = <partial *>malloc(min(n_blocks, <Py_ssize_t>SLAB) * sizeof(partial))
        if parts == NULL:
            raise MemoryError(f"no memory for the partial sums of {n_blocks} blocks")
        try:
            while first < n_blocks:
                count = min(n_blocks - first, <Py_ssize_t>SLAB)
                with nogil:
                    if threads > 1:
                        began, own = now(), (count + threads - 1) // threads - 1
                        for b in prange(count, num_threads=threads, schedule="static"):
                            run_block(j, first + b, &parts[b])
                            if b == own:
                                done[0] = now()
                        waited(began, done[0])
                    else:
                        for b in range(count):
                            run_block(j, first + b, &parts[b])
                    for b in range(count):
                        fold(sums, &parts[b])
                first += count
                PyErr_CheckSignals()
        finally:
            free(parts)
    settle(sums)
    return 0
