from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.peer import DBS, PROGRAM, power_on
from tests.strategies import programs

from stimloop_hw.program import CASE, PASSIVE, Mode, Parameter, Program
from stimloop_hw.ranges import Bounding, Run
from stimloop_hw.vocabulary import Refusal
from stimloop_sim import limits
from stimloop_sim.datasheet import describe_limits
from stimloop_sim.limits import Breach, check_setpoint, check_table, slew_step_ua
from stimloop_sim.profile import Profile, names

SHANNON_K = 1.75  # doi 10.1109/10.126616
DENSITY_UC_CM2 = 30.0


RING = DBS.contacts[0]


def check_program(profile: Profile, program: Program) -> Breach | None:
    return limits.check_program(profile, program, profile.impedance_ohm)


def density_uc_cm2(program: Program) -> float:
    charge_uc = program.amplitude_max_ua * 1e-6 * program.width_us * 1e-6 * 1e6
    return charge_uc / (RING.area_um2 * 1e-8)


def reason(program: Program) -> Refusal | None:
    breach = check_program(DBS, program)
    return None if breach is None else breach.reason


def changed_in(program: Program, name: str, value: int) -> Program:
    changes: dict[str, Any] = {name: value}
    return replace(program, **changes)


def with_parameter(parameter: Parameter, value: int) -> Program:
    """The loosest program that leaves the parameter's own limits as the ones that bind."""
    loose = replace(PROGRAM, amplitude_max_ua=1000, fallback_ua=0, period_max_us=500_000)
    if parameter is Parameter.AMPLITUDE_MAX_UA:
        loose = replace(loose, width_us=20)
    if parameter is Parameter.PERIOD_MAX_US:
        loose = replace(loose, period_min_us=4000)
    return changed_in(loose, parameter.name.lower(), value)


