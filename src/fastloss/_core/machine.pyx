# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, freethreading_compatible=True
"""The compiled kernels: the instruction set in use, thread policy, and what tests and benchmarks ask of them directly."""

cimport numpy as cnp
from cython.parallel cimport prange

from fastloss._core.clib cimport *

import numpy as np

cnp.import_array()

cdef const instruction_set *SETS = NULL
cdef int n_sets = fastloss_instruction_sets(&SETS)
cdef int chosen = n_sets - 1
cdef object thread_policy = None

cdef enum:
    WORTH_A_WAIT = 64  # times the least work of a thread, 5 to 20 microseconds: about a millisecond


cdef const instruction_set *kernels() noexcept nogil:
    return &SETS[chosen]


cdef const loss_row *pointwise_losses() noexcept:
    return fastloss_losses


cdef const loss_row *row_losses() noexcept:
    return fastloss_row_losses


cdef Py_ssize_t cache_size() noexcept nogil:
    return fastloss_cache_size()


cdef int threads_for(n_threads, Py_ssize_t most) except -1:
    """Threads of a call whose work is worth `most` of them; 1 in a forked child, where more would wait for ever."""
    cdef int threads = thread_policy(n_threads, most) if most > 1 else 1
    if threads > 1:
        if fastloss_forked() or (n_threads is None and most < WORTH_A_WAIT and fastloss_alone()):
            return 1
        fastloss_note_threads()
    return threads


cdef double now() noexcept nogil:
    return fastloss_now()


cdef void waited(double began, double done) noexcept nogil:
    """To be called after a parallel region, of which the calling thread was done with its share at `done`."""
    fastloss_waited(began, done, fastloss_now())


def use_thread_policy(policy):
    """Let `policy(n_threads, most)` say how many threads a large call uses, whose work is worth `most` of them."""
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
