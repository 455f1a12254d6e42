"""Decisions over time: the level with its thresholds, and the amplitude that follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from stimloop.app import axes
from stimloop.app.language import tr
from stimloop.app.memory import COLUMNS
from stimloop.app.rings import min_max

if TYPE_CHECKING:
    import numpy.typing as npt

    from stimloop.app.theme import Theme
    from stimloop.rehearsal import Decisions


class DecisionPlot(QWidget):
    """Level and amplitude of a rehearsal, over the time of its samples.

    Parameters
    ----------
    theme : Theme
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        canvas = axes.canvas(theme)
        self.level = axes.plot(theme, left=tr("Level"), unit="µV", inside=True)
        self.amplitude = axes.plot(
            theme,
            left=tr("Amplitude"),
            unit="mA",
            bottom=tr("time"),
            bottom_unit="s",
            inside=True,
        )
        canvas.addItem(self.level, 0, 0)
        canvas.addItem(self.amplitude, 1, 0)
        canvas.ci.layout.setRowStretchFactor(0, 3)
        canvas.ci.layout.setRowStretchFactor(1, 2)
        self._curve = axes.curve(theme.traces[0])
        self._steps = axes.curve(theme.traces[2])
        self.level.addItem(self._curve, ignoreBounds=True)
        self.amplitude.addItem(self._steps, ignoreBounds=True)
        self._thresholds = [
            axes.curve(theme.color("alarm"), Qt.PenStyle.DashLine) for _ in range(2)
        ]
        for line in self._thresholds:
            self.level.addItem(line, ignoreBounds=True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(canvas)

    def show_decisions(
        self, told: Decisions, most_ma: float, thresholds: tuple[float, ...] = ()
    ) -> None:
        """Draw a rehearsal, and the thresholds that it was decided by."""
        if not told.t_us.size:
            return
        x = told.t_us / 1e6
        for plot in (self.level, self.amplitude):
            plot.setXRange(float(x[0]), float(x[-1]))
        axes.draw(self._curve, *bounded(x, told.level))
        finite = told.level[np.isfinite(told.level)]
        most = float(np.percentile(finite, 99.8)) if finite.size else 1.0
        self.level.setYRange(0, 1.15 * max(most, *thresholds, 1e-3))
        for line, value in zip(self._thresholds, (*thresholds, np.nan, np.nan), strict=False):
            axes.draw(line, x[[0, -1]], np.array([value, value]))
        axes.draw(self._steps, *axes.stairs(x, told.admitted_ua / 1000))
        self.amplitude.setYRange(0, 1.1 * max(most_ma, 0.1))


def bounded(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """At most two points for each column of the screen: its least and its greatest."""
    width = max(1, len(y) // (2 * COLUMNS))
    if width == 1:
        return x, y
    index, drawn = min_max(y[:, None].astype(np.float32), 0, width)
    known = np.isfinite(drawn[:, 0])
    place = np.clip(index[known], 0, len(x) - 1).astype(np.int64)
    return x[place], drawn[known, 0].astype(np.float64)
