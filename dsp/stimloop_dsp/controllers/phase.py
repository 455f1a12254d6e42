"""A controller that triggers pulses at a phase of the oscillation (tier: core).

Phase tracking by adapted references, one of the detectors it may follow, is the subject of a
patent application; see NOTICE.md.
"""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

from stimloop_dsp import parameters
from stimloop_dsp.controllers.amplitude import LevelUv, MicroampsFromZero, Microseconds
from stimloop_dsp.parameters import Allowed
from stimloop_dsp.values import Aspect, Reading, Setting

LONG_AGO_US = -(2**62)
SLACK_CYCLES = 0.1
"""A crossing that the next tick may predict this much earlier is ordered by this one."""


@dataclass(kw_only=True, eq=False)
class PhaseTargeted:
    """A few pulses each time that the phase is going to cross the target.

    The crossing is predicted from the phase now and the frequency of the peak, and ordered at
    the last tick at which there is time for it, when the prediction is best. There is none
    while the level is at or below the threshold, nor soon after the one before.

    Parameters
    ----------
    tick_us : int
        Time from one update to the next.
    amplitude_max_ua : int
        Amplitude of the pulses.
    period_us : int
        Time from pulse to pulse, where there are several.
    threshold_uv : float
        No pulse while the level is at or below this.
    peak_hz : float
        Frequency that the phase advances with.
    target_rad : float
        Phase of the first pulse; 0 is the oscillation's maximum.
    pulses : int
        Pulses at a crossing.
    lead_ms : float
        How long before a crossing the order has to leave.
    refractory_cycles : float
        Cycles from one trigger to the next, at least.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    References
    ----------
    C. McNamara et al., Cell Reports 40, 2022 (stimulation by the phase of cortical beta).
    """

    asks: ClassVar[Aspect] = Aspect.PHASE
    triggers: ClassVar[bool] = True

    tick_us: Microseconds
    amplitude_max_ua: MicroampsFromZero
    period_us: Microseconds
    threshold_uv: LevelUv
    peak_hz: Annotated[float, Allowed(1, 100)]
    target_rad: Annotated[float, Allowed(-math.pi, math.pi)] = 0.0
    pulses: Annotated[int, Allowed(1, 16)] = 1
    lead_ms: Annotated[float, Allowed(0, 100)] = 5.0
    refractory_cycles: Annotated[float, Allowed(0.5, 10)] = 0.75

    def __post_init__(self) -> None:
        parameters.check(type(self), vars(self))
        self._cycle_us = 1e6 / self.peak_hz
        self.reset()

    def update(self, reading: Reading) -> Setting:
        """Take the next reading; one that cannot be trusted triggers nothing."""
        at_us = self._crossing_us(reading)
        if at_us == 0:
            return Setting(self.amplitude_max_ua, self.period_us)
        self._last_us = at_us
        return Setting(self.amplitude_max_ua, self.period_us, at_us, self.pulses)

    def reset(self) -> None:
        """Return to the state before the first reading."""
        self._last_us = LONG_AGO_US

    def _crossing_us(self, reading: Reading) -> int:
        """Time of the crossing that has to be ordered now; 0 if there is none."""
        phase_known = math.isfinite(reading.phase_rad)
        if not (reading.is_trusted and phase_known and reading.level > self.threshold_uv):
            return 0
        cycles_left = (self.target_rad - reading.phase_rad) / (2 * math.pi) % 1
        wait_us = cycles_left * self._cycle_us
        lead_us = 1000 * self.lead_ms
        wait_us += self._cycle_us * max(0, math.ceil((lead_us - wait_us) / self._cycle_us))
        at_us = reading.t_us + round(wait_us)
        too_soon = at_us - self._last_us < self.refractory_cycles * self._cycle_us
        too_early = wait_us >= lead_us + self.tick_us + SLACK_CYCLES * self._cycle_us
        if too_soon or too_early:
            return 0
        return at_us
