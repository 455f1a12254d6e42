"""Trials on a cluster: a real scheduler and its workers, as processes of their own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.loop.test_trial import SMALL, finished

from stimloop.cli import main
from stimloop_lab import conduct
from stimloop_lab.trial import TrialError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip(
    "distributed", reason="Dask is not installed: pip install 'stimloop[cluster]'"
)


@contextmanager
def dask(what: str, *arguments: str, until: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A Dask process, and what it said when it was ready."""
    command = [sys.executable, "-m", "dask", what, "--no-dashboard", *arguments]
    environment = os.environ | {"DASK_DISTRIBUTED__WORKER__DAEMON": "False"}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if found := re.search(until, line):
                    yield process, found[1]
                    break
            else:
                pytest.fail(f"dask {what} did not start")
        finally:
            process.kill()


@contextmanager
def worker(url: str) -> Iterator[subprocess.Popen[str]]:
    """A worker in one process, so that killing it kills the cell."""
    arguments = ("--nthreads", "1", "--no-nanny", url)
    with dask("worker", *arguments, until=r"(Registered to)") as (process, _):
        yield process


@pytest.fixture
def scheduler() -> Iterator[tuple[subprocess.Popen[str], str]]:
    arguments = ("--host", "127.0.0.1", "--port", "0")
    with dask("scheduler", *arguments, until=r"Scheduler at:\s+(tcp://\S+)") as found:
        yield found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "trial.toml"
    # Long enough cells for a worker to die in one.
    path.write_text(SMALL.replace("durations_s = [2]", "durations_s = [10]"), "utf-8")
    return path


def test_a_worker_killed_half_way_loses_nothing(
    file: Path, tmp_path: Path, scheduler: tuple[subprocess.Popen[str], str]
) -> None:
    _, url = scheduler
    with worker(url) as victim, worker(url):
        killed: list[float] = []

        def kill(done: float, total: float) -> None:
            if done > total / 3 and not killed:
                killed.append(done)
                victim.send_signal(signal.SIGKILL)

        out = tmp_path / "cluster"
        told = conduct.run(file, scheduler=url, directory=out, on_progress=kill)
    assert killed
    assert told["failed"] == []
    assert told["run"] == told["cells"] == 16
    conduct.run(file, workers=1, directory=tmp_path / "alone")
    results = [tmp_path / name / "results.parquet" for name in ("cluster", "alone")]
    assert results[0].read_bytes() == results[1].read_bytes()


def test_a_scheduler_that_vanishes_is_told_and_finished_cells_are_kept(
    file: Path,
    tmp_path: Path,
    scheduler: tuple[subprocess.Popen[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stimloop_lab.cluster.PATIENCE_S", 5)
    process, url = scheduler
    with worker(url):

        def kill(done: float, _total: float) -> None:
            if done:
                process.send_signal(signal.SIGKILL)

        out = tmp_path / "out"
        begin = time.monotonic()
        with pytest.raises(TrialError, match="vanished") as refused:
            conduct.run(file, scheduler=url, directory=out, on_progress=kill)
    assert time.monotonic() - begin < 60
    assert "finished cells are kept" in str(refused.value)
    before = finished(out)
    assert before
    told = conduct.run(file, workers=1, directory=out)
    assert told["run"] == 16 - sum(not path.stem.startswith("rest~") for path in before)


def test_a_scheduler_that_is_not_there_is_one_sentence(
    file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stimloop_lab.cluster.PATIENCE_S", 1)
    command = ["trial", str(file), "--scheduler", "tcp://127.0.0.1:9", "--out"]
    assert main([*command, str(tmp_path / "out")]) == 1
    told = capsys.readouterr().err
    assert "tcp://127.0.0.1:9, where no scheduler answers" in told
    assert "Traceback" not in told


def test_a_scheduler_without_workers_is_told(
    file: Path,
    tmp_path: Path,
    scheduler: tuple[subprocess.Popen[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stimloop_lab.cluster.PATIENCE_S", 1)
    with pytest.raises(TrialError, match="has no workers"):
        conduct.run(file, scheduler=scheduler[1], directory=tmp_path / "out")


def test_a_worker_of_another_build_is_refused(
    file: Path,
    tmp_path: Path,
    scheduler: tuple[subprocess.Popen[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, url = scheduler
    monkeypatch.setattr("stimloop_lab.cluster.build", lambda: "another")
    with worker(url), pytest.raises(TrialError, match="of another build"):
        conduct.run(file, scheduler=url, directory=tmp_path / "out")


def test_without_dask_a_sentence_says_what_to_install(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(TrialError, match=r"pip install 'stimloop\[cluster\]'"):
        conduct.run(file, scheduler="tcp://127.0.0.1:9", directory=tmp_path / "out")
