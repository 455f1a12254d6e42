"""What is staged: a set that comes in parts, whole or not there.

Parts that are missing, come twice, out of order, or belong to two sets never become one: the
first that is not the next of its set makes the device forget all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from stimloop_hw.groups import PLACES, PROGRAMS, ProgramSet
from stimloop_hw.loop import LoopParameter
from stimloop_hw.messages import Staged
from stimloop_hw.program import ENTRY, Parameter, Program
from stimloop_hw.vocabulary import Refusal
from stimloop_sim.limits import Breach
from stimloop_sim.store import BANK_SIZE, FRAME

if TYPE_CHECKING:
    from stimloop_hw.messages import Stage

LARGEST = BANK_SIZE - FRAME - 1
"""Entries that the store has room for, beside the number of the active group, in bytes."""
_KNOWN = frozenset({number.value for number in (*Parameter, *LoopParameter)})


class Staging:
    """Gathers a set.

    Attributes
    ----------
    whole : ProgramSet or None
        The set, once its last part is there; not yet compared with any limit.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Hold nothing."""
        self.whole: ProgramSet | None = None
        self._number: tuple[int, int] | None = None  # txn and count of the parts
        self._parts: list[bytes] = []

    def is_of(self, txn: int) -> bool:
        """Whether what is held, if anything is, came under this number."""
        return self._number is not None and self._number[0] == txn

    def take(self, order: Stage) -> Staged | Breach:
        """Take the next part; what is refused leaves nothing staged."""
        breach = self._take(order)
        if breach is not None:
            self.forget()
            return breach
        crc = crc32(b"".join(self._parts)) if self.whole is None else self.whole.crc()
        return Staged(order.txn, order.part, order.parts, crc, self._parts[-1])

    def _take(self, order: Stage) -> Breach | None:
        held = sum(map(len, self._parts)) if order.part else 0
        if len(order.entries) % ENTRY.size or held + len(order.entries) > LARGEST:
            return Breach(Refusal.MALFORMED, len(order.entries))
        if order.part == 0:
            self.forget()
            self._number = (order.txn, order.parts)
        due = len(self._parts)
        number = (order.txn, order.parts)
        if self._number != number or order.part != due or due >= order.parts:
            return Breach(Refusal.PART, due if self.is_of(order.txn) else 0)
        for number, place, _ in ENTRY.iter_unpack(order.entries):
            if number not in _KNOWN:
                return Breach(Refusal.UNKNOWN, number)
            if place >= PLACES:
                return Breach(Refusal.NO_PROGRAM, place)
        self._parts.append(order.entries)
        if len(self._parts) < order.parts:
            return None
        return self._complete()

    def _complete(self) -> Breach | None:
        values: dict[int, dict[int, int]] = {}
        for number, place, value in ENTRY.iter_unpack(b"".join(self._parts)):
            values.setdefault(place, {})[number] = value
        if not values:
            return Breach(Refusal.MISSING, Parameter.MODE)
        programs = {}
        for place, given in values.items():
            if place % PROGRAMS and place - 1 not in values:
                return Breach(Refusal.NO_PROGRAM, place, 1 + place)
            try:
                programs[place] = Program.of(given)
            except KeyError as missing:
                return Breach(Refusal.MISSING, int(missing.args[0]), 1 + place)
            except ValueError as strange:
                return Breach(Refusal.UNKNOWN, int(strange.args[0]), 1 + place)
        self.whole = ProgramSet.of(programs)
        return None
