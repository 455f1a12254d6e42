"""A magnet at a vagus nerve stimulator: the patient's own order, and the rest that follows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.peer import ADAPTIVE, Hand, power_on
from tests.unit.test_limits import MAGNETIC
from tests.waveform import PLENTY_MV

from stimloop_hw.groups import ProgramSet
from stimloop_hw.loop import Loop, LoopParameter
from stimloop_hw.messages import Event, Start, Status
from stimloop_hw.program import PASSIVE, Mode, Program
from stimloop_hw.vocabulary import EventCode, Fault, Refusal, ResetCause, State, StopMode
from stimloop_sim._pulses import PulseTrain
from stimloop_sim.bench import Bench
from stimloop_sim.interleave import check_set
from stimloop_sim.profile import Profile
from stimloop_sim.therapy import SENSELESS
from stimloop_sim.tissue import Tissue, TissueModel

VNS = Profile.named("vns")
SAMPLE_MS = 4
NO_TRAIN: dict[str, Any] = {"magnet_amplitude_ua": 0, "magnet_width_us": 0, "magnet_on_ms": 0}
SHORT = replace(MAGNETIC, magnet_on_ms=7_000, cycle_on_ms=0, cycle_off_ms=0)
"""A magnet's train of 7 s, whose ramps take 2 s each; no pauses by the clock."""


def running(program: Program = SHORT, amplitude_ua: int = 500) -> Hand:
    """A therapy on its amplitude; its lease is long."""
    hand = Hand.linked(power_on(VNS))
    hand.begin(program, VNS.lease_max_ms)
    for ua in range(125 if amplitude_ua else 0, amplitude_ua + 125, 125):
        assert hand.setpoint(ua, 50_000) is None
        live(hand, 1_000)
    return hand


def live(hand: Hand, ms: int, *, alive: bool = True) -> list[int]:
    """Amplitude every 100 ms, with heartbeats or in silence."""
    found = []
    for _ in range(0, ms, 100):
        if alive:
            hand.heartbeat(VNS.lease_max_ms)
        hand.advance_ms(100)
        found.append(hand.amplitude_ua)
    return found


def swipe(hand: Hand, ms: int = 500, *, alive: bool = True) -> None:
    hand.firmware.sense_magnet(present=True)
    live(hand, ms, alive=alive)
    hand.firmware.sense_magnet(present=False)


def pulses_of(hand: Hand) -> int:
    return hand.firmware.therapy.pulses.pulses


def test_while_a_magnet_is_there_no_pulse_begins_and_then_the_output_rises_softly() -> None:
    hand = running()
    before = pulses_of(hand)
    hand.firmware.sense_magnet(present=True)
    assert hand.amplitude_ua == 0
    live(hand, 5_000)
    assert pulses_of(hand) == before
    assert hand.state is State.STIMULATING
    assert hand.firmware.status().setpoint_ua == 500
    hand.firmware.sense_magnet(present=False)
    course = live(hand, 3_000)
    assert course[0] <= 125  # 1 mA/s
    assert course[-1] == 500


def test_a_swipe_starts_one_train_of_the_committed_parameters() -> None:
    hand = running()
    train = hand.firmware.therapy.pulses
    charge_pc, count = train.delivered_pc, train.pulses
    swipe(hand)
    course = live(hand, 2_000)
    assert train.width_us == 500
    assert course == sorted(course)
    assert set(live(hand, 7_000)) == {1750}
    fade = live(hand, 2_000)
    assert fade == sorted(fade, reverse=True)
    assert fade[-1] == 0
    delivered = train.recent()[-(train.pulses - count) :]
    assert train.delivered_pc - charge_pc == sum(ua * 500 for _, ua in delivered)
    assert max(live(hand, 2_000)) == 500
    assert train.width_us == 250
    assert not train.breached
    assert train.net_fc == 0


def test_a_magnet_that_stays_longer_than_declared_starts_nothing() -> None:
    hand = running(amplitude_ua=0)
    swipe(hand, 3_000)
    assert max(live(hand, 5_000)) == 0
    swipe(hand, 2_900)
    assert max(live(hand, 5_000)) == 1750


def test_a_program_may_have_the_magnet_inhibit_only() -> None:
    silent = replace(SHORT, **NO_TRAIN)
    hand = running(silent)
    swipe(hand)
    assert max(live(hand, 5_000)) == 500


