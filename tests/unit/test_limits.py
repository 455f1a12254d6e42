from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.peer import DBS, PROGRAM
from tests.strategies import programs

from stimloop_hw.program import CASE, Parameter, Program
from stimloop_hw.vocabulary import Refusal
from stimloop_sim.limits import Breach, check_program, check_setpoint, slew_step_ua
from stimloop_sim.profile import Profile, names

SHANNON_K = 1.75  # doi 10.1109/10.126616
DENSITY_UC_CM2 = 30.0


def density_uc_cm2(program: Program) -> float:
    charge_uc = program.amplitude_max_ua * 1e-6 * program.width_us * 1e-6 * 1e6
    return charge_uc / (DBS.contact_area_um2 * 1e-8)


def reason(program: Program) -> Refusal | None:
    breach = check_program(DBS, program)
    return None if breach is None else breach.reason


def with_parameter(parameter: Parameter, value: int) -> Program:
    """The loosest program that leaves the parameter's own limits as the ones that bind."""
    loose = replace(PROGRAM, amplitude_max_ua=1000, fallback_ua=0, period_max_us=500_000)
    if parameter is Parameter.AMPLITUDE_MAX_UA:
        loose = replace(loose, width_us=20)
    if parameter is Parameter.PERIOD_MAX_US:
        loose = replace(loose, period_min_us=4000)
    return replace(loose, **{parameter.name.lower(): value})


# parameter: lowest, highest, step
EDGES = {
    Parameter.MODE: (0, 1, 1),
    Parameter.AMPLITUDE_MIN_UA: (0, 1000, 100),
    Parameter.AMPLITUDE_MAX_UA: (0, 25_500, 100),
    Parameter.WIDTH_US: (20, 450, 10),
    Parameter.PERIOD_MIN_US: (4000, 500_000, 10),
    Parameter.PERIOD_MAX_US: (4000, 500_000, 10),
    Parameter.SLEW_UA_S: (1, 25_000, 1),
    Parameter.FALLBACK_UA: (0, 1000, 100),
    Parameter.CATHODES: (1, 0b1111, 1),
}


@pytest.mark.parametrize("parameter", EDGES, ids=lambda p: p.name)
def test_every_parameter_is_allowed_up_to_its_edges_and_not_beyond(
    parameter: Parameter,
) -> None:
    low, high, step = EDGES[parameter]
    for value in (low, low + step, high - step, high):
        assert check_program(DBS, with_parameter(parameter, value)) is None, value
    for value in (low - 1, low - step, high + 1, high + step, 2**31 - 1, -(2**31)):
        assert check_program(DBS, with_parameter(parameter, value)) == Breach(
            Refusal.OUT_OF_RANGE, parameter
        ), value


@pytest.mark.parametrize(
    "parameter", [p for p, (_, _, step) in EDGES.items() if step > 1], ids=lambda p: p.name
)
def test_a_value_between_two_steps_is_refused(parameter: Parameter) -> None:
    low, high, step = EDGES[parameter]
    for value in (low + 1, low + step - 1, high - 1):
        assert check_program(DBS, with_parameter(parameter, value)) == Breach(
            Refusal.NOT_REPRESENTABLE, parameter
        ), value


@pytest.mark.parametrize("field", ["amplitude_min_ua", "fallback_ua"])
def test_nothing_in_a_program_is_above_its_own_maximum(field: str) -> None:
    program = replace(PROGRAM, **{field: PROGRAM.amplitude_max_ua + DBS.amplitude_step_ua})
    assert reason(program) is Refusal.OUT_OF_RANGE


def test_the_longest_period_is_not_below_the_shortest() -> None:
    program = replace(PROGRAM, period_min_us=10_000, period_max_us=9990)
    assert check_program(DBS, program) == Breach(Refusal.OUT_OF_RANGE, Parameter.PERIOD_MAX_US)


@pytest.mark.parametrize(
    ("cathodes", "anodes"),
    [(0, CASE), (1, 0), (1, 1), (1, 0b10000), (0b10000, CASE), (-1, CASE), (CASE, -1), (3, 6)],
)
def test_contacts_that_the_lead_has_not_or_that_are_both_poles_are_refused(
    cathodes: int, anodes: int
) -> None:
    program = replace(PROGRAM, cathodes=cathodes, anodes=anodes)
    assert reason(program) is Refusal.OUT_OF_RANGE


def test_the_devices_largest_pulse_is_refused_for_its_charge() -> None:
    program = replace(PROGRAM, amplitude_max_ua=25_500, width_us=450)
    assert check_program(DBS, program) == Breach(Refusal.CHARGE_PER_PHASE, 11_475)


@pytest.mark.parametrize("width_us", range(20, 451, 10))
def test_at_every_width_the_amplitude_ends_where_the_charge_does(width_us: int) -> None:
    charge_limited_ua = DBS.charge_max_nc * 1000 // width_us // 100 * 100
    top_ua = min(25_500, charge_limited_ua)
    program = replace(PROGRAM, amplitude_max_ua=top_ua, width_us=width_us)
    assert check_program(DBS, program) is None
    over = replace(program, amplitude_max_ua=top_ua + 100)
    assert reason(over) is (
        Refusal.OUT_OF_RANGE if top_ua == 25_500 else Refusal.CHARGE_PER_PHASE
    )


