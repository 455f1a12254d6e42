"""Buttons by their role: the style sheet knows each."""

from __future__ import annotations

from PySide6.QtWidgets import QPushButton

from stimloop.app.theme import TARGET_PX


def tab(text: str = "", *, exclusive: bool = False) -> QPushButton:
    """A button that stays down: one of several."""
    made = QPushButton(text)
    made.setCheckable(True)
    made.setAutoExclusive(exclusive)
    made.setProperty("role", "tab")
    return made


def square(text: str, name: str) -> QPushButton:
    """A button of one sign; the name says what it does. Held down it does not repeat."""
    made = QPushButton(text)
    made.setProperty("role", "square")
    made.setAccessibleName(name)
    made.setToolTip(name)
    made.setAutoRepeat(False)
    made.setFixedSize(TARGET_PX, TARGET_PX)
    return made
