"""`Station`: how an app or a script asks a station, and looks at what it shows."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections import deque
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Self

from stimloop.station import directory as places
from stimloop.station.errors import StationError
from stimloop.station.requests import (
    STOP,
    Attend,
    Refused,
    Reply,
    Request,
    Snapshot,
    Stop,
    read_reply,
    request_line,
)
from stimloop.station.ring import RINGS, BoardReader, RingReader, Rows
from stimloop_hw.vocabulary import StopMode

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

ATTEND_S = 1.0
"""`Station.poll` says so often that somebody is still there."""
STOP_S = 2.0
"""So long a STOP waits for its acknowledgement."""
_LAUNCH_S = 20.0


class Station:
    """One client of a station.

    Parameters
    ----------
    directory : Path or str
        The station's run directory.
    who : str
        For the audit log.

    Attributes
    ----------
    directory : Path
    process : subprocess.Popen or None
        The station, if this client has launched it; it outlives the client.

    Raises
    ------
    StationError
        If no station is there.
    """

    def __init__(self, directory: Path | str, who: str = "") -> None:
        self.directory = Path(directory)
        self.process: subprocess.Popen[bytes] | None = None
        self._who = who
        self._number = 0
        self._in = b""
        self._waiting: dict[int, Callable[[Reply], None]] = {}
        self._attended_s = monotonic()
        self._outbox: deque[bytes] = deque()
        with contextlib.ExitStack() as opened:
            self._socket = opened.enter_context(
                _connected(self.directory, places.ASK, socket.SOCK_STREAM)
            )
            self._stop = opened.enter_context(
                _connected(self.directory, places.STOP, socket.SOCK_DGRAM)
            )
            self._rings = {name: RingReader(self.directory / name) for name in RINGS}
            self._board = BoardReader(self.directory / places.BOARD)
            self.send(Attend(who))
            opened.pop_all()

    @classmethod
    def attach(cls, directory: Path | str, who: str = "") -> Self:
        """Attach to a station that runs: whatever it is doing goes on."""
        return cls(directory, who)

    @classmethod
    def launch(
        cls,
        directory: Path | str,
        *,
        records: Path | str,
        who: str = "",
        unattended_s: float | None = None,
    ) -> Self:
        """Start a station in a process of its own, which outlives this one, and attach.

        Parameters
        ----------
        directory : Path or str
            Its run directory, see `stimloop.station.directory.run_directory`.
        records : Path or str
            Below it sessions are recorded; the audit log is there, too.
        who : str
            For the audit log.
        unattended_s : float, optional
            A session is ended by its ramp so long after the last client was heard, s. If not
            given, it goes on.

        Raises
        ------
        StationError
            With what the process said, if it did not come up.
        """
        directory = Path(directory)
        places.prepare(directory)
        command = [sys.executable, "-m", "stimloop.station"]
        command += ["--directory", str(directory), "--records", str(records)]
        if unattended_s is not None:
            command += ["--unattended-s", f"{unattended_s:g}"]
        with (directory / places.LOG).open("wb") as log:
            process = subprocess.Popen(  # noqa: S603  # our own program
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=Path.cwd(),
            )
        until_s = monotonic() + _LAUNCH_S
        while process.poll() is None and monotonic() < until_s:
            with contextlib.suppress(StationError):
                station = cls(directory, who)
                station.process = process
                return station
            sleep(0.02)
        said = (directory / places.LOG).read_text("utf-8", "replace").strip()
        raise StationError(f"the station did not come up: {said or 'it said nothing'}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Detach; the station goes on."""
        self._socket.close()
        self._stop.close()

    # Asking --------------------------------------------------------------------------------

    def ask(self, request: Request, timeout_s: float = 10.0) -> Reply:
        """Ask, and wait for the reply; a refusal is a reply, `Refused`.

        Raises
        ------
        StationError
            If the station is gone, or says nothing for `timeout_s`.
        """
        replies: list[Reply] = []
        self.send(request, replies.append)
        until_s = monotonic() + timeout_s
        while not replies:
            left_s = until_s - monotonic()
            if left_s <= 0:
                raise StationError(
                    f"the station said nothing for {timeout_s:g} s; look at the device, press "
                    "STOP if it stimulates, and attach again"
                )
            self._receive(left_s)
        return replies[0]

    def send(self, request: Request, on_reply: Callable[[Reply], None] | None = None) -> None:
        """Ask without waiting: `poll` calls `on_reply` when the reply is there.

        Raises
        ------
        StationError
            If the station is gone.
        """
        self._number += 1
        if on_reply is not None:
            self._waiting[self._number] = on_reply
        self._outbox.append(request_line(self._number, request))
        self._flush()

    def poll(self) -> None:
        """Take the replies that have come; for a GUI's timer, at least once per `ATTEND_S`.

        Raises
        ------
        StationError
            If the station is gone.
        """
        if monotonic() - self._attended_s >= ATTEND_S:
            self._attended_s = monotonic()
            self.send(Attend(self._who))
        self._flush()
        self._receive(0.0)

    def stop(self, mode: StopMode = StopMode.GROUND) -> Reply:
        """STOP: goes by a socket of its own, past everything that was asked before.

        Returns
        -------
        Reply
            `Done` with the device's acknowledgement, or `Refused` with what to do.
        """
        with contextlib.suppress(BlockingIOError):
            while True:
                self._stop.recv(4096)  # what was acknowledged too late
        try:
            self._stop.send(STOP.dump_json(Stop(mode)))
        except BlockingIOError:
            pass  # full of STOPs: one of them is enough
        except OSError:
            return Refused(_NOT_REACHED)
        self._stop.settimeout(STOP_S)
        try:
            return read_reply(self._stop.recv(4096))[1]
        except OSError:
            return Refused(_NOT_ACKNOWLEDGED)
        finally:
            self._stop.settimeout(0.0)

    # Looking -------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """What the station shows now, 30 times a second at most."""
        return self._board.look()

    def samples(self, at_most: int | None = None) -> Rows:
        """Samples since this was last asked, `stimloop.station.ring.SAMPLES`."""
        return self._rings["samples"].new(at_most)

    def steps(self, at_most: int | None = None) -> Rows:
        """Ticks since this was last asked, `stimloop.station.ring.STEPS`."""
        return self._rings["steps"].new(at_most)

    def events(self, at_most: int | None = None) -> Rows:
        """Events since this was last asked, `stimloop.station.ring.EVENTS`."""
        return self._rings["events"].new(at_most)

    def sweeps(self, at_most: int | None = None) -> Rows:
        """Sweeps since this was last asked, `stimloop.station.ring.SWEEPS`."""
        return self._rings["sweeps"].new(at_most)

    # Inside --------------------------------------------------------------------------------

    def _flush(self) -> None:
        try:
            while self._outbox:
                sent = self._socket.send(self._outbox[0])
                self._outbox[0] = self._outbox[0][sent:]
                if not self._outbox[0]:
                    self._outbox.popleft()
        except BlockingIOError:
            return
        except OSError as problem:
            raise StationError(_GONE) from problem

    def _receive(self, timeout_s: float) -> None:
        self._flush()
        self._socket.settimeout(timeout_s)
        try:
            data = self._socket.recv(1 << 16)
        except (BlockingIOError, TimeoutError):
            return
        except OSError as problem:
            raise StationError(_GONE) from problem
        finally:
            self._socket.settimeout(0.0)
        if not data:
            raise StationError(_GONE)
        *lines, self._in = (self._in + data).split(b"\n")
        for line in lines:
            number, reply = read_reply(line)
            on_reply = self._waiting.pop(number, None)
            if on_reply is not None:
                on_reply(reply)


def _connected(directory: Path, name: str, kind: socket.SocketKind) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, kind)
    try:
        if kind is socket.SOCK_DGRAM:
            made.bind("")  # an address of the kernel's choice, for the reply
        with places.Socket(directory, name) as address:
            made.connect(address)
    except OSError as problem:
        made.close()
        raise StationError(
            f"no station answers in {directory} ({problem.strerror}); start one, with "
            "python -m stimloop.station, or name its run directory"
        ) from problem
    made.setblocking(False)
    return made


_GONE = (
    "the station is gone; its device ends a therapy by the lease. Look at the device, then "
    "start the station again"
)
_NOT_REACHED = (
    "STOP did not reach the station, which is gone; the device ends a therapy by its lease: "
    "switch the output off at the device and look at it"
)
_NOT_ACKNOWLEDGED = (
    f"STOP was sent and not acknowledged within {STOP_S:g} s; switch the output off at the "
    "device and look at it"
)
