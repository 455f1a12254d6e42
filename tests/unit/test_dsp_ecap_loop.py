import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stimloop_dsp import Controller, Quality, Reading, Setting
from stimloop_dsp.ecap_loop import (
    FLOOR,
    EcapController,
    EcapLinear,
    EcapLogarithmic,
)

TICK_US = 25_000
PER_S = 40
SETPOINT_UV = 50.0
OPEN_UA = 5500
MOST_UA = 9000
COMMON: dict[str, Any] = {
    "tick_us": TICK_US,
    "amplitude_min_ua": 0,
    "amplitude_max_ua": MOST_UA,
    "period_us": TICK_US,
    "setpoint_uv": SETPOINT_UV,
    "open_loop_ua": OPEN_UA,
}
Make = Callable[..., EcapController]


def logarithmic(**changed: float) -> EcapController:
    return EcapLogarithmic(**{**COMMON, **changed})


def linear(**changed: float) -> EcapController:
    return EcapLinear(**{**COMMON, "slope_uv_per_ma": 50.0, **changed})


both = pytest.mark.parametrize("make", [logarithmic, linear])


def reading(
    level: float, *, active: bool | None = None, quality: Quality = Quality.OK
) -> Reading:
    return Reading(0, 0, level, level > 10 if active is None else active, 0, quality=quality)


def outputs(made: EcapController, readings: list[Reading]) -> list[float]:
    """Outputs before they are rounded, the first one included, µA."""
    told = [made.output_ua]
    for each in readings:
        made.update(each)
        told.append(made.output_ua)
    return told


any_reading = st.builds(
    Reading,
    index=st.integers(),
    t_us=st.integers(),
    level=st.floats(),
    active=st.booleans(),
    active_ms=st.integers(0),
    quality=st.sampled_from([Quality.OK, Quality.OK, Quality.OK, *Quality]),
)
any_readings = st.lists(any_reading, max_size=120)


@both
@given(readings=any_readings, low=st.integers(0, 5000), most=st.integers(OPEN_UA, MOST_UA))
def test_no_reading_moves_the_amplitude_out_of_its_range(
    make: Make, readings: list[Reading], low: int, most: int
) -> None:
    made = make(amplitude_min_ua=low, amplitude_max_ua=most)
    for each in readings:
        setting = made.update(each)
        assert type(setting.amplitude_ua) is int
        assert max(low, int(FLOOR * OPEN_UA)) <= setting.amplitude_ua <= most
        assert setting == Setting(setting.amplitude_ua, TICK_US)


@both
@given(readings=any_readings, per_pulse=st.floats(0.001, 0.3), per_s=st.floats(0.01, 3))
def test_no_reading_raises_the_amplitude_faster_than_both_limits(
    make: Make, readings: list[Reading], per_pulse: float, per_s: float
) -> None:
    made = make(rise_per_pulse_percent=100 * per_pulse, rise_per_s_percent=100 * per_s)
    told = outputs(made, readings)
    for k in range(1, len(told)):
        assert told[k] <= told[k - 1] * (1 + per_pulse) * (1 + 1e-12)
        before = told[max(0, k - PER_S)]
        assert told[k] <= before * (1 + per_s) * (1 + 1e-12) or told[k] <= told[k - 1]


@both
def test_the_start_is_soft_and_ends_at_the_setpoint(make: Make) -> None:
    made = make()
    told = [made.output_ua]
    for _ in range(25 * PER_S):
        made.update(reading(max(0.0, 0.05 * (made.output_ua - 4500))))
        told.append(made.output_ua)
    assert told[0] == FLOOR * OPEN_UA
    assert max(told) < 1.02 * 5500
    assert told[-1] == pytest.approx(5500, rel=1e-3)


@both
def test_a_response_above_the_setpoint_lowers_at_once_and_far(make: Make) -> None:
    made = make()
    made.output_ua = 5500.0
    made.update(reading(10 * SETPOINT_UV))
    assert made.output_ua < 5500 * 0.85


def test_the_logarithmic_law_is_the_published_one() -> None:
    made = logarithmic(rise_per_s_percent=1000.0)
    made.output_ua = 4000.0
    made.update(reading(40.0))
    assert made.output_ua == pytest.approx(4000 * math.exp(0.05 * 0.2))
    made.output_ua = 4000.0
    made.update(reading(1000.0))
    assert made.output_ua == pytest.approx(4000 * math.exp(0.05 * -4))


