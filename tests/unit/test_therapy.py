"""The lease, the arming and the ramps, on the device's clock."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pytest
from tests.peer import ADAPTIVE, DBS, PROGRAM, Hand, power_on

from stimloop_hw.messages import (
    Arm,
    ArmChallenge,
    ArmRequest,
    ClearFault,
    Commit,
    Committed,
    Event,
    Hold,
    Refused,
    Stage,
    Staged,
    Start,
    StartAlone,
    Status,
    Trigger,
)
from stimloop_hw.program import Mode
from stimloop_hw.vocabulary import EventCode, Fault, Refusal, State, StopMode, Supply
from stimloop_sim.limits import Breach
from stimloop_sim.states import Event as TimerEvent
from stimloop_sim.therapy import AHEAD_US, Therapy
from stimloop_sim.tissue import Tissue, TissueModel

SAMPLE_MS = 4
OFF = replace(PROGRAM, fallback_ua=0)


def silent_until(hand: Hand, state: State, latest_ms: int) -> int:
    """Say nothing until the device enters a state; give the time that took, ms."""
    for ms in range(0, latest_ms + 1, SAMPLE_MS):
        if hand.state is state:
            return ms
        hand.advance_ms(SAMPLE_MS)
    raise AssertionError(f"{state.name} was not entered within {latest_ms} ms")


# The lease ---------------------------------------------


def test_silence_holds_then_falls_back_then_ends_the_therapy_at_the_promised_times() -> None:
    hand = Hand.delivering(3000)
    begun_us = hand.firmware.now_us
    entered: dict[State, int] = {}
    while hand.state is not State.IDLE:
        hand.advance_ms(SAMPLE_MS)
        entered.setdefault(hand.state, (hand.firmware.now_us - begun_us) // 1000)
    promised = {
        State.HOLD: 150,
        State.FALLBACK: 400,
        State.RAMPING_DOWN: 2000,
        State.IDLE: 2250,
    }
    assert list(entered) == [State.STIMULATING, *promised]
    for state, ms in promised.items():
        assert 0 <= entered[state] - ms < SAMPLE_MS, state


@pytest.mark.parametrize("lease_ms", [400, 500, 2000, 10_000])
def test_an_expired_lease_ramps_to_zero_and_ends_idle(lease_ms: int) -> None:
    hand = Hand.delivering(2000, lease_ms=lease_ms)
    silent_until(hand, State.RAMPING_DOWN, lease_ms + SAMPLE_MS)
    hand.advance_ms(250)
    hand.advance_ms(SAMPLE_MS)
    assert (hand.state, hand.amplitude_ua) == (State.IDLE, 0)
    before = hand.pulses
    hand.advance_ms(5000)
    assert (hand.state, hand.pulses) == (State.IDLE, before)


def test_the_ramp_to_off_is_gradual() -> None:
    hand = Hand.delivering(3000, OFF)
    hand.stop(StopMode.RAMP)
    levels = []
    while hand.state is State.RAMPING_DOWN:
        levels.append(hand.amplitude_ua)
        hand.advance_ms(SAMPLE_MS)
    assert levels == sorted(levels, reverse=True)
    assert levels[0] == 3000
    assert max(a - b for a, b in pairwise(levels)) <= 100
    assert hand.amplitude_ua == 0


def test_heartbeats_keep_the_lease() -> None:
    hand = Hand.delivering(1000)
    hand.keep_alive_ms(10_000)
    assert (hand.state, hand.amplitude_ua) == (State.STIMULATING, 1000)


def test_in_hold_nothing_rises_but_a_decrease_is_obeyed() -> None:
    hand = Hand.delivering(1000)
    silent_until(hand, State.HOLD, 200)
    refused = hand.setpoint(1100)
    assert refused is not None
    assert (refused.reason, refused.detail) == (Refusal.HELD, State.HOLD)
    assert hand.setpoint(600) is None
    hand.advance_ms(100)
    assert hand.amplitude_ua == 600
    refused = hand.setpoint(1000)
    assert refused is not None
    assert refused.reason is not None
    hand.advance_ms(100)
    assert hand.amplitude_ua == 600


def test_in_hold_the_rate_does_not_rise_either() -> None:
    hand = Hand.delivering(1000)
    silent_until(hand, State.HOLD, 200)
    refused = hand.setpoint(1000, period_us=9990)
    assert refused is not None
    assert refused.reason == Refusal.HELD
    assert hand.setpoint(1000, period_us=12_000) is None


def test_hold_stops_an_increase_that_was_under_way_or_timed_for_later() -> None:
    hand = Hand.delivering(1000, replace(PROGRAM, slew_ua_s=2000))
    assert hand.setpoint(1200) is None
    hand.advance_ms(48)
    assert hand.setpoint(1300, at_us=hand.firmware.now_us + 120_000) is None
    silent_until(hand, State.HOLD, 200)
    held_ua = hand.amplitude_ua
    hand.advance_ms(200)
    assert hand.state is State.HOLD
    assert hand.amplitude_ua == held_ua <= 1200


@pytest.mark.parametrize("fallback_ua", [0, 500, 2000])
def test_fallback_ramps_to_the_committed_amplitude_within_a_quarter_second(
    fallback_ua: int,
) -> None:
    hand = Hand.delivering(2000, replace(PROGRAM, fallback_ua=fallback_ua))
    silent_until(hand, State.FALLBACK, 408)
    assert hand.amplitude_ua == 2000
    hand.advance_ms(248)
    hand.advance_ms(SAMPLE_MS)
    assert hand.amplitude_ua == fallback_ua
    hand.advance_ms(500)
    assert (hand.state, hand.amplitude_ua) == (State.FALLBACK, fallback_ua)


def test_fallback_to_more_than_is_delivered_rises_no_faster_than_the_slew() -> None:
    program = replace(PROGRAM, fallback_ua=3000, slew_ua_s=2000)
    hand = Hand.linked()
    hand.begin(program)
    silent_until(hand, State.FALLBACK, 408)
    begun_us, before_ua = hand.firmware.now_us, hand.amplitude_ua
    while hand.state is State.FALLBACK:
        hand.advance_ms(SAMPLE_MS)
        risen_ua = hand.amplitude_ua - before_ua
        assert risen_ua <= 2000 * (hand.firmware.now_us - begun_us) / 1e6


def test_in_fallback_setpoints_are_refused() -> None:
    hand = Hand.delivering(1000)
    silent_until(hand, State.FALLBACK, 408)
    refused = hand.setpoint(500)
    assert refused is not None
    assert (refused.reason, refused.detail) == (Refusal.WRONG_STATE, State.FALLBACK)


def test_a_heartbeat_recovers_hold() -> None:
    hand = Hand.delivering(1000)
    silent_until(hand, State.HOLD, 200)
    assert hand.heartbeat() is None
    assert hand.state is State.STIMULATING
    assert hand.setpoint(1500) is None
    hand.keep_alive_ms(200)
    assert hand.amplitude_ua == 1500


def test_a_heartbeat_recovers_fallback_from_where_it_left_the_output() -> None:
    hand = Hand.delivering(2000, OFF)
    silent_until(hand, State.FALLBACK, 408)
    hand.advance_ms(120)
    left_ua = hand.amplitude_ua
    assert 800 <= left_ua <= 1200
    assert hand.heartbeat() is None
    assert hand.state is State.STIMULATING
    hand.keep_alive_ms(200)
    assert hand.amplitude_ua == left_ua
    assert hand.setpoint(left_ua + 500) is None
    before_us = hand.firmware.now_us
    while hand.amplitude_ua < left_ua + 500:
        hand.keep_alive_ms(20)
    assert hand.firmware.now_us - before_us >= 40_000  # the program's slew again


def test_a_heartbeat_does_not_recover_a_therapy_that_ramps_down() -> None:
    hand = Hand.delivering(1000)
    hand.stop(StopMode.RAMP)
    assert hand.heartbeat() is None
    assert (hand.state, hand.amplitude_ua) == (State.RAMPING_DOWN, 1000)
    hand.keep_alive_ms(300)
    assert (hand.state, hand.amplitude_ua) == (State.IDLE, 0)


@pytest.mark.parametrize(("lease_ms", "nearest"), [(0, 400), (399, 400), (10_001, 10_000)])
def test_a_lease_too_short_or_too_long_is_refused_with_the_nearest(
    lease_ms: int, nearest: int
) -> None:
    hand = Hand.linked()
    hand.configure()
    hand.arm()
    refused = hand.ask(Start(PROGRAM.crc(), lease_ms), Refused)
    assert (refused.reason, refused.detail) == (Refusal.OUTSIDE_ENVELOPE, nearest)
    assert hand.state is State.ARMED


def test_a_refused_heartbeat_renews_nothing() -> None:
    hand = Hand.delivering(1000)
    for _ in range(10):
        refused = hand.heartbeat(lease_ms=100)
        assert refused is not None
        hand.advance_ms(20)
    assert hand.state is State.HOLD


# Arming ---------------------------------------------


def test_only_the_whole_sequence_starts() -> None:
    hand = Hand.linked()
    crc = PROGRAM.crc()
    hand.ask(Start(0, 2000), Refused)
    hand.ask(ArmRequest(0), Refused)
    hand.ask(Stage(1, 0, 1, PROGRAM.entries()), Staged)
    hand.ask(Start(crc, 2000), Refused)
    hand.ask(ArmRequest(crc), Refused)
    hand.ask(Commit(1, crc), Committed)
    assert hand.ask(Start(crc, 2000), Refused).reason == Refusal.WRONG_STATE
    hand.arm()
    assert hand.state is State.ARMED
    assert hand.ask(Start(crc, 2000), Status).state == State.STIMULATING


def test_arming_expires_after_two_seconds() -> None:
    hand = Hand.linked()
    hand.configure()
    hand.arm()
    hand.advance_ms(1996)
    assert (hand.state, hand.pulses) == (State.ARMED, 0)
    hand.advance_ms(SAMPLE_MS)
    assert (hand.state, hand.pulses) == (State.CONFIGURED, 0)
    assert hand.ask(Start(PROGRAM.crc(), 2000), Refused).reason == Refusal.WRONG_STATE


def test_another_program_than_the_committed_is_neither_armed_nor_started() -> None:
    hand = Hand.linked()
    hand.configure()
    refused = hand.ask(ArmRequest(PROGRAM.crc() ^ 1), Refused)
    assert (refused.reason, refused.detail) == (Refusal.CRC_MISMATCH, PROGRAM.crc())
    hand.arm()
    assert hand.ask(Start(PROGRAM.crc() ^ 1, 2000), Refused).reason == Refusal.CRC_MISMATCH
    assert hand.state is State.ARMED


def test_therapy_begins_at_zero_whatever_was_delivered_before() -> None:
    hand = Hand.delivering(3000)
    hand.stop()
    hand.begin()
    assert (hand.state, hand.amplitude_ua) == (State.STIMULATING, 0)
    before = hand.pulses
    hand.keep_alive_ms(500)
    assert hand.pulses == before


@pytest.mark.parametrize("state", [State.ARMED, State.STIMULATING, State.HOLD, State.FALLBACK])
def test_no_program_is_exchanged_under_way(state: State) -> None:
    hand = Hand.linked()
    hand.configure()
    staged = hand.ask(Stage(2, 0, 1, OFF.entries()), Staged)
    hand.arm()
    if state is not State.ARMED:
        hand.ask(Start(PROGRAM.crc(), 2000), Status)
        silent_until(hand, state, 500)
    assert hand.ask(Stage(3, 0, 1, OFF.entries()), Refused).reason == Refusal.WRONG_STATE
    assert hand.ask(Commit(2, staged.staged_crc), Refused).reason == Refusal.WRONG_STATE
    status = hand.firmware.status()
    assert (status.state, status.program_crc) == (state, PROGRAM.crc())
    assert hand.firmware.therapy.programs == (PROGRAM,)


@pytest.mark.parametrize("order", ["heartbeat", "setpoint", "trigger", "start", "arm"])
def test_in_idle_nothing_but_stage_and_commit_leads_anywhere(order: str) -> None:
    hand = Hand.delivering(1000)
    hand.stop()
    assert hand.state is State.IDLE
    before = hand.pulses
    match order:
        case "heartbeat":
            hand.heartbeat()
        case "setpoint":
            assert hand.setpoint(500) is not None
        case "trigger":
            hand.ask(Trigger(0, 5, 0), Refused)
        case "start":
            hand.ask(Start(PROGRAM.crc(), 2000), Refused)
        case "arm":
            hand.ask(ArmRequest(PROGRAM.crc()), Refused)
    hand.advance_ms(1000)
    assert (hand.state, hand.pulses) == (State.IDLE, before)


# Setpoints and triggers ---------------------------------------------


def test_the_amplitude_follows_the_setpoint_at_the_programs_slew() -> None:
    hand = Hand.delivering(1000)
    assert hand.setpoint(2000) is None
    levels = []
    for _ in range(25):
        hand.advance_ms(SAMPLE_MS)
        levels.append(hand.amplitude_ua)
    assert levels == [1000 + 40 * k // 100 * 100 for k in range(1, 26)]


def test_a_setpoint_for_later_waits_for_its_time() -> None:
    hand = Hand.delivering(1000)
    at_us = hand.firmware.now_us + 80_000
    assert hand.setpoint(2000, at_us=at_us) is None
    hand.advance_ms(80)
    assert hand.amplitude_ua == 1000
    hand.advance_ms(40)
    assert hand.amplitude_ua == 1400


@pytest.mark.parametrize(
    ("ahead_us", "reason", "detail"),
    [(-1, Refusal.EXPIRED, 1), (1_000_001, Refusal.OUTSIDE_ENVELOPE, 1_000_000)],
)
def test_a_setpoint_for_the_past_or_the_far_future_is_refused(
    ahead_us: int, reason: Refusal, detail: int
) -> None:
    hand = Hand.delivering(1000)
    refused = hand.setpoint(1000, at_us=hand.firmware.now_us + ahead_us)
    assert refused is not None
    assert (refused.reason, refused.detail) == (reason, detail)


def test_a_triggered_program_delivers_on_trigger_only_and_exactly() -> None:
    hand = Hand.delivering(1000, replace(PROGRAM, mode=Mode.TRIGGERED))
    assert hand.pulses == 0
    hand.ask(Trigger(0, 7, 0), Status)
    hand.keep_alive_ms(500)
    assert hand.pulses == 7


def test_a_trigger_for_a_train_is_refused() -> None:
    hand = Hand.delivering(1000)
    assert hand.ask(Trigger(0, 1, 0), Refused).reason == Refusal.OUT_OF_RANGE


# Stop and faults ---------------------------------------------


@pytest.mark.parametrize("state", [s for s in State if s not in (State.BOOT, State.FAULT)])
@pytest.mark.parametrize("mode", [StopMode.GROUND, 77])
def test_stop_ends_the_output_at_once_from_every_state(state: State, mode: int) -> None:
    hand = reaching(state)
    assert hand.state is state
    assert hand.stop(mode).state == State.IDLE
    before = hand.pulses
    hand.advance_ms(3000)
    assert (hand.state, hand.pulses, hand.amplitude_ua) == (State.IDLE, before, 0)


@pytest.mark.parametrize("state", [s for s in State if s not in (State.BOOT, State.FAULT)])
def test_a_ramped_stop_ends_the_output_within_a_quarter_second(state: State) -> None:
    hand = reaching(state)
    assert hand.stop(StopMode.RAMP).state in (State.IDLE, State.RAMPING_DOWN)
    hand.advance_ms(252)
    assert (hand.state, hand.amplitude_ua) == (State.IDLE, 0)


def test_repeating_a_ramped_stop_does_not_prolong_the_ramp() -> None:
    hand = Hand.delivering(3000)
    hand.stop(StopMode.RAMP)
    for _ in range(5):
        hand.advance_ms(48)
        hand.stop(StopMode.RAMP)
    hand.advance_ms(12)
    assert (hand.state, hand.amplitude_ua) == (State.IDLE, 0)


@pytest.mark.parametrize(
    ("broken", "fault"),
    [("net_fc", Fault.CHARGE_BALANCE), ("breached", Fault.OUTPUT_LIMIT)],
)
def test_an_output_stage_that_fails_is_shut_off_for_good_and_tells(
    broken: str, fault: Fault
) -> None:
    hand = Hand.delivering(1000)
    hand.told(Event)
    real = hand.firmware.therapy.pulses
    stub = SimpleNamespace(**{name: getattr(real, name) for name in STAGE_OF_OUTPUT})
    setattr(stub, broken, 1)
    hand.firmware.therapy.pulses = stub  # type: ignore[assignment]
    hand.advance_ms(SAMPLE_MS)
    assert hand.state is State.FAULT
    assert [(e.code, e.arg) for e in hand.told(Event)] == [(EventCode.FAULT, fault)]
    hand.firmware.therapy.pulses = real
    assert hand.stop().state == State.FAULT
    hand.ask(Stage(1, 0, 1, PROGRAM.entries()), Refused)
    before = real.pulses
    hand.keep_alive_ms(1000)
    assert (hand.state, real.pulses) == (State.FAULT, before)
    assert hand.told(Status)[-1].faults == fault


STAGE_OF_OUTPUT = (
    *("pulses", "programmed_pc", "delivered_pc", "net_fc", "i2t_ua2_us", "breached"),
    *("acting", "paths", "outputs", "period_us", "width_us", "amplitude_ua", "target_ua"),
    *("advance", "stop"),
)


@pytest.mark.parametrize("shannon_nc", [1835, 0])
def test_a_device_whose_limit_table_is_insane_never_leaves_fault(shannon_nc: int) -> None:
    lead = (replace(DBS.lead[0], shannon_nc=shannon_nc),)
    therapy = power_on(replace(DBS, lead=lead)).therapy
    assert (therapy.state, therapy.faults) == (State.FAULT, Fault.SELF_TEST)
    assert therapy.check(TimerEvent.STAGE) is not None
    therapy.stop(0, StopMode.GROUND)
    assert therapy.state is State.FAULT


def reaching(state: State) -> Hand:
    """A host whose device is in a state."""
    match state:
        case State.IDLE:
            return Hand.linked()
        case State.CONFIGURED | State.ARMED:
            hand = Hand.linked()
            hand.configure()
            if state is State.ARMED:
                hand.arm()
            return hand
        case State.ARMED_ALONE | State.ALONE:
            hand = Hand.linked()
            hand.configure(ADAPTIVE)
            hand.arm_alone(ADAPTIVE.crc())
            if state is State.ALONE:
                hand.ask(StartAlone(ADAPTIVE.crc()), Status)
            return hand
        case _:
            hand = Hand.delivering(2000)
            silent_until(hand, state, 2100)
            return hand


# Soft stops and pauses ---------------------------------------------


PAUSED = replace(
    PROGRAM, soft_start_ms=300, soft_stop_ms=300, cycle_on_ms=400, cycle_off_ms=1000
)


def test_a_ramped_stop_takes_the_programs_soft_stop() -> None:
    hand = Hand.delivering(3000, replace(PROGRAM, soft_stop_ms=2000))
    hand.stop(StopMode.RAMP)
    hand.advance_ms(1000)
    assert (hand.state, hand.amplitude_ua) == (State.RAMPING_DOWN, 1400)
    hand.advance_ms(996)
    assert hand.state is State.RAMPING_DOWN
    hand.advance_ms(SAMPLE_MS)
    assert (hand.state, hand.amplitude_ua) == (State.IDLE, 0)


def test_an_expired_lease_does_not_wait_for_the_soft_stop() -> None:
    hand = Hand.delivering(3000, replace(PROGRAM, soft_stop_ms=2000, fallback_ua=3000))
    silent_until(hand, State.RAMPING_DOWN, 2004)
    hand.advance_ms(252)
    assert (hand.state, hand.amplitude_ua) == (State.IDLE, 0)


def amplitudes(hand: Hand, ms: int, *, alive: bool) -> list[int]:
    """Amplitude every 20 ms, with heartbeats or in silence."""
    found = []
    for _ in range(0, ms, 20):
        if alive:
            hand.heartbeat()
        hand.advance_ms(20)
        found.append(hand.amplitude_ua)
    return found


def test_a_therapy_pauses_and_comes_back_to_its_setpoint() -> None:
    hand = Hand.linked()
    hand.begin(PAUSED)
    assert hand.setpoint(1000) is None
    course = amplitudes(hand, 2800, alive=True)
    assert course[70:] == course[:70]  # 1400 ms
    assert set(course[16:34]) == {1000}
    assert set(course[52:69]) == {0}
    status = hand.firmware.status()
    assert (status.setpoint_ua, status.amplitude_ua, status.delivered_ua) == (1000, 0, 0)


def test_a_fallback_pauses_as_the_therapy_did() -> None:
    hand = Hand.linked()
    hand.begin(PAUSED)
    assert hand.setpoint(1000) is None
    amplitudes(hand, 1400, alive=True)
    course = amplitudes(hand, 1900, alive=False)
    assert hand.state is State.FALLBACK
    assert max(course[40:]) == PAUSED.fallback_ua
    assert 0 in course[40:]


def test_a_heartbeat_takes_the_pauses_up_again_where_they_are() -> None:
    hand = Hand.linked()
    hand.begin(replace(PAUSED, fallback_ua=0))
    assert hand.setpoint(1000) is None
    course = amplitudes(hand, 1400, alive=True)
    amplitudes(hand, 1400, alive=False)
    assert hand.state is State.FALLBACK
    assert hand.heartbeat() is None
    assert hand.setpoint(1000) is None
    again = amplitudes(hand, 1400, alive=True)
    assert again[4:] == course[4:]


def test_what_is_programmed_quantised_and_delivered_is_told_apart() -> None:
    hand = Hand.linked()
    hand.begin(replace(PROGRAM, slew_ua_s=1000))
    assert hand.setpoint(100) is None
    hand.advance_ms(60)
    status = hand.firmware.status()
    assert (status.setpoint_ua, status.amplitude_ua, status.delivered_ua) == (100, 0, 0)
    hand.advance_ms(40)
    status = hand.firmware.status()
    assert (status.setpoint_ua, status.amplitude_ua, status.delivered_ua) == (100, 100, 0)
    hand.advance_ms(12)
    assert hand.firmware.status().delivered_ua == 100


def test_a_program_is_judged_by_the_impedance_known() -> None:
    hand = Hand.linked()
    hand.firmware.therapy.impedance_ohm = 4000
    refused = hand.ask(Stage(1, 0, 1, PROGRAM.entries()), Refused)
    assert (refused.reason, refused.detail) == (Refusal.COMPLIANCE, 12_055)


def test_what_was_measured_after_commit_counts_at_arm() -> None:
    hand = Hand.linked()
    hand.configure()
    hand.firmware.therapy.take_impedance(2, 4000)
    challenge = hand.ask(ArmRequest(PROGRAM.crc()), ArmChallenge)
    refused = hand.ask(Arm(PROGRAM.crc(), challenge.nonce), Refused)
    assert (refused.reason, refused.detail) == (Refusal.COMPLIANCE, 12_055)
    hand.firmware.therapy.take_impedance(2, 900)
    assert hand.arm().state == State.ARMED


def test_a_trigger_for_the_past_is_refused_and_delivers_nothing() -> None:
    hand = Hand.delivering(1000, replace(PROGRAM, mode=Mode.TRIGGERED))
    at_us = hand.firmware.now_us - 1
    assert hand.ask(Trigger(0, 7, at_us), Refused).reason == Refusal.EXPIRED
    hand.keep_alive_ms(100)
    assert hand.pulses == 0


def test_a_timer_that_the_state_knows_nothing_of_does_nothing() -> None:
    therapy = Therapy(DBS, Tissue(TissueModel.named("default"), DBS.output))
    therapy.boot(healthy=True)
    therapy._timers[TimerEvent.RAMP_DONE] = 0
    therapy.expire(0)
    assert (therapy.state, therapy.due_us) == (State.IDLE, 1 << 62)


# What a mutant asked for ---------------------------------------------


def test_faults_are_latched_beside_each_other_and_cleared_by_their_names_together() -> None:
    hand = Hand.delivering(1000)
    therapy = hand.firmware.therapy
    both = Fault.CHARGE_BALANCE | Fault.OUTPUT_LIMIT
    refused = hand.ask(ClearFault(0), Refused)
    assert refused.reason == Refusal.WRONG_STATE
    therapy.fail(hand.firmware.now_us, Fault.CHARGE_BALANCE)
    therapy.fail(hand.firmware.now_us, Fault.OUTPUT_LIMIT)
    assert therapy.faults == both
    for others in (0, Fault.CHARGE_BALANCE, both | Fault.PROGRAM_MEMORY):
        refused = hand.ask(ClearFault(others), Refused)
        assert (refused.reason, refused.detail) == (Refusal.FAULTS, both)
        assert hand.state is State.FAULT
    status = hand.ask(ClearFault(both), Status)
    assert (status.state, status.faults) == (State.IDLE, 0)


def test_what_the_self_test_found_cannot_be_cleared() -> None:
    hand = Hand.linked()
    hand.firmware.therapy.fail(hand.firmware.now_us, Fault.SELF_TEST)
    refused = hand.ask(ClearFault(Fault.SELF_TEST), Refused)
    assert (refused.reason, refused.detail) == (Refusal.FAULTS, Fault.SELF_TEST)
    assert hand.state is State.FAULT


def test_the_way_to_the_fallback_takes_its_quarter_second() -> None:
    hand = Hand.delivering(3000, replace(PROGRAM, fallback_ua=1000))
    silent_until(hand, State.FALLBACK, 404)
    hand.advance_ms(124)
    assert 1900 <= hand.amplitude_ua <= 2100
    hand.advance_ms(128)
    assert hand.amplitude_ua == 1000


def test_a_hold_that_nobody_asked_for_cannot_be_taken_back() -> None:
    hand = Hand.delivering(1000)
    refused = hand.ask(Hold(0), Refused)
    assert (refused.reason, refused.detail) == (Refusal.WRONG_STATE, State.STIMULATING)
    assert hand.state is State.STIMULATING


def test_an_amplitude_below_the_one_on_its_way_is_no_rise() -> None:
    hand = Hand.delivering(1000)
    assert hand.setpoint(2000) is None
    assert hand.amplitude_ua < 1800
    hand.firmware.battery.stage = Supply.NO_ADAPTIVE
    assert hand.setpoint(1800) is None
    refused = hand.setpoint(1900)
    assert refused is not None
    assert refused.reason == Refusal.BATTERY


def test_a_therapy_that_does_not_run_takes_no_setpoint_from_anybody() -> None:
    hand = Hand.delivering(1000)
    hand.stop()
    therapy, now_us = hand.firmware.therapy, hand.firmware.now_us
    breach = therapy.setpoint(now_us, 99, 500, PROGRAM.period_min_us, 0, number=0)
    assert breach == Breach(Refusal.WRONG_STATE, State.IDLE)
    assert therapy.last_sp != 99


def test_a_setpoint_may_be_for_this_very_moment_or_the_last_one_that_is_near_enough() -> None:
    hand = Hand.delivering(1000)
    therapy, now_us = hand.firmware.therapy, hand.firmware.now_us
    period_us = PROGRAM.period_max_us
    for sp, at_us in enumerate((now_us, now_us + AHEAD_US), therapy.last_sp + 1):
        assert therapy.setpoint(now_us, sp, 900, period_us, at_us, number=0) is None
    late = therapy.setpoint(now_us, 99, 900, period_us, now_us + AHEAD_US + 1, number=0)
    assert late == Breach(Refusal.OUTSIDE_ENVELOPE, AHEAD_US)


def test_a_therapy_counts_its_setpoints_from_the_start() -> None:
    hand = Hand.delivering(1000)
    assert hand.firmware.therapy.last_sp > 0
    hand.stop()
    hand.begin()
    assert hand.firmware.therapy.last_sp == 0
