"""The last minute of samples and steps, and what of it can be seen: NumPy alone, no Qt.

A screen has some hundred columns. Of each the least and the greatest sample are kept as samples
arrive, so a frame costs the same whatever the rate and the span.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stimloop.station.ring import STEPS
from stimloop_dsp import MISSING

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]


class Samples:
    """A ring of samples by their index since the stream began, in µV.

    Parameters
    ----------
    rows : int
        How many are remembered.
    channels : int

    Attributes
    ----------
    end : int
        Index that follows the newest; 0 before the first.
    """

    def __init__(self, rows: int, channels: int) -> None:
        self.rows = rows
        self.channels = channels
        self.end = 0
        self._uv = np.full((rows, channels), np.nan, np.float32)

    def push(self, first_index: int, nv: npt.NDArray[np.int32]) -> Floats:
        """Take samples that follow, perhaps after a gap.

        Parameters
        ----------
        first_index : int
            Of the first row. One before `end` starts anew: another stream.
        nv : ndarray of int32, shape (n, channels)
            nV; `MISSING` where there is none.

        Returns
        -------
        ndarray of float32, shape (n, channels)
            The same in µV, nan where there is none.
        """
        uv = np.where(nv == MISSING, np.nan, nv / np.float32(1000)).astype(np.float32)
        lost = first_index - self.end
        if self.end and lost:
            begin = self.end if 0 < lost < self.rows else first_index - self.rows
            self._uv[np.arange(begin, first_index) % self.rows] = np.nan
        kept = uv[-self.rows :]
        first = first_index + len(uv) - len(kept)
        self._uv[np.arange(first, first + len(kept)) % self.rows] = kept
        self.end = first_index + len(uv)
        return uv

    def window(self, begin: int, end: int) -> Floats:
        """Samples of some indices, nan where they are not remembered; shape (n, channels)."""
        index = np.arange(begin, end)
        known = (index >= max(0, self.end - self.rows)) & (index < self.end)
        out = np.full((index.size, self.channels), np.nan, np.float32)
        out[known] = self._uv[index[known] % self.rows]
        return out


class MinMax:
    """Least and greatest sample of each column of a screen.

    Columns begin at multiples of their width in the stream's index, so one that has gone by
    never changes.

    Parameters
    ----------
    width : int
        Samples per column, >= 1.
    columns : int
    channels : int
    """

    def __init__(self, width: int, columns: int, channels: int) -> None:
        self.width = width
        self.columns = columns
        self._newest = -1
        self._low = np.full((columns, channels), np.nan, np.float32)
        self._high = np.full((columns, channels), np.nan, np.float32)

    def push(self, first_index: int, uv: Floats) -> None:
        """Take samples that follow.

        Parameters
        ----------
        first_index : int
        uv : ndarray of float32, shape (n, channels)
            µV.
        """
        if not len(uv):
            return
        first = first_index // self.width
        begins = np.arange(-(first_index % self.width), len(uv), self.width).clip(0)
        low = np.fmin.reduceat(uv, begins, axis=0)
        high = np.fmax.reduceat(uv, begins, axis=0)
        if first == self._newest:
            slot = first % self.columns
            low[0] = np.fmin(low[0], self._low[slot])
            high[0] = np.fmax(high[0], self._high[slot])
        elif self._newest >= 0:
            if first < self._newest:
                self._low[:] = self._high[:] = np.nan
            skipped = np.arange(self._newest + 1, first)[-self.columns :] % self.columns
            self._low[skipped] = self._high[skipped] = np.nan
        kept = slice(-self.columns, None)
        slots = np.arange(first, first + len(begins))[kept] % self.columns
        self._low[slots], self._high[slots] = low[kept], high[kept]
        self._newest = first + len(begins) - 1

    def drawn(self) -> tuple[npt.NDArray[np.float64], Floats]:
        """Points of a curve through both.

        Returns
        -------
        index : ndarray of float64, shape (2 * columns,)
            Index of each point.
        uv : ndarray of float32, shape (2 * columns, channels)
            µV; nan where nothing is known.
        """
        column = np.arange(self._newest - self.columns + 1, self._newest + 1)
        slots = column % self.columns
        uv = np.stack([self._low[slots], self._high[slots]], axis=1)
        middle = (column + 0.5) * self.width
        return np.repeat(middle, 2), uv.reshape(2 * self.columns, -1)


def min_max(uv: Floats, begin: int, width: int) -> tuple[npt.NDArray[np.float64], Floats]:
    """The same for samples that are all there: index and µV of the points."""
    columns = max(1, -(-len(uv) // width) + 1)
    drawn = MinMax(width, columns, uv.shape[1])
    drawn.push(begin, uv)
    return drawn.drawn()


ANOTHER_US = 1_000_000
"""A step so much earlier than the newest is of another clock: the device has started anew."""


class Steps:
    """A ring of steps in the order of their time.

    Parameters
    ----------
    rows : int
    """

    def __init__(self, rows: int) -> None:
        self._rows = np.zeros(2 * rows, STEPS)
        self._most = rows
        self._end = 0

    def push(self, steps: npt.NDArray[np.void]) -> None:
        """Take steps that follow.

        Parameters
        ----------
        steps : ndarray of `stimloop.station.ring.STEPS`, shape (n,)
        """
        if len(steps) and self._end:
            newest_us = self._rows["t_us"][self._end - 1]
            if steps["t_us"][0] < newest_us - ANOTHER_US:
                self._end = 0
            steps = steps[steps["t_us"] > newest_us] if self._end else steps
        kept = steps[-self._most :]
        if self._end + len(kept) > len(self._rows):
            stay = self._rows[self._end - self._most + len(kept) : self._end].copy()
            self._rows[: len(stay)] = stay
            self._end = len(stay)
        self._rows[self._end : self._end + len(kept)] = kept
        self._end += len(kept)

    def window(self, begin_us: int, end_us: int) -> npt.NDArray[np.void]:
        """Steps of a time, the one before it included; a view."""
        rows = self._rows[: self._end]
        begin, end = np.searchsorted(rows["t_us"], (begin_us, end_us + 1))
        return rows[max(0, begin - 1) : end]

    @property
    def newest_us(self) -> int:
        """Device time of the newest, µs; 0 before the first."""
        return int(self._rows["t_us"][self._end - 1]) if self._end else 0

    @property
    def all(self) -> npt.NDArray[np.void]:
        """Everything that is remembered; a view."""
        return self._rows[max(0, self._end - self._most) : self._end]
