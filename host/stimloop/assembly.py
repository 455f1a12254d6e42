"""From a prescription to the parts of a loop: detector and controller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop import tables
from stimloop_dsp import (
    BetaDetector,
    Continuous,
    DualThreshold,
    OnOff,
    Proportional,
    ProportionalIntegral,
)

if TYPE_CHECKING:
    from stimloop.prescription import Prescription
    from stimloop_dsp import Controller
    from stimloop_hw.messages import Limits
    from stimloop_hw.program import Program

NEVER_UV = 1e9
"""Threshold of a detector that has none (yet): no level reaches it."""


BELOW_RAIL_UV = 1.0
"""A converter clips to its range exactly: a sample this close to it is saturated, µV."""


def tick_us(limits: Limits) -> int:
    """Control tick of a device: one stream block, µs."""
    return limits.sense_block * 1_000_000 // limits.sense_rate_hz


def detector(prescription: Prescription, limits: Limits) -> BetaDetector:
    """Build the detector; where the threshold is captured it is set later.

    Parameters
    ----------
    prescription : Prescription
    limits : Limits

    Returns
    -------
    BetaDetector
        For blocks of the one channel that is streamed.
    """
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
                **envelope, setpoint_uv=threshold_uv, gain_ua=table.kp_ma * 1000
            )
        case _:
            return ProportionalIntegral(
                **envelope,
                setpoint_uv=threshold_uv,
                gain_ua=table.kp_ma * 1000,
                integral_ms=table.ti_s * 1000,
            )
