from typing import final

import numpy as np
from numpy.typing import NDArray

@final
class Noise:
    def __init__(self, *key: int) -> None: ...
    def normals(self, n: int) -> NDArray[np.float64]: ...
    def uniforms(self, n: int) -> NDArray[np.float64]: ...
