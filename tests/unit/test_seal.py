"""Signed frames: the reference vectors, the counter, and what is never authentic."""

from __future__ import annotations

import hmac
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stimloop_hw.framing import Deframer, Flag, Frame, encode
from stimloop_hw.seal import (
    MAX_SIGNED_PAYLOAD,
    TAG_SIZE,
    Seal,
    SessionKeys,
    extended,
    handshake_proof,
)

SEED = 0xC0FFEE01
KEY = bytes(range(32))
NONCE_HOST = bytes(range(0xA0, 0xB0))
NONCE_DEVICE = bytes(range(0x50, 0x60))
DEVICE_ID = 0x1122334455667788
KEYS = SessionKeys.derive(KEY, NONCE_HOST, NONCE_DEVICE, DEVICE_ID, SEED)

# The reference frames that another implementation gave. Layout of frame, key derivation and tag
# are ours; the payloads are of an earlier catalogue (Heartbeat ended with a state of one byte,
# Commit with a time), so they are given as bytes.
STOP = bytes.fromhex("0004101007010101010101010101052718509e00")
HEARTBEAT = bytes.fromhex(
    "00041811080893add96b40420f039001010208010df2d9b2b819433d88c8dd36d500"
)
COMMIT = bytes.fromhex(
    "00041a220a0893add96b28460f020105efbeadde0101010dcdb32b0ed76d8876e244928100"
)


def only(wire: bytes, table_crc: int = SEED) -> Frame:
    (frame,) = Deframer(table_crc).feed(wire)
    return frame


def test_the_session_and_both_keys_follow_from_key_and_nonces() -> None:
    assert KEYS.session == 0x6BD9AD93
    assert len({KEYS.to_device, KEYS.to_host}) == 2


@pytest.mark.parametrize(
    ("wire", "number", "flags", "counter", "time", "payload"),
    [
        (HEARTBEAT, 0x11, 0, 8, 1_000_000, "90010000080000"),
        (COMMIT, 0x22, Flag.EXPIRES, 10, 1_001_000, "0100efbeadde00000000"),
    ],
    ids=["heartbeat", "commit"],
)
def test_the_reference_frames_are_reproduced_and_authentic(  # noqa: PLR0917
    wire: bytes, number: int, flags: int, counter: int, time: int, payload: str
) -> None:
    seal = Seal(KEYS.to_device)
    data = bytes.fromhex(payload)
    assert seal.encode(number, flags, counter, KEYS.session, time, data, SEED) == wire
    assert seal.open(only(wire), counter) == data


def test_the_reference_stop_is_unsigned_and_readable_with_any_table() -> None:
    assert encode(0x10, 0, 7, 0, 0, b"\0", SEED) == STOP
    assert only(STOP, table_crc=1).payload == b"\0"


def test_a_reference_frame_is_not_authentic_once_more_nor_backwards_nor_elsewhere() -> None:
    frame = only(HEARTBEAT)
    seal = Seal(KEYS.to_device)
    for counter in (9, 7, 8 + 0x10000, 8 - 0x10000, -1):
        assert seal.open(frame, counter) is None
    assert Seal(KEYS.to_host).open(frame, 8) is None
    others = (
        SessionKeys.derive(KEY[::-1], NONCE_HOST, NONCE_DEVICE, DEVICE_ID, SEED),
        SessionKeys.derive(KEY, NONCE_DEVICE, NONCE_HOST, DEVICE_ID, SEED),
        SessionKeys.derive(KEY, NONCE_HOST, NONCE_DEVICE, DEVICE_ID + 1, SEED),
        SessionKeys.derive(KEY, NONCE_HOST, NONCE_DEVICE, DEVICE_ID, SEED ^ 1),
    )
    for keys in others:
        assert keys.session != KEYS.session
        assert Seal(keys.to_device).open(frame, 8) is None


@given(key=st.binary(min_size=32, max_size=32), payload=st.binary(max_size=200))
def test_the_tag_is_that_of_the_standard_librarys_hmac(key: bytes, payload: bytes) -> None:
    frame = only(Seal(key).encode(0x31, 2, 70_000, 5, 6, payload, SEED))
    covered = struct.pack("<QBBHII", 70_000, 0x1A, 0x31, 70_000 & 0xFFFF, 5, 6) + payload
    assert frame.payload == payload + hmac.digest(key, covered, "sha256")[:TAG_SIZE]


