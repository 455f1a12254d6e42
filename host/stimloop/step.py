"""What one control tick decided: the row of a session that a replay must reproduce."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from stimloop.governor import Order
    from stimloop_dsp import Reading, Setting


@dataclass(frozen=True, slots=True)
class Step:
    """One control tick, from its last sample to its order.

    Attributes
    ----------
    index : int
        Index of the last sample.
    t_us : int
        Device time of that sample, µs.
    level : float
        The biomarker, in the detector's unit.
    active : bool
        Whether the detector sees the biomarker's burst.
    active_ms : int
        For how long, ms.
    quality : int
        `stimloop_dsp.Quality` of the reading.
    wanted_ua, wanted_period_us : int
        What the controller asked for.
    admitted_ua, admitted_period_us : int
        What the governor let through.
    bound : int
        `stimloop_hw.vocabulary.Bound` that made the difference.
    sp : int
        Number of the setpoint sent, 0 where none was.
    pulses : int
        Pulses triggered, 0 where none were.
    at_us : int
        Device time of the first of them, µs; 0 where none were.
    others_ua : tuple of int
        What the governor let through for each further program of the group, µA. Where it has
        changed it was sent, each a setpoint of its own with the next number behind `sp`.
    """

    index: int
    t_us: int
    level: float
    active: bool
    active_ms: int
    quality: int
    wanted_ua: int
    wanted_period_us: int
    admitted_ua: int
    admitted_period_us: int
    bound: int
    sp: int
    pulses: int = 0
    at_us: int = 0
    others_ua: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        t_us: int,
        reading: Reading,
        wanted: Setting,
        order: Order,
        *,
        sp: int = 0,
        others_ua: tuple[int, ...] = (),
    ) -> Self:
        """Make the row of what a host decided; parameters are the tick's, in their order."""
        return cls(
            reading.index,
            t_us,
            reading.level,
            reading.active,
            reading.active_ms,
            reading.quality,
            wanted.amplitude_ua,
            wanted.period_us,
            order.amplitude_ua,
            order.period_us,
            order.bound,
            sp,
            order.pulses,
            order.at_us,
            others_ua,
        )


@dataclass(frozen=True, slots=True)
class Latency:
    """Where the time of one tick went, ns of a monotonic clock; never compared by a replay.

    Attributes
    ----------
    read : int
        The read that brought the block, waiting included.
    decode, detect, control, govern, write : int
        The stages from bytes in hand to the order's last byte written.
    total : int
        From bytes in hand to the order's last byte written: the sum of the stages after `read`.
    """

    read: int
    decode: int
    detect: int
    control: int
    govern: int
    write: int
    total: int
