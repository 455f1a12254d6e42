from collections.abc import Mapping
from typing import final

import numpy as np
from numpy.typing import NDArray

from stimloop_dsp import BetaDetector
from stimloop_sim._patient import BetaGenerator

@final
class CompiledLoop:
    def __init__(
        self,
        patient: BetaGenerator,
        detector: BetaDetector,
        law: Mapping[str, float],
        *,
        gain_uv: float,
        tick_samples: int,
        width_us: int,
        period_us: int,
        range_nv: float,
    ) -> None: ...
    def run(
        self, ticks: int
    ) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]: ...
