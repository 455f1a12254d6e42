"""What a station shows: rings of rows and a board in shared memory, one writer, many readers.

A ring is a file that all map. The writer announces how far it will have written, writes the
rows, then says how far it has; it never waits, and does not know who reads. A reader copies
what is new and looks again: rows that were overwritten meanwhile are not handed on but counted
as lost, so what a reader gets is what was written. That rests on stores becoming visible in
order, as they do on x86-64.
"""

from __future__ import annotations

import json
import mmap
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stimloop.station.errors import StationError
from stimloop.station.requests import SNAPSHOT, Snapshot

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

CHANNELS: Final = 8
"""Sensing channels of a row of samples, at most; those that do not stream are 0."""
SWEEP: Final = 255
"""Samples of a sweep, at most."""
TEXT: Final = 240
"""Bytes of an event's text, UTF-8; longer ones are cut."""

SAMPLES: Final = np.dtype(
    [("index", "<u8"), ("t_us", "<i8"), ("stream", "<u4"), ("nv", "<i4", CHANNELS)]
)
"""A sample: its index in the stream of that number, device time of it, nV by channel."""
STEPS: Final = np.dtype(
    [
        *(("index", "<u8"), ("t_us", "<i8"), ("stream", "<u4"), ("level", "<f8")),
        *(("active", "?"), ("quality", "<u2"), ("bound", "u1"), ("state", "u1")),
        *(("wanted_ua", "<i4"), ("wanted_period_us", "<u4")),
        *(("admitted_ua", "<i4"), ("admitted_period_us", "<u4")),
        *(("setpoint_ua", "<i4"), ("amplitude_ua", "<i4"), ("delivered_ua", "<i4")),
        *((f"{stage}_ns", "<i8") for stage in ("read", "decode", "detect", "control")),
        *((f"{stage}_ns", "<i8") for stage in ("govern", "write", "total")),
    ]
)
"""A tick: what it decided (`stimloop.step.Step`), the device's latest word then (state,
programmed, quantised, delivered), and where the tick's time went (`stimloop.step.Latency`)."""
EVENTS: Final = np.dtype(
    [
        *(("t_us", "<i8"), ("stream", "<u4"), ("step", "<u8"), ("kind", "S10")),
        *(("code", "<u4"), ("detail", "<i8"), ("text", f"S{TEXT}")),
    ]
)
"""An event, as `stimloop.streams.EventRow`; text in UTF-8."""
SWEEPS: Final = np.dtype(
    [
        *(("index", "<u8"), ("t_us", "<i8"), ("stream", "<u4")),
        *(("count", "<u2"), ("nv", "<i4", SWEEP)),
    ]
)
"""What followed one pulse: `count` samples, the last one at `t_us`."""
RINGS: Final = {
    "samples": (SAMPLES, 1 << 17),
    "steps": (STEPS, 1 << 16),
    "events": (EVENTS, 1 << 12),
    "sweeps": (SWEEPS, 1 << 12),
}
"""Name → rows and how many of them: two minutes of samples at 1 kHz, twenty of steps."""

_MAGIC: Final = b"stimring"
_SCHEMA: Final = 1
_HEADER: Final = 4096
_RESERVED, _WRITTEN = 8, 16
"""Places of the two counters in the header, as 64-bit words on cache lines of their own."""
_BOARD: Final = 1 << 16


