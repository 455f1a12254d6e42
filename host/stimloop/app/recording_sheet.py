"""What a recording does not say of itself: its channel, and the rate where it has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDoubleSpinBox, QFormLayout, QLineEdit

from stimloop.app.addresses import STATED, of_recording
from stimloop.app.language import tr
from stimloop.app.sheet import Sheet

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtWidgets import QWidget

    from stimloop.app.theme import Theme


class RecordingSheet(Sheet):
    """Asks for rate and channel of a file.

    Parameters
    ----------
    parent : QWidget
    path : Path
    theme : Theme

    Attributes
    ----------
    described : Signal(object)
        The `stimloop.app.addresses.Address` of the recording as a patient.
    """

    described = Signal(object)

    def __init__(self, parent: QWidget, path: Path, theme: Theme) -> None:
        super().__init__(parent, tr("Recording as a patient"), theme)
        self._path = path
        self.rate = QDoubleSpinBox(suffix=" Hz", decimals=3, minimum=1, maximum=100_000)
        self.rate.setValue(1000)
        self.rate.setAccessibleName(tr("Samples per second"))
        self.channel = QLineEdit(placeholderText=tr("needed where there are several; A-B"))
        self.channel.setAccessibleName(tr("Channel"))
        self.say(path.name, "muted")
        self.say(tr("A recording does not answer to stimulation; the banner says so."))
        form = QFormLayout()
        if path.suffix.lower() not in STATED:
            form.addRow(tr("Samples per second"), self.rate)
        form.addRow(tr("Channel"), self.channel)
        self.body.addLayout(form)
        self.accepted.connect(self._describe)
        self.answer(tr("Cancel"))
        self.answer(tr("Add to the list"), yes=True)

    def _describe(self) -> None:
        stated = self._path.suffix.lower() in STATED
        rate_hz = 0.0 if stated else self.rate.value()
        self.described.emit(of_recording(self._path, rate_hz, self.channel.text().strip()))
