"""A patient for phase-targeted stimulation: coupled oscillators that answer every pulse.

N phase oscillators with frequencies of their own are coupled to their mean (Kuramoto), and each
pulse moves each phase by its phase response:

    d theta_i = (w_i + K r sin(psi - theta_i)) dt + sigma dW_i
    r exp(i psi) = mean(exp(i theta))
    pulse:      theta_i += rho(A, PW) (-kick sin(theta_i - alpha_i) + scatter xi)
    LFP       = gain r cos(psi) + pink + noise floor

Such models explain why the effect of a pulse depends on phase and amplitude of an ongoing
oscillation: Weerasinghe et al. (2019), doi:10.1371/journal.pcbi.1006575. Parameters are
illustrative: no patient's response curve is known here. A pulse at the phase alpha gathers the
phases and so raises the oscillation; half a cycle away it scatters them.
"""

import cmath
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stimloop_sim._noise import Noise
from stimloop_sim._population import Population
from stimloop_sim.background import Background
from stimloop_sim.parameter import Origin, check, parameter
from stimloop_sim.patient import check_rate

_STEP_S = 0.001
_SETTLE_S = 5.0
"""Lived through before the first sample, so that coupling has its effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PopulationModel:
    """Parameters of a population.

    Attributes
    ----------
    count : int
        Oscillators, 100 to 1000.

    Raises
    ------
    PatientError
        If a parameter is outside its range.
    """

    count: int = parameter(200, "", 100, 1000, Origin.CHOICE, "N, oscillators")
    peak_hz: float = parameter(20.0, "Hz", 13, 35, Origin.CHOICE, "mean frequency")
    spread_hz: float = parameter(
        0.5, "Hz", 0, 5, Origin.ILLUSTRATIVE, "standard deviation of the frequencies"
    )
    coupling_per_s: float = parameter(
        6.5, "1/s", 0, 100, Origin.ILLUSTRATIVE, "K, coupling to the mean"
    )
    noise_rt_s: float = parameter(
        1.4, "rad/√s", 0, 10, Origin.ILLUSTRATIVE, "sigma, noise of each phase"
    )
    kick_rad: float = parameter(
        0.2, "rad", 0, 1.5, Origin.ILLUSTRATIVE, "largest phase advance by a pulse"
    )
    scatter_rad: float = parameter(
        0.3, "rad", 0, 1.5, Origin.ILLUSTRATIVE, "its standard deviation at any phase"
    )
    response_rad: float = parameter(
        0.0,
        "rad",
        -3.1416,
        3.1416,
        Origin.ILLUSTRATIVE,
        "alpha, phase at which a pulse gathers",
    )
    response_spread_rad: float = parameter(
        0.3, "rad", 0, 3.1416, Origin.ILLUSTRATIVE, "standard deviation of alpha"
    )
    gain_uv: float = parameter(
        20.0, "µV", 0.01, 1000, Origin.CHOICE, "potential of full synchrony"
    )
    pink_uv: float = parameter(
        2.0, "µV", 0, 100, Origin.CHOICE, "1/f noise between 0.1 and 100 Hz"
    )
    floor_uv_rt_hz: float = parameter(
        0.1, "µV/√Hz", 0, 10, Origin.CHOICE, "density of the front end's white noise"
    )

    def __post_init__(self) -> None:
        check(self)

    def patient(self, *, seed: int = 0, fs_hz: int = 250) -> "PopulationPatient":
        """Bring the population to life; see `PopulationPatient`."""
        return PopulationPatient(self, seed=seed, fs_hz=fs_hz)


class PopulationPatient:
    """A population behind a lead, sensed on one channel; a `Source` without end.

    Arms of one seed live through the same noise whatever the stimulation. Phases are integrated
    in steps of a millisecond at every sampling rate. One patient belongs to one thread.

    Parameters
    ----------
    model : PopulationModel
    seed : int, optional
        Seed of frequencies, responses and noise, 0 or more.
    fs_hz : int, optional
        Sampling rate in Hz, one of `stimloop_sim.patient.RATES_HZ`.

    Raises
    ------
    ValueError
        If the rate is not one of those, or the seed is negative.
    """

    channels: tuple[str, ...] = ("LFP",)
    remaining: int | None = None

    def __init__(self, model: PopulationModel, *, seed: int = 0, fs_hz: int = 250) -> None:
        check_rate(fs_hz)
        self.fs_hz = fs_hz
        drawn = Noise(seed, 30).normals(2 * model.count)
        response = model.response_rad + model.response_spread_rad * drawn[model.count :]
        background = Background.at(fs_hz)
        self._population = Population(
            (seed, 31),
            fs_hz=fs_hz,
            turn=cmath.exp(2j * math.pi * model.peak_hz * _STEP_S),
            detuning=2.0 * math.pi * _STEP_S * model.spread_hz * drawn[: model.count],
            response_cos=np.cos(response),
            response_sin=np.sin(response),
            coupling=model.coupling_per_s * _STEP_S,
            diffusion=model.noise_rt_s * math.sqrt(_STEP_S),
            kick=model.kick_rad,
            scatter=model.scatter_rad,
            settle=round(_SETTLE_S / _STEP_S),
            gain_uv=model.gain_uv,
            floor_uv=model.floor_uv_rt_hz * math.sqrt(fs_hz / 2.0),
            pink_keep=background.keep,
            pink_weight=model.pink_uv * background.weight,
            pink_start=background.start,
        )

    @property
    def envelope_uv(self) -> NDArray[np.float64]:
        """True amplitude at the last block's samples, (n,), µV. A copy."""
        return self._population.envelope_uv

    @property
    def phase_rad(self) -> NDArray[np.float64]:
        """True phase of the oscillation there, (n,), in (-pi, pi], 0 at its crests. A copy."""
        return self._population.phase_rad

    def sense(
        self, amplitude_ua: NDArray[np.int32], width_us: int, period_us: int
    ) -> NDArray[np.float64]:
        """Let the population live through one block; see `Source.sense`.

        The first pulse of a train is at the start of the first interval with an amplitude.
        """
        return self._population.advance(amplitude_ua, width_us, period_us)
