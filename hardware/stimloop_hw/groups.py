"""Groups A to D of up to four programs: the set that is staged, committed and kept as one.

The programs of a group share one rate and are interleaved within its period. A program's place
in the set, group * 4 + number in it, is the *channel* of its entries and of its setpoints: what
is meant for another group than the one that runs can never be taken for this one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self
from zlib import crc32

from stimloop_hw.program import ENTRY, Program

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from stimloop_hw.messages import Status

GROUPS = 4
PROGRAMS = 4
"""Of a group, at most."""
PLACES = GROUPS * PROGRAMS
NAMES = "ABCD"
"""Of the groups, by their numbers."""
_OUTPUT = struct.Struct("<3i")


class Output(NamedTuple):
    """What Status tells of one program, µA: programmed, quantised, delivered."""

    setpoint_ua: int
    amplitude_ua: int
    delivered_ua: int


def pack_others(outputs: Iterable[Output]) -> bytes:
    """`Status.others`: all programs of the active group but the first."""
    return b"".join(_OUTPUT.pack(*output) for output in outputs)


def outputs_of(status: Status) -> tuple[Output, ...]:
    """Every program of the active group, as a Status tells them.

    Raises
    ------
    struct.error
        If `Status.others` is no whole number of rows.
    """
    first = Output(status.setpoint_ua, status.amplitude_ua, status.delivered_ua)
    return (first, *map(Output._make, _OUTPUT.iter_unpack(status.others)))


def group_name(group: int) -> str:
    """How people call a group: A to D, by its number from 0."""
    return NAMES[group] if group < GROUPS else f"number {group}"


def place_name(place: int) -> str:
    """How people call a program of the set: its group and its number from 1, such as B2."""
    group, number = divmod(place, PROGRAMS)
    return f"{NAMES[group]}{number + 1}" if group < GROUPS else f"at place {place}"


@dataclass(frozen=True, slots=True)
class ProgramSet:
    """Every program that a device holds.

    Attributes
    ----------
    groups : tuple of tuple of Program
        A to D, each with up to four programs; one without any does not exist.
    """

    groups: tuple[tuple[Program, ...], ...]

    @classmethod
    def single(cls, program: Program) -> Self:
        """One program alone, in group A."""
        return cls(((program,), (), (), ()))

    def placed(self) -> Iterator[tuple[int, Program]]:
        """Each program behind its place."""
        for group, programs in enumerate(self.groups):
            for number, program in enumerate(programs):
                yield group * PROGRAMS + number, program

    def entries(self) -> bytes:
        """The whole set, in the order of the places."""
        return b"".join(program.entries(place) for place, program in self.placed())

    def crc(self) -> int:
        """CRC-32 of `entries`: the set's name on the wire."""
        return crc32(self.entries())

    @classmethod
    def parse(cls, entries: bytes) -> Self:
        """The set of these `entries`, each program whole, those of a group without a gap.

        Raises
        ------
        KeyError, ValueError
            As `Program.of`.
        """
        values: dict[int, dict[int, int]] = {}
        for number, place, value in ENTRY.iter_unpack(entries):
            values.setdefault(place, {})[number] = value
        programs = {place: Program.of(of_program) for place, of_program in values.items()}
        return cls.of(programs)

    @classmethod
    def of(cls, programs: Mapping[int, Program]) -> Self:
        """The set of these programs by their places."""
        places = sorted(programs)
        return cls(
            tuple(
                tuple(programs[k] for k in places if k // PROGRAMS == group)
                for group in range(GROUPS)
            )
        )
