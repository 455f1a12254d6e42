"""The governor orders only what it may, whatever a controller comes up with."""

from __future__ import annotations

import math
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.device import LIMITS

from stimloop.governor import SIGNAL_LOST_US, Governor
from stimloop_dsp import Quality, Setting
from stimloop_hw.program import CASE, Mode, Program
from stimloop_hw.vocabulary import Bound

TICK_US = 20_000


def program(
    minimum_ua: int = 0, maximum_ua: int = 3_000, slew_ua_s: int = 12_000, fallback_ua: int = 0
) -> Program:
    return Program(
        mode=Mode.TRAIN,
        amplitude_min_ua=minimum_ua,
        amplitude_max_ua=maximum_ua,
        width_us=60,
        period_min_us=7_690,
        period_max_us=10_000,
        slew_ua_s=slew_ua_s,
        fallback_ua=fallback_ua,
        cathodes=2,
        anodes=CASE,
    )


def orders(governor: Governor, amplitude_ua: int, ticks: int) -> list[int]:
    wanted = Setting(amplitude_ua, 7_690)
    return [governor.admit(wanted, Quality.OK).amplitude_ua for _ in range(ticks)]


WANTED = st.lists(
    st.tuples(
        st.integers(-(10**9), 10**9) | st.integers(-100, 4_000),
        st.integers(-10, 10**7) | st.integers(7_600, 10_100),
        st.sampled_from([Quality.OK, Quality.WARMUP, Quality.SATURATED | Quality.HELD]),
    ),
    max_size=60,
)
PROGRAMS = st.builds(
    program,
    minimum_ua=st.sampled_from([0, 100, 1_000, 2_000]),
    maximum_ua=st.sampled_from([2_000, 3_000, 25_500]),
    slew_ua_s=st.sampled_from([1, 500, 3_000, 12_000, 25_000]),
)


@given(PROGRAMS, WANTED)
def test_every_order_is_in_range_and_on_the_devices_steps(
    committed: Program, wanted: list[tuple[int, int, Quality]]
) -> None:
    governor = Governor(committed, LIMITS, TICK_US)
    for amplitude_ua, period_us, quality in wanted:
        order = governor.admit(Setting(amplitude_ua, period_us), quality)
        low, high = committed.amplitude_min_ua, committed.amplitude_max_ua
        assert order.amplitude_ua == 0 or low <= order.amplitude_ua <= high
        assert order.amplitude_ua % LIMITS.amplitude_step_ua == 0
        assert committed.period_min_us <= order.period_us <= committed.period_max_us
        assert order.period_us % LIMITS.period_step_us == 0


@given(PROGRAMS, WANTED)
def test_no_order_moves_faster_than_the_slew_and_one_step(
    committed: Program, wanted: list[tuple[int, int, Quality]]
) -> None:
    governor = Governor(committed, LIMITS, TICK_US)
    before_ua = 0
    for amplitude_ua, period_us, quality in wanted:
        order = governor.admit(Setting(amplitude_ua, period_us), quality)
        moved_ua = abs(order.amplitude_ua - before_ua)
        by_slew_ua = committed.slew_ua_s * TICK_US / 1e6 + LIMITS.amplitude_step_ua
        assert moved_ua <= max(by_slew_ua, committed.amplitude_min_ua)
        before_ua = order.amplitude_ua


def test_a_wanted_amplitude_is_reached_and_then_not_called_bounded() -> None:
    governor = Governor(program(), LIMITS, TICK_US)
    assert orders(governor, 3_000, 13) == [
        200, 400, 700, 900, 1_200, 1_400, 1_600, 1_900, 2_100, 2_400, 2_600, 2_800, 3_000,
    ]  # fmt: skip
    assert governor.admit(Setting(3_000, 7_690), Quality.OK).bound is Bound.NONE


def test_below_the_minimum_the_order_is_off_and_the_minimum_is_not_jumped_over() -> None:
    governor = Governor(program(minimum_ua=2_000), LIMITS, TICK_US)
    assert orders(governor, 1_999, 3) == [0, 0, 0]
    assert orders(governor, 2_200, 3) == [2_000, 2_200, 2_200]
    assert orders(governor, 0, 3) == [2_000, 0, 0]


@pytest.mark.parametrize(
    ("wanted_ua", "bound"),
    [(3_001, Bound.SLEW), (-1, Bound.RANGE), (50, Bound.STEP), (100, Bound.NONE)],
)
def test_the_bound_that_made_the_difference_is_named(wanted_ua: int, bound: Bound) -> None:
    governor = Governor(program(), LIMITS, TICK_US)
    assert governor.admit(Setting(wanted_ua, 7_690), Quality.OK).bound is bound


def test_an_amplitude_above_the_range_is_bounded_by_it_once_the_slew_allows() -> None:
    governor = Governor(program(), LIMITS, TICK_US)
    orders(governor, 9_000, 13)
    order = governor.admit(Setting(9_000, 7_690), Quality.OK)
    assert (order.amplitude_ua, order.bound) == (3_000, Bound.RANGE)


