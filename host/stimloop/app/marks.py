"""Marks: a moment that the operator names, by one key or in words of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QLineEdit, QListWidget, QVBoxLayout, QWidget

from stimloop.app.label import label, say
from stimloop.app.language import tr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stimloop.app.memory import Mark

QUICK = (
    ("F5", "tremor"),
    ("F6", "dyskinesia"),
    ("F7", "paraesthesia"),
    ("F8", "movement"),
    ("F9", "medication taken"),
)
"""Keys and words, for what is marked often."""
FREE = "Ctrl+M"
LONGEST = 200


class MarkList(QWidget):
    """The session's marks, and the field in which one is written.

    Attributes
    ----------
    field : QLineEdit
    actions : list of QAction
        One for each key.
    """

    asked = Signal(str, bool)
    """Words of a new mark; whether its moment was caught when `FREE` was pressed."""
    caught = Signal()
    """`FREE` was pressed: this is the moment, the words follow."""

    def __init__(self) -> None:
        super().__init__()
        self._list = QListWidget()
        self._list.setAccessibleName(tr("Marks"))
        self._shown: list[Mark] = []
        self.field = QLineEdit(placeholderText=tr("words, then Enter"), maxLength=LONGEST)
        self.field.setAccessibleName(tr("Words of a mark"))
        self.field.returnPressed.connect(self._written)
        self._hint = label(role="small", tone="muted", wrap=True)
        self._moment_is_caught = False
        keys = "   ".join(f"{key} {tr(words)}" for key, words in QUICK)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addWidget(self._list, 1)
        layout.addWidget(self.field)
        layout.addWidget(self._hint)
        layout.addWidget(label(keys, role="small", tone="muted", wrap=True))
        self.actions_ = [self._action(tr("Mark this moment, in words"), FREE)]
        self.actions_[0].triggered.connect(self._catch)
        for key, words in QUICK:
            quick = self._action(tr("Mark: {words}", words=tr(words)), key)
            quick.triggered.connect(lambda _, words=words: self.asked.emit(words, False))
            self.actions_.append(quick)
        say(self._hint, tr("{key} catches the moment", key=FREE))

    def _action(self, text: str, key: str) -> QAction:
        made = QAction(text, self)
        made.setShortcut(QKeySequence(key))
        return made

    def _catch(self) -> None:
        self._moment_is_caught = True
        self.caught.emit()
        say(self._hint, tr("the moment is caught; write, then Enter"), "warning")
        self.field.setFocus()

    def _written(self) -> None:
        words = self.field.text().strip()
        if words:
            self.asked.emit(words, self._moment_is_caught)
        self._moment_is_caught = False
        self.field.clear()
        self.field.clearFocus()
        say(self._hint, tr("{key} catches the moment", key=FREE), "muted")

    def show_marks(self, marks: Sequence[Mark]) -> None:
        """Add what is new."""
        if marks[: len(self._shown)] != self._shown:
            self._list.clear()
            self._shown = []
        for mark in marks[len(self._shown) :]:
            self._shown.append(mark)
            self._list.addItem(f"{len(self._shown)}   {mark.t_us / 1e6:.1f} s   {mark.text}")
            self._list.scrollToBottom()
