"""The whole of a session: level, amplitude, state and events; another prescription over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from stimloop.app import axes
from stimloop.app.decision_plot import bounded
from stimloop.app.language import tr
from stimloop.app.level_plot import level_of
from stimloop.app.state_strip import StateStrip

if TYPE_CHECKING:
    from stimloop.app.chronicle import Chronicle
    from stimloop.app.theme import Theme
    from stimloop.rehearsal import Decisions


class Timeline(QWidget):
    """Plots over the whole session, with the place that is looked at.

    Parameters
    ----------
    theme : Theme
    chronicle : Chronicle
    """

    placed = Signal(float)
    """A hand has moved the place, s since the session's first step."""

    def __init__(self, theme: Theme, chronicle: Chronicle) -> None:
        super().__init__()
        self._chronicle = chronicle
        begin_us, end_us = chronicle.span_us
        self.seconds = max((end_us - begin_us) / 1e6, 1e-3)
        shown = chronicle.shown
        name, unit = level_of(shown)
        self._canvas = axes.canvas(theme)
        self._canvas.setAccessibleName(tr("Level, amplitude and state of the whole session"))
        self.level = axes.plot(theme, left=name, unit=unit, inside=True)
        self.amplitude = axes.plot(theme, left=tr("Amplitude"), unit="mA", inside=True)
        self.state = axes.plot(
            theme, left="", bottom=tr("time in the session"), bottom_unit="s"
        )
        self.state.getAxis("left").setTicks([[(0.5, tr("State"))]])
        self.state.showGrid(x=False, y=False)
        self.state.setYRange(0, 1)
        self._plots = (self.level, self.amplitude, self.state)
        for row, plot in enumerate(self._plots):
            self._canvas.addItem(plot, row, 0)
            plot.setXRange(0, self.seconds)
        grid = self._canvas.ci.layout
        grid.setRowStretchFactor(0, 3)
        grid.setRowStretchFactor(1, 2)
        grid.setRowFixedHeight(2, 66)
        self._draw(theme)
        self._others = (
            axes.curve(theme.traces[4], Qt.PenStyle.DashLine),
            axes.curve(theme.traces[4], Qt.PenStyle.DashLine),
        )
        self.level.addItem(self._others[0], ignoreBounds=True)
        self.amplitude.addItem(self._others[1], ignoreBounds=True)
        self._places = []
        for plot in self._plots:
            line = pg.InfiniteLine(
                0,
                angle=90,
                movable=True,
                pen=pg.mkPen(theme.color("accent"), width=2),
                hoverPen=pg.mkPen(theme.color("accent"), width=5),
            )
            line.setBounds((0, self.seconds))
            line.sigDragged.connect(lambda moved: self._dragged(float(moved.value())))
            plot.addItem(line, ignoreBounds=True)
            self._places.append(line)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._canvas)

    def _draw(self, theme: Theme) -> None:
        chronicle, shown = self._chronicle, self._chronicle.shown
        told = chronicle.decisions
        if not told.t_us.size:
            return
        x = (told.t_us - chronicle.span_us[0]) / 1e6
        level = axes.curve(theme.traces[0])
        admitted = axes.curve(theme.traces[1], Qt.PenStyle.DotLine)
        delivered = axes.curve(theme.traces[2])
        axes.draw(level, *bounded(x, told.level))
        axes.draw(admitted, *bounded(*axes.stairs(x, told.admitted_ua / 1000)))
        axes.draw(delivered, *bounded(*axes.stairs(x, chronicle.steps["delivered_ua"] / 1000)))
        self.level.addItem(level, ignoreBounds=True)
        self.amplitude.addItem(admitted, ignoreBounds=True)
        self.amplitude.addItem(delivered, ignoreBounds=True)
        for value in shown.thresholds:
            pen = pg.mkPen(theme.color("alarm"), style=Qt.PenStyle.DashLine)
            self.level.addItem(pg.InfiniteLine(value, angle=0, pen=pen), ignoreBounds=True)
        finite = told.level[np.isfinite(told.level)]
        if finite.size:
            high = max(float(np.percentile(finite, 99.9)), *shown.thresholds, 1e-3)
            low = 0.9 * float(np.percentile(finite, 2)) if shown.kind == "heart" else 0.0
            self.level.setYRange(low, low + 1.1 * (high - low))
        self.amplitude.setYRange(0, 1.15 * shown.most_ma)
        strip = StateStrip(theme)
        self.state.addItem(strip, ignoreBounds=True)
        strip.draw(x, chronicle.steps["state"], self.seconds)
        pen = pg.mkPen(theme.color("muted"), style=Qt.PenStyle.DashDotLine)
        for mark in chronicle.marks:
            at = (mark.t_us - chronicle.span_us[0]) / 1e6
            for plot in (self.level, self.amplitude):
                plot.addItem(pg.InfiniteLine(at, angle=90, pen=pen), ignoreBounds=True)

    def show_other(self, told: Decisions | None) -> None:
        """Draw what another prescription would have decided, dashed, over what was."""
        for line in self._others:
            line.setVisible(told is not None)
        if told is None or not told.t_us.size:
            return
        x = (told.t_us - self._chronicle.span_us[0]) / 1e6
        axes.draw(self._others[0], *bounded(x, told.level))
        axes.draw(self._others[1], *bounded(*axes.stairs(x, told.admitted_ua / 1000)))

    def place(self, seconds: float) -> None:
        """Put the place that is looked at."""
        for line in self._places:
            line.setValue(seconds)

    def _dragged(self, seconds: float) -> None:
        self.place(seconds)
        self.placed.emit(seconds)
