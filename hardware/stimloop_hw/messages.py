"""Every message on the wire, declared once.

The class is the specification: its number, its direction, its fields and their layout. Encoder,
decoder, documentation, C header and the table's CRC (which seeds the CRC of every frame, so that
two ends with different tables never misread each other) are derived from it.

All integers are little-endian. Units stand in the names. A number is never reused; changing a
payload changes the table's CRC. The layouts of 01-0F and of Stop are frozen for ever, since two
ends that do not yet know each other's table must be able to read them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag, unique
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Self,
    TypeVar,
    dataclass_transform,
    get_type_hints,
)
from zlib import crc32

from stimloop_hw.program import Parameter

if TYPE_CHECKING:
    from collections.abc import Callable

U8 = Annotated[int, "B", "u8"]
U16 = Annotated[int, "H", "u16"]
U32 = Annotated[int, "I", "u32"]
U64 = Annotated[int, "Q", "u64"]
I32 = Annotated[int, "i", "i32"]
I64 = Annotated[int, "q", "i64"]
Bytes8 = Annotated[bytes, "8s", "bytes8"]
Bytes16 = Annotated[bytes, "16s", "bytes16"]
Rest = Annotated[bytes, "", "bytes"]
"""The remaining bytes of the payload; only as the last field."""


@unique
class Peer(IntEnum):
    """Who sends a message."""

    HOST = 0
    DEVICE = 1


@unique
class State(IntEnum):
    """What the therapy is doing, in the device's words (Status, Stopped)."""

    BOOT = 0
    IDLE = 1
    CONFIGURED = 2
    ARMED = 3
    STIMULATING = 4
    HOLD = 5
    FALLBACK = 6
    RAMPING_DOWN = 7
    FAULT = 8


@unique
class StopMode(IntEnum):
    """How a Stop ends the output."""

    GROUND = 0
    RAMP = 1


@unique
class ResetCause(IntEnum):
    """Why the device last started (Identity.reset_cause)."""

    POWER_ON = 1


class Build(IntFlag):
    """How the device was built, told in its Identity."""

    UNSIGNED = 1
    DEVKEY = 2
    SIMULATED = 4


class SensedFlag(IntFlag):
    """What a block of samples went through."""

    STIM = 1
    SATURATED = 2
    GAP_BEFORE = 4


class Fault(IntFlag):
    """Latched faults (Status.faults)."""

    SELF_TEST = 1
    CHARGE_BALANCE = 2
    OUTPUT_LIMIT = 4


@unique
class EventCode(IntEnum):
    """What an Event reports; `arg` is explained behind each."""

    FAULT = 1  # the faults latched
    SAMPLES_DROPPED = 2  # samples that the full stream queue has lost so far
    SENSING_ENDED = 3  # index behind the last sample: a recording has no more


@unique
class Refusal(IntEnum):
    """Why the device refused (Refused.reason); `detail` is explained behind each."""

    WRONG_STATE = 1  # the present state
    OUT_OF_RANGE = 2  # the parameter's number
    NOT_REPRESENTABLE = 3  # the parameter's number
    CHARGE_PER_PHASE = 4  # the charge asked, nC
    CHARGE_DENSITY = 5  # the density asked, nC/cm²
    SLEW = 6  # the largest step allowed, µA
    OUTSIDE_ENVELOPE = 7  # the nearest value allowed, µA or µs
    HELD = 8  # the present state
    EXPIRED = 9  # how late, µs
    CRC_MISMATCH = 10  # the CRC the device has
    UNKNOWN = 11  # the message's or the parameter's number
    MALFORMED = 12  # the payload's length
    MISSING = 13  # the parameter's number
    TIMING = 14  # the shortest period that fits, µs
    VERSION = 15  # the version the device speaks

    def sentence(self, detail: int) -> str:
        """Say the refusal with its detail and the remedy.

        Parameters
        ----------
        detail : int
            As carried by the Refused message.

        Returns
        -------
        str
        """
        return _REFUSAL_TEXT[self](detail)


def _state_name(detail: int) -> str:
    return State(detail).name if detail in State.__members__.values() else str(detail)


def _parameter_name(detail: int) -> str:
    known = {p.value: p.name.lower() for p in Parameter}
    return known.get(detail, f"number {detail}")


