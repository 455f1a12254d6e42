"""What may be asked of a station, and what it replies: declared once, JSON lines on the wire.

A request goes as ``{"number": 7, "ask": "Connect", "with": {"url": "…"}}`` and comes back as
``{"number": 7, "reply": "Done", "with": {…}}``. Types are strict, an unknown key is refused,
and messages of the device's wire travel as the hexadecimal digits of their payload. STOP has a
socket of its own, where every datagram is one `Stop`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Annotated, Any, Final, TypeAlias

from pydantic import ConfigDict, PlainSerializer, PlainValidator, TypeAdapter, ValidationError

from stimloop.errors import Violation
from stimloop.station.errors import StationError
from stimloop_hw.messages import BatteryState, Identity, Limits, Message, Status
from stimloop_hw.vocabulary import Bound, Role, StopMode

UNKNOWN: Final = Status.decode(bytes(Status.layout.size))
"""Status of a device that has not said anything: all zero."""
MARK: Final = "mark: "
"""With this the text of a mark's event begins."""
LONGEST_LINE: Final = 1 << 20
"""A request or reply has at most so many bytes."""
LONGEST_TEXT: Final = 2_000
"""Characters of a URL, beyond which it is refused, and of a sentence that is shown."""


def _of_wire(kind: type[Message]) -> tuple[PlainValidator, PlainSerializer]:
    def decode(value: object) -> Message:
        return value if isinstance(value, kind) else kind.decode(bytes.fromhex(str(value)))

    return PlainValidator(decode), PlainSerializer(lambda message: message.encode().hex())


_decode_status, _encode_status = _of_wire(Status)
_decode_identity, _encode_identity = _of_wire(Identity)
_decode_limits, _encode_limits = _of_wire(Limits)
_decode_battery, _encode_battery = _of_wire(BatteryState)
WiredStatus = Annotated[Status, _decode_status, _encode_status]
WiredIdentity = Annotated[Identity, _decode_identity, _encode_identity]
WiredLimits = Annotated[Limits, _decode_limits, _encode_limits]
WiredBattery = Annotated[BatteryState, _decode_battery, _encode_battery]


class Phase(IntEnum):
    """What a station is doing. What the *therapy* is doing is the device's own `State`."""

    EMPTY = 0
    """No device is connected."""
    LOST = 1
    """The device is gone; the station looks for it, and will only watch when it is back."""
    WATCHING = 2
    """Connected; nothing streams."""
    SENSING = 3
    """Samples come in, and no therapy is led."""
    THERAPY = 4
    """A session runs, and is recorded: capture of a threshold, then therapy."""
    ENDING = 5
    """The device was told to stop; its last words are recorded until the output is off."""


# Requests -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attend:
    """Say who asks, and that somebody is still there: at most `Station.poll`'s second apart.

    Attributes
    ----------
    who : str
        For the audit log, up to 80 characters.
    """

    who: str


@dataclass(frozen=True, slots=True)
class Connect:
    """Connect to a device and watch it; a therapy under way does not notice.

    A former one is let go when the new one has answered, or before if it is the same port.

    Attributes
    ----------
    url : str
        ``[DRIVER+]URL``. A simulated one for people has ``pace=real``.
    key_file : str
        File of its key; empty: the environment's, else the public one.
    """

    url: str
    key_file: str = ""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Let go of the device; refused while a session runs."""


@dataclass(frozen=True, slots=True)
class Describe:
    """Ask what changes seldom: replied by `Description`. `Snapshot.revision` says when."""


@dataclass(frozen=True, slots=True)
class Check:
    """Ask what a prescription would be programmed to: replied by `Checked`; nothing is sent.

    Attributes
    ----------
    prescription : str
        Text of the TOML file.
    """

    prescription: str


@dataclass(frozen=True, slots=True)
class Stage:
    """Send a prescription's programs to the device: replied by `ReadBack`; nothing acts yet.

    Attributes
    ----------
    prescription : str
        Text of the TOML file.
    """

    prescription: str


@dataclass(frozen=True, slots=True)
class Commit:
    """Make what was staged the device's program."""


@dataclass(frozen=True, slots=True)
class Arm:
    """Confirm that the next `Start` is meant; good for `stimloop.station.orders.ARMED_S`."""


@dataclass(frozen=True, slots=True)
class Start:
    """Begin the session: capture of a threshold if prescribed, then therapy; needs `Arm`.

    Attributes
    ----------
    adaptive : bool
        The prescription's controller leads; else the operator does.
    amplitude_ua : int
        Where the operator begins to lead, µA; 0 if the controller leads.
    """

    adaptive: bool = True
    amplitude_ua: int = 0


@dataclass(frozen=True, slots=True)
class Adapt:
    """Close the loop: from here on the prescription's controller leads."""


