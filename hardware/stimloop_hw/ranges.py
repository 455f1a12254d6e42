"""What Limits.rows carries: runs of values, contacts and their bounds, channels, room.

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
_EVOKED = struct.Struct("<BHBH")
_ROOM = struct.Struct("<BBB")
_EVOKED_ROW = 255
_ROOM_ROW = 254
"""First bytes of such rows; parameters' numbers stay below."""


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


@dataclass(frozen=True, slots=True)
class EvokedChannel:
    """A sensing channel that listens after pulses.

    Attributes
    ----------
    rate_hz : int
        Samples per second.
    samples : int
        Length of a sweep.
    blank_us : int
        From the end of a pulse to the first sample, µs.
    """

    rate_hz: int
    samples: int
    blank_us: int


@dataclass(frozen=True, slots=True)
class Room:
    """How many groups a device holds, and how many programs one of them may have."""

    groups: int
    programs: int


ONE = Room(1, 1)
"""Of a device that tells none."""


def pack_rows(
    runs: Mapping[Parameter, tuple[Run, ...]],
    contacts: Iterable[tuple[int, Contact]],
    evoked: Iterable[EvokedChannel] = (),
    room: Room = ONE,
) -> bytes:
    """Rows as the device tells them.

    Parameters
    ----------
    runs : mapping of Parameter to tuple of Run
        Of parameters whose values are no single run, ascending.
    contacts : iterable of (int, Contact)
        How many like this follow one another on the lead, from contact 0.
    evoked : iterable of EvokedChannel, optional
        In the order of their bits in a stream's mask, behind the other sensing channels.
    room : Room
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
    rows += [
        _EVOKED.pack(_EVOKED_ROW, channel.rate_hz, channel.samples, channel.blank_us)
        for channel in evoked
    ]
    if room != ONE:
        rows.append(_ROOM.pack(_ROOM_ROW, room.groups, room.programs))
    return b"".join(rows)


def unpack_rows(
    rows: bytes,
) -> tuple[
    dict[Parameter, tuple[Run, ...]],
    tuple[Contact, ...],
    tuple[EvokedChannel, ...],
    Room,
]:
    """Read `Limits.rows`.

    Returns
    -------
    runs : dict of Parameter to tuple of Run
    contacts : tuple of Contact
        From contact 0 of the lead.
    evoked : tuple of EvokedChannel
        From the first bit behind the other sensing channels.
    room : Room

    Raises
    ------
    ValueError
        If the bytes are no such rows.
    """
    runs: dict[Parameter, tuple[Run, ...]] = {}
    contacts: list[Contact] = []
    evoked: list[EvokedChannel] = []
    room = ONE
    try:
        while rows:
            if rows[0] == Parameter.CATHODES:
                _, count, shape, area_um2, top_ua, charge_nc, bounding = _CONTACTS.unpack_from(
                    rows
                )
                contact = Contact(Shape(shape), area_um2, top_ua, charge_nc, Bounding(bounding))
                contacts += [contact] * count
                rows = rows[_CONTACTS.size :]
            elif rows[0] == _EVOKED_ROW:
                evoked.append(EvokedChannel(*_EVOKED.unpack_from(rows)[1:]))
                rows = rows[_EVOKED.size :]
            elif rows[0] == _ROOM_ROW:
                room = Room(*_ROOM.unpack_from(rows)[1:])
                rows = rows[_ROOM.size :]
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
    return runs, tuple(contacts), tuple(evoked), room


def runs_of(limits: Limits, parameter: Parameter) -> tuple[Run, ...]:
    """Values that a device allows for amplitude, width, period, time on or a magnet's swipe."""
    whole = {
        Parameter.AMPLITUDE_MAX_UA: Run(0, limits.amplitude_max_ua, limits.amplitude_step_ua),
        Parameter.WIDTH_US: Run(limits.width_min_us, limits.width_max_us, limits.width_step_us),
        Parameter.PERIOD_MIN_US: Run(
            limits.period_min_us, limits.period_max_us, limits.period_step_us
        ),
        Parameter.CYCLE_ON_MS: Run(0, limits.cycle_max_ms, 1),
        Parameter.MAGNET_SWIPE_MS: Run(0, 0, 1),
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


def evoked_of(limits: Limits) -> tuple[EvokedChannel, ...]:
    """Channels of a device that listen after pulses."""
    return unpack_rows(limits.rows)[2]


def room_of(limits: Limits) -> Room:
    """How many groups and programs a device has room for."""
    return unpack_rows(limits.rows)[3]
