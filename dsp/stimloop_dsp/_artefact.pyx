# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""Removal of stimulation and heart artefacts (tier: core, integers)."""

import math

cimport cython
cimport numpy as cnp
from libc.math cimport INFINITY, floor
from libc.stdint cimport INT32_MIN, int32_t, int64_t, uint8_t

import numpy as np

from stimloop_dsp._cleaner cimport Cleaner, fitting, is_bad, ratio

cnp.import_array()

cdef enum:
    MARKS = 4096  # remembered at most; a power of two
    LEAST_LAGS = 8


cdef class MarkedCleaner(Cleaner):
    """A cleaner that has to be told when pulses or beats are; made only as one of its kinds."""

    cdef double[MARKS] _marks  # sample of each
    cdef int64_t _marked       # how many there ever were
    cdef int64_t _passed       # how many of them lie behind

    def mark(self, events):
        """Tell at which samples pulses or beats are.

        Parameters
        ----------
        events : array_like of float, shape (n,)
            Index of each, in ascending order, after all before; fractions lie between samples.
            To be told before the block that holds the first sample it spoils, `delay_ms` later
            at most; of what is told later, only what is yet to come is removed.

        Raises
        ------
        ValueError
            If they are not in order, or too many wait.
        """
        cdef double last = -math.inf
        cdef double event
        if self._marked:
            last = self._marks[(self._marked - 1) % MARKS]
        told = np.atleast_1d(np.asarray(events, dtype=np.float64))
        if told.ndim != 1 or not np.isfinite(told).all() or (
            told.size and (told[0] <= last or (np.diff(told) <= 0).any())
        ):
            raise ValueError(
                "Events were marked that do not ascend from the last one; give the finite "
                "index of each once, in order."
            )
        if self._marked - self._passed + told.size > MARKS:
            raise ValueError(
                f"{told.size} events were marked while {self._marked - self._passed} waited; "
                f"{MARKS} may. Mark those of the next block only."
            )
        for event in told:
            self._marks[self._marked % MARKS] = event
            self._marked += 1

    cdef double event_of(self, double latest) noexcept nogil:
        """Last event at or before `latest`, -inf if there is none; the ones before are gone."""
        while (
            self._passed + 1 < self._marked
            and self._marks[(self._passed + 1) % MARKS] <= latest
        ):
            self._passed += 1
        if self._passed < self._marked and self._marks[self._passed % MARKS] <= latest:
            return self._marks[self._passed % MARKS]
        return -INFINITY

    def reset(self):
        """Forget every sample and event; parameters stay."""
        self._marked = self._passed = 0
        Cleaner.reset(self)


