"""Controllers that compare with thresholds and ramp (tier: core).

The ramps are those of J. Fleming, E. Dunn and M. Lowery, Frontiers in Neuroscience 14, 2020,
doi 10.3389/fnins.2020.00166, and its published code, ModelDB 262046.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from stimloop_dsp.controllers.amplitude import (
    AmplitudeController,
    LevelUv,
    RampMs,
)
from stimloop_dsp.parameters import Allowed
from stimloop_dsp.values import Aspect, Reading


@dataclass(kw_only=True, eq=False)
class _Ramped(AmplitudeController):
    """Up and down in whole ticks.

    Parameters
    ----------
    ramp_up_ms, ramp_down_ms : float
        Time from the lower to the upper end of the range, and back, in whole ticks.
    """

    ramp_up_ms: RampMs = 250.0
    ramp_down_ms: RampMs = 250.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._up_ua = self.per_tick_ua(self.ramp_up_ms)
        self._down_ua = self.per_tick_ua(self.ramp_down_ms)


@dataclass(kw_only=True, eq=False)
class OnOff(_Ramped):
    """Single threshold: up while the detector is active, down while it is not.

    References
    ----------
    S. Little et al., Annals of Neurology 74, 2013, doi 10.1002/ana.23951.
    """

    asks: ClassVar[Aspect] = Aspect.DECISION

    def wanted_ua(self, reading: Reading) -> float:
        """Amplitude by the law, µA."""
        return self.output_ua + (self._up_ua if reading.active else -self._down_ua)


@dataclass(kw_only=True, eq=False)
class DualThreshold(_Ramped):
    """Dual threshold: up above the upper, down below the lower, hold between.

    Parameters
    ----------
    threshold_uv, lower_uv : float
        Upper and lower threshold of the level, lower <= upper.

    References
    ----------
    A. Velisar et al., Brain Stimulation 12, 2019, doi 10.1016/j.brs.2019.02.020.
    """

    threshold_uv: LevelUv
    lower_uv: LevelUv

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lower_uv > self.threshold_uv:
            raise ValueError(
                f"Thresholds of {self.lower_uv} and {self.threshold_uv} µV were asked for; "
                "lower <= upper must hold. Lower the lower or raise the upper one."
            )

    def wanted_ua(self, reading: Reading) -> float:
        """Amplitude by the law, µA."""
        if reading.level > self.threshold_uv:
            return self.output_ua + self._up_ua
        if reading.level < self.lower_uv:
            return self.output_ua - self._down_ua
        return self.output_ua


@dataclass(kw_only=True, eq=False)
class BurstGated(OnOff):
    """Up once a burst has lasted for a while, down as soon as it ends.

    Short bursts, which are physiological, are spared, and long ones are cut. With a wait of 0
    it is `OnOff`.

    Parameters
    ----------
    wait_ms : int
        How long the detector is active before the amplitude rises.

    References
    ----------
    G. Tinkhauser et al., Brain 140, 2017, doi 10.1093/brain/awx010 (what long bursts are, and
    what adaptive stimulation does to them).
    """

    wait_ms: Annotated[int, Allowed(0, 60_000)] = 300

    def wanted_ua(self, reading: Reading) -> float:
        """Amplitude by the law, µA."""
        if reading.active and reading.active_ms >= self.wait_ms:
            return self.output_ua + self._up_ua
        return self.output_ua - self._down_ua