def test_without_magnet_mode_a_magnet_is_told_and_does_nothing() -> None:
    hand = running(
        replace(
            SHORT, magnet_swipe_ms=0, magnet_amplitude_ua=0, magnet_width_us=0, magnet_on_ms=0
        )
    )
    swipe(hand)
    assert set(live(hand, 5_000)) == {500}
    codes = [(e.code, e.arg) for e in hand.told(Event)]
    assert (EventCode.MAGNET, 1) in codes


def test_a_magnet_needs_no_host_and_its_train_ends_with_the_lease() -> None:
    hand = running()
    live(hand, 600, alive=False)
    assert hand.state is State.FALLBACK
    swipe(hand, alive=False)
    course = live(hand, 4_000, alive=False)
    assert hand.state is State.FALLBACK
    assert course[-1] == 1750  # the fallback is off, the patient's train is not
    live(hand, 5_600, alive=False)
    assert hand.firmware.therapy.state == State.IDLE
    assert hand.amplitude_ua == 0


def test_in_hold_no_output_rises_by_itself_when_the_magnet_goes() -> None:
    hand = running(replace(SHORT, **NO_TRAIN))
    live(hand, 100, alive=False)
    assert hand.state is State.HOLD
    hand.firmware.sense_magnet(present=True)
    hand.advance_ms(20)
    hand.firmware.sense_magnet(present=False)
    course = live(hand, 100, alive=False)
    assert hand.state is State.HOLD
    assert course == [0]


@pytest.mark.parametrize("state", [State.IDLE, State.CONFIGURED, State.ARMED, State.FAULT])
def test_where_no_therapy_runs_a_swipe_starts_nothing(state: State) -> None:
    hand = running()
    therapy, now_us = hand.firmware.therapy, hand.firmware.now_us
    if state is State.FAULT:
        therapy.fail(now_us, Fault.OUTPUT_LIMIT)
    else:
        hand.stop()
    if state in {State.CONFIGURED, State.ARMED}:
        assert therapy.commit(ProgramSet.single(SHORT), 0) is None
    if state is State.ARMED:
        assert therapy.arm(now_us, therapy.program_crc) is None
    assert therapy.state is state
    before = pulses_of(hand)
    swipe(hand, 100)
    live(hand, 1_500)
    assert pulses_of(hand) == before


def test_stop_ends_a_magnets_train_at_once_and_a_ramp_ends_it_within_its_time() -> None:
    hand = running()
    swipe(hand)
    live(hand, 4_000)
    hand.stop(StopMode.GROUND)
    before = pulses_of(hand)
    live(hand, 3_000)
    assert pulses_of(hand) == before
    hand = running()
    swipe(hand)
    live(hand, 4_000)
    hand.stop(StopMode.RAMP)
    fade = live(hand, 1_000)
    assert fade == sorted(fade, reverse=True)
    assert fade[-1] < 1000
    swipe(hand, 100)
    live(hand, 1_000)
    assert hand.state is State.IDLE
    before = pulses_of(hand)
    live(hand, 10_000)
    assert pulses_of(hand) == before


def test_a_therapy_that_starts_under_a_magnet_waits_for_it_to_go() -> None:
    hand = Hand.linked(power_on(VNS))
    hand.firmware.sense_magnet(present=True)
    hand.begin(SHORT, VNS.lease_max_ms)
    assert hand.setpoint(125, 50_000) is None
    assert max(live(hand, 2_000)) == 0
    hand.firmware.sense_magnet(present=False)
    assert max(live(hand, 5_000)) > 0


def test_a_magnet_that_is_there_is_felt_by_firmware_that_starts_anew() -> None:
    bench = Bench.of_url("sim://vns?patient=resting")
    bench.magnet(present=True)
    bench.implant.reset(ResetCause.BROWN_OUT)
    assert bench.firmware.magnet
    bench.magnet(present=False)
    assert not bench.firmware.magnet


