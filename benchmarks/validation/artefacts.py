"""What each cleaner leaves of an artefact, and what it does to the brain's signal."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from benchmarks.validation.bursts import ecog_uv
from benchmarks.validation.heart import read_wfdb
from scipy import signal

from stimloop_dsp._artefact import Blanking, MarkedCleaner, PeriodicTemplate, Template
from stimloop_dsp._heart import RPeaks
from stimloop_dsp.artefact import find_period, folded_harmonics
from stimloop_lab.signals import synthetic

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from stimloop_dsp._cleaner import Cleaner

    Samples = npt.NDArray[np.floating]

FINE_HZ = 24_000
"""Rate at which the pulses are made, Hz."""
STIMULATION_HZ = 130.0
CLOCKS = 1 + 2e-4
"""The generator's clock over the recorder's."""
BAND_HZ = (13.0, 35.0)
SECONDS = 60.0
SETTLED_S = 12.0
"""What is left out of every comparison, s: templates have been learned."""
PEAK_UV = 500.0
"""Peak of a pulse's artefact, after what bipolar sensing cancels, µV."""
ECG_UV = 100.0
"""QRS complex as it leaks into the recording, µV from the baseline to the R wave."""
BRAIN_UV = 15.0
"""What the cortex is scaled to, µV rms: about what a lead in the subthalamic nucleus senses."""


@dataclass(frozen=True)
class Left:
    """What is left of an artefact.

    Attributes
    ----------
    cleaner : str
    delay_ms : float
        What the cleaner adds to the loop's latency.
    broad_uv : float
        Root mean square of what differs from the signal without an artefact, µV.
    beta : float
        The same in 13-35 Hz, over the signal's own root mean square there.
    r : float
        Correlation of both beta amplitudes.
    """

    cleaner: str
    delay_ms: float
    broad_uv: float
    beta: float
    r: float


def beta(samples_uv: Samples, fs_hz: float) -> npt.NDArray[np.complex128]:
    """Return the analytic signal of 13-35 Hz, without delay."""
    sections = signal.butter(4, BAND_HZ, "bandpass", fs=fs_hz, output="sos")
    return np.asarray(signal.hilbert(signal.sosfiltfilt(sections, samples_uv)))


def compare(
    name: str,
    delay_ms: float,
    cleaned_uv: Samples,
    brain_uv: Samples,
    fs_hz: float,
) -> Left:
    """Hold a cleaned signal beside what it should be."""
    lag = round(delay_ms * fs_hz / 1000)
    got, true = cleaned_uv[lag:], brain_uv[: len(brain_uv) - lag]
    got_beta, true_beta = beta(got, fs_hz), beta(true, fs_hz)
    settled = slice(round(SETTLED_S * fs_hz), -round(fs_hz))
    rest = (got - true)[settled]
    return Left(
        name,
        delay_ms,
        float(np.std(rest)),
        float(np.std((got_beta - true_beta).real[settled]) / np.std(true_beta.real[settled])),
        float(np.corrcoef(np.abs(got_beta[settled]), np.abs(true_beta[settled]))[0, 1]),
    )


def nanovolt(samples_uv: Samples) -> npt.NDArray[np.int32]:
    """Return samples as a device gives them."""
    return np.round(1000 * samples_uv).astype(np.int32)[:, None]


