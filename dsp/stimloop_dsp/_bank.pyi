from typing import Literal, Self, final

import numpy as np
import numpy.typing as npt

@final
class PackedLayout:
    def __new__(
        cls,
        offset: int,
        sample: Literal["i16le", "i16be", "i24le", "i24be", "i32le"],
        uv_per_count: float,
    ) -> Self: ...
    @property
    def offset(self) -> int: ...
    @property
    def sample(self) -> Literal["i16le", "i16be", "i24le", "i24be", "i32le"]: ...
    @property
    def uv_per_count(self) -> float: ...

@final
class BetaBank:
    def __new__(
        cls,
        fs_hz: float,
        on_uv: npt.ArrayLike,
        off_uv: npt.ArrayLike | None = None,
        band_hz: tuple[float, float] = (13.0, 35.0),
        order: int = 1,
        smoothing: Literal["moving_average", "one_pole"] = "one_pole",
        smooth_ms: float = 50.0,
        onset_ms: float = 0.0,
        termination_ms: float = 0.0,
        blanking_ms: float = 0.0,
        channels: int = 1,
        precision: Literal["float32", "float64"] = "float32",
        saturation_uv: float = 10_000.0,
    ) -> Self: ...
    @property
    def fs_hz(self) -> float: ...
    @property
    def delay_ms(self) -> float: ...
    @property
    def settling_ms(self) -> float: ...
    @property
    def channels(self) -> int: ...
    @property
    def precision(self) -> Literal["float32", "float64"]: ...
    @property
    def levels(self) -> npt.NDArray[np.float32 | np.float64]: ...
    @property
    def active(self) -> npt.NDArray[np.bool_]: ...
    @property
    def active_samples(self) -> npt.NDArray[np.int64]: ...
    @property
    def held(self) -> npt.NDArray[np.int64]: ...
    @property
    def saturated(self) -> npt.NDArray[np.int64]: ...
    @property
    def thresholds(
        self,
    ) -> tuple[npt.NDArray[np.float32 | np.float64], npt.NDArray[np.float32 | np.float64]]: ...
    @thresholds.setter
    def thresholds(self, thresholds: tuple[npt.ArrayLike, npt.ArrayLike]) -> None: ...
    def push(self, block: npt.NDArray[np.int32 | np.float32 | np.float64]) -> int: ...
    def push_bytes(self, frame: bytes | bytearray, layout: PackedLayout) -> int: ...
    def reset(self) -> None: ...
