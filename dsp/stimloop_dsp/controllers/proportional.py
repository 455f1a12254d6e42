"""Controllers in proportion to the error, and to its integral (tier: core).

The laws are those of J. Fleming, E. Dunn and M. Lowery, Frontiers in Neuroscience 14, 2020,
doi 10.3389/fnins.2020.00166, and its published code, ModelDB 262046: the error is normalised,
``(level - setpoint) / setpoint``, and an update whose output leaves the range takes its error
out of the integral again (conditional anti-windup). The setpoint is the detector's threshold.
"""

from dataclasses import dataclass
from typing import Annotated

from stimloop_dsp import parameters
from stimloop_dsp.controllers.amplitude import (
    AmplitudeController,
    MicroampsFromZero,
    Microseconds,
    PositiveUv,
)
from stimloop_dsp.parameters import Allowed
from stimloop_dsp.values import Reading, Setting

Positive = Annotated[float, Allowed(0, 1e9, above=True)]


class _ErrorIntegral:
    """The published law with its integral: ``gain * (error + integral / ti_s)``."""

    def __init__(self, setpoint_uv: float, gain: float, ti_s: float, tick_us: int) -> None:
        self._setpoint_uv = setpoint_uv
        self._gain = gain
        self._ti_s = ti_s
        self._tick_s = tick_us / 1e6
        self._error_s = 0.0

    def push(self, level_uv: float, low: float, high: float) -> float:
        """Output for the next level, in the gain's unit, between `low` and `high`."""
        error = (level_uv - self._setpoint_uv) / self._setpoint_uv
        self._error_s += error * self._tick_s
        output = self._gain * (error + self._error_s / self._ti_s)
        if low <= output <= high:
            return output
        self._error_s -= error * self._tick_s
        return low if output < low else high


@dataclass(kw_only=True, eq=False)
class Proportional(AmplitudeController):
    """Amplitude in proportion to the error.

    Parameters
    ----------
    threshold_uv : float
        Setpoint of the level.
    kp_ua : float
        Amplitude at an error of 1, a level of twice the setpoint.
    """

    threshold_uv: PositiveUv
    kp_ua: Positive

    def wanted_ua(self, reading: Reading) -> float:
        """Amplitude by the law, µA."""
        return self.kp_ua * ((reading.level - self.threshold_uv) / self.threshold_uv)


@dataclass(kw_only=True, eq=False)
class ProportionalIntegral(AmplitudeController):
    """Amplitude by the error and its integral.

    Parameters
    ----------
    threshold_uv : float
        Setpoint of the level.
    kp_ua : float
        Amplitude at an error of 1, a level of twice the setpoint.
    ti_s : float
        Time in which a constant error adds its own output once more.
    """

    threshold_uv: PositiveUv
    kp_ua: Positive
    ti_s: Positive

    def reset(self) -> None:
        """Return to the state before the first reading."""
        super().reset()
        self._law = _ErrorIntegral(self.threshold_uv, self.kp_ua, self.ti_s, self.tick_us)

    def wanted_ua(self, reading: Reading) -> float:
        """Amplitude by the law, µA."""
        return self._law.push(reading.level, self.amplitude_min_ua, self.amplitude_max_ua)


@dataclass(kw_only=True, eq=False)
class ProportionalRate:
    """Rate of pulses in proportion to the error, at one amplitude.

    The rate is bounded by 0 and by that of the shortest period. One that is slower than the
    longest period is off, as 0 Hz is.

    Parameters
    ----------
    tick_us : int
        Time from one update to the next.
    amplitude_max_ua : int
        Amplitude of the pulses.
    period_min_us, period_max_us : int
        Shortest and longest period, min <= max.
    threshold_uv : float
        Setpoint of the level.
    kp_hz : float
        Rate at an error of 1, a level of twice the setpoint.

    Attributes
    ----------
    output_hz : float
        Rate of the last update, Hz.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    """

    tick_us: Microseconds
    amplitude_max_ua: MicroampsFromZero
    period_min_us: Microseconds
    period_max_us: Microseconds
    threshold_uv: PositiveUv
    kp_hz: Positive

    def __post_init__(self) -> None:
        parameters.check(type(self), vars(self))
        if self.period_min_us > self.period_max_us:
            raise ValueError(
                f"Periods of {self.period_min_us} to {self.period_max_us} µs were asked for; "
                "min <= max must hold. Raise the highest rate or lower the lowest."
            )
        self.reset()

    def update(self, reading: Reading) -> Setting:
        """Take the next reading; one that cannot be trusted leaves the output as it is."""
        if reading.is_trusted:
            self.output_hz = min(max(self.wanted_hz(reading), 0.0), 1e6 / self.period_min_us)
        if self.output_hz * self.period_max_us < 1e6:
            return Setting(0, self.period_max_us)
        period_us = round(1e6 / self.output_hz)
        return Setting(self.amplitude_max_ua, max(period_us, self.period_min_us))

    def reset(self) -> None:
        """Return to the state before the first reading."""
        self.output_hz = 0.0

    def wanted_hz(self, reading: Reading) -> float:
        """Rate by the law, Hz, before it is bounded."""
        return self.kp_hz * ((reading.level - self.threshold_uv) / self.threshold_uv)


@dataclass(kw_only=True, eq=False)
class ProportionalIntegralRate(ProportionalRate):
    """Rate of pulses by the error and its integral, at one amplitude.

    Parameters
    ----------
    ti_s : float
        Time in which a constant error adds its own output once more.
    """

    ti_s: Positive

    def reset(self) -> None:
        """Return to the state before the first reading."""
        super().reset()
        self._law = _ErrorIntegral(self.threshold_uv, self.kp_hz, self.ti_s, self.tick_us)

    def wanted_hz(self, reading: Reading) -> float:
        """Rate by the law, Hz."""
        return self._law.push(reading.level, 0.0, 1e6 / self.period_min_us)
