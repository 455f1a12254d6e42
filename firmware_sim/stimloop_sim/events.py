"""Events: told at once, and again with each Status until the host has acknowledged them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop_hw.messages import Event

if TYPE_CHECKING:
    from stimloop_hw.vocabulary import EventCode

KEPT = 32
"""The oldest unacknowledged events give way."""


class EventLog:
    """Events that the host has not acknowledged.

    Attributes
    ----------
    pending : list of Event
    """

    def __init__(self) -> None:
        self.pending: list[Event] = []
        self._count = 0

    def add(self, t_us: int, code: EventCode, arg: int) -> Event:
        """Something happened; its event, numbered from 1."""
        self._count += 1
        event = Event(self._count, t_us, code, arg & 0xFFFFFFFF)
        self.pending = [*self.pending, event][-KEPT:]
        return event

    def acknowledge(self, number: int) -> None:
        """The host has heard all events up to this one."""
        self.pending = [event for event in self.pending if event.event > number]
