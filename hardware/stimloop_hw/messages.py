"""Every message on the wire, declared once.

The class is the specification: its number, its direction, its fields and their layout. Encoder,
decoder, documentation, C header and the table's CRC (which seeds the CRC of every frame, so
that two ends with different tables never misread each other) are derived from it; so is who
may send what, and what needs a deadline.

All integers are little-endian. Units stand in the names. A number is never reused; changing a
payload changes the table's CRC. The layouts of 01-0F, Stop and Stopped are frozen for ever,
since two ends that do not yet know each other's table must be able to read them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from enum import IntEnum, unique
from operator import attrgetter
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

from stimloop_hw.vocabulary import Role

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


class Message:
    """One message: a frozen, slotted dataclass of integers and bytes, and its wire layout."""

    __slots__ = ()

    number: ClassVar[int]
    sender: ClassVar[Peer]
    needs: ClassVar[Role]  # the least that may send it, or hear it; STRANGER: never signed
    expires: ClassVar[bool]  # refused without a not-after time
    layout: ClassVar[struct.Struct]
    has_rest: ClassVar[bool]
    values: ClassVar[Any]  # a message's fields as a tuple, in one call
    __dataclass_fields__: ClassVar[dict[str, Any]]

    def encode(self) -> bytes:
        """Payload bytes.

        Raises
        ------
        ValueError
            If a value does not fit its field.
        """
        values = self.values(self)
        rest: bytes = b""
        if self.has_rest:
            *values, rest = values
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
        make: Callable[..., Self] = cls  # each message has fields of its own
        return make(*values, payload[size:]) if cls.has_rest else make(*values)


MESSAGES: dict[int, type[Message]] = {}
"""The table: number → message."""

_M = TypeVar("_M", bound=Message)


def _values_of(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda sent: tuple(getattr(sent, name) for name in names)


@dataclass_transform(frozen_default=True)
def message(
    number: int, sender: Peer, needs: Role | None = None, *, expires: bool = False
) -> Callable[[type[_M]], type[_M]]:
    """Declare a message: its number, who sends it, and from its annotations the layout.

    Parameters
    ----------
    number : int
    sender : Peer
    needs : Role, optional
        The least role that may send it (a host's message) or hear it (a device's). If not
        given, a host's message is the controller's, and a device's everybody's with a session.
    expires : bool
        Whether it may raise the output, and so must not come out of some buffer seconds later.
    """
    if needs is None:
        needs = Role.CONTROLLER if sender is Peer.HOST else Role.OBSERVER

    def declare(cls: type[_M]) -> type[_M]:
        if number in MESSAGES:
            raise ValueError(f"message {number:02X} is declared twice")
        declared = dataclass(frozen=True, slots=True)(cls)
        hints = get_type_hints(declared, include_extras=True)
        codes = [hints[name].__metadata__[0] for name in declared.__dataclass_fields__]
        declared.number = number
        declared.sender = sender
        declared.needs = needs
        declared.expires = expires
        declared.has_rest = bool(codes) and not codes[-1]
        declared.values = staticmethod(_values_of(list(declared.__dataclass_fields__)))
        declared.layout = struct.Struct("<" + "".join(codes))
        MESSAGES[number] = declared
        return declared

    return declare


@message(0x01, Peer.HOST, Role.STRANGER)
class Hello(Message):
    """Opens a session; the device answers Identity."""

    version_min: U8
    version_max: U8
    nonce: Bytes16
    client: Bytes8


@message(0x02, Peer.DEVICE, Role.STRANGER)
class Identity(Message):
    """Who the device is; both nonces and what it says here make the session's keys."""

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

    @property
    def serial(self) -> str:
        """The device's number as people write it: 16 hexadecimal digits."""
        return f"{self.device_id:016X}"


@message(0x03, Peer.HOST, Role.GUEST)
class Auth(Message):
    """Proves the key and asks for a role; answered by AuthAck."""

    role: U8


@message(0x04, Peer.DEVICE, Role.GUEST)
class AuthAck(Message):
    """The role granted, the heartbeat it needs, and a proof of the handshake's every byte."""

    role: U8
    heartbeat_ms: U16
    timeout_ms: U16
    handshake: Bytes8


@message(0x05, Peer.HOST, Role.STRANGER)
class GetDict(Message):
    """Asks for a part of the data dictionary; the device answers DictChunk."""

    offset: U32
    length: U8


@message(0x06, Peer.DEVICE, Role.STRANGER)
class DictChunk(Message):
    """A part of the data dictionary (see `stimloop_hw.dictionary`), at most 200 bytes."""

    offset: U32
    total: U32
    data: Rest


@message(0x07, Peer.HOST, Role.OBSERVER)
class GetLimits(Message):
    """Asks for the limits of one stimulation channel; the device answers Limits."""

    channel: U8


