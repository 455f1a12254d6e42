"""Trends: what the device saw and gave in each ten minutes of its last sixty days.

Band level and amplitude are looked at with each regular Status, ten times a second, so a mean
has 6000 values. It ends up in a ring that outlasts resets; ten minutes that a reset cuts short
are lost. The oldest gives way, and numbers run on.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import islice

from stimloop_hw.framing import MAX_PAYLOAD
from stimloop_hw.messages import Trends
from stimloop_hw.trends import ROW

PERIOD_US = 600_000_000
KEPT = 60 * 144
"""Sixty days of ten minutes."""
ROWS = (MAX_PAYLOAD - 8 - Trends.layout.size) // ROW.size
"""Rows of one answer; 8 bytes are left for a tag."""


@dataclass(slots=True)
class TrendMemory:
    """The ring, in non-volatile memory.

    Attributes
    ----------
    rows : deque of bytes
        Packed as `ROW`, oldest first.
    count : int
        Rows that there have ever been.
    """

    rows: deque[bytes] = field(default_factory=lambda: deque(maxlen=KEPT))
    count: int = 0

    def read(self, first: int) -> Trends:
        """Rows from this number on, or from the oldest that is left."""
        oldest = self.count - len(self.rows)
        first = min(max(first, oldest), self.count)
        part = islice(self.rows, first - oldest, first - oldest + ROWS)
        return Trends(first, self.count, b"".join(part))


class TrendRecorder:
    """Means of the ten minutes that go on now.

    Parameters
    ----------
    memory : TrendMemory
    boot : int
        Number of this start of the device.
    """

    def __init__(self, memory: TrendMemory, boot: int) -> None:
        self._memory = memory
        self._boot = boot & 0xFFFF
        self._until_us = PERIOD_US
        self._begin()

    def _begin(self) -> None:
        self._looks = self._level_nv = self._amplitude_ua = 0

    def look(self, now_us: int, level_nv: int, amplitude_ua: int) -> None:
        """Take one look; the last one of ten minutes ends them."""
        self._looks += 1
        self._level_nv += level_nv
        self._amplitude_ua += amplitude_ua
        if now_us < self._until_us:
            return
        self._until_us += PERIOD_US
        level_nv = min(self._level_nv // self._looks, 0xFFFFFFFF)
        amplitude_ua = self._amplitude_ua // self._looks
        row = ROW.pack(self._boot, now_us // 1_000_000, level_nv, amplitude_ua)
        self._memory.rows.append(row)
        self._memory.count += 1
        self._begin()
