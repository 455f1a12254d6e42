import numpy as np
import numpy.typing as npt

def quantise(
    sensed_uv: npt.NDArray[np.float64], columns: list[int], range_nv: float
) -> tuple[npt.NDArray[np.int32], bool]: ...
