"""Programmed, quantised, delivered: three numbers of every pulse, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stimloop_hw.program import CASE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stimloop_hw.program import Program
    from stimloop_hw.trace import TracedPulse

_CONTACTS = CASE.bit_length()


@dataclass(frozen=True, slots=True)
class Compared:
    """One pulse beside what was ordered.

    Attributes
    ----------
    t_us : int
        Its beginning, device time, µs.
    ordered_ua, amplitude_ua : int
        As ordered, and as a witness saw it, µA.
    width_us, gap_us : int
        Of the first phase, and from its end to the second; the gap is 0 without one.
    ordered_pc, charge_pc : int
        Cathodic charge, pC.
    ordered_cathodes, cathodes, ordered_anodes, anodes : frozenset of int
        Contacts through which current first flows cathodic, and anodic; 15 is the case.
    net_fc : dict of int to int
        What stays on each contact, fC; empty for a passive recharge, which has no phase.
    late_us : int
        How much later it comes than its period after the one before, µs; 0 for the first.
    """

    t_us: int
    ordered_ua: int
    amplitude_ua: int
    width_us: int
    gap_us: int
    ordered_pc: int
    charge_pc: int
    ordered_cathodes: frozenset[int]
    cathodes: frozenset[int]
    ordered_anodes: frozenset[int]
    anodes: frozenset[int]
    net_fc: dict[int, int]
    late_us: int


def compare(
    program: Program, ordered_ua: int, period_us: int, pulses: Sequence[TracedPulse]
) -> list[Compared]:
    """Put pulses of one setpoint beside it.

    Parameters
    ----------
    program : Program
        The one committed.
    ordered_ua, period_us : int
        The setpoint.
    pulses : sequence of TracedPulse
        As a witness saw them.

    Returns
    -------
    list of Compared
    """
    compared = []
    due_us = pulses[0].t_us if pulses else 0
    for pulse in pulses:
        first = pulse.first
        second_us = min((p.start_us for p in pulse.phases if p.start_us), default=0)
        compared.append(
            Compared(
                t_us=pulse.t_us,
                ordered_ua=ordered_ua,
                amplitude_ua=pulse.amplitude_ua,
                width_us=pulse.width_us,
                gap_us=max(0, second_us - pulse.width_us),
                ordered_pc=ordered_ua * program.width_us,
                charge_pc=pulse.charge_pc,
                ordered_cathodes=_contacts(program.cathodes),
                cathodes=frozenset(p.contact for p in first if p.current_na < 0),
                ordered_anodes=_contacts(program.anodes),
                anodes=frozenset(p.contact for p in first if p.current_na > 0),
                net_fc=pulse.net_fc if second_us or program.recharge_ratio else {},
                late_us=pulse.t_us - due_us,
            )
        )
        due_us = pulse.t_us + period_us
    return compared


def _contacts(mask: int) -> frozenset[int]:
    return frozenset(bit for bit in range(_CONTACTS) if mask >> bit & 1)
