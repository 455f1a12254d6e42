import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stimloop_dsp import (
    CONTROLLERS,
    BurstGated,
    Controller,
    DualThreshold,
    NineStates,
    OnOff,
    PerceptDual,
    PhaseTargeted,
    Proportional,
    ProportionalIntegral,
    ProportionalIntegralRate,
    ProportionalRate,
    Quality,
    Reading,
    Setting,
)
from stimloop_dsp.parameters import parameters_of
from stimloop_dsp.rcs import AdaptiveConfig, StateRamp

FLEMING = {
    "tick_us": 20_000,
    "amplitude_min_ua": 0,
    "amplitude_max_ua": 3000,
    "period_us": 7692,
    "period_min_us": 4000,
    "period_max_us": 500_000,
}
LOW_UV, HIGH_UV = 0.10414, 0.15261  # their setpoints
STATES_MA = (1.0, 25.5, 3.0, 2.0, 1.5, 25.5, 2.5, 0.9, 3.0)
OWN: dict[str, dict[str, Any]] = {
    "continuous": {},
    "on_off": {},
    "burst_gated": {"wait_ms": 40},
    "dual_threshold": {"threshold_uv": HIGH_UV, "lower_uv": LOW_UV},
    "percept_dual": {"suspend_ua": 2000, "startup_delay_ms": 40, "transition_up_ms": 250},
    "percept_single": {"suspend_ua": 2000},
    "nine_states": {"states_ma": STATES_MA, "rise_ma_per_s": 8.0, "fall_ma_per_s": 3.0},
    "proportional": {"threshold_uv": LOW_UV, "kp_ua": 5000},
    "proportional_integral": {"threshold_uv": LOW_UV, "kp_ua": 230, "ti_s": 0.2},
    "proportional_rate": {"threshold_uv": LOW_UV, "kp_hz": 416.7},
    "proportional_integral_rate": {"threshold_uv": LOW_UV, "kp_hz": 19.3, "ti_s": 0.2},
    "phase_targeted": {"threshold_uv": LOW_UV, "peak_hz": 20.0},
    "sweep": {"step_ua": 1000, "dwell_ms": 60.0, "settle_ms": 20.0},
}
every_controller = pytest.mark.parametrize("name", CONTROLLERS)


def controller(name: str, **changed: float) -> Controller:
    values = {**FLEMING, **OWN[name], **changed}
    declared = [parameter.name for parameter in parameters_of(CONTROLLERS[name])]
    return CONTROLLERS[name](**{key: values[key] for key in values if key in declared})


def reading(level: float, quality: Quality = Quality.OK) -> Reading:
    """A level, with the decision, state and phase that make every controller move."""
    beyond = level > LOW_UV
    state = 2 * beyond if level < HIGH_UV else 1
    return Reading(0, 0, level, beyond, 60 * beyond, level, quality, state)


def amplitudes(made: Controller, levels: list[float]) -> list[int]:
    return [made.update(reading(level)).amplitude_ua for level in levels]


levels = st.lists(st.floats(0, 1), max_size=60)
any_reading = st.builds(
    Reading,
    index=st.integers(),
    t_us=st.integers(),
    level=st.floats(),
    active=st.booleans(),
    active_ms=st.integers(0),
    phase_rad=st.floats(-math.pi, math.pi),
    quality=st.sampled_from([Quality.OK, *Quality]),
    state=st.integers(0, 8),
)


@every_controller
@given(readings=st.lists(any_reading, max_size=30), low=st.integers(0, 900))
def test_no_reading_moves_the_output_out_of_its_range(
    name: str, readings: list[Reading], low: int
) -> None:
    made = controller(name, amplitude_min_ua=low)
    for told in readings:
        setting = made.update(told)
        values = (setting.amplitude_ua, setting.period_us, setting.at_us, setting.count)
        assert all(type(value) is int for value in values)
        assert setting.amplitude_ua == 0 or low <= setting.amplitude_ua <= 3000
        assert 4000 <= setting.period_us <= 500_000
        if "rate" not in name:
            assert setting.amplitude_ua >= low
            assert setting.period_us == 7692
        if name != "phase_targeted":
            assert setting.count == setting.at_us == 0


