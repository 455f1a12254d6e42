"""The device's telemetry: which frame is an order, who gave it, and what is answered.

Sessions, signatures, counters and deadlines are judged here; what an order does is the
device's affair. Nothing here knows a therapy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from stimloop_hw import dictionary
from stimloop_hw.framing import Deframer, Flag, Frame, encode
from stimloop_hw.messages import (
    MESSAGES,
    Auth,
    AuthAck,
    DictChunk,
    GetDict,
    Hello,
    Identity,
    Message,
    Peer,
    Refused,
    Status,
    Stop,
    Stopped,
)
from stimloop_hw.seal import SessionKeys, extended, handshake_proof
from stimloop_hw.vocabulary import EventCode, Refusal, Role, StopMode
from stimloop_sim.limits import Breach
from stimloop_sim.lockout import Lockout
from stimloop_sim.outbox import Outbox, Priority
from stimloop_sim.sessions import HostSession, Sessions
from stimloop_sim.therapy import FALLBACK_AFTER_US

if TYPE_CHECKING:
    from stimloop_sim.orders import Outcome

VERSION = 1
PANIC_US = 50_000
PANICS = 3
"""So many panic sequences within `PANIC_US` are a Stop."""
LATEST_US = 2_000_000
"""A deadline further ahead is none."""
HEARTBEAT_MS = 50
"""How often the device would like to hear from its controller."""

# Plain ints: an operation on an IntFlag costs as much as a tag.
_NONE, _REPLY, _EXPIRES = Flag.NONE.value, Flag.REPLY.value, Flag.EXPIRES.value
_GRANTED = (Role.OBSERVER, Role.PATIENT, Role.CONTROLLER)


class Device(Protocol):
    """What telemetry needs of the device that it serves."""

    @property
    def now_us(self) -> int:
        """Device time, µs."""

    def identify(self) -> Identity:
        """Who it is, with a nonce of its own."""

    def status(self) -> Status:
        """The truth about the therapy, now."""

    def stop(self, mode: int) -> Stopped:
        """End the output, whatever state it is in."""

    def obey(self, order: Message) -> Outcome:
        """Do what a host may ask for."""

    def admit(self, role: Role) -> Breach | None:
        """Whether a host may take this role now; a controller takes the lead with it."""

    def raise_event(self, code: EventCode, arg: int) -> None:
        """Write down what happened, and tell."""

    def report(self) -> None:
        """Tell what has changed."""


class Telemetry:
    """The device's end of an SL1 wire.

    Parameters
    ----------
    device : Device
    key : bytes
        Pre-shared, 32 bytes.
    table_crc : int
        CRC of the message table it speaks.
    signed : bool
        False for a build that takes unsigned orders.

    Attributes
    ----------
    outbox : Outbox
    foreign, repeated, stale, refused : int
        Intact frames of no session, that had come before, that came after their deadline, and
        orders that were refused.
    """

    def __init__(self, device: Device, key: bytes, table_crc: int, *, signed: bool) -> None:
        self.outbox = Outbox()
        self.foreign = self.repeated = self.stale = self.refused = 0
        self._device = device
        self._key = key
        self._table_crc = table_crc
        self._signed = signed
        self._deframer = Deframer(table_crc)
        self._sessions = Sessions()
        self._lockout = Lockout()
        self._greeted: tuple[int, bytes, bytes] | None = None  # the latest Hello, its answer
        self._panics_us: list[int] = []

    @property
    def received(self) -> int:
        """Intact frames."""
        return self._deframer.received

    @property
    def damaged(self) -> int:
        """Frames that arrived broken."""
        return self._deframer.damaged

    @property
    def bad_tags(self) -> int:
        """Frames that were not authentic."""
        return self._lockout.bad_tags

    # What comes in -------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take bytes from the host; never raises, whatever they are."""
        panics = self._deframer.panics
        frames = self._deframer.feed(data)
        for frame in frames:
            self._take(frame)
        # Last, since the frames have hidden whether an order came before or after a panic.
        self._count_panics(self._deframer.panics - panics)

    def _count_panics(self, count: int) -> None:
        if not count:
            return
        recent_us = self._device.now_us - PANIC_US
        self._panics_us = [t for t in self._panics_us if t >= recent_us]
        self._panics_us += [self._device.now_us] * min(count, PANICS)
        if len(self._panics_us) >= PANICS:
            self._panics_us.clear()
            self._device.stop(StopMode.GROUND)

    def _take(self, frame: Frame) -> None:
        """What anybody may say; then what comes under a session and its key."""
        if frame.number == Stop.number:
            self._stop(frame)
        elif frame.number == Hello.number:
            self._hello(frame)
        elif frame.number == GetDict.number:
            self._tell_dictionary(frame)
        elif self._lockout.left_us(self._device.now_us):
            self._ignore(frame)
        elif (session := self._sessions.find(frame.session)) is not None:
            self._take_next(session, frame)
        elif frame.number == Auth.number:
            # Another key, or a handshake of another session or table: its number differs.
            self._take_stranger(frame)
        else:
            self.foreign += 1

    def _take_stranger(self, frame: Frame) -> None:
        self._count_bad_tag()
        refused = Refused(frame.number, frame.seq, Refusal.KEY, 0)
        self._tell_openly(frame, refused)

    def _ignore(self, frame: Frame) -> None:
        """In a lockout nothing signed is even looked at; who wants to come in is told."""
        if frame.number == Auth.number:
            left_ms = self._lockout.left_us(self._device.now_us) // 1000
            refused = Refused(frame.number, frame.seq, Refusal.LOCKED, left_ms)
            self._tell_openly(frame, refused)
        self.foreign += 1

    def _count_bad_tag(self) -> None:
        if self._lockout.count(self._device.now_us):
            self._device.raise_event(EventCode.BAD_TAGS, self._lockout.bad_tags)

    def _take_next(self, session: HostSession, frame: Frame) -> None:
        """An order once, a repeated one answered again, an overtaken one dropped."""
        counter = extended(frame.seq, session.received)
        if counter < session.received:
            self.repeated += 1
            return
        payload = session.inbound.open(frame, counter)
        if payload is None:
            self._count_bad_tag()
            return
        session.heard_us = self._device.now_us
        if counter == session.received:
            # The answer was lost on the way: give it again, and do nothing twice.
            self.repeated += 1
            if session.answer:
                self.outbox.put(Priority.ANSWER, session.answer)
            return
        session.received = counter
        session.answer = b""
        self._obey(session, frame, payload)
        self._device.report()

    def _obey(self, session: HostSession, frame: Frame, payload: bytes) -> None:
        kind = MESSAGES.get(frame.number)
        if kind is None or kind.sender is not Peer.HOST:
            self._refuse(session, frame, Breach(Refusal.UNKNOWN, frame.number))
            return
        if session.role < kind.needs:
            self._refuse(session, frame, Breach(Refusal.ROLE, session.role))
            return
        try:
            order = kind.decode(payload)
        except ValueError:
            self._refuse(session, frame, Breach(Refusal.MALFORMED, len(payload)))
            return
        breach = self._check_deadline(frame, needed=kind.expires)
        if breach is not None:
            self.stale += 1
            self._refuse(session, frame, breach)
            return
        outcome = (
            self._admit(session, order) if isinstance(order, Auth) else self._device.obey(order)
        )
        if isinstance(outcome, Breach):
            self._refuse(session, frame, outcome)
        elif outcome is Status:
            self._answer(session, self._device.status())
        elif isinstance(outcome, Message):
            self._answer(session, outcome)

    def _check_deadline(self, frame: Frame, *, needed: bool) -> Breach | None:
        """Whether an order comes in time; one that needs a deadline and has none is late."""
        if not frame.flags & _EXPIRES:
            return Breach(Refusal.EXPIRED, 0) if needed else None
        late_us = ((self._device.now_us - frame.time + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        if late_us > 0:
            return Breach(Refusal.EXPIRED, late_us)
        if late_us < -LATEST_US:
            return Breach(Refusal.OUTSIDE_ENVELOPE, LATEST_US)
        return None

    # Sessions ------------------------------------------------------------------------------

    @property
    def is_heard(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self._sessions.hearing)

    def dismiss_silent(self) -> None:
        """Forget sessions that were not heard for long."""
        self._sessions.dismiss_silent(self._device.now_us)

    def _hello(self, frame: Frame) -> None:
        """Begin a handshake: it takes nothing from anybody who has proved the key."""
        try:
            hello = Hello.decode(frame.payload)
        except ValueError:
            return
        if self._greeted and self._greeted[:2] == (frame.seq, frame.payload):
            self.repeated += 1
            self.outbox.put(Priority.ANSWER, self._greeted[2])
            return
        if not hello.version_min <= VERSION <= hello.version_max:
            refused = Refused(frame.number, frame.seq, Refusal.VERSION, VERSION)
            self._tell_openly(frame, refused)
            return
        keys, identity = self._introduce(hello)
        while not keys.session or self._sessions.find(keys.session):
            keys, identity = self._introduce(hello)
        proof = handshake_proof(frame.payload, identity.encode())
        self._sessions.greet(HostSession(keys, frame.seq, proof, self._device.now_us))
        wire = self._tell_openly(frame, identity)
        self._greeted = (frame.seq, frame.payload, wire)

    def _introduce(self, hello: Hello) -> tuple[SessionKeys, Identity]:
        identity = self._device.identify()
        keys = SessionKeys.derive(
            self._key,
            hello.nonce,
            identity.nonce,
            identity.device_id,
            self._table_crc,
            signed=self._signed,
        )
        return keys, identity

    def _admit(self, session: HostSession, order: Auth) -> AuthAck | Breach:
        """Give a host its role."""
        if session.role is not Role.GUEST:
            return Breach(Refusal.ROLE, session.role)
        if order.role not in _GRANTED:
            return Breach(Refusal.UNKNOWN, order.role)
        role = Role(order.role)
        breach = self._device.admit(role)
        if breach is not None:
            return breach
        self._sessions.admit(session, role)
        timeout_ms = FALLBACK_AFTER_US // 1000
        return AuthAck(role, HEARTBEAT_MS, timeout_ms, session.proof)

    # What goes out -------------------------------------------------------------------------

    def _stop(self, frame: Frame) -> None:
        mode = frame.payload[0] if frame.payload else StopMode.GROUND
        stopped = self._device.stop(mode)
        self.outbox.put(Priority.STOP, self._open(stopped, frame))

    def _tell_dictionary(self, frame: Frame) -> None:
        try:
            asked = GetDict.decode(frame.payload)
        except ValueError:
            return
        whole = dictionary.packed()
        end = asked.offset + min(asked.length, dictionary.CHUNK)
        chunk = DictChunk(asked.offset, len(whole), whole[asked.offset : end])
        self._tell_openly(frame, chunk)

    def _tell_openly(self, frame: Frame, message: Message) -> bytes:
        """Answer outside any session what anybody may ask."""
        wire = self._open(message, frame)
        self.outbox.put(Priority.ANSWER, wire)
        return wire

    def _open(self, message: Message, frame: Frame) -> bytes:
        return encode(
            message.number,
            _REPLY,
            frame.seq,
            0,
            self._device.now_us & 0xFFFFFFFF,
            message.encode(),
            self._table_crc,
        )

    def _refuse(self, session: HostSession, frame: Frame, breach: Breach) -> None:
        self.refused += 1
        detail = breach.detail & 0xFFFFFFFF
        refused = Refused(frame.number, frame.seq, breach.reason, detail, breach.program)
        self._answer(session, refused)

    def _answer(self, session: HostSession, message: Message) -> None:
        """Answer an order; the counter is the order's own."""
        session.answer = self._sealed(session, message, _REPLY, session.received)
        self.outbox.put(Priority.ANSWER, session.answer)

    def tell(self, priority: Priority, message: Message, samples: int = 0) -> None:
        """Send what nobody asked for; without a session there is nobody to tell."""
        for session in self._sessions.hearing:
            session.sent += 1
            wire = self._sealed(session, message, _NONE, session.sent)
            self.outbox.put(priority, wire, samples)

    def _sealed(
        self, session: HostSession, message: Message, flags: int, counter: int
    ) -> bytes:
        return session.outbound.encode(
            message.number,
            flags,
            counter,
            session.number,
            self._device.now_us & 0xFFFFFFFF,
            message.encode(),
            self._table_crc,
        )
