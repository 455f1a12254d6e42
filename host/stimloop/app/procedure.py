"""From an edit to a pulse, and nothing skipped: stage, compare, commit; consent, arm, start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop.app.language import tr
from stimloop.app.program_sheets import FaultSheet, ReadBackSheet, StartSheet
from stimloop.station.requests import Arm, ClearFault, Commit, Done, ReadBack, Stage, Start

if TYPE_CHECKING:
    from stimloop.app.page import PageWidget
    from stimloop.prescription import Prescription
    from stimloop.station import Reply


class Procedure:
    """Asks the operator and the station in turn.

    Parameters
    ----------
    page : PageWidget
        On which the questions appear.
    """

    def __init__(self, page: PageWidget) -> None:
        self._page = page

    def stage(self, text: str) -> None:
        """Send a prescription; what the device holds then is shown before it is committed."""
        self._page.ask(Stage(text), self._staged)

    def _staged(self, reply: Reply) -> None:
        if isinstance(reply, ReadBack):
            sheet = ReadBackSheet(self._page, reply, self._page.theme)
            sheet.accepted.connect(lambda: self._page.ask(Commit(), self._committed))
            sheet.present()

    def _committed(self, reply: Reply) -> None:
        if isinstance(reply, Done):
            self._page.notice.emit(tr("Committed: the device holds it now."), "good")

    def start(self, prescribed: Prescription) -> None:
        """Ask for consent, then arm and start; no step without the one before."""
        sheet = StartSheet(self._page, prescribed, self._page.theme)
        sheet.consented.connect(self._arm)
        sheet.present()

    def _arm(self, adaptive: bool) -> None:
        def armed(reply: Reply) -> None:
            if isinstance(reply, Done):
                self._page.ask(Start(adaptive=adaptive))

        self._page.ask(Arm(), armed)

    def clear_fault(self, faults: int) -> None:
        """Show what is latched, and clear exactly that."""
        sheet = FaultSheet(self._page, faults, self._page.theme)
        sheet.accepted.connect(lambda: self._page.ask(ClearFault(faults)))
        sheet.present()
