"""SciPy's private compiled core, `_sosfilt`: the band-pass alone, without its wrapper."""

import numpy as np
import numpy.typing as npt
from contenders.work import BAND_HZ, FS_HZ, ORDER, noise_uv
from scipy import signal
from scipy.signal._sosfilt import _sosfilt


def make(channels: int, rows: int) -> tuple[object, object]:
    """Return a push and its block, which is transposed: channel by channel."""
    sections = signal.butter(ORDER, BAND_HZ, "bandpass", fs=FS_HZ, output="sos")
    state = np.zeros((channels, len(sections), 2))
    samples = np.ascontiguousarray(noise_uv(channels, rows).T)
    work = np.empty_like(samples)

    def push(block: npt.NDArray[np.float64]) -> object:
        work[:] = block  # it filters in place
        return _sosfilt(sections, work, state)

    return push, samples
