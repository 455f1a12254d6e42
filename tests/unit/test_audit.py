"""The audit log: what was written stays so, or it is said which row is not."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from stimloop.station.audit import Audit, latest_log, rows, verify
from stimloop.station.errors import AuditBroken

if TYPE_CHECKING:
    from pathlib import Path


def written(directory: Path, count: int = 5) -> Path:
    audit = Audit.open(directory)
    for number in range(count):
        audit.append("somebody", "Change", {"by_ua": 100 * number}, "done", 20_000 * number)
    audit.close()
    return audit.path


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute(statement)
        database.commit()


def test_rows_say_who_did_what_when_with_which_outcome_and_hang_together(
    tmp_path: Path,
) -> None:
    path = written(tmp_path)
    first, *_, last = rows(path)
    assert (first.number, first.who, first.what, first.outcome) == (
        1,
        "somebody",
        "Change",
        "done",
    )
    assert (last.number, last.device_us, last.detail) == (5, 80_000, '{"by_ua": 400}')
    assert last.outcome == "done"
    assert last.utc.endswith("+00:00")
    assert verify(path) == 5
    assert path.stat().st_mode & 0o077 == 0


def test_a_log_is_taken_up_where_it_ended(tmp_path: Path) -> None:
    written(tmp_path)
    audit = Audit.open(tmp_path)
    assert (audit.head[0], audit.broken) == (5, "")
    audit.append("somebody", "Arm", {}, "done")
    audit.close()
    assert verify(audit.path) == 6


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        (
            "UPDATE audit SET who = 'me' WHERE number = 3",
            "row 3 .* is not what was written",
        ),
        ("UPDATE audit SET detail = '' WHERE number = 5", "row 5 .* is not what was written"),
        ("DELETE FROM audit WHERE number = 2", "row 2 .* is missing"),
        ("DELETE FROM audit WHERE number = 1", "row 1 .* is missing"),
        (
            "UPDATE audit SET before = hash WHERE number = 4",
            "row 4 .* does not follow the one before it",
        ),
        ("DROP TABLE audit", "cannot be read"),
    ],
)
def test_an_edited_or_missing_row_is_found_on_opening_and_nothing_is_overwritten(
    statement: str, sentence: str, tmp_path: Path
) -> None:
    path = written(tmp_path)
    change(path, statement)
    before = path.read_bytes()
    with pytest.raises(AuditBroken, match=sentence):
        verify(path)
    audit = Audit.open(tmp_path)
    assert audit.path != path
    assert "keep" in audit.broken
    audit.append("somebody", "Arm", {}, "done")
    audit.close()
    assert path.read_bytes() == before
    told, asked = rows(latest_log(tmp_path))
    assert told.outcome == audit.broken
    assert asked.what == "Arm"
    again = Audit.open(tmp_path)
    assert (again.path, again.broken) == (audit.path, "")
    again.close()


def test_a_torn_file_is_found_on_opening(tmp_path: Path) -> None:
    path = written(tmp_path, 200)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    audit = Audit.open(tmp_path)
    assert "cannot be read" in audit.broken
    audit.close()


def test_a_log_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    audit = Audit.open(tmp_path)
    for number in range(3):
        audit.append("somebody", "Mark", {}, "done")
        assert verify(audit.path) == number + 1
    audit.close()
