"""A large value between two buttons: a press is one step of the device, and none repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLineEdit, QWidget

from stimloop.app.buttons import square
from stimloop.app.label import label, say
from stimloop.app.language import tr

if TYPE_CHECKING:
    from stimloop.app.fields import Field


class Stepper(QWidget):
    """One of the parameters that a person turns all day.

    Parameters
    ----------
    field : Field

    Attributes
    ----------
    stepped : Signal(str, int)
        The key, and 1 or -1.
    typed : Signal(str, float)
        The key, and the number that was typed.
    """

    stepped = Signal(str, int)
    typed = Signal(str, float)

    def __init__(self, field: Field) -> None:
        super().__init__()
        self._field = field
        self.value = QLineEdit(alignment=Qt.AlignmentFlag.AlignCenter)
        self.value.setAccessibleName(f"{tr(field.label)} {field.unit}")
        self.value.setToolTip(tr(field.meaning))
        self.value.setProperty("role", "value")
        self.value.editingFinished.connect(self._typed)
        self.less = square("−", tr("Lower {what}", what=tr(field.label)))  # noqa: RUF001
        self.more = square("+", tr("Raise {what}", what=tr(field.label)))
        self.less.clicked.connect(lambda: self.stepped.emit(field.name, -1))
        self.more.clicked.connect(lambda: self.stepped.emit(field.name, 1))
        self._range = label(role="small", tone="muted")
        self._range.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(2)
        top = QHBoxLayout()
        top.addWidget(label(tr(field.label), role="heading"))
        top.addWidget(self._range, 1)
        grid.addLayout(top, 0, 0, 1, 3)
        grid.addWidget(self.less, 1, 0)
        grid.addWidget(self.value, 1, 1)
        grid.addWidget(self.more, 1, 2)
        grid.setColumnStretch(1, 1)

    def _typed(self) -> None:
        text = self.value.text().replace(self._field.unit, "").strip()
        try:
            self.typed.emit(self._field.name, float(text))
        except ValueError:
            self.mark(tr("not a number; write digits"))

    def show_value(self, value: float, allowed: str, *, locked: str) -> None:
        """Show the value, and beside it what is allowed.

        Parameters
        ----------
        value : float
        allowed : str
            The device's range in words.
        locked : str
            Why it cannot be changed now, said in place of the range; empty if it can.
        """
        if not self.value.hasFocus() or locked:
            self.value.setText(f"{value:.6g} {self._field.unit}")
        told = f"{allowed} {self._field.unit}" if allowed else ""
        say(self._range, locked or told, "warning" if locked else "muted")
        for widget in (self.value, self.less, self.more):
            widget.setEnabled(not locked)

    def mark(self, reason: str) -> None:
        """Mark it as refused, with the reason; an empty one ends that."""
        self.value.setToolTip(reason or tr(self._field.meaning))
        if bool(self.value.property("wrong")) != bool(reason):
            self.value.setProperty("wrong", bool(reason))
            self.value.style().unpolish(self.value)
            self.value.style().polish(self.value)
