# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""Amplitude and phase by an adaptive resonator (tier: core, float64)."""

import math

cimport cython
from libc.math cimport atan2, fabs, sqrt

from stimloop_dsp import design
from stimloop_dsp._threshold cimport ThresholdDetector


@cython.final
cdef class Resonator(ThresholdDetector):
    """Detector that follows amplitude and phase of one oscillation with little delay.

    Two references in quadrature at the target frequency are weighted so that their sum follows
    the signal; least mean squares adapt the weights at every sample:

    ``e = x - (a c + b s)``, ``a += mu e c``, ``b += mu e s``

    The level is ``sqrt(a^2 + b^2)``, the amplitude of a sine; the phase that of ``a c + b s``,
    0 at its maximum. This is a complex resonator of one pole: its -3 dB bandwidth is
    ``mu fs / (2 pi)``, and a step of amplitude is followed with the time constant
    ``2 / (mu fs)``. For decisions, gaps and chunks see `ThresholdDetector`.

    Phase tracking by adapting weights is the subject of the patent application WO 2020/183152.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, Hz.
    on : float
        The detector becomes active above this level, µV, > 0.
    off : float, optional
        It becomes inactive at or below this, µV, 0 to `on`; `on` if not given.
    peak_hz : float
        Target frequency, Hz, below half the rate.
    bandwidth_hz : float
        Bandwidth, Hz, > 0, at most a twelfth of the rate: the price of a short delay.
    onset_ms, termination_ms, blanking_ms, channel, saturation_uv
        As in `BetaDetector`.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    References
    ----------
    B. Widrow et al., "Adaptive noise cancelling", Proceedings of the IEEE 63, 1975,
    doi 10.1109/PROC.1975.10036 (two weights and a reference in quadrature).
    """

    cdef double _mu, _turn_re, _turn_im
    cdef double _c, _s, _a, _b

    def __cinit__(
        self,
        double fs_hz,
        double on,
        off=None,
        double peak_hz=20.0,
        double bandwidth_hz=2.0,
        double onset_ms=0.0,
        double termination_ms=0.0,
        double blanking_ms=0.0,
        int channel=0,
        double saturation_uv=10_000.0,
    ):
        design.check_rate(fs_hz)
        if not 0 < peak_hz < fs_hz / 2:
            raise ValueError(
                f"A peak of {peak_hz} Hz was asked for; at {fs_hz} Hz it must lie between 0 "
                f"and {fs_hz / 2} Hz. Choose another peak or a higher rate."
            )
        if not 0 < bandwidth_hz <= fs_hz / 12:
            raise ValueError(
                f"A bandwidth of {bandwidth_hz} Hz was asked for; at {fs_hz} Hz it must be "
                f"above 0 and at most {fs_hz / 12:g} Hz. Choose a narrower one."
            )
        self._mu = 2 * math.pi * bandwidth_hz / fs_hz
        self._turn_re = math.cos(2 * math.pi * peak_hz / fs_hz)
        self._turn_im = math.sin(2 * math.pi * peak_hz / fs_hz)
        self.prepare(
            "µV",
            fs_hz,
            2000 / (self._mu * fs_hz),
            -math.log(design.SETTLED) * 2000 / (self._mu * fs_hz),
            on,
            off,
            onset_ms,
            termination_ms,
            blanking_ms,
            channel,
            saturation_uv,
        )
        self.forget()

    cdef void measure(
        self, const double *uv, Py_ssize_t rows, double *levels
    ) noexcept nogil:
        cdef Py_ssize_t i
        cdef double c, s, error, length
        for i in range(rows):
            c = self._c * self._turn_re - self._s * self._turn_im
            s = self._c * self._turn_im + self._s * self._turn_re
            # One Newton step toward length 1: rounding cannot grow, at any age.
            length = 1.5 - 0.5 * (c * c + s * s)
            self._c = c * length
            self._s = s * length
            error = uv[i] - (self._a * self._c + self._b * self._s)
            self._a += self._mu * error * self._c
            self._b += self._mu * error * self._s
            # Silence decays into denormal numbers, which are slow on some processors.
            if fabs(self._a) < 1e-30 and fabs(self._b) < 1e-30:
                self._a = self._b = 0.0
            levels[i] = sqrt(self._a * self._a + self._b * self._b)

    cdef void forget(self) noexcept nogil:
        self._c, self._s = 1.0, 0.0
        self._a = self._b = 0.0

    cdef double phase_rad(self) noexcept nogil:
        return atan2(
            self._a * self._s - self._b * self._c, self._a * self._c + self._b * self._s
        )
