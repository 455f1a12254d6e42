"""A session in which the loop closes on the device: the host leads, watches and records.

The steps of its record are the device's own. The host decides too, on the same samples and
with its own detector, controller and governor, and says where the two part.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from time import perf_counter_ns
from typing import TYPE_CHECKING

import numpy as np

from stimloop import assembly
from stimloop.errors import TherapyEnded
from stimloop.governor import FALLBACK, Governor
from stimloop.group import Fixed
from stimloop.notices import heed
from stimloop.session import HEARTBEAT_US, SETPOINT_LATEST_US
from stimloop.step import Latency, Step
from stimloop_dsp import Quality
from stimloop_hw.messages import Heartbeat
from stimloop_hw.vocabulary import Bound, SensedFlag, State

if TYPE_CHECKING:
    from stimloop.group import Group
    from stimloop.prescription import Prescription
    from stimloop.seams import Log, Wire
    from stimloop_hw import Block
    from stimloop_hw.messages import Decided, Limits, Status
    from stimloop_hw.program import Program

_SATURATED = SensedFlag.SATURATED.value
_LEASED = frozenset({State.STIMULATING, State.HOLD, State.FALLBACK})
_BITS, _DOUBLE = struct.Struct("<Q"), struct.Struct("<d")
_READ = ("index", "level", "active", "active_ms", "quality", "wanted_ua", "wanted_period_us")
_ORDERED = ("admitted_ua", "admitted_period_us", "bound")


class Shadow:
    """What the host would decide on the samples that the device decides on.

    Parameters
    ----------
    prescription : Prescription
        With a loop on the device.
    limits : Limits
    program : Program

    Attributes
    ----------
    governor : Governor
    blind : bool
        Samples were lost on the way that the device had: from there on nothing is compared.
    """

    def __init__(self, prescription: Prescription, limits: Limits, program: Program) -> None:
        tick_us = assembly.tick_us(prescription, limits)
        self._detector = assembly.detector(prescription, limits)
        self._controller = assembly.controller(
            prescription, program, tick_us, *assembly.thresholds_uv(prescription)
        )
        self.governor = Governor(program, limits, tick_us)
        self.blind = False
        self._orders = True  # whether they can be compared still

    def step(self, block: Block) -> Step:
        """Decide on a block."""
        self.blind |= block.lost > 0
        samples = np.frombuffer(block.samples_nv, np.int32).reshape(-1, block.channels)
        reading = self._detector.push(samples, block.first_index, block.t_us)
        if block.flags & _SATURATED:
            reading = replace(reading, quality=reading.quality | Quality.SATURATED)
        wanted = self._controller.update(reading)
        order = self.governor.admit(wanted, reading.quality)
        return Step.of(block.t_us, reading, wanted, order)

    def compare(self, told: Step, own: Step) -> str:
        """Name the first value in which the device parts from the host; empty if in none.

        An order that the device withheld is not the host's to know: it goes on from there. Once
        a level of the patient's has shaped an order, detector and controller are compared
        alone. How the setpoints are numbered is no decision.
        """
        self._orders = self._orders and told.bound != Bound.PATIENT
        withheld = told.bound == Bound.WITHHELD
        if withheld:
            self.governor.rebase(told.admitted_ua)
        if self.blind or told.bound == Bound.UNTOLD:
            return ""
        names = _READ + _ORDERED if self._orders and not withheld else _READ
        return next((n for n in names if not _same(getattr(told, n), getattr(own, n))), "")


def _same(told: float, own: float) -> bool:
    return told == own or (told != told and own != own)  # noqa: PLR0124  # both not a number


class Watch:
    """A loop on the device, seen from the host.

    Parameters
    ----------
    wire : Wire
    prescription : Prescription
        With a loop on the device.
    limits : Limits
    group : Group
        What the device has committed.
    log : Log
    alone : bool
        Whether the therapy is to run without a host's lease.

    Attributes
    ----------
    steps, stimulating, tick_us, fallback
        As those of `stimloop.session.Session`.
    parted : bool
        Whether the device has decided otherwise than the host would.
    """

    def __init__(
        self,
        wire: Wire,
        prescription: Prescription,
        limits: Limits,
        group: Group,
        log: Log,
        *,
        alone: bool = False,
    ) -> None:
        self.wire = wire
        self.log = log
        self.steps = 0
        self.stimulating = False
        self.parted = False
        self.tick_us = assembly.tick_us(prescription, limits)
        self.fallback = Bound.NONE
        self._alone = alone
        self._running = frozenset({State.ALONE}) if alone else _LEASED
        self._group = group
        self._period_us = group.first.period_min_us
        self._fixed = Fixed(group, limits, self.tick_us)
        self._lease_ms = prescription.stimulation.lease_ms
        self._shadow = Shadow(prescription, limits, group.first)
        self._decided: dict[int, Decided] = {}
        self._started_us = 0
        self._beat_us = -HEARTBEAT_US
        self._told_ua = 0
        self._sp = 0
        self._sent_us = 0

    def step(self) -> Step | None:
        """Take one block of sensed samples, and what the device has made of it.

        Returns
        -------
        Step or None
            What the device decided; None when its sensing has ended.

        Raises
        ------
        LinkError
            If the device is gone.
        OrderRefused
            If the device refuses to start.
        TherapyEnded
            If the device has ended the therapy by itself.
        """
        block = self._started() if not self.stimulating else self._next()
        if block is None:
            return None
        arrived_ns = self.wire.arrived_ns
        own = self._shadow.step(block)
        detected_ns = perf_counter_ns()
        others_ua: list[int] = []
        if not self._alone:  # alone the device raises them by itself
            others_ua = self._fixed.admit(self._period_us, Quality(own.quality))
        step = replace(self._told(own), others_ua=tuple(others_ua))
        self._tell_fallback(own)
        difference = self._shadow.compare(step, own)
        if difference and not self.parted:
            self.parted = True
            self.log.event(
                self.steps,
                block.t_us,
                "note",
                text=f"the device decides otherwise than the host from here on: {difference}",
            )
        self._renew(block.t_us)
        self._steer(others_ua, block.t_us)
        written_ns = perf_counter_ns()
        self.log.sensed(block)
        self.log.step(step)
        shadow_ns, write_ns = detected_ns - arrived_ns, written_ns - detected_ns
        latency = Latency(self.wire.read_ns, 0, shadow_ns, 0, 0, write_ns, shadow_ns + write_ns)
        self.log.latency(self.steps, latency)
        self.steps += 1
        return step

    def _started(self) -> Block | None:
        """Start, and wait for the first block that the device decides on."""
        block = self._next()
        if block is None:
            return None
        crc = self._group.set.crc()
        if self._alone:
            self._started_us = self.wire.start_alone(crc)
        else:
            self._started_us = self.wire.start(crc, self._lease_ms, self._group.number)
        self.stimulating = True
        self.log.event(
            self.steps, self._started_us, "operator", detail=self._started_us, text="start"
        )
        while block is not None and block.t_us <= self._started_us:
            block = self._next()
        return block

    def _next(self) -> Block | None:
        block = self.wire.sensed()
        heard = heed(self.wire, self.log, self.steps)
        for decided in heard.decided:
            self._decided[decided.index] = decided
        for status in heard.statuses:
            self._heed_status(status)
        return block

    def _heed_status(self, status: Status) -> None:
        late = self.stimulating and status.t_us > self._started_us
        if late and status.state not in self._running:
            raise TherapyEnded(State(status.state), status.faults)
        due = status.t_us > self._sent_us + SETPOINT_LATEST_US
        if late and (
            status.state != State.STIMULATING or (due and not self._fixed.followed(status))
        ):
            self._fixed.rebase(status)

    def _told(self, own: Step) -> Step:
        """The device's decision on the block; where it did not arrive, what is known."""
        decided = self._decided.pop(own.index & 0xFFFFFFFF, None)
        self._decided.clear()  # of blocks that did not arrive
        if decided is None:
            return replace(own, admitted_ua=self._told_ua, bound=Bound.UNTOLD)
        self._told_ua = decided.ordered_ua
        return Step(
            own.index,
            own.t_us,
            _DOUBLE.unpack(_BITS.pack(decided.level_bits))[0],
            bool(decided.active),
            decided.active_ms,
            decided.quality,
            decided.wanted_ua,
            decided.wanted_period_us,
            decided.ordered_ua,
            decided.ordered_period_us,
            decided.bound,
            decided.sp,
        )

    def _tell_fallback(self, own: Step) -> None:
        if self._shadow.governor.fallback is not self.fallback:
            self.fallback = self._shadow.governor.fallback
            self.log.event(
                self.steps,
                own.t_us,
                "governor",
                code=self.fallback,
                detail=self._group.first.fallback_ua,
                text=FALLBACK[self.fallback],
            )

    def _steer(self, others_ua: list[int], t_us: int) -> None:
        """Send what has changed of the programs that the device's loop does not move."""
        for setpoint in self._fixed.setpoints(others_ua, self._period_us, self._sp):
            self._sp, self._sent_us = setpoint.sp, t_us
            self.wire.send(setpoint, t_us + SETPOINT_LATEST_US)

    def _renew(self, t_us: int) -> None:
        """Renew the lease after a fresh sample, where there is one; events are acknowledged."""
        if t_us - self._beat_us >= HEARTBEAT_US:
            self._beat_us = t_us
            beat = Heartbeat(self._lease_ms, 0, self.wire.event_ack)
            self.wire.send(beat, t_us + SETPOINT_LATEST_US)
