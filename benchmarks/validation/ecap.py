"""Readings of the evoked compound action potential, on simulated sweeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from stimloop_dsp import EcapDetector
from stimloop_dsp.ecap import artefact_uv, ecap_uv, n1_p2_uv, templates, without_artefact

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

FS_HZ = 20_000
SAMPLES = 120
N1_MS = 1.2
TAUS_MS = (0.3, 0.5, 1.0, 2.0, 5.0)
NOISE_UV = 4.0
T_MS = np.arange(SAMPLES) * 1000 / FS_HZ


def leakage(window: Literal["triangular", "hann", "rectangular"]) -> list[float]:
    """What an exponential of 1 µV reads as, for each of `TAUS_MS`, µV."""
    template = templates(FS_HZ, window=window)[0]
    t_ms = np.arange(-2000, 2000) * 1000 / FS_HZ
    gain = 1 / np.correlate(ecap_uv(t_ms, 1.0, 0.0), template, "valid").max()
    under_ms = np.arange(len(template)) * 1000 / FS_HZ
    return [abs(gain * float(template @ np.exp(-under_ms / tau_ms))) for tau_ms in TAUS_MS]


def sweeps(
    amplitude_uv: float, size_uv: float, count: int, seed: int, n1_ms: float = N1_MS
) -> list[npt.NDArray[np.float64]]:
    """Return sweeps with one amplitude, one artefact, and fresh noise."""
    rng = np.random.default_rng(seed)
    clean = ecap_uv(T_MS, amplitude_uv, n1_ms) + artefact_uv(T_MS, size_uv)
    return [clean + NOISE_UV * rng.standard_normal(SAMPLES) for _ in range(count)]


def detector(**parameters: float) -> EcapDetector:
    """Return a detector for these sweeps."""
    return EcapDetector(FS_HZ, 10.0, N1_MS, SAMPLES, **parameters)  # type: ignore[arg-type]


def readings(
    amplitude_uv: float, size_uv: float, count: int = 200, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Mean error and standard deviation of each reading, µV."""
    found: dict[str, list[float]] = {"correlator": [], "N1-P2": [], "N1-P2, model off": []}
    ecap = detector()
    for i, sweep in enumerate(sweeps(amplitude_uv, size_uv, count, seed)):
        nv = np.round(1000 * sweep).astype(np.int32)[:, None]
        found["correlator"].append(ecap.push(nv, i, 0).level)
        found["N1-P2"].append(n1_p2_uv(sweep, FS_HZ, N1_MS))
        found["N1-P2, model off"].append(n1_p2_uv(without_artefact(sweep, FS_HZ), FS_HZ, N1_MS))
    return {
        name: (float(np.mean(values)) - amplitude_uv, float(np.std(values)))
        for name, values in found.items()
    }


def present(
    amplitude_uv: float, size_uv: float = 0.0, count: int = 400, seed: int = 0
) -> float:
    """Share of sweeps in which a response is told."""
    ecap = detector()
    told = [
        ecap.push(np.round(1000 * sweep).astype(np.int32)[:, None], i, 0).active
        for i, sweep in enumerate(sweeps(amplitude_uv, size_uv, count, seed))
    ]
    return float(np.mean(told[20:]))


def section(_recordings: Path) -> str:
    """Return the Markdown section."""
    windows: tuple[Literal["triangular", "hann", "rectangular"], ...] = (
        "triangular",
        "hann",
        "rectangular",
    )
    leaks = "\n".join(
        f"| {window} | " + " | ".join(f"{leak:.3f}" for leak in leakage(window)) + " |"
        for window in windows
    )
    rows = []
    for size_uv in (0.0, 300.0, 3000.0):
        for amplitude_uv in (0.0, 20.0, 50.0, 200.0):
            found = readings(amplitude_uv, size_uv)
            cells = " | ".join(f"{error:+.1f} ± {sd:.1f}" for error, sd in found.values())
            rows.append(f"| {size_uv:g} | {amplitude_uv:g} | {cells} |")
    shares = "\n".join(
        f"| {size_uv:g} | "
        + " | ".join(f"{present(a, size_uv):.3f}" for a in (0.0, 10.0, 20.0, 40.0))
        + " |"
        for size_uv in (0.0, 100.0, 500.0)
    )
    table = "\n".join(rows)
    return f"""\
## Evoked compound action potential (simulated)

No recording with a usable licence is known: everything here is simulated, {FS_HZ} Hz, sweeps of
{SAMPLES} samples. What an exponential of 1 µV reads as, by the window over four lobes:

| window | {" | ".join(f"{tau} ms" for tau in TAUS_MS)} |
|---|---|---|---|---|---|
{leaks}

Error of a reading, mean ± standard deviation in µV over 200 sweeps, noise {NOISE_UV:g} µV rms:

| artefact [µV] | amplitude [µV] | correlator | N1-P2 | N1-P2, artefact model subtracted |
|---|---|---|---|---|
{table}

Share of sweeps in which a response is told, at a threshold of 10 µV:

| artefact [µV] | none | 10 µV | 20 µV | 40 µV |
|---|---|---|---|---|
{shares}

FALLS SHORT: the artefact's own exponentials (0.4 and 2 ms) leak into the correlator in
proportion to its size, and a large one is told as a response. The threshold must stand above
that leak, or the artefact be kept small.
"""
