"""The station, turn by turn in virtual time: what comes first, what is refused, what stays."""

from __future__ import annotations

import socket
import sqlite3
import time
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from serial import SerialException

import stimloop
from stimloop.errors import RecordError
from stimloop.recorder import Recorder
from stimloop.station import Phase, Snapshot, Station, StationError, directory
from stimloop.station.audit import rows, verify
from stimloop.station.requests import (
    STOP,
    Adapt,
    Arm,
    Change,
    Check,
    Checked,
    ClearFault,
    Commit,
    Connect,
    Continuous,
    Describe,
    Disconnect,
    Done,
    Mark,
    Records,
    Refused,
    Reply,
    Request,
    Sense,
    Shutdown,
    Stage,
    Start,
    Stop,
    Survey,
    Surveyed,
    read_reply,
    request_line,
)
from stimloop.station.server import Server
from stimloop_hw.vocabulary import Bound, Fault, Role, State, StopMode
from stimloop_sim.bench import Bench
from stimloop_sim.cable import Cable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from stimloop.station.desk import Desk
    from stimloop_hw.ports import Port
    from stimloop_sim.firmware import Firmware

OFF = frozenset({State.IDLE, State.CONFIGURED, State.FAULT})


class Room:
    """A station and one client, in one thread: nothing happens but by a turn."""

    def __init__(self, place: Path, unattended_s: float = float("inf")) -> None:
        self.place = place
        self.server = Server(place / "run", place / "records", unattended_s)
        self.client = Station.attach(place / "run", "a test")

    @property
    def desk(self) -> Desk:
        return self.server._desk

    @property
    def firmware(self) -> Firmware:
        port: Any = self.desk.held()._port._port
        firmware: Firmware = port.bench.firmware
        return firmware

    @property
    def state(self) -> State:
        return self.firmware.therapy.state

    @property
    def shown(self) -> Snapshot:
        self.server._show()
        return self.client.snapshot()

    def turn(self, count: int = 1) -> None:
        for _ in range(count):
            self.server.turn()

    def until(self, phase: Phase) -> None:
        for _ in range(5_000):
            if self.desk.phase is phase:
                return
            self.turn()
        raise AssertionError(self.desk.phase)

    def ask(self, request: Request) -> Reply:
        replies: list[Reply] = []
        self.client.send(request, replies.append)
        for _ in range(1_000):
            self.turn()
            self.client.poll()
            if replies:
                return replies[0]
        raise AssertionError(request)

    def done(self, *asked: Request) -> Reply:
        for request in asked:
            reply = self.ask(request)
            assert not isinstance(reply, Refused), f"{request}: {reply}"
        return reply

    def refused(self, request: Request) -> str:
        reply = self.ask(request)
        assert isinstance(reply, Refused), reply
        return reply.sentence

    def call_stop(self, mode: StopMode = StopMode.GROUND) -> None:
        self.client._stop.send(STOP.dump_json(Stop(mode)))

    def stop_reply(self) -> Reply:
        return read_reply(self.client._stop.recv(4096))[1]

    def audited(self) -> list[tuple[str, str]]:
        log = self.place / "records" / "audit.sqlite"
        return [(row.what, row.outcome) for row in rows(log)]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path)
    yield made
    made.server.close()
    made.client.close()


@pytest.fixture
def text(prescription_file: Callable[..., Path]) -> str:
    return prescription_file().read_text("utf-8")


def begin(room: Room, text: str, start: Start | None = None, url: str = "sim://dbs") -> None:
    room.done(Connect(url), Stage(text), Commit(), Arm())
    room.done(Start(adaptive=False, amplitude_ua=1_000) if start is None else start)


# STOP -----------------------------------------------------------------------------------------


def test_stop_is_done_before_everything_that_was_asked_earlier(room: Room, text: str) -> None:
    begin(room, text)
    room.turn(20)
    assert room.firmware.therapy.pulses.amplitude_ua > 0
    for number in range(50):
        room.client.send(Mark(str(number)))
    room.call_stop()
    room.turn()
    assert room.state == State.IDLE
    assert isinstance(room.stop_reply(), Done)
    room.turn(60)
    told = [what for what, _ in room.audited()]
    assert told[-51:] == ["Stop", *["Mark"] * 50]


