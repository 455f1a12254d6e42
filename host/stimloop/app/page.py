"""What every page is: a widget that the window shows, wakes and dresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from stimloop.station import StationError
from stimloop.station.requests import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from PySide6.QtGui import QAction

    from stimloop.app.theme import Theme
    from stimloop.station import Reply, Request, Snapshot, Station
    from stimloop.station.requests import Description


class PageWidget(QWidget):
    """A page of the window.

    Parameters
    ----------
    station : Station
        The process that holds the device.
    theme : Theme

    Attributes
    ----------
    notice : Signal(str, str)
        A sentence for the operator, and its tone (see `stimloop.app.label`).
    proposed : Signal(dict)
        Tables of a prescription for the draft on the Program page; None removes one.
    """

    notice = Signal(str, str)
    proposed = Signal(dict)

    def __init__(self, station: Station, theme: Theme) -> None:
        super().__init__()
        self.station = station
        self.theme = theme

    def ask(self, request: Request, then: Callable[[Reply], None] | None = None) -> None:
        """Ask the station without waiting; a refusal is also shown as a notice.

        Parameters
        ----------
        request : Request
        then : callable, optional
            Called with the reply, whatever it is.
        """

        def answered(reply: Reply) -> None:
            if isinstance(reply, Refused):
                self.notice.emit(reply.sentence, "alarm")
            if then is not None:
                then(reply)

        try:
            self.station.send(request, answered)
        except StationError as problem:
            self.notice.emit(str(problem), "alarm")

    def refresh(self, snapshot: Snapshot) -> None:
        """Show what the station tells; called for every page, at most thirty times a second."""

    def describe(self, description: Description) -> None:
        """Show what changes seldom: who the device is and what its limits are."""

    def animate(self) -> None:
        """Draw what is new; called thirty times a second while the page is to be seen."""

    def stopped(self) -> None:
        """The operator has pressed STOP: put away what was about to be asked."""

    def wear(self, theme: Theme) -> None:
        """Take the colors of another theme."""
        self.theme = theme
        self.update()

    def commands(self) -> Iterable[tuple[str, QAction]]:
        """Actions for the menus, each with the menu's title (`stimloop.app.window.MENUS`)."""
        return ()
