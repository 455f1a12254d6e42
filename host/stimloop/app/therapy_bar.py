"""From an edit to therapy and back: stage, arm, lead, end; each step is the station's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, SignalInstance
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton

from stimloop.app.buttons import square
from stimloop.app.label import label, say
from stimloop.app.language import tr
from stimloop.station.requests import Phase
from stimloop_hw.vocabulary import State

if TYPE_CHECKING:
    from stimloop.station import Snapshot


class TherapyBar(QFrame):
    """Buttons for what may be done now; the others are not there.

    Attributes
    ----------
    staged, started, adapted, opened, ended, cleared : Signal
        The operator wants it.
    moved : Signal(int)
        Amplitude by one step, up or down.
    """

    staged = Signal()
    started = Signal()
    adapted = Signal()
    opened = Signal()
    ended = Signal()
    cleared = Signal()
    moved = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("panel", True)
        self.setFixedHeight(64)
        self._fits = False
        self._edited = label(role="heading", wrap=True)
        self._edited.setAccessibleName(tr("Edited or programmed"))
        self._target = label(role="title")
        self._target.setAccessibleName(tr("Amplitude that is led to"))
        self.stage = self._button(tr("Stage and compare …"), self.staged, primary=True)
        self.start = self._button(tr("Arm and start …"), self.started, primary=True)
        self.less = square("−", tr("Lower the amplitude by one step"))  # noqa: RUF001
        self.more = square("+", tr("Raise the amplitude by one step"))
        self.less.clicked.connect(lambda: self.moved.emit(-1))
        self.more.clicked.connect(lambda: self.moved.emit(1))
        self.adapt = self._button(tr("Close the loop"), self.adapted)
        self.by_hand = self._button(tr("Open the loop"), self.opened)
        self.end = self._button(tr("End by ramp"), self.ended)
        self.clear = self._button(tr("Clear the fault …"), self.cleared)
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 8, 12, 8)
        row.addWidget(self._edited, 1)
        row.addWidget(self.less)
        row.addWidget(self._target)
        row.addWidget(self.more)
        for button in (
            self.adapt,
            self.by_hand,
            self.end,
            self.clear,
            self.stage,
            self.start,
        ):
            row.addWidget(button)

    def _button(
        self, text: str, signal: SignalInstance, *, primary: bool = False
    ) -> QPushButton:
        button = QPushButton(text)
        button.setAutoRepeat(False)
        button.setProperty("role", "primary" if primary else "")
        button.clicked.connect(lambda _checked: signal.emit())
        return button

    def show_draft(self, edited: str, tone: str, *, fits: bool) -> None:
        """Say how draft and device differ, and whether the draft could be staged."""
        say(self._edited, edited, tone)
        self._fits = fits

    def show_snapshot(self, snapshot: Snapshot, *, edited: bool) -> None:
        """Offer what may be done now."""
        phase = snapshot.phase
        leading = phase is Phase.THERAPY
        quiet = phase in (Phase.WATCHING, Phase.SENSING)
        fault = snapshot.status.state == State.FAULT
        by_hand = leading and not snapshot.adaptive
        for button, shown in (
            (self.stage, quiet and not fault),
            (self.start, quiet and not fault),
            (self.adapt, by_hand),
            (self.by_hand, leading and snapshot.adaptive),
            (self.less, by_hand),
            (self.more, by_hand),
            (self._target, leading),
            (self.end, leading),
            (self.clear, quiet and fault),
        ):
            button.setVisible(shown)
        self.stage.setEnabled(self._fits)
        self.start.setEnabled(bool(snapshot.committed_crc) and not edited)
        if snapshot.capturing:
            self._target.setText(tr("Capturing the threshold"))
        elif snapshot.adaptive:
            self._target.setText(tr("Loop closed"))
        else:
            self._target.setText(f"{snapshot.target_ua / 1000:.3f} mA")
