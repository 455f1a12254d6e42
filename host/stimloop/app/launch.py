"""The Qt application around the window."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QApplication, QStyleFactory

from stimloop.app.theme import load_fonts
from stimloop.app.window import Window

if TYPE_CHECKING:
    from stimloop.station import Station


def prepare(application: QApplication) -> None:
    """Make an application look the same on every desktop: Qt's own style, the shipped font."""
    application.setStyle(QStyleFactory.create("Fusion"))
    application.setApplicationName("stimloop")
    load_fonts()


def show(station: Station, device: str = "", key_file: str = "") -> int:
    """Show the window until it is closed.

    Parameters
    ----------
    station : Station
    device : str
        URL to connect to at once; empty: the operator chooses.
    key_file : str
        Of its key.

    Returns
    -------
    int
        Exit status.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    application = QApplication(sys.argv[:1])
    prepare(application)
    window = Window(station)
    window.emergency.install(application)
    window.show()
    if device:
        window.connect_to(device, key_file)
    return application.exec()
