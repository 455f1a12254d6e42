"""Whether a station's memory stays flat: an hour of a session in virtual time.

python benchmarks/station_memory.py [--minutes 60]

Station, simulated implant and a client that reads every ring at every turn, in one process and
one thread. The first sixth is left out of the line: caches and buffers fill then.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
from scipy.stats import linregress

from stimloop.demo import prescription_text
from stimloop.station import Station
from stimloop.station.requests import (
    Arm,
    Commit,
    Connect,
    Refused,
    Reply,
    Request,
    Stage,
    Start,
)
from stimloop.station.server import Server

TICKS_PER_MIN = 60 * 50


def own_mb() -> float:
    """What this process holds for itself: without the rings, whose size is fixed."""
    told = Path("/proc/self/status").read_text("ascii").partition("RssAnon:")[2]
    return int(told.split()[0]) * 1024 / 1e6


def ask(server: Server, station: Station, request: Request) -> None:
    """Ask within one thread."""
    replies: list[Reply] = []
    station.send(request, replies.append)
    while not replies:
        server.turn()
        station.poll()
    if isinstance(replies[0], Refused):
        raise SystemExit(replies[0].sentence)


def main() -> None:
    """Print memory by the minute's count, and its slope."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=60)
    options = parser.parse_args()
    found: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory(prefix="stimloop-", dir="/dev/shm") as folder:
        place = Path(folder)
        server = Server(place / "run", place / "records", float("inf"))
        with Station.attach(place / "run", "a benchmark") as station:
            text = prescription_text("adaptive", 1.7)
            for request in (Connect("sim://dbs?seed=1"), Stage(text), Commit(), Arm(), Start()):
                ask(server, station, request)
            begun_s = perf_counter()
            for minute in range(options.minutes):
                for _ in range(TICKS_PER_MIN):
                    server.turn()
                    for look in (
                        *(station.snapshot, station.samples, station.steps),
                        *(station.events, station.sweeps),
                    ):
                        look()
                station.poll()
                found.append((minute + 1, own_mb()))
            took_s = perf_counter() - begun_s
            shown = station.snapshot()
            server.close()
    settled = found[len(found) // 6 :]
    minutes, held_mb = np.array(settled).T
    line = linregress(minutes, held_mb)
    print(
        f"{options.minutes} min of session in {took_s:.0f} s, {shown.steps} steps, "
        f"{shown.lost_samples} lost; phase {shown.phase.name}"
    )
    print(", ".join(f"{minute} min {mb:.1f} MB" for minute, mb in found[:: len(found) // 6]))
    print(
        f"slope after {settled[0][0]} min: {60 * line.slope:.2f} MB/h, "
        f"standard error {60 * line.stderr:.2f}"
    )


if __name__ == "__main__":
    main()
