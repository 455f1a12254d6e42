"""From a prescription to a loop that closes on the device: the same numbers, as integers.

What is no whole number of the device's unit is refused, never rounded: the loop on the device
has to be the one on the host, to the bit.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from stimloop import tables
from stimloop.assembly import BELOW_RAIL_UV
from stimloop.errors import Violation
from stimloop.quantities import exact
from stimloop_hw.loop import (
    NO_LOOP,
    EmbeddedController,
    EmbeddedDetector,
    Loop,
    LoopParameter,
    Smoothing,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stimloop.prescription import Prescription
    from stimloop_hw.messages import Limits

KINDS: Final[Mapping[str, EmbeddedController]] = MappingProxyType(
    {
        "continuous": EmbeddedController.CONTINUOUS,
        "on_off": EmbeddedController.ON_OFF,
        "dual_threshold": EmbeddedController.DUAL_THRESHOLD,
        "proportional": EmbeddedController.PROPORTIONAL,
        "proportional_integral": EmbeddedController.PROPORTIONAL_INTEGRAL,
    }
)
"""Controllers of a prescription that have a number, and so run on a device."""

_P = LoopParameter


def loop_of(asked: Prescription, limits: Limits) -> Loop:
    """Express the loop in the device's integers.

    Parameters
    ----------
    asked : Prescription
        Without `violations`.
    limits : Limits
        Of the device: its range is what an omitted saturation means.

    Returns
    -------
    Loop
        `NO_LOOP` where the loop closes on the host.
    """
    if asked.controller.where == "host":
        return NO_LOOP
    detector, told = asked.detector, asked.detector.values()
    never_nv = limits.sense_range_uv * 1000  # no level is above the converter's range
    threshold_nv = _whole(detector.threshold_uv, 1000) or never_nv
    saturation_uv = detector.saturation_uv or limits.sense_range_uv - BELOW_RAIL_UV
    values: dict[int, int] = {
        _P.DETECTOR: EmbeddedDetector.BETA,
        _P.CONTROLLER: KINDS[asked.controller.kind],
        _P.SENSE_CHANNEL: detector.channel,
        _P.SATURATION_UV: _whole(saturation_uv, 1),
        _P.BAND_ORDER: told["order"],
        _P.SMOOTHING: Smoothing[told["smoothing"].upper()],
        _P.THRESHOLD_NV: threshold_nv,
        _P.RELEASE_NV: threshold_nv
        if told["release_uv"] is None
        else _whole(told["release_uv"], 1000),
    }
    for _, parameter, value, factor, _ in _numbers(asked):
        values.setdefault(parameter, _whole(value, factor))
    return Loop.of(values)


def _whole(value: float | None, factor: int) -> int:
    return 0 if value is None else int(exact(value) * factor)


def _numbers(
    asked: Prescription,
) -> Iterator[tuple[str, LoopParameter, float | None, int, str]]:
    """Key, parameter, value, factor to the device's unit, and that unit's name."""
    detector, told = asked.detector, asked.detector.values()
    low_hz, high_hz = told["band_hz"]
    yield "detector.band_hz", _P.BAND_LOW_MHZ, low_hz, 1000, "mHz"
    yield "detector.band_hz", _P.BAND_HIGH_MHZ, high_hz, 1000, "mHz"
    yield "detector.saturation_uv", _P.SATURATION_UV, detector.saturation_uv, 1, "µV"
    yield "detector.smooth_ms", _P.SMOOTH_MS, told["smooth_ms"], 1, "ms"
    yield "detector.threshold_uv", _P.THRESHOLD_NV, detector.threshold_uv, 1000, "nV"
    yield "detector.release_uv", _P.RELEASE_NV, told["release_uv"], 1000, "nV"
    yield "detector.onset_ms", _P.ONSET_MS, told["onset_ms"], 1, "ms"
    yield "detector.termination_ms", _P.TERMINATION_MS, told["termination_ms"], 1, "ms"
    yield "detector.blanking_ms", _P.BLANKING_MS, told["blanking_ms"], 1, "ms"
    if asked.controller.declares("lower_uv"):
        yield "detector.lower_uv", _P.LOWER_NV, detector.lower_uv, 1000, "nV"
    for key, parameter, factor, unit in (
        ("ramp_up_ms", _P.RAMP_UP_MS, 1, "ms"),
        ("ramp_down_ms", _P.RAMP_DOWN_MS, 1, "ms"),
        ("kp_ma", _P.GAIN_UA, 1000, "µA"),
        ("ti_s", _P.INTEGRAL_MS, 1000, "ms"),
    ):
        value: float | None = getattr(asked.controller, key, None)
        if value is not None:
            yield f"controller.{key}", parameter, value, factor, unit


def violations(asked: Prescription) -> Iterator[Violation]:
    """Find what keeps the loop from closing on the device; needs no device.

    Parameters
    ----------
    asked : Prescription

    Yields
    ------
    Violation
    """
    if any(table.where == "device" for table in asked.controllers[1:]) or (
        asked.schedule is not None and asked.controller.where == "device"
    ):
        yield Violation(
            "schedule",
            'controllers with where = "device"',
            "a schedule on the host: the device knows no time of day",
            'remove the schedule, or where = "device"',
        )
        return
    if asked.controller.where == "host":
        return
    if asked.detector.kind != "beta":
        yield Violation(
            "controller.where",
            f'"device" behind a detector of kind {asked.detector.kind}',
            '"host", or a detector of kind beta',
            "choose one of them",
        )
        return
    if asked.controller.kind not in KINDS:
        known = ", ".join(KINDS)
        yield Violation(
            "controller.where",
            f'"device" for a controller of kind {asked.controller.kind}, which has no number '
            "there",
            f'"host", or a controller that runs on a device: {known}',
            "choose one of them",
        )
        return
    if asked.capture is not None:
        yield Violation(
            "capture",
            'a threshold to be captured, with where = "device"',
            "one that is written down: the device gets it before it senses",
            "capture it with the loop on the host, and write it to detector.threshold_uv",
        )
    if asked.governor != tables.Governor():
        yield Violation(
            "governor.switches_per_min",
            f'{asked.governor.switches_per_min} with where = "device"',
            "a loop on the host: the device counts no switches",
            "remove it, or let the loop close on the host",
        )
    for field, _, value, factor, unit in _numbers(asked):
        if value is not None and (exact(value) * factor).denominator != 1:
            yield Violation(
                field,
                f'{value:.12g} with where = "device"',
                f"whole {unit} on a device",
                "round it",
            )
