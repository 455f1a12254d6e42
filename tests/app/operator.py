"""A person at the window: clicks and keys, and waiting for what the device says."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QCheckBox, QRadioButton

from stimloop.app.connect import Connect
from stimloop.app.program import Program
from stimloop.app.program_sheets import ReadBackSheet, StartSheet
from stimloop.station import Phase, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QAbstractButton, QWidget
    from pytestqt.qtbot import QtBot

    from stimloop.app.window import Window

    Until = Callable[[Callable[[], object]], None]

URL = "sim://dbs?seed=7&pace=real"
_W = TypeVar("_W", bound="QWidget")


class Operator:
    """Clicks and keys on the window, and nothing that a person could not do."""

    def __init__(self, window: Window, qtbot: QtBot, until: Until) -> None:
        self.window, self.qtbot, self.until = window, qtbot, until

    @property
    def shown(self) -> Snapshot:
        """What the station shows now."""
        return self.window.watch.station.snapshot()

    @property
    def program(self) -> Program:
        page = self.window.pages["program"]
        assert isinstance(page, Program)
        return page

    def click(self, button: QAbstractButton) -> None:
        assert button.isVisible()
        assert button.isEnabled()
        # A box is hit at its mark: beside it and its words nothing happens.
        marked = isinstance(button, QCheckBox | QRadioButton)
        at = QPoint(12, button.height() // 2) if marked else button.rect().center()
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton, pos=at)

    def sheet(self, kind: type[_W]) -> _W:
        """The question that is open, once it is."""
        self.until(lambda: self.window.findChildren(kind))
        return self.window.findChildren(kind)[0]

    def connect(self, url: str = URL) -> None:
        page = self.window.pages["connect"]
        assert isinstance(page, Connect)
        page.connect_to(url)
        self.until(lambda: self.program.editor is not None)

    def choose(self) -> None:
        """Contact 1 against the case, at 2 mA, typed."""
        self.window.show_page("program")
        contacts = self.program.leads["left"].view.drawing.contacts
        self.click(contacts["1"])
        self.click(contacts["case"])
        self.click(contacts["case"])
        amplitude = self.program.pane.steppers["amplitude_ma"].value
        amplitude.setFocus()
        amplitude.selectAll()
        self.qtbot.keyClicks(amplitude, "2")
        self.qtbot.keyClick(amplitude, Qt.Key.Key_Return)

    def commit(self) -> None:
        self.click(self.program.bar.stage)
        sheet = self.sheet(ReadBackSheet)
        self.click(sheet.buttons[-1])
        self.until(lambda: self.shown.committed_crc)
        self.until(self.program.bar.start.isEnabled)

    def start(self, *, adaptive: bool = False) -> None:
        self.click(self.program.bar.start)
        sheet = self.sheet(StartSheet)
        assert not sheet.start.isEnabled()
        if adaptive:
            self.click(sheet.adaptive)
        self.click(sheet.consent)
        self.click(sheet.start)
        self.until(lambda: self.shown.phase is Phase.THERAPY)
        self.until(self.program.bar.end.isVisible)

    def raise_to(self, delivered_ua: int) -> None:
        """Press + until the device delivers so much."""
        while self.shown.target_ua < delivered_ua:
            before = self.shown.target_ua
            self.click(self.program.bar.more)
            self.until(partial(self._moved_from, before))
        self.until(lambda: self.shown.status.delivered_ua == delivered_ua)

    def _moved_from(self, target_ua: int) -> bool:
        return self.shown.target_ua != target_ua
