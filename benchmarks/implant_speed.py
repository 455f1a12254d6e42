"""How fast one implant runs in process, physics included, without host, wire or record.

python benchmarks/implant_speed.py [--runs 5] [--seconds 600]

The firmware delivers 130 Hz at 3 mA into its tissue and streams what it senses; a heartbeat
every 50 ms keeps its lease. The best run is the machine with a core to itself, the median what
this machine gave.
"""

from __future__ import annotations

import argparse
import os
import statistics
from time import perf_counter
from zlib import crc32

from stimloop_hw.framing import Deframer, Flag, encode
from stimloop_hw.messages import (
    TABLE_CRC,
    Arm,
    Commit,
    Heartbeat,
    Hello,
    Identity,
    Message,
    Setpoint,
    Stage,
    Start,
    StreamConfig,
)
from stimloop_hw.program import CASE, Mode, Program
from stimloop_sim.bench import Bench

RATES_HZ = (250, 1000)
TISSUES = ("default", "artefact", "hostile")
PERIOD_US = 7_690
HEARTBEAT_MS = 50
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


class Host:
    """As much of a host as keeps an implant busy."""

    def __init__(self, bench: Bench) -> None:
        self.firmware = bench.firmware
        self._seq = 0
        self._session = 0
        nonce = os.urandom(16)
        self._say(Hello(1, 1, nonce, b"speed..."))
        (frame,) = Deframer(TABLE_CRC).feed(self.firmware.outbox.take())
        identity = Identity.decode(frame.payload)
        device_id = identity.device_id.to_bytes(8, "little")
        self._session = crc32(nonce + identity.nonce + device_id)
        crc, front_end = PROGRAM.crc(), self.firmware.front_end
        for order in (
            StreamConfig(1, front_end.source.fs_hz, front_end.block),
            Stage(1, PROGRAM.entries()),
            Commit(1, crc),
            Arm(crc),
            Start(crc, 2_000),
            *(Setpoint(sp, 0, 1_000 * sp, PERIOD_US, 0) for sp in (1, 2, 3)),
        ):
            self._say(order)

    def _say(self, order: Message) -> None:
        self._seq = (self._seq + 1) & 0xFFFF
        late_us = (self.firmware.now_us + 100_000) & 0xFFFFFFFF
        self.firmware.receive(
            encode(
                order.number,
                Flag.EXPIRES,
                self._seq,
                self._session,
                late_us,
                order.encode(),
                TABLE_CRC,
            )
        )

    def live(self, seconds: float) -> None:
        """Let so much time pass, with heartbeats."""
        heartbeat = Heartbeat(2_000, 0, 0)
        samples = self.firmware.front_end.source.fs_hz * HEARTBEAT_MS // 1000
        for _ in range(round(seconds * 1000 / HEARTBEAT_MS)):
            self._say(heartbeat)
            self.firmware.advance(samples)
            self.firmware.outbox.take()


def run(tissue: str, fs_hz: int, seconds: float) -> float:
    """Run one implant: times real time."""
    bench = Bench.of_url(f"sim://dbs?seed=1&fs={fs_hz}&tissue={tissue}")
    host = Host(bench)
    begin = perf_counter()
    host.live(seconds)
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
