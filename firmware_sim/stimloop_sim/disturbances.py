"""What a sensing lead picks up beside the biomarker: one table of a tissue each.

Magnitudes of the packaged tissues are in the ranges that implants see: an artefact of 5 to
50 mV that decays within 0.5 to 2 ms and is canceled by 40 to 60 dB in a symmetric bipolar
montage, a QRS complex of 100 µV at the case of which 0 to 0.3 leaks in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from stimloop_sim._pickup import Pickup

_WAVE_FROM_S, _WAVE_S = -0.25, 0.70
# Bumps of a heart beat: place and width in s relative to R, height relative to it.
_WAVES = (
    (-0.160, 0.020, 0.12),  # P
    (-0.025, 0.008, -0.10),  # Q
    (0.0, 0.010, 1.0),  # R
    (0.025, 0.009, -0.20),  # S
    (0.250, 0.045, 0.28),  # T
)


class Disturbance(Protocol):
    """One table of a tissue."""

    def disturb(self, pickup: Pickup, noise: np.random.Generator, fs_hz: int) -> None:
        """Let a lead pick it up, sampled at `fs_hz`."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """Stimulation: an exponential that begins with each pulse, filtered and then sampled.

    Attributes
    ----------
    uv_per_ma : int
        At one electrode, µV per mA.
    decay_us : int
        Time constant, µs.
    rejection_db : int
        What a bipolar montage cancels, dB.
    blanking_us : int
        So long from each pulse on the amplifier holds its last value, 0 to 2500 µs.
    lowpass_hz : sequence of int, 2
        Corners of the two one-pole stages before the converter, Hz.
    """

    uv_per_ma: int
    decay_us: int
    rejection_db: int
    blanking_us: int
    lowpass_hz: tuple[int, int]

    def disturb(self, pickup: Pickup, noise: np.random.Generator, fs_hz: int) -> None:
        """Let a lead pick it up: partial fractions of the exponential behind two poles."""
        first, second = (2.0 * math.pi * hz for hz in self.lowpass_hz)
        decay = 1e6 / self.decay_us
        product = first * second
        pickup.couple(
            self.uv_per_ma * 1e-3 * 10.0 ** (-self.rejection_db / 20.0),
            self.blanking_us,
            [decay, first, second],
            [
                product / ((first - decay) * (second - decay)),
                product / ((decay - first) * (second - first)),
                product / ((decay - second) * (first - second)),
            ],
        )


@dataclass(frozen=True, slots=True)
class Heart:
    """Electrocardiogram.

    Attributes
    ----------
    qrs_uv : int
        R wave at the case, µV.
    leak_permille : int
        What of it is sensed, 0 to 300.
    rate_bpm : int
        Beats per minute.
    spread_ms : int
        Standard deviation of the beats' intervals, ms.
    """

    qrs_uv: int
    leak_permille: int
    rate_bpm: int
    spread_ms: int

    def disturb(self, pickup: Pickup, noise: np.random.Generator, fs_hz: int) -> None:
        """Let a lead pick it up."""
        t_s = _WAVE_FROM_S + np.linspace(0.0, _WAVE_S, 1024)
        wave = sum(
            height * np.exp(-0.5 * ((t_s - place) / width) ** 2)
            for place, width, height in _WAVES
        )
        pickup.beat(
            noise,
            60.0 / self.rate_bpm,
            1e-3 * self.spread_ms,
            (self.qrs_uv * 1e-3 * self.leak_permille * np.asarray(wave)).tolist(),
            _WAVE_FROM_S,
            _WAVE_S,
        )


@dataclass(frozen=True, slots=True)
class Movement:
    """Steps of the electrode's potential behind the amplifier's high-pass.

    Attributes
    ----------
    steps_per_min : int
        At random, on average.
    step_uv : int
        Standard deviation, µV.
    decay_ms : int
        Time constant of the high-pass, ms.
    """

    steps_per_min: int
    step_uv: int
    decay_ms: int

    def disturb(self, pickup: Pickup, noise: np.random.Generator, fs_hz: int) -> None:
        """Let a lead pick it up."""
        pickup.stir(noise, 60.0 / self.steps_per_min, self.step_uv, 1e-3 * self.decay_ms)


@dataclass(frozen=True, slots=True)
class Mains:
    """Mains.

    Attributes
    ----------
    mains_uv : int
        Amplitude, µV.
    mains_hz : int
        50 or 60 Hz.
    """

    mains_uv: int
    mains_hz: int

    def disturb(self, pickup: Pickup, noise: np.random.Generator, fs_hz: int) -> None:
        """Let a lead pick it up: whole periods of it, for ever."""
        length = fs_hz // math.gcd(fs_hz, self.mains_hz)
        turns = 2.0 * math.pi * self.mains_hz / fs_hz * np.arange(1, length + 1)
        pickup.hum(np.sin(turns).tolist(), self.mains_uv)


@dataclass(frozen=True, slots=True)
class Dropout:
    """Samples that never come.

    Attributes
    ----------
    per_min : int
        At random, on average.
    length_ms : int
        ms.
    """

    per_min: int
    length_ms: int

    def disturb(self, pickup: Pickup, noise: np.random.Generator, fs_hz: int) -> None:
        """Let the front end have it."""
        pickup.drop(noise, 60.0 / self.per_min, 1e-3 * self.length_ms)


DISTURBANCES: dict[str, type[Artefact | Heart | Movement | Mains | Dropout]] = {
    "artefact": Artefact,
    "ecg": Heart,
    "movement": Movement,
    "mains": Mains,
    "dropout": Dropout,
}
"""Tables of a tissue that disturb sensing; each draws from its own stream, by its place."""

NO_MAINS = Mains(0, 50)
"""What an open input still catches where no mains is heard otherwise."""
