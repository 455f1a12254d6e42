"""What each order of the host does, and how it is answered."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING
from zlib import crc32

from stimloop_hw.impedance import unpack
from stimloop_hw.messages import (
    Abort,
    Adjust,
    AloneRequest,
    Arm,
    ArmAlone,
    ArmChallenge,
    ArmRequest,
    ClearFault,
    Commit,
    Committed,
    GetBattery,
    GetLimits,
    GetTrends,
    Heartbeat,
    Hold,
    Impedance,
    ImpedanceResult,
    Limits,
    Message,
    Ping,
    Pong,
    Setpoint,
    Stage,
    Staged,
    Start,
    StartAlone,
    Status,
    StreamConfig,
    Trigger,
)
from stimloop_hw.vocabulary import Lead, Refusal, Supply
from stimloop_sim.limits import Breach
from stimloop_sim.staging import Parts, parse
from stimloop_sim.states import Event

if TYPE_CHECKING:
    from stimloop_hw.program import Program
    from stimloop_sim.battery import Battery
    from stimloop_sim.impedance import Meter
    from stimloop_sim.sensing import FrontEnd
    from stimloop_sim.therapy import Therapy
    from stimloop_sim.trends import TrendMemory

Outcome = Message | type[Status] | Breach | None
"""The answer; `Status` itself where that is the device's status; why not; nothing to say."""

CHALLENGE_US = 2_000_000
"""How long the challenge of an Arm is good."""


