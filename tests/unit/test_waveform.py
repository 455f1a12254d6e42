"""What leaves the output stage, compared with theory to the integer."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.peer import PROGRAM
from tests.strategies import groups, programs, values_of
from tests.waveform import Change, Phase, net_fc, output_stage, phases, train

from stimloop_hw.program import PASSIVE, Mode, Program
from stimloop_sim._pulses import PulseTrain
from stimloop_sim.limits import check_program, pulse_us
from stimloop_sim.profile import Profile, names
from stimloop_sim.tissue import Tissue, TissueModel

SAMPLE_US = 4000


def steady(profile: Profile, program: Program) -> PulseTrain:
    """The output stage after ten seconds on the way to the program's maximum."""
    pulses = output_stage(profile, program)
    pulses.start(0, train=True)
    pulses.setpoint(0, program.amplitude_max_ua, program.period_min_us, 0)
    pulses.advance(0, SAMPLE_US, 2500)
    return pulses


SHARED = replace(PROGRAM, cathodes=0b110).with_shares({1: 60, 2: 40, 15: 100})
BIPOLAR = replace(PROGRAM, cathodes=0b0010, anodes=0b1100).with_shares({1: 100, 2: 75, 3: 25})
VAGAL = replace(
    PROGRAM,
    amplitude_max_ua=1500,
    width_us=250,
    period_min_us=50_000,
    period_max_us=50_000,
    slew_ua_s=1000,
    cathodes=1,
    anodes=2,
    interphase_us=0,
    recharge_ratio=PASSIVE,
    soft_start_ms=2000,
    soft_stop_ms=2000,
    cycle_on_ms=7000,
    cycle_off_ms=12_000,
    fallback_ua=0,
)
# profile, program, charge of the cathodic phase in nC, and the phases by hand
TABLE = {
    "monopolar 1:1": (
        "dbs",
        PROGRAM,
        180,
        [
            Phase(1, 0, 60, -3_000_000),
            Phase(1, 90, 60, 3_000_000),
            Phase(15, 0, 60, 3_000_000),
            Phase(15, 90, 60, -3_000_000),
        ],
    ),
    "monopolar 1:8": (
        "dbs",
        replace(PROGRAM, recharge_ratio=8, interphase_us=100),
        180,
        [
            Phase(1, 0, 60, -3_000_000),
            Phase(1, 160, 480, 375_000),
            Phase(15, 0, 60, 3_000_000),
            Phase(15, 160, 480, -375_000),
        ],
    ),
    "two segments 60:40 1:5": (
        "dbs-v",
        replace(SHARED, recharge_ratio=5),
        180,
        [
            Phase(1, 0, 60, -1_800_000),
            Phase(1, 90, 300, 360_000),
            Phase(2, 0, 60, -1_200_000),
            Phase(2, 90, 300, 240_000),
            Phase(15, 0, 60, 3_000_000),
            Phase(15, 90, 300, -600_000),
        ],
    ),
    "guarded 75:25 1:2": (
        "dbs-v",
        replace(BIPOLAR, recharge_ratio=2, interphase_us=0),
        180,
        [
            Phase(1, 0, 60, -3_000_000),
            Phase(1, 60, 120, 1_500_000),
            Phase(2, 0, 60, 2_250_000),
            Phase(2, 60, 120, -1_125_000),
            Phase(3, 0, 60, 750_000),
            Phase(3, 60, 120, -375_000),
        ],
    ),
    "ganglion 1:1": (
        "drg",
        replace(
            PROGRAM,
            amplitude_max_ua=1175,
            width_us=300,
            period_min_us=50_000,
            period_max_us=50_000,
            slew_ua_s=10_000,
            fallback_ua=0,
        ),
        352.5,
        [
            Phase(1, 0, 300, -1_175_000),
            Phase(1, 330, 300, 1_175_000),
            Phase(15, 0, 300, 1_175_000),
            Phase(15, 330, 300, -1_175_000),
        ],
    ),
    "vagus, passive": (
        "vns",
        VAGAL,
        375,
        [Phase(0, 0, 250, -1_500_000), Phase(1, 0, 250, 1_500_000)],
    ),
}


