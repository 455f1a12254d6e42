from collections.abc import Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

def recruitment(amplitude_ua: int, width_us: int, period_us: int) -> float: ...

@final
class BetaGenerator:
    def __init__(
        self,
        noise: np.random.Generator,
        *,
        half_step_s: float,
        growth_per_s: float,
        saturation_per_s: float,
        suppression_per_s: float,
        rise: float,
        fall: float,
        drift_sd: float,
        drift_keep: float,
        drive_sd: float,
        start_sd: float,
        rotation: complex,
        pink_sd: float,
        pink_keep: Sequence[float],
        gain_uv: float,
        floor_uv: float,
    ) -> None: ...
    @property
    def envelope_uv(self) -> NDArray[np.float64]: ...
    def advance(
        self, amplitude_ua: NDArray[np.int32], width_us: int, period_us: int
    ) -> NDArray[np.float64]: ...
