"""A stand: an instrument in a bath, and the line to it, as ports and servers see them.

It offers what a `Bench` does, so that a port in memory, a tty and TCP serve both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop_sim.bath import BATHS, Bath
from stimloop_sim.impairment import Impairment
from stimloop_sim.patient import RATES_HZ
from stimloop_sim.scenario import Scenario
from stimloop_sim.sim_url import Host, one_of, source_of, split, whole_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stimloop_sim.bath import Instrument

STEP_US = 4_000
"""Time passes in steps of so long while a host waits: a sample interval at 250 Hz."""
_OF_THE_BATH = ("patient", "recording", "channel", "rate", "gain", "tissue", "fs")
KEYS = (*_OF_THE_BATH, "seed", "pace", "faults", "bath", "hazards")
"""Options that every instrument has."""


class Stand:
    """An instrument and the line to it.

    Parameters
    ----------
    instrument : Instrument
    bath : Bath
        That it stands in.
    real : bool
        Whether its clock should keep pace with the wall's.
    scenario : Scenario
        Faults of the line on schedule.

    Raises
    ------
    ValueError
        If the scenario has faults that only an implant can have.

    Attributes
    ----------
    instrument : Instrument
    bath : Bath
    line : Impairment
    real : bool
    model : str
        As the instrument calls itself.
    """

    block_us = STEP_US

    def __init__(
        self, instrument: Instrument, bath: Bath, *, real: bool, scenario: Scenario
    ) -> None:
        for entry in scenario.entries:
            if entry.on_device:
                raise ValueError(
                    f"a fault of kind {entry.kind!r} strikes an implant; {instrument.model} "
                    "takes faults of its line and hazards=: remove it from the scenario"
                )
        self.instrument = instrument
        self.bath = bath
        self.line = Impairment(scenario)
        self.real = real
        self.model = instrument.model
        bath.put_up(self)

    @property
    def now_us(self) -> int:
        """The bath's time, µs."""
        return self.bath.now_us

    @property
    def is_unplugged(self) -> bool:
        """Whether the scenario has pulled the plug."""
        return self.line.is_unplugged(self.now_us)

    @property
    def due_us(self) -> int:
        """When something has to be done next: at the next sample of the bath, µs."""
        return self.now_us + self.bath.sample_us

    def advance_block(self) -> None:
        """Let time pass, by one step or up to the next sample."""
        self.advance_to(self.now_us + max(STEP_US, self.bath.sample_us))

    def advance_to(self, now_us: int) -> None:
        """Let whole sample intervals of the bath pass; bytes that are due on the way arrive."""
        self.bath.advance_to(now_us)

    def receive(self, data: bytes) -> None:
        """Take bytes from the host, now."""
        self.line.to_device.push(self.now_us, data)
        self.exchange()

    def take(self) -> bytes:
        """Give the host all bytes that have come out by now."""
        self.exchange()
        return self.line.to_host.take(self.now_us)

    def take_frame(self) -> bytes:
        """Give the host all bytes: nothing of an instrument is more urgent than the rest."""
        return self.take()

    def exchange(self) -> None:
        """Bytes that are due reach the instrument; what it has to say goes on its way."""
        now_us = self.now_us
        for _ in range(self.line.resets(now_us)):
            self.instrument.reset(now_us)
        if data := self.line.to_device.take(now_us):
            self.instrument.receive(now_us, data)
        if data := self.instrument.take(now_us):
            self.line.to_host.push(now_us, data)


def stand_of_url(
    url: str,
    host: Host,
    keys: tuple[str, ...],
    place: Callable[[Bath, Mapping[str, str]], Instrument],
) -> Stand:
    """Set up what a URL of an instrument asks for.

    Parameters
    ----------
    url : str
        ``sim://NAME?key=value&…``.
    host : Host
        Who may stand in its bath.
    keys : tuple of str
        Options of its own, beside `KEYS`.
    place : callable (bath, options) -> Instrument
        Makes the instrument, and lets the bath know it.

    Raises
    ------
    ValueError
        One sentence, if an option is unknown or does not fit another.
    """
    _, options = split(url, (*KEYS, *keys))
    scenario = Scenario.load(options["faults"]) if "faults" in options else Scenario()
    real = one_of(options, "pace", ("free", "real")) == "real"
    name = options.get("bath", "")
    bath = BATHS.get(name)
    if bath is None:
        whole_number(options, "fs", 250, RATES_HZ)
        seeded = "recording" not in options  # the seed is the instrument's alone then
        bath = Bath(
            source_of({k: v for k, v in options.items() if seeded or k != "seed"}, host),
            options.get("tissue", "default"),
            whole_number(options, "seed", 0),
        )
        if name:
            BATHS[name] = bath
    elif given := [key for key in _OF_THE_BATH if key in options]:
        raise ValueError(
            f"{given[0]}= describes the bath {name!r}, which is there already; say it where "
            "the bath is named first, or name another one"
        )
    return Stand(place(bath, options), bath, real=real, scenario=scenario)


def hazards_of(options: Mapping[str, str], known: Mapping[str, str]) -> frozenset[str]:
    """Read which documented hazards are switched on: ``hazards=a,b``.

    Parameters
    ----------
    options : mapping of str to str
    known : mapping of str to str
        Names of hazards, and what each does.

    Raises
    ------
    ValueError
        If one is unknown; says which there are.
    """
    names = frozenset(filter(None, options.get("hazards", "").split(",")))
    if unknown := sorted(names - known.keys()):
        raise ValueError(
            f"hazards={unknown[0]} is unknown; known are: {', '.join(known)}: choose of these"
        )
    return names
