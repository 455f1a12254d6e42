"""The survey of a montage on the screen: spectra, peaks, and the band by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from stimloop.app import axes
from stimloop.app.label import label, say
from stimloop.app.language import tr
from stimloop_dsp.peak import FIT_HZ

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stimloop.app.theme import Theme
    from stimloop.survey import Derivation

TABLE_PX = 352
BAND_STEP_HZ = 0.5
"""A band is dragged in steps of so much."""


def cell(words: str, *, right: bool = False) -> QTableWidgetItem:
    """A cell of a table that nobody edits."""
    item = QTableWidgetItem(words)
    item.setFlags(Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled)
    if right:
        item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return item


def table(heads: Sequence[str], name: str) -> QTableWidget:
    """A table of rows that are chosen whole."""
    made = QTableWidget(0, len(heads))
    made.setHorizontalHeaderLabels(list(heads))
    made.setAccessibleName(name)
    made.verticalHeader().hide()
    made.verticalHeader().setDefaultSectionSize(44)
    made.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    made.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    made.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    made.horizontalHeader().setStretchLastSection(True)
    return made


class SurveyView(QWidget):
    """Every channel and pair: its spectrum, its line, its peak.

    Attributes
    ----------
    chosen : Derivation or None
    band_hz : tuple of float
        As it was dragged, Hz.
    """

    band_moved = Signal(tuple)
    """Lower and upper edge, Hz, by a hand or by the choice of a derivation."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._derivations: tuple[Derivation, ...] = ()
        self.chosen: Derivation | None = None
        heads = (tr("pair"), tr("peak (Hz)"), tr("above (dB)"), tr("sure (%)"))
        self.table = table(heads, tr("Derivations, the clearest peak first"))
        self.table.setFixedWidth(TABLE_PX)
        self.table.currentCellChanged.connect(lambda row, *_: self.choose(row))
        canvas = axes.canvas(theme)
        self._plot = axes.plot(
            theme,
            left=tr("Power (dB re 1 µV²/Hz)"),
            bottom=tr("Frequency"),
            bottom_unit="Hz",
        )
        self._plot.getAxis("left").setWidth(60)
        self._plot.setXRange(*FIT_HZ)
        canvas.addItem(self._plot)
        self._others: list[pg.PlotCurveItem] = []
        self._power = axes.curve(theme.traces[0])
        self._power.setPen(pg.mkPen(theme.traces[0], width=2))
        self._line = axes.curve(theme.color("muted"), Qt.PenStyle.DashLine)
        self._peak = pg.ScatterPlotItem(symbol="t", size=12, brush=theme.color("warning"))
        self._said = axes.text(theme, bold=True)
        self._region = pg.LinearRegionItem(
            brush=theme.color("accent", 0.18), hoverBrush=theme.color("accent", 0.28)
        )
        for edge in self._region.lines:
            edge.setPen(pg.mkPen(theme.color("accent"), width=2))
            edge.setHoverPen(pg.mkPen(theme.color("accent"), width=5))
        self._region.setBounds(FIT_HZ)
        self._region.setZValue(-5)
        self._region.sigRegionChangeFinished.connect(self._dragged)
        for item in (self._region, self._line, self._power, self._peak, self._said):
            self._plot.addItem(item, ignoreBounds=True)
        self._region.hide()
        self._told = label(wrap=True)
        row = QHBoxLayout()
        row.addWidget(self.table)
        row.addWidget(canvas, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row, 1)
        layout.addWidget(self._told)
        say(self._told, tr("Sense for a while first; then every channel and pair is here."))

    @property
    def band_hz(self) -> tuple[float, float]:
        """The band, Hz."""
        low, high = self._region.getRegion()
        return float(low), float(high)

    def show_survey(self, derivations: tuple[Derivation, ...]) -> None:
        """Show what was found, and choose the first."""
        self._derivations = derivations
        for line in self._others:
            self._plot.removeItem(line)
        self._others = []
        for derivation in derivations:
            line = axes.curve(self._theme.color("muted", 0.35))
            line.setZValue(-1)
            self._plot.addItem(line, ignoreBounds=True)
            axes.draw(line, derivation.spectrum.hz, derivation.spectrum.power_db)
            self._others.append(line)
        levels = np.concatenate([d.spectrum.power_db for d in derivations])
        low, high = float(levels.min()), float(levels.max())
        self._plot.setYRange(low - 3, high + 8)
        self.table.setRowCount(len(derivations))
        for row, derivation in enumerate(derivations):
            peak = derivation.spectrum.peak
            words = (
                ("–", "–", "–")
                if peak is None
                else (
                    f"{peak.frequency_hz:.1f}",
                    f"{peak.height_db:.1f}",
                    f"{100 * peak.confidence:.0f}",
                )
            )
            self.table.setItem(row, 0, cell(derivation.name))
            for column, word in enumerate(words, 1):
                self.table.setItem(row, column, cell(word, right=True))
        self.table.setCurrentCell(0, 0)
        self.choose(0)

    def choose(self, row: int) -> None:
        """Look at one of them; its band becomes the band, if it has a peak."""
        if not 0 <= row < len(self._derivations):
            return
        self.chosen = chosen = self._derivations[row]
        spectrum, peak = chosen.spectrum, chosen.spectrum.peak
        axes.draw(self._power, spectrum.hz, spectrum.power_db)
        axes.draw(self._line, spectrum.hz, spectrum.aperiodic_db)
        self._peak.setVisible(peak is not None)
        self._said.setVisible(peak is not None)
        if peak is None:
            say(
                self._told,
                tr(
                    "{name} has no clear peak; another pair may, or drag a band.",
                    name=chosen.name,
                ),
                "warning",
            )
        else:
            nearest = int(np.argmin(np.abs(spectrum.hz - peak.frequency_hz)))
            self._peak.setData([peak.frequency_hz], [spectrum.power_db[nearest] + 2])
            self._said.setText(f"{peak.frequency_hz:.1f} Hz, +{peak.height_db:.1f} dB")
            self._said.setPos(peak.frequency_hz + 0.6, spectrum.power_db[nearest] + 7)
            low_hz, high_hz = peak.interval_hz
            say(
                self._told,
                tr(
                    "{name}: peak at {hz:.1f} Hz (95 % {low:.1f} to {high:.1f} Hz), "
                    "{db:.1f} dB over the dashed 1/f line; in {share:.0f} % of resamples.",
                    name=chosen.name,
                    hz=peak.frequency_hz,
                    low=low_hz,
                    high=high_hz,
                    db=peak.height_db,
                    share=100 * peak.confidence,
                ),
                "",
            )
        self._region.setRegion(chosen.band_hz or self.band_hz)
        if not self._region.isVisible():
            self._region.show()
            if chosen.band_hz is None:
                self._region.setRegion((13.0, 35.0))
        self.band_moved.emit(self.band_hz)

    def _dragged(self) -> None:
        low, high = (round(edge / BAND_STEP_HZ) * BAND_STEP_HZ for edge in self.band_hz)
        high = max(high, low + BAND_STEP_HZ)
        if (low, high) != self.band_hz:
            self._region.setRegion((low, high))  # comes back here, on the grid
            return
        self.band_moved.emit((low, high))
