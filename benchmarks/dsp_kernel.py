"""Cost of one push, beside SciPy's public functions doing the same.

The rows of a case are measured in turns, so that their ratio survives a busy machine; their
absolute values do not. `BetaDetector` detects in one channel and makes a `Reading`. Nearly all
of SciPy's time at these sizes is call overhead.
"""

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy import signal

from stimloop_dsp import BetaDetector, Envelope

FS_HZ = 250
BAND_HZ = (13, 35)
WINDOW = 50  # 200 ms


def scipy_chain(channels: int) -> Callable[[npt.NDArray[np.int32]], object]:
    """Hold state of, and apply: sosfilt, absolute value, lfilter as moving average, compare."""
    sections = signal.butter(2, BAND_HZ, "bandpass", fs=FS_HZ, output="sos")
    average: npt.NDArray[np.float64] = np.full(WINDOW, 1 / WINDOW)
    one = np.ones(1)
    band_state = np.zeros((len(sections), 2, channels))
    average_state: npt.NDArray[np.float64] = np.zeros((WINDOW - 1, channels))

    def push(block: npt.NDArray[np.int32]) -> object:
        nonlocal band_state, average_state
        band, band_state = signal.sosfilt(sections, block * 1e-3, axis=0, zi=band_state)
        rectified: npt.NDArray[np.float64] = np.abs(band)
        level, average_state = signal.lfilter(average, one, rectified, axis=0, zi=average_state)
        return level > 10

    return push


def envelope(channels: int, rows: int) -> Callable[[npt.NDArray[np.int32]], object]:
    """Push into an `Envelope` and a buffer of its own."""
    kernel = Envelope(FS_HZ, BAND_HZ, channels=channels)
    out = np.empty((rows, channels), np.float32)
    return lambda block: kernel.push(block, out)


def detector() -> Callable[[npt.NDArray[np.int32]], object]:
    """Push into a `BetaDetector`, which makes a `Reading`."""
    beta = BetaDetector(FS_HZ, 10, band_hz=BAND_HZ)
    index = 0

    def push(block: npt.NDArray[np.int32]) -> object:
        nonlocal index
        reading = beta.push(block, index, 4000 * index)
        index += len(block)
        return reading

    return push


def cost_ns(push: Callable[[], object]) -> float:
    """Time one call takes, ns, over about 2 ms of calls."""
    calls, start = 0, time.perf_counter_ns()
    while (spent := time.perf_counter_ns() - start) < 2_000_000:
        for _ in range(10):
            push()
        calls += 10
    return spent / calls


def main() -> None:
    """Print minimum and median per push, ns, and the ratio of SciPy's minimum to ours."""
    print(
        f"{'channels x samples':>18}  {'what':<14}{'min ns':>9}{'median ns':>11}{'SciPy /':>9}"
    )
    for channels, rows in ((1, 1), (1, 5), (16, 32)):
        noise = 3e4 * np.random.default_rng(0).standard_normal((rows, channels))
        block = noise.astype(np.int32)
        contenders = {
            "SciPy": scipy_chain(channels),
            "Envelope": envelope(channels, rows),
        }
        if channels == 1:
            contenders["BetaDetector"] = detector()
        costs: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(200):
            for name, push in contenders.items():
                costs[name].append(cost_ns(partial(push, block)))
        for name, spent in costs.items():
            ratio = min(costs["SciPy"]) / min(spent)
            print(
                f"{f'{channels} x {rows}':>18}  {name:<14}{min(spent):9.0f}"
                f"{np.median(spent):11.0f}{ratio:9.0f}"
            )


if __name__ == "__main__":
    main()
