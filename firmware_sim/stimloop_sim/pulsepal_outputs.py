"""The four channels of a simulated Pulse Pal: what plays, what waits, and the voltages."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from stimloop_hw.pulsepal_protocol import CHANNELS, CYCLE_US, Output
from stimloop_sim.pulsepal_train import Shape, Train

if TYPE_CHECKING:
    from stimloop_hw.pulsepal_protocol import Everything, Model

HAZARDS = {
    "timeout": "a byte that is missing for 500 ms is read as 0, as is every further one; the "
    "command is executed and acknowledged, then the device stops and waits for a human",
    "zero_time": "a time of 0 never ends: the voltage stays until the train does, or for good",
    "scratch": "a parameter's own write derives the burst flag of the wrong channel",
    "latch": "an abort does not clear a trigger that waits for the end of a train",
    "shared_state": "model 1: a trigger ends the delay of every channel that it does not name",
    "overrun": "more pulses of a custom train than there is memory for are taken",
}
"""What the firmware is documented to do, and can be switched off, by name."""


class Change(NamedTuple):
    """A channel's new voltage.

    Attributes
    ----------
    t_us : int
        When, µs.
    channel : int
        0 to 3.
    code : int
        Of the converter.
    """

    t_us: int
    channel: int
    code: int


class Outputs:
    """Parameters, trains and voltages of the channels.

    A tick is a cycle in which the timer handler ran; those in which it stood still are `stood`.

    Parameters
    ----------
    model : Model
    hazards : frozenset of str
        Which of `HAZARDS` there are.

    Attributes
    ----------
    parameters : list of Output
        In force.
    trigger_modes : list of int
    custom : list of list of (int, int)
        The two custom trains: times and codes.
    codes : list of int
        Voltages now.
    changes : deque of Change
        Of the voltages, oldest first; whoever reads them takes them away.
    tick, stood : int
        Cycles with the handler running, and without.
    damaged : int
        Writes beyond the firmware's own arrays so far: what they do nobody knows.
    """

    def __init__(self, model: Model, hazards: frozenset[str]) -> None:
        self.model = model
        self.hazards = hazards
        self.codes = [model.zero] * CHANNELS
        self.changes: deque[Change] = deque()
        self.tick = self.stood = 0
        self.damaged = 0
        self.power_on()

    def power_on(self) -> None:
        """Forget parameters and trains; every channel is at 0 V."""
        self.parameters = [Output.default(self.model)] * CHANNELS
        self.trigger_modes = [0, 0]
        self.custom: list[list[tuple[int, int]]] = [[], []]
        self._bursts = [False] * CHANNELS
        self._loops = [False] * CHANNELS
        self._trains: list[Train | None] = [None] * CHANNELS
        self._latched = [False] * CHANNELS
        for channel in range(CHANNELS):
            self.set_voltage(channel, self.model.zero)

    @property
    def playing(self) -> bool:
        """Whether any channel plays, or waits to."""
        return any(train is not None for train in self._trains)

    @property
    def active(self) -> bool:
        """Whether any channel plays, and its delay is over."""
        return any(train is not None and train.begin < self.tick for train in self._trains)

    # Time ------------------------------------------------------------------------------------

    def run(self, cycles: int) -> None:
        """Let the handler run for so many cycles."""
        until = self.tick + cycles
        for channel in range(CHANNELS):
            train = self._trains[channel]
            while train is not None and train.due < until:
                self._change(channel, train.code, train.due)
                if not train.step():
                    self._end(channel, train.end)
                    train = self._trains[channel]
        self.tick = until

    def stand(self, cycles: int) -> None:
        """Let it stand still: every voltage stays as it is."""
        self.stood += cycles

    def set_voltage(self, channel: int, code: int) -> None:
        """Put a channel to a voltage, now."""
        self._change(channel, code, self.tick)

    def _change(self, channel: int, code: int, tick: int) -> None:
        if code != self.codes[channel]:
            self.codes[channel] = code
            self.changes.append(Change((tick + self.stood) * CYCLE_US, channel, code))

    def _end(self, channel: int, tick: int) -> None:
        """A train is over; a trigger that has waited for that starts the next one."""
        self._trains[channel] = None
        if self._latched[channel]:
            self._latched[channel] = False
            self._play(channel, tick)

    def _play(self, channel: int, tick: int) -> None:
        output = self.parameters[channel]
        custom = self.custom[output.custom_id - 1] if output.custom_id in (1, 2) else ()
        sticks = "zero_time" in self.hazards
        shape = Shape(self._bursts[channel], self._loops[channel], sticks, custom)
        self._trains[channel] = Train(output, shape, tick)

    def _is_idle(self, channel: int) -> bool:
        return self._trains[channel] is None

    # Orders ----------------------------------------------------------------------------------

    def take_up(self, everything: Everything) -> None:
        """Take a whole program; an idle channel goes to its resting voltage."""
        self.parameters = list(everything.outputs)
        self.trigger_modes = list(everything.trigger_modes)
        for channel in range(CHANNELS):
            self.derive(channel)
            self.rest(channel)

    def derive(self, channel: int) -> None:
        """Tell anew whether a channel's pulses come in bursts."""
        output = self.parameters[channel]
        self._bursts[channel] = bool(output.burst and output.burst_interval)

    def rest(self, channel: int) -> None:
        """Put a channel that plays nothing to its resting voltage."""
        if self._is_idle(channel):
            self.set_voltage(channel, self.parameters[channel].resting_code)

    def trigger(self, mask: int) -> None:
        """Start the channels of these bits with the next tick."""
        for channel in range(CHANNELS):
            train = self._trains[channel]
            if mask >> channel & 1:
                if train is None:
                    self._play(channel, self.tick + 1)
                else:
                    self._latched[channel] = True
            elif (
                train is not None
                and train.begin > self.tick
                and self.model.number == 1
                and "shared_state" in self.hazards
            ):
                self._trains[channel] = None

    def abort(self) -> None:
        """End every train."""
        for channel in range(CHANNELS):
            self._loops[channel] = False
            self._latched[channel] &= "latch" in self.hazards
            if not self._is_idle(channel):
                self._trains[channel] = None
                self.rest(channel)
            self._end(channel, self.tick + 1)

    def loop(self, channel: int, *, on: bool) -> None:
        """Play without an end from now on, or end that."""
        self._loops[channel] = on
        self._trains[channel] = None
        if on:
            self._play(channel, self.tick + 1)
        else:
            self.rest(channel)
