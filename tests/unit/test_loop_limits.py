"""What a loop on the device may hold, by the device's own gate."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.peer import ADAPTIVE, DBS, Hand
from tests.strategies import loops
from tests.unit.test_adaptive import PAIRS, SENSING, TICK_US, embedded

from stimloop_hw.groups import ProgramSet
from stimloop_hw.loop import (
    CONTROLLERS,
    DECIDED_BY,
    DETECTORS,
    EmbeddedController,
    EmbeddedDetector,
    Loop,
    LoopParameter,
)
from stimloop_hw.messages import Sensed
from stimloop_hw.program import Mode, Parameter
from stimloop_hw.vocabulary import Refusal
from stimloop_sim.adaptive import Adaptive
from stimloop_sim.limits import Breach
from stimloop_sim.loop_limits import Sensing, check_loop

P = LoopParameter


def judged(
    detector: EmbeddedDetector,
    controller: EmbeddedController,
    changed: dict[LoopParameter, int],
) -> Breach | None:
    """What the gate says of a good loop with these values changed."""
    values = {**dict(embedded(detector, controller).values), **changed}
    loop = Loop(tuple(sorted(values.items())))
    return check_loop(replace(ADAPTIVE, loop=loop), SENSING)


@pytest.mark.parametrize(("detector", "controller"), PAIRS)
def test_every_loop_that_the_device_allows_can_run_and_its_output_stays_in_the_program(
    detector: EmbeddedDetector, controller: EmbeddedController
) -> None:
    @settings(max_examples=30, deadline=None)
    @given(loop=loops(embedded(detector, controller)), seed=st.integers(0, 99))
    def holds(loop: Loop, seed: int) -> None:
        program = replace(ADAPTIVE, amplitude_min_ua=500, loop=loop)
        if check_loop(program, SENSING) is not None:
            return
        rng = np.random.default_rng(seed)
        therapy = Hand.linked().firmware.therapy
        therapy.commit(ProgramSet.single(program), 0)
        therapy.arm(0, program.crc())
        therapy.start(0, program.crc(), 2000, 0)
        adaptive = Adaptive(program, SENSING, DBS.amplitude_ua)
        for k in range(60):
            samples = rng.normal(0, 20_000, 5).astype("<i4").tobytes()
            decided = adaptive.tick(therapy, k * TICK_US, Sensed(5 * k, 1, 5, 0, samples))
            assert decided.ordered_ua == 0 or 500 <= decided.ordered_ua <= 3000
            assert therapy.pulses.target_ua == decided.ordered_ua

    holds()


@pytest.mark.parametrize(("detector", "controller"), PAIRS)
def test_a_value_that_the_device_does_not_allow_is_refused_with_the_bound_that_holds(
    detector: EmbeddedDetector, controller: EmbeddedController
) -> None:
    good = embedded(detector, controller)
    assert check_loop(replace(ADAPTIVE, loop=good), SENSING) is None
    kinds = (P.DETECTOR, P.CONTROLLER)
    for parameter, _ in good.values:
        if parameter in kinds:
            continue
        bad = Loop(tuple((p, -(2**31) if p is parameter else v) for p, v in good.values))
        breach = check_loop(replace(ADAPTIVE, loop=bad), SENSING)
        assert breach is not None
        assert breach.reason == Refusal.LOOP_RANGE
        assert breach.detail >> 24 == parameter
        bound = breach.detail & 0xFFFFFF
        at_bound = Loop(tuple((p, bound if p is parameter else v) for p, v in good.values))
        again = check_loop(replace(ADAPTIVE, loop=at_bound), SENSING)
        assert again is None or again.detail >> 24 != parameter
        assert parameter.name.lower() in breach.reason.sentence(breach.detail)
        assert str(bound) in breach.reason.sentence(breach.detail)


HOUR_MS = 3_600_000
BOUNDS: dict[tuple[EmbeddedDetector, EmbeddedController], dict[LoopParameter, Any]] = {
    (EmbeddedDetector.BETA, EmbeddedController.DUAL_THRESHOLD): {
        P.SENSE_CHANNEL: (0, 0),
        P.SATURATION_UV: (1, 4_999),
        P.BAND_LOW_MHZ: (1_000, 20_999),
        P.BAND_HIGH_MHZ: (15_001, 124_999),
        P.BAND_ORDER: (1, 4),
        P.SMOOTHING: (0, 1),
        P.SMOOTH_MS: (0, 60_000),
        P.THRESHOLD_NV: (3_000, 5_000_000),
        P.RELEASE_NV: (0, 3_000),
        P.LOWER_NV: (0, 3_000),
        P.ONSET_MS: (0, HOUR_MS),
        P.TERMINATION_MS: (0, HOUR_MS),
        P.BLANKING_MS: (0, HOUR_MS),
        P.RAMP_UP_MS: (0, HOUR_MS),
        P.RAMP_DOWN_MS: (0, HOUR_MS),
    },
    (EmbeddedDetector.BETA, EmbeddedController.ON_OFF): {
        P.RAMP_UP_MS: (0, HOUR_MS),
        P.RAMP_DOWN_MS: (0, HOUR_MS),
    },
    (EmbeddedDetector.BETA, EmbeddedController.PROPORTIONAL): {P.GAIN_UA: (1, 10_000_000)},
    (EmbeddedDetector.BETA, EmbeddedController.PROPORTIONAL_INTEGRAL): {
        P.GAIN_UA: (1, 10_000_000),
        P.INTEGRAL_MS: (1, HOUR_MS),
    },
    (EmbeddedDetector.PERCEPT, EmbeddedController.PERCEPT): {
        P.BAND_LOW_MHZ: (15_500, 15_500),  # its upper edge is 5 Hz above
        P.BAND_HIGH_MHZ: (20_500, 20_500),
        P.SMOOTH_MS: (0, 30_000),
        P.THRESHOLD_NV: (1_700, 400_000),
        P.LOWER_NV: (550, 2_500),
        P.ONSET_MS: (0, 360_000),
        P.TERMINATION_MS: (0, 360_000),
        P.BLANKING_MS: (0, 30_000),
        P.RAMP_UP_MS: (250, 1_800_000),
        P.RAMP_DOWN_MS: (250, 1_800_000),
        P.SUSPEND_UA: (0, 3_000),
        P.STARTUP_MS: (0, 60_000),
        P.STEP_UA: (1, 1_000),
    },
    (EmbeddedDetector.RCS_PAIR, EmbeddedController.NINE_STATES): {
        P.FFT_INTERVAL_MS: (50, 10_000),
        P.FFT_SHIFT: (8, 15),
        P.BIN_FIRST: (0, 20),
        P.BIN_LAST: (16, 127),
        P.BIAS_LOW: (0, 900),
        P.BIAS_HIGH: (300, 2**31 - 1),
        P.THRESHOLDS: (1, 2),
        P.UPDATE_POWERS: (1, 65_535),
        P.ONSET_UPDATES: (0, 65_535),
        P.TERMINATION_UPDATES: (0, 65_535),
        P.HOLDOFF_UPDATES: (0, 65_535),
        P.BLANKING_POWERS: (0, 65_535),
        P.BIN_FIRST_1: (0, 22),
        P.BIN_LAST_1: (18, 127),
        P.BIAS_LOW_1: (0, 2_500),
        P.BIAS_HIGH_1: (500, 2**31 - 1),
        P.UPDATE_POWERS_1: (1, 65_535),
        P.ONSET_UPDATES_1: (0, 65_535),
        P.TERMINATION_UPDATES_1: (0, 65_535),
        P.BLANKING_POWERS_1: (0, 65_535),
        P.STATE_0_UA: (0, 3_000),
        P.STATE_8_UA: (0, 3_000),
        P.RISE: (1, 65_536_000),
        P.FALL: (1, 65_536_000),
    },
}
"""What each parameter may be beside the others of `embedded`, written down once more."""


@pytest.mark.parametrize(
    ("kinds", "parameter", "low", "high"),
    [(kinds, p, *bounds) for kinds, rows in BOUNDS.items() for p, bounds in rows.items()],
)
def test_a_parameter_reaches_to_its_published_bounds_and_no_further(
    kinds: tuple[EmbeddedDetector, EmbeddedController],
    parameter: LoopParameter,
    low: int,
    high: int,
) -> None:
    for inside in (low, high):
        assert judged(*kinds, {parameter: inside}) is None
    for outside in (low - 1, high + 1):
        breach = judged(*kinds, {parameter: outside})
        assert breach is not None
        assert breach.reason == Refusal.LOOP_RANGE


@pytest.mark.parametrize(
    ("parameter", "value", "nearest"),
    [
        (P.FFT_SIZE, 63, 64),
        (P.FFT_SIZE, 161, 256),
        (P.FFT_SIZE, 5_000, 1024),
        (P.FFT_WINDOW, 3, 2),
        (P.FFT_WINDOW, 33, 42),
        (P.STATE_1_UA, 3_001, 3_000),
        (P.STATE_1_UA, 25_499, 25_500),
        (P.STATE_1_UA, -1, 0),
        (P.UPDATE_POWERS, 0, 1),
        (P.UPDATE_POWERS, 65_536, 65_535),
        (P.BIN_FIRST, 200, 127),
        (P.BIAS_HIGH, 299, 300),
        (P.BIN_FIRST_1, 128, 127),
        (P.RISE, 2**31 - 1, 0xFFFFFF),  # the most that a detail holds
    ],
)
def test_a_refusal_of_a_loop_names_the_nearest_value(
    parameter: LoopParameter, value: int, nearest: int
) -> None:
    kinds = EmbeddedDetector.RCS_PAIR, EmbeddedController.NINE_STATES
    breach = judged(*kinds, {parameter: value})
    assert breach == Breach(Refusal.LOOP_RANGE, parameter << 24 | nearest)


def test_where_no_value_is_left_a_refusal_names_zero() -> None:
    kinds = EmbeddedDetector.BETA, EmbeddedController.ON_OFF
    breach = judged(*kinds, {P.BAND_LOW_MHZ: 124_999, P.BAND_HIGH_MHZ: 125_000})
    assert breach == Breach(Refusal.LOOP_RANGE, P.BAND_HIGH_MHZ << 24)


@pytest.mark.parametrize(
    "changed", [{P.FFT_WINDOW: 22}, {P.BIN_FIRST_1: 127, P.BIN_LAST_1: 127}]
)
def test_what_an_rcs_has_is_allowed(changed: dict[LoopParameter, int]) -> None:
    assert judged(EmbeddedDetector.RCS_PAIR, EmbeddedController.NINE_STATES, changed) is None


def test_a_tick_of_100_ms_is_the_longest() -> None:
    program = replace(ADAPTIVE, loop=embedded(EmbeddedDetector.BETA, EmbeddedController.ON_OFF))
    assert check_loop(program, replace(SENSING, block=25)) is None
    assert check_loop(program, replace(SENSING, block=26)) is not None


PERCEPT_LIKE = EmbeddedDetector.PERCEPT, EmbeddedController.PERCEPT


def test_a_percept_like_threshold_may_be_as_low_as_the_lower_one() -> None:
    assert judged(*PERCEPT_LIKE, {P.THRESHOLD_NV: 550, P.LOWER_NV: 550}) is None


def test_a_percept_like_loop_of_one_threshold_has_shorter_onsets() -> None:
    one = {P.LOWER_NV: 2_500, P.TERMINATION_MS: 30_000}
    assert judged(*PERCEPT_LIKE, {**one, P.ONSET_MS: 30_000}) is None
    assert judged(*PERCEPT_LIKE, {**one, P.ONSET_MS: 30_001}) == Breach(
        Refusal.LOOP_RANGE, P.ONSET_MS << 24 | 30_000
    )


@pytest.mark.parametrize("low_mhz", [7_999, 8_000, 25_000, 25_001])
def test_a_percept_like_band_lies_between_8_and_30_hertz(low_mhz: int) -> None:
    band = {P.BAND_LOW_MHZ: low_mhz, P.BAND_HIGH_MHZ: low_mhz + 5_000}
    assert (judged(*PERCEPT_LIKE, band) is None) is (8_000 <= low_mhz <= 25_000)


def test_a_controller_takes_readings_that_it_understands_alone() -> None:
    for detector, controller in product(DETECTORS, CONTROLLERS):
        if detector in DECIDED_BY[controller]:
            continue
        program = replace(ADAPTIVE, loop=embedded(detector, controller))
        breach = check_loop(program, SENSING)
        assert breach is not None
        assert (breach.reason, breach.detail) == (Refusal.LOOP_PAIR, controller)


@pytest.mark.parametrize(
    ("detector", "sensing"),
    [
        (EmbeddedDetector.BETA, replace(SENSING, channels=0)),
        (EmbeddedDetector.BETA, replace(SENSING, block=26)),
        (EmbeddedDetector.PERCEPT, replace(SENSING, rate_hz=500)),
        (EmbeddedDetector.RCS, replace(SENSING, rate_hz=100, block=1)),
        (EmbeddedDetector.RCS_PAIR, replace(SENSING, rate_hz=100, block=1)),
    ],
)
def test_a_detector_needs_samples_that_it_can_work_on(
    detector: EmbeddedDetector, sensing: Sensing
) -> None:
    program = replace(ADAPTIVE, loop=embedded(detector, EmbeddedController.CONTINUOUS))
    breach = check_loop(program, sensing)
    assert breach is not None
    assert (breach.reason, breach.detail) == (Refusal.OUT_OF_RANGE, P.DETECTOR)


def test_pulses_on_trigger_and_more_than_25_milliamperes_have_no_such_loop() -> None:
    triggered = replace(ADAPTIVE, mode=Mode.TRIGGERED)
    assert check_loop(triggered, SENSING) == Breach(Refusal.OUT_OF_RANGE, Parameter.MODE)
    loop = embedded(EmbeddedDetector.PERCEPT, EmbeddedController.ON_OFF)
    most = replace(ADAPTIVE, loop=loop, amplitude_max_ua=25_500)
    assert check_loop(most, SENSING) is None
    assert check_loop(replace(most, amplitude_max_ua=25_600), SENSING) == Breach(
        Refusal.OUT_OF_RANGE, Parameter.AMPLITUDE_MAX_UA
    )
