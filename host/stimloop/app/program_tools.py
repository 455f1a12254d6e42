"""The tools above the leads: groups, programs, and what can be done with a draft."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QWidget

from stimloop.app.buttons import square, tab
from stimloop.app.label import label
from stimloop.app.language import tr
from stimloop_hw.groups import PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from PySide6.QtWidgets import QPushButton

    from stimloop.app.editor import Editor


class ProgramTools(QWidget):
    """One row of buttons; every action of it is in a menu too.

    Attributes
    ----------
    group_chosen, program_chosen : Signal
        ``"A"`` to ``"D"``; 0 to 3.
    program_added, program_removed : Signal
    undo, redo, revert, copy, load, save, mine : QAction
    """

    group_chosen = Signal(str)
    program_chosen = Signal(int)
    program_added = Signal()
    program_removed = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.undo = self._action(tr("Undo"), "Ctrl+Z")
        self.redo = self._action(tr("Redo"), "Ctrl+Shift+Z")
        self.revert = self._action(tr("Revert"), "Ctrl+R")
        self.copy = self._action(tr("Copy to the other side"), "Ctrl+Shift+C")
        self.mine = self._action(tr("Device is on this side"), "")
        self.load = self._action(tr("Import …"), "Ctrl+I")
        self.save = self._action(tr("Export …"), "Ctrl+E")
        self.copy.setIconText(tr("Copy ↔"))
        self.revert.setToolTip(tr("Back to what the device has"))
        self._groups: dict[str, QPushButton] = {}
        self._group_row = QHBoxLayout()
        self._group_row.setSpacing(4)
        self._programs = [self._tab(number) for number in range(PROGRAMS)]
        self._program = 0
        self._room = 1
        self.add = square("+", tr("Add a program to the group"))
        self.add.clicked.connect(lambda _checked: self.program_added.emit())
        self.remove = square("−", tr("Remove the program from the group"))  # noqa: RUF001
        self.remove.clicked.connect(lambda: self.program_removed.emit(self._program))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(label(tr("Group"), tone="muted"))
        row.addLayout(self._group_row)
        row.addSpacing(10)
        for button in (*self._programs, self.add, self.remove):
            row.addWidget(button)
        row.addStretch()
        for action in (self.undo, self.redo, self.revert, self.copy):
            row.addWidget(_tool(action))
        row.addSpacing(6)
        for action in (self.load, self.save):
            row.addWidget(_tool(action))

    def _action(self, text: str, keys: str) -> QAction:
        action = QAction(text, self)
        action.setShortcut(QKeySequence(keys))
        action.setEnabled(False)  # until there is something to edit
        return action

    def _tab(self, number: int) -> QPushButton:
        button = tab()
        button.clicked.connect(lambda: self.program_chosen.emit(number))
        return button

    def commands(self) -> Iterable[tuple[str, QAction]]:
        """Actions for the menus."""
        return (
            ("File", self.load),
            ("File", self.save),
            ("Edit", self.undo),
            ("Edit", self.redo),
            ("Edit", self.revert),
            ("Edit", self.copy),
            ("Edit", self.mine),
        )

    def show_room(self, groups: tuple[str, ...], programs: int, *, sided: bool) -> None:
        """Offer what the device has room for, and the other side where there is one."""
        self._room = programs
        for button in self._groups.values():
            button.deleteLater()
        self._groups = {}
        for name in groups:
            button = tab(name)
            button.setAccessibleName(tr("Group {name}", name=name))
            button.clicked.connect(lambda _=False, name=name: self.group_chosen.emit(name))
            self._groups[name] = button
            self._group_row.addWidget(button)
        for action in (self.copy, self.mine):
            action.setVisible(sided)

    def show_editor(self, editor: Editor, *, fixed: bool) -> None:
        """Show which group and program is edited, and what can be done.

        Parameters
        ----------
        editor : Editor
        fixed : bool
            Nothing may be changed now.
        """
        draft, self._program = editor.draft, editor.program
        count = len(draft.programs)
        for name, button in self._groups.items():
            button.setChecked(name == editor.group)
        for number, button in enumerate(self._programs):
            button.setText(f"{editor.group}{number + 1}")
            button.setAccessibleName(tr("Program {name}", name=button.text()))
            button.setVisible(number < count)
            button.setChecked(number == editor.program)
        self.add.setVisible(count < self._room)
        self.add.setEnabled(not fixed)
        self.remove.setVisible(count > 1)
        self.remove.setEnabled(editor.program > 0 and not fixed)
        self.undo.setEnabled(draft.can_undo and not fixed)
        self.redo.setEnabled(draft.can_redo and not fixed)
        self.revert.setEnabled(not fixed)
        self.load.setEnabled(not fixed)
        self.copy.setEnabled(True)
        self.save.setEnabled(True)
        self.mine.setEnabled(editor.side != editor.device_side and not fixed)


def _tool(action: QAction) -> QToolButton:
    button = QToolButton()
    button.setDefaultAction(action)
    action.changed.connect(lambda: button.setVisible(action.isVisible()))
    button.setAccessibleName(action.text())
    return button
