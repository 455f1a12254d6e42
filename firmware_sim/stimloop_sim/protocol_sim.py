"""``sim://PROFILE?key=value``: a simulated implant as a pyserial port, in process.

Reading is what makes time pass: a read that finds too few bytes lets the virtual clock run
until they are there or the port's timeout has passed in virtual time. With ``pace=real`` the
virtual clock waits for the wall's.
"""

from __future__ import annotations

from time import monotonic_ns, sleep
from typing import TYPE_CHECKING

from serial import PortNotOpenError, SerialBase, SerialException

from stimloop_sim.bench import Bench

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Serial(SerialBase):  # type: ignore[misc,unused-ignore]  # the stubs leave methods abstract
    """pyserial's face of a simulated implant.

    Attributes
    ----------
    bench : Bench
        The implant behind the port, for tests and witnesses.
    """

    bench: Bench

    @classmethod
    def on(cls, bench: Bench, *, timeout: float) -> Serial:
        """An open port to an implant that was set up in Python; `timeout` in s of its time."""
        port = cls(timeout=timeout)
        port._power(bench)
        return port

    def open(self) -> None:
        """Power the implant on.

        Raises
        ------
        ValueError
            If the URL asks for what there is not.
        """
        if self.port is None:
            raise SerialException("give the sim:// URL before opening the port")
        if self.is_open:
            raise SerialException("the port is open already")
        self._power(Bench.of_url(self.port))

    def _power(self, bench: Bench) -> None:
        self.bench = bench
        self._received = bytearray()
        self._powered_ns = monotonic_ns()
        self.is_open = True

    def close(self) -> None:
        """Let go of the implant."""
        self.is_open = False

    def read(self, size: int = 1) -> bytes:
        """Read up to `size` bytes, letting virtual time pass until they are there."""
        self._require_open()
        received = self._received
        bench = self.bench
        timeout = self.timeout
        until_us = None if timeout is None else bench.now_us + round(timeout * 1e6)
        received += bench.take()
        while len(received) < size and (until_us is None or bench.now_us < until_us):
            if bench.real:
                self._keep_pace(bench.now_us + bench.block_us)
            bench.advance_block()
            self._require_plugged()
            received += bench.take()
        data = bytes(received[:size])
        del received[:size]
        return data

    def write(self, b: ReadableBuffer, /) -> int | None:
        """Hand bytes to the implant, now."""
        self._require_open()
        data = bytes(b)
        if self.bench.real:
            self.bench.advance_to((monotonic_ns() - self._powered_ns) // 1000)
        self._require_plugged()
        self.bench.receive(data)
        return len(data)

    def _keep_pace(self, until_us: int) -> None:
        wait_s = (self._powered_ns - monotonic_ns()) / 1e9 + until_us / 1e6
        if wait_s > 0:
            sleep(wait_s)

    def _require_open(self) -> None:
        if not self.is_open:
            raise PortNotOpenError

    def _require_plugged(self) -> None:
        if self.bench.is_unplugged:
            raise SerialException("the scenario of faults has pulled the plug")

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read without time passing."""
        self._require_open()
        self._received += self.bench.take()
        return len(self._received)

    def reset_input_buffer(self) -> None:
        """Throw away what was not read."""
        self._received.clear()

    def reset_output_buffer(self) -> None:
        """Nothing waits on the way to the implant."""

    def flush(self) -> None:
        """Nothing waits on the way to the implant."""

    def _reconfigure_port(self, force_update: bool = False) -> None:
        """A simulated implant has no baud rate."""
