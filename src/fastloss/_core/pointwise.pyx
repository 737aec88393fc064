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
from libc.math cimport NAN, fabs
from libc.stdlib cimport free, malloc

from fastloss._core.clib cimport *
from fastloss._core.layout cimport choose_axes, describe, overlaps, same_layout, writable_in_place

import numpy as np

cnp.import_array()

UNREADY = object()
CURVATURES = ("exact", "majorizer", "fisher", "absolute_gradient", "unit")
REDUCTIONS = ("mean", "sum", "none")
LABEL_RULES = {"any": ANY, "interval": INTERVAL, "binary": BINARY, "signed": SIGNED}

cdef enum:
    MIN_PER_THREAD = 16384  # samples: about 20 microseconds of work
    SLAB = 32768            # blocks between two looks at pending signals
    SMALL = 4096            # samples: below, releasing the GIL costs more than it gives

cdef const instruction_set *SETS = NULL
cdef int n_sets = fastloss_instruction_sets(&SETS)
cdef int chosen = n_sets - 1
cdef dict ROWS = {}
cdef int row = 0
while fastloss_losses[row].name != NULL:
    ROWS[fastloss_losses[row].name.decode()] = row
    row += 1

cdef object thread_policy = None


def use_thread_policy(policy):
    """Let `policy(n_threads)` say how many threads a large call may use."""
    global thread_policy
    thread_policy = policy


def instruction_sets():
    """Names of the instruction sets that this machine can run, worst first."""
    return tuple(SETS[i].name.decode() for i in range(n_sets))


def instruction_set_in_use():
    """Name of the instruction set that kernels use."""
    return SETS[chosen].name.decode()


def use_instruction_set(str name):
    """Choose the instruction set of all later calls; ValueError if this machine cannot run it."""
    global chosen
    if name not in instruction_sets():
        raise ValueError(f"instruction set must be one of {', '.join(instruction_sets())}, got {name!r}")
    chosen = instruction_sets().index(name)


def openmp():
    """Version (date) of the OpenMP specification the extension was built with, 0 without OpenMP."""
    return FASTLOSS_OPENMP


def compiler():
    """The compiler that built the kernels."""
    return FASTLOSS_COMPILER.decode()


def note_forked():
    """Whether this process is a forked child that has to stay serial."""
    return bool(fastloss_forked())


def vmath(str name, cnp.ndarray x, str isa):
    """Apply one function of csrc/vmath.h to a contiguous float32 or float64 array: for the tests of its accuracy."""
    cdef int type_ = 0 if cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT else 1
    cdef const vmath_row *entry = SETS[instruction_sets().index(isa)].vmath[type_]
    cdef cnp.ndarray out = np.empty_like(x)
    while entry.name != NULL and entry.name.decode() != name:
        entry += 1
    if entry.name == NULL:
        raise ValueError(f"no function {name!r}")
    entry.function(cnp.PyArray_SIZE(x), cnp.PyArray_DATA(x), cnp.PyArray_DATA(out))
    return out


