"""Spinal cord stimulation led by the evoked response, pulse by pulse (tier: core).

The response, N1 to P2, is held at a setpoint by changing the amplitude after every pulse. In
the logarithm of the amplitude the loop gain is the same in every posture, since at one dose
ratio Q / T the response changes by the same share for a share of the charge: it is the gain
times Q / (Q - T), 4.3 at a ratio of 1.3, and should stay below 0.3.

Feedback on the evoked response is the subject of patents: logarithmic control and a gain that
depends on the setpoint in US 2023/0337962, compensation of distance (not here) in US 11191966,
gains by posture (not here) in US 12064631. Research and bench use; no freedom to operate is
implied.
"""

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from stimloop_dsp.values import Quality, Reading, Setting

UNTRUSTED: Final = (
    Quality.WARMUP | Quality.HELD | Quality.SATURATED | Quality.GAP | Quality.ARTEFACT
).value
"""A sweep with one of these flags moves nothing."""
FLOOR: Final = 0.1
"""Share of the open-loop amplitude that the output begins at, and does not leave downwards."""
SECOND_US: Final = 1_000_000


@dataclass(kw_only=True, eq=False)
class EcapController(ABC):
    """What every ECAP-controlled law has around it: limits of rise, and a way without ECAP.

    The output begins at its floor. It rises by no more than `rise_per_pulse` from one pulse to
    the next, and never to more than `rise_per_s` above what it was a second before; it falls as
    fast as the law asks. So it may return at once from the dip that a cough makes.

    A sweep that cannot be trusted leaves the output as it is. A sweep without a response is one
    of too weak a pulse, and the law may raise it. After `lost_ms` of either the loop is open:
    the output goes to `open_loop_ua`, under the same limits of rise, until a response is back.

    Parameters
    ----------
    tick_us : int
        Time from one pulse to the next, µs, > 0.
    amplitude_min_ua, amplitude_max_ua : int
        Range of the output, µA, 0 <= min <= max.
    period_us : int
        Pulse period, µs, > 0; it is handed on.
    setpoint_uv : float
        Wanted response, µV, > 0.
    open_loop_ua : int
        Amplitude without a response, µA, within the range, > 0.
    rise_per_pulse, rise_per_s : float
        Greatest rise, as a share, from pulse to pulse and over a second, > 0.
    lost_ms : float
        How long the response may be missing, ms, >= 0.

    Attributes
    ----------
    output_ua : float
        Before it was rounded, µA.
    is_open : bool
        The response has been missing for too long.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    """

    tick_us: int
    amplitude_min_ua: int
    amplitude_max_ua: int
    period_us: int
    setpoint_uv: float
    open_loop_ua: int
    rise_per_pulse: float = 0.05
    rise_per_s: float = 0.20
    lost_ms: float = 2000.0

    def __post_init__(self) -> None:
        for name in ("tick_us", "period_us", "setpoint_uv", "rise_per_pulse", "rise_per_s"):
            _check_positive(name, getattr(self, name))
        if not 0 <= self.lost_ms < math.inf:
            raise ValueError(
                f"A response missing for {self.lost_ms} ms was asked for; give a finite time "
                "of 0 ms or more."
            )
        if not 0 <= self.amplitude_min_ua <= self.amplitude_max_ua:
            raise ValueError(
                f"An amplitude of {self.amplitude_min_ua} to {self.amplitude_max_ua} µA was "
                "asked for; 0 <= min <= max must hold. Lower the minimum or raise the maximum."
            )
        if not max(self.amplitude_min_ua, 1) <= self.open_loop_ua <= self.amplitude_max_ua:
            raise ValueError(
                f"An open loop at {self.open_loop_ua} µA was asked for; "
                f"{max(self.amplitude_min_ua, 1)} to {self.amplitude_max_ua} µA is allowed. "
                "Choose an amplitude within, or widen the range."
            )
        self.reset()

    def reset(self) -> None:
        """Return to the state before the first reading."""
        self.output_ua = max(float(self.amplitude_min_ua), FLOOR * self.open_loop_ua)
        self.is_open = False
        self._floor_ua = self.output_ua
        self._missing_us = 0
        # The outputs of the last second, the oldest first; never more than one is looked at.
        self._second_ua = deque([self.output_ua] * max(1, round(SECOND_US / self.tick_us)))

    def update(self, reading: Reading) -> Setting:
        """Take the next reading: one after every pulse."""
        trusted = math.isfinite(reading.level) and not int(reading.quality) & UNTRUSTED
        if trusted and reading.active:
            self._missing_us = 0
        else:
            self._missing_us += self.tick_us
        self.is_open = self._missing_us > 1000 * self.lost_ms
        if self.is_open:
            self._move(float(self.open_loop_ua))
        elif trusted:
            self._move(self.wanted_ua(reading.level))
        else:
            self._move(self.output_ua)
        return Setting(round(self.output_ua), self.period_us)

    def _move(self, wanted_ua: float) -> None:
        """Go where the law wants, within range and limits of rise."""
        highest_ua = min(
            self.output_ua * (1 + self.rise_per_pulse),
            self._second_ua[0] * (1 + self.rise_per_s),
            float(self.amplitude_max_ua),
        )
        # What was reached before may always be kept.
        highest_ua = max(highest_ua, min(self.output_ua, self.amplitude_max_ua))
        self.output_ua = max(min(wanted_ua, highest_ua), self._floor_ua)
        self._second_ua.popleft()
        self._second_ua.append(self.output_ua)

    @abstractmethod
    def wanted_ua(self, level_uv: float) -> float:
        """Next amplitude by the law, µA, before it is bounded."""


