# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, freethreading_compatible=True
"""The parallel drivers of tiles of similarities, and of unit rows.

Design. Products are NumPy's; here is what happens to a tile between them. Rows of a tile, or columns, run side by side and
leave their sums in arrays with an entry for each: the number of threads changes no bit.
"""

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.string cimport memset

from fastloss._core.clib cimport *
from fastloss._core.layout cimport describe
from fastloss._core.machine cimport kernels, threads_for

import numpy as np

cnp.import_array()

cdef enum:
    PER_THREAD = 32768  # similarities: about 20 microseconds
    ENTRIES_PER_THREAD = 65536  # of unit rows
    AT_ONCE = 8         # rows
    COLUMNS_AT_ONCE = 128


cdef class Tiles:
    """Tiles of one matrix of similarities.

    `arrays` has those of the C side by name, an entry for each row or column of the whole matrix.
    """

    cdef similarity_job j
    cdef int type_
    cdef object n_threads
    cdef dict held

    def __init__(self, real, double factor, double bias, bint same, n_threads, dict arrays):
        memset(&self.j, 0, sizeof(self.j))
        self.type_ = FLOAT32 if real is np.float32 else FLOAT64
        self.j.factor, self.j.bias, self.j.same = factor, bias, same
        self.n_threads, self.held = n_threads, {}
        self.give(arrays)

    def give(self, dict arrays):
        """Further arrays."""
        cdef similarity_job *j = &self.j
        for name, array in arrays.items():
            if not array.flags.carray:
                raise ValueError(f"{name} must be contiguous")
        self.held.update(arrays)
        j.positive = <const Py_ssize_t *>self.pointer("positive", np.intp)
        real = np.float32 if self.type_ == FLOAT32 else np.float64
        j.label = self.pointer("label", np.int32 if self.type_ == FLOAT32 else np.int64)
        j.top, j.own = self.pointer("top", real), self.pointer("own", real)
        j.column_top = self.pointer("column_top", real)
        j.rest = <double *>self.pointer("rest", np.float64)
        j.column_rest = <double *>self.pointer("column_rest", np.float64)
        j.near = <double *>self.pointer("near", np.float64)
        j.row_factor, j.column_factor = self.pointer("row_factor", real), self.pointer("column_factor", real)
        j.at_positive, j.label_factor = self.pointer("at_positive", real), self.pointer("label_factor", real)
        j.value, j.slope = <double *>self.pointer("value", np.float64), <double *>self.pointer("slope", np.float64)

    cdef void *pointer(self, str name, dtype) except? NULL:
        array = self.held.get(name)
        if array is None:
            return NULL
        if array.dtype != dtype:
            raise TypeError(f"{name} must be {np.dtype(dtype)}, got {array.dtype}")
        return cnp.PyArray_DATA(<cnp.ndarray>array)

    def run(self, str step, cnp.ndarray s, Py_ssize_t first_row, Py_ssize_t first_column):
        """One of rows, columns, slopes, sigmoids on the tile `s` that begins at a row and a column."""
        cdef similarity_job j = self.j
        cdef const similarity_functions *all_ = kernels().similarity[self.type_]
        cdef similarity_function *function
        cdef bint by_column = step == "columns"
        cdef Py_ssize_t at_once = COLUMNS_AT_ONCE if by_column else AT_ONCE, end, b
        j.s, j.rows, j.columns = cnp.PyArray_DATA(s), cnp.PyArray_DIM(s, 0), cnp.PyArray_DIM(s, 1)
        j.stride = cnp.PyArray_STRIDE(s, 0) // cnp.PyArray_ITEMSIZE(s)
        j.first_row, j.first_column = first_row, first_column
        function = (all_.columns if by_column else all_.rows if step == "rows" else all_.slopes if step == "slopes"
                    else all_.sigmoids)
        end = j.columns if by_column else j.rows
        cdef int threads = threads_for(self.n_threads, j.rows * j.columns // PER_THREAD)
        with nogil:
            if threads > 1:
                for b in prange((end + at_once - 1) // at_once, num_threads=threads, schedule="static"):
                    function(&j, b * at_once, min(end, (b + 1) * at_once))
            else:
                function(&j, 0, end)
        PyErr_CheckSignals()


cdef class Units:
    """Unit rows (or the rows themselves) of up to so many rows at a time."""

    cdef unit_job j
    cdef int type_
    cdef object n_threads
    cdef readonly object unit
    cdef object dot, inverse, factor

    def __init__(self, Py_ssize_t rows, Py_ssize_t entries, real, bint normalize, n_threads):
        memset(&self.j, 0, sizeof(self.j))
        self.type_ = FLOAT32 if real is np.float32 else FLOAT64
        self.n_threads = n_threads
        self.unit, self.dot = np.empty((rows, entries), real), np.empty(rows)
        self.inverse, self.factor = np.empty(rows), np.empty(rows)
        self.j.entries, self.j.normalize = entries, normalize
        self.j.unit = cnp.PyArray_DATA(<cnp.ndarray>self.unit)
        self.j.dot = <double *>cnp.PyArray_DATA(<cnp.ndarray>self.dot)
        self.j.inverse = <double *>cnp.PyArray_DATA(<cnp.ndarray>self.inverse)
        self.j.factor = <double *>cnp.PyArray_DATA(<cnp.ndarray>self.factor)

    def take(self, cnp.ndarray x, Py_ssize_t first=0):
        """The unit rows of a matrix of any strides and type, from row `first` on."""
        cdef unit_job j = self.j
        cdef Py_ssize_t rows = cnp.PyArray_DIM(x, 0)
        if not describe(&j.x, x, self.type_, 2, 0):
            raise TypeError(f"no kernel reads {x.dtype}")
        j.unit = <char *>j.unit + first * j.entries * cnp.PyArray_ITEMSIZE(<cnp.ndarray>self.unit)
        j.inverse, j.factor = j.inverse + first, j.factor + first
        self.run(&j, kernels().similarity[self.type_].units, rows)
        return self.unit[first:first + rows]

    def project(self, cnp.ndarray slope):
        """Turn the gradient in the unit rows, from the first on, into that in the rows, in place.

        Returns the products of unit rows and their gradients, until the next call.
        """
        self.j.slope = cnp.PyArray_DATA(slope)
        self.run(&self.j, kernels().similarity[self.type_].project, cnp.PyArray_DIM(slope, 0))
        return self.dot[:cnp.PyArray_DIM(slope, 0)]

    cdef int run(self, unit_job *j, unit_function *function, Py_ssize_t rows) except -1:
        cdef Py_ssize_t b
        cdef int threads = threads_for(self.n_threads, rows * j.entries // ENTRIES_PER_THREAD)
        with nogil:
            if threads > 1:
                for b in prange((rows + AT_ONCE - 1) // AT_ONCE, num_threads=threads, schedule="static"):
                    function(j, b * AT_ONCE, min(rows, (b + 1) * AT_ONCE))
            else:
                function(j, 0, rows)
        PyErr_CheckSignals()
        return 0
