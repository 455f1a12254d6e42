"""Messages over a port: session, signatures, answers, one device clock, explicit gaps.

`Link` never decides and never reads a wall clock: its patience is counted in read timeouts,
bytes and device time, so that a simulated day waits in simulated time. The only exception are
monotonic stamps, for the session's latency report (`read_ns`, `arrived_ns`) and for the
estimate of the device's clock (`clock`); nothing else depends on them.
"""

from __future__ import annotations

import os
from collections import deque
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, TypeVar

from stimloop_hw import dictionary
from stimloop_hw.blocks import Block, BlockQueue
from stimloop_hw.clock import DeviceClock
from stimloop_hw.errors import LinkLost, OrderRefused, WrongKey, WrongPeer
from stimloop_hw.framing import (
    PANIC,
    SMALLEST_ON_WIRE,
    Deframer,
    Flag,
    Frame,
    wire_size,
)
from stimloop_hw.keys import DEVELOPMENT_KEY
from stimloop_hw.messages import (
    MESSAGES,
    TABLE_CRC,
    Arm,
    ArmChallenge,
    ArmRequest,
    Auth,
    AuthAck,
    DictChunk,
    Event,
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
    Status,
    Stop,
    Stopped,
    StreamConfig,
)
from stimloop_hw.ports import BAUD, POLL_MS, Port, open_port
from stimloop_hw.seal import Seal, SessionKeys, extended, handshake_proof
from stimloop_hw.vocabulary import Build, EventCode, Refusal, Role, StopMode

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

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
VERSION = 1

