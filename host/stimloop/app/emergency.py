"""The emergency stop: on Esc and F12, whatever has the focus and whatever dialog is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication, QDialog

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS = (Qt.Key.Key_Escape, Qt.Key.Key_F12)


class Emergency(QObject):
    """Hears the keys before anybody else does, and stops first.

    Installed on the application, it sees an event before the dialog that is open does. The stop
    leaves by the station's own connection for it, inside this call: no queue, no timer, no
    question.

    Parameters
    ----------
    stop : callable
        Sends the stop.

    Attributes
    ----------
    pressed : Signal
        After the stop was sent.
    """

    pressed = Signal()

    def __init__(self, stop: Callable[[], object]) -> None:
        super().__init__()
        self._stop = stop

    def install(self, application: QApplication) -> None:
        """Hear the application's keys."""
        application.installEventFilter(self)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:  # noqa: N802  Qt's name
        """Take the keys, the first time that they appear; all else goes on."""
        if event.type() not in (QEvent.Type.KeyPress, QEvent.Type.ShortcutOverride):
            return False
        if not isinstance(event, QKeyEvent) or event.key() not in KEYS:
            return False
        if event.type() == QEvent.Type.KeyPress and not event.isAutoRepeat():
            self.trigger()
        event.accept()
        return event.type() == QEvent.Type.KeyPress

    def trigger(self) -> None:
        """Stop, then put away what is asking for an answer: it was asked before the stop."""
        self._stop()
        popup = QApplication.activePopupWidget()
        if popup is not None:
            popup.close()
        for window in QApplication.topLevelWidgets():
            if isinstance(window, QDialog) and window.isModal():
                window.reject()
        self.pressed.emit()
