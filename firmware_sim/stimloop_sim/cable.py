"""A port in memory: the host's end of a bench's line, where reading is what makes time pass.

A read that finds too few bytes lets the virtual clock run until they are there or the timeout
has passed in virtual time. A bench that keeps pace with the wall's clock waits for it.
"""

from __future__ import annotations

from time import monotonic_ns, perf_counter_ns, sleep
from typing import Generic, Protocol, TypeVar

from serial import SerialException

from stimloop_hw.ports import POLL_MS


class Device(Protocol):
    """What ports and servers need of a simulated device: a `Bench` or a `Stand`."""

    real: bool
    """Whether its clock should keep pace with the wall's."""

    @property
    def model(self) -> str:
        """As it calls itself."""

    @property
    def now_us(self) -> int:
        """Its bench's time, µs."""

    @property
    def due_us(self) -> int:
        """When something has to be done next, µs."""

    @property
    def block_us(self) -> int:
        """How far time goes at once while a host waits, µs."""

    @property
    def is_unplugged(self) -> bool:
        """Whether the scenario of faults has pulled the plug."""

    def advance_block(self) -> None:
        """Let so much time pass."""

    def advance_to(self, now_us: int) -> None:
        """Let time pass, up to this time."""

    def receive(self, data: bytes) -> None:
        """Take bytes from the host, now."""

    def take(self) -> bytes:
        """Give the host all bytes that have come out by now."""

    def take_frame(self) -> bytes:
        """Give the host what is most urgent."""


_Device = TypeVar("_Device", bound=Device)


class Cable(Generic[_Device]):
    """What a `stimloop_hw.Link` needs of a port.

    Parameters
    ----------
    bench : Device

    Attributes
    ----------
    bench : Device
        The device behind the port.
    """

    def __init__(self, bench: _Device) -> None:
        self.bench = bench
        self._received = bytearray()
        self._powered_ns = monotonic_ns()

    def clock_ns(self) -> int:
        """The bench's time, or the host's where the bench keeps pace with it, ns."""
        return perf_counter_ns() if self.bench.real else 1_000 * self.bench.now_us

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read without time passing."""
        self._received += self.bench.take()
        return len(self._received)

    def read(self, size: int, /, timeout_s: float | None = POLL_MS / 1000) -> bytes:
        """Read up to `size` bytes, letting virtual time pass until they are there.

        Raises
        ------
        SerialException
            If the scenario of faults has pulled the plug.
        """
        bench, received = self.bench, self._received
        until_us = None if timeout_s is None else bench.now_us + round(timeout_s * 1e6)
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

    def write(self, data: bytes, /) -> int:
        """Hand bytes to the implant, now.

        Raises
        ------
        SerialException
            If the scenario of faults has pulled the plug.
        """
        if self.bench.real:
            self.bench.advance_to((monotonic_ns() - self._powered_ns) // 1000)
        self._require_plugged()
        self.bench.receive(data)
        return len(data)

    def discard(self) -> None:
        """Throw away what was not read."""
        self._received.clear()

    def close(self) -> None:
        """Nothing to release: the implant goes on for as long as somebody holds its bench."""

    def _keep_pace(self, until_us: int) -> None:
        wait_s = (self._powered_ns - monotonic_ns()) / 1e9 + until_us / 1e6
        if wait_s > 0:
            sleep(wait_s)

    def _require_plugged(self) -> None:
        if self.bench.is_unplugged:
            raise SerialException("the scenario of faults has pulled the plug")
