"""``stimloop trial``: every cell once, whatever happens, then tables and a report."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, wait
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stimloop.errors import Refused, Violation
from stimloop.run import fresh_directory
from stimloop_hw import StimloopError
from stimloop_lab import results, trial_report
from stimloop_lab.bedside import bedside
from stimloop_lab.cell import run_cell, run_rest
from stimloop_lab.cluster import cluster
from stimloop_lab.grid import Grid
from stimloop_lab.ledger import Ledger, unwritable
from stimloop_lab.trial import TrialError, load
from stimloop_lab.workforce import cores, processes

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

    from stimloop_lab.grid import Place
    from stimloop_lab.trial import Trial
    from stimloop_lab.workforce import Workforce

AHEAD = 2
"""Cells handed out for each worker: one to run, one that waits for it."""


def run(
    path: Path,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    directory: Path | None = None,
    unblind: bool = False,
    on_progress: Callable[[float, float], None] = lambda done, total: None,  # noqa: ARG005
) -> dict[str, Any]:
    """Run what is not yet finished of a trial, and write its results.

    Parameters
    ----------
    path : Path
        The trial's file.
    workers : int, optional
        Processes; as many as there are cores if not given.
    scheduler : str, optional
        URL of a Dask scheduler, whose workers are used instead.
    directory : Path, optional
        Where results go, and where finished cells are looked for; a fresh one if not given.
    unblind : bool
        Whether the report of a blinded trial calls the arms by their names.
    on_progress : callable
        Called with the patient time that is done and that of the whole trial, s.

    Returns
    -------
    dict
        See `stimloop_lab.results.tables`; besides ``cells``, ``run`` (of these, now),
        ``failed`` (cell and reason), ``directory``, ``results`` and ``report``.

    Raises
    ------
    TrialError
        If it is refused, or cannot go on. What is finished is kept.
    """
    trial = load(path)
    check_device(trial)
    grid = Grid(trial)
    directory = fresh_directory("stimloop-trial") if directory is None else directory
    ledger = Ledger(directory, trial, grid)
    before = len(ledger.outcomes)
    asked = processes(cores() if workers is None else workers)
    with asked if scheduler is None else cluster(scheduler) as workforce:
        failed = _Conductor(grid, ledger, workforce, on_progress).run()
    try:
        table = results.table(trial, grid, ledger.outcomes)
        results.write(table, directory / "results.parquet")
        values = results.tables(trial, grid, table, unblind=unblind)
        trial_report.write(directory / "report.html", trial, values, failed)
        if trial.blinding is not None:
            results.write_key(directory / "key.json", grid)
    except OSError as problem:
        raise unwritable(directory, problem) from problem
    return {
        **values,
        "cells": len(grid.places),
        "run": len(ledger.outcomes) - before,
        "failed": failed,
        "directory": str(directory),
        "results": str(directory / "results.parquet"),
        "report": str(directory / "report.html"),
    }


def check_device(trial: Trial) -> None:
    """Ask the device of a trial whether it allows every arm.

    Raises
    ------
    TrialError
        With everything that it does not allow.
    """
    with bedside(trial.patients[0].model, trial.device, 0, _alone) as (link, _):
        limits = link.limits()
    found: list[Violation] = []
    for arm in trial.arms:
        try:
            trial.therapy.prescription(arm).check(limits)
        except Refused as problem:
            found += [
                replace(violation, field=f"arms.{arm.name}: {violation.field}")
                for violation in problem.violations
            ]
    if found:
        raise TrialError(tuple(found))


def _alone(patient: Any) -> Any:  # noqa: ANN401  # of any therapy
    """Nobody watches."""
    return patient


class _Conductor:
    """Hands out what is not finished, the longest first, and writes down what comes back."""

    def __init__(
        self,
        grid: Grid,
        ledger: Ledger,
        workforce: Workforce,
        on_progress: Callable[[float, float], None],
    ) -> None:
        self._grid = grid
        self._ledger = ledger
        self._workforce = workforce
        self._on_progress = on_progress
        self._rests = [name for name in grid.rests if name not in ledger.baselines]
        left = [place for place in grid.places if place.key not in ledger.outcomes]
        # One long cell at the end would leave all other workers idle.
        self._places = sorted(left, key=lambda place: -place.cost_s)
        self._given: dict[Future[Any], str | Place] = {}
        self._total_s = sum(place.cost_s for place in grid.places)
        self._done_s = self._total_s - sum(place.cost_s for place in left)
        self._failed: list[dict[str, str]] = []

    def run(self) -> list[dict[str, str]]:
        """Until nothing is left: which cells failed, and why."""
        self._on_progress(self._done_s, self._total_s)
        try:
            while self._hand_out():
                done, _ = wait(self._given, return_when=FIRST_COMPLETED)
                for future in done:
                    self._take(self._given.pop(future), future)
        except BrokenExecutor:
            raise TrialError((_DEAD,)) from None
        return self._failed

    def _hand_out(self) -> bool:
        """Give every worker what it can do; whether anything is out."""
        while len(self._given) < AHEAD * max(1, self._workforce.size()):
            if self._rests:
                name = self._rests.pop(0)
                job = self._workforce.executor.submit(run_rest, self._grid.rests[name])
                self._given[job] = name
                continue
            known = self._ledger.baselines
            ready = (
                number
                for number, place in enumerate(self._places)
                if all(name in known for name in self._grid.needs(place))
            )
            number = next(ready, None)
            if number is None:
                break
            place = self._places.pop(number)
            cell = self._grid.cell(place, known)
            self._given[self._workforce.executor.submit(run_cell, cell)] = place
        return bool(self._given)

    def _take(self, given: str | Place, future: Future[Any]) -> None:
        try:
            result = future.result()
        except StimloopError as problem:
            name = given if isinstance(given, str) else given.key
            self._failed.append({"cell": name, "reason": str(problem)})
            return
        if isinstance(given, str):
            self._ledger.keep_baseline(given, result)
            return
        self._ledger.keep_outcome(given.key, result)
        self._done_s += given.cost_s
        self._on_progress(self._done_s, self._total_s)


_DEAD = Violation(
    "workers",
    "a worker process that was killed on its way",
    "workers that live as long as the trial",
    "look at the machine's memory, then give the command again: finished cells are kept",
)
