"""Messages over a port: orders and their answers, one device clock, explicit gaps.

`Link` never decides and never reads a wall clock: its patience is counted in read timeouts,
bytes and device time, so that a simulated day waits in simulated time. The only exception are
monotonic stamps, for the session's latency report (`read_ns`, `arrived_ns`) and for the
estimate of the device's clock (`clock`); nothing else depends on them.
"""

from __future__ import annotations

from collections import deque
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, TypeVar

from stimloop_hw import dictionary
from stimloop_hw.blocks import Block, BlockQueue
from stimloop_hw.clock import DeviceClock
from stimloop_hw.errors import LinkLost, OrderRefused, WrongPeer
from stimloop_hw.framing import (
    PANIC,
    SMALLEST_ON_WIRE,
    Deframer,
    Flag,
    Frame,
    wire_size,
)
from stimloop_hw.handshake import shake_hands
from stimloop_hw.keys import DEVELOPMENT_KEY
from stimloop_hw.messages import (
    MESSAGES,
    TABLE_CRC,
    AloneRequest,
    Arm,
    ArmAlone,
    ArmChallenge,
    ArmRequest,
    DictChunk,
    Event,
    Evoked,
    GetDict,
    GetLimits,
    Hello,
    Identity,
    Limits,
    Message,
    Ping,
    Pong,
    Refused,
    Sensed,
    Start,
    StartAlone,
    Status,
    Stop,
    Stopped,
    StreamConfig,
)
from stimloop_hw.ports import BAUD, POLL_MS, Port, open_port
from stimloop_hw.secure_session import SecureSession
from stimloop_hw.vocabulary import EventCode, Refusal, Role, StopMode

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from stimloop_hw.ranges import EvokedChannel

RETRIES_MS = (50, 100, 200)
"""How long each try of a request waits for its answer; in all less than a lease."""
SILENCE_MS = 1000
"""A streaming device that sends nothing for so long is lost."""
START_LATEST_MS = 500
"""Arm and Start are void so long after they were decided."""
PINGS = 8
"""Exchanges at the beginning of a session, for the device's clock."""
PING_US = 1_000_000
"""And then one in so much device time; it also shows that an observer is still there."""

_REPLY = Flag.REPLY.value  # a plain int: the flags of every frame are compared

_Answer = TypeVar("_Answer", bound=Message)


