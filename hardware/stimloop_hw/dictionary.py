"""The data dictionary: what every number on the wire means, as the device itself tells it.

A zlib stream of JSON: the messages of the table with their layout, rights and deadlines, and
the enumerations. A host that meets a table it does not know can still say what the device
speaks, since GetDict and DictChunk are readable with any table.
"""

from __future__ import annotations

import json
import zlib
from functools import cache
from typing import Any

from stimloop_hw.messages import MESSAGES, TABLE_CRC, fields_of
from stimloop_hw.protocol import ENUMS

CHUNK = 200
"""Bytes of the dictionary in one answer, at most."""
LARGEST = 1 << 20
"""A dictionary of more bytes, packed or unpacked, is none."""


@cache
def packed() -> bytes:
    """The dictionary of this release's table, as it goes over the wire."""
    entries = {
        "table_crc": TABLE_CRC,
        "messages": {
            f"{number:02X}": {
                "name": kind.__name__,
                "sender": kind.sender.name,
                "role": kind.needs.name,
                "expires": kind.expires,
                "fields": fields_of(kind),
            }
            for number, kind in sorted(MESSAGES.items())
        },
        "enums": {
            enum.__name__: {member.name: member.value for member in enum if member.name}
            for enum in ENUMS
        },
    }
    return zlib.compress(json.dumps(entries, separators=(",", ":")).encode(), 9)


def unpacked(data: bytes) -> dict[str, Any]:
    """Read a dictionary.

    Raises
    ------
    ValueError
        If it is none, or larger than `LARGEST`.
    """
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, LARGEST)
    except zlib.error as problem:
        raise ValueError(f"this is no data dictionary: {problem}") from problem
    if not unpacker.eof:
        raise ValueError("the data dictionary is cut short or too large")
    found: dict[str, Any] = json.loads(text)
    return found
