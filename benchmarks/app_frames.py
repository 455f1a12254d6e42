"""What a frame of the Monitor costs, and whether its memory grows: eight channels at 1 kHz.

    QT_QPA_PLATFORM=offscreen python benchmarks/app_frames.py [--seconds 20] [--minutes 60]

The scope shows 10 s of eight channels, a spectrogram, a biomarker with thresholds, amplitude
and state, at the size that it has in a window of 1280 × 800. Frames are drawn as fast as they
can be, in turns with those of its eight curves alone and of pyqtgraph's defaults on the same
samples; then for a while at 30 per second. The share of a core is the process' own time.
Memory is the resident set of the process while an hour of samples passes, a frame drawn each
second of it.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QWidget

from stimloop.app import axes
from stimloop.app.lanes import Lanes
from stimloop.app.memory import Memory, Shown
from stimloop.app.scope import Scope
from stimloop.app.theme import DARK, load_fonts
from stimloop.station.ring import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

CHANNELS = 8
RATE_HZ = 1000
BLOCK = 20
SIZE = (780, 530)
FRAME_MS = 33
WARM_S = 70
SLICES = 30
SLICE = 10


@dataclass
class Stream:
    """Noise with a rhythm, repeated every ten seconds: making samples costs nothing then."""

    memory: Memory
    block: int = 0

    def __post_init__(self) -> None:
        rng = np.random.default_rng(1)
        t_s = np.arange(10 * RATE_HZ) / RATE_HZ
        rhythm = 12_000 * np.sin(2 * np.pi * 20 * t_s) * (1 + np.sin(2 * np.pi * t_s / 10))
        noise = rng.normal(0, 8000, (t_s.size, CHANNELS))
        self._nv: npt.NDArray[np.int32] = (noise + rhythm[:, None]).astype(np.int32)
        self._level = 5 + np.cumsum(rng.normal(0, 0.05, 500))

    def pass_on(self, seconds: float) -> None:
        """Let so much time go by."""
        for _ in range(round(seconds * RATE_HZ / BLOCK)):
            at = self.block * BLOCK
            t_us = (at + BLOCK) * 1_000_000 // RATE_HZ
            begin = at % len(self._nv)
            self.memory.push_samples(at, t_us, self._nv[begin : begin + BLOCK])
            step = np.zeros(1, STEPS)
            step["t_us"] = t_us
            step["level"] = level = self._level[self.block % self._level.size]
            step["active"] = level > 5
            ua = 2000 * (self.block // 25 % 2)
            for name in ("wanted_ua", "admitted_ua", "delivered_ua"):
                step[name] = ua
            step["state"] = 4
            self.memory.push_steps(step)
            self.block += 1


def scoped() -> tuple[Stream, Scope]:
    """A scope that has been running for a while."""
    names = tuple(f"ch {number}" for number in range(CHANNELS))
    memory = Memory(Shown("lfp", names, RATE_HZ, 3.0, 60, (6.0, 4.0)))
    stream = Stream(memory)
    stream.pass_on(WARM_S)
    scope = Scope(DARK, memory)
    scope.resize(*SIZE)
    scope.show()
    scope.fit()
    return stream, scope


def default_plot(memory: Memory) -> tuple[QWidget, Callable[[], None]]:
    """Eight curves as pyqtgraph draws them if it is told nothing; they are drawn once."""
    plot = pg.PlotWidget()
    plot.resize(*SIZE)
    plot.show()
    curves = [plot.plot() for _ in range(CHANNELS)]
    x = np.arange(-10 * RATE_HZ, 0) / RATE_HZ

    def frame() -> None:
        uv = memory.samples.window(*memory.window)
        for number, curve in enumerate(curves):
            curve.setData(x, uv[:, number] - 100 * number)
        QApplication.processEvents()

    return plot, frame


def curves_alone(memory: Memory) -> tuple[QWidget, Callable[[], None]]:
    """The eight curves of the scope without everything else."""
    view = axes.canvas(DARK)
    lanes = Lanes(DARK, memory.shown.channels, "LFP")
    lanes.plot.setXRange(-10, 0)
    view.addItem(lanes.plot)
    view.resize(*SIZE)
    view.show()

    def frame() -> None:
        lanes.draw(*memory.signal())
        QApplication.processEvents()

    return view, frame


def costs_ms(stream: Stream, frames: dict[str, Callable[[], None]]) -> dict[str, list[float]]:
    """CPU time of a frame in each of many slices, taken in turns, ms."""
    told: dict[str, list[float]] = {name: [] for name in frames}
    for _ in range(SLICES):
        for name, frame in frames.items():
            spent_s = 0.0
            for _ in range(SLICE):
                stream.pass_on(FRAME_MS / 1000)
                begin_s = time.process_time()
                frame()
                spent_s += time.process_time() - begin_s
            told[name].append(1000 * spent_s / SLICE)
    return told


def share_at_30(stream: Stream, scope: Scope, seconds: float) -> tuple[float, float]:
    """Frames per second that came, and the share of a core that they took."""
    frames = 0

    def tick() -> None:
        nonlocal frames
        stream.pass_on(FRAME_MS / 1000)
        scope.draw()
        frames += 1

    timer = QTimer(interval=FRAME_MS)
    timer.timeout.connect(tick)
    timer.start()
    begin, cpu = time.monotonic(), time.process_time()
    while time.monotonic() - begin < seconds:
        QApplication.processEvents()
        time.sleep(0.001)
    timer.stop()
    wall = time.monotonic() - begin
    return frames / wall, (time.process_time() - cpu) / wall


def resident_mb() -> float:
    """Resident set of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="at 30 frames per second")
    parser.add_argument("--minutes", type=int, default=60, help="of samples for the memory")
    asked = parser.parse_args()
    _ = QApplication([])
    load_fonts()
    stream, scope = scoped()

    def whole() -> None:
        scope.draw()
        QApplication.processEvents()

    alone, curves = curves_alone(stream.memory)
    plot, defaults = default_plot(stream.memory)
    told = costs_ms(
        stream,
        {
            "whole scope": whole,
            "its 8 curves alone": curves,
            "8 curves, pyqtgraph's defaults": defaults,
        },
    )
    alone.close()
    plot.close()
    print(f"{'CPU ms per frame':32}{'best':>7}{'median':>8}{'at 30/s':>9}{'most frames/s':>15}")
    for name, values in told.items():
        median = float(np.median(values))
        print(
            f"{name:32}{min(values):7.1f}{median:8.1f}{3 * median:8.0f} %{1000 / median:15.0f}"
        )
    frames, share = share_at_30(stream, scope, asked.seconds)
    print(
        f"{frames:.1f} frames per second came, on {100 * share:.0f} % of a core, data included"
    )
    begin = resident_mb()
    print(f"memory: {begin:.0f} MB", end="", flush=True)
    for minute in range(1, asked.minutes + 1):
        for _ in range(60):
            stream.pass_on(1.0)
            whole()
        if minute % 10 == 0:
            print(f", {resident_mb():.0f} after {minute} min", end="", flush=True)
    print()


if __name__ == "__main__":
    main()
