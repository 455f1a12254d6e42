# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""Delayed rate equations of subthalamic nucleus and globus pallidus (tier: core, float64)."""

cimport cython
from libc.math cimport exp
from libc.stdint cimport int32_t

import numpy as np

cimport numpy as cnp

from stimloop_sim._noise cimport Noise, normal
from stimloop_sim._patient cimport check_pulses, entrained, rate_factor, width_factor

cnp.import_array()

cdef enum:
    STEPS_PER_MS = 4
    HISTORY = 32                # steps; the longest delay is 6 ms
    RESTS = 65                  # of the rest under more and more stimulation
    STAGES = 7                  # of the 1/f noise

cdef struct rates_t:
    double stn_tau, stn_top, stn_base, gpe_tau, gpe_top, gpe_base   # ms, spikes/s
    double sg, gs, gg           # weights
    double cortex, striatum     # inputs as they reach the nuclei, spikes/s


cdef inline double fired(double x, double top, double base) noexcept nogil:
    """Firing rate that a nucleus tends to under a net input."""
    return top / (1.0 + (top - base) / base * exp(-4.0 * x / top))


@cython.final
cdef class MeanField:
    """Rates of two nuclei by Heun's method in steps of a quarter of a millisecond.

    Parameters
    ----------
    key : tuple of int
        Of its streams of noise.
    fs_hz : int
        Sampling rate in Hz, a divisor of 1000.
    rates : dict of str to float
        `rates_t`.
    stn : ndarray of float64, (65,)
        Rate of the STN at rest, spikes/s, under recruitment of 0 to 1 in even steps.
    gpe : float
        Rate of the GPe at rest without stimulation, spikes/s.
    noise : float
        Standard deviation of the STN's noise in a step, spikes/s.
    block : float
        Share of the cortical input that full recruitment takes away.
    rise, fall : float
        Share of the way that recruitment goes within a step.
    omega_per_ms : float
        Angular frequency that defines amplitude and phase, rad/ms.
    settle : int
        Steps before the first sample.
    gain_uv, floor_uv : float
        Potential of one spike/s, and standard deviation of the white noise, uV.
    pink_keep, pink_weight, pink_start : ndarray of float64
        Of the 1/f noise; see `stimloop_sim.background`; weight in uV.
    """

    cdef Noise _noise
    cdef Noise _sensing
    cdef rates_t _rates
    cdef Py_ssize_t _steps, _now, _sg_delay, _gs_delay, _gg_delay
    cdef double[HISTORY] _stn
    cdef double[HISTORY] _gpe
    cdef double[RESTS] _rests
    cdef double _noise_sd, _block, _rise, _fall, _recruited, _omega, _slope
    cdef double _gain_uv, _floor_uv
    cdef double[STAGES] _pink_keep
    cdef double[STAGES] _pink_weight
    cdef double[STAGES] _pink
    cdef cnp.ndarray _state
    cdef cnp.ndarray _rates_out

    def __init__(
        self,
        key not None,
        *,
        int fs_hz,
        rates not None,
        stn not None,
        double gpe,
        double noise,
        double block,
        double rise,
        double fall,
        double omega_per_ms,
        int settle,
        double gain_uv,
        double floor_uv,
        pink_keep not None,
        pink_weight not None,
        pink_start not None,
    ):
        cdef int i
        self._noise = Noise(*key, 0)
        self._sensing = Noise(*key, 1)
        self._rates = rates
        self._steps = STEPS_PER_MS * 1000 // fs_hz
        self._sg_delay = self._gs_delay = 6 * STEPS_PER_MS
        self._gg_delay = 4 * STEPS_PER_MS
        self._noise_sd, self._block, self._rise, self._fall = noise, block, rise, fall
        self._omega = omega_per_ms
        self._gain_uv, self._floor_uv = gain_uv, floor_uv
        for i in range(RESTS):
            self._rests[i] = stn[i]
        for i in range(HISTORY):
            # Away from rest, so that what can oscillate does, also without noise.
            self._stn[i] = self._rests[0] + 1.0
            self._gpe[i] = gpe
        pink = pink_start @ self._sensing.normals(STAGES)
        for i in range(STAGES):
            self._pink_keep[i] = pink_keep[i]
            self._pink_weight[i] = pink_weight[i]
            self._pink[i] = pink[i]
        self._now = 0
        self._recruited = 0.0
        self._state = np.empty(0, np.complex128)
        self._rates_out = np.empty(0)
        for _step in range(settle):
            self._step(0.0)

    @property
    def envelope_uv(self):
        """Amplitude of the oscillation at the last block's samples, (n,), uV; a copy."""
        return self._gain_uv * np.abs(self._state)

    @property
    def phase_rad(self):
        """Its phase there, (n,), in (-pi, pi]; a copy."""
        return np.angle(self._state)

    @property
    def stn_per_s(self):
        """Rate of the STN at the last block's samples, (n,), spikes/s; a copy."""
        return self._rates_out.copy()

    def advance(self, cnp.ndarray amplitude_ua not None, int width_us, int period_us):
        """Let the nuclei live through one block; see `stimloop_sim.source.Source`."""
        check_pulses(amplitude_ua, width_us, period_us)
        cdef Py_ssize_t n = cnp.PyArray_DIM(amplitude_ua, 0)
        sensed = np.empty((n, 1))
        self._state = np.empty(n, np.complex128)
        cdef const int32_t* amplitude = <const int32_t*>cnp.PyArray_DATA(amplitude_ua)
        cdef double* out = <double*>cnp.PyArray_DATA(sensed)
        cdef double* state = <double*>cnp.PyArray_DATA(self._state)
        self._rates_out = np.empty(n)
        cdef double* rates = <double*>cnp.PyArray_DATA(self._rates_out)
        cdef double width = 1e-3 * width_factor(width_us)
        cdef double rate = rate_factor(period_us)
        cdef double hum, drive, target
        cdef Py_ssize_t i, _step
        cdef int stage
        with nogil:
            for i in range(n):
                target = entrained(width * amplitude[i]) * rate
                for _step in range(self._steps):
                    self._step(target)
                rates[i] = self._stn[self._now]
                state[2 * i] = rates[i] - self._rest()
                # A quarter of a cycle behind what it is the slope of.
                state[2 * i + 1] = -self._slope / self._omega
                drive = normal(&self._sensing.stream, self._sensing.ziggurat)
                hum = 0.0
                for stage in range(STAGES):
                    self._pink[stage] = self._pink_keep[stage] * self._pink[stage] + drive
                    hum += self._pink_weight[stage] * self._pink[stage]
                out[i] = (
                    self._gain_uv * state[2 * i]
                    + hum
                    + self._floor_uv * normal(&self._sensing.stream, self._sensing.ziggurat)
                )
        return sensed

    cdef double _rest(self) noexcept nogil:
        """Rate of the STN at rest under the present recruitment."""
        cdef double place = self._recruited * (RESTS - 1)
        cdef int below = min(<int>place, RESTS - 2)
        return self._rests[below] + (place - below) * (
            self._rests[below + 1] - self._rests[below]
        )

    cdef void _step(self, double target) noexcept nogil:
        cdef rates_t* r = &self._rates
        cdef double dt = 1.0 / STEPS_PER_MS
        cdef double stn = self._stn[self._now], gpe = self._gpe[self._now]
        cdef double cortex, stn_slope, gpe_slope, stn_next, gpe_next
        cdef Py_ssize_t now = self._now
        self._recruited += (target - self._recruited) * (
            self._rise if target > self._recruited else self._fall
        )
        cortex = r.cortex * (1.0 - self._block * self._recruited)
        stn_slope = self._stn_slope(stn, cortex, now)
        gpe_slope = self._gpe_slope(gpe, now)
        # The slopes at the end of the step; delays are longer than a step.
        stn_next = self._stn_slope(stn + dt * stn_slope, cortex, now + 1)
        gpe_next = self._gpe_slope(gpe + dt * gpe_slope, now + 1)
        self._slope = stn_next
        stn += 0.5 * dt * (stn_slope + stn_next)
        gpe += 0.5 * dt * (gpe_slope + gpe_next)
        stn += self._noise_sd * normal(&self._noise.stream, self._noise.ziggurat)
        self._now = (now + 1) & (HISTORY - 1)
        self._stn[self._now] = stn if stn > 0.0 else 0.0
        self._gpe[self._now] = gpe

    cdef double _stn_slope(self, double stn, double cortex, Py_ssize_t at) noexcept nogil:
        cdef rates_t* r = &self._rates
        cdef double heard = self._gpe[(at - self._gs_delay) & (HISTORY - 1)]
        return (fired(cortex - r.gs * heard, r.stn_top, r.stn_base) - stn) / r.stn_tau

    cdef double _gpe_slope(self, double gpe, Py_ssize_t at) noexcept nogil:
        cdef rates_t* r = &self._rates
        cdef double stn = self._stn[(at - self._sg_delay) & (HISTORY - 1)]
        cdef double own = self._gpe[(at - self._gg_delay) & (HISTORY - 1)]
        return (
            fired(r.sg * stn - r.gg * own - r.striatum, r.gpe_top, r.gpe_base) - gpe
        ) / r.gpe_tau
