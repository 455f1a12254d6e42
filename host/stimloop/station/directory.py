"""A station's run directory: private, one station in each, found again by its name."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from stimloop.station.errors import StationError

if TYPE_CHECKING:
    from collections.abc import Mapping

ASK: Final = "ask"
"""Stream socket of requests."""
STOP: Final = "stop"
"""Datagram socket of STOP."""
BOARD: Final = "board"
LOG: Final = "log"
"""What the station's process says to nobody in particular."""
_LOCK: Final = "lock"
_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # made private below, and looked at


def run_directory(name: str = "station", environment: Mapping[str, str] = os.environ) -> Path:
    """Where a station of this name lives on this machine, for this user.

    In ``$XDG_RUNTIME_DIR/stimloop``; without one in memory that is shared all the same, since a
    write to a disk could make the loop wait.

    Parameters
    ----------
    name : str
    environment : mapping of str to str
    """
    runtime = environment.get("XDG_RUNTIME_DIR")
    place = Path(runtime, "stimloop") if runtime else _MEMORY / f"stimloop-{os.getuid()}"
    return place / name


def prepare(directory: Path) -> None:
    """Make a run directory that nobody else can read or write, or see that it is one.

    Raises
    ------
    StationError
        If it cannot be made, or is open to others.
    """
    try:
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        for place in (directory, directory.parent) if _is_ours(directory) else (directory,):
            _check(place)
    except OSError as problem:
        raise StationError(
            f"{directory} cannot be a run directory ({problem.strerror}); name another one"
        ) from problem


def _is_ours(directory: Path) -> bool:
    """Whether the parent is of this package's making, too, and must be private."""
    return directory.parent.name.startswith("stimloop")


def _check(place: Path) -> None:
    found = place.lstat()
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    if found.st_uid != os.getuid() or not private:
        raise StationError(
            f"{place} is open to others (mode {stat.S_IMODE(found.st_mode):03o}, owner "
            f"{found.st_uid}); a station needs one of its own: chmod 700, or name another"
        )


def lock(directory: Path) -> int:
    """Take the directory for this process; it is given back when the process ends, however.

    Returns
    -------
    int
        Descriptor that holds it.

    Raises
    ------
    StationError
        If another station is there.
    """
    descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StationError(
            f"a station runs in {directory} already; attach to it, or name another directory"
        ) from None
    return descriptor


class Socket:
    """Path of a socket in a directory, however long: a Unix address has 108 bytes at most.

    Parameters
    ----------
    directory : Path
    name : str
    """

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._name = name

    def __enter__(self) -> str:
        self._descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        return f"/proc/self/fd/{self._descriptor}/{self._name}"

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
