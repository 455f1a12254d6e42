"""Edges of both gates to the last integer: each of these tests was asked for by a mutant."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from tests.device import LIMITS
from tests.peer import DBS, PROGRAM

from stimloop.governor import SIGNAL_LOST_US, Governor
from stimloop_dsp import Quality, Setting
from stimloop_hw.groups import ProgramSet
from stimloop_hw.program import CASE, PASSIVE, Parameter, Program
from stimloop_hw.ranges import Contact, Run, pack_rows
from stimloop_hw.vocabulary import Bound, Refusal
from stimloop_sim import limits
from stimloop_sim.interleave import check_set
from stimloop_sim.limits import Breach, slew_step_ua
from stimloop_sim.profile import Profile
from stimloop_sim.states import mermaid
from stimloop_sim.therapy import SENSELESS

FINE = replace(LIMITS, amplitude_step_ua=1)
EXACT = replace(
    DBS,
    amplitude_ua=(Run(0, 25_500, 1),),
    lead=(replace(DBS.lead[0], area_um2=600_000, shannon_nc=180),),
)
"""3000 µA for 60 µs is 180 nC, and on 0.006 cm² 30 µC/cm²: both limits at once."""


class Dense(Profile):
    """A table that no self test would pass: its contacts bear more than its density allows."""

    @property
    def contacts(self) -> tuple[Contact, ...]:
        return tuple(replace(contact, charge_max_nc=1795) for contact in super().contacts)


DENSE = Dense(**{field.name: getattr(EXACT, field.name) for field in fields(EXACT)})


def check_program(profile: Profile, program: Program) -> Breach | None:
    return limits.check_program(profile, program, profile.impedance_ohm)


def admitted(governor: Governor, amplitude_ua: int, quality: Quality = Quality.OK) -> int:
    return governor.admit(Setting(amplitude_ua, PROGRAM.period_min_us), quality).amplitude_ua


def check_group(profile: Profile, *group: Program) -> Breach | None:
    programs = ProgramSet((group, (), (), ()))
    return check_set(profile, programs, profile.impedance_ohm, SENSELESS)


# The host's governor ---------------------------------------------


def test_every_order_is_an_integer_whatever_the_slew() -> None:
    governor = Governor(replace(PROGRAM, slew_ua_s=1), LIMITS, 20_000)
    assert type(admitted(governor, 3000)) is int
    assert type(admitted(governor, 3000, Quality.SATURATED)) is int


def test_no_order_comes_a_nanoampere_early() -> None:
    governor = Governor(replace(PROGRAM, slew_ua_s=33_333), LIMITS, 1000)
    assert [admitted(governor, 3000) for _ in range(4)] == [0, 0, 0, 100]


def test_no_order_falls_a_nanoampere_early() -> None:
    governor = Governor(replace(PROGRAM, slew_down_ua_s=33_333), LIMITS, 1000)
    governor.rebase(1000)
    # 33.333 µA a tick, quantised down to steps of 100 µA.
    assert [admitted(governor, 0) for _ in range(4)] == [900, 900, 900, 800]
    exact = Governor(replace(PROGRAM, slew_down_ua_s=1_000_000), FINE, 1000)
    exact.rebase(3000)
    assert [admitted(exact, 0) for _ in range(3)] == [2000, 1000, 0]


def test_an_order_on_the_way_down_is_an_integer_whatever_the_slew() -> None:
    governor = Governor(replace(PROGRAM, slew_down_ua_s=1), FINE, 20_500)
    governor.rebase(1000)
    order = governor.admit(Setting(0, PROGRAM.period_min_us), Quality.OK)
    assert type(order.amplitude_ua) is int


def test_a_rebased_governor_goes_on_from_exactly_there() -> None:
    governor = Governor(replace(PROGRAM, slew_ua_s=99_000), LIMITS, 1000)
    governor.rebase(1000)
    assert admitted(governor, 3000) == 1000
    assert admitted(governor, 3000) == 1100


def test_the_fallback_is_ordered_not_a_microsecond_before_the_signal_counts_as_lost() -> None:
    governor = Governor(PROGRAM, LIMITS, SIGNAL_LOST_US - 1)
    wanted = Setting(0, PROGRAM.period_min_us)
    for _ in range(2):
        assert governor.admit(wanted, Quality.SATURATED).bound is Bound.HELD
        assert governor.admit(wanted, Quality.OK).bound is Bound.NONE


@pytest.mark.parametrize("wanted_ua", [1, 2, 999, 3000])
def test_what_is_in_range_is_ordered_to_the_microampere(wanted_ua: int) -> None:
    governor = Governor(replace(PROGRAM, slew_ua_s=1_000_000_000), FINE, 20_000)
    assert admitted(governor, wanted_ua) == wanted_ua


def test_the_programs_minimum_itself_is_in_range_and_the_first_order_upward() -> None:
    program = replace(PROGRAM, amplitude_min_ua=1000, slew_ua_s=1)
    governor = Governor(program, FINE, 20_000)
    assert admitted(governor, 1000) == 1000
    assert admitted(Governor(program, FINE, 20_000), 3000) == 1000


def test_an_order_that_is_held_keeps_amplitude_and_period() -> None:
    governor = Governor(replace(PROGRAM, period_max_us=500_000, slew_ua_s=10**9), FINE, 20_000)
    governor.admit(Setting(1000, 40_000), Quality.OK)
    held = governor.admit(Setting(2000, 10_000), Quality.SATURATED)
    assert (held.amplitude_ua, held.period_us, held.bound) == (1000, 40_000, Bound.HELD)


def test_the_periods_limits_themselves_are_ordered_as_they_are() -> None:
    program = replace(PROGRAM, period_min_us=7_691, period_max_us=500_001)  # on no step
    for period_us in (7_691, 500_001):
        governor = Governor(program, LIMITS, 20_000)
        assert governor.admit(Setting(0, period_us), Quality.OK).period_us == period_us


def test_a_period_between_two_runs_becomes_the_next_one_that_there_is() -> None:
    runs = (Run(4_000, 8_000, 10), Run(20_000, 500_000, 1_000))
    limits = replace(LIMITS, rows=pack_rows({Parameter.PERIOD_MIN_US: runs}, []))
    program = replace(PROGRAM, period_min_us=4_000, period_max_us=500_000)
    governor = Governor(program, limits, 20_000)
    for wanted_us, ordered_us in ((8_000, 8_000), (8_001, 20_000), (20_001, 21_000)):
        assert governor.admit(Setting(0, wanted_us), Quality.OK).period_us == ordered_us


def test_steps_of_amplitude_are_counted_from_where_their_run_begins() -> None:
    runs = (Run(0, 1000, 100), Run(1000, 4000, 300))
    limits = replace(LIMITS, rows=pack_rows({Parameter.AMPLITUDE_MAX_UA: runs}, []))
    governor = Governor(replace(PROGRAM, slew_ua_s=10**9), limits, 20_000)
    assert [admitted(governor, ua) for ua in (950, 2000, 2200)] == [900, 1900, 2200]


# The device's limits ---------------------------------------------


def test_charge_and_density_on_their_limits_pass_and_a_step_more_does_not() -> None:
    assert check_program(EXACT, PROGRAM) is None
    over = replace(PROGRAM, amplitude_max_ua=3001)
    breach = check_program(EXACT, over)
    assert breach == Breach(Refusal.CHARGE_PER_PHASE, 180)
    assert type(breach.detail) is int
    breach = check_program(DENSE, over)
    assert breach == Breach(Refusal.CHARGE_DENSITY, 30_010)


def test_the_self_test_takes_the_smallest_limits_that_there_are_and_no_zeros() -> None:
    row = replace(DBS.lead[0], shannon_nc=1)
    least = replace(DBS, density_max_nc_cm2=1, lease_max_ms=1, lead=(row,))
    assert limits.check_table(least)
    assert not limits.check_table(replace(least, density_max_nc_cm2=0))
    assert not limits.check_table(replace(least, lease_max_ms=0))
    assert not limits.check_table(replace(least, lead=(replace(row, shannon_nc=0),)))


def test_the_self_test_allows_shannons_limit_itself_and_a_nanocoulomb_more_is_a_fault() -> None:
    # Q² = 0.562341 A has this solution in integers.
    row = replace(DBS.lead[0], area_um2=56_234_100_000_000, shannon_nc=5_623_410)
    assert limits.check_table(replace(DBS, lead=(row,)))
    assert not limits.check_table(replace(DBS, lead=(replace(row, shannon_nc=5_623_411),)))


def test_a_refused_density_is_told_exactly() -> None:
    program = replace(PROGRAM, amplitude_max_ua=25_000)
    breach = check_program(DENSE, program)
    assert breach == Breach(Refusal.CHARGE_DENSITY, 250_000)


PASSIVE_PAIR = tuple(
    replace(
        PROGRAM, amplitude_max_ua=1500, recharge_ratio=PASSIVE, offset_us=at_us, fallback_ua=0
    )
    for at_us in (0, 600)
)
"""90 nC each, left on one contact."""


@pytest.mark.parametrize(
    ("profile", "levels_ua", "reason"),
    [
        (EXACT, (1, 1, 1), None),
        (EXACT, (3000, 3000, 3000), None),
        (DBS, (100, 100, 1), None),
        (DBS, (150, 200, 50), Refusal.NOT_REPRESENTABLE),
    ],
)
def test_every_level_of_a_patient_and_no_other_has_to_be_one_of_the_hardwares(
    profile: Profile, levels_ua: tuple[int, int, int], reason: Refusal | None
) -> None:
    low_ua, high_ua, step_ua = levels_ua
    program = replace(
        PROGRAM, patient_min_ua=low_ua, patient_max_ua=high_ua, patient_step_ua=step_ua
    )
    breach = check_program(profile, program)
    assert breach == (reason and Breach(reason, Parameter.PATIENT_STEP_UA))


def test_what_a_group_leaves_on_a_contact_may_reach_the_limits_and_not_pass_them() -> None:
    first, second = PASSIVE_PAIR
    more = replace(second, amplitude_max_ua=1501)
    for profile in (EXACT, DENSE):
        assert check_group(profile, first, second) is None
    assert check_group(EXACT, first, more) == Breach(Refusal.CHARGE_PER_PHASE, 180, 2)
    dense = check_group(DENSE, first, more)
    assert dense == Breach(Refusal.CHARGE_DENSITY, 30_010, 2)
    assert type(dense.detail) is int


def test_a_group_a_picocoulomb_or_ten_over_a_contacts_limit_is_refused() -> None:
    """1794.6 nC and 0.41 nC, where 1795 are allowed."""
    profile = replace(DBS, amplitude_ua=EXACT.amplitude_ua)
    slow = replace(PROGRAM, recharge_ratio=PASSIVE, period_min_us=10_000, fallback_ua=0)
    most = replace(slow, amplitude_max_ua=3988, width_us=450)
    little = replace(slow, amplitude_max_ua=1, width_us=410, offset_us=5_000)
    assert check_group(profile, most) is None
    assert check_group(profile, most, little) == Breach(Refusal.CHARGE_PER_PHASE, 1795, 2)


def test_a_program_leaves_nothing_on_the_contacts_of_another() -> None:
    elsewhere = replace(PASSIVE_PAIR[1], cathodes=0b0100, offset_us=1200)
    assert check_group(EXACT, *PASSIVE_PAIR, elsewhere) is None


def test_a_refused_program_is_named_by_its_place_among_all_groups() -> None:
    wide = replace(PROGRAM, width_us=451)
    programs = ProgramSet(((PROGRAM,), (PROGRAM, wide), (), ()))
    breach = check_set(DBS, programs, DBS.impedance_ohm, SENSELESS)
    assert breach is not None
    assert breach.program == 6


def test_a_value_is_on_a_step_counted_from_where_its_run_begins() -> None:
    profile = replace(EXACT, amplitude_ua=(Run(0, 1000, 100), Run(1000, 4000, 300)))
    assert check_program(profile, replace(PROGRAM, amplitude_max_ua=1900)) is None
    breach = check_program(profile, replace(PROGRAM, amplitude_max_ua=2000))
    assert breach == Breach(Refusal.NOT_REPRESENTABLE, Parameter.AMPLITUDE_MAX_UA)


def test_a_refused_current_of_a_contact_is_told_in_whole_microamperes() -> None:
    row = replace(EXACT.lead[0], amplitude_max_ua=1000)
    weak = replace(EXACT, lead=(row,), share_step_percent=1)
    program = replace(PROGRAM, anodes=0b0101, amplitude_max_ua=2999)
    breach = check_program(weak, program.with_shares({0: 33, 1: 100, 2: 67}))
    assert breach == Breach(Refusal.CONTACT_CURRENT, 2999)
    breach = check_program(weak, program.with_shares({0: 51, 1: 100, 2: 49}))
    assert breach is not None
    assert (breach.detail, type(breach.detail)) == (1529, int)


def test_a_charge_a_picocoulomb_over_the_contacts_limit_is_refused() -> None:
    profile = replace(DENSE, width_us=(Run(10, 500, 1),))
    over = replace(PROGRAM, amplitude_max_ua=15_885, width_us=113)  # 1795.005 nC
    assert check_program(profile, over) == Breach(Refusal.CHARGE_PER_PHASE, 1795)
    breach = check_program(profile, replace(over, amplitude_max_ua=15_884))
    assert breach is not None
    assert breach.reason == Refusal.CHARGE_DENSITY


def test_the_voltage_that_a_pulse_takes_is_allowed_up_to_the_millivolt() -> None:
    # 1 mA through 1 kΩ, and 100 nC into 1 µF: 1.1 V.
    profile = replace(EXACT, capacitance_nf=1000, compliance_mv=1100)
    program = replace(PROGRAM, amplitude_max_ua=1000, width_us=100)
    assert limits.check_program(profile, program, 1000) is None
    less = replace(profile, compliance_mv=1099)
    assert limits.check_program(less, program, 1000) == Breach(Refusal.COMPLIANCE, 1100)
    far = replace(program, amplitude_max_ua=1800)
    assert limits.check_program(profile, far, 100_000) == Breach(Refusal.COMPLIANCE, 180_180)


def test_the_time_that_a_soft_edge_needs_is_told_in_whole_milliseconds() -> None:
    program = replace(
        PROGRAM, slew_ua_s=7_000, soft_start_ms=1, cycle_on_ms=1000, cycle_off_ms=5000
    )
    breach = check_program(EXACT, program)
    assert breach == Breach(Refusal.RAMP, 429)
    assert type(breach.detail) is int


def test_a_fallback_of_one_microampere_below_the_minimum_is_refused() -> None:
    program = replace(PROGRAM, fallback_ua=1, amplitude_min_ua=2)
    assert check_program(EXACT, program) == Breach(Refusal.OUT_OF_RANGE, Parameter.FALLBACK_UA)


def test_contacts_of_both_poles_are_refused_by_the_anodes_name() -> None:
    everything = (1 << len(DBS.contacts)) - 1 | CASE
    for cathodes, anodes in ((0b0010, 0b0010), (everything, CASE)):
        program = replace(PROGRAM, cathodes=cathodes, anodes=anodes)
        assert check_program(DBS, program) == Breach(Refusal.OUT_OF_RANGE, Parameter.ANODES)


def test_a_recharge_of_one_to_eight_divides_a_step_of_100_microamperes() -> None:
    assert check_program(DBS, replace(PROGRAM, recharge_ratio=8)) is None


def test_the_slews_step_is_an_integer() -> None:
    step_ua = slew_step_ua(DBS, replace(PROGRAM, slew_ua_s=10_009), 0)
    assert (step_ua, type(step_ua)) == (1000, int)


# The state diagram ---------------------------------------------


def test_the_diagram_begins_in_boot_and_shows_only_moves_between_states() -> None:
    lines = mermaid().split("\n")
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> BOOT"]
    assert lines[-1] == ""
    moves = [line.split(": ") for line in lines[2:-1]]
    assert moves
    for ends, event in moves:
        before, after = ends.split(" --> ")
        assert before.strip() != after
        assert event != "STOP"
