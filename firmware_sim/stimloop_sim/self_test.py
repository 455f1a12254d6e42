"""The power-on self test: a table of named checks; without all of them nothing is delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from stimloop_hw.vocabulary import SelfTest
from stimloop_sim import limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stimloop_sim.board import Board
    from stimloop_sim.sensing import FrontEnd
    from stimloop_sim.therapy import Therapy

_PATTERNS = (0x55, 0xAA, 0x00)


def _ram(board: Board, _therapy: Therapy, _front_end: FrontEnd) -> bool:
    """Each cell holds each pattern, and all of them at once: no bit sticks."""
    for pattern in _PATTERNS:
        for address in range(len(board.ram)):
            board.ram[address] = pattern
        if board.ram.count(pattern) != len(board.ram):
            return False
    return True


def _store(_board: Board, therapy: Therapy, _front_end: FrontEnd) -> bool:
    """The CRC is computed as it has to be (its published check value), and the bank keeps."""
    return crc32(b"123456789") == 0xCBF43926 and therapy.store.is_intact()


def _profile(_board: Board, therapy: Therapy, _front_end: FrontEnd) -> bool:
    """The limit table is the last thing between an order and tissue."""
    return limits.check_table(therapy.profile) and therapy.profile.battery.is_sane()


def _output(_board: Board, therapy: Therapy, _front_end: FrontEnd) -> bool:
    """No pulse has left, and none would."""
    pulses = therapy.pulses
    moving = any(amplitude_ua for _, amplitude_ua, _ in pulses.outputs)
    return not (pulses.pulses or moving or pulses.net_fc)


def _watchdog(board: Board, _therapy: Therapy, _front_end: FrontEnd) -> bool:
    return board.watchdog.armed


def _converter(_board: Board, _therapy: Therapy, front_end: FrontEnd) -> bool:
    return front_end.is_in_range()


CHECKS: Mapping[SelfTest, Callable[[Board, Therapy, FrontEnd], bool]] = {
    SelfTest.RAM: _ram,
    SelfTest.STORE: _store,
    SelfTest.PROFILE: _profile,
    SelfTest.OUTPUT: _output,
    SelfTest.WATCHDOG: _watchdog,
    SelfTest.CONVERTER: _converter,
}
"""Every check, in the order in which they are made."""


def find_failure(board: Board, therapy: Therapy, front_end: FrontEnd) -> SelfTest | None:
    """The first check that fails; None if all pass."""
    for name, check in CHECKS.items():
        if name in board.defects or not check(board, therapy, front_end):
            return name
    return None
