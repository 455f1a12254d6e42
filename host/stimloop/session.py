"""The session: the journey of a sample from byte to order, read from top to bottom.

One thread, no callbacks, no queue between samples and orders. No decision depends on a wall
clock; the monotonic stamps go to the record's latency stream and nowhere else.
"""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter_ns
from typing import TYPE_CHECKING

import numpy as np

from stimloop import assembly
from stimloop.capture import ThresholdCapture
from stimloop.chatter import Chatter
from stimloop.errors import CaptureError, TherapyEnded
from stimloop.governor import FALLBACK, Governor, Order
from stimloop.group import Fixed
from stimloop.notices import heed
from stimloop.step import Latency, Step
from stimloop_dsp import Quality, Setting
from stimloop_hw.messages import (
    Heartbeat,
    Setpoint,
    Status,
    Trigger,
)
from stimloop_hw.vocabulary import Bound, EventCode, SensedFlag, State

if TYPE_CHECKING:
    from stimloop.group import Group
    from stimloop.prescription import Prescription
    from stimloop.seams import Log, Wire
    from stimloop_dsp import Controller, Reading
    from stimloop_hw import Block
    from stimloop_hw.messages import Limits

HEARTBEAT_US = 50_000
"""Device time between two renewals of the lease, at least."""
SETPOINT_LATEST_US = 100_000
"""An order is void so long after the sample that it answers."""

_SATURATED = SensedFlag.SATURATED.value
_RUNNING = frozenset({State.STIMULATING, State.HOLD, State.FALLBACK})


