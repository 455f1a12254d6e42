from typing import Self, final

from typing_extensions import disjoint_base

from stimloop_dsp._threshold import ThresholdDetector

@disjoint_base
class TrendDetector(ThresholdDetector): ...

@final
class LineLength(TrendDetector):
    def __new__(
        cls,
        fs_hz: float,
        on: float = 1.75,
        off: float | None = None,
        short_ms: float = 2000.0,
        long_s: float | None = 60.0,
        onset_ms: float = 0.0,
        termination_ms: float = 0.0,
        blanking_ms: float = 0.0,
        channel: int = 0,
        saturation_uv: float = 10_000.0,
    ) -> Self: ...

@final
class Area(TrendDetector):
    def __new__(
        cls,
        fs_hz: float,
        on: float = 1.75,
        off: float | None = None,
        short_ms: float = 2000.0,
        long_s: float | None = 60.0,
        onset_ms: float = 0.0,
        termination_ms: float = 0.0,
        blanking_ms: float = 0.0,
        channel: int = 0,
        saturation_uv: float = 10_000.0,
    ) -> Self: ...

@final
class HalfWaves(ThresholdDetector):
    def __new__(
        cls,
        fs_hz: float,
        on: float,
        off: float | None = None,
        amplitude_uv: tuple[float, float] = (10.0, 1000.0),
        duration_ms: tuple[float, float] = (14.0, 39.0),
        window_ms: float = 500.0,
        turn_uv: float = 5.0,
        onset_ms: float = 0.0,
        termination_ms: float = 0.0,
        blanking_ms: float = 0.0,
        channel: int = 0,
        saturation_uv: float = 10_000.0,
    ) -> Self: ...
