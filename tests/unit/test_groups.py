"""Groups of interleaved programs: one set, judged, stored and run as a whole."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.peer import ADAPTIVE, DBS, PROGRAM, Hand, power_on
from tests.strategies import groups, sets

from stimloop_hw.groups import (
    GROUPS,
    PROGRAMS,
    Output,
    ProgramSet,
    group_name,
    outputs_of,
    place_name,
)
from stimloop_hw.messages import (
    Abort,
    Commit,
    Committed,
    Refused,
    Stage,
    Staged,
    Start,
    StartAlone,
    Status,
    Trigger,
)
from stimloop_hw.program import PASSIVE, Mode, Parameter, Program
from stimloop_hw.ranges import Room, room_of
from stimloop_hw.seal import MAX_SIGNED_PAYLOAD
from stimloop_hw.staging import stages_of
from stimloop_hw.vocabulary import Refusal, State, StopMode
from stimloop_sim.interleave import SHARED, check_set
from stimloop_sim.limits import Breach, pulse_us
from stimloop_sim.profile import Profile, names
from stimloop_sim.staging import Staging
from stimloop_sim.therapy import SENSELESS

SECOND = replace(
    PROGRAM, cathodes=0b0100, width_us=90, amplitude_max_ua=2000, fallback_ua=0, offset_us=400
)
THIRD = replace(PROGRAM, cathodes=0b1000, fallback_ua=1000, offset_us=800)
PAIR = ProgramSet(((PROGRAM, SECOND), (replace(THIRD, offset_us=0),), (), ()))
TRIPLE = ProgramSet(((PROGRAM, SECOND, THIRD), (), (), ()))
SAMPLE_MS = 4


def judged(*groups: tuple[Program, ...], profile: Profile = DBS) -> Breach | None:
    whole = (*groups, *[()] * (GROUPS - len(groups)))
    return check_set(profile, ProgramSet(whole), profile.impedance_ohm, SENSELESS)


# The set ---------------------------------------------


@settings(max_examples=60)
@given(sets(DBS))
def test_a_set_is_what_its_entries_say(programs: ProgramSet) -> None:
    assert ProgramSet.parse(programs.entries()) == programs
    stages = stages_of(programs, 5)
    assert b"".join(stage.entries for stage in stages) == programs.entries()
    for part, stage in enumerate(stages):
        assert (stage.txn, stage.part, stage.parts) == (5, part, len(stages))
        staged = Staged(5, part, len(stages), 0, stage.entries)
        assert len(staged.encode()) <= MAX_SIGNED_PAYLOAD


def test_a_program_alone_is_the_set_of_group_a() -> None:
    alone = ProgramSet.single(PROGRAM)
    assert (alone.entries(), alone.crc()) == (PROGRAM.entries(), PROGRAM.crc())
    assert [place for place, _ in PAIR.placed()] == [0, 1, PROGRAMS]


def test_groups_and_programs_have_names_for_people() -> None:
    assert [group_name(k) for k in (0, 3, 9)] == ["A", "D", "number 9"]
    assert [place_name(k) for k in (0, 5, 15, 99)] == ["A1", "B2", "D4", "at place 99"]


# The device's gate ---------------------------------------------


@pytest.mark.parametrize("name", names())
@settings(max_examples=60)
@given(data=st.data())
def test_a_set_of_programs_that_fit_is_refused_for_the_charge_left_on_a_contact_alone(
    name: str, data: st.DataObject
) -> None:
    profile = Profile.named(name)
    programs = data.draw(sets(profile))
    breach = check_set(profile, programs, profile.impedance_ohm, SENSELESS)
    if breach is None:
        return
    assert breach.reason in (Refusal.CHARGE_PER_PHASE, Refusal.CHARGE_DENSITY)
    group = programs.groups[(breach.program - 1) // PROGRAMS]
    assert worst_charge(profile, group) > 1


def worst_charge(profile: Profile, group: tuple[Program, ...]) -> Fraction:
    """Largest charge that may lie on a contact at once, relative to its limit."""
    worst = Fraction(0)
    for number, contact in enumerate(profile.contacts):
        left, on_top = Fraction(0), Fraction(0)
        for p in group:
            if not (p.cathodes | p.anodes) >> number & 1:
                continue
            part = Fraction(p.shares_percent[number] or 100, 100)
            charge_nc = p.amplitude_max_ua * p.width_us * part / 1000
            if p.recharge_ratio == PASSIVE:
                left += charge_nc
            else:
                on_top = max(on_top, charge_nc)
        density_nc = Fraction(profile.density_max_nc_cm2 * contact.area_um2, 10**8)
        limit_nc = min(density_nc, Fraction(contact.charge_max_nc))
        worst = max(worst, (left + on_top) / limit_nc)
    return worst


@settings(max_examples=200)
@given(st.data())
def test_a_group_changed_at_will_keeps_every_bound_or_is_refused_for_one_that_it_breaks(
    data: st.DataObject,
) -> None:
    group = list(data.draw(groups(DBS)))
    number = data.draw(st.integers(0, len(group) - 1))
    name = data.draw(st.sampled_from([*SHARED, Parameter.OFFSET_US, Parameter.WIDTH_US]))
    value = data.draw(st.integers(0, 3000).map(lambda k: 10 * k))
    if name is Parameter.MODE:
        value = data.draw(st.sampled_from(Mode))
    changed: Any = {name.name.lower(): value}
    group[number] = replace(group[number], **changed)
    breach = judged(tuple(group))
    alike = all(len({getattr(p, shared.name.lower()) for p in group}) == 1 for shared in SHARED)
    in_turn = group[0].offset_us == 0 and all(
        a.offset_us + pulse_us(a) <= b.offset_us for a, b in pairwise(group)
    )
    in_time = all(p.offset_us + pulse_us(p) <= p.period_min_us for p in group)
    light = worst_charge(DBS, tuple(group)) <= 1
    if breach is None:
        assert alike
        assert in_turn
        assert in_time
        assert light
        return
    match breach.reason:
        case Refusal.NOT_SHARED:
            field = Parameter(breach.detail).name.lower()
            about = group[breach.program - 1]
            assert getattr(about, field) != getattr(group[0], field)
        case Refusal.OVERLAP:
            assert not in_turn
            assert group[breach.program - 1].offset_us != breach.detail
        case Refusal.TIMING:
            about = group[breach.program - 1]
            assert about.offset_us + pulse_us(about) == breach.detail > about.period_min_us
        case Refusal.CHARGE_PER_PHASE | Refusal.CHARGE_DENSITY:
            assert not light
        case reason:
            own = judged((replace(group[breach.program - 1], offset_us=0),))
            assert own is not None
            assert own.reason is reason


def test_pulses_that_leave_their_charge_count_together_on_a_contact() -> None:
    # 5 mA of 180 µs are 900 nC; a ring may carry 1795.
    heavy = replace(
        PROGRAM, amplitude_max_ua=5000, width_us=180, recharge_ratio=PASSIVE, slew_ua_s=25_000
    )
    pair = (heavy, replace(heavy, offset_us=1700))
    assert judged((heavy,)) is None
    assert judged(pair) == Breach(Refusal.CHARGE_PER_PHASE, 1800, 2)
    active = replace(pair[1], recharge_ratio=1)
    assert judged((heavy, active)) == Breach(Refusal.CHARGE_PER_PHASE, 1800, 2)
    assert judged((replace(heavy, recharge_ratio=1), active)) is None
    assert judged((heavy, replace(pair[1], cathodes=0b0100))) is None


def test_a_program_begins_when_the_one_before_has_ended_with_its_recharge() -> None:
    """Pulses of 2 x 60 µs with 30 between, and of 2 x 90."""
    second = replace(SECOND, offset_us=150)
    assert judged((PROGRAM, second)) is None
    assert judged((PROGRAM, replace(second, offset_us=149))) == Breach(Refusal.OVERLAP, 150, 2)
    third = replace(THIRD, offset_us=360)
    assert judged((PROGRAM, second, third)) is None
    early = replace(third, offset_us=359)
    assert judged((PROGRAM, second, early)) == Breach(Refusal.OVERLAP, 360, 3)


def test_a_device_refuses_more_groups_and_programs_than_it_holds() -> None:
    vagal = Profile.named("vns")
    alone = replace(
        PROGRAM,
        amplitude_max_ua=1500,
        fallback_ua=0,
        width_us=250,
        period_min_us=50_000,
        period_max_us=50_000,
        slew_ua_s=1000,
        cathodes=1,
        anodes=2,
        interphase_us=0,
        recharge_ratio=PASSIVE,
    )
    assert judged((alone,), profile=vagal) is None
    two = (alone, replace(alone, offset_us=10_000))
    assert judged(two, profile=vagal) == Breach(Refusal.NO_PROGRAM, 1, 2)
    assert judged((alone,), (alone,), profile=vagal) == Breach(Refusal.NO_PROGRAM, 4, 5)
    assert judged((PROGRAM,), (SECOND,)) == Breach(Refusal.OVERLAP, 0, 5)


# Staging ---------------------------------------------


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(st.sampled_from([(1, PAIR), (1, TRIPLE), (2, TRIPLE)]), st.integers(0, 3)),
        max_size=12,
    )
)
def test_parts_lost_doubled_reordered_or_of_two_sets_never_become_one(
    arriving: list[tuple[tuple[int, ProgramSet], int]],
) -> None:
    staging = Staging()
    taken: list[Stage] = []
    for (txn, programs), part in arriving:
        stages = stages_of(programs, txn)
        stage = stages[part % len(stages)]
        taken.append(stage)
        outcome = staging.take(stage)
        if isinstance(outcome, Breach):
            mixed_up = (Refusal.PART, Refusal.MISSING, Refusal.NO_PROGRAM)
            assert outcome.reason in mixed_up
            assert staging.whole is None
            assert not any(staging.is_of(number) for number in (1, 2))
        if staging.whole is not None:
            sent = stages_of(staging.whole, txn)
            mixed = [(s.part, s.parts, s.txn) for s in taken[-len(sent) :]]
            assert mixed == [(s.part, s.parts, s.txn) for s in sent]
            if staging.whole.crc() == programs.crc():
                assert taken[-len(sent) :] == sent
            assert outcome == Staged(
                txn, stage.part, stage.parts, staging.whole.crc(), stage.entries
            )


def test_a_mix_of_two_sets_under_one_number_has_another_name_than_both() -> None:
    other = replace(TRIPLE, groups=((PROGRAM, SECOND, replace(THIRD, width_us=70)), (), (), ()))
    hand = Hand.linked()
    hand.ask(stages_of(TRIPLE, 1)[0], Staged)
    for stage in stages_of(other, 1)[1:]:
        hand.ask(stage, Staged)
    for crc in (TRIPLE.crc(), PAIR.crc()):
        if crc != other.crc():
            assert hand.ask(Commit(1, crc), Refused).reason == Refusal.CRC_MISMATCH
    assert hand.state is State.IDLE


@pytest.mark.parametrize("break_off", [0, 1])
def test_a_set_without_its_last_part_cannot_be_committed(break_off: int) -> None:
    hand = Hand.linked()
    for stage in stages_of(TRIPLE, 1)[:break_off]:
        hand.ask(stage, Staged)
    assert hand.ask(Commit(1, TRIPLE.crc()), Refused).reason == Refusal.CRC_MISMATCH


def test_a_new_set_and_an_abort_forget_the_one_before() -> None:
    hand = Hand.linked()
    for stage in stages_of(PAIR, 1):
        hand.ask(stage, Staged)
    hand.ask(stages_of(TRIPLE, 2)[0], Staged)
    assert hand.ask(Commit(1, PAIR.crc()), Refused).reason == Refusal.CRC_MISMATCH
    hand.ask(Abort(2), Status)
    refused = hand.ask(stages_of(TRIPLE, 2)[1], Refused)
    assert (refused.reason, refused.detail) == (Refusal.PART, 0)


def test_a_refusal_names_the_program_that_it_is_about() -> None:
    hand = Hand.linked()
    wrong = ProgramSet(((PROGRAM, replace(SECOND, width_us=95)), (), (), ()))
    *before, last = stages_of(wrong, 1)
    for stage in before:
        hand.ask(stage, Staged)
    refused = hand.ask(last, Refused)
    assert (refused.reason, refused.detail) == (Refusal.NOT_REPRESENTABLE, Parameter.WIDTH_US)
    assert place_name(refused.program - 1) == "A2"
    hole = PROGRAM.entries() + SECOND.entries(2)
    hand.ask(Stage(1, 0, 2, hole[:210]), Staged)
    refused = hand.ask(Stage(1, 1, 2, hole[210:]), Refused)
    assert (refused.reason, refused.detail) == (Refusal.NO_PROGRAM, 2)


# The active group ---------------------------------------------


def test_a_commit_names_the_active_group_and_start_has_to_repeat_it() -> None:
    hand = Hand.linked()
    committed = hand.configure_set(PAIR, group=1)
    assert (committed.program_crc, committed.group) == (PAIR.crc(), 1)
    status = hand.arm(PAIR.crc())
    assert (status.program_crc, status.group) == (PAIR.crc(), 1)
    refused = hand.ask(Start(PAIR.crc(), 2000, 0), Refused)
    assert (refused.reason, refused.detail) == (Refusal.GROUP, 1)
    hand.ask(Start(PAIR.crc(), 2000, 1), Status)
    assert hand.state is State.STIMULATING


@pytest.mark.parametrize("group", [2, 3, 4, 255])
def test_a_group_without_programs_cannot_be_active(group: int) -> None:
    hand = Hand.linked()
    for stage in stages_of(PAIR, 1):
        hand.ask(stage, Staged)
    refused = hand.ask(Commit(1, PAIR.crc(), group), Refused)
    assert (refused.reason, refused.detail) == (Refusal.NO_PROGRAM, 4 * group)
    assert hand.state is State.IDLE


def test_groups_change_with_a_commit_of_the_same_set_and_never_under_way() -> None:
    hand = Hand.linked()
    hand.begin_set(PAIR)
    assert hand.setpoint(500) is None
    refused = hand.ask(Commit(1, PAIR.crc(), 1), Refused)
    assert refused.reason == Refusal.WRONG_STATE
    assert hand.firmware.status().group == 0
    hand.stop(StopMode.RAMP)
    hand.advance_ms(300)
    assert hand.ask(Commit(1, PAIR.crc(), 1), Committed).group == 1
    assert hand.firmware.status().group == 1
    assert hand.firmware.therapy.programs == PAIR.groups[1]


def test_set_and_active_group_outlast_a_reset() -> None:
    hand = Hand.linked()
    hand.configure_set(PAIR, group=1)
    board = hand.firmware._board
    again = type(hand.firmware)(DBS, hand.firmware.front_end, board=board)
    assert again.therapy.state is State.CONFIGURED
    status = again.status()
    assert (status.program_crc, status.group) == (PAIR.crc(), 1)
    assert again.therapy.programs == PAIR.groups[1]


# Every program under lease ---------------------------------------------


def running(*levels_ua: int) -> Hand:
    hand = Hand.linked()
    hand.begin_set(TRIPLE)
    for share in (1, 2, 3, 4):
        for place, ua in enumerate(levels_ua):
            assert hand.setpoint(ua * share // 400 * 100, place=place) is None
        hand.keep_alive_ms(100)
    return hand


def pass_until(hand: Hand, state: State) -> None:
    while hand.state is not state:
        hand.advance_ms(SAMPLE_MS)


def outputs(hand: Hand) -> list[int]:
    return [output.amplitude_ua for output in outputs_of(hand.firmware.status())]


def test_each_program_has_a_setpoint_of_its_own_and_all_are_told() -> None:
    hand = running(2000, 1200, 800)
    status = hand.firmware.status()
    assert outputs_of(status) == (
        Output(2000, 2000, 2000),
        Output(1200, 1200, 1200),
        Output(800, 800, 800),
    )
    assert len(status.encode()) <= MAX_SIGNED_PAYLOAD
    times = hand.firmware.therapy.pulses
    (a, _), (b, _), (c, _) = (times.recent(k)[-1] for k in range(3))
    assert (b - a) % 10_000 == 400
    assert (c - a) % 10_000 == 800


def test_a_setpoint_for_a_program_that_does_not_run_is_refused() -> None:
    hand = running(400, 400, 400)
    for place in (3, 4, 15, 255):
        refused = hand.setpoint(400, place=place)
        assert refused is not None
        assert (refused.reason, refused.detail) == (Refusal.NO_PROGRAM, place)
    refused = hand.setpoint(2100, place=1)
    assert refused is not None
    assert (refused.reason, refused.detail) == (Refusal.OUTSIDE_ENVELOPE, 2000)
    assert hand.ask(Trigger(3, 1, 0), Refused).reason == Refusal.NO_PROGRAM


def test_a_setpoint_names_its_program_by_its_place_in_the_whole_set() -> None:
    hand = Hand.linked()
    hand.begin_set(PAIR, 1)
    assert hand.setpoint(400, place=PROGRAMS) is None
    hand.keep_alive_ms(200)
    assert outputs(hand) == [400]
    refused = hand.setpoint(400, place=0)
    assert refused is not None
    assert (refused.reason, refused.detail) == (Refusal.NO_PROGRAM, 0)


def test_the_rate_is_the_groups() -> None:
    hand = running(1000, 1000, 1000)
    assert hand.setpoint(1000, 20_000, place=2) is None
    hand.keep_alive_ms(200)
    assert hand.firmware.status().period_us == 20_000
    for number in range(3):
        (early_us, _), (late_us, _) = hand.firmware.therapy.pulses.recent(number)[-2:]
        assert late_us - early_us == 20_000


def test_silence_takes_every_program_to_its_own_fallback_and_then_off() -> None:
    hand = running(2000, 2000, 800)
    pass_until(hand, State.HOLD)
    refused = hand.setpoint(1000, place=2)
    assert refused is not None
    assert refused.reason == Refusal.HELD
    assert hand.setpoint(600, place=2) is None
    hand.advance_ms(100)
    assert outputs(hand) == [2000, 2000, 600]
    pass_until(hand, State.FALLBACK)
    hand.advance_ms(300)
    assert outputs(hand) == [500, 0, 1000]
    pass_until(hand, State.IDLE)
    assert outputs(hand) == [0, 0, 0]


def test_a_heartbeat_takes_every_program_up_from_where_the_fallback_left_it() -> None:
    hand = running(2000, 2000, 800)
    pass_until(hand, State.FALLBACK)
    hand.advance_ms(120)
    left = outputs(hand)
    assert 500 < left[0] < 2000
    assert 0 < left[1] < 2000
    assert 800 <= left[2] <= 1000
    hand.keep_alive_ms(400)
    assert outputs(hand) == left


def test_a_ramped_stop_lasts_as_long_as_the_slowest_program_and_ends_all() -> None:
    slow = ProgramSet(((PROGRAM, replace(SECOND, soft_stop_ms=1000)), (), (), ()))
    hand = Hand.linked()
    hand.begin_set(slow)
    for place in (0, 1):
        assert hand.setpoint(1000, place=place) is None
    hand.keep_alive_ms(200)
    hand.stop(StopMode.RAMP)
    hand.advance_ms(500)
    assert hand.state is State.RAMPING_DOWN
    assert all(400 <= ua <= 500 for ua in outputs(hand))
    hand.advance_ms(520)
    assert (hand.state, outputs(hand)) == (State.IDLE, [0, 0])


@settings(max_examples=50)
@given(st.integers(0, 9))
def test_a_stop_between_two_pulses_of_a_period_lets_none_of_the_others_begin(ms: int) -> None:
    hand = running(1000, 1000, 1000)
    hand.advance_ms(SAMPLE_MS * ms)
    before = hand.pulses
    hand.stop()
    hand.advance_ms(200)
    assert hand.pulses == before


def test_a_trigger_delivers_whole_periods_of_its_group() -> None:
    group = tuple(replace(p, mode=Mode.TRIGGERED) for p in TRIPLE.groups[0])
    hand = Hand.linked()
    hand.begin_set(ProgramSet((group, (), (), ())))
    for place in range(3):
        assert hand.setpoint(1000, place=place) is None
    hand.keep_alive_ms(200)
    hand.ask(Trigger(1, 4, 0), Status)
    hand.keep_alive_ms(200)
    assert [len(hand.firmware.therapy.pulses.recent(k)) for k in range(3)] == [4, 4, 4]


def test_only_the_first_program_of_a_group_may_steer_itself() -> None:
    second = replace(ADAPTIVE, cathodes=0b0100, offset_us=400)
    first = replace(PROGRAM, period_max_us=second.period_max_us)
    pair = ProgramSet(((first, second), (), (), ()))
    hand = Hand.linked()
    *before, last = stages_of(pair, 1)
    for stage in before:
        hand.ask(stage, Staged)
    refused = hand.ask(last, Refused)
    assert (refused.reason, refused.detail, refused.program) == (Refusal.LOOP_FIRST, 0, 2)


BESIDE = replace(
    SECOND, period_min_us=ADAPTIVE.period_min_us, period_max_us=ADAPTIVE.period_max_us
)
MIXED = ProgramSet(((ADAPTIVE, BESIDE), (), (), ()))


def test_a_host_steers_the_programs_beside_the_one_that_steers_itself() -> None:
    hand = Hand.linked()
    hand.begin_set(MIXED)
    period_us = hand.firmware.therapy.pulses.period_us
    assert hand.setpoint(1000, period_us, place=1) is None
    hand.keep_alive_ms(200)
    assert outputs(hand)[1] == 1000
    for place, us in ((0, period_us), (1, ADAPTIVE.period_max_us + 10)):
        refused = hand.setpoint(1000, us, place=place)
        assert refused is not None
        assert (refused.reason, refused.detail) == (Refusal.LOOP_OWN, 0)


def test_without_a_host_the_programs_beside_it_rise_to_their_largest_amplitude() -> None:
    hand = Hand.linked()
    hand.configure_set(MIXED)
    hand.arm_alone(MIXED.crc())
    hand.ask(StartAlone(MIXED.crc()), Status)
    begun_us = hand.firmware.now_us
    hand.advance_ms(1000)
    pulses = hand.firmware.therapy.pulses.recent(1)
    assert pulses[-1][1] == BESIDE.amplitude_max_ua
    for t_us, ua in pulses:
        assert ua <= BESIDE.slew_ua_s * (t_us - begun_us) / 1e6


def test_a_device_tells_how_many_groups_and_programs_it_has() -> None:
    for name, room in (("dbs", Room(4, 4)), ("vns", Room(1, 1))):
        assert room_of(power_on(Profile.named(name))._limits) == room
