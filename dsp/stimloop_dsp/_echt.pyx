# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""Amplitude and phase at the end of a window (tier: core, float64)."""

cimport cython
cimport numpy as cnp
from libc.math cimport atan2, sqrt
from libc.stdint cimport int64_t

import numpy as np

from stimloop_dsp import design
from stimloop_dsp._threshold cimport ThresholdDetector

cnp.import_array()


@cython.final
cdef class EndpointHilbert(ThresholdDetector):
    """Detector by the endpoint-corrected Hilbert transform (ecHT).

    The window's spectrum loses its negative frequencies, is multiplied by the response of a
    causal Butterworth band-pass around the peak, which takes away the jump from the window's
    end to its beginning, and is transformed back; the last sample is the oscillation now. Only
    that sample is needed, so all of it is one product of the window with weights from design
    time. The level is the amplitude of a sine, the phase 0 at its maximum. For decisions, gaps
    and chunks see `ThresholdDetector`.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, Hz.
    on : float
        The detector becomes active above this level, µV, > 0.
    off : float, optional
        It becomes inactive at or below this, µV, 0 to `on`; `on` if not given.
    peak_hz : float
        Centre of the band, Hz; its width is half of it.
    window_ms : float
        Length of the window, ms, to the nearest sample, two cycles or more.
    hop_ms : float
        Time from one level to the next, ms, to the nearest sample; 0 is every sample.
    onset_ms, termination_ms, blanking_ms, channel, saturation_uv
        As in `BetaDetector`.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    References
    ----------
    S. Schreglmann et al., Nature Communications 12, 2021, doi 10.1038/s41467-020-20581-7.
    """

    cdef int _window, _hop, _slot
    cdef int64_t _seen
    cdef cnp.ndarray _weights   # window x 2, real and imaginary, the oldest sample first
    cdef cnp.ndarray _ring      # twice the window, so that every window lies in one piece
    cdef double _re, _im

    def __cinit__(
        self,
        double fs_hz,
        double on,
        off=None,
        double peak_hz=20.0,
        double window_ms=1000.0,
        double hop_ms=0.0,
        double onset_ms=0.0,
        double termination_ms=0.0,
        double blanking_ms=0.0,
        int channel=0,
        double saturation_uv=10_000.0,
    ):
        weights = design.endpoint_weights(fs_hz, peak_hz, window_ms)
        if not 0 <= hop_ms <= 60_000:
            raise ValueError(
                f"A hop of {hop_ms} ms was asked for; 0 to 60000 ms are allowed. Give 0 for "
                "a level at every sample."
            )
        self._window = len(weights)
        self._hop = design.sample_count(fs_hz, hop_ms)
        self._weights = np.ascontiguousarray(np.stack([weights.real, weights.imag], axis=1))
        self._ring = np.zeros(2 * self._window)
        ages = np.arange(self._window - 1, -1, -1)
        carrier = weights * np.exp(-2j * np.pi * peak_hz / fs_hz * ages)
        delay_ms = 1000 / fs_hz * float(np.real(np.sum(ages * carrier) / np.sum(carrier)))
        self.prepare(
            "µV",
            fs_hz,
            delay_ms + 500 * (self._hop - 1) / fs_hz,
            1000 * (self._window + self._hop - 1) / fs_hz,
            on,
            off,
            onset_ms,
            termination_ms,
            blanking_ms,
            channel,
            saturation_uv,
        )

    cdef void measure(
        self, const double *uv, Py_ssize_t rows, double *levels
    ) noexcept nogil:
        cdef const double *weights = <const double *> cnp.PyArray_DATA(self._weights)
        cdef double *ring = <double *> cnp.PyArray_DATA(self._ring)
        cdef Py_ssize_t i
        cdef int n
        for i in range(rows):
            ring[self._slot] = ring[self._slot + self._window] = uv[i]
            self._slot = self._slot + 1 if self._slot + 1 < self._window else 0
            self._seen += 1
            if self._seen % self._hop == 0:
                self._re = self._im = 0.0
                for n in range(self._window):
                    self._re += weights[2 * n] * ring[self._slot + n]
                    self._im += weights[2 * n + 1] * ring[self._slot + n]
            levels[i] = sqrt(self._re * self._re + self._im * self._im)

    cdef void forget(self) noexcept nogil:
        cdef double *ring = <double *> cnp.PyArray_DATA(self._ring)
        cdef int n
        for n in range(2 * self._window):
            ring[n] = 0.0
        self._slot = 0
        self._seen = 0
        self._re = self._im = 0.0

    cdef double phase_rad(self) noexcept nogil:
        return atan2(self._im, self._re)
