"""From a prescription to the parts of a loop: detector and controller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from stimloop import evoked, tables
from stimloop.quantities import thousandfold
from stimloop_dsp import (
    BetaDetector,
    Continuous,
    DualThreshold,
    EcapDetector,
    EcapLinear,
    EcapLogarithmic,
    OnOff,
    Proportional,
    ProportionalIntegral,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from stimloop.prescription import Prescription
    from stimloop_dsp import Controller
    from stimloop_hw.messages import Limits
    from stimloop_hw.program import Program

    ControllerMaker: TypeAlias = Callable[
        [Prescription, Program, int, float, float], Controller
    ]
    """`controller`, or what stands in for it where a trial controls for the loop itself."""

NEVER_UV = 1e9
"""Threshold of a detector that has none (yet): no level reaches it."""


BELOW_RAIL_UV = 1.0
"""A converter clips to its range exactly: a sample this close to it is saturated, µV."""


def tick_us(prescription: Prescription, limits: Limits) -> int:
    """Control tick: one stream block, or one pulse where that is what is sensed after, µs."""
    if prescription.evoked is not None:
        return evoked.period_us(prescription.stimulation, limits)
    return limits.sense_block * 1_000_000 // limits.sense_rate_hz


def detector(prescription: Prescription, limits: Limits) -> BetaDetector | EcapDetector:
    """Build the detector; where the threshold is captured it is set later.

    Parameters
    ----------
    prescription : Prescription
    limits : Limits

    Returns
    -------
    BetaDetector or EcapDetector
        For blocks, or sweeps, of the one channel that is streamed.
    """
    if prescription.evoked is not None:
        return evoked.detector(prescription.evoked, limits)
    table = prescription.detector
    on_uv = NEVER_UV if table.threshold_uv is None else table.threshold_uv
    return BetaDetector(
        limits.sense_rate_hz,
        on_uv,
        on_uv if table.release_uv is None else table.release_uv,
        band_hz=table.band_hz,
        order=table.order,
        smoothing=table.smoothing,
        smooth_ms=table.smooth_ms,
        onset_ms=table.onset_ms,
        termination_ms=table.termination_ms,
        blanking_ms=table.blanking_ms,
        saturation_uv=table.saturation_uv or limits.sense_range_uv - BELOW_RAIL_UV,
    )


def controller(
    prescription: Prescription,
    program: Program,
    tick_us: int,
    threshold_uv: float,
    lower_uv: float,
) -> Controller:
    """Build the controller.

    Parameters
    ----------
    prescription : Prescription
    program : Program
        The committed envelope, which is the controller's range.
    tick_us : int
        Control tick, µs.
    threshold_uv, lower_uv : float
        Thresholds, prescribed or captured, µV; what the controller does not use is ignored.

    Returns
    -------
    Controller
    """
    envelope = {
        "tick_us": tick_us,
        "amplitude_min_ua": program.amplitude_min_ua,
        "amplitude_max_ua": program.amplitude_max_ua,
        "period_us": program.period_min_us,
    }
    match table := prescription.controller:
        case tables.Continuous():
            return Continuous(**envelope, amplitude_ua=program.amplitude_max_ua)
        case tables.OnOff():
            return OnOff(
                **envelope, ramp_up_ms=table.ramp_up_ms, ramp_down_ms=table.ramp_down_ms
            )
        case tables.DualThreshold():
            return DualThreshold(
                **envelope,
                upper_uv=threshold_uv,
                lower_uv=lower_uv,
                ramp_up_ms=table.ramp_up_ms,
                ramp_down_ms=table.ramp_down_ms,
            )
        case tables.Proportional():
            return Proportional(
                **envelope, setpoint_uv=threshold_uv, gain_ua=thousandfold(table.kp_ma)
            )
        case tables.EcapLogarithmic():
            return EcapLogarithmic(**envelope, **_ecap(table), gain=table.gain)
        case tables.EcapLinear():
            return EcapLinear(
                **envelope, **_ecap(table), gain=table.gain, slope_uv_ma=table.slope_uv_per_ma
            )
        case _:
            return ProportionalIntegral(
                **envelope,
                setpoint_uv=threshold_uv,
                gain_ua=thousandfold(table.kp_ma),
                integral_ms=thousandfold(table.ti_s),
            )


def _ecap(table: tables.EcapLogarithmic | tables.EcapLinear) -> dict[str, Any]:
    """What both laws of the evoked response take, in their units."""
    return {
        "setpoint_uv": table.setpoint_uv,
        "open_loop_ua": round(table.open_loop_ma * 1000),
        "rise_per_pulse": table.rise_per_pulse_percent / 100,
        "rise_per_s": table.rise_per_s_percent / 100,
        "lost_ms": table.lost_ms,
    }
