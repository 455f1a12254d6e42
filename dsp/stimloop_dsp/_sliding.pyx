# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""Band amplitude by a sliding DFT (tier: core, float64)."""

import math

cimport cython
cimport numpy as cnp
from libc.math cimport sqrt

import numpy as np

from stimloop_dsp import design
from stimloop_dsp._threshold cimport ThresholdDetector

cnp.import_array()

cdef extern from "sliding.h" nogil:
    int STEP
    void sliding_add(
        const double *changes, const double *samples, int rows, const double *c,
        const double *s, int bins, int anew, double *re, double *im
    )
    double sliding_hann_power(
        const double *re, const double *im, double c, double s, const double *weights, int bins
    )

cdef enum:
    AT_ONCE = 64  # samples of a channel


@cython.final
cdef class SlidingDft:
    """Root mean square of a band of many channels, from the Hann window that ends now.

    Every sample updates every bin; the cost does not depend on the window. The result is that
    of a DFT of the last ``window`` samples, at every sample, however long it has run, and
    bit-identical however the signal was divided into blocks. One instance belongs to one
    thread.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, Hz.
    band_hz : tuple of float
        Lower and upper end, Hz; the bins whose centres lie in it are summed.
    window_ms : float
        Length of the window, ms, to the nearest sample; bins are its inverse apart.
    hop_ms : float
        Time from one amplitude to the next, ms, to the nearest sample; 0 is every sample.
    channels : int
        Columns of a block.

    Attributes
    ----------
    bins_hz : ndarray of float64, shape (bins,)
        Centres of the bins, Hz.
    delay_ms : float
        Half the window, ms.

    Raises
    ------
    ValueError
        If a parameter is outside its range, or no bin lies in the band.

    References
    ----------
    E. Jacobsen, R. Lyons, IEEE Signal Processing Magazine 20, 2003,
    doi 10.1109/MSP.2003.1184347.
    """

    def __cinit__(
        self,
        double fs_hz,
        band_hz=(13.0, 35.0),
        double window_ms=1000.0,
        double hop_ms=0.0,
        int channels=1,
    ):
        design.check_rate(fs_hz)
        low, high = band_hz
        if not 0 < window_ms * fs_hz <= 1e8:
            raise ValueError(
                f"A window of {window_ms} ms was asked for at {fs_hz} Hz; it must have up to "
                "100000 samples. Choose another window."
            )
        if not 0 <= hop_ms <= 60_000:
            raise ValueError(
                f"A hop of {hop_ms} ms was asked for; 0 to 60000 ms are allowed. Give 0 for "
                "an amplitude at every sample."
            )
        if not 1 <= channels <= 4096:
            raise ValueError(
                f"{channels} channels were asked for; 1 to 4096 are allowed. Give the number "
                "of columns of a block."
            )
        self.window = design.sample_count(fs_hz, window_ms)
        # A neighbour on either side is needed, and none at 0 Hz or half the rate.
        first = max(2, math.ceil(low * self.window / fs_hz - 1e-9)) if low > 0 else 0
        last = math.floor(high * self.window / fs_hz + 1e-9)
        if not (0 < low < high < fs_hz / 2 and first <= last < self.window // 2 - 1):
            raise ValueError(
                f"A band of {low} to {high} Hz was asked for; at {fs_hz} Hz and {window_ms} ms "
                f"bins are {fs_hz / self.window:g} Hz apart, and at least one between the "
                "second and half the rate must lie in it. Choose a wider band or window."
            )
        self.fs_hz = fs_hz
        self.channels = channels
        self.hop = design.sample_count(fs_hz, hop_ms)
        self.delay_ms = 500 * self.window / fs_hz
        self.bins_hz = np.arange(first, last + 1) * fs_hz / self.window
        inside = last - first + 1
        # One bin before the band, and at least one after it.
        self._bins = STEP * (-(-inside // STEP) + 1)
        # The phase is reduced to one turn in whole numbers, for exact multiples of a turn.
        phase = np.outer(np.arange(self.window), np.arange(first - 1, last + 2)) % self.window
        self._cos = np.zeros((self.window, self._bins))
        self._sin = np.zeros((self.window, self._bins))
        self._cos[:, : inside + 2] = np.cos(2 * np.pi * phase / self.window)
        self._sin[:, : inside + 2] = np.sin(2 * np.pi * phase / self.window)
        self._weights = (np.arange(self._bins - STEP) < inside).astype(np.float64)
        turn = 2 * np.pi * np.arange(self.window) / self.window
        self._turn = np.ascontiguousarray(np.stack([np.cos(turn), np.sin(turn)], axis=1))
        # A sine's power falls into its bin and half as much beside it: three halves in all.
        self._scale = 16.0 / (3.0 * self.window * self.window)
        self._ring = np.zeros((channels, self.window))
        self._sums = np.zeros((channels, 2, self._bins + STEP))
        self._amplitudes = np.zeros(channels)
        self._told = self._amplitudes.view()
        self._told.flags.writeable = False
        self.reset()

    @property
    def amplitudes(self):
        """Last amplitude of each channel, root mean square, µV, (channels,), read-only.

        The same array every time: it follows what is pushed.
        """
        return self._told

    def push(self, cnp.ndarray block not None):
        """Take the next samples.

        Parameters
        ----------
        block : ndarray of float64, shape (n, channels), C-contiguous
            Samples, µV; one that is not finite is replaced by the one before it.

        Raises
        ------
        TypeError
            If the block's number type, byte order or memory layout is another.
        ValueError
            If the block's shape is another.
        """
        cdef const double *samples = <const double *> cnp.PyArray_DATA(block)
        cdef double *amplitudes = <double *> cnp.PyArray_DATA(self._amplitudes)
        if cnp.PyArray_TYPE(block) != cnp.NPY_FLOAT64 or not cnp.PyArray_ISCARRAY_RO(block):
            raise TypeError(
                f"A block of {block.dtype} was pushed; give float64 in µV, C-contiguous, "
                "aligned and in native byte order."
            )
        if cnp.PyArray_NDIM(block) != 2 or cnp.PyArray_DIM(block, 1) != self.channels:
            raise ValueError(
                f"A block of shape {np.shape(block)} was pushed; give (n, {self.channels})."
            )
        self.take(samples, cnp.PyArray_DIM(block, 0), amplitudes)

    cdef void take(
        self, const double *samples, Py_ssize_t rows, double *amplitudes
    ) noexcept nogil:
        """Take rows of samples of every channel; the last amplitudes remain."""
        cdef Py_ssize_t n
        cdef int c
        while rows > 0:
            n = min(rows, AT_ONCE, self.window - self._slot, self._due)
            for c in range(self.channels):
                self._add(c, samples + c, <int> n)
            samples += n * self.channels
            rows -= n
            self._slot += <int> n
            if self._slot == self.window:
                self._slot = 0
                self._renew()
            self._due -= n
            if self._due == 0:
                self._due = self.hop
                for c in range(self.channels):
                    amplitudes[c] = self._amplitude(c)

    cdef void _add(self, int channel, const double *samples, int rows) noexcept nogil:
        """Add rows that neither wrap nor pass a hop to a channel's sums."""
        cdef double *ring = (
            <double *> cnp.PyArray_DATA(self._ring) + <Py_ssize_t> channel * self.window
        )
        cdef double *re = (
            <double *> cnp.PyArray_DATA(self._sums)
            + <Py_ssize_t> channel * 2 * (self._bins + STEP)
        )
        cdef double before = ring[(self._slot if self._slot else self.window) - 1]
        cdef double[AT_ONCE] changes
        cdef int r
        ring += self._slot
        for r in range(rows):
            if samples[0] - samples[0] == 0:  # finite
                before = samples[0]
            samples += self.channels
            changes[r] = before - ring[r]
            ring[r] = before
        sliding_add(
            changes,
            ring,
            rows,
            <const double *> cnp.PyArray_DATA(self._cos) + <Py_ssize_t> self._slot * self._bins,
            <const double *> cnp.PyArray_DATA(self._sin) + <Py_ssize_t> self._slot * self._bins,
            self._bins,
            self._anew,
            re,
            re + self._bins + STEP,
        )

    cdef void _renew(self) noexcept nogil:
        """Put the bins that were summed anew in their places, and begin the next ones."""
        cdef double *sums = <double *> cnp.PyArray_DATA(self._sums)
        cdef int k
        for _ in range(2 * self.channels):
            for k in range(STEP):
                sums[self._anew + k] = sums[self._bins + k]
                sums[self._bins + k] = 0.0
            sums += self._bins + STEP
        self._anew = self._anew + STEP if self._anew + STEP < self._bins else 0

    cdef double _amplitude(self, int channel) noexcept nogil:
        cdef const double *turn = <const double *> cnp.PyArray_DATA(self._turn)
        cdef const double *re = (
            <const double *> cnp.PyArray_DATA(self._sums)
            + <Py_ssize_t> channel * 2 * (self._bins + STEP)
        )
        return sqrt(
            self._scale
            * sliding_hann_power(
                re,
                re + self._bins + STEP,
                turn[2 * self._slot],
                turn[2 * self._slot + 1],
                <const double *> cnp.PyArray_DATA(self._weights),
                self._bins,
            )
        )

    def reset(self):
        """Forget every sample; parameters stay."""
        self._ring.fill(0)
        self._sums.fill(0)
        self._amplitudes.fill(0)
        self._slot = 0
        self._anew = 0
        self._due = self.hop


@cython.final
cdef class SpectralDetector(ThresholdDetector):
    """Detector of a strong oscillation in one channel, by a sliding DFT.

    The level is the root mean square of the band: 0.707 of a sine's amplitude, where a
    `BetaDetector` tells 0.637 of it. For the rest see `ThresholdDetector`.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, Hz.
    on : float
        The detector becomes active above this level, µV, > 0.
    off : float, optional
        It becomes inactive at or below this, µV, 0 to `on`; `on` if not given.
    band_hz, window_ms, hop_ms
        As in `SlidingDft`.
    onset_ms, termination_ms, blanking_ms, channel, saturation_uv
        As in `BetaDetector`.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    """

    cdef SlidingDft _dft
    cdef double _amplitude

    def __cinit__(
        self,
        double fs_hz,
        double on,
        off=None,
        band_hz=(13.0, 35.0),
        double window_ms=1000.0,
        double hop_ms=0.0,
        double onset_ms=0.0,
        double termination_ms=0.0,
        double blanking_ms=0.0,
        int channel=0,
        double saturation_uv=10_000.0,
    ):
        self._dft = SlidingDft(fs_hz, band_hz, window_ms, hop_ms)
        self.prepare(
            "µV",
            fs_hz,
            self._dft.delay_ms + 500 * (self._dft.hop - 1) / fs_hz,
            1000 * (self._dft.window + self._dft.hop - 1) / fs_hz,
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
        cdef Py_ssize_t i
        for i in range(rows):
            self._dft.take(uv + i, 1, &self._amplitude)
            levels[i] = self._amplitude

    cdef void forget(self) noexcept nogil:
        self._amplitude = 0.0
        with gil:
            self._dft.reset()
