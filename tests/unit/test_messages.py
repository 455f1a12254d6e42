from __future__ import annotations

from dataclasses import FrozenInstanceError
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import fields_of, messages_of
from tests.strategies import messages as any_message

from stimloop_hw import messages
from stimloop_hw.messages import (
    MESSAGES,
    TABLE_CRC,
    U8,
    U16,
    Auth,
    AuthAck,
    DictChunk,
    GetDict,
    GetLimits,
    Hello,
    Identity,
    Limits,
    Message,
    Peer,
    Ping,
    Pong,
    Sensed,
    Stop,
    Stopped,
    canonical_text,
    message,
)
from stimloop_hw.vocabulary import Refusal, State

# Payloads of the bytes 01, 02, 03 ...: a moved, widened or reordered field changes a value.
FROZEN: list[Message] = [
    Hello(0x01, 0x02, bytes(range(3, 19)), bytes(range(19, 27))),
    Identity(
        version=0x01,
        build=0x02,
        reset_cause=0x03,
        model=bytes(range(4, 20)),
        firmware=0x17161514,
        device_id=0x1F1E1D1C1B1A1918,
        table_crc=0x23222120,
        limits_crc=0x27262524,
        boot=0x2B2A2928,
        nonce=bytes(range(44, 60)),
    ),
    Auth(role=0x01),
    AuthAck(0x01, 0x0302, 0x0504, bytes(range(6, 14))),
    GetDict(offset=0x04030201, length=0x05),
    DictChunk(0x04030201, 0x08070605, b"\x09"),
    GetLimits(channel=0x01),
    Limits(
        channel=0x01,
        channels=0x02,
        amplitude_unit=0x03,
        amplitude_max_ua=0x07060504,
        amplitude_step_ua=0x0B0A0908,
        width_min_us=0x0D0C,
        width_max_us=0x0F0E,
        width_step_us=0x1110,
        period_min_us=0x15141312,
        period_max_us=0x19181716,
        period_step_us=0x1D1C1B1A,
        interphase_us=0x1F1E,
        recharge_ratio=0x20,
        charge_max_nc=0x24232221,
        density_max_nc_cm2=0x28272625,
        contact_area_um2=0x2C2B2A29,
        contacts=0x2D,
        slew_max_ua_s=0x31302F2E,
        lease_max_ms=0x35343332,
        sense_channels=0x36,
        sense_rate_hz=0x3837,
        sense_block=0x39,
        sense_range_uv=0x3D3C3B3A,
        case_pole=0x3E,
        share_step_percent=0x3F,
        interphase_max_us=0x4140,
        recharge_max_ratio=0x42,
        soft_max_ms=0x4443,
        cycle_max_ms=0x48474645,
        duty_max_permille=0x4A49,
        compliance_mv=0x4C4B,
        impedance_ohm=0x4E4D,
        capacitance_nf=0x504F,
        rows=b"Q",
    ),
    Ping(token=0x04030201, host_ns=0x0C0B0A0908070605),
    Pong(0x04030201, 0x0C0B0A0908070605, 0x14131211100F0E0D, 0x1C1B1A1918171615),
    Stop(mode=0x01),
    Stopped(0x01, 0x0908070605040302),
]
FROZEN_NUMBERS = {
    Hello: 0x01,
    Identity: 0x02,
    Auth: 0x03,
    AuthAck: 0x04,
    GetDict: 0x05,
    DictChunk: 0x06,
    GetLimits: 0x07,
    Limits: 0x08,
    Ping: 0x0E,
    Pong: 0x0F,
    Stop: 0x10,
    Stopped: 0x90,
}
FROZEN_SIZES = {
    Hello: 26,
    Identity: 59,
    Auth: 1,
    AuthAck: 13,
    GetDict: 5,
    DictChunk: 9,
    GetLimits: 1,
    Limits: 81,
    Ping: 12,
    Pong: 28,
    Stop: 1,
    Stopped: 9,
}


@given(any_message())
def test_every_message_survives_the_wire(sent: Message) -> None:
    assert type(sent).decode(sent.encode()) == sent


@pytest.mark.parametrize("kind", MESSAGES.values(), ids=lambda kind: kind.__name__)
def test_a_payload_of_another_length_is_refused(kind: type[Message]) -> None:
    size = kind.layout.size
    wrong = [size - 1] if kind.has_rest else [size - 1, size + 1, 238]
    for length in {n for n in wrong if n >= 0} | ({0} if size else set()):
        with pytest.raises(ValueError, match=f"{kind.__name__} has {size} bytes"):
            kind.decode(bytes(length))


