"""The lead as it is drawn: its contacts, the case, and the split of each pole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from stimloop.app.buttons import square
from stimloop.app.contact import CASE, Contact
from stimloop.app.geometry import Picture, patches
from stimloop.app.label import label
from stimloop.app.language import tr
from stimloop.app.theme import TARGET_PX

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent, QResizeEvent

    from stimloop.app.draft import Draft
    from stimloop.app.geometry import Patch
    from stimloop.app.theme import Theme
    from stimloop_hw.messages import Limits

_CASE_PX, _CASE_HIGH_PX = 52, 80
_LEAD_PX, _LEAD_LEAST_PX = 190, 3 * TARGET_PX
_GAP_PX = 8


class Drawing(QWidget):
    """The picture itself: contacts as buttons where they lie on the lead.

    Parameters
    ----------
    picture : Picture
    limits : Limits
    theme : Theme

    Attributes
    ----------
    contacts : dict of str to Contact
    """

    def __init__(self, picture: Picture, limits: Limits, theme: Theme) -> None:
        super().__init__()
        self._picture = picture
        self.theme = theme
        self._patches: dict[str, Patch] = {
            str(patch.contact): patch for patch in patches(picture, limits)
        }
        self.contacts = {
            name: Contact(name, patch.place, theme, self)
            for name, patch in self._patches.items()
        }
        if limits.case_pole:
            self.contacts[CASE] = Contact(CASE, "", theme, self)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        least = _LEAD_LEAST_PX + _GAP_PX + _CASE_PX
        self.setMinimumSize(least, 4 * TARGET_PX)

    def _lead(self) -> QRectF:
        """Where the lead lies."""
        whole = QRectF(self.rect())
        has_case = CASE in self.contacts
        if self._picture is Picture.PERCUTANEOUS:
            return whole.adjusted(0, 0, 0, -(_CASE_HIGH_PX + _GAP_PX) if has_case else 0)
        room = whole.adjusted(0, 0, -(_CASE_PX + _GAP_PX) if has_case else 0, 0)
        width = min(room.width(), _LEAD_PX)
        return QRectF(room.center().x() - width / 2, room.y(), width, room.height())

    def resizeEvent(self, _event: QResizeEvent) -> None:  # noqa: N802  Qt's name
        """Put every contact where it lies."""
        lead = self._lead()
        for name, patch in self._patches.items():
            self.contacts[name].setGeometry(
                QRectF(
                    lead.x() + patch.x * lead.width(),
                    lead.y() + patch.y * lead.height(),
                    patch.width * lead.width(),
                    patch.height * lead.height(),
                ).toRect()
            )
        if CASE in self.contacts:
            left, top = self.width() - _CASE_PX, self.height() - _CASE_HIGH_PX
            self.contacts[CASE].setGeometry(left, top, _CASE_PX, _CASE_HIGH_PX)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802  Qt's name
        """The body of the lead behind its contacts."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.theme.color("line", 0.45))
        lead = self._lead()
        match self._picture:
            case Picture.BRAIN:
                inset = lead.width() * 0.08
                painter.drawRoundedRect(lead.adjusted(inset, 0, -inset, 0), 24, 24)
            case Picture.PERCUTANEOUS:
                third = lead.height() * 0.36
                painter.drawRoundedRect(lead.adjusted(0, third, 0, -third), 16, 16)
            case Picture.PADDLE:
                painter.drawRoundedRect(lead, 28, 28)
            case Picture.CUFF:
                inset = lead.width() * 0.34
                painter.drawRect(lead.adjusted(inset, 0, -inset, 0))


class LeadView(QWidget):
    """A lead with the controls of its split.

    Attributes
    ----------
    cycled : Signal(str)
        The operator turns a contact on to its next pole.
    shared : Signal(str, int)
        The operator gives a contact so many percent.
    """

    cycled = Signal(str)
    shared = Signal(str, int)

    def __init__(self, picture: Picture, limits: Limits, theme: Theme) -> None:
        super().__init__()
        self._step = limits.share_step_percent
        self._chosen = ""
        self.drawing = Drawing(picture, limits, theme)
        for contact in self.drawing.contacts.values():
            contact.clicked.connect(lambda _=False, name=contact.name: self.cycled.emit(name))
            contact.chosen.connect(self._choose)
            contact.share_changed.connect(self._change_share)
        self._split = label(tr("No split"), role="small", tone="muted")
        self._split.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.less = square("−", tr("Smaller share of the contact"))  # noqa: RUF001
        self.more = square("+", tr("Larger share of the contact"))
        self.less.clicked.connect(lambda: self._change_share(self._chosen, -1))
        self.more.clicked.connect(lambda: self._change_share(self._chosen, 1))
        row = QHBoxLayout()
        row.addWidget(self.less)
        row.addWidget(self._split, 1)
        row.addWidget(self.more)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.drawing, 1)
        column.addLayout(row)
        self._say_split()

    def wear(self, theme: Theme) -> None:
        """Take the colors of another theme."""
        self.drawing.theme = theme
        for contact in self.drawing.contacts.values():
            contact.theme = theme
        self.drawing.update()

    def show_draft(self, draft: Draft, program: int) -> None:
        """Show the contacts of a program."""
        shares = draft.programs[program].get("shares_percent", {})
        for name, contact in self.drawing.contacts.items():
            contact.show_pole(draft.pole(name, program), shares.get(name, 0))
        self._say_split()

    def _choose(self, name: str) -> None:
        self._chosen = name
        self._say_split()

    def _change_share(self, name: str, steps: int) -> None:
        contact = self.drawing.contacts.get(name)
        if contact is not None and 0 < contact.percent < 100:
            # Five percent at a time where the device is finer: steering by less is not felt.
            self.shared.emit(name, contact.percent + steps * max(self._step, 5))

    def _say_split(self) -> None:
        contact = self.drawing.contacts.get(self._chosen)
        shared = contact is not None and 0 < contact.percent < 100
        if contact is not None and shared:
            text = tr("{name}: {percent} %", name=contact.name, percent=contact.percent)
        elif self._step in (0, 100):
            text = tr("tied together")
        else:
            text = tr("split: choose one of several")
        self._split.setText(text)
        for button in (self.less, self.more):
            button.setVisible(shared)
