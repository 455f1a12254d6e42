"""The table of pages, in the order of the navigation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stimloop.app.connect import Connect
from stimloop.app.program import Program

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
)
