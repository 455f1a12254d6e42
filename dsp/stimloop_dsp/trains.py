"""Trains of pulses with rests between them: therapy of the vagus nerve (tier: core, Python).

Ranges and modes follow published behaviour of vagus nerve stimulators. A train ramps up, stays
for its time on, and ramps down; what follows is rest. Stimulation that the heart rate triggers
is the subject of patents, US 9241647 and 9498162 among them.
"""

import math
from dataclasses import dataclass

from stimloop_dsp.values import Quality, Reading, Setting

_UNTRUSTED = (
    Quality.WARMUP | Quality.HELD | Quality.SATURATED | Quality.GAP | Quality.ARTEFACT
).value
_MAGNET = Quality.MAGNET.value


@dataclass(kw_only=True, eq=False)
class DutyCycle:
    """Trains by the clock: on, rest, on, whatever the reading says.

    It begins with a rest. While a magnet is held to the device the output is zero; a rest
    follows.

    Parameters
    ----------
    tick_us : int
        Time from one update to the next, µs, > 0.
    amplitude_max_ua : int
        Upper end of the range, µA: no train is stronger.
    period_us : int
        Pulse period, µs, > 0; it is handed on.
    amplitude_ua : int
        Output of these trains, µA; 0 is none.
    on_s : float
        Time on, without its ramps, s, 0.1 to 600.
    off_s : float
        Rest between two trains, s, 0.1 to 86 400.
    ramp_s : float
        Length of each ramp, s, 0 to 60.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    """

    tick_us: int
    amplitude_max_ua: int
    period_us: int
    amplitude_ua: int
    on_s: float = 30.0
    off_s: float = 300.0
    ramp_s: float = 2.0

    def __post_init__(self) -> None:
        _check("tick_us", self.tick_us, 1, 10_000_000)
        _check("period_us", self.period_us, 1, 10_000_000)
        _check("amplitude_ua", self.amplitude_ua, 0, self.amplitude_max_ua)
        _check("on_s", self.on_s, 0.1, 600)
        _check("off_s", self.off_s, 0.1, 86_400)
        _check("ramp_s", self.ramp_s, 0, 60)
        self._ramp_us = round(self.ramp_s * 1e6)
        self.reset()

    def reset(self) -> None:
        """Return to the state before the first reading."""
        self._held_us = 0
        self._rest()

    def update(self, reading: Reading) -> Setting:
        """Take the next reading."""
        if int(reading.quality) & _MAGNET:
            self._held_us += self.tick_us
            self._rest()
            return Setting(0, self.period_us)
        held_us, self._held_us = self._held_us, 0
        self._phase_us += self.tick_us
        if self._train_ua and self._phase_us >= self._on_us + 2 * self._ramp_us:
            self._rest()
        self._begin(reading, held_us)
        return Setting(self._amplitude_ua(), self.period_us)

    def _begin(self, reading: Reading, held_us: int) -> None:  # noqa: ARG002  for AutoStim's
        """Start a train if one is due."""
        if not self._train_ua and self._phase_us >= self.off_s * 1e6:
            self._train(self.amplitude_ua, self.on_s)

    def _rest(self) -> None:
        self._train_ua = self._on_us = self._phase_us = 0

    def _train(self, amplitude_ua: int, on_s: float) -> None:
        self._train_ua, self._on_us, self._phase_us = amplitude_ua, round(on_s * 1e6), 0

    def _amplitude_ua(self) -> int:
        """Where on its ramps the present train is."""
        if not self._train_ua or not self._ramp_us:
            return self._train_ua
        left_us = self._on_us + 2 * self._ramp_us - self._phase_us
        nearest_us = min(self._phase_us, left_us, self._ramp_us)
        return self._train_ua * nearest_us // self._ramp_us


@dataclass(kw_only=True, eq=False)
class AutoStim(DutyCycle):
    """Trains by the clock, at once where the detector becomes active, and by the magnet.

    A decision is answered by one train, as soon as the nerve has rested for the minimum: after
    any train, no decision starts another within it. A decision that cannot be trusted starts
    nothing. A magnet held to the device for less than `swipe_s` starts a train when it is gone;
    held for longer it inhibits, no more.

    Parameters
    ----------
    tick_us, amplitude_max_ua, period_us : int
        As in `DutyCycle`.
    amplitude_ua, on_s, off_s, ramp_s
        Trains by the clock, as in `DutyCycle`.
    auto_ua : int
        Output of a train that the detector starts, µA.
    auto_on_s : float
        Its time on, s, 0.1 to 600.
    rest_s : float
        Minimum rest before a decision starts a train, s, 0 to `off_s`.
    magnet_ua : int
        Output of a train that the magnet starts, µA; 0 is none.
    magnet_on_s : float
        Its time on, s, 0.1 to 600.
    swipe_s : float
        A magnet held for longer starts no train, s, 0.1 to 60.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    """

    auto_ua: int
    auto_on_s: float = 60.0
    rest_s: float = 60.0
    magnet_ua: int = 0
    magnet_on_s: float = 60.0
    swipe_s: float = 3.0

    def __post_init__(self) -> None:
        _check("auto_ua", self.auto_ua, 0, self.amplitude_max_ua)
        _check("auto_on_s", self.auto_on_s, 0.1, 600)
        _check("rest_s", self.rest_s, 0, self.off_s)
        _check("magnet_ua", self.magnet_ua, 0, self.amplitude_max_ua)
        _check("magnet_on_s", self.magnet_on_s, 0.1, 600)
        _check("swipe_s", self.swipe_s, 0.1, 60)
        super().__post_init__()

    def reset(self) -> None:
        """Return to the state before the first reading."""
        super().reset()
        self._answered = False

    def _begin(self, reading: Reading, held_us: int) -> None:
        detected = reading.active and not int(reading.quality) & _UNTRUSTED
        self._answered = self._answered and reading.active
        if 0 < held_us < self.swipe_s * 1e6 and self.magnet_ua:
            self._train(self.magnet_ua, self.magnet_on_s)
        elif (
            detected
            and not self._answered
            and not self._train_ua
            and self._phase_us >= self.rest_s * 1e6
        ):
            self._answered = True
            self._train(self.auto_ua, self.auto_on_s)
        else:
            super()._begin(reading, held_us)


def _check(name: str, value: float, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(
            f"{name} of {value:g} was asked for; {low:g} to {high:g} is allowed. Choose a "
            "number in that range."
        )
