"""The battery: exact charge, and loads that are given up one after the other in their order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.peer import DBS, PROGRAM, Hand, Silence

from stimloop_hw.messages import (
    BatteryState,
    Event,
    GetBattery,
    Refused,
    Sensed,
    Start,
    Status,
    StreamConfig,
)
from stimloop_hw.vocabulary import EventCode, Refusal, State, Supply
from stimloop_sim.battery import Battery
from stimloop_sim.bench import Bench
from stimloop_sim.board import Board
from stimloop_sim.firmware import Firmware
from stimloop_sim.profile import Profile, names
from stimloop_sim.sensing import FrontEnd

EXAMPLES = Path(__file__).parents[2] / "examples" / "faults"
CELL = DBS.battery
UAH_FC = 3_600_000_000_000
STREAM = StreamConfig(1, 250, 5)


def linked(board: Board | None = None) -> Hand:
    front_end = FrontEnd(Silence(), DBS.sense_range_uv, 5)
    return Hand.linked(Firmware(DBS, front_end, board=board))


def supply_events(hand: Hand) -> list[int]:
    """The stages told so far, each once."""
    told = {e.event: e.arg for e in hand.told(Event) if e.code == EventCode.SUPPLY}
    return [arg for _, arg in sorted(told.items())]


# The charge ---------------------------------------------


def test_a_new_battery_is_full() -> None:
    battery = Battery(CELL, Board())
    assert battery.report() == BatteryState(Supply.NORMAL, 1000, 3200, 1_200_000, 1_200_000)
    assert not battery.is_empty


def test_an_hour_takes_an_hours_current_and_what_was_delivered_over_the_efficiency() -> None:
    board = Board()
    battery = Battery(CELL, board)
    hour_us = 3_600_000_000
    battery.drain(hour_us, 0, streaming=False, sensing=False)
    assert CELL.capacity_uah * UAH_FC - battery.left_fc == 12 * UAH_FC
    battery.drain(hour_us, 0, streaming=False, sensing=True)
    battery.drain(hour_us, 600_000_000, streaming=True, sensing=True)
    spent_fc = CELL.capacity_uah * UAH_FC - battery.left_fc
    assert spent_fc == (3 * 12 + 2 * 8 + 60) * UAH_FC + 600_000_000 * 1000 * 1000 // 600


@given(
    pieces=st.lists(
        st.tuples(st.integers(0, 10**9), st.integers(0, 10**6), st.booleans(), st.booleans()),
        max_size=20,
    ),
    cut=st.integers(1, 9),
)
def test_charge_does_not_depend_on_the_pieces_in_which_time_passes(
    pieces: list[tuple[int, int, bool, bool]], cut: int
) -> None:
    whole, fine = Battery(CELL, Board()), Battery(CELL, Board())
    delivered_pc = 0
    for elapsed_us, charge_pc, streaming, sensing in pieces:
        first_us, first_pc = elapsed_us * cut // 10, charge_pc * cut // 10
        fine.drain(first_us, delivered_pc + first_pc, streaming=streaming, sensing=sensing)
        delivered_pc += charge_pc
        rest_us = elapsed_us - first_us
        fine.drain(rest_us, delivered_pc, streaming=streaming, sensing=sensing)
        whole.drain(elapsed_us, delivered_pc, streaming=streaming, sensing=sensing)
    assert whole.left_fc == fine.left_fc


@pytest.mark.parametrize("steps", [(1,), (5,), (3, 7, 11), (1000,)])
def test_a_devices_charge_does_not_depend_on_how_it_is_advanced(steps: tuple[int, ...]) -> None:
    def spent_fc(steps: tuple[int, ...]) -> int:
        hand = linked()
        hand.ask(STREAM, Status)
        hand.begin()
        hand.setpoint(1000)
        samples, turn = 1000, 0
        while samples:
            count = min(samples, steps[turn % len(steps)])
            hand.firmware.advance(count)
            samples -= count
            turn += 1
        return hand.firmware.battery.left_fc

    assert spent_fc(steps) == spent_fc((17,))


def test_a_collapse_leaves_so_much_and_never_gives() -> None:
    battery = Battery(CELL, Board())
    battery.collapse(500)
    assert battery.left_permille == 500
    battery.collapse(700)
    assert battery.left_permille == 500
    battery.collapse(0)
    assert battery.is_empty
    battery.drain(10**12, 0, streaming=True, sensing=True)
    assert (battery.left_fc, battery.left_permille) == (0, 0)


@pytest.mark.parametrize("name", names())
def test_the_voltage_falls_with_the_charge(name: str) -> None:
    cell = Profile.named(name).battery
    battery = Battery(cell, Board())
    told = []
    for left in (1000, 500, 100, 0):
        battery.collapse(left)
        told.append(battery.report().voltage_mv)
    middle_mv = (cell.full_mv + cell.empty_mv) // 2
    assert (told[0], told[1], told[3]) == (cell.full_mv, middle_mv, cell.empty_mv)
    assert told == sorted(told, reverse=True)


def test_a_device_that_runs_lasts_for_the_years_that_its_currents_allow() -> None:
    hand = linked()
    hand.advance_ms(1000)
    spent_fc = CELL.capacity_uah * UAH_FC - hand.firmware.battery.left_fc
    assert spent_fc == (CELL.base_na + CELL.sensing_na) * 1_000_000


# The stages ---------------------------------------------


@pytest.mark.parametrize(
    ("left_permille", "stage"),
    [
        (101, Supply.NORMAL),
        (100, Supply.ERI),
        (61, Supply.ERI),
        (60, Supply.NO_STREAM),
        (50, Supply.NO_SENSING),
        (40, Supply.NO_ADAPTIVE),
        (21, Supply.NO_ADAPTIVE),
        (20, Supply.EOS),
        (0, Supply.EOS),
    ],
)
def test_a_device_starts_in_the_stage_of_its_charge(left_permille: int, stage: Supply) -> None:
    board = Board()
    Battery(CELL, board).collapse(left_permille)
    battery = Battery(CELL, board)
    assert battery.stage == stage
    assert not battery.step_down()


def test_loads_are_given_up_one_by_one_in_the_stated_order_and_each_is_told() -> None:
    hand = linked()
    hand.ask(STREAM, Status)
    hand.begin()
    hand.setpoint(1000)
    hand.keep_alive_ms(980)
    hand.firmware.battery.collapse(15)
    states: dict[Supply, int] = {}
    for _ in range(50):
        hand.heartbeat()
        hand.advance_ms(20)
        states.setdefault(hand.firmware.battery.stage, hand.firmware.now_us // 100_000)
    first = states[Supply.ERI]
    assert states == {stage: first + k for k, stage in enumerate(list(Supply)[1:])}
    assert supply_events(hand) == [1, 2, 3, 4, 5]


def test_the_stream_ends_and_is_refused_but_may_be_ended_again() -> None:
    hand = linked()
    hand.ask(STREAM, Status)
    hand.firmware.battery.collapse(55)
    hand.advance_ms(300)
    assert hand.firmware.battery.stage is Supply.NO_STREAM
    hand.told(Sensed)
    hand.advance_ms(300)
    assert hand.told(Sensed) == []
    refused = hand.ask(STREAM, Refused)
    assert (refused.reason, refused.detail) == (Refusal.BATTERY, 54)
    assert "5.4 %" in Refusal(refused.reason).sentence(refused.detail)
    hand.ask(StreamConfig(1, 0, 5), Status)


def test_what_is_not_sensed_takes_no_current() -> None:
    hand = linked()
    hand.firmware.battery.collapse(50)
    hand.advance_ms(500)
    before_fc = hand.firmware.battery.left_fc
    hand.advance_ms(1000)
    assert before_fc - hand.firmware.battery.left_fc == CELL.base_na * 1_000_000


def test_setpoints_may_fall_but_not_rise_any_more() -> None:
    hand = Hand.delivering(1000)
    hand.firmware.battery.collapse(40)
    hand.keep_alive_ms(600)
    assert hand.firmware.battery.stage is Supply.NO_ADAPTIVE
    assert hand.state is State.STIMULATING
    for raised in (hand.setpoint(1100), hand.setpoint(1000, 9_990)):
        assert raised is not None
        assert raised.reason == Refusal.BATTERY
    assert hand.setpoint(900) is None
    assert hand.setpoint(900, 12_000) is None
    hand.keep_alive_ms(200)
    assert hand.amplitude_ua == 900


def test_stimulation_is_ramped_down_at_the_end_of_service_and_start_refused() -> None:
    hand = Hand.delivering(1000, replace(PROGRAM, soft_stop_ms=1000))
    hand.firmware.battery.collapse(20)
    while hand.firmware.battery.stage is not Supply.EOS:
        hand.heartbeat()
        hand.advance_ms(20)
    assert hand.state is State.RAMPING_DOWN
    amplitudes = []
    for _ in range(12):
        hand.advance_ms(100)
        amplitudes.append(hand.amplitude_ua)
    assert amplitudes == sorted(amplitudes, reverse=True)
    assert len(set(amplitudes)) > 5, "a ramp, not a cut"
    assert (hand.state, amplitudes[-1]) == (State.IDLE, 0)
    hand.configure()
    hand.arm()
    refused = hand.ask(Start(PROGRAM.crc(), 2000), Refused)
    assert (refused.reason, refused.detail) == (Refusal.BATTERY, 19)
    hand.stop()


def test_the_battery_is_asked_for_by_a_message_of_its_own() -> None:
    hand = linked()
    hand.firmware.battery.collapse(505)
    told = hand.ask(GetBattery(), BatteryState)
    assert told == BatteryState(Supply.NORMAL, 505, 2804, 606_000, 1_200_000)


def test_charge_is_not_given_back_by_a_reset() -> None:
    board = Board()
    hand = linked(board)
    hand.begin()
    hand.setpoint(1000)
    hand.keep_alive_ms(2000)
    left_fc = hand.firmware.battery.left_fc
    assert board.delivered_pc > 0
    again = linked(board)
    assert again.firmware.battery.left_fc == left_fc
    again.advance_ms(4)
    spent_fc = left_fc - again.firmware.battery.left_fc
    assert spent_fc == (CELL.base_na + CELL.sensing_na) * 4000


# The supply fails ---------------------------------------------


def test_a_battery_that_collapses_ends_output_and_device() -> None:
    bench = Bench.of_url(f"sim://dbs?faults={EXAMPLES / 'battery_collapse.toml'}")
    hand = Hand.linked(bench.firmware)
    hand.begin()
    hand.setpoint(1000)
    while bench.now_us < 4_000_000:
        hand.heartbeat()
        bench.advance(5)
    assert hand.state is State.IDLE
    assert supply_events(hand) == [1, 2, 3, 4, 5]
    bench.advance_to(5_000_000)
    assert not bench.implant.runs
    before = hand.pulses
    bench.advance_to(9_000_000)
    assert (bench.implant.runs, hand.pulses, bench.implant.boot) == (False, before, 1)
    assert bench.implant.counts["battery_collapse"] == 2


def test_a_battery_that_is_drained_to_nothing_ends_the_device_too() -> None:
    bench = Bench.of_url("sim://dbs")
    hand = Hand.linked(bench.firmware)
    hand.begin()
    hand.setpoint(1000)
    bench.advance(100)
    bench.implant.board.drained_fc += bench.firmware.battery.left_fc - 1
    bench.advance(5)
    assert not bench.implant.runs
    before = hand.pulses
    bench.advance(500)
    assert hand.pulses == before
