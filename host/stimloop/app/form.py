"""A form for a table of the prescription: a row for each key, the device's range beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QLineEdit,
    QSizePolicy,
    QWidget,
)

from stimloop.app.fields import Kind
from stimloop.app.label import label
from stimloop.app.language import tr

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from stimloop.app.fields import Field

_WIDTH_PX = 132


class Form(QWidget):
    """Rows of label, value, and range.

    A field that is left empty leaves the key out; what that means is shown in it.

    Parameters
    ----------
    fields : iterable of Field
        See `stimloop.app.fields.fields_of`.
    ranges : callable, optional
        Says the device's range of a key in words.

    Attributes
    ----------
    editors : dict of str to QWidget
        By the keys.
    changed : Signal(str, object)
        A key and its new value, None where it is left out.
    """

    changed = Signal(str, object)

    def __init__(
        self, fields: Iterable[Field], ranges: Callable[[str], str] = lambda _: ""
    ) -> None:
        super().__init__()
        self.editors: dict[str, QWidget] = {}
        self._fields = {field.name: field for field in fields}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(2, 1)
        for row, field in enumerate(self._fields.values()):
            title = label(tr(field.label))
            title.setToolTip(tr(field.meaning))
            editor = self._editor(field)
            editor.setAccessibleName(f"{tr(field.label)} {field.unit}".strip())
            editor.setToolTip(tr(field.meaning))
            if isinstance(editor, QComboBox):
                editor.setMinimumWidth(_WIDTH_PX)  # its longest choice is read whole
            else:
                editor.setFixedWidth(_WIDTH_PX)
            title.setBuddy(editor)
            self.editors[field.name] = editor
            beside = " ".join(part for part in (ranges(field.name), field.unit) if part)
            told = label(beside, role="small", tone="muted", wrap=True)
            grid.addWidget(title, row, 0)
            grid.addWidget(editor, row, 1)
            grid.addWidget(told, row, 2)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)

    def _editor(self, field: Field) -> QWidget:
        if field.kind is Kind.CHOICE:
            box = QComboBox()
            if field.optional and field.default is None:
                box.addItem(tr("the device's"), None)
            for choice in field.choices:
                box.addItem(tr(choice), choice)
            box.activated.connect(lambda _: self.changed.emit(field.name, box.currentData()))
            return box
        if field.kind is Kind.SWITCH:
            switch = QCheckBox()
            switch.clicked.connect(lambda on: self.changed.emit(field.name, on))
            return switch
        line = QLineEdit(alignment=Qt.AlignmentFlag.AlignRight)
        line.setPlaceholderText(_shown(field.default) if field.optional else tr("needed"))
        line.editingFinished.connect(lambda: self._typed(field, line))
        return line

    def _typed(self, field: Field, line: QLineEdit) -> None:
        try:
            value = _read(field, line.text())
        except ValueError:
            self.mark({field.name: tr("not a number; write digits")})
            return
        self.changed.emit(field.name, value)

    def show_values(self, values: Mapping[str, Any]) -> None:
        """Show what is written; what is not there is empty."""
        for name, field in self._fields.items():
            value = values.get(name)
            editor = self.editors[name]
            if isinstance(editor, QComboBox):
                editor.setCurrentIndex(max(0, editor.findData(value or field.default)))
            elif isinstance(editor, QCheckBox):
                editor.setChecked(bool(field.default if value is None else value))
            elif isinstance(editor, QLineEdit) and not editor.hasFocus():
                editor.setText("" if value is None else _shown(value))

    def offer(self, names: Collection[str]) -> None:
        """Let these keys be changed, and no other."""
        for name, editor in self.editors.items():
            editor.setEnabled(name in names)

    def mark(self, wrong: Mapping[str, str]) -> None:
        """Mark the fields that are refused, each with the reason; all others are sound."""
        for name, editor in self.editors.items():
            reason = wrong.get(name, "")
            if bool(editor.property("wrong")) != bool(reason):
                editor.setProperty("wrong", bool(reason))
                editor.style().unpolish(editor)
                editor.style().polish(editor)
            editor.setToolTip(reason or tr(self._fields[name].meaning))


def _read(field: Field, text: str) -> object:
    """The value that was typed, None for nothing.

    Raises
    ------
    ValueError
        If it is no number where one belongs.
    """
    text = text.strip()
    if not text:
        return None
    match field.kind:
        case Kind.WHOLE:
            return int(text)
        case Kind.REAL:
            return float(text)
        case Kind.REALS:
            return [float(part) for part in text.replace(";", ",").split(",")]
        case _:
            return text


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(_shown(part) for part in value)
    return f"{value:.12g}" if isinstance(value, float) else str(value)
