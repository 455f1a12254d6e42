"""Packets of an OpenBCI Cyton: 33 bytes without a checksum become samples with an index.

Layout: docs.openbci.com, Cyton Data Format, firmware 2.0.0 and later. Two bytes mark a packet's
ends, a counter of eight bits tells of losses, and a time stamp in milliseconds tells how often
that counter ran round; where counter and stamp contradict each other the packet is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

SIZE = 33
HEAD, TAIL = 0xA0, 0xC0
INPUTS = 8
SAMPLE_MS = 4
RAW_SET, RAW_STAMPED = 5, 6
"""Kinds of packets with digital inputs and a time stamp; the first answers the order to."""
WORDS = 512
"""So many of the bytes that were no packets are kept, for what they may say."""
WRAP = 256
"""The counter runs round."""
LONGEST = 4_000
"""Samples that a gap may have: beyond, a percent of it is near half a round of the counter."""
_STAMPS = 1 << 32


@dataclass(frozen=True, slots=True)
class Packet:
    """One sample.

    Attributes
    ----------
    counter : int
        Low eight bits of its number.
    counts : tuple of int, 8
        Of each input, 24 bits, signed.
    lines : tuple of int, 2
        Digital inputs D11 and D12.
    stamp_ms : int
        The board's time, ms, 32 bits.
    answers : bool
        It is the first since the order to stamp was heard.
    """

    counter: int
    counts: tuple[int, ...]
    lines: tuple[int, int]
    stamp_ms: int
    answers: bool


class Packets:
    """Finds packets in what a dongle says.

    Attributes
    ----------
    skipped : int
        Bytes that belong to no packet.
    words : bytearray
        The latest of them.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self.words = bytearray()
        self._data = bytearray()
        self._in_step = False

    @property
    def pending(self) -> int:
        """Bytes of a packet that is not complete."""
        return len(self._data)

    def feed(self, data: bytes) -> list[Packet]:
        """Take bytes; packets that are complete.

        Out of step, after bytes that were none, a packet counts only with a second one right
        behind it: the marks of one alone appear in samples as well.
        """
        self._data += data
        found = []
        place = 0
        while place + (SIZE if self._in_step else 2 * SIZE) <= len(self._data):
            if self._is_packet(place) and (self._in_step or self._is_packet(place + SIZE)):
                self._in_step = True
                found.append(_unpacked(self._data[place : place + SIZE]))
                place += SIZE
            else:
                # The dongle's comma may stand between two packets: that alone is no loss.
                aside = self._data[place] == ord(",") and self._in_step
                self._in_step = aside
                self.skipped += 1
                self.words.append(self._data[place])
                place += 1
        del self._data[:place]
        del self.words[:-WORDS]
        return found

    def rest(self) -> bytes:
        """What was said last and is no packet (yet)."""
        return bytes(self.words + self._data)

    def _is_packet(self, place: int) -> bool:
        data = self._data
        return data[place] == HEAD and data[place + SIZE - 1] in (
            TAIL | RAW_SET,
            TAIL | RAW_STAMPED,
        )


def _unpacked(data: bytearray) -> Packet:
    return Packet(
        data[1],
        tuple(
            int.from_bytes(data[at : at + 3], "big", signed=True)
            for at in range(2, 2 + 3 * INPUTS, 3)
        ),
        (data[26], data[27]),
        int.from_bytes(data[28:32], "big"),
        data[32] == TAIL | RAW_SET,
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """A packet in the stream, to which the next one is compared."""

    index: int
    counter: int
    stamp_ms: int


class Sequence:
    """Gives packets their place in the stream.

    A packet that fits the one before within the counter's range counts at once; one behind a
    longer gap only with a second one that fits it, since a flipped bit of the time stamp looks
    like such a gap.

    Attributes
    ----------
    index : int
        Of the latest packet; -1 before the first.
    damaged : int
        Packets dropped, since counter and time stamp contradict each other.
    strangers : int
        How many of them in a row: many are no damage, the board has started anew.
    """

    def __init__(self) -> None:
        self.index = -1
        self.damaged = 0
        self.strangers = 0
        self._latest: _Place | None = None
        self._claimed: _Place | None = None

    def place(self, packet: Packet) -> int | None:
        """Index of a packet since the stream began; None for one to drop."""
        if self._latest is None:
            return self._accept(packet, 0)
        for known in (self._latest, self._claimed):
            if known is not None and 0 < (steps := _steps(known, packet)) < WRAP:
                return self._accept(packet, known.index + steps)
        steps = _steps(self._latest, packet)
        self._claimed = None
        if 0 < steps < LONGEST:
            index = self._latest.index + steps
            self._claimed = _Place(index, packet.counter, packet.stamp_ms)
        self.damaged += 1
        self.strangers += 1
        return None

    def _accept(self, packet: Packet, index: int) -> int:
        self.index = index
        self.strangers = 0
        self._latest = _Place(index, packet.counter, packet.stamp_ms)
        self._claimed = None
        return index


def _steps(known: _Place, packet: Packet) -> int:
    """Samples from one packet to another; 0 if counter and stamp contradict each other."""
    elapsed = ((packet.stamp_ms - known.stamp_ms) % _STAMPS) / SAMPLE_MS
    steps = (packet.counter - known.counter) % WRAP
    steps += WRAP * max(0, round((elapsed - steps) / WRAP))
    # Milliseconds are whole, and the clocks of samples and stamps differ by a percent at most.
    return steps if abs(steps - elapsed) <= 2 + 0.02 * elapsed else 0
