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
from typing import Annotated, ClassVar, Final

from stimloop_dsp import parameters
from stimloop_dsp.controllers.amplitude import MicroampsFromZero, Microseconds
from stimloop_dsp.parameters import Allowed
from stimloop_dsp.values import Aspect, Reading, Setting

FLOOR: Final = 0.1
"""Share of the open-loop amplitude that the output begins at, and does not leave downwards."""
SECOND_US: Final = 1_000_000


@dataclass(kw_only=True, eq=False)
class EcapController(ABC):
    """What every ECAP-controlled law has around it: limits of rise, and a way without ECAP.

    The output begins at its floor. It rises by no more than `rise_per_pulse_percent` from one
    pulse to the next, and never to more than `rise_per_s_percent` above what it was a second
    before; it falls as fast as the law asks. So it may return at once from the dip that a
    cough makes.

    A sweep that cannot be trusted leaves the output as it is. A sweep without a response is one
    of too weak a pulse, and the law may raise it. After `lost_ms` of either the loop is open:
    the output goes to `open_loop_ua`, under the same limits of rise, until a response is back.

    Parameters
    ----------
    tick_us : int
        Time from one pulse to the next.
    amplitude_min_ua, amplitude_max_ua : int
        Range of the output, min <= max.
    period_us : int
        Pulse period; it is handed on.
    setpoint_uv : float
        Wanted response, N1 to P2.
    open_loop_ua : int
        Amplitude while there is no response, within the range, > 0.
    rise_per_pulse_percent, rise_per_s_percent : float
        Greatest rise from pulse to pulse, and over a second.
    lost_ms : float
        How long the response may be missing.

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

    asks: ClassVar[Aspect] = Aspect.EVOKED

    tick_us: Microseconds
    amplitude_min_ua: MicroampsFromZero
    amplitude_max_ua: MicroampsFromZero
    period_us: Microseconds
    setpoint_uv: Annotated[float, Allowed(0, above=True)]
    open_loop_ua: MicroampsFromZero
    rise_per_pulse_percent: Annotated[float, Allowed(0, 100, above=True)] = 5.0
    rise_per_s_percent: Annotated[float, Allowed(0, 1000, above=True)] = 20.0
    lost_ms: Annotated[float, Allowed(0, 3_600_000)] = 2000.0

    def __post_init__(self) -> None:
        parameters.check(type(self), vars(self))
        if self.amplitude_min_ua > self.amplitude_max_ua:
            raise ValueError(
                f"An amplitude of {self.amplitude_min_ua} to {self.amplitude_max_ua} µA was "
                "asked for; min <= max must hold. Lower the minimum or raise the maximum."
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
        trusted = reading.is_trusted
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
            self.output_ua * (1 + self.rise_per_pulse_percent / 100),
            self._second_ua[0] * (1 + self.rise_per_s_percent / 100),
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
        Per pulse; beyond its range the loop swings.
    """

    gain: Annotated[float, Allowed(0, 0.25, above=True)] = 0.05

    def wanted_ua(self, level_uv: float) -> float:
        """Next amplitude by the law, µA."""
        error = (self.setpoint_uv - level_uv) / self.setpoint_uv
        return self.output_ua * math.exp(self.gain * min(max(error, -4.0), 1.0))


@dataclass(kw_only=True, eq=False)
class EcapLinear(EcapController):
    """Integral control of the amplitude itself.

    ``I[k+1] = I[k] + gain (setpoint - level) / slope``; in a posture with a steeper response
    than `slope_uv_per_ma` the loop is faster by as much.

    Parameters
    ----------
    slope_uv_per_ma : float
        Growth of the response that the gain is meant for.
    gain : float
        Per pulse; beyond its range the loop swings.
    """

    slope_uv_per_ma: Annotated[float, Allowed(0, above=True)]
    gain: Annotated[float, Allowed(0, 1, above=True)] = 0.2

    def wanted_ua(self, level_uv: float) -> float:
        """Next amplitude by the law, µA."""
        return self.output_ua + 1000 * self.gain * (self.setpoint_uv - level_uv) / (
            self.slope_uv_per_ma
        )


ECAP_CONTROLLERS: Final[Mapping[str, type[EcapController]]] = MappingProxyType(
    {"ecap_logarithmic": EcapLogarithmic, "ecap_linear": EcapLinear}
)
"""Controllers of the evoked response by the name that a prescription gives them."""
