"""Simulated devices by name: implants, which are profiles, and instruments of other makers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop_sim import cyton, pulsepal_stand, stimjim
from stimloop_sim.bench import Bench
from stimloop_sim.sim_url import SCHEME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stimloop_sim.stand import Stand

INSTRUMENTS: Mapping[str, Callable[[str], Stand]] = {
    "cyton": cyton.stand,
    "pulsepal": pulsepal_stand.stand,
    "stimjim": stimjim.stand,
}
"""Instruments of other makers, and who sets each up."""


def device_of_url(url: str) -> Bench | Stand:
    """Set up what a ``sim://NAME?key=value&…`` URL asks for.

    Raises
    ------
    ValueError
        One sentence, if a name, option or value is unknown or does not fit another.
    """
    name = url.removeprefix(SCHEME).partition("?")[0].strip("/")
    return INSTRUMENTS.get(name, Bench.of_url)(url)
