"""Replay: the samples of a record through today's code, step by step, compared bit for bit."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, fields
from itertools import islice
from typing import TYPE_CHECKING

from stimloop import prescription as prescriptions
from stimloop.errors import PrescriptionError, RecordError
from stimloop.session import Session
from stimloop.steering import Steering
from stimloop.step import Latency, Step
from stimloop.watch import Shadow
from stimloop_hw.messages import (
    Event,
    Limits,
    Message,
    Refused,
    Status,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stimloop.prescription import Prescription
    from stimloop.record import Record
    from stimloop.streams import EventKind
    from stimloop_hw import Block


STARTED = ("operator", "start")
"""Kind and text of the event with which therapy begins."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a replay first decides otherwise.

    Attributes
    ----------
    step : int
        Number of the tick, from 0.
    t_us : int
        Its device time, µs.
    field : str
        Which value of `Step`.
    recorded, replayed : float
    """

    step: int
    t_us: int
    field: str
    recorded: float
    replayed: float


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay found.

    Attributes
    ----------
    steps : int
        Ticks compared.
    orders : int
        Setpoints among them, as recorded.
    first_difference : Difference or None
    uncompared : int
        Ticks behind the first sample that was lost on its way from a device which decided by
        itself: the device had it, and a replay has not.
    torn : tuple of str
        Streams whose writer was killed before their end; no difference by itself.
    """

    steps: int
    orders: int
    first_difference: Difference | None
    uncompared: int
    torn: tuple[str, ...]

    @property
    def identical(self) -> bool:
        """Whether every tick compared was decided alike, to the bit."""
        return self.first_difference is None


class RecordedWire:
    """A wire that plays what was recorded and takes orders in silence.

    Parameters
    ----------
    blocks : iterable of Block
    started_us : int
        The device's time of the start, µs.
    answers : iterable of (int, Message)
        What the device said, each with the number of steps that were finished by then.

    Attributes
    ----------
    notices : deque of Message
    event_ack, t_us, read_ns, arrived_ns : int
    """

    def __init__(
        self,
        blocks: Iterable[Block],
        started_us: int = 0,
        answers: Iterable[tuple[int, Message]] = (),
    ) -> None:
        self.notices: deque[Message] = deque()
        self.event_ack = 0
        self.t_us = 0
        self.read_ns = 0
        self.arrived_ns = 0
        self._blocks = iter(blocks)
        self._answers = deque(answers)
        self._started_us = started_us
        self._step = 0

    def sensed(self) -> Block | None:
        """Next recorded block, with what the device had answered by then."""
        block = next(self._blocks, None)
        while self._answers and self._answers[0][0] <= self._step:
            self.notices.append(self._answers.popleft()[1])
        self._step += 1
        if block is not None:
            self.t_us = block.t_us
        return block

    def send(self, order: Message, expires_us: int | None = None) -> None:
        """Nobody listens."""

    def start(
        self,
        program_crc: int,  # noqa: ARG002  # of Wire
        lease_ms: int,  # noqa: ARG002
        group: int,  # noqa: ARG002
    ) -> int:
        """The recorded device's time of the start, µs."""
        return self._started_us

    def start_alone(self, program_crc: int) -> int:  # noqa: ARG002  # of Wire
        """The same."""
        return self._started_us


def _started_us(record: Record) -> int:
    """The recorded device's time of its last start, µs; 0 if there was none."""
    starts = [row.detail for row in record.events() if (row.kind, row.text) == STARTED]
    return starts[-1] if starts else 0


def _answers(record: Record) -> list[tuple[int, Message]]:
    """What the device said, in the order in which it was heard."""
    told: list[tuple[int, Message]] = []
    for row in record.events():
        if row.kind == "refused":
            told.append((row.step, Refused(row.order, 0, row.code, row.detail)))
        elif row.kind == "device":
            told.append((row.step, Event(0, row.t_us, row.code, row.detail)))
    return sorted([*told, *record.statuses()], key=lambda answer: answer[0])


