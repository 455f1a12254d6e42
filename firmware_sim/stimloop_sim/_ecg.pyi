from typing import final

@final
class Ecg:
    def __init__(self, fs_hz: float, r_uv: float) -> None: ...
