from typing import Self, final

@final
class Intake:
    def __new__(cls, fs_hz: float, channel: int, saturation_uv: float, warmup: int) -> Self: ...