def probe(cnp.ndarray y, cnp.ndarray f, outputs=(), int n_threads=1, bint stream=False):
    """Read two contiguous arrays and write none, one or two: what memory allows, for the benchmarks.

    `stream` writes past the cache and needs outputs aligned to 64 bytes.
    """
    cdef int type_ = 0 if cnp.PyArray_TYPE(f) == cnp.NPY_FLOAT else 1, t, size = 4 if type_ == 0 else 8
    cdef char *data[4]
    cdef Py_ssize_t n = cnp.PyArray_SIZE(f), part = (n // n_threads + 63) // 64 * 64, first, count
    cdef double total = 0.0
    data[0], data[1], data[2], data[3] = <char *>cnp.PyArray_DATA(y), <char *>cnp.PyArray_DATA(f), NULL, NULL
    for t, out in enumerate(outputs):
        data[2 + t] = <char *>cnp.PyArray_DATA(<cnp.ndarray>out)
    for t in prange(n_threads, nogil=True, num_threads=n_threads, schedule="static"):
        first = t * part
        count = min(part, n - first) if t < n_threads - 1 else n - first
        if count > 0:
            total += SETS[chosen].probe[type_](
                count, data[0] + first * size, data[1] + first * size,
                data[2] + first * size if data[2] != NULL else NULL,
                data[3] + first * size if data[3] != NULL else NULL, stream)
    return total


@cython.final
cdef class Violation:
    """A value outside its domain: bits say in which argument."""
    cdef readonly bint y_true, y_pred, sample_weight, mixed_labels

    def __init__(self, int status):
        self.y_true = status & BAD_Y
        self.y_pred = status & (BAD_F | BAD_F2)
        self.sample_weight = status & BAD_W
        self.mixed_labels = (status & (SAW_ZERO | SAW_MINUS)) == (SAW_ZERO | SAW_MINUS)


@cython.final
cdef class Kernel:
    """One formula with its parameters and domains.

    `label` is a key of LABEL_RULES; `y_range` and the entries of `f_ranges` are (low, high, low is open).
    """
    cdef readonly str name
    cdef readonly int predictions
    cdef readonly tuple curvatures
    cdef job base
    cdef double y_low32

    def __init__(self, str name, params, str label="any", y_range=(-np.inf, np.inf, False), f_ranges=()):
        cdef int k
        self.name = name
        self.base.row = ROWS[name]
        cdef const loss_row *loss = &fastloss_losses[self.base.row]
        self.predictions = loss.predictions
        self.curvatures = tuple(c for k, c in enumerate(CURVATURES) if k in (0, 3, 4) or loss.curvatures & k)
        if len(params) != loss.parameters:
            raise ValueError(f"{name} takes {loss.parameters} parameters, got {len(params)}")
        for k in range(MAX_PARAM):
            self.base.param[k] = params[k] if k < len(params) else 0.0
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
        cdef cnp.ndarray y, f, w = None
        cdef int kind, type_, k, ndim
        cdef bint per_sample, weighted = sample_weight is not None
        kind = 0 if reduction == "mean" else 1 if reduction == "sum" else 2 if reduction == "none" else -1
        if kind < 0 or not cnp.PyArray_CheckExact(y_true) or not cnp.PyArray_CheckExact(y_pred):
            return UNREADY
        y, f = y_true, y_pred
        ndim = cnp.PyArray_NDIM(y)
        if cnp.PyArray_NDIM(f) != ndim + self.predictions - 1:
            return UNREADY
        for k in range(ndim):
            if cnp.PyArray_DIM(y, k) != cnp.PyArray_DIM(f, k):
                return UNREADY
        if self.predictions == 2 and cnp.PyArray_DIM(f, ndim) != 2:
            return UNREADY
        if weighted:
            if not cnp.PyArray_CheckExact(sample_weight):
                return UNREADY
            w = sample_weight
            if cnp.PyArray_NDIM(w) != 0:
                if cnp.PyArray_NDIM(w) != ndim:
                    return UNREADY
                for k in range(ndim):
                    if cnp.PyArray_DIM(y, k) != cnp.PyArray_DIM(w, k):
                        return UNREADY
        k = cnp.PyArray_TYPE(f)
        type_ = FLOAT32 if k == cnp.NPY_FLOAT or k == cnp.NPY_FLOAT16 else FLOAT64

        set_job(&j, &self.base, want, curvature, min_hessian, cnp.PyArray_SIZE(y))
        if type_ == FLOAT32:
            j.y_low = self.y_low32
        if not describe(&j.operands[Y], y, type_, ndim, 0) or not describe(&j.operands[F], f, type_, ndim, 0):
            return UNREADY
        if self.predictions == 2:
            describe(&j.operands[F2], f, type_, ndim, 1)
        if weighted and not describe(&j.operands[W], w, type_, ndim, 0):
            return UNREADY

        # Outputs: where the caller's array cannot be written block by block, a fresh one stands in for it.
        cdef list targets = [None, None, None]
        cdef list results = [None, None, None]
        cdef int n_arrays = 0, n_given, index = 0
        cdef bint aliased = False
        cdef int array_want = want if kind == 2 else want & ~WANT_VALUE
        for k in range(3):
            n_arrays += (array_want >> k) & 1
        if out is None:
            n_given = 0
        elif type(out) is tuple:
            n_given = len(<tuple>out)
            if n_given != n_arrays:
                return UNREADY
        elif n_arrays == 1:
            n_given = 1
        else:
            return UNREADY
        cdef cnp.ndarray like, target, given
        cdef object item
        for k in range(3):
            if not (array_want >> k) & 1:
                continue
            like = y if k == 0 else f
            item = None if out is None else (<tuple>out)[index] if type(out) is tuple else out
            index += 1
            if item is None:
                target = cnp.PyArray_EMPTY(cnp.PyArray_NDIM(like), cnp.PyArray_DIMS(like),
                                           cnp.NPY_FLOAT if type_ == FLOAT32 else cnp.NPY_DOUBLE,
                                           cnp.PyArray_IS_F_CONTIGUOUS(f) and k > 0)
                results[k] = target
            else:
                if not cnp.PyArray_CheckExact(item) or not can_hold(item, like):
                    return UNREADY
                given = target = item
                results[k] = given
                if not writable_in_place(given) or clashes(given, k, y, f, w, targets):
                    target = np.empty_like(like, dtype=np.float64 if given.itemsize == 8 else np.float32)
                elif overlaps(given, y) or overlaps(given, f):
                    aliased = True
            targets[k] = target
            describe(&j.operands[VALUE if k == 0 else GRADIENT if k == 1 else HESSIAN], target, type_, ndim, 0)
            if k > 0 and self.predictions == 2:
                describe(&j.operands[GRADIENT2 if k == 1 else HESSIAN2], target, type_, ndim, 1)
        choose_axes(&j, ndim, cnp.PyArray_DIMS(y))
        j.stream = streamed(&j, targets)

        cdef partial total
        cdef int threads = 1
        if j.size >= 2 * MIN_PER_THREAD or n_threads is not None:
            threads = thread_policy(n_threads, 1 + j.size // MIN_PER_THREAD)
        # A look at everything before the first store, where a store needs the sum of weights or would overwrite an input.
        if aliased or (weighted and kind == 0 and want != WANT_VALUE):
            j.want = 0
            run(&j, type_, threads, &total)
            if violated(total.status):
                return Violation(total.status)
            j.want = want
        elif not weighted:
            total.weight = <double>j.size
        if kind == 0 and want != WANT_VALUE:
            if total.weight == 0:
                return UNREADY
            j.scale = 1.0 / total.weight
        run(&j, type_, threads, &total)
        if violated(total.status):
            return Violation(total.status)
        if kind == 0 and total.weight == 0:
            return UNREADY
        if want & WANT_VALUE and kind != 2:
            results[0] = total.value / total.weight if kind == 0 else total.value
        for k in range(3):
            if targets[k] is not None and targets[k] is not results[k]:
                np.copyto(results[k], targets[k])
        if want == (WANT_VALUE | WANT_GRADIENT):
            return results[0], results[1]
        if want == (WANT_GRADIENT | WANT_HESSIAN):
            return results[1], results[2]
        return tuple(results[k] for k in range(3) if (want >> k) & 1) if want & (want - 1) else \
            results[0 if want == WANT_VALUE else 1 if want == WANT_GRADIENT else 2]


cdef inline void set_job(job *j, const job *base, int want, int curvature, double min_hessian, Py_ssize_t size) noexcept:
    cdef int k
    j.row, j.want, j.curvature, j.min_hessian, j.size, j.scale = base.row, want, <curvature_t>curvature, min_hessian, size, 1.0
    j.label, j.y_low, j.y_high = base.label, base.y_low, base.y_high
    for k in range(MAX_PARAM):
        j.param[k] = base.param[k]
    for k in range(2):
        j.f_low[k], j.f_high[k] = base.f_low[k], base.f_high[k]
    for k in range(OPERANDS):
        j.operands[k].data = NULL


cdef inline bint can_hold(cnp.ndarray out, cnp.ndarray like) noexcept:
    """A writeable float32 or float64 array of the shape of `like`."""
    cdef int k, type_ = cnp.PyArray_TYPE(out)
    if type_ != cnp.NPY_FLOAT and type_ != cnp.NPY_DOUBLE or not cnp.PyArray_ISWRITEABLE(out):
        return False
    if cnp.PyArray_NDIM(out) != cnp.PyArray_NDIM(like):
        return False
    for k in range(cnp.PyArray_NDIM(out)):
        if cnp.PyArray_DIM(out, k) != cnp.PyArray_DIM(like, k):
            return False
    return True


cdef bint clashes(cnp.ndarray out, int which, cnp.ndarray y, cnp.ndarray f, cnp.ndarray w, list earlier):
    """Whether writing `out` block by block could change what is still to be read: overlaps of another layout."""
    if w is not None and overlaps(out, w):
        return True
    for other in (y, f):
        if overlaps(out, other) and not same_layout(out, other):
            return True
    for other in earlier:
        if other is not None and overlaps(out, other):
            return True
    return False


cdef bint streamed(job *j, list targets):
    cdef Py_ssize_t size = 0
    if j.size < 1 << 20:
        return False
    for target in targets:
        if target is not None:
            size += target.nbytes
    return size > fastloss_cache_size()


cdef inline bint violated(int status) noexcept nogil:
    return status & (BAD_Y | BAD_F | BAD_F2 | BAD_W) or status & (SAW_ZERO | SAW_MINUS) == SAW_ZERO | SAW_MINUS


cdef int run(job *j, int type_, int threads, partial *total) except -1:
    """All blocks of the job; partial sums are folded in block order, compensated, so that threads cannot change a bit."""
    cdef block_function *run_block = SETS[chosen].run[type_]
    cdef Py_ssize_t per_block = 4096 // (4 if type_ == FLOAT32 else 8)
    cdef Py_ssize_t n_blocks = (j.size + per_block - 1) // per_block, first = 0, count, b
    cdef partial one
    cdef partial *parts
    cdef double value_rest = 0.0, weight_rest = 0.0
    total.value, total.weight, total.status = 0.0, 0.0, 0
    if j.size <= SMALL:
        for b in range(n_blocks):
            run_block(j, b, &one)
            fold(total, &one, &value_rest, &weight_rest)
    else:
        parts = <partial *>malloc(min(n_blocks, <Py_ssize_t>SLAB) * sizeof(partial))
        if parts == NULL:
            raise MemoryError(f"no memory for the partial sums of {n_blocks} blocks")
        if fastloss_forked():
            threads = 1
        try:
            while first < n_blocks:
                count = min(n_blocks - first, <Py_ssize_t>SLAB)
                with nogil:
                    if threads > 1:
                        fastloss_note_threads()
                        for b in prange(count, num_threads=threads, schedule="static"):
                            run_block(j, first + b, &parts[b])
                    else:
                        for b in range(count):
                            run_block(j, first + b, &parts[b])
                    for b in range(count):
                        fold(total, &parts[b], &value_rest, &weight_rest)
                first += count
                PyErr_CheckSignals()
        finally:
            free(parts)
    # inf and NaN have no rounding error to compensate
    if value_rest == value_rest and fabs(value_rest) != float("inf"):
        total.value += value_rest
    if weight_rest == weight_rest:
        total.weight += weight_rest
    return 0


cdef inline void fold(partial *total, const partial *part, double *value_rest, double *weight_rest) noexcept nogil:
    total.status |= part.status
    total.value = compensated(total.value, part.value, value_rest)
    total.weight = compensated(total.weight, part.weight, weight_rest)


cdef inline double compensated(double sum_, double x, double *rest) noexcept nogil:
    """Neumaier (1974): the rounding errors of a sum, collected beside it."""
    cdef double s = sum_ + x
    rest[0] += (sum_ - s) + x if fabs(sum_) >= fabs(x) else (x - s) + sum_
    return s
