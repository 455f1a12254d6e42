"""BrainFlow: its band-pass keeps no state, so each hop filters a window of 1 s, per channel."""

import numpy as np
import numpy.typing as npt
from brainflow.data_filter import DataFilter, FilterTypes
from contenders.work import BAND_HZ, FS_HZ, ORDER, Sliding, noise_uv


def make(channels: int, rows: int) -> tuple[object, object]:
    """Return a push and its block."""
    window = Sliding(channels)

    def push(block: npt.NDArray[np.float64]) -> object:
        whole = np.ascontiguousarray(window.shift(block).T)
        for channel in whole:
            DataFilter.perform_bandpass(
                channel, FS_HZ, *BAND_HZ, ORDER, FilterTypes.BUTTERWORTH.value, 0
            )
        return np.abs(whole).mean(axis=1) > 10

    return push, noise_uv(channels, rows)
