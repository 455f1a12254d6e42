"""The simulated patient of deep brain stimulation: beta bursts that stimulation shortens.

The beta oscillation is a noise-driven Stuart-Landau oscillator whose damping drifts slowly; the
drift makes the long bursts. In the frame that rotates with the oscillation:

    dm  = -m dt/tau_m + s_m sqrt(2 dt/tau_m) xi
    dz  = (lambda_0 + m k + d - kappa R - c |z|^2) z dt + dW,  E|dW|^2 = sigma^2 dt
    dR  = (rho(A, f, PW) - R) dt / tau,                        tau 0.10 s up, 0.30 s down
    LFP = gain (Re(z exp(i w t)) + pink + second band) + noise floor

lambda_0, s_m, tau_m, c and sigma were fitted to the burst durations and rates of Tinkhauser et
al. (2017), doi:10.1093/brain/awx252, off and on medication. d and k are the day's: levodopa,
night, movement, wandering (`stimloop_sim.day`). The drift and the recruitment are discretised
exactly and the oscillation by the implicit midpoint rule, so that the statistics do not depend
on the sampling rate. Mixing up to w after the step keeps the carrier out of the integration: an
Euler step of ``i w z`` would add ``w^2 dt/2`` to the growth rate.

What each parameter is, where it comes from and what it is not: ``docs/patients/dbs.md``.
"""

import cmath
import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stimloop_sim._patient import BetaGenerator
from stimloop_sim.background import Background
from stimloop_sim.day import Course, Day
from stimloop_sim.parameter import Origin, check, parameter

RATES_HZ = (250, 500, 1000)
"""Sampling rates of the implants' sensing front ends in Hz."""

# Recruitment of afferents follows the pulses with these time constants in s (design choice:
# beta falls within a few hundred ms of stimulation and returns more slowly).
_RECRUITMENT_RISE_S = 0.10
_RECRUITMENT_FALL_S = 0.30

_TICKS_PER_S = 10
"""The drift moves so often."""


def check_rate(fs_hz: int) -> None:
    """Refuse a rate at which no front end samples.

    Raises
    ------
    ValueError
        If it is none of `RATES_HZ`.
    """
    if fs_hz not in RATES_HZ:
        raise ValueError(f"a patient is not sampled at {fs_hz} Hz; choose 250, 500 or 1000")


