"""The pages that draw, in the window, on a station of its own with a simulated device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop import demo
from stimloop.app.monitor import Monitor
from stimloop.app.program import Program
from stimloop.app.sense import Sense
from stimloop.station import Phase
from stimloop.station.requests import Arm, Commit, Connect, Mark, Refused, Request, Stage, Start
from stimloop_hw.vocabulary import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from stimloop.app.window import Window
    from stimloop.station import Station

URL = "sim://dbs?seed=7&pace=real"


def done(station: Station, *asked: Request) -> None:
    for request in asked:
        reply = station.ask(request)
        assert not isinstance(reply, Refused), reply


def test_what_is_sensed_becomes_a_proposal_in_the_draft_and_nothing_is_programmed(
    window: Window, station: Station, until: Callable[[Callable[[], object]], None]
) -> None:
    page, program = window.pages["sense"], window.pages["program"]
    assert isinstance(page, Sense)
    assert isinstance(program, Program)
    done(station, Connect(URL))
    until(lambda: page.go.isEnabled() and program.editor is not None)
    window.show_page("sense")
    page.seconds.setValue(5)
    page.go.click()
    until(lambda: page.survey.table.rowCount() == 1)
    assert station.snapshot().status.amplitude_ua == 0
    until(lambda: station.snapshot().phase is Phase.WATCHING)
    page._propose()
    assert program.editor is not None
    assert program.editor.draft.tables["detector"]["band_hz"] == page._detector["band_hz"]
    assert station.snapshot().staged_crc == 0


def test_a_session_is_seen_from_its_first_tick_to_its_marks(
    window: Window, station: Station, until: Callable[[Callable[[], object]], None]
) -> None:
    page = window.pages["monitor"]
    assert isinstance(page, Monitor)
    window.show_page("monitor")
    text = demo.prescription_text("adaptive", 1.0)
    done(station, Connect(URL), Stage(text), Commit(), Arm(), Start())
    until(lambda: len(page.memory.steps.all) > 50)
    done(station, Mark("here"))
    until(lambda: page.memory.marks)
    assert page.memory.marks[-1].text == "here"
    assert page.scope.level.thresholds == (1.0,)
    shown = page.memory.steps.all[-1]
    assert shown["state"] == station.snapshot().status.state
    station.stop()
    until(lambda: page.memory.steps.all[-1]["state"] == State.IDLE)
    assert page.memory.steps.all[-1]["delivered_ua"] == 0
    assert "0.00 mA" in page.scope._told[page.scope.amplitude]
