# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""The beta detector of many channels at once (tier: kernel)."""

import math

cimport cython
cimport numpy as cnp
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_CheckExact
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact
from cpython.object cimport Py_SIZE
from libc.stdint cimport int32_t, int64_t, uint8_t

import numpy as np

from stimloop_dsp import design
from stimloop_dsp._envelope cimport Envelope
from stimloop_dsp._kernels cimport (
    MICROVOLT_FLOAT32,
    MICROVOLT_FLOAT64,
    NANOVOLT_INT32,
    WIDTH,
    bank_f32,
    bank_f64,
    bank_push_f32,
    bank_push_f64,
    unpack_f32,
    unpack_f64,
)

cnp.import_array()

cdef enum:
    # Below about 10 µs of work, releasing the GIL costs more than it gives others.
    WORTH_RELEASING = 8192  # samples of all channels
    MOST_ROWS = 1 << 30  # so that 32 bits number a block's samples

# Bytes of a sample, and whether the first is the highest.
cdef dict SAMPLES = {
    "i16le": (2, False),
    "i16be": (2, True),
    "i24le": (3, False),
    "i24be": (3, True),
    "i32le": (4, False),
}


@cython.final
cdef class PackedLayout:
    """Where a frame's bytes hold one sample of each channel, one after another.

    Parameters
    ----------
    offset : int
        Bytes before the first channel's sample, >= 0.
    sample : {'i16le', 'i16be', 'i24le', 'i24be', 'i32le'}
        Signed integer: its bits, and its lowest (le) or highest (be) byte first.
    uv_per_count : float
        Microvolt of one count, finite, not 0.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    """

    cdef readonly Py_ssize_t offset
    cdef readonly str sample
    cdef readonly double uv_per_count
    cdef int _size
    cdef bint _big_endian

    def __cinit__(self, Py_ssize_t offset, sample, double uv_per_count):
        if offset < 0:
            raise ValueError(f"An offset of {offset} bytes was asked for; give 0 or more.")
        if sample not in SAMPLES:
            raise ValueError(
                f"Samples of {sample!r} were asked for; choose one of {', '.join(SAMPLES)}."
            )
        if uv_per_count == 0 or not math.isfinite(uv_per_count):
            raise ValueError(
                f"{uv_per_count} µV per count were asked for; give a finite number, not 0."
            )
        self.offset = offset
        self.sample = sample
        self.uv_per_count = uv_per_count
        self._size, self._big_endian = SAMPLES[sample]