@dataclass(frozen=True, slots=True, kw_only=True)
class SideEffects:
    """What a patient feels beside the effect; none of it is fitted to anything.

    Tremor follows beta with a lag, and is half of its largest at `tremor_uv`. The hazard of
    dyskinesia is the tone times a logistic function of the amplitude, centred 1.3 times the
    comfortable one, 0.2 mA wide. Paraesthesia is felt while the amplitude exceeds
    `tingling_ma`, or is `rise_ma` above what the patient has become used to. Amplitudes count
    as at 60 µs.

    Raises
    ------
    PatientError
        If a parameter is outside its range.
    """

    tremor_uv: float = parameter(
        8.0, "µV", 0.1, 100, Origin.ILLUSTRATIVE, "rms amplitude of beta of half the tremor"
    )
    tremor_s: float = parameter(
        7.5, "s", 1, 60, Origin.ILLUSTRATIVE, "time constant with which tremor follows beta"
    )
    comfort_ma: float = parameter(
        3.0, "mA", 0.1, 25, Origin.ILLUSTRATIVE, "amplitude that is comfortable"
    )
    tingling_ma: float = parameter(
        4.5, "mA", 0.1, 25, Origin.ILLUSTRATIVE, "amplitude above which paraesthesia stays"
    )
    rise_ma: float = parameter(
        1.0, "mA", 0.01, 25, Origin.ILLUSTRATIVE, "rise above the habitual that is felt"
    )
    habit_s: float = parameter(
        1.0, "s", 0.1, 60, Origin.ILLUSTRATIVE, "time constant of habituation"
    )

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True)
class PatientModel:
    """Parameters of one simulated hemisphere; the defaults are off medication.

    Attributes
    ----------
    day : Day
        Levodopa, night, movement, wandering; none of it by default.
    side_effects : SideEffects

    Raises
    ------
    PatientError
        If a parameter is outside its range.
    """

    growth_per_s: float = parameter(
        -7.58, "1/s", -100, -0.1, Origin.FITTED, "lambda_0, growth rate of the oscillation"
    )
    drift_sd_per_s: float = parameter(
        3.90, "1/s", 0, 20, Origin.FITTED, "s_m, standard deviation of the growth rate's drift"
    )
    drift_s: float = parameter(
        26.1, "s", 1, 3600, Origin.FITTED, "tau_m, time constant of that drift"
    )
    saturation_per_s: float = parameter(
        0.16, "1/s", 1e-9, 10, Origin.FITTED, "c, damping per squared unit of amplitude"
    )
    drive: float = parameter(
        0.636, "1/√s", 1e-9, 10, Origin.FITTED, "sigma, intensity of the noise that drives it"
    )
    suppression_per_s: float = parameter(
        10.0, "1/s", 0, 100, Origin.CHOICE, "kappa, damping by full recruitment"
    )
    overdrive_per_ma: float = parameter(
        0.0, "1/mA", 0, 10, Origin.ILLUSTRATIVE, "share of the recruitment lost per mA beyond"
    )
    overdrive_from_ma: float = parameter(
        4.0, "mA", 0, 25, Origin.ILLUSTRATIVE, "amplitude beyond which more does less"
    )
    peak_hz: float = parameter(
        20.0, "Hz", 13, 35, Origin.CHOICE, "frequency of the beta oscillation"
    )
    pink_sd: float = parameter(
        0.098, "", 0, 10, Origin.FITTED, "1/f noise between 0.1 and 100 Hz, units"
    )
    gain_uv: float = parameter(20.0, "µV", 0.01, 1000, Origin.CHOICE, "potential of one unit")
    floor_uv_rt_hz: float = parameter(
        0.1, "µV/√Hz", 0, 10, Origin.CHOICE, "density of the front end's white noise"
    )
    band_hz: float = parameter(
        70.0, "Hz", 4, 100, Origin.ILLUSTRATIVE, "frequency of the second band"
    )
    band_width_hz: float = parameter(
        4.0, "Hz", 0.1, 40, Origin.ILLUSTRATIVE, "its width at half power"
    )
    band_uv: float = parameter(0.0, "µV", 0, 100, Origin.ILLUSTRATIVE, "its rms potential")
    day: Day = field(default_factory=Day)
    side_effects: SideEffects = field(default_factory=SideEffects)

    def __post_init__(self) -> None:
        check(self)

    def patient(self, *, seed: int = 0, fs_hz: int = 250) -> "DbsPatient":
        """Bring the patient to life; see `DbsPatient`."""
        return DbsPatient(self, seed=seed, fs_hz=fs_hz)


@dataclass(frozen=True, slots=True)
class Symptoms:
    """How a patient is, at the latest whole second; illustrative.

    Attributes
    ----------
    tone : float
        Dopaminergic tone now, 0 to 1.
    tremor : float
        Severity, 0 to 1.
    dyskinesia : float
        Hazard in the latest second, 0 to 1.
    dyskinetic_s, tingling_s : float
        Expected time with dyskinesia and time with paraesthesia since the first sample, s.
    """

    tone: float
    tremor: float
    dyskinesia: float
    dyskinetic_s: float
    tingling_s: float


