"""What came of a cell: a row of numbers, gathered while its loop runs, in constant memory."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from stimloop.summary import NOMINAL_OHM, delivered
from stimloop_dsp import BurstTracker, Quality
from stimloop_hw.vocabulary import Refusal, SensedFlag

if TYPE_CHECKING:
    from stimloop.group import Group
    from stimloop.step import Latency, Step
    from stimloop.streams import EventKind
    from stimloop_hw import Block
    from stimloop_hw.messages import Status

BATCH = 250
"""Ticks that are looked at together."""
LONG_MS = 600.0
"""A burst longer than this is long (Tinkhauser et al. 2017, doi 10.1093/brain/awx010)."""
_STIM = SensedFlag.STIM.value
_WARMUP = Quality.WARMUP.value


@dataclass(frozen=True, slots=True)
class Baseline:
    """A patient without stimulation, as one detector sees it.

    Attributes
    ----------
    levels_uv : dict of float to float
        The level at each percentile asked for, µV.
    envelope_uv : float
        Mean of the true amplitude, µV.
    """

    levels_uv: dict[float, float]
    envelope_uv: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a cell; NaN is what cannot be told.

    Attributes
    ----------
    time_on : float
        Fraction of the samples whose block saw a pulse, 0 to 1.
    mean_amplitude_ma : float
        Pauses counted as zero, mA.
    teed_uw : float
        Total electrical energy delivered at 500 Ω, as power, µW.
    teed_ratio : float
        That over what the prescription's upper amplitude delivers without a pause.
    mean_error : float
        Mean of ``max(0, (level - setpoint) / setpoint)``.
    bursts_per_s, mean_burst_ms : float
        Bursts of the level of at least 100 ms: rate, 1/s, and mean duration, ms.
    long_bursts : float
        Fraction of the bursts that are longer than 600 ms, 0 to 1.
    long_per_min : float
        Rate of those, 1/min.
    switches_per_min : float
        How often the ordered amplitude leaves zero or comes back to it, 1/min.
    chattering_per_min : float
        Full swings of the ordered amplitude, up to its limit and down again, 1/min: the way it
        travels over twice the limit.
    envelope_uv : float
        Mean of the patient's true amplitude, which no detector sees, µV.
    envelope_ratio : float
        That over its mean without stimulation, in the calibration.
    net_charge_nc : float
        What the recharge did not take back, nC.
    lost_samples, refused, stale, orders : int
        Samples missing; orders refused by the device, of these too late; orders sent.
    """

    time_on: float
    mean_amplitude_ma: float
    teed_uw: float
    teed_ratio: float
    mean_error: float
    bursts_per_s: float
    mean_burst_ms: float
    long_bursts: float
    long_per_min: float
    switches_per_min: float
    chattering_per_min: float
    envelope_uv: float
    envelope_ratio: float
    net_charge_nc: float
    lost_samples: int
    refused: int
    stale: int
    orders: int


METRICS = tuple(field.name for field in fields(Outcome))


