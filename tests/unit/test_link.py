"""The host's end of the wire, over ports that lose, damage, repeat, and go away."""

from __future__ import annotations

import os
import random
import tty
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import serial
from tests.peer import PROGRAM

from stimloop_hw.errors import LinkError, LinkLost, OrderRefused, StimloopError, WrongPeer
from stimloop_hw.framing import PANIC, Deframer, Frame
from stimloop_hw.link import RETRIES_MS, SILENCE_MS, Link
from stimloop_hw.messages import (
    TABLE_CRC,
    ArmChallenge,
    ArmRequest,
    Commit,
    Committed,
    Event,
    Heartbeat,
    Ping,
    Pong,
    Refused,
    Sensed,
    Setpoint,
    Stage,
    Staged,
    Status,
    Stop,
    Trigger,
)
from stimloop_hw.ports import DRIVERS, POLL_MS
from stimloop_hw.vocabulary import EventCode, Refusal, State
from stimloop_sim.firmware import Firmware
from stimloop_sim.outbox import Outbox
from stimloop_sim.protocol_sim import Serial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LEASE_MS = 2000


class Weather(Outbox):
    """What happens to frames on their way to the host; whole frames, seeded."""

    def __init__(
        self, seed: int, lose: float = 0, damage: float = 0, repeat: float = 0
    ) -> None:
        super().__init__()
        self.rng = random.Random(seed)
        self.lose, self.damage, self.repeat = lose, damage, repeat
        self.lost = self.lost_samples = 0
        self.calm = True

    def take(self) -> bytes:
        wires = []
        while wire := self.take_frame():
            wires += [wire] if self.calm else self.fate_of(wire)
        return b"".join(wires)

    def fate_of(self, wire: bytes) -> list[bytes]:
        fate = self.rng.random()
        if fate < self.lose + self.damage:
            self.lost += 1
            (frame,) = Deframer(TABLE_CRC).feed(wire)
            if frame.number == Sensed.number:
                self.lost_samples += Sensed.decode(frame.payload).n
            if fate < self.lose:
                return []
            at = self.rng.randrange(2, len(wire) - 1)
            return [wire[:at] + bytes([wire[at] ^ 0x41 or 0x42]) + wire[at + 1 :]]
        return [wire, wire] if fate < self.lose + self.damage + self.repeat else [wire]


class BadCable(Serial):
    """The simulated port behind a cable that treats frames to the device badly, too."""

    weather: Weather
    sent: list[Frame]

    def write(self, b: bytes, /) -> int | None:  # type: ignore[override,unused-ignore]
        wire = bytes(b)
        self.sent += Deframer(TABLE_CRC).feed(wire)
        for one in [wire] if self.weather.calm else self.weather.fate_of(wire):
            super().write(one)
        return len(wire)


def cabled(seed: int = 1, url: str = "sim://dbs", **fates: float) -> tuple[Link, BadCable]:
    """A link over a cable that is good until its weather is no longer calm."""
    port = BadCable()
    port.port = url
    port.timeout = POLL_MS / 1000
    port.open()
    port.sent = []
    port.weather = Weather(seed, **fates)
    port.bench.firmware.telemetry.outbox = port.weather
    return Link(port, url), port


@pytest.fixture
def link() -> Iterator[Link]:
    with Link.open("sim://dbs?seed=1") as opened:
        opened.hello()
        yield opened


def configure(link: Link) -> None:
    staged = link.request(Stage(1, 0, 1, PROGRAM.entries()), Staged)
    link.request(Commit(1, staged.staged_crc), Committed, link.t_us + 1_000_000)


def wait_alive(link: Link, ms: int) -> None:
    """Let device time pass, with heartbeats."""
    until_us = link.request(Ping(1, 1), Pong).sent_us + ms * 1000
    while link.t_us < until_us:
        link.send(Heartbeat(LEASE_MS, 0, 0))
        link.status()


# Requests ---------------------------------------------


def test_a_request_is_repeated_with_the_same_sequence_number_until_answered() -> None:
    link, port = cabled(lose=1.0)
    link.hello()
    port.weather.calm = False
    port.sent.clear()
    with pytest.raises(LinkLost, match="does not answer ArmRequest any more"):
        link.request(ArmRequest(1), ArmChallenge)
    assert [frame.number for frame in port.sent] == [ArmRequest.number] * len(RETRIES_MS)
    assert len({frame.seq for frame in port.sent}) == 1


