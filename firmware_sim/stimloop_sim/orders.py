"""What each order of the host does, and how it is answered."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from stimloop_hw.impedance import unpack
from stimloop_hw.messages import (
    Abort,
    Arm,
    ArmChallenge,
    ArmRequest,
    ClearFault,
    Commit,
    Committed,
    GetBattery,
    GetLimits,
    GetTrends,
    Heartbeat,
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
    Status,
    StreamConfig,
    Trigger,
)
from stimloop_hw.program import ENTRY, Parameter, Program
from stimloop_hw.vocabulary import Lead, Refusal, Supply
from stimloop_sim.limits import Breach

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
        self._staged: tuple[int, Program] | None = None
        self._challenge: tuple[int, int] | None = None  # its number, and until when

    def forget(self) -> None:
        """A new controller begins: what the old one prepared is void, what it started ends."""
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
                return self._challenge_arm(order, now_us)
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
        outcome = self._therapy.check_measure() or self._meter.measure(contact, now_us)
        if isinstance(outcome, ImpedanceResult):
            *_, to_case = unpack(outcome.pairs)
            ohm = 0 if to_case.lead & Lead.OPEN else to_case.resistance_ohm
            self._therapy.take_impedance(contact, ohm)
        return outcome

    def _obey_and_report(self, order: Message, now_us: int) -> Outcome:
        breach: Breach | None
        match order:
            case Arm():
                breach = self._arm(order, now_us)
            case Abort():
                breach = self._abort(order)
            case ClearFault():
                breach = self._therapy.clear_fault(order.faults)
            case Start():
                breach = self._battery.check(Supply.EOS) or self._therapy.start(
                    now_us, order.program_crc, order.lease_ms
                )
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
        return breach or Status

    def _check_rise(self, order: Setpoint) -> Breach | None:
        """Whether the battery still bears a therapy that adapts; it may always fall."""
        pulses = self._therapy.pulses
        rises = order.amplitude_ua > pulses.target_ua or order.period_us < pulses.period_us
        return self._battery.check(Supply.NO_ADAPTIVE) if rises else None

    def _challenge_arm(self, order: ArmRequest, now_us: int) -> Outcome:
        self._challenge = None
        breach = self._therapy.check_arm(order.program_crc)
        if breach is not None:
            return breach
        nonce = int.from_bytes(os.urandom(4), "little")
        self._challenge = (nonce, now_us + CHALLENGE_US)
        return ArmChallenge(nonce)

    def _arm(self, order: Arm, now_us: int) -> Breach | None:
        """A challenge is good once, and for a while."""
        challenge, self._challenge = self._challenge, None
        if challenge is None or challenge[0] != order.nonce or now_us > challenge[1]:
            return Breach(Refusal.CHALLENGE, 0)
        return self._therapy.arm(now_us, order.program_crc)

    def _abort(self, order: Abort) -> Breach | None:
        if self._staged is None or self._staged[0] != order.txn:
            return Breach(Refusal.CRC_MISMATCH, 0)
        self._staged = None
        return None

    def _stage(self, order: Stage) -> Outcome:
        if len(order.entries) % ENTRY.size:
            return Breach(Refusal.MALFORMED, len(order.entries))
        values: dict[Parameter, int] = {}
        for number, channel, value in ENTRY.iter_unpack(order.entries):
            if number not in Parameter.__members__.values() or channel:
                return Breach(Refusal.UNKNOWN, number)
            values[Parameter(number)] = value
        for parameter in Parameter:
            if parameter not in values:
                return Breach(Refusal.MISSING, parameter)
        program = Program.of(values)
        breach = self._therapy.check_stage(program)
        if breach is not None:
            return breach
        self._staged = (order.txn, program)
        return Staged(order.txn, program.crc(), program.entries())

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
