"""A Percept-like controller: slow ramps by the state of a detector (tier: core).

Like the published description of Medtronic's Percept with BrainSense; not affiliated with its
maker, and not its firmware. Onset and blanking, which make a state of a level, are the
detector's: `stimloop_dsp.PerceptDetector`.
"""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

from stimloop_dsp.controllers.amplitude import AmplitudeController, MicroampsFromZero
from stimloop_dsp.parameters import Allowed
from stimloop_dsp.percept import DUAL_MS, RANGES_MS, SINGLE_MS
from stimloop_dsp.values import Aspect, Reading, Setting

SUSPEND_AFTER_US = 2_000_000
"""Without a trusted reading for so long, the amplitude is suspended; our own choice."""

_UP, _DOWN = "TransitionUpInMilliSeconds", "TransitionDownInMilliSeconds"
_STARTUP = "AdaptiveStartupDelayInMilliSeconds"
UpMs = Annotated[int, Allowed(*RANGES_MS[_UP])]
DownMs = Annotated[int, Allowed(*RANGES_MS[_DOWN])]
StartupMs = Annotated[int, Allowed(*RANGES_MS[_STARTUP])]


@dataclass(kw_only=True, eq=False)
class PerceptDual(AmplitudeController):
    """Percept-like with two thresholds: up in state 1, down in state -1, hold in state 0.

    Parameters
    ----------
    suspend_ua : int
        Amplitude at the start, and while there is no signal, within the range.
    transition_up_ms, transition_down_ms : int
        Time from the lower to the upper end of the range, and back.
    startup_delay_ms : int
        How long the amplitude stays suspended at the start.
    step_ua : int
        Steps that the amplitude moves in: 0.1 mA in a Percept PC, 0.01 mA in a Percept RC.

    References
    ----------
    S. Stanslaski et al., npj Parkinson's Disease 10, 2024, doi 10.1038/s41531-024-00772-5.
    """

    asks: ClassVar[Aspect] = Aspect.THREE_STATES

    suspend_ua: MicroampsFromZero
    transition_up_ms: UpMs = DUAL_MS[_UP]
    transition_down_ms: DownMs = DUAL_MS[_DOWN]
    startup_delay_ms: StartupMs = DUAL_MS[_STARTUP]
    step_ua: Annotated[int, Allowed(1, 1000)] = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.amplitude_min_ua <= self.suspend_ua <= self.amplitude_max_ua:
            raise ValueError(
                f"A suspend amplitude of {self.suspend_ua} µA was asked for; "
                f"{self.amplitude_min_ua} to {self.amplitude_max_ua} µA is allowed. Choose an "
                "amplitude of the therapy."
            )
        span_ua = self.amplitude_max_ua - self.amplitude_min_ua
        self._up_ua = span_ua * self.tick_us / (1000 * self.transition_up_ms)
        self._down_ua = span_ua * self.tick_us / (1000 * self.transition_down_ms)
        self._startup_ticks = math.ceil(1000 * self.startup_delay_ms / self.tick_us)

    def update(self, reading: Reading) -> Setting:
        """Take the next reading; one that cannot be trusted leaves the output as it is.

        Where none can be trusted for 2 s, the amplitude goes to the suspend amplitude.
        """
        if reading.is_trusted:
            self._lost_us = 0
            self._move(self.wanted_ua(reading))
        else:
            self._lost_us += self.tick_us
            if self._lost_us > SUSPEND_AFTER_US:
                self._move(self.suspend_ua)
        stepped_ua = self.step_ua * round(self.output_ua / self.step_ua)
        return Setting(
            min(max(stepped_ua, self.amplitude_min_ua), self.amplitude_max_ua), self.period_us
        )

    def reset(self) -> None:
        """Return to the state before the first reading."""
        self.output_ua = float(self.suspend_ua)
        self._ticks = 0
        self._lost_us = 0

    def wanted_ua(self, reading: Reading) -> float:
        """Where the amplitude is to go, µA."""
        self._ticks += 1
        if self._ticks <= self._startup_ticks:
            return self.suspend_ua
        if reading.state == 0:
            return self.output_ua
        return self.amplitude_max_ua if reading.state > 0 else self.amplitude_min_ua

    def _move(self, target_ua: float) -> None:
        self.output_ua = min(
            max(target_ua, self.output_ua - self._down_ua), self.output_ua + self._up_ua
        )


@dataclass(kw_only=True, eq=False)
class PerceptSingle(PerceptDual):
    """Percept-like with one threshold: fast, up at or above it and down below."""

    transition_up_ms: UpMs = SINGLE_MS[_UP]
    transition_down_ms: DownMs = SINGLE_MS[_DOWN]
    startup_delay_ms: StartupMs = SINGLE_MS[_STARTUP]
