"""A simulated Pulse Pal, model 1 or 2: bytes in, bytes out, voltages at times.

Faithful on the wire, its documented hazards included, each of which can be switched off. Facts:
`stimloop_hw.pulsepal_protocol`. Everything happens in a timer handler of 50 µs: it skips a byte
that starts no command, or reads a whole command; while bytes of that are missing it stands
still, and with it every output.

Not simulated: screens, joystick menus, trigger inputs and their modes. Where the facts say
nothing we assume what is worse for a host: a voltage that was set stays until another is set,
the channel's program changes or it is triggered, also through an abort.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop_hw.pulsepal_protocol import CYCLE_US, MODELS, NEVER_US, START
from stimloop_sim.pulsepal_commands import Commands
from stimloop_sim.pulsepal_outputs import HAZARDS, Outputs

if TYPE_CHECKING:
    from stimloop_sim.pulsepal_commands import Reader

_WAIT = NEVER_US // CYCLE_US
_FOREVER = 1 << 20
"""A command that needs more bytes than this after its time would read zeros for ever."""


class PulsePal:
    """The device.

    Parameters
    ----------
    number : int
        Model, 1 or 2.
    hazards : frozenset of str
        Which of `HAZARDS` it has; all if not given.

    Attributes
    ----------
    outputs : Outputs
    executed : list of bytes or None
        Commands that were executed, number and arguments, if anybody wants to know them: who
        does puts a list here.
    failed : bool
        It has stopped and waits for a human at its joystick.
    """

    def __init__(self, number: int = 2, hazards: frozenset[str] = frozenset(HAZARDS)) -> None:
        self.model = f"Pulse Pal {number}"
        self.outputs = Outputs(MODELS[number], hazards)
        self.executed: list[bytes] | None = None
        self._commands = Commands(self.outputs)
        self._now = 0
        self._power_on()

    def _power_on(self) -> None:
        self.failed = False
        self.outputs.power_on()
        self._commands.replies.clear()
        self._commands.busy_us = 0
        self._in = bytearray()
        self._reader: Reader | None = None
        self._arguments = bytearray()
        self._needed = 0
        self._fed = self._now  # when the last byte came
        self._busy = 0  # until which cycle it reads or writes its memory

    @property
    def now_us(self) -> int:
        """Its time, µs."""
        return self._now * CYCLE_US

    def receive(self, now_us: int, data: bytes) -> None:
        """Take bytes from the host."""
        self.advance_to(now_us)
        self._in += data
        self._fed = self._now

    def take(self, now_us: int) -> bytes:
        """Give the host what has come out by now."""
        self.advance_to(now_us)
        if self._now < self._busy:
            return b""
        data = bytes(self._commands.replies)
        self._commands.replies.clear()
        return data

    def reset(self, now_us: int) -> None:
        """Start anew, as after a failure of the supply."""
        self.advance_to(now_us)
        self._power_on()

    def click(self, now_us: int) -> None:
        """A human clicks the joystick: all trains end; after a failure it starts anew."""
        self.advance_to(now_us)
        if self.failed:
            self._power_on()
        self.outputs.abort()

    def advance_to(self, now_us: int) -> None:
        """Let time pass."""
        end = now_us // CYCLE_US
        while self._now < end:
            if self.failed:
                self._stand(end)
            elif self._now < self._busy:
                self._stand(min(end, self._busy))
            elif self._reader is not None:
                self._feed()
                if self._reader is not None:
                    self._wait(end)
            else:
                cycles = 1 if self._in else end - self._now
                if self._in:
                    self._read()
                self.outputs.run(cycles)
                self._now += cycles

    def _stand(self, until: int) -> None:
        self.outputs.stand(until - self._now)
        self._now = until

    def _read(self) -> None:
        """Read a byte: the start of a command, or nothing."""
        if self._in.pop(0) == START:
            self._reader = self._commands.read()
            self._arguments.clear()
            self._needed = next(self._reader)
            self._fed = self._now
            self._feed()

    def _feed(self) -> None:
        """Hand the command in reading the bytes that it needs, as far as they are there."""
        while self._reader is not None and len(self._in) >= self._needed:
            data = bytes(self._in[: self._needed])
            del self._in[: self._needed]
            self._hand(self._reader, data)

    def _hand(self, reader: Reader, data: bytes) -> None:
        self._arguments += data
        try:
            self._needed = reader.send(data)
        except StopIteration:
            self._reader = None
            self._busy = self._now + self._commands.busy_us // CYCLE_US
            self._commands.busy_us = 0
            if self.executed is not None:
                self.executed.append(bytes(self._arguments))

    def _wait(self, end: int) -> None:
        """Stand still for missing bytes; after half a second they are read as 0."""
        deadline = max(self._fed + _WAIT, self._now)
        self._stand(min(end, deadline))
        if self._now < deadline:
            return
        if "timeout" not in self.outputs.hazards:
            self._reader = None
            self._in.clear()
            return
        while self._reader is not None and self._needed < _FOREVER:
            self._in += bytes(max(0, self._needed - len(self._in)))
            self._feed()
        self._reader = None
        self.failed = True
