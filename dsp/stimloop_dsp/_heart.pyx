# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""R waves and tachycardia (tier: core, float64)."""

cimport cython
cimport numpy as cnp
from libc.math cimport NAN, fabs
from libc.stdint cimport int64_t

import numpy as np

from stimloop_dsp import design
from stimloop_dsp._intake cimport ARTEFACT, GAP, Intake, reading
from stimloop_dsp.heart import Beat

cnp.import_array()

cdef enum:
    SECTIONS = 2
    WAITING = 32      # peaks kept while thresholds are learned, and beats until they are told
    INTERVALS = 8     # of the mean that search-back goes by
    MEDIAN = 5

cdef struct peak:
    int64_t index     # of the R wave
    int64_t told
    double height     # of the integrated signal
    double slope

cdef struct beat:
    int64_t index
    int64_t told
    double rr_ms
    bint valid


@cython.final
cdef class RPeaks:
    """R waves of an electrocardiogram as it arrives.

    Band-pass 5 to 15 Hz, derivative, square and moving-window integration over 150 ms make a
    hump of every QRS complex. A hump above a threshold between the running levels of signal and
    noise is a beat, unless it comes within 200 ms of the last one, or within 360 ms with less
    than half its slope (a T wave). Where no beat came for 1.66 mean intervals, the highest hump
    above half the threshold since then was one. The R wave is where the band-passed signal is
    strongest, of either sign. Thresholds are learned in the first 2 s, and again after 8 s
    without a beat.

    Chunk-invariant. One instance belongs to one thread.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, 200 to 1000 Hz.
    channel : int
        The block's column.
    saturation_uv : float
        As in `Envelope`.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    References
    ----------
    J. Pan, W. Tompkins, IEEE Trans. Biomedical Engineering 32, 1985,
    doi 10.1109/TBME.1985.325532.
    """

    cdef readonly double fs_hz
    cdef Intake intake
    cdef double _gain
    cdef double[2 * SECTIONS] _a
    cdef double[2 * SECTIONS] _z
    cdef int _lag, _window, _length, _refractory, _t_wave, _quiet, _delay
    cdef cnp.ndarray _uv, _band, _slope, _ring
    cdef double _sum, _fresh
    cdef int _slot
    cdef int64_t _n            # samples taken
    cdef int64_t _base         # index of the sample after the last gap, less _n then
    cdef double _top           # of the hump that is being followed
    cdef int64_t _top_at
    cdef bint _falling         # what is left of the last hump; the next begins with a rise
    cdef double _signal, _noise
    cdef double _learned_top, _learned_sum
    cdef int64_t _learning     # samples left
    cdef peak[WAITING] _waiting
    cdef int _waits
    cdef peak _best            # the hump that search-back would take
    cdef int64_t _last_r
    cdef int64_t _since        # where the wait for a beat began
    cdef double _last_slope
    cdef double[INTERVALS] _rr
    cdef int _rrs
    cdef double[MEDIAN] _recent
    cdef int _recents, _strange
    cdef beat[WAITING] _told
    cdef int _tells

    def __cinit__(self, double fs_hz, int channel=0, double saturation_uv=10_000.0):
        if not 200 <= fs_hz <= 1000:
            raise ValueError(
                f"A sampling rate of {fs_hz} Hz was asked for; R waves are found at 200 to "
                "1000 Hz. Resample the signal."
            )
        band = design.band_pass(fs_hz, (5.0, 15.0), SECTIONS)
        self.fs_hz = fs_hz
        self.intake = Intake(fs_hz, channel, saturation_uv, round(2 * fs_hz))
        self._gain = band.gain
        for i, value in enumerate(band.sections.ravel()):
            self._a[i] = value
        self._lag = max(1, round(fs_hz / 200))
        self._window = round(0.150 * fs_hz)
        self._refractory = round(0.200 * fs_hz)
        self._t_wave = round(0.360 * fs_hz)
        self._quiet = round(8 * fs_hz)
        self._delay = round(band.delay_ms * fs_hz / 1000)
        # Long enough for the derivative, and for the R wave of a hump that fell slowly.
        self._length = 4 * self._window
        self._band = np.zeros(self._length)
        self._slope = np.zeros(self._length)
        self._ring = np.zeros(self._window)
        self._uv = np.empty(1024)
        self.reset()

    def push(self, cnp.ndarray block not None, int64_t first_index):
        """Take the next block.

        Parameters
        ----------
        block : ndarray of int32, shape (n, channels), C-contiguous
            Samples, nV, n >= 1, with ``MISSING`` for none.
        first_index : int
            Index of the block's first sample.

        Returns
        -------
        list of Beat
            The beats recognised in this block, in order.

        Raises
        ------
        TypeError
            If the block's number type, byte order or memory layout is another.
        ValueError
            If the block's shape is another.
        """
        cdef list beats = []
        cdef Py_ssize_t i
        cdef const double *uv
        self.open(block, first_index)
        uv = <const double *> cnp.PyArray_DATA(self._uv)
        for i in range(self.intake.rows):
            self.take(uv[i])
            while self._tells:
                heard = self.next_beat()
                beats.append(Beat(heard.index, heard.told, heard.rr_ms, heard.valid))
        self.intake.settle()
        return beats

    cdef int open(self, cnp.ndarray block, int64_t first_index) except -1:
        """Admit a block; over a gap the filters go on, but no interval spans it."""
        self.intake.admit(block, first_index)
        if self.intake.rows > cnp.PyArray_DIM(self._uv, 0):
            self._uv = np.empty(self.intake.rows)
        if self.intake.flags & GAP or not self._n:
            self._base = first_index - self._n
            self._last_r = -1
            self._since = self._n
            self._best.height = 0.0
        self.intake.read(<double *> cnp.PyArray_DATA(self._uv))
        return 0

    cdef beat next_beat(self) noexcept nogil:
        """The oldest beat not told yet; there must be one."""
        cdef beat first = self._told[0]
        cdef int i
        self._tells -= 1
        for i in range(self._tells):
            self._told[i] = self._told[i + 1]
        return first

    cdef void take(self, double uv) noexcept nogil:
        """Take one sample."""
        cdef double *band = <double *> cnp.PyArray_DATA(self._band)
        cdef double *slopes = <double *> cnp.PyArray_DATA(self._slope)
        cdef double *ring = <double *> cnp.PyArray_DATA(self._ring)
        cdef double x = self._gain * uv, y, slope, square, hump
        cdef int s, at = <int> (self._n % self._length), lag = self._lag
        for s in range(SECTIONS):
            y = x + self._z[2 * s]
            self._z[2 * s] = self._z[2 * s + 1] - self._a[2 * s] * y
            self._z[2 * s + 1] = -x - self._a[2 * s + 1] * y
            if fabs(self._z[2 * s]) < 1e-30 and fabs(self._z[2 * s + 1]) < 1e-30:
                self._z[2 * s] = self._z[2 * s + 1] = 0.0
            x = y
        band[at] = x
        slope = (
            2 * x
            + band[(at + self._length - lag) % self._length]
            - band[(at + self._length - 3 * lag) % self._length]
            - 2 * band[(at + self._length - 4 * lag) % self._length]
        )
        slopes[at] = fabs(slope)
        square = slope * slope
        # As in average.h: the sum is replaced by a fresh one at each turn of the ring.
        self._sum += square - ring[self._slot]
        self._fresh += square
        ring[self._slot] = square
        self._slot += 1
        if self._slot == self._window:
            self._slot = 0
            self._sum = self._fresh
            self._fresh = 0.0
        hump = self._sum / self._window if self._sum > 0 else 0.0
        if self._learning:
            self._learned_top = max(self._learned_top, hump)
            self._learned_sum += hump
        self._follow(hump)
        if self._learning:
            self._learning -= 1
            if not self._learning:
                self._learn()
        else:
            self._search_back()
        self._n += 1

    cdef void _follow(self, double hump) noexcept nogil:
        """A hump is over when it has fallen by half, or has not risen for a window."""
        cdef peak found
        if self._falling:
            self._falling = hump <= self._top
            self._top, self._top_at = hump, self._n
        elif hump > self._top:
            self._top, self._top_at = hump, self._n
        elif hump < self._top / 2 or self._n - self._top_at >= self._window:
            found = self._r_wave()
            self._top = hump
            self._falling = True
            if not self._learning:
                self._judge(found)
            elif self._waits < WAITING:
                self._waiting[self._waits] = found
                self._waits += 1

    cdef peak _r_wave(self) noexcept nogil:
        """The hump that ended: where the band was strongest, and how steep it was."""
        cdef const double *band = <const double *> cnp.PyArray_DATA(self._band)
        cdef const double *slopes = <const double *> cnp.PyArray_DATA(self._slope)
        cdef peak found
        cdef double strongest = -1.0
        cdef int64_t i, begin = max(0, self._top_at - self._window - 4 * self._lag)
        begin = max(begin, self._n - self._length + 1)
        found.height, found.slope, found.told, found.index = self._top, 0.0, self._n, begin
        for i in range(begin, self._top_at + 1):
            found.slope = max(found.slope, slopes[i % self._length])
            if fabs(band[i % self._length]) > strongest:
                strongest = fabs(band[i % self._length])
                found.index = i
        found.index -= self._delay
        return found

    cdef void _learn(self) noexcept nogil:
        cdef double total = max(1, 2 * self.fs_hz)
        cdef int i, waits = self._waits
        self._signal = self._learned_top / 3
        self._noise = self._learned_sum / total / 2
        self._waits = 0
        for i in range(waits):
            self._judge(self._waiting[i])

    cdef double _threshold(self) noexcept nogil:
        return self._noise + 0.25 * (self._signal - self._noise)

    cdef void _judge(self, peak found) noexcept nogil:
        cdef bint t_wave
        if self._last_r >= 0:
            if found.index - self._last_r < self._refractory:
                return
            t_wave = (
                found.index - self._last_r < self._t_wave
                and found.slope < 0.5 * self._last_slope
            )
        else:
            t_wave = False
        if found.height > self._threshold() and not t_wave:
            self._signal = 0.125 * found.height + 0.875 * self._signal
            self._accept(found)
            return
        self._noise = 0.125 * found.height + 0.875 * self._noise
        if not t_wave and found.height > self._best.height:
            self._best = found

    cdef void _search_back(self) noexcept nogil:
        cdef double mean = 0.0
        cdef int i
        if self._n - self._since > self._quiet:
            # Another signal than the thresholds were learned on.
            self._begin_learning()
            return
        if self._last_r < 0 or not self._rrs:
            return
        for i in range(self._rrs):
            mean += self._rr[i]
        mean /= self._rrs
        if self._n - self._last_r <= 1.66 * mean or self._best.height <= self._threshold() / 2:
            return
        self._signal = 0.25 * self._best.height + 0.75 * self._signal
        self._best.told = self._n
        self._accept(self._best)

    cdef void _accept(self, peak found) noexcept nogil:
        cdef beat heard
        cdef int i
        heard.index = self._base + found.index
        heard.told = self._base + max(found.told, self._n)
        heard.rr_ms = NAN
        heard.valid = False
        if self._last_r >= 0:
            heard.rr_ms = 1000 * (found.index - self._last_r) / self.fs_hz
            heard.valid = self._is_valid(heard.rr_ms)
            if heard.valid:
                for i in range(min(self._rrs, INTERVALS - 1), 0, -1):
                    self._rr[i] = self._rr[i - 1]
                self._rr[0] = found.index - self._last_r
                self._rrs = min(self._rrs + 1, INTERVALS)
        self._last_r = self._since = found.index
        self._last_slope = found.slope
        self._best.height = 0.0
        if self._tells < WAITING:
            self._told[self._tells] = heard
            self._tells += 1

    cdef bint _is_valid(self, double rr_ms) noexcept nogil:
        """In range and near the median; three strangers in a row are a new rhythm."""
        cdef double[MEDIAN] ordered
        cdef double value, middle
        cdef int i, j
        cdef bint near = True
        if not 300 <= rr_ms <= 2000:
            return False
        if self._recents:
            for i in range(self._recents):
                value = self._recent[i]
                j = i
                while j > 0 and ordered[j - 1] > value:
                    ordered[j] = ordered[j - 1]
                    j -= 1
                ordered[j] = value
            middle = ordered[self._recents // 2]
            near = fabs(rr_ms - middle) <= 0.4 * middle
        self._strange = 0 if near else self._strange + 1
        if not near and self._strange < 3:
            return False
        if not near:
            self._recents = self._strange = 0
        for i in range(min(self._recents, MEDIAN - 1), 0, -1):
            self._recent[i] = self._recent[i - 1]
        self._recent[0] = rr_ms
        self._recents = min(self._recents + 1, MEDIAN)
        return True

    cdef void _begin_learning(self) noexcept nogil:
        self._learning = <int64_t> (2 * self.fs_hz)
        self._learned_top = self._learned_sum = 0.0
        self._waits = 0
        self._best.height = 0.0
        self._last_r = -1
        self._since = self._n
        self._rrs = self._recents = self._strange = 0

    cdef void forget(self) noexcept:
        cdef int s
        self.intake.forget()
        self._band.fill(0)
        self._slope.fill(0)
        self._ring.fill(0)
        for s in range(2 * SECTIONS):
            self._z[s] = 0.0
        self._sum = self._fresh = self._top = 0.0
        self._signal = self._noise = self._last_slope = 0.0
        self._slot = self._tells = 0
        self._n = self._base = self._top_at = 0
        self._falling = True
        self._begin_learning()

    def reset(self):
        """Forget every sample; parameters stay."""
        self.forget()


@cython.final
cdef class TachycardiaDetector:
    """Detector of a heart rate that rises fast, as it does in many seizures.

    The foreground is the mean rate of the valid beats of the last 10 s, the background an
    exponential mean with a time constant of 300 s. Active after three beats in a row with a
    foreground of at least ``1 + theta`` times the background and 60 bpm, inactive after three
    that are below. The background stands while active, for an hour at most. Without a valid
    beat for 10 s there is no foreground: inactive, and ``Quality.ARTEFACT``.

    Heart-rate-triggered stimulation is the subject of patents, US 9241647 and 9498162 among
    them.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, 200 to 1000 Hz.
    theta : float
        Rise to detect, 0.2 to 0.7 of the background.
    channel : int
        The block's column.
    saturation_uv : float
        As in `Envelope`.

    Attributes
    ----------
    unit : str
        ``"bpm"``, of the level, which is the foreground.
    delay_ms : float
        Half the foreground's window, ms.
    background_bpm : float
        Background, bpm; 0 before the first valid beat.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    References
    ----------
    P. Boon et al., Seizure 32, 2015, doi 10.1016/j.seizure.2015.08.011 (thresholds of 20 to 70
    % and what they detected).
    """

    cdef readonly str unit
    cdef readonly double delay_ms
    cdef readonly double background_bpm
    cdef readonly double theta
    cdef RPeaks _peaks
    cdef cnp.ndarray _levels
    cdef cnp.ndarray _ends     # sample of each beat of the foreground, a ring
    cdef cnp.ndarray _rr_ms
    cdef int _first, _count
    cdef double _foreground
    cdef int _above, _below
    cdef bint _active
    cdef int64_t _lasted, _seen, _last_valid, _suspended_until
    cdef double _learned_ms

    def __cinit__(
        self, double fs_hz, double theta=0.4, int channel=0, double saturation_uv=10_000.0
    ):
        if not 0.2 <= theta <= 0.7:
            raise ValueError(
                f"A rise of {theta} was asked for; 0.2 to 0.7 of the background are allowed. "
                "Choose a lower one to detect more, a higher one for fewer false alarms."
            )
        self._peaks = RPeaks(fs_hz, channel, saturation_uv)
        self._peaks.intake.warmup = round(62 * fs_hz)
        self.theta = theta
        self.unit = "bpm"
        self.delay_ms = 5000.0
        self._levels = np.empty(1024)
        self._ends = np.zeros(64, np.int64)
        self._rr_ms = np.zeros(64)
        self.reset()

    @property
    def active(self):
        """The decision at the last sample."""
        return bool(self._active)

    @property
    def levels(self):
        """Foreground at each sample of the last block, bpm, valid until the next push."""
        view = self._levels[: self._peaks.intake.rows]
        view.flags.writeable = False
        return view

    def suspend(self, int64_t samples):
        """Take no beat for so many samples from now on: around the edge of a train.

        Parameters
        ----------
        samples : int
            >= 0.
        """
        if samples < 0:
            raise ValueError(f"A pause of {samples} samples was asked for; give 0 or more.")
        self._suspended_until = max(self._suspended_until, self._peaks._n + samples)

    def push(self, cnp.ndarray block not None, int64_t first_index, int64_t t_us):
        """Take the next block.

        Parameters
        ----------
        block : ndarray of int32, shape (n, channels), C-contiguous
            Samples, nV, n >= 1, with ``MISSING`` for none.
        first_index : int
            Index of the block's first sample.
        t_us : int
            Device time of the block's last sample, µs.

        Returns
        -------
        Reading
            Level is the foreground, bpm, 0 before the first; ``WARMUP`` until the background
            has been learned for a minute.

        Raises
        ------
        TypeError
            If the block's number type, byte order or memory layout is another.
        ValueError
            If the block's shape is another.
        """
        cdef Intake intake = self._peaks.intake
        cdef Py_ssize_t i
        self._peaks.open(block, first_index)
        if intake.rows > cnp.PyArray_DIM(self._levels, 0):
            self._levels = np.empty(intake.rows)
        if intake.flags & GAP:
            self._lasted = 0
        with nogil:
            for i in range(intake.rows):
                self._take(i)
        intake.settle()
        if self._seen - self._last_valid > 10 * self._peaks.fs_hz:
            intake.flags |= ARTEFACT
        return reading(
            intake,
            t_us,
            self._foreground,
            self._active,
            <int64_t> (1000 * self._lasted / self._peaks.fs_hz),
            NAN,
        )

    cdef void _take(self, Py_ssize_t i) noexcept nogil:
        cdef beat heard
        self._peaks.take((<const double *> cnp.PyArray_DATA(self._peaks._uv))[i])
        self._seen += 1
        while self._peaks._tells:
            heard = self._peaks.next_beat()
            if heard.valid and self._seen >= self._suspended_until:
                self._hear(heard.rr_ms)
        if self._seen - self._last_valid > 10 * self._peaks.fs_hz:
            self._active = False
            self._above = self._below = self._count = 0
        self._lasted = self._lasted + 1 if self._active else 0
        (<double *> cnp.PyArray_DATA(self._levels))[i] = self._foreground

    cdef void _hear(self, double rr_ms) noexcept nogil:
        cdef int64_t *ends = <int64_t *> cnp.PyArray_DATA(self._ends)
        cdef double *intervals = <double *> cnp.PyArray_DATA(self._rr_ms)
        cdef double sum_ms = 0.0, share
        cdef int i
        self._last_valid = self._seen
        # 64 have room for 10 s: a valid interval is 300 ms at least.
        ends[(self._first + self._count) % 64] = self._seen
        intervals[(self._first + self._count) % 64] = rr_ms
        self._count += 1
        while ends[self._first] < self._seen - 10 * self._peaks.fs_hz:
            self._first, self._count = (self._first + 1) % 64, self._count - 1
        for i in range(self._count):
            sum_ms += intervals[(self._first + i) % 64]
        self._foreground = 60_000 * self._count / sum_ms
        if not self._active or self._lasted > 3600 * self._peaks.fs_hz:
            # At first the mean of all beats so far, then forgetting.
            self._learned_ms = min(self._learned_ms + rr_ms, 300_000.0)
            share = rr_ms / self._learned_ms
            self.background_bpm += share * (60_000 / rr_ms - self.background_bpm)
        if self._learned_ms < 60_000:
            return
        if (
            self._foreground >= (1 + self.theta) * self.background_bpm
            and self._foreground >= 60
        ):
            self._above, self._below = self._above + 1, 0
        else:
            self._above, self._below = 0, self._below + 1
        if self._above >= 3:
            self._active = True
        elif self._below >= 3:
            self._active = False

    def reset(self):
        """Forget every sample; parameters stay."""
        self._peaks.forget()
        self._first = self._count = self._above = self._below = 0
        self._foreground = self.background_bpm = self._learned_ms = 0.0
        self._active = False
        self._lasted = self._seen = self._last_valid = self._suspended_until = 0
