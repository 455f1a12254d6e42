from __future__ import annotations

import random
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import chunks_of

from stimloop_hw.framing import MAX_PAYLOAD, PANIC, Deframer, Flag, Frame, encode, wire_size
from stimloop_hw.messages import (
    TABLE_CRC,
    Heartbeat,
    Hello,
    Identity,
    Pong,
    Stop,
    Stopped,
)

OTHER_CRC = TABLE_CRC ^ 1
CUTS = st.lists(st.integers(0, 2**16), max_size=8)

Header = tuple[int, int, int, int, int, bytes]

HEADERS = st.tuples(
    st.integers(0, 0xFF),
    st.integers(0, 0xF),
    st.integers(0, 0xFFFF),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=MAX_PAYLOAD) | st.integers(0, MAX_PAYLOAD).map(bytes),
)


def header(frame: Frame) -> Header:
    return (
        frame.number,
        frame.flags,
        frame.seq,
        frame.session,
        frame.time,
        frame.payload,
    )


def unstuffed(wire: bytes) -> bytes:
    """COBS as its inventors describe it, written again and slowly."""
    assert wire[0] == wire[-1] == 0
    body, raw = wire[1:-1], b""
    assert 0 not in body
    while body:
        code = body[0]
        raw += body[1:code] + (b"" if code == 0xFF else b"\0")
        body = body[code:]
    return raw.removesuffix(b"\0")


@given(HEADERS, st.integers(0, 2**32 - 1))
def test_a_frame_survives_the_wire(sent: Header, table_crc: int) -> None:
    deframer = Deframer(table_crc)
    (frame,) = deframer.feed(encode(*sent, table_crc))
    assert header(frame) == sent
    assert (deframer.received, deframer.damaged, deframer.pending) == (1, 0, 0)


@given(HEADERS)
def test_a_frame_is_cobs_with_one_extra_byte_and_zlibs_crc(sent: Header) -> None:
    wire = encode(*sent, TABLE_CRC)
    assert len(wire) == wire_size(len(sent[-1]))
    raw = unstuffed(wire)
    open_to_all = sent[0] <= 0x0F or sent[0] == Stop.number
    seed = 0 if open_to_all else TABLE_CRC
    assert raw[-4:] == crc32(raw[:-4], seed).to_bytes(4, "little")
    assert raw[12:-4] == sent[-1]


def test_the_reference_vector_of_stop_is_kept() -> None:
    for table_crc in (0, TABLE_CRC, 2**32 - 1):
        wire = encode(0x10, 0, 7, 0, 0, b"\0", table_crc)
        assert wire.hex() == "0004101007010101010101010101052718509e00"


@given(st.lists(HEADERS, max_size=4), CUTS)
def test_any_chunking_gives_the_same_frames(sent: list[Header], cuts: list[int]) -> None:
    deframer = Deframer(TABLE_CRC)
    wire = b"".join(encode(*one, TABLE_CRC) for one in sent)
    frames = [f for chunk in chunks_of(wire, cuts) for f in deframer.feed(chunk)]
    assert [header(f) for f in frames] == sent


@given(st.binary(max_size=2000), CUTS, HEADERS)
def test_noise_forges_no_frame_and_never_swallows_the_next(
    noise: bytes, cuts: list[int], sent: Header
) -> None:
    deframer = Deframer(TABLE_CRC)
    forged = [f for chunk in chunks_of(noise, cuts) for f in deframer.feed(chunk)]
    assert forged == []
    (frame,) = deframer.feed(encode(*sent, TABLE_CRC))
    assert header(frame) == sent


def damaged(wire: bytes, rng: random.Random) -> bytes:
    """Flips, losses, repeats and insertions, as of a bad cable."""
    out = bytearray()
    for byte in wire:
        fate = rng.random()
        if fate < 0.02:
            out.append(byte ^ 1 << rng.randrange(8))
        elif fate < 0.04:
            pass
        elif fate < 0.06:
            out += bytes([byte, byte])
        elif fate < 0.08:
            out += bytes([byte, rng.randrange(256)])
        else:
            out.append(byte)
    return bytes(out)


def test_of_twenty_thousand_damaged_frames_only_what_was_sent_comes_out() -> None:
    rng = random.Random(1)
    deframer = Deframer(TABLE_CRC)
    sent: set[Header] = set()
    heard: list[Header] = []
    for k in range(20_000):
        one = (rng.randrange(256), 0, k & 0xFFFF, 7, k, rng.randbytes(rng.randrange(60)))
        sent.add(one)
        heard += map(header, deframer.feed(damaged(encode(*one, TABLE_CRC), rng)))
    assert set(heard) <= sent
    assert 100 < len(heard) < 20_000
    assert deframer.damaged > 5000