@every_controller
@pytest.mark.parametrize(
    "untrusted",
    [
        *(
            reading(5.0, quality | Quality.STIM)
            for quality in Quality
            if quality not in (Quality.STIM, Quality.MAGNET)
        ),
        *(reading(level) for level in (math.nan, math.inf, -math.inf)),
    ],
)
def test_an_untrusted_reading_changes_nothing_now_or_later(
    name: str, untrusted: Reading
) -> None:
    trusted = [0.2, 0.11, 0.12, 0.05, 0.13]
    disturbed, calm = controller(name), controller(name)
    for level in trusted:
        wanted = calm.update(reading(level))
        assert disturbed.update(reading(level)) == wanted
        held = replace(wanted, at_us=0, count=0)  # a trigger is not repeated
        assert [disturbed.update(untrusted) for _ in range(20)] == [held] * 20


def test_a_reading_during_stimulation_is_trusted() -> None:
    assert controller("on_off").update(reading(5.0, Quality.STIM)).amplitude_ua == 231


@every_controller
@given(first=levels, second=levels)
def test_reset_returns_to_the_beginning(
    name: str, first: list[float], second: list[float]
) -> None:
    used = controller(name)
    amplitudes(used, first)
    used.reset()
    assert amplitudes(used, second) == amplitudes(controller(name), second)


@every_controller
def test_it_tells_its_tick(name: str) -> None:
    assert controller(name).tick_us == 20_000


@given(levels=levels)
def test_continuous_is_one_amplitude(levels: list[float]) -> None:
    assert amplitudes(controller("continuous"), levels) == [3000] * len(levels)


def test_continuous_needs_no_trust() -> None:
    assert controller("continuous").update(reading(1.0, Quality.GAP)).amplitude_ua == 3000


def test_on_off_ramps_in_thirteen_ticks_up_and_down() -> None:
    made = controller("on_off")
    up = [round(3000 * k / 13) for k in range(1, 14)]
    assert amplitudes(made, [1.0] * 15) == [*up, 3000, 3000]
    assert amplitudes(made, [0.0] * 15) == [*up[-2::-1], 0, 0, 0]


def test_on_off_follows_the_decision_and_not_the_level() -> None:
    made = controller("on_off")
    assert made.update(Reading(0, 0, 0.0, True, 0)).amplitude_ua == 231
    assert made.update(Reading(0, 0, 9.0, False, 0)).amplitude_ua == 0


def test_ramps_may_differ_and_span_the_range() -> None:
    made = controller("on_off", amplitude_min_ua=1000, ramp_up_ms=0, ramp_down_ms=80)
    assert amplitudes(made, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]) == [
        3000,
        2500,
        2000,
        1500,
        1000,
        1000,
    ]


def test_dual_threshold_holds_between_and_at_its_thresholds() -> None:
    made = controller("dual_threshold")
    held = [LOW_UV, HIGH_UV, 0.12]
    assert amplitudes(made, [0.2, *held, 0.2, *held]) == [231] * 4 + [462] * 4
    assert amplitudes(made, [0.1, *held, 0.1, *held]) == [231] * 4 + [0] * 4


def test_proportional_is_five_milliampere_per_unit_of_error() -> None:
    made = controller("proportional")
    given_levels = [LOW_UV, 1.1 * LOW_UV, 1.2 * LOW_UV, 0.5 * LOW_UV, 2 * LOW_UV]
    assert amplitudes(made, given_levels) == [0, 500, 1000, 0, 3000]


