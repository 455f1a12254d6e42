"""A device's trends as Trends carries them: a row for every ten minutes."""

from __future__ import annotations

import struct
from dataclasses import dataclass

ROW = struct.Struct("<HIII")
"""Boot u16; device time at the end, s, u32; mean level, nV, u32; mean amplitude, µA, u32."""


@dataclass(frozen=True, slots=True)
class Trend:
    """Ten minutes of a device.

    Attributes
    ----------
    boot : int
        Number of the start that they belong to.
    end_s : int
        Device time at their end, s since that start.
    level_nv : int
        Mean level of the band, nV.
    amplitude_ua : int
        Mean amplitude, µA.
    """

    boot: int
    end_s: int
    level_nv: int
    amplitude_ua: int


def unpack(rows: bytes) -> list[Trend]:
    """Trends of a message.

    Raises
    ------
    ValueError
        If the bytes are no whole number of rows.
    """
    if len(rows) % ROW.size:
        raise ValueError(f"{len(rows)} bytes are no whole number of rows of {ROW.size}")
    return [Trend(*values) for values in ROW.iter_unpack(rows)]
