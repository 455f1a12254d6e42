"""The questions between an edit and a pulse: read-back before commit, consent before start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHeaderView,
    QRadioButton,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from stimloop.app.alarms import FAULTS
from stimloop.app.language import tr
from stimloop.app.sheet import Sheet
from stimloop_hw.vocabulary import Fault

if TYPE_CHECKING:
    from stimloop.app.theme import Theme
    from stimloop.prescription import Prescription
    from stimloop.station.requests import Held, ReadBack

COLUMNS = ("Program", "Parameter", "Asked", "Device holds", "Before")


class ReadBackSheet(Sheet):
    """What the device holds as staged, beside what was asked and what it had.

    Parameters
    ----------
    parent : QWidget
    read_back : ReadBack
    theme : Theme
    """

    def __init__(self, parent: QWidget, read_back: ReadBack, theme: Theme) -> None:
        super().__init__(parent, tr("Read back from the device"), theme)
        changed = [held for held in read_back.parameters if held.held != held.before]
        quantised = [held for held in read_back.parameters if held.held != held.asked]
        first = changed + [held for held in quantised if held not in changed]
        rest = [held for held in read_back.parameters if held not in first]
        self.say(
            tr(
                "The device holds program {crc:08X}. {changed} values differ from before, "
                "{quantised} were brought to the device's steps. Nothing acts until it is "
                "committed.",
                crc=read_back.crc,
                changed=len(changed),
                quantised=len(quantised),
            )
        )
        self.table = _table(first + rest)
        self.body.addWidget(self.table)
        self.ask(tr("Commit"))


def _table(rows: list[Held]) -> QTableWidget:
    table = QTableWidget(len(rows), len(COLUMNS))
    table.setAccessibleName(tr("Read back"))
    table.setHorizontalHeaderLabels([tr(name) for name in COLUMNS])
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.verticalHeader().setVisible(False)
    table.setMinimumSize(700, 280)
    right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
    for row, held in enumerate(rows):
        texts = (
            held.program,
            held.parameter,
            f"{held.asked:.10g}",
            str(held.held),
            "" if held.before == held.held else f"◆ {held.before}",
        )
        for column, text in enumerate(texts):
            item = QTableWidgetItem(text)
            if column > 1:
                item.setTextAlignment(right)
            table.setItem(row, column, item)
    table.horizontalHeader().setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
    for column in (0, 2, 3, 4):
        table.setColumnWidth(column, 120)
    return table


class StartSheet(Sheet):
    """Consent to the first pulse.

    Parameters
    ----------
    parent : QWidget
    prescribed : Prescription
        What is committed.
    theme : Theme

    Attributes
    ----------
    consented : Signal(bool)
        Yes; whether the loop is to be closed.
    """

    consented = Signal(bool)

    def __init__(self, parent: QWidget, prescribed: Prescription, theme: Theme) -> None:
        super().__init__(parent, tr("Arm and start stimulation"), theme)
        asked = prescribed.stimulation
        self.say(
            tr(
                "{cathodes} − / {anodes} +, up to {amplitude:g} mA, {width} µs, {rate:g} Hz; "  # noqa: RUF001
                "without the host {fallback:g} mA, and off after {lease:g} s.",
                cathodes=" ".join(asked.cathodes),
                anodes=" ".join(asked.anodes),
                amplitude=asked.amplitude_ma,
                width=asked.pulse_width_us,
                rate=asked.rate_hz,
                fallback=asked.fallback_ma,
                lease=asked.lease_ms / 1000,
            )
        )
        kind = getattr(prescribed.controller, "kind", "")
        self.by_hand = QRadioButton(tr("By hand: from 0 mA, the amplitude is yours to raise"))
        self.adaptive = QRadioButton(tr("By the prescription: controller {kind}", kind=kind))
        self.by_hand.setChecked(True)
        self.consent = QCheckBox(
            tr("The load is resistors, saline or a simulator, and I watch it")
        )
        for widget in (self.by_hand, self.adaptive, self.consent):
            self.body.addWidget(widget)
        cautious = self.answer(tr("Cancel"))
        self.start = self.answer(tr("Arm and start"), yes=True)
        self.start.setEnabled(False)
        self.consent.toggled.connect(self.start.setEnabled)
        self.accepted.connect(lambda: self.consented.emit(self.adaptive.isChecked()))
        self._first = cautious

    def present(self, focus: QWidget | None = None) -> None:
        """Show it; the focus is on the button that changes nothing."""
        super().present(focus or self._first)


class FaultSheet(Sheet):
    """What the device has latched, each with its remedy, before it is cleared.

    Parameters
    ----------
    parent : QWidget
    faults : int
        As in Status.
    theme : Theme
    """

    def __init__(self, parent: QWidget, faults: int, theme: Theme) -> None:
        super().__init__(parent, tr("Clear the fault"), theme)
        for fault in Fault(faults):
            alarm = FAULTS[fault]
            self.say(f"⚠ {tr(alarm.cause)}", "alarm")
            self.say(f"{tr(alarm.remedy)}.")
        self.ask(tr("Clear"))
