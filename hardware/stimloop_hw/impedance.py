"""An impedance measurement as ImpedanceResult carries it.

This is vocabulary: current, width and the thresholds of open and short are the device's own.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PAIR = struct.Struct("<BBII")
"""One pair on the wire: other contact u8, lead u8, resistance Ω u32, capacitance nF u32."""

CASE_CONTACT = 255
"""Number of the case among the contacts of a pair."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What was measured between a contact and another.

    Attributes
    ----------
    other : int
        Contact, or `CASE_CONTACT`.
    lead : int
        `stimloop_hw.vocabulary.Lead`: OPEN and SHORT.
    resistance_ohm : int
        Ω; of an open pair what the device's supply can tell at least.
    capacitance_nf : int
        nF; 0 where no current flowed.
    """

    other: int
    lead: int
    resistance_ohm: int
    capacitance_nf: int


def pack(pairs: Iterable[Pair]) -> bytes:
    """Pairs as ImpedanceResult carries them."""
    return b"".join(
        PAIR.pack(pair.other, pair.lead, pair.resistance_ohm, pair.capacitance_nf)
        for pair in pairs
    )


def unpack(data: bytes) -> list[Pair]:
    """Pairs of an ImpedanceResult.

    Raises
    ------
    ValueError
        If the bytes are no whole number of pairs.
    """
    if len(data) % PAIR.size:
        raise ValueError(f"{len(data)} bytes are no whole number of pairs of {PAIR.size}")
    return [Pair(*values) for values in PAIR.iter_unpack(data)]
