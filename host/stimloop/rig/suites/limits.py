"""Limits: what the device does not let itself be programmed to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stimloop.rig.gentle import at_least, between
from stimloop.rig.obligation import Need, Suite, obliges, refused
from stimloop.rig.session import LEASE_MS
from stimloop_hw.messages import Arm, ArmChallenge, ArmRequest, Stage, Staged, Start, Status
from stimloop_hw.program import Parameter
from stimloop_hw.ranges import contacts_of, runs_of
from stimloop_hw.vocabulary import Refusal

if TYPE_CHECKING:
    from stimloop.rig.session import RigSession
    from stimloop_hw.program import Program

PATIENCE_US = 1_000_000


def _refuses(session: RigSession, what: str, wrong: Program, *reasons: Refusal) -> None:
    with refused(what, *reasons):
        session.link.request(Stage(1, 0, 1, wrong.entries()), Staged)


@obliges(Suite.LIMITS, "H1", needs=(Need.LIMITS,))
def a_program_beyond_any_limit_is_refused(session: RigSession) -> None:
    """A program one step beyond any limit that the device tells is not even staged."""
    limits, program = session.limits, session.program
    step_ua, period_us = limits.amplitude_step_ua, limits.period_step_us
    charge_ua = contacts_of(limits)[0].charge_max_nc * 1000 // limits.width_max_us + 1
    wide_ua = at_least(runs_of(limits, Parameter.AMPLITUDE_MAX_UA), charge_ua)
    beyond = {
        "an amplitude above the largest": replace(
            program, amplitude_max_ua=limits.amplitude_max_ua + step_ua
        ),
        "a negative amplitude": replace(program, amplitude_max_ua=-step_ua),
        "a width below the smallest": replace(program, width_us=limits.width_min_us - 1),
        "a width above the largest": replace(
            program, width_us=limits.width_max_us + limits.width_step_us
        ),
        "a period below the shortest": replace(
            program, period_min_us=limits.period_min_us - period_us
        ),
        "a period above the longest": replace(
            program, period_max_us=limits.period_max_us + period_us
        ),
        "a slew above the fastest": replace(program, slew_ua_s=limits.slew_max_ua_s + 1),
        "a fallback above the program": replace(
            program, fallback_ua=program.amplitude_max_ua + step_ua
        ),
        "one contact for both poles": replace(program, anodes=program.cathodes),
        "an unknown mode": replace(program, mode=99),
    }
    if wide_ua is not None:
        beyond["a charge above the largest"] = replace(
            program,
            amplitude_max_ua=wide_ua,
            width_us=limits.width_max_us,
            period_min_us=limits.period_max_us,
            period_max_us=limits.period_max_us,
        )
    for what, wrong in beyond.items():
        _refuses(session, what, wrong)
    session.commit(program)


@obliges(Suite.LIMITS, "H1", "H12", needs=(Need.LIMITS,))
def a_value_between_its_steps_is_refused(session: RigSession) -> None:
    """A value that the hardware has not is refused, and never rounded."""
    limits, program = session.limits, session.program
    amplitude_ua = between(runs_of(limits, Parameter.AMPLITUDE_MAX_UA))
    width_us = between(runs_of(limits, Parameter.WIDTH_US))
    period_us = between(runs_of(limits, Parameter.PERIOD_MIN_US))
    wrong = {}
    if amplitude_ua is not None:
        wrong["an amplitude"] = replace(program, amplitude_max_ua=amplitude_ua)
    if width_us is not None:
        wrong["a width"] = replace(program, width_us=width_us)
    if period_us is not None:
        wrong["a period"] = replace(
            program, period_min_us=period_us, period_max_us=limits.period_max_us
        )
    for what, program in wrong.items():
        _refuses(session, f"{what} between two steps", program, Refusal.NOT_REPRESENTABLE)


@obliges(Suite.LIMITS, "H2", needs=(Need.LIMITS,))
def a_recharge_that_cannot_balance_is_refused(session: RigSession) -> None:
    """A recharge that would not balance every amplitude in whole nanoamperes is refused."""
    limits, program = session.limits, session.program
    for ratio in range(2, limits.recharge_max_ratio + 1):
        if limits.amplitude_step_ua * 1000 % ratio:
            _refuses(
                session, f"a recharge of 1:{ratio}", replace(program, recharge_ratio=ratio)
            )


@obliges(Suite.LIMITS, "H3", needs=(Need.LEASE, Need.ARMING))
def a_lease_longer_than_it_allows_is_refused(session: RigSession) -> None:
    """A lease longer than the device allows starts nothing."""
    link, crc = session.link, session.program.crc()
    session.commit(session.program)
    challenge = link.request(ArmRequest(crc), ArmChallenge)
    link.request(Arm(crc, challenge.nonce), Status, link.t_us + PATIENCE_US)
    too_long_ms = max(session.limits.lease_max_ms, LEASE_MS) + 1
    with refused(f"a lease of {too_long_ms} ms", Refusal.OUTSIDE_ENVELOPE):
        link.request(Start(crc, too_long_ms), Status, link.t_us + PATIENCE_US)
