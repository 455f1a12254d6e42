"""The outputs of a simulated StimJim: stages through electrodes, measured as it measures them.

Each channel drives a contact of the lead against the case. A balanced pulse goes through the
tissue as one, any other stage by stage with the discharge that grounded outputs are; both are
limited by the output stage's voltage.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stimloop_hw.program import CASE
from stimloop_hw.stimjim_protocol import CHANNELS, MV_PER_ADC, UA_PER_ADC, Mode
from stimloop_sim.voltage import VoltagePath

if TYPE_CHECKING:
    from stimloop_hw.stimjim_protocol import PulseTrain
    from stimloop_sim.tissue import Tissue

KEPT = 4_096
"""Pulses that are remembered."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """One channel's part of a pulse.

    Attributes
    ----------
    t_us : int
        Its beginning, µs.
    channel : int
    stages : tuple of (float, int)
        Mean current in µA, positive out of the contact, and duration in µs, of each stage.
    """

    t_us: int
    channel: int
    stages: tuple[tuple[float, int], ...]

    @property
    def net_pc(self) -> float:
        """Charge that it leaves behind, pC."""
        return sum(ua * us for ua, us in self.stages)

    @property
    def amplitude_ua(self) -> int:
        """Of the first stage that is not zero, without its sign, µA."""
        return round(abs(next((ua for ua, _ in self.stages if ua), 0.0)))

    @property
    def width_us(self) -> int:
        """Duration of that stage, µs."""
        return next((us for ua, us in self.stages if ua), 0)


class Output:
    """Both channels.

    Parameters
    ----------
    tissue : Tissue

    Attributes
    ----------
    recent : deque of Delivered
        The newest ones, oldest first.
    pulses : int
        Delivered by either channel.
    net_pc : float
        Charge that all of them left behind, pC.
    """

    def __init__(self, tissue: Tissue) -> None:
        self.recent: deque[Delivered] = deque(maxlen=KEPT)
        self.pulses = 0
        self.net_pc = 0.0
        self._tissue = tissue
        self._ways = {}
        for channel in range(CHANNELS):
            for sign in (-1, 1):
                way = tissue.path()
                contact = 1 << channel
                tissue.connect(way, *((contact, CASE) if sign < 0 else (CASE, contact)))
                self._ways[channel, sign] = way
        cells = tissue.cells
        self._voltages = [VoltagePath(cells[k], cells[tissue.case]) for k in range(CHANNELS)]

    def pulse(self, t_us: int, train: PulseTrain) -> list[tuple[float, ...]]:
        """Deliver one pulse.

        Parameters
        ----------
        t_us : int
            Its beginning, µs.
        train : PulseTrain

        Returns
        -------
        list of tuple of float
            What was measured in each stage, by channel that has an output: µA or mV.
        """
        measured: list[list[float]] = [[] for _ in train.stages]
        for channel, mode in enumerate(train.modes):
            stages = [(s.amplitudes[channel], s.duration_us) for s in train.stages]
            if mode is Mode.CURRENT:
                flowed = self._drive(t_us, channel, stages)
            elif mode is Mode.VOLTAGE:
                flowed = self._press(t_us, channel, stages)
            else:
                continue
            one = Delivered(t_us, channel, flowed)
            self.recent.append(one)
            self.pulses += 1
            self.net_pc += one.net_pc
            told = (
                [ua for ua, _ in flowed] if mode is Mode.CURRENT else [mv for mv, _ in stages]
            )
            step = UA_PER_ADC if mode is Mode.CURRENT else MV_PER_ADC
            for row, value in zip(measured, told, strict=True):
                row.append(round(value / float(step)) * float(step))
        return [tuple(row) for row in measured]

    def _drive(
        self, t_us: int, channel: int, stages: list[tuple[int, int]]
    ) -> tuple[tuple[float, int], ...]:
        """Current: as much of it as the voltage allows."""
        shape = _balanced(stages)
        if shape is not None:
            first, width_us, gap_us, ratio = shape
            way = self._ways[channel, 1 if first > 0 else -1]
            driven_ua = way.pulse(t_us, abs(first), 1, width_us, gap_us, ratio)
            share = driven_ua / abs(first)
            return tuple((ua * share, us) for ua, us in stages)
        flowed = []
        for ua, us in stages:
            driven_ua = 0
            if ua:
                way = self._ways[channel, 1 if ua > 0 else -1]
                driven_ua = way.pulse(t_us, abs(ua), 1, us, 0, 0)
            flowed.append((float(driven_ua if ua > 0 else -driven_ua), us))
            t_us += us
        return tuple(flowed)

    def _press(
        self, t_us: int, channel: int, stages: list[tuple[int, int]]
    ) -> tuple[tuple[float, int], ...]:
        """Voltage: whatever current it drives."""
        path = self._voltages[channel]
        flowed = []
        for mv, us in stages:
            path.set_voltage(t_us, mv)
            before_pc = path.net_pc
            t_us += us
            path.advance_to(t_us)
            flowed.append(((path.net_pc - before_pc) / us, us))
        path.set_voltage(t_us, 0)
        return tuple(flowed)


def _balanced(stages: list[tuple[int, int]]) -> tuple[int, int, int, int] | None:
    """First amplitude, width, gap and ratio of a pulse whose phases cancel; None of another."""
    phases = [(ua, us) for ua, us in stages if ua]
    if len(phases) != 2 or not stages[0][0] or not stages[-1][0]:
        return None
    (first, width_us), (second, second_us) = phases
    ratio, rest = divmod(second_us, width_us)
    if rest or not ratio or first != -second * ratio:
        return None
    return first, width_us, sum(us for ua, us in stages if not ua), ratio
