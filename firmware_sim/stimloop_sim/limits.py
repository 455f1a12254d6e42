"""The device's own gate: integer arithmetic, nothing shared with any host, no unlock.

Every function returns the breach, or None where the order may pass. Values that the hardware
cannot represent are breaches too: nothing is rounded or clamped here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stimloop_hw.program import CASE, PASSIVE, Mode, Parameter, Program
from stimloop_hw.ranges import Run
from stimloop_hw.vocabulary import Refusal

if TYPE_CHECKING:
    from stimloop_sim.profile import Profile

SLEW_WINDOW_US = 100_000
"""A setpoint may rise by what the program's slew allows in this time: a loop that lost more
orders than that has to approach again from what the device delivers."""
DISCHARGE_WIDTHS = 8
"""A passive discharge gets at least as long as the weakest active recharge: 8 pulse widths."""


@dataclass(frozen=True, slots=True)
class Breach:
    """Why an order must not pass.

    Attributes
    ----------
    reason : Refusal
    detail : int
        As `Refusal` defines it.
    program : int
        1 + the place of the program it is about, 0 for none in particular.
    """

    reason: Refusal
    detail: int
    program: int = 0


def check_program(profile: Profile, program: Program, impedance_ohm: int) -> Breach | None:
    """Check a whole program against the device's hard limits.

    Parameters
    ----------
    profile : Profile
    program : Program
    impedance_ohm : int
        Of one contact and its tissue: the largest measured, or the profile's nominal one.

    Returns
    -------
    Breach or None
    """
    return (
        _check_values(profile, program)
        or _check_contacts(profile, program)
        or _check_shares(profile, program)
        or _check_charge(profile, program)
        or _check_pulse(profile, program)
        or _check_compliance(profile, program, impedance_ohm)
        or _check_course(profile, program)
        or _check_magnet(profile, program, impedance_ohm)
        or _check_patient(profile, program)
    )


def _check_values(profile: Profile, program: Program) -> Breach | None:
    p, top_ua = Parameter, program.amplitude_max_ua
    longest_ms = profile.cycle_max_ms
    breach = _check_value(p.AMPLITUDE_MAX_UA, top_ua, profile.amplitude_ua)
    if breach is not None:
        return breach
    for parameter, value in (
        (p.AMPLITUDE_MIN_UA, program.amplitude_min_ua),
        (p.FALLBACK_UA, program.fallback_ua),
    ):
        if value > top_ua:
            return Breach(Refusal.OUT_OF_RANGE, parameter)
    rows = (
        (p.MODE, program.mode, (Run(Mode.TRAIN, Mode.TRIGGERED, 1),)),
        (p.AMPLITUDE_MIN_UA, program.amplitude_min_ua, profile.amplitude_ua),
        (p.FALLBACK_UA, program.fallback_ua, profile.amplitude_ua),
        (p.WIDTH_US, program.width_us, profile.width_us),
        (p.PERIOD_MIN_US, program.period_min_us, profile.period_us),
        (p.PERIOD_MAX_US, program.period_max_us, profile.period_us),
        (p.SLEW_UA_S, program.slew_ua_s, (Run(1, profile.slew_max_ua_s, 1),)),
        (p.SLEW_DOWN_UA_S, program.slew_down_ua_s, (Run(0, profile.slew_max_ua_s, 1),)),
        (p.INTERPHASE_US, program.interphase_us, (Run(0, profile.interphase_max_us, 1),)),
        (p.RECHARGE_RATIO, program.recharge_ratio, (Run(0, profile.recharge_max_ratio, 1),)),
        (p.SOFT_START_MS, program.soft_start_ms, (Run(0, profile.soft_max_ms, 1),)),
        (p.SOFT_STOP_MS, program.soft_stop_ms, (Run(1, profile.soft_max_ms, 1),)),
        (p.CYCLE_ON_MS, program.cycle_on_ms, profile.cycle_on_ms),
        (p.CYCLE_OFF_MS, program.cycle_off_ms, (Run(0, longest_ms, 1),)),
        (p.OFFSET_US, program.offset_us, (Run(0, profile.period_us[-1].high, 1),)),
    )
    for parameter, value, runs in rows:
        breach = _check_value(parameter, value, runs)
        if breach is not None:
            return breach
    if 0 < program.fallback_ua < program.amplitude_min_ua:
        return Breach(Refusal.OUT_OF_RANGE, p.FALLBACK_UA)
    if program.period_max_us < program.period_min_us:
        return Breach(Refusal.OUT_OF_RANGE, p.PERIOD_MAX_US)
    return None


def _check_value(parameter: Parameter, value: int, runs: tuple[Run, ...]) -> Breach | None:
    if not runs[0].low <= value <= runs[-1].high:
        return Breach(Refusal.OUT_OF_RANGE, parameter)
    if not any(r.low <= value <= r.high and (value - r.low) % r.step == 0 for r in runs):
        return Breach(Refusal.NOT_REPRESENTABLE, parameter)
    return None


def _check_contacts(profile: Profile, program: Program) -> Breach | None:
    known = (1 << len(profile.contacts)) - 1 | (CASE if profile.case else 0)
    for parameter, mask in (
        (Parameter.CATHODES, program.cathodes),
        (Parameter.ANODES, program.anodes),
    ):
        if not 0 < mask <= known or mask & ~known:
            return Breach(Refusal.OUT_OF_RANGE, parameter)
    if program.cathodes & program.anodes:
        return Breach(Refusal.OUT_OF_RANGE, Parameter.ANODES)
    return None


def _check_shares(profile: Profile, program: Program) -> Breach | None:
    """A share for every contact of both poles, on the profile's step, or none at all."""
    shares = program.shares_percent
    if not any(shares):
        return None
    used = sum(1 << number for number, share in enumerate(shares) if share)
    for parameter, mask in (
        (Parameter.ANODES, program.anodes),
        (Parameter.CATHODES, program.cathodes),
    ):
        pole = [share for number, share in enumerate(shares) if mask >> number & 1]
        if sum(pole) != 100 or used != program.cathodes | program.anodes:
            return Breach(Refusal.SHARES, parameter)
        if any(share % profile.share_step_percent for share in pole):
            return Breach(Refusal.NOT_REPRESENTABLE, parameter)
    return None


