"""What every detector of one channel does before and after its own work."""

cimport numpy as cnp
from libc.stdint cimport int64_t

cdef enum:
    WARMUP = 1
    HELD = 2
    SATURATED = 4
    GAP = 8
    ARTEFACT = 16
    STIM = 32

cdef class Intake:
    cdef int channel
    cdef double limit_uv
    cdef int64_t warmup
    cdef int64_t settled_at
    cdef int64_t seen
    cdef int64_t next_index
    cdef Py_ssize_t rows
    cdef Py_ssize_t columns
    cdef int flags
    cdef double last_uv
    cdef int64_t flat_limit
    cdef int64_t flat
    cdef int flat_raw
    cdef const int *samples

    cdef int admit(self, cnp.ndarray block, int64_t first_index) except -1
    cdef void read(self, double *uv) noexcept nogil
    cdef int settle(self) noexcept nogil
    cdef void forget(self) noexcept nogil


cdef object reading(
    Intake intake,
    int64_t t_us,
    double level,
    bint active,
    int64_t active_ms,
    double phase_rad,
    int state=*,
)
