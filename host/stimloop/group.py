"""One group of interleaved programs, and the ones of it that no loop moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stimloop.governor import Governor
from stimloop_dsp import Setting
from stimloop_hw.groups import PROGRAMS, ProgramSet, outputs_of
from stimloop_hw.messages import Setpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop_dsp import Quality
    from stimloop_hw.messages import Limits, Status
    from stimloop_hw.program import Program


@dataclass(frozen=True, slots=True)
class Group:
    """What a prescription has committed: the only group of its set.

    Attributes
    ----------
    number : int
        0 to 3 for A to D.
    programs : tuple of Program
        One to four, the one that a loop moves first.
    """

    number: int
    programs: tuple[Program, ...]

    @property
    def first(self) -> Program:
        """The program that a loop moves."""
        return self.programs[0]

    @property
    def place(self) -> int:
        """Of the first program in the set; the others follow it."""
        return self.number * PROGRAMS

    @property
    def set(self) -> ProgramSet:
        """As it is staged."""
        return ProgramSet.of(dict(enumerate(self.programs, self.place)))


class Fixed:
    """The further programs of a group: each led to its largest amplitude by its own governor.

    They are governed by the readings that the first one is governed by: held where it is held,
    at their fallbacks where it is at its own.

    Parameters
    ----------
    group : Group
    limits : Limits
    tick_us : int
        Time between two orders, µs.
    """

    def __init__(self, group: Group, limits: Limits, tick_us: int) -> None:
        self._programs = group.programs[1:]
        self._first = group.place + 1
        self._governors = [Governor(program, limits, tick_us) for program in self._programs]
        self._sent_ua = [0] * len(self._programs)
        self._lost = False

    def admit(self, period_us: int, quality: Quality, *, chatters: bool = False) -> list[int]:
        """Order the next amplitudes, µA.

        Parameters
        ----------
        period_us : int
            Of the group, as ordered for the first program.
        quality : Quality
            Of the reading.
        chatters : bool
            As for `Governor.admit`.
        """
        return [
            governor.admit(
                Setting(program.amplitude_max_ua, period_us), quality, chatters=chatters
            ).amplitude_ua
            for governor, program in zip(self._governors, self._programs, strict=True)
        ]

    def setpoints(
        self, amplitudes_ua: list[int], period_us: int, sp: int
    ) -> Iterator[Setpoint]:
        """What has to be sent: what has changed, or the device did not follow.

        Parameters
        ----------
        amplitudes_ua : list of int
            As admitted.
        period_us : int
        sp : int
            Number of the latest setpoint that was sent before.
        """
        for number, amplitude_ua in enumerate(amplitudes_ua):
            if amplitude_ua != self._sent_ua[number] or self._lost:
                sp += 1
                self._sent_ua[number] = amplitude_ua
                yield Setpoint(sp, self._first + number, amplitude_ua, period_us, 0)
        self._lost = False

    def followed(self, status: Status) -> bool:
        """Whether the device stands where these programs were ordered to."""
        told = [output.setpoint_ua for output in outputs_of(status)[1:]]
        return told == self._sent_ua

    def rebase(self, status: Status) -> None:
        """Go on from what the device delivers, and send it again."""
        self._lost = True
        for governor, output in zip(self._governors, outputs_of(status)[1:], strict=False):
            governor.rebase(output.amplitude_ua)
