# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, freethreading_compatible=True
"""How arrays lie in memory: operands of a job, a common order of axes, overlaps."""

cimport numpy as cnp
from fastloss._core.clib cimport *

import numpy as np

cnp.import_array()


cdef int element_type_of(cnp.ndarray array) noexcept:
    cdef int type_ = cnp.PyArray_TYPE(array)
    if type_ == cnp.NPY_FLOAT:
        return FLOAT32
    if type_ == cnp.NPY_DOUBLE:
        return FLOAT64
    if type_ == cnp.NPY_FLOAT16:
        return FLOAT16
    if type_ == cnp.NPY_LONGDOUBLE:
        return LONGDOUBLE
    cdef int size = cnp.PyArray_ITEMSIZE(array)
    cdef int power = 0 if size == 1 else 1 if size == 2 else 2 if size == 4 else 3
    if cnp.PyTypeNum_ISBOOL(type_) or cnp.PyTypeNum_ISUNSIGNED(type_):
        return UINT8 + power
    if cnp.PyTypeNum_ISSIGNED(type_):
        return INT8 + power
    return -1


cdef bint describe(operand *op, cnp.ndarray array, int real_type, int ndim, int column) noexcept:
    """Fill `op` for the first `ndim` axes of `array` (a 0-d array is repeated); `column` counts along a further axis.

    False if the element type cannot be read."""
    cdef int type_ = element_type_of(array), k, given = cnp.PyArray_NDIM(array)
    if type_ < 0:
        return False
    op.type = <element_type>type_
    op.data = <char *>cnp.PyArray_DATA(array)
    if given > ndim:
        op.data += column * cnp.PyArray_STRIDE(array, ndim)
    op.swapped = cnp.PyArray_ISBYTESWAPPED(array)
    op.contiguous = type_ == real_type and not op.swapped and cnp.PyArray_ISALIGNED(array)
    for k in range(ndim):
        op.strides[k] = cnp.PyArray_STRIDE(array, k) if k < given else 0
    return True


cdef inline Py_ssize_t distance(Py_ssize_t stride) noexcept:
    return -stride if stride < 0 else stride


cdef void choose_axes(job *j, int ndim, const cnp.npy_intp *shape) noexcept:
    """Order the axes by the strides of y_pred, largest first, and merge those that lie in one line in every operand."""
    cdef int order[64]
    cdef int n = 0, i, k, axis, op
    cdef Py_ssize_t moved[64]
    cdef bint merge
    for k in range(ndim):
        if shape[k] == 1:
            continue
        i = n
        while i > 0 and distance(j.operands[F].strides[order[i - 1]]) < distance(j.operands[F].strides[k]):
            order[i] = order[i - 1]
            i -= 1
        order[i] = k
        n += 1
    if n == 0:
        j.ndim, j.shape[0] = 1, 1 if j.size else 0
        for op in range(OPERANDS):
            if j.operands[op].data != NULL:
                j.operands[op].strides[0] = 0
        return  # a single sample: strides do not matter, but contiguous ones may stay so
    for i in range(n):
        j.shape[i] = shape[order[i]]
    for op in range(OPERANDS):
        if j.operands[op].data == NULL:
            continue
        for i in range(n):
            moved[i] = j.operands[op].strides[order[i]]
        for i in range(n):
            j.operands[op].strides[i] = moved[i]
    axis = 0
    for i in range(1, n):
        merge = True
        for op in range(OPERANDS):
            if j.operands[op].data != NULL and j.operands[op].strides[axis] != j.operands[op].strides[i] * j.shape[i]:
                merge = False
                break
        if merge:
            j.shape[axis] *= j.shape[i]
        else:
            axis += 1
            j.shape[axis] = j.shape[i]
        for op in range(OPERANDS):
            if j.operands[op].data != NULL:
                j.operands[op].strides[axis] = j.operands[op].strides[i]
    j.ndim = axis + 1
    for op in range(OPERANDS):
        if j.operands[op].data != NULL and j.operands[op].contiguous:
            j.operands[op].contiguous = j.ndim == 1 and j.operands[op].strides[0] == (4 if j.operands[op].type == FLOAT32 else 8)


cdef void bounds(cnp.ndarray a, size_t *low, size_t *high) noexcept:
    cdef int k
    cdef Py_ssize_t reach
    low[0] = <size_t>cnp.PyArray_DATA(a)
    high[0] = low[0] + cnp.PyArray_ITEMSIZE(a)
    for k in range(cnp.PyArray_NDIM(a)):
        reach = (cnp.PyArray_DIM(a, k) - 1) * cnp.PyArray_STRIDE(a, k)
        if reach > 0:
            high[0] += reach
        else:
            low[0] += reach


cdef bint overlaps(cnp.ndarray a, cnp.ndarray b) noexcept:
    """Whether the ranges of memory meet (as numpy.may_share_memory)."""
    cdef size_t a_low, a_high, b_low, b_high
    if cnp.PyArray_SIZE(a) == 0 or cnp.PyArray_SIZE(b) == 0:
        return False
    bounds(a, &a_low, &a_high)
    bounds(b, &b_low, &b_high)
    return a_low < b_high and b_low < a_high


cdef bint same_layout(cnp.ndarray a, cnp.ndarray b) noexcept:
    """Whether sample i of one lies where sample i of the other does."""
    cdef int k
    if cnp.PyArray_DATA(a) != cnp.PyArray_DATA(b) or cnp.PyArray_NDIM(a) != cnp.PyArray_NDIM(b):
        return False
    if cnp.PyArray_TYPE(a) != cnp.PyArray_TYPE(b):
        return False
    for k in range(cnp.PyArray_NDIM(a)):
        if cnp.PyArray_STRIDE(a, k) != cnp.PyArray_STRIDE(b, k):
            return False
    return True


