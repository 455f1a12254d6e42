"""The same work by other libraries, each in an environment of its own, in turns.

    python -m benchmarks.speed.compare                 prints the tables
    python -m benchmarks.speed.compare --write         and writes them to docs/speed.md

The first run makes the environments in a folder of yours (``--environments``), which takes
minutes and the package index. Workers wait in turn, so one runs at a time; a case's slices
alternate, so that their ratios survive a busy machine. Minima are the machine's best, medians
what it gave.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final, Self

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "speed.md"
SLICE_MS = 5.0
CHANNELS = (1, 4, 16, 64, 256)
ROWS = (1, 8, 32, 250)

ENVIRONMENTS: Final = {
    "scipy": ("numpy==2.4.6", "scipy==1.17.1"),
    "numba": ("numba==0.68.1", "scipy"),
    "brainflow": ("brainflow==5.23.0", "setuptools<81"),
    "timeflux": ("timeflux==0.17.2", "timeflux_dsp==0.3.4", "numpy<2", "setuptools<81"),
    "neurodsp": ("neurodsp==2.3.0",),
    "pynm": ("py_neuromodulation==0.1.3", "pydantic<2.12"),
}
"""What is installed where; the bounds are those without which a library does not import."""


@dataclass(frozen=True)
class Contender:
    """A library's way to do the work."""

    module: str
    environment: str | None
    """Key of `ENVIRONMENTS`; None is the environment that runs this script."""
    title: str
    rows: tuple[int, ...] = ROWS
    channels: tuple[int, ...] = CHANNELS


CONTENDERS: Final = (
    Contender("stimloop_f64", None, "**stimloop, float64**"),
    Contender("stimloop_f32", None, "**stimloop, float32**"),
    Contender("scipy_public", "scipy", "SciPy, public functions"),
    Contender("scipy_core", "scipy", "SciPy, private `_sosfilt`, filter only"),
    Contender("numba_jit", "numba", "numba, same state machine"),
    Contender("timeflux_node", "timeflux", "timeflux node + NumPy"),
    Contender(
        "brainflow_window", "brainflow", "BrainFlow, 1 s window per hop", (32,), (1, 4, 16, 64)
    ),
    Contender("neurodsp_window", "neurodsp", "neurodsp, 1 s window per hop", (32,), (1, 4, 16)),
    Contender(
        "py_neuromodulation_bursts",
        "pynm",
        "py_neuromodulation bursts, 1 s window per hop",
        (32,),
        (1, 4, 16),
    ),
)


