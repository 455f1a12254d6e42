"""Lockout: who guesses tags is not listened to for a while."""

from __future__ import annotations

from collections import deque

BAD_TAGS = 8
WINDOW_US = 10_000_000
LOCKED_US = 5_000_000
"""So many bad tags within the window end all signed traffic for so long. A therapy under way
then has no heartbeats: whoever can write on the wire can end it, but never lead it."""


class Lockout:
    """Counts bad tags.

    Attributes
    ----------
    bad_tags : int
        Since power-on.
    """

    def __init__(self) -> None:
        self.bad_tags = 0
        self._recent_us: deque[int] = deque(maxlen=BAD_TAGS)
        self._until_us = 0

    def count(self, now_us: int) -> bool:
        """Count a bad tag; whether that was one too many."""
        self.bad_tags += 1
        self._recent_us.append(now_us)
        full = len(self._recent_us) == BAD_TAGS
        if not full or now_us - self._recent_us[0] > WINDOW_US:
            return False
        self._recent_us.clear()
        self._until_us = now_us + LOCKED_US
        return True

    def left_us(self, now_us: int) -> int:
        """For how long nothing signed is listened to, µs; 0 where it is."""
        return max(0, self._until_us - now_us)
