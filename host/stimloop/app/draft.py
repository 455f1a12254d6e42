"""A prescription under edit: tables that may not fit yet, with undo.

It holds what was typed, and two rules of the programming of leads: an amplitude is locked until
there are a cathode and an anode, and contacts that change set it to 0 mA. Everything else is
judged by `stimloop.prescription` and by the device.
"""

from __future__ import annotations

import tomllib
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import tomli_w

from stimloop import prescription

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stimloop.prescription import Prescription

Tables = dict[str, Any]
_DEPTH = 200
"""Edits that can be undone."""
_AMPLITUDES = ("amplitude_ma", "amplitude_min_ma", "fallback_ma")
POLES = ("cathodes", "anodes")


class Draft:
    """One prescription, by its tables as in the file.

    Parameters
    ----------
    tables : dict
        ``schema`` taken out.
    """

    def __init__(self, tables: Tables) -> None:
        self.tables = deepcopy(tables)
        self._before: list[Tables] = []
        self._after: list[Tables] = []

    @classmethod
    def of_text(cls, text: str) -> Draft:
        """The draft of a prescription's file.

        Raises
        ------
        PrescriptionError
            If it is none.
        """
        prescription.loads(text)
        tables = tomllib.loads(text)
        tables.pop("schema")
        return cls(tables)

    @property
    def text(self) -> str:
        """The file, whether it fits or not."""
        return tomli_w.dumps({"schema": prescription.SCHEMA, **self.tables})

    def prescribed(self) -> Prescription:
        """What `stimloop run` takes.

        Raises
        ------
        PrescriptionError
            If it does not fit yet, with every reason.
        """
        return prescription.loads(self.text)

    @property
    def programs(self) -> list[Tables]:
        """The group's programs, the one that the loop moves first."""
        return [self.tables["stimulation"], *self.tables.get("interleaved", [])]

    @property
    def can_undo(self) -> bool:
        """Whether there is an edit to take back."""
        return bool(self._before)

    @property
    def can_redo(self) -> bool:
        """Whether an edit was taken back."""
        return bool(self._after)

    def undo(self) -> None:
        """Take the latest edit back."""
        if self._before:
            self._after.append(self.tables)
            self.tables = self._before.pop()

    def redo(self) -> None:
        """Do it again."""
        if self._after:
            self._before.append(self.tables)
            self.tables = self._after.pop()

    def replace(self, tables: Tables) -> None:
        """Take other tables whole, as one edit."""
        self._edit()
        self.tables = deepcopy(tables)

    def put(self, table: str, name: str, value: object, program: int = 0) -> None:
        """Write one key, as one edit.

        Parameters
        ----------
        table : str
            Name of the table; empty for the file's top. A table that is not there is made.
        name : str
            Key.
        value : object
            None removes the key, and a table with its last key.
        program : int
            Of the group, for ``stimulation``.

        Raises
        ------
        ValueError
            For an amplitude while it is locked.
        """
        if table == "stimulation" and name in _AMPLITUDES and value and self.locked(program):
            raise ValueError(
                f"{name} is locked: choose at least one cathode and one anode first"
            )
        if self.value(table, name, program) == value:
            return
        self._edit()
        owner = self._owner(table, program)
        if value is None:
            owner.pop(name, None)
        else:
            owner[name] = value
        if table and not owner:
            del self.tables[table]

    def value(self, table: str, name: str, program: int = 0) -> Any:  # noqa: ANN401  TOML's
        """What is written, None if nothing is."""
        if table == "stimulation":
            return self.programs[program].get(name)
        owner = self.tables if not table else self.tables.get(table, {})
        return owner.get(name)

    def _owner(self, table: str, program: int) -> Tables:
        if not table:
            return self.tables
        if table == "stimulation":
            return self.programs[program]
        owner: Tables = self.tables.setdefault(table, {})
        return owner

    def _edit(self) -> None:
        self._before = [*self._before[1 - _DEPTH :], deepcopy(self.tables)]
        self._after.clear()

    # Contacts ------------------------------------------------------------------------------

    def locked(self, program: int = 0) -> bool:
        """Whether the amplitude may not be raised: a pole has no contact."""
        return not all(self.programs[program].get(pole) for pole in POLES)

    def pole(self, contact: str, program: int = 0) -> str:
        """``"cathodes"``, ``"anodes"`` or empty, for a contact."""
        return next((p for p in POLES if contact in self.programs[program].get(p, ())), "")

    def cycle(self, contact: str, share_step_percent: int, program: int = 0) -> None:
        """Turn a contact from off to cathode, to anode, to off; amplitudes become 0 mA.

        Parameters
        ----------
        contact : str
            ``"0"`` to ``"14"`` or ``"case"``.
        share_step_percent : int
            Of the device; 0 or 100 where it ties the contacts of a pole together.
        program : int
        """
        pole = {"": "cathodes", "cathodes": "anodes", "anodes": ""}[self.pole(contact, program)]
        self._edit()
        owner = self.programs[program]
        for name in POLES:
            owner[name] = [other for other in owner.get(name, []) if other != contact]
        if pole:
            owner[pole] = sorted([*owner[pole], contact], key=_order)
        self._silence(owner)
        self._split(owner, share_step_percent)

    def share(self, contact: str, percent: int, step: int, program: int = 0) -> None:
        """Give a contact so much of its pole's current; the others of the pole take the rest.

        Parameters
        ----------
        contact : str
            One of several of its pole.
        percent : int
            As wished; the nearest step that leaves each of the others one is taken.
        step : int
            Of the device's shares, percent.
        program : int

        Notes
        -----
        The split moves current between contacts, so that amplitudes become 0 mA.
        """
        owner = self.programs[program]
        names = owner[self.pole(contact, program)]
        others = [name for name in names if name != contact]
        most = 100 - step * len(others)
        given = min(max(round(percent / step) * step, step), most)
        self._edit()
        owner = self.programs[program]
        shares = owner.setdefault("shares_percent", {})
        before = [shares.get(name, 1) for name in others]
        for name, part in zip(others, _parts(100 - given, before, step), strict=True):
            shares[name] = part
        shares[contact] = given
        self._silence(owner)

    @staticmethod
    def _silence(owner: Tables) -> None:
        for name in _AMPLITUDES:
            if name in owner:
                owner[name] = 0.0

    @staticmethod
    def _split(owner: Tables, step: int) -> None:
        """Equal shares for each pole of several contacts, where the device can share."""
        owner.pop("shares_percent", None)
        several = [owner[pole] for pole in POLES if len(owner[pole]) > 1]
        if not several or step in (0, 100):
            return
        owner["shares_percent"] = {
            name: part
            for names in (owner[pole] for pole in POLES)
            for name, part in zip(names, _parts(100, [1] * len(names), step), strict=True)
        }

    # Programs ------------------------------------------------------------------------------

    def add_program(self) -> None:
        """A further program of the group, like the first one, with no contacts yet."""
        self._edit()
        first = self.tables["stimulation"]
        self.tables.setdefault("interleaved", []).append(
            {
                "amplitude_ma": 0.0,
                "pulse_width_us": first["pulse_width_us"],
                "cathodes": [],
                "anodes": [],
            }
        )

    def remove_program(self, program: int) -> None:
        """Take a further program out of the group."""
        self._edit()
        del self.tables["interleaved"][program - 1]
        if not self.tables["interleaved"]:
            del self.tables["interleaved"]


def copied(tables: Tables) -> Tables:
    """Tables for another lead: the same, with every amplitude 0 mA, and for any device."""
    other = deepcopy(tables)
    other.pop("device_id", None)
    for owner in (other["stimulation"], *other.get("interleaved", [])):
        Draft._silence(owner)  # noqa: SLF001  its own rule
    return other


def _order(contact: str) -> tuple[bool, int]:
    return (contact == "case", 0 if contact == "case" else int(contact))


def _parts(whole: int, weights: Sequence[int], step: int) -> list[int]:
    """Split a whole by weights into parts of whole steps, each at least one."""
    if not weights:
        return []
    units, rest = divmod(whole, step)
    spare = units - len(weights)
    parts = [1 + spare * weight // sum(weights) for weight in weights]
    for number in range(units - sum(parts)):
        parts[number % len(parts)] += 1
    return [part * step + (rest if number == 0 else 0) for number, part in enumerate(parts)]