def test_the_patience_of_a_request_is_less_than_a_lease() -> None:
    link, port = cabled(lose=1.0)
    link.hello()
    port.weather.calm = False
    begun_us = port.bench.firmware.now_us
    with pytest.raises(LinkLost):
        link.request(Ping(1, 2), Pong)
    waited_ms = (port.bench.firmware.now_us - begun_us) / 1000
    assert sum(RETRIES_MS) <= waited_ms < 2 * sum(RETRIES_MS) < LEASE_MS


@pytest.mark.parametrize("seed", range(5))
def test_over_a_bad_cable_every_order_is_executed_exactly_once(seed: int) -> None:
    link, port = cabled(seed, lose=0.08, damage=0.08, repeat=0.2)
    link.hello()
    program = replace(PROGRAM, mode=1)
    port.weather.calm = False
    delivered: list[int] = []
    lost = 0
    held: list[tuple[str, Refusal]] = []
    for _ in range(24):
        try:
            staged = link.request(Stage(1, 0, 1, program.entries()), Staged)
            link.request(Commit(1, staged.staged_crc), Committed, link.t_us + 1_000_000)
            link.start(program.crc(), LEASE_MS)
            port.weather.calm = True
            wait_alive(link, 100)
            link.send(Setpoint(1, 0, 1000, 5000, 0), link.t_us + 1_000_000)
            wait_alive(link, 300)
            port.weather.calm = False
            before = port.bench.firmware.therapy.pulses.pulses
            link.request(Trigger(0, 3, 0), Status, link.t_us + 1_000_000)
            port.weather.calm = True
            wait_alive(link, 200)
            delivered.append(port.bench.firmware.therapy.pulses.pulses - before)
        except LinkLost:
            lost += 1  # three tries were lost in a row
        except OrderRefused as no:
            held.append((no.order, no.reason))  # the tries outlasted the heartbeat
        port.weather.calm = True
        link.stop()
        port.weather.calm = False
    assert len(delivered) > lost + len(held)
    assert set(held) <= {("Trigger", Refusal.WRONG_STATE)}
    assert set(delivered) == {3}
    assert port.weather.lost > 10
    assert link.damaged > 0


def test_a_hello_whose_identity_came_late_leads_to_a_session_that_works() -> None:
    link, port = cabled()
    outbox = port.bench.firmware.telemetry.outbox
    take = outbox.take
    kept: list[bytes] = []

    def late() -> bytes:
        kept.append(take())
        return b"".join(kept.pop(0) for _ in range(len(kept) - 8)) if len(kept) > 8 else b""

    outbox.take = late  # type: ignore[method-assign]
    link.hello()
    assert [frame.number for frame in port.sent].count(1) > 1
    assert link.request(Ping(5, 6), Pong).token == 5


def test_a_refusal_carries_reason_and_detail(link: Link) -> None:
    with pytest.raises(OrderRefused, match="the device refused ArmRequest: the device h") as no:
        link.request(ArmRequest(1), ArmChallenge)
    assert (no.value.order, no.value.reason, no.value.detail) == (
        "ArmRequest",
        Refusal.CRC_MISMATCH,
        0,
    )


def test_a_refused_order_without_an_answer_is_noticed(link: Link) -> None:
    link.send(Setpoint(7, 0, 1000, 10_000, 0), link.t_us + 1_000_000)
    link.status()
    link.request(Ping(1, 1), Pong)
    refused = [n for n in link.notices if isinstance(n, Refused)]
    assert [(r.order, r.reason) for r in refused] == [(Setpoint.number, Refusal.WRONG_STATE)]


def test_an_order_decided_too_long_ago_is_refused(link: Link) -> None:
    configure(link)
    with pytest.raises(OrderRefused) as no:
        link.request(Stage(1, 0, 1, b""), Staged, link.t_us - 5)
    assert no.value.reason == Refusal.EXPIRED


# Samples ---------------------------------------------


def test_samples_come_on_one_clock_without_a_gap(link: Link) -> None:
    link.stream(1, 250, 5)
    blocks = [link.sensed() for _ in range(500)]
    assert all(blocks)
    firsts = [b.first_index for b in blocks if b]
    assert np.diff(firsts).tolist() == [5] * 499
    assert np.diff([b.t_us for b in blocks if b]).tolist() == [20_000] * 499
    assert link.blocks.lost_samples == 0


@pytest.mark.parametrize("seed", range(5))
def test_lost_samples_are_counted_exactly_and_repeated_blocks_are_dropped(seed: int) -> None:
    link, port = cabled(seed, lose=0.1, damage=0.1, repeat=0.1)
    link.hello()
    link.stream(1, 250, 5)
    link.sensed()
    port.weather.calm = False
    heard = [link.sensed() for _ in range(300)]
    port.weather.calm = True
    heard.append(link.sensed())
    indices = [b.first_index + k for b in heard if b for k in range(b.count)]
    assert indices == sorted(set(indices))
    assert link.blocks.lost_samples == port.weather.lost_samples > 0
    assert sum(b.lost for b in heard if b) == link.blocks.lost_samples


