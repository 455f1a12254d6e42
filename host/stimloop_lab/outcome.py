"""What came of a cell, as far as it is the same in every therapy: delivery and the wire."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stimloop.summary import NOMINAL_OHM, delivered
from stimloop_hw.vocabulary import Refusal
from stimloop_lab.measures import measure

if TYPE_CHECKING:
    from stimloop.group import Group
    from stimloop.step import Latency, Step
    from stimloop.streams import EventKind
    from stimloop_hw import Block
    from stimloop_hw.messages import Status

BATCH = 250
"""Ticks that are looked at together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Delivery and the wire; NaN is what cannot be told. `stimloop_lab.measures` reads it."""

    time_on: float = measure(
        "Time with stimulation",
        "",
        "share of the time",
        "pulses are in effect, a train with its ramps",
        percent=True,
        drawn=True,
    )
    mean_amplitude_ma: float = measure(
        "Mean amplitude", "mA", "mean over time", "pauses count as zero"
    )
    charge_uc_s: float = measure(
        "Charge", "µC/s", "sum over time", "cathodic charge that was delivered", drawn=True
    )
    teed_uw: float = measure(
        "Energy as power, TEED at 500 Ω",
        "µW",
        "sum over time",
        "total electrical energy delivered",
    )
    teed_ratio: float = measure(
        "TEED over that without pause",
        "",
        "ratio of two sums",
        "over what the prescription's upper amplitude delivers without a pause",
        percent=True,
    )
    switches_per_min: float = measure(
        "Switchings",
        "1/min",
        "count over time",
        "the ordered amplitude leaves zero or comes back to it",
    )
    chattering_per_min: float = measure(
        "Full swings of the amplitude",
        "1/min",
        "sum over time",
        "the way that the ordered amplitude travels, over twice its limit",
    )
    net_charge_nc: float = measure(
        "Net charge", "nC", "sum", "what the recharge did not take back"
    )
    orders: int = measure("Orders sent", "", "count", "setpoints sent")
    lost_samples: int = measure("Samples lost", "", "count", "samples missing")
    refused: int = measure("Orders refused", "", "count", "orders that the device refused")
    stale: int = measure("of these too late", "", "count", "orders refused as too late")


class Gathering:
    """Counts what a loop does, in constant memory; its `stimloop.seams.Log`.

    Parameters
    ----------
    tick_us : int
        Control tick, µs.

    Attributes
    ----------
    orders, refused, stale, lost_samples : int
    """

    def __init__(self, tick_us: int) -> None:
        self.orders = self.refused = self.stale = self.lost_samples = 0
        self._tick_us = tick_us
        self._started = False
        self._start_us = self._first_us = self._end_us = 0
        self._statuses: list[Status] = []  # the first, the last of therapy, the last
        self._amplitudes_ua: list[int] = []
        self._amplitude_ua = 0
        self._travel_ua = self._switches = 0

    @property
    def seconds(self) -> float:
        """Device time of the therapy so far, s."""
        if not self._first_us:
            return 0.0
        return (self._end_us - self._first_us + self._tick_us) / 1e6

    def sensed(self, block: Block) -> None:
        """A block came in."""
        if self._started:
            self.lost_samples += block.lost

    def step(self, step: Step) -> None:
        """A tick was decided."""
        if not self._started:
            return
        self._first_us = self._first_us or step.t_us
        self._end_us = step.t_us
        self._take_status()
        self.orders += step.sp > 0
        self._amplitudes_ua.append(step.admitted_ua)
        self.decided(step)
        if len(self._amplitudes_ua) >= BATCH:
            self.look()

    def decided(self, step: Step) -> None:
        """What a therapy keeps of a tick; nothing here."""

    def latency(self, step_number: int, latency: Latency) -> None:
        """Where the time of a tick went is no outcome."""

    def status(self, step_number: int, status: Status) -> None:  # noqa: ARG002
        """The device reported."""
        if not self._statuses:
            self._statuses = [status, status, status]
        self._statuses[2] = status
        self._take_status()

    def _take_status(self) -> None:
        """The latest status is one of therapy, if a tick is not before it."""
        if self._statuses and self._start_us < self._statuses[2].t_us <= self._end_us:
            self._statuses[1] = self._statuses[2]

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

    def look(self) -> None:
        """Count what has been gathered, and forget it."""
        if not self._amplitudes_ua:
            return
        amplitudes_ua = np.array([self._amplitude_ua, *self._amplitudes_ua])
        self._amplitude_ua = self._amplitudes_ua[-1]
        self._travel_ua += int(np.abs(np.diff(amplitudes_ua)).sum())
        self._switches += int(np.count_nonzero(np.diff(amplitudes_ua > 0)))
        self._amplitudes_ua.clear()

    def delivery(self, group: Group, time_on: float) -> dict[str, Any]:
        """Values of the columns that every therapy has.

        Parameters
        ----------
        group : Group
            The committed one.
        time_on : float
            As the patient's witness saw it.
        """
        self.look()
        minutes = self.seconds / 60
        top_ua, period_us = group.first.amplitude_max_ua, group.first.period_min_us
        width_us = sum(program.width_us for program in group.programs)
        charge = delivered(
            self._statuses,
            self._start_us,
            self._end_us,
            pulse_width_us=width_us,
            period_us=period_us,
        )
        known = {key: math.nan if value is None else value for key, value in charge.items()}
        # µA²·µs / µs · Ω is 1e-12 W.
        whole_ua2_us = sum(p.amplitude_max_ua**2 * p.width_us for p in group.programs)
        whole_uw = whole_ua2_us / period_us * NOMINAL_OHM / 1e6
        return {
            "time_on": time_on,
            "mean_amplitude_ma": known["mean_amplitude_ma"],
            # mA·µs / µs is mC/s.
            "charge_uc_s": known["mean_amplitude_ma"] * width_us / period_us * 1000,
            "teed_uw": known["teed_uw"],
            "teed_ratio": ratio(known["teed_uw"], whole_uw),
            "switches_per_min": ratio(self._switches, minutes),
            "chattering_per_min": ratio(self._travel_ua, 2 * top_ua * minutes),
            "net_charge_nc": known["net_charge_nc"],
            "lost_samples": self.lost_samples,
            "refused": self.refused,
            "stale": self.stale,
            "orders": self.orders,
        }


def ratio(part: float, whole: float) -> float:
    """A part over its whole; NaN where there is no whole."""
    return part / whole if whole else math.nan
