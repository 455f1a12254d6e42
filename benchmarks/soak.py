"""Hours of therapy while line and device keep failing: what is lost, and what leaks.

python -m benchmarks.soak [--hours 24] [--wall SECONDS] [--seed 1] [--write]

One simulated implant lives through all of it. Once a minute of its time something breaks: the
line for some seconds, or the device. A host leads a therapy and records it. When it is lost,
the host does what its sentences ask for: it looks for the device again, clears the faults that
it tells by their names, programs it anew and starts. A record goes with its session.
``--write`` makes docs/soak.md and its picture.
"""

from __future__ import annotations

import argparse
import gc
import platform
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from resource import getpagesize

import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from scipy.stats import linregress

from stimloop import prescription as prescriptions
from stimloop.errors import TherapyEnded
from stimloop.leading import close_loop, record_rest
from stimloop.recorder import Recorder
from stimloop_hw import Link, OrderRefused
from stimloop_hw.errors import LinkError
from stimloop_hw.messages import ClearFault, Status
from stimloop_hw.vocabulary import State
from stimloop_sim.bench import Bench
from stimloop_sim.cable import Cable
from stimloop_sim.impairment import Impairment
from stimloop_sim.patient import PatientModel
from stimloop_sim.profile import Profile
from stimloop_sim.scenario import KINDS, NEVER_US, Direction, Entry, Scenario

ROOT = Path(__file__).parent.parent
SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
SESSION_S = 600
"""Then a session is ended in order, and another one begins."""
PATIENCE_US = 2 * SECOND_US
"""After a loss the host waits for so long before it looks for the device again."""
WARM_UP = 0.1
"""The first part of a run is no part of the fit: imports, pools and caches fill."""
INCIDENTS = (
    *("flip", "drop", "duplicate", "insert", "burst", "chunk", "delay", "baud", "stall"),
    *("half_open", "unplug", "reset", "reorder", "replay", "adc_stuck", "clock_drift", "hang"),
    *("brown_out", "output_stuck", "memory_flip", "lead_open", "lead_short", "reference_lost"),
)
"""All that a device comes back from: a battery that is gone and a broken part are its end."""
_MOST = {"rate_ppm": 3000, "length_bytes": 60, "longest_bytes": 64, "gap_us": 1000}
_MOST |= {"delay_us": 30_000, "jitter_us": 20_000, "after_bytes": 200, "kept_frames": 64}
_MOST |= {"ppm": 500, "bit": 2000, "bits_per_s": 460_800}
PRESCRIPTION = """\
schema = 1
[stimulation]
amplitude_ma = 3.0
pulse_width_us = 60
rate_hz = 130.0
slew_ma_per_s = 12.0
cathodes = ["1"]
anodes = ["case"]
[detector]
threshold_uv = 3.0
[controller]
kind = "on_off"
"""


