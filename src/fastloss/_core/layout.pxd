cimport numpy as cnp
from fastloss._core.clib cimport job, operand

cdef bint describe(operand *op, cnp.ndarray array, int real_type, int ndim, int column)
cdef void choose_axes(job *j, int ndim, const cnp.npy_intp *shape) noexcept
cdef bint overlaps(cnp.ndarray a, cnp.ndarray b) noexcept
cdef bint same_layout(cnp.ndarray a, cnp.ndarray b) noexcept
cdef bint writable_in_place(cnp.ndarray a) noexcept
