"""What a sweep of amplitudes told: the level at each, how much it fell, and a setpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from stimloop.app import axes
from stimloop.app.fields import fields_of
from stimloop.app.form import Form
from stimloop.app.label import label, say
from stimloop.app.language import tr
from stimloop.app.survey_view import cell, table
from stimloop.decision import CONTROLLERS
from stimloop.sweeps import plateaus, suppression_percent, titration

if TYPE_CHECKING:
    from stimloop.app.theme import Theme
    from stimloop.rehearsal import Decisions
    from stimloop.sweeps import Plateau

KIND = "sweep"
SIDE_PX = 330
SAID = ("perception", "comfort", "discomfort")
"""What a patient says of a sweep, in the order in which it comes."""


class SweepView(QWidget):
    """Form of a sweep, its plateaus as they come, and a titration where responses are sensed.

    Attributes
    ----------
    form : Form
        Keys of the controller ``sweep``.
    values : dict
        What was typed.
    """

    proposed = Signal(dict)
    """Table of a controller that sweeps."""
    setpoint_found = Signal(float)
    """Of the evoked response, µV."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.values: dict[str, object] = {}
        self._plateaus: tuple[Plateau, ...] = ()
        self._now_ua = 0
        self._said_ua: dict[str, int] = {}
        self.form = Form(
            f for f in fields_of(CONTROLLERS.table_of(KIND)) if f.name not in ("kind", "where")
        )
        self.form.changed.connect(self._typed)
        propose = QPushButton(tr("Propose this sweep to Program"))
        propose.setProperty("role", "primary")
        propose.clicked.connect(lambda: self.proposed.emit({"kind": KIND, **self.values}))
        side = QVBoxLayout()
        side.addWidget(self.form)
        side.addWidget(propose)
        heads = (tr("mA"), tr("level (µV)"), tr("± sd"), tr("lower by (%)"))
        self.table = table(heads, tr("Amplitudes that were kept"))
        side.addWidget(self.table, 1)
        side.addLayout(self._patient())
        holder = QWidget()
        holder.setLayout(side)
        holder.setFixedWidth(SIDE_PX)
        side.setContentsMargins(0, 0, 0, 0)
        canvas = axes.canvas(theme)
        self._plot = axes.plot(
            theme, left=tr("Level"), unit="µV", bottom=tr("Amplitude"), bottom_unit="mA"
        )
        self._plot.getAxis("left").setWidth(60)
        canvas.addItem(self._plot)
        self._curve = pg.PlotDataItem(
            pen=pg.mkPen(theme.traces[0]),
            symbol="o",
            symbolSize=10,
            symbolBrush=theme.traces[0],
            symbolPen=None,
        )
        self._bars = pg.ErrorBarItem(beam=0.05, pen=pg.mkPen(theme.color("muted")))
        self._fit = axes.curve(theme.color("warning"), Qt.PenStyle.DashLine)
        for item in (self._bars, self._curve, self._fit):
            self._plot.addItem(item, ignoreBounds=True)
        self._told = label(wrap=True)
        say(
            self._told,
            tr(
                "A sweep runs as any therapy does: propose it, then stage, commit, arm and "
                "start on the Program page. STOP ends it at any time."
            ),
            "muted",
        )
        right = QVBoxLayout()
        right.addWidget(canvas, 1)
        right.addWidget(self._told)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(12)
        row.addWidget(holder)
        row.addLayout(right, 1)

    def _patient(self) -> QGridLayout:
        grid = QGridLayout()
        self._buttons: dict[str, QPushButton] = {}
        grid.addWidget(
            label(tr("The patient says, now:"), role="small", tone="muted"), 0, 0, 1, 3
        )
        for column, word in enumerate(SAID):
            button = QPushButton(tr(word).capitalize())
            button.setMinimumWidth(60)
            button.setStyleSheet("padding: 1px 4px;")
            button.clicked.connect(lambda _, word=word: self.say(word))
            self._buttons[word] = button
            grid.addWidget(button, 1, column)
        return grid

    def _typed(self, key: str, value: object) -> None:
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value

    def say(self, word: str) -> None:
        """Keep at which amplitude the patient said so, and titrate once all is said."""
        self._said_ua[word] = self._now_ua
        self._buttons[word].setText(f"{tr(word).capitalize()}\n{self._now_ua / 1000:.1f} mA")
        if len(self._said_ua) == len(SAID):
            self._titrate()

    def show_decisions(self, told: Decisions, now_ua: int) -> None:
        """Show the plateaus of what was decided so far, and the amplitude now, µA."""
        self._now_ua = now_ua
        found = plateaus(told)
        if found == self._plateaus:
            return
        self._plateaus = found
        lower = suppression_percent(found)
        self.table.setRowCount(len(found))
        for row, (plateau, percent) in enumerate(zip(found, lower, strict=True)):
            numbers = (
                f"{plateau.amplitude_ua / 1000:.2f}",
                f"{plateau.level:.2f}",
                f"{plateau.spread:.2f}",
                "–" if np.isnan(percent) else str(round(percent)),
            )
            for column, number in enumerate(numbers):
                self.table.setItem(row, column, cell(number, right=True))
        seen = [plateau for plateau in found if np.isfinite(plateau.level)]
        x = np.array([plateau.amplitude_ua / 1000 for plateau in seen])
        y = np.array([plateau.level for plateau in seen])
        spread = np.array([plateau.spread for plateau in seen])
        self._curve.setData(x, y)
        if seen:
            self._bars.setData(x=x, y=y, height=2 * spread)
            self._plot.setXRange(-0.1, float(x.max()) + 0.3)
            self._plot.setYRange(0, 1.2 * float((y + spread).max()))

    def _titrate(self) -> None:
        try:
            found = titration(
                self._plateaus, **{f"{word}_ua": self._said_ua[word] for word in SAID}
            )
        except ValueError as problem:
            say(self._told, str(problem), "alarm")
            return
        x = np.linspace(0, self._said_ua["discomfort"], 100)
        axes.draw(self._fit, x / 1000, np.array([found.level_uv(ua) for ua in x]))
        say(
            self._told,
            tr(
                "Response begins at {begin:.2f} mA and grows by {slope:.1f} µV/mA; setpoint at "
                "the comfortable amplitude: {setpoint:.1f} µV.",
                begin=found.threshold_ua / 1000,
                slope=found.slope_uv_ma,
                setpoint=found.setpoint_uv,
            ),
            "good",
        )
        self.setpoint_found.emit(found.setpoint_uv)
