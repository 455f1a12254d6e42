"""Blocks of sensed samples on the device's one clock, with every gap accounted for."""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stimloop_hw.messages import Evoked, Sensed


@dataclass(frozen=True, slots=True)
class Block:
    """Sensed samples of one control tick, on the device's one clock: a block, or a sweep.

    Attributes
    ----------
    first_index : int
        Index of the first sample since the device's stream began; never resets, never wraps.
        Sweeps count as one each.
    t_us : int
        Device time of the last sample, µs.
    channels : int
        Sensing channels in a sample.
    count : int
        Samples.
    flags : int
        `stimloop_hw.vocabulary.SensedFlag`.
    samples_nv : bytes
        Little-endian int32, nV, time-major.
    lost : int
        Samples missing before this block, or sweeps before this sweep.
    """

    first_index: int
    t_us: int
    channels: int
    count: int
    flags: int
    samples_nv: bytes
    lost: int


class BlockQueue:
    """Extends the 32-bit index of the wire, counts what is missing, drops what is old.

    Attributes
    ----------
    waiting : deque of Block
        Blocks not yet taken.
    lost_samples : int
        Samples, or sweeps, that the index shows missing.
    next_index : int or None
        Index behind the latest block; None before the first.
    """

    def __init__(self) -> None:
        self.waiting: deque[Block] = deque()
        self.lost_samples = 0
        self.next_index: int | None = None

    def put(self, sensed: Sensed, t_us: int) -> None:
        """Take a message whose last sample was at a device time; malformed ones are dropped."""
        if sensed.n and len(sensed.samples_nv) == 4 * sensed.n * sensed.n_ch:
            content = (sensed.n_ch, sensed.n, sensed.flags, sensed.samples_nv)
            self._put(sensed.first_index, sensed.n, t_us, content)

    def put_sweep(self, evoked: Evoked, t_us: int) -> None:
        """Take a sweep whose last sample was at a device time; malformed ones are dropped."""
        if evoked.n and len(evoked.samples) == 2 * evoked.n:
            steps = struct.unpack(f"<{evoked.n}h", evoked.samples)
            samples_nv = struct.pack(f"<{evoked.n}i", *(evoked.lsb_nv * k for k in steps))
            self._put(evoked.index, 1, t_us, (1, evoked.n, evoked.flags, samples_nv))

    def _put(
        self, first: int, count: int, t_us: int, content: tuple[int, int, int, bytes]
    ) -> None:
        """Give what came its place in the sequence; something old has none any more."""
        lost = 0
        if self.next_index is not None:
            lost = (first - self.next_index) & 0xFFFFFFFF
            if lost >= 0x80000000:
                return
            first = self.next_index + lost
            self.lost_samples += lost
        self.next_index = first + count
        self.waiting.append(Block(first, t_us, *content, lost))