class DbsPatient:
    """A patient with an implanted lead, sensed on one channel; a `Source` without end.

    Two patients with one seed and one rate live through the same noise whatever the
    stimulation, so that treated and untreated arms can be compared sample by sample. One
    patient belongs to one thread.

    Parameters
    ----------
    model : PatientModel, optional
        The parameters; off medication by default.
    seed : int, optional
        Seed of the noise, 0 or more.
    fs_hz : int, optional
        Sampling rate in Hz, one of `RATES_HZ`; also the rate of integration.
    side : int, optional
        Hemisphere, 0 or 1: noise of its own, and the day of both.

    Attributes
    ----------
    generator : BetaGenerator
        Its arithmetic, for loops that are compiled around it.

    Raises
    ------
    ValueError
        If the rate is not one of those, or the seed is negative.
    """

    channels: tuple[str, ...] = ("LFP",)
    remaining: int | None = None

    def __init__(
        self,
        model: PatientModel | None = None,
        *,
        seed: int = 0,
        fs_hz: int = 250,
        side: int = 0,
    ) -> None:
        check_rate(fs_hz)
        model = model or PatientModel()
        self.fs_hz = fs_hz
        step_s = 1.0 / fs_hz
        background = Background.at(fs_hz)
        self.generator = BetaGenerator(
            (seed, side),
            Course(model.day, seed),
            fs_hz=fs_hz,
            growth_per_s=model.growth_per_s,
            saturation_per_s=model.saturation_per_s,
            suppression_per_s=model.suppression_per_s,
            rise=-math.expm1(-step_s / _RECRUITMENT_RISE_S),
            fall=-math.expm1(-step_s / _RECRUITMENT_FALL_S),
            overdrive_per_ma=model.overdrive_per_ma,
            overdrive_from_ma=model.overdrive_from_ma,
            drift_sd=model.drift_sd_per_s,
            drift_keep=math.exp(-1.0 / (_TICKS_PER_S * model.drift_s)),
            drive_sd=model.drive * math.sqrt(step_s / 2.0),
            # Stationary variance without drift, half of it in each component.
            start_sd=model.drive / math.sqrt(-4.0 * model.growth_per_s),
            rotation=cmath.exp(2j * math.pi * model.peak_hz * step_s),
            pink_keep=background.keep,
            pink_weight=model.pink_sd * background.weight,
            pink_start=background.start,
            gain_uv=model.gain_uv,
            # White noise up to half the sampling rate.
            floor_uv=model.floor_uv_rt_hz * math.sqrt(fs_hz / 2.0),
            band_turn=cmath.exp(math.pi * step_s * (2j * model.band_hz - model.band_width_hz)),
            band_sd=model.band_uv / model.gain_uv,
            symptoms=_constants(model, step_s),
        )

    @property
    def envelope_uv(self) -> NDArray[np.float64]:
        """Amplitude of the oscillation itself at the last block's samples, (n,), µV.

        The ground truth for detectors: free of 1/f noise, noise floor and filters. A copy.
        """
        return self.generator.envelope_uv

    @property
    def symptoms(self) -> Symptoms:
        """How the patient is."""
        generator = self.generator
        return Symptoms(
            generator.tone,
            generator.tremor,
            generator.dyskinesia,
            generator.dyskinetic_s,
            generator.tingling_s,
        )

    def sense(
        self, amplitude_ua: NDArray[np.int32], width_us: int, period_us: int
    ) -> NDArray[np.float64]:
        """Let the patient live through one block of stimulation; see `Source.sense`."""
        return self.generator.advance(amplitude_ua, width_us, period_us)


def _constants(model: PatientModel, step_s: float) -> dict[str, float]:
    felt = model.side_effects
    return {
        # The mean square of a sine is half its squared amplitude.
        "typical": 2.0 * (felt.tremor_uv / model.gain_uv) ** 2,
        "tremor_keep": math.exp(-1.0 / felt.tremor_s),
        "comfort_ma": felt.comfort_ma,
        "adapt": -math.expm1(-step_s / felt.habit_s),
        "rise_ma": felt.rise_ma,
        "tingling_ma": felt.tingling_ma,
    }
