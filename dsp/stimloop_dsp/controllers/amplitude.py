"""An amplitude inside its range, whatever the law; and the law of none (tier: core)."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

from stimloop_dsp import parameters
from stimloop_dsp.parameters import Allowed
from stimloop_dsp.values import Aspect, Reading, Setting

MicroampsFromZero = Annotated[int, Allowed(0, 1_000_000_000)]
Microseconds = Annotated[int, Allowed(0, 1_000_000_000, above=True)]
RampMs = Annotated[float, Allowed(0, 3_600_000)]
LevelUv = Annotated[float, Allowed(0)]
PositiveUv = Annotated[float, Allowed(0, above=True)]


@dataclass(kw_only=True, eq=False)
class AmplitudeController(ABC):
    """What every controller of an amplitude does around its law: hold, bound, and round.

    A law of one's own is a dataclass with one method, `wanted_ua`, and perhaps `reset`.

    Parameters
    ----------
    tick_us : int
        Time from one update to the next.
    amplitude_min_ua, amplitude_max_ua : int
        Range of the output, min <= max. The output begins at the minimum.
    period_us : int
        Pulse period; it is handed on.

    Attributes
    ----------
    output_ua : float
        Amplitude of the last update, before it was rounded, µA.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    """

    asks: ClassVar[Aspect] = Aspect.NONE

    tick_us: Microseconds
    amplitude_min_ua: MicroampsFromZero
    amplitude_max_ua: MicroampsFromZero
    period_us: Microseconds

    def __post_init__(self) -> None:
        parameters.check(type(self), vars(self))
        if self.amplitude_min_ua > self.amplitude_max_ua:
            raise ValueError(
                f"An amplitude of {self.amplitude_min_ua} to {self.amplitude_max_ua} µA was "
                "asked for; min <= max must hold. Lower the minimum or raise the maximum."
            )
        self.reset()

    def update(self, reading: Reading) -> Setting:
        """Take the next reading; one that cannot be trusted leaves the output as it is."""
        if reading.is_trusted:
            wanted_ua = self.wanted_ua(reading)
            self.output_ua = min(max(wanted_ua, self.amplitude_min_ua), self.amplitude_max_ua)
        return Setting(round(self.output_ua), self.period_us)

    def reset(self) -> None:
        """Return to the state before the first reading."""
        self.output_ua = float(self.amplitude_min_ua)

    @abstractmethod
    def wanted_ua(self, reading: Reading) -> float:
        """Amplitude by the law, µA, before it is bounded."""

    def per_tick_ua(self, ramp_ms: float) -> float:
        """Change per tick of a ramp over the whole range in `ramp_ms`, in whole ticks, µA."""
        ticks = max(1, math.ceil(1000 * ramp_ms / self.tick_us))
        return (self.amplitude_max_ua - self.amplitude_min_ua) / ticks


@dataclass(kw_only=True, eq=False)
class Continuous(AmplitudeController):
    """The conventional therapy: the upper end of the range, whatever the reading says."""

    def reset(self) -> None:
        """Return to the state before the first reading, which is its only one."""
        self.output_ua = float(self.amplitude_max_ua)

    def wanted_ua(self, reading: Reading) -> float:  # noqa: ARG002  that is its point
        """Amplitude by the law, µA."""
        return self.amplitude_max_ua
