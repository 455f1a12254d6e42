# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""Derivations of channels (tier: core, integers)."""

cimport cython
cimport numpy as cnp
from libc.stdint cimport INT32_MAX, INT32_MIN, int32_t, int64_t

import numpy as np

from stimloop_dsp._cleaner cimport Cleaner, fitting

cnp.import_array()


@cython.final
cdef class Montage(Cleaner):
    """Columns of differences: bipolar, of both sides, or as they are.

    Where one of two samples is missing, so is the difference; where one is beyond the
    saturation limit, the difference is at the rail, and a detector flags it.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, Hz.
    derivations : sequence of (int, int or None)
        Column, and the column subtracted from it or None, of each output column.
    channels : int
        Columns of a block.
    saturation_uv : float
        Greatest magnitude of a good sample, µV, above 0, at most 1e6: a difference of good
        samples is within an ``int32`` of nanovolts.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    """

    cdef cnp.ndarray _plus
    cdef cnp.ndarray _minus
    cdef int64_t _limit_nv

    def __cinit__(
        self, double fs_hz, derivations, int channels, double saturation_uv=10_000.0
    ):
        derivations = tuple(derivations)
        self.prepare(fs_hz, channels, max(1, len(derivations)))
        if not derivations or len(derivations) > 4096:
            raise ValueError(
                f"{len(derivations)} derivations were asked for; 1 to 4096 are allowed."
            )
        if not 0 < saturation_uv <= 1e6:
            raise ValueError(
                f"Saturation at {saturation_uv} µV was asked for; it must be above 0 and at "
                "most 1e6 µV."
            )
        for plus, minus in derivations:
            if not 0 <= plus < channels or not (minus is None or 0 <= minus < channels):
                raise ValueError(
                    f"A derivation of {plus} minus {minus} was asked for; columns are 0 to "
                    f"{channels - 1}, and the second may be None."
                )
        self._plus = np.array([plus for plus, _ in derivations], dtype=np.int32)
        self._minus = np.array(
            [-1 if minus is None else minus for _, minus in derivations], dtype=np.int32
        )
        self._limit_nv = <int64_t> (saturation_uv * 1000)

    cdef void clean(
        self, const int32_t *samples, int64_t index, Py_ssize_t rows, int32_t *out
    ) noexcept nogil:
        cdef const int32_t *plus = <const int32_t *> cnp.PyArray_DATA(self._plus)
        cdef const int32_t *minus = <const int32_t *> cnp.PyArray_DATA(self._minus)
        cdef int64_t limit = self._limit_nv
        cdef int32_t first, second
        cdef int c
        for _ in range(rows):
            for c in range(self.columns_out):
                first = samples[plus[c]]
                second = samples[minus[c]] if minus[c] >= 0 else 0
                if first == INT32_MIN or second == INT32_MIN:
                    out[c] = INT32_MIN
                elif not (-limit <= first <= limit and -limit <= second <= limit):
                    out[c] = INT32_MAX
                else:
                    out[c] = fitting(<int64_t> first - second)
            samples += self.channels
            out += self.columns_out
