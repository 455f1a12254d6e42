from collections.abc import Sequence
from typing import Self, final

from stimloop_dsp._cleaner import Cleaner

@final
class Montage(Cleaner):
    def __new__(
        cls,
        fs_hz: float,
        derivations: Sequence[tuple[int, int | None]],
        channels: int,
        saturation_uv: float = 10_000.0,
    ) -> Self: ...
