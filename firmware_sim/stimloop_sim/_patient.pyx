# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False, freethreading_compatible=True
"""Per-sample arithmetic of the simulated deep-brain-stimulation patient.

Numeric tier: *core* (float64, streaming, the same bits for any block size). Every constant
that needs ``exp``, ``cos`` or ``sin`` is computed once by `stimloop_sim.patient` and handed in;
a sample takes only ``+ - * /`` and a square root.
"""

from libc.stdint cimport int32_t
from libc.math cimport sqrt

import numpy as np

cimport numpy as cnp

cnp.import_array()

cdef enum:
    STAGES = 7                  # relaxation processes summed into 1/f noise
    NORMALS = STAGES + 4        # drift, two of the oscillation, the stages, the noise floor
    SAMPLES_DRAWN = 512         # normal deviates are drawn for this many samples at once
    POINTS = 14                 # of the dose-response curve

# Cortical afferents entrained by 130 Hz, 60 us pulses: Fleming, Dunn and Lowery (2020),
# doi:10.3389/fnins.2020.00166, model code ModelDB 262046.
cdef double[POINTS] AMPLITUDE_MA
AMPLITUDE_MA[:] = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 3.0, 4.0, 5.0]
cdef double[POINTS] ENTRAINED_PERCENT
ENTRAINED_PERCENT[:] = [
    0.0, 0.0, 0.0, 1.0, 4.0, 8.0, 19.0, 30.0, 43.0, 59.0, 82.0, 100.0, 100.0, 100.0
]

# Recruitment left to decay would end in subnormal numbers, which are slow on some processors.
cdef double SILENT = 1e-30


cdef inline double width_factor(int width_us) noexcept nogil:
    """How much a pulse's amplitude counts, relative to 60 us."""
    return sqrt(width_us / 60.0)


cdef inline double rate_factor(int period_us) noexcept nogil:
    """Share of the 130 Hz effect that is left at another rate, 0 to 1."""
    if period_us == 0:
        return 0.0
    cdef double factor = (1e6 / period_us - 60.0) / (130.0 - 60.0)
    return min(max(factor, 0.0), 1.0)


cdef inline double entrained(double amplitude_ma) noexcept nogil:
    """Share of afferents entrained at 130 Hz, 60 us: the table, linear between its points."""
    cdef int i
    for i in range(1, POINTS):
        if amplitude_ma < AMPLITUDE_MA[i]:
            return 0.01 * (
                ENTRAINED_PERCENT[i - 1]
                + (ENTRAINED_PERCENT[i] - ENTRAINED_PERCENT[i - 1])
                * (amplitude_ma - AMPLITUDE_MA[i - 1])
                / (AMPLITUDE_MA[i] - AMPLITUDE_MA[i - 1])
            )
    return 0.01 * ENTRAINED_PERCENT[POINTS - 1]


def recruitment(int amplitude_ua, int width_us, int period_us):
    """Share of cortical afferents that a steady pulse train entrains.

    ``rho(A, f, PW) = interp(A * sqrt(PW / 60 us)) * h(f)`` with the dose-response table of
    Fleming et al. (2020). The square root and ``h``, linear from 0 at 60 Hz to 1 at 130 Hz and
    level above, are design choices of this simulator: a threshold between constant current and
    constant charge, and no effect at low rates.

    Parameters
    ----------
    amplitude_ua : int
        Amplitude in uA, 0 or more.
    width_us : int
        Pulse width in us, 0 or more.
    period_us : int
        Pulse period in us; 0 means no train.

    Returns
    -------
    float
        Between 0 and 1.
    """
    return entrained(1e-3 * amplitude_ua * width_factor(width_us)) * rate_factor(period_us)


