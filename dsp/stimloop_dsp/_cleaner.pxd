"""What every cleaner does around its own work."""

cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t

cdef class Cleaner:
    cdef readonly double fs_hz
    cdef readonly double delay_ms
    cdef readonly int channels
    cdef int columns_out
    cdef int64_t next_index
    cdef bint begun
    cdef cnp.ndarray _out

    cdef int prepare(self, double fs_hz, int channels, int columns_out) except -1
    cdef void clean(
        self, const int32_t *samples, int64_t index, Py_ssize_t rows, int32_t *out
    ) noexcept nogil
    cdef void forget(self) noexcept

cdef int32_t fitting(int64_t nv) noexcept nogil
cdef int64_t ratio(int64_t total, int64_t count) noexcept nogil
cdef bint is_bad(int32_t nv) noexcept nogil
