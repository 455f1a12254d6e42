"""A host driven by hand: it hands frames to the firmware with nothing in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar
from zlib import crc32

import numpy as np

from stimloop_hw.framing import Deframer, Flag, Frame, encode
from stimloop_hw.messages import (
    MESSAGES,
    TABLE_CRC,
    Arm,
    Commit,
    Committed,
    Heartbeat,
    Hello,
    Identity,
    Message,
    Refused,
    Setpoint,
    Stage,
    Staged,
    Start,
    Status,
    Stop,
    Stopped,
    Trigger,
)
from stimloop_hw.program import CASE, Mode, Program
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
NONCE = bytes(range(16))
_TIMED = (Commit, Start, Setpoint, Trigger)

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

    def __init__(self, firmware: Firmware) -> None:
        self.firmware = firmware
        self.session = 0
        self.seq = 0
        self.sp = 0
        self.heard: list[Message] = []
        self._deframer = Deframer(TABLE_CRC)

    @classmethod
    def linked(cls, firmware: Firmware | None = None, nonce: bytes = NONCE) -> Hand:
        """A host after its handshake."""
        hand = cls(firmware or power_on())
        hand.hello(nonce)
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
        """The order's bytes; with a fresh deadline where one is needed."""
        if seq is None:
            self.seq = (self.seq + 1) & 0xFFFF
            seq = self.seq
        if expires_us is None and isinstance(order, _TIMED):
            expires_us = self.firmware.now_us + 100_000
        return encode(
            order.number,
            Flag.NONE if expires_us is None else Flag.EXPIRES,
            seq,
            self.session if session is None else session,
            (expires_us or 0) & 0xFFFFFFFF,
            order.encode(),
            table_crc,
        )

    def receive(self) -> list[Frame]:
        """Frames that wait at the device; their messages are also kept in `heard`."""
        frames = self._deframer.feed(self.firmware.outbox.take())
        self.heard += [MESSAGES[f.number].decode(f.payload) for f in frames]
        return frames

    def exchange(self, wire: bytes) -> list[Message]:
        """Hand over bytes; give the answers (not what the device says by itself)."""
        self.receive()
        self.firmware.receive(wire)
        return [
            MESSAGES[f.number].decode(f.payload) for f in self.receive() if f.flags & Flag.REPLY
        ]

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

    def hello(self, nonce: bytes = NONCE) -> Identity:
        self.session = 0
        identity = self.ask(Hello(1, 1, nonce, b"by hand."), Identity)
        device_id = identity.device_id.to_bytes(8, "little")
        self.session = crc32(nonce + identity.nonce + device_id)
        return identity

    def begin(self, program: Program = PROGRAM, lease_ms: int = LEASE_MS) -> None:
        """The whole way from IDLE to STIMULATING."""
        self.configure(program)
        self.ask(Arm(program.crc()), Status)
        self.ask(Start(program.crc(), lease_ms), Status)

    def configure(self, program: Program = PROGRAM) -> None:
        """Stage and commit."""
        staged = self.ask(Stage(1, program.entries()), Staged)
        self.ask(Commit(1, staged.staged_crc), Committed)

    def setpoint(
        self, amplitude_ua: int, period_us: int = 10_000, at_us: int = 0
    ) -> Refused | None:
        self.sp += 1
        order = Setpoint(self.sp, 0, amplitude_ua, period_us, at_us & 0xFFFFFFFF)
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