@pytest.mark.parametrize("kind", MESSAGES.values(), ids=lambda kind: kind.__name__)
def test_a_message_cannot_change_after_it_was_made(kind: type[Message]) -> None:
    made = kind.decode(bytes(kind.layout.size))
    for name in fields_of(kind):
        with pytest.raises((FrozenInstanceError, AttributeError)):
            setattr(made, name, 1)


WITH_FIELDS = [kind for _, kind in sorted(MESSAGES.items()) if kind.layout.size]


@given(st.sampled_from(WITH_FIELDS).flatmap(messages_of), st.data())
def test_a_value_that_does_not_fit_its_field_is_refused(
    sent: Message, data: st.DataObject
) -> None:
    numeric = [n for n, code in fields_of(type(sent)).items() if not code.startswith("bytes")]
    broken = data.draw(st.sampled_from(numeric))
    values = {n: getattr(sent, n) for n in fields_of(type(sent))}
    values[broken] = data.draw(st.sampled_from([2**64, -(2**63) - 1]))
    with pytest.raises(ValueError, match="does not fit the wire"):
        type(sent)(**values).encode()


def test_numbers_are_unique_and_each_stands_under_its_own() -> None:
    assert all(number == kind.number for number, kind in MESSAGES.items())
    assert len({kind.__name__ for kind in MESSAGES.values()}) == len(MESSAGES)


def test_a_number_declared_twice_is_refused() -> None:
    class Second(Message):
        field: U8

    with pytest.raises(ValueError, match="0E is declared twice"):
        message(Ping.number, Peer.HOST)(Second)
    assert MESSAGES[Ping.number] is Ping


@pytest.mark.parametrize("sent", FROZEN, ids=lambda sent: type(sent).__name__)
def test_the_messages_that_any_two_ends_can_read_are_frozen(sent: Message) -> None:
    kind = type(sent)
    assert kind.number == FROZEN_NUMBERS[kind]
    assert sent.encode() == bytes(range(1, 1 + FROZEN_SIZES[kind]))


def test_every_message_up_to_10_and_its_acknowledgement_are_among_the_frozen() -> None:
    assert {n for n in MESSAGES if n <= 0x10} | {0x90} == set(FROZEN_NUMBERS.values())


def test_the_tables_crc_names_its_canonical_text() -> None:
    assert crc32(canonical_text().encode()) == TABLE_CRC
    lines = canonical_text().splitlines()
    assert len(lines) == len(MESSAGES)
    assert lines == sorted(lines)
    assert "10 Stop HOST STRANGER mode:u8" in lines
    assert "2B Start HOST CONTROLLER EXPIRES program_crc:u32 lease_ms:u32 group:u8" in lines


def test_a_changed_field_changes_the_tables_crc(monkeypatch: pytest.MonkeyPatch) -> None:
    known = dict(MESSAGES)
    crcs = {TABLE_CRC}
    annotations: list[dict[str, object]] = [{"token": U8}, {"mark": U8}, {"mark": U16}, {}]
    for fields in annotations:
        changed = type("Ping", (Message,), {"__annotations__": fields})
        table = {number: kind for number, kind in known.items() if number != Ping.number}
        monkeypatch.setattr(messages, "MESSAGES", table)
        message(Ping.number, Peer.HOST)(changed)
        crcs.add(crc32(canonical_text().encode()))
    assert len(crcs) == 1 + len(annotations)


def test_samples_are_the_rest_of_a_sensed_block() -> None:
    sensed = Sensed(7, 1, 2, 0, bytes(8))
    assert Sensed.decode(sensed.encode()).samples_nv == bytes(8)


@pytest.mark.parametrize("reason", Refusal)
@pytest.mark.parametrize("detail", [0, 1, 5, 77, 2**32 - 1])
def test_every_refusal_says_in_one_sentence_what_to_do(reason: Refusal, detail: int) -> None:
    sentence = reason.sentence(detail)
    assert sentence
    assert "\n" not in sentence
    assert any(mark in sentence for mark in (";", ",")), sentence


def test_a_refusal_names_the_state_it_is_about() -> None:
    assert "HOLD" in Refusal.HELD.sentence(State.HOLD)
    assert "99" in Refusal.HELD.sentence(99)
