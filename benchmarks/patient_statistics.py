"""Statistics of the simulated patient of deep brain stimulation beside published targets.

The burst pipeline follows Tinkhauser et al. (2017), doi:10.1093/brain/awx252: band-pass around
the peak +/-3 Hz, rectify, smooth over 200 ms (here without delay), threshold at the mean of the
75th percentiles off and on medication, bursts of at least 100 ms. Targets: durations and rates
digitised from that study's figures (the public notebook burst_generation.ipynb of silvanx),
tolerance 0.05 on a share and 0.08 per s on a rate.

Run: ``python benchmarks/patient_statistics.py [--seeds 20] [--minutes 10]``
"""

import argparse
import time

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, sosfiltfilt

from stimloop_sim.patient import RATES_HZ, DbsPatient
from stimloop_sim.patients import PATIENTS

LIMITS_S = (0.2, 0.4, 0.6, 1.0)
# Share of bursts no longer than each limit, and bursts per s.
TARGETS = {
    "default": ((0.28, 0.69, 0.84, 0.97), 0.70),
    "on_medication": ((0.39, 0.84, 0.93, 1.00), 0.58),
}


def sense(
    name: str, seed: int, fs_hz: int, seconds: int, amplitude_ua: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Potential and true beta amplitude, both (n,) in µV, under 130 Hz, 60 µs."""
    patient = DbsPatient(PATIENTS[name], seed=seed, fs_hz=fs_hz)
    pulses = np.full(seconds * fs_hz, amplitude_ua, np.int32)
    return patient.sense(pulses, 60, 7692)[:, 0], patient.envelope_uv


def beta_amplitude(potential_uv: NDArray[np.float64], fs_hz: int) -> NDArray[np.float64]:
    """Beta amplitude without delay, (n,), µV."""
    sections = butter(2, [17.0, 23.0], "bandpass", fs=fs_hz, output="sos")
    rectified = np.abs(sosfiltfilt(sections, potential_uv))
    return uniform_filter1d(rectified, fs_hz // 5)


def durations_s(
    amplitude: NDArray[np.float64], threshold: float, fs_hz: int
) -> NDArray[np.float64]:
    """Durations of the bursts of at least 100 ms, s."""
    edges = np.diff(np.concatenate(([False], amplitude > threshold, [False])).astype(np.int8))
    lengths = np.flatnonzero(edges < 0) - np.flatnonzero(edges > 0)
    return lengths[lengths >= fs_hz // 10] / fs_hz


def bursts(fs_hz: int, seeds: int, seconds: int) -> None:
    """Print the burst durations and rates off and on medication."""
    found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in TARGETS}
    for seed in range(seeds):
        traces = {
            name: beta_amplitude(sense(name, seed, fs_hz, seconds)[0], fs_hz)
            for name in TARGETS
        }
        threshold = float(np.mean([np.quantile(trace, 0.75) for trace in traces.values()]))
        for name, trace in traces.items():
            found[name].append(durations_s(trace, threshold, fs_hz))
    for name, (shares, rate) in TARGETS.items():
        durations = np.concatenate(found[name])
        cells = [
            f"{np.mean(durations <= limit):.2f} ({target:.2f})"
            for limit, target in zip(LIMITS_S, shares, strict=True)
        ]
        per_s = len(durations) / (seeds * seconds)
        print(
            f"{fs_hz:5d} {name:14s} {'  '.join(cells)}   {per_s:.2f} ({rate:.2f})"
            f"   {np.mean(durations):.2f}"
        )


def suppression(name: str, fs_hz: int, seeds: int, seconds: int) -> None:
    """Print what continuous stimulation at 3 mA leaves of the beta amplitude."""
    potentials = []
    truths = []
    for seed in range(seeds):
        off_uv, true_off_uv = sense(name, seed, fs_hz, seconds)
        on_uv, true_on_uv = sense(name, seed, fs_hz, seconds, 3000)
        potentials.append(
            beta_amplitude(on_uv, fs_hz).mean() / beta_amplitude(off_uv, fs_hz).mean()
        )
        truths.append(true_on_uv.mean() / true_off_uv.mean())
    spread = f"{min(potentials):.2f} to {max(potentials):.2f}"
    print(
        f"{fs_hz:5d} {name:16s} {np.median(potentials):.2f} ({spread})"
        f"   {np.median(truths):.2f}"
    )


def speed(block: int) -> None:
    """Print the patient's speed in blocks of so many samples at 250 Hz."""
    patient = DbsPatient(fs_hz=250)
    pulses = np.full(block, 3000, np.int32)
    blocks = 100_000 // block
    best_s = np.inf
    for _ in range(20):
        start_s = time.perf_counter()
        for _ in range(blocks):
            patient.sense(pulses, 60, 7692)
        best_s = min(best_s, (time.perf_counter() - start_s) / blocks)
    print(f"{block:5d} {best_s * 1e6:8.2f} µs {block / 250 / best_s:8.0f} x real time")


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--minutes", type=int, default=10)
    arguments = parser.parse_args()
    seconds = 60 * arguments.minutes
    print(f"{arguments.seeds} seeds of {arguments.minutes} minutes; targets in brackets")
    print(f"\nBursts no longer than {', '.join(map(str, LIMITS_S))} s, per s, mean duration s")
    for fs_hz in RATES_HZ:
        bursts(fs_hz, arguments.seeds, seconds)
    print("\nBeta amplitude left by 3 mA, of off: sensed, median (range), and true, median")
    for name in ("default", "full_suppression"):
        suppression(name, 250, arguments.seeds, seconds)
    print("\nSpeed by block of samples at 250 Hz, best of 20")
    for block in (1, 5, 250):
        speed(block)


if __name__ == "__main__":
    main()
