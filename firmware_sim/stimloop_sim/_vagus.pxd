"""A vagus nerve under stimulation, and the brainstem behind it."""

cdef class Vagus:
    cdef object _tolerances
    cdef double _half_ma, _chronaxie_us, _voice_ma, _voice_slope_ma, _slowing_bpm
    cdef double _na_rise, _na_fall, _ht_share
    cdef double _silent_s, _bearable_ma
    cdef readonly double slowed_bpm
    cdef readonly double recruited
    cdef readonly double noradrenaline
    cdef readonly double serotonin
    cdef readonly double train_at_s
    cdef readonly long long trains
    cdef readonly bint voice

    cdef double effect(self, double ma, double width_us, double period_us) noexcept nogil
    cdef int step(self, double t_s, double recruited, double peak_ma) except -1
