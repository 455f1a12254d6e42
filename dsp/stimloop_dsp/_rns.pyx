# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""Line length, area and half-waves: the tools of responsive stimulation (tier: core, integers).

Sums are of whole nanovolts in 64 bits: exact, however long they run.
"""

import math

cimport cython
cimport numpy as cnp
from libc.math cimport NAN, fabs, llround
from libc.stdint cimport int64_t, uint8_t

import numpy as np

from stimloop_dsp import design
from stimloop_dsp._threshold cimport ThresholdDetector

cnp.import_array()


cdef class TrendDetector(ThresholdDetector):
    """A short mean beside a long one; made only as `LineLength` or `Area`.

    Attributes
    ----------
    unit : str
        ``"1"``, the short mean over the long one; ``"µV"``, the short mean, without a long one.
    """

    cdef cnp.ndarray _ring  # of the longest window, nV
    cdef Py_ssize_t _short, _long, _at
    cdef int64_t _short_sum, _long_sum

    cdef int prepare_trend(
        self,
        double fs_hz,
        double on,
        object off,
        double short_ms,
        object long_s,
        double onset_ms,
        double termination_ms,
        double blanking_ms,
        int channel,
        double saturation_uv,
    ) except -1:
        """Check and set the windows; each kind calls it once."""
        cdef double long_ms = 0.0 if long_s is None else 1000.0 * long_s
        design.check_rate(fs_hz)
        if not 0 < short_ms <= 60_000:
            raise ValueError(
                f"A short window of {short_ms} ms was asked for; above 0 and up to 60000 ms is "
                "allowed."
            )
        if long_s is not None and not short_ms < long_ms <= 3_600_000:
            raise ValueError(
                f"A long window of {long_s} s was asked for; longer than the short one and up "
                "to 3600 s is allowed. Give None for a fixed threshold."
            )
        self._short = design.sample_count(fs_hz, short_ms)
        self._long = 0 if long_s is None else design.sample_count(fs_hz, long_ms)
        self._ring = np.zeros(max(self._short, self._long), dtype=np.int64)
        self.prepare(
            "µV" if long_s is None else "1",
            fs_hz,
            500 * (self._short - 1) / fs_hz,
            1000 * max(self._short, self._long) / fs_hz,
            on,
            off,
            onset_ms,
            termination_ms,
            blanking_ms,
            channel,
            saturation_uv,
        )
        return 0

    cdef double average(self, int64_t nv) noexcept nogil:
        """Level after one more value, nV."""
        cdef int64_t *ring = <int64_t *> cnp.PyArray_DATA(self._ring)
        cdef Py_ssize_t size = cnp.PyArray_DIM(self._ring, 0)
        cdef Py_ssize_t oldest = self._at - self._short
        cdef double short_mean
        self._short_sum += nv - ring[oldest if oldest >= 0 else oldest + size]
        if self._long:
            self._long_sum += nv - ring[self._at]
        ring[self._at] = nv
        self._at = self._at + 1 if self._at + 1 < size else 0
        short_mean = <double> self._short_sum / <double> self._short
        if not self._long:
            return short_mean * 1e-3
        if self._long_sum == 0:
            return 0.0
        return short_mean / (<double> self._long_sum / <double> self._long)

    cdef void forget_trend(self) noexcept nogil:
        """Forget every sample."""
        with gil:
            self._ring.fill(0)
        self._at = 0
        self._short_sum = 0
        self._long_sum = 0


@cython.final
cdef class LineLength(TrendDetector):
    """Detector of growing and faster activity: the mean change from sample to sample.

    The level is the mean of ``|x[n] - x[n-1]|`` over a short window, as a multiple of its mean
    over a long one; or, without a long one, in µV per sample. For the rest see
    `ThresholdDetector`.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, Hz.
    on : float
        The detector becomes active above this level, > 0; 1.75 is 75 % above the trend.
    off : float, optional
        It becomes inactive at or below this, 0 to `on`; `on` if not given.
    short_ms : float
        Short window, ms, to the nearest sample, up to 60 000.
    long_s : float or None
        Long window, s, up to 3600; None for a fixed threshold in µV.
    onset_ms, termination_ms, blanking_ms, channel, saturation_uv
        As in `BetaDetector`.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    References
    ----------
    R. Esteller et al., "Line length: an efficient feature for seizure onset detection", Proc.
    23rd IEEE EMBS, 2001, doi 10.1109/IEMBS.2001.1020545.
    """

    cdef double _before_uv

    def __cinit__(
        self,
        double fs_hz,
        double on=1.75,
        off=None,
        double short_ms=2000.0,
        long_s=60.0,
        double onset_ms=0.0,
        double termination_ms=0.0,
        double blanking_ms=0.0,
        int channel=0,
        double saturation_uv=10_000.0,
    ):
        self.prepare_trend(
            fs_hz,
            on,
            off,
            short_ms,
            long_s,
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
        for i in range(rows):
            if self._before_uv != self._before_uv:  # the first sample
                self._before_uv = uv[i]
            levels[i] = self.average(llround(1e3 * fabs(uv[i] - self._before_uv)))
            self._before_uv = uv[i]

    cdef void forget(self) noexcept nogil:
        self.forget_trend()
        self._before_uv = NAN


@cython.final
cdef class Area(TrendDetector):
    """Detector of growing activity: the mean magnitude.

    The level is the mean of ``|x[n]|`` over a short window, as a multiple of its mean over a
    long one; or, without a long one, in µV. For the rest see `ThresholdDetector`.

    Parameters
    ----------
    fs_hz, on, off, short_ms, long_s
        As in `LineLength`.
    onset_ms, termination_ms, blanking_ms, channel, saturation_uv
        As in `BetaDetector`.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    References
    ----------
    F. Sun, M. Morrell, Neurotherapeutics 11, 2014, doi 10.1007/s13311-014-0280-3 (the three
    tools of responsive stimulation).
    """

    def __cinit__(
        self,
        double fs_hz,
        double on=1.75,
        off=None,
        double short_ms=2000.0,
        long_s=60.0,
        double onset_ms=0.0,
        double termination_ms=0.0,
        double blanking_ms=0.0,
        int channel=0,
        double saturation_uv=10_000.0,
    ):
        self.prepare_trend(
            fs_hz,
            on,
            off,
            short_ms,
            long_s,
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
        for i in range(rows):
            levels[i] = self.average(llround(1e3 * fabs(uv[i])))

    cdef void forget(self) noexcept nogil:
        self.forget_trend()


@cython.final
cdef class HalfWaves(ThresholdDetector):
    """Detector of waves of a certain size and duration, by counting their halves.

    A half-wave goes from one extreme to the next; turns smaller than `turn_uv` are not
    extremes. It counts when the turn that ends it is recognised, if its amplitude and duration
    are in their ranges. The level is how many have counted in the window. For the rest see
    `ThresholdDetector`.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, Hz.
    on : float
        The detector becomes active above this count, > 0; 7.5 means at least eight.
    off : float, optional
        It becomes inactive at or below this, 0 to `on`; `on` if not given.
    amplitude_uv : tuple of float
        Least and greatest amplitude, from extreme to extreme, µV, above `turn_uv`.
    duration_ms : tuple of float
        Least and greatest duration, ms, >= 0; 13 to 35 Hz is 14 to 39 ms.
    window_ms : float
        Window, ms, to the nearest sample, up to 60 000.
    turn_uv : float
        Least turn, µV, > 0.
    onset_ms, termination_ms, blanking_ms, channel, saturation_uv
        As in `BetaDetector`.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    References
    ----------
    J. Gotman, Electroencephalography and Clinical Neurophysiology 54, 1982,
    doi 10.1016/0013-4694(82)90038-4 (half-waves, and turns too small to end one).
    """

    cdef double _least_uv, _greatest_uv, _turn_uv
    cdef double _shortest, _longest  # samples
    cdef cnp.ndarray _ring           # 1 where a half-wave was counted
    cdef Py_ssize_t _at
    cdef int64_t _count, _n, _from, _extreme_at
    cdef double _from_uv, _extreme_uv
    cdef int _direction              # of the present half-wave: 1, -1, or 0 before the first

    def __cinit__(
        self,
        double fs_hz,
        double on,
        off=None,
        amplitude_uv=(10.0, 1000.0),
        duration_ms=(14.0, 39.0),
        double window_ms=500.0,
        double turn_uv=5.0,
        double onset_ms=0.0,
        double termination_ms=0.0,
        double blanking_ms=0.0,
        int channel=0,
        double saturation_uv=10_000.0,
    ):
        design.check_rate(fs_hz)
        self._least_uv, self._greatest_uv = amplitude_uv
        shortest_ms, longest_ms = duration_ms
        if not 0 < turn_uv <= self._least_uv <= self._greatest_uv < math.inf:
            raise ValueError(
                f"Half-waves of {self._least_uv} to {self._greatest_uv} µV with turns of "
                f"{turn_uv} µV were asked for; 0 < turn <= least <= greatest must hold."
            )
        if not 0 <= shortest_ms <= longest_ms < math.inf:
            raise ValueError(
                f"Half-waves of {shortest_ms} to {longest_ms} ms were asked for; "
                "0 <= least <= greatest must hold."
            )
        if not 0 < window_ms <= 60_000:
            raise ValueError(
                f"A window of {window_ms} ms was asked for; above 0 and up to 60000 ms is "
                "allowed."
            )
        self._turn_uv = turn_uv
        self._shortest = shortest_ms * fs_hz / 1000 - 1e-9
        self._longest = longest_ms * fs_hz / 1000 + 1e-9
        self._ring = np.zeros(design.sample_count(fs_hz, window_ms), dtype=np.uint8)
        self.prepare(
            "1",
            fs_hz,
            500 * (self._ring.size - 1) / fs_hz,
            1000 * self._ring.size / fs_hz,
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
        cdef uint8_t *ring = <uint8_t *> cnp.PyArray_DATA(self._ring)
        cdef Py_ssize_t size = cnp.PyArray_DIM(self._ring, 0), i
        cdef bint counts
        for i in range(rows):
            counts = self._turns(uv[i])
            self._count += counts - ring[self._at]
            ring[self._at] = counts
            self._at = self._at + 1 if self._at + 1 < size else 0
            self._n += 1
            levels[i] = <double> self._count

    cdef bint _turns(self, double uv) noexcept nogil:
        """Take a sample; whether it ends a half-wave that counts."""
        cdef double amplitude_uv, duration
        if self._n == 0:
            self._from_uv = self._extreme_uv = uv
        if self._direction == 0:
            if fabs(uv - self._from_uv) >= self._turn_uv:
                self._direction = 1 if uv > self._from_uv else -1
                self._extreme_uv, self._extreme_at = uv, self._n
            return False
        if (uv - self._extreme_uv) * self._direction >= 0:
            self._extreme_uv, self._extreme_at = uv, self._n
            return False
        if fabs(uv - self._extreme_uv) < self._turn_uv:
            return False
        amplitude_uv = fabs(self._extreme_uv - self._from_uv)
        duration = <double> (self._extreme_at - self._from)
        self._from_uv, self._from = self._extreme_uv, self._extreme_at
        self._extreme_uv, self._extreme_at = uv, self._n
        self._direction = -self._direction
        return (
            self._least_uv <= amplitude_uv <= self._greatest_uv
            and self._shortest <= duration <= self._longest
        )

    cdef void forget(self) noexcept nogil:
        with gil:
            self._ring.fill(0)
        self._at = 0
        self._count = 0
        self._n = 0
        self._from = 0
        self._extreme_at = 0
        self._from_uv = self._extreme_uv = 0.0
        self._direction = 0
