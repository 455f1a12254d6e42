"""``python -m stimloop_sim``: a simulated implant in a process of its own."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from stimloop_sim.bench import SCHEME, Bench
from stimloop_sim.profile import names
from stimloop_sim.serve import add_channel_arguments, leave, open_channel, serve

if TYPE_CHECKING:
    from collections.abc import Sequence


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
    url = options.profile
    if not url.startswith(SCHEME):
        url = SCHEME + url
    if options.key is not None:
        url = _with(url, "key", quote(str(options.key), safe=""))
    if options.unsigned:
        url = _with(url, "build", "unsigned")
    if options.faults is not None:
        url = _with(url, "faults", quote(options.faults, safe=""))
    try:
        bench = Bench.of_url(url)
        channel, name = open_channel(parser, options)
    except (ValueError, OSError) as problem:
        print(f"stimloop simulate: {problem}", file=sys.stderr)
        return 1
    try:
        signal.signal(signal.SIGTERM, leave)
        print(name, flush=True)
        print(
            f"simulated {bench.firmware.profile.model} on {name}: research and bench use, "
            "not a medical device; Ctrl-C ends it",
            file=sys.stderr,
            flush=True,
        )
        serve(bench, channel)
    except KeyboardInterrupt:
        return 0
    finally:
        channel.close()


def _with(url: str, key: str, value: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{key}={value}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stimloop simulate",
        description="A simulated implant in real time, for any program that opens a port.",
    )
    parser.add_argument(
        "profile",
        nargs="?",
        default="dbs",
        help="device profile, with the options of a sim:// URL: dbs?patient=NAME&seed=N "
        "or dbs?recording=FILE&channel=NAME (default: dbs)",
    )
    add_channel_arguments(parser)
    parser.add_argument("--profiles", action="store_true", help="list the device profiles")
    parser.add_argument(
        "--key", type=Path, metavar="FILE", help="its key (default: the public development key)"
    )
    parser.add_argument(
        "--unsigned", action="store_true", help="a build that takes unsigned orders"
    )
    parser.add_argument("--faults", metavar="FILE", help="faults on schedule: a TOML scenario")
    return parser


if __name__ == "__main__":
    sys.exit(main())
