"""The sliding DFT, for the detector that is built on it."""

cimport numpy as cnp


cdef class SlidingDft:
    cdef readonly double fs_hz
    cdef readonly int channels
    cdef readonly int window
    cdef readonly int hop
    cdef readonly double delay_ms
    cdef readonly object bins_hz
    cdef int _bins
    cdef double _scale
    cdef cnp.ndarray _cos, _sin, _turn, _ring, _sums, _weights, _amplitudes, _told
    cdef int _slot
    cdef int _anew
    cdef Py_ssize_t _due

    cdef void take(
        self, const double *samples, Py_ssize_t rows, double *amplitudes
    ) noexcept nogil
    cdef void _add(self, int channel, const double *samples, int rows) noexcept nogil
    cdef void _renew(self) noexcept nogil
    cdef double _amplitude(self, int channel) noexcept nogil
