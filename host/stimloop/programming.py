"""Programming a device: stage, compare the read-back, commit."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from stimloop_hw import OrderRefused
from stimloop_hw.messages import (
    Commit,
    Committed,
    Stage,
    Staged,
)
from stimloop_hw.vocabulary import Refusal

if TYPE_CHECKING:
    from stimloop.prescription import Prescription
    from stimloop_hw import Link
    from stimloop_hw.messages import Limits
    from stimloop_hw.program import Program

COMMIT_LATEST_US = 500_000
"""Commit is void so long after it was decided."""


def program_device(link: Link, prescription: Prescription, limits: Limits) -> Program:
    """Stage the prescription's program, compare the read-back, commit.

    Parameters
    ----------
    link : Link
    prescription : Prescription
    limits : Limits

    Returns
    -------
    Program
        What the device has committed.

    Raises
    ------
    PrescriptionError
        If the device's limits do not allow it; nothing was sent then.
    OrderRefused
        If the device refuses it, or reads back something else.
    """
    prescription.check(limits)
    program = prescription.program(limits)
    parts = list(program.parts())
    told = b""
    for part, entries in enumerate(parts):
        staged = link.request(Stage(1, part, len(parts), entries), Staged)
        told += entries
        if staged.entries != entries or staged.staged_crc != crc32(told):
            raise OrderRefused("Stage", Refusal.CRC_MISMATCH, staged.staged_crc)
    link.request(Commit(1, program.crc()), Committed, link.t_us + COMMIT_LATEST_US)
    return program
