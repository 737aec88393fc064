from fastloss._core.clib cimport job
from fastloss._core.partials cimport total

cdef bint streamed(job *j, list targets)
cdef int run(job *j, int type_, int threads, total *sums) except -1