def test_without_a_host_a_magnet_inhibits_and_a_swipe_trains_until_somebody_stops_it() -> None:
    alone = replace(
        SHORT,
        loop=Loop.of(
            {
                **dict(ADAPTIVE.loop.values),
                LoopParameter.SATURATION_UV: VNS.sense_range_uv - 1,
                LoopParameter.THRESHOLD_NV: VNS.sense_range_uv * 1000,
                LoopParameter.RELEASE_NV: VNS.sense_range_uv * 1000,
            }
        ),
    )
    hand = Hand.linked(power_on(VNS))
    hand.begin_alone(alone)
    assert set(live(hand, 2_000, alive=False)) == {0}  # no level is above the threshold
    swipe(hand, alive=False)
    assert live(hand, 6_000, alive=False)[-1] == 1750
    hand.firmware.sense_magnet(present=True)
    before = pulses_of(hand)
    assert set(live(hand, 5_000, alive=False)) == {0}
    assert pulses_of(hand) == before
    assert hand.firmware.therapy.state == State.ALONE
    hand.firmware.sense_magnet(present=False)
    live(hand, 9_000, alive=False)
    assert pulses_of(hand) == before, "it stayed too long for a swipe"
    swipe(hand, alive=False)
    live(hand, 4_000, alive=False)
    hand.stop(StopMode.GROUND)
    before = pulses_of(hand)
    live(hand, 3_000, alive=False)
    assert pulses_of(hand) == before
    assert hand.state is State.IDLE


TWIN = replace(VNS, programs=2)
BESIDE = replace(SHORT, magnet_amplitude_ua=1000, magnet_width_us=250, offset_us=5_000)
TWINS = ProgramSet(((SHORT, BESIDE), (), (), ()))
"""A device that no product is: a magnet, and two programs interleaved."""


def twins() -> Hand:
    hand = Hand.linked(power_on(TWIN))
    hand.configure_set(TWINS)
    hand.arm(TWINS.crc())
    hand.ask(Start(TWINS.crc(), TWIN.lease_max_ms), Status)
    return hand


def test_a_swipe_starts_every_programs_own_train_at_its_place_in_the_period() -> None:
    hand = twins()
    swipe(hand)
    live(hand, 4_000)
    train = hand.firmware.therapy.pulses
    (first_us, first_ua), (second_us, second_ua) = (train.recent(k)[-1] for k in range(2))
    assert (first_ua, second_ua) == (1750, 1000)
    period_us = SHORT.period_min_us
    assert (second_us - first_us) % period_us == BESIDE.offset_us
    assert train.net_fc == 0
    live(hand, 8_000)
    assert all(ua == 0 for _, ua, _ in train.outputs)
    hand.stop()


def test_what_magnets_trains_leave_on_a_contact_counts_together() -> None:
    """Passive, 0.5 ms each: the contact bears 1.984 µC, which are 3.97 mA of both."""
    passive = replace(SHORT, recharge_ratio=PASSIVE, slew_ua_s=2_000)
    assert {contact.charge_max_nc for contact in TWIN.contacts} == {1984}
    for magnet_ua, allowed in ((2000, True), (2250, False)):
        second = replace(passive, offset_us=10_000, magnet_amplitude_ua=magnet_ua)
        programs = ProgramSet(((passive, second), (), (), ()))
        breach = check_set(TWIN, programs, TWIN.impedance_ohm, SENSELESS)
        assert (breach is None) is allowed
    assert breach is not None
    assert (breach.reason, breach.program) == (Refusal.CHARGE_PER_PHASE, 2)


def test_a_magnet_comes_on_schedule() -> None:
    bench = Bench.of_url("sim://vns?patient=resting&faults=examples/faults/magnet.toml")
    seen = []
    for _ in range(240):
        bench.advance(250)
        seen.append(bench.firmware.magnet)
    edges = [k + 1 for k in range(1, 240) if seen[k] is not seen[k - 1]]
    assert edges == [30, 31, 200, 201, 210, 230]


# Rest ---------------------------------------------


def stage(duty_permille: int, train_max_ms: int, program: Program = SHORT) -> PulseTrain:
    output = replace(VNS, compliance_mv=PLENTY_MV).output
    tissue = Tissue(TissueModel.named("default"), output)
    pulses = PulseTrain(
        VNS.amplitude_ua,
        tissue.path(),
        duty_permille=duty_permille,
        train_max_ms=train_max_ms,
    )
    pulses.configure(program)
    tissue.connect(pulses.paths[0], program.cathodes, program.anodes, program.shares_percent)
    pulses.start(0, True)
    return pulses


