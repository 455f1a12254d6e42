"""Trains of pulses with rests between them: therapy of the vagus nerve (tier: core, Python).

Ranges and modes follow published behaviour of vagus nerve stimulators. A train ramps up, stays
for its time on, and ramps down; what follows is rest. Stimulation that the heart rate triggers
is the subject of patents, US 9241647 and 9498162 among them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, ClassVar, Final

from stimloop_dsp import parameters
from stimloop_dsp.controllers.amplitude import MicroampsFromZero, Microseconds
from stimloop_dsp.parameters import Allowed
from stimloop_dsp.values import UNTRUSTED, Aspect, Quality, Reading, Setting

_MAGNET = Quality.MAGNET.value

SecondsOn = Annotated[float, Allowed(0.1, 600)]
SecondsOff = Annotated[float, Allowed(0.1, 86_400)]
SecondsOfRest = Annotated[float, Allowed(0, 86_400)]
SecondsOfRamp = Annotated[float, Allowed(0, 60)]
SecondsOfSwipe = Annotated[float, Allowed(0.1, 60)]


@dataclass(kw_only=True, eq=False)
class DutyCycle:
    """Trains by the clock: on, rest, on, whatever the reading says.

    It begins with a rest. While a magnet is held to the device the output is zero; a rest
    follows.

    Parameters
    ----------
    tick_us : int
        Time from one update to the next.
    amplitude_max_ua : int
        Upper end of the range: no train is stronger.
    period_us : int
        Pulse period; it is handed on.
    amplitude_ua : int
        Output of a train by the clock, within the range; 0 is none.
    on_s : float
        Its time on, without ramps.
    off_s : float
        Rest before it.
    ramp_s : float
        Length of each ramp of any train.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    """

    asks: ClassVar[Aspect] = Aspect.NONE

    tick_us: Microseconds
    amplitude_max_ua: MicroampsFromZero
    period_us: Microseconds
    amplitude_ua: MicroampsFromZero
    on_s: SecondsOn = 30.0
    off_s: SecondsOff = 300.0
    ramp_s: SecondsOfRamp = 2.0

    def __post_init__(self) -> None:
        parameters.check(type(self), vars(self))
        self._bound("amplitude_ua", self.amplitude_ua)
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

    def _bound(self, name: str, value_ua: int) -> None:
        if value_ua > self.amplitude_max_ua:
            raise ValueError(
                f"{name} of {value_ua} µA was asked for; up to {self.amplitude_max_ua} µA, the "
                "end of the range, is allowed. Lower it, or widen the range."
            )

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
    auto_ua : int
        Output of a train that the detector starts, within the range.
    auto_on_s : float
        Its time on.
    rest_s : float
        Minimum rest before it, up to `off_s`.
    magnet_ua : int
        Output of a train that the host starts after a swipe, within the range; 0 is none.
    magnet_on_s : float
        Its time on.
    swipe_s : float
        A magnet held for longer starts no train.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    """

    asks: ClassVar[Aspect] = Aspect.DECISION

    auto_ua: MicroampsFromZero
    auto_on_s: SecondsOn = 60.0
    rest_s: SecondsOfRest = 60.0
    magnet_ua: MicroampsFromZero = 0
    magnet_on_s: SecondsOn = 60.0
    swipe_s: SecondsOfSwipe = 3.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._bound("auto_ua", self.auto_ua)
        self._bound("magnet_ua", self.magnet_ua)
        if self.rest_s > self.off_s:
            raise ValueError(
                f"rest_s of {self.rest_s:g} s was asked for; up to off_s, {self.off_s:g} s, is "
                "allowed. Shorten it, or lengthen the rest before a train by the clock."
            )

    def reset(self) -> None:
        """Return to the state before the first reading."""
        super().reset()
        self._answered = False

    def _begin(self, reading: Reading, held_us: int) -> None:
        detected = reading.active and not int(reading.quality) & UNTRUSTED
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


TRAIN_CONTROLLERS: Final[Mapping[str, type[DutyCycle]]] = MappingProxyType(
    {"duty_cycle": DutyCycle, "auto_stim": AutoStim}
)
"""Controllers of trains by the name that a prescription gives them."""
