from typing import final

import numpy as np
from numpy.typing import NDArray

@final
class Population:
    def __init__(
        self,
        key: tuple[int, ...],
        *,
        fs_hz: int,
        turn: complex,
        detuning: NDArray[np.float64],
        response_cos: NDArray[np.float64],
        response_sin: NDArray[np.float64],
        coupling: float,
        diffusion: float,
        kick: float,
        scatter: float,
        settle: int,
        gain_uv: float,
        floor_uv: float,
        pink_keep: NDArray[np.float64],
        pink_weight: NDArray[np.float64],
        pink_start: NDArray[np.float64],
    ) -> None: ...
    @property
    def envelope_uv(self) -> NDArray[np.float64]: ...
    @property
    def phase_rad(self) -> NDArray[np.float64]: ...
    def advance(
        self, amplitude_ua: NDArray[np.int32], width_us: int, period_us: int
    ) -> NDArray[np.float64]: ...
