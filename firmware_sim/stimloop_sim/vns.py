"""The simulated patient of vagus nerve stimulation: a heart that tells of seizures.

A sinus node beats by a rate that activity, breathing, slow rhythms, seizures and stimulation
move; each beat leaves five waves in an electrocardiogram. Seizures come as a Poisson process
and raise the heart rate; a train ends or shortens them, slows the heart, alters the voice, and
reaches the brainstem. ``docs/patients/vns.md`` is the model card.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np

from stimloop_sim._ecg import Ecg
from stimloop_sim._ictal import Ictal
from stimloop_sim._sinus import Sinus
from stimloop_sim._vagus import Vagus
from stimloop_sim._vns import VnsGenerator
from stimloop_sim.activity import STREAM, Activity, Course
from stimloop_sim.parameter import Origin, PatientError, check, parameter
from stimloop_sim.seizures import Epilepsy, Seizures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from stimloop_sim.seizures import Seizure

RATES_HZ: Final = (250, 500, 1000)
"""Sampling rates of the implants' sensing front ends in Hz."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heart:
    """Rhythm and electrocardiogram.

    Raises
    ------
    PatientError
        If a parameter is outside its range.
    """

    rest_bpm: float = parameter(
        74.9, "bpm", 40, 110, Origin.PUBLISHED, "awake and sitting (Son et al. 2016)"
    )
    rsa: float = parameter(
        0.05,
        "",
        0,
        0.2,
        Origin.CHOICE,
        "amplitude of respiratory variability, in parts of the rate",
    )
    lf: float = parameter(
        0.03, "", 0, 0.2, Origin.CHOICE, "standard deviation of the variability at 0.1 Hz"
    )
    vlf: float = parameter(
        0.03, "", 0, 0.2, Origin.CHOICE, "standard deviation of the slow variability (2 min)"
    )
    breath_hz: float = parameter(0.25, "Hz", 0.1, 0.6, Origin.CHOICE, "breathing")
    climb_s: float = parameter(
        15.0, "s", 1, 120, Origin.CHOICE, "time constant of the rise under load"
    )
    calm_s: float = parameter(
        45.0, "s", 1, 600, Origin.CHOICE, "time constant of the recovery from it"
    )
    r_uv: float = parameter(
        800.0, "µV", 50, 4000, Origin.CHOICE, "R wave as the implant senses it"
    )
    floor_uv: float = parameter(
        15.0, "µV", 0, 500, Origin.CHOICE, "white noise at rest, standard deviation"
    )
    wander_uv: float = parameter(
        80.0, "µV", 0, 1000, Origin.CHOICE, "baseline with each breath"
    )

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nerve:
    """What stimulation does.

    Raises
    ------
    PatientError
        If a parameter is outside its range.
    """

    half_ma: float = parameter(
        1.0, "mA", 0.1, 3.5, Origin.CHOICE, "amplitude of half the effect at 250 µs"
    )
    chronaxie_us: float = parameter(
        250.0, "µs", 20, 1000, Origin.CHOICE, "chronaxie of the afferents"
    )
    p_stop: float = parameter(
        0.45, "", 0, 1, Origin.CHOICE, "chance that a full train in time ends a seizure"
    )
    in_time_s: float = parameter(
        30.0, "s", 0, 120, Origin.CHOICE, "so long after the onset a train begins in time"
    )
    act_s: float = parameter(
        5.0, "s", 0.1, 60, Origin.CHOICE, "how long a train takes to act on a seizure"
    )
    shorten_least: float = parameter(
        0.2, "", 0, 1, Origin.CHOICE, "least share of the rest that another train takes away"
    )
    shorten_most: float = parameter(0.4, "", 0, 1, Origin.CHOICE, "largest such share")
    slowing_bpm: float = parameter(
        3.5, "bpm", 0, 20, Origin.CHOICE, "by how much a full train slows the heart"
    )
    voice_ma: float = parameter(
        2.0,
        "mA",
        0.1,
        10,
        Origin.CHOICE,
        "amplitude at which half of the trains alter the voice",
    )
    voice_slope_ma: float = parameter(
        0.25, "mA", 0.01, 5, Origin.CHOICE, "scale of that logistic curve"
    )
    noradrenaline_rise_s: float = parameter(
        5.0, "s", 0.1, 600, Origin.ILLUSTRATIVE, "time constant of noradrenaline, up"
    )
    noradrenaline_fall_s: float = parameter(
        20.0, "s", 0.1, 3600, Origin.ILLUSTRATIVE, "time constant of noradrenaline, down"
    )
    serotonin_days: float = parameter(
        7.0, "days", 0.01, 60, Origin.ILLUSTRATIVE, "time constant of serotonin behind it"
    )

    def __post_init__(self) -> None:
        check(self)
        if self.shorten_least > self.shorten_most:
            raise PatientError(
                f"shorten_least is {self.shorten_least:g} and shorten_most "
                f"{self.shorten_most:g}; the least is not more than the most"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class VnsModel:
    """Parameters of one simulated patient; the defaults are temporal lobe epilepsy."""

    heart: Heart = field(default_factory=Heart)
    activity: Activity = field(default_factory=Activity)
    epilepsy: Epilepsy = field(default_factory=Epilepsy)
    nerve: Nerve = field(default_factory=Nerve)

    def patient(self, *, seed: int = 0, fs_hz: int = 250) -> VnsPatient:
        """Bring the patient to life; see `VnsPatient`."""
        return VnsPatient(self, seed=seed, fs_hz=fs_hz)


FRONTAL: Final = Epilepsy(rise_bpm=22.8, rise_sd_bpm=26.2, raised_s=39.0, raised_sd_s=21.4)
"""Frontal seizures: Son et al. (2016)."""
STILL: Final = Activity(
    postures_per_h=0.0, exertions_per_h=0.0, exercises_per_day=0.0, arousals_per_h=0.0
)
"""Somebody who only sleeps and sits."""

NERVES: Final[Mapping[str, VnsModel]] = MappingProxyType(
    {
        "temporal": VnsModel(),
        "frontal": VnsModel(heart=Heart(rest_bpm=70.7), epilepsy=FRONTAL),
        "cluster": VnsModel(
            activity=STILL, epilepsy=Epilepsy(per_day=180.0, first_s=120.0, rising=1.0)
        ),
        "resting": VnsModel(activity=STILL, epilepsy=Epilepsy(per_day=0.0)),
    }
)
"""Named patients: temporal and frontal lobe epilepsy; a temporal cluster, a seizure about every
ten minutes, in somebody who sits; nobody's seizures and no activity."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What a patient is like after the last block.

    Attributes
    ----------
    rate_bpm : float
        Heart rate.
    seizing : bool
    recruited : float
        Effect of stimulation in the latest 0.1 s, 0 to 1.
    trains : int
        Trains felt so far.
    voice : bool
        Whether the present one alters the voice, or makes the patient cough.
    noradrenaline, serotonin : float
        Response of locus coeruleus and raphe, 0 to 1; illustrative.
    """

    rate_bpm: float
    seizing: bool
    recruited: float
    trains: int
    voice: bool
    noradrenaline: float
    serotonin: float


class VnsPatient:
    """A patient with a vagus nerve stimulator that senses the heart; a `Source` without end.

    Two patients with one seed and one rate live through the same day, seizures and noise
    whatever the stimulation, so that treated and untreated arms can be compared. One patient
    belongs to one thread.

    Parameters
    ----------
    model : VnsModel, optional
        Temporal lobe epilepsy by default.
    seed : int, optional
        0 or more.
    fs_hz : int, optional
        Sampling rate in Hz, one of `RATES_HZ`.

    Raises
    ------
    ValueError
        If the rate is not one of those, or the seed is negative.
    """

    channels: tuple[str, ...] = ("ECG",)
    remaining: int | None = None

    def __init__(
        self, model: VnsModel = NERVES["temporal"], *, seed: int = 0, fs_hz: int = 250
    ) -> None:
        if fs_hz not in RATES_HZ:
            raise ValueError(f"a patient is not sampled at {fs_hz} Hz; choose 250, 500 or 1000")
        noise, rhythm, tolerances = (
            np.random.Generator(np.random.PCG64DXSM([seed, STREAM + place]))
            for place in (10, 11, 12)
        )
        self.fs_hz = fs_hz
        self._generator = VnsGenerator(
            Ecg(fs_hz, model.heart.r_uv),
            Sinus(model.heart, rhythm),
            Vagus(model.nerve, tolerances),
            Ictal(Seizures(model.epilepsy, seed), model.nerve),
            Course(model.activity, seed),
            noise,
            fs_hz=fs_hz,
            floor_uv=model.heart.floor_uv,
            wander_uv=model.heart.wander_uv,
        )

    @property
    def r_samples(self) -> NDArray[np.int64]:
        """Samples of the R waves within the last block, (beats,), from the first sample on."""
        return self._generator.r_samples

    @property
    def seizures(self) -> tuple[Seizure, ...]:
        """Seizures that are over."""
        return tuple(self._generator.ictal.past)

    @property
    def truth(self) -> Truth:
        """What the patient is like after the last block."""
        vagus = self._generator.vagus
        return Truth(
            self._generator.sinus.rate_bpm,
            self._generator.ictal.seizing,
            vagus.recruited,
            vagus.trains,
            vagus.voice,
            vagus.noradrenaline,
            vagus.serotonin,
        )

    def sense(
        self, amplitude_ua: NDArray[np.int32], width_us: int, period_us: int
    ) -> NDArray[np.float64]:
        """Let the patient live through one block of stimulation; see `Source.sense`."""
        return self._generator.advance(amplitude_ua, width_us, period_us)
