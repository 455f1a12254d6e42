"""A patient whose truth is told besides, which no detector sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from stimloop_lab.outcome import ratio

if TYPE_CHECKING:
    import numpy.typing as npt

    from stimloop_sim.source import Source


P = TypeVar("P", bound="Source")


class Witness(Generic[P]):
    """Stands between implant and patient: a `stimloop_sim.source.Source`.

    Parameters
    ----------
    patient : Source
        A simulated patient.

    Attributes
    ----------
    listening : bool
        Whether what happens now counts.
    lived_s : float
        Time since the patient's first sample, s.
    """

    remaining: int | None = None

    def __init__(self, patient: P) -> None:
        self.patient = patient
        self.channels: tuple[str, ...] = patient.channels
        self.fs_hz: int = patient.fs_hz
        self.listening = False
        self._lived = self._listened = self._on = 0

    @property
    def lived_s(self) -> float:
        """Time since the first sample, s."""
        return self._lived / self.fs_hz

    @property
    def seconds(self) -> float:
        """Time that was listened to, s."""
        return self._listened / self.fs_hz

    @property
    def time_on(self) -> float:
        """Share of that time with pulses in effect; NaN before any."""
        return ratio(self._on, self._listened)

    def sense(
        self, amplitude_ua: npt.NDArray[np.int32], width_us: int, period_us: int
    ) -> npt.NDArray[np.float64]:
        """Sense one block; see `Source.sense`."""
        sensed_uv = self.patient.sense(amplitude_ua, width_us, period_us)
        self._lived += len(amplitude_ua)
        if self.listening:
            on = int(np.count_nonzero(amplitude_ua))
            self._listened += len(amplitude_ua)
            self._on += on
            self.look(len(amplitude_ua), stimulated=on > 0)
        return sensed_uv

    def look(self, samples: int, *, stimulated: bool) -> None:
        """What a therapy keeps of the patient after a block; nothing here.

        Parameters
        ----------
        samples : int
            Length of the block.
        stimulated : bool
            Whether pulses were in effect in it.
        """