class Orders:
    """Carries out orders on the therapy and the front end.

    Parameters
    ----------
    therapy : Therapy
    front_end : FrontEnd
    limits : Limits
        Answer to GetLimits, but for the impedance: that is what is known by then.
    meter : Meter
    battery : Battery
    trends : TrendMemory
    """

    def __init__(
        self,
        therapy: Therapy,
        front_end: FrontEnd,
        limits: Limits,
        meter: Meter,
        *,
        battery: Battery,
        trends: TrendMemory,
    ) -> None:
        self._therapy = therapy
        self._front_end = front_end
        self._limits = limits
        self._meter = meter
        self._battery = battery
        self._trends = trends
        self._parts = Parts()
        self._staged: tuple[int, Program] | None = None
        self._challenge: tuple[Event, int, int] | None = None  # what for, number, until when

    def forget(self) -> None:
        """A new controller begins: what the old one prepared is void, what it started ends."""
        self._parts = Parts()
        self._staged = None
        self._challenge = None
        self._therapy.abandon()
        self._front_end.halt()

    def obey(self, order: Message, now_us: int) -> Outcome:
        """Carry out one order.

        Parameters
        ----------
        order : Message
            Of this session, in sequence and in time.
        now_us : int
            Device time, µs.

        Returns
        -------
        Message, Status, Breach or None
        """
        match order:
            case Heartbeat():
                return self._therapy.heartbeat(now_us, order.lease_ms)
            case Setpoint(channel=0):
                return self._check_rise(order) or self._therapy.setpoint(
                    now_us,
                    order.sp,
                    order.amplitude_ua,
                    order.period_us,
                    _whole(order.at_us, now_us),
                )
            case Ping() | GetLimits(channel=0) | GetBattery() | GetTrends():
                return self._tell(order, now_us)
            case Stage():
                return self._stage(order)
            case ArmRequest():
                return self._challenge_arm(Event.ARM, order.program_crc, now_us)
            case AloneRequest():
                return self._challenge_arm(Event.ARM_ALONE, order.program_crc, now_us)
            case Commit():
                return self._commit(order, now_us)
            case Impedance():
                return self._measure(order.contact, now_us)
        return self._obey_and_report(order, now_us)

    def _tell(self, order: Ping | GetLimits | GetBattery | GetTrends, now_us: int) -> Message:
        match order:
            case Ping():
                return Pong(order.token, order.host_ns, now_us, now_us)
            case GetLimits():
                return replace(self._limits, impedance_ohm=self._therapy.impedance_ohm)
            case GetBattery():
                return self._battery.report()
            case GetTrends():
                return self._trends.read(order.first)

    def _measure(self, contact: int, now_us: int) -> Outcome:
        outcome = self._therapy.check(Event.MEASURE) or self._meter.measure(contact, now_us)
        if isinstance(outcome, ImpedanceResult):
            *_, to_case = unpack(outcome.pairs)
            ohm = 0 if to_case.lead & Lead.OPEN else to_case.resistance_ohm
            self._therapy.take_impedance(contact, ohm)
        return outcome

    def _obey_and_report(self, order: Message, now_us: int) -> Outcome:
        breach: Breach | None
        match order:
            case Arm():
                breach = self._arm(Event.ARM, order, now_us)
            case ArmAlone():
                breach = self._arm(Event.ARM_ALONE, order, now_us)
            case Abort():
                breach = self._abort(order)
            case ClearFault():
                breach = self._therapy.clear_fault(order.faults)
            case Start():
                breach = self._check_start() or self._therapy.start(
                    now_us, order.program_crc, order.lease_ms
                )
            case StartAlone():
                breach = self._check_start() or self._therapy.start_alone(
                    now_us, order.program_crc
                )
            case _:
                breach = self._change(order, now_us)
        return breach or Status

    def _change(self, order: Message, now_us: int) -> Breach | None:
        """What changes while a therapy runs."""
        match order:
            case Hold():
                breach = self._therapy.hold(now_us, held=bool(order.held))
            case Adjust():
                breach = self._therapy.adjust(order.steps)
            case Trigger(channel=0):
                at_us = _whole(order.at_us, now_us)
                breach = self._therapy.trigger(now_us, order.count, at_us)
            case StreamConfig():
                spent = self._battery.check(Supply.NO_STREAM) if order.rate_hz else None
                breach = spent or self._front_end.configure(order)
            case Setpoint() | GetLimits() | Trigger():
                breach = Breach(Refusal.UNKNOWN, order.channel)
            case _:
                breach = Breach(Refusal.UNKNOWN, order.number)
        return breach

    def _check_rise(self, order: Setpoint) -> Breach | None:
        """Whether the battery still bears a therapy that adapts; it may always fall."""
        pulses = self._therapy.pulses
        rises = order.amplitude_ua > pulses.target_ua or order.period_us < pulses.period_us
        return self._battery.check(Supply.NO_ADAPTIVE) if rises else None

    def _check_start(self) -> Breach | None:
        """Whether the battery bears the therapy: one that adapts needs more of it."""
        program = self._therapy.program
        adapts = program is not None and program.loop
        return self._battery.check(Supply.NO_ADAPTIVE if adapts else Supply.EOS)

    def _challenge_arm(self, event: Event, program_crc: int, now_us: int) -> Outcome:
        self._challenge = None
        breach = self._therapy.check_arm(program_crc, event)
        if breach is not None:
            return breach
        nonce = int.from_bytes(os.urandom(4), "little")
        self._challenge = (event, nonce, now_us + CHALLENGE_US)
        return ArmChallenge(nonce)

    def _arm(self, event: Event, order: Arm | ArmAlone, now_us: int) -> Breach | None:
        """A challenge is good once, for a while, and for what it was asked for."""
        challenge, self._challenge = self._challenge, None
        if challenge is None or challenge[:2] != (event, order.nonce):
            return Breach(Refusal.CHALLENGE, 0)
        if now_us > challenge[2]:
            return Breach(Refusal.CHALLENGE, 0)
        return self._therapy.arm(now_us, order.program_crc, event)

    def _abort(self, order: Abort) -> Breach | None:
        if self._staged is None or self._staged[0] != order.txn:
            return Breach(Refusal.CRC_MISMATCH, 0)
        self._staged = None
        return None

    def _stage(self, order: Stage) -> Outcome:
        """Take the next part; with the last one the program is whole, and judged."""
        breach = self._therapy.check(Event.STAGE)
        if breach is not None:
            return breach
        self._staged = None
        breach = self._parts.take(order)
        if breach is not None:
            self._parts = Parts()
            return breach
        entries = self._parts.entries
        if order.part == order.parts - 1:
            self._parts = Parts()
            program = parse(entries)
            if isinstance(program, Breach):
                return program
            breach = self._therapy.check_program(program)
            if breach is not None:
                return breach
            self._staged = (order.txn, program)
        return Staged(order.txn, order.part, order.parts, crc32(entries), order.entries)

    def _commit(self, order: Commit, now_us: int) -> Outcome:
        if self._staged is None or self._staged[0] != order.txn:
            return Breach(Refusal.CRC_MISMATCH, 0)
        program = self._staged[1]
        crc = program.crc()
        if crc != order.staged_crc:
            return Breach(Refusal.CRC_MISMATCH, crc)
        breach = self._therapy.commit(program)
        return breach or Committed(order.txn, crc, now_us)


def _whole(low: int, now_us: int) -> int:
    """64-bit time of the 32 bits on the wire, µs; 0 stays 'now'."""
    if not low:
        return 0
    return now_us + ((low - now_us + 0x80000000) & 0xFFFFFFFF) - 0x80000000
