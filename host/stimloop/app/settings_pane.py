"""The parameters of a program: three that are turned all day, and the tables of all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from stimloop import tables
from stimloop.app.bounds import runs, said, stepped
from stimloop.app.buttons import tab
from stimloop.app.fields import fields_of
from stimloop.app.form import Form
from stimloop.app.label import label, say
from stimloop.app.language import tr
from stimloop.app.stepper import Stepper
from stimloop.gate import nearest_period_us

if TYPE_CHECKING:
    from pydantic import BaseModel
    from PySide6.QtWidgets import QLabel

    from stimloop.app.editor import Editor
    from stimloop_hw.messages import Limits, Status

TURNED = ("amplitude_ma", "pulse_width_us", "rate_hz")
"""Parameters with buttons of their own."""
TABS: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("More", "stimulation", tables.Stimulation),
    ("Patient", "patient", tables.Patient),
    ("Magnet", "magnet", tables.Magnet),
    ("Governor", "governor", tables.Governor),
)
"""Tabs of keys: title, name of the table, its model."""
STAGES = ("Prescribed", "Quantised", "Programmed", "Delivered")
"""Of a parameter: as typed, on the device's steps, asked of the device now, and given."""


class SettingsPane(QFrame):
    """What is edited, key by key.

    Parameters
    ----------
    limits : Limits

    Attributes
    ----------
    tabs : list of QPushButton
    edited : Signal(str, str, object)
        Table, key and new value.
    """

    edited = Signal(str, str, object)

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.setProperty("panel", True)
        self._limits = limits
        by_name = {field.name: field for field in fields_of(tables.Stimulation)}
        self.steppers = {name: Stepper(by_name[name]) for name in TURNED}
        self.forms: dict[str, Form] = {}
        self._stages: dict[tuple[str, str], QLabel] = {}
        self._editor: Editor
        self._stack = QStackedWidget()
        self.tabs: list[QPushButton] = []
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 12, 14, 12)
        row = QHBoxLayout()
        row.setSpacing(4)
        self._add_tab(row, tr("Pulses"), self._pulses())
        for title, name, model in TABS:
            if name == "magnet" and not runs("swipe_ms", limits)[-1].high:
                continue  # this device heeds none
            self._add_tab(row, tr(title), self._scrolled(name, model))
        row.addStretch()
        column.addLayout(row)
        column.addWidget(self._stack, 1)
        self.tabs[0].click()

    def _add_tab(self, row: QHBoxLayout, title: str, page: QWidget) -> None:
        number = self._stack.addWidget(page)
        button = tab(title, exclusive=True)
        button.clicked.connect(lambda: self._stack.setCurrentIndex(number))
        self.tabs.append(button)
        row.addWidget(button)

    def _pulses(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 4, 0, 0)
        column.setSpacing(6)
        for stepper in self.steppers.values():
            stepper.stepped.connect(self._step)
            stepper.typed.connect(self._write)
            column.addWidget(stepper)
        grid = QGridLayout()
        grid.setVerticalSpacing(2)
        grid.setHorizontalSpacing(6)
        for place, stage in enumerate(STAGES):
            grid.addWidget(label(tr(stage), role="small", tone="muted"), 0, place + 1)
        for row, name in enumerate(TURNED, 1):
            grid.addWidget(label(tr(_short(name)), role="small", tone="muted"), row, 0)
            for place, stage in enumerate(STAGES):
                value = label("–", role="small")
                value.setAccessibleName(f"{tr(stage)} {tr(_short(name))}")
                self._stages[name, stage] = value
                grid.addWidget(value, row, place + 1)
        column.addStretch()
        column.addLayout(grid)
        return page

    def _scrolled(self, name: str, model: type[BaseModel]) -> QScrollArea:
        fields = [
            field
            for field in fields_of(model)
            if field.name not in TURNED or name != "stimulation"
        ]
        form = Form(fields, lambda key: said(key, self._limits))
        form.changed.connect(lambda key, value: self.edited.emit(name, key, value))
        self.forms[name] = form
        inside = QWidget()
        inside.setObjectName("scrolled")
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 4, 8, 0)
        column.addWidget(form)
        column.addStretch()
        area = QScrollArea(widgetResizable=True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidget(inside)
        return area

    def _step(self, name: str, direction: int) -> None:
        value = float(self._editor.draft.value("stimulation", name, self._editor.program))
        self._write(name, stepped(name, value, direction, self._limits))

    def _write(self, name: str, value: float) -> None:
        whole = name.endswith("_us") and value == int(value)
        self.edited.emit("stimulation", name, int(value) if whole else value)

    def show_draft(self, editor: Editor, *, fixed: bool) -> None:
        """Show what is written, and what of it is refused.

        Parameters
        ----------
        editor : Editor
        fixed : bool
            Nothing may be changed now, since the device stimulates.
        """
        self._editor = editor
        draft, program = editor.draft, editor.program
        own, first = draft.programs[program], draft.programs[0]
        for name, stepper in self.steppers.items():
            shared = program > 0 and name not in tables.Interleaved.model_fields
            empty = name == "amplitude_ma" and draft.locked(program)
            locked = tr("stimulating") if fixed else tr("of the group") if shared else ""
            if empty:
                locked = tr("locked: choose − and +")  # noqa: RUF001  the signs of contacts
            value = float((first if shared else own).get(name, 0.0))
            stepper.show_value(value, said(name, self._limits), locked=locked)
            found = [s for field, s in editor.wrong.items() if f"stimulation.{name}" in field]
            stepper.mark("\n".join(found))
        for table, form in self.forms.items():
            form.setEnabled(not fixed)
            form.show_values(own if table == "stimulation" else draft.tables.get(table, {}))
            form.mark(
                {
                    field.removeprefix(f"{table}."): sentence
                    for field, sentence in editor.wrong.items()
                    if field.startswith(f"{table}.")
                }
            )
        model = tables.Interleaved if program else tables.Stimulation
        self.forms["stimulation"].offer(model.model_fields)
        self._show_prescribed()

    def _show_prescribed(self) -> None:
        asked = self._editor.asked
        texts = {
            place: "–" for place in self._stages if place[1] in ("Prescribed", "Quantised")
        }
        if asked is not None:
            period_us = nearest_period_us(asked.rate_hz, self._limits.period_step_us)
            # Only rates are quantised; all else is refused where it is off the device's steps.
            for stage, rate_hz in (
                ("Prescribed", asked.rate_hz),
                ("Quantised", 1e6 / period_us),
            ):
                texts["amplitude_ma", stage] = f"{asked.amplitude_ma:g} mA"
                texts["pulse_width_us", stage] = f"{asked.pulse_width_us} µs"
                texts["rate_hz", stage] = f"{rate_hz:.5g} Hz"
        self._say(texts)

    def show_status(self, status: Status | None) -> None:
        """Show what the device is set to, and what it delivers.

        Parameters
        ----------
        status : Status or None
            The latest; None without a device.
        """
        texts = {
            place: "–" for place in self._stages if place[1] in ("Programmed", "Delivered")
        }
        if status is not None and status.period_us:
            rate = f"{1e6 / status.period_us:.5g} Hz"
            texts["amplitude_ma", "Programmed"] = f"{status.setpoint_ua / 1000:g} mA"
            texts["amplitude_ma", "Delivered"] = f"{status.delivered_ua / 1000:g} mA"
            texts["rate_hz", "Programmed"] = rate
            width = self._editor.width_us
            if width:
                texts["pulse_width_us", "Programmed"] = f"{width} µs"
            if status.delivered_ua:
                texts["rate_hz", "Delivered"] = rate
                texts["pulse_width_us", "Delivered"] = texts["pulse_width_us", "Programmed"]
        self._say(texts)

    def _say(self, texts: dict[tuple[str, str], str]) -> None:
        for place, text in texts.items():
            say(self._stages[place], text, "muted" if text == "–" else "")


def _short(name: str) -> str:
    return {"amplitude_ma": "Amplitude", "pulse_width_us": "Width", "rate_hz": "Rate"}[name]
