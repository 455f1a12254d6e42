import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stimloop_dsp import (
    CONTROLLERS,
    Continuous,
    Controller,
    DualThreshold,
    OnOff,
    Proportional,
    ProportionalIntegral,
    Quality,
    Reading,
    Setting,
)

FLEMING = {
    "tick_us": 20_000,
    "amplitude_min_ua": 0,
    "amplitude_max_ua": 3000,
    "period_us": 7692,
}
LOW_UV, HIGH_UV = 0.10414, 0.15261  # their setpoints
OWN: dict[str, dict[str, Any]] = {
    "continuous": {"amplitude_ua": 2500},
    "on_off": {},
    "dual_threshold": {"upper_uv": HIGH_UV, "lower_uv": LOW_UV},
    "proportional": {"setpoint_uv": LOW_UV, "gain_ua": 5000},
    "proportional_integral": {"setpoint_uv": LOW_UV, "gain_ua": 230, "integral_ms": 200},
}
every_controller = pytest.mark.parametrize("name", CONTROLLERS)


def controller(name: str, **changed: float) -> Controller:
    made: Controller = CONTROLLERS[name](**{**FLEMING, **OWN[name], **changed})
    return made


def reading(level: float, quality: Quality = Quality.OK) -> Reading:
    return Reading(0, 0, level, level > LOW_UV, 0, quality=quality)


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
    quality=st.sampled_from([Quality.OK, *Quality]),
)


@every_controller
@given(readings=st.lists(any_reading, max_size=30), low=st.integers(0, 900))
def test_no_reading_moves_the_amplitude_out_of_its_range(
    name: str, readings: list[Reading], low: int
) -> None:
    made = controller(name, amplitude_min_ua=low)
    for told in readings:
        setting = made.update(told)
        assert low <= setting.amplitude_ua <= 3000
        assert isinstance(setting.amplitude_ua, int)
        assert setting == Setting(setting.amplitude_ua, 7692, at_us=0, count=0)


@every_controller
@pytest.mark.parametrize(
    "untrusted",
    [
        *(
            reading(5.0, quality | Quality.STIM)
            for quality in Quality
            if quality is not Quality.STIM
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
        assert [disturbed.update(untrusted) for _ in range(20)] == [wanted] * 20


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
    assert amplitudes(controller("continuous"), levels) == [2500] * len(levels)


def test_continuous_needs_no_trust() -> None:
    assert controller("continuous").update(reading(1.0, Quality.GAP)).amplitude_ua == 2500


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


@pytest.mark.parametrize(
    ("make", "parameters", "sentence"),
    [
        (OnOff, {"tick_us": 0}, "tick_us of 0 was asked for; give a finite number above 0"),
        (OnOff, {"period_us": -1}, "period_us of -1 was asked for"),
        (OnOff, {"amplitude_min_ua": 3001}, "0 <= min <= max must hold"),
        (OnOff, {"amplitude_min_ua": -1}, "0 <= min <= max must hold"),
        (OnOff, {"ramp_up_ms": -1}, "A ramp of -1 ms"),
        (OnOff, {"ramp_down_ms": math.nan}, "A ramp of nan ms"),
        (Continuous, {"amplitude_ua": 3001}, "0 to 3000 µA is allowed"),
        (DualThreshold, {"upper_uv": 1, "lower_uv": 2}, "0 <= lower <= upper must hold"),
        (DualThreshold, {"upper_uv": math.inf, "lower_uv": 2}, "0 <= lower <= upper"),
        (DualThreshold, {"upper_uv": 1, "lower_uv": 0, "ramp_up_ms": math.inf}, "A ramp of"),
        (Proportional, {"setpoint_uv": 0, "gain_ua": 1}, "setpoint_uv of 0"),
        (Proportional, {"setpoint_uv": 1, "gain_ua": math.nan}, "gain_ua of nan"),
        (
            ProportionalIntegral,
            {"setpoint_uv": 1, "gain_ua": 1, "integral_ms": 0},
            "integral_ms of 0",
        ),
    ],
)
def test_a_bad_parameter_is_refused_in_a_sentence(
    make: Callable[..., Controller], parameters: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        make(**{**FLEMING, **parameters})
