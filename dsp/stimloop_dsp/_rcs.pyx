# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""The Summit RC+S embedded pipeline (tier: core, float64 and int64).

Time domain to counts, window, FFT bins, bit shift, band power; linear detectors with debounce
and blanking; combined state. Compatible with the published behaviour; not affiliated with its
maker.
"""

cimport cython
cimport numpy as cnp
from libc.math cimport NAN, floor
from libc.stdint cimport int64_t

import numpy as np

from stimloop_dsp import rcs
from stimloop_dsp._intake cimport ARTEFACT, GAP, Intake, reading

cnp.import_array()

cdef enum:
    BANDS = 8
    FEATURES = 4

cdef double OVERRANGE = rcs.OVERRANGE


@cython.final
cdef class LinearDetector:
    """One of the device's two linear detectors, power by power.

    ``output = sum(weight * multiply * (mean(power) - subtract))`` over ``updateRate`` powers;
    its class is the number of thresholds that it is above; the state follows the class when it
    has lasted for ``onsetDuration`` outputs upward, or ``terminationDuration`` downward.

    Parameters
    ----------
    config : DetectorConfig
        Its settings.

    Attributes
    ----------
    output : float
        The last output.
    state : int
        0, 1 or 2 with two thresholds, 0 or 1 with one.
    blanked : int
        Powers for which output and state still stand.

    References
    ----------
    S. Stanslaski et al., IEEE TBioCAS 12, 2018, doi 10.1109/TBCAS.2018.2880148.
    """

    cdef int[FEATURES] _input
    cdef double[FEATURES] _factor
    cdef double[FEATURES] _subtract
    cdef double[FEATURES] _sum
    cdef int _features
    cdef int64_t _update, _onset, _termination, _holdoff, _blanking
    cdef double _low, _high
    cdef bint _dual
    cdef bint _over
    cdef int64_t _summed, _outputs
    cdef int64_t _zeros, _below, _above, _twos
    cdef readonly double output
    cdef readonly int state
    cdef readonly int64_t blanked
    cdef readonly bint blanks_both

    def __cinit__(self, config):
        cdef int i
        if not isinstance(config, rcs.DetectorConfig):
            raise ValueError(f"{config!r} is no DetectorConfig; give one.")
        self._features = len(config.features)
        for i in range(self._features):
            feature = config.features[i]
            self._input[i] = config.inputs[i]
            self._factor[i] = feature.weightVector * feature.normalizationMultiplyVector
            self._subtract[i] = feature.normalizationSubtractVector
        self._update = config.updateRate
        self._onset = max(1, config.onsetDuration)
        self._termination = max(1, config.terminationDuration)
        self._holdoff = config.holdoffTime
        self._blanking = config.blankingDurationUponStateChange
        self._low, self._high = config.biasTerm
        self._dual = config.dual
        self.blanks_both = config.blank_both
        self._forget()

    def push(self, powers, overrange=()):
        """Take the next power of every band.

        Parameters
        ----------
        powers : sequence of int
            Power of each band, at least as many as the inputs name.
        overrange : sequence of int
            Indices of bands that were over range; an output that needs one is held.

        Returns
        -------
        bool
            Whether the state changed.
        """
        cdef int64_t[BANDS] now
        cdef int over = 0
        cdef Py_ssize_t i
        for i in range(self._features):
            if not self._input[i] < len(powers) <= BANDS:
                raise ValueError(
                    f"{len(powers)} powers were pushed; band {self._input[i]} is an input. "
                    "Give the power of every band, at most eight."
                )
        for i in range(len(powers)):
            now[i] = powers[i]
        for i in overrange:
            over |= 1 << i
        return self._push(now, over)

    cdef bint _push(self, const int64_t *powers, int overrange) noexcept nogil:
        cdef int i
        cdef double output = 0.0
        cdef bint frozen = self.blanked > 0
        if frozen:
            self.blanked -= 1
        for i in range(self._features):
            self._sum[i] += powers[self._input[i]]
            self._over |= (overrange >> self._input[i]) & 1
        self._summed += 1
        if self._summed < self._update:
            return False
        for i in range(self._features):
            output += self._factor[i] * (self._sum[i] / self._update - self._subtract[i])
            self._sum[i] = 0.0
        frozen = frozen or self._over
        self._summed = 0
        self._over = False
        self._outputs += 1
        if frozen:
            return False
        self.output = output
        return self._outputs > self._holdoff and self._judge(
            (output > self._low) + (self._dual and output > self._high)
        )

    cdef bint _judge(self, int seen) noexcept nogil:
        # With one threshold the classes are 0 and 1, and 1 is the upper one.
        cdef int top = 2 if self._dual else 1
        cdef int was = self.state
        self._zeros = self._zeros + 1 if seen == 0 else 0
        self._below = self._below + 1 if seen < top else 0
        self._above = self._above + 1 if seen > 0 else 0
        self._twos = self._twos + 1 if seen == top else 0
        if self._twos >= self._onset:
            self.state = top
        elif self._zeros >= self._termination:
            self.state = 0
        elif self._dual and was == 2 and self._below >= self._termination:
            self.state = 1
        elif self._dual and was == 0 and self._above >= self._onset:
            self.state = 1
        if self.state == was:
            return False
        self.blanked = self._blanking
        return True

    cdef void _forget(self) noexcept nogil:
        cdef int i
        for i in range(FEATURES):
            self._sum[i] = 0.0
        self._over = False
        self._summed = self._outputs = 0
        self._zeros = self._below = self._above = self._twos = 0
        self.output = 0.0
        self.state = 0
        self.blanked = 0

    def reset(self):
        """Return to the state before the first power."""
        self._forget()


@cython.final
cdef class RcsDetector:
    """The embedded pipeline from samples to the combined state.

    At the same sample, every result is bit-identical however the signal was divided into
    blocks. A gap begins the window anew; until it is full again, output and state stand
    (``Quality.WARMUP``). A power over range holds the outputs that need it
    (``Quality.ARTEFACT``). One instance belongs to one thread.

    Parameters
    ----------
    fs_hz : int
        Sampling rate, 250, 500 or 1000 Hz.
    fft : FftConfig
        How band power is computed.
    bands : sequence of PowerBand
        One to eight power bands.
    detectors : sequence of DetectorConfig
        One or two.
    trims : sequence of int, optional
        Gain trim of each channel, 1 to 255; 255 if not given.
    saturation_uv : float
        As in `Envelope`.

    Attributes
    ----------
    unit : str
        ``"1"``: outputs of a linear detector have the unit that its weights give them.
    delay_ms : float
        From the middle of the window to its end, and half the averaging, ms.
    state : int
        Combined state, 0 to 8.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    References
    ----------
    S. Stanslaski et al., IEEE TBioCAS 12, 2018, doi 10.1109/TBCAS.2018.2880148 (the device).
    The steps follow the public description in the rcs-simulation and Analysis-rcs-data
    projects.
    """

    cdef readonly str unit
    cdef readonly double fs_hz
    cdef readonly double delay_ms
    cdef tuple _intakes
    cdef LinearDetector _first
    cdef LinearDetector _second
    cdef int _bands, _bins, _channels, _window, _interval, _rate
    cdef int[BANDS] _begin
    cdef int[BANDS] _end
    cdef int64_t[BANDS] _power
    cdef double _scale, _divisor
    cdef cnp.ndarray _of_bin      # channel slot of each bin, intp
    cdef cnp.ndarray _cos, _sin   # bins x window, windowed, in counts per µV
    cdef cnp.ndarray _uv          # channels x rows
    cdef cnp.ndarray _ring        # channels x window
    cdef cnp.ndarray _bin_power
    cdef cnp.ndarray _levels
    cdef int64_t _taken, _due, _windows, _lasted
    cdef int _slot
    cdef int _over
    cdef bint _was_over

    def __cinit__(
        self, int fs_hz, fft, bands, detectors, trims=None, double saturation_uv=10_000.0
    ):
        bands, detectors = tuple(bands), tuple(detectors)
        if fs_hz not in rcs.RATES_HZ:
            raise ValueError(
                f"A sampling rate of {fs_hz} Hz was asked for; 250, 500 and 1000 Hz are "
                "allowed. Choose one of these."
            )
        if not 1 <= len(bands) <= BANDS or not 1 <= len(detectors) <= 2:
            raise ValueError(
                f"{len(bands)} power bands and {len(detectors)} detectors were asked for; one "
                "to eight bands and one or two detectors are allowed."
            )
        if max(band.stop for band in bands) >= fft.size // 2:
            raise ValueError(
                f"Bin {max(band.stop for band in bands)} was asked for; an FFT of {fft.size} "
                f"points has bins 0 to {fft.size // 2 - 1}. Choose lower bins."
            )
        if max(i for config in detectors for i in config.inputs) >= len(bands):
            raise ValueError(
                f"A detector was asked for a band that is not among the {len(bands)}; "
                "give inputs that count from 0 below that number."
            )
        channels = sorted({band.channel for band in bands})
        last = max(channels)
        trims = [255] * (last + 1) if trims is None else list(trims)
        if len(trims) <= last:
            raise ValueError(
                f"{len(trims)} trims were given; channel {last} needs one too. "
                "Give one for each column."
            )
        self.fs_hz = self._rate = fs_hz
        self.unit = "1"
        self._window, self._interval = fft.samples, fft.interval
        self.delay_ms = (
            500 * self._window / fs_hz + (detectors[0].updateRate - 1) * fft.interval / 2
        )
        self._divisor = fft.divisor
        self._scale = 64 / fft.size**2
        self._first = LinearDetector(detectors[0])
        self._second = LinearDetector(detectors[1]) if len(detectors) == 2 else None
        self._bands = len(bands)
        # Each band has its own bins, in a row; a bin of two bands is computed twice.
        bins = [(band, k) for band in bands for k in range(band.start, band.stop + 1)]
        self._bins = len(bins)
        place = 0
        for i, band in enumerate(bands):
            self._begin[i] = place
            place += band.stop - band.start + 1
            self._end[i] = place
        self._channels = len(channels)
        self._of_bin = np.array([channels.index(band.channel) for band, _ in bins], np.intp)
        turn = 2 * np.pi * np.arange(self._window) / fft.size
        counts = [1e-3 * rcs.counts_per_mv(trims[band.channel]) for band, _ in bins]
        self._cos = np.array(
            [c * fft.window() * np.cos(k * turn) for c, (_, k) in zip(counts, bins)]
        )
        self._sin = np.array(
            [c * fft.window() * np.sin(k * turn) for c, (_, k) in zip(counts, bins)]
        )
        self._intakes = tuple(
            Intake(fs_hz, channel, saturation_uv, self._window - 1) for channel in channels
        )
        self._ring = np.zeros((self._channels, self._window))
        self._uv = np.empty((self._channels, 1024))
        self._levels = np.empty(1024)
        self.reset()

    @property
    def state(self):
        """Combined state, 0 to 8: that of detector 0 plus three times that of detector 1."""
        return self._first.state + (3 * self._second.state if self._second is not None else 0)

    @property
    def powers(self):
        """Last power of each band."""
        return tuple(self._power[i] for i in range(self._bands))

    @property
    def outputs(self):
        """Last output of each detector."""
        if self._second is None:
            return (self._first.output,)
        return self._first.output, self._second.output

    @property
    def levels(self):
        """Output of detector 0 at each sample of the last block, valid until the next push."""
        cdef Intake intake = self._intakes[0]
        view = self._levels[: intake.rows]
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
            Level is the output of detector 0; active is that it is in its highest state;
            state is the combined one.

        Raises
        ------
        TypeError
            If the block's number type, byte order or memory layout is another.
        ValueError
            If the block's shape is another.
        """
        cdef Intake intake, first = self._intakes[0]
        cdef Py_ssize_t i, stride
        # The last channel needs the most columns: it refuses first, and nothing has changed.
        for intake in reversed(self._intakes):
            intake.admit(block, first_index)
        if first.rows > cnp.PyArray_DIM(self._levels, 0):
            self._uv = np.empty((self._channels, first.rows))
            self._levels = np.empty(first.rows)
        if first.flags & GAP:
            self._taken = 0
            self._windows = 0
            self._due = self._window
            self._lasted = 0
        stride = cnp.PyArray_DIM(self._uv, 1)
        for i in range(self._channels):
            intake = self._intakes[i]
            intake.read(<double *> cnp.PyArray_DATA(self._uv) + i * stride)
        self._was_over = False
        with nogil:
            self._take(first.rows, stride)
        for intake in self._intakes[1:]:
            intake.settle()
            first.flags |= intake.flags
        first.settle()
        if self._was_over:
            first.flags |= ARTEFACT
        return reading(
            first,
            t_us,
            self._first.output,
            self._is_active(),
            1000 * self._lasted // self._rate,
            NAN,
            self.state,
        )

    cdef bint _is_active(self) noexcept nogil:
        return self._first.state == (2 if self._first._dual else 1)

    cdef void _take(self, Py_ssize_t rows, Py_ssize_t stride) noexcept nogil:
        cdef double *uv = <double *> cnp.PyArray_DATA(self._uv)
        cdef double *ring = <double *> cnp.PyArray_DATA(self._ring)
        cdef double *levels = <double *> cnp.PyArray_DATA(self._levels)
        cdef Py_ssize_t i
        cdef int c
        for i in range(rows):
            for c in range(self._channels):
                ring[c * self._window + self._slot] = uv[c * stride + i]
            self._slot = self._slot + 1 if self._slot + 1 < self._window else 0
            self._taken += 1
            if self._taken == self._due:
                self._windows += 1
                self._due = (
                    self._window + (self._windows * self._interval * self._rate) // 1000
                )
                self._measure()
                self._decide()
            self._lasted = self._lasted + 1 if self._is_active() else 0
            levels[i] = self._first.output

    cdef void _measure(self) noexcept nogil:
        """Power of every band over the last window."""
        cdef const double *cosine = <const double *> cnp.PyArray_DATA(self._cos)
        cdef const double *sine = <const double *> cnp.PyArray_DATA(self._sin)
        cdef const cnp.intp_t *of_bin = <const cnp.intp_t *> cnp.PyArray_DATA(self._of_bin)
        cdef const double *x
        cdef double re, im, before
        cdef int b, k, n
        self._over = 0
        for b in range(self._bands):
            self._power[b] = 0
            before = 0.0
            for k in range(self._begin[b], self._end[b]):
                x = <const double *> cnp.PyArray_DATA(self._ring) + of_bin[k] * self._window
                re = im = 0.0
                for n in range(self._window - self._slot):
                    re += x[self._slot + n] * cosine[k * self._window + n]
                    im += x[self._slot + n] * sine[k * self._window + n]
                for n in range(self._window - self._slot, self._window):
                    re += x[self._slot + n - self._window] * cosine[k * self._window + n]
                    im += x[self._slot + n - self._window] * sine[k * self._window + n]
                before += self._scale * (re * re + im * im)
                self._power[b] += <int64_t> floor(
                    self._scale * (re * re + im * im) / self._divisor
                )
            if before > OVERRANGE:
                self._over |= 1 << b
                self._was_over = True

    cdef void _decide(self) noexcept nogil:
        cdef bint first = self._first._push(self._power, self._over)
        cdef bint second = False
        if self._second is not None:
            second = self._second._push(self._power, self._over)
            # A change blanks the other detector by the other's own duration.
            if first and self._first.blanks_both:
                self._second.blanked = self._second._blanking
            if second and self._second.blanks_both:
                self._first.blanked = self._first._blanking

    def reset(self):
        """Forget every sample; settings stay."""
        cdef Intake intake
        cdef int b
        for intake in self._intakes:
            intake.forget()
        self._first.reset()
        if self._second is not None:
            self._second.reset()
        self._ring.fill(0)
        self._slot = 0
        self._taken = self._windows = self._lasted = 0
        self._due = self._window
        for b in range(BANDS):
            self._power[b] = 0
