from typing import Self, final

import numpy as np
import numpy.typing as npt

from stimloop_dsp.values import Reading

@final
class EcapDetector:
    def __new__(
        cls,
        fs_hz: float,
        on: float,
        n1_ms: float = 1.0,
        samples: int = 80,
        lobe_hz: float = 1000.0,
        search: int = 50,
        channel: int = 0,
        saturation_uv: float = 10_000.0,
    ) -> Self: ...
    @property
    def unit(self) -> str: ...
    @property
    def fs_hz(self) -> float: ...
    @property
    def delay_ms(self) -> float: ...
    @property
    def offset(self) -> int: ...
    @property
    def noise_uv(self) -> float: ...
    @property
    def levels(self) -> npt.NDArray[np.float64]: ...
    def push(self, block: npt.NDArray[np.int32], first_index: int, t_us: int) -> Reading: ...
    def reset(self) -> None: ...
