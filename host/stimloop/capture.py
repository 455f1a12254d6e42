"""Threshold capture: sense without stimulating, then take percentiles of the level."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import numpy as np

from stimloop.errors import CaptureError
from stimloop_dsp import Quality

if TYPE_CHECKING:
    from stimloop.decision import Capture
    from stimloop_dsp import Reading

LEAST_SHARE = 0.5
"""At least this share of the readings has to be trustworthy."""


class ThresholdCapture:
    """Gathers levels for as long as the prescription says.

    What comes out is a calibration of this session, not a prediction.

    Parameters
    ----------
    capture : Capture
    tick_us : int
        Time between two readings, µs.
    """

    def __init__(self, capture: Capture, tick_us: int) -> None:
        self._capture = capture
        self._wanted = max(1, round(capture.seconds * 1e6 / tick_us))
        self._seen = 0
        self._levels = array("d")

    def push(self, reading: Reading) -> bool:
        """Take a reading; whether that was the last one needed.

        The time until the detector's filters have settled does not count.
        """
        if reading.quality & Quality.WARMUP:
            return False
        self._seen += 1
        if reading.quality == Quality.OK:
            self._levels.append(reading.level)
        return self._seen >= self._wanted

    def thresholds_uv(self) -> tuple[float, float]:
        """Threshold and lower threshold, µV (equal where only one was asked for).

        Raises
        ------
        CaptureError
            If too few readings could be trusted, or nothing was sensed.
        """
        if len(self._levels) < LEAST_SHARE * self._seen:
            raise CaptureError(
                f"only {len(self._levels)} of {self._seen} readings of the threshold capture "
                "can be trusted; check electrode and channel, or capture for longer"
            )
        upper = self._capture.percentile
        lower = self._capture.lower_percentile
        values = np.percentile(self._levels, [upper, upper if lower is None else lower])
        if not values[0] > 0:
            raise CaptureError(
                "nothing was sensed during the threshold capture; check electrode and channel"
            )
        return float(values[0]), float(values[1])
