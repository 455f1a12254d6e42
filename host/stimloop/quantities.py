"""The kinds of value that a prescription's tables hold, each strict about what it takes."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from stimloop.violations import refusal
from stimloop_hw.program import CASE

if TYPE_CHECKING:
    from stimloop_hw.ranges import Run

CONTACTS = {**{str(number): 1 << number for number in range(15)}, "case": CASE}
"""Bit of each contact's name in a program."""


def exact(value: float) -> Fraction:
    """The number that was written, not the binary one beside it."""
    return Fraction(Decimal(repr(value)))


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise refusal("a number", "write digits without quotes")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise refusal("a finite number", "write digits")
    if isinstance(value, Decimal) and Decimal(repr(number)) != value:
        raise refusal("a number of at most 15 digits", "round it")
    return number


def _whole_microamperes(value: float) -> float:
    if (exact(value) * 1000).denominator != 1:
        raise refusal("at most three decimals (0.001 mA)", "round it")
    return value


def _contact(value: str) -> str:
    if value not in CONTACTS:
        raise refusal('"0" to "14" and "case"', "name a contact of the lead, in quotes")
    return value


def _not_empty(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise refusal("at least one contact", "name one")
    return value


def _device_id(value: str) -> str:
    if re.fullmatch("[0-9A-F]{16}", value) is None:
        raise refusal("16 of the digits 0 to 9 and A to F", "copy it from stimloop status")
    return value


DeviceId = Annotated[str, AfterValidator(_device_id)]
Number = Annotated[float, BeforeValidator(_number)]
Milliamperes = Annotated[Number, Field(ge=0, le=1_000_000), AfterValidator(_whole_microamperes)]
Contacts = Annotated[
    tuple[Annotated[str, AfterValidator(_contact)], ...],
    Field(strict=False),
    AfterValidator(_not_empty),
]
Percentile = Annotated[Number, Field(ge=0, le=100)]
Milliseconds = Annotated[Number, Field(ge=0, le=3_600_000)]


class Table(BaseModel):
    """A table of the file: frozen, without coercion, without unknown keys."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


def neighbours(runs: tuple[Run, ...], value: Fraction) -> tuple[int, int]:
    """Nearest values of a device to either side of one within its range; equal if it has it.

    Parameters
    ----------
    runs : tuple of Run
    value : Fraction
    """
    steps = [(run, (value - run.low) / run.step) for run in runs]
    below = [
        run.low + min(math.floor(step), (run.high - run.low) // run.step) * run.step
        for run, step in steps
        if step >= 0
    ]
    above = [
        run.low + max(math.ceil(step), 0) * run.step for run, step in steps if value <= run.high
    ]
    return max(below, default=runs[0].low), min(above, default=runs[-1].high)
