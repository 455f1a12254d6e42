"""``python -m stimloop.station``: the process that holds the device."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from stimloop.station.directory import run_directory
from stimloop.station.server import Server
from stimloop_hw import StimloopError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Shutdown, SIGINT or SIGTERM.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line without the program's name.

    Returns
    -------
    int
        0 done, 1 refused or fault, 2 usage.
    """
    parser = argparse.ArgumentParser(
        prog="python -m stimloop.station",
        description="Holds a device, leads its session and records it, for an app or a script. "
        "Research and bench use only, not a medical device.",
    )
    parser.add_argument(
        "--directory",
        type=Path,
        default=run_directory(),
        metavar="DIR",
        help="its private run directory (default: %(default)s)",
    )
    parser.add_argument(
        "--records",
        type=Path,
        required=True,
        metavar="DIR",
        help="below it sessions are recorded, and the audit log is kept",
    )
    parser.add_argument(
        "--unattended-s",
        type=float,
        default=float("inf"),
        metavar="S",
        help="end a session by its ramp so long after a client was last heard (default: never)",
    )
    options = parser.parse_args(arguments)
    if not options.unattended_s > 0:
        parser.error(f"--unattended-s {options.unattended_s:g} is not above 0")
    try:
        Server(options.directory, options.records.absolute(), options.unattended_s).serve()
    except (StimloopError, OSError) as problem:
        print(f"stimloop station: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
