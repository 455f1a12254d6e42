"""The journal: events in non-volatile memory, and how often and why the device has started.

An event is told at once, and again with each Status until a host has acknowledged it, also
after a reset. The journal keeps the newest `KEPT`. When it is full the oldest gives way,
acknowledged or not; numbers run on over resets, so that a host sees by the gap what it has
missed, and `lost` counts what gave way unacknowledged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop_hw.messages import Event
from stimloop_hw.vocabulary import ResetCause

if TYPE_CHECKING:
    from stimloop_hw.vocabulary import EventCode

KEPT = 32
"""Events kept; as many fit the queue to the host with room for its Status."""


class Journal:
    """What has happened to a device.

    Attributes
    ----------
    boots : int
        How often it has started.
    cause : ResetCause
        Why it last started.
    events : list of Event
        The newest ones, oldest first.
    lost : int
        Events that gave way unacknowledged.
    """

    def __init__(self) -> None:
        self.boots = 0
        self.cause = ResetCause.POWER_ON
        self.events: list[Event] = []
        self.lost = 0
        self._count = 0
        self._acknowledged = 0

    @property
    def pending(self) -> list[Event]:
        """Events that no host has acknowledged."""
        return [event for event in self.events if event.event > self._acknowledged]

    def start(self, cause: ResetCause) -> None:
        """The device starts."""
        self.boots += 1
        self.cause = cause

    def add(self, t_us: int, code: EventCode, arg: int) -> Event:
        """Something happened; its event, numbered from 1 over the device's whole life."""
        self._count += 1
        event = Event(self._count, t_us, code, arg & 0xFFFFFFFF)
        self.events.append(event)
        if len(self.events) > KEPT:
            self.lost += self.events.pop(0).event > self._acknowledged
        return event

    def acknowledge(self, number: int) -> None:
        """A host has heard all events up to this one."""
        self._acknowledged = max(self._acknowledged, min(number, self._count))
