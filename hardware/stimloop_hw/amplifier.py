"""What a session needs of an amplifier that senses and does not stimulate.

Its samples come on a clock of their own, which is the session's device time; how that stands to
the host's clock is known with a bound, and so to any generator that the host drives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections import deque
    from types import TracebackType

    from stimloop_hw.blocks import Block
    from stimloop_hw.clock import DeviceClock


@dataclass(frozen=True, slots=True)
class Edge:
    """A change of a digital input: a trigger, a camera, the activity of a generator.

    Attributes
    ----------
    line : int
        Number of the input, from 0.
    high : bool
        What it is now.
    t_us : int
        Device time of the first sample that showed it, µs: it changed after the one before.
    """

    line: int
    high: bool
    t_us: int


class Amplifier(Protocol):
    """A source of sensed samples.

    Attributes
    ----------
    model : str
        What it says it is.
    channels : int
        Inputs.
    rate_hz : int
        Nominal sampling rate, Hz; device time counts its samples.
    range_uv : int
        It clips beyond ± this, µV.
    clock : DeviceClock
        How device time stands to the port's clock, with a bound.
    edges : deque of Edge
        Changes of its digital inputs, for whoever wants them to drain.
    read_ns, arrived_ns : int
        Duration of the read that brought the latest bytes, and when it returned, by the port's
        clock.
    """

    model: str
    channels: int
    rate_hz: int
    range_uv: int
    clock: DeviceClock
    edges: deque[Edge]
    read_ns: int
    arrived_ns: int

    @property
    def t_us(self) -> int:
        """The latest device time heard, µs."""

    @property
    def lines(self) -> tuple[int, ...]:
        """Levels of its digital inputs with the latest sample; as many as it has."""

    @property
    def lost_samples(self) -> int:
        """Samples that did not come."""

    def stream(self, mask: int, block: int) -> None:
        """Start a stream: `block` samples of the channels in `mask` at a time.

        Raises
        ------
        LinkError
            If it does not do what it is told.
        ValueError
            In one sentence, if it cannot.
        """

    def sensed(self) -> Block | None:
        """Next block, on a grid of whole blocks; None when there are no more samples.

        Samples that are missing inside a block are ``MISSING`` (the least int32), whole blocks
        that are missing are counted by the next one.

        Raises
        ------
        LinkError
            If no samples come any more.
        """

    def halt(self) -> None:
        """End the stream."""

    def close(self) -> None:
        """Release the port."""

    def __enter__(self) -> Self:
        """It is open already."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the stream and release the port."""
