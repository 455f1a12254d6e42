"""Staging: a program comes in parts, and is one when all of them have come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop_hw.loop import LoopParameter
from stimloop_hw.program import ENTRY, Parameter, Program
from stimloop_hw.vocabulary import Refusal
from stimloop_sim.limits import Breach
from stimloop_sim.store import LARGEST

if TYPE_CHECKING:
    from stimloop_hw.messages import Stage

_KNOWN = frozenset({number.value for number in (*Parameter, *LoopParameter)})


class Parts:
    """The parts of a program that have come, in their order.

    Attributes
    ----------
    entries : bytes
        Of all of them.
    """

    def __init__(self) -> None:
        self.entries = b""
        self._next = (0, 0, 0)  # transaction, part, parts; of the first part only the part is

    def take(self, order: Stage) -> Breach | None:
        """Take one more."""
        if len(order.entries) % ENTRY.size:
            return Breach(Refusal.MALFORMED, len(order.entries))
        if order.part == 0:
            self.entries = b""
            self._next = (order.txn, 0, order.parts)
        if self._next != (order.txn, order.part, order.parts) or order.part >= order.parts:
            return Breach(Refusal.PART, self._next[1])
        self._next = (order.txn, order.part + 1, order.parts)
        if len(self.entries) + len(order.entries) > LARGEST:
            return Breach(Refusal.MALFORMED, len(self.entries) + len(order.entries))
        self.entries += order.entries
        return None


def parse(entries: bytes) -> Program | Breach:
    """The program of whole entries: every parameter that it needs, and none that it has not."""
    for number, channel, _ in ENTRY.iter_unpack(entries):
        if number not in _KNOWN or channel:
            return Breach(Refusal.UNKNOWN, number)
    try:
        return Program.parse(entries)
    except KeyError as missing:
        return Breach(Refusal.MISSING, int(missing.args[0]))
    except ValueError as strange:
        return Breach(Refusal.UNKNOWN, int(strange.args[0]))