def incidents(seed: int, begin_us: int, end_us: int, every_s: float) -> list[Entry]:
    """One incident after the other, apart from each other, none at the very end."""
    random = Random(f"soak {seed} {begin_us}")
    every_us = round(every_s * SECOND_US)
    entries = []
    for at_us in range(begin_us + every_us // 2, end_us - every_us // 2, every_us):
        kind = random.choice(INCIDENTS)
        values = {
            key: random.randint(
                400_000 if key == "bits_per_s" else max(0, parameter.low),
                _MOST.get(key, parameter.high),
            )
            for key, parameter in KINDS[kind].parameters.items()
        }
        if kind.startswith("lead_"):  # two of the four contacts and the case
            values = dict(zip(values, random.sample(range(5), 2), strict=False))
        until_us = at_us + random.randint(every_us // 100, every_us // 4)
        entries.append(Entry(kind, at_us, until_us, frozenset(Direction), values))
    return entries


@dataclass(frozen=True, slots=True)
class Sample:
    """What was in use at a time of the device."""

    t_us: int
    rss_kib: int
    objects: int


class Soak:
    """A device and its host, for as long as they are let run.

    Parameters
    ----------
    seed : int
    every_s, session_s : float
        From one incident to the next, and length of an undisturbed session, s.

    Attributes
    ----------
    counts : Counter of str
        Sessions, how they ended, and everything that was lost on the way, by name.
    faults : Counter of str
        Incidents by kind.
    samples : list of Sample
    """

    def __init__(
        self, seed: int, *, every_s: float = 60.0, session_s: float = SESSION_S
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.samples: list[Sample] = []
        self._seed = seed
        self._every_s = every_s
        self._session_s = session_s
        self._prescription = prescriptions.loads(PRESCRIPTION)
        self._hour = 0
        self._told: dict[str, int] = {}
        self._boot = 0

    def run(self, seconds: float, folder: Path, *, wall_s: float = float("inf")) -> None:
        """Let so much time of the device pass, or as much as the wall's clock allows."""
        end_us = round(seconds * SECOND_US)
        schedule = incidents(self._seed, 0, end_us, self._every_s)
        self.faults = Counter(entry.kind for entry in schedule)
        source = PatientModel().patient(seed=self._seed)
        scenario = Scenario(self._seed, tuple(schedule))
        bench = Bench.around(source, Profile.named("dbs"), seed=self._seed, scenario=scenario)
        wire = [entry for entry in schedule if not entry.on_device]
        begun_s = time.monotonic()
        while bench.now_us < end_us and time.monotonic() - begun_s < wall_s:
            self._renew(bench, wire)
            self._look(bench)
            self._treat(bench, folder / f"{self.counts['sessions']}", end_us)
            self._count_device(bench.firmware.status(), bench.implant.boot)
        self.counts["device boots"] = bench.implant.boot
        self.counts["bytes unheard by a device that does not run"] = bench.implant.counts[
            "unheard"
        ]
        self._count_line(bench)

    def _renew(self, bench: Bench, wire: list[Entry]) -> None:
        """A line for the coming hour, so that none has to carry a whole day's schedule."""
        hour = bench.now_us // HOUR_US
        line = bench.line
        quiet = line.to_device.due_us == line.to_host.due_us == NEVER_US
        if quiet and (hour > self._hour or not self.samples):
            self._count_line(bench)
            end_us = (hour + 1) * HOUR_US + round(self._session_s * SECOND_US)
            near = [e for e in wire if bench.now_us <= e.at_us < end_us]
            bench.line = Impairment(Scenario(self._seed + hour, tuple(near)))
            self._hour = hour

    def _treat(self, bench: Bench, directory: Path, end_us: int) -> None:
        """One session, from the handshake to its end in order or otherwise."""
        self.counts["sessions"] += 1
        link = Link(Cable(bench), "the soaked device")
        try:
            link.hello()
            self._clear(link)
            self._lead(link, bench, directory, end_us)
            self.counts["ended in order"] += 1
        except (LinkError, OrderRefused, TherapyEnded) as problem:
            self.counts[f"ended by {type(problem).__name__}"] += 1
            bench.advance_to(bench.now_us + PATIENCE_US)
        finally:
            if link.session is not None:
                self.counts["samples lost to the host"] += link.blocks.lost_samples
                self.counts["frames damaged on the way to the host"] += link.damaged
                for name in ("foreign", "bad_tags", "repeated"):
                    self.counts[f"frames dropped by the host: {name}"] += getattr(
                        link.session, name
                    )
            for file in directory.glob("*"):
                self.counts["bytes recorded"] += file.stat().st_size
                file.unlink()

    def _clear(self, link: Link) -> None:
        """What a person does with a latched fault: look, name it, and go on."""
        status = link.status()
        if status.state == State.FAULT:
            link.request(ClearFault(status.faults), Status)
            self.counts["faults cleared by their names"] += 1

    def _lead(self, link: Link, bench: Bench, directory: Path, end_us: int) -> None:
        limits = link.limits()
        description = {
            "url": "soak",
            "identity": link.identity,
            "limits": limits,
            "prescription": self._prescription.source,
            "utc": "",
            "device_us": link.session.t_us,
            "tick_us": bench.block_us,
            "rate_hz": limits.sense_rate_hz,
            "channels": 1,
        }
        until_us = min(end_us, bench.now_us + round(self._session_s * SECOND_US))
        with Recorder.create(directory, description) as recorder:
            session = close_loop(link, self._prescription, limits, recorder)
            while bench.now_us < until_us:
                session.step()
                self.counts["steps"] += 1
                if bench.now_us - self.samples[-1].t_us >= self._every_s * SECOND_US:
                    self._look(bench)
            link.stop()
            record_rest(link, recorder, session.steps)

    def _look(self, bench: Bench) -> None:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        kib = pages * getpagesize() // 1024
        self.samples.append(Sample(bench.now_us, kib, len(gc.get_objects())))

    def _count_device(self, status: Status, boot: int) -> None:
        """Add what the device has counted since this was last asked, or since it started."""
        before = self._told if boot == self._boot else {}
        names = ("damaged", "foreign", "bad_tags", "repeated", "stale", "refused")
        self._told = {name: getattr(status, name) for name in (*names, "samples_dropped")}
        self._boot = boot
        for name, count in self._told.items():
            self.counts[f"by the device: {name}"] += count - before.get(name, 0)

    def _count_line(self, bench: Bench) -> None:
        for kind, count in (bench.line.to_device.counts + bench.line.to_host.counts).items():
            unit = "struck" if "rate_ppm" in KINDS[kind].parameters else "bytes late or lost"
            self.counts[f"by the line: {kind}, {unit}"] += count


@dataclass(frozen=True, slots=True)
class Trend:
    """A straight line through what was in use after the warm-up.

    Attributes
    ----------
    per_hour, low, high : float
        Slope and its 95 % interval, per hour of the device's time.
    first, last, most : float
        Medians of the first and last tenth behind the warm-up, and the largest value.
    """

    per_hour: float
    low: float
    high: float
    first: float
    last: float
    most: float

    @classmethod
    def of(cls, samples: list[Sample], name: str) -> Trend:
        """Fit one of `Sample`'s values; needs at least ten samples behind the warm-up."""
        end_us = samples[-1].t_us
        late = [sample for sample in samples if sample.t_us >= WARM_UP * end_us]
        hours = np.array([sample.t_us / HOUR_US for sample in late])
        values = np.array([getattr(sample, name) for sample in late], float)
        fit = linregress(hours, values)
        tenth = max(1, len(late) // 10)
        numbers = (
            *(fit.slope, fit.slope - 1.96 * fit.stderr, fit.slope + 1.96 * fit.stderr),
            *(np.median(values[:tenth]), np.median(values[-tenth:]), values.max()),
        )
        return cls(*map(float, numbers))


def draw(samples: list[Sample], path: Path) -> None:
    """Draw memory and objects over the device's time."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    FigureCanvasSVG(figure)
    hours = [sample.t_us / HOUR_US for sample in samples]
    above, below = figure.subplots(2, 1, sharex=True)
    above.plot(hours, [s.rss_kib / 1024 for s in samples], color="#0969da", linewidth=1)
    below.plot(hours, [s.objects / 1000 for s in samples], color="#bc4c00", linewidth=1)
    for axes, words in ((above, "resident memory [MiB]"), (below, "objects [thousands]")):
        axes.set_ylabel(words, fontsize=8)
        axes.set_ylim(bottom=0)
        axes.axvspan(0, WARM_UP * hours[-1], color="#f0f0f0")
        axes.grid(visible=True, color="#eeeeee")
        axes.spines[["top", "right"]].set_visible(False)
    below.set_xlabel("device time [h]; grey: warm-up, no part of the fit")
    figure.savefig(path, format="svg", metadata={"Date": None})


def tables(soak: Soak) -> str:
    """The result as Markdown."""
    lines = [
        "| in use | at first | at last | most | trend per device hour (95 %) |",
        "|---|---|---|---|---|",
    ]
    for name, words, unit in (
        ("rss_kib", "resident memory", "KiB"),
        ("objects", "objects", ""),
    ):
        t = Trend.of(soak.samples, name)
        lines.append(
            f"| {words} | {t.first:.0f} {unit} | {t.last:.0f} {unit} | {t.most:.0f} {unit} | "
            f"{t.per_hour:+.1f} {unit} ({t.low:+.1f} to {t.high:+.1f}) |"
        )
    lines += ["", "| what happened | count |", "|---|---|"]
    lines += [f"| {name} | {count} |" for name, count in sorted(soak.counts.items())]
    lines += ["", "| incident | times |", "|---|---|"]
    lines += [f"| `{kind}` | {count} |" for kind, count in sorted(soak.faults.items())]
    return "\n".join(lines)


def main() -> None:
    """Print the tables; write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=24.0, help="of the device's time")
    parser.add_argument("--wall", type=float, default=float("inf"), help="seconds, at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="docs/soak.md")
    options = parser.parse_args()
    soak = Soak(options.seed)
    begun_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        soak.run(3600 * options.hours, Path(folder), wall_s=options.wall)
    took_s = time.monotonic() - begun_s
    hours = soak.samples[-1].t_us / HOUR_US
    result = tables(soak)
    print(result, f"\n{hours:.2f} h of the device in {took_s:.0f} s", sep="\n")
    if options.write:
        draw(soak.samples, ROOT / "docs" / "soak.svg")
        command = f"python -m benchmarks.soak --hours {options.hours:g} --seed {options.seed}"
        machine = f"Python {platform.python_version()}, {platform.machine()}"
        head = f"""# Soak

Made by `{command} --write`: {hours:.1f} hours of
one device's time in {took_s:.0f} s ({machine}, on
a machine that others used too). The level of memory is this machine's; its trend and all counts
are not.

One simulated implant with its patient lives through all of it. Once a minute of its time
something breaks, the line for some seconds or the device. A host leads an on/off therapy and
records it; when it is lost, it waits for {PATIENCE_US // SECOND_US} s, greets the device again,
clears the faults that it tells by their names, programs it anew and starts. A session that
nothing ends lasts {SESSION_S // 60} minutes.

![memory and objects over the device's time](soak.svg)

"""
        (ROOT / "docs" / "soak.md").write_text(head + result + "\n", "utf-8")


if __name__ == "__main__":
    main()
