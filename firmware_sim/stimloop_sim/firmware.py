"""The implant's firmware: bytes in, bytes out, on its own clock.

Decisions are plain Python per frame; the work per sample and per pulse is in Cython. The
firmware knows nothing of ports, wall clocks or hosts.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from stimloop_hw import dictionary
from stimloop_hw.framing import Deframer, Flag, Frame, encode
from stimloop_hw.keys import DEVELOPMENT_KEY
from stimloop_hw.messages import (
    MESSAGES,
    TABLE_CRC,
    Auth,
    AuthAck,
    DictChunk,
    GetDict,
    Heartbeat,
    Hello,
    Identity,
    Message,
    Peer,
    Refused,
    Sensed,
    Status,
    Stop,
    Stopped,
)
from stimloop_hw.seal import SessionKeys, extended, handshake_proof
from stimloop_hw.vocabulary import (
    Build,
    EventCode,
    Fault,
    Lead,
    Refusal,
    ResetCause,
    Role,
    SensedFlag,
    StopMode,
    Supply,
)
from stimloop_sim import self_test
from stimloop_sim.battery import Battery
from stimloop_sim.board import Board
from stimloop_sim.datasheet import describe_limits
from stimloop_sim.impedance import Meter, condition
from stimloop_sim.limits import Breach
from stimloop_sim.lockout import Lockout
from stimloop_sim.orders import Orders
from stimloop_sim.outbox import Outbox, Priority
from stimloop_sim.sessions import HostSession, Sessions
from stimloop_sim.store import Store
from stimloop_sim.therapy import FALLBACK_AFTER_US, Therapy
from stimloop_sim.tissue import Tissue, TissueModel
from stimloop_sim.trends import TrendRecorder

if TYPE_CHECKING:
    from stimloop_sim.profile import Profile
    from stimloop_sim.sensing import FrontEnd

VERSION = 1
STATUS_US = 100_000
PANIC_US = 50_000
PANICS = 3
"""So many panic sequences within `PANIC_US` are a Stop."""
LATEST_US = 2_000_000
"""A deadline further ahead is none."""
HEARTBEAT_MS = 50
"""How often the device would like to hear from its controller."""

# Plain ints: an operation on an IntFlag costs as much as a tag.
_NONE, _REPLY, _EXPIRES = Flag.NONE.value, Flag.REPLY.value, Flag.EXPIRES.value
_GAP = SensedFlag.GAP.value
_GRANTED = (Role.OBSERVER, Role.CONTROLLER)


class Firmware:
    """A simulated implant.

    Parameters
    ----------
    profile : Profile
    front_end : FrontEnd
    tissue : Tissue, optional
        Around its lead, the same for every start; a default one if not given.
    table_crc : int
        CRC of the message table it speaks; another than our own serves tests only.
    key : bytes
        Pre-shared, 32 bytes.
    signed : bool
        False for a build that takes unsigned orders, and says so in its identity.
    board : Board, optional
        What outlasts a reset; one from the factory if not given.
    cause : ResetCause
        Why it starts.

    Attributes
    ----------
    now_us : int
        Device time since power-on, µs.
    therapy : Therapy
    tissue : Tissue
    outbox : Outbox
    magnet : bool
        Whether a magnet is held to it, as the latest `sense_magnet` said.
    battery : Battery
    """

    def __init__(
        self,
        profile: Profile,
        front_end: FrontEnd,
        tissue: Tissue | None = None,
        *,
        table_crc: int = TABLE_CRC,
        key: bytes = DEVELOPMENT_KEY,
        signed: bool = True,
        board: Board | None = None,
        cause: ResetCause = ResetCause.POWER_ON,
    ) -> None:
        self.now_us = 0
        self.profile = profile
        self.front_end = front_end
        self.tissue = tissue or Tissue(TissueModel.named("default"), profile.output)
        self._board = board = board or Board()
        self.therapy = Therapy(profile, self.tissue, store=Store(board.cells))
        self.battery = Battery(profile.battery, board)
        self.magnet = False
        self.outbox = Outbox()
        self._table_crc = table_crc
        self._deframer = Deframer(table_crc)
        self._limits = describe_limits(profile, front_end)
        self._key = key
        self._build = Build.SIMULATED
        if not signed:
            self._build |= Build.UNSIGNED
        elif key == DEVELOPMENT_KEY:
            self._build |= Build.DEVKEY
        if front_end.source.remaining is not None:
            self._build |= Build.RECORDING
        self._sessions = Sessions()
        self._lockout = Lockout()
        self._greeted: tuple[int, bytes, bytes] | None = None  # the latest Hello, its answer
        meter = Meter(self.tissue, min(c.charge_max_nc for c in profile.contacts))
        self._orders = Orders(
            self.therapy,
            front_end,
            self._limits,
            meter,
            battery=self.battery,
            trends=board.trends,
        )
        self._journal = board.journal
        self._faults_told = 0
        self._dropped_told = self._dropped_flagged = 0
        self._lead_told = Lead(0)
        self._ended_told = False
        self._status_us = STATUS_US
        self._panics_us: list[int] = []
        self.foreign = self.repeated = self.stale = self.refused = 0
        self._boot(cause)

    def _boot(self, cause: ResetCause) -> None:
        """Test the device, take up the stored program, and write down what was found."""
        self._journal.start(cause)
        self._trends = TrendRecorder(self._board.trends, self._journal.boots)
        if self._journal.boots > 1:
            self._raise_event(EventCode.RESET, cause)
        if bad := self.therapy.store.bad_banks:
            self._raise_event(EventCode.BANKS_BAD, bad)
        failure = self_test.find_failure(self._board, self.therapy, self.front_end)
        if failure is not None:
            self._raise_event(EventCode.SELF_TEST, failure)
        breach = self.therapy.boot(healthy=failure is None, latched=self._board.faults)
        if breach is not None:
            self._raise_event(EventCode.PROGRAM_VOID, breach.reason)

    # Time ----------------------------------------------------------------------------------

    def advance(self, samples: int) -> None:
        """Let so many sample intervals pass: pulses, samples, timers, status."""
        sample_us = self.front_end.sample_us
        while samples:
            due_us = min(self.therapy.due_us, self._status_us, self.tissue.due_us)
            until_due = max(1, -((self.now_us - due_us) // sample_us))
            count = min(samples, until_due, self.front_end.samples_to_block())
            pulses = self.therapy.pulses
            effect = pulses.advance(self.now_us, sample_us, count)
            sensed = self.front_end.convert(
                effect, pulses.width_us, pulses.period_us, stimulated=pulses.acting
            )
            self.now_us += count * sample_us
            samples -= count
            self.drain(count * sample_us)
            if sensed is not None:
                self._tell(Priority.STREAM, self._flagged(sensed), sensed.n)
            self.therapy.watch(self.now_us)
            if self.now_us >= due_us:
                self.therapy.expire(self.now_us)
                self.tissue.grow(self.now_us)
            self._report()

    def _flagged(self, sensed: Sensed) -> Sensed:
        """Say with the block itself that some before it had to give way."""
        dropped = self.outbox.samples_dropped
        if dropped == self._dropped_flagged:
            return sensed
        self._dropped_flagged = dropped
        return replace(sensed, flags=sensed.flags | _GAP)

    def drain(self, elapsed_us: int) -> None:
        """Take from the battery what these microseconds have cost."""
        self.battery.drain(
            elapsed_us,
            self.therapy.pulses.delivered_pc,
            streaming=self.front_end.streaming,
            sensing=self._senses,
        )

    @property
    def _senses(self) -> bool:
        return self.battery.stage < Supply.NO_SENSING

    def mark(self, number: int) -> None:
        """The patient sets a mark (a button of the programmer, a tap): the host hears of it."""
        self._raise_event(EventCode.MARKER, number)

    def _shed(self) -> None:
        """Give up the next load if the battery asks for it."""
        if not self.battery.step_down():
            return
        stage = self.battery.stage
        self._raise_event(EventCode.SUPPLY, stage)
        if stage == Supply.NO_STREAM:
            self.front_end.halt()
        elif stage == Supply.EOS:
            self.therapy.stop(self.now_us, StopMode.RAMP)

    def _report(self) -> None:
        """Send what changed, and Status when it is due."""
        if self.therapy.faults != self._faults_told:
            self._faults_told = self.therapy.faults
            self._board.faults = self._faults_told & ~Fault.SELF_TEST
            self._raise_event(EventCode.FAULT, self._faults_told)
        if self.front_end.ended and not self._ended_told:
            self._ended_told = True
            self._raise_event(EventCode.SENSING_ENDED, self.front_end.index)
        if self.now_us >= self._status_us:
            self._status_us += STATUS_US
            self._sessions.dismiss_silent(self.now_us)
            self._shed()
            level_nv = self.front_end.follow()
            if self._senses:
                self._trends.look(self.now_us, level_nv, self.therapy.pulses.amplitude_ua)
            self._tell(Priority.STATUS, self.status())
            for event in self._journal.pending:
                self._tell(Priority.STATUS, event)
            lead = condition(self.therapy.pulses.path)
            if lead != self._lead_told:
                self._lead_told = lead
                self._raise_event(EventCode.LEAD, lead)
            if self.outbox.samples_dropped != self._dropped_told:
                self._dropped_told = self.outbox.samples_dropped
                self._raise_event(EventCode.SAMPLES_DROPPED, self._dropped_told)
        elif self.therapy.changed:
            self._tell(Priority.STATUS, self.status())
        self.therapy.changed = False

    def sense_magnet(self, *, present: bool) -> None:
        """A magnet is held to the device or taken away: the host hears of it, as an Event."""
        if present is not self.magnet:
            self.magnet = present
            self._raise_event(EventCode.MAGNET, int(present))

    def _raise_event(self, code: EventCode, arg: int) -> None:
        self._tell(Priority.STATUS, self._journal.add(self.now_us, code, arg))

    def status(self) -> Status:
        """The truth about the therapy, now."""
        therapy, pulses = self.therapy, self.therapy.pulses
        return Status(
            self.now_us,
            therapy.state,
            therapy.faults,
            condition(pulses.path),
            therapy.program_crc,
            therapy.last_sp,
            pulses.target_ua,
            pulses.amplitude_ua,
            pulses.delivered_ua,
            pulses.period_us,
            pulses.pulses & 0xFFFFFFFF,
            pulses.programmed_pc // 1000,
            pulses.delivered_pc // 1000,
            pulses.net_fc,
            pulses.i2t_ua2_us & 0xFFFFFFFFFFFFFFFF,
            therapy.lease_left_ms(self.now_us),
            self._deframer.received & 0xFFFFFFFF,
            self._deframer.damaged & 0xFFFFFFFF,
            self.foreign & 0xFFFFFFFF,
            self._lockout.bad_tags & 0xFFFFFFFF,
            self.repeated & 0xFFFFFFFF,
            self.stale & 0xFFFFFFFF,
            self.refused & 0xFFFFFFFF,
            self.outbox.samples_dropped & 0xFFFFFFFF,
        )

    # The wire ------------------------------------------------------------------------------

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
        recent_us = self.now_us - PANIC_US
        self._panics_us = [t for t in self._panics_us if t >= recent_us]
        self._panics_us += [self.now_us] * min(count, PANICS)
        if len(self._panics_us) >= PANICS:
            self._panics_us.clear()
            self.therapy.stop(self.now_us, StopMode.GROUND)
            self._report()

    def _take(self, frame: Frame) -> None:
        """What anybody may say; then what comes under a session and its key."""
        if frame.number == Stop.number:
            self._stop(frame)
        elif frame.number == Hello.number:
            self._hello(frame)
        elif frame.number == GetDict.number:
            self._tell_dictionary(frame)
        elif self._lockout.left_us(self.now_us):
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
            left_ms = self._lockout.left_us(self.now_us) // 1000
            refused = Refused(frame.number, frame.seq, Refusal.LOCKED, left_ms)
            self._tell_openly(frame, refused)
        self.foreign += 1

    def _count_bad_tag(self) -> None:
        if self._lockout.count(self.now_us):
            self._raise_event(EventCode.BAD_TAGS, self._lockout.bad_tags)

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
        session.heard_us = self.now_us
        if counter == session.received:
            # The answer was lost on the way: give it again, and do nothing twice.
            self.repeated += 1
            if session.answer:
                self.outbox.put(Priority.ANSWER, session.answer)
            return
        session.received = counter
        session.answer = b""
        self._obey(session, frame, payload)
        if self.therapy.changed:
            self._report()

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
        if isinstance(order, Heartbeat):
            self._journal.acknowledge(order.event_ack)
        outcome = (
            self._admit(session, order)
            if isinstance(order, Auth)
            else self._orders.obey(order, self.now_us)
        )
        if isinstance(outcome, Breach):
            self._refuse(session, frame, outcome)
        elif outcome is Status:
            self._answer(session, self.status())
        elif isinstance(outcome, Message):
            self._answer(session, outcome)

    def _check_deadline(self, frame: Frame, *, needed: bool) -> Breach | None:
        """Whether an order comes in time; one that needs a deadline and has none is late."""
        if not frame.flags & _EXPIRES:
            return Breach(Refusal.EXPIRED, 0) if needed else None
        late_us = ((self.now_us - frame.time + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        if late_us > 0:
            return Breach(Refusal.EXPIRED, late_us)
        if late_us < -LATEST_US:
            return Breach(Refusal.OUTSIDE_ENVELOPE, LATEST_US)
        return None

    # Sessions ------------------------------------------------------------------------------

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
        self._sessions.greet(HostSession(keys, frame.seq, proof, self.now_us))
        wire = self._tell_openly(frame, identity)
        self._greeted = (frame.seq, frame.payload, wire)

    def _introduce(self, hello: Hello) -> tuple[SessionKeys, Identity]:
        identity = Identity(
            VERSION,
            self._build,
            self._journal.cause,
            self.profile.model.encode().ljust(16, b"\0"),
            self.profile.firmware,
            self.profile.device_id,
            self._table_crc,
            self._limits.crc,
            self._journal.boots,
            os.urandom(16),
        )
        keys = SessionKeys.derive(
            self._key,
            hello.nonce,
            identity.nonce,
            identity.device_id,
            self._table_crc,
            signed=Build.UNSIGNED not in self._build,
        )
        return keys, identity

    def _admit(self, session: HostSession, order: Auth) -> AuthAck | Breach:
        """Give a host its role.

        A controller replaces one that is gone; the therapy that this one started goes on
        under its old lease, which nobody can renew any more.
        """
        if session.role is not Role.GUEST:
            return Breach(Refusal.ROLE, session.role)
        if order.role not in _GRANTED:
            return Breach(Refusal.UNKNOWN, order.role)
        role = Role(order.role)
        if role is Role.CONTROLLER:
            if self.therapy.leads:
                return Breach(Refusal.BUSY, self.therapy.lease_left_ms(self.now_us))
            self._orders.forget()
        self._sessions.admit(session, role)
        timeout_ms = FALLBACK_AFTER_US // 1000
        return AuthAck(role, HEARTBEAT_MS, timeout_ms, session.proof)

    # What it says --------------------------------------------------------------------------

    def _stop(self, frame: Frame) -> None:
        mode = frame.payload[0] if frame.payload else StopMode.GROUND
        self.therapy.stop(self.now_us, mode)
        stopped = Stopped(self.therapy.state, self.now_us)
        self.outbox.put(Priority.STOP, self._open(stopped, frame))
        self._report()

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
            self.now_us & 0xFFFFFFFF,
            message.encode(),
            self._table_crc,
        )

    def _refuse(self, session: HostSession, frame: Frame, breach: Breach) -> None:
        self.refused += 1
        detail = breach.detail & 0xFFFFFFFF
        refused = Refused(frame.number, frame.seq, breach.reason, detail)
        self._answer(session, refused)

    def _answer(self, session: HostSession, message: Message) -> None:
        """Answer an order; the counter is the order's own."""
        session.answer = self._sealed(session, message, _REPLY, session.received)
        self.outbox.put(Priority.ANSWER, session.answer)

    def _tell(self, priority: Priority, message: Message, samples: int = 0) -> None:
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
            self.now_us & 0xFFFFFFFF,
            message.encode(),
            self._table_crc,
        )
