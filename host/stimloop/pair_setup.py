"""From URLs to a pair: who stimulates, who senses, and through which load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop.pair import Pair
from stimloop_hw.drivers import open_amplifier, open_generator
from stimloop_hw.generator import Unit

if TYPE_CHECKING:
    from stimloop_hw.amplifier import Amplifier
    from stimloop_hw.generator import Capability

SIMULATED = "sim://"


def open_pair(
    url: str, sense: str | None, load_ohm: int | None, key: bytes, stop_key: int | None = None
) -> Pair:
    """Open a generator, and what senses beside it.

    Parameters
    ----------
    url : str
        Of the generator.
    sense : str or None
        Of the amplifier.
    load_ohm : int or None
        What a generator of voltages drives, Ω.
    key : bytes
        Of an implant that senses, 32 bytes.
    stop_key : int, optional
        Digital input of the amplifier that a stop key is wired to.

    Raises
    ------
    LinkError
        If either cannot be reached, or is something else.
    ValueError
        In one sentence, if something is missing or does not fit.
    """
    if sense is None:
        raise ValueError(
            f"{url} stimulates and senses nothing; name what senses beside it with --sense "
            "URL, such as sim://dbs or cyton+/dev/ttyUSB0"
        )
    generator = open_generator(url)
    try:
        _check_load(generator.capability, load_ohm)
        amplifier = open_amplifier(sense, key)
        _check_key(amplifier, stop_key)
    except BaseException:
        generator.close()
        raise
    in_memory = [SIMULATED in one for one in (url, sense)]
    return Pair(
        amplifier,
        generator,
        load_ohm or 0,
        simulated=all(in_memory),
        one_clock=in_memory[0] is in_memory[1],
        stop_key=stop_key,
    )


def _check_key(amplifier: Amplifier, stop_key: int | None) -> None:
    """A key is wired to an input that there is."""
    inputs = len(amplifier.lines)
    if stop_key is not None and not 0 <= stop_key < inputs:
        amplifier.close()
        has = f"has digital inputs 0 to {inputs - 1}" if inputs else "has no digital inputs"
        raise ValueError(
            f"a stop key on digital input {stop_key} was asked for; the {amplifier.model} "
            f"{has}: leave --stop-key out, or sense with cyton+URL"
        )


def _check_load(known: Capability, load_ohm: int | None) -> None:
    """A load is said where it is needed, and nowhere else."""
    if known.unit is Unit.MV and not load_ohm:
        raise ValueError(
            f"a {known.name} regulates voltage, and a prescription is in mA; say through which "
            "resistance its current flows with --load-ohm OHM (a resistor or saline, never a "
            "person or an animal)"
        )
    if known.unit is Unit.UA and load_ohm is not None:
        raise ValueError(f"a {known.name} regulates current by itself; leave --load-ohm out")