class Link:
    """One host's end of an SL1 wire.

    Parameters
    ----------
    port : Port
        An open port with a read timeout of `POLL_MS`.
    name : str
        How errors call it.
    table_crc : int
        CRC of the message table to speak; another than our own serves tests only.
    key : bytes
        The device's pre-shared key, 32 bytes. The published one opens simulators only.

    Attributes
    ----------
    identity : Identity
        The device, after `hello`.
    session : SecureSession
        Its keys, counters and device time.
    blocks : BlockQueue
        Samples that arrived, and how many did not.
    clock : DeviceClock
        How the device's clock stands to the host's monotonic one, with a bound.
    notices : deque of Message
        What arrived beside samples and answers (Status, Event, Refused), for the session to
        drain.
    event_ack : int
        The latest Event surely heard, for the heartbeat to acknowledge.
    read_ns, arrived_ns : int
        Duration of the read that brought the latest bytes, and when it returned.
    """

    identity: Identity

    def __init__(
        self,
        port: Port,
        name: str = "the port",
        table_crc: int = TABLE_CRC,
        *,
        key: bytes = DEVELOPMENT_KEY,
    ) -> None:
        self.port = port
        self.name = name
        self.blocks = BlockQueue()
        self.notices: deque[Message] = deque()
        self.event_ack = 0
        self.read_ns = 0
        self.arrived_ns = 0
        self.clock = DeviceClock()
        self.session = SecureSession(table_crc)
        self._key = key
        self._table_crc = table_crc
        self._deframer = Deframer(table_crc)
        self._frames: deque[tuple[Frame, bytes]] = deque()
        self._pinged_us = 0
        self._pinged: tuple[int, int] = (0, 0)  # token and stamp of the latest Ping
        self._ends_at: int | None = None
        self._heard: set[int] = set()
        self._acknowledgeable = 0
        self._stream_size = SMALLEST_ON_WIRE
        self._waited_us = 0

    @classmethod
    def open(cls, url: str, *, key: bytes = DEVELOPMENT_KEY, exclusive: bool = True) -> Self:
        """Open a link to ``[DRIVER+]URL``; its errors are those of `open_port`."""
        return cls(open_port(url, exclusive=exclusive), url, key=key)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the port. What the device does then is the lease's affair."""
        self.port.close()

    @property
    def t_us(self) -> int:
        """The latest device time heard, µs."""
        return self.session.t_us

    @property
    def damaged(self) -> int:
        """Frames from the device that arrived broken."""
        return self._deframer.damaged

    # The handshake -------------------------------------------------------------------------

    def hello(self, role: Role = Role.CONTROLLER) -> Identity:
        """Open a session with whatever is on the wire.

        Parameters
        ----------
        role : Role
            Controller, or observer: who hears everything and may only Stop.

        Returns
        -------
        Identity

        Raises
        ------
        WrongPeer
            If nothing answers, or a device of another message table does.
        WrongKey
            If the device does not accept the key, or the key must not be used for it.
        OrderRefused
            If another controller leads a therapy.
        LinkLost
            If the port fails.
        """
        self._forget()
        identity = shake_hands(self, role, self._key, self._table_crc)
        self.identity = identity
        for _ in range(PINGS):
            pong = self.request(self._ping(), Pong)
            self._put_aside_pong(pong)
            self.session.t_us = pong.sent_us
        return identity

    def _forget(self) -> None:
        """Begin anew: nothing that came before belongs to the next session."""
        self.session.forget()
        self._frames.clear()
        self.event_ack = 0
        self._acknowledgeable = 0
        self._heard.clear()
        self._ends_at = None
        self.blocks = BlockQueue()
        self.clock = DeviceClock()
        self._stream_size = SMALLEST_ON_WIRE

    def dictionary(self) -> dict[str, Any]:
        """Ask the device for its data dictionary; needs no session, and no common table.

        Returns
        -------
        dict
            See `stimloop_hw.dictionary`.

        Raises
        ------
        WrongPeer
            If what comes is none.
        """
        data = b""
        while True:
            chunk = self.request(GetDict(len(data), dictionary.CHUNK), DictChunk)
            data += chunk.data
            if chunk.total > dictionary.LARGEST or not chunk.data or chunk.offset > len(data):
                raise WrongPeer(f"the data dictionary of {self.name} cannot be read")
            if len(data) >= chunk.total:
                break
        try:
            return dictionary.unpacked(data)
        except ValueError as problem:
            raise WrongPeer(f"{self.name}: {problem}") from problem

    def limits(self, channel: int = 0) -> Limits:
        """Ask the device for the limits of a channel.

        Raises
        ------
        WrongPeer
            If they are not those that its identity names.
        """
        limits = self.request(GetLimits(channel), Limits)
        if limits.crc != self.identity.limits_crc:
            raise WrongPeer(
                f"the limits of the device on {self.name} are not those its identity names; "
                "power-cycle it, and do not use it if this stays"
            )
        return limits

    def stream(self, mask: int, rate_hz: int, block: int) -> Status:
        """Start the sensing stream: `block` samples of the channels in `mask` at a time."""
        self.blocks = BlockQueue()
        status = self.request(StreamConfig(mask, rate_hz, block), Status)
        self._stream_size = self._frame_size(Sensed.layout.size + 4 * block * mask.bit_count())
        return status

    def stream_evoked(self, bit: int, channel: EvokedChannel) -> Status:
        """Start the stream of one evoked channel: a sweep after every pulse.

        Parameters
        ----------
        bit : int
            Of the channel in a stream's mask: behind those of the other sensing channels.
        channel : EvokedChannel
        """
        self.blocks = BlockQueue()
        config = StreamConfig(1 << bit, channel.rate_hz, channel.samples)
        status = self.request(config, Status)
        self._stream_size = self._frame_size(Evoked.layout.size + 2 * channel.samples)
        return status

    def _frame_size(self, payload: int) -> int:
        return wire_size(payload + self.session.tag_size)

    # Orders --------------------------------------------------------------------------------

    def send(self, order: Message, expires_us: int | None = None) -> None:
        """Send an order that has no answer.

        Parameters
        ----------
        order : Message
        expires_us : int, optional
            Device time after which the device must refuse it, µs.

        Raises
        ------
        LinkLost
            If the port fails or takes no bytes.
        """
        self._write(self.session.frame(order, expires_us))

    def request(
        self, order: Message, answer: type[_Answer], expires_us: int | None = None
    ) -> _Answer:
        """Send an order, and again with the same sequence number, until it is answered.

        Parameters
        ----------
        order : Message
        answer : type of Message
            The kind of answer that it has.
        expires_us : int, optional
            Device time after which the device must refuse it, µs.

        Raises
        ------
        OrderRefused
            If the device says no.
        TimeoutError
            If it says nothing (a `LinkLost`, except to the first Hello).
        """
        wire = self.session.frame(order, expires_us)
        for patience_ms in RETRIES_MS:
            self._write(wire)
            message = self._answer((answer.number, Refused.number), patience_ms)
            if isinstance(message, answer):
                return message
            if isinstance(message, Refused):
                raise OrderRefused(
                    type(order).__name__,
                    Refusal(message.reason),
                    message.detail,
                    message.program,
                )
        if isinstance(order, Hello):
            raise TimeoutError
        raise LinkLost(
            f"{self.name} does not answer {type(order).__name__} any more; check cable and "
            "power. Its lease ends the therapy by itself"
        )

    def stop(self, mode: StopMode = StopMode.GROUND) -> Stopped:
        """End the output, whatever state and session the device is in.

        Raises
        ------
        LinkLost
            If no acknowledgement comes; the framing-free panic sequence was then sent as well.
        """
        wire = self.session.frame(Stop(mode), None)
        for patience_ms in RETRIES_MS:
            self._write(wire)
            message = self._answer((Stopped.number,), patience_ms)
            if isinstance(message, Stopped):
                return message
        self._write(3 * PANIC)
        raise LinkLost(
            f"{self.name} does not acknowledge Stop; Stop and the panic sequence were sent: "
            "switch the output off at the device and look at it"
        )

    def start(self, program_crc: int, lease_ms: int, group: int = 0) -> int:
        """Arm and start the committed set's active group.

        Returns
        -------
        int
            Device time of the start, µs.

        Raises
        ------
        OrderRefused
            If the device refuses either.
        """
        challenge = self.request(ArmRequest(program_crc), ArmChallenge)
        latest_us = self.t_us + START_LATEST_MS * 1000
        self.request(Arm(program_crc, challenge.nonce), Status, latest_us)
        latest_us = self.t_us + START_LATEST_MS * 1000
        return self.request(Start(program_crc, lease_ms, group), Status, latest_us).t_us

    def start_alone(self, program_crc: int) -> int:
        """Arm and start the committed program to run without a host, until it is stopped.

        Returns
        -------
        int
            Device time of the start, µs.

        Raises
        ------
        OrderRefused
            If the device refuses either.
        """
        challenge = self.request(AloneRequest(program_crc), ArmChallenge)
        latest_us = self.t_us + START_LATEST_MS * 1000
        self.request(ArmAlone(program_crc, challenge.nonce), Status, latest_us)
        latest_us = self.t_us + START_LATEST_MS * 1000
        return self.request(StartAlone(program_crc), Status, latest_us).t_us

    # Samples -------------------------------------------------------------------------------

    def sensed(self) -> Block | None:
        """Wait for the next block of samples; what else arrives goes to `notices`.

        Returns
        -------
        Block or None
            None behind the last sample of a device that says that its sensing has ended (a
            recording's end).

        Raises
        ------
        LinkLost
            If the port fails, or no samples come for `SILENCE_MS`.
        """
        begun_us = self._waited_us
        while not self.blocks.waiting:
            while self._frames and not self.blocks.waiting:
                frame, payload = self._frames.popleft()
                message = self._message(frame, payload)
                if message is not None:
                    self._put_aside(frame, message)
            if self.blocks.waiting:
                break
            silent = self._waited_us - begun_us >= SILENCE_MS * 1000
            if self._ends_at is not None and (
                silent or (self.blocks.next_index or 0) >= self._ends_at
            ):
                return None
            if silent:
                raise LinkLost(
                    f"no samples from {self.name} for {SILENCE_MS} ms; check cable and power. "
                    "Its lease ends the therapy by itself"
                )
            self._keep_in_time()
            self._pump(self._stream_size)
        return self.blocks.waiting.popleft()

    def status(self) -> Status:
        """Wait for the device's next regular Status.

        Raises
        ------
        LinkLost
            If none comes for `SILENCE_MS`.
        """
        begun_us = self._waited_us
        while self._waited_us - begun_us < SILENCE_MS * 1000:
            while self._frames:
                frame, payload = self._frames.popleft()
                message = self._message(frame, payload)
                if isinstance(message, Status):
                    return message
                if message is not None:
                    self._put_aside(frame, message)
            self._keep_in_time()
            self._pump(self._stream_size)
        raise LinkLost(f"no status from {self.name} for {SILENCE_MS} ms; check cable and power")

    # Inside --------------------------------------------------------------------------------

    def _ping(self) -> Ping:
        self._pinged_us = self.t_us
        self._pinged = (self._pinged[0] + 1, perf_counter_ns())
        return Ping(self._pinged[0] & 0xFFFFFFFF, self._pinged[1])

    def _keep_in_time(self) -> None:
        """Compare clocks, now and then; nobody waits for the answer."""
        if self.session.admitted and self.t_us - self._pinged_us >= PING_US:
            self.send(self._ping())

    def _put_aside_pong(self, pong: Pong) -> None:
        token, sent_ns = self._pinged
        if pong.token == token & 0xFFFFFFFF:
            self.clock.push(sent_ns, self.arrived_ns, pong.received_us, pong.sent_us)

    def _write(self, wire: bytes) -> None:
        try:
            self.port.write(wire)
        except OSError as problem:
            raise LinkLost(
                f"{self.name} takes no more orders: {problem}; check cable and power. "
                "Its lease ends the therapy by itself"
            ) from problem

    def _pump(self, size: int) -> None:
        """Read once: the frame that is due, and all that waits; patience grows by that."""
        due = max(1, size - self._deframer.pending)
        begun_ns = perf_counter_ns()
        try:
            asked = max(due, self.port.in_waiting)
            data = self.port.read(asked)
        except (OSError, TypeError) as problem:  # TypeError: pyserial 3.5, closed while reading
            raise LinkLost(
                f"{self.name} is gone: {problem}; plug it in again. "
                "Its lease ends the therapy by itself"
            ) from problem
        self.arrived_ns = perf_counter_ns()
        self.read_ns = self.arrived_ns - begun_ns
        before_us = self.t_us
        for frame in self._deframer.feed(data):
            payload = self.session.open(frame)
            if payload is not None:
                self._frames.append((frame, payload))
        # Fewer bytes than asked for are a whole timeout's: a trickle of noise cannot hold us.
        took_us = len(data) * 10_000_000 // BAUD if len(data) == asked else POLL_MS * 1000
        self._waited_us += max(self.t_us - before_us, took_us)

    def _message(self, frame: Frame, payload: bytes) -> Message | None:
        """Decode an authentic frame; unknown and malformed ones are dropped."""
        kind = MESSAGES.get(frame.number)
        if kind is None:
            return None
        try:
            return kind.decode(payload)
        except ValueError:
            return None

    def _answer(self, numbers: tuple[int, ...], patience_ms: int) -> Message | None:
        begun_us = self._waited_us
        seq = self.session.counter & 0xFFFF
        while True:
            while self._frames:
                frame, payload = self._frames.popleft()
                message = self._message(frame, payload)
                if message is None:
                    continue
                if frame.flags & _REPLY and frame.seq == seq and frame.number in numbers:
                    return message
                self._put_aside(frame, message)
            if self._waited_us - begun_us >= patience_ms * 1000:
                return None
            self._pump(SMALLEST_ON_WIRE)

    def _put_aside(self, frame: Frame, message: Message) -> None:
        """Keep what nobody is waiting for just now, but late answers."""
        if isinstance(message, Sensed):
            self.blocks.put(message, self.session.time_us(frame))
        elif isinstance(message, Evoked):
            self.blocks.put_sweep(message, self.session.time_us(frame))
        elif isinstance(message, Pong):
            self._put_aside_pong(message)
        elif isinstance(message, Refused) or not frame.flags & _REPLY:
            self._notice(message)

    def _notice(self, message: Message) -> None:
        """Keep what the session must see; an Event, which is repeated, once."""
        if isinstance(message, Event):
            if message.event <= self.event_ack or message.event in self._heard:
                return
            self._heard.add(message.event)
            if message.code == EventCode.SENSING_ENDED:
                self._ends_at = message.arg
        elif isinstance(message, Status):
            # Each Status is followed by all unacknowledged events. Only what was heard before
            # the previous one is acknowledged: what came damaged has been repeated since.
            self.event_ack, self._acknowledgeable = (
                self._acknowledgeable,
                max(self._heard, default=self._acknowledgeable),
            )
            self._heard = {event for event in self._heard if event > self.event_ack}
        self.notices.append(message)