class RingWriter:
    """The one writer.

    Parameters
    ----------
    path : Path
        Made anew.
    dtype : dtype
        Of a row.
    capacity : int
        Rows that are kept.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any], capacity: int) -> None:
        size = _HEADER + capacity * dtype.itemsize
        self._map = _made(path, size)
        layout = {
            "schema": _SCHEMA,
            "capacity": capacity,
            "rows": np.lib.format.dtype_to_descr(dtype),
        }
        words = json.dumps(layout).encode()
        self._map[256 : 256 + len(words)] = words
        self._map[: len(_MAGIC)] = _MAGIC
        self._counters = memoryview(self._map)[:_HEADER].cast("Q")
        self._rows = np.frombuffer(self._map, dtype, capacity, _HEADER)
        self._rows[:] = np.zeros(1, dtype)  # so that no later row waits for its page
        self._capacity = capacity
        self._count = 0

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Write rows, fewer than the ring has; takes a few microseconds, waits for nobody."""
        first, count = self._count, len(rows)
        self._counters[_RESERVED] = first + count
        begin = first % self._capacity
        head = min(count, self._capacity - begin)
        self._rows[begin : begin + head] = rows[:head]
        if head < count:
            self._rows[: count - head] = rows[head:]
        self._count = first + count
        self._counters[_WRITTEN] = self._count

    def put(self, values: tuple[object, ...]) -> None:
        """Write one row."""
        self._counters[_RESERVED] = self._count + 1
        self._rows[self._count % self._capacity] = values
        self._count += 1
        self._counters[_WRITTEN] = self._count


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What a reader found.

    Attributes
    ----------
    first : int
        Number of the first row since the station began.
    rows : ndarray of the ring's rows
        A copy; nobody writes in it.
    lost : int
        Rows before `first` that were overwritten before they were read.
    """

    first: int
    rows: npt.NDArray[Any]
    lost: int


class RingReader:
    """One of many readers, each at its own pace.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    next : int
        Number of the first row not yet read.

    Raises
    ------
    StationError
        If there is no ring, or another release's.
    """

    def __init__(self, path: Path) -> None:
        self._map = _opened(path)
        try:
            layout = json.loads(self._map[256:_HEADER].split(b"\0", 1)[0])
            known = self._map[: len(_MAGIC)] == _MAGIC and layout["schema"] == _SCHEMA
            dtype = np.lib.format.descr_to_dtype(_rows(layout["rows"]))
        except (ValueError, KeyError, TypeError):
            known = False
        if not known:
            raise StationError(
                f"{path} is not a ring that this release reads; use the release of the station"
            )
        self._capacity: int = layout["capacity"]
        self._counters = memoryview(self._map)[:_HEADER].cast("Q").toreadonly()
        self._rows: npt.NDArray[Any] = np.frombuffer(self._map, dtype, self._capacity, _HEADER)
        self.next = 0

    @property
    def written(self) -> int:
        """Rows written since the station began."""
        return self._counters[_WRITTEN]

    def new(self, at_most: int | None = None) -> Rows:
        """Take what was written since this was last asked.

        Parameters
        ----------
        at_most : int, optional
            Take only so many of the newest, and skip the others, which are not lost.
        """
        if at_most is not None:
            self.next = max(self.next, self.written - at_most)
        first, end = self.next, self.written
        begin = max(first, end - self._capacity)
        rows = self._copy(begin, end)
        kept = max(begin, self._counters[_RESERVED] - self._capacity)
        self.next = end
        kept = min(kept, end)
        return Rows(kept, rows[kept - begin :], kept - first)

    def _copy(self, begin: int, end: int) -> npt.NDArray[Any]:
        at, count = begin % self._capacity, end - begin
        head = self._rows[at : at + count]
        if len(head) == count:
            return head.copy()
        return np.concatenate([head, self._rows[: count - len(head)]])


class BoardWriter:
    """The snapshot's writer.

    Parameters
    ----------
    path : Path
        Made anew.
    """

    def __init__(self, path: Path) -> None:
        self._map = _made(path, _BOARD)
        self._words = memoryview(self._map)[:64].cast("Q")
        self.show(Snapshot())

    def show(self, snapshot: Snapshot) -> None:
        """Put another one up."""
        text = SNAPSHOT.dump_json(snapshot)
        self._words[0] += 1  # odd: being written
        self._words[1] = len(text)
        self._map[64 : 64 + len(text)] = text
        self._words[0] += 1


class BoardReader:
    """A reader of the snapshot.

    Parameters
    ----------
    path : Path

    Raises
    ------
    StationError
        If there is no board.
    """

    def __init__(self, path: Path) -> None:
        self._map = _opened(path)
        self._words = memoryview(self._map)[:64].cast("Q").toreadonly()
        self._shown = (0, Snapshot())

    def look(self) -> Snapshot:
        """The latest snapshot; the one before while it is being replaced."""
        version = self._words[0]
        if version == self._shown[0] or version % 2:
            return self._shown[1]
        text = self._map[64 : 64 + self._words[1]]
        if self._words[0] == version:
            self._shown = (version, SNAPSHOT.validate_json(text))
        return self._shown[1]


def _rows(told: list[Any]) -> list[Any]:
    """A layout's fields as NumPy wants them, whose tuples JSON has made lists of."""
    return [tuple(tuple(p) if isinstance(p, list) else p for p in field) for field in told]


def _made(path: Path, size: int) -> mmap.mmap:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        os.posix_fallocate(
            descriptor, 0, size
        )  # full memory is told now, and by no signal later
        return mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)


def _opened(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as problem:
        raise StationError(
            f"{path} cannot be read ({problem}); is the station running there?"
        ) from problem
