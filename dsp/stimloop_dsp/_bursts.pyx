# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""Bursts of an envelope, streaming (tier: kernel)."""

import math

cimport cython
cimport numpy as cnp

import numpy as np

from stimloop_dsp import design
from stimloop_dsp._kernels cimport burst_push, burst_run
from stimloop_dsp.bursts import Burst

cnp.import_array()


@cython.final
cdef class BurstTracker:
    """Finds bursts in an envelope as it arrives.

    Chunk-invariant; agrees with `find_bursts` on the whole. A burst is told when it has ended.
    One instance belongs to one thread.

    Parameters
    ----------
    fs_hz : float
        Rate of the envelope's samples, Hz.
    threshold : float
        A burst is a run of samples above this, in the envelope's unit. It may be set while
        running.
    minimum_ms : float
        Shorter runs are no bursts, ms, to the nearest sample.

    Attributes
    ----------
    samples : int
        Samples pushed since the last reset.
    count : int
        Bursts finished since the last reset.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    References
    ----------
    G. Tinkhauser et al., "The modulatory effect of adaptive deep brain stimulation on beta
    bursts in Parkinson's disease", Brain 140, 2017, doi 10.1093/brain/awx010.
    """

    cdef burst_run _run
    cdef double _threshold
    cdef readonly long long count

    def __cinit__(self, double fs_hz, double threshold, double minimum_ms=100.0):
        design.check_rate(fs_hz)
        if not 0 <= minimum_ms < math.inf:
            raise ValueError(
                f"Bursts of at least {minimum_ms} ms were asked for; give a finite duration of "
                "0 ms or more."
            )
        self._run.minimum = design.sample_count(fs_hz, minimum_ms)
        self.threshold = threshold

    @property
    def threshold(self):
        """A burst is a run of samples above this, in the envelope's unit."""
        return self._threshold

    @threshold.setter
    def threshold(self, double threshold):
        if not math.isfinite(threshold):
            raise ValueError(
                f"A threshold of {threshold} was asked for; give a finite number."
            )
        self._threshold = threshold

    @property
    def samples(self):
        """Samples pushed since the last reset."""
        return self._run.index

    def push(self, cnp.ndarray envelope not None):
        """Take the next samples of the envelope.

        Parameters
        ----------
        envelope : ndarray of float32 or float64, shape (n,), C-contiguous
            Envelope, in the threshold's unit.

        Returns
        -------
        list of Burst
            The bursts that ended in these samples; onsets count from the last reset.

        Raises
        ------
        TypeError
            If the number type, byte order or memory layout is another.
        ValueError
            If the array has not one dimension.
        """
        cdef const float *single
        cdef const double *double_
        cdef Py_ssize_t i, n = cnp.PyArray_SIZE(envelope)
        cdef list ended = []
        if not cnp.PyArray_ISCARRAY_RO(envelope):
            raise TypeError("envelope must be C-contiguous, aligned and in native byte order.")
        if cnp.PyArray_NDIM(envelope) != 1:
            raise ValueError(
                f"An envelope of shape {np.shape(envelope)} was pushed; give (n,)."
            )
        if cnp.PyArray_TYPE(envelope) == cnp.NPY_FLOAT32:
            single = <const float *> cnp.PyArray_DATA(envelope)
            for i in range(n):
                if burst_push(&self._run, single[i], self._threshold):
                    ended.append(self._last())
        elif cnp.PyArray_TYPE(envelope) == cnp.NPY_FLOAT64:
            double_ = <const double *> cnp.PyArray_DATA(envelope)
            for i in range(n):
                if burst_push(&self._run, double_[i], self._threshold):
                    ended.append(self._last())
        else:
            raise TypeError(
                f"An envelope of {envelope.dtype} was pushed; give float32 or float64."
            )
        self.count += len(ended)
        return ended

    cdef object _last(self):
        return Burst(self._run.onset, self._run.duration, self._run.peak)

    def reset(self):
        """Forget every sample and count; threshold and minimum stay."""
        self._run.index = 0
        self._run.above = False
        self.count = 0