_REFUSAL_TEXT: dict[Refusal, Callable[[int], str]] = {
    Refusal.WRONG_STATE: lambda d: (
        f"not allowed in state {_state_name(d)}; stop, stage, commit and arm first"
    ),
    Refusal.OUT_OF_RANGE: lambda d: (
        f"{_parameter_name(d)} is outside the device's range; ask for a value its limits allow"
    ),
    Refusal.NOT_REPRESENTABLE: lambda d: (
        f"{_parameter_name(d)} is no multiple of the device's step; ask for one that is"
    ),
    Refusal.CHARGE_PER_PHASE: lambda d: (
        f"{d} nC per phase is above the contact's limit; lower amplitude or pulse width"
    ),
    Refusal.CHARGE_DENSITY: lambda d: (
        f"{d / 1000:g} µC/cm² is above the contact's limit; lower amplitude or pulse width"
    ),
    Refusal.SLEW: lambda d: f"the step is larger than {d} µA; approach in smaller steps",
    Refusal.OUTSIDE_ENVELOPE: lambda d: (
        f"outside the committed program, which ends at {d}; commit a wider program"
    ),
    Refusal.HELD: lambda d: (
        f"no increase in state {_state_name(d)}; renew the lease with heartbeats first"
    ),
    Refusal.EXPIRED: lambda d: f"it arrived {d} µs after its deadline; send it afresh",
    Refusal.CRC_MISMATCH: lambda d: (
        f"the device holds program {d:08X}; read back, and send that program's CRC"
    ),
    Refusal.UNKNOWN: lambda d: f"number {d} is unknown to it; match the releases of both ends",
    Refusal.MALFORMED: lambda d: f"{d} bytes do not fit the message; match both ends' tables",
    Refusal.MISSING: lambda d: f"{_parameter_name(d)} is missing; stage the whole program",
    Refusal.TIMING: lambda d: f"the pulse does not fit its period; {d} µs is the shortest",
    Refusal.VERSION: lambda d: f"it speaks SL1 version {d} only; use a matching release",
}


class Message:
    """One message: a frozen, slotted dataclass of integers and bytes, and its wire layout."""

    __slots__ = ()

    number: ClassVar[int]
    sender: ClassVar[Peer]
    layout: ClassVar[struct.Struct]
    has_rest: ClassVar[bool]
    __dataclass_fields__: ClassVar[dict[str, Any]]

    def encode(self) -> bytes:
        """Payload bytes.

        Raises
        ------
        ValueError
            If a value does not fit its field.
        """
        values = [getattr(self, name) for name in self.__dataclass_fields__]
        rest = values.pop() if self.has_rest else b""
        try:
            return self.layout.pack(*values) + rest
        except struct.error as problem:
            raise ValueError(f"{self} does not fit the wire: {problem}") from None

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Message of a payload.

        Raises
        ------
        ValueError
            If the payload has another length than the layout.
        """
        size = cls.layout.size
        if len(payload) < size or (len(payload) > size and not cls.has_rest):
            raise ValueError(f"{cls.__name__} has {size} bytes, not {len(payload)}")
        values = cls.layout.unpack_from(payload)
        return cls(*values, payload[size:]) if cls.has_rest else cls(*values)


MESSAGES: dict[int, type[Message]] = {}
"""The table: number → message."""

_M = TypeVar("_M", bound=Message)


@dataclass_transform(frozen_default=True)
def message(number: int, sender: Peer) -> Callable[[type[_M]], type[_M]]:
    """Declare a message: its number, who sends it, and from its annotations the layout."""

    def declare(cls: type[_M]) -> type[_M]:
        if number in MESSAGES:
            raise ValueError(f"message {number:02X} is declared twice")
        declared = dataclass(frozen=True, slots=True)(cls)
        hints = get_type_hints(declared, include_extras=True)
        codes = [hints[name].__metadata__[0] for name in declared.__dataclass_fields__]
        declared.number = number
        declared.sender = sender
        declared.has_rest = bool(codes) and not codes[-1]
        declared.layout = struct.Struct("<" + "".join(codes))
        MESSAGES[number] = declared
        return declared

    return declare


@message(0x01, Peer.HOST)
class Hello(Message):
    """Opens a session; the device answers Identity."""

    version_min: U8
    version_max: U8
    nonce: Bytes16
    client: Bytes8


@message(0x02, Peer.DEVICE)
class Identity(Message):
    """Who the device is. Session = CRC-32 of both nonces and the device's id."""

    version: U8
    build: U8
    reset_cause: U8
    model: Bytes16
    firmware: U32
    device_id: U64
    table_crc: U32
    limits_crc: U32
    boot: U32
    nonce: Bytes16


@message(0x07, Peer.HOST)
class GetLimits(Message):
    """Asks for the limits of one stimulation channel; the device answers Limits."""

    channel: U8


@message(0x08, Peer.DEVICE)
class Limits(Message):
    """What one channel can do and must never do; Identity.limits_crc is this payload's CRC."""

    channel: U8
    channels: U8
    amplitude_unit: U8
    amplitude_max_ua: I32
    amplitude_step_ua: U32
    width_min_us: U16
    width_max_us: U16
    width_step_us: U16
    period_min_us: U32
    period_max_us: U32
    period_step_us: U32
    interphase_us: U16
    recharge_ratio: U8
    charge_max_nc: U32
    density_max_nc_cm2: U32
    contact_area_um2: U32
    slew_max_ua_s: U32
    lease_max_ms: U32
    sense_channels: U8
    sense_rate_hz: U16
    sense_block: U8
    sense_range_uv: U32