@cython.final
cdef class Blanking(MarkedCleaner):
    """Removes the samples around each pulse and closes the gap.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, Hz.
    before_ms, after_ms : float
        What is removed before and after each pulse, ms, 0 to 100.
    fill : {'interpolate', 'hold'}
        Close the gap by a straight line, which costs the delay of one gap, or by the last
        sample before it, without delay. A gap longer than one pulse's, where pulses follow each
        other too closely, is held.
    channels : int
        Columns of a block.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    """

    cdef double _before, _after  # samples
    cdef int _delay
    cdef cnp.ndarray _ring       # delay + 1 rows
    cdef cnp.ndarray _blank      # which of them are blanked
    cdef cnp.ndarray _good       # last row that was not blanked
    cdef int64_t _seen, _good_at

    def __cinit__(
        self,
        double fs_hz,
        double before_ms=0.3,
        double after_ms=2.0,
        fill="interpolate",
        int channels=1,
    ):
        self.prepare(fs_hz, channels, channels)
        if not (0 <= before_ms <= 100 and 0 <= after_ms <= 100):
            raise ValueError(
                f"{before_ms} ms before and {after_ms} ms after each pulse were asked for; 0 "
                "to 100 ms are allowed."
            )
        if fill not in ("interpolate", "hold"):
            raise ValueError(
                f"A fill of {fill!r} was asked for; choose 'interpolate' or 'hold'."
            )
        self._before = before_ms * fs_hz / 1000
        self._after = after_ms * fs_hz / 1000
        self._delay = math.floor(self._before + self._after) + 1 if fill == "interpolate" else 0
        self.delay_ms = 1000 * self._delay / fs_hz
        self._ring = np.zeros((self._delay + 1, channels), dtype=np.int32)
        self._blank = np.zeros(self._delay + 1, dtype=np.uint8)
        self._good = np.zeros(channels, dtype=np.int32)
        self.forget()

    cdef void clean(
        self, const int32_t *samples, int64_t index, Py_ssize_t rows, int32_t *out
    ) noexcept nogil:
        cdef int32_t *ring = <int32_t *> cnp.PyArray_DATA(self._ring)
        cdef int32_t *good = <int32_t *> cnp.PyArray_DATA(self._good)
        cdef uint8_t *blank = <uint8_t *> cnp.PyArray_DATA(self._blank)
        cdef int size = self._delay + 1, slot, c, ahead
        cdef int64_t at
        cdef Py_ssize_t i
        cdef double event
        for i in range(rows):
            if self._seen == 0:
                for slot in range(size):
                    for c in range(self.channels):
                        ring[slot * self.channels + c] = samples[c]
                        good[c] = samples[c]
            slot = <int> (self._seen % size)
            for c in range(self.channels):
                ring[slot * self.channels + c] = samples[i * self.channels + c]
            event = self.event_of(index + i + self._before)
            blank[slot] = index + i <= event + self._after
            self._seen += 1
            at = self._seen - size  # of the row that leaves
            slot = <int> (self._seen % size)
            if not blank[slot]:
                for c in range(self.channels):
                    good[c] = ring[slot * self.channels + c]
                    out[i * self.channels + c] = good[c]
                self._good_at = at
                continue
            ahead = 1
            while ahead < size and blank[(slot + ahead) % size]:
                ahead += 1
            for c in range(self.channels):
                out[i * self.channels + c] = good[c]
                if ahead < size:
                    out[i * self.channels + c] = between(
                        good[c],
                        ring[((slot + ahead) % size) * self.channels + c],
                        at - self._good_at,
                        at - self._good_at + ahead,
                    )

    cdef void forget(self) noexcept:
        self._blank.fill(0)
        self._seen = 0
        self._good_at = 0


cdef int32_t between(int32_t first, int32_t last, int64_t step, int64_t steps) noexcept nogil:
    """Point on the line from first to last; a bad end leaves the other."""
    if is_bad(first) or is_bad(last):
        return first if is_bad(last) else last
    return fitting(first + ratio((<int64_t> last - first) * step, steps))