def test_the_linear_law_follows_the_slope_that_it_is_meant_for() -> None:
    made = linear(rise_per_s_percent=1000.0)
    made.output_ua = 4000.0
    made.update(reading(40.0))
    assert made.output_ua == pytest.approx(4000 + 0.2 * 10 / 50 * 1000)


def test_after_a_cough_the_amplitude_may_return_at_once_to_where_it_was() -> None:
    made = logarithmic(rise_per_pulse_percent=5.0)
    made._second_ua.extend([5500.0] * PER_S)
    for _ in range(PER_S):
        made._second_ua.popleft()
    made.output_ua = 5500.0
    for _ in range(10):
        made.update(reading(150.0))
    lowest_ua = made.output_ua
    pulses = 0
    while made.output_ua < 5400 and pulses < PER_S:
        made.update(reading(0.0, active=False))
        pulses += 1
    assert lowest_ua < 4000
    assert pulses < 0.6 * PER_S


@both
@pytest.mark.parametrize(
    "bad",
    [
        reading(math.nan),
        reading(math.inf),
        *(
            reading(SETPOINT_UV / 2, quality=quality)
            for quality in (
                Quality.ARTEFACT,
                Quality.SATURATED,
                Quality.HELD,
                Quality.GAP,
                Quality.WARMUP,
            )
        ),
    ],
)
def test_a_sweep_that_cannot_be_trusted_holds_and_then_opens_the_loop(
    make: Make, bad: Reading
) -> None:
    made = make(rise_per_s_percent=100.0)
    made.output_ua = 3000.0
    for _ in range(2 * PER_S):
        made.update(bad)
        assert made.output_ua == 3000.0
        assert not made.is_open
    for _ in range(3 * PER_S):
        made.update(bad)
        assert made.is_open
    assert made.output_ua == OPEN_UA
    made.update(reading(SETPOINT_UV))
    assert not made.is_open


@both
def test_an_open_loop_falls_to_its_amplitude_at_once(make: Make) -> None:
    made = make()
    made.output_ua = 8000.0
    for _ in range(2 * PER_S + 1):
        made.update(reading(math.nan))
    assert made.output_ua == OPEN_UA


@both
def test_a_missing_response_is_sought_upwards_and_not_for_long(make: Make) -> None:
    made = make(rise_per_s_percent=20.0)
    made.output_ua = 3000.0
    made._second_ua.extend([3000.0] * PER_S)
    for _ in range(PER_S):
        made._second_ua.popleft()
    for _ in range(2 * PER_S):
        made.update(reading(2.0, active=False))
    sought_ua = made.output_ua
    assert 3000 < sought_ua <= 3000 * 1.2**2
    for _ in range(20 * PER_S):
        made.update(reading(2.0, active=False))
    assert made.output_ua == OPEN_UA


@both
@given(readings=any_readings)
def test_a_reset_forgets_everything(make: Make, readings: list[Reading]) -> None:
    used, fresh = make(), make()
    outputs(used, readings)
    used.reset()
    again = [reading(level) for level in (0.0, 80.0, 20.0, 55.0)]
    assert outputs(used, again) == outputs(fresh, again)


def test_both_are_controllers() -> None:
    made: Controller = logarithmic()
    assert made.tick_us == TICK_US
    made = linear()
    assert made.tick_us == TICK_US


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"setpoint_uv": 0.0}, "setpoint_uv of 0"),
        ({"setpoint_uv": math.nan}, "setpoint_uv of nan"),
        ({"tick_us": 0}, "tick_us of 0"),
        ({"gain": 0.0}, "gain of 0.0 was asked for"),
        ({"gain": 2.0}, "gain of 2.0 was asked for; above 0 to"),
        ({"open_loop_ua": 0}, "1 to 9000 µA is allowed"),
        ({"open_loop_ua": 9001}, "1 to 9000 µA is allowed"),
        ({"amplitude_min_ua": 5501}, "5501 to 9000 µA"),
        ({"amplitude_min_ua": 9500}, "min <= max"),
        ({"lost_ms": -1.0}, "lost_ms of -1.0"),
        ({"rise_per_s_percent": math.inf}, "rise_per_s_percent of inf"),
    ],
)
@both
def test_impossible_parameters_are_refused(
    make: Make, changed: dict[str, float], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        make(**changed)


def test_the_slope_of_the_linear_law_must_be_positive() -> None:
    with pytest.raises(ValueError, match="slope_uv_per_ma of -1"):
        linear(slope_uv_per_ma=-1.0)