@given(
    number=st.integers(0, 255),
    flags=st.sampled_from([0, 1, 2, 4, 6]),
    counter=st.integers(0, 2**64 - 1),
    session=st.integers(0, 2**32 - 1),
    time=st.integers(0, 2**32 - 1),
    payload=st.binary(max_size=MAX_SIGNED_PAYLOAD),
)
def test_what_one_end_signs_the_other_end_opens_and_the_other_direction_does_not(  # noqa: PLR0917
    number: int, flags: int, counter: int, session: int, time: int, payload: bytes
) -> None:
    wire = Seal(KEYS.to_host).encode(number, flags, counter, session, time, payload, SEED)
    frame = only(wire)
    assert frame.flags == flags | Flag.SIGNED
    assert Seal(KEYS.to_host).open(frame, counter) == payload
    assert Seal(KEYS.to_device).open(frame, counter) is None


@given(
    number=st.integers(0, 255),
    flags=st.integers(0, 15),
    seq=st.integers(0, 2**16 - 1),
    session=st.sampled_from([KEYS.session, 0]),
    payload=st.binary(max_size=60),
    counter=st.integers(0, 2**64 - 1),
)
def test_arbitrary_bytes_never_authenticate(  # noqa: PLR0917
    number: int, flags: int, seq: int, session: int, payload: bytes, counter: int
) -> None:
    frame = only(encode(number, flags, seq, session, 0, payload, SEED))
    assert Seal(KEYS.to_device).open(frame, extended(seq, counter)) is None


@given(change=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_signed_frame_changed_anywhere_is_not_authentic(change: int, bit: int) -> None:
    """With the CRC made right again, as an attacker would."""
    frame = only(COMMIT)
    header = bytes([frame.flags, frame.number]) + frame.seq.to_bytes(2, "little")
    header += frame.session.to_bytes(4, "little") + frame.time.to_bytes(4, "little")
    raw = bytearray(header + frame.payload)
    raw[change % len(raw)] ^= 1 << bit
    flags, number = raw[0] & 15, raw[1]
    seq, session, time = struct.unpack("<HII", raw[2:12])
    changed = only(encode(number, flags, seq, session, time, bytes(raw[12:]), SEED))
    if bytes(raw) == header + frame.payload or raw[0] != flags:
        return  # the version's nibble is no part of a frame that arrived
    assert Seal(KEYS.to_device).open(changed, extended(seq, 10)) is None


def test_an_unsigned_build_adds_no_tag_and_takes_none() -> None:
    keys = SessionKeys.derive(KEY, NONCE_HOST, NONCE_DEVICE, DEVICE_ID, SEED, signed=False)
    assert keys.session == KEYS.session
    seal = Seal(keys.to_device)
    wire = seal.encode(0x11, 0, 8, keys.session, 0, b"beat", SEED)
    assert (seal.size, only(wire).flags, seal.open(only(wire), 8)) == (0, 0, b"beat")
    assert seal.open(only(HEARTBEAT), 8) is None
    assert Seal(KEYS.to_device).open(only(wire), 8) is None


def test_a_payload_that_leaves_no_room_for_the_tag_is_refused() -> None:
    seal = Seal(KEYS.to_device)
    full = seal.encode(0x20, 0, 1, 1, 0, bytes(MAX_SIGNED_PAYLOAD), SEED)
    assert seal.open(only(full), 1) == bytes(MAX_SIGNED_PAYLOAD)
    with pytest.raises(ValueError, match="does not fit a frame"):
        seal.encode(0x20, 0, 1, 1, 0, bytes(MAX_SIGNED_PAYLOAD + 1), SEED)


@pytest.mark.parametrize("size", range(TAG_SIZE + 1))
def test_a_signed_frame_too_short_for_its_tag_is_not_authentic(size: int) -> None:
    frame = only(encode(0x11, Flag.SIGNED, 8, KEYS.session, 0, bytes(size), SEED))
    assert Seal(KEYS.to_device).open(frame, 8) is None


@given(
    start=st.integers(0, 2**48),
    steps=st.lists(st.integers(-0x8000, 0x7FFF), max_size=200),
)
def test_the_counter_follows_the_sequence_across_every_wrap(
    start: int, steps: list[int]
) -> None:
    counter = start
    for step in steps:
        true = counter + step
        assert extended(true & 0xFFFF, counter) == true
        counter = true


def test_the_proof_of_the_handshake_covers_every_byte_of_it() -> None:
    hello, identity = bytes(30), bytes(60)
    proof = handshake_proof(hello, identity)
    assert len(proof) == 8
    for k in range(90):
        raw = bytearray(hello + identity)
        raw[k] ^= 1
        assert handshake_proof(bytes(raw[:30]), bytes(raw[30:])) != proof
