"""The audit log: who did what when, in rows that hang together.

Every row carries the SHA-256 of itself and the row before, so that an edited, torn or missing
row breaks the chain from there on; only rows at the end can be taken away unseen, which is why
each session's record names the row that it began with. What is broken is left as it is and
said, and a log of its own is begun beside it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

from stimloop.station.errors import AuditBroken

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIRST: Final = "0" * 64
"""Hash before the first row."""
_TABLE = """\
CREATE TABLE IF NOT EXISTS audit (
    number INTEGER PRIMARY KEY,
    utc TEXT NOT NULL,
    device_us INTEGER NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    detail TEXT NOT NULL,
    outcome TEXT NOT NULL,
    before TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT"""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One thing that was done.

    Attributes
    ----------
    number : int
        From 1, without a gap.
    utc : str
        When, ISO 8601.
    device_us : int
        Device time, µs; 0 without a device.
    who : str
        User, process and name of the caller; ``station`` for what nobody asked for.
    what : str
        The request's name, or what happened.
    detail : str
        With what, as JSON.
    outcome : str
        What came of it, in words.
    before, hash : str
        SHA-256 of the row before, and of this one behind it; 64 hexadecimal digits.
    """

    number: int
    utc: str
    device_us: int
    who: str
    what: str
    detail: str
    outcome: str
    before: str
    hash: str

    def computed(self) -> str:
        """The hash that this row must have."""
        *values, _ = astuple(self)
        return hashlib.sha256(json.dumps(values, ensure_ascii=False).encode()).hexdigest()


class Audit:
    """An open log, which is only appended to.

    Attributes
    ----------
    path : Path
    broken : str
        What was found in the log before this one, in a sentence; empty if it was whole.
    """

    def __init__(self, path: Path, broken: str = "") -> None:
        self.path = path
        self.broken = broken
        self._database = sqlite3.connect(path, isolation_level=None)
        # No sync at each row, and no checkpoint in the midst of a session: neither may make
        # the loop wait. A killed process loses no row, a power failure perhaps the latest.
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.execute("PRAGMA wal_autocheckpoint=0")
        self._database.execute(_TABLE)
        path.chmod(0o600)
        last = list(self._database.execute(f"{_ALL} DESC LIMIT 1"))
        self._last = AuditRow(*last[0]) if last else None

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Open the log of a directory, or begin another where the latest one is broken.

        Parameters
        ----------
        directory : Path
            Made if it does not exist.
        """
        directory.mkdir(parents=True, exist_ok=True)
        path = latest_log(directory)
        if not path.exists():
            return cls(path)
        try:
            verify(path)
        except AuditBroken as problem:
            number = len(list(directory.glob(_LOGS))) + 1
            audit = cls(directory / f"audit-{number}.sqlite", str(problem))
            audit.append("station", "audit", {"before": path.name}, audit.broken)
            return audit
        return cls(path)

    @property
    def head(self) -> tuple[int, str]:
        """Number and hash of the latest row."""
        return (0, FIRST) if self._last is None else (self._last.number, self._last.hash)

    def append(
        self, who: str, what: str, detail: dict[str, object], outcome: str, device_us: int = 0
    ) -> AuditRow:
        """Write a row; its parameters are those of `AuditRow`."""
        number, before = self.head
        row = AuditRow(
            number + 1,
            datetime.now(UTC).isoformat(),
            device_us,
            who,
            what,
            json.dumps(detail, ensure_ascii=False),
            outcome,
            before,
            "",
        )
        row = replace(row, hash=row.computed())
        marks = ", ".join("?" * len(astuple(row)))
        self._database.execute(f"INSERT INTO audit VALUES ({marks})", astuple(row))  # noqa: S608
        self._last = row
        return row

    def settle(self) -> None:
        """Bring what waits in the write-ahead log into the file: where no session runs."""
        self._database.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Settle, and let go."""
        self.settle()
        self._database.close()


_ALL = "SELECT number, utc, device_us, who, what, detail, outcome, before, hash FROM audit"
_ALL += " ORDER BY number"
_LOGS = "audit*.sqlite"


def latest_log(directory: Path) -> Path:
    """The log that is written to: ``audit.sqlite``, or the latest behind a broken one."""
    number = len(list(directory.glob(_LOGS)))
    return directory / (f"audit-{number}.sqlite" if number > 1 else "audit.sqlite")


def rows(path: Path) -> Iterator[AuditRow]:
    """Every row of a log, also while a station writes in it.

    Raises
    ------
    AuditBroken
        If the file is no log, or SQLite finds it damaged.
    """
    address = f"{path.absolute().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True)) as database:
            for values in database.execute(_ALL):
                yield AuditRow(*values)
    except sqlite3.Error as problem:
        raise AuditBroken(
            f"the audit log {path} cannot be read ({problem}); keep it as it is, and find out "
            "what happened to it"
        ) from problem


def verify(path: Path) -> int:
    """Follow the chain from its first row to its last.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    AuditBroken
        If a row is not what was written, with its number.
    """
    number, before = 0, FIRST
    for row in rows(path):
        number += 1
        if row.number != number:
            raise AuditBroken(_said(path, number, "is missing"))
        if row.before != before:
            raise AuditBroken(_said(path, number, "does not follow the one before it"))
        if row.hash != row.computed():
            raise AuditBroken(_said(path, number, "is not what was written"))
        before = row.hash
    return number


def _said(path: Path, number: int, what: str) -> str:
    return (
        f"row {number} of the audit log {path} {what}; keep the file as it is, and find out "
        "who changed it"
    )
