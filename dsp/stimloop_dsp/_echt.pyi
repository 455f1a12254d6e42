from typing import Self, final

from stimloop_dsp._threshold import ThresholdDetector

@final
class EndpointHilbert(ThresholdDetector):
    def __new__(
        cls,
        fs_hz: float,
        on: float,
        off: float | None = None,
        peak_hz: float = 20.0,
        window_ms: float = 1000.0,
        hop_ms: float = 0.0,
        onset_ms: float = 0.0,
        termination_ms: float = 0.0,
        blanking_ms: float = 0.0,
        channel: int = 0,
        saturation_uv: float = 10_000.0,
    ) -> Self: ...