def loads_percent(program: Program) -> dict[int, int]:
    """What part of the whole current each contact of the lead has to be able to carry, percent.

    Contacts that are tied together count with the whole: no credit for how the tissue may share
    it. The case is left out; its area is many times that of any contact.
    """
    shares = program.shares_percent
    used = (program.cathodes | program.anodes) & ~CASE
    return {k: shares[k] or 100 for k in range(CASE.bit_length()) if used >> k & 1}


def _check_charge(profile: Profile, program: Program) -> Breach | None:
    contacts = profile.contacts
    for number, percent in loads_percent(program).items():
        contact = contacts[number]
        current_ua_percent = program.amplitude_max_ua * percent
        if current_ua_percent > contact.amplitude_max_ua * 100:
            return Breach(Refusal.CONTACT_CURRENT, current_ua_percent // 100)
        charge_pc_percent = current_ua_percent * program.width_us
        if charge_pc_percent > contact.charge_max_nc * 100_000:
            return Breach(Refusal.CHARGE_PER_PHASE, charge_pc_percent // 100_000)
        # nC/cm² = pC * 1e-3 / (µm² * 1e-8) = pC * 1e5 / µm²
        if charge_pc_percent * 1000 > profile.density_max_nc_cm2 * contact.area_um2:
            return Breach(Refusal.CHARGE_DENSITY, charge_pc_percent * 1000 // contact.area_um2)
    return None


def pulse_us(program: Program) -> int:
    """How long the longest pulse of the program takes with its recharge, µs."""
    ratio = program.recharge_ratio
    widths = DISCHARGE_WIDTHS if ratio == PASSIVE else ratio
    return max(program.width_us, program.magnet_width_us) * (1 + widths) + program.interphase_us


def _check_pulse(profile: Profile, program: Program) -> Breach | None:
    # On every contact the recharge has to be a whole number of nA at every step of amplitude,
    # or the pulse cannot balance. A tied pole is one source.
    percents = [share for share in program.shares_percent if share] or [100]
    ratio = program.recharge_ratio
    for run in profile.amplitude_ua:
        for percent in percents:
            if ratio != PASSIVE and run.step * percent * 10 % ratio:
                return Breach(Refusal.NOT_REPRESENTABLE, Parameter.RECHARGE_RATIO)
    shortest_us = program.offset_us + pulse_us(program)
    if shortest_us > program.period_min_us:
        return Breach(Refusal.TIMING, shortest_us)
    return None


def _check_compliance(profile: Profile, program: Program, impedance_ohm: int) -> Breach | None:
    """The voltage on the worst way from pole to pole: tissue, and the charged double layers."""
    loads = loads_percent(program)
    percent = sum(
        max((load for number, load in loads.items() if mask >> number & 1), default=0)
        for mask in (program.cathodes, program.anodes)
    )
    # µA * Ω = µV, and µA * µs / nF = mV; percent besides
    nf = profile.capacitance_nf
    needed = program.amplitude_max_ua * percent * (impedance_ohm * nf + 1000 * program.width_us)
    needed_mv = -(-needed // (100_000 * nf))
    if needed_mv > profile.compliance_mv:
        return Breach(Refusal.COMPLIANCE, needed_mv)
    return None


def _check_course(profile: Profile, program: Program) -> Breach | None:
    """Pauses belong to trains, begin and end softly, and are long enough."""
    on_ms, off_ms = program.cycle_on_ms, program.cycle_off_ms
    if not on_ms and not off_ms:
        return None  # where the duty is less than the whole, the output rests by itself
    if not on_ms or program.mode == Mode.TRIGGERED:
        return Breach(Refusal.OUT_OF_RANGE, Parameter.CYCLE_ON_MS)
    edges_ms = program.soft_start_ms + program.soft_stop_ms
    if off_ms < edges_ms:
        return Breach(Refusal.OUT_OF_RANGE, Parameter.CYCLE_OFF_MS)
    breach = _check_ramps(program)
    if breach is not None:
        return breach
    duty_permille = -(-(on_ms + edges_ms) * 1000 // (on_ms + off_ms))
    if duty_permille > profile.duty_max_permille:
        return Breach(Refusal.DUTY, duty_permille)
    return None


def _check_magnet(profile: Profile, program: Program, impedance_ohm: int) -> Breach | None:
    """The magnet's train obeys every limit of a pulse, and lasts as long as a time on may.

    Whether its pulse fits into the period is judged with the program's: see `pulse_us`.
    """
    p, none = Parameter, (Run(0, 0, 1),)
    top_ua, trains = program.magnet_amplitude_ua, program.mode == Mode.TRAIN
    heeding = program.magnet_swipe_ms > 0 and trains
    for parameter, value, runs in (
        (p.MAGNET_SWIPE_MS, program.magnet_swipe_ms, (Run(0, profile.magnet_swipe_max_ms, 1),)),
        (p.MAGNET_AMPLITUDE_UA, top_ua, profile.amplitude_ua if heeding else none),
        (p.MAGNET_WIDTH_US, program.magnet_width_us, profile.width_us if top_ua else none),
        (p.MAGNET_ON_MS, program.magnet_on_ms, profile.cycle_on_ms if top_ua else none),
    ):
        breach = _check_value(parameter, value, runs)
        if breach is not None:
            return breach
    if not top_ua:
        return None
    if not program.magnet_on_ms:
        return Breach(Refusal.OUT_OF_RANGE, p.MAGNET_ON_MS)
    train = replace(program, amplitude_max_ua=top_ua, width_us=program.magnet_width_us)
    return (
        _check_charge(profile, train)
        or _check_compliance(profile, train, impedance_ohm)
        or _check_ramps(train)
    )


def _check_ramps(program: Program) -> Breach | None:
    """Ramps of a train are long enough for its slews."""
    for duration_ms, slew_ua_s in (
        (program.soft_start_ms, program.slew_ua_s),
        (program.soft_stop_ms, program.slew_down_ua_s or program.slew_ua_s),
    ):
        if program.amplitude_max_ua * 1000 > slew_ua_s * duration_ms:
            return Breach(Refusal.RAMP, -(-program.amplitude_max_ua * 1000 // slew_ua_s))
    return None


def _check_patient(profile: Profile, program: Program) -> Breach | None:
    """The patient's levels are steps of the hardware, inside the clinician's limits."""
    p, step_ua = Parameter, program.patient_step_ua
    lowest_ua, highest_ua = program.patient_min_ua, program.patient_max_ua
    if not lowest_ua and not highest_ua and not step_ua:
        return None
    if not max(program.amplitude_min_ua, 1) <= lowest_ua <= program.amplitude_max_ua:
        return Breach(Refusal.OUT_OF_RANGE, p.PATIENT_MIN_UA)
    if not lowest_ua <= highest_ua <= program.amplitude_max_ua:
        return Breach(Refusal.OUT_OF_RANGE, p.PATIENT_MAX_UA)
    if not 0 < step_ua <= program.amplitude_max_ua:
        return Breach(Refusal.OUT_OF_RANGE, p.PATIENT_STEP_UA)
    for level_ua in range(highest_ua, lowest_ua - 1, -step_ua):
        if _check_value(p.PATIENT_STEP_UA, level_ua, profile.amplitude_ua) is not None:
            return Breach(Refusal.NOT_REPRESENTABLE, p.PATIENT_STEP_UA)
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
    nearest_us = min(max(period_us, program.period_min_us), program.period_max_us)
    if period_us != nearest_us:
        return Breach(Refusal.OUTSIDE_ENVELOPE, nearest_us)
    breach = _check_value(
        Parameter.AMPLITUDE_MAX_UA, amplitude_ua, profile.amplitude_ua
    ) or _check_value(Parameter.PERIOD_MIN_US, period_us, profile.period_us)
    if breach is not None:
        return breach
    largest_ua = slew_step_ua(profile, program, present_ua)
    if amplitude_ua - present_ua > largest_ua:  # downward the device ramps, nothing is refused
        return Breach(Refusal.SLEW, largest_ua)
    return None


def slew_step_ua(profile: Profile, program: Program, present_ua: int) -> int:
    """Largest step upward of one setpoint, µA.

    It always reaches the program's minimum, and the next amplitude that the hardware has.
    """
    by_slew = program.slew_ua_s * SLEW_WINDOW_US // 1_000_000
    step_ua = next(
        (run.step for run in profile.amplitude_ua if present_ua < run.high),
        profile.amplitude_ua[-1].step,
    )
    return max(by_slew, program.amplitude_min_ua, step_ua)


def check_table(profile: Profile) -> bool:
    """Whether a profile's limits are what they have to be: part of the power-on self test.

    Shannon's limit at k = 1.75 in integers: with Q in nC and the area A in µm²,
    Q² <= 10^1.75 / 100 * A, and 10^1.75 is 56.2341 rounded down.
    """
    return (
        0 < profile.density_max_nc_cm2 <= 30_000
        and (profile.duty_max_permille == 1000 or profile.train_max_ms > 0)
        and profile.lease_max_ms > 0
        and all(
            row.shannon_nc > 0 and row.shannon_nc**2 * 1_000_000 <= 562_341 * row.area_um2
            for row in profile.lead
        )
    )
