"""SL1 on the wire: ``00 | COBS(frame) | 00``.

::

    offset size
    0      1    version (high nibble, 1) and `Flag` (low nibble)
    1      1    message number
    2      2    sequence, counted per direction; an answer carries the request's
    4      4    session; 0 before Identity
    8      4    time, µs, low 32 bits: from the device when queued, to it not-after if EXPIRES
    12     n    payload, 0..238; if SIGNED, 0..230 and behind them 8 bytes of tag (see `seal`)
    12+n   4    CRC-32 (zlib's polynomial) of all before, seeded with the message table's CRC;
                seed 0 for 01-0F, Stop and Stopped, which any two ends can read

A frame has at most 254 bytes, so that COBS (Cheshire & Baker 1999, doi 10.1109/90.769765)
adds exactly one. The leading 00 flushes whatever noise stood on the line.
"""

from enum import IntFlag

from stimloop_hw._framing import (
    MAX_PAYLOAD,
    SMALLEST_ON_WIRE,
    Deframer,
    Frame,
    encode,
    wire_size,
)

__all__ = [
    "MAX_PAYLOAD",
    "PANIC",
    "SMALLEST_ON_WIRE",
    "Deframer",
    "Flag",
    "Frame",
    "encode",
    "wire_size",
]


class Flag(IntFlag):
    """Low nibble of a frame's first byte."""

    NONE = 0
    URGENT = 1
    EXPIRES = 2
    REPLY = 4
    SIGNED = 8


PANIC = bytes.fromhex("00021800")
"""Stop where framing is hopeless: this, three times within 50 ms."""