def test_the_index_and_the_clock_go_on_where_their_32_bits_wrap() -> None:
    link, port = cabled()
    port.bench.firmware.now_us = 2**32 - 60_000
    port.bench.firmware._status_us = 2**32
    port.bench.firmware.front_end.index = 2**32 - 11  # on the grid of blocks
    link.hello()
    link.stream(1, 250, 5)
    blocks = [link.sensed() for _ in range(10)]
    assert np.diff([b.first_index for b in blocks if b]).tolist() == [5] * 9
    assert np.diff([b.t_us for b in blocks if b]).tolist() == [20_000] * 9
    assert link.t_us > 2**32
    assert link.blocks.lost_samples == 0


@pytest.mark.parametrize("samples", [5, 100, 103])
def test_a_recording_is_heard_to_its_last_sample_and_then_ends(
    tmp_path: Path, samples: int
) -> None:
    path = tmp_path / "short.npy"
    np.save(path, np.arange(samples, dtype=np.float64))
    with Link.open(f"sim://dbs?recording={path}&rate=250") as link:
        link.hello()
        link.stream(1, 250, 5)
        heard = b"".join(block.samples_nv for block in iter(link.sensed, None))
        assert np.array_equal(np.frombuffer(heard, "<i4"), 1000 * np.arange(samples))
        assert link.sensed() is None
        events = [n for n in link.notices if isinstance(n, Event)]
        assert [(e.code, e.arg) for e in events] == [(EventCode.SENSING_ENDED, samples)]


def test_an_event_is_acknowledged_when_those_before_it_had_another_chance() -> None:
    link, port = cabled()
    link.hello()
    status = port.bench.firmware.status()
    first, second = (Event(k, 0, EventCode.FAULT, 0) for k in (1, 2))
    link._notice(second)  # the first one came damaged
    link._notice(status)
    assert link.event_ack == 0
    link._notice(first)
    link._notice(second)
    link._notice(status)
    assert link.event_ack == 2
    assert [notice for notice in link.notices if isinstance(notice, Event)] == [second, first]


def test_a_status_asked_for_while_samples_stream_costs_none(link: Link) -> None:
    link.stream(1, 250, 5)
    for _ in range(5):
        assert link.status().state == State.IDLE
    while link.sensed() is not None and link.t_us < 1_000_000:
        pass
    assert link.blocks.lost_samples == 0


# Stop ---------------------------------------------


def test_stop_is_acknowledged(link: Link) -> None:
    configure(link)
    link.start(PROGRAM.crc(), LEASE_MS)
    assert link.stop().state == State.IDLE


def test_stop_works_without_a_handshake() -> None:
    with Link.open("sim://dbs") as link:
        assert link.stop().state == State.IDLE


def test_an_unacknowledged_stop_ends_with_panic_and_is_reported() -> None:
    link, port = cabled(lose=1.0)
    link.hello()
    port.weather.calm = False
    written: list[bytes] = []
    port.write = written.append  # type: ignore[method-assign]
    with pytest.raises(LinkLost, match="does not acknowledge Stop"):
        link.stop()
    assert written[-1] == 3 * PANIC
    assert [Deframer(0).feed(w)[0].number for w in written[:-1]] == [Stop.number] * 3


# Peers that are none ---------------------------------------------


