# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""Per-pulse arithmetic of the simulated spinal cord (tier: core, float64).

Everything is a function of time, evaluated at the pulse itself: no step size, and no way for
the length of a block to change a response. Waves, artefact and late response have a constant
form, which `stimloop_sim.cord` works out once.
"""

cimport cython
cimport numpy as cnp
from libc.math cimport M_PI, exp, expm1, log1p, sin

import numpy as np

cnp.import_array()

cdef enum:
    AXES = 3
    SWEEPS_DRAWN = 64           # noise is drawn for so many sweeps at once


@cython.final
cdef class Body:
    """Postures, breath, heart, steps and coughs at any time, asked for in ascending order.

    Parameters
    ----------
    generator : numpy.random.Generator
        Of the phases and of the coughs; two bodies of one seed move alike.
    stays : sequence of (threshold_uc, slope_uv_uc, gravity_g, walks, seconds)
        Repeated for ever.
    transition_s : float
        Time constant of the way into a posture, s.
    rhythms : sequence of (hz, depth)
        Breath, heart, steps: each sways the threshold by this share.
    bounce_g : float
        Amplitude of the steps at the accelerometer, g.
    cough_gap_s, cough_s : float
        Mean time from one cough to the next, 0 for none, and its length, s.
    cough_threshold, cough_slope : float
        At its height the threshold is lower and the slope higher by these shares.

    Attributes
    ----------
    threshold_uc, slope_uv_uc : float
        At the latest time asked for.
    cough : float
        Height of a cough at that time, 0 to 1.
    """

    cdef readonly double threshold_uc, slope_uv_uc, cough
    cdef object _generator
    cdef double[:, ::1] _stays
    cdef double[4] _hz
    cdef double[4] _depth
    cdef double[4] _phase
    cdef double _transition_s, _bounce_g
    cdef double _cough_gap_s, _cough_s, _cough_threshold, _cough_slope, _cough_at_s
    cdef int _stay
    cdef double _since_s            # when the present posture was taken up
    cdef double[6] _begun           # threshold, slope, gravity, steps as they were then
    cdef double[6] _now

    def __init__(self, generator not None, stays, *, double transition_s, rhythms,
                 double bounce_g, double cough_gap_s, double cough_s, double cough_threshold,
                 double cough_slope):
        cdef int k
        self._generator = generator
        self._stays = np.array(
            [(t, s, *gravity, walks, seconds) for t, s, gravity, walks, seconds in stays],
            np.float64,
        )
        self._transition_s = transition_s
        self._bounce_g = bounce_g
        for k in range(AXES):
            self._hz[k], self._depth[k] = rhythms[k]
            self._phase[k] = 2.0 * M_PI * generator.random()
        self._cough_gap_s = cough_gap_s
        self._cough_s = cough_s
        self._cough_threshold = cough_threshold
        self._cough_slope = cough_slope
        self._cough_at_s = self._next_cough_s(0.0)
        self._stay = 0
        self._since_s = 0.0
        for k in range(6):
            self._begun[k] = self._stays[0, k]
        self.go(0.0)

    cdef double _next_cough_s(self, double from_s):
        if self._cough_gap_s <= 0.0:
            return 1e300
        return from_s + self._cough_gap_s * self._generator.standard_exponential()

    cdef void _approach(self, double t_s) noexcept:
        cdef double left = exp((self._since_s - t_s) / self._transition_s)
        cdef int k
        for k in range(6):
            self._now[k] = self._stays[self._stay, k] + left * (
                self._begun[k] - self._stays[self._stay, k]
            )

    cdef double _swing(self, int rhythm, double t_s) noexcept:
        return sin(2.0 * M_PI * self._hz[rhythm] * t_s + self._phase[rhythm])

    cdef int go(self, double t_s) except -1:
        """Move on to a time."""
        cdef double end_s
        cdef int k
        while True:
            end_s = self._since_s + self._stays[self._stay, 6]
            if t_s < end_s:
                break
            self._approach(end_s)
            for k in range(6):
                self._begun[k] = self._now[k]
            self._since_s = end_s
            self._stay = (self._stay + 1) % self._stays.shape[0]
        while t_s >= self._cough_at_s + self._cough_s:
            self._cough_at_s = self._next_cough_s(self._cough_at_s + self._cough_s)
        self._approach(t_s)
        self.cough = 0.0
        if t_s > self._cough_at_s:
            self.cough = sin(M_PI * (t_s - self._cough_at_s) / self._cough_s)
        self.threshold_uc = self._now[0] * (1.0 - self._cough_threshold * self.cough) * (
            1.0
            + self._depth[0] * self._swing(0, t_s)
            + self._depth[1] * self._swing(1, t_s)
            + self._depth[2] * self._now[5] * self._swing(2, t_s)
        )
        self.slope_uv_uc = self._now[1] * (1.0 + self._cough_slope * self.cough)
        return 0

    def move(self, double t_s):
        """Move on to a time, s, not before the one asked for last."""
        self.go(t_s)

    def feel(self, long long from_us, int step_us, int n, double uv_per_g):
        """What an accelerometer gives at the ends of `n` steps from a time on, µs.

        Returns
        -------
        ndarray of float64, (n, 3)
            µV.
        """
        cdef cnp.npy_intp[2] shape
        shape[0] = n
        shape[1] = AXES
        felt = cnp.PyArray_EMPTY(2, shape, cnp.NPY_DOUBLE, 0)
        cdef double* out = <double*>cnp.PyArray_DATA(felt)
        cdef double t_s, bounce
        cdef int i, k
        for i in range(n):
            t_s = 1e-6 * (from_us + (i + 1) * <long long>step_us)
            self.go(t_s)
            bounce = self._bounce_g * self._now[5] * self._swing(2, t_s)
            for k in range(AXES):
                out[i * AXES + k] = uv_per_g * self._now[2 + k]
            out[i * AXES] += uv_per_g * bounce
        return felt


@cython.final
cdef class Cord:
    """Response of the cord to one pulse after another, and what the patient makes of it.

    Parameters
    ----------
    body : Body
        Of this cord alone.
    generator : numpy.random.Generator
        Of the noise: a fixed number of deviates for every sweep.
    wave, artefact, late, drift : ndarray of float64, (samples,)
        The response of 1 µV, what 1 µC of charge leaves, the late response of 1 µV, and a drift
        of 1 µV per ms, sampled as the front end does.
    noise_uv, drift_uv_ms : float
        Standard deviations: of each sample, µV, and of a sweep's drift, µV/ms.
    knee : float
        Width of the soft knee, as a share of the threshold.
    artefact_uv_uc, late_uv_uc : float
        Of artefact and late response, µV/µC.
    late_ratio : float
        Charge over threshold at which the late response begins.
    width_us, chronaxie_us : float
        Pulse width that the thresholds are for, and the chronaxie, µs.
    perception, comfort, discomfort : float
        Charge over threshold at which the patient feels something, is comfortable, and is not
        any more.
    pain_mm, relief, relief_s, carry_s : float
        Pain without stimulation, mm of 100; the share of it that full gating takes away in the
        end; time constants of relief and of its end, s.

    Attributes
    ----------
    evoked_uv : float
        Response to the latest pulse, N1 to P2, without noise.
    ratio : float
        Charge of the latest pulse over the threshold at its time.
    sensation : float
        0 not felt, 1 comfortable, 2 uncomfortable, and between and beyond.
    """

    cdef readonly double evoked_uv, ratio, sensation
    cdef readonly Body body
    cdef object _generator
    cdef double[::1] _wave, _artefact, _late, _drift
    cdef cnp.ndarray _normals
    cdef Py_ssize_t _next, _samples
    cdef double _noise_uv, _drift_uv_ms, _knee, _artefact_uv_uc, _late_uv_uc, _late_ratio
    cdef double _width_us, _chronaxie_us, _perception, _comfort, _discomfort
    cdef double _pain_mm, _most, _relief_s, _carry_s, _relief, _relief_at_s

    def __init__(self, Body body not None, generator not None, *, wave, artefact, late, drift,
                 double noise_uv, double drift_uv_ms, double knee, double artefact_uv_uc,
                 double late_uv_uc, double late_ratio, double width_us, double chronaxie_us,
                 double perception, double comfort, double discomfort, double pain_mm,
                 double relief, double relief_s, double carry_s):
        self.body = body
        self._generator = generator
        self._wave = wave
        self._artefact = artefact
        self._late = late
        self._drift = drift
        self._samples = self._wave.shape[0]
        self._normals = np.empty(SWEEPS_DRAWN * (self._samples + 1))
        self._next = SWEEPS_DRAWN
        self._noise_uv = noise_uv
        self._drift_uv_ms = drift_uv_ms
        self._knee = knee
        self._artefact_uv_uc = artefact_uv_uc
        self._late_uv_uc = late_uv_uc
        self._late_ratio = late_ratio
        self._width_us = width_us
        self._chronaxie_us = chronaxie_us
        self._perception = perception
        self._comfort = comfort
        self._discomfort = discomfort
        self._pain_mm = pain_mm
        self._most = relief
        self._relief_s = relief_s
        self._carry_s = carry_s
        self._relief = self._relief_at_s = 0.0
        self.evoked_uv = self.ratio = self.sensation = 0.0

    def evoke(self, long long t_us, int amplitude_ua, int width_us):
        """Let one pulse be felt, and sample what follows it.

        Parameters
        ----------
        t_us : int
            Time of the pulse, not before the one before, µs.
        amplitude_ua : int
            µA, 0 or more; at 0 there is only noise.
        width_us : int
            µs, 0 or more.

        Returns
        -------
        ndarray of float64, (samples,)
            µV.
        """
        cdef double charge_uc = 1e-6 * amplitude_ua * width_us
        cdef double t_s = 1e-6 * t_us
        cdef double beyond, late_uv = 0.0
        if amplitude_ua < 0 or width_us < 0:
            raise ValueError(
                f"amplitude {amplitude_ua} µA and width {width_us} µs must not be negative"
            )
        self.evoked_uv = 0.0
        if charge_uc > 0.0:
            self.body.go(t_s)
            # Weiss: a wider pulse needs more charge.
            self.ratio = charge_uc / self.body.threshold_uc * (
                (self._width_us + self._chronaxie_us) / (width_us + self._chronaxie_us)
            )
            beyond = (self.ratio - 1.0) / self._knee
            self.evoked_uv = self.body.slope_uv_uc * self.body.threshold_uc * self._knee * (
                beyond if beyond > 30.0 else log1p(exp(beyond))
            )
            late_uv = self._late_uv_uc * self.body.threshold_uc * max(
                0.0, self.ratio - self._late_ratio
            )
            self.sensation = self._felt()
            self._gate(t_s)
        return self._sweep(charge_uc, late_uv)

    cdef double _felt(self) noexcept:
        if self.ratio < self._comfort:
            return max(
                0.0, (self.ratio - self._perception) / (self._comfort - self._perception)
            )
        return 1.0 + (self.ratio - self._comfort) / (self._discomfort - self._comfort)

    cdef void _gate(self, double t_s) noexcept:
        """Relief grows while pulses are felt and not too strong, and outlasts them."""
        cdef double goal = self._most * min(1.0, max(0.0, min(
            self.sensation, 3.0 - self.sensation
        )))
        cdef double elapsed_s = t_s - self._relief_at_s
        if elapsed_s > 1.0:         # a pause, and one second with pulses
            self._relief *= exp((1.0 - elapsed_s) / self._carry_s)
            elapsed_s = 1.0
        self._relief -= (goal - self._relief) * expm1(
            -elapsed_s / (self._relief_s if goal > self._relief else self._carry_s)
        )
        self._relief_at_s = t_s

    def pain_mm(self, double t_s):
        """Pain at a time not before the latest pulse, mm of 100 (illustrative)."""
        cdef double left = self._relief * exp((self._relief_at_s - t_s) / self._carry_s)
        return self._pain_mm * (1.0 - left)

    cdef object _sweep(self, double charge_uc, double late_uv):
        cdef cnp.npy_intp n = self._samples
        cdef Py_ssize_t i
        if self._next == SWEEPS_DRAWN:
            self._generator.standard_normal(out=self._normals)
            self._next = 0
        cdef const double* normal = <double*>cnp.PyArray_DATA(self._normals)
        normal += self._next * (n + 1)
        self._next += 1
        sweep = cnp.PyArray_EMPTY(1, &n, cnp.NPY_DOUBLE, 0)
        cdef double* out = <double*>cnp.PyArray_DATA(sweep)
        cdef double drift = self._drift_uv_ms * normal[n] if charge_uc > 0.0 else 0.0
        for i in range(n):
            out[i] = (
                self.evoked_uv * self._wave[i]
                + self._artefact_uv_uc * charge_uc * self._artefact[i]
                + late_uv * self._late[i]
                + drift * self._drift[i]
                + self._noise_uv * normal[i]
            )
        return sweep