@given(
    st.integers(0, 255).map(lambda k: k * 100),
    st.integers(2, 45).map(lambda k: k * 10),
)
def test_no_program_passes_30_microcoulombs_per_cm2_or_shannons_limit(
    amplitude_ua: int, width_us: int
) -> None:
    program = replace(PROGRAM, amplitude_max_ua=amplitude_ua, width_us=width_us, fallback_ua=0)
    density = density_uc_cm2(program)
    charge_uc = amplitude_ua * width_us * 1e-6
    passed = check_program(DBS, program) is None
    if passed and charge_uc:
        assert density <= DENSITY_UC_CM2
        assert math.log10(density) + math.log10(charge_uc) <= SHANNON_K
    if not passed:
        assert density > DENSITY_UC_CM2 * 0.999


def test_the_profiles_charge_is_the_smaller_of_density_and_shannon_rounded_down() -> None:
    area_cm2 = math.pi * 0.127 * 0.15
    assert DBS.contact_area_um2 == round(area_cm2 * 1e8)
    by_density_nc = DENSITY_UC_CM2 * area_cm2 * 1000
    by_shannon_nc = math.sqrt(area_cm2 * 10**SHANNON_K) * 1000
    assert DBS.charge_max_nc == math.floor(min(by_density_nc, by_shannon_nc))
    assert DBS.density_max_nc_cm2 == DENSITY_UC_CM2 * 1000


def test_density_is_a_limit_of_its_own() -> None:
    profile = replace(DBS, charge_max_nc=100_000)
    over = replace(PROGRAM, amplitude_max_ua=6000, width_us=300)
    assert check_program(profile, over) == Breach(Refusal.CHARGE_DENSITY, 30_076)
    assert check_program(profile, replace(over, amplitude_max_ua=5900)) is None


def test_a_pulse_and_its_recharge_have_to_fit_the_shortest_period() -> None:
    profile = replace(DBS, recharge_ratio=10, period_min_us=1000)
    program = replace(PROGRAM, width_us=100, period_min_us=1130)
    assert check_program(profile, program) is None
    program = replace(program, period_min_us=1120)
    assert check_program(profile, program) == Breach(Refusal.TIMING, 1130)


def test_a_recharge_that_cannot_balance_is_refused() -> None:
    profile = replace(DBS, recharge_ratio=3)
    assert check_program(profile, PROGRAM) == Breach(
        Refusal.NOT_REPRESENTABLE, Parameter.AMPLITUDE_MAX_UA
    )


@given(programs(DBS))
def test_programs_made_within_the_limits_pass(program: Program) -> None:
    assert check_program(DBS, program) is None


def check(
    amplitude_ua: int,
    period_us: int = 10_000,
    present_ua: int = 1000,
    program: Program = PROGRAM,
) -> Breach | None:
    return check_setpoint(DBS, program, present_ua, amplitude_ua, period_us)


def test_a_setpoint_ends_where_the_committed_program_does() -> None:
    program = replace(PROGRAM, amplitude_min_ua=500)
    for inside in (500, 600, 2900, 3000):
        assert check(inside, present_ua=inside, program=program) is None
    for outside, nearest in (
        (3100, 3000),
        (400, 500),
        (100, 500),
        (-100, 500),
        (2**31 - 1, 3000),
    ):
        assert check(outside, present_ua=1000, program=program) == Breach(
            Refusal.OUTSIDE_ENVELOPE, nearest
        )


def test_zero_is_always_inside_the_program() -> None:
    assert check(0, present_ua=500, program=replace(PROGRAM, amplitude_min_ua=500)) is None


def test_the_period_ends_where_the_committed_program_does() -> None:
    for inside in (5000, 5010, 19_990, 20_000):
        assert check(1000, inside) is None
    for outside, nearest in ((4990, 5000), (0, 5000), (20_010, 20_000), (2**32 - 1, 20_000)):
        assert check(1000, outside) == Breach(Refusal.OUTSIDE_ENVELOPE, nearest)


def test_a_setpoint_between_two_steps_is_refused() -> None:
    assert check(1050) == Breach(Refusal.NOT_REPRESENTABLE, Parameter.AMPLITUDE_MAX_UA)
    assert check(1000, 10_001) == Breach(Refusal.NOT_REPRESENTABLE, Parameter.PERIOD_MIN_US)


def test_a_setpoint_rises_no_further_than_a_tenth_of_a_seconds_slew() -> None:
    assert slew_step_ua(DBS, PROGRAM) == 1000
    assert check(2000) is None
    assert check(2100) == Breach(Refusal.SLEW, 1000)


def test_a_setpoint_may_fall_as_far_as_it_likes_since_the_device_ramps() -> None:
    assert check(0, present_ua=PROGRAM.amplitude_max_ua) is None


def test_a_fallback_is_off_or_an_amplitude_of_the_program() -> None:
    program = replace(PROGRAM, amplitude_min_ua=1000, fallback_ua=900)
    assert check_program(DBS, program) == Breach(Refusal.OUT_OF_RANGE, Parameter.FALLBACK_UA)
    assert check_program(DBS, replace(program, fallback_ua=1000)) is None
    assert check_program(DBS, replace(program, fallback_ua=0)) is None


def test_the_programs_minimum_can_always_be_reached_from_zero() -> None:
    slow = replace(PROGRAM, slew_ua_s=1)
    assert slew_step_ua(DBS, slow) == DBS.amplitude_step_ua
    assert slew_step_ua(DBS, replace(slow, amplitude_min_ua=1500)) == 1500


@pytest.mark.parametrize("name", names())
def test_every_profile_loads_and_its_limits_are_sane(name: str) -> None:
    profile = Profile.named(name)
    assert len(profile.model.encode()) <= 16
    by_density_nc = profile.density_max_nc_cm2 * profile.contact_area_um2 / 1e8
    assert 0 < profile.charge_max_nc <= by_density_nc


def test_an_unknown_profile_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match=r"'dbz' is unknown; did you mean 'dbs'\?"):
        Profile.named("dbz")
