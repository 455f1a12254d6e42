"""What looking at a session costs it: the station's latency with a reader against without.

python benchmarks/station_latency.py [--app | --reader COMMAND] [--pairs 24] [--window-s 10]

A simulated implant in a process of its own, on a kernel tty in real time; a station that leads
an adaptive session on it; and a reader that is let run and held by turns, in random order
within each pair of windows, so that a busy machine slows both. The reader is a client that does
60 times a second what an app's timer does; with --app the programmer, its page Monitor open
(QT_QPA_PLATFORM=offscreen where there is no screen); or any COMMAND, in which {directory}
stands for the run directory. Latency is a tick's, from the bytes in hand to the order's last
byte written, as the record keeps it. A ratio is the geometric mean over pairs, its interval a
bootstrap's over pairs, 95 %.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

import numpy as np

from stimloop.demo import prescription_text
from stimloop.station import Station
from stimloop.station.requests import Arm, Commit, Connect, Refused, Shutdown, Stage, Start

ROOT = Path(__file__).parent.parent
SETTLE_S = 1.0
"""Nothing is counted for so long after the reader was let run or held."""
QUANTILES = (50, 99)


def read(directory: Path) -> None:
    """Be a reader: everything that is new, 60 times a second."""
    with Station.attach(directory, "a reader") as station:
        while True:
            station.poll()
            for look in (station.snapshot, station.samples, station.steps, station.events):
                look()
            time.sleep(1 / 60)


def show(directory: Path) -> None:
    """Be the programmer, its page Monitor open."""
    from PySide6.QtWidgets import QApplication  # noqa: PLC0415  # of the extra "app"

    from stimloop.app.launch import prepare  # noqa: PLC0415
    from stimloop.app.window import Window  # noqa: PLC0415

    application = QApplication([])
    prepare(application)
    window = Window(Station.attach(directory, "the programmer"))
    window.resize(1280, 800)
    window.show()
    window.show_page("monitor")
    application.exec()


def begin(station: Station, url: str) -> None:
    """Start an adaptive session."""
    text = prescription_text("adaptive", 1.7)
    for request in (Connect(url), Stage(text), Commit(), Arm(), Start()):
        reply = station.ask(request)
        if isinstance(reply, Refused):
            raise SystemExit(reply.sentence)


def windows(
    station: Station, reader: subprocess.Popen[bytes], pairs: int, window_s: float
) -> list[dict[bool, tuple[int, int]]]:
    """First and last tick of each window, by whether the reader ran."""
    order, found = Random(0), []
    for _ in range(pairs):
        pair: dict[bool, tuple[int, int]] = {}
        for runs in order.sample([True, False], 2):
            os.kill(reader.pid, signal.SIGCONT if runs else signal.SIGSTOP)
            time.sleep(SETTLE_S)
            first = station.snapshot().steps
            time.sleep(window_s)
            pair[runs] = (first, station.snapshot().steps)
            if reader.poll() is not None:
                raise SystemExit(f"the reader has ended with status {reader.returncode}")
        found.append(pair)
    return found


def ratio(values: list[float]) -> tuple[float, float, float]:
    """Geometric mean, and its bootstrapped 95 % interval."""
    logs = np.log(values)
    means = np.random.default_rng(0).choice(logs, (10_000, logs.size)).mean(axis=1)
    low, high = np.exp(np.percentile(means, (2.5, 97.5))).tolist()
    return float(np.exp(logs.mean())), low, high


def measure(options: argparse.Namespace, place: Path) -> None:
    """Run the session, and print the table."""
    device = [sys.executable, "-m", "stimloop_sim", f"dbs?seed=1&fs={options.fs}", "--pty"]
    with subprocess.Popen(
        device, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as implant:
        assert implant.stdout is not None
        url = implant.stdout.readline().strip()
        with Station.launch(place / "run", records=place / "records") as station:
            begin(station, url)
            command = shlex.split(options.reader.format(directory=place / "run"))
            with subprocess.Popen(command) as reader:
                time.sleep(options.start_s)
                found = windows(station, reader, options.pairs, options.window_s)
                os.kill(reader.pid, signal.SIGCONT)
                reader.terminate()
            total_us = station.steps().rows["total_ns"] / 1000
            lost = station.snapshot().lost_samples
            station.stop()
            while station.snapshot().status.state == 4:  # STIMULATING
                time.sleep(0.05)
            station.ask(Shutdown())
        implant.terminate()
    load = os.getloadavg()
    print(f"{options.pairs} pairs of {options.window_s:g} s, load {load[0]:.1f}, {lost} lost")
    print(f"reader: {shlex.join(command)}")
    for q in QUANTILES:
        sides = {
            runs: [float(np.percentile(total_us[slice(*pair[runs])], q)) for pair in found]
            for runs in (True, False)
        }
        ratios = [a / b for a, b in zip(sides[True], sides[False], strict=True)]
        mean, low, high = ratio(ratios)
        print(
            f"p{q}: {np.median(sides[True]):.0f} µs with, {np.median(sides[False]):.0f} µs "
            f"without (median of windows); ratio {mean:.3f} ({low:.3f}, {high:.3f})"
        )


def main() -> None:
    """Measure, or be the reader that is measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--window-s", type=float, default=10.0)
    parser.add_argument("--fs", type=int, default=1000, choices=(250, 500, 1000))
    parser.add_argument("--start-s", type=float, default=8.0, help="until the reader is up")
    own = f"{sys.executable} {__file__} --as read {{directory}}"
    window = f"{sys.executable} {__file__} --as show {{directory}}"
    parser.add_argument("--reader", default=own, metavar="COMMAND")
    parser.add_argument("--app", dest="reader", action="store_const", const=window)
    parser.add_argument("--as", dest="part", nargs=2, default=(), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        part, directory = options.part
        {"read": read, "show": show}[part](Path(directory))
        return
    with tempfile.TemporaryDirectory(prefix="stimloop-", dir="/dev/shm") as place:
        measure(options, Path(place))


if __name__ == "__main__":
    main()
