# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""Patient, converter, beta detector and controller in one compiled loop (tier: core)."""

cimport cython
from libc.math cimport fabs, isfinite, rint, sqrt
from libc.stdint cimport int32_t

import numpy as np

cimport numpy as cnp

from stimloop_dsp._beta cimport BetaDetector
from stimloop_dsp._intake cimport ARTEFACT, GAP, HELD, SATURATED, WARMUP
from stimloop_sim._patient cimport BetaGenerator, rate_factor, width_factor

cnp.import_array()

cdef enum:
    # A reading with one of these flags changes no output.
    UNTRUSTED = WARMUP | HELD | SATURATED | GAP | ARTEFACT

cdef enum:
    CONTINUOUS = 0              # in the order of `stimloop_sim.closed_loop.LAWS`
    ON_OFF = 1
    DUAL = 2
    PROPORTIONAL = 3
    PROPORTIONAL_INTEGRAL = 4

cdef struct law_t:
    int kind
    double low_ua, high_ua, output_ua
    double up_ua, down_ua                   # per tick
    double threshold_uv, lower_uv
    double kp_ua, ti_s, error_s, tick_s


@cython.final
cdef class CompiledLoop:
    """The loop of `stimloop_sim.closed_loop`, which says what it does.

    Parameters
    ----------
    patient : BetaGenerator
    detector : BetaDetector
        At the rate of the patient, on channel 0.
    law : dict
        `law_t`.
    gain_uv : float
        Of the patient, uV per unit.
    tick_samples : int
    width_us, period_us : int
    range_nv : float
        The converter clips beyond, nV.
    """

    cdef BetaGenerator _patient
    cdef BetaDetector _detector
    cdef law_t _law
    cdef Py_ssize_t _samples
    cdef double _width, _rate, _range_nv, _gain_uv
    cdef cnp.ndarray _amplitude, _potential, _power, _nv

    def __init__(
        self,
        BetaGenerator patient not None,
        BetaDetector detector not None,
        law not None,
        *,
        double gain_uv,
        Py_ssize_t tick_samples,
        int width_us,
        int period_us,
        double range_nv,
    ):
        self._patient, self._detector, self._law = patient, detector, law
        self._gain_uv = gain_uv
        self._samples = tick_samples
        self._width = 1e-3 * width_factor(width_us)
        self._rate = rate_factor(period_us)
        self._range_nv = range_nv
        self._amplitude = np.empty(tick_samples, np.int32)
        self._potential = np.empty(tick_samples)
        self._power = np.empty(tick_samples)
        self._nv = np.empty(tick_samples, np.int32)

    def run(self, Py_ssize_t ticks):
        """Let so many ticks pass.

        Returns
        -------
        amplitude_ua : ndarray of int32, (ticks,)
            In effect during each tick.
        level_uv : ndarray of float32, (ticks,)
            Of the detector at its end.
        envelope_uv : ndarray of float32, (ticks,)
            Root mean square of the patient's true amplitude in it.
        """
        amplitudes = np.empty(ticks, np.int32)
        levels = np.empty(ticks, np.float32)
        envelopes = np.empty(ticks, np.float32)
        cdef int32_t* told = <int32_t*>cnp.PyArray_DATA(amplitudes)
        cdef float* level = <float*>cnp.PyArray_DATA(levels)
        cdef float* envelope = <float*>cnp.PyArray_DATA(envelopes)
        cdef int32_t* amplitude = <int32_t*>cnp.PyArray_DATA(self._amplitude)
        cdef double* potential = <double*>cnp.PyArray_DATA(self._potential)
        cdef double* power = <double*>cnp.PyArray_DATA(self._power)
        cdef int* nv = <int*>cnp.PyArray_DATA(self._nv)
        cdef const float* latest = <const float*>cnp.PyArray_DATA(self._detector._levels)
        cdef int32_t present_ua
        cdef double mean
        cdef int flags
        cdef Py_ssize_t tick, i
        for tick in range(ticks):
            present_ua = <int32_t>rint(self._law.output_ua)
            for i in range(self._samples):
                amplitude[i] = present_ua
            self._patient.live(
                amplitude, self._width, self._rate, self._samples, potential, power
            )
            self._convert(potential, nv)
            flags = self._detector.follow(nv, self._samples)
            told[tick] = present_ua
            level[tick] = latest[self._samples - 1]
            mean = 0.0
            for i in range(self._samples):
                mean += power[i]
            envelope[tick] = <float>(self._gain_uv * sqrt(mean / self._samples))
            if not flags & UNTRUSTED and isfinite(level[tick]):
                self._decide(level[tick], self._detector._hysteresis.active)
        return amplitudes, levels, envelopes

    cdef void _convert(self, const double* uv, int* nv) noexcept nogil:
        """As the front end's converter does."""
        cdef double value
        cdef Py_ssize_t i
        for i in range(self._samples):
            value = rint(uv[i] * 1000.0)
            if fabs(value) >= self._range_nv:
                value = self._range_nv if value > 0 else -self._range_nv
            nv[i] = <int>value

    cdef void _decide(self, double level_uv, bint active) noexcept nogil:
        """The laws of `stimloop_dsp.controllers`, operation by operation."""
        cdef law_t* law = &self._law
        cdef double wanted_ua = law.output_ua
        cdef double error
        if law.kind == ON_OFF:
            wanted_ua += law.up_ua if active else -law.down_ua
        elif law.kind == DUAL:
            if level_uv > law.threshold_uv:
                wanted_ua += law.up_ua
            elif level_uv < law.lower_uv:
                wanted_ua -= law.down_ua
        elif law.kind == PROPORTIONAL:
            wanted_ua = law.kp_ua * ((level_uv - law.threshold_uv) / law.threshold_uv)
        elif law.kind == PROPORTIONAL_INTEGRAL:
            error = (level_uv - law.threshold_uv) / law.threshold_uv
            law.error_s += error * law.tick_s
            wanted_ua = law.kp_ua * (error + law.error_s / law.ti_s)
            if not law.low_ua <= wanted_ua <= law.high_ua:
                law.error_s -= error * law.tick_s
        law.output_ua = min(max(wanted_ua, law.low_ua), law.high_ua)