@given(levels=levels)
def test_proportional_integral_is_the_published_law(levels: list[float]) -> None:
    integral, wanted = 0.0, []
    for level in levels:
        error = (level - LOW_UV) / LOW_UV
        integral += error * 0.02
        output = 0.23 * (error + integral / 0.2)
        if output > 3:
            output, integral = 3, integral - error * 0.02
        elif output < 0:
            output, integral = 0, integral - error * 0.02
        wanted.append(1000 * output)
    got = amplitudes(controller("proportional_integral"), levels)
    assert got == pytest.approx(wanted, abs=0.501)


def test_proportional_integral_adds_its_own_output_once_per_integral_time() -> None:
    made = controller("proportional_integral")
    got = amplitudes(made, [2 * LOW_UV] * 20)  # error 1 for 400 ms
    assert (got[9], got[19]) == (460, 690)


def test_the_integral_does_not_wind_up() -> None:
    short, long = controller("proportional_integral"), controller("proportional_integral")
    amplitudes(short, [2 * LOW_UV] * 200)
    amplitudes(long, [2 * LOW_UV] * 20_000)
    released = [0.9 * LOW_UV] * 50
    assert amplitudes(long, released) == amplitudes(short, released)


@given(levels=st.lists(st.floats(0, 1, width=32), max_size=200))
def test_every_law_is_the_published_one_to_the_last_bit(levels: list[float]) -> None:
    """Fleming et al. 2020: their code's arithmetic, in µA and Hz, written anew."""
    high, tick_s = 3000.0, 0.02
    step = high / math.ceil(0.25 / tick_s)
    on_off = dual = integral_s = integral_hz_s = 0.0
    made = {name: controller(name) for name in CONTROLLERS}
    for level in levels:
        error = (level - LOW_UV) / LOW_UV
        on_off = min(max(on_off + (step if error > 0 else -step), 0.0), high)
        if level > HIGH_UV:
            dual = min(dual + step, high)
        elif level < LOW_UV:
            dual = max(dual - step, 0.0)
        integral_s += error * tick_s
        u_ua = 230.0 * (error + integral_s / 0.2)
        if u_ua > high or u_ua < 0:
            integral_s -= error * tick_s
        integral_hz_s += error * tick_s
        u_hz = 19.3 * (error + integral_hz_s / 0.2)
        if u_hz > 250 or u_hz < 0:
            integral_hz_s -= error * tick_s
        told = {name: made[name].update(reading(level)) for name in OWN}
        assert told["on_off"].amplitude_ua == round(on_off)
        assert told["dual_threshold"].amplitude_ua == round(dual)
        assert told["proportional"].amplitude_ua == round(min(max(5000 * error, 0.0), high))
        assert told["proportional_integral"].amplitude_ua == round(min(max(u_ua, 0.0), high))
        for name, wanted_hz in (
            ("proportional_rate", 416.7 * error),
            ("proportional_integral_rate", u_hz),
        ):
            hz = min(max(wanted_hz, 0.0), 250.0)
            expected = Setting(3000, round(1e6 / hz)) if hz >= 2 else Setting(0, 500_000)
            assert told[name] == expected


def test_a_rate_of_zero_or_below_the_slowest_is_off() -> None:
    made = controller("proportional_rate", kp_hz=100.0)
    for level, expected in (
        (LOW_UV * 0.5, Setting(0, 500_000)),
        (LOW_UV * 1.01, Setting(0, 500_000)),
        (LOW_UV * 2, Setting(3000, 10_000)),
        (LOW_UV * 9, Setting(3000, 4000)),
    ):
        assert made.update(reading(level)) == expected


def test_a_burst_is_stimulated_once_it_has_lasted_and_no_longer_than_it_lasts() -> None:
    made = controller("burst_gated", wait_ms=300, ramp_up_ms=0, ramp_down_ms=0)
    told = []
    for active_ms in (0, 100, 299, 300, 700, 0, 100):
        wanted = made.update(Reading(0, 0, 1.0, active=active_ms > 0, active_ms=active_ms))
        told.append(wanted.amplitude_ua)
    assert told == [0, 0, 0, 3000, 3000, 0, 0]