@dataclass(frozen=True, slots=True)
class Continuous:
    """Open the loop: lead to this amplitude, and stay there.

    Attributes
    ----------
    amplitude_ua : int
        0, or within the committed limits and on the device's steps, µA.
    """

    amplitude_ua: int


@dataclass(frozen=True, slots=True)
class Change:
    """Move the amplitude that the operator leads to.

    Attributes
    ----------
    by_ua : int
        µA, positive or negative.
    """

    by_ua: int


@dataclass(frozen=True, slots=True)
class ClearFault:
    """Leave FAULT; names exactly the faults that were shown.

    Attributes
    ----------
    faults : int
        `Status.faults` as the operator saw them.
    """

    faults: int


@dataclass(frozen=True, slots=True)
class Survey:
    """Let an idle device measure every pair of its contacts: replied by `Surveyed`."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Mark a moment, in record, events and audit log.

    Attributes
    ----------
    text : str
        Up to 200 characters.
    t_us : int
        Device time of a moment that has passed, µs: whoever writes the words first caught it; 0
        is now.
    """

    text: str
    t_us: int = 0


@dataclass(frozen=True, slots=True)
class Sense:
    """Stream samples without therapy.

    Attributes
    ----------
    channels : list of int
        Sensing channels; none ends it.
    """

    channels: list[int]


@dataclass(frozen=True, slots=True)
class Records:
    """Let the following sessions be recorded below another directory.

    Attributes
    ----------
    directory : str
    """

    directory: str


@dataclass(frozen=True, slots=True)
class Shutdown:
    """End the station; refused while a session runs."""


@dataclass(frozen=True, slots=True)
class Stop:
    """End the output, before all else; goes by its own socket and waits for nothing.

    Attributes
    ----------
    mode : StopMode
        GROUND at once, RAMP by the committed ramp.
    """

    mode: StopMode = StopMode.GROUND


# Replies ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Done:
    """It was done.

    Attributes
    ----------
    text : str
        What there is to say about it.
    """

    text: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """It was not done, and nothing has changed.

    Attributes
    ----------
    sentence : str
        What was asked, what is allowed, what to do.
    violations : list of Violation
        Field by field, where a prescription is refused.
    """

    sentence: str
    violations: list[Violation] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Description:
    """What the station and its device are.

    Attributes
    ----------
    url : str
        Empty without a device; all fields but `audit` and `records` then mean nothing.
    identity, limits, battery : list
        One `Identity`, `Limits` and `BatteryState` of `stimloop_hw.messages`, or none.
    prescription : str
        Text of what is committed, or else of what is staged; empty if neither.
    audit, records : str
        File of the audit log, and the directory below which sessions are recorded.
    """

    url: str
    identity: list[WiredIdentity]
    limits: list[WiredLimits]
    battery: list[WiredBattery]
    prescription: str
    audit: str
    records: str


@dataclass(frozen=True, slots=True)
class Held:
    """One parameter of one program, as it was asked for and as it is held.

    Attributes
    ----------
    program : str
        Place, such as A1.
    parameter : str
        Name with its unit, such as ``period_min_us``.
    asked : float
        By the prescription, before it was quantised.
    held : int
        By the device, or what it would be sent (`Checked`).
    before : int
        By the committed program that this station knows; equals `held` where it knows none.
    """

    program: str
    parameter: str
    asked: float
    held: int
    before: int


