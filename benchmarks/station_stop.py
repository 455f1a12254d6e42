"""How long a STOP takes from the client's call to the device's acknowledgement.

python benchmarks/station_stop.py [--stops 40]

A simulated implant in a process of its own, on a kernel tty in real time, and a station that
leads a session on it. Each session is stopped after a random time, by turns with nobody else
there and with a client that has asked for 200 prescriptions to be checked and hears no reply.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

import numpy as np

from stimloop.demo import prescription_text
from stimloop.station import Phase, Station
from stimloop.station.requests import (
    Arm,
    Check,
    Commit,
    Connect,
    Done,
    Refused,
    Request,
    Shutdown,
    Stage,
    Start,
)

ASKED = 200
TEXT = prescription_text("adaptive", 1.7)


def done(station: Station, *requests: Request) -> None:
    """Ask one after another; each must be done."""
    for request in requests:
        reply = station.ask(request)
        if isinstance(reply, Refused):
            raise SystemExit(reply.sentence)


def stopped_ms(station: Station, place: Path, wait_s: float, *, crowded: bool) -> float:
    """Start a session, and stop it: how long that took, ms."""
    done(station, Stage(TEXT), Commit(), Arm(), Start(adaptive=False, amplitude_ua=1_000))
    time.sleep(wait_s)
    with Station.attach(place / "run", "a crowd") as crowd:
        for _ in range(ASKED if crowded else 0):
            crowd.send(Check(TEXT))
        begun_s = time.perf_counter()
        reply = station.stop()
        took_s = time.perf_counter() - begun_s
    if not isinstance(reply, Done):
        raise SystemExit(str(reply))
    while station.snapshot().phase is not Phase.SENSING:
        time.sleep(0.01)
    return 1000 * took_s


def main() -> None:
    """Print both, by turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stops", type=int, default=40)
    options = parser.parse_args()
    random = Random(0)
    found: dict[bool, list[float]] = {False: [], True: []}
    device = [sys.executable, "-m", "stimloop_sim", "dbs?seed=1&fs=1000", "--pty"]
    with (
        tempfile.TemporaryDirectory(prefix="stimloop-", dir="/dev/shm") as folder,
        subprocess.Popen(
            device, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as implant,
    ):
        assert implant.stdout is not None
        place = Path(folder)
        with Station.launch(place / "run", records=place / "records") as station:
            done(station, Connect(implant.stdout.readline().strip()))
            for _ in range(options.stops):
                for crowded, values in found.items():
                    wait_s = random.uniform(0.2, 0.4)
                    values.append(stopped_ms(station, place, wait_s, crowded=crowded))
            done(station, Shutdown())
        implant.terminate()
    print(f"{options.stops} STOPs each, by turns, load {os.getloadavg()[0]:.1f}")
    for crowded, values in found.items():
        p50, p99 = np.percentile(values, (50, 99))
        what = f"{ASKED} requests waiting" if crowded else "nobody else"
        print(f"{what}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {max(values):.1f} ms")


if __name__ == "__main__":
    main()
