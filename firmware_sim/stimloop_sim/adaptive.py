"""The loop that closes on the device: detector and controller of a committed program.

Detectors and controllers are those of `stimloop_dsp`, the same that a host runs. What they
want becomes an order here, by the rules of a host's governor and in code of the device's own;
then it is checked like any order of a host's.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from stimloop_dsp import (
    BetaDetector,
    Continuous,
    DualThreshold,
    NineStates,
    OnOff,
    PerceptDetector,
    PerceptDual,
    Proportional,
    ProportionalIntegral,
    Quality,
    RcsDetector,
)
from stimloop_dsp.percept import PerceptConfig
from stimloop_dsp.rcs import DetectorConfig, FftConfig, PowerBand
from stimloop_hw.loop import (
    STATES_UA,
    EmbeddedController,
    EmbeddedDetector,
    LoopParameter,
    Smoothing,
)
from stimloop_hw.messages import Decided
from stimloop_hw.vocabulary import Bound, SensedFlag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stimloop_dsp import Controller, Detector, Setting
    from stimloop_hw.messages import Sensed
    from stimloop_hw.program import Program
    from stimloop_hw.ranges import Run
    from stimloop_sim.loop_limits import Sensing
    from stimloop_sim.therapy import Therapy

LOST_AFTER_US = 2_000_000
"""Without a reading to trust for so long, the fallback amplitude is ordered."""

_SMOOTHING: Mapping[Smoothing, Literal["moving_average", "one_pole"]] = {
    Smoothing.MOVING_AVERAGE: "moving_average",
    Smoothing.ONE_POLE: "one_pole",
}
_BITS, _DOUBLE = struct.Struct("<Q"), struct.Struct("<d")
_SATURATED = SensedFlag.SATURATED.value
_NO_SIGNAL = (Quality.HELD | Quality.SATURATED | Quality.ARTEFACT | Quality.GAP).value
_SETTLING = Quality.WARMUP.value


class Adaptive:
    """One program's loop, from the start of a therapy to its end.

    Parameters
    ----------
    program : Program
        Committed, with a loop that `check_loop` has passed.
    sensing : Sensing
    amplitude_ua : tuple of Run
        Amplitudes that the hardware has, µA.

    Attributes
    ----------
    channel : int
        Sensing channel that it listens to.
    ceiling_ua : int
        The largest amplitude that it may order, µA: the program's, or what the patient allows.
    """

    def __init__(
        self, program: Program, sensing: Sensing, amplitude_ua: tuple[Run, ...]
    ) -> None:
        self.channel = program.loop[LoopParameter.SENSE_CHANNEL]
        self._detector = _detector(program, sensing)
        self._controller = _controller(program, sensing.tick_us)
        self._approach = Approach(program, sensing.tick_us, amplitude_ua)
        self._sp = 0
        self._index = 0

    @property
    def ceiling_ua(self) -> int:
        """See `Adaptive`."""
        return self._approach.ceiling_ua

    @ceiling_ua.setter
    def ceiling_ua(self, ceiling_ua: int) -> None:
        self._approach.ceiling_ua = ceiling_ua

    def tick(self, therapy: Therapy, now_us: int, block: Sensed) -> Decided:
        """Decide on a block, and move the therapy's setpoint.

        Parameters
        ----------
        therapy : Therapy
            The one that this loop steers.
        now_us : int
            Device time at the block's end, µs.
        block : Sensed
            Of the one channel.

        Returns
        -------
        Decided
            For the host.
        """
        samples = np.frombuffer(block.samples_nv, np.int32).reshape(-1, 1)
        reading = self._detector.push(samples, self._next_index(block), now_us)
        if block.flags & _SATURATED:
            reading = replace(reading, quality=reading.quality | Quality.SATURATED)
        quality = int(reading.quality)
        wanted = self._controller.update(reading)
        amplitude_ua, period_us, bound = self._approach.move(wanted, quality)
        pulses, sp = therapy.pulses, 0
        if amplitude_ua != pulses.target_ua or period_us != pulses.period_us:
            if therapy.steer(now_us, self._sp + 1, amplitude_ua, period_us) is None:
                self._sp = sp = self._sp + 1
            else:
                bound = Bound.WITHHELD
                amplitude_ua, period_us = pulses.amplitude_ua, pulses.period_us
                self._approach.rebase(amplitude_ua)
        return Decided(
            (block.first_index + block.n - 1) & 0xFFFFFFFF,
            _BITS.unpack(_DOUBLE.pack(reading.level))[0],
            reading.active,
            reading.active_ms & 0xFFFFFFFF,
            quality,
            wanted.amplitude_ua,
            wanted.period_us,
            amplitude_ua,
            period_us,
            bound,
            sp,
        )

    def _next_index(self, block: Sensed) -> int:
        """Index of the block's first sample, beyond the 32 bits that the wire has."""
        lost = (block.first_index - self._index) & 0xFFFFFFFF
        first = self._index + lost
        self._index = first + block.n
        return first


