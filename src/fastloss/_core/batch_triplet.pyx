# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, freethreading_compatible=True
"""The parallel driver of the triplet loss of a batch: tiles of anchors, then what they add to all gradients.

Design. Arguments are checked and laid out when they arrive. A tile is mined in blocks of anchors; then blocks of rows of the
gradient take from it what concerns them. A row is computed by one thread in one order, so threads change no bit.
"""

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange, threadid
from libc.stdlib cimport free, malloc

from fastloss._core.clib cimport *
from fastloss._core.machine cimport kernels, threads_for

import numpy as np

cnp.import_array()

MININGS = {"all": MINE_ALL, "hard": MINE_HARD, "semihard": MINE_SEMIHARD}
DISTANCES = {"euclidean": BY_NORM, "squared_euclidean": BY_SQUARE, "cosine": BY_ANGLE}

cdef enum:
    MINING = 64               # what the terms of a pair cost, in differences of entries
    WORK_PER_THREAD = 500000  # such differences: about 30 microseconds
    SLAB = 300000000          # the same, between two looks at pending signals

cdef enum:
    PACK, MINE, ADD, ADD_CHOSEN  # phases


def layout(dtype):
    """What rows and entries are padded to a multiple of, and rows of a tile."""
    cdef int type_ = FLOAT32 if dtype == np.float32 else FLOAT64
    cdef const batch_functions *functions = kernels().batch[type_]
    return max(<Py_ssize_t>PARTNERS, functions.panel), functions.step


def run(str mining, str distance, int want, double margin, cnp.ndarray x, Py_ssize_t rows, Py_ssize_t entries,
        const unsigned char[::1] kind, const Py_ssize_t[::1] start, const Py_ssize_t[::1] stop,
        const Py_ssize_t[::1] index, const double[::1] weight, Py_ssize_t height, *, bint mixed, n_threads=None,
        progress=None):
    """Sums of terms and numbers of those > 0 of all rows, and the gradient of the weighted sum in double, or None.

    `x` is contiguous, float32 or float64, padded with zeros; rows are in the order of their classes, those of weight 0
    are no anchors. `height`, a multiple of 64, is the number of rows in a tile.
    """
    cdef int type_ = FLOAT32 if cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT else FLOAT64, threads
    cdef const batch_functions *functions = kernels().batch[type_]
    cdef bint chosen = mining == "hard", gradients = want & WANT_GRADIENT, in_tiles = gradients and not chosen
    cdef double[::1] value = np.zeros(rows), active = np.zeros(rows)
    if rows == 0:
        return value.base, active.base, np.zeros((0, entries)) if gradients else None
    cdef batch_job j
    j.mining, j.distance = <batch_mining><int>MININGS[mining], <batch_distance><int>DISTANCES[distance]
    j.margin, j.want, j.mixed, j.rows, j.entries = margin, want, mixed, rows, entries
    j.padded, j.stride = cnp.PyArray_DIM(x, 0), cnp.PyArray_DIM(x, 1)
    j.x, j.kind, j.start, j.stop = cnp.PyArray_DATA(x), &kind[0], &start[0], &stop[0]
    j.index, j.weight, j.value, j.active = &index[0], &weight[0], &value[0], &active[0]
    height = min(height, j.padded) if in_tiles else j.padded

    cdef double[:, ::1] gradient = np.zeros((j.padded, j.stride)) if gradients else None
    cdef Py_ssize_t[:, ::1] pairs = np.zeros((rows, 2), np.intp) if gradients and chosen else None
    cdef double[:, ::1] slopes = np.zeros((rows, 2)) if gradients and chosen else None
    cdef cnp.ndarray panels = np.empty(j.padded * entries, x.dtype)
    cdef cnp.ndarray tile = np.empty((height if in_tiles else 0, j.padded + APART), x.dtype)
    j.panels, j.tile = cnp.PyArray_DATA(panels), cnp.PyArray_DATA(tile)
    j.gradient = &gradient[0, 0] if gradients else NULL
    j.chosen = &pairs[0, 0] if pairs is not None else NULL
    j.slope = &slopes[0, 0] if slopes is not None else NULL

    cdef double work = <double>rows * <double>rows * <double>(entries + MINING)
    threads = threads_for(n_threads, <Py_ssize_t>min(work / WORK_PER_THREAD, 1e9))
    cdef Py_ssize_t n_blocks = (rows + ROWS_IN_BLOCK - 1) // ROWS_IN_BLOCK, n_panels = j.padded // functions.panel
    cdef Py_ssize_t slab = max(2 * threads, <Py_ssize_t>(SLAB * <double>rows / ROWS_IN_BLOCK / work))
    cdef Py_ssize_t n_tiles = (rows + height - 1) // height, room = functions.scratch(&j), b, done = 0
    cdef Py_ssize_t steps = n_blocks * (1 + (n_tiles if in_tiles else 0))
    cdef char *scratch = <char *>malloc(threads * room)
    if scratch == NULL:
        raise MemoryError(f"no memory for {threads} times {room} bytes of scratch")

    cdef Py_ssize_t phase, end
    try:
        run_blocks(functions, &j, PACK, 0, n_panels, threads, scratch, room)
        j.first = 0
        while j.first < rows:
            j.last = min(j.first + height, rows)
            for phase in range(MINE, MINE + 1 + in_tiles):
                b = j.first // ROWS_IN_BLOCK if phase == MINE else 0
                end = (j.last + ROWS_IN_BLOCK - 1) // ROWS_IN_BLOCK if phase == MINE else n_blocks
                while b < end:
                    run_blocks(functions, &j, phase, b, min(b + slab, end), threads, scratch, room)
                    done += min(b + slab, end) - b
                    b += slab
                    PyErr_CheckSignals()
                    if progress is not None:
                        progress(done, steps)
            j.first += height
        if chosen and gradients:
            run_blocks(functions, &j, ADD_CHOSEN, 0, (entries + PARTNERS - 1) // PARTNERS, threads, scratch, room)
    finally:
        free(scratch)
    return value.base, active.base, gradient.base if gradients else None


cdef void run_blocks(const batch_functions *functions, const batch_job *j, Py_ssize_t phase, Py_ssize_t first,
                     Py_ssize_t last, int threads, char *scratch, Py_ssize_t room) noexcept:
    """A phase for some panels, some blocks of anchors or of rows of the gradient, or some columns."""
    cdef Py_ssize_t b
    with nogil:
        if threads > 1:
            for b in prange(first, last, num_threads=threads, schedule="dynamic"):
                run_block(functions, j, phase, b, scratch + threadid() * room)
        else:
            for b in range(first, last):
                run_block(functions, j, phase, b, scratch)


cdef void run_block(const batch_functions *functions, const batch_job *j, Py_ssize_t phase, Py_ssize_t block,
                    char *scratch) noexcept nogil:
    if phase == PACK:
        functions.pack(j, block)
    elif phase == MINE:
        functions.mine(j, block, scratch)
    elif phase == ADD:
        functions.gradient(j, block)
    else:
        functions.gradient_of_chosen(j, block)
