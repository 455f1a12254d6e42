"""stimloop, float32: order 4, rectify, one pole, hysteresis, duration."""

from contenders.work import BAND_HZ, FS_HZ, OFF_UV, ON_UV, ORDER, SMOOTH_MS, noise_uv

from stimloop_dsp import BetaBank


def make(channels: int, rows: int) -> tuple[object, object]:
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
        precision="float32",
    )
    return bank.push, noise_uv(channels, rows, "float32")