class Interrupting:
    """A port at whose n-th read somebody else has just asked to stop."""

    def __init__(self, port: Port, call: Callable[[], None], read: int) -> None:
        self._port = port
        self._call = call
        self._left = read

    @property
    def in_waiting(self) -> int:
        return self._port.in_waiting

    def write(self, data: bytes, /) -> int | None:
        return self._port.write(data)

    def close(self) -> None:
        self._port.close()

    def read(self, size: int, /) -> bytes:
        self._left -= 1
        if not self._left:
            self._call()
        return self._port.read(size)


@pytest.mark.parametrize("mode", StopMode)
@pytest.mark.parametrize("request_", [Start(), Start(adaptive=False, amplitude_ua=2_000)])
def test_a_stop_at_any_moment_of_a_start_ends_with_the_output_off_and_an_acknowledgement(
    request_: Start, mode: StopMode, room: Room, text: str
) -> None:
    room.done(Connect("sim://dbs?seed=1"))
    ports: Any = room.desk.held()._port
    port = ports._port
    for read in range(1, 40, 3):
        room.done(Stage(text), Commit(), Arm())
        ports._port = Interrupting(port, lambda: room.call_stop(mode), read)
        room.client.send(request_)
        room.turn(30)
        ports._port = port
        assert isinstance(room.stop_reply(), Done), read
        for _ in range(100):
            if room.desk.phase in (Phase.WATCHING, Phase.SENSING):
                break
            room.turn()
        else:
            raise AssertionError(f"the session did not end: {read}")
        assert room.state in OFF, read
        assert room.firmware.therapy.pulses.amplitude_ua == 0
        assert "plug it in" not in room.shown.said, read  # no stream was taken for begun
        pulses = room.firmware.therapy.pulses.pulses
        room.turn(10)
        assert len(room.desk.held().link.blocks.waiting) < 10
        assert room.firmware.therapy.pulses.pulses == pulses
        room.client.poll()


def test_a_survey_is_given_up_for_a_stop_and_says_so(room: Room) -> None:
    room.done(Connect("sim://dbs"))
    ports: Any = room.desk.held()._port
    ports._port = Interrupting(ports._port, room.call_stop, 3)
    replies: list[Reply] = []
    room.client.send(Survey(), replies.append)
    room.turn(3)
    room.client.poll()
    assert isinstance(room.stop_reply(), Done)
    (reply,) = replies
    assert isinstance(reply, Refused)
    assert "because STOP came" in reply.sentence
    assert isinstance(room.done(Survey()), Surveyed)


def test_a_stop_in_the_ramp_of_another_ends_the_output_at_once(
    room: Room, prescription_file: Callable[..., Path]
) -> None:
    slow = prescription_file(("slew_ma_per_s", "soft_stop_ms = 5000\nslew_ma_per_s"))
    begin(room, slow.read_text("utf-8"))
    room.turn(30)
    room.call_stop(StopMode.RAMP)
    room.turn(3)
    assert (room.state, room.desk.phase) == (State.RAMPING_DOWN, Phase.ENDING)
    room.call_stop(StopMode.GROUND)
    room.turn()
    assert room.state is State.IDLE
    room.until(Phase.SENSING)
    record = stimloop.Record.open(room.shown.record)
    assert [event.text for event in record.events()][-2:] == ["stop", "emergency stop"]


def test_what_is_no_stop_but_comes_where_stops_come_is_one(room: Room, text: str) -> None:
    begin(room, text)
    room.client._stop.send(b"\xff\x00 help")
    room.turn()
    assert room.state == State.IDLE


def test_a_stop_without_a_device_says_where_to_stop_it(room: Room) -> None:
    room.call_stop()
    room.turn()
    reply = room.stop_reply()
    assert isinstance(reply, Refused)
    assert "at the device" in reply.sentence


