"""The host's gate for a group: what programs that are interleaved may do together.

Each program alone is judged by `stimloop.gate`, as if it had the whole period.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from stimloop.errors import Violation
from stimloop.quantities import exact
from stimloop.tables import Interleaved
from stimloop_hw.groups import NAMES
from stimloop_hw.program import PASSIVE
from stimloop_hw.ranges import contacts_of, room_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop.prescription import Prescription
    from stimloop_hw.messages import Limits
    from stimloop_hw.ranges import Contact

_UM2_PER_CM2 = 10**8
_TABLE = "stimulation."


def renamed(violation: Violation, number: int) -> Violation:
    """What a further program is refused for, by the key that is to be changed."""
    key = violation.field.removeprefix(_TABLE)
    own = any(part in Interleaved.model_fields for part in key.split(" × "))
    return replace(violation, field=f"interleaved[{number}].{key}") if own else violation


def offsets_us(prescription: Prescription, limits: Limits) -> tuple[int, ...]:
    """When in the period each program's pulse begins, µs: after the one before, if not given.

    Parameters
    ----------
    prescription : Prescription
    limits : Limits
    """
    offsets = [0]
    end_us = prescription.stimulation.pulse_us_on(limits)
    for program in prescription.interleaved:
        offset_us = end_us if program.offset_us is None else program.offset_us
        offsets.append(offset_us)
        end_us = offset_us + program.pulse_us_on(limits)
    return tuple(offsets)


def violations(
    prescription: Prescription, limits: Limits, period_us: int
) -> Iterator[Violation]:
    """Find what the device does not allow of programs that are allowed one by one.

    Parameters
    ----------
    prescription : Prescription
    limits : Limits
    period_us : int
        The shortest, µs.

    Yields
    ------
    Violation
    """
    yield from _room(prescription, limits)
    yield from _times(prescription, limits, period_us)
    contacts = contacts_of(limits)
    for name in dict.fromkeys(n for asked in prescription.members for n in asked.parts):
        if name != "case":
            yield from _charge(prescription, limits, name, contacts[int(name)])


def _room(prescription: Prescription, limits: Limits) -> Iterator[Violation]:
    room, count = room_of(limits), len(prescription.members)
    if prescription.group not in NAMES[: room.groups]:
        yield Violation(
            "group",
            f'"{prescription.group}"',
            ", ".join(f'"{name}"' for name in NAMES[: room.groups]),
            "choose a group that the device has",
        )
    if count > room.programs:
        yield Violation(
            "interleaved",
            f"{count} programs with that of [stimulation]",
            f"at most {room.programs} in a group of this device",
            "remove the others",
        )


def _times(prescription: Prescription, limits: Limits, period_us: int) -> Iterator[Violation]:
    """Pulses follow one another, the last one ends within the shortest period."""
    end_us = 0
    members = zip(offsets_us(prescription, limits), prescription.members, strict=True)
    for number, (offset_us, asked) in enumerate(members, -1):
        if offset_us < end_us:
            yield Violation(
                f"interleaved[{number}].offset_us",
                f"{offset_us} µs",
                f"at least {end_us} µs, where the pulse before it has ended",
                "raise it, or leave it out",
            )
        end_us = offset_us + asked.pulse_us_on(limits)
        if end_us > period_us:
            yield Violation(
                f"interleaved[{number}]",
                f"a pulse that ends {end_us} µs after the period has begun",
                f"pulses that end within the period of {period_us} µs",
                "lower rate_hz, use narrower pulses or fewer programs",
            )
            return


def _charge(
    prescription: Prescription, limits: Limits, name: str, contact: Contact
) -> Iterator[Violation]:
    """One contact used by several: a passive recharge may need the whole period.

    So the charge of all such pulses counts together, and the largest that is recharged actively
    on top of it. No credit is given for a recharge that has begun.
    """
    left_nc = most_nc = Fraction(0)
    for asked in prescription.members:
        charge_nc = exact(asked.amplitude_ma) * asked.parts.get(name, 0) * asked.pulse_width_us
        if asked.recharge_ratio_on(limits) == PASSIVE:
            left_nc += charge_nc
        else:
            most_nc = max(most_nc, charge_nc)
    area_cm2 = Fraction(contact.area_um2, _UM2_PER_CM2)
    top_nc = min(Fraction(contact.charge_max_nc), limits.density_max_nc_cm2 * area_cm2)
    if left_nc + most_nc > top_nc:
        yield Violation(
            "interleaved",
            f"{float(left_nc + most_nc):g} nC on contact {name}, by programs whose recharge is "
            "passive together with another's phase",
            f"at most {float(top_nc):g} nC on a contact",
            "recharge actively, lower them, or use other contacts",
        )
