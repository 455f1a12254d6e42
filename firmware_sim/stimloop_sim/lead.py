"""The sensing lead: what a source gives, with what is picked up on the way to the converter."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from stimloop_sim._pickup import Pickup
    from stimloop_sim.source import Source


class SensingLead:
    """A source behind a lead.

    Parameters
    ----------
    source : Source
    pickup : Pickup
        What the lead adds; for every sample that passes, read or not.

    Attributes
    ----------
    source : Source
    """

    def __init__(self, source: Source, pickup: Pickup) -> None:
        self.source = source
        self._pickup = pickup

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the sensing channels."""
        return self.source.channels

    @property
    def fs_hz(self) -> int:
        """Sampling rate in Hz."""
        return self.source.fs_hz

    @property
    def remaining(self) -> int | None:
        """Samples left; None is an endless source."""
        return self.source.remaining

    def sense(
        self, amplitude_ua: npt.NDArray[np.int32], width_us: int, period_us: int
    ) -> npt.NDArray[np.float64]:
        """Sense one block; see `Source.sense`."""
        sensed_uv = self.source.sense(amplitude_ua, width_us, period_us)
        self._pickup.add(sensed_uv)
        return sensed_uv
