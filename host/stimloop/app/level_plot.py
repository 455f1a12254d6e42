"""The biomarker with its thresholds, which a hand may drag, and the detector's decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QObject, Qt, Signal

from stimloop.app import axes
from stimloop.app.language import tr
from stimloop.app.memory import COLUMNS
from stimloop.app.rings import min_max

if TYPE_CHECKING:
    import numpy.typing as npt

    from stimloop.app.memory import Shown
    from stimloop.app.theme import Theme


def level_of(shown: Shown) -> tuple[str, str]:
    """Name and unit of the level."""
    return {
        "lfp": (tr("Biomarker"), "µV"),
        "heart": (tr("Heart rate"), "bpm"),
        "evoked": (tr("N1–P2"), "µV"),
    }[shown.kind]


class LevelPlot(QObject):
    """Level, thresholds and where the detector's decision begins.

    Attributes
    ----------
    plot : PlotItem
    unit : str
    """

    threshold_moved = Signal(int, float)
    """Number of the threshold, 0 for the upper one, and where a hand has put it."""

    def __init__(self, theme: Theme, shown: Shown) -> None:
        super().__init__()
        self._theme = theme
        self._from_zero = shown.kind != "heart"
        name, self.unit = level_of(shown)
        self.plot = axes.plot(theme, left=name, unit=self.unit, inside=True)
        self._curve = axes.curve(theme.traces[0])
        self._begins = pg.ScatterPlotItem(
            symbol="t1", size=9, pen=None, brush=pg.mkBrush(theme.color("warning"))
        )
        self.plot.addItem(self._curve, ignoreBounds=True)
        self.plot.addItem(self._begins, ignoreBounds=True)
        self.plot.setYRange(0 if self._from_zero else 40, 20 if self._from_zero else 140)
        self._lines: list[pg.InfiniteLine] = []
        self.set_thresholds(shown.thresholds)

    def set_thresholds(self, thresholds: tuple[float, ...], *, edited: bool = False) -> None:
        """Show thresholds: those in force, or those that were edited and are not."""
        for line in self._lines:
            self.plot.removeItem(line)
        role = "edited" if edited else "alarm"
        names = (tr("upper"), tr("lower")) if len(thresholds) > 1 else (tr("threshold"),)
        self._lines = []
        for number, (name, value) in enumerate(zip(names, thresholds, strict=False)):
            said = tr("{name}, edited", name=name) if edited else name
            line = pg.InfiniteLine(
                value,
                angle=0,
                movable=True,
                pen=pg.mkPen(self._theme.color(role), style=Qt.PenStyle.DashLine),
                hoverPen=pg.mkPen(self._theme.color(role), width=3),
                label=f"{said} {{value:.2f}} {self.unit}",
                labelOpts={
                    "position": 0.3 + 0.3 * number,
                    "fill": self._theme.color("surface", 0.85),
                    # The upper one's words stand above its line, the lower one's below.
                    "anchors": [(0, 1 - number), (0, 1 - number)],
                },
            )
            line.label.setFont(axes.small_font(self._theme))
            line.label.setColor(self._theme.color(role))
            line.setBounds((0, None))
            line.sigPositionChangeFinished.connect(
                lambda moved, k=number: self.threshold_moved.emit(k, float(moved.value()))
            )
            self.plot.addItem(line, ignoreBounds=True)
            self._lines.append(line)

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Where the lines are, the upper one first."""
        return tuple(float(line.value()) for line in self._lines)

    def fit(self, level: npt.NDArray[np.float64]) -> None:
        """Choose the range by levels, and keep it."""
        level = level[np.isfinite(level)]
        if not level.size:
            return
        low = 0.0 if self._from_zero else 0.9 * float(np.percentile(level, 2))
        high = max(float(np.percentile(level, 99.5)), *self.thresholds, 1e-3)
        self.plot.setYRange(low, low + 1.25 * (high - low))

    def draw(self, x: npt.NDArray[np.float64], rows: npt.NDArray[np.void]) -> None:
        """Draw steps; many are drawn by the least and greatest of each column."""
        width = max(1, len(rows) // (2 * COLUMNS))
        if width > 1:
            index, level = min_max(rows["level"][:, None].astype(np.float32), 0, width)
            known = np.isfinite(level[:, 0])
            place = np.clip(index[known], 0, len(rows) - 1).astype(np.int64)
            axes.draw(self._curve, x[place], level[known, 0])
        else:
            axes.draw(self._curve, x, rows["level"])
        began = np.flatnonzero(np.diff(rows["active"].astype(np.int8)) > 0) + 1
        low, high = self.plot.viewRange()[1]
        self._begins.setData(x[began], np.full(began.size, low + 0.06 * (high - low)))
