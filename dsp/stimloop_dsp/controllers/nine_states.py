"""An RC+S-like controller: nine states, each with an amplitude or HOLD (tier: core).

Compatible with the published behaviour of Medtronic's Summit RC+S; not affiliated with its
maker. The states are those of `stimloop_dsp.RcsDetector`, the ramp is that of
`stimloop_dsp.rcs.StateRamp`, which was compared with a device's record.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from stimloop_dsp.controllers.amplitude import AmplitudeController
from stimloop_dsp.parameters import Allowed
from stimloop_dsp.rcs import HOLD_MA, AdaptiveConfig, StateRamp
from stimloop_dsp.values import Aspect, Reading

MilliampsPerSecond = Annotated[float, Allowed(0, 1000, above=True)]


@dataclass(kw_only=True, eq=False)
class NineStates(AmplitudeController):
    """Amplitude by the combined state of two detectors, in ramps of a given speed.

    A ramp begins with the reading that tells another state, so that its first step is ordered
    one tick later; one that is interrupted goes on from where it had got to.

    Parameters
    ----------
    states_ma : tuple of float
        Amplitude of states 0 to 8, within the range; 25.5 is HOLD, the amplitude stays.
    rise_ma_per_s, fall_ma_per_s : float
        Speed of the ramps, in whole 1/65536 mA/s.

    References
    ----------
    rcs-simulation, the published simulator of the device's pipeline (states and ramps).
    """

    asks: ClassVar[Aspect] = Aspect.NINE_STATES

    states_ma: Annotated[tuple[float, ...], Allowed(0, HOLD_MA)]
    rise_ma_per_s: MilliampsPerSecond
    fall_ma_per_s: MilliampsPerSecond

    def __post_init__(self) -> None:
        super().__post_init__()
        lost = [
            ma
            for ma in self.states_ma
            if ma != HOLD_MA
            and not self.amplitude_min_ua <= round(1000 * ma) <= self.amplitude_max_ua
        ]
        if lost:
            raise ValueError(
                f"A state of {lost[0]:g} mA was asked for; {self.amplitude_min_ua / 1000:g} "
                f"to {self.amplitude_max_ua / 1000:g} mA, or 25.5 for HOLD, is allowed. Change "
                "the state, or widen the range."
            )

    def reset(self) -> None:
        """Return to the state before the first reading."""
        super().reset()
        config = AdaptiveConfig(
            self.states_ma,
            round(65536 * self.rise_ma_per_s),
            round(65536 * self.fall_ma_per_s),
        )
        self._ramp = StateRamp(config, self.tick_us / 1000, self.amplitude_min_ua / 1000)

    def wanted_ua(self, reading: Reading) -> float:
        """Amplitude by the law, µA."""
        return 1000 * self._ramp.update(reading.state)
