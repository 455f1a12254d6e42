"""A level at every sample, and a decision by hysteresis."""

cimport numpy as cnp
from libc.stdint cimport int64_t

from stimloop_dsp._intake cimport Intake
from stimloop_dsp._kernels cimport hysteresis_f64

cdef class ThresholdDetector:
    cdef Intake intake
    cdef hysteresis_f64 hysteresis
    cdef cnp.ndarray _uv
    cdef cnp.ndarray _levels
    cdef readonly str unit
    cdef readonly double fs_hz
    cdef readonly double delay_ms
    cdef readonly double settling_ms

    cdef int prepare(
        self,
        str unit,
        double fs_hz,
        double delay_ms,
        double settling_ms,
        double on,
        object off,
        double onset_ms,
        double termination_ms,
        double blanking_ms,
        int channel,
        double saturation_uv,
    ) except -1
    cdef void measure(
        self, const double *uv, Py_ssize_t rows, double *levels
    ) noexcept nogil
    cdef void forget(self) noexcept nogil
    cdef double phase_rad(self) noexcept nogil
    cdef void _take(self) noexcept nogil
    cdef void _rest(self) noexcept nogil
