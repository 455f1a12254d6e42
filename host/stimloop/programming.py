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

_NAMES = {p.value: p.name.lower() for p in (*Parameter, *LoopParameter)}
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
    programs = group.set
    for stage in stages_of(programs, TXN):
        staged = link.request(stage, Staged)
        if staged.entries != stage.entries:
            raise ReadBackDiffers(list(differences(stage.entries, staged.entries)))
    if staged.staged_crc != programs.crc():
        raise ReadBackDiffers([])
    committed = link.request(
        Commit(TXN, programs.crc(), group.number), Committed, link.t_us + COMMIT_LATEST_US
    )
    if committed.program_crc != programs.crc() or committed.group != group.number:
        raise ReadBackDiffers([])
    return group


def differences(sent: bytes, held: bytes) -> Iterator[str]:
    """Say what a device holds otherwise than it was sent, entry by entry."""
    found = _values(held)
    for (number, place), value in _values(sent).items():
        if found.get((number, place)) != value:
            name = _NAMES[number]
            yield (
                f"{name} of program {place_name(place)} was sent as {value}, is held as "
                f"{found.get((number, place), 'nothing')}"
            )


def _values(entries: bytes) -> dict[tuple[int, int], int]:
    whole = len(entries) // ENTRY.size * ENTRY.size
    rows = ENTRY.iter_unpack(entries[:whole])
    return {(number, place): value for number, place, value in rows}