@pytest.mark.parametrize("row", TABLE)
def test_charge_balance_and_timing_of_a_program_are_those_of_theory(row: str) -> None:
    name, program, charge_nc, by_hand = TABLE[row]
    profile = Profile.named(name)
    assert check_program(profile, program, profile.impedance_ohm) is None
    assert phases(program, program.amplitude_max_ua) == by_hand
    cathodic_fc = -sum(
        p.current_na * p.duration_us for p in by_hand if p.start_us == 0 and p.current_na < 0
    )
    assert cathodic_fc == charge_nc * 10**6
    if program.recharge_ratio != PASSIVE:
        assert set(net_fc(by_hand).values()) == {0}
        end_us = max(phase.start_us + phase.duration_us for phase in by_hand)
        assert end_us <= program.period_min_us

    pulses = steady(profile, program)
    log = pulses.recent()
    full = [t_us for t_us, ua in log if ua == program.amplitude_max_ua]
    assert len(full) >= 50
    within = [later - earlier for earlier, later in pairwise(full)]
    assert set(within) == {program.period_min_us}
    assert pulses.net_fc == 0
    assert pulses.delivered_pc == sum(ua * program.width_us for _, ua in log)
    passive = program.recharge_ratio == PASSIVE
    assert pulses.discharged_pc == (pulses.delivered_pc if passive else 0)


def test_pauses_keep_their_times_to_the_pulse() -> None:
    pulses = output_stage(Profile.named("vns"), VAGAL)
    pulses.start(0, train=True)
    pulses.setpoint(0, 1500, 50_000, 0)
    pulses.advance(0, SAMPLE_US, 38 * 250)
    log = pulses.recent()
    # Up over 2 s in steps of 125 µA, 7 s at 1.5 mA, down over 2 s, and nothing until 19 s.
    for begun_us in (0, 19_000_000):
        cycle = {t - begun_us: ua for t, ua in log if 0 <= t - begun_us < 19_000_000}
        assert min(cycle) == 200_000
        assert {ua for t, ua in cycle.items() if 2_000_000 <= t <= 9_000_000} == {1500}
        assert max(cycle) == 10_800_000
        assert max(abs(a - b) for a, b in pairwise(cycle.values())) == 125
    assert not pulses.resting


def test_a_soft_start_takes_its_time_and_the_slew_is_kept_after_it() -> None:
    program = replace(PROGRAM, soft_start_ms=2000)
    pulses = steady(Profile.named("dbs"), program)
    log = dict(pulses.recent())
    assert max(ua for t_us, ua in log.items() if t_us < 1_000_000) == 1400
    assert min(ua for t_us, ua in log.items() if t_us >= 2_000_000) == 3000
    pulses.setpoint(10_000_000, 2000, 5000, 0)
    pulses.advance(10_000_000, SAMPLE_US, 50)
    pulses.setpoint(10_200_000, 3000, 5000, 0)
    pulses.advance(10_200_000, SAMPLE_US, 26)
    assert pulses.amplitude_ua == 3000


def test_down_has_a_rate_of_its_own() -> None:
    pulses = steady(Profile.named("dbs"), replace(PROGRAM, slew_down_ua_s=2000))
    pulses.setpoint(10_000_000, 0, 5000, 0)
    pulses.advance(10_000_000, SAMPLE_US, 250)
    assert pulses.amplitude_ua == 1000


