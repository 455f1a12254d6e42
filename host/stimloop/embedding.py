"""From a prescription to a loop that closes on the device: the same numbers, as integers.

What is no whole number of the device's unit is refused, never rounded: the loop on the device
has to be the one on the host, to the bit.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from stimloop import tables
from stimloop.assembly import BELOW_RAIL_UV
from stimloop.errors import Violation
from stimloop.quantities import exact
from stimloop_dsp.percept import BAND_HZ
from stimloop_dsp.rcs import DetectorConfig, FftConfig
from stimloop_hw.loop import (
    DECIDED_BY,
    NO_LOOP,
    STATES_UA,
    EmbeddedController,
    EmbeddedDetector,
    Loop,
    LoopParameter,
    Smoothing,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from fractions import Fraction

    from stimloop.prescription import Prescription
    from stimloop_hw.messages import Limits

KINDS: Final[Mapping[str, EmbeddedController]] = MappingProxyType(
    {
        "continuous": EmbeddedController.CONTINUOUS,
        "on_off": EmbeddedController.ON_OFF,
        "dual_threshold": EmbeddedController.DUAL_THRESHOLD,
        "proportional": EmbeddedController.PROPORTIONAL,
        "proportional_integral": EmbeddedController.PROPORTIONAL_INTEGRAL,
        "percept_dual": EmbeddedController.PERCEPT,
        "percept_single": EmbeddedController.PERCEPT,
        "nine_states": EmbeddedController.NINE_STATES,
    }
)
"""Controllers of a prescription that have a number, and so run on a device."""

_P = LoopParameter
_LINEAR = (
    *("BIN_FIRST", "BIN_LAST", "BIAS_LOW", "BIAS_HIGH"),
    *("UPDATE_POWERS", "ONSET_UPDATES", "TERMINATION_UPDATES", "BLANKING_POWERS"),
)
"""What each linear detector has of its own."""


class Part(NamedTuple):
    """One number of a loop.

    Attributes
    ----------
    field : str
        Where the prescription has it.
    parameter : LoopParameter
    shown : float
        As prescribed.
    exactly : Fraction
        In the device's unit: a whole number, or not for a device.
    unit : str
        The device's unit.
    """

    field: str
    parameter: LoopParameter
    shown: float
    exactly: Fraction
    unit: str


def _part(
    field: str, parameter: LoopParameter, value: float | None, factor: int, unit: str
) -> Part:
    """Of a value in the prescription's unit; what is left out is zero."""
    shown = value or 0.0
    return Part(field, parameter, shown, exact(shown) * factor, unit)


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
    values: dict[int, int] = {part.parameter: int(part.exactly) for part in _parts(asked)}
    values[_P.DETECTOR] = _detector_of(asked)
    values[_P.CONTROLLER] = KINDS[asked.controller.kind]
    values[_P.SENSE_CHANNEL] = asked.detector.channel
    if asked.detector.saturation_uv is None:
        values[_P.SATURATION_UV] = int(limits.sense_range_uv - BELOW_RAIL_UV)
    if asked.detector.kind == "beta":
        told = asked.detector.values()
        values[_P.SMOOTHING] = Smoothing[told["smoothing"].upper()]
        if asked.detector.threshold_uv is None:  # no level is above the converter's range
            values[_P.THRESHOLD_NV] = limits.sense_range_uv * 1000
        if told["release_uv"] is None:
            values[_P.RELEASE_NV] = values[_P.THRESHOLD_NV]
    return Loop.of(values)


def _detector_of(asked: Prescription) -> EmbeddedDetector:
    """Which detector; NONE for one that has no number."""
    match asked.detector.kind:
        case "beta":
            return EmbeddedDetector.BETA
        case "percept_dual" | "percept_single":
            return EmbeddedDetector.PERCEPT
        case "rcs":
            pair = len(asked.detector.values()["bins"]) > 2
            return EmbeddedDetector.RCS_PAIR if pair else EmbeddedDetector.RCS
    return EmbeddedDetector.NONE


def _parts(asked: Prescription) -> Iterator[Part]:
    """All numbers of a loop that the prescription gives."""
    detector, told = asked.detector, asked.detector.values()
    yield _part("detector.saturation_uv", _P.SATURATION_UV, detector.saturation_uv, 1, "µV")
    match detector.kind:
        case "beta":
            yield from _of_beta(asked, told)
        case "rcs":
            yield from _of_rcs(told)
        case _:
            yield from _of_percept(asked, told)
    yield from _of_controller(asked)


def _of_beta(asked: Prescription, told: Mapping[str, Any]) -> Iterator[Part]:
    low_hz, high_hz = told["band_hz"]
    yield _part("detector.band_hz", _P.BAND_LOW_MHZ, low_hz, 1000, "mHz")
    yield _part("detector.band_hz", _P.BAND_HIGH_MHZ, high_hz, 1000, "mHz")
    yield _part("detector.order", _P.BAND_ORDER, told["order"], 1, "orders")
    yield _part("detector.release_uv", _P.RELEASE_NV, told["release_uv"], 1000, "nV")
    yield _part(
        "detector.threshold_uv", _P.THRESHOLD_NV, asked.detector.threshold_uv, 1000, "nV"
    )
    if asked.controller.declares("lower_uv"):
        yield _part("detector.lower_uv", _P.LOWER_NV, asked.detector.lower_uv, 1000, "nV")
    yield from _durations(
        told,
        smooth_ms=_P.SMOOTH_MS,
        onset_ms=_P.ONSET_MS,
        termination_ms=_P.TERMINATION_MS,
        blanking_ms=_P.BLANKING_MS,
    )


