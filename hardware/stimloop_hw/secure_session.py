"""One session as the host holds it: what it signs, and what it believes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from stimloop_hw.framing import Flag
from stimloop_hw.messages import Decided, DictChunk, Evoked, Identity, Refused, Sensed, Stopped
from stimloop_hw.seal import Seal, extended
from stimloop_hw.vocabulary import Role

if TYPE_CHECKING:
    from stimloop_hw.framing import Frame
    from stimloop_hw.messages import Message
    from stimloop_hw.seal import SessionKeys

# Plain ints: the flags of every frame are compared.
_REPLY, _NONE, _EXPIRES = Flag.REPLY.value, Flag.NONE.value, Flag.EXPIRES.value
_STREAMED = frozenset({Sensed.number, Evoked.number, Decided.number})
_OPEN_ANSWERS = (Identity.number, Stopped.number, DictChunk.number)
_OPEN = Seal(b"")


class SecureSession:
    """Counters, signatures and device time of one host and one device.

    Parameters
    ----------
    table_crc : int
        CRC of the message table that it speaks.

    Attributes
    ----------
    number : int
        0 until a handshake has given one.
    t_us : int
        The latest device time heard, µs.
    counter : int
        Of the latest order.
    admitted : bool
        The device has given us a role.
    foreign, bad_tags, repeated : int
        Intact frames that were dropped: of no session of ours, not authentic, and older than
        what was heard before.
    """

    def __init__(self, table_crc: int) -> None:
        self.t_us = 0
        self.counter = int.from_bytes(os.urandom(2), "little")
        self.admitted = False
        self.foreign = self.bad_tags = self.repeated = 0
        self._table_crc = table_crc
        self.number = 0
        self._outbound = self._inbound = _OPEN
        self._answered = self._told = self._streamed = 0

    def forget(self) -> None:
        """Begin anew: nothing that came before belongs to the next session."""
        self.number = 0
        self.admitted = False
        self.counter &= 0x7FFF  # both ends begin to extend the sequence at Hello
        self._told = self._streamed = 0
        self.t_us = 0

    def begin(self, keys: SessionKeys) -> None:
        """Sign with these keys, and believe what is signed with them."""
        self.number = keys.session
        self._outbound, self._inbound = Seal(keys.to_device), Seal(keys.to_host)
        self._answered = self.counter

    @property
    def tag_size(self) -> int:
        """Bytes of a signature."""
        return self._inbound.size

    def frame(self, order: Message, expires_us: int | None) -> bytes:
        """Bytes of the next order, as `Link.send` describes it."""
        self.counter += 1
        flags, time_us = (_NONE, self.t_us) if expires_us is None else (_EXPIRES, expires_us)
        # What anybody may say is never signed: it has to be understood without a session.
        seal = _OPEN if order.needs is Role.STRANGER else self._outbound
        return seal.encode(
            order.number,
            flags,
            self.counter,
            self.number,
            time_us & 0xFFFFFFFF,
            order.encode(),
            self._table_crc,
        )

    def open(self, frame: Frame) -> bytes | None:
        """Payload of a frame that we may believe, and heed the device's time with it.

        Answers carry our own counter and may come twice; samples give way to everything else,
        so they have a count of their own beside what else the device says by itself.
        """
        if not frame.session or frame.session != self.number:
            if self._is_open(frame):
                return frame.payload
            self.foreign += 1
            return None
        is_answer = frame.flags & _REPLY
        if is_answer:
            counter, oldest = extended(frame.seq, self.counter), self._answered
        else:
            told, streamed = self._told, self._streamed
            counter = extended(frame.seq, max(streamed, told))
            oldest = 1 + (streamed if frame.number in _STREAMED else told)
        payload = self._inbound.open(frame, counter)
        if payload is None:
            self.bad_tags += 1
            return None
        if counter < oldest:
            self.repeated += 1
            return None
        if is_answer:
            self._answered = counter
        elif frame.number in _STREAMED:
            self._streamed = counter
        else:
            self._told = counter
        self.t_us = max(self.t_us, self.time_us(frame))
        return payload

    def time_us(self, frame: Frame) -> int:
        """64-bit device time of a header's low 32 bits: the one nearest to what we know."""
        return self.t_us + ((frame.time - self.t_us + 0x80000000) & 0xFFFFFFFF) - 0x80000000

    def _is_open(self, frame: Frame) -> bool:
        """Whether a frame needs no signature: it answers what anybody may ask."""
        if frame.session:
            return False
        return frame.number in _OPEN_ANSWERS or (
            frame.number == Refused.number and not self.admitted
        )
