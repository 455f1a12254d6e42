"""The Impedance page: every pair of contacts, with what is open and what is short."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QBrush, QColor
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QVBoxLayout,
)

from stimloop.app.label import label, say
from stimloop.app.language import tr
from stimloop.app.page import PageWidget
from stimloop.app.survey_view import cell
from stimloop.station.requests import Phase, Survey, Surveyed

if TYPE_CHECKING:
    from stimloop.app.theme import Theme
    from stimloop.station import Reply, Snapshot, Station

ROW_PX = 44


class Impedance(PageWidget):
    """The lead as the device measured it.

    Attributes
    ----------
    go : QPushButton
    matrix : QTableWidget
        Row and column for each contact, Ω.
    """

    def __init__(self, station: Station, theme: Theme) -> None:
        super().__init__(station, theme)
        self._measured: dict[str, Any] = {}
        self._busy = False
        self.go = QPushButton(tr("Measure every pair"))
        self.go.setProperty("role", "primary")
        self.go.clicked.connect(self.measure)
        self._when = label(tone="muted")
        self._verdict = label(role="heading", wrap=True)
        self.matrix = QTableWidget()
        self.matrix.setAccessibleName(tr("Impedance of every pair of contacts, Ω"))
        self.matrix.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.matrix.verticalHeader().setDefaultSectionSize(ROW_PX)
        self.matrix.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.matrix.verticalHeader().setMinimumWidth(72)
        self.matrix.verticalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignCenter)
        self.matrix.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        panel = QFrame()
        panel.setProperty("panel", True)
        top = QHBoxLayout()
        top.addWidget(label(tr("Impedance of the lead"), role="title"), 1)
        top.addWidget(self._when)
        top.addWidget(self.go)
        note = label(
            tr(
                "Ω between two contacts, measured by the device with small balanced pulses of "
                "its own. Only while nothing stimulates and nothing is armed."
            ),
            role="small",
            tone="muted",
            wrap=True,
        )
        column = QVBoxLayout(panel)
        column.setContentsMargins(20, 16, 20, 16)
        column.setSpacing(10)
        column.addLayout(top)
        column.addWidget(note)
        column.addWidget(self._verdict)
        column.addWidget(self.matrix, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 20, 20, 20)
        layout.addWidget(panel)
        say(self._verdict, tr("Not measured yet in this window."), "muted")

    def refresh(self, snapshot: Snapshot) -> None:
        """Allow to measure where the station may."""
        self.go.setEnabled(snapshot.phase == Phase.WATCHING and not self._busy)

    def measure(self) -> None:
        """Ask the device to measure."""
        self._busy = True
        self.go.setEnabled(False)
        say(self._verdict, tr("measuring …"), "muted")
        self.ask(Survey(), self._answered)

    def _answered(self, reply: Reply) -> None:
        self._busy = False
        if isinstance(reply, Surveyed):
            self.show_matrix(reply.matrix)
            say(
                self._when,
                tr("measured {when}", when=datetime.now().astimezone().strftime("%H:%M:%S")),
            )
        else:
            say(self._verdict, tr("It was not measured."), "warning")

    def show_matrix(self, measured: dict[str, Any]) -> None:
        """Show a matrix, a `stimloop.impedance.measure_impedance` dict."""
        self._measured = measured
        names: list[str] = measured["contacts"]
        self.matrix.setRowCount(len(names))
        self.matrix.setColumnCount(len(names))
        self.matrix.setHorizontalHeaderLabels(names)
        self.matrix.setVerticalHeaderLabels(names)
        faults = []
        for row in range(len(names)):
            blank = cell("–")
            blank.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
            self.matrix.setItem(row, row, blank)
        for pair in measured["pairs"]:
            row, column = names.index(pair["first"]), names.index(pair["second"])
            words, role = (
                f"{pair['resistance_ohm']:,}".replace(",", "\N{NARROW NO-BREAK SPACE}"),
                "",
            )
            if pair["open"]:
                words, role = tr("OPEN"), "alarm"
            elif pair["short"]:
                words, role = tr("SHORT {ohm}", ohm=words), "warning"
            if role:
                faults.append(f"{pair['first']}–{pair['second']} {words}")
            for at in ((row, column), (column, row)):
                item = cell(words)
                item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
                item.setToolTip(tr("{nf} nF in series", nf=f"{pair['capacitance_nf']:g}"))
                if role:
                    font = item.font()
                    font.setBold(True)
                    item.setFont(font)
                    item.setForeground(QBrush(QColor(getattr(self.theme, role))))
                self.matrix.setItem(*at, item)
        if faults:
            say(self._verdict, tr("Found: {faults}", faults=", ".join(faults)), "alarm")
        else:
            say(self._verdict, tr("No contact is open, no pair is short."), "good")

    def wear(self, theme: Theme) -> None:
        """Take the colors of another theme."""
        super().wear(theme)
        if self._measured:
            self.show_matrix(self._measured)
