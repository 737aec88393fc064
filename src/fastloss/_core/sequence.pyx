# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, freethreading_compatible=True
"""The parallel drivers of the losses of sequences: CTC and soft-DTW.

Design. Lengths and labels are checked when they arrive; sequences may have any strides and element types. A sequence is
computed by one thread, the costliest first. Few sequences of CTC are cut: their frames are read and written by all
threads. Every number comes from one frame or one sequence, so threads change no bit.
"""

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange, threadid
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from fastloss._core.clib cimport *
from fastloss._core.layout cimport clashes, describe, writable_in_place
from fastloss._core.machine cimport kernels, threads_for

import numpy as np

cnp.import_array()

cdef enum:
    PER_THREAD = 20000    # units of cost, about nanoseconds
    SLAB = 50000000       # units of cost between two looks at pending signals
    FRAMES = 16           # that are read or written at once where sequences are cut


INFEASIBLE, IN_LOGS = 1, 2


cdef int state_of(const ctc_space *space) noexcept nogil:
    return (space.state == CTC_INFEASIBLE) + 2 * space.in_logs


cdef object target_of(out, cnp.ndarray y, cnp.ndarray f, real):
    """Where to write the gradient in `f`: `out`, unless an array has to stand in for it, or it is None."""
    if out is None:
        return cnp.PyArray_EMPTY(3, cnp.PyArray_DIMS(f), cnp.NPY_FLOAT if real is np.float32 else cnp.NPY_DOUBLE, 0)
    if not writable_in_place(out) or clashes(out, y, f, None):
        return np.empty(out.shape, out.dtype.newbyteorder("="))
    return out


cdef double slab(const double[::1] cost, const Py_ssize_t[::1] order, Py_ssize_t *last) noexcept:
    """Sequences from `last` on, in their order, that are taken together: moves it to their end."""
    cdef double done = 0.0
    while last[0] < order.shape[0] and done < SLAB:
        done += cost[order[last[0]]]
        last[0] += 1
    return done


def ctc(bint logits, Py_ssize_t blank, real, cnp.ndarray f, const Py_ssize_t[::1] label,
        const Py_ssize_t[::1] first, const Py_ssize_t[::1] frames, const double[::1] factor, bint gradient, out,
        n_threads):
    """The loss of each sequence, its state, and the gradient (None if it is not wanted).

    The state has the bit INFEASIBLE where there is no path, IN_LOGS where probabilities underflow.

    `label` holds those of all sequences, those of sequence i from first[i] on, all within range. A sequence of 0 frames
    is left out: its loss and gradient are 0. `factor` is that of the gradient.
    """
    cdef ctc_job j
    cdef Py_ssize_t n = frames.shape[0], i, room = 0, scratch_size, start, last, b, chunks = 0
    cdef int type_ = FLOAT32 if real is np.float32 else FLOAT64, threads, spaces
    cdef const ctc_row_functions *rows = kernels().ctc_rows[type_]
    cdef const ctc_lattice_functions *lattice = kernels().ctc_lattice
    memset(&j, 0, sizeof(j))
    if not describe(&j.f, f, type_, 3, 0):
        raise TypeError(f"no kernel reads {f.dtype}")
    target = target_of(out, f, f, real) if gradient else None
    if gradient:
        describe(&j.gradient, target, type_, 3, 0)
    losses, states, costs = np.zeros(n), np.zeros(n, np.int32), np.zeros(n)
    cdef double[::1] loss = losses, cost = costs
    cdef int[::1] state = states
    if n == 0:
        return losses, states, target
    j.logits, j.blank, j.classes, j.most_frames = logits, blank, cnp.PyArray_DIM(f, 2), cnp.PyArray_DIM(f, 1)
    j.label = &label[0] if label.shape[0] else NULL
    j.first, j.frames, j.factor = &first[0], &frames[0], &factor[0]
    for i in range(n):
        j.most_labels = max(j.most_labels, first[i + 1] - first[i])
        room = max(room, lattice.room(frames[i], first[i + 1] - first[i]))
        cost[i] = <double>frames[i] * (100 + 0.5 * j.classes + 3.0 * (first[i + 1] - first[i])) + j.most_frames
    threads = threads_for(n_threads, int(min(costs.sum() / PER_THREAD, 1e9)))
    cdef const Py_ssize_t[::1] order = np.argsort(-costs, kind="stable")

    cdef bint cut = threads > 1 and n < 2 * threads
    if <double>room * max(n, threads) > 1e18:
        raise MemoryError(f"no memory for workspaces of {room} bytes")
    scratch_size = rows.scratch(&j)
    spaces = n if cut else threads
    cdef char *scratch = <char *>malloc(threads * scratch_size)
    cdef char *memory = <char *>malloc(spaces * room)
    cdef ctc_space *space = <ctc_space *>malloc(spaces * sizeof(ctc_space))
    cdef const Py_ssize_t[:, ::1] chunk = chunks_of(frames) if cut else np.empty((0, 2), np.intp)
    try:
        if scratch == NULL or memory == NULL or space == NULL:
            raise MemoryError(f"no memory for {spaces} times {room} bytes of workspace")
        if cut:
            chunks = chunk.shape[0]
            for i in range(n):
                if frames[i]:
                    lattice.open(&j, i, memory + i * room, <int *>scratch, &space[i])
            with nogil:
                for b in prange(chunks, num_threads=threads, schedule="dynamic"):
                    rows.read(&j, chunk[b, 0], &space[chunk[b, 0]], chunk[b, 1],
                              min(chunk[b, 1] + FRAMES, frames[chunk[b, 0]]), scratch + threadid() * scratch_size)
                for b in prange(n, num_threads=threads, schedule="dynamic"):
                    if frames[order[b]]:
                        lattice.sum_paths(&space[order[b]], gradient)
                        loss[order[b]], state[order[b]] = space[order[b]].loss, state_of(&space[order[b]])
                    if gradient:
                        rows.clear(&j, order[b], frames[order[b]], j.most_frames)
                if gradient:
                    for b in prange(chunks, num_threads=threads, schedule="dynamic"):
                        rows.write(&j, chunk[b, 0], &space[chunk[b, 0]], chunk[b, 1],
                                   min(chunk[b, 1] + FRAMES, frames[chunk[b, 0]]), scratch + threadid() * scratch_size)
        start = 0
        while start < n and not cut:
            last = start
            slab(cost, order, &last)
            with nogil:
                if threads > 1:
                    for b in prange(start, last, num_threads=threads, schedule="dynamic"):
                        whole(&j, rows, lattice, order[b], scratch + threadid() * scratch_size, memory + threadid() * room,
                              &space[threadid()], &loss[0], &state[0])
                else:
                    for b in range(start, last):
                        whole(&j, rows, lattice, order[b], scratch, memory, space, &loss[0], &state[0])
            start = last
            PyErr_CheckSignals()
    finally:
        free(scratch)
        free(memory)
        free(space)
    return losses, states, target