def test_an_output_that_nobody_ends_rests_for_as_long_as_its_duty_asks() -> None:
    """5 s in one go and a duty of a third: 10 s of rest."""
    pulses = stage(333, 5_000)
    pulses.setpoint(0, 1000, 50_000, 0)
    log = []
    for second in range(60):
        pulses.advance(1_000_000 * second, 4_000, 250)
        log.append(pulses.exhausted)
    assert log[:7] == [False] * 5 + [True] * 2
    assert log.index(False, 6) == pytest.approx(15, abs=1)
    times_us = [t for t, _ in pulses.recent()]
    assert len(times_us) * 50_000 / 60e6 == pytest.approx(0.333, abs=0.06)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["set", "off", "swipe", "trigger"]),
            st.integers(1, 8),
            st.booleans(),
        ),
        min_size=1,
        max_size=25,
    ),
    st.integers(100, 900),
)
def test_no_order_of_host_or_patient_stimulates_longer_in_one_go_or_in_the_long_run(
    orders: list[tuple[str, int, bool]], duty_permille: int
) -> None:
    longest_us = 5_000_000
    pulses = stage(duty_permille, longest_us // 1000)
    now_us = 0
    for order, seconds, quick in orders:
        period_us = 40_000 if quick else 50_000
        if order == "swipe":
            pulses.inhibit(now_us)
            pulses.release(now_us, True)
        elif order == "trigger":
            pulses.trigger(now_us, 1_000, 0)
        else:
            pulses.setpoint(now_us, 1000 if order == "set" else 0, period_us, 0)
        pulses.advance(now_us, 4_000, 250 * seconds)
        now_us += 1_000_000 * seconds
    times_us = [t for t, _ in pulses.recent()]
    # In every window: what may be done in one go, and the duty's part of the time.
    for first, begin_us in enumerate(times_us):
        for count, end_us in enumerate(times_us[first:], 1):
            allowed_us = longest_us + (end_us - begin_us) * duty_permille // 1000
            assert count * 40_000 <= allowed_us + 200_000


def test_a_device_tells_when_its_output_rests_and_when_it_may_go_on() -> None:
    quick = replace(VNS, train_max_ms=2_000)
    hand = Hand.linked(power_on(quick))
    hand.begin(SHORT, VNS.lease_max_ms)
    assert hand.setpoint(125, 50_000) is None
    course = live(hand, 6_000)
    codes = [(e.code, e.arg) for e in hand.told(Event) if e.code == EventCode.REST]
    assert list(dict.fromkeys(codes)) == [(EventCode.REST, 1), (EventCode.REST, 0)]
    assert 0 in course[20:]
    assert hand.state is State.STIMULATING


def test_triggered_pulses_rest_too() -> None:
    program = replace(SHORT, mode=Mode.TRIGGERED, **NO_TRAIN)
    pulses = stage(500, 2_000, program)
    pulses.setpoint(0, 1000, 50_000, 0)
    pulses.trigger(0, 10_000, 0)
    pulses.advance(0, 4_000, 250 * 8)
    assert pulses.pulses * 50_000 < 6_000_000


def test_interleaved_programs_spend_their_periods_once_and_rest_together() -> None:
    output = replace(TWIN, compliance_mv=PLENTY_MV).output
    tissue = Tissue(TissueModel.named("default"), output)
    paths = (tissue.path(), tissue.path())
    pulses = PulseTrain(TWIN.amplitude_ua, *paths, duty_permille=500, train_max_ms=2_000)
    pulses.configure(SHORT, BESIDE)
    for path in paths:
        tissue.connect(path, SHORT.cathodes, SHORT.anodes, SHORT.shares_percent)
    pulses.start(0, True)
    for program in range(2):
        pulses.setpoint(0, 1000, 50_000, 0, program)
    pulses.advance(0, 4_000, 250 * 2)
    assert not pulses.exhausted
    pulses.advance(2_000_000, 4_000, 250)
    assert pulses.exhausted
    ends_us = [pulses.recent(k)[-1][0] for k in range(2)]
    assert max(ends_us) - min(ends_us) <= 50_000
    before = pulses.pulses
    pulses.advance(3_000_000, 4_000, 200)
    assert pulses.pulses == before


def test_an_output_with_the_whole_duty_is_never_exhausted() -> None:
    pulses = stage(1_000, 0)
    pulses.setpoint(0, 1000, 50_000, 0)
    pulses.advance(0, 4_000, 250 * 120)
    assert not pulses.exhausted
