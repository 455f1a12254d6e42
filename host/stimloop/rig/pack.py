"""Two packs of evidence side by side: what is another device, host or result."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stimloop.errors import RecordError
from stimloop.rig.evidence import SCHEMA

if TYPE_CHECKING:
    from pathlib import Path

COMPARED = ("device", "limits", "host", "pulses")
"""Tables of evidence.json that are compared key by key, beside the results."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same in both.

    Attributes
    ----------
    about : str
        ``result``, or the table that it stands in.
    name : str
    before, after : str
    worse : bool
        A result that was good and is not, or was asked and is not any more.
    """

    about: str
    name: str
    before: str
    after: str
    worse: bool = False


def read_evidence(directory: Path) -> dict[str, Any]:
    """What stands in a pack's evidence.json.

    Raises
    ------
    RecordError
        If there is none, or of another schema.
    """
    path = directory / "evidence.json"
    try:
        evidence: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as problem:
        raise RecordError(
            f"{directory} is no evidence ({problem}); name what stimloop rig --report wrote"
        ) from problem
    if evidence.get("schema") != SCHEMA:
        raise RecordError(
            f"{directory} has schema {evidence.get('schema')}, this stimloop reads {SCHEMA}; "
            "use the stimloop that wrote it, or run the rig again"
        )
    return evidence


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[Difference]:
    """What is not the same, results first.

    Parameters
    ----------
    before, after : dict
        Of `read_evidence`.
    """
    found = _results(before, after)
    for table in COMPARED:
        old, new = before[table], after[table]
        found += [
            Difference(table, key, str(old.get(key, "–")), str(new.get(key, "–")))
            for key in {**old, **new}
            if old.get(key) != new.get(key)
        ]
    return found


def _results(before: dict[str, Any], after: dict[str, Any]) -> list[Difference]:
    old = {row["name"]: row for row in before["rows"]}
    new = {row["name"]: row for row in after["rows"]}
    found = []
    for name in {**old, **new}:
        was, is_now = _result(old.get(name)), _result(new.get(name))
        if was != is_now:
            kept = was.startswith("kept") and not is_now.startswith("kept")
            found.append(Difference("result", name, was, is_now, worse=kept))
    return sorted(found, key=lambda difference: not difference.worse)


def _result(row: dict[str, Any] | None) -> str:
    if row is None:
        return "not asked"
    return f"{row['verdict']}: {row['said']}" if row["said"] else str(row["verdict"])
