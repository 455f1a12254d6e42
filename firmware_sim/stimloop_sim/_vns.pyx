# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""The simulated patient of vagus nerve stimulation, sample by sample.

Numeric tier: *core* (float64, streaming, the same bits for any block size). What moves slowly
(rhythm, seizure, nerve and brainstem) goes in steps of 0.1 s of the patient's own time, each
under the stimulation of the 0.1 s before it.
"""

cimport cython
from libc.math cimport sin, sqrt
from libc.stdint cimport int32_t, int64_t

import numpy as np

cimport numpy as cnp

from stimloop_sim._ecg cimport Ecg
from stimloop_sim._ictal cimport Ictal
from stimloop_sim._sinus cimport Sinus
from stimloop_sim._vagus cimport Vagus

cnp.import_array()

cdef enum:
    STEPS_PER_S = 10
    SAMPLES_DRAWN = 4096        # normal deviates of the noise are drawn for so many at once
    R_WAVES = 8                 # on their way from the sinus node to the ventricles

cdef double BREATHING_R = 0.05  # how much breathing changes the R waves


@cython.final
cdef class VnsGenerator:
    """Heart, seizures, nerve and brainstem of one patient.

    Parameters
    ----------
    ecg : Ecg
    sinus : Sinus
    vagus : Vagus
    ictal : Ictal
    course : callable () -> ndarray of float64, (seconds, 2)
        See `stimloop_sim.activity.Course`.
    noise : numpy.random.Generator
        Of the electrocardiogram, a normal deviate for each sample, whatever happens.
    fs_hz : int
        Sampling rate, Hz, a multiple of 10.
    floor_uv, wander_uv : float
        White noise, and the baseline's movement with each breath, µV.
    """

    cdef readonly Ecg ecg
    cdef readonly Sinus sinus
    cdef readonly Vagus vagus
    cdef readonly Ictal ictal
    cdef object _course, _noise
    cdef cnp.ndarray _normals, _chunk, _r_samples
    cdef int _next, _count, _per_step, _in_step, _travelling
    cdef Py_ssize_t _row
    cdef int64_t _n
    cdef double _fs_hz, _floor_uv, _wander_uv, _noise_uv, _base_uv, _base_step_uv
    cdef double _phase, _advance
    cdef int64_t[R_WAVES] _r_due
    cdef int32_t _ua
    cdef int _width_us, _period_us
    cdef double _effect, _sum, _peak_ma

    def __init__(
        self,
        Ecg ecg not None,
        Sinus sinus not None,
        Vagus vagus not None,
        Ictal ictal not None,
        course not None,
        noise not None,
        *,
        int fs_hz,
        double floor_uv,
        double wander_uv,
    ):
        self.ecg, self.sinus, self.vagus, self.ictal = ecg, sinus, vagus, ictal
        self._course, self._noise = course, noise
        self._normals = np.empty(SAMPLES_DRAWN)
        self._next = SAMPLES_DRAWN
        self._chunk = course()
        self._row = 0
        self._r_samples = np.empty(0, np.int64)
        self._count = self._travelling = 0
        self._fs_hz, self._per_step, self._in_step = fs_hz, fs_hz // STEPS_PER_S, 0
        self._n = 0
        self._floor_uv, self._wander_uv = floor_uv, wander_uv
        self._base_uv = self._phase = 0.0
        self._ua = self._width_us = self._period_us = 0
        self._effect = self._sum = self._peak_ma = 0.0
        self.step()

    @property
    def r_samples(self):
        """Samples of the R waves within the last block, (beats,), int64. A copy."""
        return self._r_samples[: self._count].copy()

    def advance(self, cnp.ndarray amplitude_ua not None, int width_us, int period_us):
        """Let the patient live through one block; see `stimloop_sim.source.Source.sense`."""
        if (
            cnp.PyArray_TYPE(amplitude_ua) != cnp.NPY_INT32
            or cnp.PyArray_NDIM(amplitude_ua) != 1
            or not cnp.PyArray_IS_C_CONTIGUOUS(amplitude_ua)
        ):
            raise ValueError("amplitude_ua must be a contiguous vector of int32")
        if width_us < 0 or period_us < 0:
            raise ValueError(
                f"width {width_us} us and period {period_us} us must not be negative"
            )
        cdef Py_ssize_t n = cnp.PyArray_DIM(amplitude_ua, 0), i
        cdef const int32_t *ua = <const int32_t *> cnp.PyArray_DATA(amplitude_ua)
        for i in range(n):
            if ua[i] < 0:
                raise ValueError(f"amplitude {ua[i]} uA must not be negative")
        cdef cnp.npy_intp[2] shape
        shape[0], shape[1] = n, 1
        sensed = cnp.PyArray_EMPTY(2, shape, cnp.NPY_DOUBLE, 0)
        cdef double *out = <double *> cnp.PyArray_DATA(sensed)
        cdef const double *normals = <const double *> cnp.PyArray_DATA(self._normals)
        if cnp.PyArray_DIM(self._r_samples, 0) < n // self._per_step + R_WAVES:
            self._r_samples = np.empty(n // self._per_step + R_WAVES, np.int64)
        self._count = 0
        for i in range(n):
            if (
                ua[i] != self._ua
                or width_us != self._width_us
                or period_us != self._period_us
            ):
                self._ua, self._width_us, self._period_us = ua[i], width_us, period_us
                self._effect = self.vagus.effect(1e-3 * ua[i], width_us, period_us)
            self._sum += self._effect
            self._peak_ma = max(self._peak_ma, 1e-3 * ua[i])
            if self._next == SAMPLES_DRAWN:
                self._noise.standard_normal(out=self._normals)
                self._next = 0
            self._base_uv += self._base_step_uv
            out[i] = self.beat() + self._base_uv + self._noise_uv * normals[self._next]
            self._next += 1
            self._n += 1
            self._in_step += 1
            if self._in_step == self._per_step:
                self._in_step = 0
                self.step()
        return sensed

    cdef double beat(self) noexcept:
        """The electrocardiogram's next sample, µV."""
        cdef int i
        self._phase += self._advance
        if self._phase >= 1.0:
            self._phase -= 1.0
            self._r_due[self._travelling] = self.ecg.beat(
                self._n - self._phase / self._advance,
                60.0 / self.sinus.rate_bpm,
                1.0 + BREATHING_R * sin(self.sinus.breath_rad),
            )
            self._travelling = min(self._travelling + 1, R_WAVES - 1)
        if self._travelling and self._r_due[0] <= self._n:
            (<int64_t *> cnp.PyArray_DATA(self._r_samples))[self._count] = self._r_due[0]
            self._count += 1
            self._travelling -= 1
            for i in range(self._travelling):
                self._r_due[i] = self._r_due[i + 1]
        return self.ecg.take(self._n)

    cdef int step(self) except -1:
        """Everything that moves slowly, to the present sample's time."""
        cdef double t_s = self._n / self._fs_hz
        cdef const double *row
        cdef double muscle_uv, base_uv
        if self._n % <int64_t> self._fs_hz == 0 and self._n:
            self._row += 1
            if self._row == cnp.PyArray_DIM(self._chunk, 0):
                self._chunk = self._course()
                self._row = 0
        row = <const double *> cnp.PyArray_DATA(self._chunk) + 2 * self._row
        self.vagus.step(t_s, self._sum / self._per_step, self._peak_ma)
        self.ictal.step(t_s, self.vagus)
        self.sinus.step(row[0], self.ictal.risen_bpm - self.vagus.slowed_bpm)
        self._sum = self._peak_ma = 0.0
        self._advance = self.sinus.rate_bpm / 60.0 / self._fs_hz
        muscle_uv = row[1]
        self._noise_uv = sqrt(self._floor_uv * self._floor_uv + muscle_uv * muscle_uv)
        base_uv = self._wander_uv * sin(self.sinus.breath_rad)
        self._base_step_uv = (base_uv - self._base_uv) / self._per_step
        return 0
