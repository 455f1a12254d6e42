"""Current that a voltage drives through two electrodes, and the pulses that this makes.

Of the cells at both ends the linear part is followed, exactly between two changes of the
voltage: series resistance, double layer, leak. The nonlinear branch is left out, which carries
current above half a volt across a double layer: where a voltage sticks, less comes here than in
tissue.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stimloop_sim.electrode import Cell

KEPT = 4_096
"""Pulses that are remembered."""
PAIRED_US = 10_000
"""A phase of the other sign that begins within this is the second one of its pulse."""


@dataclass(slots=True)
class Pulse:
    """A pulse as it was delivered.

    Attributes
    ----------
    t_us : int
        Beginning, µs.
    voltage_mv : int
        Of its first phase, mV.
    width_us : int
        Of that phase, µs; 0 while it lasts.
    first_pc, second_pc : float
        Charge of its phases through the load, signed, pC; what flows while the output is at
        0 V, after a phase, counts with it.
    """

    t_us: int
    voltage_mv: int
    width_us: int = 0
    first_pc: float = 0.0
    second_pc: float = 0.0

    @property
    def amplitude_ua(self) -> int:
        """Mean current of the first phase, without its sign, µA."""
        return round(abs(self.first_pc) / self.width_us) if self.width_us else 0


class VoltagePath:
    """A voltage across two electrodes.

    Parameters
    ----------
    *cells : Cell
        In series.

    Attributes
    ----------
    voltage_mv : int
        Now, mV.
    pulses : int
        Begun so far.
    delivered_pc : float
        Charge of their first phases, without sign, pC.
    net_pc : float
        All charge that has passed, signed, pC.
    recent : deque of Pulse
        The newest ones, oldest first.
    """

    def __init__(self, *cells: Cell) -> None:
        self._series_ohm = sum(cell.series_ohm for cell in cells)
        capacitance_f = 1.0 / sum(1.0 / cell.capacitance_f for cell in cells)
        leak_ohm = sum(cell.leak_ohm for cell in cells)
        self._share = leak_ohm / (leak_ohm + self._series_ohm)
        self._tau_s = capacitance_f * self._series_ohm * self._share
        self._layer_v = 0.0
        self._t_us = 0
        self._second = False
        self.voltage_mv = 0
        self.pulses = 0
        self.delivered_pc = 0.0
        self.net_pc = 0.0
        self.recent: deque[Pulse] = deque(maxlen=KEPT)

    def advance_to(self, t_us: int) -> None:
        """Let current flow up to this time."""
        span_s = (t_us - self._t_us) * 1e-6
        if span_s <= 0.0:
            return
        volts = self.voltage_mv * 1e-3
        end_v = volts * self._share
        fallen = -math.expm1(-span_s / self._tau_s)
        steady_c = (volts - end_v) / self._series_ohm * span_s
        charge_c = steady_c + (end_v - self._layer_v) / self._series_ohm * self._tau_s * fallen
        self._layer_v += (end_v - self._layer_v) * fallen
        self._t_us = t_us
        self._count(charge_c * 1e12)

    def _count(self, charge_pc: float) -> None:
        self.net_pc += charge_pc
        if not self.recent:
            return
        pulse = self.recent[-1]
        if self._second:
            pulse.second_pc += charge_pc
        elif self.voltage_mv:
            pulse.first_pc += charge_pc
            self.delivered_pc += abs(charge_pc)
        else:
            pulse.second_pc += charge_pc

    def set_voltage(self, t_us: int, voltage_mv: int) -> None:
        """Change the voltage."""
        self.advance_to(t_us)
        pulse = self.recent[-1] if self.recent else None
        if pulse is not None and not pulse.width_us:
            pulse.width_us = t_us - pulse.t_us
        if voltage_mv:
            paired = (
                pulse is not None
                and not self._second
                and pulse.voltage_mv * voltage_mv < 0
                and t_us - pulse.t_us - pulse.width_us <= PAIRED_US
            )
            if not paired:
                self.recent.append(Pulse(t_us, voltage_mv))
                self.pulses += 1
            self._second = paired
        self.voltage_mv = voltage_mv