class Worker:
    """A process that times contenders on request."""

    def __init__(self, contender: Contender, folder: Path) -> None:
        python = sys.executable
        if contender.environment is not None:
            python = str(made(contender.environment, folder) / "bin" / "python")
        single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [python, str(HERE / "worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | single,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()  # type: ignore[union-attr]  # it was opened as a pipe
        self.process.wait()

    def ask(self, *words: object) -> float:
        """Send a request and wait for its answer; NaN if the worker is gone."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            print(*words, file=self.process.stdin, flush=True)
        except BrokenPipeError:
            return float("nan")
        return float(self.process.stdout.readline() or "nan")


def made(environment: str, folder: Path) -> Path:
    """Make an environment unless it is there."""
    place = folder / environment
    if not (place / "made").exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *ENVIRONMENTS[environment]], check=True)
        (place / "made").touch()
    return place


@dataclass
class Timing:
    """Cost of a call, ns, in every round, and the worker's memory."""

    ns: list[float] = field(default_factory=list)
    memory_kib: float = float("nan")

    @property
    def best(self) -> float:
        """Least cost, ns."""
        return min(self.ns, default=float("nan"))


Table = dict[tuple[str, int, int], Timing]


def measure(folder: Path, rounds: int) -> Table:
    """Every contender in every case that it is for, in turns."""
    table: Table = {}
    workers = {contender.module: Worker(contender, folder) for contender in CONTENDERS}
    try:
        for rows in ROWS:
            for channels in CHANNELS:
                able = [c for c in CONTENDERS if rows in c.rows and channels in c.channels]
                first = {
                    c.module: workers[c.module].ask("make", c.module, channels, rows)
                    for c in able
                }
                able = [c for c in able if first[c.module] == first[c.module]]
                case = {c.module: Timing() for c in able}
                for _ in range(rounds):
                    for c in able:
                        case[c.module].ns.append(workers[c.module].ask("time", SLICE_MS))
                for c in able:
                    case[c.module].memory_kib = workers[c.module].ask("memory")
                    table[c.module, channels, rows] = case[c.module]
                print(f"{channels} channels x {rows}: done", file=sys.stderr)
    finally:
        for worker in workers.values():
            worker.__exit__()
    return table


def cell(ns: float) -> str:
    """A cost with three figures, µs where it is long."""
    return f"{ns:.0f}" if ns < 1e4 else f"{ns / 1000:.0f} µs"


def tables(table: Table) -> str:
    """Cost of a call, then per channel-sample, then ratios, as Markdown."""
    parts = []
    for rows in ROWS:
        parts.append(f"\n## Chunks of {rows}\n")
        parts.append("| ns per call, minimum (median) | " + " | ".join(map(str, CHANNELS)))
        parts[-1] += " |"
        parts.append("|---|" + "---:|" * len(CHANNELS))
        for c in CONTENDERS:
            timings = [table.get((c.module, channels, rows)) for channels in CHANNELS]
            if not any(timings):
                continue
            cells = [
                f"{cell(t.best)} ({cell(median(t.ns))})" if t and t.ns else "–" for t in timings
            ]
            parts.append(f"| {c.title} | " + " | ".join(cells) + " |")
    parts.append("\n## Per channel-sample\n")
    parts.append("| ns, minimum | " + " | ".join(f"{c} ch" for c in CHANNELS) + " |")
    parts.append("|---|" + "---:|" * len(CHANNELS))
    for module, title in (("stimloop_f64", "float64"), ("stimloop_f32", "float32")):
        for rows in ROWS:
            cells = [
                f"{table[module, channels, rows].best / channels / rows:.2f}"
                for channels in CHANNELS
            ]
            parts.append(f"| {title}, chunks of {rows} | " + " | ".join(cells) + " |")
    return "\n".join(parts)


@dataclass(frozen=True)
class Goal:
    """A ratio that is aimed at: the other's minimum over ours."""

    name: str
    other: str
    channels: int
    rows: int
    wanted: float
    ours: str = "stimloop_f64"


GOALS: Final = (
    Goal("SciPy's public chain", "scipy_public", 1, 1, 1500),
    Goal("SciPy's public chain", "scipy_public", 64, 1, 450),
    Goal("SciPy's public chain", "scipy_public", 64, 32, 55),
    Goal("SciPy's public chain", "scipy_public", 256, 250, 15),
    Goal("SciPy's public chain", "scipy_public", 64, 1, 700, "stimloop_f32"),
    Goal("SciPy's public chain", "scipy_public", 64, 32, 100, "stimloop_f32"),
    Goal("SciPy's public chain", "scipy_public", 256, 250, 30, "stimloop_f32"),
    Goal("SciPy's private core, filter only", "scipy_core", 64, 32, 9),
    Goal("numba", "numba_jit", 1, 1, 10),
    Goal("numba", "numba_jit", 256, 32, 6),
    Goal("py_neuromodulation's bursts", "py_neuromodulation_bursts", 4, 32, 3000),
)


def ratios(table: Table) -> str:
    """The goals and what was measured, as Markdown."""
    lines = [
        "| against | channels × chunk | ours | ratio of minima | ratio of medians | goal | |",
        "|---|---|---|---:|---:|---:|---|",
    ]
    for goal in GOALS:
        other = table.get((goal.other, goal.channels, goal.rows))
        ours = table[goal.ours, goal.channels, goal.rows]
        if other is None or not other.ns:
            lines.append(
                f"| {goal.name} | {goal.channels} × {goal.rows} | {goal.ours[-3:]} "
                f"| – | – | {goal.wanted:g} | not measured |"
            )
            continue
        best = other.best / ours.best
        verdict = "reached" if best >= goal.wanted else "**falls short**"
        lines.append(
            f"| {goal.name} | {goal.channels} × {goal.rows} | {goal.ours[-3:]} | {best:.3g} "
            f"| {median(other.ns) / median(ours.ns):.3g} | {goal.wanted:g} | {verdict} |"
        )
    return "\n".join(lines)


def memory(table: Table) -> str:
    """Greatest resident size of each worker over all cases, MiB."""
    lines = ["| | MiB |", "|---|---:|"]
    for c in CONTENDERS:
        sizes = [t.memory_kib for (module, _, _), t in table.items() if module == c.module]
        if sizes:
            lines.append(f"| {c.title} | {max(sizes) / 1024:.0f} |")
    return "\n".join(lines)


HEAD = """\
# Speed, beside other libraries

Made by `python -m benchmarks.speed.compare --write`: the work is a band-pass of order 4
(13-35 Hz, four sections), rectification, one pole of 50 ms, hysteresis and duration, at 1 kHz;
contenders that keep no state compute a window of 1 s at every chunk, which is what they are
for. Every library has an environment and a process of its own; slices of {slice:g} ms of CPU
time alternate, {rounds} of each. Minima are what the machine can do, medians what it gave.
{machine}, Python {python}.

{versions}

In chunks of one sample nearly all of SciPy's public time is its wrapper: its compiled core
stands beside it. stimloop's float64 and float32 are one portable build with function clones for
AVX2, without contraction, so that its bits are the same everywhere.

The goals come from a prototype on another processor (AMD Zen 3), where SciPy's public chain
took 73 µs for one sample of one channel. Where a wrapper costs less, so does the ratio: those
at one sample tell of both ends.
"""


def main() -> None:
    """Measure, print the page, and write it where that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    parser.add_argument("--rounds", type=int, default=30, metavar="N")
    parser.add_argument(
        "--environments", type=Path, default=Path.home() / ".cache" / "stimloop-peers"
    )
    options = parser.parse_args()
    table = measure(options.environments, options.rounds)
    head = HEAD.format(
        slice=SLICE_MS,
        rounds=options.rounds,
        machine=f"{platform.machine()}, {os.cpu_count()} processors",
        python=platform.python_version(),
        versions="\n".join(
            f"- {name}: {', '.join(what)}" for name, what in ENVIRONMENTS.items()
        ),
    )
    page = "\n".join(
        [head, "## Goals\n", ratios(table), "\n## Memory\n", memory(table), tables(table), ""]
    )
    if options.write:
        PAGE.write_text(page, "utf-8")
    print(page)


if __name__ == "__main__":
    main()
