"""From a frame's first byte to the order's last one, over a tty between two processes.

python benchmarks/latency/measure.py [--seconds 10] [--rounds 5] [--real-time] [--page FILE]

The device is `pacer.c`: it writes signed frames of samples at an even pace, made beforehand,
and stamps what answers them. The host is in turns the session as it is (`host.py`) and a C
program that does no work (`echo.c`); both answer with as many bytes. Rates and hosts alternate
within each round, so that a busy machine slows all alike.
"""

from __future__ import annotations

import argparse
import os
import platform
import select
import struct
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, monotonic_ns, sleep
from typing import TYPE_CHECKING

import numpy as np

from stimloop.record import Record
from stimloop.step import Latency
from stimloop_hw.messages import Sensed, Setpoint
from stimloop_hw.vocabulary import State
from stimloop_sim.bench import Bench
from stimloop_sim.serve import Tty

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

HERE = Path(__file__).parent
RATES_HZ = (250, 1000, 4000)
HOSTS = {
    "echo": "C echo, no work",
    "unrecorded": "session without a record",
    "session": "session",
}
STAGES = ("decode", "detect", "control", "govern", "write", "total")
REAL_TIME = ("chrt", "--fifo", "40")
SETTLED = 0.1
"""Part of a run that is thrown away: caches, and the first record's files."""
EDGES_US = (50, 75, 100, 150, 200, 300, 500, 1000, 2000, 5000, 10_000, 1_000_000)

