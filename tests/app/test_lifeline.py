"""What goes on when the window, the cable or the device does not."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.app.operator import URL, Operator

from stimloop.app.program_sheets import StartSheet
from stimloop.station import Phase, Station
from stimloop.station.requests import Arm, Commit, Refused, Stage, Start
from stimloop_hw.vocabulary import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stimloop.app.window import Window


def done(station: Station, *asked: object) -> None:
    """Ask one after another; each must be done."""
    for request in asked:
        reply = station.ask(request)  # type: ignore[arg-type]
        assert not isinstance(reply, Refused), f"{request}: {reply}"


EXAMPLE = Path(__file__).parents[2] / "examples" / "dbs_proportional.toml"


def test_a_killed_app_ends_nothing_and_the_next_one_shows_what_runs(
    station: Station,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    until: Callable[[Callable[[], object]], None],
) -> None:
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "stimloop.app", "--station", str(station.directory)]
    with subprocess.Popen([*command, "--device", URL], env=environment) as app:
        until(lambda: station.snapshot().phase is Phase.WATCHING)
        done(
            station,
            Stage(EXAMPLE.read_text()),
            Commit(),
            Arm(),
            Start(adaptive=False, amplitude_ua=500),
        )
        until(lambda: station.snapshot().status.delivered_ua == 500)
        app.send_signal(signal.SIGKILL)
    before = station.snapshot()
    until(lambda: station.snapshot().steps > before.steps + 10)
    assert station.snapshot().status.delivered_ua == 500
    window: Window = request.getfixturevalue("window")
    until(lambda: window.safety.amplitude_text == "0.500 mA")
    assert "Stimulating" in window.safety.state_text
    window.safety.stop.click()
    until(lambda: station.snapshot().status.state == State.IDLE)


@pytest.fixture
def implant(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts a simulated implant behind a tty of the same name each time."""
    started: list[subprocess.Popen[bytes]] = []
    command = [sys.executable, "-m", "stimloop_sim", "dbs", "--pty", "--link"]

    def start() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([*command, str(tmp_path / "implant")]))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_an_unplugged_device_is_not_known_and_comes_back_without_therapy(
    operator: Operator, implant: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    device = implant()
    operator.until((tmp_path / "implant").exists)
    operator.connect(str(tmp_path / "implant"))
    operator.choose()
    operator.commit()
    operator.start()
    operator.raise_to(100)
    (tmp_path / "implant").unlink()  # another's tty may get its number
    device.kill()
    device.wait()
    safety = operator.window.safety
    operator.until(lambda: operator.shown.phase is Phase.LOST)
    operator.until(lambda: "Not known" in safety.state_text)
    assert safety.amplitude_text == "– mA"
    assert safety.stop.isEnabled()
    implant()
    operator.until(lambda: operator.shown.phase is Phase.WATCHING)
    operator.until(lambda: "Off" in safety.state_text)
    assert operator.shown.status.pulses == 0


def test_what_the_device_refuses_is_said_in_its_words_and_nothing_starts(
    operator: Operator, tmp_path: Path
) -> None:
    faults = tmp_path / "empty.toml"
    faults.write_text(
        "schema = 1\n[[fault]]\nkind = 'battery_collapse'\nat_ms = 100\nleft_permille = 15\n"
    )
    operator.connect(f"{URL}&faults={faults}")
    operator.choose()
    operator.commit()
    operator.click(operator.program.bar.start)
    sheet = operator.sheet(StartSheet)
    operator.click(sheet.consent)
    operator.click(sheet.start)
    # An empty battery refuses the start, or has ended what was committed by then.
    operator.until(lambda: "the device refused" in operator.window.notice.text)
    assert re.search("battery|not allowed in state IDLE", operator.window.notice.text)
    assert operator.shown.phase is not Phase.THERAPY
    assert operator.shown.status.pulses == 0


def test_an_address_where_nothing_answers_is_refused_with_what_to_do(
    operator: Operator,
) -> None:
    page = operator.window.pages["connect"]
    page.connect_to("/dev/there-is-no-such-port")  # type: ignore[attr-defined]
    operator.until(lambda: "cannot open" in operator.window.notice.text)
    assert operator.shown.phase is Phase.EMPTY
