"""timeflux: its IIRFilter node, then NumPy for envelope and threshold."""

import numpy as np
import pandas as pd
from contenders.work import BAND_HZ, FS_HZ, OFF_UV, ON_UV, ORDER, noise_uv, one_pole
from scipy import signal
from timeflux_dsp.nodes.filters import IIRFilter


def make(channels: int, rows: int) -> tuple[object, object]:
    """Return a push and its block, a DataFrame as the node takes it."""
    node = IIRFilter(rate=FS_HZ, frequencies=list(BAND_HZ), filter_type="bandpass", order=ORDER)
    alpha = one_pole()
    ahead, behind = np.array([alpha]), np.array([1, alpha - 1])
    state = np.zeros((1, channels))
    active = np.zeros(channels, dtype=bool)
    start = pd.Timestamp("2026-01-01")
    step = pd.Timedelta(seconds=1 / FS_HZ)
    frame = pd.DataFrame(
        noise_uv(channels, rows),
        index=pd.DatetimeIndex([start + i * step for i in range(rows)]),
        columns=[str(channel) for channel in range(channels)],
    )

    def push(block: pd.DataFrame) -> object:
        nonlocal state, active
        node.i.data = block
        node.i.meta = {"rate": FS_HZ}
        node.update()
        rectified = np.abs(node.o.data.to_numpy())
        level, state = signal.lfilter(ahead, behind, rectified, axis=0, zi=state)
        active = np.where(active, level[-1] > OFF_UV, level[-1] > ON_UV)
        return active

    return push, frame
