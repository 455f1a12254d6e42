from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.peer import DBS
from tests.waveform import output_stage

from stimloop_hw.program import CASE, Mode, Program
from stimloop_sim._pulses import PulseTrain

STEP_UA = 100
WIDTH_US = 60
MAX_UA = 3000
SLEW_UA_S = 10_000
SAMPLE_US = 4000
SHORTEST_US, LONGEST_US = 4000, 40_000
PROGRAM = Program(
    mode=Mode.TRAIN,
    amplitude_min_ua=0,
    amplitude_max_ua=MAX_UA,
    width_us=WIDTH_US,
    period_min_us=10_000,
    period_max_us=40_000,
    slew_ua_s=SLEW_UA_S,
    fallback_ua=0,
    cathodes=2,
    anodes=CASE,
)


@dataclass(frozen=True)
class Move:
    """A setpoint, so many samples after the one before, and how far ahead it is timed."""

    samples: int
    amplitude_ua: int
    period_us: int
    ahead_us: int = 0


MOVES = st.lists(
    st.builds(
        Move,
        samples=st.integers(1, 60),
        amplitude_ua=st.integers(0, MAX_UA // STEP_UA).map(lambda k: k * STEP_UA),
        period_us=st.integers(SHORTEST_US // 10, LONGEST_US // 10).map(lambda k: k * 10),
        ahead_us=st.just(0) | st.integers(1, 300_000),
    ),
    min_size=1,
    max_size=8,
)
# A later, much shorter period while the next pulse is still far away.
SHORTENED = [Move(50, 3000, 40_000), Move(60, 3000, 4000, 1)]


def begun(
    ratio: int = 1,
    *,
    train: bool = True,
    slew_ua_s: int = SLEW_UA_S,
    program: Program = PROGRAM,
) -> PulseTrain:
    pulses = output_stage(
        DBS,
        replace(program, recharge_ratio=ratio, slew_ua_s=slew_ua_s),
        compliance_mv=DBS.compliance_mv,
    )
    pulses.start(0, train)
    return pulses


def play(pulses: PulseTrain, moves: list[Move]) -> int:
    """Carry out the moves; give the device time behind them."""
    now_us = 0
    for move in moves:
        at_us = now_us + move.ahead_us if move.ahead_us else 0
        pulses.setpoint(now_us, move.amplitude_ua, move.period_us, at_us)
        pulses.advance(now_us, SAMPLE_US, move.samples)
        now_us += move.samples * SAMPLE_US
    return now_us


@given(MOVES, st.sampled_from([1, 2, 4, 5, 10]))
def test_no_sequence_leaves_charge_behind(moves: list[Move], ratio: int) -> None:
    pulses = begun(ratio)
    play(pulses, moves)
    assert pulses.net_fc == 0


def test_a_recharge_that_does_not_divide_the_step_shows_as_net_charge() -> None:
    pulses = begun(3)
    play(pulses, [Move(60, 100, 4000)])
    assert pulses.net_fc != 0


@given(MOVES)
def test_no_pulse_exceeds_the_program(moves: list[Move]) -> None:
    pulses = begun()
    play(pulses, moves)
    assert all(0 < ua <= MAX_UA and ua % STEP_UA == 0 for _, ua in pulses.recent())
    assert not pulses.breached


def test_a_pulse_above_the_program_is_not_delivered_but_tells_of_a_breach() -> None:
    pulses = begun()
    play(pulses, [Move(100, MAX_UA + STEP_UA, 4000)])
    assert pulses.breached
    assert pulses.amplitude_ua == 0
    assert max(ua for _, ua in pulses.recent()) == MAX_UA
    before = pulses.pulses
    pulses.advance(400_000, SAMPLE_US, 100)
    assert pulses.pulses == before


@given(MOVES)
@example(SHORTENED)
def test_from_pulse_to_pulse_the_amplitude_moves_no_faster_than_the_slew(
    moves: list[Move],
) -> None:
    pulses = begun()
    play(pulses, moves)
    for (t0_us, from_ua), (t1_us, to_ua) in pairwise([(0, 0), *pulses.recent()]):
        assert abs(to_ua - from_ua) <= SLEW_UA_S * (t1_us - t0_us) / 1e6 + STEP_UA


@given(MOVES)
@example(SHORTENED)
def test_pulses_are_in_order_and_never_denser_than_the_shortest_period_in_force(
    moves: list[Move],
) -> None:
    pulses = begun()
    end_us = play(pulses, moves)
    shortest_us = min([10_000, *(move.period_us for move in moves)])
    times = [t_us for t_us, _ in pulses.recent()]
    assert all(later - earlier >= shortest_us for earlier, later in pairwise(times))
    assert all(0 <= t_us < end_us for t_us in times)


@given(st.integers(400, 4000).map(lambda k: k * 10), st.integers(20, 200))
def test_a_steady_train_keeps_its_period_exactly(period_us: int, samples: int) -> None:
    pulses = begun()
    play(pulses, [Move(80, 3000, period_us), Move(samples, 3000, period_us)])
    times = [t_us for t_us, _ in pulses.recent()]
    assert {later - earlier for earlier, later in pairwise(times)} <= {period_us}
    assert len(times) >= (80 + samples) * SAMPLE_US // period_us - 4


def test_a_timed_setpoint_moves_nothing_before_its_time() -> None:
    pulses = begun()
    play(pulses, [Move(100, 1000, 10_000), Move(50, 2000, 10_000, 100_000)])
    at_us = 100 * SAMPLE_US + 100_000
    before = {ua for t_us, ua in pulses.recent() if 200_000 < t_us <= at_us}
    after = [ua for t_us, ua in pulses.recent() if t_us > at_us + 10_000]
    assert before == {1000}
    assert min(after) > 1000


@given(MOVES, st.integers(1, 50))
def test_after_a_stop_no_further_pulse_begins(moves: list[Move], samples: int) -> None:
    pulses = begun()
    now_us = play(pulses, moves)
    before = pulses.pulses
    pulses.stop(now_us)
    effect = pulses.advance(now_us, SAMPLE_US, samples)
    assert pulses.pulses == before
    assert pulses.amplitude_ua == 0
    assert not effect.any()


@given(
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(400, 2000).map(lambda k: k * 10),
    st.integers(0, 30_000),
)
def test_a_trigger_delivers_exactly_its_count(
    first: int, second: int, period_us: int, ahead_us: int
) -> None:
    pulses = begun(train=False)
    now_us = play(pulses, [Move(100, 1000, period_us)])
    assert pulses.pulses == 0
    for count in (first, second):
        before = pulses.pulses
        pulses.trigger(now_us, count, now_us + ahead_us)
        pulses.advance(now_us, SAMPLE_US, 300)
        now_us += 300 * SAMPLE_US
        assert pulses.pulses - before == count
    times = [t_us for t_us, _ in pulses.recent()]
    assert all(later - earlier >= period_us for earlier, later in pairwise(times))


@given(st.integers(400, 2000).map(lambda k: k * 10), st.integers(0, 200_000))
def test_no_triggered_pulse_comes_before_its_time(period_us: int, ahead_us: int) -> None:
    pulses = begun(train=False)
    now_us = play(pulses, [Move(100, 1000, 20_000)])
    pulses.trigger(now_us, 3, now_us + ahead_us)
    pulses.setpoint(now_us, 1000, period_us, 0)
    pulses.advance(now_us, SAMPLE_US, 300)
    assert pulses.pulses == 3
    assert pulses.recent()[0][0] >= now_us + ahead_us


@given(MOVES)
def test_the_counters_are_the_sums_over_the_pulses(moves: list[Move]) -> None:
    pulses = begun()
    play(pulses, moves)
    log = pulses.recent()
    assert pulses.pulses == len(log)
    assert pulses.delivered_pc == sum(ua * WIDTH_US for _, ua in log)
    assert pulses.i2t_ua2_us == sum(ua * ua * WIDTH_US for _, ua in log)


@given(MOVES, st.lists(st.integers(1, 37), min_size=1, max_size=6))
@example(SHORTENED, [1])
def test_any_split_of_time_gives_the_same_pulses_and_the_same_effect(
    moves: list[Move], splits: list[int]
) -> None:
    whole, split = begun(), begun()
    now_us = 0
    for move in moves:
        at_us = now_us + move.ahead_us if move.ahead_us else 0
        for pulses in (whole, split):
            pulses.setpoint(now_us, move.amplitude_ua, move.period_us, at_us)
        expected = whole.advance(now_us, SAMPLE_US, move.samples)
        parts = []
        left, turn = move.samples, 0
        while left:
            part = min(left, splits[turn % len(splits)])
            parts.append(split.advance(now_us, SAMPLE_US, part))
            now_us += part * SAMPLE_US
            left, turn = left - part, turn + 1
        assert np.array_equal(np.concatenate(parts), expected)
    assert split.recent() == whole.recent()
    assert split.amplitude_ua == whole.amplitude_ua


def test_the_effect_is_the_amplitude_of_the_pulses_within_a_period() -> None:
    pulses = begun(slew_ua_s=25_000)
    play(pulses, [Move(50, 1000, 10_000)])
    assert pulses.acting
    assert set(pulses.advance(200_000, SAMPLE_US, 50).tolist()) == {1000}
    pulses.stop(400_000)
    assert not pulses.advance(400_000, SAMPLE_US, 5).any()
    assert not pulses.acting


def test_the_latest_4096_pulses_are_kept_and_all_are_counted() -> None:
    pulses = begun()
    play(pulses, [Move(60, 1000, 4000), Move(5000, 1000, 4000)])
    assert pulses.pulses > 4900
    log = pulses.recent()
    assert len(log) == 4096
    assert all(later - earlier == 4000 for (earlier, _), (later, _) in pairwise(log))


@pytest.mark.parametrize("rate_ua_s", [1000, 12_000, 100_000])
def test_a_ramp_of_the_devices_own_arrives_at_its_own_rate(rate_ua_s: int) -> None:
    pulses = begun()
    now_us = play(pulses, [Move(100, 3000, 4000)])
    pulses.ramp(now_us, 500, rate_ua_s, last=False)
    half = 2500 * 1_000_000 // rate_ua_s // 2 // SAMPLE_US
    pulses.advance(now_us, SAMPLE_US, half)
    assert 1700 <= pulses.amplitude_ua < 3000
    pulses.advance(now_us + half * SAMPLE_US, SAMPLE_US, half + 2)
    assert pulses.amplitude_ua == 500


def test_a_ramp_forgets_the_setpoint_that_was_to_come() -> None:
    pulses = begun()
    now_us = play(pulses, [Move(100, 1000, 4000), Move(1, 3000, 4000, 50_000)])
    pulses.ramp(now_us, 0, SLEW_UA_S, last=True)
    pulses.advance(now_us, SAMPLE_US, 100)
    assert (pulses.amplitude_ua, pulses.target_ua) == (0, 0)


def test_there_is_no_program_beyond_the_group_and_no_group_beyond_the_paths() -> None:
    pulses = begun()
    for number in (-1, 1):
        with pytest.raises(IndexError, match="no program"):
            pulses.setpoint(0, 100, 10_000, 0, number)
        with pytest.raises(IndexError, match="no program"):
            pulses.ramp(0, 0, 1000, last=False, program=number)
    with pytest.raises(ValueError, match="1 to 1 are possible"):
        pulses.configure(PROGRAM, PROGRAM)
    with pytest.raises(ValueError, match="1 to 1 are possible"):
        pulses.configure()
    runs = DBS.amplitude_ua
    for paths in ((), pulses.paths * 5):
        with pytest.raises(ValueError, match="1 to 4, one for each"):
            PulseTrain(runs, *paths)
    with pytest.raises(TypeError, match="no path"):
        PulseTrain(runs, "a path")  # type: ignore[arg-type]


def test_an_output_stage_without_programs_has_no_pulse() -> None:
    stage = PulseTrain(DBS.amplitude_ua, *begun().paths)
    assert (stage.outputs, stage.amplitude_ua, stage.target_ua, stage.delivered_ua) == (
        *([], 0, 0, 0),
    )
    assert (stage.width_us, stage.resting, stage.pulse_us) == (0, False, 0)
    stage.start(0, train=True)
    assert not stage.advance(0, SAMPLE_US, 10).any()
    assert stage.pulses == 0
