"""Peaks, bursts and movement in recordings of people with Parkinson's disease."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stimloop_dsp import find_peak, summarise
from stimloop_dsp.bursts import BurstSummary, amplitude, burst_table, duration_cdf
from stimloop_dsp.recordings import read_recording

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

FS_HZ = 1000.0
GRIP = (
    "lfp_pd_stn_grip/sub-testsub/ses-EphysMedOff/ieeg/"
    "sub-testsub_ses-EphysMedOff_task-gripforce_run-0_ieeg.vhdr"
)
STN = ("LFP_RIGHT_0", "LFP_RIGHT_1", "LFP_RIGHT_2")
ECOG = tuple(f"ECOG_RIGHT_{i}" for i in range(6))
FORCE = "MOV_RIGHT"
CDF_MS = (150.0, 200.0, 300.0, 600.0)


def ecog_uv(recordings: Path) -> npt.NDArray[np.float64]:
    """Motor cortex, µV, 1000 Hz, 89 s."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Reading `.npy` or `.npz` file required")
        recorded = np.load(recordings / "ecog_pd_m1" / "exampledata.npy")
    return np.asarray(recorded.ravel(), dtype=np.float64)


def ecog_bursts(recordings: Path) -> tuple[BurstSummary, list[float]]:
    """Summary of the burst table, and the share of bursts up to each of `CDF_MS`."""
    samples_uv = ecog_uv(recordings)
    table = burst_table(samples_uv, FS_HZ)
    return summarise(table, samples_uv.size, FS_HZ), duration_cdf(table, FS_HZ, CDF_MS)


@dataclass(frozen=True)
class Channel:
    """What one channel of the grip recording shows."""

    name: str
    peak_hz: float | None
    height_db: float
    desynchronisation: float
    """Mean beta amplitude while gripping, over that at rest."""


def gripping(force: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """When force is above a tenth of its range (1st to 99th percentile)."""
    low, high = np.percentile(force, [1, 99])
    return np.asarray(force > low + 0.1 * (high - low))


def channels(recordings: Path) -> list[Channel]:
    """Peak and desynchronisation of every channel of the grip recording."""
    path = recordings / GRIP
    force = read_recording(path, channel=FORCE, gain=1e-6).samples_uv
    moving = gripping(force)
    found = []
    for name in (*STN, *ECOG):
        samples_uv = read_recording(path, channel=name, gain=1e-6).samples_uv
        peak = find_peak(samples_uv, FS_HZ)
        beta = amplitude(samples_uv, FS_HZ)
        found.append(
            Channel(
                name,
                None if peak is None else peak.frequency_hz,
                float("nan") if peak is None else peak.height_db,
                float(beta[moving].mean() / beta[~moving].mean()),
            )
        )
    return found


def section(recordings: Path) -> str:
    """Return the Markdown section."""
    summary, cdf = ecog_bursts(recordings)
    ecog_peak = find_peak(ecog_uv(recordings), FS_HZ)
    assert ecog_peak is not None
    shares = ", ".join(
        f"{share:.2f} up to {ms:g} ms" for share, ms in zip(cdf, CDF_MS, strict=True)
    )
    rows = "\n".join(
        f"| {c.name} | {'none clear' if c.peak_hz is None else f'{c.peak_hz:.1f}'} "
        f"| {c.height_db:.1f} | {c.desynchronisation:.2f} |"
        for c in channels(recordings)
    )
    return f"""\
## Peaks, bursts and movement

Motor cortex of a person with Parkinson's disease, 89 s at 1000 Hz: peak at
{ecog_peak.frequency_hz:.1f} Hz. Burst table by Tinkhauser's convention (13-30 Hz, zero phase,
75th percentile of the amplitude, 100 ms or more):

| bursts/s | median | mean | long (> 600 ms) | in bursts |
|---|---|---|---|---|
| {summary.bursts_per_s:.3f} | {summary.median_ms:.0f} ms | {summary.mean_ms:.0f} ms \
| {summary.long_fraction:.3f} | {summary.fraction_in_burst:.3f} |

Share of the bursts: {shares}.

Subthalamic nucleus and cortex of another, off medication, 19 s: peak, and mean amplitude of
13-30 Hz while gripping (force above a tenth of its range) over that at rest.

| channel | peak [Hz] | height [dB] | gripping / rest |
|---|---|---|---|
{rows}
"""
