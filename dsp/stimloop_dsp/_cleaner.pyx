# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""Cleaners: samples in, better samples out, before a detector (tier: core, integers).

A cleaner takes and returns blocks of whole nanovolts, so that one may follow another and none
rounds differently elsewhere. A sample that is missing (``MISSING``) stays so, and one at the
rails of ``int32`` stays there: the detector behind it holds and tells them.
"""

cimport numpy as cnp
from libc.stdint cimport INT32_MAX, INT32_MIN, int32_t, int64_t

import numpy as np

from stimloop_dsp import design

cnp.import_array()

cdef enum:
    # Below about 10 µs of work, releasing the GIL costs more than it gives others.
    WORTH_RELEASING = 1024


cdef class Cleaner:
    """A step between device and detector; made only as one of its kinds.

    At the same sample, the output is bit-identical however the signal was divided into blocks.
    A block that does not follow the one before begins anew. One instance belongs to one thread.

    Attributes
    ----------
    fs_hz : float
        Sampling rate, Hz.
    delay_ms : float
        How far the output lags the input, ms, beyond what a filter's phase does.
    channels : int
        Columns of a block.
    """

    cdef int prepare(self, double fs_hz, int channels, int columns_out) except -1:
        """Check and set what every kind has; each kind calls it once, then forgets."""
        design.check_rate(fs_hz)
        if not 1 <= channels <= 4096:
            raise ValueError(
                f"{channels} channels were asked for; 1 to 4096 are allowed. Give the number "
                "of columns of a block."
            )
        self.fs_hz = fs_hz
        self.channels = channels
        self.columns_out = columns_out
        self._out = np.empty((64, columns_out), dtype=np.int32)
        return 0

    def push(self, cnp.ndarray block not None, int64_t first_index):
        """Take the next block.

        Parameters
        ----------
        block : ndarray of int32, shape (n, channels), C-contiguous
            Samples, nV, with ``MISSING`` for none.
        first_index : int
            Index of the block's first sample.

        Returns
        -------
        ndarray of int32, shape (n, channels)
            Samples, nV, read-only, valid until the next push.

        Raises
        ------
        TypeError
            If the block's number type, byte order or memory layout is another.
        ValueError
            If the block's shape is another.
        """
        cdef Py_ssize_t rows
        cdef cnp.ndarray told
        if cnp.PyArray_TYPE(block) != cnp.NPY_INT32 or not cnp.PyArray_ISCARRAY_RO(block):
            raise TypeError(
                f"A block of {block.dtype} was pushed; give int32 in nV, C-contiguous, aligned "
                "and in native byte order."
            )
        if cnp.PyArray_NDIM(block) != 2 or cnp.PyArray_DIM(block, 1) != self.channels:
            raise ValueError(
                f"A block of shape {np.shape(block)} was pushed; give (n, {self.channels})."
            )
        rows = cnp.PyArray_DIM(block, 0)
        if rows > cnp.PyArray_DIM(self._out, 0):
            self._out = np.empty((rows, self.columns_out), dtype=np.int32)
        if self.begun and first_index != self.next_index:
            self.forget()
        self.begun = True
        self.next_index = first_index + rows
        if rows * self.channels < WORTH_RELEASING:
            self.clean(
                <const int32_t *> cnp.PyArray_DATA(block),
                first_index,
                rows,
                <int32_t *> cnp.PyArray_DATA(self._out),
            )
        else:
            with nogil:
                self.clean(
                    <const int32_t *> cnp.PyArray_DATA(block),
                    first_index,
                    rows,
                    <int32_t *> cnp.PyArray_DATA(self._out),
                )
        told = self._out[:rows]
        told.flags.writeable = False
        return told

    cdef void clean(
        self, const int32_t *samples, int64_t index, Py_ssize_t rows, int32_t *out
    ) noexcept nogil:
        """Write as many rows as are taken."""

    cdef void forget(self) noexcept:
        """Forget every sample."""

    def reset(self):
        """Forget every sample; parameters stay."""
        self.begun = False
        self.forget()


cdef bint is_bad(int32_t nv) noexcept nogil:
    """Tell whether a sample is missing or at a rail of its type."""
    return nv <= INT32_MIN + 1 or nv == INT32_MAX


cdef int32_t fitting(int64_t nv) noexcept nogil:
    """Nearest sample, never MISSING; what does not fit is at the rail."""
    if nv > INT32_MAX:
        return INT32_MAX
    if nv <= INT32_MIN:
        return INT32_MIN + 1
    return <int32_t> nv


cdef int64_t ratio(int64_t total, int64_t count) noexcept nogil:
    """Quotient to the nearest whole number, halves away from zero."""
    return (total + count // 2) // count if total >= 0 else -((-total + count // 2) // count)
