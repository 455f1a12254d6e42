"""neurodsp: amplitude by Hilbert transform, each hop anew from a window of 1 s, per channel."""

import numpy as np
import numpy.typing as npt
from contenders.work import BAND_HZ, FS_HZ, Sliding, noise_uv
from neurodsp.timefrequency import amp_by_time


def make(channels: int, rows: int) -> tuple[object, object]:
    """Return a push and its block."""
    window = Sliding(channels)

    def push(block: npt.NDArray[np.float64]) -> object:
        whole = np.ascontiguousarray(window.shift(block).T)
        return [
            amp_by_time(channel, FS_HZ, BAND_HZ, remove_edges=False)[-1] > 10
            for channel in whole
        ]

    return push, noise_uv(channels, rows)