@given(active=st.lists(st.booleans(), max_size=60))
def test_without_a_wait_a_burst_gate_is_on_off(active: list[bool]) -> None:
    gate, plain = controller("burst_gated", wait_ms=0), controller("on_off")
    for told in active:
        burst = Reading(0, 0, 1.0, told, 0)
        assert gate.update(burst) == plain.update(burst)


def by_state(made: Controller, states: list[int]) -> list[int]:
    told = (Reading(0, 0, 1.0, active=False, active_ms=0, state=state) for state in states)
    return [made.update(reading).amplitude_ua for reading in told]


@given(states=st.lists(st.integers(0, 8), max_size=200))
def test_nine_states_ramp_as_the_device_does_and_hold(states: list[int]) -> None:
    """The law in a few lines: the amplitude of each tick, from the change before it."""
    at_ma, from_ma, since, target_ma, last = 0.0, 0.0, 0, 25.5, -1
    expected = []
    for state in states:
        if last >= 0:
            since += 1
            if target_ma != 25.5 and target_ma >= from_ma:
                at_ma = min(target_ma, from_ma + 8.0 * 0.02 * since)
            elif target_ma != 25.5:
                at_ma = max(target_ma, from_ma - 3.0 * 0.02 * since)
        if state != last:
            last, from_ma, since, target_ma = state, at_ma, 0, STATES_MA[state]
        expected.append(at_ma)
    told = by_state(controller("nine_states"), states)
    assert told == pytest.approx([1000 * ma for ma in expected], abs=1)


def test_nine_states_are_the_ramp_that_was_compared_with_the_device() -> None:
    config = AdaptiveConfig(STATES_MA, 8 * 65536, 3 * 65536)
    ramp = StateRamp(config, 20.0)
    states = [0] * 5 + [2] * 9 + [1] * 4 + [3] * 9 + [8] * 3 + [7] * 40
    expected = [round(1000 * ramp.update(state)) for state in states]
    assert by_state(controller("nine_states"), states) == expected


@pytest.mark.parametrize("name", ["on_off", "dual_threshold", "burst_gated", "nine_states"])
@given(told=st.lists(any_reading, max_size=60))
def test_no_ramp_is_steeper_than_prescribed(name: str, told: list[Reading]) -> None:
    made = controller(name)
    before, rise, fall = 0, 231, 231
    if name == "nine_states":
        rise, fall = 161, 61
    for one in told:
        after = made.update(one).amplitude_ua
        assert -fall <= after - before <= rise
        before = after


