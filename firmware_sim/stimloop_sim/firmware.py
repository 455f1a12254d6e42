"""The implant's firmware: bytes in, bytes out, on its own clock.

Decisions are plain Python per frame; the work per sample and per pulse is in Cython. The
firmware knows nothing of ports, wall clocks or hosts.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from zlib import crc32

from stimloop_hw.framing import Deframer, Flag, Frame, encode
from stimloop_hw.messages import (
    MESSAGES,
    TABLE_CRC,
    Heartbeat,
    Hello,
    Identity,
    Message,
    Peer,
    Refused,
    Status,
    Stop,
    Stopped,
)
from stimloop_hw.vocabulary import Build, EventCode, Refusal, ResetCause, StopMode
from stimloop_sim.datasheet import describe_limits
from stimloop_sim.events import EventLog
from stimloop_sim.limits import Breach
from stimloop_sim.orders import NEEDS_DEADLINE, Orders
from stimloop_sim.outbox import Outbox, Priority
from stimloop_sim.therapy import Therapy

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

_SIGNED, _EXPIRES = Flag.SIGNED.value, Flag.EXPIRES.value


class Firmware:
    """A simulated implant.

    Parameters
    ----------
    profile : Profile
    front_end : FrontEnd
    table_crc : int
        CRC of the message table it speaks; another than our own serves tests only.

    Attributes
    ----------
    now_us : int
        Device time since power-on, µs.
    therapy : Therapy
    outbox : Outbox
    """

    def __init__(
        self, profile: Profile, front_end: FrontEnd, table_crc: int = TABLE_CRC
    ) -> None:
        self.now_us = 0
        self.profile = profile
        self.front_end = front_end
        self.therapy = Therapy(profile)
        self.outbox = Outbox()
        self._table_crc = table_crc
        self._deframer = Deframer(table_crc)
        self._limits = describe_limits(profile, front_end)
        self._build = Build.UNSIGNED | Build.SIMULATED
        if front_end.source.remaining is not None:
            self._build |= Build.RECORDING
        self._session = 0
        self._seq_out = 0
        self._seq_in = 0
        self._answered = b""  # the answer to the latest order, as long as it may be repeated
        self._greeted: tuple[int, bytes, bytes] | None = None  # the latest Hello, its answer
        self._orders = Orders(self.therapy, front_end, self._limits)
        self._events = EventLog()
        self._faults_told = 0
        self._dropped_told = 0
        self._ended_told = False
        self._status_us = STATUS_US
        self._panics_us: list[int] = []
        self.foreign = self.repeated = self.stale = self.refused = 0

    # Time ----------------------------------------------------------------------------------

    def advance(self, samples: int) -> None:
        """Let so many sample intervals pass: pulses, samples, timers, status."""
        sample_us = self.front_end.sample_us
        while samples:
            due_us = min(self.therapy.due_us, self._status_us)
            until_due = max(1, -((self.now_us - due_us) // sample_us))
            count = min(samples, until_due, self.front_end.samples_to_block())
            pulses = self.therapy.pulses
            effect = pulses.advance(self.now_us, sample_us, count)
            sensed = self.front_end.convert(
                effect, pulses.width_us, pulses.period_us, stimulated=pulses.acting
            )
            self.now_us += count * sample_us
            samples -= count
            if sensed is not None:
                self._tell(Priority.STREAM, sensed, sensed.n)
            self.therapy.watch(self.now_us)
            if self.now_us >= due_us:
                self.therapy.expire(self.now_us)
            self._report()

    def _report(self) -> None:
        """Send what changed, and Status when it is due."""
        if self.therapy.faults != self._faults_told:
            self._faults_told = self.therapy.faults
            self._raise_event(EventCode.FAULT, self._faults_told)
        if self.front_end.ended and not self._ended_told:
            self._ended_told = True
            self._raise_event(EventCode.SENSING_ENDED, self.front_end.index)
        if self.now_us >= self._status_us:
            self._status_us += STATUS_US
            self._tell(Priority.STATUS, self.status())
            for event in self._events.pending:
                self._tell(Priority.STATUS, event)
            if self.outbox.samples_dropped != self._dropped_told:
                self._dropped_told = self.outbox.samples_dropped
                self._raise_event(EventCode.SAMPLES_DROPPED, self._dropped_told)
        elif self.therapy.changed:
            self._tell(Priority.STATUS, self.status())
        self.therapy.changed = False

    def _raise_event(self, code: EventCode, arg: int) -> None:
        self._tell(Priority.STATUS, self._events.add(self.now_us, code, arg))

    def status(self) -> Status:
        """The truth about the therapy, now."""
        therapy, pulses = self.therapy, self.therapy.pulses
        return Status(
            self.now_us,
            therapy.state,
            therapy.faults,
            therapy.program_crc,
            therapy.last_sp,
            pulses.target_ua,
            pulses.amplitude_ua,
            pulses.delivered_ua,
            pulses.period_us,
            pulses.pulses & 0xFFFFFFFF,
            pulses.delivered_pc // 1000,
            pulses.net_fc,
            pulses.i2t_ua2_us & 0xFFFFFFFFFFFFFFFF,
            therapy.lease_left_ms(self.now_us),
            self._deframer.received & 0xFFFFFFFF,
            self._deframer.damaged & 0xFFFFFFFF,
            self.foreign & 0xFFFFFFFF,
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
        """Stop before anything else; then Hello; then orders of our session, in sequence."""
        if frame.number == Stop.number:
            self._stop(frame)
        elif frame.number == Hello.number:
            self._hello(frame)
        elif not self._session or frame.session != self._session or frame.flags & _SIGNED:
            self.foreign += 1
        else:
            self._take_next(frame)

    def _take_next(self, frame: Frame) -> None:
        """An order once, a repeated one answered again, an overtaken one dropped."""
        if self._answered and frame.seq == self._seq_in:
            # The answer was lost on the way: give it again, and do nothing twice.
            self.repeated += 1
            self.outbox.put(Priority.ANSWER, self._answered)
            return
        if not 0 < (frame.seq - self._seq_in) & 0xFFFF < 0x8000:
            self.repeated += 1
            return
        self._seq_in = frame.seq
        self._answered = b""
        self._obey(frame)
        if self.therapy.changed:
            self._report()

    def _obey(self, frame: Frame) -> None:
        kind = MESSAGES.get(frame.number)
        if kind is None or kind.sender is not Peer.HOST:
            self._refuse(frame, Breach(Refusal.UNKNOWN, frame.number))
            return
        try:
            order = kind.decode(frame.payload)
        except ValueError:
            self._refuse(frame, Breach(Refusal.MALFORMED, len(frame.payload)))
            return
        breach = self._check_deadline(frame)
        if breach is not None:
            self.stale += 1
            self._refuse(frame, breach)
            return
        if isinstance(order, Heartbeat):
            self._events.acknowledge(order.event_ack)
        outcome = self._orders.obey(order, self.now_us)
        if isinstance(outcome, Breach):
            self._refuse(frame, outcome)
        elif outcome is Status:
            self._answer(frame, self.status())
        elif isinstance(outcome, Message):
            self._answer(frame, outcome)

    def _check_deadline(self, frame: Frame) -> Breach | None:
        """Whether an order comes in time; one that needs a deadline and has none is late."""
        if not frame.flags & _EXPIRES:
            return Breach(Refusal.EXPIRED, 0) if frame.number in NEEDS_DEADLINE else None
        late_us = ((self.now_us - frame.time + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        if late_us > 0:
            return Breach(Refusal.EXPIRED, late_us)
        if late_us < -LATEST_US:
            return Breach(Refusal.OUTSIDE_ENVELOPE, LATEST_US)
        return None

    def _hello(self, frame: Frame) -> None:
        """Open a session.

        A therapy under way goes on under its old lease, which nobody can renew any more.
        """
        try:
            hello = Hello.decode(frame.payload)
        except ValueError:
            return
        if self._greeted and self._greeted[:2] == (frame.seq, frame.payload):
            self.repeated += 1
            self.outbox.put(Priority.ANSWER, self._greeted[2])
            return
        if not hello.version_min <= VERSION <= hello.version_max:
            # A host that cannot speak with us ends nobody's session.
            refused = Refused(frame.number, frame.seq, Refusal.VERSION, VERSION)
            self._greet(frame, refused)
            return
        device_id = self.profile.device_id.to_bytes(8, "little")
        session = 0
        while not session:
            nonce = os.urandom(16)
            session = crc32(hello.nonce + nonce + device_id)
        identity = Identity(
            VERSION,
            self._build,
            ResetCause.POWER_ON,
            self.profile.model.encode().ljust(16, b"\0"),
            self.profile.firmware,
            self.profile.device_id,
            self._table_crc,
            crc32(self._limits.encode()),
            1,
            nonce,
        )
        self._greeted = (frame.seq, frame.payload, self._greet(frame, identity))
        self._session = session
        self._seq_in = frame.seq
        self._answered = b""
        self._orders.forget()

    def _stop(self, frame: Frame) -> None:
        mode = frame.payload[0] if frame.payload else StopMode.GROUND
        self.therapy.stop(self.now_us, mode)
        stopped = Stopped(self.therapy.state, self.now_us)
        self.outbox.put(Priority.STOP, self._frame(stopped, Flag.REPLY, frame.seq))
        self._report()

    def _greet(self, frame: Frame, message: Message) -> bytes:
        """Answer a Hello outside any session: its host will know the new one only by this."""
        wire = self._frame(message, Flag.REPLY, frame.seq, session=0)
        self.outbox.put(Priority.ANSWER, wire)
        return wire

    def _refuse(self, frame: Frame, breach: Breach) -> None:
        self.refused += 1
        detail = breach.detail & 0xFFFFFFFF
        self._answer(frame, Refused(frame.number, frame.seq, breach.reason, detail))

    def _answer(self, frame: Frame, message: Message) -> None:
        self._answered = self._frame(message, Flag.REPLY, frame.seq)
        self.outbox.put(Priority.ANSWER, self._answered)

    def _tell(self, priority: Priority, message: Message, samples: int = 0) -> None:
        """Send what nobody asked for; without a session there is nobody to tell."""
        if self._session:
            self._seq_out = (self._seq_out + 1) & 0xFFFF
            self.outbox.put(priority, self._frame(message, Flag.NONE, self._seq_out), samples)

    def _frame(
        self, message: Message, flags: Flag, seq: int, session: int | None = None
    ) -> bytes:
        return encode(
            message.number,
            flags,
            seq,
            self._session if session is None else session,
            self.now_us & 0xFFFFFFFF,
            message.encode(),
            self._table_crc,
        )