cdef class BetaGenerator:
    """Noise-driven beta oscillation with a slowly drifting damping, under stimulation.

    Parameters
    ----------
    noise : numpy.random.Generator
        Source of every normal deviate. They are taken in the order of the samples, a fixed
        number per sample, so neither the block size nor the stimulation changes the noise.
    half_step_s : float
        Half the sampling interval in s.
    growth_per_s : float
        Growth rate of the undisturbed oscillation in 1/s, negative.
    saturation_per_s : float
        Damping per squared amplitude in 1/s.
    suppression_per_s : float
        Damping added by full recruitment in 1/s.
    rise, fall : float
        Share of the way that recruitment goes within one sample, up and down, 0 to 1.
    drift_sd : float
        Standard deviation of the growth rate's drift in 1/s.
    drift_keep : float
        Correlation of that drift from one sample to the next, 0 to 1.
    drive_sd : float
        Standard deviation of each component's noise increment within one sample.
    start_sd : float
        Standard deviation of each component of the oscillation at the start.
    rotation : complex
        Phase advance of the oscillation in one sample, of modulus 1.
    pink_sd : float
        Standard deviation of each of the relaxation processes, in units of the oscillation.
    pink_keep : sequence of 7 float
        Correlation of each process from one sample to the next, 0 to 1.
    gain_uv : float
        Potential in uV of one unit of oscillation or of 1/f noise.
    floor_uv : float
        Standard deviation of the front end's white noise in uV.
    """

    cdef object _noise
    cdef cnp.ndarray _normals
    cdef cnp.ndarray _envelope
    cdef double* _drawn
    cdef Py_ssize_t _next
    cdef Py_ssize_t _length
    cdef double _half_step_s, _growth, _saturation, _suppression, _rise, _fall
    cdef double _drift_keep, _drift_new, _drive_sd, _gain_uv, _floor_uv
    cdef double[STAGES] _pink_keep
    cdef double[STAGES] _pink_new
    cdef double _turn_re, _turn_im
    cdef double _drift, _recruited, _re, _im, _cos, _sin
    cdef double[STAGES] _pink

    def __init__(
        self,
        noise not None,
        *,
        double half_step_s,
        double growth_per_s,
        double saturation_per_s,
        double suppression_per_s,
        double rise,
        double fall,
        double drift_sd,
        double drift_keep,
        double drive_sd,
        double start_sd,
        double complex rotation,
        double pink_sd,
        pink_keep not None,
        double gain_uv,
        double floor_uv,
    ):
        cdef int i
        self._noise = noise
        self._half_step_s = half_step_s
        self._growth = growth_per_s
        self._saturation = saturation_per_s
        self._suppression = suppression_per_s
        self._rise = rise
        self._fall = fall
        self._drift_keep = drift_keep
        self._drift_new = drift_sd * sqrt(1.0 - drift_keep * drift_keep)
        self._drive_sd = drive_sd
        self._turn_re = rotation.real
        self._turn_im = rotation.imag
        self._gain_uv = gain_uv
        self._floor_uv = floor_uv

        start = noise.standard_normal(3 + STAGES)
        self._drift = drift_sd * start[0]
        self._re = start_sd * start[1]
        self._im = start_sd * start[2]
        for i in range(STAGES):
            self._pink_keep[i] = pink_keep[i]
            self._pink_new[i] = pink_sd * sqrt(1.0 - self._pink_keep[i] * self._pink_keep[i])
            self._pink[i] = pink_sd * start[3 + i]
        self._recruited = 0.0
        self._cos = 1.0
        self._sin = 0.0

        self._normals = np.empty(SAMPLES_DRAWN * NORMALS)
        self._drawn = <double*>cnp.PyArray_DATA(self._normals)
        self._next = SAMPLES_DRAWN
        self._envelope = np.empty(0)
        self._length = 0

    @property
    def envelope_uv(self):
        """Amplitude of the oscillation itself at the last block's samples, (n,), uV.

        The ground truth for detectors: free of 1/f noise, noise floor and filters. A copy.
        """
        return self._envelope[:self._length].copy()

    def advance(self, cnp.ndarray amplitude_ua not None, int width_us, int period_us):
        """Let the patient live through one block.

        Parameters
        ----------
        amplitude_ua : ndarray of int32, (n,)
            Amplitude in uA of the pulses in effect during each sample interval; 0 is none.
        width_us : int
            Pulse width in us, 0 or more.
        period_us : int
            Pulse period in us; 0 means no train.

        Returns
        -------
        ndarray of float64, (n, 1)
            Potential at the end of each interval in uV.

        Raises
        ------
        ValueError
            If the amplitudes are not a contiguous vector of int32, or a quantity is negative.
        """
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
        cdef Py_ssize_t n = cnp.PyArray_DIM(amplitude_ua, 0)
        cdef const int32_t* amplitude = <const int32_t*>cnp.PyArray_DATA(amplitude_ua)
        cdef Py_ssize_t i
        for i in range(n):
            if amplitude[i] < 0:
                raise ValueError(f"amplitude {amplitude[i]} uA must not be negative")

        cdef cnp.npy_intp[2] shape
        shape[0] = n
        shape[1] = 1
        sensed = cnp.PyArray_EMPTY(2, shape, cnp.NPY_DOUBLE, 0)
        if cnp.PyArray_DIM(self._envelope, 0) < n:
            self._envelope = np.empty(n)
        self._length = n
        cdef double* out = <double*>cnp.PyArray_DATA(sensed)
        cdef double* envelope = <double*>cnp.PyArray_DATA(self._envelope)
        cdef double width = 1e-3 * width_factor(width_us)
        cdef double rate = rate_factor(period_us)
        cdef Py_ssize_t done = 0
        cdef Py_ssize_t run
        while done < n:
            if self._next == SAMPLES_DRAWN:
                self._noise.standard_normal(out=self._normals)
                self._next = 0
            run = min(n - done, SAMPLES_DRAWN - self._next)
            # The GIL is kept: a block of the loop lasts less than its release and return.
            self._run(amplitude + done, width, rate, run, out + done, envelope + done)
            done += run
        return sensed

    cdef void _run(
        self,
        const int32_t* amplitude_ua,
        double width,
        double rate,
        Py_ssize_t n,
        double* out_uv,
        double* envelope_uv,
    ) noexcept nogil:
        """Advance by samples whose normal deviates are already drawn."""
        cdef const double* normal = self._drawn + self._next * NORMALS
        cdef double target = entrained(amplitude_ua[0] * width) * rate
        cdef double growth, advance, keep, new, cosine, sine, scale, pink
        cdef Py_ssize_t i
        cdef int stage
        for i in range(n):
            if i > 0 and amplitude_ua[i] != amplitude_ua[i - 1]:
                target = entrained(amplitude_ua[i] * width) * rate
            self._recruited += (target - self._recruited) * (
                self._rise if target > self._recruited else self._fall
            )
            if self._recruited < SILENT:
                self._recruited = 0.0
            self._drift = self._drift_keep * self._drift + self._drift_new * normal[0]

            # Implicit midpoint in the rotating frame: unlike Euler it keeps the stationary
            # variance of a damped oscillation exactly, at any step.
            growth = (
                self._growth
                + self._drift
                - self._suppression * self._recruited
                - self._saturation * (self._re * self._re + self._im * self._im)
            )
            advance = growth * self._half_step_s
            new = 1.0 / (1.0 - advance)
            keep = (1.0 + advance) * new
            new *= self._drive_sd
            self._re = keep * self._re + new * normal[1]
            self._im = keep * self._im + new * normal[2]

            # One Newton step towards modulus 1 each sample: rounding never accumulates.
            cosine = self._cos * self._turn_re - self._sin * self._turn_im
            sine = self._sin * self._turn_re + self._cos * self._turn_im
            scale = 1.5 - 0.5 * (cosine * cosine + sine * sine)
            self._cos = scale * cosine
            self._sin = scale * sine

            pink = 0.0
            for stage in range(STAGES):
                self._pink[stage] = (
                    self._pink_keep[stage] * self._pink[stage]
                    + self._pink_new[stage] * normal[3 + stage]
                )
                pink += self._pink[stage]

            out_uv[i] = (
                self._gain_uv * (self._re * self._cos - self._im * self._sin + pink)
                + self._floor_uv * normal[NORMALS - 1]
            )
            envelope_uv[i] = self._gain_uv * sqrt(
                self._re * self._re + self._im * self._im
            )
            normal += NORMALS
        self._next += n
