"""A train of a simulated Pulse Pal: parameters of a channel → voltages at ticks.

A tick is a cycle in which the device's timer handler ran; while a command waits for bytes there
are none, and every voltage stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stimloop_hw.pulsepal_protocol import Output

NEVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Shape:
    """What shapes a train beside the channel's parameters.

    Attributes
    ----------
    bursts : bool
        Whether its pulses come in bursts: a flag that the firmware derives, and may get wrong.
    endless : bool
        Whether it is in continuous loop.
    sticks : bool
        Whether a time of 0 is one that never comes, as in the firmware.
    custom : sequence of (int, int)
        Times and codes of a custom train; empty for pulses by parameters.
    """

    bursts: bool = False
    endless: bool = False
    sticks: bool = True
    custom: Sequence[tuple[int, int]] = ()


class Train:
    """A train in play, from its trigger to its end.

    Parameters
    ----------
    output : Output
        Parameters of the channel, as they are now.
    shape : Shape
    tick : int
        Of the trigger.

    Attributes
    ----------
    due : int
        Tick of the next change of voltage.
    code : int
        The voltage then.
    begin : int
        Tick at which the delay after the trigger is over.
    end : int
        Tick at which the train ends.
    """

    def __init__(self, output: Output, shape: Shape, tick: int) -> None:
        self.begin = tick + output.delay
        endless = shape.endless or (not output.train and shape.sticks)
        self.end = NEVER if endless else self.begin + output.train
        self._output = output
        self._shape = shape
        self._changes = self._played()
        self.due, self.code = next(self._changes, (NEVER, output.resting_code))

    def step(self) -> bool:
        """Go on to the next change; whether there is one."""
        self.due, self.code = next(self._changes, (NEVER, self.code))
        return self.due < NEVER

    def _played(self) -> Iterator[tuple[int, int]]:
        resting = self._output.resting_code
        for tick, code in self._pulses():
            if tick >= self.end:
                break
            yield tick, code
        if self.end < NEVER:
            yield self.end, resting

    def _pulses(self) -> Iterator[tuple[int, int]]:
        """Changes of voltage, pulse by pulse; the end of the train cuts them off."""
        output = self._output
        for start, first, second in self._starts():
            tick = start
            yield tick, first
            if not output.phase1 and self._shape.sticks:
                return
            tick += max(1, output.phase1)
            if output.biphasic:
                if output.interphase:
                    yield tick, output.resting_code
                    tick += output.interphase
                yield tick, second
                if not output.phase2 and self._shape.sticks:
                    return
                tick += max(1, output.phase2)
            yield tick, output.resting_code

    def _starts(self) -> Iterator[tuple[int, int, int]]:
        """When pulses begin, and the codes of their phases."""
        output, shape = self._output, self._shape
        if shape.custom:
            yield from self._custom()
            return
        pulse = max(1, output.phase1)
        if output.biphasic:
            pulse += output.interphase + max(1, output.phase2)
        period = pulse + max(1, output.interval)
        for burst in count():
            start = self.begin
            if shape.bursts:
                start += burst * (output.burst + output.burst_interval)
            limit = start + output.burst if shape.bursts else self.end
            for tick in range(start, min(limit, self.end), period):
                yield tick, output.phase1_code, output.phase2_code
                if not output.interval and shape.sticks:
                    return
            if not shape.bursts or start >= self.end:
                return

    def _custom(self) -> Iterator[tuple[int, int, int]]:
        """Pulses, or bursts of them, at the times of a custom train, again and again if so."""
        output, custom = self._output, self._shape.custom
        middle = output.phase1_code + output.phase2_code
        length = custom[-1][0] + max(1, output.phase1)
        for turn in count():
            for time, code in custom:
                start = self.begin + turn * length + time
                last = start + (output.burst if output.custom_target else 1)
                for tick in range(start, last, max(1, output.phase1 + output.interval)):
                    yield tick, code, middle - code
            if not output.custom_loop or self.begin + (turn + 1) * length >= self.end:
                return
