"""How well a trial uses a machine: share of its cores, and memory by the length of a cell.

    python benchmarks/trial_cores.py [--patients 100] [--seconds 3600] [--workers N] [--write]

A cohort × six arms. Core time that nobody used is read from the machine (idle, or waiting for
the disk): "of what others left over" is this trial's share of the core time that was there.
``--write`` puts the page into docs/trial_speed.md.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from stimloop_lab import conduct
from stimloop_lab.workforce import cores

PAGE = Path(__file__).parent.parent / "docs" / "trial_speed.md"
EXAMPLES = Path(__file__).parent.parent / "examples"
TRIAL = """\
schema = 1
name = "Cores"
durations_s = [{seconds}]
[calibration]
seconds = {calibration}
[[patients]]
cohort = "dbs"
count = {patients}
seed = 7
[[arms]]
name = "continuous"
prescription = "{examples}/dbs_continuous.toml"
override.detector = {{ band_hz = [17.0, 23.0], smooth_ms = 400 }}
[[arms]]
name = "on_off"
prescription = "{examples}/dbs_adaptive.toml"
threshold_percentile = 50
override.detector.band_hz = [17.0, 23.0]
[[arms]]
name = "dual"
prescription = "{examples}/dbs_adaptive.toml"
threshold_percentile = 75
lower_percentile = 25
override.detector.band_hz = [17.0, 23.0]
override.controller = {{ kind = "dual_threshold" }}
[[arms]]
name = "sham"
kind = "sham"
of = "on_off"
[[arms]]
name = "yoked"
kind = "yoked"
of = "on_off"
[[arms]]
name = "random"
kind = "random_duty"
of = "on_off"
duty = 0.44
"""
LENGTHS_S = (60, 600, 1800)
PEAK = """\
import resource
from pathlib import Path
from stimloop_lab import conduct
conduct.run(Path({path!r}), workers=1, directory=Path({out!r}))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def write_trial(folder: Path, patients: int, seconds: float) -> Path:
    """Write the trial's file."""
    path = folder / "trial.toml"
    path.write_text(
        TRIAL.format(
            seconds=seconds,
            calibration=min(max(seconds, 20), 600),
            patients=patients,
            examples=EXAMPLES,
        ),
        "utf-8",
    )
    return path


def idle_s() -> float:
    """Core time that nobody used since the machine started, s."""
    fields = Path("/proc/stat").read_text("ascii").splitlines()[0].split()[1:]
    return (int(fields[3]) + int(fields[4])) / os.sysconf("SC_CLK_TCK")


def own_s() -> float:
    """Core time of this process and its children that have ended, s."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def measure(patients: int, seconds: float, workers: int) -> dict[str, float]:
    """Run the trial once."""
    with tempfile.TemporaryDirectory(prefix="stimloop-") as name:
        path = write_trial(Path(name), patients, seconds)
        idle, own, begin = idle_s(), own_s(), perf_counter()
        told = conduct.run(path, workers=workers, directory=Path(name) / "out")
        wall, own, idle = perf_counter() - begin, own_s() - own, idle_s() - idle
    # A yoked cell lives through its donor's life too.
    lived = told["cells"] / 6 * 7 * seconds
    return {
        "cells": told["cells"],
        "wall": wall,
        "own": own,
        "of_cores": own / (wall * cores()),
        "of_free": own / (own + idle),
        "speed": lived / own,
    }


def peak_mb(seconds: float) -> float:
    """Largest memory of a process that runs one patient's six cells, MB."""
    with tempfile.TemporaryDirectory(prefix="stimloop-") as name:
        # The random arm of one patient needs no other; a yoked one takes the next of two.
        path = write_trial(Path(name), 2, seconds)
        code = PEAK.format(path=str(path), out=str(Path(name) / "out"))
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        )
    return int(done.stdout) / 1024


TEXT = """\
# Speed of a trial

Made by `{command}`
on a machine with {cores} cores that others used too. Not asserted by a test.

{patients} patients of a cohort × 6 arms × {seconds:g} s, {workers} workers: {cells:.0f} cells
in {wall:.0f} s.

| | |
|---|---|
| core time of the trial, of all core time | {of_cores:.0%} |
| core time of the trial, of what others left over | {of_free:.0%} |
| patient time for each second of core time | {speed:.0f} s |

Start of the workers, calibration, tables and report are in it: the longer the cells, the less
they weigh. Where others fill the machine, the second row says no more than that no core stood
idle.

Largest memory of a process that ran 12 cells, by their length; what grows is the calibration,
up to 600 s:

| length of a cell, s | largest memory, MB |
|---|---|
{memory}
"""


def main() -> None:
    """Print the page, and write it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    options = parser.parse_args()
    found = measure(options.patients, options.seconds, options.workers)
    memory = "\n".join(f"| {length} | {peak_mb(length):.0f} |" for length in LENGTHS_S)
    text = TEXT.format(
        patients=options.patients,
        seconds=options.seconds,
        workers=options.workers,
        cores=cores(),
        command=(
            f"python benchmarks/trial_cores.py --patients {options.patients} "
            f"--seconds {options.seconds:g} --write"
        ),
        memory=memory,
        **found,
    )
    if options.write:
        PAGE.write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
