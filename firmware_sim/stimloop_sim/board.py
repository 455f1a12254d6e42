"""The board: what stands around the processor and outlasts its resets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stimloop_sim.journal import Journal
from stimloop_sim.store import erased
from stimloop_sim.trends import TrendMemory
from stimloop_sim.watchdog import Watchdog

if TYPE_CHECKING:
    from stimloop_hw.vocabulary import SelfTest

RAM_SIZE = 256


@dataclass(slots=True)
class Board:
    """A device without its processor; a new one comes from the factory.

    Attributes
    ----------
    cells : bytearray
        Non-volatile memory of the program store.
    ram : bytearray
        Working memory; its content is void after a reset.
    journal : Journal
    trends : TrendMemory
    watchdog : Watchdog
    drained_fc, delivered_pc : int
        The battery's coulomb counters: what electronics (fC) and stimulation (pC) have taken.
    faults : int
        Latched ones, `stimloop_hw.vocabulary.Fault`: no reset clears them. What the self test
        finds is none of them, since the next one finds it again.
    defects : frozenset of SelfTest
        Parts that are broken.
    """

    cells: bytearray = field(default_factory=erased)
    ram: bytearray = field(default_factory=lambda: bytearray(RAM_SIZE))
    journal: Journal = field(default_factory=Journal)
    trends: TrendMemory = field(default_factory=TrendMemory)
    watchdog: Watchdog = field(default_factory=lambda: Watchdog(0))
    drained_fc: int = 0
    delivered_pc: int = 0
    faults: int = 0
    defects: frozenset[SelfTest] = frozenset()
