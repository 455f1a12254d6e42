"""What tests of the programmer share: Qt without a screen, a window, a station of its own.

Where Qt's system libraries are missing only `test_prerequisites.py` is collected; it says so.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stimloop.app.prerequisites import missing
from stimloop.station import Phase, Station
from stimloop.station.requests import Describe, Description, Disconnect

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
LACKING = missing()
_HERE = Path(__file__).parent
collect_ignore = (
    [path.name for path in _HERE.glob("test_*.py") if path.name != "test_prerequisites.py"]
    if LACKING
    else []
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PySide6.QtWidgets import QApplication
    from pytestqt.qtbot import QtBot
    from tests.app.operator import Operator

    from stimloop.app.window import Window

if not LACKING:
    # The plugin itself is off: where Qt's libraries are missing it would stop every test.
    from pytestqt.exceptions import capture_exceptions, format_captured_exceptions
    from pytestqt.qt_compat import qt_api
    from pytestqt.qtbot import QtBot as _QtBot

    qt_api.set_qt_api("pyside6")


@pytest.fixture(scope="session")
def qapp() -> QApplication:
    """The one application, dressed as the programmer's."""
    from PySide6.QtWidgets import QApplication  # noqa: PLC0415  only where it can be loaded

    from stimloop.app.launch import prepare  # noqa: PLC0415

    application = QApplication.instance() or QApplication([])
    assert isinstance(application, QApplication)
    prepare(application)
    return application


@pytest.fixture
def qtbot(qapp: QApplication, request: pytest.FixtureRequest) -> Iterator[QtBot]:
    """Clicks and keys; an exception in a slot fails the test."""
    bot = _QtBot(request)
    with capture_exceptions() as raised:
        yield bot
        for widget in qapp.topLevelWidgets():
            # Only what was shown: plots have hidden windows of their own, and end them.
            if widget.isVisible():
                widget.close()
                widget.deleteLater()
        qapp.processEvents()
    if raised:
        pytest.fail(format_captured_exceptions(raised))


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """A station for all tests of the window, killed in the end."""
    place = tmp_path_factory.mktemp("station")
    launched = Station.launch(place / "run", records=place / "records", who="tests")
    with launched:
        yield launched
    assert launched.process is not None
    launched.process.kill()
    launched.process.wait()


@pytest.fixture
def station(process: Station) -> Iterator[Station]:
    """A client of it, without a device before and after."""
    with Station.attach(process.directory, "a test") as attached:
        yield attached
    with Station.attach(process.directory, "after a test") as attached:
        if attached.snapshot().phase is not Phase.EMPTY:
            attached.stop()
        while attached.snapshot().phase is not Phase.EMPTY:
            attached.ask(Disconnect())


@pytest.fixture
def audit(process: Station) -> Path:
    """File of the audit log."""
    described = process.ask(Describe())
    assert isinstance(described, Description)
    return Path(described.audit)


@pytest.fixture
def window(
    station: Station,
    qtbot: QtBot,
    qapp: QApplication,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Window]:
    """The whole window on that station, with nothing of this user's in it."""
    from PySide6.QtCore import QSettings  # noqa: PLC0415

    from stimloop.app.window import Window  # noqa: PLC0415

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr("stimloop.app.connect.offered", lambda: iter(()))
    settings = QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)
    shown = Window(station, settings)
    shown.emergency.install(qapp)
    with qtbot.waitActive(shown):
        shown.show()
        shown.activateWindow()
    yield shown
    qapp.removeEventFilter(shown.emergency)
    shown.close()
    shown.deleteLater()


@pytest.fixture
def until(qtbot: QtBot) -> Callable[[Callable[[], object]], None]:
    """Let the window live until something holds, half a minute at most."""

    def wait(holds: Callable[[], object]) -> None:
        end = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < end, "it did not happen"
            qtbot.wait(10)

    return wait


@pytest.fixture
def operator(
    window: Window, qtbot: QtBot, until: Callable[[Callable[[], object]], None]
) -> Operator:
    """A person at the window."""
    from tests.app.operator import Operator  # noqa: PLC0415

    return Operator(window, qtbot, until)