class Session:
    """Detector, controller and governor, and the state between two ticks.

    Parameters
    ----------
    wire : Wire
    prescription : Prescription
    limits : Limits
        What the device said of itself.
    group : Group
        What it has committed.
    log : Log
    maker : callable
        Makes the controller, as `stimloop.assembly.controller` does.

    Attributes
    ----------
    steps : int
        Ticks decided.
    stimulating : bool
        The therapy was started.
    tick_us : int
        Control tick, µs.
    fallback : Bound
        Why the fallback is ordered, `Bound.NONE` while it is not.
    """

    def __init__(
        self,
        wire: Wire,
        prescription: Prescription,
        limits: Limits,
        group: Group,
        log: Log,
        *,
        maker: assembly.ControllerMaker = assembly.controller,
    ) -> None:
        self.wire = wire
        self.log = log
        self.steps = 0
        self.stimulating = False
        self._prescription = prescription
        self._group = group
        self._program = program = group.first
        self._maker = maker
        self.tick_us = assembly.tick_us(prescription, limits)
        self._detector = assembly.detector(prescription, limits)
        self._governor = Governor(program, limits, self.tick_us)
        self._fixed = Fixed(group, limits, self.tick_us)
        self._chatter = Chatter(prescription, program)
        self.fallback = Bound.NONE
        self._lease_ms = prescription.stimulation.lease_ms
        self._beat_us = -HEARTBEAT_US
        self._sp = 0
        self._sent = Order(0, program.period_min_us, Bound.NONE)
        self._sent_us = 0
        self._lost = False
        self._unsure = False
        self._magnet = False
        self._capture: ThresholdCapture | None = None
        if prescription.capture is None:
            self._controller = self._controlled(*assembly.thresholds_uv(prescription))
        else:
            self._capture = ThresholdCapture(prescription.capture, self.tick_us)

    def _controlled(self, threshold_uv: float, lower_uv: float) -> Controller:
        return self._maker(
            self._prescription, self._program, self.tick_us, threshold_uv, lower_uv
        )

    def step(self) -> Step | None:
        """Take one block of sensed samples through to one order.

        Returns
        -------
        Step or None
            None when the device's sensing has ended.

        Raises
        ------
        LinkError
            If the device is gone.
        OrderRefused
            If the device refuses to start.
        TherapyEnded
            If the device has ended the therapy by itself.
        """
        block = self.wire.sensed()
        arrived_ns = self.wire.arrived_ns
        self._heed_notices()
        if block is None:
            return None
        if self._capture is None and not self.stimulating:
            self._start(block)
            arrived_ns = perf_counter_ns()  # what the start took is no latency of a tick
        samples = np.frombuffer(block.samples_nv, np.int32).reshape(-1, block.channels)
        decoded_ns = perf_counter_ns()
        reading = self._detector.push(samples, block.first_index, block.t_us)
        if block.flags & _SATURATED:
            reading = replace(reading, quality=reading.quality | Quality.SATURATED)
        if self._magnet:
            reading = replace(reading, quality=reading.quality | Quality.MAGNET)
        detected_ns = perf_counter_ns()
        others_ua: list[int] = []
        if self._capture is not None:
            wanted, order = self._captured(reading)
            controlled_ns = governed_ns = perf_counter_ns()
        else:
            wanted = self._controller.update(reading)
            controlled_ns = perf_counter_ns()
            order, others_ua = self._governed(wanted, reading)
            governed_ns = perf_counter_ns()
        sp = self._send(order, others_ua, block.t_us)
        written_ns = perf_counter_ns()
        step = Step.of(block.t_us, reading, wanted, order, sp=sp, others_ua=tuple(others_ua))
        self.log.sensed(block)
        self.log.step(step)
        self.log.latency(
            self.steps,
            Latency(
                self.wire.read_ns,
                decoded_ns - arrived_ns,
                detected_ns - decoded_ns,
                controlled_ns - detected_ns,
                governed_ns - controlled_ns,
                written_ns - governed_ns,
                written_ns - arrived_ns,
            ),
        )
        self.steps += 1
        return step

    def _governed(self, wanted: Setting, reading: Reading) -> tuple[Order, list[int]]:
        """What may be ordered; where that is the fallback, it is told why."""
        chatters = self._chatter.push(wanted, reading)
        order = self._governor.admit(wanted, reading.quality, chatters=chatters)
        others_ua = self._fixed.admit(order.period_us, reading.quality, chatters=chatters)
        if self._governor.fallback is not self.fallback:
            self.fallback = self._governor.fallback
            self.log.event(
                self.steps,
                reading.t_us,
                "governor",
                code=self.fallback,
                detail=self._program.fallback_ua,
                text=FALLBACK[self.fallback],
            )
        return order, others_ua

    def _captured(self, reading: Reading) -> tuple[Setting, Order]:
        """Threshold capture: nothing is wanted yet, and nothing ordered."""
        assert self._capture is not None
        if self._capture.push(reading):
            threshold_uv, lower_uv = self._capture.thresholds_uv()
            self._capture = None
            self._take_thresholds(threshold_uv, lower_uv)
            found_uv = [threshold_uv]
            if self._prescription.uses("lower_uv"):
                found_uv.append(lower_uv)
            for code, value_uv in enumerate(found_uv):
                self.log.event(
                    self.steps,
                    reading.t_us,
                    "captured",
                    code=code,
                    detail=round(value_uv * 1000),
                    text=f"{'lower ' * code}threshold {value_uv:.4g} µV: a calibration",
                )
        period_us = self._program.period_min_us
        return Setting(0, period_us), Order(0, period_us, Bound.CAPTURE)

    def _take_thresholds(self, threshold_uv: float, lower_uv: float) -> None:
        """Detector and controller take what was captured."""
        detector = self._prescription.detector
        own_uv = (threshold_uv, lower_uv if detector.declares("lower_uv") else threshold_uv)
        try:
            if detector.declares("threshold_uv"):
                self._detector.thresholds = own_uv  # type: ignore[attr-defined]  # as it declares
            self._controller = self._controlled(threshold_uv, lower_uv)
        except ValueError as problem:
            raise CaptureError(f"what was captured cannot be used: {problem}") from problem

    def _start(self, block: Block) -> None:
        crc = self._group.set.crc()
        self._sent_us = self.wire.start(crc, self._lease_ms, self._group.number)
        self.stimulating = True
        self.log.event(self.steps, block.t_us, "operator", detail=self._sent_us, text="start")

    def _send(self, order: Order, others_ua: list[int], t_us: int) -> int:
        """Renew the lease and send what changed, or what the device did not get."""
        if t_us - self._beat_us >= HEARTBEAT_US:
            self._beat_us = t_us
            beat = Heartbeat(self._lease_ms, 0, self.wire.event_ack)
            self.wire.send(beat, t_us + SETPOINT_LATEST_US)
        same = (
            order.amplitude_ua == self._sent.amplitude_ua
            and order.period_us == self._sent.period_us
        )
        if not self.stimulating:
            return 0
        sp = 0
        if not same or self._lost:
            self._lost = False
            sp = self._sp + 1
            self._sent = order
            self._send_setpoint(
                Setpoint(sp, self._group.place, order.amplitude_ua, order.period_us, 0), t_us
            )
        for setpoint in self._fixed.setpoints(others_ua, order.period_us, self._sp):
            self._send_setpoint(setpoint, t_us)
        if order.pulses:
            # 32 bits of a time on the wire, of which zero would be "now".
            at_us = order.at_us & 0xFFFFFFFF or 1
            trigger = Trigger(self._group.place, order.pulses, at_us)
            self.wire.send(trigger, t_us + SETPOINT_LATEST_US)
        return sp

    def _send_setpoint(self, setpoint: Setpoint, t_us: int) -> None:
        self._sp = setpoint.sp
        self._sent_us = max(self._sent_us, t_us)
        self.wire.send(setpoint, t_us + SETPOINT_LATEST_US)

    def _heed_notices(self) -> None:
        """The device is the authority: go on from what it says."""
        heard = heed(self.wire, self.log, self.steps)
        self._unsure = self._unsure or Setpoint.number in heard.refused
        for event in heard.events:
            if event.code == EventCode.MAGNET:
                self._magnet = bool(event.arg)
        for status in heard.statuses:
            self._heed_status(status)

    def _heed_status(self, status: Status) -> None:
        if not self.stimulating or status.t_us <= self._sent_us:
            return
        if status.state not in _RUNNING:
            raise TherapyEnded(State(status.state), status.faults)
        # Until its deadline an order may still be on its way.
        due = status.t_us > self._sent_us + SETPOINT_LATEST_US
        missed = due and not (status.last_sp == self._sp and self._fixed.followed(status))
        if status.state != State.STIMULATING or missed or self._unsure:
            self._governor.rebase(status.amplitude_ua)
            self._fixed.rebase(status)
            self._lost = True
            self._unsure = False
