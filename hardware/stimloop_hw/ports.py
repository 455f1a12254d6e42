"""Ports: ``[DRIVER+]URL`` becomes an open serial port."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Protocol

import serial

from stimloop_hw.errors import LinkError

if TYPE_CHECKING:
    from collections.abc import Callable

BAUD = 460_800
DRIVERS = ("sl1", "pulsepal")
POLL_MS = 50
"""Read timeout of a port."""
WRITE_TIMEOUT_S = 0.5


class Port(Protocol):
    """What a link needs of a port; every pyserial port has it."""

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read at once."""

    def read(self, size: int, /) -> bytes:
        """So many bytes, fewer when the port's timeout has passed."""

    def write(self, data: bytes, /) -> int | None:
        """Write all bytes."""

    def close(self) -> None:
        """Release the port."""


def open_port(url: str, *, exclusive: bool = True) -> Port:
    """Open a port without a word to the device yet.

    Parameters
    ----------
    url : str
        ``[DRIVER+]URL``: a port (``/dev/ttyACM0``) or any pyserial URL (``socket://rig:4000``,
        ``sim://dbs``).
    exclusive : bool
        Whether to keep other programs off a tty, and to be kept off; only Stop may push in.

    Returns
    -------
    Port

    Raises
    ------
    LinkError
        If the driver is unknown, the URL asks for what there is not, or the port cannot be
        opened.
    """
    driver, plus, rest = url.partition("+")
    if plus and "/" not in driver and ":" not in driver:
        if driver not in DRIVERS:
            raise LinkError(
                f"driver {driver!r} is unknown; known are {', '.join(DRIVERS)}: "
                f"write sl1+{rest} or {rest}"
            )
        url = rest
    try:
        port = serial.serial_for_url(
            url,
            do_not_open=True,
            baudrate=BAUD,
            timeout=POLL_MS / 1000,
            write_timeout=WRITE_TIMEOUT_S,
        )
        if "://" not in url:
            port.exclusive = exclusive
        port.open()
    except OSError as problem:
        raise LinkError(
            f"cannot open {url}: {problem}; check the name, that the device is on, "
            "and that no other program holds it"
        ) from problem
    except ValueError as problem:
        raise LinkError(f"cannot open {url}: {problem}") from problem
    return port


def clock_of(port: Port) -> Callable[[], int]:
    """The clock that goes on while a port is read, ns.

    Parameters
    ----------
    port : Port

    Returns
    -------
    callable
        The host's monotonic clock, or that of a port in memory, whose time passes only while
        somebody reads.
    """
    clock: Callable[[], int] = getattr(port, "clock_ns", perf_counter_ns)
    return clock
