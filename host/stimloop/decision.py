"""The deciding tables of a prescription: detector, capture, controller, schedule.

Detectors and controllers are derived from what they declare (`stimloop.kinds`); no key of
theirs is written down here twice.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from stimloop.errors import Violation
from stimloop.kinds import Kinds, KindTable
from stimloop.quantities import Milliamperes, Number, Percentile, Table
from stimloop.violations import refusal, refusals
from stimloop_dsp import CONTROLLERS as OWN_CONTROLLERS
from stimloop_dsp import DETECTORS as OWN_DETECTORS
from stimloop_dsp.controllers.schedule import SLOTS
from stimloop_dsp.controllers.trains import TRAIN_CONTROLLERS
from stimloop_dsp.ecap_loop import ECAP_CONTROLLERS

if TYPE_CHECKING:
    from collections.abc import Iterator

_SLOT_MIN = 24 * 60 // SLOTS


class DetectorTable(KindTable):
    """A detector; its level is shown and recorded whatever the controller.

    Attributes
    ----------
    channel : int
        Sensing channel.
    threshold_uv : float or None
        Threshold of detector and controller, the upper of two, or the setpoint, µV; None where
        `Capture` finds it or nothing needs one.
    lower_uv : float or None
        The lower of two thresholds, µV; None where `Capture` finds it or there are not two.
    saturation_uv : float or None
        Samples beyond ± this are held, µV; the device's range if not given.
    """

    channel: int = Field(default=0, ge=0)
    threshold_uv: Annotated[Number, Field(gt=0)] | None = None
    lower_uv: Annotated[Number, Field(ge=0)] | None = None
    saturation_uv: Annotated[Number, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        found = []
        band_hz: tuple[float, float] | None = getattr(self, "band_hz", None)
        if band_hz is not None and not 0 < band_hz[0] < band_hz[1]:
            found.append(
                Violation(
                    "band_hz",
                    f"[{band_hz[0]:g}, {band_hz[1]:g}]",
                    "0 < lower < upper",
                    "write the lower edge first",
                )
            )
        release_uv: float | None = getattr(self, "release_uv", None)
        if release_uv is not None and release_uv > (self.threshold_uv or 0.0):
            found.append(
                Violation(
                    "release_uv",
                    f"{release_uv:g} µV",
                    "at most threshold_uv, and only with it",
                    "lower release_uv, or remove it: the threshold then serves both ways",
                )
            )
        if found:
            raise refusals(found)
        return self


class ControllerTable(KindTable):
    """A controller.

    Attributes
    ----------
    where : {'host', 'device'}
        Where its loop closes. On the device the committed program carries detector and
        controller, and the host only watches.
    """

    where: Literal["host", "device"] = "host"


DETECTORS = Kinds(
    "detector",
    "stimloop.detectors",
    OWN_DETECTORS,
    DetectorTable,
    frozenset({"fs_hz", "threshold_uv", "lower_uv", "saturation_uv"}),
    default="beta",
)
CONTROLLERS = Kinds(
    "controller",
    "stimloop.controllers",
    {**OWN_CONTROLLERS, **ECAP_CONTROLLERS, **TRAIN_CONTROLLERS},
    ControllerTable,
    frozenset(
        {
            *("tick_us", "amplitude_min_ua", "amplitude_max_ua"),
            *("period_us", "period_min_us", "period_max_us"),
            *("threshold_uv", "lower_uv"),
        }
    ),
)
Detector = Annotated[DetectorTable, PlainValidator(DETECTORS.validate)]
Controller = Annotated[ControllerTable, PlainValidator(CONTROLLERS.validate)]


class Capture(Table):
    """How a threshold is found: sense without stimulating, then take a percentile.

    Attributes
    ----------
    seconds : float
        For how long, up to an hour.
    percentile : float
        Of the level, 0 to 100: the threshold, the upper one, or the setpoint.
    lower_percentile : float or None
        Of the level: the lower threshold, where there are two.
    """

    seconds: Number = Field(gt=0, le=3600)
    percentile: Percentile
    lower_percentile: Percentile | None = None


def _time_of_day(value: str) -> str:
    hours, _, minutes = value.partition(":")
    parts_ok = all(len(part) == 2 and part.isdigit() for part in (hours, minutes))
    if not parts_ok or int(hours) > 23 or int(minutes) > 59:
        raise refusal('"00:00" to "23:59"', "write hours and minutes, in quotes")
    return value


def _half_hour(value: str) -> str:
    if minutes_of(value) % _SLOT_MIN:
        raise refusal("full and half hours", "choose one of them: the grid is 30 min")
    return value


def minutes_of(time_of_day: str) -> int:
    """Minutes since midnight of ``"HH:MM"``."""
    return 60 * int(time_of_day[:2]) + int(time_of_day[3:])


TimeOfDay = Annotated[str, AfterValidator(_time_of_day)]
HalfHour = Annotated[TimeOfDay, AfterValidator(_half_hour)]


class Entry(Table):
    """What applies during a part of the day.

    Attributes
    ----------
    begins, ends : str
        ``"HH:MM"``, on the half hour; an end before the beginning is on the next day.
    controller : ControllerTable
        As in the prescription.
    amplitude_ma, amplitude_min_ma : float or None
        Range of this controller, mA, within that of the prescription, which it is if not given.
    """

    begins: HalfHour
    ends: HalfHour
    controller: Controller
    amplitude_ma: Milliamperes | None = None
    amplitude_min_ma: Milliamperes | None = None

    @property
    def slots(self) -> Iterator[int]:
        """Half hours of the day that it covers, 0 to 47."""
        first = minutes_of(self.begins) // _SLOT_MIN
        count = (minutes_of(self.ends) // _SLOT_MIN - first) % SLOTS or SLOTS
        return ((first + k) % SLOTS for k in range(count))


class Schedule(Table):
    """Other controllers by time of day, on the device's clock.

    Attributes
    ----------
    starts_at : str
        Time of day at which the therapy starts, ``"HH:MM"``: no clock of the host is asked.
    entries : tuple of Entry
        At all other times the prescription's own controller acts.
    """

    starts_at: TimeOfDay
    entries: Annotated[tuple[Entry, ...], Field(strict=False, min_length=1)]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        covered = sorted(slot for entry in self.entries for slot in entry.slots)
        twice = [slot for slot, after in pairwise(covered) if slot == after]
        if twice:
            minutes = twice[0] * _SLOT_MIN
            raise refusals(
                [
                    Violation(
                        "schedule.entries",
                        f"two for {minutes // 60:02}:{minutes % 60:02}",
                        "one at a time",
                        "let one end where the other begins",
                    )
                ]
            )
        return self
