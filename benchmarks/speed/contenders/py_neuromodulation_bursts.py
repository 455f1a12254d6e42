"""py_neuromodulation: its beta burst feature alone, each hop anew from a window of 1 s."""

import numpy as np
import numpy.typing as npt
import py_neuromodulation as nm
from contenders.work import FS_HZ, Sliding, noise_uv
from py_neuromodulation.stream.data_processor import DataProcessor


def make(channels: int, rows: int) -> tuple[object, object]:
    """Return a push and its block."""
    window = Sliding(channels)
    settings = nm.NMSettings.get_default().reset()
    settings.features.bursts = True
    settings.bursts_settings.frequency_bands = ["low_beta"]
    settings.postprocessing.feature_normalization = False
    settings.preprocessing = []
    names = [f"ch{channel}" for channel in range(channels)]
    table = nm.utils.set_channels(
        ch_names=names, ch_types=["lfp"] * channels, reference=None, used_types=("lfp",)
    )
    processor = DataProcessor(FS_HZ, settings, table, line_noise=None, verbose=False)

    def push(block: npt.NDArray[np.float64]) -> object:
        return processor.process(np.ascontiguousarray(window.shift(block).T))

    return push, noise_uv(channels, rows)