@cache
def stimulated(fs_hz: int, peak_uv: float, order: int) -> tuple[Samples, Samples, Samples]:
    """Make bursts in noise beneath pulses of stimulation.

    Parameters
    ----------
    fs_hz : int
        Rate of the recording, Hz, a divisor of `FINE_HZ`.
    peak_uv : float
        Peak of a pulse's artefact, after what bipolar sensing cancels, µV.
    order : int
        Of the anti-alias filter at 0.4 of the rate, before the converter.

    Returns
    -------
    tuple
        Recording and the same without artefact, µV, (n,); sample of each pulse, (pulses,).
    """
    brain_uv = synthetic(5, SECONDS, 2.0, fs_hz).block[:, 0] * 1e-3
    fine = np.zeros(round(SECONDS * FINE_HZ))
    pulses = np.arange(0.013, SECONDS - 0.02, 1 / (STIMULATION_HZ * CLOCKS)) * FINE_HZ
    decay = np.arange(round(0.005 * FINE_HZ)) * 1000 / FINE_HZ
    shape = peak_uv * (np.exp(-decay / 0.7) - 0.35 * np.exp(-decay / 2.0))
    for pulse in pulses:
        first = round(pulse)
        fine[first : first + len(shape)] += shape
    fine = signal.sosfilt(signal.butter(order, 0.4 * fs_hz, fs=FINE_HZ, output="sos"), fine)
    return brain_uv + fine[:: FINE_HZ // fs_hz], brain_uv, pulses * fs_hz / FINE_HZ


def pulse_cleaners(fs_hz: int, samples_uv: Samples) -> dict[str, Cleaner]:
    """Return every cleaner for pulses; the period is found in the recording itself."""
    period = find_period(samples_uv[: 20 * fs_hz], fs_hz, STIMULATION_HZ)
    return {
        "blanking, held": Blanking(fs_hz, 0.3, 3.5, "hold"),
        "blanking, interpolated": Blanking(fs_hz, 0.3, 3.5),
        "template of 32 pulses": Template(fs_hz, 1.0, 6.0),
        "periodic template": PeriodicTemplate(fs_hz, period),
    }


def after_pulses(fs_hz: int, peak_uv: float, order: int) -> Sequence[Left]:
    """What is left of stimulation, without a cleaner and after each."""
    samples_uv, brain_uv, pulses = stimulated(fs_hz, peak_uv, order)
    left = [compare("none", 0.0, samples_uv, brain_uv, fs_hz)]
    for name, cleaner in pulse_cleaners(fs_hz, samples_uv).items():
        block = nanovolt(samples_uv)
        out = np.empty_like(block)
        for first in range(0, len(block), fs_hz):
            end = first + fs_hz
            if isinstance(cleaner, MarkedCleaner):
                cleaner.mark(pulses[(pulses >= first) & (pulses < end)])
            out[first:end] = cleaner.push(block[first:end], first)
        left.append(compare(name, cleaner.delay_ms, out[:, 0] * 1e-3, brain_uv, fs_hz))
    return left


def after_heart(recordings: Path, delay_ms: float = 400.0) -> Sequence[Left]:
    """What is left of a person's heart in another's cortex."""
    fs_hz = 1000
    brain_uv = ecog_uv(recordings)
    brain_uv = BRAIN_UV / np.std(brain_uv) * (brain_uv - np.mean(brain_uv))
    ecg_mv, rate_hz, _ = read_wfdb(recordings / "ecg_mitbih_100")
    ecg_mv = ecg_mv[: round((len(brain_uv) / fs_hz + 1) * rate_hz)]
    ecg_uv = 1000 * signal.resample_poly(ecg_mv - np.median(ecg_mv), 25, 9)[: len(brain_uv)]
    leaked_uv = brain_uv + ECG_UV * ecg_uv / np.percentile(ecg_uv, 99.9)
    peaks, cleaner = RPeaks(fs_hz), Template(fs_hz, 250, 450, 16, delay_ms)
    block, heart = nanovolt(leaked_uv), nanovolt(ecg_uv)
    out = np.empty_like(block)
    for first in range(0, len(block), 20):
        beats = peaks.push(heart[first : first + 20], first)
        cleaner.mark([float(beat.index) for beat in beats])
        out[first : first + 20] = cleaner.push(block[first : first + 20], first)
    return [
        compare("none", 0.0, leaked_uv, brain_uv, fs_hz),
        compare("template of 16 beats", cleaner.delay_ms, out[:, 0] * 1e-3, brain_uv, fs_hz),
    ]


def rows(left: Sequence[Left]) -> str:
    """Lines of a table."""
    return "\n".join(
        f"| {x.cleaner} | {x.delay_ms:.0f} | {x.broad_uv:.2f} | {x.beta:.3f} | {x.r:.3f} |"
        for x in left
    )


HEAD = """\
| cleaner | delay [ms] | left [µV rms] | left in 13-35 Hz, of the signal | r of the amplitudes |
|---|---|---|---|---|
"""


def section(recordings: Path) -> str:
    """Return the Markdown section."""
    folded = ", ".join(
        f"{number} to {hz:g} Hz" for number, hz in folded_harmonics(STIMULATION_HZ, 250)
    )
    return f"""\
## Artefacts

Bursts in noise beneath stimulation at {STIMULATION_HZ:g} Hz, made at {FINE_HZ} Hz, with clocks
{CLOCKS - 1:.4%} apart; one seed. What is left is the difference from the same signal without
the artefact, after {SETTLED_S:g} s; a cleaner's harm to the signal is in it.

At 1000 Hz, {PEAK_UV:g} µV peak before an anti-alias filter of order 4 at 400 Hz: no harmonic
reaches the band, and the best cleaner is none.

{HEAD}{rows(after_pulses(1000, PEAK_UV, 4))}

At 250 Hz, {PEAK_UV:g} µV peak before a filter of order 1 at 100 Hz, where harmonics fold
into the band ({folded}):

{HEAD}{rows(after_pulses(250, PEAK_UV, 1))}

A heart (MIT-BIH record 100, {ECG_UV:g} µV) leaked into another person's motor cortex, scaled to
{BRAIN_UV:g} µV rms; beats found in the electrocardiogram as it comes in:

{HEAD}{rows(after_heart(recordings))}
"""
