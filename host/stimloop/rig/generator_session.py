"""One session of the rig with a generator of somebody else's, behind its driver.

Such a device keeps no lease, tells no status and checks nothing: its driver is the safety shell
around it, and a finite train is the lease. What can be asked of an SL1 device and not of this
one is told as what it lacks.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from stimloop.rig.obligation import Kind, Need
from stimloop.rig.witness import open_witness
from stimloop_hw.generator import Train, Unit
from stimloop_hw.ports import clock_of, driver_of, open_port
from stimloop_hw.pulsepal import PulsePal
from stimloop_hw.stimjim import StimJim

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop.rig.obligation import Obligation
    from stimloop.rig.witness import Witness
    from stimloop_hw.generator import Played, PulseGenerator
    from stimloop_hw.trace import TracedPulse

GENERATORS: dict[str, Any] = {"pulsepal": PulsePal, "stimjim": StimJim}
"""Generators behind a driver, by the name in their URL."""
AMPLITUDE = 500
"""Of the rig's trains, µA or mV."""
WIDTH_US, PERIOD_US, PULSES = 200, 10_000, 20
LISTENED_US = 100_000


class GeneratorSession:
    """A generator, what it can do, and a gentle train.

    Parameters
    ----------
    generator : PulseGenerator
        Which plays nothing.
    witness : Witness or None

    Attributes
    ----------
    generator, witness
        As given.
    train : Train
        Twenty pulses, cathodic first.
    abilities : frozenset of Need
    boot, cause : int, str
        It tells neither.
    """

    boot, cause = 0, "UNKNOWN"

    def __init__(self, generator: PulseGenerator, witness: Witness | None) -> None:
        self.generator = generator
        self.witness = witness
        self.capability = known = generator.capability
        width_us = -(-max(WIDTH_US, known.width_min_us) // known.time_step_us)
        self.train = Train(-AMPLITUDE, width_us * known.time_step_us, PERIOD_US, PULSES)
        has = {
            Need.READ_BACK: known.reads_back,
            Need.LEASE: known.watchdog,
            Need.CURRENT: known.unit is Unit.UA,
            Need.COARSE: known.time_step_us > 1,
            Need.WITNESS: witness is not None,
        }
        self.abilities = frozenset(need for need, there in has.items() if there)

    def describe(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Who it is, and its limits, for people."""
        known = self.capability
        device = {
            "model": known.name,
            "firmware": self.generator.firmware,
            "authentication": "none",
            "simulated": "sim://" in self.generator.name,
        }
        limits = {name: str(getattr(known, name)) for name in known.__dataclass_fields__}
        return device, limits

    def lacks(self, obligation: Obligation) -> str:
        """What an obligation needs and this device and its bench have not; empty if nothing."""
        return obligation.lacking(Kind.GENERATOR, self.abilities)

    def ask(self, obligation: Obligation) -> None:
        """Check an obligation; raises `Broken` if it is not kept."""
        obligation.meanings[Kind.GENERATOR].check(self)

    def play_out(self, train: Train) -> Played:
        """Play a train, and wait until it has ended, and its last pulse was seen."""
        played = self.generator.play(train)
        while self.generator.now_ns < self.generator.idle_ns:
            self.generator.listen(LISTENED_US)
        self.generator.listen(LISTENED_US)
        return played

    def pulses(self) -> list[TracedPulse]:
        """Everything that the witness has seen by now."""
        assert self.witness is not None, "the obligation needs a witness"
        self.witness.look(0)
        return self.witness.pulses


@contextmanager
def open_generator(url: str, *, witness: str | None = None) -> Iterator[GeneratorSession]:
    """Open a session with a generator; it plays nothing before and after.

    Raises
    ------
    LinkError
        If device or witness cannot be reached, or something else answers.
    """
    driver, _ = driver_of(url)
    port: Any = open_port(url, driver)  # drivers want a timeout, which pyserial's ports have
    generator = GENERATORS[driver](port, url, clock_ns=clock_of(port))
    with generator, open_witness(port, witness) as witnessed:
        generator.hello()
        session = GeneratorSession(generator, witnessed)
        try:
            yield session
        finally:
            generator.stop()
