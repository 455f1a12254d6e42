"""Seizures as they go under stimulation."""

from stimloop_sim._vagus cimport Vagus

cdef class Ictal:
    cdef object _plans
    cdef double _p_stop, _in_time_s, _act_s, _least, _most
    cdef double _onset_s, _end_s, _rise_at_s, _rise_bpm, _climb_s, _return_s, _chance, _share
    cdef double _untreated_s, _overlap, _left_bpm
    cdef int _steps
    cdef long long _acted
    cdef bint _stopped
    cdef readonly bint seizing
    cdef readonly double risen_bpm
    cdef readonly list past

    cdef int step(self, double t_s, Vagus vagus) except -1
    cdef int plan(self) except -1
    cdef void act(self, double t_s, double strength, bint in_time) noexcept