@pytest.mark.parametrize(
    ("make", "parameters", "sentence"),
    [
        (OnOff, {"tick_us": 0}, "tick_us of 0 was asked for; above 0 to"),
        (OnOff, {"period_us": -1}, "period_us of -1 was asked for"),
        (OnOff, {"amplitude_min_ua": 3001}, "min <= max must hold"),
        (OnOff, {"amplitude_min_ua": -1}, "amplitude_min_ua of -1 was asked for; 0 to"),
        (OnOff, {"ramp_up_ms": -1}, "ramp_up_ms of -1 was asked for; 0 to 3600000"),
        (OnOff, {"ramp_down_ms": math.nan}, "ramp_down_ms of nan"),
        (BurstGated, {"wait_ms": -1}, "wait_ms of -1"),
        (DualThreshold, {"threshold_uv": 1, "lower_uv": 2}, "lower <= upper must hold"),
        (DualThreshold, {"threshold_uv": math.inf, "lower_uv": 2}, "threshold_uv of inf"),
        (
            DualThreshold,
            {"threshold_uv": 1, "lower_uv": 0, "ramp_up_ms": math.inf},
            "ramp_up_ms of inf",
        ),
        (Proportional, {"threshold_uv": 0, "kp_ua": 1}, "threshold_uv of 0"),
        (Proportional, {"threshold_uv": 1, "kp_ua": math.nan}, "kp_ua of nan"),
        (ProportionalIntegral, {"threshold_uv": 1, "kp_ua": 1, "ti_s": 0}, "ti_s of 0"),
        (
            ProportionalRate,
            {"threshold_uv": 1, "kp_hz": 1, "period_min_us": 9, "period_max_us": 8},
            "min <= max must hold",
        ),
        (ProportionalIntegralRate, {"threshold_uv": 1, "kp_hz": 1, "ti_s": 0}, "ti_s of 0"),
        (PerceptDual, {"suspend_ua": 3001}, "A suspend amplitude of 3001 µA"),
        (PerceptDual, {"suspend_ua": 0, "transition_up_ms": 249}, "250 to 1800000"),
        (NineStates, {"states_ma": (1.0,) * 8}, "give nine of 0 to 25.5 mA"),
        (NineStates, {"states_ma": (3.1,) * 9}, "A state of 3.1 mA was asked for"),
        (NineStates, {"states_ma": (1.0,) * 9, "fall_ma_per_s": 0}, "fall_ma_per_s of 0"),
        (PhaseTargeted, {"threshold_uv": 1, "peak_hz": 0}, "peak_hz of 0"),
        (PhaseTargeted, {"threshold_uv": 1, "peak_hz": 20, "pulses": 17}, "pulses of 17"),
        (PhaseTargeted, {"threshold_uv": 1, "peak_hz": 20, "target_rad": 4}, "target_rad of 4"),
    ],
)
def test_a_bad_parameter_is_refused_in_a_sentence(
    make: Callable[..., Controller], parameters: dict[str, Any], sentence: str
) -> None:
    values = {**FLEMING, "rise_ma_per_s": 1.0, "fall_ma_per_s": 1.0, **parameters}
    declared = [parameter.name for parameter in parameters_of(make)]
    with pytest.raises(ValueError, match=re.escape(sentence)):
        make(**{key: value for key, value in values.items() if key in declared})


@every_controller
def test_every_parameter_is_a_plain_number_with_a_unit_and_a_meaning(name: str) -> None:
    counts = {"pulses", "refractory_cycles"}
    for parameter in parameters_of(CONTROLLERS[name]):
        assert parameter.type in (int, float, tuple[float, ...])
        assert parameter.unit or parameter.name in counts
        assert parameter.meaning.endswith(".")


def swept(levels: list[float], **changed: float) -> list[int]:
    return amplitudes(controller("sweep", **changed), levels)


def test_a_sweep_keeps_each_amplitude_for_its_dwell_and_ends_at_the_minimum() -> None:
    told = swept([0.5] * 15)
    assert told == [0, 0, 1000, 1000, 1000, 2000, 2000, 2000, 3000, 3000, 3000, 0, 0, 0, 0]


def test_a_sweep_does_not_rise_on_a_signal_that_nobody_can_read() -> None:
    made = controller("sweep")
    for _ in range(50):
        assert made.update(reading(0.5, Quality.GAP)).amplitude_ua == 0
    assert amplitudes(made, [0.5] * 3) == [0, 0, 1000]


def test_a_sweep_ends_where_the_level_has_fallen_far_enough() -> None:
    falling = [0.8] * 3 + [0.5] * 3 + [0.3] * 6
    assert max(swept(falling)) == 3000
    assert swept(falling, enough_percent=50.0)[-4:] == [0, 0, 0, 0]
    assert max(swept(falling, enough_percent=50.0)) == 2000


@pytest.mark.parametrize("level", [0.0, -0.5])
def test_a_sweep_that_nothing_is_enough_for_goes_on_whatever_the_level(level: float) -> None:
    assert max(swept([level] * 15)) == 3000


def test_a_sweep_starts_anew_after_a_reset() -> None:
    made = controller("sweep")
    first = amplitudes(made, [0.5] * 15)
    made.reset()
    assert amplitudes(made, [0.5] * 15) == first


def test_a_sweep_that_only_settles_is_refused() -> None:
    with pytest.raises(ValueError, match="Dwell for longer"):
        controller("sweep", settle_ms=60.0)
