"""From the station's rings into a memory: what is new, for as many pages as there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stimloop import prescription as prescriptions
from stimloop.app.memory import Mark, Memory, Shown
from stimloop.errors import PrescriptionError
from stimloop.station.requests import MARK, Phase
from stimloop.station.ring import STEPS, RingReader
from stimloop_dsp import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from stimloop.station import Station
    from stimloop.station.requests import Snapshot


def channel_names(snapshot: Snapshot) -> tuple[str, ...]:
    """Of the channels that stream."""
    return tuple(f"ch {channel}" for channel in snapshot.channels)


class Feed:
    """Reads the rings at a pace of its own.

    Parameters
    ----------
    station : Station
    """

    def __init__(self, station: Station) -> None:
        self._rings = {
            name: RingReader(station.directory / name)
            for name in ("samples", "steps", "events", "sweeps")
        }

    def skip(self) -> None:
        """Leave what was there before."""
        for ring in self._rings.values():
            ring.new(at_most=0)

    def runs(self, snapshot: Snapshot) -> Iterator[tuple[int, int, npt.NDArray[np.int32]]]:
        """New samples of the running stream, in runs without a gap.

        Yields
        ------
        first_index, t_us : int
            Of its first sample, and device time of its last, µs.
        nv : ndarray of int32, shape (n, channels)
        """
        rows = self._rings["samples"].new().rows
        rows = rows[rows["stream"] == snapshot.stream]
        if not len(rows) or not snapshot.channels:
            return
        index = rows["index"].astype(np.int64)
        for run in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(index) != 1) + 1):
            nv = rows["nv"][run][:, snapshot.channels]
            yield int(index[run[0]]), int(rows["t_us"][run[-1]]), nv

    def steps(self) -> npt.NDArray[np.void]:
        """New steps, whatever their stream."""
        return self._rings["steps"].new().rows

    def sweeps(self) -> npt.NDArray[np.int32]:
        """New sweeps, nV, shape (sweeps, samples); `MISSING` beyond the end of one."""
        rows = self._rings["sweeps"].new().rows
        beyond = np.arange(rows["nv"].shape[1]) >= rows["count"][:, None]
        return np.where(beyond, np.int32(MISSING), rows["nv"])

    def fill(self, memory: Memory, snapshot: Snapshot) -> list[np.void]:
        """Bring a memory up to now; the new events that are no marks."""
        if memory.shown.channels:
            for run in self.runs(snapshot):
                memory.push_samples(*run)
        steps = self.steps()
        memory.push_steps(steps[steps["stream"] == snapshot.stream])
        if snapshot.phase is not Phase.THERAPY:
            memory.push_steps(_status_row(snapshot, memory.now_us))
        events = self._rings["events"].new().rows
        others = []
        for event in events:
            text = bytes(event["text"]).decode("utf-8", "replace")
            if text.startswith(MARK):
                memory.marks.append(Mark(int(event["t_us"]), text.removeprefix(MARK)))
            else:
                others.append(event)
        return others


def _status_row(snapshot: Snapshot, now_us: int) -> npt.NDArray[np.void]:
    """What the device says of itself where no session steps: without a level, and always."""
    status = snapshot.status
    row = np.zeros(1, STEPS)
    row["t_us"] = max(now_us, status.t_us)
    row["level"] = np.nan
    row["state"] = status.state
    for name, value in (
        ("wanted_ua", status.setpoint_ua),
        ("admitted_ua", status.setpoint_ua),
        ("delivered_ua", status.delivered_ua),
    ):
        row[name] = value
    return row


def shown_of(snapshot: Snapshot, text: str) -> Shown:
    """What there is to show of a stream, by the prescription that is committed.

    Parameters
    ----------
    snapshot : Snapshot
    text : str
        Of the prescription; empty if there is none.
    """
    channels, rate_hz = channel_names(snapshot), max(1, snapshot.rate_hz)
    try:
        asked = prescriptions.loads(text) if text else None
    except PrescriptionError:
        asked = None
    if asked is None:
        return Shown("lfp", channels, rate_hz, 5.0)
    detector = asked.detector
    thresholds = (detector.threshold_uv, detector.lower_uv)
    return Shown(
        "evoked" if asked.evoked else "heart" if asked.senses_heart else "lfp",
        () if asked.evoked else channels,
        rate_hz,
        max(0.5, asked.stimulation.amplitude_ma),
        asked.stimulation.pulse_width_us,
        tuple(value for value in thresholds if value is not None),
    )
