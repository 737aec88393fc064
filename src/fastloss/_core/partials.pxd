"""Sums over blocks: folded in block order, compensated, so that threads cannot change a bit."""

from libc.math cimport INFINITY, fabs

from fastloss._core.clib cimport BAD_F, BAD_F2, BAD_W, BAD_Y, SAW_MINUS, SAW_ZERO, partial

cdef struct total:
    double value, weight, value_rest, weight_rest
    int status


cdef inline void fold(total *into, const partial *part) noexcept nogil:
    into.status |= part.status
    into.value = compensated(into.value, part.value, &into.value_rest)
    into.weight = compensated(into.weight, part.weight, &into.weight_rest)


cdef inline void settle(total *sums) noexcept nogil:
    """Add what was rounded away; inf and NaN have no rounding error."""
    if sums.value_rest == sums.value_rest and fabs(sums.value_rest) != INFINITY:
        sums.value += sums.value_rest
    if sums.weight_rest == sums.weight_rest:
        sums.weight += sums.weight_rest


cdef inline double compensated(double sum_, double x, double *rest) noexcept nogil:
    """Neumaier (1974): the rounding errors of a sum, collected beside it."""
    cdef double s = sum_ + x
    rest[0] += (sum_ - s) + x if fabs(sum_) >= fabs(x) else (x - s) + sum_
    return s


cdef inline bint violated(int status) noexcept nogil:
    return status & (BAD_Y | BAD_F | BAD_F2 | BAD_W) or status & (SAW_ZERO | SAW_MINUS) == SAW_ZERO | SAW_MINUS