def test_a_stop_for_a_device_that_is_lost_is_tried_at_its_port(
    room: Room, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(room, text)
    ports: Any = room.desk.held()._port
    monkeypatch.setattr(ports, "_port", Cable(Bench.of_url("sim://dbs")))  # knows no session
    room.until(Phase.LOST)
    tried: list[str] = []

    def stop_there(url: str) -> str:
        tried.append(url)
        return "stopped"

    monkeypatch.setattr("stimloop.station.desk.stop_output", stop_there)
    room.call_stop()
    room.turn()
    assert room.stop_reply() == Done("stopped")
    assert tried == ["sim://dbs"]


def test_stops_without_end_are_one_stop_after_another_and_each_is_answered(
    room: Room, text: str
) -> None:
    begin(room, text)
    room.turn(10)
    for mode in (StopMode.RAMP, StopMode.GROUND, StopMode.RAMP):
        room.call_stop(mode)
    room.turn()
    assert room.state is State.IDLE
    assert [isinstance(room.stop_reply(), Done) for _ in range(3)] == [True] * 3


# Callers --------------------------------------------------------------------------------------


def test_a_client_that_asks_without_end_and_never_listens_delays_no_step_and_no_stop(
    room: Room, text: str
) -> None:
    begin(room, text)
    with socket.socket(socket.AF_UNIX) as deaf:
        with directory.Socket(room.place / "run", directory.ASK) as address:
            deaf.connect(address)
        deaf.setblocking(False)
        flood = request_line(1, Describe()) * 100
        before = room.desk.steps
        for _ in range(400):
            try:
                deaf.send(flood)
            except BlockingIOError:
                pass
            except OSError:
                break
            room.turn()
        else:
            raise AssertionError("it was never let go")
        assert room.desk.phase is Phase.THERAPY
        assert room.desk.steps > before
        room.call_stop()
        room.turn()
        assert room.state == State.IDLE


def test_what_is_no_request_is_refused_and_its_caller_stays(room: Room) -> None:
    with socket.socket(socket.AF_UNIX) as rude:
        with directory.Socket(room.place / "run", directory.ASK) as address:
            rude.connect(address)
        rude.send(b"hello\n" + request_line(2, Describe()))
        room.turn(4)
        refused, described = rude.recv(1 << 16).splitlines()
        assert b"no ask" in refused
        assert b"Description" in described


def test_a_session_that_nobody_attends_is_ended_by_its_ramp_if_that_was_wished(
    tmp_path: Path, text: str
) -> None:
    room = Room(tmp_path, unattended_s=0.2)
    begin(room, text)
    room.turn(20)
    room.client.close()
    end_s = time.monotonic() + 20
    while room.desk.phase is Phase.THERAPY and time.monotonic() < end_s:
        room.turn()
    room.until(Phase.SENSING)
    assert room.state == State.IDLE
    assert any("nobody has attended" in outcome for _, outcome in room.audited())
    assert stimloop.replay_record(stimloop.Record.open(room.shown.record)).identical
    room.server.close()


def test_a_directory_holds_one_station_and_is_private(room: Room, tmp_path: Path) -> None:
    with pytest.raises(StationError, match=r"runs in .* already"):
        Server(room.place / "run", tmp_path / "records", float("inf"))
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    with pytest.raises(StationError, match="open to others"):
        Server(tmp_path / "open", tmp_path / "records", float("inf"))
    with pytest.raises(StationError, match="no station answers"):
        Station.attach(tmp_path / "nowhere")


# Refusals -------------------------------------------------------------------------------------


def test_the_devices_refusal_comes_back_as_its_sentence_and_nothing_changes(room: Room) -> None:
    room.done(Connect("sim://dbs"))
    before = room.firmware.status()
    assert "not allowed in state IDLE; stop, stage, commit and arm first" in room.refused(Arm())
    after = room.firmware.status()
    assert (after.state, after.program_crc, after.pulses) == (
        *(before.state, before.program_crc, before.pulses),
    )
    assert after.refused == before.refused + 1
    assert room.shown.armed_left_ms == 0
    assert room.audited()[-1][1].startswith("refused: the device refused ArmRequest")


def test_a_start_that_the_device_refuses_leaves_a_record_that_says_so(
    room: Room, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.done(Connect("sim://dbs"), Stage(text), Commit(), Arm())
    room.firmware.battery.collapse(45)  # too little for a therapy that adapts, but for no other
    monkeypatch.undo()
    room.firmware.therapy.stop(room.firmware.now_us, StopMode.GROUND)  # by another host
    sentence = room.refused(Start())
    assert "the device refused ArmRequest" in sentence
    room.until(Phase.SENSING)
    assert room.state == State.IDLE
    record = stimloop.Record.open(room.shown.record)
    assert [event.text for event in record.events() if event.kind == "note"] == [sentence]


def test_a_start_needs_an_arm_that_is_used_up_by_it_and_by_a_stop(
    room: Room, text: str
) -> None:
    room.done(Connect("sim://dbs"), Stage(text), Commit())
    assert "nothing is armed" in room.refused(Start())
    room.done(Arm())
    assert room.shown.armed_left_ms > 0
    room.call_stop()
    room.turn()
    assert "nothing is armed" in room.refused(Start())
    room.done(Stage(text), Commit(), Arm(), Stage(text))
    assert "nothing is armed" in room.refused(Start())
    assert room.firmware.therapy.pulses.pulses == 0


def test_a_prescription_that_is_refused_leaves_what_was_committed(
    room: Room, text: str
) -> None:
    room.done(Connect("sim://dbs"), Stage(text), Commit())
    committed = room.firmware.status().program_crc
    reply = room.ask(Stage(text.replace("amplitude_ma = 3.0", "amplitude_ma = 99.0")))
    assert isinstance(reply, Refused)
    assert {v.field for v in reply.violations} >= {"stimulation.amplitude_ma"}
    assert room.firmware.status().program_crc == committed == room.shown.committed_crc
    assert "nothing is staged" in room.refused(Commit())


def test_a_check_tells_what_would_be_programmed_or_everything_that_is_wrong(
    room: Room, text: str
) -> None:
    assert room.ask(Check(text)) == Checked([], [], 0, "")
    room.done(Connect("sim://dbs"))
    checked = room.ask(Check(text))
    assert isinstance(checked, Checked)
    assert (checked.tick_us, checked.unit) == (20_000, "µV")
    assert {one.parameter: one.held for one in checked.parameters}["amplitude_max_ua"] == 3_000
    wrong = room.ask(Check(text.replace("rate_hz = 130.0", "rate_hz = 0.5")))
    assert isinstance(wrong, Checked)
    assert [violation.field for violation in wrong.violations] == ["stimulation.rate_hz"]
    assert room.firmware.status().program_crc == 0


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (Continuous(3_100), "3.1 mA were asked for; the committed program allows 0 and"),
        (Continuous(-100), "-0.1 mA were asked for"),
        (Continuous(1_250), "ask for 1.2 or 1.3 mA"),
        (Change(2_100), "3.1 mA were asked for"),
        (Change(-1_100), "-0.1 mA were asked for"),
        (Sense([0]), "a session runs; stop it first"),
        (Survey(), "a session runs; stop it first"),
        (Connect("sim://dbs"), "a session runs; stop it first"),
        (Disconnect(), "a session runs; stop it first"),
        (Shutdown(), "a session runs; stop it first"),
        (Start(), "a session runs; stop it first"),
        (Commit(), "nothing is staged"),
        (Arm(), "not allowed in state STIMULATING"),
        (ClearFault(1), "not allowed in state STIMULATING"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_may_not_be_asked_while_a_session_runs_is_refused_and_it_goes_on(
    request_: Request, sentence: str, room: Room, text: str
) -> None:
    begin(room, text)
    room.turn(20)
    assert sentence in room.refused(request_)
    room.turn(5)
    assert room.state == State.STIMULATING
    assert (room.shown.phase, room.shown.target_ua) == (Phase.THERAPY, 1_000)


def test_a_change_is_refused_while_the_controller_leads(room: Room, text: str) -> None:
    begin(room, text, Start())
    assert "while the controller leads" in room.refused(Change(100))
    room.done(Continuous(0), Change(100), Adapt())


def test_another_device_that_does_not_answer_leaves_the_first_one_connected(
    room: Room,
) -> None:
    room.done(Connect("sim://dbs"))
    assert "cannot open" in room.refused(Connect("/dev/there/is/none"))
    assert "no option" in room.refused(Connect("sim://dbs?colour=red"))
    assert (room.shown.phase, room.shown.url) == (Phase.WATCHING, "sim://dbs")
    assert len(room.refused(Connect("x" * 3_000))) < 200


def test_channels_that_the_device_has_not_are_refused(room: Room) -> None:
    room.done(Connect("sim://dbs"))
    for channels in ([1], [0, 0], [-1]):
        assert "the device senses [0] together" in room.refused(Sense(channels))
    assert room.shown.phase is Phase.WATCHING


# Sessions -------------------------------------------------------------------------------------


def test_connecting_only_watches_until_something_needs_a_controller(
    room: Room, text: str
) -> None:
    room.done(Connect("sim://dbs"))
    room.done(Check(text), Describe(), Mark("watched"))
    roles = [room.shown.role]
    room.done(Stage(text))
    assert [*roles, room.shown.role] == [Role.OBSERVER, Role.CONTROLLER]


def test_a_threshold_is_captured_before_anything_is_stimulated(
    room: Room, prescription_file: Callable[..., Path]
) -> None:
    path = prescription_file(
        ("threshold_uv = 3.0\n", ""),
        ("[controller]", "[capture]\nseconds = 2\npercentile = 50\n\n[controller]"),
    )
    begin(room, path.read_text("utf-8"), Start())
    assert room.shown.capturing
    assert room.state == State.CONFIGURED
    room.turn(200)
    assert not room.shown.capturing
    assert room.state == State.STIMULATING
    assert [row["kind"] for row in room.client.events().rows] == [b"captured", b"operator"]


def test_sweeps_after_pulses_are_shown_and_their_session_replays(room: Room) -> None:
    with open("examples/scs_ecap.toml", encoding="utf-8") as file:  # noqa: PTH123
        text = file.read()
    begin(room, text, Start(), "sim://scs?seed=1")
    room.turn(200)
    shown = room.shown
    assert (shown.phase, shown.channels) == (
        *(Phase.THERAPY, [room.desk.held().limits.sense_channels]),
    )
    sweeps = room.client.sweeps().rows
    assert len(sweeps) > 150
    assert sweeps["nv"][-1][: sweeps["count"][-1]].any()
    assert len(room.client.samples().rows) == 0
    room.call_stop()
    room.until(Phase.SENSING)
    room.turn(20)
    assert len(room.client.sweeps().rows) > 0
    assert stimloop.replay_record(stimloop.Record.open(shown.record)).identical


def test_a_loop_on_the_device_is_led_and_not_steered(room: Room) -> None:
    with open("examples/dbs_embedded.toml", encoding="utf-8") as file:  # noqa: PTH123
        text = file.read()
    room.done(Connect("sim://dbs?seed=1"), Stage(text), Commit(), Arm())
    assert "steers itself" in room.refused(Start(adaptive=False, amplitude_ua=1_000))
    room.done(Arm(), Start())
    assert "steers itself" in room.refused(Continuous(1_000))
    room.turn(100)
    room.call_stop(StopMode.RAMP)
    room.until(Phase.SENSING)
    assert stimloop.replay_record(stimloop.Record.open(room.shown.record)).identical


def test_a_session_ends_with_the_recording_that_it_senses(
    room: Room, text: str, tmp_path: Path
) -> None:
    np.save(tmp_path / "short.npy", np.random.default_rng(1).normal(0, 5, 1_000))
    begin(room, text, Start(), f"sim://dbs?recording={tmp_path / 'short.npy'}&rate=250")
    room.until(Phase.WATCHING)
    assert "sensing has ended" in room.shown.said
    assert room.state == State.IDLE
    record = stimloop.Record.open(room.shown.record)
    assert record.samples().index[-1] == 999
    assert stimloop.replay_record(record).identical


@pytest.mark.parametrize("problem", [ZeroDivisionError("by zero"), RecordError("no room")])
def test_a_step_that_fails_however_stops_the_device_and_the_station_goes_on(
    problem: Exception, room: Room, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(room, text)
    room.turn(20)

    def fail(*_: object, **__: object) -> None:
        raise problem

    with monkeypatch.context() as patched:
        if isinstance(problem, RecordError):
            patched.setattr(room.server._showing.recorder, "flush", fail)
            patched.setattr(room.server._showing.recorder, "event", fail)
        else:
            patched.setattr("stimloop.governor.Governor.admit", fail)
        for _ in range(60):
            room.turn()
    assert room.state == State.IDLE
    room.until(Phase.SENSING)
    assert room.shown.said == str(problem)
    room.done(Stage(text), Commit(), Arm(), Start())


def test_an_alarm_of_the_governor_is_said(
    room: Room, prescription_file: Callable[..., Path]
) -> None:
    path = prescription_file(
        ("smooth_ms = 400", "smooth_ms = 20"),
        ("[controller]", "[governor]\nswitches_per_min = 60\n\n[controller]"),
    )
    begin(room, path.read_text("utf-8"), Start())
    room.turn(1_500)
    assert room.shown.fallback is Bound.CHATTER
    assert "lower the gain" in room.shown.said


def test_a_fault_of_the_device_ends_the_session_and_is_left_by_its_name_alone(
    room: Room, text: str, tmp_path: Path
) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text('schema = 1\n[[fault]]\nkind = "memory_flip"\nat_ms = 3000\nbit = 99\n')
    begin(room, text, Start(), f"sim://dbs?faults={faults}")
    room.turn(200)
    shown = room.shown
    assert (shown.phase, shown.status.state) == (Phase.SENSING, State.FAULT)
    assert "PROGRAM_MEMORY" in shown.said
    assert "PROGRAM_MEMORY" in room.refused(ClearFault(Fault.CHARGE_BALANCE))
    room.done(ClearFault(shown.status.faults))
    assert room.state == State.IDLE


def test_the_end_of_the_station_is_the_end_of_its_session(tmp_path: Path, text: str) -> None:
    room = Room(tmp_path)
    begin(room, text)
    room.turn(30)
    firmware, record = room.firmware, room.shown.record
    room.call_stop()  # which nobody will look at any more
    room.server.close()
    room.client.close()
    assert firmware.therapy.state is State.IDLE
    assert not stimloop.Record.open(record).torn
    assert stimloop.replay_record(stimloop.Record.open(record)).identical


def test_sessions_are_recorded_where_it_was_said_last(
    room: Room, text: str, tmp_path: Path
) -> None:
    room.done(Records(str(tmp_path / "elsewhere")))
    begin(room, text)
    assert room.shown.record.startswith(str(tmp_path / "elsewhere"))
    session = stimloop.Record.open(room.shown.record).session
    assert session["audit"]["number"] == len(room.audited()) - 1


def test_a_broken_audit_log_is_said_and_shown(tmp_path: Path) -> None:
    first = Room(tmp_path)
    first.done(Mark("one"), Mark("two"))
    first.server.close()
    first.client.close()
    with closing(sqlite3.connect(tmp_path / "records" / "audit.sqlite")) as log:
        log.execute("UPDATE audit SET who = 'me' WHERE number = 1")
        log.commit()
    second = Room(tmp_path)
    assert "row 1 of the audit log" in second.shown.audit_broken
    assert second.shown.said == second.shown.audit_broken
    second.server.close()
    second.client.close()


def test_a_device_that_is_back_is_watched_alone_and_its_lease_ends_the_therapy(
    room: Room, prescription_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stimloop.station.desk.RECONNECT_S", 0.0)
    kept = prescription_file(("slew_ma_per_s", "fallback_ma = 0.5\nslew_ma_per_s"))
    text = kept.read_text("utf-8")
    begin(room, text)
    room.turn(30)
    firmware, program = room.firmware, room.shown.status.program_crc
    ports: Any = room.desk.held()._port
    bench = ports._port.bench
    record = room.shown.record

    def unplugged(_: object) -> None:
        raise SerialException("no such device")

    monkeypatch.setattr("stimloop.station.device.open_port", lambda _: Cable(bench))
    monkeypatch.setattr(ports._port, "read", unplugged)
    monkeypatch.setattr(ports._port, "write", unplugged)
    room.turn()
    assert room.shown.phase is Phase.LOST
    assert "plug it in again" in room.shown.said
    assert room.shown.status.amplitude_ua == 1_000  # the last one heard, not the one now
    assert "plug it in again" in room.refused(Stage(text))
    room.until(Phase.WATCHING)
    assert "only watched" in room.shown.said
    states = [firmware.therapy.state]
    for turn in range(40):
        if turn == 5:
            assert "not allowed in state" in room.refused(Stage(text))
        room.turn()
        if firmware.therapy.state is not states[-1]:
            states.append(firmware.therapy.state)
    leased = [State.STIMULATING, State.HOLD, State.FALLBACK, State.RAMPING_DOWN, State.IDLE]
    assert states == leased[-len(states) :]
    assert State.FALLBACK in states
    assert (room.shown.status.state, room.shown.status.program_crc) == (State.IDLE, program)
    assert not stimloop.Record.open(record).torn
    assert stimloop.replay_record(stimloop.Record.open(record)).identical
    room.done(Stage(text), Commit(), Arm(), Start())
    assert room.shown.record != record


def test_another_device_behind_the_same_port_is_not_taken_for_the_one_that_is_gone(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stimloop.station.desk.RECONNECT_S", 0.0)
    room.done(Connect("sim://dbs"))
    ports: Any = room.desk.held()._port
    monkeypatch.setattr(
        "stimloop.station.device.open_port", lambda _: Cable(Bench.of_url("sim://vns"))
    )
    monkeypatch.setattr(ports, "_port", Cable(Bench.of_url("sim://vns")))
    room.until(Phase.LOST)
    room.until(Phase.EMPTY)
    assert "connect to it if it is meant" in room.shown.said


def test_a_start_or_a_change_that_cannot_be_recorded_is_refused_and_does_not_happen(
    room: Room, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise RecordError("the disk is full")

    begin(room, text)
    room.turn(20)
    with monkeypatch.context() as patched:
        patched.setattr(Recorder, "event", full)
        assert room.refused(Continuous(2_000)) == "the disk is full"
        assert room.shown.target_ua == 1_000
    room.call_stop()
    room.until(Phase.SENSING)
    room.done(Stage(text), Commit(), Arm())
    pulses = room.firmware.therapy.pulses.pulses
    with monkeypatch.context() as patched:
        patched.setattr(Recorder, "event", full)
        assert room.refused(Start(adaptive=False, amplitude_ua=2_000)) == "the disk is full"
    room.until(Phase.SENSING)
    room.turn(10)
    assert room.state is State.IDLE
    assert room.firmware.therapy.pulses.pulses == pulses


ANYTHING: list[Request] = [
    *(Arm(), Arm(), Commit(), Start(), Start(adaptive=False, amplitude_ua=1_500), Adapt()),
    *(Continuous(3_000), Continuous(0), Change(500), Change(-500), Survey(), Sense([0])),
    *(Sense([]), Mark("m"), Describe(), ClearFault(4), Disconnect()),
]


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_asked_in_whatever_order_over_a_bad_line_stop_ends_the_output(
    seed: int, room: Room, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RECONNECT_S", "IDLE_S"):
        monkeypatch.setattr(f"stimloop.station.desk.{name}", 0.0)
    faults = tmp_path / "faults.toml"
    faults.write_text(
        f"schema = 1\nseed = {seed}\n"
        '[[fault]]\nkind = "flip"\nrate_ppm = 300\n'
        '[[fault]]\nkind = "drop"\nrate_ppm = 300\n'
    )
    random = Random(seed)
    connect = Connect(f"sim://dbs?seed={seed}&faults={faults}")
    started: list[Request] = [connect, Stage(text), Commit(), Arm(), Start()]
    asked = [*([one] for one in ANYTHING), *[started] * 3]
    sessions: set[str] = set()
    stops = 0
    for _ in range(100):
        for request in random.choice(asked):
            room.ask(request)
        sessions.add(room.shown.record)
        room.turn(random.randrange(12))
        if room.desk.device is None or room.desk.phase is Phase.LOST:
            continue
        assert room.firmware.therapy.pulses.amplitude_ua <= 3_000
        if random.random() < 0.15:
            firmware = room.firmware
            room.call_stop()
            room.turn()
            if isinstance(room.stop_reply(), Done):
                stops += 1
                assert firmware.therapy.state in OFF
                assert firmware.therapy.pulses.amplitude_ua == 0
    room.client.poll()
    assert (stops > 3, len(sessions) > 3) == (True, True)
    if room.desk.phase is Phase.THERAPY:
        room.call_stop()
    room.turn(300)
    for record in (tmp_path / "records").glob("session-*"):
        assert not stimloop.Record.open(record).torn
        assert stimloop.replay_record(stimloop.Record.open(record)).identical
    assert verify(tmp_path / "records" / "audit.sqlite") > 100
