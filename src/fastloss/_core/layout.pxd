cimport numpy as cnp
from fastloss._core.clib cimport job, operand

cdef bint describe(operand *op, cnp.ndarray array, int real_type, int ndim, int column) noexcept
cdef void choose_axes(job *j, int ndim, const cnp.npy_intp *shape) noexcept
cdef bint overlaps(cnp.ndarray a, cnp.ndarray b) noexcept
cdef bint writable_in_place(cnp.ndarray a) noexcept
cdef bint match(y_true, y_pred, sample_weight, int predictions) noexcept
cdef bint can_hold(out, cnp.ndarray like) noexcept
cdef bint clashes(cnp.ndarray out, cnp.ndarray y, cnp.ndarray f, cnp.ndarray w) noexcept
cdef bint same_shape(cnp.ndarray a, cnp.ndarray b, int ndim) noexcept
cdef int take_outputs(int arrays, int type_, cnp.ndarray like_value, cnp.ndarray y, cnp.ndarray f, cnp.ndarray w, out,
                      list results, list targets) except -2
cdef object hand_over(int want, list results, list targets)
