"""The words of StimJim: trains as lines of text, and what the device says of them.

Facts are those of its firmware (open-ephys/stimjim @ d3ee6ad); nothing of it was copied. Lines
end with a line feed, answers with both; numbers are whole. There is no checksum, no number of a
command, and text of an interrupt may come at any time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum, unique
from fractions import Fraction
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

CHANNELS = 2
TRAINS = 100
STAGES = 10
"""Most stages of a pulse; the firmware does not check it."""
STAGE_US = 20
"""Shortest stage that is kept, µs."""
UA_PER_DAC, UA_PER_ADC = Fraction(1_017, 10_000), Fraction(85, 100)
MV_PER_DAC, MV_PER_ADC = Fraction(4_574, 10_000), Fraction(244, 100)
DAC_TOP = 32_767
BOOTING = "Booting StimJim"
READY = "Ready to go!"
INVALID = "Invalid PulseTrain index."
DASHES = "-" * 34


@unique
class Mode(IntEnum):
    """What an output does."""

    VOLTAGE = 0
    CURRENT = 1
    HIGH_Z = 2
    GROUND = 3


UNITS = {Mode.VOLTAGE: "mV", Mode.CURRENT: "uA", Mode.HIGH_Z: "--", Mode.GROUND: "--"}


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a pulse.

    Attributes
    ----------
    amplitudes : tuple of int, 2
        Of each channel, µA or mV by its mode.
    duration_us : int
    """

    amplitudes: tuple[int, int]
    duration_us: int


@dataclass(frozen=True, slots=True)
class PulseTrain:
    """What one of the device's hundred places holds.

    Attributes
    ----------
    modes : tuple of Mode, 2
        Of each channel during a pulse; between pulses both are grounded.
    period_us, duration_us : int
    stages : tuple of Stage
    """

    modes: tuple[Mode, Mode] = (Mode.GROUND, Mode.GROUND)
    period_us: int = 0
    duration_us: int = 0
    stages: tuple[Stage, ...] = ()

    @property
    def pulse_us(self) -> int:
        """From the beginning of a pulse to its end, µs."""
        return sum(stage.duration_us for stage in self.stages)

    def command(self, place: int) -> str:
        """The line that defines it, without its end."""
        head = f"S{place},{self.modes[0]},{self.modes[1]},{self.period_us},{self.duration_us}"
        stages = (f"{s.amplitudes[0]},{s.amplitudes[1]},{s.duration_us}" for s in self.stages)
        return ";".join((head, *stages))

    @classmethod
    def told(cls, lines: Iterable[str]) -> tuple[int, Self] | None:
        """What a dump says: place and train; None where it is none.

        Parameters
        ----------
        lines : iterable of str
            From the line with the place on; other text between them makes it none.
        """
        text = "\n".join(line.strip() for line in lines if line.strip())
        found = _DUMP.fullmatch(text)
        if found is None:
            return None
        rows = [_ROW.fullmatch(row) for row in found["rows"].split("\n") if row]
        stages = []
        for number, row in enumerate(rows):
            if row is None or int(row["number"]) != number:
                return None
            amplitudes = (int(row["first"]), int(row["second"]))
            stages.append(Stage(amplitudes, int(row["us"])))
        train = cls(
            (Mode(int(found["mode0"])), Mode(int(found["mode1"]))),
            int(found["period"]),
            int(found["duration"]),
            tuple(stages),
        )
        return int(found["place"]), train


_DUMP = re.compile(
    r"Parameters for PulseTrain\[(?P<place>\d+)\]\n"
    r"mode\[ch0\]: *(?P<mode0>[0-3])[^\n]*\n"
    r"mode\[ch1\]: *(?P<mode1>[0-3])[^\n]*\n"
    r"period: *(?P<period>\d+) usec[^\n]*\n"
    r"duration: *(?P<duration>\d+) usec[^\n]*\n"
    r"(?P<header>[^\n]*)"
    r"(?P<rows>(\n[^\n-][^\n]*)*)\n-+"
)
_ROW = re.compile(
    r"(?P<number>\d+) +(?P<us>\d+) usec +(?P<first>-?\d+)\D* +(?P<second>-?\d+)\D*"
)
COMPLETE = re.compile(r"Train complete\. Delivered (\d+) pulses\.")
BY_STAGE = "Current/Voltage by stage:"
MEASURED = re.compile(r"Stage (\d+) *(-?\d+)(uA|mV)(?: *(-?\d+)(uA|mV))?")


def started(timer: str, place: int) -> str:
    """What the device says when a train starts."""
    return f"Started {timer} train with parameters of PulseTrain {place}"


def forced(timer: str) -> str:
    """What the device says when a train is stopped."""
    return f"Forcing {timer} train to stop"
