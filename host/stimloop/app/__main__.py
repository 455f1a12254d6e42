"""``python -m stimloop.app``: the programmer, beside a station of its own or a running one."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from stimloop.app.prerequisites import missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stimloop.station import Station

DONE, FAILED = 0, 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the window until it is closed.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line without the program's name.

    Returns
    -------
    int
        Exit status.
    """
    options = _parser().parse_args(arguments)
    lacking = missing() or _no_screen()
    if lacking:
        print(f"stimloop: {lacking}", file=sys.stderr)
        return FAILED
    from stimloop.app.launch import show  # noqa: PLC0415  Qt is known to be here only now
    from stimloop.station import StationError  # noqa: PLC0415

    try:
        return show(_station(options), options.device, options.key)
    except StationError as problem:
        print(f"stimloop: {problem}", file=sys.stderr)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stimloop app",
        description="The programmer: set a device up, and watch it.",
        epilog="Research and bench use only, not a medical device.",
    )
    parser.add_argument("--device", metavar="URL", default="", help="connect to it at once")
    parser.add_argument("--key", metavar="FILE", default="", help="of the device")
    parser.add_argument(
        "--station",
        metavar="NAME",
        default="station",
        help="run directory of the station: a name, or a path; one that runs is attached to",
    )
    parser.add_argument(
        "--records",
        metavar="DIR",
        type=Path,
        default=Path("stimloop-records"),
        help="below it sessions are recorded, where the station is not running yet",
    )
    return parser


def _station(options: argparse.Namespace) -> Station:
    from stimloop.station import Station, StationError  # noqa: PLC0415
    from stimloop.station.directory import run_directory  # noqa: PLC0415

    given = Path(options.station)
    directory = given if given.parent != Path() else run_directory(options.station)
    try:
        return Station.attach(directory, "stimloop app")
    except StationError:
        options.records.mkdir(parents=True, exist_ok=True)
        return Station.launch(directory, records=options.records, who="stimloop app")


def _no_screen() -> str:
    """Say what is missing where there is no screen to show a window on."""
    names = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform != "linux" or any(os.environ.get(name) for name in names):
        return ""
    return (
        "there is no screen, since neither DISPLAY nor WAYLAND_DISPLAY is set; start it from a "
        "desktop, or with xvfb-run"
    )


if __name__ == "__main__":
    sys.exit(main())