@pytest.mark.parametrize("nonsense", [math.nan, None, "3000", 3_000.0, True])
def test_what_is_no_integer_holds_the_order(nonsense: object) -> None:
    governor = Governor(program(), LIMITS, TICK_US)
    orders(governor, 1_000, 10)
    order = governor.admit(Setting(cast("Any", nonsense), 7_690), Quality.OK)
    assert (order.amplitude_ua, order.bound) == (1_000, Bound.HELD)


@given(count=st.integers(-(10**6), 10**6), at_us=st.integers(0, 2**63 - 1))
def test_triggers_are_held_with_the_order_and_bounded_in_number(count: int, at_us: int) -> None:
    governor = Governor(program(), LIMITS, TICK_US)
    orders(governor, 1_000, 10)
    wanted = Setting(1_000, 7_690, at_us, count)
    order = governor.admit(wanted, Quality.OK)
    assert (order.amplitude_ua, order.period_us) == (1_000, 7_690)
    assert order.pulses == min(max(count, 0), 16)
    assert order.at_us == (at_us if count else 0)
    assert (order.bound is Bound.RANGE) == (not 0 <= count <= 16)
    for quality in (Quality.SATURATED, Quality.GAP, Quality.ARTEFACT, Quality.WARMUP):
        held = governor.admit(wanted, quality)
        assert (held.pulses, held.at_us) == (0, 0)


@pytest.mark.parametrize("nonsense", [1.0, math.nan, "1", True])
def test_a_trigger_that_is_no_integer_is_none(nonsense: object) -> None:
    governor = Governor(program(), LIMITS, TICK_US)
    for wanted in (
        Setting(1_000, 7_690, cast("Any", nonsense), 1),
        Setting(1_000, 7_690, 5, cast("Any", nonsense)),
    ):
        assert governor.admit(wanted, Quality.OK).pulses == 0


def test_a_bad_sample_holds_and_a_lost_signal_leads_to_the_fallback() -> None:
    governor = Governor(program(fallback_ua=500), LIMITS, TICK_US)
    orders(governor, 2_000, 20)
    wanted = Setting(3_000, 7_690)
    bad = [governor.admit(wanted, Quality.SATURATED) for _ in range(SIGNAL_LOST_US // TICK_US)]
    assert {order.amplitude_ua for order in bad[:-1]} == {2_000}
    assert all(order.bound is Bound.HELD for order in bad[:-1])
    assert bad[-1].amplitude_ua < 2_000
    later = [governor.admit(wanted, Quality.SATURATED) for _ in range(20)]
    assert later[-1].amplitude_ua == 500
    assert later[-1].bound is Bound.SIGNAL_LOST


def test_filters_that_never_settle_again_lead_to_the_fallback_too() -> None:
    governor = Governor(program(), LIMITS, TICK_US)
    orders(governor, 1_000, 10)
    wanted = Setting(1_000, 7_690)
    for _ in range(SIGNAL_LOST_US // TICK_US + 20):
        governor.admit(wanted, Quality.GAP)
        last = governor.admit(wanted, Quality.WARMUP)
    assert (last.amplitude_ua, last.bound) == (0, Bound.SIGNAL_LOST)


def test_filters_that_settle_for_the_first_time_are_waited_for() -> None:
    governor = Governor(program(), LIMITS, TICK_US)
    for _ in range(SIGNAL_LOST_US // TICK_US + 20):
        last = governor.admit(Setting(1_000, 7_690), Quality.WARMUP)
    assert last.amplitude_ua == 1_000


def test_a_good_sample_ends_the_wait_for_a_lost_signal() -> None:
    governor = Governor(program(), LIMITS, TICK_US)
    orders(governor, 1_000, 10)
    wanted = Setting(1_000, 7_690)
    for _ in range(3):
        for _ in range(SIGNAL_LOST_US // TICK_US - 1):
            assert governor.admit(wanted, Quality.HELD).amplitude_ua == 1_000
        governor.admit(wanted, Quality.OK)


def test_after_a_rebase_orders_go_on_from_what_the_device_delivers() -> None:
    governor = Governor(program(), LIMITS, TICK_US)
    orders(governor, 3_000, 20)
    governor.rebase(700)
    assert orders(governor, 3_000, 1) == [900]


def test_a_period_is_never_faster_than_asked() -> None:
    governor = Governor(program(), LIMITS, TICK_US)
    assert governor.admit(Setting(0, 7_691), Quality.OK).period_us == 7_700


def test_a_governor_says_why_it_orders_the_fallback() -> None:
    governor = Governor(program(), LIMITS, TICK_US)
    told = [governor.fallback]
    for chatters in (True, False):
        governor.admit(Setting(1_000, 7_690), Quality.OK, chatters=chatters)
        told.append(governor.fallback)
    assert told == [Bound.NONE, Bound.CHATTER, Bound.NONE]