@pytest.mark.parametrize("name", names())
@settings(max_examples=60)
@given(data=st.data())
def test_the_fast_path_delivers_what_the_plain_one_says(name: str, data: st.DataObject) -> None:
    profile = Profile.named(name)
    programs = [replace(p, mode=Mode.TRAIN) for p in data.draw(groups(profile))]
    pulses = output_stage(profile, *programs)
    pulses.start(0, train=True)
    allowed_us = [programs[0].period_min_us, programs[0].period_max_us]
    changes: list[Change] = []
    now_us = 0
    for _ in range(data.draw(st.integers(1, 6))):
        number = data.draw(st.integers(0, len(programs) - 1))
        ua = data.draw(values_of(profile.amplitude_ua, programs[number].amplitude_max_ua))
        period_us = data.draw(st.sampled_from(allowed_us))
        ahead_us = data.draw(st.just(0) | st.integers(1, 900_000))
        pulses.setpoint(now_us, ua, period_us, now_us + ahead_us if ahead_us else 0, number)
        changes = [c for c in changes if c.t_us <= now_us or c.program != number]
        changes.append(Change(now_us + ahead_us, ua, period_us, number))
        changes.sort(key=lambda change: change.t_us)
        samples = data.draw(st.integers(1, 600))
        pulses.advance(now_us, SAMPLE_US, samples)
        now_us += samples * SAMPLE_US
    expected = train(programs, profile.amplitude_ua, changes, now_us)
    kept = expected[-4096:]
    assert pulses.recent() == [(t_us, ua) for t_us, _, ua in kept]
    for number, program in enumerate(programs):
        assert pulses.recent(number) == [(t, ua) for t, k, ua in kept if k == number]
        left_fc = [net_fc(phases(program, ua)) for _, k, ua in expected[-200:] if k == number]
        if program.recharge_ratio != PASSIVE:
            assert not any(any(net.values()) for net in left_fc), "net charge on a contact"
    for (t_us, k, _), (later_us, *_) in pairwise(expected):
        assert t_us + pulse_us(programs[k]) <= later_us, "two pulses overlap"
    charge_pc = sum(ua * programs[k].width_us for _, k, ua in expected)
    assert pulses.delivered_pc == pulses.programmed_pc == charge_pc
    assert pulses.net_fc == 0
    assert not pulses.breached


@pytest.mark.parametrize("name", names())
@settings(max_examples=40)
@given(data=st.data(), compliance_mv=st.integers(501, 5000))
def test_a_pulse_that_the_supply_reduces_is_one_that_the_hardware_has_and_balances(
    name: str, data: st.DataObject, compliance_mv: int
) -> None:
    profile = Profile.named(name)
    program = replace(data.draw(programs(profile)), mode=Mode.TRAIN)
    pulses = output_stage(profile, program, compliance_mv=compliance_mv)
    pulses.start(0, train=True)
    pulses.setpoint(0, program.amplitude_max_ua, program.period_min_us, 0)
    pulses.advance(0, SAMPLE_US, 1000)
    runs = profile.amplitude_ua
    had = {ua for run in runs for ua in range(run.low, run.high + 1, run.step)}
    assert {ua for _, ua in pulses.recent()} <= had
    assert pulses.net_fc == 0
    assert pulses.delivered_pc <= pulses.programmed_pc


def test_a_vagal_pulse_above_two_milliamperes_is_reduced_by_the_coarse_step() -> None:
    profile = Profile.named("vns")
    program = replace(VAGAL, amplitude_max_ua=3500)
    delivered = set()
    for compliance_mv in range(2500, 9000, 50):
        pulses = output_stage(profile, program, compliance_mv=compliance_mv)
        pulses.start(0, train=False)
        pulses.setpoint(0, 3500, 50_000, 0)
        pulses.advance(0, SAMPLE_US, 1250)
        pulses.trigger(5_000_000, 1, 0)
        pulses.advance(5_000_000, SAMPLE_US, 1)
        delivered.add(pulses.delivered_ua)
    assert delivered >= {1750, 2000, 2250}
    assert not any(ua % 250 for ua in delivered)


def test_more_runs_than_the_hardware_has_are_refused() -> None:
    profile = Profile.named("dbs")
    path = Tissue(TissueModel.named("default"), profile.output).path()
    with pytest.raises(ValueError, match="1 to 4 are possible"):
        PulseTrain(profile.amplitude_ua * 5, path)
    with pytest.raises(ValueError, match="join those of equal step"):
        PulseTrain((), path)
