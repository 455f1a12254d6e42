"""One side of the body: its lead, and whether it is the one that the device is connected to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QFrame, QVBoxLayout

from stimloop.app.buttons import tab
from stimloop.app.geometry import pictures
from stimloop.app.language import tr
from stimloop.app.lead_view import LeadView

if TYPE_CHECKING:
    from stimloop.app.editor import Editor
    from stimloop.app.geometry import Picture
    from stimloop.app.theme import Theme
    from stimloop_hw.messages import Limits


class LeadPanel(QFrame):
    """A lead under the name of its side.

    Parameters
    ----------
    side : str
    limits : Limits
    theme : Theme

    Attributes
    ----------
    chosen : Signal(str)
        The operator wants to edit this side.
    cycled, shared : Signal
        As those of `LeadView`.
    """

    chosen = Signal(str)
    cycled = Signal(str)
    shared = Signal(str, int)

    def __init__(self, side: str, limits: Limits, theme: Theme) -> None:
        super().__init__()
        self.setProperty("panel", True)
        self._side, self._limits, self._theme = side, limits, theme
        self.title = tab()
        self.title.clicked.connect(lambda: self.chosen.emit(side))
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(8, 8, 8, 8)
        self._column.addWidget(self.title)
        fitting = pictures(limits)
        self.view = LeadView(fitting[0], limits, theme)
        self._take_view()
        if len(fitting) > 1:
            box = QComboBox()
            box.setAccessibleName(tr("Picture of the lead"))
            for picture in fitting:
                box.addItem(tr(picture.value), picture)
            box.activated.connect(lambda _: self._draw(box.currentData()))
            self._column.addWidget(box)

    def _draw(self, picture: Picture) -> None:
        self._column.removeWidget(self.view)
        self.view.deleteLater()
        self.view = LeadView(picture, self._limits, self._theme)
        self._take_view()
        self.chosen.emit(self._side)

    def _take_view(self) -> None:
        self.view.cycled.connect(self.cycled)
        self.view.shared.connect(self.shared)
        self._column.insertWidget(1, self.view, 1)

    def wear(self, theme: Theme) -> None:
        """Take the colors of another theme."""
        self._theme = theme
        self.view.wear(theme)

    def show_editor(self, editor: Editor, side: str, *, fixed: bool) -> None:
        """Show this side's contacts, and whether they are what the device has.

        Parameters
        ----------
        editor : Editor
        side : str
            This one.
        fixed : bool
            Nothing may be changed now.
        """
        chosen = side == editor.side
        where = tr("this device") if side == editor.device_side else tr("no device")
        self.title.setText(f"{tr(side).capitalize()} · {where}")
        self.title.setChecked(chosen)
        self.view.setEnabled(chosen and not fixed)
        self.view.show_draft(editor.draft_of(side), editor.program if chosen else 0)
        edited = chosen and editor.edited
        if bool(self.property("edited")) != edited:
            self.setProperty("edited", edited)
            self.style().unpolish(self)
            self.style().polish(self)
