"""Who saw the pulses: the simulator's own record, or any recorder that tells them in lines.

What the device says of its output is its own word. A witness measures at the electrodes; see
`stimloop_hw.trace` for what it has to write.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from stimloop_hw.errors import LinkError, LinkLost
from stimloop_hw.ports import open_port
from stimloop_hw.trace import read_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop_hw.ports import Port
    from stimloop_hw.trace import TracedPulse

PATIENCE_MS = 2000
"""How long a witness that writes nothing is waited for."""
LOOK_MS = 10
"""Length of one look: the device waits for us meanwhile, and its lease goes on."""
READ = 1 << 16
LONGEST_LINE = 1 << 16


class Scope(Protocol):
    """The oscilloscope of a port that has one: the simulator's, in this very process."""

    @property
    def until_us(self) -> int:
        """Device time up to which it has been looked."""

    def take(self) -> list[TracedPulse]:
        """Pulses since the last look."""


class Witness(Protocol):
    """Somebody who saw the pulses.

    Attributes
    ----------
    pulses : list of TracedPulse
        All that it has told, in the order of their times.
    """

    pulses: list[TracedPulse]

    @property
    def until_us(self) -> int:
        """Device time up to which it has told everything, µs; -1 before it has."""

    def look(self, until_us: int) -> None:
        """Wait until it has told everything before this device time.

        Raises
        ------
        LinkLost
            If it tells nothing any more.
        """


class OwnRecord:
    """What the simulator's oscilloscope saw.

    Parameters
    ----------
    scope : Scope
    """

    def __init__(self, scope: Scope) -> None:
        self.pulses: list[TracedPulse] = []
        self._scope = scope

    @property
    def until_us(self) -> int:
        """Device time up to which it can be looked."""
        return self._scope.until_us

    def look(self, until_us: int) -> None:
        """Look now; the simulator's time has passed already."""
        self.pulses += self._scope.take()
        if self._scope.until_us < until_us:
            raise LinkLost(
                f"the witness has seen up to {self._scope.until_us} µs, not {until_us} µs; "
                "look later"
            )


class Lines:
    """A recorder that writes lines to a port.

    Parameters
    ----------
    port : Port
    name : str
        How errors call it.
    """

    def __init__(self, port: Port, name: str) -> None:
        self.pulses: list[TracedPulse] = []
        self._port = port
        self._name = name
        self.until_us = -1
        self._rest = b""

    def look(self, until_us: int) -> None:
        """Read until it has told so far."""
        silent_ms = 0
        while self.until_us < until_us:
            try:
                data = self._port.read(READ)  # pyserial's sockets do not tell how much waits
            except OSError as problem:
                raise LinkLost(f"the witness {self._name} is gone: {problem}") from problem
            silent_ms = 0 if data else silent_ms + LOOK_MS
            if silent_ms >= PATIENCE_MS:
                raise LinkLost(
                    f"the witness {self._name} tells nothing for {PATIENCE_MS} ms; check that "
                    "it looks at this device and writes until_us"
                )
            self._take(data)

    def _take(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            raise LinkError(f"{self._name} is no witness: its lines have no end")
        for line in filter(None, lines):
            try:
                told = read_line(line)
            except ValueError as problem:
                raise LinkError(f"{self._name} is no witness: {problem}") from problem
            if isinstance(told, int):
                self.until_us = told
            else:
                self.pulses.append(told)


@contextmanager
def open_witness(port: Port, url: str | None) -> Iterator[Witness | None]:
    """Open the witness of a device.

    Parameters
    ----------
    port : Port
        The device's own; one of the simulator brings its witness with it.
    url : str or None
        Where a recorder writes lines: any pyserial URL.

    Raises
    ------
    LinkError
        If it cannot be opened.
    """
    if url is not None:
        opened: Any = open_port(url)  # pyserial's ports have a timeout
        opened.timeout = LOOK_MS / 1000
        with closing(opened):
            yield Lines(opened, url)
        return
    scope: Scope | None = getattr(port, "oscilloscope", None)
    yield None if scope is None else OwnRecord(scope)
