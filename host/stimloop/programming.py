"""Programming a device: stage part by part, compare each read-back, commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop.errors import ReadBackDiffers
from stimloop_hw.groups import place_name
from stimloop_hw.loop import LoopParameter
from stimloop_hw.messages import Commit, Committed, Staged
from stimloop_hw.program import ENTRY, Parameter
from stimloop_hw.staging import stages_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop.group import Group
    from stimloop.prescription import Prescription
    from stimloop_hw import Link
    from stimloop_hw.messages import Limits

NAMES = {p.value: p.name.lower() for p in (*Parameter, *LoopParameter)}
"""Of a program's parameters, by their numbers."""
COMMIT_LATEST_US = 500_000
"""Commit is void so long after it was decided."""
TXN = 1
"""Number of what is staged: a host has one set at a time."""


def program_device(link: Link, prescription: Prescription, limits: Limits) -> Group:
    """Stage the prescription's programs, compare the read-back, commit.

    Parameters
    ----------
    link : Link
    prescription : Prescription
    limits : Limits

    Returns
    -------
    Group
        What the device has committed.

    Raises
    ------
    PrescriptionError
        If the device's limits do not allow it; nothing was sent then.
    OrderRefused
        If the device refuses it.
    ReadBackDiffers
        If the device holds something else than it was sent; it is not committed then.
    """
    group = prescription.programs(limits)
    stage(link, group)
    commit(link, group)
    return group


def stage(link: Link, group: Group) -> dict[tuple[int, int], int]:
    """Send a group, part by part, and compare each read-back; nothing acts yet.

    Parameters
    ----------
    link : Link
    group : Group

    Returns
    -------
    dict
        Number of the parameter and place of the program → value, as the device holds it.

    Raises
    ------
    OrderRefused, ReadBackDiffers
        As `program_device`.
    """
    held: dict[tuple[int, int], int] = {}
    for sent in stages_of(group.set, TXN):
        staged = link.request(sent, Staged)
        if staged.entries != sent.entries:
            raise ReadBackDiffers(list(differences(sent.entries, staged.entries)))
        held |= values_of(staged.entries)
    if staged.staged_crc != group.set.crc():
        raise ReadBackDiffers([])
    return held


def commit(link: Link, group: Group) -> None:
    """Make the group that was staged the committed one.

    Parameters
    ----------
    link : Link
    group : Group

    Raises
    ------
    OrderRefused, ReadBackDiffers
        As `program_device`.
    """
    crc = group.set.crc()
    order = Commit(TXN, crc, group.number)
    committed = link.request(order, Committed, link.t_us + COMMIT_LATEST_US)
    if committed.program_crc != crc or committed.group != group.number:
        raise ReadBackDiffers([])


def differences(sent: bytes, held: bytes) -> Iterator[str]:
    """Say what a device holds otherwise than it was sent, entry by entry."""
    found = values_of(held)
    for (number, place), value in values_of(sent).items():
        if found.get((number, place)) != value:
            name = NAMES[number]
            yield (
                f"{name} of program {place_name(place)} was sent as {value}, is held as "
                f"{found.get((number, place), 'nothing')}"
            )


def values_of(entries: bytes) -> dict[tuple[int, int], int]:
    """Number of the parameter and place of the program → value, in the order of the entries."""
    whole = len(entries) // ENTRY.size * ENTRY.size
    rows = ENTRY.iter_unpack(entries[:whole])
    return {(number, place): value for number, place, value in rows}
