"""A loop that switches too often is led no more, and one that does its work is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.device import LIMITS
from tests.unit.test_governor import TICK_US, program
from tests.unit.test_session import Bench, session_on

from stimloop import prescription as prescriptions
from stimloop.chatter import SWING_PERCENT, WINDOW_US, Chatter, Switching
from stimloop.governor import FALLBACK, SIGNAL_LOST_US, Governor
from stimloop_dsp import Quality, Reading, Setting
from stimloop_hw.vocabulary import Bound, SensedFlag

TEXT = """\
schema = 1
[stimulation]
amplitude_ma = 3.0
fallback_ma = 0.5
pulse_width_us = 60
rate_hz = 130.0
slew_ma_per_s = 12.0
cathodes = ["1"]
anodes = ["case"]
[detector]
threshold_uv = 5.0
[governor]
switches_per_min = 20
[controller]
"""
ON_OFF, PROPORTIONAL = (
    TEXT + 'kind = "on_off"\n',
    TEXT + 'kind = "proportional"\nkp_ma = 1.0\n',
)


def switches(values: list[int], swing: int) -> list[int]:
    """Where a signal turns, by looking back over all of it at each value."""
    turns: list[int] = []
    begun, heading = 0, 0
    for k, value in enumerate(values):
        past = values[begun : k + 1]
        for direction, moved in ((1, value - min(past)), (-1, max(past) - value)):
            if moved >= swing and direction != heading:
                heading, begun = direction, k
                turns.append(k)
                break
    return turns


def tripped(values: list[int], swing: int, per_minute: int, tick_us: int) -> list[bool]:
    monitor = Switching(swing, per_minute)
    return [monitor.push(value, k * tick_us) for k, value in enumerate(values)]


@given(
    st.lists(st.integers(-20, 20), max_size=150),
    st.integers(1, 25),
    st.integers(1, 12),
    st.integers(20_000, 5_000_000),
)
def test_it_trips_exactly_while_the_last_minute_holds_more_switches_than_allowed(
    values: list[int], swing: int, per_minute: int, tick_us: int
) -> None:
    turns = switches(values, swing)
    told = tripped(values, swing, per_minute, tick_us)
    for k, trips in enumerate(told):
        recent = [turn for turn in turns if turn <= k and (k - turn) * tick_us < WINDOW_US]
        assert trips is (len(recent) > per_minute)


@given(st.integers(1, 1000), st.data())
def test_what_stays_within_less_than_the_swing_never_switches(
    swing: int, data: st.DataObject
) -> None:
    values = data.draw(st.lists(st.integers(0, swing - 1), max_size=200))
    assert not any(tripped(values, swing, 1, TICK_US))


@given(st.integers(2, 100), st.integers(1, 40))
def test_a_square_wave_trips_if_and_only_if_it_is_too_fast(
    half_ticks: int, minute: int
) -> None:
    values = [1000 * (k // half_ticks % 2) for k in range(6000)]
    a_minute = -(-WINDOW_US // (half_ticks * TICK_US))
    assert any(tripped(values, 750, minute, TICK_US)) is (a_minute > minute)


def readings(chatter: Chatter, pairs: list[tuple[int, bool]]) -> list[bool]:
    return [
        chatter.push(Setting(ua, 7_690), Reading(k, k * TICK_US, 0.0, active, 0))
        for k, (ua, active) in enumerate(pairs)
    ]


def chatter_of(text: str) -> Chatter:
    prescription = prescriptions.loads(text)
    return Chatter(prescription, prescription.program(LIMITS))


def test_a_detector_that_flickers_is_chatter_only_where_its_decision_is_followed() -> None:
    flicker = [(1000, k % 2 == 0) for k in range(100)]
    assert any(readings(chatter_of(ON_OFF), flicker))
    assert not any(readings(chatter_of(PROPORTIONAL), flicker))


@pytest.mark.parametrize("text", [ON_OFF, PROPORTIONAL])
def test_an_amplitude_that_swings_is_chatter_whoever_asks_for_it(text: str) -> None:
    least_ua = 3000 * SWING_PERCENT // 100
    for swing_ua, chatters in ((least_ua, True), (least_ua - 1, False)):
        swings = [(swing_ua * (k % 2), False) for k in range(100)]
        assert any(readings(chatter_of(text), swings)) is chatters


@given(st.lists(st.tuples(st.integers(0, 3000), st.booleans()), max_size=300))
def test_once_a_loop_has_chattered_no_calm_gives_it_back_its_output(
    pairs: list[tuple[int, bool]],
) -> None:
    calm = [(0, False)] * 3500  # more than a minute
    told = readings(chatter_of(ON_OFF), pairs + calm)
    assert told == sorted(told)


@given(
    st.lists(st.tuples(st.integers(-100, 4000), st.booleans()), min_size=1, max_size=80),
    st.sampled_from([0, 500, 2000]),
)
def test_chatter_leads_to_the_fallback_within_range_and_slew(
    wishes: list[tuple[int, bool]], fallback_ua: int
) -> None:
    governor = Governor(program(fallback_ua=fallback_ua), LIMITS, TICK_US)
    before_ua = 0
    for wanted_ua, chatters in wishes + [(wishes[-1][0], True)] * 20:
        order = governor.admit(Setting(wanted_ua, 7_690), Quality.OK, chatters=chatters)
        assert abs(order.amplitude_ua - before_ua) <= 12_000 * TICK_US / 1e6 + 100
        before_ua = order.amplitude_ua
    assert (order.amplitude_ua, order.bound) == (fallback_ua, Bound.CHATTER)
    assert governor.fallback is Bound.CHATTER


def test_chatter_is_recorded_with_cause_and_remedy_and_ends_in_the_fallback() -> None:
    bench = Bench()
    session = session_on(bench, ON_OFF.replace("switches_per_min = 20", "switches_per_min = 2"))
    for k in range(1500):  # nothing, and then ten seconds of beta, again and again
        beta = k // 100 % 2 * 200_000
        bench.samples_nv[:] = [beta, -beta, beta, -beta, beta]
        session.step()
    assert bench.orders()[-1].amplitude_ua == 500
    assert bench.rows[-1].bound == Bound.CHATTER
    assert bench.events[-1] == ("governor", Bound.CHATTER, 500)
    assert [event for event in bench.events if event[0] == "governor"] == bench.events[-1:]
    assert "switches_per_min" in FALLBACK[Bound.CHATTER]


def test_a_lost_signal_is_told_when_the_fallback_is_ordered_and_when_it_is_over() -> None:
    bench = Bench()
    session = session_on(bench)
    for _ in range(50):
        session.step()
    bench.flags = SensedFlag.SATURATED
    for _ in range(SIGNAL_LOST_US // TICK_US - 1):
        session.step()
    assert not bench.events[1:]
    session.step()
    assert session.fallback is Bound.SIGNAL_LOST
    bench.flags = 0
    session.step()
    told = [event[:2] for event in bench.events if event[0] == "governor"]
    assert told == [("governor", Bound.SIGNAL_LOST), ("governor", Bound.NONE)]
