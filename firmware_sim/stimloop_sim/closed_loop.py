"""A day of closed-loop therapy in seconds: patient, detector and controller compiled together.

Row 5, 6 and 11 of a sample's way, and nothing between: no wire, no firmware, no governor, no
record; an amplitude is in effect from the next tick on. For validation and for long cohorts,
where a session over ``sim://`` is too slow; the same bits as the same three parts called one
after another from Python.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stimloop_dsp import BetaDetector, controllers
from stimloop_sim._closed_loop import CompiledLoop
from stimloop_sim.patient import DbsPatient, PatientModel

Compiled = (
    controllers.Continuous
    | controllers.OnOff
    | controllers.DualThreshold
    | controllers.Proportional
    | controllers.ProportionalIntegral
)
LAWS = Compiled.__args__
"""Controllers whose law is compiled."""
LONGEST_TICK = 1024
"""Samples."""


@dataclass(frozen=True, slots=True)
class Lived:
    """What happened, a value per tick.

    Attributes
    ----------
    amplitude_ua : ndarray of int32, (n,)
        In effect during the tick.
    level_uv : ndarray of float32, (n,)
        Of the detector at its end.
    envelope_uv : ndarray of float32, (n,)
        Root mean square of the patient's true amplitude in it.
    """

    amplitude_ua: NDArray[np.int32]
    level_uv: NDArray[np.float32]
    envelope_uv: NDArray[np.float32]

    @property
    def time_on(self) -> float:
        """Share of the time with an amplitude above zero, 0 to 1."""
        return float(np.mean(self.amplitude_ua > 0))

    def teed(self, continuous_ua: int) -> float:
        """Energy beside that of a continuous amplitude at the same width and rate, ratio."""
        return float(np.mean((self.amplitude_ua / continuous_ua) ** 2))


class ClosedLoop:
    """A patient, a beta detector and a controller.

    Parameters
    ----------
    model : PatientModel
        One hemisphere.
    detector : BetaDetector
        At `fs_hz`, of channel 0; it is used up.
    controller
        Of one of the classes `LAWS`; it only tells its parameters.
    seed : int, optional
        Of the patient.
    fs_hz : int, optional
        Of patient and detector, Hz.
    width_us : int, optional
        Pulse width, µs.
    range_uv : float, optional
        The converter clips beyond, µV.

    Raises
    ------
    ValueError
        If the controller's law is not compiled, or its tick is no whole number of samples or
        longer than `LONGEST_TICK`.
    """

    def __init__(
        self,
        model: PatientModel,
        detector: BetaDetector,
        controller: Compiled,
        *,
        seed: int = 0,
        fs_hz: int = 1000,
        width_us: int = 60,
        range_uv: float = 5000.0,
    ) -> None:
        law = _law(controller)
        samples, rest = divmod(controller.tick_us * fs_hz, 1_000_000)
        if rest or not 1 <= samples <= LONGEST_TICK:
            raise ValueError(
                f"a tick of {controller.tick_us} µs is {samples + rest / 1e6:g} samples at "
                f"{fs_hz} Hz; choose a whole number from 1 to {LONGEST_TICK}"
            )
        self._loop = CompiledLoop(
            DbsPatient(model, seed=seed, fs_hz=fs_hz).generator,
            detector,
            law,
            gain_uv=model.gain_uv,
            tick_samples=samples,
            width_us=width_us,
            period_us=controller.period_us,
            range_nv=1000.0 * range_uv,
        )

    def run(self, ticks: int) -> Lived:
        """Let so many ticks pass; memory is 12 bytes for each."""
        return Lived(*self._loop.run(ticks))


def _law(controller: Compiled) -> dict[str, float]:
    """The parameters of a compiled law."""
    if type(controller) not in LAWS:
        known = ", ".join(kind.__name__ for kind in LAWS)
        raise ValueError(
            f"the law of {type(controller).__name__} is not compiled; choose one of {known}, "
            "or run a session"
        )

    names = ("threshold_uv", "lower_uv", "kp_ua", "ti_s")
    return {
        "kind": LAWS.index(type(controller)),
        "low_ua": controller.amplitude_min_ua,
        "high_ua": controller.amplitude_max_ua,
        "output_ua": controller.output_ua,
        "up_ua": controller.per_tick_ua(getattr(controller, "ramp_up_ms", 0.0)),
        "down_ua": controller.per_tick_ua(getattr(controller, "ramp_down_ms", 0.0)),
        **{name: getattr(controller, name, 0.0) for name in names},
        "error_s": 0.0,
        "tick_s": controller.tick_us / 1e6,
    }
