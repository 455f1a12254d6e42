# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""A Percept-like detector of three states (tier: core, float64)."""

cimport cython
cimport numpy as cnp
from libc.math cimport NAN
from libc.stdint cimport int64_t

import numpy as np

from stimloop_dsp import percept
from stimloop_dsp._intake cimport GAP, Intake, reading
from stimloop_dsp._sliding cimport SlidingDft

cnp.import_array()

cdef enum:
    FS_HZ = 250


@cython.final
cdef class PerceptDetector:
    """Band amplitude, averaged, beside two thresholds or one, with onset and blanking.

    The amplitude is the root mean square of a band of 5 Hz in a Hann window of 256 samples, 5
    times a second, or for one threshold of 64 samples, 20 times a second, at 250 Hz. Its mean
    over the averaging duration is beside the thresholds: above the upper (1), below the lower
    (-1), between (0); one threshold knows no between. What it is without a break for its onset
    duration becomes the state, and during the blanking after it nothing does. To leave a
    threshold takes the onset of that threshold. A signal that is ``active`` is in state 1.

    At the same sample, everything is bit-identical however the signal was divided into blocks.
    A gap begins window and averaging anew; until they are full, level and state stand
    (``Quality.WARMUP``). One instance belongs to one thread.

    Parameters
    ----------
    config : PerceptConfig
        Of which the amplitudes and their transitions are a controller's.
    channel : int
        The block's column, >= 0.
    saturation_uv : float
        As in `Envelope`.

    Attributes
    ----------
    unit : str
        ``"µV"``, root mean square.
    fs_hz : float
        250 Hz, which the samples must have.
    delay_ms : float
        Half the window, half the averaging and half the time between updates, ms; onset comes
        on top of it.
    settling_ms : float
        Time until the first average, ms.
    state : int
        1, 0 or -1; at the start 0, or -1 with one threshold.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    References
    ----------
    S. Stanslaski et al., npj Parkinson's Disease 10, 2024, doi 10.1038/s41531-024-00772-5.
    """

    cdef readonly str unit
    cdef readonly double fs_hz
    cdef readonly double delay_ms
    cdef readonly double settling_ms
    cdef readonly int state
    cdef Intake _intake
    cdef SlidingDft _dft
    cdef cnp.ndarray _uv
    cdef cnp.ndarray _levels
    cdef cnp.ndarray _past  # averaged
    cdef bint _dual
    cdef double _lower, _upper, _level, _amplitude
    cdef int64_t _upper_onset, _lower_onset, _blanking
    cdef int64_t _taken, _updates, _run, _blanked, _lasted
    cdef int _rate, _seen_state

    def __cinit__(self, config, int channel=0, double saturation_uv=10_000.0):
        self._dual = config.dual
        self._rate = config.updates_hz
        self._dft = SlidingDft(FS_HZ, config.band_hz, 1000 * config.fft_samples / FS_HZ)
        averaged = max(1, config.updates(config.AveragingDurationInMilliSeconds))
        self._past = np.zeros(averaged)
        self._upper_onset = max(1, config.updates(config.UpperThresholdOnsetInMilliSeconds))
        self._lower_onset = max(1, config.updates(config.LowerThresholdOnsetInMilliSeconds))
        self._blanking = config.updates(config.DetectionBlankingDurationInMilliSeconds)
        self.thresholds = config.UpperLfpThreshold, config.LowerLfpThreshold
        self.unit = "µV"
        self.fs_hz = FS_HZ
        self.delay_ms = self._dft.delay_ms + 500 * averaged / self._rate
        # The first average begins with the first update of a full window.
        first = -(-config.fft_samples * self._rate // FS_HZ)
        settling = -(-(first + averaged - 1) * FS_HZ // self._rate)
        self.settling_ms = 1000 * settling / FS_HZ
        self._intake = Intake(FS_HZ, channel, saturation_uv, settling)
        self._uv = np.empty(1024)
        self._levels = np.empty(1024)
        self.reset()

    @property
    def thresholds(self):
        """Thresholds (upper, lower), µV rms; may be set while running, 0.55 to 400.

        As many as the detector was made for: two that differ, or the same twice.
        """
        return self._upper, self._lower

    @thresholds.setter
    def thresholds(self, thresholds):
        cdef double lower, upper
        upper, lower = thresholds
        least, most = percept.THRESHOLD_RANGE_UV
        if not least <= lower <= upper <= most or (lower < upper) != self._dual:
            raise ValueError(
                f"Thresholds of {lower} to {upper} µV rms were asked for; {least} <= lower "
                f"{'<' if self._dual else '=='} upper <= {most} must hold."
            )
        self._lower, self._upper = lower, upper

    @property
    def levels(self):
        """Level at each sample of the last block, µV rms, read-only, valid until the next."""
        view = self._levels[: self._intake.rows]
        view.flags.writeable = False
        return view

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
            Level, µV rms, and state at the last sample; active in state 1.

        Raises
        ------
        TypeError
            If the block's number type, byte order or memory layout is another.
        ValueError
            If the block's shape is another.
        """
        self._intake.admit(block, first_index)
        if self._intake.rows > cnp.PyArray_DIM(self._levels, 0):
            self._uv = np.empty(self._intake.rows)
            self._levels = np.empty(self._intake.rows)
        if self._intake.flags & GAP:
            self._begin()
            self._lasted = 0
        self._run_block()
        self._intake.settle()
        return reading(
            self._intake,
            t_us,
            self._level,
            self.state > 0,
            1000 * self._lasted // FS_HZ,
            NAN,
            self.state,
        )

    cdef void _run_block(self) noexcept nogil:
        cdef double *uv = <double *> cnp.PyArray_DATA(self._uv)
        cdef double *levels = <double *> cnp.PyArray_DATA(self._levels)
        cdef Py_ssize_t i
        self._intake.read(uv)
        for i in range(self._intake.rows):
            self._dft.take(uv + i, 1, &self._amplitude)
            self._taken += 1
            if self._taken * self._rate >= (self._updates + 1) * FS_HZ:
                self._update()
            self._lasted = self._lasted + 1 if self.state > 0 else 0
            levels[i] = self._level

    cdef void _update(self) noexcept nogil:
        cdef double *past = <double *> cnp.PyArray_DATA(self._past)
        cdef Py_ssize_t averaged = cnp.PyArray_DIM(self._past, 0), i
        cdef double total = 0.0
        past[self._updates % averaged] = self._amplitude
        self._updates += 1
        if self._taken < self._intake.warmup:
            return
        for i in range(averaged):
            total += past[i]
        self._level = total / averaged
        self._judge()

    cdef void _judge(self) noexcept nogil:
        """State by the level, as the update's last step."""
        cdef int seen
        cdef int64_t needed
        if self._blanked > 0:
            self._blanked -= 1
            return
        if self._dual:
            seen = (self._level > self._upper) - (self._level < self._lower)
        else:
            seen = 1 if self._level >= self._upper else -1
        self._run = self._run + 1 if seen == self._seen_state else 1
        self._seen_state = seen
        if seen == self.state:
            return
        if seen > 0 or (seen == 0 and self.state > 0):
            needed = self._upper_onset
        else:
            needed = self._lower_onset
        if self._run >= needed:
            self.state = seen
            self._blanked = self._blanking

    cdef int _begin(self) except -1:
        """Begin window, averaging and runs anew."""
        self._dft.reset()
        self._past.fill(0)
        self._taken = 0
        self._updates = 0
        self._run = 0
        self._seen_state = self.state
        self._amplitude = 0.0
        return 0

    def reset(self):
        """Forget every sample; parameters and thresholds stay."""
        self._intake.forget()
        self.state = 0 if self._dual else -1
        self._blanked = 0
        self._lasted = 0
        self._level = 0.0
        self._begin()
