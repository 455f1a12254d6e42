"""The table of pages, in the order of the navigation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stimloop.app.audit import Audit
from stimloop.app.connect import Connect
from stimloop.app.impedance import Impedance
from stimloop.app.monitor import Monitor
from stimloop.app.program import Program
from stimloop.app.review import Review
from stimloop.app.sense import Sense

if TYPE_CHECKING:
    from collections.abc import Callable

    from stimloop.app.page import PageWidget
    from stimloop.app.theme import Theme
    from stimloop.station import Station


@dataclass(frozen=True, slots=True)
class Page:
    """One row of the navigation.

    Attributes
    ----------
    name : str
        Of its module, and of its screenshots.
    title : str
        English.
    shortcut : str
        As Qt writes keys.
    make : callable
        Its widget, of the station and the theme.
    """

    name: str
    title: str
    shortcut: str
    make: Callable[[Station, Theme], PageWidget]


PAGES = (
    Page("connect", "Connect", "Ctrl+1", Connect),
    Page("program", "Program", "Ctrl+2", Program),
    Page("sense", "Sense and adapt", "Ctrl+3", Sense),
    Page("monitor", "Monitor", "Ctrl+4", Monitor),
    Page("impedance", "Impedance", "Ctrl+5", Impedance),
    Page("review", "Review", "Ctrl+6", Review),
    Page("audit", "Audit", "Ctrl+7", Audit),
)
