# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""Band amplitude by a sliding DFT (tier: core, float64)."""

import math

cimport cython
cimport numpy as cnp
from libc.math cimport sqrt

import numpy as np

from stimloop_dsp import design
from stimloop_dsp._kernels cimport FOLD, LANES, PAIRS, sliding, sliding_push
from stimloop_dsp._threshold cimport ThresholdDetector

cnp.import_array()


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
        self._plan(first, last)
        # A sine's power falls into its bin and half as much beside it: three halves in all.
        self._scale = 4.0 / (3.0 * self.window * self.window)
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

    def _plan(self, first, last):
        """Lay out tables and memory for the bins from first to last."""
        cdef sliding *d = &self._sliding
        stretch = -(-(last - first + 1) // LANES)
        # Place by place, lane by lane: the bin of each, a neighbor before and behind a stretch.
        bins = np.add.outer(np.arange(stretch + 2), stretch * np.arange(LANES)).ravel()
        bins += first - 1
        behind = np.arange(self.window // FOLD) * FOLD
        # Phases in halves of a sample, reduced to one turn in whole numbers: exact turns.
        self._twiddles = twiddles(2 * np.arange(self.window), bins, self.window)
        self._middles = twiddles(2 * behind + FOLD - 1, bins, self.window)
        self._halves = twiddles(2 * np.arange(PAIRS) + 1, bins, self.window)
        one = np.ones(1, dtype=int)
        self._turns = twiddles(2 * np.arange(self.window), one, self.window) / 2
        self._weights = (bins <= last).astype(np.float64)
        self._ring = np.zeros((self.channels, self.window))
        self._changes = np.zeros((self.channels, FOLD))
        self._sums = np.zeros((self.channels, 2, len(bins) + LANES))
        self._powers = np.zeros(self.channels)
        d.channels, d.window, d.hop, d.bins = self.channels, self.window, self.hop, len(bins)
        d.twiddles = <const double *> cnp.PyArray_DATA(self._twiddles)
        d.middles = <const double *> cnp.PyArray_DATA(self._middles)
        d.halves = <const double *> cnp.PyArray_DATA(self._halves)
        d.turns = <const double *> cnp.PyArray_DATA(self._turns)
        d.weights = <const double *> cnp.PyArray_DATA(self._weights)
        d.ring = <double *> cnp.PyArray_DATA(self._ring)
        d.changes = <double *> cnp.PyArray_DATA(self._changes)
        d.sums = <double *> cnp.PyArray_DATA(self._sums)
        d.powers = <double *> cnp.PyArray_DATA(self._powers)

    cdef void take(
        self, const double *samples, Py_ssize_t rows, double *amplitudes
    ) noexcept nogil:
        """Take rows of samples of every channel; the last amplitudes remain."""
        cdef int c
        sliding_push(&self._sliding, samples, rows)
        for c in range(self.channels):
            amplitudes[c] = sqrt(self._scale * self._sliding.powers[c])

    def reset(self):
        """Forget every sample; parameters stay."""
        self._ring.fill(0)
        self._sums.fill(0)
        self._powers.fill(0)
        self._amplitudes.fill(0)
        self._sliding.slot = self._sliding.gathered = self._sliding.anew = 0
        self._sliding.due = self.hop


cdef cnp.ndarray twiddles(halves, bins, window):
    """Cosines and sines of 2 pi k n / N, (places, 2, bins), n in halves of a sample."""
    phase = np.outer(halves, bins) % (2 * window)
    angle = np.pi * phase / window
    return np.ascontiguousarray(np.stack([np.cos(angle), np.sin(angle)], axis=1))


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
