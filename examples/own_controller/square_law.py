"""A controller and a detector of one's own; pyproject.toml beside it gives them their names."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from stimloop_dsp import AmplitudeController, Reading
from stimloop_dsp.parameters import Allowed


@dataclass(kw_only=True, eq=False)
class SquareLaw(AmplitudeController):
    """Amplitude by the square of how far the level is above the threshold.

    Parameters
    ----------
    threshold_uv : float
        No stimulation at or below it.
    gain_ua : float
        Amplitude at a level of twice the threshold.
    """

    threshold_uv: Annotated[float, Allowed(0, above=True)]
    gain_ua: Annotated[float, Allowed(0, 100_000)] = 1000.0

    def wanted_ua(self, reading: Reading) -> float:
        """Amplitude by the law, µA; holding, bounding and rounding are inherited."""
        return self.gain_ua * max(0.0, reading.level / self.threshold_uv - 1) ** 2


@dataclass(kw_only=True, eq=False)
class MeanSquare:
    """Root mean square of the last block: no filter at all, so no delay and no selectivity.

    Parameters
    ----------
    fs_hz : float
        Sampling rate.
    threshold_uv : float
        Active above this.
    """

    fs_hz: float
    threshold_uv: float
    unit = "µV"
    delay_ms = 0.0

    @property
    def thresholds(self) -> tuple[float, float]:
        """Thresholds (on, off), µV; a capture sets them."""
        return self.threshold_uv, self.threshold_uv

    @thresholds.setter
    def thresholds(self, thresholds: tuple[float, float]) -> None:
        self.threshold_uv = thresholds[0]

    def push(self, block: np.ndarray, first_index: int, t_us: int) -> Reading:
        """Take the next block, nV."""
        level = float(np.sqrt(np.mean((block * 1e-3) ** 2)))
        return Reading(first_index + len(block) - 1, t_us, level, level > self.threshold_uv, 0)

    def reset(self) -> None:
        """There is nothing to forget."""