PUBLISHED = (
    ("Falcon 1.0", "software < 0.5 ms; round trip < 1 ms (Neuralynx), < 15 ms (Open Ephys)",
     "Ciliberti & Kloosterman 2017, PubMed 28548044"),
    ("Falcon 2.0", "internal 153 µs, 99 % interval 132 to 233 µs", "FENS 2026 abstract"),
    ("Open Ephys GUI and acquisition board", "20 to 30 ms; tutorial: mean 14 ms (0 to 27)",
     "open-ephys.github.io/gui-docs, Closed-Loop-Latency"),
    ("Open Ephys to Falcon, Neuropixels", "median 9.24 ms, SD 1.30 ms",
     "open-ephys-plugins/falcon-output"),
    ("Open Ephys PCIe prototype", "mean 69 µs, max 85 µs", "open-ephys.org, 2016"),
    ("RTXI, hard real time", "not above twice the period of 50 µs",
     "Patel 2017, doi 10.1371/journal.pcbi.1005430"),
    ("BRAND", "< 600 µs between processes; < 8 ms with a decoder", "Ali 2024, PMC11021878"),
    ("LSL, local", "mean 65 µs (iPad M4), 274 µs (Pixel 7a), one way", "liblsl.dart, draft"),
    ("Dareplane", "no figure found", "arXiv 2408.01242"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """One host at one rate for some seconds.

    Attributes
    ----------
    host : str
    rate_hz : int
        Of frames.
    took_us : ndarray of float
        From the write of each frame to the last byte of its setpoint.
    missing : int
        Frames without a setpoint.
    stages_us : dict of str to ndarray
        The session's own stamps; empty for the C program.
    """

    host: str
    rate_hz: int
    took_us: npt.NDArray[np.float64]
    missing: int
    stages_us: dict[str, npt.NDArray[np.float64]]


def built(folder: Path, name: str) -> Path:
    """Compile one of the C programs."""
    target = folder / name
    command = ["gcc", "-O2", "-Wall", "-Wextra", "-o", str(target), str(HERE / f"{name}.c")]
    subprocess.run(command, check=True)
    return target


def bench_of(rate_hz: int) -> Bench:
    """An implant whose blocks are one sample; beyond 1 kHz its time runs faster than ours."""
    fs_hz = min(rate_hz, 1000)
    return Bench.of_url(f"sim://dbs?seed=1&fs={fs_hz}&block_ms={1000 // fs_hz}")


def lead_to_therapy(bench: Bench, tty: Tty) -> None:
    """Be the implant until a host has started its therapy."""
    origin_ns = monotonic_ns()
    until_s = monotonic() + 60
    while bench.firmware.therapy.state is not State.STIMULATING and monotonic() < until_s:
        select.select([tty], [], [], 0.001)
        bench.advance_to((monotonic_ns() - origin_ns) // 1000)
        with suppress(BlockingIOError):
            bench.receive(tty.read())
        while frame := bench.take_frame():
            while frame:
                frame = frame[tty.write(frame) :]
    assert bench.firmware.therapy.state is State.STIMULATING


def frames_of(bench: Bench, count: int) -> list[bytes]:
    """Signed frames of one sample each, as the implant would go on."""
    (session,) = bench.firmware.telemetry._sessions.hearing
    front_end = bench.firmware.front_end
    rng = np.random.default_rng(1)
    phase = np.arange(count) * (2 * np.pi * 20 * front_end.sample_us / 1e6)
    samples_nv = (6000 * np.sin(phase) + rng.normal(0, 2000, count)).astype("<i4")
    frames = []
    for k in range(count):
        session.sent += 1
        time_us = bench.firmware.now_us + (k + 1) * front_end.sample_us
        block = Sensed(front_end.index + k & 0xFFFFFFFF, 1, 1, 0, samples_nv[k].tobytes())
        frames.append(
            session.outbound.encode(
                Sensed.number, 0, session.sent, session.number, time_us & 0xFFFFFFFF,
                block.encode(), bench.firmware._table_crc,
            )
        )  # fmt: skip
    return frames


def setpoint_frame(bench: Bench) -> bytes:
    """A setpoint as the session writes it: what the C program answers with."""
    (session,) = bench.firmware.telemetry._sessions.hearing
    order = Setpoint(1, 0, 0, 7690, 0)
    return session.inbound.encode(
        order.number, 2, 1, session.number, 1, order.encode(), bench.firmware._table_crc
    )


def paced(folder: Path, tty: Tty, rate_hz: int, frames: list[bytes]) -> npt.NDArray[np.int64]:
    """Write the frames at their pace, and give what each took, ns."""
    made, out = folder / "frames", folder / "took"
    made.write_bytes(b"".join(struct.pack("<H", len(frame)) + frame for frame in frames))
    os.set_blocking(tty.fileno(), False)
    period_ns = 1_000_000_000 // rate_hz
    arguments = (folder / "pacer", tty.fileno(), period_ns, made, out)
    command = [str(argument) for argument in arguments]
    subprocess.run(command, check=True, pass_fds=[tty.fileno()], stdout=subprocess.DEVNULL)
    return np.fromfile(out, np.int64)


@contextmanager
def process(real_time: bool, *command: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A program that ends with the block, under SCHED_FIFO where that is asked for."""
    whole = [*(REAL_TIME if real_time else ()), *map(str, command)]
    with subprocess.Popen(whole, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.terminate()


def run(
    folder: Path, host: str, rate_hz: int, seconds: float, number: int, *, real_time: bool
) -> Run:
    """One host at one rate."""
    bench, tty = bench_of(rate_hz), Tty()
    record = folder / f"record-{host}-{rate_hz}-{number}"
    count = round(rate_hz * seconds)
    where = [record] if host != "unrecorded" else []
    with process(real_time, sys.executable, HERE / "host.py", tty.path, *where) as session:
        lead_to_therapy(bench, tty)
        frames = frames_of(bench, count)
        if host != "echo":
            sleep(0.1)
            drained(tty)
            took_ns = paced(folder, tty, rate_hz, frames)
            tty.close()
            session.wait(30)
        else:
            answer = folder / "answer"
            answer.write_bytes(setpoint_frame(bench))
            session.kill()
            session.wait(30)
            took_ns = echoed(folder, rate_hz, frames, answer, real_time=real_time)
    kept = took_ns[int(SETTLED * count) :]
    stages_us = stages_of(record) if host == "session" else {}
    return Run(host, rate_hz, kept[kept >= 0] / 1000, int((kept < 0).sum()), stages_us)


def drained(tty: Tty) -> None:
    """Throw away what the host has answered so far."""
    while select.select([tty], [], [], 0.05)[0]:
        tty.read()


def echoed(
    folder: Path, rate_hz: int, frames: list[bytes], answer: Path, *, real_time: bool
) -> npt.NDArray[np.int64]:
    """The same frames to the C program, on a tty of its own; all have to be equally long."""
    size = max(map(len, frames))
    same = [frame + frame[-1:] * (size - len(frame)) for frame in frames]
    tty = Tty()
    with process(real_time, folder / "echo", tty.path, str(size), answer) as echo:
        assert echo.stdout is not None
        echo.stdout.readline()
        took_ns = paced(folder, tty, rate_hz, same)
    tty.close()
    return took_ns


def stages_of(record: Path) -> dict[str, npt.NDArray[np.float64]]:
    """The session's own stamps, µs."""
    table = Record.open(record).table("latency")
    skip = int(SETTLED * len(table))
    assert set(STAGES) <= set(Latency.__dataclass_fields__)
    return {name: table[name].to_numpy()[skip:] / 1000 for name in STAGES}


# The page ---------------------------------------------


def percentiles(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """Median, 99th percentile, largest; NaN without values."""
    if not values.size:
        return (float("nan"),) * 3
    p50, p99 = np.percentile(values, (50, 99)).tolist()
    return p50, p99, float(values.max())


def of(runs: list[Run], host: str, rate_hz: int) -> list[Run]:
    """All rounds of one host at one rate."""
    return [found for found in runs if (found.host, found.rate_hz) == (host, rate_hz)]


def round_trips(runs: list[Run]) -> Iterator[str]:
    """Each host at each rate: all frames of all rounds together, and the best round."""
    heads = [*("host", "frames/s", "frames", "p50", "p99", "max", "best round p50 / p99")]
    heads += ["missed deadlines", "without an order"]
    yield f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}"
    for rate_hz in RATES_HZ:
        for host, label in HOSTS.items():
            found = of(runs, host, rate_hz)
            took = np.concatenate([run.took_us for run in found])
            p50, p99, most = percentiles(took)
            best = min(percentiles(run.took_us)[:2] for run in found)
            late = int((took > 1e6 / rate_hz).sum())
            yield (
                f"| {label} | {rate_hz} | {len(took)} | "
                f"{p50:.0f} | {p99:.0f} | {most:.0f} | "
                f"{best[0]:.0f} / {best[1]:.0f} | {late} | {sum(r.missing for r in found)} |"
            )


def ratios(runs: list[Run]) -> Iterator[str]:
    """Sessions over echo, round by round."""
    yield "| host | frames/s | p50 / that of the echo: median of rounds | least | most |"
    yield "|---|---|---|---|---|"
    for rate_hz in RATES_HZ:
        for host in ("unrecorded", "session"):
            pairs = zip(of(runs, host, rate_hz), of(runs, "echo", rate_hz), strict=True)
            each = [np.median(s.took_us) / np.median(e.took_us) for s, e in pairs]
            yield (
                f"| {HOSTS[host]} | {rate_hz} | {np.median(each):.2f} | {min(each):.2f} | "
                f"{max(each):.2f} |"
            )


def stages(runs: list[Run]) -> Iterator[str]:
    """Where the session's part of it goes."""
    heads = " | ".join(f"{rate_hz}/s p50 | p99 | max" for rate_hz in RATES_HZ)
    yield f"| stage | {heads} |\n|---|{'---|' * 3 * len(RATES_HZ)}"
    for stage in STAGES:
        cells = []
        for rate_hz in RATES_HZ:
            found = of(runs, "session", rate_hz)
            cells += [
                f"{v:.1f}"
                for v in percentiles(np.concatenate([r.stages_us[stage] for r in found]))
            ]
        yield f"| {stage} | {' | '.join(cells)} |"


def histogram(runs: list[Run]) -> Iterator[str]:
    """How many frames took how long, per mille."""
    columns = [(host, rate_hz) for rate_hz in RATES_HZ for host in HOSTS]
    yield f"| up to µs | {' | '.join(f'{h} {r}/s' for h, r in columns)} |"
    yield f"|---|{'---|' * len(columns)}"
    counts = []
    for host, rate_hz in columns:
        took = np.concatenate([run.took_us for run in of(runs, host, rate_hz)])
        found, _ = np.histogram(took, (0, *EDGES_US))
        counts.append(1000 * found / max(1, len(took)))
    for row, edge in enumerate(EDGES_US):
        label = str(edge) if edge < EDGES_US[-1] else "more"
        yield f"| {label} | {' | '.join(f'{c[row]:.1f}' for c in counts)} |"


def page(runs: list[Run], options: argparse.Namespace) -> str:
    """The whole page."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        if line.startswith("model name")
    ]
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    published = "\n".join(
        f"| {name} | {figure} | {source} |" for name, figure, source in PUBLISHED
    )
    text = (HERE / "page.md").read_text("utf-8")
    return text.format(
        command=f"python benchmarks/latency/measure.py --seconds {options.seconds:g} "
        f"--rounds {options.rounds}{' --real-time' if options.real_time else ''}",
        machine=f"{models[0]}, {os.cpu_count()} cores, {platform.system()} "
        f"{platform.release().split('-')[0]}, Python {platform.python_version()}, load {load}",
        round_trips="\n".join(round_trips(runs)),
        ratios="\n".join(ratios(runs)),
        stages="\n".join(stages(runs)),
        histogram="\n".join(histogram(runs)),
        published=published,
    )


def main() -> None:
    """Measure, and print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--real-time", action="store_true", help="both hosts under SCHED_FIFO (root, chrt)"
    )
    parser.add_argument("--page", type=Path, help="written instead of printed")
    options = parser.parse_args()
    runs = []
    with tempfile.TemporaryDirectory(prefix="stimloop-") as name:
        folder = Path(name)
        for program in ("pacer", "echo"):
            built(folder, program)
        for number in range(options.rounds):
            for rate_hz in RATES_HZ:
                for host in HOSTS:
                    runs.append(
                        run(
                            folder,
                            host,
                            rate_hz,
                            options.seconds,
                            number,
                            real_time=options.real_time,
                        )
                    )
                    p50, p99, most = percentiles(runs[-1].took_us)
                    print(
                        f"{host:10} {rate_hz:4}/s  p50 {p50:7.1f}  p99 {p99:8.1f}  "
                        f"max {most:9.1f} µs  without an order {runs[-1].missing}",
                        file=sys.stderr,
                        flush=True,
                    )
    text = page(runs, options)
    if options.page is None:
        print(text)
    else:
        options.page.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
