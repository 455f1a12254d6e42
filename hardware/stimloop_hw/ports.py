"""Ports: ``[DRIVER+]URL`` becomes an open serial port."""

from __future__ import annotations

import errno
from time import perf_counter_ns
from typing import TYPE_CHECKING, Protocol

import serial

from stimloop_hw.errors import LinkError

if TYPE_CHECKING:
    from collections.abc import Callable

BAUD = 460_800
DRIVERS = ("sl1", "pulsepal", "stimjim", "cyton")
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


class TimedPort(Port, Protocol):
    """A port whose read timeout can be set, as that of every pyserial port, s."""

    timeout: float | None


def driver_of(url: str) -> tuple[str, str]:
    """Take ``[DRIVER+]URL`` apart: the driver, ``sl1`` if none is named, and the port's URL.

    Raises
    ------
    LinkError
        If the driver is unknown.
    """
    driver, plus, rest = url.partition("+")
    if not plus or "/" in driver or ":" in driver:
        return DRIVERS[0], url
    if driver not in DRIVERS:
        raise LinkError(
            f"driver {driver!r} is unknown; known are {', '.join(DRIVERS)}: "
            f"write {DRIVERS[0]}+{rest} or {rest}"
        )
    return driver, rest


def open_port(
    url: str, driver: str = DRIVERS[0], *, exclusive: bool = True, baud: int = BAUD
) -> TimedPort:
    """Open a port without a word to the device yet.

    Parameters
    ----------
    url : str
        ``[DRIVER+]URL``: a port (``/dev/ttyACM0``) or any pyserial URL (``socket://rig:4000``,
        ``sim://dbs``).
    driver : str
        The driver that asks; a URL may name no other.
    exclusive : bool
        Whether to keep other programs off a tty, and to be kept off; only Stop may push in.
    baud : int
        Bits per second, where the port has a speed.

    Returns
    -------
    TimedPort

    Raises
    ------
    LinkError
        If the driver is unknown or another one, the URL asks for what there is not, or the
        port cannot be opened: says why, and what to do.
    """
    named, rest = driver_of(url)
    if named != driver and rest != url:
        raise LinkError(
            f"{url} names driver {named!r}, and this is for {driver!r} only; leave the driver "
            "out, or name a device of that kind"
        )
    try:
        port = serial.serial_for_url(
            rest,
            do_not_open=True,
            baudrate=baud,
            timeout=POLL_MS / 1000,
            write_timeout=WRITE_TIMEOUT_S,
        )
        if "://" not in rest:
            port.exclusive = exclusive
        port.open()
    except OSError as problem:
        raise LinkError(f"cannot open {rest}: {problem}; {_remedy(problem)}") from problem
    except ValueError as problem:
        raise LinkError(f"cannot open {rest}: {problem}") from problem
    return port


def _remedy(problem: OSError) -> str:
    """What to do about a port that does not open."""
    match problem.errno:
        case errno.EACCES | errno.EPERM:
            return (
                "join the group that owns it (sudo usermod -aG dialout $USER, then log in "
                'again), or write a udev rule such as SUBSYSTEM=="tty", TAG+="uaccess", '
                'ATTRS{idVendor}=="2341", with the vendor that lsusb tells'
            )
        case errno.ENOENT:
            return "check the name (stimloop devices lists the ports) and that the device is on"
        case errno.EBUSY | errno.EAGAIN:
            return "another program holds it: end that one (fuser -v PORT names it)"
        case _:
            return "check the name, that the device is on, and that no other program holds it"


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
