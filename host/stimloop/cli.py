"""The command line. Exit status: 0 done, 1 refused or fault, 2 usage."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol

from stimloop import commands, console
from stimloop.rig import commands as rig
from stimloop_hw import StimloopError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType


_FORWARDED = (commands.simulate, commands.impair, commands.app)
"""Commands that are programs of their own."""


class Command(Protocol):
    """One of the commands below: its name and its docstring are those of the command line."""

    __name__: str

    def __call__(self, options: argparse.Namespace, /) -> int:
        """Run it: the exit status."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line without the program's name.

    Returns
    -------
    int
        Exit status.
    """
    options, rest = _parser().parse_known_args(arguments)
    if rest and options.command not in _FORWARDED:
        _parser().error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        status: int = options.command(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has left; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return commands.FAILED
    except (StimloopError, ValueError, OSError) as problem:
        print(f"stimloop: {problem}", file=sys.stderr)
        return commands.FAILED
    except KeyboardInterrupt:
        print("stimloop: interrupted", file=sys.stderr)
        return commands.FAILED
    return status


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stimloop",
        description="Closed-loop neurostimulation on the bench.",
        epilog=console.NOTICE,
    )
    release = f"stimloop {version('stimloop')}"
    parser.add_argument("--version", action="version", version=release)
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(command: Command, *, json: bool = False) -> argparse.ArgumentParser:
        own = command in _FORWARDED  # its options are for the other program to judge
        sub = subparsers.add_parser(
            command.__name__,
            help=command.__doc__,
            description=command.__doc__,
            epilog=console.NOTICE,
            add_help=not own,
            prefix_chars="\0" if own else "-",
        )
        sub.set_defaults(command=command)
        if json:
            sub.add_argument("--json", action="store_true", help="one JSON object, no more")
        return sub

    sub = add(commands.demo, json=True)
    sub.add_argument("--seconds", type=_seconds, default=600.0, help="of each arm")
    sub.add_argument("--seed", type=_seed, default=1, help="of the patient's noise")
    sub.add_argument("--out", type=Path, metavar="DIR", help="for the records and the report")

    sub = add(commands.run, json=True)
    sub.add_argument("prescription", type=Path, metavar="PRESCRIPTION", help="a TOML file")
    _device(sub)
    sub.add_argument(
        "--sense",
        metavar="URL",
        help="what senses, where --device is a generator (pulsepal+URL), which does not",
    )
    sub.add_argument(
        "--load-ohm",
        type=_ohm,
        metavar="OHM",
        help="resistance that a generator of voltages drives: the prescription's currents go "
        "through it",
    )
    sub.add_argument(
        "--stop-key",
        type=int,
        choices=(0, 1),
        metavar="INPUT",
        help="digital input of what senses that is high while a key is closed: when it opens, "
        "the output ends (Cyton: 0 is D11, 1 is D12)",
    )
    sub.add_argument("--seconds", type=_seconds, help="of therapy, threshold capture besides")
    sub.add_argument(
        "--alone",
        action="store_true",
        help="without a lease: what closes its loop on the device is left running afterwards",
    )
    sub.add_argument("--out", type=Path, metavar="DIR", help="becomes the record")

    _titrate(add(commands.titrate, json=True))
    _device(add(commands.status, json=True))
    _device(add(commands.stop), key="not needed, and not read: anybody may stop")
    _device(add(commands.impedance, json=True))
    sub = add(commands.trends, json=True)
    _device(sub)
    sub.add_argument("--out", type=Path, metavar="FILE.csv", help="for all rows")
    _patient(add(commands.patient, json=True))
    add(commands.devices, json=True)

    _detect(add(commands.detect, json=True))

    _trial(add(commands.trial, json=True))

    _rig(add(rig.rig, json=True))

    _scenario(add(rig.scenario, json=True))
    _doctor(add(rig.doctor, json=True))

    sub = add(commands.replay, json=True)
    sub.add_argument("record", type=Path, metavar="RECORD")
    sub.add_argument("--prescription", type=Path, metavar="OTHER", help="what if?")

    sub = add(commands.report)
    sub.add_argument("record", type=Path, metavar="RECORD")
    sub.add_argument("--out", type=Path, metavar="FILE", help="default: RECORD/report.html")

    _protocol(add(commands.protocol))
    add(commands.controllers)
    add(commands.app)
    add(commands.simulate)
    add(commands.impair)
    return parser


def _protocol(sub: argparse.ArgumentParser) -> None:
    form = sub.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="documentation (default)")
    form.add_argument("--c", action="store_true", help="C header")


def _titrate(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "prescription", type=Path, metavar="PRESCRIPTION", help="with [evoked] and a sweep"
    )
    _device(sub)
    for word in ("perception", "comfort", "discomfort"):
        sub.add_argument(
            f"--{word}", type=_positive, metavar="MA", help="known before; default: ask"
        )
    sub.add_argument("--out", type=Path, metavar="DIR", help="becomes the record")


def _trial(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("trial", type=Path, metavar="TRIAL", help="a TOML file")
    where = sub.add_mutually_exclusive_group()
    where.add_argument("--workers", type=_count, metavar="N", help="default: all cores")
    where.add_argument("--scheduler", metavar="URL", help="tcp://HOST:PORT of a Dask cluster")
    sub.add_argument(
        "--out", type=Path, metavar="DIR", help="for the results; finished cells there stand"
    )
    sub.add_argument("--unblind", action="store_true", help="names instead of codes")


def _device(
    sub: argparse.ArgumentParser,
    key: str = "the device's key, 64 hexadecimal digits (or STIMLOOP_KEY); "
    "default: the public development key of simulators",
    *,
    required: bool = True,
) -> None:
    sub.add_argument(
        "--device",
        required=required,
        metavar="URL",
        help="/dev/ttyACM0, socket://HOST:PORT, sim://dbs?patient=NAME&seed=N, …",
    )
    sub.add_argument("--key", type=Path, metavar="FILE", help=key)


def _rig(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("suites", nargs="*", metavar="SUITE", help="or obligations; default: all")
    sub.add_argument("--list", action="store_true", help="the obligations as a table, no more")
    _device(sub, required=False)
    sub.add_argument(
        "--witness",
        metavar="URL",
        help="who saw the pulses, where a recorder writes its lines; sim:// brings its own",
    )
    sub.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="becomes the evidence: obligations, scenarios, pulses, environment, raw records",
    )
    sub.add_argument(
        "--diff", type=Path, nargs=2, metavar="DIR", help="two of them side by side, no more"
    )


def _scenario(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "scenarios",
        nargs="*",
        metavar="SCENARIO",
        help="of the library, or files; default: all",
    )
    sub.add_argument("--list", action="store_true", help="the library as a table, no more")
    _device(sub, required=False)
    sub.add_argument("--witness", metavar="URL", help="who saw the pulses")


def _doctor(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--device", metavar="URL", help="has to answer besides")
    sub.add_argument("--fix", action="store_true", help="set latency timers of FTDI adapters")


def _patient(sub: argparse.ArgumentParser) -> None:
    _device(sub)
    wish = sub.add_mutually_exclusive_group(required=True)
    wish.add_argument("--up", type=_count, default=0, metavar="STEPS", help="of the program's")
    wish.add_argument("--down", type=_count, default=0, metavar="STEPS")
    wish.add_argument("--mark", type=int, choices=range(256), metavar="N", help="0 to 255")


def _detect(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help=".npy, .csv, BrainVision or EDF"
    )
    sub.add_argument("--rate", type=_positive, metavar="HZ", help="for .npy and .csv")
    sub.add_argument("--channel", metavar="NAME", help="or A-B, their difference")
    sub.add_argument("--gain", type=_positive, default=1.0, help="scales the file's values")
    sub.add_argument("--band", type=_positive, nargs=2, default=(13.0, 35.0), metavar="HZ")
    sub.add_argument("--order", type=int, default=2, choices=(1, 2, 3, 4))
    sub.add_argument("--smooth-ms", type=_positive, default=50.0, metavar="MS")
    sub.add_argument("--percentile", type=float, default=75.0, metavar="P")
    sub.add_argument(
        "--stimulation",
        type=_positive,
        metavar="HZ",
        help="tells which of its harmonics sampling folds into the band",
    )
    sub.add_argument(
        "--score", action="store_true", help="every detector on the virtual patient instead"
    )
    sub.add_argument("--seeds", type=_count, default=10, metavar="N", help="with --score")
    sub.add_argument("--seconds", type=_seconds, default=300.0, help="with --score, per seed")
    sub.add_argument("--out", type=Path, metavar="DIR", help="with --score, for its files")


def _positive(text: str) -> float:
    value = float(text)
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def _seconds(text: str) -> float:
    value = _positive(text)
    if value > 1e7:
        raise argparse.ArgumentTypeError(f"{text} s is longer than 115 days")
    return value


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 1 to 1000")
    return int(text)


def _ohm(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"{text} is no resistance from 1 to 65535 ohm")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdigit() or len(text) > 18:
        raise argparse.ArgumentTypeError(f"{text} is no whole number of at most 18 digits")
    return int(text)
