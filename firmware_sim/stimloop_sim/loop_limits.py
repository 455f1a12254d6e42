"""The device's own gate for a loop that closes on it: what its detectors and controllers bear.

Plain integers, like `stimloop_sim.limits`, whose part it is; nothing is rounded or clamped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stimloop_hw.loop import (
    DECIDED_BY,
    HOLD_UA,
    STATES_UA,
    EmbeddedController,
    EmbeddedDetector,
    LoopParameter,
    Smoothing,
)
from stimloop_hw.program import Mode, Parameter
from stimloop_hw.vocabulary import Refusal
from stimloop_sim.limits import Breach

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stimloop_hw.loop import Loop
    from stimloop_hw.program import Program

LONGEST_TICK_US = 100_000
"""A setpoint may rise by what the slew allows in so long; a tick must not be longer."""
PERCEPT_RATE_HZ = 250
PERCEPT_BAND_MHZ = 5_000
PERCEPT_MOST_UA = 25_500
RCS_RATES_HZ = (250, 500, 1000)
RCS_DETECTORS = frozenset({EmbeddedDetector.RCS, EmbeddedDetector.RCS_PAIR})
RAMP_MOST = 1000 << 16
"""Fastest ramp of the states, 1/65536 mA/s."""
_DETAIL_MAX = 0xFFFFFF
_HOUR_MS = 3_600_000
_U16 = 0xFFFF
_I32 = 0x7FFFFFFF


@dataclass(frozen=True, slots=True)
class Sensing:
    """How a device senses.

    Attributes
    ----------
    rate_hz, channels, block : int
        Samples per second, sensing channels, samples of a block.
    range_uv : int
        It clips beyond ± this, µV.
    """

    rate_hz: int
    channels: int
    block: int
    range_uv: int

    @property
    def tick_us(self) -> int:
        """From block to block, µs."""
        return self.block * 1_000_000 // self.rate_hz


def check_loop(program: Program, sensing: Sensing) -> Breach | None:
    """Check the loop of a program.

    Parameters
    ----------
    program : Program
    sensing : Sensing

    Returns
    -------
    Breach or None
    """
    loop = program.loop
    if not loop:
        return None
    if program.mode != Mode.TRAIN:
        return Breach(Refusal.OUT_OF_RANGE, Parameter.MODE)
    if loop.detector not in DECIDED_BY[loop.controller]:
        return Breach(Refusal.LOOP_PAIR, loop.controller)
    if not _bears(loop.detector, sensing):
        return Breach(Refusal.OUT_OF_RANGE, LoopParameter.DETECTOR)
    if loop.detector is EmbeddedDetector.PERCEPT and program.amplitude_max_ua > PERCEPT_MOST_UA:
        return Breach(Refusal.OUT_OF_RANGE, Parameter.AMPLITUDE_MAX_UA)
    for parameter, allowed in _allowed(loop, program, sensing):
        if loop[parameter] not in allowed:
            nearest = _nearest(loop[parameter], allowed)
            bound = min(max(nearest, 0), _DETAIL_MAX)
            return Breach(Refusal.LOOP_RANGE, parameter << 24 | bound)
    return None


def _bears(detector: EmbeddedDetector, sensing: Sensing) -> bool:
    """Whether a detector can work on what this device senses."""
    if not sensing.channels or sensing.tick_us > LONGEST_TICK_US:
        return False
    if detector is EmbeddedDetector.PERCEPT:
        return sensing.rate_hz == PERCEPT_RATE_HZ
    return detector not in RCS_DETECTORS or sensing.rate_hz in RCS_RATES_HZ


def _nearest(value: int, allowed: Sequence[int]) -> int:
    if isinstance(allowed, range):
        return min(max(value, allowed[0]), allowed[-1]) if allowed else 0
    return min(allowed, key=lambda other: abs(other - value))


def _upto(low: int, high: int) -> range:
    return range(low, high + 1)


def _allowed(
    loop: Loop, program: Program, sensing: Sensing
) -> Iterator[tuple[LoopParameter, Sequence[int]]]:
    p = LoopParameter
    yield p.SENSE_CHANNEL, range(sensing.channels)
    yield p.SATURATION_UV, range(1, sensing.range_uv)
    match loop.detector:
        case EmbeddedDetector.BETA:
            yield from _of_beta(loop, sensing)
        case EmbeddedDetector.PERCEPT:
            yield from _of_percept(loop)
        case EmbeddedDetector.RCS:
            yield from _of_rcs(loop)
        case _:
            yield from _of_rcs(loop)
            yield from _of_second(loop)
    yield from _of_controller(loop, program)


def _of_beta(loop: Loop, sensing: Sensing) -> Iterator[tuple[LoopParameter, Sequence[int]]]:
    p = LoopParameter
    nyquist_mhz = sensing.rate_hz * 500
    yield p.BAND_LOW_MHZ, range(1_000, nyquist_mhz)
    yield p.BAND_HIGH_MHZ, range(loop[p.BAND_LOW_MHZ] + 1, nyquist_mhz)
    yield p.BAND_ORDER, _upto(1, 4)
    yield p.SMOOTHING, _upto(Smoothing.MOVING_AVERAGE, Smoothing.ONE_POLE)
    yield p.SMOOTH_MS, _upto(0, 60_000)
    yield p.THRESHOLD_NV, _upto(1, sensing.range_uv * 1000)
    yield p.RELEASE_NV, _upto(0, loop[p.THRESHOLD_NV])
    for parameter in (p.ONSET_MS, p.TERMINATION_MS, p.BLANKING_MS):
        yield parameter, _upto(0, _HOUR_MS)


def _of_percept(loop: Loop) -> Iterator[tuple[LoopParameter, Sequence[int]]]:
    p = LoopParameter
    yield p.BAND_LOW_MHZ, _upto(8_000, 30_000 - PERCEPT_BAND_MHZ)
    yield p.BAND_HIGH_MHZ, (loop[p.BAND_LOW_MHZ] + PERCEPT_BAND_MHZ,)
    yield p.SMOOTH_MS, _upto(0, 30_000)
    yield p.THRESHOLD_NV, _upto(550, 400_000)
    yield p.LOWER_NV, _upto(550, loop[p.THRESHOLD_NV])
    longest_ms = 360_000 if loop[p.LOWER_NV] < loop[p.THRESHOLD_NV] else 30_000
    for parameter in (p.ONSET_MS, p.TERMINATION_MS):
        yield parameter, _upto(0, longest_ms)
    yield p.BLANKING_MS, _upto(0, 30_000)


def _of_rcs(loop: Loop) -> Iterator[tuple[LoopParameter, Sequence[int]]]:
    p = LoopParameter
    yield p.FFT_SIZE, (64, 256, 1024)
    yield p.FFT_INTERVAL_MS, _upto(50, 10_000)
    yield p.FFT_WINDOW, (2, 22, 42)
    yield p.FFT_SHIFT, _upto(8, 15)
    yield p.BIN_FIRST, range(loop[p.FFT_SIZE] // 2)
    yield p.BIN_LAST, range(loop[p.BIN_FIRST], loop[p.FFT_SIZE] // 2)
    yield p.BIAS_LOW, _upto(0, _I32)
    yield p.BIAS_HIGH, _upto(loop[p.BIAS_LOW], _I32)
    yield p.THRESHOLDS, _upto(1, 2)
    yield p.UPDATE_POWERS, _upto(1, _U16)
    for parameter in (
        p.ONSET_UPDATES,
        p.TERMINATION_UPDATES,
        p.HOLDOFF_UPDATES,
        p.BLANKING_POWERS,
    ):
        yield parameter, _upto(0, _U16)


def _of_second(loop: Loop) -> Iterator[tuple[LoopParameter, Sequence[int]]]:
    p = LoopParameter
    yield p.BIN_FIRST_1, range(loop[p.FFT_SIZE] // 2)
    yield p.BIN_LAST_1, range(loop[p.BIN_FIRST_1], loop[p.FFT_SIZE] // 2)
    yield p.BIAS_LOW_1, _upto(0, _I32)
    yield p.BIAS_HIGH_1, _upto(loop[p.BIAS_LOW_1], _I32)
    yield p.UPDATE_POWERS_1, _upto(1, _U16)
    for parameter in (p.ONSET_UPDATES_1, p.TERMINATION_UPDATES_1, p.BLANKING_POWERS_1):
        yield parameter, _upto(0, _U16)


def _of_controller(
    loop: Loop, program: Program
) -> Iterator[tuple[LoopParameter, Sequence[int]]]:
    p = LoopParameter
    match loop.controller:
        case EmbeddedController.ON_OFF:
            yield p.RAMP_UP_MS, _upto(0, _HOUR_MS)
            yield p.RAMP_DOWN_MS, _upto(0, _HOUR_MS)
        case EmbeddedController.DUAL_THRESHOLD:
            yield p.LOWER_NV, _upto(0, loop[p.THRESHOLD_NV])
            yield p.RAMP_UP_MS, _upto(0, _HOUR_MS)
            yield p.RAMP_DOWN_MS, _upto(0, _HOUR_MS)
        case EmbeddedController.PROPORTIONAL:
            yield p.GAIN_UA, _upto(1, 10_000_000)
        case EmbeddedController.PROPORTIONAL_INTEGRAL:
            yield p.GAIN_UA, _upto(1, 10_000_000)
            yield p.INTEGRAL_MS, _upto(1, _HOUR_MS)
        case EmbeddedController.PERCEPT:
            yield p.RAMP_UP_MS, _upto(250, 1_800_000)
            yield p.RAMP_DOWN_MS, _upto(250, 1_800_000)
            yield p.SUSPEND_UA, _upto(program.amplitude_min_ua, program.amplitude_max_ua)
            yield p.STARTUP_MS, _upto(0, 60_000)
            yield p.STEP_UA, _upto(1, 1_000)
        case EmbeddedController.NINE_STATES:
            therapy_ua = _upto(program.amplitude_min_ua, program.amplitude_max_ua)
            for parameter in STATES_UA:
                yield parameter, (*therapy_ua, HOLD_UA)
            yield p.RISE, _upto(1, RAMP_MOST)
            yield p.FALL, _upto(1, RAMP_MOST)
