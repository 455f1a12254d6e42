"""The rhythm of a sinus node."""

cimport numpy as cnp

cdef enum:
    STEPS_DRAWN = 600
    NORMALS = 4

cdef class Sinus:
    cdef object _noise
    cdef cnp.ndarray _normals
    cdef int _next
    cdef double _rest_bpm, _rsa, _lf, _vlf, _breath_step, _climb, _calm
    cdef double _lf_keep_re, _lf_keep_im, _lf_new, _lf_re, _lf_im
    cdef double _vlf_keep, _vlf_new, _slow, _active_bpm
    cdef readonly double breath_rad
    cdef readonly double rate_bpm

    cdef int step(self, double goal_bpm, double added_bpm) except -1
