from typing import Self, final

import numpy as np
import numpy.typing as npt

from stimloop_dsp.percept import PerceptConfig
from stimloop_dsp.values import Reading

@final
class PerceptDetector:
    unit: str
    fs_hz: float
    delay_ms: float
    settling_ms: float
    state: int
    thresholds: tuple[float, float]
    def __new__(
        cls, config: PerceptConfig, channel: int = 0, saturation_uv: float = 10_000.0
    ) -> Self: ...
    @property
    def levels(self) -> npt.NDArray[np.float64]: ...
    def push(self, block: npt.NDArray[np.int32], first_index: int, t_us: int) -> Reading: ...
    def reset(self) -> None: ...
