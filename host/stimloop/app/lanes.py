"""Channels one below the other, each in a lane with a gain of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stimloop.app import axes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from stimloop.app.theme import Theme

GAINS_UV = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
"""Half the height of a lane, µV."""
FULL = 0.46
"""Of a lane's height that half the signal may take; what is beyond is cut at the lane."""


class Lanes:
    """The raw signal; with one channel the axis is in µV.

    Parameters
    ----------
    theme : Theme
    names : sequence of str
        Of the channels, the first one on top.
    title : str
        What is sensed.
    """

    def __init__(self, theme: Theme, names: Sequence[str], title: str) -> None:
        self.names = list(names)
        self.gains_uv: list[float] = [GAINS_UV[4]] * len(names)
        alone = len(names) == 1
        self.plot = axes.plot(
            theme, left=title if alone else "", unit="µV" if alone else "", inside=alone
        )
        colors = theme.traces
        self._curves = [axes.curve(colors[k % len(colors)]) for k in range(len(names))]
        for line in self._curves:
            self.plot.addItem(line, ignoreBounds=True)
        self._scale()

    def set_gain(self, channel: int, gain_uv: float) -> None:
        """Let half a lane be so many µV."""
        self.gains_uv[channel] = gain_uv
        self._scale()

    def fit(self, uv: npt.NDArray[np.float32]) -> None:
        """Choose the gain of each channel by what was seen; shape (n, channels), µV."""
        if not len(uv):
            return
        for channel in range(len(self.names)):
            seen = uv[:, channel]
            seen = np.abs(seen[np.isfinite(seen)])
            most = float(np.percentile(seen, 99.5)) if seen.size else 0.0
            fitting = [gain for gain in GAINS_UV if gain >= 1.1 * most]
            self.gains_uv[channel] = fitting[0] if fitting else GAINS_UV[-1]
        self._scale()

    def draw(self, x: npt.NDArray[np.float64], uv: npt.NDArray[np.float32]) -> None:
        """Draw points; shapes (n,) and (n, channels)."""
        if len(self.names) == 1:
            axes.draw(self._curves[0], x, uv[:, 0])
            return
        for lane, (line, gain_uv) in enumerate(zip(self._curves, self.gains_uv, strict=True)):
            y = np.clip(uv[:, lane] * np.float32(FULL / gain_uv), -0.5, 0.5)
            axes.draw(line, x, y - np.float32(lane))

    def _scale(self) -> None:
        axis = self.plot.getAxis("left")
        if len(self.names) == 1:
            gain_uv = self.gains_uv[0]
            self.plot.setYRange(-gain_uv, gain_uv)
            return
        axis.setTicks(
            [
                [
                    (-lane, f"{name} ±{gain_uv:g} µV")
                    for lane, (name, gain_uv) in enumerate(
                        zip(self.names, self.gains_uv, strict=True)
                    )
                ]
            ]
        )
        self.plot.setYRange(0.5 - len(self.names), 0.5)
