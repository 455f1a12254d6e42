"""The sheet of shortcuts, made from the menus themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QGridLayout, QWidget

from stimloop.app.label import label
from stimloop.app.language import tr
from stimloop.app.sheet import Sheet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PySide6.QtWidgets import QMenu

    from stimloop.app.theme import Theme

COLUMNS = 2


class ShortcutSheet(Sheet):
    """Every action that has a key.

    Parameters
    ----------
    parent : QWidget
    theme : Theme
    menus : mapping of str to QMenu
    """

    def __init__(self, parent: QWidget, theme: Theme, menus: Mapping[str, QMenu]) -> None:
        super().__init__(parent, tr("Keyboard shortcuts"), theme)
        rows = [(tr("Esc, F12"), tr("Stop stimulation at once, whatever is open"))]
        rows += [
            (
                ", ".join(
                    keys.toString(QKeySequence.SequenceFormat.NativeText)
                    for keys in action.shortcuts()
                ),
                action.text(),
            )
            for menu in menus.values()
            for action in menu.actions()
            if action.shortcuts()
        ]
        rows += [
            (tr("Tab, Shift+Tab"), tr("Next or previous field")),
            (tr("Space"), tr("Press the button, or change the contact, that has the focus")),
        ]
        grid = QGridLayout()
        grid.setHorizontalSpacing(24)
        grid.setVerticalSpacing(8)
        high = -(-len(rows) // COLUMNS)
        for number, (keys, text) in enumerate(rows):
            row, column = number % high, number // high * 2
            grid.addWidget(label(keys, role="heading"), row, column)
            grid.addWidget(label(text), row, column + 1)
        self.body.addLayout(grid)
        self._close = self.answer(tr("Close"))

    def present(self, focus: QWidget | None = None) -> None:
        """Show it, ready to be closed."""
        super().present(focus or self._close)
