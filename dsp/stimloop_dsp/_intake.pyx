# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""What every detector of one channel does before and after its own work (tier: core).

Before: check the block, notice a gap, put the last good sample in place of a bad one. After:
count the warm-up and make the `Reading`. One sample of arithmetic is never here.
"""

import math

cimport cython
cimport numpy as cnp
from cpython.object cimport PyObject_GenericSetAttr
from libc.math cimport fabs
from libc.stdint cimport INT32_MIN, int64_t

import numpy as np

from stimloop_dsp import design
from stimloop_dsp.values import Quality, Reading

cnp.import_array()

# A lookup by number, where Quality(n) would cost more than the samples.
cdef tuple QUALITIES = tuple(Quality(flags) for flags in range(64))
cdef object NO_PHASE = math.nan
cdef object new_reading = Reading.__new__


@cython.final
cdef class Intake:
    """One channel of each block, in order.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, Hz.
    channel : int
        The block's column, >= 0.
    saturation_uv : float
        Greatest magnitude of a good sample, µV, above 0, at most 1e9.
    warmup : int
        Samples until the detector has settled, from the start and after each gap.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    """

    def __cinit__(self, double fs_hz, int channel, double saturation_uv, int64_t warmup):
        if channel < 0:
            raise ValueError(
                f"Channel {channel} was asked for; channels count from 0. Give a column."
            )
        if not 0 < saturation_uv <= 1e9:
            raise ValueError(
                f"Saturation at {saturation_uv} µV was asked for; it must be above 0 and at "
                "most 1e9 µV. Give the magnitude just below the converter's rail."
            )
        self.channel = channel
        self.limit_uv = saturation_uv
        self.warmup = warmup
        self.flat_limit = math.ceil(fs_hz * design.FLAT_MS / 1000)
        self.forget()

    cdef int admit(self, cnp.ndarray block, int64_t first_index) except -1:
        """Check a block and point to it; sets `rows`, `samples`, and GAP in `flags`."""
        if cnp.PyArray_TYPE(block) != cnp.NPY_INT32 or not cnp.PyArray_ISCARRAY_RO(block):
            raise TypeError(
                f"A block of {block.dtype} was pushed; give int32 in nV, C-contiguous, aligned "
                "and in native byte order."
            )
        if (
            cnp.PyArray_NDIM(block) != 2
            or cnp.PyArray_DIM(block, 0) < 1
            or cnp.PyArray_DIM(block, 1) <= self.channel
        ):
            raise ValueError(
                f"A block of shape {np.shape(block)} was pushed; give (n, channels) with "
                f"n >= 1 and channels > {self.channel}."
            )
        if self.columns and cnp.PyArray_DIM(block, 1) != self.columns:
            raise ValueError(
                f"A block of {np.shape(block)[1]} channels was pushed after one of "
                f"{self.columns}. Reset the detector before the channels change."
            )
        self.rows = cnp.PyArray_DIM(block, 0)
        self.columns = cnp.PyArray_DIM(block, 1)
        self.samples = <const int *> cnp.PyArray_DATA(block) + self.channel
        self.flags = 0
        if self.seen and first_index != self.next_index:
            self.flags = GAP
            self.settled_at = self.seen + self.warmup
        self.next_index = first_index + self.rows
        return 0

    cdef void read(self, double *uv) noexcept nogil:
        """Write the block's channel, µV, with each bad sample held; sets HELD, SATURATED."""
        cdef Py_ssize_t i
        cdef int raw
        cdef double sample_uv
        for i in range(self.rows):
            raw = self.samples[i * self.columns]
            sample_uv = raw * 1e-3
            if raw == INT32_MIN:
                self.flags |= HELD
            elif fabs(sample_uv) > self.limit_uv:
                self.flags |= HELD | SATURATED
            else:
                self.last_uv = sample_uv
            uv[i] = self.last_uv

    cdef int settle(self) noexcept nogil:
        """Count the block as done; sets WARMUP and ARTEFACT, and returns `flags`."""
        cdef Py_ssize_t i
        cdef int raw
        for i in range(self.rows):
            raw = self.samples[i * self.columns]
            self.flat = self.flat + 1 if raw == self.flat_raw else 1
            self.flat_raw = raw
            if self.flat >= self.flat_limit:
                self.flags |= ARTEFACT
        self.seen += self.rows
        if self.seen <= self.settled_at:
            self.flags |= WARMUP
        return self.flags

    cdef void forget(self) noexcept nogil:
        """Forget every sample."""
        self.rows = 0
        self.columns = 0
        self.flags = 0
        self.seen = 0
        self.next_index = 0
        self.settled_at = self.warmup
        self.last_uv = 0.0
        self.flat = 0
        self.flat_raw = 0


cdef object reading(
    Intake intake,
    int64_t t_us,
    double level,
    bint active,
    int64_t active_ms,
    double phase_rad,
    int state=0,
):
    """The reading at the last sample of the block that was settled last; NaN is no phase."""
    # What Reading(...) does, a microsecond faster: a frozen dataclass sets its fields through a
    # Python-level object.__setattr__, one call each.
    cdef object told = new_reading(Reading)
    PyObject_GenericSetAttr(told, "index", intake.next_index - 1)
    PyObject_GenericSetAttr(told, "t_us", t_us)
    PyObject_GenericSetAttr(told, "level", level)
    PyObject_GenericSetAttr(told, "active", bool(active))
    PyObject_GenericSetAttr(told, "active_ms", active_ms)
    PyObject_GenericSetAttr(
        told, "phase_rad", phase_rad if phase_rad == phase_rad else NO_PHASE
    )
    PyObject_GenericSetAttr(told, "quality", QUALITIES[intake.flags])
    PyObject_GenericSetAttr(told, "state", state)
    return told
