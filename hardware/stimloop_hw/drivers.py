"""Which driver is of what kind: implants close a loop alone, the others in pairs.

A pair is an amplifier, which senses, and a generator, which stimulates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop_hw.cyton import Cyton
from stimloop_hw.implant_amplifier import ImplantAmplifier
from stimloop_hw.keys import DEVELOPMENT_KEY
from stimloop_hw.ports import driver_of
from stimloop_hw.pulsepal import PulsePal
from stimloop_hw.stimjim import StimJim

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stimloop_hw.amplifier import Amplifier
    from stimloop_hw.generator import PulseGenerator

GENERATORS: Mapping[str, Callable[..., PulseGenerator]] = {
    "pulsepal": PulsePal.open,
    "stimjim": StimJim.open,
}
"""Who opens a generator, by the driver's name: ``open(url, exclusive=True)``."""
AMPLIFIERS: Mapping[str, Callable[[str], Amplifier]] = {"cyton": Cyton.open}
"""Who opens an amplifier that is no implant."""


def is_generator(url: str) -> bool:
    """Whether a URL names a generator, which stimulates and does not sense.

    Raises
    ------
    LinkError
        If its driver is unknown.
    """
    return driver_of(url)[0] in GENERATORS


def is_amplifier(url: str) -> bool:
    """Whether a URL names an amplifier, which senses and does not stimulate.

    Raises
    ------
    LinkError
        If its driver is unknown.
    """
    return driver_of(url)[0] in AMPLIFIERS


def open_generator(url: str, *, exclusive: bool = True) -> PulseGenerator:
    """Open a generator, and end what it plays.

    Parameters
    ----------
    url : str
        ``DRIVER+URL``.
    exclusive : bool
        See `stimloop_hw.ports.open_port`.

    Raises
    ------
    LinkError
        If it cannot be reached, or something else answers.
    """
    return GENERATORS[driver_of(url)[0]](url, exclusive=exclusive)


def open_amplifier(url: str, key: bytes = DEVELOPMENT_KEY) -> Amplifier:
    """Open what senses.

    Parameters
    ----------
    url : str
        ``[DRIVER+]URL``.
    key : bytes
        Of an implant, 32 bytes.

    Raises
    ------
    LinkError
        If it cannot be reached, or something else answers.
    ValueError
        If its driver senses nothing.
    """
    driver, _ = driver_of(url)
    if driver == "sl1":
        return ImplantAmplifier.open(url, key=key)
    if driver not in AMPLIFIERS:
        raise ValueError(
            f"{url} was given to sense with, and stimulates only; sense with an implant or "
            f"{', '.join(f'{name}+URL' for name in AMPLIFIERS)}"
        )
    return AMPLIFIERS[driver](url)
