"""Finished cells on disk: each a file that is there whole or not at all.

::

    DIRECTORY/trial.json      which trial, made by which build
              cells/NAME.json what came of a cell, or of a calibration
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from stimloop.errors import Violation
from stimloop_lab.trial import SCHEMA, TrialError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from stimloop_lab.grid import Grid
    from stimloop_lab.outcome import Outcome
    from stimloop_lab.trial import Trial

_PACKAGES = ("stimloop", "stimloop_dsp", "stimloop_hw", "stimloop_lab", "stimloop_sim")
_COMPUTED = (".py", ".so", ".toml")


class Ledger:
    """What of a trial is finished.

    Parameters
    ----------
    directory : Path
        Empty, not there, or of the same trial by the same build.
    trial : Trial
    grid : Grid

    Raises
    ------
    TrialError
        If it is another trial's or another build's, or cannot be written.
    """

    def __init__(self, directory: Path, trial: Trial, grid: Grid) -> None:
        self.directory = directory
        self._cells = directory / "cells"
        mine = {
            "schema": SCHEMA,
            "trial": _fingerprint(trial),
            "build": build(),
            "versions": versions(),
        }
        try:
            self._cells.mkdir(parents=True, exist_ok=True)
            found = _read(directory / "trial.json")
            if found is None:
                if any(self._cells.iterdir()):
                    raise TrialError((_foreign(directory, "no trial.json"),))
                _write(directory / "trial.json", mine)
            for key, words in (
                ("trial", "another trial"),
                ("build", "cells of another build"),
                ("versions", "cells of other libraries"),
            ):
                if found is not None and found.get(key) != mine[key]:
                    raise TrialError((_foreign(directory, words),))
            kept = {path.stem: _read(path) for path in sorted(self._cells.glob("*.json"))}
        except OSError as problem:
            raise unwritable(directory, problem) from problem
        self.baselines = {
            name: trial.therapy.kept(kept[name]) for name in grid.rests if kept.get(name)
        }
        self.outcomes = {
            place.key: trial.therapy.outcome(**kept[place.key])
            for place in grid.places
            if kept.get(place.key)
        }

    def keep_baseline(self, name: str, baseline: Any) -> None:  # noqa: ANN401  # a therapy's
        """Write down what was found of a patient."""
        self._keep(name, asdict(baseline))
        self.baselines[name] = baseline

    def keep_outcome(self, key: str, outcome: Outcome) -> None:
        """Write down what came of a cell."""
        self._keep(key, asdict(outcome))
        self.outcomes[key] = outcome

    def _keep(self, name: str, values: dict[str, Any]) -> None:
        try:
            _write(self._cells / f"{name}.json", values)
        except OSError as problem:
            raise unwritable(self.directory, problem) from problem


def unwritable(path: Path, problem: OSError) -> TrialError:
    """Say that something could not be written, and what to do."""
    return TrialError(
        (
            Violation(
                "out",
                f"{path} ({problem.strerror})",
                "a place that can be written, with room",
                "free space there and give the command again: finished cells are kept",
            ),
        )
    )


@cache
def build() -> str:
    """SHA-256 of all that computes: two builds that differ in a byte are two."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        _hash(files(package), package, digest.update)
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """What else the numbers depend on."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        **{name: version(name) for name in ("numpy", "scipy")},
    }


def _hash(place: Traversable, name: str, update: Any) -> None:  # noqa: ANN401
    for entry in sorted(place.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            _hash(entry, f"{name}/{entry.name}", update)
        elif entry.name.endswith(_COMPUTED):
            update(f"{name}/{entry.name}\0".encode())
            update(entry.read_bytes())


def _fingerprint(trial: Trial) -> str:
    return hashlib.sha256(repr(trial).encode()).hexdigest()


def _read(path: Path) -> Any:  # noqa: ANN401  # JSON is made of anything
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None


def _write(path: Path, values: dict[str, Any]) -> None:
    """Write a file that appears whole, and survives a power failure from then on."""
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(values, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _foreign(directory: Path, words: str) -> Violation:
    return Violation(
        "out",
        f"{directory}, which holds {words}",
        "an empty directory, or that of this trial by this build",
        "name another directory",
    )
