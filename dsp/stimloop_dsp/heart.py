"""Values of the heart (tier: core)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Beat:
    """A heartbeat.

    Attributes
    ----------
    index : int
        Sample of its R wave.
    told : int
        Sample at which it was recognised.
    rr_ms : float
        Time since the R wave before, ms; NaN for the first after a start or a gap.
    valid : bool
        The interval may be used for a heart rate: 300 to 2000 ms, and within 40 % of the median
        of the last five.
    """

    index: int
    told: int
    rr_ms: float
    valid: bool
