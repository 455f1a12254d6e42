"""Pictures of every page in every theme, for docs/screens: `make screens`.

    python -m benchmarks.screens [--size 1280x800] [--out docs/screens]

A station of its own with a simulated device leads one session of a minute on the page of the
programmer, with seeds; the pages then show what came of it. Times and latencies are this
machine's, all else is the same on every run that is fast enough to keep up.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QEventLoop, QSettings, QTimer
from PySide6.QtWidgets import QApplication

from stimloop import demo, prescription, run_session
from stimloop.app.launch import prepare
from stimloop.app.monitor import Monitor
from stimloop.app.review import Review
from stimloop.app.sense import TABS, Sense
from stimloop.app.theme import THEMES
from stimloop.app.window import Window
from stimloop.station import Phase, Station
from stimloop.station.requests import (
    Arm,
    Commit,
    Connect,
    Mark,
    Refused,
    Request,
    Stage,
    Start,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent
URL = "sim://dbs?patient=default&seed=7&pace=real"
THERAPY_S = 14
SWEEP_S = 24
SHARED = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  # one of its own in it
"""Where the station would live without a run directory: the pictures show its paths."""
CAPTURED_S = 30


def wait(seconds: float) -> None:
    """Let the window live."""
    loop = QEventLoop()
    QTimer.singleShot(round(seconds * 1000), loop.quit)
    loop.exec()


def until(holds: Callable[[], object], what: str) -> None:
    """Let the window live until something holds."""
    end = time.monotonic() + 60
    while not holds():
        if time.monotonic() > end:
            raise SystemExit(
                f"{what} did not happen; run it again on a machine with less to do"
            )
        wait(0.02)


def done(station: Station, *asked: Request) -> None:
    """Ask one after another."""
    for request in asked:
        reply = station.ask(request)
        if isinstance(reply, Refused):
            raise SystemExit(reply.sentence)


class Pictures:
    """Takes pictures of one window.

    Parameters
    ----------
    window : Window
    directory : Path
    suffix : str
        Behind each name.
    """

    def __init__(self, window: Window, directory: Path, suffix: str) -> None:
        self._window = window
        self._directory = directory
        self._suffix = suffix

    def take(self, page: str, name: str, ready: Callable[[], object] | None = None) -> None:
        """Show a page in each theme, and keep what is seen."""
        for theme in THEMES:
            self._window.wear(THEMES[theme])
            self._window.show_page(page)
            self._window.notice.hide()
            wait(0.6)
            if ready is not None:
                ready()
                wait(0.6)
            path = self._directory / f"{name}-{theme.replace(' ', '-')}{self._suffix}.png"
            self._window.grab().save(str(path))
            print(path)


def sensed(window: Window) -> Sense:
    """Sense for a while, survey, rehearse."""
    page = window.pages["sense"]
    assert isinstance(page, Sense)
    page.seconds.setValue(CAPTURED_S)
    page.go.click()
    until(lambda: page.survey.table.rowCount() and page.histogram.thresholds, "a survey")
    page.rehearsal.controller.take({"kind": "on_off"})
    return page


def swept(station: Station) -> None:
    """Sweep the amplitude, as a therapy of its own."""
    text = demo.prescription_text("continuous").replace(
        'kind = "continuous"', 'kind = "sweep"\ndwell_ms = 3000.0\nsettle_ms = 1000.0'
    )
    done(station, Stage(text), Commit(), Arm(), Start())
    wait(SWEEP_S)
    station.stop()
    until(lambda: station.snapshot().phase is not Phase.THERAPY, "the end of the sweep")


def look_back(page: Review, records: Path, other: Path) -> None:
    """Open the latest session in the middle, with another prescription over it."""
    page.look()
    page.open(records / "minute")
    until(lambda: page.chronicle, "the reading of a session")
    page.rehearse(other)
    until(lambda: page._other is not None, "a rehearsal")
    page.go(30.0)


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="1280x800")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screens")
    asked = parser.parse_args()
    width, height = map(int, asked.size.split("x"))
    suffix = "" if asked.size == "1280x800" else f"-{asked.size}"
    asked.out.mkdir(parents=True, exist_ok=True)
    application = QApplication([])
    prepare(application)
    with tempfile.TemporaryDirectory(prefix="stimloop-", dir=SHARED) as folder:
        place = Path(folder)
        os.environ["XDG_DATA_HOME"] = str(place / "data")
        records = place / "records"
        text = (ROOT / "examples" / "dbs_dual.toml").read_text("utf-8")
        run_session(
            prescription.loads(text),
            "sim://dbs?seed=7",
            seconds=60,
            directory=records / "minute",
        )
        with Station.launch(place / "run", records=records, who="screens") as station:
            settings = QSettings(str(place / "settings.ini"), QSettings.Format.IniFormat)
            window = Window(station, settings)
            window.resize(width, height)
            window.show()
            picture(window, station, records, Pictures(window, asked.out, suffix))
            window.close()
            assert station.process is not None
            station.process.kill()
            station.process.wait()


def picture(window: Window, station: Station, records: Path, pictures: Pictures) -> None:
    """Lead the operator's day, and take a picture of each page on the way."""
    done(station, Connect(URL))
    until(lambda: station.snapshot().phase is Phase.WATCHING, "the connection")
    connect = window.pages["connect"]
    until(connect.addresses.count, "a look at the ports")  # type: ignore[attr-defined]
    wait(0.5)
    pictures.take("connect", "connect")
    impedance = window.pages["impedance"]
    impedance.go.click()  # type: ignore[attr-defined]  # the page's own
    until(impedance.matrix.rowCount, "a measurement")  # type: ignore[attr-defined]
    pictures.take("impedance", "impedance")
    sense = sensed(window)
    for number, title in enumerate(TABS):
        if title == "Sweep":
            continue  # there is none yet

        def chosen(number: int = number) -> None:
            sense._tabs[number].click()
            until(sense.survey.table.rowCount, "a survey")
            if number == len(TABS) - 1:
                sense.rehearse()
                until(sense.rehearsal._numbers.text, "a rehearsal")

        pictures.take("sense", f"sense-{title.lower()}", chosen)
    swept(station)
    pictures.take("sense", "sense-sweep", sense._tabs[2].click)
    text = demo.prescription_text("adaptive", 1.2)
    done(station, Stage(text), Commit())
    (records / "shown.toml").write_text(text, "utf-8")
    program = window.pages["program"]
    program.load(records / "shown.toml")  # type: ignore[attr-defined]  # the page's own
    wait(0.5)
    pictures.take("program", "program")
    done(station, Arm(), Start())
    monitor = window.pages["monitor"]
    assert isinstance(monitor, Monitor)
    window.show_page("monitor")
    wait(THERAPY_S / 2)
    done(station, Mark("tremor"))
    wait(THERAPY_S / 2)
    monitor.scope.fit()
    pictures.take("monitor", "monitor", lambda: monitor.scope.time_cursor.move(-3.0))
    station.stop()
    until(lambda: station.snapshot().phase is not Phase.THERAPY, "the end of the session")
    review = window.pages["review"]
    assert isinstance(review, Review)
    window.show_page("review")
    look_back(review, records, ROOT / "examples" / "dbs_pi.toml")
    pictures.take("review", "review")
    pictures.take("audit", "audit")


if __name__ == "__main__":
    main()
