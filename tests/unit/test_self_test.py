"""The power-on self test: each check finds its defect, and no defect lets anything out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np
import pytest
from tests.peer import DBS, PROGRAM, Hand, Silence

from stimloop_hw.groups import ProgramSet
from stimloop_hw.messages import ArmRequest, Event, Refused, Stage
from stimloop_hw.program import Parameter
from stimloop_hw.vocabulary import EventCode, Fault, Refusal, SelfTest, State
from stimloop_sim import self_test, sensing
from stimloop_sim._converter import quantise
from stimloop_sim.board import Board
from stimloop_sim.firmware import Firmware
from stimloop_sim.profile import Profile, names
from stimloop_sim.self_test import CHECKS
from stimloop_sim.sensing import FrontEnd
from stimloop_sim.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable


def started(board: Board, profile: Profile = DBS) -> Firmware:
    return Firmware(profile, FrontEnd(Silence(), profile.sense_range_uv, 5), board=board)


def events(firmware: Firmware) -> list[tuple[int, int]]:
    return [(event.code, event.arg) for event in firmware._journal.events]


class StuckRam(bytearray):
    """One bit of one cell is always 1."""

    def __setitem__(self, where, value):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
        super().__setitem__(where, value | (where == 77) << 5)


class Lazy:
    """A source whose converter gives nothing but this."""

    def __init__(self, nv: int) -> None:
        self.nv = nv

    def __call__(self, sensed, _columns, _range_nv):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
        return np.full(sensed.shape, self.nv, np.int32), True


@pytest.mark.parametrize("name", names())
def test_every_profile_passes_its_self_test(name: str) -> None:
    profile = Profile.named(name)
    board = Board()
    assert started(board, profile).therapy.state is State.IDLE
    assert board.journal.events == []


def test_every_check_has_a_name_and_stands_in_the_table() -> None:
    assert list(CHECKS) == list(SelfTest)


@pytest.mark.parametrize("check", SelfTest)
def test_a_device_that_fails_any_check_starts_in_fault_and_tells_which(check: SelfTest) -> None:
    firmware = started(Board(defects=frozenset({check})))
    assert (firmware.therapy.state, firmware.therapy.faults) == (
        State.FAULT,
        Fault.SELF_TEST,
    )
    hand = Hand.linked(firmware)
    hand.advance_ms(100)
    told = {(event.code, event.arg) for event in hand.told(Event)}
    assert told == {
        (EventCode.SELF_TEST.value, check.value),
        (EventCode.FAULT.value, Fault.SELF_TEST.value),
    }
    refused = hand.ask(Stage(1, 0, 1, PROGRAM.entries()), Refused)
    assert refused.reason == Refusal.WRONG_STATE
    assert hand.ask(ArmRequest(0), Refused).reason == Refusal.WRONG_STATE
    hand.stop()
    assert hand.state is State.FAULT


def test_the_first_check_that_fails_is_told() -> None:
    firmware = started(Board(defects=frozenset(SelfTest)))
    assert events(firmware) == [(EventCode.SELF_TEST, SelfTest.RAM)]


def failure_of(board: Board, profile: Profile = DBS) -> SelfTest | None:
    codes = dict(events(started(board, profile)))
    return SelfTest(codes[EventCode.SELF_TEST]) if EventCode.SELF_TEST in codes else None


def test_a_bit_of_memory_that_sticks_is_found() -> None:
    assert failure_of(Board(ram=StuckRam(256))) is SelfTest.RAM


def test_a_crc_that_is_computed_wrong_is_found() -> None:
    with patch.object(self_test, "crc32", lambda _data: 0):
        assert failure_of(Board()) is SelfTest.STORE


def test_a_program_that_is_damaged_while_the_device_starts_is_found() -> None:
    with patch.object(Store, "is_intact", lambda _store: False):
        assert failure_of(Board()) is SelfTest.STORE


@pytest.mark.parametrize(
    "change",
    [
        lambda p: replace(p, density_max_nc_cm2=30_001),
        lambda p: replace(p, battery=replace(p.battery, stages_permille=(100, 60, 50, 40))),
        lambda p: replace(p, battery=replace(p.battery, stages_permille=(100, 60, 60, 40, 20))),
        lambda p: replace(p, battery=replace(p.battery, stages_permille=(1000, 6, 5, 4, 2))),
        lambda p: replace(p, battery=replace(p.battery, stages_permille=(100, 6, 5, 4, 0))),
        lambda p: replace(p, battery=replace(p.battery, empty_mv=p.battery.full_mv)),
        lambda p: replace(p, battery=replace(p.battery, empty_mv=0)),
        lambda p: replace(p, battery=replace(p.battery, efficiency_permille=0)),
        lambda p: replace(p, battery=replace(p.battery, base_na=0)),
        lambda p: replace(p, battery=replace(p.battery, capacity_uah=0)),
    ],
)
def test_a_profile_that_cannot_be_true_is_found(change: Callable[[Profile], Profile]) -> None:
    assert failure_of(Board(), change(DBS)) is SelfTest.PROFILE


@pytest.mark.parametrize("what", ["pulses", "outputs", "net_fc"])
def test_an_output_stage_that_is_not_off_is_found(what: str) -> None:
    firmware = started(Board())

    class Busy:
        pulses = net_fc = 0
        outputs = ((0, 0, 0), (0, 0, 0))

    stage = Busy()
    setattr(stage, what, ((0, 0, 0), (0, 100, 0)) if what == "outputs" else 1)
    firmware.therapy.pulses = stage  # type: ignore[assignment]
    found = self_test.find_failure(Board(), firmware.therapy, firmware.front_end)
    assert found is SelfTest.OUTPUT


def test_a_watchdog_that_is_not_armed_is_found() -> None:
    board = Board()
    board.watchdog.armed = False
    assert failure_of(board) is SelfTest.WATCHDOG


@pytest.mark.parametrize("nv", [0, 7, 5_000_001])
def test_a_converter_without_zero_or_rails_is_found(
    nv: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensing, "quantise", Lazy(nv))
    assert failure_of(Board()) is SelfTest.CONVERTER


def test_a_converter_that_does_not_tell_its_rails_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sensing, "quantise", lambda *probe: (quantise(*probe)[0], False))
    assert failure_of(Board()) is SelfTest.CONVERTER


# What is taken up after it ---------------------------------------------


def test_a_committed_program_outlasts_a_reset_and_still_needs_arm_and_start() -> None:
    board = Board()
    hand = Hand.linked(started(board))
    hand.begin()
    hand.setpoint(1000)
    again = Hand.linked(started(board))
    assert (again.state, again.pulses, again.amplitude_ua) == (State.CONFIGURED, 0, 0)
    again.advance_ms(1000)
    assert (again.state, again.pulses) == (State.CONFIGURED, 0)
    refused = again.setpoint(1000)
    assert refused is not None
    assert refused.reason == Refusal.WRONG_STATE
    assert again.firmware.therapy.programs == (PROGRAM,)
    assert again.firmware.therapy.program_crc == PROGRAM.crc()


def test_a_torn_or_damaged_bank_is_told_and_the_former_program_taken_up() -> None:
    board = Board()
    hand = Hand.linked(started(board))
    hand.configure(PROGRAM)
    hand.configure(replace(PROGRAM, width_us=90))
    hand.firmware.therapy.store.flip(100)
    firmware = started(board)
    assert (EventCode.BANKS_BAD, 0b10) in events(firmware)
    assert firmware.therapy.programs == (PROGRAM,)
    board.cells[20] ^= 1
    firmware = started(board)
    assert events(firmware)[-1] == (EventCode.BANKS_BAD, 0b11)
    assert (firmware.therapy.state, firmware.therapy.programs) == (State.IDLE, ())


def test_a_stored_program_that_is_not_allowed_any_more_is_not_taken_up() -> None:
    board = Board()
    Hand.linked(started(board)).configure()
    tighter = replace(DBS, slew_max_ua_s=PROGRAM.slew_ua_s - 1)
    firmware = started(board, tighter)
    assert (firmware.therapy.state, firmware.therapy.program_crc) == (State.IDLE, 0)
    assert events(firmware)[-1][0] == EventCode.PROGRAM_VOID
    assert events(firmware)[-1][1] in (Refusal.OUT_OF_RANGE, Refusal.SLEW)


def test_a_program_that_memory_does_not_take_is_refused_and_the_former_one_stands() -> None:
    hand = Hand.linked(started(Board()))
    hand.configure()
    program = replace(PROGRAM, width_us=90)
    with patch.object(Store, "write", lambda *_: False):
        breach = hand.firmware.therapy.commit(ProgramSet.single(program), 0)
    assert breach is not None
    assert breach.reason is Refusal.MEMORY
    assert hand.state is State.CONFIGURED
    assert hand.firmware.therapy.programs == (PROGRAM,)


def test_events_that_nobody_acknowledged_are_told_again_after_a_reset() -> None:
    board = Board()
    hand = Hand.linked(started(board))
    hand.firmware.raise_event(EventCode.FAULT, 5)
    hand.heartbeat(event_ack=1)
    hand.firmware.raise_event(EventCode.FAULT, 6)
    again = Hand.linked(started(board))
    again.advance_ms(100)
    told = {event.event: (event.code, event.arg) for event in again.told(Event)}
    assert told == {2: (EventCode.FAULT, 6), 3: (EventCode.RESET, 1)}


def test_a_parsed_program_is_the_one_that_was_written() -> None:
    assert ProgramSet.parse(PROGRAM.entries()) == ProgramSet.single(PROGRAM)
    with pytest.raises(KeyError):
        ProgramSet.parse(PROGRAM.entries()[:-7])
    assert len(PROGRAM.entries()) == 7 * len(Parameter)
