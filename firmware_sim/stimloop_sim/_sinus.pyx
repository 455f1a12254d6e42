# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""The rhythm of a sinus node (tier: core, float64)."""

cimport cython
from libc.math cimport cos, exp, sin, sqrt

import numpy as np

cimport numpy as cnp

cnp.import_array()

cdef double STEP_S = 0.1
cdef double TWO_PI = 6.283185307179586
cdef double SLOWEST_BPM = 30.0
cdef double FASTEST_BPM = 200.0
cdef double WITHDRAWN_BPM = 140.0   # no vagal variability is left at this rate
cdef double MAYER_HZ = 0.1
cdef double MAYER_S = 20.0          # how long the oscillation at 0.1 Hz remembers
cdef double SLOW_S = 120.0
cdef double BREATH_WANDER = 0.1     # of the breathing rate from step to step, in parts


@cython.final
cdef class Sinus:
    """Rate of the heart in steps of 0.1 s.

    Rest, what activity asks for (approached with one time constant up and another down), and
    what is added at once, times ``1 + respiration + a stochastic oscillation at 0.1 Hz + a slow
    process``. The first two are vagal and vanish towards 140 bpm.

    Parameters
    ----------
    heart : stimloop_sim.vns.Heart
    noise : numpy.random.Generator
        Four normal deviates for each step, whatever happens.

    Attributes
    ----------
    rate_bpm : float
    breath_rad : float
        Phase of breathing.
    """

    def __init__(self, heart not None, noise not None):
        cdef double keep = exp(-STEP_S / MAYER_S)
        self._noise = noise
        self._normals = np.empty(STEPS_DRAWN * NORMALS)
        self._next = STEPS_DRAWN
        self._rest_bpm = heart.rest_bpm
        self._rsa, self._lf, self._vlf = heart.rsa, heart.lf, heart.vlf
        self._breath_step = TWO_PI * heart.breath_hz * STEP_S
        self._climb = 1.0 - exp(-STEP_S / heart.climb_s)
        self._calm = 1.0 - exp(-STEP_S / heart.calm_s)
        self._lf_keep_re = keep * cos(TWO_PI * MAYER_HZ * STEP_S)
        self._lf_keep_im = keep * sin(TWO_PI * MAYER_HZ * STEP_S)
        self._lf_new = sqrt(1.0 - keep * keep)
        self._vlf_keep = exp(-STEP_S / SLOW_S)
        self._vlf_new = sqrt(1.0 - self._vlf_keep * self._vlf_keep)
        self._lf_re, self._lf_im, self._slow = noise.standard_normal(3)
        self._active_bpm = self.breath_rad = 0.0
        self.rate_bpm = heart.rest_bpm

    cdef int step(self, double goal_bpm, double added_bpm) except -1:
        """Live through 0.1 s: activity is bound for `goal_bpm` above rest."""
        cdef const double *normal
        cdef double mean_bpm, vagal, re
        if self._next == STEPS_DRAWN:
            self._noise.standard_normal(out=self._normals)
            self._next = 0
        normal = <const double *> cnp.PyArray_DATA(self._normals) + self._next * NORMALS
        self._next += 1
        self._active_bpm += (goal_bpm - self._active_bpm) * (
            self._climb if goal_bpm > self._active_bpm else self._calm
        )
        re = self._lf_keep_re * self._lf_re - self._lf_keep_im * self._lf_im
        self._lf_im = self._lf_keep_im * self._lf_re + self._lf_keep_re * self._lf_im
        self._lf_re = re + self._lf_new * normal[0]
        self._lf_im += self._lf_new * normal[1]
        self._slow = self._vlf_keep * self._slow + self._vlf_new * normal[2]
        self.breath_rad += self._breath_step * max(0.0, 1.0 + BREATH_WANDER * normal[3])
        if self.breath_rad >= TWO_PI:
            self.breath_rad -= TWO_PI
        mean_bpm = self._rest_bpm + self._active_bpm + added_bpm
        vagal = (WITHDRAWN_BPM - mean_bpm) / (WITHDRAWN_BPM - self._rest_bpm)
        vagal = min(max(vagal, 0.0), 1.0)
        mean_bpm *= 1.0 + self._vlf * self._slow + vagal * (
            self._rsa * sin(self.breath_rad) + self._lf * self._lf_re
        )
        self.rate_bpm = min(max(mean_bpm, SLOWEST_BPM), FASTEST_BPM)
        return 0
