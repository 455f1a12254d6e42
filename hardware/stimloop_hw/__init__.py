"""The wire as the host sees it: messages, framing, link.

Resistor or saline loads and simulators only; never a person or an animal.
"""

from stimloop_hw.blocks import Block
from stimloop_hw.errors import (
    LinkError,
    LinkLost,
    OrderRefused,
    StimloopError,
    WrongKey,
    WrongPeer,
)
from stimloop_hw.link import Link

__all__ = [
    "Block",
    "Link",
    "LinkError",
    "LinkLost",
    "OrderRefused",
    "StimloopError",
    "WrongKey",
    "WrongPeer",
]