class Strange:
    """A port with something else at its other end."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.reads = 0

    @property
    def in_waiting(self) -> int:
        return len(self.answers[0]) if self.answers else 0

    def read(self, size: int, /) -> bytes:
        self.reads += 1
        assert self.reads < 10_000, "it waits for ever"
        if not self.answers:
            return b""
        data, self.answers[0] = self.answers[0][:size], self.answers[0][size:]
        if not self.answers[0]:
            del self.answers[0]
        return data

    def write(self, data: bytes, /) -> int | None:
        return len(data)

    def close(self) -> None:
        pass


def test_nothing_at_the_other_end_is_a_wrong_peer() -> None:
    port = Strange()
    with pytest.raises(WrongPeer, match="nothing on bench answers as an SL1 device"):
        Link(port, "bench").hello()
    assert port.reads <= 1 + sum(RETRIES_MS) / POLL_MS


def test_a_flood_of_garbage_is_a_wrong_peer() -> None:
    flood = random.Random(1).randbytes(200_000)
    with pytest.raises(WrongPeer, match="nothing on bench answers"):
        Link(Strange(flood), "bench").hello()


def test_a_trickle_of_garbage_is_a_wrong_peer_within_the_same_patience() -> None:
    port = Strange(*[b"$"] * 5000)
    with pytest.raises(WrongPeer, match="nothing on bench answers"):
        Link(port, "bench").hello()
    assert port.reads <= 1 + sum(RETRIES_MS) / POLL_MS


def test_an_echo_is_a_wrong_peer() -> None:
    port = Strange()
    port.write = port.answers.append  # type: ignore[method-assign]
    with pytest.raises(WrongPeer):
        Link(port, "loop").hello()


def test_a_device_of_another_message_table_is_named_and_refused() -> None:
    link, port = cabled()
    firmware = port.bench.firmware
    port.bench.implant.firmware = Firmware(
        firmware.profile, firmware.front_end, table_crc=0x12345678
    )
    with pytest.raises(WrongPeer, match="speaks message table 12345678, this stimloop speaks"):
        link.hello()


def test_a_device_of_another_version_is_named_and_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stimloop_sim.telemetry.VERSION", 2)
    with (
        Link.open("sim://dbs") as link,
        pytest.raises(WrongPeer, match="speaks SL1 version 2, this stimloop version 1"),
    ):
        link.hello()


def test_limits_that_are_not_those_of_the_identity_are_distrusted() -> None:
    link, port = cabled()
    link.hello()
    firmware = port.bench.firmware
    assert link.limits() == firmware._limits
    firmware._orders._limits = replace(firmware._limits, amplitude_max_ua=99_000)
    with pytest.raises(WrongPeer, match="are not those its identity names"):
        link.limits()


@pytest.mark.parametrize("url", ["warp+sim://dbs", "warp+/dev/ttyACM0"])
def test_an_unknown_driver_is_refused_with_the_known_ones(url: str) -> None:
    rest = url.removeprefix("warp+")
    known = ", ".join(DRIVERS)
    with pytest.raises(LinkError, match=rf"known are {known}: write sl1\+{rest} or {rest}"):
        Link.open(url)


def test_the_driver_may_be_named() -> None:
    with Link.open("sl1+sim://dbs") as link:
        assert link.hello().model.startswith(b"SIM-DBS")


@pytest.mark.parametrize("url", ["/dev/no-such-tty", "socket://127.0.0.1:1", "nonsense://x"])
def test_a_port_that_cannot_be_opened_is_one_sentence(url: str) -> None:
    with pytest.raises(LinkError, match="cannot open") as failed:
        Link.open(url)
    assert "\n" not in str(failed.value)


# Peers that go away ---------------------------------------------


def test_silence_is_a_lost_link() -> None:
    link, port = cabled(lose=1.0)
    link.hello()
    link.stream(1, 250, 5)
    assert link.sensed()
    port.weather.calm = False
    begun_us = port.bench.firmware.now_us
    with pytest.raises(LinkLost, match=f"no samples from .* for {SILENCE_MS} ms"):
        link.sensed()
    assert port.bench.firmware.now_us - begun_us <= 1.3 * SILENCE_MS * 1000
    with pytest.raises(LinkLost, match="no status from"):
        link.status()


def test_a_device_that_sends_status_but_no_samples_is_lost_to_the_loop(link: Link) -> None:
    with pytest.raises(LinkLost, match="no samples"):
        link.sensed()


@pytest.mark.parametrize("use", ["sensed", "stop", "request", "hello"])
def test_a_pulled_plug_is_a_lost_link_in_one_sentence(use: str) -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    port = serial.Serial(os.ttyname(slave), timeout=POLL_MS / 1000, write_timeout=0.5)
    os.close(slave)
    with Link(port, "tty") as link:
        os.close(master)
        uses: dict[str, Callable[[], object]] = {
            "sensed": link.sensed,
            "stop": link.stop,
            "request": lambda: link.request(Ping(1, 1), Pong),
            "hello": link.hello,
        }
        with pytest.raises(LinkLost, match=r"^tty (is gone|takes no more orders): ") as lost:
            uses[use]()
        assert "\n" not in str(lost.value)


def test_every_error_of_the_wire_is_one_of_ours_and_an_oserror() -> None:
    for kind in (LinkLost, WrongPeer):
        assert issubclass(kind, LinkError)
    assert issubclass(LinkError, OSError)
    assert issubclass(LinkError, StimloopError)
    assert issubclass(OrderRefused, StimloopError)
