from collections.abc import Callable
from typing import final

import numpy as np
from numpy.typing import NDArray

from stimloop_sim._ecg import Ecg
from stimloop_sim._ictal import Ictal
from stimloop_sim._sinus import Sinus
from stimloop_sim._vagus import Vagus

@final
class VnsGenerator:
    def __init__(
        self,
        ecg: Ecg,
        sinus: Sinus,
        vagus: Vagus,
        ictal: Ictal,
        course: Callable[[], NDArray[np.float64]],
        noise: np.random.Generator,
        *,
        fs_hz: int,
        floor_uv: float,
        wander_uv: float,
    ) -> None: ...
    @property
    def ecg(self) -> Ecg: ...
    @property
    def sinus(self) -> Sinus: ...
    @property
    def vagus(self) -> Vagus: ...
    @property
    def ictal(self) -> Ictal: ...
    @property
    def r_samples(self) -> NDArray[np.int64]: ...
    def advance(
        self, amplitude_ua: NDArray[np.int32], width_us: int, period_us: int
    ) -> NDArray[np.float64]: ...
