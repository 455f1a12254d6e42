# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False, freethreading_compatible=True
"""Per-sample arithmetic of the simulated deep-brain-stimulation patient.

Numeric tier: *core* (float64, streaming, the same bits for any block size). Every constant
of a sample that needs ``exp``, ``cos`` or ``sin`` is computed once by `stimloop_sim.patient`
and handed in; a sample takes ``+ - * /`` and its normal deviates. Slow states move ten times a
second (drift) and once a second (day, symptoms).
"""

cimport cython
from libc.math cimport exp, sqrt
from libc.stdint cimport int32_t

from stimloop_sim._noise cimport Noise, normal, stream_t, ziggurat_t

import numpy as np

cimport numpy as cnp

cnp.import_array()

cdef enum:
    POINTS = 14                 # of the dose-response curve
    TICKS = 10                  # of the drift in a second

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


cdef double width_factor(int width_us) noexcept nogil:
    """How much a pulse's amplitude counts, relative to 60 us."""
    return sqrt(width_us / 60.0)


cdef double rate_factor(int period_us) noexcept nogil:
    """Share of the 130 Hz effect that is left at another rate, 0 to 1."""
    if period_us == 0:
        return 0.0
    cdef double factor = (1e6 / period_us - 60.0) / (130.0 - 60.0)
    return min(max(factor, 0.0), 1.0)


cdef double entrained(double amplitude_ma) noexcept nogil:
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


cdef int check_pulses(
    cnp.ndarray amplitude_ua, int width_us, int period_us
) except -1:
    """Refuse pulses that a `Source` does not take."""
    cdef const int32_t* amplitude
    cdef Py_ssize_t i
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
    amplitude = <const int32_t*>cnp.PyArray_DATA(amplitude_ua)
    for i in range(cnp.PyArray_DIM(amplitude_ua, 0)):
        if amplitude[i] < 0:
            raise ValueError(f"amplitude {amplitude[i]} uA must not be negative")
    return 0


