"""The Audit page: who did what when, and whether the chain of rows holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
)

from stimloop.app.background import Background
from stimloop.app.label import label, say
from stimloop.app.language import tr
from stimloop.app.page import PageWidget
from stimloop.app.survey_view import cell, table
from stimloop.station import audit

if TYPE_CHECKING:
    from stimloop.app.theme import Theme
    from stimloop.station import Snapshot, Station
    from stimloop.station.audit import AuditRow
    from stimloop.station.requests import Description

SHOWN = 2000
"""Rows that are listed, the newest; the file has them all."""
HEADS = ("no.", "UTC", "device (s)", "who", "what", "with", "outcome")


class Audit(PageWidget):
    """The station's log, verified each time it is read.

    Attributes
    ----------
    rows : QTableWidget
        The newest on top.
    filter : QLineEdit
    """

    def __init__(self, station: Station, theme: Theme) -> None:
        super().__init__(station, theme)
        self._path = Path()
        self._found: list[AuditRow] = []
        self._reading = Background(self)
        self._reading.done.connect(self._read)
        self._reading.failed.connect(self._failed)
        self._verdict = label(role="heading", wrap=True)
        self._where = label(role="small", tone="muted", wrap=True)
        self.filter = QLineEdit(placeholderText=tr("only rows with these words"))
        self.filter.setAccessibleName(tr("Filter of the rows"))
        self.filter.textChanged.connect(self._show)
        again = QPushButton(tr("Read and verify"))
        again.clicked.connect(self.look)
        self.rows = table([tr(head) for head in HEADS], tr("Audit log, the newest row first"))
        header = self.rows.horizontalHeader()
        header.setSectionResizeMode(5, QHeaderView.ResizeMode.Interactive)
        header.resizeSection(5, 220)
        panel = QFrame()
        panel.setProperty("panel", True)
        top = QHBoxLayout()
        top.addWidget(label(tr("Audit log"), role="title"))
        top.addWidget(self.filter, 1)
        top.addWidget(again)
        column = QVBoxLayout(panel)
        column.setContentsMargins(20, 16, 20, 16)
        column.setSpacing(10)
        column.addLayout(top)
        column.addWidget(self._verdict)
        column.addWidget(self.rows, 1)
        column.addWidget(self._where)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 20, 20, 20)
        layout.addWidget(panel)

    def describe(self, description: Description) -> None:
        """Take where the log is."""
        if description.audit:
            self._path = Path(description.audit)
            say(self._where, str(self._path))
            self.look()

    def refresh(self, snapshot: Snapshot) -> None:
        """Say at once what the station found on opening it."""
        if snapshot.audit_broken:
            say(self._where, snapshot.audit_broken, "alarm")

    def showEvent(self, event: object) -> None:  # noqa: ARG002, N802  Qt's name
        """Read it anew whenever it comes to the front."""
        self.look()

    def look(self) -> None:
        """Read the log, and follow its chain."""
        path = self._path
        if path.is_file():
            self._reading.start(lambda: (audit.verify(path), list(audit.rows(path))[-SHOWN:]))

    def _read(self, told: tuple[int, list[AuditRow]]) -> None:
        number, self._found = told
        words = tr("{n} rows; each follows the one before it, none was changed.", n=number)
        say(self._verdict, words, "good")
        self._show()

    def _failed(self, sentence: str) -> None:
        say(self._verdict, sentence, "alarm")

    def _show(self) -> None:
        wanted = self.filter.text().lower()
        seen = []
        for row in reversed(self._found):
            words = (
                str(row.number),
                row.utc[:19].replace("T", " "),
                f"{row.device_us / 1e6:.1f}" if row.device_us else "–",
                row.who,
                row.what,
                row.detail,
                row.outcome,
            )
            if wanted in " ".join(words).lower():
                seen.append(words)
        self.rows.setRowCount(len(seen))
        for number, words in enumerate(seen):
            for column, word in enumerate(words):
                item = cell(word, right=column in (0, 2))
                item.setToolTip(word)
                self.rows.setItem(number, column, item)
