"""What the oscilloscope at the simulated electrodes sees, told over TCP as it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop_hw.trace import pulse_line, until_line

if TYPE_CHECKING:
    from stimloop_sim.oscilloscope import Oscilloscope
    from stimloop_sim.serve import TcpPort

MOST_UNSENT = 1 << 20
"""Bytes kept for a client that does not read; then they are thrown away with the client."""


class WitnessPort:
    """Tells pulses to one client at a time, from when it comes; see `stimloop_hw.trace`.

    Parameters
    ----------
    scope : Oscilloscope
    port : TcpPort
    """

    def __init__(self, scope: Oscilloscope, port: TcpPort) -> None:
        self._scope = scope
        self._port = port
        self._unsent = b""
        self._told_us = -1

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return self._port.address

    def fileno(self) -> int:
        """The client's descriptor, or the listener's while there is none."""
        return self._port.fileno()

    def tell(self, *, meet: bool) -> None:
        """Say what was seen since the last time, and how far that was.

        Parameters
        ----------
        meet : bool
            Whether a client comes or leaves: the next one hears whole lines from its first on.
        """
        if meet and not self._port.read():
            self._unsent = b""
        until_us = self._scope.until_us
        if until_us != self._told_us:
            self._told_us = until_us
            lines = b"".join(pulse_line(pulse) for pulse in self._scope.take())
            self._unsent += lines + until_line(until_us)
        self._unsent = self._unsent[self._port.write(self._unsent) :]
        if len(self._unsent) > MOST_UNSENT:
            self._unsent = b""
            self._port.unplug()
            self._port.plug()

    def close(self) -> None:
        """Stop listening."""
        self._port.close()
