"""Messages over a port: session, sequence, answers, one device clock, explicit gaps.

`Link` never decides and never reads a wall clock: its patience is counted in read timeouts,
bytes and device time, so that a simulated day waits in simulated time. The only exception are
the two stamps `read_ns` and `arrived_ns`, from which the session makes its latency report.
"""

from __future__ import annotations

import os
from collections import deque
from time import perf_counter_ns
from typing import TYPE_CHECKING, TypeVar
from zlib import crc32

from stimloop_hw.blocks import Block, BlockQueue
from stimloop_hw.errors import LinkLost, OrderRefused, WrongPeer
from stimloop_hw.framing import (
    PANIC,
    SMALLEST_ON_WIRE,
    Deframer,
    Flag,
    Frame,
    encode,
    wire_size,
)
from stimloop_hw.messages import (
    MESSAGES,
    TABLE_CRC,
    Arm,
    Event,
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
from stimloop_hw.vocabulary import EventCode, Refusal, StopMode

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

RETRIES_MS = (50, 100, 200)
"""How long each try of a request waits for its answer; in all less than a lease."""
SILENCE_MS = 1000
"""A streaming device that sends nothing for so long is lost."""
START_LATEST_MS = 500
"""Start is void so long after it was decided."""
VERSION = 1

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

    Attributes
    ----------
    identity : Identity
        The device, after `hello`.
    t_us : int
        The latest device time heard, µs.
    blocks : BlockQueue
        Samples that arrived, and how many did not.
    notices : deque of Message
        What arrived beside samples and answers (Status, Event, Refused), for the session to
        drain.
    event_ack : int
        The latest Event surely heard, for the heartbeat to acknowledge.
    read_ns, arrived_ns : int
        Duration of the read that brought the latest bytes, and when it returned.
    """

    identity: Identity

    def __init__(self, port: Port, name: str = "the port", table_crc: int = TABLE_CRC) -> None:
        self.port = port
        self.name = name
        self.t_us = 0
        self.blocks = BlockQueue()
        self.notices: deque[Message] = deque()
        self.event_ack = 0
        self.read_ns = 0
        self.arrived_ns = 0
        self._table_crc = table_crc
        self._deframer = Deframer(table_crc)
        self._frames: deque[Frame] = deque()
        self._seq = int.from_bytes(os.urandom(2), "little")
        self._session = 0
        self._ends_at: int | None = None
        self._heard: set[int] = set()
        self._acknowledgeable = 0
        self._stream_size = SMALLEST_ON_WIRE
        self._waited_us = 0

    @classmethod
    def open(cls, url: str, *, exclusive: bool = True) -> Self:
        """Open a link to ``[DRIVER+]URL``; parameters and errors are those of `open_port`."""
        return cls(open_port(url, exclusive=exclusive), url)

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

    def hello(self) -> Identity:
        """Open a session with whatever is on the wire.

        Returns
        -------
        Identity

        Raises
        ------
        WrongPeer
            If nothing answers, or a device of another message table does.
        LinkLost
            If the port fails.
        """
        nonce = os.urandom(16)
        self._session = 0
        self.t_us = 0
        self.event_ack = 0
        self._acknowledgeable = 0
        self._heard.clear()
        self._ends_at = None
        self.blocks = BlockQueue()
        self._stream_size = SMALLEST_ON_WIRE
        try:
            identity = self.request(Hello(VERSION, VERSION, nonce, b"stimloop"), Identity)
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
        self.identity = identity
        device_id = identity.device_id.to_bytes(8, "little")
        self._session = crc32(nonce + identity.nonce + device_id)
        self.t_us = self.request(Ping(1, 0), Pong).sent_us
        return identity

    def limits(self, channel: int = 0) -> Limits:
        """Ask the device for the limits of a channel.

        Raises
        ------
        WrongPeer
            If they are not those that its identity names.
        """
        limits = self.request(GetLimits(channel), Limits)
        if crc32(limits.encode()) != self.identity.limits_crc:
            raise WrongPeer(
                f"the limits of the device on {self.name} are not those its identity names; "
                "power-cycle it, and do not use it if this stays"
            )
        return limits

    def stream(self, mask: int, rate_hz: int, block: int) -> Status:
        """Start the sensing stream: `block` samples of the channels in `mask` at a time."""
        self.blocks = BlockQueue()
        status = self.request(StreamConfig(mask, rate_hz, block), Status)
        payload = Sensed.layout.size + 4 * block * mask.bit_count()
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
        self._seq = (self._seq + 1) & 0xFFFF
        self._write(self._framed(order, self._seq, expires_us))

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
        self._seq = (self._seq + 1) & 0xFFFF
        wire = self._framed(order, self._seq, expires_us)
        for patience_ms in RETRIES_MS:
            self._write(wire)
            message = self._answer(self._seq, (answer.number, Refused.number), patience_ms)
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
        self._seq = (self._seq + 1) & 0xFFFF
        wire = self._framed(Stop(mode), self._seq, None)
        for patience_ms in RETRIES_MS:
            self._write(wire)
            message = self._answer(self._seq, (Stopped.number,), patience_ms)
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
        self.request(Arm(program_crc), Status)
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
                frame = self._frames.popleft()
                message = self._message(frame)
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
            self._pump()
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
                frame = self._frames.popleft()
                message = self._message(frame)
                if isinstance(message, Status):
                    return message
                if message is not None:
                    self._put_aside(frame, message)
            self._pump()
        raise LinkLost(f"no status from {self.name} for {SILENCE_MS} ms; check cable and power")

    # Inside --------------------------------------------------------------------------------

    def _framed(self, order: Message, seq: int, expires_us: int | None) -> bytes:
        flags, time_us = (
            (Flag.NONE, self.t_us) if expires_us is None else (Flag.EXPIRES, expires_us)
        )
        return encode(
            order.number,
            flags,
            seq,
            self._session,
            time_us & 0xFFFFFFFF,
            order.encode(),
            self._table_crc,
        )

    def _write(self, wire: bytes) -> None:
        try:
            self.port.write(wire)
        except OSError as problem:
            raise LinkLost(
                f"{self.name} takes no more orders: {problem}; check cable and power. "
                "Its lease ends the therapy by itself"
            ) from problem

    def _pump(self) -> None:
        """Read once: what is due, and all that waits; patience grows by what that took."""
        due = max(1, self._stream_size - self._deframer.pending)
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
        frames = self._deframer.feed(data)
        for frame in frames:
            self._advance_clock(frame)
        self._frames.extend(frames)
        # Fewer bytes than asked for are a whole timeout's: a trickle of noise cannot hold us.
        took_us = len(data) * 10_000_000 // BAUD if len(data) == asked else POLL_MS * 1000
        self._waited_us += max(self.t_us - before_us, took_us)

    def _advance_clock(self, frame: Frame) -> None:
        if self._session and frame.session == self._session:
            self.t_us = max(self.t_us, self._extended(frame.time))

    def _extended(self, time: int) -> int:
        """64-bit device time of a header's low 32 bits: the one nearest to what we know."""
        return self.t_us + ((time - self.t_us + 0x80000000) & 0xFFFFFFFF) - 0x80000000

    def _message(self, frame: Frame) -> Message | None:
        """Decode a frame of our session; foreign, unknown and malformed ones are dropped."""
        kind = MESSAGES.get(frame.number)
        if kind is None or (frame.session != self._session and not self._is_open(frame)):
            return None
        try:
            return kind.decode(frame.payload)
        except ValueError:
            return None

    def _is_open(self, frame: Frame) -> bool:
        return frame.number in (Identity.number, Stopped.number) or (
            frame.number == Refused.number and not self._session
        )

    def _answer(self, seq: int, numbers: tuple[int, ...], patience_ms: int) -> Message | None:
        begun_us = self._waited_us
        while True:
            while self._frames:
                frame = self._frames.popleft()
                message = self._message(frame)
                if message is None:
                    continue
                if frame.flags & _REPLY and frame.seq == seq and frame.number in numbers:
                    return message
                self._put_aside(frame, message)
            if self._waited_us - begun_us >= patience_ms * 1000:
                return None
            self._pump()

    def _put_aside(self, frame: Frame, message: Message) -> None:
        """Keep what nobody is waiting for just now, but late answers."""
        if isinstance(message, Sensed):
            self.blocks.put(message, self._extended(frame.time))
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
