"""A sweep of amplitudes: one after another for a while, to see what each does (tier: core)."""

import math
from dataclasses import dataclass
from typing import Annotated

from stimloop_dsp.controllers.amplitude import AmplitudeController
from stimloop_dsp.parameters import Allowed
from stimloop_dsp.values import Reading

Percent = Annotated[float, Allowed(0, 100)]


@dataclass(kw_only=True, eq=False)
class Sweep(AmplitudeController):
    """From the minimum upwards in steps; at the end, and where it is enough, back to it.

    It is no therapy but a question: how does the level answer the amplitude? Only readings that
    can be trusted count as time, so a step lasts longer where the signal is bad, and never
    rises on a signal that nobody can read. Steps and times are a design choice.

    Parameters
    ----------
    step_ua : int
        From one amplitude to the next.
    dwell_ms : float
        How long each amplitude is kept, the time that it takes to settle included.
    settle_ms : float
        How much of that is not averaged: ramp, tissue and filters are on their way.
    enough_percent : float
        Once a step's mean level is at most this share of that at the minimum the sweep ends; 0
        goes on to the maximum.

    Attributes
    ----------
    is_over : bool
        All amplitudes were given, or one was enough.
    """

    step_ua: Annotated[int, Allowed(0, 1_000_000_000, above=True)] = 500
    dwell_ms: Annotated[float, Allowed(0, 3_600_000, above=True)] = 10_000.0
    settle_ms: Annotated[float, Allowed(0, 3_600_000)] = 2_000.0
    enough_percent: Percent = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.settle_ms >= self.dwell_ms:
            raise ValueError(
                f"{self.settle_ms:g} ms to settle out of {self.dwell_ms:g} ms were asked for; "
                "less than the whole is allowed. Dwell for longer."
            )

    def reset(self) -> None:
        """Return to the state before the first reading."""
        super().reset()
        self.is_over = False
        self._step = 0
        self._ticks = 0
        self._sum = 0.0
        self._counted = 0
        self._first = math.nan

    def wanted_ua(self, reading: Reading) -> float:
        """Amplitude by the law, µA."""
        if self.is_over:
            return self.amplitude_min_ua
        self._ticks += 1
        if self._ticks * self.tick_us > 1000 * self.settle_ms:
            self._sum += reading.level
            self._counted += 1
        if self._ticks * self.tick_us >= 1000 * self.dwell_ms:
            self._next()
        return self.amplitude_min_ua + self._step * self.step_ua

    def _next(self) -> None:
        """On to the next amplitude, unless that was the last."""
        mean = self._sum / self._counted if self._counted else math.nan
        if self._step == 0:
            self._first = mean
        asked = self._step > 0 and self.enough_percent > 0
        enough = asked and mean <= self._first * self.enough_percent / 100
        self._step += 1
        self._ticks, self._sum, self._counted = 0, 0.0, 0
        beyond = self.amplitude_min_ua + self._step * self.step_ua > self.amplitude_max_ua
        if enough or beyond:
            self.is_over = True
            self._step = 0
