"""A host driven by hand: it hands frames to the firmware with nothing in between."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from tests.device import ON_OFF

from stimloop_hw.framing import Deframer, Flag, Frame
from stimloop_hw.groups import ProgramSet
from stimloop_hw.keys import DEVELOPMENT_KEY
from stimloop_hw.loop import Loop
from stimloop_hw.messages import (
    MESSAGES,
    TABLE_CRC,
    AloneRequest,
    Arm,
    ArmAlone,
    ArmChallenge,
    ArmRequest,
    Auth,
    AuthAck,
    Commit,
    Committed,
    Heartbeat,
    Hello,
    Identity,
    Message,
    Refused,
    Setpoint,
    Staged,
    Start,
    StartAlone,
    Status,
    Stop,
    Stopped,
)
from stimloop_hw.program import CASE, Mode, Program
from stimloop_hw.seal import Seal, SessionKeys, extended
from stimloop_hw.staging import stages_of
from stimloop_hw.vocabulary import Build, Role
from stimloop_sim.firmware import Firmware
from stimloop_sim.profile import Profile
from stimloop_sim.sensing import FrontEnd

if TYPE_CHECKING:
    import numpy.typing as npt

    from stimloop_hw.vocabulary import State

DBS = Profile.named("dbs")
LEASE_MS = 2000
PROGRAM = Program(
    mode=Mode.TRAIN,
    amplitude_min_ua=0,
    amplitude_max_ua=3000,
    width_us=60,
    period_min_us=5000,
    period_max_us=20_000,
    slew_ua_s=10_000,
    fallback_ua=500,
    cathodes=0b0010,
    anodes=CASE,
)
ADAPTIVE = replace(PROGRAM, period_min_us=7690, period_max_us=7690, loop=Loop.of(ON_OFF))
"""A program whose loop closes on the device."""
NONCE = bytes(range(16))
_OPEN = Seal(b"")

_Answer = TypeVar("_Answer", bound=Message)


class Silence:
    """A source that senses nothing, for ever."""

    def __init__(self, fs_hz: int = 250) -> None:
        self.channels: tuple[str, ...] = ("nothing",)
        self.fs_hz = fs_hz
        self.remaining: int | None = None

    def sense(
        self, amplitude_ua: npt.NDArray[np.int32], _width_us: int, _period_us: int
    ) -> npt.NDArray[np.float64]:
        return np.zeros((len(amplitude_ua), 1))


def power_on(profile: Profile = DBS, table_crc: int = TABLE_CRC) -> Firmware:
    """A device on the bench, in IDLE, without a session."""
    front_end = FrontEnd(Silence(), profile.sense_range_uv, 5)
    return Firmware(profile, front_end, table_crc=table_crc)


class Hand:
    """One host's end of the wire; every frame is the test's own decision."""

    def __init__(self, firmware: Firmware, key: bytes = DEVELOPMENT_KEY) -> None:
        self.firmware = firmware
        self.key = key
        self.outbound = self.inbound = _OPEN
        self.session = 0
        self.seq = 0
        self.sp = 0
        self.told_counter = 0
        self.heard: list[Message] = []
        self._deframer = Deframer(TABLE_CRC)

    @classmethod
    def linked(
        cls,
        firmware: Firmware | None = None,
        nonce: bytes = NONCE,
        role: Role = Role.CONTROLLER,
    ) -> Hand:
        """A host after its handshake."""
        hand = cls(firmware or power_on())
        hand.hello(nonce, role)
        return hand

    @classmethod
    def delivering(
        cls, amplitude_ua: int = 1000, program: Program = PROGRAM, lease_ms: int = LEASE_MS
    ) -> Hand:
        """A host whose therapy runs at an amplitude (in steps that the slew allows)."""
        hand = cls.linked()
        hand.begin(program, lease_ms)
        step_ua = min(1000, program.slew_ua_s // 10)
        present_ua = 0
        while present_ua < amplitude_ua:
            present_ua = min(amplitude_ua, present_ua + step_ua)
            assert hand.setpoint(present_ua) is None
            hand.heartbeat(lease_ms)
            hand.advance_ms(100)
        hand.heartbeat(lease_ms)
        return hand

    # Bytes -----------------------------------------

    def framed(
        self,
        order: Message,
        *,
        seq: int | None = None,
        session: int | None = None,
        expires_us: int | None = None,
        table_crc: int = TABLE_CRC,
    ) -> bytes:
        """The order's bytes, signed; with a fresh deadline where one is needed."""
        if seq is None:
            self.seq += 1
            seq = self.seq
        if expires_us is None and order.expires:
            expires_us = self.firmware.now_us + 100_000
        seal = _OPEN if order.needs is Role.STRANGER else self.outbound
        return seal.encode(
            order.number,
            Flag.NONE if expires_us is None else Flag.EXPIRES,
            seq,
            self.session if session is None else session,
            (expires_us or 0) & 0xFFFFFFFF,
            order.encode(),
            table_crc,
        )

    def raw(self, number: int, payload: bytes, flags: int = 0, time: int = 0) -> bytes:
        """Any signed frame with the next number, whether it is an order or not."""
        self.seq += 1
        return self.outbound.encode(
            number, flags, self.seq, self.session, time, payload, TABLE_CRC
        )

    def opened(self, frame: Frame) -> Message:
        """The message of a frame that must be authentic, if it is signed."""
        payload: bytes | None = frame.payload
        if frame.flags & Flag.SIGNED:
            near = self.seq if frame.flags & Flag.REPLY else self.told_counter
            counter = extended(frame.seq, near)
            payload = self.inbound.open(frame, counter)
            if not frame.flags & Flag.REPLY:
                self.told_counter = max(counter, self.told_counter)
        assert payload is not None, frame
        return MESSAGES[frame.number].decode(payload)

    def receive(self) -> list[Frame]:
        """Frames that wait for us; their messages are also kept in `heard`."""
        return [frame for frame, _ in self._receive()]

    def _receive(self) -> list[tuple[Frame, Message]]:
        wire = self.firmware.telemetry.outbox.take()
        ours = [f for f in self._deframer.feed(wire) if f.session in (0, self.session)]
        received = [(frame, self.opened(frame)) for frame in ours]
        self.heard += [message for _, message in received]
        return received

    def exchange(self, wire: bytes) -> list[Message]:
        """Hand over bytes; give the answers (not what the device says by itself)."""
        self._receive()
        self.firmware.telemetry.receive(wire)
        return [m for frame, m in self._receive() if frame.flags & Flag.REPLY]

    def told(self, kind: type[_Answer]) -> list[_Answer]:
        """All messages of a kind heard since this was last asked."""
        self.receive()
        found = [m for m in self.heard if isinstance(m, kind)]
        self.heard = [m for m in self.heard if not isinstance(m, kind)]
        return found

    # Orders -----------------------------------------

    def ask(
        self, order: Message, answer: type[_Answer], *, expires_us: int | None = None
    ) -> _Answer:
        """Send an order that must be answered by this kind."""
        answers = self.exchange(self.framed(order, expires_us=expires_us))
        assert len(answers) == 1, answers
        assert isinstance(answers[0], answer), answers[0]
        return answers[0]

    def greet(self, nonce: bytes = NONCE) -> Identity:
        """Hello alone: a session that has not proved its key."""
        self.session = 0
        self.seq &= 0x7FFF
        identity = self.ask(Hello(1, 1, nonce, b"by hand."), Identity)
        keys = SessionKeys.derive(
            self.key,
            nonce,
            identity.nonce,
            identity.device_id,
            TABLE_CRC,
            signed=not identity.build & Build.UNSIGNED,
        )
        self.session = keys.session
        self.outbound, self.inbound = Seal(keys.to_device), Seal(keys.to_host)
        self.told_counter = 0
        return identity

    def hello(self, nonce: bytes = NONCE, role: Role = Role.CONTROLLER) -> Identity:
        """The whole handshake."""
        identity = self.greet(nonce)
        assert self.ask(Auth(role), AuthAck).role == role
        return identity

    def arm(self, program_crc: int = PROGRAM.crc()) -> Status:
        """Ask for the challenge and echo it."""
        challenge = self.ask(ArmRequest(program_crc), ArmChallenge)
        return self.ask(Arm(program_crc, challenge.nonce), Status)

    def arm_alone(self, program_crc: int) -> Status:
        """The same for a therapy that no host leads."""
        challenge = self.ask(AloneRequest(program_crc), ArmChallenge)
        return self.ask(ArmAlone(program_crc, challenge.nonce), Status)

    def begin_alone(self, program: Program) -> None:
        """The whole way from IDLE to ALONE."""
        self.configure(program)
        self.arm_alone(program.crc())
        self.ask(StartAlone(program.crc()), Status)

    def begin(self, program: Program = PROGRAM, lease_ms: int = LEASE_MS) -> None:
        """The whole way from IDLE to STIMULATING."""
        self.configure(program)
        self.arm(program.crc())
        self.ask(Start(program.crc(), lease_ms), Status)

    def configure(self, program: Program = PROGRAM) -> None:
        """Stage and commit one program."""
        self.configure_set(ProgramSet.single(program))

    def configure_set(self, programs: ProgramSet, group: int = 0) -> Committed:
        """Stage and commit a set."""
        for stage in stages_of(programs, 1):
            staged = self.ask(stage, Staged)
        return self.ask(Commit(1, staged.staged_crc, group), Committed)

    def begin_set(self, programs: ProgramSet, group: int = 0) -> None:
        """The whole way from IDLE to STIMULATING."""
        self.configure_set(programs, group)
        self.arm(programs.crc())
        self.ask(Start(programs.crc(), LEASE_MS, group), Status)

    def setpoint(
        self, amplitude_ua: int, period_us: int = 10_000, at_us: int = 0, place: int = 0
    ) -> Refused | None:
        self.sp += 1
        order = Setpoint(self.sp, place, amplitude_ua, period_us, at_us & 0xFFFFFFFF)
        answers = self.exchange(self.framed(order))
        if not answers:
            return None
        assert len(answers) == 1
        assert isinstance(answers[0], Refused)
        return answers[0]

    def heartbeat(self, lease_ms: int = LEASE_MS, event_ack: int = 0) -> Refused | None:
        answers = self.exchange(self.framed(Heartbeat(lease_ms, 0, event_ack)))
        if not answers:
            return None
        assert isinstance(answers[0], Refused)
        return answers[0]

    def stop(self, mode: int = 0) -> Stopped:
        return self.ask(Stop(mode), Stopped)

    # Time and truth -----------------------------------------

    def advance_ms(self, ms: int) -> None:
        self.firmware.advance(ms * self.firmware.front_end.source.fs_hz // 1000)

    def keep_alive_ms(self, ms: int) -> None:
        """Let time pass with heartbeats."""
        for _ in range(0, ms, 20):
            self.heartbeat()
            self.advance_ms(20)

    @property
    def state(self) -> State:
        return self.firmware.therapy.state

    @property
    def amplitude_ua(self) -> int:
        return self.firmware.therapy.pulses.amplitude_ua

    @property
    def pulses(self) -> int:
        return self.firmware.therapy.pulses.pulses
