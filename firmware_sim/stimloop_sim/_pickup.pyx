# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""What a sensing lead picks up beside the biomarker, sample by sample.

Numeric tier: *core* (float64, the same bits for any chunking): every state moves at samples or
at pulses, and every random event is drawn at a sample's time, from a stream of its own.
"""

cimport cython
cimport numpy as cnp
from libc.math cimport NAN, exp, floor

from stimloop_sim._electrode cimport LOGGED, Interface

cnp.import_array()

cdef enum:
    MODES = 3               # of an exponential behind two low-pass stages
    MOST_CHANNELS = 16

# Beyond this many time constants nothing is left, and no subnormal numbers either.
cdef double SILENT_UV = 1e-9


@cython.final
cdef class Pickup:
    """Adds disturbances to the samples of one front end; without any it adds nothing.

    Parameters
    ----------
    interface : Interface
        Where the pulses are.
    fs_hz : int
    channels : int
        1 to 16; all pick up the same.

    Raises
    ------
    ValueError
        If there are more or fewer channels than that.
    """

    cdef Interface interface
    cdef long long index, sample_us
    cdef double fs_hz
    cdef int channels
    cdef bint disturbed
    cdef double[MOST_CHANNELS] held_uv
    # The lead
    cdef double gain, open_uv
    # Stimulation
    cdef double uv_per_ua
    cdef long long blanking_us, coupled, blanks_from_us
    cdef double[MODES] rate_hz
    cdef double[MODES] weight
    cdef double[MODES] kept
    cdef double[MODES] mode_uv
    # Mains
    cdef double mains_uv
    cdef long long mains_length
    cdef double[1000] mains
    # Heart
    cdef object beats
    cdef double beat_s, spread_s, last_beat_s, next_beat_s, wave_from_s, wave_per_s
    cdef Py_ssize_t wave_length
    cdef double[1024] wave_uv
    # Movement
    cdef object steps
    cdef double step_uv, step_gap_s, step_kept, moved_uv, next_step_s
    # Dropouts
    cdef object drops
    cdef double drop_gap_s, next_drop_s
    cdef long long drop_samples, dropped_until

    def __init__(self, Interface interface not None, int fs_hz, int channels):
        if not 1 <= channels <= MOST_CHANNELS:
            raise ValueError(f"{channels} channels are not possible; 1 to {MOST_CHANNELS} are")
        cdef int k
        self.interface = interface
        self.fs_hz = fs_hz
        self.sample_us = 1_000_000 // fs_hz
        self.channels = channels
        self.index = 0
        self.disturbed = False
        for k in range(MOST_CHANNELS):
            self.held_uv[k] = 0.0
        for k in range(MODES):
            self.mode_uv[k] = 0.0
        self.gain = 1.0
        self.open_uv = 0.0
        self.uv_per_ua = 0.0
        self.blanking_us = 0
        self.blanks_from_us = -1 << 62
        self.coupled = interface.logged
        self.mains_uv = 0.0
        self.mains_length = 0
        self.beats = self.steps = self.drops = None
        self.dropped_until = 0

    def link(self, double gain, double open_uv):
        """The state of the lead.

        Parameters
        ----------
        gain : float
            Share of the biomarker that arrives, 0 to 1.
        open_uv : float
            Amplitude of the mains that an open input catches, µV; needs `hum` first.
        """
        self.gain = gain
        self.open_uv = open_uv
        self.disturbed |= gain != 1.0 or open_uv > 0.0

    def hum(self, list waveform not None, double mains_uv):
        """Mains: one whole number of periods, at most 1000 samples of amplitude 1; µV."""
        if not 0 < len(waveform) <= 1000:
            raise ValueError(f"{len(waveform)} samples of mains are too many or few; 1 to 1000")
        self.mains_length = len(waveform)
        for k, value in enumerate(waveform):
            self.mains[k] = value
        self.mains_uv = mains_uv
        self.disturbed |= mains_uv > 0.0

    def couple(self, double uv_per_ua, long long blanking_us, list rate_hz not None,
               list weight not None):
        """Stimulation artefact.

        Parameters
        ----------
        uv_per_ua : float
            At the amplifier, right after the start of a pulse, µV per µA.
        blanking_us : int
            So long from each pulse on the amplifier holds its last value and is deaf, µs.
        rate_hz, weight : list of float, 3
            Decay of each mode in 1/s, and its part of the filtered exponential.
        """
        if len(rate_hz) != MODES or len(weight) != MODES or blanking_us < 0:
            raise ValueError(f"an artefact has {MODES} modes and a blanking of 0 µs or more")
        for k in range(MODES):
            self.rate_hz[k] = rate_hz[k]
            self.weight[k] = weight[k]
            self.kept[k] = exp(-self.rate_hz[k] / self.fs_hz)
        self.uv_per_ua = uv_per_ua
        self.blanking_us = blanking_us
        self.disturbed = True

    def beat(self, generator not None, double beat_s, double spread_s, list wave_uv not None,
             double wave_from_s, double wave_s):
        """Heart: intervals of mean and spread, s; a wave of 1024 values, relative to R, µV."""
        if len(wave_uv) != 1024:
            raise ValueError(f"a heart beat has 1024 values, not {len(wave_uv)}")
        for k, value in enumerate(wave_uv):
            self.wave_uv[k] = value
        self.beats = generator
        self.beat_s = beat_s
        self.spread_s = spread_s
        self.wave_from_s = wave_from_s
        self.wave_per_s = 1023.0 / wave_s
        self.last_beat_s = -10.0
        self.next_beat_s = beat_s * generator.random()
        self.disturbed = True

    def stir(self, generator not None, double gap_s, double step_uv, double decay_s):
        """Movement: steps of so many µV (normal), at random, on average `gap_s` apart."""
        self.steps = generator
        self.step_gap_s = gap_s
        self.step_uv = step_uv
        self.step_kept = exp(-1.0 / (decay_s * self.fs_hz))
        self.moved_uv = 0.0
        self.next_step_s = gap_s * generator.standard_exponential()
        self.disturbed = True

    def drop(self, generator not None, double gap_s, double length_s):
        """Dropouts: no samples for `length_s`, at random, on average `gap_s` apart."""
        self.drops = generator
        self.drop_gap_s = gap_s
        self.drop_samples = <long long>floor(length_s * self.fs_hz + 0.5)
        self.next_drop_s = gap_s * generator.standard_exponential()
        self.disturbed = True

    cdef inline double heart(self, double t_s):
        while t_s >= self.next_beat_s:
            self.last_beat_s = self.next_beat_s
            self.next_beat_s += min(
                max(self.beat_s + self.spread_s * <double>self.beats.standard_normal(),
                    0.5 * self.beat_s),
                1.5 * self.beat_s,
            )
        return self.wave(t_s - self.last_beat_s) + self.wave(t_s - self.next_beat_s)

    cdef inline double wave(self, double since_s) noexcept nogil:
        cdef double place = (since_s - self.wave_from_s) * self.wave_per_s
        cdef Py_ssize_t k
        if not 0.0 <= place < 1023.0:
            return 0.0
        k = <Py_ssize_t>place
        return self.wave_uv[k] + (self.wave_uv[k + 1] - self.wave_uv[k]) * (place - k)

    cdef inline double movement(self, double t_s):
        self.moved_uv *= self.step_kept
        if -SILENT_UV < self.moved_uv < SILENT_UV:
            self.moved_uv = 0.0
        while t_s >= self.next_step_s:
            self.moved_uv += self.step_uv * <double>self.steps.standard_normal()
            self.next_step_s += self.step_gap_s * <double>self.steps.standard_exponential()
        return self.moved_uv

    cdef inline double artefact(self, long long t_us) noexcept nogil:
        """What is left at a sample of all pulses whose blanking ended before it, µV."""
        cdef long long begins_us
        cdef double total = 0.0
        cdef double start_uv
        cdef int k
        for k in range(MODES):
            self.mode_uv[k] *= self.kept[k]
            if -SILENT_UV < self.mode_uv[k] < SILENT_UV:
                self.mode_uv[k] = 0.0
        while self.coupled < self.interface.logged:
            begins_us = self.interface.log_us[self.coupled % LOGGED] + self.blanking_us
            if begins_us >= t_us:
                break
            # The exponential began with the pulse; what passes is what blanking has left of it.
            start_uv = (
                self.uv_per_ua * self.interface.log_ua[self.coupled % LOGGED]
                * exp(-1e-6 * self.rate_hz[0] * self.blanking_us)
            )
            for k in range(MODES):
                self.mode_uv[k] += start_uv * self.weight[k] * exp(
                    -1e-6 * self.rate_hz[k] * (t_us - begins_us)
                )
            self.coupled += 1
        for k in range(MODES):
            total += self.mode_uv[k]
        return total

    cdef inline bint is_blanked(self, long long t_us) noexcept nogil:
        """Whether a pulse began less than the blanking before this sample."""
        cdef long long k = self.coupled
        while k < self.interface.logged:
            if self.interface.log_us[k % LOGGED] < t_us:
                return True
            k += 1
        return False

    def add(self, cnp.ndarray sensed_uv not None):
        """Disturb the next samples, in place.

        Parameters
        ----------
        sensed_uv : ndarray of float64, (n, channels), C-contiguous
            µV; NaN stays missing.

        Raises
        ------
        ValueError
            If the block has another form.
        """
        if (sensed_uv.ndim != 2 or cnp.PyArray_TYPE(sensed_uv) != cnp.NPY_FLOAT64
                or not cnp.PyArray_IS_C_CONTIGUOUS(sensed_uv)
                or sensed_uv.shape[1] != self.channels):
            raise ValueError(
                f"the lead takes a C-contiguous matrix of float64 with {self.channels} columns"
            )
        cdef Py_ssize_t n = sensed_uv.shape[0]
        if not self.disturbed:
            self.index += n
            return
        cdef double* uv = <double*>cnp.PyArray_DATA(sensed_uv)
        cdef double* here
        cdef double added_uv, filtered_uv, t_s
        cdef long long t_us
        cdef bint blanked
        cdef Py_ssize_t i
        cdef int k
        if self.interface.logged - self.coupled > LOGGED:
            self.coupled = self.interface.logged - LOGGED
        for i in range(n):
            t_us = (self.index + 1) * self.sample_us
            t_s = 1e-6 * t_us
            added_uv = filtered_uv = 0.0
            if self.mains_length:
                added_uv += (
                    (self.mains_uv + self.open_uv) * self.mains[self.index % self.mains_length]
                )
            if self.beats is not None:
                added_uv += self.heart(t_s)
            if self.steps is not None:
                added_uv += self.movement(t_s)
            blanked = False
            if self.uv_per_ua > 0.0:
                filtered_uv = self.artefact(t_us)
                blanked = self.is_blanked(t_us)
            for k in range(self.channels):
                here = uv + i * self.channels + k
                if here[0] != here[0]:
                    continue
                if not blanked:
                    self.held_uv[k] = self.gain * here[0] + added_uv
                here[0] = self.held_uv[k] + filtered_uv
            if self.drops is not None:
                if t_s >= self.next_drop_s:
                    self.dropped_until = self.index + self.drop_samples
                    self.next_drop_s = (
                        t_s + 1e-6 * self.sample_us * self.drop_samples
                        + self.drop_gap_s * <double>self.drops.standard_exponential()
                    )
                if self.index < self.dropped_until:
                    for k in range(self.channels):
                        uv[i * self.channels + k] = NAN
            self.index += 1
