"""The station: a process that holds the device, and what its callers can do to it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

import stimloop
from stimloop.station import Phase, Snapshot, Station
from stimloop.station.audit import rows, verify
from stimloop.station.requests import (
    Adapt,
    Arm,
    Change,
    Commit,
    Connect,
    Continuous,
    Describe,
    Description,
    Done,
    Mark,
    ReadBack,
    Refused,
    Reply,
    Request,
    Sense,
    Shutdown,
    Stage,
    Start,
)
from stimloop_hw.vocabulary import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

URL = "sim://dbs?seed=1&pace=real"


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    """A station of its own, killed in the end."""
    with Station.launch(
        tmp_path / "run", records=tmp_path / "records", who="a test"
    ) as launched:
        yield launched
        assert launched.process is not None
        launched.process.kill()
        launched.process.wait()


def until(station: Station, seen: Callable[[Snapshot], object]) -> Snapshot:
    """Wait for what a snapshot shows, half a minute at most."""
    for _ in range(3_000):
        shown = station.snapshot()
        if seen(shown):
            return shown
        time.sleep(0.01)
    raise AssertionError(shown)


def done(station: Station, *asked: Request) -> Reply:
    """Ask one after another; each must be done."""
    for request in asked:
        reply = station.ask(request)
        assert not isinstance(reply, Refused), f"{request}: {reply}"
    return reply


def test_from_connect_to_stop_and_the_record_of_all_of_it_replays(
    station: Station, prescription_file: Callable[..., Path], tmp_path: Path
) -> None:
    text = prescription_file().read_text("utf-8")
    done(station, Connect(URL))
    described = station.ask(Describe())
    assert isinstance(described, Description)
    assert described.limits[0].contacts == 4
    read_back = done(station, Stage(text))
    assert isinstance(read_back, ReadBack)
    held = {one.parameter: one for one in read_back.parameters}
    assert held["period_min_us"].asked == pytest.approx(7692.3, abs=0.1)
    assert held["period_min_us"].held == 7690
    done(station, Commit(), Arm(), Start(adaptive=False, amplitude_ua=1_000))
    until(station, lambda shown: shown.status.amplitude_ua == 1_000)
    done(station, Change(100), Mark("here"))
    until(station, lambda shown: shown.status.delivered_ua == 1_100)
    done(station, Adapt())
    shown = until(station, lambda shown: shown.adaptive and shown.status.amplitude_ua == 0)
    assert (shown.phase, shown.status.state) == (Phase.THERAPY, State.STIMULATING)
    done(station, Continuous(500))
    until(station, lambda shown: shown.status.amplitude_ua == 500)
    assert isinstance(station.stop(), Done)
    shown = until(station, lambda shown: shown.phase is Phase.SENSING)
    assert (shown.status.state, shown.status.amplitude_ua) == (State.IDLE, 0)
    samples, steps = station.samples(), station.steps()
    assert (samples.lost, steps.lost) == (0, 0)
    record = stimloop.Record.open(shown.record)
    told = [event.text for event in record.events() if event.kind == "operator"]
    assert told == [
        *("lead to an amplitude", "start", "lead to an amplitude", "mark: here"),
        *("close the loop", "lead to an amplitude", "emergency stop"),
    ]
    of_session = samples.rows[samples.rows["stream"] == shown.stream]
    recorded = record.samples()
    count = len(recorded.index)
    assert (of_session["index"][:count] == recorded.index).all()
    assert (of_session["nv"][:count, 0] == recorded.nv[:, 0]).all()
    assert (steps.rows["admitted_ua"] == record.column("steps", "admitted_ua")).all()
    assert stimloop.replay_record(record).identical
    done(station, Shutdown())
    assert station.process is not None
    assert station.process.wait(10) == 0
    log = tmp_path / "records" / "audit.sqlite"
    assert verify(log) == 11
    assert [row.what for row in rows(log)][-4:] == ["Adapt", "Continuous", "Stop", "Shutdown"]


def test_sensing_alone_shows_samples_and_stimulates_nothing(station: Station) -> None:
    done(station, Connect(URL), Sense([0]))
    until(station, lambda shown: shown.phase is Phase.SENSING and shown.status.t_us > 800_000)
    found = station.samples()
    assert len(found.rows) > 50
    assert (found.rows["index"][1:] - found.rows["index"][:-1] == 1).all()
    assert set(found.rows["t_us"][1:] - found.rows["t_us"][:-1]) == {4_000}
    assert found.rows["nv"][:, 0].any()
    done(station, Sense([]))
    assert until(station, lambda shown: shown.phase is Phase.WATCHING).status.pulses == 0