@cython.final
cdef class Template(MarkedCleaner):
    """Subtracts the average of what followed the events before: pulses, or heart beats.

    Sample j after an event loses the mean of the samples j after the last `epochs` events,
    itself not among them, less the mean level before the event. Nothing is subtracted before a
    quarter of `epochs` has been seen. An epoch with a missing or saturated sample is not
    learned from there on. An epoch that the next event cuts short is learned as far as it goes.

    Events count by their nearest sample: pulses that fall between samples differently each time
    leave a residue, which `PeriodicTemplate` does not.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, Hz.
    before_ms, after_ms : float
        What an epoch spans before and after its event, ms, 0 to 2000, together above 0.
    epochs : int
        How many are averaged, 1 to 1024.
    delay_ms : float
        How much later than its samples an event may be marked, ms, 0 to 5000; the output lags
        by as much. A pulse is known beforehand, an R wave only afterwards.
    saturation_uv : float
        Greatest magnitude of a sample that is learned, µV, > 0.
    channels : int
        Columns of a block.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    References
    ----------
    T. Hashimoto, C. Elder, J. Vitek, Journal of Neuroscience Methods 113, 2002,
    doi 10.1016/S0165-0270(01)00491-5 (template subtraction of stimulus artefacts).
    """

    cdef int _before, _span, _epochs, _delay
    cdef int64_t _limit_nv
    cdef cnp.ndarray _ring    # delay + 1 rows
    cdef cnp.ndarray _learned  # epochs x span x channels, nV
    cdef cnp.ndarray _sums    # span x channels
    cdef cnp.ndarray _counts  # span: samples in the sum
    cdef cnp.ndarray _next    # span: where the next one is kept
    cdef cnp.ndarray _base    # channels, nV
    cdef cnp.ndarray _spoilt  # channels
    cdef int64_t _seen, _event

    def __cinit__(
        self,
        double fs_hz,
        double before_ms=1.0,
        double after_ms=6.0,
        int epochs=32,
        double delay_ms=0.0,
        double saturation_uv=10_000.0,
        int channels=1,
    ):
        self.prepare(fs_hz, channels, channels)
        if not (
            0 <= before_ms <= 2000 and 0 <= after_ms <= 2000 and before_ms + after_ms > 0
        ):
            raise ValueError(
                f"Epochs from {before_ms} ms before to {after_ms} ms after were asked for; 0 "
                "to 2000 ms each, and together above 0, are allowed."
            )
        if not 1 <= epochs <= 1024:
            raise ValueError(
                f"An average of {epochs} epochs was asked for; 1 to 1024 are allowed."
            )
        if not 0 <= delay_ms <= 5000:
            raise ValueError(f"A delay of {delay_ms} ms was asked for; give 0 to 5000 ms.")
        if not 0 < saturation_uv <= 1e9:
            raise ValueError(
                f"Saturation at {saturation_uv} µV was asked for; it must be above 0 and at "
                "most 1e9 µV."
            )
        self._limit_nv = <int64_t> (saturation_uv * 1000)
        self._before = round(before_ms * fs_hz / 1000)
        self._span = self._before + max(1, round(after_ms * fs_hz / 1000))
        self._epochs = epochs
        self._delay = math.ceil(delay_ms * fs_hz / 1000)
        self.delay_ms = 1000 * self._delay / fs_hz
        self._ring = np.zeros((self._delay + 1, channels), dtype=np.int32)
        self._learned = np.zeros((epochs, self._span, channels), dtype=np.int32)
        self._sums = np.zeros((self._span, channels), dtype=np.int64)
        self._counts = np.zeros((self._span, channels), dtype=np.int64)
        self._next = np.zeros((self._span, channels), dtype=np.int64)
        self._base = np.zeros(channels, dtype=np.int64)
        self._spoilt = np.zeros(channels, dtype=np.uint8)
        self.forget()

    cdef void clean(
        self, const int32_t *samples, int64_t index, Py_ssize_t rows, int32_t *out
    ) noexcept nogil:
        cdef int32_t *ring = <int32_t *> cnp.PyArray_DATA(self._ring)
        cdef uint8_t *spoilt = <uint8_t *> cnp.PyArray_DATA(self._spoilt)
        cdef int size = self._delay + 1, slot, c
        cdef int64_t at, event
        cdef Py_ssize_t i
        cdef double marked
        cdef int32_t sample
        for i in range(rows):
            if self._seen == 0:
                for slot in range(size):
                    for c in range(self.channels):
                        ring[slot * self.channels + c] = samples[c]
            slot = <int> (self._seen % size)
            for c in range(self.channels):
                ring[slot * self.channels + c] = samples[i * self.channels + c]
            self._seen += 1
            slot = <int> (self._seen % size)
            at = index + i - self._delay
            marked = self.event_of(at + self._before + 0.5)
            event = INT32_MIN if marked < INT32_MIN else <int64_t> floor(marked + 0.5)
            if event != self._event:
                self._event = event
                for c in range(self.channels):
                    spoilt[c] = False
                self._rest()
            for c in range(self.channels):
                sample = ring[slot * self.channels + c]
                if 0 <= at - event + self._before < self._span and self._seen > self._delay:
                    sample = self._subtract(<int> (at - event + self._before), c, sample)
                out[i * self.channels + c] = sample

    cdef int32_t _subtract(self, int j, int c, int32_t sample) noexcept nogil:
        """The sample without the template, which then learns it."""
        cdef int32_t *learned = <int32_t *> cnp.PyArray_DATA(self._learned)
        cdef Py_ssize_t at = <Py_ssize_t> j * self.channels + c
        cdef int64_t *total = <int64_t *> cnp.PyArray_DATA(self._sums) + at
        cdef int64_t *count = <int64_t *> cnp.PyArray_DATA(self._counts) + at
        cdef int64_t *slot = <int64_t *> cnp.PyArray_DATA(self._next) + at
        cdef uint8_t *spoilt = <uint8_t *> cnp.PyArray_DATA(self._spoilt) + c
        cdef int64_t base = (<int64_t *> cnp.PyArray_DATA(self._base))[c]
        cdef int32_t *kept
        cdef int32_t cleaned = sample
        if is_bad(sample) or not -self._limit_nv <= sample <= self._limit_nv:
            spoilt[0] = True
            return sample
        if 4 * count[0] >= self._epochs:
            cleaned = fitting(<int64_t> sample - ratio(total[0], count[0]) + base)
        if spoilt[0]:
            return cleaned
        kept = learned + slot[0] * self._span * self.channels + at
        if count[0] == self._epochs:
            total[0] -= kept[0]
        else:
            count[0] += 1
        kept[0] = sample
        total[0] += sample
        slot[0] = slot[0] + 1 if slot[0] + 1 < self._epochs else 0
        return cleaned

    cdef void _rest(self) noexcept nogil:
        """Mean level before the event, of each channel's template."""
        cdef const int64_t *sums = <const int64_t *> cnp.PyArray_DATA(self._sums)
        cdef const int64_t *counts = <const int64_t *> cnp.PyArray_DATA(self._counts)
        cdef int64_t *base = <int64_t *> cnp.PyArray_DATA(self._base)
        cdef int64_t total, count
        cdef int c, j
        for c in range(self.channels):
            total = count = 0
            for j in range(self._before):
                total += sums[j * self.channels + c]
                count += counts[j * self.channels + c]
            base[c] = ratio(total, count) if count else 0

    cdef void forget(self) noexcept:
        self._sums.fill(0)
        self._counts.fill(0)
        self._next.fill(0)
        self._base.fill(0)
        self._spoilt.fill(0)
        self._seen = 0
        self._event = INT32_MIN


