from collections.abc import Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

@final
class Body:
    threshold_uc: float
    slope_uv_uc: float
    cough: float
    def __init__(
        self,
        generator: np.random.Generator,
        stays: Sequence[tuple[float, float, tuple[float, float, float], bool, float]],
        *,
        transition_s: float,
        rhythms: Sequence[tuple[float, float]],
        bounce_g: float,
        cough_gap_s: float,
        cough_s: float,
        cough_threshold: float,
        cough_slope: float,
    ) -> None: ...
    def move(self, t_s: float) -> None: ...
    def feel(
        self, from_us: int, step_us: int, n: int, uv_per_g: float
    ) -> NDArray[np.float64]: ...

@final
class Cord:
    evoked_uv: float
    ratio: float
    sensation: float
    body: Body
    def __init__(
        self,
        body: Body,
        generator: np.random.Generator,
        *,
        wave: NDArray[np.float64],
        artefact: NDArray[np.float64],
        late: NDArray[np.float64],
        drift: NDArray[np.float64],
        noise_uv: float,
        drift_uv_ms: float,
        knee: float,
        artefact_uv_uc: float,
        late_uv_uc: float,
        late_ratio: float,
        width_us: float,
        chronaxie_us: float,
        perception: float,
        comfort: float,
        discomfort: float,
        pain_mm: float,
        relief: float,
        relief_s: float,
        carry_s: float,
    ) -> None: ...
    def evoke(self, t_us: int, amplitude_ua: int, width_us: int) -> NDArray[np.float64]: ...
    def pain_mm(self, t_s: float) -> float: ...
