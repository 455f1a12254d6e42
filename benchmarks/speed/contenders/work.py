"""The work that every contender does, and what it does it on."""

import numpy as np
import numpy.typing as npt

FS_HZ = 1000
BAND_HZ = (13.0, 35.0)
ORDER = 4
SMOOTH_MS = 50.0
ON_UV, OFF_UV = 12.0, 8.0
WINDOW = 1000
"""Samples of a windowed contender's memory: 1 s."""


def noise_uv(channels: int, rows: int, number: str = "float64") -> npt.NDArray[np.floating]:
    """Return white noise of 30 µV, shape (rows, channels)."""
    noise = 30 * np.random.default_rng(0).standard_normal((rows, channels))
    return np.ascontiguousarray(noise, dtype=number)


def one_pole() -> float:
    """Coefficient of the smoother."""
    return float(1 - np.exp(-1000 / (FS_HZ * SMOOTH_MS)))


class Sliding:
    """The last `WINDOW` rows, for contenders that compute each hop anew from a window."""

    def __init__(self, channels: int) -> None:
        self.rows = noise_uv(channels, WINDOW)

    def shift(self, block: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """Move on by a block."""
        self.rows[: -len(block)] = self.rows[len(block) :]
        self.rows[-len(block) :] = block
        return self.rows
