"""A set of programs in parts that signed frames can carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop_hw.messages import Stage
from stimloop_hw.program import ENTRY, PART_ENTRIES

if TYPE_CHECKING:
    from stimloop_hw.groups import ProgramSet


def stages_of(programs: ProgramSet, txn: int) -> list[Stage]:
    """The set as it is sent, under a number that tells it from the host's other sets."""
    entries, size = programs.entries(), PART_ENTRIES * ENTRY.size
    parts = [entries[k : k + size] for k in range(0, len(entries), size)]
    return [Stage(txn, part, len(parts), data) for part, data in enumerate(parts)]