class _Compared:
    """Log of a replay: each step against the recorded one."""

    def __init__(self, record: Record) -> None:
        self._recorded = iter(record.steps())
        self.steps = 0
        self.orders = 0
        self.difference: Difference | None = None

    def step(self, step: Step) -> None:
        recorded = next(self._recorded)
        self.orders += recorded.sp > 0
        if step != recorded and self.difference is None:
            name = next(
                field.name
                for field in fields(Step)
                if getattr(step, field.name) != getattr(recorded, field.name)
            )
            self.difference = Difference(
                self.steps,
                recorded.t_us,
                name,
                getattr(recorded, name),
                getattr(step, name),
            )
        self.steps += 1

    def sensed(self, block: Block) -> None:
        """Samples are given, not compared."""

    def latency(self, step_number: int, latency: Latency) -> None:
        """Latency is never compared."""

    def status(self, step_number: int, status: Status) -> None:
        """Statuses are given, not compared."""

    def event(
        self,
        step_number: int,
        t_us: int,
        kind: EventKind,
        *,
        order: int = 0,
        code: int = 0,
        detail: int = 0,
        text: str = "",
    ) -> None:
        """Events follow from what is compared."""


def limits_of(record: Record) -> Limits:
    """What the device of a record said of itself.

    Raises
    ------
    RecordError
        If another release wrote it, whose device told other limits.
    """
    told = record.session["limits"]
    try:
        return Limits(**{**told, "rows": bytes.fromhex(told["rows"])})
    except (KeyError, TypeError):
        raise RecordError(
            f"the limits in {record.directory} are those of another release's messages; replay "
            "it with the release that recorded it"
        ) from None


def replay_record(record: Record, other: Prescription | None = None) -> Replay:
    """Put a record's samples through today's code.

    Parameters
    ----------
    record : Record
    other : Prescription, optional
        Another prescription: what would it have decided on the same samples? The device is then
        taken to follow every order.

    Returns
    -------
    Replay

    Raises
    ------
    PrescriptionError
        If the device of the record does not allow the other prescription.
    RecordError
        If the record's own prescription is not readable any more, or the other one senses a
        channel that was not recorded.
    """
    limits = limits_of(record)
    try:
        own = prescriptions.loads(record.session["prescription"])
    except PrescriptionError as problem:
        raise RecordError(
            f"the prescription in {record.directory} cannot be read by this release: {problem}"
        ) from problem
    prescription = own if other is None else other
    if prescription.detector.channel != own.detector.channel:
        raise RecordError(
            f"channel {prescription.detector.channel} was not recorded, only channel "
            f"{own.detector.channel}; replay with a prescription for that one"
        )
    if (prescription.evoked is None) is not (own.evoked is None):
        raise RecordError(
            f"in {record.directory} {'samples' if own.evoked is None else 'sweeps'} were "
            "recorded; replay with a prescription that senses the same"
        )
    group = prescription.programs(limits)
    if own.controller.where == "device" and other is None:
        return _replay_device(record, own, limits)
    compared = _Compared(record)
    # Statuses and refusals answer the orders of the record, not those of another prescription;
    # so does what an operator asked for.
    answers = _answers(record) if other is None else []
    asked = deque(record.events() if other is None else ())
    wire = RecordedWire(record.blocks(), _started_us(record), answers)
    steering = Steering()
    session = Session(wire, prescription, limits, group, compared, maker=steering.control)
    for number in range(record.whole_steps):
        while asked and asked[0].step <= number:
            steering.follow(asked.popleft())
        if session.step() is None:
            break
    return Replay(compared.steps, compared.orders, compared.difference, 0, record.torn)


def _replay_device(record: Record, asked: Prescription, limits: Limits) -> Replay:
    """The device's own decisions, against the host's on the same samples."""
    shadow = Shadow(asked, limits, asked.program(limits))
    difference: Difference | None = None
    steps = orders = uncompared = 0
    pairs = zip(record.blocks(), record.steps(), strict=False)
    for number, (block, told) in enumerate(islice(pairs, record.whole_steps)):
        own = shadow.step(block)
        name = shadow.compare(told, own)
        if name and difference is None:
            values = getattr(told, name), getattr(own, name)
            difference = Difference(number, told.t_us, name, *values)
        orders += told.sp > 0
        uncompared += shadow.blind
        steps += not shadow.blind
    return Replay(steps, orders, difference, uncompared, record.torn)