@dataclass(kw_only=True, eq=False)
class EcapLogarithmic(EcapController):
    """Integral control of the amplitude's logarithm.

    ``I[k+1] = I[k] exp(gain clip((setpoint - level) / setpoint, -4, 1))``

    Parameters
    ----------
    gain : float
        Per pulse, > 0 and <= 0.25.
    tick_us, amplitude_min_ua, amplitude_max_ua, period_us : int
        Tick, range and pulse period, µs and µA.
    setpoint_uv, open_loop_ua, rise_per_pulse, rise_per_s, lost_ms : float
        As in `EcapController`.
    """

    gain: float = 0.05

    def __post_init__(self) -> None:
        _check_gain(self.gain, 0.25)
        super().__post_init__()

    def wanted_ua(self, level_uv: float) -> float:
        """Next amplitude by the law, µA."""
        error = (self.setpoint_uv - level_uv) / self.setpoint_uv
        return self.output_ua * math.exp(self.gain * min(max(error, -4.0), 1.0))


@dataclass(kw_only=True, eq=False)
class EcapLinear(EcapController):
    """Integral control of the amplitude itself.

    ``I[k+1] = I[k] + gain (setpoint - level) / slope``; in a posture with a steeper response
    than `slope_uv_ma` the loop is faster by as much.

    Parameters
    ----------
    slope_uv_ma : float
        Growth of the response that the gain is meant for, µV/mA, > 0.
    gain : float
        Per pulse, > 0 and <= 1.
    tick_us, amplitude_min_ua, amplitude_max_ua, period_us : int
        Tick, range and pulse period, µs and µA.
    setpoint_uv, open_loop_ua, rise_per_pulse, rise_per_s, lost_ms : float
        As in `EcapController`.
    """

    slope_uv_ma: float
    gain: float = 0.2

    def __post_init__(self) -> None:
        _check_positive("slope_uv_ma", self.slope_uv_ma)
        _check_gain(self.gain, 1.0)
        super().__post_init__()

    def wanted_ua(self, level_uv: float) -> float:
        """Next amplitude by the law, µA."""
        return self.output_ua + 1000 * self.gain * (self.setpoint_uv - level_uv) / (
            self.slope_uv_ma
        )


ECAP_CONTROLLERS: Final[Mapping[str, type[EcapController]]] = MappingProxyType(
    {"ecap_logarithmic": EcapLogarithmic, "ecap_linear": EcapLinear}
)
"""Controllers of the evoked response by the name that a prescription gives them."""


def _check_positive(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"{name} of {value} was asked for; give a finite number above 0.")


def _check_gain(gain: float, most: float) -> None:
    if not 0 < gain <= most:
        raise ValueError(
            f"A gain of {gain} per pulse was asked for; above 0 and up to {most:g} is allowed: "
            "beyond, the loop swings."
        )
