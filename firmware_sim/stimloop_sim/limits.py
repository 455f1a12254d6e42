"""The device's own gate: integer arithmetic, nothing shared with any host, no unlock.

Every function returns the breach, or None where the order may pass. Values that the hardware
cannot represent are breaches too: nothing is rounded or clamped here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stimloop_hw.program import CASE, Mode, Parameter, Program
from stimloop_hw.vocabulary import Refusal

if TYPE_CHECKING:
    from stimloop_sim.profile import Profile

SLEW_WINDOW_US = 100_000
"""A setpoint may rise by what the program's slew allows in this time: a loop that lost more
orders than that has to approach again from what the device delivers."""


@dataclass(frozen=True, slots=True)
class Breach:
    """Why an order must not pass.

    Attributes
    ----------
    reason : Refusal
    detail : int
        As `Refusal` defines it.
    """

    reason: Refusal
    detail: int


def check_program(profile: Profile, program: Program) -> Breach | None:
    """Check a whole program against the device's hard limits.

    Parameters
    ----------
    profile : Profile
    program : Program

    Returns
    -------
    Breach or None
    """
    return (
        _check_ranges(profile, program)
        or _check_contacts(profile, program)
        or _check_pulse(profile, program)
    )


def _check_ranges(profile: Profile, program: Program) -> Breach | None:
    p = Parameter
    top_ua = profile.amplitude_max_ua
    rows = (
        (p.MODE, program.mode, Mode.TRAIN, Mode.TRIGGERED, 1),
        (p.AMPLITUDE_MAX_UA, program.amplitude_max_ua, 0, top_ua, profile.amplitude_step_ua),
        (
            p.AMPLITUDE_MIN_UA,
            program.amplitude_min_ua,
            0,
            program.amplitude_max_ua,
            profile.amplitude_step_ua,
        ),
        (
            p.FALLBACK_UA,
            program.fallback_ua,
            0,
            program.amplitude_max_ua,
            profile.amplitude_step_ua,
        ),
        (
            p.WIDTH_US,
            program.width_us,
            profile.width_min_us,
            profile.width_max_us,
            profile.width_step_us,
        ),
        (
            p.PERIOD_MIN_US,
            program.period_min_us,
            profile.period_min_us,
            profile.period_max_us,
            profile.period_step_us,
        ),
        (
            p.PERIOD_MAX_US,
            program.period_max_us,
            program.period_min_us,
            profile.period_max_us,
            profile.period_step_us,
        ),
        (p.SLEW_UA_S, program.slew_ua_s, 1, profile.slew_max_ua_s, 1),
    )
    if 0 < program.fallback_ua < program.amplitude_min_ua:
        return Breach(Refusal.OUT_OF_RANGE, p.FALLBACK_UA)
    for parameter, value, low, high, step in rows:
        if not low <= value <= high:
            return Breach(Refusal.OUT_OF_RANGE, parameter)
        if value % step:
            return Breach(Refusal.NOT_REPRESENTABLE, parameter)
    return None


def _check_contacts(profile: Profile, program: Program) -> Breach | None:
    known = (1 << profile.contacts) - 1 | CASE
    for parameter, mask in (
        (Parameter.CATHODES, program.cathodes),
        (Parameter.ANODES, program.anodes),
    ):
        if not 0 < mask <= known or mask & ~known:
            return Breach(Refusal.OUT_OF_RANGE, parameter)
    if program.cathodes & program.anodes:
        return Breach(Refusal.OUT_OF_RANGE, Parameter.ANODES)
    return None


def _check_pulse(profile: Profile, program: Program) -> Breach | None:
    # The whole current on every contact: no credit for how the tissue may share it.
    charge_pc = program.amplitude_max_ua * program.width_us
    if charge_pc > profile.charge_max_nc * 1000:
        return Breach(Refusal.CHARGE_PER_PHASE, charge_pc // 1000)
    # nC/cm² = pC * 1e-3 / (µm² * 1e-8) = pC * 1e5 / µm²
    if charge_pc * 100_000 > profile.density_max_nc_cm2 * profile.contact_area_um2:
        density_nc_cm2 = charge_pc * 100_000 // profile.contact_area_um2
        return Breach(Refusal.CHARGE_DENSITY, density_nc_cm2)
    # The recharge's amplitude has to be a whole number of nA, or the pulse cannot balance.
    if profile.amplitude_step_ua * 1000 % profile.recharge_ratio:
        return Breach(Refusal.NOT_REPRESENTABLE, Parameter.AMPLITUDE_MAX_UA)
    shortest_us = program.width_us * (1 + profile.recharge_ratio) + profile.interphase_us
    if shortest_us > program.period_min_us:
        return Breach(Refusal.TIMING, shortest_us)
    return None


def check_setpoint(
    profile: Profile, program: Program, present_ua: int, amplitude_ua: int, period_us: int
) -> Breach | None:
    """Check one setpoint against the committed envelope.

    Parameters
    ----------
    profile : Profile
    program : Program
        The committed one.
    present_ua : int
        The setpoint in force, µA.
    amplitude_ua, period_us : int
        The setpoint asked for.

    Returns
    -------
    Breach or None
    """
    nearest_ua = min(max(amplitude_ua, program.amplitude_min_ua), program.amplitude_max_ua)
    if amplitude_ua not in (0, nearest_ua):
        return Breach(Refusal.OUTSIDE_ENVELOPE, nearest_ua)
    if amplitude_ua % profile.amplitude_step_ua:
        return Breach(Refusal.NOT_REPRESENTABLE, Parameter.AMPLITUDE_MAX_UA)
    nearest_us = min(max(period_us, program.period_min_us), program.period_max_us)
    if period_us != nearest_us:
        return Breach(Refusal.OUTSIDE_ENVELOPE, nearest_us)
    if period_us % profile.period_step_us:
        return Breach(Refusal.NOT_REPRESENTABLE, Parameter.PERIOD_MIN_US)
    largest_ua = slew_step_ua(profile, program)
    if amplitude_ua - present_ua > largest_ua:  # downward the device ramps, nothing is refused
        return Breach(Refusal.SLEW, largest_ua)
    return None


def slew_step_ua(profile: Profile, program: Program) -> int:
    """Largest step upward of one setpoint, µA; it always reaches the program's minimum."""
    by_slew = program.slew_ua_s * SLEW_WINDOW_US // 1_000_000
    return max(by_slew, program.amplitude_min_ua, profile.amplitude_step_ua)
