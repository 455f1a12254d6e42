"""Single samples with an index become blocks on a grid, with every gap accounted for."""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING

from stimloop_hw.blocks import Block
from stimloop_hw.vocabulary import SensedFlag

if TYPE_CHECKING:
    from collections.abc import Sequence

MISSING_NV = -(1 << 31)
"""Stands for a sample that did not come, nV."""


class SampleGrid:
    """Gathers blocks.

    Parameters
    ----------
    channels : int
        In a sample.
    block : int
        Samples of a block; each begins at a multiple of it.
    sample_us : int
        Nominal sampling interval, µs.

    Attributes
    ----------
    waiting : deque of Block
        Those that are complete, or behind which something came.
    lost_samples : int
        Samples that did not come before the latest block, or in it.
    """

    def __init__(self, channels: int, block: int, sample_us: int) -> None:
        self.waiting: deque[Block] = deque()
        self.lost_samples = 0
        self._channels = channels
        self._block = block
        self._sample_us = sample_us
        self._expected = 0  # index behind the latest block
        self._begin(0)

    def put(self, index: int, row_nv: Sequence[int], *, saturated: bool) -> None:
        """Take one sample; indices rise.

        Parameters
        ----------
        index : int
            Since the stream began.
        row_nv : sequence of int
            Of each channel, nV.
        saturated : bool
            Whether one of them is at a rail.
        """
        first = index - index % self._block
        if first != self._first:
            self._close()
            self._begin(first)
        at = (index - first) * self._channels
        self._rows[at : at + self._channels] = row_nv
        self._filled += 1
        self._saturated |= saturated
        if index == first + self._block - 1:
            self._close()
            self._begin(index + 1)

    def _begin(self, first: int) -> None:
        self._first = first
        self._rows = [MISSING_NV] * (self._block * self._channels)
        self._filled = 0
        self._saturated = False

    def _close(self) -> None:
        """Hand a block on, unless nothing of it came: then the next one tells."""
        if not self._filled:
            return
        lost = self._first - self._expected
        missing = self._block - self._filled
        self.lost_samples += lost + missing
        self._expected = self._first + self._block
        self.waiting.append(
            Block(
                self._first,
                (self._expected - 1) * self._sample_us,
                self._channels,
                self._block,
                SensedFlag.GAP * bool(lost or missing) | SensedFlag.SATURATED * self._saturated,
                struct.pack(f"<{len(self._rows)}i", *self._rows),
                lost,
            )
        )
