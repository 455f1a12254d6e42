"""A therapy program: the parameters that Stage, Staged and Commit carry.

This is vocabulary, not permission: what a program may hold is known to the device alone, which
tells it in Limits.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields
from enum import IntEnum, unique
from typing import Self
from zlib import crc32

ENTRY = struct.Struct("<HBi")
"""One entry on the wire: parameter u16, channel u8, value i32."""


@unique
class Parameter(IntEnum):
    """Numbers of a program's parameters; never reused."""

    MODE = 1
    AMPLITUDE_MIN_UA = 2
    AMPLITUDE_MAX_UA = 3
    WIDTH_US = 4
    PERIOD_MIN_US = 5
    PERIOD_MAX_US = 6
    SLEW_UA_S = 7
    FALLBACK_UA = 8
    CATHODES = 9
    ANODES = 10


@unique
class Mode(IntEnum):
    """How pulses come about."""

    TRAIN = 0
    TRIGGERED = 1


CASE = 1 << 15
"""Bit of the case among `cathodes` and `anodes`; bit k is contact k of the lead."""


@dataclass(frozen=True, slots=True)
class Program:
    """The committed envelope of one channel: setpoints move inside it.

    Attributes
    ----------
    mode : int
        `Mode`: a continuous train, or pulses on Trigger only.
    amplitude_min_ua, amplitude_max_ua : int
        µA; zero is always allowed besides.
    width_us : int
        Width of the cathodic phase, µs.
    period_min_us, period_max_us : int
        µs.
    slew_ua_s : int
        Fastest change of amplitude, µA/s.
    fallback_ua : int
        Amplitude of FALLBACK, µA.
    cathodes, anodes : int
        Contacts as bits; `CASE` is the case.
    """

    mode: int
    amplitude_min_ua: int
    amplitude_max_ua: int
    width_us: int
    period_min_us: int
    period_max_us: int
    slew_ua_s: int
    fallback_ua: int
    cathodes: int
    anodes: int

    def entries(self, channel: int = 0) -> bytes:
        """The program as Stage carries it."""
        return b"".join(
            ENTRY.pack(Parameter[field.name.upper()], channel, getattr(self, field.name))
            for field in fields(self)
        )

    def crc(self, channel: int = 0) -> int:
        """CRC-32 of `entries`: the program's name on the wire."""
        return crc32(self.entries(channel))

    @classmethod
    def of(cls, values: dict[Parameter, int]) -> Self:
        """Build the program of these values, one for each `Parameter`."""
        return cls(
            **{field.name: values[Parameter[field.name.upper()]] for field in fields(cls)}
        )
