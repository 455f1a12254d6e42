"""The simulated patient of deep brain stimulation: beta bursts that stimulation shortens.

The beta oscillation is a noise-driven Stuart-Landau oscillator whose damping drifts slowly; the
drift makes the long bursts. In the frame that rotates with the oscillation:

    dm  = -m dt/tau_m + s_m sqrt(2 dt/tau_m) xi
    dz  = (lambda_0 + m - kappa R - c |z|^2) z dt + dW,        E|dW|^2 = sigma^2 dt
    dR  = (rho(A, f, PW) - R) dt / tau,                        tau 0.10 s up, 0.30 s down
    LFP = gain (Re(z exp(i w t)) + pink) + noise floor

lambda_0, s_m, tau_m, c and sigma were fitted to the burst durations and rates of Tinkhauser et
al. (2017), doi:10.1093/brain/awx252, off and on medication. The drift and the recruitment are
discretised exactly and the oscillation by the implicit midpoint rule, so that the statistics do
not depend on the sampling rate (``benchmarks/patient_statistics.py`` prints them). Mixing up to
w after the step keeps the carrier out of the integration: an Euler step of ``i w z`` would add
``w^2 dt/2`` to the growth rate.

Design choices without a published value: the suppression kappa, chosen so that 3 mA at 130 Hz
and 60 µs leave about 0.4 of the beta amplitude; the level of the 1/f noise and of the noise
floor; the gain, for a potential of about 5 µV rms. See `recruitment` for the effect of pulse
width and rate.
"""

import cmath
import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from stimloop_sim._patient import BetaGenerator
from stimloop_sim.parameter import PatientError

RATES_HZ = (250, 500, 1000)
"""Sampling rates of the implants' sensing front ends in Hz."""

# Recruitment of afferents follows the pulses with these time constants in s (design choice:
# beta falls within a few hundred ms of stimulation and returns more slowly).
_RECRUITMENT_RISE_S = 0.10
_RECRUITMENT_FALL_S = 0.30

# A sum of relaxation processes of equal variance with corners evenly spaced in log frequency
# has a 1/f spectrum between the outermost (van der Ziel 1950, Physica 16:359). Two per decade
# keep within 0.25 dB of it from 1 to 32 Hz, before sampling; sampled at 250 Hz,
# aliasing adds 0.5 dB at 20 Hz.
_PINK_CORNERS_HZ = tuple(10.0 ** (half_decade / 2.0) for half_decade in range(-2, 5))


