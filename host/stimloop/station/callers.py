"""Who asks a station: sockets that are looked at between two steps, and never waited for."""

from __future__ import annotations

import contextlib
import pwd
import select
import socket
import struct
from collections import deque
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from pydantic import ValidationError

from stimloop.station import directory as places
from stimloop.station.errors import StationError
from stimloop.station.requests import (
    LONGEST_LINE,
    STOP,
    Attend,
    Refused,
    Reply,
    Request,
    Stop,
    read_request,
    reply_line,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_READ = 1 << 16
_MOST = 16
"""Callers at a time, and STOPs; a seventeenth caller is turned away."""
_QUEUE = 1000
"""Requests of one caller that wait, at most."""
UNREAD = -1
"""Number of the reply to what could not be read."""
_CREDENTIALS = struct.Struct("3i")
_EXTRA = socket.CMSG_SPACE(_CREDENTIALS.size)


@dataclass(frozen=True, slots=True)
class StopAsked:
    """A STOP that waits to be answered.

    Attributes
    ----------
    stop : Stop
    who : str
        User and process, as the kernel tells them.
    sender : str or bytes
        Address that the reply goes to; empty for nobody's.
    """

    stop: Stop
    who: str
    sender: str | bytes


class Caller:
    """One connection.

    Attributes
    ----------
    who : str
        User and process as the kernel tells them, and the name that was given.
    lines : deque of bytes
        What was asked and not yet looked at.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.connection = connection
        told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        self._process = _named(told)
        self._name = ""
        self.lines: deque[bytes] = deque()
        self._in = bytearray()
        self._out = bytearray()

    @property
    def who(self) -> str:
        """For the audit log."""
        return f"{self._process}{f', {self._name}' * bool(self._name)}"

    def hear(self) -> None:
        """Take in what has come, a bufferful at most.

        Raises
        ------
        OSError
            If the caller has gone, or says too much.
        """
        with contextlib.suppress(BlockingIOError):
            data = self.connection.recv(_READ)
            if not data:
                raise ConnectionResetError
            *lines, rest = bytes(self._in + data).split(b"\n")
            self._in = bytearray(rest)
            self.lines.extend(lines)
        if len(self._in) > LONGEST_LINE or len(self.lines) > _QUEUE:
            raise ConnectionAbortedError

    def attend(self, request: Attend) -> None:
        """Take the name that was given."""
        self._name = request.who[:80]

    def tell(self, line: bytes) -> None:
        """Send what fits; the rest goes when the caller takes it.

        Raises
        ------
        OSError
            If the caller has gone, or takes nothing.
        """
        self._out += line
        if len(self._out) > 4 * LONGEST_LINE:
            raise ConnectionAbortedError
        self.flush()

    def flush(self) -> None:
        """Send more of it.

        Raises
        ------
        OSError
            If the caller has gone.
        """
        with contextlib.suppress(BlockingIOError):
            while self._out:
                del self._out[: self.connection.send(self._out)]


class Callers:
    """All connections, and the socket of STOP.

    Parameters
    ----------
    directory : Path
        A run directory that is locked.

    Attributes
    ----------
    heard_s : float
        When anybody said something, on the monotonic clock, s.
    """

    def __init__(self, directory: Path) -> None:
        self._listener = _bound(directory, places.ASK, socket.SOCK_STREAM)
        self._listener.listen(_MOST)
        self._stop = _bound(directory, places.STOP, socket.SOCK_DGRAM)
        self._stop.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._stop_waits = select.poll()
        self._stop_waits.register(self._stop, select.POLLIN)
        self._any = select.poll()
        for own in (self._listener, self._stop):
            self._any.register(own, select.POLLIN)
        self._callers: dict[int, Caller] = {}
        self.heard_s = monotonic()

    @property
    def stop_waits(self) -> bool:
        """Whether somebody has asked to stop; looked at before every read of the device."""
        return bool(self._stop_waits.poll(0))

    def wait(self, seconds: float) -> None:
        """Sleep until anybody says something, for so long at most."""
        if not any(caller.lines for caller in self._callers.values()):
            self._any.poll(1000 * seconds)

    def stops(self) -> list[StopAsked]:
        """Every STOP that waits; what cannot be read as one is one all the same."""
        found: list[StopAsked] = []
        # So many at most: who sends them without end must not keep the first from the device.
        while self.stop_waits and len(found) < _MOST:
            data, extra, _, sender = self._stop.recvmsg(256, _EXTRA)
            told = [d for _, kind, d in extra if kind == socket.SCM_CREDENTIALS]
            who = _named(told[0]) if told else "somebody"
            try:
                stop = STOP.validate_json(data)
            except ValidationError:
                stop = Stop()
            found.append(StopAsked(stop, who, sender or ""))
        return found

    def answer_stop(self, asked: StopAsked, reply: Reply) -> None:
        """Reply to a STOP, to whoever still listens."""
        if asked.sender:
            with contextlib.suppress(OSError):
                self._stop.sendto(reply_line(0, reply), asked.sender)

    def next(self) -> tuple[Caller, int, Request] | None:
        """One request that waits, of each caller in turn; what is none is refused here.

        One between two steps: a caller with a thousand of them delays no step by more.
        """
        for descriptor, _ in self._any.poll(0):
            if descriptor == self._listener.fileno():
                self._accept()
            elif descriptor in self._callers:
                self._try(self._callers[descriptor], Caller.hear)
        for descriptor, caller in list(self._callers.items()):
            self._try(caller, Caller.flush)
            if not caller.lines or descriptor not in self._callers:
                continue
            line = caller.lines.popleft()
            self.heard_s = monotonic()
            # Whoever was served goes to the end.
            self._callers[descriptor] = self._callers.pop(descriptor)
            try:
                number, request = read_request(line)
            except StationError as problem:
                self.tell(caller, UNREAD, Refused(str(problem)))
                continue
            if isinstance(request, Attend):
                caller.attend(request)
            return caller, number, request
        return None

    def tell(self, caller: Caller, number: int, reply: Reply) -> None:
        """Reply; a caller that has gone or takes nothing is let go."""
        self._try(caller, lambda one: one.tell(reply_line(number, reply)))

    def close(self) -> None:
        """Let everybody go."""
        for caller in list(self._callers.values()):
            self._let_go(caller)
        self._listener.close()
        self._stop.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            if len(self._callers) >= _MOST:
                connection.close()
                return
            self._callers[connection.fileno()] = Caller(connection)
            self._any.register(connection, select.POLLIN)

    def _try(self, caller: Caller, what: Callable[[Caller], None]) -> None:
        try:
            what(caller)
        except OSError:
            self._let_go(caller)

    def _let_go(self, caller: Caller) -> None:
        if self._callers.pop(caller.connection.fileno(), None) is not None:
            self._any.unregister(caller.connection)
            caller.connection.close()


def _bound(directory: Path, name: str, kind: socket.SocketKind) -> socket.socket:
    (directory / name).unlink(missing_ok=True)  # of a station that was killed: it is locked
    bound = socket.socket(socket.AF_UNIX, kind)
    bound.setblocking(False)
    with places.Socket(directory, name) as address:
        bound.bind(address)
    return bound


def _named(credentials: bytes) -> str:
    """User and process, as the kernel tells them."""
    process, user, _ = _CREDENTIALS.unpack(credentials)
    try:
        name = pwd.getpwuid(user).pw_name
    except KeyError:
        name = f"user {user}"
    return f"{name}, process {process}"
