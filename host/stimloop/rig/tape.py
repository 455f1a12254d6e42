"""Every byte of a wire, as it went: the raw record of what was asked and answered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stimloop_hw.ports import Port


class Tape:
    """A port whose traffic is kept.

    Parameters
    ----------
    port : Port

    Attributes
    ----------
    lines : list of str
        One of JSON for each read that brought bytes and each write: ``{"out": "hex"}`` to the
        device, ``{"in": "hex"}`` from it.
    """

    def __init__(self, port: Port) -> None:
        self.lines: list[str] = []
        self._port = port

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read at once."""
        return self._port.in_waiting

    def read(self, size: int, /) -> bytes:
        """Read, and keep what came."""
        data = self._port.read(size)
        if data:
            self.lines.append(json.dumps({"in": data.hex()}))
        return data

    def write(self, data: bytes, /) -> int | None:
        """Write, and keep what went."""
        self.lines.append(json.dumps({"out": bytes(data).hex()}))
        return self._port.write(data)

    def close(self) -> None:
        """Release the port."""
        self._port.close()
