"""A session's report as PDF: the numbers, drawings and words of the HTML page, on A4."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QMarginsF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPageLayout, QPageSize, QPainter, QPdfWriter, QPen
from PySide6.QtSvg import QSvgRenderer

from stimloop import drawing, figures
from stimloop.app.language import tr
from stimloop.app.theme import FAMILY
from stimloop.errors import RecordError
from stimloop.report import UNTOLD, calibration, rows_of, words_of
from stimloop.summary import summarize
from stimloop_hw.vocabulary import Build

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from stimloop.record import Record

DPI = 300
MARGIN_MM = 15.0
DRAWINGS = (
    (figures.excerpt, "Half a minute from the middle of therapy"),
    (figures.overview, "The whole session, from minimum to maximum of each moment"),
    (figures.latency, "Where a tick's time went"),
)
EVENTS = 60
"""As many as the HTML page shows."""


class _Sheet:
    """Pages of paper, written from top to bottom."""

    def __init__(self, path: Path, title: str, footer: str) -> None:
        self._writer = QPdfWriter(str(path))
        self._writer.setResolution(DPI)
        self._writer.setTitle(title)
        self._writer.setCreator("stimloop")
        self._writer.setPageLayout(
            QPageLayout(
                QPageSize(QPageSize.PageSizeId.A4),
                QPageLayout.Orientation.Portrait,
                QMarginsF(*(MARGIN_MM,) * 4),
                QPageLayout.Unit.Millimeter,
            )
        )
        self._footer = footer
        self._page = 1
        self.painter = QPainter()
        if not self.painter.begin(self._writer):
            raise RecordError(f"the report {path} cannot be written; choose another place")
        self.width = self.painter.viewport().width()
        self._height = self.painter.viewport().height() - self.mm(8)
        self.y = 0.0
        self._foot()

    def mm(self, length: float) -> float:
        """Millimetres in the painter's units."""
        return length * DPI / 25.4

    def room(self, height: float) -> None:
        """Begin another page, if so much does not fit on this one."""
        if self.y + height > self._height:
            self._writer.newPage()
            self._page += 1
            self.y = 0.0
            self._foot()

    def _foot(self) -> None:
        self.painter.setFont(_font(8))
        self.painter.setPen(QColor("#5b6675"))
        place = QRectF(0, self._height + self.mm(2), self.width, self.mm(6))
        self.painter.drawText(place, Qt.AlignmentFlag.AlignLeft, self._footer)
        self.painter.drawText(place, Qt.AlignmentFlag.AlignRight, str(self._page))

    def write(
        self, words: str, points: float = 9.5, *, bold: bool = False, color: str = "#1d2430"
    ) -> None:
        """A paragraph over the whole width."""
        font = _font(points, bold=bold)
        flags = Qt.TextFlag.TextWordWrap.value
        self.painter.setFont(font)
        box = self.painter.boundingRect(QRectF(0, 0, self.width, 1e6), flags, words)
        self.room(box.height())
        self.painter.setFont(font)
        self.painter.setPen(QColor(color))
        self.painter.drawText(QRectF(0, self.y, self.width, box.height()), flags, words)
        self.y += box.height() + self.mm(points / 8)

    def head(self, words: str) -> None:
        """A heading, never alone at the end of a page."""
        self.y += self.mm(4)
        self.room(self.mm(24))
        self.write(words, 12, bold=True)

    def row(self, cells: Iterable[tuple[float, str, bool]]) -> None:
        """A line of a table: place, as a part of the width, words, and whether to its right."""
        height = self.mm(5)
        self.room(height)
        self.painter.setFont(_font(9))
        self.painter.setPen(QColor("#1d2430"))
        for place, words, right in cells:
            x = place * self.width
            side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
            box = QRectF(x - self.width if right else x, self.y, self.width, height)
            self.painter.drawText(box, side | Qt.AlignmentFlag.AlignVCenter, words)
        self.painter.setPen(QPen(QColor("#d5dae1"), self.mm(0.1)))
        bottom = round(self.y + height)
        self.painter.drawLine(0, bottom, self.width, bottom)
        self.y += height

    def draw(self, svg: str, words: str) -> None:
        """A drawing over the whole width, with its caption."""
        # What has neither fill nor stroke is nothing, but Qt draws a line around it.
        plain = re.sub(r'<path[^>]*style="fill: none"/>', "", drawing.on_paper(svg))
        renderer = QSvgRenderer(QByteArray(plain.encode()))
        size = renderer.defaultSize()
        height = self.width * size.height() / size.width()
        self.room(height + self.mm(8))
        place = QRectF(0, self.y, self.width, height)
        self.painter.save()
        self.painter.setClipRect(place)
        renderer.render(self.painter, place)
        self.painter.restore()
        self.y += height
        self.write(words, 8.5, color="#5b6675")

    def end(self) -> None:
        """Finish the file."""
        self.painter.end()


def _font(points: float, *, bold: bool = False) -> QFont:
    font = QFont(FAMILY)
    font.setPointSizeF(points)
    font.setBold(bold)
    return font


def write_pdf(path: Path, record: Record, *, title: str) -> None:
    """Write the report of one session.

    Parameters
    ----------
    path : Path
        An existing file is replaced.
    record : Record
    title : str

    Raises
    ------
    RecordError
        If it cannot be written, or the record cannot be read.
    PrescriptionError
        If the record's prescription is none that this stimloop reads.
    """
    summary = summarize(record)
    simulated = bool(record.session["identity"]["build"] & Build.SIMULATED)
    warning = tr("RESEARCH AND BENCH USE ONLY, NOT FOR CLINICAL USE")
    if simulated:
        warning = f"{tr('SIMULATED DEVICE')}  ·  {warning}"
    sheet = _Sheet(path, title, f"stimloop  ·  {warning}")
    try:
        sheet.write(warning, 9, bold=True, color="#7a4a00")
        sheet.write(title, 18, bold=True)
        sheet.write(
            f"{record.session['url']}  ·  {summary.authentication}  ·  stimloop "
            f"{record.session['versions']['stimloop']}",
            8.5,
            color="#5b6675",
        )
        for label, unit, words in rows_of(summary):
            if words != UNTOLD:
                sheet.row(((0.0, label, False), (0.78, words, True), (0.8, unit, False)))
        sheet.y += sheet.mm(4)
        sheet.write(calibration(record))
        for torn in record.torn:
            sheet.write(tr("The stream {name} was cut off.", name=torn), color="#7a4a00")
        for drawn, words in DRAWINGS:
            sheet.draw(drawn(record), tr(words))
        sheet.head(tr("Events"))
        events = list(record.events())
        for event in events[:EVENTS]:
            cells = ((0.0, f"{event.t_us / 1e6:.3f} s", False), (0.16, event.kind, False))
            sheet.row((*cells, (0.3, words_of(event), False)))
        if len(events) > EVENTS:
            sheet.write(tr("and {n} more", n=len(events) - EVENTS))
        sheet.head(tr("Prescription"))
        for line in record.session["prescription"].splitlines():
            sheet.write(line or " ", 8)
    finally:
        sheet.end()
