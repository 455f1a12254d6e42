# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""Percentiles of a level over a sliding window (tier: core)."""

import math

cimport cython
cimport numpy as cnp
from libc.math cimport log
from libc.stdint cimport int32_t, uint16_t

import numpy as np

cnp.import_array()

cdef enum:
    PER_OCTAVE = 48  # bins 1.45 % wide
    BINS = 2 + 24 * PER_OCTAVE
cdef double LEAST = 1e-3
cdef double SCALE = PER_OCTAVE / math.log(2)


@cython.final
cdef class RunningPercentile:
    """Histogram of the last levels, from which any percentile is read at any time.

    Bins are 1.45 % wide, from 0.001 to 16 777: what a percentile is told to within. Memory and
    cost of an update do not depend on how long it runs. One instance belongs to one thread.

    Parameters
    ----------
    window : int
        Levels that are remembered, 1 to 10 000 000.

    Attributes
    ----------
    count : int
        Levels in the histogram, up to `window`.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    """

    cdef cnp.ndarray _ring    # bin of each level
    cdef cnp.ndarray _counts
    cdef Py_ssize_t _at
    cdef readonly Py_ssize_t window
    cdef readonly Py_ssize_t count

    def __cinit__(self, Py_ssize_t window):
        if not 1 <= window <= 10_000_000:
            raise ValueError(
                f"A window of {window} levels was asked for; 1 to 10000000 are allowed."
            )
        self.window = window
        self._ring = np.zeros(window, dtype=np.uint16)
        self._counts = np.zeros(BINS, dtype=np.int32)
        self.reset()

    def update(self, double level):
        """Take the next level.

        Parameters
        ----------
        level : float
            Not NaN; below the least bin it counts as 0, above the greatest as infinite.

        Raises
        ------
        ValueError
            If it is NaN.
        """
        cdef uint16_t *ring = <uint16_t *> cnp.PyArray_DATA(self._ring)
        cdef int32_t *counts = <int32_t *> cnp.PyArray_DATA(self._counts)
        cdef int bin
        if level != level:
            raise ValueError("A level that is NaN was pushed; leave it out.")
        if level < LEAST:
            bin = 0
        else:
            bin = 1 + <int> min(SCALE * log(level / LEAST), <double> (BINS - 2))
        if self.count == self.window:
            counts[ring[self._at]] -= 1
        else:
            self.count += 1
        ring[self._at] = bin
        counts[bin] += 1
        self._at = self._at + 1 if self._at + 1 < self.window else 0

    def percentile(self, double percent):
        """Level that this share of the remembered ones does not exceed.

        Parameters
        ----------
        percent : float
            0 to 100.

        Returns
        -------
        float
            Middle of the bin in which it lies, NaN before the first level.

        Raises
        ------
        ValueError
            If `percent` is outside its range.
        """
        cdef const int32_t *counts = <const int32_t *> cnp.PyArray_DATA(self._counts)
        cdef Py_ssize_t below = 0
        cdef double wanted
        cdef int bin
        if not 0 <= percent <= 100:
            raise ValueError(f"A percentile of {percent} was asked for; give 0 to 100.")
        if self.count == 0:
            return math.nan
        wanted = max(1.0, percent / 100 * self.count)
        for bin in range(BINS):
            below += counts[bin]
            if below >= wanted:
                break
        if bin == 0:
            return 0.0
        if bin == BINS - 1:
            return math.inf
        return LEAST * math.exp((bin - 0.5) / SCALE)

    def reset(self):
        """Forget every level."""
        self._counts.fill(0)
        self._at = 0
        self.count = 0
