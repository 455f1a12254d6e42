"""The scope: signal, spectrogram, biomarker, amplitude and state on one time axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from stimloop.app import axes
from stimloop.app.lanes import Lanes
from stimloop.app.language import tr
from stimloop.app.level_plot import LevelPlot, level_of
from stimloop.app.spectrogram import Spectrogram
from stimloop.app.state_strip import StateStrip, state_name

if TYPE_CHECKING:
    import numpy.typing as npt

    from stimloop.app.memory import Memory
    from stimloop.app.theme import Theme

SIDE_PX = 104
"""Beside the plots, for numbers and colors."""
STATE_PX = 66


class Scope(QWidget):
    """A view of a memory.

    Parameters
    ----------
    theme : Theme
    memory : Memory
    spectra : bool
        Whether brain signals are also shown as a spectrogram.
    replayed : bool
        Time 0 is a place in a recorded session, not now.

    Attributes
    ----------
    rows : list of PlotItem
        From top to bottom.
    lanes : Lanes or None
    spectrogram : Spectrogram or None
    level : LevelPlot
    amplitude, state : PlotItem
    dose : PlotItem or None
        Charge of a pulse, where responses are sensed.
    time_cursor : Cursor
    """

    cursor_moved = Signal(str)
    """What stands at the cursor, in words."""

    def __init__(
        self, theme: Theme, memory: Memory, *, spectra: bool = True, replayed: bool = False
    ) -> None:
        super().__init__()
        self._theme = theme
        self._memory = memory
        self._replayed = replayed
        self.canvas = axes.canvas(theme)
        self.canvas.setAccessibleName(tr("Signal, biomarker and amplitude over time"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.canvas)
        self.rows: list[pg.PlotItem] = []
        self._values: dict[pg.PlotItem, pg.LabelItem] = {}
        self._told: dict[pg.PlotItem, str] = {}
        self._marks: list[tuple[pg.InfiniteLine, ...]] = []
        shown = memory.shown
        title = tr("ECG") if shown.kind == "heart" else tr("LFP")
        self.lanes = Lanes(theme, shown.channels, title) if shown.channels else None
        with_spectra = shown.kind == "lfp" and spectra
        self.spectrogram = Spectrogram(theme) if with_spectra else None
        self.level = LevelPlot(theme, shown)
        self.dose: pg.PlotItem | None = None
        self._add_signal()
        self._add(self.level.plot, 2)
        self._add_amplitude()
        self._add_state()
        self.time_cursor = axes.Cursor(theme, self.rows)
        self.time_cursor.moved.connect(self._tell_cursor)
        self.show_window()

    def _add_signal(self) -> None:
        shown = self._memory.shown
        if self.lanes is not None:
            self._add(self.lanes.plot, 4 if len(shown.channels) > 1 else 3)
        if self.spectrogram is not None:
            self.spectrogram.bar.setFixedWidth(SIDE_PX - 16)
            self._add(self.spectrogram.plot, 3, beside=self.spectrogram.bar)

    def _add_amplitude(self) -> None:
        shown, theme = self._memory.shown, self._theme
        if shown.kind == "evoked":
            self.dose = axes.plot(theme, left=tr("Charge of a pulse"), unit="nC", inside=True)
            self._charge = axes.curve(theme.traces[4])
            self.dose.addItem(self._charge, ignoreBounds=True)
            self.dose.setYRange(0, 1.1 * shown.most_ma * shown.pulse_width_us)
            self._add(self.dose, 2)
        self.amplitude = axes.plot(theme, left=tr("Amplitude"), unit="mA", inside=True)
        self._curves = {
            "wanted_ua": axes.curve(theme.color("muted"), Qt.PenStyle.DashLine),
            "admitted_ua": axes.curve(theme.traces[1], Qt.PenStyle.DotLine),
            "delivered_ua": axes.curve(theme.traces[2]),
        }
        for line in self._curves.values():
            self.amplitude.addItem(line, ignoreBounds=True)
        self.amplitude.setYRange(0, 1.1 * shown.most_ma)
        self._add(self.amplitude, 2)

    def _add_state(self) -> None:
        self.state = axes.plot(self._theme, left="", bottom="t")
        self.state.getAxis("left").setTicks([[(0.5, tr("State"))]])
        self.state.setYRange(0, 1)
        self.state.showGrid(x=False, y=False)
        self._strip = StateStrip(self._theme)
        self.state.addItem(self._strip, ignoreBounds=True)
        self._add(self.state, 1, fixed_px=STATE_PX)

    def _add(
        self,
        item: pg.PlotItem,
        stretch: int,
        *,
        fixed_px: int = 0,
        beside: pg.GraphicsWidget | None = None,
    ) -> None:
        row = len(self.rows)
        self.canvas.addItem(item, row, 0)
        if beside is None:
            beside = pg.LabelItem(justify="left", color=self._theme.text)
            beside.item.setFont(self._theme.font(axes.SMALL))
            beside.setFixedWidth(SIDE_PX)
            self._values[item] = beside
        self.canvas.addItem(beside, row, 1)
        self.rows.append(item)
        shown = self._memory.shown
        if len(shown.channels) > 1:
            item.getAxis("left").setWidth(axes.LANES_PX)
        grid = self.canvas.ci.layout
        if fixed_px:
            grid.setRowFixedHeight(row, fixed_px)
        else:
            grid.setRowStretchFactor(row, stretch)
            grid.setRowMinimumHeight(row, 48)

    # How it is looked at

    def look_at(self, memory: Memory) -> None:
        """Take another memory of the same stream, with the same marks."""
        self._memory = memory
        self.show_window()

    def show_window(self) -> None:
        """Take the edges of the window from the memory."""
        memory = self._memory
        for item in self.rows:
            item.setXRange(-memory.span_s - memory.back_s, -memory.back_s)
        words = tr("time before now (s)")
        if self._replayed:
            words = tr("time before this place (s)")
        elif memory.is_frozen:
            words = tr("time before the freeze (s)")
        self.state.getAxis("bottom").setLabel(words)

    def fit(self) -> None:
        """Choose all vertical ranges by what is on the screen, and keep them."""
        memory = self._memory
        if self.lanes is not None:
            self.lanes.fit(memory.samples.window(*memory.window))
        if self.spectrogram is not None:
            self.spectrogram.fit(memory)
        self.level.fit(memory.seen_steps()[1]["level"])

    # What is seen

    def draw(self) -> None:
        """Draw a frame."""
        memory = self._memory
        if memory.samples.end:
            if self.lanes is not None:
                self.lanes.draw(*memory.signal())
            if self.spectrogram is not None:
                self.spectrogram.draw(memory)
        x, rows = memory.seen_steps()
        if len(rows):
            self.level.draw(x, rows)
            for name, line in self._curves.items():
                axes.draw(line, *axes.stairs(x, rows[name] / 1000))
            if self.dose is not None:
                charge_nc = rows["delivered_ua"] * memory.shown.pulse_width_us / 1000
                axes.draw(self._charge, *axes.stairs(x, charge_nc))
            self._strip.draw(x, rows["state"], -memory.back_s)
            self._tell(rows[-1])
        self._draw_marks()

    def _draw_marks(self) -> None:
        """A line with its number through every plot."""
        for mark in self._memory.marks[len(self._marks) :]:
            lines: list[pg.InfiniteLine] = []
            for place, item in enumerate(self.rows):
                line = pg.InfiniteLine(
                    mark.t_us / 1e6,
                    angle=90,
                    pen=pg.mkPen(self._theme.color("accent"), style=Qt.PenStyle.DashDotLine),
                    label=None if place else str(len(self._marks) + 1),
                    labelOpts={"position": 0.9},
                )
                if not place:
                    line.label.setFont(self._theme.font(axes.SMALL, bold=True))
                    line.label.setColor(self._theme.color("text"))
                item.addItem(line, ignoreBounds=True)
                lines.append(line)
            self._marks.append(tuple(lines))
        low, high = self.state.viewRange()[0]
        for mark, drawn in zip(self._memory.marks, self._marks, strict=True):
            x = (mark.t_us - self._memory.now_us) / 1e6
            for line in drawn:
                line.setVisible(low <= x <= high)
                line.setValue(x)

    def _tell(self, row: npt.NDArray[np.void]) -> None:
        """The newest numbers beside the plots, and what the lines are."""
        delivered_ma = row["delivered_ua"] / 1000
        keys = (tr("— delivered"), tr("··· admitted"), tr("- - wanted"))
        told = {
            self.level.plot: (
                "–" if np.isnan(row["level"]) else f"{row['level']:.1f} {self.level.unit}",
                (tr("▲ detected"),),
            ),
            self.amplitude: (f"{delivered_ma:.2f} mA", keys),
        }
        if self.dose is not None:
            charge_nc = delivered_ma * self._memory.shown.pulse_width_us
            told[self.dose] = (f"{charge_nc:.0f} nC", (tr("of a pulse"),))
        px = round(17 * self._theme.scale)
        for item, (number, lines) in told.items():
            words = "<br>".join((f'<b style="font-size: {px}px">{number}</b>', *lines))
            if self._told.get(item) != words:
                self._told[item] = words
                self._values[item].setText(words)

    def _tell_cursor(self, x: float) -> None:
        memory = self._memory
        at_us = memory.now_us + round(x * 1e6)
        rows = memory.steps.window(at_us, at_us)
        words = f"{x:.2f} s"
        if len(rows):
            row = rows[0]
            name, unit = level_of(memory.shown)
            words += (
                f"  ·  {name} {row['level']:.2f} {unit}"
                f"  ·  {tr('wanted')} {row['wanted_ua'] / 1000:.2f}"
                f"  {tr('admitted')} {row['admitted_ua'] / 1000:.2f}"
                f"  {tr('delivered')} {row['delivered_ua'] / 1000:.2f} mA"
                f"  ·  {state_name(int(row['state']))}"
            )
        self.cursor_moved.emit(words)
