from collections.abc import Callable, Mapping
from typing import final

import numpy as np
from numpy.typing import NDArray

def recruitment(amplitude_ua: int, width_us: int, period_us: int) -> float: ...

@final
class BetaGenerator:
    def __init__(
        self,
        key: tuple[int, ...],
        course: Callable[[], NDArray[np.float64]],
        *,
        fs_hz: int,
        growth_per_s: float,
        saturation_per_s: float,
        suppression_per_s: float,
        rise: float,
        fall: float,
        overdrive_per_ma: float,
        overdrive_from_ma: float,
        drift_sd: float,
        drift_keep: float,
        drive_sd: float,
        start_sd: float,
        rotation: complex,
        pink_keep: NDArray[np.float64],
        pink_weight: NDArray[np.float64],
        pink_start: NDArray[np.float64],
        gain_uv: float,
        floor_uv: float,
        band_turn: complex,
        band_sd: float,
        symptoms: Mapping[str, float],
    ) -> None: ...
    @property
    def envelope_uv(self) -> NDArray[np.float64]: ...
    @property
    def tone(self) -> float: ...
    @property
    def tremor(self) -> float: ...
    @property
    def dyskinesia(self) -> float: ...
    @property
    def dyskinetic_s(self) -> float: ...
    @property
    def tingling_s(self) -> float: ...
    def advance(
        self, amplitude_ua: NDArray[np.int32], width_us: int, period_us: int
    ) -> NDArray[np.float64]: ...
