"""The beta detector, for loops that are compiled around it."""

cimport cython
cimport numpy as cnp

from stimloop_dsp._envelope cimport Envelope
from stimloop_dsp._intake cimport Intake
from stimloop_dsp._kernels cimport hysteresis_f32


@cython.final
cdef class BetaDetector:
    cdef Intake _intake
    cdef Envelope _envelope
    cdef hysteresis_f32 _hysteresis
    cdef cnp.ndarray _levels
    cdef readonly str unit
    cdef double _on_uv
    cdef double _off_uv

    cdef int follow(self, const int *samples, Py_ssize_t rows) noexcept nogil
    cdef void _run(self) noexcept nogil
