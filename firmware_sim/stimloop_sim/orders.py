"""What each order of the host does, and how it is answered."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

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
    Start,
    StartAlone,
    Status,
    StreamConfig,
    Trigger,
)
from stimloop_hw.vocabulary import Lead, Refusal, Supply
from stimloop_sim.limits import Breach
from stimloop_sim.staging import Staging
from stimloop_sim.states import Event

if TYPE_CHECKING:
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
        self._staging = Staging()
        self._challenge: tuple[Event, int, int] | None = None  # what for, number, until when

    def forget(self) -> None:
        """A new controller begins: what the old one prepared is void, what it started ends."""
        self._staging.forget()
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
            case Setpoint():
                return self._steer(order, now_us)
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
                    now_us, order.program_crc, order.lease_ms, order.group
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
            case Trigger():
                breach = self._trigger(order, now_us)
            case StreamConfig():
                spent = self._battery.check(Supply.NO_STREAM) if order.rate_hz else None
                breach = spent or self._front_end.configure(order)
            case GetLimits():
                breach = Breach(Refusal.UNKNOWN, order.channel)
            case _:
                breach = Breach(Refusal.UNKNOWN, order.number)
        return breach

    def _steer(self, order: Setpoint, now_us: int) -> Breach | None:
        """Move a program; the battery may not bear a therapy that adapts, but it may fall."""
        therapy, ua, us = self._therapy, order.amplitude_ua, order.period_us
        breach = therapy.check(Event.SETPOINT)
        if breach is not None:
            return breach
        number = therapy.number_of(order.channel)
        if isinstance(number, Breach):
            return number
        if therapy.rises(number, ua, us):
            breach = self._battery.check(Supply.NO_ADAPTIVE)
        at_us = _whole(order.at_us, now_us)
        return breach or therapy.setpoint(now_us, order.sp, ua, us, at_us, number=number)

    def _trigger(self, order: Trigger, now_us: int) -> Breach | None:
        breach = self._therapy.check(Event.TRIGGER)
        if breach is not None:
            return breach
        number = self._therapy.number_of(order.channel)
        if isinstance(number, Breach):
            return number
        return self._therapy.trigger(now_us, order.count, _whole(order.at_us, now_us))

    def _check_start(self) -> Breach | None:
        """Whether the battery bears the therapy: one that adapts needs more of it."""
        adapts = any(program.loop for program in self._therapy.programs)
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
        if not self._staging.is_of(order.txn):
            return Breach(Refusal.CRC_MISMATCH, 0)
        self._staging.forget()
        return None

    def _stage(self, order: Stage) -> Outcome:
        breach = self._therapy.check(Event.STAGE)
        if breach is not None:
            return breach
        staged = self._staging.take(order)
        if self._staging.whole is not None:
            breach = self._therapy.check_set(self._staging.whole)
        if breach is None:
            return staged
        self._staging.forget()
        return breach

    def _commit(self, order: Commit, now_us: int) -> Outcome:
        programs = self._staging.whole
        if programs is None or not self._staging.is_of(order.txn):
            return Breach(Refusal.CRC_MISMATCH, 0)
        crc = programs.crc()
        if crc != order.staged_crc:
            return Breach(Refusal.CRC_MISMATCH, crc)
        breach = self._therapy.commit(programs, order.group)
        return breach or Committed(order.txn, crc, now_us, order.group)


def _whole(low: int, now_us: int) -> int:
    """64-bit time of the 32 bits on the wire, µs; 0 stays 'now'."""
    if not low:
        return 0
    return now_us + ((low - now_us + 0x80000000) & 0xFFFFFFFF) - 0x80000000
