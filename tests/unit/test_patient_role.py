"""The patient's role, and a hold that heartbeats do not end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.device import LIMITS, ON_OFF
from tests.peer import ADAPTIVE, DBS, LEASE_MS, PROGRAM, Hand

from stimloop import cli, patient
from stimloop import prescription as prescriptions
from stimloop.errors import PrescriptionError
from stimloop_hw import Link
from stimloop_hw.loop import EmbeddedController, Loop, LoopParameter
from stimloop_hw.messages import Abort, Adjust, Event, Heartbeat, Hold, Mark, Refused, Status
from stimloop_hw.program import Parameter, Program
from stimloop_hw.vocabulary import EventCode, Refusal, Role, State
from stimloop_sim.firmware import Firmware
from stimloop_sim.limits import Breach, check_program
from stimloop_sim.patient import DbsPatient
from stimloop_sim.sensing import FrontEnd

STEADY = {
    **{
        number: value
        for number, value in ON_OFF.items()
        if number not in (LoopParameter.RAMP_UP_MS, LoopParameter.RAMP_DOWN_MS)
    },
    LoopParameter.CONTROLLER: EmbeddedController.CONTINUOUS,
}
CHOICE = replace(
    ADAPTIVE,
    patient_min_ua=1000,
    patient_max_ua=2000,
    patient_step_ua=100,
    loop=Loop.of(STEADY),
)
TEXT = """
schema = 1
[stimulation]
amplitude_ma = 3.0
pulse_width_us = 60
rate_hz = 130.0
slew_ma_per_s = 10.0
cathodes = ["1"]
anodes = ["case"]
[controller]
kind = "continuous"
[patient]
min_ma = {min_ma}
max_ma = {max_ma}
step_ma = {step_ma}
"""


def alone(program: Program = CHOICE) -> tuple[Hand, Hand]:
    """A therapy that runs alone, and its patient; the clinician has left."""
    front_end = FrontEnd(DbsPatient(seed=1), DBS.sense_range_uv, 5)
    clinician = Hand.linked(Firmware(DBS, front_end))
    clinician.begin_alone(program)
    clinician.advance_ms(3000)
    patients = Hand(clinician.firmware)
    patients.hello(b"with a programmer"[:16], Role.PATIENT)
    return clinician, patients


# Levels ---------------------------------------------


def test_a_therapy_that_runs_alone_begins_at_the_highest_level_of_the_patients() -> None:
    _, hand = alone()
    assert (hand.state, hand.amplitude_ua) == (State.ALONE, 2000)


def test_a_step_moves_the_level_and_the_output_follows_by_the_slew() -> None:
    _, hand = alone()
    hand.ask(Adjust(-7), Status)
    hand.advance_ms(1000)
    assert hand.amplitude_ua == 1300
    assert hand.told(Event)[-1].arg == 1300
    hand.ask(Adjust(2), Status)
    hand.advance_ms(1000)
    assert hand.amplitude_ua == 1500
    level = [event for event in hand.told(Event) if event.code == EventCode.PATIENT_LEVEL]
    assert level[-1].arg == 1500


@given(st.lists(st.integers(-30, 30), max_size=12))
def test_no_wish_leads_out_of_the_clinicians_limits(wishes: list[int]) -> None:
    _, hand = alone()
    level_ua = 2000
    for steps in wishes:
        wanted_ua = level_ua + 100 * steps
        [answer] = hand.exchange(hand.framed(Adjust(steps)))
        if 1000 <= wanted_ua <= 2000:
            assert isinstance(answer, Status)
            level_ua = wanted_ua
        else:
            assert isinstance(answer, Refused)
            assert answer.reason == Refusal.PATIENT_LIMIT
            assert answer.detail == min(max(wanted_ua, 1000), 2000)
        hand.advance_ms(300)
        assert hand.amplitude_ua <= max(level_ua, 2000)
    hand.advance_ms(3000)
    assert hand.amplitude_ua == level_ua


def test_a_level_bounds_a_loop_that_adapts_as_well() -> None:
    program = replace(
        ADAPTIVE,
        patient_min_ua=500,
        patient_max_ua=1000,
        patient_step_ua=100,
        loop=Loop.of({**ON_OFF, LoopParameter.THRESHOLD_NV: 1, LoopParameter.RELEASE_NV: 1}),
    )
    _, hand = alone(program)
    hand.ask(Adjust(-5), Status)
    for _ in range(20):
        hand.advance_ms(100)
        assert hand.amplitude_ua <= 1000
    assert hand.amplitude_ua <= 500


def test_where_a_host_leads_or_nothing_runs_the_patient_changes_nothing() -> None:
    led = Hand.delivering(1000)
    for firmware in (led.firmware, Hand.linked().firmware):
        hand = Hand(firmware)
        hand.hello(b"with a programmer"[:16], Role.PATIENT)
        assert hand.ask(Adjust(-1), Refused).reason == Refusal.WRONG_STATE


def test_a_program_that_leaves_no_choice_says_so() -> None:
    _, hand = alone(replace(CHOICE, patient_min_ua=0, patient_max_ua=0, patient_step_ua=0))
    refused = hand.ask(Adjust(-1), Refused)
    assert (refused.reason, refused.detail) == (Refusal.PATIENT_NONE, 0)


def test_a_patient_gives_no_other_order_and_a_late_wish_is_void() -> None:
    _, hand = alone()
    for order in (Heartbeat(LEASE_MS, 0, 0), Hold(1), Abort(1)):
        assert hand.ask(order, Refused).reason == Refusal.ROLE
    late_us = hand.firmware.now_us - 1
    assert hand.ask(Adjust(-1), Refused, expires_us=late_us).reason == Refusal.EXPIRED
    hand.stop()
    assert hand.state is State.IDLE


def test_the_latest_patient_replaces_the_one_before_and_an_observer_none() -> None:
    clinician, first = alone()
    second = Hand(clinician.firmware)
    second.hello(b"another one......"[:16], Role.PATIENT)
    foreign = clinician.firmware.telemetry.foreign
    first.exchange(first.framed(Adjust(-1)))
    assert clinician.firmware.telemetry.foreign == foreign + 1
    observer = Hand(clinician.firmware)
    observer.hello(b"just looking....", Role.OBSERVER)
    second.ask(Adjust(-1), Status)


def test_a_patients_mark_is_told_to_everybody() -> None:
    clinician, hand = alone()
    hand.ask(Mark(7), Status)
    marks = [event for event in hand.told(Event) if event.code == EventCode.MARKER]
    assert [event.arg for event in marks] == [7]
    assert clinician.firmware is hand.firmware


# The device's limits ---------------------------------------------


@pytest.mark.parametrize(
    ("values", "parameter"),
    [
        ((0, 2000, 100), Parameter.PATIENT_MIN_UA),
        ((3100, 3200, 100), Parameter.PATIENT_MIN_UA),
        ((1000, 900, 100), Parameter.PATIENT_MAX_UA),
        ((1000, 3100, 100), Parameter.PATIENT_MAX_UA),
        ((1000, 2000, 0), Parameter.PATIENT_STEP_UA),
        ((1000, 2000, -100), Parameter.PATIENT_STEP_UA),
        ((1000, 2000, 3100), Parameter.PATIENT_STEP_UA),
        ((0, 0, 100), Parameter.PATIENT_MIN_UA),
        ((1000, 0, 0), Parameter.PATIENT_MAX_UA),
    ],
)
def test_levels_outside_the_clinicians_limits_are_refused(
    values: tuple[int, int, int], parameter: Parameter
) -> None:
    low_ua, high_ua, step_ua = values
    program = replace(
        PROGRAM, patient_min_ua=low_ua, patient_max_ua=high_ua, patient_step_ua=step_ua
    )
    breach = check_program(DBS, program, DBS.impedance_ohm)
    assert breach == Breach(Refusal.OUT_OF_RANGE, parameter)


def test_levels_at_the_clinicians_limits_pass_and_one_below_the_minimum_does_not() -> None:
    program = replace(
        PROGRAM,
        amplitude_min_ua=1000,
        fallback_ua=1000,
        patient_min_ua=1000,
        patient_max_ua=PROGRAM.amplitude_max_ua,
        patient_step_ua=PROGRAM.amplitude_max_ua,
    )
    assert check_program(DBS, program, DBS.impedance_ohm) is None
    below = replace(program, patient_min_ua=900, patient_step_ua=100)
    assert check_program(DBS, below, DBS.impedance_ohm) == Breach(
        Refusal.OUT_OF_RANGE, Parameter.PATIENT_MIN_UA
    )


@pytest.mark.parametrize(("high_ua", "step_ua"), [(2000, 150), (2050, 100)])
def test_levels_that_the_hardware_does_not_have_are_refused(high_ua: int, step_ua: int) -> None:
    program = replace(
        PROGRAM, patient_min_ua=1000, patient_max_ua=high_ua, patient_step_ua=step_ua
    )
    assert check_program(DBS, program, DBS.impedance_ohm) == Breach(
        Refusal.NOT_REPRESENTABLE, Parameter.PATIENT_STEP_UA
    )


# Hold ---------------------------------------------


def test_a_hold_outlasts_heartbeats_and_lets_the_output_fall_alone() -> None:
    hand = Hand.delivering(1000)
    assert hand.ask(Hold(1), Status).state == State.HOLD
    hand.keep_alive_ms(1000)
    assert (hand.state, hand.amplitude_ua) == (State.HOLD, 1000)
    refused = hand.setpoint(1500)
    assert refused is not None
    assert refused.reason == Refusal.HELD
    assert hand.setpoint(500) is None
    hand.keep_alive_ms(1000)
    assert (hand.state, hand.amplitude_ua) == (State.HOLD, 500)
    assert hand.ask(Hold(0), Status).state == State.STIMULATING
    assert hand.setpoint(1000) is None
    hand.keep_alive_ms(1000)
    assert hand.amplitude_ua == 1000


def test_a_hold_stops_a_rise_that_is_under_way() -> None:
    hand = Hand.delivering(1000)
    hand.setpoint(2000)
    hand.advance_ms(20)
    hand.ask(Hold(1), Status)
    held_ua = hand.amplitude_ua
    assert 1000 < held_ua < 2000
    hand.keep_alive_ms(500)
    assert hand.amplitude_ua == held_ua


def test_under_a_hold_silence_ends_a_therapy_as_it_always_does() -> None:
    hand = Hand.delivering(1000)
    hand.ask(Hold(1), Status)
    hand.keep_alive_ms(1000)
    states = []
    hand.advance_ms(420)
    states.append(hand.state)
    hand.heartbeat()
    states.append(hand.state)
    assert states == [State.FALLBACK, State.HOLD]
    hand.advance_ms(LEASE_MS + 300)
    assert (hand.state, hand.amplitude_ua) == (State.IDLE, 0)


def test_a_host_that_holds_still_leads_and_the_next_therapy_is_not_held() -> None:
    hand = Hand.delivering(1000)
    hand.ask(Hold(1), Status)
    other = Hand(hand.firmware)
    other.greet(b"another one......"[:16])
    assert hand.firmware.admit(Role.CONTROLLER) is not None
    hand.stop()
    hand.begin()
    hand.heartbeat()
    assert hand.state is State.STIMULATING


@pytest.mark.parametrize("held", [0, 1])
def test_nothing_is_held_where_no_host_leads(held: int) -> None:
    hand = Hand.linked()
    assert hand.ask(Hold(held), Refused).reason == Refusal.WRONG_STATE


# The host ---------------------------------------------


def test_a_prescription_leaves_the_patient_levels() -> None:
    text = TEXT.format(min_ma=1.0, max_ma=2.0, step_ma=0.1)
    program = prescriptions.loads(text).program(LIMITS)
    assert (program.patient_min_ua, program.patient_max_ua) == (1000, 2000)
    assert program.patient_step_ua == 100
    assert check_program(DBS, program, DBS.impedance_ohm) is None


@pytest.mark.parametrize(
    ("levels", "sentence"),
    [
        ({"min_ma": 2.5}, "patient.min_ma"),
        ({"max_ma": 3.5}, "within 0 to 3 mA"),
        ({"step_ma": 0.15}, "which leads to 1.85 mA"),
        ({"step_ma": 0.0}, "patient.step_ma"),
    ],
)
def test_levels_that_are_no_choice_are_refused_by_the_host(
    levels: dict[str, float], sentence: str
) -> None:
    text = TEXT.format(**{"min_ma": 1.0, "max_ma": 2.0, "step_ma": 0.1, **levels})
    with pytest.raises(PrescriptionError, match=sentence):
        prescriptions.loads(text).program(LIMITS)


def test_the_command_line_says_what_the_patient_may_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["patient", "--device", "sim://dbs", "--up", "1"]) == 1
    assert "not allowed in state IDLE" in capsys.readouterr().err
    assert cli.main(["patient", "--device", "sim://dbs", "--mark", "3", "--json"]) == 0
    assert '"mark": 3' in capsys.readouterr().out


def test_the_level_is_told_with_what_the_therapy_has_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    link = Link.open("sim://dbs")
    firmware = link.port.bench.firmware  # type: ignore[attr-defined]
    Hand.linked(firmware).begin_alone(CHOICE)
    firmware.advance(1000)
    monkeypatch.setattr(Link, "open", lambda *_, **__: link)
    assert patient.adjust("sim://dbs", -3) == {
        "state": "ALONE", "level_ma": 1.7, "amplitude_ma": pytest.approx(1.7, abs=0.3),
    }  # fmt: skip
