"""The same session over a real tty, in real time, with the host killed and the cable pulled."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

import stimloop
from stimloop.devices import describe, stop_output
from stimloop.errors import RecordError
from stimloop_hw import LinkLost
from stimloop_hw.vocabulary import State

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.loop.conftest import Implant

LEASE_MS, RAMP_MS, FALLBACK_MS = 2_000, 250, 650
BLOCK_MS = 20
"""The device answers in whole blocks."""


@pytest.mark.parametrize(("fs_hz", "kind"), [(250, "on_off"), (1000, "continuous")])
def test_nothing_is_lost_in_ten_seconds_over_a_tty(
    fs_hz: int,
    kind: str,
    tmp_path: Path,
    implant: Callable[..., Implant],
    prescription_file: Callable[..., Path],
) -> None:
    changes = [("on_off", kind)]
    if kind == "continuous":
        changes.append(("threshold_uv = 3.0\n", ""))
    prescription = stimloop.load_prescription(prescription_file(*changes))
    with implant(f"dbs?seed=1&fs={fs_hz}", "--pty") as (_, port):
        directory = stimloop.run_session(
            prescription, port, seconds=10, directory=tmp_path / "record"
        )
    record = stimloop.Record.open(directory)
    summary = stimloop.summarize(record)
    assert summary.samples == 10 * fs_hz
    assert summary.lost_samples == 0
    assert summary.net_charge_nc == 0
    assert stimloop.replay_record(record).identical


def test_a_session_over_tcp_delivers_and_replays(
    tmp_path: Path,
    implant: Callable[..., Implant],
    prescription_file: Callable[..., Path],
) -> None:
    prescription = stimloop.load_prescription(prescription_file())
    with implant("dbs?seed=1", "--tcp", "127.0.0.1:0") as (_, port):
        directory = stimloop.run_session(
            prescription, port, seconds=3, directory=tmp_path / "record"
        )
    record = stimloop.Record.open(directory)
    assert stimloop.summarize(record).lost_samples == 0
    assert stimloop.replay_record(record).identical


def test_a_killed_host_leaves_a_fallback_then_silence_and_a_record_that_replays(
    tmp_path: Path,
    implant: Callable[..., Implant],
    prescription_file: Callable[..., Path],
) -> None:
    path = prescription_file(("on_off", "continuous"), ("threshold_uv = 3.0\n", ""))
    command = [sys.executable, "-m", "stimloop", "run", str(path), "--out", str(tmp_path / "r")]
    with implant("dbs?seed=1", "--pty") as (_, port):
        with subprocess.Popen([*command, "--device", port]) as host:
            _await(lambda: _rows(tmp_path / "r", "steps") >= 200)
            host.send_signal(signal.SIGKILL)
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
    assert seen[-1]["pulses"] > 0
    assert seen[-1]["net_fc"] == 0
    record = stimloop.Record.open(tmp_path / "r")
    assert record.torn
    replay = stimloop.replay_record(record)
    assert replay.identical
    assert replay.steps >= 200
    assert replay.orders == 13


def test_an_unplugged_device_ends_the_session_with_one_sentence_and_a_whole_record(
    tmp_path: Path,
    implant: Callable[..., Implant],
    prescription_file: Callable[..., Path],
) -> None:
    prescription = stimloop.load_prescription(prescription_file())
    with implant("dbs?seed=1", "--pty") as (process, port):

        def unplug(seconds: float) -> None:
            if seconds >= 2:
                process.kill()

        with pytest.raises(LinkLost, match="lease ends the therapy"):
            stimloop.run_session(
                prescription, port, directory=tmp_path / "record", on_progress=unplug
            )
    record = stimloop.Record.open(tmp_path / "record")
    assert record.torn == ()
    assert stimloop.replay_record(record).identical
    assert any(row.kind == "note" for row in record.events())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_session_ends_with_the_output_off_and_a_whole_record(
    number: signal.Signals,
    tmp_path: Path,
    implant: Callable[..., Implant],
    prescription_file: Callable[..., Path],
) -> None:
    path = prescription_file(("on_off", "continuous"), ("threshold_uv = 3.0\n", ""))
    command = [sys.executable, "-m", "stimloop", "run", str(path), "--out", str(tmp_path / "r")]
    with implant("dbs?seed=1", "--pty") as (_, port):
        with subprocess.Popen(
            [*command, "--device", port], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as host:
            _await(lambda: _rows(tmp_path / "r", "steps") >= 100)
            host.send_signal(number)
            assert host.wait() == 0
        seen = describe(port)
        assert (seen["state"], seen["programs"]["A1"]["amplitude_ua"]) == (State.IDLE.name, 0)
        assert seen["pulses"] > 0
    record = stimloop.Record.open(tmp_path / "r")
    assert record.torn == ()
    assert stimloop.replay_record(record).identical
    assert [row.text for row in record.events() if row.kind == "operator"][-1] == "interrupt"


def test_stop_from_another_program_ends_a_running_therapy(
    tmp_path: Path,
    implant: Callable[..., Implant],
    prescription_file: Callable[..., Path],
) -> None:
    path = prescription_file(("on_off", "continuous"), ("threshold_uv = 3.0\n", ""))
    command = [sys.executable, "-m", "stimloop", "run", str(path), "--out", str(tmp_path / "r")]
    with implant("dbs?seed=1", "--pty") as (_, port):
        with subprocess.Popen([*command, "--device", port]) as host:
            try:
                _await(lambda: _rows(tmp_path / "r", "steps") >= 100)
                host.send_signal(signal.SIGSTOP)
                stopped = stop_output(port)
            finally:
                host.kill()
        assert "stopped: IDLE" in stopped
        pulses = describe(port)["pulses"]
        assert pulses > 0
        later = describe(port)
        assert (later["state"], later["pulses"]) == (State.IDLE.name, pulses)


def _rows(directory: Path, stream: str) -> int:
    try:
        return int(stimloop.Record.open(directory).table(stream).num_rows)
    except RecordError:
        return 0


def _await(condition: Callable[[], bool]) -> None:
    for _ in range(200):
        if condition():
            return
        time.sleep(0.1)
    pytest.fail("it did not happen in 20 s")