@dataclass(frozen=True, slots=True)
class PatientModel:
    """Parameters of one simulated patient; the defaults are off medication.

    Raises
    ------
    PatientError
        If a parameter is outside its range.
    """

    growth_per_s: float = -7.58
    """lambda_0: growth rate of the oscillation, 1/s, negative."""
    drift_sd_per_s: float = 3.90
    """s_m: standard deviation of the growth rate's drift, 1/s, 0 or more."""
    drift_s: float = 26.1
    """tau_m: time constant of that drift, s, positive."""
    saturation_per_s: float = 0.16
    """c: damping per squared unit of amplitude, 1/s, positive."""
    drive: float = 0.636
    """sigma: intensity of the noise that drives it, units per sqrt(s), positive."""
    suppression_per_s: float = 10.0
    """kappa: damping by full recruitment, 1/s, 0 or more."""
    peak_hz: float = 20.0
    """Frequency of the oscillation, Hz, 13 to 35."""
    pink_sd: float = 0.098
    """Standard deviation of the 1/f noise between 0.1 and 100 Hz, units, 0 or more."""
    gain_uv: float = 20.0
    """Potential of one unit, µV, positive."""
    floor_uv_rt_hz: float = 0.1
    """Density of the front end's white noise, µV per sqrt(Hz), 0 or more."""

    def __post_init__(self) -> None:
        for name in ("drift_s", "saturation_per_s", "drive", "gain_uv"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise PatientError(f"{name} is {getattr(self, name):g}; it must be positive")
        for name in ("drift_sd_per_s", "suppression_per_s", "pink_sd", "floor_uv_rt_hz"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise PatientError(f"{name} is {getattr(self, name):g}; it must be 0 or more")
        if not -math.inf < self.growth_per_s < 0.0:
            raise PatientError(f"growth_per_s is {self.growth_per_s:g}; it must be negative")
        if not 13.0 <= self.peak_hz <= 35.0:
            raise PatientError(f"peak_hz is {self.peak_hz:g}; a beta peak is at 13 to 35 Hz")


PATIENTS: Mapping[str, PatientModel] = MappingProxyType(
    {
        "default": PatientModel(),
        "on_medication": PatientModel(growth_per_s=-9.74, drift_sd_per_s=3.10),
        "full_suppression": PatientModel(suppression_per_s=23.0),
    }
)
"""Named patients: off medication, on medication, and off medication with a stronger effect of
stimulation (3 mA leaves a quarter of the beta amplitude instead of two fifths)."""


def patient_model(name: str) -> PatientModel:
    """Look up a named patient.

    Parameters
    ----------
    name : str
        A key of `PATIENTS`.

    Returns
    -------
    PatientModel
        Its parameters.

    Raises
    ------
    PatientError
        If there is no patient of that name; the message names the nearest ones.
    """
    if name in PATIENTS:
        return PATIENTS[name]
    nearest = difflib.get_close_matches(name, PATIENTS) or sorted(PATIENTS)
    raise PatientError(f"there is no patient {name!r}; choose {' or '.join(nearest)}")


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

    Raises
    ------
    ValueError
        If the rate is not one of those, or the seed is negative.
    """

    channels: tuple[str, ...] = ("LFP",)
    remaining: int | None = None

    def __init__(
        self, model: PatientModel = PATIENTS["default"], *, seed: int = 0, fs_hz: int = 250
    ) -> None:
        if fs_hz not in RATES_HZ:
            raise ValueError(f"a patient is not sampled at {fs_hz} Hz; choose 250, 500 or 1000")
        self.fs_hz = fs_hz
        step_s = 1.0 / fs_hz
        self._generator = BetaGenerator(
            np.random.Generator(np.random.PCG64DXSM(seed)),
            half_step_s=step_s / 2.0,
            growth_per_s=model.growth_per_s,
            saturation_per_s=model.saturation_per_s,
            suppression_per_s=model.suppression_per_s,
            rise=-math.expm1(-step_s / _RECRUITMENT_RISE_S),
            fall=-math.expm1(-step_s / _RECRUITMENT_FALL_S),
            drift_sd=model.drift_sd_per_s,
            drift_keep=math.exp(-step_s / model.drift_s),
            drive_sd=model.drive * math.sqrt(step_s / 2.0),
            # Stationary variance without drift, half of it in each component.
            start_sd=model.drive / math.sqrt(-4.0 * model.growth_per_s),
            rotation=cmath.exp(2j * math.pi * model.peak_hz * step_s),
            pink_sd=model.pink_sd / math.sqrt(len(_PINK_CORNERS_HZ)),
            pink_keep=[math.exp(-2.0 * math.pi * hz * step_s) for hz in _PINK_CORNERS_HZ],
            gain_uv=model.gain_uv,
            # White noise up to half the sampling rate.
            floor_uv=model.floor_uv_rt_hz * math.sqrt(fs_hz / 2.0),
        )

    @property
    def envelope_uv(self) -> NDArray[np.float64]:
        """Amplitude of the oscillation itself at the last block's samples, (n,), µV.

        The ground truth for detectors: free of 1/f noise, noise floor and filters. A copy.
        """
        return self._generator.envelope_uv

    def sense(
        self, amplitude_ua: NDArray[np.int32], width_us: int, period_us: int
    ) -> NDArray[np.float64]:
        """Let the patient live through one block of stimulation; see `Source.sense`."""
        return self._generator.advance(amplitude_ua, width_us, period_us)
