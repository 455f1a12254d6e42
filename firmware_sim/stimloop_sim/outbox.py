"""What the device has to say, most urgent first, in bounded memory."""

from __future__ import annotations

from collections import deque
from enum import IntEnum, unique


@unique
class Priority(IntEnum):
    """Order on the wire."""

    STOP = 0
    ANSWER = 1
    STATUS = 2
    STREAM = 3


LONGEST = 64
"""Frames kept of each priority; the oldest whole frame is dropped first."""


class Outbox:
    """Frames waiting for the wire.

    Attributes
    ----------
    samples_dropped : int
        Samples in stream frames that had to give way.
    """

    def __init__(self) -> None:
        self._queues: tuple[deque[tuple[bytes, int]], ...] = tuple(deque() for _ in Priority)
        self.samples_dropped = 0
        self._waiting = 0

    def put(self, priority: Priority, wire: bytes, samples: int = 0) -> None:
        """Queue one frame that carries so many samples."""
        queue = self._queues[priority]
        if len(queue) >= LONGEST:
            self.samples_dropped += queue.popleft()[1]
            self._waiting -= 1
        queue.append((wire, samples))
        self._waiting += 1

    def take(self) -> bytes:
        """Empty the queues, most urgent first."""
        if not self._waiting:
            return b""
        self._waiting = 0
        wires = []
        for queue in self._queues:
            while queue:
                wires.append(queue.popleft()[0])
        return b"".join(wires)

    def take_frame(self) -> bytes:
        """Give the most urgent frame; empty when there is none."""
        for queue in self._queues:
            if queue:
                self._waiting -= 1
                return queue.popleft()[0]
        return b""