@message(0x0E, Peer.HOST)
class Ping(Message):
    """Asks the device for its clock; answered by Pong."""

    token: U32
    host_ns: U64


@message(0x0F, Peer.DEVICE)
class Pong(Message):
    """The device's clock at reception and at answering."""

    token: U32
    host_ns: U64
    received_us: U64
    sent_us: U64


@message(0x10, Peer.HOST)
class Stop(Message):
    """Ends the output from any state, session and sequence; answered by Stopped."""

    mode: U8


@message(0x90, Peer.DEVICE)
class Stopped(Message):
    """The output is off, or ramping down if that was asked."""

    state: U8
    t_us: U64


@message(0x11, Peer.HOST)
class Heartbeat(Message):
    """Renews the lease, after a fresh sample only; acknowledges events up to `event_ack`."""

    lease_ms: U32
    credit: U16
    event_ack: U32


@message(0x91, Peer.DEVICE)
class Status(Message):
    """The truth: every 100 ms, on every change of state, and as the answer to an order."""

    t_us: U64
    state: U8
    faults: U32
    program_crc: U32
    last_sp: U32
    amplitude_ua: I32
    period_us: U32
    pulses: U32
    delivered_nc: U64
    net_fc: I64
    i2t_ua2_us: U64
    lease_left_ms: U32
    received: U32
    damaged: U32
    foreign: U32
    repeated: U32
    stale: U32
    refused: U32
    samples_dropped: U32


@message(0x20, Peer.HOST)
class Stage(Message):
    """Offers a whole program (see `stimloop_hw.program`); the device answers Staged."""

    txn: U16
    entries: Rest


@message(0x21, Peer.DEVICE)
class Staged(Message):
    """Full read-back of what the device holds, and its CRC-32."""

    txn: U16
    staged_crc: U32
    entries: Rest


@message(0x22, Peer.HOST)
class Commit(Message):
    """Makes the staged program the committed one; answered by Committed."""

    txn: U16
    staged_crc: U32


@message(0x23, Peer.DEVICE)
class Committed(Message):
    """The program is committed."""

    txn: U16
    program_crc: U32
    applied_us: U64


@message(0x2A, Peer.HOST)
class Arm(Message):
    """Allows Start for two seconds; answered by Status."""

    program_crc: U32


@message(0x2B, Peer.HOST)
class Start(Message):
    """Starts therapy under a lease, at zero amplitude; answered by Status."""

    program_crc: U32
    lease_ms: U32


@message(0x2C, Peer.HOST)
class Setpoint(Message):
    """Moves amplitude and period inside the committed envelope; the latest wins, no answer."""

    sp: U32
    channel: U8
    amplitude_ua: I32
    period_us: U32
    at_us: U32


@message(0x2E, Peer.HOST)
class Trigger(Message):
    """Delivers `count` pulses of the present setpoint (triggered programs); answered by Status."""

    channel: U8
    count: U16
    at_us: U32


@message(0x30, Peer.HOST)
class StreamConfig(Message):
    """Which sensing channels stream, how fast, in blocks of how many; rate 0 ends it."""

    mask: U16
    rate_hz: U16
    block: U8


@message(0x31, Peer.DEVICE)
class Sensed(Message):
    """A block of samples: `n` frames of `n_ch` channels, i32 nV, time-major."""

    first_index: U32
    n_ch: U8
    n: U8
    flags: U16
    samples_nv: Rest


@message(0x32, Peer.DEVICE)
class Event(Message):
    """Something happened; repeated with each Status until a Heartbeat acknowledges it."""

    event: U32
    t_us: U64
    code: U16
    arg: U32


@message(0x7F, Peer.DEVICE)
class Refused(Message):
    """No, and why."""

    order: U8
    seq: U16
    reason: U8
    detail: U32


def canonical_text() -> str:
    """Text whose CRC-32 names this table: a line per message, sorted by number."""
    lines = []
    for number, kind in sorted(MESSAGES.items()):
        hints = get_type_hints(kind, include_extras=True)
        fields = " ".join(f"{n}:{hints[n].__metadata__[1]}" for n in kind.__dataclass_fields__)
        lines.append(f"{number:02X} {kind.__name__} {kind.sender.name} {fields}\n")
    return "".join(lines)


TABLE_CRC: int = crc32(canonical_text().encode())
"""CRC-32 of `canonical_text`; seeds the CRC of every frame but 01-0F and Stop."""
