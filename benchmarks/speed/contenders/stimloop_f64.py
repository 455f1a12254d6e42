"""stimloop, float64: order 4, rectify, one pole, hysteresis, duration."""

from contenders.work import BAND_HZ, FS_HZ, OFF_UV, ON_UV, ORDER, SMOOTH_MS, noise_uv

from stimloop_dsp import BetaBank


def make(channels: int, rows: int, precision: str = "float64") -> tuple[object, object]:
    """Return a push and its block."""
    bank = BetaBank(
        FS_HZ,
        ON_UV,
        OFF_UV,
        BAND_HZ,
        ORDER,
        "one_pole",
        SMOOTH_MS,
        channels=channels,
        precision=precision,
    )
    return bank.push, noise_uv(channels, rows, precision)
