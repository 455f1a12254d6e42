"""The tissue around a lead: electrodes, their condition, and what the lead picks up.

Tissues are data: a file of `stimloop_sim/tissues` each, chosen by ``sim://…?tissue=NAME``. The
condition of the lead is state, which a fault schedule sets at a device time.
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from enum import IntEnum, unique
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from stimloop_hw.program import CASE
from stimloop_sim._electrode import Interface, Path
from stimloop_sim._pickup import Pickup
from stimloop_sim.disturbances import DISTURBANCES, NO_MAINS, Disturbance
from stimloop_sim.electrode import Cell, resting_modes, tissue_shares

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from importlib.resources.abc import Traversable

    from stimloop_sim.electrode import Output

GROWTH_US = 60_000_000
"""Encapsulation is followed in steps of so long, at fixed device times."""
RING_UM2 = 5_984_734
"""Ring contact of 1.27 × 1.5 mm, µm²."""
OPEN_UV = 20_000.0
"""Mains that an open input catches: far beyond the range of the front end, µV."""


@unique
class Condition(IntEnum):
    """What can happen to a lead."""

    OPEN = 1  # one contact: its wire is broken
    SHORT = 2  # two contacts: their wires touch
    REFERENCE_LOST = 3  # no contact: the case has lost touch


@dataclass(frozen=True, slots=True)
class TissueModel:
    """One tissue.

    Attributes
    ----------
    series_ohm : int
        Between a contact of `RING_UM2` and the tissue, Ω; that of others goes with the inverse
        root of their area, as the spreading resistance of a disk does (Newman 1966,
        doi:10.1149/1.2424003).
    capacitance_nf_cm2, leak_ohm_cm2, exchange_pa_cm2 : int
        Double layer, linear leak and exchange current of a contact, by its area.
    case_ohm, case_area_um2 : int
        The same of the case, in Ω and µm².
    rise_permille, rise_s : int
        Encapsulation: how much the series resistance rises in the end, and its time constant.
    disturbances : mapping of str to Disturbance
        By the names of `DISTURBANCES`.
    """

    series_ohm: int
    capacitance_nf_cm2: int
    leak_ohm_cm2: int
    exchange_pa_cm2: int
    case_ohm: int
    case_area_um2: int
    rise_permille: int
    rise_s: int
    disturbances: Mapping[str, Disturbance]

    @classmethod
    def named(cls, name: str) -> Self:
        """Load a tissue by the name of its file.

        Raises
        ------
        ValueError
            If there is none of this name; says which there are.
        """
        known = names()
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(f"tissue {name!r} is unknown; {hint}known are: {', '.join(known)}")
        return cls.of(tomllib.loads(_folder().joinpath(f"{name}.toml").read_text("utf-8")))

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Self:
        """Read the tables of a file; one that is left out is off."""
        case, growth = table["case"], table.get("encapsulation", {})
        return cls(
            **table["electrode"],
            case_ohm=case["series_ohm"],
            case_area_um2=case["area_um2"],
            rise_permille=growth.get("rise_permille", 0),
            rise_s=growth.get("time_s", 1),
            disturbances={
                key: kind(**table[key]) for key, kind in DISTURBANCES.items() if key in table
            },
        )

    def cell(self, area_um2: int, series_ohm: float) -> Cell:
        """The cell of a contact with this area."""
        cm2 = area_um2 * 1e-8
        return Cell(
            series_ohm,
            self.capacitance_nf_cm2 * 1e-9 * cm2,
            self.leak_ohm_cm2 / cm2,
            self.exchange_pa_cm2 * 1e-12 * cm2,
        )


def names() -> tuple[str, ...]:
    """Names of all tissues."""
    return tuple(
        sorted(
            entry.name.removesuffix(".toml")
            for entry in _folder().iterdir()
            if entry.name.endswith(".toml")
        )
    )


def _folder() -> Traversable:
    return files("stimloop_sim") / "tissues"


class Tissue:
    """The tissue around one device's lead.

    Parameters
    ----------
    model : TissueModel
    output : Output
        The device in it.

    Attributes
    ----------
    case : int
        Number of the case among the contacts: the one behind the last.
    open : set of int
        Contacts without a connection.
    shorts : set of (int, int)
        Pairs of contacts whose wires touch.
    """

    def __init__(self, model: TissueModel, output: Output) -> None:
        self.model = model
        self.output = output
        self.case = len(output.areas_um2)
        self.open: set[int] = set()
        self.shorts: set[tuple[int, int]] = set()
        self.interface = Interface(self.case + 1, output.coupling_f)
        self.cells: list[Cell] = []
        self._paths: dict[Path, dict[int, float]] = {}
        self._pickups: list[Pickup] = []
        self._grown_us = 0
        self._form(0)

    # The lead's condition ------------------------------------------------------------------

    def apply(self, t_us: int, condition: Condition, *contacts: int) -> None:
        """Let something happen to the lead.

        Parameters
        ----------
        t_us : int
            Device time now, µs.
        condition : Condition
        *contacts : int
            As many as the condition has: the case is contact `case`.

        Raises
        ------
        ValueError
            If the condition has another number of contacts, or one does not exist.
        """
        count = {Condition.OPEN: 1, Condition.SHORT: 2, Condition.REFERENCE_LOST: 0}[condition]
        known = set(contacts) <= set(range(self.case + 1))
        if len(set(contacts)) != count or len(contacts) != count or not known:
            raise ValueError(
                f"{condition.name} of contacts {contacts} is not possible; it has {count} "
                f"contacts, each from 0 to {self.case} (the case)"
            )
        match condition:
            case Condition.OPEN:
                self.open.add(contacts[0])
            case Condition.SHORT:
                self.shorts.add((min(contacts), max(contacts)))
            case _:
                self.open.add(self.case)
        self._form(t_us)

    def repair(self, t_us: int) -> None:
        """Make the lead whole again."""
        self.open.clear()
        self.shorts.clear()
        self._form(t_us)

    @property
    def due_us(self) -> int:
        """When the tissue has to be looked at again, µs; very far away if it does not grow."""
        if not self.model.rise_permille:
            return 1 << 62
        return self._grown_us + GROWTH_US - self.interface.epoch_us

    def grow(self, t_us: int) -> None:
        """Follow the encapsulation up to the latest of its fixed times."""
        while t_us >= (due_us := self.due_us):
            self._grown_us += GROWTH_US
            self._form(due_us)

    def restart(self, t_us: int) -> None:
        """The device's clock begins anew; the tissue is as old as it is.

        Parameters
        ----------
        t_us : int
            When, on the clock that ends here, µs. Its paths end with it.
        """
        self.grow(t_us)
        self.interface.restart(t_us)
        self._paths.clear()

    def _form(self, t_us: int) -> None:
        """Shape everything after what the lead is like from now on."""
        model = self.model
        self.interface.settled(t_us)
        grown = -math.expm1(-self._grown_us / (model.rise_s * 1e6))
        series_ohm = model.series_ohm * (1.0 + 1e-3 * model.rise_permille * grown)
        self.cells = [
            model.cell(area_um2, series_ohm * math.sqrt(RING_UM2 / area_um2))
            for area_um2 in self.output.areas_um2
        ]
        self.cells.append(model.cell(model.case_area_um2, model.case_ohm))
        for k, cell in enumerate(self.cells):
            self.interface.form(
                k, cell.series_ohm, cell.capacitance_f, cell.leak_ohm, cell.exchange_a
            )
        if self._paths:
            self._lay()
        for pickup in self._pickups:
            self._link(pickup)

    # Current -------------------------------------------------------------------------------

    def path(self) -> Path:
        """A way for a pulse train; it leads nowhere until it is connected."""
        return Path(
            self.interface, 1e-3 * (self.output.compliance_mv - self.output.headroom_mv)
        )

    def connect(
        self, path: Path, cathodes: int, anodes: int, shares_percent: Sequence[int] = ()
    ) -> None:
        """Lay a path between contacts given as bits.

        Parameters
        ----------
        path : Path
            Of `path`.
        cathodes, anodes : int
            Not 0; `stimloop_hw.program.CASE` is the case.
        shares_percent : sequence of int, optional
            By bit, 100 for each side; all zero or not given: the current is shared equally.
        """
        source = {}
        for mask, sign in ((cathodes, -1.0), (anodes, 1.0)):
            for bit in (k for k in range(CASE.bit_length()) if mask >> k & 1):
                contact = self.case if 1 << bit == CASE else bit
                share = 1e-2 * shares_percent[bit] if any(shares_percent) else 0.0
                source[contact] = sign * (share or 1.0 / mask.bit_count())
        self.share(path, source)

    def disconnect(self, path: Path) -> None:
        """Take a path away, if it was laid: its contacts are no longer joined to the others."""
        path.disconnect()
        if self._paths.pop(path, None) is not None and self._paths:
            self._lay()

    def share(self, path: Path, source: dict[int, float]) -> None:
        """Lay a path: each contact's signed share of the current, cathodes -1 in all."""
        self._paths[path] = source
        self._lay()

    def _lay(self) -> None:
        """Lay every path anew; between pulses the contacts of all of them are joined."""
        shares = {path: self.shares(source) for path, source in self._paths.items()}
        members = sorted({k for share in shares.values() for k in share})
        modes = resting_modes(
            [self.cells[k] for k in members], self.output.discharge_ohm, self.output.coupling_f
        )
        for path, source in self._paths.items():
            path.connect(
                members,
                [source.get(k, 0.0) for k in members],
                [shares[path].get(k, 0.0) for k in members],
                modes.rate_hz.tolist(),
                modes.to_modes.tolist(),
                modes.from_modes.tolist(),
                blocked=self.blocks(source),
            )

    def shares(self, source: Mapping[int, float]) -> dict[int, float]:
        """How a current that is given to contacts reaches tissue; see `tissue_shares`."""
        series_ohm = [cell.series_ohm for cell in self.cells]
        touching = [pair for pair in sorted(self.shorts) if not self.open & set(pair)]
        return tissue_shares(source, series_ohm, touching)

    def blocks(self, source: Mapping[int, float]) -> bool:
        """Whether one of these contacts has no connection."""
        return any(share and k in self.open for k, share in source.items())

    # Sensing -------------------------------------------------------------------------------

    def pickup(self, fs_hz: int, channels: int, seed: int) -> Pickup:
        """What the lead adds to the sensing channel between its contacts 0 and 2.

        Parameters
        ----------
        fs_hz : int
            Sampling rate, Hz.
        channels : int
            Of the front end; all pick up the same.
        seed : int
            Of every random event, 0 or more.

        Returns
        -------
        Pickup
        """
        pickup = Pickup(self.interface, fs_hz, channels)
        for place, key in enumerate(DISTURBANCES):
            noise = np.random.Generator(np.random.PCG64DXSM([seed, 1 + place]))
            if key in self.model.disturbances:
                self.model.disturbances[key].disturb(pickup, noise, fs_hz)
            elif key == "mains":
                NO_MAINS.disturb(pickup, noise, fs_hz)
        self._pickups.append(pickup)
        self._link(pickup)
        return pickup

    def _link(self, pickup: Pickup) -> None:
        pickup.link(*self.between(0, min(2, self.case - 1)))

    def between(self, first: int, second: int) -> tuple[float, float]:
        """What two contacts pass on: share of their difference, and what an open input catches.

        Returns
        -------
        gain : float
            0 or 1.
        open_uv : float
            µV; 0 while both and the case touch tissue.
        """
        apart = not self.open.isdisjoint((first, second))
        adrift = apart or self.case in self.open
        joined = (min(first, second), max(first, second)) in self.shorts
        return 0.0 if apart or joined else 1.0, OPEN_UV if adrift else 0.0