@given(HEADERS, st.integers(0, 2**16))
def test_a_truncated_frame_is_no_frame(sent: Header, cut: int) -> None:
    wire = encode(*sent, TABLE_CRC)
    start = wire[: 1 + cut % (len(wire) - 2)] + b"\0"
    deframer = Deframer(TABLE_CRC)
    assert deframer.feed(start) == []
    assert deframer.feed(wire)


@given(HEADERS)
def test_ends_with_different_tables_read_only_what_any_two_ends_can_read(sent: Header) -> None:
    heard = Deframer(OTHER_CRC).feed(encode(*sent, TABLE_CRC))
    assert bool(heard) == (sent[0] <= 0x0F or sent[0] == Stop.number)


@pytest.mark.parametrize(
    "number", [Hello.number, Identity.number, Pong.number, Stop.number, Stopped.number]
)
def test_hello_identity_and_stop_are_read_with_any_table(number: int) -> None:
    assert Deframer(OTHER_CRC).feed(encode(number, 0, 1, 0, 0, b"x", TABLE_CRC))


def test_a_heartbeat_of_another_table_is_damage() -> None:
    deframer = Deframer(OTHER_CRC)
    assert deframer.feed(encode(Heartbeat.number, 0, 1, 2, 3, b"x", TABLE_CRC)) == []
    assert deframer.damaged == 1


def test_garbage_without_end_is_held_in_bounded_memory() -> None:
    deframer = Deframer(TABLE_CRC)
    for _ in range(1000):
        assert deframer.feed(b"\x55" * 1000) == []
        assert deframer.pending <= 255
    assert deframer.damaged == 0
    assert deframer.feed(b"\0") == []
    assert (deframer.damaged, deframer.pending) == (1, 0)


def test_a_frame_too_long_by_one_byte_is_damage() -> None:
    longest = encode(0x20, 0, 1, 2, 3, b"\1" * MAX_PAYLOAD, TABLE_CRC)
    assert len(Deframer(TABLE_CRC).feed(longest)) == 1
    deframer = Deframer(TABLE_CRC)
    assert deframer.feed(longest[:-1] + b"\1\0") == []
    assert deframer.damaged == 1


def test_a_frame_of_another_version_is_damage() -> None:
    deframer = Deframer(TABLE_CRC)
    raw = b"\x20" + bytes([Stop.number]) + b"\x07\x01" * 5 + b"\x01"
    raw += crc32(raw).to_bytes(4, "little")
    blocks = raw.split(b"\0")
    wire = b"".join(bytes([len(block) + 1]) + block for block in blocks)
    assert deframer.feed(b"\0" + wire + b"\0") == []
    assert deframer.damaged == 1


@pytest.mark.parametrize("count", [1, 2, 3, 17])
def test_every_panic_sequence_is_counted_in_any_chunking(count: int) -> None:
    for size in (1, 2, 3, 1000):
        deframer = Deframer(TABLE_CRC)
        wire = PANIC * count
        for at in range(0, len(wire), size):
            assert deframer.feed(wire[at : at + size]) == []
        assert (deframer.panics, deframer.damaged) == (count, 0)


def test_a_panic_is_seen_between_noise() -> None:
    deframer = Deframer(TABLE_CRC)
    deframer.feed(b"\x55\x66" + PANIC + b"\x77" + PANIC)
    assert deframer.panics == 2


def test_a_payload_too_long_for_a_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="239 bytes does not fit a frame; at most 238"):
        encode(0x20, 0, 1, 2, 3, bytes(MAX_PAYLOAD + 1), TABLE_CRC)


@pytest.mark.parametrize(
    ("number", "seq", "session", "time"),
    [(256, 0, 0, 0), (-1, 0, 0, 0), (1, 1 << 16, 0, 0), (1, 0, 1 << 32, 0), (1, 0, 0, -1)],
)
def test_a_number_that_does_not_fit_the_header_is_refused(
    number: int, seq: int, session: int, time: int
) -> None:
    with pytest.raises(OverflowError):
        encode(number, 0, seq, session, time, b"", TABLE_CRC)


def test_flags_are_the_low_nibble_of_the_first_byte() -> None:
    raw = unstuffed(encode(0x20, Flag.REPLY | Flag.EXPIRES, 1, 2, 3, b"", TABLE_CRC))
    assert raw[0] == 0x16


def test_a_frame_shows_its_header_and_payload() -> None:
    (frame,) = Deframer(TABLE_CRC).feed(encode(0x2A, 1, 7, 0xBEEF, 99, b"\x01\xff", TABLE_CRC))
    assert repr(frame) == ("Frame(2A, flags=1, seq=7, session=0000BEEF, time=99, payload=01ff)")
