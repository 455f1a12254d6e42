"""What a session needs of the world: a wire and a log.

On the bench these are a `stimloop_hw.Link` and a `Recorder`; in a replay, a record that is
played and a comparison with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections import deque

    from stimloop.step import Latency, Step
    from stimloop.streams import EventKind
    from stimloop_hw import Block
    from stimloop_hw.messages import Message, Status


class Wire(Protocol):
    """What the loop needs of a link; a replay has another one."""

    notices: deque[Message]
    event_ack: int
    read_ns: int
    arrived_ns: int

    @property
    def t_us(self) -> int:
        """The latest device time heard, µs."""

    def sensed(self) -> Block | None:
        """Next block of samples; None when sensing has ended."""

    def send(self, order: Message, expires_us: int | None = None) -> None:
        """Send an order that has no answer."""

    def start(self, program_crc: int, lease_ms: int, group: int) -> int:
        """Arm and start a group of the committed set; the device's time of it, µs."""

    def start_alone(self, program_crc: int) -> int:
        """The same for a therapy that no host leads."""


class Log(Protocol):
    """What the loop tells of itself."""

    def sensed(self, block: Block) -> None:
        """A block came in."""

    def step(self, step: Step) -> None:
        """A tick was decided."""

    def latency(self, step_number: int, latency: Latency) -> None:
        """Where the time of a tick went."""

    def status(self, step_number: int, status: Status) -> None:
        """The device reported."""

    def event(
        self,
        step_number: int,
        t_us: int,
        kind: EventKind,
        *,
        order: int = 0,
        code: int = 0,
        detail: int = 0,
        text: str = "",
    ) -> None:
        """Something happened."""
