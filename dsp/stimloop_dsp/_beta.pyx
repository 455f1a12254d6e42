# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""The beta detector (tier: kernel, float32)."""

import math

cimport cython
cimport numpy as cnp
from libc.math cimport NAN
from libc.stdint cimport int64_t

import numpy as np

from stimloop_dsp import design
from stimloop_dsp._envelope cimport Envelope
from stimloop_dsp._intake cimport GAP, HELD, SATURATED, Intake, reading
from stimloop_dsp._kernels cimport (
    NANOVOLT_INT32,
    envelope_push_f32,
    hysteresis_push_f32,
)

cnp.import_array()

cdef enum:
    # Below about 10 µs of work, releasing the GIL costs more than it gives others.
    WORTH_RELEASING = 1024


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
    levels : ndarray of float32, shape (n,), read-only
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

    def __cinit__(
        self,
        double fs_hz,
        double on_uv,
        off_uv=None,
        band_hz=(13.0, 35.0),
        order=1,
        smoothing="one_pole",
        double smooth_ms=50.0,
        double onset_ms=0.0,
        double termination_ms=0.0,
        double blanking_ms=0.0,
        int channel=0,
        double saturation_uv=10_000.0,
    ):
        self._envelope = Envelope(
            fs_hz, band_hz, order, smoothing, smooth_ms, saturation_uv=saturation_uv
        )
        design.check_times(
            onset_ms=onset_ms, termination_ms=termination_ms, blanking_ms=blanking_ms
        )
        self._intake = Intake(
            fs_hz,
            channel,
            saturation_uv,
            math.ceil(fs_hz * self._envelope.settling_ms / 1000),
        )
        self.thresholds = on_uv, on_uv if off_uv is None else off_uv
        self._hysteresis.onset = design.sample_count(fs_hz, onset_ms)
        self._hysteresis.termination = design.sample_count(fs_hz, termination_ms)
        self._hysteresis.blanking = round(fs_hz * blanking_ms / 1000)
        self._levels = np.empty(1024, dtype=np.float32)
        self.unit = "µV"
        self.reset()

    @property
    def delay_ms(self):
        """Group delay of band-pass (at its centre) and smoother, ms."""
        return self._envelope.delay_ms

    @property
    def thresholds(self):
        """Thresholds (on, off), µV; may be set while running, with 0 <= off <= on."""
        return self._on_uv, self._off_uv

    @thresholds.setter
    def thresholds(self, thresholds):
        cdef double on_uv, off_uv
        on_uv, off_uv = thresholds
        if not (0 < on_uv < math.inf and 0 <= off_uv <= on_uv):
            raise ValueError(
                f"Thresholds of {on_uv} µV on and {off_uv} µV off were asked for; "
                "0 <= off <= on must hold and on must be above 0. Raise on or lower off."
            )
        self._on_uv, self._off_uv = on_uv, off_uv
        self._hysteresis.on, self._hysteresis.off = on_uv, off_uv

    @property
    def levels(self):
        """Envelope of the last pushed block, µV, read-only, valid until the next push."""
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
            Level, µV, and decision at the last sample. ``HELD``, ``SATURATED`` and ``GAP``
            are about the whole block, ``WARMUP`` is about its last sample.

        Raises
        ------
        TypeError
            If the block's number type, byte order or memory layout is another.
        ValueError
            If the block's shape is another.
        """
        self._intake.admit(block, first_index)
        if self._intake.rows > cnp.PyArray_DIM(self._levels, 0):
            self._levels = np.empty(self._intake.rows, dtype=np.float32)
        if self._intake.flags & GAP:
            self._hysteresis.run = 0
            self._hysteresis.lasted = 0
        if self._intake.rows < WORTH_RELEASING:
            self._run()
        else:
            with nogil:
                self._run()
        return reading(
            self._intake,
            t_us,
            (<const float *> cnp.PyArray_DATA(self._levels))[self._intake.rows - 1],
            self._hysteresis.active,
            <int64_t> (1000 * self._hysteresis.lasted / self._envelope.fs_hz),
            NAN,
        )

    cdef int follow(self, const int *samples, Py_ssize_t rows) noexcept nogil:
        """Take the next block of one channel, as `push` does, and return its flags.

        For loops that are compiled around the detector. `rows` is as many as a block that was
        pushed before had, or fewer.
        """
        self._intake.samples = samples
        self._intake.rows = rows
        self._intake.columns = 1
        self._intake.flags = 0
        self._intake.next_index += rows
        self._run()
        return self._intake.flags

    cdef void _run(self) noexcept nogil:
        cdef int64_t held = self._envelope._single.held[0]
        cdef int64_t saturated = self._envelope._single.saturated[0]
        cdef float *levels = <float *> cnp.PyArray_DATA(self._levels)
        cdef Py_ssize_t i
        envelope_push_f32(
            &self._envelope._single,
            self._intake.samples,
            NANOVOLT_INT32,
            self._intake.columns,
            self._intake.rows,
            levels,
        )
        for i in range(self._intake.rows):
            hysteresis_push_f32(&self._hysteresis, levels[i])
        if self._envelope._single.held[0] != held:
            self._intake.flags |= HELD
        if self._envelope._single.saturated[0] != saturated:
            self._intake.flags |= SATURATED
        self._intake.settle()

    def reset(self):
        """Forget every sample; parameters and thresholds stay."""
        self._envelope.reset()
        self._intake.forget()
        self._hysteresis.active = False
        self._hysteresis.run = 0
        self._hysteresis.lasted = 0
        # No decision is made on filters that have not settled: the first blanking.
        self._hysteresis.blanked = self._intake.warmup