# parameter: lowest, highest, step
EDGES = {
    Parameter.MODE: (0, 1, 1),
    Parameter.AMPLITUDE_MIN_UA: (0, 1000, 100),
    Parameter.AMPLITUDE_MAX_UA: (0, 25_500, 100),
    Parameter.SLEW_DOWN_UA_S: (0, 25_000, 1),
    Parameter.INTERPHASE_US: (0, 100, 1),
    Parameter.RECHARGE_RATIO: (0, 8, 1),
    Parameter.SOFT_START_MS: (0, 10_000, 1),
    Parameter.SOFT_STOP_MS: (1, 10_000, 1),
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
    strong = replace(DBS, compliance_mv=30_000)
    for value in (low, low + step, high - step, high):
        if (parameter, value) != (Parameter.RECHARGE_RATIO, 7):  # which divides no step
            assert check_program(strong, with_parameter(parameter, value)) is None, value
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
    program = changed_in(PROGRAM, field, PROGRAM.amplitude_max_ua + 100)
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
    charge_limited_ua = RING.charge_max_nc * 1000 // width_us // 100 * 100
    top_ua = min(25_500, charge_limited_ua)
    strong = replace(DBS, compliance_mv=30_000)
    program = replace(PROGRAM, amplitude_max_ua=top_ua, width_us=width_us)
    assert check_program(strong, program) is None
    over = check_program(strong, replace(program, amplitude_max_ua=top_ua + 100))
    assert over is not None
    assert over.reason is (
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
    passed = check_program(replace(DBS, compliance_mv=30_000), program) is None
    if passed and charge_uc:
        assert density <= DENSITY_UC_CM2
        assert math.log10(density) + math.log10(charge_uc) <= SHANNON_K
    if not passed:
        assert density > DENSITY_UC_CM2 * 0.999


@pytest.mark.parametrize("name", names())
def test_every_contacts_charge_is_the_smaller_of_density_and_shannon_rounded_down(
    name: str,
) -> None:
    profile = Profile.named(name)
    assert profile.density_max_nc_cm2 == DENSITY_UC_CM2 * 1000
    for electrode in profile.lead:
        area_cm2 = electrode.area_um2 * 1e-8
        by_density_nc = DENSITY_UC_CM2 * area_cm2 * 1000
        by_shannon_nc = math.sqrt(area_cm2 * 10**SHANNON_K) * 1000
        assert electrode.shannon_nc == math.floor(by_shannon_nc)
        contact = profile.contact(electrode)
        assert contact.charge_max_nc == math.floor(min(by_density_nc, by_shannon_nc))
        shannon = by_shannon_nc < by_density_nc
        assert contact.bounding is (Bounding.SHANNON if shannon else Bounding.DENSITY)


def test_the_areas_are_those_of_the_contacts_dimensions() -> None:
    for name, diameter_mm, length_mm in (
        ("dbs", 1.27, 1.5),
        ("dbs-v", 1.3, 1.5),
        ("scs", 1.3, 3.0),
        ("drg", 1.0, 1.25),
    ):
        area_um2 = math.pi * diameter_mm * length_mm * 1e6
        assert Profile.named(name).contacts[0].area_um2 == round(area_um2)


def test_where_the_range_ends_before_the_charge_does_the_range_binds() -> None:
    weak = replace(DBS.lead[0], amplitude_max_ua=3900)
    contact = replace(DBS, lead=(weak,)).contacts[0]
    assert (contact.bounding, contact.charge_max_nc) == (Bounding.RANGE, 1795)


def test_density_is_a_limit_of_its_own() -> None:
    # A table that the self test would not pass; the check holds all the same.
    wide = replace(DBS, density_max_nc_cm2=40_000)
    over = replace(PROGRAM, amplitude_max_ua=6000, width_us=300)
    assert check_program(wide, over) is None
    broken = _Misread(wide)
    assert limits.check_program(broken, over, 1000) == Breach(  # type: ignore[arg-type]
        Refusal.CHARGE_DENSITY, 30_076
    )


class _Misread:
    """A profile whose density has changed since its contacts were worked out."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self.density_max_nc_cm2 = 30_000

    def __getattr__(self, name: str) -> object:
        return getattr(self._profile, name)


@pytest.mark.parametrize(
    ("changed", "sane"),
    [
        ({}, True),
        ({"density_max_nc_cm2": 30_001}, False),
        ({"density_max_nc_cm2": 0}, False),
        ({"lease_max_ms": 0}, False),
        ({"shannon_nc": 1835}, False),
        ({"shannon_nc": 0}, False),
        ({"area_um2": 5_900_000}, False),
    ],
)
def test_the_self_test_knows_shannons_limit_to_the_nanocoulomb(
    changed: dict[str, Any], sane: bool
) -> None:
    of_lead = {k: v for k, v in changed.items() if k in ("shannon_nc", "area_um2")}
    others = {k: v for k, v in changed.items() if k not in of_lead}
    lead = (replace(DBS.lead[0], **of_lead),)
    assert check_table(replace(DBS, lead=lead, **others)) is sane


def test_a_pulse_and_its_recharge_have_to_fit_the_shortest_period() -> None:
    program = replace(PROGRAM, width_us=450, recharge_ratio=8, period_min_us=5000)
    assert check_program(DBS, program) is None
    program = replace(program, interphase_us=100, period_min_us=4140)
    assert check_program(DBS, program) == Breach(Refusal.TIMING, 4150)
    assert check_program(DBS, replace(program, period_min_us=4150)) is None


def test_a_passive_recharge_gets_the_time_of_the_weakest_active_one() -> None:
    program = replace(PROGRAM, width_us=450, recharge_ratio=PASSIVE, period_min_us=4000)
    assert check_program(DBS, program) == Breach(Refusal.TIMING, 4080)
    assert check_program(DBS, replace(program, period_min_us=4080)) is None


def test_a_recharge_that_cannot_balance_is_refused() -> None:
    assert check_program(DBS, replace(PROGRAM, recharge_ratio=3)) == Breach(
        Refusal.NOT_REPRESENTABLE, Parameter.RECHARGE_RATIO
    )
    drg = Profile.named("drg")
    slow = replace(PROGRAM, period_min_us=10_000, slew_ua_s=1000)
    for ratio in range(9):
        breach = check_program(drg, replace(slow, recharge_ratio=ratio))
        divides = ratio == PASSIVE or 25_000 % ratio == 0
        assert (breach is None) == divides, ratio


def test_where_contacts_share_the_current_each_share_has_to_balance() -> None:
    fine = replace(DBS_V, amplitude_ua=(Run(0, 20_000, 25),))
    whole = replace(DIRECTED, recharge_ratio=8)
    assert check_program(fine, whole) is None  # 15 and 10 µA of each step of 25
    uneven = whole.with_shares({1: 33, 2: 67, 15: 100})
    assert check_program(fine, uneven) == Breach(
        Refusal.NOT_REPRESENTABLE, Parameter.RECHARGE_RATIO
    )


DBS_V = Profile.named("dbs-v")
DIRECTED = replace(PROGRAM, cathodes=0b110).with_shares({1: 60, 2: 40, 15: 100})
TIED = DIRECTED.with_shares({})


@pytest.mark.parametrize(
    ("shares", "parameter"),
    [
        ({1: 60, 2: 41, 15: 100}, Parameter.CATHODES),
        ({1: 60, 2: 40, 15: 99}, Parameter.ANODES),
        ({1: 60, 2: 40}, Parameter.ANODES),
        ({1: 100, 15: 100}, Parameter.ANODES),
        ({1: 60, 2: 40, 3: 1, 15: 100}, Parameter.ANODES),
        ({1: 200, 2: 156, 15: 100}, Parameter.CATHODES),
    ],
)
def test_shares_are_the_whole_of_both_poles_and_of_no_other_contact(
    shares: dict[int, int], parameter: Parameter
) -> None:
    breach = check_program(DBS_V, TIED.with_shares(shares))
    assert breach == Breach(Refusal.SHARES, parameter)


def test_a_device_with_one_source_takes_no_shares_but_the_whole() -> None:
    assert check_program(DBS, DIRECTED) == Breach(Refusal.NOT_REPRESENTABLE, Parameter.CATHODES)
    whole = replace(PROGRAM, cathodes=2).with_shares({1: 100, 15: 100})
    assert check_program(DBS, whole) is None


@pytest.mark.parametrize(
    ("program", "top_ua"),
    [
        (replace(TIED, width_us=100), 5400),  # 540 nC on each of the segments
        (replace(DIRECTED, width_us=100), 9000),  # 60 % of it on one
        (replace(DIRECTED, width_us=100).with_shares({1: 50, 2: 50, 15: 100}), 10_800),
        (replace(TIED, width_us=100, cathodes=1), 7500),  # a ring: compliance
    ],
)
def test_the_charge_of_each_contact_is_that_of_its_share(program: Program, top_ua: int) -> None:
    at_top = replace(program, amplitude_max_ua=top_ua)
    assert check_program(DBS_V, at_top) is None
    assert check_program(DBS_V, replace(at_top, amplitude_max_ua=top_ua + 100)) is not None


def test_no_contact_carries_more_than_it_may_however_short_the_pulse() -> None:
    strong = replace(DBS_V, compliance_mv=60_000)
    brief = replace(TIED, width_us=10, cathodes=1, amplitude_max_ua=12_700)
    assert check_program(strong, brief) is None
    over = replace(brief, amplitude_max_ua=12_800)
    assert check_program(strong, over) == Breach(Refusal.CONTACT_CURRENT, 12_800)
    both = replace(over, cathodes=0b1000_0001, amplitude_max_ua=20_000)
    shared = both.with_shares({0: 50, 7: 50, 15: 100})
    assert check_program(strong, shared) is None
    assert check_program(strong, both.with_shares({0: 64, 7: 36, 15: 100})) == Breach(
        Refusal.CONTACT_CURRENT, 12_800
    )


def test_the_voltage_a_pulse_takes_at_the_impedance_known_is_what_the_device_has() -> None:
    program = replace(PROGRAM, amplitude_max_ua=10_000)
    # 10 V across the tissue, 0.18 V on the double layer
    for impedance_ohm, passes in ((1000, True), (1181, True), (1182, False)):
        breach = limits.check_program(DBS, program, impedance_ohm)
        assert (breach is None) is passes
    bipolar = replace(program, anodes=0b0100)
    assert check_program(DBS, bipolar) == Breach(Refusal.COMPLIANCE, 20_364)


PAUSED = replace(
    PROGRAM, soft_start_ms=300, soft_stop_ms=300, cycle_on_ms=1000, cycle_off_ms=3000
)


@pytest.mark.parametrize(
    ("changed", "breach"),
    [
        ({}, None),
        ({"cycle_off_ms": 600}, None),
        ({"cycle_off_ms": 599}, Breach(Refusal.OUT_OF_RANGE, Parameter.CYCLE_OFF_MS)),
        ({"cycle_on_ms": 0}, Breach(Refusal.OUT_OF_RANGE, Parameter.CYCLE_ON_MS)),
        ({"mode": Mode.TRIGGERED}, Breach(Refusal.OUT_OF_RANGE, Parameter.CYCLE_ON_MS)),
        ({"cycle_on_ms": 5_400_001}, Breach(Refusal.OUT_OF_RANGE, Parameter.CYCLE_ON_MS)),
        ({"soft_start_ms": 299}, Breach(Refusal.RAMP, 300)),
        ({"soft_stop_ms": 299}, Breach(Refusal.RAMP, 300)),
        ({"soft_stop_ms": 299, "slew_down_ua_s": 20_000}, None),
        ({"soft_stop_ms": 149, "slew_down_ua_s": 20_000}, Breach(Refusal.RAMP, 150)),
    ],
)
def test_pauses_belong_to_trains_and_come_and_go_no_faster_than_the_slew(
    changed: dict[str, Any], breach: Breach | None
) -> None:
    assert check_program(DBS, replace(PAUSED, **changed)) == breach


VNS = Profile.named("vns")
VAGAL = Program(
    mode=Mode.TRAIN,
    amplitude_min_ua=0,
    amplitude_max_ua=1500,
    width_us=250,
    period_min_us=50_000,
    period_max_us=50_000,
    slew_ua_s=1000,
    fallback_ua=0,
    cathodes=1,
    anodes=2,
    recharge_ratio=PASSIVE,
    soft_start_ms=2000,
    soft_stop_ms=2000,
    cycle_on_ms=30_000,
    cycle_off_ms=300_000,
)


def test_the_cycle_of_a_vagus_nerve_stimulator_is_no_denser_than_its_duty() -> None:
    assert check_program(VNS, VAGAL) is None
    dense = replace(VAGAL, cycle_on_ms=7000, cycle_off_ms=12_000)
    assert check_program(VNS, dense) is None
    denser = replace(dense, cycle_off_ms=11_980)
    assert check_program(VNS, denser) == Breach(Refusal.DUTY, 580)
    without = replace(VAGAL, cycle_on_ms=0, cycle_off_ms=0)
    assert check_program(VNS, without) is None  # then the output rests by itself


def test_times_on_are_those_that_the_device_has() -> None:
    for on_ms in (7_000, 14_000, 21_000, 30_000, 60_000):
        assert check_program(VNS, replace(VAGAL, cycle_on_ms=on_ms)) is None
    for on_ms, reason in (
        (8_000, Refusal.NOT_REPRESENTABLE),
        (61_000, Refusal.OUT_OF_RANGE),
        (90_000, Refusal.OUT_OF_RANGE),
    ):
        program = replace(VAGAL, cycle_on_ms=on_ms)
        assert check_program(VNS, program) == Breach(reason, Parameter.CYCLE_ON_MS)


MAGNETIC = replace(
    VAGAL,
    magnet_swipe_ms=3_000,
    magnet_amplitude_ua=1750,
    magnet_width_us=500,
    magnet_on_ms=60_000,
)


@pytest.mark.parametrize(
    ("changed", "breach"),
    [
        ({}, None),
        ({"magnet_amplitude_ua": 0, "magnet_width_us": 0, "magnet_on_ms": 0}, None),
        ({"magnet_swipe_ms": 10_001}, (Refusal.OUT_OF_RANGE, Parameter.MAGNET_SWIPE_MS)),
        ({"magnet_swipe_ms": 0}, (Refusal.OUT_OF_RANGE, Parameter.MAGNET_AMPLITUDE_UA)),
        ({"magnet_swipe_ms": -1}, (Refusal.OUT_OF_RANGE, Parameter.MAGNET_SWIPE_MS)),
        (
            {"magnet_amplitude_ua": 1760},
            (Refusal.NOT_REPRESENTABLE, Parameter.MAGNET_AMPLITUDE_UA),
        ),
        ({"magnet_amplitude_ua": 3_750}, (Refusal.OUT_OF_RANGE, Parameter.MAGNET_AMPLITUDE_UA)),
        ({"magnet_amplitude_ua": 0}, (Refusal.OUT_OF_RANGE, Parameter.MAGNET_WIDTH_US)),
        (
            {"magnet_amplitude_ua": 0, "magnet_width_us": 1, "magnet_on_ms": 0},
            (Refusal.OUT_OF_RANGE, Parameter.MAGNET_WIDTH_US),
        ),
        (
            {"magnet_amplitude_ua": 0, "magnet_width_us": 0, "magnet_on_ms": 7_000},
            (Refusal.OUT_OF_RANGE, Parameter.MAGNET_ON_MS),
        ),
        ({"magnet_swipe_ms": 1}, None),
        ({"magnet_amplitude_ua": 2_250}, (Refusal.RAMP, 2250)),
        ({"magnet_width_us": 300}, (Refusal.NOT_REPRESENTABLE, Parameter.MAGNET_WIDTH_US)),
        ({"magnet_width_us": 0}, (Refusal.OUT_OF_RANGE, Parameter.MAGNET_WIDTH_US)),
        ({"magnet_on_ms": 0}, (Refusal.OUT_OF_RANGE, Parameter.MAGNET_ON_MS)),
        ({"magnet_on_ms": 8_000}, (Refusal.NOT_REPRESENTABLE, Parameter.MAGNET_ON_MS)),
        ({"magnet_on_ms": 60_001}, (Refusal.OUT_OF_RANGE, Parameter.MAGNET_ON_MS)),
        (
            {"magnet_amplitude_ua": 2_000, "magnet_width_us": 1_000},
            (Refusal.CHARGE_PER_PHASE, 2_000),
        ),
    ],
)
def test_a_magnets_train_is_judged_like_any_other(
    changed: dict[str, Any], breach: tuple[Refusal, int] | None
) -> None:
    wanted = None if breach is None else Breach(*breach)
    assert check_program(VNS, replace(MAGNETIC, **changed)) == wanted


def test_only_a_train_has_a_magnets_train_and_only_some_devices_heed_one() -> None:
    triggered = replace(MAGNETIC, mode=Mode.TRIGGERED, cycle_on_ms=0, cycle_off_ms=0)
    assert check_program(VNS, triggered) == Breach(
        Refusal.OUT_OF_RANGE, Parameter.MAGNET_AMPLITUDE_UA
    )
    assert check_program(DBS, replace(PROGRAM, magnet_swipe_ms=100)) == Breach(
        Refusal.OUT_OF_RANGE, Parameter.MAGNET_SWIPE_MS
    )


def test_a_device_whose_duty_is_less_than_the_whole_knows_when_to_rest() -> None:
    assert check_table(VNS)
    assert check_table(replace(VNS, train_max_ms=1))
    assert not check_table(replace(VNS, train_max_ms=0))


def test_a_lead_without_a_case_has_no_case() -> None:
    assert check_program(VNS, replace(VAGAL, anodes=CASE)) == Breach(
        Refusal.OUT_OF_RANGE, Parameter.ANODES
    )


@pytest.mark.parametrize(
    ("changed", "parameter"),
    [
        ({"amplitude_max_ua": 2125}, Parameter.AMPLITUDE_MAX_UA),
        ({"amplitude_max_ua": 1550}, Parameter.AMPLITUDE_MAX_UA),
        ({"amplitude_max_ua": 2500, "amplitude_min_ua": 2125}, Parameter.AMPLITUDE_MIN_UA),
        ({"width_us": 260}, Parameter.WIDTH_US),
        ({"width_us": 131}, Parameter.WIDTH_US),
        ({"period_min_us": 49_999}, Parameter.PERIOD_MIN_US),
        ({"period_max_us": 60_000}, Parameter.PERIOD_MAX_US),
    ],
)
def test_a_value_between_those_that_the_hardware_has_is_refused(
    changed: dict[str, Any], parameter: Parameter
) -> None:
    assert check_program(VNS, replace(VAGAL, **changed)) == Breach(
        Refusal.NOT_REPRESENTABLE, parameter
    )


def test_above_the_knee_the_next_setpoint_is_the_next_one_that_the_hardware_has() -> None:
    wide = replace(VAGAL, amplitude_max_ua=3500)
    assert check_program(VNS, wide) == Breach(Refusal.RAMP, 3500)
    wide = replace(wide, slew_ua_s=1)
    for present_ua, step_ua in ((0, 125), (1875, 125), (2000, 250), (3500, 250)):
        assert slew_step_ua(VNS, wide, present_ua) == step_ua


@pytest.mark.parametrize("name", names())
@given(data=st.data())
def test_no_accepted_program_exceeds_any_limit_on_any_contact(
    name: str, data: st.DataObject
) -> None:
    profile = Profile.named(name)
    program = data.draw(programs(profile))
    assert check_program(profile, program) is None
    # Judged again, in fractions and from the profile's own rows.
    shares = program.shares_percent
    amplitude = Fraction(program.amplitude_max_ua)
    for number, contact in enumerate(profile.contacts):
        if (program.cathodes | program.anodes) >> number & 1:
            current_ua = amplitude * Fraction(shares[number] or 100, 100)
            charge_nc = current_ua * program.width_us / 1000
            assert current_ua <= contact.amplitude_max_ua
            assert charge_nc * 10**8 <= 30_000 * contact.area_um2
            if charge_nc:
                density_uc = float(charge_nc) * 1e-3 / (contact.area_um2 * 1e-8)
                shannon = math.log10(density_uc) + math.log10(float(charge_nc) * 1e-3)
                assert shannon <= SHANNON_K


@pytest.mark.parametrize("name", names())
@given(data=st.data())
def test_a_program_with_one_parameter_changed_at_will_is_refused_or_within_the_limits(
    name: str, data: st.DataObject
) -> None:
    profile = Profile.named(name)
    program = data.draw(programs(profile))
    parameter = data.draw(st.sampled_from(Parameter))
    value = data.draw(st.integers(-(2**31), 2**31 - 1) | st.integers(-1, 30_000))
    program = changed_in(program, parameter.name.lower(), value)
    if check_program(profile, program) is not None:
        return
    assert 0 <= program.amplitude_min_ua <= program.amplitude_max_ua
    assert program.amplitude_max_ua <= profile.amplitude_ua[-1].high
    assert 0 < program.slew_ua_s <= profile.slew_max_ua_s
    assert program.period_max_us >= program.period_min_us >= limits.pulse_us(program)
    for number, percent in limits.loads_percent(program).items():
        charge_nc = Fraction(program.amplitude_max_ua * percent * program.width_us, 100_000)
        assert charge_nc <= profile.contacts[number].charge_max_nc


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
    assert slew_step_ua(DBS, PROGRAM, 0) == 1000
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
    assert slew_step_ua(DBS, slow, 0) == 100
    assert slew_step_ua(DBS, replace(slow, amplitude_min_ua=1500), 0) == 1500


@pytest.mark.parametrize("name", names())
def test_every_profile_loads_and_its_limits_are_sane(name: str) -> None:
    profile = Profile.named(name)
    assert len(profile.model.encode()) <= 16
    assert check_table(profile)
    for runs in (profile.amplitude_ua, profile.width_us, profile.period_us):
        assert all((run.high - run.low) % run.step == 0 for run in runs)
        assert all(a.high <= b.low for a, b in pairwise(runs))
    # Every recharge of nobody's asking balances, and a signed frame holds the whole answer.
    assert all(
        run.step * 1000 % (profile.recharge_ratio or 1) == 0 for run in profile.amplitude_ua
    )
    assert len(describe_limits(profile, power_on(profile).front_end).encode()) <= 230


def test_an_unknown_profile_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match=r"'dbz' is unknown; did you mean 'dbs'\?"):
        Profile.named("dbz")