@cython.final
cdef class BetaGenerator:
    """Noise-driven beta oscillation with a slowly drifting damping, under stimulation.

    Parameters
    ----------
    key : tuple of int
        Of its streams of noise. From each a fixed number of normal deviates is taken per sample
        or tick, so neither the block size nor the stimulation changes the noise.
    course : callable () -> ndarray of float64, (n, 3)
        The next n seconds of the day: added growth rate in 1/s, factor of the drift, tone.
    fs_hz : int
        Sampling rate in Hz, a multiple of 10.
    growth_per_s : float
        Growth rate of the undisturbed oscillation in 1/s, negative.
    saturation_per_s : float
        Damping per squared amplitude in 1/s.
    suppression_per_s : float
        Damping added by full recruitment in 1/s.
    rise, fall : float
        Share of the way that recruitment goes within one sample, up and down, 0 to 1.
    overdrive_per_ma, overdrive_from_ma : float
        Recruitment that is lost per mA above an amplitude.
    drift_sd : float
        Standard deviation of the growth rate's drift in 1/s.
    drift_keep : float
        Correlation of that drift from one tick to the next, 0 to 1.
    drive_sd : float
        Standard deviation of each component's noise increment within one sample.
    start_sd : float
        Standard deviation of each component of the oscillation at the start.
    rotation : complex
        Phase advance of the oscillation in one sample, of modulus 1.
    pink_keep, pink_weight : ndarray of float64, (7,)
        Relaxation processes of the 1/f noise, in units of the oscillation.
    pink_start : ndarray of float64, (7, 7)
        Their states at the start out of 7 normal deviates.
    gain_uv : float
        Potential in uV of one unit of oscillation or of 1/f noise.
    floor_uv : float
        Standard deviation of the front end's white noise in uV.
    band_turn : complex
        Decay and phase advance of the second oscillation in one sample, of modulus below 1.
    band_sd : float
        Standard deviation of each of its components in units; 0 is none.
    symptoms : dict of str to float
        Constants of `symptoms_t`.
    """

    def __init__(
        self,
        key not None,
        course not None,
        *,
        int fs_hz,
        double growth_per_s,
        double saturation_per_s,
        double suppression_per_s,
        double rise,
        double fall,
        double overdrive_per_ma,
        double overdrive_from_ma,
        double drift_sd,
        double drift_keep,
        double drive_sd,
        double start_sd,
        double complex rotation,
        pink_keep not None,
        pink_weight not None,
        pink_start not None,
        double gain_uv,
        double floor_uv,
        double complex band_turn,
        double band_sd,
        symptoms not None,
    ):
        cdef int i
        self._noise = Noise(*key, 0)
        self._drift_noise = Noise(*key, 1)
        self._band_noise = Noise(*key, 2)
        self._course = course
        self._half_step_s = 0.5 / fs_hz
        self._tick_samples = fs_hz // TICKS
        self._growth = growth_per_s
        self._saturation = saturation_per_s
        self._suppression = suppression_per_s
        self._rise = rise
        self._fall = fall
        self._overdrive_per_ma = overdrive_per_ma
        self._overdrive_from_ma = overdrive_from_ma
        self._drift_keep = drift_keep
        self._drift_sd = drift_sd
        self._drift_new = drift_sd * sqrt(1.0 - drift_keep * drift_keep)
        self._drive_sd = drive_sd
        self._turn_re = rotation.real
        self._turn_im = rotation.imag
        self._gain_uv = gain_uv
        self._floor_uv = floor_uv

        start = self._noise.normals(2 + STAGES)
        self._re = start_sd * start[0]
        self._im = start_sd * start[1]
        pink = pink_start @ start[2:]
        for i in range(STAGES):
            self._pink_keep[i] = pink_keep[i]
            self._pink_weight[i] = pink_weight[i]
            self._pink[i] = pink[i]
        self._drift = drift_sd * self._drift_noise.normals(1)[0]
        self._recruited = 0.0
        self._cos = 1.0
        self._sin = 0.0

        self._has_band = band_sd > 0.0
        first = self._band_noise.normals(2)
        self._band = band_t(
            band_turn.real,
            band_turn.imag,
            band_sd * sqrt(1.0 - abs(band_turn) ** 2),
            band_sd * first[0],
            band_sd * first[1],
        )
        self._symptoms = symptoms_t(
            symptoms["typical"],
            symptoms["tremor_keep"],
            symptoms["comfort_ma"],
            symptoms["adapt"],
            symptoms["rise_ma"],
            symptoms["tingling_ma"],
            0.0,
            # As if the patient had been without stimulation for long.
            0.5,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
        )
        self._rows = course()
        self._row = -1
        self._tick = 0
        self._to_tick = 0
        self._power = np.empty(0)
        self._length = 0
        self._next_row()

    @property
    def envelope_uv(self):
        """Amplitude of the oscillation itself at the last block's samples, (n,), uV.

        The ground truth for detectors: free of 1/f noise, noise floor and filters. A copy.
        """
        return self._gain_uv * np.sqrt(self._power[:self._length])

    @property
    def tone(self):
        """Dopaminergic tone of the present second, 0 to 1."""
        return self._tone

    @property
    def tremor(self):
        """Severity of the tremor at the latest whole second, 0 to 1."""
        return self._symptoms.tremor

    @property
    def dyskinesia(self):
        """Hazard of dyskinesia in the latest whole second, 0 to 1."""
        return self._symptoms.dyskinesia

    @property
    def dyskinetic_s(self):
        """Expected time with dyskinesia so far, whole seconds, s."""
        return self._symptoms.dyskinetic_s

    @property
    def tingling_s(self):
        """Time with paraesthesia so far, whole seconds, s."""
        return self._symptoms.tingling_s

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
        check_pulses(amplitude_ua, width_us, period_us)
        cdef Py_ssize_t n = cnp.PyArray_DIM(amplitude_ua, 0)
        cdef cnp.npy_intp[2] shape
        shape[0] = n
        shape[1] = 1
        sensed = cnp.PyArray_EMPTY(2, shape, cnp.NPY_DOUBLE, 0)
        if cnp.PyArray_DIM(self._power, 0) < n:
            self._power = np.empty(n)
        self._length = n
        self.live(
            <const int32_t*>cnp.PyArray_DATA(amplitude_ua),
            1e-3 * width_factor(width_us),
            rate_factor(period_us),
            n,
            <double*>cnp.PyArray_DATA(sensed),
            <double*>cnp.PyArray_DATA(self._power),
        )
        return sensed

    cdef int live(
        self,
        const int32_t* amplitude_ua,
        double width,
        double rate,
        Py_ssize_t n,
        double* out_uv,
        double* power,
    ) except -1:
        """Advance by any number of samples; `power` is the squared amplitude in units."""
        cdef Py_ssize_t done = 0
        cdef Py_ssize_t run
        while done < n:
            if self._to_tick == 0:
                self._begin_tick()
            run = min(n - done, self._to_tick)
            # The GIL is kept: a block of the loop lasts less than its release and return.
            self._run(amplitude_ua + done, width, rate, run, out_uv + done, power + done)
            done += run
            self._to_tick -= run
            if self._to_tick == 0:
                self._tick += 1
                if self._tick == TICKS:
                    self._tick = 0
                    self._end_second()
                    self._next_row()
        return 0

    cdef void _begin_tick(self) noexcept nogil:
        self._to_tick = self._tick_samples
        self._drift = self._drift_keep * self._drift + self._drift_new * normal(
            &self._drift_noise.stream, self._drift_noise.ziggurat
        )

    cdef int _next_row(self) except -1:
        cdef const double* row
        self._row += 1
        if self._row == len(self._rows):
            self._rows = self._course()
            self._row = 0
        row = <const double*>cnp.PyArray_DATA(self._rows) + 3 * self._row
        self._shift, self._calm, self._tone = row[0], row[1], row[2]
        return 0

    cdef void _end_second(self) noexcept nogil:
        """Follow the symptoms through the second that ends."""
        cdef symptoms_t* s = &self._symptoms
        cdef double samples = TICKS * self._tick_samples
        cdef double share = s.power / samples / s.typical
        cdef double beyond_ma = s.strength_ma / samples - 1.3 * s.comfort_ma
        s.tremor = s.tremor_keep * s.tremor + (1.0 - s.tremor_keep) * share / (1.0 + share)
        s.dyskinesia = self._tone / (1.0 + exp(-beyond_ma / 0.2))
        s.dyskinetic_s += s.dyskinesia
        s.tingling_s += s.tingling / samples
        s.power = s.strength_ma = s.tingling = 0.0

    cdef double _target(self, double strength_ma, double rate) noexcept nogil:
        """Recruitment that this stimulation leads to."""
        cdef double lost = self._overdrive_per_ma * (strength_ma - self._overdrive_from_ma)
        return entrained(strength_ma) * rate * (1.0 - min(max(lost, 0.0), 1.0))

    cdef void _run(
        self,
        const int32_t* amplitude_ua,
        double width,
        double rate,
        Py_ssize_t n,
        double* out_uv,
        double* power,
    ) noexcept nogil:
        """Advance by samples of one tick."""
        # Local copies: the compiler need not store them at every sample.
        cdef stream_t stream = self._noise.stream
        cdef const ziggurat_t* ziggurat = self._noise.ziggurat
        cdef double[STAGES] pink
        cdef double re = self._re, im = self._im, cosine = self._cos, sine = self._sin
        cdef double recruited = self._recruited, adapted = self._symptoms.adapted
        cdef double strength = amplitude_ua[0] * width
        cdef double felt = strength if rate > 0.0 else 0.0
        cdef double target = self._target(strength, rate)
        cdef double steady = self._growth + self._shift + self._calm * self._drift
        cdef double squared = re * re + im * im
        cdef double powers = self._symptoms.power
        cdef double strengths = self._symptoms.strength_ma
        cdef double tingling = self._symptoms.tingling
        cdef double growth, advance, keep, new, scale, turned, drive, hum
        cdef Py_ssize_t i
        cdef int stage
        for stage in range(STAGES):
            pink[stage] = self._pink[stage]
        for i in range(n):
            if i > 0 and amplitude_ua[i] != amplitude_ua[i - 1]:
                strength = amplitude_ua[i] * width
                felt = strength if rate > 0.0 else 0.0
                target = self._target(strength, rate)
            recruited += (target - recruited) * (
                self._rise if target > recruited else self._fall
            )
            if recruited < SILENT:
                recruited = 0.0

            # Implicit midpoint in the rotating frame: unlike Euler it keeps the stationary
            # variance of a damped oscillation exactly, at any step.
            growth = steady - self._suppression * recruited - self._saturation * squared
            advance = growth * self._half_step_s
            new = 1.0 / (1.0 - advance)
            keep = (1.0 + advance) * new
            new *= self._drive_sd
            re = keep * re + new * normal(&stream, ziggurat)
            im = keep * im + new * normal(&stream, ziggurat)
            squared = re * re + im * im

            # One Newton step towards modulus 1 each sample: rounding never accumulates.
            turned = cosine * self._turn_re - sine * self._turn_im
            sine = sine * self._turn_re + cosine * self._turn_im
            scale = 1.5 - 0.5 * (turned * turned + sine * sine)
            cosine = scale * turned
            sine = scale * sine

            drive = normal(&stream, ziggurat)
            hum = 0.0
            for stage in range(STAGES):
                pink[stage] = self._pink_keep[stage] * pink[stage] + drive
                hum += self._pink_weight[stage] * pink[stage]

            out_uv[i] = (
                self._gain_uv * (re * cosine - im * sine + hum)
                + self._floor_uv * normal(&stream, ziggurat)
            )
            power[i] = squared

            adapted += (felt - adapted) * self._symptoms.adapt
            if (
                felt - adapted > self._symptoms.rise_ma
                or felt > self._symptoms.tingling_ma
            ):
                tingling += 1.0
            powers += squared
            strengths += felt
        for stage in range(STAGES):
            self._pink[stage] = pink[stage]
        self._noise.stream = stream
        self._re, self._im, self._cos, self._sin = re, im, cosine, sine
        self._recruited = recruited
        self._symptoms.adapted = adapted if adapted > SILENT else 0.0
        self._symptoms.power = powers
        self._symptoms.strength_ma = strengths
        self._symptoms.tingling = tingling
        if self._has_band:
            self._add_band(n, out_uv)

    cdef void _add_band(self, Py_ssize_t n, double* out_uv) noexcept nogil:
        cdef band_t* band = &self._band
        cdef const ziggurat_t* ziggurat = self._band_noise.ziggurat
        cdef double re
        cdef Py_ssize_t i
        for i in range(n):
            re = band.turn_re * band.re - band.turn_im * band.im
            band.im = band.turn_im * band.re + band.turn_re * band.im
            band.re = re + band.new * normal(&self._band_noise.stream, ziggurat)
            band.im += band.new * normal(&self._band_noise.stream, ziggurat)
            out_uv[i] += self._gain_uv * band.re
