"""What a bad line does to the bytes themselves, one fault each, chunk-invariant under a seed.

How far away the next byte is that is struck is drawn from the geometric distribution, so that
an intact byte costs nothing and the same bytes are struck however the stream is cut.
"""

from __future__ import annotations

from math import log, log1p
from random import Random
from typing import TYPE_CHECKING

from stimloop_sim.scenario import ALWAYS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Strikes:
    """Which of a row of things are struck, each with the same probability.

    Parameters
    ----------
    rate_ppm : int
        Probability in parts per million, 1 to 1 000 000.
    random : Random
    """

    def __init__(self, rate_ppm: int, random: Random) -> None:
        self._log_miss = log1p(-rate_ppm / ALWAYS) if rate_ppm < ALWAYS else 0.0
        self._random = random
        self._ahead = self._gap()

    def _gap(self) -> int:
        if not self._log_miss:
            return 0
        return int(log(1.0 - self._random.random()) / self._log_miss)

    def among(self, count: int) -> list[int]:
        """Take the next `count` things: the positions of those that are struck."""
        struck = []
        while self._ahead < count:
            struck.append(self._ahead)
            self._ahead += 1 + self._gap()
        self._ahead -= count
        return struck


class Damage:
    """One fault on the bytes of one direction.

    Parameters
    ----------
    kind : str
        A key of `DAMAGE`.
    values : mapping of str to int
        Its parameters.
    random : Random
        Its own, so that another fault beside it changes nothing here.
    """

    def __init__(self, kind: str, values: Mapping[str, int], random: Random) -> None:
        self._replace = DAMAGE[kind]
        self._strikes = Strikes(values["rate_ppm"], random)
        self._random = Random(random.random())  # noise of its own: gaps are drawn ahead of it
        self._length = values.get("length_bytes", 1)
        self._running = 0  # bytes that a burst still has to spoil

    def apply(self, data: bytes) -> tuple[bytes, int]:
        """Damage the next bytes: what comes out, and how often it struck."""
        struck = self._strikes.among(len(data))
        if not struck and not self._running:
            return data, 0
        out = bytearray()
        done = 0
        for position in [*struck, len(data)]:
            spoiled = min(position - done, self._running)
            out += bytes(self._random.getrandbits(8) for _ in range(spoiled))
            self._running -= spoiled
            out += data[done + spoiled : position]
            done = position
            if position < len(data):
                out += self._strike(data[position])
                done += 1
        return bytes(out), len(struck)

    def release(self) -> bytes:
        """The fault has ended: it holds nothing back."""
        self._running = 0
        return b""

    def _strike(self, byte: int) -> bytes:
        self._running = max(self._running - 1, self._length - 1)
        return self._replace(byte, self._random)


def _flip(byte: int, random: Random) -> bytes:
    return bytes((byte ^ 1 << random.randrange(8),))


def _drop(_byte: int, _random: Random) -> bytes:
    return b""


def _duplicate(byte: int, _random: Random) -> bytes:
    return bytes((byte, byte))


def _insert(byte: int, random: Random) -> bytes:
    return bytes((byte, random.randrange(256)))


def _noise(_byte: int, random: Random) -> bytes:
    return bytes((random.getrandbits(8),))


DAMAGE: Mapping[str, Callable[[int, Random], bytes]] = {
    "flip": _flip,
    "drop": _drop,
    "duplicate": _duplicate,
    "insert": _insert,
    "burst": _noise,
}
"""What stands in the place of a byte that is struck."""
