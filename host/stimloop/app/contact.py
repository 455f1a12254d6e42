"""One contact of a lead: a button that shows its pole by sign, color and words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import QAbstractButton

from stimloop.app.language import tr
from stimloop.app.theme import TARGET_PX

if TYPE_CHECKING:
    from PySide6.QtGui import QFocusEvent, QKeyEvent, QPaintEvent
    from PySide6.QtWidgets import QWidget

    from stimloop.app.theme import Theme

SIGNS = {"cathodes": "−", "anodes": "+", "": ""}  # noqa: RUF001  the sign, not the hyphen
ROLES = {"cathodes": "cathode", "anodes": "anode", "": "raised"}
WORDS = {"cathodes": "cathode", "anodes": "anode", "": "off"}
CASE = "case"
_WIDE_PX = 110
"""From here on sign and number stand side by side."""


class Contact(QAbstractButton):
    """A click or the space key cycles it: off, cathode, anode, off.

    Parameters
    ----------
    name : str
        ``"0"`` to ``"14"`` or ``"case"``.
    place : str
        What it is called on the lead; may be empty.
    theme : Theme
    parent : QWidget

    Attributes
    ----------
    chosen : Signal(str)
        It has the focus now.
    share_changed : Signal(str, int)
        The keys + and - were pressed on it: by so many steps.
    """

    chosen = Signal(str)
    share_changed = Signal(str, int)

    def __init__(self, name: str, place: str, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.name = name
        self._place = place
        self.theme = theme
        self.pole = ""
        self.percent = 0
        self.setMinimumSize(TARGET_PX, TARGET_PX)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.show_pole("", 0)

    def show_pole(self, pole: str, percent: int) -> None:
        """Show what it is.

        Parameters
        ----------
        pole : {'cathodes', 'anodes', ''}
        percent : int
            Its share; 0 where it is not shared.
        """
        self.pole, self.percent = pole, percent
        what = tr("Case") if self.name == CASE else tr("Contact {name}", name=self.name)
        place = f", {self._place}" if self._place else ""
        share = f", {percent} %" if percent else ""
        self.setAccessibleName(f"{what}{place}: {tr(WORDS[pole])}{share}")
        self.setToolTip(self.accessibleName())
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802  Qt's name
        """The metal, its number, and its sign."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(2, 2, -2, -2)
        role = ROLES[self.pole]
        fill = self.theme.color(
            "surface" if role == "raised" and not self.isEnabled() else role
        )
        edge = "accent" if self.hasFocus() or self.underMouse() else "line"
        painter.setBrush(fill)
        painter.setPen(QPen(self.theme.color(edge), 3 if self.hasFocus() else 1.5))
        painter.drawRoundedRect(box, 8, 8)
        painter.setPen(self.theme.color("on_pole" if self.pole else "text"))
        name = tr("Case") if self.name == CASE else self.name
        number = f"{name} {self._place}".strip()
        if not self.pole:
            self._write(painter, box, Qt.AlignmentFlag.AlignCenter, number, 1.0)
            return
        told = f"{number}\n{self.percent} %" if self.percent else number
        flags = Qt.AlignmentFlag
        middle = box.width() / 2
        if box.width() > _WIDE_PX:
            sign, beside = box.adjusted(0, 0, -middle, 0), box.adjusted(middle, 0, -6, 0)
            above = below = flags.AlignCenter
        else:
            sign, beside = box, box.adjusted(0, 0, 0, -2)
            above, below = (
                flags.AlignHCenter | edge for edge in (flags.AlignTop, flags.AlignBottom)
            )
        painter.setFont(self.theme.font(1.7, bold=True))
        painter.drawText(sign, above, SIGNS[self.pole])
        self._write(painter, beside, below, told, 0.87)

    def _write(
        self, painter: QPainter, box: QRectF, flags: Qt.AlignmentFlag, text: str, size: float
    ) -> None:
        """Write as large as asked, or as there is room for."""
        font = self.theme.font(size)
        widest = max(QFontMetricsF(font).horizontalAdvance(line) for line in text.split("\n"))
        room = box.width() - 6
        if widest > room:
            font.setPixelSize(max(1, int(font.pixelSize() * room / widest)))
        painter.setFont(font)
        painter.drawText(box, flags, text)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802  Qt's name
        """Plus and minus change the share."""
        if event.text() in ("+", "-"):
            self.share_changed.emit(self.name, 1 if event.text() == "+" else -1)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802  Qt's name
        """Say that it is the one now."""
        super().focusInEvent(event)
        self.chosen.emit(self.name)
