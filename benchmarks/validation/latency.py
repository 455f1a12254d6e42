"""How late every estimator is: group delay, and the rise after the onset of a tone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stimloop_dsp import BetaDetector, EndpointHilbert, Resonator, SpectralDetector

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    from stimloop_lab.contenders import Leveller

FS_HZ = 250
TONE_HZ = 20.0
ONSET = 1000
PHASES = 16
"""Phases of the tone at its onset, over which the times are averaged."""
MODULATION_HZ = 0.05
"""Slow enough for the group delay of an envelope to be its delay at 0 Hz."""
NEVER = 1e9


def band(low: float, high: float, smoothing: str, smooth_ms: float) -> Callable[[], Leveller]:
    """Return a maker of a band-pass of order 2."""
    return lambda: BetaDetector(
        FS_HZ,
        NEVER,
        band_hz=(low, high),
        order=2,
        smoothing="one_pole" if smoothing == "one_pole" else "moving_average",
        smooth_ms=smooth_ms,
    )


def window(samples: int, bins: str) -> Callable[[], Leveller]:
    """Return a maker of a sliding DFT: of the beta band, or of the bin nearest to the tone."""
    nearest_hz = round(TONE_HZ * samples / FS_HZ) * FS_HZ / samples
    edges = (13.0, 35.0) if bins == "band" else (nearest_hz - 0.1, nearest_hz + 0.1)
    return lambda: SpectralDetector(
        FS_HZ, NEVER, band_hz=edges, window_ms=1000 * samples / FS_HZ
    )


def resonator(mu: float) -> Callable[[], Leveller]:
    """Return a maker of a resonator with this step."""
    return lambda: Resonator(FS_HZ, NEVER, bandwidth_hz=mu * FS_HZ / (2 * np.pi))


ESTIMATORS: dict[str, tuple[Callable[[], Leveller], tuple[int, int] | None]] = {
    "default of `BetaDetector`": (lambda: BetaDetector(FS_HZ, NEVER), None),
    "17-23 Hz, order 2, mean 100 ms": (band(17, 23, "mean", 100), (132, 196)),
    "17-23 Hz, order 2, mean 200 ms": (band(17, 23, "mean", 200), (184, 268)),
    "17-23 Hz, order 2, mean 400 ms": (band(17, 23, "mean", 400), (272, 436)),
    "13-35 Hz, order 2, mean 200 ms": (band(13, 35, "mean", 200), (120, 204)),
    "13-35 Hz, order 2, mean 400 ms": (band(13, 35, "mean", 400), (220, 384)),
    "17-23 Hz, order 2, pole 100 ms": (band(17, 23, "one_pole", 100), (160, 288)),
    "sliding DFT, 64 samples, one bin": (window(64, "bin"), (128, 188)),
    "sliding DFT, 128 samples, one bin": (window(128, "bin"), (256, 380)),
    "sliding DFT, 250 samples, one bin": (window(250, "bin"), (500, 740)),
    "sliding DFT, 64 samples, 13-35 Hz": (window(64, "band"), None),
    "sliding DFT, 250 samples, 13-35 Hz": (window(250, "band"), None),
    "resonator, mu 0.02": (resonator(0.02), (268, 908)),
    "resonator, mu 0.05": (resonator(0.05), (112, 360)),
    "resonator, mu 0.1": (resonator(0.1), (56, 168)),
    "endpoint Hilbert, 1 s": (lambda: EndpointHilbert(FS_HZ, NEVER), None),
}
"""Each estimator, and the times to 50 and 90 % that prototypes showed elsewhere, ms."""


@dataclass(frozen=True)
class Latency:
    """Times of one estimator, ms."""

    name: str
    stated: float
    """What the detector says of itself: ``delay_ms``."""
    group: float
    """Delay of a slow modulation of the tone's amplitude."""
    t50: float
    t90: float
    prototype: tuple[int, int] | None


def levels(make: Callable[[], Leveller], samples_uv: npt.NDArray[np.float64]) -> np.ndarray:
    """Level at every sample."""
    detector = make()
    detector.push(np.round(1000 * samples_uv).astype(np.int32)[:, None], 0, 0)
    return np.asarray(detector.levels, dtype=np.float64)


def measured(name: str) -> Latency:
    """Measure one estimator of `ESTIMATORS`."""
    make, prototype = ESTIMATORS[name]
    t_s = np.arange(ONSET + 1500) / FS_HZ
    times_ms = []
    for phase in 2 * np.pi * np.arange(PHASES) / PHASES:
        tone = 50 * np.cos(2 * np.pi * TONE_HZ * (t_s - ONSET / FS_HZ) + phase)
        level = levels(make, np.where(t_s < ONSET / FS_HZ, 0, tone))
        final = level[-FS_HZ:].mean()
        # At the first sample that is there, the signal is one sample old.
        times_ms.append(
            [
                1000 / FS_HZ * (int(np.argmax(level >= share * final)) - ONSET)
                for share in (0.5, 0.9)
            ]
        )
    slow_s = np.arange(100 * FS_HZ) / FS_HZ
    depth = 1 + 0.5 * np.cos(2 * np.pi * MODULATION_HZ * slow_s)
    level = levels(make, 50 * depth * np.cos(2 * np.pi * TONE_HZ * slow_s))[20 * FS_HZ :]
    carrier = np.exp(-2j * np.pi * MODULATION_HZ * slow_s[20 * FS_HZ :])
    lag = -np.angle(np.sum(level * carrier)) / (2 * np.pi * MODULATION_HZ)
    t50, t90 = np.mean(times_ms, axis=0)
    return Latency(name, make().delay_ms, 1000 * lag, float(t50), float(t90), prototype)


def section(_recordings: Path) -> str:
    """Return the Markdown section."""
    rows = "\n".join(
        f"| {m.name} | {m.stated:.0f} | {m.group:.0f} | {m.t50:.0f} | {m.t90:.0f} | "
        + ("–" if m.prototype is None else f"{m.prototype[0]} / {m.prototype[1]}")
        + " |"
        for m in map(measured, ESTIMATORS)
    )
    return f"""\
## How late an estimator is

A tone of {TONE_HZ:g} Hz at {FS_HZ} Hz. Group delay: lag of a modulation of its amplitude at
{MODULATION_HZ:g} Hz, beside what the detector states of itself. Rise: time from the tone's
onset to 50 and 90 % of the final level, the mean over {PHASES} phases at the onset, beside what
prototypes of the same estimators had shown (one phase). A band of several bins rises earlier
than one bin: the onset itself spreads over the band.

| estimator | stated [ms] | group delay [ms] | t50 [ms] | t90 [ms] | prototype t50 / t90 [ms] |
|---|---|---|---|---|---|
{rows}

The median time to a decision at equal false alarms is another matter: see below.
"""
