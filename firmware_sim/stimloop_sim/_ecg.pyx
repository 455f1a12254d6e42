# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""An electrocardiogram made of its beats: five Gaussian waves each (tier: core, float64).

The shape is that of McSharry et al. (2003), IEEE Transactions on Biomedical Engineering 50:289,
doi:10.1109/TBME.2003.808805, in time instead of angle: the QRS complex keeps its width at any
rate, P and T wave move towards it with the root of the interval.
"""

cimport cython
from libc.math cimport ceil, exp, floor, sqrt
from libc.stdint cimport int64_t

cdef enum:
    SHAPE = 5           # P, Q, R, S, T

# Centre after the R wave and standard deviation, s; size in R waves; whether the interval
# between beats stretches it. From a discharge of the sinus node to the R wave it takes DELAY_S.
cdef double DELAY_S = 0.25
cdef double[SHAPE] CENTRE_S = [-0.17, -0.025, 0.0, 0.025, 0.28]
cdef double[SHAPE] WIDTH_S = [0.020, 0.008, 0.010, 0.010, 0.045]
cdef double[SHAPE] SIZE = [0.12, -0.15, 1.0, -0.25, 0.25]
cdef bint[SHAPE] STRETCHES = [True, False, False, False, True]
cdef double REACH = 4.0             # standard deviations
cdef double LONG_S = 0.8            # intervals beyond this stretch no further


@cython.final
cdef class Ecg:
    """Adds up the waves of one beat after another.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, Hz.
    r_uv : float
        Size of an R wave, µV.
    """

    def __init__(self, double fs_hz, double r_uv):
        self._fs_hz = fs_hz
        self._r_uv = r_uv
        self._count = 0

    cdef int64_t beat(self, double at, double interval_s, double height) noexcept nogil:
        """Take a discharge of the sinus node, at a fractional sample; the sample of its R wave.

        `interval_s` is the present one between beats, `height` a factor near 1.
        """
        cdef double stretch = sqrt(min(interval_s, LONG_S) / LONG_S)
        cdef double r_at = at + DELAY_S * stretch * self._fs_hz, width
        cdef wave_t wave
        cdef int i
        for i in range(SHAPE):
            width = WIDTH_S[i] * (stretch if STRETCHES[i] else 1.0) * self._fs_hz
            wave.centre = r_at + CENTRE_S[i] * (stretch if STRETCHES[i] else 1.0) * self._fs_hz
            wave.scale = 1.0 / width
            wave.size_uv = SIZE[i] * height * self._r_uv
            wave.begin = <int64_t> ceil(wave.centre - REACH * width)
            wave.end = <int64_t> floor(wave.centre + REACH * width)
            if self._count < WAVES:
                self._waves[self._count] = wave
                self._count += 1
        return <int64_t> floor(r_at + 0.5)

    cdef double take(self, int64_t sample) noexcept nogil:
        """The next sample, µV."""
        cdef double sum_uv = 0.0, z
        cdef int i = 0
        while i < self._count:
            if sample > self._waves[i].end:
                self._count -= 1
                self._waves[i] = self._waves[self._count]
                continue
            if sample >= self._waves[i].begin:
                z = (sample - self._waves[i].centre) * self._waves[i].scale
                sum_uv += self._waves[i].size_uv * exp(-0.5 * z * z)
            i += 1
        return sum_uv
