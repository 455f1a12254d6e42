"""The station: a process that holds the device, and what its callers can do to it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

import stimloop
from stimloop.devices import describe
from stimloop.station import Phase, Snapshot, Station, StationError
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

    from tests.loop.conftest import Implant

URL = "sim://dbs?seed=1&pace=real"
LEASE_MS, RAMP_MS, FALLBACK_MS = 2_000, 250, 650
BLOCK_MS = 20
"""The device answers in whole blocks."""
CLIENT = """\
import sys, time
from pathlib import Path
from stimloop.station import Station
from stimloop.station.requests import *
place = Path(sys.argv[1])
station = Station.launch(place / "run", records=place / "records", who="to be killed")
print(station.process.pid, flush=True)
text = (place / "prescription.toml").read_text("utf-8")
for asked in (Connect(sys.argv[2]), Stage(text), Commit(), Arm(), Start(False, 1_000)):
    assert not isinstance(station.ask(asked), Refused), asked
print("begun", flush=True)
while True:  # asks without end, and never listens
    station.send(Describe())
    time.sleep(0.001)
"""


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


def test_a_client_that_hangs_or_is_killed_changes_nothing_and_another_one_takes_over(
    tmp_path: Path, prescription_file: Callable[..., Path]
) -> None:
    prescription_file()
    command = [sys.executable, "-c", CLIENT, str(tmp_path), URL]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        process = int(client.stdout.readline())
        try:
            assert client.stdout.readline() == "begun\n"
            client.send_signal(signal.SIGSTOP)
            with Station.attach(tmp_path / "run", "the second") as second:
                hung = until(second, lambda shown: shown.record)
                until(second, lambda shown: shown.steps > hung.steps + 25)
                client.send_signal(signal.SIGKILL)
                client.wait()
                killed = second.snapshot()
            with Station.attach(tmp_path / "run", "the third") as third:
                shown = until(third, lambda shown: shown.steps > killed.steps + 25)
                assert (shown.phase, shown.record) == (Phase.THERAPY, hung.record)
                assert shown.status.amplitude_ua == 1_000
                done(third, Continuous(1_500))
                until(third, lambda shown: shown.status.delivered_ua == 1_500)
                assert isinstance(third.stop(), Done)
                shown = until(third, lambda shown: shown.phase is Phase.SENSING)
                assert (shown.status.state, shown.status.amplitude_ua) == (State.IDLE, 0)
                assert (shown.status.refused, shown.status.stale) == (0, 0)
                done(third, Shutdown())
            record = stimloop.Record.open(shown.record)
            assert len(list((tmp_path / "records").glob("session-*"))) == 1
            assert stimloop.summarize(record).lost_samples == 0
            assert stimloop.replay_record(record).identical
        finally:
            client.kill()
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def test_a_killed_station_leaves_a_fallback_then_silence_and_whole_papers(
    station: Station,
    tmp_path: Path,
    implant: Callable[..., Implant],
    prescription_file: Callable[..., Path],
) -> None:
    text = prescription_file().read_text("utf-8")
    assert station.process is not None
    with implant("dbs?seed=1", "--pty") as (_, port):
        done(station, Connect(port), Stage(text), Commit(), Arm(), Start(False, 1_000))
        shown = until(station, lambda shown: shown.steps > 150)
        station.process.kill()
        station.process.wait()
        # Judged on the device's own clock, so that a busy machine changes nothing.
        seen = [describe(port)]
        while seen[-1]["state"] != State.IDLE.name:
            seen.append(describe(port))
    lease_end_us = seen[0]["t_us"] + seen[0]["lease_left_ms"] * 1000
    renewed_us = lease_end_us - LEASE_MS * 1000
    for status in seen:
        silent_ms = (status["t_us"] - renewed_us) / 1000
        if silent_ms > FALLBACK_MS + BLOCK_MS:
            assert status["programs"]["A1"]["amplitude_ua"] == 0
        if silent_ms < LEASE_MS:
            assert status["state"] in ("STIMULATING", "HOLD", "FALLBACK")
        if silent_ms > LEASE_MS + RAMP_MS + BLOCK_MS:
            assert status["state"] == State.IDLE.name
    assert State.FALLBACK.name in {status["state"] for status in seen}
    assert (seen[-1]["pulses"] > 0, seen[-1]["net_fc"]) == (True, 0)
    with pytest.raises(StationError, match="the station is gone"):
        station.ask(Describe())
    reply = station.stop()
    assert isinstance(reply, Refused)
    assert "did not reach the station" in reply.sentence
    record = stimloop.Record.open(shown.record)
    assert record.torn
    assert stimloop.replay_record(record).identical
    assert verify(tmp_path / "records" / "audit.sqlite") == 5
    with Station.launch(tmp_path / "run", records=tmp_path / "records") as again:
        assert again.snapshot().audit_broken == ""
        done(again, Shutdown())
        assert again.process is not None
        assert again.process.wait(10) == 0


def test_a_stop_for_a_device_that_hangs_says_what_to_do_and_ends_it_when_it_comes_back(
    station: Station, implant: Callable[..., Implant], prescription_file: Callable[..., Path]
) -> None:
    path = prescription_file(("slew_ma_per_s", "lease_ms = 10000\nslew_ma_per_s"))
    with implant("dbs?seed=1", "--pty") as (process, port):
        done(station, Connect(port), Stage(path.read_text("utf-8")), Commit(), Arm())
        done(station, Start(adaptive=False, amplitude_ua=1_000))
        before = until(station, lambda shown: shown.status.delivered_ua == 1_000)
        process.send_signal(signal.SIGSTOP)
        reply = station.stop()
        process.send_signal(signal.SIGCONT)
        assert isinstance(reply, Refused)
        assert "switch the output off at the device" in reply.sentence
        after = until(
            station,
            lambda shown: shown.phase is Phase.WATCHING and shown.status.state == State.IDLE,
        )
        assert after.said.endswith("stage, commit, arm and start a new one")
        assert after.status.amplitude_ua == 0
        assert after.status.t_us - before.status.t_us < 9_000_000  # before the lease
        done(station, Stage(path.read_text("utf-8")), Commit(), Arm())
        done(station, Start(adaptive=False, amplitude_ua=1_000))
        before = until(station, lambda shown: shown.status.delivered_ua == 1_000)
        assert station.process is not None
        station.process.terminate()
        assert station.process.wait(10) == 0
        told = describe(port)
    assert told["state"] == State.IDLE.name
    assert told["t_us"] - before.status.t_us < 9_000_000
    assert not stimloop.Record.open(before.record).torn
