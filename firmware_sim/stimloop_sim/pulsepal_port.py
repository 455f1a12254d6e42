"""A port in memory with a simulated Pulse Pal behind an impaired line, to the cycle.

Reading is what makes time pass, as at `stimloop_sim.cable.Cable`, but here in steps far below a
millisecond: what matters to a Pulse Pal happens within a few of its cycles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from serial import SerialException

from stimloop_sim.impairment import Impairment
from stimloop_sim.scenario import Scenario

if TYPE_CHECKING:
    from stimloop_sim.pulsepal import PulsePal

SHORTEST_US = 100
LONGEST_US = 2_000
"""A read looks again after so long, and ever more slowly while nothing comes."""


class PulsePalPort:
    """What a driver needs of a port, and what a bench wants to see.

    Parameters
    ----------
    device : PulsePal
    scenario : Scenario
        Faults of the line and resets, on schedule.

    Attributes
    ----------
    device : PulsePal
    line : Impairment
    now_us : int
        Its time, µs.
    timeout : float or None
        Of a read, s.
    """

    def __init__(self, device: PulsePal, scenario: Scenario | None = None) -> None:
        self.device = device
        self.line = Impairment(scenario or Scenario())
        self.now_us = device.now_us
        self.timeout: float | None = 0.05
        self._received = bytearray()

    def clock_ns(self) -> int:
        """Its time, ns."""
        return self.now_us * 1000

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read without time passing."""
        self._exchange()
        return len(self._received)

    def read(self, size: int, /) -> bytes:
        """Read up to `size` bytes, letting time pass until they are there."""
        until_us = self.now_us + round((self.timeout or 0.0) * 1e6)
        step_us = SHORTEST_US
        self._exchange()
        while len(self._received) < size and self.now_us < until_us:
            self.now_us = min(until_us, self.now_us + step_us)
            step_us = min(2 * step_us, LONGEST_US)
            self._exchange()
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    def write(self, data: bytes, /) -> int:
        """Hand bytes to the line.

        Raises
        ------
        SerialException
            If the scenario of faults has pulled the plug.
        """
        self._exchange()
        self.line.to_device.push(self.now_us, data)
        self._exchange()
        return len(data)

    def close(self) -> None:
        """Nothing to release."""

    def wait(self, for_us: int) -> None:
        """Let time pass without reading."""
        self.now_us += for_us
        self._exchange()

    def _exchange(self) -> None:
        line, now_us = self.line, self.now_us
        if line.is_unplugged(now_us):
            raise SerialException("the scenario of faults has pulled the plug")
        for _ in range(line.resets(now_us)):
            self.device.reset(now_us)
        if data := line.to_device.take(now_us):
            self.device.receive(now_us, data)
        if data := self.device.take(now_us):
            line.to_host.push(now_us, data)
        self._received += line.to_host.take(now_us)
