"""A session over a real tty in real time, the implant in another process: what is lost.

python benchmarks/tty_loss.py [--seconds 300]

250 Hz and 1 kHz run side by side, each on a tty of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

RATES_HZ = (250, 1000)

SESSION = """
import json, sys
import stimloop
from stimloop import prescription
from stimloop.demo import prescription_text
text = prescription_text("adaptive", 1.7)
directory = stimloop.run_session(
    prescription.loads(text), sys.argv[1], seconds=float(sys.argv[2]), directory=sys.argv[3]
)
record = stimloop.Record.open(directory)
summary = stimloop.summarize(record)
last = list(record.statuses())[-1][1]
print(json.dumps({
    "samples": summary.samples, "lost_samples": summary.lost_samples, "orders": summary.orders,
    "refused": summary.refused, "stale": summary.stale, "damaged frames": last.damaged,
    "dropped by the device": last.samples_dropped, "net charge nC": summary.net_charge_nc,
    "identical replay": stimloop.replay_record(record).identical,
    "total us": summary.latency_us["total"],
}))
"""


def over_tty(fs_hz: int, seconds: float) -> str:
    """Run one session in processes of their own: what it found."""
    simulate = [sys.executable, "-m", "stimloop_sim", f"dbs?seed=1&fs={fs_hz}", "--pty"]
    with subprocess.Popen(
        simulate, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as implant:
        assert implant.stdout is not None
        port = implant.stdout.readline().strip()
        record = Path(tempfile.mkdtemp(prefix="stimloop-")) / "record"
        host = subprocess.run(
            [sys.executable, "-c", SESSION, port, str(seconds), str(record)],
            capture_output=True,
            text=True,
            check=False,
        )
        implant.terminate()
    return f"{fs_hz} Hz, {seconds:g} s: {host.stdout.strip() or host.stderr.strip()}"


def main() -> None:
    """Print a line for each rate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300.0)
    seconds = parser.parse_args().seconds
    with ThreadPoolExecutor() as pool:
        for line in pool.map(partial(over_tty, seconds=seconds), RATES_HZ):
            print(line)


if __name__ == "__main__":
    main()
