from fastloss._core.clib cimport instruction_set, loss_row

cdef const instruction_set *kernels() noexcept nogil
cdef const loss_row *pointwise_losses() noexcept
cdef const loss_row *row_losses() noexcept
cdef Py_ssize_t cache_size() noexcept nogil
cdef int threads_for(n_threads, Py_ssize_t most) except -1
cdef double now() noexcept nogil
cdef void waited(double began, double done) noexcept nogil