# Plain ints: the flags of every frame are compared.
_REPLY, _NONE, _EXPIRES = Flag.REPLY.value, Flag.NONE.value, Flag.EXPIRES.value
_SENSED = Sensed.number
_OPEN_ANSWERS = (Identity.number, Stopped.number, DictChunk.number)
_OPEN = Seal(b"")

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
    t_us : int
        The latest device time heard, µs.
    blocks : BlockQueue
        Samples that arrived, and how many did not.
    clock : DeviceClock
        How the device's clock stands to the host's monotonic one, with a bound.
    foreign, bad_tags, repeated : int
        Intact frames that were dropped: of no session of ours, not authentic, and older than
        what was heard before.
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
        self.t_us = 0
        self.blocks = BlockQueue()
        self.notices: deque[Message] = deque()
        self.event_ack = 0
        self.read_ns = 0
        self.arrived_ns = 0
        self.clock = DeviceClock()
        self.foreign = self.bad_tags = self.repeated = 0
        self._key = key
        self._table_crc = table_crc
        self._deframer = Deframer(table_crc)
        self._frames: deque[tuple[Frame, bytes]] = deque()
        self._counter = int.from_bytes(os.urandom(2), "little")
        self._session = 0
        self._outbound = self._inbound = Seal(b"")
        self._admitted = False
        self._answered = self._told = self._streamed = 0
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
        hello = Hello(VERSION, VERSION, os.urandom(16), b"stimloop")
        identity = self._introduce(hello)
        signed = Build.UNSIGNED not in Build(identity.build)
        self._check_build(Build(identity.build))
        keys = SessionKeys.derive(
            self._key,
            hello.nonce,
            identity.nonce,
            identity.device_id,
            self._table_crc,
            signed=signed,
        )
        self._session = keys.session
        self._outbound, self._inbound = Seal(keys.to_device), Seal(keys.to_host)
        self._answered = self._counter
        granted = self._authenticate(role, Build(identity.build))
        if granted.handshake != handshake_proof(hello.encode(), identity.encode()):
            raise WrongKey(
                f"the handshake with {self.name} was changed on the way; do not use this wire"
            )
        self._admitted = True
        self.identity = identity
        for _ in range(PINGS):
            pong = self.request(self._ping(), Pong)
            self._put_aside_pong(pong)
            self.t_us = pong.sent_us
        return identity

    def _forget(self) -> None:
        """Begin anew: nothing that came before belongs to the next session."""
        self._session = 0
        self._admitted = False
        self._counter &= 0x7FFF  # both ends begin to extend the sequence at Hello
        self._told = self._streamed = 0
        self._frames.clear()
        self.t_us = 0
        self.event_ack = 0
        self._acknowledgeable = 0
        self._heard.clear()
        self._ends_at = None
        self.blocks = BlockQueue()
        self.clock = DeviceClock()
        self._stream_size = SMALLEST_ON_WIRE

    def _introduce(self, hello: Hello) -> Identity:
        try:
            identity = self.request(hello, Identity)
        except TimeoutError:
            raise WrongPeer(
                f"nothing on {self.name} answers as an SL1 device; check that it is the right "
                "port, that the device is on, and that its baud rate is "
                f"{BAUD}"
            ) from None
        except OrderRefused as refused:
            if refused.reason != Refusal.VERSION:
                raise
            raise WrongPeer(
                f"the device on {self.name} speaks SL1 version {refused.detail}, this stimloop "
                f"version {VERSION}; use a matching release"
            ) from None
        if identity.table_crc != self._table_crc:
            raise WrongPeer(
                f"the device on {self.name} speaks message table {identity.table_crc:08X}, "
                f"this stimloop speaks {self._table_crc:08X}; use the stimloop release that "
                f"belongs to firmware {identity.firmware}"
            )
        return identity

    def _check_build(self, build: Build) -> None:
        """What protects nothing is for simulators, and not for whoever brings a key."""
        public = self._key == DEVELOPMENT_KEY
        if public and Build.SIMULATED not in build:
            raise WrongKey(
                f"the device on {self.name} is no simulator, and the development key is "
                "public; give its own key with --key FILE"
            )
        if not public and Build.UNSIGNED in build:
            raise WrongKey(
                f"the device on {self.name} says that it takes unsigned orders, so a key "
                "protects nothing; leave the key out, or use a device that signs"
            )

    def _authenticate(self, role: Role, build: Build) -> AuthAck:
        try:
            return self.request(Auth(role), AuthAck)
        except OrderRefused as refused:
            if refused.reason != Refusal.KEY:
                raise
            remedy = (
                "it has the published development key: leave the key out"
                if Build.DEVKEY in build
                else "give its own with --key FILE or STIMLOOP_KEY"
            )
            raise WrongKey(
                f"the device on {self.name} does not accept this key; {remedy}"
            ) from None

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
        payload = Sensed.layout.size + 4 * block * mask.bit_count() + self._inbound.size
        self._stream_size = wire_size(payload)
        return status

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
        self._counter += 1
        self._write(self._framed(order, expires_us))

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
        self._counter += 1
        wire = self._framed(order, expires_us)
        for patience_ms in RETRIES_MS:
            self._write(wire)
            message = self._answer((answer.number, Refused.number), patience_ms)
            if isinstance(message, answer):
                return message
            if isinstance(message, Refused):
                raise OrderRefused(
                    type(order).__name__, Refusal(message.reason), message.detail
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
        self._counter += 1
        wire = self._framed(Stop(mode), None)
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

    def start(self, program_crc: int, lease_ms: int) -> int:
        """Arm and start the committed program.

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
        return self.request(Start(program_crc, lease_ms), Status, latest_us).t_us

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

    def _framed(self, order: Message, expires_us: int | None) -> bytes:
        flags, time_us = (_NONE, self.t_us) if expires_us is None else (_EXPIRES, expires_us)
        # What anybody may say is never signed: it has to be understood without a session.
        seal = _OPEN if order.needs is Role.STRANGER else self._outbound
        return seal.encode(
            order.number,
            flags,
            self._counter,
            self._session,
            time_us & 0xFFFFFFFF,
            order.encode(),
            self._table_crc,
        )

    def _ping(self) -> Ping:
        self._pinged_us = self.t_us
        self._pinged = (self._pinged[0] + 1, perf_counter_ns())
        return Ping(self._pinged[0] & 0xFFFFFFFF, self._pinged[1])

    def _keep_in_time(self) -> None:
        """Compare clocks, now and then; nobody waits for the answer."""
        if self._admitted and self.t_us - self._pinged_us >= PING_US:
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
            payload = self._authentic(frame)
            if payload is not None:
                self._frames.append((frame, payload))
        # Fewer bytes than asked for are a whole timeout's: a trickle of noise cannot hold us.
        took_us = len(data) * 10_000_000 // BAUD if len(data) == asked else POLL_MS * 1000
        self._waited_us += max(self.t_us - before_us, took_us)

    def _authentic(self, frame: Frame) -> bytes | None:
        """Payload of a frame that we may believe, and heed the device's time with it.

        Answers carry our own counter and may come twice; samples give way to everything else,
        so they have a count of their own beside what else the device says by itself.
        """
        if not frame.session or frame.session != self._session:
            if self._is_open(frame):
                return frame.payload
            self.foreign += 1
            return None
        is_answer = frame.flags & _REPLY
        if is_answer:
            counter, oldest = extended(frame.seq, self._counter), self._answered
        else:
            told, streamed = self._told, self._streamed
            counter = extended(frame.seq, max(streamed, told))
            oldest = 1 + (streamed if frame.number == _SENSED else told)
        payload = self._inbound.open(frame, counter)
        if payload is None:
            self.bad_tags += 1
            return None
        if counter < oldest:
            self.repeated += 1
            return None
        if is_answer:
            self._answered = counter
        elif frame.number == _SENSED:
            self._streamed = counter
        else:
            self._told = counter
        time_us = self._extended(frame.time)
        self.t_us = max(self.t_us, time_us)
        return payload

    def _extended(self, time: int) -> int:
        """64-bit device time of a header's low 32 bits: the one nearest to what we know."""
        return self.t_us + ((time - self.t_us + 0x80000000) & 0xFFFFFFFF) - 0x80000000

    def _is_open(self, frame: Frame) -> bool:
        """Whether a frame needs no signature: it answers what anybody may ask."""
        if frame.session:
            return False
        return frame.number in _OPEN_ANSWERS or (
            frame.number == Refused.number and not self._admitted
        )

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
        seq = self._counter & 0xFFFF
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
            self.blocks.put(message, self._extended(frame.time))
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
