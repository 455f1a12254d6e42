cimport numpy as cnp

from stimloop_dsp._kernels cimport envelope_f32, envelope_f64


cdef class Envelope:
    cdef envelope_f32 _single
    cdef envelope_f64 _double
    cdef bint _is_double
    cdef cnp.ndarray _a
    cdef cnp.ndarray _memory
    cdef cnp.ndarray _counts
    cdef readonly double fs_hz
    cdef readonly double delay_ms
    cdef readonly double settling_ms
    cdef readonly int channels
    cdef readonly str precision

    cdef void _run(
        self, const void *samples, int kind, Py_ssize_t rows, void *envelope
    ) noexcept nogil