cdef bint writable_in_place(cnp.ndarray a) noexcept:
    """Aligned, native and no sample written twice (a stride of 0)."""
    cdef int k
    if cnp.PyArray_ISBYTESWAPPED(a) or not cnp.PyArray_ISALIGNED(a):
        return False
    for k in range(cnp.PyArray_NDIM(a)):
        if cnp.PyArray_STRIDE(a, k) == 0 and cnp.PyArray_DIM(a, k) > 1:
            return False
    return True


cdef bint same_shape(cnp.ndarray a, cnp.ndarray b, int ndim) noexcept:
    """Whether the first `ndim` axes agree."""
    cdef int k
    for k in range(ndim):
        if cnp.PyArray_DIM(a, k) != cnp.PyArray_DIM(b, k):
            return False
    return True


cdef bint match(y_true, y_pred, sample_weight, int predictions) noexcept:
    """Plain arrays of one shape S, y_pred with a further axis for several predictions, weights also a scalar."""
    if not cnp.PyArray_CheckExact(y_true) or not cnp.PyArray_CheckExact(y_pred):
        return False
    cdef cnp.ndarray y = y_true, f = y_pred, w
    cdef int ndim = cnp.PyArray_NDIM(y)
    if cnp.PyArray_NDIM(f) != ndim + (predictions > 1) or not same_shape(y, f, ndim):
        return False
    if predictions > 1 and cnp.PyArray_DIM(f, ndim) != predictions:
        return False
    if sample_weight is None:
        return True
    if not cnp.PyArray_CheckExact(sample_weight):
        return False
    w = sample_weight
    return cnp.PyArray_NDIM(w) == 0 or cnp.PyArray_NDIM(w) == ndim and same_shape(y, w, ndim)


cdef bint can_hold(out, cnp.ndarray like) noexcept:
    """A plain writeable float32 or float64 array of the shape of `like`."""
    if not cnp.PyArray_CheckExact(out):
        return False
    cdef cnp.ndarray given = out
    return (cnp.PyArray_TYPE(given) in (cnp.NPY_FLOAT, cnp.NPY_DOUBLE) and cnp.PyArray_ISWRITEABLE(given)
            and cnp.PyArray_NDIM(given) == cnp.PyArray_NDIM(like)
            and same_shape(given, like, cnp.PyArray_NDIM(like)))


cdef bint clashes(cnp.ndarray out, cnp.ndarray y, cnp.ndarray f, cnp.ndarray w) noexcept:
    """Whether writing `out` block by block could change what is still to be read: overlaps of another layout."""
    return (w is not None and overlaps(out, w) or overlaps(out, y) and not same_layout(out, y)
            or overlaps(out, f) and not same_layout(out, f))


cdef int take_outputs(int arrays, int type_, cnp.ndarray like_value, cnp.ndarray y, cnp.ndarray f, cnp.ndarray w, out,
                      list results, list targets) except -2:
    """Arrays for value, gradient and hessian, as the bits of `arrays` say: the caller's, or fresh ones.

    `results` gets what the caller sees, `targets` what kernels write: a fresh array stands in for one of the caller that
    cannot be written block by block. Returns -1 if `out` does not fit, 1 if an output is written over an input, else 0.
    """
    cdef int k, index = 0, aliased = 0
    cdef cnp.ndarray like, target, given
    if out is not None and type(out) is not tuple:
        out = (out,)
    if out is not None and len(<tuple>out) != (arrays & 1) + (arrays >> 1 & 1) + (arrays >> 2):
        return -1
    for k in range(3):
        if not arrays >> k & 1:
            continue
        like = f if k else like_value
        item = None if out is None else (<tuple>out)[index]
        index += 1
        if item is None:
            target = results[k] = cnp.PyArray_EMPTY(
                cnp.PyArray_NDIM(like), cnp.PyArray_DIMS(like), cnp.NPY_FLOAT if type_ == FLOAT32 else cnp.NPY_DOUBLE,
                cnp.PyArray_IS_F_CONTIGUOUS(like) and not cnp.PyArray_IS_C_CONTIGUOUS(like))
        else:
            if not can_hold(item, like):
                return -1
            given = target = item
            for other in results:
                if other is not None and overlaps(given, other) and np.shares_memory(given, other):
                    return -1
            results[k] = given
            if not writable_in_place(given) or clashes(given, y, f, w):
                target = np.empty_like(like, dtype=np.float64 if given.itemsize == 8 else np.float32, subok=False)
            elif overlaps(given, y) or overlaps(given, f):
                aliased = 1
        targets[k] = target
    return aliased


cdef object hand_over(int want, list results, list targets):
    """The wanted results, one object or a tuple in the order value, gradient, hessian, with what stood in copied."""
    cdef int k
    for k in range(3):
        if targets[k] is not results[k] and targets[k] is not None:
            np.copyto(results[k], targets[k])
    if want == WANT_VALUE | WANT_GRADIENT:
        return results[0], results[1]
    if want == WANT_GRADIENT | WANT_HESSIAN:
        return results[1], results[2]
    if want == WANT_VALUE | WANT_HESSIAN:
        return results[0], results[2]
    return tuple(results) if want == WANT_VALUE | WANT_GRADIENT | WANT_HESSIAN else results[want >> 1]
