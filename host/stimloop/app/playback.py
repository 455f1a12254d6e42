"""A recorded session played into a memory, at any speed, from any place. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stimloop.app.memory import BACK_S, SPANS_S, Memory

if TYPE_CHECKING:
    from stimloop.app.chronicle import Chronicle


class Playback:
    """Where a replay is, and what the plots know there.

    Parameters
    ----------
    chronicle : Chronicle

    Attributes
    ----------
    memory : Memory
    seconds : float
        Since the session's first step.
    """

    def __init__(self, chronicle: Chronicle) -> None:
        self._chronicle = chronicle
        self.memory = Memory(chronicle.shown)
        self.memory.marks = list(chronicle.marks)
        self.seconds = 0.0
        self._blocks = 0
        self._steps = 0

    @property
    def end_s(self) -> float:
        """Length of the session, s."""
        begin_us, end_us = self._chronicle.span_us
        return (end_us - begin_us) / 1e6

    @property
    def is_over(self) -> bool:
        """Whether the end is reached."""
        return self.seconds >= self.end_s

    def advance(self, seconds: float) -> None:
        """Play so many seconds on."""
        self.go(self.seconds + seconds)

    def go(self, seconds: float) -> None:
        """Play up to a time; backwards, and far forwards, the memory is filled anew."""
        seconds = min(max(seconds, 0.0), self.end_s)
        memory_s = SPANS_S[-1] + BACK_S
        if not 0 <= seconds - self.seconds <= memory_s:
            old, self.memory = self.memory, Memory(self._chronicle.shown)
            self.memory.marks = old.marks
            self.memory.set_span(old.span_s)
            from_us = self._us(max(0.0, seconds - memory_s))
            self._blocks = int(np.searchsorted(self._chronicle.block_us, from_us))
            self._steps = int(np.searchsorted(self._chronicle.steps["t_us"], from_us))
        self.seconds = seconds
        self._fill(self._us(seconds))

    def _us(self, seconds: float) -> int:
        return self._chronicle.span_us[0] + round(seconds * 1e6)

    def _fill(self, until_us: int) -> None:
        """Hand on what follows up to a device time, in runs without a gap."""
        chronicle = self._chronicle
        steps = int(np.searchsorted(chronicle.steps["t_us"], until_us, side="right"))
        self.memory.push_steps(chronicle.steps[self._steps : steps])
        self._steps = steps
        until = int(np.searchsorted(chronicle.block_us, until_us, side="right"))
        blocks = np.arange(self._blocks, until)
        self._blocks = until
        if not blocks.size or not chronicle.shown.channels:
            return
        begins = np.concatenate([[0], chronicle.ends[:-1]])
        counts = chronicle.ends - begins
        follows = chronicle.first[blocks[1:]] == (chronicle.first + counts)[blocks[:-1]]
        for run in np.split(blocks, np.flatnonzero(~follows) + 1):
            nv = chronicle.nv[begins[run[0]] : chronicle.ends[run[-1]]]
            first, t_us = int(chronicle.first[run[0]]), int(chronicle.block_us[run[-1]])
            self.memory.push_samples(first, t_us, nv)
