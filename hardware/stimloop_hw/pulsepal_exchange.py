"""What is said to a Pulse Pal and heard from it, one exchange at a time.

Each ends with an answer that can be told from every other; where it does not come, whoever
asked is in doubt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop_hw.generator import GENERATORS
from stimloop_hw.pulsepal_protocol import (
    ACK,
    CYCLE_US,
    HELLO,
    START,
    STORED_SIZE,
    Op,
    Settings,
)
from stimloop_hw.safety_shell import SafetyShell

if TYPE_CHECKING:
    from collections.abc import Callable

    from stimloop_hw.ports import TimedPort

ANSWER_MS = 100
"""An answer comes within this, far less than the 500 ms that the device waits for a byte."""
CARD_MS = 300
"""A file of the card comes within this: the device says nothing while it reads or writes, and
may as well be waiting for a byte, which it does for 500 ms."""
APART_US = 1_000
"""Between the two aborts, at least."""
FILL = b"\x7f"
"""Completes a command that lost bytes: next to 0 V, no parameter's number, no start."""
FILLS = (8, 192, 192)
"""So many of them: a few bytes are lost mostly; a whole program has 178."""
BY_HAND = (
    "click its joystick and look at its display (after COMM. FAILURE it waits for that click), "
    "or switch it off"
)
_HANDSHAKE = bytes((START, Op.HANDSHAKE))


class Exchange(SafetyShell):
    """Orders and their answers.

    Parameters
    ----------
    port : TimedPort
        Open.
    name : str
        How errors call it.
    clock_ns : callable
        Time of the port, ns.

    Attributes
    ----------
    firmware : int
        Version that is expected in every handshake.
    """

    def __init__(self, port: TimedPort, name: str, clock_ns: Callable[[], int]) -> None:
        super().__init__(
            port, name, GENERATORS["pulsepal-2"], by_hand=BY_HAND, clock_ns=clock_ns
        )

    def _order(self, order: bytes, what: str) -> None:
        """Send an order that is acknowledged."""
        self._send(order)
        if self._hear(1, ANSWER_MS) != ACK:
            self._doubt(f"{what} was not acknowledged")

    def _loaded(self, file: bytes) -> bytes:
        self._send(_of_card(Settings.LOAD, file))
        return self._hear(STORED_SIZE, CARD_MS)

    def _save(self, file: bytes) -> None:
        """Let it write its program to its card; it does not say when it has."""
        self._send(_of_card(Settings.SAVE, file))

    def _abort(self) -> None:
        for _ in range(2):
            self._send(bytes((START, Op.ABORT)))
            self._hear(1, APART_US / 1000)

    def _complete(self, fill: int) -> None:
        """Complete what the device may be waiting for, and hear what it says to that."""
        self._send(FILL * fill)
        # A byte that starts nothing takes a cycle.
        self._hear(FILLS[-1], 5 + 2 * fill * CYCLE_US / 1000)

    def _trigger(self, mask: int, what: str) -> None:
        """Trigger, and make sure that it has been read and nothing is waited for."""
        self._send(bytes((START, Op.TRIGGER, mask)) + _HANDSHAKE)
        if self._version(self._hear(5, ANSWER_MS)) != self.firmware:
            self._doubt(f"{what} was not confirmed")

    def _is_answering(self) -> bool:
        heard = self._shake_hands()
        return heard is not None and self._version(heard) == self.firmware

    def _shake_hands(self) -> bytes | None:
        self._send(_HANDSHAKE)
        heard = self._hear(5, ANSWER_MS)
        return heard or None

    @staticmethod
    def _version(heard: bytes) -> int:
        """Version in the answer to a handshake; 0 if it is none."""
        if len(heard) != 5 or heard[:1] != HELLO:
            return 0
        return int.from_bytes(heard[1:], "little")

    def _send(self, data: bytes) -> None:
        """Write a command, unless the device has said something that nobody asked for."""
        try:
            stray = self._port.in_waiting
            if stray:
                self._port.read(stray)
            if not stray or self.doubt or data[1] == Op.ABORT:
                self._port.write(data)
                return
        except OSError as problem:
            self._lose(problem)
        self._doubt(f"it said {stray} bytes unasked")

    def _hear(self, size: int, patience_ms: float) -> bytes:
        try:
            self._port.timeout = patience_ms / 1000
            return self._port.read(size)
        except (OSError, TypeError) as problem:  # TypeError: pyserial 3.5, closed while reading
            self._lose(problem)


def _of_card(action: Settings, file: bytes) -> bytes:
    return bytes((START, Op.SETTINGS, action, len(file))) + file
