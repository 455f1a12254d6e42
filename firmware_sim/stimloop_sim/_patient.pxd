"""The simulated deep-brain-stimulation patient, for loops that are compiled around it."""

cimport cython
cimport numpy as cnp
from libc.stdint cimport int32_t

from stimloop_sim._noise cimport Noise

cdef enum:
    STAGES = 7                  # relaxation processes summed into 1/f noise


cdef struct band_t:
    # A second oscillation, linear and deaf to stimulation.
    double turn_re, turn_im, new, re, im


cdef struct symptoms_t:
    double typical, tremor_keep                     # amplitude that makes half the tremor
    double comfort_ma                               # onset of dyskinesia is 1.3 times this
    double adapt, rise_ma, tingling_ma              # paraesthesia
    double adapted, tremor, dyskinesia              # states; hazard of the latest second
    double dyskinetic_s, tingling_s                 # sums since the first sample
    double power, strength_ma                       # sums over the present second
    double tingling                                 # samples of the present second


@cython.final
cdef class BetaGenerator:
    cdef Noise _noise
    cdef Noise _drift_noise
    cdef Noise _band_noise
    cdef object _course
    cdef cnp.ndarray _rows
    cdef cnp.ndarray _power
    cdef Py_ssize_t _row, _length, _tick_samples, _to_tick
    cdef int _tick
    cdef double _half_step_s, _growth, _saturation, _suppression, _rise, _fall
    cdef double _overdrive_per_ma, _overdrive_from_ma
    cdef double _drift_keep, _drift_new, _drift_sd, _drive_sd, _gain_uv, _floor_uv
    cdef double[STAGES] _pink_keep
    cdef double[STAGES] _pink_weight
    cdef double[STAGES] _pink
    cdef double _turn_re, _turn_im
    cdef double _drift, _recruited, _re, _im, _cos, _sin
    cdef double _shift, _calm, _tone
    cdef bint _has_band
    cdef band_t _band
    cdef symptoms_t _symptoms

    cdef int live(
        self,
        const int32_t* amplitude_ua,
        double width,
        double rate,
        Py_ssize_t n,
        double* out_uv,
        double* power,
    ) except -1
    cdef void _begin_tick(self) noexcept nogil
    cdef int _next_row(self) except -1
    cdef void _end_second(self) noexcept nogil
    cdef double _target(self, double strength_ma, double rate) noexcept nogil
    cdef void _add_band(self, Py_ssize_t n, double* out_uv) noexcept nogil
    cdef void _run(
        self,
        const int32_t* amplitude_ua,
        double width,
        double rate,
        Py_ssize_t n,
        double* out_uv,
        double* power,
    ) noexcept nogil


cdef double width_factor(int width_us) noexcept nogil
cdef double rate_factor(int period_us) noexcept nogil
cdef double entrained(double amplitude_ma) noexcept nogil
cdef int check_pulses(cnp.ndarray amplitude_ua, int width_us, int period_us) except -1
