"""An electrocardiogram made of its beats."""

from libc.stdint cimport int64_t

cdef enum:
    WAVES = 40          # of the beats whose waves are not over: at most eight beats

cdef struct wave_t:
    double centre       # sample
    double scale        # 1 / standard deviation, per sample
    double size_uv
    int64_t begin, end  # samples that it reaches

cdef class Ecg:
    cdef double _fs_hz, _r_uv
    cdef wave_t[WAVES] _waves
    cdef int _count

    cdef int64_t beat(self, double at, double interval_s, double height) noexcept nogil
    cdef double take(self, int64_t sample) noexcept nogil
