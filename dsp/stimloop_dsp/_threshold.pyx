# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""A level at every sample, and a decision by hysteresis (tier: core, float64).

What the detectors of the core tier share. Each gives `measure`, the level of every sample, and
`forget`; those that know a phase give `phase_rad` as well.
"""

import math

cimport numpy as cnp
from libc.math cimport NAN
from libc.stdint cimport int64_t

import numpy as np

from stimloop_dsp import design
from stimloop_dsp._intake cimport GAP, Intake, reading
from stimloop_dsp._kernels cimport hysteresis_push_f64

cnp.import_array()

cdef enum:
    # Below about 10 µs of work, releasing the GIL costs more than it gives others.
    WORTH_RELEASING = 1024


cdef class ThresholdDetector:
    """A detector that compares one level with two thresholds; made only as one of its kinds.

    At the same sample, level and decision are bit-identical however the signal was divided into
    blocks. One instance belongs to one thread. The decision stands at inactive until the
    detector has settled (``Quality.WARMUP``). Over a gap (``Quality.GAP``) state and decision
    stay, but count as unsettled again; runs toward onset or termination and ``active_ms`` begin
    anew.

    Attributes
    ----------
    unit : str
        Unit of level and thresholds.
    fs_hz : float
        Sampling rate, Hz.
    delay_ms : float
        How far the level lags the signal, ms.
    settling_ms : float
        Time until the level is to be believed, ms.
    """

    cdef int prepare(
        self,
        str unit,
        double fs_hz,
        double delay_ms,
        double settling_ms,
        double on,
        object off,
        double onset_ms,
        double termination_ms,
        double blanking_ms,
        int channel,
        double saturation_uv,
    ) except -1:
        """Check and set what every kind has; each kind calls it once, then forgets."""
        design.check_rate(fs_hz)
        design.check_times(
            onset_ms=onset_ms, termination_ms=termination_ms, blanking_ms=blanking_ms
        )
        self.unit = unit
        self.fs_hz = fs_hz
        self.delay_ms = delay_ms
        self.settling_ms = settling_ms
        self.intake = Intake(
            fs_hz, channel, saturation_uv, math.ceil(fs_hz * settling_ms / 1000)
        )
        self.thresholds = on, on if off is None else off
        self.hysteresis.onset = design.sample_count(fs_hz, onset_ms)
        self.hysteresis.termination = design.sample_count(fs_hz, termination_ms)
        self.hysteresis.blanking = round(fs_hz * blanking_ms / 1000)
        self._uv = np.empty(1024)
        self._levels = np.empty(1024)
        self._rest()
        return 0

    @property
    def thresholds(self):
        """Thresholds (on, off) in `unit`; may be set while running, with 0 <= off <= on."""
        return self.hysteresis.on, self.hysteresis.off

    @thresholds.setter
    def thresholds(self, thresholds):
        cdef double on, off
        on, off = thresholds
        if not (0 < on < math.inf and 0 <= off <= on):
            raise ValueError(
                f"Thresholds of {on} {self.unit} on and {off} {self.unit} off were asked for; "
                "0 <= off <= on must hold and on must be above 0. Raise on or lower off."
            )
        self.hysteresis.on, self.hysteresis.off = on, off

    @property
    def levels(self):
        """Level at each sample of the last block, read-only, valid until the next push."""
        view = self._levels[: self.intake.rows]
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
            Level and decision at the last sample. ``HELD``, ``SATURATED`` and ``GAP`` are about
            the whole block, ``WARMUP`` is about its last sample.

        Raises
        ------
        TypeError
            If the block's number type, byte order or memory layout is another.
        ValueError
            If the block's shape is another.
        """
        self.intake.admit(block, first_index)
        if self.intake.rows > cnp.PyArray_DIM(self._levels, 0):
            self._uv = np.empty(self.intake.rows)
            self._levels = np.empty(self.intake.rows)
        if self.intake.flags & GAP:
            self.hysteresis.run = 0
            self.hysteresis.lasted = 0
        if self.intake.rows < WORTH_RELEASING:
            self._take()
        else:
            with nogil:
                self._take()
        self.intake.settle()
        return reading(
            self.intake,
            t_us,
            (<const double *> cnp.PyArray_DATA(self._levels))[self.intake.rows - 1],
            self.hysteresis.active,
            <int64_t> (1000 * self.hysteresis.lasted / self.fs_hz),
            self.phase_rad(),
        )

    cdef void _take(self) noexcept nogil:
        cdef double *uv = <double *> cnp.PyArray_DATA(self._uv)
        cdef double *levels = <double *> cnp.PyArray_DATA(self._levels)
        cdef Py_ssize_t i
        self.intake.read(uv)
        self.measure(uv, self.intake.rows, levels)
        for i in range(self.intake.rows):
            hysteresis_push_f64(&self.hysteresis, levels[i])

    cdef void measure(
        self, const double *uv, Py_ssize_t rows, double *levels
    ) noexcept nogil:
        """Write the level of each sample."""

    cdef void forget(self) noexcept nogil:
        """Forget every sample that `measure` has seen."""

    cdef double phase_rad(self) noexcept nogil:
        """Phase at the last sample, rad, in (-pi, pi]; NaN where none is known."""
        return NAN

    cdef void _rest(self) noexcept nogil:
        self.intake.forget()
        self.hysteresis.active = False
        self.hysteresis.run = 0
        self.hysteresis.lasted = 0
        # No decision is made before the detector has settled: the first blanking.
        self.hysteresis.blanked = self.intake.warmup

    def reset(self):
        """Forget every sample; parameters and thresholds stay."""
        self._rest()
        self.forget()
