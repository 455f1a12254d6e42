"""How a lead is drawn: where each contact lies, by the kind of lead.

The device tells shapes and areas of its contacts, not how they lie; that the operator chooses
among the pictures that fit. A picture changes no number.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from typing import TYPE_CHECKING

from stimloop_hw.ranges import Shape, contacts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stimloop_hw.messages import Limits
    from stimloop_hw.ranges import Contact

SEGMENTS = "abc"
"""Of a level that is split in three, by their usual letters."""
_SPINAL_UM2 = 10_000_000
"""Rings of spinal leads are larger than this, those of deep-brain leads smaller."""


class Picture(Enum):
    """Kinds of leads: English names."""

    BRAIN = "deep-brain lead"
    PERCUTANEOUS = "percutaneous lead"
    PADDLE = "paddle"
    CUFF = "nerve cuff"


@dataclass(frozen=True, slots=True)
class Patch:
    """One contact in a picture of width 1 and height 1, the tip of a standing lead below.

    Attributes
    ----------
    contact : int
    x, y, width, height : float
        Its rectangle, from the upper left corner.
    place : str
        What it is called on the lead, such as ``2b``; empty where its number says all.
    """

    contact: int
    x: float
    y: float
    width: float
    height: float
    place: str = ""


def pictures(limits: Limits) -> tuple[Picture, ...]:
    """The pictures that fit a device's contacts, the likeliest first."""
    contacts = contacts_of(limits)
    shapes = {contact.shape for contact in contacts}
    if Shape.CUFF in shapes:
        return (Picture.CUFF,)
    if Shape.SEGMENT in shapes:
        return (Picture.BRAIN,)
    spinal = (Picture.PERCUTANEOUS, Picture.PADDLE)
    if contacts[0].area_um2 > _SPINAL_UM2:
        return (*spinal, Picture.BRAIN)
    return (Picture.BRAIN, *spinal)


def patches(picture: Picture, limits: Limits) -> list[Patch]:
    """Where each contact lies."""
    contacts = contacts_of(limits)
    match picture:
        case Picture.BRAIN:
            return _of_levels(_levels(contacts))
        case Picture.PERCUTANEOUS:
            return _row(len(contacts))
        case Picture.PADDLE:
            return _paddle(len(contacts))
        case Picture.CUFF:
            return _cuffs(len(contacts))


def _levels(contacts: Sequence[Contact]) -> list[tuple[int, ...]]:
    """Numbers of the contacts level by level, the tip first; segments three by three."""
    found: list[tuple[int, ...]] = []
    for shape, group in groupby(range(len(contacts)), lambda number: contacts[number].shape):
        numbers = tuple(group)
        width = len(SEGMENTS) if shape is Shape.SEGMENT else 1
        found += [numbers[k : k + width] for k in range(0, len(numbers), width)]
    return found


def _of_levels(levels: list[tuple[int, ...]]) -> list[Patch]:
    pitch = 1 / len(levels)
    high = pitch * 0.82
    found = []
    for level, numbers in enumerate(levels):
        width = 1 / len(numbers)
        y = 1 - (level + 1) * pitch + (pitch - high) / 2
        for place, number in enumerate(numbers):
            name = f"{level + 1}{SEGMENTS[place]}" if len(numbers) > 1 else ""
            found.append(Patch(number, place * width, y, width, high, name))
    return found


def _row(count: int) -> list[Patch]:
    """Lying, its tip on the left: eight contacts that stand would be too low to hit."""
    pitch = 1 / count
    return [
        Patch(number, (number + 0.05) * pitch, 0.3, pitch * 0.9, 0.4) for number in range(count)
    ]


def _paddle(count: int) -> list[Patch]:
    rows = -(-count // 2)
    pitch = 1 / rows
    return [
        Patch(
            number,
            0.08 + 0.46 * (number // rows),
            1 - (number % rows + 1) * pitch + pitch * 0.09,
            0.38,
            pitch * 0.82,
        )
        for number in range(count)
    ]


def _cuffs(count: int) -> list[Patch]:
    pitch = 1 / count
    return [
        Patch(number, 0.08, 1 - (number + 0.75) * pitch, 0.84, pitch * 0.5)
        for number in range(count)
    ]
