# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""A notch at the mains and its harmonics (tier: core, float64 between integers)."""

cimport cython
cimport numpy as cnp
from libc.math cimport fabs, llround
from libc.stdint cimport int32_t, int64_t

import numpy as np

from stimloop_dsp import design
from stimloop_dsp._cleaner cimport Cleaner, fitting, is_bad

cnp.import_array()


@cython.final
cdef class Notch(Cleaner):
    """Removes the mains and those of its harmonics that lie below half the sampling rate.

    In place of a missing or railed sample the filter sees the last good one; the sample itself
    is told as it is.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, Hz.
    mains_hz : float
        50 or 60 Hz, or what else is to be removed, Hz, below half the rate.
    width_hz : float
        Width at -3 dB, Hz, above 0 and up to half of `mains_hz`; the narrower, the longer it
        rings: with the time constant ``1 / (pi width)``.
    harmonics : int
        How many, the first included, 1 to 20.
    channels : int
        Columns of a block.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    References
    ----------
    S. Orfanidis, Introduction to Signal Processing, 1996, section 11.3 (the biquad).
    """

    cdef cnp.ndarray _sections  # sections x 5: b0, b1, b2, a1, a2
    cdef cnp.ndarray _state     # sections x 2 x channels
    cdef cnp.ndarray _last
    cdef int _count

    def __cinit__(
        self,
        double fs_hz,
        double mains_hz=50.0,
        double width_hz=2.0,
        int harmonics=1,
        int channels=1,
    ):
        self.prepare(fs_hz, channels, channels)
        self._sections = design.notches(fs_hz, mains_hz, width_hz, harmonics)
        self._count = self._sections.shape[0]
        self._state = np.zeros((self._count, 2, channels))
        self._last = np.zeros(channels, dtype=np.int32)

    cdef void clean(
        self, const int32_t *samples, int64_t index, Py_ssize_t rows, int32_t *out
    ) noexcept nogil:
        cdef const double *b = <const double *> cnp.PyArray_DATA(self._sections)
        cdef int32_t *last = <int32_t *> cnp.PyArray_DATA(self._last)
        cdef double *z
        cdef Py_ssize_t i
        cdef int c, s
        cdef int32_t sample
        cdef double x, y
        for i in range(rows):
            for c in range(self.channels):
                sample = samples[i * self.channels + c]
                if not is_bad(sample):
                    last[c] = sample
                x = last[c]
                for s in range(self._count):
                    z = <double *> cnp.PyArray_DATA(self._state) + 2 * s * self.channels + c
                    y = b[5 * s] * x + z[0]
                    z[0] = b[5 * s + 1] * x - b[5 * s + 3] * y + z[self.channels]
                    z[self.channels] = b[5 * s + 2] * x - b[5 * s + 4] * y
                    # Silence decays into denormal numbers, slow on some processors.
                    if fabs(z[0]) < 1e-30 and fabs(z[self.channels]) < 1e-30:
                        z[0] = z[self.channels] = 0.0
                    x = y
                out[i * self.channels + c] = sample if is_bad(sample) else fitting(llround(x))

    cdef void forget(self) noexcept:
        self._state.fill(0)
        self._last.fill(0)
