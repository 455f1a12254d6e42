"""Speed of the simulated patients, and the compiled loop beside the plain one for an hour.

Run: ``python benchmarks/dbs_speed.py``. Times are thread CPU times, the best of many slices.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.unit.test_closed_loop import differences

from stimloop_dsp import BetaDetector
from stimloop_dsp.controllers import OnOff
from stimloop_sim.closed_loop import LAWS, ClosedLoop
from stimloop_sim.cohort import DAY
from stimloop_sim.patient import PatientModel
from stimloop_sim.patients import OTHERS, PATIENTS

SLICES = 60


def best_s(work: Callable[[], object]) -> float:
    """Thread time of one slice of work, s."""
    times = []
    for _ in range(SLICES):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    return min(times)


def main() -> None:
    """Print every table."""
    print("patient alone at 250 Hz, times real time")
    for name, model in {**PATIENTS, **OTHERS}.items():
        patient = model.patient(seed=1)
        for block in (5, 2500):
            pulses = np.full(block, 3000, np.int32)
            count = max(1, 2500 // block)

            def live(count: int = count) -> None:
                for _ in range(count):
                    patient.sense(pulses, 60, 7692)  # noqa: B023  # called before the next

            print(
                f"  {name:18s} blocks of {block:4d}: {count * block / 250 / best_s(live):9.0f}"
            )
    print("patient, detector and controller compiled together, 24 h in s")
    for fs_hz in (250, 1000):
        on_off = OnOff(
            tick_us=20_000, amplitude_min_ua=0, amplitude_max_ua=3000, period_us=7692
        )
        loop = ClosedLoop(PatientModel(day=DAY), BetaDetector(fs_hz, 1.6), on_off, fs_hz=fs_hz)
        print(f"  {fs_hz:5d} Hz: {1440 * best_s(lambda: loop.run(3000)):.2f}")  # noqa: B023
    print("ticks of an hour at 1 kHz that differ from the plain loop")
    for law, kind in enumerate(LAWS):
        print(f"  {kind.__name__:22s} {differences(law, 1000, 3600)}")


if __name__ == "__main__":
    main()
