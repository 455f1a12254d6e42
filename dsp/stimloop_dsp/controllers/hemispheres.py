"""Two hemispheres, each by its own side or both by one decision (tier: core)."""

from enum import IntEnum, unique

from stimloop_dsp.values import Controller, Reading, Setting


@unique
class Ganging(IntEnum):
    """Whose reading leads."""

    OWN = 0
    """Each side by its own."""
    LEFT = 1
    """Both by the left one's, ganged to that hemisphere."""
    RIGHT = 2
    """Both by the right one's."""
    EITHER = 3
    """Both by the side that asks for more: one that crosses moves both."""


class Hemispheres:
    """Settings of two channels, by the readings of two sides.

    Each side has a controller of its own, with its own limits; ganging decides whose reading it
    is given. This is up to the edge: a session of today programs and leads one channel, so
    that it takes one of the two settings.

    Parameters
    ----------
    left, right : Controller
        With one tick; two instances.
    ganging : Ganging

    Raises
    ------
    ValueError
        If their ticks differ, or both sides are one instance.
    """

    def __init__(self, left: Controller, right: Controller, ganging: Ganging) -> None:
        if left is right or left.tick_us != right.tick_us:
            raise ValueError(
                f"Ticks of {left.tick_us} and {right.tick_us} µs were asked for; two "
                "controllers of one tick are allowed. Make one for each side."
            )
        self.tick_us = left.tick_us
        self.ganging = ganging
        self._left = left
        self._right = right

    def update(self, left: Reading, right: Reading) -> tuple[Setting, Setting]:
        """Take the next reading of both sides; the settings of the left and the right one."""
        match self.ganging:
            case Ganging.LEFT:
                right = left
            case Ganging.RIGHT:
                left = right
            case Ganging.EITHER:
                left = right = max(
                    left, right, key=lambda side: (side.is_trusted, side.state, side.active)
                )
        return self._left.update(left), self._right.update(right)

    def reset(self) -> None:
        """Return to the state before the first readings."""
        self._left.reset()
        self._right.reset()
