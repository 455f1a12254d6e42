"""The battery: integer charge, and what the device gives up, in this order, as it runs out.

Charge is counted in fC (1 nA for 1 µs) and in pC delivered to tissue, each exactly, so that it
does not matter in what pieces time passes. The voltage falls evenly with the charge: a
simplification, of real cells true only in the middle.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from stimloop_hw.messages import BatteryState
from stimloop_hw.vocabulary import Refusal, Supply
from stimloop_sim.limits import Breach

if TYPE_CHECKING:
    from stimloop_sim.board import Board

_FC_PER_UAH = 3_600_000_000_000
"""1 µAh = 3600 µC = 3.6 · 10¹² fC."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A kind of battery, and what a device takes from it.

    Attributes
    ----------
    capacity_uah : int
        Charge of a new one, µAh.
    full_mv, empty_mv : int
        Voltage of a new and of an empty one, mV.
    base_na, sensing_na, stream_na : int
        Current of the electronics, of sensing and of streaming, nA.
    efficiency_permille : int
        Charge delivered to tissue for 1000 taken from the battery.
    stages_permille : tuple of int
        Charge left at which each `Supply` stage but the first begins, ‰, descending.
    """

    capacity_uah: int
    full_mv: int
    empty_mv: int
    base_na: int
    sensing_na: int
    stream_na: int
    efficiency_permille: int
    stages_permille: tuple[int, ...]

    def is_sane(self) -> bool:
        """Whether the table can be true; part of the power-on self test."""
        ladder = (1000, *self.stages_permille, 0)
        return (
            len(self.stages_permille) == len(Supply) - 1
            and all(above > below for above, below in pairwise(ladder))
            and self.full_mv > self.empty_mv > 0
            and min(self.capacity_uah, self.base_na, self.efficiency_permille) > 0
        )


class Battery:
    """What is left of a battery, and the stage that the device has come to.

    Parameters
    ----------
    cell : Cell
    board : Board
        Keeps the coulomb counters.

    Attributes
    ----------
    stage : Supply
        Falls by one step at a time, and rises at power-on only.
    """

    def __init__(self, cell: Cell, board: Board) -> None:
        self._cell = cell
        self._board = board
        self._seen_pc = 0
        # A table with zeros ends in the self test, which tells it with this battery's help.
        self._capacity_fc = max(1, cell.capacity_uah * _FC_PER_UAH)
        self._efficiency_permille = max(1, cell.efficiency_permille)
        self.stage = self._stage_of_charge()

    @property
    def left_fc(self) -> int:
        """Charge left, fC; never below 0."""
        stimulation_fc = self._board.delivered_pc * 1_000_000 // self._efficiency_permille
        return max(0, self._capacity_fc - self._board.drained_fc - stimulation_fc)

    @property
    def left_permille(self) -> int:
        """Charge left, ‰ of a new battery's."""
        return self.left_fc * 1000 // self._capacity_fc

    @property
    def is_empty(self) -> bool:
        """Whether it can supply nothing any more."""
        return not self.left_fc

    def drain(
        self, elapsed_us: int, delivered_pc: int, *, streaming: bool, sensing: bool
    ) -> None:
        """Take what the device has used.

        Parameters
        ----------
        elapsed_us : int
        delivered_pc : int
            Charge delivered to tissue since power-on, pC.
        streaming, sensing : bool
            Whether it did in this time.
        """
        cell = self._cell
        current_na = cell.base_na + streaming * cell.stream_na + sensing * cell.sensing_na
        self._board.drained_fc += current_na * elapsed_us
        self._board.delivered_pc += delivered_pc - self._seen_pc
        self._seen_pc = delivered_pc

    def collapse(self, left_permille: int) -> None:
        """Lose charge suddenly, down to so many per mille; what is left never grows."""
        left_fc = self._capacity_fc * left_permille // 1000
        self._board.drained_fc += max(0, self.left_fc - left_fc)

    def _stage_of_charge(self) -> Supply:
        left_permille = self.left_permille
        return Supply(sum(left_permille <= edge for edge in self._cell.stages_permille))

    def step_down(self) -> bool:
        """Go down by one stage if the charge asks for it: whether it did."""
        edges_permille = self._cell.stages_permille
        if self.stage == Supply.EOS or self.left_permille > edges_permille[self.stage]:
            return False
        self.stage = Supply(self.stage + 1)
        return True

    def check(self, stage: Supply) -> Breach | None:
        """Whether what this stage gives up is still there."""
        return Breach(Refusal.BATTERY, self.left_permille) if self.stage >= stage else None

    def report(self) -> BatteryState:
        """What the host is told."""
        cell, left_permille = self._cell, self.left_permille
        span_mv = cell.full_mv - cell.empty_mv
        return BatteryState(
            self.stage,
            left_permille,
            cell.empty_mv + span_mv * left_permille // 1000,
            self.left_fc // _FC_PER_UAH,
            cell.capacity_uah,
        )