@cython.final
cdef class BetaBank:
    """Detector of a strong oscillation in each of many channels.

    What `BetaDetector` does in one channel: hold bad samples, band-pass, rectify, smooth,
    compare with hysteresis. Made for a call at each sample: it takes and returns nothing but
    what the decision needs, and allocates nothing. At the same sample, levels and decisions
    are bit-identical however the signal was divided into blocks. One instance belongs to one
    thread.

    No channel can be active before ``settling_ms`` have passed since the start or the last
    reset: the decisions begin when the filters have settled. Samples are taken as an unbroken
    sequence; after a gap, reset.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, Hz; up to 4000 Hz in float32.
    on_uv : float or array_like of float, shape (channels,)
        A channel becomes active above this envelope, µV, > 0.
    off_uv : float or array_like of float, shape (channels,), optional
        It becomes inactive at or below this, µV, 0 to `on_uv`; `on_uv` if not given.
    band_hz, order, smoothing, smooth_ms, channels, precision, saturation_uv
        As in `Envelope`.
    onset_ms, termination_ms, blanking_ms
        As in `BetaDetector`; each channel counts for itself.

    Attributes
    ----------
    levels : ndarray of `precision`, shape (channels,), read-only
        Envelope at the last sample, µV.
    active : ndarray of bool, shape (channels,), read-only
        Decision at the last sample. ``active.tobytes()`` is a reply of one byte per channel.
    active_samples : ndarray of int64, shape (channels,), read-only
        For how many samples each channel has been active, the last included; 0 while it is not.
    held, saturated : ndarray of int64, shape (channels,), read-only
        Samples held since the last reset; how many of them were beyond the limit.
    fs_hz, delay_ms, settling_ms, channels, precision
        As in `Envelope`.

    All arrays are the same objects for the life of the bank and are updated in place by each
    push: bind them once, copy what is to be kept.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    References
    ----------
    S. Little et al., Annals of Neurology 74, 2013, doi 10.1002/ana.23951 (envelope, threshold).
    S. Stanslaski et al., IEEE TBioCAS 12, 2018, doi 10.1109/TBCAS.2018.2880148 (onset,
    termination, blanking).
    """

    cdef Envelope _envelope
    cdef bank_f32 _single
    cdef bank_f64 _double
    cdef bint _is_double
    cdef int _channels
    cdef int64_t _settling
    cdef void *_row
    cdef cnp.ndarray _unpacked
    cdef cnp.ndarray _thresholds
    cdef cnp.ndarray _state
    cdef cnp.ndarray _levels
    cdef cnp.ndarray _active
    cdef cnp.ndarray _active_samples
    cdef readonly cnp.ndarray levels
    cdef readonly cnp.ndarray active
    cdef readonly cnp.ndarray active_samples
    cdef readonly cnp.ndarray held
    cdef readonly cnp.ndarray saturated

    def __cinit__(
        self,
        double fs_hz,
        on_uv,
        off_uv=None,
        band_hz=(13.0, 35.0),
        order=1,
        smoothing="one_pole",
        double smooth_ms=50.0,
        double onset_ms=0.0,
        double termination_ms=0.0,
        double blanking_ms=0.0,
        channels=1,
        precision="float32",
        double saturation_uv=10_000.0,
    ):
        self._envelope = Envelope(
            fs_hz, band_hz, order, smoothing, smooth_ms, channels, precision, saturation_uv
        )
        design.check_times(
            onset_ms=onset_ms, termination_ms=termination_ms, blanking_ms=blanking_ms
        )
        groups = -(-channels // WIDTH)
        self._is_double = precision == "float64"
        self._channels = channels
        self._settling = math.ceil(fs_hz * self._envelope.settling_ms / 1000)
        self._thresholds = np.zeros((groups, 2, WIDTH), dtype=precision)
        self._state = np.zeros(
            (groups, 3, WIDTH), dtype=np.int64 if self._is_double else np.int32
        )
        self._unpacked = np.zeros(channels, dtype=precision)
        self._levels = np.zeros(channels, dtype=precision)
        self._active = np.zeros(channels, dtype=np.bool_)
        self._active_samples = np.zeros(channels, dtype=np.int64)
        self.levels = read_only(self._levels)
        self.active = read_only(self._active)
        self.active_samples = read_only(self._active_samples)
        self.held = read_only(self._envelope._counts[0])
        self.saturated = read_only(self._envelope._counts[1])
        self._row = cnp.PyArray_DATA(self._unpacked)
        onset = design.sample_count(fs_hz, onset_ms)
        termination = design.sample_count(fs_hz, termination_ms)
        blanking = round(fs_hz * blanking_ms / 1000)
        if self._is_double:
            self._double.onset = onset
            self._double.termination = termination
            self._double.blanking = blanking
            self._double.thresholds = <const double *> cnp.PyArray_DATA(self._thresholds)
            self._double.state = <int64_t *> cnp.PyArray_DATA(self._state)
            self._double.levels = <double *> cnp.PyArray_DATA(self._levels)
            self._double.told = <uint8_t *> cnp.PyArray_DATA(self._active)
            self._double.lasted = <int64_t *> cnp.PyArray_DATA(self._active_samples)
        else:
            self._single.onset = onset
            self._single.termination = termination
            self._single.blanking = blanking
            self._single.thresholds = <const float *> cnp.PyArray_DATA(self._thresholds)
            self._single.state = <int32_t *> cnp.PyArray_DATA(self._state)
            self._single.levels = <float *> cnp.PyArray_DATA(self._levels)
            self._single.told = <uint8_t *> cnp.PyArray_DATA(self._active)
            self._single.lasted = <int64_t *> cnp.PyArray_DATA(self._active_samples)
        self.thresholds = on_uv, on_uv if off_uv is None else off_uv
        self.reset()

    @property
    def fs_hz(self):
        """Sampling rate, Hz."""
        return self._envelope.fs_hz

    @property
    def delay_ms(self):
        """Group delay of band-pass (at its centre) and smoother, ms."""
        return self._envelope.delay_ms

    @property
    def settling_ms(self):
        """Time from the start until a channel can be active, ms."""
        return self._envelope.settling_ms

    @property
    def channels(self):
        """Columns of a block."""
        return self._channels

    @property
    def precision(self):
        """Number type of the arithmetic and of the levels."""
        return self._envelope.precision

    @property
    def thresholds(self):
        """Thresholds (on, off) of each channel, µV, copied; may be set, 0 <= off <= on."""
        columns = self._thresholds.transpose(1, 0, 2).reshape(2, -1)[:, : self._channels]
        return columns[0].copy(), columns[1].copy()

    @thresholds.setter
    def thresholds(self, thresholds):
        cdef cnp.ndarray pair = np.zeros(
            (2, self._thresholds.shape[0] * WIDTH), dtype=self._thresholds.dtype
        )
        for row, given in zip(pair, thresholds, strict=True):
            if np.shape(given) not in ((), (self._channels,)):
                raise ValueError(
                    f"Thresholds of shape {np.shape(given)} were asked for; give one number or "
                    f"one for each channel, ({self._channels},)."
                )
            row[: self._channels] = given
        on, off = pair[:, : self._channels]
        if not (np.all((on > 0) & (on < math.inf)) and np.all((off >= 0) & (off <= on))):
            raise ValueError(
                f"Thresholds of {thresholds[0]} µV on and {thresholds[1]} µV off were asked "
                "for; 0 <= off <= on must hold and on must be above 0. Raise on or lower off."
            )
        self._thresholds[...] = pair.reshape(2, -1, WIDTH).transpose(1, 0, 2)

    def push(self, cnp.ndarray block not None):
        """Take the next samples.

        Parameters
        ----------
        block : ndarray, shape (n, channels), C-contiguous, n >= 1
            Samples: int32 in nV with ``MISSING`` for none, or float32 or float64 in µV.

        Returns
        -------
        int
            Number of channels that are active after the last sample.

        Raises
        ------
        TypeError
            If the block's number type, byte order or memory layout is another.
        ValueError
            If its shape is another.
        """
        cdef int kind, number = cnp.PyArray_TYPE(block)
        cdef int count
        cdef Py_ssize_t rows
        cdef const void *samples
        if number == cnp.NPY_FLOAT32:
            kind = MICROVOLT_FLOAT32
        elif number == cnp.NPY_INT32:
            kind = NANOVOLT_INT32
        elif number == cnp.NPY_FLOAT64:
            kind = MICROVOLT_FLOAT64
        else:
            raise TypeError(
                f"A block of {block.dtype} was pushed; give int32 in nV, or float32 or "
                "float64 in µV."
            )
        if not cnp.PyArray_ISCARRAY_RO(block):
            raise TypeError("The block must be C-contiguous, aligned and in native byte order.")
        if (
            cnp.PyArray_NDIM(block) != 2
            or cnp.PyArray_DIM(block, 1) != self._channels
            or not 1 <= cnp.PyArray_DIM(block, 0) <= MOST_ROWS
        ):
            raise ValueError(
                f"A block of shape {np.shape(block)} was pushed; give (n, {self._channels}) "
                "with n >= 1."
            )
        rows = cnp.PyArray_DIM(block, 0)
        samples = cnp.PyArray_DATA(block)
        if rows * self._channels < WORTH_RELEASING:
            return self._take(samples, kind, rows)
        with nogil:
            count = self._take(samples, kind, rows)
        return count

    def push_bytes(self, frame, PackedLayout layout not None):
        """Take the next sample of each channel from the bytes of a frame.

        Parameters
        ----------
        frame : bytes or bytearray
            The frame as it came from the device.
        layout : PackedLayout
            Where it holds the samples.

        Returns
        -------
        int
            Number of channels that are active after it.

        Raises
        ------
        TypeError
            If the frame is neither bytes nor bytearray.
        ValueError
            If it is too short.
        """
        cdef const uint8_t *data
        if PyBytes_CheckExact(frame):
            data = <const uint8_t *> PyBytes_AS_STRING(frame)
        elif PyByteArray_CheckExact(frame):
            data = <const uint8_t *> PyByteArray_AS_STRING(frame)
        else:
            raise TypeError(
                f"A frame of {type(frame).__name__} was pushed; give bytes or bytearray."
            )
        if Py_SIZE(frame) < layout.offset + self._channels * layout._size:
            raise ValueError(
                f"A frame of {len(frame)} bytes was pushed; {self._channels} channels of "
                f"{layout.sample} at byte {layout.offset} need "
                f"{layout.offset + self._channels * layout._size}."
            )
        data += layout.offset
        if self._is_double:
            unpack_f64(
                data,
                layout._size,
                layout._big_endian,
                layout.uv_per_count,
                <double *> self._row,
                self._channels,
            )
            return self._take(self._row, MICROVOLT_FLOAT64, 1)
        unpack_f32(
            data,
            layout._size,
            layout._big_endian,
            <float> layout.uv_per_count,
            <float *> self._row,
            self._channels,
        )
        return self._take(self._row, MICROVOLT_FLOAT32, 1)

    cdef int _take(self, const void *samples, int kind, Py_ssize_t rows) noexcept nogil:
        if self._is_double:
            return bank_push_f64(
                &self._double, &self._envelope._double, samples, kind, self._channels, rows
            )
        return bank_push_f32(
            &self._single, &self._envelope._single, samples, kind, self._channels, rows
        )

    def reset(self):
        """Forget every sample and count; parameters and thresholds stay."""
        self._envelope.reset()
        self._state.fill(0)
        self._levels.fill(0)
        self._active.fill(False)
        self._active_samples.fill(0)
        self._single.settling = self._double.settling = self._settling


cdef cnp.ndarray read_only(cnp.ndarray array):
    """A view that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view
