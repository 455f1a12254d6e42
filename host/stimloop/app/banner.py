"""The strip that says what this is, and what it is not for; nothing hides it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from stimloop.app.language import tr
from stimloop_hw.vocabulary import Build

if TYPE_CHECKING:
    from stimloop.station.requests import Description


class Banner(QWidget):
    """One line above every page: SIMULATED DEVICE where it is one, RESEARCH USE ONLY always."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("banner")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(34)
        self._text = QLabel(alignment=Qt.AlignmentFlag.AlignCenter)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 0, 12, 0)
        layout.addWidget(self._text)
        self.show_device(simulated=False, recording=False)

    @property
    def text(self) -> str:
        """What it says."""
        return self._text.text()

    def show_device(self, *, simulated: bool, recording: bool) -> None:
        """Say what the connected device is.

        Parameters
        ----------
        simulated : bool
        recording : bool
            Its patient is a recording, which does not answer to stimulation.
        """
        words = [tr("SIMULATED DEVICE")] if simulated else []
        if recording:
            words.append(tr("RECORDED SIGNAL, DOES NOT ANSWER TO STIMULATION"))
        words.append(tr("RESEARCH AND BENCH USE ONLY, NOT FOR CLINICAL USE"))
        self._text.setText("  ·  ".join(words))
        self.setAccessibleName(self._text.text())

    def show_description(self, description: Description) -> None:
        """Say what the connected device told of how it was built."""
        build = Build(description.identity[0].build if description.identity else 0)
        self.show_device(simulated=Build.SIMULATED in build, recording=Build.RECORDING in build)

    def setVisible(self, visible: bool) -> None:  # noqa: ARG002, N802  Qt's name
        """It stays: a window shows it from the first to the last frame."""
        super().setVisible(True)
