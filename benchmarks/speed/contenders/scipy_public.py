"""SciPy's public functions: sosfilt, abs, lfilter, and a hysteresis in NumPy, states kept."""

import numpy as np
import numpy.typing as npt
from contenders.work import BAND_HZ, FS_HZ, OFF_UV, ON_UV, ORDER, noise_uv, one_pole
from scipy import signal


def make(channels: int, rows: int) -> tuple[object, object]:
    """Return a push and its block."""
    sections = signal.butter(ORDER, BAND_HZ, "bandpass", fs=FS_HZ, output="sos")
    band_state = np.zeros((len(sections), 2, channels))
    alpha = one_pole()
    ahead, behind = np.array([alpha]), np.array([1, alpha - 1])
    level_state = np.zeros((1, channels))
    active = np.zeros(channels, dtype=bool)
    lasted = np.zeros(channels, dtype=np.int64)

    def push(block: npt.NDArray[np.float64]) -> object:
        nonlocal band_state, level_state, active, lasted
        band, band_state = signal.sosfilt(sections, block, axis=0, zi=band_state)
        level, level_state = signal.lfilter(ahead, behind, np.abs(band), axis=0, zi=level_state)
        # Once a block: a decision per sample has no NumPy form but a Python loop.
        last = level[-1]
        active = np.where(active, last > OFF_UV, last > ON_UV)
        lasted = np.where(active, lasted + len(block), 0)
        return active

    return push, noise_uv(channels, rows)
