"""Controllers: from a reading to the wanted amplitude (tier: core, plain Python).

The control laws are those of Fleming, Dunn and Lowery, "Simulation of closed-loop deep brain
stimulation control schemes for suppression of pathological beta oscillations in Parkinson's
disease", Frontiers in Neuroscience 14, 2020, doi 10.3389/fnins.2020.00166, and its published
code, ModelDB 262046.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from stimloop_dsp.values import Quality, Reading, Setting

UNTRUSTED: Final = (
    Quality.WARMUP | Quality.HELD | Quality.SATURATED | Quality.GAP | Quality.ARTEFACT
).value
"""A reading with one of these flags changes no output."""


@dataclass(kw_only=True, eq=False)
class _AmplitudeController(ABC):
    """What every controller does around its law: hold, bound, and round.

    Parameters
    ----------
    tick_us : int
        Time from one update to the next, µs, > 0.
    amplitude_min_ua, amplitude_max_ua : int
        Range of the output, µA, 0 <= min <= max. The output begins at the minimum.
    period_us : int
        Pulse period, µs, > 0; it is handed on.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    """

    tick_us: int
    amplitude_min_ua: int
    amplitude_max_ua: int
    period_us: int

    def __post_init__(self) -> None:
        _check_positive("tick_us", self.tick_us)
        _check_positive("period_us", self.period_us)
        if not 0 <= self.amplitude_min_ua <= self.amplitude_max_ua:
            raise ValueError(
                f"An amplitude of {self.amplitude_min_ua} to {self.amplitude_max_ua} µA was "
                "asked for; 0 <= min <= max must hold. Lower the minimum or raise the maximum."
            )
        self.reset()

    def update(self, reading: Reading) -> Setting:
        """Take the next reading; one that cannot be trusted leaves the output as it is."""
        if math.isfinite(reading.level) and not int(reading.quality) & UNTRUSTED:
            wanted_ua = self._law(reading)
            self._output_ua = min(max(wanted_ua, self.amplitude_min_ua), self.amplitude_max_ua)
        return Setting(round(self._output_ua), self.period_us)

    def reset(self) -> None:
        """Return to the state before the first reading."""
        self._output_ua = float(self.amplitude_min_ua)

    @abstractmethod
    def _law(self, reading: Reading) -> float:
        """Wanted amplitude, µA, before it is bounded."""

    def _step_ua(self, ramp_ms: float) -> float:
        """Change per tick of a ramp over the whole range in `ramp_ms`, µA."""
        if not 0 <= ramp_ms < math.inf:
            raise ValueError(
                f"A ramp of {ramp_ms} ms was asked for; give a finite time of 0 ms or more."
            )
        ticks = max(1, math.ceil(1000 * ramp_ms / self.tick_us))
        return (self.amplitude_max_ua - self.amplitude_min_ua) / ticks


@dataclass(kw_only=True, eq=False)
class Continuous(_AmplitudeController):
    """The conventional therapy: one amplitude, whatever the reading says.

    Parameters
    ----------
    amplitude_ua : int
        Output, µA, within the range.
    tick_us, amplitude_min_ua, amplitude_max_ua, period_us : int
        Tick, range and pulse period, µs and µA.
    """

    amplitude_ua: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.amplitude_min_ua <= self.amplitude_ua <= self.amplitude_max_ua:
            raise ValueError(
                f"{self.amplitude_ua} µA was asked for; {self.amplitude_min_ua} to "
                f"{self.amplitude_max_ua} µA is allowed. Choose an amplitude within, or widen "
                "the range."
            )

    def reset(self) -> None:
        """Return to the state before the first reading, which is its only one."""
        self._output_ua = float(self.amplitude_ua)

    def _law(self, reading: Reading) -> float:  # noqa: ARG002  that is its point
        return self.amplitude_ua


@dataclass(kw_only=True, eq=False)
class OnOff(_AmplitudeController):
    """Single threshold: up while the detector is active, down while it is not.

    Parameters
    ----------
    ramp_up_ms, ramp_down_ms : float
        Time from minimum to maximum, and back, ms, in whole ticks, at least one.
    tick_us, amplitude_min_ua, amplitude_max_ua, period_us : int
        Tick, range and pulse period, µs and µA.

    References
    ----------
    S. Little et al., Annals of Neurology 74, 2013, doi 10.1002/ana.23951.
    """

    ramp_up_ms: float = 250.0
    ramp_down_ms: float = 250.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._up_ua = self._step_ua(self.ramp_up_ms)
        self._down_ua = self._step_ua(self.ramp_down_ms)

    def _law(self, reading: Reading) -> float:
        return self._output_ua + (self._up_ua if reading.active else -self._down_ua)


@dataclass(kw_only=True, eq=False)
class DualThreshold(_AmplitudeController):
    """Dual threshold: up above the upper, down below the lower, hold between.

    Parameters
    ----------
    upper_uv, lower_uv : float
        Thresholds of the level, µV, 0 <= lower <= upper.
    ramp_up_ms, ramp_down_ms : float
        Time from minimum to maximum, and back, ms, in whole ticks, at least one.
    tick_us, amplitude_min_ua, amplitude_max_ua, period_us : int
        Tick, range and pulse period, µs and µA.

    References
    ----------
    A. Velisar et al., Brain Stimulation 12, 2019, doi 10.1016/j.brs.2019.02.020.
    """

    upper_uv: float
    lower_uv: float
    ramp_up_ms: float = 250.0
    ramp_down_ms: float = 250.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.lower_uv <= self.upper_uv < math.inf:
            raise ValueError(
                f"Thresholds of {self.lower_uv} and {self.upper_uv} µV were asked for; "
                "0 <= lower <= upper must hold. Lower the lower or raise the upper one."
            )
        self._up_ua = self._step_ua(self.ramp_up_ms)
        self._down_ua = self._step_ua(self.ramp_down_ms)

    def _law(self, reading: Reading) -> float:
        if reading.level > self.upper_uv:
            return self._output_ua + self._up_ua
        if reading.level < self.lower_uv:
            return self._output_ua - self._down_ua
        return self._output_ua


@dataclass(kw_only=True, eq=False)
class Proportional(_AmplitudeController):
    """Amplitude in proportion to the normalised error, ``(level - setpoint) / setpoint``.

    Parameters
    ----------
    setpoint_uv : float
        Wanted level, µV, > 0.
    gain_ua : float
        Amplitude per unit of normalised error, µA, > 0.
    tick_us, amplitude_min_ua, amplitude_max_ua, period_us : int
        Tick, range and pulse period, µs and µA.
    """

    setpoint_uv: float
    gain_ua: float

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_positive("setpoint_uv", self.setpoint_uv)
        _check_positive("gain_ua", self.gain_ua)

    def _law(self, reading: Reading) -> float:
        return self.gain_ua * self._error(reading)

    def _error(self, reading: Reading) -> float:
        return (reading.level - self.setpoint_uv) / self.setpoint_uv


@dataclass(kw_only=True, eq=False)
class ProportionalIntegral(Proportional):
    """Proportional and integral: ``gain * (error + integral / integral_time)``.

    An update whose output leaves the range does not change the integral (conditional
    anti-windup).

    Parameters
    ----------
    setpoint_uv : float
        Wanted level, µV, > 0.
    gain_ua : float
        Amplitude per unit of normalised error, µA, > 0.
    integral_ms : float
        Time in which a constant error adds its own output once more, ms, > 0.
    tick_us, amplitude_min_ua, amplitude_max_ua, period_us : int
        Tick, range and pulse period, µs and µA.
    """

    integral_ms: float

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_positive("integral_ms", self.integral_ms)

    def reset(self) -> None:
        """Return to the state before the first reading."""
        super().reset()
        self._error_ms = 0.0

    def _law(self, reading: Reading) -> float:
        error = self._error(reading)
        error_ms = self._error_ms + error * self.tick_us / 1000
        wanted_ua = self.gain_ua * (error + error_ms / self.integral_ms)
        if self.amplitude_min_ua <= wanted_ua <= self.amplitude_max_ua:
            self._error_ms = error_ms
        return wanted_ua


def _check_positive(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"{name} of {value} was asked for; give a finite number above 0.")


CONTROLLERS: Final[Mapping[str, type]] = MappingProxyType(
    {
        "continuous": Continuous,
        "on_off": OnOff,
        "dual_threshold": DualThreshold,
        "proportional": Proportional,
        "proportional_integral": ProportionalIntegral,
    }
)
"""Controllers by the name that a prescription gives them."""
