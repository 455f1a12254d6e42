"""``python -m stimloop_sim.proxy``: a bad line in real time, in front of real hardware.

It reads no byte's meaning. Its clock is monotonic and counts from its start; on an unplug or a
reset the client's connection is dropped, the device's stays as it is.
"""

from __future__ import annotations

import argparse
import io
import select
import signal
import sys
from pathlib import Path
from time import monotonic_ns
from typing import TYPE_CHECKING, NoReturn, Protocol, cast

from stimloop_hw.errors import LinkError
from stimloop_hw.ports import Port, open_port
from stimloop_sim.impairment import Impairment
from stimloop_sim.scenario import Scenario
from stimloop_sim.serve import add_channel_arguments, leave, open_channels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stimloop_sim.serve import Channel

LONGEST_READ = 4096
LONGEST_WAIT_US = 5000
"""The schedule, and a client that took no more bytes, are looked at so often."""


class DevicePort(Port, Protocol):
    """A port that a program can wait on, as every tty and ``socket://`` is."""

    timeout: float | None

    def fileno(self) -> int:
        """What to wait on."""


def open_device(url: str) -> DevicePort:
    """Open the device's side.

    Raises
    ------
    LinkError
        If the port cannot be opened, or cannot be waited on.
    """
    port = cast("DevicePort", open_port(url))
    try:
        port.fileno()
    except (AttributeError, io.UnsupportedOperation):
        port.close()
        raise LinkError(
            f"nothing can stand in front of {url}; impair a tty or socket://, and give "
            "sim:// its scenario itself: sim://PROFILE?faults=FILE"
        ) from None
    port.timeout = 0  # take what is there
    return port


class Proxy:
    """Hands bytes on between a client and a device, impaired.

    Parameters
    ----------
    channel : Channel
        The client's side.
    port : DevicePort
        The device's side.
    scenario : Scenario

    Attributes
    ----------
    line : Impairment

    Raises
    ------
    ValueError
        If the scenario has faults of the device, which is out of reach here.
    """

    def __init__(self, channel: Channel, port: DevicePort, scenario: Scenario) -> None:
        self.line = Impairment(scenario)
        self._channel = channel
        self._port = port
        self._plugged = True
        self._unsent = b""

    def step(self, now_us: int, readable: Sequence[object]) -> None:
        """Hand on what has come, at this time since the start, µs."""
        line = self.line
        if self._channel in readable:
            line.to_device.push(now_us, self._channel.read())
        if self._port in readable:
            line.to_host.push(now_us, self._port.read(LONGEST_READ))
        if data := line.to_device.take(now_us):
            self._port.write(data)
        self._unsent += line.to_host.take(now_us)
        self._replug(now_us)
        if self._plugged and self._unsent:
            written = self._channel.write(self._unsent)
            self._unsent = self._unsent[written:]

    def _replug(self, now_us: int) -> None:
        out = self.line.is_unplugged(now_us)
        if self._plugged and (out or self.line.resets(now_us)):
            self._channel.unplug()
            self._plugged = False
            self._unsent = b""
        if not self._plugged and not out:
            self._channel.plug()
            self._plugged = True

    def run(self) -> NoReturn:
        """Hand bytes on until interrupted.

        Raises
        ------
        OSError
            If the device is gone.
        """
        begun_ns = monotonic_ns()
        while True:
            now_us = (monotonic_ns() - begun_ns) // 1000
            due_us = min(self.line.due_us, self.line.to_host.due_us)
            wait_us = min(max(due_us - now_us, 0), LONGEST_WAIT_US)
            watched: list[Channel | DevicePort] = [self._port]
            if self._plugged:
                watched.append(self._channel)
            readable, _, _ = select.select(watched, [], [], wait_us / 1e6)
            self.step((monotonic_ns() - begun_ns) // 1000, readable)


def check_reachable(scenario: Scenario) -> None:
    """Refuse faults that a line cannot cause.

    Raises
    ------
    ValueError
        By the first one's name.
    """
    for entry in scenario.entries:
        if entry.on_device:
            raise ValueError(
                f"a fault of kind {entry.kind!r} strikes the device itself, which only a "
                "simulated one allows; remove it, or use it with stimloop simulate"
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """Impair a line until interrupted.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line without the program's name.

    Returns
    -------
    int
        0 done, 1 refused or device gone, 2 usage.
    """
    parser = argparse.ArgumentParser(
        prog="stimloop impair",
        description="A bad line in real time, in front of a real port.",
    )
    parser.add_argument("--device", required=True, metavar="URL", help="a tty or socket://")
    parser.add_argument(
        "--faults", type=Path, required=True, metavar="FILE", help="a TOML scenario"
    )
    add_channel_arguments(parser)
    options = parser.parse_args(arguments)
    try:
        scenario = Scenario.load(options.faults)
        check_reachable(scenario)
        port = open_device(options.device)
        ((channel, name),) = open_channels(parser, options)
    except (ValueError, OSError, LinkError) as problem:
        print(f"stimloop impair: {problem}", file=sys.stderr)
        return 1
    proxy = Proxy(channel, port, scenario)
    try:
        signal.signal(signal.SIGTERM, leave)
        print(name, flush=True)
        print(
            f"{options.device} impaired on {name}; Ctrl-C ends it", file=sys.stderr, flush=True
        )
        proxy.run()
    except KeyboardInterrupt:
        return 0
    except OSError as problem:
        print(f"stimloop impair: {options.device} is gone: {problem}", file=sys.stderr)
        return 1
    finally:
        channel.close()
        port.close()
        line = proxy.line
        for where, wire in (("to device", line.to_device), ("to host", line.to_host)):
            struck = ", ".join(f"{kind} {n}" for kind, n in sorted(wire.counts.items()) if n)
            print(f"{where}: {struck or 'nothing struck'}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
