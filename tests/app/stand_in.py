"""A station that is written by hand: its rings, and what was asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stimloop.station.requests import MARK, Phase, Reply, Request, Snapshot
from stimloop.station.ring import EVENTS, RINGS, SAMPLES, STEPS, SWEEPS, RingWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PySide6.QtCore import SignalInstance
    from PySide6.QtWidgets import QTableWidget

TICK_US = 20_000


class StandIn:
    """What a page needs of a station.

    Attributes
    ----------
    asked : list of Request
    replies : list of callable
        Of those that wait for an answer.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.asked: list[Request] = []
        self.replies: list[Callable[[Reply], None]] = []
        self._rings = {
            name: RingWriter(directory / name, dtype, 1 << 14)
            for name, (dtype, _) in RINGS.items()
        }
        self._index = 0
        self._rng = np.random.default_rng(1)

    def send(self, request: Request, on_reply: Callable[[Reply], None]) -> None:
        """Keep what was asked."""
        self.asked.append(request)
        self.replies.append(on_reply)

    def snapshot(self, channels: int = 1, rate_hz: int = 250, **changed: object) -> Snapshot:
        """What it shows while a therapy runs."""
        shown = {
            "number": 1,
            "phase": Phase.THERAPY,
            "stream": 1,
            "channels": list(range(channels)),
            "rate_hz": rate_hz,
        }
        return Snapshot(**{**shown, **changed})  # type: ignore[arg-type]

    def stream(
        self, seconds: float, channels: int = 1, rate_hz: int = 250, state: int = 4
    ) -> None:
        """Write samples with a rhythm of 20 Hz in channel 0, and steps that follow it."""
        block = rate_hz * TICK_US // 1_000_000
        for _ in range(round(seconds * 1e6 / TICK_US)):
            index = np.arange(self._index, self._index + block)
            self._index += block
            rows = np.zeros(block, SAMPLES)
            rows["index"], rows["stream"] = index, 1
            rows["t_us"] = (index + 1) * 1_000_000 // rate_hz
            noise = self._rng.normal(0, 5_000, (block, channels))
            noise[:, 0] += 10_000 * np.sin(2 * np.pi * 20 * index / rate_hz)
            rows["nv"][:, :channels] = noise.astype(np.int32)
            self._rings["samples"].append(rows)
            step = np.zeros(1, STEPS)
            step["t_us"], step["stream"], step["state"] = rows["t_us"][-1], 1, state
            step["level"] = 5 + 2 * np.sin(index[0] / rate_hz)
            step["active"] = step["level"] > 5
            for name in ("wanted_ua", "admitted_ua", "delivered_ua"):
                step[name] = 2000 * step["active"]
            for stage in ("decode", "detect", "control", "govern", "write"):
                step[f"{stage}_ns"] = 10_000
            step["total_ns"] = 50_000
            self._rings["steps"].append(step)

    def sweep(self, count: int = 48) -> None:
        """Write one response."""
        row = np.zeros(1, SWEEPS)
        row["count"], row["stream"] = count, 1
        row["nv"][:, :count] = 1000 * np.sin(np.arange(count))
        self._rings["sweeps"].append(row)

    def happen(self, t_us: int, kind: str, text: str, code: int = 0, detail: int = 0) -> None:
        """Write an event."""
        row = np.zeros(1, EVENTS)
        row["t_us"], row["kind"], row["text"] = t_us, kind.encode(), text.encode()
        row["code"], row["detail"] = code, detail
        self._rings["events"].append(row)

    def mark(self, t_us: int, text: str) -> None:
        """Write a mark."""
        self.happen(t_us, "operator", f"{MARK}{text}")


def text_at(table: QTableWidget, row: int, column: int) -> str:
    """What stands in a cell."""
    item = table.item(row, column)
    assert item is not None
    return item.text()


def heard(signal: SignalInstance) -> list[tuple[Any, ...]]:
    """What a signal says from here on."""
    said: list[tuple[Any, ...]] = []
    signal.connect(lambda *values: said.append(values))
    return said
