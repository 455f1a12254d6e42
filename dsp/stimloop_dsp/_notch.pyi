from typing import Self, final

from stimloop_dsp._cleaner import Cleaner

@final
class Notch(Cleaner):
    def __new__(
        cls,
        fs_hz: float,
        mains_hz: float = 50.0,
        width_hz: float = 2.0,
        harmonics: int = 1,
        channels: int = 1,
    ) -> Self: ...