@dataclass(frozen=True, slots=True)
class Checked:
    """What a prescription would be on this device, or without one by itself.

    Attributes
    ----------
    violations : list of Violation
        What it must not have; none if it is accepted.
    parameters : list of Held
        Empty where it is not accepted or no device is connected.
    tick_us : int
        Control tick; 0 likewise.
    unit : str
        Of the level: ``"µV"`` or another.
    """

    violations: list[Violation]
    parameters: list[Held]
    tick_us: int
    unit: str


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What the device holds as staged, entry by entry; all equal to what it was sent.

    Attributes
    ----------
    parameters : list of Held
    crc : int
        Of the staged set.
    """

    parameters: list[Held]
    crc: int


@dataclass(frozen=True, slots=True)
class Surveyed:
    """The lead as the device measured it.

    Attributes
    ----------
    matrix : dict
        As `stimloop.impedance.measure_impedance` gives it.
    """

    matrix: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the station shows 30 times a second at most; see `stimloop.station.ring.Board`.

    Attributes
    ----------
    number : int
        Of the snapshot, from 1.
    made_ns : int
        When, on this machine's monotonic clock, ns: an old one is a station that hangs.
    phase : Phase
    role : Role
        OBSERVER until something was asked for that needs a controller.
    url : str
    revision : int
        Changes with what `Describe` tells.
    status : WiredStatus
        The device's latest; all zero (state BOOT) before the first and without a device. While
        the phase is LOST it is the last one heard: nobody knows the output then.
    status_age_ms : int
        How long ago it was heard, ms of this machine's clock.
    lost_samples : int
        Since the stream began.
    stream : int
        Number of the stream; sample indices begin anew with each.
    channels : list of int
        That stream, none if nothing does.
    rate_hz : int
        Of the stream; 0 likewise.
    battery_percent : float
    staged_crc, committed_crc : int
        Of what this station has staged and committed; 0 for none.
    armed_left_ms : int
        How long `Arm` is good for still.
    adaptive : bool
        The controller leads; else the operator, to `target_ua`.
    target_ua : int
    capturing : bool
        The session senses for a threshold, and does not stimulate.
    steps : int
        Of the session.
    fallback : Bound
        Why the governor orders the fallback; NONE while it does not.
    record : str
        Directory of the session's record, the latest one's after it has ended.
    said : str
        The latest sentence that a person must read: an alarm, why a session has ended.
    said_number : int
        Counts them.
    audit_broken : str
        What was found in the audit log on opening; empty if it was whole.
    """

    number: int = 0
    made_ns: int = 0
    phase: Phase = Phase.EMPTY
    role: Role = Role.STRANGER
    url: str = ""
    revision: int = 0
    status: WiredStatus = UNKNOWN
    status_age_ms: int = 0
    lost_samples: int = 0
    stream: int = 0
    channels: list[int] = field(default_factory=list)
    rate_hz: int = 0
    battery_percent: float = 0.0
    staged_crc: int = 0
    committed_crc: int = 0
    armed_left_ms: int = 0
    adaptive: bool = False
    target_ua: int = 0
    capturing: bool = False
    steps: int = 0
    fallback: Bound = Bound.NONE
    record: str = ""
    said: str = ""
    said_number: int = 0
    audit_broken: str = ""


Request: TypeAlias = (
    Attend
    | Connect
    | Disconnect
    | Describe
    | Check
    | Stage
    | Commit
    | Arm
    | Start
    | Adapt
    | Continuous
    | Change
    | ClearFault
    | Survey
    | Mark
    | Sense
    | Records
    | Shutdown
)
Reply: TypeAlias = Done | Refused | Description | Checked | ReadBack | Surveyed

# The codec ----------------------------------------------------------------------------------

_STRICT = ConfigDict(strict=True, extra="forbid")


def _adapter(kind: type) -> TypeAdapter[Any]:
    kind.__pydantic_config__ = _STRICT  # type: ignore[attr-defined]  # where pydantic looks
    return TypeAdapter(kind)


REQUESTS: Final[Mapping[str, TypeAdapter[Request]]] = {
    kind.__name__: _adapter(kind) for kind in Request.__args__
}
"""The table: name → how it is read."""
REPLIES: Final[Mapping[str, TypeAdapter[Reply]]] = {
    kind.__name__: _adapter(kind) for kind in Reply.__args__
}
STOP: Final[TypeAdapter[Stop]] = _adapter(Stop)
SNAPSHOT: Final[TypeAdapter[Snapshot]] = _adapter(Snapshot)


def request_line(number: int, request: Request) -> bytes:
    """A request as it goes to the station."""
    name = type(request).__name__
    values = REQUESTS[name].dump_python(request, mode="json")
    return _line({"number": number, "ask": name, "with": values})


def reply_line(number: int, reply: Reply) -> bytes:
    """A reply as it goes back."""
    name = type(reply).__name__
    values = REPLIES[name].dump_python(reply, mode="json")
    return _line({"number": number, "reply": name, "with": values})


def read_request(line: bytes) -> tuple[int, Request]:
    """Read a request.

    Raises
    ------
    StationError
        If it is none, in a sentence.
    """
    number, request = _read(line, "ask", REQUESTS)
    return number, request


def read_reply(line: bytes) -> tuple[int, Reply]:
    """Read a reply.

    Raises
    ------
    StationError
        If it is none, in a sentence.
    """
    number, reply = _read(line, "reply", REPLIES)
    return number, reply


def _line(document: dict[str, object]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _read(line: bytes, key: str, table: Mapping[str, TypeAdapter[Any]]) -> tuple[int, Any]:
    try:
        document = json.loads(line)
        number, name, values = document["number"], document[key], document["with"]
    except (ValueError, TypeError, KeyError):
        raise StationError(
            f"a line came that is no {key}; write number, {key} and with, as JSON, and match "
            "the releases of both ends"
        ) from None
    if name not in table or type(number) is not int:
        raise StationError(f"{name} was asked for; there are {', '.join(table)}: choose one")
    try:
        return number, table[name].validate_json(json.dumps(values))
    except ValidationError as problem:
        error = problem.errors()[0]
        where = ".".join(map(str, (name, *error["loc"])))
        raise StationError(f"{where} cannot be read: {error['msg']}; mend it") from None
