"""The sliding DFT, for the detector that is built on it."""

cimport numpy as cnp

from stimloop_dsp._kernels cimport sliding


cdef class SlidingDft:
    cdef readonly double fs_hz
    cdef readonly int channels
    cdef readonly int window
    cdef readonly int hop
    cdef readonly double delay_ms
    cdef readonly object bins_hz
    cdef double _scale
    cdef sliding _sliding
    cdef cnp.ndarray _twiddles, _middles, _halves, _turns, _weights
    cdef cnp.ndarray _ring, _changes, _sums, _powers, _amplitudes, _told

    cdef void take(
        self, const double *samples, Py_ssize_t rows, double *amplitudes
    ) noexcept nogil
