"""What Limits.rows carries: runs of allowed values, and each contact with its bound.

This is vocabulary, not permission: the device's gate and the host's judge by it, each in its
own way.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, unique
from typing import TYPE_CHECKING

from stimloop_hw.program import Parameter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stimloop_hw.messages import Limits

_RUN = struct.Struct("<BIHH")
_CONTACTS = struct.Struct("<BBBIiIB")


@unique
class Shape(IntEnum):
    """Form of a contact."""

    RING = 1
    SEGMENT = 2
    CUFF = 3


@unique
class Bounding(IntEnum):
    """Which bound is the smallest for the charge per phase on a contact."""

    DENSITY = 1
    SHANNON = 2
    RANGE = 3


@dataclass(frozen=True, slots=True)
class Run:
    """Values ``low, low + step, …, high`` of one parameter, in its unit."""

    low: int
    high: int
    step: int


@dataclass(frozen=True, slots=True)
class Contact:
    """One contact of the lead.

    Attributes
    ----------
    shape : Shape
    area_um2 : int
        Geometric area, µm².
    amplitude_max_ua : int
        Largest current on it, µA.
    charge_max_nc : int
        Largest charge per phase on it, nC.
    bounding : Bounding
        What that charge comes from.
    """

    shape: Shape
    area_um2: int
    amplitude_max_ua: int
    charge_max_nc: int
    bounding: Bounding


def pack_rows(
    runs: Mapping[Parameter, tuple[Run, ...]], contacts: Iterable[tuple[int, Contact]]
) -> bytes:
    """Rows as the device tells them.

    Parameters
    ----------
    runs : mapping of Parameter to tuple of Run
        Of parameters whose values are no single run, ascending.
    contacts : iterable of (int, Contact)
        How many like this follow one another on the lead, from contact 0.
    """
    rows = [
        _RUN.pack(parameter, run.low, run.step, (run.high - run.low) // run.step)
        for parameter, parts in runs.items()
        for run in parts
    ]
    rows += [
        _CONTACTS.pack(
            Parameter.CATHODES,
            count,
            contact.shape,
            contact.area_um2,
            contact.amplitude_max_ua,
            contact.charge_max_nc,
            contact.bounding,
        )
        for count, contact in contacts
    ]
    return b"".join(rows)


def unpack_rows(rows: bytes) -> tuple[dict[Parameter, tuple[Run, ...]], tuple[Contact, ...]]:
    """Read `Limits.rows`.

    Returns
    -------
    runs : dict of Parameter to tuple of Run
    contacts : tuple of Contact
        From contact 0 of the lead.

    Raises
    ------
    ValueError
        If the bytes are no such rows.
    """
    runs: dict[Parameter, tuple[Run, ...]] = {}
    contacts: list[Contact] = []
    try:
        while rows:
            if rows[0] == Parameter.CATHODES:
                _, count, shape, area_um2, top_ua, charge_nc, bounding = _CONTACTS.unpack_from(
                    rows
                )
                contact = Contact(Shape(shape), area_um2, top_ua, charge_nc, Bounding(bounding))
                contacts += [contact] * count
                rows = rows[_CONTACTS.size :]
            else:
                number, low, step, steps = _RUN.unpack_from(rows)
                parameter = Parameter(number)
                run = Run(low, low + steps * step, step)
                runs[parameter] = (*runs.get(parameter, ()), run)
                rows = rows[_RUN.size :]
    except (struct.error, ValueError) as problem:
        raise ValueError(
            f"the rows of Limits are not readable ({problem}); match the releases of both ends"
        ) from None
    return runs, tuple(contacts)


def runs_of(limits: Limits, parameter: Parameter) -> tuple[Run, ...]:
    """Values that a device allows for amplitude, width or period: at least one run."""
    whole = {
        Parameter.AMPLITUDE_MAX_UA: Run(0, limits.amplitude_max_ua, limits.amplitude_step_ua),
        Parameter.WIDTH_US: Run(limits.width_min_us, limits.width_max_us, limits.width_step_us),
        Parameter.PERIOD_MIN_US: Run(
            limits.period_min_us, limits.period_max_us, limits.period_step_us
        ),
    }[parameter]
    return unpack_rows(limits.rows)[0].get(parameter, (whole,))


def contacts_of(limits: Limits) -> tuple[Contact, ...]:
    """Contacts of a device's lead; where it tells no rows, all are as the smallest one."""
    contacts = unpack_rows(limits.rows)[1]
    smallest = Contact(
        Shape.RING,
        limits.contact_area_um2,
        limits.amplitude_max_ua,
        limits.charge_max_nc,
        Bounding.DENSITY,
    )
    return contacts or (smallest,) * limits.contacts