@message(0x08, Peer.DEVICE)
class Limits(Message):
    """What one channel can do and must never do; Identity.limits_crc is its `crc`.

    `stimloop_hw.ranges` reads `rows`: values that are no single run, every contact with the
    bound that holds on it, and how many groups and programs there may be. The other fields are
    of the whole channel and its smallest contact.
    """

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
    contacts: U8
    slew_max_ua_s: U32
    lease_max_ms: U32
    sense_channels: U8
    sense_rate_hz: U16
    sense_block: U8
    sense_range_uv: U32
    case_pole: U8
    share_step_percent: U8
    interphase_max_us: U16
    recharge_max_ratio: U8
    soft_max_ms: U16
    cycle_max_ms: U32
    duty_max_permille: U16
    compliance_mv: U16
    impedance_ohm: U16
    capacitance_nf: U16
    rows: Rest

    @property
    def crc(self) -> int:
        """CRC-32 of the payload, with 0 for the impedance: that one is measured and changes."""
        return crc32(replace(self, impedance_ohm=0).encode())


@message(0x0E, Peer.HOST, Role.OBSERVER)
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


@message(0x10, Peer.HOST, Role.STRANGER)
class Stop(Message):
    """Ends the output from any state, session and sequence; answered by Stopped."""

    mode: U8


@message(0x90, Peer.DEVICE, Role.STRANGER)
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
    """The truth: every 100 ms, on every change of state, and as the answer to an order.

    Three amplitudes: `setpoint_ua` is programmed, `amplitude_ua` is what a pulse would have
    now, quantised, and `delivered_ua` is what the latest one had, 0 once it is a period old.
    They are those of the first program of the active group; `others` has them for each further
    one (see `stimloop_hw.groups.Output`). All counters are of the whole group.
    """

    t_us: U64
    state: U8
    faults: U32
    lead: U16
    program_crc: U32
    group: U8
    last_sp: U32
    setpoint_ua: I32
    amplitude_ua: I32
    delivered_ua: I32
    period_us: U32
    pulses: U32
    programmed_nc: U64
    delivered_nc: U64
    net_fc: I64
    i2t_ua2_us: U64
    lease_left_ms: U32
    received: U32
    damaged: U32
    foreign: U32
    bad_tags: U32
    repeated: U32
    stale: U32
    refused: U32
    samples_dropped: U32
    others: Rest = b""


@message(0x20, Peer.HOST)
class Stage(Message):
    """Offers a part of a whole set of programs (see `stimloop_hw.groups`); gives Staged.

    Parts come in their order, from 0; anything else forgets what is staged.
    """

    txn: U16
    part: U8
    parts: U8
    entries: Rest


@message(0x21, Peer.DEVICE)
class Staged(Message):
    """Read-back of a part as the device holds it, and the CRC-32 of all parts up to it."""

    txn: U16
    part: U8
    parts: U8
    staged_crc: U32
    entries: Rest


@message(0x22, Peer.HOST, expires=True)
class Commit(Message):
    """Makes the staged set the committed one, and one group active; answered by Committed."""

    txn: U16
    staged_crc: U32
    group: U8 = 0


@message(0x23, Peer.DEVICE)
class Committed(Message):
    """The set is committed: its CRC-32, when, and which group is active."""

    txn: U16
    program_crc: U32
    applied_us: U64
    group: U8 = 0


@message(0x24, Peer.HOST)
class Abort(Message):
    """Forgets what is staged; answered by Status."""

    txn: U16


@message(0x25, Peer.HOST)
class AloneRequest(Message):
    """Asks for the challenge that ArmAlone has to echo; the device answers ArmChallenge."""

    program_crc: U32


@message(0x26, Peer.HOST, expires=True)
class ArmAlone(Message):
    """Echoes its challenge, and allows StartAlone for two seconds; answered by Status."""

    program_crc: U32
    nonce: U32


@message(0x27, Peer.HOST, expires=True)
class StartAlone(Message):
    """Starts therapy that no host leads: until Stop, a fault or the battery; gives Status."""

    program_crc: U32


@message(0x28, Peer.HOST)
class ArmRequest(Message):
    """Asks for the challenge that Arm has to echo; the device answers ArmChallenge."""

    program_crc: U32


@message(0x29, Peer.DEVICE)
class ArmChallenge(Message):
    """A number that was never used before, good for one Arm within two seconds."""

    nonce: U32


@message(0x2A, Peer.HOST, expires=True)
class Arm(Message):
    """Echoes the challenge, and allows Start for two seconds; answered by Status."""

    program_crc: U32
    nonce: U32


@message(0x2B, Peer.HOST, expires=True)
class Start(Message):
    """Starts the active group under a lease, at zero amplitude; answered by Status."""

    program_crc: U32
    lease_ms: U32
    group: U8 = 0


