"""Trains and rests: by the clock, by the detector, by the magnet."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stimloop_dsp import AutoStim, Controller, DutyCycle, Quality, Reading

TICK_US = 100_000
GIVEN: dict[str, Any] = {"tick_us": TICK_US, "amplitude_max_ua": 2000, "period_us": 50_000}


def auto(**changed: float) -> AutoStim:
    values: dict[str, Any] = {
        **GIVEN,
        "amplitude_ua": 1000,
        "on_s": 7.0,
        "off_s": 30.0,
        "auto_ua": 1500,
        "auto_on_s": 10.0,
        "rest_s": 12.0,
        "magnet_ua": 2000,
        "magnet_on_s": 5.0,
        "swipe_s": 3.0,
    }
    return AutoStim(**(values | changed))


def feed(
    controller: Controller, seconds: float, *, active: bool = False, quality: int = 0
) -> list[int]:
    reading = Reading(0, 0, 80.0, active, 0, quality=Quality(quality))
    return [controller.update(reading).amplitude_ua for _ in range(round(10 * seconds))]


MAGNET = Quality.MAGNET.value


def test_trains_come_by_the_clock_with_ramps_of_two_seconds_and_begin_with_a_rest() -> None:
    cycle: Controller = DutyCycle(**GIVEN, amplitude_ua=1000, on_s=7.0, off_s=18.0)
    got = feed(cycle, 18 + 11 + 18 + 11)
    train = [50 * k for k in range(21)] + [1000] * 69 + [1000 - 50 * k for k in range(21)]
    assert got[:179] == [0] * 179
    assert got[179 : 179 + 111] == train
    assert got[289:469] == [0] * 180
    assert got[469:580] == train


def test_duty_is_the_published_formula() -> None:
    """(on + 2 ramps) / (on + off), where off is counted from ramp to ramp: 7 s and 18 s."""
    cycle = DutyCycle(**GIVEN, amplitude_ua=1000, on_s=7.0, off_s=18.0 - 4.0)
    got = feed(cycle, 14 + 25 * 8)
    on = sum(a > 0 for a in got) / 10 / 8
    assert on == pytest.approx(7 + 2 + 2, abs=0.2)


def test_a_decision_is_answered_by_one_train_at_once() -> None:
    controller = auto()
    feed(controller, 20)
    got = feed(controller, 60, active=True)
    assert got[0] == 0
    assert got[1] == 75  # the first tick of the ramp
    assert max(got[:200]) == 1500
    ends = got.index(0, 1)
    assert ends == 140  # 10 s and two ramps
    assert max(got[ends : ends + 300]) == 0  # it goes on, and is not answered again
    feed(controller, 1)
    assert max(feed(controller, 30, active=True)) >= 1000


def test_a_decision_within_the_minimum_rest_waits_for_it() -> None:
    controller = auto()
    feed(controller, 12)
    feed(controller, 15, active=True)
    feed(controller, 2)
    got = feed(controller, 20, active=True)
    starts = next(k for k, ua in enumerate(got) if ua)
    assert starts == pytest.approx(90, abs=5)  # of 12 s, some 3 s have passed


def test_no_decision_that_cannot_be_trusted_starts_a_train() -> None:
    for flag in (Quality.WARMUP, Quality.ARTEFACT, Quality.GAP, Quality.HELD):
        assert max(feed(auto(), 25, active=True, quality=flag.value)) == 0


def test_a_swipe_starts_a_magnet_train_and_a_magnet_that_stays_inhibits() -> None:
    controller = auto()
    feed(controller, 1)
    assert feed(controller, 1, quality=MAGNET) == [0] * 10
    got = feed(controller, 9)
    assert got[1] == 100
    assert max(got) == 2000
    running = auto()
    feed(running, 20)
    assert max(feed(running, 5, active=True)) == 1500
    assert max(feed(running, 10, active=True, quality=MAGNET)) == 0
    after = feed(running, 29)
    assert max(after) == 0  # a whole rest, and no magnet train
    assert max(feed(running, 10)) == 1000


def test_without_magnet_output_a_swipe_only_ends_the_train() -> None:
    controller = auto(magnet_ua=0)
    feed(controller, 40)
    feed(controller, 1, quality=MAGNET)
    assert max(feed(controller, 29)) == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from([0, MAGNET, 16]), st.integers(1, 80)),
        max_size=40,
    ),
    st.floats(0, 20),
)
def test_whatever_happens_no_train_is_stronger_longer_or_sooner_than_prescribed(
    course: list[tuple[bool, int, int]], rest_s: float
) -> None:
    controller = auto(rest_s=rest_s, magnet_ua=0)
    got: list[int] = []
    held: list[bool] = []
    for active, quality, ticks in course:
        got += feed(controller, ticks / 10, active=active, quality=quality)
        held += [bool(quality & MAGNET)] * ticks
    assert all(ua == 0 for ua, magnet in zip(got, held, strict=True) if magnet)
    assert max(got, default=0) <= 1500
    runs = [(on, len(list(run))) for on, run in groupby(got, bool)]
    assert all(ticks < 140 for on, ticks in runs if on), "auto_on_s and two ramps"
    rests = [ticks for on, ticks in runs[:-1] if not on]
    assert all(ticks >= 10 * rest_s for ticks in rests), "the minimum rest"


def test_reset_returns_to_the_start() -> None:
    controller = auto()
    first = feed(controller, 50, active=True)
    controller.reset()
    assert feed(controller, 50, active=True) == first


@pytest.mark.parametrize(
    "wrong",
    [
        {"auto_ua": 2001},
        {"amplitude_ua": -1},
        {"rest_s": 31.0},
        {"on_s": 0.0},
        {"swipe_s": float("nan")},
        {"magnet_ua": 9000},
        {"tick_us": 0},
    ],
)
def test_what_no_stimulator_does_is_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} of .* is allowed"):
        auto(**wrong)
