from typing import Literal, Self, final

import numpy as np
import numpy.typing as npt

from stimloop_dsp.values import Reading

@final
class BetaDetector:
    def __new__(
        cls,
        fs_hz: float,
        on_uv: float,
        off_uv: float | None = None,
        band_hz: tuple[float, float] = (13.0, 35.0),
        order: int = 1,
        smoothing: Literal["moving_average", "one_pole"] = "one_pole",
        smooth_ms: float = 50.0,
        onset_ms: float = 0.0,
        termination_ms: float = 0.0,
        blanking_ms: float = 0.0,
        channel: int = 0,
        saturation_uv: float = 10_000.0,
    ) -> Self: ...
    @property
    def unit(self) -> str: ...
    @property
    def delay_ms(self) -> float: ...
    @property
    def thresholds(self) -> tuple[float, float]: ...
    @thresholds.setter
    def thresholds(self, thresholds: tuple[float, float]) -> None: ...
    @property
    def levels(self) -> npt.NDArray[np.float32]: ...
    def push(self, block: npt.NDArray[np.int32], first_index: int, t_us: int) -> Reading: ...
    def reset(self) -> None: ...