cdef object chunks_of(const Py_ssize_t[::1] frames):
    """Sequence and first frame of all pieces of sequences."""
    pieces = [np.arange(0, n, FRAMES) for n in frames]
    index = np.repeat(np.arange(len(pieces)), [len(x) for x in pieces])
    return np.ascontiguousarray(np.stack([index, np.concatenate(pieces)], 1), np.intp)


cdef void whole(const ctc_job *j, const ctc_row_functions *rows, const ctc_lattice_functions *lattice, Py_ssize_t i,
                char *scratch, char *memory, ctc_space *space, double *loss, int *state) noexcept nogil:
    """One sequence."""
    cdef Py_ssize_t frames = j.frames[i]
    if frames:
        lattice.open(j, i, memory, <int *>scratch, space)
        rows.read(j, i, space, 0, frames, scratch)
        lattice.sum_paths(space, j.gradient.data != NULL)
        loss[i], state[i] = space.loss, state_of(space)
    if j.gradient.data != NULL:
        if frames:
            rows.write(j, i, space, 0, frames, scratch)
        rows.clear(j, i, frames, j.most_frames)


def soft_dtw(double gamma, bint divergence, real, cnp.ndarray y, cnp.ndarray f, const Py_ssize_t[::1] y_frames,
             const Py_ssize_t[::1] f_frames, const double[::1] factor, bint gradient, out, n_threads):
    """The loss of each pair of series, and the gradient in the second ones (None if it is not wanted).

    Series of 0 frames are left out: their loss and gradient are 0. `factor` is that of the gradient.
    """
    cdef soft_dtw_job j
    cdef Py_ssize_t n = f_frames.shape[0], i, room = 0, start = 0, last, b
    cdef int type_ = FLOAT32 if real is np.float32 else FLOAT64, threads
    cdef const soft_dtw_functions *kernel = kernels().soft_dtw
    memset(&j, 0, sizeof(j))
    if not describe(&j.y, y, type_, 3, 0) or not describe(&j.f, f, type_, 3, 0):
        raise TypeError(f"no kernel reads {y.dtype} and {f.dtype}")
    target = target_of(out, y, f, real) if gradient else None
    if gradient:
        describe(&j.gradient, target, type_, 3, 0)
    losses, costs = np.zeros(n), np.zeros(n)
    cdef double[::1] loss = losses, cost = costs
    if n == 0:
        return losses, target
    j.gamma, j.divergence, j.features, j.most_pred = gamma, divergence, cnp.PyArray_DIM(f, 2), cnp.PyArray_DIM(f, 1)
    j.y_frames, j.f_frames, j.factor, j.value = &y_frames[0], &f_frames[0], &factor[0], &loss[0]
    for i in range(n):
        room = max(room, kernel.scratch(&j, i))
        cost[i] = <double>(y_frames[i] * f_frames[i]) * (3.0 + 0.3 * j.features) * (3 if divergence else 1) + j.most_pred
    threads = threads_for(n_threads, min(n, int(min(costs.sum() / PER_THREAD, 1e9))))
    if <double>room * threads > 1e18:
        raise MemoryError(f"no memory for workspaces of {room} bytes")
    cdef const Py_ssize_t[::1] order = np.argsort(-costs, kind="stable")
    cdef char *scratch = <char *>malloc(threads * room)
    if scratch == NULL:
        raise MemoryError(f"no memory for {threads} times {room} bytes of workspace")
    try:
        while start < n:
            last = start
            slab(cost, order, &last)
            with nogil:
                if threads > 1:
                    for b in prange(start, last, num_threads=threads, schedule="dynamic"):
                        kernel.run(&j, order[b], scratch + threadid() * room)
                else:
                    for b in range(start, last):
                        kernel.run(&j, order[b], scratch)
            start = last
            PyErr_CheckSignals()
    finally:
        free(scratch)
    return losses, target
