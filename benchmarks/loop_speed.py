"""How fast the whole loop runs in process: both ends of the wire, patient and record included.

python benchmarks/loop_speed.py [--runs 5] [--seconds 600]

Runs of 250 Hz and 1 kHz alternate, so that a busy machine slows both; the best run is the
machine with a core to itself, the median what this machine gave.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path
from time import perf_counter

import stimloop
from stimloop import prescription as prescriptions
from stimloop.demo import prescription_text

RATES_HZ = (250, 1000)


def run(fs_hz: int, seconds: float) -> tuple[float, dict[str, dict[str, float]]]:
    """Run one session: times real time, and the latency of its stages."""
    folder = Path(tempfile.mkdtemp(prefix="stimloop-"))
    try:
        prescription = prescriptions.loads(prescription_text("adaptive", 1.7))
        begin = perf_counter()
        directory = stimloop.run_session(
            prescription,
            f"sim://dbs?seed=1&fs={fs_hz}",
            seconds=seconds,
            directory=folder / "record",
        )
        speed = seconds / (perf_counter() - begin)
        return speed, stimloop.summarize(stimloop.Record.open(directory)).latency_us
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Print speed and stages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=600.0)
    options = parser.parse_args()
    run(RATES_HZ[0], 10.0)
    results = [
        (fs_hz, *run(fs_hz, options.seconds)) for _ in range(options.runs) for fs_hz in RATES_HZ
    ]
    for fs_hz in RATES_HZ:
        speeds = [speed for rate, speed, _ in results if rate == fs_hz]
        print(
            f"{fs_hz} Hz, one channel, x real time: {max(speeds):.0f} at best, "
            f"{statistics.median(speeds):.0f} median, {min(speeds):.0f} worst of {len(speeds)}"
        )
        best = max((r for r in results if r[0] == fs_hz), key=lambda r: r[1])[2]
        for stage, times in best.items():
            print(f"  {stage:8} p50 {times['p50']:7.1f} µs   p99 {times['p99']:7.1f} µs")


if __name__ == "__main__":
    main()
