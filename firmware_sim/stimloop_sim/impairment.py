"""A bad line, on schedule: two directions of bytes, impaired under a seed at times handed in.

Nothing here reads a clock. The bench hands in its virtual time, the real-time proxy a monotonic
one. First whole frames suffer (overtaken, sent again), then bytes, then the line's timing.
"""

from __future__ import annotations

from collections import Counter, deque
from random import Random
from typing import TYPE_CHECKING

from stimloop_sim.attack import Reorder, Replay
from stimloop_sim.damage import DAMAGE, Damage
from stimloop_sim.scenario import NEVER_US, Direction, Scenario

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stimloop_sim.scenario import Entry

BITS_PER_BYTE = 10
"""8N1: a start bit, eight bits, a stop bit."""
BUFFER_US = 10_000
"""A slow line takes bytes until it has work for so long."""


class Plug:
    """The connector: out while an unplug acts, once its last bytes have gone to the device.

    Parameters
    ----------
    entries : sequence of Entry
        Of kind ``unplug``.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._left = [entry.values["after_bytes"] for entry in entries]

    def is_out(self, now_us: int) -> bool:
        """Whether nothing is connected."""
        pairs = zip(self._entries, self._left, strict=True)
        return any(entry.acts(now_us) and not left for entry, left in pairs)

    def pass_on(self, now_us: int, data: bytes) -> bytes:
        """Bytes that still reach the device; the plug comes out behind the last of them."""
        for number, entry in enumerate(self._entries):
            if entry.acts(now_us):
                data = data[: self._left[number]]
                self._left[number] -= len(data)
        return data


class Wire:
    """One direction of a line.

    Parameters
    ----------
    direction : Direction
    scenario : Scenario
    plug : Plug
        Shared by both directions.

    Attributes
    ----------
    counts : Counter of str
        Strikes so far by kind of fault; for faults of the line as a whole, bytes lost or late.
    writes, altered, swallowed : int
        Pushes so far, those that damage changed, and those of which nothing was let in.
    """

    def __init__(self, direction: Direction, scenario: Scenario, plug: Plug) -> None:
        self.counts: Counter[str] = Counter()
        self.writes = self.altered = self.swallowed = 0
        self._direction = direction
        self._plug = plug
        self._random = Random(f"{scenario.seed} line {direction}")
        self._stages: list[tuple[Entry, Reorder | Replay | Damage]] = []
        self._timing: dict[str, list[Entry]] = {}
        for number, entry in enumerate(scenario.entries):
            if direction not in entry.directions or entry.on_device:
                continue
            random = Random(f"{scenario.seed} {number} {direction}")
            if entry.kind == "reorder":
                self._stages.append((entry, Reorder(entry.values, random)))
            elif entry.kind == "replay":
                self._stages.append((entry, Replay(entry.values, random)))
            elif entry.kind in DAMAGE:
                self._stages.append((entry, Damage(entry.kind, entry.values, random)))
            else:
                self._timing.setdefault(entry.kind, []).append(entry)
        self._stages.sort(key=lambda pair: isinstance(pair[1], Damage))
        self._resets = deque(sorted(entry.at_us for entry in self._timing.pop("reset", ())))
        self._timing.pop("unplug", None)
        self._on_way: deque[tuple[int, bytes]] = deque()
        self._free_us = 0
        self._latest_us = 0

    @property
    def due_us(self) -> int:
        """When the next bytes come out, µs; never if none are on the way."""
        return self._on_way[0][0] if self._on_way else NEVER_US

    def is_free(self, now_us: int) -> bool:
        """Whether the line's buffer has room, so that what is more urgent waits before it."""
        return now_us + BUFFER_US >= self._free_us

    def push(self, now_us: int, data: bytes) -> None:
        """Let bytes in at one end."""
        self._reset_until(now_us)
        self.writes += bool(data)
        if data and (self._plug.is_out(now_us) or self._acting("half_open", now_us)):
            kind = "unplug" if self._plug.is_out(now_us) else "half_open"
            self.counts[kind] += len(data)
            self.swallowed += 1
            return
        struck = 0
        for entry, stage in self._stages:
            if entry.acts(now_us):
                data, count = stage.apply(data)
                self.counts[entry.kind] += count
                struck += count if isinstance(stage, Damage) else 0
            else:
                data = stage.release() + data
                if isinstance(stage, Replay):
                    stage.listen(data)  # an attacker has been there before he strikes
        self.altered += struck > 0
        if self._timing:
            self._send(now_us, data)
        elif data:
            self._on_way.append((now_us, data))

    def take(self, now_us: int) -> bytes:
        """Bytes that have come out at the other end by now."""
        self._reset_until(now_us)
        if not self._on_way:
            return b""
        if self._plug.is_out(now_us):
            self._lose("unplug")
            return b""
        come = []
        while self._on_way and self._on_way[0][0] <= now_us:
            come.append(self._on_way.popleft()[1])
        data = b"".join(come)
        if self._direction is Direction.TO_DEVICE:
            passed = self._plug.pass_on(now_us, data)
            self.counts["unplug"] += len(data) - len(passed)
            return passed
        return data

    def _acting(self, kind: str, now_us: int) -> Entry | None:
        return next((e for e in self._timing.get(kind, ()) if e.acts(now_us)), None)

    def _send(self, now_us: int, data: bytes) -> None:
        """Give every piece its time: chunks, the line's speed, its delay, a stall."""
        start_us = now_us
        chunk = self._acting("chunk", now_us)
        while data:
            size = len(data)
            if chunk:
                size = min(size, self._random.randint(1, chunk.values["longest_bytes"]))
                self.counts["chunk"] += 1
            self._send_piece(now_us, start_us, data[:size])
            data = data[size:]
            start_us += chunk.values["gap_us"] if chunk else 0

    def _send_piece(self, now_us: int, start_us: int, data: bytes) -> None:
        due_us = max(start_us, self._latest_us)
        baud = self._acting("baud", now_us)
        if baud:
            bits = BITS_PER_BYTE * len(data)
            begun_us = max(start_us, self._free_us)
            self._free_us = begun_us + -(-bits * 1_000_000 // baud.values["bits_per_s"])
            due_us = max(due_us, self._free_us)
            self.counts["baud"] += len(data)
        delay = self._acting("delay", now_us)
        if delay:
            jitter_us = self._random.randint(0, delay.values["jitter_us"])
            due_us = max(due_us, start_us + delay.values["delay_us"] + jitter_us)
            self.counts["delay"] += len(data)
        stalled = self._acting("stall", start_us) is not None
        while stall := self._acting("stall", due_us):
            due_us = stall.until_us
            stalled = True
        self.counts["stall"] += len(data) * stalled
        self._latest_us = due_us
        self._on_way.append((due_us, data))

    def _reset_until(self, now_us: int) -> None:
        while self._resets and self._resets[0] <= now_us:
            self._free_us = self._latest_us = self._resets.popleft()
            self._lose("reset")

    def _lose(self, kind: str) -> None:
        self.counts[kind] += sum(len(data) for _, data in self._on_way)
        self._on_way.clear()


class Impairment:
    """Both directions of a line.

    Parameters
    ----------
    scenario : Scenario
        Its faults of the device are none of the line's.

    Attributes
    ----------
    to_device, to_host : Wire
    """

    def __init__(self, scenario: Scenario) -> None:
        entries = scenario.entries
        self._plug = Plug([entry for entry in entries if entry.kind == "unplug"])
        self._resets = deque(sorted(e.at_us for e in entries if e.kind == "reset"))
        self.to_device = Wire(Direction.TO_DEVICE, scenario, self._plug)
        self.to_host = Wire(Direction.TO_HOST, scenario, self._plug)

    @property
    def due_us(self) -> int:
        """When bytes next reach the device, or it is next reset, µs."""
        return min(self.to_device.due_us, self._resets[0] if self._resets else NEVER_US)

    def is_unplugged(self, now_us: int) -> bool:
        """Whether nothing is connected."""
        return self._plug.is_out(now_us)

    def resets(self, now_us: int) -> int:
        """How often the peer has to be reset since this was last asked."""
        count = 0
        while self._resets and self._resets[0] <= now_us:
            self._resets.popleft()
            count += 1
        return count