class Approach:
    """From what a controller wants to what is ordered: range, slew, and the hardware's steps.

    Parameters
    ----------
    program : Program
    tick_us : int
        Time from one order to the next, µs.
    amplitude_ua : tuple of Run
        Amplitudes that the hardware has, µA.
    """

    def __init__(self, program: Program, tick_us: int, amplitude_ua: tuple[Run, ...]) -> None:
        self._program = program
        self._runs = tuple(reversed(amplitude_ua))  # ascending, as the profile has them
        self._tick_us = tick_us
        self._up_na = program.slew_ua_s * tick_us // 1000
        self._down_na = (program.slew_down_ua_s or program.slew_ua_s) * tick_us // 1000
        self._here_na = 0
        self._period_us = program.period_min_us
        self._silent_us = 0
        self._was_good = False
        self.ceiling_ua = program.amplitude_max_ua

    def rebase(self, amplitude_ua: int) -> None:
        """Go on from what the output has, which did not follow."""
        self._here_na = 1000 * amplitude_ua

    def move(self, wanted: Setting, quality: int) -> tuple[int, int, Bound]:
        """Amplitude and period of the next order, and what shaped it."""
        trusted = not quality & _NO_SIGNAL
        silent = not trusted or (self._was_good and quality & _SETTLING)
        self._was_good = self._was_good or quality == Quality.OK
        self._silent_us = self._silent_us + self._tick_us if silent else 0
        if self._silent_us >= LOST_AFTER_US:
            return self._go(self._program.fallback_ua, self._period_us, Bound.SIGNAL_LOST)
        if not trusted:
            return self._step_below(), self._period_us, Bound.HELD
        return self._go(wanted.amplitude_ua, wanted.period_us, Bound.NONE)

    def _go(self, wanted_ua: int, period_us: int, bound: Bound) -> tuple[int, int, Bound]:
        program = self._program
        lowest_ua = max(program.amplitude_min_ua, 1)
        goal_ua = 0 if wanted_ua < lowest_ua else min(wanted_ua, program.amplitude_max_ua)
        goal_us = min(max(period_us, program.period_min_us), program.period_max_us)
        if (goal_ua, goal_us) != (wanted_ua, period_us):
            bound = Bound.RANGE
        if goal_ua > self.ceiling_ua:
            goal_ua, bound = self.ceiling_ua, Bound.PATIENT
        self._here_na = self._next_na(1000 * goal_ua)
        self._period_us = goal_us
        if self._here_na != 1000 * goal_ua and bound is not Bound.PATIENT:
            bound = Bound.SLEW
        ordered_ua = self._step_below()
        if bound is Bound.NONE and ordered_ua != goal_ua:
            bound = Bound.STEP
        return ordered_ua, goal_us, bound

    def _next_na(self, goal_na: int) -> int:
        """One tick further; there is nothing between zero and the program's minimum."""
        here_na, floor_na = self._here_na, 1000 * self._program.amplitude_min_ua
        if goal_na >= here_na:
            return min(goal_na, max(floor_na, here_na + self._up_na))
        if here_na <= floor_na:
            return goal_na
        return max(here_na - self._down_na, goal_na, floor_na)

    def _step_below(self) -> int:
        """The hardware's amplitude at or below the present one, µA."""
        ua = self._here_na // 1000
        run = next(run for run in self._runs if run.low <= ua)
        return min(run.low + (ua - run.low) // run.step * run.step, run.high)


def _detector(program: Program, sensing: Sensing) -> Detector:
    """The detector, for blocks of its one channel."""
    p, loop, at = LoopParameter, program.loop, dict(program.loop.values)
    saturation_uv = float(at[p.SATURATION_UV])
    match loop.detector:
        case EmbeddedDetector.BETA:
            return BetaDetector(
                sensing.rate_hz,
                at[p.THRESHOLD_NV] / 1000,
                at[p.RELEASE_NV] / 1000,
                band_hz=(at[p.BAND_LOW_MHZ] / 1000, at[p.BAND_HIGH_MHZ] / 1000),
                order=at[p.BAND_ORDER],
                smoothing=_SMOOTHING[Smoothing(at[p.SMOOTHING])],
                smooth_ms=at[p.SMOOTH_MS],
                onset_ms=at[p.ONSET_MS],
                termination_ms=at[p.TERMINATION_MS],
                blanking_ms=at[p.BLANKING_MS],
                saturation_uv=saturation_uv,
            )
        case EmbeddedDetector.PERCEPT:
            return PerceptDetector(_percept(program), saturation_uv=saturation_uv)
        case _:
            fft = FftConfig(
                at[p.FFT_SIZE], at[p.FFT_INTERVAL_MS], at[p.FFT_WINDOW], at[p.FFT_SHIFT]
            )
            count = 2 if loop.detector is EmbeddedDetector.RCS_PAIR else 1
            bands, detectors = zip(*(_linear(at, i) for i in range(count)), strict=True)
            return RcsDetector(
                sensing.rate_hz, fft, bands, detectors, saturation_uv=saturation_uv
            )


def _linear(at: Mapping[LoopParameter, int], i: int) -> tuple[PowerBand, DetectorConfig]:
    """Band and linear detector 0 or 1."""

    def own(name: str) -> int:
        return at[LoopParameter[f"{name}_{i}" if i else name]]

    return PowerBand(own("BIN_FIRST"), own("BIN_LAST")), DetectorConfig(
        (own("BIAS_LOW"), own("BIAS_HIGH")),
        inputs=(i,),
        updateRate=own("UPDATE_POWERS"),
        onsetDuration=own("ONSET_UPDATES"),
        terminationDuration=own("TERMINATION_UPDATES"),
        holdoffTime=at[LoopParameter.HOLDOFF_UPDATES],
        blankingDurationUponStateChange=own("BLANKING_POWERS"),
        dual=at[LoopParameter.THRESHOLDS] == 2,
    )


def _percept(program: Program) -> PerceptConfig:
    p, at = LoopParameter, dict(program.loop.values)
    return PerceptConfig(
        (at[p.BAND_LOW_MHZ] + at[p.BAND_HIGH_MHZ]) / 2000,
        at[p.LOWER_NV] / 1000,
        at[p.THRESHOLD_NV] / 1000,
        0.0,
        0.0,
        0.0,
        AveragingDurationInMilliSeconds=at[p.SMOOTH_MS],
        UpperThresholdOnsetInMilliSeconds=at[p.ONSET_MS],
        LowerThresholdOnsetInMilliSeconds=at[p.TERMINATION_MS],
        DetectionBlankingDurationInMilliSeconds=at[p.BLANKING_MS],
    )


def _controller(program: Program, tick_us: int) -> Controller:
    p, loop, at = LoopParameter, program.loop, dict(program.loop.values)
    envelope = {
        "tick_us": tick_us,
        "amplitude_min_ua": program.amplitude_min_ua,
        "amplitude_max_ua": program.amplitude_max_ua,
        "period_us": program.period_min_us,
    }
    match loop.controller:
        case EmbeddedController.CONTINUOUS:
            return Continuous(**envelope)
        case EmbeddedController.ON_OFF:
            return OnOff(
                **envelope, ramp_up_ms=at[p.RAMP_UP_MS], ramp_down_ms=at[p.RAMP_DOWN_MS]
            )
        case EmbeddedController.DUAL_THRESHOLD:
            return DualThreshold(
                **envelope,
                threshold_uv=at[p.THRESHOLD_NV] / 1000,
                lower_uv=at[p.LOWER_NV] / 1000,
                ramp_up_ms=at[p.RAMP_UP_MS],
                ramp_down_ms=at[p.RAMP_DOWN_MS],
            )
        case EmbeddedController.PROPORTIONAL:
            return Proportional(
                **envelope, threshold_uv=at[p.THRESHOLD_NV] / 1000, kp_ua=at[p.GAIN_UA]
            )
        case EmbeddedController.PROPORTIONAL_INTEGRAL:
            return ProportionalIntegral(
                **envelope,
                threshold_uv=at[p.THRESHOLD_NV] / 1000,
                kp_ua=at[p.GAIN_UA],
                ti_s=at[p.INTEGRAL_MS] / 1000,
            )
        case EmbeddedController.PERCEPT:
            return PerceptDual(
                **envelope,
                suspend_ua=at[p.SUSPEND_UA],
                transition_up_ms=at[p.RAMP_UP_MS],
                transition_down_ms=at[p.RAMP_DOWN_MS],
                startup_delay_ms=at[p.STARTUP_MS],
                step_ua=at[p.STEP_UA],
            )
        case _:
            return NineStates(
                **envelope,
                states_ma=tuple(at[state] / 1000 for state in STATES_UA),
                rise_ma_per_s=at[p.RISE] / 65536,
                fall_ma_per_s=at[p.FALL] / 65536,
            )
