"""The host's end of a signed wire: keys that do not fit, and frames that somebody else made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.test_link import cabled

from stimloop_hw.errors import OrderRefused, WrongKey, WrongPeer
from stimloop_hw.framing import Deframer, Flag, encode
from stimloop_hw.keys import DEVELOPMENT_KEY
from stimloop_hw.link import PING_US, PINGS, Link
from stimloop_hw.messages import (
    TABLE_CRC,
    DictChunk,
    Event,
    Heartbeat,
    Ping,
    Pong,
    Sensed,
    Status,
)
from stimloop_hw.vocabulary import Build, Refusal, Role, State
from stimloop_sim.firmware import Firmware

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.test_link import BadCable

KEY = bytes(range(32))


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "device.key"
    path.write_text(KEY.hex(), "ascii")
    path.chmod(0o600)
    return path


def test_a_device_with_a_key_of_its_own_opens_to_it_alone(key_file: Path) -> None:
    url = f"sim://dbs?key={key_file}"
    with Link.open(url, key=KEY) as link:
        assert Build(link.hello().build).authentication == "signed"
        assert link.limits().channels == 1
    with Link.open(url, key=KEY[::-1]) as link:
        with pytest.raises(WrongKey, match="does not accept this key; give its own with") as no:
            link.hello()
        assert "\n" not in str(no.value)
        assert link.stop().state == State.IDLE


def test_whoever_brings_another_key_to_a_development_device_is_told() -> None:
    with Link.open("sim://dbs", key=KEY) as link, pytest.raises(WrongKey, match="leave the"):
        link.hello()


def test_an_unsigned_build_is_opened_without_a_key_only() -> None:
    with Link.open("sim://dbs?build=unsigned") as link:
        assert Build.UNSIGNED in Build(link.hello().build)
        assert link.request(Ping(1, 2), Pong).token == 1
    with (
        Link.open("sim://dbs?build=unsigned", key=KEY) as link,
        pytest.raises(WrongKey, match="takes unsigned orders, so a key protects nothing"),
    ):
        link.hello()


def test_the_development_key_is_refused_for_hardware() -> None:
    link, port = cabled()
    firmware = port.bench.firmware
    firmware._build &= ~Build.SIMULATED
    with pytest.raises(WrongKey, match="no simulator, and the development key is public"):
        link.hello()
    port.bench.implant.firmware = Firmware(firmware.profile, firmware.front_end, key=KEY)
    port.bench.firmware._build &= ~Build.SIMULATED
    hardware = Link(port, "bench", key=KEY)
    assert Build.SIMULATED not in Build(hardware.hello().build)


def test_a_handshake_that_was_changed_on_the_way_is_refused() -> None:
    link, port = cabled()
    firmware = port.bench.firmware
    take = firmware.telemetry.outbox.take

    def changed() -> bytes:
        wire = take()
        for frame in Deframer(TABLE_CRC).feed(wire):
            if frame.number == 2:
                payload = bytearray(frame.payload)
                payload[1] |= Build.RECORDING
                return encode(2, Flag.REPLY, frame.seq, 0, frame.time, bytes(payload), 0)
        return wire

    firmware.telemetry.outbox.take = changed  # type: ignore[method-assign]
    with pytest.raises(WrongKey, match="was changed on the way"):
        link.hello()


def inject(port: BadCable, wire: bytes) -> None:
    port._cable._received += wire


def test_forged_samples_statuses_and_answers_are_dropped_and_counted() -> None:
    link, port = cabled()
    link.hello()
    link.stream(1, 250, 5)
    block = link.sensed()
    assert block is not None
    fake = Sensed(block.first_index + 5, 1, 5, 0, bytes(20)).encode()
    for flags in (Flag.NONE, Flag.SIGNED, Flag.SIGNED | Flag.REPLY):
        inject(
            port,
            encode(Sensed.number, flags, 2, link.session.number, 0, fake + bytes(8), TABLE_CRC),
        )
        inject(port, encode(Event.number, flags, 2, 77, 0, bytes(24), TABLE_CRC))
    following = link.sensed()
    assert following is not None
    assert following.samples_nv != bytes(20)
    assert (link.session.bad_tags, link.session.foreign, link.blocks.lost_samples) == (3, 3, 0)


def test_what_the_device_said_before_is_not_believed_twice() -> None:
    link, port = cabled()
    link.hello()
    link.stream(1, 250, 5)
    firmware = port.bench.firmware
    take, kept = firmware.telemetry.outbox.take, []

    def listen() -> bytes:
        kept.append(take())
        return kept[-1]

    firmware.telemetry.outbox.take = listen  # type: ignore[method-assign]
    heard = [link.sensed() for _ in range(20)]
    firmware.telemetry.outbox.take = take  # type: ignore[method-assign]
    link.notices.clear()
    inject(port, b"".join(kept))
    following = link.sensed()
    assert following is not None
    assert heard[-1] is not None
    assert following.first_index == heard[-1].first_index + 5
    assert not [n for n in link.notices if isinstance(n, Status) and n.t_us < heard[-1].t_us]
    assert link.session.repeated >= 20
    assert link.session.bad_tags == 0


def test_no_time_is_believed_that_is_not_signed() -> None:
    link, port = cabled()
    link.hello()
    before_us = link.t_us
    inject(port, encode(0x91, 0, 9, link.session.number, 0x7FFFFFFF, bytes(104), TABLE_CRC))
    link.request(Ping(1, 1), Pong)
    assert link.t_us - before_us < 1_000_000


def test_an_observer_may_watch_a_therapy_and_not_steer_it() -> None:
    link, port = cabled()
    link.hello()
    observer = Link(port, "the same wire")
    observer.hello(Role.OBSERVER)
    assert observer.status().state == State.IDLE
    with pytest.raises(OrderRefused, match="observer may not do that") as no:
        observer.start(1, 2000)
    assert no.value.reason == Refusal.ROLE
    assert observer.stop().state == State.IDLE


def test_a_locked_device_says_how_long() -> None:
    link, port = cabled()
    for _ in range(8):
        with pytest.raises(WrongKey):
            Link(port, "bench", key=KEY).hello()
    with pytest.raises(OrderRefused, match=r"too many frames had bad tags; .* in \d+ ms") as no:
        link.hello()
    assert no.value.reason == Refusal.LOCKED


# Clock and dictionary ---------------------------------------------


def test_the_devices_clock_is_known_with_a_bound_and_compared_every_second() -> None:
    link, port = cabled()
    link.hello()
    begun = link.clock.estimate
    assert begun.exchanges + begun.jumps >= 1
    assert 0 < begun.bound_us < 1e6
    port.sent.clear()
    link.stream(1, 250, 5)
    until_us = link.t_us + 10 * PING_US
    while link.t_us < until_us:
        link.sensed()
    pings = [frame for frame in port.sent if frame.number == Ping.number]
    assert 9 <= len(pings) <= 11
    assert link.clock.estimate.jumps > begun.jumps  # simulated time runs faster than ours
    assert PINGS == 8


def test_a_pong_that_answers_another_ping_is_no_measurement() -> None:
    link, _ = cabled()
    link.hello()
    before = link.clock.estimate
    link._put_aside_pong(Pong(12345, 0, 0, 0))
    assert link.clock.estimate == before


def test_before_the_handshake_nobody_is_pinged() -> None:
    link, port = cabled()
    link._keep_in_time()
    assert port.sent == []


def test_the_dictionary_can_be_had_from_a_device_of_another_table() -> None:
    link, port = cabled()
    firmware = port.bench.firmware
    port.bench.implant.firmware = Firmware(
        firmware.profile, firmware.front_end, table_crc=0x12345678
    )
    found = link.dictionary()
    assert found["messages"]["10"]["name"] == "Stop"
    assert found["enums"]["Role"]["CONTROLLER"] == 4


@pytest.mark.parametrize(
    "chunk",
    [
        DictChunk(0, 2**32 - 1, b"x" * 200),
        DictChunk(0, 100, b""),
        DictChunk(500, 100, b"x"),
        DictChunk(0, 3, b"???"),
    ],
)
def test_a_dictionary_that_is_none_is_refused(
    chunk: DictChunk, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, _ = cabled()
    monkeypatch.setattr(link, "request", lambda *_: chunk)
    with pytest.raises(WrongPeer):
        link.dictionary()


def test_a_heartbeat_of_a_host_without_handshake_is_nobodys() -> None:
    link, port = cabled()
    link.send(Heartbeat(2000, 0, 0))
    assert port.bench.firmware.telemetry.foreign == 1
    assert len(DEVELOPMENT_KEY) == 32
