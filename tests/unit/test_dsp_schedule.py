import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stimloop_dsp import Continuous, OnOff, PhaseTargeted, Reading, Schedule

HALF_HOUR_US = 1_800_000_000
RANGE = {"tick_us": 20_000, "amplitude_min_ua": 0, "period_us": 7690}


def steady(amplitude_ua: int) -> Continuous:
    return Continuous(**RANGE, amplitude_max_ua=amplitude_ua)


def at(t_us: int, *, active: bool = False) -> Reading:
    return Reading(0, t_us, 1.0, active, 0)


@given(
    starts_at_s=st.integers(0, 86_399),
    first_us=st.integers(0, 2**50),
    later_us=st.lists(st.integers(0, 3 * 48 * HALF_HOUR_US), max_size=20),
)
def test_each_half_hour_of_the_day_has_its_controller_on_the_devices_clock(
    starts_at_s: int, first_us: int, later_us: list[int]
) -> None:
    made = Schedule([steady(ua) for ua in range(48)], list(range(48)), starts_at_s)
    for since_us in [0, *sorted(later_us)]:
        slot = (starts_at_s * 1_000_000 + since_us) // HALF_HOUR_US % 48
        assert made.update(at(first_us + since_us)).amplitude_ua == slot


def test_the_hour_changes_between_two_ticks_and_at_midnight() -> None:
    made = Schedule([steady(100), steady(200)], [0] * 47 + [1], 86_399)
    assert made.update(at(5)).amplitude_ua == 200
    assert made.update(at(5 + 999_999)).amplitude_ua == 200
    assert made.update(at(5 + 1_000_000)).amplitude_ua == 100


def test_a_controller_that_takes_over_begins_at_its_start() -> None:
    ramp = OnOff(**RANGE, amplitude_max_ua=3000)
    made = Schedule([ramp, steady(500)], [0, 1] * 24)
    for _ in range(20):
        assert made.update(at(0, active=True)).amplitude_ua > 0
    assert made.update(at(HALF_HOUR_US)).amplitude_ua == 500
    assert made.update(at(2 * HALF_HOUR_US, active=True)).amplitude_ua == 231


def test_reset_returns_to_the_beginning_of_the_day() -> None:
    made = Schedule([steady(100), steady(200)], [0, 1] * 24)
    assert [made.update(at(t)).amplitude_ua for t in (0, HALF_HOUR_US)] == [100, 200]
    made.reset()
    assert made.update(at(HALF_HOUR_US)).amplitude_ua == 100


PHASE: dict[str, Any] = {
    "tick_us": 20_000,
    "amplitude_max_ua": 1,
    "period_us": 1,
    "threshold_uv": 0,
    "peak_hz": 20,
}


@pytest.mark.parametrize(
    ("controllers", "slots", "starts_at_s", "sentence"),
    [
        ([steady(1)], [0] * 47, 0, "47 half hours were given; 48 are needed"),
        ([steady(1)], [1] * 48, 0, "one of 1 controllers"),
        ([steady(1)], [0] * 48, 86_400, "0 to 86399 s after midnight"),
        ([steady(1), PhaseTargeted(**PHASE)], [0] * 48, 0, "Separate them"),
        (
            [steady(1), Continuous(**{**RANGE, "tick_us": 1}, amplitude_max_ua=1)],
            [0] * 48,
            0,
            "different ticks",
        ),
    ],
)
def test_what_is_no_day_is_refused_in_a_sentence(
    controllers: list[Any], slots: list[int], starts_at_s: int, sentence: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Schedule(controllers, slots, starts_at_s)
