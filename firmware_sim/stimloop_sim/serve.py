"""Simulated devices in real time for other programs: on a kernel tty, or over TCP."""

from __future__ import annotations

import argparse
import os
import select
import socket
import tty
from pathlib import Path
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

if TYPE_CHECKING:
    from types import FrameType

    from stimloop_sim.cable import Device
    from stimloop_sim.witness_port import WitnessPort

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
    """Where a program in real time is reached; once for each device that it serves."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--pty", action="store_true", help="on a kernel tty (default)")
    where.add_argument(
        "--tcp",
        type=address,
        action="append",
        default=[],
        metavar="HOST:PORT",
        help="over TCP, for socket://HOST:PORT; for each device one",
    )
    parser.add_argument(
        "--link",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="stable name for the tty; for each device one",
    )


def open_channels(
    parser: argparse.ArgumentParser, options: argparse.Namespace, count: int = 1
) -> list[tuple[Tty | TcpPort, str]]:
    """Open what these arguments ask for: channels, and the names that clients open."""
    if options.tcp and options.link:
        parser.error("--link names a tty; leave it out with --tcp")
    asked: list[Any] = options.tcp or options.link or [None] * count
    if len(asked) != count:
        parser.error(
            f"--tcp or --link was given {len(asked)} times for {count} devices; give it once "
            "for each, in their order"
        )
    channels: list[tuple[Tty | TcpPort, str]] = []
    for where in asked:
        if options.tcp:
            port = TcpPort(*where)
            channels.append((port, "socket://{}:{}".format(*port.address)))
        else:
            tty_ = Tty(where)
            channels.append((tty_, tty_.path))
    return channels


def address(text: str) -> tuple[str, int]:
    """HOST:PORT of a command line."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT, like 127.0.0.1:4000")
    return host, int(port)


def leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Take SIGTERM for Ctrl-C."""
    raise KeyboardInterrupt


class Line:
    """A device and the channel on which it is served.

    Parameters
    ----------
    device : Device
    channel : Channel
    """

    def __init__(self, device: Device, channel: Channel) -> None:
        self.device = device
        self.channel = channel
        self.plugged = True
        self._unsent = b""

    def hand_over(self) -> None:
        """Let the client have what the device says, as far as it takes it."""
        if self.device.is_unplugged is self.plugged:
            self.plugged = not self.plugged
            self._unsent = b""
            (self.channel.plug if self.plugged else self.channel.unplug)()
        while self.plugged and (self._unsent or (frame := self.device.take_frame())):
            self._unsent = self._unsent or frame
            written = self.channel.write(self._unsent)
            self._unsent = self._unsent[written:]
            if self._unsent:
                break


def serve(*lines: Line, witness: WitnessPort | None = None) -> NoReturn:
    """Run devices in real time until interrupted.

    Parameters
    ----------
    *lines : Line
        One, or several whose instruments stand in baths.
    witness : WitnessPort, optional
        Tells what left an output stage.
    """
    witnesses: list[WitnessPort] = [] if witness is None else [witness]
    origin_ns = monotonic_ns() - lines[0].device.now_us * 1000
    while True:
        due_us = min(line.device.due_us for line in lines)
        wait_us = due_us - (monotonic_ns() - origin_ns) // 1000
        if wait_us < -SLIP_US:
            origin_ns -= wait_us * 1000
            wait_us = 0
        watched: list[Channel | WitnessPort] = [*witnesses]
        watched += [line.channel for line in lines if line.plugged]
        readable, _, _ = select.select(watched, [], [], max(wait_us, 0) / 1e6)
        elapsed_us = (monotonic_ns() - origin_ns) // 1000
        for line in lines:
            if line.channel in readable:
                data = line.channel.read()
                line.device.advance_to(min(elapsed_us, due_us))
                line.device.receive(data)
            elif not readable and elapsed_us >= due_us:
                line.device.advance_to(due_us)
        for line in lines:
            line.hand_over()
        for seen in witnesses:
            seen.tell(meet=seen in readable)
