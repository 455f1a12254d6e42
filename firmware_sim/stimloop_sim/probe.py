"""A witness at the outputs of a simulated generator that stands in a bath."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop_hw.trace import TracedPulse
    from stimloop_sim.bath import Bath

COMPLETE_US = 20_000
"""A pulse that began so long ago has both its phases behind it."""


class Traced(Protocol):
    """A generator that shows its pulses."""

    def traced(self) -> Iterator[TracedPulse]:
        """The newest pulses, in the order of their times."""


class Probe:
    """Looks at what flowed, and asks nobody what was meant to.

    Parameters
    ----------
    generator : Traced
    bath : Bath
    """

    def __init__(self, generator: Traced, bath: Bath) -> None:
        self._generator = generator
        self._bath = bath
        self._until_us = 0

    @property
    def until_us(self) -> int:
        """The bath's time up to which every pulse is complete."""
        return self._bath.now_us - COMPLETE_US

    def take(self) -> list[TracedPulse]:
        """Pulses since the last look."""
        since_us, self._until_us = self._until_us, self.until_us
        return [p for p in self._generator.traced() if since_us <= p.t_us < self._until_us]
