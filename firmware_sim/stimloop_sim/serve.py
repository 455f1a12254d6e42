"""A simulated implant in real time for other programs: on a kernel tty, or over TCP."""

from __future__ import annotations

import argparse
import os
import select
import socket
import tty
from pathlib import Path
from time import monotonic_ns
from typing import TYPE_CHECKING, NoReturn, Protocol

if TYPE_CHECKING:
    from types import FrameType

    from stimloop_sim.bench import Bench

SLIP_US = 40_000
"""A process that was stalled for longer lets its clock slip, rather than run through the missed
time in a burst that no host could answer in time; an implant has no such stalls."""


class Channel(Protocol):
    """Where bytes go in and out."""

    def fileno(self) -> int:
        """What to wait on."""

    def read(self) -> bytes:
        """Bytes that are there; none if the peer is gone."""

    def write(self, data: bytes) -> int:
        """Write what fits; how many bytes that was."""

    def unplug(self) -> None:
        """Let the client's end go dead."""

    def plug(self) -> None:
        """Be there again."""


class Tty:
    """A kernel tty; clients open `path`, come and go.

    Parameters
    ----------
    link : Path, optional
        A stable name for it, replaced if it is an old link.

    Raises
    ------
    OSError
        If the link cannot be made, or something else stands there.
    """

    def __init__(self, link: Path | None = None) -> None:
        self._link = link
        self._plugged = False
        self.plug()

    def plug(self) -> None:
        """Be there: under a new name, as a replugged port may be; the link leads to it."""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)  # before anyone opens it, or it would echo
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self._plugged = True
        link = self._link
        if link is not None:
            if link.is_symlink():
                link.unlink()
            link.symlink_to(self.path)

    def fileno(self) -> int:
        """The master's descriptor."""
        return self._master

    def read(self) -> bytes:
        """Bytes that are there."""
        return os.read(self._master, 4096)

    def write(self, data: bytes) -> int:
        """Write what the kernel takes; nothing where nobody reads."""
        try:
            return os.write(self._master, data)
        except BlockingIOError:
            return 0

    def unplug(self) -> None:
        """Vanish: a client's reads fail, as with a cable that is pulled."""
        self.close()

    def close(self) -> None:
        """Let the tty go."""
        if not self._plugged:
            return
        self._plugged = False
        link = self._link
        if link is not None and link.is_symlink() and str(link.readlink()) == self.path:
            link.unlink()
        os.close(self._master)
        os.close(self._slave)


class TcpPort:
    """One TCP client at a time; a second one waits until the first has left.

    Parameters
    ----------
    host : str
    port : int
        0 lets the system choose.

    Raises
    ------
    OSError
        If the address cannot be bound.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = socket.create_server((host, port))
        self._address: tuple[str, int] = self._server.getsockname()[:2]
        self._client: socket.socket | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return self._address

    def fileno(self) -> int:
        """The client's descriptor, or the listener's while there is none."""
        return (self._client or self._server).fileno()

    def read(self) -> bytes:
        """Bytes of the client; a client that connects or leaves gives none."""
        if self._client is None:
            self._client = self._server.accept()[0]
            self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._client.setblocking(False)
            return b""
        try:
            data = self._client.recv(4096)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._drop_client()
        return data

    def write(self, data: bytes) -> int:
        """Write what the client takes."""
        if self._client is None:
            return len(data)
        try:
            return self._client.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self._drop_client()
            return len(data)

    def _drop_client(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def unplug(self) -> None:
        """Drop the client and refuse others."""
        self.close()

    def plug(self) -> None:
        """Listen again, at the same address."""
        self._server = socket.create_server(self._address)

    def close(self) -> None:
        """Stop listening."""
        self._drop_client()
        self._server.close()


def add_channel_arguments(parser: argparse.ArgumentParser) -> None:
    """Where a program in real time is reached."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--pty", action="store_true", help="on a kernel tty (default)")
    where.add_argument(
        "--tcp", type=_address, metavar="HOST:PORT", help="over TCP, for socket://HOST:PORT"
    )
    parser.add_argument("--link", type=Path, metavar="PATH", help="stable name for the tty")


def open_channel(
    parser: argparse.ArgumentParser, options: argparse.Namespace
) -> tuple[Tty | TcpPort, str]:
    """Open what these arguments ask for; the channel, and the name that a client opens."""
    if options.tcp is None:
        tty_ = Tty(options.link)
        return tty_, tty_.path
    if options.link is not None:
        parser.error("--link names a tty; leave it out with --tcp")
    port = TcpPort(*options.tcp)
    return port, "socket://{}:{}".format(*port.address)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT, like 127.0.0.1:4000")
    return host, int(port)


def leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Take SIGTERM for Ctrl-C."""
    raise KeyboardInterrupt


def serve(bench: Bench, channel: Channel) -> NoReturn:
    """Run the implant in real time until interrupted.

    Parameters
    ----------
    bench : Bench
    channel : Channel
    """
    origin_ns = monotonic_ns() - bench.now_us * 1000
    unsent = b""
    plugged = True
    while True:
        due_us = bench.due_us
        wait_us = due_us - (monotonic_ns() - origin_ns) // 1000
        if wait_us < -SLIP_US:
            origin_ns -= wait_us * 1000
            wait_us = 0
        readable, _, _ = select.select(
            [channel] if plugged else [], [], [], max(wait_us, 0) / 1e6
        )
        elapsed_us = (monotonic_ns() - origin_ns) // 1000
        if readable:
            data = channel.read()
            bench.advance_to(min(elapsed_us, due_us))
            bench.receive(data)
        elif elapsed_us >= due_us:
            bench.advance_to(due_us)
        if bench.is_unplugged is plugged:
            plugged = not plugged
            unsent = b""
            (channel.plug if plugged else channel.unplug)()
        while plugged and (unsent or (unsent := bench.take_frame())):
            written = channel.write(unsent)
            unsent = unsent[written:]
            if unsent:
                break
