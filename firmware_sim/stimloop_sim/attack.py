"""Whole frames on the way: overtaken by the next one, or sent again by an attacker."""

from __future__ import annotations

from collections import deque
from random import Random
from typing import TYPE_CHECKING

from stimloop_sim.damage import Strikes

if TYPE_CHECKING:
    from collections.abc import Mapping


LONGEST = 1024
"""Noise without a delimiter is cut after so many bytes, so that memory stays bounded."""


class Cutter:
    """Bytes in any chunks → whole frames with the delimiters around them."""

    def __init__(self) -> None:
        self._begun = b""

    def feed(self, data: bytes) -> list[tuple[bytes, int]]:
        """Take bytes: frames (or noise) that they complete, and where in `data` each ends."""
        pieces = []
        begin = 0
        while (end := data.find(0, begin) + 1) > 0:
            self._begun += data[begin:end]
            begin = end
            if self._begun.strip(b"\0"):
                pieces.append((self._begun, end))
                self._begun = b""
        self._begun += data[begin:]
        if len(self._begun) > LONGEST:
            pieces.append((self.release(), len(data)))
        return pieces

    def release(self) -> bytes:
        """Give up a frame that was begun: its bytes so far."""
        begun, self._begun = self._begun, b""
        return begun


class Reorder:
    """Lets the next frame overtake one that is struck.

    Parameters
    ----------
    values : mapping of str to int
    random : Random
    """

    def __init__(self, values: Mapping[str, int], random: Random) -> None:
        self._strikes = Strikes(values["rate_ppm"], random)
        self._cutter = Cutter()
        self._held = b""

    def apply(self, data: bytes) -> tuple[bytes, int]:
        """Pass the next bytes on: what comes out, and how many frames were overtaken."""
        out = bytearray()
        overtaken = 0
        for frame, _ in self._cutter.feed(data):
            if self._held:
                out += frame + self._held
                self._held = b""
                overtaken += 1
            elif self._strikes.among(1):
                self._held = frame
            else:
                out += frame
        return bytes(out), overtaken

    def release(self) -> bytes:
        """The fault has ended: what it still holds."""
        held, self._held = self._held, b""
        return held + self._cutter.release()


class Replay:
    """Sends recorded frames again.

    Parameters
    ----------
    values : mapping of str to int
    random : Random
    """

    def __init__(self, values: Mapping[str, int], random: Random) -> None:
        self._strikes = Strikes(values["rate_ppm"], random)
        self._choice = Random(random.random())  # apart from the gaps, which are drawn ahead
        self._cutter = Cutter()
        self._recorded: deque[bytes] = deque(maxlen=values["kept_frames"])

    def listen(self, data: bytes) -> None:
        """Record what passes."""
        self._recorded.extend(frame for frame, _ in self._cutter.feed(data))

    def apply(self, data: bytes) -> tuple[bytes, int]:
        """Pass the next bytes on, with recorded frames between them: and how many of these."""
        out = bytearray()
        done = struck = 0
        for frame, end in self._cutter.feed(data):
            self._recorded.append(frame)
            if self._strikes.among(1):
                out += data[done:end] + self._choice.choice(self._recorded)
                done = end
                struck += 1
        return bytes(out) + data[done:], struck

    def release(self) -> bytes:
        """The fault has ended: it holds nothing back."""
        return b""
