from typing import final

import numpy as np
from numpy.typing import NDArray

from stimloop_sim._electrode import Interface

@final
class Pickup:
    def __init__(self, interface: Interface, fs_hz: int, channels: int) -> None: ...
    def link(self, gain: float, open_uv: float) -> None: ...
    def hum(self, waveform: list[float], mains_uv: float) -> None: ...
    def couple(
        self, uv_per_ua: float, blanking_us: int, rate_hz: list[float], weight: list[float]
    ) -> None: ...
    def beat(
        self,
        generator: np.random.Generator,
        beat_s: float,
        spread_s: float,
        wave_uv: list[float],
        wave_from_s: float,
        wave_s: float,
    ) -> None: ...
    def stir(
        self, generator: np.random.Generator, gap_s: float, step_uv: float, decay_s: float
    ) -> None: ...
    def drop(self, generator: np.random.Generator, gap_s: float, length_s: float) -> None: ...
    def add(self, sensed_uv: NDArray[np.float64]) -> None: ...
