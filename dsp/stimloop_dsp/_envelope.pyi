from typing import Literal, Self, final

import numpy as np
import numpy.typing as npt

@final
class Envelope:
    def __new__(
        cls,
        fs_hz: float,
        band_hz: tuple[float, float] = (13.0, 35.0),
        order: int = 2,
        smoothing: Literal["moving_average", "one_pole"] = "moving_average",
        smooth_ms: float = 200.0,
        channels: int = 1,
        precision: Literal["float32", "float64"] = "float32",
        saturation_uv: float = 10_000.0,
    ) -> Self: ...
    @property
    def fs_hz(self) -> float: ...
    @property
    def delay_ms(self) -> float: ...
    @property
    def settling_ms(self) -> float: ...
    @property
    def channels(self) -> int: ...
    @property
    def precision(self) -> Literal["float32", "float64"]: ...
    @property
    def held(self) -> int: ...
    @property
    def saturated(self) -> int: ...
    def push(
        self,
        block: npt.NDArray[np.int32 | np.float32 | np.float64],
        out: npt.NDArray[np.float32 | np.float64],
    ) -> None: ...
    def reset(self) -> None: ...
