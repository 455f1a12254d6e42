"""Pulses, as a witness saw them: the device's own word does not count here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop.rig.comparison import compare
from stimloop.rig.obligation import Need, Suite, obliges, require, require_equal
from stimloop.rig.session import STATUSES_TO_SETTLE
from stimloop_hw.messages import Ping, Pong

if TYPE_CHECKING:
    from stimloop.rig.comparison import Compared
    from stimloop.rig.session import RigSession

SEEN = (Need.WITNESS, Need.STATUS)


def _compared(session: RigSession) -> list[Compared]:
    """Half a second of pulses at the program's largest amplitude, beside what was ordered."""
    since_us = session.deliver().t_us
    for _ in range(STATUSES_TO_SETTLE + 1):
        until_us = session.alive().t_us
    program = session.program
    pulses = session.pulses(since_us, until_us)
    require(len(pulses) > 1, f"the witness saw {len(pulses)} pulses in half a second")
    return compare(program, program.amplitude_max_ua, program.period_min_us, pulses)


@obliges(Suite.PULSES, "H1", "H12", needs=SEEN)
def every_pulse_has_the_amplitude_that_was_ordered(session: RigSession) -> None:
    """The amplitude of every pulse is the one that was ordered."""
    for pulse in _compared(session):
        require_equal("the amplitude of a pulse in µA", pulse.amplitude_ua, pulse.ordered_ua)


@obliges(Suite.PULSES, "H1", needs=SEEN)
def every_pulse_has_the_width_and_charge_that_were_programmed(session: RigSession) -> None:
    """Width, gap and charge of every pulse are those of the committed program."""
    for pulse in _compared(session):
        require_equal("the width of a pulse in µs", pulse.width_us, session.program.width_us)
        require_equal("its gap in µs", pulse.gap_us, session.program.interphase_us)
        require_equal("its charge in pC", pulse.charge_pc, pulse.ordered_pc)


@obliges(Suite.PULSES, "H6", "H2", needs=SEEN)
def every_pulse_begins_cathodic_at_its_cathodes(session: RigSession) -> None:
    """Current flows through the committed contacts, at first cathodic at the cathodes."""
    for pulse in _compared(session):
        for pole, found, wanted in (
            ("cathodic", pulse.cathodes, pulse.ordered_cathodes),
            ("anodic", pulse.anodes, pulse.ordered_anodes),
        ):
            require_equal(f"contacts that begin {pole}", sorted(found), sorted(wanted))


@obliges(Suite.PULSES, "H2", needs=SEEN)
def every_pulse_is_balanced_on_each_contact(session: RigSession) -> None:
    """Every actively recharged pulse leaves no charge on any contact."""
    for pulse in _compared(session):
        left = {contact: fc for contact, fc in pulse.net_fc.items() if fc}
        require(not left, f"a pulse left charge on contacts, in fC: {left}")


@obliges(Suite.PULSES, "H1", "H5", needs=SEEN)
def the_amplitude_rises_no_faster_than_the_slew(session: RigSession) -> None:
    """From pulse to pulse the amplitude moves no faster than the slew that was committed."""
    link, program = session.link, session.program
    session.begin()
    since_us = link.request(Ping(1, 1), Pong).sent_us
    session.steer(1, program.amplitude_max_ua)
    for _ in range(STATUSES_TO_SETTLE):
        until_us = session.alive().t_us
    pulses = session.pulses(since_us, until_us)
    require(len(pulses) > 1, f"the witness saw {len(pulses)} pulses of a rising amplitude")
    before_us, before_ua = since_us, 0
    for pulse in pulses:
        step_ua = abs(pulse.amplitude_ua - before_ua)
        allowed_ua = program.slew_ua_s * (pulse.t_us - before_us) / 1e6
        allowed_ua += session.limits.amplitude_step_ua
        require(
            step_ua <= allowed_ua,
            f"within {pulse.t_us - before_us} µs the amplitude moved by {step_ua} µA, and may "
            f"by {allowed_ua:.0f} µA",
        )
        before_us, before_ua = pulse.t_us, pulse.amplitude_ua


@obliges(Suite.PULSES, "H12", "H2", needs=SEEN)
def what_it_tells_is_what_was_delivered(session: RigSession) -> None:
    """Pulses, charge and amplitude that it tells are those that the witness saw."""
    before = session.deliver()
    for _ in range(STATUSES_TO_SETTLE + 1):
        after = session.alive()
    pulses = session.pulses(before.t_us, after.t_us)
    told = after.pulses - before.pulses
    require(
        abs(told - len(pulses)) <= 1, f"it tells {told} pulses, the witness saw {len(pulses)}"
    )
    charge_nc = sum(pulse.charge_pc for pulse in pulses) / 1000
    told_nc = after.delivered_nc - before.delivered_nc
    one_nc = session.program.amplitude_max_ua * session.program.width_us / 1000
    require(
        abs(charge_nc - told_nc) <= one_nc + 1,
        f"it tells {told_nc} nC, the witness saw {charge_nc:.1f} nC",
    )
    seen_ua = pulses[-1].amplitude_ua if pulses else 0
    require_equal("the amplitude that it tells in µA", after.delivered_ua, seen_ua)
