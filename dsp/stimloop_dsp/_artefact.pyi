from typing import Literal, Self, final

import numpy.typing as npt
from typing_extensions import disjoint_base

from stimloop_dsp._cleaner import Cleaner

@disjoint_base
class MarkedCleaner(Cleaner):
    def mark(self, events: npt.ArrayLike) -> None: ...

@final
class Blanking(MarkedCleaner):
    def __new__(
        cls,
        fs_hz: float,
        before_ms: float = 0.3,
        after_ms: float = 2.0,
        fill: Literal["interpolate", "hold"] = "interpolate",
        channels: int = 1,
    ) -> Self: ...

@final
class Template(MarkedCleaner):
    def __new__(
        cls,
        fs_hz: float,
        before_ms: float = 1.0,
        after_ms: float = 6.0,
        epochs: int = 32,
        delay_ms: float = 0.0,
        saturation_uv: float = 10_000.0,
        channels: int = 1,
    ) -> Self: ...

@final
class PeriodicTemplate(Cleaner):
    def __new__(
        cls,
        fs_hz: float,
        period: float,
        window_ms: float = 10_000.0,
        skip_ms: float = 50.0,
        tolerance: float = 0.02,
        channels: int = 1,
    ) -> Self: ...
    @property
    def taps(self) -> int: ...
    @property
    def settling_ms(self) -> float: ...
