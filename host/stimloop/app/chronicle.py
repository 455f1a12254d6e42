"""Recorded sessions as the plots need them: which there are, and all of one. No Qt."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from stimloop import figures
from stimloop import prescription as prescriptions
from stimloop.app.memory import Mark, Shown
from stimloop.record import Record
from stimloop.rehearsal import Decisions, recorded
from stimloop.station.ring import STEPS
from stimloop.streams import SESSION
from stimloop_hw.vocabulary import Build

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

SHOWN_KINDS = ("operator", "device", "refused", "captured", "governor", "note", "mark")


@dataclass(frozen=True, slots=True)
class Entry:
    """One session of the list.

    Attributes
    ----------
    directory : Path
    when : datetime
        UTC.
    name : str
        Of the prescription; empty if it has none.
    simulated : bool
    """

    directory: Path
    when: datetime
    name: str
    simulated: bool


def entries(directory: Path) -> list[Entry]:
    """Every session below a directory, the newest first; what is none is passed over."""
    found = []
    for path in directory.glob(f"*/{SESSION}"):
        try:
            session = json.loads(path.read_text("utf-8"))
            found.append(
                Entry(
                    path.parent,
                    datetime.fromisoformat(session["utc"]),
                    prescriptions.loads(session["prescription"]).name,
                    bool(session["identity"]["build"] & Build.SIMULATED),
                )
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return sorted(found, key=lambda entry: entry.when, reverse=True)


@dataclass(frozen=True, slots=True, eq=False)
class Chronicle:
    """A whole session.

    Attributes
    ----------
    record : Record
    shown : Shown
    decisions : Decisions
    steps : ndarray of `stimloop.station.ring.STEPS`
        With the device's latest word at each.
    marks : list of Mark
        Everything that happened beside the samples.
    nv : ndarray of int32, shape (n, channels)
        All samples, nV, as they arrived.
    first : ndarray of int64, shape (blocks,)
        Index in the stream of each block's first sample.
    ends : ndarray of int64, shape (blocks,)
        Rows of `nv` up to the end of each block.
    block_us : ndarray of int64, shape (blocks,)
        Device time of each block's last sample, µs.
    """

    record: Record
    shown: Shown
    decisions: Decisions
    steps: npt.NDArray[np.void]
    marks: list[Mark]
    nv: npt.NDArray[np.int32]
    first: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    block_us: npt.NDArray[np.int64]

    @property
    def span_us(self) -> tuple[int, int]:
        """Device time of the first and the last step, µs; equal if there is none."""
        t_us = self.decisions.t_us
        return (int(t_us[0]), int(t_us[-1])) if t_us.size else (0, 0)


def read(directory: Path) -> Chronicle:
    """Read a session whole.

    Raises
    ------
    RecordError
        If it cannot be read.
    PrescriptionError
        If its prescription is of another release.
    """
    record = Record.open(directory)
    asked = prescriptions.loads(record.session["prescription"])
    evoked = asked.evoked is not None
    counts = record.column("sensed", "count").astype(np.int64)
    channel = asked.detector.channel
    shown = Shown(
        "evoked" if evoked else "heart" if asked.senses_heart else "lfp",
        () if evoked else (f"ch {channel}",),
        int(record.session["rate_hz"]),
        max(0.5, asked.stimulation.amplitude_ma),
        asked.stimulation.pulse_width_us,
        tuple(figures.thresholds_uv(record)),
    )
    return Chronicle(
        record,
        shown,
        recorded(record),
        _steps(record),
        [
            Mark(event.t_us, event.text or event.kind)
            for event in record.events()
            if event.kind in SHOWN_KINDS
        ],
        np.empty((0, 1), np.int32) if evoked else record.samples().nv,
        record.column("sensed", "first_index").astype(np.int64),
        np.cumsum(counts),
        record.column("sensed", "t_us").astype(np.int64),
    )


def _steps(record: Record) -> npt.NDArray[np.void]:
    """Steps as the station shows them, with the latest status before each."""
    t_us = record.column("steps", "t_us")
    rows = np.zeros(t_us.size, STEPS)
    for name, column in (
        ("t_us", "t_us"),
        ("level", "level"),
        ("active", "active"),
        ("quality", "quality"),
        ("wanted_ua", "wanted_ua"),
        ("admitted_ua", "admitted_ua"),
    ):
        rows[name] = record.column("steps", column)
    told_us = record.column("status", "t_us").astype(np.int64)
    if told_us.size:
        latest = np.searchsorted(told_us, t_us, side="right") - 1
        known = latest >= 0
        for name, column in (("state", "state"), ("delivered_ua", "amplitude_ua")):
            rows[name][known] = record.column("status", column)[latest[known]]
    latency = record.column("latency", "total").size
    for stage in ("read", "decode", "detect", "control", "govern", "write", "total"):
        rows[f"{stage}_ns"][:latency] = record.column("latency", stage)[: t_us.size]
    return rows
