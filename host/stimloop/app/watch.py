"""The clock of the window: it asks the station what is new, and says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from stimloop.station import StationError
from stimloop.station.requests import Describe, Description

if TYPE_CHECKING:
    from stimloop.station import Reply, Station

FRAME_MS = 33


class Watch(QObject):
    """Looks at the station thirty times a second, and attends it.

    Parameters
    ----------
    station : Station

    Attributes
    ----------
    station : Station
    snapshot_came, description_came : Signal(object)
        A `Snapshot` that is new, and a `Description` whenever that changed.
    gone : Signal(str)
        The station does not answer any more: a sentence.
    frame : Signal
        After each look.
    """

    snapshot_came = Signal(object)
    description_came = Signal(object)
    gone = Signal(str)
    frame = Signal()

    def __init__(self, station: Station) -> None:
        super().__init__()
        self.station = station
        self._number = 0
        self._revision = -1
        self._timer = QTimer(self, interval=FRAME_MS)
        self._timer.timeout.connect(self.look)
        self._timer.start()

    def look(self) -> None:
        """Take replies and the latest snapshot."""
        try:
            self.station.poll()
            snapshot = self.station.snapshot()
            if snapshot.revision != self._revision:
                self._revision = snapshot.revision
                self.station.send(Describe(), self._described)
        except StationError as problem:
            self._timer.stop()
            self.gone.emit(str(problem))
            return
        if snapshot.number != self._number:
            self._number = snapshot.number
            self.snapshot_came.emit(snapshot)
        self.frame.emit()

    def end(self) -> None:
        """Look no more."""
        self._timer.stop()

    def _described(self, reply: Reply) -> None:
        if isinstance(reply, Description):
            self.description_came.emit(reply)
