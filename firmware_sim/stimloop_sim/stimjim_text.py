"""What a simulated StimJim makes of the host's numbers, and how it tells what it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop_hw.stimjim_protocol import DASHES, STAGES, UNITS, Mode, PulseTrain, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

_TEXT = {
    Mode.VOLTAGE: "Voltage output",
    Mode.CURRENT: "Current output",
    Mode.HIGH_Z: "No output (high-Z)",
    Mode.GROUND: "No output (grounded)",
}


def whole(text: str) -> int:
    """The number that a text begins with, 0 if it begins with none, as C reads it."""
    text = text.strip()
    sign = -1 if text[:1] == "-" else 1
    digits = text[1:] if text[:1] in ("+", "-") else text
    count = 0
    while count < len(digits) and digits[count] in "0123456789":
        count += 1
    return sign * int(digits[:count] or "0")


def mode(number: int) -> Mode:
    """What an output does that is asked for this; grounded for anything unknown."""
    return Mode(number) if number in (0, 1, 2) else Mode.GROUND


def train_of(numbers: Sequence[int], rows: Sequence[str]) -> PulseTrain:
    """The train that a definition makes, whatever of it is missing.

    Parameters
    ----------
    numbers : sequence of int
        Modes of both channels, period and duration.
    rows : sequence of str
        Of the stages.
    """
    first, second, period_us, duration_us = (*numbers, *(3, 3, 0, 0)[len(numbers) :])[:4]
    stages = []
    for row in rows[:STAGES]:
        values = [*(whole(part) for part in row.split(",")), 0, 0][:3]
        stages.append(Stage((values[0], values[1]), max(0, values[2])))
    return PulseTrain(
        (mode(first), mode(second)), max(0, period_us), max(0, duration_us), tuple(stages)
    )


def dump(place: int, train: PulseTrain) -> list[str]:
    """Lines that tell what a place holds."""
    hz = 1e6 / train.period_us if train.period_us else 0.0
    period_s, duration_s = train.period_us / 1e6, train.duration_us / 1e6
    rows = []
    for number, stage in enumerate(train.stages):
        first, second = (
            f"{amplitude:8d}{UNITS[kind]}"
            for amplitude, kind in zip(stage.amplitudes, train.modes, strict=True)
        )
        rows.append(f"   {number:2d}  {stage.duration_us:7d} usec {first} {second}")
    return [
        DASHES,
        f"Parameters for PulseTrain[{place}]",
        *(f"  mode[ch{k}]: {kind.value} ({_TEXT[kind]})" for k, kind in enumerate(train.modes)),
        f"  period:    {train.period_us} usec ({period_s:0.3f} sec, {hz:0.3f} Hz)",
        f"  duration:  {train.duration_us} usec ({duration_s:0.3f} sec)",
        "",
        "  stage  duration      output0    output1",
        *rows,
        DASHES,
        "",
    ]
