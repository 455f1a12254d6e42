"""Evidence: a folder that says what was asked of which device, on what, and what came of it.

::

    DIRECTORY/evidence.json    everything but the raw records; what `--diff` compares
              matrix.csv       hazard, requirement, test, result: a line for each pair
              junit.xml        the same for machines
              report.html      the same for people; stands alone
              pulses.csv       ordered, quantised and delivered, pulse by pulse
              raw/NAME.jsonl   the wire's bytes, and the pulses that the witness saw
              manifest.sha256  of all of these: sha256sum --check manifest.sha256
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stimloop.errors import RecordError
from stimloop.page import render
from stimloop.rig.conduct import Verdict
from stimloop.rig.hazards import HAZARDS
from stimloop.rig.junit import junit
from stimloop_hw.messages import TABLE_CRC

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stimloop.rig.conduct import Conducted
    from stimloop.rig.enact import Enacted
    from stimloop.rig.measure import Measured

SCHEMA = 1
MADE_OF = ("stimloop", "numpy", "scipy", "pyarrow", "pydantic", "pyserial")
"""Packages whose versions belong to the evidence."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was asked.

    Attributes
    ----------
    suite, name : str
    requirement : str
    hazards : tuple of str
    verdict : str
    said : str
    seconds : float
    """

    suite: str
    name: str
    requirement: str
    hazards: tuple[str, ...]
    verdict: str
    said: str
    seconds: float


def rows_of(conducted: Conducted, played: Sequence[Enacted]) -> list[Row]:
    """Obligations and scenarios, one after the other."""
    rows = [
        Row(
            str(o.obligation.suite),
            o.obligation.name,
            o.obligation.requirement,
            o.obligation.hazards,
            str(o.verdict),
            o.said,
            o.seconds,
        )
        for o in conducted.outcomes
    ]
    rows += [
        Row(
            "scenarios",
            p.name,
            f"{p.scenario.name}.",
            p.scenario.hazards,
            str(p.verdict),
            "; ".join(p.said),
            p.seconds,
        )
        for p in played
    ]
    return rows


def write_evidence(
    directory: Path,
    conducted: Conducted,
    played: Sequence[Enacted],
    measured: Measured | None,
) -> dict[str, Any]:
    """Write the folder.

    Parameters
    ----------
    directory : Path
        Empty or not there.
    conducted : Conducted
    played : sequence of Enacted
    measured : Measured or None
        Pulses beside what was ordered; None where no witness saw them.

    Returns
    -------
    dict
        What stands in evidence.json.

    Raises
    ------
    RecordError
        If there is something in the directory, or it cannot be written.
    """
    rows = rows_of(conducted, played)
    evidence = _evidence(conducted, played, measured, rows)
    texts = {
        "evidence.json": json.dumps(evidence, indent=1, ensure_ascii=False) + "\n",
        "matrix.csv": _matrix(rows),
        "junit.xml": junit(rows, str(evidence["utc"])),
        "report.html": _page(evidence, rows, measured),
    }
    if measured is not None:
        texts["pulses.csv"] = measured.csv()
    raw = {o.obligation.name: o.raw for o in conducted.outcomes}
    raw |= {f"scenario_{p.name}": tuple(p.lines()) for p in played}
    texts |= {f"raw/{name}.jsonl": "".join(f"{x}\n" for x in raw[name]) for name in raw}
    sums = [f"{hashlib.sha256(t.encode()).hexdigest()}  {n}\n" for n, t in texts.items()]
    texts["manifest.sha256"] = "".join(sums)
    try:
        (directory / "raw").mkdir(parents=True)
        for name, text in texts.items():
            (directory / name).write_text(text, "utf-8")
    except OSError as problem:
        raise RecordError(
            f"evidence cannot be written to {directory} ({problem.strerror}); name a directory "
            "that is empty or not there"
        ) from problem
    return evidence


def _evidence(
    conducted: Conducted,
    played: Sequence[Enacted],
    measured: Measured | None,
    rows: Sequence[Row],
) -> dict[str, Any]:
    verdicts = [row.verdict for row in rows]
    return {
        "schema": SCHEMA,
        "utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": {"url": conducted.url, **conducted.device},
        "limits": conducted.limits,
        "scenario_devices": sorted({p.url for p in played}),
        "host": {
            "table_crc": f"{TABLE_CRC:08X}",
            **{name: _version(name) for name in MADE_OF},
            "python": platform.python_version(),
            "system": platform.platform(),
            "processor": _processor(),
            "cores": os.cpu_count(),
        },
        "calibration": "none; what a witness tells is taken as it is",
        "counts": {verdict: verdicts.count(verdict) for verdict in Verdict},
        "pulses": {} if measured is None else measured.summary(),
        "rows": [asdict(row) for row in rows],
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _matrix(rows: Sequence[Row]) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["hazard", "title", "requirement", "suite", "test", "result", "said"])
    for number, title in HAZARDS.items():
        for row in rows:
            if number in row.hazards:
                cells = (row.requirement, row.suite, row.name, row.verdict, row.said)
                writer.writerow([number, title, *cells])
    return text.getvalue()


def _page(evidence: Mapping[str, Any], rows: Sequence[Row], measured: Measured | None) -> str:
    return render(
        "evidence.html",
        title=f"Evidence: {evidence['device']['model']}",
        evidence=evidence,
        hazards={
            f"{number} {title}": [row for row in rows if number in row.hazards]
            for number, title in HAZARDS.items()
        },
        open_rows=[row for row in rows if row.verdict in {"broken", "undecided"}],
        measured=None if measured is None else measured.table(),
    )
