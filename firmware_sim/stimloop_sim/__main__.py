"""``python -m stimloop_sim``: simulated devices in a process of their own."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from stimloop_sim.bench import Bench
from stimloop_sim.instruments import INSTRUMENTS, device_of_url
from stimloop_sim.oscilloscope import Oscilloscope
from stimloop_sim.profile import names
from stimloop_sim.serve import (
    Line,
    TcpPort,
    add_channel_arguments,
    address,
    leave,
    open_channels,
    serve,
)
from stimloop_sim.sim_url import SCHEME
from stimloop_sim.witness_port import WitnessPort

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stimloop_sim.cable import Device


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line without the program's name.

    Returns
    -------
    int
        0 done, 1 refused or fault, 2 usage.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.profiles:
        print("\n".join(names()))
        return 0
    try:
        devices = [device_of_url(_url(asked, options)) for asked in options.profile]
        channels = open_channels(parser, options, len(devices))
        witness = _witness(devices, options.witness)
    except (ValueError, OSError) as problem:
        print(f"stimloop simulate: {problem}", file=sys.stderr)
        return 1
    try:
        signal.signal(signal.SIGTERM, leave)
        lines = []
        for device, (channel, name) in zip(devices, channels, strict=True):
            lines.append(Line(device, channel))
            print(name, flush=True)
            print(
                f"simulated {device.model} on {name}: research and bench use, "
                "not a medical device; Ctrl-C ends it",
                file=sys.stderr,
                flush=True,
            )
        serve(*lines, witness=witness)
    except KeyboardInterrupt:
        return 0
    finally:
        for channel, _ in channels:
            channel.close()
        if witness is not None:
            witness.close()


def _witness(devices: Sequence[Device], where: tuple[str, int] | None) -> WitnessPort | None:
    """At the electrodes of the one implant that is served."""
    if where is None:
        return None
    if len(devices) > 1 or not isinstance(devices[0], Bench):
        raise ValueError("--witness looks at one implant; serve that alone")
    witness = WitnessPort(Oscilloscope(devices[0].implant), TcpPort(*where))
    print("witness on socket://{}:{}".format(*witness.address), file=sys.stderr, flush=True)
    return witness


def _url(asked: str, options: argparse.Namespace) -> str:
    """What the command line asks for, as a URL."""
    url = asked if asked.startswith(SCHEME) else SCHEME + asked
    if options.key is not None:
        url = _with(url, "key", quote(str(options.key), safe=""))
    if options.unsigned:
        url = _with(url, "build", "unsigned")
    if options.faults is not None:
        url = _with(url, "faults", quote(options.faults, safe=""))
    return url


def _with(url: str, key: str, value: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{key}={value}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stimloop simulate",
        description="A simulated device in real time, for any program that opens a port.",
    )
    parser.add_argument(
        "profile",
        nargs="*",
        default=["dbs"],
        help="device profile or instrument, with the options of a sim:// URL: "
        "dbs?patient=NAME&seed=N or dbs?recording=FILE&channel=NAME (default: dbs); several "
        f"instruments may share a bath. Instruments: {', '.join(INSTRUMENTS)}",
    )
    add_channel_arguments(parser)
    parser.add_argument("--profiles", action="store_true", help="list the device profiles")
    parser.add_argument(
        "--key", type=Path, metavar="FILE", help="its key (default: the public development key)"
    )
    parser.add_argument(
        "--unsigned", action="store_true", help="a build that takes unsigned orders"
    )
    parser.add_argument(
        "--witness",
        type=address,
        metavar="HOST:PORT",
        help="tells every pulse at an implant's electrodes, for stimloop rig --witness",
    )
    parser.add_argument("--faults", metavar="FILE", help="faults on schedule: a TOML scenario")
    return parser


if __name__ == "__main__":
    sys.exit(main())
