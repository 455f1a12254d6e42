"""R waves beside annotated beats, and tachycardia beside a recorded seizure."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stimloop_dsp._heart import RPeaks, TachycardiaDetector
from stimloop_dsp.recordings import read_recording

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from stimloop_dsp.heart import Beat

THETAS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
NEAR_MS = 50.0
SEIZURE_S = (4494.0, 4650.0)
BEATS = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 25, 30, 34, 35, 38, 41}
"""Annotation codes of the WFDB format that stand for a beat."""


def read_wfdb(
    folder: Path,
) -> tuple[npt.NDArray[np.float64], float, npt.NDArray[np.int64]]:
    """Read the first channel of a WFDB record of format 212, and its annotated beats.

    Parameters
    ----------
    folder : Path
        With one record: NAME.hea, NAME.dat, NAME.atr.

    Returns
    -------
    tuple
        Samples, mV, (n,); rate, Hz; sample of each beat, (beats,).
    """
    (header,) = folder.glob("*.hea")
    lines = [
        line for line in header.read_text("ascii").splitlines() if not line.startswith("#")
    ]
    rate_hz, samples = float(lines[0].split()[2].split("/")[0]), int(lines[0].split()[3])
    fields = lines[1].split()
    gain, zero = float(fields[2].split("/")[0].split("(")[0]), int(fields[4])
    # Two samples of 12 bits in three bytes, one of each channel.
    raw = np.frombuffer(header.with_suffix(".dat").read_bytes(), np.uint8).reshape(-1, 3)
    first = raw[:samples, 0].astype(np.int32) + ((raw[:samples, 1] & 0x0F).astype(int) << 8)
    first = np.where(first > 2047, first - 4096, first)
    # Annotations: words of 6 bits of code and 10 bits of time since the one before.
    words = np.frombuffer(header.with_suffix(".atr").read_bytes(), "<u2").tolist()
    beats, at, i = [], 0, 0
    while i < len(words):
        code, step = words[i] >> 10, words[i] & 0x3FF
        i += 1
        if code == 0 and step == 0:
            break
        if code == 59:  # a long skip in the next two words
            at += (words[i] << 16) + words[i + 1]
            i += 2
        elif code == 63:  # text
            i += (step + 1) // 2
        elif code < 59:
            at += step
            if code in BEATS:
                beats.append(at)
    return (first - zero) / gain, rate_hz, np.array(beats)


def synthetic_ecg(
    fs_hz: float,
    rr_ms: list[float],
    *,
    heights: list[float] | None = None,
    t_wave: float = 0.25,
    noise_uv: float = 20.0,
    seed: int = 0,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Make an electrocardiogram of Gaussian waves upon a wandering baseline.

    Parameters
    ----------
    fs_hz : float
        Rate, Hz.
    rr_ms : list of float
        Interval before each beat, ms.
    heights : list of float, optional
        Of each beat's QRS complex, in mV; 1 if not given.
    t_wave : float
        Height of the T waves, mV.
    noise_uv : float
        White noise, µV.
    seed : int

    Returns
    -------
    tuple
        Samples, µV, (n,), and the sample of each R wave, (beats,).
    """
    rng = np.random.default_rng(seed)
    at_s = np.cumsum(rr_ms) / 1000
    t_s = np.arange(round(fs_hz * (at_s[-1] + 1))) / fs_hz
    samples_uv = noise_uv * rng.standard_normal(len(t_s))
    samples_uv += 300 * np.sin(2 * np.pi * 0.25 * t_s)
    for beat, (r_s, interval_ms) in enumerate(zip(at_s, rr_ms, strict=True)):
        height = heights[beat] if heights else 1.0
        shrink = min(1.0, interval_ms / 800) ** 0.5
        for delay_s, wide_s, size in (
            (-0.17 * shrink, 0.020, 0.12),
            (-0.025, 0.008, -0.15 * height),
            (0.0, 0.010, height),
            (0.025, 0.010, -0.25 * height),
            (0.28 * shrink, 0.045 * shrink, t_wave),
        ):
            near = slice(
                max(0, int(fs_hz * (r_s + delay_s - 5 * wide_s))),
                int(fs_hz * (r_s + delay_s + 5 * wide_s)) + 1,
            )
            wave = np.exp(-0.5 * ((t_s[near] - r_s - delay_s) / wide_s) ** 2)
            samples_uv[near] += 1000 * size * wave
    return samples_uv, np.round(at_s * fs_hz).astype(np.int64)


def beats_of(samples_uv: npt.NDArray[np.float64], fs_hz: float, step: int = 0) -> list[Beat]:
    """Push a signal in control ticks of 20 ms, or of `step` samples."""
    block = np.round(1000 * samples_uv).astype(np.int32)[:, None]
    step = step or max(1, round(0.02 * fs_hz))
    peaks = RPeaks(fs_hz)
    found: list[Beat] = []
    for first in range(0, len(block), step):
        found += peaks.push(block[first : first + step], first)
    return found


@dataclass(frozen=True)
class Score:
    """Found beats beside true ones."""

    beats: int
    missed: int
    extra: int
    median_ms: float
    told_ms: float
    """Median time from the R wave to its recognition."""

    @property
    def sensitivity(self) -> float:
        """Share of the true beats that were found."""
        return 1 - self.missed / self.beats

    @property
    def ppv(self) -> float:
        """Share of the found beats that are true."""
        found = self.beats - self.missed + self.extra
        return 1 - self.extra / found if found else 0.0


