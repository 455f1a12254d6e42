"""Two hemispheres with one lead each: noise and peak of their own, and one day."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from stimloop_sim.parameter import PatientError
from stimloop_sim.patient import DbsPatient, PatientModel


@dataclass(frozen=True, slots=True, kw_only=True)
class HemispheresModel:
    """Parameters of both hemispheres.

    Attributes
    ----------
    left, right : PatientModel
        Their days have to be the same.

    Raises
    ------
    PatientError
        If they are not.
    """

    left: PatientModel = field(default_factory=PatientModel)
    right: PatientModel = field(
        default_factory=lambda: replace(PatientModel(), peak_hz=23.0, gain_uv=16.0)
    )

    def __post_init__(self) -> None:
        if self.left.day != self.right.day:
            raise PatientError(
                "the hemispheres live through different days; give both the same day"
            )

    def patient(self, *, seed: int = 0, fs_hz: int = 250) -> "HemispheresPatient":
        """Bring both to life; see `HemispheresPatient`."""
        return HemispheresPatient(self, seed=seed, fs_hz=fs_hz)


class HemispheresPatient:
    """Two hemispheres, sensed on a channel each; a `Source` without end.

    As a source both get the same pulses, as ganged hemispheres do. For different pulses let
    `left` and `right` sense on their own.

    Parameters
    ----------
    model : HemispheresModel
    seed : int, optional
        Seed of the noise, 0 or more.
    fs_hz : int, optional
        Sampling rate in Hz, one of `stimloop_sim.patient.RATES_HZ`.

    Attributes
    ----------
    left, right : DbsPatient
    """

    channels: tuple[str, ...] = ("LFP left", "LFP right")
    remaining: int | None = None

    def __init__(self, model: HemispheresModel, *, seed: int = 0, fs_hz: int = 250) -> None:
        self.fs_hz = fs_hz
        self.left = DbsPatient(model.left, seed=seed, fs_hz=fs_hz, side=0)
        self.right = DbsPatient(model.right, seed=seed, fs_hz=fs_hz, side=1)

    @property
    def envelope_uv(self) -> NDArray[np.float64]:
        """True amplitudes at the last block's samples, (n, 2), µV. A copy."""
        return np.column_stack([self.left.envelope_uv, self.right.envelope_uv])

    def sense(
        self, amplitude_ua: NDArray[np.int32], width_us: int, period_us: int
    ) -> NDArray[np.float64]:
        """Let both live through one block of the same pulses; see `Source.sense`."""
        sensed_uv = np.empty((len(amplitude_ua), 2))
        sensed_uv[:, :1] = self.left.sense(amplitude_ua, width_us, period_us)
        sensed_uv[:, 1:] = self.right.sense(amplitude_ua, width_us, period_us)
        return sensed_uv
