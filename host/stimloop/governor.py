"""The last gate on the host: whatever a controller wants becomes an order that may be sent.

Inside the loop nothing is refused: the governor orders the nearest safe value and says which
bound made the difference. It shares no code and no limit table with the device, whose limits it
learned from the committed program and from the device itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stimloop_dsp import Quality
from stimloop_hw.program import Parameter
from stimloop_hw.ranges import runs_of
from stimloop_hw.vocabulary import Bound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stimloop_dsp import Setting
    from stimloop_hw.messages import Limits
    from stimloop_hw.program import Program

SIGNAL_LOST_US = 2_000_000
"""Without a trustworthy sample for so long, the fallback amplitude is ordered."""

MOST_PULSES = 16
"""No trigger asks for more pulses."""
FALLBACK: Mapping[Bound, str] = {
    Bound.SIGNAL_LOST: (
        f"no sample to be trusted for {SIGNAL_LOST_US / 1e6:g} s: the fallback amplitude is "
        "ordered; look at the lead, the cable and the sensing channel"
    ),
    Bound.CHATTER: (
        "the loop switches more often than governor.switches_per_min allows: the fallback "
        "amplitude is ordered for the rest of this session; lengthen onset, termination or "
        "smoothing, lower the gain, and start a new one"
    ),
    Bound.NONE: "the samples can be trusted again: the controller leads",
}
"""Why the fallback is ordered, and what to do; or that it is not any more."""

_UNTRUSTED = (Quality.HELD | Quality.SATURATED | Quality.ARTEFACT | Quality.GAP).value
_WARMUP = Quality.WARMUP.value


@dataclass(frozen=True, slots=True)
class Order:
    """What the governor lets through.

    Attributes
    ----------
    amplitude_ua, period_us : int
    bound : Bound
        The last bound that changed the wanted value, `Bound.NONE` if none did.
    pulses : int
        To be triggered, 0 if none are.
    at_us : int
        Device time of the first of them, µs; 0 if there is none.
    """

    amplitude_ua: int
    period_us: int
    bound: Bound
    pulses: int = 0
    at_us: int = 0


class Governor:
    """Keeps orders inside the program's range and slew, and on the device's steps.

    Parameters
    ----------
    program : Program
        The committed envelope.
    limits : Limits
        What the device said of itself.
    tick_us : int
        Time between two orders, µs.

    Attributes
    ----------
    fallback : Bound
        Why the fallback is ordered, a key of `FALLBACK`; `Bound.NONE` while it is not.
    """

    def __init__(self, program: Program, limits: Limits, tick_us: int) -> None:
        self._program = program
        self._amplitudes = runs_of(limits, Parameter.AMPLITUDE_MAX_UA)
        self._periods = runs_of(limits, Parameter.PERIOD_MIN_US)
        self._tick_us = tick_us
        self._rise_na = program.slew_ua_s * tick_us // 1000
        self._fall_na = (program.slew_down_ua_s or program.slew_ua_s) * tick_us // 1000
        self._position_na = 0
        self._period_us = program.period_min_us
        self._untrusted_us = 0
        self._settled = False
        self.fallback = Bound.NONE

    def rebase(self, amplitude_ua: int) -> None:
        """Go on from what the device delivers, where it did not follow the orders.

        Parameters
        ----------
        amplitude_ua : int
            As its Status says, µA.
        """
        self._position_na = amplitude_ua * 1000

    def admit(self, wanted: Setting, quality: Quality, *, chatters: bool = False) -> Order:
        """Order the nearest safe value.

        Parameters
        ----------
        wanted : Setting
            Whatever a controller came up with.
        quality : Quality
            Of the reading it came from.
        chatters : bool
            The loop switches too often; its wishes count no more.

        Returns
        -------
        Order
        """
        untrusted = int(quality) & _UNTRUSTED
        # Filters that settle again and again after gaps are no signal either.
        unsettled = self._settled and int(quality) & _WARMUP
        self._settled = self._settled or quality == Quality.OK
        lost = untrusted or unsettled
        self._untrusted_us = self._untrusted_us + self._tick_us if lost else 0
        if chatters:
            self.fallback = Bound.CHATTER
        elif self._untrusted_us >= SIGNAL_LOST_US:
            self.fallback = Bound.SIGNAL_LOST
        else:
            self.fallback = Bound.NONE
        bound = self.fallback
        if bound is not Bound.NONE:
            amplitude_ua, period_us = self._program.fallback_ua, self._period_us
        elif untrusted or not _is_whole(wanted):
            return Order(self._quantised_ua(), self._period_us, Bound.HELD)
        else:
            amplitude_ua, period_us = wanted.amplitude_ua, wanted.period_us
        in_range_ua = self._in_range(amplitude_ua)
        in_range_us = self._period_in_range(period_us)
        if in_range_ua != amplitude_ua or in_range_us != period_us:
            bound = Bound.RANGE
        if not self._approach(in_range_ua * 1000):
            bound = Bound.SLEW
        ordered_ua = self._quantised_ua()
        if bound is Bound.NONE and ordered_ua != in_range_ua:
            bound = Bound.STEP
        self._period_us = in_range_us
        if wanted.count == 0 or lost or self.fallback is not Bound.NONE:
            return Order(ordered_ua, in_range_us, bound)
        pulses = min(max(wanted.count, 0), MOST_PULSES)
        if pulses != wanted.count:
            bound = Bound.RANGE
        return Order(ordered_ua, in_range_us, bound, pulses, wanted.at_us)

    def _in_range(self, amplitude_ua: int) -> int:
        """Zero, or between the program's limits; below its minimum off is the safer side."""
        program = self._program
        if amplitude_ua < max(program.amplitude_min_ua, 1):
            return 0
        return min(amplitude_ua, program.amplitude_max_ua)

    def _period_in_range(self, period_us: int) -> int:
        """On a step of the device, never faster than asked; between the program's limits."""
        program = self._program
        if not program.period_min_us < period_us < program.period_max_us:
            return min(max(period_us, program.period_min_us), program.period_max_us)
        run = next(run for run in self._periods if period_us <= run.high)
        steps = max(0, -((run.low - period_us) // run.step))
        return min(run.low + steps * run.step, program.period_max_us)

    def _approach(self, wanted_na: int) -> bool:
        """Move the position by at most one tick's slew; whether it arrived.

        Between zero and the program's minimum no amplitude is allowed: upward the minimum is
        the first one, downward the last one before zero. The device ramps across.
        """
        minimum_na = self._program.amplitude_min_ua * 1000
        here_na = self._position_na
        if wanted_na >= here_na:
            here_na = min(max(here_na + self._rise_na, minimum_na), wanted_na)
        elif here_na > minimum_na > wanted_na:
            here_na = max(here_na - self._fall_na, minimum_na)
        elif here_na <= minimum_na:
            here_na = wanted_na
        else:
            here_na = max(here_na - self._fall_na, wanted_na)
        self._position_na = here_na
        return here_na == wanted_na

    def _quantised_ua(self) -> int:
        position_ua = self._position_na // 1000
        run = next(run for run in reversed(self._amplitudes) if position_ua >= run.low)
        return min(run.high, position_ua - (position_ua - run.low) % run.step)


def _is_whole(wanted: Setting) -> bool:
    """A controller of somebody else's may hand on anything; only integers are orders."""
    values = (wanted.amplitude_ua, wanted.period_us, wanted.at_us, wanted.count)
    return all(type(value) is int for value in values)
