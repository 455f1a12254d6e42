"""The trends of a device: what it saw and gave in each ten minutes of its last sixty days."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from stimloop_hw import Link, WrongPeer
from stimloop_hw.keys import DEVELOPMENT_KEY
from stimloop_hw.messages import GetTrends, Trends
from stimloop_hw.trends import unpack
from stimloop_hw.vocabulary import Role

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COLUMNS = ("boot", "end_s", "level_uv", "amplitude_ma")
"""Number of the device's start, device time since then, means of level and amplitude."""


def read_trends(url: str, key: bytes = DEVELOPMENT_KEY) -> dict[str, Any]:
    """Read all that a device keeps; as an observer, whatever therapy runs.

    Parameters
    ----------
    url : str
    key : bytes
        Pre-shared, 32 bytes.

    Returns
    -------
    dict
        ``forgotten``, how many rows before these have given way; ``rows``, each with `COLUMNS`.

    Raises
    ------
    LinkError
        If the device does not answer, does not accept the key, or answers nonsense.
    """
    rows: list[dict[str, Any]] = []
    with Link.open(url, key=key) as link:
        link.hello(Role.OBSERVER)
        oldest = None
        while True:
            asked = 0 if oldest is None else oldest + len(rows)
            answer = link.request(GetTrends(asked), Trends)
            try:
                trends = unpack(answer.rows)
            except ValueError as problem:
                raise WrongPeer(f"the trends of {url} cannot be read: {problem}") from problem
            if not trends:
                break
            if oldest is None or answer.first != asked:
                # The oldest gave way while we read: what comes now does not follow it.
                oldest, rows = answer.first, []
            rows += [
                {
                    "boot": trend.boot,
                    "end_s": trend.end_s,
                    "level_uv": trend.level_nv / 1000,
                    "amplitude_ma": trend.amplitude_ua / 1000,
                }
                for trend in trends
            ]
    return {"forgotten": oldest or 0, "rows": rows}


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows with their `COLUMNS`; a file that is there already is kept.

    Raises
    ------
    FileExistsError
        If there is such a file.
    """
    with path.open("x", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
