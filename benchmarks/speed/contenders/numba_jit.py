"""numba: the same state machine, sample by sample, compiled."""

import numba
import numpy as np
import numpy.typing as npt
from contenders.work import BAND_HZ, FS_HZ, OFF_UV, ON_UV, ORDER, noise_uv, one_pole
from scipy import signal


@numba.njit(cache=False, fastmath=False, nogil=True)
def run(  # noqa: PLR0917  # numba passes by position
    block: npt.NDArray[np.float64],
    sections: npt.NDArray[np.float64],
    state: npt.NDArray[np.float64],
    level: npt.NDArray[np.float64],
    active: npt.NDArray[np.bool_],
    lasted: npt.NDArray[np.int64],
    alpha: float,
) -> int:
    """Filter, rectify, smooth, decide and count."""
    count = 0
    for i in range(block.shape[0]):
        for c in range(block.shape[1]):
            x = block[i, c]
            for s in range(sections.shape[0]):
                y = sections[s, 0] * x + state[s, 0, c]
                state[s, 0, c] = sections[s, 1] * x - sections[s, 4] * y + state[s, 1, c]
                state[s, 1, c] = sections[s, 2] * x - sections[s, 5] * y
                x = y
            level[c] += alpha * (abs(x) - level[c])
            active[c] = level[c] > (OFF_UV if active[c] else ON_UV)
            lasted[c] = lasted[c] + 1 if active[c] else 0
    for c in range(block.shape[1]):
        count += active[c]
    return count


def make(channels: int, rows: int) -> tuple[object, object]:
    """Return a push and its block."""
    sections = signal.butter(ORDER, BAND_HZ, "bandpass", fs=FS_HZ, output="sos")
    state = np.zeros((len(sections), 2, channels))
    level = np.zeros(channels)
    active = np.zeros(channels, dtype=bool)
    lasted = np.zeros(channels, dtype=np.int64)
    alpha = one_pole()

    def push(block: npt.NDArray[np.float64]) -> object:
        return run(block, sections, state, level, active, lasted, alpha)

    return push, noise_uv(channels, rows)
