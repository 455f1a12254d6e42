from typing import Self, final

import numpy as np
import numpy.typing as npt

from stimloop_dsp._threshold import ThresholdDetector

@final
class SlidingDft:
    def __new__(
        cls,
        fs_hz: float,
        band_hz: tuple[float, float] = (13.0, 35.0),
        window_ms: float = 1000.0,
        hop_ms: float = 0.0,
        channels: int = 1,
    ) -> Self: ...
    @property
    def fs_hz(self) -> float: ...
    @property
    def channels(self) -> int: ...
    @property
    def window(self) -> int: ...
    @property
    def hop(self) -> int: ...
    @property
    def delay_ms(self) -> float: ...
    @property
    def bins_hz(self) -> npt.NDArray[np.float64]: ...
    @property
    def amplitudes(self) -> npt.NDArray[np.float64]: ...
    def push(self, block: npt.NDArray[np.float64]) -> None: ...
    def reset(self) -> None: ...

@final
class SpectralDetector(ThresholdDetector):
    def __new__(
        cls,
        fs_hz: float,
        on: float,
        off: float | None = None,
        band_hz: tuple[float, float] = (13.0, 35.0),
        window_ms: float = 1000.0,
        hop_ms: float = 0.0,
        onset_ms: float = 0.0,
        termination_ms: float = 0.0,
        blanking_ms: float = 0.0,
        channel: int = 0,
        saturation_uv: float = 10_000.0,
    ) -> Self: ...