@message(0x2C, Peer.HOST, expires=True)
class Setpoint(Message):
    """Moves one program inside its envelope, and its group's period; latest wins, no answer."""

    sp: U32
    channel: U8
    amplitude_ua: I32
    period_us: U32
    at_us: U32


@message(0x2D, Peer.HOST)
class ClearFault(Message):
    """Leaves FAULT, if these are exactly the faults latched; answered by Status."""

    faults: U32


@message(0x2E, Peer.HOST, expires=True)
class Trigger(Message):
    """Delivers `count` pulses of the present setpoint (triggered programs); gives Status."""

    channel: U8
    count: U16
    at_us: U32


@message(0x2F, Peer.HOST, expires=True)
class Hold(Message):
    """Lets nothing rise any more, heartbeats or not, until it is sent with 0; gives Status."""

    held: U8


@message(0x30, Peer.HOST)
class StreamConfig(Message):
    """Which sensing channels stream, how fast, in blocks of how many; rate 0 ends it.

    The bits of evoked channels follow those of the others; a mask of them streams Evoked, with
    a block as long as a sweep.
    """

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


@message(0x33, Peer.DEVICE)
class Evoked(Message):
    """What followed one pulse: `n` samples of i16 `lsb_nv`, the first after a blanking time.

    `index` counts the sweeps, `pulse` the device's pulses up to the one at `t_us`. A sweep that
    no pulse began is sent where none has come for 50 ms; it has no STIM flag.
    """

    index: U32
    pulse: U32
    t_us: U64
    channel: U8
    flags: U16
    fs_hz: U16
    lsb_nv: U16
    n: U8
    samples: Rest


@message(0x34, Peer.HOST, Role.OBSERVER)
class GetTrends(Message):
    """Asks for the device's ten-minute means from number `first` on; answered by Trends."""

    first: U32


@message(0x35, Peer.DEVICE)
class Trends(Message):
    """Some rows from number `first` on, of `total` that there have ever been; none at the end.

    Rows are those of `stimloop_hw.trends`.
    """

    first: U32
    total: U32
    rows: Rest


@message(0x36, Peer.DEVICE)
class Decided(Message):
    """What the device's own loop made of the block that ends at `index`; goes before it.

    Attributes as those of a session's step; `level_bits` are those of the level's binary64.
    """

    index: U32
    level_bits: U64
    active: U8
    active_ms: U32
    quality: U16
    wanted_ua: I32
    wanted_period_us: U32
    ordered_ua: I32
    ordered_period_us: U32
    bound: U8
    sp: U32


@message(0x38, Peer.HOST, expires=True)
class Impedance(Message):
    """Measures a contact against those behind it and the case, in a state without therapy."""

    contact: U8


@message(0x39, Peer.DEVICE)
class ImpedanceResult(Message):
    """Every pair of a contact (see `stimloop_hw.impedance`), and the pulse that measured it."""

    t_us: U64
    contact: U8
    current_ua: U16
    width_us: U16
    pairs: Rest


@message(0x3A, Peer.HOST, Role.OBSERVER)
class GetBattery(Message):
    """Asks for the battery; the device answers BatteryState."""


@message(0x3B, Peer.DEVICE)
class BatteryState(Message):
    """What is left of the battery, and what the device has given up for it (`Supply`)."""

    stage: U8
    charge_permille: U16
    voltage_mv: U16
    left_uah: U32
    capacity_uah: U32


@message(0x3C, Peer.HOST, Role.PATIENT, expires=True)
class Adjust(Message):
    """Moves the patient's level by so many steps of the program's, up or down; gives Status."""

    steps: I32


@message(0x3D, Peer.HOST, Role.PATIENT)
class Mark(Message):
    """Sets the patient's mark of a number, which is told as an Event; gives Status."""

    mark: U8


@message(0x7F, Peer.DEVICE)
class Refused(Message):
    """No, and why; `program` is 1 + the place of the program that it is about, 0 for none."""

    order: U8
    seq: U16
    reason: U8
    detail: U32
    program: U8 = 0


def fields_of(kind: type[Message]) -> dict[str, str]:
    """Names of a message's fields, and their types on the wire."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: hints[name].__metadata__[1] for name in kind.__dataclass_fields__}


def canonical_text() -> str:
    """Text whose CRC-32 names this table: a line per message, sorted by number."""
    lines = []
    for number, kind in sorted(MESSAGES.items()):
        fields = " ".join(f"{name}:{code}" for name, code in fields_of(kind).items())
        rights = f"{kind.needs.name}{' EXPIRES' * kind.expires}"
        lines.append(f"{number:02X} {kind.__name__} {kind.sender.name} {rights} {fields}\n")
    return "".join(lines)


TABLE_CRC: int = crc32(canonical_text().encode())
"""CRC-32 of `canonical_text`; seeds the CRC of every frame but 01-0F, Stop and Stopped."""
