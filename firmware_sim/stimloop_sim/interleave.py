"""The device's gate for a whole set: what the programs of a group may do together.

Each program alone is judged by `stimloop_sim.limits`.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from stimloop_hw.groups import PROGRAMS
from stimloop_hw.program import PASSIVE, Parameter
from stimloop_hw.vocabulary import Refusal
from stimloop_sim.limits import Breach, check_program, loads_percent, pulse_us
from stimloop_sim.loop_limits import check_loop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stimloop_hw.groups import ProgramSet
    from stimloop_hw.program import Program
    from stimloop_sim.loop_limits import Sensing
    from stimloop_sim.profile import Profile

SHARED = (
    Parameter.MODE,
    Parameter.PERIOD_MIN_US,
    Parameter.PERIOD_MAX_US,
    Parameter.CYCLE_ON_MS,
    Parameter.CYCLE_OFF_MS,
    Parameter.MAGNET_SWIPE_MS,
)
"""What all programs of a group have in common: pulses of one rate, and one rhythm of pauses, so
that the group's part of the time with stimulation is that of its program with most."""


def check_set(
    profile: Profile, programs: ProgramSet, impedance_ohm: int, sensing: Sensing
) -> Breach | None:
    """Check every program of a set, alone and with those that it is interleaved with.

    Parameters
    ----------
    profile : Profile
    programs : ProgramSet
    impedance_ohm : int
        Of one contact and its tissue: the largest measured, or the profile's nominal one.
    sensing : Sensing
        What a loop on the device can listen to.

    Returns
    -------
    Breach or None
        With the program that it is about.
    """
    for group, members in enumerate(programs.groups):
        first = group * PROGRAMS
        room = profile.programs if group < profile.groups else 0
        if len(members) > room:
            return Breach(Refusal.NO_PROGRAM, first + room, 1 + first + room)
        for number, program in enumerate(members):
            breach = check_program(profile, program, impedance_ohm) or check_loop(
                program, sensing
            )
            if breach is None and number and program.loop:
                breach = Breach(Refusal.LOOP_FIRST, 0)
            if breach is not None:
                return replace(breach, program=1 + first + number)
        breach = _check_group(profile, members)
        if breach is not None:
            return replace(breach, program=first + breach.program)
    return None


def _check_group(profile: Profile, members: Sequence[Program]) -> Breach | None:
    return _check_shared(members) or _check_times(members) or _check_charge(profile, members)


def _check_shared(members: Sequence[Program]) -> Breach | None:
    for number, program in enumerate(members, 1):
        for parameter in SHARED:
            name = parameter.name.lower()
            if getattr(program, name) != getattr(members[0], name):
                return Breach(Refusal.NOT_SHARED, parameter, number)
    return None


def _check_times(members: Sequence[Program]) -> Breach | None:
    """Pulses begin in their order, each after the one before has ended with its recharge."""
    if members and members[0].offset_us:
        return Breach(Refusal.OVERLAP, 0, 1)
    for number, (before, program) in enumerate(pairwise(members), 2):
        earliest_us = before.offset_us + pulse_us(before)
        if program.offset_us < earliest_us:
            return Breach(Refusal.OVERLAP, earliest_us, number)
    return None


def _check_charge(profile: Profile, members: Sequence[Program]) -> Breach | None:
    """What passive pulses leave on a contact, added up, and the largest active phase on top.

    An active recharge takes its charge back before the next program's pulse; a passive one may
    need the whole period, and no credit is given for its having begun.
    """
    for number, contact in enumerate(profile.contacts):
        left = most = 0  # pC percent: of passive pulses, and of an active phase
        for place, program in enumerate(members, 1):
            percent = loads_percent(program).get(number, 0)
            charge = percent * max(
                program.amplitude_max_ua * program.width_us,
                program.magnet_amplitude_ua * program.magnet_width_us,
            )
            if program.recharge_ratio == PASSIVE:
                left += charge
            else:
                most = max(most, charge)
            whole = left + most
            if whole > contact.charge_max_nc * 100_000:
                return Breach(Refusal.CHARGE_PER_PHASE, whole // 100_000, place)
            if whole * 1000 > profile.density_max_nc_cm2 * contact.area_um2:
                return Breach(Refusal.CHARGE_DENSITY, whole * 1000 // contact.area_um2, place)
    return None