@cython.final
cdef class PeriodicTemplate(Cleaner):
    """Subtracts what returns with the period of stimulation, whatever the sampling rate.

    A sample loses the mean of those samples of the last `window_ms` that lie at its own phase
    of the period, to within `tolerance` of a period, except the last `skip_ms`. The period need
    not be a whole number of samples, nor its inverse below half the sampling rate. The weights
    are those of a filter of fixed taps: sums of whole nanovolts, exact. What recurs slower than
    the window, an offset for one, is subtracted with it.

    Before the window is full, the part of it that there is is used; before it has eight taps,
    nothing is subtracted.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, Hz.
    period : float
        Period of stimulation, samples, > 1: of the clocks as they are, see `find_period`. An
        error of 1 in 10 000 matters.
    window_ms : float
        How far back it looks, ms, up to 60 000. A longer one removes less of the signal, and
        follows a changed artefact later.
    skip_ms : float
        How much of the latest past is left out, ms, >= 0: half a cycle or more of what is to
        be kept, so that it is not subtracted from itself.
    tolerance : float
        Greatest distance in phase, periods, above 0 and below 0.5. A smaller one keeps apart
        what follows a pulse closely, and needs a longer window.
    channels : int
        Columns of a block.

    Attributes
    ----------
    taps : int
        Samples that are averaged.
    settling_ms : float
        Time until the window is full, ms.

    Raises
    ------
    ValueError
        If a parameter is outside its range, or the window has fewer than eight taps.

    References
    ----------
    E. Dastin-van Rijn et al., "Uncovering biomarkers during therapeutic neuromodulation with
    PARRM", Cell Reports Methods 1, 2021, doi 10.1016/j.crmeth.2021.100010 (the method, with a
    window on both sides).
    """

    cdef readonly int taps
    cdef readonly double settling_ms
    cdef cnp.ndarray _lags
    cdef cnp.ndarray _ring  # twice `size` rows: any window of it is unbroken
    cdef cnp.ndarray _sums
    cdef cnp.ndarray _last
    cdef int _size, _ready
    cdef int64_t _seen

    def __cinit__(
        self,
        double fs_hz,
        double period,
        double window_ms=10_000.0,
        double skip_ms=50.0,
        double tolerance=0.02,
        int channels=1,
    ):
        self.prepare(fs_hz, channels, channels)
        if not 1 < period <= 1e6:
            raise ValueError(
                f"A period of {period} samples was asked for; above 1 and up to 1e6 is "
                "allowed. Sample faster than the stimulation."
            )
        if not 0 <= skip_ms < window_ms <= 60_000:
            raise ValueError(
                f"A window of {window_ms} ms without the last {skip_ms} ms was asked for; "
                "0 <= skip < window <= 60000 ms must hold."
            )
        if not 0 < tolerance < 0.5:
            raise ValueError(
                f"A tolerance of {tolerance} periods was asked for; above 0 and below 0.5 is "
                "allowed."
            )
        lags = np.arange(round(skip_ms * fs_hz / 1000) + 1, round(window_ms * fs_hz / 1000) + 1)
        turns = lags / period
        lags = lags[np.abs(turns - np.round(turns)) <= tolerance]
        if len(lags) < LEAST_LAGS:
            raise ValueError(
                f"A window of {window_ms} ms has {len(lags)} samples at the phase of the one "
                f"to clean; {LEAST_LAGS} are needed. Choose a longer window or a greater "
                "tolerance."
            )
        self.taps = len(lags)
        self._lags = lags.astype(np.int64)
        self._size = int(lags.max()) + 1
        self.settling_ms = 1000 * self._size / fs_hz
        self._ring = np.zeros((2 * self._size, channels), dtype=np.int32)
        self._sums = np.zeros(channels, dtype=np.int64)
        self._last = np.zeros(channels, dtype=np.int32)
        self.forget()

    cdef void clean(
        self, const int32_t *samples, int64_t index, Py_ssize_t rows, int32_t *out
    ) noexcept nogil:
        cdef const int64_t *lags = <const int64_t *> cnp.PyArray_DATA(self._lags)
        cdef int32_t *ring = <int32_t *> cnp.PyArray_DATA(self._ring)
        cdef int64_t *sums = <int64_t *> cnp.PyArray_DATA(self._sums)
        cdef int32_t *last = <int32_t *> cnp.PyArray_DATA(self._last)
        cdef int channels = self.channels, c, k
        cdef Py_ssize_t i, slot
        cdef const int32_t *past
        cdef int32_t sample
        for i in range(rows):
            slot = self._seen % self._size
            for c in range(channels):
                sample = samples[i * channels + c]
                if not is_bad(sample):
                    last[c] = sample
                ring[slot * channels + c] = last[c]
                ring[(slot + self._size) * channels + c] = last[c]
                sums[c] = 0
            while self._ready < self.taps and lags[self._ready] <= self._seen:
                self._ready += 1
            for k in range(self._ready):
                past = ring + (slot + self._size - lags[k]) * channels
                for c in range(channels):
                    sums[c] += past[c]
            for c in range(channels):
                sample = samples[i * channels + c]
                if self._ready >= LEAST_LAGS and not is_bad(sample):
                    sample = fitting(<int64_t> sample - ratio(sums[c], self._ready))
                out[i * channels + c] = sample
            self._seen += 1

    cdef void forget(self) noexcept:
        self._last.fill(0)
        self._seen = 0
        self._ready = 0
