"""An SL1 implant as an amplifier: it senses, and stimulates nothing."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Self

from stimloop_hw.keys import DEVELOPMENT_KEY
from stimloop_hw.link import Link

if TYPE_CHECKING:
    from types import TracebackType

    from stimloop_hw.amplifier import Edge
    from stimloop_hw.blocks import Block
    from stimloop_hw.clock import DeviceClock
    from stimloop_hw.messages import Limits


class ImplantAmplifier:
    """One implant, whose samples alone are wanted.

    Parameters
    ----------
    link : Link
        After `hello`.
    limits : Limits
        What it said of itself.

    Attributes
    ----------
    model, channels, rate_hz, range_uv, clock, edges, lost_samples, read_ns, arrived_ns
        See `stimloop_hw.amplifier.Amplifier`. There are no digital inputs.
    """

    def __init__(self, link: Link, limits: Limits) -> None:
        self.model = link.identity.model.rstrip(b"\0").decode("ascii", "replace")
        self.channels = limits.sense_channels
        self.rate_hz = limits.sense_rate_hz
        self.range_uv = limits.sense_range_uv
        self.edges: deque[Edge] = deque()
        self.clock: DeviceClock = link.clock
        self.lost_samples = self.read_ns = self.arrived_ns = 0
        self._block = limits.sense_block
        self._link = link

    @classmethod
    def open(cls, url: str, *, key: bytes = DEVELOPMENT_KEY) -> Self:
        """Open a link to an implant, and greet it.

        Raises
        ------
        LinkError
            If it does not answer, or does not accept the key.
        """
        link = Link.open(url, key=key)
        try:
            link.hello()
            return cls(link, link.limits())
        except BaseException:
            link.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the port."""
        self._link.close()

    @property
    def lines(self) -> tuple[int, ...]:
        """It has no digital inputs."""
        return ()

    @property
    def t_us(self) -> int:
        """The latest device time heard, µs."""
        return self._link.t_us

    def stream(self, mask: int, block: int) -> None:
        """Start a stream; see `Amplifier.stream`."""
        if block != self._block:
            raise ValueError(
                f"blocks of {block} samples were asked for; {self._link.name} has blocks of "
                f"{self._block}: let it send them every 20 ms (block_ms= of a sim:// URL)"
            )
        self._link.stream(mask, self.rate_hz, block)

    def sensed(self) -> Block | None:
        """Next block; None behind a recording's end. What else it says of itself is dropped.

        Raises
        ------
        LinkLost
            If no samples come any more.
        """
        link = self._link
        block = link.sensed()
        link.notices.clear()
        self.lost_samples = link.blocks.lost_samples
        self.read_ns, self.arrived_ns = link.read_ns, link.arrived_ns
        return block

    def halt(self) -> None:
        """End the stream."""
        self._link.stream(1, 0, self._block)
