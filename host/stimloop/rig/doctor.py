"""What a machine lacks for a closed loop on it, each with its remedy.

Nothing is changed, but for the latency timer of FTDI adapters where that was asked for.
"""

from __future__ import annotations

import ctypes
import os
import resource
from dataclasses import dataclass
from enum import StrEnum, unique
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from serial.tools import list_ports

from stimloop_hw.errors import LinkError
from stimloop_hw.keys import DEVELOPMENT_KEY
from stimloop_hw.link import Link
from stimloop_hw.vocabulary import Role

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path("/")
LATENCY_MS = 1
"""The shortest that an FTDI chip has; 16 ms if nobody sets it (FTDI, AN232B-04)."""
PRIORITY = 50
QT_LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
}
"""What Qt 6 loads, and Debian's package with it."""


@unique
class State(StrEnum):
    """How something is."""

    GOOD = "good"
    CONCERN = "concern"  # it works, and less well than it could
    BAD = "bad"  # it does not work


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    what : str
    state : State
    said : str
        How it is.
    remedy : str
        What to do; empty where nothing has to be done.
    """

    what: str
    state: State
    said: str
    remedy: str = ""


def examine(device: str | None = None, *, fix: bool = False) -> list[Finding]:
    """Look at everything.

    Parameters
    ----------
    device : str, optional
        A device's URL, which has to answer.
    fix : bool
        Whether to set the latency timers of FTDI adapters.

    Returns
    -------
    list of Finding
    """
    return [
        answers("sim://dbs"),
        *([] if device is None else [answers(device)]),
        *ports(port.device for port in list_ports.comports()),
        *latency_timers(fix=fix),
        *grabbers(),
        *qt(),
        priority(),
        memory_lock(),
        *processor(),
    ]


def answers(url: str, key: bytes = DEVELOPMENT_KEY) -> Finding:
    """Whether a device greets an observer."""
    try:
        with Link.open(url, key=key) as link:
            model = link.hello(Role.OBSERVER).model.rstrip(b"\0").decode("ascii", "replace")
    except LinkError as problem:
        said, _, remedy = str(problem).rpartition("; ")
        return Finding(url, State.BAD, said or remedy, remedy if said else "")
    return Finding(url, State.GOOD, f"answers as {model}")


def ports(names: Iterable[str]) -> Iterator[Finding]:
    """Whether serial ports may be opened."""
    found = False
    for name in names:
        found = True
        if os.access(name, os.R_OK | os.W_OK):
            yield Finding(name, State.GOOD, "may be read and written")
        else:
            yield Finding(
                name,
                State.BAD,
                "may not be opened by this user",
                "sudo usermod -aG dialout $USER and log in again, or a udev rule such as "
                'SUBSYSTEM=="tty", ATTRS{idVendor}=="2341", TAG+="uaccess" with its vendor',
            )
    if not found:
        yield Finding(
            "serial ports",
            State.CONCERN,
            "there is none",
            "plug a device in; in a container or virtual machine hand its USB port through",
        )


def latency_timers(root: Path = ROOT, *, fix: bool = False) -> Iterator[Finding]:
    """How long FTDI adapters keep a few bytes back."""
    for path in sorted(root.glob("sys/bus/usb-serial/devices/*/latency_timer")):
        name = f"/dev/{path.parent.name}"
        before_ms = int(path.read_text("ascii"))
        if before_ms > LATENCY_MS and fix and os.access(path, os.W_OK):
            path.write_text(f"{LATENCY_MS}\n", "ascii")
            yield Finding(name, State.GOOD, f"latency timer was {before_ms} ms, is 1 ms now")
        elif before_ms > LATENCY_MS:
            yield Finding(
                name,
                State.CONCERN,
                f"latency timer {before_ms} ms: bytes wait so long in the adapter",
                f"echo {LATENCY_MS} | sudo tee {path}, or stimloop doctor --fix as root",
            )
        else:
            yield Finding(name, State.GOOD, f"latency timer {before_ms} ms")


def grabbers(root: Path = ROOT) -> Iterator[Finding]:
    """Programs that open every new serial port."""
    for path in root.glob("proc/[0-9]*/comm"):
        try:
            name = path.read_text("utf-8").strip()
        except OSError:
            continue  # it has ended meanwhile
        if name == "ModemManager":
            yield Finding(
                name,
                State.CONCERN,
                "runs, and writes to each new port to see whether it is a modem",
                'a udev rule with ENV{ID_MM_DEVICE_IGNORE}="1" for the device, or '
                "sudo systemctl stop ModemManager",
            )


def qt(libraries: Iterable[str] = tuple(QT_LIBRARIES)) -> Iterator[Finding]:
    """What the programmer's window needs."""
    if find_spec("PySide6") is None:
        yield Finding(
            "PySide6",
            State.CONCERN,
            "is not installed",
            "pip install 'stimloop[app]', for the window",
        )
    else:
        yield Finding("PySide6", State.GOOD, "is installed")
    missing = [name for name in libraries if not _loads(name)]
    if missing:
        packages = " ".join(QT_LIBRARIES.get(name, name) for name in missing)
        yield Finding(
            "Qt's libraries",
            State.CONCERN,
            f"missing: {', '.join(missing)}",
            f"sudo apt-get install {packages}, for the window",
        )
    else:
        yield Finding("Qt's libraries", State.GOOD, "are all there")


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def priority() -> Finding:
    """Whether a session may run ahead of everything else."""
    policy, given = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except PermissionError:
        return Finding(
            "real-time priority",
            State.CONCERN,
            f"SCHED_FIFO {PRIORITY} is not allowed: a busy machine delays orders",
            "write '@realtime - rtprio 99' and '@realtime - memlock unlimited' into "
            "/etc/security/limits.d/stimloop.conf, join that group and log in again",
        )
    os.sched_setscheduler(0, policy, given)
    return Finding("real-time priority", State.GOOD, f"SCHED_FIFO {PRIORITY} is allowed")


def memory_lock() -> Finding:
    """Whether a session may keep its memory from being paged out."""
    most = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    if most == resource.RLIM_INFINITY or os.geteuid() == 0:
        return Finding("locked memory", State.GOOD, "without a limit")
    return Finding(
        "locked memory",
        State.CONCERN,
        f"at most {most // 1024} KiB: pages may be swapped out in a session",
        "write '@realtime - memlock unlimited' into /etc/security/limits.d/stimloop.conf",
    )


def processor(root: Path = ROOT) -> Iterator[Finding]:
    """Whether the processor saves power between two samples."""
    path = root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    if not path.exists():
        return
    governor = path.read_text("ascii").strip()
    if governor == "performance":
        yield Finding("processor", State.GOOD, "runs at full speed")
    else:
        yield Finding(
            "processor",
            State.CONCERN,
            f"governor {governor}: it slows down between two samples",
            "sudo cpupower frequency-set -g performance",
        )
