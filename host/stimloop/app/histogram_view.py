"""The captured level: how often it was where, with percentiles and thresholds by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from stimloop.app import axes
from stimloop.app.label import label, say
from stimloop.app.language import tr

if TYPE_CHECKING:
    import numpy.typing as npt

    from stimloop.app.theme import Theme

PERCENTILES = (25, 50, 75)
BINS = 60


class HistogramView(QWidget):
    """A histogram of the level with percentiles, and thresholds that a hand moves."""

    moved = Signal(tuple)
    """Thresholds, the upper one first, in the level's unit."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._levels = np.empty(0)
        canvas = axes.canvas(theme)
        self._plot = axes.plot(
            theme, left=tr("Share of the time"), unit="%", bottom=tr("Level"), bottom_unit="µV"
        )
        self._plot.getAxis("left").setWidth(60)
        canvas.addItem(self._plot)
        self._bars = pg.PlotCurveItem(
            [0.0, 1.0],
            [0.0],
            stepMode="center",
            fillLevel=0,
            brush=theme.color("accent", 0.35),
            pen=pg.mkPen(theme.color("accent")),
        )
        self._plot.addItem(self._bars, ignoreBounds=True)
        self._percentiles: list[pg.InfiniteLine] = []
        self._lines: list[pg.InfiniteLine] = []
        self._told = label(wrap=True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(canvas, 1)
        layout.addWidget(self._told)
        say(self._told, tr("Sense for a while first; then the level's histogram is here."))

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Where the thresholds are, the upper one first."""
        return tuple(float(line.value()) for line in self._lines)

    def show_levels(self, levels: npt.NDArray[np.float64]) -> None:
        """Show the settled levels of a capture, in µV."""
        self._levels = levels
        for line in self._percentiles:
            self._plot.removeItem(line)
        self._percentiles = []
        if not levels.size:
            say(
                self._told,
                tr("No reading can be trusted; check electrode and channel."),
                "alarm",
            )
            return
        most = float(np.percentile(levels, 99.8)) * 1.05
        counts, edges = np.histogram(levels, BINS, (0, most))
        share = 100 * counts / levels.size
        self._bars.setData(edges, share)
        self._plot.setXRange(0, most)
        self._plot.setYRange(0, 1.35 * float(share.max()))
        for percentile, value in zip(
            PERCENTILES, np.percentile(levels, PERCENTILES).tolist(), strict=True
        ):
            place = 0.97 - 0.09 * len(self._percentiles)
            line = pg.InfiniteLine(
                value,
                angle=90,
                pen=pg.mkPen(self._theme.color("muted"), style=Qt.PenStyle.DotLine),
                label=f"P{percentile}  {value:.2f} µV",
                labelOpts={"position": place, "fill": self._theme.color("surface", 0.85)},
            )
            line.label.setFont(axes.small_font(self._theme))
            line.label.setColor(self._theme.color("text"))
            self._plot.addItem(line, ignoreBounds=True)
            self._percentiles.append(line)
        self._tell()

    def set_thresholds(self, thresholds: tuple[float, ...]) -> None:
        """Show thresholds, the upper one first; one or two."""
        for line in self._lines:
            self._plot.removeItem(line)
        self._lines = []
        names = (tr("upper"), tr("lower")) if len(thresholds) > 1 else (tr("threshold"),)
        for number, (name, value) in enumerate(zip(names, thresholds, strict=True)):
            line = pg.InfiniteLine(
                value,
                angle=90,
                movable=True,
                pen=pg.mkPen(self._theme.color("alarm"), width=2),
                hoverPen=pg.mkPen(self._theme.color("alarm"), width=5),
                label=f"{name}  {{value:.2f}} µV",
                labelOpts={
                    "position": 0.6 - 0.1 * number,
                    "fill": self._theme.color("surface", 0.85),
                },
            )
            line.label.setFont(self._theme.font(axes.SMALL, bold=True))
            line.label.setColor(self._theme.color("alarm"))
            line.setBounds((0, None))
            line.sigPositionChanged.connect(self._tell)
            line.sigPositionChangeFinished.connect(lambda: self.moved.emit(self.thresholds))
            self._plot.addItem(line, ignoreBounds=True)
            self._lines.append(line)
        self._tell()

    def percentile(self, percent: float) -> float:
        """A percentile of the captured level; nan before."""
        return float(np.percentile(self._levels, percent)) if self._levels.size else np.nan

    def _tell(self) -> None:
        if not self._levels.size:
            return
        above = [
            tr(
                "{share:.0f} % of the time above {value:.2f} µV",
                share=100 * float((self._levels > value).mean()),
                value=value,
            )
            for value in self.thresholds
        ]
        count = tr("{n} trusted readings.", n=self._levels.size)
        say(self._told, "  ·  ".join([count, *above]), "")
