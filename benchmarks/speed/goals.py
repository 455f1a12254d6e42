"""What the core costs by itself: a call, a kernel, an allocation, a frame, a hop.

    python -m benchmarks.speed.goals                 prints the table
    python -m benchmarks.speed.goals --write         and writes it to docs/speed_goals.md

Contenders of a row alternate in slices of CPU time in this process, so that their ratio
survives a busy machine. Minima are the machine's best, medians what it gave.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from benchmarks.speed.worker import spent_ns
from scipy import signal

from stimloop_dsp import (
    BetaBank,
    BetaDetector,
    Decimator,
    OnOff,
    PackedLayout,
    SlidingDft,
    SpectralDetector,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Push = Callable[[Any], object]

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PAGE = ROOT / "docs" / "speed_goals.md"
SLICE_NS = 5_000_000
FS_HZ = 1000
EMPTY = """\
cdef class Empty:
    def push(self, block not None):
        return 0
"""


@dataclass(frozen=True)
class Cost:
    """Cost of a call, ns."""

    minimum: float
    median: float

    def __str__(self) -> str:
        return f"{told(self.minimum)} ({told(self.median)})"


@dataclass(frozen=True)
class Row:
    """A line of the table; `value` reaches the goal if it is on its right side."""

    goal: str
    what: str
    measured: str
    value: float
    wanted: float
    least: bool

    def __str__(self) -> str:
        reached = self.value >= self.wanted if self.least else self.value <= self.wanted
        sign = "≥" if self.least else "≤"
        return (
            f"| {self.goal} | {self.what} | {self.measured} | {self.value:.3g} "
            f"| {sign} {self.wanted:g} | {'reached' if reached else '**falls short**'} |"
        )


def told(ns: float) -> str:
    """Nanoseconds, or microseconds from ten of them on."""
    return f"{ns:.0f} ns" if ns < 10_000 else f"{ns / 1000:.0f} µs"


def race(contenders: dict[str, tuple[Push, object]], rounds: int) -> dict[str, Cost]:
    """Cost of each contender's call, in alternating slices."""
    calls, costs = {}, {}
    for name, (push, block) in contenders.items():
        push(block)
        once = max(1, spent_ns(push, block, 20) // 20)
        calls[name] = max(1, SLICE_NS // once)
        costs[name] = [0.0] * rounds
    for i in range(rounds):
        for name, (push, block) in contenders.items():
            costs[name][i] = spent_ns(push, block, calls[name]) / calls[name]
    return {name: Cost(min(of), median(of)) for name, of in costs.items()}


def noise(rows: int, channels: int, dtype: type = np.float64) -> np.ndarray:
    """Return noise of 20 µV."""
    return (20 * np.random.default_rng(0).standard_normal((rows, channels))).astype(dtype)


def empty_method(folder: Path) -> Push:
    """Compile a method that does nothing."""
    (folder / "empty.pyx").write_text(EMPTY, "utf-8")
    command = ["cythonize", "-3", "-i", "-q", "empty.pyx"]
    subprocess.run(
        [sys.executable, "-m", "Cython.Build.Cythonize", *command[1:]], cwd=folder, check=True
    )
    (built,) = folder.glob("empty*.so")
    spec = importlib.util.spec_from_file_location("empty", built)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    push: Push = module.Empty().push
    return push


def calls(rounds: int, folder: Path) -> Iterator[Row]:
    """G1: one channel, one sample."""
    bank = BetaBank(FS_HZ, 10, order=4)
    detector = BetaDetector(FS_HZ, 10, order=4)
    controller = OnOff(
        tick_us=20_000, amplitude_min_ua=0, amplitude_max_ua=3000, period_us=7692
    )
    nanovolt = np.zeros((1, 1), np.int32)
    costs = race(
        {
            "empty": (empty_method(folder), noise(1, 1)),
            "bank": (bank.push, noise(1, 1, np.float32)),
            "loop": (lambda block: controller.update(detector.push(block, 0, 0)), nanovolt),
        },
        rounds,
    )
    for name, what in (
        ("bank", "`BetaBank.push`, order 4"),
        ("loop", "`BetaDetector.push` with its `Reading`, and a controller's step in Python"),
    ):
        ratio = costs[name].minimum / costs["empty"].minimum
        yield Row(
            "G1",
            f"1 channel × 1 sample: {what}, over an empty method",
            f"{costs[name]}, {costs['empty']}",
            ratio,
            2.2,
            least=False,
        )


def kernels(rounds: int, folder: Path) -> Iterator[Row]:
    """G5 and G6: the kernels without Python, as shipped and built for this processor."""
    shipped = {"portable": [], "for this processor": ["-march=native", "-DONE_TARGET"]}
    common = ["cc", "-std=c99", "-O3", "-ffp-contract=off", "-fno-math-errno"]
    for name, flags in shipped.items():
        sources: list[str | Path] = [
            f"-I{ROOT / 'dsp/kernels'}",
            HERE / "kernel_time.c",
            "-o",
            folder / name,
        ]
        subprocess.run([*common, *flags, *sources], check=True)
    for channels in (16, 64):
        ns: dict[str, list[list[float]]] = {name: [] for name in shipped}
        for _ in range(rounds):
            for name in shipped:
                out = subprocess.check_output([folder / name, str(channels), "5"], text=True)
                ns[name].append([float(word) for word in out.split()])
        best = {name: np.min(of, axis=0) for name, of in ns.items()}
        usual = {name: np.median(of, axis=0) for name, of in ns.items()}
        for i, (precision, wanted) in enumerate((("float64", 0.85), ("float32", 0.45))):
            one, other = (best[name][i] for name in shipped)
            measured = f"{one:.2f} ns ({usual['portable'][i]:.2f})"
            what = f"{precision}, {channels} channels × 32, order 4"
            yield Row(
                "G5", f"{what}: ns per channel-sample", measured, one, wanted, least=False
            )
            yield Row(
                "G6",
                f"{what}: portable build over one for this processor",
                f"{one:.2f} ns, {other:.2f} ns",
                one / other,
                1.15,
                least=False,
            )


def frames(rounds: int) -> Iterator[Row]:
    """G7: a frame's bytes to a reply's bytes."""
    channels = 8
    frame = bytes(2 + 3 * channels)
    layout = PackedLayout(2, "i24be", 0.02)
    bank = BetaBank(FS_HZ, 10, order=4, channels=channels)
    active = bank.active

    def ours(frame: object) -> bytes:
        bank.push_bytes(frame, layout)  # type: ignore[arg-type]  # bytes
        return active.tobytes()

    sections = signal.butter(4, (13, 35), "bandpass", fs=FS_HZ, output="sos")
    band_z = np.zeros((4, 2, channels))
    pole_z: np.ndarray = np.zeros((1, channels))
    alpha = 0.02

    def theirs(frame: object) -> bytes:
        nonlocal band_z, pole_z
        raw = np.frombuffer(frame, np.uint8, offset=2).reshape(-1, 3).astype(np.int32)  # type: ignore[call-overload]
        counts = ((raw[:, 0] << 24) | (raw[:, 1] << 16) | (raw[:, 2] << 8)) >> 8
        band, band_z = signal.sosfilt(sections, counts[None] * 0.02, axis=0, zi=band_z)
        level, pole_z = signal.lfilter([alpha], [1, alpha - 1], np.abs(band), axis=0, zi=pole_z)
        return bytes((level[-1] > 10).tobytes())

    costs = race({"ours": (ours, frame), "theirs": (theirs, frame)}, rounds)
    what = "frame of 8 × int24 to decisions to reply"
    yield Row("G7", f"{what}: ns", str(costs["ours"]), costs["ours"].minimum, 200, least=False)
    yield Row(
        "G7",
        f"{what}: NumPy and SciPy over ours",
        str(costs["theirs"]),
        costs["theirs"].minimum / costs["ours"].minimum,
        400,
        least=True,
    )


def allocations(folder: Path) -> Iterator[Row]:
    """G8: every call of the C allocator in a million steps, Python's own objects included."""
    hook = folder / "allocations.so"
    source = HERE / "allocations.c"
    command = ["cc", "-O2", "-shared", "-fPIC", str(source), "-o", str(hook)]
    subprocess.run(command, check=True)
    told = subprocess.check_output(
        [sys.executable, HERE / "allocations.py"],
        text=True,
        # Without the arenas of Python, its objects come from the C allocator too.
        env=os.environ | {"LD_PRELOAD": str(hook), "PYTHONMALLOC": "malloc"},
    )
    for line in told.splitlines():
        name, count = line.split()
        yield Row(
            "G8",
            f"`{name}`: allocations in 1 000 000 steps",
            count,
            float(count),
            0,
            least=False,
        )


def hops(rounds: int) -> Iterator[Row]:
    """G11: band amplitude of 13-35 Hz in a window of 1 s at 1 kHz, at each hop."""
    hann = np.hanning(FS_HZ + 1)[:-1, None]
    for channels, hop, wanted in ((1, 1, 900), (1, 32, 80), (8, 1, 250)):
        dft = SlidingDft(FS_HZ, hop_ms=hop, channels=channels)
        past = noise(FS_HZ, channels)

        def theirs(block: object, past: np.ndarray = past, hop: int = hop) -> object:
            past[:-hop] = past[hop:]
            past[-hop:] = block
            spectrum = np.fft.rfft(hann * past, axis=0)[13:36]
            return np.sqrt(np.sum(np.abs(spectrum) ** 2, axis=0))

        block = noise(hop, channels)
        costs = race({"ours": (dft.push, block), "theirs": (theirs, block)}, rounds)
        yield Row(
            "G11",
            f"{channels} channels, hop {hop}: an rfft of the window over `SlidingDft`",
            f"{costs['theirs']}, {costs['ours']}",
            costs["theirs"].minimum / costs["ours"].minimum,
            wanted,
            least=True,
        )


def wide(rounds: int) -> Iterator[Row]:
    """G15: 256 channels of int16 at 24 kHz, on one core."""
    channels, factor, rows = 256, 24, 480
    block = np.random.default_rng(0).integers(-9999, 9999, (rows, channels), np.int16)
    out = np.zeros((rows // factor, channels), np.int32)
    decimator = Decimator(FS_HZ * factor, factor, 195.0, channels)
    bank = BetaBank(FS_HZ, 10, order=4, channels=channels)
    full = BetaBank(FS_HZ * factor, 10, order=4, channels=channels, precision="float64")
    widened = noise(rows, channels)

    def ours(block: object) -> int:
        decimator.push(block, out)  # type: ignore[arg-type]  # an array
        return bank.push(out)

    costs = race({"ours": (ours, block), "full": (full.push, widened)}, rounds)
    share = costs["ours"].minimum / (1e9 * rows / (FS_HZ * factor))
    what = "256 channels of int16 at 24 kHz, decimated to 1 kHz, order 4"
    yield Row(
        "G15", f"{what}: % of one core", str(costs["ours"]), 100 * share, 0.1, least=False
    )
    yield Row(
        "G15",
        f"{what}: float64 at the full rate over it",
        str(costs["full"]),
        costs["full"].minimum / costs["ours"].minimum,
        8,
        least=True,
    )


def history(rounds: int) -> Iterator[Row]:
    """Cost after a day of samples over that of the first second."""
    young, old = (SpectralDetector(FS_HZ, 10) for _ in range(2))
    day = np.random.default_rng(0).integers(-9999, 9999, (FS_HZ * 60, 1), np.int32)
    for minute in range(24 * 60):
        old.push(day, minute * len(day), 0)
    block = day[:1]
    costs = race(
        {
            "young": (lambda b: young.push(b, 0, 0), block),
            "old": (lambda b: old.push(b, 0, 0), block),
        },
        rounds,
    )
    yield Row(
        "-",
        "`SpectralDetector.push` after 86 400 000 samples over a new one",
        f"{costs['old']}, {costs['young']}",
        costs["old"].minimum / costs["young"].minimum,
        1.1,
        least=False,
    )


HEAD = """\
# Speed of the core by itself

Made by `python -m benchmarks.speed.goals --write`. Contenders of a row alternate in slices of
{slice:g} ms of CPU time, {rounds} of each: minimum (median) of a call, and the ratio of minima.
The kernels of G5 and G6 run without Python, in a program of their own. {machine}, Python
{python}, NumPy {numpy}; beside other libraries: [speed.md](speed.md).

The goals come from a prototype on another processor (AMD Zen 3), where an empty method
took 19 ns and an rfft of a window 31 µs; a ratio to either tells of both ends.

| goal | what | measured | value | wanted | |
|---|---|---|---:|---:|---|
"""


def main() -> None:
    """Measure, print the table, and write it where that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    parser.add_argument("--rounds", type=int, default=30, metavar="N")
    options = parser.parse_args()
    rounds = options.rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [
            *calls(rounds, folder),
            *kernels(rounds, folder),
            *frames(rounds),
            *allocations(folder),
            *hops(rounds),
            *wide(rounds),
            *history(rounds),
        ]
    page = HEAD.format(
        slice=SLICE_NS / 1e6,
        rounds=rounds,
        machine=f"{platform.machine()}, {os.cpu_count()} processors",
        python=platform.python_version(),
        numpy=np.__version__,
    ) + "\n".join(map(str, rows))
    if options.write:
        PAGE.write_text(page + "\n", "utf-8")
    print(page)


if __name__ == "__main__":
    main()
