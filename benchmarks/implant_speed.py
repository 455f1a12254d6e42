"""How fast one implant runs in process, physics included, without host, wire or record.

python benchmarks/implant_speed.py [--runs 5] [--seconds 600]

The firmware delivers 130 Hz at 3 mA into its tissue and streams what it senses, signed; a
heartbeat with every second block of samples keeps its lease, signed by the host beforehand,
since the host's time is not the implant's. The best run is the machine with a core to itself,
the median what this machine gave.
"""

from __future__ import annotations

import argparse
import statistics
from time import perf_counter
from typing import TYPE_CHECKING

import stimloop  # noqa: F401  # makes sim:// known
from stimloop_hw import Link
from stimloop_hw.messages import Commit, Committed, Heartbeat, Setpoint, Stage, Staged
from stimloop_hw.program import CASE, Mode, Program

if TYPE_CHECKING:
    from stimloop_sim.bench import Bench

RATES_HZ = (250, 1000)
TISSUES = ("default", "artefact", "hostile")
PERIOD_US = 7_690
HEARTBEAT_MS = 40
LEASE_MS = 2_000
LATEST_US = 100_000
PROGRAM = Program(
    mode=Mode.TRAIN,
    amplitude_min_ua=0,
    amplitude_max_ua=3_000,
    width_us=60,
    period_min_us=PERIOD_US,
    period_max_us=PERIOD_US,
    slew_ua_s=25_000,
    fallback_ua=0,
    cathodes=0b0010,
    anodes=CASE,
)


def run(tissue: str, fs_hz: int, seconds: float) -> float:
    """Run one implant: times real time."""
    with Link.open(f"sim://dbs?seed=1&fs={fs_hz}&tissue={tissue}") as link:
        bench: Bench = link.port.bench  # type: ignore[attr-defined]  # only sim:// has one
        front_end = bench.firmware.front_end
        link.hello()
        link.stream(1, fs_hz, front_end.block)
        crc = link.request(Stage(1, 0, 1, PROGRAM.entries()), Staged).staged_crc
        link.request(Commit(1, crc), Committed, link.t_us + LATEST_US)
        link.start(crc, LEASE_MS)
        for sp in (1, 2, 3):
            link.send(Setpoint(sp, 0, 1000 * sp, PERIOD_US, 0), link.t_us + LATEST_US)
        heartbeat = Heartbeat(LEASE_MS, 0, 0)
        count = round(seconds * 1000 / HEARTBEAT_MS)
        wires = [link.session.frame(heartbeat, None) for _ in range(count)]
        begin = perf_counter()
        for wire in wires:
            link.port.write(wire)
            bench.advance(fs_hz * HEARTBEAT_MS // 1000)
            bench.take()
        speed = seconds / (perf_counter() - begin)
        pulses = bench.firmware.therapy.pulses
        assert pulses.pulses > 100 * seconds, "the implant did not stimulate"
        return speed


def main() -> None:
    """Print the speed of every tissue at every rate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=600.0)
    options = parser.parse_args()
    for fs_hz in RATES_HZ:
        for tissue in TISSUES:
            speeds = [run(tissue, fs_hz, options.seconds) for _ in range(options.runs)]
            print(
                f"{fs_hz:4} Hz, tissue {tissue:8}, x real time: {max(speeds):.0f} at best, "
                f"{statistics.median(speeds):.0f} median, {min(speeds):.0f} worst "
                f"of {len(speeds)}"
            )


if __name__ == "__main__":
    main()
