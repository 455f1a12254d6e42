"""The independent output-disable: two small circuits that share no state with the firmware.

The watchdog counts on a clock of its own (the bench's) and knows one thing: when the firmware
last finished a tick. The monitor sees two lines: whether output is allowed, and pulses that
leave. Neither can be talked out of it; only a reset lets the output go again.
"""

from __future__ import annotations

GROUND_US = 60_000
"""Without a finished tick for so long, the outputs are grounded (first stage)."""
RESET_US = 100_000
"""Without one for so long, the device is reset (second stage)."""


class Watchdog:
    """Two stages: outputs grounded, then reset.

    Parameters
    ----------
    now_us : int
        When it was let run, µs on its own clock.

    Attributes
    ----------
    armed : bool
        Whether it counts; from the moment it is let run.
    """

    def __init__(self, now_us: int) -> None:
        self.armed = True
        self._kicked_us = now_us

    def kick(self, now_us: int) -> None:
        """The firmware has finished a tick."""
        self._kicked_us = now_us

    def must_ground(self, now_us: int) -> bool:
        """Whether the outputs have to be grounded by now."""
        return now_us - self._kicked_us >= GROUND_US

    def must_reset(self, now_us: int) -> bool:
        """Whether the device has to be reset by now."""
        return now_us - self._kicked_us >= RESET_US


class OutputMonitor:
    """Grounds the output at the first pulse that leaves while none is allowed.

    Attributes
    ----------
    tripped : bool
        Latched until the next reset.
    """

    def __init__(self) -> None:
        self.tripped = False
        self._pulses = 0

    def check(self, pulses: int, *, allowed: bool) -> bool:
        """Look at the count of pulses after a tick; True if this trips the monitor."""
        trips = pulses != self._pulses and not allowed and not self.tripped
        self._pulses = pulses
        self.tripped |= trips
        return trips
