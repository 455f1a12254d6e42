"""The implant's firmware: what passes with time on its own clock, and what is told of it.

Decisions are plain Python per frame; the work per sample and per pulse is in Cython. The
firmware knows nothing of ports or wall clocks; hosts are its telemetry's affair.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from stimloop_hw.groups import Output, pack_others
from stimloop_hw.keys import DEVELOPMENT_KEY
from stimloop_hw.messages import (
    TABLE_CRC,
    Adjust,
    Evoked,
    Heartbeat,
    Identity,
    Mark,
    Message,
    Sensed,
    Status,
    Stopped,
)
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
from stimloop_sim.loop_limits import Sensing
from stimloop_sim.orders import Orders, Outcome
from stimloop_sim.outbox import Priority
from stimloop_sim.store import Store
from stimloop_sim.telemetry import VERSION, Telemetry
from stimloop_sim.therapy import Therapy
from stimloop_sim.tissue import Tissue, TissueModel
from stimloop_sim.trends import TrendRecorder

if TYPE_CHECKING:
    from stimloop_sim.profile import Profile
    from stimloop_sim.sensing import FrontEnd

STATUS_US = 100_000
NO_OUTPUT = Output(0, 0, 0)
"""Of a device without a program."""

_Streamed = TypeVar("_Streamed", Sensed, Evoked)

_GAP = SensedFlag.GAP.value  # a plain int: an operation on an IntFlag costs as much as a tag


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
    telemetry : Telemetry
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
        sensing = Sensing(
            front_end.source.fs_hz,
            len(front_end.source.channels),
            front_end.block,
            profile.sense_range_uv,
        )
        self.therapy = Therapy(profile, self.tissue, store=Store(board.cells), sensing=sensing)
        self.battery = Battery(profile.battery, board)
        self.magnet = False
        self.telemetry = Telemetry(self, key, table_crc, signed=signed)
        self._table_crc = table_crc
        self._limits = describe_limits(profile, front_end)
        self._build = Build.SIMULATED
        if not signed:
            self._build |= Build.UNSIGNED
        elif key == DEVELOPMENT_KEY:
            self._build |= Build.DEVKEY
        if front_end.source.remaining is not None:
            self._build |= Build.RECORDING
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
        self._ended_told = self._rest_told = False
        self._status_us = STATUS_US
        self._boot(cause)

    def _boot(self, cause: ResetCause) -> None:
        """Test the device, take up the stored program, and write down what was found."""
        self._journal.start(cause)
        self._trends = TrendRecorder(self._board.trends, self._journal.boots)
        if self._journal.boots > 1:
            self.raise_event(EventCode.RESET, cause)
        if bad := self.therapy.store.bad_banks:
            self.raise_event(EventCode.BANKS_BAD, bad)
        failure = self_test.find_failure(self._board, self.therapy, self.front_end)
        if failure is not None:
            self.raise_event(EventCode.SELF_TEST, failure)
        breach = self.therapy.boot(healthy=failure is None, latched=self._board.faults)
        if breach is not None:
            self.raise_event(EventCode.PROGRAM_VOID, breach.reason)

    # Time ----------------------------------------------------------------------------------

    def advance(self, samples: int) -> None:
        """Let so many sample intervals pass: pulses, samples, timers, status."""
        sample_us = self.front_end.sample_us
        while samples:
            due_us = min(self.therapy.due_us, self._status_us, self.tissue.due_us)
            until_due = max(1, -((self.now_us - due_us) // sample_us))
            count = min(samples, until_due, self.samples_to_frame())
            pulses = self.therapy.pulses
            first = pulses.pulses
            effect = pulses.advance(self.now_us, sample_us, count)
            for channel in self.front_end.evoked:
                channel.follow(self.now_us, self.now_us + count * sample_us, first, pulses)
            whole = self.front_end.convert(
                effect, pulses.width_us, pulses.period_us, stimulated=pulses.acting
            )
            self.now_us += count * sample_us
            samples -= count
            self.drain(count * sample_us)
            self.therapy.watch(self.now_us)
            if self.now_us >= due_us:
                self.therapy.expire(self.now_us)
                self.tissue.grow(self.now_us)
            if whole:
                self._take_block()
            for channel in self.front_end.evoked:
                for sweep in channel.completed(self.now_us):
                    self.telemetry.tell(Priority.STREAM, self._flagged(sweep), sweep.n)
            self.report()

    def samples_to_frame(self) -> int:
        """How many samples it takes until a block, or the sweep after a pulse, is complete."""
        count = self.front_end.samples_to_block()
        for channel in self.front_end.evoked:
            left_us = channel.due_us(self.therapy.pulses) - self.now_us
            count = min(count, max(1, -(-left_us // self.front_end.sample_us)))
        return count

    def _take_block(self) -> None:
        """A control tick: what the device decides by itself, and what it tells of it."""
        loop, front_end = self.therapy.loop, self.front_end
        if loop is not None:
            decided = loop.tick(self.therapy, self.now_us, front_end.tapped(loop.channel))
            if front_end.sampling:
                self.telemetry.tell(Priority.STREAM, decided)
        if front_end.sampling:
            sensed = front_end.streamed()
            self.telemetry.tell(Priority.STREAM, self._flagged(sensed), sensed.n)

    def _flagged(self, sensed: _Streamed) -> _Streamed:
        """Say with the block itself that some before it had to give way."""
        dropped = self.telemetry.outbox.samples_dropped
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
            sensing=self._senses or self.therapy.loop is not None,
        )

    @property
    def _senses(self) -> bool:
        return self.battery.stage < Supply.NO_SENSING

    def mark(self, number: int) -> None:
        """The patient sets a mark (a button of the programmer, a tap): the host hears of it."""
        self.raise_event(EventCode.MARKER, number)

    def _shed(self) -> None:
        """Give up the next load if the battery asks for it."""
        if not self.battery.step_down():
            return
        stage = self.battery.stage
        self.raise_event(EventCode.SUPPLY, stage)
        if stage == Supply.NO_STREAM:
            self.front_end.halt()
        elif stage == Supply.NO_ADAPTIVE:
            self.therapy.end_loop(self.now_us)
        elif stage == Supply.EOS:
            self.therapy.stop(self.now_us, StopMode.RAMP)

    def report(self) -> None:
        """Send what changed, and Status when it is due."""
        if self.therapy.faults != self._faults_told:
            self._faults_told = self.therapy.faults
            self._board.faults = self._faults_told & ~Fault.SELF_TEST
            self.raise_event(EventCode.FAULT, self._faults_told)
        if self.front_end.ended and not self._ended_told:
            self._ended_told = True
            self.raise_event(EventCode.SENSING_ENDED, self.front_end.index)
        if self.now_us >= self._status_us:
            self._report_regularly()
        elif self.therapy.changed:
            self.telemetry.tell(Priority.STATUS, self.status())
        self.therapy.changed = False

    def _report_regularly(self) -> None:
        """Everything that is looked at ten times a second."""
        self._status_us += STATUS_US
        self.telemetry.dismiss_silent()
        self._shed()
        level_nv = self.front_end.follow()
        if self._senses:
            self._trends.look(self.now_us, level_nv, self.therapy.pulses.amplitude_ua)
        lead = self._lead()
        if self.telemetry.is_heard:
            self.telemetry.tell(Priority.STATUS, self._status(lead))
            for event in self._journal.pending:
                self.telemetry.tell(Priority.STATUS, event)
        if lead != self._lead_told:
            self._lead_told = lead
            self.raise_event(EventCode.LEAD, lead)
        if self.therapy.pulses.exhausted is not self._rest_told:
            self._rest_told = self.therapy.pulses.exhausted
            self.raise_event(EventCode.REST, int(self._rest_told))
        if self.telemetry.outbox.samples_dropped != self._dropped_told:
            self._dropped_told = self.telemetry.outbox.samples_dropped
            self.raise_event(EventCode.SAMPLES_DROPPED, self._dropped_told)

    def sense_magnet(self, *, present: bool) -> None:
        """A magnet comes or goes: the therapy heeds it by its program, the host hears of it."""
        if present is not self.magnet:
            self.magnet = present
            self.therapy.sense_magnet(self.now_us, present=present)
            self.raise_event(EventCode.MAGNET, int(present))
            self.report()

    def raise_event(self, code: EventCode, arg: int) -> None:
        """Write down what happened, and tell."""
        self.telemetry.tell(Priority.STATUS, self._journal.add(self.now_us, code, arg))

    def status(self) -> Status:
        """The truth about the therapy, now."""
        return self._status(self._lead())

    def _status(self, lead: Lead) -> Status:
        therapy, pulses = self.therapy, self.therapy.pulses
        first, *others = [Output(*output) for output in pulses.outputs] or [NO_OUTPUT]
        return Status(
            self.now_us,
            therapy.state,
            therapy.faults,
            lead,
            therapy.program_crc,
            therapy.group,
            therapy.last_sp,
            *first,
            pulses.period_us,
            pulses.pulses & 0xFFFFFFFF,
            pulses.programmed_pc // 1000,
            pulses.delivered_pc // 1000,
            pulses.net_fc,
            pulses.i2t_ua2_us & 0xFFFFFFFFFFFFFFFF,
            therapy.lease_left_ms(self.now_us),
            self.telemetry.received & 0xFFFFFFFF,
            self.telemetry.damaged & 0xFFFFFFFF,
            self.telemetry.foreign & 0xFFFFFFFF,
            self.telemetry.bad_tags & 0xFFFFFFFF,
            self.telemetry.repeated & 0xFFFFFFFF,
            self.telemetry.stale & 0xFFFFFFFF,
            self.telemetry.refused & 0xFFFFFFFF,
            self.telemetry.outbox.samples_dropped & 0xFFFFFFFF,
            pack_others(others),
        )

    def _lead(self) -> Lead:
        """What the latest pulse of each program says of the lead."""
        found = Lead(0)
        for path, _ in zip(self.therapy.pulses.paths, self.therapy.programs, strict=False):
            found |= condition(path)
        return found

    # What telemetry asks for ---------------------------------------------------------------

    def identify(self) -> Identity:
        """Who it is, with a nonce of its own."""
        return Identity(
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

    def admit(self, role: Role) -> Breach | None:
        """Whether a host may take this role now.

        A controller replaces one that is gone; the therapy that this one started goes on
        under its old lease, which nobody can renew any more.
        """
        if role is Role.CONTROLLER:
            if self.therapy.leads:
                return Breach(Refusal.BUSY, self.therapy.lease_left_ms(self.now_us))
            self._orders.forget()
        return None

    def obey(self, order: Message) -> Outcome:
        """Do what a host may ask for."""
        match order:
            case Heartbeat():
                self._journal.acknowledge(order.event_ack)
            case Mark():
                self.mark(order.mark)
                return Status
        outcome = self._orders.obey(order, self.now_us)
        if isinstance(order, Adjust) and outcome is Status and self.therapy.loop is not None:
            self.raise_event(EventCode.PATIENT_LEVEL, self.therapy.loop.ceiling_ua)
        return outcome

    def stop(self, mode: int) -> Stopped:
        """End the output, whatever state it is in."""
        self.therapy.stop(self.now_us, mode)
        stopped = Stopped(self.therapy.state, self.now_us)
        self.report()
        return stopped
