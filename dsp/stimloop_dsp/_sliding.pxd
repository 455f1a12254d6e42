"""The sliding DFT, for the detector that is built on it."""

cimport numpy as cnp
from libc.stdint cimport int64_t


cdef class SlidingDft:
    cdef readonly double fs_hz
    cdef readonly int channels
    cdef readonly int window
    cdef readonly int hop
    cdef readonly double delay_ms
    cdef readonly object bins_hz
    cdef int _bins
    cdef double _scale
    cdef cnp.ndarray _cos, _sin, _turn, _ring, _sums, _power, _amplitudes, _told
    cdef int _slot
    cdef int64_t _seen

    cdef void take(self, const double *row, double *amplitudes) noexcept nogil
