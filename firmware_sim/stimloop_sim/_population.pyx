# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""Coupled phase oscillators that answer every pulse (tier: core, float64).

Phases are kept as unit vectors, and turned by the Cayley form of a rotation, which keeps their
length without a sine or cosine.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t

import numpy as np

cimport numpy as cnp

from stimloop_sim._noise cimport Noise, normal
from stimloop_sim._patient cimport check_pulses, entrained, width_factor

cnp.import_array()

cdef enum:
    STEP_US = 1000              # of the integration
    STAGES = 7                  # of the 1/f noise


@cython.final
cdef class Population:
    """A population of phase oscillators, all coupled to their mean.

    Parameters
    ----------
    key : tuple of int
        Of its streams of noise, each of which stimulation leaves as it is.
    fs_hz : int
        Sampling rate in Hz, a divisor of 1000.
    turn : complex
        Phase advance in a step at the mean frequency, of modulus 1.
    detuning : ndarray of float64, (n,)
        Further phase advance of each oscillator in a step, rad.
    response_cos, response_sin : ndarray of float64, (n,)
        Cosine and sine of each oscillator's response phase.
    coupling : float
        Phase advance in a step towards the mean, per unit of the order parameter.
    diffusion : float
        Standard deviation of each phase's noise in a step, rad.
    kick : float
        Largest phase advance by a pulse that recruits all, rad.
    scatter : float
        Standard deviation of the phase advance by such a pulse, rad.
    settle : int
        Steps before the first sample.
    gain_uv, floor_uv : float
        Potential of full synchrony, and standard deviation of the white noise, uV.
    pink_keep, pink_weight, pink_start : ndarray of float64
        Of the 1/f noise; see `stimloop_sim.background`; weight in uV.
    """

    cdef Noise _noise
    cdef Noise _scattering
    cdef Noise _sensing
    cdef Py_ssize_t _count, _steps
    cdef double _turn_re, _turn_im, _coupling, _diffusion, _kick, _scatter
    cdef double _gain_uv, _floor_uv, _mean_re, _mean_im
    cdef cnp.ndarray _re, _im, _detuning, _cos, _sin, _advance, _mean
    cdef double[STAGES] _pink_keep
    cdef double[STAGES] _pink_weight
    cdef double[STAGES] _pink
    cdef int64_t _due_us
    cdef bint _pulsing

    def __init__(
        self,
        key not None,
        *,
        int fs_hz,
        double complex turn,
        detuning not None,
        response_cos not None,
        response_sin not None,
        double coupling,
        double diffusion,
        double kick,
        double scatter,
        int settle,
        double gain_uv,
        double floor_uv,
        pink_keep not None,
        pink_weight not None,
        pink_start not None,
    ):
        cdef int i
        self._noise = Noise(*key, 0)
        self._scattering = Noise(*key, 1)
        self._sensing = Noise(*key, 2)
        self._count = len(detuning)
        self._steps = 1_000_000 // (STEP_US * fs_hz)
        self._turn_re, self._turn_im = turn.real, turn.imag
        self._detuning = np.ascontiguousarray(detuning, np.float64)
        self._cos = np.ascontiguousarray(response_cos, np.float64)
        self._sin = np.ascontiguousarray(response_sin, np.float64)
        self._coupling, self._diffusion = coupling, diffusion
        self._kick, self._scatter = kick, scatter
        self._gain_uv, self._floor_uv = gain_uv, floor_uv
        start = 2.0 * np.pi * self._noise.uniforms(self._count)
        self._re, self._im = np.cos(start), np.sin(start)
        self._advance = np.empty(self._count)
        self._mean_re, self._mean_im = self._re.mean(), self._im.mean()
        pink = pink_start @ self._sensing.normals(STAGES)
        for i in range(STAGES):
            self._pink_keep[i] = pink_keep[i]
            self._pink_weight[i] = pink_weight[i]
            self._pink[i] = pink[i]
        self._mean = np.empty(0, np.complex128)
        self._due_us = 0
        self._pulsing = False
        for _step in range(settle):
            self._step(0.0)

    @property
    def envelope_uv(self):
        """Order parameter times gain at the last block's samples, (n,), uV; a copy."""
        return self._gain_uv * np.abs(self._mean)

    @property
    def phase_rad(self):
        """Phase of the mean at the last block's samples, (n,), in (-pi, pi]; a copy."""
        return np.angle(self._mean)

    def advance(self, cnp.ndarray amplitude_ua not None, int width_us, int period_us):
        """Let the population live through one block; see `stimloop_sim.source.Source`.

        The first pulse of a train is in the first interval with an amplitude.
        """
        check_pulses(amplitude_ua, width_us, period_us)
        cdef Py_ssize_t n = cnp.PyArray_DIM(amplitude_ua, 0)
        sensed = np.empty((n, 1))
        self._mean = np.empty(n, np.complex128)
        cdef const int32_t* amplitude = <const int32_t*>cnp.PyArray_DATA(amplitude_ua)
        cdef double* out = <double*>cnp.PyArray_DATA(sensed)
        cdef double* mean = <double*>cnp.PyArray_DATA(self._mean)
        cdef double width = 1e-3 * width_factor(width_us)
        cdef double hum, drive
        cdef Py_ssize_t i, _step
        cdef int stage
        with nogil:
            for i in range(n):
                for _step in range(self._steps):
                    self._step(
                        self._pulses(amplitude[i], period_us) * entrained(width * amplitude[i])
                    )
                mean[2 * i], mean[2 * i + 1] = self._mean_re, self._mean_im
                drive = normal(&self._sensing.stream, self._sensing.ziggurat)
                hum = 0.0
                for stage in range(STAGES):
                    self._pink[stage] = self._pink_keep[stage] * self._pink[stage] + drive
                    hum += self._pink_weight[stage] * self._pink[stage]
                out[i] = (
                    self._gain_uv * self._mean_re
                    + hum
                    + self._floor_uv * normal(&self._sensing.stream, self._sensing.ziggurat)
                )
        return sensed

    cdef int _pulses(self, int32_t amplitude_ua, int period_us) noexcept nogil:
        """Pulses that begin within the next step."""
        cdef int count = 0
        if amplitude_ua == 0 or period_us == 0:
            self._pulsing = False
            return 0
        if not self._pulsing:
            self._pulsing = True
            self._due_us = 0
        while self._due_us < STEP_US:
            count += 1
            self._due_us += period_us
        self._due_us -= STEP_US
        return count

    cdef void _step(self, double recruited) noexcept nogil:
        """One step; `recruited` is the sum over its pulses of the share that they recruit."""
        cdef double* re = <double*>cnp.PyArray_DATA(self._re)
        cdef double* im = <double*>cnp.PyArray_DATA(self._im)
        cdef double* advance = <double*>cnp.PyArray_DATA(self._advance)
        cdef const double* detuning = <const double*>cnp.PyArray_DATA(self._detuning)
        cdef const double* cosine = <const double*>cnp.PyArray_DATA(self._cos)
        cdef const double* sine = <const double*>cnp.PyArray_DATA(self._sin)
        cdef double mean_re = self._mean_re, mean_im = self._mean_im
        cdef double half, square, norm, c, s, turned, kick, scatter
        cdef Py_ssize_t i
        for i in range(self._count):
            advance[i] = self._diffusion * normal(&self._noise.stream, self._noise.ziggurat)
        if recruited > 0.0:
            # Towards the response phase: a pulse there gathers, one opposite scatters.
            kick = self._kick * recruited
            scatter = self._scatter * recruited
            for i in range(self._count):
                advance[i] -= kick * (im[i] * cosine[i] - re[i] * sine[i])
                advance[i] += scatter * normal(
                    &self._scattering.stream, self._scattering.ziggurat
                )
        self._mean_re = self._mean_im = 0.0
        for i in range(self._count):
            half = 0.5 * (
                advance[i] + detuning[i] + self._coupling * (mean_im * re[i] - mean_re * im[i])
            )
            square = half * half
            norm = 1.0 / (1.0 + square)
            c = (1.0 - square) * norm
            s = 2.0 * half * norm
            turned = c * self._turn_re - s * self._turn_im
            s = s * self._turn_re + c * self._turn_im
            c = turned
            turned = re[i] * c - im[i] * s
            im[i] = im[i] * c + re[i] * s
            re[i] = turned
            # One Newton step towards modulus 1.
            norm = 1.5 - 0.5 * (re[i] * re[i] + im[i] * im[i])
            re[i] *= norm
            im[i] *= norm
            self._mean_re += re[i]
            self._mean_im += im[i]
        self._mean_re /= self._count
        self._mean_im /= self._count
