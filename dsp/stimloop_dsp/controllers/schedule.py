"""Controllers by time of day (tier: core)."""

from collections.abc import Sequence
from typing import Final

from stimloop_dsp.values import Aspect, Controller, Reading, Setting

SLOT_US: Final = 1_800_000_000
"""The grid: half an hour, µs."""

SLOTS: Final = 48
"""Half hours in a day."""

DAY_S: Final = 86_400


class Schedule:
    """One of several controllers at a time, by half hours of the day.

    The time of day is the device's clock, counted from the first reading; no other clock is
    known. A controller that takes over begins at its start.

    Parameters
    ----------
    controllers : sequence of Controller
        With one tick.
    slots : sequence of int
        Index of the controller of each half hour, 48, from midnight.
    starts_at_s : int
        Time of day of the first reading, seconds since midnight, 0 to 86 399.

    Attributes
    ----------
    tick_us : int
        Of all its controllers, µs.
    triggers : bool
        Whether they trigger pulses.

    Raises
    ------
    ValueError
        If the slots are not 48 of its controllers, the time is not one of a day, or the
        controllers do not fit each other.

    References
    ----------
    M. Zamora et al., "DyNeuMo Mk-2: an investigational circadian-locked neuromodulator with
    responsive stimulation for applied chronobiology", 2020 (the grid of 30 min).
    """

    def __init__(
        self, controllers: Sequence[Controller], slots: Sequence[int], starts_at_s: int = 0
    ) -> None:
        if len(slots) != SLOTS or not set(slots) <= set(range(len(controllers))):
            raise ValueError(
                f"{len(slots)} half hours were given; 48 are needed, each with the number of "
                f"one of {len(controllers)} controllers. Name one for every half hour of a day."
            )
        if not 0 <= starts_at_s < DAY_S:
            raise ValueError(
                f"A start at {starts_at_s} s was asked for; 0 to {DAY_S - 1} s after midnight "
                "is allowed. Choose a time of day."
            )
        ticks_us = {controller.tick_us for controller in controllers}
        triggering = {getattr(controller, "triggers", False) for controller in controllers}
        if len(ticks_us) > 1 or len(triggering) > 1:
            raise ValueError(
                "Controllers of different ticks, or some that trigger pulses beside some that "
                "do not, were asked for; one schedule has one of each. Separate them."
            )
        self.tick_us = ticks_us.pop()
        self.triggers: bool = triggering.pop()
        self.asks = Aspect.NONE
        for controller in controllers:
            self.asks |= getattr(controller, "asks", Aspect.NONE)
        self._controllers = tuple(controllers)
        self._slots = tuple(slots)
        self._starts_at_us = 1_000_000 * starts_at_s
        self._running = False
        self._first_us = 0
        self._acting = self._controllers[self._slots[self.slot(0)]]

    def slot(self, t_us: int) -> int:
        """Half hour of the day at a time of the device, 0 to 47.

        Parameters
        ----------
        t_us : int
            Device time, µs, at or after the first reading's.
        """
        return (self._starts_at_us + t_us - self._first_us) // SLOT_US % SLOTS

    def update(self, reading: Reading) -> Setting:
        """Take the next reading."""
        if not self._running:
            self._running = True
            self._first_us = reading.t_us
        acting = self._controllers[self._slots[self.slot(reading.t_us)]]
        if acting is not self._acting:
            acting.reset()
            self._acting = acting
        return acting.update(reading)

    def reset(self) -> None:
        """Return to the state before the first reading."""
        self._running = False
        self._first_us = 0
        self._acting = self._controllers[self._slots[self.slot(0)]]
        self._acting.reset()