class Gathering:
    """Counts what a loop does; its `stimloop.seams.Log`.

    Parameters
    ----------
    tick_us : int
        Control tick, µs.
    burst_uv, setpoint_uv : float
        Levels above which a burst, and an error, are counted, µV.

    Attributes
    ----------
    orders, refused, stale, lost_samples : int
    """

    def __init__(self, tick_us: int, *, burst_uv: float, setpoint_uv: float) -> None:
        self.orders = self.refused = self.stale = self.lost_samples = 0
        self._tick_us = tick_us
        self._setpoint_uv = setpoint_uv
        self._started = False
        self._start_us = self._end_us = 0
        self._samples = self._on_samples = 0
        self._statuses: list[Status] = []  # the first, the last of therapy, the last
        self._levels_uv: list[float] = []
        self._amplitudes_ua: list[int] = []
        self._amplitude_ua = 0
        self._travel_ua = self._switches = 0
        self._settled = self._ticks = 0
        self._error = 0.0
        self._tracker = BurstTracker(1e6 / tick_us, burst_uv)
        self._bursts = self._burst_ticks = self._long = 0

    def sensed(self, block: Block) -> None:
        """A block came in."""
        if self._started:
            self._samples += block.count
            self.lost_samples += block.lost
            if block.flags & _STIM:
                self._on_samples += block.count

    def step(self, step: Step) -> None:
        """A tick was decided."""
        if not self._started:
            return
        self._end_us = step.t_us
        self.orders += step.sp > 0
        self._amplitudes_ua.append(step.admitted_ua)
        if not step.quality & _WARMUP:
            self._levels_uv.append(step.level)
        if len(self._amplitudes_ua) >= BATCH:
            self._look()

    def latency(self, step_number: int, latency: Latency) -> None:
        """Where the time of a tick went is no outcome."""

    def status(self, step_number: int, status: Status) -> None:  # noqa: ARG002
        """The device reported."""
        if not self._statuses:
            self._statuses = [status, status, status]
        if self._start_us < status.t_us <= self._end_us:
            self._statuses[1] = status
        self._statuses[2] = status

    def event(
        self,
        step_number: int,  # noqa: ARG002
        t_us: int,
        kind: EventKind,
        *,
        order: int = 0,  # noqa: ARG002
        code: int = 0,
        detail: int = 0,  # noqa: ARG002
        text: str = "",
    ) -> None:
        """Something happened."""
        if kind == "operator" and text == "start":
            self._started = True
            self._start_us = t_us
        elif kind == "refused":
            self.refused += 1
            self.stale += code == Refusal.EXPIRED

    def outcome(self, group: Group, *, envelope_uv: float, baseline: Baseline) -> Outcome:
        """What came of it.

        Parameters
        ----------
        group : Group
            The committed one.
        envelope_uv : float
            Mean of the patient's true amplitude during therapy, µV.
        baseline : Baseline
            The same patient without stimulation.
        """
        self._look()
        minutes = self._ticks * self._tick_us / 60e6
        top_ua, period_us = group.first.amplitude_max_ua, group.first.period_min_us
        charge = delivered(
            self._statuses,
            self._start_us,
            self._end_us,
            pulse_width_us=sum(program.width_us for program in group.programs),
            period_us=period_us,
        )
        known = {key: math.nan if value is None else value for key, value in charge.items()}
        # µA²·µs / µs · Ω is 1e-12 W.
        whole_ua2_us = sum(p.amplitude_max_ua**2 * p.width_us for p in group.programs)
        whole_uw = whole_ua2_us / period_us * NOMINAL_OHM / 1e6
        return Outcome(
            time_on=_ratio(self._on_samples, self._samples),
            mean_amplitude_ma=known["mean_amplitude_ma"],
            teed_uw=known["teed_uw"],
            teed_ratio=_ratio(known["teed_uw"], whole_uw),
            mean_error=_ratio(self._error, self._settled),
            bursts_per_s=_ratio(self._bursts, self._settled * self._tick_us / 1e6),
            mean_burst_ms=_ratio(self._burst_ticks * self._tick_us / 1e3, self._bursts),
            long_bursts=_ratio(self._long, self._bursts),
            long_per_min=_ratio(self._long, self._settled * self._tick_us / 60e6),
            switches_per_min=_ratio(self._switches, minutes),
            chattering_per_min=_ratio(self._travel_ua, 2 * top_ua * minutes),
            envelope_uv=envelope_uv,
            envelope_ratio=_ratio(envelope_uv, baseline.envelope_uv),
            net_charge_nc=known["net_charge_nc"],
            lost_samples=self.lost_samples,
            refused=self.refused,
            stale=self.stale,
            orders=self.orders,
        )

    def _look(self) -> None:
        """Count what has been gathered, and forget it."""
        if not self._amplitudes_ua:
            return
        amplitudes_ua = np.array([self._amplitude_ua, *self._amplitudes_ua])
        self._amplitude_ua = self._amplitudes_ua[-1]
        self._ticks += len(self._amplitudes_ua)
        self._travel_ua += int(np.abs(np.diff(amplitudes_ua)).sum())
        self._switches += int(np.count_nonzero(np.diff(amplitudes_ua > 0)))
        self._amplitudes_ua.clear()
        levels_uv = np.array(self._levels_uv)
        self._levels_uv.clear()
        if not levels_uv.size:
            return
        self._settled += levels_uv.size
        errors = (levels_uv - self._setpoint_uv) / self._setpoint_uv
        self._error += float(np.maximum(errors, 0.0).sum())
        for burst in self._tracker.push(levels_uv):
            self._bursts += 1
            self._burst_ticks += burst.duration
            self._long += burst.duration * self._tick_us > LONG_MS * 1000


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