def score(
    found: list[Beat], truth: npt.NDArray[np.int64], fs_hz: float, near_ms: float = NEAR_MS
) -> Score:
    """Match each true beat with at most one found within `near_ms`."""
    near = near_ms * fs_hz / 1000
    places = [beat.index for beat in found]
    taken, distances, j = 0, [], 0
    for at in truth.tolist():
        while j < len(places) and places[j] < at - near:
            j += 1
        if j < len(places) and places[j] <= at + near:
            distances.append(abs(places[j] - at))
            taken += 1
            j += 1
    return Score(
        len(truth),
        len(truth) - taken,
        len(found) - taken,
        float(1000 / fs_hz * np.median(distances)) if distances else float("nan"),
        float(1000 / fs_hz * np.median([b.told - b.index for b in found]))
        if found
        else float("nan"),
    )


@dataclass(frozen=True)
class Alarms:
    """What one theta made of the recorded seizure."""

    theta: float
    latency_s: float | None
    """From the seizure's onset; None if it was not detected."""
    false: int
    hours: float


def onsets_s(
    detector: TachycardiaDetector,
    block: npt.NDArray[np.int32],
    fs_hz: float,
    first_index: int = 0,
) -> list[float]:
    """When within a block, looked at every 0.2 s, the detector becomes active, s.

    Parameters
    ----------
    detector : TachycardiaDetector
        It may have seen the samples before `first_index`.
    block : ndarray of int32, shape (n, 1)
        nV.
    fs_hz : float
    first_index : int
        Index of the block's first sample.
    """
    step = round(fs_hz / 5)
    found, was = [], detector.active
    for first in range(0, len(block), step):
        part = block[first : first + step]
        active = detector.push(part, first_index + first, 0).active
        if active and not was:
            found.append((first_index + first) / fs_hz)
        was = active
    return found


def alarms(recordings: Path, theta: float) -> Alarms:
    """Run the tachycardia detector over the whole recording."""
    (path,) = (recordings / "ecg_seizure").glob("*.edf")
    recording = read_recording(path)
    block = np.round(1000 * np.nan_to_num(recording.samples_uv)).astype(np.int32)[:, None]
    detector = TachycardiaDetector(recording.fs_hz, theta)
    onsets = onsets_s(detector, block, recording.fs_hz)
    begin, end = SEIZURE_S
    during = [at for at in onsets if begin - 5 <= at <= end]
    return Alarms(
        theta,
        during[0] - begin if during else None,
        len(onsets) - len(during),
        len(block) / recording.fs_hz / 3600,
    )


def section(recordings: Path) -> str:
    """Return the Markdown section."""
    samples_mv, fs_hz, truth = read_wfdb(recordings / "ecg_mitbih_100")
    start = time.perf_counter()
    beats = beats_of(1000 * samples_mv, fs_hz)
    speed = len(samples_mv) / fs_hz / (time.perf_counter() - start)
    found = score(beats, truth, fs_hz)
    seizure = [alarms(recordings, theta) for theta in THETAS]
    rows = "\n".join(
        f"| {a.theta:.1f} | {'–' if a.latency_s is None else f'{a.latency_s:.1f}'} "
        f"| {a.false} | {a.false / a.hours:.1f} |"
        for a in seizure
    )
    synthetic = []
    for rate in (200, 250, 360, 1000):
        for bpm in (40, 72, 180):
            for noise in (20, 100):
                ecg, at = synthetic_ecg(rate, [60_000 / bpm] * (2 * bpm), noise_uv=noise)
                s = score(beats_of(ecg, rate), at, rate)
                synthetic.append((s.sensitivity, s.ppv))
    return f"""\
## Heart rate

MIT-BIH record 100, {len(samples_mv) / fs_hz:.0f} s at {fs_hz:g} Hz, pushed in ticks of 20 ms;
a found beat counts if it lies within {NEAR_MS:g} ms of an annotated one.

| beats | missed | extra | sensitivity | PPV | median distance | told after the R wave |
|---|---|---|---|---|---|---|
| {found.beats} | {found.missed} | {found.extra} | {found.sensitivity:.4f} | {found.ppv:.4f} \
| {found.median_ms:.1f} ms | {found.told_ms:.0f} ms in the median |

Some {speed:.0f} times real time. On {len(synthetic)} synthetic electrocardiograms (40 to
180 bpm, 200 to 1000 Hz, white noise of 20 and 100 µV): sensitivity
{min(s for s, _ in synthetic):.4f} and PPV {min(p for _, p in synthetic):.4f} at worst.

One focal seizure of {SEIZURE_S[1] - SEIZURE_S[0]:.0f} s in {seizure[0].hours:.2f} h of a
wearable chest electrocardiogram; no parameter was fitted to it. A false alarm is one that
begins more than 5 s before the seizure, or after it.

| theta | latency from onset [s] | false alarms | per hour |
|---|---|---|---|
{rows}

One patient and one seizure each: a check, not a rate to expect. The annotated onset is an
electrographic one; heart rate may rise before it.
"""