def _of_percept(asked: Prescription, told: Mapping[str, Any]) -> Iterator[Part]:
    centre_hz, upper_uv = told["centre_hz"], asked.detector.threshold_uv
    dual = asked.detector.declares("lower_uv")
    lower_uv = asked.detector.lower_uv if dual else upper_uv
    for parameter, side in ((_P.BAND_LOW_MHZ, -1), (_P.BAND_HIGH_MHZ, 1)):
        edge_mhz = 1000 * (exact(centre_hz) + side * exact(BAND_HZ) / 2)
        yield Part("detector.centre_hz", parameter, centre_hz, edge_mhz, "mHz")
    yield _part("detector.threshold_uv", _P.THRESHOLD_NV, upper_uv, 1000, "nV")
    yield _part("detector.lower_uv", _P.LOWER_NV, lower_uv, 1000, "nV")
    yield from _durations(
        told,
        averaging_ms=_P.SMOOTH_MS,
        upper_onset_ms=_P.ONSET_MS,
        lower_onset_ms=_P.TERMINATION_MS,
        blanking_ms=_P.BLANKING_MS,
    )


def _durations(told: Mapping[str, Any], **parameters: LoopParameter) -> Iterator[Part]:
    for key, parameter in parameters.items():
        yield _part(f"detector.{key}", parameter, told[key], 1, "ms")


def _of_rcs(told: Mapping[str, Any]) -> Iterator[Part]:
    """Of one linear detector, or two; what stands once counts for both."""
    count = len(told["bins"]) // 2
    own = [(LoopParameter[name], LoopParameter[f"{name}_1"]) for name in _LINEAR]
    columns = (
        *(("bins", told["bins"][side::2]) for side in range(2)),
        *(("thresholds", told["thresholds"][side::2]) for side in range(2)),
        *((key, told[key]) for key in ("update_rate", "onset", "termination", "blanking")),
    )
    for parameters, (key, values) in zip(own, columns, strict=True):
        each = values if len(values) == count else values * count
        for parameter, value in zip(parameters, each, strict=False):
            yield _part(f"detector.{key}", parameter, value, 1, "numbers")
    yield _part("detector.fft_size", _P.FFT_SIZE, told["fft_size"], 1, "points")
    yield _part("detector.interval_ms", _P.FFT_INTERVAL_MS, told["interval_ms"], 1, "ms")
    # What a prescription leaves to the detector.
    fft, linear = FftConfig(), DetectorConfig((0.0, 0.0))
    for field, parameter, value in (
        ("windowLoad", _P.FFT_WINDOW, fft.windowLoad),
        ("bandFormationConfig", _P.FFT_SHIFT, fft.bandFormationConfig),
        ("holdoffTime", _P.HOLDOFF_UPDATES, linear.holdoffTime),
        ("detectionEnable", _P.THRESHOLDS, 1 + linear.dual),
    ):
        yield _part(f"detector.{field}", parameter, value, 1, "numbers")


def _of_controller(asked: Prescription) -> Iterator[Part]:
    told = asked.controller.values()
    for key, parameter, factor, unit in (
        ("ramp_up_ms", _P.RAMP_UP_MS, 1, "ms"),
        ("ramp_down_ms", _P.RAMP_DOWN_MS, 1, "ms"),
        ("kp_ua", _P.GAIN_UA, 1, "µA"),
        ("ti_s", _P.INTEGRAL_MS, 1000, "ms"),
        ("suspend_ua", _P.SUSPEND_UA, 1, "µA"),
        ("transition_up_ms", _P.RAMP_UP_MS, 1, "ms"),
        ("transition_down_ms", _P.RAMP_DOWN_MS, 1, "ms"),
        ("startup_delay_ms", _P.STARTUP_MS, 1, "ms"),
        ("step_ua", _P.STEP_UA, 1, "µA"),
    ):
        if key in told:
            shown = key.removesuffix("_ua") + "_ma" if unit == "µA" else key
            yield _part(f"controller.{shown}", parameter, told[key], factor, unit)
    for parameter, value_ma in zip(STATES_UA, told.get("states_ma", ()), strict=False):
        yield _part("controller.states_ma", parameter, value_ma, 1000, "µA")
    for key, parameter in (("rise_ma_per_s", _P.RISE), ("fall_ma_per_s", _P.FALL)):
        if key in told:  # the controller itself moves in such steps
            yield _part(f"controller.{key}", parameter, round(65536 * told[key]), 1, "steps")


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
    kind, detector = asked.controller.kind, _detector_of(asked)
    if detector is EmbeddedDetector.NONE:
        yield Violation(
            "controller.where",
            f'"device" behind a detector of kind {asked.detector.kind}',
            '"host", or a detector of kind beta, percept_dual, percept_single or rcs',
            "choose one of them",
        )
        return
    if kind not in KINDS:
        known = ", ".join(KINDS)
        yield Violation(
            "controller.where",
            f'"device" for a controller of kind {kind}, which has no number there',
            f'"host", or a controller that runs on a device: {known}',
            "choose one of them",
        )
        return
    if detector not in DECIDED_BY[KINDS[kind]]:
        yield Violation(
            "controller.where",
            f'"device" for a controller of kind {kind} behind a detector of kind '
            f"{asked.detector.kind}",
            '"host", or a detector that this controller has on a device',
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
    for part in _parts(asked):
        if part.exactly.denominator != 1:
            yield Violation(
                part.field,
                f'{part.shown:.12g} with where = "device"',
                f"whole {part.unit} on a device",
                "round it",
            )
