from typing import final

import numpy as np

from stimloop_sim.vns import Heart

@final
class Sinus:
    def __init__(self, heart: Heart, noise: np.random.Generator) -> None: ...
    @property
    def rate_bpm(self) -> float: ...
    @property
    def breath_rad(self) -> float: ...
