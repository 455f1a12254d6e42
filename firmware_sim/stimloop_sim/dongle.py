"""The dongle of an OpenBCI Cyton: an FTDI chip and a radio, between the host and the board.

The chip hands bytes on in pieces of 62, or all when its latency timer runs out. The radio
cannot call the board: an order waits until the board has a packet to send, or asks for orders.
"""

from __future__ import annotations

USB_BYTES = 62
"""What one USB packet of the chip carries."""
KEY = 0xF0
"""Begins an order for the radio itself."""
CHANNEL, SET_CHANNEL, OVERRIDE, SET_POLL, STATUS = 0x00, 0x01, 0x02, 0x04, 0x07
BAUDS = {0x05: 115_200, 0x06: 230_400, 0x0A: 921_600}
DOWN = b"Failure: Communications timeout - Device failed to poll host"
END = b"$$$"


class Dongle:
    """What is plugged into the computer.

    Parameters
    ----------
    latency_us : int
        Of the chip's timer, µs.
    up : bool
        Whether the board answers.
    """

    def __init__(self, latency_us: int, *, up: bool) -> None:
        self._latency_us = latency_us
        self._up = up
        self._usb = bytearray()
        self._flushed_us = 0
        self._air: list[tuple[int, int]] = []
        self._word = b""
        self._channel = 7

    def receive(self, now_us: int, wait_us: int, data: bytes) -> None:
        """Take bytes from the host: some are the radio's own, the others go on air.

        Parameters
        ----------
        now_us : int
        wait_us : int
            The board listens at multiples of this, µs.
        data : bytes
        """
        heard_us = now_us - now_us % wait_us + wait_us
        spoken = False
        for byte in data:
            if self._word or byte == KEY:
                self._word += bytes([byte])
                self._obey()
                continue
            spoken = True
            if byte == ord("<"):
                self._usb += b","  # from here on it is on air
            if self._up:
                self._air.append((heard_us, byte))
        if spoken and not self._up:
            self._usb += DOWN + END

    def orders(self, now_us: int) -> bytes:
        """Give the board what has reached it by now."""
        count = sum(heard_us <= now_us for heard_us, _ in self._air)
        orders = bytes(byte for _, byte in self._air[:count])
        del self._air[:count]
        return orders

    def hear(self, data: bytes) -> None:
        """Take what the board sends."""
        self._usb += data

    def take(self, now_us: int) -> bytes:
        """Give the host what the chip hands on by now."""
        ready = len(self._usb) - len(self._usb) % USB_BYTES
        if now_us - self._flushed_us >= self._latency_us:
            ready = len(self._usb)
        if ready:
            self._flushed_us = now_us
        data = bytes(self._usb[:ready])
        del self._usb[:ready]
        return data

    def _obey(self) -> None:
        """An order for the radio: the key, a code, and for some a value."""
        word = self._word
        if len(word) < 2 + (word[1:2] in (b"\x01", b"\x02", b"\x04")):
            return
        self._word = b""
        code = word[1]
        if code == STATUS:
            answer = b"Success: System is up" if self._up else b"Failure: System is down"
        elif code in BAUDS:
            answer = f"Success: Switch your baud rate to {BAUDS[code]}".encode()
        elif not self._up and code != OVERRIDE:
            answer = DOWN
        else:
            if code in (SET_CHANNEL, OVERRIDE):
                self._channel = word[2]
            answer = b"Success: Channel Number " + bytes([self._channel])
        self._usb += answer + END
