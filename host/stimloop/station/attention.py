"""A port that looks for STOP before it waits for the device.

Whatever is under way, a step or the thirty-second answer of a survey, ends up reading the port;
there it is abandoned as soon as somebody has asked to stop. So STOP waits for one read at most
(`stimloop_hw.ports.POLL_MS`), in one thread and without a queue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stimloop.station.callers import Callers
    from stimloop_hw.ports import Port


class Abandoned(Exception):
    """What was under way was given up, because STOP waits."""


class AttentivePort:
    """A port whose reads are abandoned while a STOP waits.

    Parameters
    ----------
    port : Port
    callers : Callers

    Attributes
    ----------
    attentive : bool
        Set to False while the STOP itself is sent and acknowledged.
    """

    def __init__(self, port: Port, callers: Callers) -> None:
        self.attentive = True
        self._port = port
        self._callers = callers

    @property
    def in_waiting(self) -> int:
        """As the port's own."""
        return self._port.in_waiting

    def read(self, size: int, /) -> bytes:
        """Read, as the port does.

        Raises
        ------
        Abandoned
            If a STOP waits; nothing was read then.
        """
        if self.attentive and self._callers.stop_waits:
            raise Abandoned
        return self._port.read(size)

    def write(self, data: bytes, /) -> int | None:
        """Write, as the port does."""
        return self._port.write(data)

    def close(self) -> None:
        """Release the port."""
        self._port.close()
