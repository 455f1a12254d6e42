# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""The beta detector (tier: kernel, float32)."""

import math

cimport cython
cimport numpy as cnp
from cpython.object cimport PyObject_GenericSetAttr
from libc.stdint cimport int64_t

import numpy as np

from stimloop_dsp import design
from stimloop_dsp._envelope cimport Envelope
from stimloop_dsp._kernels cimport (
    NANOVOLT_INT32,
    envelope_push_f32,
    hysteresis_f32,
    hysteresis_push_f32,
)
from stimloop_dsp.values import Quality, Reading

cnp.import_array()

cdef enum:
    WARMUP = 1
    HELD = 2
    SATURATED = 4
    GAP = 8
    # Below about 10 µs of work, releasing the GIL costs more than it gives others.
    WORTH_RELEASING = 1024

# A lookup by number, where Quality(n) would cost more than the samples.
cdef tuple QUALITIES = tuple(Quality(flags) for flags in range(16))
cdef object NO_PHASE = math.nan
cdef object new_reading = Reading.__new__


@cython.final
cdef class BetaDetector:
    """Detector of a strong oscillation in one channel, beta bursts by default.

    Hold bad samples, band-pass, rectify, smooth, compare with hysteresis. At the same sample,
    level and decision are bit-identical however the signal was divided into blocks. One
    instance belongs to one thread.

    The decision stands at inactive until the filters have settled (``Quality.WARMUP``). Over a
    gap in the samples (``Quality.GAP``) filters and decision keep their state, but count as
    unsettled again; the runs toward onset or termination and ``active_ms`` begin anew.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, Hz, up to 4000.
    on_uv : float
        The detector becomes active above this envelope, µV, > 0.
    off_uv : float, optional
        It becomes inactive at or below this, µV, 0 to `on_uv`; `on_uv` if not given.
    band_hz, order, smoothing, smooth_ms, saturation_uv
        As in `Envelope`.
    onset_ms, termination_ms : float
        How long the envelope must stay above, or below, before the decision changes, ms,
        to the nearest sample. 0 is at once.
    blanking_ms : float
        How long a decision stands at least, ms.
    channel : int
        The block's column to detect in.

    Attributes
    ----------
    unit : str
        ``"µV"``, of the level: the mean of the rectified band.
    delay_ms : float
        Group delay of band-pass (at its centre) and smoother, ms.
    envelope_uv : ndarray of float32, shape (n,), read-only
        Envelope of the last pushed block, µV, valid until the next push.

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
    cdef hysteresis_f32 _hysteresis
    cdef cnp.ndarray _level
    cdef Py_ssize_t _rows
    cdef int _channel
    cdef int64_t _warmup
    cdef int64_t _settled_at
    cdef int64_t _seen
    cdef int64_t _next_index
    cdef readonly str unit
    cdef double _on_uv
    cdef double _off_uv

    def __cinit__(
        self,
        double fs_hz,
        double on_uv,
        off_uv=None,
        band_hz=(13.0, 35.0),
        order=2,
        smoothing="moving_average",
        double smooth_ms=200.0,
        double onset_ms=0.0,
        double termination_ms=0.0,
        double blanking_ms=0.0,
        int channel=0,
        double saturation_uv=10_000.0,
    ):
        self._envelope = Envelope(
            fs_hz, band_hz, order, smoothing, smooth_ms, saturation_uv=saturation_uv
        )
        for name, time_ms in (
            ("onset_ms", onset_ms),
            ("termination_ms", termination_ms),
            ("blanking_ms", blanking_ms),
        ):
            if not 0 <= time_ms <= 3_600_000:
                raise ValueError(
                    f"{name} of {time_ms} ms was asked for; 0 ms to an hour is allowed. "
                    "Give 0 to decide at once."
                )
        if channel < 0:
            raise ValueError(
                f"Channel {channel} was asked for; channels count from 0. Give a column."
            )
        self.thresholds_uv = on_uv, on_uv if off_uv is None else off_uv
        self._hysteresis.onset = design.sample_count(fs_hz, onset_ms)
        self._hysteresis.termination = design.sample_count(fs_hz, termination_ms)
        self._hysteresis.blanking = round(fs_hz * blanking_ms / 1000)
        self._warmup = math.ceil(fs_hz * self._envelope.settling_ms / 1000)
        self._channel = channel
        self._level = np.empty(1024, dtype=np.float32)
        self.unit = "µV"
        self.reset()

    @property
    def delay_ms(self):
        """Group delay of band-pass (at its centre) and smoother, ms."""
        return self._envelope.delay_ms

    @property
    def thresholds_uv(self):
        """Thresholds (on, off), µV; may be set while running, with 0 <= off <= on."""
        return self._on_uv, self._off_uv

    @thresholds_uv.setter
    def thresholds_uv(self, thresholds_uv):
        cdef double on_uv, off_uv
        on_uv, off_uv = thresholds_uv
        if not (0 < on_uv < math.inf and 0 <= off_uv <= on_uv):
            raise ValueError(
                f"Thresholds of {on_uv} µV on and {off_uv} µV off were asked for; "
                "0 <= off <= on must hold and on must be above 0. Raise on or lower off."
            )
        self._on_uv, self._off_uv = on_uv, off_uv
        self._hysteresis.on, self._hysteresis.off = on_uv, off_uv

    @property
    def envelope_uv(self):
        """Envelope of the last pushed block, µV, read-only, valid until the next push."""
        view = self._level[: self._rows]
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
            Level, µV, and decision at the last sample. ``HELD``, ``SATURATED`` and ``GAP``
            are about the whole block, ``WARMUP`` is about its last sample.

        Raises
        ------
        TypeError
            If the block's number type, byte order or memory layout is another.
        ValueError
            If the block's shape is another.
        """
        cdef int64_t held = self._envelope._single.held
        cdef int64_t saturated = self._envelope._single.saturated
        cdef int flags = 0
        cdef Py_ssize_t columns
        cdef const int *samples
        cdef const float *level
        if cnp.PyArray_TYPE(block) != cnp.NPY_INT32 or not cnp.PyArray_ISCARRAY_RO(block):
            raise TypeError(
                f"A block of {block.dtype} was pushed; give int32 in nV, C-contiguous, aligned "
                "and in native byte order."
            )
        if (
            cnp.PyArray_NDIM(block) != 2
            or cnp.PyArray_DIM(block, 0) < 1
            or cnp.PyArray_DIM(block, 1) <= self._channel
        ):
            raise ValueError(
                f"A block of shape {np.shape(block)} was pushed; give (n, channels) with "
                f"n >= 1 and channels > {self._channel}."
            )
        self._rows = cnp.PyArray_DIM(block, 0)
        columns = cnp.PyArray_DIM(block, 1)
        if self._rows > cnp.PyArray_DIM(self._level, 0):
            self._level = np.empty(self._rows, dtype=np.float32)

        if self._seen and first_index != self._next_index:
            flags |= GAP
            self._settled_at = self._seen + self._warmup
            self._hysteresis.run = 0
            self._hysteresis.lasted = 0
        samples = <const int *> cnp.PyArray_DATA(block) + self._channel
        if self._rows < WORTH_RELEASING:
            self._run(samples, columns)
        else:
            with nogil:
                self._run(samples, columns)
        self._seen += self._rows
        self._next_index = first_index + self._rows
        if self._seen <= self._settled_at:
            flags |= WARMUP
        if self._envelope._single.held != held:
            flags |= HELD
        if self._envelope._single.saturated != saturated:
            flags |= SATURATED
        level = <const float *> cnp.PyArray_DATA(self._level)
        return self._reading(level[self._rows - 1], t_us, flags)

    cdef void _run(self, const int *samples, Py_ssize_t columns) noexcept nogil:
        cdef float *level = <float *> cnp.PyArray_DATA(self._level)
        cdef Py_ssize_t i
        envelope_push_f32(
            &self._envelope._single, samples, NANOVOLT_INT32, columns, self._rows, level
        )
        for i in range(self._rows):
            hysteresis_push_f32(&self._hysteresis, level[i])

    cdef object _reading(self, double level, int64_t t_us, int flags):
        # What Reading(...) does, a microsecond faster: a frozen dataclass sets its fields
        # through a Python-level object.__setattr__, one call each.
        cdef int64_t active_ms = <int64_t> (
            1000 * self._hysteresis.lasted / self._envelope.fs_hz
        )
        cdef object reading = new_reading(Reading)
        PyObject_GenericSetAttr(reading, "index", self._next_index - 1)
        PyObject_GenericSetAttr(reading, "t_us", t_us)
        PyObject_GenericSetAttr(reading, "level", level)
        PyObject_GenericSetAttr(reading, "active", bool(self._hysteresis.active))
        PyObject_GenericSetAttr(reading, "active_ms", active_ms)
        PyObject_GenericSetAttr(reading, "phase_rad", NO_PHASE)
        PyObject_GenericSetAttr(reading, "quality", QUALITIES[flags])
        return reading

    def reset(self):
        """Forget every sample; parameters and thresholds stay."""
        self._envelope.reset()
        self._rows = 0
        self._seen = 0
        self._next_index = 0
        self._settled_at = self._warmup
        self._hysteresis.active = False
        self._hysteresis.run = 0
        self._hysteresis.lasted = 0
        # No decision is made on filters that have not settled: the first blanking.
        self._hysteresis.blanked = self._warmup
