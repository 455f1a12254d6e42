"""A therapy program: the parameters that Stage, Staged and Commit carry.

This is vocabulary, not permission: what a program may hold is known to the device alone, which
tells it in Limits.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from enum import IntEnum, unique
from typing import TYPE_CHECKING, Any, Self
from zlib import crc32

from stimloop_hw.loop import NO_LOOP, Loop

if TYPE_CHECKING:
    from collections.abc import Mapping

ENTRY = struct.Struct("<HBi")
"""One entry on the wire: parameter u16, channel u8, value i32."""
PART_ENTRIES = 30
"""Entries of one Stage at most, so that it and its read-back fit a signed frame."""
_SHARES = struct.Struct("<i")


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
    INTERPHASE_US = 11
    RECHARGE_RATIO = 12
    SLEW_DOWN_UA_S = 13
    SOFT_START_MS = 14
    SOFT_STOP_MS = 15
    CYCLE_ON_MS = 16
    CYCLE_OFF_MS = 17
    SHARES_0_3 = 18
    SHARES_4_7 = 19
    SHARES_8_11 = 20
    SHARES_12_15 = 21
    OFFSET_US = 22
    MAGNET_SWIPE_MS = 30
    MAGNET_AMPLITUDE_UA = 31
    MAGNET_WIDTH_US = 32
    MAGNET_ON_MS = 33
    PATIENT_MIN_UA = 36
    PATIENT_MAX_UA = 37
    PATIENT_STEP_UA = 38


@unique
class Mode(IntEnum):
    """How pulses come about."""

    TRAIN = 0
    TRIGGERED = 1


CASE = 1 << 15
"""Bit of the case among `cathodes` and `anodes`; bit k is contact k of the lead."""

PASSIVE = 0
"""`recharge_ratio` of a pulse whose charge returns through a discharge of the electrodes."""


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
    interphase_us : int
        Gap between cathodic phase and recharge, µs.
    recharge_ratio : int
        1 to 8: recharge at 1/ratio of the amplitude for ratio times the width; or `PASSIVE`.
    slew_down_ua_s : int
        Fastest decrease of amplitude, µA/s; 0 is `slew_ua_s`.
    soft_start_ms : int
        For so long after Start, and after each pause, nothing rises faster than to
        `amplitude_max_ua` within it.
    soft_stop_ms : int
        Duration of a ramped Stop, and of the way into each pause.
    cycle_on_ms, cycle_off_ms : int
        Pauses: soft start, `cycle_on_ms`, soft stop, and silence until ``on + off`` are over.
        Zeros are none.
    shares_0_3, shares_4_7, shares_8_11, shares_12_15 : int
        What part of its pole's current each contact carries, percent: a byte for each, lowest
        contact first, the case last. All zero: the contacts of a pole are tied together, and
        the tissue decides.
    offset_us : int
        Start of the pulse after that of its group's first program, which has 0, µs.
    magnet_swipe_ms : int
        While a magnet is held to the device its output is zero; one that was held for less than
        this starts a train when it is gone. 0: a magnet does nothing.
    magnet_amplitude_ua, magnet_width_us, magnet_on_ms : int
        That train: soft start, `magnet_on_ms`, soft stop. Zeros are none.
    patient_min_ua, patient_max_ua, patient_step_ua : int
        Between which levels, and in which steps, the patient may choose the largest amplitude
        of a therapy that runs alone, µA. Zeros leave no choice.
    loop : Loop
        What the device steers itself by; without one a host steers it.
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
    interphase_us: int = 30
    recharge_ratio: int = 1
    slew_down_ua_s: int = 0
    soft_start_ms: int = 0
    soft_stop_ms: int = 250
    cycle_on_ms: int = 0
    cycle_off_ms: int = 0
    shares_0_3: int = 0
    shares_4_7: int = 0
    shares_8_11: int = 0
    shares_12_15: int = 0
    offset_us: int = 0
    magnet_swipe_ms: int = 0
    magnet_amplitude_ua: int = 0
    magnet_width_us: int = 0
    magnet_on_ms: int = 0
    patient_min_ua: int = 0
    patient_max_ua: int = 0
    patient_step_ua: int = 0
    loop: Loop = NO_LOOP

    @property
    def shares_percent(self) -> tuple[int, ...]:
        """Share of each contact, percent; the case is the last of 16."""
        words = (self.shares_0_3, self.shares_4_7, self.shares_8_11, self.shares_12_15)
        return tuple(b"".join(_SHARES.pack(word) for word in words))

    def with_shares(self, shares_percent: Mapping[int, int]) -> Self:
        """The same program with these shares: number of the contact (15: case) → percent."""
        each = bytes(shares_percent.get(number, 0) for number in range(16))
        first, second, third, last = struct.unpack("<4i", each)
        return replace(
            self, shares_0_3=first, shares_4_7=second, shares_8_11=third, shares_12_15=last
        )

    def entries(self, channel: int = 0) -> bytes:
        """The program as Stage carries it: every `Parameter`, then the loop's."""
        values = [(parameter, getattr(self, parameter.name.lower())) for parameter in Parameter]
        return b"".join(
            ENTRY.pack(number, channel, value) for number, value in (*values, *self.loop.values)
        )

    def crc(self, channel: int = 0) -> int:
        """CRC-32 of `entries`: the program's name on the wire."""
        return crc32(self.entries(channel))

    @classmethod
    def of(cls, values: Mapping[int, int]) -> Self:
        """Build the program of these values by their numbers: each `Parameter`, then a loop's.

        Raises
        ------
        KeyError
            With a parameter's number, if it is missing.
        ValueError
            With a number, if it is no parameter of a program with this loop.
        """
        left = dict(values)
        fields: dict[str, Any] = {p.name.lower(): left.pop(p) for p in Parameter}
        return cls(**fields, loop=Loop.of(left))
