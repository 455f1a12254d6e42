# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""A vagus nerve under stimulation, and the brainstem behind it (tier: core, float64)."""

cimport cython
from libc.math cimport exp, log

cdef double STEP_S = 0.1
cdef double NEVER_S = 1e300
cdef double SILENT_S = 1.1      # so long a silence ends a train: pulses at 1 Hz are one still
cdef double SLOWING_S = 3.0     # time constant of the slower heart
# What is left to decay would end in subnormal numbers, which are slow on some processors.
cdef double SILENT = 1e-30


@cython.final
cdef class Vagus:
    """Afferents, their effects, and the side effect that the patient hears.

    The effect of a steady train is a Hill curve of the amplitude, with Lapicque's strength and
    duration, and falls in proportion to the rate below 20 Hz. Noradrenaline follows it, as the
    locus coeruleus does; serotonin follows noradrenaline over days. Both are illustrative.

    Parameters
    ----------
    nerve : stimloop_sim.vns.Nerve
    tolerances : numpy.random.Generator
        A uniform deviate for each train.

    Attributes
    ----------
    recruited : float
        Effect in the latest step of 0.1 s, 0 to 1.
    slowed_bpm : float
        By how much the heart is slower.
    noradrenaline, serotonin : float
        Response, 0 to 1.
    train_at_s : float
        When the present train began; infinitely late between trains.
    trains : int
        Trains begun.
    voice : bool
        Whether the present train alters the voice, or makes the patient cough.
    """

    def __init__(self, nerve not None, tolerances not None):
        self._tolerances = tolerances
        self._half_ma, self._chronaxie_us = nerve.half_ma, nerve.chronaxie_us
        self._voice_ma, self._voice_slope_ma = nerve.voice_ma, nerve.voice_slope_ma
        self._slowing_bpm = nerve.slowing_bpm
        self._na_rise = 1.0 - exp(-STEP_S / nerve.noradrenaline_rise_s)
        self._na_fall = 1.0 - exp(-STEP_S / nerve.noradrenaline_fall_s)
        self._ht_share = 1.0 - exp(-STEP_S / (86_400.0 * nerve.serotonin_days))
        self._silent_s = self.train_at_s = NEVER_S
        self._bearable_ma = self.recruited = self.slowed_bpm = 0.0
        self.noradrenaline = self.serotonin = 0.0
        self.trains = 0
        self.voice = False

    cdef double effect(self, double ma, double width_us, double period_us) noexcept nogil:
        """Share of the full effect that a steady train has, 0 to 1."""
        cdef double ratio
        if ma <= 0 or width_us <= 0 or period_us <= 0:
            return 0.0
        ratio = ma / self._half_ma
        ratio *= (1.0 + self._chronaxie_us / 250.0) / (1.0 + self._chronaxie_us / width_us)
        ratio *= ratio
        ratio *= ratio
        return ratio / (1.0 + ratio) * min(1.0, 50_000.0 / period_us)

    def recruitment(self, int amplitude_ua, int width_us, int period_us):
        """Share of the full effect that a steady train has, 0 to 1."""
        return self.effect(1e-3 * amplitude_ua, width_us, period_us)

    cdef int step(self, double t_s, double recruited, double peak_ma) except -1:
        """Live through the 0.1 s before t_s, under this mean effect and largest amplitude."""
        cdef double chance
        self.recruited = recruited
        if peak_ma > 0:
            if self._silent_s >= SILENT_S:
                self.train_at_s = t_s - STEP_S
                self.trains += 1
                chance = self._tolerances.random()
                # So that the chance of an altered voice is logistic in the amplitude.
                self._bearable_ma = self._voice_ma - self._voice_slope_ma * log(
                    max(chance, 1e-12) / max(1.0 - chance, 1e-12)
                )
            self._silent_s = 0.0
            self.voice = self.voice or peak_ma >= self._bearable_ma
        else:
            self._silent_s += STEP_S
            if self._silent_s >= SILENT_S:
                self.train_at_s = NEVER_S
                self.voice = False
        self.slowed_bpm += (self._slowing_bpm * recruited - self.slowed_bpm) * (
            STEP_S / SLOWING_S
        )
        self.noradrenaline += (recruited - self.noradrenaline) * (
            self._na_rise if recruited > self.noradrenaline else self._na_fall
        )
        self.serotonin += (self.noradrenaline - self.serotonin) * self._ht_share
        if self.noradrenaline < SILENT:
            self.noradrenaline = 0.0
        if self.slowed_bpm < SILENT:
            self.slowed_bpm = 0.0
        return 0
